#include "walker.h"

#include "base/plant.h"

#include <stdlib.h>

/* The walker of Gentle and Kleppmann, "Collaborative Text Editing with Eg-walker" (EuroSys 2025).
 *
 * Every character that the replayed events insert, and every character of the text they began from, is in one
 * sequence of records. Two versions are tracked in it: *effect*, all events entered so far, and *prepare*, the version
 * the next event was made in. To enter an event, prepare is moved to its parents by retreating and advancing events,
 * its position is looked up among the characters there in prepare, and the place is read off in effect.
 *
 *   record   [id len | left right | state | gone]     a run of characters with consecutive ids
 *            id     the first character's event; with ID_BASE set, its place in the text of the beginning
 *            left   the character that stood left of the first one when it was typed (ID_START: none)
 *            right  the sibling it was typed in front of (ID_END: none). Further characters of a record have the one
 *                   before as left and ID_END as right.
 *            state  in prepare: 0 not inserted yet, 1 there, 1 + k deleted k times
 *            gone   deleted in effect
 *
 * Where concurrent insertions meet, the order is FugueMax (Weidner and Kleppmann, "The Art of the Fugue"), ties broken
 * by (agent id, seq). It depends on identities and the graph alone. Changing it changes old documents.
 *
 *  1. The records lie in the leaves of a B+tree whose nodes count, below each child, the characters there in prepare
 *     (`cur`), there in effect (`end`), and of the beginning (`base`).
 *  2. `index` leads from an inserted character's event to its leaf, and from a deletion's event to its run of targets.
 *  3. A character of the beginning is found by counting `base`: those never change their order.
 *  4. The text of the beginning is first taken to be endless; once the events up to now are in, its end is cut so that
 *     effect is as long as the text is. So nobody has to know how long the text was then.
 *  5. All leaves have the same depth; every leaf but a lone one has records. */

#define ID_BASE ((uint32_t)1 << 31)
#define ID_START UINT32_MAX
#define ID_END (UINT32_MAX - 1)
#define ENDLESS ((uint32_t)1 << 30)

#define LEAF_FAN 24u
#define NODE_FAN 16u
#define HEIGHT_MAX 16u
#define NONE UINT32_MAX

typedef struct walk_rec {
    uint32_t id, len, left, right;
    uint16_t state;
    uint16_t gone;
} walk_rec;

typedef struct walk_leaf {
    uint32_t parent, next;
    uint16_t slot, n;
    walk_rec r[LEAF_FAN];
} walk_leaf;

typedef struct walk_node {
    uint32_t parent;
    uint16_t slot, n;
    uint32_t height; /* 1: the children are leaves */
    uint32_t child[NODE_FAN], cur[NODE_FAN], end[NODE_FAN], base[NODE_FAN];
} walk_node;

typedef struct walk_sums {
    uint32_t cur, end, base;
} walk_sums;

/* The events [lv, lv + len) delete the characters from `target` on, upwards or (`back`) downwards. */
typedef struct walk_del {
    edn_lv lv;
    uint32_t target;
    uint32_t len : 31;
    uint32_t back : 1;
} walk_del;

/* 64 events a page: one value for all, or (PAGE_SPLIT set) a block of 64 values. */
#define PAGE_BITS 6u
#define PAGE_SIZE (1u << PAGE_BITS)
#define PAGE_SPLIT ((uint32_t)1 << 31)

typedef struct walk_index {
    uint32_t *pages;
    uint32_t n_pages, cap_pages;
    uint32_t (*blocks)[PAGE_SIZE];
    uint32_t n_blocks, cap_blocks;
    uint32_t spare; /* blocks given back, chained through their first value */
} walk_index;

struct edn_walker {
    const edn_log *log;
    edn_lv from, to;
    uint32_t base_len; /* characters of the beginning */
    walk_leaf *leaves;
    walk_node *nodes;
    uint32_t n_leaves, cap_leaves, n_nodes, cap_nodes;
    uint32_t root, first_leaf;
    walk_sums total;
    walk_index index;
    walk_del *dels;
    uint32_t n_dels, cap_dels;
    edn_lv *prepare, *effect; /* frontiers, ascending */
    uint32_t n_prepare, cap_prepare, n_effect, cap_effect;
    edn_graph_heap heap;
    edn_lv_ranges retreat, advance;
    /* The leaf where the last event was applied, and what is counted before it: the next is mostly there too. What is
     * applied changes nothing before its leaf; moving prepare forgets it. */
    uint32_t finger, finger_cur, finger_end;
    uint64_t moves, moves_max; /* records that moving prepare has changed, and may */
    bool hold;                 /* prepare stays where it is as long as events can be entered by effect */
};

/* A place: in front of character `off` of record `i`; `off` may be the record's length. */
typedef struct walk_at {
    uint32_t leaf, i, off;
} walk_at;

bool edn_edits_add(edn_edits *e, edn_edit x)
{
    edn_edit *last = e->n ? &e->v[e->n - 1] : NULL;

    if (last && last->del == 0 && x.del == 0 && x.pos == last->pos + last->count &&
        x.text_at == last->text_at + last->text_n) {
        last->count += x.count;
        last->text_n += x.text_n;
        return true;
    }
    if (last && last->count == 0 && x.count == 0 && (x.pos == last->pos || x.pos + x.del == last->pos)) {
        last->pos = x.pos;
        last->del += x.del;
        return true;
    }
    if (!EDN_VEC_ROOM(e->v, e->cap, e->n + 1u))
        return false;
    e->v[e->n++] = x;
    return true;
}

/* ---- index ------------------------------------------------------------------------------------------------------- */

static bool index_room(walk_index *x, uint32_t events)
{
    uint32_t want = (events + PAGE_SIZE - 1) >> PAGE_BITS;

    if (!EDN_VEC_ROOM(x->pages, x->cap_pages, want))
        return false;
    for (; x->n_pages < want; x->n_pages++)
        x->pages[x->n_pages] = 0;
    return true;
}

