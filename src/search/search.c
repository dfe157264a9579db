/* Searching, counting, months: one walk over the parts, with different things done to what is found. */
#include "search/index.h"

#include <stdlib.h>

#include "search/index_priv.h"

/* The best so far: a heap with the worst on top. */
typedef struct best {
    edn_index *x;
    edn_index_hit *hits;
    size_t n, max;
} best;

/* Whether a hit that was settled belongs to those that are looked for now. */
static bool is_wanted(const edn_index *x, const plan *p)
{
    return x->typed == TYPED_OR_NOT || p->is_typed == (x->typed == TYPED_ONLY);
}

/* Done with each hit of a part; false in *go ends this part. */
typedef edn_status hit_fn(void *ctx, size_t part, uint32_t doc, double score);

/* ---- order ------------------------------------------------------------------------------------------------------- */

static edn_status hit_name(edn_index *x, edn_index_hit *h)
{
    return segment_doc_name(x->parts[h->part].s, h->doc, &h->entry, &h->date);
}

/* Whether a comes behind b. Documents of one part are in order; of two parts, date and id decide. */
static edn_status hit_is_worse(edn_index *x, edn_index_hit *a, edn_index_hit *b, bool *out)
{
    edn_status st;

    if (a->score < b->score || a->score > b->score) {
        *out = a->score < b->score;
        return EDN_OK;
    }
    if (a->part == b->part) {
        *out = a->doc < b->doc;
        return EDN_OK;
    }
    if ((st = hit_name(x, a)) != EDN_OK || (st = hit_name(x, b)) != EDN_OK)
        return st;
    *out = a->date != b->date ? a->date < b->date : memcmp(a->entry.b, b->entry.b, sizeof a->entry.b) < 0;
    return EDN_OK;
}

static void hit_swap(edn_index_hit *a, edn_index_hit *b)
{
    edn_index_hit h = *a;

    *a = *b;
    *b = h;
}

static edn_status best_sink(best *k, size_t i, size_t n)
{
    for (;;) {
        size_t worst = i;
        for (size_t c = 2 * i + 1; c <= 2 * i + 2 && c < n; c++) {
            bool worse;
            edn_status st = hit_is_worse(k->x, &k->hits[c], &k->hits[worst], &worse);
            if (st != EDN_OK)
                return st;
            if (worse)
                worst = c;
        }
        if (worst == i)
            return EDN_OK;
        hit_swap(&k->hits[i], &k->hits[worst]);
        i = worst;
    }
}

static edn_status best_rise(best *k, size_t i)
{
    while (i) {
        size_t up = (i - 1) / 2;
        bool worse;
        edn_status st = hit_is_worse(k->x, &k->hits[i], &k->hits[up], &worse);
        if (st != EDN_OK || !worse)
            return st;
        hit_swap(&k->hits[i], &k->hits[up]);
        i = up;
    }
    return EDN_OK;
}

static edn_status best_take(void *ctx, size_t part, uint32_t doc, double score)
{
    best *k = ctx;
    edn_index_hit h = {.score = score, .part = (uint32_t)part, .doc = doc};
    bool worse;
    edn_status st;

    if (k->n < k->max) {
        k->hits[k->n++] = h;
        return best_rise(k, k->n - 1);
    }
    if ((st = hit_is_worse(k->x, &h, &k->hits[0], &worse)) != EDN_OK || worse)
        return st;
    k->hits[0] = h;
    return best_sink(k, 0, k->n);
}

/* From a heap to the best first. */
static edn_status best_sort(best *k)
{
    edn_status st = EDN_OK;

    for (size_t n = k->n; st == EDN_OK && n > 1; n--) {
        hit_swap(&k->hits[0], &k->hits[n - 1]);
        st = best_sink(k, 0, n - 1);
    }
    for (size_t i = 0; st == EDN_OK && i < k->n; i++)
        st = hit_name(k->x, &k->hits[i]);
    return st;
}

/* ---- walks ------------------------------------------------------------------------------------------------------- */

