/* The handle: its keys, its statements, its transactions. */
#include "store_priv.h"

#include "base/plant.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char *const statement_sql[STORE_STATEMENT_COUNT] = {
    [STORE_GET] = "SELECT v FROM kv WHERE t = ?1 AND k = ?2",
    [STORE_PUT] = "INSERT INTO kv(t, k, v) VALUES(?1, ?2, ?3) ON CONFLICT(t, k) DO UPDATE SET v = excluded.v",
    [STORE_DEL] = "DELETE FROM kv WHERE t = ?1 AND k = ?2",
    [STORE_SCAN] = "SELECT k, v FROM kv WHERE t = ?1 AND k >= ?2 ORDER BY k",
    [STORE_SCAN_KEYS] = "SELECT k FROM kv WHERE t = ?1 AND k >= ?2 ORDER BY k",
    [STORE_ANY] = "SELECT 1 FROM kv WHERE t < 255 LIMIT 1",
    [STORE_SAMPLE] = "SELECT t, k, v FROM kv WHERE t > 0 AND t < 255 LIMIT 64",
    [STORE_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [STORE_BEGIN_READ] = "BEGIN",
    [STORE_TOUCH] = "SELECT 1 FROM kv LIMIT 1",
    [STORE_COMMIT] = "COMMIT",
    [STORE_ROLLBACK] = "ROLLBACK",
    [STORE_DATA_VERSION] = "PRAGMA data_version",
};

edn_status store_prepare(edn_store *s, store_statement which, sqlite3_stmt **out)
{
    if (!s->statements[which]) {
        int rc = sqlite3_prepare_v3(s->db, statement_sql[which], -1, SQLITE_PREPARE_PERSISTENT, &s->statements[which],
                                    NULL);
        if (rc != SQLITE_OK) {
            *out = NULL;
            return store_fault(s, rc);
        }
    }
    *out = s->statements[which];
    return EDN_OK;
}

edn_status store_run(edn_store *s, store_statement which)
{
    sqlite3_stmt *q;
    edn_status st = store_prepare(s, which, &q);
    int rc;

    if (st != EDN_OK)
        return st;
    rc = sqlite3_step(q);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        st = store_fault(s, rc);
    (void)sqlite3_reset(q); /* says again what step said */
    return st;
}

/* ---- open and close ---------------------------------------------------------------------------------------------- */

edn_status edn_store_open(const char *dir, const edn_store_options *options, edn_store **out, edn_err *err)
{
    edn_store *s = calloc(1, sizeof *s);
    edn_status st;

    *out = NULL;
    if (!s)
        return store_explain(err, EDN_E_NOMEM, dir, "");
    s->read_only = options->read_only;
    s->aad = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    s->box = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    st = store_file_open(s, dir, options, err);
    if (st != EDN_OK) {
        edn_store_close(s);
        return st;
    }
    *out = s;
    return EDN_OK;
}

void edn_store_close(edn_store *s)
{
    if (!s)
        return;
    EDN_ASSERT(s->scans == 0);
    edn_store_rollback(s);
    edn_store_lock(s);
    for (size_t i = 0; i < STORE_STATEMENT_COUNT; i++)
        (void)sqlite3_finalize(s->statements[i]); /* says again what its last step said */
    /* The last one out folds the log into the file; if that fails the log stays, and the next open does it. */
    EDN_ASSERT(sqlite3_close(s->db) == SQLITE_OK);
    edn_buf_dispose(&s->aad);
    edn_buf_dispose(&s->box);
    free(s);
}

const char *edn_store_error(const edn_store *s) { return s->error; }

/* ---- keys -------------------------------------------------------------------------------------------------------- */

/* Whether any of a few rows opens: then the key is right, and it is the check row that is damaged or lost. *rows tells
 * whether there was any row at all. */
