/* pairing: what the two sides of a meeting and the ways between them share. */
#ifndef EDN_CLIENT_PAIRING_PRIV_H
#define EDN_CLIENT_PAIRING_PRIV_H

#include <edn/pairing.h>

#include "client/account/account_priv.h"
#include "keys/meeting.h"

/* The mailbox of a server; the new side opens it. EDN_E_CONFLICT: it was used already. */
EDN_MUST_USE edn_status mailbox_post(edn_client *c, const char *origin, const edn_rendezvous_id *rendezvous,
                                     edn_pairing_side side, edn_pair_post *out, edn_err *err);

/* A connection on a local network; the new side waits for it, and `addresses` says where. */
EDN_MUST_USE edn_status lan_post(const edn_pair_lan *lan, const edn_rendezvous_id *rendezvous, edn_pairing_side side,
                                 edn_pair_post *out, edn_buf *addresses, edn_err *err);

struct edn_pair {
    edn_pairing_side side;
    bool by_code, over;
    bool hands_over; /* old: there is no server's mailbox between them */
    edn_client *c;   /* new: its own until edn_pair_take */
    edn_pair_post post;
    uint64_t put_n, got_n; /* messages sent and read */
    edn_buf out;           /* the next one, until it is sent */
    edn_strength strength;
    struct pair_secrets {
        edn_meeting meeting;
        edn_pairing_offer offer;
        edn_meeting_code code;
        char offer_text[EDN_PAIRING_OFFER_TEXT_SIZE], code_text[EDN_MEETING_CODE_TEXT_SIZE];
        enrolment e;       /* new */
        uint8_t slot[256]; /* new: made when it begins, so that no passphrase is kept */
        size_t slot_n;
    } * secret; /* guarded */
    char digits[7], device[EDN_MEETING_NAME_MAX + 1], addresses[1024];
};

/* Old: tells the account, and adds the device. EDN_E_CONFLICT never: what moved on is told again. */
EDN_MUST_USE edn_status pair_tell(edn_pair *p, edn_err *err);
EDN_MUST_USE edn_status pair_add(edn_pair *p, edn_err *err);
/* New: checks what the server shows, or was handed over, and writes the home. */
EDN_MUST_USE edn_status pair_join(edn_pair *p, edn_err *err);

/* ---- a log that is handed over (handover.c) ---------------------------------------------------------------------- */

/* Old, in a transaction that reads: what `out` points to lives in `a`. *made false: not all of it is here, or it is too
 * much for a message; the new device will ask the server. */
EDN_MUST_USE edn_status handover_make(edn_client *c, uint64_t link_seq, edn_arena *a, edn_meeting_handover *out,
                                      bool *made);
/* New: checks the log that came with the welcome, and takes it as its own. EDN_E_FORMAT and the classes of links: it
 * does not hold together. */
EDN_MUST_USE edn_status handover_take(edn_pair *p, joining *j, edn_err *err);

#endif
