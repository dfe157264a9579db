#include "log.h"

#include <stdlib.h>

/* Everything is kept in runs, in the order of LVs:
 *
 *   LV     0        7           12      19
 *   graph  [ A 0..6 ][ B 0..4   ][ A 7..13 ]        who, and on top of what
 *   ops    [ins][back][ins      ][del ][ins]         what
 *   times  A: [0.. at t1][9.. at t2]   B: [0.. at t3]  by agent, for LVs differ between replicas
 *
 *  1. An LV is higher than those of all parents.
 *  2. One agent's events come in the order of their seqs, each with the one before in its past.
 *  3. A run of ops is as long as edn_op_extend makes it (it does not end where a graph run ends).
 *  4. Nothing is ever taken out, except by a rollback to a mark. */

bool edn_vec_room(void **p, uint32_t *cap, size_t need, size_t size)
{
    size_t want, bytes;
    void *q;

    if (need <= *cap)
        return true;
    if (need > UINT32_MAX - 1)
        return false;
    /* By less, more and larger holes are left behind than memory is saved: what is not written to yet costs none. */
    want = EDN_MAX(need, 2 * (size_t)*cap);
    want = EDN_MIN(EDN_MAX(want, 64 / size + 1), (size_t)UINT32_MAX - 1);
    if (!edn_mul_size(want, size, &bytes) || !(q = realloc(*p, bytes)))
        return false;
    *p = q;
    *cap = (uint32_t)want;
    return true;
}

void edn_log_dispose(edn_log *log)
{
    for (uint32_t i = 0; i < log->n_agents; i++) {
        free(log->agents[i].runs);
        free(log->agents[i].times);
    }
    free(log->agents);
    free(log->by_id);
    free(log->graph);
    free(log->par);
    free(log->ops);
    free(log->text);
    free(log->metas);
    free(log->mtext);
    *log = (edn_log){0};
}

int edn_agent_id_compare(const edn_agent_id *a, const edn_agent_id *b) { return memcmp(a->b, b->b, sizeof a->b); }

/* ---- agents ------------------------------------------------------------------------------------------------------ */

