/* edn emergency: a device was stolen. One thing after the other, each noted when it is done: whatever stops it, the
 * same command goes on.
 *
 *     which device ─▶ revoke it and whom it let in ─▶ passphrase? ─▶ recovery shares? ─▶ what the thief can read */
#include "cli/cli_priv.h"

#include <edn/emergency.h>
#include <edn/recovery.h>
#include <stdio.h>

#include "cli/ask.h"
#include "cli/revoke.h"
#include "cli/text.h"

typedef struct emergency {
    edn_cli *c;
    edn_emergency e;
    edn_cli_secret passphrase; /* the account's, the new one once there is one */
    bool yes;                  /* nothing is asked */
} emergency;

/* ---- which device ------------------------------------------------------------------------------------------------ */

static const edn_head_status *device_of(const edn_client_status *s, const char *id)
{
    for (size_t i = 0; i < s->heads_n; i++)
        if (strcmp(s->heads[i].device, id) == 0)
            return &s->heads[i];
    return NULL;
}

static void put_device(edn_cli *c, const edn_head_status *h)
{
    edn_cli_putf(&c->buf, "%.8s  ", h->device);
    edn_cli_put_text(&c->buf, &c->out, h->device_name.n ? h->device_name : edn_bytes_str("(name not known here)"),
                     true);
    edn_put_u8(&c->buf, '\n');
}

static edn_status ask_device(edn_cli *c, char out[256])
{
    edn_client_status s;
    edn_status st = edn_client_status_get(c->client, &s, &c->err);

    if (st != EDN_OK)
        return st;
    edn_put_str(&c->buf, "The devices of this account:\n");
    for (size_t i = 0; i < s.heads_n; i++)
        if (s.heads[i].active && !s.heads[i].self)
            put_device(c, &s.heads[i]);
    if ((st = edn_cli_flush(&c->out, &c->buf)) != EDN_OK)
        return edn_fail(&c->err, EDN_E_IO, "could not write to standard output");
    return edn_cli_ask_line(c, "Which one was stolen (name or id): ", out, 256);
}

static edn_status choose(emergency *x)
{
    edn_cli *c = x->c;
    const char *device = edn_cli_value(&c->args, EDN_OPT_STOLEN);
    edn_sync_result synced;
    char line[256], when[EDN_CLI_TIME_MAX];
    edn_status st = edn_client_emergency_get(c->client, &x->e, &c->err);

    if (st != EDN_OK)
        return st;
    if (x->e.there) {
        edn_cli_time_local(when, x->e.began_ms, 0);
        edn_cli_note(c, "The emergency of device %.8s, begun at %s, goes on.", x->e.device, when);
        return device ? edn_client_emergency_begin(c->client, device, &x->e, &c->err) : EDN_OK;
    }
    /* What it sent until now counts; and this device learns of devices that it does not know yet. */
    if ((st = edn_client_sync(c->client, NULL, &synced, &c->err)) != EDN_OK)
        return st;
    if (!device && x->yes)
        return edn_cli_usage(c, "say which device was stolen: --device NAME");
    if (!device && (st = ask_device(c, line)) != EDN_OK)
        return st;
    return edn_client_emergency_begin(c->client, device ? device : line, &x->e, &c->err);
}

/* A question that --yes answers with `preset`. */
static edn_status wants(emergency *x, const char *question, bool preset, bool *out)
{
    *out = preset;
    return x->yes ? EDN_OK : edn_cli_ask_yes(x->c, question, out);
}

static edn_status done(emergency *x, unsigned what)
{
    edn_status st = edn_client_emergency_done(x->c->client, what, &x->c->err);

    if (st == EDN_OK)
        x->e.done |= what;
    return st;
}

/* ---- revoking ---------------------------------------------------------------------------------------------------- */

/* The stolen one, and whom it let in that the person does not know: in one link, so that none of them can do anything
 * in between. */
