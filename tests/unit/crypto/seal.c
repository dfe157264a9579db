#include "vectors.h"

#ifndef __wasm__
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "crypto/seal_priv.h"

/* libsodium itself, for what EDN has no door to: encoded Argon2 strings, bare AEADs. */
#include <sodium.h>

static edn_status status_of(const char *name)
{
    for (int st = 0; st < EDN_STATUS_COUNT; st++)
        if (strcmp(edn_status_name((edn_status)st), name) == 0)
            return (edn_status)st;
    return strcmp(name, "ok") == 0 ? EDN_OK : EDN_STATUS_COUNT;
}

static void seal_vectors(void **state)
{
    (void)state;
    vectors v = vectors_open("edn/seal.json");
    json_t *c;
    size_t i;

    json_array_foreach(json_object_get(v.root, "cases"), i, c)
    {
        const uint8_t *key = vector_fixed(&v, c, "K", 32);
        uint16_t suite = (uint16_t)vector_int(c, "suite");
        edn_bytes aad = vector_hex(&v, c, "aad"), box = vector_hex(&v, c, "box");
        edn_status want = status_of(vector_str(c, "result"));
        edn_buf out = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        edn_status got = edn_unseal(&out, key, suite, aad, box);

        if (got != want)
            fail_msg("%s: %s", vector_str(c, "name"), edn_status_name(got));
        CHECK_OK(edn_buf_status(&out));
        if (got == EDN_OK) {
            edn_bytes pt = vector_hex(&v, c, "pt");
            edn_buf again = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

            CHECK_BYTES(edn_buf_view(&out), pt);
            CHECK_OK(edn_seal(&again, key, suite, aad, pt, vector_fixed(&v, c, "rnd", 32)));
            CHECK_BYTES(edn_buf_view(&again), box);
            edn_buf_dispose(&again);
        } else {
            CHECK_INT(out.n, 0);
        }
        edn_buf_dispose(&out);
    }
    CHECK(i > 0);
    vectors_close(&v);
}

typedef struct sample {
    uint8_t key[32], rnd[32], aad[40], pt[300];
} sample;

static sample sample_make(uint64_t seed)
{
    check_rng rng = {seed};
    sample s;
    uint8_t *p = (uint8_t *)&s;

    for (size_t i = 0; i < sizeof s; i++)
        p[i] = (uint8_t)check_next(&rng);
    return s;
}

static void refuses_a_box_altered_at_any_byte(void **state)
{
    (void)state;
    sample s = sample_make(check_seed());
    edn_bytes aad = edn_bytes_of(s.aad, sizeof s.aad);
    edn_buf box = EDN_BUF_INIT(4096), out = EDN_BUF_INIT(4096);

    CHECK_OK(edn_seal(&box, s.key, EDN_SUITE_1, aad, edn_bytes_of(s.pt, 100), s.rnd));
    CHECK_INT(box.n, 100 + EDN_SEAL_OVERHEAD);
    edn_put_str(&out, "before");
    for (size_t i = 0; i < box.n; i++) {
        box.p[i] ^= (uint8_t)(1 << i % 8);
        CHECK_STATUS(edn_unseal(&out, s.key, EDN_SUITE_1, aad, edn_buf_view(&box)),
                     i < EDN_SEAL_NONCE_SIZE + EDN_SEAL_COMMITMENT_SIZE ? EDN_E_COMMIT : EDN_E_AUTH);
        CHECK_STR(edn_buf_view(&out), "before"); /* a failure appends nothing and does not stick */
        box.p[i] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t n = 0; n < box.n; n++)
        CHECK_STATUS(edn_unseal(&out, s.key, EDN_SUITE_1, aad, edn_bytes_of(box.p, n)),
                     n < EDN_SEAL_OVERHEAD ? EDN_E_FORMAT : EDN_E_AUTH);
    for (size_t i = 0; i < sizeof s.key; i++) {
        s.key[i] ^= 0x80;
        CHECK_STATUS(edn_unseal(&out, s.key, EDN_SUITE_1, aad, edn_buf_view(&box)), EDN_E_COMMIT);
        s.key[i] ^= 0x80;
    }
    for (size_t i = 0; i < sizeof s.aad; i++) {
        s.aad[i] ^= 1;
        CHECK_STATUS(edn_unseal(&out, s.key, EDN_SUITE_1, aad, edn_buf_view(&box)), EDN_E_COMMIT);
        s.aad[i] ^= 1;
    }
    CHECK_STATUS(edn_unseal(&out, s.key, 2, aad, edn_buf_view(&box)), EDN_E_COMMIT);
    CHECK_OK(edn_unseal(&out, s.key, EDN_SUITE_1, aad, edn_buf_view(&box)));
    CHECK_INT(out.n, 6 + 100);
    CHECK(memcmp(out.p + 6, s.pt, 100) == 0);
    edn_buf_dispose(&box);
    edn_buf_dispose(&out);
}

