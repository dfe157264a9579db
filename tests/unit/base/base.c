#include "check.h"

static void varints_round_trip_and_refuse_longer_forms(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX >> 1, UINT64_MAX};
    for (size_t i = 0; i < EDN_COUNT(values); i++) {
        edn_buf b = EDN_BUF_INIT(16);
        edn_put_varint(&b, values[i]);
        edn_reader r = edn_reader_init(edn_buf_view(&b));
        CHECK(edn_read_varint(&r, "v") == values[i]);
        CHECK_OK(edn_reader_end(&r));
        edn_buf_dispose(&b);
    }
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {
        {"\x80\x00", 2},
        {"\x80", 1},
        {"", 0},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},
        {"\x81\x80\x00", 3},
    };
    for (size_t i = 0; i < EDN_COUNT(bad); i++) {
        edn_reader r = edn_reader_init(edn_bytes_of(bad[i].bytes, bad[i].n));
        (void)edn_read_varint(&r, "v"); /* the status is what counts */
        CHECK_STATUS(edn_reader_status(&r), EDN_E_FORMAT);
    }
}

static void reader_remembers_the_first_failure(void **state)
{
    (void)state;
    edn_reader r = edn_reader_init(edn_bytes_of("\x01\x02\x03", 3));
    CHECK_INT(edn_read_u16(&r, "first"), 0x0201);
    CHECK_INT(edn_read_u32(&r, "second"), 0);
    CHECK_INT(edn_read_u8(&r, "third"), 0);
    CHECK_STATUS(edn_reader_status(&r), EDN_E_FORMAT);
    assert_string_equal(r.field, "second");
    CHECK_INT(r.at, 2);
    r = edn_reader_init(edn_bytes_of("\x01\x02", 2));
    (void)edn_read_u8(&r, "one");
    CHECK_STATUS(edn_reader_end(&r), EDN_E_FORMAT);
    r = edn_reader_init(EDN_BYTES_EMPTY);
    CHECK(!edn_reader_has(&r, UINT64_MAX, 2));
}

static void buffer_stops_at_its_limit(void **state)
{
    (void)state;
    edn_buf b = EDN_BUF_INIT(4);
    edn_put_u32(&b, 7);
    CHECK_OK(edn_buf_status(&b));
    edn_put_u8(&b, 1);
    CHECK_STATUS(edn_buf_status(&b), EDN_E_LIMIT);
    CHECK_INT(b.n, 4);
    edn_buf_dispose(&b);
}

static void utf8_refuses_what_unicode_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *s;
        size_t n, at;
    } cases[] = {
        {"plain text here", 15, 15}, {"caf\xc3\xa9", 5, 5},      {"\xf0\x9f\x98\x80", 4, 4}, {"a\xc0\xaf", 3, 1},
        {"\xed\xa0\x80", 3, 0},      {"\xf4\x90\x80\x80", 4, 0}, {"ab\x80", 3, 2},           {"abc\xe2\x82", 5, 3},
        {"\xe0\x9f\xbf", 3, 0},      {"\xf0\x8f\xbf\xbf", 4, 0}, {"12345678\xff", 9, 8},     {"\xf4\x8f\xbf\xbf", 4, 4},
    };
    for (size_t i = 0; i < EDN_COUNT(cases); i++)
        CHECK_INT(edn_utf8_check(edn_bytes_of(cases[i].s, cases[i].n), NULL), cases[i].at);
}

static void utf8_offsets_agree_with_a_walk(void **state)
{
    (void)state;
    check_rng r = {check_seed()};
    for (int round = 0; round < 200; round++) {
        edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        size_t n = check_below(&r, 60), count;
        for (size_t i = 0; i < n; i++) {
            static const uint32_t picks[] = {'a', 0xe9, 0x4e2d, 0x1f600, '\n', 0x7ff, 0xffff};
            uint8_t t[4];
            edn_put_bytes(&b, t, edn_utf8_put(t, picks[check_below(&r, EDN_COUNT(picks))]));
        }
        edn_bytes s = edn_buf_view(&b);
        CHECK_INT(edn_utf8_check(s, &count), s.n);
        CHECK_INT(count, n);
        CHECK_INT(edn_utf8_count(s), n);
        size_t at = 0;
        for (size_t i = 0; i < n; i++) {
            CHECK_INT(edn_utf8_offset(s, i), at);
            (void)edn_utf8_next(s, &at); /* moves `at` */
        }
        CHECK_INT(edn_utf8_offset(s, n), s.n);
        edn_buf_dispose(&b);
    }
}

