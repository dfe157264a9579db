/* What ednd costs: pushes and probes for each second of its CPU, memory, and the price of an idle event stream.
 *
 * usage: server-bench EDND [--quick]
 *
 * Starts EDND on a new folder, loads it over many keep-alive connections from one thread, and prints one JSON object a line:
 * {"name", "value", "unit", "goal", "better", "ok"}. CPU is the server's own (schedstat), so that the load generator on the
 * same cores does not count. Exit code 1: a figure is missed. */
#define _GNU_SOURCE /* memmem */
#include "person.h"
#include "tempdir.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CONNS = 64, STREAMS = 10000, ANSWER_SIZE = 2048 };

typedef struct server {
    pid_t pid;
    uint16_t port;
    char dir[TEMPDIR_SIZE];
} server;

typedef struct conn {
    int fd;
    char in[ANSWER_SIZE];
    size_t in_n;
    uint64_t sent, received;
    int statuses[6]; /* by their first digit */
} conn;

static bool missed;

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
    fprintf(stderr, "server-bench: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void figure(const char *name, double value, const char *unit, double goal, bool higher)
{
    bool ok = goal <= 0 || (higher ? value >= goal : value <= goal);

    missed |= !ok;
    printf("{\"name\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"", name, value, unit);
    if (goal > 0)
        printf(",\"goal\":%.4g,\"better\":\"%s\",\"ok\":%s", goal, higher ? "higher" : "lower", ok ? "true" : "false");
    printf("}\n");
    fflush(stdout);
}

/* ---- the server ------------------------------------------------------------------------------------------------------------ */

static void server_start(server *s, const char *program)
{
    int out[2];
    char line[256], data[TEMPDIR_SIZE + 8];
    FILE *f;

    tempdir_make(s->dir);
    snprintf(data, sizeof data, "%s/data", s->dir);
    if (pipe(out) != 0)
        die("pipe");
    s->pid = fork();
    if (s->pid < 0)
        die("fork");
    if (s->pid == 0) {
        dup2(out[1], 1);
        close(out[0]);
        close(out[1]);
        execl(program, program, "--data", data, "--listen", "127.0.0.1:0", "--connections", "20000",
              "--connections-per-address", "0", "--api-per-s", "0", "--bytes-per-s", "0", "--login-address-per-min",
              "0", (char *)NULL);
        die(program);
    }
    close(out[1]);
    f = fdopen(out[0], "r");
    if (!f || !fgets(line, sizeof line, f) || !strrchr(line, ':'))
        die("the server did not start");
    s->port = (uint16_t)strtoul(strrchr(line, ':') + 1, NULL, 10);
    fclose(f);
}

static void server_stop(server *s)
{
    kill(s->pid, SIGTERM);
    waitpid(s->pid, NULL, 0);
    tempdir_remove(s->dir);
}

static double server_cpu_s(const server *s)
{
    char path[64];
    unsigned long long ns = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)s->pid);
    f = fopen(path, "r");
    if (!f || fscanf(f, "%llu", &ns) != 1)
        die(path);
    fclose(f);
    return (double)ns / 1e9;
}

/* Memory that is the server's alone: what it allocated, and pages of its libraries that it had to change. KiB. */
static double server_private_kib(const server *s)
{
    char path[64], line[256];
    unsigned long long kib, sum = 0;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)s->pid);
    f = fopen(path, "r");
    if (!f)
        die(path);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "Private_Dirty: %llu", &kib) == 1 || sscanf(line, "Private_Clean: %llu", &kib) == 1)
            sum += kib;
    fclose(f);
    return (double)sum;
}

/* ---- a client --------------------------------------------------------------------------------------------------------------- */

static void conn_open(conn *c, uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;

    memset(c, 0, sizeof *c);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof a) != 0)
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void conn_send(conn *c, edn_bytes rq)
{
    c->sent += rq.n;
    while (rq.n) {
        ssize_t n = write(c->fd, rq.p, rq.n);
        if (n < 0 && errno != EAGAIN)
            die("write");
        if (n > 0)
            rq = edn_bytes_of(rq.p + n, rq.n - (size_t)n);
    }
}

