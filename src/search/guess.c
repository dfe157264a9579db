/* What an index holds by way of words: all of them, those near a mistyped one, and those that tell most about a
 * text. */
#include "search/index.h"

#include <stdlib.h>

#include "search/index_priv.h"

/* ---- terms of all parts, each once ------------------------------------------------------------------------------- */

typedef struct source {
    const index_part *part;
    terms_walk walk;
    bool more;
} source;

static edn_status source_next(source *s, edn_bytes prefix)
{
    edn_status st = terms_walk_next(&s->walk, &s->more);

    s->more = st == EDN_OK && s->more && term_begins(&s->walk, prefix);
    return st;
}

static edn_bytes source_key(const source *s) { return edn_bytes_of(s->walk.key, s->walk.key_n); }

/* The least of the current terms goes to `fn`, and everyone who has it goes on. */
static edn_status sources_step(source *v, size_t n, edn_bytes prefix, edn_segment_term_fn *fn, void *ctx, bool *more)
{
    uint8_t bytes[EDN_KEY_SIZE_MAX];
    edn_bytes key = EDN_BYTES_EMPTY;
    uint32_t live = 0;
    edn_status st = EDN_OK;

    for (size_t i = 0; i < n; i++)
        if (v[i].more && (key.n == 0 || key_compare(source_key(&v[i]), key) < 0))
            key = source_key(&v[i]);
    *more = key.n != 0;
    if (!*more)
        return EDN_OK;
    memcpy(bytes, key.p, key.n);
    key.p = bytes;
    for (size_t i = 0; st == EDN_OK && i < n; i++) {
        uint32_t one = 0;
        if (!v[i].more || !edn_bytes_equal(source_key(&v[i]), key))
            continue;
        if ((st = part_live(v[i].part, &v[i].walk.ref, &one)) == EDN_OK)
            st = source_next(&v[i], prefix);
        live += one;
    }
    return st == EDN_OK && live ? fn(ctx, key, live) : st;
}

edn_status edn_index_terms(edn_index *x, edn_bytes prefix, edn_segment_term_fn *fn, void *ctx)
{
    source *v = calloc(x->parts_n + 1, sizeof *v);
    bool more = true;
    edn_status st = v ? EDN_OK : EDN_E_NOMEM;

    if (!v)
        return st;
    for (size_t i = 0; i < x->parts_n; i++) {
        v[i].part = &x->parts[i];
        terms_walk_init(&v[i].walk, x->parts[i].s);
        if (st == EDN_OK && (st = terms_walk_seek(&v[i].walk, prefix)) == EDN_OK)
            st = source_next(&v[i], prefix);
    }
    while (st == EDN_OK && more)
        st = sources_step(v, x->parts_n, prefix, fn, ctx, &more);
    for (size_t i = 0; i < x->parts_n; i++)
        terms_walk_dispose(&v[i].walk);
    free(v);
    return st;
}

/* ---- edits ------------------------------------------------------------------------------------------------------- */

#define BAND 2               /* edits at most: cells left and right of the diagonal */
#define CELLS (2 * BAND + 1) /* of a row */
#define FAR 100u

/* The table of edits between the word that was typed (down the columns) and a term of the dictionary (a row for each of
 * its characters), of which only the cells near the diagonal can matter. Terms come in order, so that the rows of what
 * a term shares with the one before stay. Row r has the columns r - BAND to r + BAND. */
typedef struct edits {
    uint32_t word[EDN_KEY_SIZE_MAX];
    size_t word_n;
    unsigned most;
    uint32_t chars[EDN_KEY_SIZE_MAX + 1]; /* of the term: chars[r - 1] belongs to row r */
    uint8_t end[EDN_KEY_SIZE_MAX + 2];    /* where its bytes end */
    uint8_t rows[EDN_KEY_SIZE_MAX + 2][CELLS];
    size_t rows_n;   /* rows that stand, without row 0 */
    size_t hopeless; /* terms that share so many bytes with the one before are too far; 0: no such thing */
} edits;

