/* The sync engine against any server. The input is a script: each step answers the request at hand with bytes as they
 * are, with what an honest server would say (or one byte off), with a pull's answer put together from true and
 * false links, batches and heads under a true or false receipt, or with a failure of the line.
 *
 *     0  u8 status, u16 n, n bytes          2  u8 flags, u8 log, u8 head, lists: u8 n × (u8 which, u8 change)
 *     1  u8 at, u8 change                   3  u8 which failure */
#include "fuzz.h"

#include <string.h>

#include "sync/sync.h"

#define ORIGIN "https://diary.example"
#define TIME_MS 1700000000000u
#define POOL_MAX 24u

typedef struct item {
    edn_bytes bytes;
    edn_device_id device;
    uint64_t dseq;
    edn_hash hash;
    bool held; /* by the device, in this run */
} item;

/* Made once: an account of three devices, what they wrote, and what nobody should believe. */
static struct {
    bool made;
    edn_account_id account;
    edn_space_id space;
    edn_space_key key;
    struct {
        edn_sign_pk pk;
        edn_sign_sk sk;
        edn_dh_pk enc;
        edn_device_id id;
    } d[4]; /* the last is no device */
    edn_sign_pk aik, receipt_pk;
    edn_sign_sk aik_sk, receipt_sk;
    edn_devlog *whole, *start; /* with all three devices; as the engine begins */
    edn_bytes links[6];
    size_t links_n;
    item pool[POOL_MAX]; /* batches */
    size_t pool_n, authored_n;
    size_t links_held;
    edn_bytes taken; /* the third link, once there is one */
} f;

static void fill(void *ctx, void *p, size_t n) { memset(p, (*(uint8_t *)ctx)++, n); }
static uint8_t random_next;
static const edn_random random_source = {fill, &random_next};

static edn_bytes kept(edn_buf *b)
{
    edn_bytes out = edn_buf_take(b);
    FUZZ_HOLDS(out.p != NULL);
    return out;
}

static void keys_make(uint8_t n, edn_sign_pk *pk, edn_sign_sk *sk)
{
    uint8_t seed[32];
    memset(seed, n, sizeof seed);
    edn_sign_keypair(seed, pk, sk);
}

/* ---- links and batches ------------------------------------------------------------------------------------------- */

static edn_cert cert_of(size_t d) { return (edn_cert){f.d[d].pk, f.d[d].enc, EDN_CAP_WRITE | EDN_CAP_ADMIN, {{7}}}; }

static void link_add(const edn_devlog *log, size_t by, size_t d)
{
    edn_link_signer signer = {&f.d[by].id, &f.d[by].sk, TIME_MS};
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_cert cert = cert_of(d);
    edn_sign_pk aik = edn_devlog_aik(log);
    edn_hash grants = {{9}};
    edn_signature pop;

    edn_link_pop(&pop, log, &signer, &aik, &cert, &f.d[d].sk);
    FUZZ_HOLDS(edn_link_add_device(&link, log, &signer, &cert, &grants, &pop) == EDN_OK);
    f.links[f.links_n++] = kept(&link);
}

static void links_make(void)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_cert cert = cert_of(0);
    edn_dh_pk aek = f.d[0].enc;
    edn_hash grants = {{9}};

    FUZZ_HOLDS(edn_devlog_new(&f.whole) == EDN_OK);
    FUZZ_HOLDS(edn_link_genesis(&link, &f.aik, &f.aik_sk, TIME_MS, &cert, &aek, &grants, &f.d[0].sk) == EDN_OK);
    f.links[f.links_n++] = kept(&link);
    FUZZ_HOLDS(edn_devlog_append(f.whole, f.links[0]) == EDN_OK);
    link_add(f.whole, 0, 1);
    FUZZ_HOLDS(edn_devlog_append(f.whole, f.links[1]) == EDN_OK);
    FUZZ_HOLDS(edn_devlog_copy(f.whole, &f.start) == EDN_OK);
    link_add(f.whole, 0, 2);
    link_add(f.whole, 0, 3); /* signed well, but in the place of the one before */
    link_add(f.whole, 3, 3); /* a ghost */
    FUZZ_HOLDS(edn_devlog_append(f.whole, f.links[2]) == EDN_OK);
    memcpy(f.account.b, edn_devlog_account(f.whole).b, sizeof f.account.b);
}

