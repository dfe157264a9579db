/* `edn rekey --deep`: everything sealed again under new keys, and the old batches let go (docs/decisions/0011).
 *
 *     rotate ─▶ seal, step by step ─▶ send, until it is signed for ─▶ seal what came late ─▶ RESEAL link ─▶ let go
 *
 * What holds, whatever is broken off where:
 *   1. META "rekey" is written in the transaction that takes the new root key; each step of sealing moves its cursor in
 *      the transaction that keeps the step's batches. So a step is done or not begun.
 *   2. Every batch at or below the bases in the row has its records in documents here, and each such document is sealed
 *      again after the row was written.
 *   3. The link is made only when a receipt is over all batches that are here. Until then nothing is let go anywhere.
 *
 * META "rekey": u8 1 ‖ u32 epoch ‖ device 16 ‖ u8 whether all is sealed ‖ u8 whether there is a cursor ‖ cursor 16 ‖
 * u64 objects done ‖ u64 objects in all ‖ bases (heads) */
#include <edn/account.h>

#include "client/account/account_priv.h"
#include "client/syncing/bases.h"
#include "client/syncing/snapshot.h"

#include <stdlib.h>

#define STEP_OBJECTS 4096u /* ids that a step takes up at most */
#define STEP_BATCHES 2u    /* full batches after which it ends */
#define LATE_ROUNDS 8u     /* others may write all the time */

typedef struct rekey_state {
    uint32_t epoch;
    edn_device_id device;
    bool sealed, begun;
    edn_entry_id cursor; /* the last object done, when begun */
    uint64_t done, total;
    heads bases;
} rekey_state;

static void state_dispose(rekey_state *s) { heads_dispose(&s->bases); }

static edn_status state_save(edn_client *c, const rekey_state *s)
{
    edn_buf row = EDN_BUF_INIT((size_t)EDN_HEADS_MAX * EDN_HEAD_SIZE + 128);
    edn_status st;

    edn_put_u8(&row, 1);
    edn_put_u32(&row, s->epoch);
    edn_put_bytes(&row, s->device.b, sizeof s->device.b);
    edn_put_u8(&row, s->sealed);
    edn_put_u8(&row, s->begun);
    edn_put_bytes(&row, s->cursor.b, sizeof s->cursor.b);
    edn_put_u64(&row, s->done);
    edn_put_u64(&row, s->total);
    edn_heads_put(&row, s->bases.p, s->bases.n);
    st = edn_buf_status(&row);
    if (st == EDN_OK)
        st = meta_put(c, "rekey", EDN_BYTES_EMPTY, edn_buf_view(&row));
    edn_buf_dispose(&row);
    return st;
}

/* EDN_E_MISSING: none is under way. */
static edn_status state_load(edn_client *c, rekey_state *s)
{
    edn_buf row = EDN_BUF_INIT((size_t)EDN_HEADS_MAX * EDN_HEAD_SIZE + 128);
    edn_arena a = edn_arena_init((size_t)1 << 20);
    edn_status st = meta_get(c, "rekey", EDN_BYTES_EMPTY, &row);
    edn_reader r = edn_reader_init(edn_buf_view(&row));
    edn_head *p = NULL;
    size_t n = 0;

    memset(s, 0, sizeof *s);
    if (st != EDN_OK)
        goto out;
    if (edn_read_u8(&r, "version") != 1)
        edn_reader_fail(&r, EDN_E_FORMAT, "version");
    s->epoch = edn_read_u32(&r, "epoch");
    edn_read_into(&r, s->device.b, sizeof s->device.b, "device");
    s->sealed = edn_read_u8(&r, "sealed") != 0;
    s->begun = edn_read_u8(&r, "begun") != 0;
    edn_read_into(&r, s->cursor.b, sizeof s->cursor.b, "cursor");
    s->done = edn_read_u64(&r, "done");
    s->total = edn_read_u64(&r, "total");
    if (!edn_heads_read(&r, &a, &p, &n) || edn_reader_end(&r) != EDN_OK)
        st = edn_reader_status(&r) == EDN_E_NOMEM ? EDN_E_NOMEM : EDN_E_DAMAGED;
    for (size_t i = 0; st == EDN_OK && i < n; i++)
        st = heads_set(&s->bases, &p[i]);
out:
    if (st != EDN_OK)
        state_dispose(s);
    edn_arena_dispose(&a);
    edn_buf_dispose(&row);
    return st;
}

/* ---- beginning --------------------------------------------------------------------------------------------------- */

static edn_status count_object(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    (void)st;
    (void)value;
    *(uint64_t *)ctx += key.n == sizeof(edn_entry_id);
    return EDN_OK;
}

