/* What the two files of the quarantine share: all inside a transaction. */
#ifndef EDN_CLIENT_QUARANTINE_PRIV_H
#define EDN_CLIENT_QUARANTINE_PRIV_H

#include "client/syncing/quarantine.h"

/* Up to where a device's is settled here, and what is known of that. */
typedef struct late_cursor {
    edn_head head;                       /* the newest that came; dseq 0: nothing did */
    uint64_t size;                       /* of all that was ever set aside of it */
    uint64_t kept, left;                 /* batches with entries in them that were set aside, that were let be; ever */
    uint64_t told, told_kept, told_left; /* the number up to which the person was told, and what the two were then */
} late_cursor;
EDN_MUST_USE edn_status late_cursor_load(edn_client *c, const edn_device_id *d, late_cursor *out);

/* What was decided is said in the revoked device's document, for all devices to hear: a field for each decision,
 *
 *     "\x01settled " ‖ 16 hex digits: up to this batch                       of all that it sent
 *     "\x01settled " ‖ 16 hex digits ‖ " " ‖ 32 hex digits: entry id         of one entry
 *
 * of which none is ever taken back. So any order of hearing them comes to the same. */
typedef enum late_decision { LATE_DROPPED, LATE_KEPT } late_decision;
/* `id` NULL: of all. */
EDN_MUST_USE edn_status late_decide(edn_client *c, const edn_device_id *d, const edn_entry_id *id, uint64_t dseq,
                                    late_decision what);
/* The highest number that a decision names; 0: none does. `id` NULL: of all. */
EDN_MUST_USE edn_status late_decided(edn_client *c, const edn_device_id *d, const edn_entry_id *id, uint64_t *out);

/* The devices of which something is in quarantine, ascending; *out lives in `a`. */
EDN_MUST_USE edn_status late_devices(edn_client *c, edn_arena *a, edn_device_id **out, size_t *n);
/* All of a device's, in order, opened; in `a`. One that does not open any more is left out. */
EDN_MUST_USE edn_status late_open(edn_client *c, const edn_device_id *d, edn_arena *a, edn_sync_batch **out, size_t *n);

#endif
