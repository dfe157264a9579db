/* The life of the search index.
 *
 * An entry that changes is noted (index_note), no more: a save costs one small row. A search that finds many notes
 * folds them into a shard of what is new; eight of those become one, or, when they weigh something, go where their
 * years are. So each document is written a few times in its life, a closed year never but for edits in it, and what
 * was deleted is gone from a shard when a part of it is dead, or at once by `edn reindex`. */
#include "client/finding/index.h"

#include "client/sharing/family.h"

#include <stdio.h>
#include <stdlib.h>

#define STEP_DOCS_MAX 4096u /* of one transaction */
#define STEP_MEMORY_MAX ((size_t)48 << 20)
#define RECENT_DOCS_MAX 4096u
#define YEAR_DOCS_MAX 65536u /* shards of one year are joined up to this size */
#define DEAD_PART 8u         /* a shard is written anew when one in so many documents is dead */

static index_shard shard_next(edn_client *c, uint32_t year)
{
    return (index_shard){.id = c->index->next++, .year = year, .c = c};
}

static edn_status write_builder(edn_client *c, edn_builder *b, uint32_t year)
{
    index_shard s = shard_next(c, year);
    edn_status st;

    s.docs = edn_builder_docs(b);
    if (s.docs == 0)
        return EDN_OK;
    st = edn_builder_finish(b, index_page_out, &s, &s.size);
    return st == EDN_OK ? index_shard_done(c, &s) : st;
}

/* ---- folding in -------------------------------------------------------------------------------------------------- */

/* The first of the pending entries, up to STEP_DOCS_MAX, become a shard. */
static edn_status fold(edn_client *c)
{
    index_cache *x = c->index;
    size_t n = EDN_MIN(x->pending_n, (size_t)STEP_DOCS_MAX);
    edn_builder *b = NULL;
    edn_status st = index_open(c);

    if (st == EDN_OK)
        st = edn_builder_new(0, &b);
    for (size_t i = 0; st == EDN_OK && i < n; i++) {
        st = index_bury(c, &x->pending[i]);
        if (st == EDN_OK)
            st = index_add(c, b, &x->pending[i].id);
        if (st == EDN_OK)
            st = index_pending_del(c, &x->pending[i].id);
    }
    if (st == EDN_OK)
        st = index_save_masks(c);
    if (st == EDN_OK)
        st = write_builder(c, b, INDEX_RECENT);
    edn_builder_free(b);
    return st;
}

/* ---- merging ----------------------------------------------------------------------------------------------------- */

/* Open shards as parts of a merge, each with a mask of its own. */
typedef struct merging {
    edn_segment_part *parts;
    uint8_t **masks;
    size_t n, alive;
} merging;

static bool is_dead(const index_shard *s, uint32_t doc) { return s->dead && (s->dead[doc / 8] >> doc % 8 & 1); }

static void merging_dispose(merging *m)
{
    for (size_t i = 0; i < m->n; i++)
        free(m->masks[i]);
    free(m->masks);
    free(m->parts);
}

/* What lives in a shard; of a recent one, when the merge is for a year, only what is of that year. */
static edn_status merging_add(merging *m, const index_shard *s, uint32_t year)
{
    size_t alive = 0;
    edn_segment_doc d;
    edn_status st = EDN_OK;
    uint8_t *mask = calloc(1, s->docs / 8 + 1);

    if (!mask)
        return EDN_E_NOMEM;
    for (uint32_t i = 0; st == EDN_OK && i < s->docs; i++) {
        bool dead = is_dead(s, i);
        if (!dead && s->year != year && (st = edn_segment_doc_at(s->segment, i, &d)) == EDN_OK)
            dead = d.date / 10000 != year;
        mask[i / 8] |= (uint8_t)(dead << i % 8);
        alive += !dead;
    }
    if (st != EDN_OK || alive == 0) {
        free(mask);
        return st;
    }
    m->parts[m->n] = (edn_segment_part){s->segment, mask};
    m->masks[m->n++] = mask;
    m->alive += alive;
    return EDN_OK;
}

/* The first `n` shards' documents of a year, or the recent ones, as one new shard; with `recent`, what the recent ones
 * have of that year too. Those of the same year are gone then, recent ones that gave to another are the caller's. */
