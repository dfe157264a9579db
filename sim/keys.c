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
        if (s->devices[i].c && sim_chance(&s->keeper.rng, 1, ++n))
            d = &s->devices[i];
    return d;
}

bool keys_after(device *d, edn_status st)
{
    bool crashed = device_after(d, st);

    d->inflight = INFLIGHT_NONE;
    if (d->c && !crashed)
        check_views(d, false);
    return crashed;
}

void keys_meanwhile(sim *s)
{
    device *d = sim_chance(&s->keeper.rng, 1, 5) ? keys_someone(s) : NULL;

    if (d && !s->solo)
        people_act(d);
    if (d && d->c)
        (void)device_sync(d);
}

void keys_step(sim *s)
{
    keeper *k = &s->keeper;

    if (!k->on || s->violations || !sim_chance(&k->rng, 1, 4))
        return;
    pair_someone(s);
}

void keys_calm(sim *s)
{
    for (unsigned i = 0; i < 3 && s->keeper.blank && !s->violations; i++) {
        s->now_ms += SIM_HOUR_MS;
        pair_someone(s);
    }
    if (s->keeper.blank)
        sim_violation(s, "a machine is not let in though all is calm");
}

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

void keys_check(sim *s)
{
    if (!s->keeper.on)
        return;
    for (unsigned i = 0; i < s->devices_n; i++)
        if (s->devices[i].c)
            check_strangers(s, &s->devices[i]);
}
