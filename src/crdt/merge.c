#include "doc.h"

#include "base/plant.h"

#include <stdlib.h>

/* Taking events in. The log is appended to first and rolled back when anything proves wrong; the text, the fields and
 * the frontier change only when nothing can fail any more. */

typedef struct merge {
    edn_doc *doc;
    const edn_block *b;
    bool replay;
    doc_scratch *s; /* agents: EDN_LV_NONE is not there; par: of the run at hand; front: as it was */
    uint32_t n_front;
    uint32_t length; /* scalars in the text after `edits` */
    size_t text_n;   /* bytes that the new events insert */
    uint64_t moves;  /* of records, that are left */
    bool by_plan;    /* they were not enough: all at once, when all are here */
} merge;

static edn_status agents_map(merge *m)
{
    for (uint32_t i = 0; i < m->b->n_agents; i++)
        m->s->agents[i] = edn_log_agent_find(&m->doc->log, &m->b->agents[i]);
    for (uint32_t i = 0; i < m->b->n_runs; i++) {
        uint32_t number = m->b->runs[i].agent;
        edn_status st;
        if (m->s->agents[number] != EDN_LV_NONE)
            continue;
        st = edn_log_agent_add(&m->doc->log, &m->b->agents[number], &m->s->agents[number]);
        if (st != EDN_OK)
            return st;
    }
    return EDN_OK;
}

/* The LVs of a run's parents, rising. */
static edn_status parents_map(merge *m, const edn_block_run *run, uint32_t agent, uint32_t seq, uint32_t *n)
{
    const edn_log *log = &m->doc->log;

    *n = 0;
    if (!EDN_VEC_ROOM(m->s->par, m->s->cap_par, run->n_par + 2u))
        return EDN_E_NOMEM;
    if (seq > run->seq) {
        m->s->par[(*n)++] = edn_log_lv(log, agent, seq - 1u);
        return EDN_OK;
    }
    if (run->own)
        m->s->par[(*n)++] = edn_log_lv(log, agent, seq - 1u);
    for (uint32_t i = 0; i < run->n_par; i++) {
        const edn_block_parent *p = &m->b->par[run->par_at + i];
        uint32_t from = m->s->agents[p->agent];
        edn_lv lv = from == EDN_LV_NONE ? EDN_LV_NONE : edn_log_lv(log, from, p->seq);
        uint32_t k = *n;
        if (lv == EDN_LV_NONE) /* folded, or not here yet */
            return from != EDN_LV_NONE && p->seq < log->agents[from].next ? EDN_E_MISSING : EDN_E_PARENTS;
        for (; k && m->s->par[k - 1] > lv; k--)
            m->s->par[k] = m->s->par[k - 1];
        m->s->par[k] = lv;
        ++*n;
    }
    return EDN_OK;
}

/* Whether a new event has all in its past that was folded: `par` rises. */
static bool folded_seen(const edn_log *log, const edn_lv *par, uint32_t n)
{
    uint32_t heads = 0;

    if (log->folded == 0)
        return true;
    for (uint32_t i = 0; i < n && par[i] < log->folded; i++) {
        if (par[i] < log->folded - log->heads)
            return false;
        heads++;
    }
    /* None at all: then they are in the past of those that it has. */
    return heads == log->heads || (heads == 0 && n > 0);
}

/* One version has one list of parents, and an author has always seen all that it wrote before. `own`: the event before
 * is known to be a parent. */
static edn_status parents_check(merge *m, uint32_t agent, uint32_t seq, bool own, uint32_t n)
{
    edn_log *log = &m->doc->log;
    bool good;
    edn_status st = edn_log_minimal(log, &m->doc->heap, m->s->par, n, &good);

    if (st != EDN_OK || !good)
        return st != EDN_OK ? st : EDN_E_FORMAT;
    if (seq == 0 || own)
        return EDN_OK;
    st = edn_log_heard(log, &m->doc->heap, m->s->par, n, edn_log_lv(log, agent, seq - 1u), &good);
    return st != EDN_OK ? st : good ? EDN_OK : EDN_E_FORMAT;
}

