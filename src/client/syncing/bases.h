/* bases: up to where each device's batches are contained in what was sealed again (bases.c). All inside a
 * transaction. */
#ifndef EDN_CLIENT_BASES_H
#define EDN_CLIENT_BASES_H

#include "client/client_priv.h"

/* Of the chains held, as far as all their records are in the documents here, and above the bases that there are.
 * Dispose of *out. */
EDN_MUST_USE edn_status bases_cover(edn_client *c, const heads *held, heads *out);
/* Deletes batches at or below their base; not those of which a record was set aside, nor their hashes. */
EDN_MUST_USE edn_status bases_let_go(edn_client *c);
/* The last batch of a chain behind `base` that is sealed under an epoch before `epoch`; `base`: none is. */
EDN_MUST_USE edn_status bases_late(edn_client *c, const edn_head *head, uint64_t base, uint32_t epoch, uint64_t *last);

#endif
