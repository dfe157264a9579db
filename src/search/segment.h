/* segment: an immutable piece of the full-text index, and what makes one (docs/spec/segments.md).
 *
 * A segment is one run of bytes in pages of EDN_PAGE_SIZE, of which only the last is shorter. Whoever keeps it seals
 * each page; this module asks for a page when a query needs it and never for all of them. Inside: documents in order
 * of date and entry id, terms in order of their bytes, for each term the documents that hold it with how often, and
 * (unless left out) at which positions.
 *
 * Pages come from this account's own devices, yet every byte of them may be hostile: nothing is allocated, looped over
 * or indexed by what was not checked before. What does not hold together is EDN_E_FORMAT; whether a page is the one
 * that was written is for its seal to say. Errors of the page callback pass through.
 *
 * Pure; needs base and words.h. */
#ifndef EDN_SEARCH_SEGMENT_H
#define EDN_SEARCH_SEGMENT_H

#include "search/words.h"

#define EDN_PAGE_SIZE 16384u
#define EDN_SEGMENT_SIZE_MAX ((uint64_t)1 << 31)
#define EDN_SEGMENT_DOCS_MAX ((uint32_t)1 << 24)
#define EDN_KEY_SIZE_MAX (EDN_TERM_SIZE_MAX + 1) /* of a term with its first byte of EDN_TERM_… */

/* An entry as a segment names it: so a reader can tell which version of which entry was indexed. */
typedef struct edn_segment_doc {
    edn_entry_id entry;
    uint8_t version[8]; /* the beginning of the hash of its frontier; anything that changes with it */
    uint32_t date;      /* year * 10000 + month * 100 + day; 0: none */
    uint32_t length;    /* in words: set by edn_builder_doc_end */
} edn_segment_doc;

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* Takes page number `page` (0, 1, 2… in this order). A failure ends the writing and is handed on. */
typedef edn_status edn_segment_out_fn(void *ctx, uint32_t page, edn_bytes bytes);

enum {
    EDN_SEGMENT_NO_POSITIONS = 1, /* a quarter of the bytes; phrases need the entries' text then */
};

/* Collects documents in memory. EDN_E_NOMEM and EDN_E_LIMIT stick: what comes after is ignored, finish tells. */
typedef struct edn_builder edn_builder;
EDN_MUST_USE edn_status edn_builder_new(unsigned flags, edn_builder **out);
void edn_builder_free(edn_builder *b);

/* Begins a document; `doc->length` is not read. Any order will do, order of date is fastest. An entry stands once in a
 * segment: finish gives EDN_E_EXISTS otherwise. */
void edn_builder_doc(edn_builder *b, const edn_segment_doc *doc);
/* A term of the document: 1 to EDN_KEY_SIZE_MAX bytes, at a position. Positions of one term must not fall; a term
 * given twice at a position counts once. EDN_TERM_TAG, _JOURNAL and _HAS: at 0. */
void edn_builder_term(edn_builder *b, edn_bytes key, uint32_t position);
/* All words of a text, those of a title behind EDN_TERM_TITLE too. The positions of what follows do not touch them. A
 * title goes before the text. */
void edn_builder_text(edn_builder *b, edn_bytes text, bool title);
/* A tag: its words, and the whole of it behind EDN_TERM_TAG. After title and text. */
void edn_builder_tag(edn_builder *b, edn_bytes tag);
/* A term of one kind: EDN_TERM_JOURNAL with 16 raw bytes, EDN_TERM_HAS with a word. */
void edn_builder_mark(edn_builder *b, uint8_t kind, edn_bytes value);

/* How much memory is held now, in bytes: when it is enough, finish, begin anew, and merge. */
size_t edn_builder_memory(const edn_builder *b);
uint32_t edn_builder_docs(const edn_builder *b);
/* Writes the segment; *size is its length in bytes. The builder can only be freed afterwards. A segment without
 * documents is one too. */
