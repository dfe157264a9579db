#include "server_priv.h"

#include <stdlib.h>

/* Links and batches out, and the cheapest question there is: whether there is anything new. */

#define PULL_CUT_SIZE (4u << 20) /* an answer ends with the item that passes this */
#define PULL_BATCHES_MAX 4096u
#define PULL_REST_SIZE (512u << 10) /* all of an answer that is not links and batches */

/* ---- probes ------------------------------------------------------------------------------------------------------ */

static edn_hash probe_name(const uint8_t probe[EDN_PROBE_SIZE])
{
    return edn_h32_t(EDN_LABEL_SERVER_PROBE, edn_bytes_of(probe, EDN_PROBE_SIZE));
}

void edn_server_probe(edn_server *s, const edn_server_request *rq, edn_server_answer *out)
{
    static const size_t id_size = 22, at = sizeof "/v1/probe/" - 1;
    uint8_t probe[EDN_PROBE_SIZE];
    server_account *a;
    edn_etag etag;
    edn_hash name;
    edn_status st;

    s->stats.probes++;
    if (rq->path.n != at + 2 * id_size + 1 || rq->path.p[at + id_size] != '/' ||
        !edn_server_path_id(edn_bytes_of(rq->path.p + at, id_size), probe, sizeof probe) ||
        !edn_server_path_id(edn_bytes_of(rq->path.p + at + id_size + 1, id_size), etag.b, sizeof etag.b)) {
        edn_server_malformed(out, EDN_E_FORMAT);
        return;
    }
    name = probe_name(probe);
    st = edn_server_account_by_probe(s, &name, &a);
    if (st == EDN_E_MISSING) {
        edn_server_problem(out, 404, "missing", "nothing is here");
    } else if (st != EDN_OK) {
        edn_server_failed(out, st);
    } else {
        out->status = edn_equal_ct(&a->etag, &etag, sizeof etag) ? 204 : 200;
        s->stats.probes_new += out->status == 200;
    }
}

/* Keeps the probe's hash with the space, in a commit of its own: it comes once for each epoch. When the disk is full
 * the device does without: reading must go on. Only a failure to read is one. */
static edn_status pull_keep_probe(edn_server *s, server_account **account, const uint8_t probe[EDN_PROBE_SIZE])
{
    static const uint8_t none[EDN_PROBE_SIZE];
    edn_hash name = probe_name(probe);
    server_account *a = *account;
    edn_account_id id = a->row.id;

    if (memcmp(probe, none, sizeof none) == 0 || memcmp(&a->space.probe, &name, sizeof name) == 0)
        return EDN_OK;
    if (edn_server_begin(s) == EDN_OK) {
        edn_server_account_stage(s, a);
        edn_server_account_set_probe(s, a, &name);
        if (edn_server_commit(s) == EDN_OK)
            return EDN_OK;
    }
    return edn_server_account_get(s, &id, account); /* what was undone is no longer in memory */
}

/* ---- pulls ------------------------------------------------------------------------------------------------------- */

/* What goes into one answer. Items are copied into `bytes`, since those of the store end with each row. */
typedef struct pull_items {
    edn_server *s;
    edn_buf bytes, sizes; /* sizes: u32 each; links first, then batches */
    size_t links_n, batches_n;
    bool more;
} pull_items;

static edn_status pull_add(pull_items *p, edn_bytes item)
{
    uint32_t n = (uint32_t)item.n;

    edn_put_bytes(&p->bytes, item.p, item.n);
    edn_put_bytes(&p->sizes, &n, sizeof n);
    return edn_buf_status(&p->bytes) != EDN_OK ? edn_buf_status(&p->bytes) : edn_buf_status(&p->sizes);
}

/* Whether another item of `n` bytes still goes into this answer. The first one always does. */
static bool pull_fits(pull_items *p, size_t n)
{
    if (p->bytes.n < PULL_CUT_SIZE && (p->bytes.n == 0 || p->bytes.n + n <= EDN_PULL_SIZE_MAX - PULL_REST_SIZE) &&
        p->links_n < EDN_MSG_LIST_MAX && p->batches_n < PULL_BATCHES_MAX)
        return true;
    p->more = true;
    return false;
}