static uint32_t index_get(const walk_index *x, uint32_t at)
{
    uint32_t page = x->pages[at >> PAGE_BITS];

    return page & PAGE_SPLIT ? x->blocks[page & ~PAGE_SPLIT][at & (PAGE_SIZE - 1)] : page;
}

/* Blocks that setting any one range may need. */
static bool index_room_blocks(walk_index *x, uint32_t ranges)
{
    return EDN_VEC_ROOM(x->blocks, x->cap_blocks, (size_t)x->n_blocks + 2 * (size_t)ranges);
}

static uint32_t *index_block(walk_index *x, uint32_t page)
{
    uint32_t value = x->pages[page], block;

    if (value & PAGE_SPLIT)
        return x->blocks[value & ~PAGE_SPLIT];
    if (x->spare != NONE) {
        block = x->spare;
        x->spare = x->blocks[block][0];
    } else {
        EDN_ASSERT(x->n_blocks < x->cap_blocks);
        block = x->n_blocks++;
    }
    for (uint32_t i = 0; i < PAGE_SIZE; i++)
        x->blocks[block][i] = value;
    x->pages[page] = block | PAGE_SPLIT;
    return x->blocks[block];
}

static void index_set(walk_index *x, uint32_t at, uint32_t n, uint32_t value)
{
    while (n) {
        uint32_t page = at >> PAGE_BITS, off = at & (PAGE_SIZE - 1), k = EDN_MIN(n, PAGE_SIZE - off);
        if (k == PAGE_SIZE) {
            if (x->pages[page] & PAGE_SPLIT) {
                uint32_t block = x->pages[page] & ~PAGE_SPLIT;
                x->blocks[block][0] = x->spare;
                x->spare = block;
            }
            x->pages[page] = value;
        } else {
            uint32_t *block = index_block(x, page);
            for (uint32_t i = 0; i < k; i++)
                block[off + i] = value;
        }
        at += k;
        n -= k;
    }
}

/* ---- tree -------------------------------------------------------------------------------------------------------- */

static walk_sums rec_sums(const walk_rec *r)
{
    return (walk_sums){r->state == 1 ? r->len : 0, r->gone ? 0 : r->len, r->id & ID_BASE ? r->len : 0};
}

/* Adds a difference (wrapping) to every count above a leaf. */
static void sums_up(edn_walker *w, uint32_t leaf, walk_sums d)
{
    uint32_t p = w->leaves[leaf].parent, slot = w->leaves[leaf].slot;

    while (p != NONE) {
        walk_node *node = &w->nodes[p];
        node->cur[slot] += d.cur;
        node->end[slot] += d.end;
        node->base[slot] += d.base;
        slot = node->slot;
        p = node->parent;
    }
    w->total.cur += d.cur;
    w->total.end += d.end;
    w->total.base += d.base;
}

static void child_link(edn_walker *w, uint32_t p, uint32_t slot)
{
    walk_node *node = &w->nodes[p];

    if (node->height > 1) {
        w->nodes[node->child[slot]].parent = p;
        w->nodes[node->child[slot]].slot = (uint16_t)slot;
    } else {
        w->leaves[node->child[slot]].parent = p;
        w->leaves[node->child[slot]].slot = (uint16_t)slot;
    }
}

/* Memory for anything that entering or moving one piece of a run can need: records, so splits of leaves and nodes. */
static bool tree_room(edn_walker *w)
{
    return EDN_VEC_ROOM(w->leaves, w->cap_leaves, w->n_leaves + 4u) &&
           EDN_VEC_ROOM(w->nodes, w->cap_nodes, w->n_nodes + 4u * HEIGHT_MAX) &&
           EDN_VEC_ROOM(w->dels, w->cap_dels, w->n_dels + 1u) && index_room_blocks(&w->index, 4 * LEAF_FAN);
}

static void node_insert(edn_walker *w, uint32_t p, uint32_t at, uint32_t child, walk_sums s)
{
    walk_node *node = &w->nodes[p];

    for (uint32_t i = node->n; i > at; i--) {
        node->child[i] = node->child[i - 1];
        node->cur[i] = node->cur[i - 1];
        node->end[i] = node->end[i - 1];
        node->base[i] = node->base[i - 1];
        child_link(w, p, i);
    }
    node->n++;
    node->child[at] = child;
    node->cur[at] = s.cur;
    node->end[at] = s.end;
    node->base[at] = s.base;
    child_link(w, p, at);
    if (at) { /* what the new child holds came out of the one before it */
        node->cur[at - 1] -= s.cur;
        node->end[at - 1] -= s.end;
        node->base[at - 1] -= s.base;
    }
}

static uint32_t node_new(edn_walker *w, uint32_t height)
{
    uint32_t at = w->n_nodes++;

    w->nodes[at] = (walk_node){.parent = NONE, .height = height};
    return at;
}

static void root_grow(edn_walker *w)
{
    uint32_t old = w->root, top = node_new(w, w->nodes[old].height + 1);

    node_insert(w, top, 0, old, w->total);
    w->root = top;
}

static void node_split(edn_walker *w, uint32_t p)
{
    uint32_t q, keep = NODE_FAN / 2;
    walk_sums moved = {0, 0, 0};

    if (w->nodes[p].parent == NONE)
        root_grow(w);
    else if (w->nodes[w->nodes[p].parent].n == NODE_FAN)
        node_split(w, w->nodes[p].parent);
    q = node_new(w, w->nodes[p].height);
    for (uint32_t i = keep; i < w->nodes[p].n; i++) {
        walk_node *a = &w->nodes[p], *b = &w->nodes[q];
        b->child[i - keep] = a->child[i];
        b->cur[i - keep] = a->cur[i];
        b->end[i - keep] = a->end[i];
        b->base[i - keep] = a->base[i];
        moved.cur += a->cur[i];
        moved.end += a->end[i];
        moved.base += a->base[i];
        b->n++;
        child_link(w, q, i - keep);
    }
    w->nodes[p].n = (uint16_t)keep;
    node_insert(w, w->nodes[p].parent, w->nodes[p].slot + 1u, q, moved);
}

