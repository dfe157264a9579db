#include "block.h"

#include <stdlib.h>

/* A block (all numbers are canonical LEB128 unless they say otherwise; zigzag: 0, -1, 1, -2, … as 0, 1, 2, 3, …):
 *
 *   agents     count; 16 bytes each, rising          (a whole document has them in its head instead)
 *   runs       count; each:
 *                agent                 its number in the table above
 *                seq                   of its first event; only in the agent's first run of the block
 *                len                   events
 *                2 × others + own      own: the agent's event before is a parent. Then for each other parent, by agent:
 *                  2 × back            an event of this block, `back` before this run's first
 *                  2 × agent + 1, seq  an event outside
 *   times      for each agent with events here, by number, until they are covered: count, zigzag(ms − the time before)
 *   ops        for each run, until its events are covered:
 *                kind + 4 × (len − 1)  kind 0 insertion, 1 deletion forwards, 2 deletion backwards
 *                3 + 4 × what          0 field, 1 tag, 2 untag, 3 remove, 4 revive; one event
 *   positions  for each insertion and deletion: zigzag(pos − where the agent's last one in this block ended)
 *   text       size; the inserted text
 *   metas      for each field: name size, value size, name, value; for each tag and untag: size, tag
 *
 * A message holds events of one agent, its author, and makes the most of what its reader has: the author's event
 * before. It begins with one byte of flags: MESSAGE_FORM, and
 *
 *   AUTHOR     the author's 16 bytes come next; without it, the reader knows who wrote it
 *              seq of the first event (always)
 *   RUNS       others: count, 16 bytes each, rising; runs: count, each as above without agent and seq, every parent as
 *              agent, seq. Without it: one run on top of the author's event before alone (seq 0: of nothing)
 *   MANY       (not with RUNS) how many events, and then ops until they are covered. Without it: one op
 *              ops, as above
 *   TIMES      as above, the first against the time of the author's event before (seq 0: 0). Without it: that time
 *              positions, as above; the first against where the author's event before ended (nowhere: 0)
 *              text, without its size when no meta follows: then it is the rest of the message; metas
 *
 * Runs and ops are the longest that the events make (edn_log_walk), and no longer than EDN_OP_LEN_MAX for ops. */

#define KIND_META 3u

#define MESSAGE_FORM_MASK 0x83u
#define MESSAGE_FORM 0x01u
#define MESSAGE_AUTHOR 0x04u
#define MESSAGE_RUNS 0x08u
#define MESSAGE_TIMES 0x10u
#define MESSAGE_MANY 0x20u
#define MESSAGE_NONE 0x40u /* always 0 */

static uint64_t zigzag(int64_t v) { return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63); }
static int64_t unzigzag(uint64_t v) { return (int64_t)(v >> 1) ^ -(int64_t)(v & 1); }

/* Where the next op of the same hand is expected. */
static uint32_t op_end(uint32_t kind, uint32_t pos, uint32_t len)
{
    return kind == EDN_OP_INS ? pos + len : kind == EDN_OP_BACK ? pos - (len - 1) : pos;
}

/* ---- walking the log in the longest runs ------------------------------------------------------------------------- */

typedef struct walk_state {
    const edn_log *log;
    const edn_walk *walk;
    edn_walk_run run; /* len 0: none yet */
    edn_lv last;      /* the event that came last */
    edn_op_join join; /* len 0: none */
    edn_walk_op op;
} walk_state;

static edn_status walk_flush_op(walk_state *s)
{
    edn_status st = EDN_OK;

    if (s->join.len) {
        s->op.kind = s->join.kind;
        s->op.pos = s->join.pos;
        s->op.len = s->join.len;
        st = s->walk->op ? s->walk->op(s->walk->ctx, s->run.agent, &s->op) : EDN_OK;
    }
    s->join.len = 0;
    return st;
}

static edn_status walk_flush_run(walk_state *s)
{
    edn_status st = walk_flush_op(s);

    if (st == EDN_OK && s->run.len && s->walk->run)
        st = s->walk->run(s->walk->ctx, &s->run);
    s->run.len = 0;
    return st;
}

static edn_status walk_text(walk_state *s, const edn_op *op, uint32_t skip, uint32_t len)
{
    edn_bytes text = edn_log_text(s->log, op, skip, len);

    s->op.size += text.n;
    return s->walk->text ? s->walk->text(s->walk->ctx, text) : EDN_OK;
}

static edn_status walk_op_piece(walk_state *s, const edn_op *op, edn_lv from, edn_lv to, uint32_t seq)
{
    while (from < to) {
        uint32_t skip = from - op->lv, len = to - from, k = 0, pos = edn_op_pos((edn_op_kind)op->kind, op->pos, skip);
        edn_status st;
        if (s->join.len && op->kind <= EDN_OP_BACK && s->join.kind <= EDN_OP_BACK)
            k = edn_op_extend(&s->join, (edn_op_kind)op->kind, pos, len);
        if (k == 0) {
            if ((st = walk_flush_op(s)) != EDN_OK)
                return st;
            k = EDN_MIN(len, EDN_OP_LEN_MAX);
            s->join = (edn_op_join){pos, k, (edn_op_kind)op->kind};
            if (k == 1 && op->kind == EDN_OP_BACK)
                s->join.kind = EDN_OP_DEL;
            s->op = (edn_walk_op){.op = op, .skip = skip, .seq = seq};
        }
        if (op->kind == EDN_OP_INS && (st = walk_text(s, op, skip, k)) != EDN_OK)
            return st;
        from += k;
        seq += k;
    }
    return EDN_OK;
}

/* The events [from, to) of one graph run. */
static edn_status walk_piece(walk_state *s, uint32_t run, edn_lv from, edn_lv to)
{
    const edn_graph_run *g = &s->log->graph[run];
    uint32_t seq = g->seq + (from - g->lv), n_par;
    const edn_lv *par = edn_log_parents(g, s->log, &n_par);
    bool head = from == g->lv, goes_on;
    edn_status st;

    /* Inside a graph run, or after it in another: the same agent's next event on top of nothing but its last. */
    goes_on = s->run.len && s->run.agent == g->agent && (head ? n_par == 1 && par[0] == s->last : from - 1 == s->last);
    if (!goes_on) {
        if ((st = walk_flush_run(s)) != EDN_OK)
            return st;
        s->run = (edn_walk_run){g->agent, seq, 0, from, par, n_par};
        if (!head) {
            s->run.parents = NULL; /* the event before, which is the agent's own */
            s->run.n_parents = 1;
        }
    }
    s->run.len += to - from;
    s->last = to - 1;
    for (uint32_t i = edn_log_op_of(s->log, from); from < to; i++) {
        const edn_op *op = &s->log->ops[i];
        edn_lv end = EDN_MIN(op->lv + op->len, to);
        if ((st = walk_op_piece(s, op, from, end, seq)) != EDN_OK)
            return st;
        seq += end - from;
        from = end;
    }
    return EDN_OK;
}

