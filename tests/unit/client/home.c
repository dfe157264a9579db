/* Making a home, joining an account, locking, and what is left when that fails. */
#include "check.h"

#include <stdio.h>
#include <unistd.h>

#include "keys/keys.h"
#include "store/store.h"
#include "world.h"

static edn_client *init_local(world *w, const char *device, edn_err *err, edn_status *st)
{
    char home[256], key[EDN_ACCOUNT_KEY_TEXT_MAX];
    edn_client_options o;
    edn_init_options init = {.device_name = device, .strength = EDN_STRENGTH_FLOOR};
    edn_client *c = NULL;

    world_home(w, device, home);
    o = world_options(w, home);
    *st = edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &c, err);
    return c;
}

static edn_client *local(world *w, const char *device)
{
    edn_err err;
    edn_status st;
    edn_client *c = init_local(w, device, &err, &st);

    CHECK_OK(st);
    return c;
}

static edn_entry_id add(edn_client *c, const char *text)
{
    edn_draft d = {.date = edn_bytes_str("2024-05-01"), .text = edn_bytes_str(text)};
    edn_entry_id id;

    CHECK_OK(edn_client_add(c, &d, &id, NULL));
    return id;
}

static bool home_exists(world *w, const char *device)
{
    char home[256];

    world_home(w, device, home);
    return access(home, F_OK) == 0;
}

/* ---- making one -------------------------------------------------------------------------------------------------- */

static void an_init_that_fails_leaves_nothing_behind(void **state)
{
    (void)state;
    world *w = world_new();
    char home[256], key[EDN_ACCOUNT_KEY_TEXT_MAX];
    edn_client_options o;
    edn_init_options init = {.server = WORLD_ORIGIN, .name = "kim", .strength = EDN_STRENGTH_FLOOR};
    edn_client *c = NULL;
    edn_err err;

    world_home(w, "x", home);
    o = world_options(w, home);
    w->down = true;
    CHECK_STATUS(edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &c, &err), EDN_E_NETWORK);
    assert_null(c);
    CHECK(!home_exists(w, "x"));
    w->down = false;
    init.server = NULL;
    CHECK_STATUS(edn_client_init(&o, &init, edn_bytes_str("short"), key, &c, &err), EDN_E_INVALID);
    init.device_name = "";
    CHECK_STATUS(edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &c, &err), EDN_E_INVALID);
    init.device_name = "\xff";
    CHECK_STATUS(edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &c, &err), EDN_E_UTF8);
    char long_name[300];
    memset(long_name, 'x', sizeof long_name);
    long_name[257] = 0;
    init.device_name = long_name;
    CHECK_STATUS(edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &c, &err), EDN_E_LIMIT);
    CHECK(!home_exists(w, "x"));
    world_free(w);
}

static void a_login_that_fails_leaves_nothing_behind(void **state)
{
    (void)state;
    world *w = world_of_two();
    char home[256];
    edn_client_options o;
    edn_login_options login = {.server = WORLD_ORIGIN,
                               .name = WORLD_NAME,
                               .strength = EDN_STRENGTH_FLOOR,
                               .account_key = edn_bytes_str(w->account_key)};
    edn_client *c = NULL;
    edn_err err;

    world_home(w, "x", home);
    o = world_options(w, home);
    CHECK_STATUS(edn_client_login(&o, &login, edn_bytes_str("not the passphrase"), &c, &err), EDN_E_PASSPHRASE);
    CHECK(!home_exists(w, "x"));
    login.account_key = EDN_BYTES_EMPTY;
    CHECK_STATUS(edn_client_login(&o, &login, edn_bytes_str(WORLD_PASSPHRASE), &c, &err), EDN_E_PASSPHRASE);
    login.account_key = edn_bytes_str("nonsense");
    CHECK_STATUS(edn_client_login(&o, &login, edn_bytes_str(WORLD_PASSPHRASE), &c, &err), EDN_E_PASSPHRASE);
    login.account_key = edn_bytes_str(w->account_key);
    for (uint64_t n = 1; n <= 5; n++) { /* whichever request is the first that does not arrive; begun.c has the sixth */
        w->down_from = w->exchanges + n;
        CHECK_STATUS(edn_client_login(&o, &login, edn_bytes_str(WORLD_PASSPHRASE), &c, &err), EDN_E_NETWORK);
        assert_null(c);
        CHECK(!home_exists(w, "x"));
    }
    world_free(w);
}

/* While one init waits for its server, another makes a diary in the same folder. */
static void meanwhile(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    edn_client **other = ctx;

    (void)rq;
    (void)answer;
    if (!*other) {
        *other = local(w, "x");
        add(*other, "kept");
    }
}

