/* A hostile server against a real client (SECURITY section 1). It is the true server behind a layer that rewrites its
 * answers, and it has the server's own keys, so that its lies are signed where a server can sign.
 *
 * Each lie is told to "b", who has words of its own that nobody has seen, while "a" has written three batches that b
 * lacks. Whatever is said: nothing false is taken in, b's words stay, the lie is named, and the true server then brings
 * everything to everybody. */
#include "diarist.h"

#include "crashvfs.h"
#include "server/server_priv.h"

/* ---- the ground, copied for each lie
 * --------------------------------------------------------------------------------- */

typedef struct ground {
    world *w;
    crashvfs *a, *b, *server;
    edn_buf old_pull;   /* an answer from before a wrote */
    edn_bytes stranger; /* a batch of another account at the same server */
} ground;

static ground g;

static const char *const truth[] = {"[a0]", "[a1]", "[a2]", "[a3]", "[b0]", "[b1]"};

static edn_client *open_on(const char *device, const char *vfs)
{
    g.w->device_vfs = vfs;
    return world_open(g.w, device);
}

static void copy_answer(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    edn_buf *to = ctx;

    (void)w;
    if (strcmp(rq->path, "/v1/pull") == 0) {
        edn_buf_reset(to);
        edn_put_bytes(to, answer->body.p, answer->body.n);
    }
}

static void copy_pushed(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    edn_arena a = edn_arena_init((size_t)16 << 20);
    edn_msg_push m;

    (void)w;
    (void)answer;
    if (strcmp(rq->path, "/v1/push") == 0 && edn_push_decode(&a, rq->body, &m) == EDN_OK) {
        edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        edn_put_bytes(&b, m.batches[0].p, m.batches[0].n);
        *(edn_bytes *)ctx = edn_buf_take(&b);
    }
    edn_arena_dispose(&a);
}

static void make_stranger(void)
{
    crashvfs *fs = crashvfs_new("ground-kim");
    char home[256], key[EDN_ACCOUNT_KEY_TEXT_MAX];
    edn_client_options o;
    edn_init_options init = {.server = WORLD_ORIGIN, .name = "kim", .strength = EDN_STRENGTH_FLOOR};
    edn_client *c = NULL;
    edn_err err;

    g.w->device_vfs = "ground-kim";
    world_home(g.w, "kim", home);
    o = world_options(g.w, home);
    CHECK_OK(edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &c, &err));
    g.w->tamper = copy_pushed;
    g.w->tamper_ctx = &g.stranger;
    diary_add(c, "1660-01-01", "", "[kim]");
    diary_sync(c);
    g.w->tamper = NULL;
    edn_client_close(c);
    crashvfs_free(fs);
}

static int ground_make(void **state)
{
    edn_client *a, *b;

    (void)state;
    g.old_pull = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    g.a = crashvfs_new("ground-a");
    g.b = crashvfs_new("ground-b");
    g.server = crashvfs_new("ground-server");
    g.w = world_new_on("ground-server");
    g.w->device_vfs = "ground-a";
    a = world_init(g.w, "a");
    g.w->device_vfs = "ground-b";
    b = world_login(g.w, "b");
    make_stranger();
    diary_add(a, "1660-01-01", "", "[a0]");
    diary_sync(a);
    diary_add(b, "1660-01-02", "", "[b0]");
    g.w->tamper = copy_answer;
    g.w->tamper_ctx = &g.old_pull;
    diary_sync(b);
    g.w->tamper = NULL;
    diary_sync(a);
    for (int i = 1; i <= 3; i++) {
        char text[16];
        snprintf(text, sizeof text, "[a%d]", i);
        diary_add(a, "1660-02-01", "", text);
        diary_sync(a);
    }
    diary_add(b, "1660-02-02", "", "[b1]");
    edn_client_close(a);
    edn_client_close(b);
    world_server_stop(g.w);
    return 0;
}

static int ground_unmake(void **state)
{
    (void)state;
    world_free(g.w);
    crashvfs_free(g.a);
    crashvfs_free(g.b);
    crashvfs_free(g.server);
    edn_buf_dispose(&g.old_pull);
    free((void *)(uintptr_t)g.stranger.p);
    return 0;
}

/* ---- one lie
 * --------------------------------------------------------------------------------------------------------- */

typedef struct lie lie;
/* Rewrites an answer to a pull, taken apart; strings may go to the arena. */
typedef void lie_pulled_fn(const lie *l, edn_msg_pulled *m, edn_arena *a);
/* Rewrites any answer as bytes. */
typedef void lie_answer_fn(const lie *l, const edn_http_request *rq, edn_http_answer *answer);

