/* Word shares: the published cases, and what a person gets wrong. */
#include "vectors.h"

#include "keys/keys_priv.h"

enum { SHARES_MAX = 64 };

static void fill_xorshift(void *ctx, void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)(check_next(ctx) >> 32);
}

static void text_of(const edn_word_share *share, char out[512])
{
    edn_word words[EDN_WORDS_MAX];
    size_t n;

    edn_words_of(share, words, &n);
    out[0] = 0;
    for (size_t i = 0; i < n; i++) {
        strcat(out, i ? " " : "");
        strcat(out, words[i].text);
    }
}

/* The first failure of reading or combining. */
static edn_status recover(const json_t *mnemonics, uint8_t secret[32], size_t *size, edn_err *err)
{
    edn_word_share shares[SHARES_MAX];
    edn_status st;
    size_t n = json_array_size(mnemonics);

    assert_in_range(n, 1, SHARES_MAX);
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_array_get(mnemonics, i));
        char again[512];

        if ((st = edn_words_parse(edn_bytes_str(text), &shares[i], err)) != EDN_OK)
            return st;
        text_of(&shares[i], again);
        CHECK_STR(edn_bytes_str(again), text);
    }
    *size = shares[0].size;
    return edn_words_combine(secret, shares, n, edn_bytes_str("TREZOR"), err);
}

/* How a case must fail, by what its description says. */
static edn_status failure_of(const char *what)
{
    static const struct {
        const char *says;
        edn_status st;
    } failures[] = {
        {"invalid checksum", EDN_E_INVALID}, {"invalid padding", EDN_E_INVALID},
        {"master secret", EDN_E_INVALID},    {"greater group threshold", EDN_E_INVALID},
        {"different", EDN_E_INVALID},        {"mismatching", EDN_E_INVALID},
        {"duplicate", EDN_E_EXISTS},         {"invalid digest", EDN_E_AUTH},
        {"Insufficient", EDN_E_MISSING},     {"insufficient", EDN_E_MISSING},
        {"Basic sharing", EDN_E_MISSING},
    };

    for (size_t i = 0; i < EDN_COUNT(failures); i++)
        if (strstr(what, failures[i].says))
            return failures[i].st;
    fail_msg("no failure known for: %s", what);
    return EDN_OK;
}

static void slip39_vectors(void **state)
{
    (void)state;
    vectors v = vectors_open("slip39/vectors.json");
    size_t i, good = 0, bad = 0;
    json_t *c;

    json_array_foreach(v.root, i, c)
    {
        const char *what = json_string_value(json_array_get(c, 0));
        edn_bytes want = vector_hex_of(&v, json_string_value(json_array_get(c, 2)));
        uint8_t secret[32];
        size_t size = 0;
        edn_err err = {EDN_OK, ""};
        edn_status st = recover(json_array_get(c, 1), secret, &size, &err);

        print_message("%s: %s\n", what, st == EDN_OK ? "OK" : err.text);
        if (want.n) {
            CHECK_OK(st);
            CHECK_BYTES(edn_bytes_of(secret, size), want);
            good++;
        } else {
            CHECK_STATUS(st, failure_of(what));
            CHECK(err.text[0]);
            bad++;
        }
    }
    CHECK(good > 0 && bad > 0);
    vectors_close(&v);
}

static void the_list_is_the_published_one(void **state)
{
    size_t n;
    uint8_t *text = check_data("vectors/slip39/wordlist.txt", &n);
    char *word = strtok((char *)text, "\n");

    (void)state;
    for (size_t i = 0; i < EDN_WORD_COUNT; i++) {
        char mine[9] = "";

        memcpy(mine, edn_slip39_words[i], 8);
        assert_non_null(word);
        CHECK_STR(edn_bytes_str(mine), word);
        word = strtok(NULL, "\n");
    }
    assert_null(word);
    free(text);
}

