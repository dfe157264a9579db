#include "check.h"

#include "client/diary/diff.h"

/* Applies edits one after another to a text, as a document would. */
typedef struct applied {
    edn_buf text;
    size_t edits, deleted, inserted, last_pos;
    bool ascending;
} applied;

static edn_status apply(void *ctx, const edn_diff_edit *e)
{
    applied *a = ctx;
    edn_bytes now = edn_buf_view(&a->text);
    size_t from = edn_utf8_offset(now, e->pos), to = edn_utf8_offset(now, e->pos + e->deleted);
    edn_buf next = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    assert_true(e->deleted > 0 || e->inserted.n > 0);
    CHECK_INT(edn_utf8_check(e->inserted, NULL), e->inserted.n); /* no edit cuts a character */
    a->ascending = a->ascending && (a->edits == 0 || e->pos >= a->last_pos);
    edn_put_bytes(&next, now.p, from);
    edn_put_bytes(&next, e->inserted.p, e->inserted.n);
    edn_put_bytes(&next, now.p + to, now.n - to);
    edn_buf_dispose(&a->text);
    a->text = next;
    a->edits++;
    a->deleted += e->deleted;
    a->inserted += e->inserted.n;
    a->last_pos = e->pos;
    return EDN_OK;
}

static applied diff_of(edn_bytes from, edn_bytes to)
{
    applied a = {.text = EDN_BUF_INIT(EDN_BUF_UNLIMITED), .ascending = true};
    edn_put_bytes(&a.text, from.p, from.n);
    CHECK_OK(edn_diff(from, to, apply, &a));
    CHECK_BYTES(edn_buf_view(&a.text), to);
    CHECK(a.ascending);
    return a;
}

static void random_text(check_rng *r, edn_buf *out, size_t words)
{
    static const char *const pick[] = {"the ",         "sea ",
                                       "and ",         "dear ",
                                       "caf\xc3\xa9 ", "\xe4\xb8\xad\xe6\x96\x87",
                                       "\n",           "\xc2\xa9",
                                       "rain, ",       "\xf0\x9f\x8c\x8a "};
    for (size_t i = 0; i < words; i++)
        edn_put_str(out, pick[check_below(r, EDN_COUNT(pick))]);
}

static void mutate(check_rng *r, edn_bytes in, edn_buf *out, size_t changes)
{
    edn_put_bytes(out, in.p, in.n);
    for (size_t i = 0; i < changes; i++) {
        edn_bytes now = edn_buf_view(out);
        size_t n = edn_utf8_count(now), at = check_below(r, n + 1), gone = EDN_MIN(check_below(r, 12), n - at);
        edn_buf piece = EDN_BUF_INIT(4096), next = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        random_text(r, &piece, check_below(r, 4));
        edn_put_bytes(&next, now.p, edn_utf8_offset(now, at));
        edn_put_bytes(&next, piece.p, piece.n);
        size_t to = edn_utf8_offset(now, at + gone);
        edn_put_bytes(&next, now.p + to, now.n - to);
        edn_buf_dispose(&piece);
        edn_buf_dispose(out);
        *out = next;
    }
}

static void applying_the_edits_gives_the_new_text(void **state)
{
    (void)state;
    check_rng r = {check_seed()};
    for (int round = 0; round < 400; round++) {
        edn_buf from = EDN_BUF_INIT(EDN_BUF_UNLIMITED), to = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        random_text(&r, &from, check_below(&r, 120));
        if (round % 3)
            mutate(&r, edn_buf_view(&from), &to, check_below(&r, 8));
        else
            random_text(&r, &to, check_below(&r, 120));
        applied a = diff_of(edn_buf_view(&from), edn_buf_view(&to));
        edn_buf_dispose(&a.text);
        edn_buf_dispose(&from);
        edn_buf_dispose(&to);
    }
}

/* Long texts take another way: lines first, or pieces where there are no lines. */
static void long_texts_come_out_right_too(void **state)
{
    (void)state;
    check_rng r = {check_seed()};
    for (int round = 0; round < 40; round++) {
        edn_buf from = EDN_BUF_INIT(EDN_BUF_UNLIMITED), to = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        applied a;
        random_text(&r, &from, 9000 + check_below(&r, 9000));
        for (size_t i = 0; round % 2 && i < from.n; i++)
            from.p[i] = from.p[i] == '\n' ? ' ' : from.p[i];
        if (round % 4)
            mutate(&r, edn_buf_view(&from), &to, check_below(&r, 60));
        else
            random_text(&r, &to, 9000 + check_below(&r, 9000));
        a = diff_of(edn_buf_view(&from), edn_buf_view(&to));
        if (round % 4)
            CHECK(a.deleted < 3000 && a.inserted < 6000);
        edn_buf_dispose(&a.text);
        edn_buf_dispose(&from);
        edn_buf_dispose(&to);
    }
}

