/* Two devices meet: one of the account lets a bare machine in, by a short code or by what a camera reads, through the
 * mailbox of a server that may lie. Each side is a process of its own, which may die at any moment and then says
 * nothing more; people give up after a while, and begin again. At the end the machine is in, or not in at all. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/pairing/pairing_priv.h"

#define STEPS 48u

typedef struct side {
    device *d;
    edn_client *c; /* of the process, on the device of the account */
    edn_pair *p;   /* NULL: it is over */
    edn_pair_state at;
    edn_status st;
} side;

typedef struct meeting {
    sim *s;
    side old, fresh;
    side *stranger; /* somebody in the middle, with an offer of his own; or NULL */
    bool wrong;     /* a wrong code was typed */
    bool burnt;     /* the machine that showed it has heard of that */
} meeting;

/* ---- processes --------------------------------------------------------------------------------------------------- */

/* It ends, and tells the other side. */
static void leave(side *x)
{
    edn_pair_free(x->p);
    edn_client_close(x->c);
    x->p = NULL;
    x->c = NULL;
}

/* It dies, and says nothing. */
static void die(side *x)
{
    uint64_t until = x->d->away_until_ms;

    x->d->away_until_ms = UINT64_MAX;
    leave(x);
    x->d->away_until_ms = until;
}

static void side_after(meeting *m, side *x)
{
    if (crashvfs_is_dark(x->d->disk)) {
        sim_fault(m->s, FAULT_PAIR_KILLED);
        die(x);
    }
    if (x == &m->old)
        (void)keys_after(x->d, x->st);
    else
        (void)device_after_blank(x->d, x->st);
}

static void side_before(meeting *m, side *x)
{
    if (x == &m->old) {
        x->d->inflight = INFLIGHT_ANY; /* a sync is part of it */
        x->d->synced = false;
    }
    device_before(x->d);
}

static bool is_for_now(edn_status st)
{
    return st == EDN_E_NETWORK || st == EDN_E_RATE || st == EDN_E_BUSY || st == EDN_E_SERVER;
}

/* ---- beginning --------------------------------------------------------------------------------------------------- */

static bool fresh_begin(meeting *m, side *x)
{
    char name[48];
    edn_client_options o = device_options(x->d);
    edn_pair_link_options link = {.server = SIM_ORIGIN, .device_name = name, .strength = EDN_STRENGTH_FLOOR};
    edn_err err = {EDN_OK, ""};

    snprintf(name, sizeof name, SIM_CANARY " device %u", x->d->index);
    side_before(m, x);
    x->st = edn_pair_link(&o, &link, edn_bytes_str(x->d->passphrase), &x->p, &err);
    sim_note(m->s, "device %u wants in: %s %s", x->d->index, edn_status_name(x->st), err.text);
    if (m->s->calm && x->st != EDN_OK)
        sim_violation(m->s, "device %u: cannot ask to be let in: %s %s", x->d->index, edn_status_name(x->st), err.text);
    side_after(m, x);
    return x->p != NULL;
}

/* A wrong code is of the same place. */
static void misread(char code[32]) { code[13] = code[13] == '7' ? '8' : '7'; }

static bool old_begin(meeting *m, bool by_code)
{
    side *x = &m->old;
    const char *offer = edn_pair_offer(m->fresh.p);
    char code[32];
    edn_client_options o = device_options(x->d);
    edn_err err = {EDN_OK, ""};

    snprintf(code, sizeof code, "%s", edn_pair_code(m->fresh.p));
    if (m->wrong)
        misread(code);
    side_before(m, x);
    if ((x->st = edn_client_open(&o, &x->c, &err)) == EDN_OK &&
        (x->st = edn_client_unlock_session(x->c, x->d->session, &err)) == EDN_OK)
        x->st = edn_pair_approve(x->c, edn_bytes_str(by_code ? code : offer), NULL, &x->p, &err);
    sim_note(m->s, "device %u lets device %u in, by %s: %s %s", x->d->index, m->fresh.d->index,
             m->wrong  ? "a wrong code"
             : by_code ? "its code"
                       : "what it shows",
             edn_status_name(x->st), err.text);
    side_after(m, x);
    if (!x->p)
        leave(x);
    return x->p != NULL;
}

