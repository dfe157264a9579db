"""Ed25519 (RFC 8032) and X25519's bad keys in plain Python: slow, readable, and no relative of libsodium.

Verification is libsodium's: S < L, keys and R that are not canonical or of small order refused, no cofactor (the
encoded R is compared). Signing follows the RFC. For tests only: nothing here runs in constant time.
"""
import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)

# Points are (X, Y, Z, T): x = X/Z, y = Y/Z, xy = T/Z.
ZERO = (0, 1, 1, 0)


def add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def double(p):
    a = p[0] * p[0] % P
    b = p[1] * p[1] % P
    c = 2 * p[2] * p[2] % P
    h = a + b
    e = h - (p[0] + p[1]) ** 2
    g = a - b
    f = c + g
    return e * f % P, g * h % P, f * g % P, e * h % P


def negate(p):
    return P - p[0], p[1], p[2], P - p[3]


def multiply(n, p):
    table = [ZERO]
    for _ in range(15):
        table.append(add(table[-1], p))
    out = ZERO
    for shift in range(((n.bit_length() + 3) // 4) * 4 - 4, -1, -4):
        if out is not ZERO:
            out = double(double(double(double(out))))
        digit = n >> shift & 15
        if digit:
            out = add(out, table[digit])
    return out


def equal(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


def encode(p):
    z = pow(p[2], P - 2, P)
    x, y = p[0] * z % P, p[1] * z % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode(b):
    """The point, or None: not on the curve, or not written the one way."""
    y = int.from_bytes(b, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * v**3 * pow(u * v**7, (P - 5) // 8, P) % P
    if (v * x * x - u) % P != 0:
        x = x * SQRT_M1 % P
        if (v * x * x - u) % P != 0:
            return None
    if x == 0 and sign:
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = decode((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
# BASE_TABLE[i][d] = d * 16^i * BASE
BASE_TABLE = []
_step = BASE
for _ in range(64):
    _row = [ZERO]
    for _ in range(15):
        _row.append(add(_row[-1], _step))
    BASE_TABLE.append(_row)
    _step = add(_row[-1], _step)


def multiply_base(n):
    out = ZERO
    for i in range(64):
        digit = n >> 4 * i & 15
        if digit:
            out = add(out, BASE_TABLE[i][digit])
    return out


def small_order(p):
    return equal(double(double(double(p))), ZERO)


def secret_scalar(seed):
    h = hashlib.sha512(seed).digest()
    a = int.from_bytes(h[:32], "little")
    return a & (2**254 - 8) | 2**254, h[32:]


def public_key(seed):
    return encode(multiply_base(secret_scalar(seed)[0]))


def sign(seed, message):
    a, prefix = secret_scalar(seed)
    pk = public_key(seed)
    r = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % L
    big_r = encode(multiply_base(r))
    h = int.from_bytes(hashlib.sha512(big_r + pk + message).digest(), "little") % L
    return big_r + ((r + h * a) % L).to_bytes(32, "little")


def verify(pk, message, sig):
    s = int.from_bytes(sig[32:], "little")
    a, big_r = decode(pk), decode(sig[:32])
    if len(sig) != 64 or s >= L or a is None or big_r is None or small_order(a) or small_order(big_r):
        return False
    h = int.from_bytes(hashlib.sha512(sig[:32] + pk + message).digest(), "little") % L
    return encode(add(multiply_base(s), multiply(h, negate(a)))) == sig[:32]


def prime_order(pk):
    """A canonical point of order L: what may be a key."""
    a = decode(pk)
    return a is not None and not small_order(a) and equal(multiply(L, a), ZERO)


def x25519_usable(pk):
    """Whether products with clamped scalars are not zero: 8 times the point is not the neutral element."""
    x, z = int.from_bytes(pk, "little") & (2**255 - 1), 1
    x %= P
    for _ in range(3):
        a, b = (x + z) ** 2 % P, (x - z) ** 2 % P
        e = a - b
        x, z = a * b % P, e * (a + 121665 * e) % P
    return z != 0
