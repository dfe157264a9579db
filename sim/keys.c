/* Devices and keys in the middle of everything else, in some seeds: machines are let in (pair.c), while others
 * write, the network loses what it carries, disks lose power and processes die. What fails for a fault is tried
 * again later, and at the end without any. No key that was used may ever pass the network in the clear or lie at the
 * server. */
#include "sim.h"

#include <stdio.h>

void keys_choose(sim *s)
{
    keeper *k = &s->keeper;
    uint64_t apart = 1ull << GROUP_EVIL | 1ull << GROUP_CLONE | 1ull << GROUP_RESTORE;

    k->rng = sim_rng_of(s->o.seed, "keys");
    if (s->story != STORY_NONE || s->party.on || !(s->o.mask >> GROUP_KEYS & 1) || !sim_chance(&k->rng, 1, 4))
        return;
    k->on = true;
    s->o.mask &= ~apart; /* what those lose would excuse everything */
    s->devices_n = EDN_MIN(s->devices_n, 3u);
    sim_note(s, "devices and keys come and go");
}

void keys_dispose(sim *s)
{
    if (s->keeper.blank)
        device_dispose(&s->devices[s->devices_n]);
    s->keeper.blank = false;
}

device *keys_someone(sim *s)
{
    device *d = NULL;
    unsigned n = 0;

    for (unsigned i = 0; i < s->devices_n; i++)
        if (s->devices[i].c && &s->devices[i] != s->keeper.busy && sim_chance(&s->keeper.rng, 1, ++n))
            d = &s->devices[i];
    return d;
}

void keys_before(device *d)
{
    d->inflight = INFLIGHT_ANY; /* a sync is part of it */
    d->synced = false;
    device_before(d);
}

bool keys_after(device *d, edn_status st)
{
    bool crashed = device_after(d, st);

    d->inflight = INFLIGHT_NONE;
    if (d->c && !crashed)
        check_views(d, false);
    return crashed;
}

void keys_joined(device *d)
{
    sim *s = d->s;

    d->synced = false;
    s->keeper.blank = false;
    s->devices_n++;
}

void keys_meanwhile(sim *s)
{
    device *d = sim_chance(&s->keeper.rng, 1, 5) ? keys_someone(s) : NULL;

    if (d && !s->solo)
        people_act(d);
    if (d && d->c)
        (void)device_sync(d);
}

/* ---- lost devices ------------------------------------------------------------------------------------------------ */

void keys_lose(device *d)
{
    sim *s = d->s;

    s->keeper.ids[d->index] = device_id(d);
    s->keeper.to_revoke[d->index] = true;
    device_close(d);
    d->gone = true;
    model_unsure(&s->model, (uint8_t)d->index, s->model.covered_log[d->index]);
    sim_fault(s, FAULT_LOST);
    sim_note(s, "device %u is lost", d->index);
}

void keys_revoke_lost(sim *s)
{
    keeper *k = &s->keeper;

    for (unsigned i = 0; i < s->devices_n && !s->violations; i++) {
        device *d = keys_someone(s);
        char hex[33];
        edn_err err = {EDN_OK, ""};
        edn_status st;
        if (!d || !k->to_revoke[i] || s->passphrase_or[0])
            continue;
        edn_hex_encode(hex, k->ids[i].b, 16);
        k->papers_good = false;
        keys_before(d);
        st = edn_client_device_revoke(d->c, hex, edn_bytes_str(s->passphrase), &err);
        sim_note(s, "device %u revokes device %u: %s %s", d->index, i, edn_status_name(st), err.text);
        (void)keys_after(d, st);
        if (st == EDN_OK || st == EDN_E_MISSING) { /* missing: it was done, and the answer lost */
            k->to_revoke[i] = false;
            k->revoked[i] = true;
            k->papers_closed = true;
            sim_fault(s, FAULT_REVOKED);
        } else if (s->calm) {
            sim_violation(s, "device %u cannot revoke device %u: %s %s", d->index, i, edn_status_name(st), err.text);
        }
    }
}

static unsigned devices_there(const sim *s)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->devices_n; i++)
        n += s->devices[i].c != NULL;
    return n;
}

static void lose_one(sim *s)
{
    device *d = keys_someone(s);

    if (!d || s->keeper.locks_unknown || devices_there(s) < 2 || (s->solo && d->index == s->writer))
        return;
    keys_lose(d);
    keys_revoke_lost(s);
}

