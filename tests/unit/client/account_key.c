/* A new account key: one step wherever it is broken off, the same on every device in the end, and the old one is
 * dead. */
#include <edn/account.h>

#include "diarist.h"

#include "client/client_priv.h"
#include "crashvfs.h"

#define FRESH "a quite different phrase"

typedef struct key_text {
    char s[EDN_ACCOUNT_KEY_TEXT_MAX];
} key_text;

static key_text key_of(edn_client *c)
{
    edn_account_info info;
    key_text t = {""};

    CHECK_OK(edn_client_account(c, &info, NULL));
    memcpy(t.s, info.account_key, sizeof info.account_key);
    return t;
}

static bool same(key_text a, key_text b) { return strcmp(a.s, b.s) == 0; }

static edn_status login(world *w, const char *device, const char *passphrase, key_text key)
{
    char home[256];
    edn_client_options o;
    edn_login_options login = {.server = WORLD_ORIGIN,
                               .name = WORLD_NAME,
                               .device_name = device,
                               .strength = EDN_STRENGTH_FLOOR,
                               .account_key = edn_bytes_str(key.s)};
    edn_client *c = NULL;
    edn_err err = {EDN_OK, ""};
    edn_status st;

    world_home(w, device, home);
    tempdir_remove(home);
    o = world_options(w, home);
    st = edn_client_login(&o, &login, edn_bytes_str(passphrase), &c, &err);
    CHECK(st == EDN_OK || strlen(err.text) > 20);
    edn_client_close(c);
    return st;
}

static edn_status renew(edn_client *c, edn_err *err)
{
    return edn_client_account_key_renew(c, edn_bytes_str(WORLD_PASSPHRASE), err);
}

static void renew_ok(edn_client *c)
{
    edn_err err = {EDN_OK, ""};
    edn_status st = renew(c, &err);

    if (st != EDN_OK)
        print_error("renew: %s\n", err.text);
    CHECK_OK(st);
}

static edn_status count_news(void *ctx, const edn_account_change *change)
{
    CHECK_STR(edn_bytes_str(change->type), "passphrase");
    ++*(unsigned *)ctx;
    return EDN_OK;
}

static void the_old_one_is_dead_and_all_have_the_new(void **state)
{
    two t = two_open();
    key_text old = key_of(t.a), fresh;
    unsigned news = 0;

    (void)state;
    diary_sync(t.b);
    CHECK_OK(edn_client_log_news(t.b, count_news, &news, NULL));
    news = 0;
    renew_ok(t.a);
    fresh = key_of(t.a);
    CHECK(!same(old, fresh) && strlen(fresh.s) > 20);
    CHECK(diary_sync(t.a).synced);
    CHECK(diary_sync(t.b).synced);
    CHECK(same(key_of(t.b), fresh));
    CHECK_OK(edn_client_log_news(t.b, count_news, &news, NULL));
    CHECK_INT(news, 1); /* it is told */
    CHECK_STATUS(login(t.w, "c", WORLD_PASSPHRASE, old), EDN_E_PASSPHRASE);
    CHECK_OK(login(t.w, "c", WORLD_PASSPHRASE, fresh));
    edn_client_close(t.b);
    t.b = world_open(t.w, "b");
    CHECK(same(key_of(t.b), fresh)); /* kept */
    diary_check_verified(t.a);
    two_close(&t);
}

/* Whatever came first: the latest counts, on a device that was away for all of it. */
static void who_was_away_ends_with_the_latest(void **state)
{
    two t = two_open();
    key_text fresh;

    (void)state;
    renew_ok(t.a);
    diary_sync(t.a);
    CHECK_OK(edn_client_passphrase_change(t.a, edn_bytes_str(WORLD_PASSPHRASE), edn_bytes_str(FRESH),
                                          EDN_STRENGTH_FLOOR, NULL));
    CHECK_OK(edn_client_account_key_renew(t.a, edn_bytes_str(FRESH), NULL));
    CHECK_OK(edn_client_passphrase_change(t.a, edn_bytes_str(FRESH), edn_bytes_str(WORLD_PASSPHRASE),
                                          EDN_STRENGTH_FLOOR, NULL));
    fresh = key_of(t.a);
    diary_sync(t.a);
    diary_sync(t.b);
    CHECK(same(key_of(t.b), fresh));
    renew_ok(t.b); /* and it can go on from there */
    fresh = key_of(t.b);
    diary_sync(t.b);
    diary_sync(t.a);
    CHECK(same(key_of(t.a), fresh));
    CHECK_OK(login(t.w, "c", WORLD_PASSPHRASE, fresh));
    two_close(&t);
}

