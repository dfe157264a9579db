/* Shares that are combined, shares that are refused, the box that the key opens, and the link that names both. */
#include "vectors.h"

#include "devlog/devlog.h"
#include "keys/keys_priv.h"
#include "keys/recovery.h"

static void fill_xorshift(void *ctx, void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)(check_next(ctx) >> 32);
}

/* Gives the bytes of a list of pieces, one after the other. */
typedef struct script {
    const uint8_t *pieces[64];
    size_t n, next;
} script;
static void fill_scripted(void *ctx, void *p, size_t n)
{
    script *s = ctx;

    assert_true(s->next < s->n);
    memcpy(p, s->pieces[s->next++], n);
}

/* Multiplication as a table of logarithms would give it. */
static uint8_t naive_mul(uint8_t a, uint8_t b)
{
    unsigned r = 0;

    for (int i = 7; i >= 0; i--)
        r = r << 1 ^ (r & 0x80 ? 0x11b : 0) ^ (b >> i & 1 ? a : 0u);
    return (uint8_t)r;
}

static void multiplies_as_the_field_does(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++)
            if (edn_gf_mul((uint8_t)a, (uint8_t)b) != naive_mul((uint8_t)a, (uint8_t)b))
                fail_msg("%u * %u", a, b);
    CHECK_INT(edn_gf_mul(0x53, 0xca), 1); /* FIPS 197, section 4.2 */
}

static void shamir_vectors(void **state)
{
    (void)state;
    vectors v = vectors_open("edn/shamir.json");
    json_t *c, *one;
    size_t i, k;

    json_array_foreach(json_object_get(v.root, "cases"), i, c)
    {
        edn_bytes secret = vector_hex(&v, c, "secret");
        json_t *coefficients = json_object_get(c, "coefficients"), *shares = json_object_get(c, "shares");
        edn_share_set set = {.needed = (uint8_t)vector_int(c, "threshold"),
                             .n = (uint8_t)vector_int(c, "n"),
                             .secret_size = (uint8_t)secret.n};
        edn_share made[EDN_SHARES_MAX];
        edn_hash commitments[EDN_SHARES_MAX];
        script random = {.n = 0};
        const edn_random rng = {fill_scripted, &random};
        uint8_t back[32];

        VECTOR_INTO(set.account, &v, c, "account_id");
        VECTOR_INTO(set.id, &v, c, "set_id");
        json_array_foreach(coefficients, k, one)
            random.pieces[random.n++] = vector_hex_of(&v, json_string_value(one)).p;
        json_array_foreach(shares, k, one) random.pieces[random.n++] = vector_fixed(&v, one, "blind", 16);
        memset(made, 0xff, sizeof made);
        edn_shares_split(made, &set, secret.p, &rng);
        for (k = set.secret_size; k < sizeof made->y; k++)
            CHECK_INT(made[set.n - 1].y[k], 0); /* a short secret's share has no bytes of anybody else */
        CHECK_INT(json_array_size(shares), set.n);
        json_array_foreach(shares, k, one)
        {
            CHECK_INT(made[k].x, vector_int(one, "x"));
            CHECK_BYTES(edn_bytes_of(made[k].y, set.secret_size), vector_hex(&v, one, "y"));
            commitments[k] = edn_share_commitment(&set, &made[k]);
            CHECK_BYTES(EDN_F(commitments[k]), vector_hex(&v, one, "commit"));
        }
        CHECK_OK(edn_shares_combine(back, &set, commitments, made + set.n - set.needed, set.needed, NULL));
        CHECK_BYTES(edn_bytes_of(back, secret.n), secret);
    }
    CHECK(i > 0);
    vectors_close(&v);
}

typedef struct a_set {
    edn_share_set set;
    uint8_t secret[32];
    edn_share shares[EDN_SHARES_MAX];
    edn_hash commitments[EDN_SHARES_MAX];
} a_set;

static void a_set_make(a_set *s, check_rng *rng, uint8_t needed, uint8_t n)
{
    const edn_random random = {fill_xorshift, rng};

    memset(s, 0, sizeof *s);
    s->set = (edn_share_set){.needed = needed, .n = n, .secret_size = 32};
    fill_xorshift(rng, s->set.account.b, 32);
    fill_xorshift(rng, s->set.id.b, 16);
    fill_xorshift(rng, s->secret, 32);
    edn_shares_split(s->shares, &s->set, s->secret, &random);
    for (size_t i = 0; i < n; i++)
        s->commitments[i] = edn_share_commitment(&s->set, &s->shares[i]);
}

