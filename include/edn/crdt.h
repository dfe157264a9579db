/* crdt: one entry of a diary as an event graph (the Eg-walker family: Gentle and Kleppmann, EuroSys 2025).
 *
 * A document is the set of events that its authors made: insertions and deletions of text, fields set, tags added or
 * taken off, the whole deleted or brought back; each knows what its author had seen. Two documents that hold the same
 * events show the same bytes and have the same encoding, in whatever order the events came.
 *
 *   - Text: positions and counts are Unicode scalars. Concurrent edits keep every character that nobody deleted.
 *   - Fields: the last writer wins, by (Lamport time, agent), never by a wall clock.
 *   - Tags: an addition wins over a concurrent removal.
 *   - Deleting: a document is deleted when every event of its frontier is a deletion. When only some are, it is alive
 *     and in conflict: somebody deleted what somebody else was editing.
 *
 * Pure: no I/O, no clock, no randomness. A document belongs to one thread at a time. Needs <edn/base.h> only. */
#ifndef EDN_CRDT_H
#define EDN_CRDT_H

#include <edn/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Who made an event. In EDN this is the device's id. */
typedef struct edn_agent_id {
    uint8_t b[16];
} edn_agent_id;

/* An event's name, the same everywhere: the agent's own count, from 0, without gaps. */
typedef struct edn_event_id {
    edn_agent_id agent;
    uint64_t seq;
} edn_event_id;

/* A version: the events that nothing in it comes after, sorted by (agent, seq). Empty is the empty document. */
typedef struct edn_version {
    const edn_event_id *ids;
    size_t n;
} edn_version;

#define EDN_DOC_FIELD_NAME_SIZE_MAX 64u
#define EDN_DOC_FIELD_SIZE_MAX 65536u
#define EDN_DOC_TAG_SIZE_MAX 256u
#define EDN_DOC_TEXT_SIZE_MAX ((size_t)1 << 30)

typedef struct edn_doc edn_doc;

typedef enum edn_doc_state {
    EDN_DOC_LIVE,
    EDN_DOC_DELETED,
    EDN_DOC_CONFLICT, /* alive, but a deletion stands beside an edit */
} edn_doc_state;

EDN_MUST_USE edn_status edn_doc_new(edn_doc **out);
void edn_doc_free(edn_doc *doc);

/* ---- local events ------------------------------------------------------------------------------------------------ */

/* Who writes, and when, for the local events that follow. The time is shown to people and orders nothing. */
void edn_doc_author(edn_doc *doc, edn_agent_id agent, uint64_t time_ms);

/* Each appends events at the document's frontier. A refused call changes nothing.
 * EDN_E_INVALID: a position past the end, or no author; EDN_E_UTF8; EDN_E_LIMIT; EDN_E_NOMEM. */
EDN_MUST_USE edn_status edn_doc_insert(edn_doc *doc, size_t pos, edn_bytes utf8);
EDN_MUST_USE edn_status edn_doc_delete(edn_doc *doc, size_t pos, size_t count);
/* An empty value takes the field away. Names and values are any bytes. */
EDN_MUST_USE edn_status edn_doc_set(edn_doc *doc, edn_bytes name, edn_bytes value);
/* Adding what is there, or removing what is not, appends nothing. */
EDN_MUST_USE edn_status edn_doc_tag(edn_doc *doc, edn_bytes tag, bool add);
EDN_MUST_USE edn_status edn_doc_remove(edn_doc *doc);
EDN_MUST_USE edn_status edn_doc_revive(edn_doc *doc);

/* ---- what it shows ----------------------------------------------------------------------------------------------- */

size_t edn_doc_text_size(const edn_doc *doc);  /* bytes */
size_t edn_doc_text_count(const edn_doc *doc); /* scalars */
/* Appends the text. */
EDN_MUST_USE edn_status edn_doc_text(const edn_doc *doc, edn_buf *out);
/* Appends at most `count` scalars from scalar `pos` on: costs what it gives, not what the text weighs. */
EDN_MUST_USE edn_status edn_doc_text_part(const edn_doc *doc, size_t pos, size_t count, edn_buf *out);

