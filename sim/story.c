/* Stories: what happens in an order, because a promise names it: a liar that keeps two groups apart, a disk that runs
 * in two machines, a device that is revoked in the middle of its sync. Nothing else breaks meanwhile, so that what is
 * promised is asked for to the sync and to the minute. */
#include "sim.h"

#include <edn/quarantine.h>

#include <stdio.h>
#include <stdlib.h>

#define MINUTE_MS 60000u

/* ---- what all of them use ---------------------------------------------------------------------------------------- */

static bool is_there(const device *d) { return d->c && !d->split; }

/* Everybody syncs until all have all. */
static void all_meet(sim *s)
{
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < s->devices_n; i++) {
            s->now_ms += MINUTE_MS;
            if (is_there(&s->devices[i]))
                (void)device_sync(&s->devices[i]);
        }
    for (unsigned i = 0; i < s->devices_n; i++)
        if (is_there(&s->devices[i]) && !s->devices[i].synced)
            sim_violation(s, "device %u is not synced though nothing is in the way", i);
}

static void write_and_sync(device *d)
{
    people_add(d);
    if (d->c)
        (void)device_sync(d);
}

/* Some days in which each writes and syncs as it likes. */
static void live(sim *s, uint64_t span_ms, unsigned steps)
{
    for (unsigned i = 0; i < steps; i++) {
        device *d = &s->devices[sim_below(&s->plan, s->devices_n)];
        s->now_ms += span_ms / steps;
        if (!is_there(d))
            continue;
        people_act(d);
        if (d->c && sim_chance(&s->plan, 3, 4))
            (void)device_sync(d);
    }
}

/* ---- a debt: not named in two syncs, nor in ten minutes; named after both ---------------------------------------- */

static void not_yet(device *d)
{
    if (d->findings[EDN_E_WITHHELD])
        sim_violation(d->s, "device %u: says that something is withheld before its time", d->index);
}

/* The sync that incurred the debt has just ended. */
static void promise_withheld(device *d)
{
    sim *s = d->s;

    not_yet(d);
    if (sim_chance(&s->plan, 1, 2)) {
        for (unsigned i = 0; i < 2; i++) { /* syncs enough, and too early */
            s->now_ms += 3 * MINUTE_MS;
            (void)device_sync(d);
            not_yet(d);
        }
        s->now_ms += 5 * MINUTE_MS;
    } else {
        s->now_ms += 12 * MINUTE_MS;
    }
    (void)device_sync(d);
    if (!d->findings[EDN_E_WITHHELD])
        sim_violation(s, "device %u: what is withheld is not named after two syncs and ten minutes", d->index);
}

/* ---- two groups -------------------------------------------------------------------------------------------------- */

/* This device's lock becomes the account's passphrase, which another device has changed. */
static void passphrase_catch_up(device *d)
{
    edn_err err = {EDN_OK, ""};

    if (strcmp(d->passphrase, d->s->passphrase) == 0)
        return;
    if (edn_client_passphrase_change(d->c, edn_bytes_str(d->passphrase), edn_bytes_str(d->s->passphrase), 0, &err) !=
        EDN_OK)
        sim_violation(d->s, "device %u: cannot take over the account's passphrase: %s", d->index, err.text);
    memcpy(d->passphrase, d->s->passphrase, sizeof d->passphrase);
}

static void passphrase_change(device *d)
{
    sim *s = d->s;
    char next[sizeof d->passphrase];
    edn_err err = {EDN_OK, ""};
    edn_status st;

    snprintf(next, sizeof next, "correct horse %llu", (unsigned long long)sim_below(&s->plan, 1000000));
    st = edn_client_passphrase_change(d->c, edn_bytes_str(d->passphrase), edn_bytes_str(next), 0, &err);
    sim_note(s, "device %u: another passphrase: %s %s", d->index, edn_status_name(st), err.text);
    if (st != EDN_OK) {
        sim_violation(s, "device %u: the passphrase cannot be changed: %s", d->index, err.text);
        return;
    }
    sim_fault(s, FAULT_PASSPHRASE);
    memcpy(d->passphrase, next, sizeof next);
    if (d->side == 0)
        memcpy(s->passphrase, next, sizeof next);
    device_keep_session(d);
}

