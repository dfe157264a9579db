/* Logins: what opens, what does not, and that nobody learns from a refusal which accounts there are. */
#include "server_kit.h"

typedef kit_person fixture;

/* Lookups of the store, by what they found. */
static struct {
    unsigned name_hits, name_misses, account_hits, account_misses;
} lookups;
static edn_meta real;

static edn_status counted_name_find(void *ctx, const edn_hash *name, edn_meta_name *out)
{
    edn_status st = real.name_find(ctx, name, out);

    lookups.name_hits += st == EDN_OK;
    lookups.name_misses += st == EDN_E_MISSING;
    return st;
}

static edn_status counted_account_find(void *ctx, const edn_account_id *id, edn_meta_account *out)
{
    edn_status st = real.account_find(ctx, id, out);

    lookups.account_hits += st == EDN_OK;
    lookups.account_misses += st == EDN_E_MISSING;
    return st;
}

static void count_lookups(kit *k)
{
    real = k->meta;
    k->meta.name_find = counted_name_find;
    k->meta.account_find = counted_account_find;
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    kit_prepare(&f->k);
    f->k.hook = count_lookups;
    f->k.config.limits.login_account_per_min = f->k.config.limits.passphrase_per_hour = 0;
    kit_open(&f->k);
    person_init(&f->p, 1);
    f->token = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);
    kit_register(&f->k, &f->p);
    *state = f;
    return 0;
}

static int login(fixture *f, size_t device, person_login *l)
{
    return person_login_send(&f->p, device, l, kit_ask, &f->k, &f->token);
}
static void challenge(fixture *f, size_t device, person_login *l)
{
    CHECK_INT(person_challenge(&f->p, device, kit_ask, &f->k, l), 200);
}

static void a_challenge_is_good_once(void **state)
{
    fixture *f = *state;
    person_login l, again;

    challenge(f, 0, &l);
    again = l;
    CHECK_INT(login(f, 0, &l), 200);
    CHECK(f->token.n <= 420);
    CHECK_INT(login(f, 0, &again), 401);
}

static void a_challenge_is_good_for_a_minute(void **state)
{
    fixture *f = *state;
    person_login l;

    challenge(f, 0, &l);
    f->k.now_ms += 59000;
    CHECK_INT(login(f, 0, &l), 200);
    challenge(f, 0, &l);
    f->k.now_ms += 60000;
    CHECK_INT(login(f, 0, &l), 401);
    challenge(f, 0, &l);
    f->k.now_ms -= 1000; /* from the future */
    CHECK_INT(login(f, 0, &l), 401);
}

static void a_challenge_does_not_outlive_the_process(void **state)
{
    fixture *f = *state;
    person_login l;

    challenge(f, 0, &l);
    kit_close(&f->k);
    kit_open(&f->k);
    CHECK_INT(login(f, 0, &l), 401);
}

/* Each is signed by the right key, over what the message says: only the server's own values can find it out. */
static void refuses_a_message_that_is_not_of_this_challenge(void **state)
{
    fixture *f = *state;
    person_login l;

#define SPOILT(change)                                                                                                 \
    challenge(f, 0, &l);                                                                                               \
    change;                                                                                                            \
    CHECK_INT(login(f, 0, &l), 401)
    SPOILT(l.m.server_nonce[0] ^= 1);
    SPOILT(l.m.server_nonce[31] ^= 1);
    SPOILT(l.m.client_nonce[0] ^= 1);
    SPOILT(l.m.server_time++);
    SPOILT(l.m.account.b[0] ^= 1);
    SPOILT(l.m.device.b[0] ^= 1);
    SPOILT(l.m.channel_binding[0] ^= 1);
    SPOILT(memcpy(l.origin, "https://evil.example", 21));
    SPOILT(l.m.kind = EDN_LOGIN_PASSPHRASE; memset(&l.m.device, 0, 16));
#undef SPOILT
    challenge(f, 0, &l);
    l.m.log_seq += 5; /* where the client says it is in the log is its own affair */
    CHECK_INT(login(f, 0, &l), 200);
}

