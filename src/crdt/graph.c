#include "log.h"

#include <stdlib.h>

/* Walks from versions downwards: a max-heap of LVs with the colours of the versions that reach them. Colours travel
 * from an event to its parents; a walk ends when nothing of a single colour is left. It moves run by run, so it costs
 * the runs that lie between the versions and what they have in common. */

/* A walk that has gone down so many runs for nothing gives up, where there are few agents: what each had seen of each
 * (seen.c) is then the better question. */
#define WALK_MAX 256u
#define SEEN_AGENTS_MAX 64u

#define COLOUR_A 1u
#define COLOUR_B 2u
#define COLOUR_BOTH 3u

/* lv << 2 | colour, so that one comparison orders them. */
static inline uint64_t node_of(edn_lv lv, unsigned colour) { return (uint64_t)lv << 2 | colour; }
static inline edn_lv node_lv(uint64_t v) { return (edn_lv)(v >> 2); }

static bool heap_push(edn_graph_heap *h, uint64_t v)
{
    uint32_t i = h->n;

    if (!EDN_VEC_ROOM(h->v, h->cap, h->n + 1u))
        return false;
    h->n++;
    while (i && h->v[(i - 1) / 2] < v) {
        h->v[i] = h->v[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    h->v[i] = v;
    return true;
}

static uint64_t heap_pop(edn_graph_heap *h)
{
    uint64_t top = h->v[0], v = h->v[--h->n];
    uint32_t i = 0;

    for (;;) {
        uint32_t c = 2 * i + 1;
        if (c >= h->n)
            break;
        if (c + 1 < h->n && h->v[c + 1] > h->v[c])
            c++;
        if (h->v[c] <= v)
            break;
        h->v[i] = h->v[c];
        i = c;
    }
    if (h->n)
        h->v[i] = v;
    return top;
}

static bool range_add(edn_lv_ranges *out, edn_lv from, edn_lv to)
{
    if (!out || from == to)
        return true;
    if (out->n && out->v[out->n - 1].from == to) {
        out->v[out->n - 1].from = from;
        return true;
    }
    if (!EDN_VEC_ROOM(out->v, out->cap, out->n + 1u))
        return false;
    out->v[out->n++] = (edn_lv_range){from, to};
    return true;
}

void edn_lv_ranges_turn(edn_lv_ranges *r)
{
    for (uint32_t i = 0; i < r->n / 2; i++) {
        edn_lv_range t = r->v[i];
        r->v[i] = r->v[r->n - 1 - i];
        r->v[r->n - 1 - i] = t;
    }
}

static bool colour_add(edn_lv_ranges *a, edn_lv_ranges *b, unsigned colour, edn_lv from, edn_lv to)
{
    return colour == COLOUR_BOTH || range_add(colour == COLOUR_A ? a : b, from, to);
}

edn_status edn_log_diff(const edn_log *log, edn_graph_heap *heap, const edn_lv *a, uint32_t n_a, const edn_lv *b,
                        uint32_t n_b, edn_lv_ranges *only_a, edn_lv_ranges *only_b)
{
    uint32_t single = 0; /* entries of one colour */
    uint32_t idle = 0, begin_a = only_a ? only_a->n : 0, begin_b = only_b ? only_b->n : 0;

    heap->n = 0;
    for (uint32_t i = 0; i < n_a; i++, single++)
        if (!heap_push(heap, node_of(a[i], COLOUR_A)))
            return EDN_E_NOMEM;
    for (uint32_t i = 0; i < n_b; i++, single++)
        if (!heap_push(heap, node_of(b[i], COLOUR_B)))
            return EDN_E_NOMEM;
    while (single) {
        uint64_t top = heap_pop(heap);
        unsigned colour = top & 3;
        edn_lv at = node_lv(top);
        const edn_graph_run *g = &log->graph[edn_log_run_of(log, at)];
        const edn_lv *par;
        uint32_t n_par;
        idle += colour == COLOUR_BOTH;
        if (idle > WALK_MAX && log->n_agents <= SEEN_AGENTS_MAX) {
            if (only_a)
                only_a->n = begin_a;
            if (only_b)
                only_b->n = begin_b;
            return edn_log_seen_diff(log, heap, a, n_a, b, n_b, only_a, only_b);
        }
        single -= colour != COLOUR_BOTH;
        /* Whatever else reaches this run adds its colour from there downwards. */
        while (heap->n && node_lv(heap->v[0]) >= g->lv) {
            uint64_t other = heap_pop(heap);
            single -= (other & 3) != COLOUR_BOTH;
            if ((other & 3 & ~colour) == 0)
                continue;
            if (!colour_add(only_a, only_b, colour, node_lv(other) + 1, at + 1))
                return EDN_E_NOMEM;
            at = node_lv(other);
            colour |= other & 3;
        }
        if (!colour_add(only_a, only_b, colour, g->lv, at + 1))
            return EDN_E_NOMEM;
        par = edn_log_parents(g, log, &n_par);
        for (uint32_t i = 0; i < n_par; i++, single += colour != COLOUR_BOTH)
            if (!heap_push(heap, node_of(par[i], colour)))
                return EDN_E_NOMEM;
    }
    return EDN_OK;
}

/* `*steps`: runs that may be visited; 0 afterwards: there was no answer in so many. */
static edn_status reaches_walk(const edn_log *log, edn_graph_heap *heap, const edn_lv *version, uint32_t n, edn_lv lv,
                               uint32_t *steps, bool *out)
{
    *out = false;
    heap->n = 0;
    for (uint32_t i = 0; i < n; i++)
        if (version[i] >= lv && !heap_push(heap, node_of(version[i], 0)))
            return EDN_E_NOMEM;
    while (heap->n) {
        edn_lv at = node_lv(heap_pop(heap));
        const edn_graph_run *g = &log->graph[edn_log_run_of(log, at)];
        const edn_lv *par;
        uint32_t n_par;
        if (lv >= g->lv) {
            *out = true; /* at >= lv, in one run */
            return EDN_OK;
        }
        if (--*steps == 0)
            return EDN_OK;
        while (heap->n && node_lv(heap->v[0]) >= g->lv)
            (void)heap_pop(heap); /* the same run again */
        par = edn_log_parents(g, log, &n_par);
        for (uint32_t i = 0; i < n_par; i++)
            if (par[i] >= lv && !heap_push(heap, node_of(par[i], 0)))
                return EDN_E_NOMEM;
    }
    return EDN_OK;
}

edn_status edn_log_reaches(const edn_log *log, edn_graph_heap *heap, const edn_lv *version, uint32_t n, edn_lv lv,
                           bool *out)
{
    uint32_t steps = UINT32_MAX; /* more than there are runs */

    return reaches_walk(log, heap, version, n, lv, &steps, out);
}

static edn_status seen_reaches(const edn_log *log, edn_graph_heap *heap, const edn_lv *version, uint32_t n, edn_lv lv,
                               bool *out)
{
    const edn_graph_run *g = &log->graph[edn_log_run_of(log, lv)];
    uint32_t next;
    edn_status st = EDN_OK;

    *out = false;
    for (uint32_t i = 0; st == EDN_OK && !*out && i < n; i++) {
        st = edn_log_seen(log, heap, version[i], g->agent, &next);
        *out = st == EDN_OK && next > g->seq + (lv - g->lv);
    }
    return st;
}

edn_status edn_log_heard(const edn_log *log, edn_graph_heap *heap, const edn_lv *version, uint32_t n, edn_lv lv,
                         bool *out)
{
    uint32_t steps = WALK_MAX;
    edn_status st = reaches_walk(log, heap, version, n, lv, &steps, out);

    return st == EDN_OK && steps == 0 ? seen_reaches(log, heap, version, n, lv, out) : st;
}

static edn_status seen_minimal(const edn_log *log, edn_graph_heap *heap, const edn_lv *v, uint32_t n, bool *out)
{
    edn_status st = EDN_OK;

    for (uint32_t i = 0; st == EDN_OK && *out && i + 1 < n; i++) {
        bool reached = v[i] == v[i + 1];
        if (!reached)
            st = seen_reaches(log, heap, v + i + 1, n - i - 1, v[i], &reached);
        *out = !reached;
    }
    return st;
}

/* One walk from all of them at once: colour A is "one of them", B is "reached from one above". */
edn_status edn_log_minimal(const edn_log *log, edn_graph_heap *heap, const edn_lv *v, uint32_t n, bool *out)
{
    uint32_t steps = 0;

    *out = true;
    if (n < 2)
        return EDN_OK;
    heap->n = 0;
    for (uint32_t i = 0; i < n; i++)
        if (!heap_push(heap, node_of(v[i], COLOUR_A)))
            return EDN_E_NOMEM;
    for (;;) {
        edn_lv at = node_lv(heap_pop(heap));
        const edn_graph_run *g = &log->graph[edn_log_run_of(log, at)];
        const edn_lv *par;
        uint32_t n_par;
        if (++steps > WALK_MAX && n <= SEEN_AGENTS_MAX)
            return seen_minimal(log, heap, v, n, out);
        while (heap->n && node_lv(heap->v[0]) >= g->lv) {
            if (heap_pop(heap) & COLOUR_A) {
                *out = false; /* lower in the same run, or the same event twice */
                return EDN_OK;
            }
        }
        par = edn_log_parents(g, log, &n_par);
        for (uint32_t i = 0; i < n_par; i++)
            if (par[i] >= v[0] && !heap_push(heap, node_of(par[i], COLOUR_B)))
                return EDN_E_NOMEM;
        if (heap->n == 0)
            return EDN_OK;
    }
}
