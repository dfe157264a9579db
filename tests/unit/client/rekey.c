/* Everything is sealed again under new keys and the old batches are let go, while power and the network go, others
 * write, and servers forget: nothing is lost, nothing is said twice, and what old keys open is not stored any more. */
#include <edn/account.h>
#include <sqlite3.h>

#include "diarist.h"

#include "client/client_priv.h"
#include "crashvfs.h"

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

static edn_rekey_result rekey(edn_client *c)
{
    edn_rekey_result r;
    edn_err err = {EDN_OK, ""};
    edn_status st = edn_client_rekey_deep(c, edn_bytes_str(WORLD_PASSPHRASE), NULL, &r, &err);

    if (st != EDN_OK)
        print_error("rekey: %s\n", err.text);
    CHECK_OK(st);
    return r;
}

typedef struct stored {
    world *w;
    uint64_t batches, old; /* old: of an epoch before `epoch` */
    uint32_t epoch;
} stored;

static edn_status look(void *cb, const edn_meta_batch *row)
{
    stored *s = cb;
    edn_buf bytes = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_hash name = edn_h32_t(EDN_LABEL_SERVER_BATCH, EDN_F(row->hash));
    edn_batch b;

    if (row->body.n)
        edn_put_bytes(&bytes, row->body.p, row->body.n);
    else
        CHECK_OK(s->w->blobs.get(s->w->blobs.ctx, &name, &bytes));
    CHECK_OK(edn_batch_decode(edn_buf_view(&bytes), &b));
    s->batches++;
    s->old += b.header.epoch < s->epoch;
    edn_buf_dispose(&bytes);
    return EDN_OK;
}

/* What the server's disk holds of the account. */
static stored stored_of(world *w, edn_client *c, uint32_t epoch)
{
    edn_meta_account account;
    edn_meta_space space;
    edn_head after[8];
    stored s = {.w = w, .epoch = epoch};
    size_t n = 0;
    const edn_device *d;

    for (size_t i = 0; (d = edn_devlog_device(c->log, i)); i++)
        after[n++] = (edn_head){.device = d->id};
    CHECK_OK(w->meta.account_find(w->meta.ctx, &client_id(c)->account, &account));
    CHECK_OK(w->meta.space_find_account(w->meta.ctx, account.n, &space));
    CHECK_OK(w->meta.batches_after(w->meta.ctx, space.n, after, n, 100000, look, &s));
    CHECK_INT(space.batches, s.batches); /* what counts against the quota */
    return s;
}

static void meet(two *t)
{
    for (int i = 0; i < 2; i++) {
        CHECK_INT(diary_sync(t->a).findings, 0);
        CHECK_INT(diary_sync(t->b).findings, 0);
    }
    diary_check_same(t->a, t->b);
}

/* A device that comes new has the whole diary, and everything in it holds. */
static void check_newcomer(two *t, const char *name, edn_client *like)
{
    edn_client *c = world_login(t->w, name);

    CHECK_INT(diary_sync(c).findings, 0);
    diary_check_same(c, like);
    diary_check_verified(c);
    edn_client_close(c);
}

static edn_entry_id long_entry(edn_client *c, const char *date, check_rng *rng, size_t size)
{
    edn_buf text = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_draft d = {.date = edn_bytes_str(date)};
    edn_entry_id id;

    for (size_t i = 0; i < size; i++)
        edn_put_u8(&text, (uint8_t)(i % 61 == 60 ? '\n' : '!' + check_below(rng, 90)));
    d.text = edn_buf_view(&text);
    CHECK_OK(edn_client_add(c, &d, &id, NULL));
    edn_buf_dispose(&text);
    return id;
}

/* ---- the thing itself -------------------------------------------------------------------------------------------- */