static void the_signature_is_over_this_tls_session(void **state)
{
    fixture *f = *state;
    uint8_t here[32], there[32];
    person_login l;

    memset(here, 1, sizeof here);
    memset(there, 2, sizeof there);
    f->k.binding = here;
    challenge(f, 0, &l);
    memcpy(l.m.channel_binding, here, 32);
    CHECK_INT(login(f, 0, &l), 200);
    challenge(f, 0, &l);
    memcpy(l.m.channel_binding, there, 32); /* relayed from another session */
    CHECK_INT(login(f, 0, &l), 401);
    challenge(f, 0, &l);
    CHECK_INT(login(f, 0, &l), 401); /* zeros, with TLS */
    f->k.binding = NULL;
    kit_close(&f->k);
    f->k.config.behind_proxy = true;
    kit_open(&f->k);
    challenge(f, 0, &l);
    memcpy(l.m.channel_binding, there, 32); /* of the client's session with the proxy: we cannot know it */
    CHECK_INT(login(f, 0, &l), 200);
}

static void another_key_of_the_account_does_not_sign_in(void **state)
{
    fixture *f = *state;
    edn_sign_sk device = f->p.devices[0].sk, passphrase = f->p.login_sk;
    person_login l;

    challenge(f, 0, &l);
    f->p.devices[0].sk = passphrase;
    CHECK_INT(login(f, 0, &l), 401);
    challenge(f, SIZE_MAX, &l);
    f->p.login_sk = device;
    CHECK_INT(login(f, SIZE_MAX, &l), 401);
    f->p.devices[0].sk = device;
    f->p.login_sk = passphrase;
}

static void a_token_lives_ten_minutes(void **state)
{
    fixture *f = *state;

    person_sign_in(&f->p, 0, kit_ask, &f->k, &f->token);
    f->k.now_ms += 599999;
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, edn_buf_view(&f->token)), 200);
    f->k.now_ms += 1;
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, edn_buf_view(&f->token)), 401);
}

static void signing_keys_change_every_thirty_days_and_overlap(void **state)
{
    fixture *f = *state;
    uint64_t period = 30u * 86400u * 1000u;

    f->k.now_ms = (f->k.now_ms / period + 1) * period - 1000;
    person_sign_in(&f->p, 0, kit_ask, &f->k, &f->token);
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, edn_buf_view(&f->token)), 200);
    f->k.now_ms += 2000;
    kit_close(&f->k); /* nothing remembers that the token was good */
    kit_open(&f->k);
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, edn_buf_view(&f->token)), 200);
    /* A server that ran all the time signs with the key of today: one that begins two days later knows no other. */
    f->k.now_ms += period + 2 * 86400 * 1000;
    person_sign_in(&f->p, 0, kit_ask, &f->k, &f->token);
    kit_close(&f->k);
    kit_open(&f->k);
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, edn_buf_view(&f->token)), 200);
}

static void a_token_of_another_server_is_nothing_here(void **state)
{
    fixture *f = *state;

    person_sign_in(&f->p, 0, kit_ask, &f->k, &f->token);
    kit_close(&f->k);
    f->k.master[0] ^= 1;
    kit_open(&f->k);
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, edn_buf_view(&f->token)), 401);
}

/* ---- by passphrase ----------------------------------------------------------------------------------------------- */

static int send_links(fixture *f, size_t from, size_t n)
{
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
    edn_msg_log_append m = {f->p.links + from, n, f->p.boxes + f->p.boxes_n - 1, 1};
    int status;

    edn_log_append_put(&rq, &m);
    status = kit_ask(&f->k, "POST", "/v1/log", edn_buf_view(&f->token), edn_buf_view(&rq), NULL);
    edn_buf_dispose(&rq);
    return status;
}

