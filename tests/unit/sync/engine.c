/* The ordinary ways of a sync, and every answer that an honest server may give. */
#include "sync/world.h"

#include "sync/sync_priv.h"

static void first_contact_pins_the_receipt_key_and_registers_what_is_signed(void **state)
{
    world w;
    outcome o;

    (void)state;
    world_init(&w);
    device_write(&w, &w.d[0]);
    o = device_sync(&w, &w.d[0]);
    CHECK_SYNCED(o);
    CHECK_BYTES(EDN_F(w.d[0].remote.receipt_pk), EDN_F(w.srv.receipt_pk));
    CHECK_INT(o.figures.batches_sent, 1);
    CHECK_INT(o.figures.refilled, 0);
    CHECK_INT(w.srv.shelf.n, 1);
    CHECK_INT(w.d[0].remote.heads_n, 1);
    world_free(&w);
}

static void nothing_new_costs_one_round_trip_without_a_token(void **state)
{
    world w;
    outcome o;

    (void)state;
    world_init(&w);
    device_write(&w, &w.d[0]);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    w.d[0].remote.token[0] = 0;
    o = device_sync(&w, &w.d[0]);
    CHECK_SYNCED(o);
    CHECK_INT(o.figures.round_trips, 1);
    CHECK_INT(w.srv.probes, 1);
    world_free(&w);
}

static void an_edit_costs_one_round_trip(void **state)
{
    world w;
    outcome o;

    (void)state;
    world_init(&w);
    device_write(&w, &w.d[0]);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    device_write(&w, &w.d[0]);
    o = device_sync(&w, &w.d[0]);
    CHECK_SYNCED(o);
    CHECK_INT(o.figures.round_trips, 1);
    CHECK_INT(w.srv.pushes, 2);
    world_free(&w);
}

static void a_second_device_gets_everything_and_sends_its_own(void **state)
{
    world w;
    device *b;

    (void)state;
    world_init(&w);
    b = world_add(&w);
    for (int i = 0; i < 5; i++)
        device_write(&w, &w.d[0]);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    device_write(&w, b);
    CHECK_SYNCED(device_sync(&w, b));
    CHECK_INT(b->shelf.n, 6);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    CHECK_INT(w.d[0].shelf.n, 6);
    world_free(&w);
}

static void a_push_that_came_second_pulls_what_came_first(void **state)
{
    world w;
    device *b;
    outcome o;

    (void)state;
    world_init(&w);
    b = world_add(&w);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    CHECK_SYNCED(device_sync(&w, b));
    device_write(&w, &w.d[0]);
    device_write(&w, b);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    o = device_sync(&w, b);
    CHECK_SYNCED(o);
    CHECK_INT(o.figures.round_trips, 2); /* push, pull */
    CHECK_INT(o.figures.batches_received, 1);
    world_free(&w);
}

static void answers_that_were_cut_are_asked_for_again(void **state)
{
    world w;
    device *b;
    outcome o;

    (void)state;
    world_init(&w);
    b = world_add(&w);
    for (int i = 0; i < 10; i++)
        device_write(&w, &w.d[0]);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    w.srv.pull_batches_max = 3;
    o = device_sync(&w, b);
    CHECK_SYNCED(o);
    CHECK_INT(o.figures.batches_received, 10);
    CHECK_INT(b->shelf.n, 10);
    world_free(&w);
}

static void more_than_one_request_is_pushed_in_several(void **state)
{
    world w;
    outcome o;

    (void)state;
    world_init(&w);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    for (int i = 0; i < 150; i++)
        device_write_sized(&w, &w.d[0], 60000);
    o = device_sync(&w, &w.d[0]);
    CHECK_SYNCED(o);
    CHECK_INT(o.figures.batches_sent, 150);
    CHECK_INT(o.figures.round_trips, 3);
    world_free(&w);
}

/* Says of every push that it was not as expected. */
static void bend_unexpected(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    (void)ctx;
    (void)w;
    if (strcmp(asked->path, "/v1/push") == 0 && a->status == 200)
        a->body.p[1] = 0;
}