static void leaf_split(edn_walker *w, uint32_t leaf)
{
    uint32_t fresh = w->n_leaves++, keep = LEAF_FAN / 2;
    walk_leaf *a = &w->leaves[leaf], *b = &w->leaves[fresh];
    walk_sums moved = {0, 0, 0};

    b->n = (uint16_t)(a->n - keep);
    b->next = a->next;
    a->next = fresh;
    memcpy(b->r, a->r + keep, b->n * sizeof *b->r);
    a->n = (uint16_t)keep;
    for (uint32_t i = 0; i < b->n; i++) {
        walk_sums s = rec_sums(&b->r[i]);
        moved.cur += s.cur;
        moved.end += s.end;
        moved.base += s.base;
        if (!(b->r[i].id & ID_BASE))
            index_set(&w->index, b->r[i].id - w->from, b->r[i].len, fresh);
    }
    if (w->nodes[a->parent].n == NODE_FAN)
        node_split(w, a->parent);
    node_insert(w, a->parent, a->slot + 1u, fresh, moved);
}

/* Makes room for one record at `at` and moves `at` along. The caller fills it, and adds up. */
static walk_rec *rec_open(edn_walker *w, walk_at *at)
{
    walk_leaf *leaf = &w->leaves[at->leaf];

    if (leaf->n == LEAF_FAN) {
        leaf_split(w, at->leaf);
        if (at->i > leaf->n) {
            at->i -= leaf->n;
            at->leaf = leaf->next;
            leaf = &w->leaves[at->leaf];
        }
    }
    memmove(leaf->r + at->i + 1, leaf->r + at->i, (leaf->n - at->i) * sizeof *leaf->r);
    leaf->n++;
    return &leaf->r[at->i];
}

/* Cuts the record at `at` in two where `off` is inside it; `at` then names the second part. */
static void rec_cut(edn_walker *w, walk_at *at)
{
    walk_rec *r = &w->leaves[at->leaf].r[at->i], tail = *r;
    walk_at second = {at->leaf, at->i + 1, 0};

    if (at->off == 0)
        return;
    tail.id += at->off;
    tail.len -= at->off;
    tail.left = tail.id - 1;
    tail.right = ID_END;
    if (at->off == r->len) { /* nothing to cut: the next record, wherever it is */
        *at = second;
        return;
    }
    {
        uint32_t keep = at->off;
        walk_sums s = rec_sums(&tail), minus = {0 - s.cur, 0 - s.end, 0 - s.base};
        uint32_t home = at->leaf;
        r->len = keep;
        if (w->leaves[home].n < LEAF_FAN) {
            *rec_open(w, &second) = tail; /* the same leaf: the counts stay */
        } else {
            sums_up(w, home, minus);
            *rec_open(w, &second) = tail;
            sums_up(w, second.leaf, s);
            if (!(tail.id & ID_BASE))
                index_set(&w->index, tail.id - w->from, tail.len, second.leaf);
        }
    }
    *at = second;
}

/* Whether `b` simply goes on where `a` ends, so that one record can hold both. */
static bool recs_join(const walk_rec *a, const walk_rec *b)
{
    if (a->id + a->len != b->id || a->state != b->state || a->gone != b->gone || ((a->id ^ b->id) & ID_BASE))
        return false;
    return (a->id & ID_BASE) || (b->left == b->id - 1 && b->right == ID_END);
}

/* Joins record i with the next one of the same leaf where that is possible. */
static void rec_mend(edn_walker *w, uint32_t leaf, uint32_t i)
{
    walk_leaf *l = &w->leaves[leaf];

    if (i + 1 >= l->n || !recs_join(&l->r[i], &l->r[i + 1]))
        return;
    l->r[i].len += l->r[i + 1].len;
    l->n--;
    memmove(l->r + i + 1, l->r + i + 2, (l->n - i - 1u) * sizeof *l->r);
}

