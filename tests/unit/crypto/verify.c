#include "vectors.h"

#include "crypto/verify_priv.h"

/* libsodium itself, to make the signatures that EDN must refuse. */
#include <sodium.h>

static void encoding_vectors(void **state)
{
    (void)state;
    vectors v = vectors_open("edn/encoding.json");
    json_t *c;
    size_t i;

    json_array_foreach(json_object_get(v.root, "cases"), i, c)
    {
        json_t *list = json_object_get(c, "fields");
        const char *label = vector_str(c, "label");
        const uint8_t *key = vector_fixed(&v, c, "kdf_key", 32);
        edn_bytes fields[16];
        size_t n = json_array_size(list);
        edn_buf t = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        uint8_t out[64];
        edn_t_hash h;

        CHECK(n <= EDN_COUNT(fields));
        for (size_t k = 0; k < n; k++)
            fields[k] = vector_hex_of(&v, json_string_value(json_array_get(list, k)));
        edn_t_put(&t, label, fields, n);
        CHECK_BYTES(edn_buf_view(&t), vector_hex(&v, c, "T"));
        edn_hash h32 = edn_h32(edn_buf_view(&t));
        CHECK_BYTES(EDN_F(h32), vector_hex(&v, c, "H32"));
        h32 = edn_h32_fields(label, fields, n);
        CHECK_BYTES(EDN_F(h32), vector_hex(&v, c, "H32"));
        edn_t_hash_begin(&h, label, (uint32_t)n);
        for (size_t k = 0; k < n; k++)
            edn_t_hash_field(&h, fields[k]);
        h32 = edn_t_hash_end(&h);
        CHECK_BYTES(EDN_F(h32), vector_hex(&v, c, "H32"));
        edn_kdf_fields(out, 32, key, label, fields, n);
        CHECK_BYTES(edn_bytes_of(out, 32), vector_hex(&v, c, "KDF32"));
        edn_kdf_fields(out, 64, key, label, fields, n);
        CHECK_BYTES(edn_bytes_of(out, 64), vector_hex(&v, c, "KDF64"));
        edn_buf_dispose(&t);
    }
    CHECK(i > 0);
    vectors_close(&v);
}

static void ed25519_rfc8032(void **state)
{
    (void)state;
    vectors v = vectors_open("ed25519/rfc8032_7_1.json");
    json_t *c;
    size_t i;

    json_array_foreach(v.root, i, c)
    {
        edn_bytes message = vector_hex(&v, c, "message");
        edn_sign_pk pk;
        edn_sign_sk sk;
        edn_signature sig;

        edn_sign_keypair(vector_fixed(&v, c, "secret_key", 32), &pk, &sk);
        CHECK_BYTES(EDN_F(pk), vector_hex(&v, c, "public_key"));
        edn_sign_raw(&sig, &sk, message);
        CHECK_BYTES(EDN_F(sig), vector_hex(&v, c, "signature"));
        CHECK(edn_verify_raw(&sig, &pk, message));
    }
    CHECK(i > 0);
    vectors_close(&v);
}

/* libsodium 1.0.18 alone takes case 3, a key of mixed order. */
static void ed25519_speccheck_refuses_every_case(void **state)
{
    (void)state;
    vectors v = vectors_open("ed25519/speccheck_cases.json");
    json_t *c;
    size_t i, valid_points = 0;

    json_array_foreach(v.root, i, c)
    {
        edn_sign_pk pk;
        edn_signature sig;

        VECTOR_INTO(pk, &v, c, "pub_key");
        VECTOR_INTO(sig, &v, c, "signature");
        valid_points += edn_sign_pk_valid(&pk);
        CHECK(!edn_verify_raw(&sig, &pk, vector_hex(&v, c, "message")));
    }
    CHECK(i > 0);
    CHECK(valid_points < i);
    vectors_close(&v);
}

/* Of the 914 cases one has neither a component of low order nor a form that is not canonical: only it may pass.
 * libsodium 1.0.18 alone takes 43. */
static void ed25519_cctv_refuses_every_strange_point(void **state)
{
    (void)state;
    vectors v = vectors_open("ed25519/cctv_ed25519vectors.json");
    json_t *c;
    size_t i, accepted = 0;

    json_array_foreach(v.root, i, c)
    {
        json_t *flags = json_object_get(c, "flags");
        edn_sign_pk pk;
        edn_signature sig;

        VECTOR_INTO(pk, &v, c, "key");
        VECTOR_INTO(sig, &v, c, "sig");
        bool ok = edn_verify_raw(&sig, &pk, edn_bytes_str(vector_str(c, "msg")));
        accepted += ok;
        if (ok && json_array_size(flags) != 0)
            fail_msg("case %d is taken", (int)vector_int(c, "number"));
    }
    CHECK(i > 0);
    CHECK(accepted <= 1);
    vectors_close(&v);
}

