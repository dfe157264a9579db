/* Word boundaries by UAX #29, Unicode 15.
 *
 * A segment is walked with two classes in hand: `last`, that of the last scalar that counts (rule WB4 skips Extend,
 * Format and ZWJ), and `before`, the one before it. Rules that look ahead (WB6, WB7b, WB12) do so over what WB4
 * skips. */
#include "search/unicode.h"

#include "search/words.h"

#include "search/breaks.inc"

#define PAGE 64u

#define BIT(c) (1u << (c))
#define LETTERS (BIT(WB_ALETTER) | BIT(WB_HEBREW_LETTER))
#define SKIPPED (BIT(WB_EXTEND) | BIT(WB_FORMAT) | BIT(WB_ZWJ))
#define LINE_ENDS (BIT(WB_CR) | BIT(WB_LF) | BIT(WB_NEWLINE))
#define QUOTES (BIT(WB_MIDNUMLET) | BIT(WB_SINGLE_QUOTE)) /* MidNumLetQ */
#define WORDS (LETTERS | BIT(WB_NUMERIC) | BIT(WB_KATAKANA) | BIT(WB_REGIONAL_INDICATOR))

static inline bool is(uint32_t set, uint8_t class) { return set >> class & 1; }

uint8_t edn_scalar_props(uint32_t scalar)
{
    uint8_t p = props_page[props_index[scalar / PAGE] * PAGE + scalar % PAGE];

    if (is(WORDS, p & EDN_SCALAR_CLASS) || (p & EDN_SCALAR_UNIT) || ((p & EDN_SCALAR_PICTURE) && scalar > 0xff))
        p |= EDN_SCALAR_WORD;
    return p;
}

bool edn_props_letter(uint8_t props) { return is(LETTERS, props & EDN_SCALAR_CLASS); }

bool edn_props_joint(uint8_t props)
{
    return is(QUOTES | BIT(WB_MIDLETTER) | BIT(WB_DOUBLE_QUOTE) | BIT(WB_EXTENDNUMLET), props & EDN_SCALAR_CLASS);
}

bool edn_props_skipped(uint8_t props) { return is(SKIPPED, props & EDN_SCALAR_CLASS); }

/* The class of the next scalar that counts. */
static uint8_t look_ahead(edn_bytes s, size_t at)
{
    while (at < s.n) {
        uint8_t class = edn_scalar_props(edn_utf8_next(s, &at)) & EDN_SCALAR_CLASS;
        if (!is(SKIPPED, class))
            return class;
    }
    return WB_OTHER;
}

/* WB5 to WB13b: whether there is no boundary between `last` and `class`; what follows begins at `behind`. */
static bool joins(uint8_t before, uint8_t last, uint8_t class, edn_bytes s, size_t behind)
{
    if (is(LETTERS, last)) {
        if (is(LETTERS | BIT(WB_NUMERIC) | BIT(WB_EXTENDNUMLET), class))
            return true;
        if (last == WB_HEBREW_LETTER && class == WB_SINGLE_QUOTE)
            return true;
        if (last == WB_HEBREW_LETTER && class == WB_DOUBLE_QUOTE)
            return look_ahead(s, behind) == WB_HEBREW_LETTER;
        return is(QUOTES | BIT(WB_MIDLETTER), class) && is(LETTERS, look_ahead(s, behind));
    }
    if (is(LETTERS, class) && is(LETTERS, before) && is(QUOTES | BIT(WB_MIDLETTER), last))
        return true;
    if (class == WB_HEBREW_LETTER && before == WB_HEBREW_LETTER && last == WB_DOUBLE_QUOTE)
        return true;
    if (last == WB_NUMERIC)
        return is(LETTERS | BIT(WB_NUMERIC) | BIT(WB_EXTENDNUMLET), class) ||
               (is(QUOTES | BIT(WB_MIDNUM), class) && look_ahead(s, behind) == WB_NUMERIC);
    if (class == WB_NUMERIC && before == WB_NUMERIC && is(QUOTES | BIT(WB_MIDNUM), last))
        return true;
    if (last == WB_KATAKANA)
        return is(BIT(WB_KATAKANA) | BIT(WB_EXTENDNUMLET), class);
    return last == WB_EXTENDNUMLET && is(LETTERS | BIT(WB_NUMERIC) | BIT(WB_KATAKANA) | BIT(WB_EXTENDNUMLET), class);
}

/* The first two scalars of a line end, or one alone (WB3, WB3a). */
static size_t line_end(edn_bytes s, size_t at, uint8_t class)
{
    return class == WB_CR && at < s.n && s.p[at] == '\n' ? at + 1 : at;
}

size_t edn_break_props(edn_bytes s, size_t at, uint8_t *props)
{
    uint8_t p = edn_scalar_props(edn_utf8_next(s, &at)), raw = p & EDN_SCALAR_CLASS, last = raw, before = WB_OTHER;
    size_t flags = raw == WB_REGIONAL_INDICATOR; /* of the kind that pairs up */

    *props = p & ~EDN_SCALAR_CLASS;
    if (is(LINE_ENDS, raw))
        return line_end(s, at, raw);
    while (at < s.n) {
        size_t behind = at;
        uint8_t class;
        p = edn_scalar_props(edn_utf8_next(s, &behind));
        class = p & EDN_SCALAR_CLASS;
        if (is(LINE_ENDS, class))
            return at;
        if (is(SKIPPED, class)) { /* WB4 */
            raw = class;
            at = behind;
            continue;
        }
        if (!(raw == WB_ZWJ && (p & EDN_SCALAR_PICTURE)) &&                        /* WB3c */
            !(raw == WB_WSEGSPACE && class == WB_WSEGSPACE) &&                     /* WB3d */
            !(last == WB_REGIONAL_INDICATOR && class == last && flags % 2 == 1) && /* WB15, WB16 */
            !joins(before, last, class, s, behind))
            return at;
        flags += class == WB_REGIONAL_INDICATOR;
        before = last;
        raw = last = class;
        *props |= p & ~EDN_SCALAR_CLASS;
        at = behind;
    }
    return at;
}

size_t edn_break_next(edn_bytes text, size_t at)
{
    uint8_t props;
    return edn_break_props(text, at, &props);
}
