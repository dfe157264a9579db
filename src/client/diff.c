/* The difference of two texts, in three steps that each cost little:
 *
 *     1  what both texts begin and end with is set apart (all there is to do for one edit, in one pass over the bytes);
 *     2  what is left is cut into words and compared word by word: Myers' greedy walk, given up after DISTANCE_MAX steps;
 *     3  where that was given up, words that stand exactly once on both sides, in the same order, are anchors (patience diff), and the parts
 *        between them are compared again; a part without anchors is replaced as a whole.
 *
 * A replaced word is trimmed again by what its two forms share, so a mended letter is an edit of a letter. */
#include "diff.h"

#include <stdlib.h>

#define DISTANCE_MAX 400
#define DEPTH_MAX 24u

typedef struct token {
    uint64_t hash;
    uint32_t n; /* bytes */
    size_t at;
} token;

typedef struct tokens {
    const uint8_t *text;
    token *p;
    size_t n, cap;
} tokens;

/* a[a0, a1) became b[b0, b1), in bytes. */
typedef struct hunk {
    size_t a0, a1, b0, b1;
} hunk;

typedef struct hunks {
    hunk *p;
    size_t n, cap;
} hunks;

typedef struct differ {
    edn_bytes a, b;
    tokens ta, tb;
    hunks out;
} differ;

/* ---- words ------------------------------------------------------------------------------------------------------------------- */

enum { CLASS_SPACE, CLASS_WORD, CLASS_OTHER };

static int class_of(uint8_t c)
{
    if (c == ' ' || c == '\t')
        return CLASS_SPACE;
    if (c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '\'')
        return CLASS_WORD;
    return CLASS_OTHER;
}

/* The end of the token at `at`: a run of letters and digits, a run of blanks, or one other byte. Scripts that write without blanks are cut
 * character by character. */
static size_t token_end(edn_bytes s, size_t at, size_t end)
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

static edn_status tokenize(edn_bytes s, size_t from, size_t to, tokens *out)
{
    out->text = s.p;
    while (from < to) {
        size_t end = token_end(s, from, to);
        if (out->n == out->cap) {
            size_t cap = out->cap ? 2 * out->cap : 256;
            token *p = realloc(out->p, cap * sizeof *p);
            if (!p)
                return EDN_E_NOMEM;
            out->p = p;
            out->cap = cap;
        }
        out->p[out->n++] = (token){edn_table_hash(s.p + from, end - from, 0), (uint32_t)(end - from), from};
        from = end;
    }
    return EDN_OK;
}

static bool same(const differ *d, size_t i, size_t j)
{
    const token *x = &d->ta.p[i], *y = &d->tb.p[j];
    return x->hash == y->hash && x->n == y->n && memcmp(d->a.p + x->at, d->b.p + y->at, x->n) == 0;
}

/* ---- hunks ------------------------------------------------------------------------------------------------------------------- */

static size_t byte_at(const tokens *t, size_t i, size_t end) { return i < t->n ? t->p[i].at : end; }

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

static edn_status add_hunk(differ *d, size_t a0, size_t a1, size_t b0, size_t b1)
{
    edn_bytes a = edn_bytes_of(d->a.p + a0, a1 - a0), b = edn_bytes_of(d->b.p + b0, b1 - b0);
    size_t k = common_prefix(a, b);
    hunk *last = d->out.n ? &d->out.p[d->out.n - 1] : NULL;

    a = edn_bytes_of(a.p + k, a.n - k);
    b = edn_bytes_of(b.p + k, b.n - k);
    a0 += k;
    b0 += k;
    k = common_suffix(a, b);
    a1 -= k;
    b1 -= k;
    if (a0 == a1 && b0 == b1)
        return EDN_OK;
    if (last && last->a1 == a0 && last->b1 == b0) {
        last->a1 = a1;
        last->b1 = b1;
        return EDN_OK;
    }
    if (d->out.n == d->out.cap) {
        size_t cap = d->out.cap ? 2 * d->out.cap : 32;
        hunk *p = realloc(d->out.p, cap * sizeof *p);
        if (!p)
            return EDN_E_NOMEM;
        d->out.p = p;
        d->out.cap = cap;
    }
    d->out.p[d->out.n++] = (hunk){a0, a1, b0, b1};
    return EDN_OK;
}