/* What lies between two small changes is left alone, however much it is, with lines or without. */
static void changes_far_apart_are_as_small_as_near_ones(void **state)
{
    (void)state;
    for (int lines = 0; lines < 2; lines++) {
        edn_buf from = EDN_BUF_INIT(EDN_BUF_UNLIMITED), to = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        edn_put_str(&from, "first day");
        edn_put_str(&to, "The first day");
        for (unsigned i = 0; i < 1500000; i++) { /* more than is compared word by word */
            char word[32];
            snprintf(word, sizeof word, " w%x%s", i * 2654435761u % 500000u, lines && i % 11 == 0 ? ".\n" : "");
            edn_put_str(&from, word);
            edn_put_str(&to, i == 700000 ? " middle" : word);
        }
        edn_put_str(&from, " last day");
        edn_put_str(&to, " lost day");
        applied a = diff_of(edn_buf_view(&from), edn_buf_view(&to));
        CHECK(a.edits >= 3 && a.edits <= 5);
        CHECK(a.deleted <= 12 && a.inserted <= 16);
        edn_buf_dispose(&a.text);
        edn_buf_dispose(&from);
        edn_buf_dispose(&to);
    }
}

/* Nothing in such a text is an anchor: every word stands in it thousands of times. */
static void many_changes_in_a_text_of_one_word_stay_small(void **state)
{
    (void)state;
    check_rng r = {check_seed()};
    edn_buf from = EDN_BUF_INIT(EDN_BUF_UNLIMITED), to = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    for (unsigned i = 0; i < 40000; i++)
        edn_put_str(&from, "ab ");
    edn_put_bytes(&to, from.p, from.n);
    for (unsigned i = 0; i < 1000; i++)
        to.p[check_below(&r, to.n)] = 'z';
    applied a = diff_of(edn_buf_view(&from), edn_buf_view(&to));
    CHECK(a.deleted < from.n / 4);
    edn_buf_dispose(&a.text);
    edn_buf_dispose(&from);
    edn_buf_dispose(&to);
}

/* One line, in which characters share their first byte, and most of it is the same. */
static void no_piece_of_a_long_line_cuts_a_character(void **state)
{
    (void)state;
    check_rng r = {check_seed()};
    for (int round = 0; round < 40; round++) {
        edn_buf from = EDN_BUF_INIT(EDN_BUF_UNLIMITED), to = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        for (unsigned i = 0; i < 20000; i++) {
            char c[3] = {(char)0xc3, (char)(0xa0 + check_below(&r, 16)), 0};
            edn_put_str(&from, c);
            if (check_below(&r, 500) == 0)
                c[1] = (char)(0xa0 + check_below(&r, 16));
            edn_put_str(&to, c);
        }
        applied a = diff_of(edn_buf_view(&from), edn_buf_view(&to));
        CHECK(a.edits > 5);
        edn_buf_dispose(&a.text);
        edn_buf_dispose(&from);
        edn_buf_dispose(&to);
    }
}

static edn_status refuse_the_second(void *ctx, const edn_diff_edit *e)
{
    (void)e;
    return ++*(int *)ctx == 2 ? EDN_E_CANCELLED : EDN_OK;
}

static void a_callback_may_stop(void **state)
{
    (void)state;
    int calls = 0;
    CHECK_STATUS(
        edn_diff(edn_bytes_str("one two three four five"), edn_bytes_str("1 two 3 four 5"), refuse_the_second, &calls),
        EDN_E_CANCELLED);
    CHECK_INT(calls, 2);
}

static void a_mended_letter_is_an_edit_of_a_letter(void **state)
{
    (void)state;
    applied a = diff_of(edn_bytes_str("We walked to teh sea and back, and slept."),
                        edn_bytes_str("We walked to the sea and back, and slept."));
    CHECK(a.deleted <= 2 && a.inserted <= 2);
    edn_buf_dispose(&a.text);
    a = diff_of(edn_bytes_str("one two three four"), edn_bytes_str("one 2 three 4"));
    CHECK_INT(a.edits, 2);
    edn_buf_dispose(&a.text);
    a = diff_of(edn_bytes_str("caf\xc3\xa9"), edn_bytes_str("caf\xc3\xa8")); /* both begin with the same byte */
    CHECK_INT(a.deleted, 1);
    CHECK_INT(a.inserted, 2);
    edn_buf_dispose(&a.text);
    a = diff_of(edn_bytes_str("\xc3\xa9"), edn_bytes_str("\xc2\xa9")); /* both end with it */
    CHECK_INT(a.deleted, 1);
    CHECK_INT(a.inserted, 2);
    edn_buf_dispose(&a.text);
}

