#include "log.h"

#include <stdlib.h>

/* The canonical order: what history, snapshots and the decoder's check go by. It depends on the events alone, not on
 * the order in which they came here, and it stays on a branch as long as it can, which packs well and replays fast.
 *
 *   A stack holds the events whose parents are all out. Take the top one out. Of the events that this makes ready
 *   push first those of other agents, the highest id first, then the same agent's next. Begin with the events that
 *   have no parents, the highest id first.
 *
 * One agent's events are a chain, so no event makes two events of one agent ready, and the rule never has to choose
 * between equals. It is stated for single events; the code goes run by run, which comes to the same: inside a run the
 * agent's next event is ready at once and on top. */

typedef struct canon_edge {
    edn_lv parent;
    uint32_t order; /* among the children of one event: pushed in rising order */
    uint32_t child; /* a graph run */
} canon_edge;

typedef struct canon {
    const edn_log *log;
    uint32_t *rank;    /* by agent */
    uint32_t *first;   /* by run: where its edges begin */
    uint32_t *waiting; /* by run: parents that are not out */
    uint32_t *stack;
    canon_edge *edges;
} canon;

static uint32_t edge_order(const canon *c, uint32_t parent_run, uint32_t child)
{
    uint32_t agent = c->log->graph[child].agent;

    return agent == c->log->graph[parent_run].agent ? UINT32_MAX : UINT32_MAX - 1 - c->rank[agent];
}

/* Buckets the edges by the run that holds the parent, each bucket in the order of pushing. */
static void edges_build(canon *c, uint32_t *at)
{
    const edn_log *log = c->log;

    for (uint32_t i = 0; i < log->n_graph; i++) {
        uint32_t n;
        const edn_lv *par = edn_log_parents(&log->graph[i], log, &n);
        c->waiting[i] = n;
        for (uint32_t k = 0; k < n; k++)
            c->first[edn_log_run_of(log, par[k]) + 1]++;
    }
    for (uint32_t i = 0; i < log->n_graph; i++) {
        c->first[i + 1] += c->first[i];
        at[i] = c->first[i];
    }
    for (uint32_t i = 0; i < log->n_graph; i++) {
        uint32_t n;
        const edn_lv *par = edn_log_parents(&log->graph[i], log, &n);
        for (uint32_t k = 0; k < n; k++) {
            uint32_t run = edn_log_run_of(log, par[k]), to = at[run]++;
            canon_edge e = {par[k], edge_order(c, run, i), i};
            while (to > c->first[run] && (c->edges[to - 1].parent > e.parent ||
                                          (c->edges[to - 1].parent == e.parent && c->edges[to - 1].order > e.order))) {
                c->edges[to] = c->edges[to - 1];
                to--;
            }
            c->edges[to] = e;
        }
    }
}

static uint32_t roots_push(const canon *c)
{
    uint32_t n = 0;

    for (uint32_t r = c->log->n_agents; r-- > 0;) {
        const edn_log_agent *a = &c->log->agents[c->log->by_id[r]];
        if (a->n_runs && c->waiting[a->runs[0]] == 0)
            c->stack[n++] = a->runs[0];
    }
    return n;
}

static edn_status canon_walk(const canon *c, edn_lv_ranges *out)
{
    uint32_t n = roots_push(c);

    while (n) {
        uint32_t run = c->stack[--n];
        edn_lv from = c->log->graph[run].lv, to = edn_log_run_end(c->log, run);
        if (out->n && out->v[out->n - 1].to == from) {
            out->v[out->n - 1].to = to;
        } else {
            if (!EDN_VEC_ROOM(out->v, out->cap, out->n + 1u))
                return EDN_E_NOMEM;
            out->v[out->n++] = (edn_lv_range){from, to};
        }
        for (uint32_t i = c->first[run]; i < c->first[run + 1]; i++)
            if (--c->waiting[c->edges[i].child] == 0)
                c->stack[n++] = c->edges[i].child;
    }
    return EDN_OK;
}

edn_status edn_log_canonical(const edn_log *log, edn_lv_ranges *out)
{
    canon c = {.log = log};
    size_t runs = log->n_graph, n_edges = 0;
    uint32_t *at;
    edn_status st = EDN_E_NOMEM;

    out->n = 0;
    for (size_t i = 0; i < runs; i++)
        n_edges += log->graph[i].n_par;
    c.rank = calloc(log->n_agents + 1u, sizeof *c.rank);
    c.first = calloc(runs + 1, sizeof *c.first);
    c.waiting = calloc(runs + 1, sizeof *c.waiting);
    c.stack = calloc(runs + 1, sizeof *c.stack);
    at = calloc(runs + 1, sizeof *at);
    c.edges = calloc(n_edges + 1, sizeof *c.edges);
    if (!c.rank || !c.first || !c.waiting || !c.stack || !at || !c.edges)
        goto out;
    for (uint32_t i = 0; i < log->n_agents; i++)
        c.rank[log->by_id[i]] = i;
    edges_build(&c, at);
    st = canon_walk(&c, out);
out:
    free(c.rank);
    free(c.first);
    free(c.waiting);
    free(c.stack);
    free(at);
    free(c.edges);
    return st;
}