struct lie {
    const char *name;
    lie_pulled_fn *pulled;
    bool sign; /* the statement of what the server holds is signed anew */
    lie_answer_fn *answer;
    size_t arg;
    edn_status want; /* the class that the client must name; EDN_OK: none in particular */
    bool quiet;      /* it must name nothing at all */
};

typedef struct telling {
    const lie *l;
    crashvfs *a, *b, *server;
    edn_client *c;
    unsigned named[EDN_STATUS_COUNT];
    size_t findings;
    uint64_t told;
} telling;

static const char *running;

static int tell(void **state)
{
    (void)state;
    if (running)
        print_error("while the server lied: %s\n", running);
    running = NULL;
    return 0;
}

static void rewrite_pulled(telling *t, edn_http_answer *answer)
{
    edn_arena a = edn_arena_init((size_t)64 << 20);
    edn_buf body = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_msg_pulled m;

    if (answer->status != 200 || edn_pulled_decode(&a, edn_buf_view(&answer->body), &m) != EDN_OK)
        return;
    t->l->pulled(t->l, &m, &a);
    if (t->l->sign) {
        edn_hash heads_hash = edn_heads_hash(m.heads, m.heads_n);
        edn_space_id space = {{0}};
        if (m.batches_n)
            memcpy(space.b, m.batches[0].p + 8, sizeof space.b);
        edn_receipt_sign(&m.receipt, &space, m.log_count, &m.log_head, &heads_hash, &g.w->server->receipt_sk);
    }
    edn_pulled_put(&body, &m);
    edn_buf_reset(&answer->body);
    edn_put_bytes(&answer->body, body.p, body.n);
    edn_buf_dispose(&body);
    edn_arena_dispose(&a);
    t->told++;
}

static void bend(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    telling *t = ctx;

    (void)w;
    if (t->l->pulled && strcmp(rq->path, "/v1/pull") == 0)
        rewrite_pulled(t, answer);
    if (t->l->answer) {
        t->l->answer(t->l, rq, answer);
        t->told++;
    }
}

static void on_finding(void *ctx, const edn_finding *f)
{
    telling *t = ctx;

    t->findings++;
    t->named[f->status]++;
    CHECK(strlen(f->text) > 20);
}

static void telling_open(telling *t, const lie *l)
{
    memset(t, 0, sizeof *t);
    running = l->name;
    t->l = l;
    t->a = crashvfs_copy(g.a, "run-a");
    t->b = crashvfs_copy(g.b, "run-b");
    t->server = crashvfs_copy(g.server, "run-server");
    g.w->server_vfs = "run-server";
    g.w->now_ms = 1800000000000u;
    world_server_start(g.w);
    t->c = open_on("b", "run-b");
}

static void telling_close(telling *t)
{
    edn_client_close(t->c);
    world_server_stop(g.w);
    crashvfs_free(t->a);
    crashvfs_free(t->b);
    crashvfs_free(t->server);
    running = NULL;
}

/* b syncs while the server lies. */
static edn_status sync_lied_to(telling *t)
{
    edn_sync_options o = {.on_finding = on_finding, .ctx = t};
    edn_sync_result r;
    edn_err err = {EDN_OK, ""};
    edn_status st;

    g.w->tamper = bend;
    g.w->tamper_ctx = t;
    st = edn_client_sync(t->c, &o, &r, &err);
    g.w->tamper = NULL;
    if (st != EDN_OK)
        CHECK(strlen(err.text) > 20);
    t->named[st]++;
    return st;
}

/* Each entry is one that somebody wrote, whole and once; b's own are among them. */
static void check_nothing_false(telling *t)
{
    edn_buf all = diary_bytes(t->c);
    size_t known = 0;

    for (size_t i = 0; i < EDN_COUNT(truth); i++) {
        size_t n = diary_count(edn_buf_view(&all), truth[i]);
        CHECK(n <= 1);
        CHECK(n == 1 || truth[i][1] == 'a');
        known += n;
    }
    CHECK_INT(diary_see(t->c, true).entries, known);
    edn_buf_dispose(&all);
}

/* The true server again: everything gets to everybody. */
static void check_mended(telling *t)
{
    edn_client *a = open_on("a", "run-a");
    edn_buf all;
    bool synced = false;

    for (int i = 0; i < 4 && !synced; i++)
        synced = diary_sync(t->c).synced;
    CHECK(synced);
    CHECK(diary_sync(a).synced);
    diary_check_same(t->c, a);
    all = diary_bytes(t->c);
    for (size_t i = 0; i < EDN_COUNT(truth); i++)
        CHECK_INT(diary_count(edn_buf_view(&all), truth[i]), 1);
    CHECK_INT(diary_see(t->c, true).entries, EDN_COUNT(truth));
    diary_check_verified(t->c);
    edn_buf_dispose(&all);
    edn_client_close(a);
}

