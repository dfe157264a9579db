/* edn/recovery: with every device and the passphrase lost, some of the shares that are on paper and with contacts bring
 * the account back. */
#ifndef EDN_RECOVERY_H
#define EDN_RECOVERY_H

#include <edn/client.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EDN_RECOVERY_SHARES_MAX 16u
#define EDN_RECOVERY_WORDS_MAX 320u /* 33 words of at most eight letters, blanks between, a zero behind */
#define EDN_RECOVERY_SET_MAX 48u    /* a set's code: 30 digits in groups, a zero behind */

/* What stands on one page. Borrowed while it is shown; `words` is a secret. */
typedef struct edn_recovery_page {
    unsigned number, n, needed; /* share `number` of n, of which `needed` are enough */
    const char *words;
    const char *set; /* which set of shares: for 'edn recover'; tells nothing */
    const char *account, *server, *name;
    bool contacts; /* some of the others are with contacts: 'edn recover --contacts' */
} edn_recovery_page;
typedef edn_status edn_recovery_page_fn(void *ctx, const edn_recovery_page *page);

/* `needed` of n shares recover the account. The last ones go to contacts, one each, the others on paper. */
typedef struct edn_recovery_plan {
    unsigned needed, n;
    const char *const *contacts; /* by name, or the beginning of the account's id */
    size_t contacts_n;           /* at most n */
} edn_recovery_plan;

/* Makes a new recovery key in shares; the shares before are worth nothing from then on. `fn` gets each page, and then
 * contacts their shares, sealed to them, before the account knows of them, so that no set is good whose shares nobody
 * has: what was written and sent is for nothing when this fails afterwards. With a server it must be reachable.
 * EDN_E_INVALID: the numbers (2 to 16 shares, 2 to all of them needed), or the same contact twice; EDN_E_DENIED: a
 * contact whose number was not compared; EDN_E_FORK, EDN_E_ROLLBACK: one whose log is another than it was;
 * EDN_E_PASSPHRASE: not the account's passphrase; what `fn` gives. */
EDN_MUST_USE edn_status edn_client_recovery_setup(edn_client *c, edn_bytes passphrase, const edn_recovery_plan *plan,
                                                  edn_recovery_page_fn *fn, void *ctx, edn_err *err);

typedef struct edn_recovery_info {
    bool there;
    bool current; /* opens the present keys: false after a device was revoked, until a new set is made */
    unsigned needed, n;
    uint64_t time_ms;
    char set[EDN_RECOVERY_SET_MAX];
} edn_recovery_info;
EDN_MUST_USE edn_status edn_client_recovery_info(edn_client *c, edn_recovery_info *out, edn_err *err);

/* ---- shares with contacts ---------------------------------------------------------------------------------------- */

/* What a contact said of the share that it was given; signed by a device of theirs. */
typedef enum edn_keeper_state {
    EDN_KEEPER_SILENT = 0, /* nothing yet */
    EDN_KEEPER_KEEPS = 1,
    EDN_KEEPER_REFUSES = 2 /* does not, or not any more */
} edn_keeper_state;
typedef struct edn_recovery_keeper {
    edn_bytes name;
    char id[33];     /* the beginning of the account's */
    unsigned number; /* of the share */
    edn_keeper_state state;
    uint64_t time_ms; /* of the answer */
    bool removed;     /* is no contact any more, but was given the share */
} edn_recovery_keeper;
typedef edn_status edn_recovery_keeper_fn(void *ctx, const edn_recovery_keeper *keeper);
/* Who was given shares of the present set, as far as this device knows. */
EDN_MUST_USE edn_status edn_client_recovery_keepers(edn_client *c, edn_recovery_keeper_fn *fn, void *ctx, edn_err *err);
/* Takes in what they have answered since; asks each of them by letter to answer anew. */
EDN_MUST_USE edn_status edn_client_recovery_answers(edn_client *c, edn_err *err);
EDN_MUST_USE edn_status edn_client_recovery_ask_keepers(edn_client *c, edn_err *err);

/* A share of somebody else that this account keeps, or that it was sent to keep. */
typedef enum edn_entrusted_state {
    EDN_ENTRUSTED_OFFERED = 1,
    EDN_ENTRUSTED_KEPT = 2,
    EDN_ENTRUSTED_OLD = 3,   /* the account has made a newer set: this one opens nothing */
    EDN_ENTRUSTED_FORKED = 4 /* the server shows another log of the account than before: nothing is given */
} edn_entrusted_state;
typedef struct edn_entrusted_share {
    const char *name, *server;
    char account[65], set[EDN_RECOVERY_SET_MAX];
    unsigned number, needed, n;
    edn_entrusted_state state;
    bool known, verified; /* a contact; one whose number was compared */
    bool asked;           /* the owner asks whether it is still kept */
    uint64_t time_ms;     /* offered: when it was sent */
} edn_entrusted_share;
typedef edn_status edn_entrusted_fn(void *ctx, const edn_entrusted_share *share);
/* First what was offered, then what is kept. What is kept is told even when the server cannot be asked, which is then
 * what this gives. */
