/* What people show and prove to each other, and letters: the published numbers, and everything altered. */
#include "vectors.h"

#include "keys/sharing.h"
#include "links.h"

static void fill_xorshift(void *ctx, void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)(check_next(ctx) >> 32);
}

static void safety_numbers_are_the_published_ones(void **state)
{
    (void)state;
    vectors v = vectors_open("edn/safety_number.json");
    size_t i;
    json_t *c;

    json_array_foreach(json_object_get(v.root, "cases"), i, c)
    {
        edn_bytes a = vector_hex(&v, c, "account_a"), b = vector_hex(&v, c, "account_b");
        char ab[EDN_SAFETY_DIGITS_SIZE], ba[EDN_SAFETY_DIGITS_SIZE];
        edn_account_id x, y;
        memcpy(x.b, a.p, sizeof x.b);
        memcpy(y.b, b.p, sizeof y.b);
        edn_safety_number(ab, &x, &y);
        edn_safety_number(ba, &y, &x);
        CHECK_STR(edn_bytes_str(ab), vector_str(c, "number"));
        CHECK_STR(edn_bytes_str(ba), ab);
    }
    CHECK(i >= 4);
    vectors_close(&v);
}

static void a_card_with_any_letter_changed_is_none(void **state)
{
    (void)state;
    const edn_account_id account = {{7, 1, 2, 3}};
    const edn_witness witness = {{9, 8, 0, 6}};
    char card[EDN_CARD_TEXT_SIZE], server[EDN_ORIGIN_SIZE_MAX + 1], longest[EDN_ORIGIN_SIZE_MAX + 1];
    edn_account_id back;
    edn_witness seen;

    edn_card_text(card, &account, &witness, "https://diary.example:8443");
    CHECK_OK(edn_card_parse(card, &back, &seen, server));
    CHECK(memcmp(back.b, account.b, sizeof back.b) == 0);
    CHECK(memcmp(seen.b, witness.b, sizeof seen.b) == 0);
    CHECK_STR(edn_bytes_str(server), "https://diary.example:8443");
    for (size_t i = 0; card[i]; i++) {
        char was = card[i];
        card[i] = was == 'X' ? 'Y' : 'X';
        CHECK_STATUS(edn_card_parse(card, &back, &seen, server), EDN_E_INVALID);
        card[i] = 0;
        CHECK_STATUS(edn_card_parse(card, &back, &seen, server), EDN_E_INVALID);
        card[i] = was;
    }
    memset(longest, 'a', EDN_ORIGIN_SIZE_MAX);
    longest[EDN_ORIGIN_SIZE_MAX] = 0;
    edn_card_text(card, &account, &witness, longest);
    CHECK_OK(edn_card_parse(card, &back, &seen, server));
    CHECK_STR(edn_bytes_str(server), longest);
}

/* A log with a first device that may write, another one, and one that may not. */
typedef struct account {
    links l;
    edn_account_id id;
    size_t other, reader;
    uint64_t seq; /* where all were active */
    edn_hash head;
} account;

static void account_init(account *a, uint64_t seed)
{
    links_init(&a->l, seed);
    a->other = a->reader = 0;
    while (a->other == 0 || a->reader == 0) {
        links_step(&a->l, EDN_LINK_ADD_DEVICE);
        *(a->l.devices[a->l.devices_n - 1].cert.caps & EDN_CAP_WRITE ? &a->other : &a->reader) = a->l.devices_n - 1;
    }
    a->id = edn_devlog_account(a->l.log);
    a->seq = edn_devlog_count(a->l.log) - 1;
    a->head = edn_devlog_head(a->l.log);
}

static edn_statement statement_of(account *a, size_t device, const edn_account_id *space, const edn_device_id *in_space)
{
    edn_statement s = {.account = a->id, .device = a->l.devices[device].id, .log_seq = a->seq, .log_head = a->head};

    edn_statement_sign(&s, space, in_space, &a->l.devices[device].sk);
    return s;
}

