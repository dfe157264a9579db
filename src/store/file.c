/* The file: where it lies, how it is made, and what makes it a store (docs/spec/local-store.md).
 *
 * Made in one transaction, so a crash leaves either an empty database, which the next `create` fills, or a whole store.
 * Whoever can write to the disk can write a hostile database: its schema must be the one below to the letter, and
 * SQLite is told to run nothing that a schema may hide. */
#include "store_priv.h"

#include "base/plant.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not WITHOUT ROWID: measured with 6 MB in 3,413 rows, a table of its own for the values takes half the CPU and 30 %
 * less disk, since a row of an index b-tree keeps at most a quarter of a page and spills the rest to a page of its
 * own. */
static const char schema_sql[] =
    "CREATE TABLE kv(t INTEGER NOT NULL, k BLOB NOT NULL, v BLOB NOT NULL, PRIMARY KEY(t, k)) STRICT";

/* ---- folder and file --------------------------------------------------------------------------------------------- */

/* A new name is durable when the folder that holds it is. */
static int folder_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = 0;

    if (fd < 0)
        return errno;
    if (fsync(fd) != 0 && errno != EINVAL && errno != EROFS) /* some file systems have nothing to sync */
        error = errno;
    (void)close(fd); /* nothing was written through it */
    return error;
}

/* malloc'ed; NULL: no memory. */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *parent = strdup(!slash ? "." : slash == path ? "/" : path);

    if (parent && slash && slash != path)
        parent[slash - path] = 0;
    return parent;
}

/* Makes a folder and those above it that are missing, each durably. Returns an errno. */
static int folder_make(const char *path)
{
    int error = mkdir(path, 0700) == 0 ? 0 : errno;
    char *parent;

    if (error == EEXIST)
        return 0;
    if (error && error != ENOENT)
        return error;
    parent = parent_of(path);
    if (!parent)
        return ENOMEM;
    if (error == ENOENT && (error = folder_make(parent)) == 0)
        error = mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : errno;
    if (!error)
        error = folder_sync(parent);
    free(parent);
    return error;
}

/* An empty file with mode 0600, since SQLite would make it readable for others; its log and index take after it.
 * O_EXCL: closing a descriptor of a file that somebody in this process has open would drop its locks. */
static int file_make(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno == EEXIST ? 0 : errno;
    (void)close(fd); /* nothing was written through it */
    return 0;
}

static edn_status disk_prepare(const char *dir, const char *path, edn_err *err)
{
    int error = folder_make(dir);

    if (error)
        return store_explain_errno(err, error, dir);
    error = file_make(path);
    return error ? store_explain_errno(err, error, path) : EDN_OK;
}

/* ---- the database ------------------------------------------------------------------------------------------------ */

static edn_status exec(edn_store *s, const char *sql)
{
    int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? EDN_OK : store_fault(s, rc);
}

/* One integer from one row. */
static edn_status query_int(edn_store *s, const char *sql, int64_t *out)
{
    sqlite3_stmt *q = NULL;
    edn_status st = EDN_OK;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL);

    *out = 0;
    if (rc == SQLITE_OK)
        rc = sqlite3_step(q);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(q, 0);
    else
        st = store_fault(s, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc);
    (void)sqlite3_finalize(q); /* says again what step said */
    return st;
}

static edn_status configure(edn_store *s, uint32_t busy_ms)
{
    static const struct {
        int what, value;
    } switches[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},   {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},  {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
        {SQLITE_DBCONFIG_ENABLE_VIEW, 0}, {SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0}, {SQLITE_DBCONFIG_DQS_DML, 0},
        {SQLITE_DBCONFIG_DQS_DDL, 0},
    };

    for (size_t i = 0; i < EDN_COUNT(switches); i++) {
        int rc = sqlite3_db_config(s->db, switches[i].what, switches[i].value, (int *)NULL);
        if (rc != SQLITE_OK)
            return store_fault(s, rc);
    }
    (void)sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, (int)(EDN_STORE_VALUE_SIZE_MAX + 4096)); /* returns the old one */
    (void)sqlite3_busy_timeout(s->db, (int)busy_ms);
    /* cache_size: 8 MiB keeps a large transaction from being spilled to the log and written again. */
    if (EDN_PLANT(never_syncs))
        return exec(s, "PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY");
    return exec(s, "PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;"
                   "PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON; PRAGMA cache_size = -8192;"
                   "PRAGMA journal_size_limit = 4194304");
}

/* What the file is: EDN_OK a store of this version, EDN_E_MISSING an empty database, EDN_E_DAMAGED, EDN_E_FORMAT. */
static edn_status identify_in(edn_store *s)
{
    int64_t application, version, tables, ours;
    char sql[256];
    edn_status st;

    snprintf(sql, sizeof sql, "SELECT count(*) FROM sqlite_schema WHERE name = 'kv' AND sql = '%s'", schema_sql);
    if ((st = query_int(s, "PRAGMA application_id", &application)) != EDN_OK ||
        (st = query_int(s, "PRAGMA user_version", &version)) != EDN_OK ||
        (st = query_int(s, "SELECT count(*) FROM sqlite_schema", &tables)) != EDN_OK ||
        (st = query_int(s, sql, &ours)) != EDN_OK)
        return st;
    if (application == 0 && version == 0 && tables == 0)
        return EDN_E_MISSING;
    if (application == STORE_APPLICATION_ID && version > STORE_VERSION)
        return EDN_E_FORMAT;
    /* The table and the index of its primary key. */
    if (application == STORE_APPLICATION_ID && version == STORE_VERSION && tables == 2 && ours == 1)
        return EDN_OK;
    snprintf(s->error, sizeof s->error, "a database of another kind");
    return EDN_E_DAMAGED;
}

