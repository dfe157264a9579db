/* A diarist: writes in bursts, comes back to the same page, strikes things out, sorts and tags, and now and then does
 * something rare. Every inserted character is a scalar of its own, so that what became of it can be told. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#define BURST_MAX 40u

typedef struct plan {
    device *d;
    change c;
    shown want; /* what the entry shows when it is done; there: false: nothing is expected */
    edn_buf text;
    write writes[8];
    uint32_t inserted[160], deleted[160];
    bool exact; /* the text is known character by character */
} plan;

static void text_put(edn_buf *b, uint32_t scalar)
{
    uint8_t utf8[4];
    edn_put_bytes(b, utf8, edn_utf8_put(utf8, scalar));
}

/* A write that was cut short would be looked for in vain. */
static void whole_copy(char *to, size_t size, const char *from)
{
    size_t n = strlen(from);

    EDN_ASSERT(n < size);
    memcpy(to, from, n + 1);
}

static void write_add(plan *p, const char *name, const char *value)
{
    write *w = &p->writes[p->c.writes_n++];

    *w = (write){.entry = p->c.entry, .author = p->c.author};
    whole_copy(w->name, sizeof w->name, name);
    whole_copy(w->value, sizeof w->value, value);
}

static void plan_init(plan *p, device *d, uint16_t entry)
{
    memset(p, 0, sizeof *p);
    p->d = d;
    p->c = (change){.entry = entry,
                    .author = (uint8_t)d->index,
                    .inserted = p->inserted,
                    .deleted = p->deleted,
                    .writes = p->writes};
    p->text = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    p->exact = true;
    shown_copy(&p->want, &d->views[entry]);
}

static void plan_dispose(plan *p)
{
    edn_buf_dispose(&p->text);
    shown_dispose(&p->want);
}

/* ---- typing ------------------------------------------------------------------------------------------------------ */

/* The text with `struck` characters from `from` on struck out, and then `burst` typed in at `at`. */
static void type_at(plan *p, size_t from, size_t struck, size_t at, size_t burst)
{
    sim *s = p->d->s;
    shown *w = &p->want;
    size_t n = w->n, to = EDN_MIN(n, from + struck), out = 0;
    uint32_t *text = malloc((n + burst + 1) * sizeof *text);

    if (!text)
        sim_stop("memory", "text");
    for (size_t i = from; i < to; i++)
        p->deleted[p->c.deleted_n++] = w->text[i];
    for (size_t i = 0; i < n; i++)
        if (i < from || i >= to)
            text[out++] = w->text[i];
    at = EDN_MIN(at, out);
    memmove(text + at + burst, text + at, (out - at) * sizeof *text);
    for (size_t i = 0; i < burst; i++) {
        uint32_t left = at + i ? text[at + i - 1] : 0;
        uint32_t right = at < out ? text[at + burst] : 0;
        text[at + i] = p->inserted[p->c.inserted_n++] = model_token(&s->model, p->c.entry, p->c.author, left, right);
    }
    free(w->text);
    w->text = text;
    w->n = out + burst;
    edn_put_str(&p->text, SIM_CANARY);
    for (size_t i = 0; i < w->n; i++)
        text_put(&p->text, text[i]);
}

/* One piece struck out, or none, and one burst typed in: often at the end. */
static void type_text(plan *p, bool strike)
{
    sim_rng *r = &p->d->s->plan;
    size_t n = p->want.n, from = sim_below(r, n + 1), burst = 1 + sim_below(r, BURST_MAX);
    size_t struck = strike ? sim_below(r, 8) : 0, left = n - (EDN_MIN(n, from + struck) - EDN_MIN(n, from));
    size_t at = sim_chance(r, 1, 3) ? left : sim_chance(r, 1, 3) ? 0 : sim_below(r, left + 1);

    type_at(p, from, struck, at, burst);
}

/* ---- carrying it out --------------------------------------------------------------------------------------------- */

