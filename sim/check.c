/* The checks: what devices show, what their disks and wires carry and what the server holds, against the model and
 * against each other. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- what a device shows ----------------------------------------------------------------------------------------- */

void shown_dispose(shown *v)
{
    free(v->text);
    memset(v, 0, sizeof *v);
}

void shown_copy(shown *to, const shown *from)
{
    *to = *from;
    to->text = malloc((from->n + 1) * sizeof *to->text);
    if (!to->text)
        sim_stop("memory", "shown");
    if (from->n)
        memcpy(to->text, from->text, from->n * sizeof *to->text);
}

static void text_copy(char *out, size_t size, edn_bytes s)
{
    size_t n = EDN_MIN(s.n, size - 1);

    memcpy(out, s.n ? (const void *)s.p : "", n);
    out[n] = 0;
}

static int tag_compare(const void *a, const void *b) { return strcmp(a, b); }

static uint64_t digest_bytes(uint64_t h, edn_bytes b) { return sim_hash(sim_hash(h, &b.n, sizeof b.n), b.p, b.n); }

static edn_status take(void *ctx, const edn_entry *e)
{
    shown *v = ctx;
    char tags[16][40];
    size_t at = 0, n = EDN_MIN(e->tags_n, (size_t)16);
    uint64_t h = 1;

    wrap_pause(true);
    v->there = true;
    v->deleted = e->deleted;
    v->conflict = e->conflict;
    text_copy(v->title, sizeof v->title, e->title);
    text_copy(v->date, sizeof v->date, e->date);
    edn_hex_encode(v->journal, e->journal.b, 16);
    v->text = malloc((e->text.n + 1) * sizeof *v->text);
    if (!v->text)
        sim_stop("memory", "shown");
    while (at < e->text.n) {
        uint32_t c = edn_utf8_next(e->text, &at);
        if (c >= SIM_TOKEN_FIRST)
            v->text[v->n++] = c;
    }
    h = digest_bytes(digest_bytes(digest_bytes(h, e->text), e->title), e->date);
    h = sim_hash(h, e->journal.b, 16);
    h = sim_hash(h, &e->deleted, sizeof e->deleted);
    for (size_t i = 0; i < n; i++)
        text_copy(tags[i], sizeof tags[i], e->tags[i]);
    qsort(tags, n, sizeof tags[0], tag_compare);
    for (size_t i = 0; i < n; i++) {
        strcat(strcat(v->tags, tags[i]), ",");
        h = digest_bytes(h, edn_bytes_str(tags[i]));
    }
    for (size_t i = 0; i < e->fields_n; i++) {
        h = digest_bytes(digest_bytes(h, e->fields[i].name), e->fields[i].value);
        if (edn_bytes_equal(e->fields[i].name, edn_bytes_str("mood")))
            text_copy(v->mood, sizeof v->mood, e->fields[i].value);
    }
    v->digest = h;
    wrap_pause(false);
    return EDN_OK;
}

edn_status check_try_show(device *d, const edn_entry_id *id, shown *out, edn_err *err)
{
    memset(out, 0, sizeof *out);
    return edn_client_show(d->c, id, take, out, err);
}

edn_status check_show(device *d, const edn_entry_id *id, shown *out)
{
    edn_err err = {EDN_OK, ""};
    edn_status st = check_try_show(d, id, out, &err);

    if (st != EDN_OK && st != EDN_E_MISSING)
        sim_violation(d->s, "device %u: an entry cannot be shown: %s %s", d->index, edn_status_name(st), err.text);
    sim_trace(d->s, &out->digest, sizeof out->digest);
    return st;
}

/* ---- text against the model -------------------------------------------------------------------------------------- */

static bool before(const uint32_t *place, uint32_t a, uint32_t b)
{
    return place[a - SIM_TOKEN_FIRST] < place[b - SIM_TOKEN_FIRST];
}

