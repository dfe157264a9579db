/* attacker: what somebody holds, and what they can make of everything that a server was ever sent. An attacker over
 * real bytes: each key is tried on each object in every role that it could have, what opens gives further keys, and
 * so on until nothing more opens. Fails the test when memory is out. */
#ifndef EDN_TESTS_ATTACKER_H
#define EDN_TESTS_ATTACKER_H

#include "check.h"
#include "client/client_priv.h"
#include "world.h"

/* ---- everything that was sent ------------------------------------------------------------------------------------ */

typedef enum sent_kind { SENT_BATCH, SENT_GRANTS, SENT_PREV, SENT_LETTER, SENT_BLOB, SENT_KINDS } sent_kind;

typedef struct sent {
    sent_kind kind;
    edn_buf bytes;
    edn_account_id account; /* of the log that a box belongs to, zero in link 0; of a letter: who it is for */
    edn_space_id space;     /* of a batch */
    uint32_t epoch;
    uint64_t seq; /* of the link that names a box; of the newest link that a batch's author knew */
    edn_hash prev;
    edn_buf plain; /* of a batch, when somebody has opened its outer layer */
} sent;

typedef struct sent_cert {
    edn_device_id id;
    edn_dh_pk enc;
} sent_cert;

typedef struct sent_log {
    sent *p;
    size_t n, cap;
    sent_cert *certs; /* of every key that was let in anywhere */
    size_t certs_n, certs_cap;
    edn_account_id *accounts;
    size_t accounts_n, accounts_cap;
    uint32_t epoch_max;
} sent_log;

/* One exchange that the server carried out. */
void sent_note(sent_log *l, const edn_http_request *rq, const edn_http_answer *answer);
void sent_dispose(sent_log *l);

/* ---- keys -------------------------------------------------------------------------------------------------------- */

typedef enum held_kind { HELD_ROOT, HELD_JOURNAL, HELD_DH, HELD_OTHER } held_kind;

typedef struct held_secret {
    held_kind kind;
    size_t n;
    uint8_t b[32];
} held_secret;

enum { HELD_OUTER = 1, HELD_SOME = 2, HELD_ALL = 4 }; /* of a batch: its outer layer, a record, every record */

typedef struct held {
    held_secret *p;
    size_t n, cap;
    uint8_t *opened; /* for each object of the log: what opened */
    size_t opened_n;
    edn_account_id deaf; /* letters for this account do not count from this object on: they let its holder in again */
    size_t deaf_from;    /* 0: all count */
} held;

void held_add(held *h, held_kind kind, edn_bytes secret);
void held_add_all(held *h, const held *from);
/* Whatever a client knows now, and its shared journals: with `device` also what is its own alone (its device's keys,
 * its disk's), else what all devices of the person have. Outside of transactions. */
void held_take(held *h, edn_client *c, bool device);
/* What of a shared journal's store is there for a moment only: keys that are being made for somebody. */
void held_take_passing(held *h, edn_client *s, const edn_account_id *invited);
/* Tries everything on everything, until nothing more opens. */
void held_close(held *h, sent_log *l);
void held_dispose(held *h);

#endif
