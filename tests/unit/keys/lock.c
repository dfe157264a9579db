/* The boxes and keys of a locked journal. */
#include "check.h"
#include "keys/lock.h"
#include "keys/sharing.h"

static check_rng rng_state;

static void fill_random(void *ctx, void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)check_next(ctx);
}
static const edn_random rng = {fill_random, &rng_state};

static int setup(void **state)
{
    (void)state;
    rng_state.s = check_seed();
    return edn_crypto_init() == EDN_OK ? 0 : -1;
}

static const edn_account_id space = {{1, 2, 3}}, other = {{1, 2, 4}};
static const edn_lock_key key = {{7, 7, 7}};

static edn_bytes secret(void) { return edn_bytes_str("a second passphrase"); }

static void seal(uint8_t box[EDN_LOCK_BOX_SIZE])
{
    CHECK_OK(edn_lock_box_seal(box, secret(), EDN_KDF_TEST, &space, &key, &rng));
}

static void the_passphrase_opens_it_and_nothing_else(void **state)
{
    uint8_t box[EDN_LOCK_BOX_SIZE], again[EDN_LOCK_BOX_SIZE];
    edn_lock_key out;

    (void)state;
    seal(box);
    seal(again);
    CHECK(memcmp(box, again, sizeof box) != 0);
    CHECK_OK(edn_lock_box_open(edn_bytes_of(box, sizeof box), secret(), &space, &out));
    CHECK(memcmp(&out, &key, sizeof key) == 0);
    CHECK_STATUS(edn_lock_box_open(edn_bytes_of(box, sizeof box), edn_bytes_str("another passphrase"), &space, &out),
                 EDN_E_PASSPHRASE);
    CHECK_STATUS(edn_lock_box_open(edn_bytes_of(box, sizeof box), secret(), &other, &out), EDN_E_PASSPHRASE);
    CHECK_STATUS(edn_lock_box_open(edn_bytes_of(box, sizeof box - 1), secret(), &space, &out), EDN_E_FORMAT);
}

/* A changed record is refused before anything is stretched, or changes the key; it never opens. */
static void no_byte_of_it_can_be_changed(void **state)
{
    uint8_t box[EDN_LOCK_BOX_SIZE];
    edn_lock_key out;

    (void)state;
    seal(box);
    for (size_t i = 0; i < sizeof box; i++) {
        box[i] ^= 1;
        edn_status st = edn_lock_box_open(edn_bytes_of(box, sizeof box), secret(), &space, &out);
        if (i == 7)
            CHECK_STATUS(st, EDN_E_FORMAT); /* as if the account key were in it */
        else if (i < 8)
            CHECK_STATUS(st, EDN_E_KDF);
        else
            CHECK(st == EDN_E_PASSPHRASE || (i < 16 && st == EDN_E_KDF));
        CHECK(memcmp(&out, &key, sizeof key) != 0);
        box[i] ^= 1;
    }
}

static void a_cost_that_is_too_low_or_too_high_is_refused(void **state)
{
    uint8_t box[EDN_LOCK_BOX_SIZE];
    edn_lock_key out;

    (void)state;
    seal(box);
    edn_store_u32(box + 12, 4); /* KiB */
    CHECK_STATUS(edn_lock_box_open(edn_bytes_of(box, sizeof box), secret(), &space, &out), EDN_E_KDF);
    edn_store_u32(box + 12, 2u << 20);
    CHECK_STATUS(edn_lock_box_open(edn_bytes_of(box, sizeof box), secret(), &space, &out), EDN_E_KDF);
}

static void a_secret_is_bound_to_its_use_its_space_and_its_key(void **state)
{
    static const edn_lock_key another = {{7, 7, 8}};
    uint8_t in[EDN_LOCK_SECRET_MAX], out[EDN_LOCK_SECRET_MAX], box[EDN_LOCK_SECRET_MAX + EDN_SEAL_OVERHEAD];
    edn_bytes b = edn_bytes_of(box, sizeof box);

    (void)state;
    memset(in, 5, sizeof in);
    CHECK_OK(edn_lock_secret_seal(box, &key, &space, "member", in, sizeof in, &rng));
    CHECK_OK(edn_lock_secret_open(b, &key, &space, "member", out, sizeof out));
    CHECK(memcmp(in, out, sizeof in) == 0);
    CHECK_STATUS(edn_lock_secret_open(b, &key, &space, "root", out, sizeof out), EDN_E_AUTH);
    CHECK_STATUS(edn_lock_secret_open(b, &key, &other, "member", out, sizeof out), EDN_E_AUTH);
    CHECK_STATUS(edn_lock_secret_open(b, &another, &space, "member", out, sizeof out), EDN_E_AUTH);
    CHECK_STATUS(edn_lock_secret_open(b, &key, &space, "member", out, sizeof out - 1), EDN_E_AUTH);
    box[sizeof box - 1] ^= 1;
    CHECK_STATUS(edn_lock_secret_open(b, &key, &space, "member", out, sizeof out), EDN_E_AUTH);
}

/* Each of the inputs changes all keys, and no two are the same. */
static void a_devices_keys_need_all_that_goes_into_them(void **state)
{
    struct {
        edn_seed sign;
        edn_dh_sk enc;
        edn_local_key store;
    } k[5];
    edn_seed sign = {{1}};
    edn_dh_sk enc = {{2}};
    edn_local_key ldk = {{3}};
    edn_lock_key lock = key;

    (void)state;
    for (int i = 0; i < 4; i++) {
        sign.b[31] = i == 1;
        enc.b[31] = i == 1;
        ldk.b[31] = i == 1;
        lock.b[31] = i == 2;
        edn_lock_device_keys(&k[i].sign, &k[i].enc, &sign, &enc, i == 3 ? &other : &space, &lock);
        edn_lock_store_key(&k[i].store, &ldk, i == 3 ? &other : &space, &lock);
    }
    edn_space_device_keys(&k[4].sign, &k[4].enc, &(edn_seed){{1}}, &(edn_dh_sk){{2}}, &space);
    edn_kdf_t(&k[4].store, sizeof k[4].store, (uint8_t[32]){3}, EDN_LABEL_STORE_SHARED, EDN_F(space));
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < i; j++)
            CHECK(memcmp(&k[i].sign, &k[j].sign, 32) != 0 && memcmp(&k[i].enc, &k[j].enc, 32) != 0 &&
                  memcmp(&k[i].store, &k[j].store, 32) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_passphrase_opens_it_and_nothing_else),
        cmocka_unit_test(no_byte_of_it_can_be_changed),
        cmocka_unit_test(a_cost_that_is_too_low_or_too_high_is_refused),
        cmocka_unit_test(a_secret_is_bound_to_its_use_its_space_and_its_key),
        cmocka_unit_test(a_devices_keys_need_all_that_goes_into_them),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