static void check_lie(const lie *l)
{
    telling t;

    telling_open(&t, l);
    (void)sync_lied_to(&t); /* noted */
    CHECK(t.told > 0);
    check_nothing_false(&t);
    if (l->want != EDN_OK && !t.named[l->want]) {
        for (int i = 0; i < EDN_STATUS_COUNT; i++)
            if (t.named[i])
                print_error("named %s\n", edn_status_name((edn_status)i));
        CHECK(!"named");
    }
    if (l->quiet)
        CHECK_INT(t.findings, 0);
    check_mended(&t);
    telling_close(&t);
}

/* ---- lies about batches
 * ---------------------------------------------------------------------------------------------- */

static edn_bytes own_copy(edn_arena *a, edn_bytes b, uint8_t **p)
{
    CHECK((*p = edn_arena_alloc(a, b.n)) != NULL);
    memcpy(*p, b.p, b.n);
    return edn_bytes_of(*p, b.n);
}

static void flip(const lie *l, edn_msg_pulled *m, edn_arena *a)
{
    uint8_t *p;

    if (m->batches_n == 0)
        return;
    m->batches[0] = own_copy(a, m->batches[0], &p);
    p[l->arg % m->batches[0].n] ^= 1;
}

/* The content of each of two batches (those of arg's digits) under the header of the other. */
static void exchange_boxes(const lie *l, edn_msg_pulled *m, edn_arena *a)
{
    size_t i = l->arg / 10, j = l->arg % 10;
    uint8_t *p, *q;
    edn_bytes first, second;

    if (m->batches_n <= j || m->batches[i].n != m->batches[j].n)
        return;
    first = own_copy(a, m->batches[i], &p);
    second = own_copy(a, m->batches[j], &q);
    memcpy(p + EDN_BATCH_HEADER_SIZE, m->batches[j].p + EDN_BATCH_HEADER_SIZE, first.n - EDN_BATCH_HEADER_SIZE);
    memcpy(q + EDN_BATCH_HEADER_SIZE, m->batches[i].p + EDN_BATCH_HEADER_SIZE, second.n - EDN_BATCH_HEADER_SIZE);
    m->batches[i] = first;
    m->batches[j] = second;
}

static void add_batch(edn_msg_pulled *m, edn_arena *a, edn_bytes b)
{
    edn_bytes *list = edn_arena_calloc(a, m->batches_n + 1, sizeof *list);

    CHECK(list != NULL);
    if (m->batches_n)
        memcpy(list, m->batches, m->batches_n * sizeof *list);
    list[m->batches_n++] = b;
    m->batches = list;
}

static void inject_stranger(const lie *l, edn_msg_pulled *m, edn_arena *a)
{
    (void)l;
    add_batch(m, a, g.stranger);
}

static void inject_junk(const lie *l, edn_msg_pulled *m, edn_arena *a)
{
    uint8_t *p = edn_arena_calloc(a, 2000, 1);

    (void)l;
    add_batch(m, a, edn_bytes_of(p, 2000));
}

static void drop_batch(const lie *l, edn_msg_pulled *m, edn_arena *a)
{
    (void)a;
    if (l->arg >= m->batches_n)
        return;
    memmove(m->batches + l->arg, m->batches + l->arg + 1, (m->batches_n - l->arg - 1) * sizeof *m->batches);
    m->batches_n--;
}

static void drop_all(const lie *l, edn_msg_pulled *m, edn_arena *a)
{
    (void)l;
    (void)a;
    m->batches_n = 0;
}

static void twice_and_backwards(const lie *l, edn_msg_pulled *m, edn_arena *a)
{
    size_t n = m->batches_n;

    (void)l;
    for (size_t i = 0; i < n; i++)
        add_batch(m, a, m->batches[i]);
    for (size_t i = 0; i < m->batches_n / 2; i++) {
        edn_bytes b = m->batches[i];
        m->batches[i] = m->batches[m->batches_n - 1 - i];
        m->batches[m->batches_n - 1 - i] = b;
    }
}

static void cut_batch(const lie *l, edn_msg_pulled *m, edn_arena *a)
{
    (void)a;
    if (m->batches_n)
        m->batches[0].n -= l->arg;
}

/* s + L: the same signature to a sloppy verifier (SECURITY A22). */
static void malleate(const lie *l, edn_msg_pulled *m, edn_arena *a)
{
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                      0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    unsigned carry = 0;
    uint8_t *p;

    (void)l;
    if (m->batches_n == 0)
        return;
    m->batches[0] = own_copy(a, m->batches[0], &p);
    p += m->batches[0].n - 32;
    for (size_t i = 0; i < 32; i++) {
        carry += p[i] + order[i];
        p[i] = (uint8_t)carry;
        carry >>= 8;
    }
}

