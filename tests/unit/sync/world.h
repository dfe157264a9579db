/* A small world for tests of the engine: an account with devices, each with a store in memory, and a server in memory
 * that follows the protocol. A test may bend the server's answers on their way (struct line). Keys come from a counter,
 * so every run is the same. */
#ifndef EDN_TESTS_SYNC_WORLD_H
#define EDN_TESTS_SYNC_WORLD_H

#include "check.h"

#include "sync/sync.h"

#define WORLD_DEVICES_MAX 8u
#define WORLD_LINKS_MAX 64u
#define WORLD_ORIGIN "https://diary.example"
#define WORLD_T0 1700000000000u /* ms */

/* ---- bytes that are kept ----------------------------------------------------------------------------------------- */

typedef struct kept {
    edn_device_id device;
    uint64_t dseq;
    edn_hash hash;
    edn_bytes bytes; /* malloc'ed */
} kept;

typedef struct shelf { /* batches in no order */
    kept *p;
    size_t n, cap;
} shelf;

static inline edn_bytes bytes_copy(edn_bytes b)
{
    uint8_t *p = malloc(b.n ? b.n : 1);

    assert_non_null(p);
    if (b.n)
        memcpy(p, b.p, b.n);
    return edn_bytes_of(p, b.n);
}
static inline void bytes_free(edn_bytes b) { free((void *)(uintptr_t)b.p); }

static inline const kept *shelf_find(const shelf *s, const edn_device_id *id, uint64_t dseq)
{
    for (size_t i = s->n; i-- > 0;)
        if (s->p[i].dseq == dseq && memcmp(s->p[i].device.b, id->b, sizeof id->b) == 0)
            return &s->p[i];
    return NULL;
}
static inline edn_hash batch_hash_of(edn_bytes bytes, edn_batch *b)
{
    CHECK_OK(edn_batch_decode(bytes, b));
    edn_hash c = edn_batch_c_hash(b);
    return edn_batch_hash(b, &c);
}
static inline void shelf_put(shelf *s, edn_bytes bytes)
{
    edn_batch b;
    edn_hash hash = batch_hash_of(bytes, &b);

    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 16;
        s->p = realloc(s->p, s->cap * sizeof *s->p);
        assert_non_null(s->p);
    }
    s->p[s->n++] = (kept){b.header.device, b.header.dseq, hash, bytes_copy(bytes)};
}
static inline void shelf_cut(shelf *s, size_t n)
{
    while (s->n > n)
        bytes_free(s->p[--s->n].bytes);
}
static inline void shelf_free(shelf *s)
{
    shelf_cut(s, 0);
    free(s->p);
    *s = (shelf){0};
}
/* Each device's newest, ascending. */
static inline size_t shelf_heads(const shelf *s, edn_head *out)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        size_t j = 0;
        while (j < n && memcmp(out[j].device.b, s->p[i].device.b, 16) < 0)
            j++;
        if (j == n || memcmp(out[j].device.b, s->p[i].device.b, 16) != 0) {
            memmove(out + j + 1, out + j, (n - j) * sizeof *out);
            n++;
            out[j] = (edn_head){s->p[i].device, 0, {{0}}};
        }
        if (s->p[i].dseq > out[j].dseq) {
            out[j].dseq = s->p[i].dseq;
            out[j].hash = s->p[i].hash;
        }
    }
    return n;
}

/* ---- the world --------------------------------------------------------------------------------------------------- */

typedef struct links_kept {
    edn_bytes p[WORLD_LINKS_MAX]; /* malloc'ed */
    size_t n;
    edn_devlog *log;
} links_kept;

typedef struct device {
    edn_sign_pk pk;
    edn_sign_sk sk;
    edn_dh_pk enc;
    edn_device_id id;
    links_kept links;
    shelf shelf;
    shelf late; /* what came behind cuts */
    edn_head late_heads[WORLD_DEVICES_MAX + 1];
    edn_claim claims[EDN_CLAIMS_MAX];
    size_t claims_n;
    edn_sync_remote remote;
    const char *sponsor; /* NULL: none */
    uint64_t clock_ms;   /* what it believes */
} device;

typedef struct server {
    bool present; /* knows the account */
    links_kept links;
    shelf shelf;
    edn_sign_pk receipt_pk;
    edn_sign_sk receipt_sk;
    uint64_t clock_ms;
    const char *origin;
    const char *sponsor;     /* it takes new accounts under this token alone; NULL: anybody's */
    uint32_t sponsored;      /* registrations that came under a token */
    size_t pull_batches_max; /* in one answer; 0: all */
    uint32_t logins, pulls, pushes, probes;
    uint64_t pushed_batches;
    uint64_t boxes; /* that came with links */
} server;

