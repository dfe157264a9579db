/* docs: everything that is written down about the commands, made from the table: help texts, the man page, the
 * completions of bash and zsh, docs/commands.md. Pure: each appends to a buffer. */
#ifndef EDN_CLI_DOCS_H
#define EDN_CLI_DOCS_H

#include "cli/table.h"

#define EDN_CLI_DOCS_MAX ((size_t)1 << 20)

/* `width` is the terminal's, in columns. */
void edn_cli_help(edn_buf *out, size_t width);
void edn_cli_help_command(edn_buf *out, const edn_cli_command *command, size_t width);
void edn_cli_man(edn_buf *out);      /* edn.1, in man(7) */
void edn_cli_markdown(edn_buf *out); /* docs/commands.md */
void edn_cli_bash(edn_buf *out);
void edn_cli_zsh(edn_buf *out);

#endif