static void any_enough_shares_in_any_order_give_the_secret(void **state)
{
    check_rng rng = {check_seed()};
    uint8_t back[32];
    a_set s;

    (void)state;
    for (uint8_t n = 1; n <= EDN_SHARES_MAX; n++)
        for (uint8_t needed = 1; needed <= n; needed++) {
            a_set_make(&s, &rng, needed, n);
            for (size_t i = n; i > 1; i--) {
                size_t k = check_below(&rng, i);
                edn_share t = s.shares[k];
                s.shares[k] = s.shares[i - 1];
                s.shares[i - 1] = t;
            }
            CHECK_OK(edn_shares_combine(back, &s.set, s.commitments, s.shares, needed, NULL));
            CHECK_BYTES(edn_bytes_of(back, 32), edn_bytes_of(s.secret, 32));
            CHECK_OK(edn_shares_combine(back, &s.set, s.commitments, s.shares, n, NULL));
            CHECK_BYTES(edn_bytes_of(back, 32), edn_bytes_of(s.secret, 32));
            CHECK_STATUS(edn_shares_combine(back, &s.set, s.commitments, s.shares, needed - 1u, NULL), EDN_E_MISSING);
            CHECK(back[0] == 0 && memcmp(back, back + 1, 31) == 0);
        }
}

static void a_false_share_is_named_before_anything_is_combined(void **state)
{
    static const size_t places[] = {offsetof(edn_share, x), offsetof(edn_share, y), offsetof(edn_share, y) + 31,
                                    offsetof(edn_share, blind) + 15};
    check_rng rng = {check_seed()};
    uint8_t back[32];
    size_t which;
    edn_hash beside[7];
    a_set s, other;

    (void)state;
    a_set_make(&s, &rng, 3, 5);
    a_set_make(&other, &rng, 3, 5);
    memset(beside, 0, sizeof beside);
    for (size_t p = 0; p < EDN_COUNT(places); p++)
        for (size_t i = 0; i < 5; i++) {
            edn_share bad[5];
            memcpy(bad, s.shares, sizeof bad);
            ((uint8_t *)&bad[i])[places[p]] ^= 0x40;
            CHECK_STATUS(edn_shares_combine(back, &s.set, s.commitments, bad, 5, &which), EDN_E_AUTH);
            CHECK_INT(which, i);
        }
    s.shares[1].x = 0; /* places where no share stands, beside the list of commitments */
    CHECK_STATUS(edn_share_check(&s.set, beside + 1, &s.shares[1]), EDN_E_AUTH);
    beside[0] = edn_share_commitment(&s.set, &s.shares[1]);
    CHECK_STATUS(edn_share_check(&s.set, beside + 1, &s.shares[1]), EDN_E_AUTH);
    s.shares[1].x = 6;
    beside[6] = edn_share_commitment(&s.set, &s.shares[1]);
    CHECK_STATUS(edn_share_check(&s.set, beside + 1, &s.shares[1]), EDN_E_AUTH);
    s.shares[1].x = 5;
    beside[5] = edn_share_commitment(&s.set, &s.shares[1]);
    CHECK_OK(edn_share_check(&s.set, beside + 1, &s.shares[1]));
    s.shares[1] = other.shares[1]; /* of another account */
    CHECK_STATUS(edn_shares_combine(back, &s.set, s.commitments, s.shares, 3, &which), EDN_E_AUTH);
    CHECK_INT(which, 1);
    s.shares[1] = s.shares[0];
    CHECK_STATUS(edn_shares_combine(back, &s.set, s.commitments, s.shares, 3, &which), EDN_E_EXISTS);
    CHECK_INT(which, 1);
    CHECK_STATUS(edn_shares_combine(back, &s.set, s.commitments, s.shares, 6, &which), EDN_E_LIMIT);
    s.set.needed = 6; /* a threshold that somebody changed */
    CHECK_STATUS(edn_shares_combine(back, &s.set, s.commitments, s.shares, 5, &which), EDN_E_FORMAT);
    s.set.needed = 2;
    CHECK_STATUS(edn_shares_combine(back, &s.set, s.commitments, s.shares, 2, &which), EDN_E_AUTH);
}