typedef struct world {
    edn_sign_pk aik;
    edn_sign_sk aik_sk;
    edn_dh_pk aek;
    edn_root_key root;
    edn_account_id account;
    edn_space_id space;
    uint8_t probe[EDN_PROBE_SIZE];
    device d[WORLD_DEVICES_MAX];
    size_t n;
    server srv;
    bool boxes;  /* devices hold the boxes that links name */
    bool circle; /* some batches name each other */
    uint8_t seed;
    uint64_t random_state;
} world;

static inline void world_random_fill(void *ctx, void *p, size_t n)
{
    world *w = ctx;
    uint8_t *out = p;

    for (size_t i = 0; i < n; i++) {
        w->random_state = w->random_state * 6364136223846793005u + 1442695040888963407u;
        out[i] = (uint8_t)(w->random_state >> 56);
    }
}
static inline edn_random world_random(world *w) { return (edn_random){world_random_fill, w}; }

static inline void world_sign_keys(world *w, edn_sign_pk *pk, edn_sign_sk *sk)
{
    uint8_t seed[32];

    memset(seed, ++w->seed, sizeof seed);
    edn_sign_keypair(seed, pk, sk);
}
static inline void world_dh_keys(world *w, edn_dh_pk *pk)
{
    edn_dh_sk sk;

    memset(sk.b, ++w->seed, sizeof sk.b);
    edn_dh_keypair(&sk, pk);
}

static inline void links_init(links_kept *l)
{
    l->n = 0;
    CHECK_OK(edn_devlog_new(&l->log));
}
static inline void links_put(links_kept *l, edn_bytes link)
{
    CHECK(l->n < WORLD_LINKS_MAX);
    CHECK_OK(edn_devlog_append(l->log, link));
    l->p[l->n++] = bytes_copy(link);
}
static inline void links_free(links_kept *l)
{
    for (size_t i = 0; i < l->n; i++)
        bytes_free(l->p[i]);
    edn_devlog_free(l->log);
    *l = (links_kept){0};
}
/* Back to the first n links. */
static inline void links_cut(links_kept *l, size_t n)
{
    links_kept old = *l;

    links_init(l);
    for (size_t i = 0; i < n; i++)
        links_put(l, old.p[i]);
    links_free(&old);
}
static inline void links_copy(links_kept *to, const links_kept *from)
{
    links_init(to);
    for (size_t i = 0; i < from->n; i++)
        links_put(to, from->p[i]);
}

static inline edn_cert device_cert(const device *d, uint32_t caps) { return (edn_cert){d->pk, d->enc, caps, {{7}}}; }
static inline void device_keys(world *w, device *d)
{
    world_sign_keys(w, &d->pk, &d->sk);
    world_dh_keys(w, &d->enc);
    d->id = edn_device_id_of(&d->pk, &d->enc);
    d->remote.origin = WORLD_ORIGIN;
    d->clock_ms = WORLD_T0;
}

/* The server knows the log and the account that the first link makes. */
static inline void world_begin(world *w, edn_bytes genesis)
{
    links_put(&w->d[0].links, genesis);
    w->n = 1;
    w->account = edn_devlog_account(w->d[0].links.log);
    w->space = edn_space_personal(&w->account);
    edn_probe_of(w->probe, &w->root, &w->account, &w->space, 0);
    world_sign_keys(w, &w->srv.receipt_pk, &w->srv.receipt_sk);
    w->srv.origin = WORLD_ORIGIN;
    w->srv.clock_ms = WORLD_T0;
    w->srv.present = true;
    links_copy(&w->srv.links, &w->d[0].links);
}

static inline void world_keys(world *w)
{
    CHECK_OK(edn_crypto_init());
    memset(w, 0, sizeof *w);
    w->random_state = 1;
    world_sign_keys(w, &w->aik, &w->aik_sk);
    world_dh_keys(w, &w->aek);
    memset(w->root.b, 0x5a, sizeof w->root.b);
    device_keys(w, &w->d[0]);
    links_init(&w->d[0].links);
}

/* An account with one device; the server knows it. */
static inline void world_init(world *w)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_hash grants = {{9}};
    edn_cert cert;

    world_keys(w);
    cert = device_cert(&w->d[0], EDN_CAP_READ | EDN_CAP_WRITE | EDN_CAP_ADMIN);
    CHECK_OK(edn_link_genesis(&link, &w->aik, &w->aik_sk, WORLD_T0, &cert, &w->aek, &grants, &w->d[0].sk));
    world_begin(w, edn_buf_view(&link));
    edn_buf_dispose(&link);
}

