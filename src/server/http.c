#include "http.h"

#include "base/base.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* One thread, one loop:
 *
 *   poll(the daemon's epoll, stop) ─▶ MHD_run ─▶ the group that gathered ─▶ its answers ─▶ news to streams ─▶ once a
 * second: clocks
 *
 * Requests that append are suspended when their body is complete; after the daemon has looked at every ready socket
 * they are handled together, in one commit. While the disk syncs, the next group gathers in the sockets.
 *
 * We poll by ourselves because libmicrohttpd's own epoll thread waits for ever when the number of ready sockets is a
 * multiple of 128 (its loop goes on while the event array comes back full, with the same timeout); MHD_run waits for
 * nothing.
 *
 * A connection's memory pool holds a head of the full size, but only what was used of it becomes resident: an idle
 * stream costs about what its own head took. */

#define HTTP_POOL_SIZE(header_size_max) ((size_t)(header_size_max)*2) /* head, its index, and the answer's head */
#define HTTP_SMALL_SIZE 65536u
#define HTTP_DISCARD_SIZE_MAX                                                                                          \
    (EDN_PUSH_SIZE_MAX + 1u) /* of a refused body we read this much, so that the answer arrives */
#define STREAM_SLOTS 4096u
#define WHEEL_SLOTS 64u /* seconds; events_s stays below */
#define STREAM_TEXT_SIZE 40u
#define STOP_GRACE_S 10u

typedef struct request request;
typedef struct stream stream;

typedef struct conn {
    struct conn *prev, *next; /* of those whose clock runs; not streams, which the wheel watches */
    struct MHD_Connection *mhd;
    request *rq;      /* NULL: between two requests */
    uint64_t since_s; /* when it was accepted, or its last request ended */
    bool fresh;       /* had no request yet */
    bool listed;
    uint8_t address[16];
    uint8_t address_n;
} conn;

struct request {
    conn *c;
    request *next_pending;
    edn_server_request rq;
    edn_server_answer answer;
    edn_buf body;
    uint64_t size_max, received, started_s;
    uint8_t binding[32];
    bool appends, refused, done;
};

struct stream {
    conn *c;
    edn_server_watch watch;
    stream *next_space, *wheel_prev, *wheel_next;
    uint64_t due_s;
    char text[STREAM_TEXT_SIZE];
    uint8_t text_n;
    bool suspended, closing;
};

struct edn_httpd {
    edn_httpd_config config;
    edn_server *core;
    struct MHD_Daemon *daemon;
    int listen_fd, epoll_fd;
    char *cert, *key;
    conn *conns;
    size_t conns_n, requests_n, streams_n;
    request *pending, **pending_end;
    size_t pending_n;
    size_t body_memory;
    stream **by_space; /* STREAM_SLOTS chains */
    stream *wheel[WHEEL_SLOTS];
    struct MHD_Response *empty[2]; /* of 200 and 204, which probes get by the thousand */
    bool resumed;                  /* something waits for the daemon that no socket will tell of */
    uint64_t swept_s, timed_out, stream_events;
    bool stopping;
};

static uint64_t now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint64_t)t.tv_sec;
}

edn_httpd_config edn_httpd_config_default(void)
{
    return (edn_httpd_config){
        .listen = "127.0.0.1:8437",
        .connections_max = 4096,
        .connections_per_address = 64,
        .backlog = 512,
        .header_size_max = 8192,
        .header_fields_max = 64,
        .header_s = 10,
        .body_rate_min = 1024,
        .body_grace_s = 5,
        .idle_s = 60,
        .request_s = 120,
        .upload_s = 900,
        .body_memory_max = 64u << 20,
        .events_s = 25,
    };
}

/* ---- addresses --------------------------------------------------------------------------------------------------- */

typedef union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address;

static bool address_parse(const char *text, address *out, socklen_t *n)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    size_t host_n = colon ? (size_t)(colon - text) : 0;
    char *end;
    unsigned long port;

    memset(out, 0, sizeof *out);
    if (!colon || host_n == 0 || host_n >= sizeof host || colon[1] < '0' || colon[1] > '9')
        return false;
    port = strtoul(colon + 1, &end, 10);
    if (*end || port > 65535)
        return false;
    memcpy(host, text, host_n);
    host[host_n] = 0;
    if (host[0] == '[' && host[host_n - 1] == ']') {
        host[host_n - 1] = 0;
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons((uint16_t)port);
        *n = sizeof out->v6;
        return inet_pton(AF_INET6, host + 1, &out->v6.sin6_addr) == 1;
    }
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons((uint16_t)port);
    *n = sizeof out->v4;
    return inet_pton(AF_INET, host, &out->v4.sin_addr) == 1;
}

static bool address_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
    return a->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

