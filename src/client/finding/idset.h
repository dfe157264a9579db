/* A set of entry ids: a table with room to spare. */
#ifndef EDN_CLIENT_IDSET_H
#define EDN_CLIENT_IDSET_H

#include "client/client_priv.h"

typedef struct id_set {
    edn_entry_id *at;
    uint8_t *used;
    size_t n, size; /* size: a power of two, or 0 */
} id_set;           /* begins as zeros */

/* *was: whether it stood there already. EDN_E_NOMEM. */
EDN_MUST_USE edn_status id_set_add(id_set *s, const edn_entry_id *id, bool *was);
bool id_set_has(const id_set *s, const edn_entry_id *id);
void id_set_dispose(id_set *s);

#endif