static void round_trips_at_every_length(void **state)
{
    (void)state;
    sample s = sample_make(check_seed());
    edn_buf box = EDN_BUF_INIT(4096), out = EDN_BUF_INIT(4096);

    for (size_t n = 0; n <= sizeof s.pt; n++) {
        edn_bytes aad = edn_bytes_of(s.aad, n % (sizeof s.aad + 1));

        edn_buf_reset(&box);
        edn_buf_reset(&out);
        CHECK_OK(edn_seal(&box, s.key, EDN_SUITE_1, aad, edn_bytes_of(s.pt, n), s.rnd));
        CHECK_OK(edn_unseal(&out, s.key, EDN_SUITE_1, aad, edn_buf_view(&box)));
        CHECK_BYTES(edn_buf_view(&out), edn_bytes_of(s.pt, n));
    }
    edn_buf_dispose(&box);
    edn_buf_dispose(&out);
}

static void limits_are_kept_and_leave_nothing_behind(void **state)
{
    (void)state;
    sample s = sample_make(check_seed());
    edn_buf box = EDN_BUF_INIT(100 + EDN_SEAL_OVERHEAD), small = EDN_BUF_INIT(99);

    CHECK_OK(edn_seal(&box, s.key, EDN_SUITE_1, EDN_BYTES_EMPTY, edn_bytes_of(s.pt, 100), s.rnd));
    CHECK_STATUS(edn_unseal(&small, s.key, EDN_SUITE_1, EDN_BYTES_EMPTY, edn_buf_view(&box)), EDN_E_LIMIT);
    CHECK_INT(small.n, 0);
    edn_buf_reset(&box);
    CHECK_STATUS(edn_seal(&box, s.key, EDN_SUITE_1, EDN_BYTES_EMPTY, edn_bytes_of(s.pt, 101), s.rnd), EDN_E_LIMIT);
    CHECK_INT(box.n, 0);
    /* A length that no memory has: nothing is read before the limit is. */
    edn_buf_reset(&box);
    CHECK_STATUS(edn_seal(&box, s.key, EDN_SUITE_1, EDN_BYTES_EMPTY, edn_bytes_of(s.pt, SIZE_MAX), s.rnd), EDN_E_LIMIT);
    edn_buf_dispose(&box);
    edn_buf_dispose(&small);
}

/* A20: with a source stuck at one value, other content or another place still makes another nonce. */
static void a_stuck_random_source_repeats_no_nonce(void **state)
{
    (void)state;
    enum { N = 200 };
    sample s = sample_make(check_seed());
    uint8_t stuck[32] = {0}, nonces[3 * N][24], again[24];

    for (size_t i = 0; i < 3 * N; i++) {
        edn_hash aad = {{0}};
        uint8_t key[32];

        memcpy(key, s.key, sizeof key);
        if (i % 3 == 0)
            s.pt[i / 3] ^= 1;
        aad.b[0] = (uint8_t)(i % 3 == 1 ? i / 3 + 1 : 0);
        key[0] ^= (uint8_t)(i % 3 == 2 ? i / 3 + 1 : 0);
        edn_seal_nonce(nonces[i], key, stuck, &aad, edn_bytes_of(s.pt, sizeof s.pt));
        if (i % 3 == 0) {
            edn_seal_nonce(again, key, stuck, &aad, edn_bytes_of(s.pt, sizeof s.pt));
            CHECK(memcmp(again, nonces[i], 24) == 0); /* the same content: the same nonce, which tells no more */
        }
        for (size_t k = 0; k < i; k++)
            if (memcmp(nonces[i], nonces[k], 24) == 0)
                fail_msg("nonces %zu and %zu are the same", i, k);
    }
}