static void a_statement_says_whose_device_it_is(void **state)
{
    (void)state;
    const edn_account_id space = {{9}}, other_space = {{8}};
    const edn_device_id here = {{5}}, there = {{6}};
    account a, b;
    edn_statement s, t;

    account_init(&a, 1);
    account_init(&b, 2);
    s = statement_of(&a, a.other, &space, &here);
    CHECK_OK(edn_statement_check(&s, a.l.log, &space, &here));
    CHECK_STATUS(edn_statement_check(&s, a.l.log, &other_space, &here), EDN_E_SIG);
    CHECK_STATUS(edn_statement_check(&s, a.l.log, &space, &there), EDN_E_SIG);
    CHECK_STATUS(edn_statement_check(&s, b.l.log, &space, &here), EDN_E_ACCOUNT);
    t = s;
    t.account = b.id;
    CHECK_STATUS(edn_statement_check(&t, b.l.log, &space, &here), EDN_E_FORK);
    t = s;
    t.log_seq++;
    CHECK_STATUS(edn_statement_check(&t, a.l.log, &space, &here), EDN_E_MISSING);
    t = s;
    t.device = b.l.devices[0].id;
    CHECK_STATUS(edn_statement_check(&t, a.l.log, &space, &here), EDN_E_DEVICE_UNKNOWN);
    t = s;
    t.device = a.l.devices[0].id;
    CHECK_STATUS(edn_statement_check(&t, a.l.log, &space, &here), EDN_E_SIG);
    t = statement_of(&a, a.reader, &space, &here);
    CHECK_STATUS(edn_statement_check(&t, a.l.log, &space, &here), EDN_E_CAP);
    t = s;
    t.sig.b[63] ^= 1;
    CHECK_STATUS(edn_statement_check(&t, a.l.log, &space, &here), EDN_E_SIG);
    /* Before it was let in, and after it was taken out. */
    t = s;
    t.log_seq = edn_devlog_device_find(a.l.log, &s.device)->added_seq - 1;
    CHECK(edn_devlog_hash_at(a.l.log, t.log_seq, &t.log_head));
    CHECK_STATUS(edn_statement_check(&t, a.l.log, &space, &here), EDN_E_DEVICE_UNKNOWN);
    while (a.l.devices[a.other].active)
        links_step(&a.l, EDN_LINK_REVOKE_ROTATE);
    CHECK_OK(edn_statement_check(&s, a.l.log, &space, &here));
    t.log_seq = edn_devlog_count(a.l.log) - 1;
    t.log_head = edn_devlog_head(a.l.log);
    CHECK_STATUS(edn_statement_check(&t, a.l.log, &space, &here), EDN_E_SIGNER_REVOKED);
    links_dispose(&a.l);
    links_dispose(&b.l);
}

static void keys_in_a_space_are_its_own(void **state)
{
    (void)state;
    const edn_account_id x = {{1}}, y = {{2}};
    const edn_seed seed = {{3}};
    const edn_dh_sk enc = {{4}};
    edn_seed s1, s2, s3;
    edn_dh_sk e1, e2, e3;

    edn_space_device_keys(&s1, &e1, &seed, &enc, &x);
    edn_space_device_keys(&s2, &e2, &seed, &enc, &y);
    edn_space_device_keys(&s3, &e3, &seed, &enc, &x);
    CHECK(memcmp(s1.b, s2.b, sizeof s1.b) != 0 && memcmp(s1.b, s3.b, sizeof s1.b) == 0);
    CHECK(memcmp(e1.b, e2.b, sizeof e1.b) != 0 && memcmp(e1.b, e3.b, sizeof e1.b) == 0);
    CHECK(memcmp(s1.b, e1.b, sizeof s1.b) != 0);
}

/* ---- letters ----------------------------------------------------------------------------------------------------- */

typedef struct post {
    account from;
    edn_account_id to;
    edn_dh_sk sk;
    edn_dh_pk pk;
    check_rng seed;
    edn_random rng;
    edn_buf sealed, plain;
} post;

static void post_init(post *p)
{
    memset(p, 0, sizeof *p);
    account_init(&p->from, 3);
    p->to = (edn_account_id){{42}};
    p->seed.s = 77;
    p->rng = (edn_random){fill_xorshift, &p->seed};
    fill_xorshift(&p->seed, p->sk.b, sizeof p->sk.b);
    edn_dh_keypair(&p->sk, &p->pk);
    p->sealed = EDN_BUF_INIT(EDN_LETTER_SIZE_MAX);
    p->plain = EDN_BUF_INIT(EDN_LETTER_SIZE_MAX);
}

static void post_dispose(post *p)
{
    links_dispose(&p->from.l);
    edn_buf_dispose(&p->sealed);
    edn_buf_dispose(&p->plain);
}

static edn_letter letter_of(const post *p, edn_bytes payload)
{
    return (edn_letter){.kind = EDN_LETTER_JOURNAL,
                        .sender = p->from.id,
                        .device = p->from.l.devices[0].id,
                        .log_seq = p->from.seq,
                        .log_head = p->from.head,
                        .time_ms = 1234567,
                        .server = edn_bytes_str("https://a.example"),
                        .name = edn_bytes_str("anna"),
                        .payload = payload};
}

static edn_status seal(post *p, edn_letter *l)
{
    edn_buf_reset(&p->sealed);
    return edn_letter_seal(&p->sealed, l, &p->from.l.devices[0].sk, &p->to, 3, &p->pk, &p->rng);
}

