/* Publishing the index for devices to come (docs/spec/shards.md). */
#ifndef EDN_CLIENT_PUBLISHED_H
#define EDN_CLIENT_PUBLISHED_H

#include "client/client_priv.h"

/* After a sync: when it is time, uploads what of the index is not published yet and writes the batch that lists it;
 * *made then, and the caller syncs once more. Whatever fails is for the next sync to try again: nothing else is
 * concerned. */
EDN_MUST_USE edn_status published_update(edn_client *c, const char *token, bool *made, edn_err *err);
/* Once the server has that batch: lets go of what it replaced, and learns what the server lost. */
EDN_MUST_USE edn_status published_settle(edn_client *c, const char *token, edn_err *err);
/* Inside a transaction that writes: notes a blob that is not to be had, or not good, for whoever publishes next here;
 * `soon`: that is the next sync, because a person asked, and not one of another day. */
EDN_MUST_USE edn_status published_absent(edn_client *c, const edn_hash *name, bool soon);
/* EDN_E_DAMAGED: what this device notes of what it has published does not open. Without it a blob stays longer than it
 * must. */
EDN_MUST_USE edn_status published_check(edn_client *c);
EDN_MUST_USE edn_status published_forget(edn_client *c); /* inside one that writes */
/* "/v1/blobs/…" */
#define BLOB_PATH_SIZE_MAX 64u
void blob_path(char out[BLOB_PATH_SIZE_MAX], const edn_hash *name);

#endif
