/* source: a file to bring in, read line by line, unpacked on the way when it is packed with zstd. Holds one line at a
 * time. */
#ifndef EDN_CLI_SOURCE_H
#define EDN_CLI_SOURCE_H

#include "base/base.h"

/* Room for an entry of 100 MB with every character escaped. */
#define EDN_CLI_LINE_MAX ((size_t)1 << 30)

typedef struct edn_cli_source edn_cli_source;

/* "-" is standard input. EDN_E_MISSING, EDN_E_IO: `err` names the file. */
EDN_MUST_USE edn_status edn_cli_source_open(const char *path, edn_cli_source **out, edn_err *err);
void edn_cli_source_close(edn_cli_source *s);

/* The next line without its end ("\n" or "\r\n"), borrowed until the next call; *done when there is none. A UTF-8
 * mark at the file's beginning is left out. EDN_E_LIMIT: the line is too long; EDN_E_INVALID: the packed file is
 * broken; EDN_E_IO. */
EDN_MUST_USE edn_status edn_cli_source_line(edn_cli_source *s, edn_bytes *line, bool *done, edn_err *err);
/* The number of the line that was given last, from 1. */
uint64_t edn_cli_source_number(const edn_cli_source *s);
/* All that is left, borrowed until the source is closed. */
EDN_MUST_USE edn_status edn_cli_source_rest(edn_cli_source *s, edn_bytes *out, edn_err *err);
/* How many bytes of the file were read, of how many (0: not known). */
void edn_cli_source_progress(const edn_cli_source *s, uint64_t *done, uint64_t *total);

/* What a failed system call means to a caller. */
edn_status edn_cli_errno(int error);

#endif
