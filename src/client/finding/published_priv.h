/* What is needed of the diary to publish its index, and to hold what is published against it (audit.c). */
#ifndef EDN_CLIENT_PUBLISHED_PRIV_H
#define EDN_CLIENT_PUBLISHED_PRIV_H

#include "client/finding/index.h"
#include "client/finding/manifest.h"

#define DICTIONARIES_MAX 16u

/* A record of an entry: in which batch. */
typedef struct found_place {
    edn_entry_id entry;
    edn_place at;
} found_place;

/* An entry of the local index. */
typedef struct live_doc {
    edn_entry_id id;
    uint8_t version[8];
    uint32_t date;
    size_t part;
    uint32_t doc;
} live_doc;

/* Some live documents, as days say. */
typedef struct range {
    uint32_t from, to;
    size_t lo, hi;
} range;

typedef struct name_list {
    edn_hash *p;
    size_t n, cap;
} name_list;

typedef struct publishing {
    edn_client *c;
    edn_arena a;
    listed *known; /* the one in force first */
    size_t known_n;
    heads h; /* of all that is here */
    found_place *found;
    size_t found_n, found_cap;
    edn_place *places; /* of `found`, in its order */
    edn_bytes dictionaries[DICTIONARIES_MAX];
    size_t dictionaries_n;
    name_list drop, absent;
    bool soon; /* what is absent is to be made anew at once */

    live_doc *live;
    size_t live_n, live_cap;
    edn_segment_part *parts;
    uint8_t **masks;
    size_t parts_n;
    shard_item *items;
    size_t items_n, items_cap;
    edn_buf blobs; /* LP each, of the new items in their order */
    name_list fresh;
    edn_buf text; /* of the manifest */
} publishing;

void publishing_init(publishing *p, edn_client *c);
void publishing_dispose(publishing *p);
/* Inside a transaction. What devices have published, how far the diary is, what is noted. */
EDN_MUST_USE edn_status publishing_load(publishing *p);
/* p->found: which entries have records beyond `cover`, and where; sorted, each place once. */
EDN_MUST_USE edn_status publishing_places(publishing *p, const edn_head *cover, size_t cover_n);
/* p->live: all that lives in the local index, which is open; in order of days. */
EDN_MUST_USE edn_status publishing_live(publishing *p);
/* Of the entries of a range and their versions. */
EDN_MUST_USE edn_status publishing_digest(const publishing *p, const range *r, uint64_t *out);

#endif
