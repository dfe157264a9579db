/* crypto/seal: keys, sealing, opening, wiping: the half of cryptography that a server must not hold.
 *
 * The only place where bytes are sealed and where they are opened. Pure: randomness is an argument. */
#ifndef EDN_CRYPTO_SEAL_H
#define EDN_CRYPTO_SEAL_H

#include "crypto/verify.h"

/* A secret is declared EDN_SECRET(type) name = EDN_KEY_EMPTY, and wipes itself on every way out of its block. */
#define EDN_SECRET(type) __attribute__((cleanup(edn_wipe_##type))) type
#define EDN_KEY_EMPTY                                                                                                  \
    {                                                                                                                  \
        {                                                                                                              \
            0                                                                                                          \
        }                                                                                                              \
    }
#define EDN_SECRET_TYPE(type)                                                                                          \
    static inline void edn_wipe_##type(type *secret) { edn_wipe(secret, sizeof *secret); }

#define EDN_KEY_TYPE(name)                                                                                             \
    typedef struct name {                                                                                              \
        uint8_t b[32];                                                                                                 \
    } name;                                                                                                            \
    EDN_SECRET_TYPE(name)

EDN_KEY_TYPE(edn_root_key) /* RK_e */
EDN_KEY_TYPE(edn_wrap_key) /* K_wrap, from passphrase and account key */
EDN_KEY_TYPE(edn_meta_key) /* K_meta: device names, settings */
EDN_KEY_TYPE(edn_index_key)
EDN_KEY_TYPE(edn_sse_key)
EDN_KEY_TYPE(edn_dedup_key)
EDN_KEY_TYPE(edn_push_key)
EDN_KEY_TYPE(edn_space_key) /* K_space: outer layer of batches */
EDN_KEY_TYPE(edn_journal_wrap_key)
EDN_KEY_TYPE(edn_prev_key)    /* seals the epoch before */
EDN_KEY_TYPE(edn_journal_key) /* JK_(j,f) */
EDN_KEY_TYPE(edn_entry_key)   /* EK: inner layer of records */
EDN_KEY_TYPE(edn_local_key)   /* LDK: everything on this device's disk */
EDN_KEY_TYPE(edn_slot_key)
EDN_KEY_TYPE(edn_store_key) /* values of the local store */
EDN_KEY_TYPE(edn_name_key)  /* keyed hashes that name rows of the local store */
EDN_KEY_TYPE(edn_psk)
EDN_KEY_TYPE(edn_seed)  /* an Ed25519 seed */
EDN_KEY_TYPE(edn_dh_sk) /* X25519 scalar */
EDN_SECRET_TYPE(edn_sign_sk)

#define EDN_SUITE_1 0x0001u
#define EDN_SEAL_OVERHEAD 72u /* nonce 24 ‖ commitment 32 ‖ … ‖ tag 16 */
#define EDN_SEAL_NONCE_SIZE 24u
#define EDN_SEAL_COMMITMENT_SIZE 32u
#define EDN_SEAL_HEAD_SIZE (EDN_SEAL_NONCE_SIZE + EDN_SEAL_COMMITMENT_SIZE)

/* seal(K, suite, aad, pt), SECURITY 2.4: appends nonce ‖ commitment ‖ ciphertext ‖ tag (pt.n + EDN_SEAL_OVERHEAD). The
 * nonce is hedged: hashed from `rnd` (32 random bytes), aad and plaintext, so that a broken random source repeats
 * a nonce only for equal content. `pt` must not lie in `out`. EDN_E_LIMIT, EDN_E_NOMEM. */
EDN_MUST_USE edn_status edn_seal(edn_buf *out, const uint8_t key[32], uint16_t suite, edn_bytes aad, edn_bytes pt,
                                 const uint8_t rnd[32]);
/* The same where the plaintext stands already, at box + EDN_SEAL_HEAD_SIZE: no copy, and it cannot fail. `box` holds
 * pt_n + EDN_SEAL_OVERHEAD bytes. */
