/* Every limit of docs/spec and SECURITY that the core knows: at it, and one beyond. */
#include "server_kit.h"
#include "server/server_priv.h"

typedef kit_person fixture;

/* Another configuration, and a new token under it. */
static void restart(fixture *f)
{
    kit_close(&f->k);
    kit_open(&f->k);
    person_sign_in(&f->p, 0, kit_ask, &f->k, &f->token);
}

/* ---- buckets ----------------------------------------------------------------------------------------------------- */

static void a_bucket_gives_its_burst_and_then_its_rate(void **state)
{
    limit_table t;
    limit_rule rule = {2, 5, 0};
    uint64_t now = 1000000;
    uint32_t wait;

    (void)state;
    CHECK_OK(edn_limit_init(&t, 1));
    for (int i = 0; i < 5; i++)
        CHECK(edn_limit_take(&t, LIMIT_API, edn_bytes_str("a"), &rule, 1, now, &wait));
    CHECK(!edn_limit_take(&t, LIMIT_API, edn_bytes_str("a"), &rule, 1, now, &wait));
    CHECK_INT(wait, 1);
    CHECK(edn_limit_take(&t, LIMIT_API, edn_bytes_str("b"), &rule, 1, now, &wait)); /* another's is another */
    CHECK(edn_limit_take(&t, LIMIT_BYTES, edn_bytes_str("a"), &rule, 1, now, &wait));
    CHECK(!edn_limit_take(&t, LIMIT_API, edn_bytes_str("a"), &rule, 1, now + 499, &wait));
    CHECK(edn_limit_take(&t, LIMIT_API, edn_bytes_str("a"), &rule, 1, now + 500, &wait));
    CHECK(!edn_limit_take(&t, LIMIT_API, edn_bytes_str("a"), &rule, 1, now + 500, &wait));
    for (int i = 0; i < 5; i++) /* never more than the burst, however long it was quiet */
        CHECK(edn_limit_take(&t, LIMIT_API, edn_bytes_str("a"), &rule, 1, now + 900000, &wait));
    CHECK(!edn_limit_take(&t, LIMIT_API, edn_bytes_str("a"), &rule, 1, now + 900000, &wait));
    edn_limit_dispose(&t);
}

static void a_clock_set_back_shuts_nobody_out(void **state)
{
    limit_table t;
    limit_rule rule = {1, 1, 900};
    uint64_t now = 5000000000u;
    uint32_t wait;

    (void)state;
    CHECK_OK(edn_limit_init(&t, 1));
    CHECK(edn_limit_take(&t, LIMIT_LOGIN_ADDRESS, edn_bytes_str("a"), &rule, 1, now, &wait));
    CHECK(!edn_limit_take(&t, LIMIT_LOGIN_ADDRESS, edn_bytes_str("a"), &rule, 1, now, &wait));
    CHECK(!edn_limit_take(&t, LIMIT_LOGIN_ADDRESS, edn_bytes_str("a"), &rule, 1, 1000, &wait));
    CHECK(wait <= 900);
    CHECK(edn_limit_take(&t, LIMIT_LOGIN_ADDRESS, edn_bytes_str("a"), &rule, 1, 1000 + 900001, &wait));
    edn_limit_dispose(&t);
}

static void a_debt_is_paid_before_the_next(void **state)
{
    limit_table t;
    limit_rule rule = {10, 100, 0};
    uint32_t wait;

    (void)state;
    CHECK_OK(edn_limit_init(&t, 1));
    edn_limit_spend(&t, LIMIT_BYTES, edn_bytes_str("a"), &rule, 150, 1000);
    CHECK(!edn_limit_take(&t, LIMIT_BYTES, edn_bytes_str("a"), &rule, 0, 1000, &wait));
    CHECK_INT(wait, 5);
    CHECK(edn_limit_take(&t, LIMIT_BYTES, edn_bytes_str("a"), &rule, 0, 6000, &wait));
    CHECK(edn_limit_take(&t, LIMIT_BYTES, edn_bytes_str("b"), &rule, 100000, 1000,
                         &wait)); /* more than a burst: once it is full */
    CHECK(!edn_limit_take(&t, LIMIT_BYTES, edn_bytes_str("b"), &rule, 1, 1000, &wait));
    edn_limit_dispose(&t);
}

/* ---- logins ------------------------------------------------------------------------------------------------------ */

