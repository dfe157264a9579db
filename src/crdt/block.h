/* Events as bytes: what messages and whole documents are made of. The layout is in docs/crdt.md and above block.c. */
#ifndef EDN_CRDT_BLOCK_H
#define EDN_CRDT_BLOCK_H

#include "log.h"

/* A parent outside the run: one of the block's agents, and that agent's seq. */
typedef struct edn_block_parent {
    uint32_t agent, seq;
} edn_block_parent;

typedef struct edn_block_run {
    uint32_t agent, seq, len;
    uint32_t own;           /* the agent's event before is a parent */
    uint32_t par_at, n_par; /* the others */
    uint32_t op_at, n_ops;
} edn_block_run;

typedef struct edn_block_op {
    uint32_t kind, pos, len;
    uint32_t at;   /* INS: the text's offset; a meta: its number */
    uint32_t size; /* INS: bytes of text */
} edn_block_op;

typedef struct edn_block_meta {
    edn_bytes name, value;
} edn_block_meta;

/* What the block holds of one of its agents. */
typedef struct edn_block_agent {
    uint32_t first_seq, n_runs; /* n_runs 0: it is named as a parent only */
    uint32_t time_at, time_end;
} edn_block_agent;

/* A block that was read: borrows from its bytes. */
typedef struct edn_block {
    edn_agent_id *agents;
    edn_block_agent *by_agent;
    uint32_t n_agents, cap_agents, cap_by_agent;
    edn_block_run *runs;
    uint32_t n_runs, cap_runs;
    edn_block_parent *par;
    uint32_t n_par, cap_par;
    edn_time_run *times; /* `seq` counts from the agent's first event in the block */
    uint32_t n_times, cap_times;
    edn_block_op *ops;
    uint32_t n_ops, cap_ops;
    edn_block_meta *metas;
    uint32_t n_metas, cap_metas;
    uint32_t n_events;
    size_t mtext; /* bytes of all names and values */
    edn_bytes text;
    uint32_t *next;   /* while it is read: each agent's next seq, then where its next op is expected */
    uint32_t *starts; /* by run: the events before it */
    uint32_t cap_next, cap_starts;
} edn_block;

/* Where the columns of a message begin: what the author's event before it left behind. */
typedef struct edn_block_before {
    uint64_t time_ms;
    uint32_t end;
} edn_block_before;
edn_block_before edn_block_before_of(const edn_log *log, uint32_t agent, uint32_t seq);

/* Both read into `b`, which was zeroed or read into before; a failure leaves it fit for that, or to be disposed of.
 * They check everything that can be checked without the document. `agents`: the table, when it is not in the block. */
EDN_MUST_USE edn_status edn_block_read(edn_block *b, edn_reader *r, const edn_agent_id *agents, uint32_t n_agents);
/* Reads up to the end of `r`. `author` is given exactly when the message leaves it out. EDN_E_PARENTS: the author's
 * event before the first is not in `log`. */
EDN_MUST_USE edn_status edn_message_read(edn_block *b, edn_reader *r, const edn_log *log, const edn_agent_id *author);
void edn_block_dispose(edn_block *b);
/* A message of one run of one op of text, on top of few events, at the time of its author's event before: most are. */
#define EDN_PLAIN_OTHERS 4u
typedef struct edn_plain_op {
    edn_op_kind kind;
    uint32_t pos, len, seq;
    bool own; /* the author's event before is a parent */
    uint32_t n_par;
    edn_lv par[EDN_PLAIN_OTHERS + 1]; /* rising */
} edn_plain_op;
/* Takes one apart; false when it is not exactly that (it may still be a good message). `*agent`: the author's number,
 * on entry a guess. Neither positions nor parents are checked. */
bool edn_message_plain(edn_bytes message, const edn_log *log, const edn_agent_id *author, uint32_t *agent,
                       edn_plain_op *op, edn_bytes *text);
/* Appends the message of one agent's events from `seq` to its last when it is of that plain kind and small; false when
 * it is not, and nothing was appended. The bytes are those of edn_message_write. */
bool edn_message_write_plain(const edn_log *log, uint32_t agent, uint32_t seq, bool author, edn_buf *out);
/* Reads as far as is needed to tell whose events a message with its author has. */
EDN_MUST_USE edn_status edn_message_events(edn_reader *r, edn_event_id *first, uint64_t *count);

typedef enum edn_block_form {
    EDN_BLOCK_BUNDLE, /* with its table of agents */
    EDN_BLOCK_DOC,    /* the table is elsewhere: all agents of the log that have events, rising */
    EDN_BLOCK_MESSAGE,
} edn_block_form;

/* Appends the events of `ranges`, in that order, which must name each agent's events in the order of seqs and without
 * gaps, parents that are in the ranges before their children. */
EDN_MUST_USE edn_status edn_block_write(const edn_log *log, const edn_lv_range *ranges, uint32_t n, edn_block_form form,
                                        edn_buf *out);
/* Appends a message of one agent's events from `seq` on. */
EDN_MUST_USE edn_status edn_message_write(const edn_log *log, uint32_t agent, uint32_t seq, const edn_lv_range *ranges,
                                          uint32_t n, bool author, edn_buf *out);

/* Goes through the events of `ranges` as the longest runs that they make, whatever runs the log has them in. */
typedef struct edn_walk_run {
    uint32_t agent, seq, len;
    edn_lv lv; /* of the first event */
    const edn_lv *parents;
    uint32_t n_parents;
} edn_walk_run;
typedef struct edn_walk_op {
    edn_op_kind kind;
    uint32_t pos, len, seq;
    const edn_op *op; /* where the first event comes from, which is `skip` into it */
    uint32_t skip;
    size_t size; /* bytes of text */
} edn_walk_op;
typedef struct edn_walk {
    void *ctx;
    edn_status (*run)(void *ctx, const edn_walk_run *run); /* NULL: not asked for; comes after its ops */
    edn_status (*text)(void *ctx, edn_bytes text);         /* what insertions bring, in order */
    edn_status (*op)(void *ctx, uint32_t agent, const edn_walk_op *op);
} edn_walk;
EDN_MUST_USE edn_status edn_log_walk(const edn_log *log, const edn_lv_range *ranges, uint32_t n, const edn_walk *walk);

#endif
