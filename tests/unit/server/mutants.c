/* Valid objects, altered in every way that a liar has: bits, bytes, cuts, insertions, halves of two put together,
 * counts without end, and signed again by a key that is not the right one. None is taken, by a device or by a server,
 * and the valid one still is, at the end.
 *
 * EDN_MUTANTS says how many (default 100,000; CI runs a million); EDN_SEED which. */
#include "server_kit.h"

#include "keys/keys.h"
#include "server/server_priv.h"
#include "sync/sync.h"

#define OBJECT_SIZE_MAX 8192u

typedef struct lab lab;
/* Whether the bytes are taken. */
typedef bool taken_fn(lab *l, edn_bytes in);
/* Signs again what is in `b`, by a key that is not its author's. */
typedef void resign_fn(lab *l, edn_buf *b);

/* A kind of object: two valid ones, of which either may be taken. */
typedef struct kind {
    const char *name;
    taken_fn *taken;
    resign_fn *resign;
    uint32_t weight;
    size_t from; /* what stands before this may be anything */
    edn_bytes good[2];
    uint64_t refused;
} kind;

enum {
    BATCH,
    LINK,
    TOKEN,
    ROOT_BOX,
    PREV_BOX,
    JOURNAL_BOX,
    RECORD_BOX,
    GRANT,
    PUSH,
    APPEND,
    ACCOUNT,
    LOGIN,
    BEARER,
    KINDS
};

struct lab {
    kit k;
    person p, q; /* q is not known to the server */
    edn_buf token;
    check_rng rng;
    kind kinds[KINDS];
    edn_space_key space_key;
    edn_root_key root;
    edn_journal_key journal_key;
    edn_journal_id journal;
    edn_entry_key entry_key;
    edn_record_place place;
    edn_wrap_key wrap;
    edn_kdf_record record;
    edn_dh_sk grant_sk;
    edn_grant_context grant_context;
    edn_head last;
    edn_sign_sk other_sk;
    edn_token_key token_key;
    edn_buf at; /* the mutant */
};

static edn_bytes keep(edn_buf *b)
{
    CHECK_OK(edn_buf_status(b));
    return edn_buf_take(b);
}

static void fill(void *ctx, void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)check_next(ctx);
}
static edn_random random_of(lab *l) { return (edn_random){fill, &l->rng}; }

/* ---- batches ----------------------------------------------------------------------------------------------------- */

static bool view_key(void *ctx, uint32_t epoch, edn_space_key *out)
{
    *out = ((lab *)ctx)->space_key;
    return epoch == 0;
}

static bool view_hash(void *ctx, const edn_device_id *device, uint64_t dseq, edn_hash *out)
{
    (void)ctx;
    (void)device;
    (void)dseq;
    (void)out;
    return false;
}

static edn_bytes make_batch(lab *l, const char *text, uint64_t dseq)
{
    edn_buf out = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX), body = EDN_BUF_INIT(65536);
    edn_random random = random_of(l);
    edn_record r = {.type = 1, .key_version = 1, .box = edn_bytes_str(text)};
    edn_head seen = {.device = {{9}}, .dseq = 4};
    edn_batch_header h = {.kind = EDN_BATCH_OPS,
                          .space = l->p.space,
                          .device = l->p.devices[0].id,
                          .dseq = dseq,
                          .log_seq = edn_devlog_count(l->p.log) - 1,
                          .log_head = edn_devlog_head(l->p.log)};

    CHECK_OK(edn_body_encode(&body, &seen, 1, &r, 1));
    CHECK_OK(
        edn_batch_seal(&out, &h, EDN_PADDING_P1, &l->space_key, &l->p.devices[0].sk, edn_buf_view(&body), &random));
    edn_buf_dispose(&body);
    return keep(&out);
}

