/* store: the device's own disk: an ordered key-value table in which every value is sealed (SECURITY 2.9).
 *
 * SQLite behind it (WAL, synchronous FULL). Values are sealed under a key derived from the local key, with the table
 * and the key as associated data; keys are opaque: random ids, or keyed hashes of names (edn_store_name). So neither
 * the file nor SQLite's journal ever holds plaintext. Safe for several processes: a transaction that writes excludes
 * other writers and waits for them. A handle belongs to one thread. */
#ifndef EDN_STORE_H
#define EDN_STORE_H

#include "crypto/seal.h"

#define EDN_STORE_KEY_SIZE_MAX 64u
#define EDN_STORE_VALUE_SIZE_MAX ((size_t)512 << 20)

typedef enum edn_table {
    EDN_TABLE_OPEN = 0,    /* not sealed by the store: public data needed before the local key is there (slots) */
    EDN_TABLE_META = 1,    /* named rows: keys, pins, settings */
    EDN_TABLE_LINK = 2,    /* u64 seq (big-endian) -> device log link */
    EDN_TABLE_BATCH = 3,   /* space tag 8 ‖ device 16 ‖ u64 dseq (big-endian) -> batch */
    EDN_TABLE_ENTRY = 4,   /* entry id 16 -> head and document, or document tail pieces */
    EDN_TABLE_CATALOG = 5, /* named pages of the table of contents */
    EDN_TABLE_DIRTY = 6,   /* entry id 16 -> what is not in a batch yet */
    EDN_TABLE_ASIDE = 7,   /* objects set aside: not authentic, or waiting for others */
    EDN_TABLE_BOX = 8,     /* hash 32 -> box named by a link */
    EDN_TABLE_REMOTE = 9,  /* named rows about remotes: receipts, tokens */
    EDN_TABLE_INDEX = 10,  /* search */
    EDN_TABLE_COUNT
} edn_table;

typedef struct edn_store edn_store;

/* What the store needs from an operating system, so that a simulator can put its own disk under SQLite: the name of a
 * registered SQLite VFS, or NULL for the system's. */
typedef struct edn_store_options {
    const char *vfs;
    bool read_only;
    bool create;      /* EDN_E_MISSING when it is not there and this is false */
    uint32_t busy_ms; /* how long to wait for another process (0: 10 s) */
} edn_store_options;

/* Opens DIR/diary.edn, mode 0600 in a folder of mode 0700 (made when `create`). Locked at first: only EDN_TABLE_OPEN
 * can be used until edn_store_unlock. EDN_E_MISSING; EDN_E_IO with a text in `err` that names the path and what to do;
 * EDN_E_FULL; EDN_E_BUSY; EDN_E_DAMAGED: not a store, or torn beyond SQLite's recovery; EDN_E_FORMAT: made by a newer
 * version. */
EDN_MUST_USE edn_status edn_store_open(const char *dir, const edn_store_options *options, edn_store **out,
                                       edn_err *err);
/* Wipes the keys. An open transaction is rolled back. */
void edn_store_close(edn_store *s);
/* Takes away a store that nobody has open, and its folder when nothing else is in it: for one that was never finished.
 * `vfs` as in the options. What cannot be removed stays. */
void edn_store_remove(const char *dir, const char *vfs);
/* The keys are derived from `ldk`. EDN_E_AUTH when the store was sealed under another (a check row tells). */
EDN_MUST_USE edn_status edn_store_unlock(edn_store *s, const edn_local_key *ldk, const edn_random *rng);
/* The same for a new store, inside a transaction that writes: what is written in it is sealed under `ldk`, and all
 * of it is there together or nothing. A store that holds nothing but a key's check row is new as well: power went,
 * or memory was out, before anything was written. EDN_E_EXISTS: it holds something, whosever it is; it stays locked. */
EDN_MUST_USE edn_status edn_store_unlock_new(edn_store *s, const edn_local_key *ldk, const edn_random *rng);
void edn_store_lock(edn_store *s);

/* The last failure of SQLite in words, without any data. */
const char *edn_store_error(const edn_store *s);

/* ---- transactions: all or nothing, durable when commit returns EDN_OK -------------------------------------------- */

/* EDN_E_BUSY after the wait. Do not nest. */
EDN_MUST_USE edn_status edn_store_begin_write(edn_store *s);
EDN_MUST_USE edn_status edn_store_begin_read(edn_store *s);
/* Ends the transaction either way. On the system's disk the file's times change once what was written can be read by
 * others: whoever watches it is told. EDN_E_FULL, EDN_E_IO: nothing was changed (but after an I/O error and then a
 * crash, the whole of it may turn out to have been done). If a put or del of it failed: the same failure, nothing
 * changed. */
EDN_MUST_USE edn_status edn_store_commit(edn_store *s);
/* Does nothing when no transaction is open. */
void edn_store_rollback(edn_store *s);
/* Changes whenever another handle or process has committed since. 0: the disk does not answer. */
uint64_t edn_store_version(edn_store *s);

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* A row's key for a name: keyed hash, 16 bytes, different in each table. `salt` may be empty. In EDN_TABLE_OPEN the
 * hash needs no key. While the store is locked, names of other tables are zeros, which is of no consequence: their rows
 * cannot be used either. */
typedef struct edn_store_key_name {
    uint8_t b[16];
} edn_store_key_name;
edn_store_key_name edn_store_name(const edn_store *s, edn_table t, const char *name, edn_bytes salt);

/* Needs no transaction. Appends the value. EDN_E_MISSING; EDN_E_DAMAGED: the row does not open (it is left as it is);
 * EDN_E_LOCKED. */
EDN_MUST_USE edn_status edn_store_get(edn_store *s, edn_table t, edn_bytes key, edn_buf *out);
/* Inside a transaction that writes. What fails here fails the transaction: see edn_store_commit. EDN_E_LIMIT,
 * EDN_E_FULL, EDN_E_IO, EDN_E_LOCKED, EDN_E_NOMEM. */
EDN_MUST_USE edn_status edn_store_put(edn_store *s, edn_table t, edn_bytes key, edn_bytes value);
/* Deleting what is not there is EDN_OK. */
EDN_MUST_USE edn_status edn_store_del(edn_store *s, edn_table t, edn_bytes key);

/* Visits rows with keys >= `from` that begin with `prefix`, in order of keys. `value` is empty when `keys_only`. A row
 * that does not open is visited with status EDN_E_DAMAGED. The callback may read but not write; a status other than
 * EDN_OK stops and is returned. EDN_E_DAMAGED from the scan itself: the file is torn there. */
typedef edn_status edn_store_row_fn(void *ctx, edn_bytes key, edn_status st, edn_bytes value);
EDN_MUST_USE edn_status edn_store_scan(edn_store *s, edn_table t, edn_bytes prefix, edn_bytes from, bool keys_only,
                                       edn_store_row_fn *fn, void *ctx);

#endif
