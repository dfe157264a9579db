/* Each allocation of a client with shared journals fails, once: what was asked for is refused as memory that ran out
 * and changes nothing, and the same call then does it. */
#include "oom.h"

#include "crashvfs.h"
#include "diarist.h"
#include "shared.h"

static struct ground {
    world *w;
    crashvfs *disk;
    shared garden, boat;
    edn_journal_id garden_id, own_id;
    edn_entry_id garden_entry, own_entry;
    uint8_t key[EDN_SESSION_KEY_SIZE];
} g;

static edn_client *open_on(const char *vfs)
{
    g.w->device_vfs = vfs;
    return world_open_with(g.w, "home", g.key);
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
    shared_make(g.w, "Garden", &g.garden);
    shared_make(g.w, "Boat", &g.boat);
    g.disk = crashvfs_new("ground");
    g.w->device_vfs = "ground";
    world_home(g.w, "home", home);
    o = world_options(g.w, home);
    CHECK_OK(edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &c, &err));
    CHECK_OK(edn_client_session_key(c, g.key));
    CHECK_OK(family_add(c, g.garden.e, &g.garden.h, &k, &err));
    g.own_entry = diary_add(c, "1660-01-01", "", "mine, a word");
    g.garden_entry = diary_add(k, "1660-01-01", "", "theirs, a word");
    g.garden_id = client_id(k)->journal;
    g.own_id = client_id(c)->journal;
    edn_client_close(c);
    return 0;
}

static int ground_unmake(void **state)
{
    (void)state;
    shared_dispose(&g.garden);
    shared_dispose(&g.boat);
    world_free(g.w);
    crashvfs_free(g.disk);
    return 0;
}

/* ---- acts -------------------------------------------------------------------------------------------------------- */

typedef edn_status act_fn(edn_client *c, edn_err *err);

static edn_status see(void *ctx, const edn_entry *e)
{
    *(size_t *)ctx += e->text.n;
    return EDN_OK;
}

static edn_status see_hit(void *ctx, const edn_hit *hit)
{
    *(size_t *)ctx += hit->snippet.n;
    return EDN_OK;
}

static edn_status see_journal(void *ctx, const edn_journal *j)
{
    *(size_t *)ctx += j->name.n;
    return EDN_OK;
}

static edn_status act_list(edn_client *c, edn_err *err)
{
    size_t n = 0;
    return edn_client_list(c, NULL, see, &n, err);
}
static edn_status act_show(edn_client *c, edn_err *err)
{
    size_t n = 0;
    return edn_client_show(c, &g.garden_entry, see, &n, err);
}
static edn_status act_journals(edn_client *c, edn_err *err)
{
    size_t n = 0;
    return edn_client_journals(c, see_journal, &n, err);
}
static edn_status act_search(edn_client *c, edn_err *err)
{
    size_t n = 0;
    return edn_client_search(c, edn_bytes_str("word journal:garden"), NULL, see_hit, &n, NULL, err);
}
static edn_status act_status(edn_client *c, edn_err *err)
{
    edn_client_status s;
    return edn_client_status_get(c, &s, err);
}
static edn_status act_verify(edn_client *c, edn_err *err)
{
    edn_verify_result r;
    edn_status st = edn_client_verify(c, NULL, NULL, NULL, &r, err);

    return st == EDN_OK && r.damaged ? EDN_E_DAMAGED : st;
}
static edn_status act_edit(edn_client *c, edn_err *err)
{
    return edn_client_edit(c, &g.garden_entry, EDN_BYTES_EMPTY, edn_bytes_str("theirs, and mine"), err);
}
static edn_status act_move(edn_client *c, edn_err *err) { return edn_client_move(c, &g.own_entry, &g.garden_id, err); }
static edn_status act_move_back(edn_client *c, edn_err *err)
{
    return edn_client_move(c, &g.garden_entry, &g.own_id, err);
}
static edn_status next_item(void *ctx, edn_import_item *item, bool *done)
{
    unsigned *n = ctx;

    *done = *n == 2;
    if (++*n > 2)
        return EDN_OK;
    item->draft.text = edn_bytes_str("brought");
    item->draft.date = edn_bytes_str("1660-01-02");
    item->journal_name = edn_bytes_str(*n == 1 ? "Garden" : "");
    item->has_id = true;
    memset(item->id.b, (int)*n, sizeof item->id.b);
    return EDN_OK;
}
static edn_status act_import(edn_client *c, edn_err *err)
{
    edn_import_result r;
    unsigned n = 0;
    return edn_client_import(c, next_item, &n, NULL, &r, err);
}
static edn_status act_make(edn_client *c, edn_err *err)
{
    edn_client *k;
    edn_status st = family_add(c, g.boat.e, &g.boat.h, &k, err);

    return st == EDN_E_EXISTS ? EDN_OK : st; /* made, and not given out for want of memory */
}
static edn_status act_drop(edn_client *c, edn_err *err) { return family_drop(c, &g.garden.e->id.account, true, err); }