/* The text of an insertion's events [from, to). */
static edn_bytes block_text(const edn_block *b, const edn_block_op *op, uint32_t from, uint32_t to)
{
    edn_bytes all = edn_bytes_of(b->text.p + op->at, op->size);
    size_t skip = from, end = to;

    if (op->size != op->len) {
        skip = edn_utf8_offset(all, from);
        end = to == op->len ? all.n : skip + edn_utf8_offset(edn_bytes_of(all.p + skip, all.n - skip), to - from);
    }
    return edn_bytes_of(all.p + skip, end - skip);
}

/* The time run that holds an agent's event, counted from its first in the block. */
static uint32_t block_time(const edn_block *b, const edn_block_agent *a, uint32_t seq)
{
    uint32_t lo = a->time_at, hi = a->time_end;

    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (b->times[mid].seq <= seq)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

/* Appends an op's events [from, to), which have one time. */
static void op_push(merge *m, const edn_block_op *op, uint32_t from, uint32_t to)
{
    edn_log *log = &m->doc->log;
    edn_bytes text = EDN_BYTES_EMPTY, name = text, value = text;

    if (op->kind > EDN_OP_BACK) {
        if (op->kind <= EDN_OP_UNTAG) {
            name = m->b->metas[op->at].name;
            value = m->b->metas[op->at].value;
        }
        edn_log_push_meta(log, (edn_op_kind)op->kind, name, value);
        return;
    }
    if (op->kind == EDN_OP_INS)
        text = block_text(m->b, op, from, to);
    m->text_n += text.n;
    edn_log_push_op(log, (edn_op_kind)op->kind, edn_op_pos((edn_op_kind)op->kind, op->pos, from), to - from, text);
}

/* Ops of text that follow each other in one run of the block: the reader has seen to it that none goes on where the one
 * before ends, so they are the log's as they are. */
static void ops_push(merge *m, const edn_block_op *ops, uint32_t n)
{
    edn_log *log = &m->doc->log;
    uint32_t events = 0, text_at = log->n_text;

    for (uint32_t i = 0; i < n; i++) {
        const edn_block_op *op = &ops[i];
        log->ops[log->n_ops++] = (edn_op){log->n + events, op->pos, text_at, op->len, op->kind};
        events += op->len;
        if (op->kind != EDN_OP_INS)
            continue;
        memcpy(log->text + text_at, m->b->text.p + op->at, op->size);
        if (log->ascii == text_at && op->size == op->len)
            log->ascii += op->len;
        text_at += op->size;
    }
    m->text_n += text_at - log->n_text;
    log->n_text = text_at;
    edn_log_events_grow(log, events);
}

/* Appends the run's events from `seq` on. */
static void run_push(merge *m, const edn_block_run *run, uint32_t agent, uint32_t seq, uint32_t n_par, bool full)
{
    edn_log *log = &m->doc->log;
    const edn_block *b = m->b;
    const edn_block_agent *a = &b->by_agent[run->agent];
    uint32_t at = run->seq, t = block_time(b, a, EDN_MAX(seq, run->seq) - a->first_seq);
    uint32_t until = t + 1 < a->time_end ? b->times[t + 1].seq : UINT32_MAX;

    edn_log_push_run(log, agent, m->s->par, n_par, full);
    edn_log_push_time(log, agent, b->times[t].time_ms);
    for (uint32_t i = 0; i < run->n_ops;) {
        const edn_block_op *op = &b->ops[run->op_at + i];
        uint32_t done = seq > at ? EDN_MIN(seq - at, op->len) : 0, same = 0, end = at;
        /* The first op may go on from what is there. */
        for (; i && seq <= at && i + same < run->n_ops && op[same].kind <= EDN_OP_BACK; same++) {
            if (end + op[same].len - a->first_seq > until)
                break;
            end += op[same].len;
        }
        if (same) {
            ops_push(m, op, same);
            at = end;
            i += same;
            continue;
        }
        while (done < op->len) {
            uint32_t here = at + done - a->first_seq, n;
            for (; here >= until; until = t + 1 < a->time_end ? b->times[t + 1].seq : UINT32_MAX)
                edn_log_push_time(log, agent, b->times[++t].time_ms);
            n = EDN_MIN(op->len - done, until - here);
            op_push(m, op, done, done + n);
            done += n;
        }
        at += op->len;
        i++;
    }
}

/* The events [from, to) were made on the text as it is: they do what they say. */
static edn_status run_direct(merge *m, edn_lv from, edn_lv to)
{
    const edn_log *log = &m->doc->log;

    for (uint32_t i = edn_log_op_of(log, from); i < log->n_ops && log->ops[i].lv < to; i++) {
        const edn_op *op = &log->ops[i];
        uint32_t skip = from > op->lv ? from - op->lv : 0, len = EDN_MIN(op->len, to - op->lv) - skip;
        uint32_t pos = edn_op_pos((edn_op_kind)op->kind, op->pos, skip);
        edn_edit edit = {pos, 0, 0, 0, 0};
        if (op->kind > EDN_OP_BACK)
            continue;
        if (op->kind == EDN_OP_INS) {
            edn_bytes text = edn_log_text(log, op, skip, len);
            if (pos > m->length)
                return EDN_E_FORMAT;
            edit.count = len;
            edit.text_at = (uint32_t)(text.p - log->text);
            edit.text_n = (uint32_t)text.n;
            m->length += len;
        } else {
            if (op->kind == EDN_OP_BACK) {
                if (pos + 1 < len)
                    return EDN_E_FORMAT;
                edit.pos = pos - len + 1;
            }
            if (edit.pos > m->length || len > m->length - edit.pos)
                return EDN_E_FORMAT;
            edit.del = len;
            m->length -= len;
        }
        if (!edn_edits_add(&m->s->edits, edit))
            return EDN_E_NOMEM;
    }
    return EDN_OK;
}

/* A walker that knows all events before `from`. `*moved`: what it has moved already. */
static edn_status walker_ready(merge *m, edn_lv from, edn_lv newest_parent, uint64_t *moved)
{
    edn_doc *doc = m->doc;
    edn_lv base = doc->walker ? edn_walker_from(doc->walker) : 0;

    *moved = 0;
    if (doc->walker && (base == 0 || (newest_parent != EDN_LV_NONE && newest_parent + 1 >= base))) {
        *moved = edn_walker_moves(doc->walker);
        edn_walker_limit(doc->walker, m->moves);
        return edn_walker_step(doc->walker, from, NULL);
    }
    edn_walker_free(doc->walker);
    doc->walker = NULL;
    base = edn_walker_base(&doc->log, from, newest_parent);
    return edn_walker_new(&doc->log, base, from, m->length, newest_parent != EDN_LV_NONE && newest_parent + 1 == base,
                          &doc->walker);
}

/* A walker that is made anew has to be paid for, too. */
static edn_status run_concurrent(merge *m, edn_lv from, edn_lv to, uint32_t n_par)
{
    uint64_t before, moved;
    edn_status st = walker_ready(m, from, n_par ? m->s->par[n_par - 1] : EDN_LV_NONE, &before);
    edn_walker *w = m->doc->walker;

    if (st != EDN_OK)
        return st;
    moved = edn_walker_moves(w) - before;
    if (moved > m->moves)
        return EDN_E_LIMIT;
    edn_walker_limit(w, m->moves - moved);
    st = edn_walker_step(w, to, &m->s->edits);
    if (m->moves != UINT64_MAX)
        m->moves -= EDN_MIN(m->moves, edn_walker_moves(w) - before);
    edn_walker_limit(w, UINT64_MAX);
    if (st == EDN_OK)
        m->length = edn_walker_length(w);
    return st;
}

/* ---- graphs that are dear ---------------------------------------------------------------------------------------- */

/* What replaying several authors' events may move in the order that they have, which somebody else chose. One author's
 * events only ever move forwards, so a message has no limit: whether it is taken in must not depend on who asks. */
#define MOVES_FREE ((uint64_t)1 << 20)
#define MOVES_PER_OP 64u

static uint64_t moves_allowed(const edn_doc *doc, size_t ops)
{
    return MOVES_FREE + MOVES_PER_OP * ((uint64_t)doc->log.n_ops + ops);
}

/* A run of characters that all events leave there: to be put at the end of the text. */
static edn_status whole_run(void *ctx, const edn_walk_seen *run)
{
    merge *m = ctx;
    const edn_log *log = &m->doc->log;
    uint32_t len = run->now ? run->len : 0;
    edn_lv lv = run->lv;

    for (uint32_t i = edn_log_op_of(log, lv); len; i++) {
        const edn_op *op = &log->ops[i];
        uint32_t skip = lv - op->lv, k = EDN_MIN(len, op->len - skip);
        edn_bytes text = edn_log_text(log, op, skip, k);
        edn_edit edit = {m->length, 0, k, (uint32_t)(text.p - log->text), (uint32_t)text.n};
        if (!edn_edits_add(&m->s->edits, edit))
            return EDN_E_NOMEM;
        m->length += k;
        lv += k;
        len -= k;
    }
    return EDN_OK;
}

/* All events of the log in an order that is cheap, and the text read off at the end: for a document that was empty. */
static edn_status whole_by_plan(merge *m)
{
    edn_doc *doc = m->doc;
    edn_status st;

    edn_walker_free(doc->walker);
    doc->walker = NULL;
    m->s->edits.n = 0;
    m->length = 0;
    if ((st = edn_walker_new_planned(&doc->log, doc->log.n, &doc->walker)) != EDN_OK)
        return st;
    return edn_walker_each(doc->walker, whole_run, m);
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

static edn_status run_take(merge *m, const edn_block_run *run)
{
    edn_doc *doc = m->doc;
    uint32_t agent = m->s->agents[run->agent], next = doc->log.agents[agent].next, seq = EDN_MAX(next, run->seq), n_par;
    edn_lv from = doc->log.n;
    bool full;
    edn_status st;

    if (EDN_PLANT(applies_twice) && next >= run->seq + run->len)
        seq = run->seq;
    else if (next >= run->seq + run->len)
        return EDN_OK; /* here already */
    if (next < run->seq)
        return EDN_E_PARENTS;
    if ((st = parents_map(m, run, agent, seq, &n_par)) != EDN_OK)
        return st;
    if (!folded_seen(&doc->log, m->s->par, n_par))
        return EDN_E_MISSING;
    full = edn_doc_front_equal(doc, m->s->par, n_par);
    if (!full && (st = parents_check(m, agent, seq, run->own || seq > run->seq, n_par)) != EDN_OK)
        return st;
    if (!edn_doc_front_room(doc, doc->n_front + 1))
        return EDN_E_NOMEM;
    run_push(m, run, agent, seq, n_par, full);
    if (m->replay && !m->by_plan)
        st = full ? run_direct(m, from, doc->log.n) : run_concurrent(m, from, doc->log.n, n_par);
    if (st == EDN_E_LIMIT && from > 0 && m->n_front == 0) { /* all that is here came with this block */
        m->by_plan = true;
        st = EDN_OK;
    }
    edn_doc_front_add(doc, m->s->par, n_par, doc->log.n - 1);
    return st;
}

static edn_status merge_reserve(merge *m)
{
    const edn_block *b = m->b;
    /* A push may fill up the last op and begin one more; times cut ops. */
    size_t pushes = (size_t)b->n_ops + b->n_times;
    edn_log_need need = {b->n_events, b->n_runs, (size_t)b->n_par + b->n_runs, 2 * pushes, b->text.n,
                         b->n_metas,  b->mtext};
    edn_status st = edn_log_reserve(&m->doc->log, &need);

    for (uint32_t i = 0; st == EDN_OK && i < b->n_agents; i++) {
        const edn_block_agent *a = &b->by_agent[i];
        if (a->n_runs)
            st = edn_log_reserve_agent(&m->doc->log, m->s->agents[i], a->n_runs, a->time_end - a->time_at);
    }
    return st;
}

static void edits_apply(merge *m)
{
    edn_doc *doc = m->doc;

    for (uint32_t i = 0; i < m->s->edits.n; i++) {
        const edn_edit *e = &m->s->edits.v[i];
        edn_rope_delete(&doc->rope, e->pos, e->del);
        edn_rope_insert(&doc->rope, e->pos, edn_bytes_of(doc->log.text + e->text_at, e->text_n));
    }
}

static void edits_tell(const merge *m, edn_doc_patch_fn *patch, void *ctx)
{
    for (uint32_t i = 0; i < m->s->edits.n; i++) {
        const edn_edit *e = &m->s->edits.v[i];
        edn_doc_patch p = {e->pos, e->del, edn_bytes_of(m->doc->log.text + e->text_at, e->text_n)};
        patch(ctx, &p);
    }
}

static void merge_undo(merge *m, const edn_log_mark *mark)
{
    edn_doc *doc = m->doc;

    edn_log_rollback(&doc->log, mark);
    edn_graph_heap_forget(&doc->heap);
    if (m->n_front)
        memcpy(doc->front, m->s->front, m->n_front * sizeof *m->s->front);
    doc->n_front = m->n_front;
    doc->ids_fresh = false;
    edn_walker_free(doc->walker); /* it may have seen what is gone again */
    doc->walker = NULL;
}

static edn_status merge_begin(merge *m)
{
    edn_doc *doc = m->doc;

    m->s->edits.n = 0;
    if (!EDN_VEC_ROOM(m->s->agents, m->s->cap_agents, m->b->n_agents + 1u) ||
        !EDN_VEC_ROOM(m->s->front, m->s->cap_front, doc->n_front + 1u))
        return EDN_E_NOMEM;
    if (doc->n_front)
        memcpy(m->s->front, doc->front, doc->n_front * sizeof *m->s->front);
    return EDN_OK;
}

/* Everything that can fail, in the order in which it can. */
static edn_status merge_try(merge *m, const edn_log_mark *mark)
{
    edn_doc *doc = m->doc;
    edn_status st;

    if ((st = agents_map(m)) != EDN_OK || (st = merge_reserve(m)) != EDN_OK)
        return st;
    for (uint32_t i = 0; i < m->b->n_runs; i++)
        if ((st = run_take(m, &m->b->runs[i])) != EDN_OK)
            return st;
    if (m->by_plan && (st = whole_by_plan(m)) != EDN_OK)
        return st;
    if (m->replay && m->text_n > EDN_DOC_TEXT_SIZE_MAX - doc->rope.sum.bytes)
        return EDN_E_LIMIT;
    if ((st = edn_doc_metas_reserve(doc, mark->n)) != EDN_OK)
        return st;
    return m->replay ? edn_rope_reserve(&doc->rope, m->s->edits.n, m->text_n) : EDN_OK;
}

static uint32_t authors(const edn_block *b)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < b->n_agents; i++)
        n += b->by_agent[i].n_runs > 0;
    return n;
}

