/* Words: segments of UAX #29 that hold a letter or a number, folded.
 *
 * Most of most texts is ASCII: a run of it is cut, folded and told from its neighbours by bytes alone (word_ascii), and
 * gives the same words as the long way, which takes over at the first byte that is not. */
#include "search/words.h"

#include "search/pack.h"
#include "search/unicode.h"

enum { A_BLANK = 1, A_LETTER = 2, A_DIGIT = 4, A_MID_LETTER = 8, A_MID_NUM = 16, A_WIDE = 32 };

/* What a byte is. A_WIDE: where ASCII alone cannot say what becomes of a segment. */
static inline uint8_t class_of(uint8_t c)
{
    static const uint8_t ascii[128] = {
        0, 0, 0, 0, 0, 0, 0, 0,  0, 1, 1, 0,  0,  1, 0,  0,  //
        0, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0,  0,  0, 0,  0,  //
        1, 0, 0, 0, 0, 0, 0, 24, 0, 0, 0, 0,  16, 0, 24, 0,  //
        4, 4, 4, 4, 4, 4, 4, 4,  4, 4, 8, 16, 0,  0, 0,  0,  //
        0, 2, 2, 2, 2, 2, 2, 2,  2, 2, 2, 2,  2,  2, 2,  2,  //
        2, 2, 2, 2, 2, 2, 2, 2,  2, 2, 2, 0,  0,  0, 0,  32, //
        0, 2, 2, 2, 2, 2, 2, 2,  2, 2, 2, 2,  2,  2, 2,  2,  //
        2, 2, 2, 2, 2, 2, 2, 2,  2, 2, 2, 0,  0,  0, 0,  0,  //
    };

    return c < 0x80 ? ascii[c] : A_WIDE;
}

void edn_words_init(edn_words *w, edn_bytes text)
{
    EDN_ASSERT(text.n < UINT32_MAX);
    memset(w, 0, sizeof *w);
    w->text = text;
}

/* Folds [from, to) into w->term; false when nothing is left of it. */
static bool say(edn_words *w, size_t from, size_t to, uint8_t flags, edn_word *out)
{
    edn_folding f = {.out = w->term, .size_max = sizeof w->term};
    edn_bytes s = edn_bytes_of(w->text.p, to);

    for (size_t at = from; at < to && !f.full;)
        edn_fold_put(&f, edn_utf8_next(s, &at));
    if (f.n == 0)
        return false;
    if (f.n != to - from || memcmp(w->term, w->text.p + from, f.n) != 0)
        flags |= EDN_WORD_FOLDED;
    *out = (edn_word){edn_bytes_of(w->term, f.n), (uint32_t)from, (uint32_t)(to - from), w->next,
                      edn_fold_accents(&f),       flags};
    return true;
}

/* ---- words of letters with something between --------------------------------------------------------------------- */

/* Whether a word is also to be said in parts: something stands between its letters. */
static bool has_parts(edn_bytes s, size_t from, size_t to)
{
    edn_bytes word = edn_bytes_of(s.p, to);
    bool letters = false, joint = false;

    for (size_t at = from; at < to;) {
        uint8_t props = edn_scalar_props(edn_utf8_next(word, &at));
        letters |= edn_props_letter(props);
        joint |= edn_props_joint(props);
    }
    return letters && joint;
}

/* The next part with two letters or more, at the position of the whole. */
static bool say_part(edn_words *w, edn_word *out)
{
    edn_bytes s = edn_bytes_of(w->text.p, w->to);

    while (w->part < w->to) {
        size_t from = w->part, at = from, end = from, n = 0;
        bool letters = false;
        while (at < w->to) {
            uint8_t props = edn_scalar_props(edn_utf8_next(s, &at));
            if (edn_props_joint(props))
                break;
            letters |= edn_props_letter(props);
            n += (props & EDN_SCALAR_WORD) != 0;
            end = at;
        }
        w->part = at;
        if (letters && n > 1 && say(w, from, end, EDN_WORD_ALSO, out)) {
            out->position--;
            return true;
        }
    }
    w->part = w->to = 0;
    return false;
}

/* A word of letters and numbers, without the underscores around it (Markdown's). */
static bool say_word(edn_words *w, size_t from, size_t to, edn_word *out)
{
    while (from < to && w->text.p[from] == '_')
        from++;
    while (from < to && w->text.p[to - 1] == '_')
        to--;
    if (from == to || !say(w, from, to, 0, out))
        return false;
    w->next++;
    w->unit_before = w->unit_behind = false;
    if (has_parts(w->text, from, to)) {
        w->part = from;
        w->to = to;
    }
    return true;
}