/* A place in the text in all the units that editors count in. Costs the logarithm of the text. */
typedef struct edn_doc_place {
    size_t scalar, byte;
    size_t utf16;  /* units */
    size_t line;   /* line feeds before it */
    size_t column; /* scalars since the last line feed */
} edn_doc_place;
typedef enum edn_doc_unit { EDN_UNIT_SCALAR, EDN_UNIT_BYTE, EDN_UNIT_UTF16, EDN_UNIT_LINE } edn_doc_unit;
/* The place of the `at`-th unit; the beginning of line `at`. Past the end it is the end; inside a scalar, its
 * beginning. */
edn_doc_place edn_doc_place_of(const edn_doc *doc, edn_doc_unit unit, size_t at);
/* The place that is `column` units (EDN_UNIT_SCALAR, EDN_UNIT_BYTE or EDN_UNIT_UTF16, as in the Language Server
 * Protocol) into a line. Past the line's end it is that end, before its line feed; past the last line, the text's. */
edn_doc_place edn_doc_place_in_line(const edn_doc *doc, size_t line, edn_doc_unit unit, size_t column);
/* The value, borrowed until the next change; EDN_E_MISSING when it is not set. */
EDN_MUST_USE edn_status edn_doc_get(const edn_doc *doc, edn_bytes name, edn_bytes *out);
/* Fields by name and tags in byte order, borrowed until the next change; false past the last. *at begins at 0 and is
 * moved on: all of them cost one walk. */
bool edn_doc_field_next(const edn_doc *doc, uint32_t *at, edn_bytes *name, edn_bytes *value);
bool edn_doc_tag_next(const edn_doc *doc, uint32_t *at, edn_bytes *tag);
/* The i-th, counted from 0. Each costs the walk up to it. */
bool edn_doc_field_at(const edn_doc *doc, size_t i, edn_bytes *name, edn_bytes *value);
bool edn_doc_tag_at(const edn_doc *doc, size_t i, edn_bytes *tag);
bool edn_doc_has_tag(const edn_doc *doc, edn_bytes tag);
edn_doc_state edn_doc_state_of(const edn_doc *doc);
/* Borrowed until the next change. */
edn_version edn_doc_frontier(const edn_doc *doc);
/* How many events are held in all, and of one agent: its next seq. */
uint64_t edn_doc_event_count(const edn_doc *doc);
uint64_t edn_doc_agent_next(const edn_doc *doc, edn_agent_id agent);

/* One change of the shown text, to be applied to an open editor in order: `deleted` scalars at `pos` go, `inserted`
 * comes. Borrowed for the call. */
typedef struct edn_doc_patch {
    size_t pos, deleted;
    edn_bytes inserted;
} edn_doc_patch;
typedef void edn_doc_patch_fn(void *ctx, const edn_doc_patch *patch);

/* ---- undo -------------------------------------------------------------------------------------------------------- */

/* Takes back what the document's author did, and nothing else: an undo is a new event, which others see like any edit.
 *   - What the author inserted goes, if it is still there. Text that others put into it stays.
 *   - What the author deleted comes back at its place, unless somebody else deleted it too. It comes back as new
 *     characters of the author's; on this device, in this document, anchors to the old ones lead to the new.
 *   - A field gets the value from before, if its value now is the author's. A tag that the author added goes, unless
 *     somebody else added it too; one that was taken off comes back. A deletion of the whole is taken back, unless
 *     others deleted it too.
 * Undoing and redoing what nobody else has touched gives exactly what was there. */
typedef struct edn_undo edn_undo;