static inline void world_free(world *w)
{
    for (size_t i = 0; i < w->n; i++) {
        links_free(&w->d[i].links);
        shelf_free(&w->d[i].shelf);
        shelf_free(&w->d[i].late);
        edn_sync_remote_dispose(&w->d[i].remote);
    }
    links_free(&w->srv.links);
    shelf_free(&w->srv.shelf);
}

/* A link that adds `d`, by `by` on `log`. */
static inline void world_add_link(edn_buf *out, const edn_devlog *log, const device *by, const device *d, uint32_t caps)
{
    edn_link_signer signer = {&by->id, &by->sk, WORLD_T0 + 1};
    edn_cert cert = device_cert(d, caps);
    edn_sign_pk aik = edn_devlog_aik(log);
    edn_hash grants = {{9}};
    edn_signature pop;

    edn_link_pop(&pop, log, &signer, &aik, &cert, &d->sk);
    CHECK_OK(edn_link_add_device(out, log, &signer, &cert, &grants, &pop));
}

/* A further device, added by the first; the first, the new one and the server know the link. */
static inline device *world_add(world *w)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    device *d = &w->d[w->n];

    CHECK(w->n < WORLD_DEVICES_MAX);
    device_keys(w, d);
    world_add_link(&link, w->d[0].links.log, &w->d[0], d, EDN_CAP_READ | EDN_CAP_WRITE | EDN_CAP_ADMIN);
    links_put(&w->d[0].links, edn_buf_view(&link));
    links_put(&w->srv.links, edn_buf_view(&link));
    links_copy(&d->links, &w->d[0].links);
    w->n++;
    edn_buf_dispose(&link);
    return d;
}

/* Revokes `d`, of which `cut` batches count. The first device and the server know it. */
static inline void world_revoke(world *w, const device *d, uint64_t cut, const edn_hash *hash)
{
    edn_buf body = EDN_BUF_INIT(4096), link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_link_signer signer = {&w->d[0].id, &w->d[0].sk, WORLD_T0 + 2};

    edn_put_u32(&body, 1);
    edn_put_bytes(&body, d->id.b, 16);
    edn_put_u32(&body, cut ? 1 : 0);
    if (cut) {
        edn_put_bytes(&body, w->space.b, 32);
        edn_put_u64(&body, cut);
        edn_put_bytes(&body, hash->b, 32);
    }
    edn_put_u32(&body, 1);
    edn_put_bytes(&body, w->aek.b, 32);
    edn_put_zeros(&body, 64);
    CHECK_OK(edn_link_build(&link, w->d[0].links.log, &signer, EDN_LINK_REVOKE_ROTATE, edn_buf_view(&body)));
    links_put(&w->d[0].links, edn_buf_view(&link));
    links_put(&w->srv.links, edn_buf_view(&link));
    edn_buf_dispose(&body);
    edn_buf_dispose(&link);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* A batch that follows `prev` (dseq 0: the first), naming `heads`. What is written tells it from others. */
static inline edn_bytes world_batch_after(world *w, const device *d, const edn_head *prev, const edn_head *heads,
                                          size_t n, size_t record_size)
{
    static const uint8_t filler[1 << 16];
    uint8_t salt[16];
    edn_buf box = EDN_BUF_INIT(1 << 20), body = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX),
            out = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_space_key key;
    edn_random random = world_random(w);
    edn_batch_header h = {.kind = EDN_BATCH_OPS,
                          .space = w->space,
                          .device = d->id,
                          .dseq = prev->dseq + 1,
                          .prev = prev->hash,
                          .epoch = 0,
                          .log_seq = edn_devlog_count(d->links.log) - 1,
                          .log_head = edn_devlog_head(d->links.log)};
    edn_record record = {.type = 1};

    world_random_fill(w, salt, sizeof salt);
    edn_put_bytes(&box, salt, sizeof salt);
    edn_put_bytes(&box, filler, record_size);
    record.box = edn_buf_view(&box);
    edn_space_key_of(&key, &w->root, &w->account, &w->space, 0);
    CHECK_OK(edn_body_encode(&body, heads, n, &record, 1));
    CHECK_OK(edn_batch_seal(&out, &h, EDN_PADDING_P1, &key, &d->sk, edn_buf_view(&body), &random));
    edn_buf_dispose(&box);
    edn_buf_dispose(&body);
    return edn_buf_take(&out);
}

