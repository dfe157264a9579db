#!/usr/bin/env python3
"""Every key, and every box that a key opens, built from SECURITY.md alone.

usage: keys_ref.py > keys.inc         tests/unit/keys/kat.c compares with it
       keys_ref.py --check keys.inc

Shares no code with EDN: BLAKE2b and HMAC-SHA256 are hashlib's, XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03, RFC
8439), X25519 (RFC 7748) and HPKE (RFC 9180) are written out here, and Ed25519 stands beside this file. Argon2id alone
is not: its one value is the reference program's (see ARGON2ID).
"""
import hashlib
import hmac
import struct
import sys

import ed25519

# ---- ChaCha20 and Poly1305 ----------------------------------------------------------------------------------------

M32 = 0xFFFFFFFF


def rotl(v, n):
    return ((v << n) | (v >> (32 - n))) & M32


def chacha_rounds(s):
    s = list(s)
    columns = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)]
    diagonals = [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
    for _ in range(10):
        for a, b, c, d in columns + diagonals:
            for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                s[x] = (s[x] + s[y]) & M32
                s[z] = rotl(s[z] ^ s[x], n)
    return s


SIGMA = struct.unpack("<4I", b"expand 32-byte k")


def chacha_block(key, counter, nonce12):
    s = SIGMA + struct.unpack("<8I", key) + (counter,) + struct.unpack("<3I", nonce12)
    return struct.pack("<16I", *((a + b) & M32 for a, b in zip(s, chacha_rounds(s))))


def hchacha(key, nonce16):
    s = chacha_rounds(SIGMA + struct.unpack("<8I", key) + struct.unpack("<4I", nonce16))
    return struct.pack("<8I", *(s[0:4] + s[12:16]))


def chacha_xor(key, counter, nonce12, data):
    out = bytearray()
    for i in range(0, len(data), 64):
        block = chacha_block(key, counter + i // 64, nonce12)
        out += bytes(a ^ b for a, b in zip(data[i:i + 64], block))
    return bytes(out)


def poly1305(key, msg):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    acc = 0
    for i in range(0, len(msg), 16):
        acc = (acc + int.from_bytes(msg[i:i + 16] + b"\x01", "little")) * r % ((1 << 130) - 5)
    return ((acc + int.from_bytes(key[16:], "little")) & ((1 << 128) - 1)).to_bytes(16, "little")


def aead_seal(key, nonce12, aad, pt):
    c = chacha_xor(key, 1, nonce12, pt)
    pad = lambda x: x + bytes(-len(x) % 16)
    mac = pad(aad) + pad(c) + struct.pack("<QQ", len(aad), len(c))
    return c + poly1305(chacha_block(key, 0, nonce12)[:32], mac)


def xaead_seal(key, nonce24, aad, pt):
    return aead_seal(hchacha(key, nonce24[:16]), bytes(4) + nonce24[16:], aad, pt)


def xaead_open(key, nonce24, aad, box):
    """The plaintext, or None: what opens is what sealing again gives."""
    pt = chacha_xor(hchacha(key, nonce24[:16]), 1, bytes(4) + nonce24[16:], box[:-16])
    return pt if xaead_seal(key, nonce24, aad, pt) == box else None


# ---- X25519 -------------------------------------------------------------------------------------------------------

P = 2**255 - 19


def clamp(b):
    n = int.from_bytes(b, "little")
    return n & ((1 << 254) - 8) | 1 << 254


def x25519(scalar, u_bytes):
    k, u = clamp(scalar), int.from_bytes(u_bytes, "little") & ((1 << 255) - 1)
    x1, x2, z2, x3, z3, swap = u, 1, 0, u, 1, 0
    for t in range(254, -1, -1):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = (x2 + z2) % P, (x2 - z2) % P, (x3 + z3) % P, (x3 - z3) % P
        aa, bb, da, cb = a * a % P, b * b % P, d * a % P, c * b % P
        e = (aa - bb) % P
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


NINE = (9).to_bytes(32, "little")

# ---- HPKE (RFC 9180) ----------------------------------------------------------------------------------------------


def hkdf_extract(salt, ikm):
    return hmac.new(salt or bytes(32), ikm, hashlib.sha256).digest()


def hkdf_expand(prk, info, n):
    out, block = b"", b""
    for i in range(1, -(-n // 32) + 1):
        block = hmac.new(prk, block + info + bytes([i]), hashlib.sha256).digest()
        out += block
    return out[:n]


def hpke_seal(sk_e, pk_r, info, aad, psk, psk_id, pt):
    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x03"
    extract = lambda s, salt, label, ikm: hkdf_extract(salt, b"HPKE-v1" + s + label + ikm)
    expand = lambda s, prk, label, info_, n: hkdf_expand(prk, struct.pack(">H", n) + b"HPKE-v1" + s + label + info_, n)
    enc = x25519(sk_e, NINE)
    shared = expand(kem, extract(kem, b"", b"eae_prk", x25519(sk_e, pk_r)), b"shared_secret", enc + pk_r, 32)
    context = (bytes([1 if psk else 0]) + extract(suite, b"", b"psk_id_hash", psk_id) +
               extract(suite, b"", b"info_hash", info))
    secret = extract(suite, shared, b"secret", psk)
    key, nonce = expand(suite, secret, b"key", context, 32), expand(suite, secret, b"base_nonce", context, 12)
    return enc, aead_seal(key, nonce, aad, pt)


# ---- EDN ----------------------------------------------------------------------------------------------------------


def u8(v):
    return struct.pack("<B", v)


def u16(v):
    return struct.pack("<H", v)


def u32(v):
    return struct.pack("<I", v)


def u64(v):
    return struct.pack("<Q", v)


def LP(x):
    return u32(len(x)) + x


def T(label, *fields):
    return LP(b"EDNv1/" + label.encode()) + u32(len(fields)) + b"".join(map(LP, fields))


def H32(x):
    return hashlib.blake2b(x, digest_size=32).digest()


def KDF(key, label, n, *fields):
    return hashlib.blake2b(T(label, *fields), digest_size=n, key=key).digest()


def seal(key, suite, aad, pt, rnd):
    nonce = KDF(KDF(key, "hedge", 32), "nonce", 24, rnd, H32(aad), H32(pt))
    d = KDF(key, "seal", 64, u16(suite), nonce, H32(aad))
    return nonce + d[32:] + xaead_seal(d[:32], nonce, aad, pt)


def padme(n, floor=1024):
    n = max(n, floor)
    e = n.bit_length() - 1
    low = e - e.bit_length()
    return n + (-n % (1 << low))


def power_of_two(n, floor=4096):
    return max(floor, 1 << (n - 1).bit_length())


def account_key_text(key):
    bits = "".join(f"{b:08b}" for b in key) + "".join(f"{b:08b}" for b in H32(key))[:20] + "00"
    digits = "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[int(bits[i:i + 5], 2)] for i in range(0, 150, 5))
    return "-".join(digits[i:i + 5] for i in range(0, 30, 5))


def kdf_record(ops, mem_kib, account_key, salt):
    return b"EDNK" + u8(1) + u8(1) + u8(1) + u8(1 if account_key else 0) + u32(ops) + u32(mem_kib) + salt


# ---- the known answers --------------------------------------------------------------------------------------------

# argon2 -id -t 1 -k 8 -p 1, passphrase "x", salt 16 times "a": the reference program's answer.
ARGON2ID = bytes.fromhex("3612e72cd0925b09723fc631f08d51c85cd305a55dd1935d5aebfae4ce0c388c")


def pattern(start, n):
    """What the tests on the other side call pattern(start, n): bytes that count up."""
    return bytes((start + i) & 255 for i in range(n))


# Whose, where, when: the same in every answer below.
ACCOUNT, SPACE = pattern(0x10, 32), pattern(0x20, 32)
JOURNAL, ENTRY, DEVICE = pattern(0x30, 16), pattern(0x40, 16), pattern(0x50, 16)
RK, RK_BEFORE, JK, LDK = pattern(0x60, 32), pattern(0x61, 32), pattern(0x62, 32), pattern(0x63, 32)
RND = pattern(0x00, 32)  # what the random source says first, and again for every box
EPOCH, JOURNAL_EPOCH, KEY_VERSION = 3, 7, 2
SEED = pattern(0x70, 32)

answers = []


def answer(name, value):
    answers.append((name, value))
    return value


def encoding():
    for name, fields in (("none", []), ("empty", [b""]), ("split", [b"ab", b"c"]),
                         ("ints", [u8(1), u16(2), u32(3), u64(4)]), ("long", [pattern(0, 300), b"", pattern(9, 128)])):
        t = answer("t/" + name, T("devid", *fields))
        answer("h32/" + name, H32(t))
        for n in (16, 32, 64):
            answer(f"kdf{n}/{name}", KDF(RK, "devid", n, *fields))
    answer("device-id", H32(T("devid", pattern(1, 32), pattern(2, 32)))[:16])


def hierarchy():
    for name in ("meta", "index", "sse", "dedup", "push", "aek", "prev-epoch", "journal-wrap"):
        answer("rk/" + name, KDF(RK, "rk/" + name, 32, ACCOUNT, u32(EPOCH)))
    answer("rk/space", KDF(RK, "rk/space", 32, ACCOUNT, SPACE, u32(EPOCH)))
    answer("rk/grant-psk", KDF(RK, "rk/grant-psk", 32, ACCOUNT, DEVICE, u32(EPOCH)))
    answer("rk/probe", KDF(RK, "rk/probe", 16, ACCOUNT, SPACE, u32(EPOCH)))
    answer("jk/entry", KDF(JK, "jk/entry", 32, JOURNAL, ENTRY, u32(KEY_VERSION)))
    answer("space/personal", H32(T("space/personal", ACCOUNT)))
    answer("prev-box", seal(KDF(RK, "rk/prev-epoch", 32, ACCOUNT, u32(EPOCH)), 1, T("aad/prev", ACCOUNT, u32(EPOCH)),
                            RK_BEFORE, RND))
    answer("journal-key-box", seal(KDF(RK, "rk/journal-wrap", 32, ACCOUNT, u32(EPOCH)), 1,
                                   T("aad/jk", ACCOUNT, SPACE, JOURNAL, u32(EPOCH), u32(JOURNAL_EPOCH)), JK, RND))


def sealing():
    for n in (0, 1, 63, 64, 65, 200):
        answer(f"seal/{n}", seal(RK, 1, pattern(5, n // 2), pattern(6, n), RND))
    answer("seal/suite", seal(RK, 0xFE00, b"", b"x", RND))


def passphrase():
    account_key = pattern(0x80, 16)
    answer("account-key-text", account_key_text(account_key).encode())
    answer("account-key-text/zero", account_key_text(bytes(16)).encode())
    record = answer("kdf-record", kdf_record(1, 8, True, b"a" * 16))
    m = KDF(ARGON2ID, "muk", 64, account_key, ACCOUNT, record)
    answer("wrap-key", m[:32])
    answer("login-seed", m[32:])
    bare = kdf_record(1, 8, False, b"a" * 16)
    answer("muk-without-account-key", KDF(ARGON2ID, "muk", 64, b"", ACCOUNT, bare))
    pins = [SPACE + DEVICE + u64(5) + pattern(0x90, 32), SPACE + JOURNAL + u64(6) + pattern(0x91, 32)]
    answer("pins", H32(T("pins", *pins)))
    answer("pins/none", H32(T("pins")))
    root = SEED + RK + u64(9) + pattern(0x92, 32) + H32(T("pins", *pins))
    answer("root-box", seal(m[:32], 1, T("aad/root", ACCOUNT, u32(EPOCH), record), root, RND))
    slot_id = b"a" * 16  # the random source of that test says nothing but "a"
    slot_key = KDF(ARGON2ID, "slot/passphrase", 32, slot_id, b"a" * 16, DEVICE)
    answer("slot", slot_id + bare + seal(slot_key, 1, T("aad/slot", slot_id, bare, DEVICE), LDK, b"a" * 32))


def grants():
    to = x25519(pattern(0xA0, 32), NINE)
    info = T("grant/info", ACCOUNT, DEVICE, u32(EPOCH), u8(1))
    aad = T("grant/aad", u64(11), pattern(0xA1, 32))
    enc, ct = hpke_seal(RND, to, info, aad, b"", b"", RK)
    base = answer("grant/base", u8(0) + enc + ct)
    enc, ct = hpke_seal(RND, to, info, aad, pattern(0xA2, 32), T("grant/psk", b"root", DEVICE), RK)
    psk = answer("grant/psk", u8(1) + enc + ct)
    answer("grants", u32(2) + JOURNAL + psk + DEVICE + base)


def batches():
    place = (SPACE, JOURNAL, ENTRY, u32(JOURNAL_EPOCH), u32(KEY_VERSION), u8(1), DEVICE, u64(4), u32(0))
    ek = KDF(JK, "jk/entry", 32, JOURNAL, ENTRY, u32(KEY_VERSION))
    box = answer("record-box", seal(ek, 1, T("aad/rec", *place), b"a line of the diary", RND))
    heads = [DEVICE + u64(3) + pattern(0xB0, 32), pattern(0x51, 16) + u64(8) + pattern(0xB1, 32)]
    record = JOURNAL + ENTRY + u32(JOURNAL_EPOCH) + u32(KEY_VERSION) + u8(1) + LP(box)
    body = answer("body", LP(u32(len(heads)) + b"".join(heads)) + LP(u32(1) + record))
    space_key = KDF(RK, "rk/space", 32, ACCOUNT, SPACE, u32(EPOCH))
    for name, size in (("p1", padme), ("p2", power_of_two)):
        padded = size(4 + len(body))
        header = (b"EDNB" + u8(1) + u8(1) + u16(1) + SPACE + DEVICE + u64(4) + pattern(0xB0, 32) + u32(EPOCH) +
                  u64(12) + pattern(0xB2, 32) + H32(T("heads", *heads)) + u32(padded))
        outer = LP(body) + bytes(padded - 4 - len(body))
        sealed = seal(space_key, 1, header, outer, RND)
        signed = (header, sealed[:24], sealed[24:56], H32(sealed[56:]))
        sig = ed25519.sign(SEED, T("sig/batch", *signed))
        whole = header + sealed + sig
        answer(f"batch/{name}/head", whole[:232])
        answer(f"batch/{name}/h32", H32(whole))  # the whole is long; its hash tells as much
        answer(f"batch/{name}/hash", H32(T("hash/batch", *signed, sig)))


def slots():
    secret = pattern(0xC0, 32)
    for holder, number in (("keyring", 2), ("tpm", 3), ("fido2", 4)):
        head = u8(1) + u8(number) + pattern(0xC1, 16) + pattern(0xC2, 16) + u64(99) + LP(b"where it is")
        key = KDF(secret, "slot/" + holder, 32, pattern(0xC1, 16), pattern(0xC2, 16), DEVICE)
        answer("slot/" + holder, head + seal(key, 1, T("aad/slot", head, DEVICE), LDK, RND))


def locks():
    """A locked journal; ACCOUNT is that of its space, RK its lock key."""
    record = kdf_record(1, 8, False, b"a" * 16)
    wrap = KDF(ARGON2ID, "lock/wrap", 32, ACCOUNT, record)
    answer("lock-box", record + seal(wrap, 1, T("aad/lock", ACCOUNT, record), RK, b"a" * 32))
    answer("lock-secret", seal(KDF(RK, "lock/secret", 32, ACCOUNT, b"member"), 1,
                               T("aad/lock-secret", ACCOUNT, b"member"), pattern(0xF0, 64), RND))
    sign, enc = KDF(RK, "lock/sign", 32, SEED), KDF(RK, "lock/enc", 32, pattern(0xF1, 32))
    answer("lock-device-sign", KDF(sign, "space/sign", 32, ACCOUNT))
    answer("lock-device-enc", KDF(enc, "space/enc", 32, ACCOUNT))
    answer("lock-store-key", KDF(RK, "store/locked", 32, LDK, ACCOUNT))


def recovery():
    key, set_id = pattern(0xD0, 32), pattern(0xD1, 16)
    secret = SEED + RK + u64(9) + pattern(0xD2, 32)
    answer("recovery-box", seal(KDF(key, "recovery", 32, ACCOUNT), 1, T("aad/recovery", ACCOUNT, set_id, u32(EPOCH)),
                                secret, RND))
    request = H32(T("share/request", ACCOUNT, set_id, x25519(pattern(0xD5, 32), NINE)))
    answer("share-request", request)
    enc, ct = hpke_seal(RND, x25519(pattern(0xD5, 32), NINE), T("share/give", ACCOUNT, set_id, request), b"", b"", b"",
                        u8(1) + pattern(0xD3, 32) + pattern(0xD4, 16))
    answer("share-give", u8(1) + enc + ct)
    answer("share", H32(T("share", ACCOUNT, set_id, u8(2), u8(3), u8(1), pattern(0xD3, 32), pattern(0xD4, 16))))


def meeting():
    answer("rendezvous", H32(T("pair/rendezvous", b"K7Q4"))[:16])
    answer("announce", H32(T("pair/announce", H32(T("pair/rendezvous", b"K7Q4"))[:16]))[:16])
    answer("head-code-bits", H32(T("head-code", ACCOUNT, u64(5), pattern(0xE0, 32)))[:8])


def store():
    """A row of the local store, as it lies on the disk."""
    name_key, value_key = KDF(LDK, "store/name", 32), KDF(LDK, "store/value", 32)
    answer("store/open-name", H32(T("store/open", u8(0), b"slot", b"salt"))[:16])
    name = answer("store/row-name", KDF(name_key, "store/row", 16, u8(1), b"a name", b"salt"))
    answer("store/value", seal(value_key, 1, T("aad/store", u8(1), name), b"a value", RND))
    answer("store/aad", T("aad/store", u8(4), b"ab"))
    answer("journal/first", H32(T("journal/first", ACCOUNT))[:16])


def self_check():
    """Published values, so that a slip in this file is seen here."""
    assert x25519(bytes.fromhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
                  bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")).hex() == \
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"  # RFC 7748, 5.2
    key = bytes(range(0x80, 0xA0))
    aad = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    pt = (b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen "
          b"would be it.")
    assert xaead_seal(key, bytes(range(0x40, 0x58)), aad, pt)[-16:].hex() == \
        "c0875924c1c7987947deafd8780acf49"  # draft-irtf-cfrg-xchacha-03, A.3.1
    enc, ct = hpke_seal(bytes.fromhex("f4ec9b33b792c372c1d2c2063507b684ef925b8c75a42dbcbf57d63ccd381600"),
                        bytes.fromhex("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a"),
                        b"Ode on a Grecian Urn", b"Count-0", b"", b"", b"Beauty is truth, truth beauty")
    assert enc.hex() == "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a"
    assert ct.hex() == "1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db" \
        "21993c62ce81883d2dd1b51a28"  # RFC 9180, A.2.1


def render():
    self_check()
    for part in (encoding, hierarchy, sealing, passphrase, grants, batches, slots, locks, recovery, meeting, store):
        part()
    lines = ["/* Made by keys_ref.py, which shares no code with EDN. Do not edit. */",
             "static const struct {", "    const char *name, *hex;", "} known_answers[] = {"]
    for name, value in answers:
        hexed = value.hex()
        pieces = [hexed[i:i + 96] for i in range(0, len(hexed), 96)] or [""]
        lines.append(f'    {{"{name}",')
        lines += [f'     "{p}"' for p in pieces]
        lines[-1] += "},"
    return "\n".join(lines + ["};", ""])


def main():
    text = render()
    if sys.argv[1:2] == ["--check"]:
        with open(sys.argv[2], encoding="utf-8") as f:
            if f.read() != text:
                sys.exit(f"{sys.argv[2]} is not what keys_ref.py prints")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
