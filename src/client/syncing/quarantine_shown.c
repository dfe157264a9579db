/* The quarantine as a person sees it, and what they decide.
 *
 * What an entry would be is found out by taking the device's events in, in a transaction that is taken back: so it is
 * what it would have been had they come in time, and nothing of them, keys and dictionaries included, is here
 * afterwards. Keeping is then a second transaction, in which this device makes its entry show the same by changes of
 * its own; none of the device's events is ever taken. If somebody wrote in between, it is done again. */
#include "client/syncing/quarantine_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/diary/diff.h"

#define OFFERED_MAX 1000u /* entries of a device at a time: the others follow when these are decided */
#define FIELD_KEPT_FROM "kept-from"
#define KEEP_TRIES_MAX 8u

/* Some entry's records among a device's batches. */
typedef struct late_entry {
    edn_entry_id id;
    uint32_t batch, record; /* its last */
    uint64_t size;
    size_t order;
} late_entry;

typedef struct late_device {
    edn_device_id id;
    edn_arena a;
    edn_sync_batch *b;
    size_t n;
    late_entry *entries; /* not decided yet, as they came; at most OFFERED_MAX */
    size_t entries_n;
} late_device;

/* ---- what there is ----------------------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    const late_entry *x = a, *y = b;
    int d = memcmp(x->id.b, y->id.b, sizeof x->id.b);

    return d ? d : (x->order > y->order) - (x->order < y->order);
}

static int by_order(const void *a, const void *b)
{
    const late_entry *x = a, *y = b;

    return (x->order > y->order) - (x->order < y->order);
}

/* One for each record that is of an entry. */
static edn_status records_gather(late_device *d, late_entry **out, size_t *n)
{
    late_entry *p;
    size_t all = 0;

    for (size_t i = 0; i < d->n; i++)
        all += d->b[i].body.records_n;
    *n = 0;
    if (!(p = *out = edn_arena_calloc(&d->a, all + 1, sizeof *p)))
        return EDN_E_NOMEM;
    for (uint32_t i = 0; i < d->n; i++)
        for (uint32_t k = 0; k < d->b[i].body.records_n; k++) {
            const edn_record *r = &d->b[i].body.records[k];
            if (r->type != EDN_RECORD_ENTRY)
                continue;
            p[*n] = (late_entry){.batch = i, .record = k, .size = r->box.n, .order = *n};
            memcpy(p[(*n)++].id.b, r->entry.b, sizeof p->id.b);
        }
    return EDN_OK;
}

/* Records of one entry become one, where the first was. */
static size_t records_join(late_entry *p, size_t n)
{
    size_t kept = 0;

    if (n)
        qsort(p, n, sizeof *p, by_id);
    for (size_t i = 0; i < n; i++) {
        if (kept && memcmp(p[kept - 1].id.b, p[i].id.b, sizeof p->id.b) == 0) {
            p[kept - 1].batch = p[i].batch;
            p[kept - 1].record = p[i].record;
            p[kept - 1].size += p[i].size;
        } else {
            p[kept++] = p[i];
        }
    }
    if (kept)
        qsort(p, kept, sizeof *p, by_order);
    return kept;
}

/* Which of the device's batches say something of an entry that is not decided begins behind this number. */
static edn_status decided_of(edn_client *c, const late_device *d, const edn_entry_id *id, uint64_t *out)
{
    uint64_t all;
    edn_status st = late_decided(c, &d->id, NULL, &all);

    if (st == EDN_OK)
        st = late_decided(c, &d->id, id, out);
    *out = EDN_MAX(*out, all);
    return st;
}

