#include "keys/keys_priv.h"

/* 16 bytes and a check in Crockford's base32, most significant bit first:
 *
 *     bit   0            128          148        150
 *           | key        | check      | 0 0      |          30 digits of five bits: XXXXX-XXXXX-XXXXX-XXXXX-XXXXX-XXXXX
 *
 * The check is the first 20 bits of H32(key): of a million wrong texts one passes. */

enum { DIGITS = 30, PACKED_SIZE = 19, GROUP = 5 };

typedef struct packed_key {
    uint8_t b[PACKED_SIZE];
} packed_key;
EDN_SECRET_TYPE(packed_key)

static void pack(packed_key *out, const edn_account_key *key)
{
    edn_hash check = edn_h32(EDN_F(*key));

    memcpy(out->b, key->b, sizeof key->b);
    out->b[16] = check.b[0];
    out->b[17] = check.b[1];
    out->b[18] = check.b[2] & 0xf0;
    edn_wipe(&check, sizeof check);
}

/* The five bits from bit `5 * i`; the last digit reaches over the end by bits that are zero. */
static unsigned digit_at(const packed_key *k, size_t i)
{
    size_t bit = 5 * i;
    unsigned pair = (unsigned)k->b[bit / 8] << 8 | (bit / 8 + 1 < PACKED_SIZE ? k->b[bit / 8 + 1] : 0u);

    return pair >> (11 - bit % 8) & 31;
}

void edn_account_key_text(char out[EDN_ACCOUNT_KEY_TEXT_SIZE], const edn_account_key *key)
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    EDN_SECRET(packed_key) k = EDN_KEY_EMPTY;

    pack(&k, key);
    for (size_t i = 0; i < DIGITS; i++) {
        if (i && i % GROUP == 0)
            *out++ = '-';
        *out++ = digits[digit_at(&k, i)];
    }
    *out = 0;
}

static void digit_set(packed_key *k, size_t i, unsigned value)
{
    size_t bit = 5 * i;
    unsigned pair = value << (11 - bit % 8);

    k->b[bit / 8] |= (uint8_t)(pair >> 8);
    if (bit / 8 + 1 < PACKED_SIZE)
        k->b[bit / 8 + 1] |= (uint8_t)pair;
}

static int digit_value(uint8_t c)
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

    if (c >= 'A' && c <= 'Z')
        c |= 0x20;
    if (c == 'o')
        return 0;
    if (c == 'i' || c == 'l')
        return 1;
    for (int i = 0; digits[i]; i++)
        if (digits[i] == (char)c)
            return i;
    return -1;
}

edn_status edn_account_key_parse(edn_bytes text, edn_account_key *out)
{
    EDN_SECRET(packed_key) k = EDN_KEY_EMPTY;
    EDN_SECRET(packed_key) want = EDN_KEY_EMPTY;
    EDN_SECRET(edn_account_key) key = EDN_KEY_EMPTY;
    size_t n = 0;

    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < text.n; i++) {
        int v;
        if (text.p[i] == ' ' || text.p[i] == '-')
            continue;
        v = digit_value(text.p[i]);
        if (v < 0 || n == DIGITS)
            return EDN_E_INVALID;
        digit_set(&k, n++, (unsigned)v);
    }
    memcpy(key.b, k.b, sizeof key.b);
    pack(&want, &key);
    if (n != DIGITS || !edn_equal_ct(k.b, want.b, sizeof k.b))
        return EDN_E_INVALID;
    *out = key;
    return EDN_OK;
}
