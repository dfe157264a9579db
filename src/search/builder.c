/* The builder: a hash table of terms, each with two byte strings that grow in slices of one pool. */
#include "search/segment.h"

#include <stdlib.h>

#include "search/accents.h"
#include "search/segment_priv.h"

#define BLOCK_BITS 17u
#define BLOCK_SIZE (1u << BLOCK_BITS)
#define POOL_BLOCKS_MAX (UINT32_MAX >> BLOCK_BITS)
#define KEY_SLACK 16u /* bytes that may be read behind a key */
#define TITLE_GAP 8u  /* positions between title, text and tags */

/* A byte string in slices of growing size; the last four bytes of a full slice say where the next begins. */
typedef struct slices {
    uint32_t head, at, end;
} slices;

/* A line of the processor's cache, since each word of a text waits for one. */
#define TERM_ALIGN 64u
typedef struct term {
    uint64_t key_head; /* the first eight bytes of the key */
    uint32_t key;      /* where the key lies in the pool */
    uint8_t key_n, docs_level, positions_level;
    uint32_t doc, count, position; /* the last document, how often and where last */
    uint32_t df, positions_n;
    slices docs, positions;
} term;
_Static_assert(sizeof(term) == TERM_ALIGN, "a term fills a line");

struct edn_builder {
    edn_status st;
    bool positions, finished;
    uint8_t **blocks;
    uint32_t blocks_n, blocks_cap, next, end; /* free bytes of the last block, as pool addresses */
    void *terms_memory;
    term *terms; /* in it, aligned */
    uint32_t terms_n, terms_cap;
    uint64_t *table;     /* a term's hash, and in the low half its number plus 1; 0: free */
    uint32_t table_size; /* a power of two */
    edn_segment_doc *docs;
    uint32_t docs_n, docs_cap;
    uint32_t position; /* where the next text of the document begins */
};

static const uint16_t slice_sizes[] = {16, 24, 40, 72, 136, 264, 520, 1032};

edn_status edn_builder_new(unsigned flags, edn_builder **out)
{
    edn_builder *b = calloc(1, sizeof *b);

    *out = NULL;
    if (!b)
        return EDN_E_NOMEM;
    b->positions = !(flags & EDN_SEGMENT_NO_POSITIONS);
    b->table_size = 1024;
    if (!(b->table = calloc(b->table_size, sizeof *b->table))) {
        free(b);
        return EDN_E_NOMEM;
    }
    *out = b;
    return EDN_OK;
}

/* They hold beginnings of words. */
static void terms_free(edn_builder *b)
{
    if (b->terms)
        edn_wipe(b->terms, b->terms_n * sizeof *b->terms);
    free(b->terms_memory);
}

void edn_builder_free(edn_builder *b)
{
    if (!b)
        return;
    for (uint32_t i = 0; i < b->blocks_n; i++) {
        edn_wipe(b->blocks[i], BLOCK_SIZE);
        free(b->blocks[i]);
    }
    free(b->blocks);
    terms_free(b);
    free(b->table);
    free(b->docs);
    free(b);
}

size_t edn_builder_memory(const edn_builder *b)
{
    return (size_t)b->blocks_n * BLOCK_SIZE + (size_t)b->terms_cap * sizeof *b->terms +
           (size_t)b->table_size * sizeof *b->table + (size_t)b->docs_cap * sizeof *b->docs;
}

uint32_t edn_builder_docs(const edn_builder *b) { return b->docs_n; }

/* ---- pool -------------------------------------------------------------------------------------------------------- */

static uint8_t *pool_at(const edn_builder *b, uint32_t at)
{
    return b->blocks[at >> BLOCK_BITS] + (at & (BLOCK_SIZE - 1));
}

