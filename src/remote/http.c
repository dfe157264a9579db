/* HTTP/1.1 over libcurl: one connection for exchanges, kept alive, and one for the event stream.
 *
 * A request is its line, Host, Authorization and Content-Length, and no other header: a sync is a few hundred bytes,
 * and they would be a third of it. What a server may cost us is bounded before memory is: the size of the head, of the
 * body, and the time, which grows only with bytes that move. */
#include "remote_priv.h"

#include <curl/curl.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CONNECT_MS 10000
#define TOTAL_MS 120000
#define BYTES_PER_MS 8 /* what must move for a millisecond more: 8 kB/s */
#define HEAD_SIZE_MAX 65536
#define SILENCE_MS 90000 /* of an event stream; servers give a sign of life every 60 s or oftener */
#define IDLE_MS 1000

/* One curl handle and what the transfer at hand is about. */
typedef struct channel {
    CURL *easy;
    CURLM *multi; /* of a stream: waits for it and for something else */
    char error[CURL_ERROR_SIZE];
    uint64_t end_ms;   /* of an exchange in which nothing moves */
    uint64_t heard_ms; /* when something last came in */
    uint64_t sent, received;
    size_t head_size;
    bool head_done;
    edn_status stopped; /* why we broke the transfer off */
    edn_buf *body;      /* of an exchange */
    sse events;         /* of a stream */
    int wake_fd;
    bool (*on_event)(void *cb, edn_bytes data);
    void *cb;
    uint64_t idle_ms; /* when that was last called without data */
    bool bound;
    uint8_t binding[32];
} channel;

struct edn_http {
    char origin[ORIGIN_SIZE];
    char *ca_file, *proxy, *pin;
    uint32_t connect_ms, total_ms;
    channel exchange, stream;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;

static void curl_begin(void) { curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT); }

static uint64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- what curl calls back ---------------------------------------------------------------------------------------- */

/* Ends the transfer; curl takes any other number than `n` for a failure. */
static size_t stop(channel *c, edn_status st)
{
    c->stopped = st;
    return 0;
}

/* The only exact count of what goes over the wire: retries and chunk framing are in it. */
static int on_bytes(CURL *easy, curl_infotype kind, char *p, size_t n, void *ctx)
{
    channel *c = ctx;

    (void)easy;
    (void)p;
    if (kind == CURLINFO_HEADER_OUT || kind == CURLINFO_DATA_OUT)
        c->sent += n;
    else if (kind == CURLINFO_HEADER_IN || kind == CURLINFO_DATA_IN)
        c->received += n;
    return 0;
}

/* Before the request goes out: the connection is there, and its TLS session can be asked. */
static int on_connected(void *ctx, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
    channel *c = ctx;
    struct curl_tlssessioninfo *info = NULL;
    gnutls_datum_t cb = {NULL, 0};

    (void)remote_ip;
    (void)local_ip;
    (void)remote_port;
    (void)local_port;
    if (curl_easy_getinfo(c->easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || !info || !info->internals ||
        info->backend != CURLSSLBACKEND_GNUTLS)
        return CURL_PREREQFUNC_OK;
    if (gnutls_session_channel_binding(info->internals, GNUTLS_CB_TLS_EXPORTER, &cb) == GNUTLS_E_SUCCESS) {
        if (cb.size == sizeof c->binding) {
            memcpy(c->binding, cb.data, sizeof c->binding);
            c->bound = true;
        }
        gnutls_free(cb.data);
    }
    return CURL_PREREQFUNC_OK;
}

static size_t on_head(char *p, size_t one, size_t n, void *ctx)
{
    channel *c = ctx;

    (void)one;
    c->heard_ms = now_ms();
    c->head_size += n;
    if (n >= 5 && memcmp(p, "HTTP/", 5) == 0)
        c->head_done = false; /* another one: the one before was an interim answer */
    else if (n <= 2)
        c->head_done = true; /* lines after it are trailers */
    return c->head_size > HEAD_SIZE_MAX ? stop(c, EDN_E_LIMIT) : n;
}

static size_t on_body(char *p, size_t one, size_t n, void *ctx)
{
    channel *c = ctx;

    (void)one;
    edn_put_bytes(c->body, p, n);
    return edn_buf_status(c->body) == EDN_OK ? n : stop(c, edn_buf_status(c->body));
}

static long answer_status(const channel *c)
{
    long status = 0;

    (void)curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status); /* 0 if not known: no success */
    return status;
}

