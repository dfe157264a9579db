/* Commands about the server and the state of things: sync, status, verify. What is said is what is known: no word of
 * "synced" without a receipt that covers exactly the present state. */
#include "cli/cli_priv.h"

#include <stdlib.h>

#include "cli/json.h"
#include "cli/signals.h"
#include "cli/text.h"

/* ---- findings ---------------------------------------------------------------------------------------------------- */

/* Findings of one call: told at once to a person, kept for JSON. */
typedef struct found {
    edn_cli *c;
    edn_cli_progress *progress; /* whose line must not stand in between */
    edn_finding *p;
    size_t n, cap;
    uint64_t told;
} found;

static void found_one(void *ctx, const edn_finding *finding)
{
    found *f = ctx;

    f->told++;
    if (edn_array_room(&f->p, &f->cap, f->n + 1, sizeof *f->p))
        f->p[f->n++] = *finding;
    if (f->progress)
        edn_cli_progress_clear(f->progress);
    edn_cli_put_finding(f->c, finding);
}

static void found_dispose(found *f) { free(f->p); }

/* A finding is no failure of the call, but the exit code tells it. */
static edn_status found_status(found *f)
{
    if (f->told == 0)
        return EDN_OK;
    f->c->err.text[0] = 0; /* each was said already */
    return EDN_E_AUTH;
}

/* ---- sync -------------------------------------------------------------------------------------------------------- */

static edn_status put_sync_json(edn_cli *c, const edn_sync_result *r, uint64_t receipt_ms, const found *f)
{
    edn_status st;

    edn_json_open(&c->buf, NULL, '{');
    edn_json_bool(&c->buf, "synced", r->synced);
    edn_json_number(&c->buf, "batches_sent", r->batches_sent);
    edn_json_number(&c->buf, "batches_received", r->batches_received);
    edn_json_number(&c->buf, "records_received", r->records_received);
    edn_json_number(&c->buf, "refilled", r->refilled);
    edn_json_number(&c->buf, "entries_changed", r->entries_changed);
    edn_json_number(&c->buf, "conflicts", r->conflicts);
    edn_json_number(&c->buf, "set_aside", r->set_aside);
    edn_json_number(&c->buf, "round_trips", r->round_trips);
    edn_json_number(&c->buf, "bytes_sent", r->bytes_sent);
    edn_json_number(&c->buf, "bytes_received", r->bytes_received);
    edn_json_time(&c->buf, "receipt", receipt_ms);
    edn_cli_put_findings_json(&c->buf, f->p, f->n);
    edn_cli_put_recovery_json(c);
    st = edn_cli_news_json(c);
    edn_json_close(&c->buf, '}');
    edn_put_u8(&c->buf, '\n');
    return st;
}

/* "a, b, c": a comma from the second on. */
static void part_put(edn_buf *out, bool *first, const char *before, uint64_t n, const char *one, const char *many)
{
    char text[64];

    if (n == 0)
        return;
    edn_cli_putf(out, "%s%s%s", *first ? "" : ", ", before, edn_cli_count(text, n, one, many));
    *first = false;
}

static void put_sync_words(edn_cli *c, const edn_sync_result *r, uint64_t receipt_ms)
{
    edn_buf *out = &c->buf;
    bool first = true;
    char when[EDN_CLI_TIME_MAX];

    part_put(out, &first, "sent ", r->batches_sent, "batch", "batches");
    part_put(out, &first, "received ", r->batches_received, "batch", "batches");
    part_put(out, &first, "", r->entries_changed, "entry changed", "entries changed");
    part_put(out, &first, "gave the server back ", r->refilled, "batch that it lacked", "batches that it lacked");
    part_put(out, &first, "", r->conflicts, "conflict to look at", "conflicts to look at");
    if (first)
        edn_put_str(out, "nothing new");
    edn_put_str(out, "; ");
    edn_cli_style_put(out, &c->out, r->synced ? EDN_STYLE_GREEN : EDN_STYLE_RED);
    if (r->synced) {
        edn_cli_time_local(when, receipt_ms, edn_cli_now_ms());
        edn_cli_putf(out, "the server holds everything (receipt %s)", when);
    } else {
        edn_put_str(out, "the server has not signed that it holds everything");
    }
    edn_cli_style_put(out, &c->out, EDN_STYLE_PLAIN);
    edn_put_u8(out, '\n');
    if (r->set_aside) {
        first = true;
        part_put(out, &first, "", r->set_aside, "object is", "objects are");
        edn_put_str(out, " set aside, waiting or refused; 'edn status' says more\n");
    }
}

