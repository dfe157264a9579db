/* snapshot: what is here, sealed again in batches of kind 2 (snapshot.c). Inside a transaction that writes. */
#ifndef EDN_CLIENT_SNAPSHOT_H
#define EDN_CLIENT_SNAPSHOT_H

#include "client/syncing/outbox.h"

typedef struct snapshot {
    writer w;
    edn_journal_id *journals; /* whose keys are in */
    size_t journals_n, journals_cap;
} snapshot;

EDN_MUST_USE edn_status snapshot_begin(snapshot *s, edn_client *c);
/* Every dictionary that batches here brought. */
EDN_MUST_USE edn_status snapshot_dictionaries(snapshot *s);
/* One document, after its journal's keys. EDN_E_DAMAGED: it cannot be read. */
EDN_MUST_USE edn_status snapshot_object(snapshot *s, const edn_entry_id *id);
/* Closes the last batch when `st` is EDN_OK; gives the final status. */
EDN_MUST_USE edn_status snapshot_end(snapshot *s, edn_status st);

#endif
