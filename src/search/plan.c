/* From a query to something that can be run: every term looked up in every part, prefixes spelt out, weights. */
#include "index_priv.h"

#include <stdlib.h>

#include "search/accents.h"
#include "search/unicode.h"

/* ---- prefixes ---------------------------------------------------------------------------------------------------- */

static edn_status prefix_list(prefix_docs *u, cursor *c, bool counted)
{
    edn_status st = EDN_OK;

    for (uint32_t b = 0; st == EDN_OK && b < c->blocks; b++) {
        if ((st = cursor_load(c, b)) != EDN_OK)
            break;
        for (uint32_t i = 0; i < c->n; i++)
            u->there[c->docs[i] / 64] |= 1ull << c->docs[i] % 64;
        for (uint32_t i = 0; counted && i < c->n; i++) {
            uint32_t *count = &u->counts[c->docs[i]];
            *count += EDN_MIN(c->counts[i], UINT32_MAX - *count);
        }
    }
    return st;
}

/* Whether a term is one letter, or a pair that begins with it: what follows is not a mark of its own. That of ำ, which
 * is a letter and folds to a mark and one, is none. */
static bool is_letter_or_pair(edn_bytes term, size_t letter_n)
{
    static const char *const letters[] = {"\u0e4d\u0e32", "\u0ecd\u0eb2"};
    edn_bytes rest = edn_bytes_of(term.p + letter_n, term.n - letter_n);
    size_t at = 0;

    for (size_t i = 0; i < EDN_COUNT(letters); i++)
        if (rest.n >= 6 && memcmp(rest.p, letters[i], 6) == 0)
            return true;
    return rest.n == 0 ||
           (edn_utf8_check(rest, NULL) == rest.n && !edn_props_skipped(edn_scalar_props(edn_utf8_next(rest, &at))));
}

/* Calls `fn` with each term's list. */
typedef edn_status list_fn(prefix_docs *u, cursor *c, bool counted);
static edn_status prefix_each(edn_segment *s, const plan *p, prefix_docs *u, list_fn *fn)
{
    edn_bytes prefix = p->term;
    terms_walk w;
    bool more = true;
    edn_status st;

    terms_walk_init(&w, s);
    st = terms_walk_seek(&w, prefix);
    while (st == EDN_OK && (st = terms_walk_next(&w, &more)) == EDN_OK && more && term_begins(&w, prefix)) {
        bool counted = p->counted;
        cursor c;
        if (p->letter && !is_letter_or_pair(edn_bytes_of(w.key, w.key_n), prefix.n))
            continue;
        if ((st = cursor_init(&c, s, &w.ref, counted)) == EDN_OK)
            st = fn(u, &c, counted);
        cursor_dispose(&c);
    }
    terms_walk_dispose(&w);
    return st;
}

static void prefix_tally(const index_part *p, prefix_docs *u)
{
    for (uint32_t i = 0; i <= p->s->docs / 64; i++) {
        uint64_t dead = 0, bits = u->there[i];
        for (uint32_t k = 0; p->dead && k < 8 && 8 * i + k < (p->s->docs + 7) / 8; k++)
            dead |= (uint64_t)p->dead[8 * i + k] << 8 * k;
        u->df += (uint32_t)__builtin_popcountll(bits);
        u->live += (uint32_t)__builtin_popcountll(bits & ~dead);
    }
}

static edn_status prefix_make(const index_part *part, edn_arena *a, const plan *p, prefix_docs *u)
{
    size_t docs = part->s->docs;
    edn_status st;

    u->there = edn_arena_calloc(a, docs / 64 + 2, sizeof *u->there);
    if (!u->there || (p->counted && !(u->counts = edn_arena_calloc(a, docs + 1, sizeof *u->counts))))
        return EDN_E_NOMEM;
    if ((st = prefix_each(part->s, p, u, prefix_list)) == EDN_OK)
        prefix_tally(part, u);
    return st;
}

static edn_status positions_list(prefix_docs *u, cursor *c, bool counted)
{
    edn_status st = EDN_OK;

    (void)counted;
    for (uint32_t b = 0; st == EDN_OK && b < c->blocks; b++) {
        st = cursor_load(c, b);
        for (c->i = 0; st == EDN_OK && c->i < c->n; c->i++) {
            c->doc = c->docs[c->i];
            if ((st = cursor_positions(c)) != EDN_OK)
                break;
            if (c->counts[c->i] > u->positions_n - u->from[c->doc + 1])
                return EDN_E_FORMAT; /* a page that says something else than before */
            /* from[d + 1] runs from where d begins to where it ends. */
            memcpy(u->positions + u->from[c->doc + 1], c->positions, c->counts[c->i] * sizeof *u->positions);
            u->from[c->doc + 1] += c->counts[c->i];
        }
    }
    return st;
}

