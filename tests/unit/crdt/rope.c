/* The text buffer against plain bytes: large enough for three levels of nodes, and emptied again. */
#include "crdt/rope.h"

#include "check.h"

static void flat_edit(edn_buf *b, size_t pos, size_t del, edn_bytes ins)
{
    size_t from = edn_utf8_offset(edn_buf_view(b), pos);
    size_t to = from + edn_utf8_offset(edn_bytes_of(b->p + from, b->n - from), del), tail = b->n - to;

    edn_buf_reserve(b, ins.n + 1);
    memmove(b->p + from + ins.n, b->p + to, tail);
    if (ins.n)
        memcpy(b->p + from, ins.p, ins.n);
    b->n = from + ins.n + tail;
}

static void put(void *ctx, edn_bytes chunk) { edn_put_bytes(ctx, chunk.p, chunk.n); }

static void same(const edn_rope *r, const edn_buf *want, check_rng *rng)
{
    edn_buf got = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_rope_sum sum = edn_rope_measure(edn_buf_view(want));
    size_t from = check_below(rng, sum.scalars + 1), n = check_below(rng, sum.scalars - from + 1), a, b;

    CHECK(memcmp(&r->sum, &sum, sizeof sum) == 0);
    edn_rope_each(r, 0, r->sum.scalars, put, &got);
    CHECK_BYTES(edn_buf_view(&got), edn_buf_view(want));
    edn_buf_reset(&got);
    edn_rope_each(r, (uint32_t)from, (uint32_t)n, put, &got);
    a = edn_utf8_offset(edn_buf_view(want), from);
    b = edn_utf8_offset(edn_buf_view(want), from + n);
    CHECK_BYTES(edn_buf_view(&got), edn_bytes_of(want->p + a, b - a));
    sum = edn_rope_measure(edn_bytes_of(want->p, a));
    for (edn_rope_unit u = EDN_ROPE_BYTES; u <= EDN_ROPE_UTF16; u++) {
        uint64_t at = u == EDN_ROPE_BYTES ? sum.bytes : u == EDN_ROPE_SCALARS ? sum.scalars : sum.scalars + sum.astral;
        edn_rope_sum found = edn_rope_find(r, u, at);
        CHECK(memcmp(&found, &sum, sizeof sum) == 0);
    }
    if (sum.lines) {
        edn_rope_sum line = edn_rope_find(r, EDN_ROPE_LINES, sum.lines);
        CHECK_INT(line.lines, sum.lines);
        CHECK(line.bytes > 0 && line.bytes <= sum.bytes && want->p[line.bytes - 1] == '\n');
    }
    edn_buf_dispose(&got);
}

static void random_edits_agree_with_plain_bytes(void **state)
{
    static const char *const pieces[] = {
        "a", "b", "\n", "\xc3\xa9", "\xe4\xb8\xad", "\xf0\x9f\x98\x80", "some words here "};
    (void)state;
    for (uint64_t round = 0; round < 2; round++) {
        check_rng rng = {check_seed() * 77 + round};
        edn_rope r = {0};
        edn_buf want = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        for (size_t i = 0; i < 3000; i++) {
            bool shrink = i / 500 % 3 == 2;
            size_t len = r.sum.scalars, pos = check_below(&rng, len + 1), del = 0;
            edn_buf ins = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
            size_t del_max = shrink && check_below(&rng, 9) == 0 ? 9000 : 60;
            if (check_below(&rng, 4) == 0 || shrink)
                del = check_below(&rng, EDN_MIN(len - pos, del_max) + 1);
            if (!shrink || check_below(&rng, 6) == 0)
                for (size_t k = check_below(&rng, check_below(&rng, 60) ? 6 : 1500); k-- > 0;)
                    edn_put_str(&ins, pieces[check_below(&rng, EDN_COUNT(pieces))]);
            CHECK_OK(edn_rope_reserve(&r, 1, ins.n));
            edn_rope_delete(&r, (uint32_t)pos, (uint32_t)del);
            edn_rope_insert(&r, (uint32_t)pos, edn_buf_view(&ins));
            flat_edit(&want, pos, del, edn_buf_view(&ins));
            if (i % 197 == 0)
                same(&r, &want, &rng);
            edn_buf_dispose(&ins);
        }
        same(&r, &want, &rng);
        edn_rope_delete(&r, 0, r.sum.scalars);
        CHECK_INT(r.sum.bytes, 0);
        CHECK_INT(r.n_leaves, 1);
        CHECK_INT(r.height, 1);
        edn_buf_dispose(&want);
        edn_rope_dispose(&r);
    }
}

