/* The desktop's keyring (the Secret Service, through libsecret): unlocked when its owner logs in. */
#include "holder/holder.h"

#include <libsecret/secret.h>
#include <string.h>

#include "base/base.h"

static const SecretSchema schema = {
    "org.edn.Slot",
    SECRET_SCHEMA_NONE,
    {{"slot", SECRET_SCHEMA_ATTRIBUTE_STRING}},
};

static edn_status keyring_fail(edn_err *err, GError *error)
{
    edn_status st = g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ? EDN_E_CANCELLED : EDN_E_IO;

    edn_fail(err, st, "the desktop's keyring did not answer: %s", error->message);
    g_error_free(error);
    return st;
}

static edn_status keyring_keep(const uint8_t id[16], edn_bytes pin, uint8_t secret[EDN_HELD_SECRET_SIZE],
                               edn_buf *place, edn_err *err)
{
    char slot[33], hex[2 * EDN_HELD_SECRET_SIZE + 1];
    GError *error = NULL;
    gboolean kept;

    (void)pin, (void)place;
    edn_hex_encode(slot, id, 16);
    edn_hex_encode(hex, secret, EDN_HELD_SECRET_SIZE);
    kept = secret_password_store_sync(&schema, SECRET_COLLECTION_DEFAULT, "EDN diary", hex, NULL, &error, "slot", slot,
                                      NULL);
    explicit_bzero(hex, sizeof hex);
    if (error)
        return keyring_fail(err, error);
    return kept ? EDN_OK : edn_fail(err, EDN_E_CANCELLED, "the desktop's keyring kept nothing");
}

static edn_status keyring_give(const uint8_t id[16], edn_bytes pin, edn_bytes place,
                               uint8_t secret[EDN_HELD_SECRET_SIZE], edn_err *err)
{
    GError *error = NULL;
    char slot[33];
    gchar *hex;
    bool read;

    (void)pin, (void)place;
    edn_hex_encode(slot, id, 16);
    hex = secret_password_lookup_nonpageable_sync(&schema, NULL, &error, "slot", slot, NULL);
    if (error)
        return keyring_fail(err, error);
    if (!hex)
        return edn_fail(err, EDN_E_MISSING, "the desktop's keyring has no key for this diary, or is locked");
    read = edn_hex_decode(secret, EDN_HELD_SECRET_SIZE, edn_bytes_str(hex));
    secret_password_free(hex);
    return read ? EDN_OK : edn_fail(err, EDN_E_AUTH, "what the desktop's keyring has for this diary is not its key");
}

static edn_status keyring_forget(const uint8_t id[16], edn_bytes place, edn_err *err)
{
    GError *error = NULL;
    char slot[33];

    (void)place;
    edn_hex_encode(slot, id, 16);
    secret_password_clear_sync(&schema, NULL, &error, "slot", slot, NULL);
    return error ? keyring_fail(err, error) : EDN_OK;
}

__attribute__((visibility("default"))) const edn_holder edn_holder_module = {
    .name = "keyring",
    .kind = 2,
    .title = "the desktop's keyring",
    .keep = keyring_keep,
    .give = keyring_give,
    .forget = keyring_forget,
};