/* A batch that follows pool item `after` (SIZE_MAX: its device's first) and names item `seen` (SIZE_MAX: nothing). */
static void batch_make(size_t d, size_t after, size_t seen)
{
    edn_buf body = EDN_BUF_INIT(4096), out = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_head head;
    edn_batch_header h = {.kind = EDN_BATCH_OPS, .space = f.space, .device = f.d[d].id, .dseq = 1};
    item *x = &f.pool[f.pool_n++];

    h.log_seq = d == 2 ? 2 : 1;
    FUZZ_HOLDS(edn_devlog_hash_at(f.whole, h.log_seq, &h.log_head));
    if (after != SIZE_MAX) {
        h.dseq = f.pool[after].dseq + 1;
        h.prev = f.pool[after].hash;
    }
    if (seen != SIZE_MAX)
        head = (edn_head){f.pool[seen].device, f.pool[seen].dseq, f.pool[seen].hash};
    FUZZ_HOLDS(edn_body_encode(&body, &head, seen != SIZE_MAX, NULL, 0) == EDN_OK);
    FUZZ_HOLDS(edn_batch_seal(&out, &h, EDN_PADDING_P1, &f.key, &f.d[d].sk, edn_buf_view(&body), &random_source) ==
               EDN_OK);
    edn_buf_dispose(&body);
    *x = (item){.bytes = kept(&out), .device = h.device, .dseq = h.dseq};
    edn_batch b;
    FUZZ_HOLDS(edn_batch_decode(x->bytes, &b) == EDN_OK);
    edn_hash c_hash = edn_batch_c_hash(&b);
    x->hash = edn_batch_hash(&b, &c_hash);
}

static void make(void)
{
    FUZZ_HOLDS(edn_crypto_init() == EDN_OK);
    for (uint8_t i = 0; i < 4; i++) {
        edn_dh_sk sk;
        keys_make((uint8_t)(10 + i), &f.d[i].pk, &f.d[i].sk);
        memset(sk.b, 20 + i, sizeof sk.b);
        edn_dh_keypair(&sk, &f.d[i].enc);
        f.d[i].id = edn_device_id_of(&f.d[i].pk, &f.d[i].enc);
    }
    keys_make(1, &f.aik, &f.aik_sk);
    keys_make(2, &f.receipt_pk, &f.receipt_sk);
    links_make();
    f.space = edn_space_personal(&f.account);
    memset(f.key.b, 3, sizeof f.key.b);
    batch_make(0, SIZE_MAX, SIZE_MAX); /* 0, 1: ours, held */
    batch_make(0, 0, SIZE_MAX);
    batch_make(1, SIZE_MAX, 0); /* 2: held */
    batch_make(1, 2, 1);        /* 3, 4: to come */
    batch_make(1, 3, SIZE_MAX);
    batch_make(2, SIZE_MAX, 4); /* 5, 6: of the device whose link is to come */
    batch_make(2, 5, 3);
    f.authored_n = f.pool_n;
    batch_make(1, 2, SIZE_MAX); /* 7, 8: a second history of it */
    batch_make(1, 7, 7);
    batch_make(0, 1, SIZE_MAX);  /* 9: ours, which we did not write */
    batch_make(0, 0, SIZE_MAX);  /* 10: the same number twice */
    batch_make(1, 4, 9);         /* 11: has seen what we did not write */
    batch_make(3, SIZE_MAX, 10); /* 12: of no device */
    f.made = true;
}

/* ---- what the engine may look up --------------------------------------------------------------------------------- */

static item *find(const edn_device_id *id, uint64_t dseq)
{
    for (size_t i = 0; i < f.pool_n; i++)
        if (f.pool[i].held && f.pool[i].dseq == dseq && memcmp(f.pool[i].device.b, id->b, sizeof id->b) == 0)
            return &f.pool[i];
    return NULL;
}
static bool view_key(void *ctx, uint32_t epoch, edn_space_key *out)
{
    (void)ctx;
    *out = f.key;
    return epoch == 0;
}
static bool view_hash(void *ctx, const edn_device_id *id, uint64_t dseq, edn_hash *out)
{
    const item *x = find(id, dseq);
    (void)ctx;
    if (x)
        *out = x->hash;
    return x != NULL;
}
static edn_status view_batch(void *ctx, const edn_device_id *id, uint64_t dseq, edn_buf *out)
{
    const item *x = find(id, dseq);
    (void)ctx;
    if (!x)
        return EDN_E_MISSING;
    edn_put_bytes(out, x->bytes.p, x->bytes.n);
    return edn_buf_status(out);
}
static edn_status view_link(void *ctx, uint64_t seq, edn_buf *out)
{
    (void)ctx;
    FUZZ_HOLDS(seq < f.links_held);
    edn_bytes link = seq == 2 ? f.taken : f.links[seq];
    edn_put_bytes(out, link.p, link.n);
    return edn_buf_status(out);
}
static edn_status view_box(void *ctx, const edn_hash *hash, edn_buf *out)
{
    (void)ctx;
    (void)hash;
    (void)out;
    return EDN_E_MISSING;
}

