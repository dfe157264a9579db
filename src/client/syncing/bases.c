/* Where chains begin. A deep re-key seals everything again and names, by a signed link (RESEAL), up to where each
 * device's batches are contained in that: its base. What lies at or below a base is no longer kept here, nor sent
 * anywhere. */
#include "client/syncing/bases.h"

#include <stdlib.h>

/* ---- what stands in the way -------------------------------------------------------------------------------------- */

static edn_status first_row(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    uint64_t *dseq = ctx;

    (void)st;
    (void)value;
    if (key.n < 1 + sizeof(edn_device_id) + 8)
        return EDN_OK;
    *dseq = 0;
    for (int i = 0; i < 8; i++)
        *dseq = *dseq << 8 | key.p[17 + i];
    return EDN_E_EXISTS; /* the first is enough: keys ascend */
}

/* The device's first batch of which a record was set aside (inbox.c): it may be needed again, and was not sealed again.
 * UINT64_MAX: there is none. */
static edn_status first_aside(edn_client *c, const edn_device_id *d, uint64_t *out)
{
    static const char kinds[] = {'w', 'r'};
    edn_status st = EDN_OK;

    *out = UINT64_MAX;
    for (size_t i = 0; st == EDN_OK && i < sizeof kinds; i++) {
        uint8_t prefix[1 + sizeof d->b] = {(uint8_t)kinds[i]};
        uint64_t first = UINT64_MAX;
        memcpy(prefix + 1, d->b, sizeof d->b);
        st = edn_store_scan(c->store, EDN_TABLE_ASIDE, edn_bytes_of(prefix, sizeof prefix), EDN_BYTES_EMPTY, true,
                            first_row, &first);
        if (st == EDN_E_EXISTS)
            st = EDN_OK;
        *out = EDN_MIN(*out, first);
    }
    return st;
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

/* How far the device's chain is contained in the documents that are here. {dseq 0}: not at all. */
static edn_status covered(edn_client *c, const edn_head *head, edn_head *out)
{
    uint64_t aside;
    edn_status st = first_aside(c, &head->device, &aside);

    *out = *head;
    if (st != EDN_OK || aside > head->dseq)
        return st;
    *out = (edn_head){.device = head->device, .dseq = aside - 1};
    if (out->dseq && (st = batch_hash_load(c, &out->device, out->dseq, &out->hash)) == EDN_E_MISSING) {
        out->dseq = 0;
        st = EDN_OK;
    }
    return st;
}

edn_status bases_cover(edn_client *c, const heads *held, heads *out)
{
    edn_status st = EDN_OK;

    *out = (heads){NULL, 0};
    for (size_t i = 0; st == EDN_OK && i < held->n; i++) {
        edn_head base, before;
        if ((st = covered(c, &held->p[i], &base)) != EDN_OK)
            break;
        edn_devlog_base(c->log, &base.device, &client_id(c)->space, &before.dseq, &before.hash);
        if (base.dseq > before.dseq)
            st = heads_set(out, &base);
    }
    if (st != EDN_OK)
        heads_dispose(out);
    return st;
}

/* ---- letting go -------------------------------------------------------------------------------------------------- */

typedef struct old_batches {
    edn_buf keys; /* of rows */
    uint64_t last;
} old_batches;

static edn_status gather_old(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    old_batches *x = ctx;
    uint64_t dseq = 0;

    (void)st;
    (void)value;
    if (key.n != BATCH_KEY_SIZE)
        return EDN_OK; /* hashes stay: gossip is compared with them */
    for (int i = 0; i < 8; i++)
        dseq = dseq << 8 | key.p[24 + i];
    if (dseq > x->last)
        return EDN_E_EXISTS; /* keys ascend */
    edn_put_bytes(&x->keys, key.p, key.n);
    return edn_buf_status(&x->keys);
}

static edn_status let_go_of(edn_client *c, const edn_device_id *d, uint64_t last)
{
    old_batches x = {EDN_BUF_INIT(EDN_BUF_UNLIMITED), last};
    uint8_t key[BATCH_KEY_SIZE];
    edn_status st;

    batch_key(c, d, 0, key);
    st = edn_store_scan(c->store, EDN_TABLE_BATCH, edn_bytes_of(key, 24), EDN_BYTES_EMPTY, true, gather_old, &x);
    if (st == EDN_E_EXISTS)
        st = EDN_OK;
    for (size_t at = 0; st == EDN_OK && at < x.keys.n; at += BATCH_KEY_SIZE)
        st = edn_store_del(c->store, EDN_TABLE_BATCH, edn_bytes_of(x.keys.p + at, BATCH_KEY_SIZE));
    edn_buf_dispose(&x.keys);
    return st;
}

/* This device's own batches, only when they are the ones that were sealed again: another copy of it may have used their
 * numbers, and then they are to be written again (reissue.c). */
static edn_status is_ours(edn_client *c, const edn_pin *base, bool *out)
{
    edn_hash held;
    edn_status st = EDN_OK;

    *out = true;
    if (memcmp(base->device.b, client_id(c)->device.b, sizeof base->device.b) == 0) {
        st = batch_hash_load(c, &base->device, base->dseq, &held);
        *out = st == EDN_OK && memcmp(held.b, base->hash.b, sizeof held.b) == 0;
    }
    return st == EDN_E_MISSING ? EDN_OK : st;
}

edn_status bases_let_go(edn_client *c)
{
    const edn_pin *bases;
    size_t n = edn_devlog_bases(c->log, &bases);
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < n; i++) {
        uint64_t aside;
        bool ours;
        if (memcmp(bases[i].space.b, client_id(c)->space.b, sizeof bases[i].space.b) != 0)
            continue;
        if ((st = is_ours(c, &bases[i], &ours)) == EDN_OK && ours &&
            (st = first_aside(c, &bases[i].device, &aside)) == EDN_OK)
            st = let_go_of(c, &bases[i].device, EDN_MIN(bases[i].dseq, aside - 1));
    }
    return st;
}

/* ---- what came late ---------------------------------------------------------------------------------------------- */

static edn_status batch_epoch(edn_client *c, const edn_device_id *d, uint64_t dseq, uint32_t *out)
{
    edn_buf bytes = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_batch b;
    edn_status st = batch_load(c, d, dseq, &bytes);

    if (st == EDN_OK && (st = edn_batch_decode(edn_buf_view(&bytes), &b)) == EDN_OK)
        *out = b.header.epoch;
    edn_buf_dispose(&bytes);
    return st;
}

edn_status bases_late(edn_client *c, const edn_head *head, uint64_t base, uint32_t epoch, uint64_t *last)
{
    edn_status st = EDN_OK;

    *last = base;
    for (uint64_t dseq = base + 1; st == EDN_OK && dseq <= head->dseq; dseq++) {
        uint32_t its = epoch;
        st = batch_epoch(c, &head->device, dseq, &its);
        if (st == EDN_OK && its < epoch)
            *last = dseq;
    }
    return st;
}
