/* Power goes, or an answer is lost, while an account is made, joined, given a server or gets another passphrase: the
 * home is whole or was never finished, exactly one passphrase opens it in the end, and it is the account's. */
#include "diarist.h"

#include "crashvfs.h"

#define FRESH "a quite different phrase"

typedef struct ground {
    world *w;
    crashvfs *server, *empty; /* with the account of "a"; with nothing */
    crashvfs *a, *alone;      /* its home; a home without a server */
} ground;

static ground g;

static struct {
    const char *what;
    uint64_t op;
} trying;

static int tell(void **state)
{
    (void)state;
    if (trying.what)
        print_error("%s, at %llu\n", trying.what, (unsigned long long)trying.op);
    trying.what = NULL;
    return 0;
}

static edn_status init(const char *server, edn_client **out, edn_err *err)
{
    char home[256], account_key[EDN_ACCOUNT_KEY_TEXT_MAX];
    edn_client_options o;
    edn_init_options init = {
        .server = server, .name = server ? WORLD_NAME : NULL, .device_name = "desk", .strength = EDN_STRENGTH_FLOOR};

    world_home(g.w, "desk", home);
    o = world_options(g.w, home);
    return edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), account_key, out, err);
}

static edn_status login(const char *device, const char *passphrase, edn_client **out, edn_err *err)
{
    char home[256];
    edn_client_options o;
    edn_login_options login = {.server = WORLD_ORIGIN,
                               .name = WORLD_NAME,
                               .device_name = device,
                               .strength = EDN_STRENGTH_FLOOR,
                               .account_key = edn_bytes_str(g.w->account_key)};

    world_home(g.w, device, home);
    o = world_options(g.w, home);
    return edn_client_login(&o, &login, edn_bytes_str(passphrase), out, err);
}

static edn_status open_locked(const char *device, edn_client **out, edn_err *err)
{
    char home[256];
    edn_client_options o;

    world_home(g.w, device, home);
    o = world_options(g.w, home);
    return edn_client_open(&o, out, err);
}

static int ground_make(void **state)
{
    edn_client *c = NULL;
    edn_err err;

    (void)state;
    g.server = crashvfs_new("ground-server");
    g.empty = crashvfs_new("ground-empty");
    g.a = crashvfs_new("ground-a");
    g.alone = crashvfs_new("ground-alone");
    g.w = world_new_on("ground-empty");
    world_server_stop(g.w);
    g.w->device_vfs = "ground-alone";
    CHECK_OK(init(NULL, &c, &err));
    diary_add(c, "1660-01-01", "", "[alone]");
    edn_client_close(c);
    g.w->server_vfs = "ground-server";
    world_server_start(g.w);
    g.w->device_vfs = "ground-a";
    c = world_init(g.w, "a");
    diary_add(c, "1660-01-01", "", "[a]");
    diary_sync(c);
    edn_client_close(c);
    world_server_stop(g.w);
    return 0;
}

static int ground_unmake(void **state)
{
    (void)state;
    world_free(g.w);
    crashvfs_free(g.server);
    crashvfs_free(g.empty);
    crashvfs_free(g.a);
    crashvfs_free(g.alone);
    return 0;
}

typedef struct run {
    crashvfs *server, *home;
} run;

/* A server, and a device's disk on which power goes at `op`. */
static run run_begin(const char *what, uint64_t op, crashvfs *server, crashvfs *home)
{
    run r = {crashvfs_copy(server, "run-server"), home ? crashvfs_copy(home, "run-home") : crashvfs_new("run-home")};

    trying.what = what;
    trying.op = op;
    g.w->server_vfs = "run-server";
    g.w->device_vfs = "run-home";
    world_server_start(g.w);
    crashvfs_cut_at(r.home, op ? crashvfs_ops(r.home) + op : 0);
    return r;
}

/* Power comes back. Whether it had gone. */
static bool run_power(run *r, uint64_t op)
{
    bool dark = crashvfs_is_dark(r->home);

    crashvfs_cut_at(r->home, 0);
    if (dark)
        crashvfs_power(r->home, (crashvfs_fate)(1 + (op + check_seed()) % (CRASHVFS_FATES - 1)), op);
    return dark;
}

static void run_end(run *r)
{
    world_server_stop(g.w);
    crashvfs_free(r->server);
    crashvfs_free(r->home);
    trying.what = NULL;
}

/* ---- making and joining ------------------------------------------------------------------------------------------ */

static edn_status see_journal(void *ctx, const edn_journal *j)
{
    CHECK_STR(j->name, "Diary");
    ++*(unsigned *)ctx;
    return EDN_OK;
}