static void a_long_refill_goes_on_though_others_write_all_the_time(void **state)
{
    world w;
    line l = {.bend = bend_unexpected};
    outcome o;

    (void)state;
    world_init(&w);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    for (int i = 0; i < 400; i++)
        device_write_sized(&w, &w.d[0], 60000);
    o = device_sync_on(&w, &w.d[0], &l);
    CHECK_SYNCED(o);
    CHECK_INT(o.figures.batches_sent, 400);
    CHECK(w.srv.pushes > 4);
    world_free(&w);
}

static void a_full_sync_pulls_before_it_pushes(void **state)
{
    world w;
    outcome o;

    (void)state;
    world_init(&w);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    device_write(&w, &w.d[0]);
    w.srv.pulls = 0;
    o = device_sync_on(&w, &w.d[0], &(line){.full = true});
    CHECK_SYNCED(o);
    CHECK_INT(w.srv.pulls, 1);
    CHECK_INT(o.figures.round_trips, 2);
    world_free(&w);
}

static void a_sync_has_no_more_requests_than_its_bound(void **state)
{
    world w;
    view_ctx v;
    edn_head heads[64];
    edn_sync *s;
    size_t n = 0;

    (void)state;
    world_init(&w);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    for (int i = 0; i < 400; i++)
        device_write_sized(&w, &w.d[0], 60000);
    v = (view_ctx){&w, &w.d[0]};
    CHECK_OK(device_sync_begin(&w, &w.d[0], &v, heads, false, &s));
    s->figures.round_trips = ROUNDS_MAX - 3;
    for (;; n++) {
        edn_sync_action a = edn_sync_step(s, w.d[0].clock_ms);
        if (a.kind == EDN_SYNC_DONE)
            break;
        answer out = {.body = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
        server_handle(&w, &a, &out);
        edn_sync_answered(s, w.d[0].clock_ms, out.carried, out.status, 0, edn_buf_view(&out.body));
        edn_buf_dispose(&out.body);
    }
    CHECK_INT(n, 3);
    CHECK(!edn_sync_figures_of(s).synced);
    edn_sync_free(s);
    CHECK_SYNCED(device_sync(&w, &w.d[0])); /* the next one goes on from there */
    world_free(&w);
}

static void what_is_asked_is_the_same_until_it_is_answered(void **state)
{
    world w;
    view_ctx v;
    edn_head heads[64];
    edn_sync *s;

    (void)state;
    world_init(&w);
    device_write(&w, &w.d[0]);
    v = (view_ctx){&w, &w.d[0]};
    CHECK_OK(device_sync_begin(&w, &w.d[0], &v, heads, false, &s));
    edn_sync_saved(s, w.d[0].clock_ms, EDN_OK); /* of no effect: nothing was handed out */
    for (;;) {
        edn_sync_action a = edn_sync_step(s, w.d[0].clock_ms), b = edn_sync_step(s, w.d[0].clock_ms);
        CHECK(a.kind == b.kind && a.path == b.path && a.body.p == b.body.p && a.body.n == b.body.n);
        if (a.kind == EDN_SYNC_DONE)
            break;
        answer out = {.body = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
        server_handle(&w, &a, &out);
        edn_sync_answered(s, w.d[0].clock_ms, out.carried, out.status, 0, edn_buf_view(&out.body));
        edn_buf_dispose(&out.body);
    }
    edn_sync_answered(s, w.d[0].clock_ms, EDN_E_NETWORK, 0, 0, EDN_BYTES_EMPTY); /* of no effect: it is done */
    CHECK_STATUS(edn_sync_step(s, 0).status, EDN_OK);
    CHECK(edn_sync_figures_of(s).synced);
    edn_sync_free(s);
    world_free(&w);
}

static void new_links_are_taken_and_later_batches_with_them(void **state)
{
    world w;
    device *b;
    outcome o;

    (void)state;
    world_init(&w);
    device_write(&w, &w.d[0]);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    b = world_add(&w);
    links_cut(&w.d[0].links, 1); /* the first device has not seen that it was added */
    device_write(&w, b);
    CHECK_SYNCED(device_sync(&w, b));
    o = device_sync(&w, &w.d[0]);
    CHECK_SYNCED(o);
    CHECK_INT(o.figures.links_received, 1);
    CHECK_INT(w.d[0].links.n, 2);
    CHECK_INT(w.d[0].shelf.n, 2);
    world_free(&w);
}

static void links_that_the_server_lacks_are_appended(void **state)
{
    world w;
    outcome o;

    (void)state;
    world_init(&w);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    world_add(&w);
    links_cut(&w.srv.links, 1);
    o = device_sync(&w, &w.d[0]);
    CHECK_SYNCED(o);
    CHECK_INT(o.figures.links_sent, 1);
    CHECK_INT(w.srv.links.n, 2);
    world_free(&w);
}

static void links_go_with_the_boxes_that_they_name(void **state)
{
    world w;
    outcome o;

    (void)state;
    world_init(&w);
    w.boxes = true;
    world_add(&w);
    world_add(&w);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    links_cut(&w.srv.links, 1);
    CHECK(device_sync(&w, &w.d[0]).figures.synced); /* appended */
    CHECK_INT(w.srv.boxes, 2);
    w.srv.present = false;
    links_cut(&w.srv.links, 0);
    w.d[0].remote.token[0] = 0;
    o = device_sync_on(&w, &w.d[0], &(line){.full = true}); /* registered */
    CHECK(o.figures.synced);
    CHECK_INT(o.figures.links_sent, 3);
    CHECK_INT(w.srv.boxes, 5);
    world_free(&w);
}

static void more_links_than_one_request_carries_go_in_several(void **state)
{
    enum { PINS = 700, LINKS = 50 };
    static edn_pin pins[PINS];
    world w;
    edn_link_signer signer;
    outcome o;

    (void)state;
    world_init(&w);
    signer = (edn_link_signer){&w.d[0].id, &w.d[0].sk, WORLD_T0};
    for (size_t i = 0; i < PINS; i++) {
        pins[i] = (edn_pin){.dseq = 1}; /* of spaces that are not this one */
        edn_store_u32(pins[i].space.b, (uint32_t)i);
    }
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    for (int i = 0; i < LINKS; i++) {
        edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
        CHECK_OK(edn_link_checkpoint(&link, w.d[0].links.log, &signer, pins, PINS));
        links_put(&w.d[0].links, edn_buf_view(&link));
        edn_buf_dispose(&link);
    }
    o = device_sync(&w, &w.d[0]);
    CHECK_SYNCED(o);
    CHECK_INT(o.figures.links_sent, LINKS);
    CHECK_INT(w.srv.links.n, LINKS + 1);
    CHECK_INT(o.figures.round_trips, 5); /* pull, append, pull, append, pull */
    world_free(&w);
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

typedef struct refusal {
    const char *path; /* of the answer that is replaced */
    int status;
    edn_status carried;
    uint32_t retry_after_s;
    const char *body;
    uint32_t times; /* how often; 0: always */
    uint32_t done;
} refusal;

static void bend_refuse(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    refusal *r = ctx;

    (void)w;
    if (strncmp(asked->path, r->path, strlen(r->path)) != 0 || (r->times && r->done == r->times))
        return;
    r->done++;
    edn_buf_reset(&a->body);
    a->status = r->status;
    a->carried = r->carried;
    a->retry_after_s = r->retry_after_s;
    if (r->body)
        edn_put_str(&a->body, r->body);
}

static outcome sync_refused(world *w, device *d, refusal r)
{
    line l = {.ctx = &r, .bend = bend_refuse};
    return device_sync_on(w, d, &l);
}

/* Whatever the server's reason: it is asked what it has, and the rest goes on. */
static void links_that_the_server_refuses_end_no_sync(void **state)
{
    static const int statuses[] = {409, 403, 422};

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(statuses); i++) {
        world w;
        outcome o;
        world_init(&w);
        CHECK_SYNCED(device_sync(&w, &w.d[0]));
        world_add(&w);
        links_cut(&w.srv.links, 1);
        o = sync_refused(&w, &w.d[0], (refusal){.path = "/v1/log", .status = statuses[i], .times = 1});
        CHECK_STATUS(o.status, EDN_OK);
        CHECK(outcome_find(&o, EDN_E_SERVER) == NULL);
        CHECK_INT(o.figures.links_sent, 0);
        world_free(&w);
    }
}

static void a_busy_server_is_left_alone_for_as_long_as_it_asks(void **state)
{
    world w;
    outcome o;

    (void)state;
    world_init(&w);
    device_write(&w, &w.d[0]);
    o = sync_refused(&w, &w.d[0], (refusal){.path = "/v1/pull", .status = 429, .retry_after_s = 17});
    CHECK_STATUS(o.status, EDN_E_RATE);
    CHECK_INT(o.figures.retry_after_s, 17);
    o = sync_refused(&w, &w.d[0], (refusal){.path = "/v1/push", .status = 503});
    CHECK_STATUS(o.status, EDN_E_RATE);
    CHECK(!o.figures.synced);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    world_free(&w);
}

static void every_request_may_fail_and_the_next_sync_goes_on(void **state)
{
    static const char *const paths[] = {"/v1/server", "/v1/challenge", "/v1/login",
                                        "/v1/pull",   "/v1/push",      "/v1/probe"};
    static const edn_status carried[] = {EDN_E_NETWORK, EDN_E_TLS, EDN_E_CANCELLED};

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(paths); i++)
        for (size_t j = 0; j < EDN_COUNT(carried); j++) {
            world w;
            outcome o;
            world_init(&w);
            device_write(&w, &w.d[0]);
            if (strcmp(paths[i], "/v1/probe") == 0)
                CHECK_SYNCED(device_sync(&w, &w.d[0]));
            o = sync_refused(&w, &w.d[0], (refusal){.path = paths[i], .carried = carried[j]});
            CHECK_STATUS(o.status, carried[j]);
            CHECK(!o.figures.synced);
            CHECK_SYNCED(device_sync(&w, &w.d[0]));
            world_free(&w);
        }
}

static void what_is_not_the_protocol_is_said_to_be_so(void **state)
{
    static const char *const paths[] = {"/v1/server", "/v1/challenge", "/v1/login",
                                        "/v1/pull",   "/v1/push",      "/v1/probe"};
    static const int statuses[] = {200, 302, 400, 500, 502};

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(paths); i++)
        for (size_t j = 0; j < EDN_COUNT(statuses); j++) {
            world w;
            outcome o;
            world_init(&w);
            device_write(&w, &w.d[0]);
            if (strcmp(paths[i], "/v1/probe") == 0)
                CHECK_SYNCED(device_sync(&w, &w.d[0]));
            if (strcmp(paths[i], "/v1/probe") == 0 && statuses[j] == 200) {
                world_free(&w);
                continue; /* 200 with any body is an answer */
            }
            o = sync_refused(
                &w, &w.d[0],
                (refusal){.path = paths[i], .status = statuses[j], .body = "<html>Welcome to our hotel</html>"});
            CHECK_STATUS(o.status, EDN_E_SERVER);
            CHECK(outcome_find(&o, EDN_E_SERVER) != NULL);
            CHECK(
                strstr(outcome_find(&o, EDN_E_SERVER)->text, statuses[j] == 400 ? " refuses the " : " is not EDN's "));
            CHECK(!o.figures.synced);
            CHECK_SYNCED(device_sync(&w, &w.d[0]));
            world_free(&w);
        }
}

