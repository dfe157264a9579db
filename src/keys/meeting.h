/* keys/meeting: a new device joins an account through one that is in it, as a state machine of one side: told what the
 * other side said and what a person decided, it says what to send and what is wanted next (SECURITY 2.12). Pure; who
 * carries the messages may read, swap, repeat and make up any of them.
 *
 *     old (in the account)                       new
 *    (SHARE                                ──▶               by a short code
 *                                          ◀──   SHARE)
 *     COMMIT                               ──▶
 *                                          ◀──   KEY
 *     KEY                                  ──▶               keys and digits stand on both sides
 *                                          ◀──   READY       sealed: it has the same keys
 *     READY                                ──▶
 *              a person compares the six digits on both
 *     ACCOUNT                              ──▶               which account and where its log ends; the account key
 *                                          ◀──   DEVICE      certificate, proof for that place, name
 *     (the log moved on: ACCOUNT again)    ──▶
 *     WELCOME                              ──▶               the link that added it, and what old has seen
 *
 * A message out of turn, altered, repeated or swapped ends the meeting; nothing of it is used again. */
#ifndef EDN_KEYS_MEETING_H
#define EDN_KEYS_MEETING_H

#include "keys/pairing.h"

/* ---- the short code ---------------------------------------------------------------------------------------------- */

/* "K7Q4-0W4G-P38F": four digits that say where to meet, and the eight of keys/pairing.h that nobody else knows. */
typedef struct edn_meeting_code {
    char place[5];
    char code[EDN_PAIRING_CODE_SIZE];
} edn_meeting_code;
EDN_SECRET_TYPE(edn_meeting_code)
#define EDN_MEETING_CODE_TEXT_SIZE 15u
void edn_meeting_code_make(edn_meeting_code *out, const edn_random *rng);
void edn_meeting_code_text(char out[EDN_MEETING_CODE_TEXT_SIZE], const edn_meeting_code *code);
/* As a person types it (edn_pairing_code_parse). EDN_E_INVALID. */
EDN_MUST_USE edn_status edn_meeting_code_parse(edn_bytes text, edn_meeting_code *out);
/* The first 16 bytes of H32(T("EDNv1/pair/rendezvous"; place)). */
edn_rendezvous_id edn_meeting_rendezvous(const edn_meeting_code *code);
/* What the new device may tell a network of it: the first 16 bytes of H32(T("EDNv1/pair/announce"; rendezvous)). Who
 * has four digits to guess finds the rendezvous by it, and no more. */
void edn_meeting_announce(uint8_t out[16], const edn_rendezvous_id *rendezvous);

/* ---- what the two tell each other -------------------------------------------------------------------------------- */

#define EDN_MEETING_NAME_MAX 256u
#define EDN_MEETING_MAIL_MAX 65536u
#define EDN_MEETING_TELLS_MAX 3u /* how often old may say where the log ends */

typedef struct edn_meeting_account {
    edn_account_id id;
    edn_sign_pk aik, receipt_pk;
    edn_device_id signer; /* the old device */
    uint64_t log_count;   /* the link that adds the new one gets this number, */
    edn_hash log_head;    /* and this is the hash before it */
    bool has_account_key;
    edn_account_key account_key;
    char origin[EDN_ORIGIN_SIZE_MAX + 1], name[EDN_MEETING_NAME_MAX + 1];
} edn_meeting_account;
EDN_SECRET_TYPE(edn_meeting_account)

typedef struct edn_meeting_device {
    edn_cert cert;
    edn_signature pop;
    char name[EDN_MEETING_NAME_MAX + 1];
} edn_meeting_device;

/* What spares the new device its first questions to the server, where the two meet without one. */
typedef struct edn_meeting_handover {
    edn_bytes grants; /* that the link which added the device names */
    edn_bytes *links; /* the whole log */
    size_t links_n;
    uint64_t log_count; /* what the server has signed for last: how many links, */
    edn_hash log_head;
    edn_head *heads; /* and which batches of the personal space */
    size_t heads_n;
    edn_receipt receipt;
} edn_meeting_handover;

typedef struct edn_meeting_welcome {
    uint64_t link_seq; /* of the link that added the device */
    edn_hash link_hash;
    edn_head *heads; /* of the personal space: what the server owes */
    size_t heads_n;
    const edn_meeting_handover *handover; /* NULL: none */
} edn_meeting_welcome;

/* ---- the machine ------------------------------------------------------------------------------------------------- */

typedef enum edn_meeting_want {
    EDN_MEETING_MAIL,    /* the other's next message: edn_meeting_take */
    EDN_MEETING_COMPARE, /* a person's word on the digits: edn_meeting_compared */
    EDN_MEETING_TELL,    /* old: where the log ends: edn_meeting_tell */
    EDN_MEETING_ADD,     /* old: m->device is to be added: edn_meeting_added; or edn_meeting_tell: the log moved on */
    EDN_MEETING_JOIN,    /* new: all was said: m->account, m->welcome */
    EDN_MEETING_OVER,    /* old: all was said */
    EDN_MEETING_DEAD     /* never used again */
} edn_meeting_want;

