/* Changing the passphrase: the account's root box and this device's lock each get a new wrap, and each is swapped in
 * one step. The cost does not depend on the size of the diary. Renewing the account key is the same with the passphrase
 * as it was: instead of slot-next there is account-key-next (account_key.c).
 *
 *     1  here:    slot-next, and the hash of the link that will say so           both passphrases open
 *     2  server:  append the link, if the log is still as we know it
 *     3  here:    the link; slot-next becomes slot                               only the new one opens
 *
 * A crash after 1 or 2, and any answer but yes, is settled by the next sync: the log has the link in its place, or
 * something else, or still ends before it. For a server that did it may be heard to say no: its answer is lost on the
 * way and a proxy says "busy" in its place, or the request came twice and the second one is refused. */
#include "client/account/account_priv.h"

#include <edn/account.h>

#include "base/plant.h"

#include <stdlib.h>

/* META "passphrase-pending": u64 seq ‖ link hash 32. */
static edn_status pending_load(edn_client *c, uint64_t *seq, edn_hash *hash)
{
    edn_buf row = EDN_BUF_INIT(64);
    edn_status st = meta_get(c, "passphrase-pending", EDN_BYTES_EMPTY, &row);

    if (st == EDN_OK && row.n != 40)
        st = EDN_E_DAMAGED;
    if (st == EDN_OK) {
        *seq = edn_load_u64(row.p);
        memcpy(hash->b, row.p + 8, sizeof hash->b);
    }
    edn_buf_dispose(&row);
    return st;
}

static edn_status pending_drop(edn_client *c)
{
    edn_status st = edn_store_del(c->store, EDN_TABLE_OPEN, edn_bytes_str("slot-next"));

    if (st == EDN_OK)
        st = account_key_unplan(c);
    return st == EDN_OK ? meta_del(c, "passphrase-pending", EDN_BYTES_EMPTY) : st;
}

