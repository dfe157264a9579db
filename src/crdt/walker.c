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
 *   record   [id len | left right | lefts | gone]     a run of characters with consecutive ids
 *            id     the first character's event; with ID_BASE set, its place in the text of the beginning
 *            left   the character that stood left of the first one when it was typed (ID_START: none)
 *            right  the sibling it was typed in front of (ID_END: none). Further characters of a record have the one
 *                   before as left and ID_END as right.
 *            gone   deleted in effect
 *            state  in prepare: 0 not inserted yet, 1 there, 1 + k deleted k times
 *
 * Prepare is kept more than once, in *lanes*: each is a version with the states of all records in it. One lane is
 * everybody's. When that has been moved back and forth for much, who comes next gets a lane of its own, which then only
 * ever moves forwards, because an author's later events have all in their past that the earlier ones had. So however
 * the messages of k authors come mixed, the lanes move by at most k times the events in all.
 *
 * Where concurrent insertions meet, the order is FugueMax (Weidner and Kleppmann, "The Art of the Fugue"), ties broken
 * by (agent id, seq). It depends on identities and the graph alone. Changing it changes old documents.
 *
 *  1. The records lie in the leaves of a B+tree whose nodes count, below each child, the characters there in effect
 *     (`end`) and of the beginning (`base`), and for each lane those there in it (`cur`), and those that it has seen
 *     (`known`: state not 0).
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
/* Records are joined up to here, so that moving one to another leaf costs little: its events are in the index. */
#define REC_LEN_MAX 65536u

typedef struct walk_rec {
    uint32_t id, len, left, right;
    uint16_t lefts; /* records whose right is the first character */
    uint16_t gone;
} walk_rec;

typedef struct walk_leaf {
    uint32_t parent, next, prev;
    uint16_t slot, n;
    walk_rec r[LEAF_FAN];
} walk_leaf;

typedef struct walk_node {
    uint32_t parent;
    uint16_t slot, n;
    uint32_t height; /* 1: the children are leaves */
    uint32_t child[NODE_FAN], end[NODE_FAN], base[NODE_FAN];
} walk_node;

typedef struct walk_sums {
    uint32_t end, base;
} walk_sums;

/* What a prepare version has of each leaf and node, and of all. */
typedef struct lane_leaf {
    uint16_t state[LEAF_FAN];
} lane_leaf;

typedef struct lane_sums {
    uint32_t cur, known;
} lane_sums;

typedef struct lane_node {
    uint32_t cur[NODE_FAN], known[NODE_FAN];
} lane_node;

typedef struct walk_lane {
    lane_leaf *leaves;
    lane_node *nodes;
    lane_sums total;
    edn_lv *version; /* prepare, rising */
    uint32_t n_version, cap_version;
    uint32_t agent; /* whose it is; NONE: everybody's who has none */
    uint32_t used;  /* when it was last taken */
    /* While the tree is changed: a record's state, and what moves from one node to the next. */
    uint16_t state;
    lane_sums moved;
} walk_lane;

/* A lane is opened when moving everybody's back and forth has cost so many moves, and so many for each leaf: what a
 * lane costs to make, and then to keep. */
#define LANE_WORTH 4096u
#define LANE_WORTH_LEAF 32u
/* As many as there are devices in a diary, and once more for those that left it. */
#define LANES_MAX 64u

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
    walk_lane *lanes; /* the first is everybody's */
    uint32_t n_lanes, cap_lanes, clock;
    uint32_t room_leaves, room_nodes; /* each lane has memory for so many */
    walk_lane *lane;                  /* the one that is prepare now */
    uint64_t wasted;                  /* moves that took the first lane back and forth since a lane was opened */
    uint64_t lane_worth, leaf_worth;
    walk_index index;
    walk_del *dels;
    uint32_t n_dels, cap_dels;
    edn_lv *effect; /* its frontier, ascending */
    uint32_t n_effect, cap_effect;
    edn_graph_heap heap;
    edn_lv_ranges retreat, advance;
    /* The leaf where the last event was applied, and what is counted before it: the next is mostly there too. What is
     * applied changes nothing before its leaf; moving prepare forgets it. */
    uint32_t finger, finger_cur, finger_end;
    uint64_t moves, moves_max; /* records that moving prepare has changed, and may */
    bool hold;                 /* lanes stay where they are as long as events can be entered by effect */
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

static inline walk_sums rec_sums(const walk_rec *r)
{
    return (walk_sums){r->gone ? 0 : r->len, r->id & ID_BASE ? r->len : 0};
}

static inline lane_sums lane_sums_of(uint16_t state, uint32_t len)
{
    return (lane_sums){state == 1 ? len : 0, state ? len : 0};
}

