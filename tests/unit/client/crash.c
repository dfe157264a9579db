/* The diary on a disk that loses power, fails or is full, at every operation of a session that adds, edits, imports and
 * syncs: what was acknowledged is there afterwards, what was not is there as a whole or not at all, and sync goes on
 * without doubling anything. Then the same for the server's disk, with real clients before it. */
#include "diarist.h"

#include "crashvfs.h"

#include <sqlite3.h>

enum { STEPS_MAX = 24, IMPORTED = 10, STEP_SYNC_FIRST = 7, STEP_SYNC_LAST = 13 };

/* ---- the ground: "a" and "b" share a diary, and b has written more that a has not seen --------------------------- */

typedef struct ground {
    world *w;
    crashvfs *a, *b, *server; /* as they are before each session */
    edn_entry_id shared;
    check_rng rng;
} ground;

static ground g;

/* What is being tried: printed when a test stops in the middle of it. */
static struct {
    const char *what;
    uint64_t op;
    int how;
} trying;

static int tell(void **state)
{
    (void)state;
    if (trying.what)
        print_error("at operation %llu, %s %d\n", (unsigned long long)trying.op, trying.what, trying.how);
    trying.what = NULL;
    return 0;
}

static void seeded(void *ctx, void *p, size_t n)
{
    uint8_t *to = p;

    while (n--)
        *to++ = (uint8_t)(check_next(ctx) >> 32);
}

static edn_client *open_on(const char *device, const char *vfs)
{
    g.w->device_vfs = vfs;
    return world_open(g.w, device);
}

static int ground_make(void **state)
{
    edn_client *a, *b;

    (void)state;
    g.a = crashvfs_new("ground-a");
    g.b = crashvfs_new("ground-b");
    g.server = crashvfs_new("ground-server");
    g.w = world_new_on("ground-server");
    g.w->device_vfs = "ground-a";
    a = world_init(g.w, "a");
    g.w->device_vfs = "ground-b";
    b = world_login(g.w, "b");
    g.shared = diary_add(a, "1660-01-01", "shared", "[s1] the first. ");
    diary_add(a, "1660-01-02", "", "[s2] the second");
    diary_sync(a);
    diary_sync(b);
    diary_edit(b, &g.shared, "[s1] the first. [b1] and b's.");
    diary_add(b, "1660-02-01", "", "[b2] from b");
    diary_add(b, "1660-02-02", "", "[b3] from b");
    diary_sync(b);
    edn_client_close(a);
    edn_client_close(b);
    world_server_stop(g.w);
    return 0;
}

static int ground_unmake(void **state)
{
    (void)state;
    g.w->server_vfs = NULL;
    world_free(g.w);
    crashvfs_free(g.a);
    crashvfs_free(g.b);
    crashvfs_free(g.server);
    return 0;
}

/* ---- one session ------------------------------------------------------------------------------------------------- */

typedef struct session {
    crashvfs *a, *b, *server;
    edn_client *c; /* a */
    edn_entry_id one, two, large;
    edn_journal_id work;
    size_t imported;
} session;

static void session_open(session *x)
{
    memset(x, 0, sizeof *x);
    x->a = crashvfs_copy(g.a, "run-a");
    x->b = crashvfs_copy(g.b, "run-b");
    x->server = crashvfs_copy(g.server, "run-server");
    g.w->server_vfs = "run-server";
    world_server_start(g.w);
    g.rng.s = 7;
    g.w->random = (edn_random){seeded, &g.rng};
    x->c = open_on("a", "run-a");
}

static void session_close(session *x)
{
    edn_client_close(x->c);
    if (g.w->server)
        world_server_stop(g.w);
    crashvfs_free(x->a);
    crashvfs_free(x->b);
    crashvfs_free(x->server);
}

static edn_status add(edn_client *c, const char *date, const char *title, edn_bytes text, edn_entry_id *out,
                      edn_err *err)
{
    static const edn_bytes tags[] = {{(const uint8_t *)"sea", 3}};
    edn_draft d = {.date = edn_bytes_str(date), .title = edn_bytes_str(title), .text = text, .tags = tags, .tags_n = 1};

    return edn_client_add(c, &d, out, err);
}

static edn_status edit(edn_client *c, const edn_entry_id *id, const char *more, edn_err *err)
{
    edn_buf text = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st = edn_client_show(c, id, diary_put_text, &text, err);

    if (st == EDN_OK) {
        edn_put_str(&text, more);
        st = edn_client_edit(c, id, EDN_BYTES_EMPTY, edn_buf_view(&text), err);
    }
    edn_buf_dispose(&text);
    return st;
}

