/* newcomer: one device has written and published its index, another has joined the account and has nothing yet; and
 * what the second finds, held against the first. Each call fails the test when it does not succeed. */
#ifndef EDN_TESTS_NEWCOMER_H
#define EDN_TESTS_NEWCOMER_H

#include "client/finding/arriving.h"
#include "client/client_priv.h"
#include "diarist.h"

#define NEWCOMER_ENTRIES 120u

/* Entries number `from` and on: each with the words of its day, some with a tag. */
void write_some(edn_client *c, unsigned from, unsigned n);
/* A device that publishes a diary of ten entries already. */
edn_client *open_small(world *w, const char *device);
two published(void);

/* What a search showed, and what it, or a fetch, said was wrong. */
typedef struct seen {
    edn_entry_id ids[1024];
    bool arriving[1024];
    char date[11];
    size_t n;
    unsigned findings;
    char text[400];
} seen;
void note_finding(void *ctx, const edn_finding *f); /* ctx: a seen */
edn_search_result find(edn_client *c, const char *query, seen *s);
bool among(const seen *s, const edn_entry_id *id);
edn_fetch_result fetch(edn_client *c, bool quiet, seen *s);

/* Of every kind; each finds something in that diary. */
#define NEWCOMER_QUERIES 9
extern const char *const queries[NEWCOMER_QUERIES];
/* The same entries on both, in the same order, whatever has arrived; how many. */
size_t same_hits(edn_client *a, edn_client *b, const char *query);

#endif
