/* Shared journals beside a person's own store: made, opened, locked and dropped, and found again whatever happens in
 * between. The spaces are accounts of diaries that were made for it (tests/support/shared.h). */
#include "diarist.h"

#include "crashvfs.h"
#include "shared.h"

/* Made once: stretching a passphrase is what costs. "home" is an account without a server. */
static struct ground {
    world *w;
    shared one, two;
    uint8_t key[EDN_SESSION_KEY_SIZE];
} g;

static edn_client *open_home(const char *name)
{
    char home[256];
    edn_client_options o;
    edn_client *c;
    edn_err err;

    world_home(g.w, name, home);
    o = world_options(g.w, home);
    CHECK_OK(edn_client_open(&o, &c, &err));
    CHECK_OK(edn_client_unlock_session(c, g.key, &err));
    return c;
}

static edn_client *init_home(const char *name)
{
    char home[256], key[EDN_ACCOUNT_KEY_TEXT_MAX];
    edn_client_options o;
    edn_init_options init = {.device_name = "desk", .strength = EDN_STRENGTH_FLOOR};
    edn_client *c;
    edn_err err;

    world_home(g.w, name, home);
    o = world_options(g.w, home);
    CHECK_OK(edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &c, &err));
    CHECK_OK(edn_client_session_key(c, g.key));
    return c;
}

static int ground_make(void **state)
{
    (void)state;
    g.w = world_new();
    shared_make(g.w, "Garden", &g.one);
    shared_make(g.w, "Boat", &g.two);
    edn_client_close(init_home("home"));
    return 0;
}

static int ground_unmake(void **state)
{
    (void)state;
    shared_dispose(&g.one);
    shared_dispose(&g.two);
    world_free(g.w);
    return 0;
}

/* A copy of "home" under a name of its own. */
static edn_client *fresh(const char *name)
{
    world_home_copy(g.w, "home", name);
    return open_home(name);
}

static edn_client *adopt(edn_client *c, const shared *s)
{
    edn_client *k = NULL;
    edn_err err = {EDN_OK, ""};
    edn_status st = family_add(c, s->e, &s->h, &k, &err);

    if (st != EDN_OK)
        print_error("%s\n", err.text);
    CHECK_OK(st);
    CHECK(client_is_shared(k) && k->parent == c);
    return k;
}

static size_t children(edn_client *c)
{
    size_t n = 0;
    edn_client *k;
    edn_err err;

    for (size_t at = 0;; n++) {
        CHECK_OK(family_next(c, &at, &k, &err));
        if (!k)
            return n;
    }
}

/* ---- making, finding, dropping ----------------------------------------------------------------------------------- */

static void a_space_becomes_a_store_of_its_own(void **state)
{
    edn_client *c = fresh("own"), *one, *other, *found;
    edn_entry_id id;
    edn_err err;

    (void)state;
    CHECK(!family_has(c));
    one = adopt(c, &g.one);
    other = adopt(c, &g.two);
    CHECK(one != other && family_has(c));
    CHECK_INT(children(c), 2);
    CHECK_STATUS(family_add(c, g.one.e, &g.one.h, &found, &err), EDN_E_EXISTS);
    CHECK_OK(family_find(c, &g.two.e->id.account, &found, &err));
    CHECK(found == other);
    CHECK_OK(family_of_journal(c, &client_id(one)->journal, &found, &err));
    CHECK(found == one);
    CHECK_OK(family_of_journal(c, &client_id(c)->journal, &found, &err));
    CHECK(found == c);
    CHECK_OK(family_of_journal(c, NULL, &found, &err));
    CHECK(found == c);
    id = diary_add(one, "1661-01-01", "", "in the garden");
    CHECK_OK(family_of_entry(c, &id, &found, &err));
    CHECK(found == one);
    id = diary_add(c, "1661-01-01", "", "mine");
    CHECK_OK(family_of_entry(c, &id, &found, &err));
    CHECK(found == c);
    memset(id.b, 7, sizeof id.b);
    CHECK_OK(family_of_entry(c, &id, &found, &err));
    CHECK(found == c);
    edn_client_close(c);
}

static void it_is_there_after_locking_and_in_other_processes(void **state)
{
    edn_client *c = fresh("again"), *other = open_home("again"), *k;
    edn_entry_id id = diary_add(adopt(c, &g.one), "1661-01-01", "", "in the garden");
    edn_err err;

    (void)state;
    edn_client_lock(c);
    CHECK_STATUS(family_find(c, &g.one.e->id.account, &k, &err), EDN_E_MISSING);
    CHECK_OK(edn_client_unlock_session(c, g.key, &err));
    CHECK_OK(family_find(c, &g.one.e->id.account, &k, &err));
    diary_check_text(k, &id, "in the garden");
    (void)diary_see(other, false); /* a transaction */
    CHECK_OK(family_find(other, &g.one.e->id.account, &k, &err));
    diary_check_text(k, &id, "in the garden");
    edn_client_close(other);
    edn_client_close(c);
}