static bool block_add(edn_builder *b)
{
    uint8_t *block;

    if (b->blocks_n == POOL_BLOCKS_MAX) {
        b->st = EDN_E_LIMIT;
        return false;
    }
    if (b->blocks_n == b->blocks_cap) {
        uint32_t cap = 2 * b->blocks_cap + 8;
        uint8_t **more = realloc(b->blocks, cap * sizeof *more);
        if (!more) {
            b->st = EDN_E_NOMEM;
            return false;
        }
        b->blocks = more;
        b->blocks_cap = cap;
    }
    if (!(block = malloc(BLOCK_SIZE + KEY_SLACK))) {
        b->st = EDN_E_NOMEM;
        return false;
    }
    b->next = b->blocks_n << BLOCK_BITS;
    b->end = b->next + (BLOCK_SIZE - 1); /* so that an end is never an address of the next block */
    b->blocks[b->blocks_n++] = block;
    return true;
}

/* `n` bytes that lie together. */
static bool pool_take(edn_builder *b, uint32_t n, uint32_t *at)
{
    if (n > b->end - b->next && !block_add(b))
        return false;
    *at = b->next;
    b->next += n;
    return true;
}

static bool slices_begin(edn_builder *b, slices *s)
{
    if (!pool_take(b, slice_sizes[0], &s->head))
        return false;
    s->at = s->head;
    s->end = s->head + slice_sizes[0] - 4;
    return true;
}

static bool slices_more(edn_builder *b, slices *s, uint8_t *level_now)
{
    uint32_t next;
    uint8_t level = (uint8_t)EDN_MIN(*level_now + 1u, EDN_COUNT(slice_sizes) - 1);

    if (!pool_take(b, slice_sizes[level], &next))
        return false;
    *level_now = level;
    edn_store_u32(pool_at(b, s->end), next);
    s->at = next;
    s->end = next + slice_sizes[level] - 4;
    return true;
}

static bool slices_put_long(edn_builder *b, slices *s, uint8_t *level, uint32_t v)
{
    for (;; v >>= 7) {
        if (s->at == s->end && !slices_more(b, s, level))
            return false;
        *pool_at(b, s->at++) = (uint8_t)(v < 0x80 ? v : v | 0x80);
        if (v < 0x80)
            return true;
    }
}

static inline bool slices_put(edn_builder *b, slices *s, uint8_t *level, uint32_t v)
{
    if (v >= 0x80 || s->at == s->end)
        return slices_put_long(b, s, level, v);
    *pool_at(b, s->at++) = (uint8_t)v;
    return true;
}

typedef struct slices_in {
    const edn_builder *b;
    const uint8_t *p, *end;
    uint8_t level;
} slices_in;

static slices_in slices_read(const edn_builder *b, const slices *s)
{
    const uint8_t *p = pool_at(b, s->head);

    return (slices_in){b, p, p + slice_sizes[0] - 4, 0};
}

static uint32_t slices_get(slices_in *in)
{
    uint32_t v = 0;

    for (unsigned shift = 0;; shift += 7) {
        if (in->p == in->end) {
            in->level = (uint8_t)EDN_MIN(in->level + 1u, EDN_COUNT(slice_sizes) - 1);
            in->p = pool_at(in->b, edn_load_u32(in->end));
            in->end = in->p + slice_sizes[in->level] - 4;
        }
        v |= (uint32_t)(*in->p & 0x7f) << shift;
        if (!(*in->p++ & 0x80))
            return v;
    }
}

/* ---- terms ------------------------------------------------------------------------------------------------------- */

static edn_bytes term_key(const edn_builder *b, const term *t) { return edn_bytes_of(pool_at(b, t->key), t->key_n); }

static bool terms_grow(edn_builder *b)
{
    uint32_t cap = b->terms_cap + b->terms_cap / 2 + 256;
    term *more = malloc(((size_t)cap + 1) * sizeof *more), *terms;

    if (!more) {
        b->st = EDN_E_NOMEM;
        return false;
    }
    terms = (term *)((uint8_t *)more + (-(uintptr_t)more & (TERM_ALIGN - 1)));
    if (b->terms_n)
        memcpy(terms, b->terms, b->terms_n * sizeof *terms);
    terms_free(b);
    b->terms_memory = more;
    b->terms = terms;
    b->terms_cap = cap;
    return true;
}

