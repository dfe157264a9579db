#include "search/range_coder.h"

#define TOP (1u << 24)
#define P_MIN 32u
#define P_MAX 65504u
#define TRUST_MAX 16u

static void rates(coder *c)
{
    for (uint32_t n = 0; n < 256; n++)
        c->rate[n] = 655360 / (10 * n + 16);
}

void coder_write(coder *c, edn_buf *out)
{
    *c = (coder){.writing = true, .range = UINT32_MAX, .out = out, .pending = 1};
    rates(c);
}

bool coder_read(coder *c, edn_bytes in)
{
    *c = (coder){.range = UINT32_MAX};
    rates(c);
    if (in.n < 5 || in.p[0] != 0)
        return false;
    for (int i = 1; i < 5; i++)
        c->code = c->code << 8 | in.p[i];
    c->p = in.p + 5;
    c->end = in.p + in.n;
    return true;
}

/* The highest byte goes out once no carry can reach it any more. */
static void shift_low(coder *c)
{
    if (c->low < 0xff000000u || c->low > UINT32_MAX) {
        uint8_t carry = (uint8_t)(c->low >> 32);
        for (; c->pending; c->pending--) {
            edn_put_u8(c->out, (uint8_t)(c->cache + carry));
            c->cache = 0xff;
        }
        c->cache = (uint8_t)(c->low >> 24);
    }
    c->pending++;
    c->low = (c->low & 0x00ffffffu) << 8;
}

static void shift(coder *c)
{
    c->range <<= 8;
    if (c->writing) {
        shift_low(c);
        return;
    }
    c->past |= c->p == c->end;
    c->code = c->code << 8 | (c->p < c->end ? *c->p++ : 0);
}

bool coder_end(coder *c)
{
    if (!c->writing)
        return !c->past && c->p == c->end && c->code == 0;
    for (int i = 0; i < 5; i++)
        shift_low(c);
    return true;
}

static unsigned bit_at(coder *c, uint32_t p, unsigned bit)
{
    uint32_t bound = (c->range >> 16) * p;

    if (!c->writing)
        bit = c->code >= bound;
    if (bit) {
        c->low += c->writing ? bound : 0;
        c->code -= c->writing ? 0 : bound;
        c->range -= bound;
    } else {
        c->range = bound;
    }
    while (c->range < TOP)
        shift(c);
    return bit;
}

static uint32_t chance(const coder_node *node) { return node->p ^ 0x8000u; }

static void learn(const coder *c, coder_node *node, unsigned bit)
{
    uint32_t p = chance(node);

    if (bit)
        p -= (uint32_t)((uint64_t)p * c->rate[node->n] >> 16);
    else
        p += (uint32_t)((uint64_t)(65535 - p) * c->rate[node->n] >> 16);
    node->p = (uint16_t)(EDN_MIN(EDN_MAX(p, P_MIN), P_MAX) ^ 0x8000u);
    node->n = (uint8_t)(node->n + (node->n < 255));
}

unsigned coder_bit(coder *c, coder_node *node, unsigned bit)
{
    bit = bit_at(c, chance(node), bit);
    learn(c, node, bit);
    return bit;
}

unsigned coder_bit_of_two(coder *c, coder_node *a, coder_node *b, unsigned bit)
{
    uint32_t m = EDN_MIN(b->n, TRUST_MAX);

    bit = bit_at(c, (2 * chance(a) + m * chance(b)) / (2 + m), bit);
    learn(c, a, bit);
    learn(c, b, bit);
    return bit;
}

uint32_t coder_number_put(coder *c, coder_number *m, uint32_t v)
{
    uint64_t x = (uint64_t)v + 1;
    unsigned size = 31u - (unsigned)__builtin_clz((uint32_t)(c->writing ? EDN_MAX(x, (uint64_t)1) : 1)), at = 1, low;
    uint64_t got = 1;

    for (int i = 4; i >= 0; i--)
        at = at << 1 | coder_bit(c, &m->nodes[at], size >> i & 1);
    size = at & 31;
    at = 1;
    for (low = size; low > 0; low--) {
        unsigned bit = (unsigned)(x >> (low - 1)) & 1;
        if (size - low < 3) {
            bit = coder_bit(c, &m->nodes[32 + size * 8 + at], bit);
            at = at << 1 | bit;
        } else {
            bit = bit_at(c, 32768, bit);
        }
        got = got << 1 | bit;
    }
    return (uint32_t)(got - 1);
}
