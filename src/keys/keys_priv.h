#ifndef EDN_KEYS_PRIV_H
#define EDN_KEYS_PRIV_H

#include "keys/keys.h"
#include "keys/recovery.h"

/* A buffer over an array that the caller holds: it never allocates, and never is disposed of. */
#define EDN_BUF_OVER(array) ((edn_buf){(array), 0, sizeof(array), sizeof(array), EDN_OK})

EDN_KEY_TYPE(edn_stretched_key) /* A: what Argon2id makes of a passphrase */

/* Secrets of a fixed size, sealed in one box: the plaintext of such a box is never on the heap. edn_box_open:
 * EDN_E_AUTH whatever is wrong, and `secret` is zero then. */
EDN_MUST_USE edn_status edn_box_seal(edn_buf *out, const uint8_t key[32], edn_bytes aad, const void *secret, size_t n,
                                     const edn_random *rng);
EDN_MUST_USE edn_status edn_box_open(const uint8_t key[32], edn_bytes aad, edn_bytes box, void *secret, size_t n);

/* Everything of edn_passphrase_prepare but the smallest length. */
EDN_MUST_USE edn_status edn_passphrase_normalize(edn_bytes passphrase, edn_buf *out, edn_err *err);

/* A = Argon2id(prepared; the record's salt, ops, memory), after edn_kdf_record_check. */
EDN_MUST_USE edn_status edn_kdf_stretch(edn_bytes prepared, const edn_kdf_record *r, edn_stretched_key *out);
#define EDN_KDF_RECORD_SALT_AT 16u

/* GF(2^8) mod x^8 + x^4 + x^3 + x + 1, in constant time: shamir.c and slip39.c. */
typedef struct edn_gf_point {
    uint8_t x;        /* public */
    const uint8_t *y; /* borrowed; secret */
} edn_gf_point;
uint8_t edn_gf_mul(uint8_t a, uint8_t b);
/* `size` polynomials at once, each of the least degree through its n points; their values at `at`. No two points have
 * one x. */
void edn_gf_interpolate(uint8_t *out, size_t size, uint8_t at, const edn_gf_point *points, size_t n);

/* Eight letters, filled up with zeros; no zero behind the eighth. */
extern const char edn_slip39_words[EDN_WORD_COUNT][8];
/* Of a hash that everybody may know: `n` words, ten bits each from its first on, a blank between, a zero behind. */
void edn_words_of_hash(char *out, size_t n, const edn_hash *h);

/* edn_words_parse in its two halves, so that what is public between them can be told apart: how many words there are,
 * and which is the first, from 1, that is not in the list. */
void edn_words_numbers(edn_bytes text, uint16_t out[EDN_WORDS_MAX], size_t *n, size_t *unknown);
EDN_MUST_USE edn_status edn_words_share(const uint16_t words[EDN_WORDS_MAX], size_t n, edn_word_share *out,
                                        edn_err *err);

/* Crockford's base32, most significant bit first, in constant time. `out` of encode: (8 n + 4) / 5 digits and a zero.
 * Decode takes either case, no other digits for these, and no bits after the end; false leaves `out` unspecified. */
void edn_base32_encode(char *out, const uint8_t *in, size_t n);
EDN_MUST_USE bool edn_base32_decode(uint8_t *out, size_t n, edn_bytes text);
/* The digits of what a person typed: without blanks and hyphens (where they stand is no secret), O read as 0, I and L
 * as 1. How many there are; `max` + 1 when more. */
size_t edn_base32_typed(char *digits, size_t max, edn_bytes text);

#endif
