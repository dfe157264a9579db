#include "keys/keys_priv.h"

/* Shamir's scheme (Communications of the ACM 22, 1979) byte by byte over GF(2^8) mod x^8 + x^4 + x^3 + x + 1. Byte k of
 * the secret is f_k(0) for a random polynomial f_k of degree T - 1, and byte k of share x is f_k(x). Fewer than T
 * shares say nothing of the secret.
 *
 * Log tables would be faster, and leak through the cache which bytes are looked up. A multiplication here is eight
 * steps that never branch. Where a point stands (x) is public; what stands there (y) is not. */

/* 0xff where the low bit of v is set, else 0. The compiler must not see that there are only two cases: it would make a
 * branch of it. */
static uint8_t mask_of_bit(unsigned v)
{
    volatile unsigned bit = v & 1u;

    return (uint8_t)(0u - bit);
}

uint8_t edn_gf_mul(uint8_t a, uint8_t b)
{
    uint8_t product = 0;

    for (unsigned i = 0; i < 8; i++) {
        product ^= (uint8_t)(a & mask_of_bit(b >> i));
        a = (uint8_t)((unsigned)a << 1 ^ (0x1bu & mask_of_bit((unsigned)a >> 7)));
    }
    return product;
}

/* a^254, which is 1/a, and 0 for 0. */
static uint8_t gf_inverse(uint8_t a)
{
    uint8_t power = 1;

    for (unsigned bit = 0x80; bit; bit >>= 1) {
        power = edn_gf_mul(power, power);
        if (254u & bit)
            power = edn_gf_mul(power, a);
    }
    return power;
}

/* Lagrange: the value at `at` is the sum of y_i times the product over j of (at - x_j) / (x_i - x_j). */
void edn_gf_interpolate(uint8_t *out, size_t size, uint8_t at, const edn_gf_point *points, size_t n)
{
    memset(out, 0, size);
    for (size_t i = 0; i < n; i++) {
        uint8_t above = 1, below = 1, weight;

        for (size_t j = 0; j < n; j++) {
            if (j == i)
                continue;
            EDN_ASSERT(points[i].x != points[j].x);
            above = edn_gf_mul(above, at ^ points[j].x);
            below = edn_gf_mul(below, points[i].x ^ points[j].x);
        }
        weight = edn_gf_mul(above, gf_inverse(below));
        for (size_t k = 0; k < size; k++)
            out[k] ^= edn_gf_mul(weight, points[i].y[k]);
    }
}

/* ---- sets of shares ---------------------------------------------------------------------------------------------- */

typedef struct coefficients {
    uint8_t b[EDN_SHARES_MAX][EDN_SHARED_SECRET_SIZE_MAX]; /* [0]: the secret */
} coefficients;
EDN_SECRET_TYPE(coefficients)

static bool set_valid(const edn_share_set *set)
{
    return set->needed >= 1 && set->needed <= set->n && set->n <= EDN_SHARES_MAX && set->secret_size >= 16 &&
           set->secret_size <= EDN_SHARED_SECRET_SIZE_MAX;
}

void edn_shares_split(edn_share *shares, const edn_share_set *set, const uint8_t *secret, const edn_random *rng)
{
    EDN_SECRET(coefficients) c;

    EDN_ASSERT(set_valid(set));
    memset(&c, 0, sizeof c);
    memcpy(c.b[0], secret, set->secret_size);
    for (size_t i = 1; i < set->needed; i++)
        rng->fill(rng->ctx, c.b[i], set->secret_size);
    for (size_t s = 0; s < set->n; s++) {
        memset(&shares[s], 0, sizeof shares[s]);
        shares[s].x = (uint8_t)(s + 1);
        for (size_t k = 0; k < set->secret_size; k++) {
            uint8_t y = 0;

            for (size_t i = set->needed; i-- > 0;)
                y = edn_gf_mul(y, shares[s].x) ^ c.b[i][k];
            shares[s].y[k] = y;
        }
        rng->fill(rng->ctx, shares[s].blind, sizeof shares[s].blind);
    }
}

edn_hash edn_share_commitment(const edn_share_set *set, const edn_share *share)
{
    return edn_h32_t(EDN_LABEL_SHARE, EDN_F(set->account), EDN_F(set->id), EDN_F_U8(set->needed), EDN_F_U8(set->n),
                     EDN_F_U8(share->x), edn_bytes_of(share->y, set->secret_size),
                     edn_bytes_of(share->blind, sizeof share->blind));
}

edn_status edn_share_check(const edn_share_set *set, const edn_hash *commitments, const edn_share *share)
{
    edn_hash said;

    if (!set_valid(set))
        return EDN_E_FORMAT;
    if (share->x < 1 || share->x > set->n)
        return EDN_E_AUTH;
    said = edn_share_commitment(set, share);
    return edn_equal_ct(said.b, commitments[share->x - 1].b, sizeof said.b) ? EDN_OK : EDN_E_AUTH;
}

edn_status edn_shares_combine(uint8_t *secret, const edn_share_set *set, const edn_hash *commitments,
                              const edn_share *shares, size_t n, size_t *which)
{
    edn_gf_point points[EDN_SHARES_MAX]; /* y is borrowed: nothing to wipe */
    edn_status st;

    if (!set_valid(set))
        return EDN_E_FORMAT;
    memset(secret, 0, set->secret_size);
    if (n > set->n)
        return EDN_E_LIMIT;
    for (size_t i = 0; i < n; i++) {
        if (which)
            *which = i;
        if ((st = edn_share_check(set, commitments, &shares[i])) != EDN_OK)
            return st;
        for (size_t k = 0; k < i; k++)
            if (shares[k].x == shares[i].x)
                return EDN_E_EXISTS;
        points[i] = (edn_gf_point){shares[i].x, shares[i].y};
    }
    if (n < set->needed)
        return EDN_E_MISSING;
    edn_gf_interpolate(secret, set->secret_size, 0, points, set->needed);
    return EDN_OK;
}