/* The positions too: a document's are as many as its counts together. */
static edn_status prefix_positions(const index_part *part, edn_arena *a, const plan *p, prefix_docs *u)
{
    uint64_t sum = 0;
    uint32_t docs = part->s->docs;

    if (!(u->from = edn_arena_calloc(a, (size_t)docs + 2, sizeof *u->from)))
        return EDN_E_NOMEM;
    for (uint32_t d = 0; d < docs; d++) {
        u->from[d + 1] = (uint32_t)sum;
        sum += u->counts[d];
    }
    /* What stands once has its position in the dictionary, a byte at least. */
    if (sum > 8 * (part->s->stream_size[STREAM_POSITIONS] + part->s->stream_size[STREAM_TERMS]) || sum > UINT32_MAX)
        return EDN_E_FORMAT; /* more than there are bits */
    u->positions_n = (uint32_t)sum;
    if (!(u->positions = edn_arena_alloc(a, ((size_t)sum + 1) * sizeof *u->positions)))
        return EDN_E_NOMEM;
    return prefix_each(part->s, p, u, positions_list);
}

/* ---- leaves ------------------------------------------------------------------------------------------------------ */

static edn_status term_make(edn_index *x, edn_arena *a, plan *p)
{
    terms_walk w;
    edn_status st = EDN_OK;

    if (!(p->refs = edn_arena_calloc(a, x->parts_n + 1, sizeof *p->refs)))
        return EDN_E_NOMEM;
    terms_walk_init(&w, NULL);
    for (size_t i = 0; st == EDN_OK && i < x->parts_n; i++) {
        bool there;
        uint32_t live = 0;
        st = segment_term(x->parts[i].s, p->term, &w, &p->refs[i], &there);
        if (st == EDN_OK && there && (st = part_live(&x->parts[i], &p->refs[i], &live)) == EDN_OK)
            p->live += live;
    }
    terms_walk_dispose(&w);
    return st;
}

/* ---- accents ----------------------------------------------------------------------------------------------------- */

/* The current term's documents, added to `bits`. */
static edn_status list_bits(edn_segment *s, const term_ref *ref, uint64_t *bits)
{
    cursor c;
    edn_status st = cursor_init(&c, s, ref, false);

    for (uint32_t b = 0; st == EDN_OK && b < c.blocks; b++) {
        st = cursor_load(&c, b);
        for (uint32_t i = 0; st == EDN_OK && i < c.n; i++)
            bits[c.docs[i] / 64] |= 1ull << c.docs[i] % 64;
    }
    cursor_dispose(&c);
    return st;
}

/* Of a word that was typed without accents: all but who has it with some, and those that have it without, too. `*any`:
 * somebody has it with some. `with` has room for as many bits as `out`. */
static edn_status without_accents(edn_segment *s, edn_bytes prefix, terms_walk *w, uint64_t *out, uint64_t *with,
                                  bool *any)
{
    size_t n = (size_t)s->docs / 64 + 1;
    bool more = true;
    edn_status st = terms_walk_seek(w, prefix);

    *any = false;
    while (st == EDN_OK && (st = terms_walk_next(w, &more)) == EDN_OK && more && term_begins(w, prefix)) {
        *any = true;
        st = list_bits(s, &w->ref, w->key_n == prefix.n ? out : with);
    }
    for (size_t i = 0; i < n; i++)
        out[i] |= ~with[i];
    return st;
}

