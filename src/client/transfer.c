/* Bringing entries in by the thousand, and taking them out in an order that all devices share. */
#include "client_priv.h"

#include <stdlib.h>

typedef struct named_journal {
    edn_bytes name;
    edn_journal_id id;
    bool found;
} named_journal;

static edn_status match_name(void *ctx, const edn_journal_id *j, edn_bytes name)
{
    named_journal *n = ctx;

    if (!n->found && edn_bytes_equal(name, n->name)) {
        n->id = *j;
        n->found = true;
    }
    return EDN_OK;
}

/* The journal of exactly this name, made when there is none. */
static edn_status journal_for(edn_client *c, edn_bytes name, edn_journal_id *out)
{
    named_journal n = {.name = name};
    edn_status st = journals_each(c, match_name, &n);

    if (st == EDN_OK && !n.found) {
        client_random(c, n.id.b, sizeof n.id.b);
        st = journal_create(c, &n.id, name);
        if (st == EDN_OK)
            st = objects_flush(c); /* so that the next item finds it by its name */
    }
    *out = n.id;
    return st;
}

static edn_status import_one(edn_client *c, const edn_import_item *item, edn_import_result *out, edn_err *err)
{
    edn_draft draft = item->draft;
    edn_entry_id id = item->id;
    edn_journal_id journal;
    object *o;
    edn_status st = edn_client_draft_check(&draft, err);

    if (st == EDN_OK && item->journal_name.n)
        st = journal_name_check(item->journal_name, err);
    if (st != EDN_OK)
        return st;
    if (item->has_id) {
        st = object_get(c, &id, &o);
        if (st == EDN_OK) {
            out->known++;
            return EDN_OK;
        }
        if (st != EDN_E_MISSING)
            return st;
    } else {
        client_random(c, id.b, sizeof id.b);
    }
    if (item->journal_name.n) {
        if ((st = journal_for(c, item->journal_name, &journal)) != EDN_OK)
            return st;
        draft.journal = &journal;
    }
    st = entry_create(c, &id, &draft, item->created_ms ? item->created_ms : client_now(c));
    if (st == EDN_OK)
        out->added++;
    return st;
}

edn_status edn_client_import(edn_client *c, edn_import_fn *next, void *ctx, const edn_progress *progress,
                             edn_import_result *out, edn_err *err)
{
    edn_status st = client_begin_write(c, err);

    memset(out, 0, sizeof *out);
    if (st != EDN_OK)
        return st;
    for (;;) {
        edn_import_item item = {0};
        bool done = false;
        st = next(ctx, &item, &done);
        if (st != EDN_OK || done)
            break;
        if ((st = import_one(c, &item, out, err)) != EDN_OK)
            break;
        if (progress && progress->fn && !progress->fn(progress->ctx, "importing", out->added + out->known, 0)) {
            st = edn_fail(err, EDN_E_CANCELLED, "stopped; nothing was imported");
            break;
        }
    }
    st = client_end_write(c, st, err);
    if (st != EDN_OK)
        memset(out, 0, sizeof *out);
    return st;
}

/* ---- export ------------------------------------------------------------------------------------------------------ */

/* Within a day, by id: the one order that does not depend on when a device heard of what. */
typedef struct exporting {
    edn_client *c;
    const edn_filter *filter;
    edn_entry_fn *fn;
    void *ctx;
    const edn_progress *progress;
    uint64_t done, total, damaged;
    char date[DATE_SIZE + 1];
    bool given;        /* the entry that was opened last reached `fn` */
    edn_entry_id *day; /* of the day that is being gathered */
    size_t n, cap;
} exporting;

static int compare_ids(const void *a, const void *b) { return memcmp(a, b, sizeof(edn_entry_id)); }

/* Tells what the caller's function said from what the store said. */
static edn_status export_entry(void *ctx, const edn_entry *e)
{
    exporting *x = ctx;

    x->given = true;
    return x->fn(x->ctx, e);
}

/* One that cannot be read must not keep the others in. */
static edn_status export_one(exporting *x, const edn_entry_id *id)
{
    edn_status st;

    x->given = false;
    st = entry_show(x->c, id, export_entry, x);
    if (x->given || (st != EDN_E_DAMAGED && st != EDN_E_MISSING))
        return st;
    x->damaged++;
    return EDN_OK;
}

static edn_status export_day(exporting *x)
{
    edn_status st = EDN_OK;

    if (x->n)
        qsort(x->day, x->n, sizeof *x->day, compare_ids);
    for (size_t i = 0; st == EDN_OK && i < x->n; i++) {
        st = export_one(x, &x->day[i]);
        x->done++;
        if (st == EDN_OK && x->progress && x->progress->fn &&
            !x->progress->fn(x->progress->ctx, "exporting", x->done, x->total))
            st = EDN_E_CANCELLED;
    }
    x->n = 0;
    return st;
}

static edn_status export_item(void *ctx, const catalog_item *it)
{
    exporting *x = ctx;
    bool fits;
    edn_status st = filter_fits(x->c, x->filter, it, &fits);

    if (st != EDN_OK || !fits)
        return st;
    if (x->n && (it->date.n != strlen(x->date) || memcmp(x->date, it->date.p, it->date.n) != 0))
        st = export_day(x);
    if (st != EDN_OK)
        return st;
    if (x->n == x->cap) {
        edn_entry_id *more = realloc(x->day, (x->cap = x->cap ? 2 * x->cap : 64) * sizeof *more);
        if (!more)
            return EDN_E_NOMEM;
        x->day = more;
    }
    if (x->n == 0) {
        size_t n = EDN_MIN(it->date.n, (size_t)DATE_SIZE);
        if (n)
            memcpy(x->date, it->date.p, n);
        x->date[n] = 0;
    }
    x->day[x->n++] = it->id;
    return EDN_OK;
}

edn_status edn_client_export(edn_client *c, const edn_filter *filter, edn_entry_fn *fn, void *ctx,
                             const edn_progress *progress, edn_err *err)
{
    exporting x = {.c = c, .filter = filter, .fn = fn, .ctx = ctx, .progress = progress};
    uint64_t deleted;
    edn_status st = filter_check(filter, err);

    if (st != EDN_OK || (st = client_begin_read(c, err)) != EDN_OK)
        return st;
    if ((st = catalog_counts(c, &x.total, &deleted)) == EDN_OK)
        st = catalog_list(c, filter ? filter->from : EDN_BYTES_EMPTY, filter ? filter->to : EDN_BYTES_EMPTY, false,
                          export_item, &x);
    if (st == EDN_OK)
        st = export_day(&x);
    if (st == EDN_OK && x.damaged)
        st = edn_fail(err, EDN_E_DAMAGED,
                      "%llu entries could not be read, and are not among what was given out; run 'edn verify'",
                      (unsigned long long)x.damaged);
    free(x.day);
    return client_end_read(c, st, err);
}
