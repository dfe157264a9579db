/* Merging: documents of all parts in one order, then the dictionaries side by side, smallest term first, each list with
 * its documents renumbered and the dead ones left out. */
#include "search/segment.h"

#include <stdlib.h>

#include "search/segment_priv.h"

typedef struct source {
    edn_segment *s;
    const uint8_t *dead;
    uint32_t *place; /* where each document goes; DOC_NONE: nowhere */
    terms_walk walk;
    bool more;
} source;

typedef struct merging {
    source *sources;
    size_t n;
    bool positions;
    edn_segment_doc *docs;
    uint32_t docs_n;
    size_t *heap; /* sources that have a term left, smallest first */
    size_t heap_n;
    postings list, spare;
} merging;

static bool is_dead(const uint8_t *dead, uint32_t doc) { return dead && dead[doc / 8] >> doc % 8 & 1; }

/* ---- documents --------------------------------------------------------------------------------------------------- */

typedef struct origin {
    edn_segment_doc doc;
    uint32_t source, was;
} origin;

static int origin_compare(const void *a, const void *b)
{
    return doc_compare(&((const origin *)a)->doc, &((const origin *)b)->doc);
}

static edn_status origins_read(merging *m, origin *origins)
{
    uint32_t n = 0;
    edn_status st = EDN_OK;

    for (size_t i = 0; i < m->n; i++) {
        source *from = &m->sources[i];
        for (uint32_t doc = 0; st == EDN_OK && doc < from->s->docs; doc++)
            if (!is_dead(from->dead, doc)) {
                origins[n] = (origin){.source = (uint32_t)i, .was = doc};
                st = edn_segment_doc_at(from->s, doc, &origins[n++].doc);
            }
    }
    m->docs_n = n;
    return st;
}

static edn_status docs_place(merging *m)
{
    size_t all = 0;
    origin *origins;
    edn_status st = EDN_OK;

    for (size_t i = 0; i < m->n; i++) {
        source *from = &m->sources[i];
        if (!(from->place = malloc(((size_t)from->s->docs + 1) * sizeof *from->place)))
            return EDN_E_NOMEM;
        memset(from->place, 0xff, ((size_t)from->s->docs + 1) * sizeof *from->place);
        all += from->s->docs;
    }
    if (all > EDN_SEGMENT_DOCS_MAX)
        return EDN_E_LIMIT;
    if (!(origins = malloc((all + 1) * sizeof *origins)))
        return EDN_E_NOMEM;
    if (!(m->docs = malloc((all + 1) * sizeof *m->docs)))
        st = EDN_E_NOMEM;
    else
        st = origins_read(m, origins);
    if (st == EDN_OK)
        qsort(origins, m->docs_n, sizeof *origins, origin_compare);
    for (uint32_t i = 0; st == EDN_OK && i < m->docs_n; i++) {
        m->docs[i] = origins[i].doc;
        m->sources[origins[i].source].place[origins[i].was] = i;
    }
    free(origins);
    return st == EDN_OK ? docs_check_distinct(m->docs, m->docs_n) : st;
}

/* ---- terms ------------------------------------------------------------------------------------------------------- */

static edn_bytes source_key(const source *s) { return edn_bytes_of(s->walk.key, s->walk.key_n); }

/* The smaller term first; of one term, the earlier source: parts that follow each other in time give lists that
 * rise. */
static bool source_before(const merging *m, size_t a, size_t b)
{
    int order = key_compare(source_key(&m->sources[a]), source_key(&m->sources[b]));

    return order < 0 || (order == 0 && a < b);
}

static void heap_sink(merging *m, size_t i)
{
    for (;;) {
        size_t least = i, swap;
        for (size_t c = 2 * i + 1; c <= 2 * i + 2 && c < m->heap_n; c++)
            if (source_before(m, m->heap[c], m->heap[least]))
                least = c;
        if (least == i)
            return;
        swap = m->heap[i];
        m->heap[i] = m->heap[least];
        m->heap[least] = swap;
        i = least;
    }
}

/* The source on top goes on to its next term. */
static edn_status heap_next(merging *m)
{
    source *top = &m->sources[m->heap[0]];
    edn_status st = terms_walk_next(&top->walk, &top->more);

    if (st == EDN_OK && !top->more)
        m->heap[0] = m->heap[--m->heap_n];
    heap_sink(m, 0);
    return st;
}

