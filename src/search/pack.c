/* A block of up to 128 integers: a width that fits most of them, the bits, and the rest as exceptions (PFOR).
 *
 *     u8      width 0 to 32, plus 0x40 when exceptions follow
 *     ⌈n·width/8⌉ bytes, the first integer in the lowest bits
 *     u8      number of exceptions          only with 0x40
 *     n ×     u8 index, varint of the bits above `width`      indices rise
 *
 * The width is the one that costs fewest bytes, found from how many integers need each. */
#include "pack.h"

#define EXCEPTIONS 0x40u

static unsigned width_of(uint32_t v) { return v ? 32u - (unsigned)__builtin_clz(v) : 0; }
static size_t bytes_of(size_t n, unsigned width) { return (n * width + 7) / 8; }

size_t edn_pack_put_u32(uint8_t *out, uint32_t v)
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        out[n++] = (uint8_t)(v | 0x80);
    out[n++] = (uint8_t)v;
    return n;
}

const uint8_t *edn_pack_get_u32(const uint8_t *p, const uint8_t *end, uint32_t *v)
{
    uint64_t x = 0;

    for (unsigned shift = 0; shift < 35; shift += 7) {
        if (p == end)
            return NULL;
        x |= (uint64_t)(*p & 0x7f) << shift;
        if (!(*p++ & 0x80)) {
            if (x > UINT32_MAX || (shift && p[-1] == 0))
                return NULL;
            *v = (uint32_t)x;
            return p;
        }
    }
    return NULL;
}

static unsigned width_best(const uint32_t *v, size_t n)
{
    uint8_t need[33] = {0};
    unsigned most = 0, best;
    size_t cost_best, above = 0, extra = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned w = width_of(v[i]);
        need[w]++;
        most = EDN_MAX(most, w);
    }
    best = most;
    cost_best = bytes_of(n, most);
    if (most < 2 || n < 4)
        return most;
    for (unsigned w = most; w-- > 0;) {
        size_t cost;
        above += need[w + 1];
        /* One byte more for each exception as the width sinks by 7 below it; the first byte and the index always. */
        extra = 0;
        for (unsigned x = w + 1; x <= most; x++)
            extra += need[x] * (size_t)(1 + (x - w + 6) / 7);
        cost = bytes_of(n, w) + 1 + extra;
        if (cost < cost_best) {
            cost_best = cost;
            best = w;
        }
        if (above > n / 4)
            break; /* from here on exceptions cost more than they save */
    }
    return best;
}

size_t edn_pack_put(uint8_t *out, const uint32_t *v, size_t n)
{
    unsigned width = width_best(v, n), held_n = 0;
    uint64_t held = 0, mask = (1ull << width) - 1;
    uint8_t *p = out + 1;
    size_t exceptions = 0;

    EDN_ASSERT(n >= 1 && n <= EDN_BLOCK);
    for (size_t i = 0; i < n; i++) {
        held |= (v[i] & mask) << held_n;
        held_n += width;
        exceptions += (v[i] & ~mask) != 0;
        if (held_n >= 32) {
            edn_store_u32(p, (uint32_t)held);
            p += 4;
            held >>= 32;
            held_n -= 32;
        }
    }
    for (; held_n; held_n -= EDN_MIN(held_n, 8u)) {
        *p++ = (uint8_t)held;
        held >>= 8;
    }
    out[0] = (uint8_t)(width | (exceptions ? EXCEPTIONS : 0));
    if (exceptions) {
        *p++ = (uint8_t)exceptions;
        for (size_t i = 0; i < n; i++)
            if (v[i] & ~mask) {
                *p++ = (uint8_t)i;
                p += edn_pack_put_u32(p, (uint32_t)((uint64_t)v[i] >> width));
            }
    }
    return (size_t)(p - out);
}

static const uint8_t *exceptions_get(const uint8_t *p, const uint8_t *end, uint32_t *v, size_t n, unsigned width)
{
    size_t count, next = 0;

    if (p == end || (count = *p++) == 0 || width == 32)
        return NULL;
    for (; count; count--) {
        uint32_t high;
        size_t i;
        if (p == end || (i = *p++) < next || i >= n || !(p = edn_pack_get_u32(p, end, &high)) || high == 0 ||
            (uint64_t)high << width > UINT32_MAX)
            return NULL;
        v[i] |= high << width;
        next = i + 1;
    }
    return p;
}

