/* Power goes, or a write fails, at every operation of a session: what was acknowledged is there afterwards, what was
 * not is there as a whole or not at all, and the session can be carried on. */
#include "crashvfs.h"
#include "server_kit.h"

#include <sqlite3.h>

enum { PUSHES = 12 };
static const char disk[] = "server-crash";

/* What the session's server has acknowledged. */
typedef struct session {
    bool account;
    size_t links, batches;
} session;

typedef struct script {
    person p;
    edn_buf pushes[PUSHES]; /* one batch each, the last but three large */
    edn_buf account, link;
    size_t links_first; /* how many links the account has at first */
} script;

static void script_make(script *x)
{
    edn_buf batch = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_msg_log_append m;

    memset(x, 0, sizeof *x);
    person_init(&x->p, 1);
    x->account = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
    x->link = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
    person_account(&x->p, &x->account);
    x->links_first = x->p.links_n;
    for (size_t i = 0; i < PUSHES; i++) {
        edn_bytes one;
        edn_buf_reset(&batch);
        x->pushes[i] = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
        person_batch(&x->p, 0, i == PUSHES - 3 ? 131072 : 1024u << i % 3, &batch);
        one = edn_buf_view(&batch);
        person_push(NULL, &one, 1, &x->pushes[i]);
    }
    person_add_device(&x->p, EDN_CAP_READ);
    m = (edn_msg_log_append){&x->p.links[x->p.links_n - 1], 1, &x->p.boxes[x->p.boxes_n - 1], 1};
    edn_log_append_put(&x->link, &m);
    edn_buf_dispose(&batch);
}

static void script_dispose(script *x)
{
    for (size_t i = 0; i < PUSHES; i++)
        edn_buf_dispose(&x->pushes[i]);
    edn_buf_dispose(&x->account);
    edn_buf_dispose(&x->link);
    person_dispose(&x->p);
}

static bool try_sign_in(kit *k, const script *x, edn_buf *token)
{
    person_login l;

    return person_challenge(&x->p, 0, kit_ask, k, &l) == 200 &&
           person_login_send(&x->p, 0, &l, kit_ask, k, token) == 200;
}

/* Goes on from what is there; notes what was acknowledged; stops at the first failure. */
static void run_session(kit *k, const script *x, session *done)
{
    edn_buf token = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);
    int status;

    if (kit_try_open(k) != EDN_OK)
        return;
    status = kit_ask(k, "POST", "/v1/accounts", EDN_BYTES_EMPTY, edn_buf_view(&x->account), NULL);
    if (status == 201 || status == 409)
        done->account = true;
    if (status == 201)
        done->links = x->links_first;
    if (!done->account || !try_sign_in(k, x, &token))
        goto out;
    for (size_t i = 0; i < PUSHES; i++) {
        status = kit_ask(k, "POST", "/v1/push", edn_buf_view(&token), edn_buf_view(&x->pushes[i]), NULL);
        if (status != 200)
            goto out;
        done->batches = EDN_MAX(done->batches, i + 1);
        if (i == 5) {
            status = kit_ask(k, "POST", "/v1/log", edn_buf_view(&token), edn_buf_view(&x->link), NULL);
            if (status != 200 && status != 409)
                goto out;
            done->links = x->links_first + 1;
        }
    }
out:
    edn_buf_dispose(&token);
    if (k->s)
        kit_close(k);
}

/* Opens what is left on the disk and compares it with what was acknowledged. */
static void check_disk(kit *k, const script *x, const session *done)
{
    edn_buf token = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX), rq = EDN_BUF_INIT(65536), answer = EDN_BUF_INIT(0);
    edn_arena a = edn_arena_init(16u << 20);
    edn_msg_pulled m;

    kit_open(k);
    if (!try_sign_in(k, x, &token)) {
        CHECK(!done->account);
        goto out;
    }
    person_pull(&x->p, 0, NULL, 0, &rq);
    CHECK_INT(kit_ask(k, "POST", "/v1/pull", edn_buf_view(&token), edn_buf_view(&rq), &answer), 200);
    CHECK_OK(edn_pulled_decode(&a, edn_buf_view(&answer), &m));
    CHECK(m.links_n >= done->links);
    for (size_t i = 0; i < m.links_n; i++)
        CHECK_BYTES(m.links[i], x->p.links[i]);
    CHECK(m.batches_n >= done->batches);
    CHECK_INT(m.heads_n, m.batches_n ? 1 : 0);
    if (m.heads_n)
        CHECK_INT(m.heads[0].dseq, m.batches_n);
    for (size_t i = 0; i < m.batches_n; i++) {
        edn_msg_push sent;
        CHECK_OK(edn_push_decode(&a, edn_buf_view(&x->pushes[i]), &sent));
        CHECK_BYTES(m.batches[i], sent.batches[0]);
    }
