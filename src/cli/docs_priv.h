/* What the files of docs share. */
#ifndef EDN_CLI_DOCS_PRIV_H
#define EDN_CLI_DOCS_PRIV_H

#include "cli/docs.h"

/* The next paragraph of a text in which an empty line parts them; false: no more. */
bool edn_cli_paragraph_next(const char **text, edn_bytes *out);
/* Whether this is the first command of its group. */
bool edn_cli_group_begins(size_t command);
/* "--name VALUE", "-n, --name VALUE". */
void edn_cli_put_option(edn_buf *out, edn_cli_opt opt);

#endif