/* Eight integers of up to 16 bits are two loads: four and four, the second from a whole or a half byte on. */
static size_t eights_get(const uint8_t *p, uint32_t *v, size_t n, unsigned width)
{
    uint64_t mask = (1ull << width) - 1;
    unsigned half = 4 * width;
    size_t i = 0;

    for (; i + 8 <= n; i += 8, p += width) {
        uint64_t a = edn_pack_load(p), b = edn_pack_load(p + (half >> 3)) >> (half & 7);
        for (unsigned k = 0; k < 4; k++) {
            v[i + k] = (uint32_t)(a >> k * width & mask);
            v[i + 4 + k] = (uint32_t)(b >> k * width & mask);
        }
    }
    return i;
}

const uint8_t *edn_pack_get(const uint8_t *p, const uint8_t *end, uint32_t *v, size_t n)
{
    unsigned head, width;
    uint64_t mask;
    size_t i = 0;

    if (p >= end || (head = *p++, width = head & ~EXCEPTIONS) > 32 || (size_t)(end - p) < bytes_of(n, width))
        return NULL;
    mask = (1ull << width) - 1;
    if (width <= 16)
        i = eights_get(p, v, n, width);
    for (size_t bit = i * width; i < n; i++, bit += width)
        v[i] = (uint32_t)(edn_pack_load(p + (bit >> 3)) >> (bit & 7) & mask);
    p += bytes_of(n, width);
    return head & EXCEPTIONS ? exceptions_get(p, end, v, n, width) : p;
}

/* ---- positions --------------------------------------------------------------------------------------------------- */

#define ESCAPE 24u /* so many ones, then 32 bits as they are: nothing costs more than 56 bits */

/* The Rice parameter for `count` positions among `length` words: log2 of 0.69 times the mean gap, told without a
 * division: the greatest k for which 16 (count + 1) 2^k is not above 11 length. */
static unsigned rice_of(uint32_t length, uint32_t count)
{
    uint64_t words = (uint64_t)length * 11, places = 16 * ((uint64_t)count + 1);
    unsigned k;

    if (words < 2 * places)
        return 0;
    k = (unsigned)(__builtin_clzll(places) - __builtin_clzll(words));
    return EDN_MIN(k - (places << k > words), 30u);
}

/* At most 32 bits. Room was made before. */
static void bits_put(edn_bits *b, uint64_t v, unsigned n)
{
    b->held |= v << b->held_n;
    b->held_n += n;
    if (b->held_n >= 32) {
        edn_store_u32(b->out->p + b->out->n, (uint32_t)b->held);
        b->out->n += 4;
        b->held >>= 32;
        b->held_n -= 32;
    }
}

void edn_bits_positions(edn_bits *b, const uint32_t *positions, uint32_t count, uint32_t length)
{
    unsigned k = rice_of(length, count);
    uint32_t next = 0, mask = (1u << k) - 1;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t gap = positions[i] - next, q = gap >> k;
        if (q + 1 + k <= 32 && q < ESCAPE) {
            bits_put(b, ((1ull << q) - 1) | (uint64_t)(gap & mask) << (q + 1), q + 1 + k);
        } else if (q < ESCAPE) {
            bits_put(b, (1ull << q) - 1, q + 1);
            bits_put(b, gap & mask, k);
        } else {
            bits_put(b, (1ull << ESCAPE) - 1, ESCAPE);
            bits_put(b, gap, 32);
        }
        next = positions[i] + 1;
    }
}

void edn_bits_end(edn_bits *b)
{
    for (; b->held_n; b->held_n -= EDN_MIN(b->held_n, 8u)) {
        edn_put_u8(b->out, (uint8_t)b->held);
        b->held >>= 8;
    }
    b->held = 0;
}

bool edn_bits_get(edn_bits_in *b, uint32_t *to, uint32_t count, uint32_t length)
{
    unsigned k = rice_of(length, count);
    uint64_t mask = (1ull << k) - 1, at = b->at, next = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t w;
        unsigned ones;
        if (at >= b->end)
            return false;
        w = edn_pack_load(b->p + (at >> 3)) >> (at & 7); /* 57 good bits; what a value takes is 56 at most */
        ones = (unsigned)__builtin_ctzll(~w | 1ull << 63);
        if (ones < ESCAPE) {
            next += (uint64_t)ones << k | (w >> (ones + 1) & mask);
            at += ones + 1 + k;
        } else {
            at += ESCAPE;
            if (at + 32 > b->end)
                return false;
            next += edn_pack_load(b->p + (at >> 3)) >> (at & 7) & UINT32_MAX;
            at += 32;
        }
        if (to)
            to[i] = (uint32_t)next;
        next++;
    }
    b->at = at;
    return at <= b->end && next <= (uint64_t)UINT32_MAX + 1;
}
