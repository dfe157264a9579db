/* Each allocation of making, opening, closing and changing a locked journal fails, once: what was asked for is refused
 * as memory that ran out, no entry is lost, and the same call then does it. */
#include "oom.h"

#include "crashvfs.h"
#include "diarist.h"

#include "client/sharing/space.h"

#include <edn/locked.h>

#define SECOND "a second passphrase"

static const second_passphrase second = {{(const uint8_t *)SECOND, sizeof SECOND - 1}, EDN_KDF_TEST};

static struct ground {
    world *w;
    crashvfs *disk;
    edn_journal_id plain, vault;
    edn_entry_id entry; /* in the private journal that is to be locked */
    uint8_t key[EDN_SESSION_KEY_SIZE];
} g;

static edn_client *open_on(const char *vfs)
{
    g.w->device_vfs = vfs;
    return world_open_with(g.w, "home", g.key);
}

static edn_entry_id write_in(edn_client *c, const edn_journal_id *j, const char *text)
{
    edn_draft d = {.date = edn_bytes_str("1660-01-01"), .text = edn_bytes_str(text), .journal = j};
    edn_entry_id id;

    CHECK_OK(edn_client_add(c, &d, &id, NULL));
    return id;
}

static int ground_make(void **state)
{
    char home[256], key[EDN_ACCOUNT_KEY_TEXT_MAX];
    edn_init_options init = {.strength = EDN_STRENGTH_FLOOR};
    edn_client_options o;
    edn_client *c, *k;
    edn_err err;

    (void)state;
    g.w = world_new();
    g.disk = crashvfs_new("ground");
    g.w->device_vfs = "ground";
    world_home(g.w, "home", home);
    o = world_options(g.w, home);
    CHECK_OK(edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &c, &err));
    CHECK_OK(edn_client_session_key(c, g.key));
    CHECK_OK(edn_client_journal_new(c, edn_bytes_str("Plain"), &g.plain, &err));
    g.entry = write_in(c, &g.plain, "kept");
    CHECK_OK(locked_make(c, NULL, edn_bytes_str("Vault"), &second, &k, &err));
    g.vault = client_id(k)->journal;
    write_in(c, &g.vault, "in the vault");
    edn_client_close(c);
    return 0;
}

static int ground_unmake(void **state)
{
    (void)state;
    world_free(g.w);
    crashvfs_free(g.disk);
    return 0;
}

/* ---- acts -------------------------------------------------------------------------------------------------------- */

typedef edn_status act_fn(edn_client *c, edn_err *err);

/* Where it stopped too late to begin again, it is opened: that goes on. */
static edn_status act_lock(edn_client *c, edn_err *err)
{
    edn_client *k;
    edn_journal_id j;
    edn_status st = edn_client_journal_find(c, "Plain", &j, err);

    if (st == EDN_OK && memcmp(j.b, g.plain.b, sizeof j.b) == 0)
        return locked_make(c, &g.plain, edn_bytes_str("Plain"), &second, &k, err);
    return st == EDN_OK || st == EDN_E_LOCKED ? edn_client_journal_open(c, "Plain", edn_bytes_str(SECOND), err) : st;
}
static edn_status act_open(edn_client *c, edn_err *err)
{
    return edn_client_journal_open(c, "Vault", edn_bytes_str(SECOND), err);
}
static edn_status act_close(edn_client *c, edn_err *err)
{
    bool unsent;
    return edn_client_journal_close(c, "Vault", &unsent, err);
}
static edn_status act_unlock(edn_client *c, edn_err *err)
{
    edn_status st = edn_client_journal_unlock(c, "Vault", edn_bytes_str(SECOND), err);
    return st == EDN_E_MISSING ? EDN_OK : st; /* it has none any more */
}
static edn_status act_key(edn_client *c, edn_err *err)
{
    uint8_t key[EDN_JOURNAL_KEY_SIZE];
    edn_status st = edn_client_journal_key(c, &g.vault, key, err);

    if (st != EDN_OK || (st = act_close(c, err)) != EDN_OK)
        return st == EDN_E_MISSING ? edn_client_journal_open(c, "Vault", edn_bytes_str(SECOND), err) : st;
    return edn_client_journal_open_key(c, &g.vault, key, err);
}
static edn_status see_journal(void *ctx, const edn_journal *j)
{
    *(size_t *)ctx += j->name.n;
    return EDN_OK;
}
static edn_status act_journals(edn_client *c, edn_err *err)
{
    size_t n = 0;
    return edn_client_journals(c, see_journal, &n, err);
}
static edn_status act_status(edn_client *c, edn_err *err)
{
    edn_client_status s;
    return edn_client_status_get(c, &s, err);
}

typedef struct plan {
    const char *name;
    act_fn *before, *act;
    unsigned after; /* entries that are to be seen when it is done */
} plan;

static const plan plans[] = {
    {"lock", NULL, act_lock, 1},       {"open", NULL, act_open, 2},   {"close", act_open, act_close, 1},
    {"take off", NULL, act_unlock, 2}, {"key", act_open, act_key, 2}, {"journals", NULL, act_journals, 1},
    {"status", NULL, act_status, 1},
};

static edn_status count_entry(void *ctx, const edn_entry *e)
{
    (void)e;
    ++*(unsigned *)ctx;
    return EDN_OK;
}

static bool run(const plan *p, edn_client *c, size_t n)
{
    edn_err err = {EDN_OK, ""};
    unsigned seen = 0;
    edn_status st;
    bool failed;

    if (p->before)
        CHECK_OK(p->before(c, &err));
    oom_fail_at(n);
    st = p->act(c, &err);
    failed = oom_failed();
    oom_fail_at(0);
    if (st != EDN_OK) {
        if (!failed || st != EDN_E_NOMEM || strlen(err.text) < 10)
            print_error("%s, allocation %zu: %s, %s\n", p->name, n, edn_status_name(st), err.text);
        CHECK_STATUS(st, EDN_E_NOMEM);
        CHECK(strlen(err.text) >= 10);
        if ((st = p->act(c, &err)) != EDN_OK)
            print_error("%s, after allocation %zu: %s, %s\n", p->name, n, edn_status_name(st), err.text);
        CHECK_OK(st);
    }
    CHECK_OK(edn_client_list(c, NULL, count_entry, &seen, &err));
    if (seen != p->after)
        print_error("%s, allocation %zu\n", p->name, n);
    CHECK_INT(seen, p->after);
    diary_check_text(c, &g.entry, "kept");
    return failed;
}

static void memory_can_run_out_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDN_COUNT(plans); i++) {
        size_t live = oom_live(), n = 0;
        for (bool failed = true; failed;) {
            crashvfs *disk = crashvfs_copy(g.disk, "run");
            edn_client *c = open_on("run");
            failed = run(&plans[i], c, ++n);
            edn_client_close(c);
            crashvfs_free(disk);
        }
        if (oom_live() != live)
            print_error("%s leaves %zu allocations behind\n", plans[i].name, oom_live() - live);
        CHECK_INT(oom_live(), live);
        CHECK(n > 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_can_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, ground_make, ground_unmake);
}
