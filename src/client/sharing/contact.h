/* contact: other accounts, as this one knows them. What is known is a document of the personal space, the same on all
 * devices; the account's log is always fetched anew, and held against what was pinned of it. */
#ifndef EDN_CLIENT_CONTACT_H
#define EDN_CLIENT_CONTACT_H

#include "client/account/account_priv.h"
#include "keys/sharing.h"

#include <edn/sharing.h>

typedef struct contact {
    edn_account_id account;
    char server[EDN_ORIGIN_SIZE_MAX + 1], name[257];
    edn_contact_state state;
    uint64_t seq; /* the newest link that was seen of its log */
    edn_hash head;
} contact;

/* What the document of an account is called by, be it a contact or a shared space: the beginning of its id. */
static inline edn_entry_id account_entry(const edn_account_id *account)
{
    edn_entry_id id;

    memcpy(id.b, account->b, sizeof id.b);
    return id;
}

/* Inside a transaction. EDN_E_MISSING. */
EDN_MUST_USE edn_status contact_load(edn_client *c, const edn_account_id *account, contact *out);
/* Inside a transaction that writes. */
EDN_MUST_USE edn_status contact_save(edn_client *c, const contact *k);
/* Inside a transaction: by name, or the beginning of the account's id. EDN_E_MISSING, EDN_E_AMBIGUOUS. */
EDN_MUST_USE edn_status contact_find(edn_client *c, const char *what, contact *out, edn_err *err);

/* An account's log from a server, verified from its first link; outside of transactions. */
typedef struct fetched_log {
    edn_devlog *log;
    edn_arena arena;
    edn_bytes *links; /* in `arena` */
    size_t links_n, links_cap;
} fetched_log;
/* Either by account, with a witness of its log, or (`account` NULL) by name hash under a token of this account's.
 * EDN_E_MISSING: nobody; EDN_E_ACCOUNT: of another account than was asked for; what a link is refused with. Free it in
 * any case. */
EDN_MUST_USE edn_status log_fetch(edn_client *c, const char *server, const edn_account_id *account,
                                  const edn_witness *witness, fetched_log *out, edn_err *err);
EDN_MUST_USE edn_status log_fetch_named(edn_client *c, const char *server, const edn_hash *name, const char *token,
                                        fetched_log *out, edn_err *err);
void fetched_log_dispose(fetched_log *f);
/* Whether what is pinned of a contact stands in a log. EDN_E_FORK: another link is there; EDN_E_ROLLBACK: it is
 * shorter. */
EDN_MUST_USE edn_status contact_agrees(const contact *k, const edn_devlog *log, edn_err *err);
/* log_fetch and contact_agrees. */
EDN_MUST_USE edn_status contact_log(edn_client *c, const contact *k, fetched_log *out, edn_err *err);

/* ---- letters (letter.c); outside of transactions ----------------------------------------------------------------- */

/* Seals a letter to a contact, whose log was just fetched, and puts it into its inbox. */
EDN_MUST_USE edn_status letter_send(edn_client *c, const contact *to, const edn_devlog *log, edn_letter_kind kind,
                                    edn_bytes payload, edn_err *err);
/* What is known of who wrote a letter. */
typedef struct letter_sender {
    contact k; /* as pinned; of one who is no contact: as it writes of itself, and `known` is false */
    bool known;
    fetched_log *log; /* as it is now; borrowed for the call */
} letter_sender;
/* `fn` gets the letters of this account's inbox that are authentic: open, signed by an active device of the sender,
 * whose log agrees with what is pinned. The others are taken out of the inbox, but for those whose sender cannot be
 * asked about now. A payload is borrowed for the call. */
typedef edn_status letter_fn(void *ctx, uint64_t number, const edn_letter *letter, const letter_sender *from);
EDN_MUST_USE edn_status letters_each(edn_client *c, letter_fn *fn, void *ctx, edn_err *err);
EDN_MUST_USE edn_status letter_drop(edn_client *c, uint64_t number, edn_err *err);

#endif
