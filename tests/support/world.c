#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A test's tool: it stops the program when the ground it stands on gives way. */
static void must(bool ok, const char *what, const char *why)
{
    if (!ok) {
        fprintf(stderr, "world: %s: %s\n", what, why ? why : "failed");
        abort();
    }
}

static uint64_t now(void *ctx) { return ((world *)ctx)->now_ms; }

/* ---- folders ----------------------------------------------------------------------------------------------------- */

static void copy_folder(const char *from, const char *to)
{
    pid_t pid = fork();
    int status;

    must(pid >= 0, "fork", NULL);
    if (pid == 0) {
        execlp("cp", "cp", "-a", from, to, (char *)NULL);
        _exit(127);
    }
    must(waitpid(pid, &status, 0) == pid && status == 0, "cp", from);
}

static void join(char *out, size_t size, const char *dir, const char *name) { snprintf(out, size, "%s/%s", dir, name); }

void world_home(const world *w, const char *device, char out[256]) { join(out, 256, w->dir, device); }

void world_home_copy(const world *w, const char *from, const char *to)
{
    char a[256], b[256];

    world_home(w, from, a);
    world_home(w, to, b);
    tempdir_remove(b);
    copy_folder(a, b);
}

/* ---- the server -------------------------------------------------------------------------------------------------- */

bool world_server_try_start(world *w)
{
    static const uint8_t master_key[32] = {7};
    edn_server_config config = {
        .origin = WORLD_ORIGIN, .master_key = master_key, .sign_up = true, .limits = edn_server_limits_default()};
    edn_clock clock = {now, w};
    edn_random random = edn_random_system();
    char path[256];
    edn_err err = {EDN_OK, ""};

    join(path, sizeof path, w->dir, "server");
    (void)mkdir(path, 0700); /* may be there */
    join(path, sizeof path, w->dir, "server/meta.db");
    if (edn_meta_sqlite_open(path, w->server_vfs, &w->meta, &err) != EDN_OK)
        return false;
    join(path, sizeof path, w->dir, "server/blobs");
    must(edn_blobs_folder_open(path, &w->blobs, &err) == EDN_OK, "blobs", err.text);
    /* Limits have tests of their own; here they would only be in the way of a clock that stands still. */
    config.limits.api_per_s = config.limits.login_account_per_min = config.limits.login_address_per_min = 0;
    config.limits.passphrase_per_hour = config.limits.mailbox_per_hour = config.limits.mailbox_rate_per_s = 0;
    config.limits.bytes_per_s = 0;
    if (edn_server_new(&config, &w->meta, &w->blobs, &clock, &random, &w->server) == EDN_OK)
        return true;
    w->meta.close(w->meta.ctx);
    w->blobs.close(w->blobs.ctx);
    return false;
}

void world_server_start(world *w) { must(world_server_try_start(w), "server", w->dir); }

void world_server_stop(world *w)
{
    edn_server_free(w->server);
    w->server = NULL;
    w->meta.close(w->meta.ctx);
    w->blobs.close(w->blobs.ctx);
}

void world_server_save(world *w, const char *name)
{
    char from[256], to[256];

    world_server_stop(w);
    join(from, sizeof from, w->dir, "server");
    join(to, sizeof to, w->dir, name);
    tempdir_remove(to);
    copy_folder(from, to);
    world_server_start(w);
}

void world_server_restore(world *w, const char *name)
{
    char from[256], to[256];

    world_server_stop(w);
    join(to, sizeof to, w->dir, "server");
    tempdir_remove(to);
    join(from, sizeof from, w->dir, name);
    if (*name)
        copy_folder(from, to);
    world_server_start(w);
}

/* ---- the network ------------------------------------------------------------------------------------------------- */

static edn_status exchange(void *ctx, const edn_http_request *rq, edn_http_answer *out, edn_err *err)
{
    world *w = ctx;
    static const uint8_t address[4] = {127, 0, 0, 1};
    edn_server_request request = {.method = rq->method == EDN_HTTP_GET   ? EDN_SERVER_GET
                                            : rq->method == EDN_HTTP_PUT ? EDN_SERVER_PUT
                                                                         : EDN_SERVER_POST,
                                  .path = edn_bytes_str(rq->path),
                                  .bearer = rq->bearer ? edn_bytes_str(rq->bearer) : EDN_BYTES_EMPTY,
                                  .address = edn_bytes_of(address, sizeof address),
                                  .body = rq->body};
    edn_server_answer answer;

    w->exchanges++;
    if (w->down || (w->down_from && w->exchanges >= w->down_from))
        return edn_fail(err, EDN_E_NETWORK, "the network is away");
    if (!w->server) {
        out->status = 503;
        return EDN_OK;
    }
    memset(&answer, 0, sizeof answer);
    edn_server_handle(w->server, &request, 1, &answer);
    out->status = answer.status;
    out->retry_after_s = answer.retry_after_s;
    edn_put_bytes(&out->body, answer.body.p, answer.body.n);
    out->bytes_sent = rq->body.n;
    out->bytes_received = answer.body.n;
    edn_server_answer_dispose(&answer);
    if (w->tamper)
        w->tamper(w->tamper_ctx, w, rq, out);
    if (w->exchanges == w->lose_answer) {
        edn_buf_reset(&out->body);
        return edn_fail(err, EDN_E_NETWORK, "the answer was lost");
    }
    return edn_buf_status(&out->body);
}

