/* What the files of this module share. */
#ifndef EDN_REMOTE_PRIV_H
#define EDN_REMOTE_PRIV_H

#include "remote.h"

#define ORIGIN_SIZE 257

/* Whether a normalised origin speaks without TLS, which is for loopback only. */
bool origin_is_plain(const char *origin);

/* ---- sse.c: server-sent events (WHATWG HTML 9.2), as they come in pieces. Pure. ---------------------------------- */

#define SSE_EVENT_SIZE_MAX ((size_t)65536)

typedef bool sse_fn(void *ctx, edn_bytes data);

typedef struct sse {
    edn_buf line, data;
    uint8_t begun; /* bytes of a byte order mark seen at the very beginning; 3: past it */
    bool after_cr; /* a line feed that comes now belongs to the end of line before */
} sse;

void sse_init(sse *p);
void sse_dispose(sse *p);
/* Calls back with the data of each event that ends in `piece`; events without data are skipped, as are names, ids and
 * comments. EDN_E_CANCELLED: the callback gave false; EDN_E_LIMIT: a line or an event is longer than
 * SSE_EVENT_SIZE_MAX; EDN_E_NOMEM. After a failure only sse_dispose is left. */
EDN_MUST_USE edn_status sse_feed(sse *p, edn_bytes piece, sse_fn *fn, void *ctx);

#endif
