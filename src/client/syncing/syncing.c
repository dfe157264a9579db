/* Drives the sync engine: carries its requests, keeps what it has checked, and remembers what it learned. */
#include "client/finding/arriving.h"
#include "client/finding/published.h"
#include "client/syncing/quarantine.h"
#include "client/sharing/space.h"

#include "base/plant.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#define FINDINGS_MAX 32u
#define WAIT_MAX_S 60u /* longer than this a server is not waited for within one sync */

/* ---- what is remembered of the server ---------------------------------------------------------------------------- */

static edn_status remote_row(edn_client *c, edn_buf *out)
{
    edn_store_key_name k = edn_store_name(c->store, EDN_TABLE_REMOTE, "server", EDN_BYTES_EMPTY);
    return edn_store_get(c->store, EDN_TABLE_REMOTE, EDN_F(k), out);
}

edn_status remote_load(edn_client *c, edn_sync_remote *out)
{
    edn_buf row = EDN_BUF_INIT((size_t)1 << 20);
    char origin[EDN_ORIGIN_SIZE_MAX + 1];
    edn_status st = remote_row(c, &row);

    memset(out, 0, sizeof *out);
    if (st == EDN_OK && (st = edn_sync_remote_decode(edn_buf_view(&row), origin, out)) != EDN_OK && st != EDN_E_NOMEM)
        st = EDN_E_DAMAGED;
    if (st == EDN_E_MISSING)
        st = EDN_OK;
    out->origin = client_id(c)->server;
    if (client_id(c)->name[0]) /* a shared journal has none */
        out->name_hash = edn_account_name_hash(edn_bytes_str(client_id(c)->name));
    edn_buf_wipe(&row);
    return st == EDN_OK ? held_number(c, &out->recovery) : st;
}

edn_status remote_save(edn_client *c, const edn_sync_remote *r)
{
    edn_store_key_name k = edn_store_name(c->store, EDN_TABLE_REMOTE, "server", EDN_BYTES_EMPTY);
    edn_buf row = EDN_BUF_INIT((size_t)1 << 20), old = EDN_BUF_INIT((size_t)1 << 20);
    edn_status st;

    edn_sync_remote_put(&row, r);
    st = edn_buf_status(&row);
    /* A sync that learned nothing writes nothing. */
    if (st == EDN_OK && (remote_row(c, &old) != EDN_OK || !edn_bytes_equal(edn_buf_view(&old), edn_buf_view(&row))))
        st = edn_store_put(c->store, EDN_TABLE_REMOTE, EDN_F(k), edn_buf_view(&row));
    edn_buf_wipe(&row);
    edn_buf_wipe(&old);
    return st;
}

/* ---- claims: u32 n ‖ n × (device 16 ‖ u64 dseq ‖ hash 32 ‖ by 16 ‖ u64 since ms ‖ u32 syncs) --------------------- */

#define CLAIM_SIZE 84u

