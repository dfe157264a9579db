/* What tests/kat/wire_ref.py made of batches, heads, bodies, states and logins, made again here. */
#include "wire/wire.h"

#include "known.h"

static void known_into(const char *name, void *to, size_t n)
{
    edn_bytes b = known(name);

    CHECK_INT(b.n, n);
    memcpy(to, b.p, n);
    free((void *)b.p);
}

/* The two heads, ascending. */
static void known_heads(edn_head heads[2])
{
    edn_head a = {.dseq = 3}, b = {.dseq = 300};
    bool a_first;

    known_into("device_a", a.device.b, 16);
    known_into("device_b", b.device.b, 16);
    FILLED(a.hash, 0x71);
    FILLED(b.hash, 0x72);
    a_first = memcmp(a.device.b, b.device.b, 16) < 0;
    heads[0] = a_first ? a : b;
    heads[1] = a_first ? b : a;
}

static void heads_and_body_are_as_known(void **state)
{
    static uint8_t box[100];
    edn_head heads[2];
    edn_record records[2];
    edn_hash h = edn_heads_hash(NULL, 0);
    edn_buf body = EDN_BUF_INIT(4096);

    (void)state;
    CHECK_KNOWN("heads_hash_of_none", EDN_F(h));
    known_heads(heads);
    h = edn_heads_hash(heads, 2);
    CHECK_KNOWN("heads_hash", EDN_F(h));
    FILLED(box, 0x83);
    FILLED(records[0].journal, 0x81);
    FILLED(records[0].entry, 0x82);
    FILLED(records[1].journal, 0x84);
    FILLED(records[1].entry, 0x85);
    records[0].journal_epoch = 1;
    records[0].key_version = 2;
    records[0].type = 3;
    records[0].box = edn_bytes_of(box, sizeof box);
    records[1].journal_epoch = 4;
    records[1].key_version = 5;
    records[1].type = 255;
    records[1].box = EDN_BYTES_EMPTY;
    CHECK_OK(edn_body_encode(&body, heads, 2, records, 2));
    CHECK_KNOWN("body", edn_buf_view(&body));
    edn_buf_dispose(&body);
}

static edn_hash make_batch(uint64_t dseq, edn_hash prev, const char *bytes_name)
{
    edn_sign_sk sk;
    edn_sign_pk pk = known_key(2, &sk);
    edn_buf out = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_batch_header h = {
        .kind = EDN_BATCH_OPS, .suite = 1, .dseq = dseq, .prev = prev, .epoch = 1, .log_seq = 7, .padded_size = 1088};
    uint8_t nonce[24], com[32], c[1088 + 16];
    edn_hash c_hash, hash;
    edn_signature sig;
    edn_batch b;

    FILLED(h.space, 0x51);
    known_into("device_a", h.device.b, 16);
    known_into("link_hash_7", h.log_head.b, 32);
    known_into("heads_hash", h.heads_hash.b, 32);
    FILLED(nonce, 0x91);
    FILLED(com, 0x92);
    for (size_t i = 0; i < sizeof c; i++)
        c[i] = (uint8_t)(i * dseq);
    edn_batch_header_put(&out, &h);
    c_hash = edn_h32(edn_bytes_of(c, sizeof c));
    edn_batch_sign(&sig, edn_buf_view(&out), edn_bytes_of(nonce, 24), edn_bytes_of(com, 32), &c_hash, &sk);
    edn_put_bytes(&out, nonce, sizeof nonce);
    edn_put_bytes(&out, com, sizeof com);
    edn_put_bytes(&out, c, sizeof c);
    edn_put_bytes(&out, sig.b, sizeof sig.b);
    CHECK_KNOWN(bytes_name, edn_buf_view(&out));
    CHECK_OK(edn_batch_decode(edn_buf_view(&out), &b));
    c_hash = edn_batch_c_hash(&b);
    CHECK(edn_batch_verify(&b, &c_hash, &pk));
    hash = edn_batch_hash(&b, &c_hash);
    edn_buf_dispose(&out);
    return hash;
}

static void batches_are_as_known(void **state)
{
    edn_hash hash = {{0}};

    (void)state;
    hash = make_batch(1, hash, "batch_1");
    CHECK_KNOWN("batch_hash_1", EDN_F(hash));
    hash = make_batch(2, hash, "batch_2");
    CHECK_KNOWN("batch_hash_2", EDN_F(hash));
}

static void states_and_logins_are_as_known(void **state)
{
    edn_sign_sk device_sk, server_sk;
    edn_space_id space;
    edn_hash log_head, heads_hash, name;
    edn_etag etag;
    edn_receipt receipt = {.time_ms = 1790000000000u};
    edn_signature sig;
    edn_login_message m = {.origin = edn_bytes_str("https://sync.example"), .server_time = 1790000000, .log_seq = 7};

    (void)state;
    (void)known_key(2, &device_sk);
    (void)known_key(6, &server_sk);
    FILLED(space, 0x51);
    known_into("link_hash_7", log_head.b, 32);
    known_into("heads_hash", heads_hash.b, 32);
    etag = edn_etag_of(&space, 8, &log_head, &heads_hash);
    CHECK_KNOWN("etag", EDN_F(etag));
    edn_receipt_sign(&receipt, &space, 8, &log_head, &heads_hash, &server_sk);
    CHECK_KNOWN("receipt_sig", EDN_F(receipt.sig));
    known_into("link_hash_0", m.account.b, 32);
    known_into("device_a", m.device.b, 16);
    FILLED(m.client_nonce, 0xa1);
    FILLED(m.server_nonce, 0xa2);
    FILLED(m.channel_binding, 0xa3);
    m.log_head = log_head;
    edn_login_sign(&sig, &m, &device_sk);
    CHECK_KNOWN("login_sig", EDN_F(sig));
    name = edn_account_name_hash(edn_bytes_str("zoë"));
    CHECK_KNOWN("account_name", EDN_F(name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_and_body_are_as_known),
        cmocka_unit_test(batches_are_as_known),
        cmocka_unit_test(states_and_logins_are_as_known),
    };
    CHECK_OK(edn_crypto_init());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
