#define _GNU_SOURCE /* memmem */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "crashvfs.h"
#include "store/store.h"
#include "tempdir.h"

static const edn_local_key ldk = {{1, 2, 3}};
static const edn_store_options making = {.create = true};

static char dir[TEMPDIR_SIZE];
static edn_random rng;

static int setup(void **state)
{
    (void)state;
    CHECK_OK(edn_crypto_init());
    rng = edn_random_system();
    tempdir_make(dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tempdir_remove(dir);
    return 0;
}

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

static edn_store *open_with(const edn_store_options *o)
{
    edn_err err = {0};
    edn_store *s;

    if (edn_store_open(dir, o, &s, &err) != EDN_OK)
        fail_msg("%s: %s", edn_status_name(err.status), err.text);
    CHECK_OK(edn_store_unlock(s, &ldk, &rng));
    return s;
}

static edn_store *open_new(void) { return open_with(&making); }

static void put_one(edn_store *s, edn_table t, const char *key, edn_bytes value)
{
    CHECK_OK(edn_store_begin_write(s));
    CHECK_OK(edn_store_put(s, t, edn_bytes_str(key), value));
    CHECK_OK(edn_store_commit(s));
}

static void expect(edn_store *s, edn_table t, const char *key, const char *value)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    if (value) {
        CHECK_OK(edn_store_get(s, t, edn_bytes_str(key), &b));
        CHECK_STR(edn_buf_view(&b), value);
    } else {
        CHECK_STATUS(edn_store_get(s, t, edn_bytes_str(key), &b), EDN_E_MISSING);
    }
    edn_buf_dispose(&b);
}

static void path_of(char out[128], const char *suffix) { snprintf(out, 128, "%s/diary.edn%s", dir, suffix); }

/* The database behind the store's back. */
static sqlite3 *open_raw(void)
{
    char path[128];
    sqlite3 *db;

    path_of(path, "");
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    return db;
}

static void raw(const char *sql)
{
    sqlite3 *db = open_raw();
    char *message = NULL;

    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    sqlite3_close(db);
}

static edn_status open_status(const edn_store_options *o, edn_err *err)
{
    edn_store *s;
    edn_status st = edn_store_open(dir, o, &s, err);

    if (st != EDN_OK)
        assert_null(s);
    edn_store_close(s);
    return st;
}

/* What a scan gives, as text: "key=value;", with "!" for a row that does not open. */
static edn_status note_row(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    edn_buf *out = ctx;

    edn_put_bytes(out, key.p, key.n);
    edn_put_str(out, "=");
    if (st == EDN_OK)
        edn_put_bytes(out, value.p, value.n);
    else
        edn_put_str(out, st == EDN_E_DAMAGED ? "!" : "?");
    edn_put_str(out, ";");
    return EDN_OK;
}