/* Moves past the ends of records and leaves; false at the end of the sequence. */
static bool at_record(const edn_walker *w, walk_at *at)
{
    for (;;) {
        const walk_leaf *leaf = &w->leaves[at->leaf];
        if (at->i < leaf->n && at->off < leaf->r[at->i].len)
            return true;
        if (at->i < leaf->n) {
            at->i++;
        } else {
            if (leaf->next == NONE)
                return false;
            at->leaf = leaf->next;
            at->i = 0;
        }
        at->off = 0;
    }
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

typedef enum walk_by { BY_CUR, BY_END, BY_BASE } walk_by;

static uint32_t sum_by(walk_sums s, walk_by by) { return by == BY_CUR ? s.cur : by == BY_END ? s.end : s.base; }

/* The character number `pos` in one of the counts (it must exist), and how many are there in effect before it. */
static walk_at find_in_leaf(const edn_walker *w, uint32_t leaf, walk_by by, uint32_t pos, uint32_t end,
                            uint32_t *end_before)
{
    walk_at at = {leaf, 0, 0};

    for (const walk_rec *r = w->leaves[leaf].r;; r++, at.i++) {
        walk_sums s = rec_sums(r);
        uint32_t k = sum_by(s, by);
        if (pos < k) {
            at.off = pos;
            *end_before = end + (r->gone ? 0 : pos);
            return at;
        }
        pos -= k;
        end += s.end;
    }
}

static inline walk_at find_by(const edn_walker *w, walk_by by, uint32_t pos, uint32_t *end_before)
{
    uint32_t p = w->root, end = 0;

    for (;;) {
        const walk_node *node = &w->nodes[p];
        const uint32_t *count = by == BY_CUR ? node->cur : by == BY_END ? node->end : node->base;
        uint32_t i = 0;
        while (pos >= count[i]) {
            pos -= count[i];
            end += node->end[i];
            i++;
        }
        p = node->child[i];
        if (node->height == 1)
            return find_in_leaf(w, p, by, pos, end, end_before);
    }
}

/* The same for events, which tend to come side by side: looks where the last one was first, and leaves the finger. */
static walk_at find_near(edn_walker *w, bool by_effect, uint32_t pos, uint32_t *end_before)
{
    uint32_t p = w->root, cur = 0, end = 0, want = pos;

    if (w->finger != NONE) {
        const walk_leaf *leaf = &w->leaves[w->finger];
        const walk_node *node = &w->nodes[leaf->parent];
        uint32_t before = by_effect ? w->finger_end : w->finger_cur;
        uint32_t in = by_effect ? node->end[leaf->slot] : node->cur[leaf->slot];
        if (pos >= before && pos - before < in)
            return find_in_leaf(w, w->finger, by_effect ? BY_END : BY_CUR, pos - before, w->finger_end, end_before);
    }
    for (;;) {
        const walk_node *node = &w->nodes[p];
        const uint32_t *count = by_effect ? node->end : node->cur;
        uint32_t i = 0;
        for (; want >= count[i]; i++) {
            want -= count[i];
            cur += node->cur[i];
            end += node->end[i];
        }
        p = node->child[i];
        if (node->height == 1)
            break;
    }
    w->finger = p;
    w->finger_cur = cur;
    w->finger_end = end;
    return find_in_leaf(w, p, by_effect ? BY_END : BY_CUR, want, end, end_before);
}

/* Where a character is. */
static walk_at find_id(const edn_walker *w, uint32_t id)
{
    walk_at at = {0, 0, 0};
    uint32_t end;

    if (id & ID_BASE)
        return find_by(w, BY_BASE, id & ~ID_BASE, &end);
    at.leaf = index_get(&w->index, id - w->from);
    for (const walk_rec *r = w->leaves[at.leaf].r;; r++, at.i++) {
        EDN_ASSERT(at.i < w->leaves[at.leaf].n);
        if (id - r->id < r->len) {
            at.off = id - r->id;
            return at;
        }
    }
}

/* Whether leaf `a` comes before leaf `b`. */
static bool leaf_before(const edn_walker *w, uint32_t a, uint32_t b)
{
    uint32_t pa = w->leaves[a].parent, pb = w->leaves[b].parent, sa = w->leaves[a].slot, sb = w->leaves[b].slot;

    while (pa != pb) {
        sa = w->nodes[pa].slot;
        sb = w->nodes[pb].slot;
        pa = w->nodes[pa].parent;
        pb = w->nodes[pb].parent;
    }
    return sa < sb;
}

/* Characters of the beginning that the text never had stand for its end. */
static bool id_is_end(const edn_walker *w, uint32_t id)
{
    return id == ID_END || (id != ID_START && (id & ID_BASE) && (id & ~ID_BASE) >= w->base_len);
}

/* The order of two characters in the sequence: < 0, 0, > 0. */
static int ids_compare(const edn_walker *w, uint32_t a, uint32_t b)
{
    bool end_a = id_is_end(w, a), end_b = id_is_end(w, b);
    walk_at x, y;

    if (a == b || (end_a && end_b))
        return 0;
    if (a == ID_START || end_b)
        return -1;
    if (b == ID_START || end_a)
        return 1;
    x = find_id(w, a);
    y = find_id(w, b);
    if (x.leaf != y.leaf)
        return leaf_before(w, x.leaf, y.leaf) ? -1 : 1;
    if (x.i != y.i)
        return x.i < y.i ? -1 : 1;
    return x.off < y.off ? -1 : 1;
}

/* ---- insertion --------------------------------------------------------------------------------------------------- */

static bool event_before(const edn_log *log, edn_lv a, edn_lv b)
{
    edn_event_id x = edn_log_id(log, a), y = edn_log_id(log, b);
    int c = edn_agent_id_compare(&x.agent, &y.agent);

    if (EDN_PLANT(ties_by_arrival))
        return a < b;
    return c < 0 || (c == 0 && x.seq < y.seq);
}

/* Concurrent insertions lie at `at`: decides behind which of them the new record goes. */
static void integrate(const edn_walker *w, const walk_rec *fresh, walk_at *at, uint32_t *end)
{
    walk_at scan = *at;
    uint32_t scan_end = *end;
    bool scanning = false;

    while (at_record(w, &scan)) {
        const walk_rec *other = &w->leaves[scan.leaf].r[scan.i];
        int left;
        if (other->state != 0)
            break;
        left = ids_compare(w, other->left, fresh->left);
        if (left < 0)
            break;
        if (left == 0) {
            int right = ids_compare(w, other->right, fresh->right);
            if (right == 0 && event_before(w->log, fresh->id, other->id))
                break;
            scanning = right < 0;
        }
        scan_end += other->gone ? 0 : other->len;
        scan.i++;
        if (!scanning) {
            *at = scan;
            *end = scan_end;
        }
    }
}

/* What follows a place, as an insertion there sees it: the next record that prepare has seen. With `by_effect`,
 * prepare is taken to be effect, which has seen everything. */
static uint32_t right_of(const edn_walker *w, walk_at at, uint32_t left, bool by_effect, bool *concurrent)
{
    *concurrent = false;
    while (at_record(w, &at)) {
        const walk_rec *r = &w->leaves[at.leaf].r[at.i];
        if (by_effect || r->state != 0) {
            uint32_t first = at.off ? r->id + at.off - 1 : r->left;
            if (at.off == 0 && (r->id & ID_BASE))
                first = r->id == ID_BASE ? ID_START : r->id - 1;
            return first == left ? r->id + at.off : ID_END;
        }
        *concurrent = true;
        at.i++;
    }
    return ID_END;
}

static void rec_insert(edn_walker *w, walk_at at, const walk_rec *fresh)
{
    walk_leaf *leaf = &w->leaves[at.leaf];
    walk_sums s = rec_sums(fresh);

    if (at.off && at.i < leaf->n && at.off == leaf->r[at.i].len) {
        at.i++;
        at.off = 0;
    }
    if (at.off == 0 && at.i > 0 && recs_join(&leaf->r[at.i - 1], fresh)) {
        leaf->r[at.i - 1].len += fresh->len;
    } else {
        if (at.off)
            rec_cut(w, &at);
        *rec_open(w, &at) = *fresh;
    }
    sums_up(w, at.leaf, s);
    index_set(&w->index, fresh->id - w->from, fresh->len, at.leaf);
}

static edn_status apply_insert(edn_walker *w, edn_lv lv, uint32_t pos, uint32_t len, bool by_effect, uint32_t *end)
{
    walk_rec fresh = {lv, len, ID_START, ID_END, by_effect ? 0 : 1, 0};
    walk_at at = {w->first_leaf, 0, 0};
    bool concurrent;

    *end = 0;
    if (pos > (by_effect ? w->total.end : w->total.cur))
        return EDN_E_FORMAT;
    if (pos) {
        const walk_rec *r;
        at = find_near(w, by_effect, pos - 1, end);
        r = &w->leaves[at.leaf].r[at.i];
        fresh.left = r->id + at.off;
        at.off++;
        *end += r->gone ? 0 : 1;
    } else {
        w->finger = w->first_leaf; /* in front of everything, the old place included */
        w->finger_cur = w->finger_end = 0;
    }
    fresh.right = right_of(w, at, fresh.left, by_effect, &concurrent);
    if (concurrent)
        integrate(w, &fresh, &at, end);
    rec_insert(w, at, &fresh);
    return EDN_OK;
}

/* ---- deletion ---------------------------------------------------------------------------------------------------- */

/* Narrows the record at `at` to exactly [off, off + len), and tells where it is now. */
static walk_at rec_isolate(edn_walker *w, walk_at at, uint32_t len)
{
    walk_at behind;

    rec_cut(w, &at);
    at.off = 0;
    behind = at;
    behind.off = len;
    rec_cut(w, &behind);
    /* Cutting may have moved the record's own leaf: only when that was split, and then the first half stayed or went
     * to the next leaf. */
    if (at.i >= w->leaves[at.leaf].n) {
        at.i -= w->leaves[at.leaf].n;
        at.leaf = w->leaves[at.leaf].next;
    }
    return at;
}

static void dels_add(edn_walker *w, edn_lv lv, uint32_t target, uint32_t len, bool back)
{
    index_set(&w->index, lv - w->from, len, w->n_dels);
    w->dels[w->n_dels++] = (walk_del){lv, target, len, back};
}

/* Deletes the characters [pos, pos + len) of prepare (or effect). The events run upwards, or downwards with `back`. */
static edn_status apply_delete(edn_walker *w, edn_lv lv, uint32_t pos, uint32_t len, bool back, bool by_effect,
                               edn_edits *edits)
{
    uint32_t done = 0, end, total = by_effect ? w->total.end : w->total.cur;
    walk_at at;

    if (len > total || pos > total - len)
        return EDN_E_FORMAT;
    at = find_near(w, by_effect, pos, &end);
    while (done < len) {
        walk_rec *r;
        uint32_t k;
        walk_sums before, after;
        if (!tree_room(w))
            return EDN_E_NOMEM;
        EDN_ASSERT(at_record(w, &at));
        r = &w->leaves[at.leaf].r[at.i];
        k = EDN_MIN(r->len - at.off, len - done);
        if (by_effect ? r->gone : r->state != 1) {
            end += r->gone ? 0 : r->len - at.off;
            at.i++;
            at.off = 0;
            continue;
        }
        at = rec_isolate(w, at, k);
        r = &w->leaves[at.leaf].r[at.i];
        before = rec_sums(r);
        if (!r->gone && edits && !edn_edits_add(edits, (edn_edit){end, k, 0, 0, 0}))
            return EDN_E_NOMEM;
        r->gone = 1;
        if (!by_effect)
            r->state++;
        after = rec_sums(r);
        sums_up(w, at.leaf, (walk_sums){after.cur - before.cur, after.end - before.end, 0});
        if (back)
            dels_add(w, lv + (len - done - k), r->id + k - 1, k, true);
        else
            dels_add(w, lv + done, r->id, k, false);
        if (at.i && recs_join(&w->leaves[at.leaf].r[at.i - 1], r)) {
            at.i--;
            rec_mend(w, at.leaf, at.i);
        }
        at.i++;
        at.off = 0;
        done += k;
    }
    return EDN_OK;
}

/* ---- moving prepare ---------------------------------------------------------------------------------------------- */

/* Changes the state of characters [id, id + len) in prepare by `d`. */
static edn_status state_add(edn_walker *w, uint32_t id, uint32_t len, int d)
{
    while (len) {
        walk_at at;
        walk_rec *r;
        walk_sums before, after;
        uint32_t k;
        if (++w->moves > w->moves_max)
            return EDN_E_LIMIT;
        if (!tree_room(w))
            return EDN_E_NOMEM;
        at = find_id(w, id);
        r = &w->leaves[at.leaf].r[at.i];
        k = EDN_MIN(len, r->len - at.off);
        at = rec_isolate(w, at, k);
        r = &w->leaves[at.leaf].r[at.i];
        before = rec_sums(r);
        r->state = (uint16_t)(r->state + d);
        after = rec_sums(r);
        sums_up(w, at.leaf, (walk_sums){after.cur - before.cur, 0, 0});
        rec_mend(w, at.leaf, at.i);
        if (at.i)
            rec_mend(w, at.leaf, at.i - 1);
        id += k;
        len -= k;
    }
    return EDN_OK;
}

static edn_status targets_add(edn_walker *w, edn_lv lv, uint32_t len, int d)
{
    while (len) {
        const walk_del del = w->dels[index_get(&w->index, lv - w->from)];
        uint32_t off = lv - del.lv, k = EDN_MIN(len, del.len - off);
        edn_status st = state_add(w, del.back ? del.target - off - k + 1 : del.target + off, k, d);
        if (st != EDN_OK)
            return st;
        lv += k;
        len -= k;
    }
    return EDN_OK;
}

static edn_status op_move(edn_walker *w, const edn_op *op, edn_lv from, edn_lv to, int d)
{
    if (op->kind == EDN_OP_INS)
        return state_add(w, from, to - from, d);
    if (op->kind == EDN_OP_DEL || op->kind == EDN_OP_BACK)
        return targets_add(w, from, to - from, d);
    return EDN_OK;
}

static edn_status range_retreat(edn_walker *w, edn_lv_range range)
{
    uint32_t i = edn_log_op_of(w->log, range.to - 1);
    edn_lv to = range.to;
    edn_status st = EDN_OK;

    for (; st == EDN_OK && to > range.from; i--) {
        const edn_op *op = &w->log->ops[i];
        edn_lv from = EDN_MAX(op->lv, range.from);
        st = op_move(w, op, from, to, -1);
        to = from;
    }
    return st;
}

static edn_status range_advance(edn_walker *w, edn_lv_range range)
{
    uint32_t i = edn_log_op_of(w->log, range.from);
    edn_lv from = range.from;
    edn_status st = EDN_OK;

    for (; st == EDN_OK && from < range.to; i++) {
        const edn_op *op = &w->log->ops[i];
        edn_lv to = EDN_MIN(op->lv + op->len, range.to);
        st = op_move(w, op, from, to, 1);
        from = to;
    }
    return st;
}

static bool version_set(edn_lv **v, uint32_t *n, uint32_t *cap, const edn_lv *to, uint32_t n_to)
{
    if (!edn_vec_room((void **)v, cap, n_to + 1u, sizeof **v))
        return false;
    if (n_to)
        memcpy(*v, to, n_to * sizeof *to);
    *n = n_to;
    return true;
}

static bool version_equal(const edn_lv *a, uint32_t n_a, const edn_lv *b, uint32_t n_b)
{
    return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a * sizeof *a) == 0);
}