/* Inside a transaction, in the epoch under which all is to be sealed. */
static edn_status rekey_begin(edn_client *c)
{
    rekey_state s = {.epoch = edn_devlog_epoch(c->log), .device = client_id(c)->device};
    heads held;
    edn_status st = heads_load(c, &held);

    if (st == EDN_OK && (st = bases_cover(c, &held, &s.bases)) == EDN_OK &&
        (st = edn_store_scan(c->store, EDN_TABLE_ENTRY, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, true, count_object,
                             &s.total)) == EDN_OK)
        st = state_save(c, &s);
    state_dispose(&s);
    heads_dispose(&held);
    return st;
}

/* ---- sealing ----------------------------------------------------------------------------------------------------- */

typedef struct id_list {
    edn_buf ids;
    const rekey_state *s;
} id_list;

static edn_status gather_object(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    id_list *l = ctx;

    (void)st;
    (void)value;
    if (key.n != sizeof l->s->cursor.b || (l->s->begun && memcmp(key.p, l->s->cursor.b, key.n) == 0))
        return EDN_OK;
    if (l->ids.n == STEP_OBJECTS * sizeof l->s->cursor.b)
        return EDN_E_EXISTS; /* enough for now */
    edn_put_bytes(&l->ids, key.p, key.n);
    return edn_buf_status(&l->ids);
}

static edn_status object_fail(const edn_entry_id *id, edn_status st, edn_err *err)
{
    char hex[33];

    edn_hex_encode(hex, id->b, sizeof id->b);
    return st == EDN_E_DAMAGED || st == EDN_E_MISSING || st == EDN_E_FORMAT
               ? edn_fail(err, EDN_E_DAMAGED,
                          "entry %s cannot be read on this device, so it was not sealed again and nothing was let go; "
                          "'edn verify' says more. Do this on another device",
                          hex)
               : st;
}

/* The next objects in the order of ids. A new one with a lower id is no matter: its events come in batches of their
 * own. */
static edn_status seal_next(edn_client *c, rekey_state *s, edn_err *err)
{
    id_list l = {EDN_BUF_INIT(EDN_BUF_UNLIMITED), s};
    edn_bytes from = s->begun ? EDN_F(s->cursor) : EDN_BYTES_EMPTY;
    snapshot w;
    bool more;
    edn_status st = edn_store_scan(c->store, EDN_TABLE_ENTRY, EDN_BYTES_EMPTY, from, true, gather_object, &l);

    more = st == EDN_E_EXISTS;
    if (st == EDN_OK || more) {
        st = snapshot_begin(&w, c);
        if (st == EDN_OK && !s->begun)
            st = snapshot_dictionaries(&w);
        for (size_t at = 0; st == EDN_OK && at < l.ids.n; at += sizeof s->cursor.b) {
            if (w.w.built >= STEP_BATCHES) {
                more = true;
                break;
            }
            memcpy(s->cursor.b, l.ids.p + at, sizeof s->cursor.b);
            if ((st = snapshot_object(&w, &s->cursor)) != EDN_OK)
                st = object_fail(&s->cursor, st, err);
            s->done++;
        }
        st = snapshot_end(&w, st);
    }
    s->begun = true;
    s->sealed = !more;
    edn_buf_dispose(&l.ids);
    return st == EDN_OK ? state_save(c, s) : st;
}

/* Whether the row is of what is now: another root key since, or another id of this device, begins it again. */
static bool state_is_now(const edn_client *c, const rekey_state *s)
{
    return s->epoch == edn_devlog_epoch(c->log) && memcmp(s->device.b, client_id(c)->device.b, sizeof s->device.b) == 0;
}

static edn_status seal_step(edn_client *c, rekey_state *s, edn_err *err)
{
    edn_status st = client_begin_write(c, err);

    if (st != EDN_OK)
        return st;
    if ((st = state_load(c, s)) == EDN_OK && !state_is_now(c, s)) {
        state_dispose(s);
        if ((st = rekey_begin(c)) == EDN_OK)
            st = state_load(c, s);
    }
    if (st == EDN_OK && !s->sealed)
        st = seal_next(c, s, err);
    return client_end_write(c, st, err);
}

static edn_status seal_all(edn_client *c, const edn_progress *p, edn_rekey_result *out, edn_err *err)
{
    rekey_state s = {.sealed = false};
    edn_status st = EDN_OK;

    while (st == EDN_OK && !s.sealed) {
        state_dispose(&s);
        st = seal_step(c, &s, err);
        out->objects = s.done;
        if (st == EDN_OK && p && p->fn && !p->fn(p->ctx, "sealing", s.done, EDN_MAX(s.done, s.total)))
            st = edn_fail(err, EDN_E_CANCELLED, "stopped; 'edn rekey --deep' goes on from here");
    }
    state_dispose(&s);
    return st;
}

/* ---- what came late ---------------------------------------------------------------------------------------------- */