/* Batches of a device of side 0 come to one of side 1. */
static void leak_to(device *to, device *from)
{
    sim *s = to->s;

    serve_side(s, to->side);
    s->evil_victim_id = device_id(from);
    s->evil_only = (int)to->index;
    s->evils = EVIL_BIT(EVIL_LEAK);
    (void)device_sync(to);
    s->evils = 0;
}

static void heal(sim *s, bool log_too, size_t mark)
{
    for (unsigned i = 2; i < s->devices_n; i++) {
        device *d = &s->devices[i];
        bool lost;
        d->side = 0;
        if (!is_there(d))
            continue;
        serve_side(s, 0);
        lost = check_server_lost(d); /* unless another of its group has given it back already */
        (void)device_sync(d);
        if (log_too)
            model_unsure(&s->model, (uint8_t)i, mark);
        if (log_too && !d->findings[EDN_E_FORK])
            sim_violation(s, "device %u: is shown another device log, and does not say so", i);
        if (!log_too && lost && !d->findings[EDN_E_ROLLBACK])
            sim_violation(s, "device %u: what the server had signed for is gone, and it does not say so", i);
        d->split = log_too;
    }
    serve_join(s);
}

static void tell_fork(sim *s, bool log_too)
{
    device *a = &s->devices[0], *a2 = &s->devices[1], *b;
    uint64_t days = 1 + sim_below(&s->plan, 30);
    size_t mark = model_mark(&s->model);

    if (s->devices_n < 3 || s->devices[2].split)
        return;
    all_meet(s);
    mark = model_mark(&s->model);
    sim_fault(s, log_too ? FAULT_LOG_FORKED : FAULT_FORKED);
    sim_note(s, "two groups are kept apart for %llu days", (unsigned long long)days);
    serve_fork(s);
    s->honest = false;
    for (unsigned i = 2; i < s->devices_n; i++)
        s->devices[i].side = 1;
    live(s, days * SIM_DAY_MS, 6 + (unsigned)sim_below(&s->plan, 8));
    b = &s->devices[2 + sim_below(&s->plan, s->devices_n - 2)];
    if (log_too) {
        passphrase_change(a2);
        passphrase_change(b);
    }
    for (unsigned i = 2; i < s->devices_n; i++)
        write_and_sync(&s->devices[i]);
    (void)device_sync(b);
    write_and_sync(a2);
    (void)device_sync(a);
    write_and_sync(a); /* it has seen what the other group has not */
    leak_to(b, a);
    if (log_too && !b->findings[EDN_E_FORK])
        sim_violation(s, "device %u: a batch made under another device log, and no fork is named", b->index);
    if (!log_too)
        promise_withheld(b);
    heal(s, log_too, mark);
    all_meet(s);
}

/* ---- withheld ---------------------------------------------------------------------------------------------------- */

static edn_head head_of(sim *s, const edn_device_id *id)
{
    edn_head *p = NULL, out = {.device = *id};
    size_t n = 0;

    if (serve_heads(s, &s->account, &p, &n))
        for (size_t i = 0; i < n; i++)
            if (memcmp(p[i].device.b, id->b, sizeof id->b) == 0)
                out = p[i];
    free(p);
    return out;
}

static void tell_withhold(sim *s)
{
    unsigned first = (unsigned)sim_below(&s->plan, s->devices_n);
    device *v = &s->devices[first], *w = &s->devices[(first + 1) % s->devices_n],
           *x = &s->devices[(first + 2) % s->devices_n];

    if (s->devices_n < 3)
        return;
    all_meet(s);
    sim_fault(s, FAULT_WITHHELD);
    s->evil_victim_id = device_id(v);
    s->evil_cut = head_of(s, &s->evil_victim_id);
    s->evil_only = (int)x->index;
    s->evils = EVIL_BIT(EVIL_WITHHOLD);
    live(s, SIM_DAY_MS, 3);
    if (!x->c || !v->c || !w->c)
        return;
    write_and_sync(v);
    (void)device_sync(w);
    write_and_sync(w);
    memset(x->findings, 0, sizeof x->findings);
    (void)device_sync(x);
    /* Days may have gone by since an earlier debt: then this sync may name that one. */
    if (!x->findings[EDN_E_WITHHELD])
        promise_withheld(x);
    s->evils = 0;
    s->evil_only = -1;
    (void)device_sync(x);
    if (x->findings[EDN_E_WITHHELD] || !x->synced)
        sim_violation(s, "device %u: all debts are paid, and it does not say so", x->index);
    all_meet(s);
}

