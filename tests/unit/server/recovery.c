/* Recovery from shares: who knows the set gets the log, and the box after the wait, unless a device said no. Everybody
 * else gets one answer (A18, A26). */
#include "server/server_priv.h"
#include "server_kit.h"

#define WAIT_MS (EDN_SERVER_RECOVERY_WAIT_S * 1000ull)
#define GOOD_MS (SERVER_RECOVERY_GOOD_S * 1000ull)
#define SET 7

typedef struct fixture {
    kit k;
    person p;
    edn_buf tokens[2]; /* of its two devices */
    edn_arena a;
    edn_msg_held m; /* the last good answer */
} fixture;

static void sign_in(fixture *f)
{
    for (size_t i = 0; i < 2; i++) {
        edn_buf_reset(&f->tokens[i]);
        person_sign_in(&f->p, i, kit_ask, &f->k, &f->tokens[i]);
    }
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    kit_init(&f->k);
    person_init(&f->p, 1);
    (void)person_add_device(&f->p, EDN_CAP_READ | EDN_CAP_WRITE);
    person_set_recovery(&f->p, SET);
    kit_register(&f->k, &f->p);
    f->a = edn_arena_init((size_t)8 << 20);
    f->tokens[0] = f->tokens[1] = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);
    sign_in(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    person_dispose(&f->p);
    kit_dispose(&f->k);
    edn_buf_dispose(&f->tokens[0]);
    edn_buf_dispose(&f->tokens[1]);
    edn_arena_dispose(&f->a);
    free(f);
    return 0;
}

static void restart(fixture *f)
{
    kit_close(&f->k);
    kit_open(&f->k);
}

static int send(fixture *f, const char *path, edn_bytes token, edn_buf *rq, edn_buf *answer)
{
    edn_buf body = EDN_BUF_INIT(0), *out = answer ? answer : &body;
    edn_bytes kept;
    int status = kit_ask(&f->k, "POST", path, token, edn_buf_view(rq), out);

    if (status == 200) {
        CHECK(edn_arena_copy(&f->a, edn_buf_view(out), &kept));
        CHECK_OK(edn_held_decode(&f->a, kept, &f->m));
    }
    edn_buf_dispose(rq);
    edn_buf_dispose(&body);
    return status;
}

static int ask_of(fixture *f, const edn_account_id *account, uint8_t set, uint8_t kind, uint64_t begun, edn_buf *answer)
{
    edn_msg_set_ask m = {.kind = kind, .account = *account, .begun = begun};
    edn_buf rq = EDN_BUF_INIT(4096);

    memset(m.set, set, sizeof m.set);
    edn_set_ask_put(&rq, &m);
    return send(f, "/v1/recovery", EDN_BYTES_EMPTY, &rq, answer);
}

static int look(fixture *f) { return ask_of(f, &f->p.account, SET, EDN_SET_LOOK, 0, NULL); }
static int ask(fixture *f, uint64_t begun) { return ask_of(f, &f->p.account, SET, EDN_SET_ASK, begun, NULL); }

static int held(fixture *f, size_t device)
{
    edn_msg_held_ask m = {.kind = EDN_HELD_LOOK};
    edn_buf rq = EDN_BUF_INIT(4096);

    edn_held_ask_put(&rq, &m);
    return send(f, "/v1/held", edn_buf_view(&f->tokens[device]), &rq, NULL);
}

/* With device `by`'s token, as signed by device `signer`. */
static int cancel(fixture *f, size_t by, size_t signer, uint64_t begun)
{
    edn_cancel what = {.account = f->p.account, .begun = begun, .device = f->p.devices[by].id, .time_ms = 1234};
    edn_msg_held_ask m = {.kind = EDN_HELD_CANCEL, .begun = begun, .time_ms = 1234};
    edn_buf rq = EDN_BUF_INIT(4096);

    memset(what.set, SET, sizeof what.set);
    edn_cancel_sign(&m.sig, &what, &f->p.devices[signer].sk);
    edn_held_ask_put(&rq, &m);
    return send(f, "/v1/held", edn_buf_view(&f->tokens[by]), &rq, NULL);
}

