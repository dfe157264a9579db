/* What happened to an entry, as numbered versions. A version is one save: a run of changes by one device at one
 * time. The numbers follow the document's own causal order, so devices that hold the same events number them alike. */
#include "client/sharing/family.h"

#include <stdlib.h>

#include "client/diary/diff.h"

#define WHAT_SIZE_MAX 1024u

typedef struct version_item {
    edn_agent_id agent;
    uint64_t time_ms, inserted, deleted;
    edn_event_id last;
    edn_buf what;
    bool cut; /* not all of it is said */
} version_item;

typedef struct version_list {
    version_item *p;
    size_t n, cap;
} version_list;

static void versions_dispose(version_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        edn_buf_dispose(&l->p[i].what);
    free(l->p);
}

/* Whether one of the words of a list is this one. */
static bool has_word(edn_bytes list, const char *prefix, edn_bytes word)
{
    size_t n = strlen(prefix), size = n + word.n;

    for (size_t i = 0; i + size <= list.n; i++) {
        bool begins = i == 0 || (i >= 2 && memcmp(list.p + i - 2, ", ", 2) == 0);
        bool ends = i + size == list.n || (i + size + 2 <= list.n && memcmp(list.p + i + size, ", ", 2) == 0);
        if (begins && ends && memcmp(list.p + i, prefix, n) == 0 &&
            (word.n == 0 || memcmp(list.p + i + n, word.p, word.n) == 0))
            return true;
    }
    return false;
}

/* A save with thousands of tags is told by the first of them. */
static void add_word(version_item *v, const char *prefix, edn_bytes word)
{
    edn_buf *b = &v->what;

    if (v->cut || has_word(edn_buf_view(b), prefix, word))
        return;
    v->cut = b->n + strlen(prefix) + word.n > WHAT_SIZE_MAX;
    if (b->n)
        edn_put_str(b, ", ");
    if (v->cut) {
        edn_put_str(b, "…");
        return;
    }
    edn_put_str(b, prefix);
    edn_put_bytes(b, word.p, word.n);
}

static void describe_change(version_item *v, const edn_change *ch)
{
    switch (ch->kind) {
    case EDN_CHANGE_INSERT:
        v->inserted += ch->count;
        add_word(v, "text", EDN_BYTES_EMPTY);
        break;
    case EDN_CHANGE_DELETE:
        v->deleted += ch->count;
        add_word(v, "text", EDN_BYTES_EMPTY);
        break;
    case EDN_CHANGE_FIELD:
        if (edn_bytes_equal(ch->name, edn_bytes_str(FIELD_JOURNAL)))
            add_word(v, "journal", EDN_BYTES_EMPTY);
        else if (edn_bytes_equal(ch->name, edn_bytes_str(FIELD_CREATED)))
            add_word(v, "written", EDN_BYTES_EMPTY);
        else
            add_word(v, "", ch->name);
        break;
    case EDN_CHANGE_TAG:
        add_word(v, "tag +", ch->name);
        break;
    case EDN_CHANGE_UNTAG:
        add_word(v, "tag -", ch->name);
        break;
    case EDN_CHANGE_REMOVE:
        add_word(v, "deleted", EDN_BYTES_EMPTY);
        break;
    case EDN_CHANGE_REVIVE:
        add_word(v, "undeleted", EDN_BYTES_EMPTY);
        break;
    }
}

static edn_status gather_change(void *ctx, const edn_change *ch)
{
    version_list *l = ctx;
    version_item *v = l->n ? &l->p[l->n - 1] : NULL;

    if (!v || memcmp(v->agent.b, ch->first.agent.b, sizeof v->agent.b) != 0 || v->time_ms != ch->time_ms) {
        if (!edn_array_room(&l->p, &l->cap, l->n + 1, sizeof *l->p))
            return EDN_E_NOMEM;
        v = &l->p[l->n++];
        memset(v, 0, sizeof *v);
        v->agent = ch->first.agent;
        v->time_ms = ch->time_ms;
        v->what = EDN_BUF_INIT(65536);
    }
    v->last = ch->first;
    v->last.seq += ch->count - 1;
    describe_change(v, ch);
    return edn_buf_status(&v->what);
}

static edn_status entry_versions(edn_client *c, const edn_entry_id *id, object **o, version_list *out, edn_err *err)
{
    edn_status st = object_get(c, id, o);

    if (st == EDN_E_MISSING || (st == EDN_OK && (*o)->type != EDN_RECORD_ENTRY))
        return edn_fail(err, EDN_E_MISSING, "there is no such entry");
    return st == EDN_OK ? edn_doc_history((*o)->doc, gather_change, out) : st;
}

