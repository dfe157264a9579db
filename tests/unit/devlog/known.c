/* The logs that tests/kat/wire_ref.py builds, built again here: byte for byte the same. */
#include "devlog/devlog.h"

#include "known.h"

#define TIME 1790000000000u

enum { AIK = 1, A, B, LOGIN, AIK2, OWNER = 7, WRITER };

typedef struct built {
    edn_devlog *log;
    edn_device_id a, b;
    edn_sign_sk aik_sk, a_sk, b_sk, aik2_sk;
    edn_cert cert_a, cert_b;
    edn_sign_pk aik, aik2, login;
} built;

static edn_cert make_cert(uint8_t seed, uint8_t enc, uint32_t caps, const char *name, edn_sign_sk *sk)
{
    edn_cert c;

    c.sign = known_key(seed, sk);
    FILLED(c.enc, enc);
    c.caps = caps;
    c.name_hash = edn_h32_t(EDN_LABEL_DEVNAME, edn_bytes_str(name));
    return c;
}

static void built_init(built *x)
{
    edn_sign_sk unused;

    CHECK_OK(edn_devlog_new(&x->log));
    x->aik = known_key(AIK, &x->aik_sk);
    x->aik2 = known_key(AIK2, &x->aik2_sk);
    x->login = known_key(LOGIN, &unused);
    x->cert_a = make_cert(A, 0x11, 7, "desk", &x->a_sk);
    x->cert_b = make_cert(B, 0x12, 3, "attic", &x->b_sk);
    x->a = edn_device_id_of(&x->cert_a.sign, &x->cert_a.enc);
    x->b = edn_device_id_of(&x->cert_b.sign, &x->cert_b.enc);
    CHECK_KNOWN("device_a", EDN_F(x->a));
    CHECK_KNOWN("device_b", EDN_F(x->b));
}

/* The link is as known, the log takes it, and its hash is as known. */
static void take(built *x, edn_buf *link, edn_status st)
{
    unsigned i = (unsigned)edn_devlog_count(x->log);
    edn_hash h;
    char name[32];

    CHECK_OK(st);
    snprintf(name, sizeof name, "link_%u", i);
    CHECK_KNOWN(name, edn_buf_view(link));
    CHECK_OK(edn_devlog_append(x->log, edn_buf_view(link)));
    snprintf(name, sizeof name, "link_hash_%u", i);
    h = edn_devlog_head(x->log);
    CHECK_KNOWN(name, EDN_F(h));
    h = edn_link_hash(edn_buf_view(link));
    CHECK_KNOWN(name, EDN_F(h));
    edn_buf_dispose(link);
}

static edn_link_signer by(const built *x, const edn_device_id *device, const edn_sign_sk *sk)
{
    return (edn_link_signer){device, sk, TIME + 1000 * edn_devlog_count(x->log)};
}

static void build_genesis_and_devices(built *x)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_hash grants, h1, h2;
    edn_dh_pk aek;
    edn_signature pop;
    edn_link_signer s;

    FILLED(aek, 0x21);
    FILLED(grants, 0x31);
    take(x, &link, edn_link_genesis(&link, &x->aik, &x->aik_sk, TIME, &x->cert_a, &aek, &grants, &x->a_sk));
    FILLED(grants, 0x32);
    s = by(x, &x->a, &x->a_sk);
    edn_link_pop(&pop, x->log, &s, &x->aik, &x->cert_b, &x->b_sk);
    take(x, &link, edn_link_add_device(&link, x->log, &s, &x->cert_b, &grants, &pop));
    FILLED(h1, 0x35);
    FILLED(h2, 0x36);
    s = by(x, &x->a, &x->a_sk);
    take(x, &link, edn_link_set_kdf(&link, x->log, &s, &h1, &h2, &x->login));
}

static void build_recovery_checkpoint_policy(built *x)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX), body = EDN_BUF_INIT(1024);
    edn_link_signer s = by(x, &x->a, &x->a_sk);
    uint8_t hash[32];
    edn_pin pins[2];

    edn_put_u8(&body, 2);
    edn_put_u8(&body, 3);
    FILLED(hash, 0x41);
    edn_put_bytes(&body, hash, 16);
    for (uint8_t i = 0x42; i <= 0x45; i++) {
        FILLED(hash, i);
        edn_put_bytes(&body, hash, 32);
    }
    take(x, &link, edn_link_build(&link, x->log, &s, EDN_LINK_SET_RECOVERY, edn_buf_view(&body)));

    for (uint8_t i = 0; i < 2; i++) {
        FILLED(pins[i].space, 0x51 + i);
        pins[i].device = i ? x->b : x->a;
        pins[i].dseq = i ? (uint64_t)1 << 40 : 7;
        FILLED(pins[i].hash, 0x61 + i);
    }
    s = by(x, &x->b, &x->b_sk);
    take(x, &link, edn_link_checkpoint(&link, x->log, &s, pins, 2));

    edn_buf_reset(&body);
    edn_put_u16(&body, 1);
    edn_put_u8(&body, 2);
    edn_put_u32(&body, 1);
    s = by(x, &x->a, &x->a_sk);
    take(x, &link, edn_link_build(&link, x->log, &s, EDN_LINK_SET_POLICY, edn_buf_view(&body)));
    edn_buf_dispose(&body);
}

