/* Everything sealed again under new keys, by one device, while others write, one is revoked, or another device does the
 * same; broken off by people, by disks, by the network. Whatever was broken off goes on later and is done in the end;
 * then keys of before open nothing that the server still holds. */
#include "sim.h"

#include <edn/account.h>
#include <stdlib.h>

/* ---- what others do meanwhile ------------------------------------------------------------------------------------ */

static void others_write(sim *s, device *d)
{
    for (unsigned i = 0; i < s->devices_n; i++) {
        device *o = &s->devices[i];
        if (!o->c || o == d || !sim_chance(&s->keeper.rng, 2, 3))
            continue;
        if (!s->solo)
            people_act(o);
        if (o->c)
            (void)device_sync(o);
    }
}

static void other_is_revoked(sim *s, device *d)
{
    device *o = keys_someone(s);

    (void)d;
    if (!o || (s->solo && o->index == s->writer))
        return;
    keys_lose(o);
    keys_revoke_lost(s);
}

/* ---- doing it ---------------------------------------------------------------------------------------------------- */

typedef struct patience {
    uint64_t left; /* of whoever watches it go on */
} patience;

static bool go_on(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    patience *p = ctx;

    (void)what;
    (void)done;
    (void)total;
    return p->left == 0 || --p->left > 0;
}

static edn_status rekey(device *d, uint64_t patient)
{
    sim *s = d->s;
    keeper *k = &s->keeper;
    patience p = {patient};
    edn_progress progress = {go_on, &p};
    edn_rekey_result r;
    edn_err err = {EDN_OK, ""};
    edn_status st;

    k->papers_good = false; /* the first that it does is to make keys anew */
    keys_before(d);
    st = edn_client_rekey_deep(d->c, edn_bytes_str(s->passphrase), &progress, &r, &err);
    sim_note(s, "device %u seals everything again: %s %s", d->index, edn_status_name(st), err.text);
    (void)keys_after(d, st);
    if (st == EDN_OK) {
        k->papers_closed = true;
        sim_fault(s, FAULT_REKEYED);
    } else {
        sim_fault(s, FAULT_REKEY_BROKEN_OFF);
    }
    return st;
}

static void other_too(sim *s, device *d)
{
    device *o = keys_someone(s);

    (void)d;
    if (o)
        (void)rekey(o, 0);
}

static bool is_pending(device *d)
{
    edn_err err = {EDN_OK, ""};
    bool out = false;

    if (edn_client_rekey_pending(d->c, &out, &err) != EDN_OK)
        sim_violation(d->s, "device %u: does not say whether it was sealing everything again: %s", d->index, err.text);
    return out;
}

void rekey_someone(sim *s)
{
    static void (*const fns[])(sim *, device *) = {others_write, other_is_revoked, other_too};
    static const fault_kind kinds[] = {FAULT_REKEY_AMONG, FAULT_REKEY_REVOKED, FAULT_REKEY_TWICE};
    keeper *k = &s->keeper;
    device *d = keys_someone(s);
    size_t what = sim_below(&k->rng, 5);

    if (!d || s->passphrase_or[0])
        return;
    for (unsigned i = 0; i < s->devices_n; i++)
        if (s->devices[i].c && is_pending(&s->devices[i]) && sim_chance(&k->rng, 2, 3))
            d = &s->devices[i];
    if (what < EDN_COUNT(fns)) {
        s->interruption.who = (int)d->index;
        s->interruption.at = NULL;
        s->interruption.exchanges = (unsigned)sim_below(&k->rng, 12);
        s->interruption.fn = fns[what];
        s->interruption.what = kinds[what];
    }
    k->busy = d;
    (void)rekey(d, sim_chance(&k->rng, 1, 4) ? 1 + sim_below(&k->rng, 3) : 0);
    k->busy = NULL;
    s->interruption.who = -1;
}

/* ---- in calm ----------------------------------------------------------------------------------------------------- */

static void do_all(device *d)
{
    edn_status st = EDN_OK;

    for (unsigned i = 0; i < 4 && d->c && is_pending(d); i++)
        st = rekey(d, 0);
    if (st != EDN_OK)
        sim_violation(d->s, "device %u cannot seal everything again though all is calm: %s", d->index,
                      edn_status_name(st));
}

void rekey_calm(sim *s)
{
    for (unsigned i = 0; i < s->devices_n && !s->violations; i++)
        if (s->devices[i].c)
            do_all(&s->devices[i]);
}

static void is_closed(sim *s, edn_bytes batch, void *ctx)
{
    edn_batch b;

    s->f.checks++;
    if (edn_batch_decode(batch, &b) != EDN_OK)
        sim_violation(s, "the server holds what is no batch");
    else if (wrap_batch_opens(&b, *(size_t *)ctx) && !s->violations)
        sim_violation(s, "a key of before opens batch %llu of a device, which the server still holds",
                      (unsigned long long)b.header.dseq);
}

void rekey_check(sim *s)
{
    size_t keys = wrap_batch_keys();
    device *d = keys_someone(s);

    if (!d || rekey(d, 0) != EDN_OK) {
        sim_violation(s, "nobody can seal everything again though all is calm");
        return;
    }
    for (unsigned i = 0; i < 2 * s->devices_n; i++)
        if (s->devices[i % s->devices_n].c)
            (void)device_sync(&s->devices[i % s->devices_n]);
    serve_batches(s, is_closed, &keys);
    check_converged(s);
}
