#include "base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const status_names[EDN_STATUS_COUNT] = {
    [EDN_OK] = "OK",
    [EDN_E_NOMEM] = "E_NOMEM",
    [EDN_E_IO] = "E_IO",
    [EDN_E_FULL] = "E_FULL",
    [EDN_E_BUSY] = "E_BUSY",
    [EDN_E_LIMIT] = "E_LIMIT",
    [EDN_E_INVALID] = "E_INVALID",
    [EDN_E_UTF8] = "E_UTF8",
    [EDN_E_MISSING] = "E_MISSING",
    [EDN_E_EXISTS] = "E_EXISTS",
    [EDN_E_AMBIGUOUS] = "E_AMBIGUOUS",
    [EDN_E_LOCKED] = "E_LOCKED",
    [EDN_E_PASSPHRASE] = "E_PASSPHRASE",
    [EDN_E_CANCELLED] = "E_CANCELLED",
    [EDN_E_NETWORK] = "E_NETWORK",
    [EDN_E_TLS] = "E_TLS",
    [EDN_E_SERVER] = "E_SERVER",
    [EDN_E_DENIED] = "E_DENIED",
    [EDN_E_RATE] = "E_RATE",
    [EDN_E_CONFLICT] = "E_CONFLICT",
    [EDN_E_FORMAT] = "E_FORMAT",
    [EDN_E_SUITE] = "E_SUITE",
    [EDN_E_TYPE] = "E_TYPE",
    [EDN_E_SEQ] = "E_SEQ",
    [EDN_E_PREV] = "E_PREV",
    [EDN_E_ACCOUNT] = "E_ACCOUNT",
    [EDN_E_SIGNER_REVOKED] = "E_SIGNER_REVOKED",
    [EDN_E_SIGNER_UNKNOWN] = "E_SIGNER_UNKNOWN",
    [EDN_E_SIG] = "E_SIG",
    [EDN_E_CAP] = "E_CAP",
    [EDN_E_KEY_INVALID] = "E_KEY_INVALID",
    [EDN_E_DUP_DEVICE] = "E_DUP_DEVICE",
    [EDN_E_POP] = "E_POP",
    [EDN_E_DEVICE_UNKNOWN] = "E_DEVICE_UNKNOWN",
    [EDN_E_EPOCH] = "E_EPOCH",
    [EDN_E_POLICY] = "E_POLICY",
    [EDN_E_COMMIT] = "E_COMMIT",
    [EDN_E_AUTH] = "E_AUTH",
    [EDN_E_CHAIN] = "E_CHAIN",
    [EDN_E_FORK] = "E_FORK",
    [EDN_E_ROLLBACK] = "E_ROLLBACK",
    [EDN_E_WITHHELD] = "E_WITHHELD",
    [EDN_E_CLONE] = "E_CLONE",
    [EDN_E_KDF] = "E_KDF",
    [EDN_E_PARENTS] = "E_PARENTS",
    [EDN_E_DAMAGED] = "E_DAMAGED",
};

const char *edn_status_name(edn_status st)
{
    return (unsigned)st < EDN_STATUS_COUNT && status_names[st] ? status_names[st] : "E_UNKNOWN";
}

edn_status edn_fail(edn_err *err, edn_status st, const char *fmt, ...)
{
    va_list ap;
    int n;

    if (!err)
        return st;
    err->status = st;
    va_start(ap, fmt);
    n = vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    if (n < 0) {
        err->text[0] = 0;
    } else if ((size_t)n >= sizeof err->text) {
        size_t end = edn_utf8_check(edn_bytes_str(err->text), NULL);
        err->text[end] = 0;
    }
    return st;
}

_Noreturn void edn_panic(const char *what, const char *file, int line)
{
    /* The expression is our own source text: it holds no data of anybody's. */
    fprintf(stderr, "edn: internal error: %s (%s:%d)\n", what, file, line);
    abort();
}
