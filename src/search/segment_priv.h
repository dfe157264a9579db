/* The inside of segments, for the files of this module. */
#ifndef EDN_SEARCH_SEGMENT_PRIV_H
#define EDN_SEARCH_SEGMENT_PRIV_H

#include "search/pack.h"
#include "search/segment.h"

#define SEGMENT_MAGIC "EDNx"
#define SEGMENT_VERSION 1u
#define SEGMENT_POSITIONS 1u /* flags */
#define SEGMENT_ACCENTS 2u
#define FOOTER_SIZE 56u
#define LEAF_TERMS 128u /* terms of a leaf of the dictionary */
#define LEAF_SIZE_MAX (LEAF_TERMS * (EDN_KEY_SIZE_MAX + 24u))
#define DOC_NONE UINT32_MAX

/* What a segment is made of. Each stream is cut into pages of its own; what is left of it at the end lies in the
 * tail. */
typedef enum stream_no { STREAM_DOCS, STREAM_TERMS, STREAM_LISTS, STREAM_POSITIONS, STREAM_COUNT } stream_no;

/* Terms behind these have neither counts (a document has them or not) nor positions. */
static inline bool key_is_mark(edn_bytes key) { return key.p[0] >= EDN_TERM_TAG && key.p[0] < 0x20; }
static inline int key_compare(edn_bytes a, edn_bytes b)
{
    size_t n = EDN_MIN(a.n, b.n);
    int c = n ? memcmp(a.p, b.p, n) : 0;

    return c ? c : (a.n > b.n) - (a.n < b.n);
}

/* Dates as numbers without large holes: 0 for none, else 1 + ((year * 12 + month - 1) * 31 + day - 1). */
static inline bool date_is_good(uint32_t date)
{
    return date == 0 || (date % 100 >= 1 && date % 100 <= 31 && date / 100 % 100 >= 1 && date / 100 % 100 <= 12 &&
                         date / 10000 <= 99999);
}
static inline uint32_t date_to_code(uint32_t date)
{
    return date ? 1 + (date / 10000 * 12 + date / 100 % 100 - 1) * 31 + date % 100 - 1 : 0;
}
static inline uint32_t date_from_code(uint32_t code)
{
    uint32_t v = code - 1;

    return code ? v / 372 * 10000 + (v / 31 % 12 + 1) * 100 + v % 31 + 1 : 0;
}

/* The column of dates holds `code - base` and that of lengths holds them as they are, both in 1, 2 or 4 bytes. */
typedef struct docs_layout {
    uint32_t date_base;
    uint8_t date_width, length_width;
    uint64_t versions_at, dates_at, lengths_at, size;
} docs_layout;

static inline void docs_layout_set(docs_layout *l, uint64_t docs)
{
    l->versions_at = docs * 16;
    l->dates_at = docs * 24;
    l->lengths_at = (l->dates_at + docs * l->date_width + 3) & ~(uint64_t)3;
    l->size = l->lengths_at + docs * l->length_width;
}

/* How well a document answers for a term: f over (0.25 + 0.75 length / mean length). A block of postings keeps the
 * greatest one, in 8 bits, rounded up: 16 steps for each doubling from 2^-6 on. Worked out with the mean length of the
 * segment; where the mean m' of a query's documents is greater, m'/m times it is still a bound, where it is less it is
 * one as it stands. */
#define IMPACT_UNBOUNDED 255u
static inline uint8_t impact_code(float y)
{
    uint32_t bits;

    memcpy(&bits, &y, sizeof bits);
    bits = (bits + 0x7ffff) >> 19;
    bits = bits > (121u << 4) ? bits - (121u << 4) : 0;
    return (uint8_t)EDN_MIN(bits, IMPACT_UNBOUNDED);
}
static inline float impact_of(uint8_t code)
{
    uint32_t bits = ((uint32_t)code + (121u << 4)) << 19;
    float y;

    memcpy(&y, &bits, sizeof y);
    return y;
}
/* The mean as blocks know it. */
static inline float mean_length(uint64_t length_sum, uint32_t docs)
{
    return docs && length_sum ? (float)((double)length_sum / docs) : 1.0f;
}
static inline float impact_norm(uint32_t length, float mean) { return 0.25f + 0.75f * (float)length / mean; }