/* ---- Argon2id ---------------------------------------------------------------------------------------------------- */

static void argon2id_published(void **state)
{
    (void)state;
    vectors v = vectors_open("argon2/argon2id.json");
    json_t *c;
    size_t i;
    uint8_t out[32];

    json_array_foreach(json_object_get(v.root, "p1_salt16"), i, c)
    {
        edn_bytes salt = edn_bytes_str(vector_str(c, "salt_ascii"));

        CHECK_INT(salt.n, 16);
        CHECK_OK(edn_argon2id(out, edn_bytes_str(vector_str(c, "password_utf8")), salt.p, (uint32_t)vector_int(c, "t"),
                              (uint32_t)vector_int(c, "m_kib")));
        CHECK_BYTES(edn_bytes_of(out, sizeof out), vector_hex(&v, c, "hash"));
    }
    CHECK(i > 0);
    /* Eight-byte salts and several lanes: only the library's own verifier takes them. */
    json_array_foreach(json_object_get(v.root, "reference_tests"), i, c)
    {
        const char *password = vector_str(c, "password"), *encoded = vector_str(c, "encoded");

        CHECK_INT(crypto_pwhash_str_verify(encoded, password, strlen(password)), 0);
        CHECK_INT(crypto_pwhash_str_verify(encoded, password, strlen(password) - 1), -1);
    }
    CHECK(i > 0);
    vectors_close(&v);
}

/* RFC 9106 with p = 1, made with the reference program: always here. */
static void argon2id_known_answer(void **state)
{
    (void)state;
    uint8_t out[32], want[32];

    CHECK(edn_hex_decode(want, 32, edn_bytes_str("3612e72cd0925b09723fc631f08d51c85cd305a55dd1935d5aebfae4ce0c388c")));
    CHECK_OK(edn_argon2id(out, edn_bytes_str("x"), (const uint8_t *)"aaaaaaaaaaaaaaaa", 1, 8));
    CHECK_BYTES(edn_bytes_of(out, 32), edn_bytes_of(want, 32));
}

static void argon2id_refuses_what_the_library_refuses(void **state)
{
    (void)state;
    uint8_t out[32], salt[16] = {0}, zero[32] = {0};

    memset(out, 1, sizeof out);
    CHECK_STATUS(edn_argon2id(out, edn_bytes_str("x"), salt, 0, 8), EDN_E_KDF);
    CHECK(memcmp(out, zero, sizeof out) == 0);
    CHECK_STATUS(edn_argon2id(out, edn_bytes_str("x"), salt, 1, 7), EDN_E_KDF);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__wasm__)
#define NO_CHILDREN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NO_CHILDREN 1
#endif
#endif

static void argon2id_without_the_memory_says_so(void **state)
{
    (void)state;
#ifdef NO_CHILDREN
    skip(); /* a limit on address space stops the sanitizer first; wasm32 has no processes */
#else
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit limit = {256u << 20, 256u << 20};
        uint8_t out[32], salt[16] = {0};

        if (setrlimit(RLIMIT_AS, &limit) != 0)
            _exit(99);
        void *volatile more = malloc(512u << 20);
        if (more)
            _exit(98); /* an emulated machine takes the limit and does not keep it */
        _exit((int)edn_argon2id(out, edn_bytes_str("x"), salt, 1, 1u << 20));
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    if (WEXITSTATUS(status) == 98)
        skip();
    CHECK_STATUS((edn_status)WEXITSTATUS(status), EDN_E_NOMEM);
#endif
}