static inline edn_head shelf_head(const shelf *s, const edn_device_id *id)
{
    edn_head h = {*id, 0, {{0}}};

    for (size_t i = 0; i < s->n; i++)
        if (memcmp(s->p[i].device.b, id->b, 16) == 0 && s->p[i].dseq > h.dseq) {
            h.dseq = s->p[i].dseq;
            h.hash = s->p[i].hash;
        }
    return h;
}

/* The device writes one batch, naming all that it holds. */
static inline const kept *device_write_sized(world *w, device *d, size_t record_size)
{
    edn_head heads[WORLD_DEVICES_MAX + 1], prev = shelf_head(&d->shelf, &d->id);
    size_t n = shelf_heads(&d->shelf, heads);
    edn_bytes batch = world_batch_after(w, d, &prev, heads, n, record_size);

    shelf_put(&d->shelf, batch);
    bytes_free(batch);
    return &d->shelf.p[d->shelf.n - 1];
}
static inline const kept *device_write(world *w, device *d) { return device_write_sized(w, d, 10); }

/* ---- the server -------------------------------------------------------------------------------------------------- */

static inline edn_etag server_etag(const world *w)
{
    edn_head heads[64];
    size_t n = shelf_heads(&w->srv.shelf, heads);
    edn_hash log_head = edn_devlog_head(w->srv.links.log), heads_hash = edn_heads_hash(heads, n);

    return edn_etag_of(&w->space, w->srv.links.n, &log_head, &heads_hash, 0);
}

static inline edn_receipt server_receipt(world *w)
{
    edn_head heads[64];
    size_t n = shelf_heads(&w->srv.shelf, heads);
    edn_hash log_head = edn_devlog_head(w->srv.links.log), heads_hash = edn_heads_hash(heads, n);
    edn_receipt r = {.time_ms = w->srv.clock_ms};

    edn_receipt_sign(&r, &w->space, w->srv.links.n, &log_head, &heads_hash, &w->srv.receipt_sk);
    return r;
}

typedef struct answer {
    edn_status carried;
    int status;
    uint32_t retry_after_s;
    edn_buf body;
} answer;

static inline int kept_by_number(const void *a, const void *b)
{
    const kept *x = *(const kept *const *)a, *y = *(const kept *const *)b;
    int c = memcmp(x->device.b, y->device.b, 16);
    return c ? c : (x->dseq > y->dseq) - (x->dseq < y->dseq);
}

static inline void server_pull(world *w, edn_bytes body, answer *out)
{
    edn_arena a = edn_arena_init(1 << 20);
    const kept *list[4096];
    edn_bytes batches[4096];
    edn_head heads[64];
    edn_msg_pull ask;
    edn_msg_pulled m = {.log_count = w->srv.links.n, .log_head = edn_devlog_head(w->srv.links.log)};
    size_t n = 0, size = 0;

    CHECK_OK(edn_pull_decode(&a, body, &ask));
    for (size_t i = 0; i < w->srv.shelf.n; i++) {
        const kept *k = &w->srv.shelf.p[i];
        const edn_head *known = edn_heads_find(ask.heads, ask.heads_n, &k->device);
        if (!known || k->dseq > known->dseq)
            list[n++] = k;
    }
    qsort(list, n, sizeof *list, kept_by_number);
    for (size_t i = 0; i < n; i++) {
        if (size > 4u << 20 || (w->srv.pull_batches_max && m.batches_n == w->srv.pull_batches_max)) {
            m.flags = EDN_PULLED_MORE;
            break;
        }
        size += list[i]->bytes.n;
        batches[m.batches_n++] = list[i]->bytes;
    }
    m.batches = batches;
    if (ask.log_count < w->srv.links.n) {
        m.links = w->srv.links.p + ask.log_count;
        m.links_n = w->srv.links.n - ask.log_count;
    }
    m.heads_n = shelf_heads(&w->srv.shelf, heads);
    m.heads = heads;
    m.receipt = server_receipt(w);
    edn_pulled_put(&out->body, &m);
    out->status = 200;
    edn_arena_dispose(&a);
    w->srv.pulls++;
}

