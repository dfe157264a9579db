/* The synced index: an image, a manifest, a shard's body, places. What is accepted is what would be written; an image
 * is refused, or gives a segment that answers. */
#include "fuzz.h"

#include "client/finding/manifest.h"
#include "search/image.h"

static edn_status page_out(void *ctx, uint32_t page, edn_bytes bytes)
{
    FUZZ_HOLDS(bytes.n > 0 && bytes.n <= EDN_PAGE_SIZE);
    (void)page;
    edn_put_bytes(ctx, bytes.p, bytes.n);
    return edn_buf_status(ctx);
}

static edn_status page_get(void *ctx, uint32_t page, uint8_t *to, size_t n)
{
    const edn_buf *b = ctx;

    FUZZ_HOLDS((size_t)page * EDN_PAGE_SIZE + n <= b->n);
    memcpy(to, b->p + (size_t)page * EDN_PAGE_SIZE, n);
    return EDN_OK;
}

static void try_image(edn_bytes in)
{
    edn_buf segment = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX);
    edn_pages *pages = NULL;
    edn_segment *s = NULL;
    uint32_t docs;
    uint64_t size;

    if (edn_image_decode(in, page_out, &segment, &docs, &size, NULL) == EDN_OK) {
        FUZZ_HOLDS(edn_pages_new(4 * EDN_PAGE_SIZE, &pages) == EDN_OK);
        FUZZ_HOLDS(edn_segment_open(pages, size, page_get, &segment, &s) == EDN_OK);
        FUZZ_HOLDS(edn_segment_docs(s) == docs && edn_segment_check(s) == EDN_OK);
        edn_segment_free(s);
        edn_pages_free(pages);
    }
    edn_buf_dispose(&segment);
}

static void try_manifest(edn_bytes in)
{
    edn_arena a = edn_arena_init(FUZZ_MEMORY_SIZE_MAX);
    edn_buf again = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    manifest m;

    if (manifest_decode(&a, in, &m) == EDN_OK) {
        manifest_put(&again, &m);
        fuzz_same(in, &again);
    }
    edn_buf_dispose(&again);
    edn_arena_dispose(&a);
}

static void try_body(edn_bytes in)
{
    edn_buf again = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    shard_body b;

    if (shard_body_decode(in, &b) == EDN_OK) {
        FUZZ_HOLDS(shard_body_put(&again, &b) == EDN_OK);
        fuzz_same(in, &again);
    }
    edn_buf_dispose(&again);
}

static void try_places(edn_bytes in)
{
    edn_arena a = edn_arena_init(FUZZ_MEMORY_SIZE_MAX);
    shard_places p;
    size_t docs = in.n ? in.p[0] : 0;

    if (in.n && shard_places_decode(&a, edn_bytes_of(in.p + 1, in.n - 1), docs, &p) == EDN_OK) {
        FUZZ_HOLDS(p.docs == docs && p.begin[0] == 0);
        for (size_t i = 0; i < docs; i++)
            FUZZ_HOLDS(p.begin[i] <= p.begin[i + 1]);
        for (uint32_t i = 0; i < p.begin[docs]; i++)
            FUZZ_HOLDS(p.places[i].dseq > 0);
    }
    edn_arena_dispose(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(edn_bytes) = {try_image, try_manifest, try_body, try_places};

    if (size > 0)
        tries[data[0] % EDN_COUNT(tries)](edn_bytes_of(data + 1, size - 1));
    return 0;
}