/* The place of `id` in by_id, and whether it is there. */
static uint32_t agent_place(const edn_log *log, const edn_agent_id *id, bool *found)
{
    uint32_t lo = 0, hi = log->n_agents;

    *found = false;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = edn_agent_id_compare(&log->agents[log->by_id[mid]].id, id);
        if (c == 0) {
            *found = true;
            return mid;
        }
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

uint32_t edn_log_agent_find(const edn_log *log, const edn_agent_id *id)
{
    bool found;
    uint32_t at = agent_place(log, id, &found);

    return found ? log->by_id[at] : EDN_LV_NONE;
}

edn_status edn_log_agent_add(edn_log *log, const edn_agent_id *id, uint32_t *out)
{
    bool found;
    uint32_t at = agent_place(log, id, &found);

    if (found) {
        *out = log->by_id[at];
        return EDN_OK;
    }
    if (log->n_agents >= EDN_LOG_AGENTS_MAX)
        return EDN_E_LIMIT;
    if (!EDN_VEC_ROOM(log->agents, log->cap_agents, log->n_agents + 1u) ||
        !EDN_VEC_ROOM(log->by_id, log->cap_by_id, log->n_agents + 1u))
        return EDN_E_NOMEM;
    memmove(log->by_id + at + 1, log->by_id + at, (log->n_agents - at) * sizeof *log->by_id);
    log->by_id[at] = log->n_agents;
    log->agents[log->n_agents] = (edn_log_agent){.id = *id};
    *out = log->n_agents++;
    return EDN_OK;
}

/* ---- appending --------------------------------------------------------------------------------------------------- */

edn_status edn_log_reserve(edn_log *log, const edn_log_need *need)
{
    if (need->events > EDN_LOG_EVENTS_MAX - log->n || need->text > UINT32_MAX - 1 - log->n_text ||
        need->mtext > UINT32_MAX - 1 - log->n_mtext)
        return EDN_E_LIMIT;
    if (!EDN_VEC_ROOM(log->graph, log->cap_graph, log->n_graph + need->runs) ||
        !EDN_VEC_ROOM(log->par, log->cap_par, log->n_par + need->parents) ||
        !EDN_VEC_ROOM(log->ops, log->cap_ops, log->n_ops + need->ops) ||
        !EDN_VEC_ROOM(log->text, log->cap_text, log->n_text + need->text) ||
        !EDN_VEC_ROOM(log->metas, log->cap_metas, log->n_metas + need->metas) ||
        !EDN_VEC_ROOM(log->mtext, log->cap_mtext, log->n_mtext + need->mtext))
        return EDN_E_NOMEM;
    return EDN_OK;
}

edn_status edn_log_reserve_agent(edn_log *log, uint32_t agent, size_t runs, size_t times)
{
    edn_log_agent *a = &log->agents[agent];

    if (!EDN_VEC_ROOM(a->runs, a->cap_runs, a->n_runs + runs) ||
        !EDN_VEC_ROOM(a->times, a->cap_times, a->n_times + times))
        return EDN_E_NOMEM;
    return EDN_OK;
}

static uint32_t parents_lamport(const edn_log *log, const edn_lv *parents, uint32_t n)
{
    uint32_t out = 0;

    for (uint32_t i = 0; i < n; i++)
        out = EDN_MAX(out, edn_log_lamport(log, parents[i]) + 1);
    return out;
}

void edn_log_push_run(edn_log *log, uint32_t agent, const edn_lv *parents, uint32_t n, bool full)
{
    edn_log_agent *a = &log->agents[agent];
    edn_graph_run *g;

    if (log->n_graph && n == 1 && parents[0] == log->n - 1 && log->graph[log->n_graph - 1].agent == agent)
        return; /* the last run goes on */
    g = &log->graph[log->n_graph];
    *g = (edn_graph_run){log->n, agent, a->next, parents_lamport(log, parents, n), 0, n, full};
    if (n == 1) {
        g->par_at = parents[0];
    } else if (n > 1) {
        g->par_at = log->n_par;
        memcpy(log->par + log->n_par, parents, n * sizeof *parents);
        log->n_par += n;
    }
    a->runs[a->n_runs++] = log->n_graph++;
}

void edn_log_push_time(edn_log *log, uint32_t agent, uint64_t time_ms)
{
    edn_log_agent *a = &log->agents[agent];

    if (a->n_times && a->times[a->n_times - 1].time_ms == time_ms)
        return;
    if (a->n_times && a->times[a->n_times - 1].seq == a->next)
        a->times[a->n_times - 1].time_ms = time_ms;
    else
        a->times[a->n_times++] = (edn_time_run){a->next, time_ms};
}

uint32_t edn_op_pos(edn_op_kind kind, uint32_t pos, uint32_t k)
{
    return kind == EDN_OP_INS ? pos + k : kind == EDN_OP_BACK ? pos - k : pos;
}

uint32_t edn_op_extend(edn_op_join *run, edn_op_kind kind, uint32_t pos, uint32_t len)
{
    if (run->len >= EDN_OP_LEN_MAX)
        return 0;
    if (run->kind == EDN_OP_INS && kind == EDN_OP_INS && pos == run->pos + run->len) {
        len = EDN_MIN(len, EDN_OP_LEN_MAX - run->len);
        run->len += len;
        return len;
    }
    if ((run->kind == EDN_OP_DEL || run->kind == EDN_OP_BACK) && (kind == EDN_OP_DEL || kind == EDN_OP_BACK)) {
        bool forward = (run->kind == EDN_OP_DEL || run->len == 1) && pos == run->pos;
        bool back = (run->kind == EDN_OP_BACK || run->len == 1) && pos + run->len == run->pos;
        if (!forward && !back)
            return 0;
        /* The first event alone decides which way a run of one goes on; the others follow only the same way. */
        run->kind = forward ? EDN_OP_DEL : EDN_OP_BACK;
        if (len > 1 && kind != run->kind)
            len = 1;
        len = EDN_MIN(len, EDN_OP_LEN_MAX - run->len);
        run->len += len;
        return len;
    }
    return 0;
}

static void op_new(edn_log *log, edn_op_kind kind, uint32_t pos, uint32_t len, uint32_t at)
{
    log->ops[log->n_ops++] = (edn_op){log->n, pos, at, len, len == 1 && kind == EDN_OP_BACK ? EDN_OP_DEL : kind};
}

void edn_log_events_grow(edn_log *log, uint32_t n)
{
    log->n += n;
    log->agents[log->graph[log->n_graph - 1].agent].next += n;
}

void edn_log_push_op(edn_log *log, edn_op_kind kind, uint32_t pos, uint32_t len, edn_bytes text)
{
    uint32_t at = log->n_text;

    if (text.n)
        memcpy(log->text + log->n_text, text.p, text.n);
    if (log->ascii == log->n_text && text.n == len)
        log->ascii += len;
    log->n_text += (uint32_t)text.n;
    while (len) {
        edn_op *last = log->n_ops ? &log->ops[log->n_ops - 1] : NULL;
        uint32_t k = 0;
        if (last && last->kind <= EDN_OP_BACK) {
            edn_op_join join = {last->pos, last->len, (edn_op_kind)last->kind};
            k = edn_op_extend(&join, kind, pos, len);
            last->len = join.len;
            last->kind = join.kind;
        }
        if (k == 0) {
            k = EDN_MIN(len, EDN_OP_LEN_MAX);
            op_new(log, kind, pos, k, at);
        }
        if (kind == EDN_OP_INS && k < len)
            at += (uint32_t)edn_utf8_offset(edn_bytes_of(log->text + at, log->n_text - at), k);
        pos = edn_op_pos(kind, pos, k);
        edn_log_events_grow(log, k);
        len -= k;
    }
}

void edn_log_push_meta(edn_log *log, edn_op_kind kind, edn_bytes name, edn_bytes value)
{
    uint32_t at = log->n_mtext;

    if (kind > EDN_OP_UNTAG) {
        op_new(log, kind, 0, 1, 0);
        edn_log_events_grow(log, 1);
        return;
    }
    if (name.n)
        memcpy(log->mtext + at, name.p, name.n);
    if (value.n)
        memcpy(log->mtext + at + name.n, value.p, value.n);
    log->n_mtext += (uint32_t)(name.n + value.n);
    log->metas[log->n_metas] = (edn_meta){at, (uint32_t)name.n, at + (uint32_t)name.n, (uint32_t)value.n};
    op_new(log, kind, 0, 1, log->n_metas++);
    edn_log_events_grow(log, 1);
}

/* ---- marks ------------------------------------------------------------------------------------------------------- */

edn_log_mark edn_log_mark_now(const edn_log *log)
{
    edn_log_mark m = {log->n,      log->n_agents, log->n_graph, log->n_par, log->n_ops,
                      log->n_text, log->n_metas,  log->n_mtext, {0}};

    if (log->n_ops)
        m.last = log->ops[log->n_ops - 1];
    return m;
}

void edn_log_rollback(edn_log *log, const edn_log_mark *m)
{
    uint32_t kept = 0;

    log->n = m->n;
    log->n_graph = m->n_graph;
    log->n_par = m->n_par;
    log->n_ops = m->n_ops;
    log->n_text = m->n_text;
    log->ascii = EDN_MIN(log->ascii, log->n_text);
    log->n_metas = m->n_metas;
    log->n_mtext = m->n_mtext;
    if (log->n_ops)
        log->ops[log->n_ops - 1] = m->last;
    for (uint32_t i = 0; i < log->n_agents; i++) {
        if (log->by_id[i] < m->n_agents)
            log->by_id[kept++] = log->by_id[i];
    }
    for (uint32_t i = m->n_agents; i < log->n_agents; i++) {
        free(log->agents[i].runs);
        free(log->agents[i].times);
    }
    log->n_agents = m->n_agents;
    for (uint32_t i = 0; i < log->n_agents; i++) {
        edn_log_agent *a = &log->agents[i];
        while (a->n_runs && a->runs[a->n_runs - 1] >= log->n_graph)
            a->n_runs--;
        a->next = 0;
        if (a->n_runs) {
            uint32_t run = a->runs[a->n_runs - 1];
            a->next = log->graph[run].seq + (edn_log_run_end(log, run) - log->graph[run].lv);
        }
        while (a->n_times && a->times[a->n_times - 1].seq >= a->next)
            a->n_times--;
    }
}

/* ---- looking up -------------------------------------------------------------------------------------------------- */

/* Both look from the end in growing steps first: most of what is looked up is recent. */
uint32_t edn_log_run_of(const edn_log *log, edn_lv lv)
{
    uint32_t lo = 0, hi = log->n_graph;

    for (uint32_t step = 1; step < hi; step *= 2) {
        if (log->graph[hi - step].lv <= lv) {
            lo = hi - step;
            break;
        }
        hi -= step;
    }
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (log->graph[mid].lv <= lv)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

uint32_t edn_log_op_of(const edn_log *log, edn_lv lv)
{
    uint32_t lo = 0, hi = log->n_ops;

    for (uint32_t step = 1; step < hi; step *= 2) {
        if (log->ops[hi - step].lv <= lv) {
            lo = hi - step;
            break;
        }
        hi -= step;
    }
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (log->ops[mid].lv <= lv)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

edn_lv edn_log_run_end(const edn_log *log, uint32_t run)
{
    return run + 1 < log->n_graph ? log->graph[run + 1].lv : log->n;
}

const edn_lv *edn_log_parents(const edn_graph_run *run, const edn_log *log, uint32_t *n)
{
    *n = run->n_par;
    return run->n_par == 1 ? &run->par_at : run->n_par ? log->par + run->par_at : NULL;
}

edn_lv edn_log_lv(const edn_log *log, uint32_t agent, uint64_t seq)
{
    const edn_log_agent *a = &log->agents[agent];
    uint32_t lo = 0, hi = a->n_runs;

    if (seq >= a->next)
        return EDN_LV_NONE;
    if (seq >= log->graph[a->runs[hi - 1]].seq)
        lo = hi - 1;
    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (log->graph[a->runs[mid]].seq <= seq)
            lo = mid;
        else
            hi = mid;
    }
    if (seq < log->graph[a->runs[lo]].seq)
        return EDN_LV_NONE; /* folded */
    return log->graph[a->runs[lo]].lv + ((uint32_t)seq - log->graph[a->runs[lo]].seq);
}

edn_event_id edn_log_id(const edn_log *log, edn_lv lv)
{
    const edn_graph_run *g = &log->graph[edn_log_run_of(log, lv)];

    return (edn_event_id){log->agents[g->agent].id, (uint64_t)g->seq + (lv - g->lv)};
}

uint32_t edn_log_lamport(const edn_log *log, edn_lv lv)
{
    const edn_graph_run *g = &log->graph[edn_log_run_of(log, lv)];

    return g->lamport + (lv - g->lv);
}

uint64_t edn_log_time(const edn_log *log, uint32_t agent, uint32_t seq, uint32_t *end)
{
    const edn_log_agent *a = &log->agents[agent];
    uint32_t lo = 0, hi = a->n_times;

    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (a->times[mid].seq <= seq)
            lo = mid;
        else
            hi = mid;
    }
    *end = lo + 1 < a->n_times ? a->times[lo + 1].seq : a->next;
    return a->times[lo].time_ms;
}

/* Whether an insertion has as many bytes as scalars, where that can be told quickly: texts lie in the order of ops. */
static bool op_is_ascii(const edn_log *log, const edn_op *op)
{
    const edn_op *end = log->ops + log->n_ops, *next = op + 1;

    while (next < end && next->kind != EDN_OP_INS && next - op < 4)
        next++;
    if (next < end && next->kind != EDN_OP_INS)
        return false;
    return (next < end ? next->at : log->n_text) - op->at == op->len;
}

edn_bytes edn_log_text(const edn_log *log, const edn_op *op, uint32_t from, uint32_t len)
{
    edn_bytes rest = edn_bytes_of(log->text + op->at, log->n_text - op->at);
    size_t skip;

    if (op->at + (size_t)from + len <= log->ascii || op_is_ascii(log, op))
        return edn_bytes_of(rest.p + from, len);
    skip = edn_utf8_offset(rest, from);

    rest = edn_bytes_of(rest.p + skip, rest.n - skip);
    return edn_bytes_of(rest.p, edn_utf8_offset(rest, len));
}

edn_bytes edn_log_meta_name(const edn_log *log, const edn_op *op)
{
    const edn_meta *m = &log->metas[op->at];

    return edn_bytes_of(log->mtext + m->name_at, m->name_n);
}

edn_bytes edn_log_meta_value(const edn_log *log, const edn_op *op)
{
    const edn_meta *m = &log->metas[op->at];

    return edn_bytes_of(log->mtext + m->value_at, m->value_n);
}

/* ---- the beginning of a log -------------------------------------------------------------------------------------- */

static void *column_copy(const void *from, uint32_t n, size_t size, uint32_t *cap, bool *good)
{
    void *to = n ? malloc((size_t)n * size) : NULL;

    if (n && !to)
        *good = false;
    if (to)
        memcpy(to, from, (size_t)n * size);
    *cap = to ? n : 0;
    return to;
}

/* How much of the columns behind `ops` and `graph` a log of these needs. */
static void prefix_count(const edn_log *log, edn_log *out)
{
    for (uint32_t i = out->n_graph; i-- > 0 && out->n_par == 0;)
        if (log->graph[i].n_par > 1)
            out->n_par = log->graph[i].par_at + log->graph[i].n_par;
    for (uint32_t i = out->n_ops; i-- > 0 && (out->n_text == 0 || out->n_metas == 0);) {
        const edn_op *op = &log->ops[i];
        if (op->kind == EDN_OP_INS && out->n_text == 0) {
            edn_bytes text = edn_log_text(log, op, 0, EDN_MIN(op->len, out->n - op->lv));
            out->n_text = (uint32_t)(text.p + text.n - log->text);
        } else if (op->kind >= EDN_OP_FIELD && op->kind <= EDN_OP_UNTAG && out->n_metas == 0) {
            out->n_metas = op->at + 1;
            out->n_mtext = log->metas[op->at].value_at + log->metas[op->at].value_n;
        }
        if (log->n_metas == 0 && out->n_text)
            break;
    }
    out->ascii = EDN_MIN(log->ascii, out->n_text);
}

static bool prefix_agent(const edn_log *log, const edn_log_agent *from, edn_log *out, edn_log_agent *to)
{
    uint32_t runs = from->n_runs, times = from->n_times;
    bool good = true;

    while (runs && from->runs[runs - 1] >= out->n_graph)
        runs--;
    to->id = from->id;
    if (runs) {
        const edn_graph_run *g = &log->graph[from->runs[runs - 1]];
        to->next = g->seq + (EDN_MIN(edn_log_run_end(log, from->runs[runs - 1]), out->n) - g->lv);
    }
    while (times && from->times[times - 1].seq >= to->next)
        times--;
    to->runs = column_copy(from->runs, runs, sizeof *to->runs, &to->cap_runs, &good);
    to->n_runs = to->cap_runs;
    to->times = column_copy(from->times, times, sizeof *to->times, &to->cap_times, &good);
    to->n_times = to->cap_times;
    return good;
}

edn_status edn_log_prefix(const edn_log *log, edn_lv to, edn_log *out)
{
    bool good = true;

    *out = (edn_log){.n = to};
    if (to == 0)
        return EDN_OK;
    out->n_graph = edn_log_run_of(log, to - 1) + 1;
    out->n_ops = edn_log_op_of(log, to - 1) + 1;
    prefix_count(log, out);
    out->graph = column_copy(log->graph, out->n_graph, sizeof *log->graph, &out->cap_graph, &good);
    out->par = column_copy(log->par, out->n_par, sizeof *log->par, &out->cap_par, &good);
    out->ops = column_copy(log->ops, out->n_ops, sizeof *log->ops, &out->cap_ops, &good);
    out->text = column_copy(log->text, out->n_text, 1, &out->cap_text, &good);
    out->metas = column_copy(log->metas, out->n_metas, sizeof *log->metas, &out->cap_metas, &good);
    out->mtext = column_copy(log->mtext, out->n_mtext, 1, &out->cap_mtext, &good);
    out->by_id = column_copy(log->by_id, log->n_agents, sizeof *log->by_id, &out->cap_by_id, &good);
    out->agents = calloc(log->n_agents, sizeof *log->agents);
    for (uint32_t i = 0; out->agents && good && i < log->n_agents; i++, out->n_agents++, out->cap_agents++)
        good = prefix_agent(log, &log->agents[i], out, &out->agents[i]);
    if (!good || !out->agents) {
        out->n_agents = out->agents ? log->n_agents : 0;
        edn_log_dispose(out);
        return EDN_E_NOMEM;
    }
    if (out->ops[out->n_ops - 1].lv + out->ops[out->n_ops - 1].len > to) {
        edn_op *last = &out->ops[out->n_ops - 1];
        last->len = to - last->lv;
        if (last->len == 1 && last->kind == EDN_OP_BACK)
            last->kind = EDN_OP_DEL;
    }
    return EDN_OK;
}
