/* Bringing entries in by the thousand, and taking them out in an order that all devices share. */
#include "client/sharing/family.h"

#include <stdlib.h>

typedef struct importing {
    edn_client *c;
    edn_client **begun; /* stores of shared journals in transactions of their own */
    size_t begun_n, begun_cap;
    edn_import_result *out;
    edn_err *err;
} importing;

/* The journal of exactly this name, made when there is none. */
static edn_status journal_for(edn_client *c, edn_bytes name, edn_journal_id *out, edn_err *err)
{
    bool found = false;
    edn_status st = journal_named(c, name, out, &found, err);

    if (st == EDN_OK && !found) {
        client_random(c, out->b, sizeof out->b);
        st = journal_create(c, out, name);
        if (st == EDN_OK)
            st = objects_flush(c); /* so that the next item finds it by its name */
    }
    return st;
}

static edn_status import_known(importing *x, const edn_entry_id *id, bool *out)
{
    object *o;
    edn_status st = object_get(x->c, id, &o);

    *out = st == EDN_OK;
    return st == EDN_E_MISSING ? family_knows(x->c, id, out, x->err) : st;
}

/* The store that a draft goes to, in a transaction. */
static edn_status import_store(importing *x, const edn_journal_id *journal, edn_client **out)
{
    edn_status st = family_of_journal(x->c, journal, out, x->err);

    if (st != EDN_OK || (*out)->busy)
        return st;
    if (!edn_array_room(&x->begun, &x->begun_cap, x->begun_n + 1, sizeof(edn_client *)))
        return EDN_E_NOMEM;
    if ((st = family_begin_change(*out, x->err)) == EDN_OK)
        x->begun[x->begun_n++] = *out;
    return st;
}

static edn_status import_one(importing *x, const edn_import_item *item)
{
    edn_draft draft = item->draft;
    edn_entry_id id = item->id;
    edn_journal_id journal;
    edn_client *to;
    bool known = false;
    edn_status st = edn_client_draft_check(&draft, x->err);

    if (st == EDN_OK && item->journal_name.n)
        st = journal_name_check(item->journal_name, x->err);
    if (st == EDN_OK && item->has_id)
        st = import_known(x, &id, &known);
    if (st != EDN_OK || known) {
        x->out->known += known;
        return st;
    }
    if (!item->has_id)
        client_random(x->c, id.b, sizeof id.b);
    if (item->journal_name.n) {
        if ((st = journal_for(x->c, item->journal_name, &journal, x->err)) != EDN_OK)
            return st;
        draft.journal = &journal;
    }
    if ((st = import_store(x, draft.journal, &to)) == EDN_OK)
        st = entry_create(to, &id, &draft, item->created_ms ? item->created_ms : client_now(x->c));
    x->out->added += st == EDN_OK;
    return st;
}

/* Those of shared journals first: what they took in is known by its id when it is all done again. */
static edn_status import_end(importing *x, edn_status st)
{
    /* What takes memory comes before the first commit. */
    for (size_t i = 0; st == EDN_OK && i <= x->begun_n; i++) {
        edn_client *c = i < x->begun_n ? x->begun[i] : x->c;
        if ((st = objects_flush(c)) == EDN_OK)
            st = catalog_flush(c);
    }
    for (size_t i = 0; i < x->begun_n; i++)
        st = client_end_write(x->begun[i], st, x->err);
    free(x->begun);
    return client_end_write(x->c, st, x->err);
}

edn_status edn_client_import(edn_client *c, edn_import_fn *next, void *ctx, const edn_progress *progress,
                             edn_import_result *out, edn_err *err)
{
    importing x = {.c = c, .out = out, .err = err};
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
        if ((st = import_one(&x, &item)) != EDN_OK)
            break;
        if (progress && progress->fn && !progress->fn(progress->ctx, "importing", out->added + out->known, 0)) {
            st = edn_fail(err, EDN_E_CANCELLED, "stopped; nothing was imported");
            break;
        }
    }
    st = import_end(&x, st);
    if (st != EDN_OK)
        memset(out, 0, sizeof *out);
    return st;
}

/* ---- export ------------------------------------------------------------------------------------------------------ */

/* Within a day, by id: the one order that does not depend on when a device heard of what. */
typedef struct exported {
    edn_entry_id id;
    edn_client *c;
} exported;

typedef struct exporting {
    const edn_filter *filter;
    edn_entry_fn *fn;
    void *ctx;
    const edn_progress *progress;
    uint64_t done, total, damaged;
    char date[DATE_SIZE + 1];
    bool given;    /* the entry that was opened last reached `fn` */
    exported *day; /* of the day that is being gathered */
    size_t n, cap;
} exporting;

static int compare_ids(const void *a, const void *b)
{
    const exported *x = a, *y = b;
    return memcmp(x->id.b, y->id.b, sizeof x->id.b);
}

/* Tells what the caller's function said from what the store said. */
static edn_status export_entry(void *ctx, const edn_entry *e)
{
    exporting *x = ctx;

    x->given = true;
    return x->fn(x->ctx, e);
}

/* One that cannot be read must not keep the others in. */
static edn_status export_one(exporting *x, const exported *e)
{
    edn_status st;

    x->given = false;
    st = entry_show(e->c, &e->id, export_entry, x);
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

static edn_status export_item(void *ctx, edn_client *c, const catalog_item *it)
{
    exporting *x = ctx;
    bool fits;
    edn_status st = filter_fits(c, x->filter, it, &fits);

    if (st != EDN_OK || !fits)
        return st;
    if (x->n && (it->date.n != strlen(x->date) || memcmp(x->date, it->date.p, it->date.n) != 0))
        st = export_day(x);
    if (st != EDN_OK)
        return st;
    if (!edn_array_room(&x->day, &x->cap, x->n + 1, sizeof *x->day))
        return EDN_E_NOMEM;
    if (x->n == 0) {
        size_t n = EDN_MIN(it->date.n, (size_t)DATE_SIZE);
        if (n)
            memcpy(x->date, it->date.p, n);
        x->date[n] = 0;
    }
    x->day[x->n++] = (exported){it->id, c};
    return EDN_OK;
}

edn_status edn_client_export(edn_client *c, const edn_filter *filter, edn_entry_fn *fn, void *ctx,
                             const edn_progress *progress, edn_err *err)
{
    stores s;
    exporting x = {.filter = filter, .fn = fn, .ctx = ctx, .progress = progress};
    uint64_t live, deleted;
    edn_status st = filter_check(filter, err);

    if (st != EDN_OK || (st = stores_begin(c, filter ? filter->journal : NULL, &s, err)) != EDN_OK)
        return st;
    for (size_t i = 0; st == EDN_OK && i < s.n; i++) {
        st = catalog_counts(s.p[i], &live, &deleted);
        x.total += live;
    }
    if (st == EDN_OK)
        st = contents_list(&s, filter ? filter->from : EDN_BYTES_EMPTY, filter ? filter->to : EDN_BYTES_EMPTY, false,
                           export_item, &x);
    if (st == EDN_OK)
        st = export_day(&x);
    if (st == EDN_OK && x.damaged)
        st = edn_fail(err, EDN_E_DAMAGED,
                      "%llu entries could not be read, and are not among what was given out; run 'edn verify'",
                      (unsigned long long)x.damaged);
    free(x.day);
    return stores_end(&s, st, err);
}
