/* The disk that loses power must lose what was not synced, or the tests that stand on it prove nothing. */
#include "check.h"

#include <sqlite3.h>

#include "crashvfs.h"

static const char disk[] = "crashvfs-test";

static sqlite3 *open_db(const char *vfs, const char *pragmas)
{
    sqlite3 *db;

    CHECK_INT(sqlite3_open_v2("x.db", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, pragmas, NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static int run(sqlite3 *db, const char *sql) { return sqlite3_exec(db, sql, NULL, NULL, NULL); }

/* The one number of a query, or -1 when it fails. */
static int64_t ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *q = NULL;
    int64_t v = -1;

    if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW)
        v = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return v;
}

/* Ten commits, then power goes: how many rows are there afterwards, or -1 when the file is broken. */
static int64_t rows_after_cut(const char *pragmas, crashvfs_fate fate, uint64_t seed)
{
    crashvfs *fs = crashvfs_new(disk);
    sqlite3 *db = open_db(disk, pragmas);
    int64_t n;

    CHECK_INT(run(db, "CREATE TABLE t(x); PRAGMA wal_checkpoint(TRUNCATE)"), SQLITE_OK);
    for (int i = 0; i < 10; i++)
        CHECK_INT(run(db, "INSERT INTO t VALUES(randomblob(10))"), SQLITE_OK);
    crashvfs_cut(fs);
    CHECK(run(db, "INSERT INTO t VALUES(1)") != SQLITE_OK);
    sqlite3_close(db);
    crashvfs_power(fs, fate, seed);
    db = open_db(disk, "");
    n = ask(db, "SELECT count(*) FROM t");
    sqlite3_close(db);
    crashvfs_free(fs);
    return n;
}

static void what_was_synced_survives_and_what_was_not_is_lost(void **state)
{
    (void)state;
    CHECK_INT(rows_after_cut("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", CRASHVFS_DROP, 0), 10);
    CHECK_INT(rows_after_cut("PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA", CRASHVFS_DROP, 0), 10);
    /* as SQLite documents: with FULL the deletion of the last journal may come undone */
    CHECK_INT(rows_after_cut("PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL", CRASHVFS_DROP, 0), 9);
    CHECK_INT(rows_after_cut("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF", CRASHVFS_KEEP, 0), 10);
    CHECK(rows_after_cut("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF", CRASHVFS_DROP, 0) <= 0);
    CHECK(rows_after_cut("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL", CRASHVFS_DROP, 0) < 10);
}

static void seeds_bring_different_states_and_the_same_seed_the_same(void **state)
{
    (void)state;
    static const char *const pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL";
    static const struct {
        crashvfs_fate fate;
        int states;
    } fates[] = {{CRASHVFS_PREFIX, 5}, {CRASHVFS_TEAR, 2}};

    for (size_t f = 0; f < EDN_COUNT(fates); f++) {
        uint64_t seen = 0;
        for (uint64_t seed = 0; seed < 40; seed++) {
            int64_t n = rows_after_cut(pragmas, fates[f].fate, seed);
            CHECK(n >= -1 && n <= 10);
            CHECK_INT(rows_after_cut(pragmas, fates[f].fate, seed), n);
            seen |= 1u << (n + 1);
        }
        CHECK(__builtin_popcountll(seen) >= fates[f].states);
    }
}

static void a_write_is_torn_at_sectors(void **state)
{
    (void)state;
    static uint8_t page[4096], got[4096];
    crashvfs *fs = crashvfs_new(disk);
    sqlite3_vfs *vfs = sqlite3_vfs_find(disk);
    sqlite3_file *f = calloc(1, (size_t)vfs->szOsFile);
    unsigned torn = 0;

    assert_non_null(f);
    memset(page, 'n', sizeof page);
    for (uint64_t seed = 0; seed < 50; seed++) {
        edn_bytes view;
        uint8_t old[4096];
        CHECK_INT(vfs->xOpen(vfs, "f", f, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_WAL, NULL),
                  SQLITE_OK);
        memset(old, 'o', sizeof old);
        CHECK_INT(f->pMethods->xWrite(f, old, sizeof old, 100), SQLITE_OK);
        CHECK_INT(f->pMethods->xSync(f, SQLITE_SYNC_NORMAL), SQLITE_OK);
        CHECK_INT(f->pMethods->xWrite(f, page, sizeof page, 100), SQLITE_OK);
        CHECK_INT(f->pMethods->xRead(f, got, sizeof got, 100), SQLITE_OK);
        CHECK(memcmp(got, page, sizeof page) == 0);
        f->pMethods->xClose(f);
        crashvfs_cut(fs);
        crashvfs_power(fs, CRASHVFS_TEAR, seed);
        CHECK(crashvfs_view(fs, "f", &view));
        CHECK_INT(view.n, 4196);
        bool news = false, olds = false;
        for (size_t i = 100; i < view.n; i++) {
            news |= view.p[i] == 'n';
            olds |= view.p[i] == 'o';
            CHECK(i == 100 || i % 512 == 0 || view.p[i] == view.p[i - 1]);
        }
        torn += news && olds;
    }
    CHECK(torn > 5);
    free(f);
    crashvfs_free(fs);
}

static void names_are_lost_until_the_folder_is_synced(void **state)
{
    (void)state;
    crashvfs *fs = crashvfs_new(disk);
    sqlite3_vfs *vfs = sqlite3_vfs_find(disk);
    sqlite3_file *f = calloc(1, (size_t)vfs->szOsFile);
    edn_bytes view;

    assert_non_null(f);
    /* a database's sync keeps its bytes; the name it has from the sync of the log that SQLite makes beside it */
    CHECK_INT(vfs->xOpen(vfs, "a", f, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MAIN_DB, NULL),
              SQLITE_OK);
    CHECK_INT(f->pMethods->xWrite(f, "1", 1, 0), SQLITE_OK);
    CHECK_INT(f->pMethods->xSync(f, SQLITE_SYNC_NORMAL), SQLITE_OK);
    f->pMethods->xClose(f);
    CHECK_INT(crashvfs_ops(fs), 3);
    crashvfs *twin = crashvfs_copy(fs, "crashvfs-twin");
    crashvfs_power(twin, CRASHVFS_DROP, 0);
    CHECK(!crashvfs_view(twin, "a", &view));
    crashvfs_free(twin);
    CHECK_INT(vfs->xOpen(vfs, "a-wal", f, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_WAL, NULL),
              SQLITE_OK);
    CHECK_INT(f->pMethods->xSync(f, SQLITE_SYNC_NORMAL), SQLITE_OK);
    f->pMethods->xClose(f);
    crashvfs_power(fs, CRASHVFS_DROP, 0);
    CHECK(crashvfs_view(fs, "a", &view));
    CHECK_INT(view.n, 1);
    /* a deletion comes back as well, until then */
    CHECK_INT(vfs->xDelete(vfs, "a", 0), SQLITE_OK);
    CHECK(!crashvfs_view(fs, "a", &view));
    crashvfs_power(fs, CRASHVFS_DROP, 0);
    CHECK(crashvfs_view(fs, "a", &view));
    CHECK_INT(vfs->xDelete(vfs, "a", 1), SQLITE_OK);
    crashvfs_power(fs, CRASHVFS_DROP, 0);
    CHECK(!crashvfs_view(fs, "a", &view));
    free(f);
    crashvfs_free(fs);
}

static void a_killed_process_loses_its_locks_and_nothing_else(void **state)
{
    (void)state;
    crashvfs *fs = crashvfs_new(disk);
    sqlite3 *a = open_db(disk,
                         "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; CREATE TABLE t(x); INSERT INTO t VALUES(1)"),
            *b;

    CHECK_INT(run(a, "BEGIN IMMEDIATE; INSERT INTO t VALUES(2)"), SQLITE_OK);
    b = open_db(disk, "PRAGMA busy_timeout = 20");
    CHECK_INT(run(b, "BEGIN IMMEDIATE"), SQLITE_BUSY);
    sqlite3_close(b);
    crashvfs_kill(fs);
    CHECK(run(a, "COMMIT") != SQLITE_OK);
    b = open_db(disk, "");
    CHECK_INT(ask(b, "SELECT count(*) FROM t"), 1);
    CHECK_INT(run(b, "INSERT INTO t VALUES(3)"), SQLITE_OK);
    sqlite3_close(a);
    CHECK_INT(ask(b, "SELECT count(*) FROM t"), 2);
    sqlite3_close(b);
    crashvfs_free(fs);
}

static void faults_come_once_or_for_ever(void **state)
{
    (void)state;
    crashvfs *fs = crashvfs_new(disk);
    sqlite3 *db = open_db(disk, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t(x)");

    crashvfs_fail_at(fs, crashvfs_ops(fs) + 1, SQLITE_FULL, false);
    CHECK_INT(run(db, "INSERT INTO t VALUES(1)"), SQLITE_FULL);
    CHECK_INT(run(db, "INSERT INTO t VALUES(1)"), SQLITE_OK);
    crashvfs_fail_at(fs, crashvfs_ops(fs) + 1, SQLITE_IOERR_WRITE, true);
    CHECK_INT(run(db, "INSERT INTO t VALUES(1)"), SQLITE_IOERR);
    CHECK_INT(run(db, "INSERT INTO t VALUES(1)"), SQLITE_IOERR);
    crashvfs_fail_at(fs, 0, 0, false);
    CHECK_INT(run(db, "INSERT INTO t VALUES(1)"), SQLITE_OK);
    crashvfs_set_capacity(fs, crashvfs_used(fs) + 100);
    CHECK_INT(run(db, "INSERT INTO t VALUES(randomblob(10000))"), SQLITE_FULL);
    crashvfs_set_capacity(fs, UINT64_MAX);
    CHECK_INT(run(db, "INSERT INTO t VALUES(randomblob(10000))"), SQLITE_OK);
    sqlite3_close(db);
    db = open_db(disk, "");
    crashvfs_fail_read_at(fs, crashvfs_reads(fs) + 1, SQLITE_IOERR_READ);
    CHECK_INT(ask(db, "SELECT count(*) FROM t"), -1);
    CHECK_INT(ask(db, "SELECT count(*) FROM t"), 3);
    sqlite3_close(db);
    crashvfs_free(fs);
}

/* SQLite's own journal modes rest on all of the lock states. */
static void two_handles_exclude_each_other_without_a_log(void **state)
{
    (void)state;
    crashvfs *fs = crashvfs_new(disk);
    sqlite3 *a = open_db(disk, "CREATE TABLE t(x); INSERT INTO t VALUES(1)"), *b = open_db(disk, "");
    sqlite3_stmt *q;

    CHECK_INT(run(a, "BEGIN IMMEDIATE; INSERT INTO t VALUES(2)"), SQLITE_OK);
    CHECK_INT(run(b, "BEGIN IMMEDIATE"), SQLITE_BUSY);
    CHECK_INT(ask(b, "SELECT count(*) FROM t"), 1);
    CHECK_INT(sqlite3_prepare_v2(b, "SELECT * FROM t", -1, &q, NULL), SQLITE_OK);
    CHECK_INT(sqlite3_step(q), SQLITE_ROW);
    CHECK_INT(run(a, "COMMIT"), SQLITE_BUSY); /* a reader is in */
    CHECK_INT(sqlite3_finalize(q), SQLITE_OK);
    CHECK_INT(run(a, "COMMIT"), SQLITE_OK);
    CHECK_INT(ask(b, "SELECT count(*) FROM t"), 2);
    CHECK_INT(run(b, "BEGIN EXCLUSIVE"), SQLITE_OK);
    CHECK_INT(ask(a, "SELECT count(*) FROM t"), -1);
    CHECK_INT(run(b, "COMMIT"), SQLITE_OK);
    sqlite3_close(a);
    sqlite3_close(b);
    crashvfs_free(fs);
}

static void bytes_can_be_changed_behind_its_back(void **state)
{
    (void)state;
    crashvfs *fs = crashvfs_new(disk);
    sqlite3 *db = open_db(disk, "CREATE TABLE t(x); INSERT INTO t VALUES('needle')");
    edn_bytes view;

    sqlite3_close(db);
    CHECK(crashvfs_view(fs, "x.db", &view));
    for (size_t i = 0; i + 6 <= view.n; i++)
        if (memcmp(view.p + i, "needle", 6) == 0)
            crashvfs_poke(fs, "x.db", i, edn_bytes_str("noodle"));
    db = open_db(disk, "");
    CHECK_INT(ask(db, "SELECT x = 'noodle' FROM t"), 1);
    sqlite3_close(db);
    crashvfs_free(fs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_synced_survives_and_what_was_not_is_lost),
        cmocka_unit_test(seeds_bring_different_states_and_the_same_seed_the_same),
        cmocka_unit_test(a_write_is_torn_at_sectors),
        cmocka_unit_test(names_are_lost_until_the_folder_is_synced),
        cmocka_unit_test(a_killed_process_loses_its_locks_and_nothing_else),
        cmocka_unit_test(faults_come_once_or_for_ever),
        cmocka_unit_test(two_handles_exclude_each_other_without_a_log),
        cmocka_unit_test(bytes_can_be_changed_behind_its_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