/* p->typed of one part. */
static edn_status typed_make(edn_index *x, edn_arena *a, plan *p, size_t part, terms_walk *w)
{
    edn_segment *s = x->parts[part].s;
    bool title = p->term.p[0] == EDN_TERM_TITLE, there = false;
    uint8_t key[EDN_KEY_SIZE_MAX];
    size_t words = (size_t)s->docs / 64 + 1;
    size_t n = accents_key_begin(key, title, edn_bytes_of(p->term.p + title, p->term.n - title));
    uint64_t *bits;
    term_ref ref;
    edn_status st;

    if (!s->accents && !p->accents)
        return EDN_OK;
    if (!(bits = edn_arena_calloc(a, 2 * words, sizeof *bits)))
        return EDN_E_NOMEM;
    w->s = s;
    if (p->accents) {
        if ((st = segment_term(s, edn_bytes_of(key, accents_key_end(key, n, p->accents)), w, &ref, &there)) == EDN_OK &&
            there)
            st = list_bits(s, &ref, bits);
        there = true;
    } else {
        st = without_accents(s, edn_bytes_of(key, n), w, bits, bits + words, &there);
    }
    p->typed[part] = there ? bits : NULL;
    p->tells = p->tells || there;
    return st;
}

/* Whether documents have a word as it was typed. */
static edn_status accents_make(edn_index *x, edn_arena *a, plan *p)
{
    size_t n = p->term.n - (p->term.p[0] == EDN_TERM_TITLE);
    terms_walk w;
    edn_status st = EDN_OK;

    if (p->accents == EDN_ACCENTS_ANY || n > ACCENTS_WORD_SIZE_MAX)
        return EDN_OK;
    if (!(p->typed = edn_arena_calloc(a, x->parts_n + 1, sizeof *p->typed)))
        return EDN_E_NOMEM;
    terms_walk_init(&w, NULL);
    for (size_t i = 0; st == EDN_OK && i < x->parts_n; i++)
        if (p->refs[i].df)
            st = typed_make(x, a, p, i, &w);
    terms_walk_dispose(&w);
    return st;
}

static edn_status prefixes_make(edn_index *x, edn_arena *a, plan *p, bool positions)
{
    edn_status st = EDN_OK;

    if (!(p->prefixes = edn_arena_calloc(a, x->parts_n + 1, sizeof *p->prefixes)))
        return EDN_E_NOMEM;
    for (size_t i = 0; st == EDN_OK && i < x->parts_n; i++) {
        const index_part *part = &x->parts[i];
        st = prefix_make(part, a, p, &p->prefixes[i]);
        if (st == EDN_OK && positions && part->s->positions)
            st = prefix_positions(part, a, p, &p->prefixes[i]);
        p->live += p->prefixes[i].live;
    }
    return st;
}

static edn_status leaf_make(edn_index *x, edn_arena *a, plan *p, bool positions)
{
    edn_status st;

    if (p->term.n == 0 || p->term.n > EDN_KEY_SIZE_MAX)
        return EDN_E_INVALID;
    if (p->kind == EDN_QUERY_TERM && p->letter) /* where it stands before another, only both are in the index */
        p->kind = EDN_QUERY_PREFIX;
    p->exact = true;
    p->scored = p->scored && !key_is_mark(p->term);
    p->counted = p->counted || p->scored;
    st = p->kind == EDN_QUERY_TERM ? term_make(x, a, p) : prefixes_make(x, a, p, positions);
    if (st == EDN_OK && p->scored && p->kind == EDN_QUERY_TERM)
        st = accents_make(x, a, p);
    if (p->scored)
        p->weight = 2.2 * index_idf(x, p->live);
    return st;
}

static plan *plan_new(edn_arena *a, edn_query_kind kind, bool scored, size_t kids)
{
    plan *p = edn_arena_alloc(a, sizeof *p);

    if (!p)
        return NULL;
    memset(p, 0, offsetof(plan, c));
    p->prefix = NULL;
    p->found = NULL;
    p->found_cap = 0;
    p->kind = kind;
    p->scored = scored;
    p->kids = edn_arena_calloc(a, 2 * kids + 1, sizeof *p->kids);
    p->by_cost = p->kids ? p->kids + kids : NULL;
    return p->kids ? p : NULL;
}

/* A phrase: an AND of its items, which weighs as they do together. */
static edn_status phrase_make(edn_index *x, edn_arena *a, plan *p, const edn_query *q)
{
    edn_status st = EDN_OK;

    p->query = q;
    if (!(p->offsets = edn_arena_calloc(a, q->items_n + 1, sizeof *p->offsets)))
        return EDN_E_NOMEM;
    for (size_t i = 0; st == EDN_OK && i < q->items_n; i++) {
        const edn_query_item *item = &q->items[i];
        plan *kid = plan_new(a, item->prefix ? EDN_QUERY_PREFIX : EDN_QUERY_TERM, p->scored, 0);
        if (!kid)
            return EDN_E_NOMEM;
        p->kids[p->kids_n++] = kid;
        p->offsets[i] = item->offset;
        kid->term = item->term;
        kid->accents = item->accents;
        kid->letter = item->letter;
        kid->needed = p->needed;
        kid->counted = true;
        if (item->term.n && key_is_mark(item->term))
            return EDN_E_INVALID;
        st = leaf_make(x, a, kid, true);
        p->weight += kid->weight;
        p->tells = p->tells || kid->tells;
    }
    return st == EDN_OK && p->kids_n < 2 ? EDN_E_INVALID : st;
}

