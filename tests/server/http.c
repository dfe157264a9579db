/* The program itself, through real sockets: its answers on the wire, its limits, its event streams, TLS, and how it
 * starts and stops. usage: http EDND */
#include "ednd.h"
#include "person.h"

#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *program;

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static wire_conn open_conn(const ednd *e)
{
    wire_conn c;

    assert_true(wire_open(&c, e->port));
    return c;
}

/* Sends text and gives the answer's status; 0: the connection ended. */
static int exchange(wire_conn *c, const char *text)
{
    wire_answer a;

    return wire_send(c, edn_bytes_str(text)) && wire_read(c, &a) ? a.status : 0;
}

static int once(const ednd *e, const char *text)
{
    wire_conn c = open_conn(e);
    int status = exchange(&c, text);

    wire_close(&c);
    return status;
}

/* A person with an account and a token on a running server. */
typedef struct user {
    person p;
    edn_buf token;
} user;

static void user_init(user *u, const ednd *e, uint64_t seed)
{
    wire_conn c = open_conn(e);
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);

    person_init(&u->p, seed);
    u->token = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);
    person_account(&u->p, &rq);
    assert_int_equal(wire_ask(&c, "POST", "/v1/accounts", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL), 201);
    person_sign_in(&u->p, 0, wire_ask, &c, &u->token);
    edn_buf_dispose(&rq);
    wire_close(&c);
}

static void user_dispose(user *u)
{
    person_dispose(&u->p);
    edn_buf_dispose(&u->token);
}

/* The next push as a whole request. */
static void push_request(user *u, uint32_t padded, edn_buf *out)
{
    edn_buf batch = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX), body = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
    edn_bytes one;

    person_batch(&u->p, 0, padded, &batch);
    one = edn_buf_view(&batch);
    person_push(NULL, &one, 1, &body);
    wire_request(out, "POST", "/v1/push", edn_buf_view(&u->token), "", edn_buf_view(&body));
    edn_buf_dispose(&batch);
    edn_buf_dispose(&body);
}

static int push(user *u, wire_conn *c, uint32_t padded)
{
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX + 4096u);
    wire_answer a;
    int status;

    push_request(u, padded, &rq);
    status = wire_send(c, edn_buf_view(&rq)) && wire_read(c, &a) ? a.status : 0;
    edn_buf_dispose(&rq);
    return status;
}

static size_t pull_count(user *u, wire_conn *c)
{
    edn_buf rq = EDN_BUF_INIT(65536), answer = EDN_BUF_INIT(16u << 20);
    edn_arena a = edn_arena_init(16u << 20);
    edn_msg_pulled m;
    size_t n;

    person_pull(&u->p, 0, NULL, 0, &rq);
    assert_int_equal(wire_ask(c, "POST", "/v1/pull", edn_buf_view(&u->token), edn_buf_view(&rq), &answer), 200);
    CHECK_OK(edn_pulled_decode(&a, edn_buf_view(&answer), &m));
    n = m.batches_n;
    edn_buf_dispose(&rq);
    edn_buf_dispose(&answer);
    edn_arena_dispose(&a);
    return n;
}

