/* Two people and a journal of both, in some seeds: they become contacts, one lets the other in, both write, and in some
 * the other is taken out again. What fails for a fault is tried again later. Each written character is a scalar of its
 * own, so that what became of it can be told. */
#include "sim.h"

#include <edn/sharing.h>
#include <stdio.h>
#include <stdlib.h>

#define GUEST_NAME "tess"
#define TRIP SIM_CANARY " trip"
#define BURST 5u

/* How far they have come. The next thing is done on the first device of who has to do it. */
enum { AT_SAM_ADDS, AT_TESS_ADDS, AT_SAM_VERIFIES, AT_TESS_VERIFIES, AT_SHARE, AT_ACCEPT, AT_WRITE, AT_OUT };

void share_choose(sim *s)
{
    party *p = &s->party;
    uint64_t apart = 1ull << GROUP_EVIL | 1ull << GROUP_CLONE | 1ull << GROUP_RESTORE;

    p->rng = sim_rng_of(s->o.seed, "share");
    if (s->story != STORY_NONE || !sim_chance(&p->rng, 1, 5))
        return;
    p->on = true;
    p->takes_out = sim_chance(&p->rng, 1, 2);
    p->guests_n = 1 + (unsigned)sim_below(&p->rng, SIM_GUESTS_MAX);
    s->o.mask &= ~apart; /* what those lose would excuse everything */
    s->devices_n = EDN_MIN(s->devices_n, 2u);
    sim_note(s, "a second person, with %u devices", p->guests_n);
}

void share_begin(sim *s)
{
    party *p = &s->party;
    edn_draft draft = {.date = edn_bytes_str("2026-01-01"), .text = edn_bytes_str(SIM_CANARY " mine alone")};
    edn_err err = {EDN_OK, ""};

    if (!p->on)
        return;
    for (unsigned i = 0; i < p->guests_n; i++)
        device_make(s, &p->guests[i], SIM_DEVICES_MAX + i, GUEST_NAME, p->key, i == 0);
    if (edn_client_add(p->guests[0].c, &draft, &p->own, &err) != EDN_OK)
        sim_stop("share", err.text);
}

void share_dispose(sim *s)
{
    for (unsigned i = 0; i < s->party.guests_n; i++)
        device_dispose(&s->party.guests[i]);
    s->party.guests_n = 0;
}

static bool is_guest(const device *d) { return d->index >= SIM_DEVICES_MAX; }

/* ---- from strangers to writers of one journal -------------------------------------------------------------------- */

static edn_status keep_number(void *ctx, const edn_contact *k)
{
    snprintf(ctx, 64, "%s", k->number);
    return EDN_OK;
}

static edn_status add_contact(device *d, const char *who, char number[64], edn_err *err)
{
    edn_status st = edn_client_contact_add(d->c, who, NULL, NULL, keep_number, number, err);

    return st == EDN_E_EXISTS ? edn_client_contacts(d->c, keep_number, number, err) : st;
}

/* Tried again after an answer that was lost, it is there already. */
static edn_status share_journal(device *d, edn_err *err)
{
    edn_journal_id j;
    edn_status st = edn_client_journal_find(d->c, TRIP, &j, err);

    if (st == EDN_E_MISSING)
        st = edn_client_journal_new(d->c, edn_bytes_str(TRIP), &j, err);
    if (st == EDN_OK)
        st = edn_client_journal_share(d->c, &j, GUEST_NAME, EDN_MEMBER_WRITE, false, err);
    return st == EDN_E_EXISTS ? EDN_OK : st;
}

static edn_status accept_journal(device *d, edn_err *err)
{
    edn_journal_id j;
    edn_status st = edn_client_invitation_accept(d->c, TRIP, false, err);

    return st == EDN_E_MISSING ? edn_client_journal_find(d->c, TRIP, &j, err) : st;
}