static void letters_of_each_size_come_back(void **state)
{
    (void)state;
    static uint8_t long_payload[EDN_LETTER_PAYLOAD_MAX + 1];
    static const size_t sizes[] = {0, 1, 700, 900, 3900, 4000, 16000, EDN_LETTER_PAYLOAD_MAX};
    post p;
    edn_letter l, back;
    uint32_t epoch;

    post_init(&p);
    fill_xorshift(&p.seed, long_payload, sizeof long_payload);
    for (size_t i = 0; i < EDN_COUNT(sizes); i++) {
        l = letter_of(&p, edn_bytes_of(long_payload, sizes[i]));
        CHECK_OK(seal(&p, &l));
        CHECK(p.sealed.n == 1077 || p.sealed.n == 4149 || p.sealed.n == 16437 || p.sealed.n == 61493);
        CHECK_OK(edn_letter_epoch(edn_buf_view(&p.sealed), &epoch));
        CHECK_INT(epoch, 3);
        edn_buf_reset(&p.plain);
        CHECK_OK(edn_letter_open(edn_buf_view(&p.sealed), &p.to, &p.sk, &p.plain, &back));
        CHECK_BYTES(back.payload, l.payload);
        CHECK_BYTES(back.name, l.name);
        CHECK_BYTES(back.server, l.server);
        CHECK_INT(back.time_ms, l.time_ms);
        CHECK_OK(edn_letter_check(&back, p.from.l.log, &p.to, edn_buf_view(&p.plain)));
    }
    l = letter_of(&p, edn_bytes_of(long_payload, sizeof long_payload));
    CHECK_STATUS(seal(&p, &l), EDN_E_LIMIT);
    post_dispose(&p);
}

static void a_letter_altered_anywhere_does_not_open(void **state)
{
    (void)state;
    post p;
    edn_letter l, back;

    post_init(&p);
    l = letter_of(&p, edn_bytes_str("payload"));
    CHECK_OK(seal(&p, &l));
    for (size_t i = 0; i < p.sealed.n; i++) {
        p.sealed.p[i] ^= 1;
        edn_buf_reset(&p.plain);
        CHECK(edn_letter_open(edn_buf_view(&p.sealed), &p.to, &p.sk, &p.plain, &back) != EDN_OK);
        p.sealed.p[i] ^= 1;
    }
    for (size_t n = 0; n < p.sealed.n; n++) {
        edn_buf_reset(&p.plain);
        CHECK_STATUS(edn_letter_open(edn_bytes_of(p.sealed.p, n), &p.to, &p.sk, &p.plain, &back), EDN_E_FORMAT);
    }
    post_dispose(&p);
}

static void a_letter_is_for_one_account_and_from_one_device(void **state)
{
    (void)state;
    const edn_account_id other = {{43}};
    post p;
    account b;
    edn_letter l, back;

    post_init(&p);
    account_init(&b, 4);
    l = letter_of(&p, edn_bytes_str("payload"));
    CHECK_OK(seal(&p, &l));
    CHECK_STATUS(edn_letter_open(edn_buf_view(&p.sealed), &other, &p.sk, &p.plain, &back), EDN_E_AUTH);
    edn_buf_reset(&p.plain);
    CHECK_OK(edn_letter_open(edn_buf_view(&p.sealed), &p.to, &p.sk, &p.plain, &back));
    CHECK_STATUS(edn_letter_check(&back, p.from.l.log, &other, edn_buf_view(&p.plain)), EDN_E_SIG);
    CHECK_STATUS(edn_letter_check(&back, b.l.log, &p.to, edn_buf_view(&p.plain)), EDN_E_ACCOUNT);
    /* Sealed by somebody who knows the receiver, in another's name. */
    l = letter_of(&p, edn_bytes_str("payload"));
    edn_buf_reset(&p.sealed);
    CHECK_OK(edn_letter_seal(&p.sealed, &l, &b.l.devices[0].sk, &p.to, 3, &p.pk, &p.rng));
    edn_buf_reset(&p.plain);
    CHECK_OK(edn_letter_open(edn_buf_view(&p.sealed), &p.to, &p.sk, &p.plain, &back));
    CHECK_STATUS(edn_letter_check(&back, p.from.l.log, &p.to, edn_buf_view(&p.plain)), EDN_E_SIG);
    links_dispose(&b.l);
    post_dispose(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(safety_numbers_are_the_published_ones),
        cmocka_unit_test(a_card_with_any_letter_changed_is_none),
        cmocka_unit_test(a_statement_says_whose_device_it_is),
        cmocka_unit_test(keys_in_a_space_are_its_own),
        cmocka_unit_test(letters_of_each_size_come_back),
        cmocka_unit_test(a_letter_altered_anywhere_does_not_open),
        cmocka_unit_test(a_letter_is_for_one_account_and_from_one_device),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