/* The status of a login with a wrong signature, and its Retry-After. */
static int bad_login(fixture *f, size_t device, uint32_t *wait)
{
    edn_buf rq = EDN_BUF_INIT(1024);
    edn_server_answer a;
    person_login l;
    int status;

    CHECK_INT(person_challenge(&f->p, device, kit_ask, &f->k, &l), 200);
    edn_login_put(&rq, &l.m);
    kit_exchange(&f->k, "POST", "/v1/login", EDN_BYTES_EMPTY, edn_buf_view(&rq), &a);
    status = a.status;
    *wait = a.retry_after_s;
    edn_server_answer_dispose(&a);
    edn_buf_dispose(&rq);
    return status;
}

static void ten_logins_a_minute_and_then_doubling_delays(void **state)
{
    fixture *f = *state;
    uint32_t wait;

    f->k.now_ms += 3600000;
    for (int i = 0; i < 10; i++)
        CHECK_INT(bad_login(f, 0, &wait), 401);
    for (uint32_t want = 1; want <= 4; want *= 2) {
        CHECK_INT(bad_login(f, 0, &wait), 429);
        CHECK_INT(wait, want);
        CHECK_INT(bad_login(f, 0, &wait), 429); /* asking again while shut out changes nothing */
        CHECK_INT(wait, want);
        f->k.now_ms += want * 1000u;
    }
    CHECK_INT(bad_login(f, 0, &wait), 401); /* seven seconds have passed: one came back */
    CHECK_INT(bad_login(f, 0, &wait), 429);
    CHECK_INT(wait, 8);
    f->k.now_ms += 120000; /* a quiet time, and all is forgotten */
    for (int i = 0; i < 10; i++)
        CHECK_INT(bad_login(f, 0, &wait), 401);
    CHECK_INT(bad_login(f, 0, &wait), 429);
    CHECK_INT(wait, 1);
}

static void delays_double_up_to_a_quarter_of_an_hour(void **state)
{
    limit_table t;
    limit_rule rule = {5 / 3600.0, 5, 900};
    uint64_t now = 1000000000;
    uint32_t wait, want = 1;

    (void)state;
    CHECK_OK(edn_limit_init(&t, 1));
    for (int i = 0; i < 5; i++)
        CHECK(edn_limit_take(&t, LIMIT_PASSPHRASE, edn_bytes_str("a"), &rule, 1, now, &wait));
    for (int i = 0; i < 40; i++) {
        if (edn_limit_take(&t, LIMIT_PASSPHRASE, edn_bytes_str("a"), &rule, 1, now, &wait))
            continue;
        CHECK_INT(wait, want);
        now += wait * 1000u;
        want = EDN_MIN(2 * want, 900u);
    }
    CHECK_INT(want, 900);
    edn_limit_dispose(&t);
}

static void thirty_logins_a_minute_from_one_address(void **state)
{
    fixture *f = *state;
    uint32_t wait;

    f->k.config.limits.login_address_per_min = 30;
    f->k.config.limits.login_account_per_min = 0;
    f->k.address[3] = 7;
    kit_close(&f->k);
    kit_open(&f->k);
    for (int i = 0; i < 30; i++)
        CHECK_INT(bad_login(f, 0, &wait), 401);
    CHECK_INT(bad_login(f, 0, &wait), 429);
    f->k.address[3] = 8; /* somebody else */
    CHECK_INT(bad_login(f, 0, &wait), 401);
}

static void five_passphrases_an_hour(void **state)
{
    fixture *f = *state;
    uint32_t wait;

    for (int i = 0; i < 5; i++)
        CHECK_INT(bad_login(f, SIZE_MAX, &wait), 401);
    CHECK_INT(bad_login(f, SIZE_MAX, &wait), 429);
    CHECK_INT(bad_login(f, 0, &wait), 401); /* the devices do not suffer from it */
    f->k.now_ms += 3600000;
    for (int i = 0; i < 5; i++)
        CHECK_INT(bad_login(f, SIZE_MAX, &wait), 401);
    CHECK_INT(bad_login(f, SIZE_MAX, &wait), 429);
}

