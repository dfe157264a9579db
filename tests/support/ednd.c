#define _GNU_SOURCE /* memmem, pipe2 */
#include "ednd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Not cmocka's: benches use this too. */
static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "ednd: %s: %s\n", what, strerror(errno));
        abort();
    }
}

void ednd_init(ednd *e)
{
    memset(e, 0, sizeof *e);
    e->pid = -1;
    e->out = e->err = -1;
    tempdir_make(e->dir);
    signal(SIGPIPE, SIG_IGN);
}

static void close_pipes(ednd *e)
{
    if (e->out >= 0)
        close(e->out);
    if (e->err >= 0)
        close(e->err);
    e->out = e->err = -1;
}

void ednd_spawn(ednd *e, const char *program, const char *const *flags)
{
    char data[TEMPDIR_SIZE + 8];
    const char *argv[64] = {program, "--data", data, "--listen", "127.0.0.1:0"};
    size_t n = 5;
    int out[2], err[2];

    close_pipes(e);
    snprintf(data, sizeof data, "%s/data", e->dir);
    for (; flags && *flags; flags++)
        argv[n++] = *flags;
    argv[n] = NULL;
    must(pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0, "pipe");
    e->pid = fork();
    must(e->pid >= 0, "fork");
    if (e->pid == 0) {
        setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* it would look with ptrace, which the sandbox forbids */
        prctl(PR_SET_PDEATHSIG, SIGKILL);            /* a test that fails leaves nobody behind */
        dup2(out[1], 1);
        dup2(err[1], 2);
        execv(program, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(out[1]);
    close(err[1]);
    e->out = out[0];
    e->err = err[0];
}

void ednd_start(ednd *e, const char *program, const char *const *flags)
{
    char line[256];
    size_t n = 0;
    ssize_t got;

    ednd_spawn(e, program, flags);
    while (n < sizeof line - 1 && (got = read(e->out, line + n, 1)) == 1 && line[n] != '\n')
        n++;
    line[n] = 0;
    if (strncmp(line, "ednd: ready at ", 15) != 0) {
        char said[512];
        ednd_errors(e, said, sizeof said);
        fprintf(stderr, "%s did not start: %s%s\n", program, line, said);
        abort();
    }
    snprintf(e->origin, sizeof e->origin, "%.120s", line + 15);
    e->port = (uint16_t)strtoul(strrchr(line, ':') + 1, NULL, 10);
}

int ednd_wait(ednd *e)
{
    int status = 0;

    must(waitpid(e->pid, &status, 0) == e->pid, "waitpid");
    e->pid = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int ednd_stop(ednd *e, int signal)
{
    must(kill(e->pid, signal) == 0, "kill");
    return ednd_wait(e);
}

void ednd_errors(ednd *e, char *out, size_t n)
{
    struct pollfd p = {e->err, POLLIN, 0};
    size_t at = 0;

    while (at < n - 1 && poll(&p, 1, 100) > 0) {
        ssize_t got = read(e->err, out + at, n - 1 - at);
        if (got <= 0)
            break;
        at += (size_t)got;
    }
    out[at] = 0;
}

void ednd_dispose(ednd *e)
{
    if (e->pid > 0)
        (void)ednd_stop(e, SIGKILL);
    close_pipes(e);
    tempdir_remove(e->dir);
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

bool wire_open(wire_conn *c, uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;

    memset(c, 0, sizeof *c);
    c->in = EDN_BUF_INIT(32u << 20);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(c->fd >= 0, "socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (struct sockaddr *)&a, sizeof a) == 0)
        return true;
    close(c->fd);
    c->fd = -1;
    return false;
}

void wire_close(wire_conn *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    edn_buf_dispose(&c->in);
}

bool wire_send(wire_conn *c, edn_bytes b)
{
    c->sent += b.n;
    while (b.n) {
        ssize_t n = send(c->fd, b.p, b.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        b = edn_bytes_of(b.p + n, b.n - (size_t)n);
    }
    return true;
}

static void consume(wire_conn *c)
{
    if (c->used)
        memmove(c->in.p, c->in.p + c->used, c->in.n - c->used);
    c->in.n -= c->used;
    c->used = 0;
}

static bool read_once(wire_conn *c)
{
    ssize_t n;

    edn_buf_reserve(&c->in, 16384);
    do
        n = recv(c->fd, c->in.p + c->in.n, c->in.cap - c->in.n, 0);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    c->in.n += (size_t)n;
    c->received += (uint64_t)n;
    return true;
}

static bool whole_answer(wire_conn *c, wire_answer *out)
{
    const uint8_t *end = c->in.n ? memmem(c->in.p, c->in.n, "\r\n\r\n", 4) : NULL;
    const char *length;
    size_t size;

    if (!end)
        return false;
    out->head = edn_bytes_of(c->in.p, (size_t)(end - c->in.p) + 4);
    length = wire_field(out, "Content-Length");
    size = length ? strtoul(length, NULL, 10) : 0;
    if (c->in.n < out->head.n + size)
        return false;
    out->status = (int)strtol((const char *)c->in.p + 9, NULL, 10);
    out->body = edn_bytes_of(c->in.p + out->head.n, size);
    c->used = out->head.n + size;
    return true;
}

bool wire_poll(wire_conn *c, wire_answer *out)
{
    consume(c);
    must(read_once(c), "the server closed a connection");
    return whole_answer(c, out);
}

bool wire_read(wire_conn *c, wire_answer *out)
{
    consume(c);
    while (!whole_answer(c, out))
        if (!read_once(c))
            return false;
    return true;
}

bool wire_expect(wire_conn *c, const char *end, int ms)
{
    struct pollfd p = {c->fd, POLLIN, 0};

    while (!c->in.n || !memmem(c->in.p, c->in.n, end, strlen(end)))
        if (poll(&p, 1, ms) <= 0 || !read_once(c))
            return false;
    return true;
}

bool wire_closes(wire_conn *c, int ms)
{
    struct pollfd p = {c->fd, POLLIN, 0};

    while (poll(&p, 1, ms) > 0) {
        c->in.n = c->used = 0;
        if (!read_once(c))
            return true;
    }
    return false;
}

void wire_request(edn_buf *out, const char *method, const char *path, edn_bytes token, const char *more, edn_bytes body)
{
    char line[64];

    edn_put_str(out, method);
    edn_put_str(out, " ");
    edn_put_str(out, path);
    edn_put_str(out, " HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    if (token.n) {
        edn_put_str(out, "Authorization: Bearer ");
        edn_put_bytes(out, token.p, token.n);
        edn_put_str(out, "\r\n");
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        snprintf(line, sizeof line, "Content-Length: %zu\r\n", body.n);
        edn_put_str(out, line);
    }
    edn_put_str(out, more);
    edn_put_str(out, "\r\n");
    edn_put_bytes(out, body.p, body.n);
}

int wire_ask(void *ctx, const char *method, const char *path, edn_bytes token, edn_bytes body, edn_buf *answer)
{
    wire_conn *c = ctx;
    edn_buf rq = EDN_BUF_INIT(32u << 20);
    wire_answer a;
    bool ok;

    wire_request(&rq, method, path, token, "", body);
    ok = wire_send(c, edn_buf_view(&rq)) && wire_read(c, &a);
    edn_buf_dispose(&rq);
    if (!ok)
        return 0;
    if (answer) {
        edn_buf_reset(answer);
        edn_put_bytes(answer, a.body.p, a.body.n);
    }
    return a.status;
}

const char *wire_field(const wire_answer *a, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i + n + 2 < a->head.n; i++)
        if (a->head.p[i] == '\n' && strncasecmp((const char *)a->head.p + i + 1, name, n) == 0 &&
            a->head.p[i + 1 + n] == ':')
            return (const char *)a->head.p + i + 1 + n + 2;
    return NULL;
}
