/* The dictionary of a segment: leaves of 128 terms, each front-coded against the one before; the first term of every
 * leaf is in memory. */
#include "segment_priv.h"

void terms_walk_init(terms_walk *w, edn_segment *s)
{
    w->s = s;
    w->leaf = 0;
    w->left = 0;
    w->p = w->end = NULL;
    w->bytes = EDN_BUF_INIT(LEAF_SIZE_MAX + EDN_PACK_SLACK);
    w->key_n = w->shared = 0;
    w->held = false;
}

void terms_walk_dispose(terms_walk *w) { edn_buf_wipe(&w->bytes); }

static uint32_t leaf_terms(const edn_segment *s, uint32_t leaf)
{
    return leaf + 1 < s->leaves ? LEAF_TERMS : s->terms - (s->leaves - 1) * LEAF_TERMS;
}

static edn_status leaf_enter(terms_walk *w, uint32_t leaf)
{
    const leaf_top *t = &w->s->tops[leaf];
    size_t n = t[1].at[0] - t->at[0];
    edn_status st;

    edn_buf_reset(&w->bytes);
    edn_buf_reserve(&w->bytes, n + EDN_PACK_SLACK);
    if ((st = edn_buf_status(&w->bytes)) != EDN_OK ||
        (st = stream_read(w->s, STREAM_TERMS, t->at[0], n, w->bytes.p)) != EDN_OK)
        return st;
    w->leaf = leaf;
    w->left = leaf_terms(w->s, leaf);
    w->p = w->bytes.p;
    w->end = w->bytes.p + n;
    w->list_next = t->at[1];
    w->positions_next = t->at[2];
    w->key_n = 0;
    return EDN_OK;
}

/* A size whose first part is a nibble: 15 says that a varint follows with what is above. */
static bool nibble_get(terms_walk *w, unsigned nibble, size_t *out)
{
    uint32_t more = 0;

    if (nibble == 15 && (!(w->p = edn_pack_get_u32(w->p, w->end, &more)) || more > EDN_KEY_SIZE_MAX))
        return false;
    *out = nibble + more;
    return true;
}

static bool key_get(terms_walk *w)
{
    size_t shared, suffix;
    unsigned head;

    if (w->p == w->end)
        return false;
    head = *w->p++;
    if (!nibble_get(w, head >> 4, &shared) || !nibble_get(w, head & 15, &suffix))
        return false;
    suffix++;
    if (shared > w->key_n || shared + suffix > EDN_KEY_SIZE_MAX || suffix > (size_t)(w->end - w->p))
        return false;
    if (shared < w->key_n && w->p[0] <= w->key[shared])
        return false; /* not in order */
    memcpy(w->key + shared, w->p, suffix);
    w->p += suffix;
    w->shared = shared;
    w->key_n = shared + suffix;
    return true;
}

/* Most terms are in one document, once: that stands here and not in a list. */
static bool single_get(terms_walk *w)
{
    term_ref *r = &w->ref;

    r->df = 1;
    r->position = 0;
    r->list_at = w->list_next;
    r->positions_at = w->positions_next;
    if (!(w->p = edn_pack_get_u32(w->p, w->end, &r->doc)) ||
        (w->s->positions && !r->mark && !(w->p = edn_pack_get_u32(w->p, w->end, &r->position))))
        return false;
    return r->doc < w->s->docs;
}

static bool ref_get(terms_walk *w)
{
    const leaf_top *end = &w->s->tops[w->leaf + 1];
    term_ref *r = &w->ref;

    r->mark = key_is_mark(edn_bytes_of(w->key, w->key_n));
    r->list_n = r->positions_n = 0;
    if (!(w->p = edn_pack_get_u32(w->p, w->end, &r->df)))
        return false;
    if ((r->single = r->df == 0))
        return single_get(w);
    if (!(w->p = edn_pack_get_u32(w->p, w->end, &r->list_n)) ||
        (w->s->positions && !r->mark && !(w->p = edn_pack_get_u32(w->p, w->end, &r->positions_n))))
        return false;
    r->list_at = w->list_next;
    r->positions_at = w->positions_next;
    if (r->df > w->s->docs || r->list_n > end->at[1] - r->list_at || r->positions_n > end->at[2] - r->positions_at)
        return false;
    w->list_next += r->list_n;
    w->positions_next += r->positions_n;
    return true;
}

