/* The children of a home: the row that lists them, making, opening and dropping their stores.
 *
 *     META "family"   u8 version ‖ u32 n ‖ n × (space account 32 ‖ u8 state and flags ‖ the lock key 32, if it is kept)
 *
 * A child is made, and taken away, in two steps: its row says so first (MAKING, DROPPING), and is durable; then, while
 * this process holds the parent's lock, the files are made or removed and the row follows. So whoever holds that lock
 * and finds one of these rows knows that nobody is at it any more, and finishes it. */
#include "client/sharing/family.h"

#include "client/sharing/space.h"

#include <stdio.h>
#include <stdlib.h>

#define FAMILY_VERSION 1u
#define ROW_SIZE_MAX 65536u
#define TRIES_MAX 8u

/* Beside the state: its store is sealed under a lock key too; that key is kept here, for its second passphrase was
 * taken off; when it was closed, something of it may not have been sent. */
#define FLAG_LOCKED 0x10u
#define FLAG_KEPT 0x20u
#define FLAG_UNSENT 0x40u

typedef struct family_child {
    edn_account_id space;
    edn_journal_id journal; /* follows from it */
    family_state state;     /* 0: its row is gone, but somebody may still hold the client */
    edn_status broken;      /* why it did not open; EDN_OK */
    edn_client *c;          /* NULL: not open */
    bool locked, kept, unsent;
    edn_lock_key *lock; /* guarded; NULL: not a locked journal, or a closed one */
} family_child;

struct family {
    family_child *p;
    size_t n, cap;
};

/* ---- the row ----------------------------------------------------------------------------------------------------- */

static family_child *child_at(const edn_client *c, const edn_account_id *space)
{
    for (size_t i = 0; c->family && i < c->family->n; i++)
        if (memcmp(c->family->p[i].space.b, space->b, sizeof space->b) == 0)
            return &c->family->p[i];
    return NULL;
}

static edn_status child_put(edn_client *c, const edn_account_id *space, family_state state)
{
    family_child *k = child_at(c, space);

    if (!c->family && !(c->family = calloc(1, sizeof *c->family)))
        return EDN_E_NOMEM;
    if (!k) {
        if (!edn_array_room(&c->family->p, &c->family->cap, c->family->n + 1, sizeof *k))
            return EDN_E_NOMEM;
        k = &c->family->p[c->family->n++];
        memset(k, 0, sizeof *k);
        k->space = *space;
        k->journal = identity_first_journal(space);
    }
    k->state = state;
    return EDN_OK;
}

static edn_status lock_put(family_child *k, const edn_lock_key *lock)
{
    if (!k->lock && !(k->lock = edn_secret_alloc(sizeof *k->lock)))
        return EDN_E_NOMEM;
    *k->lock = *lock;
    k->locked = true;
    return EDN_OK;
}

/* Of a child whose journal is locked: whether its key is not here. */
static bool is_closed(const family_child *k) { return k->locked && !k->lock; }

/* One child, with its key when that is in the row. */
static edn_status row_child(edn_client *c, edn_reader *r)
{
    EDN_SECRET(edn_lock_key) lock = EDN_KEY_EMPTY;
    edn_account_id space;
    family_child *k;
    edn_status st;

    edn_read_into(r, space.b, sizeof space.b, "space");
    uint8_t byte = edn_read_u8(r, "state"), state = byte & 0x0f;
    if (state < FAMILY_MAKING || state > FAMILY_DROPPING || byte & 0x80 || (byte & FLAG_KEPT && !(byte & FLAG_LOCKED)))
        edn_reader_fail(r, EDN_E_FORMAT, "state");
    if (byte & FLAG_KEPT)
        edn_read_into(r, lock.b, sizeof lock.b, "lock key");
    if (edn_reader_status(r) != EDN_OK)
        return EDN_OK; /* the reader says so */
    if ((st = child_put(c, &space, (family_state)state)) != EDN_OK)
        return st;
    k = child_at(c, &space);
    k->locked = byte & FLAG_LOCKED;
    k->kept = byte & FLAG_KEPT;
    k->unsent = byte & FLAG_UNSENT;
    return k->kept ? lock_put(k, &lock) : EDN_OK;
}

static edn_status row_read(edn_client *c, edn_bytes row)
{
    edn_reader r = edn_reader_init(row);
    uint32_t n;
    edn_status st = EDN_OK;

    if (edn_read_u8(&r, "version") != FAMILY_VERSION)
        edn_reader_fail(&r, EDN_E_FORMAT, "version");
    n = edn_read_u32(&r, "spaces");
    for (uint32_t i = 0; st == EDN_OK && i < n && edn_reader_status(&r) == EDN_OK; i++)
        st = row_child(c, &r);
    return st == EDN_OK ? edn_reader_end(&r) : st;
}

