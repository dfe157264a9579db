#include "server_priv.h"

#include <stdio.h>
#include <stdlib.h>

/* The core: who may ask what, and groups.
 *
 * A group is staged request by request: each is checked in full before it writes, and what it changes is seen by those
 * after it. Then comes one commit, and only then is anything of it answered, read or signed. When the store refuses
 * somewhere, all of the group is undone and each request is tried alone, so that one that does not fit (a full disk,
 * say) fails by itself.
 *
 *   stage, stage, … ─▶ commit ─▶ finish, finish, … ─▶ requests that only read */

/* ---- routes ------------------------------------------------------------------------------------------------------ */

typedef enum route_access {
    ACCESS_OPEN,
    ACCESS_EITHER, /* a token of a device, or none */
    ACCESS_ANY,    /* a token of a device or of a passphrase */
    ACCESS_DEVICE, /* of a device */
} route_access;

typedef enum route_size { SIZE_NONE, SIZE_SMALL, SIZE_MAIL, SIZE_LETTER, SIZE_PUSH, SIZE_BLOB } route_size;

typedef enum route_name {
    ROUTE_SERVER,
    ROUTE_PROBE,
    ROUTE_CHALLENGE,
    ROUTE_LOGIN,
    ROUTE_ACCOUNTS,
    ROUTE_LOG,
    ROUTE_BOX,
    ROUTE_PULL,
    ROUTE_PUSH,
    ROUTE_EVENTS,
    ROUTE_BATCHES,
    ROUTE_BLOB_GET,
    ROUTE_BLOB_PUT,
    ROUTE_SHELF,
    ROUTE_MAILBOX,
    ROUTE_RECOVERY,
    ROUTE_HELD,
    ROUTE_SHARES,
    ROUTE_LOOKUP,
    ROUTE_INBOX,
} route_name;

typedef struct server_route {
    route_name name;
    const char *path; /* ends in '/': the rest is an argument */
    uint32_t methods; /* bits of edn_server_method */
    route_access access;
    route_size size;
    edn_status (*stage)(edn_server *s, server_job *job); /* NULL: it only reads */
} server_route;

#define M(method) (1u << EDN_SERVER_##method)
static const server_route routes[] = {
    {ROUTE_PUSH, "/v1/push", M(POST), ACCESS_DEVICE, SIZE_PUSH, edn_server_push},
    {ROUTE_PULL, "/v1/pull", M(POST), ACCESS_ANY, SIZE_SMALL, NULL},
    {ROUTE_PROBE, "/v1/probe/", M(GET), ACCESS_OPEN, SIZE_NONE, NULL},
    {ROUTE_EVENTS, "/v1/events", M(GET), ACCESS_DEVICE, SIZE_NONE, NULL},
    {ROUTE_SERVER, "/v1/server", M(GET), ACCESS_OPEN, SIZE_NONE, NULL},
    {ROUTE_CHALLENGE, "/v1/challenge", M(POST), ACCESS_OPEN, SIZE_SMALL, NULL},
    {ROUTE_LOGIN, "/v1/login", M(POST), ACCESS_OPEN, SIZE_SMALL, NULL},
    {ROUTE_ACCOUNTS, "/v1/accounts", M(POST), ACCESS_EITHER, SIZE_PUSH, edn_server_accounts},
    {ROUTE_LOG, "/v1/log", M(POST), ACCESS_ANY, SIZE_PUSH, edn_server_log},
    {ROUTE_BOX, "/v1/box", M(POST), ACCESS_ANY, SIZE_SMALL, NULL},
    {ROUTE_BATCHES, "/v1/batches", M(POST), ACCESS_DEVICE, SIZE_SMALL, NULL},
    {ROUTE_SHELF, "/v1/shelf", M(POST), ACCESS_DEVICE, SIZE_SMALL, edn_server_shelf},
    {ROUTE_BLOB_GET, "/v1/blobs/", M(GET) | M(HEAD), ACCESS_DEVICE, SIZE_NONE, NULL},
    {ROUTE_BLOB_PUT, "/v1/blobs/", M(PUT), ACCESS_DEVICE, SIZE_BLOB, edn_server_blob_put},
    {ROUTE_MAILBOX, "/v1/mailbox", M(POST), ACCESS_OPEN, SIZE_MAIL, NULL},
    {ROUTE_RECOVERY, "/v1/recovery", M(POST), ACCESS_OPEN, SIZE_SMALL, NULL},
    {ROUTE_HELD, "/v1/held", M(POST), ACCESS_DEVICE, SIZE_SMALL, NULL},
    {ROUTE_SHARES, "/v1/shares", M(POST), ACCESS_OPEN, SIZE_SMALL, NULL},
    {ROUTE_LOOKUP, "/v1/lookup", M(POST), ACCESS_EITHER, SIZE_SMALL, NULL},
    {ROUTE_INBOX, "/v1/inbox", M(POST), ACCESS_EITHER, SIZE_LETTER, edn_server_inbox},
};