static void an_init_does_not_touch_a_diary_that_came_meanwhile(void **state)
{
    (void)state;
    world *w = world_new();
    char home[256], key[EDN_ACCOUNT_KEY_TEXT_MAX];
    edn_client_options o;
    edn_init_options init = {.server = WORLD_ORIGIN, .name = "kim", .strength = EDN_STRENGTH_FLOOR};
    edn_client *c = NULL, *other = NULL, *again = NULL;
    edn_client_status s;
    edn_err err;

    world_home(w, "x", home);
    o = world_options(w, home);
    w->tamper = meanwhile;
    w->tamper_ctx = &other;
    CHECK_STATUS(edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &c, &err), EDN_E_EXISTS);
    assert_null(c);
    edn_client_close(other);
    CHECK_OK(edn_client_open(&o, &again, &err));
    CHECK_OK(edn_client_unlock(again, edn_bytes_str(WORLD_PASSPHRASE), &err));
    CHECK_OK(edn_client_status_get(again, &s, &err));
    CHECK_INT(s.entries, 1);
    edn_client_close(again);
    world_free(w);
}

static void a_home_in_use_is_refused(void **state)
{
    (void)state;
    world *w = world_new();
    edn_client *c = local(w, "x");
    edn_err err;
    edn_status st;

    assert_null(init_local(w, "x", &err, &st));
    CHECK_STATUS(st, EDN_E_EXISTS);
    add(c, "still here");
    edn_client_close(c);
    world_free(w);
}

/* ---- two handles, and calls within calls ------------------------------------------------------------------------- */

static edn_status count(void *ctx, const edn_entry *e)
{
    (void)e;
    ++*(size_t *)ctx;
    return EDN_OK;
}

static void two_clients_of_one_home_see_what_the_other_writes(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a"), *again = world_open(w, "a");
    size_t n = 0;
    edn_sync_result r;

    add(a, "one");
    add(again, "two");
    CHECK_OK(edn_client_list(a, NULL, count, &n, NULL));
    CHECK_OK(edn_client_sync(again, NULL, &r, NULL));
    CHECK_OK(edn_client_sync(a, NULL, &r, NULL));
    CHECK(r.synced);
    add(a, "three");
    CHECK_OK(edn_client_sync(a, NULL, &r, NULL));
    CHECK_OK(edn_client_list(again, NULL, count, &n, NULL));
    CHECK_INT(n, 5);
    edn_client_close(a);
    edn_client_close(again);
    world_free(w);
}

typedef struct meddler {
    edn_client *c;
    edn_entry_id id;
    size_t calls;
} meddler;

static edn_status meddle(void *ctx, const edn_entry *e)
{
    meddler *m = ctx;
    edn_err err;
    edn_sync_result r;
    size_t n;
    edn_draft d = {.text = edn_bytes_str("x")};
    edn_entry_id id;

    CHECK_STATUS(edn_client_show(m->c, &m->id, count, &n, &err), EDN_E_BUSY);
    CHECK_STATUS(edn_client_add(m->c, &d, &id, &err), EDN_E_BUSY);
    CHECK_STATUS(edn_client_sync(m->c, NULL, &r, &err), EDN_E_BUSY);
    CHECK_STATUS(edn_client_unlock(m->c, edn_bytes_str(WORLD_PASSPHRASE), &err), EDN_E_BUSY);
    edn_client_lock(m->c);
    CHECK(edn_client_unlocked(m->c));
    CHECK_STR(e->text, "one");
    m->calls++;
    return EDN_OK;
}

static void a_callback_that_calls_back_is_refused(void **state)
{
    (void)state;
    world *w = world_new();
    meddler m = {.c = local(w, "x")};

    m.id = add(m.c, "one");
    CHECK_OK(edn_client_list(m.c, NULL, meddle, &m, NULL));
    CHECK_OK(edn_client_show(m.c, &m.id, meddle, &m, NULL));
    CHECK_INT(m.calls, 2);
    edn_client_lock(m.c);
    CHECK(!edn_client_unlocked(m.c));
    edn_client_close(m.c);
    world_free(w);
}

static void an_error_says_what_went_wrong_now_and_not_before(void **state)
{
    (void)state;
    world *w = world_new();
    edn_client *c = local(w, "x");
    edn_entry_id none = {{0}};
    edn_err err = {EDN_E_LOCKED, "an older sentence"};

    edn_client_lock(c);
    CHECK_STATUS(edn_client_remove(c, &none, &err), EDN_E_LOCKED);
    assert_null(strstr(err.text, "older"));
    edn_client_close(c);
    world_free(w);
}

/* ---- a server for a diary that was made without ------------------------------------------------------------------ */

static void a_local_diary_is_given_a_server(void **state)
{
    (void)state;
    world *w = world_new();
    edn_client *c = local(w, "x");
    edn_sync_result r;
    edn_err err;

    add(c, "written before there was a server");
    CHECK_STATUS(edn_client_sync(c, NULL, &r, &err), EDN_E_INVALID);
    w->down = true;
    CHECK_STATUS(edn_client_server_set(c, WORLD_ORIGIN, "kim", &err), EDN_E_NETWORK);
    CHECK_STATUS(edn_client_sync(c, NULL, &r, &err), EDN_E_INVALID); /* there is none still */
    w->down = false;
    w->down_from = w->exchanges + 2;
    CHECK_STATUS(edn_client_server_set(c, WORLD_ORIGIN, "kim", &err), EDN_E_NETWORK);
    w->down_from = 0;
    w->lose_answer = w->exchanges + 2; /* registered, but nobody heard: it is asked again */
    CHECK_OK(edn_client_server_set(c, WORLD_ORIGIN, "kim", &err));
    CHECK_OK(edn_client_sync(c, NULL, &r, &err));
    CHECK(r.synced);
    CHECK_STATUS(edn_client_server_set(c, WORLD_ORIGIN, "other", &err), EDN_E_EXISTS);
    CHECK_STATUS(edn_client_server_set(c, "https://other.example", "kim", &err), EDN_E_EXISTS);
    CHECK_OK(edn_client_server_set(c, WORLD_ORIGIN, "kim", &err)); /* the same again does no harm */
    CHECK_OK(edn_client_sync(c, NULL, &r, &err));
    CHECK(r.synced && r.findings == 0);
    edn_client_close(c);
    world_free(w);
}

