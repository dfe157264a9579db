#include "meta.h"

#include "base/plant.h"

#include <sqlite3.h>
#include <stdlib.h>

/* SQLite behind edn_meta: one connection, statements prepared when first used and kept.
 *
 * Batches up to the inline size lie in the `batch` table's rows, which grow at its end: a row's number is also the
 * order of arrival, so a device that pulls gets causes before their effects. The index (space, device, dseq) finds them
 * without touching their bytes. In WAL mode with synchronous=FULL a commit is one sync of the log, however many rows it
 * holds. */

#define META_APPLICATION_ID 0x45444e53 /* "EDNS" */
#define META_VERSION 6
#define META_CACHE_KIB 1024

#define META_RECOVERY                                                                                                  \
    "CREATE TABLE recovery(account INTEGER PRIMARY KEY, number INTEGER NOT NULL, begun INTEGER NOT NULL,"              \
    " setid BLOB NOT NULL, asked INTEGER NOT NULL, ready INTEGER NOT NULL, cancelled INTEGER NOT NULL,"                \
    " device BLOB NOT NULL, time INTEGER NOT NULL, sig BLOB NOT NULL) STRICT;"
#define META_LETTER                                                                                                    \
    "CREATE TABLE letter(n INTEGER PRIMARY KEY, account INTEGER NOT NULL, number INTEGER NOT NULL,"                    \
    " hash BLOB NOT NULL, day INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE(account, number),"                          \
    " UNIQUE(account, hash)) STRICT;"                                                                                  \
    "CREATE INDEX letter_day ON letter(day);"

/* Each device's newest batch of kind index; and blobs that go, and since when. */
#define META_INDEX                                                                                                     \
    "CREATE TABLE newest(space INTEGER NOT NULL, device BLOB NOT NULL, dseq INTEGER NOT NULL,"                         \
    " PRIMARY KEY(space, device)) STRICT, WITHOUT ROWID;"                                                              \
    "CREATE TABLE released(account INTEGER NOT NULL, name BLOB NOT NULL, since INTEGER NOT NULL,"                      \
    " PRIMARY KEY(account, name)) STRICT, WITHOUT ROWID;"

#define META_SHARE                                                                                                     \
    "CREATE TABLE share(account INTEGER NOT NULL, key BLOB NOT NULL, number INTEGER NOT NULL, body BLOB NOT NULL,"     \
    " PRIMARY KEY(account, key, number)) STRICT, WITHOUT ROWID;"

static const char meta_schema[] =
    "CREATE TABLE account(n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, subject BLOB NOT NULL UNIQUE,"
    " bytes INTEGER NOT NULL, letters INTEGER NOT NULL) STRICT;"
    "CREATE TABLE name(hash BLOB NOT NULL PRIMARY KEY, account BLOB NOT NULL, kdf BLOB NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX name_account ON name(account);"
    "CREATE TABLE link(account INTEGER NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL,"
    " PRIMARY KEY(account, seq)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE box(n INTEGER PRIMARY KEY, account INTEGER NOT NULL, hash BLOB NOT NULL, body BLOB NOT NULL,"
    " UNIQUE(account, hash)) STRICT;"
    "CREATE TABLE space(n INTEGER PRIMARY KEY, account INTEGER NOT NULL, id BLOB NOT NULL UNIQUE,"
    " batches INTEGER NOT NULL, bytes INTEGER NOT NULL, probe BLOB) STRICT;"
    "CREATE INDEX space_account ON space(account);"
    "CREATE INDEX space_probe ON space(probe) WHERE probe IS NOT NULL;"
    "CREATE TABLE head(space INTEGER NOT NULL, device BLOB NOT NULL, dseq INTEGER NOT NULL, hash BLOB NOT NULL,"
    " PRIMARY KEY(space, device)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE batch(n INTEGER PRIMARY KEY, space INTEGER NOT NULL, device BLOB NOT NULL, dseq INTEGER NOT NULL,"
    " hash BLOB NOT NULL, size INTEGER NOT NULL, body BLOB) STRICT;"
    "CREATE UNIQUE INDEX batch_place ON batch(space, device, dseq);"
    "CREATE INDEX batch_large ON batch(hash) WHERE body IS NULL;"
    "CREATE TABLE blob(account INTEGER NOT NULL, name BLOB NOT NULL, size INTEGER NOT NULL, content BLOB NOT NULL,"
    " PRIMARY KEY(account, name)) STRICT, WITHOUT ROWID;" META_RECOVERY META_LETTER META_INDEX META_SHARE;

/* From version 1: what names blobs is found without reading batches. From version 2: recoveries wait. From version 3:
 * inboxes. From version 4: the synced index. From version 5: shares that contacts keep. */
static const char *const meta_upgrades[] = {
    "BEGIN; CREATE INDEX batch_large ON batch(hash) WHERE body IS NULL; PRAGMA user_version = 2; COMMIT",
    "BEGIN; " META_RECOVERY "PRAGMA user_version = 3; COMMIT",
    "BEGIN; ALTER TABLE account ADD COLUMN letters INTEGER NOT NULL DEFAULT 0;" META_LETTER
    "PRAGMA user_version = 4; COMMIT",
    "BEGIN; " META_INDEX "PRAGMA user_version = 5; COMMIT",
    "BEGIN; " META_SHARE "PRAGMA user_version = 6; COMMIT",
};

