/* Known answers that need no data folder: each was made by tests/kat/keys_ref.py, a second implementation that shares
 * no line and no library with this one. */
#include "check.h"

#include "../../kat/keys.inc"
#include "keys/keys_priv.h"
#include "keys/lock.h"
#include "keys/meeting.h"
#include "keys/recovery.h"

/* Bytes that count up; they live until the sixteenth call from now. */
static edn_bytes pattern(uint8_t start, size_t n)
{
    static uint8_t ring[16][512];
    static size_t turn;
    uint8_t *p = ring[turn++ % 16];

    assert_true(n <= sizeof ring[0]);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(start + i);
    return edn_bytes_of(p, n);
}
#define PATTERN(to, start) memcpy((to).b, pattern((start), sizeof(to).b).p, sizeof(to).b)

static void check_answer(const char *name, edn_bytes got, const char *file, int line)
{
    for (size_t i = 0; i < EDN_COUNT(known_answers); i++) {
        const char *hex = known_answers[i].hex;
        uint8_t want[4096];
        size_t n = strlen(hex) / 2;

        if (strcmp(known_answers[i].name, name) != 0)
            continue;
        assert_true(n <= sizeof want && edn_hex_decode(want, n, edn_bytes_str(hex)));
        if (!edn_bytes_equal(got, edn_bytes_of(want, n)))
            print_error("answer %s\n", name);
        check_bytes(got, edn_bytes_of(want, n), file, line);
        return;
    }
    fail_msg("no answer \"%s\"", name);
}
#define ANSWER(name, got) check_answer((name), (got), __FILE__, __LINE__)

/* The random source says 0, 1, 2… in each call. */
static void fill_counting(void *ctx, void *p, size_t n)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)i;
}
static const edn_random counting = {fill_counting, NULL};

static void fill_a(void *ctx, void *p, size_t n)
{
    (void)ctx;
    memset(p, 'a', n);
}
static const edn_random only_a = {fill_a, NULL};

static struct scene {
    edn_account_id account;
    edn_space_id space;
    edn_journal_id journal;
    edn_entry_id entry;
    edn_device_id device;
    edn_root_key rk, rk_before;
    edn_journal_key jk;
    edn_local_key ldk;
    edn_sign_pk pk;
    edn_sign_sk sk;
} s;
enum { EPOCH = 3, JOURNAL_EPOCH = 7, KEY_VERSION = 2 };

static int setup(void **state)
{
    (void)state;
    if (edn_crypto_init() != EDN_OK)
        return -1;
    PATTERN(s.account, 0x10);
    PATTERN(s.space, 0x20);
    PATTERN(s.journal, 0x30);
    PATTERN(s.entry, 0x40);
    PATTERN(s.device, 0x50);
    PATTERN(s.rk, 0x60);
    PATTERN(s.rk_before, 0x61);
    PATTERN(s.jk, 0x62);
    PATTERN(s.ldk, 0x63);
    edn_sign_keypair(pattern(0x70, 32).p, &s.pk, &s.sk);
    return 0;
}

static void encoding_one(const char *name, const edn_bytes *fields, size_t n)
{
    static const size_t sizes[] = {16, 32, 64};
    edn_buf t = EDN_BUF_INIT(4096);
    edn_hash h = edn_h32_fields(EDN_LABEL_DEVID, fields, n);
    char key[64];
    uint8_t out[64];

    edn_t_put(&t, EDN_LABEL_DEVID, fields, n);
    snprintf(key, sizeof key, "t/%s", name);
    ANSWER(key, edn_buf_view(&t));
    snprintf(key, sizeof key, "h32/%s", name);
    ANSWER(key, EDN_F(h));
    for (size_t i = 0; i < EDN_COUNT(sizes); i++) {
        edn_kdf_fields(out, sizes[i], s.rk.b, EDN_LABEL_DEVID, fields, n);
        snprintf(key, sizeof key, "kdf%zu/%s", sizes[i], name);
        ANSWER(key, edn_bytes_of(out, sizes[i]));
    }
    edn_buf_dispose(&t);
}

