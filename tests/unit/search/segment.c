/* Segments: what goes in comes out, in any order of writing; and what was cut or altered does no harm. */
#include "../check.h"

#include "search/index.h"
#include "search/pack.h"
#include "segments.h"

/* ---- codes ------------------------------------------------------------------------------------------------------- */

static void packed_integers_come_back(void **state)
{
    (void)state;
    check_rng r = {check_seed()};
    uint8_t out[EDN_PACK_SIZE_MAX + EDN_PACK_SLACK];
    uint32_t v[EDN_BLOCK], got[EDN_BLOCK];

    for (unsigned round = 0; round < 3000; round++) {
        size_t n = 1 + check_below(&r, EDN_BLOCK), size;
        unsigned width = (unsigned)check_below(&r, 33), rare = 1 + (unsigned)check_below(&r, 30);
        for (size_t i = 0; i < n; i++) {
            v[i] = (uint32_t)(check_next(&r) & ((1ull << width) - 1));
            if (check_below(&r, rare * 4) == 0)
                v[i] = (uint32_t)check_next(&r);
        }
        size = edn_pack_put(out, v, n);
        CHECK(size <= EDN_PACK_SIZE_MAX);
        CHECK(edn_pack_get(out, out + size, got, n) == out + size);
        CHECK(memcmp(v, got, n * sizeof *v) == 0);
        for (size_t cut = 0; cut < size; cut++)
            CHECK(edn_pack_get(out, out + cut, got, n) == NULL);
    }
}

static void positions_come_back(void **state)
{
    (void)state;
    check_rng r = {check_seed()};
    uint32_t v[500], got[500];

    for (unsigned round = 0; round < 3000; round++) {
        edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        edn_bits bits = {.out = &b};
        edn_bits_in in;
        uint32_t n = 1 + (uint32_t)check_below(&r, 500), length = (uint32_t)check_below(&r, 5000), at = 0;
        for (uint32_t i = 0; i < n; i++) {
            at += (uint32_t)(check_below(&r, 50) ? check_below(&r, 40) : check_below(&r, 1u << 20));
            v[i] = at++;
        }
        edn_buf_reserve(&b, EDN_BITS_ROOM(n) + EDN_BITS_ROOM(1));
        edn_bits_positions(&bits, v, n, length);
        edn_bits_positions(&bits, v, 1, length);
        edn_bits_end(&bits);
        edn_put_zeros(&b, EDN_PACK_SLACK);
        in = (edn_bits_in){b.p, 0, 8 * (b.n - EDN_PACK_SLACK)};
        CHECK(edn_bits_get(&in, got, n, length));
        CHECK(memcmp(v, got, n * sizeof *v) == 0);
        CHECK(edn_bits_get(&in, got, 1, length));
        CHECK_INT(got[0], v[0]);
        CHECK(in.end - in.at < 8);
        CHECK(!edn_bits_get(&in, got, 9, 0));
        edn_buf_dispose(&b);
    }
}

/* ---- segments ---------------------------------------------------------------------------------------------------- */

static edn_segment_doc doc_of(unsigned i)
{
    edn_segment_doc d = {.date = 20200101 + i % 28 + i / 28 % 12 * 100};

    edn_store_u32(d.entry.b, i * 2654435761u);
    d.version[0] = (uint8_t)i;
    return d;
}

static void add(edn_builder *b, unsigned i)
{
    edn_segment_doc d = doc_of(i);
    char text[400];

    snprintf(text, sizeof text, "the word%u and the word%u of day%u %s", i % 7, i % 50, i,
             i % 5 ? "" : "über straße the the end of the day, e.g. 中文日記");
    edn_builder_doc(b, &d);
    edn_builder_text(b, edn_bytes_str("a title"), true);
    edn_builder_text(b, edn_bytes_str(text), false);
    edn_builder_tag(b, edn_bytes_str(i % 3 ? "Travel" : "Work"));
    edn_builder_mark(b, EDN_TERM_JOURNAL, edn_bytes_of("0123456789abcdef", 16));
}

static void finish(edn_builder *b, seg *g)
{
    uint64_t size;

    *g = SEG_INIT;
    CHECK_OK(edn_builder_finish(b, seg_out, &g->bytes, &size));
    CHECK_INT(size, g->bytes.n);
    edn_builder_free(b);
}

