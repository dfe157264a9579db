/* The difference of two texts, from coarse to fine:
 *
 *     1  what both begin and end with is set apart: all that there is to do for one edit, in one pass over the bytes;
 *     2  if much is left, it is cut into lines (a long one into pieces where its own bytes say so) and compared line by
 *        line, so that changes far apart cost nothing for what lies between them;
 *     3  each part that changed is cut into words and compared word by word; a replaced word is trimmed by what its two
 *        forms share, so a mended letter is an edit of a letter.
 *
 * Two sequences are compared by Myers' greedy walk. One walk goes some hundred steps; if it found at least as much in
 * common as not, the first three quarters of its best path are taken and the next walk begins there. If it did not,
 * words that stand exactly once on both sides, in the same order, are anchors (patience diff), and the parts between
 * them are compared by themselves; a part without anchors is replaced as a whole. So time is linear in the text, with a
 * factor that those steps bound, and memory is a share of it. */
#include "client/diary/diff.h"

#include <stdlib.h>

#define DISTANCE_MAX 400
#define DISTANCE_LEAST 64
#define WALK_MAX ((size_t)1 << 24) /* tokens times distance: what a walk may cost where all looks alike */
#define DEPTH_MAX 24u
#define LINES_FROM ((size_t)32768)    /* bytes on both sides from which lines are compared first */
#define WORDS_UP_TO ((size_t)8 << 20) /* bytes on both sides up to which words are compared at all */
#define LINE_SIZE 256u                /* from which a line is cut where a hash of its last bytes says so… */
#define LINE_SIZE_MAX 4096u           /* …and anywhere */

typedef struct token {
    uint64_t hash;
    size_t at;
    uint32_t n; /* bytes */
} token;

typedef struct tokens {
    token *p;
    size_t n, cap;
    size_t end; /* where the last one ends */
} tokens;

/* a[a0, a1) became b[b0, b1), in bytes. */
typedef struct hunk {
    size_t a0, a1, b0, b1;
} hunk;

typedef struct hunks {
    hunk *p;
    size_t n, cap;
} hunks;

typedef struct step {
    int32_t x0, y0, x1, y1;
} step;

typedef struct differ {
    edn_bytes a, b;
    tokens ta, tb;  /* of the part at hand */
    int32_t *trace; /* of a walk: see trace_row */
    step *steps;
    hunks out;
} differ;

/* ---- hunks ------------------------------------------------------------------------------------------------------- */

static size_t common_prefix(edn_bytes a, edn_bytes b)
{
    size_t n = EDN_MIN(a.n, b.n), i = 0;

    for (; n - i >= 8; i += 8) {
        uint64_t x, y;
        memcpy(&x, a.p + i, 8);
        memcpy(&y, b.p + i, 8);
        if (x != y)
            break;
    }
    while (i < n && a.p[i] == b.p[i])
        i++;
    /* Back to where a character begins on both sides. */
    while (i > 0 && ((i < a.n && (a.p[i] & 0xc0) == 0x80) || (i < b.n && (b.p[i] & 0xc0) == 0x80)))
        i--;
    return i;
}

static size_t common_suffix(edn_bytes a, edn_bytes b)
{
    size_t n = EDN_MIN(a.n, b.n), i = 0;

    for (; n - i >= 8; i += 8) {
        uint64_t x, y;
        memcpy(&x, a.p + a.n - i - 8, 8);
        memcpy(&y, b.p + b.n - i - 8, 8);
        if (x != y)
            break;
    }
    while (i < n && a.p[a.n - 1 - i] == b.p[b.n - 1 - i])
        i++;
    while (i > 0 && (a.p[a.n - i] & 0xc0) == 0x80)
        i--;
    return i;
}

/* Takes from both ends of a hunk what its sides have in common. */
static void trim(const differ *d, hunk *h)
{
    size_t n = common_prefix(edn_bytes_of(d->a.p + h->a0, h->a1 - h->a0), edn_bytes_of(d->b.p + h->b0, h->b1 - h->b0));

    h->a0 += n;
    h->b0 += n;
    n = common_suffix(edn_bytes_of(d->a.p + h->a0, h->a1 - h->a0), edn_bytes_of(d->b.p + h->b0, h->b1 - h->b0));
    h->a1 -= n;
    h->b1 -= n;
}