static void an_unknown_account_is_limited_like_a_known_one(void **state)
{
    fixture *f = *state;
    uint32_t wait;

    f->p.account.b[0] ^= 1;
    for (int i = 0; i < 10; i++)
        CHECK_INT(bad_login(f, 0, &wait), 401);
    CHECK_INT(bad_login(f, 0, &wait), 429);
    CHECK_INT(wait, 1);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static int ask_box(fixture *f, edn_bytes token)
{
    return kit_ask(&f->k, "POST", "/v1/box", token, EDN_BYTES_EMPTY, NULL); /* 400 when it gets through */
}

static void a_device_has_a_burst_of_a_hundred_and_twenty_a_second(void **state)
{
    fixture *f = *state;

    f->k.config.limits.api_per_s = 20;
    restart(f);
    for (int i = 0; i < 100; i++)
        CHECK_INT(ask_box(f, edn_buf_view(&f->token)), 400);
    CHECK_INT(ask_box(f, edn_buf_view(&f->token)), 429);
    f->k.now_ms += 1000;
    for (int i = 0; i < 20; i++)
        CHECK_INT(ask_box(f, edn_buf_view(&f->token)), 400);
    CHECK_INT(ask_box(f, edn_buf_view(&f->token)), 429);
}

static void an_account_has_so_many_bytes_a_second(void **state)
{
    fixture *f = *state;

    f->k.config.limits.bytes_per_s = 10000;
    f->k.config.limits.bytes_burst = 2 * (25 + 312 + 8192) - 1;
    restart(f);
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 8192, edn_buf_view(&f->token)), 200);
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 8192, edn_buf_view(&f->token)), 429);
    f->k.now_ms += 1000;
    CHECK_INT(ask_box(f, edn_buf_view(&f->token)), 400);
}

static void bodies_end_at_their_limits(void **state)
{
    fixture *f = *state;
    static const struct {
        const char *method, *path;
        size_t max;
        int at_limit;
    } cases[] = {
        {"POST", "/v1/login", EDN_MSG_SIZE_MAX, 400},
        {"POST", "/v1/challenge", EDN_MSG_SIZE_MAX, 400},
        {"POST", "/v1/pull", EDN_MSG_SIZE_MAX, 400},
        {"POST", "/v1/box", EDN_MSG_SIZE_MAX, 400},
        {"POST", "/v1/push", EDN_PUSH_SIZE_MAX, 400},
        {"POST", "/v1/log", EDN_PUSH_SIZE_MAX, 400},
        {"POST", "/v1/accounts", EDN_PUSH_SIZE_MAX, 400},
        {"PUT", "/v1/blobs/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", 8u << 20, 201},
        {"GET", "/v1/server", 0, 200},
    };
    uint8_t *body = calloc(1, (8u << 20) + 1);

    assert_non_null(body);
    for (size_t i = 0; i < EDN_COUNT(cases); i++) {
        edn_server_request rq = {.method = EDN_SERVER_POST};
        edn_server_answer a;
        CHECK_INT(kit_ask(&f->k, cases[i].method, cases[i].path, edn_buf_view(&f->token),
                          edn_bytes_of(body, cases[i].max), NULL),
                  cases[i].at_limit);
        CHECK_INT(kit_ask(&f->k, cases[i].method, cases[i].path, edn_buf_view(&f->token),
                          edn_bytes_of(body, cases[i].max + 1), NULL),
                  413);
        /* also when nobody asked whether it may come */
        rq.method = strcmp(cases[i].method, "PUT") == 0   ? EDN_SERVER_PUT
                    : strcmp(cases[i].method, "GET") == 0 ? EDN_SERVER_GET
                                                          : EDN_SERVER_POST;
        rq.path = edn_bytes_str(cases[i].path);
        rq.bearer = edn_buf_view(&f->token);
        rq.address = edn_bytes_of(f->k.address, 4);
        rq.body = edn_bytes_of(body, cases[i].max + 1);
        edn_server_handle(f->k.s, &rq, 1, &a);
        CHECK_INT(a.status, 413);
        edn_server_answer_dispose(&a);
    }
    free(body);
}

static void the_largest_batch_passes(void **state)
{
    fixture *f = *state;
    uint32_t padded = 0;

    for (uint32_t n = 1024; n <= EDN_BATCH_SIZE_MAX - EDN_BATCH_OVERHEAD; n += n / 64)
        padded = edn_padded_size(EDN_PADDING_P1, n) <= EDN_BATCH_SIZE_MAX - EDN_BATCH_OVERHEAD
                     ? edn_padded_size(EDN_PADDING_P1, n)
                     : padded;
    CHECK(padded > 3u << 20);
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, padded, edn_buf_view(&f->token)), 200);
    CHECK_INT(kit_pull_count(&f->k, &f->p, edn_buf_view(&f->token)), 1);
}

static void a_new_account_may_bring_2048_links_at_once(void **state)
{
    fixture *f = *state;
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
    edn_bytes *links = calloc(2049, sizeof *links);
    edn_msg_account m = {.links = links};
    person q;

    assert_non_null(links);
    person_init(&q, 2);
    for (size_t i = 0; i < 2049; i++)
        links[i] = q.links[0];
    m.links_n = 2048; /* not a chain */
    edn_account_put(&rq, &m);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/accounts", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL), 422);
    m.links_n = 2049;
    edn_buf_reset(&rq);
    edn_account_put(&rq, &m);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/accounts", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL), 413);
    free(links);
    edn_buf_dispose(&rq);
    person_dispose(&q);
}