/* ---- X25519, HKDF, HPKE ------------------------------------------------------------------------------------------ */

static void x25519_rfc7748(void **state)
{
    (void)state;
    vectors v = vectors_open("x25519/rfc7748.json");
    json_t *c, *it = json_object_get(v.root, "iterated");
    edn_dh_sk k;
    edn_dh_pk u;
    size_t i;

    json_array_foreach(json_object_get(v.root, "section_5_2"), i, c)
    {
        uint8_t out[32];

        VECTOR_INTO(k, &v, c, "scalar");
        VECTOR_INTO(u, &v, c, "u");
        CHECK(edn_dh(out, &k, &u));
        CHECK_BYTES(edn_bytes_of(out, 32), vector_hex(&v, c, "out"));
    }
    CHECK(i > 0);
    VECTOR_INTO(k, &v, it, "start");
    VECTOR_INTO(u, &v, it, "start");
    for (i = 1; i <= 1000; i++) {
        uint8_t out[32];

        CHECK(edn_dh(out, &k, &u));
        memcpy(u.b, k.b, 32);
        memcpy(k.b, out, 32);
        if (i == 1)
            CHECK_BYTES(EDN_F(k), vector_hex(&v, it, "after_1"));
    }
    CHECK_BYTES(EDN_F(k), vector_hex(&v, it, "after_1000"));
    vectors_close(&v);
}

/* "acceptable" gives the secret, or is refused when that is zero. */
static void x25519_wycheproof(void **state)
{
    (void)state;
    vectors v = vectors_open("wycheproof/x25519_test.json");
    json_t *g, *c;
    size_t i, k, cases = 0, refused = 0;
    static const uint8_t zero[32];

    json_array_foreach(json_object_get(v.root, "testGroups"), i, g)
    {
        json_array_foreach(json_object_get(g, "tests"), k, c)
        {
            edn_bytes want = vector_hex(&v, c, "shared");
            edn_dh_sk sk;
            edn_dh_pk pk;
            uint8_t out[32];

            cases++;
            VECTOR_INTO(sk, &v, c, "private");
            VECTOR_INTO(pk, &v, c, "public");
            bool ok = edn_dh(out, &sk, &pk);
            CHECK(edn_dh_pk_valid(&pk) == ok);
            if (ok) {
                CHECK_BYTES(edn_bytes_of(out, 32), want);
            } else {
                CHECK(memcmp(want.p, zero, 32) == 0);
                refused++;
            }
        }
    }
    CHECK_INT(cases, vector_int(v.root, "numberOfTests"));
    CHECK(refused > 0);
    vectors_close(&v);
}

static void hkdf_rfc5869(void **state)
{
    (void)state;
    vectors v = vectors_open("hkdf/rfc5869.json");
    json_t *c;
    size_t i;

    json_array_foreach(v.root, i, c)
    {
        edn_bytes ikm = vector_hex(&v, c, "ikm"), info = vector_hex(&v, c, "info");
        uint8_t prk[32], okm[64];
        size_t n = vector_int(c, "L");

        CHECK(n <= sizeof okm);
        edn_hkdf_extract(prk, vector_hex(&v, c, "salt"), &ikm, 1);
        CHECK_BYTES(edn_bytes_of(prk, 32), vector_hex(&v, c, "prk"));
        edn_hkdf_expand(okm, n, prk, &info, 1);
        CHECK_BYTES(edn_bytes_of(okm, n), vector_hex(&v, c, "okm"));
    }
    CHECK(i > 0);
    vectors_close(&v);
}

