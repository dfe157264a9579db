#include "rope.h"

#include <stdlib.h>

/* A B+tree of uniform height over chunks of at most ROPE_LEAF bytes, each a whole number of scalars.
 *
 *        inner [sum sum sum]            1. `sums[i]` is exactly what `child[i]` holds; a leaf keeps no sums of its own.
 *         /     |      \                2. Every chunk but a lone first one has at least one byte.
 *      inner  inner   inner             3. `height` counts the levels of inner nodes; children of height 1 are leaves.
 *      / | \
 *   leaf leaf leaf                      4. `leaf` and `leaf_at` name a chunk of the tree, or `leaf` is NULL.
 *
 * Where somebody types, the chunk is *open*: its bytes lie at both ends of `data` with the gap where the typing is, and
 * what it grew by is not yet added to the sums above. An open chunk is ASCII. Whatever else is done begins by closing
 * it (`rope_close`); seen from outside that changes nothing.
 *
 * Not a gap buffer: that is a little faster for notes, but a jump in a text of 100 MB would move 100 MB. */

#define ROPE_LEAF 1000u
#define ROPE_FAN 16u

struct rope_leaf {
    rope_inner *parent;
    uint16_t slot;
    uint16_t n;
    uint8_t data[ROPE_LEAF];
};

struct rope_inner {
    rope_inner *parent;
    uint16_t slot, n;
    uint16_t height;
    void *child[ROPE_FAN];
    edn_rope_sum sums[ROPE_FAN];
};

/* ---- sums -------------------------------------------------------------------------------------------------------- */

/* The four counts are one vector to the machine. */
typedef uint32_t sum_vector __attribute__((vector_size(16), may_alias, aligned(4)));
_Static_assert(sizeof(sum_vector) == sizeof(edn_rope_sum), "four counts of 32 bits");

static inline void sum_add(edn_rope_sum *a, const edn_rope_sum *b) { *(sum_vector *)a += *(const sum_vector *)b; }
static inline void sum_sub(edn_rope_sum *a, const edn_rope_sum *b) { *(sum_vector *)a -= *(const sum_vector *)b; }

/* The line feeds among eight bytes that are all ASCII. */
static inline uint32_t lines_of_eight(uint64_t v)
{
    v ^= 0x0a0a0a0a0a0a0a0au;
    v = ~(v + 0x7f7f7f7f7f7f7f7fu) & 0x8080808080808080u; /* 1 for each byte that was one */
    return (uint32_t)((v >> 7) * 0x0101010101010101u >> 56);
}

static void measure_byte(edn_rope_sum *out, uint8_t c)
{
    out->scalars += (c & 0xc0) != 0x80;
    out->astral += c >= 0xf0;
    out->lines += c == '\n';
}

/* A few bytes, eight at a time where they are ASCII. */
static edn_rope_sum measure_short(edn_bytes s)
{
    edn_rope_sum out = {(uint32_t)s.n, 0, 0, 0};
    size_t at = 0;

    for (; s.n - at >= 8; at += 8) {
        uint64_t v;
        memcpy(&v, s.p + at, 8);
        if (v & 0x8080808080808080u) {
            for (size_t i = 0; i < 8; i++)
                measure_byte(&out, s.p[at + i]);
        } else {
            out.scalars += 8;
            out.lines += lines_of_eight(v);
        }
    }
    for (; at < s.n; at++)
        measure_byte(&out, s.p[at]);
    return out;
}

edn_rope_sum edn_rope_measure(edn_bytes s)
{
    edn_rope_sum out = {0, 0, 0, 0};
    size_t at = 0;

    if (s.n < 64)
        return measure_short(s);
    /* Short stretches keep the counters narrow, which lets the compiler count sixteen bytes at a time. */
    while (at < s.n) {
        size_t n = EDN_MIN(s.n - at, (size_t)255);
        uint8_t tails = 0, astral = 0, lines = 0;
        for (size_t i = 0; i < n; i++) {
            uint8_t c = s.p[at + i];
            tails = (uint8_t)(tails + ((c & 0xc0) == 0x80));
            astral = (uint8_t)(astral + (c >= 0xf0));
            lines = (uint8_t)(lines + (c == '\n'));
        }
        out.scalars += (uint32_t)n - tails;
        out.astral += astral;
        out.lines += lines;
        at += n;
    }
    out.bytes = (uint32_t)s.n;
    return out;
}

