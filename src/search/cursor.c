/* One term's postings in one segment, block by block.
 *
 *     a list of more than one block begins with its blocks: for each, as varints, its last document less that of the
 *     block before, its size in bytes, its size in the stream of positions (when there is one); and its impact, a byte.
 *     Marks have no positions and all impacts 0.
 *
 *     block: gaps between documents less 1, packed; counts less 1, packed (marks: none)
 */
#include "segment_priv.h"

#include <stdlib.h>

static void cursor_clear(cursor *c, edn_segment *s, const term_ref *ref, bool counted)
{
    c->s = s;
    c->ref = *ref;
    c->counted = counted;
    c->blocks = (ref->df + EDN_BLOCK - 1) / EDN_BLOCK;
    c->block = c->shallow = 0;
    c->loaded = false;
    c->table = NULL;
    c->i = c->n = 0;
    c->doc = 0;
    c->spare = EDN_BUF_INIT(EDN_SEGMENT_SIZE_MAX);
    c->positions_bytes = EDN_BUF_INIT(EDN_SEGMENT_SIZE_MAX);
    c->positions_block = DOC_NONE;
    c->positions = c->positions_own = NULL;
    c->positions_cap = 0;
}

void cursor_dispose(cursor *c)
{
    free(c->table);
    free(c->positions_own);
    edn_buf_wipe(&c->spare);
    edn_buf_wipe(&c->positions_bytes);
    c->table = c->positions_own = NULL;
}

/* A list of one block has no table: all there is is known from the dictionary. */
static void table_single(cursor *c)
{
    c->last = c->single;
    c->at = c->single + 1;
    c->positions_at = c->single + 3;
    c->last[0] = c->s->docs - 1;
    c->at[0] = c->ref.list_at;
    c->at[1] = c->ref.list_at + c->ref.list_n;
    c->positions_at[0] = c->ref.positions_at;
    c->positions_at[1] = c->ref.positions_at + c->ref.positions_n;
    c->impact = &c->single_impact;
    c->single_impact = c->ref.mark ? 0 : IMPACT_UNBOUNDED;
}

/* One line of the table. What adds up is checked when all are read. */
static const uint8_t *table_line(cursor *c, const uint8_t *p, const uint8_t *end, uint32_t b, uint64_t *sums)
{
    uint32_t last, size, positions = 0;

    if (!(p = edn_pack_get_u32(p, end, &last)) || !(p = edn_pack_get_u32(p, end, &size)) ||
        (c->s->positions && !c->ref.mark && !(p = edn_pack_get_u32(p, end, &positions))) || p == end || size == 0 ||
        last == 0)
        return NULL;
    c->impact[b] = *p++;
    sums[0] += last;
    sums[1] += size;
    sums[2] += positions;
    if (sums[0] > c->s->docs || sums[1] > c->ref.list_n || sums[2] > c->ref.positions_n)
        return NULL;
    c->last[b] = (uint32_t)sums[0] - 1;
    c->at[b + 1] = (uint32_t)sums[1];
    c->positions_at[b + 1] = c->ref.positions_at + (uint32_t)sums[2];
    return p;
}

static edn_status table_read(cursor *c)
{
    size_t n = c->blocks, most = EDN_MIN((size_t)c->ref.list_n, n * 16);
    const uint8_t *begin, *p, *end;
    uint64_t sums[3] = {0};
    edn_status st;

    if (c->ref.list_n < n * 4)
        return EDN_E_FORMAT;
    if (!(c->table = malloc((3 * n + 2) * sizeof *c->table + n)))
        return EDN_E_NOMEM;
    c->last = c->table;
    c->at = c->last + n;
    c->positions_at = c->at + n + 1;
    c->impact = (uint8_t *)(c->positions_at + n + 1);
    if ((st = stream_view(c->s, STREAM_LISTS, c->ref.list_at, most, &c->spare, &begin)) != EDN_OK)
        return st;
    p = begin;
    end = begin + most;
    c->at[0] = 0;
    c->positions_at[0] = c->ref.positions_at;
    for (uint32_t b = 0; b < n; b++)
        if (!(p = table_line(c, p, end, b, sums)))
            return EDN_E_FORMAT;
    if (sums[1] + (uint64_t)(p - begin) != c->ref.list_n || sums[2] != c->ref.positions_n)
        return EDN_E_FORMAT;
    for (uint32_t b = 0; b <= n; b++)
        c->at[b] += c->ref.list_at + (uint32_t)(p - begin);
    return EDN_OK;
}