static void hkdf_wycheproof(void **state)
{
    (void)state;
    vectors v = vectors_open("wycheproof/hkdf_sha256_test.json");
    json_t *g, *c;
    size_t i, k, cases = 0;

    json_array_foreach(json_object_get(v.root, "testGroups"), i, g)
    {
        json_array_foreach(json_object_get(g, "tests"), k, c)
        {
            edn_bytes ikm = vector_hex(&v, c, "ikm"), info = vector_hex(&v, c, "info");
            size_t n = vector_int(c, "size");
            uint8_t prk[32], *okm = malloc(n + 1);

            assert_non_null(okm);
            cases++;
            /* Invalid cases ask for too much: a size no caller here can name. */
            CHECK((strcmp(vector_str(c, "result"), "valid") == 0) == (n <= EDN_HKDF_SIZE_MAX));
            if (n <= EDN_HKDF_SIZE_MAX) {
                edn_hkdf_extract(prk, vector_hex(&v, c, "salt"), &ikm, 1);
                edn_hkdf_expand(okm, n, prk, &info, 1);
                CHECK_BYTES(edn_bytes_of(okm, n), vector_hex(&v, c, "okm"));
            }
            free(okm);
        }
    }
    CHECK_INT(cases, vector_int(v.root, "numberOfTests"));
    vectors_close(&v);
}

typedef struct hpke_case {
    edn_dh_sk sk_r, sk_e;
    edn_dh_pk pk_r;
    edn_psk psk;
    edn_bytes info, psk_id, pt, aad, ct;
} hpke_case;

static hpke_case hpke_case_read(vectors *v, const json_t *c)
{
    const json_t *first = json_array_get(json_object_get(c, "encryptions"), 0);
    hpke_case h = {.psk_id = EDN_BYTES_EMPTY};

    CHECK_INT(vector_int(first, "seq"), 0);
    VECTOR_INTO(h.sk_r, v, c, "skRm");
    VECTOR_INTO(h.pk_r, v, c, "pkRm");
    VECTOR_INTO(h.sk_e, v, c, "skEm");
    if (vector_has(c, "psk")) {
        VECTOR_INTO(h.psk, v, c, "psk");
        h.psk_id = vector_hex(v, c, "psk_id");
    }
    h.info = vector_hex(v, c, "info");
    h.pt = vector_hex(v, first, "pt");
    h.aad = vector_hex(v, first, "aad");
    h.ct = vector_hex(v, first, "ct");
    return h;
}

/* Modes base and psk of the one suite that EDN uses, from the KEM to the first message; the later messages of a vector
 * check the nonce. */
static void hpke_rfc9180(void **state)
{
    (void)state;
    vectors v = vectors_open("hpke/rfc9180_x25519.json");
    json_t *c, *m;
    size_t i, k, applies = 0;

    json_array_foreach(v.root, i, c)
    {
        const char *mode = vector_str(c, "mode");
        bool ours = strcmp(vector_str(c, "kem_id"), "32") == 0 && strcmp(vector_str(c, "kdf_id"), "1") == 0 &&
                    strcmp(vector_str(c, "aead_id"), "3") == 0 && (*mode == '0' || *mode == '1');
        hpke_case h;
        edn_hpke_context cx;
        edn_dh_pk pk_e;
        edn_buf out = EDN_BUF_INIT(4096);
        uint8_t dh[32], shared[32], enc[32];

        if (!ours)
            continue;
        applies++;
        h = hpke_case_read(&v, c);
        const edn_psk *psk = *mode == '1' ? &h.psk : NULL;
        edn_dh_keypair(&h.sk_e, &pk_e);
        CHECK_BYTES(EDN_F(pk_e), vector_hex(&v, c, "enc"));
        CHECK(edn_dh(dh, &h.sk_e, &h.pk_r));
        edn_hpke_kem_secret(shared, dh, pk_e.b, &h.pk_r);
        CHECK_BYTES(edn_bytes_of(shared, 32), vector_hex(&v, c, "shared_secret"));
        edn_hpke_schedule(&cx, shared, h.info, psk, h.psk_id);
        CHECK_BYTES(edn_bytes_of(cx.key, 32), vector_hex(&v, c, "key"));
        CHECK_BYTES(edn_bytes_of(cx.nonce, 12), vector_hex(&v, c, "base_nonce"));
        json_array_foreach(json_object_get(c, "encryptions"), k, m)
        {
            uint64_t seq = vector_int(m, "seq");
            uint8_t nonce[12];

            memcpy(nonce, cx.nonce, 12);
            for (size_t b = 0; b < 8; b++)
                nonce[11 - b] ^= (uint8_t)(seq >> 8 * b);
            CHECK_BYTES(edn_bytes_of(nonce, 12), vector_hex(&v, m, "nonce"));
        }
        CHECK_OK(edn_hpke_seal(&out, enc, &h.pk_r, h.info, h.aad, psk, h.psk_id, h.pt, h.sk_e.b));
        CHECK_BYTES(edn_bytes_of(enc, 32), vector_hex(&v, c, "enc"));
        CHECK_BYTES(edn_buf_view(&out), h.ct);
        edn_buf_reset(&out);
        CHECK_OK(edn_hpke_open(&out, enc, &h.sk_r, h.info, h.aad, psk, h.psk_id, h.ct));
        CHECK_BYTES(edn_buf_view(&out), h.pt);
        edn_buf_dispose(&out);
    }
    CHECK(i > 0);
    CHECK(applies > 0);
    vectors_close(&v);
}

