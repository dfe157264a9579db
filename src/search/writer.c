/* Writing a segment in one go, so that it never stands in memory as a whole.
 *
 * Four streams grow side by side: documents, terms, lists, positions. Each fills a page of its own; a full page goes
 * out as the next one of the segment, whichever stream it is of, and a byte of the map says which. What is left at
 * the end, the tail, is packed without regard to pages: the rests of the streams (each from a multiple of 16 on),
 * the first term of every leaf, the map, the footer. A small segment is all tail. */
#include "segment_priv.h"

#include <stdlib.h>

#include "search/accents.h"

struct writer {
    const edn_segment_doc *docs;
    uint32_t docs_n, terms, page;
    bool positions, accents;
    uint64_t length_sum;
    docs_layout layout;
    struct weighed {
        uint32_t length;
        float norm; /* 1 over impact_norm */
    } * weighed;    /* of each document, close together: each posting asks for it */
    edn_segment_out_fn *out;
    void *ctx;
    edn_buf streams[STREAM_COUNT];
    uint64_t sizes[STREAM_COUNT];
    edn_buf map, tops, tail;
    /* the leaf that is being made */
    edn_buf leaf;
    uint32_t leaf_n, leaf_lists, leaf_positions;
    uint8_t first[EDN_KEY_SIZE_MAX], last[EDN_KEY_SIZE_MAX];
    size_t first_n, last_n;
    /* the list that is being made */
    edn_buf table, blocks, bits;
    uint32_t leaves;
};

/* ---- postings ---------------------------------------------------------------------------------------------------- */

void postings_dispose(postings *l)
{
    free(l->docs);
    free(l->counts);
    free(l->positions);
    *l = (postings){0};
}

void postings_reset(postings *l) { l->n = l->positions_n = 0; }

static bool grow(uint32_t **v, size_t cap)
{
    uint32_t *more = realloc(*v, cap * sizeof *more);

    if (more)
        *v = more;
    return more != NULL;
}

bool postings_room(postings *l, size_t more)
{
    size_t cap;

    if (more <= l->cap - l->n)
        return true;
    cap = EDN_MAX(l->n + more, l->cap + l->cap / 2 + 256);
    if (!grow(&l->docs, cap) || !grow(&l->counts, cap))
        return false;
    l->cap = cap;
    return true;
}

bool postings_positions_room(postings *l, size_t more)
{
    size_t cap;

    if (more <= l->positions_cap - l->positions_n)
        return true;
    cap = EDN_MAX(l->positions_n + more, l->positions_cap + l->positions_cap / 2 + 256);
    if (!grow(&l->positions, cap))
        return false;
    l->positions_cap = cap;
    return true;
}

/* A posting on its way to its place: its document above, where it was below. */
typedef uint64_t order_item;

/* Merges the rising runs [from, mid) and [mid, to) into `out`. */
static void runs_merge(const order_item *v, size_t from, size_t mid, size_t to, order_item *out)
{
    size_t a = from, b = mid;

    for (size_t i = from; i < to; i++)
        out[i] = b == to || (a < mid && v[a] <= v[b]) ? v[a++] : v[b++];
}

static size_t run_end(const order_item *v, size_t at, size_t n)
{
    while (++at < n && v[at - 1] < v[at])
        continue;
    return EDN_MIN(at, n);
}

/* Sorts by merging what rises already: lists of several parts are a few long runs. Both arrays are used; returns the
 * sorted one. */
static order_item *order_merge(order_item *v, order_item *spare, size_t n)
{
    for (;;) {
        size_t at = 0, runs = 0;
        order_item *swap = v;
        while (at < n) {
            size_t mid = run_end(v, at, n), to = mid < n ? run_end(v, mid, n) : n;
            runs_merge(v, at, mid, to, spare);
            at = to;
            runs++;
        }
        v = spare;
        spare = swap;
        if (runs <= 1)
            return v;
    }
}

/* By insertion while nothing goes far: documents that came by date are in disorder within their days. False: they go
 * far; what is in `v` then are the same items in another order. */
static bool order_insert(order_item *v, size_t n)
{
    size_t moves = 0, moves_max = 8 * n;

    for (size_t i = 1; i < n; i++) {
        order_item one = v[i];
        size_t at = i;
        for (; at && v[at - 1] > one; at--)
            v[at] = v[at - 1];
        v[at] = one;
        if ((moves += i - at) > moves_max)
            return false;
    }
    return true;
}

