/* Watching, with a stream of events that a test plays. */
#include "check.h"

#include "world.h"

typedef struct watched {
    world *w;
    edn_transport real;
    edn_client *c;
    edn_client *again; /* as another process at the same home */
    size_t syncs, looks, streams;
    size_t syncs_max, looks_max;
    edn_status stream; /* how each stream ends at once */
    bool written;
} watched;

static bool go_on(void *ctx, const edn_sync_result *last)
{
    watched *x = ctx;

    x->syncs += last != NULL;
    x->looks += last == NULL;
    return x->syncs < x->syncs_max && x->looks < x->looks_max;
}

static void add(edn_client *c, const char *text)
{
    edn_draft d = {.date = edn_bytes_str("2024-05-01"), .text = edn_bytes_str(text)};
    edn_entry_id id;

    CHECK_OK(edn_client_add(c, &d, &id, NULL));
}

static edn_status exchange(void *ctx, const edn_http_request *rq, edn_http_answer *out, edn_err *err)
{
    watched *x = ctx;

    if (x->again && !x->written) { /* in the middle of the first sync */
        x->written = true;
        add(x->again, "meanwhile");
    }
    return x->real.exchange(x->real.ctx, rq, out, err);
}

static edn_status events(void *ctx, const char *path, const char *bearer, int wake_fd,
                         bool (*on_event)(void *cb, edn_bytes data), void *cb, edn_err *err)
{
    watched *x = ctx;
    edn_client_status s;

    (void)path;
    (void)bearer;
    (void)wake_fd;
    x->streams++;
    if (x->again) {
        CHECK_OK(edn_client_status_get(x->again, &s, NULL));
        CHECK_INT(s.unsent, 0); /* nothing may be left to wait for the next change */
        x->looks_max = 0;
        (void)on_event(cb, EDN_BYTES_EMPTY); /* asks go_on, which ends it */
    }
    return x->stream == EDN_OK ? EDN_OK : edn_fail(err, x->stream, "no stream today");
}

static void watched_open(watched *x)
{
    *x = (watched){.w = world_of_two(), .syncs_max = 50, .looks_max = 1000};
    x->real = x->w->transport;
    x->w->transport = (edn_transport){.ctx = x, .exchange = exchange, .events = events};
    x->c = world_open(x->w, "a");
}

static void watched_close(watched *x)
{
    edn_client_close(x->c);
    edn_client_close(x->again);
    world_free(x->w);
}

static void a_stream_that_ends_at_once_is_not_asked_for_without_a_pause(void **state)
{
    (void)state;
    const edn_status ends[] = {EDN_E_SERVER, EDN_E_DENIED, EDN_OK};

    for (size_t i = 0; i < EDN_COUNT(ends); i++) {
        watched x;
        watched_open(&x);
        x.stream = ends[i];
        x.looks_max = 2; /* seconds, about */
        add(x.c, "so that there is something to log in for");
        CHECK_OK(edn_client_watch(x.c, NULL, go_on, &x, NULL));
        CHECK(x.streams >= 1);
        CHECK(x.syncs <= 6);
        watched_close(&x);
    }
}

static void what_was_written_during_a_sync_goes_out_with_the_next(void **state)
{
    (void)state;
    watched x;

    watched_open(&x);
    x.again = world_open(x.w, "a");
    add(x.c, "first");
    CHECK_OK(edn_client_watch(x.c, NULL, go_on, &x, NULL));
    CHECK(x.written);
    CHECK_INT(x.streams, 1);
    CHECK_INT(x.syncs, 2);
    watched_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_that_ends_at_once_is_not_asked_for_without_a_pause),
        cmocka_unit_test(what_was_written_during_a_sync_goes_out_with_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