/* ---- one disk in two machines ------------------------------------------------------------------------------------ */

static void edit_or_add(device *d, int entry)
{
    if (entry >= 0 && d->c && d->views[entry].there && !d->views[entry].deleted && !d->views[entry].conflict)
        people_edit(d, (uint16_t)entry);
    else if (d->c)
        people_add(d);
}

static void tell_twins(sim *s)
{
    device *d = &s->devices[sim_below(&s->plan, s->devices_n)], *t, *w, *x, *y;
    int e;

    if (s->devices_n == SIM_DEVICES_MAX || !d->c)
        return;
    all_meet(s);
    sim_fault(s, FAULT_TWINS);
    device_twin(d, s->devices_n);
    t = &s->devices[s->devices_n];
    w = &s->devices[(d->index + 1) % s->devices_n];
    s->devices_n++;
    x = sim_chance(&s->plan, 1, 2) ? d : t;
    y = x == d ? t : d;
    e = people_choose(d); /* all of them in one entry: events of the same numbers on both */
    for (uint64_t n = sim_below(&s->plan, 3); n > 0; n--) { /* writes, and makes batches that do not go out */
        edit_or_add(y, e);
        y->away_until_ms = s->now_ms + SIM_DAY_MS;
        (void)device_sync(y);
    }
    y->away_until_ms = 0;
    edit_or_add(x, e);
    (void)device_sync(x);
    for (uint64_t n = sim_below(&s->plan, 3); n > 0; n--) { /* others write on top of it */
        (void)device_sync(w);
        edit_or_add(w, e);
        (void)device_sync(w);
    }
    if (sim_chance(&s->plan, 1, 2))
        edit_or_add(y, e);
    (void)device_sync(y);
    if (!y->findings[EDN_E_CLONE])
        sim_violation(s, "device %u: its disk is at work twice, and nobody says so", y->index);
    live(s, SIM_DAY_MS, 6);
    all_meet(s);
}

/* ---- backups that lost nothing ----------------------------------------------------------------------------------- */

static void silent(device *d, const char *what)
{
    for (size_t i = 0; i < EDN_STATUS_COUNT; i++)
        if (d->findings[i])
            sim_violation(d->s, "device %u: %s, and it finds %s", d->index, what, edn_status_name((edn_status)i));
}

static void tell_honest(sim *s)
{
    device *d = &s->devices[sim_below(&s->plan, s->devices_n)];
    edn_device_id id = device_id(d);
    uint64_t before;

    all_meet(s);
    sim_fault(s, FAULT_HONEST_S);
    serve_backup(s);
    serve_restore(s);
    for (unsigned i = 0; i < s->devices_n; i++) {
        (void)device_sync(&s->devices[i]);
        silent(&s->devices[i], "a server was put back that had lost nothing");
    }
    device_copy_take(d);
    before = head_of(s, &id).dseq;
    for (unsigned i = 0; i < s->devices_n; i++) {
        device *o = &s->devices[i];
        if (o != d)
            write_and_sync(o);
    }
    (void)device_sync(d); /* it takes in, and says nothing of its own; unless it was its turn to publish the index */
    if (head_of(s, &id).dseq == before) {
        sim_fault(s, FAULT_HONEST_D);
        device_copy_restore(d);
        s->model.clones = false;
        (void)device_sync(d);
        silent(d, "it was put back and had lost nothing of its own");
    }
    live(s, SIM_DAY_MS, 6);
    all_meet(s);
}

/* ---- every lie --------------------------------------------------------------------------------------------------- */

/* What must be named when a lie was told in a pull that had something to give. */
static edn_status must_name(evil_kind k)
{
    switch (k) {
    case EVIL_ALTER:
    case EVIL_SIGNATURE:
    case EVIL_RECEIPT:
        return EDN_E_SIG;
    case EVIL_FOREIGN:
    case EVIL_ORIGIN:
        return EDN_E_AUTH;
    case EVIL_GHOST:
        return EDN_E_DEVICE_UNKNOWN;
    case EVIL_SUITE:
        return EDN_E_SUITE;
    default:
        return EDN_OK;
    }
}

