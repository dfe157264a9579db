#include "base.h"

/* The length of the well-formed sequence at `p` (Unicode 15, table 3-7), or 0. */
static size_t utf8_sequence(const uint8_t *p, size_t left)
{
    uint8_t c = p[0], lo = 0x80, hi = 0xbf;
    size_t n;

    if (c < 0x80)
        return 1;
    if (c >= 0xc2 && c <= 0xdf) {
        n = 2;
    } else if (c >= 0xe0 && c <= 0xef) {
        n = 3;
        if (c == 0xe0)
            lo = 0xa0; /* overlong */
        if (c == 0xed)
            hi = 0x9f; /* surrogates */
    } else if (c >= 0xf0 && c <= 0xf4) {
        n = 4;
        if (c == 0xf0)
            lo = 0x90;
        if (c == 0xf4)
            hi = 0x8f; /* past U+10FFFF */
    } else {
        return 0;
    }
    if (left < n || p[1] < lo || p[1] > hi)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

size_t edn_utf8_check(edn_bytes s, size_t *count)
{
    size_t at = 0, scalars = 0;

    while (at < s.n) {
        uint64_t eight;
        size_t n;
        if (s.n - at >= 8) {
            memcpy(&eight, s.p + at, 8);
            if (!(eight & 0x8080808080808080u)) {
                at += 8;
                scalars += 8;
                continue;
            }
        }
        n = utf8_sequence(s.p + at, s.n - at);
        if (n == 0)
            break;
        at += n;
        scalars++;
    }
    if (count)
        *count = scalars;
    return at;
}

size_t edn_utf8_count(edn_bytes s)
{
    size_t n = 0, at = 0;

    /* Every byte but 10xxxxxx begins a scalar; eight at a time. */
    for (; s.n - at >= 8; at += 8) {
        uint64_t v;
        memcpy(&v, s.p + at, 8);
        v = (v >> 7) & (~v >> 6) & 0x0101010101010101u;   /* 1 for each continuation byte */
        n += 8 - (size_t)(v * 0x0101010101010101u >> 56); /* the sum of the eight bytes */
    }
    for (; at < s.n; at++)
        n += (s.p[at] & 0xc0) != 0x80;
    return n;
}

size_t edn_utf8_offset(edn_bytes s, size_t index)
{
    size_t at = 0;

    for (; s.n - at >= 8; at += 8) {
        uint64_t v;
        size_t n;
        memcpy(&v, s.p + at, 8);
        v = (v >> 7) & (~v >> 6) & 0x0101010101010101u;
        n = 8 - (size_t)(v * 0x0101010101010101u >> 56);
        if (n > index)
            break;
        index -= n;
    }
    for (; at < s.n; at++) {
        if ((s.p[at] & 0xc0) != 0x80 && index-- == 0)
            return at;
    }
    return s.n;
}

uint32_t edn_utf8_next(edn_bytes s, size_t *at)
{
    const uint8_t *p = s.p + *at;

    if (p[0] < 0x80) {
        *at += 1;
        return p[0];
    }
    if (p[0] < 0xe0) {
        *at += 2;
        return (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);
    }
    if (p[0] < 0xf0) {
        *at += 3;
        return (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3f);
    }
    *at += 4;
    return (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 | (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
}

size_t edn_utf8_put(uint8_t out[4], uint32_t c)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xe0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

void edn_hex_encode(char *out, const void *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *b = p;

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[b[i] >> 4];
        out[2 * i + 1] = digits[b[i] & 15];
    }
    out[2 * n] = 0;
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool edn_hex_decode(void *out, size_t n, edn_bytes hex)
{
    uint8_t *to = out;

    if (hex.n != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int hi = hex_value(hex.p[2 * i]), lo = hex_value(hex.p[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return false;
        to[i] = (uint8_t)(hi << 4 | lo);
    }
    return true;
}

static const char base64url_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void edn_base64url_encode(edn_buf *b, edn_bytes in)
{
    for (size_t i = 0; i < in.n; i += 3) {
        size_t n = EDN_MIN(in.n - i, (size_t)3);
        uint32_t v = (uint32_t)in.p[i] << 16;
        if (n > 1)
            v |= (uint32_t)in.p[i + 1] << 8;
        if (n > 2)
            v |= in.p[i + 2];
        for (size_t k = 0; k <= n; k++)
            edn_put_u8(b, (uint8_t)base64url_digits[v >> (18 - 6 * k) & 63]);
    }
}

static int base64url_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

edn_status edn_base64url_decode(edn_buf *out, edn_bytes in)
{
    for (size_t i = 0; i < in.n; i += 4) {
        size_t n = EDN_MIN(in.n - i, (size_t)4);
        uint32_t v = 0;
        if (n == 1)
            return EDN_E_FORMAT;
        for (size_t k = 0; k < 4; k++) {
            int d = k < n ? base64url_value(in.p[i + k]) : 0;
            if (d < 0)
                return EDN_E_FORMAT;
            v = v << 6 | (uint32_t)d;
        }
        /* Bits that no byte takes must be zero, or one value would have several spellings. */
        if ((n == 2 && (v & 0xffff)) || (n == 3 && (v & 0xff)))
            return EDN_E_FORMAT;
        for (size_t k = 0; k + 1 < n; k++)
            edn_put_u8(out, (uint8_t)(v >> (16 - 8 * k)));
    }
    return edn_buf_status(out);
}

uint64_t edn_table_hash(const void *p, size_t n, uint64_t seed)
{
    const uint8_t *b = p;
    uint64_t h = seed ^ 0x9e3779b97f4a7c15u ^ n;

    /* Multiply and fold, eight bytes at a time. */
    for (; n;) {
        uint64_t v = 0;
        size_t take = EDN_MIN(n, (size_t)8);
        memcpy(&v, b, take);
        h = (h ^ v) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
        b += take;
        n -= take;
    }
    h *= 0xc4ceb9fe1a85ec53u;
    return h ^ h >> 29;
}