static edn_status heap_fill(merging *m)
{
    edn_status st = EDN_OK;

    if (!(m->heap = malloc((m->n + 1) * sizeof *m->heap)))
        return EDN_E_NOMEM;
    for (size_t i = 0; st == EDN_OK && i < m->n; i++) {
        source *s = &m->sources[i];
        st = terms_walk_next(&s->walk, &s->more);
        if (s->more)
            m->heap[m->heap_n++] = i;
    }
    for (size_t i = m->heap_n; st == EDN_OK && i-- > 0;)
        heap_sink(m, i);
    return st;
}

static edn_status posting_take(merging *m, const source *from, cursor *c, bool positions)
{
    uint32_t place = from->place[c->docs[c->i]], count = cursor_count(c);
    edn_status st;

    if (place == DOC_NONE)
        return EDN_OK;
    if (positions) {
        if ((st = cursor_positions(c)) != EDN_OK)
            return st;
        if (!postings_positions_room(&m->list, count))
            return EDN_E_NOMEM;
        memcpy(m->list.positions + m->list.positions_n, c->positions, count * sizeof *c->positions);
        m->list.positions_n += count;
    }
    m->list.docs[m->list.n] = place;
    m->list.counts[m->list.n++] = count;
    return EDN_OK;
}

/* Adds what a source's current term holds to the list. */
static edn_status list_take(merging *m, source *from)
{
    bool positions = m->positions && !from->walk.ref.mark;
    cursor c;
    edn_status st = cursor_init(&c, from->s, &from->walk.ref, true);

    for (uint32_t b = 0; st == EDN_OK && b < c.blocks; b++) {
        st = cursor_load(&c, b);
        if (st == EDN_OK && !postings_room(&m->list, c.n))
            st = EDN_E_NOMEM;
        for (c.i = 0; st == EDN_OK && c.i < c.n; c.i++) {
            c.doc = c.docs[c.i];
            st = posting_take(m, from, &c, positions);
        }
    }
    cursor_dispose(&c);
    return st;
}

static edn_status terms_merge(merging *m, writer *w)
{
    edn_status st = heap_fill(m);

    while (st == EDN_OK && m->heap_n) {
        uint8_t bytes[EDN_KEY_SIZE_MAX];
        edn_bytes key = source_key(&m->sources[m->heap[0]]);
        memcpy(bytes, key.p, key.n);
        key.p = bytes;
        postings_reset(&m->list);
        while (st == EDN_OK && m->heap_n && edn_bytes_equal(source_key(&m->sources[m->heap[0]]), key))
            if ((st = list_take(m, &m->sources[m->heap[0]])) == EDN_OK)
                st = heap_next(m);
        if (st == EDN_OK && !postings_sort(&m->list, m->positions && !key_is_mark(key), &m->spare))
            st = EDN_E_NOMEM;
        if (st == EDN_OK && m->list.n)
            st = writer_term(w, key, &m->list);
    }
    return st;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static edn_status merging_init(merging *m, const edn_segment_part *parts, size_t n, unsigned flags)
{
    m->positions = !(flags & EDN_SEGMENT_NO_POSITIONS);
    if (!(m->sources = calloc(n + 1, sizeof *m->sources)))
        return EDN_E_NOMEM;
    m->n = n;
    for (size_t i = 0; i < n; i++) {
        m->sources[i].s = parts[i].segment;
        m->sources[i].dead = parts[i].dead;
        m->positions = m->positions && parts[i].segment->positions;
        terms_walk_init(&m->sources[i].walk, parts[i].segment);
    }
    return EDN_OK;
}

static void merging_dispose(merging *m)
{
    for (size_t i = 0; i < m->n; i++) {
        terms_walk_dispose(&m->sources[i].walk);
        free(m->sources[i].place);
    }
    postings_dispose(&m->list);
    postings_dispose(&m->spare);
    free(m->sources);
    free(m->docs);
    free(m->heap);
}

edn_status edn_segment_merge(const edn_segment_part *parts, size_t n, unsigned flags, edn_segment_out_fn *out,
                             void *ctx, uint64_t *size)
{
    merging m = {0};
    writer *w = NULL;
    edn_status st;

    *size = 0;
    if ((st = merging_init(&m, parts, n, flags)) == EDN_OK && (st = docs_place(&m)) == EDN_OK &&
        (st = writer_new(m.docs, m.docs_n, m.positions, out, ctx, &w)) == EDN_OK && (st = terms_merge(&m, w)) == EDN_OK)
        st = writer_end(w, size);
    writer_free(w);
    merging_dispose(&m);
    return st;
}
