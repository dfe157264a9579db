/* remote: carries requests to a place that keeps a diary, and answers back. What they mean is src/sync's business. */
#ifndef EDN_REMOTE_H
#define EDN_REMOTE_H

#include "base/base.h"

typedef enum edn_http_method { EDN_HTTP_GET, EDN_HTTP_POST, EDN_HTTP_PUT } edn_http_method;

typedef struct edn_http_request {
    edn_http_method method;
    const char *path;   /* "/v1/push": the origin is the remote's */
    const char *bearer; /* NULL: none. Never logged */
    edn_bytes body;
    size_t answer_size_max;
} edn_http_request;

typedef struct edn_http_answer {
    int status;                          /* 200, … */
    edn_buf body;                        /* the caller disposes */
    uint32_t retry_after_s;              /* from Retry-After, or 0 */
    uint64_t bytes_sent, bytes_received; /* on the wire above TLS: head lines and bodies */
} edn_http_answer;

/* What the client asks of a network; the simulator has its own. `err` gets a text that names the origin and what to
 * do. */
typedef struct edn_transport {
    void *ctx;
    /* EDN_E_NETWORK: no answer, or half of one (nothing is known of its effect); EDN_E_TLS: the certificate is not
     * good; EDN_E_LIMIT: the answer is too long; EDN_E_SERVER: what answers does not speak HTTP; EDN_E_INVALID: a path
     * or token that cannot be sent; EDN_E_NOMEM. Any HTTP status is EDN_OK. On failure the body is empty; the counts
     * are right. */
    edn_status (*exchange)(void *ctx, const edn_http_request *rq, edn_http_answer *out, edn_err *err);
    /* Follows /v1/events until the stream ends or the callback gives false (both EDN_OK), or fails: EDN_E_DENIED (HTTP
     * 401, 403): the token does not serve; EDN_E_RATE (429); EDN_E_SERVER: not a stream of events; EDN_E_NETWORK: also
     * 90 s of silence; and the others of `exchange`. Also calls back with empty data about every second, and at once
     * whenever `wake_fd` becomes readable (-1: none; reading from it is the callback's business), so that the caller
     * may stop. May run in one thread while `exchange` runs in another. */
    edn_status (*events)(void *ctx, const char *path, const char *bearer, int wake_fd,
                         bool (*on_event)(void *cb, edn_bytes data), void *cb, edn_err *err);
    /* The channel binding (RFC 9266) of the connection that carried the last exchange, 32 bytes; false when TLS is not
     * there, or the exchange failed. The next exchange goes over the same connection unless the server closed it
     * meanwhile. */
    bool (*channel_binding)(void *ctx, uint8_t out[32]);
} edn_transport;

typedef struct edn_http edn_http;
typedef struct edn_http_options {
    const char *ca_file; /* NULL: the system's */
    const char *proxy;   /* NULL: none, "socks5h://…" */
    const char *pin;     /* NULL, or curl's "sha256//…" public key pin */
    /* To connect; for a whole exchange, which gets another second for each 8 kB that moves. 0: 10 s, 120 s. */
    uint32_t connect_ms, total_ms;
} edn_http_options;

/* `origin` is "https://host[:port]"; "http://" is taken for loopback addresses only (127.0.0.0/8, ::1, localhost), else
 * EDN_E_INVALID. No redirects are followed, no other host is contacted, no cookies, no netrc, no environment proxies.
 * TLS is 1.3, and the certificate is always checked. The connection is kept alive. EDN_E_INVALID also for a proxy in
 * front of "http://"; EDN_E_NOMEM. */
EDN_MUST_USE edn_status edn_http_new(const char *origin, const edn_http_options *options, edn_http **out, edn_err *err);
void edn_http_free(edn_http *h);
edn_transport edn_http_transport(edn_http *h);
/* Checks and normalises an origin: scheme and host in lower case, default port and final slash away. `out` holds 257
 * bytes. */
EDN_MUST_USE edn_status edn_origin_normalise(const char *origin, char out[257], edn_err *err);

#endif