static void hpke_refuses_everything_that_is_not_the_same(void **state)
{
    (void)state;
    sample s = sample_make(check_seed());
    edn_dh_sk sk, other;
    edn_dh_pk pk, zero = {{0}};
    edn_psk psk, psk2;
    edn_bytes info = edn_bytes_str("info"), aad = edn_bytes_str("aad"), id = edn_bytes_str("id");
    edn_bytes pt = edn_bytes_of(s.pt, 32);
    edn_buf ct = EDN_BUF_INIT(256), out = EDN_BUF_INIT(256);
    uint8_t enc[32];

    memcpy(sk.b, s.key, 32);
    memcpy(other.b, s.key, 32);
    other.b[5] ^= 1;
    memcpy(psk.b, s.aad, 32);
    psk2 = psk;
    psk2.b[31] ^= 1;
    edn_dh_keypair(&sk, &pk);
    CHECK_OK(edn_hpke_seal(&ct, enc, &pk, info, aad, &psk, id, pt, s.rnd));
    CHECK_INT(ct.n, 48);
#define OPEN(enc_, sk_, info_, aad_, psk_, id_)                                                                        \
    edn_hpke_open(&out, (enc_), (sk_), (info_), (aad_), (psk_), (id_), edn_buf_view(&ct))
    CHECK_STATUS(OPEN(enc, &other, info, aad, &psk, id), EDN_E_AUTH);
    CHECK_STATUS(OPEN(enc, &sk, aad, aad, &psk, id), EDN_E_AUTH);
    CHECK_STATUS(OPEN(enc, &sk, info, info, &psk, id), EDN_E_AUTH);
    CHECK_STATUS(OPEN(enc, &sk, info, aad, &psk2, id), EDN_E_AUTH);
    CHECK_STATUS(OPEN(enc, &sk, info, aad, &psk, info), EDN_E_AUTH);
    CHECK_STATUS(OPEN(enc, &sk, info, aad, NULL, EDN_BYTES_EMPTY), EDN_E_AUTH);
    CHECK_STATUS(OPEN(enc, &sk, info, aad, NULL, id), EDN_E_INVALID);
    CHECK_STATUS(OPEN(enc, &sk, info, aad, &psk, EDN_BYTES_EMPTY), EDN_E_INVALID);
    CHECK_STATUS(OPEN(zero.b, &sk, info, aad, &psk, id), EDN_E_KEY_INVALID);
    for (size_t i = 0; i < ct.n; i++) {
        ct.p[i] ^= 1;
        CHECK_STATUS(OPEN(enc, &sk, info, aad, &psk, id), EDN_E_AUTH);
        ct.p[i] ^= 1;
    }
    for (size_t i = 0; i < 32; i++) {
        enc[i] ^= 1;
        CHECK_STATUS(OPEN(enc, &sk, info, aad, &psk, id), EDN_E_AUTH);
        enc[i] ^= 1;
    }
    for (size_t n = 0; n < ct.n; n++)
        CHECK_STATUS(edn_hpke_open(&out, enc, &sk, info, aad, &psk, id, edn_bytes_of(ct.p, n)), EDN_E_AUTH);
    CHECK_INT(out.n, 0);
    CHECK_OK(OPEN(enc, &sk, info, aad, &psk, id));
#undef OPEN
    CHECK_BYTES(edn_buf_view(&out), pt);
    edn_buf small = EDN_BUF_INIT(31);
    CHECK_STATUS(edn_hpke_open(&small, enc, &sk, info, aad, &psk, id, edn_buf_view(&ct)), EDN_E_LIMIT);
    edn_buf_reset(&small);
    CHECK_STATUS(edn_hpke_seal(&small, enc, &pk, info, aad, &psk, id, pt, s.rnd), EDN_E_LIMIT);
    CHECK_INT(small.n, 0);
    edn_buf_dispose(&small);
    CHECK_STATUS(edn_hpke_seal(&ct, enc, &pk, info, aad, &psk, id, edn_bytes_of(s.pt, SIZE_MAX), s.rnd), EDN_E_LIMIT);
    CHECK_STATUS(edn_hpke_seal(&ct, enc, &zero, info, aad, &psk, id, pt, s.rnd), EDN_E_KEY_INVALID);
    CHECK_STATUS(edn_hpke_seal(&ct, enc, &pk, info, aad, NULL, id, pt, s.rnd), EDN_E_INVALID);
    CHECK_INT(ct.n, 48);
    edn_buf_dispose(&ct);
    edn_buf_dispose(&out);
}

