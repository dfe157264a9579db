/* Words of texts: boundaries by Unicode's own test, folding against utf8proc over Unicode's normalisation test, and
 * streams as docs/search.md shows them. */
#include "search/words.h"

#include "check.h"

#include "search/unicode.h"

#include <utf8proc.h>

/* "term@position", in order; `+` a further form, `*` a pair. */
static const char *words_of(const char *text)
{
    static char line[4096];
    edn_words w;
    edn_word word;
    size_t n = 0;

    line[0] = 0;
    edn_words_init(&w, edn_bytes_str(text));
    while (edn_words_next(&w, &word))
        n += (size_t)snprintf(line + n, sizeof line - n, "%s%.*s@%u%s%s", n ? " " : "", (int)word.term.n,
                              (const char *)word.term.p, word.position, word.flags & EDN_WORD_ALSO ? "+" : "",
                              word.flags & EDN_WORD_PAIR ? "*" : "");
    return line;
}

#define WORDS(text, want) assert_string_equal(words_of(text), want)

static void plain_words_are_folded(void **state)
{
    (void)state;
    WORDS("", "");
    WORDS(" --!… \n", "");
    WORDS("Up betimes, and to my OFFICE.", "up@0 betimes@1 and@2 to@3 my@4 office@5");
    WORDS("3.14 1,000 12:30 x2", "3.14@0 1,000@1 12@2 30@3 x2@4");
    WORDS("_sea_ and snake_case", "sea@0 and@1 snake_case@2 snake@2+ case@2+");
}

static void joined_words_are_found_by_their_parts(void **state)
{
    (void)state;
    WORDS("my wife's o'clock", "my@0 wife's@1 wife@1+ o'clock@2 clock@2+");
    WORDS("my wife’s", "my@0 wife's@1 wife@1+");
    WORDS("l’homme", "l'homme@0 homme@0+");
    WORDS("www.example.org e.g. so", "www.example.org@0 www@0+ example@0+ org@0+ e.g@1 so@2");
    WORDS("end.Next v2.10", "end.next@0 end@0+ next@0+ v2.10@1 v2@1+");
    WORDS("e-mail", "e@0 mail@1");
}

static void letters_without_spaces_are_single_and_in_pairs(void **state)
{
    (void)state;
    WORDS("狂人日", "狂@0+ 狂人@0* 人@1+ 人日@1* 日@2+");
    WORDS("人", "人@0");
    WORDS("狂人。日記", "狂@0+ 狂人@0* 人@1+ 日@3+ 日記@3* 記@4+");
    WORDS("狂人 日", "狂@0+ 狂人@0* 人@1+ 日@2");
    WORDS("用Python写", "用@0 python@1 写@2");
    WORDS("カメラ", "カ@0+ カメ@0* メ@1+ メラ@1* ラ@2+");
    WORDS("がか", "か\u3099@0+ か\u3099か@0* か@1+");
    WORDS("ไทย", "ไ@0+ ไท@0* ท@1+ ทย@1* ย@2+");
    WORDS("ﾊﾞ", "ハ\u3099@0");
    WORDS("한국어 학교에서", "한국어@0 학교에서@1");
}

static void marks_and_shapes_are_folded(void **state)
{
    (void)state;
    WORDS("Straße œuvre Ærø Łódź ışık Đặng", "strasse@0 oeuvre@1 aero@2 lodz@3 isik@4 dang@5");
    WORDS("πρἄγμα ΣΊΣΥΦΟΣ", "πραγμα@0 σισυφοσ@1");
    WORDS("Ёлка", "елка@0");
    WORDS("שָׁלוֹם", "שלום@0");
    WORDS("مُحَمَّد", "محمد@0");
    WORDS("हिन्दी", "हिन्दी@0");
    WORDS("𝓱𝓮𝓵𝓵𝓸 ｆｕｌｌ ﬁne", "hello@0 full@1 fine@2");
    WORDS("na\u0308i\u0308ve co\u00adop", "naive@0 coop@1");
    WORDS("❤️ 🇩🇪", "❤@0 🇩🇪@1");
}

