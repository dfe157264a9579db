/* Names and rows as they lie on the disk, against tests/kat/keys_ref.py, which shares no code with EDN. */
#include "check.h"

#include "../../kat/keys.inc"
#include "store/store.h"
#include "tempdir.h"

#include <sqlite3.h>

static void check_answer(const char *name, edn_bytes got)
{
    uint8_t want[1024];

    for (size_t i = 0; i < EDN_COUNT(known_answers); i++) {
        size_t n = strlen(known_answers[i].hex) / 2;
        if (strcmp(known_answers[i].name, name) != 0)
            continue;
        assert_true(n <= sizeof want && edn_hex_decode(want, n, edn_bytes_str(known_answers[i].hex)));
        CHECK_BYTES(got, edn_bytes_of(want, n));
        return;
    }
    fail_msg("no answer \"%s\"", name);
}

/* The random source says 0, 1, 2… in each call. */
static void fill_counting(void *ctx, void *p, size_t n)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)i;
}

/* The one row of a table, as SQLite has it. */
static void check_row(const char *dir, int t, const char *key, const char *value)
{
    char path[128];
    sqlite3 *db;
    sqlite3_stmt *q;

    snprintf(path, sizeof path, "%s/diary.edn", dir);
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_prepare_v2(db, "SELECT k, v FROM kv WHERE t = ?", -1, &q, NULL), SQLITE_OK);
    sqlite3_bind_int(q, 1, t);
    CHECK_INT(sqlite3_step(q), SQLITE_ROW);
    check_answer(key, edn_bytes_of(sqlite3_column_blob(q, 0), (size_t)sqlite3_column_bytes(q, 0)));
    check_answer(value, edn_bytes_of(sqlite3_column_blob(q, 1), (size_t)sqlite3_column_bytes(q, 1)));
    CHECK_INT(sqlite3_step(q), SQLITE_DONE);
    sqlite3_finalize(q);
    sqlite3_close(db);
}

static void a_row_on_the_disk_is_what_the_specification_says(void **state)
{
    const edn_random counting = {fill_counting, NULL};
    const edn_store_options options = {.create = true};
    char dir[TEMPDIR_SIZE];
    edn_store *s = NULL;
    edn_local_key ldk;
    edn_store_key_name name;

    (void)state;
    CHECK_OK(edn_crypto_init());
    for (size_t i = 0; i < sizeof ldk.b; i++)
        ldk.b[i] = (uint8_t)(0x63 + i);
    tempdir_make(dir);
    CHECK_OK(edn_store_open(dir, &options, &s, NULL));
    name = edn_store_name(s, EDN_TABLE_OPEN, "slot", edn_bytes_str("salt"));
    check_answer("store/open-name", edn_bytes_of(name.b, sizeof name.b));
    CHECK_OK(edn_store_unlock(s, &ldk, &counting));
    name = edn_store_name(s, EDN_TABLE_META, "a name", edn_bytes_str("salt"));
    CHECK_OK(edn_store_begin_write(s));
    CHECK_OK(edn_store_put(s, EDN_TABLE_META, edn_bytes_of(name.b, sizeof name.b), edn_bytes_str("a value")));
    CHECK_OK(edn_store_commit(s));
    edn_store_close(s);
    check_row(dir, EDN_TABLE_META, "store/row-name", "store/value");
    tempdir_remove(dir);
}

/* The example in docs/spec/local-store.md, and the id of an account's first journal (docs/spec/keys.md). */
static void other_labels(void **state)
{
    edn_buf t = EDN_BUF_INIT(256);
    const edn_bytes fields[] = {EDN_F_U8(4), edn_bytes_str("ab")};
    edn_account_id account;
    edn_hash h;

    (void)state;
    edn_t_put(&t, EDN_LABEL_AAD_STORE, fields, EDN_COUNT(fields));
    check_answer("store/aad", edn_buf_view(&t));
    edn_buf_dispose(&t);
    for (size_t i = 0; i < sizeof account.b; i++)
        account.b[i] = (uint8_t)(0x10 + i);
    h = edn_h32_t(EDN_LABEL_JOURNAL_FIRST, EDN_F(account));
    check_answer("journal/first", edn_bytes_of(h.b, 16));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_on_the_disk_is_what_the_specification_says),
        cmocka_unit_test(other_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
