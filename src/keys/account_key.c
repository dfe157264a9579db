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

/* Base32 of 19 bytes has a digit more than is printed; it is always 0. */
typedef struct key_digits {
    char c[DIGITS + 2];
} key_digits;
EDN_SECRET_TYPE(key_digits)

static void pack(packed_key *out, const edn_account_key *key)
{
    edn_hash check = edn_h32(EDN_F(*key));

    memcpy(out->b, key->b, sizeof key->b);
    out->b[16] = check.b[0];
    out->b[17] = check.b[1];
    out->b[18] = check.b[2] & 0xf0;
    edn_wipe(&check, sizeof check);
}

void edn_account_key_text(char out[EDN_ACCOUNT_KEY_TEXT_SIZE], const edn_account_key *key)
{
    EDN_SECRET(packed_key) k = EDN_KEY_EMPTY;
    EDN_SECRET(key_digits) d = EDN_KEY_EMPTY;

    pack(&k, key);
    edn_base32_encode(d.c, k.b, sizeof k.b);
    for (size_t i = 0; i < DIGITS; i++) {
        if (i && i % GROUP == 0)
            *out++ = '-';
        *out++ = d.c[i];
    }
    *out = 0;
}

edn_status edn_account_key_parse(edn_bytes text, edn_account_key *out)
{
    EDN_SECRET(packed_key) k = EDN_KEY_EMPTY;
    EDN_SECRET(packed_key) want = EDN_KEY_EMPTY;
    EDN_SECRET(edn_account_key) key = EDN_KEY_EMPTY;
    EDN_SECRET(key_digits) d = EDN_KEY_EMPTY;

    memset(out, 0, sizeof *out);
    if (edn_base32_typed(d.c, DIGITS, text) != DIGITS)
        return EDN_E_INVALID;
    d.c[DIGITS] = '0';
    if (!edn_base32_decode(k.b, sizeof k.b, edn_bytes_of(d.c, DIGITS + 1)))
        return EDN_E_INVALID;
    memcpy(key.b, k.b, sizeof key.b);
    pack(&want, &key);
    if (!edn_equal_ct(k.b, want.b, sizeof k.b))
        return EDN_E_INVALID;
    *out = key;
    return EDN_OK;
}
