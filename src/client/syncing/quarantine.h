/* quarantine: what a revoked device had sent behind its cut. All inside a transaction that writes, but where it says
 * otherwise. */
#ifndef EDN_CLIENT_QUARANTINE_H
#define EDN_CLIENT_QUARANTINE_H

#include <edn/quarantine.h>

#include "client/client_priv.h"

/* Up to where it is settled, by device: what a sync begins with. Inside any transaction; dispose of *out. */
EDN_MUST_USE edn_status quarantine_heads(edn_client *c, heads *out);
/* Sets it aside, or lets it be, and remembers that it came. */
EDN_MUST_USE edn_status quarantine_take(edn_client *c, const edn_sync_late *late, size_t n);
/* What was decided, here or on another device, goes. */
EDN_MUST_USE edn_status quarantine_settle(edn_client *c);
/* Whether there may be something to tell. Inside any transaction. */
EDN_MUST_USE edn_status quarantine_has_news(edn_client *c, bool *out);
/* The next device of which there is something that the person was not told of: marks it as told. *any: *out is it. */
EDN_MUST_USE edn_status quarantine_tell(edn_client *c, bool *any, edn_finding *out);
/* Batches in it. Inside any transaction. */
EDN_MUST_USE edn_status quarantine_count(edn_client *c, uint64_t *out);

#endif