static edn_status device_load(edn_client *c, const edn_device_id *id, late_device *d)
{
    late_entry *p = NULL;
    uint64_t decided;
    size_t n = 0;
    edn_status st;

    *d = (late_device){.id = *id, .a = edn_arena_init(EDN_BUF_UNLIMITED)};
    if ((st = late_open(c, id, &d->a, &d->b, &d->n)) == EDN_OK && (st = records_gather(d, &p, &n)) == EDN_OK)
        n = records_join(p, n);
    d->entries = p;
    for (size_t i = 0; st == EDN_OK && i < n && d->entries_n < OFFERED_MAX; i++)
        if ((st = decided_of(c, d, &p[i].id, &decided)) == EDN_OK && d->b[p[i].batch].batch.header.dseq > decided)
            p[d->entries_n++] = p[i];
    return st;
}

static void device_dispose(late_device *d) { edn_arena_dispose(&d->a); }

/* EDN_E_MISSING: nothing of a device of this id is in quarantine. */
static edn_status device_find_late(edn_client *c, const char *hex, late_device *d, edn_err *err)
{
    edn_arena a = edn_arena_init(EDN_BUF_UNLIMITED);
    edn_device_id *ids;
    char text[33];
    size_t n, at = 0;
    edn_status st = late_devices(c, &a, &ids, &n);

    *d = (late_device){.a = edn_arena_init(EDN_BUF_UNLIMITED)};
    for (at = 0; st == EDN_OK && at < n; at++) {
        edn_hex_encode(text, ids[at].b, sizeof ids[at].b);
        if (strcmp(text, hex) == 0)
            break;
    }
    if (st == EDN_OK)
        st = at < n ? device_load(c, &ids[at], d)
                    : edn_fail(err, EDN_E_MISSING, "nothing of device %.8s is in quarantine", hex);
    edn_arena_dispose(&a);
    return st;
}

static const late_entry *entry_find(const late_device *d, const edn_entry_id *id)
{
    for (size_t i = 0; i < d->entries_n; i++)
        if (memcmp(d->entries[i].id.b, id->b, sizeof id->b) == 0)
            return &d->entries[i];
    return NULL;
}

/* ---- what it would be; in a transaction that is taken back ------------------------------------------------------- */

typedef struct late_view {
    edn_doc *now; /* NULL: the entry is not here */
    edn_doc *would;
    uint64_t written_ms;
} late_view;

static void view_dispose(late_view *v)
{
    edn_doc_free(v->now);
    edn_doc_free(v->would);
    *v = (late_view){NULL, NULL, 0};
}

static edn_status keys_take(edn_client *c, const late_device *d)
{
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < d->n; i++)
        st = records_take_keys(c, &d->b[i]);
    return st;
}

static edn_status written(edn_client *c, const late_device *d, const late_entry *e, uint64_t *out)
{
    const edn_sync_batch *b = &d->b[e->batch];
    edn_buf message = EDN_BUF_INIT((size_t)4 << 20);
    record_head head = {0, 0};
    edn_status st = record_message(c, &b->batch.header, &b->body.records[e->record], e->record, &message, &head);

    *out = head.time_ms;
    edn_buf_wipe(&message);
    return st;
}

static edn_status doc_copy(edn_client *c, const edn_entry_id *id, edn_doc **out)
{
    object *o;
    edn_status st = object_get(c, id, &o);

    *out = NULL;
    if (st == EDN_OK && o->type != EDN_RECORD_ENTRY)
        st = EDN_E_PARENTS; /* of another kind here: there is nothing that it could be a change of */
    return st == EDN_OK ? edn_doc_at(o->doc, edn_doc_frontier(o->doc), out) : st;
}

/* EDN_E_PARENTS: not all of it can be taken in. The device's keys are here. */
static edn_status view_make(edn_client *c, const late_device *d, const late_entry *e, late_view *v)
{
    uint64_t decided;
    size_t from = 0;
    bool whole = false;
    object *o;
    edn_status st;

    *v = (late_view){NULL, NULL, 0};
    if ((st = decided_of(c, d, &e->id, &decided)) != EDN_OK)
        return st;
    while (from < d->n && d->b[from].batch.header.dseq <= decided)
        from++;
    if ((st = doc_copy(c, &e->id, &v->now)) == EDN_E_MISSING)
        st = EDN_OK;
    if (st == EDN_OK)
        st = inbox_take_events(c, d->b + from, d->n - from, &e->id, &whole);
    if (st == EDN_OK && !whole)
        st = EDN_E_PARENTS;
    if (st == EDN_OK)
        st = doc_copy(c, &e->id, &v->would);
    if (st == EDN_OK)
        st = written(c, d, e, &v->written_ms);
    if (object_get(c, &e->id, &o) == EDN_OK)
        object_drop(c, o); /* it is not to be written, not even to be taken back */
    if (st == EDN_E_MISSING)
        st = EDN_E_PARENTS;
    if (st != EDN_OK)
        view_dispose(v);
    return st;
}

