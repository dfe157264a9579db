#include "vectors.h"

#include <utf8proc.h>

#include "keys/keys_priv.h"

static void prepares(const char *raw, const char *want)
{
    edn_buf out = EDN_BUF_INIT(4096);

    CHECK_OK(edn_passphrase_prepare(edn_bytes_str(raw), &out, NULL));
    CHECK_STR(edn_buf_view(&out), want);
    edn_buf_dispose(&out);
}

static void refuses(edn_bytes raw, edn_status want, const char *says)
{
    edn_buf out = EDN_BUF_INIT(4096);
    edn_err err = {EDN_OK, ""};

    edn_put_str(&out, "before");
    CHECK_STATUS(edn_passphrase_prepare(raw, &out, &err), want);
    CHECK_STR(edn_buf_view(&out), "before");
    CHECK_STATUS(err.status, want);
    if (!strstr(err.text, says))
        fail_msg("\"%s\" does not say \"%s\"", err.text, says);
    CHECK_STATUS(edn_passphrase_prepare(raw, &out, NULL), want);
    edn_buf_dispose(&out);
}

static void strips_every_white_space_at_both_ends_and_none_inside(void **state)
{
    (void)state;
    static const uint32_t white[] = {0x09,   0x0a,   0x0b,   0x0c,   0x0d,   0x20,   0x85,   0xa0,   0x1680,
                                     0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008,
                                     0x2009, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000};
    char raw[64];
    uint8_t one[5];

    prepares("correct horse", "correct horse");
    prepares("  correct horse\t\r\n", "correct horse");
    for (size_t i = 0; i < EDN_COUNT(white); i++) {
        one[edn_utf8_put(one, white[i])] = 0;
        snprintf(raw, sizeof raw, "%s%scorrect horse%s", (char *)one, (char *)one, (char *)one);
        prepares(raw, "correct horse");
    }
    /* Not white space: zero-width space, word joiner, Mongolian vowel separator. */
    prepares("\u200bcorrect horse\u2060\u180e", "\u200bcorrect horse\u2060\u180e");
    prepares("correct \t\u2028 horse", "correct \t\u2028 horse");
    prepares("correct\u00a0horse", "correct horse"); /* by NFKC, which makes it an ordinary one */
}

static void two_ways_of_writing_give_one_passphrase(void **state)
{
    (void)state;
    prepares("cafe\u0301 diary", "caf\u00e9 diary");
    prepares("caf\u00e9 diary", "caf\u00e9 diary");
    prepares("\ufb01ne \u2460 \uff21\uff22\uff23", "fine 1 ABC");
    prepares("\u1112\u1161\u11ab\u1100\u1173\u11af \u1112\u1161\u11ab\u1100\u1173\u11af 12",
             "\ud55c\uae00 \ud55c\uae00 12");
    prepares("a\u0323\u0307 a\u0307\u0323 12", "\u1ea1\u0307 \u1ea1\u0307 12");
}

static void refuses_what_is_not_text(void **state)
{
    (void)state;
    refuses(edn_bytes_str("correct \xff horse"), EDN_E_UTF8, "UTF-8");
    refuses(edn_bytes_str("correct \xed\xa0\x80 horse"), EDN_E_UTF8, "UTF-8");
    refuses(edn_bytes_of("correct horse\xc3", 14), EDN_E_UTF8, "UTF-8");
}

static void refuses_code_points_that_nobody_assigned(void **state)
{
    (void)state;
    refuses(edn_bytes_str("correct \u0378 horse"), EDN_E_INVALID, "Unicode 15");
    refuses(edn_bytes_str("correct \U000e0080 horse"), EDN_E_INVALID, "Unicode 15");
    refuses(edn_bytes_str("correct \U0010ffff horse"), EDN_E_INVALID, "Unicode 15");
    prepares("correct \ue000 horse", "correct \ue000 horse"); /* private use is assigned to its users */
}

