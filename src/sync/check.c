/* One batch, checked in the order of SECURITY 2.8:
 *
 *     sizes, version, suite, padding bucket      E_FORMAT, E_SUITE     edn_batch_decode
 *     space                                      E_AUTH                a batch of another space
 *     held already                               E_EXISTS              the hash covers every byte of it
 *     author active at the named log position    E_DEVICE_UNKNOWN, E_SIGNER_REVOKED, E_CAP; E_CHAIN: link not here yet
 *     signature                                  E_SIG
 *     epoch                                      E_EPOCH
 *     number and hash before                     E_CHAIN, E_FORK
 *     opening, zeros, bucket, heads_hash, body   E_AUTH, E_FORMAT
 *
 * Gossip needs more than one batch and is the engine's (claim.c). A refusal that accuses the author (E_FORK) or makes
 * the batch wait (E_CHAIN) is only given once the signature is good: nobody else can cause it. */
#include "sync_priv.h"

#include "base/plant.h"

edn_status edn_batch_in_decode(edn_bytes bytes, batch_in *out)
{
    edn_status st;

    memset(out, 0, sizeof *out);
    if ((st = edn_batch_decode(bytes, &out->batch)) != EDN_OK)
        return st;
    if (out->batch.header.dseq == 0)
        return EDN_E_FORMAT;
    out->c_hash = edn_batch_c_hash(&out->batch);
    out->hash = edn_batch_hash(&out->batch, &out->c_hash);
    return EDN_OK;
}

/* ---- what the device log says of the author ---------------------------------------------------------------------- */

/* Of a revoked device its chain counts up to the batch that the link names, and that must be the end it has there. */
static edn_status author_cut(const edn_batch_check *check, const batch_in *in)
{
    const edn_batch_header *h = &in->batch.header;
    uint64_t dseq;
    edn_hash hash;

    if (!edn_devlog_cut(check->log, &h->device, &check->space, &dseq, &hash) || h->dseq < dseq)
        return EDN_OK;
    if (h->dseq > dseq)
        return EDN_E_SIGNER_REVOKED;
    return hash_equal(&hash, &in->hash) ? EDN_OK : EDN_E_FORK;
}

/* All but the cut. */
static edn_status author_then(const edn_batch_check *check, const batch_in *in, edn_sign_pk *pk, bool *known)
{
    const edn_batch_header *h = &in->batch.header;
    const edn_device *d = edn_devlog_device_find(check->log, &h->device);
    edn_hash at;

    if (h->suite < edn_devlog_suite_min(check->log))
        return EDN_E_SUITE;
    if (d) {
        *pk = d->cert.sign;
        *known = true;
    }
    if (!edn_devlog_hash_at(check->log, h->log_seq, &at))
        return EDN_E_CHAIN; /* made under links that are not here yet */
    if (!d || h->log_seq < d->added_seq)
        return EDN_E_DEVICE_UNKNOWN;
    if (!edn_device_active_at(d, h->log_seq))
        return EDN_E_SIGNER_REVOKED;
    if (!edn_cert_writes(&d->cert))
        return EDN_E_CAP;
    if (!hash_equal(&at, &h->log_head) && !EDN_PLANT(accepts_other_log))
        return EDN_E_FORK; /* its author was shown another device log */
    if (h->epoch < edn_devlog_epoch_min(check->log, h->log_seq))
        return EDN_E_POLICY; /* its author knew that the epochs before are closed */
    return EDN_OK;
}

static edn_status author_in_log(void *ctx, const batch_in *in, edn_sign_pk *pk, bool *known)
{
    const edn_batch_check *check = ctx;
    edn_status st = author_then(check, in, pk, known);

    return st == EDN_OK ? author_cut(check, in) : st;
}

static edn_status late_author(void *ctx, const batch_in *in, edn_sign_pk *pk, bool *known)
{
    return author_then(ctx, in, pk, known);
}

