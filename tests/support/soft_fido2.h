/* soft_fido2: a FIDO2 security key in software, behind libfido2's own I/O hooks: CTAPHID packets of 64 bytes in and
 * out, CTAP 2.0 with a PIN (protocol one) and hmac-secret. It stands in for the USB port of src/holder/fido2.c. */
#ifndef EDN_TESTS_SOFT_FIDO2_H
#define EDN_TESTS_SOFT_FIDO2_H

#include <stdbool.h>
#include <stdint.h>

#define SOFT_FIDO2_RETRIES 8

typedef struct soft_fido2 {
    const char *pin;        /* NULL: none was set */
    uint8_t device_key[32]; /* from which all its secrets come: another key is another authenticator */
    bool plugged_in, no_hmac_secret, not_touched;
    int retries;
    unsigned touches;
} soft_fido2;

/* The one that is plugged in; libfido2's calls go to it. */
extern soft_fido2 soft_key;
void soft_fido2_reset(const char *pin);

#endif
