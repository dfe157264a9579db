/* Every box of src/keys against every changed byte and every other place. Linked with the test parameters of key
 * derivation, which take no time. */
#include "check.h"

#include "keys/keys_priv.h"

static check_rng rng_state;

static void fill_random(void *ctx, void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)check_next(ctx);
}
static const edn_random rng = {fill_random, &rng_state};

static struct scene {
    edn_account_id account;
    edn_space_id space;
    edn_journal_id journal;
    edn_entry_id entry;
    edn_device_id device;
    edn_root_key rk, rk_before;
    edn_journal_key jk;
    edn_entry_key ek;
    edn_space_key space_key;
    edn_local_key ldk;
    edn_wrap_key wrap;
    edn_sign_pk pk;
    edn_sign_sk sk;
    edn_dh_sk dh_sk;
    edn_dh_pk dh_pk;
    edn_psk psk;
    edn_kdf_record record;
    edn_hash hash;
} s;
enum { EPOCH = 3, JOURNAL_EPOCH = 7 };

static int setup(void **state)
{
    uint8_t seed[32], salt[16];

    (void)state;
    if (edn_crypto_init() != EDN_OK)
        return -1;
    rng_state.s = check_seed();
    fill_random(&rng_state, &s, sizeof s);
    fill_random(&rng_state, seed, sizeof seed);
    fill_random(&rng_state, salt, sizeof salt);
    edn_sign_keypair(seed, &s.pk, &s.sk);
    edn_dh_keypair(&s.dh_sk, &s.dh_pk);
    edn_kdf_record_make(&s.record, EDN_KDF_TEST, true, salt);
    return 0;
}

/* Opens a box in its place, or with one thing changed. */
typedef edn_status open_fn(edn_bytes box);

static void refuses_every_change(edn_bytes box, open_fn *open, edn_status shorter)
{
    uint8_t *copy = malloc(box.n + 1);

    assert_non_null(copy);
    memcpy(copy, box.p, box.n);
    copy[box.n] = 0;
    CHECK_OK(open(edn_bytes_of(copy, box.n)));
    for (size_t i = 0; i < box.n; i++) {
        for (unsigned bit = 0; bit < 8; bit += 7) {
            copy[i] ^= (uint8_t)(1u << bit);
            CHECK_STATUS(open(edn_bytes_of(copy, box.n)), EDN_E_AUTH);
            copy[i] ^= (uint8_t)(1u << bit);
        }
    }
    for (size_t n = 0; n < box.n; n++)
        CHECK_STATUS(open(edn_bytes_of(copy, n)), shorter);
    CHECK_STATUS(open(edn_bytes_of(copy, box.n + 1)), shorter);
    free(copy);
}

/* Flips one bit of each byte of the thing at `p` in turn: the box opens in no other place. */
static void refuses_every_other(void *p, size_t n, edn_bytes box, open_fn *open)
{
    uint8_t *b = p;

    for (size_t i = 0; i < n; i++) {
        b[i] ^= 0x10;
        CHECK_STATUS(open(box), EDN_E_AUTH);
        b[i] ^= 0x10;
    }
    CHECK_OK(open(box));
}
#define REFUSES_EVERY_OTHER(thing, box, open) refuses_every_other(&(thing), sizeof(thing), (box), (open))

/* ---- boxes of one secret ----------------------------------------------------------------------------------------- */

static uint32_t epoch = EPOCH, journal_epoch = JOURNAL_EPOCH;

static edn_status open_prev(edn_bytes box)
{
    edn_root_key got;
    edn_status st = edn_prev_box_open(&s.rk, &s.account, epoch, box, &got);

    CHECK(st == EDN_OK ? edn_equal_ct(&got, &s.rk_before, sizeof got) : got.b[0] == 0 && got.b[31] == 0);
    return st;
}

static void the_box_of_the_epoch_before(void **state)
{
    (void)state;
    edn_buf box = EDN_BUF_INIT(256);

    CHECK_OK(edn_prev_box_seal(&box, &s.rk, &s.account, EPOCH, &s.rk_before, &rng));
    CHECK_INT(box.n, 32 + EDN_SEAL_OVERHEAD);
    refuses_every_change(edn_buf_view(&box), open_prev, EDN_E_AUTH);
    REFUSES_EVERY_OTHER(s.rk, edn_buf_view(&box), open_prev);
    REFUSES_EVERY_OTHER(s.account, edn_buf_view(&box), open_prev);
    REFUSES_EVERY_OTHER(epoch, edn_buf_view(&box), open_prev);
    edn_buf_dispose(&box);
}

static edn_status open_journal_key(edn_bytes box)
{
    edn_journal_key got;
    edn_status st = edn_journal_key_open(&s.rk, &s.account, &s.space, &s.journal, epoch, journal_epoch, box, &got);

    CHECK(st == EDN_OK ? edn_equal_ct(&got, &s.jk, sizeof got) : got.b[0] == 0 && got.b[31] == 0);
    return st;
}

