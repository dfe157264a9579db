#include "wire_priv.h"

void *edn_wire_alloc(edn_reader *r, edn_arena *a, size_t count, size_t size)
{
    void *p = edn_arena_calloc(a, count, size);

    if (!p)
        edn_reader_fail(r, EDN_E_NOMEM, "list");
    return p;
}

static void head_store(uint8_t out[EDN_HEAD_SIZE], const edn_head *h)
{
    memcpy(out, h->device.b, 16);
    edn_store_u64(out + 16, h->dseq);
    memcpy(out + 24, h->hash.b, 32);
}

edn_hash edn_heads_hash(const edn_head *heads, size_t n)
{
    edn_t_hash t;

    EDN_ASSERT(n <= EDN_HEADS_MAX);
    edn_t_hash_begin(&t, EDN_LABEL_HEADS, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        uint8_t e[EDN_HEAD_SIZE];
        head_store(e, &heads[i]);
        edn_t_hash_field(&t, edn_bytes_of(e, sizeof e));
    }
    return edn_t_hash_end(&t);
}

void edn_heads_put(edn_buf *out, const edn_head *heads, size_t n)
{
    if (n > EDN_HEADS_MAX) {
        if (out->st == EDN_OK)
            out->st = EDN_E_LIMIT;
        return;
    }
    edn_put_u32(out, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        uint8_t e[EDN_HEAD_SIZE];
        EDN_ASSERT(heads[i].dseq > 0);
        EDN_ASSERT(i == 0 || memcmp(heads[i - 1].device.b, heads[i].device.b, 16) < 0);
        head_store(e, &heads[i]);
        edn_put_bytes(out, e, sizeof e);
    }
}

bool edn_heads_read(edn_reader *r, edn_arena *a, edn_head **heads, size_t *n)
{
    uint32_t count = edn_read_u32(r, "heads");
    edn_head *list = NULL;

    *heads = NULL;
    *n = 0;
    if (count > EDN_HEADS_MAX)
        edn_reader_fail(r, EDN_E_FORMAT, "heads");
    if (!edn_reader_has(r, count, EDN_HEAD_SIZE))
        return false;
    if (count && !(list = edn_wire_alloc(r, a, count, sizeof *list)))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        edn_read_into(r, list[i].device.b, 16, "head: device");
        list[i].dseq = edn_read_u64(r, "head: number");
        edn_read_into(r, list[i].hash.b, 32, "head: hash");
        if (list[i].dseq == 0 || (i && memcmp(list[i - 1].device.b, list[i].device.b, 16) >= 0)) {
            edn_reader_fail(r, EDN_E_FORMAT, "heads: order");
            return false;
        }
    }
    *heads = list;
    *n = count;
    return true;
}

const edn_head *edn_heads_find(const edn_head *heads, size_t n, const edn_device_id *device)
{
    size_t lo = 0, hi = n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = memcmp(heads[mid].device.b, device->b, 16);
        if (c == 0)
            return &heads[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}
