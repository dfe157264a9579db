#include "keys/keys_priv.h"

/* The local data key under a secret that something else than a person keeps:
 *
 *      0  u8 version 1
 *      1  u8 holder
 *      2  slot id 16
 *     18  salt 16
 *     34  u64 time ms
 *     42  LP(place): what the holder needs to find the secret again
 *      …  seal(slot key, aad = T("EDNv1/aad/slot"; all of the above, device), LDK) 104
 *
 * slot key = KDF(secret, "EDNv1/slot/<holder>", 32; slot id, salt, device) */

enum { VERSION = 1, HEAD_SIZE = 42, BOX_SIZE = 32 + EDN_SEAL_OVERHEAD };
enum { AAD_SIZE_MAX = HEAD_SIZE + 4 + EDN_HELD_PLACE_SIZE_MAX + 64 };

static const char *label_of(edn_holder_kind kind)
{
    switch (kind) {
    case EDN_HOLDER_KEYRING:
        return EDN_LABEL_SLOT_KEYRING;
    case EDN_HOLDER_TPM:
        return EDN_LABEL_SLOT_TPM;
    case EDN_HOLDER_FIDO2:
        return EDN_LABEL_SLOT_FIDO2;
    }
    return NULL;
}

static void slot_key(const edn_held_slot *s, const edn_held_secret *secret, const edn_device_id *device,
                     edn_slot_key *out)
{
    edn_kdf_t(out->b, sizeof out->b, secret->b, label_of(s->holder), edn_bytes_of(s->id, sizeof s->id),
              edn_bytes_of(s->salt, sizeof s->salt), EDN_F(*device));
}

static void put_head(edn_buf *to, const edn_held_slot *s)
{
    edn_put_u8(to, VERSION);
    edn_put_u8(to, (uint8_t)s->holder);
    edn_put_bytes(to, s->id, sizeof s->id);
    edn_put_bytes(to, s->salt, sizeof s->salt);
    edn_put_u64(to, s->made_ms);
    edn_put_lp(to, s->place);
}

static edn_bytes slot_aad(edn_buf *to, edn_bytes head, const edn_device_id *device)
{
    edn_t_put(to, EDN_LABEL_AAD_SLOT, EDN_FIELDS_(head, EDN_F(*device)));
    return edn_buf_view(to);
}

edn_status edn_held_slot_seal(edn_buf *out, const edn_held_slot *slot, const edn_held_secret *secret,
                              const edn_device_id *device, const edn_local_key *ldk, const edn_random *rng)
{
    EDN_SECRET(edn_slot_key) k = EDN_KEY_EMPTY;
    uint8_t head_bytes[HEAD_SIZE + 4 + EDN_HELD_PLACE_SIZE_MAX], aad_bytes[AAD_SIZE_MAX];
    edn_buf head = EDN_BUF_OVER(head_bytes), aad = EDN_BUF_OVER(aad_bytes);

    if (slot->place.n > EDN_HELD_PLACE_SIZE_MAX)
        return EDN_E_LIMIT;
    put_head(&head, slot);
    slot_key(slot, secret, device, &k);
    edn_put_bytes(out, head.p, head.n);
    return edn_box_seal(out, k.b, slot_aad(&aad, edn_buf_view(&head), device), ldk->b, sizeof ldk->b, rng);
}

edn_status edn_held_slot_decode(edn_bytes in, edn_held_slot *out)
{
    edn_reader r = edn_reader_init(in);

    memset(out, 0, sizeof *out);
    if (edn_read_u8(&r, "version") != VERSION)
        edn_reader_fail(&r, EDN_E_FORMAT, "version");
    out->holder = edn_read_u8(&r, "holder");
    if (!label_of(out->holder))
        edn_reader_fail(&r, EDN_E_TYPE, "holder");
    edn_read_into(&r, out->id, sizeof out->id, "slot id");
    edn_read_into(&r, out->salt, sizeof out->salt, "salt");
    out->made_ms = edn_read_u64(&r, "time");
    out->place = edn_read_lp(&r, EDN_HELD_PLACE_SIZE_MAX, "place");
    out->head = edn_bytes_of(in.p, (size_t)(r.p - r.start));
    out->box = edn_read_bytes(&r, BOX_SIZE, "box");
    return edn_reader_end(&r);
}

edn_status edn_held_slot_open(const edn_held_slot *slot, const edn_held_secret *secret, const edn_device_id *device,
                              edn_local_key *ldk)
{
    EDN_SECRET(edn_slot_key) k = EDN_KEY_EMPTY;
    uint8_t aad_bytes[AAD_SIZE_MAX];
    edn_buf aad = EDN_BUF_OVER(aad_bytes);

    memset(ldk, 0, sizeof *ldk);
    slot_key(slot, secret, device, &k);
    return edn_box_open(k.b, slot_aad(&aad, slot->head, device), slot->box, ldk->b, sizeof ldk->b);
}