/* The next term of this leaf. */
static edn_status term_next(terms_walk *w)
{
    const leaf_top *t = &w->s->tops[w->leaf];

    if (!key_get(w))
        return EDN_E_FORMAT;
    if (w->left == leaf_terms(w->s, w->leaf) &&
        !edn_bytes_equal(edn_bytes_of(w->key, w->key_n), edn_bytes_of(w->s->tops_bytes + t->key_at, t->key_n)))
        return EDN_E_FORMAT;
    if (!ref_get(w))
        return EDN_E_FORMAT;
    w->left--;
    if (w->left == 0 && (w->p != w->end || w->list_next != t[1].at[1] || w->positions_next != t[1].at[2]))
        return EDN_E_FORMAT;
    return EDN_OK;
}

edn_status terms_walk_next(terms_walk *w, bool *more)
{
    edn_status st;
    uint32_t leaf = w->p ? w->leaf + 1 : 0;

    *more = true;
    if (w->held) {
        w->held = false;
        return EDN_OK;
    }
    if (w->left == 0) {
        if (leaf >= w->s->leaves) {
            *more = false;
            return EDN_OK;
        }
        if ((st = leaf_enter(w, leaf)) != EDN_OK)
            return st;
    }
    return term_next(w);
}

/* The last leaf whose first term is not above `key`; leaf 0 when all are. */
static uint32_t leaf_find(const edn_segment *s, edn_bytes key)
{
    uint32_t lo = 0, hi = s->leaves;

    while (hi - lo > 1) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (key_compare(edn_bytes_of(s->tops_bytes + s->tops[mid].key_at, s->tops[mid].key_n), key) <= 0)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

edn_status terms_walk_seek(terms_walk *w, edn_bytes key)
{
    edn_status st;
    bool more = true;

    w->held = false;
    w->left = 0;
    if (w->s->leaves == 0)
        return EDN_OK;
    if ((st = leaf_enter(w, leaf_find(w->s, key))) != EDN_OK)
        return st;
    while ((st = terms_walk_next(w, &more)) == EDN_OK && more)
        if (key_compare(edn_bytes_of(w->key, w->key_n), key) >= 0) {
            w->held = true;
            break;
        }
    return st;
}

edn_status segment_term(edn_segment *s, edn_bytes key, terms_walk *walk, term_ref *out, bool *there)
{
    edn_status st;
    bool more = false;

    *there = false;
    walk->s = s;
    if (key.n == 0 || key.n > EDN_KEY_SIZE_MAX || s->leaves == 0)
        return EDN_OK;
    if ((st = terms_walk_seek(walk, key)) != EDN_OK || (st = terms_walk_next(walk, &more)) != EDN_OK)
        return st;
    if (more && edn_bytes_equal(edn_bytes_of(walk->key, walk->key_n), key)) {
        *out = walk->ref;
        *there = true;
    }
    return EDN_OK;
}

bool term_begins(const terms_walk *w, edn_bytes prefix)
{
    return w->key_n >= prefix.n && (prefix.n == 0 || memcmp(w->key, prefix.p, prefix.n) == 0);
}

edn_status edn_segment_each(edn_segment *s, edn_bytes prefix, edn_segment_term_fn *fn, void *ctx)
{
    terms_walk w;
    bool more = true;
    edn_status st;

    terms_walk_init(&w, s);
    st = terms_walk_seek(&w, prefix);
    while (st == EDN_OK && (st = terms_walk_next(&w, &more)) == EDN_OK && more && term_begins(&w, prefix))
        st = fn(ctx, edn_bytes_of(w.key, w.key_n), w.ref.df);
    terms_walk_dispose(&w);
    return st;
}
