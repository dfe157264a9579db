#include "holder/fido2.h"

#include "base/base.h"

enum { KEYS_MAX = 8 };

static edn_status open_path(const char *path, fido_dev_t **out, edn_err *err)
{
    int code;

    *out = fido_dev_new();
    if (!*out)
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    code = fido_dev_open(*out, path);
    return code == FIDO_OK
               ? EDN_OK
               : edn_fail(err, EDN_E_IO, "the security key at %s does not open: %s", path, fido_strerr(code));
}

edn_status edn_fido2_open(fido_dev_t **out, edn_err *err)
{
    fido_dev_info_t *list = fido_dev_info_new(KEYS_MAX);
    size_t n = 0;
    edn_status st;

    *out = NULL;
    if (!list)
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    if (fido_dev_info_manifest(list, KEYS_MAX, &n) != FIDO_OK || n == 0)
        st = edn_fail(err, EDN_E_MISSING, "no security key is plugged in; unlock by the passphrase");
    else if (n > 1)
        st = edn_fail(err, EDN_E_AMBIGUOUS, "%zu security keys are plugged in; leave one", n);
    else
        st = open_path(fido_dev_info_path(fido_dev_info_ptr(list, 0)), out, err);
    fido_dev_info_free(&list, KEYS_MAX);
    return st;
}