/* Nothing out of the air, nothing twice, and each character between what stood beside it when it was typed. */
void check_text(sim *s, const shown *v, uint16_t entry, unsigned who)
{
    model *m = &s->model;
    uint32_t *place = calloc(m->tokens_n + 1, sizeof *place);

    if (!place)
        sim_stop("memory", "places");
    for (size_t i = 0; i < v->n; i++) {
        token *t = model_find(m, v->text[i]);
        if (!t || t->entry != entry)
            sim_violation(s, "device %u: entry %u shows a character that nobody wrote there", who, entry);
        else if (place[v->text[i] - SIM_TOKEN_FIRST] && !m->clones)
            sim_violation(s, "device %u: entry %u shows a character twice", who, entry);
        else
            place[v->text[i] - SIM_TOKEN_FIRST] = (uint32_t)i + 1;
    }
    for (size_t i = 0; i < v->n && !m->clones; i++) {
        const token *t = model_find(m, v->text[i]);
        if (!t)
            continue;
        if ((t->left && place[t->left - SIM_TOKEN_FIRST] && !before(place, t->left, v->text[i])) ||
            (t->right && place[t->right - SIM_TOKEN_FIRST] && !before(place, v->text[i], t->right)))
            sim_violation(s, "device %u: entry %u shows characters in an order in which nobody wrote them", who, entry);
    }
    s->f.checks += v->n;
    free(place);
}

/* What was shown before and is not any more must have been struck out by somebody. */
static void vanished_check(device *d, const shown *was, const shown *now, size_t entry)
{
    size_t k = 0;

    for (size_t i = 0; i < was->n; i++) {
        const token *t = model_find(&d->s->model, was->text[i]);
        size_t from = k;
        bool found = false;
        while (k < now->n && now->text[k] != was->text[i])
            k++;
        found = k < now->n;
        for (size_t j = 0; !found && j < from; j++) /* order is another check's business */
            found = now->text[j] == was->text[i];
        if (!found)
            k = from;
        if (!found && t && t->deleted == FACT_NOT && t->inserted == FACT_SURE) {
            sim_violation(d->s, "device %u: entry %zu lost a character that nobody struck out", d->index, entry);
            return;
        }
    }
}

void check_views(device *d, bool after_crash)
{
    sim *s = d->s;

    for (size_t i = 0; i < s->model.entries_n; i++) {
        shown now;
        edn_status st = check_show(d, &s->model.entries[i], &now);
        shown *was = &d->views[i];
        bool same = was->there == now.there && was->digest == now.digest;
        bool may = d->inflight == INFLIGHT_ANY || d->inflight == (int)i || !after_crash;
        s->f.checks++;
        if (after_crash && d->inflight == (int)i) { /* whoever asked for it settles it */
            shown_dispose(&now);
            continue;
        }
        if (st != EDN_OK && st != EDN_E_MISSING) {
            shown_dispose(&now);
            continue;
        }
        if (was->there && !now.there)
            sim_violation(s, "device %u: entry %zu is gone", d->index, i);
        if (!same && !may)
            sim_violation(s, "device %u: entry %zu is not what it was before the crash", d->index, i);
        if (!same && now.there) {
            vanished_check(d, was, &now, i);
            check_text(s, &now, (uint16_t)i, d->index);
        }
        if (s->solo && now.conflict)
            sim_violation(s, "device %u: one writer, and entry %zu shows a conflict", d->index, i);
        shown_dispose(was);
        *was = now;
    }
    if (d->inflight == INFLIGHT_NONE && ++d->looks % 4 == 0)
        check_search(d);
}

/* ---- the same batches, the same diary ---------------------------------------------------------------------------- */

static uint64_t view_digest(device *d)
{
    uint64_t h = 3;

    for (size_t i = 0; i < d->s->model.entries_n; i++)
        if (d->views[i].there)
            h = sim_hash(sim_hash(h, &i, sizeof i), &d->views[i].digest, sizeof(uint64_t));
    return h;
}