static edn_status next_item(void *ctx, edn_import_item *item, bool *done)
{
    static char text[32];
    session *x = ctx;

    if ((*done = x->imported == IMPORTED))
        return EDN_OK;
    snprintf(text, sizeof text, "[i%zu] imported", x->imported);
    item->draft.date = edn_bytes_str("1660-03-03");
    item->draft.text = edn_bytes_str(text);
    item->journal_name = edn_bytes_str("Old papers");
    item->has_id = true;
    memset(item->id.b, 0x40 + (int)x->imported++, sizeof item->id.b);
    return EDN_OK;
}

static edn_status large_text(session *x, edn_err *err)
{
    edn_buf text = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    check_rng r = {11};
    edn_status st;

    edn_put_str(&text, "[l1] ");
    while (text.n < 90000) {
        char word[24];
        snprintf(word, sizeof word, "%llx ", (unsigned long long)check_next(&r));
        edn_put_str(&text, word);
    }
    st = add(x->c, "1660-05-05", "large", edn_buf_view(&text), &x->large, err);
    edn_buf_dispose(&text);
    return st;
}

static edn_status sync(session *x, edn_err *err)
{
    edn_sync_result r;
    return edn_client_sync(x->c, NULL, &r, err);
}

/* EDN_E_INVALID: there is no such step. */
static edn_status step(session *x, size_t i, edn_err *err)
{
    edn_import_result imported;

    *err = (edn_err){EDN_OK, ""};
    switch (i) {
    case 0:
        return add(x->c, "1660-01-03", "one", edn_bytes_str("[a1] from a. "), &x->one, err);
    case 1:
        return edit(x->c, &x->one, "[a2] more. ", err);
    case 2:
        return add(x->c, "1660-01-04", "", edn_bytes_str("[a3] another"), &x->two, err);
    case 3:
        return edn_client_journal_new(x->c, edn_bytes_str("Work"), &x->work, err);
    case 4:
        return edn_client_move(x->c, &x->two, &x->work, err);
    case 5:
        return edit(x->c, &g.shared, "[a4] and a's. ", err);
    case 6:
        x->imported = 0;
        return edn_client_import(x->c, next_item, x, NULL, &imported, err);
    case STEP_SYNC_FIRST:
    case STEP_SYNC_LAST:
        return sync(x, err);
    case 8:
        return edn_client_remove(x->c, &x->two, err);
    case 9:
        return edn_client_undelete(x->c, &x->two, err);
    case 10:
        return large_text(x, err);
    case 11:
        return edit(x->c, &x->large, "[a5] the end", err);
    case 12:
        return edn_client_tag(x->c, &x->one, edn_bytes_str("sky"), true, err);
    case 14:
        return edit(x->c, &g.shared, "[a6] last", err);
    default:
        return EDN_E_INVALID;
    }
}

static const char *const tokens[] = {"[s1]", "[s2]", "[b1]", "[b2]", "[b3]", "[a1]", "[a2]", "[a3]",
                                     "[a4]", "[a5]", "[a6]", "[l1]", "[i0]", "[i1]", "[i2]", "[i3]",
                                     "[i4]", "[i5]", "[i6]", "[i7]", "[i8]", "[i9]"};

/* Everything that was written is there once, on both devices. */
static void check_settled(session *x)
{
    edn_client *b;
    edn_buf all;

    diary_check_verified(x->c);
    CHECK(diary_sync(x->c).synced);
    b = open_on("b", "run-b");
    CHECK(diary_sync(b).synced);
    diary_check_same(x->c, b);
    diary_check_verified(x->c);
    CHECK_INT(diary_findings(x->c, EDN_E_CLONE), 0);
    all = diary_bytes(b);
    for (size_t i = 0; i < EDN_COUNT(tokens); i++) {
        size_t n = diary_count(edn_buf_view(&all), tokens[i]);
        if (n != 1)
            print_error("%s is there %zu times\n", tokens[i], n);
        CHECK_INT(n, 1);
    }
    edn_buf_dispose(&all);
    edn_client_close(b);
}

/* Entries and journals. */
static edn_status put_journal(void *ctx, const edn_journal *j)
{
    edn_put_lp(ctx, j->name);
    return EDN_OK;
}

static edn_buf state_bytes(edn_client *c)
{
    edn_buf b = diary_bytes(c);

    CHECK_OK(edn_client_journals(c, put_journal, &b, NULL));
    return b;
}

