#include "server_kit.h"

#include "tempdir.h"

static uint64_t kit_now(void *ctx) { return ((kit *)ctx)->now_ms; }

static void kit_fill(void *ctx, void *p, size_t n)
{
    kit *k = ctx;

    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)(check_next(&k->rng) >> 32);
}

edn_status kit_try_open(kit *k)
{
    char path[128];
    edn_err err;
    edn_clock clock = {kit_now, k};
    edn_random random = {kit_fill, k};
    edn_status st;

    snprintf(path, sizeof path, "%s/blobs", k->dir);
    if ((st = edn_blobs_folder_open(path, &k->blobs, &err)) != EDN_OK)
        return st;
    snprintf(path, sizeof path, "%s/meta.db", k->vfs ? "d" : k->dir);
    if ((st = edn_meta_sqlite_open(path, k->vfs, &k->meta, &err)) == EDN_OK) {
        if (k->hook)
            k->hook(k);
        st = edn_server_new(&k->config, &k->meta, &k->blobs, &clock, &random, &k->s);
    }
    if (st != EDN_OK)
        kit_close(k);
    return st;
}

void kit_open(kit *k) { CHECK_OK(kit_try_open(k)); }

void kit_close(kit *k)
{
    edn_server_free(k->s);
    k->s = NULL;
    if (k->meta.close)
        k->meta.close(k->meta.ctx);
    if (k->blobs.close)
        k->blobs.close(k->blobs.ctx);
    memset(&k->meta, 0, sizeof k->meta);
    memset(&k->blobs, 0, sizeof k->blobs);
}

void kit_prepare(kit *k)
{
    memset(k, 0, sizeof *k);
    CHECK_OK(edn_crypto_init());
    k->now_ms = 1790000000000u;
    k->rng.s = check_seed();
    memset(k->master, 7, sizeof k->master);
    memcpy(k->address, (const uint8_t[]){192, 0, 2, 1}, 4);
    k->config = (edn_server_config){
        .origin = KIT_ORIGIN, .master_key = k->master, .sign_up = true, .limits = edn_server_limits_default()};
    k->config.limits.api_per_s = 0;
    k->config.limits.login_address_per_min = 0;
    tempdir_make(k->dir);
}

void kit_init(kit *k)
{
    kit_prepare(k);
    kit_open(k);
}

void kit_dispose(kit *k)
{
    kit_close(k);
    tempdir_remove(k->dir);
}

static edn_server_method method_of(const char *m)
{
    return !strcmp(m, "GET")    ? EDN_SERVER_GET
           : !strcmp(m, "HEAD") ? EDN_SERVER_HEAD
           : !strcmp(m, "PUT")  ? EDN_SERVER_PUT
           : !strcmp(m, "POST") ? EDN_SERVER_POST
                                : EDN_SERVER_OTHER;
}

void kit_exchange(kit *k, const char *method, const char *path, edn_bytes token, edn_bytes body, edn_server_answer *out)
{
    edn_server_request rq = {.method = method_of(method),
                             .path = edn_bytes_str(path),
                             .bearer = token,
                             .address = edn_bytes_of(k->address, sizeof k->address),
                             .channel_binding = k->binding,
                             .body = body};
    uint64_t size_max;
    bool appends;

    if (edn_server_admit(k->s, &rq, body.n, &size_max, &appends, out)) {
        edn_server_answer_dispose(out);
        edn_server_handle(k->s, &rq, 1, out);
    }
}

int kit_ask(void *ctx, const char *method, const char *path, edn_bytes token, edn_bytes body, edn_buf *answer)
{
    edn_server_answer a;
    int status;

    kit_exchange(ctx, method, path, token, body, &a);
    status = a.status;
    if (answer) {
        edn_buf_dispose(answer);
        *answer = a.body;
        a.body = EDN_BUF_INIT(0);
    }
    edn_server_answer_dispose(&a);
    return status;
}

void kit_register(kit *k, const person *p)
{
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);

    person_account(p, &rq);
    CHECK_INT(kit_ask(k, "POST", "/v1/accounts", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL), 201);
    edn_buf_dispose(&rq);
}

int kit_push_next(kit *k, person *p, size_t device, uint32_t padded, edn_bytes token)
{
    edn_buf batch = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX), rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
    edn_bytes one;
    int status;

    person_batch(p, device, padded, &batch);
    one = edn_buf_view(&batch);
    person_push(NULL, &one, 1, &rq);
    status = kit_ask(k, "POST", "/v1/push", token, edn_buf_view(&rq), NULL);
    edn_buf_dispose(&batch);
    edn_buf_dispose(&rq);
    return status;
}

size_t kit_pull_count(kit *k, const person *p, edn_bytes token)
{
    edn_buf rq = EDN_BUF_INIT(65536), answer = EDN_BUF_INIT(0);
    edn_arena a = edn_arena_init(16u << 20);
    edn_msg_pulled m;
    size_t n;

    person_pull(p, 0, NULL, 0, &rq);
    CHECK_INT(kit_ask(k, "POST", "/v1/pull", token, edn_buf_view(&rq), &answer), 200);
    CHECK_OK(edn_pulled_decode(&a, edn_buf_view(&answer), &m));
    n = m.batches_n;
    edn_buf_dispose(&rq);
    edn_buf_dispose(&answer);
    edn_arena_dispose(&a);
    return n;
}

int kit_person_setup(void **state)
{
    kit_person *f = calloc(1, sizeof *f);

    assert_non_null(f);
    kit_init(&f->k);
    person_init(&f->p, 1);
    f->token = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);
    kit_register(&f->k, &f->p);
    person_sign_in(&f->p, 0, kit_ask, &f->k, &f->token);
    *state = f;
    return 0;
}

int kit_person_teardown(void **state)
{
    kit_person *f = *state;

    edn_buf_dispose(&f->token);
    person_dispose(&f->p);
    kit_dispose(&f->k);
    free(f);
    return 0;
}