/* ---- letters of scripts without spaces --------------------------------------------------------------------------- */

static bool unit_at(edn_bytes s, size_t at)
{
    return at < s.n && (edn_scalar_props(edn_utf8_next(s, &at)) & EDN_SCALAR_UNIT);
}

/* Behind a letter and the marks that belong to it. */
static size_t unit_end(edn_bytes s, size_t at)
{
    (void)edn_utf8_next(s, &at);
    for (size_t end = at; end < s.n; at = end)
        if (!edn_props_skipped(edn_scalar_props(edn_utf8_next(s, &end))))
            break;
    return at;
}

static bool say_unit(edn_words *w, edn_word *out)
{
    size_t from = w->at, to = unit_end(w->text, from);
    bool after = unit_at(w->text, to);
    uint8_t flags = EDN_WORD_LETTER | (w->unit_before || after ? EDN_WORD_ALSO : 0);

    w->at = to;
    w->unit_before = after;
    if (!say(w, from, to, flags, out))
        return false;
    w->next++;
    w->unit_behind = true;
    w->from = (uint32_t)from;
    w->pair = after ? unit_end(w->text, to) : 0;
    return true;
}

static bool say_pair(edn_words *w, edn_word *out)
{
    size_t to = w->pair;

    w->pair = 0;
    if (!say(w, w->from, to, EDN_WORD_PAIR, out))
        return false;
    out->position--;
    return true;
}

/* ---- ASCII ------------------------------------------------------------------------------------------------------- */

/* Where the segment at `at` ends (blanks and signs one by one), and its class; 0 when that is not for ASCII alone to
 * say. */
static size_t ascii_segment(edn_bytes s, size_t at, uint8_t *class, bool *parts)
{
    uint8_t last = *class = class_of(s.p[at]);
    size_t i = at + 1;
    bool joint = false;

    *parts = false;
    if (last & A_WIDE)
        return 0;
    if (!(last & (A_LETTER | A_DIGIT)))
        return i < s.n && s.p[i] >= 0x80 ? 0 : i;
    for (; i < s.n; i++) {
        uint8_t c = class_of(s.p[i]);
        if (c & (A_LETTER | A_DIGIT)) {
            last = c;
            *class |= c;
            continue;
        }
        if (c & A_WIDE)
            return 0;
        if (!(c & (last == A_LETTER ? A_MID_LETTER : A_MID_NUM)) || i + 1 == s.n)
            break;
        if (s.p[i + 1] >= 0x80)
            return 0;
        if (!(class_of(s.p[i + 1]) & last))
            break;
        joint |= (c & A_MID_LETTER) != 0;
    }
    *parts = joint && (*class & A_LETTER);
    return i;
}

/* Eight bytes of ASCII at once, capitals made small. */
static uint64_t ascii_lower(uint64_t x)
{
    uint64_t low = x & 0x7f7f7f7f7f7f7f7fu, from_a = low + 0x3f3f3f3f3f3f3f3fu, past_z = low + 0x2525252525252525u;

    return x | ((from_a ^ past_z) & ~x & 0x8080808080808080u) >> 2;
}

static void say_ascii(edn_words *w, size_t from, size_t to, bool parts, edn_word *out)
{
    size_t n = EDN_MIN(to - from, sizeof w->term), i = 0;
    const uint8_t *p = w->text.p + from;
    uint8_t flags = n < to - from ? EDN_WORD_FOLDED : 0;
    uint64_t changed = 0;

    /* What is read behind the word is another word, and is not part of the term. */
    for (; i < n && i + 8 <= w->text.n - from; i += 8) {
        uint64_t was = edn_pack_load(p + i), lower = ascii_lower(was), differ = was ^ lower;
        edn_pack_store(w->term + i, lower);
        changed |= n - i < 8 ? differ & ((1ull << 8 * (n - i)) - 1) : differ;
    }
    for (; i < n; i++) {
        w->term[i] = (uint8_t)ascii_lower(p[i]);
        changed |= w->term[i] ^ p[i];
    }
    if (changed)
        flags |= EDN_WORD_FOLDED;
    *out = (edn_word){edn_bytes_of(w->term, n), (uint32_t)from, (uint32_t)(to - from), w->next++, 0, flags};
    w->unit_before = w->unit_behind = false;
    if (parts) {
        w->part = from;
        w->to = to;
    }
}