static void the_box_of_a_journal_key(void **state)
{
    (void)state;
    edn_buf box = EDN_BUF_INIT(256);

    CHECK_OK(edn_journal_key_seal(&box, &s.rk, &s.account, &s.space, &s.journal, EPOCH, JOURNAL_EPOCH, &s.jk, &rng));
    refuses_every_change(edn_buf_view(&box), open_journal_key, EDN_E_AUTH);
    REFUSES_EVERY_OTHER(s.rk, edn_buf_view(&box), open_journal_key);
    REFUSES_EVERY_OTHER(s.account, edn_buf_view(&box), open_journal_key);
    REFUSES_EVERY_OTHER(s.space, edn_buf_view(&box), open_journal_key);
    REFUSES_EVERY_OTHER(s.journal, edn_buf_view(&box), open_journal_key);
    REFUSES_EVERY_OTHER(epoch, edn_buf_view(&box), open_journal_key);
    REFUSES_EVERY_OTHER(journal_epoch, edn_buf_view(&box), open_journal_key);
    edn_buf_dispose(&box);
}

static edn_root_secret root_secret;

static edn_status open_root(edn_bytes box)
{
    edn_root_secret got, zero;
    edn_status st = edn_root_box_open(&s.wrap, &s.account, epoch, &s.record, box, &got);

    memset(&zero, 0, sizeof zero);
    CHECK(edn_equal_ct(&got, st == EDN_OK ? &root_secret : &zero, sizeof got));
    return st;
}

static void the_root_box(void **state)
{
    (void)state;
    edn_buf box = EDN_BUF_INIT(1024);

    fill_random(&rng_state, &root_secret, sizeof root_secret);
    CHECK_OK(edn_root_box_seal(&box, &s.wrap, &s.account, EPOCH, &s.record, &root_secret, &rng));
    CHECK_INT(box.n, 136 + EDN_SEAL_OVERHEAD);
    refuses_every_change(edn_buf_view(&box), open_root, EDN_E_AUTH);
    REFUSES_EVERY_OTHER(s.wrap, edn_buf_view(&box), open_root);
    REFUSES_EVERY_OTHER(s.account, edn_buf_view(&box), open_root);
    REFUSES_EVERY_OTHER(s.record, edn_buf_view(&box), open_root); /* salt, cost and flags are bound */
    REFUSES_EVERY_OTHER(epoch, edn_buf_view(&box), open_root);
    edn_buf_dispose(&box);
}

static void pins_hash_tells_every_change(void **state)
{
    (void)state;
    edn_pin pins[3];
    edn_hash h, changed;
    uint8_t *b = (uint8_t *)pins;

    fill_random(&rng_state, pins, sizeof pins);
    h = edn_pins_hash(pins, 3);
    for (size_t i = 0; i < sizeof pins; i++) {
        b[i] ^= 1;
        changed = edn_pins_hash(pins, 3);
        CHECK(memcmp(&h, &changed, sizeof h) != 0);
        b[i] ^= 1;
    }
    changed = edn_pins_hash(pins, 2);
    CHECK(memcmp(&h, &changed, sizeof h) != 0);
}

/* Authentic, and yet no box of ours: another size. */
static void a_box_of_another_size_is_refused(void **state)
{
    (void)state;
    uint8_t secret[33] = {1}, got[32];
    edn_bytes aad = edn_bytes_str("aad");

    for (size_t n = 31; n <= 33; n++) {
        edn_buf box = EDN_BUF_INIT(256);

        CHECK_OK(edn_box_seal(&box, s.rk.b, aad, secret, n, &rng));
        CHECK_STATUS(edn_box_open(s.rk.b, aad, edn_buf_view(&box), got, 32), n == 32 ? EDN_OK : EDN_E_AUTH);
        edn_buf_dispose(&box);
    }
}

/* ---- unlocking --------------------------------------------------------------------------------------------------- */

static void unlock_depends_on_all_that_it_takes(void **state)
{
    (void)state;
    static const char *const passphrases[] = {"correct horse", "correct horsf", "correct hors"};
    edn_account_key key;
    edn_wrap_key seen[64];
    edn_seed login;
    size_t n = 0;
    edn_account_id account = s.account;
    edn_kdf_record r = s.record, bare = s.record;

    fill_random(&rng_state, &key, sizeof key);
#define SEE(passphrase_, key_, record_)                                                                                \
    do {                                                                                                               \
        CHECK_OK(edn_unlock_keys(edn_bytes_str(passphrase_), (key_), &account, &(record_), &seen[n], &login));         \
        CHECK(!edn_equal_ct(&login, &seen[n], sizeof login));                                                          \
        n++;                                                                                                           \
    } while (0)
    for (size_t i = 0; i < 3; i++)
        SEE(passphrases[i], &key, r);
    key.b[3] ^= 1;
    SEE(passphrases[0], &key, r);
    key.b[3] ^= 1;
    account.b[7] ^= 1;
    SEE(passphrases[0], &key, r);
    account.b[7] ^= 1;
    r.b[20] ^= 1; /* salt */
    SEE(passphrases[0], &key, r);
    r.b[20] ^= 1;
    edn_store_u32(r.b + 8, 2); /* ops */
    SEE(passphrases[0], &key, r);
    edn_store_u32(r.b + 8, 1);
    edn_store_u32(r.b + 12, 9); /* memory: libsodium rounds 9 KiB to 8, the record does not */
    SEE(passphrases[0], &key, r);
    bare.b[7] = 0;
    SEE(passphrases[0], NULL, bare);
#undef SEE
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            CHECK(!edn_equal_ct(&seen[i], &seen[k], sizeof seen[i]));
    /* A record that does not use the account key ignores one that is given. */
    CHECK_OK(edn_unlock_keys(edn_bytes_str(passphrases[0]), &key, &account, &bare, &seen[n], &login));
    CHECK(edn_equal_ct(&seen[n], &seen[n - 1], sizeof seen[n]));
}