#define META_STATEMENTS(X)                                                                                             \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                                        \
    X(COMMIT, "COMMIT")                                                                                                \
    X(NAME_FIND, "SELECT account, kdf FROM name WHERE hash = ?1")                                                      \
    X(NAME_PUT, "INSERT INTO name(hash, account, kdf) VALUES(?1, ?2, ?3)")                                             \
    X(NAME_SET_KDF, "UPDATE name SET kdf = ?2 WHERE account = ?1")                                                     \
    X(ACCOUNT_FIND, "SELECT n, id, subject, bytes, letters FROM account WHERE id = ?1")                                \
    X(ACCOUNT_FIND_SUBJECT, "SELECT n, id, subject, bytes, letters FROM account WHERE subject = ?1")                   \
    X(ACCOUNT_FIND_N, "SELECT n, id, subject, bytes, letters FROM account WHERE n = ?1")                               \
    X(ACCOUNT_ADD, "INSERT INTO account(id, subject, bytes, letters) VALUES(?1, ?2, ?3, ?4)")                          \
    X(ACCOUNT_UPDATE, "UPDATE account SET bytes = ?2, letters = ?3 WHERE n = ?1")                                      \
    X(LINK_PUT, "INSERT INTO link(account, seq, body) VALUES(?1, ?2, ?3)")                                             \
    X(LINKS_EACH, "SELECT seq, body FROM link WHERE account = ?1 AND seq >= ?2 ORDER BY seq")                          \
    X(BOX_PUT, "INSERT INTO box(account, hash, body) VALUES(?1, ?2, ?3) ON CONFLICT(account, hash) DO NOTHING")        \
    X(BOX_FIND, "SELECT body FROM box WHERE account = ?1 AND hash = ?2")                                               \
    X(RECOVERY_FIND, "SELECT number, begun, setid, asked, ready, cancelled, device, time, sig FROM recovery"           \
                     " WHERE account = ?1")                                                                            \
    X(RECOVERY_PUT, "INSERT INTO recovery(account, number, begun, setid, asked, ready, cancelled, device, time, sig)"  \
                    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT(account) DO UPDATE SET"              \
                    " number = excluded.number, begun = excluded.begun, setid = excluded.setid,"                       \
                    " asked = excluded.asked, ready = excluded.ready, cancelled = excluded.cancelled,"                 \
                    " device = excluded.device, time = excluded.time, sig = excluded.sig")                             \
    X(SHARE_PUT, "INSERT INTO share(account, key, number, body) VALUES(?1, ?2, ?3, ?4)")                               \
    X(SHARES_EACH, "SELECT key, number, body FROM share WHERE account = ?1 ORDER BY key, number")                      \
    X(SHARES_DROP, "DELETE FROM share WHERE account = ?1")                                                             \
    X(SHARES_EXPIRE, "DELETE FROM share WHERE account NOT IN (SELECT account FROM recovery WHERE ready >= ?1)")        \
    X(SPACE_FIND_ACCOUNT, "SELECT n, account, id, batches, bytes, probe FROM space WHERE account = ?1")                \
    X(SPACE_FIND_PROBE, "SELECT n, account, id, batches, bytes, probe FROM space WHERE probe = ?1")                    \
    X(SPACE_ADD, "INSERT INTO space(account, id, batches, bytes) VALUES(?1, ?2, ?3, ?4)")                              \
    X(SPACE_UPDATE, "UPDATE space SET batches = ?2, bytes = ?3, probe = ?4 WHERE n = ?1")                              \
    X(HEADS_EACH, "SELECT device, dseq, hash FROM head WHERE space = ?1 ORDER BY device")                              \
    X(HEAD_PUT, "INSERT INTO head(space, device, dseq, hash) VALUES(?1, ?2, ?3, ?4)"                                   \
                " ON CONFLICT(space, device) DO UPDATE SET dseq = excluded.dseq, hash = excluded.hash")                \
    X(BATCH_PUT, "INSERT INTO batch(space, device, dseq, hash, size, body) VALUES(?1, ?2, ?3, ?4, ?5, ?6)")            \
    X(BATCH_FIND, "SELECT space, device, dseq, hash, size, body FROM batch"                                            \
                  " WHERE space = ?1 AND device = ?2 AND dseq = ?3")                                                   \
    X(BATCH_FIND_N, "SELECT space, device, dseq, hash, size, body FROM batch WHERE n = ?1")                            \
    X(BATCHES_AFTER, "SELECT n FROM batch WHERE space = ?1 AND device = ?2 AND dseq > ?3 ORDER BY dseq LIMIT ?4")      \
    X(BATCHES_UP_TO, "SELECT hash, size, body IS NULL FROM batch WHERE space = ?1 AND device = ?2 AND dseq <= ?3")     \
    X(BATCHES_DROP, "DELETE FROM batch WHERE space = ?1 AND device = ?2 AND dseq <= ?3")                               \
    X(BLOB_PUT, "INSERT INTO blob(account, name, size, content) VALUES(?1, ?2, ?3, ?4)")                               \
    X(BLOB_FIND, "SELECT size, content FROM blob WHERE account = ?1 AND name = ?2")                                    \
    X(LETTER_PUT, "INSERT INTO letter(account, number, hash, day, body) VALUES(?1, ?2, ?3, ?4, ?5)")                   \
    X(LETTER_FIND, "SELECT 1 FROM letter WHERE account = ?1 AND hash = ?2")                                            \
    X(LETTERS_COUNT, "SELECT count(*) FROM letter WHERE account = ?1")                                                 \
    X(LETTERS_EACH, "SELECT number, body FROM letter WHERE account = ?1 AND number >= ?2 ORDER BY number")             \
    X(LETTER_DROP, "DELETE FROM letter WHERE account = ?1 AND number = ?2")                                            \
    X(LETTERS_EXPIRE, "DELETE FROM letter WHERE n IN (SELECT n FROM letter WHERE day < ?1 LIMIT ?2)")                  \
    X(INDEX_PUT, "INSERT INTO newest(space, device, dseq) VALUES(?1, ?2, ?3)"                                          \
                 " ON CONFLICT(space, device) DO UPDATE SET dseq = excluded.dseq")                                     \
    X(INDEX_FIND, "SELECT dseq FROM newest WHERE space = ?1 AND device = ?2")                                          \
    X(BLOB_RELEASE, "INSERT INTO released(account, name, since) SELECT account, name, ?3 FROM blob"                    \
                    " WHERE account = ?1 AND name = ?2 ON CONFLICT(account, name) DO NOTHING")                         \
    X(BLOB_KEEP, "DELETE FROM released WHERE account = ?1 AND name = ?2")                                              \
    X(BLOB_DEL, "DELETE FROM blob WHERE account = ?1 AND name = ?2")                                                   \
    X(RELEASED_EACH, "SELECT blob.account, blob.name, blob.size FROM released JOIN blob USING(account, name)"          \
                     " WHERE since < ?1 LIMIT ?2")                                                                     \
    X(BLOBS_EACH, "SELECT blob.account, account.id, blob.name FROM blob JOIN account ON account.n = blob.account"      \
                  " WHERE (blob.account, blob.name) > (?1, ?2) ORDER BY blob.account, blob.name LIMIT ?3")             \
    X(LARGE_EACH, "SELECT hash FROM batch WHERE body IS NULL AND hash > ?1 ORDER BY hash LIMIT ?2")

#define META_STATEMENT_NAME(name, sql) META_##name,
enum { META_STATEMENTS(META_STATEMENT_NAME) META_STATEMENT_COUNT };
#undef META_STATEMENT_NAME
#define META_STATEMENT_SQL(name, sql) sql,
static const char *const meta_sql[] = {META_STATEMENTS(META_STATEMENT_SQL)};
#undef META_STATEMENT_SQL

typedef struct meta_sqlite {
    sqlite3 *db;
    sqlite3_stmt *st[META_STATEMENT_COUNT];
} meta_sqlite;

static edn_status meta_status(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return EDN_OK;
    case SQLITE_NOMEM:
        return EDN_E_NOMEM;
    case SQLITE_FULL:
        return EDN_E_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return EDN_E_DAMAGED;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return EDN_E_BUSY;
    default:
        return EDN_E_IO;
    }
}

