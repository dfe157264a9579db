/* A diary that is still arriving: searched by shards of others until its entries are here (docs/spec/shards.md). */
#ifndef EDN_CLIENT_ARRIVING_H
#define EDN_CLIENT_ARRIVING_H

#include "client/finding/index.h"
#include "client/finding/manifest.h"

/* A part of the manifest, and what became of it. */
typedef enum arriving_state { ARRIVING_WANTED = 0, ARRIVING_HERE = 1, ARRIVING_LOST = 2 } arriving_state;

typedef struct arriving_reader arriving_reader;
typedef struct arriving_shard {
    arriving_state state;
    uint64_t size; /* of its segment, when it is here */
    shard_item item;
    arriving_reader *reader;
    edn_segment *segment;
    uint8_t *dead; /* what has arrived, or is newer elsewhere */
} arriving_shard;

struct arriving {
    bool quiet; /* batches and blobs are asked for in groups */
    uint64_t asked_ms;
    edn_arena a; /* the manifest's */
    manifest manifest;
    edn_bytes bytes;
    arriving_shard *shards; /* one for each item */
    edn_place *given; /* of each device that the server was asked about: its newest manifest as it was given, or 0 */
    size_t given_n;
    uint64_t known, here; /* entries that the shards tell of, and those of them that have arrived; once open */
};

/* ---- inside a transaction ---------------------------------------------------------------------------------------- */

/* c->index->arriving, NULL when nothing is (any more), or when the list of it is damaged: c->index->arriving_bad is
 * ARRIVING_BAD_LIST then. */
#define ARRIVING_BAD_LIST SIZE_MAX
EDN_MUST_USE edn_status arriving_load(edn_client *c);
void arriving_forget(edn_client *c);
/* Opens every shard that is here, and masks what counts no longer. EDN_E_DAMAGED, …: `bad` says which. Segments live in
 * c->index->pages, which must be there. */
EDN_MUST_USE edn_status arriving_open(edn_client *c);
void arriving_close(edn_client *c);
/* Reads every row of it. EDN_E_DAMAGED: arriving_bad says of which shard, the first one. */
EDN_MUST_USE edn_status arriving_check(edn_client *c);
/* Everything that counts and has not arrived. Opens what is not open. */
typedef edn_status arriving_fn(void *ctx, const edn_segment_doc *d);
EDN_MUST_USE edn_status arriving_each(edn_client *c, arriving_fn *fn, void *ctx);
/* Rows: a page of a shard's segment, and where its entries' records are. */
typedef struct arriving_key {
    uint8_t b[13];
} arriving_key;
edn_bytes arriving_page_key(arriving_key *k, const shard_item *it, uint32_t page);
edn_bytes arriving_places_key(arriving_key *k, const shard_item *it);
EDN_MUST_USE edn_status arriving_places(edn_client *c, const shard_item *it, edn_arena *a, shard_places *out);
/* "from 1660 to 1668": of what a shard is. */
void arriving_days(const shard_item *it, char out[48]);
/* Inside one that writes: the state as it is now; and what is kept of a shard goes. */
EDN_MUST_USE edn_status arriving_save(edn_client *c);
EDN_MUST_USE edn_status arriving_rows_drop(edn_client *c, const shard_item *it);
/* Inside one that writes: begins with the manifest in force, everything of it wanted; without parts, when there is
 * none. */
EDN_MUST_USE edn_status arriving_begin(edn_client *c, bool quiet);
/* Inside one that writes: what is damaged goes and is wanted again, a shard or, when its list is bad, all; `text` says
 * so for a finding, and stays empty when none of it was to blame. */
EDN_MUST_USE edn_status arriving_mend(edn_client *c, char text[160]);

/* ---- outside of transactions ------------------------------------------------------------------------------------- */

/* Fetches an entry that the shards tell of, ahead of its turn. What of them is damaged is named and fetched anew first.
 * EDN_E_MISSING: they do not tell of it. */
EDN_MUST_USE edn_status arriving_fetch_entry(edn_client *c, const edn_entry_id *id, edn_err *err);
/* After a sync that brought all: the shards go. */
EDN_MUST_USE edn_status arriving_end(edn_client *c, const edn_sync_options *options, edn_err *err);

#endif
