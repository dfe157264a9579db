/* Snippets: the best window, its hits, and whole characters at its ends. */
#include "search/snippet.h"

#include "check.h"

/* The snippet with its hits in brackets. */
static const char *snippet_of(const char *query, const char *text, size_t size)
{
    static char line[2048];
    edn_arena a = edn_arena_init((size_t)1 << 20);
    edn_query *q;
    edn_query_error error;
    edn_snippet s;
    size_t n = 0, hit = 0;

    CHECK_OK(edn_query_parse(&a, edn_bytes_str(query), 0, &q, &error));
    edn_snippet_find(edn_bytes_str(text), q, size, &s);
    for (uint32_t i = s.from; i <= s.to; i++) {
        if (hit < s.hits_n && i == s.hits[hit].at + s.hits[hit].size) {
            line[n++] = ']';
            hit++;
        }
        if (hit < s.hits_n && i == s.hits[hit].at)
            line[n++] = '[';
        if (i < s.to)
            line[n++] = text[i];
    }
    line[n] = 0;
    edn_arena_dispose(&a);
    return line;
}

#define SNIPPET(query, text, size, want) assert_string_equal(snippet_of(query, text, size), want)

#define DAY                                                                                                            \
    "Up betimes and to my office, where all the morning. At noon my wife's cousin came by water, and we to the sea "   \
    "and by the old wind mill home; so to supper, and to bed."

static void the_window_shows_the_most_different_words(void **state)
{
    (void)state;
    SNIPPET("wife", DAY, 40, "At noon my [wife]'s cousin came by water,");
    SNIPPET("wife sea", "sea sea sea and much, much, much, much, much, much later my wife saw the sea", 40,
            "much, much later my [wife] saw the [sea]");
    SNIPPET("\"old wind\" sea -bed", DAY, 60, "we to the [sea] and by the [old] [wind] mill home; so to supper,");
    SNIPPET("win*", DAY, 30, "the old [wind] mill home; so to");
    SNIPPET("nothing", DAY, 30, "Up betimes and to my office,");
    SNIPPET("tag:up nothing", DAY, 12, "Up betimes");
    SNIPPET("title:water", DAY, 30, "came by [water], and we to the");
    SNIPPET("BED", DAY, 30, "so to supper, and to [bed].");
    SNIPPET("x", "", 30, "");
    SNIPPET("x", "one_long_word_longer_than_the_window", 10, "one_long_w"); /* once read in front of the text */
}

static void letters_without_spaces_are_marked_together(void **state)
{
    (void)state;
    SNIPPET("狂人日記", "今天讀狂人日記，很好。", 200, "今天讀[狂人日記]，很好。");
    SNIPPET("Straße", "In der STRASSE, die strasse.", 200, "In der [STRASSE], die [strasse].");
    SNIPPET("人", "今天讀狂人日記，很好。", 14, "狂[人]日記");
}

/* Random texts and windows: both ends are at characters, hits stand inside and in order, and no window of that size
 * holds more different words. */
static void no_window_is_better(void **state)
{
    static const char *const parts[] = {"sea ", "wind ", "wife's ", "x ", "yz, ",     "é ",
                                        "人",   "日",    "\n",      "…",  "longword "};
    check_rng rng = {check_seed()};
    edn_arena a = edn_arena_init((size_t)1 << 20);
    edn_query *q;
    edn_query_error error;

    (void)state;
    CHECK_OK(edn_query_parse(&a, edn_bytes_str("sea win* wife"), 0, &q, &error));
    for (size_t round = 0; round < 5000; round++) {
        char text[1024] = "";
        size_t size = 1 + check_below(&rng, 60), best = 0, have = 0, different;
        edn_snippet s;
        for (size_t n = check_below(&rng, 60); n; n--)
            strcat(text, parts[check_below(&rng, EDN_COUNT(parts))]);
        edn_bytes t = edn_bytes_str(text);
        edn_snippet_find(t, q, size, &s);
        CHECK(s.from <= s.to && s.to <= t.n);
        CHECK_INT(edn_utf8_check(edn_bytes_of(text + s.from, s.to - s.from), NULL), s.to - s.from);
        for (size_t i = 0; i < s.hits_n; i++) {
            CHECK(s.hits[i].at >= (i ? s.hits[i - 1].at + s.hits[i - 1].size : s.from));
            CHECK(s.hits[i].at + s.hits[i].size <= s.to);
        }
        for (const char *p = text; *p; p++) { /* every window that begins at a byte */
            char window[1100];
            snprintf(window, sizeof window, "%.*s", (int)size, p);
            /* words that are cut do not count: none of the three is the beginning of another part */
            different = !!strstr(window, "sea ") + !!strstr(window, "wind ") + !!strstr(window, "wife's ");
            best = EDN_MAX(best, different);
        }
        for (size_t i = 0; i < s.hits_n; i++)
            have |= text[s.hits[i].at] == 's' ? 1u : text[s.hits[i].at + 2] == 'n' ? 2u : 4u;
        CHECK((size_t)__builtin_popcountll(have) >= best);
    }
    edn_arena_dispose(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_window_shows_the_most_different_words),
        cmocka_unit_test(letters_without_spaces_are_marked_together),
        cmocka_unit_test(no_window_is_better),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
