/* With every device lost: the shares open the account's own key and its root key, and with these this machine adds
 * itself and locks the account anew. The server shows the log to who knows the set of shares, and after a wait, of
 * which it tells every device, the sealed box; each share proves the account (its commitment is in the log), and the
 * box the log's end that its maker knew.
 *
 *     begin    the log, looked at; shares are held against it. The server has begun nothing
 *     ask      the home, in one transaction: this device's keys and "recovering". Then the request
 *     resume   from the home alone
 *     finish   the links, sent; then the home, in one transaction. An answer was lost: the log has this device in it
 *
 * When contacts keep shares, it asks before it has enough of them, so that they have somebody to give them to, and all
 * devices are told before any contact is asked:
 *
 *     request  the home, with a key that shares are sealed to. Then as ask
 *     collect  what contacts gave, taken from the server's board; each share that is good is in the home from then on
 *
 * META "recovering": u8 profile ‖ set 16 ‖ u64 begun ‖ u8 whether there are enough shares ‖ recovery key 32 (zero
 * before) ‖ secret of the request 32 (zero: there is none) ‖ u8 n ‖ n × (u8 x ‖ y 32): shares, until they are enough.
 * All that lies here as the root key will: sealed under the device's key, which the new passphrase opens; without the
 * box, which the server still holds back, it opens nothing.
 * META "lost": n × device 16, to be revoked. */
#include "client/recovery/recovery_priv.h"

static edn_status find_account(edn_recovery *r, edn_err *err)
{
    identity id = {0};
    edn_msg_challenge_ask ask = {.kind = EDN_LOGIN_PASSPHRASE};
    edn_arena a = edn_arena_init(1 << 16);
    edn_msg_challenge ch;
    edn_status st;

    memcpy(id.server, r->origin, sizeof r->origin);
    memcpy(id.name, r->name, sizeof r->name);
    ask.name_hash = account_name_hash(&id);
    client_random(r->c, ask.client_nonce, sizeof ask.client_nonce);
    if ((st = account_challenge(r->c, &id, &ask, &a, &ch, err)) == EDN_OK)
        r->account = ch.account;
    edn_arena_dispose(&a);
    return st;
}

static edn_status link_of_list(void *ctx, uint64_t seq, edn_buf *out)
{
    const edn_recovery *r = ctx;

    edn_put_bytes(out, r->links[seq].p, r->links[seq].n);
    return edn_buf_status(out);
}

static edn_status lies(const edn_recovery *r, edn_status st, edn_err *err)
{
    return edn_fail(err, st, "%s: what the server shows of this account is not sound (%s); do not trust it", r->origin,
                    edn_status_name(st));
}

static edn_status check_log(edn_recovery *r, const edn_msg_held *got, const edn_share_set_id *set)
{
    edn_devlog *log = NULL;
    recovery_set newest;
    edn_account_id account;
    edn_hash at, head;
    edn_status st = edn_devlog_new(&log);

    for (size_t i = 0; st == EDN_OK && i < got->links_n; i++)
        st = edn_devlog_append(log, got->links[i]);
    if (st == EDN_OK && got->links_n == 0)
        st = EDN_E_FORMAT;
    if (st == EDN_OK) {
        account = edn_devlog_account(log);
        st = memcmp(account.b, r->account.b, sizeof account.b) == 0 ? EDN_OK : EDN_E_ACCOUNT;
    }
    if (st == EDN_OK && r->log) { /* it has grown since it was looked at, or is the same */
        head = edn_devlog_head(r->log);
        if (!edn_devlog_hash_at(log, edn_devlog_count(r->log) - 1, &at) || memcmp(at.b, head.b, sizeof at.b) != 0)
            st = EDN_E_FORK;
    }
    if (st == EDN_OK) {
        edn_devlog_free(r->log);
        r->log = log;
        r->links = got->links;
        r->links_n = got->links_n;
        if ((st = recovery_find(link_of_list, r, r->links_n, &newest)) == EDN_OK &&
            memcmp(newest.set.id.b, set->b, sizeof set->b) != 0)
            st = EDN_E_AUTH;
        if (st == EDN_OK) /* not before: `set` may stand in it */
            r->at = newest;
        return st;
    }
    edn_devlog_free(log);
    return st;
}

