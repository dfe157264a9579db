/* Running a plan over one part: iterators that go to candidates, bounds that say where to look no further, and the
 * exact answer for one document. */
#include "index_priv.h"

#include <stdlib.h>

/* ---- scores ------------------------------------------------------------------------------------------------------ */

static double norm_of(const edn_index *x, size_t part, uint32_t doc)
{
    return 0.3 + x->slope * x->parts[part].s->lengths[doc];
}

static double score_of(const edn_index *x, size_t part, double weight, uint32_t times, uint32_t doc)
{
    return weight * times / (times + norm_of(x, part, doc));
}

/* The same for an impact. */
static double score_of_impact(const index_part *part, double weight, float impact)
{
    double y = (double)impact * part->stretch;

    return 1.00001 * weight * y / (y + 1.2);
}

/* ---- opening and leaving ----------------------------------------------------------------------------------------- */

static uint64_t cost_of(const plan *p)
{
    switch (p->kind) {
    case EDN_QUERY_TERM:
        return p->cursor_open ? p->c.ref.df : 0;
    case EDN_QUERY_PREFIX:
        return p->prefix->df;
    case EDN_QUERY_DATE:
        return p->hi - p->lo;
    default:
        return UINT32_MAX;
    }
}

/* The cheapest kid first. */
static void kids_order(plan *p)
{
    for (size_t i = 0; i < p->kids_n; i++) {
        size_t at = i;
        for (; at > 0 && p->by_cost[at - 1]->cost > p->kids[i]->cost; at--)
            p->by_cost[at] = p->by_cost[at - 1];
        p->by_cost[at] = p->kids[i];
    }
}

static edn_status kids_open(edn_index *x, plan *p, size_t part)
{
    edn_status st = EDN_OK;
    uint64_t sum = 0;

    p->terms_only = true;
    for (size_t i = 0; st == EDN_OK && i < p->kids_n; i++) {
        st = plan_open(x, p->kids[i], part);
        sum += p->kids[i]->cost;
        p->terms_only = p->terms_only && p->kids[i]->kind == EDN_QUERY_TERM && p->kids[i]->cursor_open &&
                        !p->kids[i]->only;
    }
    kids_order(p);
    p->cost = p->kind == EDN_QUERY_OR ? sum : p->kind == EDN_QUERY_NOT ? UINT32_MAX : p->by_cost[0]->cost;
    return st;
}

edn_status plan_open(edn_index *x, plan *p, size_t part)
{
    edn_segment *s = x->parts[part].s;
    edn_status st = EDN_OK;

    p->doc = 0;
    p->started = false;
    p->score = 0;
    switch (p->kind) {
    case EDN_QUERY_TERM:
        if (p->refs[part].df) {
            st = cursor_init(&p->c, s, &p->refs[part], p->counted);
            p->cursor_open = true;
        }
        p->only = x->typed == TYPED_ONLY && p->needed && p->typed ? p->typed[part] : NULL;
        break;
    case EDN_QUERY_PREFIX:
        p->prefix = &p->prefixes[part];
        break;
    case EDN_QUERY_DATE:
        st = segment_dates_range(s, p->from, p->to, &p->lo, &p->hi);
        break;
    case EDN_QUERY_ALL:
        break;
    default:
        return kids_open(x, p, part);
    }
    p->cost = cost_of(p);
    return st;
}

void plan_leave(plan *p)
{
    for (size_t i = 0; i < p->kids_n; i++)
        plan_leave(p->kids[i]);
    if (p->cursor_open)
        cursor_dispose(&p->c);
    p->cursor_open = false;
}

/* ---- advancing --------------------------------------------------------------------------------------------------- */

/* The first of them from `target` on, which is below `docs`; DOC_NONE: there is none. */
static uint32_t bits_next(const uint64_t *there, uint32_t target, uint32_t docs)
{
    uint32_t i = target / 64;
    uint64_t bits = there[i] & ~0ull << target % 64;

    while (!bits && i < docs / 64)
        bits = there[++i];
    return bits ? 64 * i + (uint32_t)__builtin_ctzll(bits) : DOC_NONE;
}