/* Only what somebody wrote, in order, is ever handed out to be kept. */
static void save(const edn_sync_action *a)
{
    for (size_t i = 0; i < a->links_n; i++) {
        FUZZ_HOLDS(edn_bytes_equal(a->links[i], f.links[2]) || edn_bytes_equal(a->links[i], f.links[3]));
        FUZZ_HOLDS(f.links_held++ == 2);
        f.taken = edn_bytes_equal(a->links[i], f.links[2]) ? f.links[2] : f.links[3];
    }
    for (size_t i = 0; i < a->batches_n; i++) {
        item *x = NULL;
        for (size_t j = 0; j < f.pool_n; j++)
            if (edn_bytes_equal(a->batches[i].batch.bytes, f.pool[j].bytes))
                x = &f.pool[j];
        FUZZ_HOLDS(x && !x->held);
        FUZZ_HOLDS(memcmp(x->device.b, f.d[0].id.b, 16) != 0 && memcmp(x->device.b, f.d[3].id.b, 16) != 0);
        FUZZ_HOLDS(x->dseq == 1 || find(&x->device, x->dseq - 1));
        FUZZ_HOLDS(!find(&x->device, x->dseq));
        x->held = true;
    }
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void honest(const char *path, edn_buf *out)
{
    edn_msg_server_info info = {f.receipt_pk, TIME_MS / 1000, edn_bytes_str(ORIGIN)};
    edn_msg_challenge challenge = {
        .server_time = TIME_MS / 1000, .origin = edn_bytes_str(ORIGIN), .account = f.account};
    edn_msg_token token = {TIME_MS / 1000 + 600, edn_bytes_str("a.b.c")};
    edn_msg_log_state state = {f.links_held, edn_devlog_head(f.links_held == 2 ? f.start : f.whole)};
    edn_msg_pushed pushed = {.flags = EDN_PUSHED_EXPECTED, .receipt = {.time_ms = TIME_MS}};

    if (!strcmp(path, "/v1/server"))
        edn_server_info_put(out, &info);
    else if (!strcmp(path, "/v1/challenge"))
        edn_challenge_put(out, &challenge);
    else if (!strcmp(path, "/v1/login"))
        edn_token_put(out, &token);
    else if (!strcmp(path, "/v1/log") || !strcmp(path, "/v1/accounts"))
        edn_log_state_put(out, &state);
    else if (!strcmp(path, "/v1/push"))
        edn_pushed_put(out, &pushed);
}

static edn_bytes changed(edn_arena *a, edn_bytes b, uint8_t change)
{
    uint8_t *p;

    if (!change || !(p = edn_arena_alloc(a, b.n)))
        return b;
    memcpy(p, b.p, b.n);
    p[(size_t)change * b.n / 256] ^= change;
    return edn_bytes_of(p, b.n);
}

static int head_order(const void *a, const void *b) { return memcmp(a, b, sizeof(edn_device_id)); }

/* Heads in order, each device once. */
static size_t heads_sort(edn_head *heads, size_t n)
{
    size_t out = 0;

    qsort(heads, n, sizeof *heads, head_order);
    for (size_t i = 0; i < n; i++)
        if (out == 0 || head_order(&heads[out - 1], &heads[i]) != 0)
            heads[out++] = heads[i];
    return out;
}

static void pulled(edn_reader *r, edn_buf *out)
{
    edn_arena a = edn_arena_init(FUZZ_MEMORY_SIZE_MAX);
    edn_bytes links[256], batches[256];
    edn_head heads[256];
    uint8_t flags = edn_read_u8(r, "flags"), count = edn_read_u8(r, "log"), which = edn_read_u8(r, "head");
    edn_msg_pulled m = {.flags = flags & EDN_PULLED_MORE, .links = links, .batches = batches, .heads = heads};

    m.log_count = count % 8;
    if (!edn_devlog_hash_at(f.whole, which % 4, &m.log_head))
        m.log_head = edn_link_hash(f.links[3]);
    for (uint8_t n = edn_read_u8(r, "links"); n > 0 && edn_reader_left(r) >= 2; n--) {
        uint8_t i = edn_read_u8(r, "link"), change = edn_read_u8(r, "change");
        links[m.links_n++] = changed(&a, f.links[i % f.links_n], change);
    }
    for (uint8_t n = edn_read_u8(r, "batches"); n > 0 && edn_reader_left(r) >= 2; n--) {
        uint8_t i = edn_read_u8(r, "batch"), change = edn_read_u8(r, "change");
        batches[m.batches_n++] = changed(&a, f.pool[i % f.pool_n].bytes, change);
    }
    for (uint8_t n = edn_read_u8(r, "heads"); n > 0 && edn_reader_left(r) >= 2; n--) {
        const item *x = &f.pool[edn_read_u8(r, "head") % f.pool_n];
        uint8_t change = edn_read_u8(r, "change");
        heads[m.heads_n] = (edn_head){x->device, x->dseq + (change & 3), x->hash};
        heads[m.heads_n++].hash.b[0] ^= change >> 2;
    }
    m.heads_n = heads_sort(heads, m.heads_n);
    m.receipt.time_ms = TIME_MS;
    if (flags & 2) {
        edn_hash h = edn_heads_hash(heads, m.heads_n);
        edn_receipt_sign(&m.receipt, &f.space, m.log_count, &m.log_head, &h, &f.receipt_sk);
    }
    edn_pulled_put(out, &m);
    edn_arena_dispose(&a);
}

static void answer(edn_sync *s, edn_reader *r, const char *path)
{
    static const int statuses[] = {200, 201, 204, 302, 400, 401, 403, 404, 409, 422, 429, 500, 503, 507};
    static const edn_status failures[] = {EDN_E_NETWORK, EDN_E_TLS, EDN_E_LIMIT, EDN_E_CANCELLED};
    edn_buf body = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX);
    edn_status carried = EDN_OK;
    uint8_t op = edn_reader_left(r) ? edn_read_u8(r, "step") : 3;
    int status = strcmp(path, "/v1/accounts") ? 200 : 201;
    uint8_t at;

    switch (op % 4) {
    case 0:
        status = statuses[edn_read_u8(r, "status") % EDN_COUNT(statuses)];
        edn_bytes b = edn_read_bytes(r, edn_read_u16(r, "n"), "body");
        edn_put_bytes(&body, b.p, b.n);
        break;
    case 1:
        honest(path, &body);
        at = edn_read_u8(r, "at");
        if (body.n)
            body.p[at % body.n] ^= edn_read_u8(r, "change");
        break;
    case 2:
        pulled(r, &body);
        break;
    default:
        carried = failures[edn_read_u8(r, "failure") % EDN_COUNT(failures)];
        break;
    }
    edn_sync_answered(s, TIME_MS, carried, status, 0, edn_buf_view(&body));
    edn_buf_dispose(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    edn_reader r = edn_reader_init(edn_bytes_of(data, size));
    edn_sync_remote remote = {.origin = ORIGIN};
    edn_head heads[2];
    const edn_sync_finding *findings;
    edn_sync *s;

    if (!f.made)
        make();
    for (size_t i = 0; i < f.pool_n; i++)
        f.pool[i].held = i < 3;
    f.links_held = 2;
    heads[0] = (edn_head){f.d[0].id, 2, f.pool[1].hash};
    heads[1] = (edn_head){f.d[1].id, 1, f.pool[2].hash};
    edn_sync_setup setup = {.view = {NULL, view_key, view_hash, view_batch, view_link, view_box},
                            .random = random_source,
                            .account = f.account,
                            .device = f.d[0].id,
                            .sk = &f.d[0].sk,
                            .space = f.space,
                            .log = f.start,
                            .heads = heads,
                            .heads_n = heads_sort(heads, 2),
                            .remote = &remote,
                            .full = size && data[0] & 0x80};
    FUZZ_HOLDS(edn_sync_new(&setup, &s) == EDN_OK);
    for (size_t steps = 0;; steps++) {
        edn_sync_action a = edn_sync_step(s, TIME_MS);
        if (a.kind == EDN_SYNC_DONE)
            break;
        if (a.kind == EDN_SYNC_SAVE) {
            save(&a);
            edn_sync_saved(s, TIME_MS, EDN_OK);
        } else {
            answer(s, &r, a.path);
        }
        FUZZ_HOLDS(steps <= 2 * size + 2); /* a script that is over is a line that is dead */
    }
    FUZZ_HOLDS(edn_devlog_count(edn_sync_log(s)) == f.links_held);
    for (size_t i = edn_sync_findings(s, &findings); i > 0; i--)
        FUZZ_HOLDS(findings[i - 1].text[0] && findings[i - 1].status != EDN_OK);
    edn_sync_free(s);
    edn_sync_remote_dispose(&remote);
    return 0;
}