static bool as_wanted(const plan *p, const shown *now)
{
    const shown *w = &p->want;

    return now->there && now->n == w->n &&
           (now->n == 0 || memcmp(now->text, w->text, now->n * sizeof *now->text) == 0) && now->deleted == w->deleted &&
           strcmp(now->title, w->title) == 0 && strcmp(now->date, w->date) == 0 && strcmp(now->mood, w->mood) == 0 &&
           strcmp(now->tags, w->tags) == 0 && strcmp(now->journal, w->journal) == 0;
}

/* What a call left behind: done, not done, and nothing else. */
static void settle(plan *p, edn_status st, bool crashed, const char *what)
{
    device *d = p->d;
    sim *s = d->s;
    const edn_entry_id *id = &s->model.entries[p->c.entry];
    shown now = {0};
    bool before;

    sim_note(s, "device %u: %s entry %u: %s%s", d->index, what, p->c.entry, edn_status_name(st),
             crashed ? ", and power went" : "");
    d->inflight = INFLIGHT_NONE;
    if (!d->c)
        return;
    if (check_show(d, id, &now) != EDN_OK)
        now.there = false;
    before = now.there == d->views[p->c.entry].there && now.digest == d->views[p->c.entry].digest;
    s->f.checks++;
    if (st == EDN_OK && !as_wanted(p, &now))
        sim_violation(s, "device %u: %s entry %u was acknowledged and is not there%s", d->index, what, p->c.entry,
                      crashed ? " after the crash" : "");
    else if (st != EDN_OK && !before && !(crashed && as_wanted(p, &now)))
        sim_violation(s, "device %u: %s entry %u failed (%s) and left something else", d->index, what, p->c.entry,
                      edn_status_name(st));
    if (st != EDN_OK && !crashed && d->armed == FAULT_KINDS)
        sim_violation(s, "device %u: %s entry %u fails without a reason: %s", d->index, what, p->c.entry,
                      edn_status_name(st));
    if (st == EDN_OK || !before) {
        model_done(&s->model, &p->c);
        if (p->c.writes_n && p->writes[0].name[0] == '!')
            model_removed(&s->model, p->c.entry, p->want.deleted, p->want.text, p->want.n);
        d->synced = false;
    }
    check_text(s, &now, p->c.entry, d->index);
    shown_dispose(&d->views[p->c.entry]);
    d->views[p->c.entry] = now;
}

static void tags_put(shown *v, const char *tag, bool add)
{
    char out[sizeof v->tags] = "", *save = NULL, copy[sizeof v->tags];
    bool put = !add;

    snprintf(copy, sizeof copy, "%s", v->tags);
    for (char *t = strtok_r(copy, ",", &save); t; t = strtok_r(NULL, ",", &save)) {
        if (!put && strcmp(tag, t) <= 0) {
            strcat(strcat(out, tag), ",");
            put = true;
        }
        if (strcmp(tag, t) != 0)
            strcat(strcat(out, t), ",");
    }
    if (!put)
        strcat(strcat(out, tag), ",");
    memcpy(v->tags, out, sizeof out);
}

void people_add(device *d)
{
    sim *s = d->s;
    sim_rng *r = &s->plan;
    plan p;
    uint16_t entry = (uint16_t)s->model.entries_n;
    char title[64], tag[40];
    edn_bytes tags[1];
    edn_field field = {edn_bytes_str("mood"), edn_bytes_str(SIM_CANARY " calm")};
    edn_draft draft = {.tags = tags, .fields = &field};
    edn_err err = {EDN_OK, ""};
    edn_entry_id *id = &s->model.entries[entry];
    edn_status st;
    bool crashed;

    if (s->model.entries_n == SIM_ENTRIES_MAX)
        return;
    plan_init(&p, d, entry);
    s->model.entries_n++;
    s->f.entries++;
    memset(id, 0, sizeof *id);
    type_text(&p, false);
    snprintf(title, sizeof title, SIM_CANARY " title %u", entry);
    snprintf(tag, sizeof tag, SIM_CANARY "-%u", (unsigned)sim_below(r, 5));
    snprintf(p.want.date, sizeof p.want.date, "2026-%02u-%02u", 1 + (unsigned)sim_below(r, 12),
             1 + (unsigned)sim_below(r, 28));
    p.want.there = true;
    snprintf(p.want.title, sizeof p.want.title, "%s", title);
    write_add(&p, "title", title);
    write_add(&p, "date", p.want.date);
    edn_hex_encode(p.want.journal, s->journals[0].b, 16);
    write_add(&p, "@", p.want.journal);
    tags[0] = edn_bytes_str(tag);
    if (sim_chance(r, 1, 2)) {
        draft.tags_n = 1;
        tags_put(&p.want, tag, true);
        write_add(&p, "#", tag);
    }
    if (sim_chance(r, 1, 2)) {
        draft.fields_n = 1;
        snprintf(p.want.mood, sizeof p.want.mood, SIM_CANARY " calm");
        write_add(&p, "mood", p.want.mood);
    }
    draft.date = edn_bytes_str(p.want.date);
    draft.title = edn_bytes_str(title);
    draft.text = edn_buf_view(&p.text);
    d->inflight = (int)entry;
    device_before(d);
    st = edn_client_add(d->c, &draft, id, &err); /* the id is drawn before anything is written */
    crashed = device_after(d, st);
    settle(&p, st, crashed, "add");
    plan_dispose(&p);
}