/* What the diary is after each step when nothing goes wrong, and at which operation of the disk each step ends. */
typedef struct plan {
    edn_buf after[STEPS_MAX]; /* [0]: before the first */
    uint64_t ops[STEPS_MAX];
    size_t n;
} plan;

static plan good;

static void plan_make(void)
{
    session x;
    edn_err err;

    if (good.n)
        return;
    session_open(&x);
    good.after[0] = state_bytes(x.c);
    while (step(&x, good.n, &err) == EDN_OK) {
        good.n++;
        good.after[good.n] = state_bytes(x.c);
        good.ops[good.n] = crashvfs_ops(x.a);
        CHECK(good.n + 1 < STEPS_MAX);
    }
    check_settled(&x);
    session_close(&x);
}

static void plan_forget(void)
{
    for (size_t i = 0; i <= good.n; i++)
        edn_buf_dispose(&good.after[i]);
}

/* After an accident in step `acked`: the diary is as before that step, or as after it. Gives which. */
static size_t check_state(session *x, size_t acked, bool only_before)
{
    edn_buf now = state_bytes(x->c);
    bool before = edn_bytes_equal(edn_buf_view(&now), edn_buf_view(&good.after[acked]));
    bool after = !only_before && acked < good.n &&
                 edn_bytes_equal(edn_buf_view(&now), edn_buf_view(&good.after[acked + 1]));

    if (!before && !after)
        print_error("after step %zu of %zu\n", acked, good.n);
    CHECK(before || after);
    edn_buf_dispose(&now);
    return before ? acked : acked + 1;
}

/* Steps from `from` on; where it stopped. */
static size_t run_steps(session *x, size_t from, edn_err *err)
{
    while (from < good.n && step(x, from, err) == EDN_OK)
        from++;
    return from;
}

/* ---- power ------------------------------------------------------------------------------------------------------- */

static bool power_at(uint64_t op, crashvfs_fate fate)
{
    session x;
    edn_err err;
    size_t acked;
    bool reached;

    trying.what = "power goes, fate";
    trying.op = op;
    trying.how = (int)fate;
    session_open(&x);
    crashvfs_cut_at(x.a, crashvfs_ops(x.a) + op);
    acked = run_steps(&x, 0, &err);
    reached = crashvfs_is_dark(x.a);
    edn_client_close(x.c);
    reached |= crashvfs_is_dark(x.a); /* while closing */
    crashvfs_cut_at(x.a, 0);
    crashvfs_power(x.a, fate, op);
    g.rng.s = 8 + op; /* a new process draws other numbers */
    x.c = open_on("a", "run-a");
    diary_check_verified(x.c);
    acked = check_state(&x, acked, false);
    CHECK_INT(run_steps(&x, acked, &err), good.n);
    check_settled(&x);
    trying.what = NULL;
    session_close(&x);
    return reached;
}

/* Each operation, once with pending writes dropped and once with another fate. */
static void power_may_go_at_every_operation(void **state)
{
    static const crashvfs_fate others[] = {CRASHVFS_KEEP, CRASHVFS_TEAR, CRASHVFS_PREFIX};
    uint64_t op = 1, n = 0;

    (void)state;
    plan_make();
    for (; power_at(op, CRASHVFS_DROP); op += CHECK_ONE_IN) {
        power_at(op, others[(op + check_seed()) % EDN_COUNT(others)]);
        n++;
    }
    CHECK(n > 60 / CHECK_ONE_IN);
}

/* ---- a disk that refuses ----------------------------------------------------------------------------------------- */

static bool fault_at(uint64_t op, int rc, bool on, edn_status want)
{
    session x;
    edn_err err = {EDN_OK, ""};
    size_t acked;
    bool reached;

    trying.what = "the disk gives";
    trying.op = op;
    trying.how = rc;
    session_open(&x);
    crashvfs_fail_at(x.a, crashvfs_ops(x.a) + op, rc, on);
    acked = run_steps(&x, 0, &err);
    reached = acked < good.n;
    if (reached) {
        CHECK_STATUS(err.status, want);
        CHECK(strlen(err.text) > 20);
        crashvfs_fail_at(x.a, 0, 0, false);
        /* A sync is several transactions: what it took in before the fault stays. */
        check_state(&x, acked, acked != STEP_SYNC_FIRST && acked != STEP_SYNC_LAST);
        CHECK_INT(run_steps(&x, acked, &err), good.n); /* the handle that saw it goes on */
    }
    crashvfs_fail_at(x.a, 0, 0, false);
    check_settled(&x);
    trying.what = NULL;
    session_close(&x);
    return reached;
}