static edn_status term_advance(plan *p, uint32_t target, uint32_t docs)
{
    edn_status st = EDN_OK;

    p->doc = DOC_NONE;
    while (p->cursor_open && target < docs) {
        if (p->only && (target = bits_next(p->only, target, docs)) >= docs)
            break;
        if ((st = cursor_seek(&p->c, target)) != EDN_OK)
            break;
        if (!p->only || p->c.doc == target || p->c.doc == DOC_NONE) {
            p->doc = p->c.doc;
            break;
        }
        target = p->c.doc;
    }
    return st;
}

static void prefix_advance(plan *p, uint32_t target, uint32_t docs)
{
    p->doc = bits_next(p->prefix->there, target, docs);
}

/* What nearly every query of several words comes down to. */
static edn_status terms_advance(plan *p, uint32_t target)
{
    for (size_t i = 0; i < p->kids_n;) {
        cursor *c = &p->by_cost[i]->c;
        edn_status st = cursor_seek(c, target);
        if (st != EDN_OK)
            return st;
        i = c->doc > target ? 0 : i + 1;
        target = c->doc;
        if (target == DOC_NONE)
            break;
    }
    p->doc = target;
    return EDN_OK;
}

static edn_status all_advance(edn_index *x, plan *p, size_t part, uint32_t target)
{
    edn_status st;

    if (p->terms_only) {
        st = terms_advance(p, target);
        for (size_t i = 0; i < p->kids_n; i++) {
            p->kids[i]->doc = p->doc;
            p->kids[i]->started = true;
        }
        return st;
    }
    for (size_t i = 0; i < p->kids_n;) {
        plan *kid = p->by_cost[i];
        if ((st = plan_advance(x, kid, part, target)) != EDN_OK)
            return st;
        if (kid->doc == DOC_NONE) {
            p->doc = DOC_NONE;
            return EDN_OK;
        }
        i = kid->doc > target ? 0 : i + 1;
        target = kid->doc;
    }
    p->doc = target;
    return EDN_OK;
}

static edn_status any_advance(edn_index *x, plan *p, size_t part, uint32_t target)
{
    uint32_t least = DOC_NONE;
    edn_status st;

    for (size_t i = 0; i < p->kids_n; i++) {
        if ((st = plan_advance(x, p->kids[i], part, target)) != EDN_OK)
            return st;
        least = EDN_MIN(least, p->kids[i]->doc);
    }
    p->doc = least;
    return EDN_OK;
}

edn_status plan_advance(edn_index *x, plan *p, size_t part, uint32_t target)
{
    uint32_t docs = x->parts[part].s->docs;

    if (p->started && p->doc >= target)
        return EDN_OK;
    p->started = true;
    if (target >= docs) {
        p->doc = DOC_NONE;
        return EDN_OK;
    }
    switch (p->kind) {
    case EDN_QUERY_TERM:
        return term_advance(p, target, docs);
    case EDN_QUERY_PREFIX:
        prefix_advance(p, target, docs);
        return EDN_OK;
    case EDN_QUERY_DATE:
        p->doc = EDN_MAX(target, p->lo);
        if (p->doc >= p->hi)
            p->doc = DOC_NONE;
        return EDN_OK;
    case EDN_QUERY_OR:
        return any_advance(x, p, part, target);
    case EDN_QUERY_AND:
    case EDN_QUERY_PHRASE:
        return all_advance(x, p, part, target);
    default: /* all, and all that is not something */
        p->doc = target;
        return EDN_OK;
    }
}

/* ---- advancing to what scores enough ----------------------------------------------------------------------------- */

/* Whether `weight * times / (times + norm)` may reach `enough`, without a division: false only when it is certain. */
static inline bool may_reach(double weight, uint32_t times, double norm, double enough)
{
    return weight * times >= (1 - 1e-12) * enough * (times + norm);
}