out:
    kit_close(k);
    edn_buf_dispose(&token);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&answer);
    edn_arena_dispose(&a);
}

typedef enum accident { POWER, FULL, SYNC_FAILS, ACCIDENTS } accident;

/* One session with an accident at operation `op`, then what is left, then another session to the end. */
static bool run_accident(const script *x, accident what, uint64_t op, crashvfs_fate fate)
{
    crashvfs *fs = crashvfs_new(disk);
    session done = {false, 0, 0}, rest = {false, 0, 0};
    bool reached;
    kit k;

    kit_prepare(&k);
    k.vfs = disk;
    if (what == POWER)
        crashvfs_cut_at(fs, op);
    else
        crashvfs_fail_at(fs, op, what == FULL ? SQLITE_FULL : SQLITE_IOERR_FSYNC, false);
    run_session(&k, x, &done);
    reached = crashvfs_ops(fs) >= op;
    if (what == POWER)
        crashvfs_power(fs, fate, op);
    else
        crashvfs_kill(fs);
    crashvfs_fail_at(fs, 0, 0, false);
    crashvfs_cut_at(fs, 0);
    check_disk(&k, x, &done);
    run_session(&k, x, &rest);
    CHECK_INT(rest.batches, PUSHES);
    check_disk(&k, x, &rest);
    kit_dispose(&k);
    crashvfs_free(fs);
    return reached;
}

/* Every third operation, so that a run stays short; the seed moves which. */
static void all_accidents(accident what, crashvfs_fate fate)
{
    script x;
    uint64_t op = 1 + check_seed() % 3;
    size_t n = 0;

    script_make(&x);
    while (run_accident(&x, what, op, fate)) {
        op += 3;
        n++;
    }
    CHECK(n > 20);
    script_dispose(&x);
}

static void nothing_acknowledged_is_lost_when_pending_writes_are(void **state)
{
    (void)state;
    all_accidents(POWER, CRASHVFS_DROP);
}

static void nothing_acknowledged_is_lost_when_pending_writes_are_kept(void **state)
{
    (void)state;
    all_accidents(POWER, CRASHVFS_KEEP);
}

static void nothing_acknowledged_is_lost_when_pending_writes_are_torn(void **state)
{
    (void)state;
    all_accidents(POWER, CRASHVFS_TEAR);
    all_accidents(POWER, CRASHVFS_PREFIX);
}

static void a_full_disk_refuses_and_loses_nothing(void **state)
{
    (void)state;
    all_accidents(FULL, CRASHVFS_KEEP);
}

static void a_sync_that_fails_is_not_acknowledged(void **state)
{
    (void)state;
    all_accidents(SYNC_FAILS, CRASHVFS_KEEP);
}

static void a_large_batch_whose_row_was_lost_can_come_again(void **state)
{
    kit k;
    script x;
    session done = {false, 0, 0};

    /* The blob was written and synced, and the row that names it never was: an orphan that the next try overwrites. */
    (void)state;
    script_make(&x);
    kit_init(&k);
    kit_close(&k);
    run_session(&k, &x, &done);
    CHECK_INT(done.batches, PUSHES);
    {
        char path[128], wal[136];
        snprintf(path, sizeof path, "%s/meta.db", k.dir);
        snprintf(wal, sizeof wal, "%s-wal", path);
        (void)remove(wal); /* folded in at the close */
        CHECK_INT(remove(path), 0);
    }
    done = (session){false, 0, 0};
    run_session(&k, &x, &done);
    CHECK_INT(done.batches, PUSHES);
    check_disk(&k, &x, &done);
    kit_dispose(&k);
    script_dispose(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_acknowledged_is_lost_when_pending_writes_are),
        cmocka_unit_test(nothing_acknowledged_is_lost_when_pending_writes_are_kept),
        cmocka_unit_test(nothing_acknowledged_is_lost_when_pending_writes_are_torn),
        cmocka_unit_test(a_full_disk_refuses_and_loses_nothing),
        cmocka_unit_test(a_sync_that_fails_is_not_acknowledged),
        cmocka_unit_test(a_large_batch_whose_row_was_lost_can_come_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