#define SERVER(e, ...)                                                                                                 \
    ednd e;                                                                                                            \
    ednd_init(&e);                                                                                                     \
    ednd_start(&e, program, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

/* ---- on the wire ------------------------------------------------------------------------------------------------- */

static void answers_say_no_more_than_they_must(void **state)
{
    SERVER(e);
    wire_conn c = open_conn(&e);
    wire_answer a;

    (void)state;
    wire_send(&c, edn_bytes_str("GET /v1/server HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_true(wire_read(&c, &a));
    CHECK_STR(a.head, "HTTP/1.1 200 OK\r\nContent-Length: 67\r\n\r\n");
    wire_send(&c, edn_bytes_str("POST /v1/push HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"));
    assert_true(wire_read(&c, &a));
    CHECK_STR(a.head, "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/problem+json\r\n"
                      "WWW-Authenticate: Bearer\r\nContent-Length: 62\r\n\r\n");
    wire_close(&c);
    CHECK_INT(ednd_stop(&e, SIGTERM), 0);
    ednd_dispose(&e);
}

static void a_small_push_stays_below_2_kib(void **state)
{
    SERVER(e);
    user u;
    wire_conn c;

    (void)state;
    user_init(&u, &e, 1);
    c = open_conn(&e);
    CHECK_INT(push(&u, &c, 1024), 200);
    CHECK(c.sent + c.received <= 2048);
    CHECK_INT(pull_count(&u, &c), 1);
    wire_close(&c);
    user_dispose(&u);
    ednd_dispose(&e);
}

static void an_append_is_answered_at_once(void **state)
{
    SERVER(e);
    user u;
    wire_conn c;
    double t;

    (void)state;
    user_init(&u, &e, 1);
    c = open_conn(&e);
    t = now_s();
    for (int i = 0; i < 5; i++)
        CHECK_INT(push(&u, &c, 1024), 200);
    CHECK(now_s() - t < 2.5); /* a lost wake-up costs a second each */
    wire_close(&c);
    user_dispose(&u);
    ednd_dispose(&e);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    SERVER(e);
    wire_conn c = open_conn(&e);
    wire_answer a;

    (void)state;
    wire_send(&c, edn_bytes_str("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n"
                                "POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                                "GET /v1/server HTTP/1.1\r\nHost: x\r\n\r\n"));
    for (size_t i = 0; i < 4; i++) {
        static const int want[] = {200, 404, 400, 200};
        assert_true(wire_read(&c, &a));
        CHECK_INT(a.status, want[i]);
    }
    wire_close(&c);
    ednd_dispose(&e);
}

static void a_body_may_come_byte_by_byte_or_in_chunks(void **state)
{
    SERVER(e);
    user u;
    wire_conn c;
    edn_buf rq = EDN_BUF_INIT(65536), batch = EDN_BUF_INIT(65536), body = EDN_BUF_INIT(65536);
    wire_answer a;
    edn_bytes one;
    char line[32];

    (void)state;
    user_init(&u, &e, 1);
    c = open_conn(&e);
    push_request(&u, 1024, &rq);
    for (size_t i = 0; i < rq.n; i++)
        assert_true(wire_send(&c, edn_bytes_of(rq.p + i, 1)));
    assert_true(wire_read(&c, &a));
    CHECK_INT(a.status, 200);

    person_batch(&u.p, 0, 1024, &batch);
    one = edn_buf_view(&batch);
    person_push(NULL, &one, 1, &body);
    edn_buf_reset(&rq);
    edn_put_str(&rq, "POST /v1/push HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nAuthorization: Bearer ");
    edn_put_bytes(&rq, u.token.p, u.token.n);
    edn_put_str(&rq, "\r\n\r\n");
    for (size_t at = 0; at < body.n; at += 100) {
        size_t n = EDN_MIN(body.n - at, (size_t)100);
        snprintf(line, sizeof line, "%zx\r\n", n);
        edn_put_str(&rq, line);
        edn_put_bytes(&rq, body.p + at, n);
        edn_put_str(&rq, "\r\n");
    }
    edn_put_str(&rq, "0\r\n\r\n");
    wire_send(&c, edn_buf_view(&rq));
    assert_true(wire_read(&c, &a));
    CHECK_INT(a.status, 200);
    CHECK_INT(pull_count(&u, &c), 2);
    wire_close(&c);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&batch);
    edn_buf_dispose(&body);
    user_dispose(&u);
    ednd_dispose(&e);
}

static void metrics_are_for_this_machine_and_hold_no_ids(void **state)
{
    SERVER(e);
    user u;
    wire_conn c;
    edn_buf text = EDN_BUF_INIT(65536);
    char id[65];

    (void)state;
    user_init(&u, &e, 1);
    c = open_conn(&e);
    CHECK_INT(push(&u, &c, 1024), 200);
    CHECK_INT(wire_ask(&c, "GET", "/metrics", EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, &text), 200);
    edn_put_u8(&text, 0);
    CHECK(strstr((char *)text.p, "\nednd_batches_total 1\n"));
    CHECK(strstr((char *)text.p, "\nednd_accounts_added_total 1\n"));
    CHECK(strstr((char *)text.p, "\nednd_logins_total 1\n"));
    edn_hex_encode(id, u.p.account.b, 8);
    CHECK(!strstr((char *)text.p, id));
    CHECK_INT(exchange(&c, "GET /metrics HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"), 404);
    CHECK_INT(exchange(&c, "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), 405);
    wire_close(&c);
    edn_buf_dispose(&text);
    user_dispose(&u);
    ednd_dispose(&e);
}

static void the_log_of_requests_holds_no_ids_tokens_or_paths(void **state)
{
    SERVER(e, "--log-requests");
    user u;
    wire_conn c;
    char log[8192], part[17];

    (void)state;
    user_init(&u, &e, 1);
    c = open_conn(&e);
    CHECK_INT(push(&u, &c, 1024), 200);
    CHECK_INT(exchange(&c, "GET /v1/probe/CANARYCANARYCANARYCANA/CANARYCANARYCANARYCANA HTTP/1.1\r\nHost: x\r\n\r\n"),
              404);
    CHECK_INT(exchange(&c, "GET /canary/in/a/path HTTP/1.1\r\nHost: x\r\n\r\n"), 404);
    ednd_errors(&e, log, sizeof log);
    CHECK(strstr(log, "POST /v1/push 200 "));
    CHECK(!strstr(log, "CANARY") && !strstr(log, "canary"));
    CHECK(!strstr(log, "127.0.0.1"));
    memcpy(part, u.token.p + 70, 16);
    part[16] = 0;
    CHECK(!strstr(log, part));
    wire_close(&c);
    user_dispose(&u);
    ednd_dispose(&e);
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

/* A head of exactly `n` bytes. */
static void head_of(edn_buf *out, size_t n)
{
    edn_put_str(out, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Filler: ");
    while (out->n < n - 4)
        edn_put_u8(out, 'x');
    edn_put_str(out, "\r\n\r\n");
}

static void heads_end_at_8_kib_and_64_fields(void **state)
{
    SERVER(e);
    edn_buf head = EDN_BUF_INIT(65536);
    int status;

    (void)state;
    for (int over = 0; over < 2; over++) {
        edn_buf_reset(&head);
        head_of(&head, 8192 + (size_t)over);
        edn_put_u8(&head, 0);
        CHECK_INT(once(&e, (char *)head.p), over ? 431 : 200);
    }
    edn_buf_reset(&head);
    head_of(&head, 40000);
    edn_put_u8(&head, 0);
    status = once(&e, (char *)head.p); /* refused before it was read */
    CHECK(status == 431 || status == 0);
    for (int fields = 64; fields <= 65; fields++) {
        edn_buf_reset(&head);
        edn_put_str(&head, "GET /healthz HTTP/1.1\r\n");
        for (int i = 0; i < fields - 1; i++) {
            char line[32];
            snprintf(line, sizeof line, i ? "X-%d: y\r\n" : "Host: %d\r\n", i);
            edn_put_str(&head, line);
        }
        edn_put_str(&head, "X-Filler: "); /* both limits at once */
        while (head.n < 8192 - 4)
            edn_put_u8(&head, 'x');
        edn_put_str(&head, "\r\n\r\n");
        edn_put_u8(&head, 0);
        CHECK_INT(once(&e, (char *)head.p), fields == 64 ? 200 : 431);
    }
    edn_buf_dispose(&head);
    ednd_dispose(&e);
}

static void bodies_are_refused_by_what_they_declare_and_by_what_comes(void **state)
{
    SERVER(e);
    wire_conn c = open_conn(&e);
    edn_buf rq = EDN_BUF_INIT(1u << 20);
    wire_answer a;

    (void)state;
    /* declared: the body need not even be sent */
    CHECK_INT(
        exchange(&c, "POST /v1/login HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 65537\r\n\r\n"),
        413);
    wire_close(&c);
    c = open_conn(&e);
    CHECK_INT(exchange(&c, "POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"), 413);
    wire_close(&c);
    /* not declared */
    for (size_t over = 0; over < 2; over++) {
        char line[32];
        c = open_conn(&e);
        edn_buf_reset(&rq);
        edn_put_str(&rq, "POST /v1/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        snprintf(line, sizeof line, "%zx\r\n", (size_t)65536 + over);
        edn_put_str(&rq, line);
        edn_put_zeros(&rq, 65536 + over);
        edn_put_str(&rq, "\r\n0\r\n\r\n");
        wire_send(&c, edn_buf_view(&rq));
        assert_true(wire_read(&c, &a));
        CHECK_INT(a.status, over ? 413 : 400);
        wire_close(&c);
    }
    edn_buf_dispose(&rq);
    ednd_dispose(&e);
}

static void so_many_connections_from_one_address_and_in_all(void **state)
{
    SERVER(e, "--connections-per-address", "5");
    wire_conn c[6];

    (void)state;
    for (int i = 0; i < 5; i++) {
        c[i] = open_conn(&e);
        CHECK_INT(exchange(&c[i], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    }
    assert_true(wire_open(&c[5], e.port));
    CHECK_INT(exchange(&c[5], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), 0);
    wire_close(&c[5]);
    wire_close(&c[0]);
    for (int tries = 0;; tries++) { /* its end takes a moment to be seen */
        int status;
        c[0] = open_conn(&e);
        status = exchange(&c[0], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        if (status == 200)
            break;
        CHECK(tries < 20);
        wire_close(&c[0]);
        usleep(50000);
    }
    for (int i = 0; i < 5; i++)
        wire_close(&c[i]);
    ednd_dispose(&e);
}

static void connections_beyond_the_total_wait_and_then_get_in(void **state)
{
    SERVER(e, "--connections", "4", "--connections-per-address", "0");
    wire_conn c[5];

    (void)state;
    for (int i = 0; i < 4; i++) {
        c[i] = open_conn(&e);
        CHECK_INT(exchange(&c[i], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    }
    c[4] = open_conn(&e); /* in the backlog */
    wire_send(&c[4], edn_bytes_str("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"));
    CHECK(!wire_expect(&c[4], "200", 300));
    CHECK_INT(exchange(&c[3], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    wire_close(&c[0]);
    CHECK(wire_expect(&c[4], "200", 3000));
    for (int i = 1; i < 5; i++)
        wire_close(&c[i]);
    ednd_dispose(&e);
}

static void slow_clients_are_shown_the_door(void **state)
{
    SERVER(e, "--header-timeout", "1", "--body-grace", "1", "--idle-timeout", "3", "--request-timeout", "4");
    wire_conn silent = open_conn(&e), half = open_conn(&e), body = open_conn(&e), idle = open_conn(&e),
              drip = open_conn(&e);
    double t = now_s();

    (void)state;
    CHECK_INT(exchange(&idle, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    wire_send(&half, edn_bytes_str("GET /healthz HTTP/1.1\r\nHos"));
    wire_send(&body, edn_bytes_str("POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc"));
    wire_send(&drip, edn_bytes_str("POST /v1/challenge HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"));
    /* one that sends fast enough, but for ever */
    for (int i = 0; i < 12; i++) {
        char piece[1000];
        memset(piece, 'x', sizeof piece);
        wire_send(&drip, edn_bytes_of(piece, sizeof piece));
        usleep(200000);
    }
    CHECK(wire_closes(&silent, 100)); /* 2.4 s are over: header-timeout */
    CHECK(wire_closes(&half, 100));
    CHECK(wire_closes(&body, 1500)); /* 1 KiB a second after the first */
    CHECK(wire_closes(&idle, 4000));
    CHECK(now_s() - t > 2.9);
    for (int i = 0; i < 20; i++) {
        char piece[1000];
        memset(piece, 'x', sizeof piece);
        if (!wire_send(&drip, edn_bytes_of(piece, sizeof piece)))
            break;
        usleep(150000);
    }
    CHECK(wire_closes(&drip, 3000)); /* the whole request took too long */
    CHECK(now_s() - t > 3.9);
    wire_close(&silent);
    wire_close(&half);
    wire_close(&body);
    wire_close(&idle);
    wire_close(&drip);
    /* others were served all the while, and are now */
    CHECK_INT(once(&e, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    ednd_dispose(&e);
}

/* On a connection that has had requests before, a head has no more time than on a new one. */
static void a_later_head_has_no_more_time_than_the_first(void **state)
{
    SERVER(e, "--header-timeout", "1", "--idle-timeout", "20");
    wire_conn c = open_conn(&e), idle = open_conn(&e), again = open_conn(&e);

    (void)state;
    CHECK_INT(exchange(&c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    CHECK_INT(exchange(&idle, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    CHECK_INT(exchange(&again, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    wire_send(&c, edn_bytes_str("GET /healthz HTTP/1.1\r\nHos"));
    for (int i = 0; i < 8; i++) { /* in small pieces: each is late by itself, and so is the whole */
        usleep(500000);
        if (!wire_send(&c, edn_bytes_str("t")))
            break;
    }
    CHECK(wire_closes(&c, 100));
    CHECK_INT(exchange(&idle, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), 200); /* idle all the while */
    CHECK_INT(exchange(&again, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    CHECK_INT(exchange(&again, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    wire_close(&c);
    wire_close(&idle);
    wire_close(&again);
    ednd_dispose(&e);
}

static int compare_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void a_thousand_slow_clients_leave_the_others_alone(void **state)
{
    SERVER(e, "--connections", "3000", "--connections-per-address", "0");
    wire_conn *slow = calloc(1000, sizeof *slow), c;
    double took[300];

    (void)state;
    assert_non_null(slow);
    for (int i = 0; i < 1000; i++) {
        slow[i] = open_conn(&e);
        wire_send(&slow[i], edn_bytes_str(i % 2 ? "POST /v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nab"
                                                : "GET /v1/server HTTP/1.1\r\nHos"));
    }
    for (size_t i = 0; i < EDN_COUNT(took); i++) {
        double t = now_s();
        wire_send(&slow[i * 3], edn_bytes_str("x"));
        c = open_conn(&e);
        CHECK_INT(exchange(&c, "GET /v1/server HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
        wire_close(&c);
        took[i] = now_s() - t;
    }
    qsort(took, EDN_COUNT(took), sizeof *took, compare_double);
    CHECK(took[EDN_COUNT(took) * 99 / 100] < 0.25);
    for (int i = 0; i < 1000; i++)
        wire_close(&slow[i]);
    free(slow);
    ednd_dispose(&e);
}

static void bodies_in_flight_share_a_bounded_memory(void **state)
{
    SERVER(e, "--body-memory", "1M", "--connections-per-address", "0");
    wire_conn c[24];
    char piece[65536];
    int busy = 0;
    wire_answer a;

    (void)state;
    memset(piece, 0, sizeof piece);
    for (size_t i = 0; i < EDN_COUNT(c); i++) {
        c[i] = open_conn(&e);
        wire_send(&c[i], edn_bytes_str("POST /v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Length: 131072\r\n\r\n"));
        wire_send(&c[i], edn_bytes_of(piece, sizeof piece));
        usleep(10000);
    }
    for (size_t i = 0; i < EDN_COUNT(c); i++) {
        wire_send(&c[i], edn_bytes_of(piece, sizeof piece));
        if (wire_read(&c[i], &a) && a.status == 503) {
            CHECK(wire_field(&a, "Retry-After") != NULL);
            busy++;
        }
        wire_close(&c[i]);
    }
    CHECK(busy > 0 && busy < (int)EDN_COUNT(c));
    CHECK_INT(once(&e, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    ednd_dispose(&e);
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

static void a_stream_tells_of_a_push_within_a_moment(void **state)
{
    SERVER(e);
    user u;
    wire_conn stream = open_conn(&e), c;
    edn_buf rq = EDN_BUF_INIT(4096);
    double t;

    (void)state;
    user_init(&u, &e, 1);
    c = open_conn(&e);
    wire_request(&rq, "GET", "/v1/events", edn_buf_view(&u.token), "", EDN_BYTES_EMPTY);
    wire_send(&stream, edn_buf_view(&rq));
    CHECK(wire_expect(&stream, "Content-Type: text/event-stream\r\n", 1000));
    CHECK(wire_expect(&stream, "\n\n\r\n", 1000)); /* where things stand */
    stream.in.n = 0;
    t = now_s();
    CHECK_INT(push(&u, &c, 1024), 200);
    CHECK(wire_expect(&stream, "data: ", 1000));
    CHECK(now_s() - t < 0.5);
    CHECK(wire_expect(&stream, "\n\n\r\n", 1000));
    stream.in.n = 0;
    CHECK(!wire_expect(&stream, "data: ", 200)); /* and of nothing else */
    wire_close(&stream);
    wire_close(&c);
    edn_buf_dispose(&rq);
    user_dispose(&u);
    ednd_dispose(&e);
}

static void a_stream_shows_signs_of_life_and_ends_with_its_token(void **state)
{
    SERVER(e, "--events-interval", "4", "--token-life", "10", "--idle-timeout", "2", "--header-timeout", "2");
    user u;
    wire_conn stream;
    edn_buf rq = EDN_BUF_INIT(4096);
    double t = now_s();

    (void)state;
    user_init(&u, &e, 1);
    stream = open_conn(&e);
    wire_request(&rq, "GET", "/v1/events", edn_buf_view(&u.token), "", EDN_BYTES_EMPTY);
    wire_send(&stream, edn_buf_view(&rq));
    /* idle limits are not for streams */
    CHECK(wire_expect(&stream, "3\r\n:\n\n\r\n3\r\n:\n\n\r\n", 9500));
    CHECK(wire_expect(&stream, "0\r\n\r\n", 4000));
    CHECK(now_s() - t > 8.5 && now_s() - t < 12); /* not at the next sign of life */
    wire_close(&stream);
    edn_buf_dispose(&rq);
    user_dispose(&u);
    ednd_dispose(&e);
}

static wire_conn open_stream(const ednd *e, const user *u)
{
    wire_conn c = open_conn(e);
    edn_buf rq = EDN_BUF_INIT(4096);

    wire_request(&rq, "GET", "/v1/events", edn_buf_view(&u->token), "", EDN_BYTES_EMPTY);
    wire_send(&c, edn_buf_view(&rq));
    edn_buf_dispose(&rq);
    return c;
}

/* A device whose link breaks comes back, and the streams that it had may not stand in its way: neither those that its
 * system closed, nor those of which nobody said anything. */
static void streams_that_nobody_hears_do_not_use_up_an_address(void **state)
{
    SERVER(e, "--connections-per-address", "16", "--api-per-s", "0", "--login-address-per-min", "0");
    user u, other;
    wire_conn silent[40], c;

    (void)state;
    user_init(&u, &e, 1);
    user_init(&other, &e, 2);
    for (uint64_t i = 0; i < 24; i++) { /* closed in order, by as many devices */
        user guest;
        user_init(&guest, &e, 3 + i);
        c = open_stream(&e, &guest);
        CHECK(wire_expect(&c, "Content-Type: text/event-stream\r\n", 1000));
        wire_close(&c);
        user_dispose(&guest);
    }
    c = open_stream(&e, &other); /* somebody else in the same house */
    CHECK(wire_expect(&c, "Content-Type: text/event-stream\r\n", 1000));
    for (size_t i = 0; i < EDN_COUNT(silent); i++) { /* gone without a word */
        silent[i] = open_stream(&e, &u);
        CHECK(wire_expect(&silent[i], "Content-Type: text/event-stream\r\n", 1000));
    }
    for (size_t i = 0; i + 4 < EDN_COUNT(silent); i++) /* only the oldest gave way */
        CHECK(wire_closes(&silent[i], 1000));
    c.in.n = 0;
    CHECK(!wire_closes(&c, 100));
    for (size_t i = EDN_COUNT(silent) - 4; i < EDN_COUNT(silent); i++)
        CHECK(!wire_closes(&silent[i], 100));
    for (size_t i = 0; i < EDN_COUNT(silent); i++)
        wire_close(&silent[i]);
    wire_close(&c);
    user_dispose(&u);
    user_dispose(&other);
    ednd_dispose(&e);
}

/* ---- starting and stopping --------------------------------------------------------------------------------------- */

static void stops_with_everything_it_acknowledged(void **state)
{
    SERVER(e);
    user u;
    wire_conn c, stream;
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
    wire_answer a;
    int acknowledged = 0;

    (void)state;
    user_init(&u, &e, 1);
    stream = open_conn(&e);
    wire_request(&rq, "GET", "/v1/events", edn_buf_view(&u.token), "", EDN_BYTES_EMPTY);
    wire_send(&stream, edn_buf_view(&rq));
    CHECK(wire_expect(&stream, "\n\n\r\n", 1000));
    c = open_conn(&e);
    for (int i = 0; i < 20; i++) { /* pipelined, and the signal comes while they are worked on */
        edn_buf_reset(&rq);
        push_request(&u, 1024, &rq);
        wire_send(&c, edn_buf_view(&rq));
    }
    kill(e.pid, SIGTERM);
    while (wire_read(&c, &a))
        acknowledged += a.status == 200;
    CHECK_INT(ednd_wait(&e), 0);
    wire_close(&c);
    wire_close(&stream);

    ednd_start(&e, program, NULL);
    u.token.n = 0;
    c = open_conn(&e);
    person_sign_in(&u.p, 0, wire_ask, &c, &u.token);
    CHECK(pull_count(&u, &c) >= (size_t)acknowledged);
    wire_close(&c);
    edn_buf_dispose(&rq);
    user_dispose(&u);
    CHECK_INT(ednd_stop(&e, SIGINT), 0);
    ednd_dispose(&e);
}

static void killed_it_opens_again_with_everything_it_acknowledged(void **state)
{
    SERVER(e);
    user u;
    wire_conn c;
    int acknowledged = 0;

    (void)state;
    user_init(&u, &e, 1);
    for (int round = 0; round < 5; round++) {
        c = open_conn(&e);
        person_sign_in(&u.p, 0, wire_ask, &c, &u.token);
        for (int i = 0; i < 7; i++) {
            CHECK_INT(push(&u, &c, i == 3 ? 131072 : 1024), 200);
            acknowledged++;
        }
        CHECK_INT(ednd_stop(&e, SIGKILL), 128 + SIGKILL);
        wire_close(&c);
        ednd_start(&e, program, NULL);
    }
    c = open_conn(&e);
    person_sign_in(&u.p, 0, wire_ask, &c, &u.token);
    CHECK_INT(pull_count(&u, &c), acknowledged);
    wire_close(&c);
    user_dispose(&u);
    ednd_dispose(&e);
}

/* Starts with flags that cannot do, and gives the exit code and what was said. */
static int refused(ednd *e, const char *const *flags, char *said, size_t n)
{
    int code;

    ednd_spawn(e, program, flags);
    code = ednd_wait(e);
    ednd_errors(e, said, n);
    return code;
}
#define REFUSED(e, said, ...) refused(&(e), (const char *const[]){__VA_ARGS__, NULL}, said, sizeof said)

static void a_second_one_in_the_same_folder_is_refused(void **state)
{
    SERVER(e);
    ednd second;
    char said[512];

    (void)state;
    second = e;
    second.out = second.err = -1;
    CHECK_INT(REFUSED(second, said, "--listen=127.0.0.1:0"), 3);
    CHECK(strstr(said, "another ednd works in this folder"));
    close(second.out);
    close(second.err);
    CHECK_INT(once(&e, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
    ednd_dispose(&e);
}

static void says_what_is_wrong_with_its_options(void **state)
{
    ednd e;
    char said[1024], port[32], path[TEMPDIR_SIZE + 32];
    FILE *f;

    (void)state;
    ednd_init(&e);
    CHECK_INT(REFUSED(e, said, "--nonsense"), 2);
    CHECK(strstr(said, "'--nonsense' is no option"));
    CHECK_INT(REFUSED(e, said, "--idle-timeout", "soon"), 2);
    CHECK(strstr(said, "idle-timeout = soon"));
    CHECK_INT(REFUSED(e, said, "--idle-timeout", "0"), 2);
    CHECK_INT(REFUSED(e, said, "--idle-timeout"), 2);
    CHECK(strstr(said, "needs SECONDS"));
    CHECK_INT(REFUSED(e, said, "--sign-up=maybe"), 2);
    CHECK_INT(REFUSED(e, said, "--listen", "localhost"), 2);
    CHECK(strstr(said, "not ADDRESS:PORT"));
    CHECK_INT(REFUSED(e, said, "--listen", "0.0.0.0:0"), 2);
    CHECK(strstr(said, "tls-cert") && strstr(said, "behind-proxy"));
    CHECK_INT(REFUSED(e, said, "--listen", "[::]:0"), 2);
    CHECK_INT(REFUSED(e, said, "--tls-cert", "/nonexistent"), 2);
    CHECK(strstr(said, "go together"));
    CHECK_INT(REFUSED(e, said, "--tls-cert", "/nonexistent", "--tls-key", "/nonexistent"), 2);
    CHECK_INT(REFUSED(e, said, "--origin", "https://Diary.example/"), 2);
    CHECK_INT(REFUSED(e, said, "--origin", "https://diary.example:443"), 2);
    CHECK_INT(REFUSED(e, said, "--config", "/nonexistent"), 2);

    snprintf(path, sizeof path, "%s/conf", e.dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("# a comment\nidle-timeout = 30 # another\n\nfoo = 1\n", f);
    fclose(f);
    CHECK_INT(REFUSED(e, said, "--config", path), 2);
    CHECK(strstr(said, "conf:4: 'foo' is no option"));

    ednd_start(&e, program, (const char *const[]){"--listen", "127.0.0.1:0", NULL});
    snprintf(port, sizeof port, "127.0.0.1:%u", e.port);
    {
        ednd other;
        ednd_init(&other);
        CHECK_INT(REFUSED(other, said, "--listen", port), 3);
        ednd_dispose(&other);
    }
    ednd_dispose(&e);
}

static void flags_win_over_the_environment_and_that_over_the_file(void **state)
{
    ednd e;
    char path[TEMPDIR_SIZE + 32];
    edn_arena a = edn_arena_init(4096);
    FILE *f;

    (void)state;
    ednd_init(&e);
    snprintf(path, sizeof path, "%s/conf", e.dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("origin = https://file.example\nsign-up = no\n", f);
    fclose(f);
    for (int i = 0; i < 3; i++) {
        static const char *const want[] = {"https://file.example", "https://environment.example",
                                           "https://flag.example"};
        wire_conn c;
        edn_buf answer = EDN_BUF_INIT(4096);
        edn_msg_server_info info;
        const char *const flags[] = {"--config", path, i == 2 ? "--origin" : NULL, "https://flag.example", NULL};
        setenv("EDND_ORIGIN", i == 0 ? "https://file.example" : "https://environment.example", 1);
        if (i == 0)
            unsetenv("EDND_ORIGIN");
        ednd_spawn(&e, program, flags);
        {
            char line[256] = "";
            ssize_t n = read(e.out, line, sizeof line - 1);
            assert_true(n > 0);
            CHECK(strstr(line, want[i]));
        }
        (void)c, (void)answer, (void)info;
        CHECK_INT(ednd_stop(&e, SIGTERM), 0);
    }
    unsetenv("EDND_ORIGIN");
    edn_arena_dispose(&a);
    ednd_dispose(&e);
}

static void its_folder_is_its_own(void **state)
{
    SERVER(e);
    struct stat sb;
    char path[TEMPDIR_SIZE + 32], said[512];

    (void)state;
    snprintf(path, sizeof path, "%s/data", e.dir);
    CHECK_INT(stat(path, &sb), 0);
    CHECK_INT(sb.st_mode & 0777, 0700);
    snprintf(path, sizeof path, "%s/data/server.key", e.dir);
    CHECK_INT(stat(path, &sb), 0);
    CHECK_INT(sb.st_mode & 0777, 0600);
    CHECK_INT(sb.st_size, 32);
    snprintf(path, sizeof path, "%s/data/meta.db", e.dir);
    CHECK_INT(stat(path, &sb), 0);
    CHECK_INT(sb.st_mode & 0777, 0600);
    CHECK_INT(ednd_stop(&e, SIGTERM), 0);

    /* Without its key it would sign what no client believes: it rather says so. */
    snprintf(path, sizeof path, "%s/data/server.key", e.dir);
    CHECK_INT(chmod(path, 0644), 0);
    CHECK_INT(REFUSED(e, said, "--sign-up"), 2);
    CHECK(strstr(said, "chmod 600"));
    CHECK_INT(remove(path), 0);
    CHECK_INT(REFUSED(e, said, "--sign-up"), 4);
    CHECK(strstr(said, "restore it"));
    ednd_dispose(&e);
}

static void gives_up_core_dumps_privileges_and_the_rest_of_the_disk(void **state)
{
    SERVER(e);
    char path[64], text[8192];
    FILE *f;
    size_t n;

    (void)state;
    snprintf(path, sizeof path, "/proc/%d/limits", (int)e.pid);
    f = fopen(path, "r");
    assert_non_null(f);
    n = fread(text, 1, sizeof text - 1, f);
    text[n] = 0;
    fclose(f);
    CHECK(strstr(text, "Max core file size        0                    0"));
    snprintf(path, sizeof path, "/proc/%d/status", (int)e.pid);
    f = fopen(path, "r");
    assert_non_null(f);
    n = fread(text, 1, sizeof text - 1, f);
    text[n] = 0;
    fclose(f);
    CHECK(strstr(text, "NoNewPrivs:\t1"));
    CHECK(strstr(text, "Seccomp:\t2"));
    ednd_dispose(&e);
}

/* ---- TLS --------------------------------------------------------------------------------------------------------- */

static void write_file(const char *path, const gnutls_datum_t *d)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(d->data, 1, d->size, f), d->size);
    fclose(f);
}

/* A certificate for 127.0.0.1, good for a day. */
static void make_certificate(const char *cert_path, const char *key_path)
{
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
    gnutls_datum_t pem;

    assert_int_equal(gnutls_x509_privkey_init(&key), 0);
    assert_int_equal(gnutls_x509_privkey_generate(key, GNUTLS_PK_EDDSA_ED25519, 256, 0), 0);
    assert_int_equal(gnutls_x509_crt_init(&crt), 0);
    gnutls_x509_crt_set_version(crt, 3);
    gnutls_x509_crt_set_serial(crt, "\1", 1);
    gnutls_x509_crt_set_activation_time(crt, time(NULL) - 60);
    gnutls_x509_crt_set_expiration_time(crt, time(NULL) + 86400);
    gnutls_x509_crt_set_dn(crt, "CN=127.0.0.1", NULL);
    gnutls_x509_crt_set_key(crt, key);
    assert_int_equal(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA512, 0), 0);
    assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem), 0);
    write_file(cert_path, &pem);
    gnutls_free(pem.data);
    assert_int_equal(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem), 0);
    write_file(key_path, &pem);
    gnutls_free(pem.data);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
}

typedef struct tls_conn {
    wire_conn c;
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
    uint8_t binding[32];
} tls_conn;

/* The status of the handshake. */
static int tls_open(tls_conn *t, const ednd *e, const char *priorities)
{
    gnutls_datum_t cb;
    int rc;

    memset(t, 0, sizeof *t);
    t->c = open_conn(e);
    assert_int_equal(gnutls_certificate_allocate_credentials(&t->credentials), 0);
    assert_int_equal(gnutls_init(&t->session, GNUTLS_CLIENT), 0);
    assert_int_equal(gnutls_priority_set_direct(t->session, priorities, NULL), 0);
    gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, t->credentials);
    gnutls_transport_set_int(t->session, t->c.fd);
    gnutls_handshake_set_timeout(t->session, 5000);
    do
        rc = gnutls_handshake(t->session);
    while (rc < 0 && !gnutls_error_is_fatal(rc));
    if (rc == 0) {
        assert_int_equal(gnutls_session_channel_binding(t->session, GNUTLS_CB_TLS_EXPORTER, &cb), 0);
        assert_int_equal(cb.size, 32);
        memcpy(t->binding, cb.data, 32);
        gnutls_free(cb.data);
    }
    return rc;
}

static void tls_close(tls_conn *t)
{
    gnutls_deinit(t->session);
    gnutls_certificate_free_credentials(t->credentials);
    wire_close(&t->c);
}

static int tls_ask(void *ctx, const char *method, const char *path, edn_bytes token, edn_bytes body, edn_buf *answer)
{
    tls_conn *t = ctx;
    edn_buf rq = EDN_BUF_INIT(1u << 20);
    char in[16384];
    size_t n = 0;
    const char *end, *length;
    int status = 0;

    wire_request(&rq, method, path, token, "", body);
    for (size_t at = 0; at < rq.n;) {
        ssize_t got = gnutls_record_send(t->session, rq.p + at, rq.n - at);
        assert_true(got > 0);
        at += (size_t)got;
    }
    edn_buf_dispose(&rq);
    for (;;) {
        ssize_t got = gnutls_record_recv(t->session, in + n, sizeof in - 1 - n);
        if (got <= 0)
            return 0;
        n += (size_t)got;
        in[n] = 0;
        end = strstr(in, "\r\n\r\n");
        length = strstr(in, "Content-Length: ");
        if (end && length && n >= (size_t)(end - in) + 4 + strtoul(length + 16, NULL, 10))
            break;
    }
    status = (int)strtol(in + 9, NULL, 10);
    if (answer) {
        edn_buf_reset(answer);
        edn_put_bytes(answer, end + 4, n - (size_t)(end - in) - 4);
    }
    return status;
}

/* The certificate that a new connection is shown. */
static edn_hash shown_certificate(const ednd *e)
{
    tls_conn t;
    const gnutls_datum_t *list;
    unsigned n;
    edn_hash h;

    CHECK_INT(tls_open(&t, e, "NORMAL"), 0);
    list = gnutls_certificate_get_peers(t.session, &n);
    CHECK(list && n == 1);
    h = edn_h32(edn_bytes_of(list[0].data, list[0].size));
    tls_close(&t);
    return h;
}

static bool shows_another(const ednd *e, edn_hash than)
{
    for (int i = 0; i < 40; i++) {
        edn_hash now = shown_certificate(e);
        if (memcmp(&now, &than, sizeof now) != 0)
            return true;
        usleep(50000);
    }
    return false;
}

static void a_certificate_is_renewed_without_a_connection_lost(void **state)
{
    ednd e;
    char cert[TEMPDIR_SIZE + 32], key[TEMPDIR_SIZE + 32], said[1024];
    tls_conn t;
    edn_hash first, second;

    (void)state;
    ednd_init(&e);
    snprintf(cert, sizeof cert, "%s/cert.pem", e.dir);
    snprintf(key, sizeof key, "%s/key.pem", e.dir);
    make_certificate(cert, key);
    ednd_start(&e, program, (const char *const[]){"--tls-cert", cert, "--tls-key", key, NULL});
    first = shown_certificate(&e);
    CHECK_INT(tls_open(&t, &e, "NORMAL"), 0);
    CHECK_INT(tls_ask(&t, "GET", "/healthz", EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, NULL), 200);
    make_certificate(cert, key);
    second = shown_certificate(&e);
    CHECK_BYTES(EDN_F(second), EDN_F(first)); /* not before it is told */
    kill(e.pid, SIGHUP);
    CHECK(shows_another(&e, first));
    CHECK_INT(tls_ask(&t, "GET", "/healthz", EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, NULL), 200); /* goes on */
    second = shown_certificate(&e);
    write_file(cert, &(gnutls_datum_t){(unsigned char *)"nonsense", 8});
    kill(e.pid, SIGHUP);
    usleep(300000);
    first = shown_certificate(&e);
    CHECK_BYTES(EDN_F(first), EDN_F(second)); /* a bad one changes nothing, and says so */
    ednd_errors(&e, said, sizeof said);
    CHECK(strstr(said, "stays in use"));
    make_certificate(cert, key);
    kill(e.pid, SIGHUP);
    CHECK(shows_another(&e, second));
    CHECK_INT(tls_ask(&t, "GET", "/healthz", EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, NULL), 200);
    tls_close(&t);
    CHECK_INT(ednd_stop(&e, SIGTERM), 0);
    ednd_dispose(&e);
}

static void tls_is_1_3_alone_and_logins_are_bound_to_it(void **state)
{
    ednd e;
    char cert[TEMPDIR_SIZE + 16], key[TEMPDIR_SIZE + 16];
    tls_conn t, other;
    person p;
    person_login l;
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX), token = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);

    (void)state;
    ednd_init(&e);
    snprintf(cert, sizeof cert, "%s/cert.pem", e.dir);
    snprintf(key, sizeof key, "%s/key.pem", e.dir);
    make_certificate(cert, key);
    ednd_start(&e, program, (const char *const[]){"--tls-cert", cert, "--tls-key", key, NULL});
    CHECK(strncmp(e.origin, "https://127.0.0.1:", 18) == 0);

    CHECK(tls_open(&t, &e, "NORMAL:-VERS-ALL:+VERS-TLS1.2") < 0);
    tls_close(&t);
    CHECK(tls_open(&t, &e, "NORMAL:-GROUP-ALL:+GROUP-SECP256R1") < 0);
    tls_close(&t);
    CHECK(tls_open(&t, &e, "NORMAL:-CIPHER-ALL:+AES-128-CCM") < 0);
    tls_close(&t);
    static const char *const suites[] = {"NORMAL:-CIPHER-ALL:+AES-128-GCM", "NORMAL:-CIPHER-ALL:+AES-256-GCM",
                                         "NORMAL:-CIPHER-ALL:+CHACHA20-POLY1305"};
    for (size_t i = 0; i < EDN_COUNT(suites); i++) {
        CHECK_INT(tls_open(&t, &e, suites[i]), 0);
        CHECK_INT(gnutls_protocol_get_version(t.session), GNUTLS_TLS1_3);
        tls_close(&t);
    }
    CHECK_INT(once(&e, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), 0); /* plain text gets nothing */

    CHECK_INT(tls_open(&t, &e, "NORMAL"), 0);
    CHECK_INT(tls_open(&other, &e, "NORMAL"), 0);
    CHECK(memcmp(t.binding, other.binding, 32) != 0);
    person_init(&p, 1);
    person_account(&p, &rq);
    CHECK_INT(tls_ask(&t, "POST", "/v1/accounts", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL), 201);
    CHECK_INT(person_challenge(&p, 0, tls_ask, &t, &l), 200);
    memcpy(l.m.channel_binding, t.binding, 32);
    CHECK_INT(person_login_send(&p, 0, &l, tls_ask, &t, &token), 200);
    /* The same signed message, sent on by somebody in the middle over a session of its own. */
    CHECK_INT(person_challenge(&p, 0, tls_ask, &t, &l), 200);
    memcpy(l.m.channel_binding, t.binding, 32);
    CHECK_INT(person_login_send(&p, 0, &l, tls_ask, &other, &token), 401);
    CHECK_INT(person_challenge(&p, 0, tls_ask, &t, &l), 200); /* zeros */
    CHECK_INT(person_login_send(&p, 0, &l, tls_ask, &t, &token), 401);
    CHECK((gnutls_session_get_flags(t.session) & GNUTLS_SFLAGS_SESSION_TICKET) == 0);
    tls_close(&t);
    tls_close(&other);
    person_dispose(&p);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&token);
    CHECK_INT(ednd_stop(&e, SIGTERM), 0);
    ednd_dispose(&e);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_say_no_more_than_they_must),
        cmocka_unit_test(a_small_push_stays_below_2_kib),
        cmocka_unit_test(an_append_is_answered_at_once),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(a_body_may_come_byte_by_byte_or_in_chunks),
        cmocka_unit_test(metrics_are_for_this_machine_and_hold_no_ids),
        cmocka_unit_test(the_log_of_requests_holds_no_ids_tokens_or_paths),
        cmocka_unit_test(heads_end_at_8_kib_and_64_fields),
        cmocka_unit_test(bodies_are_refused_by_what_they_declare_and_by_what_comes),
        cmocka_unit_test(so_many_connections_from_one_address_and_in_all),
        cmocka_unit_test(connections_beyond_the_total_wait_and_then_get_in),
        cmocka_unit_test(slow_clients_are_shown_the_door),
        cmocka_unit_test(a_later_head_has_no_more_time_than_the_first),
        cmocka_unit_test(a_thousand_slow_clients_leave_the_others_alone),
        cmocka_unit_test(bodies_in_flight_share_a_bounded_memory),
        cmocka_unit_test(a_stream_tells_of_a_push_within_a_moment),
        cmocka_unit_test(a_stream_shows_signs_of_life_and_ends_with_its_token),
        cmocka_unit_test(stops_with_everything_it_acknowledged),
        cmocka_unit_test(killed_it_opens_again_with_everything_it_acknowledged),
        cmocka_unit_test(a_second_one_in_the_same_folder_is_refused),
        cmocka_unit_test(says_what_is_wrong_with_its_options),
        cmocka_unit_test(flags_win_over_the_environment_and_that_over_the_file),
        cmocka_unit_test(its_folder_is_its_own),
        cmocka_unit_test(gives_up_core_dumps_privileges_and_the_rest_of_the_disk),
        cmocka_unit_test(streams_that_nobody_hears_do_not_use_up_an_address),
        cmocka_unit_test(a_certificate_is_renewed_without_a_connection_lost),
        cmocka_unit_test(tls_is_1_3_alone_and_logins_are_bound_to_it),
    };

    if (argc != 2) {
        fprintf(stderr, "usage: http EDND\n");
        return 2;
    }
    program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