static bool route_fits(const server_route *r, edn_bytes path)
{
    size_t n = strlen(r->path);

    if (r->path[n - 1] == '/' ? path.n <= n : path.n != n)
        return false;
    return memcmp(path.p, r->path, n) == 0;
}

/* NULL: *status is 404 or 405. */
static const server_route *route_find(const edn_server_request *rq, int *status)
{
    *status = 404;
    for (size_t i = 0; i < EDN_COUNT(routes); i++) {
        if (!route_fits(&routes[i], rq->path))
            continue;
        if (routes[i].methods & 1u << rq->method)
            return &routes[i];
        *status = 405;
    }
    return NULL;
}

static uint64_t route_size_max(const edn_server *s, const server_route *r)
{
    switch (r->size) {
    case SIZE_NONE:
        return 0;
    case SIZE_SMALL:
        return s->config.limits.body_size_max;
    case SIZE_MAIL:
        return s->config.limits.mailbox_message_size_max + MAIL_OVERHEAD;
    case SIZE_LETTER:
        return EDN_INBOX_ASK_SIZE_MAX;
    case SIZE_PUSH:
        return s->config.limits.push_size_max;
    case SIZE_BLOB:
        return s->config.limits.blob_size_max;
    }
    return 0;
}

/* ---- problems ---------------------------------------------------------------------------------------------------- */

static void problem_begin(edn_server_answer *out, int status, const char *code, const char *title)
{
    char text[256];

    edn_buf_reset(&out->body);
    out->status = status;
    out->type = "application/problem+json";
    out->stream = false;
    snprintf(text, sizeof text, "{\"type\":\"urn:edn:%s\",\"title\":\"%s\",\"status\":%d", code, title, status);
    edn_put_str(&out->body, text);
}

void edn_server_problem(edn_server_answer *out, int status, const char *code, const char *title)
{
    problem_begin(out, status, code, title);
    edn_put_str(&out->body, "}");
}

void edn_server_problem_at(edn_server_answer *out, int status, const char *code, const char *title, size_t index)
{
    char text[40];

    problem_begin(out, status, code, title);
    snprintf(text, sizeof text, ",\"index\":%zu}", index);
    edn_put_str(&out->body, text);
}

void edn_server_failed(edn_server_answer *out, edn_status st)
{
    if (st == EDN_E_FULL)
        edn_server_problem(out, 507, "full", "the server's disk is full");
    else if (st == EDN_E_BUSY || st == EDN_E_NOMEM)
        edn_server_problem(out, 503, "busy", "the server cannot do this now");
    else
        edn_server_problem(out, 500, "failed", "the server's storage failed");
    if (out->status == 503)
        out->retry_after_s = 1;
}

void edn_server_denied(edn_server_answer *out) { edn_server_problem(out, 401, "denied", "not signed in"); }
void edn_server_malformed(edn_server_answer *out, edn_status st)
{
    if (st == EDN_E_NOMEM)
        edn_server_failed(out, st);
    else
        edn_server_problem(out, 400, "form", "not a message of this protocol");
}

void edn_server_limited(edn_server *s, edn_server_answer *out, uint32_t retry_after_s)
{
    edn_server_problem(out, 429, "rate", "too many requests");
    out->retry_after_s = retry_after_s;
    s->stats.limited++;
}

static void problem_route(edn_server_answer *out, int status)
{
    if (status == 405)
        edn_server_problem(out, 405, "method", "not a method of this address");
    else
        edn_server_problem(out, 404, "missing", "nothing is here");
}