/* Reads once. True when a whole answer was there; it is then consumed, and its body borrowed until the next call. */
static bool conn_answer(conn *c, int *status, edn_bytes *body)
{
    ssize_t n = read(c->fd, c->in + c->in_n, sizeof c->in - 1 - c->in_n);
    char *end, *length;
    size_t head, size;

    if (n <= 0)
        die("read");
    c->in_n += (size_t)n;
    c->received += (uint64_t)n;
    c->in[c->in_n] = 0;
    end = strstr(c->in, "\r\n\r\n");
    if (!end)
        return false;
    head = (size_t)(end - c->in) + 4;
    length = strstr(c->in, "Content-Length: ");
    size = length && length < end ? strtoul(length + 16, NULL, 10) : 0;
    if (c->in_n < head + size)
        return false;
    *status = (int)strtol(c->in + 9, NULL, 10);
    *body = edn_bytes_of(c->in + head, size);
    c->statuses[*status / 100 % 6]++;
    c->in_n = 0;
    return true;
}

static void request_put(edn_buf *out, const char *method, const char *path, edn_bytes token, edn_bytes body)
{
    char line[256];

    snprintf(line, sizeof line, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n", method, path);
    edn_put_str(out, line);
    if (token.n) {
        edn_put_str(out, "Authorization: Bearer ");
        edn_put_bytes(out, token.p, token.n);
        edn_put_str(out, "\r\n");
    }
    if (strcmp(method, "GET") != 0) {
        snprintf(line, sizeof line, "Content-Length: %zu\r\n", body.n);
        edn_put_str(out, line);
    }
    edn_put_str(out, "\r\n");
    edn_put_bytes(out, body.p, body.n);
}

static int ask(void *ctx, const char *method, const char *path, edn_bytes token, edn_bytes body, edn_buf *answer)
{
    conn *c = ctx;
    edn_buf rq = EDN_BUF_INIT(8u << 20);
    edn_bytes got;
    int status;

    request_put(&rq, method, path, token, body);
    conn_send(c, edn_buf_view(&rq));
    while (!conn_answer(c, &status, &got))
        ;
    if (answer) {
        edn_buf_reset(answer);
        edn_put_bytes(answer, got.p, got.n);
    }
    edn_buf_dispose(&rq);
    return status;
}

/* Each connection sends its requests one after the other, each when the one before was answered. `next` gives the request
 * or empty bytes when there is none left. */
typedef edn_bytes next_fn(void *ctx, size_t conn, size_t i);

static void load(conn *conns, size_t n, next_fn *next, void *ctx)
{
    int ep = epoll_create1(0);
    size_t *sent = calloc(n, sizeof *sent), open_n = n;
    struct epoll_event events[CONNS];

    for (size_t i = 0; i < n; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u64 = i};
        epoll_ctl(ep, EPOLL_CTL_ADD, conns[i].fd, &e);
        conn_send(&conns[i], next(ctx, i, sent[i]));
    }
    while (open_n > 0) {
        int got = epoll_wait(ep, events, CONNS, -1);
        for (int k = 0; k < got; k++) {
            size_t i = (size_t)events[k].data.u64;
            edn_bytes body, rq;
            int status;
            if (!conn_answer(&conns[i], &status, &body))
                continue;
            rq = next(ctx, i, ++sent[i]);
            if (rq.n)
                conn_send(&conns[i], rq);
            else
                open_n--;
        }
    }
    free(sent);
    close(ep);
}

/* ---- pushes and probes --------------------------------------------------------------------------------------------------------- */

typedef struct work {
    person *people;
    edn_buf *tokens;
    edn_buf *pushes; /* CONNS × each, ready to send */
    size_t each;
    edn_buf *probes;
    size_t probes_each;
} work;

static edn_bytes next_push(void *ctx, size_t c, size_t i)
{
    work *w = ctx;

    return i < w->each ? edn_buf_view(&w->pushes[c * w->each + i]) : EDN_BYTES_EMPTY;
}

static edn_bytes next_probe(void *ctx, size_t c, size_t i)
{
    work *w = ctx;

    return i < w->probes_each ? edn_buf_view(&w->probes[c]) : EDN_BYTES_EMPTY;
}