static bool batch_taken(lab *l, edn_bytes in)
{
    edn_sync_view view = {.ctx = l, .space_key = view_key, .batch_hash = view_hash};
    edn_batch_check check = {.log = l->p.log, .space = l->p.space, .view = &view};
    edn_arena a = edn_arena_init((size_t)1 << 20);
    edn_sync_batch b;
    bool taken;

    check.last.device = l->p.devices[0].id;
    taken = edn_batch_check_run(&check, in, &a, &b) == EDN_OK;
    edn_arena_dispose(&a);
    return taken;
}

static void batch_resign(lab *l, edn_buf *b)
{
    edn_batch x;
    edn_hash c;
    edn_signature sig;

    if (edn_batch_decode(edn_buf_view(b), &x) != EDN_OK)
        return;
    c = edn_batch_c_hash(&x);
    edn_batch_sign(&sig, x.header_bytes, edn_bytes_of(x.box.p, 24), edn_bytes_of(x.box.p + 24, 32), &c, &l->other_sk);
    memcpy(b->p + b->n - sizeof sig.b, sig.b, sizeof sig.b);
}

/* ---- links ------------------------------------------------------------------------------------------------------- */

static bool link_taken(lab *l, edn_bytes in)
{
    edn_devlog *copy;
    bool taken = edn_devlog_append(l->p.log, in) == EDN_OK;

    if (taken) { /* only the valid ones may be; the log is as it was for the next */
        edn_devlog *before;
        CHECK_OK(edn_devlog_new(&before));
        for (size_t i = 0; i < l->p.links_n; i++)
            CHECK_OK(edn_devlog_append(before, l->p.links[i]));
        copy = l->p.log;
        l->p.log = before;
        edn_devlog_free(copy);
    }
    return taken;
}

static edn_bytes make_link(lab *l, uint64_t time_ms)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_link_signer by = {&l->p.devices[0].id, &l->p.devices[0].sk, time_ms};
    edn_cert cert = l->q.devices[0].cert;
    edn_sign_pk aik = edn_devlog_aik(l->p.log);
    edn_hash grants = {{9}};
    edn_signature pop;

    edn_link_pop(&pop, l->p.log, &by, &aik, &cert, &l->q.devices[0].sk);
    CHECK_OK(edn_link_add_device(&link, l->p.log, &by, &cert, &grants, &pop));
    return keep(&link);
}

static void link_resign(lab *l, edn_buf *b)
{
    edn_signature sig;
    edn_bytes signed_part;

    if (b->n < 64)
        return;
    signed_part = edn_bytes_of(b->p, b->n - 64);
    edn_sign_fields(&sig, &l->other_sk, "EDNv1/sig/link", &signed_part, 1);
    memcpy(b->p + b->n - sizeof sig.b, sig.b, sizeof sig.b);
}

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

static bool token_taken(lab *l, edn_bytes in)
{
    edn_token_claims c;

    return edn_token_check(in, &l->token_key, 1, KIT_ORIGIN, 1700000000, &c);
}

static edn_bytes make_token(uint64_t seq, const edn_sign_sk *sk)
{
    edn_buf t = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);
    edn_token_claims c = {.log_seq = seq, .issued_s = 1700000000, .not_before_s = 1700000000, .expires_s = 1700000600};

    edn_token_make(&t, &c, KIT_ORIGIN, "abcdefg", sk);
    return keep(&t);
}

static void token_resign(lab *l, edn_buf *b)
{
    edn_signature sig;
    size_t cut = b->n;

    while (cut > 0 && b->p[cut - 1] != '.')
        cut--;
    if (cut < 2)
        return;
    edn_sign_raw(&sig, &l->other_sk, edn_bytes_of(b->p, cut - 1));
    b->n = cut;
    edn_base64url_encode(b, edn_bytes_of(sig.b, sizeof sig.b));
}

/* ---- boxes ------------------------------------------------------------------------------------------------------- */

