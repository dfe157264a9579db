/* record: an entry as it stands in files: a line of JSON, or a Markdown file with a head. Reads what strangers wrote,
 * strictly; writes the same bytes for the same entry. Pure. */
#ifndef EDN_CLI_RECORD_H
#define EDN_CLI_RECORD_H

#include <edn/client.h>

#include "base/base.h"

/* One entry that was read. `item` borrows from the rest and from the bytes that were read. */
typedef struct edn_cli_record {
    edn_import_item item;
    void *root; /* the parsed JSON */
    edn_bytes *tags;
    edn_field *fields;
} edn_cli_record;

/* EDN_E_INVALID, EDN_E_UTF8: `err` says what is wrong with which member. On failure nothing needs disposing. */
EDN_MUST_USE edn_status edn_cli_record_read_json(edn_cli_record *out, edn_bytes line, edn_err *err);
/* `name` is the file's, without folders: its date stands in for one in the head. Without a head the whole file is text,
 * and a first line that begins with "# " the title. */
EDN_MUST_USE edn_status edn_cli_record_read_markdown(edn_cli_record *out, edn_bytes file, const char *name,
                                                     edn_err *err);
void edn_cli_record_dispose(edn_cli_record *r);

void edn_cli_record_put_json(edn_buf *out, const edn_entry *entry); /* with the line's end */
void edn_cli_record_put_markdown(edn_buf *out, const edn_entry *entry);

/* Parts a text as a person writes it: a first line that begins with "# " is the title, empty lines after it belong to
 * neither. */
void edn_cli_split_title(edn_bytes written, edn_bytes *title, edn_bytes *text);

#endif