/* The log, the set and its box, each held against the others. */
static edn_status check_shown(edn_recovery *r, const edn_msg_held *got, const edn_share_set_id *set, edn_err *err)
{
    edn_hash box_hash;
    edn_status st = check_log(r, got, set);

    if (st == EDN_OK && got->state == EDN_HELD_WAITING && memcmp(got->set, set->b, sizeof set->b) != 0)
        st = EDN_E_AUTH;
    edn_buf_reset(&r->box);
    if (st == EDN_OK && got->boxes_n) {
        box_hash = edn_h32(got->boxes[0]);
        st = memcmp(box_hash.b, r->at.set.box_hash.b, sizeof box_hash.b) == 0 ? EDN_OK : EDN_E_AUTH;
        edn_put_bytes(&r->box, got->boxes[0].p, got->boxes[0].n);
    }
    if (st == EDN_OK)
        st = edn_buf_status(&r->box);
    if (st != EDN_OK)
        return st == EDN_E_NOMEM ? client_fail(r->c, st, err) : lies(r, st, err);
    return EDN_OK;
}

/* This machine, when it is in the log already: an answer was lost. */
static const edn_device *self_in_log(const edn_recovery *r)
{
    return r->e ? edn_devlog_device_find(r->log, &r->e->id.device) : NULL;
}

static edn_status check_epoch(const edn_recovery *r, edn_err *err)
{
    if (r->at.epoch == edn_devlog_epoch(r->log) || self_in_log(r))
        return EDN_OK;
    return edn_fail(err, EDN_E_EPOCH,
                    "the account's keys were made anew since these shares were made (a device was revoked), so they no "
                    "longer open it. A newer set of shares, a device, or the passphrase does");
}

static edn_status ask_server(edn_recovery *r, const edn_share_set_id *set, uint8_t kind, uint64_t begun, edn_err *err)
{
    edn_buf rq = EDN_BUF_INIT(4096), body = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_msg_set_ask m = {.kind = kind, .account = r->account, .begun = begun};
    edn_bytes kept;
    edn_status st;

    memcpy(m.set, set->b, sizeof m.set);
    edn_set_ask_put(&rq, &m);
    if ((st = client_fail(r->c, edn_buf_status(&rq), err)) == EDN_OK)
        st = account_call(r->c, r->origin, "/v1/recovery", NULL, edn_buf_view(&rq), &body, NULL, err);
    if (st == EDN_E_DENIED)
        st = edn_fail(
            err, st,
            "%s: the server knows no account of that name with this set of shares: compare both with the page; "
            "an older set is not good any more",
            r->origin);
    if (st == EDN_OK && !edn_arena_copy(&r->arena, edn_buf_view(&body), &kept))
        st = edn_fail(err, EDN_E_NOMEM, "out of memory");
    if (st == EDN_OK && (st = edn_held_decode(&r->arena, kept, &r->held)) != EDN_OK)
        st = st == EDN_E_NOMEM ? client_fail(r->c, st, err) : lies(r, EDN_E_FORMAT, err);
    if (st == EDN_OK)
        st = check_shown(r, &r->held, set, err);
    if (st == EDN_OK)
        st = check_epoch(r, err);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&body);
    return st;
}

