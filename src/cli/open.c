/* How a command comes to an unlocked diary, and what options mean in terms of it. */
#include "cli/cli_priv.h"

#include <fcntl.h>

#include "cli/session.h"
#include "cli/text.h"

#define TRIES_MAX 3

edn_status edn_cli_fd(edn_cli *c, edn_cli_opt opt, int *out)
{
    const char *value = edn_cli_value(&c->args, opt);
    uint64_t n;

    *out = -1;
    if (!value)
        return EDN_OK;
    if (!edn_cli_read_count(value, 1u << 20, &n))
        return edn_cli_usage(c, "'--%s %s' is not the number of a file descriptor", edn_cli_options[opt].name, value);
    if (fcntl((int)n, F_SETFD, FD_CLOEXEC) != 0) /* not for an editor's eyes */
        return edn_cli_usage(c, "'--%s %s': no such file descriptor is open", edn_cli_options[opt].name, value);
    *out = (int)n;
    return EDN_OK;
}

edn_strength edn_cli_strength(const edn_cli *c)
{
    const char *value = edn_cli_value(&c->args, EDN_OPT_STRENGTH);

    if (!value)
        return (edn_strength)0; /* the client's default */
    return value[0] == 'f' ? EDN_STRENGTH_FLOOR : value[0] == 'h' ? EDN_STRENGTH_HIGH : EDN_STRENGTH_DEFAULT;
}

/* ---- passphrases ------------------------------------------------------------------------------------------------- */

/* No terminal where one is needed means: locked, and how to go on. */
static edn_status ask(edn_cli *c, const char *prompt, edn_cli_secret *out)
{
    edn_status st = edn_cli_secret_ask(prompt, out, &c->err);

    if (st == EDN_E_MISSING)
        return edn_fail(&c->err, EDN_E_LOCKED,
                        "the passphrase is needed and there is no terminal to ask on: run 'edn unlock' first, or give "
                        "--passphrase-fd");
    return st;
}

edn_status edn_cli_passphrase(edn_cli *c, const char *prompt, edn_cli_secret *out)
{
    int fd;
    edn_status st = edn_cli_fd(c, EDN_OPT_PASSPHRASE_FD, &fd);

    if (st != EDN_OK)
        return st;
    return fd >= 0 ? edn_cli_secret_read(fd, "passphrase", out, &c->err) : ask(c, prompt, out);
}

edn_status edn_cli_passphrase_new(edn_cli *c, edn_cli_opt opt, const char *prompt, edn_cli_secret *out)
{
    int fd;
    edn_status st = edn_cli_fd(c, opt, &fd);

    if (st != EDN_OK)
        return st;
    if (fd >= 0)
        return edn_cli_secret_read(fd, "passphrase", out, &c->err);
    for (int tries = 1;; tries++) {
        edn_cli_secret again = {NULL, 0};
        bool same;
        if ((st = ask(c, prompt, out)) != EDN_OK)
            return st;
        if ((st = ask(c, "The same again: ", &again)) != EDN_OK) {
            edn_cli_secret_dispose(out);
            return st;
        }
        same = edn_bytes_equal(edn_cli_secret_view(out), edn_cli_secret_view(&again));
        edn_cli_secret_dispose(&again);
        if (same)
            return EDN_OK;
        edn_cli_secret_dispose(out);
        if (tries == TRIES_MAX)
            return edn_fail(&c->err, EDN_E_INVALID, "the two differ; nothing was done");
        edn_cli_warn(c, "the two differ; once more");
    }
}

/* ---- opening and unlocking --------------------------------------------------------------------------------------- */

edn_status edn_cli_open(edn_cli *c) { return c->client ? EDN_OK : edn_client_open(&c->options, &c->client, &c->err); }

static edn_status unlock_with(edn_cli *c, edn_cli_secret *secret)
{
    edn_status st = edn_client_unlock(c->client, edn_cli_secret_view(secret), &c->err);

    edn_cli_secret_dispose(secret);
    if (st == EDN_OK)
        edn_cli_journals_reopen(c);
    return st;
}

