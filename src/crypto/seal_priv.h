/* seal's own parts, shown so that published vectors reach them. */
#ifndef EDN_CRYPTO_SEAL_PRIV_H
#define EDN_CRYPTO_SEAL_PRIV_H

#include "crypto/seal.h"

/* HKDF-SHA256 (RFC 5869), which libsodium 1.0.18 lacks; for HPKE only. The input keying material of extract comes in
 * pieces, so that labelled inputs need not be joined. */
#define EDN_HKDF_SIZE_MAX (255u * 32u)
void edn_hkdf_extract(uint8_t prk[32], edn_bytes salt, const edn_bytes *ikm, size_t n);
/* out_n is at most EDN_HKDF_SIZE_MAX. */
void edn_hkdf_expand(uint8_t *out, size_t out_n, const uint8_t prk[32], const edn_bytes *info, size_t n);

/* HPKE's key schedule (RFC 9180 section 5.1) from the KEM's shared secret: key and nonce of message 0. */
typedef struct edn_hpke_context {
    uint8_t key[32], nonce[12];
} edn_hpke_context;
EDN_SECRET_TYPE(edn_hpke_context)
void edn_hpke_schedule(edn_hpke_context *out, const uint8_t shared[32], edn_bytes info, const edn_psk *psk,
                       edn_bytes psk_id);
/* The KEM's shared secret (section 4.1) from the product `dh`. */
void edn_hpke_kem_secret(uint8_t out[32], const uint8_t dh[32], const uint8_t enc[32], const edn_dh_pk *to);

/* CPace's generator for a code. */
void edn_cpace_generator(uint8_t g[32], edn_bytes code, edn_bytes ci, edn_bytes sid);

/* The hedged nonce of edn_seal. */
void edn_seal_nonce(uint8_t nonce[24], const uint8_t key[32], const uint8_t rnd[32], const edn_hash *aad_hash,
                    edn_bytes pt);

#endif
