/* What ednd costs: pushes and probes for each second of its CPU, memory, and the price of an idle event stream.
 *
 * usage: server-bench EDND [--quick]
 *
 * Starts EDND on a new folder, loads it over many keep-alive connections from one thread, and prints one JSON object a
 * line: {"name", "value", "unit", "goal", "better", "ok"}. CPU is the server's own (schedstat), so that the load
 * generator on the same cores does not count. Exit code 1: a figure is missed. */
#include "ednd.h"
#include "figure.h"
#include "person.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CONNS = 64, STREAMS = 10000 };

static const char *const flags[] = {"--connections",
                                    "20000",
                                    "--connections-per-address",
                                    "0",
                                    "--streams-per-device",
                                    "0",
                                    "--api-per-s",
                                    "0",
                                    "--bytes-per-s",
                                    "0",
                                    "--login-address-per-min",
                                    "0",
                                    NULL};

static void die(const char *what)
{
    fprintf(stderr, "server-bench: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* ---- the server -------------------------------------------------------------------------------------------------- */

static double server_cpu_s(const ednd *s)
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
static double server_private_kib(const ednd *s)
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

/* ---- load -------------------------------------------------------------------------------------------------------- */

/* Each connection sends its requests one after the other, each when the one before was answered. `next` gives the
 * request or empty bytes when there is none left. */
typedef edn_bytes next_fn(void *ctx, size_t conn, size_t i);

static void load(wire_conn *conns, size_t n, next_fn *next, void *ctx, int want)
{
    int ep = epoll_create1(0);
    size_t *sent = calloc(n, sizeof *sent), open_n = n;
    struct epoll_event events[CONNS];

    if (ep < 0 || !sent)
        die("load");
    for (size_t i = 0; i < n; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.u64 = i};
        epoll_ctl(ep, EPOLL_CTL_ADD, conns[i].fd, &e);
        wire_send(&conns[i], next(ctx, i, sent[i]));
    }
    while (open_n > 0) {
        int got = epoll_wait(ep, events, CONNS, -1);
        for (int k = 0; k < got; k++) {
            size_t i = (size_t)events[k].data.u64;
            wire_answer a;
            edn_bytes rq;
            if (!wire_poll(&conns[i], &a))
                continue;
            if (a.status != want)
                die("a request was refused");
            rq = next(ctx, i, ++sent[i]);
            if (rq.n)
                wire_send(&conns[i], rq);
            else
                open_n--;
        }
    }
    free(sent);
    close(ep);
}

/* ---- pushes and probes ------------------------------------------------------------------------------------------- */

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
        wire_conn control;
        if (!wire_open(&control, port))
            die("connect");
        person_init(p, 100 + c);
        edn_buf_reset(&rq);
        person_account(p, &rq);
        if (wire_ask(&control, "POST", "/v1/accounts", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL) != 201)
            die("accounts");
        w->tokens[c] = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);
        person_sign_in(p, 0, wire_ask, &control, &w->tokens[c]);
        wire_close(&control);
        for (size_t i = 0; i < w->each; i++) {
            edn_bytes one;
            edn_buf_reset(&rq);
            edn_buf_reset(&batch);
            person_batch(p, 0, 1024, &batch);
            one = edn_buf_view(&batch);
            person_push(NULL, &one, 1, &rq);
            w->pushes[c * w->each + i] = EDN_BUF_INIT(8192);
            wire_request(&w->pushes[c * w->each + i], "POST", "/v1/push", edn_buf_view(&w->tokens[c]), "",
                         edn_buf_view(&rq));
        }
    }
    edn_buf_dispose(&rq);
    edn_buf_dispose(&batch);
}

static void prepare_probes(work *w, wire_conn *conns)
{
    edn_buf rq = EDN_BUF_INIT(1u << 20);

    for (size_t c = 0; c < CONNS; c++) {
        person *p = &w->people[c];
        edn_head h = {p->devices[0].id, p->devices[0].dseq, p->devices[0].last};
        edn_hash head = edn_devlog_head(p->log), heads = edn_heads_hash(&h, 1);
        edn_etag etag = edn_etag_of(&p->space, edn_devlog_count(p->log), &head, &heads, 0);
        edn_buf path = EDN_BUF_INIT(256);
        edn_buf_reset(&rq);
        person_pull(p, edn_devlog_count(p->log), &h, 1, &rq);
        if (wire_ask(&conns[c], "POST", "/v1/pull", edn_buf_view(&w->tokens[c]), edn_buf_view(&rq), NULL) != 200)
            die("pull");
        edn_put_str(&path, "/v1/probe/");
        edn_base64url_encode(&path, edn_bytes_of(p->account.b, 16));
        edn_put_str(&path, "/");
        edn_base64url_encode(&path, edn_bytes_of(etag.b, 16));
        edn_put_u8(&path, 0);
        w->probes[c] = EDN_BUF_INIT(1024);
        wire_request(&w->probes[c], "GET", (const char *)path.p, EDN_BYTES_EMPTY, "", EDN_BYTES_EMPTY);
        if (wire_ask(&conns[c], "GET", (const char *)path.p, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, NULL) != 204)
            die("probe");
        edn_buf_dispose(&path);
    }
    edn_buf_dispose(&rq);
}

