#define _GNU_SOURCE /* ppoll */
#include "http_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* One thread, one loop:
 *
 *   poll(the daemon's epoll, stop) ─▶ MHD_run ─▶ the group that gathered ─▶ its answers, news to streams
 *                                     ─▶ held answers that are due ─▶ once a second: clocks
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

/* A connection's memory: a head, what the library notes of each field, and the head of the answer. */
#define HTTP_POOL_SIZE(size_max, fields_max) ((size_t)(size_max) + (size_t)(fields_max)*80 + 1024)
#define HTTP_SMALL_SIZE 65536u
/* Of a refused body we read this much, so that the answer arrives. */
#define HTTP_DISCARD_SIZE_MAX (EDN_PUSH_SIZE_MAX + 1u)
/* Answers to challenges and logins leave this long after their request, whatever their making took: some hundred
 * microseconds, a little more or less for an account that is there, or in memory. */
#define HTTP_HOLD_NS 3000000u
/* When several devices write at once, a group waits this long for more of them: a commit costs nearly the same for one
 * as for fifty. A device that writes alone never waits. */
#define HTTP_LINGER_NS 2000000u
#define HTTP_GROUP_MAX 256u
#define STOP_GRACE_S 10u

static void queue_init(queue *q) { *q = (queue){NULL, &q->first, 0}; }

static void queue_put(queue *q, request *r)
{
    r->next = NULL;
    *q->end = r;
    q->end = &r->next;
    q->n++;
}

static void queue_remove(queue *q, const request *r)
{
    for (request **at = &q->first; *at; at = &(*at)->next)
        if (*at == r) {
            *at = r->next;
            if (q->end == &r->next)
                q->end = at;
            q->n--;
            return;
        }
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t edn_httpd_now_s(void)
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
        .streams_per_device = 4,
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
        .reload_fd = -1,
    };
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
    c->address_n = edn_address_key(&a.any, c->address);
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

void edn_httpd_conn_unlist(edn_httpd *h, conn *c)
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
        c->heading = true;
        c->since_s = edn_httpd_now_s();
        edn_tls_begin(h, c);
        if (info && info->client_addr)
            c->address_n = edn_address_key(info->client_addr, c->address);
        conn_list(h, c);
        h->conns_n++;
    } else if (c) {
        edn_httpd_conn_unlist(h, c);
        edn_tls_end(c);
        h->conns_n--;
        h->closed = true;
        free(c);
        *context = NULL;
    }
}

static int conn_fd(const conn *c)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);

    return info ? info->connect_fd : -1;
}

void edn_httpd_conn_kick(conn *c) { (void)shutdown(conn_fd(c), SHUT_RDWR); /* it may be gone already */ }

static void conn_kick(edn_httpd *h, conn *c)
{
    edn_httpd_conn_kick(c);
    h->timed_out++;
}

/* The library says when a head is complete and not when it begins: the socket tells that something has come. */
static void conn_look(conn *c, uint64_t now)
{
    if (c->rq || c->heading || edn_conn_bytes(conn_fd(c)) == c->seen)
        return;
    c->heading = true;
    c->since_s = now;
}

static bool conn_too_slow(const edn_httpd *h, const conn *c, uint64_t now)
{
    const edn_httpd_config *f = &h->config;
    const request *r = c->rq;
    uint64_t passed = now - (r ? r->started_s : c->since_s);

    if (!r)
        return passed > (c->heading ? f->header_s : f->idle_s);
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

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static edn_server_method method_of(const char *m)
{
    return strcmp(m, "GET") == 0    ? EDN_SERVER_GET
           : strcmp(m, "POST") == 0 ? EDN_SERVER_POST
           : strcmp(m, "PUT") == 0  ? EDN_SERVER_PUT
           : strcmp(m, "HEAD") == 0 ? EDN_SERVER_HEAD
                                    : EDN_SERVER_OTHER;
}

void edn_httpd_refuse(request *r, int status, const char *code, const char *title)
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
    /* It left before it was answered. Nothing of it was staged, or all is durable. */
    queue_remove(&h->pending, r);
    queue_remove(&h->held, r);
    r->c->rq = NULL;
    r->c->since_s = edn_httpd_now_s();
    r->c->heading = false;
    r->c->seen = edn_conn_bytes(conn_fd(r->c));
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
    r->started_s = edn_httpd_now_s();
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
        edn_httpd_refuse(r, 431, "limit", "the head of the request is too large");
    else if (!bearer_of(c->mhd, &r->rq.bearer) || !declared_size(c->mhd, &size))
        edn_httpd_refuse(r, 400, "form", "not a request of this protocol");
    else if (edn_httpd_page(h, r))
        r->refused = true;
    else if (!edn_server_admit(h->core, &r->rq, size, &r->size_max, &r->appends, &r->answer))
        r->refused = true;
    else if (h->body_memory >= h->config.body_memory_max && size > 0) {
        edn_httpd_refuse(r, 503, "busy", "the server cannot do this now");
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
            edn_httpd_refuse(r, 413, "limit", "the body is longer than this server takes");
        else
            edn_put_bytes(&r->body, data, *n);
        h->body_memory += r->body.cap - cap;
        if (edn_buf_status(&r->body) != EDN_OK || h->body_memory > h->config.body_memory_max + HTTP_SMALL_SIZE) {
            edn_httpd_refuse(r, 503, "busy", "the server cannot do this now");
            r->answer.retry_after_s = 1;
        }
    }
    *n = 0;
    return r->refused && r->received > HTTP_DISCARD_SIZE_MAX ? MHD_NO : MHD_YES;
}