typedef struct plan {
    const char *name;
    act_fn *act;
    bool changes; /* a fresh copy for each run */
    bool steps;   /* more than one transaction: it may be half done, and goes on */
} plan;

static const plan plans[] = {
    {"list", act_list, false, false},         {"show", act_show, false, false},
    {"journals", act_journals, false, false}, {"search", act_search, false, false},
    {"status", act_status, false, false},     {"verify", act_verify, false, false},
    {"edit", act_edit, true, false},          {"move", act_move, true, true},
    {"move back", act_move_back, true, true}, {"import", act_import, true, false},
    {"make", act_make, true, true},           {"drop", act_drop, true, true},
};

/* Entries and where they lie. */
static edn_status put_place(void *ctx, const edn_entry *e)
{
    edn_put_lp(ctx, e->journal_name);
    edn_put_lp(ctx, e->text);
    return EDN_OK;
}

static edn_buf state_of(edn_client *c)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_client_status s;

    CHECK_OK(edn_client_export(c, NULL, put_place, &b, NULL, NULL));
    CHECK_OK(edn_client_status_get(c, &s, NULL));
    CHECK_INT(s.findings_n, 0);
    edn_put_u64(&b, s.journals);
    return b;
}

/* False: there was no n-th allocation. */
static bool run(const plan *p, edn_client *c, size_t n, edn_bytes before, edn_buf *after)
{
    edn_err err = {EDN_OK, ""};
    edn_status st;
    edn_buf now;
    bool failed;

    oom_fail_at(n);
    st = p->act(c, &err);
    failed = oom_failed();
    oom_fail_at(0);
    if (st != EDN_OK) {
        if (!failed || st != EDN_E_NOMEM || strlen(err.text) < 10)
            print_error("%s, allocation %zu: %s, %s\n", p->name, n, edn_status_name(st), err.text);
        CHECK_STATUS(st, EDN_E_NOMEM);
        CHECK(strlen(err.text) >= 10);
        if (!p->steps) {
            now = state_of(c);
            CHECK_BYTES(edn_buf_view(&now), before);
            edn_buf_dispose(&now);
        }
        st = p->act(c, &err);
        if (st != EDN_OK && !(st == EDN_E_MISSING && p->act == act_drop)) {
            print_error("%s, after allocation %zu: %s, %s\n", p->name, n, edn_status_name(st), err.text);
            CHECK_OK(st);
        }
    }
    now = state_of(c);
    if (after->n)
        CHECK_BYTES(edn_buf_view(&now), edn_buf_view(after));
    else
        edn_put_bytes(after, now.p, now.n);
    edn_buf_dispose(&now);
    return failed;
}

static size_t each(const plan *p)
{
    edn_buf after = EDN_BUF_INIT(EDN_BUF_UNLIMITED), before = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    size_t live = oom_live(), n = 0;
    crashvfs *disk = NULL;
    edn_client *c = NULL;
    bool failed = true;

    while (failed) {
        if (p->changes || !c) {
            disk = crashvfs_copy(g.disk, "run");
            c = open_on("run");
            before = state_of(c);
        }
        failed = run(p, c, ++n, edn_buf_view(&before), &after);
        if (p->changes || !failed) {
            edn_client_close(c);
            c = NULL;
            crashvfs_free(disk);
            edn_buf_dispose(&before);
        }
    }
    edn_buf_dispose(&after);
    if (oom_live() != live)
        print_error("%s leaves %zu allocations behind\n", p->name, oom_live() - live);
    CHECK_INT(oom_live(), live);
    return n - 1;
}

static void memory_can_run_out_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDN_COUNT(plans); i++)
        CHECK(each(&plans[i]) > 5);
}

/* With children that are not open yet. */
static void opening_them_can_run_out_of_memory_anywhere(void **state)
{
    crashvfs *disk = crashvfs_copy(g.disk, "run");
    bool failed = true;
    size_t n = 0;

    (void)state;
    for (size_t live = oom_live(); failed; CHECK_INT(oom_live(), live)) {
        edn_client *c = open_on("run");
        edn_err err;
        edn_status st;
        oom_fail_at(++n);
        st = act_list(c, &err);
        failed = oom_failed();
        oom_fail_at(0);
        CHECK_STATUS(st, failed && st != EDN_OK ? EDN_E_NOMEM : EDN_OK);
        CHECK_OK(act_list(c, &err));
        edn_client_close(c);
    }
    CHECK(n > 20);
    crashvfs_free(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_can_run_out_anywhere),
        cmocka_unit_test(opening_them_can_run_out_of_memory_anywhere),
    };
    return cmocka_run_group_tests(tests, ground_make, ground_unmake);
}