static edn_status term_next(const edn_index *x, plan *p, size_t part, uint32_t target, uint32_t until, double enough)
{
    const uint32_t *lengths = x->parts[part].s->lengths;
    cursor *c = &p->c;
    double slope = x->slope, weight = p->weight;
    edn_status st = cursor_seek(c, target);

    while (st == EDN_OK && c->doc != DOC_NONE && c->doc <= until) {
        uint32_t i = c->i;
        for (; i < c->n && !may_reach(weight, c->counts[i], 0.3 + slope * lengths[c->docs[i]], enough); i++)
            continue;
        if (i < c->n) {
            c->i = i;
            c->doc = c->docs[i];
            break;
        }
        st = cursor_seek_slow(c, c->docs[c->n - 1] + 1);
    }
    p->doc = c->doc;
    if (st == EDN_OK && p->doc != DOC_NONE)
        p->score = score_of(x, part, weight, cursor_count(c), p->doc);
    return st;
}

static edn_status terms_next(const edn_index *x, plan *p, size_t part, uint32_t target, uint32_t until, double enough)
{
    const uint32_t *lengths = x->parts[part].s->lengths;
    edn_status st;

    for (;; target = p->doc + 1) {
        double norm, sum = 0;
        if ((st = terms_advance(p, target)) != EDN_OK || p->doc == DOC_NONE || p->doc > until)
            return st;
        norm = 0.3 + x->slope * lengths[p->doc];
        for (size_t i = 0; i < p->kids_n; i++) {
            const cursor *c = &p->kids[i]->c;
            if (p->kids[i]->scored)
                sum += p->kids[i]->weight * cursor_count(c) / (cursor_count(c) + norm);
        }
        p->score = sum;
        if (sum >= enough)
            return EDN_OK;
    }
}

static void prefix_next(const edn_index *x, plan *p, size_t part, uint32_t target, uint32_t until, double enough)
{
    const index_part *at = &x->parts[part];
    const uint32_t *lengths = at->s->lengths, *counts = p->prefix->counts;

    for (p->doc = DOC_NONE;; target = p->doc + 1) {
        prefix_advance(p, target, at->s->docs);
        if (p->doc == DOC_NONE || p->doc > until)
            return;
        if (may_reach(p->weight, counts[p->doc], 0.3 + x->slope * lengths[p->doc], enough))
            break;
    }
    p->score = score_of(x, part, p->weight, counts[p->doc], p->doc);
}

bool plan_is_plain(const plan *p)
{
    return p->scored &&
           (p->kind == EDN_QUERY_TERM || p->kind == EDN_QUERY_PREFIX || (p->kind == EDN_QUERY_AND && p->terms_only));
}

edn_status plan_next(const edn_index *x, plan *p, size_t part, uint32_t target, uint32_t until, double enough)
{
    p->started = true;
    if (target >= x->parts[part].s->docs || (p->kind == EDN_QUERY_TERM && !p->cursor_open)) {
        p->doc = DOC_NONE;
        return EDN_OK;
    }
    switch (p->kind) {
    case EDN_QUERY_TERM:
        return term_next(x, p, part, target, until, enough);
    case EDN_QUERY_PREFIX:
        prefix_next(x, p, part, target, until, enough);
        return EDN_OK;
    default:
        return terms_next(x, p, part, target, until, enough);
    }
}

/* ---- phrases ----------------------------------------------------------------------------------------------------- */

static uint32_t kid_times(const plan *kid, uint32_t doc)
{
    return kid->kind == EDN_QUERY_PREFIX ? kid->prefix->counts[doc] : cursor_count(&kid->c);
}