/* `starts`: where the positions of each posting begin. */
static void postings_gather(const postings *l, const order_item *order, const uint32_t *starts, bool positions,
                            postings *to)
{
    postings_reset(to);
    for (size_t i = 0; i < l->n; i++) {
        uint32_t was = (uint32_t)order[i], count = l->counts[was];
        to->docs[to->n] = (uint32_t)(order[i] >> 32);
        to->counts[to->n++] = count;
        for (uint32_t k = 0; positions && k < count; k++)
            to->positions[to->positions_n++] = l->positions[starts[was] + k];
    }
}

bool postings_sort(postings *l, bool positions, postings *spare)
{
    order_item *order, *sorted;
    uint32_t *starts, sum = 0;
    size_t rising = 1;
    postings swap;

    while (rising < l->n && l->docs[rising - 1] < l->docs[rising])
        rising++;
    if (rising >= l->n)
        return true;
    postings_reset(spare);
    if (!postings_room(spare, l->n) || !postings_positions_room(spare, l->positions_n) ||
        !(order = malloc(l->n * (2 * sizeof *order + sizeof *starts))))
        return false;
    starts = (uint32_t *)(order + 2 * l->n);
    for (size_t i = 0; i < l->n; i++) {
        order[i] = (order_item)l->docs[i] << 32 | i;
        starts[i] = sum;
        sum += l->counts[i];
    }
    sorted = order_insert(order, l->n) ? order : order_merge(order, order + l->n, l->n);
    postings_gather(l, sorted, starts, positions, spare);
    free(order);
    swap = *l;
    *l = *spare;
    *spare = swap;
    return true;
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

static edn_status page_out(writer *w, edn_bytes bytes) { return w->out(w->ctx, w->page++, bytes); }

static edn_status stream_put(writer *w, stream_no no, const void *from, size_t n)
{
    edn_buf *b = &w->streams[no];
    const uint8_t *p = from;
    edn_status st;

    w->sizes[no] += n;
    if (w->sizes[no] > EDN_SEGMENT_SIZE_MAX)
        return EDN_E_LIMIT;
    while (n) {
        size_t take = EDN_MIN(n, EDN_PAGE_SIZE - b->n);
        edn_put_bytes(b, p, take);
        if ((st = edn_buf_status(b)) != EDN_OK)
            return st;
        p += take;
        n -= take;
        if (b->n == EDN_PAGE_SIZE) {
            edn_put_u8(&w->map, (uint8_t)no);
            if ((st = edn_buf_status(&w->map)) != EDN_OK || (st = page_out(w, edn_buf_view(b))) != EDN_OK)
                return st;
            edn_buf_reset(b);
        }
    }
    return EDN_OK;
}

/* ---- documents --------------------------------------------------------------------------------------------------- */

int doc_compare(const edn_segment_doc *a, const edn_segment_doc *b)
{
    if (a->date != b->date)
        return a->date < b->date ? -1 : 1;
    return memcmp(a->entry.b, b->entry.b, sizeof a->entry.b);
}

static int id_compare(const void *a, const void *b)
{
    return memcmp((*(edn_segment_doc *const *)a)->entry.b, (*(edn_segment_doc *const *)b)->entry.b, 16);
}

edn_status docs_check_distinct(const edn_segment_doc *docs, uint32_t n)
{
    const edn_segment_doc **by_id = malloc(((size_t)n + 1) * sizeof *by_id);
    edn_status st = by_id ? EDN_OK : EDN_E_NOMEM;

    if (!by_id)
        return st;
    for (uint32_t i = 0; i < n; i++)
        by_id[i] = &docs[i];
    qsort(by_id, n, sizeof *by_id, id_compare);
    for (uint32_t i = 1; i < n; i++)
        if (id_compare(&by_id[i - 1], &by_id[i]) == 0)
            st = EDN_E_EXISTS;
    free(by_id);
    return st;
}

static uint8_t width_of(uint32_t v) { return v < 256 ? 1 : v < 65536 ? 2 : 4; }

static edn_status column_put(writer *w, uint32_t v, uint8_t width)
{
    uint8_t bytes[4];

    edn_store_u32(bytes, v);
    return stream_put(w, STREAM_DOCS, bytes, width);
}

static edn_status docs_put(writer *w)
{
    const docs_layout *l = &w->layout;
    uint32_t n = w->docs_n;
    edn_status st = EDN_OK;

    for (uint32_t i = 0; st == EDN_OK && i < n; i++)
        st = stream_put(w, STREAM_DOCS, w->docs[i].entry.b, 16);
    for (uint32_t i = 0; st == EDN_OK && i < n; i++)
        st = stream_put(w, STREAM_DOCS, w->docs[i].version, 8);
    for (uint32_t i = 0; st == EDN_OK && i < n; i++)
        st = column_put(w, date_to_code(w->docs[i].date) - l->date_base, l->date_width);
    if (st == EDN_OK)
        st = stream_put(w, STREAM_DOCS, "\0\0\0", (size_t)(l->lengths_at - w->sizes[STREAM_DOCS]));
    for (uint32_t i = 0; st == EDN_OK && i < n; i++)
        st = column_put(w, w->docs[i].length, l->length_width);
    return st;
}

static void layout_choose(writer *w)
{
    uint32_t longest = 0, n = w->docs_n;
    docs_layout *l = &w->layout;

    for (uint32_t i = 0; i < n; i++) {
        w->length_sum += w->docs[i].length;
        longest = EDN_MAX(longest, w->docs[i].length);
    }
    l->date_base = n ? date_to_code(w->docs[0].date) : 0;
    l->date_width = n ? width_of(date_to_code(w->docs[n - 1].date) - l->date_base) : 1;
    l->length_width = width_of(longest);
    docs_layout_set(l, n);
}

edn_status writer_new(const edn_segment_doc *docs, uint32_t n, bool positions, edn_segment_out_fn *out, void *ctx,
                      writer **to)
{
    writer *w = calloc(1, sizeof *w);
    float mean;
    edn_status st;

    *to = NULL;
    if (!w)
        return EDN_E_NOMEM;
    w->docs = docs;
    w->docs_n = n;
    w->positions = positions;
    w->out = out;
    w->ctx = ctx;
    for (int i = 0; i < STREAM_COUNT; i++)
        w->streams[i] = EDN_BUF_INIT(EDN_PAGE_SIZE);
    w->map = w->tops = w->leaf = w->table = w->blocks = w->bits = EDN_BUF_INIT(EDN_SEGMENT_SIZE_MAX);
    w->tail = EDN_BUF_INIT(EDN_SEGMENT_SIZE_MAX);
    layout_choose(w);
    mean = mean_length(w->length_sum, n);
    if (!(w->weighed = malloc(((size_t)n + 1) * sizeof *w->weighed)))
        st = EDN_E_NOMEM;
    else
        st = docs_put(w);
    for (uint32_t i = 0; st == EDN_OK && i < n; i++)
        w->weighed[i] = (struct weighed){docs[i].length, 1.0f / impact_norm(docs[i].length, mean)};
    if (st != EDN_OK)
        writer_free(w);
    else
        *to = w;
    return st;
}

void writer_free(writer *w)
{
    if (!w)
        return;
    for (int i = 0; i < STREAM_COUNT; i++)
        edn_buf_wipe(&w->streams[i]);
    edn_buf_wipe(&w->map);
    edn_buf_wipe(&w->tops);
    edn_buf_wipe(&w->tail);
    edn_buf_wipe(&w->leaf);
    edn_buf_wipe(&w->table);
    edn_buf_wipe(&w->blocks);
    edn_buf_wipe(&w->bits);
    free(w->weighed);
    free(w);
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

static void block_put(writer *w, const postings *l, size_t from, size_t n, bool mark)
{
    uint8_t packed[EDN_PACK_SIZE_MAX];
    uint32_t v[EDN_BLOCK], before = from ? l->docs[from - 1] : UINT32_MAX;

    for (size_t i = 0; i < n; i++) {
        v[i] = l->docs[from + i] - before - 1;
        before = l->docs[from + i];
    }
    edn_put_bytes(&w->blocks, packed, edn_pack_put(packed, v, n));
    if (mark)
        return;
    for (size_t i = 0; i < n; i++)
        v[i] = l->counts[from + i] - 1;
    edn_put_bytes(&w->blocks, packed, edn_pack_put(packed, v, n));
}

static uint8_t block_impact(const writer *w, const postings *l, size_t from, size_t n)
{
    float most = 0;

    for (size_t i = from; i < from + n; i++)
        most = EDN_MAX(most, (float)l->counts[i] * w->weighed[l->docs[i]].norm);
    return impact_code(most);
}

static size_t block_positions(writer *w, const postings *l, size_t from, size_t n, size_t at)
{
    edn_bits bits = {.out = &w->bits};
    size_t sum = 0;

    for (size_t i = from; i < from + n; i++)
        sum += l->counts[i];
    edn_buf_reserve(&w->bits, EDN_BITS_ROOM(sum));
    if (edn_buf_status(&w->bits) != EDN_OK)
        return at; /* which list_put sees */
    for (size_t i = from; i < from + n; i++) {
        edn_bits_positions(&bits, l->positions + at, l->counts[i], w->weighed[l->docs[i]].length);
        at += l->counts[i];
    }
    edn_bits_end(&bits);
    return at;
}

static edn_status list_put(writer *w, const postings *l, bool mark, uint32_t *list_n, uint32_t *positions_n)
{
    bool positions = w->positions && !mark;
    uint32_t before = UINT32_MAX;
    size_t at = 0;
    edn_status st;

    edn_buf_reset(&w->table);
    edn_buf_reset(&w->blocks);
    edn_buf_reset(&w->bits);
    for (size_t from = 0; from < l->n; from += EDN_BLOCK) {
        size_t n = EDN_MIN(l->n - from, (size_t)EDN_BLOCK), blocks_at = w->blocks.n, bits_at = w->bits.n;
        block_put(w, l, from, n, mark);
        if (positions)
            at = block_positions(w, l, from, n, at);
        if (l->n <= EDN_BLOCK)
            break;
        edn_put_varint(&w->table, l->docs[from + n - 1] - before);
        edn_put_varint(&w->table, w->blocks.n - blocks_at);
        if (positions)
            edn_put_varint(&w->table, w->bits.n - bits_at);
        edn_put_u8(&w->table, mark ? 0 : block_impact(w, l, from, n));
        before = l->docs[from + n - 1];
    }
    if ((st = edn_buf_status(&w->table)) != EDN_OK || (st = edn_buf_status(&w->blocks)) != EDN_OK ||
        (st = edn_buf_status(&w->bits)) != EDN_OK ||
        (st = stream_put(w, STREAM_LISTS, w->table.p, w->table.n)) != EDN_OK ||
        (st = stream_put(w, STREAM_LISTS, w->blocks.p, w->blocks.n)) != EDN_OK ||
        (st = stream_put(w, STREAM_POSITIONS, w->bits.p, w->bits.n)) != EDN_OK)
        return st;
    *list_n = (uint32_t)(w->table.n + w->blocks.n);
    *positions_n = (uint32_t)w->bits.n;
    return EDN_OK;
}

/* ---- terms ------------------------------------------------------------------------------------------------------- */

static edn_status leaf_end(writer *w)
{
    edn_status st;

    if (w->leaf_n == 0)
        return EDN_OK;
    edn_put_u8(&w->tops, (uint8_t)w->first_n);
    edn_put_bytes(&w->tops, w->first, w->first_n);
    edn_put_varint(&w->tops, w->leaf.n);
    edn_put_varint(&w->tops, w->leaf_lists);
    edn_put_varint(&w->tops, w->leaf_positions);
    if ((st = edn_buf_status(&w->tops)) != EDN_OK || (st = edn_buf_status(&w->leaf)) != EDN_OK ||
        (st = stream_put(w, STREAM_TERMS, w->leaf.p, w->leaf.n)) != EDN_OK)
        return st;
    edn_buf_reset(&w->leaf);
    w->leaf_n = w->leaf_lists = w->leaf_positions = 0;
    w->leaves++;
    return EDN_OK;
}

static void key_put(writer *w, edn_bytes key)
{
    size_t shared = 0, suffix;

    while (w->leaf_n && shared < w->last_n && shared < key.n && w->last[shared] == key.p[shared])
        shared++;
    suffix = key.n - shared - 1;
    edn_put_u8(&w->leaf, (uint8_t)(EDN_MIN(shared, (size_t)15) << 4 | EDN_MIN(suffix, (size_t)15)));
    if (shared >= 15)
        edn_put_varint(&w->leaf, shared - 15);
    if (suffix >= 15)
        edn_put_varint(&w->leaf, suffix - 15);
    edn_put_bytes(&w->leaf, key.p + shared, key.n - shared);
    if (w->leaf_n == 0) {
        memcpy(w->first, key.p, key.n);
        w->first_n = key.n;
    }
    memcpy(w->last, key.p, key.n);
    w->last_n = key.n;
}

/* What a term of one document and one place needs is said in the dictionary itself. */
static void single_put(writer *w, const postings *l, bool positions)
{
    edn_put_varint(&w->leaf, 0);
    edn_put_varint(&w->leaf, l->docs[0]);
    if (positions)
        edn_put_varint(&w->leaf, l->positions[0]);
}

edn_status writer_term(writer *w, edn_bytes key, const postings *l)
{
    uint32_t list_n = 0, positions_n = 0;
    bool mark = key_is_mark(key), single = l->n == 1 && l->counts[0] == 1;
    edn_status st;

    EDN_ASSERT(l->n && key.n >= 1 && key.n <= EDN_KEY_SIZE_MAX);
    if (w->leaf_n == LEAF_TERMS && (st = leaf_end(w)) != EDN_OK)
        return st;
    if (!single && (st = list_put(w, l, mark, &list_n, &positions_n)) != EDN_OK)
        return st;
    key_put(w, key);
    if (single) {
        single_put(w, l, w->positions && !mark);
    } else {
        edn_put_varint(&w->leaf, l->n);
        edn_put_varint(&w->leaf, list_n);
        if (w->positions && !mark)
            edn_put_varint(&w->leaf, positions_n);
    }
    w->leaf_lists += list_n;
    w->leaf_positions += positions_n;
    w->leaf_n++;
    w->terms++;
    w->accents = w->accents || key_is_accents(key);
    return edn_buf_status(&w->leaf);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static void footer_put(writer *w)
{
    edn_buf *b = &w->tail;

    edn_put_str(b, SEGMENT_MAGIC);
    edn_put_u16(b, SEGMENT_VERSION);
    edn_put_u16(b, (uint16_t)((w->positions ? SEGMENT_POSITIONS : 0) | (w->accents ? SEGMENT_ACCENTS : 0)));
    edn_put_u32(b, w->docs_n);
    edn_put_u32(b, w->terms);
    edn_put_u32(b, w->leaves);
    edn_put_u64(b, w->length_sum);
    edn_put_u32(b, w->page);
    edn_put_u32(b, (uint32_t)w->tops.n);
    edn_put_u32(b, w->layout.date_base);
    edn_put_u8(b, w->layout.date_width);
    edn_put_u8(b, w->layout.length_width);
    edn_put_u16(b, 0);
    for (int i = STREAM_TERMS; i < STREAM_COUNT; i++)
        edn_put_u32(b, (uint32_t)w->sizes[i]);
}

edn_status writer_end(writer *w, uint64_t *size)
{
    edn_status st = leaf_end(w);

    if (st != EDN_OK)
        return st;
    for (int i = 0; i < STREAM_COUNT; i++) {
        edn_put_bytes(&w->tail, w->streams[i].p, w->streams[i].n);
        edn_put_zeros(&w->tail, -w->tail.n & 15);
    }
    edn_put_bytes(&w->tail, w->tops.p, w->tops.n);
    edn_put_bytes(&w->tail, w->map.p, w->map.n);
    footer_put(w);
    if ((st = edn_buf_status(&w->tail)) != EDN_OK)
        return st;
    *size = (uint64_t)w->page * EDN_PAGE_SIZE + w->tail.n;
    if (*size > EDN_SEGMENT_SIZE_MAX)
        return EDN_E_LIMIT;
    for (size_t at = 0; st == EDN_OK && at < w->tail.n; at += EDN_PAGE_SIZE)
        st = page_out(w, edn_bytes_of(w->tail.p + at, EDN_MIN(w->tail.n - at, (size_t)EDN_PAGE_SIZE)));
    return st;
}
