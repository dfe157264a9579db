#include "crypto/verify.h"

#include <sodium.h>

#include "crypto/verify_priv.h"

/* Hashing and signatures over T.
 *
 *     LP(label) ‖ u32 n ‖ LP(f1) ‖ … ‖ LP(fn)
 *
 * Hashes are fed piece by piece. A signature needs its message twice (PureEdDSA), so T is laid out on the stack first:
 * nothing here allocates, and so nothing here fails for want of memory, which a caller could take for a forgery. */

_Static_assert(sizeof(crypto_generichash_state) <= sizeof((edn_t_hash *)0)->state, "a BLAKE2b state fits");
_Static_assert(_Alignof(crypto_generichash_state) <= _Alignof(edn_t_hash), "and may lie there");
_Static_assert(sizeof(edn_hash) == crypto_generichash_BYTES, "H32");
_Static_assert(sizeof(edn_sign_pk) == crypto_sign_PUBLICKEYBYTES && sizeof(edn_sign_sk) == crypto_sign_SECRETKEYBYTES &&
                   sizeof(edn_signature) == crypto_sign_BYTES,
               "Ed25519");

enum { SMALL_MESSAGE = 1024 };

edn_status edn_crypto_init(void) { return sodium_init() < 0 ? EDN_E_IO : EDN_OK; }

static void system_fill(void *ctx, void *p, size_t n)
{
    (void)ctx;
    randombytes_buf(p, n);
}

edn_random edn_random_system(void) { return (edn_random){system_fill, NULL}; }

/* ---- T ----------------------------------------------------------------------------------------------------------- */

/* SIZE_MAX when a length does not fit its u32 or the sum does not fit at all. */
static size_t t_size(const char *label, const edn_bytes *fields, size_t n)
{
    size_t size = 4 + strlen(label) + 4;

    for (size_t i = 0; i < n; i++)
        if (fields[i].n > UINT32_MAX || !edn_add_size(size, fields[i].n + 4, &size))
            return SIZE_MAX;
    return size;
}

static uint8_t *lp_write(uint8_t *to, const void *p, size_t n)
{
    edn_store_u32(to, (uint32_t)n);
    if (n)
        memcpy(to + 4, p, n);
    return to + 4 + n;
}

/* Writes exactly t_size bytes. */
static void t_write(uint8_t *to, const char *label, const edn_bytes *fields, size_t n)
{
    to = lp_write(to, label, strlen(label));
    edn_store_u32(to, (uint32_t)n);
    to += 4;
    for (size_t i = 0; i < n; i++)
        to = lp_write(to, fields[i].p, fields[i].n);
}

void edn_t_put(edn_buf *out, const char *label, const edn_bytes *fields, size_t n)
{
    uint8_t *to = edn_buf_grow(out, t_size(label, fields, n));

    if (to)
        t_write(to, label, fields, n);
}

/* ---- BLAKE2b (RFC 7693) ------------------------------------------------------------------------------------------ */

static void feed(crypto_generichash_state *st, const void *p, size_t n)
{
    (void)crypto_generichash_update(st, p, n); /* always 0 */
}

static void feed_u32(crypto_generichash_state *st, uint32_t v)
{
    uint8_t t[4];

    edn_store_u32(t, v);
    feed(st, t, sizeof t);
}

static void feed_lp(crypto_generichash_state *st, const void *p, size_t n)
{
    EDN_ASSERT(n <= UINT32_MAX); /* every format is bounded far below */
    feed_u32(st, (uint32_t)n);
    feed(st, p, n);
}

