/* Tokens: the published cases, and what the strict reader refuses. */
#include "check.h"
#include "server/token.h"

#include <jansson.h>

static const char issuer[] = "https://sync.example";

static void published_cases(void **state)
{
    size_t n;
    uint8_t *text = check_data("vectors/edn/jwt.json", &n);
    json_t *doc, *c;
    edn_token_key key = {.kid = "k1"};
    edn_token_claims claims;
    size_t i, good = 0, bad = 0;
    uint64_t now;

    (void)state;
    CHECK_OK(edn_crypto_init());
    doc = json_loadb((const char *)text, n, JSON_ALLOW_NUL, NULL);
    assert_non_null(doc);
    now = (uint64_t)json_integer_value(json_object_get(doc, "now"));
    CHECK(edn_hex_decode(key.pk.b, 32, edn_bytes_str(json_string_value(json_object_get(doc, "public_key")))));
    json_array_foreach(json_object_get(doc, "cases"), i, c)
    {
        json_t *t = json_object_get(c, "token");
        bool want = strcmp(json_string_value(json_object_get(c, "result")), "ok") == 0;
        bool got = edn_token_check(edn_bytes_of(json_string_value(t), json_string_length(t)), &key, 1, issuer, now,
                                   &claims);
        if (got != want) {
            print_error("case %s: %s\n", json_string_value(json_object_get(c, "name")), got ? "accepted" : "refused");
            fail();
        }
        good += want;
        bad += !want;
    }
    CHECK(good >= 2 && bad >= 20);
    json_decref(doc);
    free(text);
}

typedef struct maker {
    edn_token_key key;
    edn_sign_sk sk;
    edn_token_claims claims;
} maker;

static maker maker_of(void)
{
    static const uint8_t seed[32] = {1, 2, 3};
    maker m = {.key = {.kid = "k1"},
               .claims = {.log_seq = 3, .issued_s = 1000, .not_before_s = 1000, .expires_s = 1600}};

    CHECK_OK(edn_crypto_init());
    edn_sign_keypair(seed, &m.key.pk, &m.sk);
    memset(m.claims.subject.b, 0xab, 16);
    memset(m.claims.device.b, 0xcd, 16);
    return m;
}

static bool accepts(const maker *m, uint64_t now)
{
    edn_buf t = EDN_BUF_INIT(2048);
    edn_token_claims c;
    bool ok;

    edn_token_make(&t, &m->claims, issuer, "k1", &m->sk);
    CHECK_OK(edn_buf_status(&t));
    ok = edn_token_check(edn_buf_view(&t), &m->key, 1, issuer, now, &c);
    if (ok) {
        CHECK(memcmp(&c.subject, &m->claims.subject, 16) == 0);
        CHECK(memcmp(&c.device, &m->claims.device, 16) == 0);
        CHECK_INT(c.log_seq, m->claims.log_seq);
        CHECK_INT(c.expires_s, m->claims.expires_s);
    }
    edn_buf_dispose(&t);
    return ok;
}

static void holds_from_not_before_to_expiry(void **state)
{
    maker m = maker_of();

    (void)state;
    CHECK(!accepts(&m, 999));
    CHECK(accepts(&m, 1000));
    CHECK(accepts(&m, 1599));
    CHECK(!accepts(&m, 1600));
    m.claims.expires_s = 1601; /* one second more than a token may live */
    CHECK(!accepts(&m, 1000));
}

static void is_short(void **state)
{
    maker m = maker_of();
    edn_buf t = EDN_BUF_INIT(2048);

    (void)state;
    m.claims.issued_s = m.claims.not_before_s = m.claims.expires_s = 1790000000;
    edn_token_make(&t, &m.claims, "http://127.0.0.1:8437", "k1", &m.sk);
    CHECK(t.n <= 400);
    edn_buf_dispose(&t);
}

