/* Where things stand: what is here, what the server has signed for, what needs a look. */
#include "client/syncing/quarantine.h"
#include "client/sharing/space.h"

#include <stdio.h>
#include <stdlib.h>

static edn_finding *one_more(edn_client *c, edn_client_status *out)
{
    edn_finding *more = realloc(c->status_findings, (out->findings_n + 1) * sizeof *more);

    if (!more)
        return NULL;
    out->findings = c->status_findings = more;
    memset(&more[out->findings_n], 0, sizeof *more);
    return &more[out->findings_n++];
}

/* Appends what store `k` has kept; that of a shared journal says of which. */
static edn_status load_findings(edn_client *c, edn_client *k, edn_client_status *out)
{
    edn_buf row = EDN_BUF_INIT(65536);
    edn_status st = meta_get(k, "findings", EDN_BYTES_EMPTY, &row);
    edn_reader r = edn_reader_init(edn_buf_view(&row));

    while (st == EDN_OK && edn_reader_left(&r) > 0) {
        edn_finding *f = one_more(c, out);
        edn_bytes text;
        if (!f) {
            st = EDN_E_NOMEM;
            break;
        }
        f->status = (edn_status)edn_read_u32(&r, "status");
        f->time_ms = edn_read_u64(&r, "time");
        text = edn_read_lp(&r, sizeof f->text - 1, "text");
        if (text.n)
            memcpy(f->text, text.p, text.n);
        if (edn_reader_status(&r) != EDN_OK) {
            st = EDN_E_DAMAGED;
            out->findings_n--;
        } else if (client_is_shared(k)) {
            family_name_finding(k, f);
        }
    }
    edn_buf_dispose(&row);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

static bool is_zero(const edn_device_id *id)
{
    static const edn_device_id zero = {{0}};

    return memcmp(id->b, zero.b, sizeof zero.b) == 0;
}

/* Every device that the log or the batches know. */
static edn_status load_heads(edn_client *c, const heads *h, edn_client_status *out)
{
    size_t n = 0;
    const edn_device *d;
    edn_buf name = EDN_BUF_INIT(4096);
    edn_status st = EDN_OK;

    while (edn_devlog_device(c->log, n))
        n++;
    free(c->status_heads);
    c->status_heads = calloc(n + 1, sizeof *c->status_heads);
    if (!c->status_heads)
        return EDN_E_NOMEM;
    for (size_t i = 0; st == EDN_OK && (d = edn_devlog_device(c->log, i)); i++) {
        edn_head_status *s = &c->status_heads[i];
        const edn_head *head = edn_heads_find(h->p, h->n, &d->id);
        edn_hex_encode(s->device, d->id.b, sizeof d->id.b);
        s->self = memcmp(d->id.b, client_id(c)->device.b, sizeof d->id.b) == 0;
        s->active = edn_device_active(d);
        s->dseq = head ? head->dseq : 0;
        s->added_ms = d->added_time_ms;
        s->may_read = d->cert.caps & EDN_CAP_READ;
        s->may_write = d->cert.caps & EDN_CAP_WRITE;
        s->may_admin = d->cert.caps & EDN_CAP_ADMIN;
        if (!is_zero(&d->added_by))
            edn_hex_encode(s->added_by, d->added_by.b, sizeof d->added_by.b);
        edn_buf_reset(&name);
        st = device_name(c, &d->id, &name);
        if (st == EDN_E_MISSING)
            st = EDN_OK;
        if (st == EDN_OK && !edn_arena_copy(&c->status_arena, edn_buf_view(&name), &s->device_name))
            st = EDN_E_NOMEM;
    }
    edn_buf_dispose(&name);
    out->heads = c->status_heads;
    out->heads_n = n;
    return st;
}

/* Of a device that was revoked, what is behind its cut counts neither here nor there: as a sync sees it. */
static edn_head counted(const edn_client *c, const edn_head *head)
{
    edn_head h = *head;
    uint64_t dseq;
    edn_hash hash;

    if (edn_devlog_cut(c->log, &h.device, &client_id(c)->space, &dseq, &hash) && h.dseq > dseq) {
        h.dseq = dseq;
        h.hash = hash;
    }
    return h;
}

static bool heads_within(const edn_client *c, const edn_head *a, size_t a_n, const edn_head *b, size_t b_n)
{
    for (size_t i = 0; i < a_n; i++) {
        edn_head x = counted(c, &a[i]), y = {.dseq = 0};
        const edn_head *other = edn_heads_find(b, b_n, &x.device);
        if (other)
            y = counted(c, other);
        if (x.dseq != y.dseq || (x.dseq && memcmp(x.hash.b, y.hash.b, sizeof x.hash.b) != 0))
            return false;
    }
    return true;
}

/* A receipt counts for exactly the log and the heads that it was signed over, and for nothing else. */
static void judge(const edn_client *c, const edn_sync_remote *r, const heads *h, edn_client_status *out)
{
    edn_hash head = edn_devlog_head(c->log), then = edn_heads_hash(r->heads, r->heads_n);

    out->receipt_ms = r->receipt.time_ms;
    out->receipt_local_ms = r->receipt_local_ms;
    out->synced = r->receipt.time_ms > 0 && out->unsent == 0 && r->log_count == edn_devlog_count(c->log) &&
                  memcmp(r->log_head.b, head.b, sizeof head.b) == 0 &&
                  heads_within(c, h->p, h->n, r->heads, r->heads_n) &&
                  heads_within(c, r->heads, r->heads_n, h->p, h->n) &&
                  edn_receipt_verify(&r->receipt, &client_id(c)->space, r->log_count, &r->log_head, &then,
                                     &r->receipt_pk);
}

edn_status store_has_come(edn_client *c, bool *out)
{
    edn_sync_remote remote = {0};
    heads h = {NULL, 0};
    edn_status st = heads_load(c, &h);

    *out = true;
    if (st == EDN_OK && client_id(c)->server[0] && (st = remote_load(c, &remote)) == EDN_OK)
        *out = remote.receipt.time_ms ? heads_within(c, remote.heads, remote.heads_n, h.p, h.n)
                                      : !edn_devlog_device(c->log, 1);
    edn_wipe(remote.token, sizeof remote.token);
    edn_sync_remote_dispose(&remote);
    heads_dispose(&h);
    return st;
}

static edn_status count_journal(void *ctx, const edn_journal_id *j, edn_bytes name)
{
    (void)j;
    (void)name;
    ++*(uint64_t *)ctx;
    return EDN_OK;
}

/* One store, in its transaction; the heads are those of the person's own. */
static edn_status add_store(edn_client *c, edn_client *k, edn_client_status *out)
{
    edn_client_status one = {.unlocked = true};
    edn_sync_remote remote = {0};
    heads h = {NULL, 0};
    edn_status st;

    if ((st = catalog_counts(k, &one.entries, &one.deleted)) == EDN_OK &&
        (st = outbox_count(k, &one.unsent)) == EDN_OK && (st = aside_count(k, &one.set_aside)) == EDN_OK &&
        (st = quarantine_count(k, &one.quarantined)) == EDN_OK && (st = heads_load(k, &h)) == EDN_OK &&
        (st = remote_load(k, &remote)) == EDN_OK && (client_is_shared(k) || (st = load_heads(k, &h, out)) == EDN_OK) &&
        (st = load_findings(c, k, out)) == EDN_OK)
        judge(k, &remote, &h, &one);
    edn_wipe(remote.token, sizeof remote.token);
    edn_sync_remote_dispose(&remote);
    heads_dispose(&h);
    out->entries += one.entries;
    out->deleted += one.deleted;
    out->unsent += one.unsent;
    out->set_aside += one.set_aside;
    out->quarantined += one.quarantined;
    out->synced &= one.synced;
    if (k == c) {
        out->receipt_ms = one.receipt_ms;
        out->receipt_local_ms = one.receipt_local_ms;
    }
    return st;
}

/* Shared journals that are not among the stores, because they do not open. */
static edn_status tell_broken(edn_client *c, edn_client_status *out)
{
    size_t n = family_broken(c);
    edn_finding *f = n ? one_more(c, out) : NULL;

    if (n == 0)
        return EDN_OK;
    if (!f)
        return EDN_E_NOMEM;
    f->status = EDN_E_DAMAGED;
    f->time_ms = client_now(c);
    out->synced = false;
    snprintf(f->text, sizeof f->text,
             "the local stores of %zu shared journals are damaged, and their entries are not shown; their members and "
             "the server have them",
             n);
    return EDN_OK;
}

typedef struct counting_closed {
    const edn_client *c;
    edn_client_status *out;
} counting_closed;

static edn_status count_closed(void *ctx, const edn_account_id *space, edn_bytes name)
{
    const counting_closed *x = ctx;

    (void)name;
    x->out->closed++;
    x->out->closed_unsent += family_unsent(x->c, space);
    return EDN_OK;
}

edn_status edn_client_status_get(edn_client *c, edn_client_status *out, edn_err *err)
{
    stores s;
    edn_status st;

    memset(out, 0, sizeof *out);
    if (!c->secret)
        return EDN_OK;
    out->unlocked = out->synced = true;
    edn_arena_reset(&c->status_arena);
    free(c->status_findings);
    c->status_findings = NULL;
    if ((st = stores_begin(c, NULL, &s, err)) != EDN_OK)
        return st;
    memcpy(out->server, client_id(c)->server, sizeof out->server);
    for (size_t i = 0; st == EDN_OK && i < s.n; i++)
        st = add_store(c, s.p[i], out);
    if (st == EDN_OK)
        st = journals_each(c, count_journal, &out->journals);
    if (st == EDN_OK)
        st = spaces_closed(c, count_closed, &(counting_closed){c, out});
    out->journals += s.n - 1 + out->closed;
    out->synced &= out->closed_unsent == 0;
    if (st == EDN_OK)
        st = tell_broken(c, out);
    return stores_end(&s, st, err);
}