static void expect_scan(edn_store *s, edn_table t, const char *prefix, const char *from, bool keys_only,
                        const char *want)
{
    edn_buf got = EDN_BUF_INIT(4096);

    CHECK_OK(edn_store_scan(s, t, edn_bytes_str(prefix), edn_bytes_str(from), keys_only, note_row, &got));
    CHECK_STR(edn_buf_view(&got), want);
    edn_buf_dispose(&got);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static void rows_come_back_after_reopening(void **state)
{
    (void)state;
    edn_store *s = open_new();

    put_one(s, EDN_TABLE_ENTRY, "an entry", edn_bytes_str("of some text"));
    put_one(s, EDN_TABLE_ENTRY, "an entry", edn_bytes_str("of other text"));
    put_one(s, EDN_TABLE_ENTRY, "nothing in it", EDN_BYTES_EMPTY);
    put_one(s, EDN_TABLE_LINK, "an entry", edn_bytes_str("in another table"));
    put_one(s, EDN_TABLE_OPEN, "slot", edn_bytes_str("in the open"));
    edn_store_close(s);
    s = open_new();
    expect(s, EDN_TABLE_ENTRY, "an entry", "of other text");
    expect(s, EDN_TABLE_ENTRY, "nothing in it", "");
    expect(s, EDN_TABLE_LINK, "an entry", "in another table");
    expect(s, EDN_TABLE_OPEN, "slot", "in the open");
    expect(s, EDN_TABLE_ENTRY, "another", NULL);
    CHECK_OK(edn_store_begin_write(s));
    CHECK_OK(edn_store_del(s, EDN_TABLE_ENTRY, edn_bytes_str("an entry")));
    CHECK_OK(edn_store_del(s, EDN_TABLE_ENTRY, edn_bytes_str("never there")));
    CHECK_OK(edn_store_commit(s));
    expect(s, EDN_TABLE_ENTRY, "an entry", NULL);
    expect(s, EDN_TABLE_LINK, "an entry", "in another table");
    edn_store_close(s);
}

static void rows_agree_with_a_plain_table(void **state)
{
    (void)state;
    enum { KEYS = 40, TABLES = 3 };
    static char model[TABLES][KEYS][64], saved[TABLES][KEYS][64];
    edn_store *s = open_new();
    check_rng r = {check_seed()};

    for (int round = 0; round < 60; round++) {
        memcpy(saved, model, sizeof model);
        CHECK_OK(edn_store_begin_write(s));
        for (uint64_t i = check_below(&r, 30); i > 0; i--) {
            unsigned t = (unsigned)check_below(&r, TABLES), k = (unsigned)check_below(&r, KEYS);
            uint8_t key[2] = {(uint8_t)('a' + k % 3), (uint8_t)k};
            if (check_below(&r, 3)) {
                snprintf(model[t][k], 64, "value %u of round %d", (unsigned)check_below(&r, 1000), round);
                CHECK_OK(edn_store_put(s, (edn_table)t, edn_bytes_of(key, 2), edn_bytes_str(model[t][k])));
            } else {
                model[t][k][0] = 0;
                CHECK_OK(edn_store_del(s, (edn_table)t, edn_bytes_of(key, 2)));
            }
        }
        if (check_below(&r, 4)) {
            CHECK_OK(edn_store_commit(s));
        } else {
            edn_store_rollback(s);
            memcpy(model, saved, sizeof model);
        }
        for (unsigned t = 0; t < TABLES; t++) {
            for (unsigned c = 0; c < 3; c++) {
                edn_buf want = EDN_BUF_INIT(1 << 20), got = EDN_BUF_INIT(1 << 20);
                char prefix[2] = {(char)('a' + c), 0};
                for (unsigned k = c; k < KEYS; k += 3) {
                    uint8_t key[2] = {(uint8_t)('a' + c), (uint8_t)k};
                    if (model[t][k][0])
                        (void)note_row(&want, edn_bytes_of(key, 2), EDN_OK, edn_bytes_str(model[t][k]));
                }
                CHECK_OK(
                    edn_store_scan(s, (edn_table)t, edn_bytes_str(prefix), EDN_BYTES_EMPTY, false, note_row, &got));
                CHECK_BYTES(edn_buf_view(&got), edn_buf_view(&want));
                edn_buf_dispose(&want);
                edn_buf_dispose(&got);
            }
        }
    }
    edn_store_close(s);
}

static void scans_are_in_order_and_keep_to_their_prefix(void **state)
{
    (void)state;
    static const char *const keys[] = {"b", "ab", "abc", "a", "ac", "ab\xff", "abd", "b\x01"};
    edn_store *s = open_new();

    CHECK_OK(edn_store_begin_write(s));
    for (size_t i = 0; i < EDN_COUNT(keys); i++)
        CHECK_OK(edn_store_put(s, EDN_TABLE_INDEX, edn_bytes_str(keys[i]), edn_bytes_str("v")));
    CHECK_OK(edn_store_commit(s));
    put_one(s, EDN_TABLE_DIRTY, "abz", edn_bytes_str("elsewhere"));
    expect_scan(s, EDN_TABLE_INDEX, "", "", false, "a=v;ab=v;abc=v;abd=v;ab\xff=v;ac=v;b=v;b\x01=v;");
    expect_scan(s, EDN_TABLE_INDEX, "ab", "", false, "ab=v;abc=v;abd=v;ab\xff=v;");
    expect_scan(s, EDN_TABLE_INDEX, "ab", "abd", false, "abd=v;ab\xff=v;");
    expect_scan(s, EDN_TABLE_INDEX, "ab", "a", false, "ab=v;abc=v;abd=v;ab\xff=v;");
    expect_scan(s, EDN_TABLE_INDEX, "ab", "ac", false, "");
    expect_scan(s, EDN_TABLE_INDEX, "ab", "abc", true, "abc=;abd=;ab\xff=;");
    expect_scan(s, EDN_TABLE_INDEX, "c", "", false, "");
    expect_scan(s, EDN_TABLE_ASIDE, "", "", false, "");
    edn_store_close(s);
}

typedef struct stopping {
    int rows;
    edn_status st;
    edn_store *s;
} stopping;

static edn_status stop_at_two(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    stopping *x = ctx;
    edn_buf inner = EDN_BUF_INIT(4096);

    (void)key;
    (void)value;
    CHECK_OK(st);
    /* a callback may read */
    CHECK_OK(edn_store_scan(x->s, EDN_TABLE_INDEX, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, note_row, &inner));
    CHECK_STR(edn_buf_view(&inner), "a=1;b=2;c=3;");
    edn_buf_dispose(&inner);
    return ++x->rows == 2 ? x->st : EDN_OK;
}

static void a_scan_stops_when_told_and_may_be_nested(void **state)
{
    (void)state;
    edn_store *s = open_new();
    stopping x = {0, EDN_E_CANCELLED, s};

    put_one(s, EDN_TABLE_INDEX, "a", edn_bytes_str("1"));
    put_one(s, EDN_TABLE_INDEX, "b", edn_bytes_str("2"));
    put_one(s, EDN_TABLE_INDEX, "c", edn_bytes_str("3"));
    CHECK_STATUS(edn_store_scan(s, EDN_TABLE_INDEX, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, stop_at_two, &x),
                 EDN_E_CANCELLED);
    CHECK_INT(x.rows, 2);
    expect_scan(s, EDN_TABLE_INDEX, "", "", false, "a=1;b=2;c=3;");
    edn_store_close(s);
}

static void large_values_and_limits(void **state)
{
    (void)state;
    static uint8_t key[EDN_STORE_KEY_SIZE_MAX + 1];
    size_t n = (size_t)24 << 20;
    uint8_t *p = malloc(n);
    edn_store *s = open_new();
    edn_buf back = EDN_BUF_INIT(EDN_BUF_UNLIMITED), small = EDN_BUF_INIT(1000);

    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 2654435761u >> 13);
    put_one(s, EDN_TABLE_ENTRY, "large", edn_bytes_of(p, n));
    CHECK_OK(edn_store_get(s, EDN_TABLE_ENTRY, edn_bytes_str("large"), &back));
    CHECK(edn_bytes_equal(edn_buf_view(&back), edn_bytes_of(p, n)));
    CHECK_STATUS(edn_store_get(s, EDN_TABLE_ENTRY, edn_bytes_str("large"), &small), EDN_E_LIMIT);

    CHECK_OK(edn_store_begin_write(s));
    CHECK_OK(edn_store_put(s, EDN_TABLE_ENTRY, edn_bytes_of(key, EDN_STORE_KEY_SIZE_MAX), EDN_BYTES_EMPTY));
    CHECK_STATUS(edn_store_put(s, EDN_TABLE_ENTRY, edn_bytes_of(key, sizeof key), EDN_BYTES_EMPTY), EDN_E_LIMIT);
    /* what failed sticks: half a transaction is never committed */
    CHECK_STATUS(edn_store_put(s, EDN_TABLE_ENTRY, edn_bytes_of(key, 1), EDN_BYTES_EMPTY), EDN_E_LIMIT);
    CHECK_STATUS(edn_store_del(s, EDN_TABLE_ENTRY, edn_bytes_of(key, 1)), EDN_E_LIMIT);
    CHECK_STATUS(edn_store_commit(s), EDN_E_LIMIT);
    back.n = 0;
    CHECK_STATUS(edn_store_get(s, EDN_TABLE_ENTRY, edn_bytes_of(key, EDN_STORE_KEY_SIZE_MAX), &back), EDN_E_MISSING);
    CHECK_OK(edn_store_begin_write(s));
    CHECK_STATUS(edn_store_put(s, EDN_TABLE_ENTRY, edn_bytes_of(key, 1), edn_bytes_of(p, EDN_STORE_VALUE_SIZE_MAX + 1)),
                 EDN_E_LIMIT);
    edn_store_rollback(s);
    edn_store_close(s);
    edn_buf_dispose(&back);
    edn_buf_dispose(&small);
    free(p);
}

