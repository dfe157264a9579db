/* Search without an index: what the contracts of src/search promise, by looking at every word of every entry. */
#ifndef EDN_TESTS_NAIVE_H
#define EDN_TESTS_NAIVE_H

#include <math.h>
#include <stdlib.h>

#include "search/index.h"

typedef struct naive_token {
    uint8_t key[EDN_KEY_SIZE_MAX], n;
    uint8_t first_n; /* of a pair of letters: its first one is a token too, and is not listed by itself */
    bool again;      /* stands here already, in whichever accents */
    uint32_t at, accents;
} naive_token;

typedef struct naive_entry {
    edn_segment_doc doc;
    naive_token *tokens; /* one for each place of each term, and one more where it has several accents there */
    size_t n, cap;
    bool dead;
} naive_entry;

static inline void naive_token_add(naive_entry *e, const naive_token *t)
{
    bool again = false;

    for (size_t i = e->n; i-- > 0;) {
        const naive_token *o = &e->tokens[i];
        if (o->at != t->at && (o->key[0] < 0x20) == (t->key[0] < 0x20))
            break; /* of each kind, those of one place follow each other */
        if (o->at != t->at || o->n != t->n || memcmp(o->key, t->key, t->n) != 0)
            continue;
        again = true;
        if (o->accents == t->accents)
            return;
    }
    if (e->n == e->cap) {
        e->cap = 2 * e->cap + 64;
        e->tokens = realloc(e->tokens, e->cap * sizeof *e->tokens);
        EDN_ASSERT(e->tokens);
    }
    e->tokens[e->n] = *t;
    e->tokens[e->n++].again = again;
}

static inline void naive_key(naive_token *t, uint8_t kind, edn_bytes value)
{
    size_t n = kind != 0;

    t->key[0] = kind;
    value.n = EDN_MIN(value.n, (size_t)EDN_TERM_SIZE_MAX);
    memcpy(t->key + n, value.p, value.n);
    t->n = (uint8_t)(n + value.n);
}

static inline void naive_mark(naive_entry *e, uint8_t kind, edn_bytes value)
{
    naive_token t = {.n = 0};

    naive_key(&t, kind, value);
    naive_token_add(e, &t);
}

/* The words of a text whose first place is `base`; returns where the next text begins. Letters that begin a pair are
 * part of it. */
static inline uint32_t naive_text(naive_entry *e, edn_bytes text, uint32_t base, bool title)
{
    edn_words w;
    edn_word word;
    naive_token letter = {.n = 0};
    uint32_t last = 0;
    bool held = false, more;

    edn_words_init(&w, text);
    do {
        naive_token t = {.n = 0};
        more = edn_words_next(&w, &word);
        if (more) {
            naive_key(&t, 0, word.term);
            t.at = word.position;
            t.accents = word.accents;
            t.first_n = word.flags & EDN_WORD_PAIR ? letter.n : 0;
            e->doc.length += !(word.flags & EDN_WORD_ALSO);
            last = word.position;
        }
        for (int i = held && !t.first_n ? 0 : 1; i < 2; i++) {
            naive_token one = i ? t : letter;
            bool wait = i && more && word.flags & EDN_WORD_LETTER;
            if (one.n == 0 || wait)
                continue;
            one.at += base;
            naive_token_add(e, &one);
            if (title) {
                one.at -= base;
                memmove(one.key + 1, one.key, one.n++);
                one.key[0] = EDN_TERM_TITLE;
                one.first_n += one.first_n != 0;
                naive_token_add(e, &one);
            }
        }
        held = more && word.flags & EDN_WORD_LETTER;
        letter = t;
    } while (more);
    return base + last + 9;
}

/* Words of a tag, and the tag. */
static inline uint32_t naive_tag(naive_entry *e, edn_bytes tag, uint32_t base)
{
    uint8_t folded[EDN_TERM_SIZE_MAX];
    size_t n = edn_term_fold(tag, folded, sizeof folded);

    if (n)
        naive_mark(e, EDN_TERM_TAG, edn_bytes_of(folded, n));
    return naive_text(e, tag, base, false);
}

/* ---- one entry --------------------------------------------------------------------------------------------------- */

static inline bool naive_fits(const naive_token *t, edn_bytes term, bool prefix)
{
    return (t->n == term.n || (prefix && t->n > term.n) || (t->first_n && t->first_n == term.n)) &&
           memcmp(t->key, term.p, term.n) == 0;
}