/* Every live hit of a part, in order of documents. */
static edn_status part_each(edn_index *x, plan *p, size_t part, hit_fn *fn, void *ctx)
{
    edn_status st = EDN_OK;

    for (uint32_t doc = 0;; doc++) {
        bool matches = true;
        if ((st = plan_advance(x, p, part, doc)) != EDN_OK || (doc = p->doc) == DOC_NONE)
            return st;
        if (part_is_dead(&x->parts[part], doc))
            continue;
        if ((!p->exact || p->scored) && (st = plan_settle(x, p, part, &matches)) != EDN_OK)
            return st;
        if (matches && (st = fn(ctx, part, doc, p->score)) != EDN_OK)
            return st;
    }
}

/* Whether documents from `doc` on can be among the best. `*checked`: below it that was asked before. If not, *doc is
 * the last one for which that is certain. */
static bool may_be_best(edn_index *x, plan *p, size_t part, const best *k, uint32_t *doc, uint32_t *checked)
{
    uint32_t until;

    if (k->n < k->max || *doc < *checked)
        return true;
    if (plan_bound(x, p, part, *doc, &until) * recency_of(x, &x->parts[part], until) < k->hits[0].score) {
        *doc = until;
        return false;
    }
    *checked = until + 1;
    return true;
}

/* A hair less, for what rounding may have added. */
static double less(double v) { return v * (1 - 1e-12); }

/* The same as part_each, without what cannot be among the best: blocks by their impacts, then documents by their
 * counts. */
static edn_status plain_best(edn_index *x, plan *p, size_t part, best *k)
{
    const index_part *at = &x->parts[part];
    uint32_t checked = 0;
    edn_status st;

    for (uint32_t doc = 0; doc < at->s->docs; doc++) {
        bool full = k->n == k->max;
        double worst = full ? k->hits[0].score : 0;
        if (!may_be_best(x, p, part, k, &doc, &checked))
            continue;
        st = full ? plan_next(x, p, part, doc, checked - 1, less(worst / recency_of(x, at, checked - 1)))
                  : plan_next(x, p, part, doc, DOC_NONE - 1, 0);
        if (st != EDN_OK || p->doc == DOC_NONE)
            return st;
        doc = p->doc;
        if (full && doc >= checked) {
            checked = doc--; /* a block not looked at yet */
            continue;
        }
        p->score *= recency_of(x, at, doc);
        if (!(full && p->score < worst) && !part_is_dead(at, doc) && (st = best_take(k, part, doc, p->score)) != EDN_OK)
            return st;
    }
    return EDN_OK;
}

/* Of any plan; a document's counts are asked for what they allow before its positions are read. */
static edn_status part_best(edn_index *x, plan *p, size_t part, best *k)
{
    const index_part *at = &x->parts[part];
    uint32_t checked = 0;
    edn_status st;

    for (uint32_t doc = 0; doc < at->s->docs; doc++) {
        bool full = k->n == k->max, matches;
        double worst = full ? k->hits[0].score : 0, recency;
        if (!may_be_best(x, p, part, k, &doc, &checked))
            continue;
        if ((st = plan_advance(x, p, part, doc)) != EDN_OK || p->doc == DOC_NONE)
            return st;
        doc = p->doc;
        if (full && doc >= checked) {
            checked = doc--; /* a block not looked at yet */
            continue;
        }
        recency = recency_of(x, at, doc);
        if (part_is_dead(at, doc) || (full && !p->exact && plan_upper(x, p, part) * recency < less(worst)))
            continue;
        if ((st = plan_settle(x, p, part, &matches)) != EDN_OK)
            return st;
        p->score *= recency;
        if (matches && is_wanted(x, p) && !(full && p->score < worst) &&
            (st = best_take(k, part, doc, p->score)) != EDN_OK)
            return st;
    }
    return EDN_OK;
}

/* The last `max` documents of a part: all that can be among the best where nothing has a score. */
typedef struct newest {
    uint32_t *docs;
    size_t n, max;
} newest;