static inline void server_push(world *w, edn_bytes body, answer *out)
{
    edn_arena a = edn_arena_init(1 << 20);
    edn_etag before = server_etag(w);
    edn_msg_push ask;
    edn_msg_pushed m = {0};
    size_t at = w->srv.shelf.n;

    CHECK_OK(edn_push_decode(&a, body, &ask));
    out->status = 200;
    for (size_t i = 0; i < ask.batches_n && out->status == 200; i++) {
        edn_batch b;
        edn_hash hash = batch_hash_of(ask.batches[i], &b);
        edn_head last = shelf_head(&w->srv.shelf, &b.header.device);
        const kept *same = shelf_find(&w->srv.shelf, &b.header.device, b.header.dseq);
        if (same && memcmp(same->hash.b, hash.b, 32) == 0)
            continue;
        if (b.header.dseq != last.dseq + 1 || memcmp(b.header.prev.b, last.hash.b, 32) != 0)
            out->status = 409;
        else
            shelf_put(&w->srv.shelf, ask.batches[i]);
    }
    if (out->status == 200) {
        m.flags = memcmp(before.b, ask.before.b, sizeof before.b) == 0 ? EDN_PUSHED_EXPECTED : 0;
        m.receipt = server_receipt(w);
        edn_pushed_put(&out->body, &m);
        w->srv.pushed_batches += ask.batches_n;
    } else {
        shelf_cut(&w->srv.shelf, at);
    }
    edn_arena_dispose(&a);
    w->srv.pushes++;
}

static inline void server_log_state(world *w, answer *out, int status)
{
    edn_msg_log_state m = {w->srv.links.n, {{0}}};

    if (m.count)
        m.head = edn_devlog_head(w->srv.links.log);
    edn_log_state_put(&out->body, &m);
    out->status = status;
}

/* Each box is one that a link beside it names; all of those when the device has them. */
static inline void server_boxes(world *w, const edn_bytes *links, size_t links_n, const edn_bytes *boxes, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < links_n && w->boxes; i++) {
        edn_hash named[EDN_LINK_BOXES_MAX];
        size_t k;
        CHECK_OK(edn_link_boxes(links[i], named, &k));
        for (size_t j = 0; j < k; j++, at++) {
            CHECK(at < n);
            CHECK_BYTES(boxes[at], EDN_F(named[j]));
        }
    }
    CHECK_INT(at, n);
    w->srv.boxes += n;
}

static inline void server_append(world *w, edn_bytes body, answer *out)
{
    edn_arena a = edn_arena_init(1 << 20);
    edn_msg_log_append ask;

    CHECK_OK(edn_log_append_decode(&a, body, &ask));
    server_boxes(w, ask.links, ask.links_n, ask.boxes, ask.boxes_n);
    for (size_t i = 0; i < ask.links_n; i++)
        if (edn_devlog_append(w->srv.links.log, ask.links[i]) == EDN_OK)
            w->srv.links.p[w->srv.links.n++] = bytes_copy(ask.links[i]);
        else
            out->status = 409;
    server_log_state(w, out, out->status == 409 ? 409 : 200);
    edn_arena_dispose(&a);
}

static inline void server_register(world *w, edn_bytes body, answer *out)
{
    edn_arena a = edn_arena_init(1 << 20);
    edn_msg_account ask;

    if (w->srv.present) {
        server_log_state(w, out, 409);
        return;
    }
    CHECK_OK(edn_account_decode(&a, body, &ask));
    server_boxes(w, ask.links, ask.links_n, ask.boxes, ask.boxes_n);
    for (size_t i = 0; i < ask.links_n; i++)
        links_put(&w->srv.links, ask.links[i]);
    w->srv.present = true;
    server_log_state(w, out, 201);
    edn_arena_dispose(&a);
}

static inline void server_login(world *w, edn_bytes body, answer *out)
{
    edn_arena a = edn_arena_init(1 << 20);
    edn_msg_login ask;
    edn_login_message lm = {0};
    edn_msg_token m = {w->srv.clock_ms / 1000 + 600, edn_bytes_str("token")};
    const edn_device *d;

    CHECK_OK(edn_login_decode(&a, body, &ask));
    d = w->srv.present ? edn_devlog_device_find(w->srv.links.log, &ask.device) : NULL;
    lm.origin = edn_bytes_str(w->srv.origin);
    lm.account = ask.account;
    lm.device = ask.device;
    memcpy(lm.client_nonce, ask.client_nonce, 32);
    memset(lm.server_nonce, 0x33, 32);
    memcpy(lm.channel_binding, ask.channel_binding, 32);
    lm.server_time = ask.server_time; /* a true server remembers what it said */
    lm.log_seq = ask.log_seq;
    lm.log_head = ask.log_head;
    if (!d || !edn_device_active(d)) {
        out->status = 403;
    } else {
        CHECK(edn_login_verify(&ask.sig, &lm, &d->cert.sign));
        out->status = 200;
        edn_token_put(&out->body, &m);
        w->srv.logins++;
    }
    edn_arena_dispose(&a);
}