/* What limits count by: an IPv4 address, or the /64 that one customer of a provider has. */
static uint8_t address_key(const struct sockaddr *a, uint8_t out[16])
{
    if (a->sa_family == AF_INET) {
        memcpy(out, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
        return 4;
    }
    if (a->sa_family == AF_INET6) {
        const uint8_t *b = ((const struct sockaddr_in6 *)(const void *)a)->sin6_addr.s6_addr;
        if (IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr)) {
            memcpy(out, b + 12, 4);
            return 4;
        }
        memcpy(out, b, 8);
        return 8;
    }
    return 0;
}

/* The last name in X-Forwarded-For is the one that the proxy itself wrote. */
static void address_forwarded(conn *c)
{
    const char *v = MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, "X-Forwarded-For");
    const char *last = v ? strrchr(v, ',') : NULL;
    address a;
    char text[64];
    size_t n;

    v = last ? last + 1 : v;
    if (!v)
        return;
    v += strspn(v, " \t");
    n = strcspn(v, " \t");
    if (n >= sizeof text)
        return;
    memcpy(text, v, n);
    text[n] = 0;
    memset(&a, 0, sizeof a);
    if (inet_pton(AF_INET, text, &a.v4.sin_addr) == 1)
        a.any.sa_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &a.v6.sin6_addr) == 1)
        a.any.sa_family = AF_INET6;
    else
        return;
    c->address_n = address_key(&a.any, c->address);
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

static void conn_list(edn_httpd *h, conn *c)
{
    c->prev = NULL;
    c->next = h->conns;
    if (c->next)
        c->next->prev = c;
    h->conns = c;
    c->listed = true;
}

static void conn_unlist(edn_httpd *h, conn *c)
{
    if (!c->listed)
        return;
    *(c->prev ? &c->prev->next : &h->conns) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->listed = false;
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    edn_httpd *h = cls;
    conn *c = *context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
        c = calloc(1, sizeof *c);
        *context = c;
        if (!c)
            return; /* on_request refuses */
        c->mhd = mhd;
        c->fresh = true;
        c->since_s = now_s();
        if (info && info->client_addr)
            c->address_n = address_key(info->client_addr, c->address);
        conn_list(h, c);
        h->conns_n++;
    } else if (c) {
        conn_unlist(h, c);
        h->conns_n--;
        free(c);
        *context = NULL;
    }
}

/* Shuts a socket down behind the library's back: it sees the end at its next look, and cleans up. */
static void conn_kick(edn_httpd *h, conn *c)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);

    if (info)
        (void)shutdown(info->connect_fd, SHUT_RDWR); /* it may be gone already */
    h->timed_out++;
}

static bool conn_too_slow(const edn_httpd *h, const conn *c, uint64_t now)
{
    const edn_httpd_config *f = &h->config;
    const request *r = c->rq;
    uint64_t passed = now - (r ? r->started_s : c->since_s);

    if (!r)
        return passed > (c->fresh ? f->header_s : f->idle_s);
    if (!r->done && passed > f->body_grace_s && r->received < (passed - f->body_grace_s) * f->body_rate_min)
        return true;
    return passed > (r->received > HTTP_SMALL_SIZE || r->answer.body.n > HTTP_SMALL_SIZE ? f->upload_s : f->request_s);
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static ssize_t no_body(void *cls, uint64_t pos, char *buf, size_t n)
{
    (void)cls, (void)pos, (void)buf, (void)n;
    return MHD_CONTENT_READER_END_WITH_ERROR; /* a HEAD has no body: never called */
}

static struct MHD_Response *answer_response(request *r)
{
    edn_server_answer *a = &r->answer;
    struct MHD_Response *out;
    char seconds[16];
    bool ok = true;

    if (a->body.n > 0) {
        edn_bytes body = edn_buf_take(&a->body);
        out = MHD_create_response_from_buffer_with_free_callback(body.n, (void *)(uintptr_t)body.p, free);
        if (!out)
            free((void *)(uintptr_t)body.p);
    } else if (a->body_size > 0) {
        out = MHD_create_response_from_callback(a->body_size, 32, no_body, NULL, NULL);
    } else {
        out = MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    }
    if (!out)
        return NULL;
    if (a->type)
        ok = MHD_add_response_header(out, "Content-Type", a->type) == MHD_YES;
    if (a->status == 401)
        ok = ok && MHD_add_response_header(out, "WWW-Authenticate", "Bearer") == MHD_YES;
    if (a->retry_after_s > 0) {
        snprintf(seconds, sizeof seconds, "%u", (unsigned)a->retry_after_s);
        ok = ok && MHD_add_response_header(out, "Retry-After", seconds) == MHD_YES;
    }
    if (!ok) {
        MHD_destroy_response(out);
        return NULL;
    }
    return out;
}

static enum MHD_Result answer_queue(edn_httpd *h, request *r)
{
    int status = r->answer.status;
    bool plain = r->answer.body.n == 0 && (status == 200 || status == 204) && r->answer.body_size == 0;
    struct MHD_Response *response = plain ? h->empty[status == 204] : answer_response(r);
    enum MHD_Result ok;

    if (!response)
        return MHD_NO; /* no memory even for an answer: the connection ends */
    ok = MHD_queue_response(r->c->mhd, (unsigned)status, response);
    if (!plain)
        MHD_destroy_response(response); /* the connection holds it now */
    return ok;
}

/* ---- event streams ----------------------------------------------------------------------------------------------- */

static stream **stream_slot(edn_httpd *h, const edn_space_id *space)
{
    return &h->by_space[edn_table_hash(space->b, sizeof space->b, 0) % STREAM_SLOTS];
}

static void wheel_insert(edn_httpd *h, stream *s, uint64_t due_s)
{
    stream **slot = &h->wheel[due_s % WHEEL_SLOTS];

    s->due_s = due_s;
    s->wheel_prev = NULL;
    s->wheel_next = *slot;
    if (*slot)
        (*slot)->wheel_prev = s;
    *slot = s;
}

static void wheel_remove(edn_httpd *h, stream *s)
{
    *(s->wheel_prev ? &s->wheel_prev->wheel_next : &h->wheel[s->due_s % WHEEL_SLOTS]) = s->wheel_next;
    if (s->wheel_next)
        s->wheel_next->wheel_prev = s->wheel_prev;
}

static void stream_wake(edn_httpd *h, stream *s)
{
    if (s->suspended) {
        s->suspended = false;
        MHD_resume_connection(s->c->mhd);
        h->resumed = true;
    }
}

/* The buffer that we are to fill is most of the connection's pool. Before a stream goes to sleep, the pages of it that
 * hold nothing go back to the system: an idle stream then costs its head, not the largest head there may be. */
static void stream_give_back(char *buf, size_t n)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)buf + STREAM_TEXT_SIZE + page - 1) & ~(page - 1),
              to = ((uintptr_t)buf + n) & ~(page - 1);

    if (to > from)
        (void)madvise((void *)from, to - from, MADV_DONTNEED); /* if not, they stay resident */
}