static double cpu_s(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* 6 MB in 3,413 rows is what a first sync of a year brings. The bound leaves room for sanitizers; the figure is
 * printed. */
static void many_rows_in_one_transaction_are_cheap(void **state)
{
    (void)state;
    static uint8_t text[16384];
    edn_store *s = open_new();
    check_rng r = {7};
    size_t total = 0;
    double begin, end;

    CHECK_OK(edn_store_begin_write(s));
    begin = cpu_s();
    for (uint64_t i = 0; i < 3413; i++) {
        uint64_t key[2] = {check_next(&r), i}, size = 1 + check_below(&r, 3600);
        CHECK_OK(edn_store_put(s, EDN_TABLE_ENTRY, edn_bytes_of(key, 16), edn_bytes_of(text, (size_t)size)));
        total += (size_t)size;
    }
    CHECK_OK(edn_store_commit(s));
    end = cpu_s();
    print_message("# %zu bytes in 3413 rows: %.1f ms CPU\n", total, (end - begin) * 1e3);
    CHECK(end - begin < 2.0);
    edn_store_close(s);
}

/* ---- several handles, several processes -------------------------------------------------------------------------- */

static void a_reader_keeps_its_state_while_another_writes(void **state)
{
    (void)state;
    edn_store *a = open_new(), *b = open_new();
    uint64_t before, after;

    put_one(a, EDN_TABLE_META, "k", edn_bytes_str("one"));
    before = edn_store_version(b);
    CHECK(before != 0);
    CHECK(edn_store_version(b) == before);
    CHECK_OK(edn_store_begin_read(b));
    put_one(a, EDN_TABLE_META, "k", edn_bytes_str("two"));
    expect(b, EDN_TABLE_META, "k", "one");
    expect(a, EDN_TABLE_META, "k", "two");
    CHECK_OK(edn_store_commit(b));
    expect(b, EDN_TABLE_META, "k", "two");
    after = edn_store_version(b);
    CHECK(after != before);
    put_one(b, EDN_TABLE_META, "k", edn_bytes_str("three")); /* its own commits do not count */
    CHECK(edn_store_version(b) == after);
    edn_store_close(a);
    edn_store_close(b);
}

static void what_is_not_committed_is_seen_by_its_writer_only(void **state)
{
    (void)state;
    edn_store *a = open_new(), *b = open_new();

    put_one(a, EDN_TABLE_META, "k", edn_bytes_str("one"));
    CHECK_OK(edn_store_begin_write(a));
    CHECK_OK(edn_store_put(a, EDN_TABLE_META, edn_bytes_str("k"), edn_bytes_str("two")));
    expect(a, EDN_TABLE_META, "k", "two");
    expect(b, EDN_TABLE_META, "k", "one");
    edn_store_rollback(a);
    edn_store_rollback(a); /* nothing to do, and nothing done */
    expect(a, EDN_TABLE_META, "k", "one");
    CHECK_OK(edn_store_begin_write(a));
    CHECK_OK(edn_store_put(a, EDN_TABLE_META, edn_bytes_str("k"), edn_bytes_str("two")));
    edn_store_close(a); /* rolls back */
    expect(b, EDN_TABLE_META, "k", "one");
    edn_store_close(b);
}

static void a_second_writer_waits_and_then_is_told(void **state)
{
    (void)state;
    edn_store_options hasty = {.busy_ms = 50};
    edn_store *a = open_new(), *b = open_with(&hasty);

    CHECK_OK(edn_store_begin_write(a));
    CHECK_STATUS(edn_store_begin_write(b), EDN_E_BUSY);
    CHECK(strstr(edn_store_error(b), "locked") != NULL);
    edn_store_close(b);
    b = open_with(&hasty); /* opening waits for nobody */
    CHECK_OK(edn_store_commit(a));
    CHECK_OK(edn_store_begin_write(b));
    edn_store_rollback(b);
    edn_store_close(a);
    edn_store_close(b);
}

/* In a child: adds one to a counter `times` times. */
static int count_up(int times)
{
    edn_store *s;
    edn_store_options o = {.create = true, .busy_ms = 60000};

    if (edn_store_open(dir, &o, &s, NULL) != EDN_OK || edn_store_unlock(s, &ldk, &rng) != EDN_OK)
        return 10;
    for (int i = 0; i < times; i++) {
        edn_buf b = EDN_BUF_INIT(4);
        uint32_t v = 0;
        edn_status st;
        if (edn_store_begin_write(s) != EDN_OK)
            return 11;
        st = edn_store_get(s, EDN_TABLE_META, edn_bytes_str("counter"), &b);
        if (st == EDN_OK)
            v = edn_load_u32(b.p);
        else if (st != EDN_E_MISSING)
            return 12;
        edn_buf_reset(&b);
        edn_put_u32(&b, v + 1);
        if (edn_store_put(s, EDN_TABLE_META, edn_bytes_str("counter"), edn_buf_view(&b)) != EDN_OK)
            return 13;
        if (edn_store_commit(s) != EDN_OK)
            return 14;
        edn_buf_dispose(&b);
    }
    edn_store_close(s);
    return 0;
}

/* The folder is not there yet, so the processes race to make the store as well. */
static void four_processes_lose_no_increment(void **state)
{
    (void)state;
    enum { PROCESSES = 4, TIMES = 25 };
    edn_buf b = EDN_BUF_INIT(4);
    edn_store *s;

    for (int i = 0; i < PROCESSES; i++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0)
            _exit(count_up(TIMES));
    }
    for (int i = 0; i < PROCESSES; i++) {
        int how;
        CHECK(wait(&how) > 0);
        CHECK(WIFEXITED(how));
        CHECK_INT(WEXITSTATUS(how), 0);
    }
    s = open_new();
    CHECK_OK(edn_store_get(s, EDN_TABLE_META, edn_bytes_str("counter"), &b));
    CHECK_INT(edn_load_u32(b.p), PROCESSES * TIMES);
    edn_buf_dispose(&b);
    edn_store_close(s);
}