static void check_state(const fixture *f, uint8_t state, size_t boxes)
{
    CHECK_INT(f->m.state, state);
    CHECK_INT(f->m.boxes_n, boxes);
}

static void the_box_is_given_at_the_end_of_the_wait_and_not_before(void **state)
{
    fixture *f = *state;
    uint64_t begun, at;

    CHECK_INT(look(f), 200); /* which begins nothing */
    check_state(f, EDN_HELD_NONE, 0);
    CHECK_INT(f->m.links_n, f->p.links_n);
    CHECK_INT(ask(f, 0), 200);
    check_state(f, EDN_HELD_WAITING, 0);
    CHECK_INT(f->m.links_n, f->p.links_n);
    CHECK_INT(f->m.ready_s - f->m.asked_s, EDN_SERVER_RECOVERY_WAIT_S);
    begun = f->m.begun;
    at = f->k.now_ms;
    f->k.now_ms = at + WAIT_MS - 1000;
    restart(f); /* it outlives the server */
    CHECK_INT(ask(f, begun), 200);
    check_state(f, EDN_HELD_WAITING, 0);
    CHECK_INT(ask(f, 0), 200); /* whoever else asks joins it */
    check_state(f, EDN_HELD_WAITING, 0);
    CHECK_INT(f->m.begun, begun);
    for (int i = 0; i < 2; i++) {
        f->k.now_ms = at + WAIT_MS + (uint64_t)i * 1000;
        CHECK_INT(ask(f, begun), 200);
        check_state(f, EDN_HELD_READY, 1);
        CHECK_BYTES(f->m.boxes[0], f->p.boxes[f->p.boxes_n - 1]);
        CHECK_INT(ask(f, begun + 1), 200); /* another one: not this */
        check_state(f, EDN_HELD_READY, 0);
        CHECK_INT(look(f), 200);
        check_state(f, EDN_HELD_READY, 0);
    }
    f->k.now_ms = at + WAIT_MS + GOOD_MS - 1000;
    CHECK_INT(ask(f, begun), 200);
    check_state(f, EDN_HELD_READY, 1);
    for (int i = 0; i < 2; i++) {
        f->k.now_ms = at + WAIT_MS + GOOD_MS + (uint64_t)i * 1000;
        CHECK_INT(ask(f, begun), 200);
        check_state(f, EDN_HELD_NONE, 0);
    }
    CHECK_INT(ask(f, 0), 200);
    check_state(f, EDN_HELD_WAITING, 0);
    CHECK(f->m.begun > begun);
}

static void the_operator_may_shorten_the_wait_and_not_lengthen_it(void **state)
{
    fixture *f = *state;
    uint64_t asked;

    CHECK_INT(ask(f, 0), 200);
    asked = f->m.asked_s;
    f->k.config.limits.recovery_wait_s = 60;
    restart(f);
    CHECK_INT(ask(f, 0), 200);
    CHECK_INT(f->m.ready_s, asked + 60);
    f->k.config.limits.recovery_wait_s = 2 * EDN_SERVER_RECOVERY_WAIT_S;
    restart(f);
    CHECK_INT(ask(f, 0), 200);
    CHECK_INT(f->m.ready_s, asked + EDN_SERVER_RECOVERY_WAIT_S);
    f->k.config.limits.recovery_wait_s = 0;
    restart(f);
    CHECK_INT(ask(f, 0), 200);
    check_state(f, EDN_HELD_READY, 1);
}