static void one_lie(sim *s, device *x, evil_kind k, evil_kind second)
{
    uint64_t before = s->f.faults[evil_fault(k)];
    edn_status named = must_name(k);
    bool believed;

    for (unsigned i = 0; i < 4; i++) {
        device *d = &s->devices[sim_below(&s->plan, s->devices_n)];
        if (d != x)
            write_and_sync(d);
    }
    if (k == EVIL_PUSHED || second == EVIL_PUSHED)
        people_add(x);
    s->now_ms += 20 * MINUTE_MS; /* so that it has to log in */
    s->evil_only = (int)x->index;
    s->evil_victim_id = device_id(&s->devices[(x->index + 1) % s->devices_n]);
    s->evil_cut = (edn_head){.dseq = 0};
    s->evils = EVIL_BIT(k) | EVIL_BIT(second);
    (void)device_sync(x);
    s->evils = 0;
    believed = x->synced;
    if (named != EDN_OK && k == second && s->f.faults[evil_fault(k)] > before && !x->findings[named])
        sim_violation(s, "device %u: the server %s, and the device does not say %s", x->index,
                      fault_text(evil_fault(k)), edn_status_name(named));
    if (k == EVIL_PUSHED && k == second && believed && s->f.faults[evil_fault(k)] > before) {
        (void)device_sync(&s->devices[(x->index + 1) % s->devices_n]); /* another state: the probe says so */
        people_add(x);
        (void)device_sync(x);
        if (!x->findings[EDN_E_ROLLBACK])
            sim_violation(s, "device %u: the server kept nothing of what it signed for, and nobody says so", x->index);
    }
    for (unsigned i = 0; i < 2; i++)
        (void)device_sync(x);
    if (!x->synced)
        sim_violation(s, "device %u: is not synced by an honest server after a lie", x->index);
}

static void tell_siege(sim *s)
{
    all_meet(s);
    for (unsigned i = 0; i < 8; i++) {
        device *x = &s->devices[sim_below(&s->plan, s->devices_n)];
        evil_kind k = (evil_kind)(1 + sim_below(&s->plan, EVIL_LEAK - 1));
        evil_kind second = (evil_kind)(1 + sim_below(&s->plan, EVIL_LEAK - 1));
        one_lie(s, x, k, sim_chance(&s->plan, 1, 2) ? k : second);
    }
    s->evil_only = -1;
    all_meet(s);
}

/* ---- disks that rot ---------------------------------------------------------------------------------------------- */

static edn_status count_findings(edn_client *c, uint64_t *damaged)
{
    edn_verify_result v = {0};
    edn_err err = {EDN_OK, ""};
    edn_status st = edn_client_verify(c, NULL, NULL, NULL, &v, &err);

    *damaged = v.damaged;
    return st;
}

/* What it still shows is what it showed, or, when it read what was there before, something that was written once. */
static void look_at_the_rest(device *d, bool stale)
{
    sim *s = d->s;
    size_t bad = 0;
    uint64_t damaged = 0;
    edn_err err = {EDN_OK, ""};

    for (size_t i = 0; i < s->model.entries_n; i++) {
        shown now;
        edn_status st;
        if (!d->views[i].there)
            continue;
        st = check_try_show(d, &s->model.entries[i], &now, &err);
        bad += st != EDN_OK;
        s->f.checks++;
        if (st == EDN_OK && !stale && now.digest != d->views[i].digest)
            sim_violation(s, "device %u: entry %zu shows something else after bits were turned", d->index, i);
        if (st == EDN_OK && stale)
            check_text(s, &now, (uint16_t)i, d->index);
        shown_dispose(&now);
    }
    if (bad && !stale && count_findings(d->c, &damaged) == EDN_OK && !damaged)
        sim_violation(s, "device %u: %zu entries cannot be read, and verify finds nothing", d->index, bad);
}