static void the_server_holds_nothing_that_old_keys_open(void **state)
{
    two t = two_open();
    stored s;

    (void)state;
    diary_add(t.a, "1660-01-01", "", "[a1]");
    diary_add(t.b, "1660-01-02", "", "[b1]");
    meet(&t);
    CHECK(stored_of(t.w, t.a, 1).old > 1);
    CHECK(rekey(t.a).objects >= 5); /* two entries, a journal, two devices */
    s = stored_of(t.w, t.a, 1);
    CHECK(s.batches > 0);
    CHECK_INT(s.old, 0);
    diary_add(t.b, "1660-01-03", "", "[b2]");
    meet(&t);
    diary_check_verified(t.a);
    diary_check_verified(t.b);
    check_newcomer(&t, "c", t.a);
    two_close(&t);
}

/* ---- others at the same time ------------------------------------------------------------------------------------- */

static void what_was_written_without_knowing_is_kept(void **state)
{
    two t = two_open();

    (void)state;
    diary_add(t.a, "1660-01-01", "", "[a1]");
    meet(&t);
    rekey(t.a);
    diary_add(t.b, "1660-01-02", "", "[b, under the old key]");
    CHECK_INT(diary_sync(t.b).findings, 0); /* only now it hears of the new one */
    CHECK_INT(stored_of(t.w, t.a, 1).old, 1);
    check_newcomer(&t, "c", t.b);
    meet(&t);
    check_newcomer(&t, "d", t.a);
    rekey(t.a); /* and once more, for that */
    CHECK_INT(stored_of(t.w, t.a, 2).old, 0);
    meet(&t);
    check_newcomer(&t, "e", t.b);
    two_close(&t);
}

typedef struct meddling {
    two *t;
    unsigned calls, times;
} meddling;

/* "b" writes and sends while "a" is in the middle of it, and has not heard of the new key. */
static bool b_writes(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    meddling *m = ctx;

    CHECK_STR(edn_bytes_str(what), "sealing");
    CHECK(done <= total);
    if (m->calls++ < m->times) {
        diary_add(m->t->b, "1660-02-02", "", "[meanwhile]");
        CHECK_INT(diary_sync(m->t->b).findings, 0);
    }
    return true;
}

static void what_comes_meanwhile_is_sealed_again_too(void **state)
{
    two t = two_open();
    meddling m = {.t = &t, .times = 1};
    edn_progress p = {b_writes, &m};
    edn_rekey_result r;
    edn_entry_id shared;

    (void)state;
    shared = diary_add(t.a, "1660-01-01", "", "[a1]");
    meet(&t);
    diary_edit(t.b, &shared, "[a1] and b");
    CHECK_OK(edn_client_rekey_deep(t.a, edn_bytes_str(WORLD_PASSPHRASE), &p, &r, NULL));
    CHECK(m.calls > 1);
    CHECK_INT(stored_of(t.w, t.a, 1).old, 0);
    meet(&t);
    diary_check_text(t.a, &shared, "[a1] and b");
    check_newcomer(&t, "c", t.a);
    two_close(&t);
}

/* ---- stopped and gone on with ------------------------------------------------------------------------------------ */

static bool stop_after(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    (void)what;
    (void)done;
    (void)total;
    return --*(int *)ctx > 0;
}

static void it_goes_on_where_it_was_stopped(void **state)
{
    two t = two_open();
    check_rng rng = {check_seed() | 1};
    int steps = 1;
    edn_progress p = {stop_after, &steps};
    edn_rekey_result r;
    uint64_t done;
    bool pending;
    edn_err err;

    (void)state;
    for (int i = 0; i < 18; i++)
        long_entry(t.a, "1660-01-01", &rng, 700000);
    diary_add(t.b, "1660-01-02", "", "[b]");
    meet(&t);
    CHECK_OK(edn_client_rekey_pending(t.a, &pending, NULL));
    CHECK(!pending);
    CHECK_STATUS(edn_client_rekey_deep(t.a, edn_bytes_str(WORLD_PASSPHRASE), &p, &r, &err), EDN_E_CANCELLED);
    CHECK(r.objects > 0 && r.objects < 18);
    CHECK_OK(edn_client_rekey_pending(t.a, &pending, NULL));
    CHECK(pending);
    done = r.objects;
    meet(&t); /* half of it is sent, and changes nothing */
    edn_client_close(t.a);
    t.a = world_open(t.w, "a");
    steps = 100;
    CHECK_OK(edn_client_rekey_deep(t.a, EDN_BYTES_EMPTY, &p, &r, &err));
    CHECK(r.objects > 18 && 100 - steps < 4 && done);
    CHECK_INT(edn_devlog_epoch(t.a->log), 1); /* no second rotation */
    CHECK_INT(stored_of(t.w, t.a, 1).old, 0);
    CHECK_OK(edn_client_rekey_pending(t.a, &pending, NULL));
    CHECK(!pending);
    meet(&t);
    check_newcomer(&t, "c", t.b);
    two_close(&t);
}