static edn_status put_sync(edn_cli *c, const edn_sync_result *r, const found *f)
{
    edn_client_status s;
    edn_status st = edn_client_status_get(c->client, &s, &c->err);

    if (st != EDN_OK)
        return st;
    if (c->json)
        st = put_sync_json(c, r, s.receipt_ms, f);
    else if (!c->quiet)
        put_sync_words(c, r, s.receipt_ms);
    return st == EDN_OK ? edn_cli_out(c) : st;
}

/* ---- sync --watch ------------------------------------------------------------------------------------------------ */

typedef struct watching {
    edn_cli *c;
    found *f;
    bool any; /* a line was printed already */
    edn_status st;
} watching;

static bool nothing_new(const edn_sync_result *r)
{
    return r->synced && !r->batches_sent && !r->batches_received && !r->refilled && !r->findings;
}

static bool go_on(void *ctx, const edn_sync_result *last)
{
    watching *w = ctx;

    if (last && (w->c->json || !w->any || !nothing_new(last))) {
        w->any = true;
        w->st = put_sync(w->c, last, w->f);
        if (w->st == EDN_OK && edn_cli_flush(&w->c->out, &w->c->buf) != EDN_OK)
            w->st = edn_fail(&w->c->err, EDN_E_IO, "could not write to standard output");
        w->f->n = 0; /* each sync tells its own */
        if (w->st == EDN_OK)
            w->st = edn_cli_news(w->c);
    }
    return w->st == EDN_OK && !edn_cli_signal();
}

static edn_status watch(edn_cli *c, found *f, const edn_sync_options *options)
{
    watching w = {.c = c, .f = f, .st = EDN_OK};
    edn_status st;

    edn_cli_signals_catch();
    st = edn_client_watch(c->client, options, go_on, &w, &c->err);
    if (edn_cli_signal()) { /* which is how one ends it */
        edn_cli_signal_answered();
        if (st == EDN_E_CANCELLED)
            st = EDN_OK;
    }
    edn_cli_signals_release();
    return w.st != EDN_OK ? w.st : st;
}

edn_status edn_cli_sync(edn_cli *c)
{
    edn_cli_progress progress;
    found f = {.c = c};
    edn_sync_options options = {.on_finding = found_one, .ctx = &f};
    edn_sync_result r = {0};
    edn_status st = edn_cli_need(c);

    if (st != EDN_OK)
        return st;
    if (edn_cli_has(&c->args, EDN_OPT_WATCH)) {
        st = watch(c, &f, &options);
    } else {
        edn_cli_progress_init(&progress, &c->note, c->quiet || c->json);
        options.progress = &progress.progress;
        f.progress = &progress;
        st = edn_client_sync(c->client, &options, &r, &c->err);
        edn_cli_progress_end(&progress);
        if (st == EDN_OK)
            st = put_sync(c, &r, &f);
    }
    if (st == EDN_OK)
        st = found_status(&f);
    found_dispose(&f);
    return st;
}

/* ---- status ------------------------------------------------------------------------------------------------------ */

static void put_device_json(edn_buf *out, const edn_head_status *h)
{
    edn_json_open(out, NULL, '{');
    edn_json_string(out, "device", edn_bytes_str(h->device));
    edn_json_string(out, "name", h->device_name);
    edn_json_bool(out, "self", h->self);
    edn_json_bool(out, "active", h->active);
    edn_json_number(out, "batch", h->dseq);
    edn_json_time(out, "added", h->added_ms);
    edn_json_bool(out, "read", h->may_read);
    edn_json_bool(out, "write", h->may_write);
    edn_json_bool(out, "admin", h->may_admin);
    edn_json_string(out, "added_by", edn_bytes_str(h->added_by));
    edn_json_close(out, '}');
}

