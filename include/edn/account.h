/* edn/account: the account's own history, which no server can change: every device added or revoked, every change of
 * keys, passphrase or recovery, as the device log has it and this device has checked it. */
#ifndef EDN_ACCOUNT_H
#define EDN_ACCOUNT_H

#include <edn/client.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct edn_account_change {
    uint64_t seq, time_ms; /* the link's number; what its author's clock said, which proves nothing */
    /* "genesis", "add", "revoke", "rotate", "passphrase", "recovery", "checkpoint", "policy", "key", "reseal". And,
     * which is no link (seq UINT64_MAX) but the server's word: "recovery-asked", "recovery-cancelled" (signed by
     * `by`). */
    const char *type;
    uint64_t until_ms; /* recovery-asked: when it may go on, by the server's clock */
    char by[33];       /* the device that made it; empty: the account's own key (a login by passphrase, a recovery) */
    edn_bytes text;    /* one sentence, with names as they are known here */
} edn_account_change;
typedef edn_status edn_account_change_fn(void *ctx, const edn_account_change *change);

/* All of it, the oldest first; a recovery under way, or cancelled, comes last. A status that `fn` gives stops it and is
 * passed on. */
EDN_MUST_USE edn_status edn_client_log(edn_client *c, edn_account_change_fn *fn, void *ctx, edn_err *err);
/* What other devices did since this was asked last (or since this device joined), each told once: for right after a
 * sync. Nothing is noted as told when `fn` fails. */
EDN_MUST_USE edn_status edn_client_log_news(edn_client *c, edn_account_change_fn *fn, void *ctx, edn_err *err);

/* ---- everything under new keys ----------------------------------------------------------------------------------- */

typedef struct edn_rekey_result {
    uint64_t objects; /* entries, journals and devices sealed again */
    uint64_t batches; /* sent on the way */
} edn_rekey_result;
/* A new root key for what is written from now on; with `own_key` also another account identity key (AIK), which signs
 * what no device can: whoever had the old one, by passphrase and account key or by enough shares, lets nobody in any
 * more. Recovery shares are to be made again in either case. EDN_E_PASSPHRASE; EDN_E_DENIED, EDN_E_NETWORK, a
 * sync's. */
EDN_MUST_USE edn_status edn_client_rekey(edn_client *c, edn_bytes passphrase, bool own_key, edn_err *err);
/* A new root key, everything that is here sealed again under it by this device and sent, and then the old batches let
 * go, here and at the server: keys of before open nothing of this diary that is still stored there. It can be broken
 * off anywhere, by `progress` (EDN_E_CANCELLED) too, and goes on at the next call, which then needs no passphrase.
 * Other devices may write meanwhile. EDN_E_PASSPHRASE; EDN_E_DENIED: this device may not; EDN_E_DAMAGED: something
 * here cannot be read, and nothing was let go; EDN_E_SERVER: the server did not sign for all of it; EDN_E_BUSY; a
 * sync's. */
EDN_MUST_USE edn_status edn_client_rekey_deep(edn_client *c, edn_bytes passphrase, const edn_progress *progress,
                                              edn_rekey_result *out, edn_err *err);
/* Whether one was begun on this device and is not done. */
EDN_MUST_USE edn_status edn_client_rekey_pending(edn_client *c, bool *out, edn_err *err);

/* A new account key, in one step that a crash anywhere leaves done or not done (a sync tells which): the old one,
 * and every sheet with it, lets nobody in any more. The same cost whatever the diary holds. An account without one
 * gets one. Other devices have it after this one's next sync and theirs; edn_client_account has its text.
 * EDN_E_PASSPHRASE: not the account's passphrase; EDN_E_NETWORK, EDN_E_RATE, EDN_E_SERVER: no answer of the server's
 * own, so it is done or not done: the next sync tells; a sync's. */
EDN_MUST_USE edn_status edn_client_account_key_renew(edn_client *c, edn_bytes passphrase, edn_err *err);

/* ---- comparing with another device ------------------------------------------------------------------------------- */

#define EDN_HEAD_WORDS_MAX 54u
#define EDN_HEAD_TEXT_MAX 160u
typedef struct edn_head_shown {
    uint64_t links;
    char words[EDN_HEAD_WORDS_MAX]; /* six, to read aloud */
    char text[EDN_HEAD_TEXT_MAX];   /* the whole, for a QR code (alphanumeric) */
} edn_head_shown;
/* What another device of the account shows too when it has been shown the same history. */
EDN_MUST_USE edn_status edn_client_head(edn_client *c, edn_head_shown *out, edn_err *err);

typedef enum edn_head_verdict {
    EDN_HEAD_SAME,
    EDN_HEAD_BEHIND, /* the other device has the same history, and not yet the newest of it */
    EDN_HEAD_AHEAD,  /* it has more than this one: sync here, then compare again */
    EDN_HEAD_OTHER   /* another history, or words with a mistake in them */
} edn_head_verdict;
/* What the other device shows, as words or as the text of its QR code. By words, AHEAD cannot be told from OTHER, and
 * is never given. *links: how many the other has (BEHIND, AHEAD). EDN_E_INVALID: neither six words nor such a text;
 * EDN_E_ACCOUNT: a text of another account. */
EDN_MUST_USE edn_status edn_client_head_compare(edn_client *c, edn_bytes shown, edn_head_verdict *out, uint64_t *links,
                                                edn_err *err);

#ifdef __cplusplus
}
#endif
#endif