static void test_parameters_pass_where_the_floor_is_no_higher(void **state)
{
    (void)state;
    CHECK_OK(edn_kdf_record_check(&s.record, EDN_KDF_TEST));
    CHECK_OK(edn_kdf_record_check(&s.record, EDN_KDF_FLOOR));
    CHECK_STATUS(edn_kdf_record_check(&s.record, EDN_KDF_DEFAULT), EDN_E_KDF);
    CHECK_STATUS(edn_kdf_record_check(&s.record, EDN_KDF_HIGH), EDN_E_KDF);
}

static const char *slot_passphrase = "correct horse";

static edn_status open_slot(edn_bytes slot)
{
    edn_local_key got;
    edn_status st = edn_slot_open(slot, edn_bytes_str(slot_passphrase), &s.device, &got);

    CHECK(st == EDN_OK ? edn_equal_ct(&got, &s.ldk, sizeof got) : got.b[0] == 0 && got.b[31] == 0);
    return st;
}

static void a_slot(void **state)
{
    (void)state;
    edn_buf slot = EDN_BUF_INIT(1024);
    edn_kdf_record record;

    CHECK_OK(edn_slot_seal(&slot, edn_bytes_str(slot_passphrase), EDN_KDF_TEST, &s.device, &s.ldk, &rng));
    CHECK_INT(slot.n, EDN_SLOT_SIZE);
    CHECK_INT(slot.n, 152);
    CHECK_OK(open_slot(edn_buf_view(&slot)));
    CHECK(edn_slot_record(edn_buf_view(&slot), &record));
    CHECK_BYTES(EDN_F(record), edn_bytes_of(slot.p + 16, sizeof record));
    CHECK(!edn_slot_record(edn_bytes_of(slot.p, slot.n - 1), &record));
    for (size_t i = 0; i < slot.n; i++) {
        edn_status want = i >= 16 && i < 32 ? EDN_E_KDF : EDN_E_PASSPHRASE;

        slot.p[i] ^= 0x20;
        if (i >= 16 + 8 && i < 16 + 16) {
            /* cost: out of bounds, or another key */
            edn_status st = open_slot(edn_buf_view(&slot));
            CHECK(st == EDN_E_KDF || st == EDN_E_PASSPHRASE);
        } else {
            CHECK_STATUS(open_slot(edn_buf_view(&slot)), want);
        }
        slot.p[i] ^= 0x20;
    }
    slot.p[16 + 7] = 1; /* an account key beside its own slot protects nothing: no such slot is made */
    CHECK_STATUS(open_slot(edn_buf_view(&slot)), EDN_E_FORMAT);
    slot.p[16 + 7] = 0;
    for (size_t n = 0; n < slot.n; n++)
        CHECK_STATUS(open_slot(edn_bytes_of(slot.p, n)), EDN_E_FORMAT);
    slot_passphrase = "correct horsf";
    CHECK_STATUS(open_slot(edn_buf_view(&slot)), EDN_E_PASSPHRASE);
    slot_passphrase = "correct horse";
    s.device.b[0] ^= 1;
    CHECK_STATUS(open_slot(edn_buf_view(&slot)), EDN_E_PASSPHRASE);
    s.device.b[0] ^= 1;
    CHECK_OK(open_slot(edn_buf_view(&slot)));
    edn_buf_dispose(&slot);
}

/* ---- grants ------------------------------------------------------------------------------------------------------ */

static edn_grant_context cx;
static const edn_psk *grant_psk;
static edn_bytes grant_psk_id;

static edn_status open_grant(edn_bytes grant)
{
    edn_root_key got;
    edn_status st = edn_grant_open(&cx, &s.dh_sk, grant, grant_psk, grant_psk_id, &got);

    CHECK(st == EDN_OK ? edn_equal_ct(&got, &s.rk, sizeof got) : got.b[0] == 0 && got.b[31] == 0);
    return st;
}