/* Adds a difference (wrapping) to every count above a leaf. */
static void sums_up(edn_walker *w, uint32_t leaf, walk_sums d)
{
    uint32_t p = w->leaves[leaf].parent, slot = w->leaves[leaf].slot;

    while (p != NONE) {
        walk_node *node = &w->nodes[p];
        node->end[slot] += d.end;
        node->base[slot] += d.base;
        slot = node->slot;
        p = node->parent;
    }
    w->total.end += d.end;
    w->total.base += d.base;
}

static void lane_sums_up(const edn_walker *w, walk_lane *lane, uint32_t leaf, lane_sums d)
{
    uint32_t p = w->leaves[leaf].parent, slot = w->leaves[leaf].slot;

    while (p != NONE) {
        lane_node *node = &lane->nodes[p];
        node->cur[slot] += d.cur;
        node->known[slot] += d.known;
        slot = w->nodes[p].slot;
        p = w->nodes[p].parent;
    }
    lane->total.cur += d.cur;
    lane->total.known += d.known;
}

/* Both at once, for prepare. */
static void sums_up_both(edn_walker *w, uint32_t leaf, uint32_t end, lane_sums d)
{
    walk_lane *lane = w->lane;
    uint32_t p = w->leaves[leaf].parent, slot = w->leaves[leaf].slot;

    while (p != NONE) {
        walk_node *node = &w->nodes[p];
        lane_node *ln = &lane->nodes[p];
        ln->cur[slot] += d.cur;
        ln->known[slot] += d.known;
        node->end[slot] += end;
        slot = node->slot;
        p = node->parent;
    }
    w->total.end += end;
    lane->total.cur += d.cur;
    lane->total.known += d.known;
}