static bool status_of(device *d, edn_client_status *out)
{
    edn_err err = {EDN_OK, ""};
    edn_status st = edn_client_status_get(d->c, out, &err);

    if (st != EDN_OK)
        sim_violation(d->s, "device %u: no status: %s %s", d->index, edn_status_name(st), err.text);
    return st == EDN_OK;
}

static int head_compare(const void *a, const void *b)
{
    return memcmp(((const edn_head *)a)->device.b, ((const edn_head *)b)->device.b, 16);
}

/* The device's heads without hashes, ascending. */
static edn_head *heads_of(const edn_client_status *st, size_t *n)
{
    edn_head *p = calloc(st->heads_n + 1, sizeof *p);

    *n = 0;
    if (!p)
        sim_stop("memory", "heads");
    for (size_t i = 0; i < st->heads_n; i++) {
        if (st->heads[i].dseq == 0)
            continue;
        if (!edn_hex_decode(p[*n].device.b, 16, edn_bytes_str(st->heads[i].device)))
            sim_stop("status", "device id");
        p[(*n)++].dseq = st->heads[i].dseq;
    }
    qsort(p, *n, sizeof *p, head_compare);
    return p;
}

void check_state(device *d)
{
    sim *s = d->s;
    edn_client_status st;
    edn_head *heads;
    size_t n;
    uint64_t key = 5, view;

    if (s->model.clones || !status_of(d, &st))
        return;
    if (st.unsent || st.set_aside > d->evidence) {
        /* A shared journal whose own sync broke off between two answers may have heard whose a device is before it
         * heard whose the member key is: that waits for the next one, and the diary's sync is OK all the same. */
        bool broke_off = s->party.on && !d->synced;
        if (st.set_aside > d->evidence && !broke_off && s->honest && (s->calm_rounds > 2 || !s->srv.ever_restored))
            sim_violation(s, "device %u: %llu objects are set aside though nobody lied", d->index,
                          (unsigned long long)st.set_aside);
        return;
    }
    heads = heads_of(&st, &n);
    for (size_t i = 0; i < n; i++)
        key = sim_hash(sim_hash(key, heads[i].device.b, 16), &heads[i].dseq, 8);
    free(heads);
    view = view_digest(d);
    s->f.checks++;
    for (size_t i = 0; i < s->states_n; i++) {
        if (s->states[i].heads != key)
            continue;
        if (s->states[i].view != view)
            sim_violation(s, "device %u: holds the same batches as another and shows another diary", d->index);
        return;
    }
    if (s->states_n == s->states_cap) {
        s->states_cap = s->states_cap ? 2 * s->states_cap : 64;
        s->states = realloc(s->states, s->states_cap * sizeof *s->states);
        if (!s->states)
            sim_stop("memory", "states");
    }
    s->states[s->states_n++] = (struct seen_state){key, view};
}

/* ---- "synced" ---------------------------------------------------------------------------------------------------- */

static bool account_of(device *d, edn_account_id *out)
{
    edn_account_info info;
    edn_err err = {EDN_OK, ""};

    if (edn_client_account(d->c, &info, &err) != EDN_OK)
        return false;
    return edn_hex_decode(out->b, 32, edn_bytes_str(info.account));
}

static uint64_t dseq_of(const edn_head *p, size_t n, const edn_device_id *id)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(p[i].device.b, id->b, 16) == 0)
            return p[i].dseq;
    return 0;
}

void check_status_synced(device *d)
{
    edn_client_status st;

    if (status_of(d, &st) && !st.synced)
        sim_violation(d->s, "device %u: a sync says synced, and its status has no receipt for that", d->index);
}

/* Whether it was revoked: then the server may hold more of it than counts. */
static bool is_revoked(const edn_client_status *st, const edn_device_id *id)
{
    char hex[33];

    edn_hex_encode(hex, id->b, sizeof id->b);
    for (size_t i = 0; i < st->heads_n; i++)
        if (strcmp(st->heads[i].device, hex) == 0)
            return !st->heads[i].active;
    return false;
}

