#include "keys/keys_priv.h"

/* From a root key down (SECURITY 2.5). One label a key, and in each: whose it is, where it belongs, its epoch. */

#define RK_KEY(fn, type, label)                                                                                        \
    void fn(type *out, const edn_root_key *rk, const edn_account_id *a, uint32_t epoch)                                \
    {                                                                                                                  \
        edn_kdf_t(out->b, sizeof out->b, rk->b, (label), EDN_F(*a), EDN_F_U32(epoch));                                 \
    }

RK_KEY(edn_meta_key_of, edn_meta_key, EDN_LABEL_RK_META)
RK_KEY(edn_index_key_of, edn_index_key, EDN_LABEL_RK_INDEX)
RK_KEY(edn_sse_key_of, edn_sse_key, EDN_LABEL_RK_SSE)
RK_KEY(edn_dedup_key_of, edn_dedup_key, EDN_LABEL_RK_DEDUP)
RK_KEY(edn_push_key_of, edn_push_key, EDN_LABEL_RK_PUSH)
RK_KEY(edn_aek_of, edn_dh_sk, EDN_LABEL_RK_AEK)
RK_KEY(edn_prev_key_of, edn_prev_key, EDN_LABEL_RK_PREV_EPOCH)
RK_KEY(edn_journal_wrap_key_of, edn_journal_wrap_key, EDN_LABEL_RK_JOURNAL_WRAP)

void edn_space_key_of(edn_space_key *out, const edn_root_key *rk, const edn_account_id *a, const edn_space_id *s,
                      uint32_t epoch)
{
    edn_kdf_t(out->b, sizeof out->b, rk->b, EDN_LABEL_RK_SPACE, EDN_F(*a), EDN_F(*s), EDN_F_U32(epoch));
}

void edn_grant_psk_of(edn_psk *out, const edn_root_key *rk_before, const edn_account_id *a, const edn_device_id *d,
                      uint32_t epoch)
{
    edn_kdf_t(out->b, sizeof out->b, rk_before->b, EDN_LABEL_RK_GRANT_PSK, EDN_F(*a), EDN_F(*d), EDN_F_U32(epoch));
}

void edn_entry_key_of(edn_entry_key *out, const edn_journal_key *jk, const edn_journal_id *j, const edn_entry_id *e,
                      uint32_t key_version)
{
    edn_kdf_t(out->b, sizeof out->b, jk->b, EDN_LABEL_JK_ENTRY, EDN_F(*j), EDN_F(*e), EDN_F_U32(key_version));
}

void edn_probe_of(uint8_t out[16], const edn_root_key *rk, const edn_account_id *a, const edn_space_id *s,
                  uint32_t epoch)
{
    edn_kdf_t(out, 16, rk->b, EDN_LABEL_RK_PROBE, EDN_F(*a), EDN_F(*s), EDN_F_U32(epoch));
}

edn_space_id edn_space_personal(const edn_account_id *a)
{
    edn_hash h = edn_h32_t(EDN_LABEL_SPACE_PERSONAL, EDN_F(*a));
    edn_space_id id;

    memcpy(id.b, h.b, sizeof id.b);
    return id;
}

/* ---- boxes that hold one key ------------------------------------------------------------------------------------- */

#define AAD_SIZE_MAX 256

static edn_bytes prev_aad(edn_buf *to, const edn_account_id *a, uint32_t epoch)
{
    edn_t_put(to, EDN_LABEL_AAD_PREV, EDN_FIELDS_(EDN_F(*a), EDN_F_U32(epoch)));
    return edn_buf_view(to);
}

edn_status edn_prev_box_seal(edn_buf *out, const edn_root_key *rk, const edn_account_id *a, uint32_t epoch,
                             const edn_root_key *before, const edn_random *rng)
{
    EDN_SECRET(edn_prev_key) k = EDN_KEY_EMPTY;
    uint8_t bytes[AAD_SIZE_MAX];
    edn_buf aad = EDN_BUF_OVER(bytes);

    edn_prev_key_of(&k, rk, a, epoch);
    return edn_box_seal(out, k.b, prev_aad(&aad, a, epoch), before->b, sizeof before->b, rng);
}

edn_status edn_prev_box_open(const edn_root_key *rk, const edn_account_id *a, uint32_t epoch, edn_bytes box,
                             edn_root_key *before)
{
    EDN_SECRET(edn_prev_key) k = EDN_KEY_EMPTY;
    uint8_t bytes[AAD_SIZE_MAX];
    edn_buf aad = EDN_BUF_OVER(bytes);

    edn_prev_key_of(&k, rk, a, epoch);
    return edn_box_open(k.b, prev_aad(&aad, a, epoch), box, before->b, sizeof before->b);
}

static edn_bytes journal_aad(edn_buf *to, const edn_account_id *a, const edn_space_id *s, const edn_journal_id *j,
                             uint32_t epoch, uint32_t journal_epoch)
{
    edn_t_put(to, EDN_LABEL_AAD_JK,
              EDN_FIELDS_(EDN_F(*a), EDN_F(*s), EDN_F(*j), EDN_F_U32(epoch), EDN_F_U32(journal_epoch)));
    return edn_buf_view(to);
}

edn_status edn_journal_key_seal(edn_buf *out, const edn_root_key *rk, const edn_account_id *a, const edn_space_id *s,
                                const edn_journal_id *j, uint32_t epoch, uint32_t journal_epoch,
                                const edn_journal_key *jk, const edn_random *rng)
{
    EDN_SECRET(edn_journal_wrap_key) k = EDN_KEY_EMPTY;
    uint8_t bytes[AAD_SIZE_MAX];
    edn_buf aad = EDN_BUF_OVER(bytes);

    edn_journal_wrap_key_of(&k, rk, a, epoch);
    return edn_box_seal(out, k.b, journal_aad(&aad, a, s, j, epoch, journal_epoch), jk->b, sizeof jk->b, rng);
}

edn_status edn_journal_key_open(const edn_root_key *rk, const edn_account_id *a, const edn_space_id *s,
                                const edn_journal_id *j, uint32_t epoch, uint32_t journal_epoch, edn_bytes box,
                                edn_journal_key *jk)
{
    EDN_SECRET(edn_journal_wrap_key) k = EDN_KEY_EMPTY;
    uint8_t bytes[AAD_SIZE_MAX];
    edn_buf aad = EDN_BUF_OVER(bytes);

    edn_journal_wrap_key_of(&k, rk, a, epoch);
    return edn_box_open(k.b, journal_aad(&aad, a, s, j, epoch, journal_epoch), box, jk->b, sizeof jk->b);
}