/* ---- the meeting ------------------------------------------------------------------------------------------------- */

static void side_step(meeting *m, side *x)
{
    edn_err err = {EDN_OK, ""};

    side_before(m, x);
    x->st = edn_pair_step(x->p, &x->at, &err);
    if (x->st != EDN_OK)
        sim_note(m->s, "device %u, in the meeting: %s %s", x->d->index, edn_status_name(x->st), err.text);
    if (m->s->calm && x->st != EDN_OK && !m->s->evils && !m->wrong)
        sim_violation(m->s, "device %u: the meeting fails though all is calm: %s %s", x->d->index,
                      edn_status_name(x->st), err.text);
    side_after(m, x);
    if (!x->p || x->st == EDN_OK || is_for_now(x->st))
        return;
    if (m->wrong && x == &m->fresh)
        m->burnt = true;
    else
        leave(x);
}

/* The people say what they see on both screens. */
static void people_compare(meeting *m)
{
    side *both[] = {&m->old, &m->fresh};
    bool same = strcmp(edn_pair_digits(m->old.p), edn_pair_digits(m->fresh.p)) == 0;
    edn_err err = {EDN_OK, ""};

    m->s->f.checks++;
    if (!same && !m->s->evils)
        sim_violation(m->s, "device %u: the digits differ and nobody is in between", m->fresh.d->index);
    if (m->wrong)
        sim_violation(m->s, "device %u: digits are shown after a wrong code", m->fresh.d->index);
    for (unsigned i = 0; i < 2; i++) {
        both[i]->st = edn_pair_compared(both[i]->p, same, &err);
        both[i]->at = EDN_PAIR_WAITING;
        if (both[i]->st != EDN_OK)
            leave(both[i]);
    }
}

static void perhaps_kill(meeting *m, side *x)
{
    if (!x->p || !sim_may(m->s, GROUP_PROCESS) || !sim_chance(&m->s->keeper.rng, 1, 80))
        return;
    sim_fault(m->s, FAULT_PAIR_KILLED);
    sim_note(m->s, "device %u: the process that meets is killed", x->d->index);
    die(x);
}

static void carry(meeting *m)
{
    sim *s = m->s;

    for (unsigned i = 0; i < STEPS && (m->old.p || m->fresh.p) && !m->burnt && !s->violations; i++) {
        side *x = sim_chance(&s->keeper.rng, 1, 2) ? &m->old : &m->fresh;
        s->now_ms += 500 + sim_below(&s->keeper.rng, 2000);
        if (m->stranger && m->stranger->p && sim_chance(&s->keeper.rng, 1, 2))
            side_step(m, m->stranger);
        if (x->p && x->at != EDN_PAIR_COMPARE && x->at != EDN_PAIR_DONE)
            side_step(m, x);
        if (m->old.p && m->fresh.p && m->old.at == EDN_PAIR_COMPARE && m->fresh.at == EDN_PAIR_COMPARE)
            people_compare(m);
        if (m->fresh.p && m->fresh.at == EDN_PAIR_DONE)
            break;
        perhaps_kill(m, x);
        keys_meanwhile(s);
    }
}

/* ---- what came of it --------------------------------------------------------------------------------------------- */

static void is_in(meeting *m)
{
    sim *s = m->s;
    device *d = m->fresh.d;

    sim_fault(s, FAULT_PAIRED);
    sim_note(s, "device %u is in", d->index);
    if (m->wrong)
        sim_violation(s, "device %u: is let in by a wrong code", d->index);
    keys_joined(d);
}

/* Its process is gone: what lies on its disk decides. */
static void settle(meeting *m)
{
    sim *s = m->s;
    device *d = m->fresh.d;
    edn_err err = {EDN_OK, ""};
    edn_status st = EDN_E_MISSING;

    if (m->fresh.p && m->fresh.at == EDN_PAIR_DONE && (d->c = edn_pair_take(m->fresh.p)) != NULL) {
        device_keep_session(d);
        st = EDN_OK;
    }
    leave(&m->fresh);
    leave(&m->old);
    if (!d->c)
        st = device_adopt(d, &err);
    if (st == EDN_OK) {
        is_in(m);
        return;
    }
    sim_fault(s, FAULT_PAIR_FAILED);
    if (st != EDN_E_MISSING)
        sim_violation(s, "device %u: is neither in nor out: %s %s", d->index, edn_status_name(st), err.text);
}

