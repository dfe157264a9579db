#include "check.h"

#include <time.h>

#include "cli/json.h"
#include "cli/text.h"

#define TEXT(s) edn_bytes_of(s, sizeof(s) - 1)

static void check_safe(edn_bytes in, edn_cli_safe how, const char *want)
{
    edn_buf out = EDN_BUF_INIT(4096);
    edn_cli_put_safe(&out, in, how);
    CHECK_STR(edn_buf_view(&out), want);
    edn_buf_dispose(&out);
}

static void no_control_character_reaches_a_terminal(void **state)
{
    (void)state;
    check_safe(TEXT("a\x1b[2Jb"), EDN_SAFE_LINE, "a\\x1b[2Jb");
    check_safe(TEXT("a\x1b[2Jb"), EDN_SAFE_TEXT, "a\\x1b[2Jb");
    check_safe(TEXT("nul\0bell\a del\x7f"), EDN_SAFE_TEXT, "nul\\x00bell\\x07 del\\x7f");
    check_safe(TEXT("csi \xc2\x9b"), EDN_SAFE_TEXT, "csi \\u{9b}");
    check_safe(TEXT("turn \xe2\x80\xae end"), EDN_SAFE_TEXT, "turn \\u{202e} end");
    check_safe(TEXT("over\rwritten"), EDN_SAFE_TEXT, "over\\x0dwritten");
    check_safe(TEXT("bad \xff\xc3 utf"), EDN_SAFE_TEXT, "bad \\xff\\xc3 utf");
    check_safe(TEXT("ends in \xe2\x82"), EDN_SAFE_TEXT, "ends in \\xe2\\x82");

    /* Every scalar up to U+2100, alone. */
    for (uint32_t c = 0; c < 0x2100; c++) {
        edn_buf out = EDN_BUF_INIT(64);
        uint8_t in[4];
        size_t n = edn_utf8_put(in, c);
        edn_cli_put_safe(&out, edn_bytes_of(in, n), EDN_SAFE_TEXT);
        for (size_t at = 0; at < out.n;) {
            uint32_t got = edn_utf8_next(edn_buf_view(&out), &at);
            CHECK((got >= 0x20 && (got < 0x7f || got > 0x9f)) || got == '\n' || got == '\t');
        }
        edn_buf_dispose(&out);
    }
}

static void a_line_stays_one_line(void **state)
{
    (void)state;
    check_safe(TEXT("a\nb\tc\rd"), EDN_SAFE_LINE, "a b c d");
    check_safe(TEXT("a\xe2\x80\xa8"
                    "b\xc2\x85"
                    "c"),
               EDN_SAFE_LINE, "a b c");
    check_safe(TEXT("a\nb\tc"), EDN_SAFE_TEXT, "a\nb\tc");
    check_safe(TEXT("日記 – é"), EDN_SAFE_LINE, "日記 – é");
}

static void check_cut(const char *line, size_t columns, const char *want, size_t used)
{
    edn_buf out = EDN_BUF_INIT(4096);
    CHECK_INT(edn_cli_put_cut(&out, edn_bytes_str(line), columns), used);
    CHECK_STR(edn_buf_view(&out), want);
    CHECK_INT(edn_cli_width(edn_buf_view(&out)), used);
    edn_buf_dispose(&out);
}

static void a_line_is_cut_at_the_columns_there_are(void **state)
{
    (void)state;
    check_cut("abcdef", 6, "abcdef", 6);
    check_cut("abcdef", 5, "abcd…", 5);
    check_cut("abcdef", 1, "…", 1);
    check_cut("abcdef", 0, "", 0);
    check_cut("", 0, "", 0);
    check_cut("日記を書く", 10, "日記を書く", 10);
    check_cut("日記を書く", 9, "日記を書…", 9);
    check_cut("日記を書く", 8, "日記を…", 7); /* a wide character does not fit beside the mark */
    check_cut("e\xcc\x81"
              "e\xcc\x81"
              "e\xcc\x81",
              3,
              "e\xcc\x81"
              "e\xcc\x81"
              "e\xcc\x81",
              3); /* accents have no width */
    check_cut("e\xcc\x81"
              "e\xcc\x81"
              "e\xcc\x81",
              2,
              "e\xcc\x81"
              "…",
              2);
    CHECK_INT(edn_cli_width(edn_bytes_str("日a\xcc\x81")), 3);
}

static void check_wrapped(const char *text, size_t at, size_t indent, size_t width, const char *want)
{
    edn_buf out = EDN_BUF_INIT(4096);
    edn_cli_put_wrapped(&out, text, at, indent, width);
    CHECK_STR(edn_buf_view(&out), want);
    edn_buf_dispose(&out);
}

