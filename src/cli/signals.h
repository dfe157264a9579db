/* signals: putting off the end until what was begun is tidied up. */
#ifndef EDN_CLI_SIGNALS_H
#define EDN_CLI_SIGNALS_H

#include "base/base.h"

/* From here on SIGINT, SIGTERM, SIGHUP and SIGQUIT are only noted; a second one ends the process as it would have.
 * Calls may be nested: the outermost release brings back what was. */
void edn_cli_signals_catch(void);
void edn_cli_signals_release(void);
/* The one that came; 0: none. */
int edn_cli_signal(void);
/* Notes none from here on: what came was answered (a watch that was asked to end). */
void edn_cli_signal_answered(void);
/* Ends the process by the signal that came, if one did, so that whoever started it sees why. */
void edn_cli_signals_raise(void);

#endif