void edn_server_answer_dispose(edn_server_answer *a)
{
    edn_buf_dispose(&a->body);
    memset(a, 0, sizeof *a);
}

/* ---- starting ---------------------------------------------------------------------------------------------------- */

edn_server_limits edn_server_limits_default(void)
{
    return (edn_server_limits){
        .login_account_per_min = 10,
        .login_address_per_min = 30,
        .passphrase_per_hour = 5,
        .login_delay_max_s = 900,
        .api_per_s = 20,
        .api_burst = 100,
        .bytes_per_s = 10u << 20,
        .bytes_burst = 64u << 20,
        .quota_bytes = 5ull << 30,
        .quota_batches = 1000000,
        .quota_devices = EDN_DEVICES_MAX,
        .body_size_max = EDN_MSG_SIZE_MAX,
        .push_size_max = EDN_PUSH_SIZE_MAX,
        .blob_size_max = 8u << 20,
        .inline_size_max = 65536,
        .token_s = EDN_TOKEN_TTL_MAX_S,
        .mailbox_per_hour = 10,
        .mailbox_life_s = EDN_MAIL_LIFE_S,
        .mailbox_messages = EDN_MAILS_MAX,
        .mailbox_message_size_max = EDN_MAIL_SIZE_MAX,
        .mailbox_rate_per_s = 10,
        .mailbox_size_max = 16u << 20,
        .recovery_wait_s = EDN_SERVER_RECOVERY_WAIT_S,
        .lookup_per_min = 30,
        .inbox_per_hour = 20,
        .inbox_letters = EDN_INBOX_LETTERS_MAX,
        .inbox_days = EDN_INBOX_DAYS,
        .spaces_per_day = 20,
        .cache_size_max = 4u << 20,
    };
}

static void server_key(edn_server *s, void *out, size_t n, const char *use)
{
    edn_kdf_t(out, n, s->master_key, EDN_LABEL_SERVER_KEY, edn_bytes_str(use));
}

static void server_keys(edn_server *s)
{
    uint8_t seed[32];

    server_key(s, seed, sizeof seed, "receipt");
    edn_sign_keypair(seed, &s->receipt_pk, &s->receipt_sk);
    server_key(s, s->subject_key, sizeof s->subject_key, "subject");
    server_key(s, s->fake_key, sizeof s->fake_key, "fake");
    s->random.fill(s->random.ctx, s->nonce_key, sizeof s->nonce_key);
    edn_wipe(seed, sizeof seed);
}

edn_status edn_server_new(const edn_server_config *config, const edn_meta *meta, const edn_blobs *blobs,
                          const edn_clock *clock, const edn_random *random, edn_server **out)
{
    edn_server *s = calloc(1, sizeof *s);
    uint64_t seed;
    edn_status st;

    *out = NULL;
    if (!s)
        return EDN_E_NOMEM;
    s->config = *config;
    s->meta = *meta;
    s->blobs = *blobs;
    s->clock = *clock;
    s->random = *random;
    s->arena = edn_arena_init((size_t)64 << 20);
    if (strlen(config->origin) > EDN_ORIGIN_SIZE_MAX) {
        st = EDN_E_LIMIT;
        goto out;
    }
    memcpy(s->origin, config->origin, strlen(config->origin) + 1);
    s->config.origin = s->origin;
    memcpy(s->master_key, config->master_key, sizeof s->master_key);
    s->config.master_key = s->master_key;
    server_keys(s);
    s->random.fill(s->random.ctx, &seed, sizeof seed);
    s->tokens = calloc(SERVER_TOKEN_SLOTS, sizeof *s->tokens);
    s->nonces = calloc(SERVER_NONCE_SLOTS, sizeof *s->nonces);
    if (!s->tokens || !s->nonces) {
        st = EDN_E_NOMEM;
        goto out;
    }
    if ((st = edn_limit_init(&s->limits, seed)) != EDN_OK || (st = edn_server_mailboxes_init(s)) != EDN_OK ||
        (st = edn_server_cache_init(s)) != EDN_OK)
        goto out;
    edn_server_sweep_init(s);
    *out = s;
    s = NULL;
out:
    edn_server_free(s);
    return st;
}

