/* data: ednd's folder. One ednd at a time works in it.
 *
 *   DIR/lock         held with flock while an ednd runs
 *   DIR/server.key   32 random bytes, mode 0600; all of the server's own keys come from it
 *   DIR/meta.db      accounts, logs, batches (with meta.db-wal, meta.db-shm)
 *   DIR/blobs/       large batches and attachments */
#ifndef EDN_SERVER_DATA_H
#define EDN_SERVER_DATA_H

#include "crypto/verify.h"
#include "server/blobs.h"
#include "server/meta.h"

typedef struct ednd_data {
    int dir, lock;
    uint8_t key[32];
    edn_meta meta;
    edn_blobs blobs;
} ednd_data;

/* Makes the folder and the key when they are missing. EDN_E_BUSY: another ednd has it; EDN_E_DAMAGED; EDN_E_FULL;
 * EDN_E_IO. Dispose of it in either case. */
EDN_MUST_USE edn_status ednd_data_open(ednd_data *d, const char *dir, const edn_random *random, edn_err *err);
void ednd_data_dispose(ednd_data *d);

#endif