edn_status cursor_init(cursor *c, edn_segment *s, const term_ref *ref, bool counted)
{
    cursor_clear(c, s, ref, counted);
    if (c->blocks > 1)
        return table_read(c);
    table_single(c);
    return EDN_OK;
}

static bool block_docs(cursor *c, uint32_t b)
{
    uint64_t doc = b ? (uint64_t)c->last[b - 1] : UINT64_MAX;
    uint32_t i = 0;

    /* By four, so that a sum waits for that of four before and not of one. */
    for (; i + 4 <= c->n; i += 4) {
        uint64_t s0 = (uint64_t)c->docs[i] + 1, s1 = s0 + c->docs[i + 1] + 1, s2 = s1 + c->docs[i + 2] + 1;
        uint64_t s3 = s2 + c->docs[i + 3] + 1;
        c->docs[i] = (uint32_t)(doc + s0);
        c->docs[i + 1] = (uint32_t)(doc + s1);
        c->docs[i + 2] = (uint32_t)(doc + s2);
        c->docs[i + 3] = (uint32_t)(doc + s3);
        doc += s3;
    }
    for (; i < c->n; i++) {
        doc += (uint64_t)c->docs[i] + 1;
        c->docs[i] = (uint32_t)doc;
    }
    /* Each sum is above the one before, so that the last one vouches for all. */
    return c->blocks > 1 ? doc == c->last[b] : doc < c->s->docs;
}

/* From what is kept to what is meant; false when one is beyond 32 bits. */
static bool counts_rise(uint32_t *counts, uint32_t n)
{
    uint32_t beyond = 0;

    for (uint32_t i = 0; i < n; i++)
        beyond |= ++counts[i] == 0;
    return !beyond;
}

edn_status cursor_load(cursor *c, uint32_t b)
{
    size_t size = c->at[b + 1] - c->at[b];
    const uint8_t *p, *end;
    edn_status st;

    if (c->ref.single) {
        c->docs[0] = c->ref.doc;
        c->counts[0] = c->n = 1;
        c->loaded = true;
        return EDN_OK;
    }
    if ((st = stream_view(c->s, STREAM_LISTS, c->at[b], size, &c->spare, &p)) != EDN_OK)
        return st;
    end = p + size;
    c->block = b;
    c->n = b + 1 < c->blocks ? EDN_BLOCK : c->ref.df - (c->blocks - 1) * EDN_BLOCK;
    c->loaded = false;
    if (!(p = edn_pack_get(p, end, c->docs, c->n)) || !block_docs(c, b))
        return EDN_E_FORMAT;
    if (c->counted && c->ref.mark)
        memset(c->counts, 0, sizeof c->counts);
    else if (c->counted && !(p = edn_pack_get(p, end, c->counts, c->n)))
        return EDN_E_FORMAT;
    if ((c->counted || c->ref.mark) && p != end)
        return EDN_E_FORMAT;
    c->loaded = !c->counted || counts_rise(c->counts, c->n);
    return c->loaded ? EDN_OK : EDN_E_FORMAT;
}

/* How many of the block's documents from `from` on are below `target`: all compared, without a branch for each. */
static uint32_t below_count(const cursor *c, uint32_t from, uint32_t target)
{
    uint32_t n = 0;

    for (uint32_t i = from; i < c->n; i++)
        n += c->docs[i] < target;
    return n;
}