static edn_status claims_load(edn_client *c, edn_claim *out, size_t *n)
{
    edn_buf row = EDN_BUF_INIT((size_t)EDN_CLAIMS_MAX * CLAIM_SIZE + 4);
    edn_status st = meta_get(c, "claims", EDN_BYTES_EMPTY, &row);
    edn_reader r = edn_reader_init(edn_buf_view(&row));
    uint32_t count;

    *n = 0;
    if (st == EDN_OK) {
        count = edn_read_u32(&r, "claims");
        if (count > EDN_CLAIMS_MAX)
            edn_reader_fail(&r, EDN_E_FORMAT, "claims");
        for (uint32_t i = 0; edn_reader_status(&r) == EDN_OK && i < count; i++) {
            edn_claim *k = &out[i];
            edn_read_into(&r, k->head.device.b, sizeof k->head.device.b, "device");
            k->head.dseq = edn_read_u64(&r, "dseq");
            edn_read_into(&r, k->head.hash.b, sizeof k->head.hash.b, "hash");
            edn_read_into(&r, k->by.b, sizeof k->by.b, "by");
            k->since_ms = edn_read_u64(&r, "since");
            k->syncs = edn_read_u32(&r, "syncs");
        }
        st = edn_reader_end(&r) == EDN_OK ? EDN_OK : EDN_E_DAMAGED;
        *n = st == EDN_OK ? count : 0;
    }
    edn_buf_dispose(&row);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

edn_status claims_save(edn_client *c, const edn_claim *p, size_t n)
{
    edn_buf row = EDN_BUF_INIT((size_t)EDN_CLAIMS_MAX * CLAIM_SIZE + 4),
            old = EDN_BUF_INIT((size_t)EDN_CLAIMS_MAX * CLAIM_SIZE + 4);
    edn_status st, had = meta_get(c, "claims", EDN_BYTES_EMPTY, &old);

    edn_put_u32(&row, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        edn_put_bytes(&row, p[i].head.device.b, sizeof p[i].head.device.b);
        edn_put_u64(&row, p[i].head.dseq);
        edn_put_bytes(&row, p[i].head.hash.b, sizeof p[i].head.hash.b);
        edn_put_bytes(&row, p[i].by.b, sizeof p[i].by.b);
        edn_put_u64(&row, p[i].since_ms);
        edn_put_u32(&row, p[i].syncs);
    }
    st = edn_buf_status(&row);
    if (st == EDN_OK && !(n == 0 && had == EDN_E_MISSING) && !edn_bytes_equal(edn_buf_view(&old), edn_buf_view(&row)))
        st = meta_put(c, "claims", EDN_BYTES_EMPTY, edn_buf_view(&row));
    edn_buf_dispose(&row);
    edn_buf_dispose(&old);
    return st;
}

/* ---- findings: the newest FINDINGS_MAX, newest first: n × (u32 status ‖ u64 time ms ‖ LP(text)) ------------------ */

/* The list without what says the same as `f`; with `f` in front, when it is new or its time is. */
static edn_status findings_change(edn_client *c, const edn_finding *f, bool add)
{
    edn_buf old = EDN_BUF_INIT(65536), now = EDN_BUF_INIT(65536);
    edn_status st = meta_get(c, "findings", EDN_BYTES_EMPTY, &old);
    edn_reader r = edn_reader_init(edn_buf_view(&old));
    size_t kept = add;

    if (add) {
        edn_put_u32(&now, (uint32_t)f->status);
        edn_put_u64(&now, f->time_ms);
        edn_put_lp(&now, edn_bytes_str(f->text));
    }
    while (st == EDN_OK && edn_reader_left(&r) > 0 && kept < FINDINGS_MAX) {
        uint32_t status = edn_read_u32(&r, "status");
        uint64_t time_ms = edn_read_u64(&r, "time");
        edn_bytes text = edn_read_lp(&r, sizeof f->text, "text");
        if (edn_reader_status(&r) != EDN_OK)
            break;
        if (status == (uint32_t)f->status && edn_bytes_equal(text, edn_bytes_str(f->text)))
            continue;
        edn_put_u32(&now, status);
        edn_put_u64(&now, time_ms);
        edn_put_lp(&now, text);
        kept++;
    }
    if (st == EDN_E_MISSING || st == EDN_OK)
        st = edn_buf_status(&now);
    if (st == EDN_OK)
        st = meta_put(c, "findings", EDN_BYTES_EMPTY, edn_buf_view(&now));
    edn_buf_dispose(&old);
    edn_buf_dispose(&now);
    return st;
}

edn_status finding_save(edn_client *c, const edn_finding *f) { return findings_change(c, f, true); }
edn_status finding_drop(edn_client *c, const edn_finding *f) { return findings_change(c, f, false); }

/* ---- what the engine may look up --------------------------------------------------------------------------------- */

static bool view_space_key(void *ctx, uint32_t epoch, edn_space_key *out)
{
    return keys_space(ctx, epoch, out) == EDN_OK;
}

static bool view_batch_hash(void *ctx, const edn_device_id *d, uint64_t dseq, edn_hash *out)
{
    return batch_hash_load(ctx, d, dseq, out) == EDN_OK;
}

static edn_status view_batch(void *ctx, const edn_device_id *d, uint64_t dseq, edn_buf *out)
{
    return batch_load(ctx, d, dseq, out);
}

edn_status link_load(edn_client *c, uint64_t seq, edn_buf *out)
{
    uint8_t key[8];

    for (int i = 0; i < 8; i++)
        key[i] = (uint8_t)(seq >> (56 - 8 * i));
    return edn_store_get(c->store, EDN_TABLE_LINK, edn_bytes_of(key, sizeof key), out);
}

static edn_status view_link(void *ctx, uint64_t seq, edn_buf *out) { return link_load(ctx, seq, out); }

static edn_status view_box(void *ctx, const edn_hash *hash, edn_buf *out) { return box_load(ctx, hash, out); }

edn_sync_view sync_view(edn_client *c)
{
    return (edn_sync_view){c, view_space_key, view_batch_hash, view_batch, view_link, view_box};
}

/* ---- one run of the engine --------------------------------------------------------------------------------------- */

typedef struct run {
    edn_client *c;
    const edn_sync_options *options;
    edn_sync_result *result;
    const edn_transport *transport;
    edn_sync_remote remote;
    char sponsor[EDN_TOKEN_SIZE_MAX + 1]; /* of a shared journal: the person's token at the same server; empty: none */
    uint8_t binding[32];
    edn_sync *engine;
    uint64_t sent, received; /* the client's counters when it began */
    inbox_figures inbox;
    uint32_t retry_after_s; /* what the server asked for with its last refusal */
    /* What the engine began from, to tell what other processes of this home did meanwhile: */
    edn_head own; /* this device and its newest batch; dseq 0: none */
    edn_signature receipt_sig;
    edn_claim *claims; /* EDN_CLAIMS_MAX */
    size_t claims_n;
    bool overtaken; /* what it says of this device is not to be believed: it has to begin again */
    bool unkept;    /* links and batches came that could not be written down */
    edn_err *err;
} run;

static edn_head own_head(edn_client *c, const heads *h)
{
    const edn_head *own = edn_heads_find(h->p, h->n, &client_id(c)->device);

    return own ? *own : (edn_head){.device = client_id(c)->device};
}

/* Whether another process of this home has written batches, or given up the id, since the engine began. What it sent is
 * no clone's; the engine, which began without it, cannot know. */
static edn_status run_overtaken(run *r, bool *out)
{
    heads h = {NULL, 0};
    edn_head own;
    edn_status st = client_begin_read(r->c, r->err);

    *out = false;
    if (st != EDN_OK)
        return st;
    if ((st = heads_load(r->c, &h)) == EDN_OK) {
        own = own_head(r->c, &h);
        *out = memcmp(own.device.b, r->own.device.b, sizeof own.device.b) != 0 || own.dseq != r->own.dseq ||
               memcmp(own.hash.b, r->own.hash.b, sizeof own.hash.b) != 0;
    }
    heads_dispose(&h);
    return client_end_read(r->c, st, r->err);
}

static edn_status run_begin(run *r, bool full)
{
    edn_client *c = r->c;
    EDN_SECRET(edn_root_key) rk = EDN_KEY_EMPTY;
    edn_sync_setup setup = {.view = sync_view(c),
                            .random = c->random,
                            .log = c->log,
                            .remote = &r->remote,
                            .full = full,
                            .sponsor = r->sponsor};
    heads h = {NULL, 0}, late = {NULL, 0};
    bool behind;
    edn_status st;

    if (!r->claims && !(r->claims = calloc(EDN_CLAIMS_MAX, sizeof *r->claims)))
        return edn_fail(r->err, EDN_E_NOMEM, "out of memory");
    if ((st = client_begin_read(c, r->err)) != EDN_OK)
        return st;
    setup.claims = r->claims;
    if ((st = remote_load(c, &r->remote)) == EDN_OK && (st = heads_load(c, &h)) == EDN_OK &&
        (st = quarantine_heads(c, &late)) == EDN_OK && (st = claims_load(c, r->claims, &r->claims_n)) == EDN_OK &&
        (st = roots_behind(c, &behind)) == EDN_OK &&
        (behind || (st = keys_root(c, edn_devlog_epoch(c->log), &rk)) == EDN_OK)) {
        const identity *id = client_id(c);
        setup.full |= behind; /* without the newest root key there is no probe to ask by */
        setup.account = id->account;
        setup.device = id->device;
        setup.sk = &id->sign_sk;
        setup.space = id->space;
        setup.log = c->log;
        setup.claims_n = r->claims_n;
        setup.heads = h.p;
        setup.heads_n = h.n;
        setup.late = late.p;
        setup.late_n = late.n;
        if (strncmp(id->server, "https:", 6) == 0)
            setup.channel_binding = r->binding;
        r->own = own_head(c, &h);
        r->receipt_sig = r->remote.receipt.sig;
        edn_probe_of(setup.probe, &rk, &id->account, &id->space, edn_devlog_epoch(c->log));
        st = edn_sync_new(&setup, &r->engine);
    }
    heads_dispose(&h);
    heads_dispose(&late);
    return client_end_read(c, st, r->err);
}

static void carry(run *r, const edn_sync_action *a)
{
    edn_http_answer answer = {.body = EDN_BUF_INIT(a->answer_size_max)};
    edn_http_request rq = {.method = a->post ? EDN_HTTP_POST : EDN_HTTP_GET,
                           .path = a->path,
                           .bearer = a->bearer,
                           .body = a->body,
                           .answer_size_max = a->answer_size_max};
    edn_status st = r->transport->exchange(r->transport->ctx, &rq, &answer, r->err);

    r->c->bytes_sent += answer.bytes_sent;
    r->c->bytes_received += answer.bytes_received;
    if (st == EDN_OK && r->transport->channel_binding && !r->transport->channel_binding(r->transport->ctx, r->binding))
        memset(r->binding, 0, sizeof r->binding);
    r->retry_after_s = answer.retry_after_s;
    edn_sync_answered(r->engine, client_now(r->c), st, answer.status, answer.retry_after_s, edn_buf_view(&answer.body));
    edn_buf_wipe(&answer.body); /* it may hold a token */
}

static void keep(run *r, const edn_sync_action *a)
{
    inbox_figures now = r->inbox;
    edn_status st = client_begin_write(r->c, r->err);

    if (st == EDN_OK)
        st = client_end_write(r->c, inbox_save(r->c, a, &now), r->err);
    if (st == EDN_OK)
        r->inbox = now;
    r->unkept |= st != EDN_OK;
    edn_sync_saved(r->engine, client_now(r->c), st);
}

static bool go_on(run *r)
{
    const edn_progress *p = r->options ? r->options->progress : NULL;
    return !p || !p->fn || p->fn(p->ctx, "syncing", r->inbox.records, 0);
}

/* What the server has signed: unless another process has heard something newer of it meanwhile. */
static edn_status run_remember_server(run *r)
{
    edn_sync_remote kept = {0};
    bool newer;
    edn_status st = remote_load(r->c, &kept);

    newer = st == EDN_OK && memcmp(kept.receipt.sig.b, r->receipt_sig.b, sizeof kept.receipt.sig.b) != 0 &&
            kept.receipt.time_ms >= r->remote.receipt.time_ms;
    edn_wipe(kept.token, sizeof kept.token);
    edn_sync_remote_dispose(&kept);
    return newer ? EDN_OK : remote_save(r->c, &r->remote);
}

static bool claim_among(const edn_claim *k, const edn_claim *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(k->head.device.b, in[i].head.device.b, sizeof k->head.device.b) == 0 &&
            k->head.dseq == in[i].head.dseq && memcmp(k->head.hash.b, in[i].head.hash.b, sizeof k->head.hash.b) == 0 &&
            memcmp(k->by.b, in[i].by.b, sizeof k->by.b) == 0)
            return true;
    return false;
}