static void text_is_wrapped_at_blanks(void **state)
{
    (void)state;
    check_wrapped("one two three", 0, 2, 7, "one two\n  three\n");
    check_wrapped("one two three", 4, 4, 11, "one two\n    three\n");
    check_wrapped("averylongword x", 0, 0, 5, "averylongword\nx\n");
    check_wrapped("", 0, 0, 5, "\n");
}

/* ---- dates ------------------------------------------------------------------------------------------------------- */

static void only_days_that_there_are(void **state)
{
    static const char *const good[] = {"1660-01-01", "2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"};
    static const char *const bad[] = {"2023-02-29",  "1900-02-29", "2024-13-01", "2024-00-01", "2024-04-31",
                                      "2024-01-00",  "0000-01-01", "2024-1-01",  "24-01-01",   "2024/01/01",
                                      "2024-01-011", "",           "2024-01-1x", "+024-01-01", "2024-01"};
    (void)state;
    for (size_t i = 0; i < EDN_COUNT(good); i++)
        CHECK(edn_cli_date_ok(edn_bytes_str(good[i])));
    for (size_t i = 0; i < EDN_COUNT(bad); i++)
        CHECK(!edn_cli_date_ok(edn_bytes_str(bad[i])));
}

static void zone_set(const char *zone)
{
    setenv("TZ", zone, 1);
    tzset();
}

static const char *read_date(const char *text, uint64_t now_ms, edn_cli_day day)
{
    static char out[11];
    return edn_cli_date_read(text, now_ms, day, out) ? out : "none";
}

#define NOON_2024_03_01 1709294400000u

static void words_for_days(void **state)
{
    (void)state;
    zone_set("UTC0");
    CHECK_STR(edn_bytes_str(read_date("today", NOON_2024_03_01, EDN_DAY_ONLY)), "2024-03-01");
    CHECK_STR(edn_bytes_str(read_date("yesterday", NOON_2024_03_01, EDN_DAY_ONLY)), "2024-02-29");
    CHECK_STR(edn_bytes_str(read_date("2024-05-06", NOON_2024_03_01, EDN_DAY_ONLY)), "2024-05-06");
    CHECK_STR(edn_bytes_str(read_date("2024", NOON_2024_03_01, EDN_DAY_ONLY)), "none");
    CHECK_STR(edn_bytes_str(read_date("2024", NOON_2024_03_01, EDN_DAY_FIRST)), "2024-01-01");
    CHECK_STR(edn_bytes_str(read_date("2024", NOON_2024_03_01, EDN_DAY_LAST)), "2024-12-31");
    CHECK_STR(edn_bytes_str(read_date("2024-02", NOON_2024_03_01, EDN_DAY_LAST)), "2024-02-29");
    CHECK_STR(edn_bytes_str(read_date("2023-02", NOON_2024_03_01, EDN_DAY_LAST)), "2023-02-28");
    CHECK_STR(edn_bytes_str(read_date("tomorrow", NOON_2024_03_01, EDN_DAY_LAST)), "none");
    CHECK_STR(edn_bytes_str(read_date("2024-02-30", NOON_2024_03_01, EDN_DAY_LAST)), "none");
}

/* The diary's day is the writer's, not Greenwich's; and the day before stays the day before when clocks change. */
static void today_is_the_local_day(void **state)
{
    uint64_t late = 1711929600000u; /* 2024-04-01 00:00 UTC */
    uint64_t after_change =
        1711839600000u; /* 2024-03-30 23:00 UTC: 2024-03-31 00:00 in Berlin, where 02:00 is skipped */
    (void)state;

    zone_set("EST5EDT,M3.2.0,M11.1.0");
    CHECK_STR(edn_bytes_str(read_date("today", late, EDN_DAY_ONLY)), "2024-03-31");
    zone_set("JST-9");
    CHECK_STR(edn_bytes_str(read_date("today", late, EDN_DAY_ONLY)), "2024-04-01");
    zone_set("CET-1CEST,M3.5.0,M10.5.0/3");
    CHECK_STR(edn_bytes_str(read_date("today", after_change, EDN_DAY_ONLY)), "2024-03-31");
    CHECK_STR(edn_bytes_str(read_date("yesterday", after_change, EDN_DAY_ONLY)), "2024-03-30");
    zone_set("UTC0");
}