static edn_status merge(edn_client *c, size_t n, uint32_t year, bool recent)
{
    index_cache *x = c->index;
    index_shard s = shard_next(c, year);
    merging m = {.n = 0};
    edn_status st;

    m.parts = calloc(n + 1, sizeof *m.parts);
    m.masks = calloc(n + 1, sizeof *m.masks);
    st = m.parts && m.masks ? EDN_OK : EDN_E_NOMEM;
    for (size_t i = 0; st == EDN_OK && i < n; i++) {
        bool same = x->shards[i].year == year;
        if (same || (recent && x->shards[i].year == INDEX_RECENT))
            st = merging_add(&m, &x->shards[i], year);
        x->shards[i].gone |= same;
    }
    s.docs = (uint32_t)m.alive;
    if (st == EDN_OK && m.n)
        st = edn_segment_merge(m.parts, m.n, 0, index_page_out, &s, &s.size);
    if (st == EDN_OK && m.n)
        st = index_shard_done(c, &s);
    merging_dispose(&m);
    return st;
}

/* Which years the recent shards have documents of. */
static edn_status recent_years(edn_client *c, bool *years)
{
    edn_segment_doc d;
    edn_status st = EDN_OK;

    for (size_t k = 0; st == EDN_OK && k < c->index->shards_n; k++) {
        const index_shard *s = &c->index->shards[k];
        for (uint32_t i = 0; st == EDN_OK && s->year == INDEX_RECENT && i < s->docs; i++)
            if (!is_dead(s, i) && (st = edn_segment_doc_at(s->segment, i, &d)) == EDN_OK)
                years[EDN_MIN(d.date / 10000, INDEX_YEARS - 1)] = true;
    }
    return st;
}

/* Every document of the recent shards goes to its year. */
static edn_status distribute(edn_client *c)
{
    size_t n = c->index->shards_n;
    bool *years = calloc(INDEX_YEARS, sizeof *years);
    edn_status st = years ? recent_years(c, years) : EDN_E_NOMEM;

    for (uint32_t y = 0; st == EDN_OK && y < INDEX_YEARS; y++)
        if (years[y])
            st = merge(c, n, y, true);
    for (size_t i = 0; i < n; i++)
        c->index->shards[i].gone |= c->index->shards[i].year == INDEX_RECENT;
    free(years);
    return st;
}

/* What there is to merge: a year, INDEX_RECENT, or one of these. */
enum { MERGE_NOTHING = INDEX_YEARS + 1, MERGE_OUT };

static uint32_t what_to_merge(const index_cache *x)
{
    uint64_t recent = 0, recent_docs = 0, docs = 0;

    for (size_t i = 0; i < x->shards_n; i++) {
        const index_shard *s = &x->shards[i];
        docs += s->docs - s->dead_n;
        recent += s->year == INDEX_RECENT;
        recent_docs += s->year == INDEX_RECENT ? s->docs - s->dead_n : 0;
    }
    if (recent >= x->recent_max)
        return recent_docs >= RECENT_DOCS_MAX || recent_docs >= docs / 8 ? (uint32_t)MERGE_OUT : INDEX_RECENT;
    for (size_t i = 0; i < x->shards_n; i++) {
        const index_shard *s = &x->shards[i];
        if (s->dead_n && s->dead_n >= s->docs / DEAD_PART)
            return s->year;
        for (size_t k = 0; k < i && s->year != INDEX_RECENT; k++)
            if (x->shards[k].year == s->year && x->shards[k].docs + s->docs <= YEAR_DOCS_MAX)
                return s->year;
    }
    return MERGE_NOTHING;
}

static edn_status merge_step(edn_client *c)
{
    uint32_t what = what_to_merge(c->index);
    edn_status st = what == MERGE_NOTHING ? EDN_OK : index_open(c);

    if (st != EDN_OK || what == MERGE_NOTHING)
        return st;
    st = what == MERGE_OUT ? distribute(c) : merge(c, c->index->shards_n, what, false);
    for (size_t i = c->index->shards_n; st == EDN_OK && i--;)
        if (c->index->shards[i].gone)
            st = index_shard_drop(c, i);
    return st;
}

/* ---- building ---------------------------------------------------------------------------------------------------- */

/* An entry that may be in no shard. */
typedef struct lacking {
    edn_entry_id id;
    uint32_t year;
} lacking;

typedef struct building {
    edn_client *c;
    edn_entry_id *have; /* ascending: all that live in shards or are pending */
    size_t have_n, have_cap;
    lacking *lacks; /* newest first */
    size_t lacks_n, lacks_cap, done;
    uint64_t next; /* the index's next id when the list was made: another process may build as well */
    const edn_progress *progress;
} building;

static void building_reset(building *b)
{
    free(b->have);
    free(b->lacks);
    b->have = NULL;
    b->lacks = NULL;
    b->have_n = b->have_cap = b->lacks_n = b->lacks_cap = 0;
}

