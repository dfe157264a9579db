/* Snippets: one walk over the text's words, with a window over the last hits.
 *
 * A hit is a word that a leaf of the query names; a word of a phrase counts alone. When a hit comes, those that no
 * longer fit into a window with it at its end fall out on the left; the best set so far is kept. */
#include "search/snippet.h"

#define NEAR 24u       /* how far an end may move to a blank */
#define LEAVES_MAX 64u /* more words of a query do not mark anything */

typedef struct leaf {
    edn_bytes term;
    bool prefix;
} leaf;

typedef struct hit {
    uint32_t at, size;
    uint8_t leaf;
} hit;

typedef struct finder {
    leaf leaves[LEAVES_MAX];
    size_t leaves_n;
    uint64_t first_bytes[4]; /* which bytes a leaf begins with */
    hit ring[EDN_SNIPPET_HITS_MAX];
    size_t ring_from, ring_n;
    uint8_t count[LEAVES_MAX]; /* hits of each leaf in the ring */
    size_t different;
} finder;

static void add_leaf(finder *f, edn_bytes term, bool prefix)
{
    if (f->leaves_n == LEAVES_MAX || term.n == 0)
        return;
    if (term.p[0] == EDN_TERM_TITLE)
        term = edn_bytes_of(term.p + 1, term.n - 1);
    if (term.n == 0 || term.p[0] < 0x20)
        return; /* a tag, a journal: nothing of the text */
    f->leaves[f->leaves_n++] = (leaf){term, prefix};
    f->first_bytes[term.p[0] / 64] |= (uint64_t)1 << term.p[0] % 64;
}

static void add_leaves(finder *f, const edn_query *q)
{
    if (q->kind == EDN_QUERY_NOT)
        return;
    if (q->kind == EDN_QUERY_TERM || q->kind == EDN_QUERY_PREFIX)
        add_leaf(f, q->term, q->kind == EDN_QUERY_PREFIX);
    for (size_t i = 0; i < q->items_n; i++)
        add_leaf(f, q->items[i].term, q->items[i].prefix);
    for (const edn_query *c = q->child; c; c = c->next)
        add_leaves(f, c);
}

/* The leaf that names a term, or LEAVES_MAX. */
static size_t find_leaf(const finder *f, edn_bytes term)
{
    if (!(f->first_bytes[term.p[0] / 64] >> term.p[0] % 64 & 1))
        return LEAVES_MAX;
    for (size_t i = 0; i < f->leaves_n; i++) {
        const leaf *l = &f->leaves[i];
        if ((term.n == l->term.n || (l->prefix && term.n > l->term.n)) && memcmp(term.p, l->term.p, l->term.n) == 0)
            return i;
    }
    return LEAVES_MAX;
}

static const hit *ring_at(const finder *f, size_t i) { return &f->ring[(f->ring_from + i) % EDN_SNIPPET_HITS_MAX]; }

static void drop_first(finder *f)
{
    if (--f->count[ring_at(f, 0)->leaf] == 0)
        f->different--;
    f->ring_from = (f->ring_from + 1) % EDN_SNIPPET_HITS_MAX;
    f->ring_n--;
}

/* Takes in a hit; those further than `size` before its end fall out. */
static void add_hit(finder *f, const hit *h, size_t size)
{
    while (f->ring_n && (f->ring_n == EDN_SNIPPET_HITS_MAX || h->at + h->size - ring_at(f, 0)->at > size))
        drop_first(f);
    f->ring[(f->ring_from + f->ring_n++) % EDN_SNIPPET_HITS_MAX] = *h;
    if (f->count[h->leaf]++ == 0)
        f->different++;
}

static void keep(const finder *f, edn_snippet *out)
{
    out->hits_n = 0;
    for (size_t i = 0; i < f->ring_n; i++) {
        const hit *h = ring_at(f, i);
        uint32_t end = h->at + h->size;
        uint32_t before = out->hits_n ? out->hits[out->hits_n - 1].at + out->hits[out->hits_n - 1].size : 0;
        if (out->hits_n && h->at < before) { /* pairs overlap: one hit of both */
            out->hits[out->hits_n - 1].size = EDN_MAX(end, before) - out->hits[out->hits_n - 1].at;
            continue;
        }
        out->hits[out->hits_n].at = h->at;
        out->hits[out->hits_n++].size = h->size;
    }
}

/* ---- the window around the hits ---------------------------------------------------------------------------------- */

static size_t to_character(edn_bytes s, size_t at, bool back)
{
    while (at > 0 && at < s.n && (s.p[at] & 0xc0) == 0x80)
        at = back ? at - 1 : at + 1;
    return at;
}

static bool blank(uint8_t c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

/* The beginning of a word at `at` or a little behind it, not behind `limit`; `at` when there is none. */
static size_t begin_near(edn_bytes s, size_t at, size_t limit)
{
    for (size_t i = at; at > 0 && i <= limit && i < at + NEAR; i++)
        if (blank(s.p[i - 1]) && (i == limit || !blank(s.p[i])))
            return i;
    return at;
}

/* The end of a word at `at` or a little before it, not before `limit`; `at` when there is none. */
static size_t end_near(edn_bytes s, size_t at, size_t limit)
{
    for (size_t i = at + 1; at < s.n && i-- > limit && i + NEAR > at;)
        if (blank(s.p[i]) && (i == limit || !blank(s.p[i - 1])))
            return i;
    return at;
}

/* What is left of `size` is shared, a third before the hits; what the end of the text has no use for goes there too. */
static void frame(edn_bytes text, size_t size, edn_snippet *out)
{
    size_t from = out->hits_n ? out->hits[0].at : 0;
    size_t to = out->hits_n ? out->hits[out->hits_n - 1].at + (size_t)out->hits[out->hits_n - 1].size : 0;
    size_t spare = size > to - from ? size - (to - from) : 0, before = EDN_MIN(spare / 3, from);
    size_t behind = EDN_MIN(spare - before, text.n - to);

    if (to + behind == text.n)
        before = EDN_MIN(spare - behind, from);
    out->from = (uint32_t)begin_near(text, to_character(text, from - before, false), from);
    out->to = (uint32_t)end_near(text, to_character(text, to + behind, true), to);
}

void edn_snippet_find(edn_bytes text, const edn_query *q, size_t size, edn_snippet *out)
{
    finder f = {.leaves_n = 0};
    size_t best_different = 0, best_n = 0, marked = 0;
    edn_words w;
    edn_word word;

    memset(out, 0, sizeof *out);
    add_leaves(&f, q);
    edn_words_init(&w, text);
    while (f.leaves_n && edn_words_next(&w, &word)) {
        hit h = {word.at, word.size, 0};
        size_t i = find_leaf(&f, word.term);
        if (i == LEAVES_MAX)
            continue;
        if ((word.flags & EDN_WORD_ALSO) && word.at + word.size <= marked)
            continue; /* a part of a word that is a hit as a whole */
        marked = word.at + word.size;
        h.leaf = (uint8_t)i;
        out->hits_all++;
        add_hit(&f, &h, size);
        if (f.different > best_different || (f.different == best_different && f.ring_n > best_n)) {
            best_different = f.different;
            best_n = f.ring_n;
            keep(&f, out);
        }
    }
    frame(text, size, out);
}
