#include "server_priv.h"

/* What a RESEAL link says was sealed again is let go: the batches up to each device's base. Heads stay where they are,
 * or rise to the base on a server that was set back or is filled anew; so a receipt or an etag from before stays true.
 *
 * The link is the only leave to delete there is, and every client finds it in the log that it checks. Rows go in the
 * transaction that brings the link; files of large batches once it is durable (a crash in between leaves them to the
 * sweep). */

/* The i-th base of the account's space; false past the last. */
static bool base_at(const edn_devlog *log, const edn_space_id *space, size_t *i, edn_head *out)
{
    const edn_pin *bases;
    size_t n = edn_devlog_bases(log, &bases);

    for (; *i < n; ++*i) {
        if (memcmp(bases[*i].space.b, space->b, sizeof space->b) != 0)
            continue;
        *out = (edn_head){bases[*i].device, bases[*i].dseq, bases[*i].hash};
        ++*i;
        return true;
    }
    return false;
}

edn_status edn_server_reseal_check(edn_server *s, const server_account *a, const edn_devlog *log, bool *ok)
{
    edn_head base;

    *ok = true;
    for (size_t i = 0; *ok && base_at(log, &a->space.id, &i, &base);) {
        edn_meta_batch held;
        edn_status st = s->meta.batch_find(s->meta.ctx, a->space.n, &base.device, base.dseq, &held);
        if (st != EDN_OK && st != EDN_E_MISSING)
            return st;
        *ok = st == EDN_E_MISSING || memcmp(&held.hash, &base.hash, sizeof base.hash) == 0;
    }
    return EDN_OK;
}

static edn_status head_raise(edn_server *s, server_account *a, const edn_head *base)
{
    const edn_head *held = edn_heads_find(a->heads, a->heads_n, &base->device);
    edn_status st;

    if (held && held->dseq >= base->dseq)
        return EDN_OK;
    if ((st = edn_server_account_reserve(a, 1)) != EDN_OK ||
        (st = s->meta.head_put(s->meta.ctx, a->space.n, base)) != EDN_OK)
        return st;
    edn_server_account_set_head(a, base);
    return EDN_OK;
}

/* Names of files, to be removed later. */
static edn_status note_large(void *cb, const edn_hash *batch)
{
    edn_buf *names = cb;
    edn_hash name = edn_server_batch_blob(batch);

    edn_put_bytes(names, name.b, sizeof name.b);
    return edn_buf_status(names);
}

edn_status edn_server_reseal_stage(edn_server *s, server_job *job, server_account *a)
{
    edn_status st = EDN_OK;
    edn_head base;

    job->dropped = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    for (size_t i = 0; st == EDN_OK && base_at(a->log, &a->space.id, &i, &base);) {
        uint64_t n = 0, bytes = 0;
        if ((st = head_raise(s, a, &base)) == EDN_OK)
            st = s->meta.batches_drop(s->meta.ctx, a->space.n, &base, note_large, &job->dropped, &n, &bytes);
        a->space.batches -= EDN_MIN(n, a->space.batches);
        a->space.bytes -= EDN_MIN(bytes, a->space.bytes);
        s->stats.batches_dropped += n;
    }
    a->space_dirty = true;
    return st;
}

void edn_server_reseal_finish(edn_server *s, const server_job *job)
{
    for (size_t at = 0; at < job->dropped.n; at += sizeof(edn_hash)) {
        edn_hash name;
        memcpy(name.b, job->dropped.p + at, sizeof name.b);
        if (s->blobs.remove(s->blobs.ctx, &name) == EDN_E_IO)
            s->stats.failures++; /* it stays for the sweep */
    }
}