static inline uint32_t naive_times(const naive_entry *e, edn_bytes term, bool prefix)
{
    uint32_t n = 0;

    for (size_t i = 0; i < e->n; i++)
        n += !e->tokens[i].again && naive_fits(&e->tokens[i], term, prefix);
    return n;
}

static inline bool naive_is_mark(edn_bytes term) { return term.p[0] >= 2 && term.p[0] < 0x20; }

/* Whether a word stands there with these accents; without any: at more places than with some. */
static inline bool naive_is_typed(const naive_entry *e, edn_bytes term, uint32_t accents)
{
    size_t with = 0;

    if (accents == EDN_ACCENTS_ANY || naive_is_mark(term) || term.n - (term.p[0] == EDN_TERM_TITLE) > 60)
        return true;
    for (size_t i = 0; i < e->n; i++) {
        const naive_token *t = &e->tokens[i];
        if (t->first_n && naive_fits(t, term, false) && t->n != term.n)
            return true; /* one letter of a pair */
        if (!naive_fits(t, term, false))
            continue;
        if (accents && t->accents == accents)
            return true;
        with += t->accents != 0;
    }
    return !accents && naive_times(e, term, false) > with;
}

static inline bool naive_stands_at(const naive_entry *e, const edn_query_item *item, uint64_t at)
{
    for (size_t i = 0; i < e->n; i++)
        if (e->tokens[i].at == at && naive_fits(&e->tokens[i], item->term, item->prefix))
            return true;
    return false;
}