static void build_rotation_and_revoke(built *x)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX), body = EDN_BUF_INIT(1024);
    edn_link_signer s = by(x, NULL, &x->aik_sk);
    uint8_t hash[32];

    take(x, &link, edn_link_rotate_aik(&link, x->log, &s, &x->aik2, &x->aik2_sk));

    edn_buf_reset(&body);
    edn_put_u32(&body, 1);
    edn_put_bytes(&body, x->b.b, 16);
    edn_put_u32(&body, 2);
    FILLED(hash, 0x51);
    edn_put_bytes(&body, hash, 32);
    edn_put_u64(&body, 9);
    FILLED(hash, 0x63);
    edn_put_bytes(&body, hash, 32);
    FILLED(hash, 0x52);
    edn_put_bytes(&body, hash, 32);
    edn_put_zeros(&body, 8 + 32);
    edn_put_u32(&body, 1);
    for (size_t i = 0; i < 3; i++) {
        FILLED(hash, i == 0 ? 0x22 : i == 1 ? 0x33 : 0x34);
        edn_put_bytes(&body, hash, 32);
    }
    s = by(x, NULL, &x->aik2_sk);
    take(x, &link, edn_link_build(&link, x->log, &s, EDN_LINK_REVOKE_ROTATE, edn_buf_view(&body)));
    edn_buf_dispose(&body);
}

static void check_what_the_log_says(const built *x)
{
    const edn_device *a = edn_devlog_device(x->log, 0), *b = edn_devlog_device_find(x->log, &x->b);
    const edn_pin *pins;
    edn_space_id space;
    edn_hash h1, h2, want;
    edn_sign_pk login = {{0}}, aik = edn_devlog_aik(x->log);
    edn_dh_pk aek = edn_devlog_aek(x->log), want_aek;
    uint64_t dseq;

    CHECK_BYTES(EDN_F(aik), EDN_F(x->aik2));
    FILLED(want_aek, 0x22);
    CHECK_BYTES(EDN_F(aek), EDN_F(want_aek));
    CHECK_INT(edn_devlog_epoch(x->log), 1);
    CHECK_INT(edn_devlog_suite_min(x->log), 1);
    CHECK_INT(edn_devlog_kdf_floor(x->log), 2);
    h1 = edn_devlog_grants_hash(x->log);
    FILLED(want, 0x33);
    CHECK_BYTES(EDN_F(h1), EDN_F(want));
    CHECK(edn_devlog_kdf(x->log, &h1, &h2, &login));
    FILLED(want, 0x35);
    CHECK_BYTES(EDN_F(h1), EDN_F(want));
    FILLED(want, 0x36);
    CHECK_BYTES(EDN_F(h2), EDN_F(want));
    CHECK_BYTES(EDN_F(login), EDN_F(x->login));

    CHECK(a && b && edn_devlog_device(x->log, 1) == b && !edn_devlog_device(x->log, 2));
    CHECK(edn_device_active(a) && !edn_device_active(b));
    CHECK_INT(b->added_seq, 1);
    CHECK_INT(b->added_time_ms, TIME + 1000);
    CHECK_INT(b->revoked_seq, 7);
    CHECK(!edn_device_active_at(b, 0) && edn_device_active_at(b, 1) && edn_device_active_at(b, 6));
    CHECK(!edn_device_active_at(b, 7) && edn_device_active_at(a, 7));

    FILLED(space, 0x51);
    CHECK(!edn_devlog_cut(x->log, &x->a, &space, &dseq, &h1));
    CHECK(edn_devlog_cut(x->log, &x->b, &space, &dseq, &h1));
    FILLED(want, 0x63);
    CHECK_INT(dseq, 9);
    CHECK_BYTES(EDN_F(h1), EDN_F(want));
    FILLED(space, 0x53); /* a space that the link does not name */
    CHECK(edn_devlog_cut(x->log, &x->b, &space, &dseq, &h1));
    CHECK_INT(dseq, 0);

    CHECK_INT(edn_devlog_checkpoint(x->log, &pins), 2);
    CHECK_INT(pins[1].dseq, (uint64_t)1 << 40);
    CHECK_BYTES(EDN_F(pins[1].device), EDN_F(x->b));
}