edn_status edn_client_history(edn_client *c, const edn_entry_id *id, edn_history_fn *fn, void *ctx, edn_err *err)
{
    version_list l = {NULL, 0, 0};
    edn_buf name = EDN_BUF_INIT(4096);
    object *o;
    edn_status st = family_route(&c, id, err);

    if (st != EDN_OK || (st = client_begin_read(c, err)) != EDN_OK)
        return st;
    st = entry_versions(c, id, &o, &l, err);
    for (size_t i = 0; st == EDN_OK && i < l.n; i++) {
        edn_history_item item = {.version = (uint32_t)i + 1,
                                 .time_ms = l.p[i].time_ms,
                                 .inserted = l.p[i].inserted,
                                 .deleted = l.p[i].deleted,
                                 .what = edn_buf_view(&l.p[i].what)};
        edn_device_id device;
        memcpy(device.b, l.p[i].agent.b, sizeof device.b);
        edn_hex_encode(item.device, device.b, sizeof device.b);
        edn_buf_reset(&name);
        st = device_name(c, &device, &name);
        if (st == EDN_E_MISSING)
            st = EDN_OK;
        item.device_name = edn_buf_view(&name);
        if (st == EDN_OK)
            st = fn(ctx, &item);
    }
    versions_dispose(&l);
    edn_buf_dispose(&name);
    return client_end_read(c, st, err);
}

static int compare_ids(const void *a, const void *b)
{
    const edn_event_id *x = a, *y = b;
    int d = memcmp(x->agent.b, y->agent.b, sizeof x->agent.b);

    return d ? d : (x->seq > y->seq) - (x->seq < y->seq);
}

/* The version after save number `version`: the last event of each device up to there has all the others in its past.
 * The ids are the caller's to free. */
static edn_status version_ids(const version_list *l, uint32_t version, edn_event_id **out, size_t *out_n, edn_err *err)
{
    edn_event_id *ids;
    size_t n = 0;

    *out = NULL;
    if (version == 0 || version > l->n)
        return edn_fail(err, EDN_E_MISSING, "the entry has versions 1 to %zu; there is no version %u", l->n, version);
    ids = calloc(version, sizeof *ids);
    if (!ids)
        return EDN_E_NOMEM;
    EDN_ASSERT(l->p); /* it has that many */
    for (uint32_t i = 0; i < version; i++) {
        size_t k = 0;
        while (k < n && memcmp(ids[k].agent.b, l->p[i].agent.b, sizeof ids[k].agent.b) != 0)
            k++;
        if (k == n)
            n++;
        ids[k] = l->p[i].last;
    }
    qsort(ids, n, sizeof *ids, compare_ids);
    *out = ids;
    *out_n = n;
    return EDN_OK;
}

/* The version of a moment. The ids are the caller's: edn_version_dispose. */
static edn_status version_of(const object *o, const version_list *l, edn_moment when, edn_version *out, edn_err *err)
{
    edn_version now = edn_doc_frontier(o->doc);
    edn_event_id *ids = NULL;
    size_t n = now.n;
    edn_status st;

    *out = (edn_version){NULL, 0};
    if (when.number) {
        if ((st = version_ids(l, when.number, &ids, &n, err)) != EDN_OK)
            return st;
    } else if (when.time_ms) {
        st = edn_doc_version_at(o->doc, when.time_ms, out);
        return st == EDN_OK && out->n == 0 ? edn_fail(err, EDN_E_MISSING, "the entry was not written yet then") : st;
    } else {
        ids = calloc(n + 1, sizeof *ids);
        if (!ids)
            return EDN_E_NOMEM;
        for (size_t i = 0; i < n; i++)
            ids[i] = now.ids[i];
    }
    *out = (edn_version){ids, n};
    return EDN_OK;
}

/* When the newest save that a document has all of was made. */
static uint64_t newest_save_ms(const version_list *l, const edn_doc *then)
{
    uint64_t newest = 0;

    for (size_t i = 0; i < l->n; i++)
        if (l->p[i].last.seq < edn_doc_agent_next(then, l->p[i].agent))
            newest = EDN_MAX(newest, l->p[i].time_ms);
    return newest;
}

edn_status edn_client_show_version(edn_client *c, const edn_entry_id *id, edn_moment when, edn_entry_fn *fn, void *ctx,
                                   edn_err *err)
{
    version_list l = {NULL, 0, 0};
    edn_arena a = edn_arena_init(EDN_BUF_UNLIMITED);
    edn_version v = {NULL, 0};
    edn_doc *then = NULL;
    edn_entry e;
    object *o;
    edn_status st = family_route(&c, id, err);

    if (st != EDN_OK || (st = client_begin_read(c, err)) != EDN_OK)
        return st;
    if ((st = entry_versions(c, id, &o, &l, err)) == EDN_OK && (st = version_of(o, &l, when, &v, err)) == EDN_OK &&
        (st = edn_doc_at(o->doc, v, &then)) == EDN_OK && (st = entry_describe(c, id, then, &a, &e)) == EDN_OK) {
        e.changed_ms = newest_save_ms(&l, then);
        st = fn(ctx, &e);
    }
    edn_doc_free(then);
    edn_version_dispose(&v);
    versions_dispose(&l);
    edn_arena_dispose(&a);
    return client_end_read(c, st, err);
}

