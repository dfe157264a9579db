/* revoke: which devices are to go, several at once, and whom they had let in with them. */
#ifndef EDN_CLI_REVOKE_H
#define EDN_CLI_REVOKE_H

#include "cli/cli_priv.h"

#define EDN_CLI_REVOKE_MAX 32u /* as many as an account has */

typedef struct edn_cli_revoking {
    char p[EDN_CLI_REVOKE_MAX][33]; /* ids */
    size_t n;
} edn_cli_revoking;

/* EDN_E_LIMIT. One that is there already is no other. */
EDN_MUST_USE edn_status edn_cli_revoking_add(edn_cli_revoking *r, const char *device, edn_err *err);
/* Adds whom those in `r` let in, and whom these let in, that are active and not this device: each after a question, or
 * (`yes`) without. */
EDN_MUST_USE edn_status edn_cli_revoking_add_guests(edn_cli *c, edn_cli_revoking *r, bool yes);
/* Revokes them, all or none, and says so. None: does nothing. */
EDN_MUST_USE edn_status edn_cli_revoke(edn_cli *c, const edn_cli_revoking *r, edn_bytes passphrase);

#endif