static void base64url_has_one_spelling(void **state)
{
    (void)state;
    for (size_t n = 0; n < 20; n++) {
        uint8_t in[20];
        edn_buf text = EDN_BUF_INIT(64), back = EDN_BUF_INIT(64);
        for (size_t i = 0; i < n; i++)
            in[i] = (uint8_t)(i * 37 + n);
        edn_base64url_encode(&text, edn_bytes_of(in, n));
        CHECK_OK(edn_base64url_decode(&back, edn_buf_view(&text)));
        CHECK_BYTES(edn_buf_view(&back), edn_bytes_of(in, n));
        edn_buf_dispose(&text);
        edn_buf_dispose(&back);
    }
    static const char *const bad[] = {"A", "AB=", "AA==", "AB", "AAB", "A+AA", "A/AA", "AA AA"};
    for (size_t i = 0; i < EDN_COUNT(bad); i++) {
        edn_buf back = EDN_BUF_INIT(64);
        CHECK_STATUS(edn_base64url_decode(&back, edn_bytes_str(bad[i])), EDN_E_FORMAT);
        edn_buf_dispose(&back);
    }
}

static void hex_round_trips(void **state)
{
    (void)state;
    char text[9];
    uint8_t back[4];
    edn_hex_encode(text, "\x00\xab\xcd\xff", 4);
    assert_string_equal(text, "00abcdff");
    CHECK(edn_hex_decode(back, 4, edn_bytes_str("00ABcdfF")));
    CHECK(memcmp(back, "\x00\xab\xcd\xff", 4) == 0);
    CHECK(!edn_hex_decode(back, 4, edn_bytes_str("00abcdfg")));
    CHECK(!edn_hex_decode(back, 4, edn_bytes_str("00abcdf")));
}

static void arena_keeps_to_its_limit(void **state)
{
    (void)state;
    edn_arena a = edn_arena_init(100000);
    for (int i = 0; i < 6250; i++) {
        void *p = edn_arena_alloc(&a, 16);
        assert_non_null(p);
        CHECK(((uintptr_t)p & 15) == 0);
        memset(p, 0xaa, 16);
    }
    assert_null(edn_arena_alloc(&a, 1));
    edn_arena_reset(&a);
    assert_non_null(edn_arena_alloc(&a, 50000));
    assert_null(edn_arena_alloc(&a, SIZE_MAX));
    edn_arena_dispose(&a);
}

static void every_status_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < EDN_STATUS_COUNT; i++)
        CHECK(strcmp(edn_status_name((edn_status)i), "E_UNKNOWN") != 0);
}

/* ---- arrays ------------------------------------------------------------------------------------------------------ */

static void an_array_grows_and_keeps_what_it_holds(void **state)
{
    uint32_t *v = NULL;
    size_t cap = 0, moves = 0;

    (void)state;
    for (uint32_t i = 0; i < 10000; i++) {
        size_t before = cap;
        CHECK(edn_array_room(&v, &cap, i + 1, sizeof *v));
        moves += cap != before;
        v[i] = i;
    }
    for (uint32_t i = 0; i < 10000; i++)
        CHECK_INT(v[i], i);
    CHECK(moves < 30); /* not at each element */
    free(v);
}

static void an_array_that_cannot_be_is_refused(void **state)
{
    uint64_t *v = NULL, *before;
    size_t cap = 0;

    (void)state;
    CHECK(edn_array_room(&v, &cap, 3, sizeof *v));
    before = v;
    CHECK(!edn_array_room(&v, &cap, SIZE_MAX / 4, sizeof *v)); /* more bytes than can be counted */
    CHECK(v == before && cap == 4);
    free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(varints_round_trip_and_refuse_longer_forms),
        cmocka_unit_test(reader_remembers_the_first_failure),
        cmocka_unit_test(buffer_stops_at_its_limit),
        cmocka_unit_test(utf8_refuses_what_unicode_refuses),
        cmocka_unit_test(utf8_offsets_agree_with_a_walk),
        cmocka_unit_test(base64url_has_one_spelling),
        cmocka_unit_test(hex_round_trips),
        cmocka_unit_test(arena_keeps_to_its_limit),
        cmocka_unit_test(every_status_has_a_name),
        cmocka_unit_test(an_array_grows_and_keeps_what_it_holds),
        cmocka_unit_test(an_array_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