/* Signs a header and claims given as text. */
static bool accepts_text(const maker *m, const char *header, const char *claims)
{
    edn_buf t = EDN_BUF_INIT(4096);
    edn_signature sig;
    edn_token_claims c;
    static const edn_token_claims nobody;
    bool ok;

    memset(&c, 0xff, sizeof c);
    edn_base64url_encode(&t, edn_bytes_str(header));
    edn_put_str(&t, ".");
    edn_base64url_encode(&t, edn_bytes_str(claims));
    edn_sign_raw(&sig, &m->sk, edn_buf_view(&t));
    edn_put_str(&t, ".");
    edn_base64url_encode(&t, edn_bytes_of(sig.b, sizeof sig.b));
    ok = edn_token_check(edn_buf_view(&t), &m->key, 1, issuer, 1000, &c);
    CHECK(ok || memcmp(&c, &nobody, sizeof c) == 0); /* what is refused says nothing */
    edn_buf_dispose(&t);
    return ok;
}

#define HEADER "{\"alg\":\"EdDSA\",\"typ\":\"edn+jwt\",\"kid\":\"k1\"}"
#define ID "q6urq6urq6urq6urq6urqw"
#define LONGEST "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" /* 64 */
#define WITH_NUMBER(sc)                                                                                                \
    "{\"iss\":\"https://sync.example\",\"aud\":\"edn-sync\",\"sub\":\"" ID "\",\"dev\":\"" ID "\",\"sc\":" sc          \
    ",\"iat\":1000,\"nbf\":1000,\"exp\":1600,\"jti\":\"AAAAAAAAAAA\"}"
#define WITH_ID(id)                                                                                                    \
    "{\"iss\":\"https://sync.example\",\"aud\":\"edn-sync\",\"sub\":\"" ID "\",\"dev\":\"" ID                          \
    "\",\"sc\":1,\"iat\":1000,\"nbf\":1000,\"exp\":1600,\"jti\":\"" id "\"}"
#define CLAIMS(extra)                                                                                                  \
    "{\"iss\":\"https://sync.example\",\"aud\":\"edn-sync\",\"sub\":\"" ID "\",\"dev\":\"" ID                          \
    "\",\"sc\":1,\"iat\":1000,\"nbf\":1000,\"exp\":1600,\"jti\":\"AAAAAAAAAAA\"" extra "}"