static int u32_compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* The positions of an item in the current document, rising. */
static edn_status kid_positions(plan *kid, uint32_t doc, const uint32_t **v, uint32_t *n)
{
    const prefix_docs *u = kid->prefix;
    edn_status st;

    if (kid->kind == EDN_QUERY_TERM) {
        if ((st = cursor_positions(&kid->c)) != EDN_OK)
            return st;
        *v = kid->c.positions;
        *n = cursor_count(&kid->c);
        return EDN_OK;
    }
    *n = u->from[doc + 1] - u->from[doc];
    qsort(u->positions + u->from[doc], *n, sizeof *u->positions, u32_compare);
    *v = u->positions + u->from[doc];
    return EDN_OK;
}

/* Keeps those of p->found[0..n) that the item has too, `offset` behind. */
static size_t found_keep(plan *p, size_t n, const uint32_t *v, uint32_t v_n, uint32_t offset)
{
    size_t kept = 0;
    uint32_t at = 0;

    for (size_t i = 0; i < n && at < v_n; i++) {
        uint64_t want = (uint64_t)p->found[i] + offset;
        while (at < v_n && v[at] < want)
            at++;
        if (at < v_n && v[at] == want)
            p->found[kept++] = p->found[i];
    }
    return kept;
}

/* The rarest item first: where it stands, less its offset, is where the phrase may begin. */
static edn_status found_begin(plan *p, size_t first, size_t *n)
{
    const uint32_t *v;
    uint32_t v_n;
    edn_status st = kid_positions(p->kids[first], p->doc, &v, &v_n);

    *n = 0;
    if (st != EDN_OK)
        return st;
    if (v_n > p->found_cap) {
        uint32_t *more = realloc(p->found, ((size_t)v_n + 64) * sizeof *more);
        if (!more)
            return EDN_E_NOMEM;
        p->found = more;
        p->found_cap = (size_t)v_n + 64;
    }
    for (uint32_t i = 0; i < v_n; i++)
        if (v[i] >= p->offsets[first] && (*n == 0 || p->found[*n - 1] != v[i] - p->offsets[first]))
            p->found[(*n)++] = v[i] - p->offsets[first];
    return EDN_OK;
}

static edn_status phrase_count(plan *p)
{
    size_t first = 0, n;
    edn_status st;

    for (size_t i = 1; i < p->kids_n; i++)
        if (kid_times(p->kids[i], p->doc) < kid_times(p->kids[first], p->doc))
            first = i;
    st = found_begin(p, first, &n);
    for (size_t i = 0; st == EDN_OK && n && i < p->kids_n; i++) {
        const uint32_t *v;
        uint32_t v_n;
        if (i == first)
            continue;
        if ((st = kid_positions(p->kids[i], p->doc, &v, &v_n)) == EDN_OK)
            n = found_keep(p, n, v, v_n, p->offsets[i]);
    }
    p->times = st == EDN_OK ? (uint32_t)n : 0;
    return st;
}

/* Without positions, the caller's look at the text decides. */
static edn_status phrase_ask(edn_index *x, plan *p, size_t part)
{
    edn_segment_doc doc;
    edn_status st;

    p->times = 1;
    if (!x->phrase) {
        x->exact = false;
        return EDN_OK;
    }
    if ((st = edn_segment_doc_at(x->parts[part].s, p->doc, &doc)) != EDN_OK)
        return st;
    return x->phrase(x->phrase_ctx, &doc.entry, p->query, &p->times);
}

/* ---- settling ---------------------------------------------------------------------------------------------------- */

static bool term_is_typed(const plan *p, size_t part, uint32_t doc)
{
    return !p->typed || !p->typed[part] || p->typed[part][doc / 64] >> doc % 64 & 1;
}

static edn_status all_settle(edn_index *x, plan *p, size_t part, bool *matches)
{
    edn_status st;

    *matches = true;
    for (size_t i = 0; i < p->kids_n; i++) {
        if ((st = plan_settle(x, p->kids[i], part, matches)) != EDN_OK || !*matches)
            return st;
        p->score += p->kids[i]->score;
        p->is_typed = p->is_typed && p->kids[i]->is_typed;
    }
    return EDN_OK;
}