/* Carries the plan for an entry's text out. */
static void edit_do(device *d, uint16_t entry, plan *p)
{
    edn_err err = {EDN_OK, ""};
    edn_status st;
    bool crashed;

    d->inflight = entry;
    device_before(d);
    st = edn_client_edit(d->c, &d->s->model.entries[entry], EDN_BYTES_EMPTY, edn_buf_view(&p->text), &err);
    crashed = device_after(d, st);
    settle(p, st, crashed, "edit");
    plan_dispose(p);
}

void people_edit(device *d, uint16_t entry)
{
    plan p;

    plan_init(&p, d, entry);
    type_text(&p, sim_chance(&d->s->plan, 1, 2));
    edit_do(d, entry, &p);
}

void people_type(device *d, uint16_t entry, size_t at, size_t deleted, size_t inserted)
{
    plan p;

    plan_init(&p, d, entry);
    at = EDN_MIN(at, p.want.n);
    type_at(&p, at, EDN_MIN(deleted, EDN_COUNT(p.deleted)), at, EDN_MIN(inserted, EDN_COUNT(p.inserted)));
    edit_do(d, entry, &p);
}

static void act_set(device *d, uint16_t entry)
{
    static const char *const names[] = {"title", "date", "mood"};
    sim *s = d->s;
    plan p;
    size_t k = sim_below(&s->plan, 3);
    char value[40];
    edn_err err = {EDN_OK, ""};
    edn_status st;
    bool crashed;

    plan_init(&p, d, entry);
    if (k == 1)
        snprintf(value, sizeof value, "2025-%02u-%02u", 1 + (unsigned)sim_below(&s->plan, 12),
                 1 + (unsigned)sim_below(&s->plan, 28));
    else
        snprintf(value, sizeof value, SIM_CANARY " %llu", (unsigned long long)sim_below(&s->plan, 100000));
    snprintf(k == 0 ? p.want.title : k == 1 ? p.want.date : p.want.mood, k == 1 ? 16 : 64, "%s", value);
    write_add(&p, names[k], value);
    d->inflight = entry;
    device_before(d);
    st = edn_client_set(d->c, &s->model.entries[entry], edn_bytes_str(names[k]), edn_bytes_str(value), &err);
    crashed = device_after(d, st);
    settle(&p, st, crashed, "set");
    plan_dispose(&p);
}

static void act_tag(device *d, uint16_t entry)
{
    sim *s = d->s;
    plan p;
    char tag[40];
    bool add = sim_chance(&s->plan, 2, 3), crashed;
    edn_err err = {EDN_OK, ""};
    edn_status st;

    plan_init(&p, d, entry);
    snprintf(tag, sizeof tag, SIM_CANARY "-%u", (unsigned)sim_below(&s->plan, 5));
    tags_put(&p.want, tag, add);
    write_add(&p, add ? "#" : "#-", tag);
    d->inflight = entry;
    device_before(d);
    st = edn_client_tag(d->c, &s->model.entries[entry], edn_bytes_str(tag), add, &err);
    crashed = device_after(d, st);
    settle(&p, st, crashed, "tag");
    plan_dispose(&p);
}