static ssize_t stream_read(void *cls, uint64_t pos, char *buf, size_t n)
{
    stream *s = cls;

    (void)pos;
    if (s->text_n > 0 && n >= s->text_n) {
        size_t got = s->text_n;
        memcpy(buf, s->text, got);
        s->text_n = 0;
        return (ssize_t)got;
    }
    if (s->closing || s->text_n > 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    stream_give_back(buf, n);
    s->suspended = true;
    MHD_suspend_connection(s->c->mhd);
    return 0;
}

/* Streams are few bytes each: the request that began one is gone once its head was sent, and this is all that stays. */
typedef struct stream_owner {
    edn_httpd *h;
    stream s;
} stream_owner;

static void stream_free(void *cls)
{
    stream *s = cls;
    stream_owner *o = (stream_owner *)(void *)((char *)s - offsetof(stream_owner, s));
    stream **at = stream_slot(o->h, &s->watch.space);

    while (*at != s)
        at = &(*at)->next_space;
    *at = s->next_space;
    wheel_remove(o->h, s);
    o->h->streams_n--;
    free(o);
}

static void stream_say(stream *s, edn_bytes text)
{
    EDN_ASSERT(text.n <= sizeof s->text);
    memcpy(s->text, text.p, text.n);
    s->text_n = (uint8_t)text.n;
}

static enum MHD_Result stream_begin(edn_httpd *h, request *r)
{
    stream_owner *o = calloc(1, sizeof *o);
    struct MHD_Response *response;
    enum MHD_Result ok;
    stream *s;

    if (!o)
        return MHD_NO;
    o->h = h;
    s = &o->s;
    s->c = r->c;
    s->watch = r->answer.watch;
    s->next_space = *stream_slot(h, &s->watch.space);
    *stream_slot(h, &s->watch.space) = s;
    wheel_insert(h, s, now_s() + h->config.events_s);
    h->streams_n++;
    stream_say(s, edn_buf_view(&r->answer.body));
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 64, stream_read, s, stream_free);
    if (!response) {
        stream_free(s);
        return MHD_NO;
    }
    ok = MHD_add_response_header(response, "Content-Type", r->answer.type);
    if (ok == MHD_YES)
        ok = MHD_add_response_header(response, "Cache-Control", "no-store");
    if (ok == MHD_YES)
        ok = MHD_queue_response(r->c->mhd, 200, response);
    MHD_destroy_response(response);
    if (ok == MHD_YES)
        conn_unlist(h, r->c); /* from here on the wheel watches it */
    return ok;
}

/* Tells the streams of a space that it moved, and ends those that may not listen any more. */
static void stream_news(edn_httpd *h, const edn_server_change *change)
{
    edn_buf text = EDN_BUF_INIT(STREAM_TEXT_SIZE);

    edn_put_str(&text, "data: ");
    edn_base64url_encode(&text, edn_bytes_of(change->etag.b, sizeof change->etag.b));
    edn_put_str(&text, "\n\n");
    for (stream *s = *stream_slot(h, &change->space); s; s = s->next_space) {
        if (memcmp(&s->watch.space, &change->space, sizeof change->space) != 0)
            continue;
        if (!edn_server_watching(h->core, &s->watch))
            s->closing = true;
        else if (edn_buf_status(&text) == EDN_OK)
            stream_say(s, edn_buf_view(&text));
        else
            s->closing = true; /* no memory to tell it: it asks when it comes back */
        h->stream_events++;
        stream_wake(h, s);
    }
    edn_buf_dispose(&text);
}