/* Leaves set aside together: those that are never used are never touched, so that setting aside much costs little. */
struct rope_slab {
    rope_slab *next;
    size_t n, used;
    rope_leaf leaves[];
};

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static rope_leaf *leaf_fresh(edn_rope *r)
{
    rope_slab *slab = r->fresh;
    rope_leaf *leaf;

    EDN_ASSERT(slab); /* edn_rope_reserve counted wrong */
    leaf = &slab->leaves[slab->used++];
    if (slab->used == slab->n) {
        r->fresh = slab->next;
        slab->next = r->full;
        r->full = slab;
    }
    return leaf;
}

static rope_leaf *leaf_take(edn_rope *r)
{
    rope_leaf *leaf = r->spare_leaves;

    if (leaf)
        r->spare_leaves = (rope_leaf *)(void *)leaf->parent;
    else
        leaf = leaf_fresh(r);
    r->n_spare_leaves--;
    r->n_leaves++;
    leaf->n = 0;
    return leaf;
}

static void leaf_give(edn_rope *r, rope_leaf *leaf)
{
    leaf->parent = (rope_inner *)(void *)r->spare_leaves;
    r->spare_leaves = leaf;
    r->n_spare_leaves++;
    r->n_leaves--;
}

static rope_inner *inner_take(edn_rope *r)
{
    rope_inner *p = r->spare_inners;

    EDN_ASSERT(p);
    r->spare_inners = p->parent;
    r->n_spare_inners--;
    p->n = 0;
    p->parent = NULL;
    p->slot = 0;
    return p;
}

static void inner_give(edn_rope *r, rope_inner *p)
{
    p->parent = r->spare_inners;
    r->spare_inners = p;
    r->n_spare_inners++;
}

static void inner_free(rope_inner *p)
{
    for (unsigned i = 0; p->height > 1 && i < p->n; i++)
        inner_free(p->child[i]);
    free(p);
}

static void slabs_free(rope_slab *slab)
{
    while (slab) {
        rope_slab *next = slab->next;
        free(slab);
        slab = next;
    }
}

void edn_rope_dispose(edn_rope *r)
{
    while (r->spare_inners) {
        rope_inner *next = r->spare_inners->parent;
        free(r->spare_inners);
        r->spare_inners = next;
    }
    if (r->root)
        inner_free(r->root);
    slabs_free(r->fresh);
    slabs_free(r->full);
    *r = (edn_rope){0};
}

/* Bounds what `edits` insertions can need. A split leaves halves that take a third of a chunk before they split
 * again, so besides the bytes only chunks that are nearly full now can split: no more than there are edits or
 * chunks. */
static void reserve_bounds(const edn_rope *r, size_t edits, size_t bytes, size_t *leaves, size_t *inners)
{
    size_t touched = EDN_MIN(edits, r->n_leaves + 1);

    *leaves = bytes / (ROPE_LEAF / 3) + 2 * touched + 2;
    if (edits == 1) /* dealt out at once, three quarters of a chunk each, less what cutting no scalar costs */
        *leaves = bytes / (ROPE_LEAF * 3 / 4 - 10) + 5;
    /* A node splits when it is full: new ones at most every FAN / 2 insertions, and theirs above them, old ones at most
     * once. */
    *inners = *leaves / (ROPE_FAN / 2 - 1) + EDN_MIN(touched * (r->height + 1), r->n_leaves / (ROPE_FAN - 1) + 1) +
              r->height + 2;
}

