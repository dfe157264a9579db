#include "check.h"

#include "oom.h"
#include "remote/remote_priv.h"

static bool take(void *ctx, edn_bytes data)
{
    (void)ctx;
    (void)data;
    return true;
}

static edn_status read_events(void *ctx)
{
    edn_status st = EDN_OK;
    sse p;

    (void)ctx;
    sse_init(&p);
    for (int i = 0; i < 50 && st == EDN_OK; i++)
        st = sse_feed(
            &p,
            edn_bytes_str(
                "data: a line that is longer than a buffer's first piece has room for, and so it must grow\n"),
            take, NULL);
    if (st == EDN_OK)
        st = sse_feed(&p, edn_bytes_str("\n"), take, NULL);
    sse_dispose(&p);
    return st;
}

/* Nobody listens on port 1: an exchange that comes so far needed all its memory. */
static edn_status ask_nobody(void *ctx)
{
    edn_http_options o = {.ca_file = "/dev/null", .pin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="};
    edn_http_request rq = {.path = "/x", .bearer = "token", .answer_size_max = 100};
    edn_http_answer a;
    edn_err err = {0};
    edn_http *h;
    edn_status st = edn_http_new("http://127.0.0.1:1", &o, &h, &err);

    (void)ctx;
    if (st == EDN_OK) {
        edn_transport t = edn_http_transport(h);
        st = t.exchange(t.ctx, &rq, &a, &err);
        if (st == EDN_E_NETWORK)
            st = t.events(t.ctx, "/v1/events", "token", -1, take, NULL, &err);
    }
    CHECK_INT(err.status, st);
    edn_http_free(h);
    return st == EDN_E_NETWORK ? EDN_OK : st;
}

static void events_survive_each_failing_allocation(void **state)
{
    (void)state;
    CHECK(oom_each(read_events, NULL) > 3);
}

static void exchanges_survive_each_failing_allocation(void **state)
{
    (void)state;
    CHECK_OK(ask_nobody(NULL)); /* the library's own beginnings */
    CHECK(oom_each(ask_nobody, NULL) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_survive_each_failing_allocation),
        cmocka_unit_test(exchanges_survive_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
