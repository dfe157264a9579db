#include "person.h"

static void fill(check_rng *r, void *p, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        uint64_t v = check_next(r);
        memcpy((uint8_t *)p + i, &v, EDN_MIN(n - i, sizeof v));
    }
}

static edn_bytes kept(const edn_buf *b)
{
    uint8_t *p = malloc(b->n ? b->n : 1);

    assert_non_null(p);
    memcpy(p, b->p, b->n);
    return edn_bytes_of(p, b->n);
}

static void take_link(person *p, edn_buf *link)
{
    assert_int_equal(edn_buf_status(link), EDN_OK);
    CHECK_OK(edn_devlog_append(p->log, edn_buf_view(link)));
    assert_true(p->links_n < PERSON_LINKS_MAX);
    p->links[p->links_n++] = kept(link);
    edn_buf_dispose(link);
    p->now_ms += 1000;
}

/* A box of random bytes, and its hash. */
static edn_hash box(person *p, size_t n)
{
    edn_buf b = EDN_BUF_INIT(1u << 20);
    edn_hash h;

    fill(&p->rng, edn_buf_grow(&b, n), n);
    h = edn_h32(edn_buf_view(&b));
    assert_true(p->boxes_n < PERSON_BOXES_MAX);
    p->boxes[p->boxes_n++] = kept(&b);
    edn_buf_dispose(&b);
    return h;
}

static person_device device_new(person *p, uint32_t caps)
{
    person_device d = {.cert = {.caps = caps}};
    uint8_t seed[32];

    fill(&p->rng, seed, sizeof seed);
    edn_sign_keypair(seed, &d.cert.sign, &d.sk);
    do
        fill(&p->rng, d.cert.enc.b, sizeof d.cert.enc.b);
    while (!edn_dh_pk_valid(&d.cert.enc));
    fill(&p->rng, d.cert.name_hash.b, sizeof d.cert.name_hash.b);
    d.id = edn_device_id_of(&d.cert.sign, &d.cert.enc);
    return d;
}

static void init(person *p, uint64_t seed, bool is_space)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    uint8_t aik_seed[32];
    edn_dh_pk aek;
    edn_hash grants;
    person_device d;
    edn_hash space;

    memset(p, 0, sizeof *p);
    CHECK_OK(edn_crypto_init());
    p->rng.s = seed * 0x9e3779b97f4a7c15u + 1;
    p->now_ms = 1700000000000u;
    CHECK_OK(edn_devlog_new(&p->log));
    fill(&p->rng, aik_seed, sizeof aik_seed);
    edn_sign_keypair(aik_seed, &p->aik, &p->aik_sk);
    if (!is_space)
        fill(&p->rng, p->name.b, sizeof p->name.b);
    do
        fill(&p->rng, aek.b, sizeof aek.b);
    while (!edn_dh_pk_valid(&aek));
    d = device_new(p, EDN_CAP_READ | EDN_CAP_WRITE | EDN_CAP_ADMIN | (is_space ? EDN_CAP_MEMBER : 0));
    grants = box(p, 4 + 97);
    CHECK_OK((is_space ? edn_link_space_genesis : edn_link_genesis)(&link, &p->aik, &p->aik_sk, p->now_ms, &d.cert,
                                                                    &aek, &grants, &d.sk));
    take_link(p, &link);
    p->devices[p->devices_n++] = d;
    p->account = edn_devlog_account(p->log);
    space = edn_h32_t(EDN_LABEL_SPACE_PERSONAL, EDN_F(p->account));
    memcpy(p->space.b, space.b, sizeof space.b);
}

void person_init(person *p, uint64_t seed)
{
    init(p, seed, false);
    person_set_kdf(p);
}

void person_init_space(person *p, uint64_t seed)
{
    init(p, seed, true);
    person_add_device(p, EDN_CAP_READ | EDN_CAP_WRITE | EDN_CAP_ADMIN);
}

edn_witness person_witness(const person *p)
{
    edn_hash head = edn_devlog_head(p->log);

    return edn_witness_of(edn_devlog_count(p->log) - 1, &head);
}

void person_dispose(person *p)
{
    for (size_t i = 0; i < p->links_n; i++)
        free((void *)(uintptr_t)p->links[i].p);
    for (size_t i = 0; i < p->boxes_n; i++)
        free((void *)(uintptr_t)p->boxes[i].p);
    edn_devlog_free(p->log);
    memset(p, 0, sizeof *p);
}

static edn_link_signer first_device(const person *p)
{
    return (edn_link_signer){&p->devices[0].id, &p->devices[0].sk, p->now_ms};
}