/* ---- back to a version ------------------------------------------------------------------------------------------- */

/* A change of the text, as edn_doc_diff tells it: what goes, and what comes in its place. */
typedef struct change_back {
    size_t pos, deleted, at, n; /* `n` bytes at `at` of the texts */
} change_back;

typedef struct changes_back {
    edn_doc *doc;
    change_back *p;
    size_t n, cap;
    edn_buf texts;
    size_t shift; /* of the change at hand */
    edn_status st;
} changes_back;

static void gather_patch(void *ctx, const edn_doc_patch *patch)
{
    changes_back *x = ctx;

    if (x->st == EDN_OK && !edn_array_room(&x->p, &x->cap, x->n + 1, sizeof *x->p))
        x->st = EDN_E_NOMEM;
    if (x->st != EDN_OK)
        return;
    x->p[x->n++] = (change_back){patch->pos, patch->deleted, x->texts.n, patch->inserted.n};
    edn_put_bytes(&x->texts, patch->inserted.p, patch->inserted.n);
    x->st = edn_buf_status(&x->texts);
}

static edn_status edit_back(void *ctx, const edn_diff_edit *e)
{
    changes_back *x = ctx;
    edn_status st = e->deleted ? edn_doc_delete(x->doc, x->shift + e->pos, e->deleted) : EDN_OK;

    return st == EDN_OK && e->inserted.n ? edn_doc_insert(x->doc, x->shift + e->pos, e->inserted) : st;
}

/* What neither took nor brought stays the same characters. Where text was written anew in place of the old, the two are
 * compared, so that a word that is in both is not written a third time. */
static edn_status text_back(edn_doc *doc, edn_version to)
{
    changes_back x = {.doc = doc, .texts = EDN_BUF_INIT(EDN_DOC_TEXT_SIZE_MAX)};
    edn_buf now = EDN_BUF_INIT(EDN_DOC_TEXT_SIZE_MAX);
    edn_status st = edn_doc_diff(doc, edn_doc_frontier(doc), to, gather_patch, &x);

    if (st == EDN_OK)
        st = x.st;
    for (size_t i = 0; st == EDN_OK && i < x.n; i++) {
        const change_back *p = &x.p[i];
        edn_buf_reset(&now);
        x.shift = p->pos;
        if ((st = edn_doc_text_part(doc, p->pos, p->deleted, &now)) == EDN_OK)
            st = edn_diff(edn_buf_view(&now), edn_bytes_of(x.texts.p + p->at, p->n), edit_back, &x);
    }
    free(x.p);
    edn_buf_wipe(&x.texts);
    edn_buf_wipe(&now);
    return st;
}

edn_status edn_client_restore(edn_client *c, const edn_entry_id *id, edn_moment when, edn_err *err)
{
    version_list l = {NULL, 0, 0};
    edn_version v = {NULL, 0};
    edn_doc *then = NULL;
    object *o;
    uint64_t before;
    edn_status st = family_route(&c, id, err);

    if (st != EDN_OK || (st = family_begin_change(c, err)) != EDN_OK)
        return st;
    if ((st = entry_versions(c, id, &o, &l, err)) == EDN_OK && (st = version_of(o, &l, when, &v, err)) == EDN_OK &&
        (st = edn_doc_at(o->doc, v, &then)) == EDN_OK) {
        object_author(c, o);
        before = edn_doc_agent_next(o->doc, client_agent(c));
        if ((st = text_back(o->doc, v)) == EDN_OK && (st = doc_become(o->doc, then)) == EDN_OK)
            st = object_wrote(c, o, before);
    }
    edn_doc_free(then);
    edn_version_dispose(&v);
    versions_dispose(&l);
    return client_end_write(c, st, err);
}

/* ---- what changed, and who wrote it ------------------------------------------------------------------------------ */

typedef struct comparing {
    edn_bytes old; /* what is left of the old text */
    size_t at;     /* scalars of the new one that were told */
    edn_piece_fn *fn;
    void *ctx;
    edn_status st; /* the first refusal */
} comparing;

static void tell_piece(comparing *x, edn_piece_kind kind, edn_bytes text)
{
    if (x->st == EDN_OK && text.n)
        x->st = x->fn(x->ctx, kind, text);
}