static void a_device_cancels_it_with_its_own_signature(void **state)
{
    fixture *f = *state;
    uint64_t begun, number;

    CHECK_INT(cancel(f, 0, 0, 1), 409); /* there is none */
    CHECK_INT(ask(f, 0), 200);
    begun = f->m.begun;
    CHECK_INT(cancel(f, 0, 0, begun + 1), 409);
    CHECK_INT(cancel(f, 0, 1, begun), 403); /* signed by another */
    CHECK_INT(held(f, 1), 200);
    check_state(f, EDN_HELD_WAITING, 0);
    number = f->m.number;
    CHECK_INT(cancel(f, 1, 1, begun), 200);
    check_state(f, EDN_HELD_CANCELLED, 0);
    CHECK(f->m.number > number && f->m.begun == begun);
    CHECK_BYTES(EDN_F(f->m.device), EDN_F(f->p.devices[1].id));
    CHECK_INT(cancel(f, 1, 1, begun), 200); /* an answer that was lost */
    CHECK_INT(cancel(f, 0, 0, begun), 200); /* the first has done it */
    CHECK_BYTES(EDN_F(f->m.device), EDN_F(f->p.devices[1].id));
    restart(f);
    f->k.now_ms += WAIT_MS;
    CHECK_INT(ask(f, begun), 200); /* who had asked is shown who did it, and gets no box */
    check_state(f, EDN_HELD_CANCELLED, 0);
    CHECK_INT(f->m.cancelled_ms, 1234);
    CHECK_INT(ask(f, 0), 200); /* another one waits anew */
    check_state(f, EDN_HELD_WAITING, 0);
    f->k.now_ms += WAIT_MS; /* and can be cancelled when it is ready, too */
    sign_in(f);
    CHECK_INT(cancel(f, 0, 0, f->m.begun), 200);
    CHECK_INT(ask(f, f->m.begun), 200);
    check_state(f, EDN_HELD_CANCELLED, 0);
}

static void append_links(fixture *f, size_t links, size_t boxes)
{
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
    edn_msg_log_append m = {f->p.links + links, f->p.links_n - links, f->p.boxes + boxes, f->p.boxes_n - boxes};

    edn_log_append_put(&rq, &m);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/log", edn_buf_view(&f->tokens[0]), edn_buf_view(&rq), NULL), 200);
    edn_buf_dispose(&rq);
}

static void a_newer_set_ends_it(void **state)
{
    fixture *f = *state;
    size_t links = f->p.links_n, boxes = f->p.boxes_n;
    uint64_t begun;

    CHECK_INT(ask(f, 0), 200);
    begun = f->m.begun;
    person_set_recovery(&f->p, SET + 1);
    append_links(f, links, boxes);
    CHECK_INT(look(f), 401);
    CHECK_INT(ask_of(f, &f->p.account, SET + 1, EDN_SET_LOOK, 0, NULL), 200); /* and does not stand in its way */
    check_state(f, EDN_HELD_NONE, 0);
    CHECK_INT(ask_of(f, &f->p.account, SET + 1, EDN_SET_ASK, 0, NULL), 200);
    check_state(f, EDN_HELD_WAITING, 0);
    CHECK(f->m.begun > begun);
    CHECK_INT(f->m.set[0], SET + 1);
}

static void a_revoked_device_cancels_nothing(void **state)
{
    fixture *f = *state;
    size_t links = f->p.links_n, boxes = f->p.boxes_n;

    CHECK_INT(ask(f, 0), 200);
    person_revoke(&f->p, 1);
    append_links(f, links, boxes);
    CHECK_INT(cancel(f, 1, 1, f->m.begun), 401);
    CHECK_INT(held(f, 1), 401);
    CHECK_INT(held(f, 0), 200);
    check_state(f, EDN_HELD_WAITING, 0);
}

/* A state that every device asks by: what changes about a recovery is news at the next probe, and once. */
static edn_etag etag_of(fixture *f)
{
    edn_msg_pulled m;
    edn_buf rq = EDN_BUF_INIT(4096), body = EDN_BUF_INIT(0);
    edn_hash heads;
    edn_etag out;

    person_pull(&f->p, 0, NULL, 0, &rq);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/pull", edn_buf_view(&f->tokens[0]), edn_buf_view(&rq), &body), 200);
    CHECK_OK(edn_pulled_decode(&f->a, edn_buf_view(&body), &m));
    heads = edn_heads_hash(m.heads, m.heads_n);
    out = edn_etag_of(&f->p.space, m.log_count, &m.log_head, &heads, m.recovery);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&body);
    return out;
}

