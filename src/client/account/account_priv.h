/* account: what making, joining and re-locking an account share. */
#ifndef EDN_CLIENT_ACCOUNT_PRIV_H
#define EDN_CLIENT_ACCOUNT_PRIV_H

#include "client/client_priv.h"

#define ACCOUNT_NAME_SIZE 257u
/* NFKC, case folded, trimmed: what the server's key for an account is made of. EDN_E_INVALID, EDN_E_UTF8. */
EDN_MUST_USE edn_status account_name_prepare(const char *name, char out[ACCOUNT_NAME_SIZE], edn_err *err);
edn_hash account_name_hash(const identity *id);

/* ---- a home that was begun (begun.c) ----------------------------------------------------------------------------- */

typedef enum begun_kind { BEGUN_NOT = 0, BEGUN_INIT = 1, BEGUN_LOGIN = 2, BEGUN_RECOVER = 3 } begun_kind;
const char *begun_command(begun_kind kind); /* "init", "login", "recover" */

/* Inside a transaction. */
EDN_MUST_USE edn_status begun_mark(edn_client *c, begun_kind kind);
EDN_MUST_USE edn_status begun_unmark(edn_client *c);
EDN_MUST_USE edn_status begun_read(edn_store *s, begun_kind *out);
/* Whether the home is one that `kind` began. EDN_E_EXISTS: it is something else; else it is free. */
EDN_MUST_USE edn_status begun_find(edn_client *c, begun_kind kind, bool *found, edn_err *err);
/* Opens and unlocks it. EDN_E_PASSPHRASE; EDN_E_EXISTS: it was begun with another server or name (NULL: with any). */
EDN_MUST_USE edn_status begun_open(edn_client *c, const char *server, const char *name, edn_bytes passphrase,
                                   edn_err *err);
/* Whether a failure is the server's no, after which nothing of what was begun will ever be. */
bool begun_is_over(edn_status st);
/* Says that the same command again will finish; gives `st`. */
edn_status begun_keep(edn_client *c, edn_status st, edn_err *err);
edn_status home_taken(edn_client *c, edn_err *err);

/* An HTTP status that is not success, in words. */
edn_status http_status_fail(const edn_http_answer *a, const char *origin, edn_err *err);
/* One request whose answer must be 200 or 201; any answer's body is appended to `body`. A NULL body asks by GET. */
EDN_MUST_USE edn_status account_call(edn_client *c, const char *origin, const char *path, const char *bearer,
                                     edn_bytes rq, edn_buf *body, int *http_status, edn_err *err);
/* Appends a link, and the boxes that it names, to the account's log at the server. An answer that was lost is asked for
 * again, so that what was done counts as done. EDN_E_CONFLICT: the log there has moved on. */
/* What `st` and the answer to links that were sent come to: done when it says that the log has `count` links now and
 * ends with `head`; also when it was done before. EDN_E_SERVER: it says nothing of the kind, so nobody knows. */
EDN_MUST_USE edn_status account_log_heard(edn_status st, const char *origin, edn_bytes body, uint64_t count,
                                          const edn_hash *head, edn_err *err);
EDN_MUST_USE edn_status account_log_append(edn_client *c, const char *origin, const char *token, edn_bytes link,
                                           const edn_bytes *boxes, size_t boxes_n, edn_err *err);
/* The key that the server signs receipts with, at first contact. */
EDN_MUST_USE edn_status account_pin_server(edn_client *c, const char *origin, edn_sign_pk *receipt_pk, edn_err *err);
/* A box that a link names; its hash is checked. */
EDN_MUST_USE edn_status account_fetch_box(edn_client *c, const char *origin, const char *token, const edn_hash *hash,
                                          edn_buf *out, edn_err *err);
/* A new passphrase record, the root box under it, and the link that says so. */
EDN_MUST_USE edn_status account_make_kdf(edn_client *c, const identity *id, const edn_devlog *log, edn_bytes prepared,
                                         edn_kdf_profile profile, const edn_root_secret *secret, edn_kdf_record *record,
                                         edn_buf *root_box, edn_buf *link);
/* The account's present record and root box: from here, or from the server ("" for no token). */
EDN_MUST_USE edn_status account_load_wrap(edn_client *c, const char *token, edn_kdf_record *record, edn_buf *box,
                                          edn_err *err);
/* EDN_E_AUTH: another passphrase. */
EDN_MUST_USE edn_status account_open_root(edn_client *c, edn_bytes prepared, const edn_kdf_record *record,
                                          edn_bytes box, edn_root_secret *out);
/* The highest profile that a record reaches. */
edn_kdf_profile account_profile_of(const edn_kdf_record *r);
/* The newest log, and a token that is still good for a while: a probe alone would need none, and bring none. */
EDN_MUST_USE edn_status account_fresh_token(edn_client *c, edn_sync_remote *remote, edn_err *err);
/* A new root key for all devices, and the root box under it (rotation.c). `also` runs in the transaction in which this
 * device takes the key; or NULL. EDN_E_PASSPHRASE, EDN_E_DENIED, … */
EDN_MUST_USE edn_status account_rotate(edn_client *c, edn_bytes passphrase, edn_status (*also)(edn_client *c),
                                       edn_err *err);
