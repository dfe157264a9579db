/* editor: a text in the user's editor. The file lies in a private folder in memory (tmpfs): what is written in a
 * diary reaches no disk in the clear. It is wiped afterwards, also when a signal comes, and kept only when it could
 * not be saved. */
#ifndef EDN_CLI_EDITOR_H
#define EDN_CLI_EDITOR_H

#include "base/base.h"

#define EDN_CLI_TEXT_MAX ((size_t)1 << 30)

typedef struct edn_cli_editor edn_cli_editor;

/* Makes the file, holding `text` and a line end. Signals are only noted (cli/signals.h) until it is closed.
 * `allow_disk`: a folder on a disk will do when there is none in memory. EDN_E_INVALID: there is none; EDN_E_IO,
 * EDN_E_FULL. */
EDN_MUST_USE edn_status edn_cli_editor_open(edn_bytes text, bool allow_disk, edn_cli_editor **out, edn_err *err);
/* Runs $VISUAL, $EDITOR, sensible-editor, nano or vi on it and appends what is in the file then, without one line end
 * at its end. EDN_E_CANCELLED: the editor ended with an error (and no signal came to us), nothing is to be changed;
 * EDN_E_MISSING: no editor. `text` holds what must not be left in memory: edn_buf_wipe it. */
EDN_MUST_USE edn_status edn_cli_editor_run(edn_cli_editor *e, edn_buf *text, edn_err *err);
/* Wipes and removes the folder, or leaves it and returns the file's path (malloc'ed; NULL: no memory). */
void edn_cli_editor_close(edn_cli_editor *e);
char *edn_cli_editor_keep(edn_cli_editor *e);

#endif