/* Every second operation: the other kind of fault has the others. */
static void fault_everywhere(uint64_t first, int rc, bool on, edn_status want)
{
    uint64_t op, hit = 0, last;

    plan_make();
    last = good.ops[good.n] - crashvfs_ops(g.a);
    for (op = first; op <= last; op += (uint64_t)2 * CHECK_ONE_IN)
        hit += fault_at(op, rc, on, want);
    CHECK(hit > 15 / CHECK_ONE_IN);
}

static void a_full_disk_is_named_and_changes_nothing(void **state)
{
    (void)state;
    fault_everywhere(1, SQLITE_FULL, true, EDN_E_FULL);
}

static void a_write_that_fails_once_is_named_and_changes_nothing(void **state)
{
    (void)state;
    fault_everywhere(2, SQLITE_IOERR_WRITE, false, EDN_E_IO);
}

static void a_disk_with_an_end_takes_what_fits(void **state)
{
    session x;
    edn_err err = {EDN_OK, ""};
    edn_entry_id id;
    char text[512];
    size_t n = 0;
    edn_status st;

    (void)state;
    session_open(&x);
    crashvfs_set_capacity(x.a, crashvfs_used(x.a) + 1000000);
    memset(text, 'x', sizeof text);
    while (n < 5000) {
        edn_draft d = {.date = edn_bytes_str("1661-01-01"), .text = edn_bytes_of(text, sizeof text)};
        if ((st = edn_client_add(x.c, &d, &id, &err)) != EDN_OK)
            break;
        n++;
    }
    CHECK_STATUS(st, EDN_E_FULL);
    assert_non_null(strstr(err.text, "full"));
    CHECK(n > 20);
    CHECK_INT(diary_see(x.c, true).entries, n + 2);
    diary_check_verified(x.c);
    crashvfs_set_capacity(x.a, UINT64_MAX);
    diary_add(x.c, "1661-01-02", "", "there is room again");
    CHECK(diary_sync(x.c).synced);
    session_close(&x);
}

/* ---- the server's disk ------------------------------------------------------------------------------------------- */

static bool server_power_at(uint64_t op, crashvfs_fate fate)
{
    session x;
    edn_err err;
    edn_client_status status;
    size_t acked;
    uint64_t entries = 0;
    bool reached;
    edn_client *b;

    trying.what = "the server's power goes, fate";
    trying.op = op;
    trying.how = (int)fate;
    session_open(&x);
    crashvfs_cut_at(x.server, crashvfs_ops(x.server) + op);
    acked = run_steps(&x, 0, &err);
    CHECK(acked == good.n || err.status == EDN_E_SERVER || err.status == EDN_E_RATE);
    CHECK_OK(edn_client_status_get(x.c, &status, NULL));
    if (status.synced) /* then everything that is here must be there, whatever happened to the server since */
        entries = status.entries;
    reached = crashvfs_is_dark(x.server);
    world_server_stop(g.w);
    reached |= crashvfs_is_dark(x.server);
    crashvfs_cut_at(x.server, 0);
    crashvfs_power(x.server, fate, op);
    world_server_start(g.w);
    b = open_on("b", "run-b");
    CHECK(diary_sync(b).synced);
    CHECK(diary_see(b, false).entries >= entries);
    edn_client_close(b);
    CHECK_INT(run_steps(&x, acked, &err), good.n);
    check_settled(&x);
    CHECK_INT(diary_findings(x.c, EDN_E_ROLLBACK), 0); /* it never signs for what it may lose */
    trying.what = NULL;
    session_close(&x);
    return reached;
}

static void the_server_may_lose_power_at_any_operation(void **state)
{
    uint64_t op, n = 0;

    (void)state;
    plan_make();
    for (crashvfs_fate fate = CRASHVFS_KEEP; fate < CRASHVFS_FATES; fate++)
        for (op = 1 + (uint64_t)fate % 2; server_power_at(op, fate); op += (uint64_t)2 * CHECK_ONE_IN)
            n++;
    CHECK(n > 20 / CHECK_ONE_IN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(power_may_go_at_every_operation, tell),
        cmocka_unit_test_teardown(a_full_disk_is_named_and_changes_nothing, tell),
        cmocka_unit_test_teardown(a_write_that_fails_once_is_named_and_changes_nothing, tell),
        cmocka_unit_test_teardown(a_disk_with_an_end_takes_what_fits, tell),
        cmocka_unit_test_teardown(the_server_may_lose_power_at_any_operation, tell),
    };
    cmocka_set_test_filter(getenv("T"));
    int failed = cmocka_run_group_tests(tests, ground_make, ground_unmake);

    plan_forget();
    return failed;
}
