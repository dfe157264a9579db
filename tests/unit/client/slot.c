/* Unlocking by a security key: the real holder and libfido2, over a key in software. And what a damaged or foreign slot
 * does: nothing, but to say so; the passphrase goes on working. */
#include "check.h"

#include "holder/holder.h"
#include "keys/keys.h"
#include "soft_fido2.h"
#include "store/store.h"
#include "world.h"

#define PIN "73911"

static edn_status only_fido2(const char *name, uint8_t kind, const edn_holder **out, edn_err *err)
{
    *out = &edn_holder_module;
    if (name && strcmp(name, edn_holder_module.name) != 0)
        return edn_fail(err, edn_holder_name(3) && strcmp(name, "tpm") == 0 ? EDN_E_MISSING : EDN_E_INVALID, "none");
    return name || kind == edn_holder_module.kind ? EDN_OK : edn_fail(err, EDN_E_MISSING, "none");
}

static edn_client_options options_of(world *w, char home[256])
{
    edn_client_options o;

    world_home(w, "a", home);
    o = world_options(w, home);
    o.holders = only_fido2;
    return o;
}

static edn_client *diary_with_slot(world *w)
{
    char home[256], key[EDN_ACCOUNT_KEY_TEXT_MAX];
    edn_client_options o = options_of(w, home);
    edn_init_options init = {.device_name = "a", .strength = EDN_STRENGTH_FLOOR};
    edn_client *c = NULL;

    soft_fido2_reset(PIN);
    CHECK_OK(edn_client_init(&o, &init, edn_bytes_str(WORLD_PASSPHRASE), key, &c, NULL));
    CHECK_OK(edn_client_slot_add(c, "fido2", edn_bytes_str(WORLD_PASSPHRASE), edn_bytes_str(PIN), NULL));
    edn_client_lock(c);
    return c;
}

static edn_status unlock(edn_client *c, const char *what, const char *pin, edn_err *err)
{
    return edn_client_unlock_slot(c, what, edn_bytes_str(pin), err);
}

static edn_status remember(void *ctx, const edn_slot *s)
{
    *(edn_slot *)ctx = *s;
    return EDN_OK;
}

static void check_passphrase_opens(edn_client *c)
{
    CHECK_OK(edn_client_unlock(c, edn_bytes_str(WORLD_PASSPHRASE), NULL));
    edn_client_lock(c);
}

static void a_security_key_unlocks(void **state)
{
    world *w = world_new();
    edn_client *c = diary_with_slot(w);
    edn_slot slot = {.holder = ""};
    edn_slot_needs needs;
    edn_err err;

    (void)state;
    CHECK_OK(edn_client_slot_list(c, remember, &slot, NULL));
    CHECK(strcmp(slot.holder, "fido2") == 0);
    CHECK_OK(edn_client_slot_needs(c, "fido2", &needs, NULL));
    CHECK(needs.pin && needs.touch);
    CHECK_INT(soft_key.touches, 3); /* made, asked for its secret, asked once more to be sure */

    CHECK_STATUS(unlock(c, "fido2", "00000", &err), EDN_E_PASSPHRASE);
    CHECK(!edn_client_unlocked(c));
    CHECK_OK(unlock(c, "fido2", PIN, &err));
    CHECK(edn_client_unlocked(c));
    edn_client_lock(c);
    slot.id[6] = 0;
    CHECK_OK(unlock(c, slot.id, PIN, &err)); /* by the beginning of its id */
    edn_client_lock(c);
    edn_client_close(c);
    world_free(w);
}

static void a_key_that_fails_locks_nobody_out(void **state)
{
    world *w = world_new();
    edn_client *c = diary_with_slot(w);
    edn_err err;

    (void)state;
    soft_key.plugged_in = false;
    CHECK_STATUS(unlock(c, "fido2", PIN, &err), EDN_E_MISSING);
    soft_key.plugged_in = true;
    soft_key.not_touched = true;
    CHECK_STATUS(unlock(c, "fido2", PIN, &err), EDN_E_CANCELLED);
    soft_key.not_touched = false;
    soft_key.device_key[0] ^= 1; /* another key */
    CHECK_STATUS(unlock(c, "fido2", PIN, &err), EDN_E_MISSING);
    soft_key.device_key[0] ^= 1;
    for (int i = 0; i < SOFT_FIDO2_RETRIES; i++)
        CHECK(unlock(c, "fido2", "11111", &err) != EDN_OK);
    CHECK_STATUS(unlock(c, "fido2", PIN, &err), EDN_E_RATE);
    CHECK(!edn_client_unlocked(c));
    check_passphrase_opens(c);
    edn_client_close(c);
    world_free(w);
}

