/* For `verify`: the synced index, as it is here and as the server has it, held against the entries (docs/search.md). */
#ifndef EDN_CLIENT_AUDIT_H
#define EDN_CLIENT_AUDIT_H

#include "client/client_priv.h"

typedef void audit_tell_fn(void *ctx, edn_status st, const char *text);

typedef struct audit {
    edn_client *c;
    audit_tell_fn *tell; /* what is wrong, once each */
    void *ctx;
    edn_place *newest; /* of each device's index batches */
    size_t newest_n, newest_cap;
    edn_place *renew; /* those of which another manifest is kept */
    size_t renew_n, renew_cap;
    edn_hash *bad; /* parts that are to be made anew */
    size_t bad_n, bad_cap;
} audit; /* begins with `c`, `tell` and `ctx` alone */
void audit_dispose(audit *a);

/* A good batch of kind index; each device's in order. */
EDN_MUST_USE edn_status audit_batch(audit *a, const edn_device_id *device, uint64_t dseq);
/* In a transaction, once the batches are seen: what is kept of manifests is what the batches say. */
EDN_MUST_USE edn_status audit_manifests(audit *a);
/* In a transaction, over an index that fits the entries: the manifest in force says of each range what is in it. That
 * can be known as long as nothing was changed since. */
EDN_MUST_USE edn_status audit_ranges(audit *a);
/* Outside of transactions: rows of a diary that is arriving, and then all that was found to be wrong is made anew, or
 * will be by the next sync. */
EDN_MUST_USE edn_status audit_mend(audit *a, edn_err *err);

#endif
