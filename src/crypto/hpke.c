#include "crypto/seal_priv.h"

#include <sodium.h>

/* HPKE single shot (RFC 9180) in modes base and psk.
 *
 *     suite "KEM" ‖ 0x0020:
 *     dh          X25519(ephemeral, to)
 *     shared      LabeledExpand(LabeledExtract("", "eae_prk", dh), "shared_secret", enc ‖ to, 32)
 *
 *     suite "HPKE" ‖ 0x0020 ‖ 0x0001 ‖ 0x0003:
 *     context     mode ‖ LabeledExtract("", "psk_id_hash", psk_id) ‖ LabeledExtract("", "info_hash", info)
 *     secret      LabeledExtract(shared, "secret", psk)
 *     key, nonce  LabeledExpand(secret, "key" and "base_nonce", context, 32 and 12)
 *
 * with LabeledExtract(salt, label, ikm)      = Extract(salt, "HPKE-v1" ‖ suite ‖ label ‖ ikm)
 * and  LabeledExpand(prk, label, info, L)    = Expand(prk, u16be L ‖ "HPKE-v1" ‖ suite ‖ label ‖ info, L). */

static const uint8_t kem_suite[] = {'K', 'E', 'M', 0x00, 0x20};
static const uint8_t hpke_suite[] = {'H', 'P', 'K', 'E', 0x00, 0x20, 0x00, 0x01, 0x00, 0x03};

enum { MODE_BASE = 0, MODE_PSK = 1, TAG_SIZE = crypto_aead_chacha20poly1305_ietf_ABYTES };

_Static_assert(sizeof((edn_hpke_context *)0)->nonce == crypto_aead_chacha20poly1305_ietf_NPUBBYTES, "nonce");

/* ---- HKDF-SHA256 ------------------------------------------------------------------------------------------------- */

static void hmac_begin(crypto_auth_hmacsha256_state *st, edn_bytes key)
{
    /* An address even for no bytes: the library's prototype asks for one. */
    (void)crypto_auth_hmacsha256_init(st, key.n ? key.p : kem_suite, key.n); /* always 0 */
}

static void hmac_feed(crypto_auth_hmacsha256_state *st, edn_bytes b)
{
    if (b.n)
        (void)crypto_auth_hmacsha256_update(st, b.p, b.n); /* always 0 */
}

void edn_hkdf_extract(uint8_t prk[32], edn_bytes salt, const edn_bytes *ikm, size_t n)
{
    crypto_auth_hmacsha256_state st;

    hmac_begin(&st, salt);
    for (size_t i = 0; i < n; i++)
        hmac_feed(&st, ikm[i]);
    (void)crypto_auth_hmacsha256_final(&st, prk); /* always 0 */
    edn_wipe(&st, sizeof st);
}

void edn_hkdf_expand(uint8_t *out, size_t out_n, const uint8_t prk[32], const edn_bytes *info, size_t n)
{
    crypto_auth_hmacsha256_state st;
    uint8_t block[32];

    EDN_ASSERT(out_n <= EDN_HKDF_SIZE_MAX);
    for (uint8_t i = 1; out_n; i++) {
        size_t take = EDN_MIN(out_n, sizeof block);

        hmac_begin(&st, edn_bytes_of(prk, 32));
        if (i > 1)
            hmac_feed(&st, edn_bytes_of(block, sizeof block));
        for (size_t k = 0; k < n; k++)
            hmac_feed(&st, info[k]);
        hmac_feed(&st, edn_bytes_of(&i, 1));
        (void)crypto_auth_hmacsha256_final(&st, block); /* always 0 */
        memcpy(out, block, take);
        out += take;
        out_n -= take;
    }
    edn_wipe(&st, sizeof st);
    edn_wipe(block, sizeof block);
}

static void labeled_extract(uint8_t prk[32], edn_bytes suite, edn_bytes salt, const char *label, edn_bytes ikm)
{
    const edn_bytes parts[] = {edn_bytes_str("HPKE-v1"), suite, edn_bytes_str(label), ikm};

    edn_hkdf_extract(prk, salt, parts, EDN_COUNT(parts));
}

static void labeled_expand(uint8_t *out, size_t out_n, edn_bytes suite, const uint8_t prk[32], const char *label,
                           edn_bytes info)
{
    const uint8_t size[2] = {(uint8_t)(out_n >> 8), (uint8_t)out_n};
    const edn_bytes parts[] = {edn_bytes_of(size, 2), edn_bytes_str("HPKE-v1"), suite, edn_bytes_str(label), info};

    edn_hkdf_expand(out, out_n, prk, parts, EDN_COUNT(parts));
}

/* ---- X25519 and the KEM ------------------------------------------------------------------------------------------ */

void edn_dh_keypair(const edn_dh_sk *sk, edn_dh_pk *pk) { (void)crypto_scalarmult_base(pk->b, sk->b); /* always 0 */ }

bool edn_dh(uint8_t out[32], const edn_dh_sk *sk, const edn_dh_pk *pk)
{
    return crypto_scalarmult(out, sk->b, pk->b) == 0;
}

