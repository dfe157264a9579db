#include "check.h"

#include "oom.h"
#include "search/index.h"
#include "search/segments.h"

static edn_status out(void *ctx, uint32_t page, edn_bytes bytes)
{
    seg *g = ctx;

    memcpy(g->bytes.p + (size_t)page * EDN_PAGE_SIZE, bytes.p, bytes.n);
    return EDN_OK;
}

static void add(edn_builder *b, unsigned i)
{
    edn_segment_doc d = {.date = 20240101 + (i * 7 % 12) * 100};
    char text[64];

    edn_store_u32(d.entry.b, i);
    snprintf(text, sizeof text, "the same word%u day%u", i % 11, i);
    edn_builder_doc(b, &d);
    edn_builder_text(b, edn_bytes_str("title"), true);
    edn_builder_text(b, edn_bytes_str(text), false);
    edn_builder_tag(b, edn_bytes_str("travel"));
}

static edn_status build(void *ctx)
{
    seg *g = ctx;
    edn_builder *b;
    uint64_t size;
    edn_status st = edn_builder_new(0, &b);

    if (st != EDN_OK)
        return st;
    for (unsigned i = 0; i < 300; i++)
        add(b, i);
    st = edn_builder_finish(b, out, g, &size);
    g->bytes.n = (size_t)size;
    edn_builder_free(b);
    return st;
}

static edn_status month(void *ctx, uint32_t at, uint32_t hits)
{
    (void)ctx;
    (void)at;
    (void)hits;
    return EDN_OK;
}

static edn_status term(void *ctx, edn_bytes key, uint32_t docs)
{
    (void)key;
    return month(ctx, 0, docs);
}

static edn_status queries(edn_index *x)
{
    edn_query_item items[] = {{edn_bytes_str("same"), 0, false}, {edn_bytes_str("word"), 1, true}};
    edn_query phrase = {.kind = EDN_QUERY_PHRASE, .items = items, .items_n = 2},
              prefix = {.kind = EDN_QUERY_PREFIX, .term = edn_bytes_str("d"), .next = &phrase},
              date = {.kind = EDN_QUERY_DATE, .from = 20240301}, all = {.kind = EDN_QUERY_OR, .child = &prefix};
    edn_index_hit hits[9];
    edn_index_guess guesses[3];
    uint64_t count;
    size_t n;
    edn_status st;

    if ((st = edn_index_search(x, &all, EDN_INDEX_BY_RANK, 9, hits, &n)) != EDN_OK ||
        (st = edn_index_search(x, &date, EDN_INDEX_BY_DATE, 9, hits, &n)) != EDN_OK ||
        (st = edn_index_count(x, &phrase, &count)) != EDN_OK ||
        (st = edn_index_months(x, &all, month, NULL)) != EDN_OK ||
        (st = edn_index_terms(x, EDN_BYTES_EMPTY, term, NULL)) != EDN_OK ||
        (st = edn_index_guess_terms(x, edn_bytes_str("some"), 1, 3, guesses, &n)) != EDN_OK)
        return st;
    return edn_index_similar(x, edn_bytes_str("the same word4"), NULL, 4, hits, &n);
}

static edn_status search(void *ctx)
{
    static const uint8_t dead[40] = {1, 0, 9};
    seg *g = ctx;
    edn_pages *pages;
    edn_segment_part part = {NULL, dead};
    edn_index *x = NULL;
    edn_status st = edn_pages_new(1 << 20, &pages);

    if (st != EDN_OK)
        return st;
    if ((st = edn_segment_open(pages, g->bytes.n, seg_page, g, &part.segment)) == EDN_OK &&
        (st = edn_segment_check(part.segment)) == EDN_OK && (st = edn_index_new(&part, 1, NULL, NULL, &x)) == EDN_OK)
        st = queries(x);
    edn_index_free(x);
    edn_segment_free(part.segment);
    edn_pages_free(pages);
    return st;
}

static edn_status drop(void *ctx, uint32_t page, edn_bytes bytes)
{
    (void)ctx;
    (void)page;
    (void)bytes;
    return EDN_OK;
}

/* The same segment twice, of each a half, so that lists have to be sorted. */
static edn_status merge(void *ctx)
{
    uint8_t dead[2][40];
    seg *g = ctx;
    edn_segment_part parts[2] = {{NULL, dead[0]}, {NULL, dead[1]}};
    edn_pages *pages;
    uint64_t size;
    edn_status st = edn_pages_new(1 << 20, &pages);

    if (st != EDN_OK)
        return st;
    memset(dead[0], 0x55, sizeof dead[0]);
    memset(dead[1], 0xaa, sizeof dead[1]);
    if ((st = edn_segment_open(pages, g->bytes.n, seg_page, g, &parts[0].segment)) == EDN_OK &&
        (st = edn_segment_open(pages, g->bytes.n, seg_page, g, &parts[1].segment)) == EDN_OK)
        st = edn_segment_merge(parts, 2, 0, drop, NULL, &size);
    edn_segment_free(parts[0].segment);
    edn_segment_free(parts[1].segment);
    edn_pages_free(pages);
    return st;
}

static void search_survives_each_failing_allocation(void **state)
{
    (void)state;
    static uint8_t bytes[8 * EDN_PAGE_SIZE];
    seg g = {.bytes = {.p = bytes, .size_max = sizeof bytes}, .gone = UINT32_MAX};

    CHECK(oom_each(build, &g) > 20);
    CHECK(oom_each(search, &g) > 40);
    CHECK(oom_each(merge, &g) > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(search_survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