static void ed25519_wycheproof(void **state)
{
    (void)state;
    vectors v = vectors_open("wycheproof/ed25519_test.json");
    json_t *g, *c;
    size_t i, k, cases = 0, valid = 0;

    json_array_foreach(json_object_get(v.root, "testGroups"), i, g)
    {
        edn_sign_pk pk;

        VECTOR_INTO(pk, &v, json_object_get(g, "publicKey"), "pk");
        CHECK(edn_sign_pk_valid(&pk));
        json_array_foreach(json_object_get(g, "tests"), k, c)
        {
            edn_bytes sig = vector_hex(&v, c, "sig");
            bool want = strcmp(vector_str(c, "result"), "valid") == 0, got = false;

            cases++;
            valid += want;
            /* Signatures of other lengths never come this far: a reader takes 64 bytes. */
            if (sig.n == 64)
                got = edn_verify_raw((const edn_signature *)(const void *)sig.p, &pk, vector_hex(&v, c, "msg"));
            if (got != want)
                fail_msg("case %d", (int)vector_int(c, "tcId"));
        }
    }
    CHECK_INT(cases, vector_int(v.root, "numberOfTests"));
    CHECK(valid > 0 && valid < cases);
    vectors_close(&v);
}

static void blake2b_published(void **state)
{
    (void)state;
    vectors v = vectors_open("blake2b/blake2b-kat.json");
    json_t *c;
    size_t i;

    /* The set is of 64-byte digests keyed with 64 bytes, which EDN never makes: so it is the library that is checked,
     * through the one door that src/crypto has. */
    json_array_foreach(v.root, i, c)
    {
        edn_bytes in = vector_hex(&v, c, "in"), key = vector_hex(&v, c, "key");
        uint8_t out[64];

        edn_blake2b(out, sizeof out, key, in);
        CHECK_BYTES(edn_bytes_of(out, sizeof out), vector_hex(&v, c, "out"));
    }
    CHECK(i > 0);
    vectors_close(&v);
}

static void labels_are_one_a_use(void **state)
{
    (void)state;
#define NAME(name, text) text,
    static const char *const labels[] = {EDN_LABELS(NAME)};
#undef NAME

    for (size_t i = 0; i < EDN_COUNT(labels); i++) {
        CHECK(strncmp(labels[i], "EDNv1/", 6) == 0);
        for (size_t k = 0; k < strlen(labels[i]); k++)
            CHECK(labels[i][k] > ' ' && labels[i][k] < 0x7f);
        for (size_t k = 0; k < i; k++)
            if (strcmp(labels[i], labels[k]) == 0)
                fail_msg("%s stands twice", labels[i]);
    }
}

/* A21: whatever the fields, what was signed under one label verifies under no other. */
static void no_message_of_one_label_verifies_as_another(void **state)
{
    (void)state;
#define NAME(name, text) text,
    static const char *const labels[] = {EDN_LABELS(NAME)};
#undef NAME
    check_rng rng = {check_seed()};
    edn_sign_pk pk;
    edn_sign_sk sk;
    uint8_t seed[32] = {7};

    edn_sign_keypair(seed, &pk, &sk);
    for (size_t i = 0; i < EDN_COUNT(labels); i++) {
        uint8_t bytes[48];
        edn_bytes fields[3];
        size_t n = check_below(&rng, 4), at = 0;
        edn_signature sig;

        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (uint8_t)check_next(&rng);
        for (size_t k = 0; k < n; k++) {
            size_t size = check_below(&rng, 17);
            fields[k] = edn_bytes_of(bytes + at, size);
            at += size;
        }
        edn_sign_fields(&sig, &sk, labels[i], fields, n);
        CHECK(edn_verify_checked_fields(&sig, &pk, labels[i], fields, n));
        for (size_t k = 0; k < EDN_COUNT(labels); k++)
            if (k != i && edn_verify_checked_fields(&sig, &pk, labels[k], fields, n))
                fail_msg("%s verifies as %s (EDN_SEED=%llu)", labels[i], labels[k], (unsigned long long)check_seed());
        /* Nor may a byte cross from one field into the next, nor fields be joined. */
        if (n >= 2 && fields[0].n) {
            edn_bytes moved[3] = {fields[0], fields[1], n == 3 ? fields[2] : EDN_BYTES_EMPTY};
            moved[0].n--;
            moved[1].p--;
            moved[1].n++;
            CHECK(!edn_verify_checked_fields(&sig, &pk, labels[i], moved, n));
            moved[1] = edn_bytes_of(fields[0].p, fields[0].n + fields[1].n);
            CHECK(!edn_verify_checked_fields(&sig, &pk, labels[i], moved + 1, n - 1));
        }
    }
}

