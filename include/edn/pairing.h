/* edn/pairing: adding a device without the passphrase. The new device shows a code; a device of the account takes it;
 * both show six digits that a person compares; then the new one has everything. Neither call waits: edn_pair_step does
 * what can be done now, and is called about every second until it says DONE, so that a screen stays alive meanwhile.
 *
 *     new device                     device of the account
 *     edn_pair_link                  edn_pair_approve
 *     edn_pair_step …                edn_pair_step …            until COMPARE
 *     edn_pair_compared              edn_pair_compared          both show edn_pair_digits
 *     edn_pair_step …                edn_pair_step …            until DONE
 *     edn_pair_take                                                                                                */
#ifndef EDN_PAIRING_H
#define EDN_PAIRING_H

#include <edn/client.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct edn_pair edn_pair;

/* Carries messages between the two; made by whoever has another way than a server's mailbox or a local network.
 * Messages of a side are numbered from 0. A put or get may be repeated. */
typedef struct edn_pair_post {
    void *ctx;
    edn_status (*put)(void *ctx, uint64_t number, edn_bytes mail, edn_err *err);
    /* Appends the other side's message; *there false: not yet. EDN_E_MISSING: nothing comes any more. */
    edn_status (*get)(void *ctx, uint64_t number, edn_buf *out, bool *there, edn_err *err);
    void (*close)(void *ctx); /* of this meeting; the last call */
} edn_pair_post;
#define EDN_PAIR_MAIL_SIZE_MAX 65536u

/* Directly between two machines on one network: the new device waits for a connection, and says on its networks where;
 * the other looks for it, or is told. */
typedef struct edn_pair_lan {
    const char *address; /* one of this machine's: on the network of this one only. NULL: on all */
    uint16_t port;       /* new device: where it waits; 0: anywhere */
    const char *at;      /* device of the account: "192.168.1.7:40123", "[fd00::7]:40123"; NULL: it looks for it */
} edn_pair_lan;

/* How the two are joined, if not by the mailbox of a server: one of these. The new device then needs no server before
 * its first sync: the other hands it the account's log (or, when that is longer than some 150 links, it asks the server
 * for it). The device of the account does: one is added by a link that the account's server has. */
typedef struct edn_pair_way {
    const edn_pair_lan *lan;
    const edn_pair_post *post;
} edn_pair_way;

typedef struct edn_pair_link_options {
    const char *server; /* whose mailbox is used; not needed with `way` */
    const char *device_name;
    edn_strength strength;   /* of this device's own lock; 0: default */
    const edn_pair_way *way; /* NULL: the server's mailbox */
} edn_pair_link_options;

/* On the new device: makes its offer. `passphrase` locks this device's own disk. EDN_E_EXISTS: there is a diary in this
 * home; EDN_E_RATE: too many tries; EDN_E_INVALID: what is said of the local network cannot be; what edn_client_init
 * says of passphrase and name; and what a network can give. */
EDN_MUST_USE edn_status edn_pair_link(const edn_client_options *options, const edn_pair_link_options *link,
                                      edn_bytes passphrase, edn_pair **out, edn_err *err);
/* On a device of the account, unlocked, which must outlive *out: `shown` is what the new one shows, the offer in its QR
 * code or the short code. EDN_E_INVALID: neither, or nothing that a local network has; EDN_E_TYPE: the code of another
 * version; EDN_E_MISSING: nobody waits there. With a way, EDN_E_NETWORK: the account's server is not within reach; the
 * code is as good as before. */
EDN_MUST_USE edn_status edn_pair_approve(edn_client *c, edn_bytes shown, const edn_pair_way *way, edn_pair **out,
                                         edn_err *err);
void edn_pair_free(edn_pair *p); /* gives up what is not done, and tells the other side */

typedef enum edn_pair_state { EDN_PAIR_WAITING, EDN_PAIR_COMPARE, EDN_PAIR_DONE } edn_pair_state;
/* EDN_E_NETWORK, EDN_E_RATE, EDN_E_BUSY: nothing is lost, call again. After any other failure the meeting is over, and
 * nothing was changed unless the text says so: EDN_E_AUTH: a wrong code, which is used up, or somebody in between;
 * EDN_E_FORMAT: somebody changed, repeated or swapped messages; EDN_E_CANCELLED: the other side said no; EDN_E_MISSING:
 * its time is over; EDN_E_ROLLBACK, EDN_E_FORK, EDN_E_ACCOUNT, EDN_E_KEY_INVALID: the server shows another account log
 * than the other device told of. */
EDN_MUST_USE edn_status edn_pair_step(edn_pair *p, edn_pair_state *out, edn_err *err);
/* A person's word on whether both devices show the same digits. False ends it: EDN_E_CANCELLED. */
EDN_MUST_USE edn_status edn_pair_compared(edn_pair *p, bool same, edn_err *err);

/* On the new device: 130 digits for a QR code (alphanumeric), and "K7Q4-0W4G-P38F". Secrets. */
const char *edn_pair_offer(const edn_pair *p);
const char *edn_pair_code(const edn_pair *p);
/* On the new device: where it waits on a local network, with blanks between them, the likeliest first; or "". */
const char *edn_pair_addresses(const edn_pair *p);
/* "123456" from COMPARE on. */
const char *edn_pair_digits(const edn_pair *p);
/* On the device of the account, once DONE: what the new one is called. */
const char *edn_pair_device(const edn_pair *p);
/* On the new device, once DONE: its client, unlocked, nothing synced yet; the caller's from then on. NULL the second
 * time. */
edn_client *edn_pair_take(edn_pair *p);

#ifdef __cplusplus
}
#endif
#endif