/* The same, and the account's own key (AIK) with it. */
EDN_MUST_USE edn_status account_rotate_own_key(edn_client *c, edn_bytes passphrase, edn_err *err);
/* ---- the account key, as it changes (account_key.c); inside a transaction that writes ---------------------------- */

/* What a device document says of it, when that is newer than what is here. */
EDN_MUST_USE edn_status account_key_heard(edn_client *c, const edn_doc *device);
/* A key that counts once the link that waits (passphrase.c) is in the log; and no longer. */
EDN_MUST_USE edn_status account_key_plan(edn_client *c, const edn_account_key *next);
EDN_MUST_USE edn_status account_key_unplan(edn_client *c);
/* Link `seq` is in the log: the planned key, if there is one, is this device's, and the others are told. */
EDN_MUST_USE edn_status account_key_settle(edn_client *c, uint64_t seq);
/* The key that came with link `seq`, SET_KDF, which is here, is this device's, and the others are told: none that was
 * said before counts any more. */
EDN_MUST_USE edn_status account_key_say(edn_client *c, uint64_t seq, const uint8_t key[16]);

/* ---- a device on its way in -------------------------------------------------------------------------------------- */

/* What is made for a new device before anything is written down; in guarded memory. */
typedef struct enrolment {
    edn_local_key ldk;
    edn_root_key rk;
    edn_seed aik_seed;
    edn_sign_pk aik;
    edn_sign_sk aik_sk;
    edn_cert cert;
    identity id;
    edn_kdf_record record;
    uint32_t epoch;
} enrolment;

/* What a new home is made of. */
typedef struct new_home {
    edn_bytes slot; /* none: of a shared journal, or of a home that has one */
    const edn_bytes *links, *boxes;
    size_t links_n, boxes_n;
    const edn_sync_remote *remote; /* the pinned server; NULL: none */
    begun_kind begun;              /* an init that its server has yet to hear of; a login that it heard of now: NOT */
    const edn_claim *claims;       /* what the server owes already */
    size_t claims_n;
    bool first;             /* of the account: it makes the first journal */
    edn_bytes journal_name; /* what that is called; empty: "Diary" */
    bool recovered; /* from shares: it is not under way any more, and the devices in `lost` are still to be revoked */
    edn_bytes lost;
    uint64_t key_seq; /* recovered: the link that this device's account key came with */
} new_home;

typedef struct joining {
    enrolment *e;
    edn_devlog *log;
    edn_sign_pk receipt_pk;
    char token[EDN_TOKEN_SIZE_MAX + 1];
    edn_wrap_key wrap;
    edn_arena links_arena;
    edn_bytes *links;
    size_t links_n, links_cap;
    edn_buf root_box;
    edn_head *heads; /* what need not be sent with the log */
    size_t heads_n;
} joining;

/* Makes a device's keys, and the certificate of them. The name was checked. */
void account_new_cert(edn_client *c, enrolment *e, const char *device_name);
/* The keys of a device whose home, which `c` has open, was begun before. */
void account_kept_cert(edn_client *c, enrolment *e);
/* A grants blob for this one device. In link 0 there is no account id yet: there it is zero, as in the link itself. */
EDN_MUST_USE edn_status account_grant_to_self(edn_client *c, const enrolment *e, const edn_account_id *account,
                                              uint64_t link_seq, const edn_hash *prev, edn_buf *out);
EDN_MUST_USE edn_status account_home_is_free(edn_client *c, edn_err *err);
/* A new home, in one transaction: rows, and what every home has (a name for the device, a first journal). A failure
 * leaves nothing behind. */
EDN_MUST_USE edn_status account_write_home(edn_client *c, const enrolment *e, const new_home *h, edn_err *err);
/* A home that knows who it is, and nothing else yet; `recovering`: and what a recovery goes on from. */
EDN_MUST_USE edn_status account_begin_home(edn_client *c, const enrolment *e, edn_bytes slot, begun_kind kind,
                                           edn_bytes recovering, edn_err *err);
/* Such a home, which `c` has open, gets the rest. */
EDN_MUST_USE edn_status account_finish_home(edn_client *c, const enrolment *e, const new_home *h, edn_err *err);
/* Takes away a home that will never be used. */
void account_unmake_home(edn_client *c);
/* A login, in two steps. The challenge's origin is checked; it lives in `a`. */
EDN_MUST_USE edn_status account_challenge(edn_client *c, const identity *id, const edn_msg_challenge_ask *ask,
                                          edn_arena *a, edn_msg_challenge *out, edn_err *err);
/* `login` holds kind, device and client nonce. EDN_E_DENIED. */
EDN_MUST_USE edn_status account_sign_in(edn_client *c, const identity *id, const edn_msg_challenge *ch,
                                        edn_msg_login *login, const edn_sign_sk *sk, char token[EDN_TOKEN_SIZE_MAX + 1],
                                        edn_err *err);
/* A copy of a link, at the end of a list that grows in the arena. EDN_E_NOMEM. */
EDN_MUST_USE edn_status account_keep_link(edn_arena *a, edn_bytes **links, size_t *n, size_t *cap, edn_bytes link);
/* Fetches and checks what the log has beyond what is here. */
EDN_MUST_USE edn_status account_pull_log(edn_client *c, joining *j, edn_err *err);

void account_root_secret(edn_root_secret *out, const edn_seed *aik_seed, const edn_root_key *rk, const edn_devlog *log);

#endif