/* Whether what answers is a stream of events, and not a refusal or a login page. */
static edn_status stream_status(const channel *c)
{
    char *type = NULL;

    switch (answer_status(c)) {
    case 200:
        (void)curl_easy_getinfo(c->easy, CURLINFO_CONTENT_TYPE, &type); /* NULL if not known */
        return type && strncmp(type, "text/event-stream", 17) == 0 ? EDN_OK : EDN_E_SERVER;
    case 401:
    case 403:
        return EDN_E_DENIED;
    case 429:
        return EDN_E_RATE;
    default:
        return EDN_E_SERVER;
    }
}

static size_t on_stream(char *p, size_t one, size_t n, void *ctx)
{
    channel *c = ctx;
    edn_status st;

    (void)one;
    c->heard_ms = now_ms();
    if ((st = stream_status(c)) != EDN_OK)
        return stop(c, st);
    st = sse_feed(&c->events, edn_bytes_of(p, n), c->on_event, c->cb);
    return st == EDN_OK ? n : stop(c, st);
}

/* curl calls this with every piece, and once a second when nothing moves. */
static int on_time(void *ctx, curl_off_t down_all, curl_off_t down, curl_off_t up_all, curl_off_t up)
{
    channel *c = ctx;
    uint64_t now = now_ms();

    (void)down_all;
    (void)up_all;
    if (c->stopped != EDN_OK) {
        return 1;
    } else if (c->on_event) {
        if (c->heard_ms + SILENCE_MS < now) {
            c->stopped = EDN_E_NETWORK;
        } else if (c->idle_ms + IDLE_MS <= now) {
            c->idle_ms = now;
            if (!c->on_event(c->cb, EDN_BYTES_EMPTY))
                c->stopped = EDN_E_CANCELLED;
        }
    } else if (now > c->end_ms + (uint64_t)(down + up) / BYTES_PER_MS) {
        c->stopped = EDN_E_NETWORK;
    }
    return c->stopped != EDN_OK;
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

/* Sets one option unless an earlier one failed. */
#define SET(option, value)                                                                                             \
    do {                                                                                                               \
        if (rc == CURLE_OK)                                                                                            \
            rc = curl_easy_setopt(c->easy, (option), (value));                                                         \
    } while (0)

static CURLcode set_tls(channel *c, const edn_http *h)
{
    CURLcode rc = CURLE_OK;

    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    if (h->ca_file) {
        SET(CURLOPT_CAINFO, h->ca_file);
        SET(CURLOPT_CAPATH, NULL); /* or the system's would still count */
    }
    if (h->pin)
        SET(CURLOPT_PINNEDPUBLICKEY, h->pin);
    return rc;
}

/* What never changes on a channel. */
static CURLcode set_constants(channel *c, const edn_http *h)
{
    bool plain = origin_is_plain(h->origin);
    CURLcode rc = CURLE_OK;

    SET(CURLOPT_ERRORBUFFER, c->error);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, plain ? "http" : "https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_PROXY, h->proxy ? h->proxy : ""); /* empty: the environment is not asked */
    SET(CURLOPT_NOPROXY, "");
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)h->connect_ms);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_VERBOSE, 1L); /* for on_bytes; nothing is printed */
    SET(CURLOPT_DEBUGFUNCTION, on_bytes);
    SET(CURLOPT_DEBUGDATA, c);
    SET(CURLOPT_PREREQFUNCTION, on_connected);
    SET(CURLOPT_PREREQDATA, c);
    SET(CURLOPT_HEADERFUNCTION, on_head);
    SET(CURLOPT_HEADERDATA, c);
    SET(CURLOPT_WRITEFUNCTION, c == &h->stream ? on_stream : on_body);
    SET(CURLOPT_WRITEDATA, c);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_XFERINFOFUNCTION, on_time);
    SET(CURLOPT_XFERINFODATA, c);
    if (rc == CURLE_OK && !plain)
        rc = set_tls(c, h);
    return rc;
}