static edn_status identify(edn_store *s)
{
    edn_status st = exec(s, "BEGIN");

    if (st != EDN_OK)
        return st;
    st = identify_in(s);
    (void)exec(s, "ROLLBACK"); /* nothing was changed */
    return st;
}

/* The switch to a write-ahead log wants the file for itself for a moment, and SQLite does not always wait for that. */
static edn_status log_ahead(edn_store *s, sqlite3_vfs *vfs, uint32_t busy_ms)
{
    uint32_t waited_ms = 0;
    edn_status st;

    for (;;) {
        st = exec(s, "PRAGMA journal_mode = WAL");
        if (st != EDN_E_BUSY || waited_ms >= busy_ms)
            break;
        (void)vfs->xSleep(vfs, 5000); /* as long as it slept */
        waited_ms += 5;
    }
    return st;
}

static edn_status fill(edn_store *s)
{
    char sql[320];
    edn_status st = exec(s, "BEGIN IMMEDIATE");

    if (st != EDN_OK)
        return st;
    st = identify_in(s);
    if (st == EDN_E_MISSING) { /* else somebody was faster */
        snprintf(sql, sizeof sql, "%s; PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", schema_sql,
                 STORE_APPLICATION_ID, STORE_VERSION);
        st = exec(s, sql);
    }
    if (!sqlite3_get_autocommit(s->db))
        (void)exec(s, "ROLLBACK"); /* the first failure is the one to tell */
    return st;
}

static edn_status database_open(edn_store *s, const char *path, const edn_store_options *o)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(o->vfs);
    uint32_t busy_ms = o->busy_ms ? EDN_MIN(o->busy_ms, (uint32_t)INT32_MAX) : STORE_BUSY_MS;
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
    edn_status st;
    int rc;

    EDN_ASSERT(vfs);
    flags |= o->read_only ? SQLITE_OPEN_READONLY
                          : SQLITE_OPEN_READWRITE | (o->create && o->vfs ? SQLITE_OPEN_CREATE : 0);
    s->real_disk = !o->vfs;
    rc = sqlite3_open_v2(path, &s->db, flags, o->vfs);
    if (!s->db)
        return EDN_E_NOMEM;
    if ((rc & 0xff) == SQLITE_CANTOPEN && sqlite3_system_errno(s->db) == ENOENT)
        return EDN_E_MISSING;
    if (rc != SQLITE_OK)
        return store_fault(s, rc);
    /* SQLite opens for reading what it may not write. */
    if (!o->read_only && sqlite3_db_readonly(s->db, "main") == 1) {
        snprintf(s->error, sizeof s->error, "%s", strerror(EACCES));
        return EDN_E_IO;
    }
    if ((st = configure(s, busy_ms)) != EDN_OK)
        return st;
    st = identify(s);
    if (o->read_only || (st != EDN_OK && (st != EDN_E_MISSING || !o->create)))
        return st;
    if (st == EDN_OK) /* a no-op, unless some tool has switched the log off */
        return log_ahead(s, vfs, busy_ms);
    if ((st = exec(s, "PRAGMA page_size = 4096")) != EDN_OK || (st = log_ahead(s, vfs, busy_ms)) != EDN_OK)
        return st;
    return fill(s);
}

edn_status store_file_open(edn_store *s, const char *dir, const edn_store_options *o, edn_err *err)
{
    size_t path_size = strlen(dir) + sizeof "/" STORE_FILE;
    char *path = malloc(path_size);
    edn_status st;

    if (!path)
        return store_explain(err, EDN_E_NOMEM, dir, "");
    snprintf(path, path_size, "%s/" STORE_FILE, dir);
    /* A VFS of somebody's own has a disk of its own. */
    if (o->create && !o->read_only && !o->vfs && (st = disk_prepare(dir, path, err)) != EDN_OK)
        goto out;
    st = database_open(s, path, o);
    if (st != EDN_OK)
        (void)store_explain(err, st, path, s->error); /* returns st */
out:
    free(path);
    return st;
}

void edn_store_remove(const char *dir, const char *vfs_name)
{
    static const char *const files[] = {STORE_FILE, STORE_FILE "-wal", STORE_FILE "-shm", STORE_FILE "-journal"};
    sqlite3_vfs *vfs = sqlite3_vfs_find(vfs_name);
    char path[PATH_MAX + 64]; /* no memory is asked for: it may be what ran out */

    EDN_ASSERT(vfs);
    for (size_t i = 0; i < EDN_COUNT(files); i++) {
        int n = snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        if (n > 0 && n < (int)sizeof path)
            (void)vfs->xDelete(vfs, path, 1); /* some of them never existed */
    }
    if (!vfs_name)
        (void)rmdir(dir); /* stays when it holds something else */
}
