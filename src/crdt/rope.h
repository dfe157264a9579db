/* The text of an open document: a B+tree of chunks that counts bytes, scalars, UTF-16 units and lines, so that an edit
 * and a conversion cost the logarithm of the text, and typing costs a short move inside one chunk. */
#ifndef EDN_CRDT_ROPE_H
#define EDN_CRDT_ROPE_H

#include "base/base.h"

typedef struct edn_rope_sum {
    uint32_t bytes, scalars;
    uint32_t astral; /* scalars beyond U+FFFF: UTF-16 needs one more unit for each */
    uint32_t lines;  /* line feeds */
} edn_rope_sum;

typedef struct rope_leaf rope_leaf;
typedef struct rope_inner rope_inner;
typedef struct rope_slab rope_slab;

typedef struct edn_rope {
    rope_inner *root; /* NULL: empty, and owns nothing */
    edn_rope_sum sum;
    rope_leaf *leaf;         /* where the last edit was */
    uint32_t leaf_at;        /* scalars before it */
    uint32_t touched;        /* the byte of it where the last edit ended: the next one is mostly there too */
    bool open;               /* its bytes lie apart at `gap`, so that typing moves nothing */
    uint32_t gap;            /* bytes before the gap */
    edn_rope_sum owed;       /* open: what the sums above it do not count yet (wrapping) */
    rope_slab *fresh, *full; /* memory for leaves: with some that were never used, and without */
    rope_leaf *spare_leaves; /* used before */
    rope_inner *spare_inners;
    size_t n_leaves, n_spare_leaves, n_spare_inners; /* spare: the never used ones too */
    unsigned height;
} edn_rope;

void edn_rope_dispose(edn_rope *r);

/* Sets memory aside for `edits` insertions of `bytes` in all; after that, edits cannot fail. */
EDN_MUST_USE edn_status edn_rope_reserve(edn_rope *r, size_t edits, size_t bytes);

/* Whether one edit of a few bytes can be made without setting more aside. */
#define EDN_ROPE_SMALL 256u
static inline bool edn_rope_ready(const edn_rope *r)
{
    return r->n_spare_leaves >= 4 && r->n_spare_inners >= 2 * r->height + 4;
}

/* What these bytes count; `s` is valid UTF-8. */
edn_rope_sum edn_rope_measure(edn_bytes s);

/* Positions are scalars and in range; memory was reserved; `s` is valid UTF-8. */
void edn_rope_insert(edn_rope *r, uint32_t pos, edn_bytes s);
void edn_rope_delete(edn_rope *r, uint32_t pos, uint32_t count);

/* The same for one ASCII character where the last edit was, which needs no memory: most of what is ever typed. False:
 * it is not such a place, or there is no room in the chunk, and nothing was done. */
EDN_MUST_USE bool edn_rope_type(edn_rope *r, size_t pos, uint8_t c);
EDN_MUST_USE bool edn_rope_untype(edn_rope *r, size_t pos);

/* Visits the chunks of scalars [from, from + count) in order. */
typedef void edn_rope_fn(void *ctx, edn_bytes chunk);
void edn_rope_each(const edn_rope *r, uint32_t from, uint32_t count, edn_rope_fn *fn, void *ctx);

/* What is counted before a place, the place given in one of the units and cut to the text. A place inside a scalar is
 * moved to its beginning. */
typedef enum edn_rope_unit { EDN_ROPE_BYTES, EDN_ROPE_SCALARS, EDN_ROPE_UTF16, EDN_ROPE_LINES } edn_rope_unit;
edn_rope_sum edn_rope_find(const edn_rope *r, edn_rope_unit unit, uint64_t at);

#endif
