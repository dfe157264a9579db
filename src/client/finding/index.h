/* The search index of a home: which segments there are, what was changed since, and how both stay small.
 *
 *     shards.c   the rows, segments opened over them, what is pending
 *     index.c    building, folding in what is pending, merging, dropping what is damaged, checking
 *     search.c   queries
 *
 * Rows are written down in docs/spec/local-store.md, the idea in docs/search.md. What always holds:
 *
 *   1. An entry that is not pending lives in one shard at most. (Deleted ones, and all when `complete` is false, may be
 *      in none.)
 *   2. A pending one lives at most in shards where it has the date that its row notes.
 *
 * So a search sees every entry once: the shards less what is pending, and what is pending as it is now. */
#ifndef EDN_CLIENT_INDEX_H
#define EDN_CLIENT_INDEX_H

#include "client/client_priv.h"
#include "search/index.h"

/* Rises when the same text would give other terms, or a segment other bytes: every index is made anew then. */
#define INDEX_FORMAT 2u

#define INDEX_YEARS 10000u
#define INDEX_RECENT INDEX_YEARS

/* The first byte of a row's key in EDN_TABLE_INDEX tells what it is. */
enum {
    INDEX_KEY_LIST = 0, /* shards.c */
    INDEX_KEY_PENDING = 1,
    INDEX_KEY_PAGE = 2,
    INDEX_KEY_MASK = 3,
    INDEX_KEY_LISTED = 4,    /* listed.c */
    INDEX_KEY_PUBLISHED = 5, /* published.c */
    INDEX_KEY_ARRIVING = 6,  /* arriving.c */
    INDEX_KEY_ARRIVED = 7,
    INDEX_KEY_PLACES = 8,
};

typedef struct index_reader index_reader;
typedef struct index_shard {
    uint64_t id;
    uint32_t year; /* of all its documents; 0: they have no date; INDEX_RECENT: of any year, changed lately */
    uint64_t size;
    uint32_t docs, dead_n;
    uint32_t kept_n; /* of dead_n: what its row says, without what is masked for a search alone */
    bool gone;       /* merged into another: its rows are to go */
    uint8_t *dead;   /* bits; NULL while dead_n is 0 or it is not open */
    index_reader *reader;
    edn_segment *segment;
    edn_client *c;
} index_shard;

/* An entry that was changed since it was indexed. */
typedef struct index_pending {
    edn_entry_id id;
    char place[DATE_SIZE + 1]; /* the date, or if only that is known the month, of its old place; "" it had none */
} index_pending;

typedef struct arriving arriving; /* arriving.h */

struct index_cache {
    arriving *arriving;
    size_t arriving_bad;         /* the item of it that does not open, plus 1; ARRIVING_BAD_LIST; 0: none */
    size_t fold_min, recent_max; /* how many pending entries, how many recent shards are enough; tests want it sooner */
    uint64_t publish_min;        /* entries; a smaller diary is not published */
    bool loaded, open;
    bool complete;
    uint64_t next; /* the next shard's id; 0: there is no index */
    index_shard *shards;
    size_t shards_n, shards_cap;
    index_pending *pending;
    size_t pending_n, pending_cap;
    uint64_t noted; /* in this transaction */
    edn_pages *pages;
    index_shard fresh; /* what is pending, as a segment in memory; no bytes: not open */
    edn_buf fresh_bytes;
    uint64_t bad; /* the shard of which a page could not be had; 0: none */
};

/* ---- shards.c: inside a transaction ------------------------------------------------------------------------------ */

/* Reads the manifest and the pending rows, unless they are here already. A manifest that is not there, of another
 * format or damaged is that of an index which is not complete and holds nothing. */