/* The documents that a batch is about. */
static edn_status seal_batch_again(edn_client *c, snapshot *w, const edn_device_id *d, uint64_t dseq, edn_err *err)
{
    edn_arena a = edn_arena_init(BATCH_ARENA_SIZE_MAX);
    edn_batch b;
    edn_body body = {.records_n = 0};
    edn_status st = batch_reopen(c, d, dseq, &a, &b, &body);

    for (size_t i = 0; st == EDN_OK && i < body.records_n; i++) {
        const edn_record *r = &body.records[i];
        if (!record_has_events(r->type))
            continue;
        if ((st = snapshot_object(w, &r->entry)) != EDN_OK)
            st = object_fail(&r->entry, st, err);
    }
    edn_arena_dispose(&a);
    return st;
}

static edn_status seal_late_of(edn_client *c, snapshot *w, rekey_state *s, const edn_head *head, bool *any,
                               edn_err *err)
{
    const edn_head *base = edn_heads_find(s->bases.p, s->bases.n, &head->device);
    edn_head until = *head;
    uint64_t from, last;
    edn_hash none;
    edn_status st;

    edn_devlog_base(c->log, &head->device, &client_id(c)->space, &from, &none);
    from = base ? base->dseq : from;
    if (memcmp(head->device.b, s->device.b, sizeof s->device.b) == 0 || head->dseq <= from)
        return EDN_OK; /* what this device wrote since is under the new key */
    if ((st = bases_late(c, head, from, s->epoch, &last)) != EDN_OK || last <= from)
        return st;
    until.dseq = last;
    if ((st = batch_hash_load(c, &until.device, until.dseq, &until.hash)) != EDN_OK)
        return st;
    for (uint64_t dseq = from + 1; st == EDN_OK && dseq <= last; dseq++)
        st = seal_batch_again(c, w, &head->device, dseq, err);
    *any = true;
    return st == EDN_OK ? heads_set(&s->bases, &until) : st;
}

/* Batches of others that came since it began and are sealed under keys of before. *any: there were some. */
static edn_status seal_late_in(edn_client *c, bool *any, edn_err *err)
{
    rekey_state s;
    heads held = {NULL, 0}, sound = {NULL, 0};
    snapshot w;
    edn_status st = state_load(c, &s);

    if (st != EDN_OK)
        return st;
    if ((st = heads_load(c, &held)) == EDN_OK)
        st = bases_cover(c, &held, &sound);
    if (st == EDN_OK) {
        st = snapshot_begin(&w, c);
        if (st == EDN_OK && !s.sealed)
            *any = true; /* begun again by another process: first that */
        for (size_t i = 0; st == EDN_OK && s.sealed && i < sound.n; i++)
            st = seal_late_of(c, &w, &s, &sound.p[i], any, err);
        st = snapshot_end(&w, st);
    }
    if (st == EDN_OK && *any)
        st = state_save(c, &s);
    heads_dispose(&held);
    heads_dispose(&sound);
    state_dispose(&s);
    return st;
}

static edn_status seal_late(edn_client *c, bool *any, edn_err *err)
{
    edn_status st = client_begin_write(c, err);

    *any = false;
    return st == EDN_OK ? client_end_write(c, seal_late_in(c, any, err), err) : st;
}

/* ---- saying so --------------------------------------------------------------------------------------------------- */

static edn_status make_link(edn_client *c, edn_buf *link)
{
    const identity *id = client_id(c);
    edn_link_signer by = {&id->device, &id->sign_sk, client_now(c)};
    rekey_state s;
    edn_pin *pins = NULL;
    edn_status st = state_load(c, &s);

    if (st == EDN_OK && !(pins = calloc(s.bases.n + 1, sizeof *pins)))
        st = EDN_E_NOMEM;
    for (size_t i = 0; st == EDN_OK && i < s.bases.n; i++)
        pins[i] = (edn_pin){id->space, s.bases.p[i].device, s.bases.p[i].dseq, s.bases.p[i].hash};
    if (st == EDN_OK)
        st = edn_link_reseal(link, c->log, &by, pins, s.bases.n);
    free(pins);
    state_dispose(&s);
    return st;
}

static edn_status take_link(edn_client *c, edn_bytes link)
{
    edn_status st = log_take_link(c, link);

    if (st == EDN_OK && (st = bases_let_go(c)) == EDN_OK)
        st = meta_del(c, "rekey", EDN_BYTES_EMPTY);
    return st;
}

