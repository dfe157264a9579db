/* Power goes, and writes fail, at every operation of a session; after it, what a commit acknowledged is there, and the
 * rest is there as a whole or not at all. */
#include "check.h"

#include <sqlite3.h>

#include "crashvfs.h"
#include "store/store.h"

static const edn_local_key ldk = {{1, 2, 3}};
static const char disk[] = "store-crash";

static void count_up(void *ctx, void *p, size_t n)
{
    uint64_t *state = ctx;

    for (size_t i = 0; i < n; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)p)[i] = (uint8_t)(*state >> 56);
    }
}

/* ---- the session ----------------------------------------------------------------------------------------------------
 *
 * TRANSACTIONS transactions over PAIRS pairs of rows in two tables; transaction i writes i into every pair, adds a row
 * of its own of some size, and deletes the row of the one before. A state is whole when every pair says the same and
 * only its row is there. */

enum { TRANSACTIONS = 8, PAIRS = 12 };

static size_t own_size(uint32_t i) { return i % 3 == 2 ? 30000 : 10 + 700 * (i % 5); }

static edn_status transact(edn_store *s, uint32_t i)
{
    static const uint8_t text[30000] = {7};
    edn_status st = edn_store_begin_write(s);
    uint32_t before = i - 1;

    for (uint32_t k = 0; k < PAIRS && st == EDN_OK; k++) {
        uint8_t key[16] = {(uint8_t)(k * 37), (uint8_t)k};
        st = edn_store_put(s, EDN_TABLE_ENTRY, edn_bytes_of(key, sizeof key), edn_bytes_of(&i, sizeof i));
        if (st == EDN_OK)
            st = edn_store_put(s, EDN_TABLE_DIRTY, edn_bytes_of(key, sizeof key), edn_bytes_of(&i, sizeof i));
    }
    if (st == EDN_OK)
        st = edn_store_put(s, EDN_TABLE_BATCH, edn_bytes_of(&i, sizeof i), edn_bytes_of(text, own_size(i)));
    if (st == EDN_OK)
        st = edn_store_del(s, EDN_TABLE_BATCH, edn_bytes_of(&before, sizeof before));
    if (st == EDN_OK)
        st = edn_store_commit(s);
    edn_store_rollback(s);
    return st;
}

typedef struct session {
    uint32_t acknowledged; /* the last transaction of which commit said EDN_OK */
    bool open;             /* open and unlock went well */
    edn_status st;         /* of what failed first */
} session;

/* Runs until something fails, or to the end. Closes in the middle, so that the log is folded into the file there. */
static session run_session(uint64_t *random)
{
    edn_random rng = {count_up, random};
    edn_store_options o = {.create = true, .vfs = disk, .busy_ms = 50};
    session x = {0};
    edn_store *s = NULL;

    for (uint32_t i = 1; i <= TRANSACTIONS && x.st == EDN_OK; i++) {
        if (i == 1 || i == 5) {
            edn_store_close(s);
            x.st = edn_store_open("d", &o, &s, NULL);
            if (x.st == EDN_OK)
                x.st = edn_store_unlock(s, &ldk, &rng);
            if (x.st != EDN_OK)
                break;
            x.open = true;
        }
        x.st = transact(s, i);
        if (x.st == EDN_OK)
            x.acknowledged = i;
    }
    edn_store_close(s);
    return x;
}

typedef struct seen {
    uint32_t rows, value;
    bool mixed;
} seen;

static edn_status see_pair(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    seen *x = ctx;
    uint32_t v;

    (void)key;
    CHECK_OK(st);
    CHECK_INT(value.n, 4);
    v = edn_load_u32(value.p);
    x->mixed |= x->rows > 0 && v != x->value;
    x->value = v;
    x->rows++;
    return EDN_OK;
}

static edn_status see_own(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    seen *x = ctx;

    CHECK_OK(st);
    CHECK_INT(key.n, 4);
    x->rows++;
    x->value = edn_load_u32(key.p);
    CHECK_INT(value.n, own_size(x->value));
    return EDN_OK;
}

/* Which transaction the store is at; fails the test when it is between two. `writable` also proves that it goes on. */
static uint32_t expect_whole(const char *vfs)
{
    edn_store_options o = {.create = true, .vfs = vfs, .busy_ms = 50};
    uint64_t random = 99;
    edn_random rng = {count_up, &random};
    seen a = {0}, b = {0}, own = {0};
    edn_store *s;
    edn_err err = {0};

    if (edn_store_open("d", &o, &s, &err) != EDN_OK)
        fail_msg("reopening: %s: %s", edn_status_name(err.status), err.text);
    CHECK_OK(edn_store_unlock(s, &ldk, &rng));
    CHECK_OK(edn_store_scan(s, EDN_TABLE_ENTRY, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, see_pair, &a));
    CHECK_OK(edn_store_scan(s, EDN_TABLE_DIRTY, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, see_pair, &b));
    CHECK_OK(edn_store_scan(s, EDN_TABLE_BATCH, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, see_own, &own));
    CHECK(!a.mixed && !b.mixed);
    CHECK_INT(a.value, b.value);
    CHECK_INT(a.rows, b.rows);
    CHECK_INT(a.rows, a.value ? PAIRS : 0);
    CHECK_INT(own.rows, a.value ? 1 : 0);
    CHECK_INT(own.value, a.value);
    CHECK_OK(transact(s, a.value + 1));
    edn_store_close(s);
    return a.value;
}