edn_status edn_recovery_begin(const edn_client_options *options, const char *server, const char *name, const char *set,
                              edn_recovery **out, edn_err *err)
{
    edn_recovery *r = NULL;
    edn_account_key as_key;
    edn_share_set_id id;
    edn_status st;

    *out = NULL;
    if (edn_account_key_parse(edn_bytes_str(set), &as_key) != EDN_OK)
        return edn_fail(err, EDN_E_INVALID,
                        "the set has a typing error; it stands on every page, 30 letters and digits");
    memcpy(id.b, as_key.b, sizeof id.b);
    if ((st = recovery_new(&r, err)) != EDN_OK)
        return st;
    if ((st = client_new(options, &r->c, err)) == EDN_OK && (st = account_home_is_free(r->c, err)) == EDN_OK &&
        (st = edn_origin_normalise(server, r->origin, err)) == EDN_OK &&
        (st = account_name_prepare(name, r->name, err)) == EDN_OK &&
        (st = account_pin_server(r->c, r->origin, &r->receipt_pk, err)) == EDN_OK &&
        (st = find_account(r, err)) == EDN_OK && (st = ask_server(r, &id, EDN_SET_LOOK, 0, err)) == EDN_OK) {
        *out = r;
        r = NULL;
    } else if (r->c) {
        client_fail(r->c, st, err);
    }
    edn_recovery_free(r);
    return st;
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

#define RECOVERING_SIZE_MAX (1u + 16u + 8u + 1u + 32u + 32u + 1u + EDN_SHARES_MAX * 33u)

static void recovering_put(const edn_recovery *r, edn_buf *out)
{
    unsigned n = r->open ? 0 : r->secret->n;

    edn_buf_reserve(out, RECOVERING_SIZE_MAX); /* so that no piece of it is left where it grew from */
    edn_put_u8(out, (uint8_t)r->profile);
    edn_put_bytes(out, r->at.set.id.b, sizeof r->at.set.id.b);
    edn_put_u64(out, r->begun);
    edn_put_u8(out, r->open);
    edn_put_bytes(out, r->secret->key.b, sizeof r->secret->key.b);
    edn_put_bytes(out, r->secret->request.b, sizeof r->secret->request.b);
    edn_put_u8(out, (uint8_t)n);
    for (unsigned i = 0; i < n; i++) {
        edn_put_u8(out, (uint8_t)(r->secret->shares[i].member + 1));
        edn_put_bytes(out, r->secret->shares[i].value, sizeof(edn_recovery_key));
    }
}

/* They were held against their commitments before they were kept, and the set is the same. */
static void shares_read(edn_reader *in, edn_recovery *r)
{
    unsigned n = edn_read_u8(in, "shares");

    if (n > EDN_SHARES_MAX)
        edn_reader_fail(in, EDN_E_FORMAT, "shares");
    for (unsigned i = 0; i < n && edn_reader_status(in) == EDN_OK; i++) {
        EDN_SECRET(edn_share) share;
        share.x = edn_read_u8(in, "x");
        edn_read_into(in, share.y, sizeof share.y, "y");
        recovery_share_put(r, &share);
    }
}

static edn_status recovering_load(edn_recovery *r, edn_share_set_id *set)
{
    edn_buf row = EDN_BUF_INIT(RECOVERING_SIZE_MAX);
    edn_status st = meta_get(r->c, "recovering", EDN_BYTES_EMPTY, &row);
    edn_reader in = edn_reader_init(edn_buf_view(&row));

    if (st == EDN_OK) {
        r->profile = (edn_kdf_profile)edn_read_u8(&in, "profile");
        edn_read_into(&in, set->b, sizeof set->b, "set");
        r->begun = edn_read_u64(&in, "begun");
        r->open = edn_read_u8(&in, "open") != 0;
        edn_read_into(&in, r->secret->key.b, sizeof r->secret->key.b, "key");
        edn_read_into(&in, r->secret->request.b, sizeof r->secret->request.b, "request");
        shares_read(&in, r);
        if (edn_reader_end(&in) != EDN_OK || r->profile < EDN_KDF_FLOOR || r->profile > EDN_KDF_HIGH)
            st = EDN_E_DAMAGED;
    }
    edn_buf_wipe(&row);
    return st;
}

edn_status recovery_keep(edn_recovery *r, edn_err *err)
{
    edn_buf row = EDN_BUF_INIT(RECOVERING_SIZE_MAX);
    edn_status st;

    recovering_put(r, &row);
    st = edn_buf_status(&row);
    if (st == EDN_OK && (st = edn_store_begin_write(r->c->store)) == EDN_OK) {
        st = meta_put(r->c, "recovering", EDN_BYTES_EMPTY, edn_buf_view(&row));
        if (st == EDN_OK)
            st = edn_store_commit(r->c->store);
        else
            edn_store_rollback(r->c->store);
    }
    edn_buf_wipe(&row);
    return client_fail(r->c, st, err);
}

/* Which recovery it is, for the next time. */
static edn_status begun_save(edn_recovery *r, edn_err *err)
{
    r->begun = r->held.begun;
    return recovery_keep(r, err);
}

edn_status recovery_wait_of(const edn_msg_held *m, const edn_devlog *log, edn_recovery_wait *out)
{
    edn_cancel what = {
        .account = edn_devlog_account(log), .begun = m->begun, .device = m->device, .time_ms = m->cancelled_ms};
    const edn_device *d = edn_devlog_device_find(log, &m->device);

    *out = (edn_recovery_wait){.state = (edn_recovery_state)m->state,
                               .asked_ms = m->asked_s * 1000,
                               .ready_ms = m->ready_s * 1000,
                               .now_ms = m->now_s * 1000,
                               .cancelled_ms = m->cancelled_ms};
    if (m->state != EDN_HELD_CANCELLED)
        return EDN_OK;
    memcpy(what.set, m->set, sizeof what.set);
    edn_hex_encode(out->by, m->device.b, sizeof m->device.b);
    return d && edn_cancel_verify(&m->sig, &what, &d->cert.sign) ? EDN_OK : EDN_E_SIG;
}

static edn_status tell_wait(edn_recovery *r, edn_recovery_wait *out, edn_err *err)
{
    edn_status st = recovery_wait_of(&r->held, r->log, out);

    if (st != EDN_OK)
        return edn_fail(err, st,
                        "%s: the server says that a device cancelled the recovery, and no device has signed that; do "
                        "not trust it",
                        r->origin);
    return EDN_OK;
}

/* Asks for the one that was begun before; for a new one when the server has it no more. */
static edn_status ask_on(edn_recovery *r, const edn_share_set_id *set, bool *again, edn_err *err)
{
    edn_status st = ask_server(r, set, EDN_SET_ASK, r->begun, err);

    *again = false;
    if (st == EDN_OK && r->begun != 0 && (r->held.begun != r->begun || r->held.state == EDN_HELD_NONE)) {
        *again = true;
        st = ask_server(r, set, EDN_SET_ASK, 0, err);
    }
    if (st == EDN_OK && (r->held.state == EDN_HELD_NONE || (r->begun == 0 && r->held.state == EDN_HELD_CANCELLED)))
        st = lies(r, EDN_E_FORMAT, err); /* it was asked to begin */
    return st == EDN_OK && r->held.begun != r->begun ? begun_save(r, err) : st;
}

/* The identity that this machine will have. */
static edn_status make_device(edn_recovery *r, const char *device_name, edn_err *err)
{
    enrolment *e = r->e = edn_secret_alloc(sizeof *e);

    if (!e)
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    memset(e, 0, sizeof *e);
    account_new_cert(r->c, e, device_name ? device_name : "device");
    e->id.account = r->account;
    memcpy(e->id.server, r->origin, sizeof r->origin);
    memcpy(e->id.name, r->name, sizeof r->name);
    e->id.has_account_key = true;
    client_random(r->c, e->id.account_key.b, sizeof e->id.account_key.b);
    return EDN_OK;
}

static edn_status make_home(edn_recovery *r, edn_bytes passphrase, edn_err *err)
{
    edn_buf prepared = EDN_BUF_INIT(16384), slot = EDN_BUF_INIT(4096), row = EDN_BUF_INIT(RECOVERING_SIZE_MAX);
    edn_status st = edn_passphrase_prepare(passphrase, &prepared, err);

    recovering_put(r, &row);
    if (st == EDN_OK && ((st = edn_buf_status(&row)) != EDN_OK ||
                         (st = edn_slot_seal(&slot, edn_buf_view(&prepared), r->profile, &r->e->id.device, &r->e->ldk,
                                             &r->c->random)) != EDN_OK))
        client_fail(r->c, st, err);
    if (st == EDN_OK)
        st = account_begin_home(r->c, r->e, edn_buf_view(&slot), BEGUN_RECOVER, edn_buf_view(&row), err);
    edn_buf_wipe(&prepared);
    edn_buf_wipe(&row);
    edn_buf_dispose(&slot);
    return st;
}

/* The home, and the first asking. */
static edn_status ask_first(edn_recovery *r, const char *device_name, edn_strength strength, edn_bytes passphrase,
                            edn_recovery_wait *out, edn_err *err)
{
    bool again;
    edn_status st;

    r->profile = strength ? (edn_kdf_profile)strength : EDN_KDF_DEFAULT;
    if ((st = device_name_check(device_name, err)) != EDN_OK || (st = make_device(r, device_name, err)) != EDN_OK ||
        (st = make_home(r, passphrase, err)) != EDN_OK)
        return client_fail(r->c, st, err);
    st = ask_on(r, &r->at.set.id, &again, err);
    return st == EDN_OK ? tell_wait(r, out, err) : begun_keep(r->c, st, err);
}

edn_status edn_recovery_ask(edn_recovery *r, const char *device_name, edn_strength strength, edn_bytes passphrase,
                            edn_recovery_wait *out, edn_err *err)
{
    memset(out, 0, sizeof *out);
    if (!r->open || !r->c || r->e)
        return edn_fail(err, EDN_E_MISSING, "more shares are needed");
    return ask_first(r, device_name, strength, passphrase, out, err);
}

edn_status edn_recovery_request(edn_recovery *r, const char *device_name, edn_strength strength, edn_bytes passphrase,
                                edn_recovery_wait *out, edn_err *err)
{
    memset(out, 0, sizeof *out);
    if (!r->c || r->e)
        return edn_fail(err, EDN_E_EXISTS, "shares are asked for already");
    client_random(r->c, r->secret->request.b, sizeof r->secret->request.b);
    return ask_first(r, device_name, strength, passphrase, out, err);
}

/* ---- shares that contacts give ----------------------------------------------------------------------------------- */

static bool has_request(const edn_recovery *r)
{
    static const edn_dh_sk none;

    return !edn_equal_ct(r->secret->request.b, none.b, sizeof none.b);
}

static edn_share_request request_of(const edn_recovery *r)
{
    edn_share_request q = {.account = r->account, .set = r->at.set.id};

    edn_dh_keypair(&r->secret->request, &q.key);
    return q;
}

edn_status edn_recovery_words(const edn_recovery *r, char out[EDN_RECOVERY_REQUEST_MAX], edn_err *err)
{
    _Static_assert(EDN_RECOVERY_REQUEST_MAX >= EDN_REQUEST_WORDS_SIZE, "eight words fit");
    edn_share_request q;

    out[0] = 0;
    if (!r->e || !has_request(r))
        return edn_fail(err, EDN_E_MISSING, "this recovery was begun without asking contacts");
    q = request_of(r);
    edn_share_request_words(out, &q);
    return EDN_OK;
}

bool edn_recovery_enough(const edn_recovery *r) { return r->open; }

/* One that somebody put on the board: good, or named; one that is here already is nothing new. */
static edn_status take_give(edn_recovery *r, edn_bytes give, bool is_new, edn_recovery_came_fn *fn, void *ctx,
                            edn_err *err)
{
    edn_share_request q = request_of(r);
    EDN_SECRET(edn_share) share;
    edn_recovery_came came = {.text = ""};
    edn_err why = {EDN_OK, ""};
    edn_status st = edn_give_open(&q, &r->secret->request, give, &share);

    if (st == EDN_E_NOMEM)
        return client_fail(r->c, st, err);
    if (st == EDN_OK) {
        came.number = share.x;
        st = recovery_take(r, &share, &why);
    } else {
        st = edn_fail(&why, EDN_E_AUTH,
                      "something was given that is not sealed for this machine's request: it is of another one, or "
                      "somebody changed it");
    }
    came.good = st == EDN_OK;
    came.text = why.text;
    if (st == EDN_E_EXISTS || (st == EDN_E_AUTH && !is_new))
        return EDN_OK;
    if (st != EDN_OK && st != EDN_E_AUTH) {
        if (err)
            *err = why;
        return st;
    }
    return fn(ctx, &came);
}

static edn_status take_gives(edn_recovery *r, edn_recovery_came_fn *fn, void *ctx, edn_err *err)
{
    edn_share_request q = request_of(r);
    edn_msg_share_ask m = {.kind = EDN_SHARES_WANT, .account = r->account};
    edn_arena a = edn_arena_init((size_t)1 << 18);
    unsigned before = r->secret->n;
    edn_msg_shares got;
    edn_status st;

    memcpy(m.set, q.set.b, sizeof m.set);
    memcpy(m.key, q.key.b, sizeof m.key);
    st = shares_call(r->c, r->origin, &m, &a, &got, err);
    for (size_t i = 0; st == EDN_OK && !r->open && i < got.gives_n; i++)
        st = take_give(r, got.gives[i], i >= r->gives, fn, ctx, err);
    if (st == EDN_OK)
        r->gives = got.gives_n;
    if (r->secret->n != before) {
        edn_err other;
        edn_status kept = recovery_keep(r, st == EDN_OK ? err : &other);
        if (kept != EDN_OK)
            recovery_untake(r, before);
        st = st == EDN_OK ? kept : st;
    }
    edn_arena_dispose(&a);
    return st;
}

edn_status edn_recovery_collect(edn_recovery *r, edn_recovery_came_fn *fn, void *ctx, edn_recovery_wait *wait,
                                unsigned *have, unsigned *needed, edn_err *err)
{
    bool again;
    edn_status st;

    memset(wait, 0, sizeof *wait);
    *have = r->secret->n;
    *needed = r->at.set.needed;
    if (!r->e || !has_request(r))
        return edn_fail(err, EDN_E_MISSING, "this recovery was begun without asking contacts");
    if ((st = ask_on(r, &r->at.set.id, &again, err)) != EDN_OK || (st = tell_wait(r, wait, err)) != EDN_OK)
        return client_fail(r->c, st, err);
    if (wait->state != EDN_RECOVERY_CANCELLED && !r->open)
        st = take_gives(r, fn, ctx, err);
    *have = r->secret->n;
    return client_fail(r->c, st, err);
}

/* ---- going on ---------------------------------------------------------------------------------------------------- */

edn_status edn_recovery_begun(const edn_client_options *options, bool *out, edn_err *err)
{
    edn_client *c = NULL;
    edn_err other;
    edn_status st = client_new(options, &c, err);

    *out = false;
    if (st == EDN_OK && (st = begun_find(c, BEGUN_RECOVER, out, &other)) == EDN_E_EXISTS)
        st = EDN_OK; /* it is something else */
    else if (st != EDN_OK && c)
        *err = other;
    edn_client_close(c);
    return st;
}

static edn_status reopen(edn_recovery *r, edn_bytes passphrase, edn_share_set_id *set, edn_err *err)
{
    const identity *id;
    bool found = false;
    edn_status st = begun_find(r->c, BEGUN_RECOVER, &found, err);

    if (st == EDN_OK && !found)
        return edn_fail(err, EDN_E_MISSING, "no recovery waits here");
    if (st != EDN_OK || (st = begun_open(r->c, NULL, NULL, passphrase, err)) != EDN_OK)
        return st;
    if ((st = recovering_load(r, set)) != EDN_OK)
        return client_fail(r->c, st, err);
    id = client_id(r->c);
    r->account = id->account;
    memcpy(r->origin, id->server, sizeof r->origin);
    memcpy(r->name, id->name, sizeof r->name);
    r->e = edn_secret_alloc(sizeof *r->e);
    if (!r->e)
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    memset(r->e, 0, sizeof *r->e);
    r->e->id = *id;
    account_kept_cert(r->c, r->e);
    return EDN_OK;
}

edn_status edn_recovery_resume(const edn_client_options *options, edn_bytes passphrase, edn_recovery **out,
                               edn_recovery_wait *wait, bool *again, edn_err *err)
{
    edn_recovery *r = NULL;
    edn_share_set_id set;
    edn_status st;

    *out = NULL;
    *again = false;
    memset(wait, 0, sizeof *wait);
    if ((st = recovery_new(&r, err)) != EDN_OK)
        return st;
    if ((st = client_new(options, &r->c, err)) == EDN_OK && (st = reopen(r, passphrase, &set, err)) == EDN_OK &&
        (st = account_pin_server(r->c, r->origin, &r->receipt_pk, err)) == EDN_OK &&
        (st = ask_on(r, &set, again, err)) == EDN_OK && (st = tell_wait(r, wait, err)) == EDN_OK) {
        for (unsigned i = 0; i < r->secret->n; i++) /* which only the log says */
            r->secret->shares[i].member_needed = r->at.set.needed;
        *out = r;
        r = NULL;
    } else if (r->c) {
        client_fail(r->c, st, err);
    }
    edn_recovery_free(r);
    return st;
}

void edn_recovery_abandon(edn_recovery *r)
{
    if (r->c && r->e)
        account_unmake_home(r->c);
}

/* ---- joining ----------------------------------------------------------------------------------------------------- */

typedef struct rejoining {
    edn_recovery *r;
    enrolment *e; /* guarded; the recovery's */
    edn_bytes prepared;
    edn_devlog *log; /* with the two new links */
    edn_buf add, set_kdf, grants, root_box;
    edn_err *err;
} rejoining;

/* What the box held, as the account's keys of its epoch. */
static edn_status take_keys(rejoining *x)
{
    static const edn_account_id none;
    edn_recovery *r = x->r;
    enrolment *e = x->e;
    EDN_SECRET(edn_dh_sk) aek_sk = EDN_KEY_EMPTY;
    edn_dh_pk aek, want = edn_devlog_aek(r->log);

    e->epoch = r->at.epoch;
    e->rk = r->secret->opened.root;
    e->aik_seed = r->secret->opened.aik_seed;
    edn_sign_keypair(e->aik_seed.b, &e->aik, &e->aik_sk);
    edn_aek_of(&aek_sk, &e->rk, e->epoch == 0 ? &none : &r->account, e->epoch);
    edn_dh_keypair(&aek_sk, &aek);
    if (r->at.epoch == edn_devlog_epoch(r->log) && memcmp(aek.b, want.b, sizeof aek.b) != 0)
        return lies(r, EDN_E_KEY_INVALID, x->err);
    return EDN_OK;
}

/* ADD_DEVICE by the account's own key, SET_KDF by the new device. */
static edn_status make_links(rejoining *x)
{
    edn_recovery *r = x->r;
    enrolment *e = x->e;
    EDN_SECRET(edn_root_secret) secret = {.sc_seq = 0};
    edn_link_signer by = {NULL, &e->aik_sk, client_now(r->c)};
    edn_hash head = edn_devlog_head(r->log), grants_hash;
    edn_signature pop;
    edn_status st;

    if ((st = edn_devlog_copy(r->log, &x->log)) != EDN_OK ||
        (st = account_grant_to_self(r->c, e, &r->account, edn_devlog_count(r->log), &head, &x->grants)) != EDN_OK)
        return st;
    grants_hash = edn_h32(edn_buf_view(&x->grants));
    edn_link_pop(&pop, r->log, &by, &e->aik, &e->cert, &e->id.sign_sk);
    if ((st = edn_link_add_device(&x->add, r->log, &by, &e->cert, &grants_hash, &pop)) != EDN_OK ||
        (st = edn_devlog_append(x->log, edn_buf_view(&x->add))) != EDN_OK)
        return st;
    account_root_secret(&secret, &e->aik_seed, &e->rk, x->log);
    return account_make_kdf(r->c, &e->id, x->log, x->prepared, r->profile, &secret, &e->record, &x->root_box,
                            &x->set_kdf);
}

/* The whole log with the two links: what is there already is passed over. */
static edn_status send_links(rejoining *x, edn_bytes *links, size_t links_n)
{
    edn_bytes boxes[] = {edn_buf_view(&x->grants), EDN_F(x->e->record), edn_buf_view(&x->root_box)};
    edn_msg_account m = {.links = links, .links_n = links_n, .boxes = boxes, .boxes_n = EDN_COUNT(boxes)};
    edn_buf rq = EDN_BUF_INIT(EDN_PULL_SIZE_MAX), body = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_hash head = edn_link_hash(links[links_n - 1]);
    edn_status st;

    edn_account_put(&rq, &m);
    if ((st = edn_buf_status(&rq)) == EDN_OK)
        st = account_call(x->r->c, x->r->origin, "/v1/accounts", NULL, edn_buf_view(&rq), &body, NULL, x->err);
    st = account_log_heard(st, x->r->origin, edn_buf_view(&body), links_n, &head, x->err);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&body);
    return st;
}