size_t person_add_device(person *p, uint32_t caps)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    person_device d = device_new(p, caps);
    edn_link_signer by = first_device(p);
    edn_hash grants = box(p, 4 + 97 * (p->devices_n + 1));
    edn_signature pop;

    edn_link_pop(&pop, p->log, &by, &p->aik, &d.cert, &d.sk);
    CHECK_OK(edn_link_add_device(&link, p->log, &by, &d.cert, &grants, &pop));
    take_link(p, &link);
    assert_true(p->devices_n < PERSON_DEVICES_MAX);
    p->devices[p->devices_n] = d;
    return p->devices_n++;
}

void person_set_recovery(person *p, uint8_t set)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_link_signer by = first_device(p);
    edn_recovery_set r = {.needed = 2, .n = 3, .box_hash = box(p, 200)};

    memset(r.id.b, set, sizeof r.id.b);
    fill(&p->rng, r.commitments, 3 * sizeof *r.commitments);
    CHECK_OK(edn_link_set_recovery(&link, p->log, &by, &r));
    take_link(p, &link);
}

void person_set_kdf(person *p)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX), record = EDN_BUF_INIT(64);
    edn_link_signer by = first_device(p);
    edn_sign_pk login;
    edn_hash kdf, root;
    uint8_t seed[32];

    memcpy(p->kdf_record, "EDNK\1\1\1\1\3\0\0\0\0\0\4\0", 16);
    fill(&p->rng, p->kdf_record + 16, 16);
    edn_put_bytes(&record, p->kdf_record, 32);
    kdf = edn_h32(edn_buf_view(&record));
    p->boxes[p->boxes_n++] = kept(&record);
    edn_buf_dispose(&record);
    root = box(p, 72 + 136);
    fill(&p->rng, seed, sizeof seed);
    edn_sign_keypair(seed, &login, &p->login_sk);
    CHECK_OK(edn_link_set_kdf(&link, p->log, &by, &kdf, &root, &login));
    take_link(p, &link);
}

void person_revoke(person *p, size_t device)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX), body = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_link_signer by = first_device(p);
    person_device *d = &p->devices[device];
    edn_dh_pk aek;
    edn_hash grants = box(p, 200), prev = box(p, 104);

    edn_put_u32(&body, 1);
    edn_put_bytes(&body, d->id.b, sizeof d->id.b);
    edn_put_u32(&body, d->dseq ? 1 : 0);
    if (d->dseq) {
        edn_put_bytes(&body, p->space.b, sizeof p->space.b);
        edn_put_u64(&body, d->dseq);
        edn_put_bytes(&body, d->last.b, sizeof d->last.b);
    }
    edn_put_u32(&body, edn_devlog_epoch(p->log) + 1);
    do
        fill(&p->rng, aek.b, sizeof aek.b);
    while (!edn_dh_pk_valid(&aek));
    edn_put_bytes(&body, aek.b, sizeof aek.b);
    edn_put_bytes(&body, grants.b, sizeof grants.b);
    edn_put_bytes(&body, prev.b, sizeof prev.b);
    CHECK_OK(edn_link_build(&link, p->log, &by, EDN_LINK_REVOKE_ROTATE, edn_buf_view(&body)));
    edn_buf_dispose(&body);
    take_link(p, &link);
}

void person_batch(person *p, size_t device, uint32_t padded, edn_buf *out)
{
    person_device *d = &p->devices[device];
    edn_batch_header h = {.kind = EDN_BATCH_OPS,
                          .suite = 1,
                          .space = p->space,
                          .device = d->id,
                          .dseq = d->dseq + 1,
                          .prev = d->last,
                          .epoch = edn_devlog_epoch(p->log),
                          .log_seq = edn_devlog_count(p->log) - 1,
                          .log_head = edn_devlog_head(p->log),
                          .padded_size = padded};
    size_t at = out->n, box_n = 24 + 32 + padded + 16;
    edn_batch b;
    edn_hash c;
    edn_signature sig = {{0}};

    fill(&p->rng, h.heads_hash.b, sizeof h.heads_hash.b);
    edn_batch_header_put(out, &h);
    fill(&p->rng, edn_buf_grow(out, box_n), box_n);
    edn_put_bytes(out, sig.b, sizeof sig.b);
    CHECK_OK(edn_batch_decode(edn_bytes_of(out->p + at, out->n - at), &b));
    c = edn_batch_c_hash(&b);
    edn_batch_sign(&sig, b.header_bytes, edn_bytes_of(b.box.p, 24), edn_bytes_of(b.box.p + 24, 32), &c, &d->sk);
    memcpy(out->p + out->n - sizeof sig.b, sig.b, sizeof sig.b);
    CHECK_OK(edn_batch_decode(edn_bytes_of(out->p + at, out->n - at), &b));
    d->last = edn_batch_hash(&b, &c);
    d->dseq++;
}