static CURLcode set_method(channel *c, edn_http_method method, edn_bytes body)
{
    CURLcode rc = CURLE_OK;

    if (method == EDN_HTTP_GET) {
        SET(CURLOPT_CUSTOMREQUEST, NULL);
        SET(CURLOPT_HTTPGET, 1L);
        return rc;
    }
    /* PUT as a POST by another name: curl's own would ask first whether it may (Expect), or send in chunks. */
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_CUSTOMREQUEST, method == EDN_HTTP_PUT ? "PUT" : NULL);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
    SET(CURLOPT_POSTFIELDS, body.n ? (const char *)body.p : "");
    return rc;
}

/* ---- a transfer -------------------------------------------------------------------------------------------------- */

/* Nothing that could end a line, or a field, in a request. */
static bool is_visible(const char *s)
{
    for (; *s; s++)
        if (*s < '!' || *s > '~')
            return false;
    return true;
}

static edn_status request_check(const char *path, const char *bearer, edn_err *err)
{
    if (path[0] != '/' || !is_visible(path))
        return edn_fail(err, EDN_E_INVALID, "a path that cannot be asked for");
    if (bearer && (!bearer[0] || !is_visible(bearer)))
        return edn_fail(err, EDN_E_INVALID, "a token that cannot be sent");
    return EDN_OK;
}

static edn_status refused_memory(edn_err *err) { return edn_fail(err, EDN_E_NOMEM, "memory ran out"); }

/* a ‖ b, malloc'ed. */
static char *join(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    char *s = malloc(n + m + 1);

    if (s) {
        memcpy(s, a, n);
        memcpy(s + n, b, m + 1);
    }
    return s;
}

/* What became of the one transfer of c->multi, once it has ended. */
static CURLcode stream_result(channel *c)
{
    int left;
    const CURLMsg *m = curl_multi_info_read(c->multi, &left);

    return m && m->msg == CURLMSG_DONE ? m->data.result : CURLE_ABORTED_BY_CALLBACK;
}

/* As curl_easy_perform, but something else may wake it. */
static CURLcode stream_perform(channel *c)
{
    struct curl_waitfd wake = {.fd = c->wake_fd, .events = CURL_WAIT_POLLIN};
    CURLMcode rc = curl_multi_add_handle(c->multi, c->easy);
    int running = 1;
    CURLcode out;

    while (rc == CURLM_OK && c->stopped == EDN_OK) {
        rc = curl_multi_perform(c->multi, &running);
        if (rc != CURLM_OK || !running)
            break;
        wake.revents = 0;
        rc = curl_multi_poll(c->multi, &wake, c->wake_fd >= 0, IDLE_MS, NULL);
        if (rc == CURLM_OK && wake.revents && !c->on_event(c->cb, EDN_BYTES_EMPTY))
            c->stopped = EDN_E_CANCELLED;
    }
    out = rc == CURLM_OK ? stream_result(c) : CURLE_OUT_OF_MEMORY;
    (void)curl_multi_remove_handle(c->multi, c->easy); /* it is there, or was not taken in */
    return out;
}

static CURLcode perform(channel *c, edn_http_method method, edn_bytes body, const char *url, char *authorization)
{
    /* A name alone takes a header away that curl would send. */
    struct curl_slist auth = {authorization, NULL};
    struct curl_slist expect = {(char *)"Expect:", authorization ? &auth : NULL};
    struct curl_slist type = {(char *)"Content-Type:", &expect};
    struct curl_slist accept = {(char *)"Accept:", &type};
    CURLcode rc = set_method(c, method, body);

    SET(CURLOPT_URL, url);
    SET(CURLOPT_HTTPHEADER, &accept);
    c->error[0] = 0;
    c->sent = c->received = c->head_size = 0;
    c->head_done = c->bound = false;
    c->stopped = EDN_OK;
    c->heard_ms = c->idle_ms = now_ms();
    if (rc == CURLE_OK)
        rc = c->multi ? stream_perform(c) : curl_easy_perform(c->easy);
    /* Neither outlives this call. Taking options away cannot fail. */
    (void)curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, NULL);
    (void)curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, NULL);
    return rc;
}

static edn_status transfer(edn_http *h, channel *c, edn_http_method method, edn_bytes body, const char *path,
                           const char *bearer, CURLcode *rc, edn_err *err)
{
    char *url = NULL, *authorization = NULL;
    edn_status st = request_check(path, bearer, err);

    if (st != EDN_OK)
        return st;
    url = join(h->origin, path);
    if (bearer)
        authorization = join("Authorization: Bearer ", bearer);
    if (url && (authorization || !bearer))
        *rc = perform(c, method, body, url, authorization);
    else
        st = refused_memory(err);
    if (authorization)
        edn_wipe(authorization, strlen(authorization));
    free(authorization);
    free(url);
    return st;
}