static void put_status_json(edn_cli *c, const edn_client_status *s, const char *device)
{
    edn_buf *out = &c->buf;

    edn_json_open(out, NULL, '{');
    edn_json_string(out, "home", edn_bytes_str(c->home));
    edn_json_string(out, "device", edn_bytes_str(device));
    edn_json_bool(out, "unlocked", s->unlocked);
    if (s->unlocked) {
        edn_json_number(out, "entries", s->entries);
        edn_json_number(out, "deleted", s->deleted);
        edn_json_number(out, "journals", s->journals);
        edn_json_number(out, "closed", s->closed);
        edn_json_number(out, "closed_unsent", s->closed_unsent);
        edn_json_string(out, "server", edn_bytes_str(s->server));
        edn_json_bool(out, "synced", s->synced);
        edn_json_number(out, "unsent", s->unsent);
        edn_json_time(out, "receipt", s->receipt_ms);
        edn_json_time(out, "receipt_local", s->receipt_local_ms);
        edn_json_number(out, "set_aside", s->set_aside);
        edn_json_number(out, "quarantined", s->quarantined);
        edn_json_open(out, "devices", '[');
        for (size_t i = 0; i < s->heads_n; i++)
            put_device_json(out, &s->heads[i]);
        edn_json_close(out, ']');
        edn_cli_put_recovery_json(c);
        edn_cli_put_findings_json(out, s->findings, s->findings_n);
    }
    edn_json_close(out, '}');
    edn_put_u8(out, '\n');
}

static void label_put(edn_cli *c, const char *label)
{
    edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_DIM);
    edn_cli_putf(&c->buf, "%-9s", label);
    edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_PLAIN);
}

/* Whether the server holds everything, and how that is known. */
static void put_synced(edn_cli *c, const edn_client_status *s)
{
    char when[EDN_CLI_TIME_MAX], count[64];

    label_put(c, "Synced");
    if (!s->server[0]) {
        edn_put_str(&c->buf, "no: there is no server; 'edn server' gives the diary one\n");
        return;
    }
    edn_cli_style_put(&c->buf, &c->out, s->synced ? EDN_STYLE_GREEN : EDN_STYLE_RED);
    edn_put_str(&c->buf, s->synced ? "yes" : "no");
    edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_PLAIN);
    edn_cli_time_local(when, s->receipt_ms, edn_cli_now_ms());
    if (s->synced)
        edn_cli_putf(&c->buf, ": the server signed at %s that it holds exactly this\n", when);
    else if (s->unsent)
        edn_cli_putf(&c->buf, ": %s not sent yet; 'edn sync' sends %s\n",
                     edn_cli_count(count, s->unsent, "change is", "changes are"), s->unsent == 1 ? "it" : "them");
    else if (s->closed_unsent)
        edn_put_str(&c->buf, ": a locked journal may hold what was not sent; 'edn journal open' sends it\n");
    else if (s->receipt_ms)
        edn_cli_putf(&c->buf, ": the newest receipt, of %s, does not cover all that is here; run 'edn sync'\n", when);
    else
        edn_put_str(&c->buf, ": the server has signed nothing yet; run 'edn sync'\n");
}

static void put_devices(edn_cli *c, const edn_client_status *s)
{
    char added[EDN_CLI_TIME_MAX];

    for (size_t i = 0; i < s->heads_n; i++) {
        const edn_head_status *h = &s->heads[i];
        label_put(c, i ? "" : "Devices");
        edn_cli_putf(&c->buf, "%.8s  ", h->device);
        edn_cli_put_text(&c->buf, &c->out, h->device_name.n ? h->device_name : edn_bytes_str("(name not known here)"),
                         true);
        edn_cli_time_local(added, h->added_ms, 0);
        edn_cli_putf(&c->buf, "%s%s, since %.10s, ", h->self ? ", this one" : "", h->active ? "" : ", revoked", added);
        if (h->dseq)
            edn_cli_putf(&c->buf, "held up to its batch %llu", (unsigned long long)h->dseq);
        else
            edn_put_str(&c->buf, "no batch of it held");
        edn_cli_putf(&c->buf, "; may %s%s%s\n", h->may_read ? "read" : "not read", h->may_write ? ", write" : "",
                     h->may_admin ? ", add and revoke devices" : "");
    }
}