void check_synced(device *d)
{
    sim *s = d->s;
    edn_client_status st;
    edn_account_id account;
    edn_head *mine, *theirs = NULL;
    size_t n, theirs_n = 0;

    if (!s->srv.server || !status_of(d, &st) || !account_of(d, &account))
        return;
    if (st.unsent)
        sim_violation(s, "device %u: synced, with changes in no batch", d->index);
    mine = heads_of(&st, &n);
    if (!serve_heads(s, &account, &theirs, &theirs_n))
        sim_violation(s, "device %u: synced, and the server has no such account", d->index);
    for (size_t i = 0; i < n; i++)
        if (!is_revoked(&st, &mine[i].device) && dseq_of(theirs, theirs_n, &mine[i].device) < mine[i].dseq)
            sim_violation(s, "device %u: synced, and the server does not hold its batch %llu", d->index,
                          (unsigned long long)mine[i].dseq);
    for (size_t i = 0; i < theirs_n; i++)
        if (!is_revoked(&st, &theirs[i].device) && dseq_of(mine, n, &theirs[i].device) < theirs[i].dseq)
            sim_violation(s, "device %u: synced, and the server holds a batch that it has not", d->index);
    s->f.checks++;
    if (d->index < SIM_DEVICES_MAX) { /* the model knows of nobody else */
        model_covered(&s->model, (uint8_t)d->index);
        serve_promise(s, theirs, theirs_n);
    }
    free(d->receipt_heads);
    d->receipt_heads = mine;
    d->receipt_heads_n = n;
    d->told_rollback = false;
    free(theirs);
}

bool check_server_lost(device *d)
{
    sim *s = d->s;
    edn_account_id account;
    edn_head *theirs = NULL;
    size_t n = 0;
    bool lost = false;

    if (!d->receipt_heads_n || !s->srv.server || !account_of(d, &account))
        return false;
    if (!serve_heads(s, &account, &theirs, &n))
        n = 0;
    for (size_t i = 0; i < d->receipt_heads_n; i++)
        lost |= dseq_of(theirs, n, &d->receipt_heads[i].device) < d->receipt_heads[i].dseq;
    free(theirs);
    return lost;
}

void serve_promise(sim *s, const edn_head *heads, size_t n)
{
    edn_head *p = realloc(s->srv.promised, (n + 1) * sizeof *p);

    if (!p)
        sim_stop("memory", "promise");
    if (n)
        memcpy(p, heads, n * sizeof *p);
    s->srv.promised = p;
    s->srv.promised_n = n;
}

