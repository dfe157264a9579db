/* The event log of one document: who did what on top of what, in runs. */
#ifndef EDN_CRDT_LOG_H
#define EDN_CRDT_LOG_H

#include <edn/crdt.h>

#include "base/base.h"

/* An event's local number (LV): its place in this replica's causal order. Never leaves this replica. */
typedef uint32_t edn_lv;

#define EDN_LV_NONE UINT32_MAX
#define EDN_LOG_EVENTS_MAX ((uint32_t)1 << 30) /* the walker needs the bits above */
#define EDN_LOG_AGENTS_MAX 65533u              /* the walker counts in 16 bits who deleted a character */
/* Longer runs are cut: a place inside one is then found in at most this many steps. */
#define EDN_OP_LEN_MAX 65536u

typedef enum edn_op_kind {
    EDN_OP_INS,  /* len scalars at pos */
    EDN_OP_DEL,  /* len times the scalar at pos */
    EDN_OP_BACK, /* the scalars at pos, pos - 1, …: len of them */
    EDN_OP_FIELD,
    EDN_OP_TAG,
    EDN_OP_UNTAG,
    EDN_OP_REMOVE,
    EDN_OP_REVIVE,
} edn_op_kind;
#define EDN_OP_KINDS 8u

typedef struct edn_op {
    edn_lv lv;
    uint32_t pos;
    uint32_t at; /* INS: its text's offset; FIELD, TAG, UNTAG: its number among the metas */
    uint32_t len : 24;
    uint32_t kind : 8;
} edn_op;

/* A run of events by one agent, each on top of the one before; the first on top of `parents`. It ends where the next
 * run begins. */
typedef struct edn_graph_run {
    edn_lv lv;
    uint32_t agent, seq;
    uint32_t lamport; /* of the first event */
    uint32_t par_at;  /* n_par > 1: where they begin in `par`; n_par == 1: the parent */
    uint32_t n_par : 31;
    uint32_t full : 1; /* everything before it in this log is in its past */
} edn_graph_run;

typedef struct edn_time_run {
    uint32_t seq;
    uint64_t time_ms;
} edn_time_run;

typedef struct edn_log_agent {
    edn_agent_id id;
    uint32_t next;  /* its next seq */
    uint32_t *runs; /* its graph runs, in order */
    uint32_t n_runs, cap_runs;
    edn_time_run *times;
    uint32_t n_times, cap_times;
    uint32_t folded_end; /* where its last folded event ended; 0: that was no edit of the text */
} edn_log_agent;

/* Borrowed places in `mtext`. */
typedef struct edn_meta {
    uint32_t name_at, name_n, value_at, value_n;
} edn_meta;

typedef struct edn_log {
    uint32_t n; /* events */
    /* A folded document's log begins with one event that stands for all of an agent's, for each agent, the last `heads`
     * of them its frontier. Whatever comes later has them all in its past. */
    uint32_t folded, heads;
    uint32_t folded_more; /* events that these stand for, less themselves */
    edn_log_agent *agents;
    uint32_t *by_id; /* agents in the order of their ids */
    uint32_t n_agents, cap_agents, cap_by_id;
    edn_graph_run *graph;
    uint32_t n_graph, cap_graph;
    edn_lv *par;
    uint32_t n_par, cap_par;
    edn_op *ops;
    uint32_t n_ops, cap_ops;
    uint8_t *text; /* everything ever inserted, in order */
    uint32_t n_text, cap_text;
    uint32_t ascii; /* so many bytes of it, from the beginning, are known to be ASCII: there, counting is subtracting */
    edn_meta *metas;
    uint32_t n_metas, cap_metas;
    uint8_t *mtext;
    uint32_t n_mtext, cap_mtext;
} edn_log;

void edn_log_dispose(edn_log *log);

/* A growing array: room for `need` things in all. False: no memory, or more than 32 bits can count. */
EDN_MUST_USE bool edn_vec_room(void **p, uint32_t *cap, size_t need, size_t size);
#define EDN_VEC_ROOM(p, cap, need) ((size_t)(need) <= (cap) || edn_vec_room((void **)&(p), &(cap), (need), sizeof *(p)))

/* ---- appending --------------------------------------------------------------------------------------------------- */

