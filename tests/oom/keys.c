#include "check.h"
#include "oom.h"

#include "keys/keys.h"
#include "keys/meeting.h"

static void fill_counting(void *ctx, void *p, size_t n)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)i;
}
static const edn_random rng = {fill_counting, NULL};

/* Two that meet must not draw the same: a share that comes back is refused as one's own. */
static void fill_counting_down(void *ctx, void *p, size_t n)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)(200 - i);
}
static const edn_random rng_of_another = {fill_counting_down, NULL};

static edn_status unlock_from_nothing(void *ctx)
{
    static const uint8_t salt[16] = {1};
    edn_account_id account = {{2}};
    edn_root_secret secret = {.sc_seq = 3}, opened;
    edn_buf prepared = EDN_BUF_INIT(2048), box = EDN_BUF_INIT(2048);
    edn_kdf_record record;
    edn_wrap_key wrap;
    edn_seed login;
    edn_status st;

    (void)ctx;
    edn_kdf_record_make(&record, EDN_KDF_TEST, false, salt);
    if ((st = edn_passphrase_prepare(edn_bytes_str("  correct horse "), &prepared, NULL)) != EDN_OK ||
        (st = edn_unlock_keys(edn_buf_view(&prepared), NULL, &account, &record, &wrap, &login)) != EDN_OK ||
        (st = edn_root_box_seal(&box, &wrap, &account, 1, &record, &secret, &rng)) != EDN_OK)
        goto out;
    st = edn_root_box_open(&wrap, &account, 1, &record, edn_buf_view(&box), &opened);
out:
    edn_buf_wipe(&prepared);
    edn_buf_dispose(&box);
    return st;
}

static edn_status key_boxes(void *ctx)
{
    edn_account_id account = {{2}};
    edn_device_id device = {{3}};
    edn_space_id space = {{4}};
    edn_journal_id journal = {{5}};
    edn_root_key rk = {{6}}, before = {{7}};
    edn_journal_key jk = {{8}};
    edn_local_key ldk = {{9}};
    edn_buf prev = EDN_BUF_INIT(1024), wrapped = EDN_BUF_INIT(1024), slot = EDN_BUF_INIT(1024);
    edn_status st;

    (void)ctx;
    if ((st = edn_prev_box_seal(&prev, &rk, &account, 2, &before, &rng)) != EDN_OK ||
        (st = edn_journal_key_seal(&wrapped, &rk, &account, &space, &journal, 2, 1, &jk, &rng)) != EDN_OK ||
        (st = edn_slot_seal(&slot, edn_bytes_str("correct horse"), EDN_KDF_TEST, &device, &ldk, &rng)) != EDN_OK ||
        (st = edn_prev_box_open(&rk, &account, 2, edn_buf_view(&prev), &before)) != EDN_OK ||
        (st = edn_journal_key_open(&rk, &account, &space, &journal, 2, 1, edn_buf_view(&wrapped), &jk)) != EDN_OK)
        goto out;
    st = edn_slot_open(edn_buf_view(&slot), edn_bytes_str("correct horse"), &device, &ldk);
out:
    edn_buf_dispose(&prev);
    edn_buf_dispose(&wrapped);
    edn_buf_dispose(&slot);
    return st;
}

static edn_status grants(void *ctx)
{
    edn_grant_context cx = {.epoch = 1, .purpose = EDN_GRANT_ROOT};
    edn_grant grant = {.recipient = {{1}}};
    edn_dh_sk sk = {{2}};
    edn_dh_pk pk;
    edn_root_key rk = {{3}}, got;
    edn_buf blob = EDN_BUF_INIT(1024);
    edn_bytes one;
    edn_status st;

    (void)ctx;
    edn_dh_keypair(&sk, &pk);
    if ((st = edn_grant_seal(grant.b, &cx, &pk, &rk, NULL, EDN_BYTES_EMPTY, &rng)) != EDN_OK ||
        (st = edn_grants_encode(&blob, &grant, 1)) != EDN_OK ||
        (st = edn_grants_find(edn_buf_view(&blob), &grant.recipient, &one)) != EDN_OK)
        goto out;
    st = edn_grant_open(&cx, &sk, one, NULL, EDN_BYTES_EMPTY, &got);
out:
    edn_buf_dispose(&blob);
    return st;
}

