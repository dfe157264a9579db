#include "server_priv.h"

#include "base/plant.h"

/* Batches in. Any active device may bring any device's batches, also those of a device that was revoked since, up to
 * its cut: so a server that lost everything is filled again by whoever has them.
 *
 * What holds of every batch that is stored:
 *   1. its form, suite and padded size are legal, and it is of the account's space;
 *   2. its device was active at the place of the log that it names, that place is in our log, and the signature is
 * good;
 *   3. dseq is one more than the device's last, or than its base (reseal.c), and prev is that one's hash. */

/* What one request would change, before anything is staged. */
typedef struct push_plan {
    server_account *account;
    edn_head *heads; /* of devices that the request moves */
    size_t heads_n;
    edn_meta_batch *rows; /* to be stored */
    edn_place *indexes;   /* those of kind index among them */
    size_t indexes_n;
    size_t rows_n;
    uint64_t bytes;
} push_plan;

typedef struct push_refusal {
    int status;
    const char *code, *title;
} push_refusal;

static const push_refusal push_form = {400, "form", "not a batch of this protocol"};
static const push_refusal push_space = {404, "missing", "not a space of this account"};
static const push_refusal push_author = {403, "author", "the device may not write this batch"};
static const push_refusal push_log = {409, "log", "the batch names a place in the device log that is not here"};
static const push_refusal push_chain = {409, "chain", "the batch does not continue its device's chain"};
static const push_refusal push_quota = {507, "quota", "the account's space on this server is used up"};

static edn_head *push_head(edn_server *s, push_plan *p, const edn_device_id *device)
{
    const edn_head *held;

    for (size_t i = 0; i < p->heads_n; i++)
        if (memcmp(&p->heads[i].device, device, sizeof *device) == 0)
            return &p->heads[i];
    if (!p->heads && !(p->heads = edn_arena_alloc(&s->arena, EDN_HEADS_MAX * sizeof *p->heads)))
        return NULL;
    if (p->heads_n == EDN_HEADS_MAX)
        return NULL;
    held = edn_heads_find(p->account->heads, p->account->heads_n, device);
    p->heads[p->heads_n] = held ? *held : (edn_head){.device = *device};
    return &p->heads[p->heads_n++];
}

/* Rule 2, but for the signature. */
static const push_refusal *push_may_write(const server_account *a, const edn_batch_header *h, const edn_hash *hash,
                                          const edn_device **device)
{
    edn_hash at, cut_hash;
    uint64_t cut;

    if (!edn_devlog_hash_at(a->log, h->log_seq, &at) || memcmp(&at, &h->log_head, sizeof at) != 0)
        return &push_log;
    *device = edn_devlog_device_find(a->log, &h->device);
    if (!*device || !edn_device_active_at(*device, h->log_seq) || !edn_cert_writes(&(*device)->cert) ||
        h->epoch > edn_devlog_epoch(a->log))
        return &push_author;
    if (h->epoch < edn_devlog_epoch_min(a->log, h->log_seq))
        return &push_author; /* its author knew that what was before is closed */
    if (edn_devlog_cut(a->log, &h->device, &h->space, &cut, &cut_hash) &&
        (h->dseq > cut || (h->dseq == cut && memcmp(&cut_hash, hash, sizeof *hash) != 0)))
        return &push_author;
    return NULL;
}

/* Plans one batch. EDN_OK with *no set: refused. */
static edn_status push_batch(edn_server *s, push_plan *p, edn_bytes bytes, const push_refusal **no)
{
    edn_batch b;
    edn_hash c_hash, hash, base_hash;
    uint64_t base;
    const edn_device *device;
    edn_head *head;
    edn_status st;

    *no = NULL;
    if (edn_batch_decode(bytes, &b) != EDN_OK) {
        *no = &push_form;
        return EDN_OK;
    }
    if (memcmp(&b.header.space, &p->account->space.id, sizeof b.header.space) != 0) {
        *no = &push_space;
        return EDN_OK;
    }
    if (!(head = push_head(s, p, &b.header.device)))
        return EDN_E_NOMEM;
    c_hash = edn_batch_c_hash(&b);
    hash = edn_batch_hash(&b, &c_hash);
    if (b.header.dseq == 0) { /* they begin with 1 */
        *no = &push_chain;
        return EDN_OK;
    }
    if (b.header.dseq <= head->dseq) { /* held already, or another under its number */
        edn_meta_batch held;
        for (size_t i = 0; i < p->rows_n; i++)
            if (p->rows[i].dseq == b.header.dseq && memcmp(&p->rows[i].device, &b.header.device, 16) == 0) {
                *no = memcmp(&p->rows[i].hash, &hash, sizeof hash) == 0 ? NULL : &push_chain;
                return EDN_OK;
            }
        edn_devlog_base(p->account->log, &b.header.device, &b.header.space, &base, &base_hash);
        if (b.header.dseq <= base) /* let go: who brings it has not heard of that yet */
            return EDN_OK;
        st = s->meta.batch_find(s->meta.ctx, p->account->space.n, &b.header.device, b.header.dseq, &held);
        if (st == EDN_OK && memcmp(&held.hash, &hash, sizeof hash) != 0)
            *no = &push_chain;
        return st == EDN_E_MISSING ? EDN_E_DAMAGED : st;
    }
    if ((*no = push_may_write(p->account, &b.header, &hash, &device)))
        return EDN_OK;
    if ((b.header.dseq != head->dseq + 1 || memcmp(&b.header.prev, &head->hash, sizeof head->hash) != 0) &&
        !EDN_PLANT(server_takes_gaps)) {
        *no = &push_chain;
        return EDN_OK;
    }
    if (!edn_batch_verify(&b, &c_hash, &device->cert.sign)) {
        *no = &push_author;
        return EDN_OK;
    }
    *head = (edn_head){b.header.device, b.header.dseq, hash};
    if (b.header.kind == EDN_BATCH_INDEX)
        p->indexes[p->indexes_n++] = (edn_place){b.header.device, b.header.dseq};
    p->rows[p->rows_n++] = (edn_meta_batch){.space = p->account->space.n,
                                            .device = b.header.device,
                                            .dseq = b.header.dseq,
                                            .hash = hash,
                                            .size = (uint32_t)bytes.n,
                                            .body = bytes};
    p->bytes += bytes.n;
    return EDN_OK;
}

