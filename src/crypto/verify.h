/* crypto/verify: hashing and signatures, the half of cryptography that a server may hold.
 *
 * A typed layer over libsodium, which nothing else calls. Nothing is hashed or signed except through
 *     LP(x) = u32 length ‖ x          T(label; f1..fn) = LP(label) ‖ u32 n ‖ LP(f1) ‖ … ‖ LP(fn)
 * with little-endian integers and the labels of labels.h. Pure; call edn_crypto_init once before all else. */
#ifndef EDN_CRYPTO_VERIFY_H
#define EDN_CRYPTO_VERIFY_H

#include "base/base.h"
#include "crypto/labels.h"

/* Prepares libsodium; safe to call again. EDN_E_IO when the system gives no randomness. */
EDN_MUST_USE edn_status edn_crypto_init(void);

/* The operating system's randomness. */
edn_random edn_random_system(void);

typedef struct edn_hash {
    uint8_t b[32];
} edn_hash;
typedef struct edn_sign_pk {
    uint8_t b[32];
} edn_sign_pk; /* Ed25519, RFC 8032 */
typedef struct edn_sign_sk {
    uint8_t b[64];
} edn_sign_sk; /* seed ‖ public key; a secret: wipe it */
typedef struct edn_signature {
    uint8_t b[64];
} edn_signature;
typedef struct edn_dh_pk {
    uint8_t b[32];
} edn_dh_pk; /* X25519, RFC 7748 */

/* Fields of T as borrowed bytes. The integers live as long as the enclosing block. */
#define EDN_F(x) edn_bytes_of((x).b, sizeof(x).b)
#define EDN_F_U8(v) edn_bytes_of((const uint8_t[1]){(uint8_t)(v)}, 1)
#define EDN_F_U16(v) edn_bytes_of((const uint8_t[2]){(uint8_t)(v), (uint8_t)((v) >> 8)}, 2)
#define EDN_F_U32(v)                                                                                                   \
    edn_bytes_of((const uint8_t[4]){(uint8_t)(v), (uint8_t)((v) >> 8), (uint8_t)((v) >> 16), (uint8_t)((v) >> 24)}, 4)
#define EDN_F_U64(v)                                                                                                   \
    edn_bytes_of((const uint8_t[8]){(uint8_t)(v), (uint8_t)((uint64_t)(v) >> 8), (uint8_t)((uint64_t)(v) >> 16),       \
                                    (uint8_t)((uint64_t)(v) >> 24), (uint8_t)((uint64_t)(v) >> 32),                    \
                                    (uint8_t)((uint64_t)(v) >> 40), (uint8_t)((uint64_t)(v) >> 48),                    \
                                    (uint8_t)((uint64_t)(v) >> 56)},                                                   \
                 8)
#define EDN_FIELDS_(...) (const edn_bytes[]){__VA_ARGS__}, sizeof((const edn_bytes[]){__VA_ARGS__}) / sizeof(edn_bytes)

/* Appends T(label; fields). */
void edn_t_put(edn_buf *out, const char *label, const edn_bytes *fields, size_t n);

/* H32(x): BLAKE2b-256 (RFC 7693) of bytes as they are. */
edn_hash edn_h32(edn_bytes x);
/* H32(T(label; fields)), computed without building T. */
edn_hash edn_h32_fields(const char *label, const edn_bytes *fields, size_t n);
#define edn_h32_t(label, ...) edn_h32_fields((label), EDN_FIELDS_(__VA_ARGS__))

/* KDF(K, label, L; fields): BLAKE2b of length out_n (16 to 64), keyed with 32 bytes, over T(label; fields). */
void edn_kdf_fields(void *out, size_t out_n, const uint8_t key[32], const char *label, const edn_bytes *fields,
                    size_t n);
#define edn_kdf_t(out, out_n, key, label, ...) edn_kdf_fields((out), (out_n), (key), (label), EDN_FIELDS_(__VA_ARGS__))
/* KDF with no fields. */
void edn_kdf(void *out, size_t out_n, const uint8_t key[32], const char *label);

/* A T over a list that is not known as an array: begin with the number of fields, then give each. */
typedef struct edn_t_hash {
    _Alignas(64) uint8_t state[384];
    uint32_t left;
} edn_t_hash;
void edn_t_hash_begin(edn_t_hash *h, const char *label, uint32_t fields);
void edn_t_hash_field(edn_t_hash *h, edn_bytes field);
edn_hash edn_t_hash_end(edn_t_hash *h); /* asserts that all fields were given */

/* Ed25519 over T(label; fields). Keys that are not of prime order, points not canonical and S >= L are refused. T is at
 * most EDN_SIGNED_SIZE_MAX (a link and a little): signing asserts it, verifying refuses more. Never allocates. */
#define EDN_SIGNED_SIZE_MAX (65536u + 1024u)
void edn_sign_fields(edn_signature *out, const edn_sign_sk *sk, const char *label, const edn_bytes *fields, size_t n);
#define edn_sign_t(out, sk, label, ...) edn_sign_fields((out), (sk), (label), EDN_FIELDS_(__VA_ARGS__))
EDN_MUST_USE bool edn_verify_fields(const edn_signature *sig, const edn_sign_pk *pk, const char *label,
                                    const edn_bytes *fields, size_t n);
#define edn_verify_t(sig, pk, label, ...) edn_verify_fields((sig), (pk), (label), EDN_FIELDS_(__VA_ARGS__))
/* The same over bytes as they are, for formats of others (JWT). */
void edn_sign_raw(edn_signature *out, const edn_sign_sk *sk, edn_bytes message);
EDN_MUST_USE bool edn_verify_raw(const edn_signature *sig, const edn_sign_pk *pk, edn_bytes message);
/* Ed25519 verification without the prime-order check of the key, for callers that checked it before
 * (edn_sign_pk_valid): a device's key is checked once when its link is. */
EDN_MUST_USE bool edn_verify_checked_fields(const edn_signature *sig, const edn_sign_pk *pk, const char *label,
                                            const edn_bytes *fields, size_t n);
#define edn_verify_checked_t(sig, pk, label, ...)                                                                      \
    edn_verify_checked_fields((sig), (pk), (label), EDN_FIELDS_(__VA_ARGS__))

void edn_sign_keypair(const uint8_t seed[32], edn_sign_pk *pk, edn_sign_sk *sk);
/* A canonical point of prime order. */
EDN_MUST_USE bool edn_sign_pk_valid(const edn_sign_pk *pk);
/* An X25519 key whose product with a scalar is not zero. */
EDN_MUST_USE bool edn_dh_pk_valid(const edn_dh_pk *pk);

/* Equal in constant time for one length. */
EDN_MUST_USE bool edn_equal_ct(const void *a, const void *b, size_t n);

/* Device id = first 16 bytes of H32(T("EDNv1/devid"; sign_pk, enc_pk)). */
edn_device_id edn_device_id_of(const edn_sign_pk *sign, const edn_dh_pk *enc);

#endif