static void a_passphrase_reads_the_log_and_adds_a_device_and_no_more(void **state)
{
    fixture *f = *state;
    edn_buf rq = EDN_BUF_INIT(65536), answer = EDN_BUF_INIT(0);
    edn_arena a = edn_arena_init(1u << 20);
    edn_msg_pulled m;
    size_t links;
    static const char blob[] = "/v1/blobs/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    person_sign_in(&f->p, 0, kit_ask, &f->k, &f->token);
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, edn_buf_view(&f->token)), 200);
    person_sign_in(&f->p, SIZE_MAX, kit_ask, &f->k, &f->token);
    person_pull(&f->p, 0, NULL, 0, &rq);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/pull", edn_buf_view(&f->token), edn_buf_view(&rq), &answer), 200);
    CHECK_OK(edn_pulled_decode(&a, edn_buf_view(&answer), &m));
    CHECK_INT(m.links_n, f->p.links_n);
    CHECK_INT(m.heads_n, 1);
    CHECK_INT(m.batches_n, 0);

    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, edn_buf_view(&f->token)), 401);
    CHECK_INT(kit_ask(&f->k, "GET", "/v1/events", edn_buf_view(&f->token), EDN_BYTES_EMPTY, NULL), 401);
    CHECK_INT(kit_ask(&f->k, "PUT", blob, edn_buf_view(&f->token), edn_bytes_str("x"), NULL), 401);
    CHECK_INT(kit_ask(&f->k, "GET", blob, edn_buf_view(&f->token), EDN_BYTES_EMPTY, NULL), 401);

    links = f->p.links_n;
    person_add_device(&f->p, EDN_CAP_READ);
    person_add_device(&f->p, EDN_CAP_READ);
    CHECK_INT(send_links(f, links, 0), 401); /* boxes alone */
    CHECK_INT(send_links(f, links, 2), 401);
    CHECK_INT(send_links(f, links, 1), 422); /* with the other link's box */
    f->p.boxes_n--;
    CHECK_INT(send_links(f, links, 1), 200);
    f->p.boxes_n++;
    CHECK_INT(send_links(f, links + 1, 1), 200);
    links = f->p.links_n;
    person_set_kdf(&f->p);
    CHECK_INT(send_links(f, links, 1), 401);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&answer);
    edn_arena_dispose(&a);
}

static void a_new_passphrase_ends_what_the_old_one_opened(void **state)
{
    fixture *f = *state;
    edn_buf old = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX), rq = EDN_BUF_INIT(65536), boxes = EDN_BUF_INIT(65536);
    edn_sign_sk before = f->p.login_sk, after;
    size_t links = f->p.links_n, boxes_n = f->p.boxes_n;
    edn_msg_log_append m;
    person_login l;
    uint8_t record[32];

    person_sign_in(&f->p, SIZE_MAX, kit_ask, &f->k, &old);
    person_pull(&f->p, 0, NULL, 0, &rq);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/pull", edn_buf_view(&old), edn_buf_view(&rq), NULL), 200);
    person_sign_in(&f->p, 0, kit_ask, &f->k, &f->token);
    memcpy(record, f->p.kdf_record, 32);
    person_set_kdf(&f->p);
    m = (edn_msg_log_append){f->p.links + links, 1, f->p.boxes + boxes_n, 1};
    m.boxes_n = 0; /* without the record nobody could sign in by passphrase again */
    edn_log_append_put(&boxes, &m);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/log", edn_buf_view(&f->token), edn_buf_view(&boxes), NULL), 422);
    m.boxes_n = 2;
    edn_buf_reset(&boxes);
    edn_log_append_put(&boxes, &m);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/log", edn_buf_view(&f->token), edn_buf_view(&boxes), NULL), 200);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/pull", edn_buf_view(&old), edn_buf_view(&rq), NULL), 401);

    after = f->p.login_sk;
    f->p.login_sk = before;
    challenge(f, SIZE_MAX, &l);
    CHECK_INT(login(f, SIZE_MAX, &l), 401);
    f->p.login_sk = after;
    person_sign_in(&f->p, SIZE_MAX, kit_ask, &f->k, &f->token);
    kit_close(&f->k);
    kit_open(&f->k);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/pull", edn_buf_view(&old), edn_buf_view(&rq), NULL), 401);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/pull", edn_buf_view(&f->token), edn_buf_view(&rq), NULL), 200);
    edn_buf_dispose(&old);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&boxes);
}

/* ---- who is there ------------------------------------------------------------------------------------------------ */

static void ask_name(fixture *f, const edn_hash *name, edn_buf *answer, edn_msg_challenge *m, edn_arena *a)
{
    edn_buf rq = EDN_BUF_INIT(1024);
    edn_msg_challenge_ask ask = {.kind = EDN_LOGIN_PASSPHRASE, .name_hash = *name};

    edn_challenge_ask_put(&rq, &ask);
    memset(&lookups, 0, sizeof lookups);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/challenge", EDN_BYTES_EMPTY, edn_buf_view(&rq), answer), 200);
    CHECK_OK(edn_challenge_decode(a, edn_buf_view(answer), m));
    edn_buf_dispose(&rq);
}