static bool root_box_taken(lab *l, edn_bytes in)
{
    edn_root_secret out;
    return edn_root_box_open(&l->wrap, &l->p.account, 3, &l->record, in, &out) == EDN_OK;
}
static bool prev_box_taken(lab *l, edn_bytes in)
{
    edn_root_key out;
    return edn_prev_box_open(&l->root, &l->p.account, 3, in, &out) == EDN_OK;
}
static bool journal_box_taken(lab *l, edn_bytes in)
{
    edn_journal_key out;
    return edn_journal_key_open(&l->root, &l->p.account, &l->p.space, &l->journal, 3, 2, in, &out) == EDN_OK;
}
static bool record_box_taken(lab *l, edn_bytes in)
{
    edn_buf out = EDN_BUF_INIT(EDN_RECORD_SIZE_MAX);
    bool taken = edn_record_open(&out, &l->entry_key, &l->place, in) == EDN_OK;

    CHECK(taken || out.n == 0);
    edn_buf_dispose(&out);
    return taken;
}
static bool grant_taken(lab *l, edn_bytes in)
{
    edn_root_key out;
    return edn_grant_open(&l->grant_context, &l->grant_sk, in, NULL, EDN_BYTES_EMPTY, &out) == EDN_OK;
}

static void make_boxes(lab *l)
{
    edn_random random = random_of(l);
    edn_root_secret secret = {.sc_seq = 4};
    edn_root_key before = {{6}};
    edn_dh_pk to;
    uint8_t grant[EDN_GRANT_SIZE];

    fill(&l->rng, l->record.b, sizeof l->record.b);
    edn_dh_keypair(&l->grant_sk, &to);
    l->grant_context = (edn_grant_context){.account = l->p.account, .epoch = 3, .purpose = EDN_GRANT_ROOT};
    for (int i = 0; i < 2; i++) {
        edn_buf b[4];
        for (int j = 0; j < 4; j++)
            b[j] = EDN_BUF_INIT(4096);
        CHECK_OK(edn_root_box_seal(&b[0], &l->wrap, &l->p.account, 3, &l->record, &secret, &random));
        CHECK_OK(edn_prev_box_seal(&b[1], &l->root, &l->p.account, 3, &before, &random));
        CHECK_OK(edn_journal_key_seal(&b[2], &l->root, &l->p.account, &l->p.space, &l->journal, 3, 2, &l->journal_key,
                                      &random));
        CHECK_OK(edn_record_seal(&b[3], &l->entry_key, &l->place, edn_bytes_str("some events of an entry"), &random));
        for (int j = 0; j < 4; j++)
            l->kinds[ROOT_BOX + j].good[i] = keep(&b[j]);
        edn_buf g = EDN_BUF_INIT(EDN_GRANT_SIZE);
        CHECK_OK(edn_grant_seal(grant, &l->grant_context, &to, &before, NULL, EDN_BYTES_EMPTY, &random));
        edn_put_bytes(&g, grant, sizeof grant);
        l->kinds[GRANT].good[i] = keep(&g);
    }
}

/* ---- requests to a server ---------------------------------------------------------------------------------------- */

static bool answered(lab *l, const char *path, edn_bytes token, edn_bytes body)
{
    edn_buf answer = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    int status = kit_ask(&l->k, "POST", path, token, body, &answer);

    edn_buf_dispose(&answer);
    if (status >= 500)
        print_error("%s is answered with %d\n", path, status);
    CHECK(status >= 200 && status < 500); /* and never a failure of the server's own */
    return status < 300;
}

static bool push_taken(lab *l, edn_bytes in) { return answered(l, "/v1/push", edn_buf_view(&l->token), in); }
static bool append_taken(lab *l, edn_bytes in) { return answered(l, "/v1/log", edn_buf_view(&l->token), in); }
static bool account_taken(lab *l, edn_bytes in) { return answered(l, "/v1/accounts", EDN_BYTES_EMPTY, in); }
static bool login_taken(lab *l, edn_bytes in) { return answered(l, "/v1/login", EDN_BYTES_EMPTY, in); }
/* A token in front of a request that is good. */
static bool bearer_taken(lab *l, edn_bytes in)
{
    edn_buf rq = EDN_BUF_INIT(4096);
    bool taken;

    person_pull(&l->p, 0, NULL, 0, &rq);
    taken = answered(l, "/v1/pull", in, edn_buf_view(&rq));
    edn_buf_dispose(&rq);
    return taken;
}