edn_status edn_log_walk(const edn_log *log, const edn_lv_range *ranges, uint32_t n, const edn_walk *walk)
{
    walk_state s = {.log = log, .walk = walk};

    for (uint32_t i = 0; i < n; i++) {
        edn_lv at = ranges[i].from;
        for (uint32_t run = edn_log_run_of(log, at); at < ranges[i].to; run++) {
            edn_lv end = EDN_MIN(edn_log_run_end(log, run), ranges[i].to);
            edn_status st = walk_piece(&s, run, at, end);
            if (st != EDN_OK)
                return st;
            at = end;
        }
    }
    return walk_flush_run(&s);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* What the block holds of one agent of the log. */
typedef struct write_agent {
    uint32_t number; /* in the block's table; NONE: not in it */
    uint32_t seq, n; /* its events here */
    uint32_t expect; /* where its next op is expected */
} write_agent;
#define NOT_HERE UINT32_MAX

/* Where a range of events is in the block: for parents. */
typedef struct write_place {
    edn_lv from, to;
    uint32_t at;
} write_place;

typedef struct writer {
    const edn_log *log;
    edn_block_form form;
    bool own_only; /* a message that needs no runs */
    write_agent *agents;
    write_place *places; /* rising */
    uint32_t n_places;
    edn_buf runs, ops, pos, metas, text, table;
    uint32_t n_runs, n_events, n_ops;
} writer;

static int place_compare(const void *a, const void *b)
{
    const write_place *x = a, *y = b;

    return x->from < y->from ? -1 : x->from > y->from;
}

static bool places_build(writer *w, const edn_lv_range *ranges, uint32_t n)
{
    uint32_t at = 0;
    bool rising = true;

    w->places = calloc(n + 1u, sizeof *w->places);
    if (!w->places)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        w->places[i] = (write_place){ranges[i].from, ranges[i].to, at};
        at += ranges[i].to - ranges[i].from;
        rising = rising && (i == 0 || ranges[i - 1].from < ranges[i].from);
    }
    w->n_places = n;
    if (!rising)
        qsort(w->places, n, sizeof *w->places, place_compare);
    return true;
}

static void agents_mark(writer *w, const edn_lv_range *ranges, uint32_t n)
{
    const edn_log *log = w->log;

    for (uint32_t i = 0; i < n; i++) {
        edn_lv at = ranges[i].from;
        for (uint32_t run = edn_log_run_of(log, at); at < ranges[i].to; run++) {
            const edn_graph_run *g = &log->graph[run];
            edn_lv end = EDN_MIN(edn_log_run_end(log, run), ranges[i].to);
            write_agent *a = &w->agents[g->agent];
            uint32_t n_par;
            const edn_lv *par = edn_log_parents(g, log, &n_par);
            if (a->n == 0)
                a->seq = g->seq + (at - g->lv);
            a->n += end - at;
            a->number = 0;
            for (uint32_t k = 0; at == g->lv && k < n_par; k++)
                w->agents[log->graph[edn_log_run_of(log, par[k])].agent].number = 0;
            if (w->form == EDN_BLOCK_MESSAGE)
                w->agents[g->agent].number = NOT_HERE; /* the author is not among the others */
            at = end;
        }
    }
}

/* How many events before the end of the block so far an event lies; 0: it is not in the block. */
static uint32_t parent_back(const writer *w, edn_lv lv)
{
    uint32_t lo = 0, hi = w->n_places;

    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (w->places[mid].from <= lv)
            lo = mid;
        else
            hi = mid;
    }
    if (lv < w->places[lo].from || lv >= w->places[lo].to)
        return 0;
    return w->n_events - (w->places[lo].at + (lv - w->places[lo].from));
}

static void parents_write(writer *w, const edn_walk_run *run)
{
    uint32_t others = 0, own = 0;

    if (!run->parents && run->n_parents) {
        edn_put_varint(&w->runs, 1);
        return;
    }
    for (uint32_t i = 0; i < run->n_parents; i++) {
        if (w->log->graph[edn_log_run_of(w->log, run->parents[i])].agent == run->agent)
            own = 1;
        else
            others++;
    }
    edn_put_varint(&w->runs, 2 * (uint64_t)others + own);
    w->own_only = w->own_only && others == 0;
    /* In the order of agents: LVs differ between replicas. Few: a selection sort. */
    for (uint32_t k = 0, floor = 0; k < others; k++) {
        uint32_t best = NOT_HERE, best_seq = 0, back;
        edn_lv best_lv = 0;
        for (uint32_t i = 0; i < run->n_parents; i++) {
            const edn_graph_run *g = &w->log->graph[edn_log_run_of(w->log, run->parents[i])];
            uint32_t number = w->agents[g->agent].number;
            if (g->agent != run->agent && number >= floor && number < best) {
                best = number;
                best_lv = run->parents[i];
                best_seq = g->seq + (run->parents[i] - g->lv);
            }
        }
        floor = best + 1;
        back = w->form == EDN_BLOCK_MESSAGE ? 0 : parent_back(w, best_lv);
        if (back) {
            edn_put_varint(&w->runs, 2 * (uint64_t)back);
        } else if (w->form == EDN_BLOCK_MESSAGE) {
            edn_put_varint(&w->runs, best);
            edn_put_varint(&w->runs, best_seq);
        } else {
            edn_put_varint(&w->runs, 2 * (uint64_t)best + 1);
            edn_put_varint(&w->runs, best_seq);
        }
    }
}

static edn_status write_run_end(void *ctx, const edn_walk_run *run)
{
    writer *w = ctx;

    if (w->form != EDN_BLOCK_MESSAGE) {
        edn_put_varint(&w->runs, w->agents[run->agent].number);
        if (run->seq == w->agents[run->agent].seq)
            edn_put_varint(&w->runs, run->seq);
    }
    edn_put_varint(&w->runs, run->len);
    parents_write(w, run);
    w->n_runs++;
    w->n_events += run->len;
    return EDN_OK;
}