static bool claim_paid(edn_client *c, const edn_claim *k)
{
    edn_hash held;

    return batch_hash_load(c, &k->head.device, k->head.dseq, &held) == EDN_OK &&
           memcmp(held.b, k->head.hash.b, sizeof held.b) == 0;
}

/* What the server owes: as this run found it, and what another process has heard, or seen paid, meanwhile. */
static edn_status run_remember_claims(run *r, const edn_claim *claims, size_t n)
{
    edn_claim *kept = calloc(2, EDN_CLAIMS_MAX * sizeof *kept), *now;
    size_t kept_n, now_n = 0;
    edn_status st;

    if (!kept)
        return EDN_E_NOMEM;
    now = kept + EDN_CLAIMS_MAX;
    st = claims_load(r->c, kept, &kept_n);
    for (size_t i = 0; st == EDN_OK && i < n; i++)
        if (!claim_paid(r->c, &claims[i]))
            now[now_n++] = claims[i];
    for (size_t i = 0; st == EDN_OK && i < kept_n && now_n < EDN_CLAIMS_MAX; i++)
        if (!claim_among(&kept[i], r->claims, r->claims_n) && !claim_among(&kept[i], claims, n))
            now[now_n++] = kept[i];
    if (st == EDN_OK)
        st = claims_save(r->c, now, now_n);
    free(kept);
    return st;
}

