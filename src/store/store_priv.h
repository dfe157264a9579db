/* What the files of this module share. */
#ifndef EDN_STORE_PRIV_H
#define EDN_STORE_PRIV_H

#include "store.h"

#include <sqlite3.h>

#define STORE_FILE "diary.edn"
#define STORE_APPLICATION_ID 0x45444e73 /* "EDNs" */
#define STORE_VERSION 1
#define STORE_BUSY_MS 10000
/* The table of the check row, which tells whether a local key is the right one; behind all others, and in no scan. */
#define STORE_TABLE_CHECK 255

typedef enum store_statement {
    STORE_GET,
    STORE_PUT,
    STORE_DEL,
    STORE_SCAN,
    STORE_SCAN_KEYS,
    STORE_ANY,    /* a row of any table but the check */
    STORE_SAMPLE, /* some sealed rows of whatever table */
    STORE_BEGIN_WRITE,
    STORE_BEGIN_READ,
    STORE_TOUCH, /* makes a transaction that reads begin now, not at its first row */
    STORE_COMMIT,
    STORE_ROLLBACK,
    STORE_DATA_VERSION,
    STORE_STATEMENT_COUNT
} store_statement;

typedef enum store_tx { STORE_TX_NONE, STORE_TX_READ, STORE_TX_WRITE } store_tx;

typedef struct store_keys {
    edn_store_key values;
    edn_name_key names;
} store_keys;

struct edn_store {
    sqlite3 *db;
    sqlite3_stmt *statements[STORE_STATEMENT_COUNT];
    store_keys *keys; /* NULL: locked */
    edn_random rng;
    bool read_only, real_disk; /* real: the system's, not a VFS that was given */
    store_tx tx;
    edn_status tx_failed; /* why this transaction can no longer be committed */
    unsigned scans;       /* scans at work: their callbacks may not write */
    edn_buf aad, box;     /* of the row at hand; neither is secret */
    char error[192];
};

/* ---- fault.c ----------------------------------------------------------------------------------------------------- */

/* The status for what SQLite last said about s->db, whose words are kept for edn_store_error. */
edn_status store_fault(edn_store *s, int rc);
/* Puts a failure into words for a person: which path, what is wrong, what to do. */
edn_status store_explain(edn_err *err, edn_status st, const char *path, const char *reason);
/* The same for a system call that just failed with `error`. */
edn_status store_explain_errno(edn_err *err, int error, const char *path);

/* ---- file.c ------------------------------------------------------------------------------------------------------ */

/* Opens the database file, makes it when asked to, and checks that it is a store. On failure s->db may be open. */
EDN_MUST_USE edn_status store_file_open(edn_store *s, const char *dir, const edn_store_options *options, edn_err *err);

/* ---- store.c ----------------------------------------------------------------------------------------------------- */

/* A cached statement, prepared when first used. */
EDN_MUST_USE edn_status store_prepare(edn_store *s, store_statement which, sqlite3_stmt **out);
/* Runs a statement that gives no rows that matter. */
EDN_MUST_USE edn_status store_run(edn_store *s, store_statement which);

/* ---- row.c ------------------------------------------------------------------------------------------------------- */

/* Opens a box of table `t` onto `out`; EDN_E_DAMAGED when it does not open. */
EDN_MUST_USE edn_status store_unseal(edn_store *s, unsigned t, edn_bytes key, edn_bytes box, edn_buf *out);
/* As edn_store_get and edn_store_put, for any number of table. */
EDN_MUST_USE edn_status store_row_get(edn_store *s, unsigned t, edn_bytes key, edn_buf *out);
EDN_MUST_USE edn_status store_row_put(edn_store *s, unsigned t, edn_bytes key, edn_bytes value);

#endif