/* ---- what became of it ------------------------------------------------------------------------------------------- */

static edn_status explain_stop(const edn_http *h, const channel *c, edn_err *err)
{
    switch (c->stopped) {
    case EDN_E_LIMIT:
        return edn_fail(err, c->stopped, "%s sent a longer answer than it may; check the address", h->origin);
    case EDN_E_NETWORK:
        return edn_fail(err, c->stopped, "%s stopped answering; check the network and try again", h->origin);
    case EDN_E_DENIED:
        return edn_fail(err, c->stopped, "%s does not let this device listen (HTTP %ld); sign in again", h->origin,
                        answer_status(c));
    case EDN_E_RATE:
        return edn_fail(err, c->stopped, "%s asks to wait; try again later", h->origin);
    case EDN_E_NOMEM:
        return refused_memory(err);
    default:
        return edn_fail(err, c->stopped,
                        "%s does not answer as a diary's server does (HTTP %ld); check the address, and whether the "
                        "network wants a login first",
                        h->origin, answer_status(c));
    }
}

static edn_status explain_tls(const edn_http *h, CURLcode rc, const char *words, edn_err *err)
{
    if (rc == CURLE_SSL_CACERT_BADFILE)
        return edn_fail(err, EDN_E_TLS, "the file of trusted certificates, %s, cannot be read (%s)",
                        h->ca_file ? h->ca_file : "the system's", words);
    if (rc == CURLE_SSL_PINNEDPUBKEYNOTMATCH)
        return edn_fail(err, EDN_E_TLS,
                        "%s has another key than the one that is pinned: somebody may be in between, or "
                        "the server's key was changed (%s)",
                        h->origin, words);
    return edn_fail(err, EDN_E_TLS,
                    "the certificate of %s is not good: somebody may be in between; nothing was sent "
                    "(%s)",
                    h->origin, words);
}

static edn_status explain(const edn_http *h, const channel *c, CURLcode rc, edn_err *err)
{
    const char *words = c->error[0] ? c->error : curl_easy_strerror(rc);

    if (c->stopped != EDN_OK)
        return explain_stop(h, c, err);
    switch (rc) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return explain_tls(h, rc, words, err);
    case CURLE_SSL_CONNECT_ERROR: /* cut short, too old, or no TLS at all: which, the library does not say */
        return edn_fail(err, EDN_E_NETWORK, "no secure connection (TLS 1.3) to %s came about; nothing was sent (%s)",
                        h->origin, words);
    case CURLE_FILESIZE_EXCEEDED:
        return edn_fail(err, EDN_E_LIMIT, "%s sent a longer answer than it may; check the address", h->origin);
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        return edn_fail(err, EDN_E_SERVER, "%s does not speak HTTP; check the address (%s)", h->origin, words);
    case CURLE_OUT_OF_MEMORY:
        /* So says curl also of a head line that grows beyond its limit. */
        if (c->sent > 0 && !c->head_done)
            return edn_fail(err, EDN_E_LIMIT, "%s sent a longer answer than it may; check the address", h->origin);
        return refused_memory(err);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
        return edn_fail(err, EDN_E_NETWORK, "%s cannot be reached; check the network and the address (%s)", h->origin,
                        words);
    default:
        return edn_fail(err, EDN_E_NETWORK, "%s gave no answer; check the network and try again (%s)", h->origin,
                        words);
    }
}

/* ---- the transport ----------------------------------------------------------------------------------------------- */