static void a_log_is_built_as_another_program_builds_it(void **state)
{
    built x;

    (void)state;
    built_init(&x);
    build_genesis_and_devices(&x);
    build_recovery_checkpoint_policy(&x);
    build_rotation_and_revoke(&x);
    check_what_the_log_says(&x);
    edn_devlog_free(x.log);
}

/* The next link of the space log is as known, and the log takes it. */
static void take_space(edn_devlog *log, edn_buf *link, edn_status st)
{
    unsigned i = (unsigned)edn_devlog_count(log);
    edn_hash h;
    char name[32];

    CHECK_OK(st);
    snprintf(name, sizeof name, "space_link_%u", i);
    CHECK_KNOWN(name, edn_buf_view(link));
    CHECK_OK(edn_devlog_append(log, edn_buf_view(link)));
    snprintf(name, sizeof name, "space_link_hash_%u", i);
    h = edn_devlog_head(log);
    CHECK_KNOWN(name, EDN_F(h));
    edn_buf_dispose(link);
}

static void a_space_log_is_built_as_another_program_builds_it(void **state)
{
    static const struct {
        uint8_t seed, enc;
        uint32_t caps;
    } keys[] = {{OWNER, 0x13, 15}, {A, 0x11, 7}, {WRITER, 0x14, 11}, {B, 0x12, 3}};
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_sign_sk aik_sk, sk[EDN_COUNT(keys)];
    edn_sign_pk aik = known_key(AIK, &aik_sk);
    edn_cert cert[EDN_COUNT(keys)];
    edn_device_id id[EDN_COUNT(keys)];
    edn_rotation r = {.revoked = &id[3], .revoked_n = 1, .cuts_n = 1, .epoch = 1};
    edn_link_signer by;
    edn_signature pop;
    edn_hash grants;
    edn_devlog *log;
    edn_pin cut;

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(keys); i++) {
        cert[i] = make_cert(keys[i].seed, keys[i].enc, keys[i].caps, "", &sk[i]);
        id[i] = edn_device_id_of(&cert[i].sign, &cert[i].enc);
    }
    CHECK_OK(edn_devlog_new(&log));
    FILLED(r.aek, 0x21);
    FILLED(grants, 0x31);
    take_space(log, &link, edn_link_space_genesis(&link, &aik, &aik_sk, TIME, &cert[0], &r.aek, &grants, &sk[0]));
    for (uint8_t i = 1; i < EDN_COUNT(keys); i++) {
        FILLED(grants, 0x31 + i);
        by = (edn_link_signer){&id[i - 1], &sk[i - 1], TIME + 1000 * i};
        edn_link_pop(&pop, log, &by, &aik, &cert[i], &sk[i]);
        take_space(log, &link, edn_link_add_device(&link, log, &by, &cert[i], &grants, &pop));
    }
    FILLED(cut.space, 0x51);
    cut.device = id[3];
    cut.dseq = 9;
    FILLED(cut.hash, 0x63);
    r.cuts = &cut;
    FILLED(r.aek, 0x22);
    FILLED(r.grants_hash, 0x35);
    FILLED(r.prev_box_hash, 0x36);
    by = (edn_link_signer){&id[2], &sk[2], TIME + 4000};
    take_space(log, &link, edn_link_revoke_rotate(&link, log, &by, &r));
    CHECK(edn_devlog_membership(log, &id[3]) == edn_devlog_device(log, 2));
    edn_devlog_free(log);
}

static void a_link_names_its_boxes(void **state)
{
    static const struct {
        const char *link;
        size_t n;
        uint8_t box[2];
    } cases[] = {
        {"link_0", 1, {0x31}}, {"link_1", 1, {0x32}}, {"link_2", 2, {0x35, 0x36}}, {"link_3", 1, {0x45}},
        {"link_4", 0, {0}},    {"link_5", 0, {0}},    {"link_6", 0, {0}},          {"link_7", 2, {0x33, 0x34}},
    };

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(cases); i++) {
        edn_bytes link = known(cases[i].link);
        edn_hash boxes[EDN_LINK_BOXES_MAX], want;
        size_t n;

        CHECK_OK(edn_link_boxes(link, boxes, &n));
        CHECK_INT(n, cases[i].n);
        for (size_t k = 0; k < n; k++) {
            FILLED(want, cases[i].box[k]);
            CHECK_BYTES(EDN_F(boxes[k]), EDN_F(want));
        }
        free((void *)link.p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_is_built_as_another_program_builds_it),
        cmocka_unit_test(a_space_log_is_built_as_another_program_builds_it),
        cmocka_unit_test(a_link_names_its_boxes),
    };
    CHECK_OK(edn_crypto_init());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