static edn_status prepare_move(edn_walker *w, const edn_lv *to, uint32_t n)
{
    edn_status st;

    if (version_equal(w->prepare, w->n_prepare, to, n))
        return EDN_OK;
    w->retreat.n = w->advance.n = 0;
    w->finger = NONE;
    st = edn_log_diff(w->log, &w->heap, w->prepare, w->n_prepare, to, n, &w->retreat, &w->advance);
    for (uint32_t i = 0; st == EDN_OK && i < w->retreat.n; i++)
        st = range_retreat(w, w->retreat.v[i]);
    for (uint32_t i = w->advance.n; st == EDN_OK && i-- > 0;)
        st = range_advance(w, w->advance.v[i]);
    if (st == EDN_OK && !version_set(&w->prepare, &w->n_prepare, &w->cap_prepare, to, n))
        st = EDN_E_NOMEM;
    return st;
}

/* ---- entering events --------------------------------------------------------------------------------------------- */

/* The events [from, to) of one op. */
static edn_status op_enter(edn_walker *w, const edn_op *op, edn_lv from, edn_lv to, bool by_effect, edn_edits *edits)
{
    uint32_t skip = from - op->lv, len = to - from, pos = edn_op_pos((edn_op_kind)op->kind, op->pos, skip), end;
    edn_status st;

    if (!tree_room(w))
        return EDN_E_NOMEM;
    switch ((edn_op_kind)op->kind) {
    case EDN_OP_INS:
        st = apply_insert(w, from, pos, len, by_effect, &end);
        if (st == EDN_OK && edits) {
            edn_bytes text = edn_log_text(w->log, op, skip, len);
            edn_edit edit = {end, 0, len, (uint32_t)(text.p - w->log->text), (uint32_t)text.n};
            if (!edn_edits_add(edits, edit))
                st = EDN_E_NOMEM;
        }
        return st;
    case EDN_OP_DEL:
        return apply_delete(w, from, pos, len, false, by_effect, edits);
    case EDN_OP_BACK:
        if (pos + 1 < len)
            return EDN_E_FORMAT;
        return apply_delete(w, from, pos - len + 1, len, true, by_effect, edits);
    default:
        return EDN_OK;
    }
}