static void a_grant_for(const edn_psk *psk, edn_bytes psk_id)
{
    uint8_t grant[EDN_GRANT_SIZE] = {0}, enc_high;
    edn_bytes view = edn_bytes_of(grant, sizeof grant);

    cx = (edn_grant_context){s.account, s.device, EPOCH, EDN_GRANT_ROOT, 11, s.hash};
    grant_psk = psk;
    grant_psk_id = psk_id;
    CHECK_OK(edn_grant_seal(grant, &cx, &s.dh_pk, &s.rk, psk, psk_id, &rng));
    /* The top bit of an X25519 key is not looked at, so it is set in none that is made. */
    enc_high = grant[32];
    CHECK((enc_high & 0x80) == 0);
    for (size_t i = 0; i < sizeof grant; i++) {
        grant[i] ^= 1;
        CHECK_STATUS(open_grant(view), EDN_E_AUTH);
        grant[i] ^= 1;
    }
    for (size_t n = 0; n < sizeof grant; n++)
        CHECK_STATUS(open_grant(edn_bytes_of(grant, n)), EDN_E_AUTH);
    REFUSES_EVERY_OTHER(cx.account, view, open_grant);
    REFUSES_EVERY_OTHER(cx.recipient, view, open_grant);
    REFUSES_EVERY_OTHER(cx.epoch, view, open_grant);
    REFUSES_EVERY_OTHER(cx.purpose, view, open_grant);
    REFUSES_EVERY_OTHER(cx.link_seq, view, open_grant);
    REFUSES_EVERY_OTHER(cx.prev, view, open_grant);
    s.dh_sk.b[4] ^= 1;
    CHECK_STATUS(open_grant(view), EDN_E_AUTH);
    s.dh_sk.b[4] ^= 1;
    /* The zero point in the place of the ephemeral key. */
    memset(grant + 1, 0, 32);
    CHECK_STATUS(open_grant(view), EDN_E_AUTH);
}

static void a_grant_in_base_mode(void **state)
{
    (void)state;
    a_grant_for(NULL, EDN_BYTES_EMPTY);
}

static void a_grant_in_psk_mode(void **state)
{
    (void)state;
    a_grant_for(&s.psk, edn_bytes_str("psk id"));
}

/* Who has a psk takes no grant without one, or a server could strip it. */
static void a_grant_of_the_other_mode_is_refused(void **state)
{
    (void)state;
    uint8_t base[EDN_GRANT_SIZE], psk[EDN_GRANT_SIZE];
    edn_bytes id = edn_bytes_str("psk id");
    edn_root_key got;

    cx = (edn_grant_context){s.account, s.device, EPOCH, EDN_GRANT_ROOT, 11, s.hash};
    CHECK_OK(edn_grant_seal(base, &cx, &s.dh_pk, &s.rk, NULL, EDN_BYTES_EMPTY, &rng));
    CHECK_OK(edn_grant_seal(psk, &cx, &s.dh_pk, &s.rk, &s.psk, id, &rng));
    CHECK_STATUS(edn_grant_open(&cx, &s.dh_sk, edn_bytes_of(base, sizeof base), &s.psk, id, &got), EDN_E_AUTH);
    CHECK_STATUS(edn_grant_open(&cx, &s.dh_sk, edn_bytes_of(psk, sizeof psk), NULL, EDN_BYTES_EMPTY, &got), EDN_E_AUTH);
    base[0] = 1;
    CHECK_STATUS(edn_grant_open(&cx, &s.dh_sk, edn_bytes_of(base, sizeof base), &s.psk, id, &got), EDN_E_AUTH);
    psk[0] = 0;
    CHECK_STATUS(edn_grant_open(&cx, &s.dh_sk, edn_bytes_of(psk, sizeof psk), NULL, EDN_BYTES_EMPTY, &got), EDN_E_AUTH);
    edn_dh_pk zero = {{0}};
    CHECK_STATUS(edn_grant_seal(base, &cx, &zero, &s.rk, NULL, EDN_BYTES_EMPTY, &rng), EDN_E_KEY_INVALID);
    CHECK_STATUS(edn_grant_seal(base, &cx, &s.dh_pk, &s.rk, &s.psk, EDN_BYTES_EMPTY, &rng), EDN_E_INVALID);
}

static void grants_are_found_in_any_order_they_came(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 2, 3, 4, 5, 12, 31, EDN_GRANTS_MAX};

    for (size_t c = 0; c < EDN_COUNT(counts); c++) {
        size_t n = counts[c];
        edn_grant grants[EDN_GRANTS_MAX];
        edn_buf blob = EDN_BUF_INIT(1 << 20);
        edn_device_id other = {{0xff}};
        edn_grant_context of = {.epoch = 1, .purpose = EDN_GRANT_ROOT};
        static const edn_root_key zero;
        edn_root_key next;
        edn_bytes one;

        fill_random(&rng_state, grants, sizeof grants);
        for (size_t i = 0; i < n; i++)
            grants[i].recipient.b[0] &= 0x7f;
        CHECK_OK(edn_grants_encode(&blob, grants, n));
        CHECK_INT(blob.n, 4 + 97 * n);
        for (size_t i = 0; i < n; i++) {
            CHECK_OK(edn_grants_find(edn_buf_view(&blob), &grants[i].recipient, &one));
            CHECK_BYTES(one, EDN_F(grants[i]));
        }
        CHECK_STATUS(edn_grants_find(edn_buf_view(&blob), &other, &one), EDN_E_MISSING);
        CHECK_INT(one.n, 0);
        of.recipient = other;
        memset(&next, 0xff, sizeof next);
        CHECK_STATUS(edn_rotation_grant_open(&of, &s.dh_sk, edn_buf_view(&blob), &s.rk, &next), EDN_E_MISSING);
        CHECK_BYTES(EDN_F(next), EDN_F(zero));
        edn_buf_dispose(&blob);
    }
}