/* The state of a record in the lane that is prepare now. */
static inline uint16_t *state_of(const edn_walker *w, uint32_t leaf, uint32_t i)
{
    return &w->lane->leaves[leaf].state[i];
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

/* The tree grows, and each lane by as much. */
static bool tree_grow(edn_walker *w)
{
    if (!EDN_VEC_ROOM(w->leaves, w->cap_leaves, w->n_leaves + 4u) ||
        !EDN_VEC_ROOM(w->nodes, w->cap_nodes, w->n_nodes + 4u * HEIGHT_MAX))
        return false;
    for (walk_lane *lane = w->lanes; lane < w->lanes + w->n_lanes; lane++) {
        lane_leaf *leaves = realloc(lane->leaves, w->cap_leaves * sizeof *leaves);
        lane_node *nodes;
        if (!leaves)
            return false;
        lane->leaves = leaves;
        nodes = realloc(lane->nodes, w->cap_nodes * sizeof *nodes);
        if (!nodes)
            return false;
        lane->nodes = nodes;
    }
    w->room_leaves = w->cap_leaves;
    w->room_nodes = w->cap_nodes;
    return true;
}

/* Memory for anything that entering or moving one piece of a run can need: records, so splits of leaves and nodes. */
static bool tree_room(edn_walker *w)
{
    return ((w->n_leaves + 4u <= w->room_leaves && w->n_nodes + 4u * HEIGHT_MAX <= w->room_nodes) || tree_grow(w)) &&
           EDN_VEC_ROOM(w->dels, w->cap_dels, w->n_dels + 1u) && index_room_blocks(&w->index, 4 * LEAF_FAN);
}

/* Puts a child of these sums there; what it has in a lane is the lane's `moved`. */
static void node_insert(edn_walker *w, uint32_t p, uint32_t at, uint32_t child, walk_sums s)
{
    walk_node *node = &w->nodes[p];

    for (uint32_t i = node->n; i > at; i--) {
        node->child[i] = node->child[i - 1];
        node->end[i] = node->end[i - 1];
        node->base[i] = node->base[i - 1];
        child_link(w, p, i);
    }
    node->child[at] = child;
    node->end[at] = s.end;
    node->base[at] = s.base;
    child_link(w, p, at);
    if (at) { /* what the new child holds came out of the one before it */
        node->end[at - 1] -= s.end;
        node->base[at - 1] -= s.base;
    }
    for (walk_lane *lane = w->lanes; lane < w->lanes + w->n_lanes; lane++) {
        lane_node *ln = &lane->nodes[p];
        memmove(ln->cur + at + 1, ln->cur + at, (node->n - at) * sizeof *ln->cur);
        memmove(ln->known + at + 1, ln->known + at, (node->n - at) * sizeof *ln->known);
        ln->cur[at] = lane->moved.cur;
        ln->known[at] = lane->moved.known;
        if (at) {
            ln->cur[at - 1] -= lane->moved.cur;
            ln->known[at - 1] -= lane->moved.known;
        }
    }
    node->n++;
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

    for (uint32_t i = 0; i < w->n_lanes; i++)
        w->lanes[i].moved = w->lanes[i].total;
    node_insert(w, top, 0, old, w->total);
    w->root = top;
}

static void node_split(edn_walker *w, uint32_t p)
{
    uint32_t q, keep = NODE_FAN / 2, n = w->nodes[p].n - keep;
    walk_sums moved = {0, 0};
    walk_node *a, *b;

    if (w->nodes[p].parent == NONE)
        root_grow(w);
    else if (w->nodes[w->nodes[p].parent].n == NODE_FAN)
        node_split(w, w->nodes[p].parent);
    q = node_new(w, w->nodes[p].height);
    a = &w->nodes[p];
    b = &w->nodes[q];
    for (uint32_t i = 0; i < n; i++) {
        b->child[i] = a->child[keep + i];
        moved.end += b->end[i] = a->end[keep + i];
        moved.base += b->base[i] = a->base[keep + i];
        b->n++;
        child_link(w, q, i);
    }
    for (walk_lane *lane = w->lanes; lane < w->lanes + w->n_lanes; lane++) {
        lane_node *from = &lane->nodes[p], *to = &lane->nodes[q];
        lane->moved = (lane_sums){0, 0};
        for (uint32_t i = 0; i < n; i++) {
            lane->moved.cur += to->cur[i] = from->cur[keep + i];
            lane->moved.known += to->known[i] = from->known[keep + i];
        }
    }
    a->n = (uint16_t)keep;
    node_insert(w, a->parent, a->slot + 1u, q, moved);
}

static void leaf_split(edn_walker *w, uint32_t leaf)
{
    uint32_t fresh = w->n_leaves++, keep = LEAF_FAN / 2;
    walk_leaf *a = &w->leaves[leaf], *b = &w->leaves[fresh];
    walk_sums moved = {0, 0};

    if (w->nodes[a->parent].n == NODE_FAN)
        node_split(w, a->parent);
    b->n = (uint16_t)(a->n - keep);
    b->next = a->next;
    b->prev = leaf;
    a->next = fresh;
    if (b->next != NONE)
        w->leaves[b->next].prev = fresh;
    memcpy(b->r, a->r + keep, b->n * sizeof *b->r);
    a->n = (uint16_t)keep;
    for (uint32_t i = 0; i < b->n; i++) {
        walk_sums s = rec_sums(&b->r[i]);
        moved.end += s.end;
        moved.base += s.base;
        if (!(b->r[i].id & ID_BASE))
            index_set(&w->index, b->r[i].id - w->from, b->r[i].len, fresh);
    }
    for (walk_lane *lane = w->lanes; lane < w->lanes + w->n_lanes; lane++) {
        lane->moved = (lane_sums){0, 0};
        memcpy(lane->leaves[fresh].state, lane->leaves[leaf].state + keep, b->n * sizeof(uint16_t));
        for (uint32_t i = 0; i < b->n; i++) {
            lane_sums s = lane_sums_of(lane->leaves[fresh].state[i], b->r[i].len);
            lane->moved.cur += s.cur;
            lane->moved.known += s.known;
        }
    }
    node_insert(w, a->parent, a->slot + 1u, fresh, moved);
}

/* Makes room for one record at `at`, in each lane with the lane's `state`, and moves `at` along. The caller fills it,
 * and adds up. */
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
    for (walk_lane *lane = w->lanes; lane < w->lanes + w->n_lanes; lane++) {
        uint16_t *state = lane->leaves[at->leaf].state + at->i;
        memmove(state + 1, state, (leaf->n - at->i) * sizeof *state);
        *state = lane->state;
    }
    leaf->n++;
    return &leaf->r[at->i];
}

static void rec_drop(edn_walker *w, uint32_t leaf, uint32_t i)
{
    walk_leaf *l = &w->leaves[leaf];

    l->n--;
    memmove(l->r + i, l->r + i + 1, (l->n - i) * sizeof *l->r);
    for (walk_lane *lane = w->lanes; lane < w->lanes + w->n_lanes; lane++) {
        uint16_t *state = lane->leaves[leaf].state + i;
        memmove(state, state + 1, (l->n - i) * sizeof *state);
    }
}