/* What was learned, in one transaction; none when there is nothing to write. */
static edn_status run_remember(run *r)
{
    edn_client *c = r->c;
    const edn_sync_finding *f;
    const edn_claim *claims;
    size_t n = edn_sync_findings(r->engine, &f), claims_n = edn_sync_claims(r->engine, &claims);
    edn_status st = client_begin_write(c, r->err);

    if (st != EDN_OK)
        return st;
    st = run_remember_server(r);
    if (st == EDN_OK)
        st = run_remember_claims(r, claims, claims_n);
    for (size_t i = 0; st == EDN_OK && i < n; i++) {
        if (f[i].status == EDN_E_EPOCH && (r->unkept || roots_incomplete(c)))
            continue; /* the key is fetched next, and what it opens with it; or its link and the batch come once more */
        edn_finding out = {.status = f[i].status, .time_ms = client_now(c)};
        memcpy(out.text, f[i].text, sizeof out.text);
        st = finding_save(c, &out);
        if (st == EDN_OK && f[i].evidence.n)
            st = aside_evidence(c, f[i].status, f[i].evidence);
        if (r->options && r->options->on_finding)
            r->options->on_finding(r->options->ctx, &out);
        r->result->findings++;
    }
    return client_end_write(c, st, r->err);
}

static bool nothing_to_remember(run *r)
{
    const edn_sync_finding *f;
    const edn_claim *claims; /* what is owed grows older with each sync */
    edn_sync_figures figures = edn_sync_figures_of(r->engine);

    /* One round trip is not always a probe: a pull under a token that still counts may bring a new receipt alone. */
    return memcmp(r->remote.receipt.sig.b, r->receipt_sig.b, sizeof r->receipt_sig.b) == 0 &&
           figures.round_trips == 1 && figures.synced && figures.batches_sent == 0 && figures.batches_received == 0 &&
           edn_sync_findings(r->engine, &f) == 0 && edn_sync_claims(r->engine, &claims) == 0;
}

static void run_result(run *r)
{
    edn_sync_figures g = edn_sync_figures_of(r->engine);
    edn_sync_result *out = r->result;

    out->round_trips += g.round_trips;
    out->batches_sent += g.batches_sent;
    out->batches_received += g.batches_received;
    out->refilled += g.refilled;
    out->records_received = r->inbox.records;
    out->entries_changed = r->inbox.entries;
    out->conflicts = r->inbox.conflicts;
    out->bytes_sent = r->c->bytes_sent - r->sent;
    out->bytes_received = r->c->bytes_received - r->received;
    out->synced = g.synced;
}

static edn_status explain(run *r, edn_status st)
{
    const edn_sync_finding *f;
    size_t n = edn_sync_findings(r->engine, &f);
    const char *origin = client_id(r->c)->server;

    if (r->err && r->err->status == st && r->err->text[0])
        return st;
    for (size_t i = n; i > 0; i--)
        if (f[i - 1].status == st)
            return edn_fail(r->err, st, "%s", f[i - 1].text);
    switch (st) {
    case EDN_E_NETWORK:
        return edn_fail(r->err, st, "%s: no answer; nothing is lost, try again later", origin);
    case EDN_E_RATE:
        return edn_fail(r->err, st, "%s: the server asks to wait; try again in a minute", origin);
    case EDN_E_DENIED:
        return edn_fail(r->err, st, "%s: the server does not accept this device; it may have been revoked", origin);
    case EDN_E_SERVER:
        return edn_fail(r->err, st,
                        "%s: the answers are not of the EDN protocol; is there a proxy's login page in between?",
                        origin);
    default:
        return client_fail(r->c, st, r->err);
    }
}

