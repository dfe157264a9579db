/* What each device has published of the index last.
 *
 *     EDN_TABLE_INDEX   4 ‖ device 16     u64 number of its batch ‖ the heads that it covers ‖ the manifest */
#include "client/finding/index.h"
#include "client/finding/manifest.h"

#include <stdlib.h>

#define ROW_SIZE_MAX (MANIFEST_SIZE_MAX + (size_t)EDN_HEADS_MAX * EDN_HEAD_SIZE + 64)

typedef struct listed_key {
    uint8_t b[17];
} listed_key;

static listed_key key_of(const edn_device_id *d)
{
    listed_key k = {{INDEX_KEY_LISTED}};

    memcpy(k.b + 1, d->b, sizeof d->b);
    return k;
}

static edn_status row_read(edn_arena *a, edn_bytes row, listed *out)
{
    edn_reader r = edn_reader_init(row);

    out->dseq = edn_read_u64(&r, "number");
    if (!edn_heads_read(&r, a, &out->cover, &out->cover_n))
        return edn_reader_status(&r);
    out->bytes = edn_read_bytes(&r, edn_reader_left(&r), "manifest");
    return manifest_decode(a, out->bytes, &out->manifest);
}

edn_status listed_save(edn_client *c, const edn_device_id *device, uint64_t dseq, const edn_head *cover, size_t cover_n,
                       edn_bytes manifest_bytes)
{
    listed_key k = key_of(device);
    edn_buf row = EDN_BUF_INIT(ROW_SIZE_MAX), old = EDN_BUF_INIT(ROW_SIZE_MAX);
    edn_status st = edn_store_get(c->store, EDN_TABLE_INDEX, EDN_F(k), &old);

    if (st == EDN_OK && old.n >= 8 && edn_load_u64(old.p) >= dseq)
        goto out; /* ahead of its turn came a newer one */
    if (st != EDN_OK && st != EDN_E_MISSING && st != EDN_E_DAMAGED)
        goto out;
    edn_put_u64(&row, dseq);
    edn_heads_put(&row, cover, cover_n);
    edn_put_bytes(&row, manifest_bytes.p, manifest_bytes.n);
    if ((st = edn_buf_status(&row)) == EDN_OK)
        st = edn_store_put(c->store, EDN_TABLE_INDEX, EDN_F(k), edn_buf_view(&row));
out:
    edn_buf_wipe(&row);
    edn_buf_wipe(&old);
    return st;
}

/* Its heads, and its author's batches before it. */
static edn_status cover_of(const edn_sync_batch *b, edn_arena *a, edn_head **out, size_t *n)
{
    const edn_batch_header *h = &b->batch.header;
    edn_head *list = edn_arena_calloc(a, b->body.heads_n + 1, sizeof *list);
    size_t at = 0;
    bool own = h->dseq == 1; /* nothing of its own is before it */

    if (!list)
        return EDN_E_NOMEM;
    for (size_t i = 0; i < b->body.heads_n; i++) {
        int d = memcmp(b->body.heads[i].device.b, h->device.b, sizeof h->device.b);
        if (d == 0)
            continue;
        if (d > 0 && !own) {
            list[at++] = (edn_head){h->device, h->dseq - 1, h->prev};
            own = true;
        }
        list[at++] = b->body.heads[i];
    }
    if (!own)
        list[at++] = (edn_head){h->device, h->dseq - 1, h->prev};
    *out = list;
    *n = at;
    return EDN_OK;
}

edn_status listed_take(edn_client *c, const edn_sync_batch *b)
{
    edn_arena a = edn_arena_init((size_t)16 << 20);
    edn_buf bytes = EDN_BUF_INIT(MANIFEST_SIZE_MAX);
    edn_head *cover = NULL;
    size_t cover_n = 0;
    manifest m;
    edn_status st = cover_of(b, &a, &cover, &cover_n);

    for (uint32_t i = 0; st == EDN_OK && i < b->body.records_n; i++) {
        if (b->body.records[i].type != EDN_RECORD_INDEX)
            continue;
        edn_buf_reset(&bytes);
        if ((st = record_manifest(c, &b->batch.header, &b->body.records[i], i, &bytes)) == EDN_OK &&
            (st = manifest_decode(&a, edn_buf_view(&bytes), &m)) == EDN_OK)
            st = listed_save(c, &b->batch.header.device, b->batch.header.dseq, cover, cover_n, edn_buf_view(&bytes));
    }
    edn_buf_wipe(&bytes);
    edn_arena_dispose(&a);
    return st;
}

static edn_status reopen(edn_client *c, const edn_device_id *device, uint64_t dseq, edn_arena *a, edn_sync_batch *out)
{
    memset(out, 0, sizeof *out);
    return batch_reopen(c, device, dseq, a, &out->batch, &out->body);
}

static bool same_cover(const listed *l, const edn_head *cover, size_t n)
{
    edn_hash x = edn_heads_hash(l->cover, l->cover_n), y = edn_heads_hash(cover, n);
    return memcmp(x.b, y.b, sizeof x.b) == 0;
}