/* ---- the AEADs beneath ------------------------------------------------------------------------------------------- */

typedef int aead_encrypt(unsigned char *, unsigned long long *, const unsigned char *, unsigned long long,
                         const unsigned char *, unsigned long long, const unsigned char *, const unsigned char *,
                         const unsigned char *);
typedef int aead_decrypt(unsigned char *, unsigned long long *, unsigned char *, const unsigned char *,
                         unsigned long long, const unsigned char *, unsigned long long, const unsigned char *,
                         const unsigned char *);

static void aead_wycheproof(const char *name, size_t nonce_size, aead_encrypt *encrypt, aead_decrypt *decrypt)
{
    vectors v = vectors_open(name);
    json_t *g, *c;
    size_t i, k, cases = 0, valid = 0;

    json_array_foreach(json_object_get(v.root, "testGroups"), i, g)
    {
        json_array_foreach(json_object_get(g, "tests"), k, c)
        {
            edn_bytes key = vector_hex(&v, c, "key"), iv = vector_hex(&v, c, "iv"), aad = vector_hex(&v, c, "aad");
            edn_bytes msg = vector_hex(&v, c, "msg"), ct = vector_hex(&v, c, "ct"), tag = vector_hex(&v, c, "tag");
            bool want = strcmp(vector_str(c, "result"), "valid") == 0;
            edn_buf box = EDN_BUF_INIT(EDN_BUF_UNLIMITED), out = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
            bool got = false;

            cases++;
            valid += want;
            edn_put_bytes(&box, ct.p, ct.n);
            edn_put_bytes(&box, tag.p, tag.n);
            if (iv.n == nonce_size && key.n == 32) { /* other sizes no type here lets through */
                uint8_t *pt = edn_buf_grow(&out, ct.n + 16);
                got = decrypt(pt, NULL, NULL, box.p, box.n, aad.p, aad.n, iv.p, key.p) == 0;
                if (got) {
                    CHECK_BYTES(edn_bytes_of(pt, ct.n), msg);
                    (void)encrypt(pt, NULL, msg.p, msg.n, aad.p, aad.n, NULL, iv.p, key.p); /* always 0 */
                    CHECK_BYTES(edn_buf_view(&out), edn_buf_view(&box));
                }
            }
            if (got != want)
                fail_msg("case %d", (int)vector_int(c, "tcId"));
            edn_buf_dispose(&box);
            edn_buf_dispose(&out);
        }
    }
    CHECK_INT(cases, vector_int(v.root, "numberOfTests"));
    CHECK(valid > 0 && valid < cases);
    vectors_close(&v);
}