/* What the transaction did is not to stay; what it found out does. */
static edn_status take_back(edn_client *c, edn_status st, edn_err *err)
{
    edn_err ignored;

    if (st != EDN_OK)
        return client_end_write(c, st, err);
    (void)!client_end_write(c, EDN_E_CANCELLED, &ignored); /* which is all that can come of it */
    return EDN_OK;
}

/* ---- listing ----------------------------------------------------------------------------------------------------- */

static edn_status count_edit(void *ctx, const edn_diff_edit *e)
{
    edn_quarantined *q = ctx;

    q->inserted += edn_utf8_count(e->inserted);
    q->deleted += e->deleted;
    return EDN_OK;
}

static edn_status texts_of(const late_view *v, edn_buf *now, edn_buf *would)
{
    edn_status st = v->now ? edn_doc_text(v->now, now) : EDN_OK;

    return st == EDN_OK ? edn_doc_text(v->would, would) : st;
}

static edn_status describe(const late_view *v, edn_quarantined *q)
{
    edn_buf now = EDN_BUF_INIT(EDN_DOC_TEXT_SIZE_MAX), would = EDN_BUF_INIT(EDN_DOC_TEXT_SIZE_MAX);
    edn_status st = texts_of(v, &now, &would);

    q->known = v->now != NULL;
    q->removed = edn_doc_state_of(v->would) == EDN_DOC_DELETED;
    q->written_ms = v->written_ms;
    if (edn_doc_get(v->would, edn_bytes_str(FIELD_DATE), &q->date) != EDN_OK)
        q->date = EDN_BYTES_EMPTY;
    if (edn_doc_get(v->would, edn_bytes_str(FIELD_TITLE), &q->title) != EDN_OK)
        q->title = EDN_BYTES_EMPTY;
    if (st == EDN_OK)
        st = edn_diff(edn_buf_view(&now), edn_buf_view(&would), count_edit, q);
    edn_buf_wipe(&now);
    edn_buf_wipe(&would);
    return st;
}

typedef struct listing {
    edn_quarantined_fn *fn;
    void *ctx;
} listing;

static edn_status list_entry(edn_client *c, const late_device *d, const late_entry *e, const edn_quarantined *of,
                             const listing *l)
{
    edn_quarantined q = *of;
    late_view v;
    edn_status st = view_make(c, d, e, &v);

    q.id = e->id;
    q.size = e->size;
    if (st == EDN_E_PARENTS)
        q.status = st;
    else if (st != EDN_OK || (st = describe(&v, &q)) != EDN_OK)
        goto out;
    st = l->fn(l->ctx, &q);
out:
    view_dispose(&v);
    return st;
}

/* Only names and keys: there is nothing to look at, but something to drop. */
static edn_status list_rest(const late_device *d, const edn_quarantined *of, const listing *l)
{
    edn_quarantined q = *of;

    q.status = EDN_E_MISSING;
    for (size_t i = 0; i < d->n; i++)
        q.size += d->b[i].batch.bytes.n;
    return l->fn(l->ctx, &q);
}