/* ---- quotas ------------------------------------------------------------------------------------------------------ */

static void an_account_stops_at_its_bytes(void **state)
{
    fixture *f = *state;
    uint64_t held = 0;

    for (size_t i = 0; i < f->p.links_n; i++)
        held += f->p.links[i].n;
    for (size_t i = 0; i < f->p.boxes_n; i++)
        held += f->p.boxes[i].n;
    f->k.config.limits.quota_bytes = held + 2 * (312 + 1024);
    restart(f);
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, edn_buf_view(&f->token)), 200);
    restart(f);
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, edn_buf_view(&f->token)), 200);
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, edn_buf_view(&f->token)), 507);
    CHECK_INT(kit_ask(&f->k, "PUT", "/v1/blobs/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", edn_buf_view(&f->token),
                      edn_bytes_str("x"), NULL),
              507);
    CHECK_INT(kit_pull_count(&f->k, &f->p, edn_buf_view(&f->token)), 2); /* reading goes on */
}

static void a_space_stops_at_its_batches(void **state)
{
    fixture *f = *state;

    f->k.config.limits.quota_batches = 3;
    restart(f);
    for (int i = 0; i < 3; i++)
        CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, edn_buf_view(&f->token)), 200);
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, edn_buf_view(&f->token)), 507);
}

static int send_last_link(fixture *f)
{
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
    edn_msg_log_append m = {&f->p.links[f->p.links_n - 1], 1, NULL, 0};
    int status;

    edn_log_append_put(&rq, &m);
    status = kit_ask(&f->k, "POST", "/v1/log", edn_buf_view(&f->token), edn_buf_view(&rq), NULL);
    edn_buf_dispose(&rq);
    return status;
}

static void an_account_stops_at_its_devices(void **state)
{
    fixture *f = *state;

    f->k.config.limits.quota_devices = 3;
    restart(f);
    person_add_device(&f->p, EDN_CAP_READ);
    CHECK_INT(send_last_link(f), 200);
    person_add_device(&f->p, EDN_CAP_READ);
    CHECK_INT(send_last_link(f), 200);
    person_add_device(&f->p, EDN_CAP_READ);
    CHECK_INT(send_last_link(f), 507);
}

static void little_memory_for_accounts_is_only_slower(void **state)
{
    fixture *f = *state;
    person people[6];
    edn_buf tokens[6];

    f->k.config.limits.cache_size_max = 10000; /* two accounts */
    restart(f);
    for (int i = 0; i < 6; i++) {
        person_init(&people[i], 10 + (uint64_t)i);
        tokens[i] = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);
        kit_register(&f->k, &people[i]);
        person_sign_in(&people[i], 0, kit_ask, &f->k, &tokens[i]);
    }
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < 6; i++)
            CHECK_INT(kit_push_next(&f->k, &people[i], 0, 1024, edn_buf_view(&tokens[i])), 200);
    CHECK(edn_server_stats_get(f->k.s).cached_bytes <= 10000);
    CHECK(edn_server_stats_get(f->k.s).cache_misses > 20);
    for (int i = 0; i < 6; i++) {
        CHECK_INT(kit_pull_count(&f->k, &people[i], edn_buf_view(&tokens[i])), 4);
        edn_buf_dispose(&tokens[i]);
        person_dispose(&people[i]);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, kit_person_setup, kit_person_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_gives_its_burst_and_then_its_rate),
        cmocka_unit_test(a_clock_set_back_shuts_nobody_out),
        cmocka_unit_test(a_debt_is_paid_before_the_next),
        cmocka_unit_test(delays_double_up_to_a_quarter_of_an_hour),
        T(ten_logins_a_minute_and_then_doubling_delays),
        T(thirty_logins_a_minute_from_one_address),
        T(five_passphrases_an_hour),
        T(an_unknown_account_is_limited_like_a_known_one),
        T(a_device_has_a_burst_of_a_hundred_and_twenty_a_second),
        T(an_account_has_so_many_bytes_a_second),
        T(bodies_end_at_their_limits),
        T(the_largest_batch_passes),
        T(a_new_account_may_bring_2048_links_at_once),
        T(an_account_stops_at_its_bytes),
        T(a_space_stops_at_its_batches),
        T(an_account_stops_at_its_devices),
        T(little_memory_for_accounts_is_only_slower),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