/* Watches the author's events from now on. Free it before `doc`. EDN_E_INVALID: no author. */
EDN_MUST_USE edn_status edn_undo_new(edn_doc *doc, edn_undo **out);
void edn_undo_free(edn_undo *undo);
/* Ends a step: what the author did since the last one is undone together. Undo and redo end one too. EDN_E_NOMEM. */
EDN_MUST_USE edn_status edn_undo_step(edn_undo *undo);
/* Whether there is something to undo, or to redo: a new event of the author ends redoing. */
bool edn_undo_can_undo(const edn_undo *undo);
bool edn_undo_can_redo(const edn_undo *undo);
/* Takes the last step back, or does again what was taken back last, as events of the time that edn_doc_author set, and
 * tells what happens to the text (`patch` may be NULL). Costs what the step did, in runs; a step that deleted, also a
 * look at every deletion of the document. A failure changes nothing.
 * EDN_E_MISSING: there is nothing to; EDN_E_INVALID: the document has another author now; EDN_E_FORMAT, EDN_E_LIMIT,
 * EDN_E_NOMEM. */
EDN_MUST_USE edn_status edn_undo_undo(edn_undo *undo, edn_doc_patch_fn *patch, void *ctx);
EDN_MUST_USE edn_status edn_undo_redo(edn_undo *undo, edn_doc_patch_fn *patch, void *ctx);

/* ---- sending and merging ----------------------------------------------------------------------------------------- */

/* Appends one agent's events from `seq_from` on as one message of at most about `size_max` bytes (one event at least),
 * and tells where the next message has to begin. With nothing to send, *seq_next is seq_from and nothing is
 * appended. */
EDN_MUST_USE edn_status edn_doc_encode_events(const edn_doc *doc, edn_agent_id agent, uint64_t seq_from,
                                              size_t size_max, edn_buf *out, uint64_t *seq_next);
/* The same without the agent's id, for a carrier that tells who wrote it: a keystroke is then 6 to 9 bytes. */
EDN_MUST_USE edn_status edn_doc_encode_bare(const edn_doc *doc, edn_agent_id agent, uint64_t seq_from, size_t size_max,
                                            edn_buf *out, uint64_t *seq_next);
/* Appends everybody's events that are not in the past of `version` as one message. EDN_E_MISSING: an event of it is
 * not here. Nothing is appended when there is nothing to send. */
EDN_MUST_USE edn_status edn_doc_encode_since(const edn_doc *doc, edn_version version, edn_buf *out);

/* Whose events a message carries, without taking them in: `*first` and the next `*count` of that agent. A caller that
 * got the message from somebody checks that it is that somebody's. EDN_E_FORMAT: also what edn_doc_encode_bare and
 * edn_doc_encode_since make. */
EDN_MUST_USE edn_status edn_doc_message_events(edn_bytes message, edn_event_id *first, uint64_t *count);

/* Takes in a message. Events that are here already are skipped. `patch` may be NULL.
 * EDN_E_PARENTS: it builds on events that are not here; EDN_E_FORMAT: hostile or damaged; EDN_E_LIMIT: also a bundle of
 * several authors' that is too dear (docs/crdt.md, "Worst case"): their own messages are not; EDN_E_NOMEM.
 * A refused message changes nothing. */
EDN_MUST_USE edn_status edn_doc_merge(edn_doc *doc, edn_bytes message, edn_doc_patch_fn *patch, void *ctx);
/* Takes in what edn_doc_encode_bare made of `agent`'s events. */
EDN_MUST_USE edn_status edn_doc_merge_bare(edn_doc *doc, edn_agent_id agent, edn_bytes message, edn_doc_patch_fn *patch,
                                           void *ctx);

/* Which neighbour a place between two characters stays with when something is inserted exactly there: the character
 * before it (it stays left of what comes), or the one behind it (it moves along). */
typedef enum edn_bias { EDN_BIAS_LEFT, EDN_BIAS_RIGHT } edn_bias;
/* Where a cursor goes that was at scalar `pos` before the patch. A cursor in text that goes stays where that was. */
size_t edn_doc_patch_place(const edn_doc_patch *patch, size_t pos, edn_bias bias);