/* The events [from, to) of one graph run. */
static edn_status run_enter(edn_walker *w, uint32_t run, edn_lv from, edn_lv to, edn_edits *edits)
{
    const edn_graph_run *g = &w->log->graph[run];
    edn_lv prev = from - 1, last = to - 1;
    const edn_lv *par = &prev;
    uint32_t n_par = 1, i = edn_log_op_of(w->log, from), kept = 0;
    bool by_effect;
    edn_status st = EDN_OK;

    if (from == g->lv)
        par = edn_log_parents(g, w->log, &n_par);
    /* What was made on top of everything is entered by its place in effect, and prepare stays where it is: else two
     * people who type in turn would move the one's whole branch out and in again for each letter of the other. */
    by_effect = version_equal(par, n_par, w->effect, w->n_effect) &&
                (w->hold || !version_equal(par, n_par, w->prepare, w->n_prepare));
    if (!by_effect)
        st = prepare_move(w, par, n_par);
    if (st == EDN_OK && !index_room(&w->index, to - w->from))
        st = EDN_E_NOMEM;
    for (edn_lv at = from; st == EDN_OK && at < to; i++) {
        const edn_op *op = &w->log->ops[i];
        edn_lv end = EDN_MIN(op->lv + op->len, to);
        st = op_enter(w, op, at, end, by_effect, edits);
        at = end;
    }
    if (st != EDN_OK)
        return st;
    for (uint32_t k = 0; k < w->n_effect; k++) {
        bool covered = false;
        for (uint32_t j = 0; j < n_par && !covered; j++)
            covered = par[j] == w->effect[k];
        if (!covered)
            w->effect[kept++] = w->effect[k];
    }
    w->n_effect = kept;
    if (!EDN_VEC_ROOM(w->effect, w->cap_effect, kept + 1u))
        return EDN_E_NOMEM;
    for (; kept && w->effect[kept - 1] > last; kept--) /* only where events are entered in another order */
        w->effect[kept] = w->effect[kept - 1];
    w->effect[kept] = last;
    w->n_effect++;
    w->to = EDN_MAX(w->to, to);
    if (!by_effect && !version_set(&w->prepare, &w->n_prepare, &w->cap_prepare, &last, 1))
        return EDN_E_NOMEM;
    return EDN_OK;
}