/* What waited counts. */
static edn_status slot_swap(edn_client *c)
{
    edn_buf slot = EDN_BUF_INIT(4096);
    edn_status st = edn_store_get(c->store, EDN_TABLE_OPEN, edn_bytes_str("slot-next"), &slot);

    if (st == EDN_OK)
        st = edn_store_put(c->store, EDN_TABLE_OPEN, edn_bytes_str("slot"), edn_buf_view(&slot));
    edn_buf_dispose(&slot);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

edn_status passphrase_pending(edn_client *c, bool *out)
{
    edn_hash hash;
    uint64_t seq;
    edn_status st = pending_load(c, &seq, &hash);

    *out = st == EDN_OK;
    return st == EDN_E_MISSING ? EDN_OK : st;
}

edn_status passphrase_settle(edn_client *c, bool log_is_whole)
{
    edn_hash want, at;
    uint64_t seq;
    edn_status st = pending_load(c, &seq, &want);

    if (st == EDN_E_MISSING || (st == EDN_OK && edn_devlog_count(c->log) <= seq && !log_is_whole))
        return EDN_OK;
    if (st != EDN_OK)
        return st;
    if (edn_devlog_hash_at(c->log, seq, &at) && memcmp(at.b, want.b, sizeof at.b) == 0 &&
        ((st = slot_swap(c)) != EDN_OK || (st = account_key_settle(c, seq)) != EDN_OK))
        return st;
    return pending_drop(c);
}

/* From here, or else with a token from the server. EDN_E_MISSING. */
static edn_status box_find(edn_client *c, const char *token, const edn_hash *hash, edn_buf *out, edn_err *err)
{
    edn_status st = box_load(c, hash, out);

    return st == EDN_E_MISSING && token[0] ? account_fetch_box(c, client_id(c)->server, token, hash, out, err) : st;
}

static edn_status record_find(edn_client *c, const char *token, const edn_hash *hash, edn_kdf_record *out, edn_err *err)
{
    edn_buf row = EDN_BUF_INIT(EDN_BOX_SIZE_MAX);
    edn_status st = box_find(c, token, hash, &row, err);

    if (st == EDN_OK && row.n != sizeof out->b)
        st = EDN_E_DAMAGED;
    if (st == EDN_OK)
        memcpy(out->b, row.p, sizeof out->b);
    edn_buf_dispose(&row);
    return st;
}

edn_status account_load_wrap(edn_client *c, const char *token, edn_kdf_record *record, edn_buf *box, edn_err *err)
{
    edn_hash kdf_hash, box_hash;
    edn_sign_pk login;
    edn_status st;

    if (!edn_devlog_kdf(c->log, &kdf_hash, &box_hash, &login))
        return edn_fail(err, EDN_E_DAMAGED, "the account's log names no passphrase record");
    if ((st = record_find(c, token, &kdf_hash, record, err)) == EDN_OK)
        st = box_find(c, token, &box_hash, box, err);
    if (st == EDN_E_MISSING)
        return edn_fail(err, st, "the account's sealed root key is not on this device; sync first");
    return st == EDN_OK ? st : client_fail(c, st, err);
}

edn_status account_open_root(edn_client *c, edn_bytes prepared, const edn_kdf_record *record, edn_bytes box,
                             edn_root_secret *out)
{
    EDN_SECRET(edn_wrap_key) wrap = EDN_KEY_EMPTY;
    EDN_SECRET(edn_seed) login_seed = EDN_KEY_EMPTY;
    const identity *id = client_id(c);
    edn_status st = edn_kdf_record_check(record, EDN_KDF_FLOOR);

    if (st == EDN_OK)
        st = edn_unlock_keys(prepared, edn_kdf_record_uses_account_key(record) ? &id->account_key : NULL, &id->account,
                             record, &wrap, &login_seed);
    return st == EDN_OK ? edn_root_box_open(&wrap, &id->account, edn_devlog_epoch(c->log), record, box, out) : st;
}

edn_kdf_profile account_profile_of(const edn_kdf_record *r)
{
    int p = EDN_KDF_HIGH;

    while (p > EDN_KDF_FLOOR && edn_kdf_record_check(r, (edn_kdf_profile)p) != EDN_OK)
        p--;
    return (edn_kdf_profile)p;
}

static edn_status slot_profile(edn_client *c, edn_kdf_profile *out)
{
    edn_buf slot = EDN_BUF_INIT(4096);
    edn_kdf_record record;
    edn_status st = edn_store_get(c->store, EDN_TABLE_OPEN, edn_bytes_str("slot"), &slot);

    if (st == EDN_OK)
        st = edn_slot_record(edn_buf_view(&slot), &record) ? EDN_OK : EDN_E_DAMAGED;
    if (st == EDN_OK)
        *out = account_profile_of(&record);
    edn_buf_dispose(&slot);
    return st;
}

/* EDN_E_MISSING: the record is not on this device. */
static edn_status account_profile(edn_client *c, edn_kdf_profile *out, edn_err *err)
{
    edn_hash kdf_hash, box_hash;
    edn_kdf_record record;
    edn_sign_pk login;
    edn_status st = EDN_E_MISSING;

    if (edn_devlog_kdf(c->log, &kdf_hash, &box_hash, &login))
        st = record_find(c, "", &kdf_hash, &record, err);
    if (st == EDN_OK)
        *out = account_profile_of(&record);
    return st;
}

edn_status edn_client_strength(edn_client *c, edn_strength *out, edn_err *err)
{
    edn_kdf_profile lock = EDN_KDF_FLOOR, account = EDN_KDF_HIGH;
    edn_status st = client_begin_read(c, err);

    if (st != EDN_OK)
        return st;
    st = slot_profile(c, &lock);
    if (st == EDN_OK && (st = account_profile(c, &account, err)) == EDN_E_MISSING)
        st = EDN_OK;
    *out = (edn_strength)EDN_MIN(lock, account);
    return client_end_read(c, st, err);
}

typedef struct changing {
    edn_client *c;
    edn_bytes old_prepared, new_prepared;
    edn_strength strength;
    edn_buf slot, link, root_box, old_box;
    edn_kdf_record record, old_record;
    edn_hash head;           /* of the log that the link was made for */
    edn_root_secret *secret; /* guarded */
    identity *renewed;       /* guarded: this device with the new account key; NULL: the passphrase changes */
    const char *token;       /* "" without a server */
    bool sent;               /* the link went out */
    bool account_done;       /* another device has changed the account to the new passphrase already */
    edn_err *err;
} changing;

/* The account key that is to be, made once. This device may have another id than before the last sync. */
static void renewed_refresh(changing *x)
{
    EDN_SECRET(edn_account_key) key = x->renewed->account_key;

    if (!x->renewed->has_account_key)
        keys_make(x->c, SECRET_ACCOUNT_KEY, EDN_F(client_id(x->c)->account_key), key.b, sizeof key.b);
    *x->renewed = *client_id(x->c);
    x->renewed->account_key = key;
    x->renewed->has_account_key = true;
}

static edn_status changing_make(changing *x)
{
    edn_client *c = x->c;
    edn_status st = account_load_wrap(c, x->token, &x->old_record, &x->old_box, x->err);

    if (st != EDN_OK)
        return st;
    x->head = edn_devlog_head(c->log);
    if (x->renewed)
        renewed_refresh(x);
    st = account_open_root(c, x->old_prepared, &x->old_record, edn_buf_view(&x->old_box), x->secret);
    if (st == EDN_E_AUTH && !x->renewed &&
        account_open_root(c, x->new_prepared, &x->old_record, edn_buf_view(&x->old_box), x->secret) == EDN_OK) {
        x->account_done = true;
        st = EDN_OK;
    }
    if (st == EDN_E_AUTH && x->renewed)
        return edn_fail(
            x->err, EDN_E_PASSPHRASE,
            "that is not the account's passphrase; or the account key was renewed on another device, and that "
            "one has to sync first");
    if (st == EDN_E_AUTH)
        return edn_fail(
            x->err, EDN_E_PASSPHRASE,
            "the account's passphrase was changed on another device; give that one as the new passphrase here");
    if (st == EDN_OK && !x->account_done) {
        EDN_SECRET(edn_root_secret) fresh = {.sc_seq = 0};
        account_root_secret(&fresh, &x->secret->aik_seed, &x->secret->root, c->log);
        edn_buf_reset(&x->link);
        edn_buf_reset(&x->root_box);
        st = account_make_kdf(c, x->renewed ? x->renewed : client_id(c), c->log, x->new_prepared,
                              x->strength ? (edn_kdf_profile)x->strength : account_profile_of(&x->old_record), &fresh,
                              &x->record, &x->root_box, &x->link);
    }
    return st;
}

/* What tells, after a crash, whether the link of step 2 came to be. */
static edn_status pending_save(changing *x)
{
    uint8_t pending[40];
    edn_hash hash = edn_link_hash(edn_buf_view(&x->link));

    edn_store_u64(pending, edn_devlog_count(x->c->log));
    memcpy(pending + 8, hash.b, sizeof hash.b);
    return meta_put(x->c, "passphrase-pending", EDN_BYTES_EMPTY, edn_bytes_of(pending, sizeof pending));
}

static edn_status changing_save(changing *x)
{
    edn_client *c = x->c;
    edn_hash head = edn_devlog_head(c->log);
    edn_status st;

    if (memcmp(head.b, x->head.b, sizeof head.b) != 0)
        return EDN_E_CONFLICT; /* another process was at work meanwhile */
    st = x->renewed ? account_key_plan(c, &x->renewed->account_key)
                    : edn_store_put(c->store, EDN_TABLE_OPEN, edn_bytes_str("slot-next"), edn_buf_view(&x->slot));
    if (st != EDN_OK)
        return st;
    if (!x->account_done &&
        ((st = box_save(c, edn_buf_view(&x->root_box))) != EDN_OK || (st = box_save(c, EDN_F(x->record))) != EDN_OK ||
         (st = x->token[0] ? pending_save(x) : log_take_link(c, edn_buf_view(&x->link))) != EDN_OK))
        return st;
    if (x->token[0])
        return EDN_OK;
    /* With nobody to ask, all three steps are this one. */
    if ((st = slot_swap(c)) == EDN_OK)
        st = account_key_settle(c, edn_devlog_count(c->log) - 1);
    return st == EDN_OK ? pending_drop(c) : st;
}

/* Step 1. The stretching is done before anybody is kept from writing. */
static edn_status changing_prepare(changing *x)
{
    edn_client *c = x->c;
    edn_status st = client_begin_read(c, x->err);

    if (st == EDN_OK)
        st = client_end_read(c, changing_make(x), x->err);
    if (st != EDN_OK || (st = client_begin_write(c, x->err)) != EDN_OK)
        return st;
    return client_end_write(c, changing_save(x), x->err);
}

/* Step 2. */
static edn_status changing_send(changing *x)
{
    const edn_bytes boxes[] = {edn_buf_view(&x->root_box), EDN_F(x->record)};

    return account_log_append(x->c, client_id(x->c)->server, x->token, edn_buf_view(&x->link), boxes, EDN_COUNT(boxes),
                              x->err);
}

/* Step 3. */
static edn_status changing_finish(changing *x)
{
    edn_client *c = x->c;
    edn_status st = client_begin_write(c, x->err);

    if (st != EDN_OK)
        return st;
    if (!x->account_done)
        st = log_take_link(c, edn_buf_view(&x->link));
    if (x->renewed) {
        edn_link_info info;
        if (st == EDN_OK && (st = edn_link_peek(edn_buf_view(&x->link), &info)) == EDN_OK)
            st = account_key_settle(c, info.seq);
        return client_end_write(c, st == EDN_OK ? pending_drop(c) : st, x->err);
    }
    /* Not the waiting one: a sync of another process may have settled that. */
    if (st == EDN_OK && !EDN_PLANT(keeps_old_passphrase))
        st = edn_store_put(c->store, EDN_TABLE_OPEN, edn_bytes_str("slot"), edn_buf_view(&x->slot));
    if (st == EDN_OK)
        st = pending_drop(c);
    return client_end_write(c, st, x->err);
}

edn_status account_fresh_token(edn_client *c, edn_sync_remote *remote, edn_err *err)
{
    edn_sync_result synced;
    edn_status st = client_sync(c, NULL, true, &synced, err);

    if (st != EDN_OK || (st = client_begin_read(c, err)) != EDN_OK)
        return st;
    edn_sync_remote_dispose(remote);
    st = client_end_read(c, remote_load(c, remote), err);
    if (st == EDN_OK && !remote->token[0])
        st = edn_fail(err, EDN_E_DENIED, "%s: the server gave no login; sync first", client_id(c)->server);
    return st;
}

static edn_status fresh_token(changing *x, edn_sync_remote *remote)
{
    edn_status st = account_fresh_token(x->c, remote, x->err);

    x->token = remote->token;
    return st;
}

static edn_status change_once(changing *x)
{
    edn_status st = changing_prepare(x);

    if (st != EDN_OK || !x->token[0])
        return st;
    x->sent = !x->account_done;
    st = x->account_done ? EDN_OK : changing_send(x);
    return st == EDN_OK ? changing_finish(x) : st;
}

/* Whether the link that was sent is in the log, as a sync has just brought it: which has settled it, then. */
static edn_status was_taken(changing *x, bool *out)
{
    edn_hash at, hash = edn_link_hash(edn_buf_view(&x->link));
    edn_link_info info;
    edn_status st = edn_link_peek(edn_buf_view(&x->link), &info);

    *out = false;
    if (st != EDN_OK || (st = client_begin_read(x->c, x->err)) != EDN_OK)
        return st;
    *out = edn_devlog_hash_at(x->c->log, info.seq, &at) && memcmp(at.b, hash.b, sizeof at.b) == 0;
    return client_end_read(x->c, EDN_OK, x->err);
}

/* The server said something else than yes, `why`. A sync may tell now what came of it; else a later one does. */
static edn_status change_settle(changing *x, edn_sync_remote *remote, edn_status why)
{
    edn_err *said = x->err, ignored;
    bool taken = false;

    x->err = &ignored;
    if (why != EDN_E_NETWORK && (fresh_token(x, remote) != EDN_OK || was_taken(x, &taken) != EDN_OK))
        taken = false;
    x->err = said;
    return taken ? EDN_OK : why;
}

static edn_status change(changing *x)
{
    edn_sync_remote remote = {0};
    edn_status st = EDN_E_CONFLICT;

    for (int tries = 0; tries < 5 && st == EDN_E_CONFLICT; tries++) {
        x->sent = false;
        st = client_id(x->c)->server[0] ? fresh_token(x, &remote) : EDN_OK;
        edn_buf_reset(&x->old_box);
        if (st == EDN_OK)
            st = change_once(x);
        if (st != EDN_OK && x->sent)
            st = change_settle(x, &remote, st);
    }
    x->token = "";
    edn_wipe(remote.token, sizeof remote.token);
    edn_sync_remote_dispose(&remote);
    return st;
}

static changing changing_begin(edn_client *c, edn_err *err)
{
    return (changing){.c = c,
                      .token = "",
                      .secret = edn_secret_alloc(sizeof(edn_root_secret)),
                      .err = err,
                      .slot = EDN_BUF_INIT(4096),
                      .link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX),
                      .root_box = EDN_BUF_INIT(EDN_BOX_SIZE_MAX),
                      .old_box = EDN_BUF_INIT(EDN_BOX_SIZE_MAX)};
}

