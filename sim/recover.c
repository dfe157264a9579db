/* Shares on paper: made in the middle of everything else, and used: by a bare machine when every device is lost, or by
 * somebody who has no right to, while a device says no. Who recovers is a process that may die at any moment; what it
 * had asked for lies in its home, and the next one goes on. Afterwards the lost devices are revoked. */
#include "sim.h"

#include <edn/account.h>
#include <stdio.h>
#include <stdlib.h>

#define STRANGER (SIM_DEVICES_MAX + SIM_GUESTS_MAX + 1)

/* ---- making ------------------------------------------------------------------------------------------------------ */

static edn_status keep_page(void *ctx, const edn_recovery_page *page)
{
    struct paper *p = ctx;

    snprintf(p->words[page->number - 1], sizeof p->words[0], "%s", page->words);
    snprintf(p->set, sizeof p->set, "%s", page->set);
    p->n = page->n;
    p->needed = page->needed;
    return EDN_OK;
}

static void setup(sim *s)
{
    keeper *k = &s->keeper;
    device *d = keys_someone(s);
    struct paper p = {.n = 0};
    unsigned n = 2 + (unsigned)sim_below(&k->rng, 4), needed = 2 + (unsigned)sim_below(&k->rng, n - 1);
    edn_recovery_plan plan = {.needed = needed, .n = n};
    edn_err err = {EDN_OK, ""};
    edn_status st;

    if (!d || s->passphrase_or[0])
        return;
    keys_before(d);
    st = edn_client_recovery_setup(d->c, edn_bytes_str(s->passphrase), &plan, keep_page, &p, &err);
    sim_note(s, "device %u makes shares, %u of %u: %s %s", d->index, needed, n, edn_status_name(st), err.text);
    (void)keys_after(d, st);
    if (p.n) { /* nobody throws pages away */
        k->papers[1] = k->papers[0];
        k->papers[0] = p;
        k->papers_n = EDN_MIN(k->papers_n + 1, (size_t)2);
        k->papers_good = k->papers_closed = false;
    }
    if (st != EDN_OK)
        return;
    k->papers_good = true;
    sim_fault(s, FAULT_SHARES);
}

/* ---- processes --------------------------------------------------------------------------------------------------- */

/* Power goes often here: there is one home, and few steps. */
static void before(device *d)
{
    device_before(d);
    if (sim_may(d->s, GROUP_DISK) && sim_chance(&d->s->keeper.rng, 1, 4))
        crashvfs_cut_at(d->disk, crashvfs_ops(d->disk) + 1 + sim_below(&d->s->keeper.rng, 16));
}

/* It dies, and asks for nothing more. True: it did. */
static bool after(device *d, edn_recovery **r, edn_status st)
{
    if (!crashvfs_is_dark(d->disk)) {
        (void)device_after_blank(d, st);
        return false;
    }
    edn_recovery_free(*r);
    *r = NULL;
    sim_fault(d->s, FAULT_RECOVERY_KILLED);
    return device_after_blank(d, st);
}

/* Some of the shares, enough of them, and none that is not of this set. */
static bool add_shares(device *d, edn_recovery *r, const struct paper *p, const struct paper *other)
{
    sim *s = d->s;
    unsigned first = (unsigned)sim_below(&s->keeper.rng, p->n), have = 0, needed;
    edn_err err;

    if (other && edn_recovery_add(r, edn_bytes_str(other->words[0]), &have, &needed, &err) == EDN_OK)
        sim_violation(s, "device %u: takes a share of another set", d->index);
    for (unsigned i = 0; i < p->needed; i++)
        if (edn_recovery_add(r, edn_bytes_str(p->words[(first + i) % p->n]), &have, &needed, &err) != EDN_OK) {
            sim_violation(s, "device %u: a good share is refused: %s", d->index, err.text);
            return false;
        }
    s->f.checks++;
    return true;
}

/* Begins with one set of shares, up to where the server waits. */
static edn_status begin(device *d, const struct paper *p, const struct paper *other, edn_recovery_wait *wait)
{
    edn_client_options o = device_options(d);
    edn_recovery *r = NULL;
    edn_err err = {EDN_OK, ""};
    edn_status st;

    before(d);
    st = edn_recovery_begin(&o, SIM_ORIGIN, SIM_NAME, p->set, &r, &err);
    if (after(d, &r, st))
        return EDN_E_IO;
    if (st == EDN_OK && add_shares(d, r, p, other)) {
        before(d);
        st = edn_recovery_ask(r, SIM_CANARY " recovered", EDN_STRENGTH_FLOOR, edn_bytes_str(d->passphrase), wait, &err);
        (void)after(d, &r, st);
    }
    sim_note(d->s, "device %u begins a recovery: %s %s", d->index, edn_status_name(st), err.text);
    edn_recovery_free(r);
    return st;
}