static void the_box_opens_for_its_key_account_set_and_epoch(void **state)
{
    check_rng seed = {check_seed()};
    const edn_random rng = {fill_xorshift, &seed};
    edn_recovery_key key = {{1}}, other_key = {{2}};
    edn_account_id account = {{3}}, other_account = {{4}};
    edn_share_set_id set = {{5}}, other_set = {{6}};
    edn_recovery_secret secret = {.aik_seed = {{7}}, .root = {{8}}, .sc_seq = 9, .sc_head = {{10}}}, got;
    edn_buf box = EDN_BUF_INIT(1024);
    edn_bytes b;

    (void)state;
    CHECK_OK(edn_recovery_box_seal(&box, &key, &account, &set, 1, &secret, &rng));
    b = edn_buf_view(&box);
    CHECK_INT(b.n, EDN_RECOVERY_BOX_SIZE);
    CHECK_OK(edn_recovery_box_open(&key, &account, &set, 1, b, &got));
    CHECK_BYTES(edn_bytes_of(&got, sizeof got), edn_bytes_of(&secret, sizeof secret));
    CHECK_STATUS(edn_recovery_box_open(&other_key, &account, &set, 1, b, &got), EDN_E_AUTH);
    CHECK_STATUS(edn_recovery_box_open(&key, &other_account, &set, 1, b, &got), EDN_E_AUTH);
    CHECK_STATUS(edn_recovery_box_open(&key, &account, &other_set, 1, b, &got), EDN_E_AUTH);
    CHECK_STATUS(edn_recovery_box_open(&key, &account, &set, 2, b, &got), EDN_E_AUTH);
    CHECK_STATUS(edn_recovery_box_open(&key, &account, &set, 1, edn_bytes_of(b.p, b.n - 1), &got), EDN_E_AUTH);
    box.p[100] ^= 1;
    CHECK_STATUS(edn_recovery_box_open(&key, &account, &set, 1, b, &got), EDN_E_AUTH);
    edn_buf_dispose(&box);
}

static void a_set_that_cannot_be_is_refused(void **state)
{
    check_rng rng = {check_seed()};
    static a_set s;
    static const struct {
        uint8_t needed, n, secret_size;
    } bad[] = {{0, 3, 32}, {4, 3, 32}, {2, EDN_SHARES_MAX + 1, 32}, {2, 3, 15}, {2, 3, 33}};

    (void)state;
    a_set_make(&s, &rng, 2, 3);
    CHECK_OK(edn_share_check(&s.set, s.commitments, &s.shares[0]));
    for (size_t i = 0; i < EDN_COUNT(bad); i++) {
        edn_share_set set = s.set;
        set.needed = bad[i].needed;
        set.n = bad[i].n;
        set.secret_size = bad[i].secret_size;
        CHECK_STATUS(edn_share_check(&set, s.commitments, &s.shares[0]), EDN_E_FORMAT);
    }
    s.shares[0].x = 0;
    CHECK_STATUS(edn_share_check(&s.set, s.commitments, &s.shares[0]), EDN_E_AUTH);
    s.shares[0].x = 4;
    CHECK_STATUS(edn_share_check(&s.set, s.commitments, &s.shares[0]), EDN_E_AUTH);
}

/* ---- shares with contacts ---------------------------------------------------------------------------------------- */

typedef struct asked {
    edn_share_request request;
    edn_dh_sk sk;
} asked;

static asked asked_for(check_rng *rng)
{
    asked a;

    fill_xorshift(rng, a.request.account.b, 32);
    fill_xorshift(rng, a.request.set.b, 16);
    fill_xorshift(rng, a.sk.b, 32);
    edn_dh_keypair(&a.sk, &a.request.key);
    return a;
}

static void a_share_that_is_entrusted_comes_back_or_is_refused(void **state)
{
    check_rng rng = {check_seed()};
    edn_buf out = EDN_BUF_INIT(256);
    edn_entrusted e = {.needed = 3, .n = 5}, back;

    (void)state;
    fill_xorshift(&rng, e.set.b, 16);
    fill_xorshift(&rng, &e.share, sizeof e.share);
    e.share.x = 5;
    edn_entrusted_put(&out, &e);
    CHECK_OK(edn_entrusted_read(edn_buf_view(&out), &back));
    CHECK_BYTES(edn_bytes_of(&back, sizeof back), edn_bytes_of(&e, sizeof e));
    for (size_t n = 0; n < out.n; n++)
        CHECK_STATUS(edn_entrusted_read(edn_bytes_of(out.p, n), &back), EDN_E_FORMAT);
    for (size_t i = 0; i < 3; i++) { /* T, N, x: what no set has */
        static const uint8_t bad[3][2] = {{0, 6}, {2, 17}, {0, 6}};
        for (size_t k = 0; k < 2; k++) {
            uint8_t was = out.p[16 + i];
            out.p[16 + i] = bad[i][k];
            CHECK_STATUS(edn_entrusted_read(edn_buf_view(&out), &back), EDN_E_FORMAT);
            CHECK(back.share.y[0] == 0 && back.n == 0);
            out.p[16 + i] = was;
        }
    }
    edn_put_u8(&out, 0);
    CHECK_STATUS(edn_entrusted_read(edn_buf_view(&out), &back), EDN_E_FORMAT);
    edn_buf_dispose(&out);
}