/* The next character, whatever the bytes are: those of a dictionary were not looked at before. */
static uint32_t char_next(edn_bytes s, size_t *at)
{
    uint8_t c = s.p[*at];
    size_t n = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    uint32_t v = c;

    for (size_t i = 1; i < n && *at + i < s.n; i++)
        v = v << 8 | s.p[*at + i];
    *at = EDN_MIN(*at + n, s.n);
    return v;
}

static void edits_init(edits *e, edn_bytes word, unsigned most)
{
    size_t at = 0;

    e->word_n = 0;
    while (at < word.n && e->word_n < EDN_KEY_SIZE_MAX)
        e->word[e->word_n++] = char_next(word, &at);
    e->most = most;
    e->rows_n = 0;
    e->hopeless = 0;
    e->end[0] = 0;
    for (unsigned i = 0; i < CELLS; i++)
        e->rows[0][i] = (uint8_t)(i >= BAND && i - BAND <= e->word_n ? i - BAND : FAR);
}

static unsigned cell(const edits *e, size_t row, long column)
{
    long i = column - (long)row + BAND;

    return i < 0 || i >= CELLS ? FAR : e->rows[row][i];
}

/* Computes row r; returns its least cell. */
static unsigned row_fill(edits *e, size_t r)
{
    unsigned least = FAR;

    for (long i = 0; i < CELLS; i++) {
        long col = (long)r + i - BAND;
        unsigned v = FAR;
        if (col == 0)
            v = (unsigned)r;
        if (col > 0 && col <= (long)e->word_n) {
            bool same = e->word[col - 1] == e->chars[r - 1];
            unsigned left = i ? e->rows[r][i - 1] + 1u : FAR;
            v = EDN_MIN(EDN_MIN(cell(e, r - 1, col - 1) + !same, cell(e, r - 1, col) + 1), left);
            if (r > 1 && col > 1 && e->word[col - 1] == e->chars[r - 2] && e->word[col - 2] == e->chars[r - 1])
                v = EDN_MIN(v, cell(e, r - 2, col - 2) + 1);
        }
        e->rows[r][i] = (uint8_t)EDN_MIN(v, FAR);
        least = EDN_MIN(least, v);
    }
    return least;
}

/* How many edits a term is away; FAR when more than `most`. `shared`: its first bytes are those of the term before. */
static unsigned edits_of(edits *e, edn_bytes term, size_t shared)
{
    size_t at, r = e->rows_n;

    if (e->hopeless && shared >= e->hopeless)
        return FAR;
    e->hopeless = 0;
    while (r && e->end[r] > shared)
        r--;
    at = e->end[r];
    while (at < term.n && r < EDN_KEY_SIZE_MAX) {
        e->chars[r++] = char_next(term, &at);
        e->end[r] = (uint8_t)at;
        e->rows_n = r;
        /* Later rows are no better: each cell comes from the row before, or by a swap, for one more, from that before
         * it, which was at its best as good as this one less one. */
        if (row_fill(e, r) > e->most) {
            e->hopeless = at;
            return FAR;
        }
    }
    e->rows_n = r;
    return cell(e, r, (long)e->word_n) <= e->most ? cell(e, r, (long)e->word_n) : FAR;
}

/* ---- guesses ----------------------------------------------------------------------------------------------------- */

typedef struct guesses {
    edn_index_guess *v;
    size_t n, cap;
} guesses;

static edn_status guess_add(guesses *g, edn_bytes term, unsigned edits_n, uint32_t docs)
{
    edn_index_guess *to;

    if (!edn_array_room(&g->v, &g->cap, g->n + 1, sizeof *g->v))
        return EDN_E_NOMEM;
    to = &g->v[g->n++];
    memset(to, 0, sizeof *to);
    memcpy(to->term, term.p, term.n);
    to->size = (uint8_t)term.n;
    to->edits = (uint8_t)edits_n;
    to->docs = docs;
    return EDN_OK;
}