/* Until the server has waited: its owner sets a clock right that is years away. */
static void wait_for(sim *s, const edn_recovery_wait *wait)
{
    uint64_t left = wait->ready_ms > wait->now_ms ? wait->ready_ms - wait->now_ms : 0;

    if (wait->state != EDN_RECOVERY_WAITING)
        return;
    if (left > 10 * SIM_DAY_MS)
        s->srv.clock.skew_ms += (int64_t)left;
    else
        s->now_ms += left + SIM_HOUR_MS;
}

/* Goes on with what lies in the home. *in: it is in the account now. */
static edn_status resume(device *d, edn_recovery_wait *wait, bool *in)
{
    edn_client_options o = device_options(d);
    edn_recovery *r = NULL;
    edn_client *c = NULL;
    bool again;
    edn_err err = {EDN_OK, ""};
    edn_status st;

    *in = false;
    before(d);
    st = edn_recovery_resume(&o, edn_bytes_str(d->passphrase), &r, wait, &again, &err);
    sim_note(d->s, "device %u goes on with its recovery: %s %s", d->index, edn_status_name(st), err.text);
    if (after(d, &r, st) || st != EDN_OK)
        return st;
    if (wait->state == EDN_RECOVERY_READY) {
        before(d);
        st = edn_recovery_finish(r, edn_bytes_str(d->passphrase), &c, &err);
        sim_note(d->s, "device %u finishes its recovery: %s %s", d->index, edn_status_name(st), err.text);
        if (crashvfs_is_dark(d->disk))
            edn_client_close(c);
        else
            d->c = c;
        if (!after(d, &r, st) && st == EDN_OK) {
            device_keep_session(d);
            *in = true;
        }
    }
    edn_recovery_free(r);
    return st;
}

static bool is_begun(device *d)
{
    edn_client_options o = device_options(d);
    edn_err err = {EDN_OK, ""};
    bool begun = false;

    if (edn_recovery_begun(&o, &begun, &err) != EDN_OK)
        return false; /* there is a diary, or nothing */
    return begun;
}

/* ---- everything is lost ------------------------------------------------------------------------------------------ */

static edn_status note_lost(void *ctx, const char *hex)
{
    sim *s = ctx;

    for (unsigned i = 0; i < SIM_DEVICES_MAX; i++) {
        char is[33];
        edn_hex_encode(is, s->keeper.ids[i].b, 16);
        if (strcmp(is, hex) == 0)
            s->keeper.named[i] = true;
    }
    return EDN_OK;
}

/* Who is to be revoked is said by the new device itself. */
static void check_named(sim *s, device *d)
{
    keeper *k = &s->keeper;
    edn_err err = {EDN_OK, ""};

    memset(k->named, 0, sizeof k->named);
    if (edn_client_recovery_lost(d->c, note_lost, s, &err) != EDN_OK)
        sim_violation(s, "device %u: does not say who is lost: %s", d->index, err.text);
    for (unsigned i = 0; i < s->devices_n; i++)
        if (k->to_revoke[i] && !k->named[i] && !s->violations)
            sim_violation(s, "device %u: does not say that device %u is lost", d->index, i);
    s->f.checks++;
}

static void is_in(sim *s, device *d, bool by_shares)
{
    edn_account_info info;
    edn_err err = {EDN_OK, ""};

    if (by_shares)
        check_named(s, d);
    if (edn_client_account(d->c, &info, &err) != EDN_OK)
        sim_violation(s, "device %u: has no account: %s", d->index, err.text);
    if (by_shares) {
        memcpy(s->keeper.old_key, s->account_key, sizeof s->account_key);
        if (strcmp(s->passphrase, d->passphrase) != 0)
            memcpy(s->keeper.old_passphrase, s->passphrase, sizeof s->passphrase);
        memcpy(s->account_key, info.account_key, sizeof s->account_key);
        memcpy(s->passphrase, d->passphrase, sizeof s->passphrase);
    }
    if (by_shares)
        sim_fault(s, FAULT_RECOVERED);
    sim_note(s, "device %u is in, %s", d->index, by_shares ? "by shares" : "by its sheet");
    s->keeper.recovering = false;
    s->writer = d->index;
    keys_joined(d);
}

/* The sheet and the passphrase do as well, when no set of shares is good. */
static void by_sheet(sim *s, device *d)
{
    edn_err err = {EDN_OK, ""};

    device_dispose(d);
    if (device_login(s, d->index, &err) == EDN_OK) {
        is_in(s, d, false);
        return;
    }
    sim_note(s, "device %u does not log in: %s", d->index, err.text);
    device_dispose(d);
    s->keeper.blank = false;
}

/* An older set opens nothing; nor does one from before keys were made anew. */
static void check_refused(sim *s, device *d)
{
    keeper *k = &s->keeper;
    edn_recovery_wait wait;

    if (k->papers_n == 2 && k->papers_good) {
        sim_fault(s, FAULT_SHARES_OLD);
        if (begin(d, &k->papers[1], NULL, &wait) == EDN_OK)
            sim_violation(s, "device %u: an older set of shares is good", d->index);
    }
    if (k->papers_closed) {
        sim_fault(s, FAULT_SHARES_OLD);
        if (begin(d, &k->papers[0], NULL, &wait) == EDN_OK)
            sim_violation(s, "device %u: shares from before a revocation are good", d->index);
    }
}