/* Puts what was cut off a record into a full leaf `home`, which is split for it: it may come to lie in either half. */
static void tail_move(edn_walker *w, uint32_t home, walk_at *to, const walk_rec *tail)
{
    walk_sums s = rec_sums(tail);

    sums_up(w, home, (walk_sums){0 - s.end, 0 - s.base});
    for (walk_lane *lane = w->lanes; lane < w->lanes + w->n_lanes; lane++) {
        lane_sums d = lane_sums_of(lane->state, tail->len);
        lane_sums_up(w, lane, home, (lane_sums){0 - d.cur, 0 - d.known});
    }
    *rec_open(w, to) = *tail;
    sums_up(w, to->leaf, s);
    for (walk_lane *lane = w->lanes; lane < w->lanes + w->n_lanes; lane++)
        lane_sums_up(w, lane, to->leaf, lane_sums_of(lane->state, tail->len));
    if (!(tail->id & ID_BASE))
        index_set(&w->index, tail->id - w->from, tail->len, to->leaf);
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
    tail.lefts = 0;
    if (at->off == r->len) { /* nothing to cut: the next record, wherever it is */
        *at = second;
        return;
    }
    r->len = at->off;
    for (uint32_t i = 0; i < w->n_lanes; i++)
        w->lanes[i].state = w->lanes[i].leaves[at->leaf].state[at->i];
    if (w->leaves[at->leaf].n < LEAF_FAN)
        *rec_open(w, &second) = tail; /* the same leaf: the counts stay */
    else
        tail_move(w, at->leaf, &second, &tail);
    *at = second;
}

/* Whether `b` simply goes on where `a` ends, so that one record can hold both where the lanes agree. */
static inline bool recs_join(const walk_rec *a, const walk_rec *b)
{
    if (a->id + a->len != b->id || a->gone != b->gone || ((a->id ^ b->id) & ID_BASE))
        return false;
    if (a->id & ID_BASE)
        return true;
    return b->left == b->id - 1 && b->right == ID_END && a->len + b->len <= REC_LEN_MAX;
}

static bool recs_mend(edn_walker *w, uint32_t leaf, uint32_t i)
{
    for (uint32_t k = 0; k < w->n_lanes; k++)
        if (w->lanes[k].leaves[leaf].state[i] != w->lanes[k].leaves[leaf].state[i + 1])
            return false;
    w->leaves[leaf].r[i].len += w->leaves[leaf].r[i + 1].len;
    rec_drop(w, leaf, i + 1);
    return true;
}

