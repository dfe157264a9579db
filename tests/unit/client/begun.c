/* What was begun with a server and never heard of again: the same command finishes it, and nothing is left behind. */
#include "check.h"

#include <unistd.h>

#include "keys/keys.h"
#include "world.h"

/* The world's transport, on which every answer from one exchange on is lost: what was asked is done, and nobody hears
 * of it. */
typedef struct deaf {
    world *w;
    uint64_t from; /* 0: hears all */
} deaf;

static edn_status deaf_exchange(void *ctx, const edn_http_request *rq, edn_http_answer *out, edn_err *err)
{
    deaf *d = ctx;
    edn_status st = d->w->transport.exchange(d->w->transport.ctx, rq, out, err);

    if (st != EDN_OK || d->from == 0 || d->w->exchanges < d->from)
        return st;
    edn_buf_reset(&out->body);
    return edn_fail(err, EDN_E_NETWORK, "the answer was lost");
}

typedef struct scene {
    world *w;
    deaf deaf;
    edn_transport transport;
    char home[256], key[EDN_ACCOUNT_KEY_TEXT_MAX];
    edn_client_options o;
    edn_init_options init;
    edn_login_options login;
} scene;

static void scene_begin(scene *s, world *w)
{
    *s = (scene){.w = w, .deaf = {w, 0}};
    s->transport = (edn_transport){.ctx = &s->deaf, .exchange = deaf_exchange};
    world_home(w, "x", s->home);
    s->o = world_options(w, s->home);
    s->o.transport = &s->transport;
    s->init = (edn_init_options){.server = WORLD_ORIGIN, .name = "kim", .strength = EDN_STRENGTH_FLOOR};
    s->login = (edn_login_options){.server = WORLD_ORIGIN,
                                   .name = WORLD_NAME,
                                   .device_name = "x",
                                   .strength = EDN_STRENGTH_FLOOR,
                                   .account_key = edn_bytes_str(w->account_key)};
}

static edn_status init(scene *s, const char *passphrase, edn_client **c, edn_err *err)
{
    return edn_client_init(&s->o, &s->init, edn_bytes_str(passphrase), s->key, c, err);
}

static edn_status login(scene *s, const char *passphrase, edn_client **c, edn_err *err)
{
    return edn_client_login(&s->o, &s->login, edn_bytes_str(passphrase), c, err);
}

static void sync_ok(edn_client *c)
{
    edn_sync_result r;
    edn_err err;
    edn_status st = edn_client_sync(c, NULL, &r, &err);

    if (st != EDN_OK)
        print_error("%s\n", err.text);
    CHECK_OK(st);
    CHECK(r.synced);
}

static uint64_t devices(edn_client *c)
{
    edn_client_status s;

    CHECK_OK(edn_client_status_get(c, &s, NULL));
    return s.heads_n;
}

static void an_account_is_finished_whichever_answers_are_lost(void **state)
{
    (void)state;
    for (uint64_t lost = 1; lost <= 2; lost++) {
        scene s;
        edn_client *c = NULL;
        edn_err err;
        scene_begin(&s, world_new());
        for (int again = 0; again < 2; again++) {
            s.deaf.from = s.w->exchanges + lost;
            CHECK_STATUS(init(&s, WORLD_PASSPHRASE, &c, &err), EDN_E_NETWORK);
            assert_null(c);
            CHECK_STATUS(edn_client_open(&s.o, &c, &err), EDN_E_MISSING); /* it is no diary yet */
        }
        s.deaf.from = 0;
        CHECK_OK(init(&s, WORLD_PASSPHRASE, &c, &err)); /* the name is its own */
        CHECK(strlen(s.key) > 20);
        sync_ok(c);
        CHECK_INT(devices(c), 1);
        edn_client_close(c);
        CHECK_OK(edn_client_open(&s.o, &c, &err));
        CHECK_OK(edn_client_unlock(c, edn_bytes_str(WORLD_PASSPHRASE), &err));
        edn_client_close(c);
        world_free(s.w);
    }
}

static void a_login_is_finished_whichever_answers_are_lost(void **state)
{
    (void)state;
    for (uint64_t lost = 1; lost <= 6; lost++) {
        scene s;
        edn_client *c = NULL;
        edn_err err;
        scene_begin(&s, world_of_two());
        s.deaf.from = s.w->exchanges + lost;
        CHECK_STATUS(login(&s, WORLD_PASSPHRASE, &c, &err), EDN_E_NETWORK);
        assert_null(c);
        CHECK_INT(access(s.home, F_OK) == 0, lost == 6); /* its keys are kept once the server may have heard of them */
        CHECK_STATUS(edn_client_open(&s.o, &c, &err), EDN_E_MISSING);
        s.deaf.from = lost == 6 ? s.w->exchanges + 4 : 0; /* and the second try is cut off too */
        if (lost == 6)
            CHECK_STATUS(login(&s, WORLD_PASSPHRASE, &c, &err), EDN_E_NETWORK);
        s.deaf.from = 0;
        CHECK_OK(login(&s, WORLD_PASSPHRASE, &c, &err));
        sync_ok(c);
        CHECK_INT(devices(c), 3); /* a, b and one more: no ghost of an earlier try */
        edn_client_close(c);
        world_free(s.w);
    }
}

static void what_was_begun_is_finished_by_the_same_command_only(void **state)
{
    (void)state;
    scene s;
    edn_client *c = NULL;
    edn_err err;

    scene_begin(&s, world_of_two());
    s.deaf.from = s.w->exchanges + 2;
    CHECK_STATUS(init(&s, WORLD_PASSPHRASE, &c, &err), EDN_E_NETWORK);
    s.deaf.from = 0;
    CHECK_STATUS(init(&s, "another passphrase of words", &c, &err), EDN_E_PASSPHRASE);
    CHECK_STATUS(login(&s, WORLD_PASSPHRASE, &c, &err), EDN_E_EXISTS);
    s.init.name = "lee";
    CHECK_STATUS(init(&s, WORLD_PASSPHRASE, &c, &err), EDN_E_EXISTS);
    CHECK(strstr(err.text, "--name kim"));
    s.init.server = NULL;
    CHECK_STATUS(init(&s, WORLD_PASSPHRASE, &c, &err), EDN_E_EXISTS);
    s.init.server = WORLD_ORIGIN;
    s.init.name = "kim";
    CHECK_OK(init(&s, WORLD_PASSPHRASE, &c, &err));
    edn_client_close(c);
    CHECK_STATUS(init(&s, WORLD_PASSPHRASE, &c, &err), EDN_E_EXISTS);
    world_free(s.w);
}

static void a_name_that_is_taken_leaves_nothing_behind(void **state)
{
    (void)state;
    scene s;
    edn_client *c = NULL;
    edn_err err;

    scene_begin(&s, world_of_two());
    s.init.name = WORLD_NAME;
    CHECK_STATUS(init(&s, WORLD_PASSPHRASE, &c, &err), EDN_E_EXISTS);
    CHECK(access(s.home, F_OK) != 0);
    world_free(s.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_account_is_finished_whichever_answers_are_lost),
        cmocka_unit_test(a_login_is_finished_whichever_answers_are_lost),
        cmocka_unit_test(what_was_begun_is_finished_by_the_same_command_only),
        cmocka_unit_test(a_name_that_is_taken_leaves_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
