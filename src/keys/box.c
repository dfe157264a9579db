#include "keys/keys_priv.h"

enum { SECRET_SIZE_MAX = 160 };

edn_status edn_box_seal(edn_buf *out, const uint8_t key[32], edn_bytes aad, const void *secret, size_t n,
                        const edn_random *rng)
{
    uint8_t rnd[32];

    rng->fill(rng->ctx, rnd, sizeof rnd);
    return edn_seal(out, key, EDN_SUITE_1, aad, edn_bytes_of(secret, n), rnd); /* rnd: only hashed, not secret */
}

edn_status edn_box_open(const uint8_t key[32], edn_bytes aad, edn_bytes box, void *secret, size_t n)
{
    uint8_t bytes[SECRET_SIZE_MAX];
    edn_buf pt = EDN_BUF_OVER(bytes);
    edn_status st = EDN_E_AUTH;

    EDN_ASSERT(n <= sizeof bytes);
    memset(secret, 0, n);
    if (box.n == n + EDN_SEAL_OVERHEAD && edn_unseal(&pt, key, EDN_SUITE_1, aad, box) == EDN_OK) {
        memcpy(secret, bytes, n);
        st = EDN_OK;
    }
    edn_wipe(bytes, sizeof bytes);
    return st;
}