static int id_compare(const void *a, const void *b) { return memcmp(a, b, sizeof(edn_entry_id)); }

static edn_status have_add(building *b, const edn_entry_id *id)
{
    if (!edn_array_room(&b->have, &b->have_cap, b->have_n + 1, sizeof *b->have))
        return EDN_E_NOMEM;
    b->have[b->have_n++] = *id;
    return EDN_OK;
}

static edn_status have_all(building *b)
{
    const index_cache *x = b->c->index;
    edn_segment_doc d;
    edn_status st = index_open(b->c);

    for (size_t k = 0; st == EDN_OK && k < x->shards_n; k++)
        for (uint32_t i = 0; st == EDN_OK && i < x->shards[k].docs; i++)
            if (!is_dead(&x->shards[k], i) && (st = edn_segment_doc_at(x->shards[k].segment, i, &d)) == EDN_OK)
                st = have_add(b, &d.entry);
    for (size_t i = 0; st == EDN_OK && i < x->pending_n; i++)
        st = have_add(b, &x->pending[i].id);
    if (b->have_n)
        qsort(b->have, b->have_n, sizeof *b->have, id_compare);
    return st;
}

static edn_status lack_item(void *ctx, const catalog_item *it)
{
    building *b = ctx;

    if (it->deleted || (b->have_n && bsearch(it->id.b, b->have, b->have_n, sizeof *b->have, id_compare)))
        return EDN_OK;
    if (!edn_array_room(&b->lacks, &b->lacks_cap, b->lacks_n + 1, sizeof *b->lacks))
        return EDN_E_NOMEM;
    b->lacks[b->lacks_n++] = (lacking){it->id, index_date(it->date) / 10000};
    return EDN_OK;
}

static edn_status list_lacking(building *b)
{
    edn_status st;

    building_reset(b);
    b->done = 0;
    if ((st = have_all(b)) == EDN_OK)
        st = catalog_list(b->c, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, true, lack_item, b);
    b->next = b->c->index->next;
    return st;
}

/* The next of what is missing, of one year, as a shard. */
static edn_status build_some(building *b)
{
    edn_client *c = b->c;
    edn_builder *builder = NULL;
    size_t n = 0;
    uint32_t year;
    edn_status st = EDN_OK;

    if (b->next != c->index->next || !b->lacks)
        st = list_lacking(b);
    c->index->complete = b->done == b->lacks_n;
    if (st != EDN_OK || c->index->complete)
        return st;
    year = b->lacks[b->done].year;
    st = edn_builder_new(0, &builder);
    for (size_t i = b->done; st == EDN_OK && n < STEP_DOCS_MAX && i < b->lacks_n && b->lacks[i].year == year; i++) {
        if (edn_builder_memory(builder) > STEP_MEMORY_MAX)
            break;
        bool pending;
        st = index_is_pending(c, &b->lacks[i].id, &pending);
        if (st == EDN_OK && !pending)
            st = index_add(c, builder, &b->lacks[i].id);
        n++;
    }
    if (st == EDN_OK)
        st = write_builder(c, builder, year);
    edn_builder_free(builder);
    b->done += n;
    b->next = c->index->next;
    c->index->complete = b->done == b->lacks_n;
    return st;
}

/* ---- keeping up -------------------------------------------------------------------------------------------------- */

static bool is_due(const index_cache *x)
{
    return !x->complete || x->pending_n >= x->fold_min || what_to_merge(x) != MERGE_NOTHING;
}

static edn_status one_step(building *b)
{
    index_cache *x = b->c->index;
    edn_status st = x->next ? EDN_OK : index_reset(b->c);

    if (st != EDN_OK)
        return st;
    if (!x->complete)
        st = build_some(b);
    else if (x->pending_n >= x->fold_min)
        st = fold(b->c);
    else
        st = merge_step(b->c);
    if (st == EDN_OK)
        st = index_save(b->c);
    index_forget(b->c); /* its rows have it all */
    return st;
}

static bool go_on(const building *b)
{
    return !b->progress || !b->progress->fn || b->lacks_n == 0 ||
           b->progress->fn(b->progress->ctx, "indexing", b->done, b->lacks_n);
}

edn_status index_prepare(edn_client *c, const edn_progress *progress, edn_err *err)
{
    building b = {.c = c, .progress = progress};
    bool due = true;
    edn_status st = client_begin_read(c, err);

    if (st != EDN_OK)
        return st;
    st = index_load(c);
    due = is_due(c->index);
    st = client_end_read(c, st, err);
    while (st == EDN_OK && due) {
        if ((st = client_begin_write(c, err)) != EDN_OK)
            break;
        if ((st = index_load(c)) == EDN_OK && (due = is_due(c->index)))
            st = one_step(&b);
        st = client_end_write(c, st, err);
        if (st == EDN_OK && due && !go_on(&b))
            st = edn_fail(err, EDN_E_CANCELLED, "stopped; what is indexed so far is kept");
    }
    building_reset(&b);
    return st;
}