/* What this machine does not add to the log when it is there already. */
static edn_status add_to_log(rejoining *x, edn_bytes **links, size_t *n)
{
    edn_recovery *r = x->r;
    const edn_device *self = self_in_log(r);
    edn_status st;

    *links = r->links;
    *n = r->links_n;
    if (self)
        return edn_device_active(self)
                   ? EDN_OK
                   : edn_fail(x->err, EDN_E_DENIED, "this machine was added and has been revoked since; begin again");
    if ((st = make_links(x)) != EDN_OK)
        return st;
    *n = r->links_n + 2;
    if (!(*links = edn_arena_calloc(&r->arena, *n, sizeof **links)))
        return EDN_E_NOMEM;
    memcpy(*links, r->links, r->links_n * sizeof **links);
    (*links)[r->links_n] = edn_buf_view(&x->add);
    (*links)[r->links_n + 1] = edn_buf_view(&x->set_kdf);
    return send_links(x, *links, *n);
}

/* Who else is in the account now: all of them are lost. */
static edn_status lost_put(const rejoining *x, edn_buf *out)
{
    const edn_device *d;

    for (size_t i = 0; (d = edn_devlog_device(x->r->log, i)) != NULL; i++)
        if (edn_device_active(d) && memcmp(d->id.b, x->e->id.device.b, sizeof d->id.b) != 0)
            edn_put_bytes(out, d->id.b, sizeof d->id.b);
    return edn_buf_status(out);
}

