/* Commands about locked journals, and how one that was opened stays open from command to command. */
#include "cli/cli_priv.h"

#include "cli/session.h"
#include "cli/text.h"

#include <edn/locked.h>

#define NEW_PROMPT "New passphrase for this journal: "

/* ---- what is kept between commands ------------------------------------------------------------------------------- */

typedef struct journal_keys {
    size_t n;
    edn_cli_journal_key p[EDN_CLI_JOURNAL_KEYS_MAX];
} journal_keys;

static journal_keys *keys_new(const edn_cli *c, char device[33])
{
    journal_keys *k = edn_secret_alloc(sizeof *k);

    edn_client_device_id(c->client, device);
    if (k)
        k->n = edn_cli_session_find_journals(device, k->p);
    return k;
}

void edn_cli_journals_reopen(edn_cli *c)
{
    char device[33];
    journal_keys *k = keys_new(c, device);
    edn_err ignored;

    for (size_t i = 0; k && i < k->n; i++) /* one whose key is another by now is closed */
        (void)!edn_client_journal_open_key(c->client, &k->p[i].journal, k->p[i].key, &ignored);
    edn_secret_free(k);
}

typedef struct gathering {
    edn_journal_id open[EDN_CLI_JOURNAL_KEYS_MAX];
    size_t n;
} gathering;

static edn_status gather_open(void *ctx, const edn_locked_journal *j)
{
    gathering *g = ctx;

    if (j->open && g->n < EDN_COUNT(g->open))
        g->open[g->n++] = j->id;
    return EDN_OK;
}

/* Puts the keys of those that are open now where the next command finds them. False: `err` says why not. */
static bool keep_open(edn_cli *c, uint32_t timeout_s, edn_err *err)
{
    gathering g = {.n = 0};
    char device[33];
    journal_keys *k = keys_new(c, device);
    edn_status st = k ? edn_client_locked_journals(c->client, gather_open, &g, err)
                      : edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");

    for (size_t i = 0; st == EDN_OK && i < g.n; i++) {
        k->p[i].journal = g.open[i];
        st = edn_client_journal_key(c->client, &g.open[i], k->p[i].key, err);
    }
    if (st == EDN_OK)
        st = edn_cli_session_put_journals(device, k->p, timeout_s ? g.n : 0, timeout_s, err);
    edn_secret_free(k);
    return st == EDN_OK;
}

static void keep_open_and_say(edn_cli *c, const char *name, uint32_t timeout_s)
{
    edn_err err = {EDN_OK, ""};
    char time[64];

    if (!keep_open(c, timeout_s, &err)) {
        edn_cli_warn(c, "the journal's key could not be kept: %s. It is closed again", err.text);
        return;
    }
    edn_cli_count(time, timeout_s % 60 ? timeout_s : timeout_s / 60, timeout_s % 60 ? "second" : "minute",
                  timeout_s % 60 ? "seconds" : "minutes");
    edn_cli_note(c, "The journal %s is open for %s.", name, time);
}

/* ---- what is not shown ------------------------------------------------------------------------------------------- */

static edn_status put_closed(void *ctx, const edn_locked_journal *j)
{
    edn_buf *names = ctx;

    if (j->open)
        return EDN_OK;
    if (names->n)
        edn_put_str(names, ", ");
    edn_put_bytes(names, j->name.p, j->name.n);
    return edn_buf_status(names);
}