edn_status family_load(edn_client *c)
{
    edn_buf row = EDN_BUF_INIT(ROW_SIZE_MAX);
    edn_status st = meta_get(c, "family", EDN_BYTES_EMPTY, &row);

    for (size_t i = 0; c->family && i < c->family->n; i++)
        c->family->p[i].state = (family_state)0;
    if (st == EDN_OK)
        st = row_read(c, edn_buf_view(&row));
    edn_buf_wipe(&row);
    /* A list that cannot be read must not keep the person from their own store: `verify` says so. */
    return st == EDN_E_MISSING || st == EDN_E_DAMAGED || st == EDN_E_FORMAT ? EDN_OK : st;
}

static edn_status row_save(edn_client *c)
{
    edn_buf row = EDN_BUF_INIT(ROW_SIZE_MAX);
    uint32_t n = 0;
    edn_status st;

    for (size_t i = 0; i < c->family->n; i++)
        n += c->family->p[i].state != 0;
    edn_put_u8(&row, FAMILY_VERSION);
    edn_put_u32(&row, n);
    for (size_t i = 0; i < c->family->n; i++) {
        const family_child *k = &c->family->p[i];
        if (!k->state)
            continue;
        edn_put_bytes(&row, k->space.b, sizeof k->space.b);
        edn_put_u8(&row, (uint8_t)((unsigned)k->state | (k->locked ? FLAG_LOCKED : 0) | (k->kept ? FLAG_KEPT : 0) |
                                   (k->unsent ? FLAG_UNSENT : 0)));
        if (k->kept)
            edn_put_bytes(&row, k->lock->b, sizeof k->lock->b);
    }
    st = edn_buf_status(&row);
    if (st == EDN_OK)
        st = meta_put(c, "family", EDN_BYTES_EMPTY, edn_buf_view(&row));
    edn_buf_wipe(&row);
    return st;
}

/* Ends a transaction in which a child's state was changed; when that comes to nothing, memory follows the row again. */
static edn_status change_end(edn_client *c, edn_status st, edn_err *err)
{
    edn_err ignored;

    if (st == EDN_OK)
        st = row_save(c);
    st = client_end_write(c, st, err);
    if (st != EDN_OK && client_begin_read(c, &ignored) == EDN_OK)
        (void)!client_end_read(c, EDN_OK, &ignored); /* read at its beginning */
    return st;
}

size_t family_broken(const edn_client *c)
{
    size_t n = 0;

    for (size_t i = 0; c->family && i < c->family->n; i++)
        n += c->family->p[i].state == FAMILY_HERE && c->family->p[i].broken != EDN_OK;
    return n;
}

bool family_has(const edn_client *c)
{
    for (size_t i = 0; c->family && i < c->family->n; i++)
        if (c->family->p[i].state == FAMILY_HERE)
            return true;
    return false;
}

bool family_busy(const edn_client *c)
{
    for (size_t i = 0; c->family && i < c->family->n; i++)
        if (c->family->p[i].c && c->family->p[i].c->busy)
            return true;
    return false;
}