/* A home that opens has everything that a home has. */
static void check_home(edn_client *c, bool first)
{
    edn_account_info info;
    unsigned journals = 0;

    CHECK_OK(edn_client_unlock(c, edn_bytes_str(WORLD_PASSPHRASE), NULL));
    CHECK_OK(edn_client_account(c, &info, NULL));
    CHECK(strlen(info.account_key) > 20);
    CHECK(strcmp(info.device_name, "desk") == 0);
    if (first) {
        CHECK_OK(edn_client_journals(c, see_journal, &journals, NULL));
        CHECK_INT(journals, 1);
    }
    diary_check_verified(c);
    CHECK(diary_sync(c).synced);
    diary_add(c, "1660-01-02", "", "goes on");
    CHECK(diary_sync(c).synced);
}

static bool init_power_at(uint64_t op)
{
    run r = run_begin("init", op, g.empty, NULL);
    edn_client *c = NULL;
    edn_err err = {EDN_OK, ""};
    bool acked = init(WORLD_ORIGIN, &c, &err) == EDN_OK, dark;
    edn_status st;

    edn_client_close(c);
    dark = run_power(&r, op);
    CHECK(acked || dark);
    st = open_locked("desk", &c, &err);
    CHECK(st == EDN_OK || (!acked && st == EDN_E_MISSING));
    if (st != EDN_OK) {
        CHECK(strlen(err.text) > 20);
        CHECK_OK(init(WORLD_ORIGIN, &c, NULL)); /* whatever power left there */
        edn_client_lock(c);
    }
    check_home(c, true);
    edn_client_close(c);
    run_end(&r);
    return dark;
}

static void power_may_go_while_an_account_is_made(void **state)
{
    uint64_t op = 1;

    (void)state;
    while (init_power_at(op))
        op += CHECK_ONE_IN;
    CHECK(op > 10);
}

static bool login_power_at(uint64_t op)
{
    run r = run_begin("login", op, g.server, NULL);
    edn_client *c = NULL;
    edn_err err = {EDN_OK, ""};
    bool acked = login("desk", WORLD_PASSPHRASE, &c, &err) == EDN_OK, dark;
    edn_status st;

    edn_client_close(c);
    dark = run_power(&r, op);
    CHECK(acked || dark);
    st = open_locked("desk", &c, &err);
    CHECK(st == EDN_OK || (!acked && st == EDN_E_MISSING));
    if (st != EDN_OK) {
        CHECK_OK(login("desk", WORLD_PASSPHRASE, &c, NULL)); /* whatever power left there */
        edn_client_lock(c);
    }
    check_home(c, false);
    CHECK_INT(diary_see(c, false).entries, 2);
    edn_client_close(c);
    run_end(&r);
    return dark;
}

static void power_may_go_while_an_account_is_joined(void **state)
{
    uint64_t op = 1;

    (void)state;
    while (login_power_at(op))
        op += CHECK_ONE_IN;
    CHECK(op > 10);
}

/* The server made the account, and its word of that was lost. */
static void an_account_whose_answer_was_lost_is_made_all_the_same(void **state)
{
    (void)state;
    for (uint64_t lost = 1; lost <= 2; lost++) {
        run r = run_begin("init, a lost answer", lost, g.empty, NULL);
        edn_client *c = NULL;
        edn_err err = {EDN_OK, ""};
        edn_status st;

        crashvfs_cut_at(r.home, 0);
        g.w->lose_answer = g.w->exchanges + lost;
        st = init(WORLD_ORIGIN, &c, &err);
        g.w->lose_answer = 0;
        if (st != EDN_OK) {
            CHECK_STATUS(st, EDN_E_NETWORK);
            CHECK_STATUS(open_locked("desk", &c, &err), EDN_E_MISSING);
            CHECK_OK(init(WORLD_ORIGIN, &c, &err)); /* the name is not lost to a stillborn account */
        }
        CHECK(diary_sync(c).synced);
        edn_client_close(c);
        run_end(&r);
    }
}

static void a_login_whose_answer_was_lost_can_be_repeated(void **state)
{
    (void)state;
    for (uint64_t lost = 1; lost <= 6; lost++) {
        run r = run_begin("login, a lost answer", lost, g.server, NULL);
        edn_client *c = NULL;
        edn_client_status s;
        edn_err err = {EDN_OK, ""};
        edn_status st;

        crashvfs_cut_at(r.home, 0);
        g.w->lose_answer = g.w->exchanges + lost;
        st = login("desk", WORLD_PASSPHRASE, &c, &err);
        g.w->lose_answer = 0;
        if (st != EDN_OK) {
            CHECK_STATUS(st, EDN_E_NETWORK);
            CHECK_STATUS(open_locked("desk", &c, &err), EDN_E_MISSING);
            CHECK_OK(login("desk", WORLD_PASSPHRASE, &c, &err));
        }
        CHECK(diary_sync(c).synced);
        CHECK_INT(diary_see(c, false).entries, 1);
        CHECK_OK(edn_client_status_get(c, &s, NULL));
        CHECK_INT(s.heads_n, 2); /* no ghost of the first try is left among the devices */
        edn_client_close(c);
        run_end(&r);
    }
}