static uint64_t count_ops(void)
{
    crashvfs *fs = crashvfs_new(disk);
    uint64_t random = 1, n;
    session x = run_session(&random);

    CHECK_OK(x.st);
    CHECK_INT(x.acknowledged, TRANSACTIONS);
    n = crashvfs_ops(fs);
    crashvfs_free(fs);
    return n;
}

/* ---- power ------------------------------------------------------------------------------------------------------- */

static void check_fate(const crashvfs *dark, const session *x, uint64_t op, crashvfs_fate fate, uint64_t seed)
{
    crashvfs *fs = crashvfs_copy(dark, "store-crash-after");
    uint32_t at;

    crashvfs_power(fs, fate, seed);
    at = expect_whole("store-crash-after");
    if (at != x->acknowledged && at != x->acknowledged + 1)
        fail_msg("power at operation %llu, fate %d, seed %llu: at transaction %u, acknowledged %u",
                 (unsigned long long)op, (int)fate, (unsigned long long)seed, at, x->acknowledged);
    crashvfs_free(fs);
}

static void power_may_go_at_every_operation(void **state)
{
    (void)state;
    uint64_t ops = count_ops(), seeds = check_seed();

    for (uint64_t op = 1; op <= ops; op++) {
        crashvfs *fs = crashvfs_new(disk);
        uint64_t random = 1;
        crashvfs_cut_at(fs, op);
        session x = run_session(&random);
        CHECK(crashvfs_is_dark(fs));
        check_fate(fs, &x, op, CRASHVFS_KEEP, 0);
        check_fate(fs, &x, op, CRASHVFS_DROP, 0);
        for (uint64_t i = 0; i < 2; i++)
            check_fate(fs, &x, op, CRASHVFS_PREFIX, seeds * 1000 + op * 10 + i);
        for (uint64_t i = 0; i < 5; i++)
            check_fate(fs, &x, op, CRASHVFS_TEAR, seeds * 1000 + op * 10 + i);
        crashvfs_free(fs);
    }
    print_message("# %llu operations\n", (unsigned long long)ops);
}

/* Power goes again while the first loss is mended. */
static void power_may_go_during_recovery(void **state)
{
    (void)state;
    uint64_t ops = count_ops();

    for (uint64_t op = 3; op <= ops; op += 7) {
        crashvfs *fs = crashvfs_new(disk);
        uint64_t random = 1;
        session x;
        crashvfs_cut_at(fs, op);
        x = run_session(&random);
        crashvfs_power(fs, CRASHVFS_TEAR, op);
        for (uint64_t again = 1; again < 12; again += 3) {
            uint32_t at;
            edn_store_options o = {.create = true, .vfs = disk};
            edn_random rng = {count_up, &random};
            edn_store *s;
            crashvfs_cut_at(fs, crashvfs_ops(fs) + again);
            if (edn_store_open("d", &o, &s, NULL) == EDN_OK) {
                edn_status st = edn_store_unlock(s, &ldk, &rng);
                CHECK(st == EDN_OK || st == EDN_E_IO);
                edn_store_close(s);
            }
            crashvfs_cut(fs);
            crashvfs_power(fs, CRASHVFS_TEAR, op + again);
            at = expect_whole(disk);
            CHECK(at >= x.acknowledged);
            x.acknowledged = at + 1; /* expect_whole went one further */
        }
        crashvfs_free(fs);
    }
}

static void the_process_may_die_at_every_operation(void **state)
{
    (void)state;
    uint64_t ops = count_ops();

    for (uint64_t op = 1; op <= ops; op += 2) {
        crashvfs *fs = crashvfs_new(disk);
        uint64_t random = 1;
        uint32_t at;
        crashvfs_fail_at(fs, op, SQLITE_IOERR, true);
        session x = run_session(&random);
        crashvfs_kill(fs);
        crashvfs_fail_at(fs, 0, 0, false);
        at = expect_whole(disk);
        CHECK(at == x.acknowledged || at == x.acknowledged + 1);
        crashvfs_free(fs);
    }
}

/* ---- faults ------------------------------------------------------------------------------------------------------ */

static void check_fault(uint64_t op, int rc, bool on, edn_status want)
{
    crashvfs *fs = crashvfs_new(disk);
    uint64_t random = 1;
    uint32_t at;
    session x;

    crashvfs_fail_at(fs, op, rc, on);
    x = run_session(&random);
    /* A fault may be of no consequence: while the log is folded into the file, or a journal is deleted. */
    if (x.st != EDN_OK && x.st != want && x.st != EDN_E_IO)
        fail_msg("fault %d at operation %llu: %s", rc, (unsigned long long)op, edn_status_name(x.st));
    crashvfs_fail_at(fs, 0, 0, false);
    at = expect_whole(disk);
    if (at != x.acknowledged && at != x.acknowledged + 1)
        fail_msg("fault %d at operation %llu: at transaction %u, acknowledged %u", rc, (unsigned long long)op, at,
                 x.acknowledged);
    crashvfs_free(fs);
}