static edn_status any_settle(edn_index *x, plan *p, size_t part, bool *matches)
{
    edn_status st;

    *matches = p->is_typed = false;
    for (size_t i = 0; i < p->kids_n; i++) {
        bool kid_matches;
        if (p->kids[i]->doc != p->doc)
            continue;
        if ((st = plan_settle(x, p->kids[i], part, &kid_matches)) != EDN_OK)
            return st;
        *matches = *matches || kid_matches;
        p->is_typed = p->is_typed || (kid_matches && p->kids[i]->is_typed);
        if (kid_matches)
            p->score += p->kids[i]->score;
    }
    return EDN_OK;
}

static edn_status not_settle(edn_index *x, plan *p, size_t part, bool *matches)
{
    plan *kid = p->kids[0];
    bool kid_matches = false;
    edn_status st = plan_advance(x, kid, part, p->doc);

    if (st == EDN_OK && kid->doc == p->doc)
        st = plan_settle(x, kid, part, &kid_matches);
    *matches = !kid_matches;
    return st;
}

/* Of a phrase: whether each of its words stands anywhere as typed. Positions of accents are kept nowhere. */
static bool words_are_typed(const plan *p, size_t part)
{
    bool is = true;

    for (size_t i = 0; i < p->kids_n; i++)
        is = is && term_is_typed(p->kids[i], part, p->doc);
    return is;
}

edn_status plan_settle(edn_index *x, plan *p, size_t part, bool *matches)
{
    edn_status st;

    *matches = true;
    p->is_typed = true;
    p->score = 0;
    switch (p->kind) {
    case EDN_QUERY_AND:
        return all_settle(x, p, part, matches);
    case EDN_QUERY_OR:
        return any_settle(x, p, part, matches);
    case EDN_QUERY_NOT:
        return not_settle(x, p, part, matches);
    case EDN_QUERY_TERM:
        p->times = p->counted ? cursor_count(&p->c) : 1;
        p->is_typed = term_is_typed(p, part, p->doc);
        break;
    case EDN_QUERY_PREFIX:
        p->times = p->counted ? p->prefix->counts[p->doc] : 1;
        break;
    case EDN_QUERY_PHRASE:
        st = x->parts[part].s->positions ? phrase_count(p) : phrase_ask(x, p, part);
        *matches = p->times != 0;
        p->is_typed = words_are_typed(p, part);
        if (st != EDN_OK || !*matches)
            return st;
        break;
    default:
        return EDN_OK;
    }
    if (p->scored)
        p->score = score_of(x, part, p->weight, p->times, p->doc);
    return EDN_OK;
}

/* ---- all at once ------------------------------------------------------------------------------------------------- */

static edn_status term_bits(plan *p, uint64_t *bits)
{
    edn_status st = EDN_OK;

    for (uint32_t b = 0; st == EDN_OK && p->cursor_open && b < p->c.blocks; b++) {
        st = cursor_load(&p->c, b);
        for (uint32_t i = 0; st == EDN_OK && i < p->c.n; i++)
            bits[p->c.docs[i] / 64] |= 1ull << p->c.docs[i] % 64;
    }
    return st;
}

static void range_bits(uint64_t *bits, uint32_t lo, uint32_t hi)
{
    for (; lo < hi && lo % 64; lo++)
        bits[lo / 64] |= 1ull << lo % 64;
    for (; lo + 64 <= hi; lo += 64)
        bits[lo / 64] = ~0ull;
    for (; lo < hi; lo++)
        bits[lo / 64] |= 1ull << lo % 64;
}