/* Adds a hunk behind the others, or makes the last one longer. */
static edn_status add_hunk(differ *d, hunk h)
{
    hunks *out = &d->out;
    hunk *last = out->n ? &out->p[out->n - 1] : NULL;

    trim(d, &h);
    if (h.a0 == h.a1 && h.b0 == h.b1)
        return EDN_OK;
    if (last && last->a1 == h.a0 && last->b1 == h.b0) {
        last->a1 = h.a1;
        last->b1 = h.b1;
        return EDN_OK;
    }
    if (!edn_array_room(&out->p, &out->cap, out->n + 1, sizeof *out->p))
        return EDN_E_NOMEM;
    out->p[out->n++] = h;
    return EDN_OK;
}

/* ---- words and lines --------------------------------------------------------------------------------------------- */

typedef size_t token_end_fn(edn_bytes s, size_t at, size_t end);

enum { CLASS_SPACE, CLASS_WORD, CLASS_OTHER };

static int class_of(uint8_t c)
{
    if (c == ' ' || c == '\t')
        return CLASS_SPACE;
    if (c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '\'')
        return CLASS_WORD;
    return CLASS_OTHER;
}

/* A run of letters and digits, a run of blanks, or one other byte. Scripts that write without blanks are cut character
 * by character. */
static size_t word_end(edn_bytes s, size_t at, size_t end)
{
    int class = class_of(s.p[at]);
    size_t i = at;

    if (class == CLASS_OTHER)
        return at + 1;
    while (i < end && class_of(s.p[i]) == class) {
        if (s.p[i] >= 0xe0) { /* three bytes and more: most of these are not alphabets */
            size_t next = i;
            if (i > at)
                return i;
            (void)edn_utf8_next(s, &next); /* only moves `next` */
            return EDN_MIN(next, end);
        }
        i++;
    }
    return i;
}

/* A line with its line feed. In a long one, the place to cut is where a hash of the 64 bytes before it has six zero
 * bits, so that it moves with them when something is inserted further up. */
static size_t line_end(edn_bytes s, size_t at, size_t end)
{
    size_t first = EDN_MIN(end, at + LINE_SIZE), last = EDN_MIN(end, at + LINE_SIZE_MAX), i;
    const uint8_t *feed = memchr(s.p + at, '\n', first - at);
    uint64_t h = 0;

    if (feed)
        return (size_t)(feed - s.p) + 1;
    for (i = first - EDN_MIN(first - at, (size_t)64); i < end; i++) {
        if (i >= first && (s.p[i] & 0xc0) != 0x80 && (h >> 58 == 0 || i >= last))
            break;
        h = (h << 1) + (s.p[i] + 1u) * 0x9e3779b97f4a7c15u;
        if (s.p[i] == '\n')
            return i + 1;
    }
    return i;
}

static edn_status tokenize(edn_bytes s, size_t from, size_t to, token_end_fn *token_end, tokens *out)
{
    out->n = 0;
    out->end = to;
    while (from < to) {
        size_t end = token_end(s, from, to);
        if (!edn_array_room(&out->p, &out->cap, out->n + 1, sizeof *out->p))
            return EDN_E_NOMEM;
        out->p[out->n++] = (token){edn_table_hash(s.p + from, end - from, 0), from, (uint32_t)(end - from)};
        from = end;
    }
    return EDN_OK;
}

static bool same(const differ *d, size_t i, size_t j)
{
    const token *x = &d->ta.p[i], *y = &d->tb.p[j];

    return x->hash == y->hash && x->n == y->n && memcmp(d->a.p + x->at, d->b.p + y->at, x->n) == 0;
}

static size_t byte_at(const tokens *t, size_t i) { return i < t->n ? t->p[i].at : t->end; }

/* Tokens [a0, a1) and [b0, b1) of both sides. */
typedef struct region {
    size_t a0, a1, b0, b1;
} region;

static edn_status replace(differ *d, region r)
{
    return add_hunk(d,
                    (hunk){byte_at(&d->ta, r.a0), byte_at(&d->ta, r.a1), byte_at(&d->tb, r.b0), byte_at(&d->tb, r.b1)});
}

/* ---- Myers ------------------------------------------------------------------------------------------------------- */

/* The trace keeps, for every distance, how far each diagonal had come: row D has 2 D + 1 cells, of which every other
 * one is used, and begins where the rows before it, 1 + 3 + … + (2 D - 1) = D * D cells, end. */
static size_t trace_row(int distance) { return (size_t)distance * (size_t)distance; }

/* Whether the way to diagonal k at distance `dist` came from above (an insertion). */
static bool came_down(const int32_t *before, int dist, int k)
{
    return k == -dist || (k != dist && before[k - 1 + dist - 1] < before[k + 1 + dist - 1]);
}

