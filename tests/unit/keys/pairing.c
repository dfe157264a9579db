/* Pairing: the published cases, and everybody who might stand between. */
#include "vectors.h"

#include "crypto/seal_priv.h"
#include "keys/keys_priv.h"
#include "keys/pairing.h"

static void fill_xorshift(void *ctx, void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)(check_next(ctx) >> 32);
}

typedef struct meeting {
    edn_pairing a, b;
    edn_buf m1, m2, m3, none;
} meeting;

static void meeting_dispose(meeting *m)
{
    edn_buf_dispose(&m->m1);
    edn_buf_dispose(&m->m2);
    edn_buf_dispose(&m->m3);
    edn_buf_dispose(&m->none);
}

static void meeting_init(meeting *m, check_rng *seed, const edn_psk *psk_a, const edn_psk *psk_b)
{
    edn_rendezvous_id id = {{1}};
    edn_dh_sk sk_a, sk_b;
    edn_dh_pk offer;
    uint8_t na[32], nb[32];

    memset(m, 0, sizeof *m);
    m->m1 = m->m2 = m->m3 = m->none = EDN_BUF_INIT(1024);
    fill_xorshift(seed, sk_a.b, 32);
    fill_xorshift(seed, sk_b.b, 32);
    fill_xorshift(seed, na, 32);
    fill_xorshift(seed, nb, 32);
    edn_dh_keypair(&sk_b, &offer);
    edn_pairing_init(&m->a, EDN_PAIRING_OLD, &id, &sk_a, &offer, psk_a, na);
    edn_pairing_init(&m->b, EDN_PAIRING_NEW, &id, &sk_b, NULL, psk_b, nb);
}

/* Up to the last message, which the caller gives. */
static void meeting_speak(meeting *m)
{
    CHECK_OK(edn_pairing_step(&m->a, EDN_BYTES_EMPTY, &m->m1));
    CHECK_OK(edn_pairing_step(&m->b, edn_buf_view(&m->m1), &m->m2));
    CHECK_OK(edn_pairing_step(&m->a, edn_buf_view(&m->m2), &m->m3));
}

static void pairing_vectors(void **state)
{
    (void)state;
    vectors v = vectors_open("edn/pairing.json");
    size_t i;
    json_t *c;

    json_array_foreach(json_object_get(v.root, "cases"), i, c)
    {
        edn_bytes psk_bytes = vector_hex(&v, c, "psk");
        edn_rendezvous_id id;
        edn_dh_sk sk_a, sk_b;
        edn_dh_pk pk_b;
        edn_psk psk;
        meeting m = {.m1 = EDN_BUF_INIT(99), .m2 = EDN_BUF_INIT(99), .m3 = EDN_BUF_INIT(99), .none = EDN_BUF_INIT(9)};

        VECTOR_INTO(id, &v, c, "rendezvous_id");
        VECTOR_INTO(sk_a, &v, c, "eph_sk_a");
        VECTOR_INTO(sk_b, &v, c, "eph_sk_b");
        VECTOR_INTO(pk_b, &v, c, "eph_pk_b");
        if (psk_bytes.n)
            VECTOR_INTO(psk, &v, c, "psk");
        edn_pairing_init(&m.a, EDN_PAIRING_OLD, &id, &sk_a, &pk_b, psk_bytes.n ? &psk : NULL,
                         vector_fixed(&v, c, "rand_a", 32));
        edn_pairing_init(&m.b, EDN_PAIRING_NEW, &id, &sk_b, NULL, psk_bytes.n ? &psk : NULL,
                         vector_fixed(&v, c, "rand_b", 32));
        meeting_speak(&m);
        CHECK_BYTES(edn_buf_view(&m.m1), vector_hex(&v, c, "commit"));
        CHECK_OK(edn_pairing_step(&m.b, edn_buf_view(&m.m3), &m.none));
        CHECK_INT(m.none.n, 0);
        for (const edn_pairing *p = &m.a; p; p = p == &m.a ? &m.b : NULL) {
            CHECK_INT(p->state, EDN_PAIRING_DONE);
            CHECK_BYTES(EDN_F(p->transcript), vector_hex(&v, c, "transcript"));
            CHECK_BYTES(edn_bytes_of(p->key_a2b, 32), vector_hex(&v, c, "key_a2b"));
            CHECK_BYTES(edn_bytes_of(p->key_b2a, 32), vector_hex(&v, c, "key_b2a"));
            CHECK_STR(edn_bytes_str(p->digits), vector_str(c, "sas"));
        }
        meeting_dispose(&m);
    }
    CHECK(i > 0);
    vectors_close(&v);
}