static inline uint32_t naive_times_phrase(const naive_entry *e, const edn_query *q)
{
    uint32_t n = 0;

    for (size_t i = 0; i < e->n; i++) {
        bool all = naive_fits(&e->tokens[i], q->items[0].term, q->items[0].prefix);
        for (size_t k = 0; all && k < i; k++) /* once a place */
            all = e->tokens[k].at != e->tokens[i].at ||
                  !naive_fits(&e->tokens[k], q->items[0].term, q->items[0].prefix);
        for (size_t k = 1; all && k < q->items_n; k++)
            all = naive_stands_at(e, &q->items[k], (uint64_t)e->tokens[i].at + q->items[k].offset);
        n += all;
    }
    return n;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

typedef struct naive_found {
    const naive_entry *e;
    bool typed;
    double score;
} naive_found;

typedef struct naive_stats {
    const naive_entry *const *entries;
    size_t entries_n;
    double docs, mean;
    double weights[EDN_QUERY_WORDS_MAX + 8]; /* of the leaves, in order: the same for every entry */
    size_t weights_n;
} naive_stats;

static inline double naive_weight(const naive_stats *s, edn_bytes term, bool prefix)
{
    double df = 0;

    if (naive_is_mark(term))
        return 0;
    for (size_t i = 0; i < s->entries_n; i++)
        df += !s->entries[i]->dead && naive_times(s->entries[i], term, prefix);
    return 2.2 * log(1 + (s->docs - df + 0.5) / (df + 0.5));
}

static inline void naive_weigh(naive_stats *s, const edn_query *q)
{
    double sum = 0;

    switch (q->kind) {
    case EDN_QUERY_TERM:
    case EDN_QUERY_PREFIX:
        s->weights[s->weights_n++] = naive_weight(s, q->term, q->kind == EDN_QUERY_PREFIX);
        break;
    case EDN_QUERY_PHRASE:
        for (size_t i = 0; i < q->items_n; i++)
            sum += naive_weight(s, q->items[i].term, q->items[i].prefix);
        s->weights[s->weights_n++] = sum;
        break;
    default:
        for (const edn_query *kid = q->child; kid; kid = kid->next)
            naive_weigh(s, kid);
    }
    EDN_ASSERT(s->weights_n < EDN_COUNT(s->weights));
}

static inline double naive_bm25(const naive_stats *s, const naive_entry *e, double weight, uint32_t times)
{
    return weight == 0 ? 0 : weight * times / (times + (0.3 + 0.9 / s->mean * e->doc.length));
}

/* Whether an entry fits; f->typed: with the accents that were asked for, too. */
static inline bool naive_scan(const naive_stats *s, const naive_entry *e, const edn_query *q, size_t *leaf,
                              naive_found *f)
{
    bool any = q->kind != EDN_QUERY_OR;
    uint32_t times;

    *f = (naive_found){e, any, 0};
    switch (q->kind) {
    case EDN_QUERY_ALL:
        return true;
    case EDN_QUERY_DATE:
        return e->doc.date && e->doc.date >= q->from && (!q->to || e->doc.date <= q->to);
    case EDN_QUERY_PHRASE:
        times = naive_times_phrase(e, q);
        for (size_t i = 0; i < q->items_n; i++)
            f->typed = f->typed && (q->items[i].prefix || naive_is_typed(e, q->items[i].term, q->items[i].accents));
        f->score = naive_bm25(s, e, s->weights[(*leaf)++], times);
        return times != 0;
    case EDN_QUERY_TERM:
    case EDN_QUERY_PREFIX:
        times = naive_times(e, q->term, q->kind == EDN_QUERY_PREFIX);
        f->typed = q->kind == EDN_QUERY_PREFIX || naive_is_typed(e, q->term, q->accents);
        f->score = naive_bm25(s, e, s->weights[(*leaf)++], times);
        return times != 0;
    case EDN_QUERY_NOT:
        any = !naive_scan(s, e, q->child, leaf, f);
        *f = (naive_found){e, true, 0};
        return any;
    default:
        for (const edn_query *kid = q->child; kid; kid = kid->next) {
            naive_found one;
            bool fits = naive_scan(s, e, kid, leaf, &one);
            any = q->kind == EDN_QUERY_OR ? any || fits : any && fits;
            f->typed = q->kind == EDN_QUERY_OR ? f->typed || (fits && one.typed) : f->typed && one.typed;
            f->score += fits ? one.score : 0;
        }
        return any;
    }
}

static inline int naive_compare(const void *a, const void *b)
{
    const naive_found *x = a, *y = b;

    if (x->typed != y->typed)
        return x->typed ? -1 : 1;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    if (x->e->doc.date != y->e->doc.date)
        return x->e->doc.date > y->e->doc.date ? -1 : 1;
    return memcmp(y->e->doc.entry.b, x->e->doc.entry.b, 16);
}

/* Days with months of 31: what age is counted in. */
static inline double naive_days(uint32_t date)
{
    return ((date / 10000) * 12.0 + date / 100 % 100 - 1) * 31 + date % 100;
}

static inline double naive_recency(uint32_t today, uint32_t date)
{
    double age = naive_days(today) - naive_days(date);

    return today == 0 || date == 0 ? 1 : 1 + 0.25 * 372 / (372 + (age > 0 ? age : 0));
}

/* All that fit, the best first; `out` has room for all entries. */
static inline size_t naive_search(const naive_entry *const *entries, size_t entries_n, const edn_query *q, bool ranked,
                                  uint32_t today, naive_found *out)
{
    naive_stats s = {.entries = entries, .entries_n = entries_n};
    size_t n = 0;

    for (size_t i = 0; i < entries_n; i++)
        if (!entries[i]->dead) {
            s.docs++;
            s.mean += entries[i]->doc.length;
        }
    s.mean = s.docs > 0 && s.mean > 0 ? s.mean / s.docs : 1;
    naive_weigh(&s, q);
    for (size_t i = 0; i < entries_n; i++) {
        size_t leaf = 0;
        if (entries[i]->dead || !naive_scan(&s, entries[i], q, &leaf, &out[n]))
            continue;
        out[n].typed = out[n].typed || !ranked;
        out[n].score = ranked ? out[n].score * naive_recency(today, entries[i]->doc.date) : 0;
        n++;
    }
    qsort(out, n, sizeof *out, naive_compare);
    return n;
}

/* Insertions, deletions, replacements and swaps of neighbours, by characters. */
static inline unsigned naive_edits(edn_bytes a, edn_bytes b)
{
    static unsigned v[EDN_KEY_SIZE_MAX + 1][EDN_KEY_SIZE_MAX + 1];
    uint32_t x[EDN_KEY_SIZE_MAX] = {0}, y[EDN_KEY_SIZE_MAX] = {0};
    size_t n = 0, k = 0;

    for (size_t at = 0; at < a.n;)
        x[n++] = edn_utf8_next(a, &at);
    for (size_t at = 0; at < b.n;)
        y[k++] = edn_utf8_next(b, &at);
    for (size_t i = 0; i <= n; i++)
        for (size_t j = 0; j <= k; j++) {
            unsigned best = i == 0 ? (unsigned)j : j == 0 ? (unsigned)i : UINT32_MAX;
            if (i && j)
                best = EDN_MIN(v[i - 1][j - 1] + (x[i - 1] != y[j - 1]), EDN_MIN(v[i - 1][j], v[i][j - 1]) + 1);
            if (i > 1 && j > 1 && x[i - 1] == y[j - 2] && x[i - 2] == y[j - 1])
                best = EDN_MIN(best, v[i - 2][j - 2] + 1);
            v[i][j] = best;
        }
    return v[n][k];
}

#endif
