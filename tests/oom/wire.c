#include "messages.h"
#include "oom.h"

/* A message, put and decoded. `made` holds its lists, and is filled before anything may fail. */
#define ROUND_TRIP(name)                                                                                               \
    static edn_status round_trip_##name(void *ctx)                                                                     \
    {                                                                                                                  \
        edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);                                                                   \
        edn_arena a = edn_arena_init(1 << 20);                                                                         \
        edn_msg_##name back;                                                                                           \
        edn_status st;                                                                                                 \
        edn_##name##_put(&b, ctx);                                                                                     \
        if ((st = edn_buf_status(&b)) == EDN_OK)                                                                       \
            st = edn_##name##_decode(&a, edn_buf_view(&b), &back);                                                     \
        edn_arena_dispose(&a);                                                                                         \
        edn_buf_dispose(&b);                                                                                           \
        return st;                                                                                                     \
    }                                                                                                                  \
    static void check_##name(check_rng *r)                                                                             \
    {                                                                                                                  \
        edn_arena made = edn_arena_init(1 << 20);                                                                      \
        for (int i = 0; i < 10; i++) {                                                                                 \
            edn_msg_##name m;                                                                                          \
            random_##name(r, &made, &m);                                                                               \
            CHECK(oom_each(round_trip_##name, &m) > 0);                                                                \
        }                                                                                                              \
        edn_arena_dispose(&made);                                                                                      \
    }
EDN_MESSAGES(ROUND_TRIP)

static void messages_survive_each_failing_allocation(void **state)
{
    check_rng r = {check_seed()};

    (void)state;
#define RUN(name) check_##name(&r);
    EDN_MESSAGES(RUN)
}

static edn_status round_trip_body(void *ctx)
{
    const edn_body *b = ctx;
    edn_buf out = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_arena a = edn_arena_init(1 << 20);
    edn_body back;
    edn_status st = edn_body_encode(&out, b->heads, b->heads_n, b->records, b->records_n);

    if (st == EDN_OK) {
        st = edn_body_decode(&a, edn_buf_view(&out), &back);
        CHECK(st == EDN_OK || (!back.heads && !back.records));
    }
    edn_arena_dispose(&a);
    edn_buf_dispose(&out);
    return st;
}

static void bodies_survive_each_failing_allocation(void **state)
{
    check_rng r = {check_seed()};
    edn_arena made = edn_arena_init(1 << 20);

    (void)state;
    for (int i = 0; i < 20; i++) {
        edn_body b;
        random_body(&r, &made, &b);
        CHECK(oom_each(round_trip_body, &b) > 0);
    }
    edn_arena_dispose(&made);
}

/* A server checks many a second: no allocation, so none to fail. */
static edn_status check_batch(void *ctx)
{
    const edn_buf *bytes = ctx;
    edn_sign_pk pk = {{0}};
    edn_batch b;
    edn_hash c_hash;
    edn_status st = edn_batch_decode(edn_buf_view(bytes), &b);

    if (st == EDN_OK) {
        c_hash = edn_batch_c_hash(&b);
        (void)edn_batch_hash(&b, &c_hash);
        CHECK(!edn_batch_verify(&b, &c_hash, &pk));
    }
    return st;
}

static void a_batch_is_checked_without_an_allocation(void **state)
{
    check_rng r = {check_seed()};
    edn_sign_sk sk;
    edn_sign_pk pk;
    edn_buf bytes = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_batch_header h;

    (void)state;
    edn_sign_keypair((const uint8_t[32]){1}, &pk, &sk);
    random_batch(&r, &bytes, &sk, &h);
    CHECK_INT(oom_each(check_batch, &bytes), 0);
    edn_buf_dispose(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_survive_each_failing_allocation),
        cmocka_unit_test(bodies_survive_each_failing_allocation),
        cmocka_unit_test(a_batch_is_checked_without_an_allocation),
    };
    CHECK_OK(edn_crypto_init());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