static void put_status_words(edn_cli *c, const edn_client_status *s)
{
    char entries[64], journals[64], deleted[64], when[EDN_CLI_TIME_MAX];

    label_put(c, "Diary");
    edn_cli_put_text(&c->buf, &c->out, edn_bytes_str(c->home), true);
    if (!s->unlocked) {
        edn_put_str(&c->buf, ", locked: 'edn unlock' lets it say more\n");
        return;
    }
    edn_put_str(&c->buf, ", unlocked\n");
    label_put(c, "Entries");
    edn_cli_putf(&c->buf, "%s in %s", edn_cli_count(entries, s->entries, "entry", "entries"),
                 edn_cli_count(journals, s->journals, "journal", "journals"));
    if (s->deleted)
        edn_cli_putf(&c->buf, ", %s", edn_cli_count(deleted, s->deleted, "deleted", "deleted"));
    edn_put_u8(&c->buf, '\n');
    if (s->closed) {
        label_put(c, "Locked");
        edn_cli_putf(
            &c->buf, "%s closed, and not counted%s\n", edn_cli_count(journals, s->closed, "journal is", "journals are"),
            s->closed_unsent ? "; what was written there last may be only here, and is sent when it is open" : "");
    }
    if (s->server[0]) {
        label_put(c, "Server");
        edn_cli_put_text(&c->buf, &c->out, edn_bytes_str(s->server), true);
        edn_put_u8(&c->buf, '\n');
    }
    put_synced(c, s);
    put_devices(c, s);
    if (s->set_aside) {
        label_put(c, "Aside");
        edn_cli_putf(&c->buf, "%s waiting or refused\n", edn_cli_count(entries, s->set_aside, "object", "objects"));
    }
    if (s->quarantined) {
        label_put(c, "Unseen");
        edn_cli_putf(&c->buf, "%s of revoked devices in quarantine; 'edn quarantine list' shows what is in them\n",
                     edn_cli_count(entries, s->quarantined, "batch", "batches"));
    }
    for (size_t i = 0; i < s->findings_n; i++) {
        label_put(c, i ? "" : "Findings");
        edn_cli_time_local(when, s->findings[i].time_ms, edn_cli_now_ms());
        edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_RED);
        edn_cli_putf(&c->buf, "%s: %s: ", when, edn_status_name(s->findings[i].status));
        edn_cli_put_text(&c->buf, &c->out, edn_bytes_str(s->findings[i].text), true);
        edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_PLAIN);
        edn_put_u8(&c->buf, '\n');
    }
}

/* ---- devices ----------------------------------------------------------------------------------------------------- */

/* For scripts: id, name, what it is, since when. */
static void put_device_row(edn_cli *c, const edn_head_status *h)
{
    char added[EDN_CLI_TIME_MAX];

    edn_cli_time_local(added, h->added_ms, 0);
    edn_cli_putf(&c->buf, "%.8s\t", h->device);
    edn_cli_put_text(&c->buf, &c->out, h->device_name, true);
    edn_cli_putf(&c->buf, "\t%s\t%.10s", h->self ? "self" : h->active ? "active" : "revoked", added);
}

edn_status edn_cli_device_list(edn_cli *c)
{
    edn_client_status s;
    edn_status st = edn_cli_need(c);

    if (st != EDN_OK || (st = edn_client_status_get(c->client, &s, &c->err)) != EDN_OK)
        return st;
    if (!c->json && c->out.tty) {
        put_devices(c, &s);
        return edn_cli_out(c);
    }
    for (size_t i = 0; st == EDN_OK && i < s.heads_n; i++) {
        if (c->json)
            put_device_json(&c->buf, &s.heads[i]);
        else
            put_device_row(c, &s.heads[i]);
        edn_put_u8(&c->buf, '\n');
        st = edn_cli_out(c);
    }
    return st;
}