static void a_killed_process_leaves_its_last_commit(void **state)
{
    (void)state;
    edn_store *s = open_new();
    int how;
    pid_t pid;

    put_one(s, EDN_TABLE_META, "k", edn_bytes_str("before"));
    edn_store_close(s);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        if (edn_store_open(dir, &making, &s, NULL) != EDN_OK || edn_store_unlock(s, &ldk, &rng) != EDN_OK ||
            edn_store_begin_write(s) != EDN_OK ||
            edn_store_put(s, EDN_TABLE_META, edn_bytes_str("k"), edn_bytes_str("after")) != EDN_OK ||
            edn_store_commit(s) != EDN_OK || edn_store_begin_write(s) != EDN_OK ||
            edn_store_put(s, EDN_TABLE_META, edn_bytes_str("k"), edn_bytes_str("never")) != EDN_OK)
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    CHECK(waitpid(pid, &how, 0) == pid);
    CHECK(WIFSIGNALED(how));
    s = open_new();
    expect(s, EDN_TABLE_META, "k", "after");
    edn_store_close(s);
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static void a_locked_store_gives_only_its_open_table(void **state)
{
    (void)state;
    edn_buf b = EDN_BUF_INIT(100);
    edn_store *s = open_new();

    put_one(s, EDN_TABLE_META, "k", edn_bytes_str("v"));
    edn_store_lock(s);
    CHECK_STATUS(edn_store_get(s, EDN_TABLE_META, edn_bytes_str("k"), &b), EDN_E_LOCKED);
    CHECK_STATUS(edn_store_scan(s, EDN_TABLE_META, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, true, note_row, &b), EDN_E_LOCKED);
    CHECK_OK(edn_store_begin_write(s));
    CHECK_STATUS(edn_store_put(s, EDN_TABLE_META, edn_bytes_str("k"), edn_bytes_str("w")), EDN_E_LOCKED);
    CHECK_STATUS(edn_store_commit(s), EDN_E_LOCKED);
    CHECK_OK(edn_store_begin_write(s));
    CHECK_STATUS(edn_store_del(s, EDN_TABLE_META, edn_bytes_str("k")), EDN_E_LOCKED);
    edn_store_rollback(s);
    put_one(s, EDN_TABLE_OPEN, "slot", edn_bytes_str("public"));
    expect(s, EDN_TABLE_OPEN, "slot", "public");
    CHECK_OK(edn_store_unlock(s, &ldk, &rng));
    expect(s, EDN_TABLE_META, "k", "v");
    edn_store_close(s);
}

static void another_local_key_is_refused(void **state)
{
    (void)state;
    static const edn_local_key other = {{9}};
    edn_buf b = EDN_BUF_INIT(100);
    edn_store *s = open_new();

    CHECK_STATUS(edn_store_unlock(s, &other, &rng), EDN_E_AUTH);
    CHECK_STATUS(edn_store_get(s, EDN_TABLE_META, edn_bytes_str("k"), &b), EDN_E_LOCKED);
    CHECK_OK(edn_store_unlock(s, &ldk, &rng));
    put_one(s, EDN_TABLE_META, "k", edn_bytes_str("v"));
    edn_store_close(s);

    /* without its check row, a store with rows still knows its key, and mends the row */
    raw("DELETE FROM kv WHERE t = 255");
    s = open_new();
    edn_store_lock(s);
    raw("DELETE FROM kv WHERE t = 255");
    CHECK_STATUS(edn_store_unlock(s, &other, &rng), EDN_E_AUTH);
    CHECK_OK(edn_store_unlock(s, &ldk, &rng));
    edn_store_lock(s);
    raw("UPDATE kv SET v = zeroblob(72) WHERE t = 255");
    CHECK_STATUS(edn_store_unlock(s, &other, &rng), EDN_E_AUTH);
    CHECK_OK(edn_store_unlock(s, &ldk, &rng));
    edn_store_lock(s);
    raw("DELETE FROM kv WHERE t <> 255"); /* mended: the row alone tells */
    CHECK_STATUS(edn_store_unlock(s, &other, &rng), EDN_E_AUTH);
    CHECK_OK(edn_store_unlock(s, &ldk, &rng));
    edn_store_close(s);
}

static void what_power_left_of_a_beginning_is_anybodys(void **state)
{
    (void)state;
    static const edn_local_key other = {{9}};
    edn_buf b = EDN_BUF_INIT(100);
    edn_store *s = open_new(); /* its key was checked in, and then power went */

    edn_store_lock(s);
    CHECK_OK(edn_store_begin_write(s));
    CHECK_OK(edn_store_unlock_new(s, &other, &rng));
    CHECK_OK(edn_store_put(s, EDN_TABLE_META, edn_bytes_str("k"), edn_bytes_str("v")));
    edn_store_rollback(s); /* and again */
    CHECK_STATUS(edn_store_get(s, EDN_TABLE_META, edn_bytes_str("k"), &b), EDN_E_MISSING);
    CHECK_OK(edn_store_begin_write(s));
    CHECK_OK(edn_store_unlock_new(s, &other, &rng));
    CHECK_OK(edn_store_put(s, EDN_TABLE_META, edn_bytes_str("k"), edn_bytes_str("v")));
    CHECK_OK(edn_store_commit(s));
    CHECK_STATUS(edn_store_unlock(s, &ldk, &rng), EDN_E_AUTH);
    CHECK_OK(edn_store_begin_write(s));
    CHECK_STATUS(edn_store_unlock_new(s, &ldk, &rng), EDN_E_EXISTS);
    CHECK_STATUS(edn_store_put(s, EDN_TABLE_META, edn_bytes_str("k"), edn_bytes_str("w")), EDN_E_LOCKED);
    edn_store_rollback(s);
    CHECK_OK(edn_store_unlock(s, &other, &rng));
    expect(s, EDN_TABLE_META, "k", "v");
    edn_store_close(s);
}

static void names_differ_by_key_table_name_and_salt(void **state)
{
    (void)state;
    static const edn_local_key other = {{9}};
    edn_store_key_name names[8];
    edn_store *s = open_new(), *s2;
    char second[TEMPDIR_SIZE];

    tempdir_make(second);
    CHECK_OK(edn_store_open(second, &making, &s2, NULL));
    names[0] = edn_store_name(s2, EDN_TABLE_META, "name", EDN_BYTES_EMPTY); /* locked: zero */
    names[1] = edn_store_name(s2, EDN_TABLE_OPEN, "name", EDN_BYTES_EMPTY);
    CHECK_OK(edn_store_unlock(s2, &other, &rng));
    names[2] = edn_store_name(s2, EDN_TABLE_META, "name", EDN_BYTES_EMPTY);
    names[3] = edn_store_name(s, EDN_TABLE_META, "name", EDN_BYTES_EMPTY);
    names[4] = edn_store_name(s, EDN_TABLE_REMOTE, "name", EDN_BYTES_EMPTY);
    names[5] = edn_store_name(s, EDN_TABLE_META, "nam", edn_bytes_str("e"));
    names[6] = edn_store_name(s, EDN_TABLE_META, "name", edn_bytes_str("e"));
    names[7] = edn_store_name(s, EDN_TABLE_META, "other", EDN_BYTES_EMPTY);
    for (size_t i = 0; i < EDN_COUNT(names); i++)
        for (size_t j = 0; j < i; j++)
            CHECK(memcmp(&names[i], &names[j], sizeof names[i]) != 0);
    names[0] = edn_store_name(s, EDN_TABLE_META, "name", EDN_BYTES_EMPTY);
    CHECK(memcmp(&names[0], &names[3], sizeof names[0]) == 0);
    names[0] = edn_store_name(s, EDN_TABLE_OPEN, "name", EDN_BYTES_EMPTY); /* does not need a key */
    CHECK(memcmp(&names[0], &names[1], sizeof names[0]) == 0);
    edn_store_close(s);
    edn_store_close(s2);
    tempdir_remove(second);
}

/* ---- damage ------------------------------------------------------------------------------------------------------ */

static void every_flipped_bit_of_a_row_is_noticed(void **state)
{
    (void)state;
    edn_store *s = open_new();
    edn_buf b = EDN_BUF_INIT(1000);
    sqlite3 *db;
    sqlite3_blob *blob;
    sqlite3_stmt *q;
    int n;

    put_one(s, EDN_TABLE_ENTRY, "a", edn_bytes_str("fine"));
    put_one(s, EDN_TABLE_ENTRY, "b", edn_bytes_str("a small row"));
    put_one(s, EDN_TABLE_ENTRY, "c", edn_bytes_str("also fine"));
    db = open_raw();
    CHECK_INT(sqlite3_prepare_v2(db, "SELECT rowid FROM kv WHERE t = 4 AND k = x'62'", -1, &q, NULL), SQLITE_OK);
    CHECK_INT(sqlite3_step(q), SQLITE_ROW);
    sqlite3_int64 row = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    CHECK_INT(sqlite3_blob_open(db, "main", "kv", "v", row, 1, &blob), SQLITE_OK);
    n = sqlite3_blob_bytes(blob);
    sqlite3_blob_close(blob);
    CHECK_INT(n, 72 + 11);
    for (int i = 0; i < n; i++) {
        uint8_t byte, flipped;
        CHECK_INT(sqlite3_blob_open(db, "main", "kv", "v", row, 1, &blob), SQLITE_OK);
        CHECK_INT(sqlite3_blob_read(blob, &byte, 1, i), SQLITE_OK);
        flipped = (uint8_t)(byte ^ 1u << i % 8);
        CHECK_INT(sqlite3_blob_write(blob, &flipped, 1, i), SQLITE_OK);
        sqlite3_blob_close(blob);
        CHECK_STATUS(edn_store_get(s, EDN_TABLE_ENTRY, edn_bytes_str("b"), &b), EDN_E_DAMAGED);
        CHECK_INT(b.n, 0);
        expect(s, EDN_TABLE_ENTRY, "a", "fine");
        expect_scan(s, EDN_TABLE_ENTRY, "", "", false, "a=fine;b=!;c=also fine;");
        CHECK_INT(sqlite3_blob_open(db, "main", "kv", "v", row, 1, &blob), SQLITE_OK);
        CHECK_INT(sqlite3_blob_write(blob, &byte, 1, i), SQLITE_OK);
        sqlite3_blob_close(blob);
    }
    expect(s, EDN_TABLE_ENTRY, "b", "a small row"); /* left as it was */
    sqlite3_close(db);
    edn_store_close(s);
    edn_buf_dispose(&b);
}

static void a_shortened_row_is_noticed(void **state)
{
    (void)state;
    edn_store *s = open_new();

    put_one(s, EDN_TABLE_ENTRY, "b", edn_bytes_str("a small row"));
    for (int n = 0; n < 83; n++) {
        char sql[128];
        snprintf(sql, sizeof sql, "UPDATE kv SET v = substr(v, 1, %d) WHERE t = 4", 82 - n);
        raw(sql);
        expect_scan(s, EDN_TABLE_ENTRY, "", "", false, "b=!;");
    }
    edn_store_close(s);
}

static void a_box_moved_to_another_key_or_table_is_refused(void **state)
{
    (void)state;
    edn_buf b = EDN_BUF_INIT(1000);
    edn_store *s = open_new();

    put_one(s, EDN_TABLE_ENTRY, "a", edn_bytes_str("first"));
    put_one(s, EDN_TABLE_ENTRY, "b", edn_bytes_str("second"));
    raw("UPDATE kv SET v = (SELECT v FROM kv WHERE t = 4 AND k = x'61') WHERE t = 4 AND k = x'62'");
    raw("INSERT INTO kv SELECT 6, k, v FROM kv WHERE t = 4 AND k = x'61'");
    CHECK_STATUS(edn_store_get(s, EDN_TABLE_ENTRY, edn_bytes_str("b"), &b), EDN_E_DAMAGED);
    CHECK_STATUS(edn_store_get(s, EDN_TABLE_DIRTY, edn_bytes_str("a"), &b), EDN_E_DAMAGED);
    expect(s, EDN_TABLE_ENTRY, "a", "first");
    /* a row that does not open can be written again, and deleted */
    put_one(s, EDN_TABLE_ENTRY, "b", edn_bytes_str("second"));
    expect(s, EDN_TABLE_ENTRY, "b", "second");
    CHECK_OK(edn_store_begin_write(s));
    CHECK_OK(edn_store_del(s, EDN_TABLE_DIRTY, edn_bytes_str("a")));
    CHECK_OK(edn_store_commit(s));
    expect(s, EDN_TABLE_DIRTY, "a", NULL);
    edn_store_close(s);
}

/* ---- what is on the disk ----------------------------------------------------------------------------------------- */

static const char canary[] = "the canary sings of a lighthouse";

static void expect_no_canary(const char *suffix, bool must_exist)
{
    char path[128];
    FILE *f;
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    uint8_t piece[4096];
    size_t n;

    path_of(path, suffix);
    f = fopen(path, "rb");
    if (!f && !must_exist)
        return;
    assert_non_null(f);
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        edn_put_bytes(&b, piece, n);
    fclose(f);
    assert_null(memmem(b.p, b.n, "canary", 6));
    assert_null(memmem(b.p, b.n, "lighthouse", 10));
    edn_buf_dispose(&b);
}

static void no_plaintext_reaches_a_file(void **state)
{
    (void)state;
    edn_store *s = open_new();
    edn_buf text = EDN_BUF_INIT(1 << 20);
    edn_store_key_name name;

    for (int i = 0; i < 3000; i++)
        edn_put_str(&text, canary);
    for (int i = 0; i < 20; i++) {
        name = edn_store_name(s, EDN_TABLE_META, canary, edn_bytes_of(&i, sizeof i));
        CHECK_OK(edn_store_begin_write(s));
        CHECK_OK(edn_store_put(s, EDN_TABLE_META, edn_bytes_of(name.b, sizeof name.b),
                               edn_bytes_of(text.p, 32u << (i % 12))));
        CHECK_OK(edn_store_commit(s));
        expect_no_canary("", true);
        expect_no_canary("-wal", true);
        expect_no_canary("-shm", true);
    }
    edn_store_close(s);
    expect_no_canary("", true);
    expect_no_canary("-wal", false);
    expect_no_canary("-journal", false);
    edn_buf_dispose(&text);
}

static void look_for_canary(void *ctx, const char *path, uint64_t at, edn_bytes bytes)
{
    size_t *seen = ctx;

    (void)path;
    (void)at;
    *seen += bytes.n;
    assert_null(memmem(bytes.p, bytes.n, "canary", 6));
    assert_null(memmem(bytes.p, bytes.n, "lighthouse", 10));
}

/* Every byte that was ever written, temporary files and spilled pages included. */
static void no_plaintext_is_ever_written(void **state)
{
    (void)state;
    edn_store_options o = {.create = true, .vfs = "canary"};
    crashvfs *fs = crashvfs_new("canary");
    size_t seen = 0, n = 0;
    edn_store *s;

    crashvfs_watch(fs, look_for_canary, &seen);
    CHECK_OK(edn_store_open("d", &o, &s, NULL));
    CHECK_OK(edn_store_unlock(s, &ldk, &rng));
    CHECK_OK(edn_store_begin_write(s));
    for (uint32_t i = 0; i < 40000; i++, n += sizeof canary) /* more than SQLite's cache */
        CHECK_OK(edn_store_put(s, EDN_TABLE_ENTRY, edn_bytes_of(&i, sizeof i), edn_bytes_of(canary, sizeof canary)));
    CHECK_OK(edn_store_commit(s));
    CHECK_OK(edn_store_begin_write(s));
    for (uint32_t i = 0; i < 40000; i += 2)
        CHECK_OK(edn_store_del(s, EDN_TABLE_ENTRY, edn_bytes_of(&i, sizeof i)));
    CHECK_OK(edn_store_commit(s));
    edn_store_close(s);
    CHECK(seen > n);
    crashvfs_free(fs);
}

static unsigned mode_of(const char *path)
{
    struct stat sb;

    return stat(path, &sb) == 0 ? sb.st_mode & 07777 : 0;
}

static void files_and_folders_are_for_their_owner_only(void **state)
{
    (void)state;
    char deep[96], path[128];
    mode_t before = umask(0);
    edn_store *s;

    snprintf(deep, sizeof deep, "%s/a/b", dir);
    CHECK_OK(edn_store_open(deep, &making, &s, NULL));
    CHECK_OK(edn_store_unlock(s, &ldk, &rng));
    put_one(s, EDN_TABLE_META, "k", edn_bytes_str("v"));
    CHECK_INT(mode_of(deep), 0700);
    snprintf(path, sizeof path, "%s/a", dir);
    CHECK_INT(mode_of(path), 0700);
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < EDN_COUNT(suffixes); i++) {
        snprintf(path, sizeof path, "%s/diary.edn%s", deep, suffixes[i]);
        CHECK_INT(mode_of(path), 0600);
    }
    edn_store_close(s);
    umask(before);
}