static void stream_tick(edn_httpd *h, uint64_t second)
{
    for (stream *s = h->wheel[second % WHEEL_SLOTS], *next; s; s = next) {
        next = s->wheel_next;
        if (s->due_s > second)
            continue;
        if (!edn_server_watching(h->core, &s->watch))
            s->closing = true;
        else if (s->text_n == 0)
            stream_say(s, edn_bytes_str(":\n\n"));
        wheel_remove(h, s);
        wheel_insert(h, s, second + h->config.events_s);
        stream_wake(h, s);
    }
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static edn_server_method method_of(const char *m)
{
    return strcmp(m, "GET") == 0    ? EDN_SERVER_GET
           : strcmp(m, "POST") == 0 ? EDN_SERVER_POST
           : strcmp(m, "PUT") == 0  ? EDN_SERVER_PUT
           : strcmp(m, "HEAD") == 0 ? EDN_SERVER_HEAD
                                    : EDN_SERVER_OTHER;
}

static void refuse(request *r, int status, const char *code, const char *title)
{
    char text[160];

    edn_server_answer_dispose(&r->answer);
    r->answer.body = EDN_BUF_INIT(256);
    r->answer.status = status;
    r->answer.type = "application/problem+json";
    snprintf(text, sizeof text, "{\"type\":\"urn:edn:%s\",\"title\":\"%s\",\"status\":%d}", code, title, status);
    edn_put_str(&r->answer.body, text);
    r->refused = true;
}

static bool bearer_of(struct MHD_Connection *mhd, edn_bytes *out)
{
    const char *v = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Authorization");

    *out = EDN_BYTES_EMPTY;
    if (!v)
        return true;
    if (strncmp(v, "Bearer ", 7) != 0)
        return false;
    *out = edn_bytes_str(v + 7);
    return true;
}

/* RFC 9266, from the TLS session that this connection is. */
static const uint8_t *binding_of(struct MHD_Connection *mhd, uint8_t out[32])
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    gnutls_datum_t cb = {NULL, 0};

    memset(out, 0, 32);
    if (!info || !info->tls_session)
        return NULL;
    if (gnutls_session_channel_binding(info->tls_session, GNUTLS_CB_TLS_EXPORTER, &cb) == 0 && cb.size == 32)
        memcpy(out, cb.data, 32);
    gnutls_free(cb.data);
    return out; /* zeros that no signature of a client is over, should it ever fail */
}

