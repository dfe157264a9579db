/* A FIDO2 key (through libfido2): the secret is what the key computes from a salt by its hmac-secret extension (CTAP
 * 2.1, 12.5), after its PIN was given and it was touched. The key keeps nothing.
 *
 * place = LP(credential id) ‖ salt 32 */
#include "holder/fido2.h"

#include <string.h>

#include "base/base.h"

#define RELYING_PARTY "edn.slot"

static edn_status key_fail(edn_err *err, int code)
{
    switch (code) {
    case FIDO_ERR_PIN_INVALID:
    case FIDO_ERR_PIN_REQUIRED:
        return edn_fail(err, EDN_E_PASSPHRASE, "wrong PIN");
    case FIDO_ERR_PIN_BLOCKED:
    case FIDO_ERR_PIN_AUTH_BLOCKED:
        return edn_fail(err, EDN_E_RATE,
                        "the security key has seen too many wrong PINs; take it out and put it in again, or unlock by "
                        "the passphrase");
    case FIDO_ERR_PIN_NOT_SET:
        return edn_fail(err, EDN_E_MISSING, "the security key has no PIN yet: set one first (fido2-token -S DEVICE)");
    case FIDO_ERR_PIN_POLICY_VIOLATION:
        return edn_fail(err, EDN_E_INVALID, "that cannot be the PIN of a security key (4 to 63 bytes)");
    case FIDO_ERR_NO_CREDENTIALS:
    case FIDO_ERR_INVALID_CREDENTIAL:
        return edn_fail(err, EDN_E_MISSING, "this security key is not the one that was added");
    case FIDO_ERR_UNSUPPORTED_EXTENSION:
    case FIDO_ERR_UNSUPPORTED_OPTION:
        return edn_fail(err, EDN_E_MISSING, "this security key cannot keep secrets (it has no hmac-secret)");
    case FIDO_ERR_OPERATION_DENIED:
    case FIDO_ERR_ACTION_TIMEOUT:
    case FIDO_ERR_USER_ACTION_TIMEOUT:
    case FIDO_ERR_KEEPALIVE_CANCEL:
        return edn_fail(err, EDN_E_CANCELLED, "the security key was not touched");
    default:
        return edn_fail(err, EDN_E_IO, "the security key refused: %s", fido_strerr(code));
    }
}

static edn_status key_open(fido_dev_t **out, edn_err *err)
{
    edn_status st;

    fido_init(0);
    if ((st = edn_fido2_open(out, err)) != EDN_OK)
        return st;
    if (!fido_dev_is_fido2(*out))
        st = edn_fail(err, EDN_E_MISSING, "this security key is too old (it knows U2F only)");
    else if (!fido_dev_has_pin(*out))
        st = key_fail(err, FIDO_ERR_PIN_NOT_SET);
    return st;
}

static void key_close(fido_dev_t **dev)
{
    if (*dev)
        fido_dev_close(*dev);
    fido_dev_free(dev);
}

/* libfido2 wants a PIN as a string. */
static edn_status pin_text(char out[EDN_HOLDER_PIN_SIZE_MAX + 1], edn_bytes pin, edn_err *err)
{
    if (pin.n < 4 || pin.n > EDN_HOLDER_PIN_SIZE_MAX || memchr(pin.p, 0, pin.n))
        return key_fail(err, FIDO_ERR_PIN_POLICY_VIOLATION);
    memcpy(out, pin.p, pin.n);
    out[pin.n] = 0;
    return EDN_OK;
}

/* What libfido2 wants to be signed is no secret and tells nothing: nobody checks the signature. */
static const uint8_t client_data[32] = {0};

static int credential_make(fido_dev_t *dev, const uint8_t id[16], const char *pin, fido_cred_t *cred)
{
    int code;

    if ((code = fido_cred_set_type(cred, COSE_ES256)) != FIDO_OK ||
        (code = fido_cred_set_clientdata_hash(cred, client_data, sizeof client_data)) != FIDO_OK ||
        (code = fido_cred_set_rp(cred, RELYING_PARTY, "EDN diary")) != FIDO_OK ||
        (code = fido_cred_set_user(cred, id, 16, "diary", NULL, NULL)) != FIDO_OK ||
        (code = fido_cred_set_extensions(cred, FIDO_EXT_HMAC_SECRET)) != FIDO_OK)
        return code;
    return fido_dev_make_cred(dev, cred, pin);
}