void edn_seal_in_place(uint8_t *box, size_t pt_n, const uint8_t key[32], uint16_t suite, edn_bytes aad,
                       const uint8_t rnd[32]);
/* Appends the plaintext. The commitment is compared first, in constant time. EDN_E_FORMAT: shorter than 72;
 * EDN_E_COMMIT: other key, nonce or aad; EDN_E_AUTH: altered. Callers outside src/crypto and src/keys pass the last
 * two on as EDN_E_AUTH. On failure nothing is appended. */
EDN_MUST_USE edn_status edn_unseal(edn_buf *out, const uint8_t key[32], uint16_t suite, edn_bytes aad, edn_bytes box);

/* Argon2id (RFC 9106) with p = 1. EDN_E_NOMEM when the memory is not there. Bounds are the caller's (src/keys). */
EDN_MUST_USE edn_status edn_argon2id(uint8_t out[32], edn_bytes passphrase, const uint8_t salt[16], uint32_t ops,
                                     uint32_t mem_kib);

/* For formats of others (SLIP-0039) only: EDN derives by edn_kdf. HMAC-SHA256 (RFC 2104), and PBKDF2 over it (RFC
 * 8018), with at least one iteration. */
void edn_hmac_sha256(uint8_t out[32], edn_bytes key, edn_bytes message);
void edn_pbkdf2_sha256(uint8_t *out, size_t out_n, edn_bytes passphrase, edn_bytes salt, uint32_t iterations);

void edn_dh_keypair(const edn_dh_sk *sk, edn_dh_pk *pk);
/* X25519 (RFC 7748). False: the product is zero. */
EDN_MUST_USE bool edn_dh(uint8_t out[32], const edn_dh_sk *sk, const edn_dh_pk *pk);

/* CPace (draft-irtf-cfrg-cpace) over ristretto255 with SHA-512, initiator and responder: a code that can be guessed
 * becomes a key that cannot, at one guess for each try. `ci` names the channel, `sid` the session; `ad` goes with each
 * share. Both sides get the same `isk` when code, ci and sid are the same. EDN_E_KEY_INVALID: their share is no
 * element, or the neutral one. */
EDN_KEY_TYPE(edn_cpace_scalar)
typedef struct edn_cpace_share {
    uint8_t b[32];
} edn_cpace_share;
void edn_cpace_start(edn_cpace_scalar *y, edn_cpace_share *mine, edn_bytes code, edn_bytes ci, edn_bytes sid,
                     const edn_random *rng);
EDN_MUST_USE edn_status edn_cpace_finish(uint8_t isk[64], const edn_cpace_scalar *y, edn_bytes sid, bool initiator,
                                         const edn_cpace_share *mine, edn_bytes my_ad, const edn_cpace_share *theirs,
                                         edn_bytes their_ad);

/* HPKE single shot (RFC 9180): DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305. `psk` NULL is base mode,
 * else psk mode with `psk_id`. `rnd` seeds the ephemeral key (used as it is as the X25519 scalar).
 * Ciphertext: pt.n + 16. EDN_E_KEY_INVALID: the shared secret is zero; EDN_E_AUTH: does not open. */
EDN_MUST_USE edn_status edn_hpke_seal(edn_buf *out, uint8_t enc[32], const edn_dh_pk *to, edn_bytes info, edn_bytes aad,
                                      const edn_psk *psk, edn_bytes psk_id, edn_bytes pt, const uint8_t rnd[32]);
EDN_MUST_USE edn_status edn_hpke_open(edn_buf *out, const uint8_t enc[32], const edn_dh_sk *to, edn_bytes info,
                                      edn_bytes aad, const edn_psk *psk, edn_bytes psk_id, edn_bytes ct);

/* A heap buffer for secrets: guarded, locked where the system lets us, wiped when freed. NULL: no memory. */
void *edn_secret_alloc(size_t n);
void edn_secret_free(void *p);

#endif