batch_author edn_batch_author_in_log(const edn_batch_check *check)
{
    /* The callback only reads: `ctx` is not const because other authorities may need it otherwise. */
    return (batch_author){(void *)(uintptr_t)check, author_in_log};
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

static edn_status signature_check(const batch_in *in, const batch_author *author)
{
    edn_sign_pk pk = {{0}};
    bool known = false;
    edn_status st = author->fn(author->ctx, in, &pk, &known);

    if (st != EDN_OK && !(known && (st == EDN_E_CHAIN || st == EDN_E_FORK)))
        return st;
    if (!edn_batch_verify(&in->batch, &in->c_hash, &pk) && !EDN_PLANT(skips_signature))
        return EDN_E_SIG;
    return st;
}

static edn_status chain_check(const batch_in *in, const edn_head *last, const edn_sync_view *view)
{
    const edn_batch_header *h = &in->batch.header;
    edn_hash held;

    if (h->dseq <= last->dseq) {
        if (!view->batch_hash(view->ctx, &h->device, h->dseq, &held))
            return EDN_E_CHAIN;
        return hash_equal(&held, &in->hash) ? EDN_E_EXISTS : EDN_E_FORK;
    }
    if ((h->dseq != last->dseq + 1 && !EDN_PLANT(accepts_gaps)) ||
        (!hash_equal(&h->prev, &last->hash) && !EDN_PLANT(accepts_gaps)))
        return EDN_E_CHAIN;
    return EDN_OK;
}

static edn_status batch_read(const batch_in *in, const edn_space_key *key, edn_arena *arena, edn_body *body)
{
    edn_buf plain = EDN_BUF_INIT(in->batch.header.padded_size);
    edn_bytes copy;
    edn_status st;

    if ((st = edn_batch_open(&plain, &in->batch, key)) != EDN_OK)
        goto out;
    if (!edn_arena_copy(arena, edn_buf_view(&plain), &copy)) {
        st = EDN_E_NOMEM;
        goto out;
    }
    st = edn_body_decode(arena, copy, body);
out:
    edn_buf_wipe(&plain);
    return st;
}

edn_status edn_batch_in_check(const batch_in *in, const batch_author *author, const edn_space_id *space,
                              const edn_head *last, const edn_sync_view *view, edn_arena *arena, edn_sync_batch *out)
{
    EDN_SECRET(edn_space_key) key = EDN_KEY_EMPTY;
    const edn_batch_header *h = &in->batch.header;
    edn_hash held;
    edn_body body;
    edn_status st;

    memset(out, 0, sizeof *out);
    if (memcmp(h->space.b, space->b, sizeof space->b) != 0 && !EDN_PLANT(takes_other_spaces))
        return EDN_E_AUTH;
    if (h->dseq <= last->dseq && view->batch_hash(view->ctx, &h->device, h->dseq, &held) &&
        hash_equal(&held, &in->hash))
        return EDN_E_EXISTS;
    if ((st = signature_check(in, author)) != EDN_OK)
        return st;
    if (!view->space_key(view->ctx, h->epoch, &key))
        return EDN_E_EPOCH;
    if ((st = chain_check(in, last, view)) != EDN_OK || (st = batch_read(in, &key, arena, &body)) != EDN_OK)
        return st;
    *out = (edn_sync_batch){in->batch, in->hash, body};
    return EDN_OK;
}

edn_status edn_batch_late_check(const edn_batch_check *check, const batch_in *in, edn_arena *arena, edn_sync_batch *out,
                                bool *its)
{
    EDN_SECRET(edn_space_key) key = EDN_KEY_EMPTY;
    const batch_author author = {(void *)(uintptr_t)check, late_author};
    const edn_batch_header *h = &in->batch.header;
    edn_body body = {.records_n = 0};
    edn_status st;

    *its = false;
    *out = (edn_sync_batch){in->batch, in->hash, body};
    if (memcmp(h->space.b, check->space.b, sizeof h->space.b) != 0)
        return EDN_E_AUTH;
    if (h->dseq <= check->last.dseq)
        return EDN_E_EXISTS;
    if ((st = signature_check(in, &author)) != EDN_OK)
        return st;
    if (!check->view->space_key(check->view->ctx, h->epoch, &key))
        return EDN_E_EPOCH;
    if (h->dseq != check->last.dseq + 1)
        return EDN_E_CHAIN;
    if (!hash_equal(&h->prev, &check->last.hash))
        return EDN_E_FORK;
    *its = true;
    if ((st = batch_read(in, &key, arena, &body)) == EDN_OK)
        out->body = body;
    return st;
}

edn_status edn_batch_check_run(const edn_batch_check *check, edn_bytes bytes, edn_arena *arena, edn_sync_batch *out)
{
    batch_author author = edn_batch_author_in_log(check);
    batch_in in;
    edn_status st;

    memset(out, 0, sizeof *out);
    if ((st = edn_batch_in_decode(bytes, &in)) != EDN_OK)
        return st;
    return edn_batch_in_check(&in, &author, &check->space, &check->last, check->view, arena, out);
}