static edn_status take_out(device *d, edn_err *err)
{
    edn_journal_id j;
    edn_status st = edn_client_journal_find(d->c, TRIP, &j, err);

    if (st != EDN_OK)
        return st;
    st = edn_client_journal_unshare(d->c, &j, GUEST_NAME, err);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

static edn_status carry_out(sim *s, device *sam, device *tess, edn_err *err)
{
    party *p = &s->party;

    switch (p->at) {
    case AT_SAM_ADDS:
        return add_contact(sam, GUEST_NAME, p->numbers[0], err);
    case AT_TESS_ADDS:
        return add_contact(tess, SIM_NAME, p->numbers[1], err);
    case AT_SAM_VERIFIES:
        return edn_client_contact_verify(sam->c, GUEST_NAME, p->numbers[1], err);
    case AT_TESS_VERIFIES:
        return edn_client_contact_verify(tess->c, SIM_NAME, p->numbers[0], err);
    case AT_SHARE:
        return share_journal(sam, err);
    case AT_ACCEPT:
        return accept_journal(tess, err);
    default:
        return take_out(sam, err);
    }
}

/* What the second person wrote and the first has not seen when it takes the other out need never reach it. */
static void forget_unseen(sim *s)
{
    party *p = &s->party;

    for (size_t i = 0; i < p->marks_n; i++)
        p->marks[i].sure &= !p->marks[i].guest;
    p->out_tried = true;
    for (size_t e = 0; e < p->entries_n; e++) {
        shown now = {0};
        (void)check_show(&s->devices[0], &p->entries[e], &now);
        for (size_t k = 0; k < now.n; k++)
            if (now.text[k] >= SIM_MARK_FIRST && now.text[k] - SIM_MARK_FIRST < p->marks_n)
                p->marks[now.text[k] - SIM_MARK_FIRST].sure = true;
        shown_dispose(&now);
    }
}

static bool is_done(const party *p) { return p->at == (p->takes_out ? AT_OUT : AT_WRITE); }

/* The next thing between the two. False: it is to be tried again. */
static bool proceed(sim *s)
{
    static const char *const texts[] = {
        "one adds",   "the other adds",    "one verifies",           "the other verifies",
        "one shares", "the other accepts", "one takes the other out"};
    party *p = &s->party;
    bool guest = p->at == AT_TESS_ADDS || p->at == AT_TESS_VERIFIES || p->at == AT_ACCEPT;
    device *sam = &s->devices[0], *tess = &p->guests[0], *d = guest ? tess : sam;
    edn_err err = {EDN_OK, ""};
    edn_status st;
    bool crashed;

    if (!d->c)
        return false;
    if (p->at == AT_WRITE && !p->out_tried)
        forget_unseen(s);
    d->inflight = INFLIGHT_ANY; /* a sync may be part of it */
    d->synced = false;
    device_before(d);
    st = carry_out(s, sam, tess, &err);
    sim_note(s, "device %u: %s: %s %s", d->index, texts[p->at], edn_status_name(st), st == EDN_OK ? "" : err.text);
    crashed = device_after(d, st);
    d->inflight = INFLIGHT_NONE;
    if (d->c && !crashed)
        check_views(d, false);
    if (st == EDN_OK)
        p->at++;
    else if (s->calm && p->at != AT_ACCEPT)
        sim_violation(s, "device %u: %s, and fails without a reason: %s %s", d->index, texts[p->at],
                      edn_status_name(st), err.text);
    return st == EDN_OK;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* The entry's text with some new characters at one place. */
static void text_make(party *p, const shown *was, size_t entry, bool guest, edn_buf *out)
{
    size_t at = sim_below(&p->rng, was->n + 1);

    edn_put_str(out, SIM_CANARY);
    for (size_t i = 0; i <= was->n; i++) {
        uint8_t utf8[4];
        for (size_t k = 0; i == at && k < BURST; k++) {
            edn_put_bytes(out, utf8, edn_utf8_put(utf8, SIM_MARK_FIRST + (uint32_t)p->marks_n));
            p->marks[p->marks_n++] = (struct mark){.entry = (uint8_t)entry, .guest = guest};
        }
        if (i < was->n)
            edn_put_bytes(out, utf8, edn_utf8_put(utf8, was->text[i]));
    }
}

/* How many of the marks from `from` on the text has. */
static size_t marks_in(const shown *v, size_t from, size_t n)
{
    size_t found = 0;

    for (size_t i = 0; i < v->n; i++)
        found += v->text[i] >= SIM_MARK_FIRST + from && v->text[i] < SIM_MARK_FIRST + from + n;
    return found;
}

/* Behind the call: what it said is so. */
static void settle(device *d, size_t entry, size_t from, edn_status st, bool crashed)
{
    sim *s = d->s;
    party *p = &s->party;
    shown now = {0};
    size_t found;

    if (!d->c)
        return;
    (void)check_show(d, &p->entries[entry], &now);
    found = marks_in(&now, from, BURST);
    s->f.checks++;
    if (found != 0 && found != BURST)
        sim_violation(s, "device %u: shared entry %zu: a write is there in part", d->index, entry);
    if (st == EDN_OK && found != BURST)
        sim_violation(s, "device %u: shared entry %zu was acknowledged and is not there", d->index, entry);
    if (st != EDN_OK && found && !crashed)
        sim_violation(s, "device %u: shared entry %zu failed (%s) and left something", d->index, entry,
                      edn_status_name(st));
    for (size_t i = from; i < from + BURST; i++) {
        p->marks[i].sure = found == BURST && !(is_guest(d) && p->out_tried);
        p->marks[i].after = found == BURST && p->at == AT_OUT && d->index == 0; /* it knows of the removal */
    }
    shown_dispose(&now);
}

static void write_shared(device *d)
{
    sim *s = d->s;
    party *p = &s->party;
    edn_journal_id j;
    edn_draft draft = {.date = edn_bytes_str("2026-02-02"), .journal = &j};
    edn_buf text = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_err err = {EDN_OK, ""};
    size_t entry = sim_below(&p->rng, p->entries_n + 1), from = p->marks_n;
    shown was = {0};
    bool add, crashed;
    edn_status st;

    if (edn_client_journal_find(d->c, TRIP, &j, &err) != EDN_OK || from + BURST > SIM_SHARED_MARKS_MAX)
        return;
    if (entry < p->entries_n)
        (void)check_show(d, &p->entries[entry], &was);
    add = !was.there;
    if (add && p->entries_n == SIM_SHARED_ENTRIES_MAX)
        return;
    if (add)
        entry = p->entries_n;
    text_make(p, &was, entry, is_guest(d), &text);
    draft.text = edn_buf_view(&text);
    d->synced = false;
    device_before(d);
    st = add ? edn_client_add(d->c, &draft, &p->entries[p->entries_n++], &err)
             : edn_client_edit(d->c, &p->entries[entry], EDN_BYTES_EMPTY, edn_buf_view(&text), &err);
    crashed = device_after(d, st);
    sim_note(s, "device %u: shared entry %zu: %s%s", d->index, entry, edn_status_name(st),
             crashed ? ", and power went" : "");
    settle(d, entry, from, st, crashed);
    edn_buf_dispose(&text);
    shown_dispose(&was);
}

/* ---- days -------------------------------------------------------------------------------------------------------- */

/* Who was taken out is told so by the server: what its syncs say then is no business of ours. */
static void sync_guest(device *d)
{
    edn_sync_result r;
    edn_err err = {EDN_OK, ""};
    edn_status st;

    if (!d->s->party.out_tried) {
        (void)device_sync(d);
        return;
    }
    d->inflight = INFLIGHT_ANY;
    device_before(d);
    st = edn_client_sync(d->c, NULL, &r, &err);
    sim_note(d->s, "device %u: sync of who was taken out: %s", d->index, edn_status_name(st));
    (void)device_after(d, st);
    d->inflight = INFLIGHT_NONE;
}

void share_step(sim *s)
{
    party *p = &s->party;
    unsigned who;
    device *d;

    if (!p->on || s->violations)
        return;
    who = (unsigned)sim_below(&p->rng, s->devices_n + p->guests_n);
    d = who < s->devices_n ? &s->devices[who] : &p->guests[who - s->devices_n];
    if (is_guest(d) && d->c)
        device_upset(d);
    if (p->at < AT_WRITE || (p->at == AT_WRITE && p->takes_out && p->marks_n > 12 * BURST))
        (void)proceed(s);
    else if (d->c)
        write_shared(d);
    if (is_guest(d) && d->c && sim_chance(&p->rng, 2, 3))
        sync_guest(d);
}

void share_sync(sim *s)
{
    for (unsigned i = 0; i < s->party.guests_n; i++)
        if (s->party.guests[i].c) {
            s->now_ms += SIM_HOUR_MS;
            sync_guest(&s->party.guests[i]);
        }
}

void share_calm(sim *s)
{
    party *p = &s->party;

    if (!p->on)
        return;
    for (unsigned i = 0; i < p->guests_n; i++) {
        device *d = &p->guests[i];
        d->away_until_ms = 0;
        d->replay_path[0] = 0;
        d->clock.still = d->clock.backwards = false;
    }
    for (unsigned i = 0; i < 2 * AT_OUT && !is_done(p) && !s->violations; i++) {
        s->now_ms += SIM_HOUR_MS;
        share_sync(s); /* an invitation whose acceptance was interrupted comes in by a sync */
        if (p->at == AT_WRITE && s->devices[0].c)
            write_shared(&s->devices[0]);
        (void)proceed(s);
    }
    if (s->devices[0].c && !s->violations)
        write_shared(&s->devices[0]); /* often behind the removal */
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* All that is sure is there; all devices of who is in show the same. */
static void check_in(sim *s, device *d, uint64_t *digest)
{
    party *p = &s->party;
    uint64_t h = 7;
    size_t sure[SIM_SHARED_ENTRIES_MAX] = {0};

    for (size_t i = 0; i < p->marks_n; i++)
        sure[p->marks[i].entry] += p->marks[i].sure;
    for (size_t e = 0; e < p->entries_n; e++) {
        shown now = {0};
        size_t have = 0;
        (void)check_show(d, &p->entries[e], &now);
        for (size_t k = 0; k < now.n; k++)
            have += now.text[k] - SIM_MARK_FIRST < p->marks_n && p->marks[now.text[k] - SIM_MARK_FIRST].sure;
        if (have != sure[e])
            sim_violation(s, "device %u: shared entry %zu has %zu of %zu characters that were acknowledged", d->index,
                          e, have, sure[e]);
        h = sim_hash(sim_hash(h, &now.there, sizeof now.there), &now.digest, sizeof now.digest);
        s->f.checks++;
        shown_dispose(&now);
    }
    if (*digest && *digest != h)
        sim_violation(s, "device %u shows another shared journal than the others when all is calm", d->index);
    *digest = h;
}

static void check_out(sim *s, device *d)
{
    party *p = &s->party;

    for (size_t e = 0; e < p->entries_n; e++) {
        shown now = {0};
        (void)check_show(d, &p->entries[e], &now);
        for (size_t k = 0; k < now.n; k++)
            if (now.text[k] - SIM_MARK_FIRST < p->marks_n && p->marks[now.text[k] - SIM_MARK_FIRST].after)
                sim_violation(s, "device %u: was taken out, and shows what was written afterwards", d->index);
        s->f.checks++;
        shown_dispose(&now);
    }
}

static void check_private(sim *s, device *d, const edn_entry_id *id)
{
    shown now = {0};

    if (check_show(d, id, &now) != EDN_E_MISSING)
        sim_violation(s, "device %u shows a private entry of another person's", d->index);
    s->f.checks++;
    shown_dispose(&now);
}

void share_check(sim *s)
{
    party *p = &s->party;
    uint64_t digest = 0;

    if (!p->on)
        return;
    if (!is_done(p))
        sim_violation(s, "the two have no journal together though all is calm");
    if (strcmp(p->numbers[0], p->numbers[1]) != 0)
        sim_violation(s, "the two see different numbers");
    for (unsigned i = 0; i < s->devices_n; i++)
        if (s->devices[i].c) {
            check_in(s, &s->devices[i], &digest);
            check_private(s, &s->devices[i], &p->own);
        }
    for (unsigned i = 0; i < p->guests_n; i++) {
        device *d = &p->guests[i];
        if (!d->c)
            continue;
        if (p->at == AT_OUT)
            check_out(s, d);
        else
            check_in(s, d, &digest);
        for (size_t e = 0; e < s->model.entries_n; e++)
            check_private(s, d, &s->model.entries[e]);
    }
}
