#include "keys/keys_priv.h"

/* What a recovery key opens, with nothing else left:
 *
 *      0  aik_seed 32
 *     32  root key 32
 *     64  u64 sc_seq: the last link of the device log that the writer knew
 *     72  sc_head 32: its hash
 *
 * sealed under KDF(RKEY, "EDNv1/recovery", 32; account) with aad T("EDNv1/aad/recovery"; account, set id, u32 epoch):
 * an old box does not pass for that of a newer set. */

enum { ROOT_AT = 32, SEQ_AT = 64, HEAD_AT = 72, AAD_SIZE_MAX = 128 };

typedef struct recovery_bytes {
    uint8_t b[104];
} recovery_bytes;
EDN_SECRET_TYPE(recovery_bytes)

_Static_assert(sizeof(recovery_bytes) + EDN_SEAL_OVERHEAD == EDN_RECOVERY_BOX_SIZE, "the box's layout");

static void box_key(edn_recovery_key *out, const edn_recovery_key *k, const edn_account_id *account)
{
    edn_kdf_t(out->b, sizeof out->b, k->b, EDN_LABEL_RECOVERY, EDN_F(*account));
}

static edn_bytes box_aad(edn_buf *to, const edn_account_id *account, const edn_share_set_id *set, uint32_t epoch)
{
    edn_t_put(to, EDN_LABEL_AAD_RECOVERY, EDN_FIELDS_(EDN_F(*account), EDN_F(*set), EDN_F_U32(epoch)));
    return edn_buf_view(to);
}

edn_status edn_recovery_box_seal(edn_buf *out, const edn_recovery_key *k, const edn_account_id *account,
                                 const edn_share_set_id *set, uint32_t epoch, const edn_recovery_secret *secret,
                                 const edn_random *rng)
{
    EDN_SECRET(edn_recovery_key) key = EDN_KEY_EMPTY;
    EDN_SECRET(recovery_bytes) pt = EDN_KEY_EMPTY;
    uint8_t bytes[AAD_SIZE_MAX];
    edn_buf aad = EDN_BUF_OVER(bytes);

    box_key(&key, k, account);
    memcpy(pt.b, secret->aik_seed.b, 32);
    memcpy(pt.b + ROOT_AT, secret->root.b, 32);
    edn_store_u64(pt.b + SEQ_AT, secret->sc_seq);
    memcpy(pt.b + HEAD_AT, secret->sc_head.b, 32);
    return edn_box_seal(out, key.b, box_aad(&aad, account, set, epoch), pt.b, sizeof pt.b, rng);
}

edn_status edn_recovery_box_open(const edn_recovery_key *k, const edn_account_id *account, const edn_share_set_id *set,
                                 uint32_t epoch, edn_bytes box, edn_recovery_secret *out)
{
    EDN_SECRET(edn_recovery_key) key = EDN_KEY_EMPTY;
    EDN_SECRET(recovery_bytes) pt = EDN_KEY_EMPTY;
    uint8_t bytes[AAD_SIZE_MAX];
    edn_buf aad = EDN_BUF_OVER(bytes);
    edn_status st;

    memset(out, 0, sizeof *out);
    box_key(&key, k, account);
    if ((st = edn_box_open(key.b, box_aad(&aad, account, set, epoch), box, pt.b, sizeof pt.b)) != EDN_OK)
        return st;
    memcpy(out->aik_seed.b, pt.b, 32);
    memcpy(out->root.b, pt.b + ROOT_AT, 32);
    out->sc_seq = edn_load_u64(pt.b + SEQ_AT);
    memcpy(out->sc_head.b, pt.b + HEAD_AT, 32);
    return EDN_OK;
}
