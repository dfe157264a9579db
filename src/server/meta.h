/* meta: what ednd knows of accounts, spaces and batches, as an interface. SQLite stands behind it (meta_sqlite.c); a
 * database for several machines can.
 *
 * Ids go in; accounts and spaces come out with a short number `n` of the store's own, by which their rows are named. A
 * write counts when `commit` has given EDN_OK, and then it is durable. Without `begin` a read sees what was committed.
 * Every function: EDN_E_IO or EDN_E_FULL when the store refuses, EDN_E_NOMEM; a `find` gives EDN_E_MISSING. Bytes
 * handed to a callback are borrowed for the call; a status other than EDN_OK that it returns stops the walk and is
 * passed on. */
#ifndef EDN_SERVER_META_H
#define EDN_SERVER_META_H

#include "wire/wire.h"

typedef struct edn_subject {
    uint8_t b[16];
} edn_subject; /* what tokens call an account */

typedef struct edn_meta_account {
    int64_t n;
    edn_account_id id;
    edn_subject subject;
    uint64_t bytes;   /* links, boxes and blobs */
    uint64_t letters; /* how many ever came: the number of the last */
} edn_meta_account;

typedef struct edn_meta_space {
    int64_t n, account;
    edn_space_id id;
    uint64_t batches, bytes;
    edn_hash probe; /* the hash of the probe that asks for it; zero: none */
} edn_meta_space;

typedef struct edn_meta_name {
    edn_account_id account;
    uint8_t kdf_record[32];
} edn_meta_name;

typedef struct edn_meta_batch {
    int64_t space;
    edn_device_id device;
    uint64_t dseq;
    edn_hash hash;
    uint32_t size;
    edn_bytes body; /* empty: the bytes are in the blob store, under a name made of the hash */
} edn_meta_batch;

/* A recovery from shares: the newest that was asked for. */
typedef struct edn_meta_recovery {
    uint64_t number, begun; /* as in edn_msg_held; 0: there was none */
    uint8_t set[16];
    uint64_t asked_s, ready_s;
    bool cancelled;
    edn_device_id device; /* by whom, when and proof; else zero */
    uint64_t cancelled_ms;
    edn_signature sig;
} edn_meta_recovery;

typedef struct edn_meta_letter {
    uint64_t number;
    edn_hash hash; /* of the bytes */
    uint32_t day;  /* of its arrival, since 1970 */
    edn_bytes body;
} edn_meta_letter;

/* What a machine that recovers asks for and is given: number 0 is the request itself, without bytes. */
typedef struct edn_meta_share {
    uint8_t key[32]; /* the request's */
    uint64_t number;
    edn_bytes body;
} edn_meta_share;

typedef edn_status edn_meta_share_fn(void *cb, const edn_meta_share *row);
typedef edn_status edn_meta_letter_fn(void *cb, uint64_t number, edn_bytes body);
typedef edn_status edn_meta_link_fn(void *cb, uint64_t seq, edn_bytes link);
typedef edn_status edn_meta_head_fn(void *cb, const edn_head *head);
typedef edn_status edn_meta_batch_fn(void *cb, const edn_meta_batch *batch);
typedef edn_status edn_meta_blob_fn(void *cb, int64_t account, const edn_account_id *id, const edn_hash *name);
typedef edn_status edn_meta_released_fn(void *cb, int64_t account, const edn_hash *name, uint64_t size);
typedef edn_status edn_meta_large_fn(void *cb, const edn_hash *batch);