static void a_pairing_that_went_wrong_is_over(void **state)
{
    check_rng seed = {check_seed()};
    meeting m;

    (void)state;
    for (size_t at = 0; at < 64; at++) { /* the reveal is not what was committed to */
        meeting_init(&m, &seed, NULL, NULL);
        meeting_speak(&m);
        m.m3.p[at] ^= 1;
        CHECK_STATUS(edn_pairing_step(&m.b, edn_buf_view(&m.m3), &m.none), EDN_E_AUTH);
        m.m3.p[at] ^= 1;
        CHECK_INT(m.b.state, EDN_PAIRING_DEAD);
        CHECK_STATUS(edn_pairing_step(&m.b, edn_buf_view(&m.m3), &m.none), EDN_E_FORMAT);
        CHECK_INT(m.none.n, 0);
        meeting_dispose(&m);
    }
    meeting_init(&m, &seed, NULL, NULL); /* another key than the offer's */
    CHECK_OK(edn_pairing_step(&m.a, EDN_BYTES_EMPTY, &m.m1));
    CHECK_OK(edn_pairing_step(&m.b, edn_buf_view(&m.m1), &m.m2));
    m.m2.p[0] ^= 1;
    CHECK_STATUS(edn_pairing_step(&m.a, edn_buf_view(&m.m2), &m.m3), EDN_E_AUTH);
    CHECK_INT(m.m3.n, 0);
    meeting_dispose(&m);
    meeting_init(&m, &seed, NULL, NULL); /* turns that are not theirs, lengths that are not right */
    CHECK_STATUS(edn_pairing_step(&m.b, EDN_BYTES_EMPTY, &m.m1), EDN_E_FORMAT);
    CHECK_STATUS(edn_pairing_step(&m.a, edn_bytes_str("x"), &m.m1), EDN_E_FORMAT);
    meeting_dispose(&m);
    meeting_init(&m, &seed, NULL, NULL);
    meeting_speak(&m);
    CHECK_STATUS(edn_pairing_step(&m.b, edn_bytes_of(m.m3.p, 63), &m.none), EDN_E_FORMAT);
    CHECK_STATUS(edn_pairing_step(&m.a, edn_buf_view(&m.m2), &m.none), EDN_E_FORMAT); /* done already */
    meeting_dispose(&m);
    meeting_init(&m, &seed, NULL, NULL); /* a key of small order */
    m.a.expects = false;
    CHECK_OK(edn_pairing_step(&m.a, EDN_BYTES_EMPTY, &m.m1));
    edn_put_zeros(&m.m2, 64);
    CHECK_STATUS(edn_pairing_step(&m.a, edn_buf_view(&m.m2), &m.m3), EDN_E_KEY_INVALID);
    meeting_dispose(&m);
}

static void digits_and_keys_differ_where_anything_does(void **state)
{
    check_rng seed = {check_seed()};
    edn_psk one = {{1}}, two = {{2}};
    meeting m;

    (void)state;
    meeting_init(&m, &seed, &one, &two);
    meeting_speak(&m);
    CHECK_OK(edn_pairing_step(&m.b, edn_buf_view(&m.m3), &m.none));
    CHECK(memcmp(m.a.digits, m.b.digits, 6) != 0);
    CHECK(memcmp(m.a.key_a2b, m.b.key_a2b, 32) != 0);
    meeting_dispose(&m);
    meeting_init(&m, &seed, &one, &one); /* the server changes the new device's number on the way */
    CHECK_OK(edn_pairing_step(&m.a, EDN_BYTES_EMPTY, &m.m1));
    CHECK_OK(edn_pairing_step(&m.b, edn_buf_view(&m.m1), &m.m2));
    m.m2.p[40] ^= 1;
    CHECK_OK(edn_pairing_step(&m.a, edn_buf_view(&m.m2), &m.m3));
    CHECK_OK(edn_pairing_step(&m.b, edn_buf_view(&m.m3), &m.none));
    CHECK(memcmp(m.a.digits, m.b.digits, 6) != 0);
    meeting_dispose(&m);
}

