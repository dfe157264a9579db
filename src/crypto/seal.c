#include "crypto/seal.h"

#include "base/plant.h"

#include <sodium.h>

#include "crypto/seal_priv.h"

/* Committed XChaCha20-Poly1305 (SECURITY 2.4).
 *
 *     D = KDF(K, "EDNv1/seal", 64; u16 suite, N, H32(aad))       ke = D[0..31], com = D[32..63]
 *
 *      0           24           56                      56 + n      72 + n
 *      | nonce N   | com        | XChaCha20 ciphertext  | Poly1305  |
 *
 * Poly1305 does not bind the key: for two keys one ciphertext can be made that opens under both. `com` does: it is a
 * hash over key, nonce and aad, and it is compared before anything is decrypted. */

_Static_assert(EDN_SEAL_NONCE_SIZE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce");
_Static_assert(EDN_SEAL_OVERHEAD ==
                   EDN_SEAL_NONCE_SIZE + EDN_SEAL_COMMITMENT_SIZE + crypto_aead_xchacha20poly1305_ietf_ABYTES,
               "overhead");

typedef struct seal_split {
    uint8_t key[32], com[32];
} seal_split;
EDN_SECRET_TYPE(seal_split)

static void split(seal_split *out, const uint8_t key[32], uint16_t suite, const uint8_t *nonce,
                  const edn_hash *aad_hash)
{
    edn_kdf_t(out, sizeof *out, key, EDN_LABEL_SEAL, EDN_F_U16(suite), edn_bytes_of(nonce, EDN_SEAL_NONCE_SIZE),
              EDN_F(*aad_hash));
}

void edn_seal_nonce(uint8_t nonce[24], const uint8_t key[32], const uint8_t rnd[32], const edn_hash *aad_hash,
                    edn_bytes pt)
{
    EDN_SECRET(edn_seed) hedge = EDN_KEY_EMPTY;
    edn_hash pt_hash = edn_h32(pt);

    edn_kdf(hedge.b, sizeof hedge.b, key, EDN_LABEL_HEDGE);
    edn_kdf_t(nonce, EDN_SEAL_NONCE_SIZE, hedge.b, EDN_LABEL_NONCE, edn_bytes_of(rnd, 32), EDN_F(*aad_hash),
              EDN_F(pt_hash));
    if (EDN_PLANT(nonce_of_randomness))
        memcpy(nonce, rnd, EDN_SEAL_NONCE_SIZE);
    if (EDN_PLANT(reuses_nonce))
        memset(nonce, 7, EDN_SEAL_NONCE_SIZE);
    edn_wipe(&pt_hash, sizeof pt_hash);
}

void edn_seal_in_place(uint8_t *box, size_t pt_n, const uint8_t key[32], uint16_t suite, edn_bytes aad,
                       const uint8_t rnd[32])
{
    EDN_SECRET(seal_split) d = EDN_KEY_EMPTY;
    edn_hash aad_hash = edn_h32(aad);
    uint8_t *pt = box + EDN_SEAL_HEAD_SIZE;

    edn_seal_nonce(box, key, rnd, &aad_hash, edn_bytes_of(pt, pt_n));
    split(&d, key, suite, box, &aad_hash);
    memcpy(box + EDN_SEAL_NONCE_SIZE, d.com, sizeof d.com);
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(pt, NULL, pt, pt_n, aad.p, aad.n, NULL, box, d.key); /* always 0 */
}

edn_status edn_seal(edn_buf *out, const uint8_t key[32], uint16_t suite, edn_bytes aad, edn_bytes pt,
                    const uint8_t rnd[32])
{
    uint8_t *box;

    if (pt.n > SIZE_MAX - EDN_SEAL_OVERHEAD)
        return EDN_E_LIMIT;
    box = edn_buf_grow(out, pt.n + EDN_SEAL_OVERHEAD);
    if (!box)
        return edn_buf_status(out);
    if (pt.n)
        memcpy(box + EDN_SEAL_HEAD_SIZE, pt.p, pt.n);
    edn_seal_in_place(box, pt.n, key, suite, aad, rnd);
    return EDN_OK;
}

edn_status edn_unseal(edn_buf *out, const uint8_t key[32], uint16_t suite, edn_bytes aad, edn_bytes box)
{
    EDN_SECRET(seal_split) d = EDN_KEY_EMPTY;
    edn_hash aad_hash;
    uint8_t *pt;

    if (box.n < EDN_SEAL_OVERHEAD)
        return EDN_E_FORMAT;
    aad_hash = edn_h32(aad);
    split(&d, key, suite, box.p, &aad_hash);
    if (!edn_equal_ct(d.com, box.p + EDN_SEAL_NONCE_SIZE, sizeof d.com) && !EDN_PLANT(skips_commitment))
        return EDN_E_COMMIT;
    pt = edn_buf_grow(out, box.n - EDN_SEAL_OVERHEAD);
    if (!pt)
        return edn_buf_status(out);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(pt, NULL, NULL, box.p + EDN_SEAL_HEAD_SIZE,
                                                   box.n - EDN_SEAL_HEAD_SIZE, aad.p, aad.n, box.p, d.key) != 0) {
        out->n -= box.n - EDN_SEAL_OVERHEAD;
        return EDN_E_AUTH;
    }
    return EDN_OK;
}