static edn_status rejoin(rejoining *x)
{
    edn_recovery *r = x->r;
    const edn_sync_remote remote = {.origin = r->origin, .receipt_pk = r->receipt_pk};
    edn_buf lost = EDN_BUF_INIT((size_t)EDN_DEVICES_MAX * 16);
    const edn_device *self = self_in_log(r);
    bool sent = !self;
    uint64_t key_seq = (self ? self->added_seq : r->links_n) + 1; /* the second of the two links */
    edn_bytes *links;
    size_t n;
    edn_status st;

    if ((st = take_keys(x)) == EDN_OK && (st = lost_put(x, &lost)) == EDN_OK &&
        (st = add_to_log(x, &links, &n)) == EDN_OK) {
        const edn_bytes boxes[] = {edn_buf_view(&r->box), edn_buf_view(&x->grants), edn_buf_view(&x->root_box),
                                   EDN_F(x->e->record)};
        const new_home home = {.links = links,
                               .links_n = n,
                               .boxes = boxes,
                               .boxes_n = sent ? EDN_COUNT(boxes) : 1, /* the server has the others */
                               .remote = &remote,
                               .recovered = true,
                               .lost = edn_buf_view(&lost),
                               .key_seq = key_seq};
        st = account_finish_home(r->c, x->e, &home, x->err);
    }
    edn_buf_dispose(&lost);
    return st;
}