static inline void server_challenge(world *w, edn_bytes body, answer *out)
{
    edn_arena a = edn_arena_init(1 << 20);
    edn_msg_challenge_ask ask;
    edn_msg_challenge m = {.server_time = w->srv.clock_ms / 1000, .origin = edn_bytes_str(w->srv.origin)};

    CHECK_OK(edn_challenge_ask_decode(&a, body, &ask));
    memset(m.server_nonce, 0x33, 32);
    m.account = ask.account;
    edn_challenge_put(&out->body, &m);
    out->status = 200;
    edn_arena_dispose(&a);
}

static inline void server_probe(world *w, const char *path, answer *out)
{
    edn_buf want = EDN_BUF_INIT(256);
    edn_etag etag;

    w->srv.probes++;
    if (!w->srv.present) {
        out->status = 404;
        return;
    }
    etag = server_etag(w);
    edn_put_str(&want, "/v1/probe/");
    edn_base64url_encode(&want, edn_bytes_of(w->probe, sizeof w->probe));
    edn_put_str(&want, "/");
    edn_base64url_encode(&want, edn_bytes_of(etag.b, sizeof etag.b));
    out->status = edn_bytes_equal(edn_buf_view(&want), edn_bytes_str(path)) ? 204 : 200;
    edn_buf_dispose(&want);
}

static inline void server_info(world *w, answer *out)
{
    edn_msg_server_info m = {w->srv.receipt_pk, w->srv.clock_ms / 1000, edn_bytes_str(w->srv.origin)};

    edn_server_info_put(&out->body, &m);
    out->status = 200;
}

static inline void server_handle(world *w, const edn_sync_action *a, answer *out)
{
    bool token = a->bearer && strcmp(a->bearer, "token") == 0;

    out->carried = EDN_OK;
    if (strncmp(a->path, "/v1/probe/", 10) == 0) {
        CHECK(!a->post && !a->bearer);
        server_probe(w, a->path, out);
    } else if (strcmp(a->path, "/v1/server") == 0) {
        server_info(w, out);
    } else if (strcmp(a->path, "/v1/challenge") == 0) {
        server_challenge(w, a->body, out);
    } else if (strcmp(a->path, "/v1/login") == 0) {
        server_login(w, a->body, out);
    } else if (strcmp(a->path, "/v1/accounts") == 0) {
        if (w->srv.sponsor && (!a->bearer || strcmp(a->bearer, w->srv.sponsor) != 0))
            out->status = a->bearer ? 401 : 403;
        else
            server_register(w, a->body, out);
        w->srv.sponsored += a->bearer != NULL;
    } else if (!token || !w->srv.present) {
        out->status = 401;
    } else if (strcmp(a->path, "/v1/pull") == 0) {
        server_pull(w, a->body, out);
    } else if (strcmp(a->path, "/v1/push") == 0) {
        server_push(w, a->body, out);
    } else if (strcmp(a->path, "/v1/log") == 0) {
        server_append(w, a->body, out);
    } else {
        fail();
    }
}

/* ---- a device's driver ------------------------------------------------------------------------------------------- */

typedef struct view_ctx {
    world *w;
    device *d;
} view_ctx;

static inline bool view_space_key(void *ctx, uint32_t epoch, edn_space_key *out)
{
    view_ctx *v = ctx;

    if (epoch != 0)
        return false;
    edn_space_key_of(out, &v->w->root, &v->w->account, &v->w->space, 0);
    return true;
}
static inline bool view_batch_hash(void *ctx, const edn_device_id *id, uint64_t dseq, edn_hash *out)
{
    const kept *k = shelf_find(&((view_ctx *)ctx)->d->shelf, id, dseq);

    if (k)
        *out = k->hash;
    return k != NULL;
}
static inline edn_status view_batch(void *ctx, const edn_device_id *id, uint64_t dseq, edn_buf *out)
{
    const kept *k = shelf_find(&((view_ctx *)ctx)->d->shelf, id, dseq);

    if (!k)
        return EDN_E_MISSING;
    edn_put_bytes(out, k->bytes.p, k->bytes.n);
    return edn_buf_status(out);
}
static inline edn_status view_link(void *ctx, uint64_t seq, edn_buf *out)
{
    const links_kept *l = &((view_ctx *)ctx)->d->links;

    if (seq >= l->n)
        return EDN_E_MISSING;
    edn_put_bytes(out, l->p[seq].p, l->p[seq].n);
    return edn_buf_status(out);
}
/* A box here is its hash, written out: all there when the world has boxes. */
static inline edn_status view_box(void *ctx, const edn_hash *hash, edn_buf *out)
{
    if (!((view_ctx *)ctx)->w->boxes)
        return EDN_E_MISSING;
    edn_put_bytes(out, hash->b, sizeof hash->b);
    return edn_buf_status(out);
}