/* The device is lost; what it had said to nobody goes with it. */
static void lose(device *d)
{
    device_close(d);
    d->gone = true;
    model_unsure(&d->s->model, (uint8_t)d->index, d->s->model.covered_log[d->index]);
    sim_note(d->s, "device %u is lost", d->index);
}

static bool join(sim *s)
{
    edn_err err = {EDN_OK, ""};

    if (s->devices_n == SIM_DEVICES_MAX)
        return false;
    if (device_login(s, s->devices_n, &err) != EDN_OK) {
        sim_violation(s, "a new device cannot join: %s", err.text);
        device_dispose(&s->devices[s->devices_n]);
        return false;
    }
    sim_note(s, "device %u joins", s->devices_n);
    s->devices_n++;
    return true;
}

static void rot_of_device(sim *s, device *d)
{
    bool stale = sim_chance(&s->plan, 1, 3);
    char path[48];
    edn_bytes file;
    edn_sync_result r;
    edn_err err = {EDN_OK, ""};

    snprintf(path, sizeof path, "%s/diary.edn", d->home);
    if (stale) {
        crashvfs_remember(d->disk);
        people_act(d);
        (void)device_sync(d);
    }
    device_close(d);
    if (stale) {
        sim_fault(s, FAULT_STALE);
        crashvfs_stale_read_at(d->disk, crashvfs_reads(d->disk) + 1 + sim_below(&s->plan, 60));
    }
    for (uint64_t bits = stale ? 0 : 1 + sim_below(&s->plan, 3); bits && crashvfs_view(d->disk, path, &file); bits--) {
        uint64_t at = sim_below(&s->plan, file.n);
        uint8_t byte = file.p[at] ^ (uint8_t)(1u << sim_below(&s->plan, 8));
        crashvfs_poke(d->disk, path, at, edn_bytes_of(&byte, 1));
        sim_fault(s, FAULT_ROT);
    }
    if (device_try_open(d, &err) == EDN_OK) {
        look_at_the_rest(d, stale);
        sim_note(s, "device %u, damaged: sync: %s", d->index, edn_status_name(edn_client_sync(d->c, NULL, &r, &err)));
    } else {
        sim_note(s, "device %u, damaged, does not open: %s", d->index, err.text);
    }
    crashvfs_stale_read_at(d->disk, 0);
    lose(d);
}

static void rot_of_server(sim *s)
{
    serve_backup(s);
    serve_rot(s, 1 + (unsigned)sim_below(&s->plan, 3));
    sim_fault(s, FAULT_S_ROT);
    s->honest = false;
    s->srv.rotten = true;
    if (serve_try_start(s))
        live(s, SIM_DAY_MS, 6); /* whatever it gives out, nothing false is taken */
    serve_restore(s);
    s->srv.rotten = false;
}

static device *some_device(sim *s)
{
    for (unsigned i = 0; i < 64; i++) {
        device *d = &s->devices[sim_below(&s->plan, s->devices_n)];
        if (is_there(d))
            return d;
    }
    return NULL;
}

static unsigned devices_there(const sim *s)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->devices_n; i++)
        n += is_there(&s->devices[i]);
    return n;
}

static void tell_rot(sim *s)
{
    device *d = some_device(s);

    all_meet(s);
    if (!d || sim_chance(&s->plan, 1, 2)) {
        rot_of_server(s);
    } else if (devices_there(s) > 1 && s->devices_n < SIM_DEVICES_MAX) {
        rot_of_device(s, d);
        (void)join(s);
    }
    all_meet(s);
}

/* ---- devices come and go ----------------------------------------------------------------------------------------- */

static void revoke(sim *s, device *victim)
{
    device *by = s->interruption.by;
    char hex[33];
    edn_err err = {EDN_OK, ""};
    edn_status st;

    edn_client_device_id(victim->c, hex);
    st = edn_client_device_revoke(by->c, hex, edn_bytes_str(s->passphrase), &err);
    sim_note(s, "device %u revokes device %u: %s %s", by->index, victim->index, edn_status_name(st), err.text);
    sim_fault(s, FAULT_REVOKED);
    if (st != EDN_OK)
        sim_violation(s, "device %u cannot revoke device %u: %s %s", by->index, victim->index, edn_status_name(st),
                      err.text);
}

