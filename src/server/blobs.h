/* blobs: large sealed bytes by a 32-byte name, as an interface; a folder stands behind it, an object store can. */
#ifndef EDN_SERVER_BLOBS_H
#define EDN_SERVER_BLOBS_H

#include "crypto/verify.h"

typedef edn_status edn_blob_fn(void *cb, const edn_hash *name, uint64_t modified_ms);

typedef struct edn_blobs {
    void *ctx;
    /* Durable when it returns EDN_OK; a crash leaves the whole or nothing. A name that is there gets the new bytes.
     * EDN_E_FULL, EDN_E_IO, EDN_E_NOMEM. */
    edn_status (*put)(void *ctx, const edn_hash *name, edn_bytes body);
    /* Appends the bytes to `out`; EDN_E_MISSING. */
    edn_status (*get)(void *ctx, const edn_hash *name, edn_buf *out);
    edn_status (*has)(void *ctx, const edn_hash *name, uint64_t *size); /* EDN_E_MISSING */
    edn_status (*remove)(void *ctx, const edn_hash *name);              /* EDN_E_MISSING */
    /* Every blob whose name begins with this byte, and when it was last put. The callback may remove it. A status other
     * than EDN_OK ends the walk. */
    edn_status (*each)(void *ctx, uint8_t first, edn_blob_fn *fn, void *cb);
    void (*close)(void *ctx);
} edn_blobs;

/* A folder, made when it is not there: xx/yyyy…, written as a temporary file, synced, renamed, and the folder synced.
 * Temporary files that a crash left are removed. */
EDN_MUST_USE edn_status edn_blobs_folder_open(const char *dir, edn_blobs *out, edn_err *err);

#endif