static edn_status list_device(edn_client *c, const edn_device_id *id, const listing *l)
{
    edn_buf name = EDN_BUF_INIT(4096);
    edn_quarantined of = {.status = EDN_OK};
    late_device d;
    edn_status st = device_load(c, id, &d);

    if (st == EDN_OK && (st = device_name(c, id, &name)) == EDN_E_MISSING)
        st = EDN_OK;
    of.device_name = edn_buf_view(&name);
    edn_hex_encode(of.device, id->b, sizeof id->b);
    if (st == EDN_OK)
        st = keys_take(c, &d);
    for (size_t i = 0; st == EDN_OK && i < d.entries_n; i++)
        st = list_entry(c, &d, &d.entries[i], &of, l);
    if (st == EDN_OK && d.entries_n == 0)
        st = list_rest(&d, &of, l);
    device_dispose(&d);
    edn_buf_dispose(&name);
    return st;
}

edn_status edn_client_quarantine(edn_client *c, edn_quarantined_fn *fn, void *ctx, edn_err *err)
{
    const listing l = {fn, ctx};
    edn_arena a = edn_arena_init(EDN_BUF_UNLIMITED);
    edn_device_id *ids = NULL;
    size_t n = 0;
    edn_status st = client_begin_read(c, err);

    /* A look first: as good as always there is nothing. */
    if (st != EDN_OK || (st = client_end_read(c, late_devices(c, &a, &ids, &n), err)) != EDN_OK || n == 0)
        goto out;
    if ((st = client_begin_write(c, err)) != EDN_OK)
        goto out;
    for (size_t i = 0; st == EDN_OK && i < n; i++)
        st = list_device(c, &ids[i], &l);
    st = take_back(c, st, err);
out:
    edn_arena_dispose(&a);
    return st;
}

/* ---- looking at one ---------------------------------------------------------------------------------------------- */

static edn_status no_entry(edn_err *err)
{
    return edn_fail(err, EDN_E_MISSING, "there is no such entry in quarantine; 'edn quarantine list' shows them");
}

static edn_status not_whole(edn_err *err)
{
    return edn_fail(err, EDN_E_PARENTS,
                    "what the device wrote there rests on something that is not here, or that was dropped or kept "
                    "before: sync, or drop it");
}

/* The view of one entry; the transaction is open, and to be taken back. */
static edn_status view_of(edn_client *c, const char *device, const edn_entry_id *id, late_device *d, late_view *v,
                          edn_err *err)
{
    const late_entry *e = NULL;
    edn_status st = device_find_late(c, device, d, err);

    *v = (late_view){NULL, NULL, 0};
    if (st == EDN_OK && !(e = entry_find(d, id)))
        return no_entry(err);
    if (st == EDN_OK && (st = keys_take(c, d)) == EDN_OK)
        st = view_make(c, d, e, v);
    return st == EDN_E_PARENTS ? not_whole(err) : st;
}

static edn_status show(edn_client *c, const edn_entry_id *id, const late_view *v, edn_entry_fn *fn, edn_piece_fn *piece,
                       void *ctx)
{
    edn_buf now = EDN_BUF_INIT(EDN_DOC_TEXT_SIZE_MAX), would = EDN_BUF_INIT(EDN_DOC_TEXT_SIZE_MAX);
    edn_arena a = edn_arena_init(EDN_BUF_UNLIMITED);
    edn_entry e;
    edn_status st = entry_describe(c, id, v->would, &a, &e);

    if (st == EDN_OK) {
        e.changed_ms = v->written_ms;
        st = fn(ctx, &e);
    }
    if (st == EDN_OK && piece && (st = texts_of(v, &now, &would)) == EDN_OK)
        st = text_pieces(edn_buf_view(&now), edn_buf_view(&would), piece, ctx);
    edn_arena_dispose(&a);
    edn_buf_wipe(&now);
    edn_buf_wipe(&would);
    return st;
}

edn_status edn_client_quarantine_show(edn_client *c, const char *device, const edn_entry_id *id, edn_entry_fn *fn,
                                      edn_piece_fn *piece, void *ctx, edn_err *err)
{
    late_device d;
    late_view v;
    edn_status st = client_begin_write(c, err);

    if (st != EDN_OK)
        return st;
    if ((st = view_of(c, device, id, &d, &v, err)) == EDN_OK)
        st = show(c, id, &v, fn, piece, ctx);
    view_dispose(&v);
    device_dispose(&d);
    return take_back(c, st, err);
}

