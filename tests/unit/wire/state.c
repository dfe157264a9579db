#include "vectors.h"

#include "wire/wire.h"

static void read_login(vectors *v, const json_t *c, edn_login_message *m)
{
    memset(m, 0, sizeof *m);
    m->origin = edn_bytes_str(vector_str(c, "origin"));
    VECTOR_INTO(m->account, v, c, "account_id");
    VECTOR_INTO(m->device, v, c, "device_id");
    VECTOR_INTO(m->client_nonce, v, c, "client_nonce");
    VECTOR_INTO(m->server_nonce, v, c, "server_nonce");
    VECTOR_INTO(m->channel_binding, v, c, "channel_binding");
    m->server_time = vector_int(c, "server_time");
    m->log_seq = vector_int(c, "sc_seq");
    VECTOR_INTO(m->log_head, v, c, "sc_head");
}

static void login_agrees_with_the_vectors(void **state)
{
    vectors v = vectors_open("edn/login.json");
    json_t *c;
    size_t i;

    (void)state;
    json_array_foreach(json_object_get(v.root, "cases"), i, c)
    {
        edn_login_message m;
        edn_sign_pk pk;
        edn_signature sig;

        read_login(&v, c, &m);
        VECTOR_INTO(pk, &v, c, "sign_pk");
        VECTOR_INTO(sig, &v, c, "signature");
        CHECK_INT(edn_login_verify(&sig, &m, &pk), strcmp(vector_str(c, "result"), "ok") == 0);
    }
    vectors_close(&v);
}

static edn_sign_pk test_keypair(uint8_t which, edn_sign_sk *sk)
{
    uint8_t seed[32];
    edn_sign_pk pk;

    memset(seed, which, sizeof seed);
    edn_sign_keypair(seed, &pk, sk);
    return pk;
}

static void login_is_bound_to_each_field(void **state)
{
    edn_sign_sk sk;
    edn_sign_pk pk = test_keypair(1, &sk);
    edn_signature sig;
    edn_login_message m;
    uint8_t *fields[] = {
        m.account.b,           m.device.b,   m.client_nonce,           m.server_nonce, m.channel_binding,
        (uint8_t *)&m.log_seq, m.log_head.b, (uint8_t *)&m.server_time};

    (void)state;
    memset(&m, 0, sizeof m);
    m.origin = edn_bytes_str("https://sync.example");
    edn_login_sign(&sig, &m, &sk);
    CHECK(edn_login_verify(&sig, &m, &pk));
    for (size_t i = 0; i < EDN_COUNT(fields); i++) {
        *fields[i] ^= 1;
        CHECK(!edn_login_verify(&sig, &m, &pk));
        *fields[i] ^= 1;
    }
    m.origin = edn_bytes_str("https://sync.example:8443");
    CHECK(!edn_login_verify(&sig, &m, &pk));
}

static void receipt_is_bound_to_the_state(void **state)
{
    edn_sign_sk sk;
    edn_sign_pk pk = test_keypair(2, &sk), other = test_keypair(3, &(edn_sign_sk){{0}});
    edn_space_id space = {{1}};
    edn_hash log_head = {{2}}, heads = {{3}};
    edn_receipt r = {1790000000123u, {{0}}};

    (void)state;
    edn_receipt_sign(&r, &space, 5, &log_head, &heads, &sk);
    CHECK(edn_receipt_verify(&r, &space, 5, &log_head, &heads, &pk));
    CHECK(!edn_receipt_verify(&r, &space, 5, &log_head, &heads, &other));
    CHECK(!edn_receipt_verify(&r, &space, 6, &log_head, &heads, &pk));
    CHECK(!edn_receipt_verify(&r, &space, 5, &heads, &log_head, &pk));
    space.b[31] = 1;
    CHECK(!edn_receipt_verify(&r, &space, 5, &log_head, &heads, &pk));
    space.b[31] = 0;
    r.time_ms++;
    CHECK(!edn_receipt_verify(&r, &space, 5, &log_head, &heads, &pk));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(login_agrees_with_the_vectors),
        cmocka_unit_test(login_is_bound_to_each_field),
        cmocka_unit_test(receipt_is_bound_to_the_state),
    };
    CHECK_OK(edn_crypto_init());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