void recover_on(sim *s)
{
    keeper *k = &s->keeper;
    device *d = &s->devices[s->devices_n];
    edn_recovery_wait wait = {.state = EDN_RECOVERY_NONE};
    edn_err err = {EDN_OK, ""};
    edn_status st;
    bool in = false;

    if (!k->blank)
        device_blank(s, d, s->devices_n);
    if (!k->blank)
        snprintf(d->passphrase, sizeof d->passphrase, "recovered %u", s->devices_n);
    k->blank = true;
    s->now_ms += SIM_HOUR_MS;
    if (is_begun(d)) {
        st = resume(d, &wait, &in);
        wait_for(s, &wait);
        if (s->calm && st != EDN_OK)
            sim_violation(s, "device %u: its recovery does not go on: %s", d->index, edn_status_name(st));
    } else if (device_adopt(d, &err) == EDN_OK) {
        in = true; /* it was done before power went */
    } else if (k->papers_n == 0 || k->papers_closed) {
        if (k->papers_closed)
            check_refused(s, d);
        by_sheet(s, d);
        return;
    } else {
        check_refused(s, d);
        st = begin(d, &k->papers[0], k->papers_n > 1 ? &k->papers[1] : NULL, &wait);
        wait_for(s, &wait);
        if (s->calm && k->papers_good && st != EDN_OK)
            sim_violation(s, "device %u: good shares recover nothing: %s", d->index, edn_status_name(st));
        if (st == EDN_E_DENIED || st == EDN_E_EPOCH) {
            if (k->papers_good && !s->violations)
                sim_violation(s, "device %u: good shares are refused: %s", d->index, edn_status_name(st));
            by_sheet(s, d);
            return;
        }
    }
    if (in)
        is_in(s, d, true);
}

static void all_lost(sim *s)
{
    sim_fault(s, FAULT_ALL_LOST);
    for (unsigned i = 0; i < s->devices_n; i++)
        if (s->devices[i].c)
            keys_lose(&s->devices[i]);
    s->keeper.recovering = true;
    for (unsigned i = 0; i < 6 && s->keeper.recovering && !s->violations; i++)
        recover_on(s);
}

/* ---- somebody who has no right to -------------------------------------------------------------------------------- */

static bool cancelled(sim *s)
{
    device *d = keys_someone(s);
    edn_recovery_wait held;
    edn_err err = {EDN_OK, ""};
    edn_status st;

    if (!d)
        return false;
    keys_before(d);
    st = edn_client_recovery_cancel(d->c, &err);
    sim_note(s, "device %u cancels a recovery: %s %s", d->index, edn_status_name(st), err.text);
    (void)keys_after(d, st);
    if (st != EDN_OK || !d->c)
        return false;
    if (edn_client_recovery_held(d->c, &held, &err) != EDN_OK || held.state != EDN_RECOVERY_CANCELLED)
        sim_violation(s, "device %u: cancelled a recovery and does not say so", d->index);
    return true;
}

static void stranger_tries(sim *s, device *d)
{
    keeper *k = &s->keeper;
    edn_recovery_wait wait = {.state = EDN_RECOVERY_NONE};
    bool in = false, stopped = false;

    if (begin(d, &k->papers[0], NULL, &wait) != EDN_OK || wait.state != EDN_RECOVERY_WAITING)
        return;
    for (unsigned i = 0; i < 4 && !stopped && !s->violations; i++) {
        s->now_ms += SIM_HOUR_MS;
        stopped = cancelled(s);
    }
    if (!stopped)
        return; /* he gives up for other reasons */
    sim_fault(s, FAULT_RECOVERY_CANCELLED);
    s->now_ms += wait.ready_ms - wait.now_ms + SIM_HOUR_MS;
    for (unsigned i = 0; i < 3; i++) {
        if (is_begun(d) && resume(d, &wait, &in) == EDN_OK && wait.state != EDN_RECOVERY_CANCELLED && !s->violations)
            sim_violation(s, "a recovery goes on though a device cancelled it");
        if (in)
            sim_violation(s, "a recovery is done though a device cancelled it");
    }
}

static void stranger(sim *s)
{
    device *d = calloc(1, sizeof *d);

    if (!d)
        sim_stop("memory", "stranger");
    device_blank(s, d, STRANGER);
    stranger_tries(s, d);
    device_dispose(d);
    free(d);
}

void recover_someone(sim *s)
{
    keeper *k = &s->keeper;
    uint64_t what = sim_below(&k->rng, 6);

    if (what < 2 || k->papers_n == 0)
        setup(s);
    else if (what < 4)
        stranger(s);
    else if (s->devices_n + 2 < SIM_DEVICES_MAX && !k->locks_unknown)
        all_lost(s);
}
