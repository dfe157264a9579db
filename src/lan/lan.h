/* lan: two machines on one network find each other by what both know, and carry messages for each other, without a
 * server (SECURITY 2.12; docs/spec/lan.md). The host waits; the guest looks for it, or is told where it is.
 *
 *     host                                            guest
 *     announces its port, once a second   ──UDP──▶    knows the tag: connects
 *                                         ◀──TCP──    knock, and its first message, at once
 *     stops waiting and announcing;
 *     messages                            ◀──────▶    messages
 *
 * Nothing here is secret or authentic: what the messages say is the two devices' business, and everybody on the network
 * may have sent any byte. No call waits, but edn_lan_close for what is still to be sent, and that briefly. */
#ifndef EDN_LAN_H
#define EDN_LAN_H

#include "base/base.h"

#define EDN_LAN_MAIL_SIZE_MAX 65536u
#define EDN_LAN_MAILS_MAX 16u /* of both sides together */

/* What both know before they meet. */
typedef struct edn_lan_place {
    uint8_t tag[16];   /* what is announced, for all to see */
    uint8_t knock[16]; /* what the guest says first */
} edn_lan_place;

typedef struct edn_lan_options {
    const char *address; /* one of this machine's: on the network of this one only. NULL: on all */
    uint16_t port;       /* host: where it waits; 0: anywhere */
    const char *at;      /* guest: "192.168.1.7:40123", "[fd00::7]:40123"; NULL: it looks for it */
    /* How long a connection may take until the first message is whole; a guest may look; all may last. 0: 5 s, 10 s,
     * 5 min. */
    uint32_t knock_ms, search_ms, life_ms;
} edn_lan_options;

typedef struct edn_lan edn_lan;

/* EDN_E_INVALID: not an address (of this machine), or the port is taken; EDN_E_NETWORK; EDN_E_NOMEM. */
EDN_MUST_USE edn_status edn_lan_host(const edn_lan_place *place, const edn_lan_options *o, edn_lan **out, edn_err *err);
EDN_MUST_USE edn_status edn_lan_guest(const edn_lan_place *place, const edn_lan_options *o, edn_lan **out,
                                      edn_err *err);
/* Of a host: where it waits, as `at` has it, with blanks between them, the likeliest first. */
void edn_lan_addresses(const edn_lan *l, edn_buf *out);

/* Keeps the message and sends what can be sent now. Messages of a side are numbered from 0; one that was put already is
 * passed over. EDN_E_MISSING: the meeting is over; EDN_E_LIMIT: too many messages, or too long; EDN_E_NOMEM. */
EDN_MUST_USE edn_status edn_lan_put(edn_lan *l, uint64_t number, edn_bytes mail, edn_err *err);
/* Does what can be done now, and appends the next message (its number is the caller's for control). EDN_E_MISSING:
 * nobody was found, the other is gone, or the time is over; EDN_E_FORMAT: what came is no message, or too many. After
 * either the meeting is over. Before the first message is there, whatever a stranger sends costs no more than its
 * connection. */
EDN_MUST_USE edn_status edn_lan_get(edn_lan *l, uint64_t number, edn_buf *out, bool *there, edn_err *err);
/* Sends what is left, for two seconds at most. NULL is allowed. */
void edn_lan_close(edn_lan *l);

#endif