static edn_bytes make_push(const edn_bytes *batch)
{
    edn_buf b = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);

    person_push(NULL, batch, 1, &b);
    return keep(&b);
}

static edn_bytes make_append(edn_bytes link)
{
    edn_buf b = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
    edn_bytes box = edn_bytes_str("a box");
    edn_msg_log_append m = {.links = &link, .links_n = 1, .boxes = &box, .boxes_n = 0};

    edn_log_append_put(&b, &m);
    return keep(&b);
}

static edn_bytes make_account(const person *p)
{
    edn_buf b = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);

    person_account(p, &b);
    return keep(&b);
}

/* A login that was signed and not sent: the challenge is open. */
static edn_bytes make_login(lab *l)
{
    edn_buf b = EDN_BUF_INIT(4096);
    person_login login;
    edn_login_message m;

    CHECK_INT(person_challenge(&l->p, 0, kit_ask, &l->k, &login), 200);
    m = (edn_login_message){.origin = edn_bytes_str(login.origin),
                            .account = login.m.account,
                            .device = login.m.device,
                            .server_time = login.m.server_time,
                            .log_seq = login.m.log_seq,
                            .log_head = login.m.log_head};
    memcpy(m.client_nonce, login.m.client_nonce, 32);
    memcpy(m.server_nonce, login.m.server_nonce, 32);
    edn_login_sign(&login.m.sig, &m, &l->p.devices[0].sk);
    edn_login_put(&b, &login.m);
    return keep(&b);
}

/* ---- the lab ----------------------------------------------------------------------------------------------------- */

static void lab_keys(lab *l)
{
    uint8_t seed[32] = {77};
    edn_sign_pk pk;

    memset(l->space_key.b, 3, sizeof l->space_key.b);
    memset(l->root.b, 4, sizeof l->root.b);
    memset(l->journal_key.b, 5, sizeof l->journal_key.b);
    memset(l->entry_key.b, 6, sizeof l->entry_key.b);
    memset(l->wrap.b, 8, sizeof l->wrap.b);
    memset(l->grant_sk.b, 9, sizeof l->grant_sk.b);
    edn_sign_keypair(seed, &pk, &l->other_sk);
    l->place = (edn_record_place){.space = l->p.space, .key_version = 1, .type = 1, .dseq = 5};
}