/* The most frequent of all: perhaps a blank, up to 15 letters, and behind them what ends a word whatever follows it.
 * Eight bytes are told apart and made small at once. False: not this, and nothing was done. */
static inline bool say_plain(edn_words *w, edn_word *out)
{
    const uint8_t *p = w->text.p + w->at;
    bool blank = *p == ' ';
    uint64_t was[2] = {0}, lower[2] = {0}, other;
    unsigned n = 0;

    p += blank;
    for (int i = 0; i < 2; i++) {
        uint64_t high, from_a, past_z;
        was[i] = edn_pack_load(p + 8 * i);
        lower[i] = ascii_lower(was[i]);
        high = lower[i] & 0x8080808080808080u;
        from_a = (lower[i] & 0x7f7f7f7f7f7f7f7fu) + 0x1f1f1f1f1f1f1f1fu;
        past_z = (lower[i] & 0x7f7f7f7f7f7f7f7fu) + 0x0505050505050505u;
        other = (~from_a | past_z | high) & 0x8080808080808080u;
        n += other ? (unsigned)__builtin_ctzll(other) / 8 : 8;
        if (other)
            break;
    }
    if (n == 0 || n == 16 || class_of(p[n]) & (A_DIGIT | A_WIDE) ||
        (class_of(p[n]) & A_MID_LETTER && class_of(p[n + 1]) != A_BLANK))
        return false;
    edn_pack_store(w->term, lower[0]);
    if (n > 8)
        edn_pack_store(w->term + 8, lower[1]);
    was[0] ^= lower[0];
    if (n < 8)
        was[0] &= (1ull << 8 * n) - 1;
    else if (n > 8)
        was[0] |= (was[1] ^ lower[1]) & ((1ull << 8 * (n - 8)) - 1);
    w->at += blank;
    *out = (edn_word){edn_bytes_of(w->term, n), (uint32_t)w->at, n, w->next++, 0, was[0] ? EDN_WORD_FOLDED : 0};
    w->at += n;
    w->unit_before = w->unit_behind = false;
    return true;
}

/* ---- the walk ---------------------------------------------------------------------------------------------------- */

/* What is no word: anything but blanks keeps the letters before and behind it from being neighbours. */
static void pass(edn_words *w, size_t from, size_t to)
{
    w->unit_before = false;
    for (size_t i = from; i < to && w->unit_behind; i++)
        if (class_of(w->text.p[i]) != A_BLANK) {
            w->unit_behind = false;
            w->next++;
        }
}

/* The next piece of the segment: one letter of a script without spaces, or all up to the next one. */
static bool say_piece(edn_words *w, edn_word *out)
{
    size_t from = w->at, at = w->segment;
    uint8_t props = w->props;

    if (props & EDN_SCALAR_UNIT) {
        if (unit_at(w->text, from))
            return say_unit(w, out);
        props = 0;
        for (at = from; at < w->segment && !unit_at(w->text, at);)
            props |= edn_scalar_props(edn_utf8_next(w->text, &at));
    }
    w->at = at;
    if (props & EDN_SCALAR_WORD)
        return say_word(w, from, at, out);
    pass(w, from, at);
    return false;
}

static __attribute__((noinline)) bool next_of_any(edn_words *w, edn_word *out)
{
    if ((w->pair && say_pair(w, out)) || (w->to && say_part(w, out)))
        return true;
    while (w->at < w->text.n) {
        size_t from = w->at;
        uint8_t class = 0;
        bool parts;
        if (from < w->segment) {
            if (say_piece(w, out))
                return true;
            continue;
        }
        if ((w->at = ascii_segment(w->text, from, &class, &parts)) == 0) {
            w->at = from;
            w->segment = edn_break_props(w->text, from, &w->props);
        } else if (class & (A_LETTER | A_DIGIT)) {
            say_ascii(w, from, w->at, parts, out);
            return true;
        } else {
            pass(w, from, w->at);
        }
    }
    return false;
}

bool edn_words_next(edn_words *w, edn_word *out)
{
    /* Apart from all else, which needs more registers. */
    if (!w->pair && !w->to && w->at >= w->segment && w->at + 24 < w->text.n && say_plain(w, out))
        return true;
    return next_of_any(w, out);
}