edn_status cursor_seek_slow(cursor *c, uint32_t target)
{
    uint32_t b = c->block;
    edn_status st;

    while (b < c->blocks && c->last[b] < target)
        b++;
    if (b == c->blocks) {
        c->doc = DOC_NONE;
        return EDN_OK;
    }
    if (b != c->block || !c->loaded) {
        if ((st = cursor_load(c, b)) != EDN_OK)
            return st;
        c->i = 0;
    }
    c->i += below_count(c, c->i, target);
    c->doc = c->i < c->n ? c->docs[c->i] : DOC_NONE; /* the end can come in a single block only */
    return EDN_OK;
}

float cursor_impact(cursor *c, uint32_t from, uint32_t *until)
{
    if (c->doc == DOC_NONE) {
        *until = DOC_NONE - 1;
        return 0;
    }
    if (c->loaded && c->doc > from) {
        *until = c->doc - 1;
        return 0;
    }
    if (c->shallow < c->block)
        c->shallow = c->block;
    while (c->shallow < c->blocks && c->last[c->shallow] < from)
        c->shallow++;
    if (c->shallow == c->blocks) {
        *until = DOC_NONE - 1;
        return 0;
    }
    *until = c->last[c->shallow];
    return c->impact[c->shallow] == IMPACT_UNBOUNDED ? 1e30f : impact_of(c->impact[c->shallow]);
}

/* ---- positions --------------------------------------------------------------------------------------------------- */

static edn_status positions_enter(cursor *c)
{
    size_t n = c->positions_at[c->block + 1] - c->positions_at[c->block];
    edn_status st;

    edn_buf_reset(&c->positions_bytes);
    edn_buf_reserve(&c->positions_bytes, n + EDN_PACK_SLACK);
    if ((st = edn_buf_status(&c->positions_bytes)) != EDN_OK ||
        (st = stream_read(c->s, STREAM_POSITIONS, c->positions_at[c->block], n, c->positions_bytes.p)) != EDN_OK)
        return st;
    memset(c->positions_bytes.p + n, 0, EDN_PACK_SLACK);
    c->bits = (edn_bits_in){c->positions_bytes.p, 0, 8 * (uint64_t)n};
    c->positions_block = c->block;
    c->positions_i = 0;
    return EDN_OK;
}

edn_status cursor_positions(cursor *c)
{
    uint32_t count = cursor_count(c);
    edn_status st;

    EDN_ASSERT(c->counted && !c->ref.mark && c->s->positions && c->loaded);
    if (c->ref.single) {
        c->positions = &c->ref.position;
        return EDN_OK;
    }
    if (c->positions_block == c->block && c->positions_i == c->i + 1)
        return EDN_OK; /* they are there already */
    if ((st = segment_lengths(c->s)) != EDN_OK)
        return st;
    if ((c->positions_block != c->block || c->positions_i > c->i) && (st = positions_enter(c)) != EDN_OK)
        return st;
    for (; c->positions_i < c->i; c->positions_i++)
        if (!edn_bits_get(&c->bits, NULL, c->counts[c->positions_i], c->s->lengths[c->docs[c->positions_i]]))
            return EDN_E_FORMAT;
    if (count > c->bits.end - c->bits.at)
        return EDN_E_FORMAT; /* a position takes a bit at least: no room is made for a lie */
    if (count > c->positions_cap) {
        uint32_t *more = realloc(c->positions_own, ((size_t)count + 64) * sizeof *more);
        if (!more)
            return EDN_E_NOMEM;
        c->positions_own = more;
        c->positions_cap = count + 64;
    }
    if (!edn_bits_get(&c->bits, c->positions_own, count, c->s->lengths[c->doc]))
        return EDN_E_FORMAT;
    c->positions = c->positions_own;
    c->positions_i = c->i + 1;
    return EDN_OK;
}