edn_status edn_rope_reserve(edn_rope *r, size_t edits, size_t bytes)
{
    size_t leaves, inners;

    reserve_bounds(r, edits, bytes, &leaves, &inners);
    inners = EDN_MAX(inners, (size_t)2 * r->height + 4); /* what edn_rope_ready asks for */
    if (r->n_spare_leaves < leaves) {
        size_t n = leaves - r->n_spare_leaves;
        rope_slab *slab = malloc(sizeof *slab + n * sizeof *slab->leaves);
        if (!slab)
            return EDN_E_NOMEM;
        slab->n = n;
        slab->used = 0;
        slab->next = r->fresh;
        r->fresh = slab;
        r->n_spare_leaves = leaves;
    }
    while (r->n_spare_inners < inners) {
        rope_inner *p = malloc(sizeof *p);
        if (!p)
            return EDN_E_NOMEM;
        p->parent = r->spare_inners;
        r->spare_inners = p;
        r->n_spare_inners++;
    }
    return EDN_OK;
}

/* ---- the tree ---------------------------------------------------------------------------------------------------- */

static void child_link(rope_inner *p, unsigned slot)
{
    if (p->height > 1) {
        rope_inner *c = p->child[slot];
        c->parent = p;
        c->slot = (uint16_t)slot;
    } else {
        rope_leaf *c = p->child[slot];
        c->parent = p;
        c->slot = (uint16_t)slot;
    }
}

/* Adds to every sum from `p`'s slot upwards, but the whole's. */
static void add_above(rope_inner *p, unsigned slot, const edn_rope_sum *d)
{
    for (; p; slot = p->slot, p = p->parent)
        sum_add(&p->sums[slot], d);
}

static void add_up(edn_rope *r, rope_inner *p, unsigned slot, const edn_rope_sum *d)
{
    add_above(p, slot, d);
    sum_add(&r->sum, d);
}

static void sub_up(edn_rope *r, rope_inner *p, unsigned slot, const edn_rope_sum *d)
{
    for (; p; slot = p->slot, p = p->parent)
        sum_sub(&p->sums[slot], d);
    sum_sub(&r->sum, d);
}

static void slots_open(rope_inner *p, unsigned at)
{
    for (unsigned i = p->n; i > at; i--) {
        p->child[i] = p->child[i - 1];
        p->sums[i] = p->sums[i - 1];
        child_link(p, i);
    }
    p->n++;
}

static void slots_close(rope_inner *p, unsigned at)
{
    p->n--;
    for (unsigned i = at; i < p->n; i++) {
        p->child[i] = p->child[i + 1];
        p->sums[i] = p->sums[i + 1];
        child_link(p, i);
    }
}

/* Makes room in `p` by moving its upper half into a new right neighbour. The sums above stay what they are in total. */
static void inner_split(edn_rope *r, rope_inner *p)
{
    rope_inner *q = inner_take(r), *up;
    edn_rope_sum moved = {0, 0, 0, 0};
    unsigned keep = ROPE_FAN / 2;

    if (!p->parent) {
        up = inner_take(r);
        up->height = (uint16_t)(p->height + 1);
        up->child[0] = p;
        up->sums[0] = r->sum;
        up->n = 1;
        child_link(up, 0);
        r->root = up;
        r->height++;
    } else if (p->parent->n == ROPE_FAN) {
        inner_split(r, p->parent);
    }
    up = p->parent;
    q->height = p->height;
    for (unsigned i = keep; i < p->n; i++) {
        q->child[i - keep] = p->child[i];
        q->sums[i - keep] = p->sums[i];
        sum_add(&moved, &p->sums[i]);
        q->n++;
        child_link(q, i - keep);
    }
    p->n = (uint16_t)keep;
    slots_open(up, p->slot + 1u);
    up->child[p->slot + 1] = q;
    up->sums[p->slot + 1] = moved;
    child_link(up, p->slot + 1u);
    sum_sub(&up->sums[p->slot], &moved);
}