/* ---- days -------------------------------------------------------------------------------------------------------- */

void keys_step(sim *s)
{
    keeper *k = &s->keeper;

    if (!k->on || s->violations || !sim_chance(&k->rng, 1, 4))
        return;
    if (k->recovering) {
        recover_on(s);
        return;
    }
    keys_revoke_lost(s);
    locks_settle(s);
    switch (sim_below(&k->rng, 12)) {
    case 0:
    case 1:
    case 2:
        pair_someone(s);
        break;
    case 3:
        lose_one(s);
        break;
    case 4:
    case 5:
    case 6:
        rekey_someone(s);
        break;
    case 7:
    case 8:
        locks_someone(s);
        break;
    default:
        recover_someone(s);
        break;
    }
}

void keys_calm(sim *s)
{
    keeper *k = &s->keeper;

    for (unsigned i = 0; i < 8 && k->recovering && !s->violations; i++)
        recover_on(s);
    if (k->recovering)
        sim_violation(s, "with every device lost nothing comes back though all is calm");
    locks_settle(s);
    if (k->locks_unknown)
        sim_violation(s, "which passphrase and account key are in force is not known though all is calm");
    for (unsigned i = 0; i < 3 && k->blank && !s->violations; i++) {
        s->now_ms += SIM_HOUR_MS;
        pair_someone(s);
    }
    if (k->blank && s->devices_n < SIM_DEVICES_MAX)
        sim_violation(s, "a machine is not let in though all is calm");
    keys_revoke_lost(s);
    rekey_calm(s);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* Who sat in the middle is no device of the account. */
static void check_strangers(sim *s, device *d)
{
    edn_client_status st;
    edn_err err = {EDN_OK, ""};

    if (edn_client_status_get(d->c, &st, &err) != EDN_OK)
        return; /* told on elsewhere */
    for (size_t i = 0; i < s->keeper.strangers_n; i++)
        for (size_t k = 0; k < st.heads_n; k++) {
            char hex[33];
            edn_hex_encode(hex, s->keeper.strangers[i].b, 16);
            s->f.checks++;
            if (strcmp(hex, st.heads[k].device) == 0)
                sim_violation(s, "device %u: somebody who sat between two devices is in the account", d->index);
        }
}

/* Whoever has a device that was revoked goes on writing: nobody hears of it. */
static void check_stolen(sim *s, device *d)
{
    edn_draft draft = {.date = edn_bytes_str("2026-03-03"), .text = edn_bytes_str(SIM_CANARY " of a thief")};
    edn_sync_result r;
    edn_entry_id id;
    edn_err err = {EDN_OK, ""};
    edn_status st;

    if (device_try_open(d, &err) != EDN_OK || edn_client_add(d->c, &draft, &id, &err) != EDN_OK) {
        sim_violation(s, "device %u, which was lost, does not open: %s", d->index, err.text);
        return;
    }
    sim_fault(s, FAULT_STOLEN);
    st = edn_client_sync(d->c, NULL, &r, &err);
    sim_note(s, "device %u, which was revoked, syncs: %s %s", d->index, edn_status_name(st), err.text);
    if (st != EDN_E_DENIED)
        sim_violation(s, "device %u: was revoked, and the server lets it in", d->index);
    device_close(d);
    for (unsigned i = 0; i < s->devices_n; i++) {
        shown v = {0};
        edn_sync_result ignored;
        device *o = &s->devices[i];
        if (!o->c)
            continue;
        if (edn_client_sync(o->c, NULL, &ignored, &err) != EDN_OK)
            sim_violation(s, "device %u: does not sync after a revoked one tried to: %s", i, err.text);
        if (check_show(o, &id, &v) != EDN_E_MISSING)
            sim_violation(s, "device %u shows what a revoked device wrote", i);
        s->f.checks++;
        shown_dispose(&v);
    }
}

void keys_check(sim *s)
{
    if (!s->keeper.on)
        return;
    for (unsigned i = 0; i < s->devices_n; i++)
        if (s->keeper.revoked[i] && !s->violations)
            check_stolen(s, &s->devices[i]);
    if (!s->violations && sim_chance(&s->keeper.rng, 1, 3))
        rekey_check(s);
    if (!s->violations)
        locks_check(s);
    for (unsigned i = 0; i < s->devices_n; i++)
        if (s->devices[i].c)
            check_strangers(s, &s->devices[i]);
}