static void reads_only_the_json_that_it_writes(void **state)
{
    static const char *const headers[] = {
        "{\"alg\":\"EdDSA\",\"typ\":\"edn+jwt\",\"kid\":\"k1\",\"jku\":\"https://evil.example\"}",
        "{\"alg\":\"EdDSA\",\"typ\":\"edn+jwt\",\"kid\":\"k1\",\"jwk\":{}}",
        "{\"alg\":\"EdDSA\",\"typ\":\"edn+jwt\"}",
        "{\"alg\":\"EdDSA\",\"alg\":\"EdDSA\",\"typ\":\"edn+jwt\",\"kid\":\"k1\"}",
        "{\"alg\":\"Ed\\u0044SA\",\"typ\":\"edn+jwt\",\"kid\":\"k1\"}",
        "{\"alg\":\"EdDSA\",\"typ\":\"edn+jwt\",\"kid\":\"k1\"",
        HEADER "x",
        "{}",
        "",
        "null",
    };
    static const char *const claims[] = {
        CLAIMS(",\"admin\":1"),
        CLAIMS(","),
        CLAIMS(",\"sc"),
        CLAIMS(",\"sc\""),
        WITH_NUMBER("1000000000000000000"), /* 19 digits */
        WITH_NUMBER(""),
        WITH_NUMBER("00"),
        WITH_ID("a\x1f"),
        WITH_ID("a\x7f"),
        WITH_ID("\\"),
        "{\"iss\":\"https://sync.example\",\"aud\":\"edn-sync\",\"sc\":1", /* ends within a number */
        CLAIMS(",\"sc\":1"),
        CLAIMS(",\"x\":{\"y\":1}"),
        "{\"iss\":\"https://sync.example\",\"aud\":[\"edn-sync\"],\"sub\":\"" ID "\",\"dev\":\"" ID
        "\",\"sc\":1,\"iat\":1000,\"nbf\":1000,\"exp\":1600,\"jti\":\"AAAAAAAAAAA\"}",
        "{\"iss\":\"https://sync.example\",\"aud\":\"edn-sync\",\"sub\":\"" ID "\",\"dev\":\"" ID
        "\",\"sc\":-1,\"iat\":1000,\"nbf\":1000,\"exp\":1600,\"jti\":\"AAAAAAAAAAA\"}",
        "{\"iss\":\"https://sync.example\",\"aud\":\"edn-sync\",\"sub\":\"" ID "\",\"dev\":\"" ID
        "\",\"sc\":01,\"iat\":1000,\"nbf\":1000,\"exp\":1600,\"jti\":\"AAAAAAAAAAA\"}",
        "{\"iss\":\"https://sync.example\",\"aud\":\"edn-sync\",\"sub\":\"" ID "\",\"dev\":\"" ID
        "\",\"sc\":1.0,\"iat\":1000,\"nbf\":1000,\"exp\":1600,\"jti\":\"AAAAAAAAAAA\"}",
        "{\"iss\":\"https://sync.example\",\"aud\":\"edn-sync\",\"sub\":\"" ID "\",\"dev\":\"" ID
        "\",\"sc\":1,\"iat\":1000,\"nbf\":1000,\"exp\":18446744073709551616,\"jti\":\"AAAAAAAAAAA\"}",
        "{\"iss\":\"https://sync.example\",\"aud\":\"edn-sync\",\"sub\":\"short\",\"dev\":\"" ID
        "\",\"sc\":1,\"iat\":1000,\"nbf\":1000,\"exp\":1600,\"jti\":\"AAAAAAAAAAA\"}",
        "{\"iss\":\"https://sync.example\",\"aud\":\"edn-sync\",\"sub\":\"" ID "\",\"dev\":\"AAAA\",\"sc\":1,"
        "\"iat\":1000,\"nbf\":1000,\"exp\":1600,\"jti\":\"AAAAAAAAAAA\"}",
        "{\"iss\":\"https://sync.example\",\"aud\":\"edn-sync\",\"sub\":\"" ID "\",\"dev\":\"not/base64url\",\"sc\":1,"
        "\"iat\":1000,\"nbf\":1000,\"exp\":1600,\"jti\":\"AAAAAAAAAAA\"}",
        "{\"iss\":\"https://sync.example\",\"aud\":\"edn-sync\",\"sub\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"dev\":\"" ID "\",\"sc\":1,"
        "\"iat\":1000,\"nbf\":1000,\"exp\":1600,\"jti\":\"AAAAAAAAAAA\"}",
        "{\"iss\":\"https://sync.example\",\"aud\":\"edn-sync\",\"sub\":\"" ID "\",\"dev\":\"" ID "\",\"sc\":1,"
        "\"iat\":1000,\"nbf\":1000,\"exp\":1600,\"jti\":\"\"}",
        "{\"iss\":\"https://sync.example\",\"aud\":\"edn-sync\",\"sub\":\"" ID "\",\"dev\":\"" ID "\",\"sc\":1,"
        "\"iat\":1001,\"nbf\":1000,\"exp\":1600,\"jti\":\"AAAAAAAAAAA\"}",
        "{\"iss\":\"https://sync.example\",\"aud\":\"edn-sync\",\"sub\":\"" ID "\",\"dev\":\"" ID "\",\"sc\":1,"
        "\"iat\":1000,\"nbf\":1001,\"exp\":1600,\"jti\":\"AAAAAAAAAAA\"}",
    };
    maker m = maker_of();

    (void)state;
    CHECK(accepts_text(&m, HEADER, CLAIMS("")));
    CHECK(accepts_text(&m, HEADER, WITH_ID(LONGEST)));
    CHECK(accepts_text(&m, HEADER, WITH_ID(" ~")));
    CHECK(accepts_text(&m, HEADER, WITH_NUMBER("999999999999999999")));
    CHECK(accepts_text(&m, HEADER, WITH_NUMBER("0")));
    CHECK(!accepts_text(&m, HEADER, WITH_ID(LONGEST "A")));
    CHECK(accepts_text(&m, " {\"kid\" : \"k1\",\n\t\r\"typ\":\"edn+jwt\",\"alg\":\"EdDSA\"} ", CLAIMS("")));
    for (size_t i = 0; i < EDN_COUNT(headers); i++)
        if (accepts_text(&m, headers[i], CLAIMS("")))
            fail_msg("header %s", headers[i]);
    for (size_t i = 0; i < EDN_COUNT(claims); i++)
        if (accepts_text(&m, HEADER, claims[i]))
            fail_msg("claims %s", claims[i]);
}