static edn_status part_guess(const index_part *p, edits *e, guesses *g)
{
    static const uint8_t first = 0x20; /* titles, tags and the like are below */
    terms_walk w;
    bool more = true;
    edn_status st;

    terms_walk_init(&w, p->s);
    st = terms_walk_seek(&w, edn_bytes_of(&first, 1));
    e->rows_n = e->hopeless = 0;
    while (st == EDN_OK && (st = terms_walk_next(&w, &more)) == EDN_OK && more) {
        edn_bytes key = edn_bytes_of(w.key, w.key_n);
        unsigned far = edits_of(e, key, w.shared);
        uint32_t live;
        if (far > e->most || edn_utf8_check(key, NULL) != key.n)
            continue;
        if ((st = part_live(p, &w.ref, &live)) == EDN_OK && live)
            st = guess_add(g, key, far, live);
    }
    terms_walk_dispose(&w);
    return st;
}

static int guess_by_term(const void *a, const void *b)
{
    const edn_index_guess *x = a, *y = b;

    return key_compare(edn_bytes_of(x->term, x->size), edn_bytes_of(y->term, y->size));
}

static int guess_by_rank(const void *a, const void *b)
{
    const edn_index_guess *x = a, *y = b;

    if (x->edits != y->edits)
        return x->edits < y->edits ? -1 : 1;
    return x->docs != y->docs ? (x->docs > y->docs ? -1 : 1) : guess_by_term(a, b);
}

/* One of each term, with its documents in all parts; then the best first. */
static void guesses_order(guesses *g, edn_bytes word)
{
    size_t n = 0;

    if (g->n == 0)
        return;
    qsort(g->v, g->n, sizeof *g->v, guess_by_term);
    for (size_t i = 0; i < g->n; i++) {
        if (n && guess_by_term(&g->v[n - 1], &g->v[i]) == 0)
            g->v[n - 1].docs += g->v[i].docs;
        else
            g->v[n++] = g->v[i];
    }
    g->n = n;
    for (size_t i = 0; i < n; i++)
        g->v[i].edits = (uint8_t)(g->v[i].edits + (g->v[i].term[0] != word.p[0]));
    qsort(g->v, g->n, sizeof *g->v, guess_by_rank);
    for (size_t i = 0; i < n; i++)
        g->v[i].edits = (uint8_t)(g->v[i].edits - (g->v[i].term[0] != word.p[0]));
}

unsigned edn_index_edits(edn_bytes term)
{
    size_t n = edn_utf8_count(term);

    return n < 4 ? 0 : n < 8 ? 1 : 2;
}

edn_status edn_index_guess_terms(edn_index *x, edn_bytes term, unsigned edits_max, size_t max, edn_index_guess *out,
                                 size_t *n)
{
    guesses g = {0};
    edits *e;
    edn_status st = EDN_OK;

    *n = 0;
    if (term.n == 0 || term.n > EDN_TERM_SIZE_MAX || edits_max > BAND || edn_utf8_check(term, NULL) != term.n)
        return EDN_E_INVALID;
    if (!(e = malloc(sizeof *e)))
        return EDN_E_NOMEM;
    edits_init(e, term, edits_max);
    for (size_t i = 0; st == EDN_OK && i < x->parts_n; i++)
        st = part_guess(&x->parts[i], e, &g);
    if (st == EDN_OK) {
        guesses_order(&g, term);
        *n = EDN_MIN(g.n, max);
        if (*n && g.v)
            memcpy(out, g.v, *n * sizeof *out);
    }
    free(e);
    free(g.v);
    return st;
}

/* ---- similar entries --------------------------------------------------------------------------------------------- */

#define SIMILAR_TERMS 25u
#define SIMILAR_WORDS_MAX 200000u /* of a text; the rest is left out */

typedef struct told {
    edn_bytes term;
    bool letter;
    uint32_t times;
    double tells;
} told;

static int told_by_term(const void *a, const void *b)
{
    return key_compare(((const told *)a)->term, ((const told *)b)->term);
}

static int told_by_worth(const void *a, const void *b)
{
    const told *x = a, *y = b;

    return x->tells != y->tells ? (x->tells > y->tells ? -1 : 1) : told_by_term(a, b);
}

