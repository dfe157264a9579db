/* lan, its own header: what comes over a network, as pure functions; and sockets. */
#ifndef EDN_LAN_PRIV_H
#define EDN_LAN_PRIV_H

#include <netinet/in.h>

#include "lan/lan.h"

/* ---- what is announced: announcement.c --------------------------------------------------------------------------- */

#define LAN_ANNOUNCEMENT_SIZE 23u

typedef struct lan_announcement {
    uint8_t tag[16];
    uint16_t port;
} lan_announcement;
void lan_announcement_encode(uint8_t out[LAN_ANNOUNCEMENT_SIZE], const lan_announcement *a);
EDN_MUST_USE edn_status lan_announcement_decode(edn_bytes in, lan_announcement *out); /* EDN_E_FORMAT */

/* ---- what comes over a connection: incoming.c -------------------------------------------------------------------- */

#define LAN_KNOCK_SIZE 17u
#define LAN_FRAME_SIZE_MAX (4u + EDN_LAN_MAIL_SIZE_MAX)

/* Bytes as they come, in any pieces; of them no more than one message at a time is held. */
typedef struct lan_incoming {
    edn_buf buf;
    bool knocked; /* what is left is messages */
} lan_incoming;
/* `knock`: whether one comes first. */
void lan_incoming_init(lan_incoming *in, bool knock);
void lan_incoming_dispose(lan_incoming *in);
/* How many bytes it takes now: 0 only when a message is whole. */
size_t lan_incoming_room(const lan_incoming *in);
/* Takes that many bytes at most. EDN_E_AUTH: another knock; EDN_E_FORMAT: a length that cannot be; EDN_E_NOMEM. After a
 * failure it is of no more use. */
EDN_MUST_USE edn_status lan_incoming_feed(lan_incoming *in, const uint8_t knock[16], edn_bytes bytes);
/* Whether a message is whole. */
bool lan_incoming_whole(const lan_incoming *in);
/* Appends that message to `out`, and forgets it. What was behind it may be wrong in its turn: as feed. */
EDN_MUST_USE edn_status lan_incoming_take(lan_incoming *in, edn_buf *out);

void lan_knock_put(edn_buf *out, const uint8_t knock[16]);
void lan_frame_put(edn_buf *out, edn_bytes mail);

/* ---- addresses: address.c ---------------------------------------------------------------------------------------- */

typedef struct lan_address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage space;
    } a;
    socklen_t size;
} lan_address;
/* "192.168.1.7", "fd00::7", in figures only: no name is ever asked for. */
EDN_MUST_USE bool lan_address_parse(const char *text, uint16_t port, lan_address *out);
/* The same with ":port" behind it, an IPv6 address in brackets. The port is not 0. */
EDN_MUST_USE bool lan_address_parse_at(const char *text, lan_address *out);
void lan_address_put(edn_buf *out, const lan_address *a);
uint16_t lan_address_port(const lan_address *a);
void lan_address_set_port(lan_address *a, uint16_t port);
/* This machine's addresses by which others of its networks reach it, IPv4 first: at most `max`. */
size_t lan_address_own(lan_address *out, size_t max);
#define LAN_ADDRESSES_MAX 16u

/* ---- finding each other: finder.c -------------------------------------------------------------------------------- */

/* Where announcements go: IPv4 multicast that no router passes on. */
#define LAN_GROUP 0xefff444eu /* 239.255.68.78 */
#define LAN_PORT 17732u

/* A socket that tells all networks of `own`; -1: none could be made. */
int lan_announcer_open(void);
/* Whoever does not hear it is told the address; so a network that refuses is passed over. */
void lan_announce(int fd, const lan_address *own, size_t own_n, const lan_announcement *a);
/* A socket that hears what is announced on the networks of `own`. */
EDN_MUST_USE edn_status lan_finder_open(const lan_address *own, size_t own_n, int *out, edn_err *err);
/* Reads what has come, and gives the first place that has this tag. */
bool lan_finder_next(int fd, const uint8_t tag[16], lan_address *out);

/* Closes a socket that is one (-1: none), and forgets it. */
void lan_shut(int *fd);

#endif
