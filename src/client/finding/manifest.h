/* The synced index as bytes (docs/spec/shards.md): manifests, shards, and what tells where an entry's records are. All
 * may be hostile: it comes from this account's devices by way of a server. */
#ifndef EDN_CLIENT_MANIFEST_H
#define EDN_CLIENT_MANIFEST_H

#include "client/client_priv.h"
#include "search/segment.h"

#define MANIFEST_ITEMS_MAX 512u
#define MANIFEST_JOURNALS_MAX 256u
#define MANIFEST_SIZE_MAX ((size_t)256 << 10)
#define SHARD_SIZE_MAX ((size_t)7 << 20) /* of a blob; a server takes 8 MiB */
#define SHARD_DEVICES_MAX 1024u

typedef enum shard_kind { SHARD_RANGE = 1, SHARD_RECENT = 2, SHARD_DICTIONARY = 3 } shard_kind;

typedef struct shard_item {
    shard_kind kind;
    uint32_t epoch; /* whose K_index seals it */
    edn_hash name;
    uint32_t size, docs;
    uint32_t from, to; /* days, inclusive */
    uint64_t digest;   /* of what is in it */
} shard_item;

typedef struct named_journal {
    edn_journal_id id;
    edn_bytes name;
} named_journal;

typedef struct manifest {
    uint64_t time_ms;
    shard_item *items; /* ranges by day, recent ones oldest first, dictionaries */
    size_t items_n;
    named_journal *journals;
    size_t journals_n;
} manifest;

void manifest_put(edn_buf *out, const manifest *m);
/* Lists live in the arena, names are borrowed. EDN_E_FORMAT; EDN_E_NOMEM. */
EDN_MUST_USE edn_status manifest_decode(edn_arena *a, edn_bytes in, manifest *out);

/* A shard's body without its seal. */
typedef struct shard_body {
    shard_kind kind;
    edn_bytes image;  /* or the dictionary */
    edn_bytes places; /* packed by the codec; empty for a dictionary */
} shard_body;

/* Appends the padded plaintext. EDN_E_LIMIT. */
EDN_MUST_USE edn_status shard_body_put(edn_buf *out, const shard_body *b);
/* Borrows. EDN_E_FORMAT: also when the padding is not zero, or not of its bucket. */
EDN_MUST_USE edn_status shard_body_decode(edn_bytes padded, shard_body *out);

/* Which batches hold the records of each entry of a shard, and which entries are gone. */
typedef struct shard_places {
    edn_place *places;
    uint32_t *begin; /* of each entry, and one more: the end */
    size_t docs;
    edn_entry_id *gone; /* ascending */
    size_t gone_n;
} shard_places;

/* Appends; `gone` is ascending. `of` gives the places of entry i, *n of them. */
typedef const edn_place *shard_places_fn(void *ctx, size_t i, size_t *n);
EDN_MUST_USE edn_status shard_places_put(edn_buf *out, size_t docs, shard_places_fn *of, void *ctx,
                                         const edn_entry_id *gone, size_t gone_n);
/* For a shard of `docs` entries; lists live in the arena. EDN_E_FORMAT; EDN_E_NOMEM. */
EDN_MUST_USE edn_status shard_places_decode(edn_arena *a, edn_bytes in, size_t docs, shard_places *out);

/* ---- seals ------------------------------------------------------------------------------------------------------- */

/* K_index in a journal key's place, for the record that holds a manifest. */
EDN_MUST_USE edn_status keys_index_record(edn_client *c, uint32_t epoch, edn_journal_key *out);
/* Appends the blob of a padded body and names it, under the newest epoch. */
EDN_MUST_USE edn_status blob_seal(edn_client *c, edn_bytes padded, edn_buf *out, uint32_t *epoch, edn_hash *name);
/* Appends the padded body. EDN_E_AUTH: other bytes than those of this name, or altered. */
EDN_MUST_USE edn_status blob_open(edn_client *c, const shard_item *item, edn_bytes blob, edn_buf *out);

/* ---- what devices have published (listed.c) ---------------------------------------------------------------------- */

/* A manifest with what it covers. Lives in an arena. */
typedef struct listed {
    edn_device_id device;
    uint64_t dseq;
    edn_head *cover; /* ascending */
    size_t cover_n;
    edn_bytes bytes;
    manifest manifest;
} listed;

/* Inside a transaction that writes: keeps the manifest of a checked batch of kind index, when it is newer than what is
 * kept of its device. EDN_E_AUTH, EDN_E_FORMAT, …: it holds none that is good (record_is_at_fault). */
EDN_MUST_USE edn_status listed_take(edn_client *c, const edn_sync_batch *b);
EDN_MUST_USE edn_status listed_save(edn_client *c, const edn_device_id *device, uint64_t dseq, const edn_head *cover,
                                    size_t cover_n, edn_bytes manifest_bytes);
/* Whether what is kept of a device is what its batch says: *good. It is, too, when something newer is kept, and when
 * the batch does not open. */
EDN_MUST_USE edn_status listed_check(edn_client *c, const edn_device_id *device, uint64_t dseq, bool *good);
/* Inside a transaction that writes: takes it from that batch again. */
EDN_MUST_USE edn_status listed_renew(edn_client *c, const edn_device_id *device, uint64_t dseq);
/* Every device's newest, the one in force first; what does not open is left out. */
EDN_MUST_USE edn_status listed_load(edn_client *c, edn_arena *a, listed **out, size_t *n);

#endif