static void long_words_are_cut_at_a_character(void **state)
{
    char text[200];
    edn_words w;
    edn_word word;

    (void)state;
    memset(text, 'A', sizeof text);
    edn_words_init(&w, edn_bytes_of(text, sizeof text));
    CHECK(edn_words_next(&w, &word));
    CHECK_INT(word.term.n, EDN_TERM_SIZE_MAX);
    CHECK_INT(word.size, sizeof text);
    CHECK(!edn_words_next(&w, &word));
    memcpy(text, "abc", 3);
    memcpy(text + 3, "д", 2);
    for (size_t i = 5; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "д", 2);
    edn_words_init(&w, edn_bytes_of(text, sizeof text - 1));
    CHECK(edn_words_next(&w, &word));
    CHECK_INT(word.term.n, EDN_TERM_SIZE_MAX - 1);
    CHECK_INT(edn_utf8_check(word.term, NULL), word.term.n);
    CHECK(!edn_words_next(&w, &word));
}

/* ---- against a plain reading of the rules ------------------------------------------------------------------------ */

/* The words of an ASCII text, the slow way: segments, folded. Further forms are left out. */
static void ascii_takes_the_short_way_to_the_same_words(void **state)
{
    static const char letters[] = "aB1_'.:,;\" -\n\r(";
    check_rng rng = {check_seed()};

    (void)state;
    for (size_t round = 0; round < 20000; round++) {
        uint8_t text[24];
        edn_bytes s = {text, check_below(&rng, sizeof text)};
        edn_words w;
        edn_word word;

        for (size_t i = 0; i < s.n; i++)
            text[i] = (uint8_t)letters[check_below(&rng, sizeof letters - 1)];
        edn_words_init(&w, s);
        for (size_t at = 0, end; at < s.n; at = end) {
            uint8_t term[64];
            size_t from = at, to = end = edn_break_next(s, at);
            bool is_word = false;
            for (size_t i = from; i < to; i++)
                is_word |= strchr("aB1", text[i]) != NULL;
            if (!is_word)
                continue;
            while (text[from] == '_')
                from++;
            while (text[to - 1] == '_')
                to--;
            do
                CHECK(edn_words_next(&w, &word));
            while (word.flags & EDN_WORD_ALSO);
            CHECK_INT(word.at, from);
            CHECK_INT(word.size, to - from);
            CHECK_BYTES(word.term, edn_bytes_of(term, edn_term_fold(edn_bytes_of(text + from, to - from), term, 64)));
        }
        while (edn_words_next(&w, &word))
            CHECK(word.flags & EDN_WORD_ALSO);
    }
}

/* ---- Unicode's own tests ----------------------------------------------------------------------------------------- */

/* The scalars of "0061 0301" as UTF-8. */
static size_t scalars(const char *p, const char *end, uint8_t *out)
{
    size_t n = 0;

    while (p < end) {
        char *next;
        unsigned long c = strtoul(p, &next, 16);
        if (next == p)
            break;
        n += edn_utf8_put(out + n, (uint32_t)c);
        p = next;
    }
    return n;
}

static void boundaries_are_unicodes(void **state)
{
    size_t n, lines = 0;
    char *data = (char *)check_data("vectors/unicode/WordBreakTest.txt", &n);

    (void)state;
    for (char *line = strtok(data, "\n"); line; line = strtok(NULL, "\n")) {
        uint8_t text[256];
        size_t size = 0, breaks[64], breaks_n = 0, at = 0;
        if (line[0] == '#')
            continue;
        for (char *p = line; *p && *p != '#';) {
            if (strncmp(p, "÷", 2) == 0) {
                breaks[breaks_n++] = size;
                p += 2;
            } else if (strncmp(p, "×", 2) == 0) {
                p += 2;
            } else if (*p == ' ' || *p == '\t') {
                p++;
            } else {
                size += edn_utf8_put(text + size, (uint32_t)strtoul(p, &p, 16));
            }
        }
        for (size_t i = 1; i < breaks_n; i++) {
            at = edn_break_next(edn_bytes_of(text, size), at);
            if (at != breaks[i])
                print_error("%s: boundary %zu at %zu, not %zu\n", line, i, at, breaks[i]);
            CHECK_INT(at, breaks[i]);
        }
        CHECK_INT(at, size);
        lines++;
    }
    free(data);
    CHECK(lines > 1000);
}