edn_status edn_recovery_finish(edn_recovery *r, edn_bytes passphrase, edn_client **out, edn_err *err)
{
    edn_buf prepared = EDN_BUF_INIT(16384);
    rejoining x = {.r = r,
                   .e = r->e,
                   .add = EDN_BUF_INIT(EDN_LINK_SIZE_MAX),
                   .set_kdf = EDN_BUF_INIT(EDN_LINK_SIZE_MAX),
                   .grants = EDN_BUF_INIT(EDN_BOX_SIZE_MAX),
                   .root_box = EDN_BUF_INIT(EDN_BOX_SIZE_MAX),
                   .err = err};
    edn_status st;

    *out = NULL;
    if (!r->e || !r->open || r->held.state != EDN_HELD_READY || r->box.n == 0)
        return edn_fail(err, EDN_E_MISSING, "the wait is not over");
    if ((st = recovery_open(r, err)) == EDN_OK && (st = edn_passphrase_prepare(passphrase, &prepared, err)) == EDN_OK) {
        x.prepared = edn_buf_view(&prepared);
        st = rejoin(&x);
        if (st != EDN_OK)
            st = begun_keep(r->c, client_fail(r->c, st, err), err);
    }
    if (st == EDN_OK) {
        *out = r->c;
        r->c = NULL;
    }
    edn_devlog_free(x.log);
    edn_buf_wipe(&prepared);
    edn_buf_dispose(&x.add);
    edn_buf_dispose(&x.set_kdf);
    edn_buf_dispose(&x.grants);
    edn_buf_dispose(&x.root_box);
    return st;
}