static void each_change_is_news_to_devices(void **state)
{
    fixture *f = *state;
    const edn_server_change *changes;
    edn_etag before = etag_of(f), after;

    (void)edn_server_changes(f->k.s, &changes);
    CHECK_INT(look(f), 200);
    CHECK_INT(edn_server_changes(f->k.s, &changes), 0);
    CHECK_INT(ask(f, 0), 200);
    after = etag_of(f);
    CHECK_INT(edn_server_changes(f->k.s, &changes), 1); /* those who listen hear it at once */
    CHECK_BYTES(EDN_F(changes[0].etag), EDN_F(after));
    CHECK(memcmp(&before, &after, sizeof before) != 0);
    before = after;
    CHECK_INT(ask(f, 0), 200);
    CHECK_INT(edn_server_changes(f->k.s, &changes), 0);
    CHECK_INT(cancel(f, 0, 0, f->m.begun), 200);
    after = etag_of(f);
    CHECK_INT(edn_server_changes(f->k.s, &changes), 1);
    CHECK(memcmp(&before, &after, sizeof before) != 0);
}

static void all_that_does_not_fit_is_answered_alike(void **state)
{
    fixture *f = *state;
    edn_account_id nobody = {{9}};
    edn_buf a = EDN_BUF_INIT(0), b = EDN_BUF_INIT(0);

    for (uint8_t kind = EDN_SET_LOOK; kind <= EDN_SET_ASK; kind++) {
        CHECK_INT(ask_of(f, &nobody, SET, kind, 0, &a), 401); /* no such account */
        CHECK_INT(ask_of(f, &f->p.account, SET + 1, kind, 0, &b), 401);
        CHECK_BYTES(edn_buf_view(&a), edn_buf_view(&b));
    }
    CHECK_INT(look(f), 200);
    check_state(f, EDN_HELD_NONE, 0); /* none of it began anything */
    f->k.config.limits.login_address_per_min = 2;
    restart(f);
    CHECK_INT(ask_of(f, &nobody, SET, EDN_SET_ASK, 0, NULL), 401);
    CHECK_INT(look(f), 200);
    CHECK_INT(look(f), 429);
    edn_buf_dispose(&a);
    edn_buf_dispose(&b);
}

/* ---- shares that others keep ------------------------------------------------------------------------------------- */

static int shares_of(fixture *f, const edn_account_id *account, uint8_t set, edn_msg_share_ask m, edn_msg_shares *out)
{
    edn_buf rq = EDN_BUF_INIT(4096), body = EDN_BUF_INIT(0);
    edn_msg_shares ignored;
    edn_bytes kept;
    int status;

    m.account = *account;
    memset(m.set, set, sizeof m.set);
    edn_share_ask_put(&rq, &m);
    status = kit_ask(&f->k, "POST", "/v1/shares", EDN_BYTES_EMPTY, edn_buf_view(&rq), &body);
    if (status == 200) {
        CHECK(edn_arena_copy(&f->a, edn_buf_view(&body), &kept));
        CHECK_OK(edn_shares_decode(&f->a, kept, out ? out : &ignored));
    }
    edn_buf_dispose(&rq);
    edn_buf_dispose(&body);
    return status;
}

static edn_msg_shares shares_shown(fixture *f)
{
    edn_msg_shares m;

    CHECK_INT(shares_of(f, &f->p.account, SET, (edn_msg_share_ask){.kind = EDN_SHARES_LOOK}, &m), 200);
    return m;
}

