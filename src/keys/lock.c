#include "keys/lock.h"

#include "keys/keys_priv.h"
#include "keys/sharing.h"

enum { AAD_SIZE_MAX = 192 };

/* ---- under the second passphrase --------------------------------------------------------------------------------- */

static edn_status wrap_key(edn_bytes prepared, const edn_kdf_record *r, const edn_account_id *space, edn_wrap_key *out)
{
    EDN_SECRET(edn_stretched_key) a = EDN_KEY_EMPTY;
    edn_status st = edn_kdf_stretch(prepared, r, &a);

    if (st == EDN_OK)
        edn_kdf_t(out->b, sizeof out->b, a.b, EDN_LABEL_LOCK_WRAP, EDN_F(*space), EDN_F(*r));
    return st;
}

static edn_bytes box_aad(edn_buf *to, const edn_kdf_record *r, const edn_account_id *space)
{
    edn_t_put(to, EDN_LABEL_AAD_LOCK, EDN_FIELDS_(EDN_F(*space), EDN_F(*r)));
    return edn_buf_view(to);
}

edn_status edn_lock_box_seal(uint8_t out[EDN_LOCK_BOX_SIZE], edn_bytes prepared, edn_kdf_profile profile,
                             const edn_account_id *space, const edn_lock_key *key, const edn_random *rng)
{
    EDN_SECRET(edn_wrap_key) k = EDN_KEY_EMPTY;
    uint8_t salt[16], aad_bytes[AAD_SIZE_MAX], bytes[EDN_LOCK_BOX_SIZE];
    edn_buf aad = EDN_BUF_OVER(aad_bytes), box = EDN_BUF_OVER(bytes);
    edn_kdf_record r;
    edn_status st;

    rng->fill(rng->ctx, salt, sizeof salt);
    edn_kdf_record_make(&r, profile, false, salt);
    if ((st = wrap_key(prepared, &r, space, &k)) != EDN_OK)
        return st;
    edn_put_bytes(&box, r.b, sizeof r.b);
    st = edn_box_seal(&box, k.b, box_aad(&aad, &r, space), key->b, sizeof key->b, rng);
    EDN_ASSERT(st == EDN_OK && box.n == sizeof bytes);
    memcpy(out, bytes, sizeof bytes);
    return EDN_OK;
}

edn_status edn_lock_box_open(edn_bytes box, edn_bytes prepared, const edn_account_id *space, edn_lock_key *out)
{
    EDN_SECRET(edn_wrap_key) k = EDN_KEY_EMPTY;
    uint8_t aad_bytes[AAD_SIZE_MAX];
    edn_buf aad = EDN_BUF_OVER(aad_bytes);
    edn_kdf_record r;
    edn_status st;

    memset(out, 0, sizeof *out);
    if (box.n != EDN_LOCK_BOX_SIZE)
        return EDN_E_FORMAT;
    memcpy(r.b, box.p, sizeof r.b);
    if (edn_kdf_record_uses_account_key(&r))
        return EDN_E_FORMAT;
    if ((st = wrap_key(prepared, &r, space, &k)) != EDN_OK)
        return st;
    st = edn_box_open(k.b, box_aad(&aad, &r, space), edn_bytes_of(box.p + sizeof r.b, box.n - sizeof r.b), out->b,
                      sizeof out->b);
    return st == EDN_E_AUTH ? EDN_E_PASSPHRASE : st;
}

/* ---- under the lock key ------------------------------------------------------------------------------------------ */

static void secret_key(edn_wrap_key *out, const edn_lock_key *key, const edn_account_id *space, const char *what)
{
    edn_kdf_t(out->b, sizeof out->b, key->b, EDN_LABEL_LOCK_SECRET, EDN_F(*space), edn_bytes_str(what));
}

static edn_bytes secret_aad(edn_buf *to, const edn_account_id *space, const char *what)
{
    edn_t_put(to, EDN_LABEL_AAD_LOCK_SECRET, EDN_FIELDS_(EDN_F(*space), edn_bytes_str(what)));
    return edn_buf_view(to);
}

edn_status edn_lock_secret_seal(uint8_t *out, const edn_lock_key *key, const edn_account_id *space, const char *what,
                                const void *secret, size_t n, const edn_random *rng)
{
    EDN_SECRET(edn_wrap_key) k = EDN_KEY_EMPTY;
    uint8_t aad_bytes[AAD_SIZE_MAX];
    edn_buf aad = EDN_BUF_OVER(aad_bytes), box = {out, 0, n + EDN_SEAL_OVERHEAD, n + EDN_SEAL_OVERHEAD, EDN_OK};

    EDN_ASSERT(n <= EDN_LOCK_SECRET_MAX);
    secret_key(&k, key, space, what);
    return edn_box_seal(&box, k.b, secret_aad(&aad, space, what), secret, n, rng);
}

edn_status edn_lock_secret_open(edn_bytes box, const edn_lock_key *key, const edn_account_id *space, const char *what,
                                void *secret, size_t n)
{
    EDN_SECRET(edn_wrap_key) k = EDN_KEY_EMPTY;
    uint8_t aad_bytes[AAD_SIZE_MAX];
    edn_buf aad = EDN_BUF_OVER(aad_bytes);

    EDN_ASSERT(n <= EDN_LOCK_SECRET_MAX);
    secret_key(&k, key, space, what);
    return edn_box_open(k.b, secret_aad(&aad, space, what), box, secret, n);
}

/* ---- a device's own ---------------------------------------------------------------------------------------------- */

void edn_lock_device_keys(edn_seed *sign, edn_dh_sk *enc, const edn_seed *device_sign, const edn_dh_sk *device_enc,
                          const edn_account_id *space, const edn_lock_key *key)
{
    EDN_SECRET(edn_seed) own_sign = EDN_KEY_EMPTY;
    EDN_SECRET(edn_dh_sk) own_enc = EDN_KEY_EMPTY;

    edn_kdf_t(own_sign.b, sizeof own_sign.b, key->b, EDN_LABEL_LOCK_SIGN, EDN_F(*device_sign));
    edn_kdf_t(own_enc.b, sizeof own_enc.b, key->b, EDN_LABEL_LOCK_ENC, EDN_F(*device_enc));
    edn_space_device_keys(sign, enc, &own_sign, &own_enc, space);
}

void edn_lock_store_key(edn_local_key *out, const edn_local_key *ldk, const edn_account_id *space,
                        const edn_lock_key *key)
{
    edn_kdf_t(out->b, sizeof out->b, key->b, EDN_LABEL_STORE_LOCKED, EDN_F(*ldk), EDN_F(*space));
}