static void encoding(void **state)
{
    (void)state;
    edn_sign_pk sign;
    edn_dh_pk enc;
    edn_device_id id;

    encoding_one("none", NULL, 0);
    encoding_one("empty", EDN_FIELDS_(EDN_BYTES_EMPTY));
    encoding_one("split", EDN_FIELDS_(edn_bytes_str("ab"), edn_bytes_str("c")));
    encoding_one("ints", EDN_FIELDS_(EDN_F_U8(1), EDN_F_U16(2), EDN_F_U32(3), EDN_F_U64(4)));
    encoding_one("long", EDN_FIELDS_(pattern(0, 300), EDN_BYTES_EMPTY, pattern(9, 128)));
    PATTERN(sign, 1);
    PATTERN(enc, 2);
    id = edn_device_id_of(&sign, &enc);
    ANSWER("device-id", EDN_F(id));
}

static void hierarchy(void **state)
{
    (void)state;
    edn_space_id personal = edn_space_personal(&s.account);
    edn_buf box = EDN_BUF_INIT(4096);
    edn_root_key before;
    edn_journal_key jk;
    uint8_t probe[16];

#define KEY(name, type, call)                                                                                          \
    do {                                                                                                               \
        type k;                                                                                                        \
        call;                                                                                                          \
        ANSWER(name, EDN_F(k));                                                                                        \
    } while (0)
    KEY("rk/meta", edn_meta_key, edn_meta_key_of(&k, &s.rk, &s.account, EPOCH));
    KEY("rk/index", edn_index_key, edn_index_key_of(&k, &s.rk, &s.account, EPOCH));
    KEY("rk/sse", edn_sse_key, edn_sse_key_of(&k, &s.rk, &s.account, EPOCH));
    KEY("rk/dedup", edn_dedup_key, edn_dedup_key_of(&k, &s.rk, &s.account, EPOCH));
    KEY("rk/push", edn_push_key, edn_push_key_of(&k, &s.rk, &s.account, EPOCH));
    KEY("rk/aek", edn_dh_sk, edn_aek_of(&k, &s.rk, &s.account, EPOCH));
    KEY("rk/prev-epoch", edn_prev_key, edn_prev_key_of(&k, &s.rk, &s.account, EPOCH));
    KEY("rk/journal-wrap", edn_journal_wrap_key, edn_journal_wrap_key_of(&k, &s.rk, &s.account, EPOCH));
    KEY("rk/space", edn_space_key, edn_space_key_of(&k, &s.rk, &s.account, &s.space, EPOCH));
    KEY("rk/grant-psk", edn_psk, edn_grant_psk_of(&k, &s.rk, &s.account, &s.device, EPOCH));
    KEY("jk/entry", edn_entry_key, edn_entry_key_of(&k, &s.jk, &s.journal, &s.entry, KEY_VERSION));
#undef KEY
    edn_probe_of(probe, &s.rk, &s.account, &s.space, EPOCH);
    ANSWER("rk/probe", edn_bytes_of(probe, 16));
    ANSWER("space/personal", EDN_F(personal));

    CHECK_OK(edn_prev_box_seal(&box, &s.rk, &s.account, EPOCH, &s.rk_before, &counting));
    ANSWER("prev-box", edn_buf_view(&box));
    CHECK_OK(edn_prev_box_open(&s.rk, &s.account, EPOCH, edn_buf_view(&box), &before));
    CHECK_BYTES(EDN_F(before), EDN_F(s.rk_before));
    edn_buf_reset(&box);
    CHECK_OK(
        edn_journal_key_seal(&box, &s.rk, &s.account, &s.space, &s.journal, EPOCH, JOURNAL_EPOCH, &s.jk, &counting));
    ANSWER("journal-key-box", edn_buf_view(&box));
    CHECK_OK(
        edn_journal_key_open(&s.rk, &s.account, &s.space, &s.journal, EPOCH, JOURNAL_EPOCH, edn_buf_view(&box), &jk));
    CHECK_BYTES(EDN_F(jk), EDN_F(s.jk));
    edn_buf_dispose(&box);
}

static void sealing(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 63, 64, 65, 200};
    edn_bytes rnd = pattern(0, 32);
    edn_buf box = EDN_BUF_INIT(4096);
    char name[32];

    for (size_t i = 0; i < EDN_COUNT(sizes); i++) {
        edn_buf_reset(&box);
        CHECK_OK(edn_seal(&box, s.rk.b, EDN_SUITE_1, pattern(5, sizes[i] / 2), pattern(6, sizes[i]), rnd.p));
        snprintf(name, sizeof name, "seal/%zu", sizes[i]);
        ANSWER(name, edn_buf_view(&box));
    }
    edn_buf_reset(&box);
    CHECK_OK(edn_seal(&box, s.rk.b, 0xfe00, EDN_BYTES_EMPTY, edn_bytes_str("x"), rnd.p));
    ANSWER("seal/suite", edn_buf_view(&box));
    edn_buf_dispose(&box);
}

