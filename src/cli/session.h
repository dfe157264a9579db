/* session: the unlocked key in the kernel's keyring, where it is for some minutes and never on a disk. A key of type
 * "user" called edn:DEVICE (those of locked journals that are open: edn-journals:DEVICE), which its possessor alone
 * can see, in the session keyring; where logins have none of their own, in the keyring that all sessions of the user
 * share, which is what the kernel then searches. */
#ifndef EDN_CLI_SESSION_H
#define EDN_CLI_SESSION_H

#include <edn/client.h>

#include "crypto/seal.h"

EDN_KEY_TYPE(edn_cli_session_key) /* of EDN_SESSION_KEY_SIZE bytes */

/* *shared: every session of this user finds it. EDN_E_MISSING: the kernel gives no keyring here; `err` says why. */
EDN_MUST_USE edn_status edn_cli_session_put(const char *device, const edn_cli_session_key *key, uint32_t timeout_s,
                                            bool *shared, edn_err *err);
/* Whether there is one; `out` is a secret. */
EDN_MUST_USE bool edn_cli_session_find(const char *device, edn_cli_session_key *out);
/* Revokes it at once, and those of journals. Whether there was one. */
bool edn_cli_session_forget(const char *device);

/* Keys of locked journals, all in one: each time it is put its time begins anew. */
typedef struct edn_cli_journal_key {
    edn_journal_id journal;
    uint8_t key[32];
} edn_cli_journal_key;
#define EDN_CLI_JOURNAL_KEYS_MAX 64u
EDN_MUST_USE edn_status edn_cli_session_put_journals(const char *device, const edn_cli_journal_key *keys, size_t n,
                                                     uint32_t timeout_s, edn_err *err);
/* How many there are; `out` is a secret. */
size_t edn_cli_session_find_journals(const char *device, edn_cli_journal_key out[EDN_CLI_JOURNAL_KEYS_MAX]);

#endif