/* EDN_E_CLONE comes back with *clone_dseq set. */
static edn_status run_engine(run *r, bool full, uint64_t *clone_dseq)
{
    edn_status st = run_begin(r, full);
    edn_sync_action a;

    if (st != EDN_OK)
        goto out;
    r->unkept = false;
    for (;;) {
        a = edn_sync_step(r->engine, client_now(r->c));
        if (a.kind == EDN_SYNC_DONE)
            break;
        if (a.kind == EDN_SYNC_SAVE)
            keep(r, &a);
        else
            carry(r, &a);
        if (!go_on(r)) {
            st = edn_fail(r->err, EDN_E_CANCELLED, "stopped; the next sync goes on from here");
            break;
        }
    }
    if (st == EDN_OK)
        st = a.status;
    *clone_dseq = edn_sync_figures_of(r->engine).clone_dseq;
    run_result(r);
    if (st == EDN_E_CLONE || st == EDN_E_DENIED) {
        edn_status known = run_overtaken(r, &r->overtaken);
        if (known != EDN_OK || r->overtaken) {
            st = known != EDN_OK ? known : st;
            goto out;
        }
    }
    if (st != EDN_OK)
        explain(r, st);
    if (!nothing_to_remember(r)) {
        edn_err first = {EDN_OK, ""}, *err = r->err;
        edn_status kept;
        r->err = &first;
        kept = run_remember(r);
        r->err = err;
        if (st == EDN_OK && kept != EDN_OK)
            st = edn_fail(err, kept, "%s", first.text);
    }
out:
    edn_sync_free(r->engine);
    r->engine = NULL;
    return st;
}

static void pause_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    (void)nanosleep(&t, NULL); /* a signal ends it early, which is as well */
}

/* A large diary may have to be sent in portions: as long as each attempt moves something, the server's wish to wait
 * a little is followed, and then it goes on. */
static edn_status run_patiently(run *r, bool full, uint64_t *clone_dseq)
{
    edn_status st;

    for (;;) {
        uint64_t moved = r->result->batches_sent + r->result->batches_received + r->result->refilled;
        st = run_engine(r, full, clone_dseq);
        if (st != EDN_E_RATE || r->c->transport || r->retry_after_s > WAIT_MAX_S ||
            r->result->batches_sent + r->result->batches_received + r->result->refilled == moved)
            return st;
        edn_sync_remote_dispose(&r->remote);
        for (uint32_t i = 0; i < EDN_MAX(r->retry_after_s, 1u); i++) {
            if (!go_on(r))
                return edn_fail(r->err, EDN_E_CANCELLED, "stopped; the next sync goes on from here");
            pause_ms(1000);
        }
        if (r->err)
            *r->err = (edn_err){EDN_OK, ""};
    }
}

/* Local changes become batches. A look first: most syncs have nothing to send, and then need no lock. */
static edn_status send_local(edn_client *c, edn_err *err)
{
    uint64_t n = 0;
    bool behind = false;
    edn_status st = client_begin_read(c, err);

    if (st == EDN_OK) {
        st = roots_behind(c, &behind);
        st = client_end_read(c, st == EDN_OK ? outbox_count(c, &n) : st, err);
    }
    if (st != EDN_OK || n == 0 || behind)
        return st;
    if ((st = client_begin_write(c, err)) != EDN_OK)
        return st;
    return client_end_write(c, outbox_build(c, &n), err);
}

static edn_status after_sync(edn_client *c, edn_sync_result *out, edn_err *err)
{
    uint64_t unsent = 0;
    bool covered = out->synced, pending = false;
    edn_status st = client_begin_read(c, err);

    if (st != EDN_OK)
        return st;
    if ((st = outbox_count(c, &unsent)) == EDN_OK && (st = aside_count(c, &out->set_aside)) == EDN_OK)
        st = passphrase_pending(c, &pending);
    out->synced = EDN_PLANT(synced_without_receipt) || (out->synced && unsent == 0);
    if ((st = client_end_read(c, st, err)) != EDN_OK || !pending || !covered)
        return st;
    /* The log at the server is the one here: a passphrase change that waits is in it, or never arrived. */
    if ((st = client_begin_write(c, err)) != EDN_OK)
        return st;
    return client_end_write(c, passphrase_settle(c, true), err);
}

#define BEGIN_AGAIN_MAX 8u

static void begin_again(run *r)
{
    edn_wipe(r->remote.token, sizeof r->remote.token);
    edn_sync_remote_dispose(&r->remote);
    r->overtaken = false;
    if (r->err)
        *r->err = (edn_err){EDN_OK, ""};
}

/* Two copies of one device: this one goes on under a new id, and says again what it had said under the old. */
static edn_status run_reenrol(run *r, uint64_t clone_dseq)
{
    edn_status st = identity_reenrol(r->c, r->remote.token, clone_dseq, &r->own, r->err);

    return st == EDN_OK ? send_local(r->c, r->err) : st;
}

/* A whole sync, begun again when another process of this home, or another device, came in between. */
static edn_status run_to_end(run *r, bool full)
{
    uint64_t clone_dseq = 0;
    bool reenrolled = false;
    edn_status st;

    for (unsigned tries = 0; tries < BEGIN_AGAIN_MAX; tries++) {
        st = run_patiently(r, full, &clone_dseq);
        if (!r->overtaken) {
            if (st != EDN_E_CLONE || !r->remote.token[0] || reenrolled)
                return st;
            st = run_reenrol(r, clone_dseq);
            reenrolled = st == EDN_OK;
            if (st != EDN_OK && st != EDN_E_CONFLICT)
                return st;
            full = true;
        }
        begin_again(r);
    }
    return edn_fail(r->err, EDN_E_BUSY, "others are writing to this diary all the time; sync again in a moment");
}

/* Root keys that the log has spoken of since, and then once more what waited for them. */
static edn_status take_new_roots(run *r)
{
    bool changed;
    edn_status st;

    if (edn_devlog_epoch(r->c->log) == 0 || !r->remote.token[0])
        return EDN_OK;
    st = roots_fetch(r->c, r->remote.token, &changed, r->err);
    if (st != EDN_OK || !changed || (st = send_local(r->c, r->err)) != EDN_OK)
        return st;
    begin_again(r);
    return run_to_end(r, true);
}