/* ---- running one statement --------------------------------------------------------------------------------------- */

/* A statement ready for binding, or NULL with *st set. Bindings of blobs are borrowed until meta_done. */
static sqlite3_stmt *meta_get(meta_sqlite *m, int which, edn_status *st)
{
    *st = EDN_OK;
    if (!m->st[which])
        *st = meta_status(
            sqlite3_prepare_v3(m->db, meta_sql[which], -1, SQLITE_PREPARE_PERSISTENT, &m->st[which], NULL));
    return *st == EDN_OK ? m->st[which] : NULL;
}

static void meta_bind(sqlite3_stmt *q, int i, const void *p, size_t n)
{
    /* An empty blob, not NULL; a failed binding shows in the step as a NOT NULL or a missing row. */
    (void)sqlite3_bind_blob64(q, i, n ? p : "", n, SQLITE_STATIC);
}
#define META_BIND(q, i, x) meta_bind((q), (i), (x).b, sizeof(x).b)

static void meta_bind_u64(sqlite3_stmt *q, int i, uint64_t v) { (void)sqlite3_bind_int64(q, i, (sqlite3_int64)v); }

static void meta_done(sqlite3_stmt *q)
{
    (void)sqlite3_reset(q); /* its status was taken from the step */
    (void)sqlite3_clear_bindings(q);
}

/* Runs a statement that gives no rows. */
static edn_status meta_run(sqlite3_stmt *q)
{
    edn_status st = meta_status(sqlite3_step(q));

    meta_done(q);
    return st;
}

/* The first row: EDN_OK, and the caller reads it before meta_done; else it is done already. */
static edn_status meta_first(sqlite3_stmt *q)
{
    int rc = sqlite3_step(q);

    if (rc == SQLITE_ROW)
        return EDN_OK;
    meta_done(q);
    return rc == SQLITE_DONE ? EDN_E_MISSING : meta_status(rc);
}

static edn_bytes meta_column(sqlite3_stmt *q, int i)
{
    const void *p = sqlite3_column_blob(q, i);

    return edn_bytes_of(p, p ? (size_t)sqlite3_column_bytes(q, i) : 0);
}

/* A column of a fixed size; any other size is a damaged file (or no memory) and reads as zeros with a status. */
static edn_status meta_column_into(sqlite3_stmt *q, int i, void *to, size_t n)
{
    edn_bytes b = meta_column(q, i);

    if (b.n != n) {
        memset(to, 0, n);
        return EDN_E_DAMAGED;
    }
    memcpy(to, b.p, n);
    return EDN_OK;
}

static uint64_t meta_column_u64(sqlite3_stmt *q, int i) { return (uint64_t)sqlite3_column_int64(q, i); }

/* ---- transactions ------------------------------------------------------------------------------------------------ */

static edn_status meta_begin(void *ctx)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_BEGIN, &st);

    return q ? meta_run(q) : st;
}

static void meta_rollback(void *ctx)
{
    meta_sqlite *m = ctx;

    /* After some errors SQLite has rolled back by itself. */
    if (!sqlite3_get_autocommit(m->db))
        (void)sqlite3_exec(m->db, "ROLLBACK", NULL, NULL, NULL); /* cannot fail but by having happened */
}

static edn_status meta_commit(void *ctx)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_COMMIT, &st);

    if (q)
        st = meta_run(q);
    if (st != EDN_OK)
        meta_rollback(ctx);
    return st;
}

/* ---- names and accounts ------------------------------------------------------------------------------------------ */

static edn_status meta_name_find(void *ctx, const edn_hash *name, edn_meta_name *out)
{
    edn_status st, st2;
    sqlite3_stmt *q = meta_get(ctx, META_NAME_FIND, &st);

    memset(out, 0, sizeof *out);
    if (!q)
        return st;
    META_BIND(q, 1, *name);
    if ((st = meta_first(q)) != EDN_OK)
        return st;
    st = meta_column_into(q, 0, out->account.b, sizeof out->account.b);
    st2 = meta_column_into(q, 1, out->kdf_record, sizeof out->kdf_record);
    meta_done(q);
    return st != EDN_OK ? st : st2;
}

static edn_status meta_name_put(void *ctx, const edn_hash *name, const edn_meta_name *row)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_NAME_PUT, &st);

    if (!q)
        return st;
    META_BIND(q, 1, *name);
    META_BIND(q, 2, row->account);
    meta_bind(q, 3, row->kdf_record, sizeof row->kdf_record);
    return meta_run(q);
}

