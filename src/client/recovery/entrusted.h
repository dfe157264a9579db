/* entrusted: recovery shares between contacts. Of this account's own shares, who was given which and whether they said
 * that they keep it; and the shares of others that this account keeps. Both are fields of a contact's document, the
 * same on all devices (docs/spec/sharing.md). */
#ifndef EDN_CLIENT_ENTRUSTED_H
#define EDN_CLIENT_ENTRUSTED_H

#include "client/sharing/contact.h"
#include "client/recovery/recovery_priv.h"

/* What a contact was given. */
typedef struct holding {
    edn_share_set_id set;
    uint8_t x;
    uint8_t answer; /* edn_keeper_state */
    uint64_t time_ms;
} holding;

/* Inside a transaction; `id` is the contact's document. EDN_E_MISSING. */
EDN_MUST_USE edn_status holding_load(edn_client *c, const edn_entry_id *id, holding *out);
/* Inside a transaction that writes. */
EDN_MUST_USE edn_status holding_save(edn_client *c, const edn_entry_id *id, const holding *h);
/* What is kept for a contact. Inside a transaction. EDN_E_MISSING: nothing. */
EDN_MUST_USE edn_status entrusted_load(edn_client *c, const edn_entry_id *id, edn_entrusted *out);

#endif