/* Finds an agent, or EDN_LV_NONE. */
uint32_t edn_log_agent_find(const edn_log *log, const edn_agent_id *id);
/* Finds or adds one. EDN_E_LIMIT, EDN_E_NOMEM. */
EDN_MUST_USE edn_status edn_log_agent_add(edn_log *log, const edn_agent_id *id, uint32_t *out);

/* What an append will bring; afterwards the pushes below cannot fail. */
typedef struct edn_log_need {
    size_t events, runs, parents, ops, text, metas, mtext;
} edn_log_need;
EDN_MUST_USE edn_status edn_log_reserve(edn_log *log, const edn_log_need *need);
/* The same for one agent's own columns. */
EDN_MUST_USE edn_status edn_log_reserve_agent(edn_log *log, uint32_t agent, size_t runs, size_t times);

/* The next events are `agent`'s, on top of `parents` (ascending LVs, its own previous event among them or in their
 * past). */
void edn_log_push_run(edn_log *log, uint32_t agent, const edn_lv *parents, uint32_t n, bool full);
void edn_log_push_time(edn_log *log, uint32_t agent, uint64_t time_ms);
/* So many events were appended to `ops` and `text`, all of the last run. */
void edn_log_events_grow(edn_log *log, uint32_t n);
/* `text` is what an insertion brought. */
void edn_log_push_op(edn_log *log, edn_op_kind kind, uint32_t pos, uint32_t len, edn_bytes text);
void edn_log_push_meta(edn_log *log, edn_op_kind kind, edn_bytes name, edn_bytes value);

/* Where the log ends now, to come back to. */
typedef struct edn_log_mark {
    uint32_t n, n_agents, n_graph, n_par, n_ops, n_text, n_metas, n_mtext;
    edn_op last;
} edn_log_mark;
edn_log_mark edn_log_mark_now(const edn_log *log);
void edn_log_rollback(edn_log *log, const edn_log_mark *mark);

/* A copy of the events [0, to), into a log that owns nothing; after a failure it still does. */
EDN_MUST_USE edn_status edn_log_prefix(const edn_log *log, edn_lv to, edn_log *out);

/* A run of operations that grows by the rule that makes one sequence of events one sequence of runs. */
typedef struct edn_op_join {
    uint32_t pos, len;
    edn_op_kind kind;
} edn_op_join;
/* How many of the `len` events (kind, pos) continue *run, which grows by them: 0, 1 or all. *run may turn from DEL of
 * one to BACK. */
uint32_t edn_op_extend(edn_op_join *run, edn_op_kind kind, uint32_t pos, uint32_t len);
/* The position of the event that is `k` behind a run's first. */
uint32_t edn_op_pos(edn_op_kind kind, uint32_t pos, uint32_t k);

/* edn_log_push_op for a single ASCII character or (DEL) the deletion of one: what edn_op_extend comes to then. There is
 * an op before. */
static inline void edn_log_push_key(edn_log *log, edn_op_kind kind, uint32_t pos, uint8_t c)
{
    edn_op *last = &log->ops[log->n_ops - 1];
    uint32_t at = log->n_text;
    bool joins;

    if (kind == EDN_OP_INS) {
        log->ascii += log->ascii == log->n_text;
        log->text[log->n_text++] = c;
        joins = last->kind == EDN_OP_INS && pos == last->pos + last->len && last->len < EDN_OP_LEN_MAX;
    } else {
        bool single = last->len == 1, forward = pos == last->pos && (last->kind == EDN_OP_DEL || single);
        bool back = pos + last->len == last->pos && (last->kind == EDN_OP_BACK || single);
        joins = (last->kind == EDN_OP_DEL || last->kind == EDN_OP_BACK) && last->len < EDN_OP_LEN_MAX &&
                (forward || back);
        if (joins)
            last->kind = forward ? EDN_OP_DEL : EDN_OP_BACK;
    }
    if (joins)
        last->len++;
    else
        log->ops[log->n_ops++] = (edn_op){log->n, pos, at, 1, kind};
    log->n++;
    log->agents[log->graph[log->n_graph - 1].agent].next++;
}

/* ---- looking up -------------------------------------------------------------------------------------------------- */