static edn_status meta_name_set_kdf(void *ctx, const edn_account_id *account, const uint8_t kdf_record[32])
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_NAME_SET_KDF, &st);

    if (!q)
        return st;
    META_BIND(q, 1, *account);
    meta_bind(q, 2, kdf_record, 32);
    return meta_run(q);
}

static edn_status meta_account_row(sqlite3_stmt *q, edn_meta_account *out)
{
    edn_status st, st2;

    memset(out, 0, sizeof *out);
    if ((st = meta_first(q)) != EDN_OK)
        return st;
    out->n = sqlite3_column_int64(q, 0);
    st = meta_column_into(q, 1, out->id.b, sizeof out->id.b);
    st2 = meta_column_into(q, 2, out->subject.b, sizeof out->subject.b);
    out->bytes = meta_column_u64(q, 3);
    out->letters = meta_column_u64(q, 4);
    meta_done(q);
    return st != EDN_OK ? st : st2;
}

static edn_status meta_account_find(void *ctx, const edn_account_id *id, edn_meta_account *out)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_ACCOUNT_FIND, &st);

    if (!q)
        return st;
    META_BIND(q, 1, *id);
    return meta_account_row(q, out);
}

static edn_status meta_account_find_subject(void *ctx, const edn_subject *subject, edn_meta_account *out)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_ACCOUNT_FIND_SUBJECT, &st);

    if (!q)
        return st;
    META_BIND(q, 1, *subject);
    return meta_account_row(q, out);
}

static edn_status meta_account_find_n(void *ctx, int64_t n, edn_meta_account *out)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_ACCOUNT_FIND_N, &st);

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, n);
    return meta_account_row(q, out);
}

static edn_status meta_account_add(void *ctx, edn_meta_account *row)
{
    meta_sqlite *m = ctx;
    edn_status st;
    sqlite3_stmt *q = meta_get(m, META_ACCOUNT_ADD, &st);

    if (!q)
        return st;
    META_BIND(q, 1, row->id);
    META_BIND(q, 2, row->subject);
    meta_bind_u64(q, 3, row->bytes);
    meta_bind_u64(q, 4, row->letters);
    if ((st = meta_run(q)) == EDN_OK)
        row->n = sqlite3_last_insert_rowid(m->db);
    return st;
}

static edn_status meta_account_update(void *ctx, const edn_meta_account *row)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_ACCOUNT_UPDATE, &st);

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, row->n);
    meta_bind_u64(q, 2, row->bytes);
    meta_bind_u64(q, 3, row->letters);
    return meta_run(q);
}

/* ---- links and boxes --------------------------------------------------------------------------------------------- */

static edn_status meta_link_put(void *ctx, int64_t account, uint64_t seq, edn_bytes link)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_LINK_PUT, &st);

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, account);
    meta_bind_u64(q, 2, seq);
    meta_bind(q, 3, link.p, link.n);
    return meta_run(q);
}

static edn_status meta_links_each(void *ctx, int64_t account, uint64_t seq_from, edn_meta_link_fn *fn, void *cb)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_LINKS_EACH, &st);
    int rc;

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, account);
    meta_bind_u64(q, 2, seq_from);
    while ((rc = sqlite3_step(q)) == SQLITE_ROW)
        if ((st = fn(cb, meta_column_u64(q, 0), meta_column(q, 1))) != EDN_OK)
            break;
    if (st == EDN_OK)
        st = meta_status(rc);
    meta_done(q);
    return st;
}

static edn_status meta_box_put(void *ctx, int64_t account, const edn_hash *hash, edn_bytes box)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_BOX_PUT, &st);

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, account);
    META_BIND(q, 2, *hash);
    meta_bind(q, 3, box.p, box.n);
    return meta_run(q);
}

static edn_status meta_box_find(void *ctx, int64_t account, const edn_hash *hash, edn_buf *out)
{
    edn_status st;
    edn_bytes body;
    sqlite3_stmt *q = meta_get(ctx, META_BOX_FIND, &st);

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, account);
    META_BIND(q, 2, *hash);
    if ((st = meta_first(q)) != EDN_OK)
        return st;
    body = meta_column(q, 0);
    edn_put_bytes(out, body.p, body.n);
    meta_done(q);
    return edn_buf_status(out);
}

/* ---- recoveries -------------------------------------------------------------------------------------------------- */

static edn_status meta_recovery_find(void *ctx, int64_t account, edn_meta_recovery *out)
{
    edn_status st, st2;
    sqlite3_stmt *q = meta_get(ctx, META_RECOVERY_FIND, &st);

    memset(out, 0, sizeof *out);
    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, account);
    if ((st = meta_first(q)) != EDN_OK)
        return st;
    out->number = meta_column_u64(q, 0);
    out->begun = meta_column_u64(q, 1);
    st = meta_column_into(q, 2, out->set, sizeof out->set);
    out->asked_s = meta_column_u64(q, 3);
    out->ready_s = meta_column_u64(q, 4);
    out->cancelled = meta_column_u64(q, 5) != 0;
    if ((st2 = meta_column_into(q, 6, out->device.b, sizeof out->device.b)) != EDN_OK)
        st = st2;
    out->cancelled_ms = meta_column_u64(q, 7);
    if ((st2 = meta_column_into(q, 8, out->sig.b, sizeof out->sig.b)) != EDN_OK)
        st = st2;
    meta_done(q);
    return st;
}

static edn_status meta_recovery_put(void *ctx, int64_t account, const edn_meta_recovery *row)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_RECOVERY_PUT, &st);

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, account);
    meta_bind_u64(q, 2, row->number);
    meta_bind_u64(q, 3, row->begun);
    meta_bind(q, 4, row->set, sizeof row->set);
    meta_bind_u64(q, 5, row->asked_s);
    meta_bind_u64(q, 6, row->ready_s);
    meta_bind_u64(q, 7, row->cancelled);
    META_BIND(q, 8, row->device);
    meta_bind_u64(q, 9, row->cancelled_ms);
    META_BIND(q, 10, row->sig);
    return meta_run(q);
}