/* The region of `t` that ends where token `end` begins: `stop` is the end of what was cut into tokens. */
typedef struct region {
    size_t a0, a1, b0, b1; /* tokens */
} region;

static size_t stop_a(const differ *d) { return d->ta.n ? d->ta.p[d->ta.n - 1].at + d->ta.p[d->ta.n - 1].n : 0; }
static size_t stop_b(const differ *d) { return d->tb.n ? d->tb.p[d->tb.n - 1].at + d->tb.p[d->tb.n - 1].n : 0; }

static edn_status replace_tokens(differ *d, size_t a0, size_t a1, size_t b0, size_t b1, size_t a_end, size_t b_end)
{
    size_t from_a = byte_at(&d->ta, a0, a_end), to_a = byte_at(&d->ta, a1, a_end);
    size_t from_b = byte_at(&d->tb, b0, b_end), to_b = byte_at(&d->tb, b1, b_end);

    return add_hunk(d, from_a, EDN_MAX(from_a, to_a), from_b, EDN_MAX(from_b, to_b));
}

/* ---- Myers ---------------------------------------------------------------------------------------------------------------------- */

/* `trace` keeps, for every distance, how far each diagonal had come: row D begins at D * (D + 1) / 2 + D and has 2 D + 1
 * cells, of which every other one is used. */
static size_t trace_row(int distance) { return (size_t)distance * (size_t)distance; }

static bool myers_walk(const differ *d, const region *r, int32_t *trace, int *distance)
{
    int32_t n = (int32_t)(r->a1 - r->a0), m = (int32_t)(r->b1 - r->b0);

    for (int dist = 0; dist <= DISTANCE_MAX; dist++) {
        int32_t *row = trace + trace_row(dist);
        const int32_t *before = dist ? trace + trace_row(dist - 1) : NULL;
        for (int k = -dist; k <= dist; k += 2) {
            int32_t x = 0, y;
            if (dist > 0) {
                bool down = k == -dist || (k != dist && before[k - 1 + dist - 1] < before[k + 1 + dist - 1]);
                x = down ? before[k + 1 + dist - 1] : before[k - 1 + dist - 1] + 1;
            }
            y = x - k;
            while (x < n && y < m && y >= 0 && same(d, r->a0 + (size_t)x, r->b0 + (size_t)y)) {
                x++;
                y++;
            }
            row[k + dist] = x;
            if (x >= n && y >= m) {
                *distance = dist;
                return true;
            }
        }
    }
    return false;
}

typedef struct step {
    int32_t x0, y0, x1, y1;
} step;

/* Back along the trace; steps come out last first. */
static size_t myers_steps(const region *r, const int32_t *trace, int distance, step *steps)
{
    int32_t x = (int32_t)(r->a1 - r->a0), y = (int32_t)(r->b1 - r->b0);
    size_t n = 0;

    for (int dist = distance; dist > 0; dist--) {
        const int32_t *before = trace + trace_row(dist - 1);
        int k = x - y;
        bool down = k == -dist || (k != dist && before[k - 1 + dist - 1] < before[k + 1 + dist - 1]);
        int from = down ? k + 1 : k - 1;
        int32_t px = before[from + dist - 1], py = px - from;
        steps[n++] = (step){px, py, down ? px : px + 1, down ? py + 1 : py};
        x = px;
        y = py;
    }
    return n;
}

