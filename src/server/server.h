/* server: ednd's core. Requests in, answers out; no sockets, no HTTP library, no clock and no randomness of its own, so
 * that a simulator or a test (an evil server, say) runs it in process.
 *
 * It holds sealed bytes and public keys only. What it checks (signatures, chains, who may write when) it checks to keep
 * junk out; clients check all of it again. One thread at a time. */
#ifndef EDN_SERVER_H
#define EDN_SERVER_H

#include "devlog/devlog.h"
#include "server/blobs.h"
#include "server/meta.h"
#include "wire/wire.h"

/* ---- configuration ----------------------------------------------------------------------------------------------- */

#define EDN_SERVER_RECOVERY_WAIT_S (72u * 3600u)
/* SECURITY 5. A rate of 0 switches that limit off. */
typedef struct edn_server_limits {
    uint32_t login_account_per_min, login_address_per_min, passphrase_per_hour, login_delay_max_s;
    uint32_t api_per_s, api_burst;         /* requests of a device */
    uint64_t bytes_per_s, bytes_burst;     /* bodies in and out, of an account */
    uint64_t quota_bytes, quota_batches;   /* of an account */
    uint32_t quota_devices;                /* active at one time */
    uint32_t body_size_max;                /* of /v1/login and the like: "JSON" in SECURITY 5 */
    uint32_t push_size_max, blob_size_max; /* of /v1/push, /v1/log and /v1/accounts; of /v1/blobs */
    uint32_t inline_size_max;              /* larger batches go to the blob store */
    uint32_t token_s;                      /* life of a token, at most 600 */
    uint32_t mailbox_per_hour;             /* opened from one address */
    uint32_t mailbox_life_s, mailbox_messages, mailbox_message_size_max; /* of one mailbox */
    uint32_t mailbox_rate_per_s;                                         /* requests from one address */
    size_t mailbox_size_max;                                             /* of all messages in all mailboxes */
    uint32_t recovery_wait_s;           /* from the asking for a recovery to the giving out of its box */
    uint32_t lookup_per_min;            /* device logs asked for, by one account or else one address */
    uint32_t inbox_per_hour;            /* letters from one address */
    uint32_t inbox_letters, inbox_days; /* that wait in one inbox, and how long */
    uint32_t spaces_per_day;            /* that one account may register where sign_up is false */
    size_t cache_size_max;              /* accounts held in memory, about */
} edn_server_limits;

edn_server_limits edn_server_limits_default(void);

typedef struct edn_server_config {
    /* What clients call us: "https://host[:port]". Signed into logins, so it is never taken from a request. */
    const char *origin;
    const uint8_t *master_key; /* 32 bytes; everything the server signs or hides with is derived from it */
    bool sign_up;              /* whether unknown accounts may be made; if not, only spaces by accounts that are here */
    bool behind_proxy;         /* TLS ends elsewhere, so that a login's channel binding cannot be checked */
    edn_server_limits limits;
} edn_server_config;

/* ---- requests and answers ---------------------------------------------------------------------------------------- */

typedef enum edn_server_method {
    EDN_SERVER_GET = 1,
    EDN_SERVER_HEAD,
    EDN_SERVER_POST,
    EDN_SERVER_PUT,
    EDN_SERVER_OTHER, /* any other: 405 */
} edn_server_method;

typedef struct edn_server_request {
    edn_server_method method;
    edn_bytes path;                 /* "/v1/push", as sent */
    edn_bytes bearer;               /* the token alone; empty: none */
    edn_bytes address;              /* of the client, 4 or 16 bytes; only counted by */
    const uint8_t *channel_binding; /* 32 bytes of RFC 9266; NULL: there is no TLS here */
    edn_bytes body;
} edn_server_request;

/* Whose news an event stream carries, and until when. */
typedef struct edn_server_watch {
    edn_space_id space;
    edn_account_id account;
    edn_device_id device;
    uint64_t expires_s;
    uint64_t left_s; /* until then, when the stream began */
} edn_server_watch;

typedef struct edn_server_answer {
    int status;
    const char *type; /* media type, static; NULL: bytes of src/wire */
    edn_buf body;
    uint64_t body_size; /* for HEAD: what the body of a GET would have */
    uint32_t retry_after_s;
    bool hold;   /* send it a fixed time after its request: how long it took to make tells who is there */
    bool stream; /* 200 and an event stream follows: see `watch` */
    edn_server_watch watch;
} edn_server_answer;

void edn_server_answer_dispose(edn_server_answer *a);

/* ---- the server -------------------------------------------------------------------------------------------------- */

typedef struct edn_server edn_server;

/* Borrows everything but copies the configuration. `meta` and `blobs` are closed by their owner, after
 * edn_server_free. */
EDN_MUST_USE edn_status edn_server_new(const edn_server_config *config, const edn_meta *meta, const edn_blobs *blobs,
                                       const edn_clock *clock, const edn_random *random, edn_server **out);
void edn_server_free(edn_server *s);

/* Looks at a request's head before its body is read (`rq->body` is ignored; `size` is what was declared, UINT64_MAX
 * when nothing was). False: `out` is the answer and the body is not worth reading. True: at most *size_max bytes of
 * body may come, and *appends tells that the request should be handled in a group. */
EDN_MUST_USE bool edn_server_admit(edn_server *s, const edn_server_request *rq, uint64_t size, uint64_t *size_max,
                                   bool *appends, edn_server_answer *out);

/* Handles a group: what its requests append becomes durable in one commit, before any of them is answered. Requests do
 * not harm one another: each is answered as if it had come alone, in some order. Answers are the caller's to dispose
 * of. */
void edn_server_handle(edn_server *s, const edn_server_request *requests, size_t n, edn_server_answer *answers);

/* Spaces whose state moved since the last call, each once; borrowed until the next edn_server_handle. */
typedef struct edn_server_change {
    edn_space_id space;
    edn_etag etag;
} edn_server_change;
size_t edn_server_changes(edn_server *s, const edn_server_change **out);
/* Whether a stream may go on: false after its token's end, or when its device was revoked. */
EDN_MUST_USE bool edn_server_watching(edn_server *s, const edn_server_watch *w);

/* Counters since the start, for /metrics. */
typedef struct edn_server_stats {
    uint64_t requests, denied, rejected, conflicts, limited, failures;
    uint64_t accounts_added, logins, batches, batch_bytes, commits, probes, probes_new;
    uint64_t cache_hits, cache_misses, cached_accounts, cached_bytes;
    uint64_t blobs_swept, batches_dropped;
} edn_server_stats;
edn_server_stats edn_server_stats_get(const edn_server *s);

/* To be called about once a second: a step of what is done by the way. Blobs that nothing names go when they have been
 * there for seven days. */
void edn_server_tick(edn_server *s);

/* Text for logs in place of an account or address: changes every day and cannot be turned back. `out` holds 13. */
void edn_server_pseudonym(edn_server *s, edn_bytes what, char out[13]);

#endif