static void lab_open(lab *l)
{
    edn_sign_sk token_sk;
    uint8_t seed[32] = {55};

    memset(l, 0, sizeof *l);
    kit_init(&l->k);
    l->k.config.limits.login_account_per_min = 0;
    l->k.config.limits.bytes_per_s = 0;
    kit_close(&l->k);
    kit_open(&l->k);
    l->rng.s = check_seed();
    person_init(&l->p, 1);
    person_init(&l->q, 2);
    kit_register(&l->k, &l->p);
    l->token = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);
    person_sign_in(&l->p, 0, kit_ask, &l->k, &l->token);
    l->at = EDN_BUF_INIT(4 * OBJECT_SIZE_MAX);
    lab_keys(l);
    edn_sign_keypair(seed, &l->token_key.pk, &token_sk);
    memcpy(l->token_key.kid, "abcdefg", 8);
    static const struct {
        const char *name;
        taken_fn *taken;
        resign_fn *resign;
        uint32_t weight;
        size_t from;
    } kinds[KINDS] = {
        [BATCH] = {"batches, to a device", batch_taken, batch_resign, 6, 0},
        [LINK] = {"links", link_taken, link_resign, 6, 0},
        [TOKEN] = {"tokens", token_taken, token_resign, 3, 0},
        [ROOT_BOX] = {"root boxes", root_box_taken, NULL, 2, 0},
        [PREV_BOX] = {"boxes of the epoch before", prev_box_taken, NULL, 2, 0},
        [JOURNAL_BOX] = {"journal key boxes", journal_box_taken, NULL, 2, 0},
        [RECORD_BOX] = {"record boxes", record_box_taken, NULL, 4, 0},
        [GRANT] = {"grants", grant_taken, NULL, 2, 0},
        [PUSH] = {"pushes", push_taken, NULL, 4, 1 + sizeof(edn_etag)}, /* a belief, which may be wrong */
        [APPEND] = {"appended links", append_taken, NULL, 2, 0},
        [ACCOUNT] = {"new accounts", account_taken, NULL, 1, 1 + sizeof(edn_hash)}, /* of a name: any will do */
        [LOGIN] = {"logins", login_taken, NULL, 2, 0},
        [BEARER] = {"bearers", bearer_taken, NULL, 2, 0},
    };
    for (size_t i = 0; i < KINDS; i++)
        l->kinds[i] = (kind){.name = kinds[i].name,
                             .taken = kinds[i].taken,
                             .resign = kinds[i].resign,
                             .weight = kinds[i].weight,
                             .from = kinds[i].from};
    make_boxes(l);
    for (int i = 0; i < 2; i++) {
        l->kinds[BATCH].good[i] = make_batch(l, i ? "one record" : "another record", 1);
        l->kinds[LINK].good[i] = make_link(l, l->p.now_ms + (uint64_t)i);
        l->kinds[TOKEN].good[i] = make_token((uint64_t)i, &token_sk);
        l->kinds[PUSH].good[i] = make_push(&l->kinds[BATCH].good[i]);
        l->kinds[APPEND].good[i] = make_append(l->kinds[LINK].good[i]);
        l->kinds[ACCOUNT].good[i] = make_account(&l->q);
        l->kinds[LOGIN].good[i] = make_login(l);
        edn_buf bearer = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);
        edn_put_bytes(&bearer, l->token.p, l->token.n);
        l->kinds[BEARER].good[i] = keep(&bearer);
    }
}

static void lab_close(lab *l)
{
    for (size_t i = 0; i < KINDS; i++)
        for (int j = 0; j < 2; j++)
            free((void *)(uintptr_t)l->kinds[i].good[j].p);
    person_dispose(&l->p);
    person_dispose(&l->q);
    edn_buf_dispose(&l->token);
    edn_buf_dispose(&l->at);
    kit_dispose(&l->k);
}

/* ---- mutation ---------------------------------------------------------------------------------------------------- */

static size_t place_in(lab *l, const kind *k, size_t n) { return k->from + check_below(&l->rng, n - k->from); }

static void alter(lab *l, const kind *k, edn_bytes other)
{
    edn_buf *b = &l->at;
    size_t at = place_in(l, k, b->n), n = 1 + check_below(&l->rng, EDN_MIN(b->n - at, (size_t)40)), from;

    switch (check_below(&l->rng, 12)) {
    case 0:
    case 1:
    case 2:
        b->p[at] ^= (uint8_t)(1u << check_below(&l->rng, 8));
        break;
    case 3:
        b->p[at] = (uint8_t)check_next(&l->rng);
        break;
    case 4: /* several */
        for (uint64_t i = check_below(&l->rng, 6) + 1; i > 0; i--)
            b->p[place_in(l, k, b->n)] ^= (uint8_t)check_next(&l->rng);
        break;
    case 5: /* cut off */
        b->n = at;
        break;
    case 6: /* cut out */
        memmove(b->p + at, b->p + at + n, b->n - at - n);
        b->n -= n;
        break;
    case 7: /* put in, or behind */
        CHECK(edn_buf_grow(b, n) != NULL);
        memmove(b->p + at + n, b->p + at, b->n - n - at);
        fill(&l->rng, b->p + at, n);
        break;
    case 8: /* a count or length without end, or of nothing */
        memset(b->p + at, check_below(&l->rng, 2) ? 0xff : 0, EDN_MIN(b->n - at, (size_t)4));
        break;
    case 9: /* the rest of the other one */
        if (at < other.n) {
            b->n = at;
            edn_put_bytes(b, other.p + at, other.n - at);
        }
        break;
    case 10: /* a field of the other one */
        if (at + n <= other.n)
            memcpy(b->p + at, other.p + at, n);
        break;
    default: /* a field in another's place */
        from = place_in(l, k, b->n - EDN_MIN(n, b->n - k->from - 1));
        memmove(b->p + at, b->p + from, EDN_MIN(n, b->n - EDN_MAX(at, from)));
    }
}