/* What a test does to the traffic. */
typedef struct line {
    void *ctx;
    /* Sees every answer before the device does, and may change it. */
    void (*bend)(void *ctx, world *w, const edn_sync_action *asked, answer *a);
    /* Another server than the world's; NULL: that. */
    void (*serve)(void *ctx, world *w, const edn_sync_action *asked, answer *a);
    bool full;
    size_t requests_max; /* more fail the test; 0: 200 */
    edn_status save;     /* what saving gives */
} line;

typedef struct outcome {
    edn_status status;
    edn_sync_figures figures;
    edn_sync_finding findings[256]; /* evidence: only its length may be looked at */
    size_t findings_n;
} outcome;

static inline edn_sync_view device_view(view_ctx *v)
{
    return (edn_sync_view){v, view_space_key, view_batch_hash, view_batch, view_link, view_box};
}

/* Starts a sync; `heads` must live as long as the call. */
static inline edn_status device_sync_begin(world *w, device *d, view_ctx *v, edn_head *heads, bool full, edn_sync **out)
{
    edn_sync_setup setup = {.view = device_view(v),
                            .random = world_random(w),
                            .account = w->account,
                            .device = d->id,
                            .sk = &d->sk,
                            .space = w->space,
                            .log = d->links.log,
                            .heads = heads,
                            .heads_n = shelf_heads(&d->shelf, heads),
                            .late = d->late_heads,
                            .late_n = shelf_heads(&d->late, d->late_heads),
                            .claims = d->claims,
                            .claims_n = d->claims_n,
                            .remote = &d->remote,
                            .sponsor = d->sponsor,
                            .full = full};

    memcpy(setup.probe, w->probe, sizeof setup.probe);
    return edn_sync_new(&setup, out);
}

/* What a driver checks of SAVE by being one: each device's batches continue what is held. */
static inline void device_save(const world *w, device *d, const edn_sync_action *a)
{
    for (size_t i = 0; i < a->links_n; i++)
        links_put(&d->links, a->links[i]);
    for (size_t i = 0; i < a->batches_n; i++) {
        const edn_sync_batch *b = &a->batches[i];
        edn_head last = shelf_head(&d->shelf, &b->batch.header.device);
        CHECK_INT(b->batch.header.dseq, last.dseq + 1);
        CHECK_BYTES(EDN_F(b->batch.header.prev), EDN_F(last.hash));
        CHECK_INT(b->body.records_n, 1);
        for (size_t j = i + 1; j < a->batches_n && !w->circle; j++) { /* nothing named comes after */
            const edn_head *named = edn_heads_find(b->body.heads, b->body.heads_n, &a->batches[j].batch.header.device);
            CHECK(!named || named->dseq < a->batches[j].batch.header.dseq);
        }
        shelf_put(&d->shelf, b->batch.bytes);
    }
    for (size_t i = 0; i < a->late_n; i++) {
        const edn_batch_header *h = &a->late[i].batch.batch.header;
        edn_head last = shelf_head(&d->late, &h->device);
        if (last.dseq == 0)
            last = shelf_head(&d->shelf, &h->device);
        CHECK_INT(h->dseq, last.dseq + 1);
        CHECK_BYTES(EDN_F(h->prev), EDN_F(last.hash));
        CHECK_INT(a->late[i].batch.body.records_n, a->late[i].status == EDN_OK);
        shelf_put(&d->late, a->late[i].batch.batch.bytes);
    }
}

static inline outcome device_sync_end(device *d, edn_sync *s, edn_status st)
{
    outcome o = {.status = st, .figures = edn_sync_figures_of(s)};
    const edn_sync_finding *f;
    const edn_claim *c;

    o.findings_n = edn_sync_findings(s, &f);
    if (o.findings_n)
        memcpy(o.findings, f, o.findings_n * sizeof *f);
    d->claims_n = edn_sync_claims(s, &c);
    memcpy(d->claims, c, d->claims_n * sizeof *c);
    edn_sync_free(s);
    return o;
}

