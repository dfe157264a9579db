#include "keys/keys_priv.h"

/* Crockford's base32 of bytes, most significant bit first, the last digit filled up with zeros. No branch and no
 * address hangs on the bytes: a digit is made and read by comparing with the borders of its ranges. */

/* 0xff when a < b, for values below 2^31. */
static unsigned below(unsigned a, unsigned b)
{
    volatile unsigned borrow = (a - b) >> 31;

    return 0u - borrow;
}

/* '0'…'9', 'A'…'H', 'J', 'K', 'M', 'N', 'P'…'T', 'V'…'Z': the code is the value plus steps at I, L, O and U. */
static char digit_of(unsigned v)
{
    unsigned c = '0' + v;

    c += ('A' - ('0' + 10)) & ~below(v, 10);
    c += 1u & ~below(v, 18);
    c += 1u & ~below(v, 20);
    c += 1u & ~below(v, 22);
    c += 1u & ~below(v, 27);
    return (char)c;
}

/* 0 to 31, or 32 and more for what is no digit. */
static unsigned value_of(uint8_t byte)
{
    unsigned c = byte, v, bad = 0;

    c -= 0x20u & ~below(c, 'a') & below(c, 'z' + 1);
    v = c - '0';
    v -= ('A' - ('0' + 10)) & ~below(c, 'A');
    v -= 1u & ~below(c, 'I' + 1);
    v -= 1u & ~below(c, 'L' + 1);
    v -= 1u & ~below(c, 'O' + 1);
    v -= 1u & ~below(c, 'U' + 1);
    bad |= below(c, '0') | (~below(c, '9' + 1) & below(c, 'A')) | ~below(c, 'Z' + 1);
    bad |= below(c ^ 'I', 1) | below(c ^ 'L', 1) | below(c ^ 'O', 1) | below(c ^ 'U', 1);
    return (v & 31) | (bad & 32);
}

void edn_base32_encode(char *out, const uint8_t *in, size_t n)
{
    size_t digits = (8 * n + 4) / 5;

    for (size_t i = 0; i < digits; i++) {
        size_t bit = 5 * i;
        unsigned pair = (unsigned)in[bit / 8] << 8 | (bit / 8 + 1 < n ? in[bit / 8 + 1] : 0u);

        out[i] = digit_of(pair >> (11 - bit % 8) & 31);
    }
    out[digits] = 0;
}

bool edn_base32_decode(uint8_t *out, size_t n, edn_bytes text)
{
    size_t digits = (8 * n + 4) / 5;
    unsigned bad = 0;

    memset(out, 0, n);
    if (text.n != digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        size_t bit = 5 * i;
        unsigned v = value_of(text.p[i]), pair = (v & 31) << (11 - bit % 8);

        bad |= v & 32;
        out[bit / 8] |= (uint8_t)(pair >> 8);
        if (bit / 8 + 1 < n)
            out[bit / 8 + 1] |= (uint8_t)pair;
        else
            bad |= pair & 0xff;
    }
    return !bad;
}

/* The digit that a person meant: O for 0, I and L for 1. */
static char meant(uint8_t byte)
{
    unsigned c = byte, upper = c & ~(0x20u & ~below(c, 'a') & below(c, 'z' + 1));
    unsigned zero = below(upper ^ 'O', 1), one = below(upper ^ 'I', 1) | below(upper ^ 'L', 1);

    return (char)((c & ~(zero | one)) | ('0' & zero) | ('1' & one));
}

size_t edn_base32_typed(char *digits, size_t max, edn_bytes text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == ' ' || text.p[i] == '-')
            continue;
        if (n == max)
            return max + 1;
        digits[n++] = meant(text.p[i]);
    }
    return n;
}