static uint32_t accents_of(edn_bytes text)
{
    uint8_t out[1024];
    edn_folding f = {.out = out, .size_max = sizeof out};

    for (size_t at = 0; at < text.n;)
        edn_fold_put(&f, edn_utf8_next(text, &at));
    return edn_fold_accents(&f);
}

/* Equivalent strings are one term, with the same accents: the five columns of each line are the string itself, NFC,
 * NFD, NFKC and NFKD. And folding again changes nothing. */
static void equivalent_strings_fold_to_one_term(void **state)
{
    size_t n, lines = 0;
    char *data = (char *)check_data("vectors/unicode/NormalizationTest.txt", &n);

    (void)state;
    for (char *line = strtok(data, "\n"); line; line = strtok(NULL, "\n")) {
        uint8_t first[512], other[512], text[512];
        size_t first_n = 0;
        uint32_t accents = 0;
        char *p = line;
        if (line[0] == '#' || line[0] == '@')
            continue;
        for (int column = 0; column < 5; column++) {
            char *end = strchr(p, ';');
            assert_non_null(end);
            size_t size = scalars(p, end, text), other_n = edn_term_fold(edn_bytes_of(text, size), other, sizeof other);
            if (column == 0) {
                memcpy(first, other, first_n = other_n);
                accents = accents_of(edn_bytes_of(text, size));
            }
            CHECK_BYTES(edn_bytes_of(other, other_n), edn_bytes_of(first, first_n));
            CHECK_INT(accents_of(edn_bytes_of(text, size)), accents);
            p = end + 1;
        }
        CHECK_INT(edn_term_fold(edn_bytes_of(first, first_n), other, sizeof other), first_n);
        CHECK(memcmp(other, first, first_n) == 0);
        CHECK_INT(accents_of(edn_bytes_of(first, first_n)), 0);
        lines++;
    }
    free(data);
    CHECK(lines > 12000);
}

/* Every scalar folds as utf8proc folds it (NFKD, case, ignorable ones and marks away) once more of the same is done to
 * both: what is left of a difference is what SPELT and the kept marks make. */
static void scalars_fold_as_utf8proc_folds_them(void **state)
{
    size_t same = 0, all = 0;

    (void)state;
    for (uint32_t c = 0x80; c < 0x110000; c++) {
        uint8_t text[5] = {0}, ours[64], theirs[64], again[64], *p = NULL;
        size_t n;
        if (c >= 0xd800 && c < 0xe000)
            continue;
        n = edn_term_fold(edn_bytes_of(text, edn_utf8_put(text, c)), ours, sizeof ours);
        CHECK_INT(edn_term_fold(edn_bytes_of(ours, n), again, sizeof again), n);
        CHECK(memcmp(ours, again, n) == 0);
        if (utf8proc_map(text, 0, &p,
                         UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE |
                             UTF8PROC_CASEFOLD | UTF8PROC_IGNORE | UTF8PROC_STRIPMARK) < 0)
            continue;
        size_t theirs_n = edn_term_fold(edn_bytes_str((char *)p), theirs, sizeof theirs);
        free(p);
        all++;
        same += n == theirs_n && memcmp(ours, theirs, n) == 0;
    }
    print_message("# %zu of %zu scalars\n", same, all);
    CHECK(all - same < 2500);
}

/* ---- accents ----------------------------------------------------------------------------------------------------- */

/* NFD of NFKC_Casefold: with all accents, without case and shape. */
static char *without_case(const char *text)
{
    uint8_t *p = NULL;

    CHECK(utf8proc_map((const uint8_t *)text, 0, &p,
                       UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD |
                           UTF8PROC_IGNORE) >= 0);
    return (char *)p;
}