static edn_status write_text(void *ctx, edn_bytes text)
{
    writer *w = ctx;

    edn_put_bytes(&w->text, text.p, text.n);
    return EDN_OK;
}

static edn_status write_op(void *ctx, uint32_t agent, const edn_walk_op *op)
{
    writer *w = ctx;
    write_agent *a = &w->agents[agent];

    w->n_ops++;
    if (op->kind <= EDN_OP_BACK) {
        edn_put_varint(&w->ops, (uint64_t)op->kind + 4 * ((uint64_t)op->len - 1));
        edn_put_varint(&w->pos, zigzag((int64_t)op->pos - (int64_t)a->expect));
        a->expect = op_end(op->kind, op->pos, op->len);
        return EDN_OK;
    }
    edn_put_varint(&w->ops, KIND_META + 4 * ((uint64_t)op->kind - EDN_OP_FIELD));
    if (op->kind <= EDN_OP_UNTAG) {
        edn_bytes name = edn_log_meta_name(w->log, op->op), value = edn_log_meta_value(w->log, op->op);
        edn_put_varint(&w->metas, name.n);
        if (op->kind == EDN_OP_FIELD)
            edn_put_varint(&w->metas, value.n);
        edn_put_bytes(&w->metas, name.p, name.n);
        edn_put_bytes(&w->metas, value.p, value.n);
    }
    return EDN_OK;
}

static void agent_times_write(const writer *w, uint32_t agent, uint64_t before, edn_buf *out)
{
    uint32_t seq = w->agents[agent].seq, end = seq + w->agents[agent].n;

    while (seq < end) {
        uint32_t to;
        uint64_t t = edn_log_time(w->log, agent, seq, &to);
        to = EDN_MIN(to, end);
        edn_put_varint(out, to - seq);
        edn_put_varint(out, zigzag((int64_t)(t - before)));
        before = t;
        seq = to;
    }
}

static void agents_write(writer *w, edn_buf *out)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < w->log->n_agents; i++) {
        write_agent *a = &w->agents[w->log->by_id[i]];
        if (a->number != NOT_HERE)
            a->number = n++;
    }
    if (w->form == EDN_BLOCK_DOC)
        return;
    edn_put_varint(out, n);
    for (uint32_t i = 0; i < w->log->n_agents; i++) {
        uint32_t agent = w->log->by_id[i];
        if (w->agents[agent].number != NOT_HERE)
            edn_put_bytes(out, w->log->agents[agent].id.b, sizeof(edn_agent_id));
    }
}

static edn_status writer_init(writer *w, const edn_lv_range *ranges, uint32_t n)
{
    edn_buf empty = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    w->runs = w->ops = w->pos = w->metas = w->text = w->table = empty;
    w->agents = calloc(w->log->n_agents + 1u, sizeof *w->agents);
    if (!w->agents || !places_build(w, ranges, n))
        return EDN_E_NOMEM;
    for (uint32_t i = 0; i < w->log->n_agents; i++)
        w->agents[i].number = NOT_HERE;
    agents_mark(w, ranges, n);
    agents_write(w, &w->table);
    return EDN_OK;
}

static void writer_dispose(writer *w)
{
    free(w->agents);
    free(w->places);
    edn_buf_dispose(&w->runs);
    edn_buf_dispose(&w->ops);
    edn_buf_dispose(&w->pos);
    edn_buf_dispose(&w->metas);
    edn_buf_dispose(&w->text);
    edn_buf_dispose(&w->table);
}

static edn_status writer_status(const writer *w)
{
    const edn_buf *columns[] = {&w->runs, &w->ops, &w->pos, &w->metas, &w->text, &w->table};

    for (size_t i = 0; i < EDN_COUNT(columns); i++)
        if (edn_buf_status(columns[i]) != EDN_OK)
            return edn_buf_status(columns[i]);
    return EDN_OK;
}

static void column_put(edn_buf *out, const edn_buf *column) { edn_put_bytes(out, column->p, column->n); }

edn_status edn_block_write(const edn_log *log, const edn_lv_range *ranges, uint32_t n, edn_block_form form,
                           edn_buf *out)
{
    writer w = {.log = log, .form = form};
    edn_walk walk = {&w, write_run_end, write_text, write_op};
    edn_status st = writer_init(&w, ranges, n);

    if (st != EDN_OK || (st = edn_log_walk(log, ranges, n, &walk)) != EDN_OK || (st = writer_status(&w)) != EDN_OK)
        goto out;
    column_put(out, &w.table);
    edn_put_varint(out, w.n_runs);
    column_put(out, &w.runs);
    for (uint32_t i = 0; i < log->n_agents; i++)
        agent_times_write(&w, log->by_id[i], 0, out);
    column_put(out, &w.ops);
    column_put(out, &w.pos);
    edn_put_varint(out, w.text.n);
    column_put(out, &w.text);
    column_put(out, &w.metas);
    st = edn_buf_status(out);
out:
    writer_dispose(&w);
    return st;
}

/* What a message counts from: the time of the author's event before it, and where that ended. */
edn_block_before edn_block_before_of(const edn_log *log, uint32_t agent, uint32_t seq)
{
    edn_block_before out = {0, 0};
    const edn_op *op;
    edn_lv lv;
    uint32_t end;

    if (seq == 0)
        return out;
    out.time_ms = edn_log_time(log, agent, seq - 1, &end);
    lv = edn_log_lv(log, agent, seq - 1);
    op = &log->ops[edn_log_op_of(log, lv)];
    if (lv < log->folded)
        out.end = log->agents[agent].folded_end;
    else if (op->kind <= EDN_OP_BACK)
        out.end = edn_op_pos((edn_op_kind)op->kind, op->pos, lv - op->lv) + (op->kind == EDN_OP_INS);
    return out;
}