/* While a device revokes another one, that one and a third go on. */
static void go_on(sim *s, device *revoker)
{
    (void)revoker;
    for (unsigned i = 0; i < s->devices_n; i++) {
        device *d = &s->devices[i];
        if (!is_there(d) || d == revoker || !sim_chance(&s->plan, 2, 3))
            continue;
        people_act(d);
        (void)device_sync(d);
    }
}

/* It sends something, in the moment in which nobody asks any more before it is out. */
static void send_unseen(sim *s, device *revoker)
{
    (void)revoker;
    people_act(s->interruption.victim);
    (void)device_sync(s->interruption.victim);
}

void story_interrupt(device *d, const char *path)
{
    sim *s = d->s;
    struct interruption *i = &s->interruption;
    void (*fn)(sim *, device *) = i->fn;

    if (i->who != (int)d->index || (i->at && strcmp(i->at, path) != 0) || i->exchanges-- > 0)
        return;
    i->who = -1;
    sim_fault(s, i->what);
    fn(s, d);
}

static void interrupt(sim *s, device *who, void (*fn)(sim *s, device *d))
{
    s->interruption.who = (int)who->index;
    s->interruption.at = NULL;
    s->interruption.exchanges = (unsigned)sim_below(&s->plan, 6);
    s->interruption.fn = fn;
    s->interruption.what = FAULT_REVOKED_IN;
}

/* ---- what it had sent and nobody had seen ------------------------------------------------------------------------ */

/* *held: up to which of its batches the device counts `of`. */
static uint64_t quarantined(device *d, const char *of, uint64_t *held)
{
    edn_client_status st;
    edn_err err = {EDN_OK, ""};

    *held = 0;
    if (edn_client_status_get(d->c, &st, &err) != EDN_OK) {
        sim_violation(d->s, "device %u: no status: %s", d->index, err.text);
        return 0;
    }
    for (size_t i = 0; i < st.heads_n; i++)
        if (strcmp(st.heads[i].device, of) == 0)
            *held = st.heads[i].dseq;
    return st.quarantined;
}

static edn_status quarantined_of(void *ctx, const edn_quarantined *q)
{
    memcpy(ctx, q->device, sizeof q->device);
    return EDN_OK;
}

static void decide(sim *s, device *d, bool keep)
{
    char who[33] = "";
    uint64_t kept = 0;
    edn_err err = {EDN_OK, ""};
    edn_status st = edn_client_quarantine(d->c, quarantined_of, who, &err);

    if (st == EDN_OK)
        st = keep ? edn_client_quarantine_keep(d->c, who, NULL, &kept, &err)
                  : edn_client_quarantine_drop(d->c, who, NULL, &err);
    sim_note(s, "device %u %s what is in quarantine: %s %s", d->index, keep ? "keeps" : "drops", edn_status_name(st),
             err.text);
    if (st != EDN_OK)
        sim_violation(s, "device %u cannot decide about the quarantine: %s %s", d->index, edn_status_name(st),
                      err.text);
}

/* All have met. What is in quarantine is the same everywhere but where it was taken in before the link came, is told of
 * no more, and goes everywhere when one device decides. */
static void check_quarantine(sim *s, const char *of)
{
    device *by = s->interruption.by;
    uint64_t cut, held, n = quarantined(by, of, &cut);
    bool seen = false;

    for (unsigned i = 0; i < s->devices_n; i++) {
        device *d = &s->devices[i];
        if (!is_there(d))
            continue;
        if (quarantined(d, of, &held) != n && held <= cut)
            sim_violation(s, "device %u: not the same is in quarantine as on device %u", d->index, by->index);
        seen |= held > cut;
        for (int again = 0; again < 2; again++) {
            s->now_ms += MINUTE_MS;
            if (again)
                people_act(d); /* so that it pulls */
            (void)device_sync(d);
            if (d->findings[EDN_E_SIGNER_REVOKED])
                sim_violation(s, "device %u: is told again of what a revoked device had sent", d->index);
        }
    }
    if (n == 0)
        return;
    sim_fault(s, FAULT_UNSEEN);
    decide(s, by, !seen && sim_chance(&s->plan, 1, 2));
    all_meet(s);
    for (unsigned i = 0; i < s->devices_n; i++)
        if (is_there(&s->devices[i]) && quarantined(&s->devices[i], of, &held))
            sim_violation(s, "device %u: does not hear what was decided of the quarantine", i);
}