/* Documents [0, n), forwards or backwards. */
static void build(seg *g, unsigned n, bool backwards, unsigned flags)
{
    edn_builder *b;

    CHECK_OK(edn_builder_new(flags, &b));
    for (unsigned i = 0; i < n; i++)
        add(b, backwards ? n - 1 - i : i);
    CHECK_INT(edn_builder_docs(b), n);
    CHECK(edn_builder_memory(b) > n);
    finish(b, g);
}

static void order_of_writing_does_not_matter(void **state)
{
    (void)state;
    seg a, b;

    build(&a, 1000, false, 0);
    build(&b, 1000, true, 0);
    CHECK_BYTES(edn_buf_view(&b.bytes), edn_buf_view(&a.bytes));
    seg_dispose(&a);
    seg_dispose(&b);
}

static void merging_gives_what_building_at_once_gives(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags <= EDN_SEGMENT_NO_POSITIONS; flags++) {
        seg whole, parts[3], merged = SEG_INIT;
        edn_segment_part p[3];
        edn_pages *pages;
        uint64_t size;
        CHECK_OK(edn_pages_new(1 << 20, &pages));
        build(&whole, 900, false, flags);
        for (unsigned k = 0; k < 3; k++) {
            edn_builder *b;
            CHECK_OK(edn_builder_new(0, &b));
            for (unsigned i = k; i < 900; i += 3)
                add(b, i);
            finish(b, &parts[k]);
            CHECK_OK(seg_open(&parts[k], pages));
            p[k] = (edn_segment_part){parts[k].s, NULL};
        }
        CHECK_OK(edn_segment_merge(p, 3, flags, seg_out, &merged.bytes, &size));
        CHECK_BYTES(edn_buf_view(&merged.bytes), edn_buf_view(&whole.bytes));
        for (unsigned k = 0; k < 3; k++)
            seg_dispose(&parts[k]);
        seg_dispose(&whole);
        seg_dispose(&merged);
        edn_pages_free(pages);
    }
}

static void merging_leaves_nothing_of_the_dead(void **state)
{
    (void)state;
    seg all, some, merged = SEG_INIT;
    uint8_t dead[40] = {0};
    edn_segment_part part;
    edn_builder *b;
    edn_pages *pages;
    uint64_t size;

    CHECK_OK(edn_pages_new(1 << 20, &pages));
    build(&all, 300, false, 0);
    CHECK_OK(seg_open(&all, pages));
    CHECK_OK(edn_builder_new(0, &b));
    for (unsigned i = 0; i < 300; i++) {
        edn_segment_doc d = doc_of(i);
        uint32_t at;
        CHECK_OK(edn_segment_find(all.s, &d.entry, i % 2 ? d.date : EDN_DATE_ANY, &at));
        if (i % 4 == 0)
            dead[at / 8] |= (uint8_t)(1u << at % 8);
        else
            add(b, i);
    }
    finish(b, &some);
    part = (edn_segment_part){all.s, dead};
    CHECK_OK(edn_segment_merge(&part, 1, 0, seg_out, &merged.bytes, &size));
    CHECK_BYTES(edn_buf_view(&merged.bytes), edn_buf_view(&some.bytes));
    seg_dispose(&all);
    seg_dispose(&some);
    seg_dispose(&merged);
    edn_pages_free(pages);
}

static void documents_come_back(void **state)
{
    (void)state;
    seg g;
    edn_pages *pages;

    CHECK_OK(edn_pages_new(0, &pages));
    build(&g, 700, true, 0);
    CHECK_OK(seg_open(&g, pages));
    CHECK_INT(edn_segment_docs(g.s), 700);
    CHECK(edn_segment_has_positions(g.s));
    for (unsigned i = 0; i < 700; i++) {
        edn_segment_doc d = doc_of(i), got;
        uint32_t at;
        CHECK_OK(edn_segment_find(g.s, &d.entry, d.date, &at));
        CHECK_OK(edn_segment_doc_at(g.s, at, &got));
        CHECK(memcmp(&d.entry, &got.entry, 16) == 0 && memcmp(d.version, got.version, 8) == 0);
        CHECK_INT(got.date, d.date);
        CHECK(got.length >= 10);
        CHECK_STATUS(edn_segment_find(g.s, &d.entry, d.date + 10000, &at), EDN_E_MISSING);
    }
    CHECK_OK(edn_segment_check(g.s));
    seg_dispose(&g);
    edn_pages_free(pages);
}

