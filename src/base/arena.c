#include "base.h"

#include <stdlib.h>

struct edn_arena_chunk {
    edn_arena_chunk *next;
    size_t size;
    _Alignas(16) uint8_t data[];
};

#define ARENA_CHUNK_SIZE_MIN ((size_t)4096)
#define ARENA_CHUNK_SIZE_MAX ((size_t)1 << 20)

edn_arena edn_arena_init(size_t size_max) { return (edn_arena){NULL, NULL, NULL, 0, size_max}; }

void edn_arena_dispose(edn_arena *a)
{
    for (edn_arena_chunk *c = a->head, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    *a = edn_arena_init(a->size_max);
}

void edn_arena_reset(edn_arena *a)
{
    edn_arena_chunk *keep = a->head;

    if (!keep)
        return;
    for (edn_arena_chunk *c = keep->next, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    keep->next = NULL;
    a->p = keep->data;
    a->end = keep->data + keep->size;
    a->used = 0;
}

static bool arena_add_chunk(edn_arena *a, size_t n)
{
    size_t size = a->head ? a->head->size * 2 : ARENA_CHUNK_SIZE_MIN;
    edn_arena_chunk *c;

    size = EDN_MAX(EDN_MIN(size, ARENA_CHUNK_SIZE_MAX), n);
    c = malloc(sizeof *c + size);
    if (!c)
        return false;
    c->next = a->head;
    c->size = size;
    a->head = c;
    a->p = c->data;
    a->end = c->data + size;
    return true;
}

void *edn_arena_alloc(edn_arena *a, size_t n)
{
    void *out;

    if (n > SIZE_MAX - 15)
        return NULL;
    n = (n + 15) & ~(size_t)15;
    if (n > a->size_max - a->used)
        return NULL;
    if (!a->p || n > (size_t)(a->end - a->p)) {
        if (!arena_add_chunk(a, n))
            return NULL;
    }
    out = a->p;
    a->p += n;
    a->used += n;
    return out;
}

void *edn_arena_calloc(edn_arena *a, size_t count, size_t size)
{
    size_t n;
    void *p;

    if (!edn_mul_size(count, size, &n))
        return NULL;
    p = edn_arena_alloc(a, n);
    if (p)
        memset(p, 0, n);
    return p;
}

char *edn_arena_str(edn_arena *a, edn_bytes s)
{
    size_t n;
    char *p;

    if (!edn_add_size(s.n, 1, &n))
        return NULL;
    p = edn_arena_alloc(a, n);
    if (!p)
        return NULL;
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = 0;
    return p;
}

bool edn_arena_copy(edn_arena *a, edn_bytes s, edn_bytes *out)
{
    uint8_t *p = edn_arena_alloc(a, s.n);

    *out = EDN_BYTES_EMPTY;
    if (!p)
        return false;
    if (s.n)
        memcpy(p, s.p, s.n);
    *out = edn_bytes_of(p, s.n);
    return true;
}