static void passphrase(void **state)
{
    (void)state;
    edn_bytes prepared = edn_bytes_str("x"), salt = edn_bytes_str("aaaaaaaaaaaaaaaa");
    edn_account_key key, zero = {{0}};
    edn_kdf_record record, bare;
    edn_wrap_key wrap, bare_wrap;
    edn_seed login, bare_login;
    edn_pin pins[2] = {{s.space, s.device, 5, {{0}}}, {s.space, {{0}}, 6, {{0}}}};
    edn_root_secret root, opened;
    edn_local_key ldk;
    edn_hash h;
    edn_buf box = EDN_BUF_INIT(4096);
    char text[EDN_ACCOUNT_KEY_TEXT_SIZE];
    uint8_t both[64];

    PATTERN(key, 0x80);
    edn_account_key_text(text, &key);
    ANSWER("account-key-text", edn_bytes_str(text));
    edn_account_key_text(text, &zero);
    ANSWER("account-key-text/zero", edn_bytes_str(text));

    edn_kdf_record_make(&record, EDN_KDF_TEST, true, salt.p);
    ANSWER("kdf-record", EDN_F(record));
    CHECK_OK(edn_unlock_keys(prepared, &key, &s.account, &record, &wrap, &login));
    ANSWER("wrap-key", EDN_F(wrap));
    ANSWER("login-seed", EDN_F(login));
    edn_kdf_record_make(&bare, EDN_KDF_TEST, false, salt.p);
    CHECK_OK(edn_unlock_keys(prepared, NULL, &s.account, &bare, &bare_wrap, &bare_login));
    memcpy(both, bare_wrap.b, 32);
    memcpy(both + 32, bare_login.b, 32);
    ANSWER("muk-without-account-key", edn_bytes_of(both, 64));

    memcpy(pins[1].device.b, s.journal.b, 16);
    PATTERN(pins[0].hash, 0x90);
    PATTERN(pins[1].hash, 0x91);
    h = edn_pins_hash(NULL, 0);
    ANSWER("pins/none", EDN_F(h));
    h = edn_pins_hash(pins, 2);
    ANSWER("pins", EDN_F(h));

    PATTERN(root.aik_seed, 0x70);
    root.root = s.rk;
    root.sc_seq = 9;
    PATTERN(root.sc_head, 0x92);
    root.pins_hash = h;
    CHECK_OK(edn_root_box_seal(&box, &wrap, &s.account, EPOCH, &record, &root, &counting));
    ANSWER("root-box", edn_buf_view(&box));
    CHECK_OK(edn_root_box_open(&wrap, &s.account, EPOCH, &record, edn_buf_view(&box), &opened));
    CHECK_BYTES(EDN_F(opened.aik_seed), EDN_F(root.aik_seed));
    CHECK_BYTES(EDN_F(opened.root), EDN_F(root.root));
    CHECK(opened.sc_seq == 9);
    CHECK_BYTES(EDN_F(opened.sc_head), EDN_F(root.sc_head));
    CHECK_BYTES(EDN_F(opened.pins_hash), EDN_F(root.pins_hash));

    edn_buf_reset(&box);
    CHECK_OK(edn_slot_seal(&box, prepared, EDN_KDF_TEST, &s.device, &s.ldk, &only_a));
    ANSWER("slot", edn_buf_view(&box));
    CHECK_OK(edn_slot_open(edn_buf_view(&box), prepared, &s.device, &ldk));
    CHECK_BYTES(EDN_F(ldk), EDN_F(s.ldk));
    edn_buf_dispose(&box);
}