EDN_MUST_USE edn_status edn_client_entrusted(edn_client *c, edn_entrusted_fn *fn, void *ctx, edn_err *err);
/* Keeps the share that `who` sent, or goes on keeping it, and tells them. EDN_E_MISSING: there is none; EDN_E_DENIED:
 * no contact; EDN_E_AUTH: of an older set; EDN_E_FORK, EDN_E_ROLLBACK, EDN_E_AMBIGUOUS. */
EDN_MUST_USE edn_status edn_client_entrusted_keep(edn_client *c, const char *who, edn_err *err);
/* Does not keep it, or not any longer, and tells them so. */
EDN_MUST_USE edn_status edn_client_entrusted_refuse(edn_client *c, const char *who, edn_err *err);
/* Whether a machine asks for the share that is kept for `who`; `fn` hears of the share. EDN_E_MISSING: no share, or
 * nobody asks; EDN_E_AUTH: it is of an older set; EDN_E_FORK, EDN_E_ROLLBACK. */
EDN_MUST_USE edn_status edn_client_entrusted_asked(edn_client *c, const char *who, edn_entrusted_fn *fn, void *ctx,
                                                   edn_err *err);
/* Gives it to the machine whose eight words these are, as the person has read them out. EDN_E_AUTH: no machine that the
 * server shows has these words, and nothing was given; else as above. */
EDN_MUST_USE edn_status edn_client_entrusted_give(edn_client *c, const char *who, const char *words, edn_err *err);

/* ---- taking shares one by one ------------------------------------------------------------------------------------ */

typedef struct edn_recovery edn_recovery;
void edn_recovery_free(edn_recovery *r); /* wipes */

/* Proves that enough shares are alive: nothing is changed, and what they open is wiped. The client must outlive *out.
 * EDN_E_MISSING: this account has no shares. */
EDN_MUST_USE edn_status edn_recovery_drill(edn_client *c, edn_recovery **out, edn_err *err);
/* Takes the words of one share. *have: how many different good ones there are; once they are enough, the box that they
 * open was opened and checked as well (in a drill; on a bare machine it comes after the wait). EDN_E_INVALID: a word
 * is wrong (which); EDN_E_AUTH: a share of another account or set, or an altered one; EDN_E_EXISTS: this one was
 * given already. After these the shares before still count. */
EDN_MUST_USE edn_status edn_recovery_add(edn_recovery *r, edn_bytes words, unsigned *have, unsigned *needed,
                                         edn_err *err);

/* ---- a recovery that waits --------------------------------------------------------------------------------------- */

typedef enum edn_recovery_state {
    EDN_RECOVERY_NONE = 1,     /* none is under way */
    EDN_RECOVERY_WAITING = 2,  /* the server holds the sealed box back, so that a device can cancel */
    EDN_RECOVERY_READY = 3,    /* it gives it to whoever knows the set of shares */
    EDN_RECOVERY_CANCELLED = 4 /* a device said no */
} edn_recovery_state;

/* Times are the server's, which is the one that waits: the wait is its rule, and no cryptography. */
typedef struct edn_recovery_wait {
    edn_recovery_state state;
    uint64_t asked_ms, ready_ms, now_ms;
    char by[33]; /* cancelled: the device that did, and when it says it did; signed by it */
    uint64_t cancelled_ms;
    bool own; /* cancelled: by this device */
} edn_recovery_wait;

/* For a device: the account's recovery as the last sync heard of it; now_ms is this device's clock. */
EDN_MUST_USE edn_status edn_client_recovery_held(edn_client *c, edn_recovery_wait *out, edn_err *err);
/* Cancels it, by this device's signature, at the server and at once. EDN_E_MISSING: none is under way. */
EDN_MUST_USE edn_status edn_client_recovery_cancel(edn_client *c, edn_err *err);