EDN_MUST_USE edn_status edn_builder_finish(edn_builder *b, edn_segment_out_fn *out, void *ctx, uint64_t *size);

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Fills `to` with the `n` bytes of page `page` (EDN_PAGE_SIZE, less for the last). Called when a page is needed that is
 * not in memory. EDN_E_MISSING when it is not there; anything else but EDN_OK is handed on as well. */
typedef edn_status edn_search_page_fn(void *ctx, uint32_t page, uint8_t *to, size_t n);

/* Memory for opened pages, shared by segments. What was not used for longest goes first; pages are wiped when they go,
 * since they are plaintext. At least 4 pages. Not for two threads at once, and neither is a segment. */
typedef struct edn_pages edn_pages;
EDN_MUST_USE edn_status edn_pages_new(size_t size_max, edn_pages **out);
void edn_pages_free(edn_pages *p); /* after the segments that use it */
typedef struct edn_pages_stats {
    uint64_t asked, opened; /* pages looked at; pages that the callback had to fetch */
    size_t size;            /* bytes held now */
} edn_pages_stats;
edn_pages_stats edn_pages_stats_get(const edn_pages *p);

typedef struct edn_segment edn_segment;
/* Reads the end of a segment of `size` bytes: one or two pages as a rule. EDN_E_FORMAT, EDN_E_LIMIT, EDN_E_NOMEM, and
 * what `fn` gave. `pages` is borrowed until the segment is freed. */
EDN_MUST_USE edn_status edn_segment_open(edn_pages *pages, uint64_t size, edn_search_page_fn *fn, void *ctx,
                                         edn_segment **out);
void edn_segment_free(edn_segment *s);
uint32_t edn_segment_docs(const edn_segment *s);
uint32_t edn_segment_terms(const edn_segment *s);
bool edn_segment_has_positions(const edn_segment *s);
/* Document `doc` (below edn_segment_docs; in order of date, then entry id). */
EDN_MUST_USE edn_status edn_segment_doc_at(edn_segment *s, uint32_t doc, edn_segment_doc *out);
/* Where an entry stands. `date` is the one it was indexed with; when unknown, EDN_DATE_ANY looks through all ids, 16
 * bytes a document. EDN_E_MISSING. */
#define EDN_DATE_ANY UINT32_MAX
EDN_MUST_USE edn_status edn_segment_find(edn_segment *s, const edn_entry_id *entry, uint32_t date, uint32_t *doc);
/* Reads all of it and checks every rule of the format. */
EDN_MUST_USE edn_status edn_segment_check(edn_segment *s);

/* Each term that begins with `prefix` (empty: all), in order, and how many documents hold it. `term` is borrowed for
 * the call. Anything but EDN_OK ends the walk and is handed on. */
typedef edn_status edn_segment_term_fn(void *ctx, edn_bytes term, uint32_t docs);
EDN_MUST_USE edn_status edn_segment_each(edn_segment *s, edn_bytes prefix, edn_segment_term_fn *fn, void *ctx);

/* ---- merging ----------------------------------------------------------------------------------------------------- */

/* A segment and which of its documents no longer count (deleted, or newer elsewhere): bit doc % 8 of byte doc / 8, for
 * all its documents; NULL: none. */
typedef struct edn_segment_part {
    edn_segment *segment;
    const uint8_t *dead;
} edn_segment_part;

/* One segment of many, without what is dead: nothing of a dead document is left, no word of the dictionary either.
 * Positions are kept when every part has them and `flags` does not say otherwise. Memory grows with documents
 * (some 60 bytes each) and the longest list, not with the whole. EDN_E_EXISTS: an entry lives in two parts. */
EDN_MUST_USE edn_status edn_segment_merge(const edn_segment_part *parts, size_t n, unsigned flags,
                                          edn_segment_out_fn *out, void *ctx, uint64_t *size);

#endif
