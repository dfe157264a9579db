#define _GNU_SOURCE /* memmem */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "peer.h"
#include "remote/remote.h"
#include "tempdir.h"

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

typedef struct talk {
    peer *p;
    edn_http *h;
    edn_transport t;
} talk;

static void origin_of(char out[64], const peer *p, const char *scheme, const char *host)
{
    snprintf(out, 64, "%s://%s:%u", scheme, host, peer_port(p));
}

static talk begin_with(const peer_answer *answers, size_t n, const edn_http_options *o)
{
    talk x = {.p = peer_start(answers, n, NULL)};
    char origin[64];

    origin_of(origin, x.p, "http", "127.0.0.1");
    CHECK_OK(edn_http_new(origin, o, &x.h, NULL));
    x.t = edn_http_transport(x.h);
    return x;
}

static talk begin(const peer_answer *answers, size_t n) { return begin_with(answers, n, &(edn_http_options){0}); }

static void end(talk *x)
{
    edn_http_free(x->h);
    peer_stop(x->p);
}

static const edn_http_request get_x = {.method = EDN_HTTP_GET, .path = "/x", .answer_size_max = 1000};

/* What one answer makes of one request. */
static edn_status outcome(const peer_answer *a, edn_http_answer *out, edn_err *err)
{
    edn_http_options o = {.connect_ms = 2000, .total_ms = 1000};
    talk x = begin_with(a, 1, &o);
    edn_status st = x.t.exchange(x.t.ctx, &get_x, out, err);

    end(&x);
    return st;
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

/* Every byte of them: bytes on the wire are a target. */
static void requests_carry_nothing_needless(void **state)
{
    (void)state;
    static const peer_answer answers[] = {{ok, PEER_KEEP}, {ok, PEER_KEEP}, {ok, PEER_KEEP}, {ok, PEER_KEEP}};
    const edn_http_request requests[] = {
        {.method = EDN_HTTP_GET, .path = "/v1/probe?x=1", .answer_size_max = 100},
        {.method = EDN_HTTP_POST,
         .path = "/v1/push",
         .bearer = "to.ke.n",
         .body = edn_bytes_str("batch"),
         .answer_size_max = 100},
        {.method = EDN_HTTP_PUT, .path = "/v1/blob/00", .body = edn_bytes_str("a\0b"), .answer_size_max = 100},
        {.method = EDN_HTTP_POST, .path = "/v1/pull", .answer_size_max = 100},
    };
    talk x = begin(answers, 4);
    char want[512];
    uint64_t sent = 0, received = 0;
    unsigned port = peer_port(x.p);

    for (size_t i = 0; i < EDN_COUNT(requests); i++) {
        edn_http_answer a;
        edn_err err = {0};
        if (x.t.exchange(x.t.ctx, &requests[i], &a, &err) != EDN_OK)
            fail_msg("%s", err.text);
        CHECK_INT(a.status, 200);
        CHECK_STR(edn_buf_view(&a.body), "hello");
        sent += a.bytes_sent;
        received += a.bytes_received;
        edn_buf_dispose(&a.body);
    }
    snprintf(want, sizeof want,
             "GET /v1/probe?x=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n"
             "POST /v1/push HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nAuthorization: Bearer to.ke.n\r\n"
             "Content-Length: 5\r\n\r\nbatch"
             "PUT /v1/blob/00 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Length: 1\r\n\r\na"
             "POST /v1/pull HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Length: 0\r\n\r\n",
             port, port, port, port);
    CHECK_STR(peer_heard(x.p), want);
    CHECK_INT(peer_connections(x.p), 1); /* kept alive */
    CHECK_INT(sent, peer_heard(x.p).n);
    CHECK_INT(received, peer_said(x.p));
    end(&x);
}

static void large_bodies_arrive_and_are_counted(void **state)
{
    (void)state;
    static const peer_answer answers[] = {{ok, PEER_KEEP},
                                          {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                           "3\r\nabc\r\nA;ext=1\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
                                           PEER_KEEP, 3}};
    size_t n = 3 << 20;
    uint8_t *body = malloc(n);
    edn_http_answer a;
    edn_http_request rq = {.method = EDN_HTTP_PUT, .path = "/x", .body = {body, n}, .answer_size_max = 13};
    talk x = begin(answers, 2);

    assert_non_null(body);
    for (size_t i = 0; i < n; i++)
        body[i] = (uint8_t)(i * 31 >> 3);
    CHECK_OK(x.t.exchange(x.t.ctx, &rq, &a, NULL));
    CHECK_INT(a.bytes_sent, peer_heard(x.p).n);
    CHECK(peer_heard(x.p).n > n);
    CHECK(memcmp(peer_heard(x.p).p + peer_heard(x.p).n - n, body, n) == 0);
    edn_buf_dispose(&a.body);
    rq.body = EDN_BYTES_EMPTY;
    CHECK_OK(x.t.exchange(x.t.ctx, &rq, &a, NULL));
    CHECK_STR(edn_buf_view(&a.body), "abc0123456789");
    CHECK_INT(a.bytes_received, strlen(answers[1].text));
    edn_buf_dispose(&a.body);
    end(&x);
    free(body);
}

static void what_could_split_a_request_is_not_sent(void **state)
{
    (void)state;
    static const char *const paths[] = {"x", "", "http://other/", "/a b", "/a\r\nX: y", "/\xc3\xa9", "/a\tb", "/\x7f"};
    static const char *const tokens[] = {"", "a b", "a\r\nX: y", "a\n", "\xc3\xa9"};
    static const peer_answer answers[] = {{ok, PEER_KEEP}};
    talk x = begin(answers, 1);
    edn_http_answer a;
    edn_err err;

    for (size_t i = 0; i < EDN_COUNT(paths); i++) {
        edn_http_request rq = {.path = paths[i], .answer_size_max = 10};
        CHECK_STATUS(x.t.exchange(x.t.ctx, &rq, &a, &err), EDN_E_INVALID);
    }
    for (size_t i = 0; i < EDN_COUNT(tokens); i++) {
        edn_http_request rq = {.path = "/", .bearer = tokens[i], .answer_size_max = 10};
        CHECK_STATUS(x.t.exchange(x.t.ctx, &rq, &a, &err), EDN_E_INVALID);
    }
    CHECK_INT(peer_connections(x.p), 0);
    end(&x);
}

static void the_environment_has_no_say(void **state)
{
    (void)state;
    static const peer_answer answers[] = {{ok, PEER_KEEP}};
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"};
    char home[TEMPDIR_SIZE], netrc[TEMPDIR_SIZE + 8];
    edn_http_answer a;
    FILE *f;

    tempdir_make(home);
    snprintf(netrc, sizeof netrc, "%s/.netrc", home);
    f = fopen(netrc, "w");
    assert_non_null(f);
    fprintf(f, "default login me password mine\n");
    fclose(f);
    setenv("HOME", home, 1);
    for (size_t i = 0; i < EDN_COUNT(names); i++)
        setenv(names[i], "http://127.0.0.1:1", 1);
    talk x = begin(answers, 1);
    CHECK_OK(x.t.exchange(x.t.ctx, &get_x, &a, NULL));
    assert_null(memmem(peer_heard(x.p).p, peer_heard(x.p).n, "Authorization", 13));
    edn_buf_dispose(&a.body);
    end(&x);
    for (size_t i = 0; i < EDN_COUNT(names); i++)
        unsetenv(names[i]);
    tempdir_remove(home);
}

static void proxies_stand_only_before_tls(void **state)
{
    (void)state;
    edn_http_options o = {.proxy = "socks5h://127.0.0.1:1"};
    edn_http_answer a;
    edn_err err = {0};
    edn_http *h;

    CHECK_STATUS(edn_http_new("http://127.0.0.1:9", &o, &h, &err), EDN_E_INVALID);
    assert_null(h);
    CHECK_STATUS(edn_http_new("http://diary.example", &(edn_http_options){0}, &h, &err), EDN_E_INVALID);
    CHECK_OK(edn_http_new("https://diary.invalid", &o, &h, &err));
    edn_transport t = edn_http_transport(h);
    CHECK_STATUS(t.exchange(t.ctx, &get_x, &a, &err), EDN_E_NETWORK); /* the proxy is asked, and is not there */
    CHECK(strstr(err.text, "https://diary.invalid") != NULL);
    edn_http_free(h);
    edn_http_free(NULL);
}

static void an_http_proxy_is_asked_for_a_tunnel_and_sees_no_token(void **state)
{
    (void)state;
    static const peer_answer answers[] = {{"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", PEER_CLOSE}};
    peer *p = peer_start(answers, 1, NULL);
    edn_http_request rq = {.path = "/x", .bearer = "secret", .answer_size_max = 10};
    char proxy[64];
    edn_http_answer a;
    edn_http *h;

    origin_of(proxy, p, "http", "127.0.0.1");
    CHECK_OK(edn_http_new("https://diary.invalid", &(edn_http_options){.proxy = proxy}, &h, NULL));
    edn_transport t = edn_http_transport(h);
    CHECK_STATUS(t.exchange(t.ctx, &rq, &a, NULL), EDN_E_NETWORK);
    CHECK(peer_heard(p).n > 8 && memcmp(peer_heard(p).p, "CONNECT ", 8) == 0);
    assert_null(memmem(peer_heard(p).p, peer_heard(p).n, "secret", 6));
    edn_http_free(h);
    peer_stop(p);
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void every_http_status_is_an_answer(void **state)
{
    (void)state;
    static const int statuses[] = {200, 201, 204, 301, 302, 304, 400, 401, 403, 404, 409, 429, 500, 503};

    for (size_t i = 0; i < EDN_COUNT(statuses); i++) {
        char text[200];
        bool bare = statuses[i] == 204 || statuses[i] == 304;
        peer_answer a = {text, PEER_KEEP};
        edn_http_answer out;
        snprintf(text, sizeof text,
                 "HTTP/1.1 %d Text\r\nLocation: http://127.0.0.1:1/elsewhere\r\nRetry-After: %zu\r\n%s", statuses[i], i,
                 bare ? "\r\n" : "Content-Length: 2\r\n\r\n{}");
        CHECK_OK(outcome(&a, &out, NULL));
        CHECK_INT(out.status, statuses[i]); /* and no redirect is followed */
        CHECK_STR(edn_buf_view(&out.body), bare ? "" : "{}");
        CHECK_INT(out.retry_after_s, i);
        CHECK_INT(out.bytes_received, strlen(text));
        edn_buf_dispose(&out.body);
    }
}

static void a_lost_connection_is_made_anew(void **state)
{
    (void)state;
    static const peer_answer answers[] = {{ok, PEER_CLOSE}, {ok, PEER_CUT}, {ok, PEER_KEEP}, {ok, PEER_CLOSE}};
    talk x = begin(answers, 4);

    for (int i = 0; i < 4; i++) {
        edn_http_answer a;
        edn_err err = {0};
        if (x.t.exchange(x.t.ctx, &get_x, &a, &err) != EDN_OK)
            fail_msg("%d: %s", i, err.text);
        CHECK_STR(edn_buf_view(&a.body), "hello");
        edn_buf_dispose(&a.body);
        usleep(20000); /* the end arrives */
    }
    CHECK_INT(peer_connections(x.p), 3);
    end(&x);
}

static void bad_answers_have_clear_statuses(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        peer_answer a;
        edn_status st;
    } cases[] = {
        {"nothing", {"", PEER_CLOSE}, EDN_E_NETWORK},
        {"nothing, with a reset", {"", PEER_CUT}, EDN_E_NETWORK},
        {"silence", {"", PEER_HANG}, EDN_E_NETWORK},
        {"half a status line", {"HTTP/1.", PEER_CLOSE}, EDN_E_NETWORK},
        {"half a head", {"HTTP/1.1 200 OK\r\nContent-Len", PEER_CLOSE}, EDN_E_NETWORK},
        {"half a head and silence", {"HTTP/1.1 200 OK\r\nContent-Len", PEER_HANG}, EDN_E_NETWORK},
        {"half a body", {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", PEER_CLOSE}, EDN_E_NETWORK},
        {"half a body and silence", {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", PEER_HANG}, EDN_E_NETWORK},
        {"half a chunk", {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\nhel", PEER_CLOSE}, EDN_E_NETWORK},
        {"bad chunks", {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhel", PEER_CLOSE}, EDN_E_NETWORK},
        {"garbage", {"\x16\x03\x01garbage", PEER_CLOSE}, EDN_E_SERVER},
        {"another protocol", {"220 mail.example ESMTP ready\r\n", PEER_CLOSE, .early = true}, EDN_E_SERVER},
        {"another protocol, and silence", {"SSH-2.0-OpenSSH_9.2\r\n", PEER_HANG, .early = true}, EDN_E_SERVER},
        {"too long by its own word", {"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", PEER_HANG}, EDN_E_LIMIT},
        {"far too long by its own word",
         {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", PEER_HANG},
         EDN_E_LIMIT},
        {"zeros", {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", PEER_CLOSE}, EDN_E_SERVER},
    };

    for (size_t i = 0; i < EDN_COUNT(cases); i++) {
        edn_http_answer out;
        edn_err err = {0};
        edn_status st = outcome(&cases[i].a, &out, &err);
        if (st != cases[i].st)
            fail_msg("%s: %s (%s), not %s", cases[i].what, edn_status_name(st), err.text, edn_status_name(cases[i].st));
        CHECK_INT(err.status, st);
        CHECK(strstr(err.text, "http://127.0.0.1:") != NULL);
        CHECK_INT(out.body.n, 0);
        assert_null(out.body.p);
    }
}

/* A captive portal's page is an answer like others: who asked sees that it is none of the protocol's. */
static void a_login_page_is_an_answer(void **state)
{
    (void)state;
    static const peer_answer a = {"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n<html>Welcome to our hotel",
                                  PEER_CLOSE};
    edn_http_answer out;

    CHECK_OK(outcome(&a, &out, NULL));
    CHECK_INT(out.status, 200);
    CHECK_STR(edn_buf_view(&out.body), "<html>Welcome to our hotel");
    edn_buf_dispose(&out.body);
}

static long memory_kb(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

/* A server that never ends costs no memory: bodies, heads, and a single line of a head. */
static void endless_answers_are_cut_before_memory_grows(void **state)
{
    (void)state;
    static char filler[65537], lines[65537];
    const peer_answer floods[] = {
        {"HTTP/1.1 200 OK\r\n\r\n", PEER_FLOOD, .more = filler},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFF\r\n", PEER_FLOOD, .more = filler},
        {"HTTP/1.1 200 OK\r\n", PEER_FLOOD, .more = lines},
        {"HTTP/1.1 200 OK\r\nX: ", PEER_FLOOD, .more = filler},
        {"HTTP/1.1 ", PEER_FLOOD, .more = filler},
        {"HTTP/1.1 102 Processing\r\n\r\n", PEER_FLOOD, .more = "HTTP/1.1 102 Processing\r\n\r\n"},
    };

    memset(filler, 'x', sizeof filler - 1);
    memset(lines, 'y', sizeof lines - 1);
    for (size_t at = 0; at + 64 < sizeof lines; at += 64)
        memcpy(lines + at + 60, ": \r\n", 4);
    for (size_t i = 0; i < EDN_COUNT(floods); i++) {
        edn_http_answer out;
        edn_err err = {0};
        edn_http_request rq = {.path = "/x", .answer_size_max = 100000};
        long before;
        talk x = begin(&floods[i], 1);
        before = memory_kb();
        edn_status st = x.t.exchange(x.t.ctx, &rq, &out, &err);
        if (st != EDN_E_LIMIT && i != 4)
            fail_msg("flood %zu: %s (%s)", i, edn_status_name(st), err.text);
        CHECK(st == EDN_E_LIMIT || st == EDN_E_SERVER);
        CHECK(memory_kb() - before < 4096);
        CHECK_INT(out.body.n, 0);
        end(&x);
    }
}

static void slow_answers_live_as_long_as_they_move(void **state)
{
    (void)state;
    static char text[13000], drip[200];
    edn_http_options o = {.total_ms = 400};
    edn_http_answer out;
    edn_err err = {0};
    edn_http_request rq = {.path = "/x", .answer_size_max = 20000};
    double begun;

    /* 12 kB in 1.2 s: longer than 0.4 s, but faster than 8 kB/s */
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: 12000\r\n\r\n%012000d", 7);
    talk x = begin_with(&(peer_answer){text, PEER_KEEP, .piece = 1000, .pause_ms = 100}, 1, &o);
    CHECK_OK(x.t.exchange(x.t.ctx, &rq, &out, &err));
    CHECK_INT(out.body.n, 12000);
    edn_buf_dispose(&out.body);
    end(&x);
    /* a byte at a time moves, and would take 20 s */
    snprintf(drip, sizeof drip, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n%0100d", 7);
    x = begin_with(&(peer_answer){drip, PEER_KEEP, .piece = 1, .pause_ms = 150}, 1, &o);
    begun = now_s();
    CHECK_STATUS(x.t.exchange(x.t.ctx, &rq, &out, &err), EDN_E_NETWORK);
    CHECK(now_s() - begun < 5);
    end(&x);
}

static void nobody_there_is_said(void **state)
{
    (void)state;
    static const peer_answer a = {ok, PEER_KEEP};
    edn_http_answer out;
    edn_err err = {0};
    talk x = begin(&a, 1);
    char origin[64];

    origin_of(origin, x.p, "http", "127.0.0.1");
    edn_http_free(x.h);
    peer_stop(x.p);
    CHECK_OK(edn_http_new(origin, &(edn_http_options){0}, &x.h, NULL));
    x.t = edn_http_transport(x.h);
    CHECK_STATUS(x.t.exchange(x.t.ctx, &get_x, &out, &err), EDN_E_NETWORK);
    CHECK(strstr(err.text, origin) != NULL);
    CHECK(strstr(err.text, "cannot be reached") != NULL);
    CHECK_INT(out.bytes_sent, 0);
    edn_http_free(x.h);
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

typedef struct listening {
    edn_buf heard;
    int idle, stop_after_idle;
    const char *stop_at;
} listening;

static bool listen_on(void *cb, edn_bytes data)
{
    listening *l = cb;

    if (data.n == 0)
        return ++l->idle != l->stop_after_idle;
    edn_put_str(&l->heard, "[");
    edn_put_bytes(&l->heard, data.p, data.n);
    edn_put_str(&l->heard, "]");
    return !l->stop_at || !edn_bytes_equal(data, edn_bytes_str(l->stop_at));
}

static const char stream_head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

static edn_status listen_to(const peer_answer *a, listening *l, edn_err *err)
{
    talk x = begin(a, 1);
    edn_status st = x.t.events(x.t.ctx, "/v1/events", "to.ke.n", -1, listen_on, l, err);

    CHECK(peer_heard(x.p).n > 0);
    assert_non_null(memmem(peer_heard(x.p).p, peer_heard(x.p).n, "GET /v1/events HTTP/1.1\r\n", 25));
    assert_non_null(memmem(peer_heard(x.p).p, peer_heard(x.p).n, "\r\nAuthorization: Bearer to.ke.n\r\n", 32));
    end(&x);
    return st;
}

static void events_are_followed_until_the_stream_ends(void **state)
{
    (void)state;
    char text[400];
    listening l = {.heard = EDN_BUF_INIT(1000)};
    edn_err err = {0};

    snprintf(text, sizeof text, "%s:\n\ndata: one\n\n: still here\n\ndata: two\n\ndata: half", stream_head);
    CHECK_OK(listen_to(&(peer_answer){text, PEER_CLOSE, .piece = 7, .pause_ms = 3}, &l, &err));
    CHECK_STR(edn_buf_view(&l.heard), "[one][two]");
    edn_buf_reset(&l.heard);
    snprintf(text, sizeof text,
             "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
             "10\r\ndata: one\n\ndata:\r\n6\r\n two\n\n\r\n0\r\n\r\n");
    CHECK_OK(listen_to(&(peer_answer){text, PEER_KEEP, .piece = 1}, &l, &err));
    CHECK_STR(edn_buf_view(&l.heard), "[one][two]");
    edn_buf_dispose(&l.heard);
}

static void the_callback_is_asked_every_second_and_may_stop(void **state)
{
    (void)state;
    char text[400];
    listening l = {.heard = EDN_BUF_INIT(1000), .stop_after_idle = 2};
    edn_err err = {0};
    double begun = now_s();

    snprintf(text, sizeof text, "%sdata: one\n\n", stream_head);
    CHECK_OK(listen_to(&(peer_answer){text, PEER_HANG}, &l, &err));
    CHECK_STR(edn_buf_view(&l.heard), "[one]");
    CHECK_INT(l.idle, 2);
    CHECK(now_s() - begun > 1.5 && now_s() - begun < 10);
    l = (listening){.heard = l.heard, .stop_at = "one"};
    edn_buf_reset(&l.heard);
    snprintf(text, sizeof text, "%sdata: one\n\ndata: two\n\n", stream_head);
    CHECK_OK(listen_to(&(peer_answer){text, PEER_HANG}, &l, &err));
    CHECK_STR(edn_buf_view(&l.heard), "[one]");
    edn_buf_dispose(&l.heard);
}

typedef struct woken {
    int fd, times;
} woken;

static bool wake_up(void *cb, edn_bytes data)
{
    woken *w = cb;
    char c;

    CHECK_INT(data.n, 0);
    w->times += read(w->fd, &c, 1) == 1 && c == 'w';
    return w->times < 2;
}

static void *wake_twice(void *ctx)
{
    int fd = *(int *)ctx;

    for (int i = 0; i < 2; i++) {
        usleep(50000);
        if (write(fd, "w", 1) != 1)
            return NULL;
    }
    return ctx;
}

static void a_readable_descriptor_wakes_the_listener_at_once(void **state)
{
    (void)state;
    static const peer_answer a = {stream_head, PEER_HANG};
    talk x = begin(&a, 1);
    int fds[2];
    woken w = {0};
    edn_err err = {0};
    double begun = now_s();
    pthread_t thread;
    void *woke;

    CHECK(pipe(fds) == 0);
    CHECK(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
    w.fd = fds[0];
    CHECK(pthread_create(&thread, NULL, wake_twice, &fds[1]) == 0);
    CHECK_OK(x.t.events(x.t.ctx, "/v1/events", NULL, fds[0], wake_up, &w, &err));
    CHECK_INT(w.times, 2);
    CHECK(now_s() - begun < 0.8);
    pthread_join(thread, &woke);
    assert_non_null(woke);
    close(fds[0]);
    close(fds[1]);
    end(&x);
}

static void what_is_no_stream_is_said(void **state)
{
    (void)state;
    static const struct {
        peer_answer a;
        edn_status st;
    } cases[] = {
        {{"HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\n{}", PEER_KEEP}, EDN_E_DENIED},
        {{"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", PEER_KEEP}, EDN_E_DENIED},
        {{"HTTP/1.1 429 Wait\r\nContent-Length: 2\r\n\r\n{}", PEER_KEEP}, EDN_E_RATE},
        {{"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", PEER_KEEP}, EDN_E_SERVER},
        {{"HTTP/1.1 204 Nothing\r\n\r\n", PEER_KEEP}, EDN_E_SERVER},
        {{"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\ndata: login\n\n", PEER_CLOSE}, EDN_E_SERVER},
        {{"HTTP/1.1 200 OK\r\n\r\ndata: x\n\n", PEER_CLOSE}, EDN_E_SERVER},
        {{"", PEER_CLOSE}, EDN_E_NETWORK},
        {{"garbage garbage garbage", PEER_CLOSE}, EDN_E_SERVER},
    };

    for (size_t i = 0; i < EDN_COUNT(cases); i++) {
        listening l = {.heard = EDN_BUF_INIT(1000)};
        edn_err err = {0};
        edn_status st = listen_to(&cases[i].a, &l, &err);
        if (st != cases[i].st)
            fail_msg("case %zu: %s (%s)", i, edn_status_name(st), err.text);
        CHECK(strstr(err.text, "http://127.0.0.1:") != NULL);
        CHECK_INT(l.heard.n, 0);
        edn_buf_dispose(&l.heard);
    }
}

static void an_endless_event_is_cut(void **state)
{
    (void)state;
    listening l = {.heard = EDN_BUF_INIT(1000)};
    edn_err err = {0};

    CHECK_STATUS(listen_to(&(peer_answer){stream_head, PEER_FLOOD, .more = "data: and on\n"}, &l, &err), EDN_E_LIMIT);
    CHECK_STATUS(listen_to(&(peer_answer){stream_head, PEER_FLOOD, .more = "and on "}, &l, &err), EDN_E_LIMIT);
    CHECK_INT(l.heard.n, 0);
}

static void *listen_in_thread(void *ctx)
{
    talk *x = ctx;
    listening l = {.heard = EDN_BUF_INIT(1000), .stop_at = "bye"};
    edn_status st = x->t.events(x->t.ctx, "/v1/events", NULL, -1, listen_on, &l, NULL);

    edn_buf_dispose(&l.heard);
    return st == EDN_OK ? x : NULL;
}

/* A client listens in one thread while it syncs in another. */
static void listening_and_exchanging_go_side_by_side(void **state)
{
    (void)state;
    char text[200];
    snprintf(text, sizeof text, "%sdata: hello\n\ndata: bye\n\n", stream_head);
    peer_answer answers[] = {{text, PEER_CLOSE, .piece = 20, .pause_ms = 20}, {ok, PEER_KEEP}, {ok, PEER_CLOSE}};
    talk x = begin(answers, 3);
    edn_http_answer a;
    pthread_t thread;
    void *heard;

    CHECK(pthread_create(&thread, NULL, listen_in_thread, &x) == 0);
    usleep(50000); /* the script serves one connection after the other: the listener's comes first */
    for (int i = 0; i < 2; i++) {
        CHECK_OK(x.t.exchange(x.t.ctx, &get_x, &a, NULL));
        CHECK_STR(edn_buf_view(&a.body), "hello");
        edn_buf_dispose(&a.body);
    }
    pthread_join(thread, &heard);
    assert_non_null(heard);
    end(&x);
}

/* ---- TLS --------------------------------------------------------------------------------------------------------- */

static char certs[TEMPDIR_SIZE];

static int make_certificates(void **state)
{
    (void)state;
    tempdir_make(certs);
    peer_certificate(certs, "authority", NULL, "authority.example", 2);
    peer_certificate(certs, "stranger", NULL, "stranger.example", 2);
    peer_certificate(certs, "good", "authority", "127.0.0.1", 2);
    peer_certificate(certs, "named", "authority", "localhost", 2);
    peer_certificate(certs, "elsewhere", "authority", "diary.example", 2);
    peer_certificate(certs, "expired", "authority", "127.0.0.1", -1);
    peer_certificate(certs, "strange", "stranger", "127.0.0.1", 2);
    peer_certificate(certs, "self", NULL, "127.0.0.1", 2);
    return 0;
}

static int remove_certificates(void **state)
{
    (void)state;
    tempdir_remove(certs);
    return 0;
}

typedef struct tls_talk {
    char cert[128], key[128], ca[128];
    peer_tls tls;
    talk x;
} tls_talk;

static void tls_begin(tls_talk *y, const char *name, const char *priority, const char *host, const char *pin,
                      const peer_answer *answers, size_t n)
{
    edn_http_options o = {.pin = pin, .total_ms = 5000};
    char origin[64];

    snprintf(y->cert, sizeof y->cert, "%s/%s.pem", certs, name);
    snprintf(y->key, sizeof y->key, "%s/%s.key", certs, name);
    snprintf(y->ca, sizeof y->ca, "%s/authority.pem", certs);
    y->tls = (peer_tls){y->cert, y->key, priority};
    y->x.p = peer_start(answers, n, &y->tls);
    o.ca_file = y->ca;
    origin_of(origin, y->x.p, "https", host);
    CHECK_OK(edn_http_new(origin, &o, &y->x.h, NULL));
    y->x.t = edn_http_transport(y->x.h);
}

static void a_good_certificate_is_taken_and_the_channel_is_bound(void **state)
{
    (void)state;
    static const peer_answer answers[] = {{ok, PEER_KEEP}, {ok, PEER_CLOSE}, {ok, PEER_KEEP}};
    uint8_t ours[32], theirs[32], first[32];
    edn_http_answer a;
    edn_err err = {0};
    tls_talk y;

    tls_begin(&y, "good", NULL, "127.0.0.1", NULL, answers, 3);
    CHECK(!y.x.t.channel_binding(y.x.t.ctx, ours)); /* nothing has been said yet */
    for (int i = 0; i < 3; i++) {
        if (y.x.t.exchange(y.x.t.ctx, &get_x, &a, &err) != EDN_OK)
            fail_msg("%s", err.text);
        CHECK_STR(edn_buf_view(&a.body), "hello");
        edn_buf_dispose(&a.body);
        CHECK(y.x.t.channel_binding(y.x.t.ctx, ours));
        CHECK(peer_binding(y.x.p, theirs));
        CHECK(memcmp(ours, theirs, 32) == 0);
        if (i == 0)
            memcpy(first, ours, 32);
        CHECK((memcmp(ours, first, 32) == 0) == (i < 2)); /* a new connection has another */
        usleep(20000);
    }
    CHECK_INT(peer_connections(y.x.p), 2);
    CHECK_STATUS(y.x.t.exchange(y.x.t.ctx, &get_x, &a, &err), EDN_E_NETWORK); /* the script is at its end */
    CHECK(!y.x.t.channel_binding(y.x.t.ctx, ours));
    end(&y.x);
    tls_begin(&y, "named", NULL, "localhost", NULL, answers, 1);
    CHECK_OK(y.x.t.exchange(y.x.t.ctx, &get_x, &a, &err));
    edn_buf_dispose(&a.body);
    end(&y.x);
}

static void without_tls_there_is_no_binding(void **state)
{
    (void)state;
    static const peer_answer answers[] = {{ok, PEER_KEEP}};
    edn_http_answer a;
    uint8_t binding[32];
    talk x = begin(answers, 1);

    CHECK_OK(x.t.exchange(x.t.ctx, &get_x, &a, NULL));
    CHECK(!x.t.channel_binding(x.t.ctx, binding));
    edn_buf_dispose(&a.body);
    end(&x);
}

static void bad_certificates_are_refused_before_anything_is_said(void **state)
{
    (void)state;
    static const peer_answer answers[] = {{ok, PEER_KEEP}, {ok, PEER_KEEP}};
    static const char *const names[] = {"elsewhere", "expired", "strange", "self", "named"};

    for (size_t i = 0; i < EDN_COUNT(names); i++) {
        edn_http_request rq = {.path = "/x", .bearer = "secret", .answer_size_max = 100};
        edn_http_answer a;
        edn_err err = {0};
        uint8_t binding[32];
        listening l = {.heard = EDN_BUF_INIT(100)};
        tls_talk y;
        tls_begin(&y, names[i], NULL, "127.0.0.1", NULL, answers, 2);
        CHECK_STATUS(y.x.t.exchange(y.x.t.ctx, &rq, &a, &err), EDN_E_TLS);
        CHECK(strstr(err.text, "https://127.0.0.1:") != NULL);
        CHECK(strstr(err.text, "certificate") != NULL);
        CHECK_INT(a.bytes_sent, 0);
        CHECK(!y.x.t.channel_binding(y.x.t.ctx, binding));
        CHECK_STATUS(y.x.t.events(y.x.t.ctx, "/v1/events", "secret", -1, listen_on, &l, &err), EDN_E_TLS);
        CHECK_INT(peer_heard(y.x.p).n, 0);
        end(&y.x);
    }
}

static void another_key_than_the_pinned_one_is_refused(void **state)
{
    (void)state;
    static const peer_answer answers[] = {{ok, PEER_KEEP}};
    edn_http_answer a;
    edn_err err = {0};
    tls_talk y;

    tls_begin(&y, "good", NULL, "127.0.0.1", "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", answers, 1);
    CHECK_STATUS(y.x.t.exchange(y.x.t.ctx, &get_x, &a, &err), EDN_E_TLS);
    CHECK(strstr(err.text, "pinned") != NULL);
    CHECK_INT(peer_heard(y.x.p).n, 0);
    end(&y.x);
}

static void older_tls_is_refused(void **state)
{
    (void)state;
    static const peer_answer answers[] = {{ok, PEER_KEEP}};
    edn_http_answer a;
    edn_err err = {0};
    tls_talk y;

    tls_begin(&y, "good", "NORMAL:-VERS-ALL:+VERS-TLS1.2", "127.0.0.1", NULL, answers, 1);
    CHECK_STATUS(y.x.t.exchange(y.x.t.ctx, &get_x, &a, &err), EDN_E_NETWORK);
    CHECK(strstr(err.text, "TLS 1.3") != NULL);
    CHECK_INT(peer_heard(y.x.p).n, 0);
    end(&y.x);
}

static void an_answer_cut_below_tls_is_no_answer(void **state)
{
    (void)state;
    /* without a length, only the orderly end of TLS tells that this is all */
    static const peer_answer answers[] = {{"HTTP/1.1 200 OK\r\n\r\nhello", PEER_CUT}};
    edn_http_answer a;
    edn_err err = {0};
    tls_talk y;

    tls_begin(&y, "good", NULL, "127.0.0.1", NULL, answers, 1);
    CHECK_STATUS(y.x.t.exchange(y.x.t.ctx, &get_x, &a, &err), EDN_E_NETWORK);
    end(&y.x);
}

static void a_server_without_tls_is_said(void **state)
{
    (void)state;
    static const peer_answer answers[] = {{"HTTP/1.1 400 Bad Request\r\n\r\n", PEER_CLOSE, .early = true}};
    peer *p = peer_start(answers, 1, NULL);
    char origin[64];
    edn_http_answer a;
    edn_err err = {0};
    edn_http *h;

    origin_of(origin, p, "https", "127.0.0.1");
    CHECK_OK(edn_http_new(origin, &(edn_http_options){0}, &h, NULL));
    edn_transport t = edn_http_transport(h);
    CHECK_STATUS(t.exchange(t.ctx, &get_x, &a, &err), EDN_E_NETWORK);
    CHECK(strstr(err.text, "no secure connection") != NULL);
    edn_http_free(h);
    peer_stop(p);
}

static void a_missing_file_of_authorities_is_said(void **state)
{
    (void)state;
    edn_http_options o = {.ca_file = "/nonexistent/ca.pem"};
    static const peer_answer answers[] = {{ok, PEER_CLOSE}};
    tls_talk y;
    char origin[64];
    edn_http_answer a;
    edn_err err = {0};
    edn_http *h;

    tls_begin(&y, "good", NULL, "127.0.0.1", NULL, answers, 1);
    origin_of(origin, y.x.p, "https", "127.0.0.1");
    CHECK_OK(edn_http_new(origin, &o, &h, NULL));
    edn_transport t = edn_http_transport(h);
    CHECK_STATUS(t.exchange(t.ctx, &get_x, &a, &err), EDN_E_TLS);
    CHECK(strstr(err.text, "/nonexistent/ca.pem") != NULL);
    edn_http_free(h);
    end(&y.x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_carry_nothing_needless),
        cmocka_unit_test(large_bodies_arrive_and_are_counted),
        cmocka_unit_test(what_could_split_a_request_is_not_sent),
        cmocka_unit_test(the_environment_has_no_say),
        cmocka_unit_test(proxies_stand_only_before_tls),
        cmocka_unit_test(an_http_proxy_is_asked_for_a_tunnel_and_sees_no_token),
        cmocka_unit_test(every_http_status_is_an_answer),
        cmocka_unit_test(a_lost_connection_is_made_anew),
        cmocka_unit_test(bad_answers_have_clear_statuses),
        cmocka_unit_test(a_login_page_is_an_answer),
        cmocka_unit_test(endless_answers_are_cut_before_memory_grows),
        cmocka_unit_test(slow_answers_live_as_long_as_they_move),
        cmocka_unit_test(nobody_there_is_said),
        cmocka_unit_test(events_are_followed_until_the_stream_ends),
        cmocka_unit_test(the_callback_is_asked_every_second_and_may_stop),
        cmocka_unit_test(a_readable_descriptor_wakes_the_listener_at_once),
        cmocka_unit_test(what_is_no_stream_is_said),
        cmocka_unit_test(an_endless_event_is_cut),
        cmocka_unit_test(listening_and_exchanging_go_side_by_side),
        cmocka_unit_test(a_good_certificate_is_taken_and_the_channel_is_bound),
        cmocka_unit_test(without_tls_there_is_no_binding),
        cmocka_unit_test(bad_certificates_are_refused_before_anything_is_said),
        cmocka_unit_test(another_key_than_the_pinned_one_is_refused),
        cmocka_unit_test(older_tls_is_refused),
        cmocka_unit_test(an_answer_cut_below_tls_is_no_answer),
        cmocka_unit_test(a_server_without_tls_is_said),
        cmocka_unit_test(a_missing_file_of_authorities_is_said),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