static void feed_t(crypto_generichash_state *st, const char *label, const edn_bytes *fields, size_t n)
{
    feed_lp(st, label, strlen(label));
    feed_u32(st, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        feed_lp(st, fields[i].p, fields[i].n);
}

void edn_blake2b(void *out, size_t out_n, edn_bytes key, edn_bytes x)
{
    (void)crypto_generichash(out, out_n, x.p, x.n, key.p, key.n); /* fails only for lengths out of range */
}

edn_hash edn_h32(edn_bytes x)
{
    edn_hash h;

    edn_blake2b(h.b, sizeof h.b, EDN_BYTES_EMPTY, x);
    return h;
}

edn_hash edn_h32_fields(const char *label, const edn_bytes *fields, size_t n)
{
    crypto_generichash_state st;
    edn_hash h;

    (void)crypto_generichash_init(&st, NULL, 0, sizeof h.b); /* fails only for lengths out of range */
    feed_t(&st, label, fields, n);
    (void)crypto_generichash_final(&st, h.b, sizeof h.b);
    return h;
}

void edn_kdf_fields(void *out, size_t out_n, const uint8_t key[32], const char *label, const edn_bytes *fields,
                    size_t n)
{
    crypto_generichash_state st;

    EDN_ASSERT(out_n >= 16 && out_n <= 64);
    (void)crypto_generichash_init(&st, key, 32, out_n); /* fails only for lengths out of range */
    feed_t(&st, label, fields, n);
    (void)crypto_generichash_final(&st, out, out_n);
    edn_wipe(&st, sizeof st);
}

void edn_kdf(void *out, size_t out_n, const uint8_t key[32], const char *label)
{
    edn_kdf_fields(out, out_n, key, label, NULL, 0);
}

static crypto_generichash_state *state_of(edn_t_hash *h) { return (crypto_generichash_state *)(void *)h->state; }

void edn_t_hash_begin(edn_t_hash *h, const char *label, uint32_t fields)
{
    (void)crypto_generichash_init(state_of(h), NULL, 0, sizeof(edn_hash)); /* fails only for lengths out of range */
    feed_lp(state_of(h), label, strlen(label));
    feed_u32(state_of(h), fields);
    h->left = fields;
}

void edn_t_hash_field(edn_t_hash *h, edn_bytes field)
{
    EDN_ASSERT(h->left > 0);
    h->left--;
    feed_lp(state_of(h), field.p, field.n);
}

edn_hash edn_t_hash_end(edn_t_hash *h)
{
    edn_hash out;

    EDN_ASSERT(h->left == 0);
    (void)crypto_generichash_final(state_of(h), out.b, sizeof out.b);
    return out;
}

/* ---- Ed25519 (RFC 8032) ------------------------------------------------------------------------------------------ */

void edn_sign_keypair(const uint8_t seed[32], edn_sign_pk *pk, edn_sign_sk *sk)
{
    (void)crypto_sign_seed_keypair(pk->b, sk->b, seed); /* always 0 */
}

bool edn_sign_pk_valid(const edn_sign_pk *pk) { return crypto_core_ed25519_is_valid_point(pk->b) == 1; }

void edn_sign_raw(edn_signature *out, const edn_sign_sk *sk, edn_bytes message)
{
    (void)crypto_sign_detached(out->b, NULL, message.p, message.n, sk->b); /* always 0 */
}

/* libsodium refuses S >= L, points that are not canonical and points of small order, but 1.0.18 takes keys of mixed
 * order, for which one signature may be good to one verifier and bad to another: edn_sign_pk_valid refuses those. */
static bool verify_checked_raw(const edn_signature *sig, const edn_sign_pk *pk, edn_bytes message)
{
    return crypto_sign_verify_detached(sig->b, message.p, message.n, pk->b) == 0;
}

bool edn_verify_raw(const edn_signature *sig, const edn_sign_pk *pk, edn_bytes message)
{
    return edn_sign_pk_valid(pk) && verify_checked_raw(sig, pk, message);
}

/* The large message has a frame of its own, so that the usual one costs no 65 KiB of stack. */
__attribute__((noinline)) static void sign_large(edn_signature *out, const edn_sign_sk *sk, const char *label,
                                                 const edn_bytes *fields, size_t n, size_t size)
{
    uint8_t message[EDN_SIGNED_SIZE_MAX];

    t_write(message, label, fields, n);
    edn_sign_raw(out, sk, edn_bytes_of(message, size));
}

void edn_sign_fields(edn_signature *out, const edn_sign_sk *sk, const char *label, const edn_bytes *fields, size_t n)
{
    size_t size = t_size(label, fields, n);
    uint8_t message[SMALL_MESSAGE];

    EDN_ASSERT(size <= EDN_SIGNED_SIZE_MAX);
    if (size > sizeof message) {
        sign_large(out, sk, label, fields, n, size);
        return;
    }
    t_write(message, label, fields, n);
    edn_sign_raw(out, sk, edn_bytes_of(message, size));
}

__attribute__((noinline)) static bool verify_large(const edn_signature *sig, const edn_sign_pk *pk, const char *label,
                                                   const edn_bytes *fields, size_t n, size_t size)
{
    uint8_t message[EDN_SIGNED_SIZE_MAX];

    t_write(message, label, fields, n);
    return verify_checked_raw(sig, pk, edn_bytes_of(message, size));
}

bool edn_verify_checked_fields(const edn_signature *sig, const edn_sign_pk *pk, const char *label,
                               const edn_bytes *fields, size_t n)
{
    size_t size = t_size(label, fields, n);
    uint8_t message[SMALL_MESSAGE];

    if (size > EDN_SIGNED_SIZE_MAX)
        return false; /* nobody can have signed it */
    if (size > sizeof message)
        return verify_large(sig, pk, label, fields, n, size);
    t_write(message, label, fields, n);
    return verify_checked_raw(sig, pk, edn_bytes_of(message, size));
}

bool edn_verify_fields(const edn_signature *sig, const edn_sign_pk *pk, const char *label, const edn_bytes *fields,
                       size_t n)
{
    return edn_sign_pk_valid(pk) && edn_verify_checked_fields(sig, pk, label, fields, n);
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

bool edn_dh_pk_valid(const edn_dh_pk *pk)
{
    /* Clamping makes every scalar a multiple of the cofactor, so any one finds the points of small order. */
    static const uint8_t scalar[crypto_scalarmult_SCALARBYTES] = {1};
    uint8_t product[crypto_scalarmult_BYTES];

    return crypto_scalarmult(product, scalar, pk->b) == 0;
}

bool edn_equal_ct(const void *a, const void *b, size_t n) { return sodium_memcmp(a, b, n) == 0; }

edn_device_id edn_device_id_of(const edn_sign_pk *sign, const edn_dh_pk *enc)
{
    edn_hash h = edn_h32_t(EDN_LABEL_DEVID, EDN_F(*sign), EDN_F(*enc));
    edn_device_id id;

    memcpy(id.b, h.b, sizeof id.b);
    return id;
}