/* ---- what cannot be opened --------------------------------------------------------------------------------------- */

static void what_is_not_there_is_missing(void **state)
{
    (void)state;
    edn_store_options o = {0};
    edn_err err = {0};
    char path[128];
    int fd;

    CHECK_STATUS(open_status(&o, &err), EDN_E_MISSING);
    CHECK(strstr(err.text, dir) != NULL);
    path_of(path, "");
    CHECK(access(path, F_OK) != 0);            /* and stays so */
    fd = open(path, O_CREAT | O_WRONLY, 0600); /* an interrupted first start */
    CHECK(fd >= 0);
    close(fd);
    CHECK_STATUS(open_status(&o, &err), EDN_E_MISSING);
    o.read_only = true;
    CHECK_STATUS(open_status(&o, &err), EDN_E_MISSING);
    edn_store_close(open_new());
    CHECK_OK(open_status(&o, &err));
}

static void write_file(const void *p, size_t n)
{
    char path[128];
    FILE *f;

    path_of(path, "");
    f = fopen(path, "wb");
    assert_non_null(f);
    CHECK_INT(fwrite(p, 1, n, f), n);
    fclose(f);
}

static void other_files_are_refused_and_left_alone(void **state)
{
    (void)state;
    static char text[8192];
    edn_err err = {0};
    char path[128];
    FILE *f;

    memset(text, 'x', sizeof text);
    write_file(text, sizeof text);
    CHECK_STATUS(open_status(&making, &err), EDN_E_DAMAGED);
    CHECK(strstr(err.text, dir) != NULL);
    path_of(path, "");
    f = fopen(path, "rb");
    assert_non_null(f);
    for (size_t i = 0; i < sizeof text; i++)
        CHECK_INT(fgetc(f), 'x');
    fclose(f);
    unlink(path);
    raw("CREATE TABLE notes(x); INSERT INTO notes VALUES('mine')");
    CHECK_STATUS(open_status(&making, &err), EDN_E_DAMAGED);
    CHECK(strstr(err.text, "another kind") != NULL);
}

