/* Where things stand: what is here, what the server has signed for, what needs a look. */
#include "client_priv.h"

#include <stdlib.h>

static edn_status load_findings(edn_client *c, edn_client_status *out)
{
    edn_buf row = EDN_BUF_INIT(65536);
    edn_status st = meta_get(c, "findings", EDN_BYTES_EMPTY, &row);
    edn_reader r = edn_reader_init(edn_buf_view(&row));
    size_t n = 0;

    free(c->status_findings);
    c->status_findings = NULL;
    while (st == EDN_OK && edn_reader_left(&r) > 0) {
        edn_finding *more = realloc(c->status_findings, (n + 1) * sizeof *more);
        edn_bytes text;
        if (!more) {
            st = EDN_E_NOMEM;
            break;
        }
        c->status_findings = more;
        memset(&more[n], 0, sizeof more[n]);
        more[n].status = (edn_status)edn_read_u32(&r, "status");
        more[n].time_ms = edn_read_u64(&r, "time");
        text = edn_read_lp(&r, sizeof more[n].text - 1, "text");
        if (text.n)
            memcpy(more[n].text, text.p, text.n);
        if (edn_reader_status(&r) != EDN_OK)
            st = EDN_E_DAMAGED;
        else
            n++;
    }
    edn_buf_dispose(&row);
    out->findings = c->status_findings;
    out->findings_n = n;
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

static edn_status count_journal(void *ctx, const edn_journal_id *j, edn_bytes name)
{
    (void)j;
    (void)name;
    ++*(uint64_t *)ctx;
    return EDN_OK;
}

edn_status edn_client_status_get(edn_client *c, edn_client_status *out, edn_err *err)
{
    edn_sync_remote remote = {0};
    heads h = {NULL, 0};
    edn_status st;

    memset(out, 0, sizeof *out);
    if (!c->secret)
        return EDN_OK;
    out->unlocked = true;
    edn_arena_reset(&c->status_arena);
    if ((st = client_begin_read(c, err)) != EDN_OK)
        return st;
    memcpy(out->server, client_id(c)->server, sizeof out->server);
    if ((st = catalog_counts(c, &out->entries, &out->deleted)) == EDN_OK &&
        (st = journals_each(c, count_journal, &out->journals)) == EDN_OK &&
        (st = outbox_count(c, &out->unsent)) == EDN_OK && (st = aside_count(c, &out->set_aside)) == EDN_OK &&
        (st = heads_load(c, &h)) == EDN_OK && (st = remote_load(c, &remote)) == EDN_OK &&
        (st = load_heads(c, &h, out)) == EDN_OK && (st = load_findings(c, out)) == EDN_OK)
        judge(c, &remote, &h, out);
    edn_wipe(remote.token, sizeof remote.token);
    edn_sync_remote_dispose(&remote);
    heads_dispose(&h);
    return client_end_read(c, st, err);
}