static void another_rotation_in_between_begins_it_again(void **state)
{
    two t = two_open();
    edn_client *c;
    int steps = 1;
    edn_progress p = {stop_after, &steps};
    edn_rekey_result r;

    (void)state;
    diary_add(t.a, "1660-01-01", "", "[a1]");
    c = world_login(t.w, "c");
    diary_add(c, "1660-01-03", "", "[c]");
    diary_sync(c);
    edn_client_close(c);
    meet(&t);
    CHECK_STATUS(edn_client_rekey_deep(t.a, edn_bytes_str(WORLD_PASSPHRASE), &p, &r, NULL), EDN_E_CANCELLED);
    CHECK_OK(edn_client_device_revoke(t.a, "c", edn_bytes_str(WORLD_PASSPHRASE), NULL));
    CHECK_OK(edn_client_rekey_deep(t.a, EDN_BYTES_EMPTY, NULL, &r, NULL));
    CHECK_INT(stored_of(t.w, t.a, 2).old, 0);
    meet(&t);
    check_newcomer(&t, "d", t.b);
    two_close(&t);
}

/* ---- documents of several hands ---------------------------------------------------------------------------------- */

static void documents_of_several_hands_come_whole(void **state)
{
    two t = two_open();
    check_rng rng = {check_seed() | 1};
    edn_entry_id small, large;

    (void)state;
    small = diary_add(t.a, "1660-01-01", "", "one two three");
    large = long_entry(t.a, "1660-01-02", &rng, 500000);
    meet(&t);
    for (int i = 0; i < 3; i++) { /* each builds on what the other wrote */
        edn_buf text = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        diary_edit(t.a, &small, "one 2 three");
        diary_edit(t.b, &small, "one two three four");
        diary_text(i % 2 ? t.a : t.b, &large, &text);
        for (size_t k = 0; k < 250000; k++)
            edn_put_u8(&text, (uint8_t)('a' + check_below(&rng, 26)));
        edn_put_u8(&text, 0);
        diary_edit(i % 2 ? t.a : t.b, &large, (const char *)text.p);
        edn_buf_dispose(&text);
        meet(&t);
    }
    rekey(t.b);
    CHECK_INT(stored_of(t.w, t.a, 1).old, 0);
    meet(&t);
    check_newcomer(&t, "c", t.a);
    two_close(&t);
}

/* ---- servers that forget ----------------------------------------------------------------------------------------- */

static void a_server_that_lost_everything_is_filled_from_the_bases(void **state)
{
    two t = two_open();

    (void)state;
    diary_add(t.a, "1660-01-01", "", "[a1]");
    diary_add(t.b, "1660-01-02", "", "[b1]");
    meet(&t);
    rekey(t.a);
    meet(&t);
    diary_add(t.b, "1660-01-03", "", "[b2]");
    meet(&t);
    world_server_restore(t.w, "");
    (void)diary_sync(t.a); /* it says that the server forgot */
    CHECK(diary_sync(t.a).synced);
    CHECK_INT(stored_of(t.w, t.a, 1).old, 0);
    (void)diary_sync(t.b);
    CHECK(diary_sync(t.b).synced);
    check_newcomer(&t, "c", t.a);
    two_close(&t);
}