void edn_server_free(edn_server *s)
{
    if (!s)
        return;
    edn_server_rollback(s);
    edn_server_cache_dispose(s);
    edn_limit_dispose(&s->limits);
    edn_server_sweep_dispose(s);
    edn_server_mailboxes_dispose(s);
    edn_arena_dispose(&s->arena);
    free(s->tokens);
    free(s->nonces);
    free(s->changes);
    edn_wipe(s, sizeof *s);
    free(s);
}

uint64_t edn_server_now_s(const edn_server *s) { return s->clock.now_ms(s->clock.ctx) / 1000; }

/* ---- transactions ------------------------------------------------------------------------------------------------ */

edn_status edn_server_begin(edn_server *s)
{
    edn_status st = EDN_OK;

    if (!s->in_transaction && (st = s->meta.begin(s->meta.ctx)) == EDN_OK)
        s->in_transaction = true;
    return st;
}

void edn_server_rollback(edn_server *s)
{
    if (s->in_transaction)
        s->meta.rollback(s->meta.ctx);
    s->in_transaction = false;
    for (server_account *a = s->group, *next; a; a = next) {
        next = a->group_next;
        edn_server_account_forget(s, a); /* it is ahead of its rows */
    }
    s->group = NULL;
}

/* Room for what the group will report, before it is committed. */
static edn_status changes_reserve(edn_server *s)
{
    size_t n = s->changes_n, cap = s->changes_cap ? s->changes_cap : 16;
    edn_server_change *p;

    for (server_account *a = s->group; a; a = a->group_next)
        n += a->moved;
    if (n <= s->changes_cap)
        return EDN_OK;
    while (cap < n)
        cap *= 2;
    p = realloc(s->changes, cap * sizeof *p);
    if (!p)
        return EDN_E_NOMEM;
    s->changes = p;
    s->changes_cap = cap;
    return EDN_OK;
}

edn_status edn_server_commit(edn_server *s)
{
    edn_status st = changes_reserve(s);

    for (server_account *a = s->group; a && st == EDN_OK; a = a->group_next) {
        if (a->space_dirty)
            st = s->meta.space_update(s->meta.ctx, &a->space);
        if (st == EDN_OK && a->row_dirty)
            st = s->meta.account_update(s->meta.ctx, &a->row);
    }
    if (st == EDN_OK && s->in_transaction) {
        st = s->meta.commit(s->meta.ctx);
        s->in_transaction = s->in_transaction && st != EDN_OK;
        s->stats.commits++;
    }
    if (st != EDN_OK) {
        edn_server_rollback(s);
        return st;
    }
    for (server_account *a = s->group, *next; a; a = next) {
        next = a->group_next;
        if (a->moved)
            s->changes[s->changes_n++] = (edn_server_change){a->space.id, a->etag};
        edn_server_account_settle(s, a);
    }
    s->group = NULL;
    return EDN_OK;
}

size_t edn_server_changes(edn_server *s, const edn_server_change **out)
{
    size_t n = s->changes_n;

    *out = s->changes;
    s->changes_n = 0;
    return n;
}

void edn_server_job_state(server_job *job, const server_account *a)
{
    job->space = a->space.id;
    job->log_count = edn_devlog_count(a->log);
    job->log_head = edn_devlog_head(a->log);
    job->heads_hash = a->heads_hash;
    job->staged = true;
}

const edn_receipt *edn_server_receipt(edn_server *s, server_account *a)
{
    EDN_ASSERT(!a->in_group);
    if (!a->signed_ok) {
        edn_hash head = edn_devlog_head(a->log);
        a->receipt.time_ms = s->clock.now_ms(s->clock.ctx);
        edn_receipt_sign(&a->receipt, &a->space.id, edn_devlog_count(a->log), &head, &a->heads_hash, &s->receipt_sk);
        a->signed_ok = true;
    }
    return &a->receipt;
}

/* ---- who may ask ------------------------------------------------------------------------------------------------- */

static bool access_check(edn_server *s, const server_route *r, const edn_server_request *rq, server_caller *c,
                         edn_server_answer *out)
{
    edn_status st;

    memset(c, 0, sizeof *c);
    if (r->access == ACCESS_OPEN || (r->access == ACCESS_EITHER && rq->bearer.n == 0))
        return true;
    st = edn_server_caller_of(s, rq->bearer, c);
    if (st == EDN_OK && r->access != ACCESS_ANY && c->passphrase)
        st = EDN_E_DENIED;
    if (st == EDN_E_DENIED) {
        edn_server_denied(out);
        s->stats.denied++;
    } else if (st != EDN_OK) {
        edn_server_failed(out, st);
    }
    return st == EDN_OK;
}

