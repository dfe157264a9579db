#include "crypto/seal_priv.h"

#include <sodium.h>

/* PBKDF2 (RFC 8018, section 5.2) over HMAC-SHA256, which libsodium has only inside scrypt. The keyed states are made
 * once and copied, or each iteration would hash the passphrase anew. */

typedef struct hmac_state {
    crypto_auth_hmacsha256_state keyed, one;
} hmac_state;
EDN_SECRET_TYPE(hmac_state)

static void hmac_key(crypto_auth_hmacsha256_state *st, edn_bytes key)
{
    static const uint8_t nothing[1];

    (void)crypto_auth_hmacsha256_init(st, key.n ? key.p : nothing, key.n); /* always 0 */
}

void edn_hmac_sha256(uint8_t out[32], edn_bytes key, edn_bytes message)
{
    EDN_SECRET(hmac_state) h;

    hmac_key(&h.one, key);
    if (message.n)
        (void)crypto_auth_hmacsha256_update(&h.one, message.p, message.n); /* always 0 */
    (void)crypto_auth_hmacsha256_final(&h.one, out);                       /* always 0 */
}

/* U_1 xor U_2 xor … for the block `number`. */
static void block_derive(uint8_t out[32], hmac_state *h, edn_bytes salt, uint32_t number, uint32_t iterations)
{
    const uint8_t be[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
    EDN_SECRET(edn_seed) u = EDN_KEY_EMPTY;

    h->one = h->keyed;
    if (salt.n)
        (void)crypto_auth_hmacsha256_update(&h->one, salt.p, salt.n); /* always 0 */
    (void)crypto_auth_hmacsha256_update(&h->one, be, sizeof be);      /* always 0 */
    (void)crypto_auth_hmacsha256_final(&h->one, u.b);                 /* always 0 */
    memcpy(out, u.b, 32);
    for (uint32_t i = 1; i < iterations; i++) {
        h->one = h->keyed;
        (void)crypto_auth_hmacsha256_update(&h->one, u.b, sizeof u.b); /* always 0 */
        (void)crypto_auth_hmacsha256_final(&h->one, u.b);              /* always 0 */
        for (size_t k = 0; k < 32; k++)
            out[k] ^= u.b[k];
    }
}

void edn_pbkdf2_sha256(uint8_t *out, size_t out_n, edn_bytes passphrase, edn_bytes salt, uint32_t iterations)
{
    EDN_SECRET(hmac_state) h;
    EDN_SECRET(edn_seed) block = EDN_KEY_EMPTY;

    EDN_ASSERT(iterations > 0);
    memset(&h, 0, sizeof h);
    hmac_key(&h.keyed, passphrase);
    for (uint32_t number = 1; out_n; number++) {
        size_t take = EDN_MIN(out_n, sizeof block.b);

        block_derive(block.b, &h, salt, number, iterations);
        memcpy(out, block.b, take);
        out += take;
        out_n -= take;
    }
}