static bool table_grow(edn_builder *b)
{
    uint32_t size = 2 * b->table_size;
    uint64_t *table = calloc(size, sizeof *table);

    if (!table) {
        b->st = EDN_E_NOMEM;
        return false;
    }
    for (uint32_t i = 0; i < b->table_size; i++) {
        uint32_t at = (uint32_t)(b->table[i] >> 32) & (size - 1);
        if (b->table[i] == 0)
            continue;
        while (table[at])
            at = (at + 1) & (size - 1);
        table[at] = b->table[i];
    }
    free(b->table);
    b->table = table;
    b->table_size = size;
    return true;
}

/* The first eight bytes of a key, zeros behind its end. There are KEY_SLACK readable bytes behind every key. */
static uint64_t key_head(const uint8_t *p, size_t n)
{
    return n >= 8 ? edn_pack_load(p) : edn_pack_load(p) & ((1ull << 8 * n) - 1);
}

/* Eight bytes at a time. Only for this table. */
static uint32_t key_hash(const uint8_t *p, size_t n)
{
    uint64_t h = n * 0x9e3779b97f4a7c15u;

    for (; n > 8; p += 8, n -= 8) {
        h = (h ^ edn_pack_load(p)) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    h = (h ^ key_head(p, n)) * 0xff51afd7ed558ccdu;
    h = (h ^ h >> 32) * 0xc4ceb9fe1a85ec53u;
    return (uint32_t)(h >> 32);
}

/* `head` is key's. */
static inline bool term_is(const edn_builder *b, const term *t, edn_bytes key, uint64_t head)
{
    if (t->key_head != head || t->key_n != key.n)
        return false;
    if (key.n <= 8)
        return true;
    if (key.n <= 16)
        return key_head(pool_at(b, t->key) + 8, key.n - 8) == key_head(key.p + 8, key.n - 8);
    return memcmp(pool_at(b, t->key) + 8, key.p + 8, key.n - 8) == 0;
}

static __attribute__((noinline)) term *term_add(edn_builder *b, edn_bytes key, uint32_t hash)
{
    term *t;
    uint32_t at;

    if ((b->terms_n == b->terms_cap && !terms_grow(b)) || (2 * (b->terms_n + 1) > b->table_size && !table_grow(b)))
        return NULL;
    t = &b->terms[b->terms_n];
    *t = (term){.doc = DOC_NONE, .key_head = key_head(key.p, key.n), .key_n = (uint8_t)key.n};
    if (!pool_take(b, (uint32_t)key.n, &t->key) || !slices_begin(b, &t->docs))
        return NULL;
    memcpy(pool_at(b, t->key), key.p, key.n);
    if (b->positions && !key_is_mark(key) && !slices_begin(b, &t->positions))
        return NULL;
    for (at = hash & (b->table_size - 1); b->table[at];)
        at = (at + 1) & (b->table_size - 1);
    b->table[at] = (uint64_t)hash << 32 | ++b->terms_n;
    return t;
}

/* `key` has KEY_SLACK bytes behind it. */
static inline term *term_get(edn_builder *b, edn_bytes key, uint64_t head, uint32_t hash)
{
    uint32_t at = hash & (b->table_size - 1);

    for (; b->table[at]; at = (at + 1) & (b->table_size - 1)) {
        term *t;
        if (b->table[at] >> 32 != hash)
            continue;
        t = &b->terms[(uint32_t)b->table[at] - 1];
        if (term_is(b, t, key, head))
            return t;
    }
    return term_add(b, key, hash);
}

/* The string of documents is the first one, then for each further one its gap, with how often the one before it has
 * the term: in the lowest bit when that is once. How often the last one has it is in the term. */
static bool term_next_doc(edn_builder *b, term *t, uint32_t doc)
{
    if (t->doc == DOC_NONE)
        return slices_put(b, &t->docs, &t->docs_level, doc);
    return slices_put(b, &t->docs, &t->docs_level, (doc - t->doc) << 1 | (t->count == 1)) &&
           (t->count == 1 || slices_put(b, &t->docs, &t->docs_level, t->count));
}

static inline void term_put(edn_builder *b, term *t, uint32_t position)
{
    uint32_t doc = b->docs_n - 1, gap = position;

    if (t->doc != doc) {
        if (!term_next_doc(b, t, doc))
            return;
        t->doc = doc;
        t->count = 1;
        t->df++;
    } else {
        EDN_ASSERT(position >= t->position);
        if (position == t->position)
            return;
        gap = position - t->position;
        t->count++;
    }
    if (t->positions.end && !slices_put(b, &t->positions, &t->positions_level, gap))
        return;
    t->positions_n++;
    t->position = position;
}

void edn_builder_term(edn_builder *b, edn_bytes key, uint32_t position)
{
    uint8_t copy[EDN_KEY_SIZE_MAX + KEY_SLACK] = {0};
    term *t;

    if (b->st != EDN_OK)
        return;
    EDN_ASSERT(b->docs_n && key.n >= 1 && key.n <= EDN_KEY_SIZE_MAX && !key_is_accents(key) && !b->finished);
    memcpy(copy, key.p, key.n);
    if ((t = term_get(b, edn_bytes_of(copy, key.n), key_head(copy, key.n), key_hash(copy, key.n))))
        term_put(b, t, position);
}

/* ---- documents --------------------------------------------------------------------------------------------------- */

void edn_builder_doc(edn_builder *b, const edn_segment_doc *doc)
{
    EDN_ASSERT(!b->finished);
    if (b->st != EDN_OK)
        return;
    if (!date_is_good(doc->date) || b->docs_n == EDN_SEGMENT_DOCS_MAX) {
        b->st = b->docs_n == EDN_SEGMENT_DOCS_MAX ? EDN_E_LIMIT : EDN_E_INVALID;
        return;
    }
    if (b->docs_n == b->docs_cap) {
        uint32_t cap = b->docs_cap + b->docs_cap / 2 + 64;
        edn_segment_doc *more = realloc(b->docs, cap * sizeof *more);
        if (!more) {
            b->st = EDN_E_NOMEM;
            return;
        }
        b->docs = more;
        b->docs_cap = cap;
    }
    b->docs[b->docs_n] = *doc;
    b->docs[b->docs_n++].length = 0;
    b->position = 0;
}

/* Words on their way in. The table, the terms and their strings are larger than the processor's cache, so that each
 * word would wait for memory three times; a dozen of them wait together. */
typedef struct coming {
    struct {
        uint64_t head;
        uint32_t hash, position;
        uint8_t n, key[EDN_KEY_SIZE_MAX + KEY_SLACK];
    } v[40];
    size_t n;
} coming;

static void coming_take(edn_builder *b, coming *c)
{
    term *near[EDN_COUNT(c->v)];

    for (size_t i = 0; i < c->n; i++) {
        uint64_t slot = b->table[c->v[i].hash & (b->table_size - 1)];
        near[i] = slot ? &b->terms[(uint32_t)slot - 1] : NULL;
        __builtin_prefetch(near[i]);
    }
    for (size_t i = 0; i < c->n; i++)
        if (near[i]) {
            __builtin_prefetch(pool_at(b, near[i]->docs.at));
            if (near[i]->positions.end)
                __builtin_prefetch(pool_at(b, near[i]->positions.at));
        }
    for (size_t i = 0; b->st == EDN_OK && i < c->n; i++) {
        term *t = term_get(b, edn_bytes_of(c->v[i].key, c->v[i].n), c->v[i].head, c->v[i].hash);
        if (t)
            term_put(b, t, c->v[i].position);
    }
    c->n = 0;
}

/* The key is there. */
static void coming_done(edn_builder *b, coming *c, size_t n, uint32_t position)
{
    uint8_t *to = c->v[c->n].key;

    c->v[c->n].n = (uint8_t)n;
    c->v[c->n].head = key_head(to, n);
    c->v[c->n].hash = key_hash(to, n);
    c->v[c->n].position = position;
    __builtin_prefetch(&b->table[c->v[c->n].hash & (b->table_size - 1)]);
    if (++c->n == EDN_COUNT(c->v))
        coming_take(b, c);
}

static void coming_add(edn_builder *b, coming *c, uint8_t kind, edn_bytes word, uint32_t position)
{
    size_t n = kind != 0;
    uint8_t *to = c->v[c->n].key;

    to[0] = kind;
    if (word.n <= 16) { /* out of edn_words' own 64 bytes, by eight as they were written: it still has them at hand */
        edn_pack_store(to + n, edn_pack_load(word.p));
        edn_pack_store(to + n + 8, edn_pack_load(word.p + 8));
    } else {
        memcpy(to + n, word.p, word.n);
    }
    coming_done(b, c, n + word.n, position);
}

/* A word of the text, or of the title, has accents. */
static void coming_accents(edn_builder *b, coming *c, bool title, const edn_word *word, uint32_t position)
{
    uint8_t *to = c->v[c->n].key;

    if (word->term.n <= ACCENTS_WORD_SIZE_MAX)
        coming_done(b, c, accents_key_end(to, accents_key_begin(to, title, word->term), word->accents), position);
}

void edn_builder_text(edn_builder *b, edn_bytes text, bool title)
{
    uint32_t words = 0, last = 0;
    coming c;
    edn_words w;
    edn_word word;

    if (b->st != EDN_OK)
        return;
    EDN_ASSERT(b->docs_n);
    c.n = 0; /* the rest is written before it is read, but for slack that is masked off */
    edn_words_init(&w, text);
    while (edn_words_next(&w, &word)) {
        last = word.position;
        words += !(word.flags & EDN_WORD_ALSO);
        /* A letter that begins a pair is found as the pair's beginning (plan.c). */
        if (word.flags & EDN_WORD_LETTER && w.pair)
            continue;
        coming_add(b, &c, 0, word.term, b->position + word.position);
        if (title)
            coming_add(b, &c, EDN_TERM_TITLE, word.term, word.position);
        if (word.accents)
            coming_accents(b, &c, false, &word, b->position + word.position);
        if (word.accents && title)
            coming_accents(b, &c, true, &word, word.position);
    }
    coming_take(b, &c);
    b->docs[b->docs_n - 1].length += words;
    b->position += last + 1 + TITLE_GAP;
}

void edn_builder_mark(edn_builder *b, uint8_t kind, edn_bytes value)
{
    uint8_t key[EDN_KEY_SIZE_MAX] = {kind};
    size_t n = EDN_MIN(value.n, (size_t)EDN_TERM_SIZE_MAX);

    memcpy(key + 1, value.p, n);
    edn_builder_term(b, edn_bytes_of(key, n + 1), 0);
}

void edn_builder_tag(edn_builder *b, edn_bytes tag)
{
    uint8_t folded[EDN_TERM_SIZE_MAX];
    size_t n = edn_term_fold(tag, folded, sizeof folded);

    edn_builder_text(b, tag, false);
    if (n)
        edn_builder_mark(b, EDN_TERM_TAG, edn_bytes_of(folded, n));
}

/* ---- writing it out ---------------------------------------------------------------------------------------------- */

/* A term as it is sorted: eight bytes of its key, the first one highest, decide nearly always. */
typedef struct sorted {
    uint64_t head;
    const term *t;
} sorted;

static inline bool sorted_before(const edn_builder *b, const sorted *x, const sorted *y)
{
    return x->head != y->head ? x->head < y->head : key_compare(term_key(b, x->t), term_key(b, y->t)) < 0;
}

/* By merging runs of twice the length each time; qsort would ask a function for each two. Returns the one of both
 * arrays that is in order. */
static sorted *sorted_merge(const edn_builder *b, sorted *v, sorted *spare, size_t n)
{
    for (size_t run = 1; run < n; run *= 2) {
        sorted *swap = v;
        for (size_t from = 0; from < n; from += 2 * run) {
            size_t mid = EDN_MIN(from + run, n), to = EDN_MIN(from + 2 * run, n), x = from, y = mid;
            for (size_t i = from; i < to; i++)
                spare[i] = y == to || (x < mid && !sorted_before(b, &v[y], &v[x])) ? v[x++] : v[y++];
        }
        v = spare;
        spare = swap;
    }
    return v;
}

/* All terms in order, in *memory; NULL when there is none. */
static const sorted *terms_sorted(const edn_builder *b, sorted **memory)
{
    size_t n = b->terms_n;
    sorted *s = *memory = calloc(2 * n + 1, sizeof *s);

    for (size_t i = 0; s && i < n; i++)
        s[i] = (sorted){__builtin_bswap64(b->terms[i].key_head), &b->terms[i]};
    return s ? sorted_merge(b, s, s + n, n) : NULL;
}

typedef struct placed {
    edn_segment_doc doc;
    uint32_t was;
} placed;

static int placed_compare(const void *a, const void *b)
{
    return doc_compare(&((const placed *)a)->doc, &((const placed *)b)->doc);
}

/* Sorts the documents; *place[i] is where document i went, NULL when they were in order. */
static edn_status docs_sort(edn_builder *b, uint32_t **place)
{
    uint32_t n = b->docs_n, rising = 1;
    placed *p;

    *place = NULL;
    while (rising < n && doc_compare(&b->docs[rising - 1], &b->docs[rising]) < 0)
        rising++;
    if (rising >= n)
        return EDN_OK;
    if (!(p = malloc(n * sizeof *p)))
        return EDN_E_NOMEM;
    if (!(*place = malloc(n * sizeof **place))) {
        free(p);
        return EDN_E_NOMEM;
    }
    for (uint32_t i = 0; i < n; i++)
        p[i] = (placed){b->docs[i], i};
    qsort(p, n, sizeof *p, placed_compare);
    for (uint32_t i = 0; i < n; i++) {
        b->docs[i] = p[i].doc;
        (*place)[p[i].was] = i;
    }
    free(p);
    return EDN_OK;
}

static edn_status term_read(const edn_builder *b, const term *t, const uint32_t *place, postings *l)
{
    slices_in docs = slices_read(b, &t->docs), positions = docs;
    bool has_positions = t->positions.end != 0;
    uint32_t doc;

    postings_reset(l);
    if (!postings_room(l, t->df) || !postings_positions_room(l, has_positions ? t->positions_n : 0))
        return EDN_E_NOMEM;
    if (has_positions)
        positions = slices_read(b, &t->positions);
    doc = slices_get(&docs);
    for (uint32_t i = 0; i < t->df; i++) {
        uint32_t head = 0, position = 0, count = t->count;
        if (i + 1 < t->df) {
            head = slices_get(&docs);
            count = head & 1 ? 1 : slices_get(&docs);
        }
        l->docs[l->n] = place ? place[doc] : doc;
        l->counts[l->n++] = count;
        doc += head >> 1;
        for (uint32_t k = 0; has_positions && k < count; k++)
            l->positions[l->positions_n++] = position += slices_get(&positions);
    }
    return EDN_OK;
}

typedef struct writing {
    const edn_builder *b;
    writer *w;
    const uint32_t *place; /* of documents; NULL: in order */
    postings list, spare;
    uint32_t *accented; /* how often each document has a word with any accents; all 0 between words */
} writing;

/* What is in x->list. */
static edn_status list_write(writing *x, edn_bytes key)
{
    if (key_is_mark(key))
        for (size_t i = 0; i < x->list.n; i++)
            x->list.counts[i] = 1;
    if (x->place && !postings_sort(&x->list, x->b->positions && !key_is_mark(key), &x->spare))
        return EDN_E_NOMEM;
    return writer_term(x->w, key, &x->list);
}

static edn_status term_write(writing *x, const term *t)
{
    edn_status st = term_read(x->b, t, x->place, &x->list);

    return st == EDN_OK ? list_write(x, term_key(x->b, t)) : st;
}

static const term *term_find(const edn_builder *b, edn_bytes key)
{
    uint8_t copy[EDN_KEY_SIZE_MAX + KEY_SLACK] = {0};
    uint32_t at;

    memcpy(copy, key.p, key.n);
    for (at = key_hash(copy, key.n) & (b->table_size - 1); b->table[at]; at = (at + 1) & (b->table_size - 1)) {
        const term *t = &b->terms[(uint32_t)b->table[at] - 1];
        if (term_is(b, t, edn_bytes_of(copy, key.n), key_head(copy, key.n)))
            return t;
    }
    return NULL;
}

/* What a mark of accents is of: the word, or the title's word. */
static const term *accented_word(const edn_builder *b, edn_bytes key)
{
    edn_bytes word = edn_bytes_of(key.p + 1, key.n - 2 - ACCENTS_SIZE);
    uint8_t title[EDN_KEY_SIZE_MAX] = {EDN_TERM_TITLE};

    if (key.p[0] == EDN_TERM_ACCENTS)
        return term_find(b, word);
    memcpy(title + 1, word.p, word.n);
    return term_find(b, edn_bytes_of(title, word.n + 1));
}

/* Whether both are marks of one word, with different accents. */
static bool same_word(const edn_builder *b, const sorted *x, const sorted *y)
{
    edn_bytes k = term_key(b, x->t), l = term_key(b, y->t);

    return k.n == l.n && memcmp(k.p, l.p, k.n - ACCENTS_SIZE) == 0;
}

/* Adds to, or takes from, x->accented what the marks of a word say. */
static edn_status accented_count(writing *x, const sorted *marks, size_t n, bool add)
{
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < n; i++) {
        st = term_read(x->b, marks[i].t, NULL, &x->list);
        for (size_t k = 0; st == EDN_OK && k < x->list.n; k++)
            x->accented[x->list.docs[k]] += add ? x->list.counts[k] : -x->list.counts[k];
    }
    return st;
}