static void an_offer_is_read_as_it_was_written(void **state)
{
    check_rng seed = {check_seed()};
    edn_pairing_offer offer, got;
    char text[EDN_PAIRING_OFFER_TEXT_SIZE];
    edn_bytes t = edn_bytes_of(text, sizeof text - 1);

    (void)state;
    for (int round = 0; round < 50; round++) {
        fill_xorshift(&seed, &offer, sizeof offer);
        edn_pairing_offer_text(text, &offer);
        CHECK_INT(strlen(text), sizeof text - 1);
        if (round % 2)
            for (char *c = text; *c; c++)
                *c = (char)(*c >= 'A' ? *c + 32 : *c);
        CHECK_OK(edn_pairing_offer_parse(t, &got));
        CHECK_BYTES(edn_bytes_of(&got, sizeof got), edn_bytes_of(&offer, sizeof offer));
    }
    CHECK_STATUS(edn_pairing_offer_parse(edn_bytes_of(text, t.n - 1), &got), EDN_E_INVALID);
    for (unsigned c = 0; c < 256; c++) {
        bool digit = c && strchr("0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyz", (int)c);
        text[60] = (char)c;
        CHECK_STATUS(edn_pairing_offer_parse(t, &got), digit ? EDN_OK : EDN_E_INVALID);
    }
    text[60] = '0';
    text[1] = (char)(text[1] == '4' ? '5' : '8'); /* the version's low bits are in the second digit */
    CHECK_STATUS(edn_pairing_offer_parse(t, &got), EDN_E_TYPE);
    edn_pairing_offer_text(text, &offer);
    text[t.n - 1] = '1'; /* a bit after the end */
    CHECK_STATUS(edn_pairing_offer_parse(t, &got), EDN_E_INVALID);
}

static void cpace_vectors(void **state)
{
    (void)state;
    vectors v = vectors_open("cpace/cpace_ristretto255.json");
    json_t *c = json_object_get(v.root, "G_Coffee25519"), *points = json_object_get(v.root, "G_Coffee25519_points");
    json_t *good = json_object_get(points, "Valid");
    edn_bytes sid = vector_hex(&v, c, "sid"), ada = vector_hex(&v, c, "ADa"), adb = vector_hex(&v, c, "ADb");
    edn_cpace_scalar ya, yb;
    edn_cpace_share sa, sb;
    uint8_t g[32], isk[64 + 1]; /* and one byte that is not the function's */

    isk[64] = 0x5a;
    edn_cpace_generator(g, vector_hex(&v, c, "PRS"), vector_hex(&v, c, "CI"), sid);
    CHECK_BYTES(edn_bytes_of(g, 32), vector_hex(&v, c, "g"));
    VECTOR_INTO(ya, &v, c, "ya");
    VECTOR_INTO(yb, &v, c, "yb");
    VECTOR_INTO(sa, &v, c, "Ya");
    VECTOR_INTO(sb, &v, c, "Yb");
    CHECK_OK(edn_cpace_finish(isk, &ya, sid, true, &sa, ada, &sb, adb));
    CHECK_BYTES(edn_bytes_of(isk, 64), vector_hex(&v, c, "ISK_IR"));
    CHECK_OK(edn_cpace_finish(isk, &yb, sid, false, &sb, adb, &sa, ada));
    CHECK_BYTES(edn_bytes_of(isk, 64), vector_hex(&v, c, "ISK_IR"));
    VECTOR_INTO(ya, &v, good, "s");
    VECTOR_INTO(sb, &v, good, "X");
    CHECK_OK(edn_cpace_finish(isk, &ya, sid, true, &sa, ada, &sb, adb));
    VECTOR_INTO(sb, &v, points, "Invalid Y1");
    CHECK_STATUS(edn_cpace_finish(isk, &ya, sid, true, &sa, ada, &sb, adb), EDN_E_KEY_INVALID);
    VECTOR_INTO(sb, &v, points, "Invalid Y2");
    CHECK_STATUS(edn_cpace_finish(isk, &ya, sid, true, &sa, ada, &sb, adb), EDN_E_KEY_INVALID);
    CHECK_INT(isk[64], 0x5a);
    vectors_close(&v);
}