static void an_unknown_name_answers_like_a_known_one(void **state)
{
    fixture *f = *state;
    edn_buf known = EDN_BUF_INIT(0), unknown = EDN_BUF_INIT(0), again = EDN_BUF_INIT(0);
    edn_arena a = edn_arena_init(65536);
    edn_msg_challenge k, u, v;
    edn_hash nobody = {{1, 2, 3}}, other = {{3, 2, 1}};
    uint8_t drawn[16] = {0};

    ask_name(f, &f->p.name, &known, &k, &a);
    CHECK(memcmp(&k.account, &f->p.account, 32) == 0);
    CHECK(memcmp(k.kdf_record, f->p.kdf_record, 32) == 0);
    CHECK_INT(lookups.name_hits, 1);
    CHECK_INT(lookups.name_misses, 1);

    ask_name(f, &nobody, &unknown, &u, &a);
    CHECK_INT(lookups.name_hits, 1);
    CHECK_INT(lookups.name_misses, 1);
    CHECK_INT(unknown.n, known.n);
    CHECK(memcmp(u.kdf_record, k.kdf_record, 8) == 0); /* the form of a record; salts differ anyway */
    CHECK_INT(edn_load_u32(u.kdf_record + 8), 3);
    CHECK_INT(edn_load_u32(u.kdf_record + 12), 262144); /* as new accounts have it */
    ask_name(f, &nobody, &again, &v, &a);
    CHECK(memcmp(&u.account, &v.account, 32) == 0);
    CHECK(memcmp(u.kdf_record, v.kdf_record, 32) == 0);
    CHECK(memcmp(u.server_nonce, v.server_nonce, 32) != 0);
    kit_close(&f->k);
    kit_open(&f->k);
    ask_name(f, &nobody, &again, &v, &a);
    CHECK(memcmp(&u.account, &v.account, 32) == 0);
    ask_name(f, &other, &again, &v, &a);
    CHECK(memcmp(&u.account, &v.account, 32) != 0);
    CHECK(memcmp(u.kdf_record + 16, v.kdf_record + 16, 16) != 0);
    for (uint8_t i = 0; i < 8; i++) { /* each byte of the salt is drawn */
        ask_name(f, &(edn_hash){{9, i}}, &again, &v, &a);
        for (size_t j = 0; j < sizeof drawn; j++)
            drawn[j] |= v.kdf_record[16 + j] ^ u.kdf_record[16 + j];
    }
    for (size_t j = 0; j < sizeof drawn; j++)
        CHECK(drawn[j] != 0);
    edn_buf_dispose(&known);
    edn_buf_dispose(&unknown);
    edn_buf_dispose(&again);
    edn_arena_dispose(&a);
}

/* A login that fails, and what it cost. */
static void failing_login(fixture *f, const edn_account_id *account, const edn_device_id *device, edn_buf *answer)
{
    edn_buf rq = EDN_BUF_INIT(1024);
    person_login l;

    challenge(f, 0, &l);
    l.m.account = *account;
    l.m.device = *device;
    memset(&l.m.sig, 0x11, sizeof l.m.sig);
    edn_login_put(&rq, &l.m);
    memset(&lookups, 0, sizeof lookups);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/login", EDN_BYTES_EMPTY, edn_buf_view(&rq), answer), 401);
    edn_buf_dispose(&rq);
}