/* The documents that have a word more often than they have it with accents, and yet have it with some: the mark
 * without accents. `marks`: all of the word. */
static edn_status plain_write(writing *x, const sorted *marks, size_t n)
{
    edn_bytes key = term_key(x->b, marks->t);
    const term *word = accented_word(x->b, key);
    edn_status st = accented_count(x, marks, n, true);
    size_t kept = 0;

    if (st == EDN_OK && word)
        st = term_read(x->b, word, NULL, &x->list);
    for (size_t i = 0; st == EDN_OK && word && i < x->list.n; i++) {
        uint32_t doc = x->list.docs[i], accented = x->accented[doc];
        if (accented && x->list.counts[i] > accented)
            x->list.docs[kept++] = x->place ? x->place[doc] : doc;
    }
    x->list.n = kept;
    if (st == EDN_OK && kept)
        st = list_write(x, edn_bytes_of(key.p, key.n - ACCENTS_SIZE));
    return st == EDN_OK ? accented_count(x, marks, n, false) : st;
}

/* Marks of accents stand before all words, and those of one word follow each other. */
static edn_status marks_of_word(writing *x, const sorted *marks, size_t left)
{
    size_t n = 1;

    while (n < left && same_word(x->b, marks, &marks[n]))
        n++;
    if (!x->accented && !(x->accented = calloc((size_t)x->b->docs_n + 1, sizeof *x->accented)))
        return EDN_E_NOMEM;
    return plain_write(x, marks, n);
}