/* Joins record i with the next one of the same leaf where that is possible. */
static inline bool rec_mend(edn_walker *w, uint32_t leaf, uint32_t i)
{
    const walk_leaf *l = &w->leaves[leaf];

    return i + 1 < l->n && recs_join(&l->r[i], &l->r[i + 1]) && recs_mend(w, leaf, i);
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

/* The character number `pos` in one of the counts (it must exist), and how many are there in effect before it. */
static inline walk_at find_in_leaf(const edn_walker *w, uint32_t leaf, walk_by by, uint32_t pos, uint32_t end,
                                   uint32_t *end_before)
{
    const uint16_t *state = w->lane->leaves[leaf].state;
    walk_at at = {leaf, 0, 0};

    for (const walk_rec *r = w->leaves[leaf].r;; r++, at.i++) {
        walk_sums s = rec_sums(r);
        uint32_t k = by == BY_END ? s.end : by == BY_BASE ? s.base : state[at.i] == 1 ? r->len : 0;
        if (pos < k) {
            at.off = pos;
            *end_before = end + (r->gone ? 0 : pos);
            return at;
        }
        pos -= k;
        end += s.end;
    }
}

/* By BY_END or BY_BASE. */
static inline walk_at find_by(const edn_walker *w, walk_by by, uint32_t pos, uint32_t *end_before)
{
    uint32_t p = w->root, end = 0;

    for (;;) {
        const walk_node *node = &w->nodes[p];
        const uint32_t *count = by == BY_END ? node->end : node->base;
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

/* The same by BY_END or BY_CUR for events, which tend to come side by side: looks where the last one was first, and
 * leaves the finger. */
static walk_at find_near(edn_walker *w, bool by_effect, uint32_t pos, uint32_t *end_before)
{
    uint32_t p = w->root, cur = 0, end = 0, want = pos;

    if (w->finger != NONE) {
        const walk_leaf *leaf = &w->leaves[w->finger];
        uint32_t before = by_effect ? w->finger_end : w->finger_cur;
        uint32_t in = by_effect ? w->nodes[leaf->parent].end[leaf->slot] : w->lane->nodes[leaf->parent].cur[leaf->slot];
        if (pos >= before && pos - before < in)
            return find_in_leaf(w, w->finger, by_effect ? BY_END : BY_CUR, pos - before, w->finger_end, end_before);
    }
    for (;;) {
        const walk_node *node = &w->nodes[p];
        const lane_node *ln = &w->lane->nodes[p];
        const uint32_t *count = by_effect ? node->end : ln->cur;
        uint32_t i = 0;
        for (; want >= count[i]; i++) {
            want -= count[i];
            cur += ln->cur[i];
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

/* How many characters are there in effect before the beginning of a record. */
static uint32_t end_before(const edn_walker *w, walk_at at)
{
    const walk_leaf *leaf = &w->leaves[at.leaf];
    uint32_t end = 0;

    for (uint32_t i = 0; i < at.i; i++)
        end += rec_sums(&leaf->r[i]).end;
    for (uint32_t p = leaf->parent, slot = leaf->slot; p != NONE;) {
        const walk_node *node = &w->nodes[p];
        for (uint32_t i = 0; i < slot; i++)
            end += node->end[i];
        slot = node->slot;
        p = node->parent;
    }
    return end;
}

/* The first record that prepare has seen in a subtree that has some. */
static walk_at known_in(const edn_walker *w, uint32_t p, uint32_t slot)
{
    walk_at at = {0, 0, 0};

    for (;;) {
        const lane_node *ln = &w->lane->nodes[p];
        while (ln->known[slot] == 0)
            slot++;
        if (w->nodes[p].height == 1)
            break;
        p = w->nodes[p].child[slot];
        slot = 0;
    }
    at.leaf = w->nodes[p].child[slot];
    while (*state_of(w, at.leaf, at.i) == 0)
        at.i++;
    return at;
}

/* Moves on to the next record that prepare has seen; false when there is none. `*passed`: there was one between that it
 * has not. */
static bool known_next(const edn_walker *w, walk_at *at, bool *passed)
{
    const walk_leaf *leaf = &w->leaves[at->leaf];
    uint32_t p = leaf->parent, slot = leaf->slot + 1u;

    *passed = false;
    if (at->i < leaf->n && at->off == leaf->r[at->i].len) {
        at->i++;
        at->off = 0;
    }
    for (; at->i < leaf->n; at->i++, at->off = 0) {
        if (*state_of(w, at->leaf, at->i))
            return true;
        *passed = true;
    }
    for (; p != NONE; slot = w->nodes[p].slot + 1u, p = w->nodes[p].parent)
        for (; slot < w->nodes[p].n; slot++)
            if (w->lane->nodes[p].known[slot]) {
                *at = known_in(w, p, slot);
                *passed = *passed || at->i || at->leaf != leaf->next;
                return true;
            }
    *passed = *passed || leaf->next != NONE;
    return false;
}

/* The record before the one at `at`, which is not the first. */
static walk_at rec_before(const edn_walker *w, walk_at at)
{
    if (at.i == 0) {
        at.leaf = w->leaves[at.leaf].prev;
        at.i = w->leaves[at.leaf].n;
    }
    return (walk_at){at.leaf, at.i - 1, 0};
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

/* Concurrent insertions lie at `at`, and the new record has nothing that it was typed in front of: decides behind which
 * of them it goes. */
static void integrate(const edn_walker *w, const walk_rec *fresh, walk_at *at, uint32_t *end)
{
    walk_at scan = *at;
    uint32_t scan_end = *end;
    bool scanning = false;

    while (at_record(w, &scan)) {
        const walk_rec *other = &w->leaves[scan.leaf].r[scan.i];
        int left;
        if (*state_of(w, scan.leaf, scan.i) != 0)
            break;
        left = ids_compare(w, other->left, fresh->left);
        if (left < 0)
            break;
        if (left == 0) {
            scanning = !id_is_end(w, other->right);
            if (!scanning && event_before(w->log, fresh->id, other->id))
                break;
        }
        scan_end += other->gone ? 0 : other->len;
        scan.i++;
        if (!scanning) {
            *at = scan;
            *end = scan_end;
        }
    }
}

/* The new record was typed in front of the one at `right`, and so were others, perhaps, that prepare has not seen. Each
 * of them stands behind what was typed in front of it, and in front of what was typed behind it, and all that lies
 * directly before `right`:
 *
 *     left … [in front of a] a [behind a] [in front of b] b [behind b] right        a, b: by (agent id, seq)
 *
 * Goes back over those that come after the new one. It is known how many there are to come, so nothing is looked at
 * that lies before all of them; and what was passed now lies behind the new record, where this author does not look
 * again. (A search from the left would see the same place, and pass all that is concurrent there for each letter.) */
static walk_at place_before(const edn_walker *w, const walk_rec *fresh, walk_at right)
{
    uint32_t waiting = w->leaves[right.leaf].r[right.i].lefts;

    while (waiting) {
        walk_at x = rec_before(w, right);
        const walk_rec *r = &w->leaves[x.leaf].r[x.i];
        while (id_is_end(w, r->right)) { /* it was typed behind something: to that */
            x = find_id(w, r->left);
            x.off = 0;
            r = &w->leaves[x.leaf].r[x.i];
        }
        if (r->right == fresh->right && event_before(w->log, r->id, fresh->id))
            break;
        waiting += r->lefts;
        waiting--;
        right = x;
    }
    return right;
}

/* What follows a place, as an insertion there sees it: the next record that prepare has seen, which `at` is moved to.
 * With `by_effect`, prepare is taken to be effect, which has seen everything. */
static uint32_t right_of(const edn_walker *w, walk_at *at, uint32_t left, bool by_effect, bool *concurrent)
{
    const walk_rec *r;
    uint32_t first;

    *concurrent = false;
    if (!(by_effect ? at_record(w, at) : known_next(w, at, concurrent)))
        return ID_END;
    r = &w->leaves[at->leaf].r[at->i];
    first = at->off ? r->id + at->off - 1 : r->left;
    if (at->off == 0 && (r->id & ID_BASE))
        first = r->id == ID_BASE ? ID_START : r->id - 1;
    return first == left ? r->id + at->off : ID_END;
}

/* The states of a record that was just inserted. */
static void states_fresh(edn_walker *w, bool seen)
{
    for (uint32_t i = 0; i < w->n_lanes; i++)
        w->lanes[i].state = 0;
    w->lane->state = seen;
}

static bool states_are(const edn_walker *w, uint32_t leaf, uint32_t i)
{
    for (uint32_t k = 0; k < w->n_lanes; k++)
        if (w->lanes[k].leaves[leaf].state[i] != w->lanes[k].state)
            return false;
    return true;
}

/* Puts a record there, which prepare has `seen`, and tells where it is, or the one that holds it now. */
static walk_at rec_insert(edn_walker *w, walk_at at, const walk_rec *fresh, bool seen)
{
    walk_leaf *leaf = &w->leaves[at.leaf];

    if (at.off && at.i < leaf->n && at.off == leaf->r[at.i].len) {
        at.i++;
        at.off = 0;
    }
    states_fresh(w, seen);
    if (at.off == 0 && at.i > 0 && recs_join(&leaf->r[at.i - 1], fresh) && states_are(w, at.leaf, at.i - 1)) {
        leaf->r[--at.i].len += fresh->len;
    } else {
        if (at.off) {
            rec_cut(w, &at);
            states_fresh(w, seen);
        }
        *rec_open(w, &at) = *fresh;
    }
    sums_up_both(w, at.leaf, fresh->len, lane_sums_of(seen, fresh->len));
    index_set(&w->index, fresh->id - w->from, fresh->len, at.leaf);
    return at;
}

/* One more record was typed in front of the one that begins with `id`; it lies at `at`. */
static void lefts_add(edn_walker *w, walk_at at, uint32_t id)
{
    walk_leaf *leaf = &w->leaves[at.leaf];

    if (at.i + 1 >= leaf->n || leaf->r[at.i + 1].id != id) {
        at = find_id(w, id);
        leaf = &w->leaves[at.leaf];
        at.i--;
    }
    leaf->r[at.i + 1].lefts++;
}

static edn_status apply_insert(edn_walker *w, edn_lv lv, uint32_t pos, uint32_t len, bool by_effect, uint32_t *end)
{
    walk_rec fresh = {lv, len, ID_START, ID_END, 0, 0};
    walk_at at = {w->first_leaf, 0, 0}, right;
    bool concurrent;

    *end = 0;
    if (pos > (by_effect ? w->total.end : w->lane->total.cur))
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
    right = at;
    fresh.right = right_of(w, &right, fresh.left, by_effect, &concurrent);
    if (concurrent && id_is_end(w, fresh.right)) {
        integrate(w, &fresh, &at, end);
    } else if (concurrent) {
        at = place_before(w, &fresh, right);
        *end = end_before(w, at);
    }
    at = rec_insert(w, at, &fresh, !by_effect);
    if (!id_is_end(w, fresh.right))
        lefts_add(w, at, fresh.right);
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

/* Changes the state in prepare of a record that lies at `at`, and adds `end` to what is there in effect. */
static void state_change(edn_walker *w, walk_at at, int d, uint32_t end)
{
    uint16_t *state = state_of(w, at.leaf, at.i);
    uint32_t len = w->leaves[at.leaf].r[at.i].len;
    lane_sums before = lane_sums_of(*state, len), after;

    *state = (uint16_t)(*state + d);
    after = lane_sums_of(*state, len);
    sums_up_both(w, at.leaf, end, (lane_sums){after.cur - before.cur, after.known - before.known});
}

/* Deletes the characters [pos, pos + len) of prepare (or effect). The events run upwards, or downwards with `back`. */
static edn_status apply_delete(edn_walker *w, edn_lv lv, uint32_t pos, uint32_t len, bool back, bool by_effect,
                               edn_edits *edits)
{
    uint32_t done = 0, end, total = by_effect ? w->total.end : w->lane->total.cur;
    walk_at at;

    if (len > total || pos > total - len)
        return EDN_E_FORMAT;
    at = find_near(w, by_effect, pos, &end);
    while (done < len) {
        walk_rec *r;
        uint32_t k;
        if (!tree_room(w))
            return EDN_E_NOMEM;
        if (at.i == w->leaves[at.leaf].n) /* what lies between may be much: by the counts, not one by one */
            at = find_near(w, by_effect, pos, &end);
        r = &w->leaves[at.leaf].r[at.i];
        k = EDN_MIN(r->len - at.off, len - done);
        if (by_effect ? r->gone : *state_of(w, at.leaf, at.i) != 1) {
            end += r->gone ? 0 : r->len - at.off;
            at.i++;
            at.off = 0;
            continue;
        }
        at = rec_isolate(w, at, k);
        r = &w->leaves[at.leaf].r[at.i];
        if (!r->gone && edits && !edn_edits_add(edits, (edn_edit){end, k, 0, 0, 0}))
            return EDN_E_NOMEM;
        state_change(w, at, by_effect ? 0 : 1, r->gone ? 0 : 0 - k);
        r->gone = 1;
        if (back)
            dels_add(w, lv + (len - done - k), r->id + k - 1, k, true);
        else
            dels_add(w, lv + done, r->id, k, false);
        if (at.i && rec_mend(w, at.leaf, at.i - 1))
            at.i--;
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
        uint32_t k;
        if (++w->moves > w->moves_max)
            return EDN_E_LIMIT;
        if (!tree_room(w))
            return EDN_E_NOMEM;
        at = find_id(w, id);
        k = EDN_MIN(len, w->leaves[at.leaf].r[at.i].len - at.off);
        at = rec_isolate(w, at, k);
        state_change(w, at, d, 0);
        (void)rec_mend(w, at.leaf, at.i); /* whether they were joined does not matter here */
        if (at.i)
            (void)rec_mend(w, at.leaf, at.i - 1);
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
    walk_lane *lane = w->lane;
    edn_status st;

    if (version_equal(lane->version, lane->n_version, to, n))
        return EDN_OK;
    w->retreat.n = w->advance.n = 0;
    w->finger = NONE;
    st = edn_log_diff(w->log, &w->heap, lane->version, lane->n_version, to, n, &w->retreat, &w->advance);
    for (uint32_t i = 0; st == EDN_OK && i < w->retreat.n; i++)
        st = range_retreat(w, w->retreat.v[i]);
    for (uint32_t i = w->advance.n; st == EDN_OK && i-- > 0;)
        st = range_advance(w, w->advance.v[i]);
    if (st == EDN_OK && !version_set(&lane->version, &lane->n_version, &lane->cap_version, to, n))
        st = EDN_E_NOMEM;
    return st;
}

/* ---- lanes ------------------------------------------------------------------------------------------------------- */

static void lane_dispose(walk_lane *lane)
{
    free(lane->leaves);
    free(lane->nodes);
    free(lane->version);
}

/* A lane at everybody's place. */
static bool lane_copy(const edn_walker *w, walk_lane *out)
{
    const walk_lane *from = &w->lanes[0];

    *out = *from;
    out->leaves = malloc(w->room_leaves * sizeof *from->leaves);
    out->nodes = malloc(w->room_nodes * sizeof *from->nodes);
    out->version = malloc(EDN_MAX(from->cap_version, 1u) * sizeof *from->version);
    if (!out->leaves || !out->nodes || !out->version) {
        lane_dispose(out);
        return false;
    }
    memcpy(out->leaves, from->leaves, w->n_leaves * sizeof *from->leaves);
    memcpy(out->nodes, from->nodes, w->n_nodes * sizeof *from->nodes);
    if (from->n_version)
        memcpy(out->version, from->version, from->n_version * sizeof *from->version);
    return true;
}

/* Gives an agent a lane of its own: a new one, or the one that was not used for longest. */
static edn_status lane_open(edn_walker *w, uint32_t agent)
{
    walk_lane fresh;
    uint32_t at = w->n_lanes;

    if (!EDN_VEC_ROOM(w->lanes, w->cap_lanes, EDN_MIN(w->n_lanes + 1u, LANES_MAX)))
        return EDN_E_NOMEM;
    w->lane = w->lanes;
    if (!lane_copy(w, &fresh))
        return EDN_E_NOMEM;
    fresh.agent = agent;
    if (at == LANES_MAX) {
        at = 1;
        for (uint32_t i = 2; i < w->n_lanes; i++)
            if (w->lanes[i].used < w->lanes[at].used)
                at = i;
        lane_dispose(&w->lanes[at]);
    } else {
        w->n_lanes++;
    }
    w->lanes[at] = fresh;
    w->lane = &w->lanes[at];
    w->wasted = 0;
    return EDN_OK;
}

static void lane_take(edn_walker *w, uint32_t agent)
{
    walk_lane *lane = &w->lanes[0];

    if (w->lane->agent != agent) {
        for (uint32_t i = 1; i < w->n_lanes; i++)
            if (w->lanes[i].agent == agent)
                lane = &w->lanes[i];
        if (lane != w->lane)
            w->finger = NONE;
        w->lane = lane;
    }
    w->lane->used = ++w->clock;
}

/* Prepare becomes the version that an agent wrote its next event on. */
static edn_status lane_move(edn_walker *w, uint32_t agent, const edn_lv *to, uint32_t n)
{
    uint64_t before = w->moves;
    edn_status st = EDN_OK;

    if (version_equal(w->lane->version, w->lane->n_version, to, n))
        return EDN_OK;
    if (w->lane == w->lanes && w->wasted > w->lane_worth + w->leaf_worth * w->n_leaves)
        st = lane_open(w, agent);
    if (st == EDN_OK)
        st = prepare_move(w, to, n);
    if (w->lane == w->lanes && w->retreat.n)
        w->wasted += w->moves - before;
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
    lane_take(w, g->agent);
    by_effect = version_equal(par, n_par, w->effect, w->n_effect) &&
                (w->hold || !version_equal(par, n_par, w->lane->version, w->lane->n_version));
    if (!by_effect)
        st = lane_move(w, g->agent, par, n_par);
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
    if (!by_effect && !version_set(&w->lane->version, &w->lane->n_version, &w->lane->cap_version, &last, 1))
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
    walk_rec all = {ID_BASE, ENDLESS, ID_START, ID_END, 0, 0};

    w->index.spare = NONE;
    if (!EDN_VEC_ROOM(w->lanes, w->cap_lanes, 1))
        return false;
    w->lanes[0] = (walk_lane){.agent = NONE};
    w->n_lanes = 1;
    w->lane = w->lanes;
    if (!tree_room(w))
        return false;
    w->n_leaves = 1;
    w->leaves[0] = (walk_leaf){.parent = NONE, .next = NONE, .prev = NONE};
    w->root = node_new(w, 1);
    node_insert(w, w->root, 0, 0, (walk_sums){0, 0});
    w->base_len = ENDLESS;
    w->leaves[0].r[0] = all;
    w->leaves[0].n = 1;
    *state_of(w, 0, 0) = 1;
    sums_up(w, 0, rec_sums(&all));
    lane_sums_up(w, w->lane, 0, lane_sums_of(1, ENDLESS));
    if (w->from == 0)
        return true;
    {
        edn_lv last = w->from - 1;
        return version_set(&w->lane->version, &w->lane->n_version, &w->lane->cap_version, &last, 1) &&
               version_set(&w->effect, &w->n_effect, &w->cap_effect, &last, 1);
    }
}

/* Cuts the end of the beginning off, so that effect has `length` characters. Every lane has seen it. */
static edn_status walker_trim(edn_walker *w, uint32_t length)
{
    uint32_t end, cut = w->total.end - length;
    walk_at at;
    walk_rec *r;

    if (w->total.end < length)
        return EDN_E_FORMAT;
    at = find_by(w, BY_BASE, ENDLESS - 1, &end);
    r = &w->leaves[at.leaf].r[at.i];
    if (r->gone || *state_of(w, at.leaf, at.i) != 1 || r->len < cut)
        return EDN_E_FORMAT;
    r->len -= cut;
    sums_up(w, at.leaf, (walk_sums){0 - cut, 0 - cut});
    for (uint32_t i = 0; i < w->n_lanes; i++)
        lane_sums_up(w, &w->lanes[i], at.leaf, (lane_sums){0 - cut, 0 - cut});
    if (r->len == 0)
        rec_drop(w, at.leaf, at.i);
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
    w->lane_worth = LANE_WORTH;
    w->leaf_worth = LANE_WORTH_LEAF;
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
void edn_walker_lanes(edn_walker *w) { w->lane_worth = w->leaf_worth = 0; }

void edn_walker_free(edn_walker *w)
{
    if (!w)
        return;
    free(w->leaves);
    free(w->nodes);
    free(w->index.pages);
    free(w->index.blocks);
    free(w->dels);
    for (uint32_t i = 0; i < w->n_lanes; i++)
        lane_dispose(&w->lanes[i]);
    free(w->lanes);
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
           w->index.cap_blocks * sizeof *w->index.blocks + w->index.cap_pages * sizeof *w->index.pages +
           w->n_lanes * (w->room_leaves * sizeof(lane_leaf) + w->room_nodes * sizeof(lane_node));
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
    const walk_rec *r = &w->leaves[at.leaf].r[at.i];

    return (edn_walk_spot){EDN_MIN(len, r->len - at.off), end_before(w, at) + (r->gone ? 0 : at.off), r->gone};
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
        edn_walk_seen run = {r->id & ID_BASE ? EDN_LV_NONE : r->id, r->len,
                             in_prepare ? *state_of(w, at.leaf, at.i) == 1 : !r->gone, !r->gone};
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