static void grants(void **state)
{
    (void)state;
    edn_grant_context cx = {s.account, s.device, EPOCH, EDN_GRANT_ROOT, 11, {{0}}};
    edn_grant both[2];
    edn_buf psk_id = EDN_BUF_INIT(256), blob = EDN_BUF_INIT(256);
    edn_dh_sk sk;
    edn_dh_pk pk;
    edn_psk psk;
    edn_root_key got;
    edn_bytes one;

    PATTERN(cx.prev, 0xa1);
    PATTERN(sk, 0xa0);
    PATTERN(psk, 0xa2);
    edn_dh_keypair(&sk, &pk);
    edn_t_put(&psk_id, EDN_LABEL_GRANT_PSK, EDN_FIELDS_(edn_bytes_str("root"), EDN_F(s.device)));
    CHECK_OK(edn_grant_seal(both[0].b, &cx, &pk, &s.rk, NULL, EDN_BYTES_EMPTY, &counting));
    ANSWER("grant/base", EDN_F(both[0]));
    CHECK_OK(edn_grant_seal(both[1].b, &cx, &pk, &s.rk, &psk, edn_buf_view(&psk_id), &counting));
    ANSWER("grant/psk", EDN_F(both[1]));
    both[0].recipient = s.device;
    memcpy(both[1].recipient.b, s.journal.b, 16);
    CHECK_OK(edn_grants_encode(&blob, both, 2));
    ANSWER("grants", edn_buf_view(&blob));
    CHECK_OK(edn_grants_find(edn_buf_view(&blob), &s.device, &one));
    CHECK_OK(edn_grant_open(&cx, &sk, one, NULL, EDN_BYTES_EMPTY, &got));
    CHECK_BYTES(EDN_F(got), EDN_F(s.rk));
    edn_buf_dispose(&psk_id);
    edn_buf_dispose(&blob);
}

static void batch_one(const char *name, edn_padding padding, edn_bytes body)
{
    edn_batch_header h = {.kind = EDN_BATCH_OPS, .space = s.space, .device = s.device, .dseq = 4, .epoch = EPOCH};
    edn_buf out = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX), back = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_space_key k;
    edn_batch b;
    edn_hash c_hash, hash;
    char key[32];

    h.log_seq = 12;
    PATTERN(h.prev, 0xb0);
    PATTERN(h.log_head, 0xb2);
    edn_space_key_of(&k, &s.rk, &s.account, &s.space, EPOCH);
    CHECK_OK(edn_batch_seal(&out, &h, padding, &k, &s.sk, body, &counting));
    snprintf(key, sizeof key, "batch/%s/head", name);
    ANSWER(key, edn_bytes_of(out.p, 232));
    hash = edn_h32(edn_buf_view(&out));
    snprintf(key, sizeof key, "batch/%s/h32", name);
    ANSWER(key, EDN_F(hash));
    CHECK_OK(edn_batch_decode(edn_buf_view(&out), &b));
    c_hash = edn_batch_c_hash(&b);
    CHECK(edn_batch_verify(&b, &c_hash, &s.pk));
    hash = edn_batch_hash(&b, &c_hash);
    snprintf(key, sizeof key, "batch/%s/hash", name);
    ANSWER(key, EDN_F(hash));
    CHECK_OK(edn_batch_open(&back, &b, &k));
    CHECK_BYTES(edn_buf_view(&back), body);
    edn_buf_dispose(&out);
    edn_buf_dispose(&back);
}

static void batches(void **state)
{
    (void)state;
    edn_record_place at = {s.space, s.journal, s.entry, JOURNAL_EPOCH, KEY_VERSION, 1, s.device, 4, 0};
    edn_record record = {s.journal, s.entry, JOURNAL_EPOCH, KEY_VERSION, 1, EDN_BYTES_EMPTY};
    edn_head heads[2] = {{s.device, 3, {{0}}}, {{{0}}, 8, {{0}}}};
    edn_buf box = EDN_BUF_INIT(4096), body = EDN_BUF_INIT(4096);
    edn_entry_key k;

    edn_entry_key_of(&k, &s.jk, &s.journal, &s.entry, KEY_VERSION);
    CHECK_OK(edn_record_seal(&box, &k, &at, edn_bytes_str("a line of the diary"), &counting));
    ANSWER("record-box", edn_buf_view(&box));
    record.box = edn_buf_view(&box);
    PATTERN(heads[0].hash, 0xb0);
    PATTERN(heads[1].device, 0x51);
    PATTERN(heads[1].hash, 0xb1);
    CHECK_OK(edn_body_encode(&body, heads, 2, &record, 1));
    ANSWER("body", edn_buf_view(&body));
    batch_one("p1", EDN_PADDING_P1, edn_buf_view(&body));
    batch_one("p2", EDN_PADDING_P2, edn_buf_view(&body));
    edn_buf_dispose(&box);
    edn_buf_dispose(&body);
}

