/* secret: passphrases and account keys on their way in: from the terminal without echo, or from a file descriptor.
 * They live in locked memory and are wiped when disposed of. */
#ifndef EDN_CLI_SECRET_H
#define EDN_CLI_SECRET_H

#include "base/base.h"

/* Longer than any passphrase that is taken (1,024 bytes), so that the client can say that one is too long. */
#define EDN_CLI_SECRET_MAX 4096u

typedef struct edn_cli_secret {
    uint8_t *p; /* edn_secret_alloc; NULL: none */
    size_t n;
} edn_cli_secret;

void edn_cli_secret_dispose(edn_cli_secret *s);
edn_bytes edn_cli_secret_view(const edn_cli_secret *s);

/* One line from the terminal, whatever standard input is. A signal that comes meanwhile finds the terminal as it was.
 * EDN_E_MISSING: there is no terminal; EDN_E_LIMIT: too long; EDN_E_CANCELLED: end of input. */
EDN_MUST_USE edn_status edn_cli_secret_ask(const char *prompt, edn_cli_secret *out, edn_err *err);
/* One line from a file descriptor, not one byte more, so that a second secret may follow on the next line. `what` names
 * it. EDN_E_INVALID: nothing there, or the descriptor is not open; EDN_E_LIMIT. */
EDN_MUST_USE edn_status edn_cli_secret_read(int fd, const char *what, edn_cli_secret *out, edn_err *err);

#endif
