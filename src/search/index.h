/* index: queries over any number of segments, as if they were one (docs/spec/segments.md, "Ranking").
 *
 * Statistics (documents, their lengths, how many hold a term) are summed over the live documents of all parts, so that
 * neither the number of segments nor merging changes a rank. The score is BM25 with k1 = 1.2, b = 0.75:
 *
 *     idf(t) = ln(1 + (N - n + 0.5) / (n + 0.5))          N live documents, n of them with t
 *     score  = sum of idf * 2.2 f / (f + 1.2 (0.25 + 0.75 length / mean length))
 *
 * With edn_index_recency the score is times 1 + 0.25 * 372 / (372 + age), age being the days from an entry's date to
 * today, months counted as 31 days and so years as 372: a quarter more for today, an eighth for a year ago, hardly
 * anything for ten. An entry without a date has its score as it is, one of the future that of today.
 *
 * A prefix is one term: f is the sum over all terms that begin so, n the documents with any. A phrase weighs as the sum
 * of its words' idf with f the number of times it stands there. Tags, journals, dates and what is behind NOT add
 * nothing. Equal scores: the later date first, then the greater entry id.
 *
 * Pure. Everything a call makes is freed when it returns. */
#ifndef EDN_SEARCH_INDEX_H
#define EDN_SEARCH_INDEX_H

#include "search/query.h"
#include "search/segment.h"

#define EDN_INDEX_PARTS_MAX 4096u
#define EDN_INDEX_HITS_MAX 100000u

typedef struct edn_index_hit {
    edn_entry_id entry;
    double score;
    uint32_t date;
    uint32_t part, doc; /* where it was found */
} edn_index_hit;

/* How often a phrase stands in an entry, asked for parts without positions: the caller has the text. `phrase` is of
 * kind EDN_QUERY_PHRASE. */
typedef edn_status edn_index_phrase_fn(void *ctx, const edn_entry_id *entry, const edn_query *phrase, uint32_t *times);

typedef struct edn_index edn_index;
/* Segments and masks are borrowed until the index is freed; an entry must live in one part only. `phrase` may be NULL:
 * then phrases in parts without positions are taken for found once their words are there, and edn_index_exact says so.
 * EDN_E_NOMEM, EDN_E_LIMIT, and what reading gave. */
EDN_MUST_USE edn_status edn_index_new(const edn_segment_part *parts, size_t n, edn_index_phrase_fn *phrase, void *ctx,
                                      edn_index **out);
void edn_index_free(edn_index *x);
/* From now on, what is newer ranks a little higher; `today` as year * 10000 + month * 100 + day, 0: no matter how old
 * (as it begins). EDN_E_INVALID: no date. */
EDN_MUST_USE edn_status edn_index_recency(edn_index *x, uint32_t today);
/* Live documents. */
uint64_t edn_index_docs(const edn_index *x);
/* Whether the last call answered every phrase by positions or text. */
bool edn_index_exact(const edn_index *x);

typedef enum edn_index_order {
    EDN_INDEX_BY_RANK,
    EDN_INDEX_BY_DATE, /* newest first; scores are 0 */
} edn_index_order;

/* The best `max` hits (at most EDN_INDEX_HITS_MAX); *n is how many `hits` holds then. A query may hold no
 * EDN_QUERY_JOURNAL (EDN_E_INVALID). */
EDN_MUST_USE edn_status edn_index_search(edn_index *x, const edn_query *q, edn_index_order order, size_t max,
                                         edn_index_hit *hits, size_t *n);
/* How many there are: exact. */
EDN_MUST_USE edn_status edn_index_count(edn_index *x, const edn_query *q, uint64_t *out);

/* Hits by month, in order of month: `month` is year * 100 + month, 0 for entries without a date. */
typedef edn_status edn_index_month_fn(void *ctx, uint32_t month, uint32_t hits);
EDN_MUST_USE edn_status edn_index_months(edn_index *x, const edn_query *q, edn_index_month_fn *fn, void *ctx);

/* Terms that begin with `prefix`, each once, in order, with how many live documents hold it (0 is left out). */
EDN_MUST_USE edn_status edn_index_terms(edn_index *x, edn_bytes prefix, edn_segment_term_fn *fn, void *ctx);

/* What a mistyped word may have meant: terms of the index at most `edits_max` (1 or 2) insertions, deletions,
 * replacements or swaps of neighbours away, by characters. Fewest edits first, a wrong first letter counting for two,
 * then most documents, then by bytes. *n: at most `max` in `out`. */
typedef struct edn_index_guess {
    uint8_t term[EDN_KEY_SIZE_MAX];
    uint8_t size, edits;
    uint32_t docs;
} edn_index_guess;
/* The edits that a word's length allows: 1 from 4 characters, 2 from 8, else 0. */
unsigned edn_index_edits(edn_bytes term);
EDN_MUST_USE edn_status edn_index_guess_terms(edn_index *x, edn_bytes term, unsigned edits_max, size_t max,
                                              edn_index_guess *out, size_t *n);

/* The stem of a word (a term without its first byte), by a language of the caller's: at most EDN_TERM_SIZE_MAX bytes of
 * UTF-8 into `out`; returns how many, at least 1. */
typedef size_t edn_stem_fn(void *ctx, edn_bytes word, uint8_t *out);

/* Other terms of the index that have the stem of `term`, a word or a title's word, and begin as both it and its stem
 * do, but for a last character: at most `max` of them, those of the first parts first, in order of bytes. Words of
 * fewer than three characters have none. Terms live in `a`. EDN_E_INVALID: no word. */
EDN_MUST_USE edn_status edn_index_kin(edn_index *x, edn_arena *a, edn_bytes term, edn_stem_fn *stem, void *ctx,
                                      size_t max, edn_bytes *out, size_t *n);

/* Entries that share the words which tell most about a text: its terms of greatest tf * idf, at most 25, as an OR.
 * `self` (NULL: none) is left out. */
EDN_MUST_USE edn_status edn_index_similar(edn_index *x, edn_bytes text, const edn_entry_id *self, size_t max,
                                          edn_index_hit *hits, size_t *n);

#endif
