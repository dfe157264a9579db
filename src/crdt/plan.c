#include "log.h"

#include <stdlib.h>

/* The order in which events are replayed when the order in which they came proves too dear: on a branch as long as it
 * goes, and what a branch has heard of from others before the branch itself. Replay moves its prepare version by what
 * differs between one event and the next, so:
 *
 *     came    a0 b0 a1 b1 a2 b2   two branches that never hear of each other: each letter moves both of them whole
 *     plan    b0 b1 b2 a0 a1 a2   once
 *
 *     came    a0 c0 b0 a1 c1 b1   a and b answer each other; c has heard both, and they have never heard c
 *     plan    a0 b0 a1 b1 c0 c1   c never has to be taken out
 *
 * It is a walk back from the newest events: parents of other agents first, the agent's own before last. */

typedef struct plan_at {
    uint32_t run, next; /* parents below `next` were looked at: all of them for others, then all for the own one */
} plan_at;

typedef struct plan {
    const edn_log *log;
    uint32_t first; /* the run that holds the first event */
    bool *out;      /* by run - first */
    plan_at *stack;
    uint32_t n;
} plan;

/* The next parent's run that is not out yet; NONE when all are. */
static uint32_t parent_waiting(const plan *p, plan_at *at, edn_lv from)
{
    const edn_graph_run *g = &p->log->graph[at->run];
    uint32_t n;
    const edn_lv *par = edn_log_parents(g, p->log, &n);

    for (; at->next < 2 * n; at->next++) {
        edn_lv lv = par[at->next < n ? at->next : at->next - n];
        uint32_t run;
        if (lv < from)
            continue;
        run = edn_log_run_of(p->log, lv);
        if ((p->log->graph[run].agent == g->agent) == (at->next >= n) && !p->out[run - p->first])
            return run;
    }
    return EDN_LV_NONE;
}

static bool range_put(edn_lv_ranges *out, edn_lv from, edn_lv to)
{
    if (out->n && out->v[out->n - 1].to == from) {
        out->v[out->n - 1].to = to;
        return true;
    }
    if (!EDN_VEC_ROOM(out->v, out->cap, out->n + 1u))
        return false;
    out->v[out->n++] = (edn_lv_range){from, to};
    return true;
}

/* Puts a run out, and before it all of its past. No run is twice on the stack: parents are older. */
static bool past_put(plan *p, uint32_t run, edn_lv from, edn_lv to, edn_lv_ranges *out)
{
    p->stack[p->n++] = (plan_at){run, 0};
    while (p->n) {
        plan_at *top = &p->stack[p->n - 1];
        uint32_t waiting = parent_waiting(p, top, from);
        if (waiting != EDN_LV_NONE) {
            p->stack[p->n++] = (plan_at){waiting, 0};
            continue;
        }
        p->out[top->run - p->first] = true;
        if (!range_put(out, EDN_MAX(p->log->graph[top->run].lv, from), EDN_MIN(edn_log_run_end(p->log, top->run), to)))
            return false;
        p->n--;
    }
    return true;
}

edn_status edn_log_plan(const edn_log *log, edn_lv from, edn_lv to, edn_lv_ranges *out)
{
    plan p = {.log = log};
    uint32_t last;
    edn_status st = EDN_E_NOMEM;

    out->n = 0;
    if (from == to)
        return EDN_OK;
    p.first = edn_log_run_of(log, from);
    last = edn_log_run_of(log, to - 1);
    p.out = calloc(last - p.first + 1u, sizeof *p.out);
    p.stack = calloc(last - p.first + 1u, sizeof *p.stack);
    if (!p.out || !p.stack)
        goto out;
    for (uint32_t run = last + 1; run-- > p.first;)
        if (!p.out[run - p.first] && !past_put(&p, run, from, to, out))
            goto out;
    st = EDN_OK;
out:
    free(p.out);
    free(p.stack);
    return st;
}