/* ---- writer: what builder and merge have in common --------------------------------------------------------------- */

/* The postings of one term: documents with their counts, and all positions in a row. */
typedef struct postings {
    uint32_t *docs, *counts, *positions;
    size_t n, cap, positions_n, positions_cap;
} postings;

void postings_dispose(postings *l);
void postings_reset(postings *l);
/* Room for one more posting, and for `count` more positions. */
EDN_MUST_USE bool postings_room(postings *l, size_t more);
EDN_MUST_USE bool postings_positions_room(postings *l, size_t more);
/* Into rising order of documents, with what belongs to them; nothing when they are so already. */
EDN_MUST_USE bool postings_sort(postings *l, bool positions, postings *spare);

typedef struct writer writer;
/* `docs` in order of date and id, borrowed until the end. */
EDN_MUST_USE edn_status writer_new(const edn_segment_doc *docs, uint32_t n, bool positions, edn_segment_out_fn *out,
                                   void *ctx, writer **to);
void writer_free(writer *w);
/* Terms come in rising order, with at least one posting. */
EDN_MUST_USE edn_status writer_term(writer *w, edn_bytes key, const postings *l);
EDN_MUST_USE edn_status writer_end(writer *w, uint64_t *size);
/* Order of documents: by date, then by id. */
int doc_compare(const edn_segment_doc *a, const edn_segment_doc *b);
/* EDN_E_EXISTS when an entry stands there twice. */
EDN_MUST_USE edn_status docs_check_distinct(const edn_segment_doc *docs, uint32_t n);

/* ---- reader ------------------------------------------------------------------------------------------------------ */

/* Where a leaf of the dictionary begins, and what its first term is. */
typedef struct leaf_top {
    uint32_t key_at; /* in tops */
    uint8_t key_n;
    uint32_t at[3]; /* its offsets in the streams of terms, lists and positions */
} leaf_top;

struct edn_segment {
    edn_pages *pages;
    edn_search_page_fn *fn;
    void *ctx;
    uint64_t size;
    uint32_t pages_n;
    uint32_t *frames;        /* a page's frame plus 1; 0: not in memory */
    bool positions, accents; /* there are terms of accents */
    uint32_t docs, terms;
    uint64_t length_sum;
    docs_layout layout;
    uint64_t stream_size[STREAM_COUNT], rest_at[STREAM_COUNT];
    uint32_t full_n[STREAM_COUNT];
    uint32_t *full[STREAM_COUNT]; /* the whole pages of a stream */
    uint8_t *tops_bytes;
    leaf_top *tops; /* one more than there are leaves: the ends */
    uint32_t leaves;
    uint32_t *lengths; /* of all documents; NULL until wanted */
    uint32_t *dates;   /* codes; NULL until wanted */
};

/* `n` bytes at `at` of a stream, with EDN_PACK_SLACK behind them. Borrowed until the next read; `spare` (may be grown)
 * is for what does not lie in one page. EDN_E_FORMAT: past the end. */
EDN_MUST_USE edn_status stream_view(edn_segment *s, stream_no stream, uint64_t at, size_t n, edn_buf *spare,
                                    const uint8_t **out);
EDN_MUST_USE edn_status stream_read(edn_segment *s, stream_no stream, uint64_t at, size_t n, uint8_t *to);
/* Fills s->lengths / s->dates. */
EDN_MUST_USE edn_status segment_lengths(edn_segment *s);
EDN_MUST_USE edn_status segment_dates(edn_segment *s);
/* What a hit says of a document: two pages fewer than all of it. */
EDN_MUST_USE edn_status segment_doc_name(edn_segment *s, uint32_t doc, edn_entry_id *entry, uint32_t *date);
/* The documents [*lo, *hi) whose codes are from `from` to `to`. */
EDN_MUST_USE edn_status segment_dates_range(edn_segment *s, uint32_t from, uint32_t to, uint32_t *lo, uint32_t *hi);