/* ---- lies about what there is
 * ---------------------------------------------------------------------------------------- */

static void other_head(const lie *l, edn_msg_pulled *m, edn_arena *a)
{
    (void)l;
    (void)a;
    for (size_t i = 0; i < m->heads_n; i++)
        m->heads[i].hash.b[5] ^= 1;
    m->batches_n = 0;
}

static void no_heads(const lie *l, edn_msg_pulled *m, edn_arena *a)
{
    (void)l;
    (void)a;
    m->heads_n = m->batches_n = 0;
}

static void shorter_log(const lie *l, edn_msg_pulled *m, edn_arena *a)
{
    (void)l;
    (void)a;
    m->log_count--;
}

static void longer_log(const lie *l, edn_msg_pulled *m, edn_arena *a)
{
    (void)l;
    (void)a;
    m->log_count++;
}

/* A link that nobody signed: the form of one, with a device that the server made up. */
static void ghost_link(const lie *l, edn_msg_pulled *m, edn_arena *a)
{
    uint8_t *p = edn_arena_calloc(a, 1, 400);
    edn_bytes *links = edn_arena_calloc(a, 1, sizeof *links);
    uint32_t body = 100 + 32 + 64;

    memcpy(p, "EDNL", 4);
    p[4] = 1;
    p[5] = EDN_LINK_ADD_DEVICE;
    edn_store_u16(p + 6, 1);
    edn_store_u64(p + 8, m->log_count);
    if (l->arg)
        memcpy(p + 16, m->log_head.b, 32); /* it continues the log */
    edn_store_u32(p + 16 + 32 + 32 + 16 + 8, body);
    links[0] = edn_bytes_of(p, 16 + 32 + 32 + 16 + 8 + 4 + body + 64);
    m->links = links;
    m->links_n = 1;
    m->log_count++;
}

/* ---- lies in bytes
 * --------------------------------------------------------------------------------------------------- */

static bool is_pull(const edn_http_request *rq) { return strcmp(rq->path, "/v1/pull") == 0; }

static void old_answer(const lie *l, const edn_http_request *rq, edn_http_answer *answer)
{
    (void)l;
    if (!is_pull(rq))
        return;
    edn_buf_reset(&answer->body);
    edn_put_bytes(&answer->body, g.old_pull.p, g.old_pull.n);
}

static void cut_answer(const lie *l, const edn_http_request *rq, edn_http_answer *answer)
{
    if (is_pull(rq) && answer->body.n > l->arg)
        answer->body.n -= l->arg;
}

static void trailing_byte(const lie *l, const edn_http_request *rq, edn_http_answer *answer)
{
    (void)l;
    if (is_pull(rq))
        edn_put_u8(&answer->body, 0);
}

/* A list that says it is endless: 0xffffffff at some place of the answer. */
static void huge_count(const lie *l, const edn_http_request *rq, edn_http_answer *answer)
{
    if (is_pull(rq) && answer->body.n > l->arg + 4)
        memset(answer->body.p + l->arg, 0xff, 4);
}

static void login_page(const lie *l, const edn_http_request *rq, edn_http_answer *answer)
{
    (void)l;
    (void)rq;
    edn_buf_reset(&answer->body);
    edn_put_str(&answer->body, "<html>Welcome to our hotel</html>");
    answer->status = 200;
}

static void any_status(const lie *l, const edn_http_request *rq, edn_http_answer *answer)
{
    (void)rq;
    answer->status = (int)l->arg;
}