/* The next `count` scalars of the old text. */
static void tell_old(comparing *x, edn_piece_kind kind, size_t count)
{
    size_t n = edn_utf8_offset(x->old, count);

    if (n == 0)
        return;
    tell_piece(x, kind, edn_bytes_of(x->old.p, n));
    x->old = edn_bytes_of(x->old.p + n, x->old.n - n);
}

static void tell_patch(void *ctx, const edn_doc_patch *patch)
{
    comparing *x = ctx;

    tell_old(x, EDN_PIECE_SAME, patch->pos - x->at);
    tell_old(x, EDN_PIECE_DELETED, patch->deleted);
    tell_piece(x, EDN_PIECE_INSERTED, patch->inserted);
    x->at = patch->pos + edn_utf8_count(patch->inserted);
}

static edn_status tell_edit(void *ctx, const edn_diff_edit *e)
{
    comparing *x = ctx;
    edn_doc_patch patch = {.pos = e->pos, .deleted = e->deleted, .inserted = e->inserted};

    tell_patch(x, &patch);
    return x->st;
}

edn_status text_pieces(edn_bytes from, edn_bytes to, edn_piece_fn *fn, void *ctx)
{
    comparing x = {.old = from, .fn = fn, .ctx = ctx};
    edn_status st = edn_diff(from, to, tell_edit, &x);

    if (st == EDN_OK)
        tell_piece(&x, EDN_PIECE_SAME, x.old);
    return st == EDN_OK ? x.st : st;
}

edn_status edn_client_diff(edn_client *c, const edn_entry_id *id, edn_moment from, edn_moment to, edn_piece_fn *fn,
                           void *ctx, edn_err *err)
{
    version_list l = {NULL, 0, 0};
    edn_buf old = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    comparing x = {.fn = fn, .ctx = ctx};
    edn_version a = {NULL, 0}, b = {NULL, 0};
    edn_doc *then = NULL;
    object *o;
    edn_status st = family_route(&c, id, err);

    if (st != EDN_OK || (st = client_begin_read(c, err)) != EDN_OK)
        return st;
    if ((st = entry_versions(c, id, &o, &l, err)) == EDN_OK && (st = version_of(o, &l, from, &a, err)) == EDN_OK &&
        (st = version_of(o, &l, to, &b, err)) == EDN_OK && (st = edn_doc_at(o->doc, a, &then)) == EDN_OK &&
        (st = edn_doc_text(then, &old)) == EDN_OK) {
        x.old = edn_buf_view(&old);
        st = edn_doc_diff(o->doc, a, b, tell_patch, &x);
        tell_piece(&x, EDN_PIECE_SAME, x.old);
        st = st == EDN_OK ? x.st : st;
    }
    edn_doc_free(then);
    edn_version_dispose(&a);
    edn_version_dispose(&b);
    edn_buf_dispose(&old);
    versions_dispose(&l);
    return client_end_read(c, st, err);
}

typedef struct blaming {
    edn_client *c;
    const edn_doc *doc;
    edn_buf text, name;
    edn_blame_item_fn *fn;
    void *ctx;
} blaming;

static edn_status tell_run(void *ctx, const edn_blame *run)
{
    blaming *x = ctx;
    edn_blame_item item = {.time_ms = run->time_ms};
    edn_device_id device;
    edn_status st;

    memcpy(device.b, run->agent.b, sizeof device.b);
    edn_hex_encode(item.device, device.b, sizeof device.b);
    edn_buf_reset(&x->text);
    edn_buf_reset(&x->name);
    if ((st = edn_doc_text_part(x->doc, run->pos, run->count, &x->text)) != EDN_OK)
        return st;
    if ((st = device_name(x->c, &device, &x->name)) != EDN_OK && st != EDN_E_MISSING)
        return st;
    item.text = edn_buf_view(&x->text);
    item.device_name = edn_buf_view(&x->name);
    return x->fn(x->ctx, &item);
}

edn_status edn_client_blame(edn_client *c, const edn_entry_id *id, edn_blame_item_fn *fn, void *ctx, edn_err *err)
{
    blaming x = {c, NULL, EDN_BUF_INIT(EDN_BUF_UNLIMITED), EDN_BUF_INIT(4096), fn, ctx};
    object *o;
    edn_status st = family_route(&c, id, err);

    if (st != EDN_OK || (st = client_begin_read(c, err)) != EDN_OK)
        return st;
    st = object_get(c, id, &o);
    if (st == EDN_E_MISSING || (st == EDN_OK && o->type != EDN_RECORD_ENTRY)) {
        st = edn_fail(err, EDN_E_MISSING, "there is no such entry");
    } else if (st == EDN_OK) {
        x.doc = o->doc;
        st = edn_doc_blame(o->doc, tell_run, &x);
    }
    edn_buf_dispose(&x.text);
    edn_buf_dispose(&x.name);
    return client_end_read(c, st, err);
}