/* ---- after it ---------------------------------------------------------------------------------------------------- */

static edn_status lost_load(edn_client *c, edn_buf *out)
{
    edn_status st = meta_get(c, "lost", EDN_BYTES_EMPTY, out);

    if (st == EDN_OK && out->n % sizeof(edn_device_id) != 0)
        st = EDN_E_DAMAGED;
    return st == EDN_E_MISSING ? EDN_OK : st;
}

edn_status edn_client_recovery_lost(edn_client *c, edn_recovery_lost_fn *fn, void *ctx, edn_err *err)
{
    edn_buf row = EDN_BUF_INIT((size_t)EDN_DEVICES_MAX * 16), active = EDN_BUF_INIT((size_t)EDN_DEVICES_MAX * 16);
    edn_status st = client_begin_read(c, err);
    char hex[33];

    if (st == EDN_OK) {
        st = lost_load(c, &row);
        for (size_t i = 0; st == EDN_OK && i < row.n; i += sizeof(edn_device_id)) {
            edn_device_id id;
            const edn_device *d;
            memcpy(id.b, row.p + i, sizeof id.b);
            d = edn_devlog_device_find(c->log, &id);
            if (d && edn_device_active(d))
                edn_put_bytes(&active, id.b, sizeof id.b);
        }
        if (st == EDN_OK)
            st = edn_buf_status(&active);
        st = client_end_read(c, st, err);
    }
    for (size_t i = 0; st == EDN_OK && i < active.n; i += sizeof(edn_device_id)) {
        edn_hex_encode(hex, active.p + i, sizeof(edn_device_id));
        st = fn(ctx, hex);
    }
    edn_buf_dispose(&row);
    edn_buf_dispose(&active);
    return st;
}

edn_status edn_client_recovery_done(edn_client *c, edn_err *err)
{
    edn_status st = client_begin_write(c, err);

    return st == EDN_OK ? client_end_write(c, meta_del(c, "lost", EDN_BYTES_EMPTY), err) : st;
}