/* ---- with everything lost -------------------------------------------------------------------------------------------
 *
 *     begin ─▶ add, add, … ─▶ ask ─▶ (days later, another process: resume ─▶) finish ─▶ lost, lost, … ─▶ done
 *
 * When contacts keep shares:
 *
 *     begin ─▶ request ─▶ words, and collect or add, … (or resume, and again) until enough ─▶ finish as above
 *
 * From `ask` or `request` on everything is in the home, sealed under the new passphrase: whatever stops it, `resume`
 * goes on. */

/* On a machine that has no diary yet, by what stands on a page: the server, the account's name and the set. Shares are
 * then taken as above (what they open is not here yet). Everything that the server shows is checked, and nothing is
 * asked of it that would begin the wait. EDN_E_DENIED: it knows no such account or set; EDN_E_EXISTS: there is a diary
 * in this home; EDN_E_INVALID: the set has a typing error; EDN_E_EPOCH: keys were made anew since these shares were
 * made, which therefore no longer open the account. */
EDN_MUST_USE edn_status edn_recovery_begin(const edn_client_options *options, const char *server, const char *name,
                                           const char *set, edn_recovery **out, edn_err *err);
/* Once enough shares were taken: makes the home, under the new passphrase, and asks the server, which tells every
 * device of the account. EDN_E_MISSING: more shares are needed. */
EDN_MUST_USE edn_status edn_recovery_ask(edn_recovery *r, const char *device_name, edn_strength strength,
                                         edn_bytes passphrase, edn_recovery_wait *out, edn_err *err);
/* The same with fewer shares than are needed, or none: from then on contacts can give theirs to this machine. */
EDN_MUST_USE edn_status edn_recovery_request(edn_recovery *r, const char *device_name, edn_strength strength,
                                             edn_bytes passphrase, edn_recovery_wait *out, edn_err *err);
/* What the person reads out to each contact, by voice or in person: eight words that are of this machine's request and
 * no other. EDN_E_MISSING: it has none. */
#define EDN_RECOVERY_REQUEST_MAX 80u
EDN_MUST_USE edn_status edn_recovery_words(const edn_recovery *r, char out[EDN_RECOVERY_REQUEST_MAX], edn_err *err);
/* What came in since: a share of a contact, or something false, which is named at once. */
typedef struct edn_recovery_came {
    bool good;
    unsigned number;  /* of the share; 0: it could not be opened */
    const char *text; /* what is wrong with it */
} edn_recovery_came;
typedef edn_status edn_recovery_came_fn(void *ctx, const edn_recovery_came *came);
/* Puts the request on the server's board, if it is not there, takes what was given, and asks how the wait stands.
 * EDN_E_MISSING: no request. Shares from paper are taken by edn_recovery_add as before, and kept in the home too. */
EDN_MUST_USE edn_status edn_recovery_collect(edn_recovery *r, edn_recovery_came_fn *fn, void *ctx,
                                             edn_recovery_wait *wait, unsigned *have, unsigned *needed, edn_err *err);
/* Whether there are as many shares as are needed. */
EDN_MUST_USE bool edn_recovery_enough(const edn_recovery *r);
/* Whether a recovery waits in this home. */
EDN_MUST_USE edn_status edn_recovery_begun(const edn_client_options *options, bool *out, edn_err *err);
/* Takes it up again, and asks the server how it stands. *again: the server knew of it no more (its time was over, or it
 * was set back), and the wait began anew. EDN_E_PASSPHRASE. */
EDN_MUST_USE edn_status edn_recovery_resume(const edn_client_options *options, edn_bytes passphrase, edn_recovery **out,
                                            edn_recovery_wait *wait, bool *again, edn_err *err);
/* Takes away the home of a recovery that was cancelled. */
void edn_recovery_abandon(edn_recovery *r);
/* When it is ready: opens the box, and adds this machine to the account, under the new passphrase and a new account
 * key, which end the old ones. The client is unlocked, nothing synced yet; the lost devices are still to be revoked
 * (after a sync, so that nothing of what they sent is lost), and the shares to be made anew. EDN_E_MISSING: it is not
 * ready. */
EDN_MUST_USE edn_status edn_recovery_finish(edn_recovery *r, edn_bytes passphrase, edn_client **out, edn_err *err);

/* The devices that were in the account when this one came back to it and are still active, by id (32 hex digits): they
 * are lost, and to be revoked. None once edn_client_recovery_done was called. */
typedef edn_status edn_recovery_lost_fn(void *ctx, const char *device);
EDN_MUST_USE edn_status edn_client_recovery_lost(edn_client *c, edn_recovery_lost_fn *fn, void *ctx, edn_err *err);
EDN_MUST_USE edn_status edn_client_recovery_done(edn_client *c, edn_err *err);

#ifdef __cplusplus
}
#endif
#endif