static void changing_end(changing *x)
{
    edn_secret_free(x->secret);
    edn_secret_free(x->renewed);
    edn_buf_dispose(&x->slot);
    edn_buf_dispose(&x->link);
    edn_buf_dispose(&x->root_box);
    edn_buf_dispose(&x->old_box);
}

edn_status edn_client_passphrase_change(edn_client *c, edn_bytes old_passphrase, edn_bytes new_passphrase,
                                        edn_strength strength, edn_err *err)
{
    EDN_SECRET(edn_local_key) ldk = EDN_KEY_EMPTY;
    edn_buf old_prepared = EDN_BUF_INIT(16384), new_prepared = EDN_BUF_INIT(16384);
    changing x = changing_begin(c, err);
    edn_kdf_profile profile = (edn_kdf_profile)strength;
    edn_status st;

    x.strength = strength;
    if (!x.secret)
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    if ((st = client_open_slot(c, old_passphrase, &ldk, err)) != EDN_OK ||
        (!c->secret && (st = client_unlock_with(c, &ldk, err)) != EDN_OK) ||
        (st = edn_passphrase_prepare(old_passphrase, &old_prepared, err)) != EDN_OK ||
        (st = edn_passphrase_prepare(new_passphrase, &new_prepared, err)) != EDN_OK)
        goto out;
    st = strength ? EDN_OK : slot_profile(c, &profile);
    if (st == EDN_OK)
        st = edn_slot_seal(&x.slot, edn_buf_view(&new_prepared), profile, &c->device, &ldk, &c->random);
    if (st != EDN_OK) {
        client_fail(c, st, err);
        goto out;
    }
    x.old_prepared = edn_buf_view(&old_prepared);
    x.new_prepared = edn_buf_view(&new_prepared);
    st = change(&x);
out:
    changing_end(&x);
    edn_buf_wipe(&old_prepared);
    edn_buf_wipe(&new_prepared);
    return st;
}

edn_status edn_client_account_key_renew(edn_client *c, edn_bytes passphrase, edn_err *err)
{
    edn_buf prepared = EDN_BUF_INIT(16384);
    changing x = changing_begin(c, err);
    edn_status st;

    x.renewed = edn_secret_alloc(sizeof *x.renewed);
    if (!x.secret || !x.renewed) {
        st = edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    } else if ((st = edn_passphrase_prepare(passphrase, &prepared, err)) == EDN_OK) {
        memset(x.renewed, 0, sizeof *x.renewed);
        x.old_prepared = x.new_prepared = edn_buf_view(&prepared);
        st = change(&x);
    }
    changing_end(&x);
    edn_buf_wipe(&prepared);
    return st;
}
