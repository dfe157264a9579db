/* ask: a line from a person on standard input, where nothing secret is asked. */
#ifndef EDN_CLI_ASK_H
#define EDN_CLI_ASK_H

#include "cli/cli_priv.h"

/* Shows the prompt on standard error and reads one line, not a byte more, without its end. EDN_E_CANCELLED: end of
 * input, or a signal; EDN_E_LIMIT: longer than `max`. */
EDN_MUST_USE edn_status edn_cli_ask_line(edn_cli *c, const char *prompt, char *out, size_t max);
/* "y" or "yes" in either case; anything else is no. */
EDN_MUST_USE edn_status edn_cli_ask_yes(edn_cli *c, const char *prompt, bool *yes);

#endif