static edn_status exchange(void *ctx, const edn_http_request *rq, edn_http_answer *out, edn_err *err)
{
    edn_http *h = ctx;
    channel *c = &h->exchange;
    CURLcode rc = curl_easy_setopt(c->easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)rq->answer_size_max);
    curl_off_t retry_s = 0;
    edn_status st;

    *out = (edn_http_answer){.body = EDN_BUF_INIT(rq->answer_size_max)};
    c->body = &out->body;
    c->end_ms = now_ms() + h->total_ms;
    if (rc != CURLE_OK)
        return refused_memory(err);
    st = transfer(h, c, rq->method, rq->body, rq->path, rq->bearer, &rc, err);
    c->body = NULL;
    out->bytes_sent = c->sent;
    out->bytes_received = c->received;
    if (st == EDN_OK && rc == CURLE_OK && !c->head_done)
        rc = CURLE_PARTIAL_FILE; /* curl is content with half a head */
    if (st == EDN_OK && rc != CURLE_OK)
        st = explain(h, c, rc, err);
    if (st != EDN_OK) {
        edn_buf_dispose(&out->body);
        c->bound = false;
        return st;
    }
    out->status = (int)answer_status(c);
    if (curl_easy_getinfo(c->easy, CURLINFO_RETRY_AFTER, &retry_s) == CURLE_OK && retry_s > 0)
        out->retry_after_s = (uint32_t)EDN_MIN(retry_s, (curl_off_t)UINT32_MAX);
    return EDN_OK;
}

static edn_status events(void *ctx, const char *path, const char *bearer, int wake_fd,
                         bool (*on_event)(void *cb, edn_bytes data), void *cb, edn_err *err)
{
    edn_http *h = ctx;
    channel *c = &h->stream;
    CURLcode rc = CURLE_OK;
    edn_status st;

    sse_init(&c->events);
    c->wake_fd = wake_fd;
    c->on_event = on_event;
    c->cb = cb;
    st = transfer(h, c, EDN_HTTP_GET, EDN_BYTES_EMPTY, path, bearer, &rc, err);
    sse_dispose(&c->events);
    if (st != EDN_OK)
        return st;
    if (c->stopped == EDN_E_CANCELLED)
        return EDN_OK;
    if (rc == CURLE_OK)
        c->stopped = stream_status(c); /* a refusal without a body */
    return rc == CURLE_OK && c->stopped == EDN_OK ? EDN_OK : explain(h, c, rc, err);
}

static bool channel_binding(void *ctx, uint8_t out[32])
{
    const channel *c = &((const edn_http *)ctx)->exchange;

    if (c->bound)
        memcpy(out, c->binding, sizeof c->binding);
    return c->bound;
}

edn_transport edn_http_transport(edn_http *h)
{
    return (edn_transport){.ctx = h, .exchange = exchange, .events = events, .channel_binding = channel_binding};
}

/* ---- making one -------------------------------------------------------------------------------------------------- */

static bool channel_open(channel *c, const edn_http *h)
{
    c->easy = curl_easy_init();
    return c->easy && set_constants(c, h) == CURLE_OK;
}

static void channel_close(channel *c)
{
    curl_easy_cleanup(c->easy);
    (void)curl_multi_cleanup(c->multi); /* NULL is allowed; no transfer is in it */
}

/* A copy of an option, which may not be there. */
static bool keep(char **to, const char *s)
{
    *to = s ? strdup(s) : NULL;
    return *to || !s;
}

edn_status edn_http_new(const char *origin, const edn_http_options *options, edn_http **out, edn_err *err)
{
    edn_http *h = NULL;
    edn_status st;

    *out = NULL;
    if (pthread_once(&curl_once, curl_begin) != 0 || curl_ready != CURLE_OK)
        return refused_memory(err);
    h = calloc(1, sizeof *h);
    if (!h)
        return refused_memory(err);
    h->connect_ms = options->connect_ms ? options->connect_ms : CONNECT_MS;
    h->total_ms = options->total_ms ? options->total_ms : TOTAL_MS;
    st = edn_origin_normalise(origin, h->origin, err);
    if (st == EDN_OK && options->proxy && origin_is_plain(h->origin))
        st = edn_fail(err, EDN_E_INVALID, "%s is this machine itself: a proxy in front of it would see everything",
                      h->origin);
    if (st == EDN_OK &&
        (!keep(&h->ca_file, options->ca_file) || !keep(&h->proxy, options->proxy) || !keep(&h->pin, options->pin) ||
         !channel_open(&h->exchange, h) || !channel_open(&h->stream, h) || !(h->stream.multi = curl_multi_init())))
        st = refused_memory(err);
    if (st != EDN_OK) {
        edn_http_free(h);
        return st;
    }
    *out = h;
    return EDN_OK;
}

void edn_http_free(edn_http *h)
{
    if (!h)
        return;
    channel_close(&h->exchange);
    channel_close(&h->stream);
    free(h->ca_file);
    free(h->proxy);
    free(h->pin);
    free(h);
}