static edn_status newest_take(void *ctx, size_t part, uint32_t doc, double score)
{
    newest *w = ctx;

    (void)part;
    (void)score;
    w->docs[w->n++ % w->max] = doc;
    return EDN_OK;
}

static edn_status part_newest(edn_index *x, plan *p, size_t part, best *k)
{
    newest w = {malloc(k->max * sizeof *w.docs), 0, k->max};
    edn_status st = w.docs ? part_each(x, p, part, newest_take, &w) : EDN_E_NOMEM;

    for (size_t i = 0; st == EDN_OK && i < EDN_MIN(w.n, w.max); i++)
        st = best_take(k, part, w.docs[i], 0);
    free(w.docs);
    return st;
}

/* One query's memory and plan. */
typedef struct running {
    edn_index *x;
    edn_arena arena;
    plan *p;
} running;

static edn_status running_init(running *r, edn_index *x, const edn_query *q, bool scored)
{
    *r = (running){.x = x, .arena = edn_arena_init(QUERY_MEMORY_SIZE_MAX)};
    x->exact = true;
    return plan_make(x, &r->arena, q, scored, &r->p);
}

static void running_dispose(running *r)
{
    plan_close(r->p);
    edn_arena_dispose(&r->arena);
}

typedef edn_status part_fn(edn_index *x, plan *p, size_t part, void *ctx);

/* Opens the plan in each part that can have a hit, newest parts (the last ones) first: what they hold raises the
 * bar. */
static edn_status parts_each(running *r, bool scored, part_fn *fn, void *ctx)
{
    edn_status st = EDN_OK;

    for (size_t i = r->x->parts_n; st == EDN_OK && i-- > 0;) {
        if (r->x->parts[i].s->docs == 0 || plan_empty(r->p, i))
            continue;
        if ((!scored || (st = segment_lengths(r->x->parts[i].s)) == EDN_OK) &&
            (!scored || !r->x->today || (st = segment_dates(r->x->parts[i].s)) == EDN_OK) &&
            (st = plan_open(r->x, r->p, i)) == EDN_OK)
            st = fn(r->x, r->p, i, ctx);
        plan_leave(r->p);
    }
    return st;
}

static edn_status search_part(edn_index *x, plan *p, size_t part, void *ctx)
{
    if (x->typed == TYPED_OR_NOT && plan_is_plain(p))
        return plain_best(x, p, part, ctx);
    return p->scored ? part_best(x, p, part, ctx) : part_newest(x, p, part, ctx);
}

static edn_status search_once(running *r, best *k)
{
    edn_status st = parts_each(r, r->p->scored, search_part, k);

    return st == EDN_OK ? best_sort(k) : st;
}

/* What matches as it was typed comes before what matches with other accents only. */
static edn_status search_twice(running *r, best *k)
{
    best rest = {.x = k->x};
    edn_status st;

    r->x->typed = TYPED_ONLY;
    if ((st = search_once(r, k)) == EDN_OK && k->n < k->max) {
        rest.hits = k->hits + k->n;
        rest.max = k->max - k->n;
        r->x->typed = TYPED_NOT;
        st = search_once(r, &rest);
        k->n += rest.n;
    }
    r->x->typed = TYPED_OR_NOT;
    return st;
}

edn_status edn_index_search(edn_index *x, const edn_query *q, edn_index_order order, size_t max, edn_index_hit *hits,
                            size_t *n)
{
    best k = {.x = x, .hits = hits, .max = max};
    running r;
    edn_status st;

    *n = 0;
    if (max > EDN_INDEX_HITS_MAX)
        return EDN_E_LIMIT;
    if ((st = running_init(&r, x, q, order == EDN_INDEX_BY_RANK)) == EDN_OK && max)
        st = r.p->tells ? search_twice(&r, &k) : search_once(&r, &k);
    running_dispose(&r);
    if (st == EDN_OK)
        *n = k.n;
    return st;
}

/* ---- counts ------------------------------------------------------------------------------------------------------ */

