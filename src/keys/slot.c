#include "keys/keys_priv.h"

/* The local data key under a passphrase:
 *
 *      0  slot id 16
 *     16  kdf record 32 (the account key is not used: it lies on the same disk)
 *     48  seal(slot key, aad = T("EDNv1/aad/slot"; slot id, kdf record, device), LDK) 104
 *
 * slot key = KDF(A, "EDNv1/slot/passphrase", 32; slot id, salt, device) */

enum { RECORD_AT = 16, BOX_AT = RECORD_AT + EDN_KDF_RECORD_SIZE, AAD_SIZE_MAX = 128 };

typedef struct slot_head {
    uint8_t id[16];
    edn_kdf_record record;
} slot_head;

static edn_status slot_key(const slot_head *h, edn_bytes prepared, const edn_device_id *device, edn_slot_key *out)
{
    EDN_SECRET(edn_stretched_key) a = EDN_KEY_EMPTY;
    edn_status st = edn_kdf_stretch(prepared, &h->record, &a);

    if (st == EDN_OK)
        edn_kdf_t(out->b, sizeof out->b, a.b, EDN_LABEL_SLOT_PASSPHRASE, edn_bytes_of(h->id, sizeof h->id),
                  edn_bytes_of(h->record.b + EDN_KDF_RECORD_SALT_AT, 16), EDN_F(*device));
    return st;
}

static edn_bytes slot_aad(edn_buf *to, const slot_head *h, const edn_device_id *device)
{
    edn_t_put(to, EDN_LABEL_AAD_SLOT, EDN_FIELDS_(edn_bytes_of(h->id, sizeof h->id), EDN_F(h->record), EDN_F(*device)));
    return edn_buf_view(to);
}

edn_status edn_slot_seal(edn_buf *out, edn_bytes prepared, edn_kdf_profile profile, const edn_device_id *device,
                         const edn_local_key *ldk, const edn_random *rng)
{
    EDN_SECRET(edn_slot_key) k = EDN_KEY_EMPTY;
    uint8_t salt[16], aad_bytes[AAD_SIZE_MAX], slot_bytes[EDN_SLOT_SIZE];
    edn_buf aad = EDN_BUF_OVER(aad_bytes), slot = EDN_BUF_OVER(slot_bytes);
    slot_head h;
    edn_status st;

    rng->fill(rng->ctx, h.id, sizeof h.id);
    rng->fill(rng->ctx, salt, sizeof salt);
    edn_kdf_record_make(&h.record, profile, false, salt);
    if ((st = slot_key(&h, prepared, device, &k)) != EDN_OK)
        return st;
    edn_put_bytes(&slot, h.id, sizeof h.id);
    edn_put_bytes(&slot, h.record.b, sizeof h.record.b);
    st = edn_box_seal(&slot, k.b, slot_aad(&aad, &h, device), ldk->b, sizeof ldk->b, rng);
    EDN_ASSERT(st == EDN_OK && slot.n == sizeof slot_bytes);
    edn_put_bytes(out, slot_bytes, sizeof slot_bytes);
    return edn_buf_status(out);
}

edn_status edn_slot_open(edn_bytes slot, edn_bytes prepared, const edn_device_id *device, edn_local_key *ldk)
{
    EDN_SECRET(edn_slot_key) k = EDN_KEY_EMPTY;
    uint8_t aad_bytes[AAD_SIZE_MAX];
    edn_buf aad = EDN_BUF_OVER(aad_bytes);
    slot_head h;
    edn_status st;

    memset(ldk, 0, sizeof *ldk);
    if (slot.n != EDN_SLOT_SIZE)
        return EDN_E_FORMAT;
    memcpy(h.id, slot.p, sizeof h.id);
    memcpy(h.record.b, slot.p + RECORD_AT, sizeof h.record.b);
    if (edn_kdf_record_uses_account_key(&h.record))
        return EDN_E_FORMAT;
    if ((st = slot_key(&h, prepared, device, &k)) != EDN_OK)
        return st;
    st = edn_box_open(k.b, slot_aad(&aad, &h, device), edn_bytes_of(slot.p + BOX_AT, slot.n - BOX_AT), ldk->b,
                      sizeof ldk->b);
    return st == EDN_E_AUTH ? EDN_E_PASSPHRASE : st;
}

bool edn_slot_record(edn_bytes slot, edn_kdf_record *out)
{
    memset(out, 0, sizeof *out);
    if (slot.n != EDN_SLOT_SIZE)
        return false;
    memcpy(out->b, slot.p + RECORD_AT, sizeof out->b);
    return true;
}