static void a_give_opens_for_its_request_alone(void **state)
{
    check_rng rng = {check_seed()};
    const edn_random random = {fill_xorshift, &rng};
    edn_buf give = EDN_BUF_INIT(EDN_GIVE_SIZE);
    asked a = asked_for(&rng), other = asked_for(&rng);
    edn_share share = {.x = 2}, back;

    (void)state;
    fill_xorshift(&rng, share.y, sizeof share.y + sizeof share.blind);
    CHECK_OK(edn_give_seal(&give, &a.request, &share, &random));
    CHECK_INT(give.n, EDN_GIVE_SIZE);
    CHECK_OK(edn_give_open(&a.request, &a.sk, edn_buf_view(&give), &back));
    CHECK_BYTES(edn_bytes_of(&back, sizeof back), edn_bytes_of(&share, sizeof share));
    for (size_t i = 0; i < give.n; i++) {
        give.p[i] ^= 0x40;
        CHECK_STATUS(edn_give_open(&a.request, &a.sk, edn_buf_view(&give), &back), i == 0 ? EDN_E_FORMAT : EDN_E_AUTH);
        CHECK_INT(back.x, 0);
        give.p[i] ^= 0x40;
    }
    for (size_t n = 0; n < give.n; n++)
        CHECK_STATUS(edn_give_open(&a.request, &a.sk, edn_bytes_of(give.p, n), &back), EDN_E_FORMAT);
    CHECK_STATUS(edn_give_open(&other.request, &other.sk, edn_buf_view(&give), &back), EDN_E_AUTH);
    for (int i = 0; i < 3; i++) { /* the same key, for another account, another set; another key in the request */
        edn_share_request wrong = a.request;
        if (i == 0)
            wrong.account.b[7] ^= 1;
        else if (i == 1)
            wrong.set.b[7] ^= 1;
        else
            wrong.key = other.request.key;
        CHECK_STATUS(edn_give_open(&wrong, &a.sk, edn_buf_view(&give), &back), EDN_E_AUTH);
    }
    memset(a.request.key.b, 0, sizeof a.request.key.b); /* a key that shares a secret with everybody */
    edn_buf_reset(&give);
    CHECK_STATUS(edn_give_seal(&give, &a.request, &share, &random), EDN_E_KEY_INVALID);
    edn_buf_dispose(&give);
}

static void eight_words_are_of_account_set_and_key(void **state)
{
    check_rng rng = {check_seed()};
    asked a = asked_for(&rng);
    char words[EDN_REQUEST_WORDS_SIZE], typed[256];
    edn_share_request other;
    unsigned blanks = 0;

    (void)state;
    edn_share_request_words(words, &a.request);
    for (const char *s = words; *s; s++)
        blanks += *s == ' ';
    CHECK_INT(blanks, 7);
    CHECK(edn_share_request_fits(&a.request, words));
    for (size_t i = 0; words[i]; i++) { /* each letter counts */
        char was = words[i];
        words[i] = was == 'q' ? 'z' : 'q';
        CHECK(!edn_share_request_fits(&a.request, words));
        words[i] = was;
    }
    snprintf(typed, sizeof typed, "  %s\n", words);
    for (char *s = typed; *s; s++)
        *s = (char)(*s >= 'a' && *s <= 'z' ? *s - 'a' + 'A' : *s == ' ' ? ',' : *s);
    CHECK(edn_share_request_fits(&a.request, typed));
    typed[0] = 0;
    for (const char *s = words; s; s = strchr(s, ' ') ? strchr(s, ' ') + 1 : NULL)
        snprintf(typed + strlen(typed), sizeof typed - strlen(typed), "%.4s ", s);
    CHECK(edn_share_request_fits(&a.request, typed)); /* four letters tell a word */
    snprintf(typed, sizeof typed, "%.3s%s", words, strchr(words, ' '));
    CHECK(!edn_share_request_fits(&a.request, typed)); /* three do not */
    snprintf(typed, sizeof typed, "%s academic", words);
    CHECK(!edn_share_request_fits(&a.request, typed));
    *strrchr(words, ' ') = 0;
    CHECK(!edn_share_request_fits(&a.request, words));
    CHECK(!edn_share_request_fits(&a.request, ""));
    edn_share_request_words(words, &a.request);
    for (size_t i = 0; i < sizeof other; i++) {
        other = a.request;
        ((uint8_t *)&other)[i] ^= 1;
        CHECK(!edn_share_request_fits(&other, words));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(multiplies_as_the_field_does),
        cmocka_unit_test(shamir_vectors),
        cmocka_unit_test(any_enough_shares_in_any_order_give_the_secret),
        cmocka_unit_test(a_false_share_is_named_before_anything_is_combined),
        cmocka_unit_test(the_box_opens_for_its_key_account_set_and_epoch),
        cmocka_unit_test(a_set_that_cannot_be_is_refused),
        cmocka_unit_test(a_share_that_is_entrusted_comes_back_or_is_refused),
        cmocka_unit_test(a_give_opens_for_its_request_alone),
        cmocka_unit_test(eight_words_are_of_account_set_and_key),
    };

    if (edn_crypto_init() != EDN_OK)
        return 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
