/* pack: small integers in few bits, for src/search alone (docs/spec/segments.md, "Lists" and "Positions"). */
#ifndef EDN_SEARCH_PACK_H
#define EDN_SEARCH_PACK_H

#include "base/base.h"

#define EDN_BLOCK 128u /* postings of a block; its last may hold fewer */
/* What may be read behind the end of anything given to these decoders: it is loaded, never used. */
#define EDN_PACK_SLACK 8u
#define EDN_PACK_SIZE_MAX (2u + EDN_BLOCK * 4u + EDN_BLOCK * 6u)

static inline uint64_t edn_pack_load(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static inline void edn_pack_store(uint8_t *p, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(p, &v, sizeof v);
}

/* Packs 1 to EDN_BLOCK integers into `out` (EDN_PACK_SIZE_MAX bytes); returns how many bytes they took. */
size_t edn_pack_put(uint8_t *out, const uint32_t *v, size_t n);
/* Reads n of them from [p, end), with EDN_PACK_SLACK bytes behind it; returns where they end, NULL when malformed. */
const uint8_t *edn_pack_get(const uint8_t *p, const uint8_t *end, uint32_t *v, size_t n);

/* Varints of at most 32 bits. NULL when cut short or too large. */
size_t edn_pack_put_u32(uint8_t *out, uint32_t v);
const uint8_t *edn_pack_get_u32(const uint8_t *p, const uint8_t *end, uint32_t *v);

/* ---- positions of one term in one document, as bits -------------------------------------------------------------- */

/* Gaps between positions are coded by Rice: the parameter follows from how many words the document has and how many of
 * them are this one, both of which the reader knows, so that it costs nothing. */
typedef struct edn_bits {
    edn_buf *out;
    uint64_t held;
    unsigned held_n;
} edn_bits;

/* The caller has reserved EDN_BITS_ROOM(count), of all it is to write in a row together. */
#define EDN_BITS_ROOM(count) (((size_t)(count) + 1) * 8)
void edn_bits_positions(edn_bits *b, const uint32_t *positions, uint32_t count, uint32_t length);
void edn_bits_end(edn_bits *b); /* up to a whole byte */

typedef struct edn_bits_in {
    const uint8_t *p;
    uint64_t at, end; /* in bits; EDN_PACK_SLACK readable bytes behind the end */
} edn_bits_in;

/* Reads `count` positions into `to`, or over them when it is NULL. False: malformed, or cut short. */
bool edn_bits_get(edn_bits_in *b, uint32_t *to, uint32_t count, uint32_t length);

#endif