/* Asked for by the key that is `key` repeated. */
static int want(fixture *f, uint8_t key, edn_msg_shares *out)
{
    edn_msg_share_ask m = {.kind = EDN_SHARES_WANT};

    memset(m.key, key, sizeof m.key);
    return shares_of(f, &f->p.account, SET, m, out);
}

static int give(fixture *f, uint8_t key, const char *what, edn_msg_shares *out)
{
    edn_msg_share_ask m = {.kind = EDN_SHARES_GIVE, .give = edn_bytes_str(what)};

    memset(m.key, key, sizeof m.key);
    return shares_of(f, &f->p.account, SET, m, out);
}

static void what_is_given_for_a_request_is_there_for_who_asked(void **state)
{
    fixture *f = *state;
    edn_msg_shares m;

    CHECK_INT(want(f, 1, &m), 200); /* nobody recovers: no device was told, so nothing is asked for */
    CHECK_INT(m.state, EDN_HELD_NONE);
    CHECK_INT(ask(f, 0), 200);
    CHECK_INT(shares_shown(f).keys_n, 0);
    CHECK_INT(give(f, 1, "early", NULL), 409);
    CHECK_INT(want(f, 2, &m), 200);
    CHECK_INT(m.state, EDN_HELD_WAITING);
    CHECK_INT(want(f, 1, NULL), 200);
    CHECK_INT(want(f, 1, NULL), 200); /* said again */
    m = shares_shown(f);
    CHECK_INT(m.keys_n, 2);
    CHECK(m.keys[0].b[31] == 1 && m.keys[1].b[0] == 2);
    CHECK_INT(m.gives_n, 0);
    CHECK_INT(give(f, 2, "of ben", &m), 200);
    CHECK_INT(m.gives_n + m.keys_n, 0); /* who gives is shown nothing */
    CHECK_INT(give(f, 2, "of carl", NULL), 200);
    CHECK_INT(give(f, 2, "of ben", NULL), 200); /* an answer that was lost */
    restart(f);                                 /* it outlives the server */
    CHECK_INT(want(f, 2, &m), 200);
    CHECK_INT(m.keys_n, 0);
    CHECK_INT(m.gives_n, 2);
    CHECK_STR(m.gives[0], "of ben");
    CHECK_STR(m.gives[1], "of carl");
    CHECK_INT(want(f, 1, &m), 200); /* another's */
    CHECK_INT(m.gives_n, 0);
    CHECK_INT(give(f, 3, "for nobody", NULL), 409);
}

static void requests_end_with_their_recovery(void **state)
{
    fixture *f = *state;
    edn_msg_shares m;

    CHECK_INT(ask(f, 0), 200);
    CHECK_INT(want(f, 1, NULL), 200);
    CHECK_INT(give(f, 1, "of ben", NULL), 200);
    CHECK_INT(ask(f, f->m.begun), 200); /* joining it leaves them */
    CHECK_INT(shares_shown(f).keys_n, 1);
    CHECK_INT(cancel(f, 0, 0, f->m.begun), 200);
    CHECK_INT(give(f, 1, "late", &m), 200); /* and is told why nothing came of it */
    CHECK_INT(m.state, EDN_HELD_CANCELLED);
    CHECK_INT(shares_shown(f).keys_n, 0);
    CHECK_INT(ask(f, 0), 200);
    CHECK_INT(shares_shown(f).keys_n, 0); /* what was given to the one before is gone */
    CHECK_INT(want(f, 1, &m), 200);
    CHECK_INT(m.gives_n, 0);
    f->k.now_ms += WAIT_MS + GOOD_MS; /* and so with its time */
    CHECK_INT(want(f, 1, &m), 200);
    CHECK_INT(m.state, EDN_HELD_NONE);
}

static edn_status count_share(void *cb, const edn_meta_share *row)
{
    (void)row;
    ++*(unsigned *)cb;
    return EDN_OK;
}

