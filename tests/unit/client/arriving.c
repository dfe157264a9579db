/* What is on a new device's disk before the entries are there: each row of it altered, cut off, lost. It is named once,
 * fetched anew, and until then a search finds less and nothing wrong. */
#include <sqlite3.h>

#include "newcomer.h"

typedef enum damage { DAMAGE_FIRST, DAMAGE_MIDDLE, DAMAGE_LAST, DAMAGE_CUT, DAMAGE_LOSS, DAMAGE_COUNT } damage;

static sqlite3 *open_store(const world *w, const char *device)
{
    char path[300];
    sqlite3 *db;

    world_home(w, device, path);
    strcat(path, "/diary.edn");
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

/* How many rows tell of what is arriving. */
static unsigned rows_of(const world *w, const char *device)
{
    sqlite3 *db = open_store(w, device);
    sqlite3_stmt *s;
    unsigned n;

    CHECK_INT(sqlite3_prepare_v2(db,
                                 "SELECT count(*) FROM kv WHERE t = 10 AND substr(k, 1, 1) IN (x'06', x'07', x'08')",
                                 -1, &s, NULL),
              SQLITE_OK);
    CHECK_INT(sqlite3_step(s), SQLITE_ROW);
    n = (unsigned)sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return n;
}

/* Spoils row number `at` of those; its kind. */
static uint8_t spoil(const world *w, const char *device, unsigned at, damage how)
{
    sqlite3 *db = open_store(w, device);
    sqlite3_stmt *s;
    uint8_t value[65536], kind;
    int n;
    sqlite3_int64 row;

    CHECK_INT(sqlite3_prepare_v2(db,
                                 "SELECT rowid, k, v FROM kv WHERE t = 10 AND substr(k, 1, 1) IN (x'06', x'07', x'08') "
                                 "ORDER BY k LIMIT 1 OFFSET ?",
                                 -1, &s, NULL),
              SQLITE_OK);
    sqlite3_bind_int(s, 1, (int)at);
    CHECK_INT(sqlite3_step(s), SQLITE_ROW);
    row = sqlite3_column_int64(s, 0);
    kind = *(const uint8_t *)sqlite3_column_blob(s, 1);
    n = sqlite3_column_bytes(s, 2);
    CHECK(n > 2 && (size_t)n <= sizeof value);
    memcpy(value, sqlite3_column_blob(s, 2), (size_t)n);
    sqlite3_finalize(s);
    if (how == DAMAGE_CUT)
        n--;
    else if (how != DAMAGE_LOSS)
        value[how == DAMAGE_FIRST ? 0 : how == DAMAGE_LAST ? n - 1 : n / 2] ^= 0x10;
    CHECK_INT(sqlite3_prepare_v2(
                  db, how == DAMAGE_LOSS ? "DELETE FROM kv WHERE rowid = ?" : "UPDATE kv SET v = ?2 WHERE rowid = ?1",
                  -1, &s, NULL),
              SQLITE_OK);
    sqlite3_bind_int64(s, 1, row);
    if (how != DAMAGE_LOSS)
        sqlite3_bind_blob(s, 2, value, n, SQLITE_STATIC);
    CHECK_INT(sqlite3_step(s), SQLITE_DONE);
    sqlite3_finalize(s);
    CHECK_INT(sqlite3_changes(db), 1);
    sqlite3_close(db);
    return kind;
}

/* Entries of every part can be opened; each that the first device has. */
static void open_some(edn_client *a, edn_client *b)
{
    static const char *const few[] = {"day3", "day70", "day130", "zebra"};
    edn_buf text = EDN_BUF_INIT(4096), here = EDN_BUF_INIT(4096);
    static seen s;
    edn_err err;

    for (size_t i = 0; i < EDN_COUNT(few); i++) {
        (void)find(a, few[i], &s);
        if (s.n == 0)
            continue;
        edn_buf_reset(&text);
        edn_buf_reset(&here);
        CHECK_OK(edn_client_show(b, &s.ids[0], diary_put_text, &text, &err));
        CHECK_OK(edn_client_show(a, &s.ids[0], diary_put_text, &here, &err));
        CHECK_BYTES(edn_buf_view(&text), edn_buf_view(&here));
    }
    edn_buf_dispose(&text);
    edn_buf_dispose(&here);
}

/* A range of years, a recent shard with one that was changed, one entry that is here already. `before` is what queries
 * found until that change. */
static two half_here(seen before[NEWCOMER_QUERIES])
{
    static seen s;
    two t = published();
    edn_buf text = EDN_BUF_INIT(4096);
    edn_err err;

    t.w->now_ms += 86400000u;
    diary_add(t.a, "2024-05-05", "a zebra", "zebra and wind");
    for (size_t i = 0; i < NEWCOMER_QUERIES; i++)
        (void)find(t.a, queries[i], &before[i]);
    (void)find(t.a, "day9", &s);
    diary_edit(t.a, &s.ids[0], "another sea than before");
    diary_sync(t.a);
    (void)fetch(t.b, false, &s);
    CHECK_INT(s.findings, 0);
    (void)find(t.a, "day5", &s);
    CHECK_OK(edn_client_show(t.b, &s.ids[0], diary_put_text, &text, &err));
    edn_buf_dispose(&text);
    edn_client_close(t.b);
    t.b = NULL;
    world_home_copy(t.w, "b", "spare");
    return t;
}

static void any_row_that_is_damaged_is_named_once_and_fetched_anew(void **state)
{
    (void)state;
    static seen s, before[NEWCOMER_QUERIES], all[NEWCOMER_QUERIES];
    two t = half_here(before);
    unsigned rows = rows_of(t.w, "b"), kinds[9] = {0};

    CHECK(rows >= 5);
    for (size_t i = 0; i < NEWCOMER_QUERIES; i++)
        (void)find(t.a, queries[i], &all[i]);
    for (unsigned k = 0; k < rows * DAMAGE_COUNT; k++) {
        unsigned findings = 0;
        world_home_copy(t.w, "spare", "b");
        kinds[spoil(t.w, "b", k / DAMAGE_COUNT, k % DAMAGE_COUNT)]++;
        edn_client *b = world_open(t.w, "b");
        for (size_t i = 0; i < NEWCOMER_QUERIES; i++) {
            edn_search_result r = find(b, queries[i], &s);
            findings += s.findings;
            CHECK(!r.instead[0]); /* that nobody wrote a word is not known yet */
            /* What was changed is found by what it held before while the part that tells of the change is not here. */
            for (size_t h = 0; h < s.n; h++)
                CHECK(among(&all[i], &s.ids[h]) || (r.parts_here < r.parts && among(&before[i], &s.ids[h])));
        }
        open_some(t.a, b);
        (void)fetch(b, false, &s);
        findings += diary_findings(b, EDN_E_DAMAGED);
        if (findings != 1)
            print_error("row %u, damage %u: %u findings\n", k / DAMAGE_COUNT, k % DAMAGE_COUNT, findings);
        CHECK_INT(findings, 1);
        for (size_t i = 0; i < NEWCOMER_QUERIES; i += 4)
            CHECK(same_hits(t.a, b, queries[i]) > 0);
        CHECK_INT(find(b, "sea", &s).known, NEWCOMER_ENTRIES + 1);
        edn_client_close(b);
    }
    for (uint8_t kind = 6; kind <= 8; kind++)
        CHECK(kinds[kind] >= DAMAGE_COUNT);
    edn_client_close(t.a);
    world_free(t.w);
}

static void a_list_that_is_lost_leaves_no_row_behind(void **state)
{
    (void)state;
    static seen before[NEWCOMER_QUERIES];
    two t = half_here(before);

    CHECK_INT(spoil(t.w, "b", 0, DAMAGE_LOSS), 6);
    t.b = open_small(t.w, "b");
    diary_sync(t.b);
    CHECK_INT(rows_of(t.w, "b"), 0);
    diary_check_same(t.a, t.b);
    diary_check_verified(t.b);
    two_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_that_is_lost_leaves_no_row_behind),
        cmocka_unit_test(any_row_that_is_damaged_is_named_once_and_fetched_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