edn_status edn_message_write(const edn_log *log, uint32_t agent, uint32_t seq, const edn_lv_range *ranges, uint32_t n,
                             bool author, edn_buf *out)
{
    writer w = {.log = log, .form = EDN_BLOCK_MESSAGE, .own_only = true};
    edn_walk walk = {&w, write_run_end, write_text, write_op};
    edn_block_before before = edn_block_before_of(log, agent, seq);
    edn_buf times = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st = writer_init(&w, ranges, n);
    uint32_t end;
    bool runs, timed, many;

    if (st != EDN_OK)
        goto out;
    w.agents[agent].expect = before.end;
    if ((st = edn_log_walk(log, ranges, n, &walk)) != EDN_OK)
        goto out;
    agent_times_write(&w, agent, before.time_ms, &times);
    if ((st = writer_status(&w)) != EDN_OK || (st = edn_buf_status(&times)) != EDN_OK)
        goto out;
    runs = w.n_runs > 1 || !w.own_only;
    timed = edn_log_time(log, agent, seq, &end) != before.time_ms || end < seq + w.n_events;
    many = !runs && w.n_ops > 1;
    edn_put_u8(out, (uint8_t)(MESSAGE_FORM | (author ? MESSAGE_AUTHOR : 0) | (runs ? MESSAGE_RUNS : 0) |
                              (timed ? MESSAGE_TIMES : 0) | (many ? MESSAGE_MANY : 0)));
    if (author)
        edn_put_bytes(out, log->agents[agent].id.b, sizeof(edn_agent_id));
    edn_put_varint(out, seq);
    if (runs) {
        column_put(out, &w.table);
        edn_put_varint(out, w.n_runs);
        column_put(out, &w.runs);
    }
    if (many)
        edn_put_varint(out, w.n_events);
    column_put(out, &w.ops);
    if (timed)
        column_put(out, &times);
    column_put(out, &w.pos);
    if (w.text.n && w.metas.n)
        edn_put_varint(out, w.text.n);
    column_put(out, &w.text);
    column_put(out, &w.metas);
    st = edn_buf_status(out);
out:
    writer_dispose(&w);
    edn_buf_dispose(&times);
    return st;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

void edn_block_dispose(edn_block *b)
{
    free(b->agents);
    free(b->by_agent);
    free(b->runs);
    free(b->par);
    free(b->times);
    free(b->ops);
    free(b->metas);
    free(b->next);
    free(b->starts);
    *b = (edn_block){0};
}

/* Forgets what was read and keeps the memory. */
static void block_reset(edn_block *b)
{
    b->n_agents = b->n_runs = b->n_par = b->n_times = b->n_ops = b->n_metas = b->n_events = 0;
    b->mtext = 0;
    b->text = EDN_BYTES_EMPTY;
}

/* A number that has to be at most `max`. */
static uint32_t read_max(edn_reader *r, uint32_t max, const char *field)
{
    uint64_t v = edn_read_varint(r, field);

    if (v > max) {
        edn_reader_fail(r, EDN_E_FORMAT, field);
        return 0;
    }
    return (uint32_t)v;
}

static bool format(edn_reader *r, bool good, const char *field)
{
    if (!good)
        edn_reader_fail(r, EDN_E_FORMAT, field);
    return good && edn_reader_status(r) == EDN_OK;
}

static bool memory(edn_reader *r, bool got)
{
    if (!got)
        edn_reader_fail(r, EDN_E_NOMEM, "memory");
    return got;
}

static bool agents_room(edn_block *b, edn_reader *r, uint32_t n)
{
    return memory(r, EDN_VEC_ROOM(b->agents, b->cap_agents, n + 1u) &&
                         EDN_VEC_ROOM(b->by_agent, b->cap_by_agent, n + 1u) &&
                         EDN_VEC_ROOM(b->next, b->cap_next, n + 1u));
}

static void agents_read(edn_block *b, edn_reader *r)
{
    uint32_t n = read_max(r, EDN_LOG_AGENTS_MAX, "agent count");

    if (!edn_reader_has(r, n, sizeof *b->agents) || !agents_room(b, r, n))
        return;
    for (uint32_t i = 0; i < n; i++) {
        b->by_agent[i] = (edn_block_agent){0};
        edn_read_into(r, &b->agents[i], sizeof *b->agents, "agent");
        if (!format(r, i == 0 || edn_agent_id_compare(&b->agents[i - 1], &b->agents[i]) < 0, "agent"))
            return;
    }
    b->n_agents = n;
}

static void parent_read(edn_block *b, edn_reader *r, const edn_block_run *run, edn_block_parent *out)
{
    uint64_t ref = edn_read_varint(r, "parent");

    *out = (edn_block_parent){0, 0};
    if (ref & 1) {
        if (!format(r, (ref >> 1) < b->n_agents, "parent's agent"))
            return;
        out->agent = (uint32_t)(ref >> 1);
        out->seq = read_max(r, EDN_LOG_EVENTS_MAX, "parent's seq");
        format(r, b->by_agent[out->agent].n_runs == 0 || out->seq < b->by_agent[out->agent].first_seq,
               "parent outside");
    } else {
        uint64_t back = ref >> 1;
        uint32_t lo = 0, hi = b->n_runs, at;
        if (!format(r, back > 0 && back <= b->n_events, "parent"))
            return;
        at = b->n_events - (uint32_t)back;
        while (hi - lo > 1) {
            uint32_t mid = lo + (hi - lo) / 2;
            if (b->starts[mid] <= at)
                lo = mid;
            else
                hi = mid;
        }
        out->agent = b->runs[lo].agent;
        out->seq = b->runs[lo].seq + (at - b->starts[lo]);
    }
    format(r, out->agent != run->agent, "parent's agent");
}

static void run_read(edn_block *b, edn_reader *r)
{
    edn_block_run run = {0};
    edn_block_agent *a;
    uint32_t parents;

    run.agent = read_max(r, b->n_agents - 1u, "run's agent");
    a = &b->by_agent[run.agent];
    run.seq = a->n_runs ? b->next[run.agent] : read_max(r, EDN_LOG_EVENTS_MAX, "seq");
    run.len = read_max(r, EDN_LOG_EVENTS_MAX, "run's length");
    if (!format(r,
                run.len > 0 && run.len <= EDN_LOG_EVENTS_MAX - run.seq && run.len <= EDN_LOG_EVENTS_MAX - b->n_events,
                "run's length"))
        return;
    parents = read_max(r, 2 * EDN_LOG_AGENTS_MAX, "parents");
    run.own = parents & 1;
    run.n_par = parents / 2;
    run.par_at = b->n_par;
    if (!format(r, run.seq > 0 ? run.own || run.n_par : !run.own, "parents") || !edn_reader_has(r, run.n_par, 1) ||
        !memory(r, EDN_VEC_ROOM(b->par, b->cap_par, (size_t)b->n_par + run.n_par) &&
                       EDN_VEC_ROOM(b->runs, b->cap_runs, b->n_runs + 1u) &&
                       EDN_VEC_ROOM(b->starts, b->cap_starts, b->n_runs + 1u)))
        return;
    for (uint32_t i = 0; i < run.n_par; i++) {
        edn_block_parent *p = &b->par[b->n_par];
        parent_read(b, r, &run, p);
        if (!format(r, i == 0 || p[-1].agent < p->agent, "parents' order"))
            return;
        b->n_par++;
    }
    if (a->n_runs++ == 0)
        a->first_seq = run.seq;
    b->next[run.agent] = run.seq + run.len;
    b->starts[b->n_runs] = b->n_events;
    b->runs[b->n_runs++] = run;
    b->n_events += run.len;
}

static void agent_times_read(edn_block *b, edn_reader *r, edn_block_agent *a, uint32_t left, uint64_t t)
{
    uint32_t seq = 0;

    a->time_at = b->n_times;
    while (left) {
        uint32_t n = read_max(r, left, "time's count");
        int64_t d = unzigzag(edn_read_varint(r, "time"));
        if (!format(r, n > 0 && (seq == 0 || d != 0), "time") ||
            !memory(r, EDN_VEC_ROOM(b->times, b->cap_times, b->n_times + 1u)))
            return;
        t += (uint64_t)d;
        b->times[b->n_times++] = (edn_time_run){seq, t};
        seq += n;
        left -= n;
    }
    a->time_end = b->n_times;
}

static bool op_head_read(edn_block *b, edn_reader *r, uint32_t left, edn_block_op *op)
{
    uint64_t head = edn_read_varint(r, "op");
    uint64_t rest = head >> 2;

    *op = (edn_block_op){(uint32_t)(head & 3), 0, 1, 0, 0};
    if (op->kind == KIND_META) {
        if (!format(r, rest <= EDN_OP_REVIVE - EDN_OP_FIELD, "op"))
            return false;
        op->kind = EDN_OP_FIELD + (uint32_t)rest;
        if (op->kind <= EDN_OP_UNTAG)
            op->at = b->n_metas++;
        return true;
    }
    if (!format(r, rest < left && rest < EDN_OP_LEN_MAX && !(op->kind == EDN_OP_BACK && rest == 0), "op's length"))
        return false;
    op->len = (uint32_t)rest + 1;
    return true;
}

/* Ops until the run's events are covered. */
static void run_ops_read(edn_block *b, edn_reader *r, edn_block_run *run)
{
    uint32_t left = run->len;

    run->op_at = b->n_ops;
    while (left) {
        if (!memory(r, EDN_VEC_ROOM(b->ops, b->cap_ops, b->n_ops + 1u)) || !op_head_read(b, r, left, &b->ops[b->n_ops]))
            return;
        left -= b->ops[b->n_ops++].len;
    }
    run->n_ops = b->n_ops - run->op_at;
}

/* `b->next` holds where each agent's next op is expected. The runs' ops must be the longest that their events make. */
static void positions_read(edn_block *b, edn_reader *r)
{
    for (uint32_t i = 0; i < b->n_runs; i++) {
        uint32_t *next = &b->next[b->runs[i].agent];
        edn_op_join last = {0, 0, EDN_OP_FIELD};
        for (uint32_t k = 0; k < b->runs[i].n_ops; k++) {
            edn_block_op *op = &b->ops[b->runs[i].op_at + k];
            int64_t pos;
            if (op->kind > EDN_OP_BACK) {
                last.kind = EDN_OP_FIELD;
                continue;
            }
            if (__builtin_add_overflow(unzigzag(edn_read_varint(r, "position")), (int64_t)*next, &pos))
                pos = -1;
            if (!format(r, pos >= 0 && pos <= EDN_LOG_EVENTS_MAX && !(op->kind == EDN_OP_BACK && pos + 1 < op->len),
                        "position"))
                return;
            op->pos = (uint32_t)pos;
            if (!format(r, edn_op_extend(&last, (edn_op_kind)op->kind, op->pos, op->len) == 0, "op"))
                return;
            last = (edn_op_join){op->pos, op->len, (edn_op_kind)op->kind};
            *next = op_end(op->kind, op->pos, op->len);
        }
    }
}

static void text_read(edn_block *b, edn_reader *r, uint64_t n)
{
    size_t scalars, at = 0, want = 0;
    edn_block_op *op;
    bool ascii;

    if (!edn_reader_has(r, n, 1))
        return;
    b->text = edn_read_bytes(r, (size_t)n, "text");
    if (!format(r, edn_utf8_check(b->text, &scalars) == b->text.n, "text"))
        return;
    ascii = scalars == b->text.n;
    for (uint32_t i = 0; i < b->n_ops; i++) {
        if (b->ops[i].kind != EDN_OP_INS)
            continue;
        op = &b->ops[i];
        op->at = (uint32_t)at;
        want += op->len;
        if (want > scalars)
            break;
        op->size = op->len;
        if (!ascii)
            op->size = (uint32_t)edn_utf8_offset(edn_bytes_of(b->text.p + at, b->text.n - at), op->len);
        at += op->size;
    }
    format(r, want == scalars, "text's length");
}

static void metas_read(edn_block *b, edn_reader *r)
{
    if (!memory(r, EDN_VEC_ROOM(b->metas, b->cap_metas, b->n_metas)))
        return;
    for (uint32_t i = 0; i < b->n_ops; i++) {
        edn_block_meta *m;
        uint32_t name, value = 0;
        if (b->ops[i].kind < EDN_OP_FIELD || b->ops[i].kind > EDN_OP_UNTAG)
            continue;
        m = &b->metas[b->ops[i].at];
        if (b->ops[i].kind == EDN_OP_FIELD) {
            name = read_max(r, EDN_DOC_FIELD_NAME_SIZE_MAX, "field's name");
            value = read_max(r, EDN_DOC_FIELD_SIZE_MAX, "field's value");
        } else {
            name = read_max(r, EDN_DOC_TAG_SIZE_MAX, "tag");
        }
        m->name = edn_read_bytes(r, name, "name");
        m->value = edn_read_bytes(r, value, "value");
        b->mtext += m->name.n + m->value.n;
    }
}

/* Times, ops, positions, text and metas of a block whose runs were read. */
static void columns_read(edn_block *b, edn_reader *r)
{
    for (uint32_t i = 0; i < b->n_agents && edn_reader_status(r) == EDN_OK; i++) {
        edn_block_agent *a = &b->by_agent[i];
        agent_times_read(b, r, a, a->n_runs ? b->next[i] - a->first_seq : 0, 0);
    }
    for (uint32_t i = 0; i < b->n_runs && edn_reader_status(r) == EDN_OK; i++)
        run_ops_read(b, r, &b->runs[i]);
    if (edn_reader_status(r) != EDN_OK)
        return;
    memset(b->next, 0, b->n_agents * sizeof *b->next);
    positions_read(b, r);
    text_read(b, r, edn_read_varint(r, "text's size"));
    if (edn_reader_status(r) == EDN_OK)
        metas_read(b, r);
}

edn_status edn_block_read(edn_block *b, edn_reader *r, const edn_agent_id *agents, uint32_t n_agents)
{
    uint32_t n_runs;

    block_reset(b);
    if (!agents) {
        agents_read(b, r);
    } else if (agents_room(b, r, n_agents)) {
        memcpy(b->agents, agents, n_agents * sizeof *agents);
        memset(b->by_agent, 0, n_agents * sizeof *b->by_agent);
        b->n_agents = n_agents;
    }
    n_runs = read_max(r, EDN_LOG_EVENTS_MAX, "run count");
    if (!edn_reader_has(r, n_runs, 3) || !format(r, n_runs == 0 || b->n_agents > 0, "run count"))
        return edn_reader_status(r);
    while (b->n_runs < n_runs && edn_reader_status(r) == EDN_OK)
        run_read(b, r);
    if (edn_reader_status(r) == EDN_OK)
        columns_read(b, r);
    return edn_reader_status(r);
}

/* ---- reading a message ------------------------------------------------------------------------------------------- */

/* A run of the author, whose number is behind those of the others. */
static void message_run_add(edn_block *b, edn_reader *r, edn_block_run run)
{
    edn_block_agent *a = &b->by_agent[run.agent];

    if (!memory(r, EDN_VEC_ROOM(b->runs, b->cap_runs, b->n_runs + 1u)))
        return;
    a->n_runs++;
    b->runs[b->n_runs++] = run;
    b->n_events += run.len;
}

static void message_run_read(edn_block *b, edn_reader *r, uint32_t seq)
{
    edn_block_run run = {.agent = b->n_agents - 1, .seq = seq + b->n_events, .par_at = b->n_par};
    uint32_t parents;

    run.len = read_max(r, EDN_LOG_EVENTS_MAX - run.seq, "run's length");
    parents = read_max(r, 2 * EDN_LOG_AGENTS_MAX, "parents");
    run.own = parents & 1;
    run.n_par = parents / 2;
    /* A run on the author's last event alone would be part of the run before. */
    if (!format(r, run.len > 0 && (run.seq > 0 ? run.own || run.n_par : !run.own) && (run.n_par || b->n_events == 0),
                "parents") ||
        !edn_reader_has(r, run.n_par, 2) || !memory(r, EDN_VEC_ROOM(b->par, b->cap_par, (size_t)b->n_par + run.n_par)))
        return;
    for (uint32_t i = 0; i < run.n_par; i++) {
        edn_block_parent p = {read_max(r, EDN_LOG_AGENTS_MAX, "parent's agent"), 0};
        p.seq = read_max(r, EDN_LOG_EVENTS_MAX, "parent's seq");
        if (!format(r, p.agent < run.agent && (i == 0 || b->par[b->n_par - 1].agent < p.agent), "parent's agent"))
            return;
        b->par[b->n_par++] = p;
    }
    message_run_add(b, r, run);
}

static void message_runs_read(edn_block *b, edn_reader *r, const edn_agent_id *author, uint32_t seq)
{
    uint32_t n;

    agents_read(b, r);
    for (uint32_t i = 0; i < b->n_agents; i++)
        if (!format(r, edn_agent_id_compare(&b->agents[i], author) != 0, "other"))
            return;
    b->agents[b->n_agents] = *author;
    b->by_agent[b->n_agents++] = (edn_block_agent){.first_seq = seq};
    n = read_max(r, EDN_LOG_EVENTS_MAX, "run count");
    if (!edn_reader_has(r, n, 2) || !format(r, n > 0, "run count"))
        return;
    while (b->n_runs < n && edn_reader_status(r) == EDN_OK)
        message_run_read(b, r, seq);
    /* One run, and no parent but the event before, needs no runs in its message. */
    format(r, n > 1 || b->n_par > 0, "runs");
}

/* The one run of a message without RUNS, and its ops. */
static void message_ops_read(edn_block *b, edn_reader *r, uint32_t seq, bool many)
{
    edn_block_run run = {.agent = 0, .seq = seq, .own = seq > 0};

    if (many) {
        run.len = read_max(r, EDN_LOG_EVENTS_MAX - seq, "events");
        if (format(r, run.len > 1, "events"))
            run_ops_read(b, r, &run);
        format(r, run.n_ops > 1, "ops");
    } else if (memory(r, EDN_VEC_ROOM(b->ops, b->cap_ops, 1)) &&
               op_head_read(b, r, EDN_LOG_EVENTS_MAX - seq, &b->ops[0])) {
        run.len = b->ops[0].len;
        run.n_ops = b->n_ops = 1;
    }
    message_run_add(b, r, run);
}

static edn_status message_begin(const edn_log *log, const edn_agent_id *author, uint32_t seq, edn_block_before *before)
{
    uint32_t agent = edn_log_agent_find(log, author);

    if (seq > (agent == EDN_LV_NONE ? 0 : log->agents[agent].next))
        return EDN_E_PARENTS;
    *before = edn_block_before_of(log, agent, seq);
    return EDN_OK;
}

static void message_body_read(edn_block *b, edn_reader *r, uint8_t flags, uint32_t seq, edn_block_before before)
{
    edn_agent_id author = b->agents[0];
    bool inserts = false, timed = flags & MESSAGE_TIMES;
    edn_block_agent *a;

    if (flags & MESSAGE_RUNS) {
        b->n_agents = 0;
        message_runs_read(b, r, &author, seq);
    }
    if (edn_reader_status(r) != EDN_OK)
        return;
    a = &b->by_agent[b->n_agents - 1];
    if (!(flags & MESSAGE_RUNS))
        message_ops_read(b, r, seq, flags & MESSAGE_MANY);
    else
        for (uint32_t i = 0; i < b->n_runs && edn_reader_status(r) == EDN_OK; i++)
            run_ops_read(b, r, &b->runs[i]);
    if (edn_reader_status(r) != EDN_OK || !memory(r, EDN_VEC_ROOM(b->times, b->cap_times, 1)))
        return;
    if (timed) {
        agent_times_read(b, r, a, b->n_events, before.time_ms);
        format(r, b->n_times > 1 || (b->n_times && b->times[0].time_ms != before.time_ms), "times");
    } else {
        b->times[b->n_times++] = (edn_time_run){0, before.time_ms};
        a->time_end = 1;
    }
    b->next[b->n_agents - 1] = before.end;
    positions_read(b, r);
    for (uint32_t i = 0; i < b->n_ops; i++)
        inserts = inserts || b->ops[i].kind == EDN_OP_INS;
    if (inserts && edn_reader_status(r) == EDN_OK)
        text_read(b, r, b->n_metas ? edn_read_varint(r, "text's size") : edn_reader_left(r));
    if (edn_reader_status(r) == EDN_OK)
        metas_read(b, r);
}

edn_status edn_message_read(edn_block *b, edn_reader *r, const edn_log *log, const edn_agent_id *author)
{
    uint8_t flags = edn_read_u8(r, "flags");
    edn_block_before before = {0, 0};
    uint32_t seq;
    edn_status st;

    block_reset(b);
    if (!format(r,
                (flags & (MESSAGE_FORM_MASK | MESSAGE_NONE)) == MESSAGE_FORM && !(flags & MESSAGE_AUTHOR) == !!author &&
                    !((flags & MESSAGE_RUNS) && (flags & MESSAGE_MANY)),
                "flags") ||
        !agents_room(b, r, 1))
        return edn_reader_status(r);
    if (author)
        b->agents[0] = *author;
    else
        edn_read_into(r, &b->agents[0], sizeof *b->agents, "author");
    seq = read_max(r, EDN_LOG_EVENTS_MAX - 1, "seq");
    b->by_agent[0] = (edn_block_agent){.first_seq = seq};
    b->n_agents = 1;
    if (edn_reader_status(r) != EDN_OK)
        return edn_reader_status(r);
    if ((st = message_begin(log, &b->agents[0], seq, &before)) != EDN_OK)
        return st;
    message_body_read(b, r, flags, seq, before);
    return edn_reader_end(r);
}

edn_status edn_message_events(edn_reader *r, edn_event_id *first, uint64_t *count)
{
    edn_block b = {0};
    uint8_t flags = edn_read_u8(r, "flags");
    uint32_t seq;

    *first = (edn_event_id){{{0}}, 0};
    *count = 0;
    if (!format(r, (flags & (MESSAGE_FORM_MASK | MESSAGE_NONE | MESSAGE_AUTHOR)) == (MESSAGE_FORM | MESSAGE_AUTHOR),
                "flags"))
        return edn_reader_status(r);
    edn_read_into(r, &first->agent, sizeof first->agent, "author");
    first->seq = seq = read_max(r, EDN_LOG_EVENTS_MAX - 1, "seq");
    if (edn_reader_status(r) == EDN_OK && agents_room(&b, r, 1)) {
        b.by_agent[0] = (edn_block_agent){0};
        if (flags & MESSAGE_RUNS)
            message_runs_read(&b, r, &first->agent, seq);
        else
            message_ops_read(&b, r, seq, flags & MESSAGE_MANY);
    }
    *count = b.n_events;
    edn_block_dispose(&b);
    return edn_reader_status(r);
}

/* ---- the usual message ------------------------------------------------------------------------------------------- */

/* A canonical varint below 2^28 at *p; false: not there, or not one. */
static inline bool plain_varint(const uint8_t **p, const uint8_t *end, uint32_t *out)
{
    uint32_t v = 0;

    for (unsigned shift = 0; shift < 28 && *p < end; shift += 7) {
        uint8_t c = *(*p)++;
        v |= (uint32_t)(c & 0x7f) << shift;
        if (c < 0x80) {
            *out = v;
            return c || shift == 0;
        }
    }
    return false;
}

static void plain_parent_add(edn_plain_op *op, edn_lv lv)
{
    uint32_t k = op->n_par++;

    for (; k && op->par[k - 1] > lv; k--)
        op->par[k] = op->par[k - 1];
    op->par[k] = lv;
}

/* The runs of a message that has them: one, with a few parents by others, each in the table and each here. */
static bool plain_runs(const uint8_t **p, const uint8_t *end, const edn_log *log, uint32_t author, edn_plain_op *op)
{
    const uint8_t *table;
    uint32_t others, n, marks;

    if (!plain_varint(p, end, &others) || others == 0 || others > EDN_PLAIN_OTHERS ||
        (size_t)(end - *p) < others * sizeof(edn_agent_id))
        return false;
    table = *p;
    *p += others * sizeof(edn_agent_id);
    if (!plain_varint(p, end, &n) || n != 1 || !plain_varint(p, end, &op->len) || !plain_varint(p, end, &marks) ||
        marks / 2 != others)
        return false;
    op->own = marks & 1;
    for (uint32_t i = 0; i < others; i++) {
        edn_agent_id id;
        uint32_t number, seq, agent;
        edn_lv lv;
        memcpy(&id, table + i * sizeof id, sizeof id);
        if (!plain_varint(p, end, &number) || number != i || !plain_varint(p, end, &seq) ||
            (i && memcmp(table + (i - 1) * sizeof id, &id, sizeof id) >= 0) ||
            (agent = edn_log_agent_find(log, &id)) == EDN_LV_NONE || agent == author ||
            (lv = edn_log_lv(log, agent, seq)) == EDN_LV_NONE)
            return false;
        plain_parent_add(op, lv);
    }
    return true;
}

/* Where the author's event before ended, which is `lv`; false when it was no edit of the text. */
static bool plain_before(const edn_log *log, edn_lv lv, uint32_t *out)
{
    const edn_op *op = &log->ops[edn_log_op_of(log, lv)];

    *out = edn_op_pos((edn_op_kind)op->kind, op->pos, lv - op->lv) + (op->kind == EDN_OP_INS);
    return op->kind <= EDN_OP_BACK;
}

bool edn_message_plain(edn_bytes message, const edn_log *log, const edn_agent_id *author, uint32_t *agent,
                       edn_plain_op *op, edn_bytes *text)
{
    const uint8_t *p = message.p, *end = p + message.n;
    uint32_t head, delta, before, len;
    uint8_t flags;
    edn_lv last;
    int64_t pos;
    edn_agent_id id;

    if (message.n < (author ? 4u : 20u) || log->n_ops == 0)
        return false;
    flags = *p++;
    if ((flags & ~MESSAGE_RUNS) != (author ? MESSAGE_FORM : MESSAGE_FORM | MESSAGE_AUTHOR))
        return false;
    if (author) {
        id = *author;
    } else {
        memcpy(&id, p, sizeof id);
        p += sizeof id;
    }
    if (*agent >= log->n_agents || edn_agent_id_compare(&log->agents[*agent].id, &id) != 0)
        *agent = edn_log_agent_find(log, &id);
    *op = (edn_plain_op){.own = true};
    if (*agent == EDN_LV_NONE || !plain_varint(&p, end, &op->seq) || op->seq != log->agents[*agent].next ||
        op->seq == 0 || ((flags & MESSAGE_RUNS) && !plain_runs(&p, end, log, *agent, op)) ||
        !plain_varint(&p, end, &head) || !plain_varint(&p, end, &delta))
        return false;
    last = log->graph[log->n_graph - 1].agent == *agent ? log->n - 1 : edn_log_lv(log, *agent, op->seq - 1);
    if (op->own)
        plain_parent_add(op, last);
    op->kind = (edn_op_kind)(head & 3);
    len = (head >> 2) + 1;
    if (!plain_before(log, last, &before) || (head & 3) == KIND_META || (op->kind == EDN_OP_BACK && len == 1) ||
        len > EDN_OP_LEN_MAX || ((flags & MESSAGE_RUNS) && op->len != len))
        return false;
    pos = (int64_t)before + unzigzag(delta);
    if (pos < 0 || pos > EDN_LOG_EVENTS_MAX)
        return false;
    op->len = len;
    op->pos = (uint32_t)pos;
    *text = edn_bytes_of(p, (size_t)(end - p));
    return true;
}

static uint8_t *plain_put(uint8_t *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (uint8_t)(v | 0x80);
    *p++ = (uint8_t)v;
    return p;
}

/* The parents by others, by rising id; at most EDN_PLAIN_OTHERS parents. */
static uint32_t plain_others(const edn_log *log, uint32_t agent, const edn_lv *par, uint32_t n_par,
                             edn_event_id *others)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < n_par; i++) {
        const edn_graph_run *g = &log->graph[edn_log_run_of(log, par[i])];
        edn_event_id id = {log->agents[g->agent].id, (uint64_t)g->seq + (par[i] - g->lv)};
        uint32_t k = n;
        if (g->agent == agent)
            continue;
        for (; k && edn_agent_id_compare(&others[k - 1].agent, &id.agent) > 0; k--)
            others[k] = others[k - 1];
        others[k] = id;
        n++;
    }
    return n;
}