static void bench_requests(const ednd *s, bool quick)
{
    wire_conn *conns = calloc(CONNS, sizeof *conns);
    work w = {.each = quick ? 200 : 500, .probes_each = quick ? 500 : 5000};
    double cpu, wall, idle = server_private_kib(s);
    uint64_t bytes = 0;
    size_t good;

    w.people = calloc(CONNS, sizeof *w.people);
    w.tokens = calloc(CONNS, sizeof *w.tokens);
    w.pushes = calloc(CONNS * w.each, sizeof *w.pushes);
    w.probes = calloc(CONNS, sizeof *w.probes);
    if (!conns || !w.people || !w.tokens || !w.pushes || !w.probes)
        die("memory");
    figure_put("server_idle_memory", idle / 1024, "MiB", 6, false);
    prepare(&w, s->port); /* before the connections: idle ones are ended */
    for (size_t c = 0; c < CONNS; c++)
        if (!wire_open(&conns[c], s->port))
            die("connect");

    cpu = server_cpu_s(s), wall = wall_s();
    load(conns, CONNS, next_push, &w, 200);
    cpu = server_cpu_s(s) - cpu, wall = wall_s() - wall;
    for (size_t c = 0; c < CONNS; c++)
        bytes += conns[c].sent + conns[c].received;
    good = CONNS * w.each;
    figure_put("server_push_per_cpu_s", (double)good / cpu, "1/s", 8000, true);
    figure_put("server_push_wall", (double)good / wall, "1/s", 0, true);
    figure_put("server_push_wire_bytes", (double)bytes / (double)good, "B", 2048, false);
    figure_put("server_load_memory", server_private_kib(s) / 1024, "MiB", 16, false);

    prepare_probes(&w, conns);
    for (size_t c = 0; c < CONNS; c++)
        conns[c].sent = conns[c].received = 0;
    cpu = server_cpu_s(s), wall = wall_s();
    load(conns, CONNS, next_probe, &w, 204);
    cpu = server_cpu_s(s) - cpu, wall = wall_s() - wall;
    bytes = 0, good = CONNS * w.probes_each;
    for (size_t c = 0; c < CONNS; c++)
        bytes += conns[c].sent + conns[c].received;
    figure_put("server_probe_per_cpu_s", (double)good / cpu, "1/s", 40000, true);
    figure_put("server_probe_wall", (double)good / wall, "1/s", 0, true);
    figure_put("server_probe_wire_bytes", (double)bytes / (double)good, "B", 300, false);

    for (size_t c = 0; c < CONNS; c++) {
        wire_close(&conns[c]);
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

/* ---- event streams ----------------------------------------------------------------------------------------------- */

static void bench_streams(const ednd *s, size_t n)
{
    wire_conn control, *streams = calloc(n, sizeof *streams);
    person p;
    edn_buf token = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX), rq = EDN_BUF_INIT(65536), batch = EDN_BUF_INIT(65536);
    double before, t;
    edn_bytes one;

    person_init(&p, 9);
    person_account(&p, &rq);
    if (!streams || !wire_open(&control, s->port) ||
        wire_ask(&control, "POST", "/v1/accounts", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL) != 201)
        die("accounts");
    person_sign_in(&p, 0, wire_ask, &control, &token);
    edn_buf_reset(&rq);
    wire_request(&rq, "GET", "/v1/events", edn_buf_view(&token),
                 "User-Agent: edn/0.1.0\r\nAccept: text/event-stream\r\n", EDN_BYTES_EMPTY);
    before = server_private_kib(s);
    for (size_t i = 0; i < n; i++) {
        /* the first event, in its chunk */
        if (!wire_open(&streams[i], s->port) || !wire_send(&streams[i], edn_buf_view(&rq)) ||
            !wire_expect(&streams[i], "\n\n\r\n", 5000))
            die("stream");
        edn_buf_dispose(&streams[i].in);
    }
    figure_put("server_stream_memory", (server_private_kib(s) - before) / (double)n, "KiB", 6, false);

    person_batch(&p, 0, 1024, &batch);
    one = edn_buf_view(&batch);
    edn_buf_reset(&rq);
    person_push(NULL, &one, 1, &rq);
    t = wall_s();
    if (wire_ask(&control, "POST", "/v1/push", edn_buf_view(&token), edn_buf_view(&rq), NULL) != 200)
        die("push");
    for (size_t i = 0; i < n; i++) {
        if (!wire_expect(&streams[i], "data: ", 5000))
            die("event");
        if (i == 0)
            figure_put("server_event_first", (wall_s() - t) * 1e3, "ms", 0, false);
    }
    figure_put("server_event_all", (wall_s() - t) * 1e3, "ms", 0, false);
    for (size_t i = 0; i < n; i++)
        wire_close(&streams[i]);
    wire_close(&control);
    free(streams);
    edn_buf_dispose(&token);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&batch);
    person_dispose(&p);
}

int main(int argc, char **argv)
{
    bool quick = argc > 2 && strcmp(argv[2], "--quick") == 0;
    struct rlimit files;
    ednd s;

    if (argc < 2 || argc > 3 || (argc == 3 && !quick)) {
        fprintf(stderr, "usage: server-bench EDND [--quick]\n");
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files); /* the server inherits it */
    /* A fresh server for each: what the load left free in its heap would hide what streams take. */
    for (int streams = 0; streams < 2; streams++) {
        ednd_init(&s);
        ednd_start(&s, argv[1], flags);
        if (streams)
            bench_streams(&s, quick ? 500 : STREAMS);
        else
            bench_requests(&s, quick);
        if (ednd_stop(&s, SIGTERM) != 0)
            die("it did not stop well");
        ednd_dispose(&s);
    }
    return missed ? 1 : 0;
}
