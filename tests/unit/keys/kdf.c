/* Key derivation as every program has it: test parameters are refused (tests/unit/keys/boxes.c has the other half). */
#include "check.h"

#include "keys/keys_priv.h"

static const uint8_t salt[16] = "0123456789abcdef";

static edn_kdf_record record_of(uint32_t ops, uint32_t mem_kib)
{
    edn_kdf_record r;

    edn_kdf_record_make(&r, EDN_KDF_FLOOR, false, salt);
    edn_store_u32(r.b + 8, ops);
    edn_store_u32(r.b + 12, mem_kib);
    return r;
}

static void profiles_pass_at_their_floor_and_no_higher(void **state)
{
    (void)state;
    static const edn_kdf_profile profiles[] = {EDN_KDF_FLOOR, EDN_KDF_DEFAULT, EDN_KDF_HIGH};

    for (size_t i = 0; i < EDN_COUNT(profiles); i++) {
        edn_kdf_record r;

        edn_kdf_record_make(&r, profiles[i], i % 2, salt);
        CHECK(edn_kdf_record_uses_account_key(&r) == (i % 2 == 1));
        for (size_t k = 0; k < EDN_COUNT(profiles); k++)
            CHECK_STATUS(edn_kdf_record_check(&r, profiles[k]), k <= i ? EDN_OK : EDN_E_KDF);
        CHECK_OK(edn_kdf_record_check(&r, EDN_KDF_TEST)); /* a caller's floor below ours changes nothing */
        CHECK_STATUS(edn_kdf_record_check(&r, (edn_kdf_profile)4), EDN_E_KDF);
        CHECK_STATUS(edn_kdf_record_check(&r, (edn_kdf_profile)255), EDN_E_KDF);
    }
}

static const struct {
    uint32_t ops, mem_kib;
    edn_status want;
} costs[] = {
    {3, 65536, EDN_OK},         {3, 65535, EDN_E_KDF},           {2, 65536, EDN_E_KDF}, {16, 1u << 20, EDN_OK},
    {17, 1u << 20, EDN_E_KDF},  {16, (1u << 20) + 1, EDN_E_KDF}, {0, 65536, EDN_E_KDF}, {3, 0, EDN_E_KDF},
    {1, 8, EDN_E_KDF},          {1, 1u << 20, EDN_E_KDF},        {16, 8, EDN_E_KDF},    {3, 8192, EDN_E_KDF},
    {3, UINT32_MAX, EDN_E_KDF}, {UINT32_MAX, 65536, EDN_E_KDF},  {0, 1, EDN_E_KDF},     {600000, 1, EDN_E_KDF},
};

/* A15: whatever a server offers, it is refused before anything is stretched. */
static void costs_outside_the_bounds_are_refused_before_stretching(void **state)
{
    (void)state;
    edn_account_id account = {{1}};
    edn_device_id device = {{2}};
    edn_wrap_key wrap, zero = EDN_KEY_EMPTY;
    edn_seed login;
    edn_local_key ldk;
    uint8_t slot[EDN_SLOT_SIZE] = {0};

    for (size_t i = 0; i < EDN_COUNT(costs); i++) {
        edn_kdf_record r = record_of(costs[i].ops, costs[i].mem_kib);

        if (edn_kdf_record_check(&r, EDN_KDF_FLOOR) != costs[i].want)
            fail_msg("ops %u, %u KiB", costs[i].ops, costs[i].mem_kib);
        if (costs[i].want == EDN_OK)
            continue;
        memset(&wrap, 1, sizeof wrap);
        memset(&login, 1, sizeof login);
        CHECK_STATUS(edn_unlock_keys(edn_bytes_str("correct horse"), NULL, &account, &r, &wrap, &login), EDN_E_KDF);
        CHECK(edn_equal_ct(&wrap, &zero, sizeof wrap) && edn_equal_ct(&login, &zero, sizeof login));
        memcpy(slot + 16, r.b, sizeof r.b);
        CHECK_STATUS(edn_slot_open(edn_bytes_of(slot, sizeof slot), edn_bytes_str("correct horse"), &device, &ldk),
                     EDN_E_KDF);
    }
}

static void records_of_another_form_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        for (unsigned v = 0; v < 256; v++) {
            edn_kdf_record r = record_of(3, 65536);
            uint8_t was = r.b[i];

            r.b[i] = (uint8_t)v;
            CHECK_STATUS(edn_kdf_record_check(&r, EDN_KDF_FLOOR), v == was || (i == 7 && v == 1) ? EDN_OK : EDN_E_KDF);
        }
    }
}

static void test_parameters_are_refused(void **state)
{
    (void)state;
    edn_account_id account = {{1}};
    edn_device_id device = {{2}};
    edn_local_key ldk = {{3}};
    edn_random rng = edn_random_system();
    edn_buf slot = EDN_BUF_INIT(1024);
    edn_kdf_record r;
    edn_wrap_key wrap;
    edn_seed login;

    edn_kdf_record_make(&r, EDN_KDF_TEST, false, salt);
    CHECK_STATUS(edn_kdf_record_check(&r, EDN_KDF_TEST), EDN_E_KDF);
    CHECK_STATUS(edn_kdf_record_check(&r, EDN_KDF_FLOOR), EDN_E_KDF);
    CHECK_STATUS(edn_unlock_keys(edn_bytes_str("correct horse"), NULL, &account, &r, &wrap, &login), EDN_E_KDF);
    CHECK_STATUS(edn_slot_seal(&slot, edn_bytes_str("correct horse"), EDN_KDF_TEST, &device, &ldk, &rng), EDN_E_KDF);
    CHECK_INT(slot.n, 0);
    edn_buf_dispose(&slot);
}

/* The value is the reference program's: argon2 -id -t 3 -k 65536 -p 1. */
static void the_floor_profile_stretches_as_rfc_9106_says(void **state)
{
    (void)state;
    edn_kdf_record r = record_of(3, 65536);
    edn_stretched_key a;
    uint8_t want[32];

    CHECK(edn_hex_decode(want, 32, edn_bytes_str("94c86f541abdb3d9aabfea59aa03963549483e9c0b1a79336e76b54cee6c917e")));
    CHECK_OK(edn_kdf_stretch(edn_bytes_str("correct horse battery staple"), &r, &a));
    CHECK_BYTES(EDN_F(a), edn_bytes_of(want, 32));
}

static void a_needed_account_key_that_is_not_given_is_asked_for(void **state)
{
    (void)state;
    edn_account_id account = {{1}};
    edn_kdf_record r;
    edn_wrap_key wrap;
    edn_seed login;

    edn_kdf_record_make(&r, EDN_KDF_HIGH, true, salt);
    CHECK_STATUS(edn_unlock_keys(edn_bytes_str("correct horse"), NULL, &account, &r, &wrap, &login), EDN_E_INVALID);
}

static int setup(void **state)
{
    (void)state;
    return edn_crypto_init() == EDN_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profiles_pass_at_their_floor_and_no_higher),
        cmocka_unit_test(costs_outside_the_bounds_are_refused_before_stretching),
        cmocka_unit_test(records_of_another_form_are_refused),
        cmocka_unit_test(test_parameters_are_refused),
        cmocka_unit_test(the_floor_profile_stretches_as_rfc_9106_says),
        cmocka_unit_test(a_needed_account_key_that_is_not_given_is_asked_for),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