static void signs_and_verifies_up_to_the_size_limit(void **state)
{
    (void)state;
    enum { FIXED = 4 + 1 + 4 + 4 }; /* LP("x") ‖ u32 1 ‖ u32 length */
    static const size_t sizes[] = {0, 1, 1024 - FIXED, 1024 - FIXED + 1, 65536, EDN_SIGNED_SIZE_MAX - FIXED};
    uint8_t seed[32] = {1}, *bytes = calloc(2, EDN_SIGNED_SIZE_MAX);
    edn_sign_pk pk;
    edn_sign_sk sk;
    edn_signature sig, raw;

    assert_non_null(bytes);
    edn_sign_keypair(seed, &pk, &sk);
    for (size_t i = 0; i < EDN_COUNT(sizes); i++) {
        edn_bytes field = edn_bytes_of(bytes, sizes[i]);
        edn_buf t = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

        edn_sign_fields(&sig, &sk, "x", &field, 1);
        edn_t_put(&t, "x", &field, 1);
        edn_sign_raw(&raw, &sk, edn_buf_view(&t));
        CHECK_BYTES(EDN_F(sig), EDN_F(raw));
        CHECK(edn_verify_fields(&sig, &pk, "x", &field, 1));
        bytes[0] ^= 1;
        CHECK(sizes[i] == 0 || !edn_verify_fields(&sig, &pk, "x", &field, 1));
        bytes[0] ^= 1;
        edn_buf_dispose(&t);
    }
    for (size_t more = 1; more <= EDN_SIGNED_SIZE_MAX; more = 2 * more + 1) {
        edn_bytes larger = edn_bytes_of(bytes, EDN_SIGNED_SIZE_MAX - FIXED + more);
        CHECK(!edn_verify_fields(&sig, &pk, "x", &larger, 1));
    }
    free(bytes);
}

static void a_field_longer_than_its_u32_is_refused(void **state)
{
    (void)state;
#if SIZE_MAX > UINT32_MAX
    edn_bytes fields[2] = {edn_bytes_str("x"), edn_bytes_of("", (size_t)UINT32_MAX + 1)};
    edn_buf t = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_signature sig = {{0}};
    edn_sign_pk pk = {{1}};

    edn_t_put(&t, "x", fields, 2);
    CHECK_STATUS(edn_buf_status(&t), EDN_E_LIMIT);
    CHECK(!edn_verify_checked_fields(&sig, &pk, "x", fields, 2));
    edn_buf_dispose(&t);
#else
    skip();
#endif
}

static void refuses_keys_of_small_and_mixed_order(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "0100000000000000000000000000000000000000000000000000000000000000", /* the neutral point */
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* order 2 */
        "0000000000000000000000000000000000000000000000000000000000000000", /* order 4 */
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", /* order 8 */
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* y = p: not canonical */
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d", /* mixed order (speccheck) */
        "0200000000000000000000000000000000000000000000000000000000000000", /* not on the curve */
    };
    edn_sign_pk pk;

    for (size_t i = 0; i < EDN_COUNT(bad); i++) {
        CHECK(edn_hex_decode(pk.b, sizeof pk.b, edn_bytes_str(bad[i])));
        if (edn_sign_pk_valid(&pk))
            fail_msg("%s is taken", bad[i]);
    }
}

/* A' = A + a point of order 8. When 8 divides the challenge h, h A' = h A, and a signature by A's secret over A' is
 * good to libsodium 1.0.18; to a verifier that multiplies by the cofactor it is good for every h. One key, two
 * verdicts: such keys are refused before their signatures are looked at. */
