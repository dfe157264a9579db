/* Folding: what a scalar becomes in a term. The strings of the pool are decomposed; what is left to do here is what
 * depends on neighbours: marks that stay stand in canonical order, and conjoining jamo become syllables. What is taken
 * off is summed up, so that its order does not matter either. */
#include "search/unicode.h"

#include "search/words.h"

#include "search/fold.inc"

#define PAGE 64u
#define ENTRY_SELF 0u
#define ENTRY_NOTHING 1u
#define ENTRY_MARK 0xff00u

#define HANGUL_S 0xac00u
#define HANGUL_L 0x1100u
#define HANGUL_V 0x1161u
#define HANGUL_T 0x11a7u /* one before the first */
#define HANGUL_L_N 19u
#define HANGUL_V_N 21u
#define HANGUL_T_N 28u

#define ACCENT_SELF 1u
#define DOT_ABOVE 0x307u

static uint16_t fold_entry(uint32_t scalar) { return fold_page[fold_index[scalar / PAGE] * PAGE + scalar % PAGE]; }

/* The syllable that `last` and `scalar` make; 0: none (The Unicode Standard, 3.12). */
static uint32_t hangul(uint32_t last, uint32_t scalar)
{
    uint32_t l = last - HANGUL_L, s = last - HANGUL_S;

    if (l < HANGUL_L_N && scalar - HANGUL_V < HANGUL_V_N)
        return HANGUL_S + (l * HANGUL_V_N + scalar - HANGUL_V) * HANGUL_T_N;
    if (s < HANGUL_L_N * HANGUL_V_N * HANGUL_T_N && s % HANGUL_T_N == 0 && scalar > HANGUL_T &&
        scalar - HANGUL_T < HANGUL_T_N)
        return last + scalar - HANGUL_T;
    return 0;
}

static bool room(edn_folding *f, size_t n)
{
    if (f->full || n > f->size_max - f->n)
        f->full = true;
    return !f->full;
}

/* ---- what is taken off ------------------------------------------------------------------------------------------- */

/* docs/search.md, "Accents": a format. */
static void accent_add(edn_folding *f, uint32_t letters, uint32_t scalar)
{
    uint32_t h = (letters * 0x9e3779b1u + scalar) * 0x85ebca6bu;

    h = (h ^ h >> 15) * 0xc2b2ae35u;
    f->accents += h ^ h >> 13;
}

static void accents_take(edn_folding *f, uint32_t scalar)
{
    uint8_t entry = accent_page[accent_index[scalar / PAGE] * PAGE + scalar % PAGE];
    uint32_t letters = f->letters;
    edn_bytes s;

    if (entry == ACCENT_SELF && (scalar != DOT_ABOVE || f->letter != 'i'))
        accent_add(f, letters, scalar);
    if (entry <= ACCENT_SELF)
        return;
    s = edn_bytes_of(accent_pool + accent_start[entry], (size_t)(accent_start[entry + 1] - accent_start[entry]));
    for (size_t at = 0; at < s.n;) {
        uint32_t c = edn_utf8_next(s, &at);
        if (c == ' ')
            letters++;
        else
            accent_add(f, letters, c);
    }
}

uint32_t edn_fold_accents(const edn_folding *f)
{
    uint32_t low = f->accents & 0xffffff;

    return f->accents && !low ? 1 : low;
}

/* ---- what stays -------------------------------------------------------------------------------------------------- */

/* Behind the marks at the end whose class is not greater. Marks beyond the eighth are left out. */
static void put_mark(edn_folding *f, const uint8_t *utf8, size_t n, uint8_t class)
{
    size_t at = f->n;
    uint8_t i = f->marks_n;

    if (i == sizeof f->marks || !room(f, n))
        return;
    for (; i > 0 && f->marks[i - 1] > class; i--) {
        f->marks[i] = f->marks[i - 1];
        do
            at--;
        while ((f->out[at] & 0xc0) == 0x80);
    }
    f->marks[i] = class;
    f->marks_n++;
    memmove(f->out + at + n, f->out + at, f->n - at);
    memcpy(f->out + at, utf8, n);
    f->n += n;
    f->last = 0;
}

static void put_folded(edn_folding *f, uint32_t scalar, uint16_t entry)
{
    uint8_t utf8[4];
    uint32_t syllable = hangul(f->last, scalar);
    size_t n = edn_utf8_put(utf8, syllable ? syllable : scalar);

    if (entry >= ENTRY_MARK) {
        put_mark(f, utf8, n, (uint8_t)entry);
        return;
    }
    if (syllable && !f->full)
        f->n = f->last_at;
    if (!room(f, n))
        return;
    f->letters += !syllable;
    f->letter = scalar;
    memcpy(f->out + f->n, utf8, n);
    f->last = syllable ? syllable : scalar;
    f->last_at = f->n;
    f->n += n;
    f->marks_n = 0;
}

void edn_fold_put(edn_folding *f, uint32_t scalar)
{
    uint16_t entry;

    if (scalar < 0x80) {
        if (room(f, 1))
            f->out[f->n++] = (uint8_t)(scalar >= 'A' && scalar <= 'Z' ? scalar + 32 : scalar);
        f->letters++;
        f->letter = scalar | 0x20;
        f->marks_n = 0;
        f->last = 0;
        return;
    }
    accents_take(f, scalar);
    entry = fold_entry(scalar);
    if (entry == ENTRY_NOTHING)
        return;
    if (entry == ENTRY_SELF || entry >= ENTRY_MARK) {
        put_folded(f, scalar, entry);
        return;
    }
    edn_bytes s = edn_bytes_of(fold_pool + fold_start[entry], (size_t)(fold_start[entry + 1] - fold_start[entry]));
    for (size_t at = 0; at < s.n;) {
        uint32_t c = edn_utf8_next(s, &at);
        put_folded(f, c, c < 0x80 ? ENTRY_SELF : fold_entry(c));
    }
}

size_t edn_term_fold(edn_bytes s, uint8_t *out, size_t size_max)
{
    edn_folding f = {.out = out, .size_max = size_max};

    for (size_t at = 0; at < s.n && !f.full;)
        edn_fold_put(&f, edn_utf8_next(s, &at));
    return f.n;
}