static void prepare(work *w, uint16_t port)
{
    edn_buf rq = EDN_BUF_INIT(1u << 20), batch = EDN_BUF_INIT(1u << 20);

    for (size_t c = 0; c < CONNS; c++) {
        person *p = &w->people[c];
        conn control;
        conn_open(&control, port);
        person_init(p, 100 + c);
        edn_buf_reset(&rq);
        person_account(p, &rq);
        if (ask(&control, "POST", "/v1/accounts", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL) != 201)
            die("accounts");
        w->tokens[c] = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);
        person_sign_in(p, 0, ask, &control, &w->tokens[c]);
        close(control.fd);
        for (size_t i = 0; i < w->each; i++) {
            edn_bytes one;
            edn_buf_reset(&rq);
            edn_buf_reset(&batch);
            person_batch(p, 0, 1024, &batch);
            one = edn_buf_view(&batch);
            person_push(NULL, &one, 1, &rq);
            w->pushes[c * w->each + i] = EDN_BUF_INIT(8192);
            request_put(&w->pushes[c * w->each + i], "POST", "/v1/push", edn_buf_view(&w->tokens[c]),
                        edn_buf_view(&rq));
        }
    }
    edn_buf_dispose(&rq);
    edn_buf_dispose(&batch);
}

static void prepare_probes(work *w, conn *conns)
{
    edn_buf rq = EDN_BUF_INIT(1u << 20);

    for (size_t c = 0; c < CONNS; c++) {
        person *p = &w->people[c];
        edn_head h = {p->devices[0].id, p->devices[0].dseq, p->devices[0].last};
        edn_hash head = edn_devlog_head(p->log), heads = edn_heads_hash(&h, 1);
        edn_etag etag = edn_etag_of(&p->space, edn_devlog_count(p->log), &head, &heads);
        edn_buf path = EDN_BUF_INIT(256);
        edn_buf_reset(&rq);
        person_pull(p, edn_devlog_count(p->log), &h, 1, &rq);
        if (ask(&conns[c], "POST", "/v1/pull", edn_buf_view(&w->tokens[c]), edn_buf_view(&rq), NULL) != 200)
            die("pull");
        edn_put_str(&path, "/v1/probe/");
        edn_base64url_encode(&path, edn_bytes_of(p->account.b, 16));
        edn_put_str(&path, "/");
        edn_base64url_encode(&path, edn_bytes_of(etag.b, 16));
        edn_put_u8(&path, 0);
        w->probes[c] = EDN_BUF_INIT(1024);
        request_put(&w->probes[c], "GET", (const char *)path.p, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY);
        if (ask(&conns[c], "GET", (const char *)path.p, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, NULL) != 204)
            die("probe");
        edn_buf_dispose(&path);
    }
    edn_buf_dispose(&rq);
}

static void bench_requests(const server *s, bool quick)
{
    conn *conns = calloc(CONNS, sizeof *conns);
    work w = {.each = quick ? 50 : 500, .probes_each = quick ? 500 : 5000};
    double cpu, wall, idle = server_private_kib(s);
    uint64_t bytes = 0;
    int good = 0;

    w.people = calloc(CONNS, sizeof *w.people);
    w.tokens = calloc(CONNS, sizeof *w.tokens);
    w.pushes = calloc(CONNS * w.each, sizeof *w.pushes);
    w.probes = calloc(CONNS, sizeof *w.probes);
    if (!conns || !w.people || !w.tokens || !w.pushes || !w.probes)
        die("memory");
    figure("server_idle_memory", idle / 1024, "MiB", 6, false);
    prepare(&w, s->port); /* before the connections: idle ones are ended */
    for (size_t c = 0; c < CONNS; c++)
        conn_open(&conns[c], s->port);

    cpu = server_cpu_s(s), wall = now_s();
    load(conns, CONNS, next_push, &w);
    cpu = server_cpu_s(s) - cpu, wall = now_s() - wall;
    for (size_t c = 0; c < CONNS; c++)
        bytes += conns[c].sent + conns[c].received, good += conns[c].statuses[2];
    if (good != (int)(CONNS * w.each))
        die("pushes were refused");
    figure("server_push_per_cpu_s", good / cpu, "1/s", 8000, true);
    figure("server_push_wall", good / wall, "1/s", 0, true);
    figure("server_push_wire_bytes", (double)bytes / good, "B", 2048, false);
    figure("server_load_memory", server_private_kib(s) / 1024, "MiB", 16, false);

    prepare_probes(&w, conns);
    for (size_t c = 0; c < CONNS; c++)
        conns[c].sent = conns[c].received = 0, memset(conns[c].statuses, 0, sizeof conns[c].statuses);
    cpu = server_cpu_s(s), wall = now_s();
    load(conns, CONNS, next_probe, &w);
    cpu = server_cpu_s(s) - cpu, wall = now_s() - wall;
    bytes = 0, good = 0;
    for (size_t c = 0; c < CONNS; c++)
        bytes += conns[c].sent + conns[c].received, good += conns[c].statuses[2];
    figure("server_probe_per_cpu_s", good / cpu, "1/s", 40000, true);
    figure("server_probe_wall", good / wall, "1/s", 0, true);
    figure("server_probe_wire_bytes", (double)bytes / good, "B", 300, false);

    for (size_t c = 0; c < CONNS; c++) {
        close(conns[c].fd);
        person_dispose(&w.people[c]);
        edn_buf_dispose(&w.tokens[c]);
        edn_buf_dispose(&w.probes[c]);
    }
    for (size_t i = 0; i < CONNS * w.each; i++)
        edn_buf_dispose(&w.pushes[i]);
    free(w.people);
    free(w.tokens);
    free(w.pushes);
    free(w.probes);
    free(conns);
}