void edn_cli_note_closed(edn_cli *c)
{
    edn_buf names = EDN_BUF_INIT(65536), shown = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_err ignored;

    if (edn_client_locked_journals(c->client, put_closed, &names, &ignored) == EDN_OK && names.n) {
        edn_cli_put_text(&shown, &c->out, edn_buf_view(&names), true);
        edn_cli_note(c, "Not shown, for it is locked: %.*s. 'edn journal open' opens it.", (int)shown.n,
                     (const char *)shown.p);
    }
    edn_buf_dispose(&names);
    edn_buf_dispose(&shown);
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

/* Of a journal that exists. */
static edn_status journal_passphrase(edn_cli *c, const char *prompt, edn_cli_secret *out)
{
    int fd;
    edn_status st = edn_cli_fd(c, EDN_OPT_JOURNAL_PASSPHRASE_FD, &fd);

    if (st != EDN_OK)
        return st;
    st = fd >= 0 ? edn_cli_secret_read(fd, "journal's passphrase", out, &c->err)
                 : edn_cli_secret_ask(prompt, out, &c->err);
    if (st == EDN_E_MISSING)
        return edn_fail(&c->err, EDN_E_LOCKED,
                        "the journal's passphrase is needed and there is no terminal to ask on: give "
                        "--journal-passphrase-fd");
    return st;
}

edn_status edn_cli_journal_make_locked(edn_cli *c, edn_journal_id *out)
{
    edn_cli_secret second = {NULL, 0};
    uint32_t timeout_s;
    edn_status st = edn_cli_timeout(c, &timeout_s);

    if (st == EDN_OK && (st = edn_cli_passphrase_new(c, EDN_OPT_NEW_PASSPHRASE_FD, NEW_PROMPT, &second)) == EDN_OK)
        st = edn_client_journal_new_locked(c->client, edn_bytes_str(c->args.words[0]), edn_cli_secret_view(&second),
                                           edn_cli_strength(c), out, &c->err);
    edn_cli_secret_dispose(&second);
    if (st == EDN_OK)
        keep_open_and_say(c, c->args.words[0], timeout_s);
    return st;
}

/* Closed at once: whoever locks a journal wants it locked. */
edn_status edn_cli_journal_lock(edn_cli *c)
{
    const char *name = c->args.words[0];
    edn_cli_secret second = {NULL, 0};
    edn_journal_id id;
    bool unsent = false;
    edn_status st = edn_cli_need(c);

    if (st == EDN_OK && (st = edn_client_journal_find(c->client, name, &id, &c->err)) == EDN_OK &&
        (st = edn_cli_passphrase_new(c, EDN_OPT_NEW_PASSPHRASE_FD, NEW_PROMPT, &second)) == EDN_OK)
        st = edn_client_journal_lock(c->client, &id, edn_cli_secret_view(&second), edn_cli_strength(c), &c->err);
    edn_cli_secret_dispose(&second);
    if (st == EDN_OK)
        st = edn_client_journal_close(c->client, name, &unsent, &c->err);
    if (st == EDN_OK)
        edn_cli_note(
            c,
            "The journal %s is locked. 'edn journal open' opens it; if its passphrase is forgotten, nobody can. "
            "What was sent of it before opens with the diary's keys until 'edn rekey --deep'.",
            name);
    return st;
}

/* What others wrote meanwhile. The journal is open whether that comes or not. */
static void catch_up(edn_cli *c)
{
    edn_client_status s;
    edn_sync_result result;
    edn_err err;

    if (edn_client_status_get(c->client, &s, &err) != EDN_OK || !s.server[0] ||
        edn_client_sync(c->client, NULL, &result, &err) == EDN_OK)
        return;
    edn_cli_warn(c, "what other devices wrote in it could not be fetched now: %s", err.text);
}

edn_status edn_cli_journal_open(edn_cli *c)
{
    edn_cli_secret second = {NULL, 0};
    uint32_t timeout_s;
    edn_status st = edn_cli_timeout(c, &timeout_s);

    if (st == EDN_OK && (st = edn_cli_need(c)) == EDN_OK &&
        (st = journal_passphrase(c, "Passphrase of this journal: ", &second)) == EDN_OK)
        st = edn_client_journal_open(c->client, c->args.words[0], edn_cli_secret_view(&second), &c->err);
    edn_cli_secret_dispose(&second);
    if (st != EDN_OK)
        return st;
    keep_open_and_say(c, c->args.words[0], timeout_s);
    catch_up(c);
    return EDN_OK;
}

edn_status edn_cli_journal_close(edn_cli *c)
{
    bool unsent = false;
    edn_err err = {EDN_OK, ""};
    edn_status st = edn_cli_need(c);

    if (st != EDN_OK || (st = edn_client_journal_close(c->client, c->args.words[0], &unsent, &c->err)) != EDN_OK)
        return st;
    if (!keep_open(c, EDN_CLI_TIMEOUT_DEFAULT_S, &err)) {
        char device[33];
        edn_client_device_id(c->client, device);
        edn_cli_session_forget(device); /* rather all than not this one */
    }
    edn_cli_note(c, "The journal %s is closed.", c->args.words[0]);
    if (unsent)
        edn_cli_warn(c,
                     "what was written in it last is only on this device; it is sent when the journal is open again");
    return EDN_OK;
}

edn_status edn_cli_journal_passphrase(edn_cli *c)
{
    edn_cli_secret old = {NULL, 0}, fresh = {NULL, 0};
    edn_status st = edn_cli_need(c);

    if (st == EDN_OK && (st = journal_passphrase(c, "Old passphrase of this journal: ", &old)) == EDN_OK &&
        (st = edn_cli_passphrase_new(c, EDN_OPT_NEW_PASSPHRASE_FD, NEW_PROMPT, &fresh)) == EDN_OK)
        st = edn_client_journal_passphrase(c->client, c->args.words[0], edn_cli_secret_view(&old),
                                           edn_cli_secret_view(&fresh), edn_cli_strength(c), &c->err);
    edn_cli_secret_dispose(&old);
    edn_cli_secret_dispose(&fresh);
    if (st == EDN_OK)
        edn_cli_note(c, "The journal's passphrase is changed; 'edn sync' tells your other devices.");
    return st;
}

edn_status edn_cli_journal_unlock(edn_cli *c)
{
    edn_cli_secret second = {NULL, 0};
    edn_status st = edn_cli_need(c);

    if (st == EDN_OK && (st = journal_passphrase(c, "Passphrase of this journal: ", &second)) == EDN_OK)
        st = edn_client_journal_unlock(c->client, c->args.words[0], edn_cli_secret_view(&second), &c->err);
    edn_cli_secret_dispose(&second);
    if (st == EDN_OK)
        edn_cli_note(c, "The journal %s has no passphrase of its own any more; 'edn sync' tells your other devices.",
                     c->args.words[0]);
    return st;
}
