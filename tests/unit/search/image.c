/* Images: a segment comes back as it was but for positions and versions, equal content gives equal bytes, and what was
 * cut or altered do no harm. */
#include "../check.h"

#include "search/image.h"
#include "search/index.h"
#include "segments.h"

static void add(edn_builder *b, check_rng *r, unsigned i)
{
    static const char *const words[] = {"the", "king", "wife's", "Straße", "中文日記", "e.g.", "über", "ยาว", "x"};
    edn_segment_doc d = {.date = i % 9 ? 20200101 + i % 28 + i / 28 % 12 * 100 + i / 336 * 10000 : 0};
    char text[4000];
    size_t n = 0;

    edn_store_u32(d.entry.b, i * 2654435761u);
    edn_builder_doc(b, &d);
    for (uint64_t k = check_below(r, 60); k > 0; k--)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s w%u ", words[check_below(r, EDN_COUNT(words))],
                              (unsigned)(check_below(r, 40) * check_below(r, 40)));
    edn_builder_text(b, edn_bytes_str(i % 4 ? "" : "a title"), true);
    edn_builder_text(b, edn_bytes_of(text, n), false);
    if (i % 3 == 0)
        edn_builder_tag(b, edn_bytes_str(i % 2 ? "Travel" : "Work"));
    edn_builder_mark(b, EDN_TERM_JOURNAL, edn_bytes_of("0123456789abcdef", 16));
}

static void build(seg *g, uint64_t seed, unsigned n, unsigned flags)
{
    check_rng r = {seed};
    edn_builder *b;
    uint64_t size;

    *g = SEG_INIT;
    CHECK_OK(edn_builder_new(flags, &b));
    for (unsigned i = 0; i < n; i++)
        add(b, &r, i);
    CHECK_OK(edn_builder_finish(b, seg_out, &g->bytes, &size));
    edn_builder_free(b);
}

/* Of an open segment. */
static edn_buf image_of(seg *g)
{
    edn_buf out = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    CHECK_OK(edn_image_put(&out, g->s));
    return out;
}

static edn_status decode(edn_bytes image, seg *g, edn_buf *ids)
{
    uint32_t docs;
    uint64_t size;
    edn_status st;

    *g = SEG_INIT;
    st = edn_image_decode(image, seg_out, &g->bytes, &docs, &size, ids);
    CHECK(st != EDN_OK || size == g->bytes.n);
    CHECK(st == EDN_OK || docs == 0);
    return st;
}

static void an_image_gives_the_segment_without_positions(void **state)
{
    (void)state;
    const unsigned sizes[] = {0, 1, 2, 40, 900};
    edn_pages *pages;

    CHECK_OK(edn_pages_new(1 << 20, &pages));
    for (size_t k = 0; k < EDN_COUNT(sizes); k++) {
        seg with, without, got;
        edn_buf a, b, again, ids = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        edn_segment_doc d;
        build(&with, k + 1, sizes[k], 0);
        build(&without, k + 1, sizes[k], EDN_SEGMENT_NO_POSITIONS);
        CHECK_OK(seg_open(&with, pages));
        CHECK_OK(seg_open(&without, pages));
        a = image_of(&with);
        b = image_of(&without);
        CHECK_BYTES(edn_buf_view(&a), edn_buf_view(&b));
        CHECK_OK(decode(edn_buf_view(&a), &got, &ids));
        CHECK_BYTES(edn_buf_view(&got.bytes), edn_buf_view(&without.bytes));
        CHECK_OK(seg_open(&got, pages));
        CHECK_OK(edn_segment_check(got.s));
        again = image_of(&got);
        CHECK_BYTES(edn_buf_view(&again), edn_buf_view(&a));
        CHECK_INT(ids.n, sizes[k] * 16);
        for (uint32_t i = 0; i < sizes[k]; i++) {
            CHECK_OK(edn_segment_doc_at(got.s, i, &d));
            CHECK_BYTES(edn_bytes_of(d.entry.b, 16), edn_bytes_of(ids.p + 16 * (size_t)i, 16));
        }
        edn_buf_dispose(&a);
        edn_buf_dispose(&b);
        edn_buf_dispose(&again);
        edn_buf_dispose(&ids);
        seg_dispose(&with);
        seg_dispose(&without);
        seg_dispose(&got);
    }
    edn_pages_free(pages);
}

