/* The inside of a document, for the files of this module. */
#ifndef EDN_CRDT_DOC_H
#define EDN_CRDT_DOC_H

#include <edn/crdt.h>

#include "block.h"
#include "log.h"
#include "rope.h"
#include "walker.h"

/* A field's winner. An empty value is kept: it has to win against older ones. */
typedef struct doc_field {
    uint32_t name_at, name_n, value_at, value_n; /* in the log's mtext */
    uint32_t lamport, agent;
} doc_field;

/* An addition of a tag that no removal has seen. */
typedef struct doc_tag {
    uint32_t name_at, name_n;
    edn_lv lv;
} doc_tag;

/* Characters that an undo brought back: those from `old` on are now those from `now` on. */
typedef struct doc_revival {
    edn_lv old, now;
    uint32_t len;
} doc_revival;

/* Working memory of merges, kept between them. */
typedef struct doc_scratch {
    edn_block block;
    uint32_t *agents; /* the block's agents in the log */
    edn_lv *par, *front;
    uint32_t cap_agents, cap_par, cap_front;
    edn_edits edits;
} doc_scratch;

/* A document is *loaded*, or it is only *open*: then `file` holds its encoding behind the text, whose history was not
 * read. What it shows is there either way. Open: the log has nothing but the agents with their next seqs, and in
 * `mtext` the names, values and tags; fields and tags have no LVs. */
struct edn_doc {
    edn_log log;
    uint8_t *file; /* NULL: loaded */
    size_t file_n, history_at;
    edn_doc_state file_state;
    uint8_t *lent; /* loaded: the names and values from before, which somebody may still be reading */
    edn_rope rope;
    edn_lv *front; /* rising */
    uint32_t n_front, cap_front;
    edn_event_id *ids; /* the frontier as told to others; made when asked for, in memory set aside before */
    uint32_t cap_ids;
    bool ids_fresh;
    doc_field *fields; /* by name */
    uint32_t n_fields, cap_fields;
    doc_tag *tags; /* by tag; additions of one tag by LV */
    uint32_t n_tags, cap_tags;
    edn_walker *walker;    /* kept between messages; NULL: made when needed */
    bool whole;            /* it is to begin at 0 and be kept: somebody asks for characters */
    doc_revival *revivals; /* by `old` */
    uint32_t n_revivals, cap_revivals;
    edn_graph_heap heap;
    doc_scratch scratch;
    edn_buf own; /* a copy of a name and a value that may have been borrowed from this document */
    edn_agent_id author;
    bool has_author;
    uint32_t author_at; /* its number in the log; EDN_LV_NONE: not known now */
    uint32_t peer_at;   /* whose message came last; any number */
    uint64_t time_ms;
    /* How many more single characters of `keys_agent` at `keys_time` the log has memory for, when nothing but this
     * agent's keystrokes on top of everything comes between; anything else sets it to 0. */
    uint32_t keys_left, keys_agent;
    uint64_t keys_time;
};

/* Whether the document's last event is `agent`'s and all else is in its past, so that this agent's next event on top
 * of it needs neither a graph run nor a new place in the frontier; and whether the
 * memory for an op of `bytes` bytes of text is there. Most of what is ever typed and received goes this way. */
bool edn_doc_append_ready(edn_doc *doc, uint32_t agent, uint32_t len, size_t bytes);
/* Appends such an op and does it. */
void edn_doc_append(edn_doc *doc, edn_op_kind kind, uint32_t pos, uint32_t len, edn_bytes text);

/* Throws the walker away when it is far behind. */
void edn_doc_walker_age(edn_doc *doc);
/* One keystroke of that agent where the last one was: the shortest way. False: nothing was done, and it has to go the
 * way of edn_doc_append, after which edn_doc_keys_begin opens this one again. */
static inline bool edn_doc_key(edn_doc *doc, edn_op_kind kind, size_t pos, uint8_t c)
{
    if (doc->keys_left == 0 ||
        !(kind == EDN_OP_INS ? edn_rope_type(&doc->rope, pos, c) : edn_rope_untype(&doc->rope, pos)))
        return false;
    doc->keys_left--;
    edn_log_push_key(&doc->log, kind, (uint32_t)pos, c);
    doc->front[0] = doc->log.n - 1;
    doc->ids_fresh = false;
    if (doc->walker)
        edn_doc_walker_age(doc);
    return true;
}
void edn_doc_keys_begin(edn_doc *doc);
/* What stands now for the character `lv`, and for how many of the `*len` from it on that stays in one row. */
edn_lv edn_doc_revived(const edn_doc *doc, edn_lv lv, uint32_t *len);

/* Local events, for more than one op at once: sets all memory for the log aside, and begins; pushes cannot fail then.
 * Afterwards either edn_log_rollback, or the text is changed and the frontier moves. */
EDN_MUST_USE edn_status edn_doc_local_begin(edn_doc *doc, const edn_log_need *need, edn_log_mark *mark);
void edn_doc_local_end(edn_doc *doc);

/* Room for a frontier of `n` events. */
EDN_MUST_USE bool edn_doc_front_room(edn_doc *doc, uint32_t n);
/* The frontier becomes one event / takes one in whose parents are `par`; memory was set aside. */
void edn_doc_front_set(edn_doc *doc, edn_lv lv);
void edn_doc_front_add(edn_doc *doc, const edn_lv *par, uint32_t n, edn_lv lv);
bool edn_doc_front_equal(const edn_doc *doc, const edn_lv *v, uint32_t n);

/* Room for what the events [from, log.n) can do to fields and tags; then does it, and cannot fail. */
EDN_MUST_USE edn_status edn_doc_metas_reserve(edn_doc *doc, edn_lv from);
void edn_doc_metas_apply(edn_doc *doc, edn_lv from);
/* Frees what `doc` holds, not itself. */
void edn_doc_dispose(edn_doc *doc);
/* The LVs of a version, rising, into doc->scratch.par. EDN_E_MISSING. */
EDN_MUST_USE edn_status edn_doc_version_lvs(const edn_doc *doc, edn_version version, edn_lv **out);

/* Reads the history of a document that is only open. A cache as seen from outside: hence the const. */
EDN_MUST_USE edn_status edn_doc_load(const edn_doc *doc);

/* The same for what needs all of it. EDN_E_MISSING: the document was folded. */
EDN_MUST_USE edn_status edn_doc_load_all(const edn_doc *doc);

/* The head of an encoded document: agents, state, fields and tags. Reading takes form and text before it, and returns
 * how many bytes those were. */
void edn_doc_head_put(const edn_doc *doc, edn_buf *out);
size_t edn_doc_head_read(edn_doc *doc, edn_reader *r, uint8_t form);

/* A walker that knows every character and every event. It stays the document's. */
EDN_MUST_USE edn_status edn_doc_whole(const edn_doc *doc, edn_walker **out);

/* Makes text, fields and frontier of a new document out of the log that it was given. EDN_E_FORMAT: it contradicts
 * itself. */
EDN_MUST_USE edn_status edn_doc_replay(edn_doc *doc);

/* Takes in one op of text that was taken apart: see edn_message_plain. */
EDN_MUST_USE edn_status edn_doc_take_plain(edn_doc *doc, uint32_t agent, const edn_plain_op *op, edn_bytes text,
                                           edn_doc_patch_fn *patch, void *ctx);

/* Takes a block in. Without `replay` the text is left alone (it is known). */
EDN_MUST_USE edn_status edn_doc_take(edn_doc *doc, const edn_block *b, bool replay, edn_doc_patch_fn *patch, void *ctx);

#endif
