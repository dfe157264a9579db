#include "log.h"

#include <stdlib.h>

/* What an event had seen of one agent: a number, because an agent's events are a chain. It is what the walks of graph.c
 * find out by going down the graph; they go on to this when they have gone down far.
 *
 * All events of a graph run have seen the same of other agents: the most that one of its first event's parents had. So
 * the answer for (run, agent) is looked up, or asked of the parents' runs and kept. A chain of n runs that each hear of
 * an agent is answered in n steps in all, where n walks take n * n / 2. */

#define SEEN_SLOTS_MAX ((uint32_t)1 << 20) /* 16 MiB; then all is forgotten, and asked again */

typedef struct seen_ask {
    uint32_t run, next; /* parents below `next` were asked */
    uint32_t best;
} seen_ask;

static uint32_t slot_of(const edn_graph_seen *s, uint64_t key)
{
    uint64_t h = key * 0x9e3779b97f4a7c15u;
    uint32_t i = (uint32_t)(h >> 40) & (s->cap - 1);

    while (s->slots[i].key && s->slots[i].key != key)
        i = (i + 1) & (s->cap - 1);
    return i;
}

static uint64_t key_of(uint32_t run, uint32_t agent) { return ((uint64_t)run << 32 | agent) + 1; }

static bool seen_grow(edn_graph_seen *s)
{
    edn_graph_seen old = *s;

    if (s->cap && s->n < s->cap / 2)
        return true;
    if (s->cap == SEEN_SLOTS_MAX) {
        memset(s->slots, 0, s->cap * sizeof *s->slots);
        s->n = 0;
        return true;
    }
    s->cap = old.cap ? 2 * old.cap : 1024;
    s->slots = calloc(s->cap, sizeof *s->slots);
    if (!s->slots) {
        *s = old;
        return false;
    }
    for (uint32_t i = 0; i < old.cap; i++)
        if (old.slots[i].key)
            s->slots[slot_of(s, old.slots[i].key)] = old.slots[i];
    free(old.slots);
    return true;
}

static bool seen_keep(edn_graph_seen *s, uint32_t run, uint32_t agent, uint32_t next)
{
    uint32_t i;

    if (!seen_grow(s))
        return false;
    i = slot_of(s, key_of(run, agent));
    s->n += s->slots[i].key == 0;
    s->slots[i] = (edn_graph_seen_slot){key_of(run, agent), next};
    return true;
}

/* What is known of `lv` without asking: its own agent, or a run that was asked before. */
static bool seen_known(const edn_log *log, const edn_graph_seen *s, edn_lv lv, uint32_t agent, uint32_t *run,
                       uint32_t *next)
{
    const edn_graph_run *g;

    *run = edn_log_run_of(log, lv);
    g = &log->graph[*run];
    *next = g->seq + (lv - g->lv) + 1;
    if (g->agent == agent)
        return true;
    *next = 0;
    if (log->agents[agent].n_runs == 0 || log->agents[agent].runs[0] > *run)
        return true; /* it is younger */
    if (s->cap) {
        const edn_graph_seen_slot *slot = &s->slots[slot_of(s, key_of(*run, agent))];
        *next = slot->next;
        return slot->key != 0;
    }
    return false;
}

edn_status edn_log_seen(const edn_log *log, edn_graph_heap *heap, edn_lv lv, uint32_t agent, uint32_t *next)
{
    edn_graph_seen *s = &heap->seen;
    uint32_t run, n = 0;

    if (seen_known(log, s, lv, agent, &run, next))
        return EDN_OK;
    if (!EDN_VEC_ROOM(s->stack, s->cap_stack, 1))
        return EDN_E_NOMEM;
    s->stack[n++] = (seen_ask){run, 0, 0};
    while (n) {
        seen_ask *top = &s->stack[n - 1];
        uint32_t n_par, got;
        const edn_lv *par = edn_log_parents(&log->graph[top->run], log, &n_par);
        if (top->next == n_par) {
            *next = top->best;
            if (!seen_keep(s, top->run, agent, top->best))
                return EDN_E_NOMEM;
            if (--n)
                s->stack[n - 1].best = EDN_MAX(s->stack[n - 1].best, *next);
            continue;
        }
        if (seen_known(log, s, par[top->next++], agent, &run, &got)) {
            top->best = EDN_MAX(top->best, got);
            continue;
        }
        if (!EDN_VEC_ROOM(s->stack, s->cap_stack, n + 1u))
            return EDN_E_NOMEM;
        s->stack[n++] = (seen_ask){run, 0, 0};
    }
    return EDN_OK;
}

void edn_graph_heap_forget(edn_graph_heap *heap)
{
    free(heap->seen.slots);
    heap->seen.slots = NULL;
    heap->seen.n = heap->seen.cap = 0;
}

void edn_graph_heap_dispose(edn_graph_heap *heap)
{
    edn_graph_heap_forget(heap);
    free(heap->seen.stack);
    free(heap->v);
    *heap = (edn_graph_heap){0};
}

/* ---- differences ------------------------------------------------------------------------------------------------- */

static edn_status version_seen(const edn_log *log, edn_graph_heap *heap, const edn_lv *v, uint32_t n, uint32_t agent,
                               uint32_t *next)
{
    *next = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k;
        edn_status st = edn_log_seen(log, heap, v[i], agent, &k);
        if (st != EDN_OK)
            return st;
        *next = EDN_MAX(*next, k);
    }
    return EDN_OK;
}

/* The events [from, to) of one agent, by seq. */
static bool chain_add(const edn_log *log, uint32_t agent, uint32_t from, uint32_t to, edn_lv_ranges *out)
{
    while (out && from < to) {
        edn_lv lv = edn_log_lv(log, agent, from);
        uint32_t k = EDN_MIN(to - from, edn_log_run_end(log, edn_log_run_of(log, lv)) - lv);
        if (!EDN_VEC_ROOM(out->v, out->cap, out->n + 1u))
            return false;
        out->v[out->n++] = (edn_lv_range){lv, lv + k};
        from += k;
    }
    return true;
}

static int falling(const void *a, const void *b)
{
    const edn_lv_range *x = a, *y = b;

    return x->from > y->from ? -1 : x->from < y->from;
}

static void ranges_order(edn_lv_ranges *r)
{
    uint32_t n = 0;

    if (!r || r->n == 0)
        return;
    qsort(r->v, r->n, sizeof *r->v, falling);
    for (uint32_t i = 0; i < r->n; i++) {
        if (n && r->v[n - 1].from == r->v[i].to)
            r->v[n - 1].from = r->v[i].from;
        else
            r->v[n++] = r->v[i];
    }
    r->n = n;
}

edn_status edn_log_seen_diff(const edn_log *log, edn_graph_heap *heap, const edn_lv *a, uint32_t n_a, const edn_lv *b,
                             uint32_t n_b, edn_lv_ranges *only_a, edn_lv_ranges *only_b)
{
    for (uint32_t agent = 0; agent < log->n_agents; agent++) {
        uint32_t of_a, of_b;
        edn_status st = version_seen(log, heap, a, n_a, agent, &of_a);
        if (st == EDN_OK)
            st = version_seen(log, heap, b, n_b, agent, &of_b);
        if (st != EDN_OK)
            return st;
        if (!chain_add(log, agent, of_b, of_a, only_a) || !chain_add(log, agent, of_a, of_b, only_b))
            return EDN_E_NOMEM;
    }
    ranges_order(only_a);
    ranges_order(only_b);
    return EDN_OK;
}