/* What was declared; UINT64_MAX: chunked. False: more than we would ever read, or no number. */
static bool declared_size(struct MHD_Connection *mhd, uint64_t *out)
{
    const char *v = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Content-Length");
    char *end;

    *out = 0;
    if (MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Transfer-Encoding"))
        *out = UINT64_MAX;
    else if (v) {
        *out = strtoull(v, &end, 10);
        return *end == 0 && *out < UINT64_MAX;
    }
    return true;
}

static bool head_within_limits(const edn_httpd *h, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *size = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    return size && size->header_size <= h->config.header_size_max &&
           MHD_get_connection_values(mhd, MHD_HEADER_KIND, NULL, NULL) <= (int)h->config.header_fields_max;
}

/* ---- the server's own pages -------------------------------------------------------------------------------------- */

static void metric(edn_buf *b, const char *name, const char *type, const char *help, uint64_t value)
{
    char text[256];

    snprintf(text, sizeof text, "# HELP ednd_%s %s\n# TYPE ednd_%s %s\nednd_%s %llu\n", name, help, name, type, name,
             (unsigned long long)value);
    edn_put_str(b, text);
}

static void metrics(edn_httpd *h, edn_buf *b)
{
    edn_server_stats s = edn_server_stats_get(h->core);

    metric(b, "requests_total", "counter", "Requests handled.", s.requests);
    metric(b, "requests_denied_total", "counter", "Requests and logins that were not let in.", s.denied);
    metric(b, "requests_rejected_total", "counter", "Requests of a wrong form, size or address.", s.rejected);
    metric(b, "requests_limited_total", "counter", "Requests above a rate.", s.limited);
    metric(b, "conflicts_total", "counter", "Appends that came too late or do not continue a chain.", s.conflicts);
    metric(b, "failures_total", "counter", "Answers that say that the server failed.", s.failures);
    metric(b, "accounts_added_total", "counter", "Accounts made.", s.accounts_added);
    metric(b, "logins_total", "counter", "Logins that succeeded.", s.logins);
    metric(b, "batches_total", "counter", "Batches stored.", s.batches);
    metric(b, "batch_bytes_total", "counter", "Bytes of batches stored.", s.batch_bytes);
    metric(b, "commits_total", "counter", "Groups made durable.", s.commits);
    metric(b, "probes_total", "counter", "Questions whether there is something new.", s.probes);
    metric(b, "probes_new_total", "counter", "Of these, answered yes.", s.probes_new);
    metric(b, "cache_hits_total", "counter", "Accounts found in memory.", s.cache_hits);
    metric(b, "cache_misses_total", "counter", "Accounts read from the store.", s.cache_misses);
    metric(b, "cache_accounts", "gauge", "Accounts in memory.", s.cached_accounts);
    metric(b, "cache_bytes", "gauge", "Memory that they take, about.", s.cached_bytes);
    metric(b, "connections", "gauge", "Open connections.", h->conns_n);
    metric(b, "connections_timed_out_total", "counter", "Connections ended for being too slow.", h->timed_out);
    metric(b, "streams", "gauge", "Open event streams.", h->streams_n);
    metric(b, "stream_events_total", "counter", "Events sent to streams.", h->stream_events);
    metric(b, "body_memory_bytes", "gauge", "Bodies that are being received.", h->body_memory);
}

/* True: the answer is made. */
static bool own_page(edn_httpd *h, request *r)
{
    const union MHD_ConnectionInfo *info;
    bool health = edn_bytes_equal(r->rq.path, edn_bytes_str("/healthz"));

    if (!health && !edn_bytes_equal(r->rq.path, edn_bytes_str("/metrics")))
        return false;
    info = MHD_get_connection_info(r->c->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (r->rq.method != EDN_SERVER_GET && r->rq.method != EDN_SERVER_HEAD) {
        refuse(r, 405, "method", "not a method of this address");
    } else if (!health && (!info || !address_loopback(info->client_addr) ||
                           MHD_lookup_connection_value(r->c->mhd, MHD_HEADER_KIND, "X-Forwarded-For"))) {
        refuse(r, 404, "missing", "nothing is here"); /* for those who run the server only */
    } else {
        r->answer.body = EDN_BUF_INIT(65536);
        r->answer.status = 200;
        r->answer.type = health ? "text/plain" : "text/plain; version=0.0.4";
        if (health)
            edn_put_str(&r->answer.body, "ok\n");
        else
            metrics(h, &r->answer.body);
    }
    return true;
}

/* The address as a name of the day; of the path only what comes before its arguments. */
static void request_log(edn_httpd *h, const request *r)
{
    static const char *const methods[] = {"?", "GET", "HEAD", "POST", "PUT", "?"};
    static const char *const prefixes[] = {"/v1/probe/", "/v1/blobs/"};
    edn_bytes path = r->rq.path;
    char who[13];

    if (!h->config.log_requests)
        return;
    for (size_t i = 0; i < EDN_COUNT(prefixes); i++)
        if (path.n > strlen(prefixes[i]) && memcmp(path.p, prefixes[i], strlen(prefixes[i])) == 0)
            path.n = strlen(prefixes[i]);
    if (r->answer.status == 404 || r->answer.status == 400)
        path = edn_bytes_str("-"); /* somebody's guess: it may hold anything */
    edn_server_pseudonym(h->core, r->rq.address, who);
    fprintf(stderr, "ednd: %s %s %.*s %d %llu\n", who, methods[r->rq.method], (int)path.n, (const char *)path.p,
            r->answer.status, (unsigned long long)r->received);
}

static void request_free(edn_httpd *h, request *r)
{
    h->body_memory -= r->body.cap;
    edn_buf_dispose(&r->body);
    edn_server_answer_dispose(&r->answer);
    h->requests_n--;
    free(r);
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode code)
{
    edn_httpd *h = cls;
    request *r = *context;

    (void)mhd, (void)code;
    if (!r)
        return;
    for (request **at = &h->pending; *at; at = &(*at)->next_pending)
        if (*at == r) { /* it left before the group was handled; nothing of it was staged */
            *at = r->next_pending;
            if (h->pending_end == &r->next_pending)
                h->pending_end = at;
            h->pending_n--;
            break;
        }
    r->c->rq = NULL;
    r->c->since_s = now_s();
    r->c->fresh = false;
    request_log(h, r);
    request_free(h, r);
    *context = NULL;
}

/* The head is complete. */
static enum MHD_Result request_begin(edn_httpd *h, conn *c, const char *url, const char *method, void **context)
{
    request *r = calloc(1, sizeof *r);
    uint64_t size = 0;

    if (!r)
        return MHD_NO;
    *context = r;
    c->rq = r;
    r->c = c;
    r->started_s = now_s();
    r->body = EDN_BUF_INIT(0);
    if (!c->listed) /* it was a stream before */
        conn_list(h, c);
    h->requests_n++;
    if (h->config.behind_proxy)
        address_forwarded(c);
    r->rq.method = method_of(method);
    r->rq.path = edn_bytes_str(url);
    r->rq.address = edn_bytes_of(c->address, c->address_n);
    if (!head_within_limits(h, c->mhd))
        refuse(r, 431, "limit", "the head of the request is too large");
    else if (!bearer_of(c->mhd, &r->rq.bearer) || !declared_size(c->mhd, &size))
        refuse(r, 400, "form", "not a request of this protocol");
    else if (own_page(h, r))
        r->refused = true;
    else if (!edn_server_admit(h->core, &r->rq, size, &r->size_max, &r->appends, &r->answer))
        r->refused = true;
    else if (h->body_memory >= h->config.body_memory_max && size > 0) {
        refuse(r, 503, "busy", "the server cannot do this now");
        r->answer.retry_after_s = 1;
    }
    r->body.size_max = (size_t)r->size_max;
    if (!r->refused && size != UINT64_MAX)
        edn_buf_reserve(&r->body, (size_t)EDN_MIN(size, HTTP_SMALL_SIZE)); /* more only as it comes */
    h->body_memory += r->body.cap;
    if (r->refused &&
        (size > HTTP_DISCARD_SIZE_MAX || MHD_lookup_connection_value(c->mhd, MHD_HEADER_KIND, "Expect"))) {
        r->done = true;
        return answer_queue(h, r); /* before the body: the client waits for leave to send it */
    }
    return MHD_YES;
}

static enum MHD_Result request_data(edn_httpd *h, request *r, const char *data, size_t *n)
{
    size_t cap = r->body.cap;

    r->received += *n;
    if (!r->refused) {
        if (r->received > r->size_max)
            refuse(r, 413, "limit", "the body is longer than this server takes");
        else
            edn_put_bytes(&r->body, data, *n);
        h->body_memory += r->body.cap - cap;
        if (edn_buf_status(&r->body) != EDN_OK || h->body_memory > h->config.body_memory_max + HTTP_SMALL_SIZE) {
            refuse(r, 503, "busy", "the server cannot do this now");
            r->answer.retry_after_s = 1;
        }
    }
    *n = 0;
    return r->refused && r->received > HTTP_DISCARD_SIZE_MAX ? MHD_NO : MHD_YES;
}

/* The body is complete. */
static enum MHD_Result request_end(edn_httpd *h, request *r, void **context)
{
    if (r->done)
        return MHD_NO; /* its answer could not be queued */
    r->done = true;
    if (r->refused)
        return answer_queue(h, r);
    r->rq.body = edn_buf_view(&r->body);
    r->rq.channel_binding = binding_of(r->c->mhd, r->binding);
    if (r->appends) {
        *h->pending_end = r;
        h->pending_end = &r->next_pending;
        h->pending_n++;
        MHD_suspend_connection(r->c->mhd);
        return MHD_YES;
    }
    edn_server_handle(h->core, &r->rq, 1, &r->answer);
    if (!r->answer.stream)
        return answer_queue(h, r);
    if (stream_begin(h, r) != MHD_YES)
        return MHD_NO;
    request_log(h, r);
    r->c->rq = NULL;
    request_free(h, r); /* the stream needs it no more */
    *context = NULL;
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                  const char *version, const char *data, size_t *n, void **context)
{
    edn_httpd *h = cls;
    const union MHD_ConnectionInfo *info;

    (void)version;
    if (*context)
        return *n > 0 ? request_data(h, *context, data, n) : request_end(h, *context, context);
    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (!info || !info->socket_context || h->stopping)
        return MHD_NO;
    return request_begin(h, info->socket_context, url, method, context);
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

static void news(edn_httpd *h)
{
    const edn_server_change *changes;
    size_t n = edn_server_changes(h->core, &changes);

    for (size_t i = 0; i < n; i++)
        stream_news(h, &changes[i]);
}

/* One commit for all that gathered. */
static void group_handle(edn_httpd *h)
{
    size_t n = h->pending_n;
    edn_server_request *rq = malloc(n * sizeof *rq);
    edn_server_answer *answers = malloc(n * sizeof *answers);
    request *first = h->pending;
    size_t i = 0;

    h->pending = NULL;
    h->pending_end = &h->pending;
    h->pending_n = 0;
    if (rq && answers) {
        for (request *r = first; r; r = r->next_pending)
            rq[i++] = r->rq;
        edn_server_handle(h->core, rq, n, answers);
    }
    i = 0;
    for (request *r = first, *next; r; r = next) {
        next = r->next_pending;
        if (rq && answers)
            r->answer = answers[i++];
        else
            refuse(r, 503, "busy", "the server cannot do this now");
        /* An answer that cannot be queued leaves the request without one, and the library ends the connection. */
        if (answer_queue(h, r) != MHD_YES)
            conn_kick(h, r->c);
        MHD_resume_connection(r->c->mhd);
        h->resumed = true;
    }
    free(rq);
    free(answers);
    news(h);
}

static void sweep(edn_httpd *h)
{
    uint64_t now = now_s();

    if (now == h->swept_s)
        return;
    for (uint64_t t = h->swept_s + 1; t <= now; t++)
        if (h->streams_n > 0)
            stream_tick(h, t);
    h->swept_s = now;
    for (conn *c = h->conns, *next; c; c = next) {
        next = c->next;
        if (conn_too_slow(h, c, now))
            conn_kick(h, c);
    }
}

static int wait_ms(edn_httpd *h)
{
    MHD_UNSIGNED_LONG_LONG mhd;
    int ms = h->resumed ? 0 : h->conns_n > 0 ? 1000 : -1;

    if (MHD_get_timeout(h->daemon, &mhd) == MHD_YES && (ms < 0 || mhd < (unsigned)ms))
        ms = (int)EDN_MIN(mhd, 1000u);
    return ms;
}

static edn_status turn(edn_httpd *h, int stop_fd, bool *stop, edn_err *err)
{
    struct pollfd fds[2] = {{h->epoll_fd, POLLIN, 0}, {stop_fd, POLLIN, 0}};

    if (poll(fds, stop_fd >= 0 ? 2 : 1, wait_ms(h)) < 0 && errno != EINTR)
        return edn_fail(err, EDN_E_IO, "poll: %s", strerror(errno));
    h->resumed = false;
    if (MHD_run(h->daemon) != MHD_YES)
        return edn_fail(err, EDN_E_IO, "the HTTP library's loop failed");
    if (h->pending_n > 0)
        group_handle(h);
    sweep(h);
    *stop = fds[1].revents != 0;
    return EDN_OK;
}

/* No more connections; streams end; requests that are here get their answers, within the grace. */
static edn_status wind_down(edn_httpd *h, edn_err *err)
{
    uint64_t until = now_s() + STOP_GRACE_S;
    edn_status st = EDN_OK;
    bool stop;

    MHD_quiesce_daemon(h->daemon); /* the socket is ours to close */
    h->stopping = true;
    for (size_t i = 0; i < STREAM_SLOTS; i++)
        for (stream *s = h->by_space[i]; s; s = s->next_space) {
            s->closing = true;
            stream_wake(h, s);
        }
    while (st == EDN_OK && h->requests_n > 0 && now_s() < until) {
        for (conn *c = h->conns; c; c = c->next)
            if (!c->rq)
                conn_kick(h, c);
        st = turn(h, -1, &stop, err);
    }
    return st;
}

edn_status edn_httpd_run(edn_httpd *h, int stop_fd, edn_err *err)
{
    edn_status st = EDN_OK;
    bool stop = false;

    h->swept_s = now_s();
    while (st == EDN_OK && !stop)
        st = turn(h, stop_fd, &stop, err);
    return st == EDN_OK ? wind_down(h, err) : st;
}

/* ---- starting ---------------------------------------------------------------------------------------------------- */

edn_status edn_httpd_listen(const edn_httpd_config *config, int *fd, uint16_t *port, edn_err *err)
{
    address a;
    socklen_t n = 0;
    int on = 1, e;

    *fd = -1;
    if (!address_parse(config->listen, &a, &n))
        return edn_fail(err, EDN_E_INVALID, "listen = %s: not ADDRESS:PORT (as in 127.0.0.1:8437 or [::1]:8437)",
                        config->listen);
    if (!address_loopback(&a.any) && !config->tls_cert && !config->behind_proxy)
        return edn_fail(
            err, EDN_E_INVALID,
            "listen = %s reaches beyond this machine: give tls-cert and tls-key, or say behind-proxy when TLS ends "
            "at a proxy in front",
            config->listen);
    *fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0)
        return edn_fail(err, EDN_E_IO, "socket: %s", strerror(errno));
    if (setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 || bind(*fd, &a.any, n) != 0 ||
        listen(*fd, (int)config->backlog) != 0 || getsockname(*fd, &a.any, &n) != 0) {
        e = errno;
        (void)close(*fd); /* nothing was written to it */
        *fd = -1;
        return edn_fail(err, e == EADDRINUSE ? EDN_E_BUSY : EDN_E_IO, "listen = %s: %s", config->listen, strerror(e));
    }
    *port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
    return EDN_OK;
}

static edn_status pem_read(const char *path, char **out, edn_err *err)
{
    edn_buf b = EDN_BUF_INIT(1u << 20);
    FILE *f = fopen(path, "re");
    char part[4096];
    size_t n;

    *out = NULL;
    if (!f)
        return edn_fail(err, EDN_E_TLS, "%s: %s", path, strerror(errno));
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        edn_put_bytes(&b, part, n);
    edn_put_u8(&b, 0);
    edn_wipe(part, sizeof part);
    if (ferror(f) || edn_buf_status(&b) != EDN_OK) {
        (void)fclose(f);
        edn_buf_wipe(&b);
        return edn_fail(err, EDN_E_TLS, "%s cannot be read", path);
    }
    (void)fclose(f); /* read only */
    *out = (char *)(uintptr_t)edn_buf_take(&b).p;
    return EDN_OK;
}

/* TLS 1.3 alone, X25519, the three standard suites; no tickets, so no early data. */
#define HTTP_PRIORITIES                                                                                                \
    "NONE:+VERS-TLS1.3:+AES-256-GCM:+AES-128-GCM:+CHACHA20-POLY1305:+AEAD:+GROUP-X25519:+KX-ALL:+SIGN-ALL:"            \
    "+CTYPE-X509:%NO_TICKETS:%SERVER_PRECEDENCE"

static edn_status daemon_start(edn_httpd *h, edn_err *err)
{
    const edn_httpd_config *f = &h->config;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_SUPPRESS_DATE_NO_CLOCK;
    struct MHD_OptionItem options[16];
    size_t n = 0;

#define OPTION(o, v, p) options[n++] = (struct MHD_OptionItem){(o), (intptr_t)(v), (p)}
    OPTION(MHD_OPTION_LISTEN_SOCKET, h->listen_fd, NULL);
    OPTION(MHD_OPTION_CONNECTION_MEMORY_LIMIT, HTTP_POOL_SIZE(f->header_size_max), NULL);
    OPTION(MHD_OPTION_CONNECTION_LIMIT, f->connections_max, NULL);
    OPTION(MHD_OPTION_CONNECTION_TIMEOUT, f->idle_s, NULL);
    if (!f->behind_proxy && f->connections_per_address > 0)
        OPTION(MHD_OPTION_PER_IP_CONNECTION_LIMIT, f->connections_per_address, NULL);
    OPTION(MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL);
    OPTION(MHD_OPTION_NOTIFY_COMPLETED, on_completed, h);
    OPTION(MHD_OPTION_NOTIFY_CONNECTION, on_connection, h);
    if (f->tls_cert) {
        flags |= MHD_USE_TLS;
        OPTION(MHD_OPTION_HTTPS_MEM_CERT, 0, h->cert);
        OPTION(MHD_OPTION_HTTPS_MEM_KEY, 0, h->key);
        OPTION(MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)HTTP_PRIORITIES);
    }
    OPTION(MHD_OPTION_END, 0, NULL);
#undef OPTION
    h->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, h, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    if (!h->daemon)
        return edn_fail(err, f->tls_cert ? EDN_E_TLS : EDN_E_IO,
                        f->tls_cert ? "%s and %s are not a certificate and its key"
                                    : "the HTTP library did not start%s%s",
                        f->tls_cert ? f->tls_cert : "", f->tls_key ? f->tls_key : "");
    h->epoll_fd = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    return EDN_OK;
}

edn_status edn_httpd_new(const edn_httpd_config *config, int fd, edn_server *core, edn_httpd **out, edn_err *err)
{
    edn_httpd *h = calloc(1, sizeof *h);
    edn_status st = EDN_OK;

    *out = NULL;
    if (!h)
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    h->config = *config;
    h->core = core;
    h->listen_fd = fd;
    h->pending_end = &h->pending;
    h->by_space = calloc(STREAM_SLOTS, sizeof(stream *));
    for (size_t i = 0; i < EDN_COUNT(h->empty); i++)
        h->empty[i] = MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    if (!h->by_space || !h->empty[0] || !h->empty[1]) {
        st = edn_fail(err, EDN_E_NOMEM, "out of memory");
        goto out;
    }
    if (config->tls_cert && ((st = pem_read(config->tls_cert, &h->cert, err)) != EDN_OK ||
                             (st = pem_read(config->tls_key, &h->key, err)) != EDN_OK))
        goto out;
    if ((st = daemon_start(h, err)) != EDN_OK)
        goto out;
    *out = h;
    h = NULL;
out:
    if (h) {
        h->listen_fd = -1; /* stays the caller's */
        edn_httpd_free(h);
    }
    return st;
}

void edn_httpd_free(edn_httpd *h)
{
    if (!h)
        return;
    if (h->daemon) {
        /* The library asserts that nothing is suspended when it stops. */
        h->stopping = true;
        for (size_t i = 0; i < STREAM_SLOTS; i++)
            for (stream *s = h->by_space[i]; s; s = s->next_space) {
                s->closing = true;
                stream_wake(h, s);
            }
        for (request *r = h->pending; r; r = r->next_pending)
            MHD_resume_connection(r->c->mhd);
        h->pending = NULL;
        h->pending_end = &h->pending;
        h->pending_n = 0;
        (void)MHD_quiesce_daemon(h->daemon); /* the socket is ours to close; it fails when that was said before */
        MHD_stop_daemon(h->daemon);
    }
    for (size_t i = 0; i < EDN_COUNT(h->empty); i++)
        if (h->empty[i])
            MHD_destroy_response(h->empty[i]);
    if (h->listen_fd >= 0)
        (void)close(h->listen_fd); /* nothing was written to it */
    if (h->key)
        edn_wipe(h->key, strlen(h->key));
    free(h->key);
    free(h->cert);
    free(h->by_space);
    free(h);
}