static edn_status meta_share_put(void *ctx, int64_t account, const edn_meta_share *row)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_SHARE_PUT, &st);

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, account);
    meta_bind(q, 2, row->key, sizeof row->key);
    meta_bind_u64(q, 3, row->number);
    meta_bind(q, 4, row->body.p, row->body.n);
    return meta_run(q);
}

static edn_status meta_shares_each(void *ctx, int64_t account, edn_meta_share_fn *fn, void *cb)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_SHARES_EACH, &st);
    int rc = SQLITE_DONE;

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, account);
    while (st == EDN_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        edn_meta_share row = {.number = meta_column_u64(q, 1), .body = meta_column(q, 2)};
        if ((st = meta_column_into(q, 0, row.key, sizeof row.key)) == EDN_OK)
            st = fn(cb, &row);
    }
    if (st == EDN_OK)
        st = meta_status(rc);
    meta_done(q);
    return st;
}

static edn_status meta_shares_drop(void *ctx, int64_t account)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_SHARES_DROP, &st);

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, account);
    return meta_run(q);
}

static edn_status meta_shares_expire(void *ctx, uint64_t ready_s)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_SHARES_EXPIRE, &st);

    if (!q)
        return st;
    meta_bind_u64(q, 1, ready_s);
    return meta_run(q);
}

/* ---- spaces, heads, batches -------------------------------------------------------------------------------------- */

static edn_status meta_space_row(sqlite3_stmt *q, edn_meta_space *out)
{
    edn_status st;

    memset(out, 0, sizeof *out);
    if ((st = meta_first(q)) != EDN_OK)
        return st;
    out->n = sqlite3_column_int64(q, 0);
    out->account = sqlite3_column_int64(q, 1);
    st = meta_column_into(q, 2, out->id.b, sizeof out->id.b);
    out->batches = meta_column_u64(q, 3);
    out->bytes = meta_column_u64(q, 4);
    if (st == EDN_OK && sqlite3_column_type(q, 5) != SQLITE_NULL)
        st = meta_column_into(q, 5, out->probe.b, sizeof out->probe.b);
    meta_done(q);
    return st;
}

static edn_status meta_space_find_account(void *ctx, int64_t account, edn_meta_space *out)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_SPACE_FIND_ACCOUNT, &st);

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, account);
    return meta_space_row(q, out);
}

static edn_status meta_space_find_probe(void *ctx, const edn_hash *probe, edn_meta_space *out)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_SPACE_FIND_PROBE, &st);

    if (!q)
        return st;
    META_BIND(q, 1, *probe);
    return meta_space_row(q, out);
}

static edn_status meta_space_add(void *ctx, edn_meta_space *row)
{
    meta_sqlite *m = ctx;
    edn_status st;
    sqlite3_stmt *q = meta_get(m, META_SPACE_ADD, &st);

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, row->account);
    META_BIND(q, 2, row->id);
    meta_bind_u64(q, 3, row->batches);
    meta_bind_u64(q, 4, row->bytes);
    if ((st = meta_run(q)) == EDN_OK)
        row->n = sqlite3_last_insert_rowid(m->db);
    return st;
}

static edn_status meta_space_update(void *ctx, const edn_meta_space *row)
{
    static const edn_hash none;
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_SPACE_UPDATE, &st);

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, row->n);
    meta_bind_u64(q, 2, row->batches);
    meta_bind_u64(q, 3, row->bytes);
    if (memcmp(&row->probe, &none, sizeof none) != 0)
        META_BIND(q, 4, row->probe);
    return meta_run(q);
}

static edn_status meta_heads_each(void *ctx, int64_t space, edn_meta_head_fn *fn, void *cb)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_HEADS_EACH, &st);
    int rc;

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, space);
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        edn_head h;
        if ((st = meta_column_into(q, 0, h.device.b, sizeof h.device.b)) != EDN_OK ||
            (st = meta_column_into(q, 2, h.hash.b, sizeof h.hash.b)) != EDN_OK)
            break;
        h.dseq = meta_column_u64(q, 1);
        if ((st = fn(cb, &h)) != EDN_OK)
            break;
    }
    if (st == EDN_OK)
        st = meta_status(rc);
    meta_done(q);
    return st;
}

static edn_status meta_head_put(void *ctx, int64_t space, const edn_head *head)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_HEAD_PUT, &st);

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, space);
    META_BIND(q, 2, head->device);
    meta_bind_u64(q, 3, head->dseq);
    META_BIND(q, 4, head->hash);
    return meta_run(q);
}

static edn_status meta_batch_put(void *ctx, const edn_meta_batch *row)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_BATCH_PUT, &st);

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, row->space);
    META_BIND(q, 2, row->device);
    meta_bind_u64(q, 3, row->dseq);
    META_BIND(q, 4, row->hash);
    meta_bind_u64(q, 5, row->size);
    if (row->body.n)
        meta_bind(q, 6, row->body.p, row->body.n);
    return meta_run(q);
}

/* The present row; its body is borrowed from the statement. */
static edn_status meta_batch_row(sqlite3_stmt *q, edn_meta_batch *out)
{
    edn_status st, st2;

    memset(out, 0, sizeof *out);
    out->space = sqlite3_column_int64(q, 0);
    st = meta_column_into(q, 1, out->device.b, sizeof out->device.b);
    out->dseq = meta_column_u64(q, 2);
    st2 = meta_column_into(q, 3, out->hash.b, sizeof out->hash.b);
    out->size = (uint32_t)meta_column_u64(q, 4);
    out->body = meta_column(q, 5);
    return st != EDN_OK ? st : st2;
}

