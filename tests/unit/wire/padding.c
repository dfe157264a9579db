#include "vectors.h"

#include "wire/wire.h"

static void agrees_with_the_vectors(void **state)
{
    vectors v = vectors_open("edn/padding.json");
    json_t *c;
    size_t i;

    (void)state;
    json_array_foreach(json_object_get(v.root, "cases"), i, c)
    {
        uint32_t n = (uint32_t)vector_int(c, "len");
        CHECK_INT(edn_padded_size(EDN_PADDING_P1, n), vector_int(c, "P1"));
        CHECK_INT(edn_padded_size(EDN_PADDING_P2, n), vector_int(c, "P2"));
    }
    vectors_close(&v);
}

/* Figure 4 of the PURBs paper, by its words: keep floor(log2 E) + 1 bits of the mantissa, round the rest up. */
static uint64_t padme_by_counting(uint64_t n)
{
    unsigned e = 0, s = 1;

    while (n >> (e + 1))
        e++;
    while (e >> s)
        s++;
    for (uint64_t step = (uint64_t)1 << (e - s), out = n;; out++)
        if (out % step == 0)
            return out;
}

static void is_padme_above_its_floor(void **state)
{
    (void)state;
    for (uint32_t n = 1024; n < 40000; n++)
        CHECK_INT(edn_padded_size(EDN_PADDING_P1, n), padme_by_counting(n));
    for (uint32_t n = 1000000; n < 1000100; n++)
        CHECK_INT(edn_padded_size(EDN_PADDING_P1, n), padme_by_counting(n));
}

static void grows_by_at_most_a_sixteenth(void **state)
{
    (void)state;
    for (uint32_t n = 1024; n < 5000000; n += 1 + n / 500)
        CHECK(edn_padded_size(EDN_PADDING_P1, n) <= n + n / 16);
}

static void knows_its_own_225_buckets_up_to_a_mebibyte(void **state)
{
    uint32_t legal = 0, last = 0;

    (void)state;
    for (uint32_t n = 0; n <= 1u << 20; n++) {
        uint32_t p1 = edn_padded_size(EDN_PADDING_P1, n), p2 = edn_padded_size(EDN_PADDING_P2, n);
        CHECK(p1 >= n && p2 >= n && p1 >= last);
        CHECK(edn_padded_size_legal(p1) && edn_padded_size_legal(p2));
        CHECK_INT(edn_padded_size_legal(n), p1 == n);
        legal += edn_padded_size_legal(n);
        last = p1;
    }
    CHECK_INT(legal, 225); /* the figure of SECURITY 4 */
}

static void says_zero_past_32_bits(void **state)
{
    (void)state;
    CHECK_INT(edn_padded_size(EDN_PADDING_P2, 1u << 31), 1u << 31);
    CHECK_INT(edn_padded_size(EDN_PADDING_P2, (1u << 31) + 1), 0);
    CHECK_INT(edn_padded_size(EDN_PADDING_P1, UINT32_MAX), 0);
    CHECK(!edn_padded_size_legal(0));
    CHECK(!edn_padded_size_legal(UINT32_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_vectors),      cmocka_unit_test(is_padme_above_its_floor),
        cmocka_unit_test(grows_by_at_most_a_sixteenth), cmocka_unit_test(knows_its_own_225_buckets_up_to_a_mebibyte),
        cmocka_unit_test(says_zero_past_32_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