static void a_write_or_sync_may_fail_at_every_operation(void **state)
{
    (void)state;
    uint64_t ops = count_ops();

    for (uint64_t op = 1; op <= ops; op++) {
        check_fault(op, SQLITE_FULL, false, EDN_E_FULL);
        check_fault(op, SQLITE_FULL, true, EDN_E_FULL);
        check_fault(op, SQLITE_IOERR_FSYNC, false, EDN_E_IO);
        check_fault(op, SQLITE_IOERR_WRITE, true, EDN_E_IO);
    }
}

/* One transaction on an open store: after the failure the same handle goes on, at the old state. */
static void a_failed_transaction_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        int rc;
        edn_status st;
    } faults[] = {{SQLITE_FULL, EDN_E_FULL}, {SQLITE_IOERR_WRITE, EDN_E_IO}, {SQLITE_IOERR_FSYNC, EDN_E_IO}};

    for (size_t f = 0; f < EDN_COUNT(faults); f++) {
        bool failed = true;
        for (uint64_t op = 1; failed; op++) {
            crashvfs *fs = crashvfs_new(disk);
            edn_store_options o = {.create = true, .vfs = disk};
            uint64_t random = 1;
            edn_random rng = {count_up, &random};
            edn_buf b = EDN_BUF_INIT(100);
            edn_store *s;
            edn_status st;
            CHECK_OK(edn_store_open("d", &o, &s, NULL));
            CHECK_OK(edn_store_unlock(s, &ldk, &rng));
            CHECK_OK(transact(s, 1));
            crashvfs_fail_at(fs, crashvfs_ops(fs) + op, faults[f].rc, false);
            st = transact(s, 2);
            failed = st != EDN_OK;
            if (failed) {
                CHECK_STATUS(st, faults[f].st);
                CHECK(edn_store_error(s)[0] != 0);
                CHECK_OK(edn_store_get(s, EDN_TABLE_ENTRY, edn_bytes_of((uint8_t[16]){0}, 16), &b));
                CHECK_INT(edn_load_u32(b.p), 1);
                CHECK_OK(transact(s, 2));
            }
            edn_store_close(s);
            CHECK_INT(expect_whole(disk), 2);
            crashvfs_free(fs);
            CHECK(op < 200);
            edn_buf_dispose(&b);
        }
    }
}

static void a_full_disk_keeps_what_it_has(void **state)
{
    (void)state;
    crashvfs *fs = crashvfs_new(disk);
    edn_store_options o = {.create = true, .vfs = disk};
    uint64_t random = 1;
    edn_random rng = {count_up, &random};
    uint32_t i = 1;
    edn_store *s;
    edn_status st;

    crashvfs_set_capacity(fs, 400000);
    CHECK_OK(edn_store_open("d", &o, &s, NULL));
    CHECK_OK(edn_store_unlock(s, &ldk, &rng));
    while ((st = transact(s, i)) == EDN_OK)
        i++;
    CHECK_STATUS(st, EDN_E_FULL);
    CHECK(i > 2);
    CHECK_STATUS(transact(s, i), EDN_E_FULL);
    crashvfs_set_capacity(fs, UINT64_MAX);
    CHECK_OK(transact(s, i));
    edn_store_close(s);
    CHECK_INT(expect_whole(disk), i);
    crashvfs_free(fs);
}

static void a_read_may_fail_at_every_read(void **state)
{
    (void)state;
    uint64_t reads;
    crashvfs *fs = crashvfs_new(disk);
    uint64_t random = 1;

    CHECK_OK(run_session(&random).st);
    reads = crashvfs_reads(fs);
    crashvfs_free(fs);
    CHECK(reads > 10);
    for (uint64_t i = 1; i <= reads; i++) {
        session x;
        uint32_t at;
        fs = crashvfs_new(disk);
        random = 1;
        crashvfs_fail_read_at(fs, i, SQLITE_IOERR_READ);
        x = run_session(&random);
        CHECK(x.st == EDN_OK || x.st == EDN_E_IO);
        at = expect_whole(disk);
        CHECK(at == x.acknowledged || at == x.acknowledged + 1);
        crashvfs_free(fs);
    }
}

static int setup(void **state)
{
    (void)state;
    CHECK_OK(edn_crypto_init());
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_may_go_at_every_operation),
        cmocka_unit_test(power_may_go_during_recovery),
        cmocka_unit_test(the_process_may_die_at_every_operation),
        cmocka_unit_test(a_write_or_sync_may_fail_at_every_operation),
        cmocka_unit_test(a_failed_transaction_changes_nothing),
        cmocka_unit_test(a_full_disk_keeps_what_it_has),
        cmocka_unit_test(a_read_may_fail_at_every_read),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
