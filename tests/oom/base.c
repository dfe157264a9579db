#include "check.h"
#include "oom.h"

static edn_status fill_a_buffer(void *ctx)
{
    edn_buf b = EDN_BUF_INIT(1 << 20);
    edn_status st;

    (void)ctx;
    for (uint32_t i = 0; i < 1000; i++)
        edn_put_u32(&b, i);
    st = edn_buf_status(&b);
    edn_buf_dispose(&b);
    return st;
}

static edn_status fill_an_arena(void *ctx)
{
    edn_arena a = edn_arena_init(1 << 20);
    edn_bytes copy;
    edn_status st = EDN_E_NOMEM;

    (void)ctx;
    for (size_t n = 1; n <= 16384; n *= 2) {
        if (!edn_arena_alloc(&a, n) || !edn_arena_calloc(&a, n, 3))
            goto out;
    }
    if (edn_arena_str(&a, edn_bytes_str("a page")) && edn_arena_copy(&a, edn_bytes_str("a leaf"), &copy))
        st = EDN_OK;
out:
    edn_arena_dispose(&a);
    return st;
}

static edn_status encode_base64url(void *ctx)
{
    edn_buf text = EDN_BUF_INIT(1 << 20), back = EDN_BUF_INIT(1 << 20);
    edn_status st;

    (void)ctx;
    edn_base64url_encode(&text, edn_bytes_str("a sentence that is longer than the first piece of a buffer, which has "
                                              "sixty-four bytes, and longer again than its second"));
    st = edn_buf_status(&text);
    if (st == EDN_OK)
        st = edn_base64url_decode(&back, edn_buf_view(&text));
    edn_buf_dispose(&back);
    edn_buf_dispose(&text);
    return st;
}

static void a_buffer_survives_each_failing_allocation(void **state)
{
    (void)state;
    CHECK(oom_each(fill_a_buffer, NULL) > 5);
}

static void an_arena_survives_each_failing_allocation(void **state)
{
    (void)state;
    CHECK(oom_each(fill_an_arena, NULL) > 2);
}

static void base64url_survives_each_failing_allocation(void **state)
{
    (void)state;
    CHECK(oom_each(encode_base64url, NULL) > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_survives_each_failing_allocation),
        cmocka_unit_test(an_arena_survives_each_failing_allocation),
        cmocka_unit_test(base64url_survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