static edn_status kids_bits(edn_index *x, plan *p, size_t part, uint64_t *bits)
{
    size_t n = (size_t)x->parts[part].s->docs / 64 + 1;
    uint64_t *one = malloc(n * sizeof *one);
    edn_status st = one ? EDN_OK : EDN_E_NOMEM;

    for (size_t i = 0; st == EDN_OK && i < p->kids_n; i++) {
        memset(one, 0, n * sizeof *one);
        if ((st = plan_bits(x, p->kids[i], part, one)) != EDN_OK)
            break;
        if (p->kind == EDN_QUERY_AND && i)
            for (size_t k = 0; k < n; k++)
                bits[k] &= one[k];
        else
            for (size_t k = 0; k < n; k++)
                bits[k] |= one[k];
    }
    free(one);
    return st;
}

edn_status plan_bits(edn_index *x, plan *p, size_t part, uint64_t *bits)
{
    uint32_t docs = x->parts[part].s->docs;

    EDN_ASSERT(p->exact);
    switch (p->kind) {
    case EDN_QUERY_TERM:
        return term_bits(p, bits);
    case EDN_QUERY_PREFIX:
        memcpy(bits, p->prefix->there, ((size_t)docs / 64 + 1) * sizeof *bits);
        return EDN_OK;
    case EDN_QUERY_AND:
    case EDN_QUERY_OR:
        return kids_bits(x, p, part, bits);
    case EDN_QUERY_DATE:
        range_bits(bits, p->lo, p->hi);
        return EDN_OK;
    default:
        range_bits(bits, 0, docs);
        return EDN_OK;
    }
}

/* ---- bounds ------------------------------------------------------------------------------------------------------ */

/* What a document of [from, *until] may have at most of a phrase: of each item in it, as much as it has of the
 * rarest. */
static double phrase_bound(const edn_index *x, plan *p, size_t part, uint32_t from, uint32_t *until)
{
    float least = 1e30f;

    for (size_t i = 0; i < p->kids_n; i++) {
        uint32_t kid_until = DOC_NONE - 1;
        float impact = 1e30f;
        if (p->kids[i]->kind == EDN_QUERY_TERM && p->kids[i]->cursor_open)
            impact = cursor_impact(&p->kids[i]->c, from, &kid_until);
        least = EDN_MIN(least, impact);
        *until = EDN_MIN(*until, kid_until);
    }
    return score_of_impact(&x->parts[part], p->weight, least);
}

double plan_bound(const edn_index *x, plan *p, size_t part, uint32_t from, uint32_t *until)
{
    double sum = 0;

    *until = DOC_NONE - 1;
    if (!p->scored)
        return 0;
    if (p->kind == EDN_QUERY_TERM)
        return p->cursor_open ? score_of_impact(&x->parts[part], p->weight, cursor_impact(&p->c, from, until)) : 0;
    if (p->kind == EDN_QUERY_PREFIX)
        return p->weight;
    if (p->kind == EDN_QUERY_PHRASE)
        return phrase_bound(x, p, part, from, until);
    for (size_t i = 0; i < p->kids_n; i++) {
        uint32_t kid_until;
        sum += plan_bound(x, p->kids[i], part, from, &kid_until);
        *until = EDN_MIN(*until, kid_until);
    }
    return sum;
}

double plan_upper(const edn_index *x, const plan *p, size_t part)
{
    uint32_t least = UINT32_MAX;
    double sum = 0;

    if (!p->scored)
        return 0;
    switch (p->kind) {
    case EDN_QUERY_TERM:
        return score_of(x, part, p->weight, cursor_count(&p->c), p->doc);
    case EDN_QUERY_PREFIX:
        return score_of(x, part, p->weight, p->prefix->counts[p->doc], p->doc);
    case EDN_QUERY_PHRASE:
        if (!x->parts[part].s->positions)
            return p->weight;
        for (size_t i = 0; i < p->kids_n; i++)
            least = EDN_MIN(least, kid_times(p->kids[i], p->doc));
        return score_of(x, part, p->weight, least, p->doc);
    default:
        for (size_t i = 0; i < p->kids_n; i++)
            if (p->kind == EDN_QUERY_AND || p->kids[i]->doc == p->doc)
                sum += plan_upper(x, p->kids[i], part);
        return sum;
    }
}