/* The seal tells what is genuine; the decoder, that nothing else than a sound segment comes of anything. */
static void what_is_cut_or_altered_does_no_harm(void **state)
{
    (void)state;
    check_rng r = {check_seed()};
    seg g, got;
    edn_buf image;
    edn_pages *pages;
    size_t refused = 0;

    CHECK_OK(edn_pages_new(1 << 20, &pages));
    build(&g, 9, 12, 0);
    CHECK_OK(seg_open(&g, pages));
    image = image_of(&g);
    for (size_t n = 0; n < image.n; n++) {
        CHECK_STATUS(decode(edn_bytes_of(image.p, n), &got, NULL), EDN_E_FORMAT);
        seg_dispose(&got);
    }
    edn_put_u8(&image, 0);
    CHECK_STATUS(decode(edn_buf_view(&image), &got, NULL), EDN_E_FORMAT);
    seg_dispose(&got);
    image.n--;
    for (size_t i = 0; i < 2000; i++) {
        size_t at = i < image.n ? i : (size_t)check_below(&r, image.n);
        uint8_t was = image.p[at];
        edn_status st;
        image.p[at] ^= (uint8_t)(1 + check_below(&r, 255));
        st = decode(edn_buf_view(&image), &got, NULL);
        CHECK(st == EDN_OK || st == EDN_E_FORMAT);
        if (st == EDN_OK) {
            CHECK_OK(seg_open(&got, pages));
            CHECK_OK(edn_segment_check(got.s));
        }
        refused += st != EDN_OK;
        seg_dispose(&got);
        image.p[at] = was;
    }
    CHECK(refused > 1000); /* but for the ids, hardly anything can be altered unseen */
    edn_buf_dispose(&image);
    seg_dispose(&g);
    edn_pages_free(pages);
}

static edn_status no_room(void *ctx, uint32_t page, edn_bytes bytes)
{
    (void)ctx;
    (void)page;
    (void)bytes;
    return EDN_E_FULL;
}

static void a_head_that_lies_costs_the_sender(void **state)
{
    (void)state;
    uint8_t head[64] = {1};
    uint32_t docs;
    uint64_t size;
    seg g;
    edn_buf image;
    edn_pages *pages;

    edn_store_u32(head + 1, UINT32_MAX);
    CHECK_STATUS(edn_image_decode(edn_bytes_of(head, sizeof head), no_room, NULL, &docs, &size, NULL), EDN_E_FORMAT);
    edn_store_u32(head + 1, 0);
    edn_store_u32(head + 5, UINT32_MAX);
    CHECK_STATUS(edn_image_decode(edn_bytes_of(head, sizeof head), no_room, NULL, &docs, &size, NULL), EDN_E_FORMAT);
    edn_store_u32(head + 5, 0);
    edn_store_u32(head + 9, UINT32_MAX);
    CHECK_STATUS(edn_image_decode(edn_bytes_of(head, sizeof head), no_room, NULL, &docs, &size, NULL), EDN_E_FORMAT);

    CHECK_OK(edn_pages_new(1 << 20, &pages));
    build(&g, 3, 200, 0);
    CHECK_OK(seg_open(&g, pages));
    image = image_of(&g);
    CHECK_STATUS(edn_image_decode(edn_buf_view(&image), no_room, NULL, &docs, &size, NULL), EDN_E_FULL);
    edn_buf_dispose(&image);
    image = EDN_BUF_INIT(100);
    CHECK_STATUS(edn_image_put(&image, g.s), EDN_E_LIMIT);
    edn_buf_dispose(&image);
    seg_dispose(&g);
    edn_pages_free(pages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_gives_the_segment_without_positions),
        cmocka_unit_test(what_is_cut_or_altered_does_no_harm),
        cmocka_unit_test(a_head_that_lies_costs_the_sender),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