EDN_MUST_USE edn_status index_load(edn_client *c);
EDN_MUST_USE edn_status index_save(edn_client *c);
/* Takes away every row of it: the next index begins from nothing. */
EDN_MUST_USE edn_status index_reset(edn_client *c);
EDN_MUST_USE edn_status index_del_rows(edn_client *c, edn_bytes prefix);
/* Opens every shard and its mask. EDN_E_DAMAGED, EDN_E_FORMAT, EDN_E_MISSING: index->bad says which, if known. */
EDN_MUST_USE edn_status index_open(edn_client *c);
/* No shard of it, only the pages that others' segments need. */
EDN_MUST_USE edn_status index_open_pages(edn_client *c);
/* The same as index_open, with what is pending masked in the shards and as a segment of its own. */
EDN_MUST_USE edn_status index_open_all(edn_client *c);
/* Marks an entry dead in every open shard where it stands under this date or month. */
EDN_MUST_USE edn_status index_bury(edn_client *c, const index_pending *p);
EDN_MUST_USE edn_status index_save_masks(edn_client *c);
/* Adds a live entry to a segment that is being made; one that is deleted, missing or does not open is left out. */
EDN_MUST_USE edn_status index_add(edn_client *c, edn_builder *b, const edn_entry_id *id);
/* Segments in memory: pages from and to an edn_buf. */
EDN_MUST_USE edn_status index_bytes_get(void *ctx, uint32_t page, uint8_t *to, size_t n);
EDN_MUST_USE edn_status index_bytes_out(void *ctx, uint32_t page, edn_bytes bytes);
/* A page of a segment from its row. EDN_E_DAMAGED: it is not there, does not open, or is of another size. */
EDN_MUST_USE edn_status index_page_in(edn_client *c, edn_bytes key, uint8_t *to, size_t n);
/* A new shard of pages as they come; index_shard_done adds it to the list, unless it has no documents. */
EDN_MUST_USE edn_status index_page_out(void *ctx, uint32_t page, edn_bytes bytes); /* ctx: an index_shard */
EDN_MUST_USE edn_status index_shard_done(edn_client *c, const index_shard *s);
EDN_MUST_USE edn_status index_rows_drop(edn_client *c, const index_shard *s);
/* Removes rows and all. Positions of the shards behind it change. */
EDN_MUST_USE edn_status index_shard_drop(edn_client *c, size_t at);
EDN_MUST_USE edn_status index_is_pending(edn_client *c, const edn_entry_id *id, bool *out);
EDN_MUST_USE edn_status index_pending_del(edn_client *c, const edn_entry_id *id);
/* Changes with whatever of an entry is indexed. */
void index_version(const edn_entry *e, uint8_t out[8]);
uint32_t index_date(edn_bytes date); /* as year * 10000 + month * 100 + day; 0: none */
void index_close(edn_client *c);     /* segments and their pages; the manifest stays */

/* ---- index.c: outside of transactions ---------------------------------------------------------------------------- */

/* Brings the index up to date as far as it must be: builds what is missing, newest first, and folds in what is pending
 * when that is much. Each step is a transaction, so what is done stays done. EDN_E_CANCELLED by `progress`. */
EDN_MUST_USE edn_status index_prepare(edn_client *c, const edn_progress *progress, edn_err *err);
/* After a search or a merge failed by EDN_E_DAMAGED, EDN_E_FORMAT or EDN_E_MISSING: drops the shard that is to blame,
 * or all when none owns up. `text` is filled for a finding. */
EDN_MUST_USE edn_status index_mend(edn_client *c, char text[160], edn_err *err);

/* For `verify`, inside a transaction: everything that lives in the shards, which each entry is held against. */
typedef struct index_audit {
    edn_client *c;
    edn_segment_doc *docs; /* by id */
    size_t n, cap;
    uint64_t seen, wrong;
} index_audit;
/* Reads every shard and checks its format. EDN_E_DAMAGED, EDN_E_FORMAT; index_audit_end is to be called in any case. */
EDN_MUST_USE edn_status index_audit_begin(edn_client *c, index_audit *a);
EDN_MUST_USE edn_status index_audit_entry(index_audit *a, const edn_entry_id *id);
/* How many entries stand in the index otherwise than they should. */
uint64_t index_audit_end(index_audit *a);

#endif