edn_status edn_doc_take(edn_doc *doc, const edn_block *b, bool replay, edn_doc_patch_fn *patch, void *ctx)
{
    merge m = {.doc = doc,
               .b = b,
               .replay = replay,
               .s = &doc->scratch,
               .length = doc->rope.sum.scalars,
               .n_front = doc->n_front,
               .moves = authors(b) > 1 ? moves_allowed(doc, b->n_ops) : UINT64_MAX};
    edn_log_mark mark = edn_log_mark_now(&doc->log);
    edn_status st = merge_begin(&m);

    doc->keys_left = 0;
    if (st != EDN_OK)
        return st;
    if ((st = merge_try(&m, &mark)) != EDN_OK) {
        merge_undo(&m, &mark);
        return st;
    }
    edits_apply(&m);
    edn_doc_metas_apply(doc, mark.n);
    if (patch)
        edits_tell(&m, patch, ctx);
    return EDN_OK;
}

/* What can fail of taking one in. */
static edn_status plain_try(merge *m, uint32_t agent, const edn_plain_op *op, edn_bytes text, bool full)
{
    edn_doc *doc = m->doc;
    edn_lv from = doc->log.n;
    edn_status st = full ? EDN_OK : parents_check(m, agent, op->seq, op->own, op->n_par);

    if (st != EDN_OK)
        return st;
    edn_log_push_run(&doc->log, agent, op->par, op->n_par, full);
    edn_log_push_op(&doc->log, op->kind, op->pos, op->len, text);
    st = full ? run_direct(m, from, doc->log.n) : run_concurrent(m, from, doc->log.n, op->n_par);
    if (st == EDN_OK && !(m->s->edits.n == 1 && text.n < EDN_ROPE_SMALL && edn_rope_ready(&doc->rope)))
        st = edn_rope_reserve(&doc->rope, m->s->edits.n, text.n);
    return st;
}

