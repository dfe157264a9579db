/* Asking the server for batches and blobs outside of a sync. */
#ifndef EDN_CLIENT_FETCHING_H
#define EDN_CLIENT_FETCHING_H

#include "client/finding/manifest.h"

typedef struct asking {
    edn_client *c;
    const edn_fetch_options *options;
    edn_fetch_result *out;
    char token[EDN_TOKEN_SIZE_MAX + 1];
    edn_err *err;
} asking;

/* A token of before if it is still good, else a new login. Nothing else is synced. Wipe it. */
EDN_MUST_USE edn_status asking_sign_in(asking *q);
/* Asks for batches by their numbers, and hands out, in a transaction that writes, each that is what it should be; what
 * is not is told to q->options. */
typedef edn_status asking_batch_fn(void *ctx, const edn_sync_batch *b);
EDN_MUST_USE edn_status asking_batches(asking *q, const edn_place *places, size_t n, asking_batch_fn *fn, void *ctx);
/* A blob, of which nothing is checked. *status: of HTTP, when there was an answer. */
EDN_MUST_USE edn_status asking_blob(asking *q, const shard_item *it, edn_buf *out, int *status);

#endif
