/* The pages under the table of contents: months, their pages, and which of them are in memory. */
#ifndef EDN_CLIENT_CATALOG_PRIV_H
#define EDN_CLIENT_CATALOG_PRIV_H

#include "client/client_priv.h"

/* A page that grew beyond this is split: what one change rewrites, whatever the size of a month. */
#define PAGE_SIZE ((size_t)32 << 10)
#define PAGE_ROW_SIZE_MAX ((size_t)64 << 20)

typedef struct page {
    char month[MONTH_SIZE + 1];
    uint32_t no;
    edn_buf bytes; /* n × LP(item) */
    bool dirty;
    uint64_t used;
} page;

/* Where an item belongs in its month: by date, then creation, then id. */
typedef struct item_key {
    catalog_place place;
    edn_entry_id id;
} item_key;

typedef struct part {
    uint32_t no;    /* of its page */
    item_key first; /* no item of it comes before; of the first part: empty */
    page *held;     /* NULL: not in memory */
} part;

typedef struct month {
    char name[MONTH_SIZE + 1];
    uint32_t live, deleted;
    uint32_t stored; /* parts in its directory row; 0: no such row, all stands on page 0 */
    bool loaded, dirty;
    part *parts; /* ascending; when loaded */
    size_t parts_n, parts_cap;
} month;

typedef struct journal_count {
    edn_journal_id journal;
    uint64_t live;
    bool dirty;
} journal_count;

#define PAGES_HELD 1536u /* a diary of a century, in any order: some 20 MiB */
#define JOURNALS_HELD 64u

struct catalog {
    page *pages[PAGES_HELD];
    size_t pages_n;
    month *months; /* ascending */
    size_t months_n, months_cap;
    bool months_loaded, months_dirty;
    bool journals_kept; /* false: a store of before they were counted */
    journal_count journals[JOURNALS_HELD];
    size_t journals_n;
    uint64_t clock;
};

int item_key_compare(const item_key *a, const item_key *b);
/* The key of an item on a page, without reading all of it. */
EDN_MUST_USE edn_status item_key_read(edn_bytes item, item_key *out);

EDN_MUST_USE edn_status months_load(edn_client *c);
size_t month_lower_bound(const catalog *k, const char *name);
/* NULL: there is none. After months_load. */
month *month_find(const catalog *k, const char *name);
/* The same, made when there is none. */
EDN_MUST_USE edn_status month_get(edn_client *c, const char *name, month **out);
EDN_MUST_USE edn_status month_parts_load(edn_client *c, month *m);
/* The part on which a key belongs. After month_parts_load. */
size_t month_part_of(const month *m, const item_key *key);
/* Where in the list the months stand that such dates fall into: [*first, *end). */
EDN_MUST_USE edn_status catalog_months(edn_client *c, edn_bytes from, edn_bytes to, size_t *first, size_t *end);
/* As catalog_list, of one month; after months_load. */
EDN_MUST_USE edn_status catalog_list_month(edn_client *c, const char *name, edn_bytes from, edn_bytes to, bool reverse,
                                           catalog_fn *fn, void *ctx);
/* Takes a month that has no items out of the list. */
EDN_MUST_USE edn_status month_drop_if_empty(edn_client *c, month *m);

EDN_MUST_USE edn_status page_get(edn_client *c, month *m, size_t part, page **out);
/* Splits the page of a part that has grown too large. `appended`: at its end, where more will come. */
EDN_MUST_USE edn_status page_split(edn_client *c, month *m, size_t part, bool appended);
/* Takes the page of a part away when nothing stands on it, unless it is the month's only one. */
EDN_MUST_USE edn_status page_drop_if_empty(edn_client *c, month *m, size_t part);

EDN_MUST_USE edn_status journal_add(edn_client *c, const edn_journal_id *j, int live);
EDN_MUST_USE edn_status journal_live(edn_client *c, const edn_journal_id *j, uint64_t *out);

EDN_MUST_USE edn_status pages_flush(edn_client *c);

#endif
