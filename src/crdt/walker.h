/* The walker: replays the concurrent part of an event graph and tells what each event does to the text. */
#ifndef EDN_CRDT_WALKER_H
#define EDN_CRDT_WALKER_H

#include "log.h"

/* A change of the text: `del` scalars at `pos` go, then `text` (of `count` scalars) comes. */
typedef struct edn_edit {
    uint32_t pos, del, count;
    uint32_t text_at, text_n; /* in the log's text */
} edn_edit;
typedef struct edn_edits {
    edn_edit *v;
    uint32_t n, cap;
} edn_edits;
/* Appends an edit, joining it with the last where the two are one. */
EDN_MUST_USE bool edn_edits_add(edn_edits *e, edn_edit edit);

typedef struct edn_walker edn_walker;

/* A walker that knows the events [from, to), where all of [0, from) is in the past of each of them. `length` is how
 * many scalars the text has at version [0, to). With `hold` it is left ready for an event made on top of [0, from)
 * rather than for one on top of everything. EDN_E_FORMAT: the log contradicts itself. */
EDN_MUST_USE edn_status edn_walker_new(const edn_log *log, edn_lv from, edn_lv to, uint32_t length, bool hold,
                                       edn_walker **out);
/* One that knows the events [0, to), which it enters in the order of edn_log_plan. */
EDN_MUST_USE edn_status edn_walker_new_planned(const edn_log *log, edn_lv to, edn_walker **out);
void edn_walker_free(edn_walker *w);

/* Moving prepare may change so many records more; a step that would change one more gives EDN_E_LIMIT. At first
 * there is no limit. */
void edn_walker_limit(edn_walker *w, uint64_t moves);
uint64_t edn_walker_moves(const edn_walker *w); /* changed so far */
/* From now on an author gets a version of its own as soon as another's was moved back for it, and not only when that
 * has cost much: for tests, whose worlds are small. */
void edn_walker_lanes(edn_walker *w);

/* Enters the events up to `to`, and appends what they do to `edits` (NULL: it is known already). After an error the
 * walker may only be freed. EDN_E_FORMAT: an event points outside its text. */
EDN_MUST_USE edn_status edn_walker_step(edn_walker *w, edn_lv to, edn_edits *edits);

edn_lv edn_walker_from(const edn_walker *w);
edn_lv edn_walker_to(const edn_walker *w);
uint32_t edn_walker_length(const edn_walker *w); /* scalars in the text after the events entered */
size_t edn_walker_size(const edn_walker *w);     /* bytes of memory, about */

/* ---- asking: none of it enters an event -------------------------------------------------------------------------- */

/* Where characters are that an event inserted, as far as they lie in one record. */
typedef struct edn_walk_spot {
    uint32_t len;
    uint32_t pos; /* scalars in the text before them */
    bool gone;    /* deleted: they have no width */
} edn_walk_spot;

/* These are for a walker that began at 0, which knows every character. `lv` inserted a character; at most `len` of
 * them are wanted. */
edn_walk_spot edn_walker_find(const edn_walker *w, edn_lv lv, uint32_t len);
/* The event that inserted the character at `pos`, which must be there. */
edn_lv edn_walker_char_at(const edn_walker *w, uint32_t pos);
/* What the deletions [lv, lv + len) hit: characters from *target on, upwards or downwards; how many of them lie
 * together. */
uint32_t edn_walker_targets(const edn_walker *w, edn_lv lv, uint32_t len, edn_lv *target, bool *back);
/* All deletions of characters of [from, to), in any order. */
typedef void edn_walk_hit_fn(void *ctx, edn_lv lv, edn_lv target, uint32_t len, bool back);
void edn_walker_hits(const edn_walker *w, edn_lv from, edn_lv to, edn_walk_hit_fn *fn, void *ctx);

/* Visits the whole sequence in runs. */
typedef struct edn_walk_seen {
    edn_lv lv; /* EDN_LV_NONE: of the text of the beginning, which has no events */
    uint32_t len;
    bool then, now; /* in the text at the version that was asked for; after all events entered */
} edn_walk_seen;
typedef edn_status edn_walk_seen_fn(void *ctx, const edn_walk_seen *run);
/* As the text is after all events entered. */
EDN_MUST_USE edn_status edn_walker_each(const edn_walker *w, edn_walk_seen_fn *fn, void *ctx);
/* As it was at a version of the events entered. After an error the walker may only be freed. */
EDN_MUST_USE edn_status edn_walker_each_at(edn_walker *w, const edn_lv *version, uint32_t n, edn_walk_seen_fn *fn,
                                           void *ctx);
/* A walker for edn_walker_each_at: the text of its beginning has no end. */
EDN_MUST_USE edn_status edn_walker_new_endless(const edn_log *log, edn_lv from, edn_lv to, edn_walker **out);

/* The lowest version that a walker must begin at to take in events up to `to`, of which those from `n` on have
 * `oldest` as the oldest of their newest parents (EDN_LV_NONE: one of them has no parents). */
edn_lv edn_walker_base(const edn_log *log, edn_lv n, edn_lv oldest);

#endif
