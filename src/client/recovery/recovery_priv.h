/* recovery: what making, testing and using shares have in common. */
#ifndef EDN_CLIENT_RECOVERY_PRIV_H
#define EDN_CLIENT_RECOVERY_PRIV_H

#include <edn/recovery.h>

#include "client/account/account_priv.h"
#include "keys/recovery.h"

/* A set as the log names it, and in which epoch its link stands. */
typedef struct recovery_set {
    edn_recovery_set set;
    uint64_t seq, time_ms;
    uint32_t epoch;
} recovery_set;

struct edn_recovery {
    edn_account_id account;
    recovery_set at;
    edn_buf box;
    struct recovery_secrets {
        edn_word_share shares[EDN_SHARES_MAX];
        unsigned n;
        edn_recovery_key key;
        edn_recovery_secret opened;
        edn_dh_sk request; /* that contacts seal their shares to; zero: none are asked for */
    } * secret;            /* guarded */
    bool open;             /* enough shares are here, and fit */
    /* With everything lost: */
    edn_client *c;
    enrolment *e; /* guarded; NULL before `ask` */
    edn_kdf_profile profile;
    uint64_t begun;    /* the recovery at the server; 0: none was asked for */
    size_t gives;      /* so many were seen on the board */
    edn_msg_held held; /* its last answer; its links and boxes are in `arena` */
    char origin[EDN_ORIGIN_SIZE_MAX + 1], name[ACCOUNT_NAME_SIZE];
    edn_sign_pk receipt_pk;
    edn_arena arena;
    edn_bytes *links;
    size_t links_n;
    edn_devlog *log; /* to hold what was opened against */
};

EDN_MUST_USE edn_status recovery_new(edn_recovery **out, edn_err *err);
/* The newest set of a log whose links are given by `link` (appends one; EDN_E_MISSING past the end). EDN_E_MISSING: it
 * names none. */
typedef edn_status recovery_link_fn(void *ctx, uint64_t seq, edn_buf *out);
EDN_MUST_USE edn_status recovery_find(recovery_link_fn *link, void *ctx, uint64_t links, recovery_set *out);
/* Takes a share whose words or seal are open, against its commitment; with the last that is needed, combines them.
 * Errors as edn_recovery_add. */
EDN_MUST_USE edn_status recovery_take(edn_recovery *r, const edn_share *share, edn_err *err);
/* Back to the first n shares: the others could not be kept. */
void recovery_untake(edn_recovery *r, unsigned n);
/* Among those that count, unchecked; there are fewer than EDN_SHARES_MAX. */
void recovery_share_put(edn_recovery *r, const edn_share *share);
/* On a bare machine that has a home: what came so far is kept there. */
EDN_MUST_USE edn_status recovery_keep(edn_recovery *r, edn_err *err);
/* Opens the box and holds everything in it against the log. */
EDN_MUST_USE edn_status recovery_open(edn_recovery *r, edn_err *err);
/* The account's present set. EDN_E_MISSING. In a transaction. */
EDN_MUST_USE edn_status recovery_set_of(edn_client *c, recovery_set *out);
/* What its shares have in common. */
edn_share_set recovery_share_set(const edn_account_id *account, const edn_recovery_set *set);
/* One request about shares that others keep; the answer lives in `a`. */
EDN_MUST_USE edn_status shares_call(edn_client *c, const char *server, const edn_msg_share_ask *m, edn_arena *a,
                                    edn_msg_shares *out, edn_err *err);
/* For people, as it stands on the pages. */
void recovery_set_text(const edn_share_set_id *id, char out[EDN_RECOVERY_SET_MAX]);
/* What an answer says, once a cancelling in it is proven by its device's signature. EDN_E_SIG: it is not. */
EDN_MUST_USE edn_status recovery_wait_of(const edn_msg_held *m, const edn_devlog *log, edn_recovery_wait *out);
/* How the recovery stands that this device heard of. In a transaction. */
EDN_MUST_USE edn_status held_wait(edn_client *c, edn_recovery_wait *out, bool *told);
/* A share on paper as the commitment in the link means it. */
void recovery_share_of(const edn_word_share *w, edn_share *out);

#endif