static void refuses_fewer_than_eight_characters(void **state)
{
    (void)state;
    refuses(EDN_BYTES_EMPTY, EDN_E_INVALID, "8");
    refuses(edn_bytes_str("        \t        "), EDN_E_INVALID, "8");
    refuses(edn_bytes_str(" 1234567 "), EDN_E_INVALID, "8");
    prepares("12345678", "12345678");
    /* Counted after the normal form is made: seven composed of fourteen, eight of one ligature. */
    refuses(edn_bytes_str("e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301"), EDN_E_INVALID, "8");
    prepares("\ufb03\ufb03\ufb03", "ffiffiffi");
}

static void refuses_more_than_1024_bytes(void **state)
{
    (void)state;
    static char raw[60000];
    edn_buf out = EDN_BUF_INIT(4096);

    memset(raw, 'a', sizeof raw);
    CHECK_OK(edn_passphrase_prepare(edn_bytes_of(raw, 1024), &out, NULL));
    CHECK_INT(out.n, 1024);
    refuses(edn_bytes_of(raw, 1025), EDN_E_LIMIT, "1024");
    refuses(edn_bytes_of(raw, 4096), EDN_E_LIMIT, "1024");
    refuses(edn_bytes_of(raw, 4097), EDN_E_LIMIT, "1024");
    refuses(edn_bytes_of(raw, sizeof raw), EDN_E_LIMIT, "1024");
    /* White space around it is not counted. */
    memset(raw, ' ', 30000);
    CHECK_OK(edn_passphrase_prepare(edn_bytes_of(raw, 31000), &out, NULL));
    CHECK_INT(out.n, 1024 + 1000);
    edn_buf_dispose(&out);
}

static void the_longest_forms_come_out_whole_or_are_refused(void **state)
{
    (void)state;
    edn_buf raw = EDN_BUF_INIT(1 << 20), out = EDN_BUF_INIT(4096);

    /* The strongest shortening: four bytes to one. 1,024 letters fit, one more does not. */
    for (size_t i = 0; i < 1024; i++)
        edn_put_str(&raw, "\U0001d400");
    CHECK_OK(edn_passphrase_prepare(edn_buf_view(&raw), &out, NULL));
    CHECK_INT(out.n, 1024);
    edn_put_str(&raw, "\U0001d400");
    refuses(edn_buf_view(&raw), EDN_E_LIMIT, "1024");
    /* The strongest lengthening: one scalar to eighteen, three bytes to thirty-three. */
    edn_buf_reset(&raw);
    edn_buf_reset(&out);
    for (size_t i = 0; i < 31; i++)
        edn_put_str(&raw, "\ufdfa");
    CHECK_OK(edn_passphrase_prepare(edn_buf_view(&raw), &out, NULL));
    CHECK_INT(out.n, 31 * 33);
    edn_put_str(&raw, "\ufdfa");
    refuses(edn_buf_view(&raw), EDN_E_LIMIT, "1024");
    for (size_t i = 0; i < 1300; i++)
        edn_put_str(&raw, "\ufdfa");
    refuses(edn_buf_view(&raw), EDN_E_LIMIT, "1024");
    /* Three decomposed scalars to two bytes: the most that a result can hold. */
    edn_buf_reset(&raw);
    edn_buf_reset(&out);
    for (size_t i = 0; i < 512; i++)
        edn_put_str(&raw, "u\u0308\u0304");
    CHECK_OK(edn_passphrase_prepare(edn_buf_view(&raw), &out, NULL));
    CHECK_INT(out.n, 1024);
    edn_buf_dispose(&raw);
    edn_buf_dispose(&out);
}

/* The two bounds that passphrase.c builds on, over every scalar there is: NFKC shortens at most fourfold, and what it
 * gives decomposes into three scalars for two bytes at most. */
