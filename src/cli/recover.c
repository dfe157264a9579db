/* edn recover: with everything lost. Whatever stops it, the same command goes on. */
#include "cli/cli_priv.h"

#include <edn/recovery.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/recovery_page.h"
#include "cli/revoke.h"
#include "cli/text.h"

/* ---- devices that are lost --------------------------------------------------------------------------------------- */

typedef struct lost_list {
    char (*p)[33];
    size_t n;
} lost_list;

static edn_status lost_one(void *ctx, const char *device)
{
    lost_list *l = ctx;
    char(*more)[33] = realloc(l->p, (l->n + 1) * sizeof *more);

    if (!more)
        return EDN_E_NOMEM;
    l->p = more;
    memcpy(l->p[l->n++], device, sizeof *l->p);
    return EDN_OK;
}

/* After a sync, so that nothing of what they sent is cut off. */
static edn_status revoke_lost(edn_cli *c, const lost_list *l, edn_bytes passphrase)
{
    edn_cli_revoking r = {.n = 0};
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < l->n; i++)
        st = edn_cli_revoking_add(&r, l->p[i], &c->err);
    return st == EDN_OK ? edn_cli_revoke(c, &r, passphrase) : st;
}

/* The machine is a device of the account: the diary comes, and the others go. */
static edn_status bring_back(edn_cli *c, edn_bytes passphrase)
{
    edn_sync_result synced;
    lost_list lost = {NULL, 0};
    edn_status st = edn_client_sync(c->client, NULL, &synced, &c->err);

    if (st == EDN_OK && !edn_cli_has(&c->args, EDN_OPT_KEEP_DEVICES) &&
        (st = edn_client_recovery_lost(c->client, lost_one, &lost, &c->err)) == EDN_OK)
        st = revoke_lost(c, &lost, passphrase);
    free(lost.p);
    if (st == EDN_OK)
        st = edn_client_recovery_done(c->client, &c->err);
    if (st != EDN_OK) {
        edn_cli_warn(c, "this machine belongs to the account now, but not all was done: 'edn recover' again goes on");
        return st;
    }
    if ((st = edn_cli_sheet_show(c)) == EDN_OK)
        edn_cli_note(c, "The diary is back. Now make new shares: 'edn recovery setup'.");
    return st;
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

static edn_status cancelled(edn_cli *c, edn_recovery *r, const edn_recovery_wait *wait)
{
    char when[EDN_CLI_TIME_MAX];

    edn_cli_time_local(when, wait->cancelled_ms, 0);
    edn_recovery_abandon(r);
    return edn_fail(&c->err, EDN_E_CANCELLED,
                    "the device %.8s of this account cancelled the recovery, at %s, with its signature. If that device "
                    "is in strange hands, log in with the passphrase and the account key of the emergency sheet ('edn "
                    "login') and revoke it; else begin again with the shares",
                    wait->by, when);
}

/* ---- shares of contacts ------------------------------------------------------------------------------------------ */

static edn_status put_came(void *ctx, const edn_recovery_came *came)
{
    edn_cli *c = ctx;

    if (came->good)
        edn_cli_note(c, "A contact gave share %u, and it is good.", came->number);
    else
        edn_cli_warn(c, "something was given that is no share: %s", came->text);
    return EDN_OK;
}

static edn_status show_words(edn_cli *c, edn_recovery *r)
{
    char words[EDN_RECOVERY_REQUEST_MAX];
    edn_status st = edn_recovery_words(r, words, &c->err);

    if (st != EDN_OK)
        return st;
    edn_cli_note(c,
                 "Ask each contact who keeps a share of yours, by voice or in person, to run 'edn recovery give' with "
                 "your name, and read them these eight words. They are of this machine, and no secret; but in a letter "
                 "or a message they prove nothing.");
    edn_cli_putf(&c->buf, "%s\n", words);
    return edn_cli_out(c);
}

/* Nothing more was typed: what is here is kept, and the next run goes on. */
static edn_status not_enough(edn_cli *c, unsigned have, unsigned needed)
{
    return edn_fail(
        &c->err, EDN_E_RATE,
        "%u of the %u shares that are needed are here, and kept. Run 'edn recover' here again to look for more; "
        "the eight words stay the same",
        have, needed);
}

/* From contacts and from paper, in whatever order they come. */
static edn_status gather(edn_cli *c, edn_recovery *r, edn_recovery_wait *wait)
{
    unsigned have = 0, needed = 0;
    bool look = true;
    char prompt[128];
    edn_status st = edn_recovery_collect(r, put_came, c, wait, &have, &needed, &c->err);

    if (st == EDN_OK && !edn_recovery_enough(r) && wait->state != EDN_RECOVERY_CANCELLED)
        st = show_words(c, r);
    while (st == EDN_OK && !edn_recovery_enough(r) && wait->state != EDN_RECOVERY_CANCELLED) {
        snprintf(prompt, sizeof prompt,
                 "%u of %u shares are here. Words of a page, or Enter to look what was given: ", have, needed);
        st = edn_cli_share_take(c, r, prompt, &look, &have, &needed);
        if (st == EDN_E_CANCELLED)
            return not_enough(c, have, needed);
        if (st == EDN_OK && look)
            st = edn_recovery_collect(r, put_came, c, wait, &have, &needed, &c->err);
    }
    return st;
}

/* What the server answered: it is over, or it waits, or the account opens now. */
static edn_status go_on(edn_cli *c, edn_recovery *r, edn_recovery_wait *wait, edn_bytes passphrase)
{
    char when[EDN_CLI_TIME_MAX], left[64];
    uint64_t minutes;
    edn_status st;

    if (!edn_recovery_enough(r) && wait->state != EDN_RECOVERY_CANCELLED && (st = gather(c, r, wait)) != EDN_OK)
        return st;
    if (wait->state == EDN_RECOVERY_CANCELLED)
        return cancelled(c, r, wait);
    if (wait->state == EDN_RECOVERY_WAITING) {
        minutes = (wait->ready_ms - wait->now_ms + 59999) / 60000;
        edn_cli_time_local(when, wait->ready_ms, 0);
        return edn_fail(&c->err, EDN_E_RATE,
                        "the recovery is asked for, and every device of the account is told of it. If none of them "
                        "cancels it, it may go on at %s, in %s: run 'edn recover' here again then. The shares are not "
                        "asked for again, only the new passphrase. The wait is the server's rule; who runs the server "
                        "can shorten it (ednd --recovery-wait)",
                        when,
                        minutes > 120 ? edn_cli_count(left, (minutes + 59) / 60, "hour", "hours")
                                      : edn_cli_count(left, minutes, "minute", "minutes"));
    }
    st = edn_recovery_finish(r, passphrase, &c->client, &c->err);
    return st == EDN_OK ? bring_back(c, passphrase) : st;
}

static edn_status resume(edn_cli *c)
{
    edn_cli_secret passphrase = {NULL, 0};
    edn_recovery_wait wait;
    edn_recovery *r = NULL;
    bool again = false;
    edn_status st = edn_cli_passphrase(c, "New passphrase, as chosen when the recovery was begun: ", &passphrase);

    if (st == EDN_OK)
        st = edn_recovery_resume(&c->options, edn_cli_secret_view(&passphrase), &r, &wait, &again, &c->err);
    if (st == EDN_OK && again)
        edn_cli_warn(c, "the server did not know of the recovery any more: it was asked for anew");
    if (st == EDN_OK)
        st = go_on(c, r, &wait, edn_cli_secret_view(&passphrase));
    edn_recovery_free(r);
    edn_cli_secret_dispose(&passphrase);
    return st;
}

static edn_status begin_with(edn_cli *c, edn_recovery *r)
{
    bool contacts = edn_cli_has(&c->args, EDN_OPT_CONTACTS);
    edn_cli_secret passphrase = {NULL, 0};
    edn_recovery_wait wait;
    char host[256];
    edn_status st;

    if ((!contacts && (st = edn_cli_shares_take(c, r)) != EDN_OK) ||
        (st = edn_cli_passphrase_new(c, EDN_OPT_PASSPHRASE_FD, "New passphrase: ", &passphrase)) != EDN_OK)
        return st;
    st = (contacts ? edn_recovery_request : edn_recovery_ask)(r, edn_cli_device_name(c, host), edn_cli_strength(c),
                                                              edn_cli_secret_view(&passphrase), &wait, &c->err);
    if (st == EDN_OK)
        st = go_on(c, r, &wait, edn_cli_secret_view(&passphrase));
    edn_cli_secret_dispose(&passphrase);
    return st;
}

static edn_status begin(edn_cli *c)
{
    const char *server = edn_cli_value(&c->args, EDN_OPT_SERVER_NEEDED), *name = edn_cli_value(&c->args, EDN_OPT_NAME),
               *set = edn_cli_value(&c->args, EDN_OPT_SET);
    edn_recovery *r = NULL;
    edn_status st;

    if (!server || !name || !set)
        return edn_cli_usage(
            c, "say --server, --name and --set as they stand on a page with a recovery share; a contact who "
               "keeps one sees server and set in 'edn recovery held'");
    if ((st = edn_cli_home_check(c)) != EDN_OK ||
        (st = edn_recovery_begin(&c->options, server, name, set, &r, &c->err)) != EDN_OK)
        return st;
    st = begin_with(c, r);
    edn_recovery_free(r);
    return st;
}

/* A home that came back and in which not all was done: devices are still to be revoked. */
static edn_status rest(edn_cli *c)
{
    edn_cli_secret passphrase = {NULL, 0};
    lost_list lost = {NULL, 0};
    edn_status st = edn_cli_open_with_passphrase(c, &passphrase);

    if (st == EDN_OK)
        st = edn_client_recovery_lost(c->client, lost_one, &lost, &c->err);
    if (st == EDN_OK && lost.n == 0)
        st = edn_fail(&c->err, EDN_E_EXISTS, "%s: there is a diary already; name another folder with --home", c->home);
    if (st == EDN_OK)
        st = bring_back(c, edn_cli_secret_view(&passphrase));
    free(lost.p);
    edn_cli_secret_dispose(&passphrase);
    return st;
}

edn_status edn_cli_recover(edn_cli *c)
{
    bool waiting = false;
    uint32_t timeout_s;
    edn_status st;

    if ((st = edn_cli_timeout(c, &timeout_s)) != EDN_OK ||
        (st = edn_recovery_begun(&c->options, &waiting, &c->err)) != EDN_OK)
        return st;
    if (waiting)
        st = resume(c);
    else if (edn_cli_open(c) == EDN_OK)
        st = rest(c);
    else
        st = begin(c);
    return st == EDN_OK ? edn_cli_keep_unlocked(c, timeout_s) : st;
}