static edn_status count_take(void *ctx, size_t part, uint32_t doc, double score)
{
    (void)part;
    (void)doc;
    (void)score;
    ++*(uint64_t *)ctx;
    return EDN_OK;
}

/* Where even the rarest word is in many documents, whole lists as bits are several times faster than going from one
 * document to the next. */
static edn_status count_bits(edn_index *x, plan *p, size_t part, uint64_t *sum)
{
    const index_part *at = &x->parts[part];
    size_t bytes = ((size_t)at->s->docs + 7) / 8;
    uint64_t *bits = calloc((size_t)at->s->docs / 64 + 1, sizeof *bits);
    edn_status st = bits ? plan_bits(x, p, part, bits) : EDN_E_NOMEM;

    for (size_t i = 0; st == EDN_OK && i <= at->s->docs / 64; i++) {
        uint64_t dead = 0;
        for (size_t k = 0; at->dead && k < 8 && 8 * i + k < bytes; k++)
            dead |= (uint64_t)at->dead[8 * i + k] << 8 * k;
        *sum += (uint64_t)__builtin_popcountll(bits[i] & ~dead);
    }
    free(bits);
    return st;
}

static edn_status count_part(edn_index *x, plan *p, size_t part, void *ctx)
{
    if (p->exact && p->cost > x->parts[part].s->docs / 128)
        return count_bits(x, p, part, ctx);
    return part_each(x, p, part, count_take, ctx);
}

edn_status edn_index_count(edn_index *x, const edn_query *q, uint64_t *out)
{
    uint64_t n = 0;
    running r;
    edn_status st = running_init(&r, x, q, false);

    *out = 0;
    if (st == EDN_OK && (r.p->kind == EDN_QUERY_TERM || r.p->kind == EDN_QUERY_PREFIX))
        n = r.p->live;
    else if (st == EDN_OK && r.p->kind == EDN_QUERY_ALL)
        n = x->docs;
    else if (st == EDN_OK)
        st = parts_each(&r, false, count_part, &n);
    running_dispose(&r);
    if (st == EDN_OK)
        *out = n;
    return st;
}

/* ---- months ------------------------------------------------------------------------------------------------------ */

typedef struct month {
    uint32_t month, hits;
} month;

typedef struct months {
    edn_index *x;
    month *v; /* a run of rising months for each part */
    size_t n, cap;
} months;

static edn_status month_take(void *ctx, size_t part, uint32_t doc, double score)
{
    months *m = ctx;
    uint32_t at = date_from_code(m->x->parts[part].s->dates[doc]) / 100;

    (void)score;
    if (m->n && m->v[m->n - 1].month == at) {
        m->v[m->n - 1].hits++;
        return EDN_OK;
    }
    if (!edn_array_room(&m->v, &m->cap, m->n + 1, sizeof *m->v))
        return EDN_E_NOMEM;
    m->v[m->n++] = (month){at, 1};
    return EDN_OK;
}

static edn_status months_part(edn_index *x, plan *p, size_t part, void *ctx)
{
    edn_status st = segment_dates(x->parts[part].s);

    return st == EDN_OK ? part_each(x, p, part, month_take, ctx) : st;
}

static int month_compare(const void *a, const void *b)
{
    const month *x = a, *y = b;

    return (x->month > y->month) - (x->month < y->month);
}

edn_status edn_index_months(edn_index *x, const edn_query *q, edn_index_month_fn *fn, void *ctx)
{
    months m = {.x = x};
    running r;
    edn_status st = running_init(&r, x, q, false);

    if (st == EDN_OK)
        st = parts_each(&r, false, months_part, &m);
    running_dispose(&r);
    if (m.n)
        qsort(m.v, m.n, sizeof *m.v, month_compare);
    for (size_t i = 0; st == EDN_OK && i < m.n;) {
        month sum = m.v[i++];
        for (; i < m.n && m.v[i].month == sum.month; i++)
            sum.hits += m.v[i].hits;
        st = fn(ctx, sum.month, sum.hits);
    }
    free(m.v);
    return st;
}