static edn_status terms_write(edn_builder *b, writer *w, const uint32_t *place)
{
    sorted *memory;
    const sorted *s = terms_sorted(b, &memory);
    writing x = {.b = b, .w = w, .place = place};
    edn_status st = s ? EDN_OK : EDN_E_NOMEM;

    for (size_t i = 0; st == EDN_OK && i < b->terms_n; i++) {
        if (key_is_accents(term_key(b, s[i].t)) && (i == 0 || !same_word(b, &s[i - 1], &s[i])))
            st = marks_of_word(&x, &s[i], b->terms_n - i);
        if (st == EDN_OK)
            st = term_write(&x, s[i].t);
    }
    postings_dispose(&x.list);
    postings_dispose(&x.spare);
    free(x.accented);
    if (memory)
        edn_wipe(memory, (2 * (size_t)b->terms_n + 1) * sizeof *memory);
    free(memory);
    return st;
}

edn_status edn_builder_finish(edn_builder *b, edn_segment_out_fn *out, void *ctx, uint64_t *size)
{
    uint32_t *place = NULL;
    writer *w = NULL;
    edn_status st;

    *size = 0;
    EDN_ASSERT(!b->finished);
    b->finished = true;
    if ((st = b->st) != EDN_OK || (st = docs_sort(b, &place)) != EDN_OK ||
        (st = docs_check_distinct(b->docs, b->docs_n)) != EDN_OK ||
        (st = writer_new(b->docs, b->docs_n, b->positions, out, ctx, &w)) != EDN_OK ||
        (st = terms_write(b, w, place)) != EDN_OK)
        goto out;
    st = writer_end(w, size);
out:
    writer_free(w);
    free(place);
    return st;
}
