#include "keys/keys_priv.h"

#include <utf8proc.h>

/* A passphrase as it is typed, made into the bytes that are stretched: two keyboards that write the same letters in two
 * ways must give one key. All of it happens on the stack, which is wiped.
 *
 * NFKC shortens text at most fourfold (a mathematical letter of four bytes to one of one), and no result has more than
 * three decomposed scalars to two bytes; so longer input than the two limits below is past EDN_PASSPHRASE_SIZE_MAX in
 * its result too, and needs not be looked at. */

enum { RAW_SIZE_MAX = 4 * EDN_PASSPHRASE_SIZE_MAX, SCALARS_MAX = 3 * EDN_PASSPHRASE_SIZE_MAX / 2 };

/* Unicode's property White_Space (PropList.txt, 15.0). */
static bool white_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

static edn_bytes strip(edn_bytes s)
{
    size_t start = 0, end = 0;
    bool begun = false;

    for (size_t at = 0; at < s.n;) {
        size_t here = at;
        if (white_space(edn_utf8_next(s, &at)))
            continue;
        if (!begun)
            start = here;
        begun = true;
        end = at;
    }
    return edn_bytes_of(s.p + start, end - start);
}

/* False: a code point that this Unicode version does not know, and a later one may normalize otherwise. */
static bool all_assigned(edn_bytes s)
{
    for (size_t at = 0; at < s.n;)
        if (utf8proc_category((utf8proc_int32_t)edn_utf8_next(s, &at)) == UTF8PROC_CATEGORY_CN)
            return false;
    return true;
}

/* NFKC of `s` to the end of `out`. */
static edn_status put_nfkc(edn_buf *out, edn_bytes s)
{
    static const utf8proc_option_t nfkc = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT;
    utf8proc_int32_t scalars[SCALARS_MAX];
    utf8proc_ssize_t n;
    uint8_t one[4];

    if (s.n > RAW_SIZE_MAX)
        return EDN_E_LIMIT;
    n = utf8proc_decompose(s.p, (utf8proc_ssize_t)s.n, scalars, SCALARS_MAX, nfkc);
    if (n > SCALARS_MAX)
        goto too_long;
    if (n > 0)
        n = utf8proc_normalize_utf32(scalars, n, nfkc);
    for (utf8proc_ssize_t i = 0; i < n; i++)
        edn_put_bytes(out, one, edn_utf8_put(one, (uint32_t)scalars[i]));
    edn_wipe(scalars, sizeof scalars);
    edn_wipe(one, sizeof one);
    return n < 0 ? EDN_E_UTF8 : edn_buf_status(out);
too_long:
    edn_wipe(scalars, sizeof scalars);
    return EDN_E_LIMIT;
}

static edn_status too_long(edn_err *err)
{
    return edn_fail(err, EDN_E_LIMIT, "the passphrase is longer than %u bytes; choose a shorter one",
                    EDN_PASSPHRASE_SIZE_MAX);
}

edn_status edn_passphrase_normalize(edn_bytes passphrase, edn_buf *out, edn_err *err)
{
    uint8_t bytes[EDN_PASSPHRASE_SIZE_MAX];
    edn_buf prepared = EDN_BUF_OVER(bytes);
    edn_bytes core;
    edn_status st;

    if (edn_utf8_check(passphrase, NULL) != passphrase.n)
        return edn_fail(err, EDN_E_UTF8, "the passphrase is not UTF-8 text");
    core = strip(passphrase);
    if (!all_assigned(core))
        return edn_fail(err, EDN_E_INVALID,
                        "the passphrase has a character that Unicode %s does not know; choose others",
                        utf8proc_unicode_version());
    st = put_nfkc(&prepared, core);
    if (st == EDN_OK) {
        edn_put_bytes(out, bytes, prepared.n);
        st = edn_buf_status(out);
        if (st != EDN_OK)
            st = edn_fail(err, st, "the passphrase could not be kept: %s", edn_status_name(st));
    } else {
        st = too_long(err);
    }
    edn_wipe(bytes, sizeof bytes);
    return st;
}

edn_status edn_passphrase_prepare(edn_bytes passphrase, edn_buf *out, edn_err *err)
{
    size_t before = out->n, made;
    edn_status st = edn_passphrase_normalize(passphrase, out, err);

    if (st != EDN_OK)
        return st;
    made = out->n - before;
    if (made && edn_utf8_count(edn_bytes_of(out->p + before, made)) >= EDN_PASSPHRASE_COUNT_MIN)
        return EDN_OK;
    if (made)
        edn_wipe(out->p + before, made);
    out->n = before;
    return edn_fail(err, EDN_E_INVALID, "the passphrase has fewer than %u characters; choose a longer one",
                    EDN_PASSPHRASE_COUNT_MIN);
}