static edn_status revoke(emergency *x)
{
    edn_cli *c = x->c;
    edn_cli_revoking r = {.n = 0};
    edn_client_status s;
    const edn_head_status *h;
    char question[160];
    bool active, yes;
    edn_status st = edn_client_status_get(c->client, &s, &c->err);

    if (st != EDN_OK)
        return st;
    h = device_of(&s, x->e.device);
    active = h && h->active;
    if (active) {
        snprintf(question, sizeof question, "Shut device %.8s out of the account, for good (y/n)? ", x->e.device);
        if ((st = wants(x, question, true, &yes)) != EDN_OK)
            return st;
        if (!yes)
            return (st = edn_client_emergency_end(c->client, &c->err)) == EDN_OK
                       ? edn_fail(&c->err, EDN_E_CANCELLED, "nothing was done")
                       : st;
    }
    if ((st = edn_cli_revoking_add(&r, x->e.device, &c->err)) != EDN_OK ||
        (st = edn_cli_revoking_add_guests(c, &r, x->yes)) != EDN_OK)
        return st;
    if (!active) { /* when it was stopped before: what is left to do is whom it let in */
        r.n--;
        memmove(r.p[0], r.p[1], r.n * sizeof r.p[0]);
    }
    if ((st = edn_cli_revoke(c, &r, edn_cli_secret_view(&x->passphrase))) == EDN_OK)
        st = done(x, EDN_EMERGENCY_REVOKED);
    return st;
}

/* ---- passphrase and shares --------------------------------------------------------------------------------------- */

static edn_status renew_passphrase(emergency *x)
{
    edn_cli *c = x->c;
    edn_cli_secret fresh = {NULL, 0};
    bool yes, given = edn_cli_has(&c->args, EDN_OPT_NEW_PASSPHRASE_FD);
    edn_status st = wants(x, "May the thief know the passphrase, or have seen it typed? Set a new one (y/n)? ", given,
                          &yes);

    if (st == EDN_OK && yes &&
        (st = edn_cli_passphrase_new(c, EDN_OPT_NEW_PASSPHRASE_FD, "New passphrase: ", &fresh)) == EDN_OK) {
        st = edn_client_passphrase_change(c->client, edn_cli_secret_view(&x->passphrase), edn_cli_secret_view(&fresh),
                                          edn_cli_strength(c), &c->err);
        if (st == EDN_OK) {
            edn_cli_secret_dispose(&x->passphrase);
            x->passphrase = fresh;
            edn_cli_note(c, "The passphrase is changed.");
        } else {
            edn_cli_secret_dispose(&fresh);
        }
    }
    return st == EDN_OK ? done(x, EDN_EMERGENCY_PASSPHRASE) : st;
}

static edn_status renew_shares(emergency *x)
{
    edn_cli *c = x->c;
    const char *dir = edn_cli_value(&c->args, EDN_OPT_PAGES);
    edn_recovery_info info;
    bool yes = false;
    edn_status st = edn_client_recovery_info(c->client, &info, &c->err);

    if (st == EDN_OK && info.there && !info.current)
        st = wants(x, "The recovery shares do not open the new keys. Make new ones now (y/n)? ", dir != NULL, &yes);
    if (st == EDN_OK && yes)
        st = edn_cli_shares_again(c, dir, edn_cli_secret_view(&x->passphrase));
    return st == EDN_OK ? done(x, EDN_EMERGENCY_SHARES) : st;
}

/* ---- what the thief can read ------------------------------------------------------------------------------------- */

