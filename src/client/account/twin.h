/* twin: what the other copy of this device has sent, for one that was restored from a copy. */
#ifndef EDN_CLIENT_TWIN_H
#define EDN_CLIENT_TWIN_H

#include "client/client_priv.h"

typedef struct twin_message {
    edn_entry_id entry;
    size_t place; /* in the order in which they were sent */
    edn_bytes bytes;
} twin_message;

typedef struct twin {
    edn_devlog *log;
    edn_head last; /* of the chain that is being fetched */
    edn_sync_batch *batches;
    size_t batches_n, batches_cap;
    twin_message *messages; /* by entry */
    size_t messages_n, messages_cap;
    edn_arena arena;
} twin;

/* Fetches and checks what the server has of this device after `dseq`, up to which both copies agree. Outside of a
 * transaction. What is not good is left out. */
EDN_MUST_USE edn_status twin_fetch(edn_client *c, const char *token, uint64_t dseq, twin *out, edn_err *err);
/* Opens it, inside a transaction that writes: keys that came along are kept. */
EDN_MUST_USE edn_status twin_read(edn_client *c, twin *t);
/* Up to which of the agent's events from `from` on the other copy has sent exactly the same for this document. */
EDN_MUST_USE edn_status twin_agrees(const twin *t, const edn_entry_id *id, const edn_doc *shown, edn_agent_id agent,
                                    uint64_t from, uint64_t *until);
void twin_dispose(twin *t);

#endif