static void no_scalar_shortens_more_than_the_bounds_say(void **state)
{
    (void)state;
    for (uint32_t c = 1; c <= 0x10ffff; c++) {
        utf8proc_int32_t parts[32];
        uint8_t one[4];
        size_t size, out = 0;
        utf8proc_ssize_t n;

        if ((c >= 0xd800 && c <= 0xdfff) || utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_CN)
            continue;
        size = edn_utf8_put(one, c);
        n = utf8proc_decompose(one, (utf8proc_ssize_t)size, parts, 32,
                               UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
        CHECK(n > 0 && n <= 32);
        n = utf8proc_normalize_utf32(parts, n, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
        for (utf8proc_ssize_t i = 0; i < n; i++)
            out += edn_utf8_put(one, (uint32_t)parts[i]);
        if (size > 4 * out)
            fail_msg("U+%04X: %zu bytes to %zu", (unsigned)c, size, out);
        n = utf8proc_decompose(one, (utf8proc_ssize_t)edn_utf8_put(one, c), parts, 32,
                               UTF8PROC_STABLE | UTF8PROC_DECOMPOSE);
        if (2 * (size_t)n > 3 * size)
            fail_msg("U+%04X: %d scalars of %zu bytes", (unsigned)c, (int)n, size);
    }
}

/* One column of NormalizationTest.txt, "0041 030A", as UTF-8. */
static size_t column_read(const char *s, char out[128])
{
    size_t n = 0;

    for (char *end; *s && *s != ';'; s = end) {
        uint32_t c = (uint32_t)strtoul(s, &end, 16);
        n += edn_utf8_put((uint8_t *)out + n, c);
        while (*end == ' ')
            end++;
    }
    return n;
}

/* Columns: source; NFC; NFD; NFKC; NFKD. NFKC of each is the fourth. */
static void nfkc_is_unicodes(void **state)
{
    (void)state;
    size_t n, lines = 0;
    char *text = (char *)check_data("vectors/unicode/NormalizationTest.txt", &n), *save = NULL;

    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *columns[5], want[130] = "#";
        size_t want_n;

        if (*line == '#' || *line == '@')
            continue;
        columns[0] = line;
        for (size_t i = 1; i < 5; i++) {
            columns[i] = strchr(columns[i - 1], ';');
            assert_non_null(columns[i]);
            columns[i]++;
        }
        /* Between two signs that nothing combines with: so white space at the ends of a case stays. */
        want_n = 1 + column_read(columns[3], want + 1);
        want[want_n++] = '#';
        for (size_t i = 0; i < 5; i++) {
            char raw[130] = "#";
            size_t raw_n = 1 + column_read(columns[i], raw + 1);
            edn_buf out = EDN_BUF_INIT(4096);

            raw[raw_n++] = '#';
            CHECK_OK(edn_passphrase_normalize(edn_bytes_of(raw, raw_n), &out, NULL));
            if (!edn_bytes_equal(edn_buf_view(&out), edn_bytes_of(want, want_n)))
                fail_msg("column %zu of %s", i + 1, line);
            edn_buf_dispose(&out);
        }
        lines++;
    }
    CHECK(lines > 5000);
    free(text);
}

/* ---- the account key --------------------------------------------------------------------------------------------- */

static edn_account_key key_of(uint64_t seed)
{
    check_rng rng = {seed};
    edn_account_key k;

    for (size_t i = 0; i < sizeof k.b; i++)
        k.b[i] = (uint8_t)check_next(&rng);
    return k;
}

static void account_key_text_round_trips(void **state)
{
    (void)state;
    char text[EDN_ACCOUNT_KEY_TEXT_SIZE];
    edn_account_key back;

    for (uint64_t i = 1; i <= 500; i++) {
        edn_account_key k = key_of(i * 0x9e3779b97f4a7c15u);

        edn_account_key_text(text, &k);
        CHECK_INT(strlen(text), 35);
        CHECK(text[5] == '-' && text[29] == '-');
        CHECK_OK(edn_account_key_parse(edn_bytes_str(text), &back));
        CHECK_BYTES(EDN_F(back), EDN_F(k));
    }
}

static void account_key_is_read_as_people_write_it(void **state)
{
    (void)state;
    char text[EDN_ACCOUNT_KEY_TEXT_SIZE], odd[128];
    size_t n = 0, swapped = 0;
    edn_account_key k = key_of(5), back;

    edn_account_key_text(text, &k);
    odd[n++] = ' ';
    for (size_t i = 0; text[i]; i++) {
        char c = text[i];
        if (c == '-')
            continue;
        if (c == '0' || c == '1')
            swapped++;
        odd[n++] = c == '0' ? (i % 2 ? 'O' : 'o') : c == '1' ? (i % 2 ? 'l' : 'I') : i % 2 ? c : (char)(c | 0x20);
        if (i % 3 == 0)
            odd[n++] = '-';
        if (i % 4 == 0)
            odd[n++] = ' ';
    }
    CHECK(swapped > 0);
    CHECK_OK(edn_account_key_parse(edn_bytes_of(odd, n), &back));
    CHECK_BYTES(EDN_F(back), EDN_F(k));
}

static void account_key_refuses_typing_errors(void **state)
{
    (void)state;
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    char text[EDN_ACCOUNT_KEY_TEXT_SIZE];
    edn_account_key k = key_of(9), back, zero = {{0}};

    edn_account_key_text(text, &k);
    for (size_t i = 0; text[i]; i++) {
        char was = text[i];
        if (was == '-')
            continue;
        for (size_t d = 0; d < 32; d++) {
            if (digits[d] == was)
                continue;
            text[i] = digits[d];
            CHECK_STATUS(edn_account_key_parse(edn_bytes_str(text), &back), EDN_E_INVALID);
            CHECK_BYTES(EDN_F(back), EDN_F(zero));
        }
        text[i] = 'U';
        CHECK_STATUS(edn_account_key_parse(edn_bytes_str(text), &back), EDN_E_INVALID);
        text[i] = was;
        if (text[i + 1] && text[i + 1] != '-' && text[i + 1] != was) { /* two that changed places */
            text[i] = text[i + 1];
            text[i + 1] = was;
            CHECK_STATUS(edn_account_key_parse(edn_bytes_str(text), &back), EDN_E_INVALID);
            text[i + 1] = text[i];
            text[i] = was;
        }
    }
    CHECK_STATUS(edn_account_key_parse(edn_bytes_of(text, 34), &back), EDN_E_INVALID);
    CHECK_STATUS(edn_account_key_parse(EDN_BYTES_EMPTY, &back), EDN_E_INVALID);
    strcat(text, "0");
    CHECK_STATUS(edn_account_key_parse(edn_bytes_str(text), &back), EDN_E_INVALID);
    text[35] = 0;
    text[3] = '\0';
    CHECK_STATUS(edn_account_key_parse(edn_bytes_of(text, 35), &back), EDN_E_INVALID);
}

static void account_key_refuses_more_and_fewer_digits(void **state)
{
    (void)state;
    char text[EDN_ACCOUNT_KEY_TEXT_SIZE], many[2000];
    edn_account_key k, back;
    uint64_t seed = 1;

    /* A key whose last digit is a zero says the same without it, but for the count. */
    do {
        k = key_of(seed++);
        edn_account_key_text(text, &k);
    } while (text[34] != '0');
    CHECK_STATUS(edn_account_key_parse(edn_bytes_of(text, 34), &back), EDN_E_INVALID);
    CHECK_OK(edn_account_key_parse(edn_bytes_of(text, 35), &back));
    memset(many, '0', sizeof many);
    CHECK_STATUS(edn_account_key_parse(edn_bytes_of(many, sizeof many), &back), EDN_E_INVALID);
}

static int setup(void **state)
{
    (void)state;
    return edn_crypto_init() == EDN_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strips_every_white_space_at_both_ends_and_none_inside),
        cmocka_unit_test(two_ways_of_writing_give_one_passphrase),
        cmocka_unit_test(refuses_what_is_not_text),
        cmocka_unit_test(refuses_code_points_that_nobody_assigned),
        cmocka_unit_test(refuses_fewer_than_eight_characters),
        cmocka_unit_test(refuses_more_than_1024_bytes),
        cmocka_unit_test(the_longest_forms_come_out_whole_or_are_refused),
        cmocka_unit_test(no_scalar_shortens_more_than_the_bounds_say),
        cmocka_unit_test(nfkc_is_unicodes),
        cmocka_unit_test(account_key_text_round_trips),
        cmocka_unit_test(account_key_is_read_as_people_write_it),
        cmocka_unit_test(account_key_refuses_typing_errors),
        cmocka_unit_test(account_key_refuses_more_and_fewer_digits),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