static void a_store_of_a_newer_version_is_refused(void **state)
{
    (void)state;
    edn_err err = {0};

    edn_store_close(open_new());
    raw("PRAGMA user_version = 2");
    CHECK_STATUS(open_status(&making, &err), EDN_E_FORMAT);
    CHECK(strstr(err.text, "newer version") != NULL);
}

static void a_schema_with_more_in_it_is_refused(void **state)
{
    (void)state;
    static const char *const more[] = {
        "CREATE TRIGGER x AFTER INSERT ON kv BEGIN DELETE FROM kv; END",
        "CREATE VIEW x AS SELECT * FROM kv",
        "DROP TABLE kv; CREATE TABLE kv(t, k, v, PRIMARY KEY(t, k))",
        "DROP TABLE kv; CREATE VIEW kv AS SELECT 1 AS t, 2 AS k, 3 AS v",
        "DROP TABLE kv",
    };
    edn_err err = {0};
    char path[128];

    path_of(path, "");
    for (size_t i = 0; i < EDN_COUNT(more); i++) {
        edn_store_close(open_new());
        raw(more[i]);
        CHECK_STATUS(open_status(&making, &err), EDN_E_DAMAGED);
        unlink(path);
    }
}

static void a_page_of_rubbish_is_damage_and_not_a_crash(void **state)
{
    (void)state;
    check_rng r = {check_seed()};
    char path[128];
    edn_store *s;
    int noticed = 0;

    path_of(path, "");
    for (int round = 0; round < 40; round++) {
        uint8_t rubbish[512];
        edn_buf b = EDN_BUF_INIT(1 << 20);
        int fd;
        unlink(path);
        s = open_new();
        CHECK_OK(edn_store_begin_write(s));
        for (uint64_t i = 0; i < 200; i++)
            CHECK_OK(edn_store_put(s, EDN_TABLE_ENTRY, edn_bytes_of(&i, 8), edn_bytes_of(canary, sizeof canary)));
        CHECK_OK(edn_store_commit(s));
        edn_store_close(s);
        for (size_t i = 0; i < sizeof rubbish; i++)
            rubbish[i] = (uint8_t)check_next(&r);
        fd = open(path, O_WRONLY);
        CHECK(fd >= 0);
        CHECK_INT(pwrite(fd, rubbish, sizeof rubbish, (off_t)(check_below(&r, 80) * 512)), sizeof rubbish);
        close(fd);
        edn_status st = edn_store_open(dir, &making, &s, NULL);
        if (st == EDN_OK)
            st = edn_store_unlock(s, &ldk, &rng);
        if (st == EDN_OK)
            st = edn_store_scan(s, EDN_TABLE_ENTRY, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, note_row, &b);
        CHECK(st == EDN_OK || st == EDN_E_DAMAGED || st == EDN_E_FORMAT || st == EDN_E_AUTH);
        noticed += st != EDN_OK || memchr(b.p, '!', b.n);
        edn_store_close(s);
        edn_buf_dispose(&b);
    }
    CHECK(noticed > 10);
}