static void xchacha20_poly1305_wycheproof(void **state)
{
    (void)state;
    aead_wycheproof("wycheproof/xchacha20_poly1305_test.json", 24, crypto_aead_xchacha20poly1305_ietf_encrypt,
                    crypto_aead_xchacha20poly1305_ietf_decrypt);
}

static void chacha20_poly1305_wycheproof(void **state)
{
    (void)state;
    aead_wycheproof("wycheproof/chacha20_poly1305_test.json", 12, crypto_aead_chacha20poly1305_ietf_encrypt,
                    crypto_aead_chacha20poly1305_ietf_decrypt);
}

/* ---- secrets ----------------------------------------------------------------------------------------------------- */

/* A type whose wiping can be watched. */
typedef struct watched {
    uint8_t b[32];
} watched;
static unsigned watched_wipes;
static void edn_wipe_watched(watched *w)
{
    edn_wipe(w, sizeof *w);
    watched_wipes++;
}

static edn_status leaves_early(bool early)
{
    EDN_SECRET(watched) secret = EDN_KEY_EMPTY;

    memset(secret.b, 1, sizeof secret.b);
    if (early)
        goto out;
    if (secret.b[0] == 1)
        return EDN_OK;
out:
    return EDN_E_AUTH;
}

static void a_secret_is_wiped_on_every_way_out(void **state)
{
    (void)state;
    edn_root_key key, zero = EDN_KEY_EMPTY;

    CHECK_OK(leaves_early(false));
    CHECK_INT(watched_wipes, 1);
    CHECK_STATUS(leaves_early(true), EDN_E_AUTH);
    CHECK_INT(watched_wipes, 2);
    memset(key.b, 0xa5, sizeof key.b);
    edn_wipe_edn_root_key(&key);
    CHECK(edn_equal_ct(&key, &zero, sizeof key));
}

static void the_guarded_heap_faults_behind_its_end(void **state)
{
    (void)state;
#ifdef NO_CHILDREN
    skip(); /* the sanitizer takes the signal; wasm32 has none */
#else
    uint8_t *p = edn_secret_alloc(32);
    pid_t child;
    int status;

    assert_non_null(p);
    memset(p, 1, 32);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit none = {0, 0};

        (void)setrlimit(RLIMIT_CORE, &none); /* only to leave no core file */
        signal(SIGSEGV, SIG_DFL);
        ((volatile uint8_t *)p)[32] = 1;
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    edn_secret_free(p);
    edn_secret_free(NULL);
#endif
}

static int setup(void **state)
{
    (void)state;
    return edn_crypto_init() == EDN_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seal_vectors),
        cmocka_unit_test(refuses_a_box_altered_at_any_byte),
        cmocka_unit_test(round_trips_at_every_length),
        cmocka_unit_test(limits_are_kept_and_leave_nothing_behind),
        cmocka_unit_test(a_stuck_random_source_repeats_no_nonce),
        cmocka_unit_test(argon2id_published),
        cmocka_unit_test(argon2id_known_answer),
        cmocka_unit_test(argon2id_refuses_what_the_library_refuses),
        cmocka_unit_test(argon2id_without_the_memory_says_so),
        cmocka_unit_test(x25519_rfc7748),
        cmocka_unit_test(x25519_wycheproof),
        cmocka_unit_test(hkdf_rfc5869),
        cmocka_unit_test(hkdf_wycheproof),
        cmocka_unit_test(hpke_rfc9180),
        cmocka_unit_test(hpke_refuses_everything_that_is_not_the_same),
        cmocka_unit_test(xchacha20_poly1305_wycheproof),
        cmocka_unit_test(chacha20_poly1305_wycheproof),
        cmocka_unit_test(a_secret_is_wiped_on_every_way_out),
        cmocka_unit_test(the_guarded_heap_faults_behind_its_end),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