/* Puts a new chunk behind `leaf`. */
static void leaf_insert_after(edn_rope *r, rope_leaf *leaf, rope_leaf *fresh)
{
    edn_rope_sum s = edn_rope_measure(edn_bytes_of(fresh->data, fresh->n));
    rope_inner *p;
    unsigned at;

    if (leaf->parent->n == ROPE_FAN)
        inner_split(r, leaf->parent);
    p = leaf->parent;
    at = leaf->slot + 1u;
    slots_open(p, at);
    p->child[at] = fresh;
    p->sums[at] = (edn_rope_sum){0, 0, 0, 0};
    child_link(p, at);
    add_up(r, p, at, &s);
}

static void root_shrink(edn_rope *r)
{
    while (r->root->n == 1 && r->root->height > 1) {
        rope_inner *old = r->root;
        r->root = old->child[0];
        r->root->parent = NULL;
        r->root->slot = 0;
        r->height--;
        inner_give(r, old);
    }
}

/* Moves what is in `p`'s right neighbour into `p` when both are small, so that deleting leaves no trail of stubs. */
static void inner_mend(edn_rope *r, rope_inner *p)
{
    while (p->parent && p->n < ROPE_FAN / 4) {
        rope_inner *up = p->parent, *left, *right;
        unsigned at = p->slot;
        if (up->n < 2)
            break;
        if (at + 1 == up->n)
            at--;
        left = up->child[at];
        right = up->child[at + 1];
        if (left->n + right->n > ROPE_FAN * 3 / 4)
            break;
        for (unsigned i = 0; i < right->n; i++) {
            left->child[left->n] = right->child[i];
            left->sums[left->n] = right->sums[i];
            left->n++;
            child_link(left, left->n - 1u);
        }
        sum_add(&up->sums[at], &up->sums[at + 1]);
        slots_close(up, at + 1);
        inner_give(r, right);
        p = up;
    }
    root_shrink(r);
}

/* Takes an empty chunk out; the last one of all stays. */
static void leaf_remove(edn_rope *r, rope_leaf *leaf)
{
    rope_inner *p = leaf->parent;
    unsigned slot = leaf->slot;

    if (r->n_leaves == 1)
        return;
    leaf_give(r, leaf);
    slots_close(p, slot);
    while (p->n == 0) {
        rope_inner *up = p->parent;
        slots_close(up, p->slot);
        inner_give(r, p);
        p = up;
    }
    inner_mend(r, p);
}