/* ---- trees ------------------------------------------------------------------------------------------------------- */

/* What a node is for: it adds to the score; nothing is a hit without it. */
typedef struct role {
    bool scored, needed;
    unsigned depth;
} role;

static edn_status node_make(edn_index *x, edn_arena *a, const edn_query *q, role r, plan **out);

static edn_status kids_make(edn_index *x, edn_arena *a, plan *p, const edn_query *q, unsigned depth)
{
    role r = {p->scored && p->kind != EDN_QUERY_NOT, p->needed && p->kind == EDN_QUERY_AND, depth + 1};
    bool any = false;
    edn_status st = EDN_OK;

    p->exact = p->kind != EDN_QUERY_NOT;
    for (const edn_query *kid = q->child; st == EDN_OK && kid; kid = kid->next) {
        st = node_make(x, a, kid, r, &p->kids[p->kids_n]);
        if (st != EDN_OK)
            break;
        p->exact = p->exact && p->kids[p->kids_n]->exact;
        any = any || p->kids[p->kids_n]->scored;
        p->tells = p->tells || p->kids[p->kids_n]->tells;
        p->kids_n++;
    }
    p->scored = any;
    return st == EDN_OK && p->kids_n == 0 ? EDN_E_INVALID : st;
}

static edn_status node_make(edn_index *x, edn_arena *a, const edn_query *q, role r, plan **out)
{
    size_t kids = q->items_n;
    plan *p;

    if (r.depth > EDN_QUERY_DEPTH_MAX)
        return EDN_E_LIMIT;
    for (const edn_query *kid = q->child; kid; kid = kid->next)
        kids++;
    if (!(p = plan_new(a, q->kind, r.scored, kids)))
        return EDN_E_NOMEM;
    *out = p;
    p->term = q->term;
    p->accents = q->accents;
    p->letter = q->letter;
    p->needed = r.needed;
    switch (q->kind) {
    case EDN_QUERY_AND:
    case EDN_QUERY_OR:
    case EDN_QUERY_NOT:
        return kids_make(x, a, p, q, r.depth);
    case EDN_QUERY_TERM:
    case EDN_QUERY_PREFIX:
        return leaf_make(x, a, p, false);
    case EDN_QUERY_PHRASE:
        return phrase_make(x, a, p, q);
    case EDN_QUERY_DATE:
        if (!date_is_good(q->from) || !date_is_good(q->to))
            return EDN_E_INVALID;
        p->from = q->from ? date_to_code(q->from) : 1; /* an entry without a date is in no range */
        p->to = q->to ? date_to_code(q->to) : UINT32_MAX;
        break;
    case EDN_QUERY_ALL:
        break;
    default:
        return EDN_E_INVALID;
    }
    p->exact = true;
    p->scored = false;
    return EDN_OK;
}

edn_status plan_make(edn_index *x, edn_arena *a, const edn_query *q, bool scored, plan **out)
{
    *out = NULL;
    return node_make(x, a, q, (role){scored, true, 0}, out);
}

void plan_close(plan *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->kids_n; i++)
        plan_close(p->kids[i]);
    free(p->found);
    p->found = NULL;
}

bool plan_empty(const plan *p, size_t part)
{
    bool any = p->kind == EDN_QUERY_OR;

    switch (p->kind) {
    case EDN_QUERY_TERM:
        return p->refs[part].df == 0;
    case EDN_QUERY_PREFIX:
        return p->prefixes[part].df == 0;
    case EDN_QUERY_AND:
    case EDN_QUERY_OR:
    case EDN_QUERY_PHRASE:
        for (size_t i = 0; i < p->kids_n; i++)
            if (plan_empty(p->kids[i], part) != any)
                return !any;
        return any;
    default:
        return false;
    }
}