static bool rate_check(edn_server *s, const server_route *r, const server_caller *c, const edn_server_request *rq,
                       edn_server_answer *out)
{
    const edn_server_limits *l = &s->config.limits;
    limit_rule api = {l->api_per_s, l->api_burst, 0}, bytes = {(double)l->bytes_per_s, (double)l->bytes_burst, 0};
    limit_rule address = {l->login_address_per_min / 60.0, l->login_address_per_min, l->login_delay_max_s};
    limit_rule lookup = {l->lookup_per_min / 60.0, l->lookup_per_min, 0};
    uint64_t now = s->clock.now_ms(s->clock.ctx);
    uint8_t who[48];
    uint32_t wait_s = 0;
    bool ok = true;

    if (c->account) {
        memcpy(who, c->account->row.id.b, 32);
        memcpy(who + 32, c->device.b, 16);
        ok = edn_limit_take(&s->limits, LIMIT_API, edn_bytes_of(who, 48), &api, 1, now, &wait_s) &&
             edn_limit_take(&s->limits, LIMIT_BYTES, edn_bytes_of(who, 32), &bytes, (double)rq->body.n, now, &wait_s);
    }
    if (ok && (r->name == ROUTE_ACCOUNTS || r->name == ROUTE_RECOVERY || r->name == ROUTE_SHARES))
        ok = edn_limit_take(&s->limits, LIMIT_LOGIN_ADDRESS, rq->address, &address, 1, now, &wait_s);
    if (ok && r->name == ROUTE_LOOKUP && c->account)
        ok = edn_limit_take(&s->limits, LIMIT_LOOKUP_ACCOUNT, edn_bytes_of(who, 32), &lookup, 1, now, &wait_s);
    else if (ok && r->name == ROUTE_LOOKUP)
        ok = edn_limit_take(&s->limits, LIMIT_LOOKUP_ADDRESS, rq->address, &lookup, 1, now, &wait_s);
    if (!ok)
        edn_server_limited(s, out, wait_s);
    return ok;
}

static void answer_init(edn_server_answer *a)
{
    memset(a, 0, sizeof *a);
    a->body = EDN_BUF_INIT(EDN_PULL_SIZE_MAX + 1024u);
}

bool edn_server_admit(edn_server *s, const edn_server_request *rq, uint64_t size, uint64_t *size_max, bool *appends,
                      edn_server_answer *out)
{
    server_caller caller;
    const server_route *r;
    int status;

    *size_max = 0;
    *appends = false;
    answer_init(out);
    if (!(r = route_find(rq, &status))) {
        problem_route(out, status);
        return false;
    }
    if (!access_check(s, r, rq, &caller, out))
        return false;
    *size_max = route_size_max(s, r);
    if (size == UINT64_MAX && r->size == SIZE_BLOB) {
        edn_server_problem(out, 411, "length", "say how long the body is");
        return false;
    }
    if (size != UINT64_MAX && size > *size_max) {
        edn_server_problem(out, 413, "limit", "the body is longer than this server takes");
        return false;
    }
    *appends = r->stage != NULL;
    return true;
}

/* ---- requests that only read ------------------------------------------------------------------------------------- */

static void handle_server(edn_server *s, edn_server_answer *out)
{
    edn_msg_server_info m = {s->receipt_pk, edn_server_now_s(s), edn_bytes_str(s->origin)};

    out->status = 200;
    edn_server_info_put(&out->body, &m);
}

static void handle_events(edn_server *s, const server_caller *c, edn_server_answer *out)
{
    out->status = 200;
    out->type = "text/event-stream";
    out->stream = true;
    out->watch = (edn_server_watch){c->account->space.id, c->account->row.id, c->device, c->expires_s,
                                    c->expires_s - edn_server_now_s(s)};
    edn_put_str(&out->body, "data: ");
    edn_base64url_encode(&out->body, edn_bytes_of(c->account->etag.b, sizeof c->account->etag.b));
    edn_put_str(&out->body, "\n\n");
}