/* The graph run, or the op, that holds an event: its index. */
uint32_t edn_log_run_of(const edn_log *log, edn_lv lv);
uint32_t edn_log_op_of(const edn_log *log, edn_lv lv);
edn_lv edn_log_run_end(const edn_log *log, uint32_t run);
/* The parents of a run's first event. */
const edn_lv *edn_log_parents(const edn_graph_run *run, const edn_log *log, uint32_t *n);
/* EDN_LV_NONE when it is not here. */
edn_lv edn_log_lv(const edn_log *log, uint32_t agent, uint64_t seq);
edn_event_id edn_log_id(const edn_log *log, edn_lv lv);
uint32_t edn_log_lamport(const edn_log *log, edn_lv lv);
/* The time of one agent's event, and the seq up to which it holds. */
uint64_t edn_log_time(const edn_log *log, uint32_t agent, uint32_t seq, uint32_t *end);
/* The text of events [from, from + len) inside an insertion, which is one of the log's ops. */
edn_bytes edn_log_text(const edn_log *log, const edn_op *op, uint32_t from, uint32_t len);
edn_bytes edn_log_meta_name(const edn_log *log, const edn_op *op);
edn_bytes edn_log_meta_value(const edn_log *log, const edn_op *op);
int edn_agent_id_compare(const edn_agent_id *a, const edn_agent_id *b);

/* ---- the graph --------------------------------------------------------------------------------------------------- */

typedef struct edn_lv_range {
    edn_lv from, to; /* [from, to) */
} edn_lv_range;
typedef struct edn_lv_ranges {
    edn_lv_range *v;
    uint32_t n, cap;
} edn_lv_ranges;

/* Turns the order round. */
void edn_lv_ranges_turn(edn_lv_ranges *r);

/* Working memory of the walks below; keeps its size between them. */
typedef struct edn_graph_seen_slot {
    uint64_t key; /* 0: free */
    uint32_t next;
} edn_graph_seen_slot;
typedef struct edn_graph_seen {
    edn_graph_seen_slot *slots;
    struct seen_ask *stack;
    uint32_t n, cap, cap_stack;
} edn_graph_seen;
typedef struct edn_graph_heap {
    uint64_t *v;
    uint32_t n, cap;
    edn_graph_seen seen; /* true as long as the log only grows */
} edn_graph_heap;
void edn_graph_heap_dispose(edn_graph_heap *heap);
/* After a rollback. */
void edn_graph_heap_forget(edn_graph_heap *heap);

/* How many events of an agent are `lv` or in its past. */
EDN_MUST_USE edn_status edn_log_seen(const edn_log *log, edn_graph_heap *heap, edn_lv lv, uint32_t agent,
                                     uint32_t *next);
/* What edn_log_diff gives, for few agents: costs that many questions, and what it gives. */
EDN_MUST_USE edn_status edn_log_seen_diff(const edn_log *log, edn_graph_heap *heap, const edn_lv *a, uint32_t n_a,
                                          const edn_lv *b, uint32_t n_b, edn_lv_ranges *only_a, edn_lv_ranges *only_b);

/* What is in the past of `a` (events included) and not of `b`, and the other way round; both in falling order.
 * Either may be NULL. */
EDN_MUST_USE edn_status edn_log_diff(const edn_log *log, edn_graph_heap *heap, const edn_lv *a, uint32_t n_a,
                                     const edn_lv *b, uint32_t n_b, edn_lv_ranges *only_a, edn_lv_ranges *only_b);
/* Whether `lv` is one of `version` or in their past. */
EDN_MUST_USE edn_status edn_log_reaches(const edn_log *log, edn_graph_heap *heap, const edn_lv *version, uint32_t n,
                                        edn_lv lv, bool *out);
/* The same, and no dearer on graphs that are made to be dear; but it may need memory whatever was set aside. */
EDN_MUST_USE edn_status edn_log_heard(const edn_log *log, edn_graph_heap *heap, const edn_lv *version, uint32_t n,
                                      edn_lv lv, bool *out);
/* Whether none of `v` (ascending) is in another's past. */
EDN_MUST_USE edn_status edn_log_minimal(const edn_log *log, edn_graph_heap *heap, const edn_lv *v, uint32_t n,
                                        bool *out);

/* The events [from, to) in an order in which replay moves little: see plan.c. */
EDN_MUST_USE edn_status edn_log_plan(const edn_log *log, edn_lv from, edn_lv to, edn_lv_ranges *out);

/* The events in canonical order, as ranges of LVs: the same sequence of events on every replica (see canon.c). */
EDN_MUST_USE edn_status edn_log_canonical(const edn_log *log, edn_lv_ranges *out);

#endif
