/* outbox: records gathered into this device's batches. What is dirty goes out by it (outbox.c), and everything again
 * in a deep re-key (snapshot.c). */
#ifndef EDN_CLIENT_OUTBOX_H
#define EDN_CLIENT_OUTBOX_H

#include "client/client_priv.h"

#define KEY_VERSION 1u

typedef struct writer {
    edn_client *c;
    heads h;
    edn_head self; /* the device's newest batch; dseq 0: none yet */
    uint32_t epoch;
    edn_batch_kind making, kind; /* what is asked for; what the batch that is being gathered is */
    edn_buf boxes;               /* of the records, one after the other */
    edn_record *records;
    size_t *offsets; /* in `boxes`, since that may move */
    size_t n, cap;
    uint64_t built;
} writer;

/* Inside a transaction that writes. Dispose of it whatever came. */
EDN_MUST_USE edn_status writer_init(writer *w, edn_client *c);
void writer_dispose(writer *w);
/* Closes the batch that is being gathered. The caller saves w->h when w->built is not 0. */
EDN_MUST_USE edn_status writer_flush(writer *w);
/* Seals one record; a full batch is closed before it. */
EDN_MUST_USE edn_status writer_seal_record(writer *w, const edn_record *r, const edn_entry_key *key, edn_bytes ops);
/* The i-th key of (journal, epoch). EDN_E_MISSING: there is none. */
EDN_MUST_USE edn_status writer_journal_key(writer *w, const edn_journal_id *j, uint32_t journal_epoch, size_t i);
EDN_MUST_USE edn_status writer_dictionary(writer *w, edn_bytes dictionary);
/* The key that seals an object's records, and the epoch it is of, into `r`. `made`: others do not have it yet. */
EDN_MUST_USE edn_status writer_entry_key(edn_client *c, const object *o, uint32_t root_epoch, edn_record *r,
                                         edn_entry_key *out, bool *made);

#endif
