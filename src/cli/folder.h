/* folder: an export on disk: one file of JSON lines, or a Markdown file for each entry, and a list of what was
 * written. Each file appears whole or not at all; what is there already with the same bytes is left alone. */
#ifndef EDN_CLI_FOLDER_H
#define EDN_CLI_FOLDER_H

#include <edn/client.h>

#include "base/base.h"

#define EDN_CLI_EXPORT_LIST ".edn-export"  /* the list, and the mark of an export */
#define EDN_CLI_EXPORT_JSONL "diary.jsonl" /* the file of JSON lines */

typedef enum edn_cli_format { EDN_FORMAT_JSONL, EDN_FORMAT_MARKDOWN } edn_cli_format;

typedef struct edn_cli_folder edn_cli_folder;

/* Makes the folder when it is missing. EDN_E_EXISTS: it holds something that is not an export of this format, and not
 * `force`. */
EDN_MUST_USE edn_status edn_cli_folder_open(const char *path, edn_cli_format format, bool force, edn_cli_folder **out,
                                            edn_err *err);
/* Entries come ordered by (date, id). */
EDN_MUST_USE edn_status edn_cli_folder_put(edn_cli_folder *f, const edn_entry *entry, edn_err *err);
/* Puts in place what was written, takes away what an earlier export wrote and this one did not, and makes it
 * durable. */
EDN_MUST_USE edn_status edn_cli_folder_finish(edn_cli_folder *f, uint64_t *files, edn_err *err);
/* Without finish: what was there stays, but for single files that were replaced. */
void edn_cli_folder_close(edn_cli_folder *f);

/* The files below `path` whose names end with ".md", sorted, as malloc'ed strings in a malloc'ed array. Names that
 * begin with a dot are left out. */
EDN_MUST_USE edn_status edn_cli_folder_list(const char *path, char ***out, size_t *out_n, edn_err *err);
void edn_cli_folder_list_free(char **paths, size_t n);

#endif
