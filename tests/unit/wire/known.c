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
    edn_cancel cancel = {.begun = 9, .time_ms = 1790000000000u};
    edn_sign_pk device_pk;
    edn_login_message m = {.origin = edn_bytes_str("https://sync.example"), .server_time = 1790000000, .log_seq = 7};

    (void)state;
    device_pk = known_key(2, &device_sk);
    (void)known_key(6, &server_sk);
    FILLED(space, 0x51);
    known_into("link_hash_7", log_head.b, 32);
    known_into("heads_hash", heads_hash.b, 32);
    etag = edn_etag_of(&space, 8, &log_head, &heads_hash, 0);
    CHECK_KNOWN("etag", EDN_F(etag));
    etag = edn_etag_of(&space, 8, &log_head, &heads_hash, 9);
    CHECK_KNOWN("etag_recovery", EDN_F(etag));
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
    cancel.account = m.account;
    cancel.device = m.device;
    FILLED(cancel.set, 0xa4);
    edn_cancel_sign(&sig, &cancel, &device_sk);
    CHECK_KNOWN("cancel_sig", EDN_F(sig));
    CHECK(edn_cancel_verify(&sig, &cancel, &device_pk));
    cancel.begun++;
    CHECK(!edn_cancel_verify(&sig, &cancel, &device_pk));
    name = edn_account_name_hash(edn_bytes_str("zoë"));
    CHECK_KNOWN("account_name", EDN_F(name));
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

/* `n` bytes that are all `byte`. */
static edn_bytes filled(edn_arena *a, uint8_t byte, size_t n)
{
    uint8_t *p = edn_arena_alloc(a, n);

    CHECK(p);
    memset(p, byte, n);
    return edn_bytes_of(p, n);
}