/* What changed about a recovery of the account. What is not heard now is by the next sync, whose etag will be another
 * than the server's. */
static edn_status take_recovery(run *r)
{
    uint64_t known = 0;
    edn_err ignored;
    edn_status st = client_begin_read(r->c, r->err);

    if (st == EDN_OK)
        st = client_end_read(r->c, held_number(r->c, &known), r->err);
    if (st != EDN_OK || known == r->remote.recovery || !r->remote.token[0])
        return st;
    st = held_fetch(r->c, r->remote.token, &ignored);
    return st == EDN_E_NOMEM || st == EDN_E_IO || st == EDN_E_FULL ? edn_fail(r->err, st, "%s", ignored.text) : EDN_OK;
}

/* Without it a server that takes no new accounts does not take the journal either; any other does. */
static void take_sponsor(run *r)
{
    edn_client *p = r->c->parent;
    edn_sync_remote remote = {0};

    if (!p || p->busy || strcmp(client_id(p)->server, client_id(r->c)->server) != 0)
        return;
    if (client_begin_read(p, NULL) == EDN_OK && client_end_read(p, remote_load(p, &remote), NULL) == EDN_OK)
        memcpy(r->sponsor, remote.token, sizeof r->sponsor);
    edn_wipe(remote.token, sizeof remote.token);
    edn_sync_remote_dispose(&remote);
}

/* What came behind the cuts of revoked devices. */
static edn_status tell_quarantine(run *r)
{
    edn_client *c = r->c;
    edn_finding f;
    bool any = false;
    edn_status st = client_begin_read(c, r->err);

    if (st == EDN_OK)
        st = client_end_read(c, quarantine_has_news(c, &any), r->err);
    while (st == EDN_OK && any) {
        if ((st = client_begin_write(c, r->err)) == EDN_OK)
            st = client_end_write(c, quarantine_tell(c, &any, &f), r->err);
        if (st != EDN_OK || !any)
            break;
        if (r->options && r->options->on_finding)
            r->options->on_finding(r->options->ctx, &f);
        r->result->findings++;
    }
    return st;
}

/* What of the index others may need, and one more sync for the batch that lists it. A failure is for the next sync to
 * mend; this one is done. */
static void publish_index(run *r)
{
    edn_err ignored = {EDN_OK, ""}, *err = r->err;
    bool made = false;

    if (!r->result->synced || !r->remote.token[0])
        return;
    r->err = &ignored;
    if (published_update(r->c, r->remote.token, &made, r->err) == EDN_OK && made) {
        begin_again(r);
        if (run_to_end(r, false) == EDN_OK && r->result->synced && r->remote.token[0])
            (void)!published_settle(r->c, r->remote.token, r->err); /* the next to be published says it again */
    }
    r->err = err;
}

edn_status client_sync(edn_client *c, const edn_sync_options *options, bool full, edn_sync_result *out, edn_err *err)
{
    run r = {
        .c = c, .options = options, .result = out, .err = err, .sent = c->bytes_sent, .received = c->bytes_received};
    edn_status st;

    memset(out, 0, sizeof *out);
    if (err)
        *err = (edn_err){EDN_OK, ""};
    if ((st = send_local(c, err)) != EDN_OK)
        return st;
    if (!client_id(c)->server[0])
        return edn_fail(err, EDN_E_INVALID,
                        "this diary has no server yet; give it one with 'edn server URL --name NAME'");
    if ((st = client_transport(c, client_id(c)->server, &r.transport, err)) != EDN_OK)
        return st;
    take_sponsor(&r);
    st = run_to_end(&r, full);
    if (st == EDN_OK)
        st = take_new_roots(&r);
    if (st == EDN_OK)
        st = tell_quarantine(&r);
    if (st == EDN_OK)
        st = take_recovery(&r);
    if (st == EDN_OK && out->synced)
        st = arriving_end(c, options, err);
    if (st == EDN_OK)
        publish_index(&r);
    edn_wipe(r.remote.token, sizeof r.remote.token);
    edn_wipe(r.sponsor, sizeof r.sponsor);
    edn_sync_remote_dispose(&r.remote);
    free(r.claims);
    return st == EDN_OK ? after_sync(c, out, err) : st;
}

/* ---- all stores -------------------------------------------------------------------------------------------------- */

/* Passes findings on, and counts them. */
typedef struct telling {
    edn_client *c; /* the shared journal that they are of; NULL: they say that themselves */
    const edn_sync_options *options;
    uint32_t told;
    bool returns;       /* that it was taken out is kept back: it may come in again */
    edn_finding denied; /* if so */
} telling;

static void tell(void *ctx, const edn_finding *finding)
{
    telling *t = ctx;
    edn_finding named = *finding;

    if (t->returns && finding->status == EDN_E_DENIED) {
        t->denied = *finding;
        return;
    }
    t->told += finding->status != EDN_E_LOCKED; /* of a journal that is closed, which keeps nothing from being synced */
    if (t->c)
        family_name_finding(t->c, &named);
    if (t->options && t->options->on_finding)
        t->options->on_finding(t->options->ctx, &named);
}