edn_status edn_walker_step(edn_walker *w, edn_lv to, edn_edits *edits)
{
    edn_status st = EDN_OK;

    if (w->to == to)
        return EDN_OK;
    for (uint32_t run = edn_log_run_of(w->log, w->to); st == EDN_OK && w->to < to; run++)
        st = run_enter(w, run, w->to, EDN_MIN(edn_log_run_end(w->log, run), to), edits);
    return st;
}

/* ---- beginning and end ------------------------------------------------------------------------------------------- */

static bool walker_begin(edn_walker *w)
{
    walk_rec all = {ID_BASE, ENDLESS, ID_START, ID_END, 1, 0};

    w->index.spare = NONE;
    if (!tree_room(w))
        return false;
    w->n_leaves = 1;
    w->leaves[0] = (walk_leaf){.parent = NONE, .next = NONE};
    w->root = node_new(w, 1);
    node_insert(w, w->root, 0, 0, (walk_sums){0, 0, 0});
    w->base_len = ENDLESS;
    w->leaves[0].r[0] = all;
    w->leaves[0].n = 1;
    sums_up(w, 0, rec_sums(&all));
    if (w->from == 0)
        return true;
    {
        edn_lv last = w->from - 1;
        return version_set(&w->prepare, &w->n_prepare, &w->cap_prepare, &last, 1) &&
               version_set(&w->effect, &w->n_effect, &w->cap_effect, &last, 1);
    }
}

/* Cuts the end of the beginning off, so that effect has `length` characters. */
static edn_status walker_trim(edn_walker *w, uint32_t length)
{
    uint32_t end, cut = w->total.end - length;
    walk_at at;
    walk_rec *r;
    walk_sums before, after;

    if (w->total.end < length)
        return EDN_E_FORMAT;
    at = find_by(w, BY_BASE, ENDLESS - 1, &end);
    r = &w->leaves[at.leaf].r[at.i];
    if (r->gone || r->state != 1 || r->len < cut)
        return EDN_E_FORMAT;
    before = rec_sums(r);
    r->len -= cut;
    after = rec_sums(r);
    sums_up(w, at.leaf, (walk_sums){after.cur - before.cur, after.end - before.end, after.base - before.base});
    if (r->len == 0) {
        walk_leaf *leaf = &w->leaves[at.leaf];
        leaf->n--;
        memmove(leaf->r + at.i, leaf->r + at.i + 1, (leaf->n - at.i) * sizeof *leaf->r);
    }
    w->base_len = w->total.base;
    return EDN_OK;
}

/* The events [w->from, to) in the order of a plan. */
static edn_status plan_enter(edn_walker *w, edn_lv to)
{
    edn_lv_ranges plan = {0};
    edn_status st = edn_log_plan(w->log, w->from, to, &plan);

    for (uint32_t i = 0; st == EDN_OK && i < plan.n; i++) {
        edn_lv at = plan.v[i].from, end;
        for (uint32_t run = edn_log_run_of(w->log, at); st == EDN_OK && at < plan.v[i].to; run++, at = end) {
            end = EDN_MIN(edn_log_run_end(w->log, run), plan.v[i].to);
            st = run_enter(w, run, at, end, NULL);
        }
    }
    free(plan.v);
    return st;
}

/* Moves that a replay in the order of arrival may take: some for each op. Then it is begun again by plan. */
static uint64_t moves_fair(const edn_log *log, edn_lv from, edn_lv to)
{
    return from == to ? 0 : 20000 + 32 * (uint64_t)(edn_log_op_of(log, to - 1) - edn_log_op_of(log, from));
}

/* How a walker is made. */
typedef struct walk_make {
    edn_lv from, to;
    uint32_t length; /* ENDLESS: the beginning keeps its endless end */
    bool hold, planned;
    bool empty; /* the beginning is the empty text, and that is told it from the first event on */
} walk_make;

static edn_status walker_try(const edn_log *log, const walk_make *m, edn_walker **out)
{
    edn_walker *w = calloc(1, sizeof *w);
    edn_status st;

    *out = NULL;
    if (!w)
        return EDN_E_NOMEM;
    w->log = log;
    w->from = w->to = m->from;
    w->finger = NONE;
    w->hold = m->hold;
    w->moves_max = m->planned ? UINT64_MAX : moves_fair(log, m->from, m->to);
    st = walker_begin(w) ? EDN_OK : EDN_E_NOMEM;
    if (st == EDN_OK && m->empty)
        st = walker_trim(w, 0);
    if (st == EDN_OK)
        st = m->planned ? plan_enter(w, m->to) : edn_walker_step(w, m->to, NULL);
    if (st == EDN_OK && m->length != ENDLESS && !m->empty)
        st = walker_trim(w, m->length);
    w->hold = false;
    w->finger = NONE;
    w->moves_max = UINT64_MAX;
    if (st != EDN_OK) {
        edn_walker_free(w);
        return st;
    }
    *out = w;
    return EDN_OK;
}

static edn_status walker_make(const edn_log *log, walk_make m, edn_walker **out)
{
    edn_status st = walker_try(log, &m, out);

    if (st != EDN_E_LIMIT)
        return st;
    m.planned = true;
    return walker_try(log, &m, out);
}

