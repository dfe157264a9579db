#include "keys/keys_priv.h"

/* What a passphrase opens on a device that has nothing else:
 *
 *      0  aik_seed 32
 *     32  root key 32
 *     64  u64 sc_seq: the last link of the device log that the writer knew
 *     72  sc_head 32: its hash
 *    104  pins_hash 32
 *
 * sealed under K_wrap with aad T("EDNv1/aad/root"; account, u32 epoch, kdf record). The log position is a lower bound
 * that no server can take back. */

enum { ROOT_AT = 32, SEQ_AT = 64, HEAD_AT = 72, PINS_AT = 104, PIN_SIZE = 88, AAD_SIZE_MAX = 128 };

typedef struct root_bytes {
    uint8_t b[136];
} root_bytes;
EDN_SECRET_TYPE(root_bytes)

edn_hash edn_pins_hash(const edn_pin *pins, size_t n)
{
    edn_t_hash h;

    EDN_ASSERT(n <= UINT32_MAX);
    edn_t_hash_begin(&h, EDN_LABEL_PINS, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        uint8_t pin[PIN_SIZE];

        memcpy(pin, pins[i].space.b, 32);
        memcpy(pin + 32, pins[i].device.b, 16);
        edn_store_u64(pin + 48, pins[i].dseq);
        memcpy(pin + 56, pins[i].hash.b, 32);
        edn_t_hash_field(&h, edn_bytes_of(pin, sizeof pin));
    }
    return edn_t_hash_end(&h);
}

static edn_bytes root_aad(edn_buf *to, const edn_account_id *account, uint32_t epoch, const edn_kdf_record *record)
{
    edn_t_put(to, EDN_LABEL_AAD_ROOT, EDN_FIELDS_(EDN_F(*account), EDN_F_U32(epoch), EDN_F(*record)));
    return edn_buf_view(to);
}

edn_status edn_root_box_seal(edn_buf *out, const edn_wrap_key *k, const edn_account_id *account, uint32_t epoch,
                             const edn_kdf_record *record, const edn_root_secret *secret, const edn_random *rng)
{
    EDN_SECRET(root_bytes) pt = EDN_KEY_EMPTY;
    uint8_t bytes[AAD_SIZE_MAX];
    edn_buf aad = EDN_BUF_OVER(bytes);

    memcpy(pt.b, secret->aik_seed.b, 32);
    memcpy(pt.b + ROOT_AT, secret->root.b, 32);
    edn_store_u64(pt.b + SEQ_AT, secret->sc_seq);
    memcpy(pt.b + HEAD_AT, secret->sc_head.b, 32);
    memcpy(pt.b + PINS_AT, secret->pins_hash.b, 32);
    return edn_box_seal(out, k->b, root_aad(&aad, account, epoch, record), pt.b, sizeof pt.b, rng);
}

edn_status edn_root_box_open(const edn_wrap_key *k, const edn_account_id *account, uint32_t epoch,
                             const edn_kdf_record *record, edn_bytes box, edn_root_secret *out)
{
    EDN_SECRET(root_bytes) pt = EDN_KEY_EMPTY;
    uint8_t bytes[AAD_SIZE_MAX];
    edn_buf aad = EDN_BUF_OVER(bytes);
    edn_status st;

    memset(out, 0, sizeof *out);
    if ((st = edn_box_open(k->b, root_aad(&aad, account, epoch, record), box, pt.b, sizeof pt.b)) != EDN_OK)
        return st;
    memcpy(out->aik_seed.b, pt.b, 32);
    memcpy(out->root.b, pt.b + ROOT_AT, 32);
    out->sc_seq = edn_load_u64(pt.b + SEQ_AT);
    memcpy(out->sc_head.b, pt.b + HEAD_AT, 32);
    memcpy(out->pins_hash.b, pt.b + PINS_AT, 32);
    return EDN_OK;
}