/* The end of an answer, as a status that only ends the walk. */
#define PULL_CUT EDN_E_LIMIT

static edn_status pull_link(void *cb, uint64_t seq, edn_bytes link)
{
    pull_items *p = cb;

    (void)seq;
    if (!pull_fits(p, link.n))
        return PULL_CUT;
    p->links_n++;
    return pull_add(p, link);
}

static edn_status pull_batch(void *cb, const edn_meta_batch *row)
{
    pull_items *p = cb;
    edn_hash name = edn_server_batch_blob(&row->hash);
    uint32_t n = row->size;
    size_t before = p->bytes.n;
    edn_status st;

    if (!pull_fits(p, n))
        return PULL_CUT;
    p->batches_n++;
    if (row->body.n)
        return pull_add(p, row->body);
    if ((st = p->s->blobs.get(p->s->blobs.ctx, &name, &p->bytes)) != EDN_OK)
        return st == EDN_E_MISSING ? EDN_E_DAMAGED : st;
    if (p->bytes.n - before != n)
        return EDN_E_DAMAGED;
    edn_put_bytes(&p->sizes, &n, sizeof n);
    return edn_buf_status(&p->sizes);
}

/* From which number on each device's batches are wanted; devices with nothing new are left out. */
static edn_head *pull_after(edn_server *s, const server_account *a, const edn_msg_pull *m, size_t *n)
{
    edn_head *after = edn_arena_calloc(&s->arena, a->heads_n + 1, sizeof *after);

    *n = 0;
    for (size_t i = 0; after && i < a->heads_n; i++) {
        const edn_head *has = edn_heads_find(m->heads, m->heads_n, &a->heads[i].device);
        if (!has || has->dseq < a->heads[i].dseq)
            after[(*n)++] = (edn_head){.device = a->heads[i].device, .dseq = has ? has->dseq : 0};
    }
    return after;
}

static edn_status pull_collect(edn_server *s, const server_caller *c, const edn_msg_pull *m, pull_items *p)
{
    server_account *a = c->account;
    edn_status st = EDN_OK;
    edn_head *after;
    size_t n;

    if (m->log_count < edn_devlog_count(a->log))
        st = s->meta.links_each(s->meta.ctx, a->row.n, m->log_count, pull_link, p);
    if (st != EDN_OK || c->passphrase)
        return st == PULL_CUT ? EDN_OK : st;
    if (!(after = pull_after(s, a, m, &n)))
        return EDN_E_NOMEM;
    if (n > 0)
        st = s->meta.batches_after(s->meta.ctx, a->space.n, after, n, PULL_BATCHES_MAX + 1, pull_batch, p);
    return st == PULL_CUT ? EDN_OK : st;
}

static edn_bytes *pull_views(edn_server *s, const pull_items *p)
{
    size_t n = p->links_n + p->batches_n, at = 0;
    edn_bytes *views = edn_arena_calloc(&s->arena, n + 1, sizeof *views);

    for (size_t i = 0; views && i < n; i++) {
        uint32_t size;
        memcpy(&size, p->sizes.p + i * sizeof size, sizeof size);
        views[i] = edn_bytes_of(p->bytes.p + at, size);
        at += size;
    }
    return views;
}

static edn_status pull_answer(edn_server *s, const server_caller *c, const edn_msg_pull *ask, pull_items *p,
                              edn_buf *out)
{
    server_account *a = c->account;
    edn_msg_pulled m = {.log_count = edn_devlog_count(a->log),
                        .log_head = edn_devlog_head(a->log),
                        .recovery = a->recovery.number,
                        .heads = a->heads,
                        .heads_n = a->heads_n};
    edn_status st = pull_collect(s, c, ask, p);
    edn_bytes *views = st == EDN_OK ? pull_views(s, p) : NULL;

    if (!views)
        return st != EDN_OK ? st : EDN_E_NOMEM;
    m.flags = p->more ? EDN_PULLED_MORE : 0;
    m.receipt = *edn_server_receipt(s, a);
    m.links = views;
    m.links_n = p->links_n;
    m.batches = views + p->links_n;
    m.batches_n = p->batches_n;
    edn_buf_reserve(out, p->bytes.n + 4 * (p->links_n + p->batches_n) + a->heads_n * EDN_HEAD_SIZE + 256);
    edn_pulled_put(out, &m);
    return edn_buf_status(out);
}