static void tell_revoked(sim *s)
{
    device *v = some_device(s), *by = some_device(s);
    size_t mark = model_mark(&s->model);
    uint64_t k = sim_below(&s->plan, 4);
    char gone[33];

    if (!v || v == by || devices_there(s) < 3)
        return;
    edn_client_device_id(v->c, gone);
    s->interruption.by = by;
    s->interruption.victim = v;
    if (k == 0) {
        people_act(v);
        (void)device_sync(v);
        revoke(s, v);
    } else if (k == 1) { /* in the middle of its sync */
        people_act(v);
        interrupt(s, v, revoke);
        (void)device_sync(v);
        if (s->interruption.who >= 0) /* it had nothing to ask */
            revoke(s, v);
    } else { /* in the middle of everybody's */
        interrupt(s, by, k == 2 ? go_on : send_unseen);
        if (k == 3) {
            s->interruption.at = "/v1/log";
            s->interruption.exchanges = 0;
        }
        revoke(s, v);
    }
    s->interruption.who = -1;
    people_add(v);
    if (device_sync(v) == EDN_OK && v->synced)
        sim_violation(s, "device %u: is synced though it was revoked", v->index);
    if (device_sync(v) != EDN_E_DENIED)
        sim_violation(s, "device %u: was revoked, and the server lets it in", v->index);
    device_close(v);
    v->gone = true;
    model_unsure(&s->model, (uint8_t)v->index, mark);
    all_meet(s);
    check_quarantine(s, gone);
}

/* A liar offers another key, or a cheap lock: nobody joins by it. */
static void lied_to_at_login(sim *s)
{
    evil_kind k = sim_chance(&s->plan, 1, 2) ? EVIL_WEAK_KDF : EVIL_SWAPPED_BOX;
    unsigned index = s->devices_n;
    edn_err err = {EDN_OK, ""};
    edn_status st;

    s->evils = EVIL_BIT(k);
    s->evil_only = -1;
    st = device_login(s, index, &err);
    s->evils = 0;
    sim_note(s, "a login by a liar: %s %s", edn_status_name(st), err.text);
    if (st == EDN_OK || (k == EVIL_WEAK_KDF && st != EDN_E_KDF))
        sim_violation(s, "a device joins by what a liar gave it: %s", fault_text(evil_fault(k)));
    device_dispose(&s->devices[index]);
}

static void tell_lost(sim *s)
{
    device *d = some_device(s);

    if (!d || devices_there(s) < 2 || s->devices_n == SIM_DEVICES_MAX)
        return;
    people_act(d);
    if (sim_chance(&s->plan, 1, 2))
        (void)device_sync(d);
    sim_fault(s, FAULT_LOST);
    lose(d);
    if (sim_chance(&s->plan, 1, 2))
        lied_to_at_login(s);
    (void)join(s);
    all_meet(s);
}

static void tell_passphrase(sim *s)
{
    device *d = some_device(s);
    char old[sizeof d->passphrase];
    edn_err err = {EDN_OK, ""};

    if (!d)
        return;
    all_meet(s);
    passphrase_catch_up(d);
    memcpy(old, s->passphrase, sizeof old);
    passphrase_change(d);
    edn_client_lock(d->c);
    if (edn_client_unlock(d->c, edn_bytes_str(old), &err) != EDN_E_PASSPHRASE)
        sim_violation(s, "device %u: the old passphrase still opens it", d->index);
    if (edn_client_unlock(d->c, edn_bytes_str(d->passphrase), &err) != EDN_OK)
        sim_violation(s, "device %u: the new passphrase does not open it", d->index);
    all_meet(s);
}

static void tell_year(sim *s)
{
    device *d = some_device(s);

    if (!d)
        return;
    sim_fault(s, FAULT_YEAR);
    d->away_until_ms = s->now_ms + SIM_YEAR_MS;
    people_act(d);
    live(s, SIM_YEAR_MS, 12);
    s->now_ms += SIM_DAY_MS;
    (void)device_sync(d);
    if (!d->synced)
        sim_violation(s, "device %u: comes back after a year and is not synced", d->index);
    all_meet(s);
}

