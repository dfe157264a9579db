/* Words of one stem, looked for when they are asked for: the index has them as they were written, so that no
 * language is ever guessed, and who changes languages builds nothing anew. */
#include "search/index.h"

#include "search/index_priv.h"

#define CHARS_MIN 3u /* a word of fewer characters has no kin */

/* A term without the byte that says it is a title's. */
static edn_bytes word_of(edn_bytes term)
{
    size_t at = term.p[0] == EDN_TERM_TITLE;

    return edn_bytes_of(term.p + at, term.n - at);
}

/* What kin begin with: as much as a word and its stem share, less a character, which an ending may change (pony,
 * ponies: poni). */
static edn_bytes beginning(edn_bytes word, edn_bytes stem)
{
    size_t n = 0, at = 0, last = 0;

    while (n < word.n && n < stem.n && word.p[n] == stem.p[n])
        n++;
    while (at < n) {
        last = at;
        (void)edn_utf8_next(word, &at);
    }
    return edn_bytes_of(word.p, last);
}

typedef struct kin {
    edn_arena *a;
    edn_stem_fn *stem;
    void *ctx;
    edn_bytes term, stem_of;
    edn_bytes *out;
    size_t n, max;
} kin;

static edn_status kin_add(kin *k, edn_bytes key)
{
    uint8_t bytes[EDN_TERM_SIZE_MAX];
    edn_bytes word = word_of(key);

    if (edn_bytes_equal(key, k->term) || edn_utf8_check(word, NULL) != word.n ||
        !edn_bytes_equal(edn_bytes_of(bytes, k->stem(k->ctx, word, bytes)), k->stem_of))
        return EDN_OK;
    for (size_t i = 0; i < k->n; i++)
        if (edn_bytes_equal(k->out[i], key))
            return EDN_OK; /* another part has it too */
    return edn_arena_copy(k->a, key, &k->out[k->n++]) ? EDN_OK : EDN_E_NOMEM;
}

static edn_status part_kin(kin *k, edn_segment *s, edn_bytes prefix)
{
    terms_walk w;
    bool more = true;
    edn_status st;

    terms_walk_init(&w, s);
    st = terms_walk_seek(&w, prefix);
    while (st == EDN_OK && k->n < k->max && (st = terms_walk_next(&w, &more)) == EDN_OK && more &&
           term_begins(&w, prefix))
        st = kin_add(k, edn_bytes_of(w.key, w.key_n));
    terms_walk_dispose(&w);
    return st;
}

edn_status edn_index_kin(edn_index *x, edn_arena *a, edn_bytes term, edn_stem_fn *stem, void *ctx, size_t max,
                         edn_bytes *out, size_t *n)
{
    uint8_t bytes[EDN_TERM_SIZE_MAX], prefix[EDN_KEY_SIZE_MAX];
    kin k = {.a = a, .stem = stem, .ctx = ctx, .term = term, .out = out, .max = max};
    edn_bytes word, begin;
    edn_status st = EDN_OK;
    size_t at;

    *n = 0;
    if (term.n == 0 || term.n > EDN_KEY_SIZE_MAX || key_is_mark(term))
        return EDN_E_INVALID;
    word = word_of(term);
    if (edn_utf8_check(word, NULL) != word.n)
        return EDN_E_INVALID;
    k.stem_of = edn_bytes_of(bytes, stem(ctx, word, bytes));
    begin = beginning(word, k.stem_of);
    if (edn_utf8_count(word) < CHARS_MIN || begin.n == 0)
        return EDN_OK;
    at = (size_t)(word.p - term.p);
    memcpy(prefix, term.p, at);
    memcpy(prefix + at, begin.p, begin.n);
    for (size_t i = 0; st == EDN_OK && i < x->parts_n; i++)
        st = part_kin(&k, x->parts[i].s, edn_bytes_of(prefix, at + begin.n));
    *n = k.n;
    return st;
}
