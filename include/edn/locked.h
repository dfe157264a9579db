/* locked: journals with a second passphrase of their own (docs/spec/locked.md). Beside <edn/client.h>: while such a
 * journal is open, its entries are listed, searched, read and written there like all others; while it is closed, no
 * call gives anything of it but its name, and nothing in the home or at the server opens without the second passphrase.
 *
 * A journal is open from edn_client_journal_open (or _lock, _new_locked) until edn_client_journal_close, or until the
 * client is locked. Nobody can open one whose second passphrase is forgotten.
 *
 * `what` is the journal's name, or the beginning of its id (4 hex digits or more). EDN_E_MISSING: no locked journal is
 * called so; EDN_E_AMBIGUOUS. */
#ifndef EDN_LOCKED_H
#define EDN_LOCKED_H

#include <edn/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Locks a private journal: its entries are written anew under keys of its own, without what was crossed out before,
 * and leave the private one, whose name then says that it was before. It is open afterwards. What is left of them in
 * the diary itself is made blank, here now and on other devices when the journal is open there; batches that were
 * sent before stay, here and at the server, until edn_client_rekey_deep on a device where it was open. With a server
 * it must be within reach. EDN_E_EXISTS: it is locked; EDN_E_DENIED: it is shared; EDN_E_INVALID, EDN_E_UTF8,
 * EDN_E_LIMIT: the passphrase. Interrupted, edn_client_journal_open goes on. */
EDN_MUST_USE edn_status edn_client_journal_lock(edn_client *c, const edn_journal_id *journal, edn_bytes passphrase,
                                                edn_strength strength, edn_err *err);
/* A new one: nothing of it was ever under other keys. EDN_E_EXISTS: the name. */
EDN_MUST_USE edn_status edn_client_journal_new_locked(edn_client *c, edn_bytes name, edn_bytes passphrase,
                                                      edn_strength strength, edn_journal_id *out, edn_err *err);

/* Opens one. On a device that never had it open, the server must be within reach, and has it all fetched.
 * EDN_E_PASSPHRASE: wrong, and nothing was changed; EDN_E_KDF: its parameters are too weak to be ours. */
EDN_MUST_USE edn_status edn_client_journal_open(edn_client *c, const char *what, edn_bytes passphrase, edn_err *err);
/* Sends what is not sent, if the server is within reach, closes it, and wipes what was known of it. *unsent: something
 * is only here, and goes out when it is open again. */
EDN_MUST_USE edn_status edn_client_journal_close(edn_client *c, const char *what, bool *unsent, edn_err *err);
/* Changes the second passphrase, on all devices with the next sync. Whoever knew the old one and has a copy of the
 * diary from before can still open that copy. */
EDN_MUST_USE edn_status edn_client_journal_passphrase(edn_client *c, const char *what, edn_bytes old_passphrase,
                                                      edn_bytes new_passphrase, edn_strength strength, edn_err *err);
/* Takes the second passphrase off, on all devices with the next sync: it is open wherever the diary is. It cannot be
 * locked again. */
EDN_MUST_USE edn_status edn_client_journal_unlock(edn_client *c, const char *what, edn_bytes passphrase, edn_err *err);

typedef struct edn_locked_journal {
    edn_journal_id id;
    edn_bytes name;
    bool open;
    bool unsent; /* of a closed one: something may be only here */
} edn_locked_journal;
typedef edn_status edn_locked_fn(void *ctx, const edn_locked_journal *journal);
EDN_MUST_USE edn_status edn_client_locked_journals(edn_client *c, edn_locked_fn *fn, void *ctx, edn_err *err);

/* The key of an open one, for a front end that keeps it for some minutes where no disk is: wipe it after use.
 * EDN_E_MISSING: it is not open. It opens nothing without the diary's own. */
#define EDN_JOURNAL_KEY_SIZE 32u
EDN_MUST_USE edn_status edn_client_journal_key(edn_client *c, const edn_journal_id *journal,
                                               uint8_t key[EDN_JOURNAL_KEY_SIZE], edn_err *err);
/* EDN_E_MISSING: there is no such journal here, or the key is another one's. */
EDN_MUST_USE edn_status edn_client_journal_open_key(edn_client *c, const edn_journal_id *journal,
                                                    const uint8_t key[EDN_JOURNAL_KEY_SIZE], edn_err *err);

#ifdef __cplusplus
}
#endif
#endif