void person_account(const person *p, edn_buf *out)
{
    edn_msg_account m = {p->name, (edn_bytes *)(uintptr_t)p->links, p->links_n, (edn_bytes *)(uintptr_t)p->boxes,
                         p->boxes_n};

    edn_account_put(out, &m);
}

void person_push(const edn_etag *before, const edn_bytes *batches, size_t n, edn_buf *out)
{
    edn_msg_push m = {.batches = (edn_bytes *)(uintptr_t)batches, .batches_n = n};

    if (before)
        m.before = *before;
    edn_push_put(out, &m);
}

void person_pull(const person *p, uint64_t log_count, const edn_head *heads, size_t n, edn_buf *out)
{
    edn_msg_pull m = {.space = p->space, .log_count = log_count, .heads = (edn_head *)(uintptr_t)heads, .heads_n = n};

    memcpy(m.probe, p->account.b, sizeof m.probe);
    edn_pull_put(out, &m);
}

int person_challenge(const person *p, size_t device, person_ask_fn *ask, void *ctx, person_login *out)
{
    edn_buf rq = EDN_BUF_INIT(1024), answer = EDN_BUF_INIT(4096);
    edn_arena a = edn_arena_init(65536);
    edn_msg_challenge_ask m = {.kind = device == SIZE_MAX ? EDN_LOGIN_PASSPHRASE : EDN_LOGIN_DEVICE};
    edn_msg_challenge c;
    int status;

    memset(out, 0, sizeof *out);
    memset(m.client_nonce, 0x5a, sizeof m.client_nonce);
    if (device == SIZE_MAX) {
        m.name_hash = p->name;
    } else {
        m.account = p->account;
        m.device = p->devices[device].id;
    }
    edn_challenge_ask_put(&rq, &m);
    status = ask(ctx, "POST", "/v1/challenge", EDN_BYTES_EMPTY, edn_buf_view(&rq), &answer);
    if (status == 200) {
        CHECK_OK(edn_challenge_decode(&a, edn_buf_view(&answer), &c));
        out->m = (edn_msg_login){.kind = m.kind,
                                 .account = c.account,
                                 .device = m.device,
                                 .server_time = c.server_time,
                                 .log_seq = edn_devlog_count(p->log) - 1,
                                 .log_head = edn_devlog_head(p->log)};
        memcpy(out->m.client_nonce, m.client_nonce, 32);
        memcpy(out->m.server_nonce, c.server_nonce, 32);
        memcpy(out->origin, c.origin.p, c.origin.n);
    }
    edn_arena_dispose(&a);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&answer);
    return status;
}

int person_login_send(const person *p, size_t device, person_login *l, person_ask_fn *ask, void *ctx, edn_buf *token)
{
    edn_buf rq = EDN_BUF_INIT(1024), answer = EDN_BUF_INIT(4096);
    edn_arena a = edn_arena_init(65536);
    edn_login_message m = {.origin = edn_bytes_str(l->origin),
                           .account = l->m.account,
                           .device = l->m.device,
                           .server_time = l->m.server_time,
                           .log_seq = l->m.log_seq,
                           .log_head = l->m.log_head};
    edn_msg_token t;
    int status;

    memcpy(m.client_nonce, l->m.client_nonce, 32);
    memcpy(m.server_nonce, l->m.server_nonce, 32);
    memcpy(m.channel_binding, l->m.channel_binding, 32);
    edn_login_sign(&l->m.sig, &m, device == SIZE_MAX ? &p->login_sk : &p->devices[device].sk);
    edn_login_put(&rq, &l->m);
    status = ask(ctx, "POST", "/v1/login", EDN_BYTES_EMPTY, edn_buf_view(&rq), &answer);
    edn_buf_reset(token);
    if (status == 200) {
        CHECK_OK(edn_token_decode(&a, edn_buf_view(&answer), &t));
        edn_put_bytes(token, t.token.p, t.token.n);
    }
    edn_arena_dispose(&a);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&answer);
    return status;
}

void person_sign_in(const person *p, size_t device, person_ask_fn *ask, void *ctx, edn_buf *token)
{
    person_login l;

    assert_int_equal(person_challenge(p, device, ask, ctx, &l), 200);
    assert_int_equal(person_login_send(p, device, &l, ask, ctx, token), 200);
}