/* ---- anchors ----------------------------------------------------------------------------------------------------- */

/* A place that stays with a character, whatever is edited around it by whomever, now or later: for comments, marks and
 * cursors that are kept or sent. The character is named by the event that inserted it. */
typedef enum edn_anchor_kind { EDN_ANCHOR_START, EDN_ANCHOR_END, EDN_ANCHOR_BEFORE, EDN_ANCHOR_AFTER } edn_anchor_kind;
typedef struct edn_anchor {
    edn_anchor_kind kind;
    edn_event_id id; /* BEFORE, AFTER: the character; else zero */
} edn_anchor;

/* The anchor of the place at scalar `pos`: after the character to the left (at 0: the start), or before the one to the
 * right (at the end: the end). The first anchor of a document costs its history, and the document keeps some 30 bytes
 * for each run of it; every later one the logarithm, and what was edited since.
 * EDN_E_INVALID: past the end; EDN_E_FORMAT: as edn_doc_decode says; EDN_E_NOMEM. */
EDN_MUST_USE edn_status edn_doc_anchor(const edn_doc *doc, size_t pos, edn_bias bias, edn_anchor *out);
/* Where it is now, in scalars. When its character is deleted: where that would be. Costs as above.
 * EDN_E_MISSING: the event is not here (yet, or at this version); EDN_E_FORMAT: it did not insert text. */
EDN_MUST_USE edn_status edn_doc_anchor_place(const edn_doc *doc, const edn_anchor *anchor, size_t *pos);

/* From one anchor to another. */
typedef struct edn_range {
    edn_anchor from, to;
} edn_range;
/* The range of these characters; what is typed at its edges stays outside. EDN_E_INVALID also when `count` is 0. */
EDN_MUST_USE edn_status edn_doc_range(const edn_doc *doc, size_t pos, size_t count, edn_range *out);
/* Empty when all its characters are gone. */
EDN_MUST_USE edn_status edn_doc_range_place(const edn_doc *doc, const edn_range *range, size_t *pos, size_t *count);

/* One anchor has one encoding: 0x61 start, 0x62 end, 0x63 before, 0x64 after; for the last two the agent's 16 bytes and
 * the seq as LEB128. A range is 0x65 and two anchors. Decoding is strict: EDN_E_FORMAT for anything else. */
void edn_anchor_encode(const edn_anchor *anchor, edn_buf *out);
void edn_range_encode(const edn_range *range, edn_buf *out);
EDN_MUST_USE edn_status edn_anchor_decode(edn_bytes in, edn_anchor *out);
EDN_MUST_USE edn_status edn_range_decode(edn_bytes in, edn_range *out);

/* ---- keeping ----------------------------------------------------------------------------------------------------- */

/* Appends the whole document: canonical, one document has one encoding. */
EDN_MUST_USE edn_status edn_doc_encode(const edn_doc *doc, edn_buf *out);
/* EDN_E_FORMAT for any other bytes than edn_doc_encode makes, as far as they are read: the text, the fields, the tags
 * and the frontier. The history is kept as it is and read when something first asks for it: an edit, a message,
 * history. If it proves to be damaged, or to belong to another document, that call gives EDN_E_FORMAT and changes
 * nothing. */
EDN_MUST_USE edn_status edn_doc_decode(edn_bytes in, edn_doc **out);
/* Reads the history of a decoded document now, and replays it: EDN_E_FORMAT unless it gives this text, these fields and
 * tags. For documents that somebody else encoded. */
EDN_MUST_USE edn_status edn_doc_check(const edn_doc *doc);

/* Appends the document without its history: what it shows, and what the next events need. Much smaller, and what was
 * deleted is really gone from it. */
EDN_MUST_USE edn_status edn_doc_fold(const edn_doc *doc, edn_buf *out);
/* EDN_E_FORMAT for any other bytes than edn_doc_fold makes. The document can be edited, merge what was made after it
 * was folded, send what it made itself, and be folded again. Whatever asks for the history, edn_doc_encode too, gives
 * EDN_E_MISSING, and so does a message that somebody made beside what was folded: it needs a document with history. */