static void put_held(emergency *x, const edn_client_status *s)
{
    edn_buf *out = &x->c->buf;
    char when[EDN_CLI_TIME_MAX], began[EDN_CLI_TIME_MAX], entries[64], journals[64], batches[64];

    edn_cli_time_local(began, x->e.began_ms, 0);
    edn_put_str(out, "\nWhat the thief can have\n");
    edn_cli_putf(out,
                 "  If the device was unlocked, or its passphrase is guessed: everything that was written before %s\n"
                 "  and had been sent: of %s in %s, and every journal that others share with you.\n",
                 began, edn_cli_count(entries, s->entries + s->deleted, "entry", "entries"),
                 edn_cli_count(journals, s->journals, "journal", "journals"));
    if (x->e.batches) {
        edn_cli_putf(out, "  It has sent %s itself", edn_cli_count(batches, x->e.batches, "batch", "batches"));
        if (x->e.written_ms) {
            edn_cli_time_local(when, x->e.written_ms, 0);
            edn_cli_putf(out, ", what it wrote last at %s by its clock", when);
        }
        edn_put_str(out, ".\n  Those count. If that was after it was stolen, look at what it changed: 'edn log', "
                         "'edn history ENTRY', 'edn blame ENTRY'.\n");
    } else {
        edn_put_str(out, "  It has written nothing that reached this device.\n");
    }
    edn_put_str(out, "  If it was locked and the passphrase is good: nothing.\n");
}

static edn_status report(emergency *x)
{
    edn_cli *c = x->c;
    edn_recovery_info info;
    edn_client_status s;
    edn_status st = edn_client_status_get(c->client, &s, &c->err);

    if (st != EDN_OK || (st = edn_client_recovery_info(c->client, &info, &c->err)) != EDN_OK ||
        (st = edn_client_emergency_get(c->client, &x->e, &c->err)) != EDN_OK)
        return st;
    put_held(x, &s);
    edn_cli_putf(&c->buf,
                 "What the thief cannot have\n"
                 "  Anything that is written from now on by a device that has synced: it is sealed under new keys\n"
                 "  (number %u and later; the stolen device had those up to %u). What the stolen device sends from now "
                 "on\n  counts for nothing.\n",
                 x->e.epoch_now, x->e.epoch);
    edn_put_str(&c->buf, "What to do next\n"
                         "  - 'edn sync' on your other devices, soon: until then they write under the old keys.\n");
    if (info.there && !info.current)
        edn_put_str(&c->buf, "  - 'edn recovery setup': the shares on paper do not open the new keys.\n");
    else if (!info.there)
        edn_put_str(&c->buf, "  - 'edn recovery setup': there are no recovery shares yet.\n");
    if (edn_cli_command_find("account-key", "renew"))
        edn_put_str(&c->buf, "  - 'edn account-key renew', if the thief may have the emergency sheet or the account "
                             "key.\n");
    edn_put_str(&c->buf, "  - 'edn log': is there a device that you do not know? Revoke it.\n"
                         "  - 'edn quarantine list', when a sync says so: what the device had written and nobody had "
                         "seen.\n    It may be yours or the thief's: read it before you keep it.\n"
                         "  - Passwords and secrets that stand in the diary: change them where they are used.\n");
    return edn_cli_out(c);
}

edn_status edn_cli_emergency(edn_cli *c)
{
    emergency x = {.c = c, .yes = edn_cli_has(&c->args, EDN_OPT_YES)};
    edn_status st = edn_cli_open_with_passphrase(c, &x.passphrase);

    if (st == EDN_OK)
        st = choose(&x);
    if (st == EDN_OK && !(x.e.done & EDN_EMERGENCY_REVOKED))
        st = revoke(&x);
    if (st == EDN_OK && !(x.e.done & EDN_EMERGENCY_PASSPHRASE))
        st = renew_passphrase(&x);
    if (st == EDN_OK && !(x.e.done & EDN_EMERGENCY_SHARES))
        st = renew_shares(&x);
    if (st == EDN_OK && (st = report(&x)) == EDN_OK)
        st = edn_client_emergency_end(c->client, &c->err);
    else if (st != EDN_OK && st != EDN_E_CANCELLED && x.e.there)
        edn_cli_warn(c, "not all was done: 'edn emergency' again goes on%s",
                     x.e.done & EDN_EMERGENCY_REVOKED ? "; the device is revoked" : "");
    edn_cli_secret_dispose(&x.passphrase);
    return st;
}