static void a_key_of_mixed_order_signs_nothing(void **state)
{
    (void)state;
    uint8_t torsion[32], seed[32] = {3}, digest[64], a[32], r[32], s[32], h[32];
    edn_bytes field = EDN_BYTES_EMPTY;
    edn_sign_pk pk, mixed;
    edn_sign_sk sk;
    edn_signature sig;
    bool found = false;

    CHECK(
        edn_hex_decode(torsion, 32, edn_bytes_str("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")));
    edn_sign_keypair(seed, &pk, &sk);
    CHECK_INT(crypto_core_ed25519_add(mixed.b, pk.b, torsion), 0);
    CHECK(edn_sign_pk_valid(&pk));
    CHECK(!edn_sign_pk_valid(&mixed));
    crypto_hash_sha512(digest, seed, sizeof seed);
    digest[0] &= 248;
    digest[31] = (uint8_t)((digest[31] & 127) | 64);
    memset(digest + 32, 0, 32);
    crypto_core_ed25519_scalar_reduce(a, digest);

    for (uint8_t n = 0; n < 255 && !found; n++) {
        edn_buf m = EDN_BUF_INIT(1024);

        /* r is any number; T("x"; "") is the message. */
        memset(digest, n + 1, sizeof digest);
        crypto_core_ed25519_scalar_reduce(r, digest);
        CHECK_INT(crypto_scalarmult_ed25519_base_noclamp(sig.b, r), 0);
        edn_put_bytes(&m, sig.b, 32);
        edn_put_bytes(&m, mixed.b, 32);
        edn_t_put(&m, "x", &field, 1);
        crypto_hash_sha512(digest, m.p, m.n);
        edn_buf_dispose(&m);
        crypto_core_ed25519_scalar_reduce(h, digest);
        if (h[0] & 7)
            continue;
        crypto_core_ed25519_scalar_mul(s, h, a);
        crypto_core_ed25519_scalar_add(sig.b + 32, s, r);
        found = true;
    }
    CHECK(found);
    CHECK(edn_verify_checked_fields(&sig, &mixed, "x", &field, 1)); /* the library's verdict */
    CHECK(!edn_verify_fields(&sig, &mixed, "x", &field, 1));
    edn_buf t = EDN_BUF_INIT(1024);
    edn_t_put(&t, "x", &field, 1);
    CHECK(!edn_verify_raw(&sig, &mixed, edn_buf_view(&t)));
    edn_buf_dispose(&t);
}

static void refuses_x25519_keys_of_small_order(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    edn_dh_pk pk;

    for (size_t i = 0; i < EDN_COUNT(bad); i++) {
        CHECK(edn_hex_decode(pk.b, sizeof pk.b, edn_bytes_str(bad[i])));
        if (edn_dh_pk_valid(&pk))
            fail_msg("%s is taken", bad[i]);
    }
    memset(&pk, 0, sizeof pk);
    pk.b[0] = 9;
    CHECK(edn_dh_pk_valid(&pk));
}

static void equal_ct_sees_every_bit(void **state)
{
    (void)state;
    uint8_t a[40], b[40];

    memset(a, 0x5a, sizeof a);
    memset(b, 0x5a, sizeof b);
    CHECK(edn_equal_ct(a, b, 0));
    CHECK(edn_equal_ct(a, b, sizeof a));
    for (size_t i = 0; i < 8 * sizeof a; i++) {
        b[i / 8] ^= (uint8_t)(1 << i % 8);
        CHECK(!edn_equal_ct(a, b, sizeof a));
        b[i / 8] ^= (uint8_t)(1 << i % 8);
    }
}

static void system_randomness_differs_from_call_to_call(void **state)
{
    (void)state;
    edn_random rng = edn_random_system();
    uint8_t a[32] = {0}, b[32] = {0}, zero[32] = {0};

    rng.fill(rng.ctx, a, sizeof a);
    rng.fill(rng.ctx, b, sizeof b);
    CHECK(!edn_equal_ct(a, b, sizeof a));
    CHECK(!edn_equal_ct(a, zero, sizeof a));
}

static int setup(void **state)
{
    (void)state;
    return edn_crypto_init() == EDN_OK && edn_crypto_init() == EDN_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoding_vectors),
        cmocka_unit_test(ed25519_rfc8032),
        cmocka_unit_test(ed25519_speccheck_refuses_every_case),
        cmocka_unit_test(ed25519_cctv_refuses_every_strange_point),
        cmocka_unit_test(ed25519_wycheproof),
        cmocka_unit_test(blake2b_published),
        cmocka_unit_test(labels_are_one_a_use),
        cmocka_unit_test(no_message_of_one_label_verifies_as_another),
        cmocka_unit_test(signs_and_verifies_up_to_the_size_limit),
        cmocka_unit_test(a_field_longer_than_its_u32_is_refused),
        cmocka_unit_test(refuses_keys_of_small_and_mixed_order),
        cmocka_unit_test(a_key_of_mixed_order_signs_nothing),
        cmocka_unit_test(refuses_x25519_keys_of_small_order),
        cmocka_unit_test(equal_ct_sees_every_bit),
        cmocka_unit_test(system_randomness_differs_from_call_to_call),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