/* How far a walk goes: in long sequences less, as each of its diagonals may run through all of them. */
static int distance_max(const region *r)
{
    size_t n = r->a1 - r->a0 + r->b1 - r->b0;

    if (n <= WALK_MAX / DISTANCE_MAX)
        return DISTANCE_MAX;
    return EDN_MAX((int)(WALK_MAX / n), DISTANCE_LEAST);
}

/* Walks until the end of both sides, or to distance `max`. Sets where it came to: the end, or the farthest point. */
static void walk(const differ *d, const region *r, int max, int *distance, int *diagonal)
{
    int32_t n = (int32_t)(r->a1 - r->a0), m = (int32_t)(r->b1 - r->b0), best = 0;

    for (int dist = 0; dist <= max; dist++) {
        int32_t *row = d->trace + trace_row(dist);
        const int32_t *before = dist ? d->trace + trace_row(dist - 1) : NULL;
        for (int k = -dist; k <= dist; k += 2) {
            bool down = dist > 0 && came_down(before, dist, k);
            int32_t x = dist == 0 ? 0 : down ? before[k + 1 + dist - 1] : before[k - 1 + dist - 1] + 1, y = x - k;
            while (x < n && y < m && y >= 0 && same(d, r->a0 + (size_t)x, r->b0 + (size_t)y)) {
                x++;
                y++;
            }
            row[k + dist] = x;
            if (x > n || y > m)
                continue; /* outside; kept in the trace since its neighbours look at it */
            if (x + y >= best) {
                best = x + y;
                *distance = dist;
                *diagonal = k;
            }
            if (x == n && y == m)
                return;
        }
    }
}

/* Back along the trace from a point; steps come out last first. */
static size_t walk_back(const differ *d, int distance, int diagonal)
{
    int32_t x = d->trace[trace_row(distance) + (size_t)(diagonal + distance)], y = x - diagonal;
    size_t n = 0;

    for (int dist = distance; dist > 0; dist--) {
        const int32_t *before = d->trace + trace_row(dist - 1);
        int k = x - y;
        bool down = came_down(before, dist, k);
        int from = down ? k + 1 : k - 1;
        int32_t px = before[from + dist - 1], py = px - from;
        d->steps[n++] = (step){px, py, down ? px : px + 1, down ? py + 1 : py};
        x = px;
        y = py;
    }
    return n;
}

/* Adds the last `n` steps as hunks; neighbouring ones are one replacement. */
static edn_status take_steps(differ *d, const region *r, size_t from, size_t n)
{
    edn_status st = EDN_OK;

    while (st == EDN_OK && n > from) {
        step s = d->steps[--n];
        while (n > from && d->steps[n - 1].x0 == s.x1 && d->steps[n - 1].y0 == s.y1) {
            n--;
            s.x1 = d->steps[n].x1;
            s.y1 = d->steps[n].y1;
        }
        st = replace(d,
                     (region){r->a0 + (size_t)s.x0, r->a0 + (size_t)s.x1, r->b0 + (size_t)s.y0, r->b0 + (size_t)s.y1});
    }
    return st;
}

static edn_status make_room(differ *d)
{
    if (!d->trace)
        d->trace = malloc(trace_row(DISTANCE_MAX + 1) * sizeof *d->trace);
    if (!d->steps)
        d->steps = malloc(DISTANCE_MAX * sizeof *d->steps);
    return d->trace && d->steps ? EDN_OK : EDN_E_NOMEM;
}

/* Moves *r behind what could be compared: to its end, or to where the two sides have too little in common. */
static edn_status myers(differ *d, region *r)
{
    edn_status st = make_room(d);

    while (st == EDN_OK && (r->a0 < r->a1 || r->b0 < r->b1)) {
        int max = distance_max(r), kept = max / 4 * 3, distance = 0, diagonal = 0;
        size_t n, keep = 0;
        int32_t x, y;
        walk(d, r, max, &distance, &diagonal);
        x = d->trace[trace_row(distance) + (size_t)(diagonal + distance)];
        y = x - diagonal;
        n = walk_back(d, distance, diagonal);
        if (r->a0 + (size_t)x < r->a1 || r->b0 + (size_t)y < r->b1) {
            if (x + y < 3 * distance || distance <= kept) /* (x + y - distance) / 2 tokens are common */
                break;
            keep = (size_t)(distance - kept);
            x = d->steps[keep].x1;
            y = d->steps[keep].y1;
        }
        st = take_steps(d, r, keep, n);
        r->a0 += (size_t)x;
        r->b0 += (size_t)y;
    }
    return st;
}

/* ---- anchors ----------------------------------------------------------------------------------------------------- */

/* A token of the region: where it stands on each side, and how often. */
typedef struct once {
    uint64_t hash;
    size_t a, b;
    uint32_t a_count, b_count;
    bool used;
} once;

