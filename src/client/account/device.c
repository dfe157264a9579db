/* Devices as a person names them. What a device is stands in the log; its name is a document of its own. */
#include "client/client_priv.h"

#define DEVICE_NAME_SIZE_MAX 256u

edn_status device_name_check(const char *name, edn_err *err)
{
    size_t n = name ? strlen(name) : 1;

    if (n == 0)
        return edn_fail(err, EDN_E_INVALID, "a device's name cannot be empty");
    if (n > DEVICE_NAME_SIZE_MAX)
        return edn_fail(err, EDN_E_LIMIT, "a device's name has at most %u bytes", DEVICE_NAME_SIZE_MAX);
    if (name && edn_utf8_check(edn_bytes_str(name), NULL) != n)
        return edn_fail(err, EDN_E_UTF8, "the device's name is not UTF-8");
    return EDN_OK;
}

static bool is_called(edn_client *c, const edn_device *d, const char *what)
{
    edn_buf name = EDN_BUF_INIT(4096);
    char hex[33];
    bool yes;

    edn_hex_encode(hex, d->id.b, sizeof d->id.b);
    yes = (strlen(what) >= 4 && strncmp(hex, what, strlen(what)) == 0) ||
          (device_name(c, &d->id, &name) == EDN_OK && edn_bytes_equal(edn_buf_view(&name), edn_bytes_str(what)));
    edn_buf_dispose(&name);
    return yes;
}

edn_status device_find(edn_client *c, const char *what, edn_device_id *out, edn_err *err)
{
    const edn_device *d;
    unsigned n = 0;

    memset(out, 0, sizeof *out);
    for (size_t i = 0; (d = edn_devlog_device(c->log, i)) != NULL; i++) {
        if (!edn_device_active(d) || !is_called(c, d, what))
            continue;
        *out = d->id;
        n++;
    }
    if (n == 0)
        return edn_fail(err, EDN_E_MISSING,
                        "no device of this account that is not revoked is called \"%.200s\"; 'edn device list' shows "
                        "them",
                        what);
    if (n > 1)
        return edn_fail(err, EDN_E_AMBIGUOUS,
                        "several devices are called \"%.200s\"; name one by its id (edn device list)", what);
    return EDN_OK;
}

edn_status edn_client_device_rename(edn_client *c, const char *device, const char *name, edn_err *err)
{
    edn_device_id id;
    edn_status st;

    if ((st = device_name_check(name, err)) != EDN_OK || (st = client_begin_write(c, err)) != EDN_OK)
        return st;
    if ((st = device_find(c, device, &id, err)) == EDN_OK)
        st = device_rename(c, &id, name);
    if (st == EDN_OK && memcmp(id.b, client_id(c)->device.b, sizeof id.b) == 0) {
        identity *self = &c->secret->id;
        memcpy(self->device_name, name, strlen(name) + 1);
        st = identity_save(c, self);
    }
    return client_end_write(c, st, err);
}