/* In a child that is not root: opens, and gives the status as its exit code. */
static edn_status open_as_nobody(const char *path, bool create, bool words)
{
    pid_t pid = fork();
    int how;

    CHECK(pid >= 0);
    if (pid == 0) {
        edn_store_options o = {.create = create};
        edn_err err = {0};
        edn_store *s;
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(100);
        edn_status st = edn_store_open(path, &o, &s, &err);
        if (st != EDN_OK && words && (!strstr(err.text, path) || !strstr(err.text, strerror(EACCES))))
            _exit(101);
        _exit((int)st);
    }
    CHECK(waitpid(pid, &how, 0) == pid);
    CHECK(WIFEXITED(how));
    return (edn_status)WEXITSTATUS(how);
}

static void a_folder_that_may_not_be_written_is_named(void **state)
{
    (void)state;
    char path[128], inside[96];

    CHECK(chmod(dir, 0555) == 0);
    snprintf(inside, sizeof inside, "%s/inside", dir);
    CHECK_STATUS(open_as_nobody(inside, true, true), EDN_E_IO); /* no folder can be made */
    CHECK_STATUS(open_as_nobody(dir, true, true), EDN_E_IO);    /* no file */
    CHECK(chmod(dir, 0755) == 0);
    edn_store_close(open_new());
    path_of(path, "");
    CHECK(chmod(path, 0444) == 0);
    CHECK(chmod(dir, 0777) == 0);
    CHECK_STATUS(open_as_nobody(dir, false, true), EDN_E_IO); /* a file that may be read only */
    CHECK(chmod(path, 0666) == 0);
    CHECK(chmod(dir, 0555) == 0);
    CHECK_STATUS(open_as_nobody(dir, false, true), EDN_E_IO); /* no log beside it */
    CHECK(chmod(dir, 0000) == 0);
    CHECK_STATUS(open_as_nobody(dir, false, true), EDN_E_IO); /* not even looked into: not the same as missing */
    CHECK(chmod(dir, 0700) == 0);
}