static void a_lost_answer_to_a_push_is_found_out_by_pulling(void **state)
{
    world w;
    outcome o;

    (void)state;
    world_init(&w);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    device_write(&w, &w.d[0]);
    o = sync_refused(&w, &w.d[0], (refusal){.path = "/v1/push", .carried = EDN_E_NETWORK});
    CHECK_STATUS(o.status, EDN_E_NETWORK);
    CHECK_INT(w.srv.shelf.n, 1); /* it did arrive */
    device_write(&w, &w.d[0]);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    CHECK_INT(w.srv.shelf.n, 2);
    world_free(&w);
}

static void a_token_that_is_refused_is_renewed_once(void **state)
{
    world w;
    outcome o;

    (void)state;
    world_init(&w);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    device_write(&w, &w.d[0]);
    strcpy(w.d[0].remote.token, "stale");
    o = device_sync(&w, &w.d[0]);
    CHECK_SYNCED(o);
    CHECK_INT(w.srv.logins, 2);
    CHECK_INT(o.figures.round_trips, 4);
    device_write(&w, &w.d[0]);
    o = sync_refused(&w, &w.d[0], (refusal){.path = "/v1/push", .status = 401});
    CHECK_STATUS(o.status, EDN_E_DENIED);
    CHECK_INT(w.srv.logins, 3);
    world_free(&w);
}