static edn_status sample_opens(edn_store *s, bool *rows, bool *opens)
{
    edn_buf out = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    sqlite3_stmt *q;
    edn_status st = store_prepare(s, STORE_SAMPLE, &q);
    int rc = SQLITE_DONE;

    *rows = *opens = false;
    while (st == EDN_OK && !*opens && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        edn_bytes key = edn_bytes_of(sqlite3_column_blob(q, 1), (size_t)sqlite3_column_bytes(q, 1));
        edn_bytes box = edn_bytes_of(sqlite3_column_blob(q, 2), (size_t)sqlite3_column_bytes(q, 2));
        edn_status row_st = store_unseal(s, (unsigned)sqlite3_column_int(q, 0), key, box, &out);
        *rows = true;
        *opens = row_st == EDN_OK;
        if (row_st != EDN_OK && row_st != EDN_E_DAMAGED)
            st = row_st;
        edn_buf_wipe(&out);
    }
    if (st == EDN_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
        st = store_fault(s, rc);
    (void)sqlite3_reset(q); /* NULL is allowed; says again what step said */
    return st;
}

/* Whether the keys are those under which the store was sealed. A damaged check row must not lock anybody out of an
 * undamaged diary, and a lost one must not let a second key in. */
static edn_status check_keys(edn_store *s)
{
    edn_buf out = EDN_BUF_INIT(64);
    bool rows, opens;
    edn_status st, found = store_row_get(s, STORE_TABLE_CHECK, EDN_BYTES_EMPTY, &out);

    edn_buf_dispose(&out);
    if (found != EDN_E_MISSING && found != EDN_E_DAMAGED)
        return found;
    st = sample_opens(s, &rows, &opens);
    if (st != EDN_OK)
        return st;
    if (!opens && (rows || found == EDN_E_DAMAGED))
        return EDN_E_AUTH;
    return s->tx == STORE_TX_WRITE ? store_row_put(s, STORE_TABLE_CHECK, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY)
                                   : EDN_E_MISSING;
}

/* Reads first: only a store without a good check row is written to. */
static edn_status check_and_mend(edn_store *s)
{
    edn_status st = check_keys(s);

    if (st != EDN_E_MISSING)
        return st;
    if (s->read_only)
        return EDN_OK;
    if ((st = edn_store_begin_write(s)) != EDN_OK)
        return st;
    st = check_keys(s); /* another process may have been here */
    if (st == EDN_OK)
        st = edn_store_commit(s);
    edn_store_rollback(s);
    return st;
}

static edn_status keys_make(edn_store *s, const edn_local_key *ldk, const edn_random *rng)
{
    edn_store_lock(s);
    s->keys = edn_secret_alloc(sizeof *s->keys);
    if (!s->keys)
        return EDN_E_NOMEM;
    edn_kdf(s->keys->values.b, sizeof s->keys->values.b, ldk->b, EDN_LABEL_STORE_VALUE);
    edn_kdf(s->keys->names.b, sizeof s->keys->names.b, ldk->b, EDN_LABEL_STORE_NAME);
    s->rng = *rng;
    return EDN_OK;
}

edn_status edn_store_unlock(edn_store *s, const edn_local_key *ldk, const edn_random *rng)
{
    edn_status st;

    EDN_ASSERT(s->tx == STORE_TX_NONE && s->scans == 0);
    if ((st = keys_make(s, ldk, rng)) == EDN_OK && (st = check_and_mend(s)) != EDN_OK)
        edn_store_lock(s);
    return st;
}

static edn_status is_new(edn_store *s)
{
    sqlite3_stmt *q;
    edn_status st = store_prepare(s, STORE_ANY, &q);
    int rc;

    if (st != EDN_OK)
        return st;
    rc = sqlite3_step(q);
    if (rc != SQLITE_DONE)
        st = rc == SQLITE_ROW ? EDN_E_EXISTS : store_fault(s, rc);
    (void)sqlite3_reset(q); /* says again what step said */
    return st;
}

edn_status edn_store_unlock_new(edn_store *s, const edn_local_key *ldk, const edn_random *rng)
{
    edn_status st;

    EDN_ASSERT(s->tx == STORE_TX_WRITE && s->scans == 0);
    if ((st = is_new(s)) != EDN_OK || (st = keys_make(s, ldk, rng)) != EDN_OK)
        return st;
    if ((st = store_row_put(s, STORE_TABLE_CHECK, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY)) != EDN_OK)
        edn_store_lock(s);
    return st;
}

void edn_store_lock(edn_store *s)
{
    edn_secret_free(s->keys);
    s->keys = NULL;
}

edn_store_key_name edn_store_name(const edn_store *s, edn_table t, const char *name, edn_bytes salt)
{
    edn_store_key_name out = {{0}};

    if (t == EDN_TABLE_OPEN) {
        edn_hash h = edn_h32_t(EDN_LABEL_STORE_OPEN, EDN_F_U8(t), edn_bytes_str(name), salt);
        memcpy(out.b, h.b, sizeof out.b);
    } else if (s->keys) {
        edn_kdf_t(out.b, sizeof out.b, s->keys->names.b, EDN_LABEL_STORE_ROW, EDN_F_U8(t), edn_bytes_str(name), salt);
    }
    return out;
}

/* ---- transactions ------------------------------------------------------------------------------------------------ */

static edn_status begin(edn_store *s, store_statement which, store_tx tx)
{
    edn_status st;

    EDN_ASSERT(s->tx == STORE_TX_NONE);
    st = store_run(s, which);
    if (st == EDN_OK)
        s->tx = tx;
    return st;
}

edn_status edn_store_begin_write(edn_store *s)
{
    s->tx_failed = EDN_OK;
    if (s->read_only) {
        snprintf(s->error, sizeof s->error, "opened for reading only");
        return EDN_E_IO;
    }
    return begin(s, STORE_BEGIN_WRITE, STORE_TX_WRITE);
}

edn_status edn_store_begin_read(edn_store *s)
{
    edn_status st = begin(s, STORE_BEGIN_READ, STORE_TX_READ);

    if (st == EDN_OK && (st = store_run(s, STORE_TOUCH)) != EDN_OK)
        edn_store_rollback(s);
    return st;
}

/* Whoever watches the file learns that there is something new: SQLite makes a commit visible in memory that processes
 * share, and the last that it writes to a file comes before that. */
static void tell_watchers(const edn_store *s)
{
    const char *path = s->real_disk ? sqlite3_db_filename(s->db, "main") : NULL;

    if (path && utimensat(AT_FDCWD, path, NULL, 0) != 0)
        return; /* they look every second or so in any case */
}

edn_status edn_store_commit(edn_store *s)
{
    bool wrote = s->tx == STORE_TX_WRITE;
    edn_status st;

    EDN_ASSERT(s->tx != STORE_TX_NONE && s->scans == 0);
    st = s->tx_failed;
    if (st == EDN_OK)
        st = EDN_PLANT(acknowledge_before_commit) && s->statements[STORE_SCAN] ? (edn_store_rollback(s), EDN_OK)
                                                                               : store_run(s, STORE_COMMIT);
    if (st == EDN_OK)
        s->tx = STORE_TX_NONE;
    else
        edn_store_rollback(s);
    if (st == EDN_OK && wrote)
        tell_watchers(s);
    return st;
}

void edn_store_rollback(edn_store *s)
{
    edn_status st = EDN_OK;

    if (s->tx == STORE_TX_NONE)
        return;
    EDN_ASSERT(s->scans == 0);
    s->tx = STORE_TX_NONE;
    s->tx_failed = EDN_OK;
    /* After some failures SQLite has rolled back already. */
    if (!sqlite3_get_autocommit(s->db))
        st = store_run(s, STORE_ROLLBACK);
    EDN_ASSERT(st == EDN_OK || sqlite3_get_autocommit(s->db));
}

uint64_t edn_store_version(edn_store *s)
{
    sqlite3_stmt *q;
    uint64_t v = 0;

    if (store_prepare(s, STORE_DATA_VERSION, &q) != EDN_OK)
        return 0;
    if (sqlite3_step(q) == SQLITE_ROW)
        v = (uint64_t)sqlite3_column_int64(q, 0);
    (void)sqlite3_reset(q); /* says again what step said */
    return v;
}