typedef struct edn_meta {
    void *ctx;
    edn_status (*begin)(void *ctx);
    edn_status (*commit)(void *ctx);
    void (*rollback)(void *ctx);

    edn_status (*name_find)(void *ctx, const edn_hash *name, edn_meta_name *out);
    edn_status (*name_put)(void *ctx, const edn_hash *name, const edn_meta_name *row);
    /* Every name of the account gets the record. */
    edn_status (*name_set_kdf)(void *ctx, const edn_account_id *account, const uint8_t kdf_record[32]);

    edn_status (*account_find)(void *ctx, const edn_account_id *id, edn_meta_account *out);
    edn_status (*account_find_subject)(void *ctx, const edn_subject *subject, edn_meta_account *out);
    edn_status (*account_find_n)(void *ctx, int64_t n, edn_meta_account *out);
    edn_status (*account_add)(void *ctx, edn_meta_account *row);          /* sets row->n */
    edn_status (*account_update)(void *ctx, const edn_meta_account *row); /* bytes, letters */

    edn_status (*link_put)(void *ctx, int64_t account, uint64_t seq, edn_bytes link);
    edn_status (*links_each)(void *ctx, int64_t account, uint64_t seq_from, edn_meta_link_fn *fn, void *cb);

    edn_status (*box_put)(void *ctx, int64_t account, const edn_hash *hash, edn_bytes box);
    /* Appends the box to `out`. */
    edn_status (*box_find)(void *ctx, int64_t account, const edn_hash *hash, edn_buf *out);

    edn_status (*recovery_find)(void *ctx, int64_t account, edn_meta_recovery *out);
    edn_status (*recovery_put)(void *ctx, int64_t account, const edn_meta_recovery *row); /* in the place of the last */

    /* Requests for shares of the account's recovery, and what was given: ascending by key and number. */
    edn_status (*share_put)(void *ctx, int64_t account, const edn_meta_share *row);
    edn_status (*shares_each)(void *ctx, int64_t account, edn_meta_share_fn *fn, void *cb);
    edn_status (*shares_drop)(void *ctx, int64_t account);
    /* Drops those of all accounts whose recovery was ready before this second, or that have none. */
    edn_status (*shares_expire)(void *ctx, uint64_t ready_s);

    edn_status (*space_find_account)(void *ctx, int64_t account, edn_meta_space *out); /* the personal space */
    edn_status (*space_find_probe)(void *ctx, const edn_hash *probe, edn_meta_space *out);
    edn_status (*space_add)(void *ctx, edn_meta_space *row);          /* sets row->n */
    edn_status (*space_update)(void *ctx, const edn_meta_space *row); /* batches, bytes, probe */

    edn_status (*heads_each)(void *ctx, int64_t space, edn_meta_head_fn *fn, void *cb); /* ascending by device */
    edn_status (*head_put)(void *ctx, int64_t space, const edn_head *head);

    edn_status (*batch_put)(void *ctx, const edn_meta_batch *row);
    edn_status (*batch_find)(void *ctx, int64_t space, const edn_device_id *device, uint64_t dseq, edn_meta_batch *out);
    /* The batches of each named device after its number, in the order in which they came, at most `limit` of them. */
    edn_status (*batches_after)(void *ctx, int64_t space, const edn_head *after, size_t n, size_t limit,
                                edn_meta_batch_fn *fn, void *cb);

    /* Removes the device's batches up to `last`, bytes and all; `*n` and `*bytes` grow by what went. `fn` hears of
     * those whose bytes are in the blob store. */
    edn_status (*batches_drop)(void *ctx, int64_t space, const edn_head *last, edn_meta_large_fn *fn, void *cb,
                               uint64_t *n, uint64_t *bytes);

    /* The number of a device's newest batch of kind index; 0: none. */
    edn_status (*index_put)(void *ctx, int64_t space, const edn_device_id *device, uint64_t dseq);
    edn_status (*index_find)(void *ctx, int64_t space, const edn_device_id *device, uint64_t *dseq);

    /* A blob's row: size and the hash of its bytes. */
    edn_status (*blob_put)(void *ctx, int64_t account, const edn_hash *name, uint64_t size, const edn_hash *content);
    edn_status (*blob_find)(void *ctx, int64_t account, const edn_hash *name, uint64_t *size, edn_hash *content);

    /* A blob that is there is released from `ms` on, unless it was before; kept again; and gone. */
    edn_status (*blob_release)(void *ctx, int64_t account, const edn_hash *name, uint64_t ms);
    edn_status (*blob_keep)(void *ctx, int64_t account, const edn_hash *name);
    edn_status (*blob_del)(void *ctx, int64_t account, const edn_hash *name);
    /* Some, at most `limit`, of those released before `ms`. */
    edn_status (*released_each)(void *ctx, uint64_t ms, size_t limit, edn_meta_released_fn *fn, void *cb);

    /* An account's inbox. */
    edn_status (*letter_put)(void *ctx, int64_t account, const edn_meta_letter *row);
    edn_status (*letter_find)(void *ctx, int64_t account, const edn_hash *hash); /* whether the same is there */
    edn_status (*letters_count)(void *ctx, int64_t account, uint64_t *out);
    edn_status (*letters_each)(void *ctx, int64_t account, uint64_t from, edn_meta_letter_fn *fn, void *cb);
    edn_status (*letter_drop)(void *ctx, int64_t account, uint64_t number); /* EDN_OK too when it is not there */
    /* Drops letters of all accounts that came before this day, at most `limit` of them; *n: how many went. */
    edn_status (*letters_expire)(void *ctx, uint32_t day, size_t limit, size_t *n);

    /* What names blobs, in pieces of at most `limit` rows: attachments after (account, name) in that order, and
     * hashes of batches whose bytes are in the blob store, after one. */
    edn_status (*blobs_each)(void *ctx, int64_t account, const edn_hash *name, size_t limit, edn_meta_blob_fn *fn,
                             void *cb);
    edn_status (*large_each)(void *ctx, const edn_hash *after, size_t limit, edn_meta_large_fn *fn, void *cb);

    void (*close)(void *ctx);
} edn_meta;

/* SQLite in WAL mode, synchronous=FULL. `vfs` NULL: the operating system's; a simulator brings its own. The caller has
 * made sure that nobody else opens the file (data.h). EDN_E_DAMAGED: not a database of ours, or of a newer version. */
EDN_MUST_USE edn_status edn_meta_sqlite_open(const char *path, const char *vfs, edn_meta *out, edn_err *err);

#endif