/* ---- when something is wrong ------------------------------------------------------------------------------------- */

edn_status index_mend(edn_client *c, char text[160], edn_err *err)
{
    index_cache *x = c->index;
    uint64_t bad = x->bad;
    bool found = false;
    edn_status st = client_begin_write(c, err);

    if (st != EDN_OK)
        return st;
    snprintf(text, 160, "the search index was damaged and is made anew");
    st = index_load(c);
    for (size_t i = 0; st == EDN_OK && bad && i < x->shards_n; i++) {
        if (x->shards[i].id != bad)
            continue;
        if (x->shards[i].year < INDEX_RECENT)
            snprintf(text, 160, "the search index of %04u was damaged and is made anew", x->shards[i].year);
        else
            snprintf(text, 160, "the search index of recent changes was damaged and is made anew");
        st = index_shard_drop(c, i);
        found = true;
        break;
    }
    if (st == EDN_OK && !found) /* nobody is to blame: all of it */
        st = index_reset(c);
    x->complete = false;
    if (st == EDN_OK)
        st = index_save(c);
    index_forget(c);
    return client_end_write(c, st, err);
}

edn_status edn_client_reindex(edn_client *c, const edn_progress *progress, edn_err *err)
{
    edn_client *k = c;
    char text[160];
    edn_status st = EDN_OK;

    for (size_t at = 0; st == EDN_OK && k;) {
        k->index->bad = 0;
        if ((st = index_mend(k, text, err)) == EDN_OK)
            st = index_prepare(k, progress, err);
        if (st == EDN_E_DAMAGED && client_is_shared(k))
            st = EDN_OK; /* its store is broken: `verify` names it */
        if (st == EDN_OK)
            st = family_next(c, &at, &k, err);
    }
    return st;
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

edn_status index_audit_begin(edn_client *c, index_audit *a)
{
    index_cache *x = c->index;
    edn_segment_doc d;
    edn_status st;

    *a = (index_audit){.c = c};
    if ((st = index_load(c)) != EDN_OK || (st = index_open(c)) != EDN_OK)
        return st;
    for (size_t k = 0; st == EDN_OK && k < x->shards_n; k++) {
        index_shard *s = &x->shards[k];
        st = edn_segment_check(s->segment);
        if (st != EDN_OK)
            x->bad = s->id;
        for (uint32_t i = 0; st == EDN_OK && i < s->docs; i++) {
            if (is_dead(s, i) || (st = edn_segment_doc_at(s->segment, i, &d)) != EDN_OK)
                continue;
            if (!edn_array_room(&a->docs, &a->cap, a->n + 1, sizeof *a->docs))
                return EDN_E_NOMEM;
            a->docs[a->n++] = d;
        }
    }
    if (a->n)
        qsort(a->docs, a->n, sizeof *a->docs, id_compare); /* the id stands first */
    for (size_t i = 1; i < a->n; i++)
        a->wrong += id_compare(&a->docs[i - 1], &a->docs[i]) == 0;
    return st;
}

static edn_status audit_entry(void *ctx, const edn_entry *e)
{
    index_audit *a = ctx;
    uint8_t version[8];
    const edn_segment_doc *d = a->n ? bsearch(e->id.b, a->docs, a->n, sizeof *a->docs, id_compare) : NULL;

    index_version(e, version);
    if (e->deleted)
        a->wrong += d != NULL;
    else
        a->wrong += d ? memcmp(d->version, version, sizeof version) != 0 || d->date != index_date(e->date)
                      : a->c->index->complete;
    a->seen += d && !e->deleted;
    return EDN_OK;
}

edn_status index_audit_entry(index_audit *a, const edn_entry_id *id)
{
    bool pending;
    edn_status st = index_is_pending(a->c, id, &pending);

    if (st != EDN_OK || !pending)
        return st == EDN_OK ? entry_show(a->c, id, audit_entry, a) : st;
    a->seen += a->n && bsearch(id->b, a->docs, a->n, sizeof *a->docs, id_compare);
    return EDN_OK;
}

uint64_t index_audit_end(index_audit *a)
{
    uint64_t wrong = a->wrong + (a->n - EDN_MIN(a->seen, a->n));

    free(a->docs);
    a->docs = NULL;
    return wrong;
}