/* ---- keeping ----------------------------------------------------------------------------------------------------- */

/* Fields that are EDN's own are not the device's to set, but for what an entry is made with. */
static edn_status strip(edn_doc *doc)
{
    edn_bytes name, value;
    edn_status st = EDN_OK;

    for (uint32_t i = 0; st == EDN_OK && edn_doc_field_next(doc, &i, &name, &value);)
        if ((name.n == 0 || name.p[0] < 0x20) && !edn_bytes_equal(name, edn_bytes_str(FIELD_JOURNAL)) &&
            !edn_bytes_equal(name, edn_bytes_str(FIELD_CREATED)))
            st = edn_doc_set(doc, name, EDN_BYTES_EMPTY);
    return st;
}

/* A journal that only the revoked device knew: then it goes into the first one. */
static edn_status settle_journal(edn_client *c, edn_doc *doc)
{
    edn_buf name = EDN_BUF_INIT(4096);
    edn_journal_id j = doc_journal(c, doc);
    edn_status st = journal_name(c, &j, &name);

    edn_buf_wipe(&name);
    return st == EDN_E_MISSING ? edn_doc_set(doc, edn_bytes_str(FIELD_JOURNAL), EDN_BYTES_EMPTY) : st;
}

static edn_status say_where_from(edn_client *c, const edn_device_id *d, edn_doc *doc)
{
    edn_buf name = EDN_BUF_INIT(4096), text = EDN_BUF_INIT(4096);
    char hex[33];
    edn_status st = device_name(c, d, &name);

    edn_hex_encode(hex, d->b, sizeof d->b);
    hex[8] = 0;
    if (st == EDN_OK && name.n) {
        edn_put_bytes(&text, name.p, name.n);
        edn_put_str(&text, " ");
    }
    edn_put_str(&text, hex);
    if (st == EDN_OK || st == EDN_E_MISSING)
        st = edn_buf_status(&text);
    if (st == EDN_OK)
        st = edn_doc_set(doc, edn_bytes_str(FIELD_KEPT_FROM), edn_buf_view(&text));
    edn_buf_dispose(&name);
    edn_buf_dispose(&text);
    return st;
}

static edn_status write_anew(edn_client *c, const edn_device_id *d, const edn_entry_id *id, edn_doc *want)
{
    object *o;
    uint64_t before;
    edn_status st;

    edn_doc_author(want, client_agent(c), client_now(c));
    if ((st = strip(want)) != EDN_OK || (st = settle_journal(c, want)) != EDN_OK ||
        (st = say_where_from(c, d, want)) != EDN_OK)
        return st;
    if ((st = object_get(c, id, &o)) == EDN_E_MISSING)
        st = object_new(c, id, EDN_RECORD_ENTRY, &o);
    if (st != EDN_OK)
        return st;
    object_author(c, o);
    before = edn_doc_agent_next(o->doc, client_agent(c));
    if ((st = doc_become(o->doc, want)) == EDN_OK)
        st = object_wrote(c, o, before);
    return st;
}

/* Where nothing is left to offer, all of the device's is decided, what is not offered too. */
static edn_status decide(edn_client *c, late_device *d, const edn_entry_id *id, late_decision what)
{
    uint64_t last = d->n ? d->b[d->n - 1].batch.header.dseq : 0;
    late_cursor k;
    edn_status st = late_cursor_load(c, &d->id, &k);

    last = EDN_MAX(last, k.head.dseq);
    if (st != EDN_OK || (id && (st = late_decide(c, &d->id, id, last, what)) != EDN_OK))
        return st;
    if (!id || (d->entries_n == 1 && entry_find(d, id)))
        st = late_decide(c, &d->id, NULL, last, what);
    return st == EDN_OK ? quarantine_settle(c) : st;
}