static void news(edn_httpd *h)
{
    const edn_server_change *changes;
    size_t n = edn_server_changes(h->core, &changes);

    for (size_t i = 0; i < n; i++)
        edn_httpd_stream_news(h, &changes[i]);
}

/* The body is complete. */
static enum MHD_Result request_end(edn_httpd *h, request *r, void **context)
{
    uint64_t began_ns = now_ns();

    if (r->done)
        return MHD_NO; /* its answer could not be queued */
    r->done = true;
    if (r->refused)
        return answer_queue(h, r);
    r->rq.body = edn_buf_view(&r->body);
    r->rq.channel_binding = binding_of(r->c->mhd, r->binding);
    if (r->appends) {
        r->due_ns = began_ns;
        queue_put(&h->pending, r);
        MHD_suspend_connection(r->c->mhd);
        return MHD_YES;
    }
    edn_server_handle(h->core, &r->rq, 1, &r->answer);
    news(h);
    if (r->answer.hold) {
        r->due_ns = began_ns + HTTP_HOLD_NS;
        queue_put(&h->held, r);
        MHD_suspend_connection(r->c->mhd);
        return MHD_YES;
    }
    if (!r->answer.stream)
        return answer_queue(h, r);
    if (edn_httpd_stream_begin(h, r) != MHD_YES)
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

/* The answer goes to the library, which sends it when it next looks at the connection. One that cannot be queued leaves
 * the request without an answer, and its connection ends. */
static void request_answer(edn_httpd *h, request *r)
{
    if (answer_queue(h, r) != MHD_YES)
        conn_kick(h, r->c);
    MHD_resume_connection(r->c->mhd);
    h->resumed = true;
}

/* One commit for all that gathered. */
static void group_handle(edn_httpd *h)
{
    size_t n = h->pending.n, i = 0;
    edn_server_request *rq = malloc(n * sizeof *rq);
    edn_server_answer *answers = malloc(n * sizeof *answers);
    request *first = h->pending.first;

    h->group_last = n;
    queue_init(&h->pending);
    if (rq && answers) {
        for (request *r = first; r; r = r->next)
            rq[i++] = r->rq;
        edn_server_handle(h->core, rq, n, answers);
    }
    i = 0;
    for (request *r = first, *next; r; r = next) {
        next = r->next;
        if (rq && answers)
            r->answer = answers[i++];
        else
            edn_httpd_refuse(r, 503, "busy", "the server cannot do this now");
        if (r->answer.hold) {
            r->due_ns += HTTP_HOLD_NS;
            queue_put(&h->held, r);
        } else {
            request_answer(h, r);
        }
    }
    free(rq);
    free(answers);
    news(h);
}

/* How long the group may still wait for company; 0: it is to be handled now; UINT64_MAX: there is none. */
static uint64_t group_due_ns(const edn_httpd *h)
{
    uint64_t passed;

    if (h->pending.n == 0)
        return UINT64_MAX;
    if (h->group_last <= 1 || h->pending.n >= HTTP_GROUP_MAX || h->stopping)
        return 0;
    passed = now_ns() - h->pending.first->due_ns;
    return passed >= HTTP_LINGER_NS ? 0 : HTTP_LINGER_NS - passed;
}

static void held_release(edn_httpd *h)
{
    while (h->held.first && (h->stopping || now_ns() >= h->held.first->due_ns)) {
        request *r = h->held.first;
        queue_remove(&h->held, r);
        request_answer(h, r);
    }
}

static void sweep(edn_httpd *h)
{
    uint64_t now = edn_httpd_now_s();

    if (now == h->swept_s)
        return;
    for (uint64_t t = h->swept_s + 1; t <= now; t++)
        if (h->streams_n > 0)
            edn_httpd_stream_tick(h, t);
    h->swept_s = now;
    for (conn *c = h->conns, *next; c; c = next) {
        next = c->next;
        conn_look(c, now);
        if (conn_too_slow(h, c, now))
            conn_kick(h, c);
    }
    edn_tls_sweep(h);
    edn_server_tick(h->core);
}

/* Until something is due; NULL: nothing is. */
static const struct timespec *wait_for(edn_httpd *h, struct timespec *t)
{
    uint64_t ns = h->resumed || h->closed ? 0 : h->conns_n > 0 ? 1000000000u : UINT64_MAX, now;
    MHD_UNSIGNED_LONG_LONG ms;

    if (MHD_get_timeout(h->daemon, &ms) == MHD_YES && ms < 1000)
        ns = EDN_MIN(ns, ms * 1000000u);
    ns = EDN_MIN(ns, group_due_ns(h));
    if (ns > 0 && h->held.first) {
        now = now_ns();
        ns = h->held.first->due_ns > now ? EDN_MIN(ns, h->held.first->due_ns - now) : 0;
    }
    *t = (struct timespec){(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    return ns == UINT64_MAX ? NULL : t;
}

/* Certificate and key again. A failure is said, and the old ones stay. */
static void reload(edn_httpd *h)
{
    uint8_t said[sizeof(struct signalfd_siginfo)];
    edn_err err;

    while (read(h->config.reload_fd, said, sizeof said) > 0)
        ;
    if (h->config.tls_cert && edn_tls_load(h, &err) != EDN_OK)
        fprintf(stderr, "ednd: %s; the certificate that was there stays in use\n", err.text);
}

static edn_status turn(edn_httpd *h, int stop_fd, bool *stop, edn_err *err)
{
    struct pollfd fds[] = {{h->epoll_fd, POLLIN, 0},
                           {h->hangup_fd, POLLIN, 0},
                           {h->config.reload_fd, POLLIN, 0},
                           {stop_fd, POLLIN, 0}}; /* one below 0 is left out */
    struct timespec t;

    if (ppoll(fds, EDN_COUNT(fds), wait_for(h, &t), NULL) < 0 && errno != EINTR)
        return edn_fail(err, EDN_E_IO, "poll: %s", strerror(errno));
    h->resumed = h->closed = false;
    if (fds[1].revents)
        edn_httpd_stream_hangups(h);
    if (fds[2].revents)
        reload(h);
    if (MHD_run(h->daemon) != MHD_YES)
        return edn_fail(err, EDN_E_IO, "the HTTP library's loop failed");
    if (group_due_ns(h) == 0)
        group_handle(h);
    held_release(h);
    sweep(h);
    *stop = fds[3].revents != 0;
    return EDN_OK;
}

/* No more connections; streams end; requests that are here get their answers, within the grace. */
static edn_status wind_down(edn_httpd *h, edn_err *err)
{
    uint64_t until = edn_httpd_now_s() + STOP_GRACE_S;
    edn_status st = EDN_OK;
    bool stop;

    MHD_quiesce_daemon(h->daemon); /* the socket is ours to close */
    h->stopping = true;
    edn_httpd_stream_end_all(h);
    while (st == EDN_OK && h->requests_n > 0 && edn_httpd_now_s() < until) {
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

    h->swept_s = edn_httpd_now_s();
    while (st == EDN_OK && !stop)
        st = turn(h, stop_fd, &stop, err);
    return st == EDN_OK ? wind_down(h, err) : st;
}

/* ---- starting ---------------------------------------------------------------------------------------------------- */

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
    OPTION(MHD_OPTION_CONNECTION_MEMORY_LIMIT, HTTP_POOL_SIZE(f->header_size_max, f->header_fields_max), NULL);
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
    h->hangup_fd = epoll_create1(EPOLL_CLOEXEC);
    queue_init(&h->pending);
    queue_init(&h->held);
    h->by_space = calloc(STREAM_SLOTS, sizeof(stream *));
    for (size_t i = 0; i < EDN_COUNT(h->empty); i++)
        h->empty[i] = MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    if (h->hangup_fd < 0 || !h->by_space || !h->empty[0] || !h->empty[1]) {
        st = edn_fail(err, EDN_E_NOMEM, "out of memory");
        goto out;
    }
    if (config->tls_cert &&
        ((st = edn_pem_read(config->tls_cert, &h->cert, err)) != EDN_OK ||
         (st = edn_pem_read(config->tls_key, &h->key, err)) != EDN_OK || (st = edn_tls_load(h, err)) != EDN_OK))
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
        edn_httpd_stream_end_all(h);
        for (request *r = h->pending.first; r; r = r->next)
            MHD_resume_connection(r->c->mhd);
        for (request *r = h->held.first; r; r = r->next)
            MHD_resume_connection(r->c->mhd);
        (void)MHD_quiesce_daemon(h->daemon); /* the socket is ours to close; it fails when that was said before */
        MHD_stop_daemon(h->daemon);
    }
    for (size_t i = 0; i < EDN_COUNT(h->empty); i++)
        if (h->empty[i])
            MHD_destroy_response(h->empty[i]);
    if (h->listen_fd >= 0)
        (void)close(h->listen_fd); /* nothing was written to it */
    if (h->hangup_fd >= 0)
        (void)close(h->hangup_fd); /* the same */
    edn_tls_dispose(h);
    edn_pem_free(h->key);
    edn_pem_free(h->cert);
    free(h->by_space);
    free(h);
}