static void add_figures(edn_sync_result *to, const edn_sync_result *r)
{
    to->round_trips += r->round_trips;
    to->bytes_sent += r->bytes_sent;
    to->bytes_received += r->bytes_received;
    to->batches_sent += r->batches_sent;
    to->batches_received += r->batches_received;
    to->records_received += r->records_received;
    to->refilled += r->refilled;
    to->entries_changed += r->entries_changed;
    to->conflicts += r->conflicts;
    to->set_aside += r->set_aside;
    to->findings += r->findings;
    to->synced &= r->synced;
}

/* A shared journal that does not let this device in: maybe the person is in it still, and the device comes in again. */
static edn_status sync_returned(edn_client *k, telling *t, const edn_sync_options *o, edn_sync_result *out,
                                edn_err *why)
{
    edn_err ignored = {EDN_OK, ""};
    edn_status st = space_return(k, &ignored);

    t->returns = false;
    if (st == EDN_OK && (st = client_begin_write(k, &ignored)) == EDN_OK)
        st = client_end_write(k, finding_drop(k, &t->denied), &ignored);
    if (st == EDN_OK)
        return client_sync(k, o, true, out, why);
    if (t->denied.status == EDN_E_DENIED)
        tell(t, &t->denied);
    return st == EDN_E_NOMEM ? st : EDN_E_DENIED;
}

/* One that fails is a finding, and keeps the others from nothing; but what ends all of it ends all of it. */
static edn_status sync_child(edn_client *k, const edn_sync_options *options, bool full, edn_sync_result *out,
                             edn_err *err)
{
    telling t = {.c = k, .options = options, .returns = true};
    edn_sync_options o = {.on_finding = tell, .ctx = &t, .progress = options ? options->progress : NULL};
    edn_finding failed = {.time_ms = client_now(k)};
    edn_sync_result result;
    edn_err why = {EDN_OK, ""};
    edn_status st = client_sync(k, &o, full, &result, &why);

    if (st == EDN_E_DENIED)
        st = sync_returned(k, &t, &o, &result, &why);
    if (st == EDN_E_NOMEM || st == EDN_E_CANCELLED)
        return edn_fail(err, st, "%s", why.text);
    if (st != EDN_OK && t.told == 0) {
        failed.status = st;
        snprintf(failed.text, sizeof failed.text, "%.300s", why.text);
        tell(&t, &failed);
        result.findings++;
    }
    result.synced &= st == EDN_OK;
    add_figures(out, &result);
    return EDN_OK;
}

static edn_status sync_settled(edn_client *c, const edn_sync_options *options, edn_sync_result *out, edn_err *err)
{
    edn_sync_result again;
    edn_status st = client_sync(c, options, false, &again, err);

    out->synced = true;
    add_figures(out, &again);
    return st;
}

/* The person's own store, and then each shared journal: over a connection of its own, so that its server is not told by
 * the connection who comes there. A failure of the first is given when the others are done. */
static edn_status sync_all(edn_client *c, const edn_sync_options *options, bool full, edn_sync_result *out,
                           edn_err *err)
{
    telling t = {.options = options};
    edn_err ignored;
    bool renewed = false;
    edn_client *k;
    edn_status st, others;

    (void)!family_settle(c, &ignored); /* what does not settle now waits for the next sync */
    st = client_sync(c, options, full, out, err);
    others = st == EDN_E_NOMEM || st == EDN_E_CANCELLED ? st : EDN_OK;
    if (st == EDN_OK)
        others = spaces_settle(c, tell, &t, &renewed, &ignored);
    if (others == EDN_OK && renewed)
        st = sync_settled(c, options, out, err); /* the person's other devices need the new member key */
    out->findings += t.told;
    out->synced &= t.told == 0;
    for (size_t at = 0; others == EDN_OK;) {
        if ((others = family_next(c, &at, &k, &ignored)) != EDN_OK || !k)
            break;
        others = sync_child(k, options, full, out, &ignored);
    }
    if (family_broken(c))
        out->synced = false;
    return st == EDN_OK && others != EDN_OK ? edn_fail(err, others, "%s", ignored.text) : st;
}

edn_status edn_client_sync(edn_client *c, const edn_sync_options *options, edn_sync_result *out, edn_err *err)
{
    return sync_all(c, options, false, out, err);
}

/* ---- watching ---------------------------------------------------------------------------------------------------- */

typedef struct watching {
    edn_client *c;
    bool (*go_on)(void *ctx, const edn_sync_result *last);
    void *ctx;
    uint64_t version;     /* of all stores, after the last sync */
    uint64_t children_ms; /* when shared journals were last asked for: the stream tells nothing of them */
    edn_etag etag;        /* the state in which the last sync left the server */
    int home_fd;          /* tells when a file of the home changes; -1 */
    bool stop;
    bool heard; /* there is a reason to sync again */
    bool alive; /* the stream was there */
} watching;

#define CHILDREN_EVERY_MS 15000u

/* Each store's only rises. */
static uint64_t stores_version(edn_client *c)
{
    uint64_t sum = edn_store_version(c->store);
    edn_client *k;
    edn_err ignored;

    for (size_t at = 0; family_next(c, &at, &k, &ignored) == EDN_OK && k;)
        sum += edn_store_version(k->store);
    return sum;
}

static bool has_local_changes(watching *w)
{
    uint64_t n = 0, all = 0, version = stores_version(w->c);
    edn_err ignored;
    stores s;
    edn_status st = EDN_OK;

    if (version == w->version)
        return false;
    w->version = version;
    if (stores_begin(w->c, NULL, &s, &ignored) != EDN_OK)
        return false;
    for (size_t i = 0; st == EDN_OK && i < s.n; i++, all += n)
        st = outbox_count(s.p[i], &n);
    return stores_end(&s, st, &ignored) == EDN_OK && all > 0;
}