static void what_is_split_is_combined_again(void **state)
{
    check_rng seed = {check_seed()};
    const edn_random rng = {fill_xorshift, &seed};
    edn_words_plan plan = {.group_needed = 2, .group_n = 3, .groups = {{1, 1}, {2, 3}, {3, 5}}};
    edn_word_share made[9], some[9];
    uint8_t secret[32], back[32];
    edn_err err;

    (void)state;
    for (size_t size = 16; size <= 32; size += 16) {
        fill_xorshift(&seed, secret, size);
        CHECK_OK(edn_words_split(made, &plan, edn_bytes_of(secret, size), edn_bytes_str("a pass"), &rng));
        memcpy(some, made + 1, 3 * sizeof *some);     /* group 2, one more than needed */
        memcpy(some + 3, made + 6, 3 * sizeof *some); /* group 3 */
        CHECK_OK(edn_words_combine(back, some, 6, edn_bytes_str("a pass"), &err));
        CHECK_BYTES(edn_bytes_of(back, size), edn_bytes_of(secret, size));
        CHECK_OK(edn_words_combine(back, some, 6, edn_bytes_str("b pass"), &err));
        CHECK(memcmp(back, secret, size) != 0);
        CHECK_STATUS(edn_words_combine(back, some, 5, EDN_BYTES_EMPTY, &err), EDN_E_MISSING);
        some[4].value[7] ^= 1;
        CHECK_STATUS(edn_words_combine(back, some, 6, EDN_BYTES_EMPTY, &err), EDN_E_AUTH);
    }
    memcpy(some, made + 1, 2 * sizeof *some);
    some[1].member_needed++;
    CHECK_STATUS(edn_words_combine(back, some, 2, EDN_BYTES_EMPTY, &err), EDN_E_INVALID);
    CHECK_STR(edn_bytes_str(err.text), "shares 1 and 2 do not agree on how many are needed");
    some[1] = some[0];
    CHECK_STATUS(edn_words_combine(back, some, 2, EDN_BYTES_EMPTY, &err), EDN_E_EXISTS);
    CHECK_STR(edn_bytes_str(err.text), "shares 1 and 2 are the same one");
    some[1].id ^= 1;
    CHECK_STATUS(edn_words_combine(back, some, 2, EDN_BYTES_EMPTY, &err), EDN_E_INVALID);
    CHECK_STR(edn_bytes_str(err.text), "share 2 is of another set than the first");
    plan.group_needed = 1; /* any group is enough, the first too */
    CHECK_OK(edn_words_split(made, &plan, edn_bytes_of(secret, 32), EDN_BYTES_EMPTY, &rng));
    for (size_t i = 0; i < 3; i++) {
        static const size_t first[] = {0, 1, 4};
        CHECK_OK(edn_words_combine(back, made + first[i], i + 1, EDN_BYTES_EMPTY, &err));
        CHECK_BYTES(edn_bytes_of(back, 32), edn_bytes_of(secret, 32));
    }
    CHECK_STATUS(edn_words_split(made, &plan, edn_bytes_of(secret, 24), EDN_BYTES_EMPTY, &rng), EDN_E_INVALID);
    CHECK_STATUS(edn_words_split(made, &plan, edn_bytes_of(secret, 32), edn_bytes_str("\n"), &rng), EDN_E_INVALID);
    CHECK_STATUS(edn_words_split(made, &plan, edn_bytes_of(secret, 32), edn_bytes_str("\x7f"), &rng), EDN_E_INVALID);
    plan.groups[0].n = 2; /* one of two: both would be the same share */
    CHECK_STATUS(edn_words_split(made, &plan, edn_bytes_of(secret, 32), EDN_BYTES_EMPTY, &rng), EDN_E_INVALID);
    some[0].exponent = EDN_WORDS_EXPONENT_MAX + 1;
    CHECK_STATUS(edn_words_combine(back, some, 1, EDN_BYTES_EMPTY, &err), EDN_E_KDF);
}

static void a_word_with_one_other_letter_is_not_in_the_list(void **state)
{
    char word[] = "academic";
    edn_word_share got;
    edn_err err;

    (void)state;
    CHECK_STATUS(edn_words_parse(edn_bytes_str(word), &got, &err), EDN_E_INVALID);
    CHECK_STR(edn_bytes_str(err.text), "a share has 20 or 33 words, and this has 1");
    for (size_t i = 0; word[i]; i++)
        for (unsigned bit = 0; bit < 5; bit++) {
            word[i] ^= (char)(1u << bit);
            CHECK_STATUS(edn_words_parse(edn_bytes_str(word), &got, &err), EDN_E_INVALID);
            CHECK_STR(edn_bytes_str(err.text), "word 1 is not in the list of words");
            word[i] ^= (char)(1u << bit);
        }
}

static void a_plan_that_no_shares_fit_is_refused(void **state)
{
    static const edn_words_plan bad[] = {
        {.group_needed = 0, .group_n = 1, .groups = {{1, 1}}},
        {.group_needed = 2, .group_n = 1, .groups = {{1, 1}}},
        {.group_needed = 1, .group_n = EDN_SHARES_MAX + 1, .groups = {{1, 1}}},
        {.group_needed = 1, .group_n = 1, .exponent = EDN_WORDS_EXPONENT_MAX + 1, .groups = {{1, 1}}},
        {.group_needed = 1, .group_n = 1, .groups = {{0, 1}}},
        {.group_needed = 1, .group_n = 1, .groups = {{2, 1}}},
        {.group_needed = 1, .group_n = 1, .groups = {{2, EDN_SHARES_MAX + 1}}},
        {.group_needed = 1, .group_n = 1, .groups = {{1, 2}}},
    };
    check_rng seed = {check_seed()};
    const edn_random rng = {fill_xorshift, &seed};
    edn_words_plan most = {.group_needed = 1, .group_n = 1, .groups = {{EDN_SHARES_MAX, EDN_SHARES_MAX}}};
    edn_word_share made[EDN_SHARES_MAX + 1];
    char longest[EDN_WORDS_PASSPHRASE_MAX + 1];
    edn_bytes secret = edn_bytes_str("sixteen bytes ok");

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(bad); i++)
        CHECK_STATUS(edn_words_split(made, &bad[i], secret, EDN_BYTES_EMPTY, &rng), EDN_E_INVALID);
    CHECK_OK(edn_words_split(made, &most, secret, EDN_BYTES_EMPTY, &rng));
    memset(longest, 'p', sizeof longest);
    CHECK_OK(edn_words_split(made, &most, secret, edn_bytes_of(longest, EDN_WORDS_PASSPHRASE_MAX), &rng));
    CHECK_STATUS(edn_words_split(made, &most, secret, edn_bytes_of(longest, sizeof longest), &rng), EDN_E_INVALID);
}