/* By the key that the kernel keeps; one that does not open this diary any more is taken away. */
static bool unlock_by_session(edn_cli *c)
{
    EDN_SECRET(edn_cli_session_key) key = EDN_KEY_EMPTY;
    char device[33];
    edn_status st;

    edn_client_device_id(c->client, device);
    if (!edn_cli_session_find(device, &key))
        return false;
    st = edn_client_unlock_session(c->client, key.b, NULL);
    if (st == EDN_E_PASSPHRASE)
        edn_cli_session_forget(device);
    if (st == EDN_OK)
        edn_cli_journals_reopen(c);
    return st == EDN_OK;
}

edn_status edn_cli_try(edn_cli *c)
{
    edn_cli_secret secret;
    edn_status st = edn_cli_open(c);

    if (st != EDN_OK || edn_client_unlocked(c->client))
        return st;
    if (edn_cli_has(&c->args, EDN_OPT_PASSPHRASE_FD)) {
        st = edn_cli_passphrase(c, "", &secret);
        return st == EDN_OK ? unlock_with(c, &secret) : st;
    }
    (void)unlock_by_session(c); /* still locked is an answer too */
    return EDN_OK;
}

edn_status edn_cli_need(edn_cli *c)
{
    edn_cli_secret secret;
    edn_status st = edn_cli_try(c);

    if (st != EDN_OK || edn_client_unlocked(c->client))
        return st;
    for (int tries = 1;; tries++) {
        if ((st = edn_cli_passphrase(c, "Passphrase: ", &secret)) != EDN_OK)
            return st;
        st = unlock_with(c, &secret);
        if (st != EDN_E_PASSPHRASE || tries == TRIES_MAX)
            return st;
        edn_cli_warn(c, "%s; try again", c->err.text);
    }
}

/* Read once, it unlocks too. */
edn_status edn_cli_open_with_passphrase(edn_cli *c, edn_cli_secret *out)
{
    edn_status st = edn_cli_has(&c->args, EDN_OPT_PASSPHRASE_FD) ? edn_cli_open(c) : edn_cli_try(c);

    if (st == EDN_OK && (st = edn_cli_passphrase(c, "Passphrase: ", out)) == EDN_OK && !edn_client_unlocked(c->client))
        if ((st = edn_client_unlock(c->client, edn_cli_secret_view(out), &c->err)) == EDN_OK)
            edn_cli_journals_reopen(c);
    if (st != EDN_OK)
        edn_cli_secret_dispose(out);
    return st;
}

edn_status edn_cli_timeout(edn_cli *c, uint32_t *out_s)
{
    const char *timeout = edn_cli_value(&c->args, EDN_OPT_TIMEOUT);

    *out_s = EDN_CLI_TIMEOUT_DEFAULT_S;
    if (timeout && !edn_cli_read_time(timeout, out_s))
        return edn_cli_usage(c, "'--timeout %s' is not a time like 90s, 15m or 2h, of at most 24h", timeout);
    return EDN_OK;
}

edn_status edn_cli_keep_unlocked(edn_cli *c, uint32_t timeout_s)
{
    EDN_SECRET(edn_cli_session_key) key = EDN_KEY_EMPTY;
    char device[33], minutes[64];
    bool shared;
    edn_status st;
    edn_err err = {0};

    if (timeout_s == 0)
        return EDN_OK;
    if ((st = edn_client_session_key(c->client, key.b)) != EDN_OK)
        return edn_fail(&c->err, st, "the diary is locked");
    edn_client_device_id(c->client, device);
    if (edn_cli_session_put(device, &key, timeout_s, &shared, &err) != EDN_OK) {
        edn_cli_note(c, "The key could not be kept: %s. Each command will ask for the passphrase.", err.text);
        return EDN_OK;
    }
    edn_cli_count(minutes, timeout_s % 60 ? timeout_s : timeout_s / 60, timeout_s % 60 ? "second" : "minute",
                  timeout_s % 60 ? "seconds" : "minutes");
    edn_cli_note(c, "Unlocked for %s%s.", minutes,
                 shared ? ", in every session of this user: this login has no keyring of its own" : "");
    return EDN_OK;
}

/* ---- what options mean ------------------------------------------------------------------------------------------- */