static void a_token_is_used_until_its_servers_clock_says_no(void **state)
{
    world w;

    (void)state;
    world_init(&w);
    w.srv.clock_ms += 10ull * 365 * 86400 * 1000; /* ten years ahead of the device */
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    device_write(&w, &w.d[0]);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    CHECK_INT(w.srv.logins, 1);
    w.d[0].clock_ms += 594000;
    device_write(&w, &w.d[0]);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    CHECK_INT(w.srv.logins, 1);
    w.d[0].clock_ms += 1000; /* five seconds before the end it counts as over */
    w.srv.clock_ms += 595000;
    device_write(&w, &w.d[0]);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    CHECK_INT(w.srv.logins, 2);
    world_free(&w);
}

static void a_failed_save_ends_the_sync_with_its_status(void **state)
{
    world w;
    device *b;
    line l = {.save = EDN_E_FULL};
    outcome o;

    (void)state;
    world_init(&w);
    b = world_add(&w);
    device_write(&w, &w.d[0]);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    o = device_sync_on(&w, b, &l);
    CHECK_STATUS(o.status, EDN_E_FULL);
    CHECK(!o.figures.synced);
    CHECK_INT(o.figures.batches_received, 0);
    CHECK_SYNCED(device_sync(&w, b));
    CHECK_INT(b->shelf.n, 1);
    world_free(&w);
}

