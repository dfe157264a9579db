/* The account's passphrase and its key on paper, each changed on one device, or both on two devices at once, while
 * answers are lost and power goes. Nobody knows then which is in force, until the devices have synced: one of each, the
 * same on all devices, and these let a new device in. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#include <edn/account.h>

#define NEWCOMER (SIM_DEVICES_MAX + SIM_GUESTS_MAX + 2)

static void text_copy(char *to, const char *from, size_t size)
{
    size_t n = EDN_MIN(strlen(from), size - 1);

    memmove(to, from, n);
    to[n] = 0;
}

static void key_of(device *d, char out[EDN_ACCOUNT_KEY_TEXT_MAX])
{
    edn_account_info info;
    edn_err err = {EDN_OK, ""};

    out[0] = 0;
    if (edn_client_account(d->c, &info, &err) != EDN_OK)
        sim_violation(d->s, "device %u: has no account: %s", d->index, err.text);
    else
        memcpy(out, info.account_key, EDN_ACCOUNT_KEY_TEXT_MAX);
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */

static void passphrase_is(sim *s, const char *next)
{
    text_copy(s->keeper.old_passphrase, s->passphrase, sizeof s->passphrase);
    text_copy(s->passphrase, next, sizeof s->passphrase);
}

/* A device whose lock is behind takes over the account's passphrase; another changes it everywhere. */
static void change_passphrase(sim *s, device *d)
{
    keeper *k = &s->keeper;
    bool behind = strcmp(d->passphrase, s->passphrase) != 0;
    char next[sizeof d->passphrase];
    edn_err err = {EDN_OK, ""};
    edn_status st;

    text_copy(next, s->passphrase, sizeof next);
    if (!behind)
        snprintf(next, sizeof next, "correct horse %llu", (unsigned long long)sim_below(&k->rng, 1000000));
    keys_before(d);
    st = edn_client_passphrase_change(d->c, edn_bytes_str(d->passphrase), edn_bytes_str(next), 0, &err);
    sim_note(s, "device %u: another passphrase%s: %s %s", d->index, behind ? ", the account's" : "",
             edn_status_name(st), err.text);
    if (st == EDN_OK) {
        if (!behind)
            passphrase_is(s, next);
        text_copy(d->passphrase, next, sizeof next);
        sim_fault(s, FAULT_PASSPHRASE_IN);
    } else {
        text_copy(d->passphrase_or, next, sizeof next);
        if (!behind)
            text_copy(s->passphrase_or, next, sizeof next);
        k->locks_unknown = true;
    }
    (void)keys_after(d, st);
}

static void renew(sim *s, device *d)
{
    keeper *k = &s->keeper;
    char before[EDN_ACCOUNT_KEY_TEXT_MAX];
    edn_err err = {EDN_OK, ""};
    edn_status st;

    text_copy(before, s->account_key, sizeof before);
    keys_before(d);
    st = edn_client_account_key_renew(d->c, edn_bytes_str(s->passphrase), &err);
    sim_note(s, "device %u: another account key: %s %s", d->index, edn_status_name(st), err.text);
    if (st == EDN_OK) {
        text_copy(k->old_key, before, sizeof before);
        sim_fault(s, FAULT_KEY_RENEWED);
    }
    k->locks_unknown = true; /* until the others have it */
    (void)keys_after(d, st);
    if (st == EDN_OK && d->c)
        key_of(d, s->account_key);
}

static void other_renews(sim *s, device *d)
{
    device *o = keys_someone(s);

    (void)d;
    if (o)
        renew(s, o);
}

static void other_changes(sim *s, device *d)
{
    device *o = keys_someone(s);

    (void)d;
    if (o)
        change_passphrase(s, o);
}

void locks_someone(sim *s)
{
    keeper *k = &s->keeper;
    device *d = keys_someone(s);
    bool renews = sim_chance(&k->rng, 1, 2);

    if (!d || k->locks_unknown)
        return;
    if (sim_chance(&k->rng, 1, 2)) {
        s->interruption.who = (int)d->index;
        s->interruption.at = NULL;
        s->interruption.exchanges = (unsigned)sim_below(&k->rng, 6);
        s->interruption.fn = renews && sim_chance(&k->rng, 2, 3) ? other_changes : other_renews;
        s->interruption.what = FAULT_LOCKS_AT_ONCE;
    }
    k->busy = d;
    if (renews)
        renew(s, d);
    else
        change_passphrase(s, d);
    k->busy = NULL;
    s->interruption.who = -1;
}

