/* json: writing JSON into a buffer. Members come out in the order in which they are put, text as raw UTF-8 with control
 * characters escaped, nothing between tokens: equal calls give equal bytes. */
#ifndef EDN_CLI_JSON_H
#define EDN_CLI_JSON_H

#include "base/base.h"

/* `name` is the member's, NULL inside an array or at the top. A comma is put where one is due. */
void edn_json_open(edn_buf *out, const char *name, char bracket);
void edn_json_close(edn_buf *out, char bracket);
void edn_json_string(edn_buf *out, const char *name, edn_bytes value);
/* The same for a member's name that is not a constant. */
void edn_json_pair(edn_buf *out, edn_bytes name, edn_bytes value);
void edn_json_number(edn_buf *out, const char *name, uint64_t value);
void edn_json_bool(edn_buf *out, const char *name, bool value);
/* RFC 3339; 0 is "". */
void edn_json_time(edn_buf *out, const char *name, uint64_t time_ms);
void edn_json_hex(edn_buf *out, const char *name, const uint8_t *p, size_t n);

#endif