static void what_no_server_has_is_not_dropped(void **state)
{
    edn_client *c = fresh("drop"), *k;
    const edn_account_id *space = &g.one.e->id.account;
    edn_entry_id id = diary_add(adopt(c, &g.one), "1661-01-01", "", "in the garden");
    edn_err err;

    (void)state;
    CHECK_STATUS(family_drop(c, space, false, &err), EDN_E_CONFLICT);
    CHECK_OK(family_find(c, space, &k, &err));
    diary_check_text(k, &id, "in the garden");
    CHECK_OK(family_drop(c, space, true, &err));
    CHECK_STATUS(family_find(c, space, &k, &err), EDN_E_MISSING);
    CHECK_STATUS(family_drop(c, space, true, &err), EDN_E_MISSING);
    CHECK_INT(children(c), 0);
    k = adopt(c, &g.one); /* as if it had never been here */
    CHECK_STATUS(edn_client_show(k, &id, diary_put_text, NULL, &err), EDN_E_MISSING);
    edn_client_close(c);
}

static void one_whose_server_is_not_asked_yet_is_no_part_of_the_diary(void **state)
{
    edn_client *c = fresh("begun"), *k;
    new_home h = g.one.h;
    edn_err err;

    (void)state;
    h.begun = BEGUN_INIT;
    CHECK_OK(family_add(c, g.one.e, &h, &k, &err));
    CHECK_INT(children(c), 0);
    edn_client_close(c);
    c = open_home("begun");
    CHECK_INT(children(c), 0);
    CHECK_OK(family_find(c, &g.one.e->id.account, &k, &err));
    CHECK_OK(family_finish(c, &g.one.e->id.account, &err));
    CHECK_INT(children(c), 1);
    CHECK_STATUS(family_finish(c, &g.two.e->id.account, &err), EDN_E_MISSING);
    edn_client_close(c);
}

/* The row of the parent was lost with a restored copy; the store beside it was not. */
static void a_store_without_a_row_is_taken_back_with_all_that_is_in_it(void **state)
{
    edn_client *c = fresh("orphan"), *k;
    edn_entry_id id = diary_add(adopt(c, &g.one), "1661-01-01", "", "nobody else has this");
    edn_err err;

    (void)state;
    CHECK_OK(client_begin_write(c, &err));
    CHECK_OK(client_end_write(c, meta_del(c, "family", EDN_BYTES_EMPTY), &err));
    edn_client_close(c);
    c = open_home("orphan");
    CHECK_INT(children(c), 0);
    k = adopt(c, &g.one);
    diary_check_text(k, &id, "nobody else has this");
    edn_client_close(c);
}

/* ---- power ------------------------------------------------------------------------------------------------------- */

enum { MAKE, DROP };

static edn_status do_it(edn_client *c, int what, edn_err *err)
{
    edn_client *k;

    return what == MAKE ? family_add(c, g.two.e, &g.two.h, &k, err) : family_drop(c, &g.one.e->id.account, true, err);
}

/* Power goes at every change of the disk: the store is there as a whole or not at all, the others are as they were, and
 * doing it again does it. */
static void cut_everywhere(int what)
{
    crashvfs *before = crashvfs_new("family-before");
    edn_client *c, *k;
    edn_entry_id mine, garden;
    uint64_t from, op;
    bool done = false;
    edn_err err;

    g.w->device_vfs = "family-before";
    c = init_home("power");
    garden = diary_add(adopt(c, &g.one), "1661-01-01", "", "in the garden");
    mine = diary_add(c, "1661-01-01", "", "mine");
    edn_client_close(c);
    for (op = 1; !done; op++) {
        crashvfs *run = crashvfs_copy(before, "family-run");
        g.w->device_vfs = "family-run";
        c = open_home("power");
        from = crashvfs_ops(run);
        crashvfs_cut_at(run, from + op);
        done = do_it(c, what, &err) == EDN_OK && !crashvfs_is_dark(run);
        crashvfs_cut_at(run, 0);
        crashvfs_cut(run);
        edn_client_close(c);
        crashvfs_power(run, (crashvfs_fate)(op % CRASHVFS_FATES), op);
        c = open_home("power");
        diary_check_text(c, &mine, "mine");
        if (what == MAKE || family_find(c, &g.one.e->id.account, &k, &err) == EDN_OK) {
            CHECK_OK(family_find(c, &g.one.e->id.account, &k, &err));
            diary_check_text(k, &garden, "in the garden");
        }
        if (what == MAKE && family_find(c, &g.two.e->id.account, &k, &err) == EDN_OK) {
            diary_check_verified(k);
        } else {
            edn_status st = do_it(c, what, &err);
            CHECK(st == EDN_OK || (what == DROP && st == EDN_E_MISSING));
        }
        CHECK_INT(children(c), what == MAKE ? 2 : 0);
        edn_client_close(c);
        crashvfs_free(run);
    }
    CHECK(op > 10);
    g.w->device_vfs = NULL;
    crashvfs_free(before);
}

static void making_one_withstands_power_cuts(void **state)
{
    (void)state;
    cut_everywhere(MAKE);
}

static void dropping_one_withstands_power_cuts(void **state)
{
    (void)state;
    cut_everywhere(DROP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_space_becomes_a_store_of_its_own),
        cmocka_unit_test(it_is_there_after_locking_and_in_other_processes),
        cmocka_unit_test(what_no_server_has_is_not_dropped),
        cmocka_unit_test(one_whose_server_is_not_asked_yet_is_no_part_of_the_diary),
        cmocka_unit_test(a_store_without_a_row_is_taken_back_with_all_that_is_in_it),
        cmocka_unit_test(making_one_withstands_power_cuts),
        cmocka_unit_test(dropping_one_withstands_power_cuts),
    };
    return cmocka_run_group_tests(tests, ground_make, ground_unmake);
}