static void an_entry_twice_is_refused(void **state)
{
    (void)state;
    seg a, b;
    edn_segment_part parts[2];
    edn_buf out = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_segment_doc d = doc_of(3);
    edn_builder *builder;
    edn_pages *pages;
    uint64_t size;

    CHECK_OK(edn_pages_new(0, &pages));
    CHECK_OK(edn_builder_new(0, &builder));
    add(builder, 3);
    d.date = 0;
    edn_builder_doc(builder, &d);
    CHECK_STATUS(edn_builder_finish(builder, seg_out, &out, &size), EDN_E_EXISTS);
    edn_builder_free(builder);
    build(&a, 5, false, 0);
    build(&b, 5, false, 0);
    CHECK_OK(seg_open(&a, pages));
    CHECK_OK(seg_open(&b, pages));
    parts[0] = (edn_segment_part){a.s, NULL};
    parts[1] = (edn_segment_part){b.s, NULL};
    CHECK_STATUS(edn_segment_merge(parts, 2, 0, seg_out, &out, &size), EDN_E_EXISTS);
    CHECK_OK(edn_builder_new(0, &builder));
    d.date = 20241350;
    edn_builder_doc(builder, &d);
    CHECK_STATUS(edn_builder_finish(builder, seg_out, &out, &size), EDN_E_INVALID);
    edn_builder_free(builder);
    seg_dispose(&a);
    seg_dispose(&b);
    edn_buf_dispose(&out);
    edn_pages_free(pages);
}

static void an_empty_segment_is_one(void **state)
{
    (void)state;
    seg g;
    edn_pages *pages;
    edn_index *x;
    edn_segment_part part;
    edn_query q = {.kind = EDN_QUERY_PREFIX, .term = edn_bytes_str("a")};
    edn_index_hit hit;
    size_t n;

    CHECK_OK(edn_pages_new(0, &pages));
    build(&g, 0, false, 0);
    CHECK(g.bytes.n < 128);
    CHECK_OK(seg_open(&g, pages));
    CHECK_OK(edn_segment_check(g.s));
    part = (edn_segment_part){g.s, NULL};
    CHECK_OK(edn_index_new(&part, 1, NULL, NULL, &x));
    CHECK_OK(edn_index_search(x, &q, EDN_INDEX_BY_RANK, 1, &hit, &n));
    CHECK_INT(n, 0);
    edn_index_free(x);
    seg_dispose(&g);
    edn_pages_free(pages);
}

static edn_status count_term(void *ctx, edn_bytes term, uint32_t docs)
{
    (void)term;
    CHECK(docs > 0);
    ++*(uint32_t *)ctx;
    return EDN_OK;
}

static void a_query_opens_few_pages(void **state)
{
    (void)state;
    seg g;
    edn_pages *pages;
    edn_index *x;
    edn_segment_part part;
    edn_query q = {.kind = EDN_QUERY_TERM, .term = edn_bytes_str("day17")};
    edn_index_hit hit;
    uint64_t opened;
    uint32_t terms = 0;
    size_t n;

    CHECK_OK(edn_pages_new(1 << 20, &pages));
    build(&g, 6000, false, 0);
    CHECK(g.bytes.n > 15 * EDN_PAGE_SIZE);
    CHECK_OK(seg_open(&g, pages));
    opened = edn_pages_stats_get(pages).opened;
    CHECK(opened <= 2);
    part = (edn_segment_part){g.s, NULL};
    CHECK_OK(edn_index_new(&part, 1, NULL, NULL, &x));
    CHECK_OK(edn_index_search(x, &q, EDN_INDEX_BY_RANK, 1, &hit, &n));
    CHECK_INT(n, 1);
    CHECK(edn_pages_stats_get(pages).opened - opened <= 6);
    /* What cannot be had is said, and asked for again the next time. */
    edn_index_free(x);
    edn_segment_free(g.s);
    g.gone = 3;
    CHECK_OK(seg_open(&g, pages));
    CHECK_STATUS(edn_segment_check(g.s), EDN_E_MISSING);
    g.gone = UINT32_MAX;
    CHECK_OK(edn_segment_check(g.s));
    CHECK_OK(edn_segment_each(g.s, EDN_BYTES_EMPTY, count_term, &terms));
    CHECK_INT(terms, edn_segment_terms(g.s));
    seg_dispose(&g);
    edn_pages_free(pages);
}

/* ---- damage ------------------------------------------------------------------------------------------------------ */