/* One reservation for many scattered edits, as a merge makes it: nothing more may be needed. */
static void one_reservation_serves_a_merge(void **state)
{
    (void)state;
    check_rng rng = {check_seed()};
    edn_rope r = {0};
    edn_buf want = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    for (size_t merge = 0; merge < 12; merge++) {
        size_t n = 1 + check_below(&rng, 200), size = 1 + check_below(&rng, merge % 5 == 0 ? 400 : 20);
        uint8_t *text = malloc(size);
        memset(text, 'a' + (int)(merge % 26), size);
        CHECK_OK(edn_rope_reserve(&r, n, n * size));
        for (size_t i = 0; i < n; i++) {
            size_t len = r.sum.scalars, pos = check_below(&rng, len + 1);
            size_t del = check_below(&rng, 3) ? 0 : check_below(&rng, EDN_MIN(len - pos, (size_t)3000) + 1);
            edn_rope_delete(&r, (uint32_t)pos, (uint32_t)del);
            edn_rope_insert(&r, (uint32_t)pos, edn_bytes_of(text, size));
            flat_edit(&want, pos, del, edn_bytes_of(text, size));
        }
        same(&r, &want, &rng);
        free(text);
    }
    edn_buf_dispose(&want);
    edn_rope_dispose(&r);
}

/* Stretches of typing and of taking back on both sides of a cursor, with a look at the text and other edits between:
 * the chunk that is typed in lies open meanwhile. */
static void typing_agrees_with_plain_bytes(void **state)
{
    check_rng rng = {check_seed() * 13};
    edn_rope r = {0};
    edn_buf want = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    size_t typed_n = 0;

    (void)state;
    for (size_t stretch = 0; stretch < 600; stretch++) {
        size_t pos = check_below(&rng, r.sum.scalars + 1), n = check_below(&rng, 90), mode = check_below(&rng, 8);
        for (size_t i = 0; i < n; i++) {
            const char *s = mode == 0 && stretch > 400 ? "\xc3\xa9" : mode == 1 ? "two" : i % 11 == 10 ? "\n" : "k";
            edn_bytes ins = edn_bytes_str(s);
            size_t del = mode == 2 ? check_below(&rng, 4) : mode > 5 || i % 9 == 8 ? 1 : 0;
            bool back = mode == 7 || i % 2;
            size_t at = del && back && pos >= del ? pos - del : pos;
            CHECK_OK(edn_rope_reserve(&r, 1, ins.n));
            if (del && at + del <= r.sum.scalars) {
                bool typed = del == 1 && edn_rope_untype(&r, at);
                typed_n += typed;
                if (!typed)
                    edn_rope_delete(&r, (uint32_t)at, (uint32_t)del);
                flat_edit(&want, at, del, EDN_BYTES_EMPTY);
                pos = at;
            } else if (!del) {
                bool typed = ins.n == 1 && edn_rope_type(&r, pos, ins.p[0]);
                typed_n += typed;
                if (!typed)
                    edn_rope_insert(&r, (uint32_t)pos, ins);
                flat_edit(&want, pos, 0, ins);
                pos += edn_utf8_count(ins);
            }
            if (i == n / 2 && mode % 3 == 0)
                same(&r, &want, &rng);
        }
        same(&r, &want, &rng);
    }
    CHECK(typed_n > 5000);
    edn_buf_dispose(&want);
    edn_rope_dispose(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_edits_agree_with_plain_bytes),
                                       cmocka_unit_test(one_reservation_serves_a_merge),
                                       cmocka_unit_test(typing_agrees_with_plain_bytes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