static void nothing_changed_gives_no_edits(void **state)
{
    (void)state;
    applied a = diff_of(edn_bytes_str("same"), edn_bytes_str("same"));
    CHECK_INT(a.edits, 0);
    edn_buf_dispose(&a.text);
    a = diff_of(EDN_BYTES_EMPTY, EDN_BYTES_EMPTY);
    CHECK_INT(a.edits, 0);
    edn_buf_dispose(&a.text);
    a = diff_of(EDN_BYTES_EMPTY, edn_bytes_str("all new"));
    CHECK_INT(a.edits, 1);
    edn_buf_dispose(&a.text);
}

/* Far more changes than the greedy walk follows: anchors keep most of the text in place. */
static void a_long_text_with_many_changes_keeps_what_is_common(void **state)
{
    (void)state;
    check_rng r = {check_seed()};
    edn_buf from = EDN_BUF_INIT(EDN_BUF_UNLIMITED), to = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    for (unsigned i = 0; i < 20000; i++) {
        char line[64];
        snprintf(line, sizeof line, "line number%u stands here\n", i);
        edn_put_str(&from, line);
        if (check_below(&r, 5) == 0)
            edn_put_str(&to, "something else ");
        edn_put_str(&to, line);
    }
    applied a = diff_of(edn_buf_view(&from), edn_buf_view(&to));
    CHECK(a.deleted < from.n / 50);
    edn_buf_dispose(&a.text);
    edn_buf_dispose(&from);
    edn_buf_dispose(&to);
}

static void unrelated_texts_are_one_replacement_or_few(void **state)
{
    (void)state;
    edn_buf from = EDN_BUF_INIT(EDN_BUF_UNLIMITED), to = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    for (unsigned i = 0; i < 60000; i++) {
        char word[32];
        snprintf(word, sizeof word, "a%ux ", i * 7919u % 60000u);
        edn_put_str(&from, word);
        snprintf(word, sizeof word, "b%uy ", i * 104729u % 60000u);
        edn_put_str(&to, word);
    }
    applied a = diff_of(edn_buf_view(&from), edn_buf_view(&to));
    CHECK(a.edits <= 3);
    edn_buf_dispose(&a.text);
    edn_buf_dispose(&from);
    edn_buf_dispose(&to);
}

static void merged_text(const char *base, const char *ours, const char *theirs, const char *want)
{
    edn_buf out = EDN_BUF_INIT(65536);
    CHECK_OK(edn_diff_merge(edn_bytes_str(base), edn_bytes_str(ours), edn_bytes_str(theirs), &out));
    CHECK_STR(edn_buf_view(&out), want);
    edn_buf_dispose(&out);
}

static void merge_keeps_what_both_did(void **state)
{
    (void)state;
    merged_text("one two three", "ONE two three", "one two THREE", "ONE two THREE");
    merged_text("a b c", "a c", "a b c d", "a c d");
    merged_text("x", "x", "y", "y");
    merged_text("x", "y", "x", "y");
    merged_text("same", "both", "both", "both");
    merged_text("", "left", "right", "leftright");
    merged_text("keep me", "", "keep me too", " too");
}

/* With one side unchanged the merge is the other side, whatever it is. */
static void merge_with_an_unchanged_side_is_the_other(void **state)
{
    (void)state;
    check_rng r = {check_seed()};
    for (int round = 0; round < 200; round++) {
        edn_buf base = EDN_BUF_INIT(EDN_BUF_UNLIMITED), side = EDN_BUF_INIT(EDN_BUF_UNLIMITED),
                out = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        random_text(&r, &base, check_below(&r, 80));
        mutate(&r, edn_buf_view(&base), &side, check_below(&r, 6));
        CHECK_OK(edn_diff_merge(edn_buf_view(&base), edn_buf_view(&base), edn_buf_view(&side), &out));
        CHECK_BYTES(edn_buf_view(&out), edn_buf_view(&side));
        edn_buf_reset(&out);
        CHECK_OK(edn_diff_merge(edn_buf_view(&base), edn_buf_view(&side), edn_buf_view(&base), &out));
        CHECK_BYTES(edn_buf_view(&out), edn_buf_view(&side));
        edn_buf_dispose(&base);
        edn_buf_dispose(&side);
        edn_buf_dispose(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(applying_the_edits_gives_the_new_text),
        cmocka_unit_test(long_texts_come_out_right_too),
        cmocka_unit_test(changes_far_apart_are_as_small_as_near_ones),
        cmocka_unit_test(many_changes_in_a_text_of_one_word_stay_small),
        cmocka_unit_test(no_piece_of_a_long_line_cuts_a_character),
        cmocka_unit_test(a_callback_may_stop),
        cmocka_unit_test(a_mended_letter_is_an_edit_of_a_letter),
        cmocka_unit_test(nothing_changed_gives_no_edits),
        cmocka_unit_test(a_long_text_with_many_changes_keeps_what_is_common),
        cmocka_unit_test(unrelated_texts_are_one_replacement_or_few),
        cmocka_unit_test(merge_keeps_what_both_did),
        cmocka_unit_test(merge_with_an_unchanged_side_is_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