static void times_come_back_as_they_went(void **state)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } rows[] = {{1, "1970-01-01T00:00:00.001Z"},
                {1709294400000u, "2024-03-01T12:00:00.000Z"},
                {951782400123u, "2000-02-29T00:00:00.123Z"},
                {4102444799999u, "2099-12-31T23:59:59.999Z"}};
    char text[EDN_CLI_TIME_MAX];
    uint64_t ms;
    (void)state;

    for (size_t i = 0; i < EDN_COUNT(rows); i++) {
        edn_cli_time_utc(text, rows[i].ms);
        CHECK_STR(edn_bytes_str(text), rows[i].text);
        CHECK(edn_cli_time_read(edn_bytes_str(text), &ms));
        CHECK_INT(ms, rows[i].ms);
    }
    edn_cli_time_utc(text, 0);
    CHECK_STR(edn_bytes_str(text), "");
    CHECK(edn_cli_time_read(TEXT("2024-03-01T12:00:00Z"), &ms) && ms == 1709294400000u);
    CHECK(!edn_cli_time_read(TEXT("2024-03-01T12:00:00"), &ms));
    CHECK(!edn_cli_time_read(TEXT("2024-03-01T24:00:00Z"), &ms));
    CHECK(!edn_cli_time_read(TEXT("2024-02-30T12:00:00Z"), &ms));
    CHECK(!edn_cli_time_read(TEXT("1969-12-31T23:59:59Z"), &ms));
    CHECK(!edn_cli_time_read(TEXT("2024-03-01 12:00:00Z"), &ms));
    CHECK(!edn_cli_time_read(TEXT(""), &ms));
}

static void counts_are_grouped(void **state)
{
    char text[64];
    (void)state;
    CHECK_STR(edn_bytes_str(edn_cli_count(text, 1, "entry", "entries")), "1 entry");
    CHECK_STR(edn_bytes_str(edn_cli_count(text, 0, "entry", "entries")), "0 entries");
    CHECK_STR(edn_bytes_str(edn_cli_count(text, 999, "entry", "entries")), "999 entries");
    CHECK_STR(edn_bytes_str(edn_cli_count(text, 1234567, "entry", "entries")), "1,234,567 entries");
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void json_has_commas_where_they_are_due(void **state)
{
    edn_buf b = EDN_BUF_INIT(4096);
    (void)state;

    edn_json_open(&b, NULL, '{');
    edn_json_string(&b, "a", TEXT("{"));
    edn_json_number(&b, "n", UINT64_MAX);
    edn_json_bool(&b, "t", true);
    edn_json_open(&b, "e", '[');
    edn_json_close(&b, ']');
    edn_json_open(&b, "l", '[');
    edn_json_string(&b, NULL, TEXT("x["));
    edn_json_string(&b, NULL, TEXT("y"));
    edn_json_close(&b, ']');
    edn_json_open(&b, "o", '{');
    edn_json_pair(&b, TEXT("p"), TEXT("q"));
    edn_json_pair(&b, TEXT("r"), TEXT("s"));
    edn_json_close(&b, '}');
    edn_json_hex(&b, "h", (const uint8_t *)"\x01\xab", 2);
    edn_json_time(&b, "z", 0);
    edn_json_close(&b, '}');
    CHECK_STR(edn_buf_view(&b), "{\"a\":\"{\",\"n\":18446744073709551615,\"t\":true,\"e\":[],\"l\":[\"x[\",\"y\"],"
                                "\"o\":{\"p\":\"q\",\"r\":\"s\"},\"h\":\"01ab\",\"z\":\"\"}");
    edn_buf_dispose(&b);
}

static void json_escapes_controls_and_nothing_else(void **state)
{
    edn_buf b = EDN_BUF_INIT(4096);
    (void)state;

    edn_json_string(&b, NULL, TEXT("\"\\/\b\f\n\r\t\0\x1b\x7f é 日 \xc2\x80\xc2\x9f\xc2\xa0"));
    CHECK_STR(edn_buf_view(&b), "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001b\\u007f é 日 \\u0080\\u009f\xc2\xa0\"");
    edn_buf_dispose(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_control_character_reaches_a_terminal),
        cmocka_unit_test(a_line_stays_one_line),
        cmocka_unit_test(a_line_is_cut_at_the_columns_there_are),
        cmocka_unit_test(text_is_wrapped_at_blanks),
        cmocka_unit_test(only_days_that_there_are),
        cmocka_unit_test(words_for_days),
        cmocka_unit_test(today_is_the_local_day),
        cmocka_unit_test(times_come_back_as_they_went),
        cmocka_unit_test(counts_are_grouped),
        cmocka_unit_test(json_has_commas_where_they_are_due),
        cmocka_unit_test(json_escapes_controls_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