#define CHECK_MESSAGE(name, message, ...)                                                                              \
    do {                                                                                                               \
        edn_msg_##message m_ = __VA_ARGS__, back_;                                                                     \
        edn_buf b_ = EDN_BUF_INIT(65536);                                                                              \
        edn_##message##_put(&b_, &m_);                                                                                 \
        CHECK_OK(edn_buf_status(&b_));                                                                                 \
        CHECK_KNOWN(name, edn_buf_view(&b_));                                                                          \
        CHECK_OK(edn_##message##_decode(&a, edn_buf_view(&b_), &back_));                                               \
        edn_buf_dispose(&b_);                                                                                          \
    } while (0)

/* Everything that the messages below are made of. */
typedef struct parts {
    edn_bytes origin, links[2], boxes[2], batches[1];
    edn_head heads[2];
    edn_hash b1, b2, b4, b5, b6, b7, b8, b9, hashes[2];
    edn_device_id b3;
    edn_signature sig;
} parts;

static void parts_init(parts *p, edn_arena *a)
{
    memset(p, 0, sizeof *p);
    p->origin = edn_bytes_str("https://sync.example");
    p->links[0] = filled(a, 0xd1, 172);
    p->links[1] = filled(a, 0xd2, 300);
    p->boxes[0] = filled(a, 0xd3, 7);
    p->boxes[1] = filled(a, 0xd4, 1);
    p->batches[0] = filled(a, 0xd5, 1336);
    FILLED(p->heads[0].device, 0xd6);
    p->heads[0].dseq = 9;
    FILLED(p->heads[0].hash, 0xd7);
    FILLED(p->heads[1].device, 0xd8);
    p->heads[1].dseq = (uint64_t)1 << 33;
    FILLED(p->heads[1].hash, 0xd9);
    FILLED(p->b1, 0xb1);
    FILLED(p->b2, 0xb2);
    FILLED(p->b3, 0xb3);
    FILLED(p->b4, 0xb4);
    FILLED(p->b5, 0xb5);
    FILLED(p->b6, 0xb6);
    FILLED(p->b7, 0xb7);
    FILLED(p->b8, 0xb8);
    FILLED(p->b9, 0xb9);
    FILLED(p->hashes[0], 0xba);
    FILLED(p->hashes[1], 0xbb);
    FILLED(p->sig, 0xc1);
}

static void messages_of_signing_in_are_as_known(void **state)
{
    edn_arena a = edn_arena_init(1 << 20);
    edn_msg_server_info info = {.time = 1790000001};
    edn_msg_challenge_ask ask = {.kind = EDN_LOGIN_DEVICE}, by_name = {.kind = EDN_LOGIN_PASSPHRASE};
    edn_msg_challenge challenge = {.server_time = 1790000002};
    edn_msg_login login = {.kind = EDN_LOGIN_DEVICE, .server_time = 1790000003, .log_seq = 11};
    parts p;

    (void)state;
    parts_init(&p, &a);
    info.origin = challenge.origin = p.origin;
    memcpy(info.receipt_pk.b, p.b1.b, 32);
    memcpy(ask.account.b, p.b2.b, 32);
    ask.device = login.device = p.b3;
    memcpy(ask.client_nonce, p.b4.b, 32);
    by_name.name_hash = p.b5;
    memcpy(by_name.client_nonce, p.b4.b, 32);
    memcpy(challenge.server_nonce, p.b6.b, 32);
    challenge.account = login.account = ask.account;
    memcpy(challenge.kdf_record, p.b7.b, 32);
    memcpy(login.client_nonce, p.b4.b, 32);
    memcpy(login.server_nonce, p.b6.b, 32);
    memcpy(login.channel_binding, p.b8.b, 32);
    login.log_head = p.b9;
    login.sig = p.sig;
    CHECK_MESSAGE("message_server_info", server_info, info);
    CHECK_MESSAGE("message_challenge_ask", challenge_ask, ask);
    CHECK_MESSAGE("message_challenge_ask_by_name", challenge_ask, by_name);
    CHECK_MESSAGE("message_challenge", challenge, challenge);
    CHECK_MESSAGE("message_login", login, login);
    CHECK_MESSAGE("message_token", token, {1790000600, edn_bytes_str("header.payload.signature")});
    edn_arena_dispose(&a);
}

static void messages_of_the_log_are_as_known(void **state)
{
    edn_arena a = edn_arena_init(1 << 20);
    edn_bytes boxes[2];
    parts p;

    (void)state;
    parts_init(&p, &a);
    boxes[0] = p.boxes[0];
    boxes[1] = EDN_BYTES_EMPTY;
    CHECK_MESSAGE("message_account", account, {p.b5, p.links, 2, p.boxes, 2});
    CHECK_MESSAGE("message_log_append", log_append, {p.links, 2, p.boxes, 2});
    CHECK_MESSAGE("message_log_state", log_state, {12, p.b9});
    CHECK_MESSAGE("message_box_ask", box_ask, {p.hashes, 2});
    CHECK_MESSAGE("message_boxes", boxes, {boxes, 2});
    edn_arena_dispose(&a);
}

static void messages_of_syncing_are_as_known(void **state)
{
    edn_arena a = edn_arena_init(1 << 20);
    edn_receipt receipt = {.time_ms = 1790000000000u};
    edn_msg_pull pull = {.log_count = 13};
    edn_msg_push push = {.batches_n = 1};
    edn_msg_pulled pulled = {
        .flags = EDN_PULLED_MORE, .log_count = 14, .recovery = 8, .heads_n = 2, .links_n = 2, .batches_n = 1};
    parts p;

    (void)state;
    parts_init(&p, &a);
    receipt.sig = p.sig;
    FILLED(pull.space, 0xbc);
    FILLED(pull.probe, 0xbd);
    pull.heads = pulled.heads = p.heads;
    pull.heads_n = 2;
    FILLED(push.before, 0xbe);
    push.batches = pulled.batches = p.batches;
    pulled.log_head = p.b9;
    pulled.receipt = receipt;
    pulled.links = p.links;
    CHECK_MESSAGE("message_pull", pull, pull);
    CHECK_MESSAGE("message_pulled", pulled, pulled);
    CHECK_MESSAGE("message_push", push, push);
    CHECK_MESSAGE("message_pushed", pushed, {EDN_PUSHED_EXPECTED, receipt});
    edn_arena_dispose(&a);
}

static void messages_of_meeting_are_as_known(void **state)
{
    edn_arena a = edn_arena_init(1 << 20);
    edn_msg_mail mail = {.kind = EDN_MAIL_PUT, .side = EDN_MAIL_NEW, .number = 3};
    edn_msg_set_ask recovery = {.kind = EDN_SET_ASK, .begun = 7};
    edn_msg_held held = {.state = EDN_HELD_CANCELLED,
                         .number = 8,
                         .begun = 7,
                         .asked_s = 1790000000,
                         .ready_s = 1790259200,
                         .now_s = 1790000600,
                         .cancelled_ms = 1790000000000u,
                         .links_n = 2};
    edn_msg_held_ask cancel = {.kind = EDN_HELD_CANCEL, .begun = 7, .time_ms = 1790000000000u};
    parts p;

    (void)state;
    parts_init(&p, &a);
    FILLED(mail.rendezvous, 0xbf);
    mail.mail = p.boxes[0];
    CHECK_MESSAGE("message_mail", mail, mail);
    memcpy(recovery.account.b, p.b2.b, 32);
    FILLED(recovery.set, 0xbf);
    CHECK_MESSAGE("message_set_ask", set_ask, recovery);
    FILLED(held.set, 0xbf);
    FILLED(held.device, 0xc1);
    held.sig = cancel.sig = p.sig;
    held.links = p.links;
    CHECK_MESSAGE("message_held", held, held);
    CHECK_MESSAGE("message_held_ask", held_ask, cancel);
    held.state = EDN_HELD_READY;
    memset(&held.device, 0, sizeof held.device);
    memset(&held.sig, 0, sizeof held.sig);
    held.cancelled_ms = 0;
    held.boxes = p.boxes;
    held.boxes_n = 1;
    CHECK_MESSAGE("message_held_ready", held, held);
    CHECK_MESSAGE("message_mails", mails, {299, p.boxes, 2});
    edn_arena_dispose(&a);
}

static void messages_between_accounts_are_as_known(void **state)
{
    edn_arena a = edn_arena_init(1 << 20);
    edn_msg_lookup lookup = {.kind = EDN_LOOKUP_ACCOUNT, .from = 5}, by_name = {.kind = EDN_LOOKUP_NAME};
    edn_msg_inbox inbox = {.kind = EDN_INBOX_PUT}, drop = {.kind = EDN_INBOX_DROP, .number = 300};
    edn_msg_share_ask ask = {.kind = EDN_SHARES_WANT};
    edn_msg_letter letters[2];
    edn_hash keys[2];
    edn_account_id account;
    parts p;

    (void)state;
    parts_init(&p, &a);
    FILLED(account, 0xb2);
    FILLED(lookup.id, 0xb2);
    FILLED(lookup.witness, 0xc2);
    FILLED(by_name.id, 0xb5);
    CHECK_MESSAGE("message_lookup", lookup, lookup);
    CHECK_MESSAGE("message_lookup_by_name", lookup, by_name);
    CHECK_MESSAGE("message_found", found, {EDN_FOUND_MORE, account, p.links, 2});
    inbox.to = account;
    FILLED(inbox.witness, 0xc2);
    inbox.message = p.boxes[0];
    CHECK_MESSAGE("message_inbox", inbox, inbox);
    CHECK_MESSAGE("message_inbox_drop", inbox, drop);
    letters[0] = (edn_msg_letter){2, p.boxes[0]};
    letters[1] = (edn_msg_letter){(uint64_t)1 << 33, p.boxes[1]};
    CHECK_MESSAGE("message_letters", letters, {letters, 2});
    ask.account = account;
    FILLED(ask.set, 0xbf);
    FILLED(ask.key, 0xc3);
    CHECK_MESSAGE("message_share_ask", share_ask, ask);
    ask.kind = EDN_SHARES_GIVE;
    ask.give = p.boxes[0];
    CHECK_MESSAGE("message_share_give", share_ask, ask);
    FILLED(keys[0], 0xba);
    FILLED(keys[1], 0xbb);
    CHECK_MESSAGE("message_shares", shares, {EDN_HELD_WAITING, keys, 2, NULL, 0});
    CHECK_MESSAGE("message_shares_given", shares, {EDN_HELD_READY, NULL, 0, p.boxes, 2});
    edn_arena_dispose(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_and_body_are_as_known),      cmocka_unit_test(batches_are_as_known),
        cmocka_unit_test(states_and_logins_are_as_known),   cmocka_unit_test(messages_of_signing_in_are_as_known),
        cmocka_unit_test(messages_of_the_log_are_as_known), cmocka_unit_test(messages_of_syncing_are_as_known),
        cmocka_unit_test(messages_of_meeting_are_as_known), cmocka_unit_test(messages_between_accounts_are_as_known),
    };
    CHECK_OK(edn_crypto_init());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