static edn_status meta_batch_find(void *ctx, int64_t space, const edn_device_id *device, uint64_t dseq,
                                  edn_meta_batch *out)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_BATCH_FIND, &st);

    memset(out, 0, sizeof *out);
    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, space);
    META_BIND(q, 2, *device);
    meta_bind_u64(q, 3, dseq);
    if ((st = meta_first(q)) != EDN_OK)
        return st;
    st = meta_batch_row(q, out);
    out->body = EDN_BYTES_EMPTY; /* it ends with the statement */
    meta_done(q);
    return st;
}

static int meta_n_compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

/* Row numbers of what each device has after its number: from the index alone. */
static edn_status meta_batch_numbers(meta_sqlite *m, int64_t space, const edn_head *after, size_t n, size_t limit,
                                     edn_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        edn_status st;
        sqlite3_stmt *q = meta_get(m, META_BATCHES_AFTER, &st);
        int rc;
        if (!q)
            return st;
        (void)sqlite3_bind_int64(q, 1, space);
        META_BIND(q, 2, after[i].device);
        meta_bind_u64(q, 3, after[i].dseq);
        meta_bind_u64(q, 4, limit);
        while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
            int64_t number = sqlite3_column_int64(q, 0);
            edn_put_bytes(out, &number, sizeof number);
        }
        meta_done(q);
        if ((st = meta_status(rc)) != EDN_OK || (st = edn_buf_status(out)) != EDN_OK)
            return st;
    }
    return EDN_OK;
}

static edn_status meta_batches_after(void *ctx, int64_t space, const edn_head *after, size_t n, size_t limit,
                                     edn_meta_batch_fn *fn, void *cb)
{
    meta_sqlite *m = ctx;
    edn_buf numbers = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st = meta_batch_numbers(m, space, after, n, limit, &numbers);
    int64_t *rows = (int64_t *)(void *)numbers.p;
    size_t count = numbers.n / sizeof *rows;

    if (st == EDN_OK && n > 1 && count > 1)
        qsort(rows, count, sizeof *rows, meta_n_compare);
    for (size_t i = 0; st == EDN_OK && i < count && i < limit; i++) {
        edn_meta_batch row;
        sqlite3_stmt *q = meta_get(m, META_BATCH_FIND_N, &st);
        if (!q)
            break;
        (void)sqlite3_bind_int64(q, 1, rows[i]);
        if ((st = meta_first(q)) != EDN_OK)
            break;
        if ((st = meta_batch_row(q, &row)) == EDN_OK)
            st = fn(cb, &row);
        meta_done(q);
    }
    edn_buf_dispose(&numbers);
    return st;
}

static edn_status meta_batches_drop(void *ctx, int64_t space, const edn_head *last, edn_meta_large_fn *fn, void *cb,
                                    uint64_t *n, uint64_t *bytes)
{
    edn_status st, told = EDN_OK;
    sqlite3_stmt *q = meta_get(ctx, META_BATCHES_UP_TO, &st);
    edn_hash hash;
    int rc;

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, space);
    META_BIND(q, 2, last->device);
    meta_bind_u64(q, 3, last->dseq);
    while (told == EDN_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        ++*n;
        *bytes += meta_column_u64(q, 1);
        told = meta_column_into(q, 0, hash.b, sizeof hash.b);
        if (told == EDN_OK && sqlite3_column_int(q, 2))
            told = fn(cb, &hash);
    }
    meta_done(q);
    if (told != EDN_OK || (st = meta_status(rc)) != EDN_OK)
        return told != EDN_OK ? told : st;
    if (!(q = meta_get(ctx, META_BATCHES_DROP, &st)))
        return st;
    (void)sqlite3_bind_int64(q, 1, space);
    META_BIND(q, 2, last->device);
    meta_bind_u64(q, 3, last->dseq);
    return meta_run(q);
}

/* ---- attachments ------------------------------------------------------------------------------------------------- */

static edn_status meta_blob_put(void *ctx, int64_t account, const edn_hash *name, uint64_t size,
                                const edn_hash *content)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_BLOB_PUT, &st);

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, account);
    META_BIND(q, 2, *name);
    meta_bind_u64(q, 3, size);
    META_BIND(q, 4, *content);
    return meta_run(q);
}

static edn_status meta_blob_find(void *ctx, int64_t account, const edn_hash *name, uint64_t *size, edn_hash *content)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_BLOB_FIND, &st);

    *size = 0;
    memset(content, 0, sizeof *content);
    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, account);
    META_BIND(q, 2, *name);
    if ((st = meta_first(q)) != EDN_OK)
        return st;
    *size = meta_column_u64(q, 0);
    st = meta_column_into(q, 1, content->b, sizeof content->b);
    meta_done(q);
    return st;
}

/* One of the three changes to (account, name). */
static edn_status meta_blob_mark(void *ctx, int which, int64_t account, const edn_hash *name, uint64_t ms)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, which, &st);

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, account);
    META_BIND(q, 2, *name);
    if (which == META_BLOB_RELEASE)
        meta_bind_u64(q, 3, ms);
    return meta_run(q);
}

static edn_status meta_blob_release(void *ctx, int64_t account, const edn_hash *name, uint64_t ms)
{
    return meta_blob_mark(ctx, META_BLOB_RELEASE, account, name, ms);
}

static edn_status meta_blob_keep(void *ctx, int64_t account, const edn_hash *name)
{
    return meta_blob_mark(ctx, META_BLOB_KEEP, account, name, 0);
}

static edn_status meta_blob_del(void *ctx, int64_t account, const edn_hash *name)
{
    edn_status st = meta_blob_mark(ctx, META_BLOB_DEL, account, name, 0);

    return st == EDN_OK ? meta_blob_keep(ctx, account, name) : st;
}

static edn_status meta_released_each(void *ctx, uint64_t ms, size_t limit, edn_meta_released_fn *fn, void *cb)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_RELEASED_EACH, &st);
    int rc = SQLITE_DONE;

    if (!q)
        return st;
    meta_bind_u64(q, 1, ms);
    meta_bind_u64(q, 2, limit);
    while (st == EDN_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        edn_hash name;
        if ((st = meta_column_into(q, 1, name.b, sizeof name.b)) == EDN_OK)
            st = fn(cb, sqlite3_column_int64(q, 0), &name, meta_column_u64(q, 2));
    }
    if (st == EDN_OK)
        st = meta_status(rc);
    meta_done(q);
    return st;
}