static void tell_devices(sim *s)
{
    all_meet(s);
    switch (sim_below(&s->plan, 4)) {
    case 0:
        tell_lost(s);
        break;
    case 1:
        tell_passphrase(s);
        break;
    case 2:
        tell_year(s);
        break;
    default:
        tell_revoked(s);
        break;
    }
}

/* ---- what people typed once -------------------------------------------------------------------------------------- */

/* Each agent is a device; a device that has seen what the other did has synced with it. Of a history by one hand, the
 * devices take turns. */
static void tell_trace(sim *s)
{
    const trace *t = trace_get((unsigned)sim_below(&s->plan, SIM_TRACES));
    size_t n = 60 + sim_below(&s->plan, 120), from = t ? sim_below(&s->plan, t->n > n ? t->n - n : 1) : 0;
    bool together = false;
    uint32_t base = UINT32_MAX, seen[2] = {0, 0};
    uint16_t entry = (uint16_t)s->model.entries_n;
    device *hands[2] = {&s->devices[0], &s->devices[1]};

    if (!t || entry == SIM_ENTRIES_MAX)
        return;
    for (size_t i = 0; i < t->n; i++)
        together |= t->edits[i].agent > 0;
    sim_fault(s, FAULT_TRACE);
    people_add(hands[0]);
    all_meet(s);
    for (size_t i = from; i < t->n && i < from + n; i++)
        base = EDN_MIN(base, t->edits[i].at);
    for (size_t i = from; i < t->n && i < from + n; i++) {
        const edit *e = &t->edits[i];
        unsigned hand = together ? e->agent : (unsigned)(i / 16 % 2);
        device *d = hands[hand];
        s->now_ms += 1000;
        if (together ? e->seen > seen[hand] && e->seen > from : i % 16 == 0) {
            (void)device_sync(hands[1 - hand]);
            (void)device_sync(d);
            seen[hand] = (uint32_t)i;
        }
        if (d->c && d->views[entry].there)
            people_type(d, entry, e->at - base, e->deleted, e->inserted);
    }
    all_meet(s);
}

/* ---- which, and when --------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    unsigned devices_min;
} stories[STORY_KINDS] = {
    [STORY_NONE] = {"none", 2},         [STORY_SIEGE] = {"siege", 3},       [STORY_FORK] = {"fork", 3},
    [STORY_LOG_FORK] = {"log fork", 3}, [STORY_WITHHOLD] = {"withhold", 3}, [STORY_TWINS] = {"twins", 2},
    [STORY_HONEST] = {"honest", 2},     [STORY_ROT] = {"rot", 2},           [STORY_TRACE] = {"trace", 2},
    [STORY_DEVICES] = {"devices", 3},
};

/* Two seeds of five tell a story. */
void story_choose(sim *s)
{
    sim_rng r = sim_rng_of(s->o.seed, "story");

    if (!(s->o.mask >> GROUP_STORY & 1) || !sim_chance(&r, 2, 5))
        return;
    s->story = (story)(1 + sim_below(&r, STORY_KINDS - 1));
    s->o.mask = 1ull << GROUP_STORY;
    s->solo = false;
    s->devices_n = EDN_MAX(s->devices_n, stories[s->story].devices_min);
    sim_note(s, "story: %s", stories[s->story].name);
}

void story_day(sim *s)
{
    s->now_ms += SIM_HOUR_MS;
    live(s, SIM_DAY_MS / 2, 4);
    switch (s->story) {
    case STORY_SIEGE:
        tell_siege(s);
        break;
    case STORY_FORK:
        tell_fork(s, false);
        break;
    case STORY_LOG_FORK:
        tell_fork(s, true);
        break;
    case STORY_WITHHOLD:
        tell_withhold(s);
        break;
    case STORY_TWINS:
        tell_twins(s);
        break;
    case STORY_HONEST:
        tell_honest(s);
        break;
    case STORY_ROT:
        tell_rot(s);
        break;
    case STORY_TRACE:
        tell_trace(s);
        break;
    case STORY_DEVICES:
        tell_devices(s);
        break;
    default:
        break;
    }
}
