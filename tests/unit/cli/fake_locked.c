/* Locked journals, pretended: one, "Vault", that is closed until it is opened. */
#include "cli/fake_client.h"

#include <edn/locked.h>

#include "base/base.h"

#define PASSPHRASE "a second passphrase"

static bool has_lock = true, open_now;

static edn_status outcome(edn_err *err)
{
    return fake.fail == EDN_OK ? EDN_OK : edn_fail(err, fake.fail, "it failed as it was told");
}

static edn_status check(const char *what, edn_bytes passphrase, edn_err *err)
{
    if (strcmp(what, "Vault") != 0 || !has_lock)
        return edn_fail(err, EDN_E_MISSING, "no locked journal is called \"%s\"", what);
    if (!edn_bytes_equal(passphrase, edn_bytes_str(PASSPHRASE)))
        return edn_fail(err, EDN_E_PASSPHRASE, "wrong passphrase for the journal \"%s\"", what);
    return outcome(err);
}

edn_status edn_client_locked_journals(edn_client *c, edn_locked_fn *fn, void *ctx, edn_err *err)
{
    const edn_locked_journal j = {.name = edn_bytes_str("Vault"), .open = open_now};
    edn_status st = outcome(err);

    (void)c;
    return st == EDN_OK && has_lock ? fn(ctx, &j) : st;
}

edn_status edn_client_journal_lock(edn_client *c, const edn_journal_id *journal, edn_bytes passphrase,
                                   edn_strength strength, edn_err *err)
{
    (void)c;
    (void)journal;
    (void)strength;
    open_now = true;
    return passphrase.n < 8 ? edn_fail(err, EDN_E_INVALID, "the passphrase is too short") : outcome(err);
}

edn_status edn_client_journal_new_locked(edn_client *c, edn_bytes name, edn_bytes passphrase, edn_strength strength,
                                         edn_journal_id *out, edn_err *err)
{
    (void)name;
    memset(out, 0, sizeof *out);
    return edn_client_journal_lock(c, out, passphrase, strength, err);
}

edn_status edn_client_journal_open(edn_client *c, const char *what, edn_bytes passphrase, edn_err *err)
{
    edn_status st = check(what, passphrase, err);

    (void)c;
    open_now |= st == EDN_OK;
    return st;
}

edn_status edn_client_journal_close(edn_client *c, const char *what, bool *unsent, edn_err *err)
{
    (void)c;
    (void)what;
    *unsent = false;
    open_now = false;
    return outcome(err);
}

edn_status edn_client_journal_passphrase(edn_client *c, const char *what, edn_bytes old_passphrase,
                                         edn_bytes new_passphrase, edn_strength strength, edn_err *err)
{
    (void)c;
    (void)new_passphrase;
    (void)strength;
    return check(what, old_passphrase, err);
}

edn_status edn_client_journal_unlock(edn_client *c, const char *what, edn_bytes passphrase, edn_err *err)
{
    (void)c;
    return check(what, passphrase, err);
}

edn_status edn_client_journal_key(edn_client *c, const edn_journal_id *journal, uint8_t key[EDN_JOURNAL_KEY_SIZE],
                                  edn_err *err)
{
    (void)c;
    (void)journal;
    memset(key, 1, EDN_JOURNAL_KEY_SIZE);
    return outcome(err);
}

edn_status edn_client_journal_open_key(edn_client *c, const edn_journal_id *journal,
                                       const uint8_t key[EDN_JOURNAL_KEY_SIZE], edn_err *err)
{
    (void)c;
    (void)journal;
    (void)key;
    open_now = true;
    return outcome(err);
}