static edn_status say_so(edn_client *c, edn_err *err)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_sync_remote remote = {0};
    edn_status st = client_begin_read(c, err);

    if (st != EDN_OK)
        return st;
    if ((st = make_link(c, &link)) == EDN_OK)
        st = remote_load(c, &remote);
    if ((st = client_end_read(c, st, err)) == EDN_OK &&
        (st = account_log_append(c, client_id(c)->server, remote.token, edn_buf_view(&link), NULL, 0, err)) == EDN_OK &&
        (st = client_begin_write(c, err)) == EDN_OK)
        st = client_end_write(c, take_link(c, edn_buf_view(&link)), err);
    edn_wipe(remote.token, sizeof remote.token);
    edn_sync_remote_dispose(&remote);
    edn_buf_dispose(&link);
    return st;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static edn_status send(edn_client *c, edn_rekey_result *out, edn_err *err)
{
    edn_sync_result synced;
    edn_status st = client_sync(c, NULL, true, &synced, err);

    if (st != EDN_OK)
        return st;
    out->batches += synced.batches_sent;
    if (!synced.synced)
        return edn_fail(
            err, EDN_E_SERVER,
            "%s has not signed for all that was sealed again, so nothing was let go; 'edn status' says more, "
            "and 'edn rekey --deep' goes on",
            client_id(c)->server);
    return EDN_OK;
}

/* After a crash behind the link the sync has brought it: then all is done but for the row. */
static edn_status is_said(edn_client *c, bool *out, edn_err *err)
{
    rekey_state s = {.epoch = 0};
    edn_status st = client_begin_write(c, err);

    *out = false;
    if (st != EDN_OK)
        return st;
    st = state_load(c, &s);
    *out = st == EDN_OK && s.sealed && state_is_now(c, &s) && edn_devlog_epoch_min(c->log, UINT64_MAX) == s.epoch;
    for (size_t i = 0; *out && i < s.bases.n; i++) {
        uint64_t dseq;
        edn_hash hash;
        edn_devlog_base(c->log, &s.bases.p[i].device, &client_id(c)->space, &dseq, &hash);
        *out = dseq >= s.bases.p[i].dseq;
    }
    if (*out)
        st = meta_del(c, "rekey", EDN_BYTES_EMPTY);
    state_dispose(&s);
    return client_end_write(c, st, err);
}

static edn_status finish(edn_client *c, const edn_progress *p, edn_rekey_result *out, edn_err *err)
{
    bool again = true, said = false;
    edn_status st = EDN_OK;

    for (unsigned round = 0; st == EDN_OK && round < LATE_ROUNDS; round++) {
        if ((st = seal_all(c, p, out, err)) != EDN_OK || (st = send(c, out, err)) != EDN_OK ||
            (st = is_said(c, &said, err)) != EDN_OK || said)
            return st;
        if ((st = seal_late(c, &again, err)) != EDN_OK || again)
            continue;
        if ((st = say_so(c, err)) != EDN_E_CONFLICT) /* else the log moved on: what came with it is looked at first */
            return st;
        st = EDN_OK;
    }
    return st == EDN_OK ? edn_fail(err, EDN_E_BUSY, "other devices write all the time; try again in a moment") : st;
}

static edn_status under_way(edn_client *c, bool *out, bool *may, edn_err *err)
{
    rekey_state s;
    const edn_device *self;
    edn_status st = client_begin_read(c, err);

    *out = *may = false;
    if (st != EDN_OK)
        return st;
    self = edn_devlog_device_find(c->log, &client_id(c)->device);
    *may = self && edn_device_active(self) && (self->cert.caps & EDN_CAP_ADMIN);
    if ((st = state_load(c, &s)) == EDN_OK) {
        *out = true;
        state_dispose(&s);
    }
    return client_end_read(c, st == EDN_E_MISSING ? EDN_OK : st, err);
}

edn_status edn_client_rekey_pending(edn_client *c, bool *out, edn_err *err)
{
    bool may;

    return under_way(c, out, &may, err);
}

edn_status edn_client_rekey_deep(edn_client *c, edn_bytes passphrase, const edn_progress *progress,
                                 edn_rekey_result *out, edn_err *err)
{
    bool begun, may;
    edn_status st = under_way(c, &begun, &may, err);

    memset(out, 0, sizeof *out);
    if (st == EDN_OK && !may)
        st = edn_fail(err, EDN_E_DENIED, "this device may not change the account's keys; do it on another one");
    if (st == EDN_OK && !begun)
        st = account_rotate(c, passphrase, rekey_begin, err);
    return st == EDN_OK ? finish(c, progress, out, err) : st;
}

edn_status edn_client_rekey(edn_client *c, edn_bytes passphrase, bool own_key, edn_err *err)
{
    bool begun, may;
    edn_status st = under_way(c, &begun, &may, err);

    if (st == EDN_OK && !may)
        st = edn_fail(err, EDN_E_DENIED, "this device may not change the account's keys; do it on another one");
    if (st != EDN_OK)
        return st;
    return own_key ? account_rotate_own_key(c, passphrase, err) : account_rotate(c, passphrase, NULL, err);
}
