/* The account key as it changes. The device that renews it says it in its own device document, sealed like every name,
 * and the others take it from there:
 *
 *     field 01 "account-key"    u64 seq of the SET_KDF link that the key came with ‖ H32 of that link's record 32 ‖ key
 *     16
 *
 * It counts when that link is in the log and names that record; of several, the one of the latest link does. So a
 * device that was away through two renewals and a change of passphrase ends with the right one, whatever comes first.
 *
 *     META "account-key-next"     16: a renewal of this device's that the server may not have heard of
 *          "account-key-since"    u64: the link that the key here came with; absent: the first */
#include "client/account/account_priv.h"

#define FIELD_ACCOUNT_KEY                                                                                              \
    "\x01"                                                                                                             \
    "account-key"
#define SAID_SIZE (8u + 32u + 16u)

/* The hash of the record that a SET_KDF link names. EDN_E_MISSING: it is none, or not here. */
static edn_status record_hash_at(edn_client *c, uint64_t seq, edn_hash *out)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_link_info info;
    edn_status st = link_load(c, seq, &link);

    if (st == EDN_OK && (edn_link_peek(edn_buf_view(&link), &info) != EDN_OK || info.type != EDN_LINK_SET_KDF ||
                         info.body.n < sizeof out->b))
        st = EDN_E_MISSING;
    if (st == EDN_OK)
        memcpy(out->b, info.body.p, sizeof out->b);
    edn_buf_dispose(&link);
    return st;
}

static edn_status since(edn_client *c, uint64_t *out)
{
    edn_buf row = EDN_BUF_INIT(16);
    edn_status st = meta_get(c, "account-key-since", EDN_BYTES_EMPTY, &row);

    *out = st == EDN_OK && row.n == 8 ? edn_load_u64(row.p) : 0;
    edn_buf_dispose(&row);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

static edn_status take(edn_client *c, uint64_t seq, const uint8_t key[16])
{
    identity *id = &c->secret->id; /* what a failed transaction leaves in memory is read again by the next one */
    edn_status st;

    memcpy(id->account_key.b, key, sizeof id->account_key.b);
    id->has_account_key = true;
    st = identity_save(c, id);
    return st == EDN_OK ? meta_put(c, "account-key-since", EDN_BYTES_EMPTY, EDN_F_U64(seq)) : st;
}

edn_status account_key_heard(edn_client *c, const edn_doc *device)
{
    edn_hash hash;
    uint64_t seq, have;
    edn_bytes v;
    edn_status st;

    if (edn_doc_get(device, edn_bytes_str(FIELD_ACCOUNT_KEY), &v) != EDN_OK || v.n != SAID_SIZE)
        return EDN_OK;
    seq = edn_load_u64(v.p);
    if ((st = since(c, &have)) != EDN_OK || seq <= have)
        return st;
    st = record_hash_at(c, seq, &hash);
    if (st == EDN_E_MISSING || (st == EDN_OK && memcmp(hash.b, v.p + 8, sizeof hash.b) != 0))
        return EDN_OK; /* of no link that there is */
    return st == EDN_OK ? take(c, seq, v.p + 40) : st;
}

edn_status account_key_plan(edn_client *c, const edn_account_key *next)
{
    return meta_put(c, "account-key-next", EDN_BYTES_EMPTY, EDN_F(*next));
}

edn_status account_key_unplan(edn_client *c) { return meta_del(c, "account-key-next", EDN_BYTES_EMPTY); }

edn_status account_key_say(edn_client *c, uint64_t seq, const uint8_t key[16])
{
    edn_buf said = EDN_BUF_INIT(SAID_SIZE);
    edn_entry_id self;
    edn_hash hash;
    edn_status st;

    if ((st = record_hash_at(c, seq, &hash)) != EDN_OK || (st = take(c, seq, key)) != EDN_OK)
        return st;
    edn_put_u64(&said, seq);
    edn_put_bytes(&said, hash.b, sizeof hash.b);
    edn_put_bytes(&said, key, sizeof(edn_account_key));
    memcpy(self.b, client_id(c)->device.b, sizeof self.b);
    if ((st = edn_buf_status(&said)) == EDN_OK)
        st = named_set(c, &self, EDN_RECORD_DEVICE, FIELD_ACCOUNT_KEY, edn_buf_view(&said));
    edn_buf_wipe(&said);
    return st;
}

edn_status account_key_settle(edn_client *c, uint64_t seq)
{
    edn_buf row = EDN_BUF_INIT(64);
    edn_status st = meta_get(c, "account-key-next", EDN_BYTES_EMPTY, &row);

    if (st == EDN_OK && row.n != sizeof(edn_account_key))
        st = EDN_E_DAMAGED;
    if (st == EDN_OK && (st = account_key_say(c, seq, row.p)) == EDN_OK)
        st = account_key_unplan(c);
    edn_buf_wipe(&row);
    return st == EDN_E_MISSING ? EDN_OK : st;
}