/* A number, a day (its end) or a time. */
static bool moment_read(const char *text, edn_moment *out)
{
    uint64_t number;
    char date[11];

    if (edn_cli_read_count(text, UINT32_MAX, &number) && number) {
        out->number = (uint32_t)number;
        return true;
    }
    if (!edn_cli_date_read(text, edn_cli_now_ms(), EDN_DAY_ONLY, date))
        return edn_cli_time_read(edn_bytes_str(text), &out->time_ms) && out->time_ms;
    out->time_ms = edn_cli_day_end_ms(date);
    return out->time_ms != 0;
}

edn_status edn_cli_find(edn_cli *c, const char *what, edn_entry_id *out, edn_moment *when)
{
    const char *at = when ? strrchr(what, '@') : NULL;
    char name[256], date[11];
    size_t n = at ? (size_t)(at - what) : strlen(what);
    edn_status st;

    if (when)
        *when = (edn_moment){0, 0};
    if (at && !moment_read(at + 1, when))
        return edn_cli_usage(c,
                             "'%s': after '@' stands a version's number, a day like 2024-05-01, or a time like "
                             "2024-05-01T12:30:00Z; 'edn history' lists them",
                             what);
    if (n == 0 || n >= sizeof name)
        return edn_cli_usage(c, "'%s' is no entry: say last, a date, or the beginning of an id", what);
    memcpy(name, what, n);
    name[n] = 0;
    if ((strcmp(name, "today") == 0 || strcmp(name, "yesterday") == 0) &&
        edn_cli_date_read(name, edn_cli_now_ms(), EDN_DAY_ONLY, date))
        memcpy(name, date, sizeof date);
    st = edn_client_find(c->client, name, out, &c->err);
    return st == EDN_E_INVALID ? EDN_E_MISSING
                               : st; /* what is no entry's name is no entry: the sentence says which are */
}

edn_status edn_cli_journal(edn_cli *c, edn_cli_opt opt, edn_journal_id *id, const edn_journal_id **out)
{
    const char *name = edn_cli_value(&c->args, opt);
    edn_status st;

    *out = NULL;
    if (!name)
        return EDN_OK;
    if ((st = edn_client_journal_find(c->client, name, id, &c->err)) == EDN_OK)
        *out = id;
    return st;
}

static edn_status filter_date(edn_cli *c, edn_cli_opt opt, edn_cli_day day, char space[11], edn_bytes *out)
{
    const char *value = edn_cli_value(&c->args, opt);

    if (!value)
        return EDN_OK;
    if (!edn_cli_date_read(value, edn_cli_now_ms(), day, space))
        return edn_cli_usage(c, "'--%s %s' is not a date: YYYY-MM-DD, YYYY-MM, YYYY, today or yesterday",
                             edn_cli_options[opt].name, value);
    *out = edn_bytes_str(space);
    return EDN_OK;
}

edn_status edn_cli_filter_of(edn_cli *c, edn_cli_filter *space)
{
    const char *tag = edn_cli_value(&c->args, EDN_OPT_WITH_TAG), *limit = edn_cli_value(&c->args, EDN_OPT_LIMIT);
    edn_filter *f = &space->filter;
    uint64_t n = 0;
    edn_status st;

    *space = (edn_cli_filter){0};
    if (!limit)
        limit = edn_cli_value(&c->args, EDN_OPT_LIMIT_HITS);
    if ((st = filter_date(c, EDN_OPT_FROM, EDN_DAY_FIRST, space->from, &f->from)) != EDN_OK ||
        (st = filter_date(c, EDN_OPT_TO, EDN_DAY_LAST, space->to, &f->to)) != EDN_OK)
        return st;
    if (tag)
        f->tag = edn_bytes_str(tag[0] == '#' ? tag + 1 : tag);
    if (limit && (!edn_cli_read_count(limit, SIZE_MAX, &n) || n == 0))
        return edn_cli_usage(c, "'--limit %s' is not a number of entries", limit);
    f->limit = n;
    return edn_cli_journal(c, EDN_OPT_IN_JOURNAL, &space->journal, &f->journal);
}