static void a_server_set_back_to_before_it_lets_go_again(void **state)
{
    two t = two_open();

    (void)state;
    diary_add(t.a, "1660-01-01", "", "[a1]");
    diary_add(t.b, "1660-01-02", "", "[b1]");
    meet(&t);
    world_server_save(t.w, "before");
    rekey(t.a);
    diary_add(t.a, "1660-01-03", "", "[a2]");
    meet(&t);
    world_server_restore(t.w, "before");
    (void)diary_sync(t.a);
    CHECK(diary_sync(t.a).synced);
    (void)diary_sync(t.b);
    CHECK_INT(stored_of(t.w, t.a, 1).old, 0);
    check_newcomer(&t, "c", t.b);
    two_close(&t);
}

/* A server that deletes without leave is found out as ever: here all that "b" wrote, and no link that says so. */
static void nothing_is_let_go_without_the_link(void **state)
{
    two t = two_open();
    edn_client *c;
    edn_meta_account account;
    edn_meta_space space;
    edn_head b = {.dseq = 1};
    uint64_t n = 0, bytes = 0;
    edn_sync_result r;

    (void)state;
    diary_add(t.b, "1660-01-02", "", "[b1]");
    meet(&t);
    b.device = client_id(t.b)->device;
    CHECK_OK(t.w->meta.account_find(t.w->meta.ctx, &client_id(t.a)->account, &account));
    CHECK_OK(t.w->meta.space_find_account(t.w->meta.ctx, account.n, &space));
    CHECK_OK(t.w->meta.batches_drop(t.w->meta.ctx, space.n, &b, NULL, NULL, &n, &bytes));
    CHECK_INT(n, 1);
    CHECK(bytes > 1000);
    c = world_login(t.w, "c");
    CHECK_OK(edn_client_sync(c, NULL, &r, NULL));
    CHECK(r.findings > 0 && !r.synced);
    edn_client_close(c);
    two_close(&t);
}

/* ---- a copy of the device ---------------------------------------------------------------------------------------- */

static void change_places(two *t)
{
    edn_client_close(t->a);
    world_home_copy(t->w, "a", "in between");
    world_home_copy(t->w, "other", "a");
    world_home_copy(t->w, "in between", "other");
    t->a = world_open(t->w, "a");
}

static void a_copy_from_before_finds_itself_out(void **state)
{
    two t = two_open();
    edn_device_id was;

    (void)state;
    diary_add(t.a, "1660-01-01", "", "[a1]");
    diary_add(t.b, "1660-01-02", "", "[b1]");
    meet(&t);
    was = client_id(t.a)->device;
    edn_client_close(t.a);
    world_home_copy(t.w, "a", "other");
    t.a = world_open(t.w, "a");
    diary_add(t.a, "1660-01-03", "", "[a2]");
    diary_sync(t.a);
    diary_sync(t.b);
    rekey(t.b); /* whose base of "a" is behind what the copy has */
    meet(&t);
    change_places(&t);
    diary_add(t.a, "1660-01-04", "", "[copy]");
    for (int i = 0; i < 4; i++)
        (void)diary_sync(t.a);
    CHECK(diary_sync(t.a).synced);
    CHECK(memcmp(client_id(t.a)->device.b, was.b, sizeof was.b) != 0);
    diary_sync(t.b);
    diary_check_same(t.a, t.b);
    CHECK_INT(diary_see(t.a, false).entries, 4);
    diary_check_verified(t.a);
    change_places(&t); /* the one that was first */
    (void)diary_sync(t.a);
    CHECK(diary_sync(t.a).synced);
    diary_check_same(t.a, t.b);
    two_close(&t);
}

/* ---- power and the network --------------------------------------------------------------------------------------- */

/* Each try takes long, so not every operation is tried in one run; the seed moves which. */
#define STRIDE 5u

/* Whatever happened before: it is gone on with, and then all is as it should be. */
static void check_in_the_end(two *t)
{
    edn_rekey_result r;
    edn_err err = {EDN_OK, ""};
    bool pending;

    diary_sync(t->a);
    CHECK_OK(edn_client_rekey_pending(t->a, &pending, NULL));
    if (pending || edn_devlog_epoch_min(t->a->log, UINT64_MAX) == 0)
        CHECK_OK(
            edn_client_rekey_deep(t->a, pending ? EDN_BYTES_EMPTY : edn_bytes_str(WORLD_PASSPHRASE), NULL, &r, &err));
    CHECK_OK(edn_client_rekey_pending(t->a, &pending, NULL));
    CHECK(!pending);
    meet(t);
    CHECK_INT(stored_of(t->w, t->a, 1).old, 0);
    CHECK_INT(diary_see(t->b, false).entries, 2);
}

