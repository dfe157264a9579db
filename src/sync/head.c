/* Maps from devices to their newest batch, as sorted arrays: a diary has a handful of devices. */
#include "sync_priv.h"

#include <stdlib.h>

void edn_head_map_dispose(head_map *m)
{
    free(m->p);
    *m = (head_map){NULL, 0, 0};
}

static edn_status map_reserve(head_map *m, size_t n)
{
    size_t cap = m->cap ? m->cap : 8;
    edn_head *p;

    if (n > EDN_HEADS_MAX)
        return EDN_E_LIMIT;
    if (n <= m->cap)
        return EDN_OK;
    while (cap < n)
        cap *= 2;
    if (!(p = realloc(m->p, cap * sizeof *p)))
        return EDN_E_NOMEM;
    m->p = p;
    m->cap = cap;
    return EDN_OK;
}

edn_status edn_head_map_copy(head_map *m, const edn_head *heads, size_t n)
{
    edn_status st = map_reserve(m, n);

    if (st != EDN_OK)
        return st;
    if (n)
        memmove(m->p, heads, n * sizeof *heads);
    m->n = n;
    return EDN_OK;
}

/* Where the device is, or would be. */
static size_t map_at(const head_map *m, const edn_device_id *device)
{
    size_t lo = 0, hi = m->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (memcmp(m->p[mid].device.b, device->b, sizeof device->b) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool map_has(const head_map *m, size_t at, const edn_device_id *device)
{
    return at < m->n && device_equal(&m->p[at].device, device);
}

edn_status edn_head_map_set(head_map *m, const edn_head *head)
{
    size_t at = map_at(m, &head->device);
    edn_status st;

    if (!map_has(m, at, &head->device)) {
        if ((st = map_reserve(m, m->n + 1)) != EDN_OK)
            return st;
        memmove(m->p + at + 1, m->p + at, (m->n - at) * sizeof *m->p);
        m->n++;
    }
    m->p[at] = *head;
    return EDN_OK;
}

void edn_head_map_remove(head_map *m, const edn_device_id *device)
{
    size_t at = map_at(m, device);

    if (!map_has(m, at, device))
        return;
    memmove(m->p + at, m->p + at + 1, (m->n - at - 1) * sizeof *m->p);
    m->n--;
}

edn_head edn_head_map_get(const head_map *m, const edn_device_id *device)
{
    size_t at = map_at(m, device);

    if (map_has(m, at, device))
        return m->p[at];
    return (edn_head){.device = *device};
}