/* EDN_E_LIMIT: the two sides are too far apart. */
static edn_status myers(differ *d, const region *r, size_t a_end, size_t b_end)
{
    int32_t *trace = malloc(trace_row(DISTANCE_MAX + 1) * sizeof *trace);
    step *steps = malloc((DISTANCE_MAX + 1) * sizeof *steps);
    int distance = 0;
    edn_status st = EDN_E_LIMIT;

    if (!trace || !steps) {
        st = EDN_E_NOMEM;
    } else if (myers_walk(d, r, trace, &distance)) {
        size_t n = myers_steps(r, trace, distance, steps);
        st = EDN_OK;
        while (st == EDN_OK && n > 0) { /* neighbouring steps are one replacement */
            step s = steps[--n];
            while (n > 0 && steps[n - 1].x0 == s.x1 && steps[n - 1].y0 == s.y1) {
                n--;
                s.x1 = steps[n].x1;
                s.y1 = steps[n].y1;
            }
            st = replace_tokens(d, r->a0 + (size_t)s.x0, r->a0 + (size_t)s.x1, r->b0 + (size_t)s.y0,
                                r->b0 + (size_t)s.y1, a_end, b_end);
        }
    }
    free(trace);
    free(steps);
    return st;
}

/* ---- anchors ----------------------------------------------------------------------------------------------------------------------- */

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

/* The longest run of anchors that rises on both sides: patience sorting with back links. Kept at the front of `list`. */
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

static edn_status compare(differ *d, region r, size_t a_end, size_t b_end, unsigned depth);

static edn_status split(differ *d, const region *r, size_t a_end, size_t b_end, unsigned depth)
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
    if (n > 0 && depth < DEPTH_MAX)
        st = rising(table, &n);
    if (st == EDN_OK && (n == 0 || depth >= DEPTH_MAX)) {
        st = replace_tokens(d, r->a0, r->a1, r->b0, r->b1, a_end, b_end);
        n = 0;
        part.a0 = part.a1;
        part.b0 = part.b1;
    }
    for (size_t i = 0; st == EDN_OK && i < n; i++) {
        st = compare(d, (region){part.a0, table[i].a, part.b0, table[i].b}, a_end, b_end, depth + 1);
        part.a0 = table[i].a + 1;
        part.b0 = table[i].b + 1;
    }
    if (st == EDN_OK && n > 0)
        st = compare(d, part, a_end, b_end, depth + 1);
    free(table);
    return st;
}

static edn_status compare(differ *d, region r, size_t a_end, size_t b_end, unsigned depth)
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
    if (r.a0 == r.a1 || r.b0 == r.b1)
        return r.a0 == r.a1 && r.b0 == r.b1 ? EDN_OK : replace_tokens(d, r.a0, r.a1, r.b0, r.b1, a_end, b_end);
    if (r.a1 - r.a0 > INT32_MAX / 2 || r.b1 - r.b0 > INT32_MAX / 2)
        return replace_tokens(d, r.a0, r.a1, r.b0, r.b1, a_end, b_end);
    st = myers(d, &r, a_end, b_end);
    return st == EDN_E_LIMIT ? split(d, &r, a_end, b_end, depth) : st;
}

/* ---- the whole ------------------------------------------------------------------------------------------------------------------------ */

static void differ_dispose(differ *d)
{
    free(d->ta.p);
    free(d->tb.p);
    free(d->out.p);
}

static edn_status find_hunks(differ *d)
{
    size_t prefix = common_prefix(d->a, d->b), suffix, a_end, b_end;
    edn_bytes rest_a = edn_bytes_of(d->a.p + prefix, d->a.n - prefix),
              rest_b = edn_bytes_of(d->b.p + prefix, d->b.n - prefix);
    edn_status st;

    suffix = common_suffix(rest_a, rest_b);
    a_end = d->a.n - suffix;
    b_end = d->b.n - suffix;
    if (prefix == a_end || prefix == b_end)
        return add_hunk(d, prefix, a_end, prefix, b_end);
    if ((st = tokenize(d->a, prefix, a_end, &d->ta)) != EDN_OK ||
        (st = tokenize(d->b, prefix, b_end, &d->tb)) != EDN_OK)
        return st;
    return compare(d, (region){0, d->ta.n, 0, d->tb.n}, stop_a(d), stop_b(d), 0);
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