static uint8_t *plain_runs_put(uint8_t *p, const edn_event_id *others, uint32_t n, bool own, uint32_t len)
{
    p = plain_put(p, n);
    for (uint32_t i = 0; i < n; i++, p += sizeof(edn_agent_id))
        memcpy(p, others[i].agent.b, sizeof(edn_agent_id));
    p = plain_put(p, 1);
    p = plain_put(p, len);
    p = plain_put(p, 2 * (uint64_t)n + own);
    for (uint32_t i = 0; i < n; i++) {
        p = plain_put(p, i);
        p = plain_put(p, others[i].seq);
    }
    return p;
}

bool edn_message_write_plain(const edn_log *log, uint32_t agent, uint32_t seq, bool author, edn_buf *out)
{
    const edn_log_agent *a = &log->agents[agent];
    edn_lv lv = edn_log_lv(log, agent, seq), last = lv - 1;
    uint32_t i, len = a->next - seq, skip, before, n_others = 0, n_par = 1;
    uint8_t head[160], *p = head;
    edn_event_id others[EDN_PLAIN_OTHERS];
    const edn_lv *par;
    const edn_op *op;
    edn_bytes text = EDN_BYTES_EMPTY;

    if (seq == 0 || a->times[a->n_times - 1].seq >= seq)
        return false;
    /* One graph run: an op may go on over several, with parents between its events that the message would lose, or with
     * another agent's events. */
    i = edn_log_run_of(log, lv);
    if (len > edn_log_run_end(log, i) - lv)
        return false;
    if (lv == log->graph[i].lv) {
        par = edn_log_parents(&log->graph[i], log, &n_par);
        if (n_par > EDN_PLAIN_OTHERS)
            return false;
        n_others = plain_others(log, agent, par, n_par, others);
        last = edn_log_lv(log, agent, seq - 1);
    }
    op = &log->ops[edn_log_op_of(log, lv)];
    skip = lv - op->lv;
    if (op->kind > EDN_OP_BACK || !plain_before(log, last, &before) || len > 64 || skip + len > op->len)
        return false;
    *p++ = (uint8_t)(MESSAGE_FORM | (author ? MESSAGE_AUTHOR : 0) | (n_others ? MESSAGE_RUNS : 0));
    if (author) {
        memcpy(p, a->id.b, sizeof a->id);
        p += sizeof a->id;
    }
    p = plain_put(p, seq);
    if (n_others)
        p = plain_runs_put(p, others, n_others, n_others < n_par, len);
    p = plain_put(p, (len == 1 && op->kind == EDN_OP_BACK ? EDN_OP_DEL : op->kind) + 4 * (len - 1));
    p = plain_put(p, zigzag((int64_t)edn_op_pos((edn_op_kind)op->kind, op->pos, skip) - (int64_t)before));
    if (op->kind == EDN_OP_INS)
        text = edn_log_text(log, op, skip, len);
    edn_buf_reserve(out, (size_t)(p - head) + text.n);
    edn_put_bytes(out, head, (size_t)(p - head));
    edn_put_bytes(out, text.p, text.n);
    return true;
}