edn_status edn_cli_device_rename(edn_cli *c)
{
    edn_status st = edn_cli_need(c);

    return st == EDN_OK ? edn_client_device_rename(c->client, c->args.words[0], c->args.words[1], &c->err) : st;
}

/* ---- the status command ------------------------------------------------------------------------------------------ */

edn_status edn_cli_status(edn_cli *c)
{
    edn_client_status s;
    char device[33];
    edn_status st;

    if ((st = edn_cli_try(c)) != EDN_OK || (st = edn_client_status_get(c->client, &s, &c->err)) != EDN_OK)
        return st;
    edn_client_device_id(c->client, device);
    if (c->json)
        put_status_json(c, &s, device);
    else
        put_status_words(c, &s);
    if ((st = edn_cli_out(c)) == EDN_OK && s.unlocked)
        edn_cli_warn_of_recovery(c);
    return st;
}

/* ---- verify ------------------------------------------------------------------------------------------------------ */

static edn_status verify(edn_cli *c, found *f, edn_verify_result *r)
{
    edn_verify_result published = {0};
    edn_status st = edn_client_verify(c->client, found_one, f, &f->progress->progress, r, &c->err);

    if (st == EDN_OK && edn_cli_has(&c->args, EDN_OPT_PUBLISHED))
        st = edn_client_verify_published(c->client, found_one, f, &f->progress->progress, &published, &c->err);
    r->parts = published.parts;
    r->damaged += published.damaged;
    return st;
}

static void put_verified(edn_cli *c, const edn_verify_result *r)
{
    char links[64], batches[64], records[64], entries[64], parts[64], damaged[64];

    edn_cli_putf(&c->buf, "checked %s, %s, %s, %s", edn_cli_count(links, r->links, "link", "links"),
                 edn_cli_count(batches, r->batches, "batch", "batches"),
                 edn_cli_count(records, r->records, "record", "records"),
                 edn_cli_count(entries, r->entries, "entry", "entries"));
    if (edn_cli_has(&c->args, EDN_OPT_PUBLISHED))
        edn_cli_putf(&c->buf, ", %s of the published index", edn_cli_count(parts, r->parts, "part", "parts"));
    edn_put_str(&c->buf, ": ");
    edn_cli_style_put(&c->buf, &c->out, r->damaged ? EDN_STYLE_RED : EDN_STYLE_GREEN);
    edn_cli_putf(&c->buf, "%s\n", r->damaged ? edn_cli_count(damaged, r->damaged, "damaged", "damaged") : "all good");
    edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_PLAIN);
}

edn_status edn_cli_verify(edn_cli *c)
{
    edn_cli_progress progress;
    found f = {.c = c, .progress = &progress};
    edn_verify_result r = {0};
    edn_status st = edn_cli_need(c);

    if (st != EDN_OK)
        return st;
    edn_cli_progress_init(&progress, &c->note, c->quiet || c->json);
    st = verify(c, &f, &r);
    edn_cli_progress_end(&progress);
    if (st == EDN_OK && c->json) {
        edn_json_open(&c->buf, NULL, '{');
        edn_json_number(&c->buf, "links", r.links);
        edn_json_number(&c->buf, "batches", r.batches);
        edn_json_number(&c->buf, "records", r.records);
        edn_json_number(&c->buf, "entries", r.entries);
        edn_json_number(&c->buf, "parts", r.parts);
        edn_json_number(&c->buf, "damaged", r.damaged);
        edn_cli_put_findings_json(&c->buf, f.p, f.n);
        edn_json_close(&c->buf, '}');
        edn_put_u8(&c->buf, '\n');
    } else if (st == EDN_OK && !c->quiet) {
        put_verified(c, &r);
    }
    if (st == EDN_OK)
        st = edn_cli_out(c);
    if (st == EDN_OK && r.damaged && f.told == 0)
        st = edn_fail(&c->err, EDN_E_DAMAGED, "something on this machine's disk is damaged");
    else if (st == EDN_OK)
        st = found_status(&f);
    found_dispose(&f);
    return st;
}