static edn_status meta_index_put(void *ctx, int64_t space, const edn_device_id *device, uint64_t dseq)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_INDEX_PUT, &st);

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, space);
    META_BIND(q, 2, *device);
    meta_bind_u64(q, 3, dseq);
    return meta_run(q);
}

static edn_status meta_index_find(void *ctx, int64_t space, const edn_device_id *device, uint64_t *dseq)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_INDEX_FIND, &st);

    *dseq = 0;
    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, space);
    META_BIND(q, 2, *device);
    if ((st = meta_first(q)) != EDN_OK)
        return st == EDN_E_MISSING ? EDN_OK : st;
    *dseq = meta_column_u64(q, 0);
    meta_done(q);
    return EDN_OK;
}

static edn_status meta_blobs_each(void *ctx, int64_t account, const edn_hash *name, size_t limit, edn_meta_blob_fn *fn,
                                  void *cb)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_BLOBS_EACH, &st);
    int rc = SQLITE_DONE;

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, account);
    META_BIND(q, 2, *name);
    meta_bind_u64(q, 3, limit);
    while (st == EDN_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        edn_account_id id;
        edn_hash at;
        if ((st = meta_column_into(q, 1, id.b, sizeof id.b)) == EDN_OK &&
            (st = meta_column_into(q, 2, at.b, sizeof at.b)) == EDN_OK)
            st = fn(cb, sqlite3_column_int64(q, 0), &id, &at);
    }
    if (st == EDN_OK)
        st = meta_status(rc);
    meta_done(q);
    return st;
}

static edn_status meta_large_each(void *ctx, const edn_hash *after, size_t limit, edn_meta_large_fn *fn, void *cb)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_LARGE_EACH, &st);
    int rc = SQLITE_DONE;

    if (!q)
        return st;
    META_BIND(q, 1, *after);
    meta_bind_u64(q, 2, limit);
    while (st == EDN_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        edn_hash hash;
        if ((st = meta_column_into(q, 0, hash.b, sizeof hash.b)) == EDN_OK)
            st = fn(cb, &hash);
    }
    if (st == EDN_OK)
        st = meta_status(rc);
    meta_done(q);
    return st;
}

/* ---- letters ----------------------------------------------------------------------------------------------------- */

static edn_status meta_letter_put(void *ctx, int64_t account, const edn_meta_letter *row)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_LETTER_PUT, &st);

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, account);
    meta_bind_u64(q, 2, row->number);
    META_BIND(q, 3, row->hash);
    meta_bind_u64(q, 4, row->day);
    meta_bind(q, 5, row->body.p, row->body.n);
    return meta_run(q);
}

static edn_status meta_letter_find(void *ctx, int64_t account, const edn_hash *hash)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_LETTER_FIND, &st);

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, account);
    META_BIND(q, 2, *hash);
    if ((st = meta_first(q)) == EDN_OK)
        meta_done(q);
    return st;
}

static edn_status meta_letters_count(void *ctx, int64_t account, uint64_t *out)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_LETTERS_COUNT, &st);

    *out = 0;
    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, account);
    if ((st = meta_first(q)) != EDN_OK)
        return st;
    *out = meta_column_u64(q, 0);
    meta_done(q);
    return EDN_OK;
}

/* Numbers are kept as signed ones. */
static void meta_bind_number(sqlite3_stmt *q, int i, uint64_t v)
{
    meta_bind_u64(q, i, EDN_MIN(v, (uint64_t)INT64_MAX));
}

static edn_status meta_letters_each(void *ctx, int64_t account, uint64_t from, edn_meta_letter_fn *fn, void *cb)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_LETTERS_EACH, &st);
    int rc = SQLITE_DONE;

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, account);
    meta_bind_number(q, 2, from);
    while (st == EDN_OK && (rc = sqlite3_step(q)) == SQLITE_ROW)
        st = fn(cb, meta_column_u64(q, 0), meta_column(q, 1));
    if (st == EDN_OK)
        st = meta_status(rc);
    meta_done(q);
    return st;
}

static edn_status meta_letter_drop(void *ctx, int64_t account, uint64_t number)
{
    edn_status st;
    sqlite3_stmt *q = meta_get(ctx, META_LETTER_DROP, &st);

    if (!q)
        return st;
    (void)sqlite3_bind_int64(q, 1, account);
    meta_bind_number(q, 2, number);
    return meta_run(q);
}