/* What edn_doc_take does, where there is no table of agents, and one run of one op. */
edn_status edn_doc_take_plain(edn_doc *doc, uint32_t agent, const edn_plain_op *op, edn_bytes text,
                              edn_doc_patch_fn *patch, void *ctx)
{
    merge m = {.doc = doc, .replay = true, .s = &doc->scratch, .length = doc->rope.sum.scalars, .moves = UINT64_MAX};
    edn_log_need need = {op->len, 1, op->n_par, 3, text.n, 0, 0};
    edn_log_mark mark;
    edn_status st;

    doc->keys_left = 0;
    m.s->edits.n = 0;
    if (!folded_seen(&doc->log, op->par, op->n_par))
        return EDN_E_MISSING;
    if (text.n > EDN_DOC_TEXT_SIZE_MAX - doc->rope.sum.bytes)
        return EDN_E_LIMIT;
    if ((st = edn_log_reserve(&doc->log, &need)) != EDN_OK ||
        (st = edn_log_reserve_agent(&doc->log, agent, 1, 0)) != EDN_OK)
        return st;
    if (!edn_doc_front_room(doc, doc->n_front + 1) || !EDN_VEC_ROOM(m.s->par, m.s->cap_par, op->n_par))
        return EDN_E_NOMEM;
    memcpy(m.s->par, op->par, op->n_par * sizeof *op->par);
    mark = edn_log_mark_now(&doc->log);
    st = plain_try(&m, agent, op, text, edn_doc_front_equal(doc, op->par, op->n_par));
    if (st != EDN_OK) {
        edn_log_rollback(&doc->log, &mark);
        edn_graph_heap_forget(&doc->heap);
        edn_walker_free(doc->walker); /* it may have seen what is gone again */
        doc->walker = NULL;
        return st;
    }
    edn_doc_front_add(doc, op->par, op->n_par, doc->log.n - 1);
    edits_apply(&m);
    if (patch)
        edits_tell(&m, patch, ctx);
    return EDN_OK;
}

