/* ednd: keeps sealed diaries for devices to sync with. */
#include "config.h"
#include "data.h"
#include "sandbox.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

/* Exit codes; ednd_config_help says them too. */
enum { EXIT_STOPPED = 0, EXIT_FAILED = 1, EXIT_OPTIONS = 2, EXIT_BUSY = 3, EXIT_DATA = 4 };

static int exit_code(edn_status st)
{
    switch (st) {
    case EDN_OK:
        return EXIT_STOPPED;
    case EDN_E_INVALID:
    case EDN_E_TLS:
        return EXIT_OPTIONS;
    case EDN_E_BUSY:
        return EXIT_BUSY;
    case EDN_E_DAMAGED:
        return EXIT_DATA;
    default:
        return EXIT_FAILED;
    }
}

static uint64_t clock_now_ms(void *ctx)
{
    struct timespec t;

    (void)ctx;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Signals as a descriptor that the loop polls. -1: errno. */
static int signal_fd_open(int one, int other)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, one);
    sigaddset(&set, other);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void origin_make(char out[EDN_ORIGIN_SIZE_MAX + 1], const ednd_config *c, uint16_t port)
{
    const char *colon = strrchr(c->listen, ':'), *scheme = *c->tls_cert ? "https" : "http";

    if (*c->origin)
        snprintf(out, EDN_ORIGIN_SIZE_MAX + 1, "%s", c->origin);
    else
        snprintf(out, EDN_ORIGIN_SIZE_MAX + 1, "%s://%.*s:%u", scheme, (int)(colon - c->listen), c->listen, port);
}

/* Signed into every login, so it must be spelled as clients spell it: scheme, host in lower case, port unless it is the
 * scheme's, nothing behind. */
static bool origin_plain(const char *origin)
{
    const char *host = strncmp(origin, "https://", 8) == 0  ? origin + 8
                       : strncmp(origin, "http://", 7) == 0 ? origin + 7
                                                            : "";
    size_t n = strlen(host);

    if (n == 0 || strlen(origin) > EDN_ORIGIN_SIZE_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!((host[i] >= 'a' && host[i] <= 'z') || (host[i] >= '0' && host[i] <= '9') || strchr(".-:[]", host[i])))
            return false;
    return !(origin[4] == 's' && n > 4 && strcmp(host + n - 4, ":443") == 0) &&
           !(origin[4] == ':' && n > 3 && strcmp(host + n - 3, ":80") == 0);
}

static edn_status serve(ednd_config *c, ednd_data *data, const edn_random *random, edn_err *err)
{
    const edn_clock clock = {clock_now_ms, NULL};
    char origin[EDN_ORIGIN_SIZE_MAX + 1];
    edn_server_config config = {.origin = origin,
                                .master_key = data->key,
                                .sign_up = c->sign_up,
                                .behind_proxy = c->behind_proxy,
                                .limits = c->limits};
    edn_server *core = NULL;
    edn_httpd *http = NULL;
    int fd = -1, stop;
    uint16_t port;
    edn_status st;

    signal(SIGPIPE, SIG_IGN);
    stop = signal_fd_open(SIGTERM, SIGINT);
    c->http.reload_fd = signal_fd_open(SIGHUP, SIGHUP);
    if (stop < 0 || c->http.reload_fd < 0) {
        st = edn_fail(err, EDN_E_IO, "signals: %s", strerror(errno));
        goto out;
    }
    if ((st = edn_httpd_listen(&c->http, &fd, &port, err)) != EDN_OK)
        goto out;
    origin_make(origin, c, port);
    if (!origin_plain(origin)) {
        st = edn_fail(err, EDN_E_INVALID, "origin = %s: not https://host or https://host:port, in lower case", origin);
        goto out;
    }
    if ((st = edn_server_new(&config, &data->meta, &data->blobs, &clock, random, &core)) != EDN_OK) {
        edn_fail(err, st, "out of memory");
        goto out;
    }
    if ((st = edn_httpd_new(&c->http, fd, core, &http, err)) != EDN_OK)
        goto out;
    fd = -1;
    const char *const read[] = {c->tls_cert, c->tls_key};
    if ((st = ednd_sandbox_enter(data->dir, read, EDN_COUNT(read), err)) != EDN_OK)
        goto out;
    printf("ednd: ready at %s\n", origin);
    (void)fflush(stdout); /* nobody may be listening */
    st = edn_httpd_run(http, stop, err);
out:
    edn_httpd_free(http);
    edn_server_free(core);
    if (fd >= 0)
        (void)close(fd); /* nothing was written to it */
    if (stop >= 0)
        (void)close(stop); /* the same */
    if (c->http.reload_fd >= 0)
        (void)close(c->http.reload_fd); /* the same */
    return st;
}

int main(int argc, char **argv)
{
    edn_err err = {EDN_OK, ""};
    ednd_config config = {0};
    ednd_data data = {.dir = -1, .lock = -1};
    edn_random random;
    edn_status st;

    if ((st = ednd_sandbox_early(&err)) != EDN_OK || (st = ednd_config_read(&config, argc, argv, &err)) != EDN_OK)
        goto out;
    if (config.help || config.man || config.version) {
        if (config.help)
            ednd_config_help(stdout);
        else if (config.man)
            ednd_config_man(stdout);
        else
            printf("ednd %s\n", EDN_VERSION);
        goto out;
    }
    if ((st = edn_crypto_init()) != EDN_OK) {
        edn_fail(&err, st, "the system gives no randomness");
        goto out;
    }
    random = edn_random_system();
    if ((st = ednd_data_open(&data, config.data, &random, &err)) == EDN_OK)
        st = serve(&config, &data, &random, &err);
    ednd_data_dispose(&data);
out:
    if (st != EDN_OK)
        fprintf(stderr, "ednd: %s\n", err.text);
    ednd_config_dispose(&config);
    return exit_code(st);
}