static bool children_due(const watching *w)
{
    return family_has(w->c) && client_now(w->c) - w->children_ms >= CHILDREN_EVERY_MS;
}

static void drain(int fd)
{
    char buffer[4096];

    while (fd >= 0 && read(fd, buffer, sizeof buffer) > 0)
        ;
}

/* A stream begins with the state that the server is in: news only when that is another than the last sync left. */
static bool is_news(const watching *w, edn_bytes data)
{
    edn_buf etag = EDN_BUF_INIT(sizeof w->etag);
    bool same = edn_base64url_decode(&etag, data) == EDN_OK &&
                edn_bytes_equal(edn_buf_view(&etag), edn_bytes_of(w->etag.b, sizeof w->etag.b));

    edn_buf_dispose(&etag);
    return !same;
}

/* Anything but an empty line is word from the server; an empty one is a moment to look around. */
static bool on_event(void *ctx, edn_bytes data)
{
    watching *w = ctx;

    w->alive = true;
    if (data.n) {
        w->heard = is_news(w, data);
        return !w->heard;
    }
    drain(w->home_fd);
    if (!w->go_on(w->ctx, NULL)) {
        w->stop = true;
        return false;
    }
    w->heard |= has_local_changes(w) || children_due(w);
    return !w->heard;
}

/* The home's files, so that a commit by another process is noticed at once and not at the next look. */
static int watch_home(edn_client *c)
{
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    if (fd >= 0 && inotify_add_watch(fd, c->home, IN_ATTRIB) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Again after each sync, which may have brought another; one that is watched already stays so. */
static void watch_children(const watching *w)
{
    edn_client *k;
    edn_err ignored;

    for (size_t at = 0; w->home_fd >= 0 && family_next(w->c, &at, &k, &ignored) == EDN_OK && k;)
        (void)!inotify_add_watch(w->home_fd, k->home, IN_ATTRIB); /* else a look every second finds it */
}

/* EDN_OK also when the stream just ended: `heard` tells. */
static edn_status wait_for_word(watching *w, edn_err *err)
{
    edn_sync_remote remote = {0};
    edn_hash heads_hash;
    const edn_transport *t;
    edn_status st;

    drain(w->home_fd);
    w->alive = false;
    w->heard = has_local_changes(w); /* what another process wrote while the sync was under way */
    if (w->heard)
        return EDN_OK;
    st = client_begin_read(w->c, err);
    if (st == EDN_OK)
        st = client_end_read(w->c, remote_load(w->c, &remote), err);
    if (st == EDN_OK) {
        heads_hash = edn_heads_hash(remote.heads, remote.heads_n);
        w->etag = edn_etag_of(&client_id(w->c)->space, remote.log_count, &remote.log_head, &heads_hash,
                              remote.recovery);
        st = client_transport(w->c, client_id(w->c)->server, &t, err);
    }
    if (st == EDN_OK && t->events) {
        /* A sync that found nothing new needed no token; a stream does. */
        st = remote.token[0] ? t->events(t->ctx, "/v1/events", remote.token, w->home_fd, on_event, w, err)
                             : EDN_E_DENIED;
    } else if (st == EDN_OK) {
        pause_ms(1000); /* nothing would tell: it asks every now and then */
        w->heard = true;
    }
    edn_wipe(remote.token, sizeof remote.token);
    edn_sync_remote_dispose(&remote);
    return st;
}

static bool worth_waiting(edn_status st)
{
    return st == EDN_E_NETWORK || st == EDN_E_RATE || st == EDN_E_SERVER || st == EDN_E_BUSY || st == EDN_E_DENIED;
}

edn_status edn_client_watch(edn_client *c, const edn_sync_options *options,
                            bool (*go_on_fn)(void *ctx, const edn_sync_result *last), void *ctx, edn_err *err)
{
    watching w = {.c = c, .go_on = go_on_fn, .ctx = ctx, .home_fd = watch_home(c)};
    edn_sync_result result;
    unsigned wait_s = 1;
    bool full = false;
    edn_status st = EDN_OK;

    while (!w.stop) {
        w.version = stores_version(c);
        w.children_ms = client_now(c);
        st = sync_all(c, options, full, &result, err);
        watch_children(&w);
        if (st != EDN_OK && !worth_waiting(st))
            break;
        if (!go_on_fn(ctx, st == EDN_OK ? &result : NULL)) {
            st = EDN_OK;
            break;
        }
        if (st == EDN_OK && (st = wait_for_word(&w, err)) == EDN_E_DENIED && !full) {
            full = true; /* there is no token, or it has run out: log in */
            continue;
        }
        full = false;
        if (w.alive || (st == EDN_OK && w.heard))
            wait_s = 1;
        if (st == EDN_OK && w.heard)
            continue;
        /* The network, the server or its stream is away: ever longer, up to a minute. */
        for (unsigned i = 0; i < wait_s && !w.stop; i++) {
            pause_ms(1000);
            w.stop = !go_on_fn(ctx, NULL);
        }
        wait_s = EDN_MIN(2 * wait_s, 60u);
    }
    if (w.stop)
        st = EDN_OK;
    if (w.home_fd >= 0)
        close(w.home_fd);
    return st;
}