/* The different terms of a text, in `a`. */
static edn_status told_read(edn_arena *a, edn_bytes text, told **out, size_t *n)
{
    size_t cap = EDN_MIN(text.n / 2 + 1, (size_t)SIMILAR_WORDS_MAX) + 4, all = 0, kept = 0;
    told *v = edn_arena_calloc(a, cap, sizeof *v);
    edn_words w;
    edn_word word;

    if (!v)
        return EDN_E_NOMEM;
    edn_words_init(&w, text);
    while (all < cap && edn_words_next(&w, &word)) {
        if (word.flags & EDN_WORD_ALSO)
            continue;
        if (!edn_arena_copy(a, word.term, &v[all].term))
            return EDN_E_NOMEM;
        v[all].letter = (word.flags & EDN_WORD_LETTER) != 0;
        v[all++].times = 1;
    }
    qsort(v, all, sizeof *v, told_by_term);
    for (size_t i = 0; i < all; i++) {
        if (kept && edn_bytes_equal(v[kept - 1].term, v[i].term))
            v[kept - 1].times++;
        else
            v[kept++] = v[i];
    }
    *out = v;
    *n = kept;
    return EDN_OK;
}

static edn_status told_weigh(edn_index *x, told *v, size_t n)
{
    terms_walk w;
    edn_status st = EDN_OK;

    terms_walk_init(&w, NULL);
    for (size_t i = 0; st == EDN_OK && i < n; i++) {
        uint64_t live = 0;
        for (size_t k = 0; st == EDN_OK && k < x->parts_n; k++) {
            term_ref ref;
            bool there;
            uint32_t one = 0;
            st = segment_term(x->parts[k].s, v[i].term, &w, &ref, &there);
            if (st == EDN_OK && there)
                st = part_live(&x->parts[k], &ref, &one);
            live += one;
        }
        v[i].tells = live ? v[i].times * index_idf(x, live) : 0;
    }
    terms_walk_dispose(&w);
    return st;
}

/* The OR of the first of them; NULL when there is nothing to look for. */
static edn_status told_query(edn_arena *a, const told *v, size_t n, edn_query **out)
{
    edn_query *q = edn_arena_calloc(a, SIMILAR_TERMS + 1, sizeof *q);
    size_t kids = 0;

    *out = NULL;
    if (!q)
        return EDN_E_NOMEM;
    q->kind = EDN_QUERY_OR;
    for (size_t i = 0; i < n && kids < SIMILAR_TERMS && v[i].tells > 0; i++) {
        edn_query *kid = &q[++kids];
        kid->kind = EDN_QUERY_TERM;
        kid->term = v[i].term;
        kid->accents = EDN_ACCENTS_ANY;
        kid->letter = v[i].letter;
        kid->next = q->child;
        q->child = kid;
    }
    *out = kids ? q : NULL;
    return EDN_OK;
}

static void hits_without(edn_index_hit *hits, size_t *n, const edn_entry_id *self)
{
    size_t kept = 0;

    for (size_t i = 0; i < *n; i++)
        if (!self || memcmp(hits[i].entry.b, self->b, sizeof self->b) != 0)
            hits[kept++] = hits[i];
    *n = kept;
}

edn_status edn_index_similar(edn_index *x, edn_bytes text, const edn_entry_id *self, size_t max, edn_index_hit *hits,
                             size_t *n)
{
    edn_arena a = edn_arena_init(QUERY_MEMORY_SIZE_MAX);
    edn_index_hit *found = NULL;
    edn_query *q = NULL;
    size_t told_n, found_n = 0;
    told *v;
    edn_status st;

    *n = 0;
    if (max >= EDN_INDEX_HITS_MAX)
        return EDN_E_LIMIT;
    if ((st = told_read(&a, text, &v, &told_n)) != EDN_OK || (st = told_weigh(x, v, told_n)) != EDN_OK)
        goto out;
    qsort(v, told_n, sizeof *v, told_by_worth);
    if ((st = told_query(&a, v, told_n, &q)) != EDN_OK || !q)
        goto out;
    if (!(found = malloc((max + 1) * sizeof *found))) {
        st = EDN_E_NOMEM;
        goto out;
    }
    if ((st = edn_index_search(x, q, EDN_INDEX_BY_RANK, max + 1, found, &found_n)) != EDN_OK)
        goto out;
    hits_without(found, &found_n, self);
    *n = EDN_MIN(found_n, max);
    memcpy(hits, found, *n * sizeof *hits);
out:
    free(found);
    edn_arena_dispose(&a);
    return st;
}