static void what_does_not_fit_is_no_token(void **state)
{
    maker m = maker_of();
    static char issuer_long[5000], kid_long[5000];
    edn_buf none = EDN_BUF_INIT(8), t = EDN_BUF_INIT(65536);

    (void)state;
    memset(issuer_long, 'i', sizeof issuer_long - 1);
    memset(kid_long, 'k', sizeof kid_long - 1);
    edn_token_make(&none, &m.claims, issuer, "k1", &m.sk);
    CHECK_STATUS(edn_buf_status(&none), EDN_E_LIMIT);
    edn_token_make(&none, &m.claims, issuer_long, "k1", &m.sk);
    CHECK_STATUS(edn_buf_status(&none), EDN_E_LIMIT);
    edn_token_make(&t, &m.claims, issuer_long, "k1", &m.sk);
    CHECK_STATUS(edn_buf_status(&t), EDN_E_LIMIT);
    edn_buf_reset(&t);
    edn_token_make(&t, &m.claims, issuer, kid_long, &m.sk);
    CHECK_STATUS(edn_buf_status(&t), EDN_E_LIMIT);
    edn_buf_dispose(&none);
    edn_buf_dispose(&t);
}

static void each_changed_character_is_refused(void **state)
{
    maker m = maker_of();
    edn_buf t = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX + 1);
    edn_token_claims c;

    (void)state;
    edn_token_make(&t, &m.claims, issuer, "k1", &m.sk);
    for (size_t i = 0; i < t.n; i++) {
        uint8_t was = t.p[i];
        t.p[i] = was == 'A' ? 'B' : 'A';
        CHECK(!edn_token_check(edn_buf_view(&t), &m.key, 1, issuer, 1000, &c));
        t.p[i] = '!'; /* no digit of base64url */
        CHECK(!edn_token_check(edn_buf_view(&t), &m.key, 1, issuer, 1000, &c));
        t.p[i] = was;
    }
    for (size_t n = 0; n < t.n; n++)
        CHECK(!edn_token_check(edn_bytes_of(t.p, n), &m.key, 1, issuer, 1000, &c));
    CHECK(edn_token_check(edn_buf_view(&t), &m.key, 1, issuer, 1000, &c));
    CHECK(!edn_token_check(edn_buf_view(&t), &m.key, 0, issuer, 1000, &c));
    CHECK(!edn_token_check(edn_buf_view(&t), &m.key, 1, "https://sync.example:8443", 1000, &c));
    edn_put_zeros(&t, EDN_TOKEN_SIZE_MAX - t.n + 1);
    CHECK_OK(edn_buf_status(&t));
    CHECK(!edn_token_check(edn_buf_view(&t), &m.key, 1, issuer, 1000, &c));
    edn_buf_dispose(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_cases),
        cmocka_unit_test(holds_from_not_before_to_expiry),
        cmocka_unit_test(is_short),
        cmocka_unit_test(reads_only_the_json_that_it_writes),
        cmocka_unit_test(what_does_not_fit_is_no_token),
        cmocka_unit_test(each_changed_character_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