/* ---- event streams ---------------------------------------------------------------------------------------------------------------- */

static void bench_streams(const server *s, size_t n)
{
    conn control;
    person p;
    edn_buf token = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX), rq = EDN_BUF_INIT(65536), batch = EDN_BUF_INIT(65536);
    int *fds = calloc(n, sizeof *fds);
    char in[1024];
    double before, after, t;
    edn_bytes one;

    conn_open(&control, s->port);
    person_init(&p, 9);
    person_account(&p, &rq);
    if (!fds || ask(&control, "POST", "/v1/accounts", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL) != 201)
        die("accounts");
    person_sign_in(&p, 0, ask, &control, &token);
    edn_buf_reset(&rq);
    request_put(&rq, "GET", "/v1/events", edn_buf_view(&token), EDN_BYTES_EMPTY);
    before = server_private_kib(s);
    for (size_t i = 0; i < n; i++) {
        conn c;
        conn_open(&c, s->port);
        fds[i] = c.fd;
        conn_send(&c, edn_buf_view(&rq));
        for (size_t got = 0; !memmem(in, got, "\n\n\r\n", 4);) { /* the first event, in its chunk */
            ssize_t k = read(c.fd, in + got, sizeof in - got);
            if (k <= 0)
                die("stream");
            got += (size_t)k;
        }
    }
    after = server_private_kib(s);
    figure("server_stream_memory", (after - before) / (double)n, "KiB", 6, false);

    person_batch(&p, 0, 1024, &batch);
    one = edn_buf_view(&batch);
    edn_buf_reset(&rq);
    person_push(NULL, &one, 1, &rq);
    t = now_s();
    if (ask(&control, "POST", "/v1/push", edn_buf_view(&token), edn_buf_view(&rq), NULL) != 200)
        die("push");
    if (read(fds[0], in, sizeof in) <= 0)
        die("event");
    figure("server_event_first", (now_s() - t) * 1e3, "ms", 0, false);
    for (size_t i = 1; i < n; i++)
        if (read(fds[i], in, sizeof in) <= 0)
            die("event");
    figure("server_event_all", (now_s() - t) * 1e3, "ms", 0, false);
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
    close(control.fd);
    free(fds);
    edn_buf_dispose(&token);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&batch);
    person_dispose(&p);
}

int main(int argc, char **argv)
{
    bool quick = argc > 2 && strcmp(argv[2], "--quick") == 0;
    struct rlimit files;
    server s;

    if (argc < 2 || argc > 3 || (argc == 3 && !quick)) {
        fprintf(stderr, "usage: server-bench EDND [--quick]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files); /* the server inherits it */
    server_start(&s, argv[1]);
    bench_requests(&s, quick);
    server_stop(&s);
    server_start(&s, argv[1]); /* a fresh heap: what the load left free would hide what streams take */
    bench_streams(&s, quick ? 500 : STREAMS);
    server_stop(&s);
    return missed ? 1 : 0;
}