typedef struct keeping {
    edn_client *c;
    const char *device;
    const edn_entry_id *id;
    edn_err *err;
} keeping;

/* EDN_E_BUSY: somebody wrote in between. */
static edn_status keep_write(const keeping *x, late_view *v, uint64_t version)
{
    late_device d;
    edn_status st = client_begin_write(x->c, x->err);

    if (st != EDN_OK)
        return st;
    if (x->c->store_version != version)
        return client_end_write(x->c, EDN_E_BUSY, x->err);
    if ((st = device_find_late(x->c, x->device, &d, x->err)) == EDN_OK &&
        (st = write_anew(x->c, &d.id, x->id, v->would)) == EDN_OK)
        st = decide(x->c, &d, x->id, LATE_KEPT);
    device_dispose(&d);
    return client_end_write(x->c, st, x->err);
}

static edn_status keep_once(const keeping *x)
{
    late_device d;
    late_view v;
    uint64_t version;
    edn_status st = client_begin_write(x->c, x->err);

    if (st != EDN_OK)
        return st;
    version = x->c->store_version;
    st = view_of(x->c, x->device, x->id, &d, &v, x->err);
    if ((st = take_back(x->c, st, x->err)) == EDN_OK)
        st = keep_write(x, &v, version);
    view_dispose(&v);
    device_dispose(&d);
    return st;
}

static edn_status keep_one(const keeping *x)
{
    edn_status st = EDN_E_BUSY;

    for (unsigned tries = 0; st == EDN_E_BUSY && tries < KEEP_TRIES_MAX; tries++)
        st = keep_once(x);
    return st;
}

/* The first that is offered and not among those that cannot be kept; *any false: there is none. */
static edn_status next_of(edn_client *c, const char *device, size_t skip, edn_entry_id *out, bool *any, edn_err *err)
{
    late_device d;
    edn_status st = client_begin_read(c, err);

    *any = false;
    if (st != EDN_OK)
        return st;
    st = device_find_late(c, device, &d, err);
    if (st == EDN_OK && skip < d.entries_n) {
        *out = d.entries[skip].id;
        *any = true;
    }
    device_dispose(&d);
    return client_end_read(c, st, err);
}

static edn_status keep_all(edn_client *c, const char *device, uint64_t *kept, edn_err *err)
{
    edn_entry_id id;
    const keeping x = {c, device, &id, err};
    size_t skip = 0;
    bool any;
    edn_status st = next_of(c, device, skip, &id, &any, err);

    while (st == EDN_OK && any) {
        if ((st = keep_one(&x)) == EDN_OK)
            ++*kept;
        else if (st == EDN_E_PARENTS)
            skip++;
        else
            return st;
        st = next_of(c, device, skip, &id, &any, err);
        if (st == EDN_E_MISSING && *kept)
            return EDN_OK; /* that was the last */
    }
    return st == EDN_OK ? edn_client_quarantine_drop(c, device, NULL, err) : st;
}

edn_status edn_client_quarantine_keep(edn_client *c, const char *device, const edn_entry_id *id, uint64_t *kept,
                                      edn_err *err)
{
    const keeping x = {c, device, id, err};
    edn_status st;

    *kept = 0;
    if (!id)
        return keep_all(c, device, kept, err);
    st = keep_one(&x);
    *kept = st == EDN_OK;
    return st;
}

/* ---- dropping ---------------------------------------------------------------------------------------------------- */

edn_status edn_client_quarantine_drop(edn_client *c, const char *device, const edn_entry_id *id, edn_err *err)
{
    late_device d;
    edn_status st = client_begin_write(c, err);

    if (st != EDN_OK)
        return st;
    st = device_find_late(c, device, &d, err);
    if (st == EDN_OK && id && !entry_find(&d, id))
        st = no_entry(err);
    if (st == EDN_OK)
        st = decide(c, &d, id, LATE_DROPPED);
    device_dispose(&d);
    return client_end_write(c, st, err);
}