/* ---- batches by their numbers ------------------------------------------------------------------------------------ */

typedef struct ahead {
    pull_items *p;
    uint64_t dseq;
    bool found;
} ahead;

static edn_status ahead_batch(void *cb, const edn_meta_batch *row)
{
    ahead *w = cb;

    if (row->dseq != w->dseq)
        return EDN_OK;
    w->found = true;
    return pull_batch(w->p, row);
}

/* Adds the batch, or nothing when it is not there. PULL_CUT: it does not go into this answer. */
static edn_status ahead_add(pull_items *p, int64_t space, edn_place at)
{
    edn_server *s = p->s;
    ahead w = {.p = p, .dseq = at.dseq};
    edn_head after = {.device = at.device};
    edn_status st = at.dseq ? EDN_OK : s->meta.index_find(s->meta.ctx, space, &at.device, &w.dseq);

    after.dseq = w.dseq - 1;
    if (st == EDN_OK && w.dseq)
        st = s->meta.batches_after(s->meta.ctx, space, &after, 1, 1, ahead_batch, &w);
    if (st != EDN_OK || w.found)
        return st;
    p->batches_n++;
    return pull_add(p, EDN_BYTES_EMPTY);
}

void edn_server_batches(edn_server *s, const server_caller *c, const edn_server_request *rq, edn_server_answer *out)
{
    pull_items p = {.s = s, .bytes = EDN_BUF_INIT(EDN_PULL_SIZE_MAX), .sizes = EDN_BUF_INIT(EDN_PULL_SIZE_MAX)};
    edn_msg_batches m = {NULL, 0};
    edn_msg_batch_ask ask;
    edn_status st;

    if ((st = edn_batch_ask_decode(&s->arena, rq->body, &ask)) != EDN_OK) {
        edn_server_malformed(out, st);
        return;
    }
    if (memcmp(&ask.space, &c->account->space.id, sizeof ask.space) != 0) {
        edn_server_problem(out, 404, "missing", "not a space of this account");
        return;
    }
    for (size_t i = 0; st == EDN_OK && i < ask.places_n; i++)
        st = ahead_add(&p, c->account->space.n, ask.places[i]);
    if ((st == EDN_OK || st == PULL_CUT) && (m.batches = pull_views(s, &p))) {
        m.batches_n = p.batches_n;
        out->status = 200;
        edn_batches_put(&out->body, &m);
    } else {
        edn_server_failed(out, st == EDN_OK || st == PULL_CUT ? EDN_E_NOMEM : st);
    }
    edn_buf_dispose(&p.bytes);
    edn_buf_dispose(&p.sizes);
}

/* ---- a whole pull ------------------------------------------------------------------------------------------------ */

void edn_server_pull(edn_server *s, server_caller *c, const edn_server_request *rq, edn_server_answer *out)
{
    pull_items p = {.s = s, .bytes = EDN_BUF_INIT(EDN_PULL_SIZE_MAX), .sizes = EDN_BUF_INIT(EDN_PULL_SIZE_MAX)};
    edn_msg_pull m;
    edn_status st;

    if ((st = edn_pull_decode(&s->arena, rq->body, &m)) != EDN_OK) {
        edn_server_malformed(out, st);
        return;
    }
    if (memcmp(&m.space, &c->account->space.id, sizeof m.space) != 0) {
        edn_server_problem(out, 404, "missing", "not a space of this account");
        return;
    }
    if (!c->passphrase && (st = pull_keep_probe(s, &c->account, m.probe)) != EDN_OK) {
        edn_server_failed(out, st);
        return;
    }
    st = pull_answer(s, c, &m, &p, &out->body);
    if (st == EDN_OK)
        out->status = 200;
    else
        edn_server_failed(out, st);
    edn_buf_dispose(&p.bytes);
    edn_buf_dispose(&p.sizes);
}