/* After a power cut at the server: what it has signed for is there. */
void serve_promises_check(sim *s)
{
    edn_account_id account;
    edn_head *theirs = NULL;
    size_t n = 0;

    if (!s->srv.promised_n || !s->account_known)
        return;
    account = s->account;
    if (!serve_heads(s, &account, &theirs, &n))
        n = 0;
    for (size_t i = 0; i < s->srv.promised_n; i++)
        if (dseq_of(theirs, n, &s->srv.promised[i].device) < s->srv.promised[i].dseq)
            sim_violation(s, "the server signed for a batch and lost it in a power cut");
    s->f.checks++;
    free(theirs);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static void facts_check(sim *s, device *d)
{
    model *m = &s->model;
    bool *there = calloc(m->tokens_n + 1, sizeof *there);

    if (!there)
        sim_stop("memory", "facts");
    for (size_t i = 0; i < m->entries_n; i++)
        for (size_t k = 0; k < d->views[i].n; k++)
            if (model_find(m, d->views[i].text[k]))
                there[d->views[i].text[k] - SIM_TOKEN_FIRST] = true;
    for (size_t i = 0; i < m->tokens_n; i++) {
        const token *t = &m->tokens[i];
        s->f.checks++;
        if (t->inserted == FACT_SURE && t->deleted == FACT_NOT && !there[i])
            sim_violation(s, "device %u: entry %u: a character typed on device %u is lost", d->index, t->entry,
                          t->author);
        if (t->deleted == FACT_SURE && there[i] && !m->clones)
            sim_violation(s, "device %u: entry %u: a character struck out is back", d->index, t->entry);
        if (t->inserted == FACT_NOT && there[i])
            sim_violation(s, "device %u: entry %u: a character is there whose insertion failed", d->index, t->entry);
    }
    free(there);
}

static const char *value_of(const shown *v, const char *name)
{
    return strcmp(name, "title") == 0  ? v->title
           : strcmp(name, "date") == 0 ? v->date
           : strcmp(name, "mood") == 0 ? v->mood
                                       : v->journal;
}

/* A field shows the last thing that some writer wrote; with one writer, the last thing that was written. */
static void field_check(sim *s, device *d, uint16_t entry, const char *name)
{
    const shown *v = &d->views[entry];
    const char *now = value_of(v, name), *last[SIM_DEVICES_MAX] = {0}, *newest = NULL;
    bool fits = false, unsure = false;

    for (size_t i = 0; i < s->model.writes_n; i++) {
        const write *w = &s->model.writes[i];
        if (w->entry != entry || strcmp(w->name, name) != 0)
            continue;
        unsure |= w->sure != FACT_SURE;
        last[w->author] = newest = w->value;
    }
    if (!newest || unsure || s->model.clones)
        return;
    if (s->solo && strcmp(now, newest) != 0)
        sim_violation(s, "device %u: entry %u: \"%s\" is not what was written last", d->index, entry, name);
    for (size_t i = 0; i < SIM_DEVICES_MAX; i++)
        fits |= last[i] && strcmp(last[i], now) == 0;
    if (!fits)
        sim_violation(s, "device %u: entry %u: \"%s\" shows what nobody wrote last", d->index, entry, name);
    s->f.checks++;
}

static void state_check(sim *s, device *d, uint16_t entry)
{
    bool removed = false, last = false, unsure = s->model.clones;

    for (size_t i = 0; i < s->model.writes_n; i++) {
        const write *w = &s->model.writes[i];
        if (w->entry != entry || strcmp(w->name, "!") != 0)
            continue;
        unsure |= w->sure != FACT_SURE;
        last = w->value[0] == '1';
        removed |= last;
    }
    if (unsure)
        return;
    if (d->views[entry].deleted && !removed)
        sim_violation(s, "device %u: entry %u is deleted, and nobody did that", d->index, entry);
    if (s->solo && d->views[entry].deleted != last)
        sim_violation(s, "device %u: entry %u: its deletion is not what was done last", d->index, entry);
}

/* What was typed beside a removal is not hidden by it: the entry says that there is a conflict. */
static void conflict_check(sim *s, device *d, uint16_t entry)
{
    const model *m = &s->model;
    bool unseen = false;

    if (m->clones || m->removals[entry] != 1 || m->undeleted[entry] || !d->views[entry].deleted ||
        d->views[entry].conflict)
        return;
    for (size_t i = 0; i < m->tokens_n; i++) {
        const token *t = &m->tokens[i];
        unseen |= t->entry == entry && t->unseen && t->inserted == FACT_SURE && t->deleted == FACT_NOT;
    }
    if (unseen)
        sim_violation(s, "device %u: entry %u: a removal hides what was typed beside it", d->index, entry);
    s->f.checks++;
}

static void tags_check(sim *s, device *d, uint16_t entry)
{
    for (unsigned k = 0; k < 5; k++) {
        char tag[40], in_list[48];
        int last[SIM_DEVICES_MAX] = {0}, newest = 0; /* 1 added, -1 removed */
        bool adds = false, removes = false, shows, unsure = s->model.clones;
        snprintf(tag, sizeof tag, SIM_CANARY "-%u", k);
        snprintf(in_list, sizeof in_list, "%s,", tag);
        for (size_t i = 0; i < s->model.writes_n; i++) {
            const write *w = &s->model.writes[i];
            if (w->entry != entry || w->name[0] != '#' || strcmp(w->value, tag) != 0)
                continue;
            unsure |= w->sure != FACT_SURE;
            last[w->author] = newest = w->name[1] ? -1 : 1;
        }
        shows = strstr(d->views[entry].tags, in_list) != NULL;
        for (size_t i = 0; i < SIM_DEVICES_MAX; i++) {
            adds |= last[i] > 0;
            removes |= last[i] < 0;
        }
        if (unsure)
            continue;
        if ((shows && !adds) || (!shows && adds && !removes) || (s->solo && shows != (newest > 0)))
            sim_violation(s, "device %u: entry %u: tag %u is not as it was left", d->index, entry, k);
    }
}

/* What is published of the index fits the diary, whatever happened on the way; a server that was set back may lack some
 * of it. */
static void wrong_part(void *ctx, const edn_finding *f)
{
    const device *d = ctx;

    if (f->status != EDN_E_WITHHELD)
        sim_violation(d->s, "device %u: the published index: %s", d->index, f->text);
}

void check_converged(sim *s)
{
    uint64_t first = 0;
    bool any = false;

    for (unsigned i = 0; i < s->devices_n; i++) {
        device *d = &s->devices[i];
        edn_verify_result v;
        edn_err err = {EDN_OK, ""};
        uint64_t view;
        if (!d->c)
            continue;
        check_views(d, true);
        check_search(d);
        if (d->split) /* it keeps what it had, and meets the others no more */
            continue;
        if (!d->synced)
            sim_violation(s, "device %u is not synced though all has been calm", i);
        view = view_digest(d);
        if (any && view != first)
            sim_violation(s, "device %u shows another diary than the others when all is calm", i);
        first = view;
        any = true;
        if (edn_client_verify(d->c, NULL, NULL, NULL, &v, &err) != EDN_OK || v.damaged)
            sim_violation(s, "device %u: verify finds %llu damaged: %s", i, (unsigned long long)v.damaged, err.text);
        (void)!edn_client_verify_published(d->c, wrong_part, d, NULL, &v, &err); /* a server may refuse */
        facts_check(s, d);
        for (uint16_t e = 0; e < s->model.entries_n; e++) {
            if (!d->views[e].there)
                continue;
            field_check(s, d, e, "title");
            field_check(s, d, e, "date");
            field_check(s, d, e, "mood");
            field_check(s, d, e, "@");
            state_check(s, d, e);
            conflict_check(s, d, e);
            tags_check(s, d, e);
        }
    }
}

/* ---- plaintext --------------------------------------------------------------------------------------------------- */

/* Four of our characters in a row: too regular for anything sealed. */
static bool has_tokens(edn_bytes b)
{
    for (size_t i = 0; i + 16 <= b.n; i++) {
        const uint8_t *p = b.p + i;
        bool all = p[0] >= 0xf0 && p[0] <= 0xf4;
        for (size_t k = 0; all && k < 4; k++)
            all = p[4 * k] == p[0] && p[4 * k + 1] == p[1] && (p[4 * k + 2] & 0xc0) == 0x80 &&
                  (p[4 * k + 3] & 0xc0) == 0x80;
        if (all)
            return true;
    }
    return false;
}

static bool has_plaintext(sim *s, edn_bytes b)
{
    s->f.bytes_watched += b.n;
    return (b.n && memmem(b.p, b.n, SIM_CANARY, sizeof SIM_CANARY - 1)) || has_tokens(b);
}

void check_wire(sim *s, const char *what, edn_bytes bytes)
{
    if (s->keeper.on && wrap_finds_key(bytes))
        sim_violation(s, "a key on the wire: %s", what);
    if (has_plaintext(s, bytes))
        sim_violation(s, "plaintext on the wire: %s", what);
}

void check_disk(void *ctx, const char *path, uint64_t at, edn_bytes bytes)
{
    sim *s = ctx;

    (void)at;
    if (s->keeper.on && strncmp(path, "/srv/", 5) == 0 && wrap_finds_key(bytes))
        sim_violation(s, "a key on the server's disk: %s", path);
    if (has_plaintext(ctx, bytes))
        sim_violation(ctx, "plaintext on a disk: %s", path);
}