/* A scalar has accents where folding does more than utf8proc does for case and shape. */
static void what_is_no_case_and_no_shape_is_an_accent(void **state)
{
    size_t differ = 0;

    (void)state;
    for (uint32_t c = 0x80; c < 0x110000; c++) {
        char text[8] = "", folded[64] = "";
        uint8_t utf8[4];
        char *theirs, *ours;
        if ((c >= 0xd800 && c < 0xe000) || c >> 12 == 0xe0) /* to be ignored, most of them, once they mean something */
            continue;
        memcpy(text, utf8, edn_utf8_put(utf8, c));
        (void)edn_term_fold(edn_bytes_str(text), (uint8_t *)folded, sizeof folded - 1);
        theirs = without_case(text);
        ours = without_case(folded);
        differ += (strcmp(theirs, ours) != 0) != (accents_of(edn_bytes_str(text)) != 0);
        free(theirs);
        free(ours);
    }
    print_message("# %zu scalars otherwise\n", differ);
    CHECK(differ < 60); /* what is only spelt otherwise, and what utf8proc does not know yet */
}

/* Two spellings that fold to one term have the same accents just when they differ in case and shape alone. */
static void the_same_accents_are_the_same_however_written(void **state)
{
    static const char *const letters[] = {"e",  "E",  "é",       "É",  "e\u0301", "è", "ê\u0323", "ệ", "e\u0302\u0323",
                                          "ｅ", "𝐞",  "e\u00ad", "s",  "ſ",       "ø", "Ø",       "o", "ö",
                                          "ﬁ",  "fi", "ǆ",       "dz", "dž"};
    check_rng rng = {check_seed()};
    size_t same = 0, other = 0;

    (void)state;
    for (size_t round = 0; round < 60000; round++) {
        char a[64] = "", b[64] = "", *na, *nb;
        uint8_t fa[64], fb[64];
        for (uint64_t n = 1 + check_below(&rng, 3); n; n--) {
            strcat(a, letters[check_below(&rng, EDN_COUNT(letters))]);
            strcat(b, letters[check_below(&rng, EDN_COUNT(letters))]);
        }
        size_t an = edn_term_fold(edn_bytes_str(a), fa, sizeof fa), bn = edn_term_fold(edn_bytes_str(b), fb, sizeof fb);
        if (an != bn || memcmp(fa, fb, an) != 0)
            continue;
        na = without_case(a);
        nb = without_case(b);
        if ((accents_of(edn_bytes_str(a)) == accents_of(edn_bytes_str(b))) != (strcmp(na, nb) == 0))
            print_error("%s and %s\n", a, b);
        CHECK_INT(accents_of(edn_bytes_str(a)) == accents_of(edn_bytes_str(b)), strcmp(na, nb) == 0);
        same += strcmp(na, nb) == 0;
        other += strcmp(na, nb) != 0;
        free(na);
        free(nb);
    }
    CHECK(same > 500 && other > 500);
}

/* What a keyboard or a capital cannot tell apart is none; the numbers are of the format (docs/search.md). */
static void accents_have_these_numbers(void **state)
{
    static const struct {
        const char *text;
        uint32_t accents;
    } known[] = {{"resume", 0},
                 {"RESUME", 0},
                 {"Straße", 0},
                 {"İstanbul", 0},
                 {"I\u0307", 0},
                 {"ıı", 0},
                 {"’ʼ", 0},
                 {"が", 0},
                 {"हिन्दी", 0},
                 {"résumé", 0xb75ffc},
                 {"RE\u0301SUMÉ", 0xb75ffc},
                 {"œuvre", 0x7d5de5},
                 {"ệ", 0xdf5364},
                 {"Łódź", 0x0a0d71}};

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(known); i++)
        CHECK_INT(accents_of(edn_bytes_str(known[i].text)), known[i].accents);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_words_are_folded),
        cmocka_unit_test(joined_words_are_found_by_their_parts),
        cmocka_unit_test(letters_without_spaces_are_single_and_in_pairs),
        cmocka_unit_test(marks_and_shapes_are_folded),
        cmocka_unit_test(long_words_are_cut_at_a_character),
        cmocka_unit_test(ascii_takes_the_short_way_to_the_same_words),
        cmocka_unit_test(boundaries_are_unicodes),
        cmocka_unit_test(equivalent_strings_fold_to_one_term),
        cmocka_unit_test(scalars_fold_as_utf8proc_folds_them),
        cmocka_unit_test(what_is_no_case_and_no_shape_is_an_accent),
        cmocka_unit_test(the_same_accents_are_the_same_however_written),
        cmocka_unit_test(accents_have_these_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