static edn_status month_take(void *ctx, uint32_t month, uint32_t hits)
{
    (void)ctx;
    (void)month;
    (void)hits;
    return EDN_OK;
}

/* Everything that can be asked of a segment; gives the first answer that is not EDN_OK. */
static edn_status ask_all(edn_pages *pages, seg *g)
{
    edn_query_item items[] = {{edn_bytes_str("the"), 0, false}, {edn_bytes_str("word"), 1, true}};
    edn_query the = {.kind = EDN_QUERY_TERM, .term = edn_bytes_str("the")},
              tag = {.kind = EDN_QUERY_TERM, .term = edn_bytes_str("\x02travel")},
              prefix = {.kind = EDN_QUERY_PREFIX, .term = edn_bytes_str("w")},
              phrase = {.kind = EDN_QUERY_PHRASE, .items = items, .items_n = 2},
              date = {.kind = EDN_QUERY_DATE, .from = 20200105}, all = {.kind = EDN_QUERY_AND, .child = &the};
    edn_index_guess guesses[3];
    edn_index_hit hits[9];
    edn_segment_part part;
    edn_index *x = NULL;
    uint64_t count;
    size_t n;
    edn_status st;

    the.next = &tag;
    tag.next = &phrase;
    phrase.next = &date;
    if ((st = seg_open(g, pages)) != EDN_OK)
        return st;
    part = (edn_segment_part){g->s, NULL};
    if ((st = edn_segment_check(g->s)) == EDN_OK)
        st = edn_index_new(&part, 1, NULL, NULL, &x);
    else
        (void)!edn_index_new(&part, 1, NULL, NULL, &x); /* what a query would meet that nobody checked for */
    if (x) {
        edn_status more[] = {edn_index_search(x, &all, EDN_INDEX_BY_RANK, 9, hits, &n),
                             edn_index_search(x, &prefix, EDN_INDEX_BY_RANK, 9, hits, &n),
                             edn_index_count(x, &all, &count),
                             edn_index_months(x, &the, month_take, NULL),
                             edn_index_guess_terms(x, edn_bytes_str("ward12"), 2, 3, guesses, &n),
                             edn_index_similar(x, edn_bytes_str("the end of day7"), NULL, 5, hits, &n)};
        for (size_t i = 0; st == EDN_OK && i < EDN_COUNT(more); i++)
            st = more[i];
    }
    edn_index_free(x);
    edn_segment_free(g->s);
    g->s = NULL;
    return st;
}

static void damage_is_refused_or_does_no_harm(void **state)
{
    (void)state;
    check_rng r = {check_seed()};
    edn_pages *pages;
    unsigned refused = 0;
    size_t n;
    seg g;

    CHECK_OK(edn_pages_new(1 << 20, &pages));
    build(&g, 136, false, 0);
    n = g.bytes.n;
    CHECK_OK(ask_all(pages, &g));
    for (size_t i = 0; i < n; i++) {
        uint8_t was = g.bytes.p[i], flip = (uint8_t)(1 + check_below(&r, 255));
        edn_status st;
        g.bytes.p[i] ^= i % 2 ? flip : (uint8_t)(1u << check_below(&r, 8));
        st = ask_all(pages, &g);
        CHECK(st == EDN_OK || st == EDN_E_FORMAT || st == EDN_E_LIMIT);
        refused += st != EDN_OK;
        g.bytes.p[i] = was;
    }
    CHECK(refused > n / 8); /* the rest are other words, other counts: a good segment that says something else */
    for (size_t cut = 0; cut < n; cut++) {
        g.bytes.n = cut;
        CHECK_STATUS(ask_all(pages, &g), EDN_E_FORMAT);
    }
    g.bytes.n = n;
    CHECK_OK(ask_all(pages, &g));
    seg_dispose(&g);
    edn_pages_free(pages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_integers_come_back),
        cmocka_unit_test(positions_come_back),
        cmocka_unit_test(order_of_writing_does_not_matter),
        cmocka_unit_test(merging_gives_what_building_at_once_gives),
        cmocka_unit_test(merging_leaves_nothing_of_the_dead),
        cmocka_unit_test(documents_come_back),
        cmocka_unit_test(an_entry_twice_is_refused),
        cmocka_unit_test(an_empty_segment_is_one),
        cmocka_unit_test(a_query_opens_few_pages),
        cmocka_unit_test(damage_is_refused_or_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