static edn_status run_replay(merge *m, uint32_t run)
{
    edn_doc *doc = m->doc;
    const edn_graph_run *g = &doc->log.graph[run];
    edn_lv to = edn_log_run_end(&doc->log, run);
    uint32_t n_par;
    const edn_lv *par = edn_log_parents(g, &doc->log, &n_par);
    edn_status st = EDN_OK;

    if (!EDN_VEC_ROOM(m->s->par, m->s->cap_par, n_par + 1u) || !edn_doc_front_room(doc, doc->n_front + 1))
        return EDN_E_NOMEM;
    if (n_par)
        memcpy(m->s->par, par, n_par * sizeof *par);
    if (!m->by_plan)
        st = g->full ? run_direct(m, g->lv, to) : run_concurrent(m, g->lv, to, n_par);
    if (st == EDN_E_LIMIT) {
        m->by_plan = true;
        st = EDN_OK;
    }
    edn_doc_front_add(doc, par, n_par, to - 1);
    return st;
}

edn_status edn_doc_replay(edn_doc *doc)
{
    merge m = {.doc = doc, .replay = true, .s = &doc->scratch, .moves = moves_allowed(doc, 0)};
    edn_status st = EDN_OK;

    m.s->edits.n = 0;
    for (uint32_t i = 0; st == EDN_OK && i < doc->log.n_graph; i++)
        st = run_replay(&m, i);
    if (st == EDN_OK && m.by_plan)
        st = whole_by_plan(&m);
    if (st == EDN_OK)
        st = edn_doc_metas_reserve(doc, 0);
    if (st == EDN_OK)
        st = edn_rope_reserve(&doc->rope, m.s->edits.n, doc->log.n_text);
    if (st != EDN_OK)
        return st;
    edits_apply(&m);
    edn_doc_metas_apply(doc, 0);
    return EDN_OK;
}