static edn_status meta_letters_expire(void *ctx, uint32_t day, size_t limit, size_t *n)
{
    meta_sqlite *m = ctx;
    edn_status st;
    sqlite3_stmt *q = meta_get(m, META_LETTERS_EXPIRE, &st);

    *n = 0;
    if (!q)
        return st;
    meta_bind_u64(q, 1, day);
    meta_bind_u64(q, 2, limit);
    if ((st = meta_run(q)) == EDN_OK)
        *n = (size_t)sqlite3_changes(m->db);
    return st;
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

static void meta_close(void *ctx)
{
    meta_sqlite *m = ctx;

    if (!m)
        return;
    for (size_t i = 0; i < META_STATEMENT_COUNT; i++)
        (void)sqlite3_finalize(m->st[i]); /* repeats the last step's status, which was taken then */
    (void)sqlite3_close(m->db);           /* no statement is left that could keep it */
    free(m);
}

static edn_status meta_number(sqlite3 *db, const char *sql, int64_t *out)
{
    sqlite3_stmt *q = NULL;
    edn_status st = meta_status(sqlite3_prepare_v2(db, sql, -1, &q, NULL));

    *out = 0;
    if (st != EDN_OK)
        return st;
    st = meta_status(sqlite3_step(q));
    *out = sqlite3_column_int64(q, 0);
    (void)sqlite3_finalize(q);
    return st;
}

static edn_status meta_exec(sqlite3 *db, const char *sql)
{
    return meta_status(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

/* A new file gets the tables; another must be ours and of this version. */
static edn_status meta_check(meta_sqlite *m, const char *path, edn_err *err)
{
    int64_t id, version, tables;
    char sql[64];
    edn_status st;

    if ((st = meta_number(m->db, "PRAGMA application_id", &id)) != EDN_OK ||
        (st = meta_number(m->db, "PRAGMA user_version", &version)) != EDN_OK ||
        (st = meta_number(m->db, "SELECT count(*) FROM sqlite_schema", &tables)) != EDN_OK)
        return edn_fail(err, st, "%s: %s", path, sqlite3_errmsg(m->db));
    if (tables != 0) {
        if (id != META_APPLICATION_ID)
            return edn_fail(err, EDN_E_DAMAGED, "%s is not a database of ednd", path);
        for (; version >= 1 && version < META_VERSION; version++)
            if ((st = meta_exec(m->db, meta_upgrades[version - 1])) != EDN_OK)
                return edn_fail(err, st, "%s: %s", path, sqlite3_errmsg(m->db));
        if (version != META_VERSION)
            return edn_fail(err, EDN_E_DAMAGED, "%s has format %d and this ednd knows %d: use the ednd that wrote it",
                            path, (int)version, META_VERSION);
        return EDN_OK;
    }
    if ((st = meta_exec(m->db, "BEGIN")) != EDN_OK || (st = meta_exec(m->db, meta_schema)) != EDN_OK)
        return edn_fail(err, st, "%s: %s", path, sqlite3_errmsg(m->db));
    (void)sqlite3_snprintf(sizeof sql, sql, "PRAGMA application_id = %d; PRAGMA user_version = %d", META_APPLICATION_ID,
                           META_VERSION);
    if ((st = meta_exec(m->db, sql)) != EDN_OK || (st = meta_exec(m->db, "COMMIT")) != EDN_OK)
        return edn_fail(err, st, "%s: %s", path, sqlite3_errmsg(m->db));
    return EDN_OK;
}

static edn_status meta_configure(meta_sqlite *m, const char *path, bool exclusive, edn_err *err)
{
    char sql[512];
    edn_status st;

    /* A file system of a simulator need not share memory between processes: it gets the exclusive mode, which does
     * without. The system's own does not, so that `sqlite3 meta.db .backup` works beside a running server. */
    (void)sqlite3_snprintf(sizeof sql, sql,
                           "%sPRAGMA cache_size = -%d; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;"
                           "PRAGMA cell_size_check = ON; PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF;"
                           "PRAGMA journal_mode = WAL;"
                           "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 1000;"
                           "PRAGMA journal_size_limit = 67108864",
                           exclusive ? "PRAGMA locking_mode = EXCLUSIVE;" : "", META_CACHE_KIB);
    if ((st = meta_exec(m->db, sql)) != EDN_OK)
        return edn_fail(err, st, "%s: %s", path, sqlite3_errmsg(m->db));
    return EDN_PLANT(server_never_syncs) ? meta_exec(m->db, "PRAGMA synchronous = OFF") : EDN_OK;
}

edn_status edn_meta_sqlite_open(const char *path, const char *vfs, edn_meta *out, edn_err *err)
{
    meta_sqlite *m = calloc(1, sizeof *m);
    edn_status st;

    memset(out, 0, sizeof *out);
    if (!m)
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    st = meta_status(
        sqlite3_open_v2(path, &m->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, vfs));
    if (st != EDN_OK) {
        edn_fail(err, st, "%s: %s", path, m->db ? sqlite3_errmsg(m->db) : "out of memory");
        goto out;
    }
    (void)sqlite3_busy_timeout(m->db, 5000); /* a backup may hold it for a moment */
    if ((st = meta_configure(m, path, vfs != NULL, err)) != EDN_OK || (st = meta_check(m, path, err)) != EDN_OK)
        goto out;
    *out = (edn_meta){
        .ctx = m,
        .begin = meta_begin,
        .commit = meta_commit,
        .rollback = meta_rollback,
        .name_find = meta_name_find,
        .name_put = meta_name_put,
        .name_set_kdf = meta_name_set_kdf,
        .account_find = meta_account_find,
        .account_find_subject = meta_account_find_subject,
        .account_find_n = meta_account_find_n,
        .account_add = meta_account_add,
        .account_update = meta_account_update,
        .link_put = meta_link_put,
        .links_each = meta_links_each,
        .box_put = meta_box_put,
        .box_find = meta_box_find,
        .recovery_find = meta_recovery_find,
        .recovery_put = meta_recovery_put,
        .share_put = meta_share_put,
        .shares_each = meta_shares_each,
        .shares_drop = meta_shares_drop,
        .shares_expire = meta_shares_expire,
        .space_find_account = meta_space_find_account,
        .space_find_probe = meta_space_find_probe,
        .space_add = meta_space_add,
        .space_update = meta_space_update,
        .heads_each = meta_heads_each,
        .head_put = meta_head_put,
        .batch_put = meta_batch_put,
        .batch_find = meta_batch_find,
        .batches_after = meta_batches_after,
        .batches_drop = meta_batches_drop,
        .blob_put = meta_blob_put,
        .blob_find = meta_blob_find,
        .letter_put = meta_letter_put,
        .letter_find = meta_letter_find,
        .letters_count = meta_letters_count,
        .letters_each = meta_letters_each,
        .letter_drop = meta_letter_drop,
        .letters_expire = meta_letters_expire,
        .index_put = meta_index_put,
        .index_find = meta_index_find,
        .blob_release = meta_blob_release,
        .blob_keep = meta_blob_keep,
        .blob_del = meta_blob_del,
        .released_each = meta_released_each,
        .blobs_each = meta_blobs_each,
        .large_each = meta_large_each,
        .close = meta_close,
    };
    m = NULL;
out:
    meta_close(m);
    return st;
}