/* ---- a server that lost something -------------------------------------------------------------------------------- */

static void a_server_that_lost_the_account_is_refilled(void **state)
{
    world w;
    device *b;
    outcome o;

    (void)state;
    world_init(&w);
    b = world_add(&w);
    device_write(&w, b);
    CHECK_SYNCED(device_sync(&w, b));
    device_write(&w, &w.d[0]);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    w.srv.present = false;
    links_cut(&w.srv.links, 0);
    shelf_cut(&w.srv.shelf, 0);
    o = device_sync(&w, &w.d[0]);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK(o.figures.synced);
    CHECK(o.figures.rolled_back);
    CHECK_INT(o.figures.refilled, 2);
    CHECK_INT(o.findings_n, 1);
    CHECK_STATUS(o.findings[0].status, EDN_E_ROLLBACK);
    CHECK_INT(w.srv.shelf.n, 2);
    CHECK_INT(w.srv.links.n, 2);
    world_free(&w);
}

static void a_lost_account_is_pulled_before_anything_is_sent(void **state)
{
    world w;
    outcome o;

    (void)state;
    world_init(&w);
    device_write(&w, &w.d[0]);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    device_write(&w, &w.d[0]);
    w.srv.present = false;
    links_cut(&w.srv.links, 0);
    shelf_cut(&w.srv.shelf, 0);
    o = device_sync(&w, &w.d[0]);
    CHECK(o.figures.synced && o.figures.rolled_back);
    CHECK_INT(o.figures.round_trips, 8); /* push, challenge, login, register, challenge, login, pull, push */
    CHECK_INT(o.figures.refilled, 1);
    CHECK_INT(w.srv.shelf.n, 2);
    world_free(&w);
}

static void a_server_that_takes_no_accounts_denies(void **state)
{
    world w;
    outcome o;

    (void)state;
    world_init(&w);
    w.srv.present = false;
    links_cut(&w.srv.links, 0);
    o = sync_refused(&w, &w.d[0], (refusal){.path = "/v1/accounts", .status = 403, .body = "{}"});
    CHECK_STATUS(o.status, EDN_E_DENIED);
    CHECK(outcome_find(&o, EDN_E_DENIED) != NULL);
    world_free(&w);
}

static void a_new_account_is_no_loss(void **state)
{
    world w;
    outcome o;

    (void)state;
    world_init(&w);
    w.srv.present = false;
    links_cut(&w.srv.links, 0);
    device_write(&w, &w.d[0]);
    o = device_sync(&w, &w.d[0]);
    CHECK_SYNCED(o);
    CHECK_INT(o.figures.links_sent, 1);
    CHECK(!o.figures.rolled_back);
    world_free(&w);
}