static void the_network_may_go_at_any_moment(void **state)
{
    bool acked = false;

    (void)state;
    for (uint64_t n = 1 + check_seed() % 3; !acked; n += 3) {
        two t = two_open();
        edn_rekey_result r;
        edn_err err;
        diary_add(t.a, "1660-01-01", "", "[a1]");
        diary_add(t.b, "1660-01-02", "", "[b1]");
        meet(&t);
        if (n % 2)
            t.w->down_from = t.w->exchanges + 1 + n / 2;
        else
            t.w->lose_answer = t.w->exchanges + n / 2;
        acked = edn_client_rekey_deep(t.a, edn_bytes_str(WORLD_PASSPHRASE), NULL, &r, &err) == EDN_OK && n % 2;
        t.w->down_from = t.w->lose_answer = 0;
        check_in_the_end(&t);
        if (n % 5 == 0)
            check_newcomer(&t, "c", t.a);
        two_close(&t);
        CHECK(n < 60);
    }
}

static void power_may_go_at_any_moment(void **state)
{
    bool dark = true, acked;
    uint64_t op = 1 + check_seed() % STRIDE;

    (void)state;
    for (; dark; op += STRIDE) {
        two t = {.w = world_new()};
        crashvfs *disk = crashvfs_new("rekey-home");
        edn_rekey_result r;
        edn_err err;
        t.w->device_vfs = "rekey-home";
        t.a = world_init(t.w, "desk"); /* names of their own: keys are kept by name */
        t.w->device_vfs = NULL;
        t.b = world_login(t.w, "phone");
        diary_add(t.a, "1660-01-01", "", "[a1]");
        diary_add(t.b, "1660-01-02", "", "[b1]");
        meet(&t);
        crashvfs_cut_at(disk, crashvfs_ops(disk) + op);
        acked = edn_client_rekey_deep(t.a, edn_bytes_str(WORLD_PASSPHRASE), NULL, &r, &err) == EDN_OK;
        edn_client_close(t.a);
        dark = crashvfs_is_dark(disk);
        CHECK(acked || dark);
        crashvfs_cut_at(disk, 0);
        if (dark)
            crashvfs_power(disk, (crashvfs_fate)(1 + op % (CRASHVFS_FATES - 1)), op);
        t.w->device_vfs = "rekey-home";
        t.a = world_open(t.w, "desk");
        check_in_the_end(&t);
        if (op % 5 == 0) {
            t.w->device_vfs = NULL;
            check_newcomer(&t, "c", t.a);
        }
        two_close(&t);
        crashvfs_free(disk);
    }
    CHECK(op > 2 * STRIDE);
}