/* ---- what came of it --------------------------------------------------------------------------------------------- */

static bool opens(device *d, const char *passphrase)
{
    edn_client_options o = device_options(d);
    edn_client *c = NULL;
    edn_err err = {EDN_OK, ""};
    bool yes;

    if (edn_client_open(&o, &c, &err) != EDN_OK) {
        sim_violation(d->s, "device %u does not open: %s", d->index, err.text);
        return false;
    }
    yes = edn_client_unlock(c, edn_bytes_str(passphrase), &err) == EDN_OK;
    edn_client_close(c);
    return yes;
}

/* After a sync one passphrase opens a device. */
static void settle(sim *s, device *d)
{
    bool old = opens(d, d->passphrase), new = opens(d, d->passphrase_or);

    s->f.checks++;
    if (old == new)
        sim_violation(s, "device %u: %s after a change of its passphrase", d->index,
                      old ? "both passphrases open it" : "no passphrase opens it");
    if (new)
        text_copy(d->passphrase, d->passphrase_or, sizeof d->passphrase);
    if (new &&strcmp(d->passphrase_or, s->passphrase_or) == 0)
        passphrase_is(s, d->passphrase);
    if (strcmp(d->passphrase_or, s->passphrase_or) == 0)
        s->passphrase_or[0] = 0;
    d->passphrase_or[0] = 0;
}

static bool all_synced(sim *s)
{
    bool all = true;

    for (unsigned i = 0; i < 3 * s->devices_n; i++) { /* one that settles a change has something to send again */
        device *d = &s->devices[i % s->devices_n];
        bool synced = !d->c || (device_sync(d) == EDN_OK && d->c && d->synced);
        all &= synced || i < s->devices_n;
    }
    return all;
}

static void same_keys(sim *s)
{
    char first[EDN_ACCOUNT_KEY_TEXT_MAX] = "", key[EDN_ACCOUNT_KEY_TEXT_MAX];

    for (unsigned i = 0; i < s->devices_n; i++) {
        if (!s->devices[i].c)
            continue;
        key_of(&s->devices[i], key);
        s->f.checks++;
        if (first[0] && strcmp(first, key) != 0)
            sim_violation(s, "device %u: has another account key than the others", i);
        text_copy(first, key, sizeof first);
    }
    if (!first[0])
        return;
    if (strcmp(first, s->account_key) != 0)
        text_copy(s->keeper.old_key, s->account_key, sizeof s->account_key);
    text_copy(s->account_key, first, sizeof first);
}

void locks_settle(sim *s)
{
    keeper *k = &s->keeper;

    if (!k->locks_unknown || !all_synced(s))
        return;
    for (unsigned i = 0; i < s->devices_n; i++)
        if (s->devices[i].c && s->devices[i].passphrase_or[0])
            settle(s, &s->devices[i]);
    same_keys(s);
    k->locks_unknown = false;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static edn_status newcomer(sim *s, const char *passphrase, const char *key)
{
    device *d = calloc(1, sizeof *d);
    edn_err err = {EDN_OK, ""};
    edn_status st;

    if (!d)
        sim_stop("memory", "newcomer");
    st = device_join(s, d, NEWCOMER, passphrase, key, &err);
    sim_note(s, "a newcomer: %s %s", edn_status_name(st), err.text);
    device_dispose(d);
    free(d);
    s->f.checks++;
    return st;
}

void locks_check(sim *s)
{
    const keeper *k = &s->keeper;

    if (k->old_passphrase[0] && newcomer(s, k->old_passphrase, s->account_key) != EDN_E_PASSPHRASE)
        sim_violation(s, "an old passphrase lets a device in");
    if (k->old_key[0] && newcomer(s, s->passphrase, k->old_key) != EDN_E_PASSPHRASE)
        sim_violation(s, "an old account key lets a device in");
    if (newcomer(s, s->passphrase, s->account_key) != EDN_OK)
        sim_violation(s, "passphrase and account key let no device in");
}