static int secret_ask(fido_dev_t *dev, const char *pin, edn_bytes credential, const uint8_t salt[32],
                      uint8_t secret[EDN_HELD_SECRET_SIZE])
{
    fido_assert_t *a = fido_assert_new();
    int code = FIDO_ERR_INTERNAL;

    if (!a)
        return code;
    if ((code = fido_assert_set_clientdata_hash(a, client_data, sizeof client_data)) == FIDO_OK &&
        (code = fido_assert_set_rp(a, RELYING_PARTY)) == FIDO_OK &&
        (code = fido_assert_allow_cred(a, credential.p, credential.n)) == FIDO_OK &&
        (code = fido_assert_set_extensions(a, FIDO_EXT_HMAC_SECRET)) == FIDO_OK &&
        (code = fido_assert_set_hmac_salt(a, salt, 32)) == FIDO_OK)
        code = fido_dev_get_assert(dev, a, pin);
    if (code == FIDO_OK && (fido_assert_count(a) != 1 || fido_assert_hmac_secret_len(a, 0) != EDN_HELD_SECRET_SIZE))
        code = FIDO_ERR_UNSUPPORTED_EXTENSION;
    if (code == FIDO_OK)
        memcpy(secret, fido_assert_hmac_secret_ptr(a, 0), EDN_HELD_SECRET_SIZE);
    fido_assert_free(&a);
    return code;
}

/* The random bytes that are offered become the salt; the secret is the key's. */
static edn_status fido2_keep(const uint8_t id[16], edn_bytes pin, uint8_t secret[EDN_HELD_SECRET_SIZE], edn_buf *place,
                             edn_err *err)
{
    char text[EDN_HOLDER_PIN_SIZE_MAX + 1] = "";
    fido_cred_t *cred = fido_cred_new();
    fido_dev_t *dev = NULL;
    uint8_t salt[32];
    edn_status st = cred ? pin_text(text, pin, err) : EDN_E_NOMEM;
    int code;

    memcpy(salt, secret, sizeof salt);
    if (st == EDN_OK && (st = key_open(&dev, err)) == EDN_OK) {
        edn_bytes credential;
        code = credential_make(dev, id, text, cred);
        credential = edn_bytes_of(fido_cred_id_ptr(cred), fido_cred_id_len(cred));
        if (code == FIDO_OK)
            code = secret_ask(dev, text, credential, salt, secret);
        if (code != FIDO_OK) {
            st = key_fail(err, code);
        } else {
            edn_put_lp(place, credential);
            edn_put_bytes(place, salt, sizeof salt);
            st = edn_buf_status(place);
        }
    }
    explicit_bzero(text, sizeof text);
    key_close(&dev);
    fido_cred_free(&cred);
    return st;
}

static edn_status fido2_give(const uint8_t id[16], edn_bytes pin, edn_bytes place, uint8_t secret[EDN_HELD_SECRET_SIZE],
                             edn_err *err)
{
    char text[EDN_HOLDER_PIN_SIZE_MAX + 1] = "";
    edn_reader r = edn_reader_init(place);
    edn_bytes credential = edn_read_lp(&r, 1024, "credential");
    edn_bytes salt = edn_read_bytes(&r, 32, "salt");
    fido_dev_t *dev = NULL;
    edn_status st;
    int code;

    (void)id;
    if (edn_reader_end(&r) != EDN_OK)
        return edn_fail(err, EDN_E_AUTH, "the slot is damaged; unlock by the passphrase");
    st = pin_text(text, pin, err);
    if (st == EDN_OK && (st = key_open(&dev, err)) == EDN_OK &&
        (code = secret_ask(dev, text, credential, salt.p, secret)) != FIDO_OK)
        st = key_fail(err, code);
    explicit_bzero(text, sizeof text);
    key_close(&dev);
    return st == EDN_E_INVALID ? EDN_E_PASSPHRASE : st;
}

__attribute__((visibility("default"))) const edn_holder edn_holder_module = {
    .name = "fido2",
    .kind = 4,
    .title = "a FIDO2 security key",
    .pin = true,
    .touch = true,
    .keep = fido2_keep,
    .give = fido2_give,
};