static void slots(void **state)
{
    static const struct {
        const char *name;
        edn_holder_kind holder;
    } holders[] = {
        {"slot/keyring", EDN_HOLDER_KEYRING}, {"slot/tpm", EDN_HOLDER_TPM}, {"slot/fido2", EDN_HOLDER_FIDO2}};
    edn_held_secret secret;

    (void)state;
    PATTERN(secret, 0xc0);
    for (size_t i = 0; i < EDN_COUNT(holders); i++) {
        edn_held_slot slot = {.holder = holders[i].holder, .made_ms = 99, .place = edn_bytes_str("where it is")};
        edn_buf out = EDN_BUF_INIT(4096);
        memcpy(slot.id, pattern(0xc1, 16).p, 16);
        memcpy(slot.salt, pattern(0xc2, 16).p, 16);
        CHECK_OK(edn_held_slot_seal(&out, &slot, &secret, &s.device, &s.ldk, &counting));
        ANSWER(holders[i].name, edn_buf_view(&out));
        edn_buf_dispose(&out);
    }
}

static void locks(void **state)
{
    uint8_t box[EDN_LOCK_BOX_SIZE], secret[64 + EDN_SEAL_OVERHEAD];
    edn_seed seed, sign;
    edn_dh_sk own, enc;
    edn_local_key store;
    edn_lock_key lock;

    (void)state;
    memcpy(lock.b, s.rk.b, sizeof lock.b);
    CHECK_OK(edn_lock_box_seal(box, edn_bytes_str("x"), EDN_KDF_TEST, &s.account, &lock, &only_a));
    ANSWER("lock-box", edn_bytes_of(box, sizeof box));
    CHECK_OK(edn_lock_secret_seal(secret, &lock, &s.account, "member", pattern(0xf0, 64).p, 64, &counting));
    ANSWER("lock-secret", edn_bytes_of(secret, sizeof secret));
    PATTERN(seed, 0x70);
    PATTERN(own, 0xf1);
    edn_lock_device_keys(&sign, &enc, &seed, &own, &s.account, &lock);
    ANSWER("lock-device-sign", EDN_F(sign));
    ANSWER("lock-device-enc", EDN_F(enc));
    edn_lock_store_key(&store, &s.ldk, &s.account, &lock);
    ANSWER("lock-store-key", EDN_F(store));
}

static void recovery(void **state)
{
    edn_share_set set = {.account = s.account, .needed = 2, .n = 3, .secret_size = 32};
    edn_recovery_secret secret = {.root = s.rk, .sc_seq = 9};
    edn_share share = {.x = 1};
    edn_share_request request;
    edn_dh_sk sk;
    edn_buf out = EDN_BUF_INIT(4096);
    edn_recovery_key key;
    edn_hash commitment;

    (void)state;
    PATTERN(key, 0xd0);
    PATTERN(set.id, 0xd1);
    PATTERN(secret.aik_seed, 0x70);
    PATTERN(secret.sc_head, 0xd2);
    CHECK_OK(edn_recovery_box_seal(&out, &key, &s.account, &set.id, EPOCH, &secret, &counting));
    ANSWER("recovery-box", edn_buf_view(&out));
    memcpy(share.y, pattern(0xd3, 32).p, 32);
    memcpy(share.blind, pattern(0xd4, 16).p, 16);
    commitment = edn_share_commitment(&set, &share);
    ANSWER("share", EDN_F(commitment));
    edn_buf_reset(&out);
    PATTERN(sk, 0xd5);
    request = (edn_share_request){.account = s.account, .set = set.id};
    edn_dh_keypair(&sk, &request.key);
    commitment = edn_share_request_id(&request);
    ANSWER("share-request", EDN_F(commitment));
    CHECK_OK(edn_give_seal(&out, &request, &share, &counting));
    ANSWER("share-give", edn_buf_view(&out));
    edn_buf_dispose(&out);
}

static void meeting(void **state)
{
    edn_meeting_code code = {.place = "K7Q4"};
    edn_rendezvous_id id = edn_meeting_rendezvous(&code);
    edn_hash head, h;
    uint8_t tag[16];

    (void)state;
    ANSWER("rendezvous", EDN_F(id));
    edn_meeting_announce(tag, &id);
    ANSWER("announce", edn_bytes_of(tag, sizeof tag));
    PATTERN(head, 0xe0);
    h = edn_h32_t(EDN_LABEL_HEAD_CODE, EDN_F(s.account), EDN_F_U64(5), EDN_F(head));
    ANSWER("head-code-bits", edn_bytes_of(h.b, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoding),   cmocka_unit_test(hierarchy), cmocka_unit_test(sealing),
        cmocka_unit_test(passphrase), cmocka_unit_test(grants),    cmocka_unit_test(batches),
        cmocka_unit_test(slots),      cmocka_unit_test(locks),     cmocka_unit_test(recovery),
        cmocka_unit_test(meeting),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