void family_close(edn_client *c)
{
    if (!c->family)
        return;
    for (size_t i = 0; i < c->family->n; i++) {
        edn_client_close(c->family->p[i].c);
        edn_secret_free(c->family->p[i].lock);
    }
    free(c->family->p);
    free(c->family);
    c->family = NULL;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static void child_key(const edn_client *c, const edn_account_id *space, edn_local_key *out)
{
    const family_child *k = child_at(c, space);

    if (k && k->lock)
        edn_lock_store_key(out, &c->secret->ldk, space, k->lock);
    else
        edn_kdf_t(out->b, sizeof out->b, c->secret->ldk.b, EDN_LABEL_STORE_SHARED, EDN_F(*space));
}

edn_status family_closed(edn_err *err)
{
    return edn_fail(err, EDN_E_LOCKED, "this journal is closed: 'edn journal open' asks for its second passphrase");
}

/* A client over the child's folder, whose store is not open yet. */
static edn_status child_new(edn_client *c, const edn_account_id *space, edn_client **out, edn_err *err)
{
    edn_store_key_name name = edn_store_name(c->store, EDN_TABLE_META, "shared", EDN_F(*space));
    size_t size = strlen(c->home) + sizeof "/shared/" + 2 * sizeof name.b;
    char *home = malloc(size), hex[2 * sizeof name.b + 1];
    edn_client_options o = {.home = home,
                            .clock = c->clock,
                            .random = c->random,
                            .transport = c->transport,
                            .vfs = c->vfs,
                            .ca_file = c->ca_file,
                            .proxy = c->proxy};
    edn_client *k = NULL;
    edn_status st;

    *out = NULL;
    if (!home)
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    edn_hex_encode(hex, name.b, sizeof name.b);
    snprintf(home, size, "%s/shared/%s", c->home, hex);
    st = client_new(&o, &k, err);
    free(home);
    if (st != EDN_OK)
        return st;
    k->parent = c;
    *out = k;
    return EDN_OK;
}

/* EDN_E_MISSING: nobody's yet; EDN_E_ACCOUNT: somebody else's. */
static edn_status child_identify(edn_client *k, const edn_account_id *space)
{
    edn_buf row = EDN_BUF_INIT(4096);
    edn_status st = meta_get(k, "identity", EDN_BYTES_EMPTY, &row);

    edn_buf_wipe(&row);
    if (st != EDN_OK || (st = client_refresh(k)) != EDN_OK)
        return st;
    k->device = client_id(k)->device;
    return memcmp(client_id(k)->account.b, space->b, sizeof space->b) == 0 ? EDN_OK : EDN_E_ACCOUNT;
}

/* EDN_E_MISSING: there is no store, or one that was never anybody's. */
static edn_status child_open(edn_client *c, const edn_account_id *space, edn_client **out, edn_err *err)
{
    EDN_SECRET(edn_local_key) ldk = EDN_KEY_EMPTY;
    edn_store_options so = {.vfs = c->vfs};
    const family_child *of = child_at(c, space);
    edn_client *k = NULL;
    edn_status st = of && is_closed(of) ? family_closed(err) : child_new(c, space, &k, err);

    *out = NULL;
    if (st != EDN_OK)
        return st;
    EDN_ASSERT(k);
    child_key(c, space, &ldk);
    if ((st = edn_store_open(k->home, &so, &k->store, err)) == EDN_OK && (st = client_unlock_store(k, &ldk)) == EDN_OK)
        st = child_identify(k, space);
    if (st == EDN_E_AUTH || st == EDN_E_ACCOUNT || st == EDN_E_FORMAT)
        st = EDN_E_DAMAGED;
    if (st != EDN_OK) {
        if (st != EDN_E_MISSING)
            client_fail(k, st, err);
        edn_client_close(k);
        return st;
    }
    *out = k;
    return EDN_OK;
}

/* The child's client, opened when it is not. */
static edn_status child_get(edn_client *c, family_child *k, edn_client **out, edn_err *err)
{
    edn_status st = EDN_OK;

    if (!k->c) {
        st = child_open(c, &k->space, &k->c, err);
        if (st == EDN_E_MISSING) /* its row says that it is whole */
            st = edn_fail(err, EDN_E_DAMAGED, "the store of a shared journal is missing in %s", c->home);
        k->broken = st == EDN_E_DAMAGED ? st : EDN_OK;
    }
    *out = k->c;
    return st;
}

/* ---- locked journals --------------------------------------------------------------------------------------------- */

edn_status family_lock_set(edn_client *c, const edn_account_id *space, const edn_lock_key *lock)
{
    const family_child *k = child_at(c, space);
    edn_status st = k ? EDN_OK : child_put(c, space, (family_state)0);

    return st == EDN_OK ? lock_put(child_at(c, space), lock) : st;
}

bool family_lock_get(const edn_client *c, const edn_account_id *space, edn_lock_key *out)
{
    const family_child *k = child_at(c, space);

    memset(out, 0, sizeof *out);
    if (!k || !k->lock)
        return false;
    *out = *k->lock;
    return true;
}

void family_lock_forget(edn_client *c, const edn_account_id *space)
{
    family_child *k = child_at(c, space);

    if (!k || !k->locked || k->kept)
        return;
    edn_client_close(k->c);
    k->c = NULL;
    edn_secret_free(k->lock);
    k->lock = NULL;
}

edn_status family_keep_within(edn_client *c, const edn_account_id *space)
{
    family_child *k = child_at(c, space);

    if (!k || !k->lock || k->state != FAMILY_HERE)
        return EDN_OK;
    k->kept = true;
    return row_save(c);
}

bool family_is_locked(const edn_client *k)
{
    const family_child *x = k->parent ? child_at(k->parent, &client_id(k)->account) : NULL;

    return x && x->locked;
}

bool family_has_second(const edn_client *k)
{
    return family_is_locked(k) && !child_at(k->parent, &client_id(k)->account)->kept;
}

bool family_unsent(const edn_client *c, const edn_account_id *space)
{
    const family_child *k = child_at(c, space);

    return k && k->state && k->unsent;
}

edn_status family_note(edn_client *c, const edn_account_id *space, bool keep, bool unsent, edn_err *err)
{
    edn_status st = client_begin_write(c, err);
    family_child *k;

    if (st != EDN_OK)
        return st;
    k = child_at(c, space);
    if (!k || !k->lock || k->state != FAMILY_HERE)
        return client_end_write(c, EDN_E_MISSING, err);
    if (k->kept == keep && k->unsent == unsent)
        return client_end_write(c, EDN_OK, err);
    k->kept = keep;
    k->unsent = unsent;
    return change_end(c, EDN_OK, err);
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

static edn_status no_child(edn_err *err) { return edn_fail(err, EDN_E_MISSING, "there is no such shared journal"); }

static edn_status add_note(edn_client *c, const edn_account_id *space, edn_err *err)
{
    const family_child *k;
    size_t n = 0;
    edn_status st = client_begin_write(c, err);

    if (st != EDN_OK)
        return st;
    k = child_at(c, space);
    for (size_t i = 0; c->family && i < c->family->n; i++)
        n += c->family->p[i].state != 0;
    if (k && (k->state == FAMILY_HERE || k->state == FAMILY_BEGUN))
        st = edn_fail(err, EDN_E_EXISTS, "this shared journal is here already");
    else if (k && k->state == FAMILY_DROPPING)
        st = edn_fail(err, EDN_E_BUSY, "this shared journal is being taken away; lock the diary and try again");
    else if (n >= FAMILY_MAX)
        st = edn_fail(err, EDN_E_LIMIT, "a diary has at most %u shared journals", FAMILY_MAX);
    if (st == EDN_OK)
        st = child_put(c, space, FAMILY_MAKING);
    return change_end(c, st, err);
}

/* Holds the parent's lock. EDN_E_CONFLICT: somebody took our note for one of a dead process. */
static edn_status add_make(edn_client *c, const enrolment *e, const new_home *h, edn_err *err)
{
    const edn_account_id *space = &e->id.account;
    bool begun = h->begun != BEGUN_NOT;
    edn_client *made = NULL;
    family_child *k;
    edn_status st = client_begin_write(c, err);

    if (st != EDN_OK)
        return st;
    k = child_at(c, space);
    if (!k || k->state != FAMILY_MAKING) {
        st = k && k->state ? EDN_E_EXISTS : EDN_E_CONFLICT;
        return client_end_write(c, st, err);
    }
    st = child_open(c, space, &made, err);
    if (st == EDN_E_MISSING) {
        if (err)
            *err = (edn_err){EDN_OK, ""};
        if ((st = child_new(c, space, &made, err)) == EDN_OK)
            st = account_write_home(made, e, h, err);
    }
    if (st == EDN_OK) {
        edn_client_close(k->c);
        k->c = made;
        k->state = begun ? FAMILY_BEGUN : FAMILY_HERE;
    } else {
        edn_client_close(made);
        k->state = (family_state)0;
        /* What does not open may be a diary all the same: it stays, without a row. */
        if (st == EDN_E_DAMAGED)
            return change_end(c, st, err);
    }
    return change_end(c, st, err);
}

/* Takes the note back, if it is still only that. */
static void add_forget(edn_client *c, const edn_account_id *space)
{
    edn_err ignored;
    family_child *k;

    if (client_begin_write(c, &ignored) != EDN_OK)
        return; /* the next unlocking does it */
    k = child_at(c, space);
    if (k && k->state == FAMILY_MAKING)
        k->state = (family_state)0;
    (void)!change_end(c, EDN_OK, &ignored); /* likewise */
}

static edn_status add(edn_client *c, const enrolment *e, const new_home *h, edn_err *err)
{
    edn_status st = EDN_E_CONFLICT;

    for (unsigned tries = 0; st == EDN_E_CONFLICT && tries < TRIES_MAX; tries++)
        if ((st = add_note(c, &e->id.account, err)) == EDN_OK && (st = add_make(c, e, h, err)) != EDN_OK)
            add_forget(c, &e->id.account);
    return st;
}

edn_status family_add(edn_client *c, const enrolment *e, const new_home *h, edn_client **out, edn_err *err)
{
    enrolment *mine = edn_secret_alloc(sizeof *mine);
    edn_status st;

    *out = NULL;
    if (!mine)
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    *mine = *e;
    st = c->secret ? EDN_OK : client_fail(c, EDN_E_LOCKED, err);
    if (st == EDN_OK) {
        child_key(c, &e->id.account, &mine->ldk);
        st = add(c, mine, h, err);
    }
    edn_secret_free(mine);
    return st == EDN_OK ? family_find(c, &e->id.account, out, err) : st;
}

edn_status family_finish(edn_client *c, const edn_account_id *space, edn_err *err)
{
    edn_client *child;
    family_child *k;
    edn_status st = family_find(c, space, &child, err);

    if (st != EDN_OK || (st = client_begin_write(c, err)) != EDN_OK)
        return st;
    k = child_at(c, space);
    if (!k || !k->state)
        st = no_child(err);
    else if (k->state == FAMILY_BEGUN && (st = client_begin_write(child, err)) == EDN_OK)
        st = client_end_write(child, begun_unmark(child), err);
    if (st == EDN_OK)
        k->state = FAMILY_HERE;
    return change_end(c, st, err);
}

edn_status family_finish_within(edn_client *c, const edn_account_id *space)
{
    family_child *k = child_at(c, space);

    if (!k || !k->state)
        return EDN_E_MISSING;
    k->state = FAMILY_HERE;
    return row_save(c);
}

/* ---- dropping ---------------------------------------------------------------------------------------------------- */

edn_status family_child_unsent(edn_client *k, bool *out, edn_err *err)
{
    edn_sync_remote remote = {0};
    heads h = {NULL, 0};
    uint64_t n = 0;
    edn_status st = client_begin_read(k, err);

    *out = true;
    if (st != EDN_OK)
        return st;
    if ((st = outbox_count(k, &n)) == EDN_OK && (st = heads_load(k, &h)) == EDN_OK &&
        (st = remote_load(k, &remote)) == EDN_OK) {
        const edn_head *own = edn_heads_find(h.p, h.n, &client_id(k)->device);
        const edn_head *there = edn_heads_find(remote.heads, remote.heads_n, &client_id(k)->device);
        *out = n > 0 || (own && (!there || there->dseq < own->dseq));
    }
    edn_wipe(remote.token, sizeof remote.token);
    edn_sync_remote_dispose(&remote);
    heads_dispose(&h);
    return client_end_read(k, st, err);
}

/* Inside a transaction of the parent that writes, so that nobody makes it meanwhile. */
static edn_status child_remove(edn_client *c, family_child *k, edn_err *err)
{
    edn_client *gone;
    edn_status st = child_new(c, &k->space, &gone, err);

    if (st != EDN_OK)
        return st;
    EDN_ASSERT(gone);
    edn_client_close(k->c);
    k->c = NULL;
    edn_store_remove(gone->home, gone->vfs);
    edn_client_close(gone);
    k->state = (family_state)0;
    return EDN_OK;
}

static edn_status drop_note(edn_client *c, const edn_account_id *space, edn_err *err)
{
    family_child *k;
    edn_status st = client_begin_write(c, err);

    if (st != EDN_OK)
        return st;
    k = child_at(c, space);
    if (!k || !k->state)
        return client_end_write(c, no_child(err), err);
    k->state = FAMILY_DROPPING;
    return change_end(c, EDN_OK, err);
}

static edn_status drop_finish(edn_client *c, const edn_account_id *space, edn_err *err)
{
    family_child *k;
    edn_status st = client_begin_write(c, err);

    if (st != EDN_OK)
        return st;
    k = child_at(c, space);
    if (k && k->state == FAMILY_DROPPING)
        st = child_remove(c, k, err);
    return change_end(c, st, err);
}

edn_status family_drop(edn_client *c, const edn_account_id *space, bool unsent_too, edn_err *err)
{
    edn_client *child;
    bool unsent = false;
    edn_status st = EDN_OK;

    if (!unsent_too && (st = family_find(c, space, &child, err)) == EDN_OK)
        st = family_child_unsent(child, &unsent, err);
    if (st == EDN_OK && unsent)
        st = edn_fail(err, EDN_E_CONFLICT, "there are entries in this shared journal that no server has yet");
    if (st != EDN_OK || (st = drop_note(c, space, err)) != EDN_OK)
        return st;
    return drop_finish(c, space, err);
}

static edn_status is_known(edn_client *c, const edn_account_id *space, bool *out, edn_err *err)
{
    space_info *info = edn_secret_alloc(sizeof *info);
    edn_status st = info ? client_begin_read(c, err) : edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");

    *out = true;
    if (st == EDN_OK) {
        st = space_load(c, space, info);
        *out = st != EDN_E_MISSING;
        st = client_end_read(c, *out ? st : EDN_OK, err);
    }
    edn_secret_free(info);
    return st;
}

edn_status family_sweep(edn_client *c, edn_err *err)
{
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && c->family && i < c->family->n; i++) {
        const family_child *k = &c->family->p[i];
        const edn_account_id space = k->space;
        bool known;
        if (k->locked && (k->state == FAMILY_MAKING || k->state == FAMILY_BEGUN) &&
            (st = is_known(c, &space, &known, err)) == EDN_OK && !known)
            st = family_drop(c, &space, true, err);
    }
    return st;
}

/* ---- finishing what was interrupted ------------------------------------------------------------------------------ */

/* A store that is whole is kept, and one that is nobody's taken away; what does not open is left for another time. */
static edn_status settle_made(edn_client *c, family_child *k, edn_err *err)
{
    begun_kind begun = BEGUN_NOT;
    edn_client *made;
    edn_status st = is_closed(k) ? EDN_OK : child_open(c, &k->space, &made, err);

    if (st == EDN_E_MISSING)
        return child_remove(c, k, err);
    if (st != EDN_OK || is_closed(k)) /* which it is shows when it is opened */
        return st;
    EDN_ASSERT(made);
    if ((st = begun_read(made->store, &begun)) == EDN_OK)
        k->state = begun == BEGUN_NOT ? FAMILY_HERE : FAMILY_BEGUN;
    edn_client_close(made);
    return st;
}

void family_tidy(edn_client *c)
{
    edn_err ignored;
    bool due = false;

    for (size_t i = 0; c->family && i < c->family->n; i++)
        due |= c->family->p[i].state == FAMILY_MAKING || c->family->p[i].state == FAMILY_DROPPING;
    if (!due || client_begin_write(c, &ignored) != EDN_OK)
        return;
    edn_status st = EDN_OK;
    for (size_t i = 0; st == EDN_OK && c->family && i < c->family->n; i++) {
        if (c->family->p[i].state == FAMILY_MAKING)
            st = settle_made(c, &c->family->p[i], &ignored);
        else if (c->family->p[i].state == FAMILY_DROPPING)
            st = child_remove(c, &c->family->p[i], &ignored);
    }
    (void)!change_end(c, st, &ignored); /* the next unlocking tries again */
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

edn_status family_find(edn_client *c, const edn_account_id *space, edn_client **out, edn_err *err)
{
    family_child *k = child_at(c, space);

    *out = NULL;
    if (!k || (k->state != FAMILY_HERE && k->state != FAMILY_BEGUN))
        return no_child(err);
    return child_get(c, k, out, err);
}

edn_status family_next(edn_client *c, size_t *at, edn_client **out, edn_err *err)
{
    edn_status st;

    *out = NULL;
    while (c->family && *at < c->family->n) {
        family_child *k = &c->family->p[(*at)++];
        if (k->state != FAMILY_HERE || is_closed(k))
            continue;
        if ((st = child_get(c, k, out, err)) != EDN_E_DAMAGED)
            return st;
        if (err)
            *err = (edn_err){EDN_OK, ""};
    }
    return EDN_OK;
}

edn_status family_of_journal(edn_client *c, const edn_journal_id *j, edn_client **out, edn_err *err)
{
    *out = c;
    for (size_t i = 0; j && c->family && i < c->family->n; i++) {
        family_child *k = &c->family->p[i];
        if (k->state == FAMILY_HERE && memcmp(k->journal.b, j->b, sizeof j->b) == 0)
            return child_get(c, k, out, err);
    }
    return EDN_OK;
}

typedef enum presence { ABSENT, MOVED_AWAY, DELETED, LIVE } presence;

static edn_status row_is_there(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    (void)key;
    (void)st;
    (void)value;
    *(bool *)ctx = true;
    return EDN_E_CANCELLED; /* one is enough */
}

/* How an entry stands in one store. One that does not open is there: whoever asks for it is to be told. */
static edn_status presence_of(edn_client *c, const edn_entry_id *id, presence *out, edn_err *err)
{
    bool there = false, nested = c->busy; /* the caller's transaction */
    object *o;
    edn_status st = edn_store_scan(c->store, EDN_TABLE_ENTRY, id_bytes(id), EDN_BYTES_EMPTY, true, row_is_there,
                                   &there);

    *out = ABSENT;
    if (st == EDN_E_CANCELLED)
        st = EDN_OK;
    if (st != EDN_OK || !there)
        return client_fail(c, st, err);
    if (!nested && (st = client_begin_read(c, err)) != EDN_OK)
        return st;
    st = object_get(c, id, &o);
    if (st == EDN_OK && o->type == EDN_RECORD_ENTRY)
        *out = edn_doc_state_of(o->doc) != EDN_DOC_DELETED ? LIVE : doc_moved_away(o->doc) ? MOVED_AWAY : DELETED;
    else if (st == EDN_E_DAMAGED)
        *out = LIVE;
    if (st == EDN_E_DAMAGED || st == EDN_E_MISSING)
        st = EDN_OK;
    return nested ? st : client_end_read(c, st, err);
}

static edn_status note_closed(void *ctx, const edn_account_id *space, edn_bytes name)
{
    (void)space;
    (void)name;
    *(bool *)ctx = true;
    return EDN_OK;
}

/* What moved away, and is in no store that is open, may be in one that is closed: then what is left of it here, where
 * it was before, is not to be told either. */
static edn_status may_be_closed(edn_client *c, edn_err *err)
{
    bool any = false, nested = c->busy;
    edn_status st = nested ? EDN_OK : client_begin_read(c, err);

    if (st != EDN_OK)
        return st;
    st = spaces_closed(c, note_closed, &any);
    if (!nested)
        st = client_end_read(c, st, err);
    return st == EDN_OK && any
               ? edn_fail(err, EDN_E_LOCKED, "this entry is in a journal that is closed: 'edn journal open' opens one")
               : st;
}

bool family_spread(edn_client *c)
{
    edn_buf row = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    bool any = c->secret && (family_has(c) || meta_get(c, "spaces", EDN_BYTES_EMPTY, &row) != EDN_E_MISSING);

    edn_buf_wipe(&row);
    return any;
}

edn_status family_of_entry(edn_client *c, const edn_entry_id *id, edn_client **out, edn_err *err)
{
    presence best = ABSENT, now;
    edn_client *k;
    edn_status st;

    *out = c;
    if (!family_spread(c))
        return EDN_OK;
    st = presence_of(c, id, &best, err);
    for (size_t at = 0; st == EDN_OK && best != LIVE;) {
        if ((st = family_next(c, &at, &k, err)) != EDN_OK || !k)
            break;
        if ((st = presence_of(k, id, &now, err)) == EDN_OK && now > best) {
            best = now;
            *out = k;
        }
    }
    return st == EDN_OK && best == MOVED_AWAY ? may_be_closed(c, err) : st;
}

edn_status family_knows(edn_client *c, const edn_entry_id *id, bool *out, edn_err *err)
{
    edn_client *k;
    edn_status st = EDN_OK;

    *out = false;
    for (size_t at = 0; st == EDN_OK && !*out;) {
        if ((st = family_next(c, &at, &k, err)) != EDN_OK || !k)
            break;
        st = edn_store_scan(k->store, EDN_TABLE_ENTRY, id_bytes(id), EDN_BYTES_EMPTY, true, row_is_there, out);
        if (st == EDN_E_CANCELLED)
            st = EDN_OK;
    }
    return st;
}

edn_status family_route(edn_client **c, const edn_entry_id *id, edn_err *err)
{
    edn_client *to;
    edn_status st = (*c)->busy ? EDN_OK : family_of_entry(*c, id, &to, err); /* busy: its transaction says so */

    if (st == EDN_OK && !(*c)->busy)
        *c = to;
    return st;
}

edn_status family_begin_change(edn_client *c, edn_err *err)
{
    const edn_device *d;
    edn_status st = client_begin_write(c, err);

    if (st != EDN_OK || !client_is_shared(c))
        return st;
    d = edn_devlog_device_find(c->log, &client_id(c)->device);
    if (d && edn_device_active(d) && (d->cert.caps & EDN_CAP_WRITE))
        return EDN_OK;
    return client_end_write(c, edn_fail(err, EDN_E_DENIED, "you may read this shared journal, but not write in it"),
                            err);
}

/* ---- asking all of them ------------------------------------------------------------------------------------------ */

static edn_status set_broken(edn_client *c, const edn_client *k)
{
    for (size_t i = 0; i < c->family->n; i++)
        if (c->family->p[i].c == k)
            c->family->p[i].broken = EDN_E_DAMAGED;
    return EDN_OK;
}

static edn_status stores_add(edn_client *c, stores *s, edn_err *err)
{
    edn_client *k;
    size_t cap = 0;
    edn_status st = EDN_OK;

    s->p = NULL;
    for (size_t at = 0; st == EDN_OK;) {
        if (!edn_array_room(&s->p, &cap, s->n + 1, sizeof *s->p))
            return client_fail(c, EDN_E_NOMEM, err);
        s->p[0] = c;
        if ((st = family_next(c, &at, &k, err)) != EDN_OK || !k)
            break;
        if ((st = client_begin_read(k, err)) == EDN_OK)
            s->p[s->n++] = k;
        else if (st == EDN_E_DAMAGED)
            st = set_broken(c, k);
    }
    return st;
}

edn_status stores_begin(edn_client *c, const edn_journal_id *j, stores *out, edn_err *err)
{
    edn_status st = client_begin_read(c, err);

    *out = (stores){.one = c, .n = 1};
    out->p = &out->one;
    if (st != EDN_OK)
        return st;
    if (j)
        st = family_of_journal(c, j, &out->one, err);
    if (st == EDN_OK && out->one != c && (st = client_begin_read(out->one, err)) == EDN_OK)
        return client_end_read(c, EDN_OK, err);
    if (st == EDN_OK && !j && family_has(c))
        st = stores_add(c, out, err);
    if (st != EDN_OK) {
        out->one = c;
        return stores_end(out, st, err);
    }
    return EDN_OK;
}

edn_status stores_end(stores *s, edn_status st, edn_err *err)
{
    edn_client *own = s->p ? s->p[0] : s->one;
    edn_err ignored;

    for (size_t i = s->n; i-- > 1;)
        (void)!client_end_read(s->p[i], EDN_OK, &ignored); /* nothing was written */
    if (s->p != &s->one)
        free(s->p);
    return client_end_read(own, st, err);
}

edn_status family_journal_name(edn_client *c, edn_buf *out)
{
    edn_status st = journal_name(c, &client_id(c)->journal, out);

    return st == EDN_E_MISSING ? EDN_OK : st; /* it has not arrived yet */
}

void family_name_finding(edn_client *k, edn_finding *f)
{
    edn_buf name = EDN_BUF_INIT(4096);
    char text[sizeof f->text];

    memcpy(text, f->text, sizeof text);
    if (family_journal_name(k, &name) == EDN_OK && name.n)
        snprintf(f->text, sizeof f->text, "journal \"%.*s\": %.300s", (int)EDN_MIN(name.n, (size_t)80),
                 (const char *)name.p, text);
    else
        snprintf(f->text, sizeof f->text, "a shared journal: %.300s", text);
    edn_buf_wipe(&name);
}

typedef struct own_journals {
    edn_client *c;
    family_journal_fn *fn;
    void *ctx;
} own_journals;

static edn_status own_journal(void *ctx, const edn_journal_id *j, edn_bytes name)
{
    own_journals *o = ctx;
    return o->fn(o->ctx, o->c, j, name);
}

static edn_status shared_journal(edn_client *k, family_journal_fn *fn, void *ctx, edn_err *err)
{
    edn_buf name = EDN_BUF_INIT(4096);
    bool nested = k->busy; /* the caller's transaction */
    edn_status st = nested ? EDN_OK : client_begin_read(k, err);

    if (st != EDN_OK)
        return st;
    if ((st = family_journal_name(k, &name)) == EDN_OK)
        st = fn(ctx, k, &client_id(k)->journal, edn_buf_view(&name));
    edn_buf_wipe(&name);
    return nested ? st : client_end_read(k, st, err);
}

static edn_status closed_journal(void *ctx, const edn_account_id *space, edn_bytes name)
{
    own_journals *o = ctx;
    edn_journal_id j = identity_first_journal(space);
    return o->fn(o->ctx, NULL, &j, name);
}

edn_status family_journals(edn_client *c, family_journal_fn *fn, void *ctx, edn_err *err)
{
    own_journals o = {c, fn, ctx};
    edn_client *k;
    edn_status st = journals_each(c, own_journal, &o);

    for (size_t at = 0; st == EDN_OK;) {
        if ((st = family_next(c, &at, &k, err)) != EDN_OK || !k)
            break;
        if ((st = shared_journal(k, fn, ctx, err)) == EDN_E_DAMAGED)
            st = EDN_OK; /* `verify` names it */
    }
    return st == EDN_OK ? spaces_closed(c, closed_journal, &o) : st;
}