/* "b" knows of the new lock and not yet of the key: it changes nothing, and says what to do. */
static void who_has_not_heard_of_the_key_changes_nothing(void **state)
{
    two t = two_open();
    edn_err err;

    (void)state;
    renew_ok(t.a);
    CHECK_STATUS(renew(t.b, &err), EDN_E_PASSPHRASE);
    CHECK(strstr(err.text, "sync"));
    diary_sync(t.a);
    renew_ok(t.b);
    two_close(&t);
}

static void a_wrong_passphrase_renews_nothing(void **state)
{
    two t = two_open();
    key_text old = key_of(t.a);
    edn_err err;

    (void)state;
    CHECK_STATUS(edn_client_account_key_renew(t.a, edn_bytes_str("not the passphrase"), &err), EDN_E_PASSPHRASE);
    CHECK(same(key_of(t.a), old));
    CHECK_OK(login(t.w, "c", WORLD_PASSPHRASE, old));
    two_close(&t);
}

static uint64_t exchanges_of_a_renewal(two *t)
{
    uint64_t began = t->w->exchanges;

    renew_ok(t->a);
    return t->w->exchanges - began;
}

static void it_costs_the_same_whatever_the_diary_holds(void **state)
{
    two t = two_open();
    uint64_t few, many;

    (void)state;
    diary_sync(t.a);
    few = exchanges_of_a_renewal(&t);
    for (int i = 0; i < 300; i++)
        diary_add(t.a, "1660-01-01", "", "[a]");
    diary_sync(t.a);
    many = exchanges_of_a_renewal(&t);
    CHECK(many <= few);
    two_close(&t);
}

/* ---- accidents --------------------------------------------------------------------------------------------------- */

/* Once a sync has settled it: the device has the key that opens the account, and no other one does. */
static void check_settled(two *t, key_text old, bool acked, bool join)
{
    key_text now;

    (void)diary_sync(t->a); /* settles it; what it then has to tell goes with the next */
    CHECK(diary_sync(t->a).synced);
    now = key_of(t->a);
    CHECK(!acked || !same(now, old));
    diary_sync(t->b);
    CHECK(same(key_of(t->b), now));
    if (!join)
        return;
    CHECK_OK(login(t->w, "phone 2", WORLD_PASSPHRASE, now));
    if (!same(now, old))
        CHECK_STATUS(login(t->w, "phone 3", WORLD_PASSPHRASE, old), EDN_E_PASSPHRASE);
}

static void the_network_may_go_at_any_moment(void **state)
{
    bool acked = false;

    (void)state;
    for (uint64_t n = 1; !acked; n++) {
        two t = two_open();
        key_text old = key_of(t.a);
        edn_err err = {EDN_OK, ""};
        if (n % 2)
            t.w->down_from = t.w->exchanges + 1 + n / 2;
        else
            t.w->lose_answer = t.w->exchanges + n / 2;
        acked = renew(t.a, &err) == EDN_OK;
        CHECK(acked || err.status == EDN_E_NETWORK);
        t.w->down_from = t.w->lose_answer = 0;
        check_settled(&t, old, acked, n % 3 == 0);
        acked &= n % 2 != 0;
        two_close(&t);
    }
}

static bool power_at(uint64_t op)
{
    two t = {.w = world_new()};
    crashvfs *disk = crashvfs_new("key-home");
    key_text old;
    edn_err err;
    bool acked, dark;

    t.w->device_vfs = "key-home";
    t.a = world_init(t.w, "desk"); /* names of their own: keys are kept by name */
    t.w->device_vfs = NULL;
    t.b = world_login(t.w, "phone");
    old = key_of(t.a);
    crashvfs_cut_at(disk, crashvfs_ops(disk) + op);
    acked = renew(t.a, &err) == EDN_OK;
    edn_client_close(t.a);
    dark = crashvfs_is_dark(disk);
    CHECK(acked || dark);
    crashvfs_cut_at(disk, 0);
    if (dark)
        crashvfs_power(disk, (crashvfs_fate)(1 + op % (CRASHVFS_FATES - 1)), op);
    t.w->device_vfs = "key-home";
    t.a = world_open(t.w, "desk");
    t.w->device_vfs = NULL;
    check_settled(&t, old, acked, op % 3 == 0);
    two_close(&t);
    crashvfs_free(disk);
    return dark;
}