typedef struct term_ref {
    uint32_t df;
    bool mark;
    bool single; /* in one document, once: `doc` and `position`, and no list */
    uint32_t doc, position;
    uint32_t list_at, list_n, positions_at, positions_n;
} term_ref;

/* A walk over the dictionary. `key` holds the current term. */
typedef struct terms_walk {
    edn_segment *s;
    uint32_t leaf, left; /* terms of this leaf still to come */
    const uint8_t *p, *end;
    edn_buf bytes; /* the leaf */
    uint8_t key[EDN_KEY_SIZE_MAX];
    size_t key_n, shared; /* with the term before */
    term_ref ref;
    uint32_t list_next, positions_next;
    bool held; /* the next call gives the current term once more */
} terms_walk;

void terms_walk_init(terms_walk *w, edn_segment *s);
void terms_walk_dispose(terms_walk *w);
/* To before the first term that is not less than `key`. */
EDN_MUST_USE edn_status terms_walk_seek(terms_walk *w, edn_bytes key);
/* The next term; *more is false at the end. */
EDN_MUST_USE edn_status terms_walk_next(terms_walk *w, bool *more);
bool term_begins(const terms_walk *w, edn_bytes prefix);
/* Exactly this term. `walk` is working memory, initialised. *there is false when there is none. */
EDN_MUST_USE edn_status segment_term(edn_segment *s, edn_bytes key, terms_walk *walk, term_ref *out, bool *there);

/* ---- cursor: one term's postings in one segment ------------------------------------------------------------------ */

typedef struct cursor {
    edn_segment *s;
    term_ref ref;
    bool counted;           /* counts are decoded, not only documents */
    uint32_t blocks, block; /* `block` is decoded unless it is `blocks` or `loaded` is false */
    bool loaded;
    uint32_t *table;                    /* the memory of the next four, unless there is but one block */
    uint32_t *last, *at, *positions_at; /* a block's last document; its offsets, and one more: the ends */
    uint8_t *impact;
    uint32_t single[5];
    uint8_t single_impact;
    uint32_t shallow; /* the block that cursor_impact looked at last */
    uint32_t i, n;    /* in the block */
    uint32_t doc;     /* the current one; DOC_NONE at the end */
    uint32_t docs[EDN_BLOCK], counts[EDN_BLOCK];
    edn_buf spare;
    /* positions of the block, as far as they were read */
    edn_buf positions_bytes;
    uint32_t positions_block, positions_i;
    edn_bits_in bits;
    const uint32_t *positions; /* of the current document, after cursor_positions: as many as its count */
    uint32_t *positions_own;
    uint32_t positions_cap;
} cursor;

EDN_MUST_USE edn_status cursor_init(cursor *c, edn_segment *s, const term_ref *ref, bool counted);
void cursor_dispose(cursor *c);
/* To the first document that is not below `target`; c->doc says which. Never goes back. */
EDN_MUST_USE edn_status cursor_seek_slow(cursor *c, uint32_t target);
static inline edn_status cursor_seek(cursor *c, uint32_t target)
{
    if (c->doc == DOC_NONE || (c->loaded && c->doc >= target))
        return EDN_OK;
    /* The next few are looked at one by one: neighbours are what is mostly wanted. */
    for (uint32_t i = c->i, end = EDN_MIN(c->n, c->i + 4); c->loaded && i < end; i++)
        if (c->docs[i] >= target) {
            c->i = i;
            c->doc = c->docs[i];
            return EDN_OK;
        }
    return cursor_seek_slow(c, target);
}
/* The greatest impact among documents [from, *until], where `from` is not below the current document, without decoding
 * anything; *until is at least `from`. */
float cursor_impact(cursor *c, uint32_t from, uint32_t *until);
/* The positions of the current document: c->positions, as many as its count. */
EDN_MUST_USE edn_status cursor_positions(cursor *c);
static inline uint32_t cursor_count(const cursor *c) { return c->counts[c->i]; }
/* Decodes the block that `block` names: for whoever wants a whole list block by block. */
EDN_MUST_USE edn_status cursor_load(cursor *c, uint32_t block);

#endif