/* Joins a small chunk with a neighbour under the same node. */
static void leaf_mend(edn_rope *r, rope_leaf *leaf)
{
    rope_inner *p = leaf->parent;
    rope_leaf *left, *right;
    unsigned at = leaf->slot;

    if (leaf->n == 0) {
        leaf_remove(r, leaf);
        return;
    }
    if (leaf->n >= ROPE_LEAF / 4 || p->n < 2)
        return;
    if (at + 1 == p->n)
        at--;
    left = p->child[at];
    right = p->child[at + 1];
    if (left->n + right->n > ROPE_LEAF / 2)
        return;
    memcpy(left->data + left->n, right->data, right->n);
    left->n = (uint16_t)(left->n + right->n);
    sum_add(&p->sums[at], &p->sums[at + 1]);
    leaf_give(r, right);
    slots_close(p, at + 1);
    inner_mend(r, p);
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

/* The chunk with scalar `pos`. At a seam: the chunk before it, or with `after` the one behind. */
static rope_leaf *seek(edn_rope *r, uint32_t pos, bool after)
{
    uint32_t at = 0;
    rope_inner *p = r->root;

    if (r->leaf) {
        uint32_t begin = r->leaf_at, n = r->leaf->parent->sums[r->leaf->slot].scalars;
        if (after ? pos >= begin && pos - begin < n : (pos > begin || begin == 0) && pos >= begin && pos - begin <= n)
            return r->leaf;
    }
    for (;;) {
        unsigned i = 0;
        while (i + 1u < p->n && (after ? pos - at >= p->sums[i].scalars : pos - at > p->sums[i].scalars))
            at += p->sums[i++].scalars;
        if (p->height == 1) {
            r->leaf = p->child[i];
            r->leaf_at = at;
            return r->leaf;
        }
        p = p->child[i];
    }
}

/* The byte offset of the chunk's scalar `index`. */
static unsigned leaf_offset(const rope_leaf *leaf, uint32_t index)
{
    const edn_rope_sum *s = &leaf->parent->sums[leaf->slot];

    if (s->bytes == s->scalars)
        return index;
    if (index == s->scalars)
        return leaf->n;
    return (unsigned)edn_utf8_offset(edn_bytes_of(leaf->data, leaf->n), index);
}

/* ---- the open chunk ---------------------------------------------------------------------------------------------- */

static void gap_move(edn_rope *r, unsigned to)
{
    uint8_t *data = r->leaf->data;
    unsigned gap = r->gap, free = ROPE_LEAF - r->leaf->n;

    if (to < gap)
        memmove(data + to + free, data + to, gap - to);
    else if (to > gap)
        memmove(data + gap, data + gap + free, to - gap);
    r->gap = to;
}

static void rope_close(edn_rope *r)
{
    if (!r->open)
        return;
    gap_move(r, r->leaf->n);
    add_above(r->leaf->parent, r->leaf->slot, &r->owed);
    r->owed = (edn_rope_sum){0, 0, 0, 0};
    r->open = false;
}

/* Opens the chunk of the last edit when the next one is at the same place: one jump alone would not be worth it. */
static bool rope_open(edn_rope *r, unsigned off)
{
    const edn_rope_sum *s = &r->leaf->parent->sums[r->leaf->slot];

    if (off != r->touched || s->bytes != s->scalars)
        return false;
    r->gap = r->leaf->n;
    r->open = true;
    gap_move(r, off);
    return true;
}

/* Whether ASCII text can go into the open chunk at `pos`. */
static inline bool open_takes(const edn_rope *r, size_t pos, size_t n)
{
    return r->open && pos - r->leaf_at <= r->leaf->n && r->leaf->n + n <= ROPE_LEAF;
}

static inline void open_insert(edn_rope *r, unsigned off, edn_bytes s, const edn_rope_sum *d)
{
    rope_leaf *leaf = r->leaf;

    if (off != r->gap)
        gap_move(r, off);
    if (s.n == 1)
        leaf->data[off] = s.p[0];
    else
        memcpy(leaf->data + off, s.p, s.n);
    r->gap = r->touched = off + (unsigned)s.n;
    leaf->n = (uint16_t)(leaf->n + s.n);
    sum_add(&r->owed, d);
    sum_add(&r->sum, d);
}

/* Whether `n` characters of the open chunk can go without leaving it too small. */
static inline bool open_gives(const edn_rope *r, size_t pos, size_t n)
{
    size_t off = pos - r->leaf_at;

    return r->open && off < r->leaf->n && n <= r->leaf->n - off && r->leaf->n - n >= ROPE_LEAF / 4;
}

static inline void open_delete(edn_rope *r, unsigned off, unsigned n)
{
    rope_leaf *leaf = r->leaf;
    const uint8_t *gone;
    edn_rope_sum d;

    if (off + n == r->gap) {
        gone = leaf->data + off;
    } else {
        gap_move(r, off);
        gone = leaf->data + off + (ROPE_LEAF - leaf->n);
    }
    d = n == 1 ? (edn_rope_sum){1, 1, 0, *gone == '\n'} : edn_rope_measure(edn_bytes_of(gone, n));
    r->gap = r->touched = off;
    leaf->n = (uint16_t)(leaf->n - n);
    sum_sub(&r->owed, &d);
    sum_sub(&r->sum, &d);
}

bool edn_rope_type(edn_rope *r, size_t pos, uint8_t c)
{
    edn_rope_sum d = {1, 1, 0, c == '\n'};

    if (c >= 0x80 || !open_takes(r, pos, 1))
        return false;
    open_insert(r, (unsigned)(pos - r->leaf_at), edn_bytes_of(&c, 1), &d);
    return true;
}

bool edn_rope_untype(edn_rope *r, size_t pos)
{
    if (!open_gives(r, pos, 1))
        return false;
    open_delete(r, (unsigned)(pos - r->leaf_at), 1);
    return true;
}

/* ---- editing ----------------------------------------------------------------------------------------------------- */

static void rope_begin(edn_rope *r)
{
    rope_inner *root = inner_take(r);

    root->height = 1;
    root->child[0] = leaf_take(r);
    root->sums[0] = (edn_rope_sum){0, 0, 0, 0};
    root->n = 1;
    child_link(root, 0);
    r->root = root;
    r->height = 1;
}

/* Up to `want` bytes off the front of *s, never cutting a scalar. */
static edn_bytes cut_front(edn_bytes *s, size_t want)
{
    edn_bytes out = *s;

    if (out.n > want) {
        out.n = want;
        while (out.n && (s->p[out.n] & 0xc0) == 0x80)
            out.n--;
    }
    s->p += out.n;
    s->n -= out.n;
    return out;
}

/* The chunk's bytes, then `s`, then what followed `off`, dealt out over as many chunks as that needs. */
static void insert_spread(edn_rope *r, rope_leaf *leaf, unsigned off, edn_bytes s)
{
    uint8_t old[ROPE_LEAF];
    edn_bytes part[3];
    edn_rope_sum was;
    size_t total = leaf->n + s.n, chunks = total <= 2 * ROPE_LEAF - 8 ? 2 : total / (ROPE_LEAF * 3 / 4) + 1;
    size_t each = total / chunks + 1;
    unsigned at = 0;

    memcpy(old, leaf->data, leaf->n);
    part[0] = edn_bytes_of(old, off);
    part[1] = s;
    part[2] = edn_bytes_of(old + off, leaf->n - off);
    was = leaf->parent->sums[leaf->slot];
    sub_up(r, leaf->parent, leaf->slot, &was);
    for (bool first = true;; first = false) {
        rope_leaf *to = first ? leaf : leaf_take(r);
        to->n = 0;
        while (at < 3 && to->n < each) {
            edn_bytes b = cut_front(&part[at], each - to->n);
            if (b.n == 0 && part[at].n)
                break;
            if (b.n)
                memcpy(to->data + to->n, b.p, b.n);
            to->n = (uint16_t)(to->n + b.n);
            if (part[at].n == 0)
                at++;
        }
        if (first) {
            edn_rope_sum now = edn_rope_measure(edn_bytes_of(leaf->data, leaf->n));
            add_up(r, leaf->parent, leaf->slot, &now);
        } else {
            leaf_insert_after(r, leaf, to);
            leaf = to;
        }
        while (at < 3 && part[at].n == 0)
            at++;
        if (at == 3)
            break;
    }
    r->leaf = NULL;
}

void edn_rope_insert(edn_rope *r, uint32_t pos, edn_bytes s)
{
    rope_leaf *leaf;
    edn_rope_sum d;
    unsigned off;

    if (s.n == 0)
        return;
    d = s.n == 1 ? (edn_rope_sum){1, 1, 0, s.p[0] == '\n'} : edn_rope_measure(s);
    if (d.bytes == d.scalars && open_takes(r, pos, s.n)) {
        open_insert(r, pos - r->leaf_at, s, &d);
        return;
    }
    rope_close(r);
    if (!r->root)
        rope_begin(r);
    leaf = seek(r, pos, false);
    off = leaf_offset(leaf, pos - r->leaf_at);
    if (leaf->n + s.n > ROPE_LEAF) {
        insert_spread(r, leaf, off, s);
        return;
    }
    if (d.bytes == d.scalars && rope_open(r, off)) {
        open_insert(r, off, s, &d);
        return;
    }
    memmove(leaf->data + off + s.n, leaf->data + off, leaf->n - off);
    memcpy(leaf->data + off, s.p, s.n);
    leaf->n = (uint16_t)(leaf->n + s.n);
    r->touched = off + (unsigned)s.n;
    add_up(r, leaf->parent, leaf->slot, &d);
}

void edn_rope_delete(edn_rope *r, uint32_t pos, uint32_t count)
{
    if (count && open_gives(r, pos, count)) {
        open_delete(r, pos - r->leaf_at, count);
        return;
    }
    rope_close(r);
    while (count) {
        rope_leaf *leaf = seek(r, pos, true);
        uint32_t in = pos - r->leaf_at, n = leaf->parent->sums[leaf->slot].scalars;
        uint32_t k = EDN_MIN(count, n - in);
        unsigned a = leaf_offset(leaf, in), b = leaf_offset(leaf, in + k);
        edn_rope_sum d;
        if (k == count && leaf->n - (b - a) >= ROPE_LEAF / 4 && (b == r->touched || a == r->touched) &&
            rope_open(r, r->touched)) {
            open_delete(r, a, count);
            return;
        }
        d = edn_rope_measure(edn_bytes_of(leaf->data + a, b - a));
        memmove(leaf->data + a, leaf->data + b, leaf->n - b);
        leaf->n = (uint16_t)(leaf->n - (b - a));
        r->touched = a;
        sub_up(r, leaf->parent, leaf->slot, &d);
        if (leaf->n < ROPE_LEAF / 4) {
            r->leaf = NULL; /* mending may free it */
            leaf_mend(r, leaf);
        }
        count -= k;
    }
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

void edn_rope_each(const edn_rope *r, uint32_t from, uint32_t count, edn_rope_fn *fn, void *ctx)
{
    rope_inner *p = r->root;
    unsigned i = 0;
    uint32_t at = 0;

    rope_close((edn_rope *)r); /* how it lies is no part of what it holds */
    if (!p || count == 0)
        return;
    for (;; p = p->child[i]) {
        for (i = 0; i + 1u < p->n && from - at >= p->sums[i].scalars; i++)
            at += p->sums[i].scalars;
        if (p->height == 1)
            break;
    }
    for (;;) {
        rope_leaf *leaf = p->child[i];
        uint32_t in = from - at, k = EDN_MIN(count, p->sums[i].scalars - in);
        unsigned a = leaf_offset(leaf, in), b = leaf_offset(leaf, in + k);
        if (b > a)
            fn(ctx, edn_bytes_of(leaf->data + a, b - a));
        count -= k;
        if (count == 0)
            return;
        at += p->sums[i].scalars;
        from = at;
        while (i + 1u == p->n) {
            i = p->slot;
            p = p->parent;
        }
        i++;
        while (p->height > 1) {
            p = p->child[i];
            i = 0;
        }
    }
}

static uint64_t unit_of(const edn_rope_sum *s, edn_rope_unit unit)
{
    switch (unit) {
    case EDN_ROPE_BYTES:
        return s->bytes;
    case EDN_ROPE_SCALARS:
        return s->scalars;
    case EDN_ROPE_UTF16:
        return (uint64_t)s->scalars + s->astral;
    case EDN_ROPE_LINES:
        return s->lines;
    }
    return 0;
}

edn_rope_sum edn_rope_find(const edn_rope *r, edn_rope_unit unit, uint64_t at)
{
    edn_rope_sum out = {0, 0, 0, 0};
    const rope_inner *p = r->root;
    const rope_leaf *leaf;
    unsigned i;

    rope_close((edn_rope *)r);
    if (!p || at == 0)
        return out;
    /* Lines end after their line feed: a place given in lines is where that many line feeds have just been passed. */
    for (;; p = p->child[i]) {
        for (i = 0; i + 1u < p->n && unit_of(&out, unit) + unit_of(&p->sums[i], unit) < at; i++)
            sum_add(&out, &p->sums[i]);
        if (p->height == 1)
            break;
    }
    leaf = p->child[i];
    for (unsigned b = 0; b < leaf->n && unit_of(&out, unit) < at;) {
        uint8_t c = leaf->data[b];
        uint32_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        edn_rope_sum one = {n, 1, c >= 0xf0, c == '\n'};
        edn_rope_sum next = out;
        sum_add(&next, &one);
        if (unit_of(&next, unit) > at)
            break;
        out = next;
        b += n;
    }
    return out;
}