static void power_may_go_at_any_moment(void **state)
{
    uint64_t op = 1;

    (void)state;
    while (power_at(op))
        op += CHECK_ONE_IN;
    CHECK(op > 10);
}

/* The world's transport; the log's n-th answer is lost on the way, and something else is heard in its place. */
typedef struct proxy {
    world *w;
    int says;   /* 409: the request comes twice, and the second one is answered; 0: nothing is changed */
    bool after; /* and then nothing is heard for a while */
    bool gone;
} proxy;

static edn_status proxy_exchange(void *ctx, const edn_http_request *rq, edn_http_answer *out, edn_err *err)
{
    proxy *p = ctx;
    edn_status st;

    if (p->gone)
        return edn_fail(err, EDN_E_NETWORK, "nobody answers");
    st = p->w->transport.exchange(p->w->transport.ctx, rq, out, err);
    if (st != EDN_OK || !p->says || strcmp(rq->path, "/v1/log") != 0)
        return st;
    edn_buf_reset(&out->body);
    if (p->says == 409)
        st = p->w->transport.exchange(p->w->transport.ctx, rq, out, err);
    else
        out->status = p->says;
    p->says = 0;
    p->gone = p->after;
    return st;
}

static edn_client *open_by(world *w, const char *device, const edn_transport *by)
{
    char home[256];
    edn_client_options o;
    edn_client *c = NULL;

    world_home(w, device, home);
    o = world_options(w, home);
    o.transport = by;
    CHECK_OK(edn_client_open(&o, &c, NULL));
    CHECK_OK(edn_client_unlock(c, edn_bytes_str(WORLD_PASSPHRASE), NULL));
    return c;
}

/* A server did it, and something between it and the device says that it did not: neither key nor passphrase is lost. */
static void a_yes_may_be_heard_as_a_no(void **state)
{
    static const int answers[] = {409, 200, 429, 502, 503}; /* 200: of a hotel */
    two t = two_open();
    proxy p = {t.w, 0, false, false};
    edn_transport by = {.ctx = &p, .exchange = proxy_exchange};
    const char *passphrase = WORLD_PASSPHRASE;
    edn_client *a;
    edn_err err;

    (void)state;
    edn_client_close(t.a);
    a = open_by(t.w, "a", &by);
    for (size_t i = 0; i < EDN_COUNT(answers); i++) {
        key_text before = key_of(a);
        p.says = answers[i];
        CHECK_OK(renew(a, &err)); /* a sync tells at once */
        CHECK(!same(before, key_of(a)));
        CHECK_OK(login(t.w, "c", WORLD_PASSPHRASE, key_of(a)));
    }
    for (size_t i = 1; i < EDN_COUNT(answers); i++) {
        key_text before = key_of(a);
        p = (proxy){t.w, answers[i], true, false};
        CHECK(renew(a, &err) != EDN_OK); /* not known yet */
        CHECK(same(before, key_of(a)));
        p.gone = false;
        (void)diary_sync(a); /* which tells; the next one tells the others */
        CHECK(diary_sync(a).synced);
        CHECK(!same(before, key_of(a)));
        CHECK_OK(login(t.w, "c", WORLD_PASSPHRASE, key_of(a)));
    }
    p = (proxy){t.w, 502, true, false};
    CHECK(edn_client_passphrase_change(a, edn_bytes_str(passphrase), edn_bytes_str(FRESH), 0, &err) != EDN_OK);
    p.gone = false;
    CHECK(diary_sync(a).synced);
    edn_client_lock(a);
    CHECK_STATUS(edn_client_unlock(a, edn_bytes_str(passphrase), &err), EDN_E_PASSPHRASE);
    CHECK_OK(edn_client_unlock(a, edn_bytes_str(FRESH), &err));
    CHECK_OK(login(t.w, "c", FRESH, key_of(a)));
    t.a = a;
    two_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_old_one_is_dead_and_all_have_the_new),
        cmocka_unit_test(who_was_away_ends_with_the_latest),
        cmocka_unit_test(who_has_not_heard_of_the_key_changes_nothing),
        cmocka_unit_test(a_wrong_passphrase_renews_nothing),
        cmocka_unit_test(it_costs_the_same_whatever_the_diary_holds),
        cmocka_unit_test(the_network_may_go_at_any_moment),
        cmocka_unit_test(power_may_go_at_any_moment),
        cmocka_unit_test(a_yes_may_be_heard_as_a_no),
    };
    CHECK_OK(edn_crypto_init());
    cmocka_set_test_filter(getenv("T"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
