/* recovery: what making, testing and using shares have in common. */
#ifndef EDN_CLIENT_RECOVERY_PRIV_H
#define EDN_CLIENT_RECOVERY_PRIV_H

#include <edn/recovery.h>

#include "account_priv.h"
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
    } * secret; /* guarded */
    bool open;
    /* With everything lost: */
    edn_client *c; /* its home is not made yet */
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
/* A share on paper as the commitment in the link means it. */
void recovery_share_of(const edn_word_share *w, edn_share *out);

#endif