static void handle_read(edn_server *s, const server_route *r, server_caller *c, const edn_server_request *rq,
                        edn_server_answer *out)
{
    switch (r->name) {
    case ROUTE_SERVER:
        handle_server(s, out);
        break;
    case ROUTE_PROBE:
        edn_server_probe(s, rq, out);
        break;
    case ROUTE_CHALLENGE:
        edn_server_challenge(s, rq, out);
        break;
    case ROUTE_LOGIN:
        edn_server_login(s, rq, out);
        break;
    case ROUTE_BOX:
        edn_server_box(s, c, rq, out);
        break;
    case ROUTE_PULL:
        edn_server_pull(s, c, rq, out);
        break;
    case ROUTE_BATCHES:
        edn_server_batches(s, c, rq, out);
        break;
    case ROUTE_MAILBOX:
        edn_server_mailbox(s, rq, out);
        break;
    case ROUTE_RECOVERY:
        edn_server_recovery(s, rq, out);
        break;
    case ROUTE_HELD:
        edn_server_held(s, c, rq, out);
        break;
    case ROUTE_SHARES:
        edn_server_shares(s, rq, out);
        break;
    case ROUTE_LOOKUP:
        edn_server_lookup(s, c, rq, out);
        break;
    case ROUTE_EVENTS:
        handle_events(s, c, out);
        break;
    default:
        edn_server_blob_get(s, c, rq, out);
        break;
    }
}

/* An answer that could not be built is no answer. */
static void answer_check(edn_server *s, edn_server_answer *out)
{
    edn_status st = edn_buf_status(&out->body);

    if (st != EDN_OK) {
        edn_buf_dispose(&out->body);
        edn_server_failed(out, st);
    }
    s->stats.requests++;
    s->stats.failures += out->status >= 500;
    s->stats.rejected += out->status == 400 || out->status == 404 || out->status == 413;
    s->stats.conflicts += out->status == 409;
}

/* ---- groups ------------------------------------------------------------------------------------------------------ */

/* What arrives here was admitted before, but that may be a while ago. */
static bool job_route(edn_server *s, server_job *job)
{
    int status;

    answer_init(job->out);
    if (!(job->route = route_find(job->rq, &status))) {
        problem_route(job->out, status);
        return false;
    }
    if (job->rq->body.n > route_size_max(s, job->route)) {
        edn_server_problem(job->out, 413, "limit", "the body is longer than this server takes");
        return false;
    }
    return true;
}

/* Who asks, as things stand now: an earlier request of the group may have revoked the device. Counts once. */
static bool job_enter(edn_server *s, server_job *job)
{
    if (job->out->status != 0)
        return false;
    edn_arena_reset(&s->arena);
    if (!access_check(s, job->route, job->rq, &job->caller, job->out) ||
        (!job->counted && !rate_check(s, job->route, &job->caller, job->rq, job->out)))
        return false;
    job->counted = true;
    return true;
}

/* Stages, commits and finishes the jobs that still have no answer. A failure leaves nothing of them. */
static edn_status group_try(edn_server *s, server_job *jobs, size_t n)
{
    edn_status st = EDN_OK;

    for (size_t i = 0; i < n && st == EDN_OK; i++) {
        if (job_enter(s, &jobs[i]))
            st = jobs[i].route->stage(s, &jobs[i]);
    }
    if (st == EDN_OK)
        st = edn_server_commit(s);
    else
        edn_server_rollback(s);
    for (size_t i = 0; i < n; i++) {
        if (st == EDN_OK && jobs[i].staged)
            jobs[i].finish(s, &jobs[i]);
        jobs[i].staged = false;
        edn_buf_dispose(&jobs[i].dropped);
    }
    return st;
}

static void group_run(edn_server *s, server_job *jobs, size_t n)
{
    edn_status st = group_try(s, jobs, n);

    if (st == EDN_OK)
        return;
    for (size_t i = 0; i < n; i++) {
        if (jobs[i].out->status == 0 && n > 1)
            st = group_try(s, &jobs[i], 1);
        if (jobs[i].out->status == 0)
            edn_server_failed(jobs[i].out, st);
    }
}