static void what_cannot_be_a_slot_is_refused(void **state)
{
    world *w = world_new();
    edn_client *c = diary_with_slot(w);
    edn_bytes pass = edn_bytes_str(WORLD_PASSPHRASE), pin = edn_bytes_str(PIN);
    edn_slot_needs needs;
    edn_err err;

    (void)state;
    CHECK_STATUS(edn_client_slot_add(c, "fido2", edn_bytes_str("another passphrase"), pin, &err), EDN_E_PASSPHRASE);
    CHECK_STATUS(edn_client_slot_add(c, "fido2", pass, edn_bytes_str("123"), &err), EDN_E_INVALID);
    CHECK_STATUS(edn_client_slot_add(c, "fido2", pass, edn_bytes_str("54321"), &err), EDN_E_PASSPHRASE);
    CHECK_STATUS(edn_client_slot_add(c, "tpm", pass, pin, &err), EDN_E_MISSING);
    CHECK_STATUS(edn_client_slot_add(c, "abacus", pass, pin, &err), EDN_E_INVALID);
    CHECK_STATUS(edn_client_slot_needs(c, "abacus", &needs, &err), EDN_E_MISSING);
    CHECK_STATUS(unlock(c, "tpm", PIN, &err), EDN_E_MISSING);
    soft_key.no_hmac_secret = true;
    CHECK_STATUS(edn_client_slot_add(c, "fido2", pass, pin, &err), EDN_E_MISSING);
    soft_key.no_hmac_secret = false;
    soft_key.pin = NULL;
    CHECK_STATUS(edn_client_slot_add(c, "fido2", pass, pin, &err), EDN_E_MISSING);
    edn_client_close(c);
    world_free(w);
}

static void a_slot_that_was_removed_opens_no_more(void **state)
{
    world *w = world_new();
    edn_client *c = diary_with_slot(w);
    edn_slot slot = {.holder = NULL};
    edn_err err;

    (void)state;
    CHECK_STATUS(edn_client_slot_remove(c, "fido2", &err), EDN_E_LOCKED);
    CHECK_OK(edn_client_unlock(c, edn_bytes_str(WORLD_PASSPHRASE), NULL));
    CHECK_STATUS(edn_client_slot_remove(c, "keyring", &err), EDN_E_MISSING);
    CHECK_OK(edn_client_slot_remove(c, "fido2", &err));
    edn_client_lock(c);
    CHECK_OK(edn_client_slot_list(c, remember, &slot, NULL));
    CHECK(slot.holder == NULL);
    CHECK_STATUS(unlock(c, "fido2", PIN, &err), EDN_E_MISSING);
    check_passphrase_opens(c);
    edn_client_close(c);
    world_free(w);
}

static void the_passphrase_changes_and_slots_remain(void **state)
{
    world *w = world_new();
    edn_client *c = diary_with_slot(w);
    edn_err err;

    (void)state;
    CHECK_OK(edn_client_passphrase_change(c, edn_bytes_str(WORLD_PASSPHRASE), edn_bytes_str("quite another one"),
                                          EDN_STRENGTH_FLOOR, &err));
    edn_client_lock(c);
    CHECK_OK(unlock(c, "fido2", PIN, &err));
    edn_client_close(c);
    world_free(w);
}

/* ---- its bytes --------------------------------------------------------------------------------------------------- */

static void fill_seven(void *ctx, void *p, size_t n)
{
    (void)ctx;
    memset(p, 7, n);
}

static void a_slot_opens_as_itself_and_as_nothing_else(void **state)
{
    const edn_random rng = {fill_seven, NULL};
    edn_held_secret secret = {{3}}, other = {{4}};
    edn_device_id device = {{5}}, elsewhere = {{6}};
    edn_local_key ldk = {{9, 9}}, opened;
    edn_held_slot s = {.holder = EDN_HOLDER_TPM, .id = {1}, .salt = {2}, .made_ms = 12345}, back;
    edn_buf bytes = EDN_BUF_INIT(4096);

    (void)state;
    s.place = edn_bytes_str("where it is");
    CHECK_OK(edn_held_slot_seal(&bytes, &s, &secret, &device, &ldk, &rng));
    CHECK_OK(edn_held_slot_decode(edn_buf_view(&bytes), &back));
    CHECK_OK(edn_held_slot_open(&back, &secret, &device, &opened));
    CHECK_BYTES(EDN_F(opened), EDN_F(ldk));
    CHECK_INT(back.made_ms, 12345);
    CHECK_STATUS(edn_held_slot_open(&back, &other, &device, &opened), EDN_E_AUTH);
    CHECK_STATUS(edn_held_slot_open(&back, &secret, &elsewhere, &opened), EDN_E_AUTH);
    for (size_t n = 0; n < bytes.n; n++)
        CHECK(edn_held_slot_decode(edn_bytes_of(bytes.p, n), &back) != EDN_OK);
    for (size_t i = 0; i < bytes.n; i++) {
        bytes.p[i] ^= 0x10;
        CHECK(edn_held_slot_decode(edn_buf_view(&bytes), &back) != EDN_OK ||
              edn_held_slot_open(&back, &secret, &device, &opened) == EDN_E_AUTH);
        bytes.p[i] ^= 0x10;
    }
    edn_buf_dispose(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_security_key_unlocks),
        cmocka_unit_test(a_key_that_fails_locks_nobody_out),
        cmocka_unit_test(what_cannot_be_a_slot_is_refused),
        cmocka_unit_test(a_slot_that_was_removed_opens_no_more),
        cmocka_unit_test(the_passphrase_changes_and_slots_remain),
        cmocka_unit_test(a_slot_opens_as_itself_and_as_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