static void a_code_gives_both_one_key_and_a_guess_gives_another(void **state)
{
    check_rng seed = {check_seed()};
    const edn_random rng = {fill_xorshift, &seed};
    edn_rendezvous_id id = {{9}};
    char code[EDN_PAIRING_CODE_SIZE], typed[EDN_PAIRING_CODE_SIZE];
    edn_cpace_scalar y1, y2;
    edn_cpace_share s1, s2;
    edn_psk k1, k2;

    (void)state;
    edn_pairing_code_make(code, &rng);
    CHECK_INT(strlen(code), 8);
    for (int guess = 0; guess < 2; guess++) {
        memcpy(typed, code, sizeof typed);
        if (guess)
            typed[7] = typed[7] == '0' ? '1' : '0';
        edn_pairing_code_start(&y1, &s1, code, &id, &rng);
        edn_pairing_code_start(&y2, &s2, typed, &id, &rng);
        CHECK_OK(edn_pairing_code_psk(&k1, &y1, EDN_PAIRING_OLD, &id, &s1, &s2));
        CHECK_OK(edn_pairing_code_psk(&k2, &y2, EDN_PAIRING_NEW, &id, &s2, &s1));
        CHECK((memcmp(&k1, &k2, sizeof k1) == 0) == !guess);
    }
    CHECK_OK(edn_pairing_code_parse(edn_bytes_str(" oIl2-abz9 "), typed));
    CHECK_STR(edn_bytes_str(typed), "0112ABZ9");
    CHECK_STATUS(edn_pairing_code_parse(edn_bytes_str("0112ABZ"), typed), EDN_E_INVALID);
    CHECK_STATUS(edn_pairing_code_parse(edn_bytes_str("0112ABZ90"), typed), EDN_E_INVALID);
    CHECK_STATUS(edn_pairing_code_parse(edn_bytes_str("0112ABZU"), typed), EDN_E_INVALID);
}

/* Six words, each chosen by the next ten bits of the hash. */
static void check_words(const char *code, const edn_account_id *account, uint64_t seq, const edn_hash *head)
{
    edn_hash h = edn_h32_t(EDN_LABEL_HEAD_CODE, EDN_F(*account), EDN_F_U64(seq), EDN_F(*head));
    char want[EDN_HEAD_CODE_SIZE] = "";

    for (unsigned bit = 0; bit < 60;) {
        unsigned word = 0;
        for (unsigned end = bit + 10; bit < end; bit++)
            word = 2 * word + (h.b[bit / 8] >> (7 - bit % 8) & 1);
        strncat(want, edn_slip39_words[word], 8);
        strcat(want, bit < 60 ? " " : "");
    }
    CHECK_STR(edn_bytes_str(code), want);
}

static void heads_that_differ_have_other_words(void **state)
{
    edn_account_id account = {{1}};
    edn_hash head = {{2}};
    char a[EDN_HEAD_CODE_SIZE], b[EDN_HEAD_CODE_SIZE];
    size_t blanks = 0;

    (void)state;
    edn_head_code(a, &account, 7, &head);
    for (const char *c = a; *c; c++)
        blanks += *c == ' ';
    CHECK_INT(blanks, 5);
    check_words(a, &account, 7, &head);
    edn_head_code(b, &account, 7, &head);
    CHECK_STR(edn_bytes_str(a), b);
    edn_head_code(b, &account, 8, &head);
    CHECK(strcmp(a, b) != 0);
    head.b[31] ^= 1;
    edn_head_code(b, &account, 7, &head);
    CHECK(strcmp(a, b) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairing_vectors),
        cmocka_unit_test(a_pairing_that_went_wrong_is_over),
        cmocka_unit_test(digits_and_keys_differ_where_anything_does),
        cmocka_unit_test(an_offer_is_read_as_it_was_written),
        cmocka_unit_test(cpace_vectors),
        cmocka_unit_test(a_code_gives_both_one_key_and_a_guess_gives_another),
        cmocka_unit_test(heads_that_differ_have_other_words),
    };

    if (edn_crypto_init() != EDN_OK)
        return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