/* Links and what is sealed under their key come in one answer, and the disk refuses to keep them. */
static void a_key_that_could_not_be_written_down_is_nobodys_fault(void **state)
{
    two t = {.w = world_new()};
    crashvfs *disk = crashvfs_new("key-late");
    edn_sync_result r;
    edn_err err;
    unsigned failed = 0;

    (void)state;
    t.a = world_init(t.w, "early");
    t.w->device_vfs = "key-late";
    t.b = world_login(t.w, "late");
    t.w->device_vfs = NULL;
    diary_sync(t.b);
    (void)rekey(t.a);
    diary_add(t.a, "2026-01-02", "after", "under the new key");
    diary_sync(t.a);
    for (uint64_t op = 1;; op++) {
        edn_status st;
        crashvfs_fail_at(disk, crashvfs_ops(disk) + op, SQLITE_IOERR_WRITE, false);
        if ((st = edn_client_sync(t.b, NULL, &r, &err)) == EDN_OK && r.synced)
            break;
        CHECK_STATUS(st, EDN_E_IO);
        failed++;
    }
    crashvfs_fail_at(disk, 0, 0, false);
    CHECK(failed > 0);
    CHECK_INT(diary_findings(t.b, EDN_E_EPOCH), 0);
    diary_sync(t.b);
    diary_check_same(t.a, t.b);
    two_close(&t);
    crashvfs_free(disk);
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

static void a_wrong_passphrase_changes_nothing(void **state)
{
    two t = two_open();
    edn_rekey_result r;
    edn_err err;
    bool pending;

    (void)state;
    CHECK_STATUS(edn_client_rekey_deep(t.a, edn_bytes_str("not the passphrase"), NULL, &r, &err), EDN_E_PASSPHRASE);
    CHECK_OK(edn_client_rekey_pending(t.a, &pending, NULL));
    CHECK(!pending);
    CHECK_INT(edn_devlog_epoch(t.a->log), 0);
    two_close(&t);
}

static edn_status count_news(void *ctx, const edn_account_change *change)
{
    (void)change;
    ++*(size_t *)ctx;
    return EDN_OK;
}

/* Whoever had the passphrase and the account key had the account's own key: it lets nobody in any more. */
static void another_own_key_shuts_out_who_had_the_old_one(void **state)
{
    (void)state;
    two t = two_open();
    edn_sign_pk was = edn_devlog_aik(t.a->log), is;
    edn_client *c;
    size_t news = 0;
    edn_err err;

    diary_sync(t.a);
    CHECK_OK(edn_client_log_news(t.a, count_news, &news, NULL));
    CHECK_INT(news, 1); /* that b is here */
    news = 0;
    CHECK_STATUS(edn_client_rekey(t.a, edn_bytes_str("not the passphrase"), true, &err), EDN_E_PASSPHRASE);
    CHECK_OK(edn_client_rekey(t.a, edn_bytes_str(WORLD_PASSPHRASE), true, &err));
    is = edn_devlog_aik(t.a->log);
    CHECK(memcmp(was.b, is.b, sizeof is.b) != 0);
    CHECK_INT(edn_devlog_epoch(t.a->log), 1);
    CHECK_OK(edn_client_log_news(t.a, count_news, &news, NULL));
    CHECK_INT(news, 0); /* its own doing */
    diary_add(t.a, "1660-01-01", "", "under new keys");
    diary_sync(t.a);
    CHECK(diary_sync(t.b).synced);
    was = edn_devlog_aik(t.b->log);
    CHECK_BYTES(EDN_F(was), EDN_F(is));
    c = world_login(t.w, "c"); /* by a link that the new key signs, from the root box that holds it */
    CHECK(diary_sync(c).synced);
    diary_check_same(t.a, c);
    diary_check_verified(c);
    CHECK_OK(edn_client_rekey(t.b, edn_bytes_str(WORLD_PASSPHRASE), true, &err)); /* any of them may, again */
    CHECK(diary_sync(c).synced);
    edn_client_close(c);
    two_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_server_holds_nothing_that_old_keys_open),
        cmocka_unit_test(what_was_written_without_knowing_is_kept),
        cmocka_unit_test(what_comes_meanwhile_is_sealed_again_too),
        cmocka_unit_test(it_goes_on_where_it_was_stopped),
        cmocka_unit_test(another_rotation_in_between_begins_it_again),
        cmocka_unit_test(documents_of_several_hands_come_whole),
        cmocka_unit_test(a_server_that_lost_everything_is_filled_from_the_bases),
        cmocka_unit_test(a_server_set_back_to_before_it_lets_go_again),
        cmocka_unit_test(nothing_is_let_go_without_the_link),
        cmocka_unit_test(a_copy_from_before_finds_itself_out),
        cmocka_unit_test(the_network_may_go_at_any_moment),
        cmocka_unit_test(power_may_go_at_any_moment),
        cmocka_unit_test(a_key_that_could_not_be_written_down_is_nobodys_fault),
        cmocka_unit_test(a_wrong_passphrase_changes_nothing),
        cmocka_unit_test(another_own_key_shuts_out_who_had_the_old_one),
    };
    CHECK_OK(edn_crypto_init());
    cmocka_set_test_filter(getenv("T"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