static void every_refused_login_looks_the_same(void **state)
{
    fixture *f = *state;
    edn_buf a = EDN_BUF_INIT(0), b = EDN_BUF_INIT(0), c = EDN_BUF_INIT(0);
    edn_account_id nobody = {{9}};
    edn_device_id nothing = {{9}};

    person_sign_in(&f->p, 0, kit_ask, &f->k, &f->token);
    failing_login(f, &f->p.account, &f->p.devices[0].id, &a);
    CHECK_INT(lookups.account_hits, 1);
    CHECK_INT(lookups.account_misses, 1);
    failing_login(f, &f->p.account, &nothing, &b);
    CHECK_INT(lookups.account_hits, 1);
    CHECK_INT(lookups.account_misses, 1);
    failing_login(f, &nobody, &f->p.devices[0].id, &c);
    CHECK_INT(lookups.account_hits, 1);
    CHECK_INT(lookups.account_misses, 1);
    CHECK_BYTES(edn_buf_view(&b), edn_buf_view(&a));
    CHECK_BYTES(edn_buf_view(&c), edn_buf_view(&a));
    /* and like a request without a token, or with one that is spoilt */
    CHECK_INT(kit_ask(&f->k, "GET", "/v1/events", EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, &b), 401);
    CHECK_BYTES(edn_buf_view(&b), edn_buf_view(&a));
    f->token.p[f->token.n - 1] ^= 1;
    CHECK_INT(kit_ask(&f->k, "GET", "/v1/events", edn_buf_view(&f->token), EDN_BYTES_EMPTY, &b), 401);
    CHECK_BYTES(edn_buf_view(&b), edn_buf_view(&a));
    edn_buf_dispose(&a);
    edn_buf_dispose(&b);
    edn_buf_dispose(&c);
}

/* A34: whatever byte of a login is changed, the answer is the same, or says that it is no login at all. */
static void mutated_logins_get_one_of_two_answers(void **state)
{
    fixture *f = *state;
    edn_buf rq = EDN_BUF_INIT(1024), answer = EDN_BUF_INIT(0), denied = EDN_BUF_INIT(0);
    check_rng r = {check_seed()};
    edn_login_message m;
    person_login l;

    CHECK_INT(kit_ask(&f->k, "GET", "/v1/events", EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, &denied), 401);
    for (int i = 0; i < 1000; i++) {
        int status;
        size_t at;
        challenge(f, 0, &l);
        m = (edn_login_message){.origin = edn_bytes_str(l.origin),
                                .account = l.m.account,
                                .device = l.m.device,
                                .server_time = l.m.server_time,
                                .log_seq = l.m.log_seq,
                                .log_head = l.m.log_head};
        memcpy(m.client_nonce, l.m.client_nonce, 32);
        memcpy(m.server_nonce, l.m.server_nonce, 32);
        edn_login_sign(&l.m.sig, &m, &f->p.devices[0].sk);
        edn_buf_reset(&rq);
        edn_login_put(&rq, &l.m);
        at = check_below(&r, rq.n);
        rq.p[at] ^= (uint8_t)(1 + check_below(&r, 255));
        status = kit_ask(&f->k, "POST", "/v1/login", EDN_BYTES_EMPTY, edn_buf_view(&rq), &answer);
        if (status == 401)
            CHECK_BYTES(edn_buf_view(&answer), edn_buf_view(&denied));
        else
            CHECK_INT(status, 400);
    }
    edn_buf_dispose(&rq);
    edn_buf_dispose(&answer);
    edn_buf_dispose(&denied);
}

static void pseudonyms_change_with_the_day(void **state)
{
    fixture *f = *state;
    char a[13], b[13], c[13];

    edn_server_pseudonym(f->k.s, edn_bytes_str("192.0.2.1"), a);
    edn_server_pseudonym(f->k.s, edn_bytes_str("192.0.2.1"), b);
    f->k.now_ms += 86400000;
    edn_server_pseudonym(f->k.s, edn_bytes_str("192.0.2.1"), c);
    CHECK_INT(strlen(a), 12);
    CHECK(strcmp(a, b) == 0);
    CHECK(strcmp(a, c) != 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, kit_person_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_challenge_is_good_once),
        T(a_challenge_is_good_for_a_minute),
        T(a_challenge_does_not_outlive_the_process),
        T(refuses_a_message_that_is_not_of_this_challenge),
        T(the_signature_is_over_this_tls_session),
        T(another_key_of_the_account_does_not_sign_in),
        T(a_token_lives_ten_minutes),
        T(signing_keys_change_every_thirty_days_and_overlap),
        T(a_token_of_another_server_is_nothing_here),
        T(a_passphrase_reads_the_log_and_adds_a_device_and_no_more),
        T(a_new_passphrase_ends_what_the_old_one_opened),
        T(an_unknown_name_answers_like_a_known_one),
        T(every_refused_login_looks_the_same),
        T(mutated_logins_get_one_of_two_answers),
        T(pseudonyms_change_with_the_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
