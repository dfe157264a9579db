#include "base.h"

#include <stdlib.h>

bool edn_mul_size(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }
bool edn_add_size(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }

void edn_wipe(void *p, size_t n)
{
    if (n == 0)
        return;
    memset(p, 0, n);
    /* The compiler must believe that somebody reads what was just written. */
    __asm__ volatile("" : : "r"(p) : "memory");
}

__attribute__((noinline)) void edn_stack_wipe(void)
{
    uint8_t below[EDN_STACK_WIPE_SIZE]; /* where those calls had their frames */

    edn_wipe(below, sizeof below);
}

void edn_buf_dispose(edn_buf *b)
{
    free(b->p);
    *b = EDN_BUF_INIT(b->size_max);
}

void edn_buf_wipe(edn_buf *b)
{
    edn_wipe(b->p, b->cap);
    edn_buf_dispose(b);
}

void edn_buf_reset(edn_buf *b)
{
    b->n = 0;
    b->st = EDN_OK;
}

edn_status edn_buf_status(const edn_buf *b) { return b->st; }
edn_bytes edn_buf_view(const edn_buf *b) { return (edn_bytes){b->p, b->n}; }

edn_bytes edn_buf_take(edn_buf *b)
{
    edn_bytes out = EDN_BYTES_EMPTY;

    if (b->st == EDN_OK) {
        out = edn_buf_view(b);
        b->p = NULL;
    }
    edn_buf_dispose(b);
    return out;
}

void edn_buf_reserve(edn_buf *b, size_t n)
{
    size_t need, cap;
    uint8_t *p;

    if (b->st != EDN_OK)
        return;
    if (!edn_add_size(b->n, n, &need) || need > b->size_max) {
        b->st = EDN_E_LIMIT;
        return;
    }
    if (need <= b->cap)
        return;
    cap = EDN_MAX(b->cap + b->cap / 2, (size_t)64);
    cap = EDN_MIN(EDN_MAX(cap, need), b->size_max);
    p = realloc(b->p, cap);
    if (!p) {
        b->st = EDN_E_NOMEM;
        return;
    }
    b->p = p;
    b->cap = cap;
}

uint8_t *edn_buf_grow(edn_buf *b, size_t n)
{
    uint8_t *at;

    edn_buf_reserve(b, n);
    if (b->st != EDN_OK)
        return NULL;
    if (!b->p) {
        /* A zero-byte grow of an empty buffer still needs an address that is not NULL. */
        edn_buf_reserve(b, 1);
        if (b->st != EDN_OK)
            return NULL;
    }
    at = b->p + b->n;
    b->n += n;
    return at;
}

void edn_put_bytes(edn_buf *b, const void *p, size_t n)
{
    uint8_t *to;

    if (n == 0)
        return;
    if (b->st == EDN_OK && n <= b->cap - b->n) { /* mostly: `cap` is never above the limit */
        memcpy(b->p + b->n, p, n);
        b->n += n;
        return;
    }
    to = edn_buf_grow(b, n);
    if (to)
        memcpy(to, p, n);
}

void edn_put_u8(edn_buf *b, uint8_t v) { edn_put_bytes(b, &v, 1); }

void edn_put_u16(edn_buf *b, uint16_t v)
{
    uint8_t t[2];
    edn_store_u16(t, v);
    edn_put_bytes(b, t, sizeof t);
}

void edn_put_u32(edn_buf *b, uint32_t v)
{
    uint8_t t[4];
    edn_store_u32(t, v);
    edn_put_bytes(b, t, sizeof t);
}

void edn_put_u64(edn_buf *b, uint64_t v)
{
    uint8_t t[8];
    edn_store_u64(t, v);
    edn_put_bytes(b, t, sizeof t);
}

void edn_put_varint(edn_buf *b, uint64_t v)
{
    uint8_t t[10];
    size_t n = 0;

    while (v >= 0x80) {
        t[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    t[n++] = (uint8_t)v;
    edn_put_bytes(b, t, n);
}

void edn_put_lp(edn_buf *b, edn_bytes v)
{
    if (v.n > UINT32_MAX) {
        if (b->st == EDN_OK)
            b->st = EDN_E_LIMIT;
        return;
    }
    edn_put_u32(b, (uint32_t)v.n);
    edn_put_bytes(b, v.p, v.n);
}

void edn_put_str(edn_buf *b, const char *s) { edn_put_bytes(b, s, strlen(s)); }

void edn_put_zeros(edn_buf *b, size_t n)
{
    uint8_t *to = n ? edn_buf_grow(b, n) : NULL;
    if (to)
        memset(to, 0, n);
}