static void the_wrong_word_is_named_and_not_said(void **state)
{
    check_rng seed = {check_seed()};
    const edn_random rng = {fill_xorshift, &seed};
    edn_words_plan plan = {.group_needed = 1, .group_n = 1, .groups = {{1, 1}}};
    edn_word_share made, got;
    edn_word words[EDN_WORDS_MAX];
    edn_err err;
    char text[512], want[64];
    size_t n;

    (void)state;
    for (size_t wrong = 0; wrong < 20; wrong++) {
        CHECK_OK(edn_words_split(&made, &plan, edn_bytes_str("sixteen bytes ok"), EDN_BYTES_EMPTY, &rng));
        edn_words_of(&made, words, &n);
        CHECK_INT(n, 20);
        text[0] = 0;
        for (size_t i = 0; i < n; i++) {
            const char *list = edn_slip39_words[check_below(&seed, 1024)];
            char other[9] = "";

            memcpy(other, list, 8);
            strcat(text, i == wrong && strcmp(other, words[i].text) ? other : words[i].text);
            strcat(text, i % 2 ? "\n" : " \t");
        }
        if (edn_words_parse(edn_bytes_str(text), &got, &err) == EDN_OK)
            continue; /* the same word was drawn */
        snprintf(want, sizeof want, "word %zu seems", wrong + 1);
        if (wrong != 1) /* it says, too, which of two checksums is meant */
            CHECK(strstr(err.text, want) == err.text);
    }
    text_of(&made, text);
    for (char *c = text; *c; c++)
        *c = (char)(*c >= 'a' ? *c - 32 : *c);
    CHECK_OK(edn_words_parse(edn_bytes_str(text), &got, &err));
    CHECK_BYTES(edn_bytes_of(&got, sizeof got), edn_bytes_of(&made, sizeof made));
    strcat(text, "x"); /* the last word is another now, or none */
    CHECK_STATUS(edn_words_parse(edn_bytes_str(text), &got, &err), EDN_E_INVALID);
    CHECK_STR(edn_bytes_str(err.text), "word 20 is not in the list of words");
    CHECK_STATUS(edn_words_parse(edn_bytes_str("academic academia academicx"), &got, &err), EDN_E_INVALID);
    CHECK_STR(edn_bytes_str(err.text), "word 2 is not in the list of words");
    CHECK_STATUS(edn_words_parse(edn_bytes_str(" academic  academicacademic"), &got, &err), EDN_E_INVALID);
    CHECK_STR(edn_bytes_str(err.text), "word 2 is not in the list of words");
    CHECK_STATUS(edn_words_parse(edn_bytes_str("academic acid"), &got, &err), EDN_E_INVALID);
    CHECK_STR(edn_bytes_str(err.text), "a share has 20 or 33 words, and this has 2");
    CHECK_STATUS(edn_words_parse(EDN_BYTES_EMPTY, &got, &err), EDN_E_INVALID);
    text[0] = 0;
    for (size_t i = 0; i < 40; i++)
        strcat(text, "acid ");
    CHECK_STATUS(edn_words_parse(edn_bytes_str(text), &got, &err), EDN_E_INVALID);
}

/* RFC 7914, section 11. */
static void pbkdf2_gives_the_known_answers(void **state)
{
    uint8_t out[64], want[64];

    (void)state;
    edn_pbkdf2_sha256(out, 64, edn_bytes_str("passwd"), edn_bytes_str("salt"), 1);
    CHECK(edn_hex_decode(want, 64,
                         edn_bytes_str("55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
                                       "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783")));
    CHECK_BYTES(edn_bytes_of(out, 64), edn_bytes_of(want, 64));
    edn_pbkdf2_sha256(out, 40, edn_bytes_str("Password"), edn_bytes_str("NaCl"), 80000);
    CHECK(edn_hex_decode(want, 40,
                         edn_bytes_str("4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
                                       "a1d425a122583354")));
    CHECK_BYTES(edn_bytes_of(out, 40), edn_bytes_of(want, 40));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slip39_vectors),
        cmocka_unit_test(the_list_is_the_published_one),
        cmocka_unit_test(what_is_split_is_combined_again),
        cmocka_unit_test(a_word_with_one_other_letter_is_not_in_the_list),
        cmocka_unit_test(a_plan_that_no_shares_fit_is_refused),
        cmocka_unit_test(the_wrong_word_is_named_and_not_said),
        cmocka_unit_test(pbkdf2_gives_the_known_answers),
    };

    if (edn_crypto_init() != EDN_OK)
        return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
