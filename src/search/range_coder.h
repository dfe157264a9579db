/* An adaptive binary range coder, LZMA's, with nodes that learn quickly at first and slowly later (docs/spec/shards.md,
 * "Image"). Both directions share everything but the coding of one bit. */
#ifndef EDN_SEARCH_RANGE_CODER_H
#define EDN_SEARCH_RANGE_CODER_H

#include "base/base.h"

/* All zero: nothing was learned. */
typedef struct coder_node {
    uint16_t p; /* the chance of a 0, XOR 0x8000 */
    uint8_t n;  /* bits met, at most 255 */
} coder_node;

#define NUMBER_NODES (32u + 33u * 8u)
typedef struct coder_number {
    coder_node nodes[NUMBER_NODES];
} coder_number;

typedef struct coder {
    bool writing;
    uint32_t range;
    /* writing */
    edn_buf *out;
    uint64_t low, pending;
    uint8_t cache;
    /* reading; zeros behind the end, which coder_end tells */
    const uint8_t *p, *end;
    uint32_t code;
    bool past;
    uint32_t rate[256];
} coder;

void coder_write(coder *c, edn_buf *out);
/* False: fewer than the five bytes that there are at least. */
EDN_MUST_USE bool coder_read(coder *c, edn_bytes in);
/* Writing: flushes. Reading: false unless all bytes were used, and no more. */
EDN_MUST_USE bool coder_end(coder *c);

/* Each takes what is written and gives what is read: writing, the same. */
unsigned coder_bit(coder *c, coder_node *node, unsigned bit);
/* By two nodes together, the second trusted as far as it has learned. */
unsigned coder_bit_of_two(coder *c, coder_node *a, coder_node *b, unsigned bit);
uint32_t coder_number_put(coder *c, coder_number *m, uint32_t v); /* below 2^32 − 1 */

#endif