static const lie lies[] = {
    {.name = "A05, A06 contents of batches 0 and 1 exchanged", .pulled = exchange_boxes, .arg = 1, .want = EDN_E_SIG},
    {.name = "A05, A06 contents of batches 0 and 2 exchanged", .pulled = exchange_boxes, .arg = 2, .want = EDN_E_SIG},
    {.name = "A05, A06 contents of batches 1 and 2 exchanged", .pulled = exchange_boxes, .arg = 12, .want = EDN_E_SIG},
    {.name = "A08 a batch of another account", .pulled = inject_stranger, .want = EDN_E_AUTH},
    {.name = "A08 bytes that are no batch", .pulled = inject_junk, .want = EDN_E_FORMAT},
    {.name = "A12 the first batch is not given out", .pulled = drop_batch, .arg = 0, .want = EDN_E_CHAIN},
    {.name = "A12 the last batch is not given out", .pulled = drop_batch, .arg = 2},
    {.name = "A12 nothing of what it says to hold is given out", .pulled = drop_all, .want = EDN_E_WITHHELD},
    {.name = "A13 everything twice and backwards", .pulled = twice_and_backwards, .quiet = true},
    {.name = "A16 an unknown suite", .pulled = flip, .arg = 7, .want = EDN_E_SUITE},
    {.name = "A22 the other form of a signature", .pulled = malleate, .want = EDN_E_SIG},
    {.name = "A35 a batch shorter than any can be", .pulled = cut_batch, .arg = 1, .want = EDN_E_SERVER},
    {.name = "A37 a batch that says to be a snapshot", .pulled = flip, .arg = 5},
    {.name = "A34 another byte of the commitment",
     .pulled = flip,
     .arg = EDN_BATCH_HEADER_SIZE + 30,
     .want = EDN_E_SIG},
    {.name = "A34 another byte of the box", .pulled = flip, .arg = EDN_BATCH_HEADER_SIZE + 300, .want = EDN_E_SIG},
    {.name = "A11 other heads, signed", .pulled = other_head, .want = EDN_E_FORK},
    {.name = "A10 no heads at all", .pulled = no_heads, .want = EDN_E_ROLLBACK},
    {.name = "A10 an answer of yesterday", .answer = old_answer},
    {.name = "A10 a shorter log with the same head", .pulled = shorter_log, .want = EDN_E_FORK},
    {.name = "A03 a link that it does not show", .pulled = longer_log, .want = EDN_E_WITHHELD},
    {.name = "A03 a device that nobody added, on another log", .pulled = ghost_link, .want = EDN_E_FORK},
    {.name = "A03 a device that nobody added", .pulled = ghost_link, .arg = 1},
    {.name = "A35 an answer cut by a byte", .answer = cut_answer, .arg = 1, .want = EDN_E_SERVER},
    {.name = "A35 an answer cut in the middle", .answer = cut_answer, .arg = 1500, .want = EDN_E_SERVER},
    {.name = "A35 a byte after the end", .answer = trailing_byte, .want = EDN_E_SERVER},
    {.name = "a login page", .answer = login_page},
    {.name = "HTTP 401", .answer = any_status, .arg = 401, .want = EDN_E_DENIED},
    {.name = "HTTP 403", .answer = any_status, .arg = 403},
    {.name = "HTTP 404", .answer = any_status, .arg = 404},
    {.name = "HTTP 409", .answer = any_status, .arg = 409},
    {.name = "HTTP 429", .answer = any_status, .arg = 429, .want = EDN_E_RATE},
    {.name = "HTTP 500", .answer = any_status, .arg = 500, .want = EDN_E_SERVER},
    {.name = "HTTP 507", .answer = any_status, .arg = 507, .want = EDN_E_FULL},
};

static void each_lie_is_named_and_changes_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDN_COUNT(lies); i++)
        check_lie(&lies[i]);
}

static void a07_each_byte_of_a_header_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDN_BATCH_HEADER_SIZE; i++) {
        lie l = {.name = "A07 a byte of a header", .pulled = flip, .arg = i};
        check_lie(&l);
    }
}

static void a35_a_count_without_end_costs_nothing(void **state)
{
    (void)state;
    for (size_t at = 1; at < 900; at += 7) {
        lie l = {.name = "A35 a count without end", .answer = huge_count, .arg = at};
        check_lie(&l);
    }
}

static void flip_answer(const lie *l, const edn_http_request *rq, edn_http_answer *answer)
{
    if (is_pull(rq) && l->arg < answer->body.n)
        answer->body.p[l->arg] ^= (uint8_t)(1 + l->arg % 255);
}

/* Sampled: the seed moves which bytes. */
static void no_byte_of_an_answer_can_be_changed_to_any_effect(void **state)
{
    (void)state;
    for (size_t at = check_seed() % 13; at < 5200; at += 13) {
        lie l = {.name = "a byte of an answer", .answer = flip_answer, .arg = at};
        running = l.name;
        check_lie(&l);
    }
}

/* ---- time, origin, sizes, nonces
 * ------------------------------------------------------------------------------------- */

/* arg 0: a thousand years ago or at zero; 1: far ahead. */
static void other_time(const lie *l, const edn_http_request *rq, edn_http_answer *answer)
{
    edn_arena a = edn_arena_init(1 << 16);
    edn_buf body = EDN_BUF_INIT(1 << 16);
    edn_msg_challenge m;

    if (strcmp(rq->path, "/v1/challenge") == 0 && edn_challenge_decode(&a, edn_buf_view(&answer->body), &m) == EDN_OK) {
        m.server_time = l->arg ? UINT64_MAX - 5 : 0;
        edn_challenge_put(&body, &m);
        edn_buf_reset(&answer->body);
        edn_put_bytes(&answer->body, body.p, body.n);
    }
    edn_buf_dispose(&body);
    edn_arena_dispose(&a);
}