static void act_remove(device *d, uint16_t entry, bool remove)
{
    sim *s = d->s;
    plan p;
    edn_err err = {EDN_OK, ""};
    edn_status st;
    bool crashed;

    plan_init(&p, d, entry);
    p.want.deleted = remove;
    write_add(&p, "!", remove ? "1" : "0");
    d->inflight = entry;
    device_before(d);
    st = remove ? edn_client_remove(d->c, &s->model.entries[entry], &err)
                : edn_client_undelete(d->c, &s->model.entries[entry], &err);
    crashed = device_after(d, st);
    settle(&p, st, crashed, remove ? "remove" : "undelete");
    plan_dispose(&p);
}

static void act_move(device *d, uint16_t entry)
{
    sim *s = d->s;
    plan p;
    const edn_journal_id *to = &s->journals[sim_below(&s->plan, s->journals_n)];
    edn_err err = {EDN_OK, ""};
    edn_status st;
    bool crashed;

    plan_init(&p, d, entry);
    edn_hex_encode(p.want.journal, to->b, 16);
    write_add(&p, "@", p.want.journal);
    d->inflight = entry;
    device_before(d);
    st = edn_client_move(d->c, &s->model.entries[entry], to, &err);
    crashed = device_after(d, st);
    settle(&p, st, crashed, "move");
    plan_dispose(&p);
}

static void act_journal(device *d)
{
    sim *s = d->s;
    char name[64];
    edn_err err = {EDN_OK, ""};
    edn_status st;

    snprintf(name, sizeof name, SIM_CANARY " journal %u", (unsigned)sim_below(&s->plan, 1000));
    device_before(d);
    if (s->journals_n < EDN_COUNT(s->journals) && sim_chance(&s->plan, 1, 2)) {
        st = edn_client_journal_new(d->c, edn_bytes_str(name), &s->journals[s->journals_n], &err);
        if (st == EDN_OK)
            s->journals_n++;
        else if (st == EDN_E_EXISTS)
            st = EDN_OK; /* the dice gave a name twice */
    } else {
        st = edn_client_journal_rename(d->c, &s->journals[sim_below(&s->plan, s->journals_n)], edn_bytes_str(name),
                                       &err);
        if (st == EDN_E_MISSING)
            st = EDN_OK; /* made on another device, not here yet */
    }
    if (st != EDN_OK && d->armed == FAULT_KINDS)
        sim_violation(s, "device %u: journal fails without a reason: %s", d->index, edn_status_name(st));
    d->synced = false;
    (void)device_after(d, st); /* journals are no part of the model */
}

/* ---- choosing ---------------------------------------------------------------------------------------------------- */

/* An entry that this device shows and that is not deleted; -1: none. Often the newest: that is where people write. */
static int entry_choose(device *d, bool deleted)
{
    sim *s = d->s;
    size_t n = s->model.entries_n;

    for (unsigned i = 0; n && i < 12; i++) {
        size_t e = sim_chance(&s->plan, 1, 2) ? n - 1 - sim_below(&s->plan, EDN_MIN(n, (size_t)2))
                                              : sim_below(&s->plan, n);
        if (d->views[e].there && d->views[e].deleted == deleted && !d->views[e].conflict)
            return (int)e;
    }
    return -1;
}

int people_choose(device *d) { return entry_choose(d, false); }

void people_act(device *d)
{
    sim *s = d->s;
    uint64_t k = sim_below(&s->plan, 100);
    int e = entry_choose(d, false), deleted;

    if (e < 0 || k < 12 || s->model.entries_n < 2)
        people_add(d);
    else if (k < 70)
        people_edit(d, (uint16_t)e);
    else if (k < 80)
        act_set(d, (uint16_t)e);
    else if (k < 88)
        act_tag(d, (uint16_t)e);
    else if (k < 92)
        act_move(d, (uint16_t)e);
    else if (k < 95)
        act_remove(d, (uint16_t)e, true);
    else if (k < 98 && (deleted = entry_choose(d, true)) >= 0)
        act_remove(d, (uint16_t)deleted, false);
    else
        act_journal(d);
}