static once *once_slot(once *table, size_t mask, uint64_t hash)
{
    size_t i = (size_t)hash & mask;

    while (table[i].used && table[i].hash != hash)
        i = (i + 1) & mask;
    return &table[i];
}

static int by_a(const void *x, const void *y)
{
    size_t a = ((const once *)x)->a, b = ((const once *)y)->a;
    return (a > b) - (a < b);
}

/* Tokens that stand once on both sides, by their place in `a`; compacted to the front of the table. */
static size_t collect_once(const differ *d, const region *r, once *table, size_t mask)
{
    size_t n = 0;

    for (size_t i = r->a0; i < r->a1; i++) {
        once *o = once_slot(table, mask, d->ta.p[i].hash);
        *o = (once){d->ta.p[i].hash, i, o->b, o->a_count + 1, o->b_count, true};
    }
    for (size_t j = r->b0; j < r->b1; j++) {
        once *o = once_slot(table, mask, d->tb.p[j].hash);
        *o = (once){d->tb.p[j].hash, o->a, j, o->a_count, o->b_count + 1, true};
    }
    for (size_t i = 0; i <= mask; i++)
        if (table[i].used && table[i].a_count == 1 && table[i].b_count == 1 && same(d, table[i].a, table[i].b))
            table[n++] = table[i];
    qsort(table, n, sizeof *table, by_a);
    return n;
}

/* The longest run of anchors that rises on both sides: patience sorting with back links. Kept at the front of
 * `list`. */
static edn_status rising(once *list, size_t *n)
{
    size_t *pile = malloc(*n * sizeof *pile), *link = malloc(*n * sizeof *link), piles = 0, at;

    if (!pile || !link) {
        free(pile);
        free(link);
        return EDN_E_NOMEM;
    }
    for (size_t i = 0; i < *n; i++) {
        size_t lo = 0, hi = piles;
        while (lo < hi) {
            size_t mid = (lo + hi) / 2;
            if (list[pile[mid]].b < list[i].b)
                lo = mid + 1;
            else
                hi = mid;
        }
        link[i] = lo ? pile[lo - 1] : SIZE_MAX;
        pile[lo] = i;
        if (lo == piles)
            piles++;
    }
    at = piles ? pile[piles - 1] : SIZE_MAX;
    for (size_t k = piles; k > 0; k--) { /* from the last: indexes fall, so nothing is overwritten before it is read */
        pile[k - 1] = at;
        at = link[at];
    }
    for (size_t k = 0; k < piles; k++)
        list[k] = list[pile[k]];
    *n = piles;
    free(pile);
    free(link);
    return EDN_OK;
}

static edn_status compare(differ *d, region r, unsigned depth);

/* Compares the parts between anchors. EDN_E_MISSING: there is none. */
static edn_status split(differ *d, const region *r, unsigned depth)
{
    size_t size = 64, n;
    once *table;
    region part = *r;
    edn_status st = EDN_OK;

    while (size < 2 * (r->a1 - r->a0 + r->b1 - r->b0))
        size *= 2;
    table = calloc(size, sizeof *table);
    if (!table)
        return EDN_E_NOMEM;
    n = collect_once(d, r, table, size - 1);
    st = n ? rising(table, &n) : EDN_E_MISSING;
    for (size_t i = 0; st == EDN_OK && i < n; i++) {
        part.a1 = table[i].a;
        part.b1 = table[i].b;
        st = compare(d, part, depth + 1);
        part.a0 = table[i].a + 1;
        part.b0 = table[i].b + 1;
    }
    part.a1 = r->a1;
    part.b1 = r->b1;
    if (st == EDN_OK)
        st = compare(d, part, depth + 1);
    free(table);
    return st;
}

