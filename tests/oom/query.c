/* Every allocation of the query parser fails once. */
#include "search/query.h"

#include "check.h"
#include "oom.h"

static edn_status parse(void *ctx)
{
    edn_arena a = edn_arena_init((size_t)1 << 20);
    edn_query *q;
    edn_query_error error;
    edn_status st = edn_query_parse(&a, *(const edn_bytes *)ctx, 0, &q, &error);

    if ((st == EDN_OK) != (q != NULL))
        st = EDN_E_INVALID;
    edn_arena_dispose(&a);
    return st;
}

static void each_allocation_of_a_parse(void **state)
{
    uint8_t text[EDN_QUERY_SIZE_MAX];
    edn_bytes small = edn_bytes_str(
                  "(sea OR \"the old wind\") -tag:work journal:mine title:king from:2019 -NOT x* 狂人日記"),
              large = {text, sizeof text - 1};

    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 17 ? 'a' : ' ';
    oom_each(parse, &small);
    CHECK(oom_each(parse, &large) > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_allocation_of_a_parse)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