/* The code that was used wrongly, once more and rightly: whoever showed it goes on with nobody. */
static void try_burnt(meeting *m)
{
    edn_pair_state at;
    edn_err err;

    leave(&m->old);
    if (!m->burnt || !m->fresh.p || !m->old.d->c || m->s->violations)
        return;
    m->wrong = false;
    if (!old_begin(m, true))
        return;
    for (unsigned i = 0; i < 4; i++) {
        if (edn_pair_step(m->fresh.p, &at, &err) == EDN_OK)
            sim_violation(m->s, "device %u: a code that was used up is good again", m->fresh.d->index);
        if (edn_pair_step(m->old.p, &at, &err) == EDN_OK && at == EDN_PAIR_COMPARE)
            sim_violation(m->s, "device %u: takes a code that was used up", m->old.d->index);
    }
}

/* ---- somebody in the middle -------------------------------------------------------------------------------------- */

static void place_of(const side *x, uint8_t out[16]) { memcpy(out, x->p->secret->meeting.rendezvous.b, 16); }

/* He waits at another place with an offer of his own, and his server gives each the other's messages. */
static void stranger_begin(meeting *m, side *x)
{
    sim *s = m->s;
    keeper *k = &s->keeper;

    x->d = calloc(1, sizeof *x->d);
    if (!x->d)
        sim_stop("memory", "stranger");
    device_blank(s, x->d, SIM_DEVICES_MAX + SIM_GUESTS_MAX);
    if (!fresh_begin(m, x) || k->strangers_n == EDN_COUNT(k->strangers))
        return;
    k->strangers[k->strangers_n++] = edn_device_id_of(&x->p->secret->e.cert.sign, &x->p->secret->e.cert.enc);
    place_of(x, s->evil_place);
    place_of(&m->fresh, s->evil_victim_place);
    s->evil_swaps = true;
}

static void stranger_end(meeting *m, side *x)
{
    sim *s = m->s;
    edn_err err = {EDN_OK, ""};

    s->evils = 0;
    s->evil_swaps = false;
    if (!x->d)
        return;
    if (x->p && x->at == EDN_PAIR_DONE)
        sim_violation(s, "somebody who sat between two devices is let in");
    leave(x);
    if (device_adopt(x->d, &err) == EDN_OK)
        sim_violation(s, "somebody who sat between two devices has a diary");
    m->stranger = NULL;
    device_dispose(x->d);
    free(x->d);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

void pair_someone(sim *s)
{
    keeper *k = &s->keeper;
    device *old = keys_someone(s), *fresh = &s->devices[s->devices_n];
    side stranger = {.st = EDN_OK};
    meeting m = {.s = s};
    bool by_code = sim_chance(&k->rng, 1, 2), evil = !s->calm && sim_chance(&k->rng, 1, 5);

    if (!old || (s->devices_n == SIM_DEVICES_MAX && !k->blank))
        return;
    if (!k->blank)
        device_blank(s, fresh, s->devices_n);
    k->blank = true;
    m.old.d = old;
    m.fresh.d = fresh;
    m.wrong = by_code && !evil && !s->calm && sim_chance(&k->rng, 1, 6);
    if (m.wrong)
        sim_fault(s, FAULT_PAIR_CODE);
    if (fresh_begin(&m, &m.fresh)) {
        if (evil) {
            s->evils = EVIL_BIT(EVIL_MAIL);
            s->evil_only = -1;
            m.stranger = &stranger;
            if (sim_chance(&k->rng, 1, 2))
                stranger_begin(&m, &stranger);
        }
        if (old_begin(&m, by_code))
            carry(&m);
        if (m.wrong)
            try_burnt(&m);
    }
    stranger_end(&m, &stranger);
    settle(&m);
}