static edn_status batch_and_record(void *ctx)
{
    static const uint8_t seed[32] = {1};
    edn_record_place at = {.type = 1, .dseq = 1};
    edn_record record = {.type = 1}, *opened;
    edn_batch_header h = {.kind = EDN_BATCH_OPS, .dseq = 1};
    edn_buf box = EDN_BUF_INIT(4096), body = EDN_BUF_INIT(4096), whole = EDN_BUF_INIT(8192), back = EDN_BUF_INIT(4096);
    edn_buf ops = EDN_BUF_INIT(4096);
    edn_arena arena = edn_arena_init(1 << 20);
    edn_entry_key ek = {{2}};
    edn_space_key k = {{3}};
    edn_sign_pk pk;
    edn_sign_sk sk;
    edn_batch b;
    edn_body inside;
    edn_status st;

    (void)ctx;
    edn_sign_keypair(seed, &pk, &sk);
    if ((st = edn_record_seal(&box, &ek, &at, edn_bytes_str("a line"), &rng)) != EDN_OK)
        goto out;
    record.box = edn_buf_view(&box);
    if ((st = edn_body_encode(&body, NULL, 0, &record, 1)) != EDN_OK ||
        (st = edn_batch_seal(&whole, &h, EDN_PADDING_P1, &k, &sk, edn_buf_view(&body), &rng)) != EDN_OK ||
        (st = edn_batch_decode(edn_buf_view(&whole), &b)) != EDN_OK || (st = edn_batch_open(&back, &b, &k)) != EDN_OK ||
        (st = edn_body_decode(&arena, edn_buf_view(&back), &inside)) != EDN_OK)
        goto out;
    opened = &inside.records[0];
    st = edn_record_open(&ops, &ek, &at, opened->box);
out:
    edn_buf_dispose(&box);
    edn_buf_dispose(&body);
    edn_buf_dispose(&whole);
    edn_buf_dispose(&back);
    edn_buf_dispose(&ops);
    edn_arena_dispose(&arena);
    return st;
}

/* A new device and an old one up to the point where both know the digits, and one message of each kind after it. */
static edn_status a_meeting(void *ctx)
{
    static edn_meeting old, new;
    edn_head head = {.device = {{1}}, .dseq = 1};
    edn_meeting_account account = {.log_count = 5, .origin = "https://sync.example", .name = "sam"};
    edn_meeting_welcome welcome = {.link_seq = 5, .heads = &head, .heads_n = 1};
    edn_seed seed = {{4}};
    edn_sign_sk sk;
    edn_cert cert = {.caps = 3, .name_hash = edn_h32_t(EDN_LABEL_DEVNAME, edn_bytes_str("attic"))};
    edn_buf a = EDN_BUF_INIT(EDN_MEETING_MAIL_MAX), b = EDN_BUF_INIT(EDN_MEETING_MAIL_MAX);
    edn_status st;

    (void)ctx;
    edn_sign_keypair(seed.b, &cert.sign, &sk);
    edn_meeting_begin_new(&new, &cert, &sk, "attic", &rng);
    memset(&old, 0, sizeof old);
    st = edn_meeting_begin_code(&old, &new.code, &rng_of_another, &a);
    while (st == EDN_OK && new.want != EDN_MEETING_JOIN) {
        if (old.want == EDN_MEETING_COMPARE)
            st = edn_meeting_compared(&old, true, &a);
        else if (old.want == EDN_MEETING_TELL)
            st = edn_meeting_tell(&old, &account, &a);
        else if (old.want == EDN_MEETING_ADD)
            st = edn_meeting_added(&old, &welcome, &a);
        if (st == EDN_OK && new.want == EDN_MEETING_MAIL && a.n) {
            edn_buf_reset(&b);
            st = edn_meeting_take(&new, edn_buf_view(&a), &b);
            edn_buf_reset(&a);
        }
        if (st == EDN_OK && new.want == EDN_MEETING_COMPARE)
            st = edn_meeting_compared(&new, true, &b);
        if (st == EDN_OK && old.want == EDN_MEETING_MAIL && b.n) {
            st = edn_meeting_take(&old, edn_buf_view(&b), &a);
            edn_buf_reset(&b);
        }
    }
    edn_meeting_dispose(&old);
    edn_meeting_dispose(&new);
    edn_buf_dispose(&a);
    edn_buf_dispose(&b);
    return st;
}

static void a_meeting_survives_each_failing_allocation(void **state)
{
    (void)state;
    CHECK(oom_each(a_meeting, NULL) >= 8);
}

static void unlocking_survives_each_failing_allocation(void **state)
{
    (void)state;
    CHECK(oom_each(unlock_from_nothing, NULL) >= 2);
}

static void key_boxes_survive_each_failing_allocation(void **state)
{
    (void)state;
    /* One for each box that is made; opening makes none. */
    CHECK_INT(oom_each(key_boxes, NULL), 3);
}

static void grants_survive_each_failing_allocation(void **state)
{
    (void)state;
    CHECK_INT(oom_each(grants, NULL), 1);
}

static void batches_survive_each_failing_allocation(void **state)
{
    (void)state;
    CHECK(oom_each(batch_and_record, NULL) >= 6);
}

static int setup(void **state)
{
    (void)state;
    return edn_crypto_init() == EDN_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unlocking_survives_each_failing_allocation),
        cmocka_unit_test(key_boxes_survive_each_failing_allocation),
        cmocka_unit_test(grants_survive_each_failing_allocation),
        cmocka_unit_test(batches_survive_each_failing_allocation),
        cmocka_unit_test(a_meeting_survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