static void grants_blobs_of_another_form_are_refused(void **state)
{
    (void)state;
    edn_grant grants[EDN_GRANTS_MAX + 1];
    edn_buf blob = EDN_BUF_INIT(1 << 20);
    edn_device_id third;
    edn_bytes one;
    uint8_t swap[97];

    memset(grants, 0, sizeof grants);
    for (size_t i = 0; i < EDN_COUNT(grants); i++)
        grants[i].recipient.b[15] = (uint8_t)i;
    third = grants[2].recipient;
    CHECK_STATUS(edn_grants_encode(&blob, grants, EDN_GRANTS_MAX + 1), EDN_E_LIMIT);
    grants[1].recipient = grants[3].recipient;
    CHECK_STATUS(edn_grants_encode(&blob, grants, 4), EDN_E_INVALID);
    CHECK_INT(blob.n, 0);
    grants[1].recipient.b[15] = 1;
    CHECK_OK(edn_grants_encode(&blob, grants, 4));
    for (size_t n = 0; n < blob.n; n++)
        CHECK_STATUS(edn_grants_find(edn_bytes_of(blob.p, n), &third, &one), EDN_E_FORMAT);
    edn_put_u8(&blob, 0);
    CHECK_STATUS(edn_grants_find(edn_buf_view(&blob), &third, &one), EDN_E_FORMAT);
    blob.n--;
    for (uint32_t n = 0; n < 600; n++) {
        edn_store_u32(blob.p, n);
        CHECK_STATUS(edn_grants_find(edn_buf_view(&blob), &third, &one), n == 4 ? EDN_OK : EDN_E_FORMAT);
    }
    edn_store_u32(blob.p, UINT32_MAX);
    CHECK_STATUS(edn_grants_find(edn_buf_view(&blob), &third, &one), EDN_E_FORMAT);
    edn_store_u32(blob.p, 4);
    memcpy(swap, blob.p + 4, 97); /* descending, though the one looked for is at its place */
    memcpy(blob.p + 4, blob.p + 4 + 97, 97);
    memcpy(blob.p + 4 + 97, swap, 97);
    CHECK_STATUS(edn_grants_find(edn_buf_view(&blob), &third, &one), EDN_E_FORMAT);
    memcpy(blob.p + 4, swap, 97); /* the same twice */
    CHECK_STATUS(edn_grants_find(edn_buf_view(&blob), &third, &one), EDN_E_FORMAT);
    for (uint32_t n = EDN_GRANTS_MAX; n <= EDN_GRANTS_MAX + 1; n++) {
        edn_buf_reset(&blob);
        edn_put_u32(&blob, n);
        for (uint32_t i = 0; i < n; i++)
            edn_put_bytes(&blob, &grants[i], sizeof grants[i]);
        CHECK_STATUS(edn_grants_find(edn_buf_view(&blob), &third, &one), n == EDN_GRANTS_MAX ? EDN_OK : EDN_E_FORMAT);
    }
    edn_buf_dispose(&blob);
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

static edn_record_place at;
static const char record_ops[] = "a line of the diary";

static edn_status open_record(edn_bytes box)
{
    edn_buf out = EDN_BUF_INIT(EDN_RECORD_SIZE_MAX);
    edn_status st = edn_record_open(&out, &s.ek, &at, box);

    if (st == EDN_OK)
        CHECK_STR(edn_buf_view(&out), record_ops);
    else
        CHECK_INT(out.n, 0);
    edn_buf_dispose(&out);
    return st;
}

/* A05: each field of its place is bound to a record. */
static void a_record_opens_in_its_place_only(void **state)
{
    (void)state;
    edn_buf box = EDN_BUF_INIT(1024);

    at = (edn_record_place){s.space, s.journal, s.entry, JOURNAL_EPOCH, 2, 1, s.device, 42, 5};
    CHECK_OK(edn_record_seal(&box, &s.ek, &at, edn_bytes_str(record_ops), &rng));
    refuses_every_change(edn_buf_view(&box), open_record, EDN_E_AUTH);
    REFUSES_EVERY_OTHER(s.ek, edn_buf_view(&box), open_record);
    REFUSES_EVERY_OTHER(at.space, edn_buf_view(&box), open_record);
    REFUSES_EVERY_OTHER(at.journal, edn_buf_view(&box), open_record);
    REFUSES_EVERY_OTHER(at.entry, edn_buf_view(&box), open_record);
    REFUSES_EVERY_OTHER(at.journal_epoch, edn_buf_view(&box), open_record);
    REFUSES_EVERY_OTHER(at.key_version, edn_buf_view(&box), open_record);
    REFUSES_EVERY_OTHER(at.type, edn_buf_view(&box), open_record);
    REFUSES_EVERY_OTHER(at.device, edn_buf_view(&box), open_record);
    REFUSES_EVERY_OTHER(at.dseq, edn_buf_view(&box), open_record);
    REFUSES_EVERY_OTHER(at.index, edn_buf_view(&box), open_record);
    edn_buf_dispose(&box);
}

static void records_keep_their_limit(void **state)
{
    (void)state;
    size_t most = EDN_RECORD_SIZE_MAX - EDN_SEAL_OVERHEAD;
    uint8_t *ops = calloc(1, most + 1);
    edn_buf box = EDN_BUF_INIT(2 * EDN_RECORD_SIZE_MAX), out = EDN_BUF_INIT(2 * EDN_RECORD_SIZE_MAX);

    assert_non_null(ops);
    CHECK_STATUS(edn_record_seal(&box, &s.ek, &at, edn_bytes_of(ops, most + 1), &rng), EDN_E_LIMIT);
    CHECK_INT(box.n, 0);
    CHECK_OK(edn_record_seal(&box, &s.ek, &at, edn_bytes_of(ops, most), &rng));
    CHECK_INT(box.n, EDN_RECORD_SIZE_MAX);
    CHECK_OK(edn_record_open(&out, &s.ek, &at, edn_buf_view(&box)));
    CHECK_INT(out.n, most);
    /* One byte more, and authentic. */
    edn_buf aad = EDN_BUF_INIT(256);
    uint8_t rnd[32] = {0};
    edn_t_put(&aad, EDN_LABEL_AAD_REC,
              EDN_FIELDS_(EDN_F(at.space), EDN_F(at.journal), EDN_F(at.entry), EDN_F_U32(at.journal_epoch),
                          EDN_F_U32(at.key_version), EDN_F_U8(at.type), EDN_F(at.device), EDN_F_U64(at.dseq),
                          EDN_F_U32(at.index)));
    edn_buf_reset(&box);
    CHECK_OK(edn_seal(&box, s.ek.b, EDN_SUITE_1, edn_buf_view(&aad), edn_bytes_of(ops, most + 1), rnd));
    CHECK_STATUS(edn_record_open(&out, &s.ek, &at, edn_buf_view(&box)), EDN_E_AUTH);
    edn_buf_dispose(&aad);
    free(ops);
    edn_buf_dispose(&box);
    edn_buf_dispose(&out);
}

/* ---- batches ----------------------------------------------------------------------------------------------------- */

static edn_batch_header header_of(void)
{
    edn_batch_header h = {.kind = EDN_BATCH_OPS,
                          .space = s.space,
                          .device = s.device,
                          .dseq = 4,
                          .prev = s.hash,
                          .epoch = EPOCH,
                          .log_seq = 5,
                          .log_head = s.hash};
    return h;
}

/* LP(heads) ‖ LP(records) with `n` bytes of records. */
static void body_put(edn_buf *out, uint32_t heads, size_t n)
{
    edn_put_u32(out, 4 + heads * EDN_HEAD_SIZE);
    edn_put_u32(out, heads);
    for (uint32_t i = 0; i < heads * EDN_HEAD_SIZE; i++)
        edn_put_u8(out, (uint8_t)check_next(&rng_state));
    edn_put_u32(out, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        edn_put_u8(out, (uint8_t)i);
}

static void batches_round_trip_at_every_bucket(void **state)
{
    (void)state;
    /* 1008 less a head or two: bodies that fill their bucket to the byte, whatever they say to have seen. */
    static const size_t sizes[] = {0,    1,      900,     1000, 1001,      1023,       4090,
                                   5000, 100000, 1 << 20, 1008, 1008 - 56, 1008 - 112, 1008 - 168};
    static const edn_padding paddings[] = {EDN_PADDING_P1, EDN_PADDING_P2};

    for (size_t i = 0; i < EDN_COUNT(sizes) * 2; i++) {
        edn_buf body = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX), whole = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
        edn_buf back = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
        edn_batch_header h = header_of();
        edn_padding padding = paddings[i % 2];
        edn_hash c_hash;
        edn_batch b;

        body_put(&body, (uint32_t)(i % 5), sizes[i / 2]);
        CHECK_OK(edn_batch_seal(&whole, &h, padding, &s.space_key, &s.sk, edn_buf_view(&body), &rng));
        CHECK_INT(h.padded_size, edn_padded_size(padding, (uint32_t)body.n + 4));
        CHECK_INT(whole.n, h.padded_size + EDN_BATCH_OVERHEAD);
        CHECK_OK(edn_batch_decode(edn_buf_view(&whole), &b));
        CHECK(b.header.suite == EDN_SUITE_1);
        c_hash = edn_batch_c_hash(&b);
        CHECK(edn_batch_verify(&b, &c_hash, &s.pk));
        edn_put_str(&back, "before");
        CHECK_OK(edn_batch_open(&back, &b, &s.space_key));
        CHECK(memcmp(back.p, "before", 6) == 0);
        CHECK_BYTES(edn_bytes_of(back.p + 6, back.n - 6), edn_buf_view(&body));
        edn_buf_dispose(&body);
        edn_buf_dispose(&whole);
        edn_buf_dispose(&back);
    }
}

/* A07: every byte of a batch is under the signature, the header's among them; all but it is under the outer box. */
static void a_batch_altered_at_any_byte_is_refused(void **state)
{
    (void)state;
    edn_buf body = EDN_BUF_INIT(4096), whole = EDN_BUF_INIT(4096), back = EDN_BUF_INIT(4096);
    edn_batch_header h = header_of();

    body_put(&body, 2, 100);
    CHECK_OK(edn_batch_seal(&whole, &h, EDN_PADDING_P1, &s.space_key, &s.sk, edn_buf_view(&body), &rng));
    for (size_t i = 0; i < whole.n; i++) {
        edn_batch b;
        edn_hash c_hash;

        whole.p[i] ^= 0x08;
        if (edn_batch_decode(edn_buf_view(&whole), &b) == EDN_OK) {
            c_hash = edn_batch_c_hash(&b);
            CHECK(!edn_batch_verify(&b, &c_hash, &s.pk));
            CHECK_STATUS(edn_batch_open(&back, &b, &s.space_key),
                         i < whole.n - sizeof(edn_signature) ? EDN_E_AUTH : EDN_OK);
            edn_buf_reset(&back);
        } else {
            CHECK(i < EDN_BATCH_HEADER_SIZE);
        }
        whole.p[i] ^= 0x08;
    }
    edn_batch b;
    edn_space_key other = s.space_key;
    CHECK_OK(edn_batch_decode(edn_buf_view(&whole), &b));
    other.b[9] ^= 1;
    CHECK_STATUS(edn_batch_open(&back, &b, &other), EDN_E_AUTH);
    CHECK_INT(back.n, 0);
    edn_buf_dispose(&body);
    edn_buf_dispose(&whole);
    edn_buf_dispose(&back);
}

/* Seals any outer plaintext as a device of the account could, and opens it as its reader would. */
static edn_status open_outer(edn_bytes outer, const edn_hash *heads_hash)
{
    edn_batch_header h = header_of();
    edn_buf whole = EDN_BUF_INIT(1 << 20), back = EDN_BUF_INIT(1 << 20), head = EDN_BUF_INIT(1024);
    uint8_t rnd[32] = {1};
    edn_signature sig = {{0}};
    edn_batch b;
    edn_status st;

    h.suite = EDN_SUITE_1;
    h.heads_hash = *heads_hash;
    h.padded_size = (uint32_t)outer.n;
    edn_batch_header_put(&head, &h);
    edn_put_bytes(&whole, head.p, head.n);
    CHECK_OK(edn_seal(&whole, s.space_key.b, EDN_SUITE_1, edn_buf_view(&head), outer, rnd));
    edn_put_bytes(&whole, sig.b, sizeof sig.b);
    CHECK_OK(edn_batch_decode(edn_buf_view(&whole), &b));
    st = edn_batch_open(&back, &b, &s.space_key);
    if (st != EDN_OK)
        CHECK_INT(back.n, 0);
    edn_buf_dispose(&whole);
    edn_buf_dispose(&back);
    edn_buf_dispose(&head);
    return st;
}

static void what_an_author_seals_is_checked_too(void **state)
{
    (void)state;
    edn_buf body = EDN_BUF_INIT(8192), outer = EDN_BUF_INIT(8192);
    edn_t_hash t;
    edn_hash heads_hash, wrong;

    body_put(&body, 3, 1100);
    edn_t_hash_begin(&t, EDN_LABEL_HEADS, 3);
    for (size_t i = 0; i < 3; i++)
        edn_t_hash_field(&t, edn_bytes_of(body.p + 8 + i * EDN_HEAD_SIZE, EDN_HEAD_SIZE));
    heads_hash = edn_t_hash_end(&t);

    /* As it should be: P1, and P2. */
    edn_put_lp(&outer, edn_buf_view(&body));
    size_t filled = outer.n, p1 = edn_padded_size(EDN_PADDING_P1, (uint32_t)filled);
    edn_put_zeros(&outer, 4096 - filled);
    CHECK(p1 > filled && p1 < 2048);
    CHECK_OK(open_outer(edn_bytes_of(outer.p, p1), &heads_hash));
    CHECK_OK(open_outer(edn_bytes_of(outer.p, 4096), &heads_hash));
    /* A legal bucket, but not this body's. */
    CHECK_STATUS(open_outer(edn_bytes_of(outer.p, 2048), &heads_hash), EDN_E_FORMAT);
    CHECK_STATUS(open_outer(edn_bytes_of(outer.p, 1024), &heads_hash), EDN_E_FORMAT);
    /* One bit in the padding, at either end. */
    outer.p[filled] = 1;
    CHECK_STATUS(open_outer(edn_bytes_of(outer.p, p1), &heads_hash), EDN_E_FORMAT);
    outer.p[filled] = 0;
    outer.p[p1 - 1] = 0x80;
    CHECK_STATUS(open_outer(edn_bytes_of(outer.p, p1), &heads_hash), EDN_E_FORMAT);
    outer.p[p1 - 1] = 0;
    /* A body length that lies. */
    edn_store_u32(outer.p, (uint32_t)p1);
    CHECK_STATUS(open_outer(edn_bytes_of(outer.p, p1), &heads_hash), EDN_E_FORMAT);
    edn_store_u32(outer.p, UINT32_MAX);
    CHECK_STATUS(open_outer(edn_bytes_of(outer.p, p1), &heads_hash), EDN_E_FORMAT);
    edn_store_u32(outer.p, (uint32_t)body.n);
    /* Heads that are not those of the header; a count that lies; heads longer than the body. */
    wrong = heads_hash;
    wrong.b[31] ^= 1;
    CHECK_STATUS(open_outer(edn_bytes_of(outer.p, p1), &wrong), EDN_E_FORMAT);
    edn_store_u32(outer.p + 8, 2);
    CHECK_STATUS(open_outer(edn_bytes_of(outer.p, p1), &heads_hash), EDN_E_FORMAT);
    edn_store_u32(outer.p + 8, UINT32_MAX / EDN_HEAD_SIZE + 4);
    CHECK_STATUS(open_outer(edn_bytes_of(outer.p, p1), &heads_hash), EDN_E_FORMAT);
    edn_store_u32(outer.p + 8, 3);
    edn_store_u32(outer.p + 4, 5000);
    CHECK_STATUS(open_outer(edn_bytes_of(outer.p, p1), &heads_hash), EDN_E_FORMAT);
    edn_store_u32(outer.p + 4, 4 + 3 * EDN_HEAD_SIZE);
    CHECK_OK(open_outer(edn_bytes_of(outer.p, p1), &heads_hash));
    edn_buf_dispose(&body);
    edn_buf_dispose(&outer);
}

static void a_batch_that_cannot_be_sealed_changes_nothing(void **state)
{
    (void)state;
    edn_batch_header h = header_of(), before = h;
    edn_buf body = EDN_BUF_INIT(8u << 20), whole = EDN_BUF_INIT(8u << 20), small = EDN_BUF_INIT(1000);

    edn_put_u32(&body, 77); /* no heads */
    CHECK_STATUS(edn_batch_seal(&whole, &h, EDN_PADDING_P1, &s.space_key, &s.sk, edn_buf_view(&body), &rng),
                 EDN_E_FORMAT);
    CHECK_STATUS(edn_batch_seal(&whole, &h, EDN_PADDING_P1, &s.space_key, &s.sk, EDN_BYTES_EMPTY, &rng), EDN_E_FORMAT);
    edn_buf_reset(&body);
    body_put(&body, 1, 10);
    CHECK_STATUS(edn_batch_seal(&small, &h, EDN_PADDING_P1, &s.space_key, &s.sk, edn_buf_view(&body), &rng),
                 EDN_E_LIMIT);
    CHECK_INT(small.n, 0);
    edn_buf_reset(&body);
    body_put(&body, 1, (4u << 20) - 500); /* its bucket is past the limit */
    CHECK_STATUS(edn_batch_seal(&whole, &h, EDN_PADDING_P1, &s.space_key, &s.sk, edn_buf_view(&body), &rng),
                 EDN_E_LIMIT);
    edn_put_zeros(&body, 1u << 20);
    CHECK_STATUS(edn_batch_seal(&whole, &h, EDN_PADDING_P2, &s.space_key, &s.sk, edn_buf_view(&body), &rng),
                 EDN_E_LIMIT);
    CHECK_INT(whole.n, 0);
    CHECK(memcmp(&h, &before, sizeof h) == 0);
    edn_buf_dispose(&body);
    edn_buf_dispose(&whole);
    edn_buf_dispose(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_box_of_the_epoch_before),
        cmocka_unit_test(the_box_of_a_journal_key),
        cmocka_unit_test(the_root_box),
        cmocka_unit_test(pins_hash_tells_every_change),
        cmocka_unit_test(a_box_of_another_size_is_refused),
        cmocka_unit_test(unlock_depends_on_all_that_it_takes),
        cmocka_unit_test(test_parameters_pass_where_the_floor_is_no_higher),
        cmocka_unit_test(a_slot),
        cmocka_unit_test(a_grant_in_base_mode),
        cmocka_unit_test(a_grant_in_psk_mode),
        cmocka_unit_test(a_grant_of_the_other_mode_is_refused),
        cmocka_unit_test(grants_are_found_in_any_order_they_came),
        cmocka_unit_test(grants_blobs_of_another_form_are_refused),
        cmocka_unit_test(a_record_opens_in_its_place_only),
        cmocka_unit_test(records_keep_their_limit),
        cmocka_unit_test(batches_round_trip_at_every_bucket),
        cmocka_unit_test(a_batch_altered_at_any_byte_is_refused),
        cmocka_unit_test(what_an_author_seals_is_checked_too),
        cmocka_unit_test(a_batch_that_cannot_be_sealed_changes_nothing),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