/* Large ones go to the blob store first: a row must never name bytes that are not there. */
static edn_status push_blobs(edn_server *s, push_plan *p)
{
    for (size_t i = 0; i < p->rows_n; i++) {
        edn_hash name = edn_server_batch_blob(&p->rows[i].hash);
        edn_status st;
        if (p->rows[i].size <= s->config.limits.inline_size_max)
            continue;
        if ((st = s->blobs.put(s->blobs.ctx, &name, p->rows[i].body)) != EDN_OK)
            return st;
        p->rows[i].body = EDN_BYTES_EMPTY;
    }
    return EDN_OK;
}

static edn_status push_stage(edn_server *s, const push_plan *p)
{
    server_account *a = p->account;
    edn_status st;

    if ((st = edn_server_begin(s)) != EDN_OK)
        return st;
    edn_server_account_stage(s, a);
    for (size_t i = 0; i < p->rows_n; i++)
        if (!(EDN_PLANT(server_drops_batch) && p->rows[i].dseq % 7 == 3) &&
            (st = s->meta.batch_put(s->meta.ctx, &p->rows[i])) != EDN_OK)
            return st;
    for (size_t i = 0; i < p->indexes_n; i++)
        if ((st = s->meta.index_put(s->meta.ctx, a->space.n, &p->indexes[i].device, p->indexes[i].dseq)) != EDN_OK)
            return st;
    for (size_t i = 0; i < p->heads_n; i++) {
        const edn_head *held = edn_heads_find(a->heads, a->heads_n, &p->heads[i].device);
        if ((held ? held->dseq : 0) == p->heads[i].dseq)
            continue;
        if (!EDN_PLANT(server_forgets_head) && (st = s->meta.head_put(s->meta.ctx, a->space.n, &p->heads[i])) != EDN_OK)
            return st;
        edn_server_account_set_head(a, &p->heads[i]);
    }
    a->space.batches += p->rows_n;
    a->space.bytes += p->bytes;
    a->space_dirty = true;
    edn_server_account_moved(a);
    return EDN_OK;
}

static void push_finish(edn_server *s, server_job *job)
{
    edn_msg_pushed m = {.flags = job->flags};
    server_account *a = job->caller.account;
    edn_hash head = edn_devlog_head(a->log);

    /* The state right after this request: another of the group may have moved it on since. */
    m.receipt.time_ms = s->clock.now_ms(s->clock.ctx);
    edn_receipt_sign(&m.receipt, &job->space, job->log_count, &job->log_head, &job->heads_hash, &s->receipt_sk);
    if (memcmp(&a->heads_hash, &job->heads_hash, 32) == 0 && memcmp(&head, &job->log_head, 32) == 0) {
        a->receipt = m.receipt;
        a->signed_ok = true;
    }
    job->out->status = 200;
    edn_pushed_put(&job->out->body, &m);
}

edn_status edn_server_push(edn_server *s, server_job *job)
{
    push_plan p = {.account = job->caller.account};
    const edn_server_limits *l = &s->config.limits;
    const push_refusal *no = NULL;
    edn_msg_push m;
    edn_status st;
    size_t i = 0;

    if ((st = edn_push_decode(&s->arena, job->rq->body, &m)) != EDN_OK) {
        edn_server_malformed(job->out, st);
        return EDN_OK;
    }
    p.rows = edn_arena_calloc(&s->arena, m.batches_n + 1, sizeof *p.rows);
    p.indexes = edn_arena_calloc(&s->arena, m.batches_n + 1, sizeof *p.indexes);
    if (!p.rows || !p.indexes)
        return EDN_E_NOMEM;
    for (i = 0; i < m.batches_n && !no; i++)
        if ((st = push_batch(s, &p, m.batches[i], &no)) != EDN_OK)
            return st;
    if (!no && p.rows_n > 0 &&
        (!edn_server_has_room(s, p.account, p.bytes) || p.rows_n > l->quota_batches ||
         p.account->space.batches > l->quota_batches - p.rows_n))
        no = &push_quota;
    if (no) { /* the last one that was looked at */
        edn_server_problem_at(job->out, no->status, no->code, no->title, i - 1);
        return EDN_OK;
    }
    job->flags = memcmp(&m.before, &p.account->etag, sizeof m.before) == 0 ? EDN_PUSHED_EXPECTED : 0;
    if (p.rows_n > 0) {
        if ((st = edn_server_account_reserve(p.account, p.heads_n)) != EDN_OK)
            return st;
        if ((st = push_blobs(s, &p)) != EDN_OK) { /* nothing of it was staged: it fails alone */
            edn_server_failed(job->out, st);
            return EDN_OK;
        }
        if ((st = push_stage(s, &p)) != EDN_OK)
            return st;
        s->stats.batches += p.rows_n;
        s->stats.batch_bytes += p.bytes;
    }
    edn_server_job_state(job, p.account);
    job->finish = push_finish;
    return EDN_OK;
}