/* Why the other side ended it. */
typedef enum edn_meeting_no {
    EDN_MEETING_NO_NONE,
    EDN_MEETING_NO_DIGITS, /* its person said that the digits differ */
    EDN_MEETING_NO_CODE,   /* what we said does not fit: a wrong code, or somebody in between */
    EDN_MEETING_NO_ENDED,  /* it gave up */
    EDN_MEETING_NO_COUNT
} edn_meeting_no;

typedef struct edn_meeting {
    edn_pairing_side side;
    edn_meeting_want want;
    edn_meeting_no no; /* DEAD: what the other side said, if it did */
    uint8_t expect;    /* which message comes next */
    bool by_code;
    edn_random rng;
    edn_rendezvous_id rendezvous;
    edn_meeting_code code;
    edn_pairing pairing;
    edn_dh_sk sk;
    edn_psk psk;
    edn_cpace_scalar scalar;
    edn_cpace_share share;
    uint64_t sent, received; /* sealed messages: each has its number in what is authenticated */
    uint32_t told;
    /* New: who it is. */
    edn_cert cert;
    edn_sign_sk sign_sk;
    char name[EDN_MEETING_NAME_MAX + 1];
    /* What was said. */
    edn_meeting_account account; /* new */
    edn_meeting_device device;   /* old */
    edn_meeting_welcome welcome; /* new; what it points to lives in: */
    edn_meeting_handover handover;
    edn_arena arena;
} edn_meeting;
/* Wipes. A meeting of zeros may be disposed of. */
void edn_meeting_dispose(edn_meeting *m);

/* The new device: makes its offer and code; all else by edn_meeting_take. `name` is valid (1 to 256 bytes). */
void edn_meeting_begin_new(edn_meeting *m, const edn_cert *cert, const edn_sign_sk *sign_sk, const char *name,
                           const edn_random *rng);
/* What it shows; a zero behind each. */
void edn_meeting_offer_text(const edn_meeting *m, char out[EDN_PAIRING_OFFER_TEXT_SIZE]);
/* The old device, by what the new one shows: an offer, or a code. Appends its first message. EDN_E_NOMEM. */
EDN_MUST_USE edn_status edn_meeting_begin_offer(edn_meeting *m, const edn_pairing_offer *offer, const edn_random *rng,
                                                edn_buf *out);
EDN_MUST_USE edn_status edn_meeting_begin_code(edn_meeting *m, const edn_meeting_code *code, const edn_random *rng,
                                               edn_buf *out);

/* The calls below append the message that is to be sent, if there is one. After any failure the meeting is dead, and
 * `out` may hold a last message that says so to the other side. */

/* Want MAIL. EDN_E_FORMAT: out of turn, or no message; EDN_E_AUTH: not from whom it should be: a wrong code, or
 * somebody in between; EDN_E_KEY_INVALID; EDN_E_CANCELLED: the other side ended it (m->no). `in` may be hostile. */
EDN_MUST_USE edn_status edn_meeting_take(edn_meeting *m, edn_bytes in, edn_buf *out);
/* Want COMPARE. False: EDN_E_CANCELLED. */
EDN_MUST_USE edn_status edn_meeting_compared(edn_meeting *m, bool same, edn_buf *out);
/* Want TELL or ADD. EDN_E_CONFLICT: told often enough. */
EDN_MUST_USE edn_status edn_meeting_tell(edn_meeting *m, const edn_meeting_account *account, edn_buf *out);
/* Want ADD. A handover for which the message has no room (64 KiB, some 150 links) is left out. */
EDN_MUST_USE edn_status edn_meeting_added(edn_meeting *m, const edn_meeting_welcome *welcome, edn_buf *out);
/* Gives up, wherever it stands. */
void edn_meeting_cancel(edn_meeting *m, edn_buf *out);

/* The psk of the grant in the link that adds the new device: KDF(key a to b, "EDNv1/pair/grant-psk", 32; th), and its
 * id T("EDNv1/grant/psk"; "pair", device). Once the keys stand. */
EDN_MUST_USE edn_status edn_meeting_grant_seal(const edn_meeting *m, const edn_grant_context *cx, const edn_dh_pk *to,
                                               const edn_root_key *root, uint8_t out[EDN_GRANT_SIZE]);
/* The new device's own among the grants of that link. EDN_E_MISSING, EDN_E_FORMAT, EDN_E_AUTH. */
EDN_MUST_USE edn_status edn_meeting_grant_open(const edn_meeting *m, const edn_grant_context *cx, const edn_dh_sk *sk,
                                               edn_bytes blob, edn_root_key *root);

#endif
