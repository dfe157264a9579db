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
    /* EDN_E_NETWORK: no answer (nothing is known of its effect); EDN_E_TLS: the certificate is not good; EDN_E_LIMIT:
     * the answer is too long; EDN_E_CANCELLED. Any HTTP status is EDN_OK. */
    edn_status (*exchange)(void *ctx, const edn_http_request *rq, edn_http_answer *out, edn_err *err);
    /* Follows /v1/events until the stream ends, fails, or the callback gives false (EDN_OK); EDN_E_DENIED: the token
     * does not serve. Also calls back with an empty line about every second, and at once whenever `wake_fd` becomes
     * readable (-1: none; reading from it is the callback's business), so that the caller may stop. */
    edn_status (*events)(void *ctx, const char *path, const char *bearer, int wake_fd,
                         bool (*on_event)(void *cb, edn_bytes data), void *cb, edn_err *err);
    /* The channel binding of RFC 9266, 32 bytes; false when TLS is not there. */
    bool (*channel_binding)(void *ctx, uint8_t out[32]);
} edn_transport;

typedef struct edn_http edn_http;
typedef struct edn_http_options {
    const char *ca_file;           /* NULL: the system's */
    const char *proxy;             /* NULL: none, "socks5h://…" */
    const char *pin;               /* NULL, or curl's "sha256//…" public key pin */
    uint32_t connect_ms, total_ms; /* 0: 10 s, 120 s */
} edn_http_options;

/* `origin` is "https://host[:port]"; "http://" is taken for loopback addresses only (127.0.0.0/8, ::1, localhost), else
 * EDN_E_INVALID. No redirects are followed, no other host is contacted, no cookies, no netrc, no environment proxies.
 * The connection is kept alive. */
EDN_MUST_USE edn_status edn_http_new(const char *origin, const edn_http_options *options, edn_http **out, edn_err *err);
void edn_http_free(edn_http *h);
edn_transport edn_http_transport(edn_http *h);
/* Checks and normalises an origin: scheme and host in lower case, default port and final slash away. `out` holds 257
 * bytes. */
EDN_MUST_USE edn_status edn_origin_normalise(const char *origin, char out[257], edn_err *err);

#endif