static void a_second_server_is_asked_at_its_own_address(void **state)
{
    (void)state;
    world *w = world_new();
    char home[256], key[EDN_ACCOUNT_KEY_TEXT_MAX];
    edn_client_options o;
    edn_init_options init = {.strength = EDN_STRENGTH_FLOOR};
    edn_client *c = NULL;
    edn_err err;

    world_home(w, "x", home);
    o = world_options(w, home);
    o.transport = NULL; /* real HTTP, to ports where nobody listens */
    CHECK_OK(edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &c, &err));
    CHECK_STATUS(edn_client_server_set(c, "http://127.0.0.1:1", "kim", &err), EDN_E_NETWORK);
    assert_non_null(strstr(err.text, "127.0.0.1:1"));
    CHECK_STATUS(edn_client_server_set(c, "http://127.0.0.1:2", "kim", &err), EDN_E_NETWORK);
    assert_non_null(strstr(err.text, "127.0.0.1:2"));
    edn_client_close(c);
    world_free(w);
}

/* ---- passphrases ------------------------------------------------------------------------------------------------- */

static uint32_t slot_memory_kib(world *w, const char *device)
{
    char home[256];
    edn_store_options so = {.read_only = true};
    edn_store *s = NULL;
    edn_buf slot = EDN_BUF_INIT(4096);
    edn_kdf_record record;
    edn_err err;

    world_home(w, device, home);
    CHECK_OK(edn_store_open(home, &so, &s, &err));
    CHECK_OK(edn_store_get(s, EDN_TABLE_OPEN, edn_bytes_str("slot"), &slot));
    CHECK(edn_slot_record(edn_buf_view(&slot), &record));
    CHECK_STATUS(edn_store_get(s, EDN_TABLE_OPEN, edn_bytes_str("slot-next"), &slot), EDN_E_MISSING);
    edn_buf_dispose(&slot);
    edn_store_close(s);
    return edn_load_u32(record.b + 12);
}

static void a_passphrase_change_keeps_the_strength_unless_told(void **state)
{
    (void)state;
    world *w = world_new();
    edn_client *c = local(w, "x");
    edn_bytes first = edn_bytes_str(WORLD_PASSPHRASE), second = edn_bytes_str("a new and longer one");
    edn_err err;

    CHECK_OK(edn_client_passphrase_change(c, first, second, 0, &err));
    CHECK_INT(slot_memory_kib(w, "x"), 64 << 10);
    CHECK_STATUS(edn_client_passphrase_change(c, first, second, 0, &err), EDN_E_PASSPHRASE);
    CHECK_OK(edn_client_passphrase_change(c, second, first, EDN_STRENGTH_DEFAULT, &err));
    CHECK_INT(slot_memory_kib(w, "x"), 256 << 10);
    CHECK_OK(edn_client_passphrase_change(c, first, second, 0, &err));
    CHECK_INT(slot_memory_kib(w, "x"), 256 << 10);
    edn_client_close(c);
    world_free(w);
}

static void a_passphrase_changes_though_the_last_login_has_run_out(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    edn_sync_result r;
    edn_err err;

    CHECK_OK(edn_client_sync(a, NULL, &r, &err));
    w->now_ms += 3600000;
    CHECK_OK(edn_client_passphrase_change(a, edn_bytes_str(WORLD_PASSPHRASE), edn_bytes_str("a new and longer one"), 0,
                                          &err));
    edn_client_close(a);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_init_that_fails_leaves_nothing_behind),
        cmocka_unit_test(a_login_that_fails_leaves_nothing_behind),
        cmocka_unit_test(an_init_does_not_touch_a_diary_that_came_meanwhile),
        cmocka_unit_test(a_home_in_use_is_refused),
        cmocka_unit_test(two_clients_of_one_home_see_what_the_other_writes),
        cmocka_unit_test(a_callback_that_calls_back_is_refused),
        cmocka_unit_test(an_error_says_what_went_wrong_now_and_not_before),
        cmocka_unit_test(a_local_diary_is_given_a_server),
        cmocka_unit_test(a_second_server_is_asked_at_its_own_address),
        cmocka_unit_test(a_passphrase_change_keeps_the_strength_unless_told),
        cmocka_unit_test(a_passphrase_changes_though_the_last_login_has_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