static void an_account_that_is_taken_in_other_words_is_not(void **state)
{
    world w;
    outcome o;

    (void)state;
    world_init(&w);
    w.srv.present = false;
    links_cut(&w.srv.links, 0);
    o = sync_refused(&w, &w.d[0], (refusal){.path = "/v1/accounts", .status = 201, .body = "{}"});
    CHECK_STATUS(o.status, EDN_E_SERVER);
    CHECK_INT(o.figures.links_sent, 0);
    world_free(&w);
}

static void an_account_is_registered_once_and_no_more(void **state)
{
    world w;
    outcome o;

    (void)state;
    world_init(&w);
    o = sync_refused(&w, &w.d[0], (refusal){.path = "/v1/login", .status = 403});
    CHECK_STATUS(o.status, EDN_E_DENIED); /* 409 with the same log: login again, refused again */
    CHECK(outcome_find(&o, EDN_E_DENIED) != NULL);
    CHECK_INT(o.figures.round_trips, 6); /* server, challenge, login, register, challenge, login */
    world_free(&w);
}

/* The server knows the account, and says so in no words of the protocol: no second login. */
static void an_account_that_the_server_knows_otherwise_is_not_asked_for_again(void **state)
{
    static const char *const bodies[] = {"", "{}"};

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(bodies); i++) {
        world w;
        outcome o;
        world_init(&w);
        w.srv.present = false;
        links_cut(&w.srv.links, 0);
        o = sync_refused(&w, &w.d[0], (refusal){.path = "/v1/accounts", .status = 409, .body = bodies[i]});
        CHECK_STATUS(o.status, EDN_E_DENIED);
        CHECK_INT(o.figures.round_trips, 4); /* server, challenge, login, register */
        world_free(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_contact_pins_the_receipt_key_and_registers_what_is_signed),
        cmocka_unit_test(nothing_new_costs_one_round_trip_without_a_token),
        cmocka_unit_test(an_edit_costs_one_round_trip),
        cmocka_unit_test(a_second_device_gets_everything_and_sends_its_own),
        cmocka_unit_test(a_push_that_came_second_pulls_what_came_first),
        cmocka_unit_test(answers_that_were_cut_are_asked_for_again),
        cmocka_unit_test(more_than_one_request_is_pushed_in_several),
        cmocka_unit_test(new_links_are_taken_and_later_batches_with_them),
        cmocka_unit_test(links_that_the_server_lacks_are_appended),
        cmocka_unit_test(a_busy_server_is_left_alone_for_as_long_as_it_asks),
        cmocka_unit_test(every_request_may_fail_and_the_next_sync_goes_on),
        cmocka_unit_test(what_is_not_the_protocol_is_said_to_be_so),
        cmocka_unit_test(a_lost_answer_to_a_push_is_found_out_by_pulling),
        cmocka_unit_test(a_token_that_is_refused_is_renewed_once),
        cmocka_unit_test(a_token_is_used_until_its_servers_clock_says_no),
        cmocka_unit_test(a_failed_save_ends_the_sync_with_its_status),
        cmocka_unit_test(a_server_that_lost_the_account_is_refilled),
        cmocka_unit_test(a_new_account_is_no_loss),
        cmocka_unit_test(an_account_that_is_taken_in_other_words_is_not),
        cmocka_unit_test(an_account_is_registered_once_and_no_more),
        cmocka_unit_test(an_account_that_the_server_knows_otherwise_is_not_asked_for_again),
        cmocka_unit_test(a_long_refill_goes_on_though_others_write_all_the_time),
        cmocka_unit_test(a_full_sync_pulls_before_it_pushes),
        cmocka_unit_test(a_sync_has_no_more_requests_than_its_bound),
        cmocka_unit_test(what_is_asked_is_the_same_until_it_is_answered),
        cmocka_unit_test(a_lost_account_is_pulled_before_anything_is_sent),
        cmocka_unit_test(a_server_that_takes_no_accounts_denies),
        cmocka_unit_test(links_that_the_server_refuses_end_no_sync),
        cmocka_unit_test(links_go_with_the_boxes_that_they_name),
        cmocka_unit_test(more_links_than_one_request_carries_go_in_several),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