static void other_origin(const lie *l, const edn_http_request *rq, edn_http_answer *answer)
{
    edn_arena a = edn_arena_init(1 << 16);
    edn_buf body = EDN_BUF_INIT(1 << 16);
    edn_msg_challenge m;

    (void)l;
    if (strcmp(rq->path, "/v1/challenge") == 0 && edn_challenge_decode(&a, edn_buf_view(&answer->body), &m) == EDN_OK) {
        m.origin = edn_bytes_str("https://bank.example");
        edn_challenge_put(&body, &m);
        edn_buf_reset(&answer->body);
        edn_put_bytes(&answer->body, body.p, body.n);
    }
    CHECK(strcmp(rq->path, "/v1/login") != 0); /* nothing is signed for somebody else */
    edn_buf_dispose(&body);
    edn_arena_dispose(&a);
}

/* The token of the ground has run out by then, so that there is a login to lie about. */
static void check_login_lie(const lie *l)
{
    telling t;

    telling_open(&t, l);
    g.w->now_ms += 3600000;
    (void)sync_lied_to(&t); /* noted */
    check_nothing_false(&t);
    CHECK(l->want == EDN_OK || t.named[l->want]);
    check_mended(&t);
    telling_close(&t);
}

static void a24_a_login_for_another_origin_is_not_made(void **state)
{
    static const lie l = {.name = "A24 another origin", .answer = other_origin, .want = EDN_E_AUTH};

    (void)state;
    check_login_lie(&l);
}

static void a36_the_servers_clock_decides_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        lie l = {.name = "A36 another time", .answer = other_time, .arg = i};
        check_login_lie(&l);
    }
}

typedef struct sizes {
    uint8_t nonces[64][24];
    size_t n;
} sizes;

static void look_at_pushed(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    sizes *s = ctx;
    edn_arena a = edn_arena_init((size_t)16 << 20);
    edn_msg_push m;
    edn_batch b;

    (void)w;
    (void)answer;
    if (strcmp(rq->path, "/v1/push") == 0) {
        CHECK_OK(edn_push_decode(&a, rq->body, &m));
        for (size_t i = 0; i < m.batches_n; i++) {
            CHECK_OK(edn_batch_decode(m.batches[i], &b));
            CHECK(edn_padded_size_legal((uint32_t)(m.batches[i].n - EDN_BATCH_OVERHEAD)));
            for (size_t j = 0; j < s->n; j++)
                CHECK(memcmp(s->nonces[j], b.box.p, 24) != 0);
            CHECK(s->n < EDN_COUNT(s->nonces));
            memcpy(s->nonces[s->n++], b.box.p, 24);
        }
    }
    edn_arena_dispose(&a);
}

static void stuck(void *ctx, void *p, size_t n) { memset(p, *(int *)ctx, n); }

/* A20, A29: also where the source of randomness gives the same bytes for ever. */
static void sizes_are_padded_and_no_nonce_comes_twice(void **state)
{
    static const lie none = {.name = "A20, A29"};
    telling t;
    sizes s = {.n = 0};
    int value = 1;
    edn_entry_id id;

    (void)state;
    telling_open(&t, &none);
    edn_client_close(t.c);
    g.w->random = (edn_random){stuck, &value};
    t.c = open_on("b", "run-b");
    g.w->tamper = look_at_pushed;
    g.w->tamper_ctx = &s;
    id = diary_add(t.c, "1660-03-01", "", "x");
    for (size_t i = 1; i < 24; i++) {
        char text[600];
        memset(text, 'x', i * i);
        text[i * i] = 0;
        diary_edit(t.c, &id, text);
        diary_sync(t.c);
    }
    g.w->tamper = NULL;
    g.w->random = (edn_random){NULL, NULL};
    CHECK(s.n >= 23);
    telling_close(&t);
}

/* ---- login
 * ----------------------------------------------------------------------------------------------------------- */

typedef struct login_lie {
    const char *name;
    const char *path;
    size_t at; /* in the answer */
    uint8_t bytes[4];
    size_t n;
    edn_status want;
    bool before_login; /* nothing that could test a passphrase has left the device */
} login_lie;

/* version 1 ‖ server nonce 32 ‖ time 8 ‖ LP(origin) ‖ account 32 ‖ record: "EDNK" ‖ version ‖ alg ‖ lanes ‖ flags ‖
 * u32 ops ‖ u32 KiB ‖ salt */
#define CHALLENGE_ACCOUNT (1u + 32u + 8u + 4u + sizeof WORLD_ORIGIN - 1u)
#define CHALLENGE_RECORD (CHALLENGE_ACCOUNT + 32u)

