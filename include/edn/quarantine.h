/* edn/quarantine: what a device that was revoked had sent and nobody had seen when it was revoked.
 *
 * It bears the device's signature and opens under keys that the device had. So it may be what its owner wrote on it
 * while there was no network, or what whoever has it now wrote: nothing can tell the two apart, the times in it least
 * of all. It counts for nothing, is in no list and no search, and is kept sealed on each device until a person looks
 * at it and keeps it or drops it, on one device for all of them.
 *
 * Entries are offered, with their text, fields and tags, and nothing else: not names of journals and devices, nor
 * keys. Of one device 16 MiB are kept, of all 64 MiB. Of shared and locked journals nothing is. */
#ifndef EDN_QUARANTINE_H
#define EDN_QUARANTINE_H

#include <edn/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the device wrote of one entry. */
typedef struct edn_quarantined {
    char device[33];
    edn_bytes device_name; /* empty: not known here */
    edn_entry_id id;
    /* EDN_OK; EDN_E_PARENTS: it rests on something that is not here, or was dropped or kept before, so that it can only
     * be dropped. Then what follows `size` is empty. */
    edn_status status;
    uint64_t size;              /* bytes of its records, as they came */
    bool known;                 /* the entry is here, and these are changes of it */
    bool removed;               /* it would be deleted */
    edn_bytes date, title;      /* as they would be */
    uint64_t written_ms;        /* when, as the device says */
    uint64_t inserted, deleted; /* scalars of the text */
} edn_quarantined;
typedef edn_status edn_quarantined_fn(void *ctx, const edn_quarantined *item);

/* By device, then as they came. */
EDN_MUST_USE edn_status edn_client_quarantine(edn_client *c, edn_quarantined_fn *fn, void *ctx, edn_err *err);
/* The entry as it would be (`fn`), then its text on the way there from what it is (`piece`, may be NULL). Nothing is
 * changed. `device` as in edn_quarantined. EDN_E_MISSING: there is no such thing; EDN_E_PARENTS as above. */
EDN_MUST_USE edn_status edn_client_quarantine_show(edn_client *c, const char *device, const edn_entry_id *id,
                                                   edn_entry_fn *fn, edn_piece_fn *piece, void *ctx, edn_err *err);

/* Makes the entry here what it would be, as a change that this device writes, which the others get by their next sync;
 * its field "kept-from" says which device had written it. `id` NULL: all that the device sent, one entry after the
 * other: a failure leaves those kept that were. *kept: entries that were. EDN_E_MISSING, EDN_E_PARENTS (of one entry;
 * of all, those are dropped). What is kept on two devices at the same time stands there twice. */
EDN_MUST_USE edn_status edn_client_quarantine_keep(edn_client *c, const char *device, const edn_entry_id *id,
                                                   uint64_t *kept, edn_err *err);
/* Throws it away, on all devices. `id` NULL: all that the device sent until now. EDN_E_MISSING. */
EDN_MUST_USE edn_status edn_client_quarantine_drop(edn_client *c, const char *device, const edn_entry_id *id,
                                                   edn_err *err);

#ifdef __cplusplus
}
#endif
#endif