static void a_file_in_place_of_the_folder_is_named(void **state)
{
    (void)state;
    char path[128];
    edn_err err = {0};
    edn_store *s;

    snprintf(path, sizeof path, "%s/file", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fclose(f);
    CHECK_STATUS(edn_store_open(path, &making, &s, &err), EDN_E_IO);
    CHECK(strstr(err.text, path) != NULL);
    CHECK(strstr(err.text, strerror(ENOTDIR)) != NULL);
}

static void a_store_opened_for_reading_is_not_written(void **state)
{
    (void)state;
    edn_store_options reading = {.read_only = true};
    edn_store *s = open_new();

    put_one(s, EDN_TABLE_META, "k", edn_bytes_str("v"));
    edn_store_close(s);
    s = open_with(&reading);
    expect(s, EDN_TABLE_META, "k", "v");
    CHECK_STATUS(edn_store_begin_write(s), EDN_E_IO);
    CHECK_OK(edn_store_begin_read(s));
    expect(s, EDN_TABLE_META, "k", "v");
    CHECK_OK(edn_store_commit(s));
    edn_store_close(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_come_back_after_reopening),
        TEST(rows_agree_with_a_plain_table),
        TEST(scans_are_in_order_and_keep_to_their_prefix),
        TEST(a_scan_stops_when_told_and_may_be_nested),
        TEST(large_values_and_limits),
        TEST(many_rows_in_one_transaction_are_cheap),
        TEST(a_reader_keeps_its_state_while_another_writes),
        TEST(what_is_not_committed_is_seen_by_its_writer_only),
        TEST(a_second_writer_waits_and_then_is_told),
        TEST(four_processes_lose_no_increment),
        TEST(a_killed_process_leaves_its_last_commit),
        TEST(a_locked_store_gives_only_its_open_table),
        TEST(another_local_key_is_refused),
        TEST(what_power_left_of_a_beginning_is_anybodys),
        TEST(names_differ_by_key_table_name_and_salt),
        TEST(every_flipped_bit_of_a_row_is_noticed),
        TEST(a_shortened_row_is_noticed),
        TEST(a_box_moved_to_another_key_or_table_is_refused),
        TEST(no_plaintext_reaches_a_file),
        TEST(no_plaintext_is_ever_written),
        TEST(files_and_folders_are_for_their_owner_only),
        TEST(what_is_not_there_is_missing),
        TEST(other_files_are_refused_and_left_alone),
        TEST(a_store_of_a_newer_version_is_refused),
        TEST(a_schema_with_more_in_it_is_refused),
        TEST(a_page_of_rubbish_is_damage_and_not_a_crash),
        TEST(a_folder_that_may_not_be_written_is_named),
        TEST(a_file_in_place_of_the_folder_is_named),
        TEST(a_store_opened_for_reading_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