static const login_lie login_lies[] = {
    {"A15 no record", "/v1/challenge", CHALLENGE_RECORD, {0, 0, 0, 0}, 4, EDN_E_KDF, true},
    {"A15 PBKDF2", "/v1/challenge", CHALLENGE_RECORD + 5, {2}, 1, EDN_E_KDF, true},
    {"A15 two lanes", "/v1/challenge", CHALLENGE_RECORD + 6, {2}, 1, EDN_E_KDF, true},
    {"A15 ops 0", "/v1/challenge", CHALLENGE_RECORD + 8, {0, 0, 0, 0}, 4, EDN_E_KDF, true},
    {"A15 ops 1", "/v1/challenge", CHALLENGE_RECORD + 8, {1, 0, 0, 0}, 4, EDN_E_KDF, true},
    {"A15 1 KiB", "/v1/challenge", CHALLENGE_RECORD + 12, {1, 0, 0, 0}, 4, EDN_E_KDF, true},
    {"A15 32 MiB", "/v1/challenge", CHALLENGE_RECORD + 12, {0, 0x80, 0, 0}, 4, EDN_E_KDF, true},
    {"A15, A35 4 TiB", "/v1/challenge", CHALLENGE_RECORD + 12, {0xff, 0xff, 0xff, 0xff}, 4, EDN_E_KDF, true},
    {"A15 ops without end", "/v1/challenge", CHALLENGE_RECORD + 8, {0xff, 0xff, 0xff, 0xff}, 4, EDN_E_KDF, true},
    {"A15 without the account key", "/v1/challenge", CHALLENGE_RECORD + 7, {0}, 1, EDN_E_PASSPHRASE, false},
    {"A15 another salt", "/v1/challenge", CHALLENGE_RECORD + 16, {1, 2, 3, 4}, 4, EDN_E_PASSPHRASE, false},
    {"A02 another account", "/v1/challenge", CHALLENGE_ACCOUNT, {1, 2, 3, 4}, 4, EDN_E_PASSPHRASE, false},
    {"A24 another origin", "/v1/challenge", 1 + 32 + 8 + 4 + 7, {'8'}, 1, EDN_E_AUTH, true},
    {"A01 another box", "/v1/box", 60, {1, 2, 3, 4}, 4, EDN_E_AUTH, false},
    {"A03 another link", "/v1/pull", 400, {1, 2, 3, 4}, 4, EDN_OK, false},
};

typedef struct login_watch {
    const login_lie *l;
    uint64_t told;
    bool logged_in;
} login_watch;

static void bend_login(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    login_watch *x = ctx;

    (void)w;
    x->logged_in |= strcmp(rq->path, "/v1/login") == 0;
    if (strcmp(rq->path, x->l->path) != 0 || answer->status != 200)
        return;
    CHECK(answer->body.n > x->l->at + x->l->n);
    memcpy(answer->body.p + x->l->at, x->l->bytes, x->l->n);
    x->told++;
}

static edn_status login_as_c(edn_client **out, edn_err *err)
{
    char home[256];
    edn_client_options o;
    edn_login_options login = {.server = WORLD_ORIGIN,
                               .name = WORLD_NAME,
                               .device_name = "c",
                               .strength = EDN_STRENGTH_FLOOR,
                               .account_key = edn_bytes_str(g.w->account_key)};

    world_home(g.w, "c", home);
    o = world_options(g.w, home);
    return edn_client_login(&o, &login, edn_bytes_str(WORLD_PASSPHRASE), out, err);
}

static void a_login_under_lies_is_refused_and_leaves_nothing(void **state)
{
    static const lie none = {.name = "login"};
    crashvfs *home = crashvfs_new("run-c");
    edn_client *c = NULL;
    edn_err err;
    telling t;

    (void)state;
    telling_open(&t, &none);
    g.w->device_vfs = "run-c";
    for (size_t i = 0; i < EDN_COUNT(login_lies); i++) {
        login_watch x = {.l = &login_lies[i]};
        edn_status st;
        running = x.l->name;
        err = (edn_err){EDN_OK, ""};
        g.w->tamper = bend_login;
        g.w->tamper_ctx = &x;
        st = login_as_c(&c, &err);
        g.w->tamper = NULL;
        CHECK(x.told > 0);
        CHECK(st != EDN_OK && c == NULL);
        if (x.l->want != EDN_OK)
            CHECK_STATUS(st, x.l->want);
        CHECK(strlen(err.text) > 20);
        CHECK(!(x.l->before_login && x.logged_in));
        CHECK_INT(crashvfs_used(home), 0);
    }
    CHECK_OK(login_as_c(&c, &err)); /* by the true server */
    CHECK(diary_sync(c).synced);
    CHECK_INT(diary_see(c, false).entries, 5); /* all but [b1] */
    edn_client_close(c);
    telling_close(&t);
    crashvfs_free(home);
}

/* ---- init -------------------------------------------------------------------------------------------------------- */