void edn_hpke_kem_secret(uint8_t out[32], const uint8_t dh[32], const uint8_t enc[32], const edn_dh_pk *to)
{
    const edn_bytes suite = edn_bytes_of(kem_suite, sizeof kem_suite);
    EDN_SECRET(edn_seed) prk = EDN_KEY_EMPTY;
    uint8_t context[64];

    memcpy(context, enc, 32);
    memcpy(context + 32, to->b, 32);
    labeled_extract(prk.b, suite, EDN_BYTES_EMPTY, "eae_prk", edn_bytes_of(dh, 32));
    labeled_expand(out, 32, suite, prk.b, "shared_secret", edn_bytes_of(context, sizeof context));
}

/* ---- the key schedule -------------------------------------------------------------------------------------------- */

void edn_hpke_schedule(edn_hpke_context *out, const uint8_t shared[32], edn_bytes info, const edn_psk *psk,
                       edn_bytes psk_id)
{
    const edn_bytes suite = edn_bytes_of(hpke_suite, sizeof hpke_suite);
    EDN_SECRET(edn_seed) secret = EDN_KEY_EMPTY;
    uint8_t context[1 + 32 + 32];

    context[0] = psk ? MODE_PSK : MODE_BASE;
    labeled_extract(context + 1, suite, EDN_BYTES_EMPTY, "psk_id_hash", psk_id);
    labeled_extract(context + 33, suite, EDN_BYTES_EMPTY, "info_hash", info);
    labeled_extract(secret.b, suite, edn_bytes_of(shared, 32), "secret", psk ? EDN_F(*psk) : EDN_BYTES_EMPTY);
    labeled_expand(out->key, sizeof out->key, suite, secret.b, "key", edn_bytes_of(context, sizeof context));
    labeled_expand(out->nonce, sizeof out->nonce, suite, secret.b, "base_nonce", edn_bytes_of(context, sizeof context));
}

/* RFC 9180, VerifyPSKInputs: a psk and its id come together or not at all. */
static bool psk_inputs_agree(const edn_psk *psk, edn_bytes psk_id) { return (psk != NULL) == (psk_id.n != 0); }

edn_status edn_hpke_seal(edn_buf *out, uint8_t enc[32], const edn_dh_pk *to, edn_bytes info, edn_bytes aad,
                         const edn_psk *psk, edn_bytes psk_id, edn_bytes pt, const uint8_t rnd[32])
{
    EDN_SECRET(edn_dh_sk) ephemeral = EDN_KEY_EMPTY;
    EDN_SECRET(edn_seed) dh = EDN_KEY_EMPTY;
    EDN_SECRET(edn_seed) shared = EDN_KEY_EMPTY;
    EDN_SECRET(edn_hpke_context) cx = EDN_KEY_EMPTY;
    edn_dh_pk ephemeral_pk;
    uint8_t *ct;

    if (!psk_inputs_agree(psk, psk_id))
        return EDN_E_INVALID;
    memcpy(ephemeral.b, rnd, sizeof ephemeral.b);
    if (!edn_dh(dh.b, &ephemeral, to))
        return EDN_E_KEY_INVALID;
    if (pt.n > SIZE_MAX - TAG_SIZE)
        return EDN_E_LIMIT;
    ct = edn_buf_grow(out, pt.n + TAG_SIZE);
    if (!ct)
        return edn_buf_status(out);
    edn_dh_keypair(&ephemeral, &ephemeral_pk);
    edn_hpke_kem_secret(shared.b, dh.b, ephemeral_pk.b, to);
    edn_hpke_schedule(&cx, shared.b, info, psk, psk_id);
    (void)crypto_aead_chacha20poly1305_ietf_encrypt(ct, NULL, pt.p, pt.n, aad.p, aad.n, NULL, cx.nonce,
                                                    cx.key); /* always 0 */
    memcpy(enc, ephemeral_pk.b, 32);
    return EDN_OK;
}

edn_status edn_hpke_open(edn_buf *out, const uint8_t enc[32], const edn_dh_sk *to, edn_bytes info, edn_bytes aad,
                         const edn_psk *psk, edn_bytes psk_id, edn_bytes ct)
{
    EDN_SECRET(edn_seed) dh = EDN_KEY_EMPTY;
    EDN_SECRET(edn_seed) shared = EDN_KEY_EMPTY;
    EDN_SECRET(edn_hpke_context) cx = EDN_KEY_EMPTY;
    edn_dh_pk ephemeral_pk, to_pk;
    uint8_t *pt;

    if (!psk_inputs_agree(psk, psk_id))
        return EDN_E_INVALID;
    if (ct.n < TAG_SIZE)
        return EDN_E_AUTH;
    memcpy(ephemeral_pk.b, enc, 32);
    if (!edn_dh(dh.b, to, &ephemeral_pk))
        return EDN_E_KEY_INVALID;
    edn_dh_keypair(to, &to_pk);
    edn_hpke_kem_secret(shared.b, dh.b, enc, &to_pk);
    edn_hpke_schedule(&cx, shared.b, info, psk, psk_id);
    pt = edn_buf_grow(out, ct.n - TAG_SIZE);
    if (!pt)
        return edn_buf_status(out);
    if (crypto_aead_chacha20poly1305_ietf_decrypt(pt, NULL, NULL, ct.p, ct.n, aad.p, aad.n, cx.nonce, cx.key) != 0) {
        out->n -= ct.n - TAG_SIZE;
        return EDN_E_AUTH;
    }
    return EDN_OK;
}