static edn_status compare(differ *d, region r, unsigned depth)
{
    edn_status st;

    while (r.a0 < r.a1 && r.b0 < r.b1 && same(d, r.a0, r.b0)) {
        r.a0++;
        r.b0++;
    }
    while (r.a0 < r.a1 && r.b0 < r.b1 && same(d, r.a1 - 1, r.b1 - 1)) {
        r.a1--;
        r.b1--;
    }
    if (r.a0 == r.a1 || r.b0 == r.b1 || r.a1 - r.a0 > INT32_MAX / 2 || r.b1 - r.b0 > INT32_MAX / 2)
        return replace(d, r);
    st = myers(d, &r);
    if (st != EDN_OK || (r.a0 == r.a1 && r.b0 == r.b1))
        return st;
    st = depth < DEPTH_MAX ? split(d, &r, depth) : EDN_E_MISSING;
    return st == EDN_E_MISSING ? replace(d, r) : st;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static void differ_dispose(differ *d)
{
    free(d->ta.p);
    free(d->tb.p);
    free(d->trace);
    free(d->steps);
    free(d->out.p);
}

/* Adds the hunks between two parts, compared by words or by lines. */
static edn_status compare_by(differ *d, const hunk *part, token_end_fn *token_end)
{
    edn_status st;

    if ((st = tokenize(d->a, part->a0, part->a1, token_end, &d->ta)) != EDN_OK ||
        (st = tokenize(d->b, part->b0, part->b1, token_end, &d->tb)) != EDN_OK)
        return st;
    return compare(d, (region){0, d->ta.n, 0, d->tb.n}, 0);
}

static size_t size_of(const hunk *h) { return h->a1 - h->a0 + h->b1 - h->b0; }

static edn_status find_hunks(differ *d)
{
    hunk whole = {0, d->a.n, 0, d->b.n};
    hunks lines = {0};
    edn_status st = EDN_OK;

    trim(d, &whole);
    if (whole.a0 == whole.a1 || whole.b0 == whole.b1)
        return add_hunk(d, whole);
    if (size_of(&whole) < LINES_FROM)
        return compare_by(d, &whole, word_end);
    st = compare_by(d, &whole, line_end);
    lines = d->out;
    d->out = (hunks){0};
    for (size_t i = 0; st == EDN_OK && i < lines.n; i++) {
        const hunk *h = &lines.p[i];
        bool words = h->a0 < h->a1 && h->b0 < h->b1 && size_of(h) <= WORDS_UP_TO;
        st = words ? compare_by(d, h, word_end) : add_hunk(d, *h);
    }
    free(lines.p);
    return st;
}

edn_status edn_diff(edn_bytes from, edn_bytes to, edn_diff_fn *fn, void *ctx)
{
    differ d = {.a = from, .b = to};
    size_t at = 0, pos = 0; /* in `from`: bytes, and scalars of the text as it is becoming */
    edn_status st = find_hunks(&d);

    for (size_t i = 0; st == EDN_OK && i < d.out.n; i++) {
        const hunk *h = &d.out.p[i];
        edn_diff_edit e = {.inserted = edn_bytes_of(to.p + h->b0, h->b1 - h->b0)};
        pos += edn_utf8_count(edn_bytes_of(from.p + at, h->a0 - at));
        e.pos = pos;
        e.deleted = edn_utf8_count(edn_bytes_of(from.p + h->a0, h->a1 - h->a0));
        pos += edn_utf8_count(e.inserted);
        at = h->a1;
        st = fn(ctx, &e);
    }
    differ_dispose(&d);
    return st;
}

static bool same_change(const differ *x, const hunk *h, const differ *y, const hunk *k)
{
    return h->a0 == k->a0 && h->a1 == k->a1 && h->b1 - h->b0 == k->b1 - k->b0 &&
           (h->b1 == h->b0 || memcmp(x->b.p + h->b0, y->b.p + k->b0, h->b1 - h->b0) == 0);
}

edn_status edn_diff_merge(edn_bytes base, edn_bytes ours, edn_bytes theirs, edn_buf *out)
{
    differ o = {.a = base, .b = ours}, t = {.a = base, .b = theirs};
    size_t at = 0, gone = 0, i = 0, j = 0; /* `gone`: up to where the base is deleted by what was met so far */
    edn_status st = find_hunks(&o);

    if (st == EDN_OK)
        st = find_hunks(&t);
    while (st == EDN_OK) {
        const hunk *h = i < o.out.n ? &o.out.p[i] : NULL, *k = j < t.out.n ? &t.out.p[j] : NULL;
        size_t next = EDN_MIN(h ? h->a0 : base.n, k ? k->a0 : base.n), from = EDN_MAX(at, gone);
        if (from < next)
            edn_put_bytes(out, base.p + from, next - from);
        at = EDN_MAX(at, next);
        if (h && k && h->a0 == next && same_change(&o, h, &t, k))
            j++; /* both did the same: once is enough */
        if (h && h->a0 == next) {
            edn_put_bytes(out, ours.p + h->b0, h->b1 - h->b0);
            gone = EDN_MAX(gone, h->a1);
            i++;
        } else if (k && k->a0 == next) {
            edn_put_bytes(out, theirs.p + k->b0, k->b1 - k->b0);
            gone = EDN_MAX(gone, k->a1);
            j++;
        } else {
            break;
        }
    }
    if (st == EDN_OK)
        st = edn_buf_status(out);
    differ_dispose(&o);
    differ_dispose(&t);
    return st;
}
