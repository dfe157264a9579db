/* edn/emergency: a device was stolen. What it held, and how far what is to be done has come, so that a process that
 * ends in the middle is gone on with. What is done is elsewhere: edn_client_device_revoke,
 * edn_client_passphrase_change, edn_client_recovery_setup. */
#ifndef EDN_EMERGENCY_H
#define EDN_EMERGENCY_H

#include <edn/client.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    EDN_EMERGENCY_REVOKED = 1, /* the device, and whom it had let in */
    EDN_EMERGENCY_PASSPHRASE = 2,
    EDN_EMERGENCY_SHARES = 4
};

typedef struct edn_emergency {
    bool there;          /* one was begun and is not over; else the rest is empty */
    char device[33];     /* which was stolen */
    unsigned done;       /* of the above: done, or the person did not want it */
    uint64_t began_ms;   /* by this device's clock */
    uint64_t batches;    /* of the device that were held here then */
    uint64_t written_ms; /* when the newest of them was written, as it believed; 0: it has written nothing */
    uint32_t epoch;      /* the newest root key that it had, */
    uint32_t epoch_now;  /* and the account's newest */
} edn_emergency;

EDN_MUST_USE edn_status edn_client_emergency_get(edn_client *c, edn_emergency *out, edn_err *err);
/* `device`: a name, or the beginning of an id. Best after a sync. EDN_E_MISSING, EDN_E_AMBIGUOUS; EDN_E_INVALID: it is
 * this one; EDN_E_EXISTS: one for another device is not over. The same again gives what there is. */
EDN_MUST_USE edn_status edn_client_emergency_begin(edn_client *c, const char *device, edn_emergency *out, edn_err *err);
/* Adds to `done`. */
EDN_MUST_USE edn_status edn_client_emergency_done(edn_client *c, unsigned done, edn_err *err);
EDN_MUST_USE edn_status edn_client_emergency_end(edn_client *c, edn_err *err);

#ifdef __cplusplus
}
#endif
#endif