/* A batch's own manifest, and what it covers. */
static edn_status read_batch(edn_client *c, const edn_sync_batch *b, edn_arena *a, edn_head **cover, size_t *n,
                             edn_buf *bytes)
{
    edn_status st = cover_of(b, a, cover, n);

    for (uint32_t i = 0; st == EDN_OK && i < b->body.records_n; i++)
        if (b->body.records[i].type == EDN_RECORD_INDEX)
            st = record_manifest(c, &b->batch.header, &b->body.records[i], i, bytes);
    return st;
}

edn_status listed_check(edn_client *c, const edn_device_id *device, uint64_t dseq, bool *good)
{
    edn_arena a = edn_arena_init((size_t)64 << 20);
    edn_buf row = EDN_BUF_INIT(ROW_SIZE_MAX), bytes = EDN_BUF_INIT(MANIFEST_SIZE_MAX);
    listed_key k = key_of(device);
    edn_head *cover = NULL;
    size_t cover_n = 0;
    edn_sync_batch b;
    listed kept = {.dseq = 0};
    edn_status st = reopen(c, device, dseq, &a, &b);

    *good = true;
    if (st == EDN_OK)
        st = read_batch(c, &b, &a, &cover, &cover_n, &bytes);
    if (st == EDN_OK && bytes.n) {
        st = edn_store_get(c->store, EDN_TABLE_INDEX, EDN_F(k), &row);
        if (st == EDN_OK)
            st = row_read(&a, edn_buf_view(&row), &kept);
        *good = st == EDN_OK && (kept.dseq > dseq || (kept.dseq == dseq && same_cover(&kept, cover, cover_n) &&
                                                      edn_bytes_equal(kept.bytes, edn_buf_view(&bytes))));
        if (st == EDN_E_MISSING || st == EDN_E_DAMAGED || st == EDN_E_FORMAT)
            st = EDN_OK;
    } else if (record_is_at_fault(st)) {
        st = EDN_OK; /* the batch is named for itself */
    }
    edn_buf_wipe(&row);
    edn_buf_wipe(&bytes);
    edn_arena_dispose(&a);
    return st;
}

edn_status listed_renew(edn_client *c, const edn_device_id *device, uint64_t dseq)
{
    edn_arena a = edn_arena_init((size_t)64 << 20);
    listed_key k = key_of(device);
    edn_sync_batch b;
    edn_status st = reopen(c, device, dseq, &a, &b);

    if (st == EDN_OK && (st = edn_store_del(c->store, EDN_TABLE_INDEX, EDN_F(k))) == EDN_OK)
        st = listed_take(c, &b);
    edn_arena_dispose(&a);
    return record_is_at_fault(st) ? EDN_OK : st;
}

typedef struct loading {
    edn_arena *a;
    listed *list;
    size_t n, cap;
} loading;

static edn_status load_row(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    loading *l = ctx;
    edn_bytes row;
    listed m = {.dseq = 0};

    if (st == EDN_E_DAMAGED || key.n != sizeof(listed_key))
        return EDN_OK;
    if (st != EDN_OK)
        return st;
    memcpy(m.device.b, key.p + 1, sizeof m.device.b);
    if (!edn_arena_copy(l->a, value, &row) || !edn_array_room(&l->list, &l->cap, l->n + 1, sizeof *l->list))
        return EDN_E_NOMEM;
    st = row_read(l->a, row, &m);
    if (st == EDN_OK)
        l->list[l->n++] = m;
    return st == EDN_E_NOMEM ? st : EDN_OK; /* one that is not good is none */
}

static uint64_t covered(const listed *m)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < m->cover_n; i++)
        sum += m->cover[i].dseq;
    return sum;
}

static int in_force_first(const void *a, const void *b)
{
    const listed *x = a, *y = b;
    uint64_t cx = covered(x), cy = covered(y);

    if (cx != cy)
        return cx < cy ? 1 : -1;
    return memcmp(y->device.b, x->device.b, sizeof x->device.b);
}

edn_status listed_load(edn_client *c, edn_arena *a, listed **out, size_t *n)
{
    static const uint8_t prefix = INDEX_KEY_LISTED;
    loading l = {.a = a};
    edn_status st = edn_store_scan(c->store, EDN_TABLE_INDEX, edn_bytes_of(&prefix, 1), EDN_BYTES_EMPTY, false,
                                   load_row, &l);

    *out = NULL;
    *n = 0;
    if (st == EDN_OK && l.n) {
        qsort(l.list, l.n, sizeof *l.list, in_force_first);
        if ((*out = edn_arena_calloc(a, l.n, sizeof *l.list))) {
            memcpy(*out, l.list, l.n * sizeof *l.list);
            *n = l.n;
        } else {
            st = EDN_E_NOMEM;
        }
    }
    free(l.list);
    return st;
}