/* ---- another passphrase ------------------------------------------------------------------------------------------ */

static bool opens(edn_client *c, const char *passphrase)
{
    edn_client_lock(c);
    return edn_client_unlock(c, edn_bytes_str(passphrase), NULL) == EDN_OK;
}

/* After an accident: everything still opens, and once things have settled with exactly one passphrase. */
static void check_passphrase(const char *vfs, const char *device, bool acked, bool server, bool join)
{
    edn_client *c = NULL, *other = NULL;
    edn_err err;
    bool is_old, is_new;

    g.w->device_vfs = vfs;
    CHECK_OK(open_locked(device, &c, &err));
    is_new = opens(c, FRESH);
    if (!is_new)
        CHECK(opens(c, WORLD_PASSPHRASE));
    CHECK(is_new || !acked);
    if (server)
        CHECK(diary_sync(c).synced);
    CHECK_INT(diary_see(c, false).entries, 1);
    is_new = opens(c, FRESH);
    is_old = opens(c, WORLD_PASSPHRASE);
    CHECK(is_new != is_old);
    if (join) { /* the account's is the same */
        CHECK_OK(login("desk", is_new ? FRESH : WORLD_PASSPHRASE, &other, &err));
        edn_client_close(other);
    }
    edn_client_close(c);
}

static bool passphrase_power_at(uint64_t op, bool server)
{
    const char *device = server ? "a" : "desk";
    run r = run_begin(server ? "passphrase" : "passphrase without a server", op, g.server, server ? g.a : g.alone);
    edn_client *c = NULL;
    edn_err err = {EDN_OK, ""};
    bool acked = false, dark;

    crashvfs_cut_at(r.home, 0);
    CHECK_OK(open_locked(device, &c, &err));
    crashvfs_cut_at(r.home, crashvfs_ops(r.home) + op);
    acked = edn_client_passphrase_change(c, edn_bytes_str(WORLD_PASSPHRASE), edn_bytes_str(FRESH), EDN_STRENGTH_FLOOR,
                                         &err) == EDN_OK;
    edn_client_close(c);
    dark = run_power(&r, op);
    CHECK(acked || dark);
    check_passphrase("run-home", device, acked, server, server && op % 5 == 0);
    run_end(&r);
    return dark;
}

static void power_may_go_while_the_passphrase_changes(void **state)
{
    uint64_t op = 1;

    (void)state;
    while (passphrase_power_at(op, true))
        op += CHECK_ONE_IN;
    CHECK(op > 10);
}

static void power_may_go_while_the_passphrase_changes_without_a_server(void **state)
{
    uint64_t op = 1;

    (void)state;
    while (passphrase_power_at(op, false))
        op += CHECK_ONE_IN;
    CHECK(op > 5);
}

static void the_network_may_go_while_the_passphrase_changes(void **state)
{
    edn_err err;

    (void)state;
    for (uint64_t n = 1; n <= 5; n++) {
        run r = run_begin("passphrase, the network goes", n, g.server, g.a);
        edn_client *c = NULL;
        bool acked;

        crashvfs_cut_at(r.home, 0);
        CHECK_OK(open_locked("a", &c, &err));
        g.w->down_from = g.w->exchanges + n;
        acked = edn_client_passphrase_change(c, edn_bytes_str(WORLD_PASSPHRASE), edn_bytes_str(FRESH),
                                             EDN_STRENGTH_FLOOR, &err) == EDN_OK;
        CHECK(acked || err.status == EDN_E_NETWORK);
        g.w->down_from = 0;
        edn_client_close(c);
        check_passphrase("run-home", "a", acked, true, n == 4);
        run_end(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(power_may_go_while_an_account_is_made, tell),
        cmocka_unit_test_teardown(power_may_go_while_an_account_is_joined, tell),
        cmocka_unit_test_teardown(an_account_whose_answer_was_lost_is_made_all_the_same, tell),
        cmocka_unit_test_teardown(a_login_whose_answer_was_lost_can_be_repeated, tell),
        cmocka_unit_test_teardown(power_may_go_while_the_passphrase_changes, tell),
        cmocka_unit_test_teardown(power_may_go_while_the_passphrase_changes_without_a_server, tell),
        cmocka_unit_test_teardown(the_network_may_go_while_the_passphrase_changes, tell),
    };
    cmocka_set_test_filter(getenv("T"));
    return cmocka_run_group_tests(tests, ground_make, ground_unmake);
}