/* ---- making and copying ------------------------------------------------------------------------------------------ */

static world *world_empty(void)
{
    world *w = calloc(1, sizeof *w);

    must(w != NULL, "memory", NULL);
    must(edn_crypto_init() == EDN_OK, "crypto", NULL);
    tempdir_make(w->dir);
    w->now_ms = 1800000000000u;
    w->transport = (edn_transport){.ctx = w, .exchange = exchange};
    return w;
}

world *world_new(void) { return world_new_on(NULL); }

world *world_new_on(const char *server_vfs)
{
    world *w = world_empty();

    w->server_vfs = server_vfs;
    world_server_start(w);
    return w;
}

void world_free(world *w)
{
    if (!w)
        return;
    if (w->server)
        world_server_stop(w);
    tempdir_remove(w->dir);
    edn_wipe(w, sizeof *w);
    free(w);
}

world *world_copy(const world *w)
{
    world *out = world_empty();

    tempdir_remove(out->dir);
    copy_folder(w->dir, out->dir);
    out->now_ms = w->now_ms;
    memcpy(out->account_key, w->account_key, sizeof out->account_key);
    world_server_start(out);
    return out;
}

/* ---- devices ----------------------------------------------------------------------------------------------------- */

edn_client_options world_options(world *w, const char *home)
{
    return (edn_client_options){
        .home = home, .clock = {now, w}, .random = w->random, .transport = &w->transport, .vfs = w->device_vfs};
}

/* Session keys by device name, so that a copied world opens its devices without stretching a passphrase again. */
static struct session {
    char device[32];
    uint8_t key[EDN_SESSION_KEY_SIZE];
} sessions[16];
static size_t sessions_n;

static void keep_session(const char *device, const edn_client *c)
{
    size_t i = 0;

    while (i < sessions_n && strcmp(sessions[i].device, device) != 0)
        i++;
    must(i < sizeof sessions / sizeof *sessions, "sessions", "too many devices");
    if (i == sessions_n)
        sessions_n++;
    snprintf(sessions[i].device, sizeof sessions[i].device, "%s", device);
    must(edn_client_session_key(c, sessions[i].key) == EDN_OK, "session key", device);
}

edn_client *world_init(world *w, const char *device)
{
    char home[256];
    edn_client_options o;
    edn_init_options init = {
        .server = WORLD_ORIGIN, .name = WORLD_NAME, .device_name = device, .strength = EDN_STRENGTH_FLOOR};
    edn_client *c = NULL;
    edn_err err = {EDN_OK, ""};

    world_home(w, device, home);
    o = world_options(w, home);
    must(edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), w->account_key, &c, &err) == EDN_OK, "init",
         err.text);
    keep_session(device, c);
    return c;
}

edn_client *world_login(world *w, const char *device)
{
    char home[256];
    edn_client_options o;
    edn_login_options login = {.server = WORLD_ORIGIN,
                               .name = WORLD_NAME,
                               .device_name = device,
                               .strength = EDN_STRENGTH_FLOOR,
                               .account_key = edn_bytes_str(w->account_key)};
    edn_client *c = NULL;
    edn_err err = {EDN_OK, ""};

    world_home(w, device, home);
    o = world_options(w, home);
    must(edn_client_login(&o, &login, edn_bytes_str(WORLD_PASSPHRASE), &c, &err) == EDN_OK, "login", err.text);
    keep_session(device, c);
    return c;
}

edn_client *world_open_with(world *w, const char *device, const uint8_t session_key[EDN_SESSION_KEY_SIZE])
{
    char home[256];
    edn_client_options o;
    edn_client *c = NULL;
    edn_err err = {EDN_OK, ""};

    world_home(w, device, home);
    o = world_options(w, home);
    must(edn_client_open(&o, &c, &err) == EDN_OK, "open", err.text);
    must(edn_client_unlock_session(c, session_key, &err) == EDN_OK, "unlock", err.text);
    return c;
}

edn_client *world_open(world *w, const char *device)
{
    size_t i = 0;

    while (i < sessions_n && strcmp(sessions[i].device, device) != 0)
        i++;
    must(i < sessions_n, "no session key for", device);
    return world_open_with(w, device, sessions[i].key);
}

static world *pair;

static void forget_pair(void)
{
    world_free(pair);
    pair = NULL;
}

world *world_of_two(void)
{
    if (!pair) {
        pair = world_new();
        edn_client_close(world_init(pair, "a"));
        edn_client_close(world_login(pair, "b"));
        world_server_stop(pair);
        atexit(forget_pair);
    }
    return world_copy(pair);
}