/* How many rows lie there. */
static unsigned share_rows(fixture *f)
{
    edn_meta_account account;
    unsigned n = 0;

    CHECK_OK(f->k.meta.account_find(f->k.meta.ctx, &f->p.account, &account));
    CHECK_OK(f->k.meta.shares_each(f->k.meta.ctx, account.n, count_share, &n));
    return n;
}

static void sweep(fixture *f)
{
    f->k.now_ms += 86400000;
    for (int i = 0; i < 600; i++) /* a round and more */
        edn_server_tick(f->k.s);
}

static void what_was_given_is_swept_away_when_its_time_is_over(void **state)
{
    fixture *f = *state;

    CHECK_INT(ask(f, 0), 200);
    CHECK_INT(want(f, 1, NULL), 200);
    CHECK_INT(give(f, 1, "of ben", NULL), 200);
    CHECK_INT(share_rows(f), 2);
    f->k.now_ms += WAIT_MS;
    sweep(f);
    CHECK_INT(share_rows(f), 2);
    f->k.now_ms += GOOD_MS;
    sweep(f);
    CHECK_INT(share_rows(f), 0);
}

static void requests_and_gives_are_taken_up_to_their_limits(void **state)
{
    fixture *f = *state;
    edn_msg_shares m;
    char text[16];

    f->k.config.limits.login_address_per_min = 0;
    restart(f);
    CHECK_INT(ask(f, 0), 200);
    for (unsigned i = 1; i <= EDN_SHARE_REQUESTS_MAX; i++)
        CHECK_INT(want(f, (uint8_t)i, NULL), 200);
    CHECK_INT(want(f, 200, NULL), 507); /* none is pushed aside */
    CHECK_INT(want(f, 1, NULL), 200);
    CHECK_INT(shares_shown(f).keys_n, EDN_SHARE_REQUESTS_MAX);
    for (unsigned i = 0; i < EDN_SHARE_GIVES_MAX; i++) {
        snprintf(text, sizeof text, "%u", i);
        CHECK_INT(give(f, 1, text, NULL), 200);
    }
    CHECK_INT(give(f, 1, "more", NULL), 507);
    CHECK_INT(give(f, 1, "0", NULL), 200);
    CHECK_INT(want(f, 1, &m), 200);
    CHECK_INT(m.gives_n, EDN_SHARE_GIVES_MAX);
    CHECK_INT(give(f, 2, "another's", NULL), 200);
}

static void shares_of_what_does_not_fit_are_answered_alike(void **state)
{
    fixture *f = *state;
    edn_account_id nobody = {{9}};

    CHECK_INT(ask(f, 0), 200);
    for (uint8_t kind = EDN_SHARES_LOOK; kind <= EDN_SHARES_GIVE; kind++) {
        edn_msg_share_ask m = {.kind = kind, .give = kind == EDN_SHARES_GIVE ? edn_bytes_str("x") : EDN_BYTES_EMPTY};
        CHECK_INT(shares_of(f, &nobody, SET, m, NULL), 401);
        CHECK_INT(shares_of(f, &f->p.account, SET + 1, m, NULL), 401);
    }
    f->k.config.limits.login_address_per_min = 1;
    restart(f);
    CHECK_INT(want(f, 1, NULL), 200);
    CHECK_INT(want(f, 1, NULL), 429);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_box_is_given_at_the_end_of_the_wait_and_not_before),
        T(the_operator_may_shorten_the_wait_and_not_lengthen_it),
        T(a_device_cancels_it_with_its_own_signature),
        T(a_newer_set_ends_it),
        T(a_revoked_device_cancels_nothing),
        T(each_change_is_news_to_devices),
        T(all_that_does_not_fit_is_answered_alike),
        T(what_is_given_for_a_request_is_there_for_who_asked),
        T(requests_end_with_their_recovery),
        T(what_was_given_is_swept_away_when_its_time_is_over),
        T(requests_and_gives_are_taken_up_to_their_limits),
        T(shares_of_what_does_not_fit_are_answered_alike),
    };
    CHECK_OK(edn_crypto_init());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