static inline outcome device_sync_on(world *w, device *d, const line *l)
{
    static const line straight;
    const line *x = l ? l : &straight;
    view_ctx v = {w, d};
    edn_head heads[64];
    edn_sync *s;

    CHECK_OK(device_sync_begin(w, d, &v, heads, x->full, &s));
    for (size_t n = 0;; n++) {
        edn_sync_action a = edn_sync_step(s, d->clock_ms);
        if (a.kind == EDN_SYNC_DONE)
            return device_sync_end(d, s, a.status);
        if (a.kind == EDN_SYNC_SAVE) {
            if (x->save == EDN_OK)
                device_save(w, d, &a);
            edn_sync_saved(s, d->clock_ms, x->save);
            continue;
        }
        answer out = {.body = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
        if (x->serve)
            x->serve(x->ctx, w, &a, &out);
        else
            server_handle(w, &a, &out);
        if (x->bend)
            x->bend(x->ctx, w, &a, &out);
        edn_sync_answered(s, d->clock_ms, out.carried, out.status, out.retry_after_s, edn_buf_view(&out.body));
        edn_buf_dispose(&out.body);
        CHECK(n < (x->requests_max ? x->requests_max : 200));
    }
}
static inline outcome device_sync(world *w, device *d) { return device_sync_on(w, d, NULL); }

static inline const edn_sync_finding *outcome_find(const outcome *o, edn_status st)
{
    for (size_t i = 0; i < o->findings_n; i++)
        if (o->findings[i].status == st)
            return &o->findings[i];
    return NULL;
}

#define CHECK_SYNCED(o)                                                                                                \
    do {                                                                                                               \
        const outcome synced_ = (o);                                                                                   \
        outcome_check(&synced_, __FILE__, __LINE__);                                                                   \
    } while (0)
static inline void outcome_check(const outcome *o, const char *file, int line_no)
{
    if (o->status == EDN_OK && o->findings_n == 0 && o->figures.synced)
        return;
    print_error("%s:%d: %s, %ssynced\n", file, line_no, edn_status_name(o->status), o->figures.synced ? "" : "not ");
    for (size_t i = 0; i < o->findings_n; i++)
        print_error("  %s: %s\n", edn_status_name(o->findings[i].status), o->findings[i].text);
    _fail(file, line_no);
}

/* ---- bending a pull's answer ------------------------------------------------------------------------------------- */

/* Takes the answer apart, lets `fn` change the message, and puts it together; `signed_again`: with a receipt that
 * fits. */
typedef void bend_fn(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a);
static inline void pulled_bend_as(world *w, answer *x, const edn_sign_sk *sign, bend_fn *fn, void *ctx)
{
    edn_arena a = edn_arena_init(SIZE_MAX);
    edn_buf out = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_msg_pulled m;

    CHECK_OK(edn_pulled_decode(&a, edn_buf_view(&x->body), &m));
    fn(ctx, w, &m, &a);
    if (sign) {
        edn_hash heads_hash = edn_heads_hash(m.heads, m.heads_n);
        edn_receipt_sign(&m.receipt, &w->space, m.log_count, &m.log_head, &heads_hash, sign);
    }
    edn_pulled_put(&out, &m);
    CHECK_OK(edn_buf_status(&out));
    edn_buf_dispose(&x->body);
    x->body = out;
    edn_arena_dispose(&a);
}
static inline void pulled_bend(world *w, answer *x, bool sign, bend_fn *fn, void *ctx)
{
    pulled_bend_as(w, x, sign ? &w->srv.receipt_sk : NULL, fn, ctx);
}
static inline bool is_pull(const edn_sync_action *a) { return strcmp(a->path, "/v1/pull") == 0; }

static inline void check_finding(const outcome *o, edn_status st, bool evidence)
{
    const edn_sync_finding *f = outcome_find(o, st);

    if (!f) {
        print_error("no finding %s; there are %zu\n", edn_status_name(st), o->findings_n);
        for (size_t i = 0; i < o->findings_n; i++)
            print_error("  %s: %s\n", edn_status_name(o->findings[i].status), o->findings[i].text);
        fail();
        return;
    }
    CHECK(strlen(f->text) > 40);
    CHECK(f->text[strlen(f->text) - 1] == '.');
    CHECK_INT(f->evidence.n > 0, evidence);
}

/* The server had signed for more than is true: once it is honest, that looks like a loss, and all is in step. */
static inline void check_mended(const outcome *o)
{
    CHECK_STATUS(o->status, EDN_OK);
    CHECK(o->figures.synced);
    CHECK_INT(o->findings_n, 1);
    check_finding(o, EDN_E_ROLLBACK, false);
}

#endif
