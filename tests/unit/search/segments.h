/* Segments in memory, for tests: pages as a row of bytes, made by the builder or by merging. */
#ifndef EDN_TESTS_SEGMENTS_H
#define EDN_TESTS_SEGMENTS_H

#include "search/segment.h"

typedef struct seg {
    edn_buf bytes;
    edn_segment *s;
    uint32_t gone; /* this page is not there; UINT32_MAX: all are */
} seg;

static inline edn_status seg_out(void *ctx, uint32_t page, edn_bytes bytes)
{
    edn_buf *b = ctx;

    EDN_ASSERT(b->n == (size_t)page * EDN_PAGE_SIZE && bytes.n && bytes.n <= EDN_PAGE_SIZE);
    edn_put_bytes(b, bytes.p, bytes.n);
    return edn_buf_status(b);
}

static inline edn_status seg_page(void *ctx, uint32_t page, uint8_t *to, size_t n)
{
    const seg *g = ctx;

    EDN_ASSERT((size_t)page * EDN_PAGE_SIZE + n <= g->bytes.n);
    if (page == g->gone)
        return EDN_E_MISSING;
    memcpy(to, g->bytes.p + (size_t)page * EDN_PAGE_SIZE, n);
    return EDN_OK;
}

static inline edn_status seg_open(seg *g, edn_pages *pages)
{
    return edn_segment_open(pages, g->bytes.n, seg_page, g, &g->s);
}

static inline void seg_dispose(seg *g)
{
    edn_segment_free(g->s);
    edn_buf_dispose(&g->bytes);
    g->s = NULL;
}

#define SEG_INIT ((seg){.bytes = EDN_BUF_INIT(EDN_BUF_UNLIMITED), .gone = UINT32_MAX})

#endif
