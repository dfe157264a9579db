#include "cli/session.h"

#include <errno.h>
#include <keyutils.h>
#include <stdio.h>

_Static_assert(sizeof(edn_cli_session_key) == EDN_SESSION_KEY_SIZE, "what the client gives");
_Static_assert(sizeof(edn_cli_journal_key) == 48, "bytes, as they lie in the keyring");

#define DESCRIPTION_SIZE 64u

/* Search is what finds it, view and read what use it, set-attribute what the time-out needs, write what revoking
 * needs. */
#define POSSESSOR_ONLY (KEY_POS_VIEW | KEY_POS_READ | KEY_POS_SEARCH | KEY_POS_WRITE | KEY_POS_SETATTR)

static const char diary[] = "edn", journals[] = "edn-journals";

static void describe(char out[DESCRIPTION_SIZE], const char *kind, const char *device)
{
    snprintf(out, DESCRIPTION_SIZE, "%s:%s", kind, device);
}

static key_serial_t find(const char *kind, const char *device)
{
    char description[DESCRIPTION_SIZE];

    describe(description, kind, device);
    return (key_serial_t)keyctl_search(KEY_SPEC_SESSION_KEYRING, "user", description, 0);
}

/* A process without a session keyring is given the user's when it looks at it; but a key that is added would make a
 * new one, which ends with the process. So: look first, and add to the one that was found. */
static key_serial_t keyring(bool *shared)
{
    key_serial_t session = (key_serial_t)keyctl_get_keyring_ID(KEY_SPEC_SESSION_KEYRING, 0);
    key_serial_t user = (key_serial_t)keyctl_get_keyring_ID(KEY_SPEC_USER_SESSION_KEYRING, 0);

    *shared = session == user;
    return session;
}

static bool forget(const char *kind, const char *device)
{
    key_serial_t key = find(kind, device);
    bool shared;

    if (key < 0)
        return false;
    keyctl_revoke(key);
    keyctl_unlink(key, keyring(&shared));
    return true;
}

static edn_status put(const char *kind, const char *device, const void *p, size_t n, uint32_t timeout_s, bool *shared,
                      edn_err *err)
{
    char description[DESCRIPTION_SIZE];
    key_serial_t ring, added;

    forget(kind, device);
    describe(description, kind, device);
    ring = keyring(shared);
    if (ring < 0)
        return edn_fail(err, EDN_E_MISSING, "the kernel gives no keyring here (%s)", strerror(errno));
    added = add_key("user", description, p, n, ring);
    if (added < 0)
        return edn_fail(err, EDN_E_MISSING, "the kernel's keyring takes no key here (%s)", strerror(errno));
    if (keyctl_setperm(added, POSSESSOR_ONLY) != 0 || keyctl_set_timeout(added, timeout_s) != 0) {
        int error = errno;
        keyctl_revoke(added);
        return edn_fail(err, EDN_E_MISSING, "the kernel's keyring takes no key here (%s)", strerror(error));
    }
    return EDN_OK;
}

edn_status edn_cli_session_put(const char *device, const edn_cli_session_key *key, uint32_t timeout_s, bool *shared,
                               edn_err *err)
{
    return put(diary, device, key->b, sizeof key->b, timeout_s, shared, err);
}

bool edn_cli_session_find(const char *device, edn_cli_session_key *out)
{
    key_serial_t key = find(diary, device);

    return key >= 0 && keyctl_read(key, (char *)out->b, sizeof out->b) == (long)sizeof out->b;
}

bool edn_cli_session_forget(const char *device)
{
    bool had = forget(journals, device);

    return forget(diary, device) || had;
}

edn_status edn_cli_session_put_journals(const char *device, const edn_cli_journal_key *keys, size_t n,
                                        uint32_t timeout_s, edn_err *err)
{
    bool shared;

    if (n > 0)
        return put(journals, device, keys, n * sizeof *keys, timeout_s, &shared, err);
    (void)forget(journals, device);
    return EDN_OK;
}

size_t edn_cli_session_find_journals(const char *device, edn_cli_journal_key out[EDN_CLI_JOURNAL_KEYS_MAX])
{
    const size_t size = EDN_CLI_JOURNAL_KEYS_MAX * sizeof *out;
    key_serial_t key = find(journals, device);
    long n = key >= 0 ? keyctl_read(key, (char *)out, size) : -1;

    return n > 0 && (size_t)n <= size ? (size_t)n / sizeof *out : 0;
}