EDN_MUST_USE edn_status edn_doc_unfold(edn_bytes in, edn_doc **out);

/* A copy without one agent's events from `seq_from` on, which must be in nobody else's past (they were never sent):
 * else EDN_E_INVALID. For a device that must give up its name (see docs: clones). */
EDN_MUST_USE edn_status edn_doc_without(const edn_doc *doc, edn_agent_id agent, uint64_t seq_from, edn_doc **out);

/* A copy of the same events in which nothing is to be read any more: every character that was ever inserted is a blank
 * of as many bytes, and so are names and values of fields and tags, but for fields whose names begin with a byte 1,
 * which are the carrier's own. Both take in the same messages. *changed: false when `doc` was such a copy.
 * EDN_E_MISSING: it was folded. */
EDN_MUST_USE edn_status edn_doc_blank(const edn_doc *doc, edn_doc **out, bool *changed);

/* ---- history ----------------------------------------------------------------------------------------------------- */

typedef enum edn_change_kind {
    EDN_CHANGE_INSERT,
    EDN_CHANGE_DELETE,
    EDN_CHANGE_FIELD,
    EDN_CHANGE_TAG,
    EDN_CHANGE_UNTAG,
    EDN_CHANGE_REMOVE,
    EDN_CHANGE_REVIVE,
} edn_change_kind;

/* A run of events of one kind by one agent at one time. */
typedef struct edn_change {
    edn_event_id first;
    uint64_t count;
    uint64_t time_ms;
    edn_change_kind kind;
    size_t size;    /* bytes of text that an insertion brought */
    edn_bytes name; /* the field's name, or the tag */
} edn_change;
/* In causal order, the same on every device. Borrowed for the call; a status other than EDN_OK stops and is
 * returned. */
typedef edn_status edn_change_fn(void *ctx, const edn_change *change);
EDN_MUST_USE edn_status edn_doc_history(const edn_doc *doc, edn_change_fn *fn, void *ctx);

/* Who wrote a run of the present text, and when. */
typedef struct edn_blame {
    size_t pos, count; /* scalars */
    edn_agent_id agent;
    uint64_t time_ms;
} edn_blame;
/* The text from its beginning to its end, in the longest runs of one agent and one time. Costs what the first anchor
 * does and the runs. A status other than EDN_OK from `fn` stops and is returned. */
typedef edn_status edn_blame_fn(void *ctx, const edn_blame *run);
EDN_MUST_USE edn_status edn_doc_blame(const edn_doc *doc, edn_blame_fn *fn, void *ctx);

/* Patches, in order and rising, that make the text of version `to` out of the text of version `from`. Nothing that both
 * have is touched. Costs the history between the two and what is concurrent with it; when text comes back that is
 * older than that, also one replay up to `to`. A refusal may come when some patches were told already.
 * EDN_E_MISSING: an event is not here; EDN_E_FORMAT, EDN_E_NOMEM. */
EDN_MUST_USE edn_status edn_doc_diff(const edn_doc *doc, edn_version from, edn_version to, edn_doc_patch_fn *patch,
                                     void *ctx);

/* The version at a time: of the events that were made by then, as their authors' clocks had it, those whose past was
 * too. The ids are yours: edn_version_dispose. EDN_E_FORMAT, EDN_E_NOMEM. */
EDN_MUST_USE edn_status edn_doc_version_at(const edn_doc *doc, uint64_t time_ms, edn_version *out);
void edn_version_dispose(edn_version *version);

/* The document as it was at a version: a copy that holds only the events in that version's past.
 * EDN_E_MISSING: an event of it is not here. */
EDN_MUST_USE edn_status edn_doc_at(const edn_doc *doc, edn_version version, edn_doc **out);

#ifdef __cplusplus
}
#endif
#endif