static void job_read(edn_server *s, server_job *job)
{
    const edn_server_limits *l = &s->config.limits;
    limit_rule bytes = {(double)l->bytes_per_s, (double)l->bytes_burst, 0};
    /* Before the request is handled: a store that fails in it takes the account out of memory. */
    edn_account_id id = job->caller.account ? job->caller.account->row.id : (edn_account_id){{0}};

    handle_read(s, job->route, &job->caller, job->rq, job->out);
    job->out->hold = job->route->name == ROUTE_CHALLENGE || job->route->name == ROUTE_LOGIN ||
                     job->route->name == ROUTE_RECOVERY || job->route->name == ROUTE_SHARES ||
                     (job->route->name == ROUTE_LOOKUP && !job->caller.account);
    if (job->caller.account)
        edn_limit_spend(&s->limits, LIMIT_BYTES, edn_bytes_of(id.b, sizeof id.b), &bytes, (double)job->out->body.n,
                        s->clock.now_ms(s->clock.ctx));
}

void edn_server_handle(edn_server *s, const edn_server_request *requests, size_t n, edn_server_answer *answers)
{
    server_job one[4], *jobs = n <= EDN_COUNT(one) ? one : malloc(n * sizeof *jobs);
    size_t appends = 0;

    if (!jobs) {
        for (size_t i = 0; i < n; i++) {
            answer_init(&answers[i]);
            edn_server_failed(&answers[i], EDN_E_NOMEM);
        }
        return;
    }
    /* Those that append to the front, those that read behind them. */
    for (int reads = 0; reads < 2; reads++)
        for (size_t i = 0, at = reads ? appends : 0; i < n; i++) {
            int status;
            const server_route *r = route_find(&requests[i], &status);
            if ((r && r->stage) == (reads == 1))
                continue;
            jobs[at] = (server_job){.rq = &requests[i], .out = &answers[i]};
            (void)job_route(s, &jobs[at++]); /* what it refused has its answer */
            appends += reads == 0;
        }
    if (appends > 0)
        group_run(s, jobs, appends);
    for (size_t i = appends; i < n; i++)
        if (job_enter(s, &jobs[i]))
            job_read(s, &jobs[i]);
    for (size_t i = 0; i < n; i++)
        answer_check(s, &answers[i]);
    edn_server_cache_trim(s);
    if (jobs != one)
        free(jobs);
}

/* ---- odds -------------------------------------------------------------------------------------------------------- */

bool edn_server_watching(edn_server *s, const edn_server_watch *w)
{
    server_account *a;
    const edn_device *d;

    if (edn_server_now_s(s) >= w->expires_s)
        return false;
    if (edn_server_account_get(s, &w->account, &a) != EDN_OK)
        return false;
    d = edn_devlog_device_find(a->log, &w->device);
    return d && edn_device_active(d);
}

edn_server_stats edn_server_stats_get(const edn_server *s)
{
    edn_server_stats out = s->stats;

    out.cached_accounts = s->cache.n;
    out.cached_bytes = s->cache.size;
    return out;
}

void edn_server_pseudonym(edn_server *s, edn_bytes what, char out[13])
{
    uint64_t day = edn_server_now_s(s) / 86400;
    uint8_t id[16];

    if (day != s->log_key_day) { /* yesterday's names cannot be made again */
        s->random.fill(s->random.ctx, s->log_key, sizeof s->log_key);
        s->log_key_day = day;
    }
    edn_kdf_t(id, sizeof id, s->log_key, EDN_LABEL_PSEUDONYM, what);
    edn_hex_encode(out, id, 6);
}

edn_hash edn_server_batch_blob(const edn_hash *batch) { return edn_h32_t(EDN_LABEL_SERVER_BATCH, EDN_F(*batch)); }

bool edn_server_path_id(edn_bytes text, void *out, size_t n)
{
    uint8_t space[64];
    edn_buf b = {space, 0, sizeof space, sizeof space, EDN_OK}; /* never grows: nothing to free */
    bool ok = edn_base64url_decode(&b, text) == EDN_OK && b.n == n;

    if (ok)
        memcpy(out, b.p, n);
    return ok;
}

bool edn_server_has_room(const edn_server *s, const server_account *a, uint64_t bytes)
{
    uint64_t used = a->row.bytes + a->space.bytes;

    return bytes <= s->config.limits.quota_bytes && used <= s->config.limits.quota_bytes - bytes;
}