edn_status edn_walker_new(const edn_log *log, edn_lv from, edn_lv to, uint32_t length, bool hold, edn_walker **out)
{
    return length < ENDLESS ? walker_make(log, (walk_make){from, to, length, hold, false, false}, out) : EDN_E_FORMAT;
}

edn_status edn_walker_new_endless(const edn_log *log, edn_lv from, edn_lv to, edn_walker **out)
{
    return walker_make(log, (walk_make){from, to, ENDLESS, false, false, false}, out);
}

edn_status edn_walker_new_planned(const edn_log *log, edn_lv to, edn_walker **out)
{
    return walker_try(log, &(walk_make){0, to, 0, false, true, true}, out);
}

void edn_walker_limit(edn_walker *w, uint64_t moves)
{
    w->moves_max = moves < UINT64_MAX - w->moves ? w->moves + moves : UINT64_MAX;
}

uint64_t edn_walker_moves(const edn_walker *w) { return w->moves; }

void edn_walker_free(edn_walker *w)
{
    if (!w)
        return;
    free(w->leaves);
    free(w->nodes);
    free(w->index.pages);
    free(w->index.blocks);
    free(w->dels);
    free(w->prepare);
    free(w->effect);
    edn_graph_heap_dispose(&w->heap);
    free(w->retreat.v);
    free(w->advance.v);
    free(w);
}

edn_lv edn_walker_from(const edn_walker *w) { return w->from; }
edn_lv edn_walker_to(const edn_walker *w) { return w->to; }
uint32_t edn_walker_length(const edn_walker *w) { return w->total.end; }

size_t edn_walker_size(const edn_walker *w)
{
    return w->cap_leaves * sizeof *w->leaves + w->cap_nodes * sizeof *w->nodes + w->cap_dels * sizeof *w->dels +
           w->index.cap_blocks * sizeof *w->index.blocks + w->index.cap_pages * sizeof *w->index.pages;
}

edn_lv edn_walker_base(const edn_log *log, edn_lv n, edn_lv oldest)
{
    if (n == 0 || oldest == EDN_LV_NONE)
        return 0;
    /* Going down the runs: an event is a beginning when everything before it is in its past (its run is `full`) and
     * every later event has a parent that is it or later, so has it in its past. */
    for (uint32_t run = edn_log_run_of(log, n - 1);; run--) {
        const edn_graph_run *g = &log->graph[run];
        edn_lv last = EDN_MIN(edn_log_run_end(log, run), n) - 1, newest = 0;
        const edn_lv *par;
        uint32_t n_par;
        if (g->full && EDN_MIN(oldest, last) >= g->lv)
            return EDN_MIN(oldest, last) + 1;
        par = edn_log_parents(g, log, &n_par);
        if (n_par == 0 || run == 0)
            return 0;
        for (uint32_t i = 0; i < n_par; i++)
            newest = EDN_MAX(newest, par[i]);
        oldest = EDN_MIN(oldest, newest);
    }
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

edn_walk_spot edn_walker_find(const edn_walker *w, edn_lv lv, uint32_t len)
{
    walk_at at = find_id(w, lv);
    const walk_leaf *leaf = &w->leaves[at.leaf];
    const walk_rec *r = &leaf->r[at.i];
    edn_walk_spot out = {EDN_MIN(len, r->len - at.off), r->gone ? 0 : at.off, r->gone};

    for (uint32_t i = 0; i < at.i; i++)
        out.pos += rec_sums(&leaf->r[i]).end;
    for (uint32_t p = leaf->parent, slot = leaf->slot; p != NONE;) {
        const walk_node *node = &w->nodes[p];
        for (uint32_t i = 0; i < slot; i++)
            out.pos += node->end[i];
        slot = node->slot;
        p = node->parent;
    }
    return out;
}

edn_lv edn_walker_char_at(const edn_walker *w, uint32_t pos)
{
    uint32_t end;
    walk_at at = find_by(w, BY_END, pos, &end);

    return w->leaves[at.leaf].r[at.i].id + at.off;
}

uint32_t edn_walker_targets(const edn_walker *w, edn_lv lv, uint32_t len, edn_lv *target, bool *back)
{
    const walk_del *del = &w->dels[index_get(&w->index, lv - w->from)];
    uint32_t off = lv - del->lv;

    *back = del->back;
    *target = del->back ? del->target - off : del->target + off;
    return EDN_MIN(len, del->len - off);
}

void edn_walker_hits(const edn_walker *w, edn_lv from, edn_lv to, edn_walk_hit_fn *fn, void *ctx)
{
    for (uint32_t i = 0; i < w->n_dels; i++) {
        const walk_del *d = &w->dels[i];
        edn_lv low = d->back ? d->target - (d->len - 1) : d->target;
        if (low < to && low + d->len > from)
            fn(ctx, d->lv, d->target, d->len, d->back);
    }
}

static edn_status each(const edn_walker *w, bool in_prepare, edn_walk_seen_fn *fn, void *ctx)
{
    walk_at at = {w->first_leaf, 0, 0};
    edn_status st = EDN_OK;

    for (; st == EDN_OK && at_record(w, &at); at.i++) {
        const walk_rec *r = &w->leaves[at.leaf].r[at.i];
        edn_walk_seen run = {r->id & ID_BASE ? EDN_LV_NONE : r->id, r->len, in_prepare ? r->state == 1 : !r->gone,
                             !r->gone};
        st = fn(ctx, &run);
    }
    return st;
}

edn_status edn_walker_each(const edn_walker *w, edn_walk_seen_fn *fn, void *ctx) { return each(w, false, fn, ctx); }

edn_status edn_walker_each_at(edn_walker *w, const edn_lv *version, uint32_t n, edn_walk_seen_fn *fn, void *ctx)
{
    edn_status st = prepare_move(w, version, n);

    return st == EDN_OK ? each(w, true, fn, ctx) : st;
}