typedef enum init_twist { INIT_BYTE, INIT_CUT, INIT_EMPTY, INIT_PAGE, INIT_REFUSED, INIT_TWISTS } init_twist;

typedef struct init_watch {
    uint64_t exchange; /* the one that is lied about */
    init_twist twist;
    check_rng rng;
    uint64_t seen;
    size_t told;
    bool false_key;
} init_watch;

static void bend_init(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    init_watch *x = ctx;
    edn_buf *body = &answer->body;

    (void)w;
    (void)rq;
    if (x->seen++ != x->exchange)
        return;
    x->told++;
    switch (x->twist) {
    case INIT_BYTE:
        if (body->n)
            body->p[check_below(&x->rng, body->n)] ^= (uint8_t)(1 + check_below(&x->rng, 255));
        break;
    case INIT_CUT:
        body->n -= body->n ? 1 + check_below(&x->rng, body->n) : 0;
        break;
    case INIT_EMPTY:
        edn_buf_reset(body);
        break;
    case INIT_PAGE:
        edn_buf_reset(body);
        edn_put_str(body, "<html>Welcome to our hotel</html>");
        answer->status = 200;
        break;
    default:
        answer->status = 500;
    }
}

/* What came of it: nothing at all, or a diary that the true server keeps. */
static void check_init_lie(crashvfs *home_disk, init_watch *x, unsigned number)
{
    char home[256], name[32], key[EDN_ACCOUNT_KEY_TEXT_MAX];
    edn_client_options o;
    edn_init_options init = {.server = WORLD_ORIGIN, .name = name, .strength = EDN_STRENGTH_FLOOR};
    edn_client *c = NULL;
    edn_err err = {EDN_OK, ""};
    edn_status st;

    snprintf(name, sizeof name, "init-%u", number);
    world_home(g.w, name, home);
    o = world_options(g.w, home);
    g.w->tamper = bend_init;
    g.w->tamper_ctx = x;
    st = edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &c, &err);
    g.w->tamper = NULL;
    if (st != EDN_OK) {
        CHECK(c == NULL && strlen(err.text) > 20);
        if (crashvfs_used(home_disk) == 0)
            return;
        CHECK_OK(edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &c, &err)); /* goes on with it */
    }
    diary_add(c, "1660-01-01", "", "[new]");
    for (int i = 0; i < 3; i++)
        diary_sync(c);
    if (diary_findings(c, EDN_E_SIG)) { /* it was told a false key at first contact, and says what to do */
        x->false_key = true;
        CHECK(!diary_sync(c).synced);
        CHECK_OK(edn_client_server_set(c, WORLD_ORIGIN, name, &err));
    }
    CHECK(diary_sync(c).synced);
    diary_check_verified(c);
    edn_client_close(c);
}

static void an_init_under_lies_leaves_nothing_or_a_good_diary(void **state)
{
    static const lie none = {.name = "init"};
    telling t;
    unsigned number = 0;
    bool false_key = false;

    (void)state;
    telling_open(&t, &none);
    for (uint64_t exchange = 0; exchange < 2; exchange++) {
        for (int i = 0; i < INIT_TWISTS + 3; i++) { /* a byte four times */
            crashvfs *home = crashvfs_new("run-init");
            init_watch x = {.exchange = exchange,
                            .twist = i < INIT_TWISTS ? (init_twist)i : INIT_BYTE,
                            .rng = {check_seed() + number}};
            g.w->device_vfs = "run-init";
            check_init_lie(home, &x, number++);
            CHECK_INT(x.told, 1);
            false_key |= x.false_key;
            crashvfs_free(home);
        }
    }
    CHECK(false_key || check_seed() != 1); /* else this seed tries less than it should */
    telling_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(each_lie_is_named_and_changes_nothing, tell),
        cmocka_unit_test_teardown(a07_each_byte_of_a_header_counts, tell),
        cmocka_unit_test_teardown(a35_a_count_without_end_costs_nothing, tell),
        cmocka_unit_test_teardown(no_byte_of_an_answer_can_be_changed_to_any_effect, tell),
        cmocka_unit_test_teardown(a24_a_login_for_another_origin_is_not_made, tell),
        cmocka_unit_test_teardown(a36_the_servers_clock_decides_nothing, tell),
        cmocka_unit_test_teardown(sizes_are_padded_and_no_nonce_comes_twice, tell),
        cmocka_unit_test_teardown(a_login_under_lies_is_refused_and_leaves_nothing, tell),
        cmocka_unit_test_teardown(an_init_under_lies_leaves_nothing_or_a_good_diary, tell),
    };
    cmocka_set_test_filter(getenv("T"));
    return cmocka_run_group_tests(tests, ground_make, ground_unmake);
}