static bool is_good(const kind *k, edn_bytes in)
{
    for (int i = 0; i < 2; i++)
        if (in.n == k->good[i].n && edn_bytes_equal(edn_bytes_of(in.p + k->from, in.n - k->from),
                                                    edn_bytes_of(k->good[i].p + k->from, in.n - k->from)))
            return true;
    return false;
}

/* False: nothing was altered. */
static bool try_mutant(lab *l, kind *k)
{
    size_t which = check_below(&l->rng, 2);
    bool again = k->resign && check_below(&l->rng, 4) == 0;

    edn_buf_reset(&l->at);
    edn_put_bytes(&l->at, k->good[which].p, k->good[which].n);
    if (!again || check_below(&l->rng, 2))
        alter(l, k, k->good[1 - which]);
    if (again)
        k->resign(l, &l->at);
    if (is_good(k, edn_buf_view(&l->at)))
        return false;
    if (k->taken(l, edn_buf_view(&l->at))) {
        print_error("taken as one of the %s, seed %llu, after %llu:\n", k->name, (unsigned long long)check_seed(),
                    (unsigned long long)k->refused);
        check_print("mutant", edn_buf_view(&l->at));
        fail();
    }
    k->refused++;
    return true;
}

static void no_mutant_is_taken(void **state)
{
    const char *want = getenv("EDN_MUTANTS");
    uint64_t left = want ? strtoull(want, NULL, 0) : 100000, all = left;
    uint32_t weights = 0;
    static lab l;

    (void)state;
    lab_open(&l);
    for (size_t i = 0; i < KINDS; i++)
        weights += l.kinds[i].weight;
    while (left > 0) {
        uint64_t at = check_below(&l.rng, weights);
        size_t i = 0;
        while (at >= l.kinds[i].weight)
            at -= l.kinds[i++].weight;
        left -= try_mutant(&l, &l.kinds[i]);
    }
    for (size_t i = 0; i < KINDS; i++) {
        print_message("%llu %s refused\n", (unsigned long long)l.kinds[i].refused, l.kinds[i].name);
        if (i == LOGIN) /* so much later its challenge has been used up, or is forgotten */
            l.kinds[i].good[0] = (free((void *)(uintptr_t)l.kinds[i].good[0].p), make_login(&l));
        if (!l.kinds[i].taken(&l, l.kinds[i].good[0])) {
            print_error("the good one of the %s is refused\n", l.kinds[i].name);
            fail();
        }
    }
    print_message("%llu in all, none taken\n", (unsigned long long)all);
    CHECK_INT(kit_pull_count(&l.k, &l.p, edn_buf_view(&l.token)), 1); /* the good push, and nothing else */
    lab_close(&l);
}

/* It was answered as a failure of the server's storage. */
static void a_batch_with_number_zero_is_refused(void **state)
{
    static lab l;
    edn_bytes batch, push;
    edn_buf answer = EDN_BUF_INIT(4096);

    (void)state;
    lab_open(&l);
    batch = make_batch(&l, "one record", 0);
    push = make_push(&batch);
    CHECK_INT(kit_ask(&l.k, "POST", "/v1/push", edn_buf_view(&l.token), push, &answer), 409);
    CHECK(!batch_taken(&l, batch));
    free((void *)(uintptr_t)batch.p);
    free((void *)(uintptr_t)push.p);
    edn_buf_dispose(&answer);
    lab_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_mutant_is_taken),
        cmocka_unit_test(a_batch_with_number_zero_is_refused),
    };

    cmocka_set_test_filter(getenv("T"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
