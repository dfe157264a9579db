/* Reading a segment: its end, its streams, its documents. */
#include "segment_priv.h"

#include <stdlib.h>

#include "pages.h"

/* ---- streams ----------------------------------------------------------------------------------------------------- */

/* Where byte `at` of a stream lies, and how many follow it in the same page. */
static size_t stream_place(const edn_segment *s, stream_no no, uint64_t at, uint32_t *page, uint32_t *in_page)
{
    uint64_t index = at / EDN_PAGE_SIZE, flat;

    if (index < s->full_n[no]) {
        *page = s->full[no][index];
        *in_page = (uint32_t)(at % EDN_PAGE_SIZE);
    } else {
        flat = s->rest_at[no] + (at - (uint64_t)s->full_n[no] * EDN_PAGE_SIZE);
        *page = (uint32_t)(flat / EDN_PAGE_SIZE);
        *in_page = (uint32_t)(flat % EDN_PAGE_SIZE);
    }
    return EDN_PAGE_SIZE - *in_page;
}

static bool stream_has(const edn_segment *s, stream_no no, uint64_t at, size_t n)
{
    return at <= s->stream_size[no] && n <= s->stream_size[no] - at;
}

static edn_status page_copy(edn_segment *s, uint32_t page, size_t in_page, size_t n, uint8_t *to)
{
    const uint8_t *p;
    edn_status st = pages_get(s, page, &p);

    if (st == EDN_OK)
        memcpy(to, p + in_page, n);
    return st;
}

edn_status stream_read(edn_segment *s, stream_no no, uint64_t at, size_t n, uint8_t *to)
{
    edn_status st = stream_has(s, no, at, n) ? EDN_OK : EDN_E_FORMAT;

    while (st == EDN_OK && n) {
        uint32_t page, in_page;
        size_t take = EDN_MIN(n, stream_place(s, no, at, &page, &in_page));
        st = page_copy(s, page, in_page, take, to);
        to += take;
        at += take;
        n -= take;
    }
    return st;
}

edn_status stream_view(edn_segment *s, stream_no no, uint64_t at, size_t n, edn_buf *spare, const uint8_t **out)
{
    uint32_t page, in_page;
    edn_status st;

    if (!stream_has(s, no, at, n))
        return EDN_E_FORMAT;
    if (n && n <= stream_place(s, no, at, &page, &in_page)) {
        if ((st = pages_get(s, page, out)) == EDN_OK)
            *out += in_page;
        return st;
    }
    edn_buf_reset(spare);
    edn_buf_reserve(spare, n + EDN_PACK_SLACK);
    if ((st = edn_buf_status(spare)) != EDN_OK || (st = stream_read(s, no, at, n, spare->p)) != EDN_OK)
        return st;
    memset(spare->p + n, 0, EDN_PACK_SLACK);
    *out = spare->p;
    return EDN_OK;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static edn_status flat_read(edn_segment *s, uint64_t at, size_t n, uint8_t *to)
{
    edn_status st = EDN_OK;

    while (st == EDN_OK && n) {
        size_t in_page = (size_t)(at % EDN_PAGE_SIZE), take = EDN_MIN(n, EDN_PAGE_SIZE - in_page);
        st = page_copy(s, (uint32_t)(at / EDN_PAGE_SIZE), in_page, take, to);
        to += take;
        at += take;
        n -= take;
    }
    return st;
}

/* The fields of the footer that are not kept. */
typedef struct footer {
    uint32_t full_pages, tops_size;
} footer;

static edn_status footer_read(edn_segment *s, footer *f)
{
    uint8_t bytes[FOOTER_SIZE];
    edn_reader r = edn_reader_init(edn_bytes_of(bytes, sizeof bytes));
    edn_status st = flat_read(s, s->size - FOOTER_SIZE, FOOTER_SIZE, bytes);
    uint16_t flags;

    if (st != EDN_OK)
        return st;
    if (memcmp(edn_read_bytes(&r, 4, "magic").p, SEGMENT_MAGIC, 4) != 0 ||
        edn_read_u16(&r, "version") != SEGMENT_VERSION)
        return EDN_E_FORMAT;
    flags = edn_read_u16(&r, "flags");
    s->positions = flags & SEGMENT_POSITIONS;
    s->accents = flags & SEGMENT_ACCENTS;
    s->docs = edn_read_u32(&r, "documents");
    s->terms = edn_read_u32(&r, "terms");
    s->leaves = edn_read_u32(&r, "leaves");
    s->length_sum = edn_read_u64(&r, "words");
    f->full_pages = edn_read_u32(&r, "full pages");
    f->tops_size = edn_read_u32(&r, "size of tops");
    s->layout.date_base = edn_read_u32(&r, "first date");
    s->layout.date_width = edn_read_u8(&r, "width of dates");
    s->layout.length_width = edn_read_u8(&r, "width of lengths");
    if (edn_read_u16(&r, "reserved") != 0 || flags > (SEGMENT_POSITIONS | SEGMENT_ACCENTS))
        return EDN_E_FORMAT;
    for (int i = STREAM_TERMS; i < STREAM_COUNT; i++)
        s->stream_size[i] = edn_read_u32(&r, "size of a stream");
    return edn_reader_end(&r);
}

static bool width_is_good(uint8_t w) { return w == 1 || w == 2 || w == 4; }

/* What can be told from the footer alone: every size adds up to the segment's. */
static edn_status footer_check(edn_segment *s, const footer *f)
{
    uint64_t tail, at, full_n = 0;

    if (s->docs > EDN_SEGMENT_DOCS_MAX || !width_is_good(s->layout.date_width) ||
        !width_is_good(s->layout.length_width) || s->leaves != (s->terms + (uint64_t)LEAF_TERMS - 1) / LEAF_TERMS)
        return EDN_E_FORMAT;
    docs_layout_set(&s->layout, s->docs);
    s->stream_size[STREAM_DOCS] = s->layout.size;
    if (!s->positions && s->stream_size[STREAM_POSITIONS])
        return EDN_E_FORMAT;
    for (int i = 0; i < STREAM_COUNT; i++)
        full_n += s->full_n[i] = (uint32_t)(s->stream_size[i] / EDN_PAGE_SIZE);
    if (full_n != f->full_pages)
        return EDN_E_FORMAT;
    at = tail = full_n * EDN_PAGE_SIZE;
    for (int i = 0; i < STREAM_COUNT; i++) {
        s->rest_at[i] = at;
        at += (s->stream_size[i] % EDN_PAGE_SIZE + 15) & ~(uint64_t)15;
    }
    return at + f->tops_size + f->full_pages + FOOTER_SIZE == s->size ? EDN_OK : EDN_E_FORMAT;
}

/* Which page belongs to which stream: a byte each. */
static edn_status map_read(edn_segment *s, const footer *f)
{
    uint32_t seen[STREAM_COUNT] = {0};
    uint8_t *map = malloc((size_t)f->full_pages + 1);
    edn_status st = map ? flat_read(s, s->size - FOOTER_SIZE - f->full_pages, f->full_pages, map) : EDN_E_NOMEM;

    for (int i = 0; i < STREAM_COUNT; i++)
        if (st == EDN_OK && !(s->full[i] = malloc(((size_t)s->full_n[i] + 1) * sizeof *s->full[i])))
            st = EDN_E_NOMEM;
    for (uint32_t page = 0; st == EDN_OK && page < f->full_pages; page++) {
        if (map[page] >= STREAM_COUNT || seen[map[page]] == s->full_n[map[page]])
            st = EDN_E_FORMAT;
        else
            s->full[map[page]][seen[map[page]]++] = page;
    }
    free(map);
    return st;
}

/* One top: its key, and how many bytes its leaf has in each stream. */
static edn_status top_read(edn_segment *s, edn_reader *r, uint32_t i)
{
    leaf_top *t = &s->tops[i];
    edn_bytes key, before;

    t->key_n = edn_read_u8(r, "size of a term");
    key = edn_read_bytes(r, t->key_n, "first term");
    t->key_at = (uint32_t)(key.p ? key.p - s->tops_bytes : 0);
    for (int k = 0; k < 3; k++) {
        uint64_t n = edn_read_varint(r, "size of a leaf"), next = t->at[k] + n;
        if (n > s->stream_size[STREAM_TERMS + k] || next > s->stream_size[STREAM_TERMS + k] ||
            (k == 0 && n > LEAF_SIZE_MAX))
            return EDN_E_FORMAT;
        t[1].at[k] = (uint32_t)next;
    }
    if (edn_reader_status(r) != EDN_OK || t->key_n == 0 || t->key_n > EDN_KEY_SIZE_MAX)
        return EDN_E_FORMAT;
    if (i) {
        before = edn_bytes_of(s->tops_bytes + t[-1].key_at, t[-1].key_n);
        if (key_compare(before, key) >= 0)
            return EDN_E_FORMAT;
    }
    return EDN_OK;
}

static edn_status tops_read(edn_segment *s, const footer *f)
{
    edn_reader r;
    edn_status st;

    s->tops_bytes = malloc((size_t)f->tops_size + 1);
    if (!s->tops_bytes)
        return EDN_E_NOMEM;
    st = flat_read(s, s->size - FOOTER_SIZE - f->full_pages - f->tops_size, f->tops_size, s->tops_bytes);
    if (st != EDN_OK)
        return st;
    r = edn_reader_init(edn_bytes_of(s->tops_bytes, f->tops_size));
    if (!edn_reader_has(&r, s->leaves, 5)) /* so that a lie about terms allocates no more than was sent */
        return EDN_E_FORMAT;
    if (!(s->tops = calloc((size_t)s->leaves + 1, sizeof *s->tops)))
        return EDN_E_NOMEM;
    for (uint32_t i = 0; st == EDN_OK && i < s->leaves; i++)
        st = top_read(s, &r, i);
    for (int k = 0; st == EDN_OK && k < 3; k++)
        if (s->tops[s->leaves].at[k] != s->stream_size[STREAM_TERMS + k])
            st = EDN_E_FORMAT;
    return st == EDN_OK ? edn_reader_end(&r) : st;
}

edn_status edn_segment_open(edn_pages *pages, uint64_t size, edn_search_page_fn *fn, void *ctx, edn_segment **out)
{
    edn_segment *s;
    footer f;
    edn_status st;

    *out = NULL;
    if (size < FOOTER_SIZE)
        return EDN_E_FORMAT;
    if (size > EDN_SEGMENT_SIZE_MAX)
        return EDN_E_LIMIT;
    if (!(s = calloc(1, sizeof *s)))
        return EDN_E_NOMEM;
    s->pages = pages;
    s->fn = fn;
    s->ctx = ctx;
    s->size = size;
    s->pages_n = (uint32_t)((size + EDN_PAGE_SIZE - 1) / EDN_PAGE_SIZE);
    if (!(s->frames = calloc(s->pages_n, sizeof *s->frames)))
        st = EDN_E_NOMEM;
    else if ((st = footer_read(s, &f)) == EDN_OK && (st = footer_check(s, &f)) == EDN_OK &&
             (st = map_read(s, &f)) == EDN_OK)
        st = tops_read(s, &f);
    if (st != EDN_OK) {
        edn_segment_free(s);
        return st;
    }
    *out = s;
    return EDN_OK;
}

void edn_segment_free(edn_segment *s)
{
    if (!s)
        return;
    if (s->frames)
        pages_leave(s);
    for (int i = 0; i < STREAM_COUNT; i++)
        free(s->full[i]);
    free(s->frames);
    free(s->tops_bytes);
    free(s->tops);
    free(s->lengths);
    free(s->dates);
    free(s);
}

uint32_t edn_segment_docs(const edn_segment *s) { return s->docs; }
uint32_t edn_segment_terms(const edn_segment *s) { return s->terms; }
bool edn_segment_has_positions(const edn_segment *s) { return s->positions; }

/* ---- documents --------------------------------------------------------------------------------------------------- */

static uint32_t column_value(const uint8_t *p, uint8_t width)
{
    return width == 1 ? *p : width == 2 ? edn_load_u16(p) : edn_load_u32(p);
}

static edn_status column_read(edn_segment *s, uint64_t at, uint8_t width, uint32_t base, uint32_t **out)
{
    uint8_t bytes[4096];
    uint32_t *v = malloc(((size_t)s->docs + 1) * sizeof *v), done = 0;
    edn_status st = v ? EDN_OK : EDN_E_NOMEM;

    while (st == EDN_OK && done < s->docs) {
        uint32_t take = EDN_MIN(s->docs - done, (uint32_t)sizeof bytes / width);
        st = stream_read(s, STREAM_DOCS, at + (uint64_t)done * width, (size_t)take * width, bytes);
        for (uint32_t i = 0; st == EDN_OK && i < take; i++)
            v[done + i] = base + column_value(bytes + (size_t)i * width, width);
        done += take;
    }
    if (st == EDN_OK)
        *out = v;
    else
        free(v);
    return st;
}

edn_status segment_lengths(edn_segment *s)
{
    uint64_t sum = 0;
    edn_status st;

    if (s->lengths)
        return EDN_OK;
    st = column_read(s, s->layout.lengths_at, s->layout.length_width, 0, &s->lengths);
    for (uint32_t i = 0; st == EDN_OK && i < s->docs; i++)
        sum += s->lengths[i];
    if (st == EDN_OK && sum != s->length_sum) {
        free(s->lengths);
        s->lengths = NULL;
        st = EDN_E_FORMAT;
    }
    return st;
}

edn_status segment_dates(edn_segment *s)
{
    edn_status st;

    if (s->dates)
        return EDN_OK;
    st = column_read(s, s->layout.dates_at, s->layout.date_width, s->layout.date_base, &s->dates);
    for (uint32_t i = 1; st == EDN_OK && i < s->docs; i++)
        if (s->dates[i - 1] > s->dates[i]) {
            free(s->dates);
            s->dates = NULL;
            return EDN_E_FORMAT;
        }
    return st;
}

edn_status segment_doc_name(edn_segment *s, uint32_t doc, edn_entry_id *entry, uint32_t *date)
{
    const docs_layout *l = &s->layout;
    uint8_t bytes[4];
    edn_status st;

    EDN_ASSERT(doc < s->docs);
    st = stream_read(s, STREAM_DOCS, (uint64_t)doc * 16, 16, entry->b);
    if (st != EDN_OK || s->dates) {
        *date = st == EDN_OK ? date_from_code(s->dates[doc]) : 0;
        return st;
    }
    st = stream_read(s, STREAM_DOCS, l->dates_at + (uint64_t)doc * l->date_width, l->date_width, bytes);
    *date = st == EDN_OK ? date_from_code(l->date_base + column_value(bytes, l->date_width)) : 0;
    return st;
}

edn_status edn_segment_doc_at(edn_segment *s, uint32_t doc, edn_segment_doc *out)
{
    const docs_layout *l = &s->layout;
    uint8_t date[4], length[4];
    edn_status st;

    EDN_ASSERT(doc < s->docs);
    if ((st = stream_read(s, STREAM_DOCS, (uint64_t)doc * 16, 16, out->entry.b)) != EDN_OK ||
        (st = stream_read(s, STREAM_DOCS, l->versions_at + (uint64_t)doc * 8, 8, out->version)) != EDN_OK ||
        (st = stream_read(s, STREAM_DOCS, l->dates_at + (uint64_t)doc * l->date_width, l->date_width, date)) !=
            EDN_OK ||
        (st = stream_read(s, STREAM_DOCS, l->lengths_at + (uint64_t)doc * l->length_width, l->length_width, length)) !=
            EDN_OK)
        return st;
    out->date = date_from_code(l->date_base + column_value(date, l->date_width));
    out->length = column_value(length, l->length_width);
    return EDN_OK;
}

/* The first document whose date's code is not below `code`. */
static uint32_t dates_lower(const edn_segment *s, uint32_t code)
{
    uint32_t lo = 0, hi = s->docs;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (s->dates[mid] < code)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

edn_status segment_dates_range(edn_segment *s, uint32_t from, uint32_t to, uint32_t *lo, uint32_t *hi)
{
    edn_status st = segment_dates(s);

    if (st != EDN_OK)
        return st;
    *lo = dates_lower(s, from);
    *hi = to == UINT32_MAX ? s->docs : dates_lower(s, to + 1);
    return EDN_OK;
}

edn_status edn_segment_find(edn_segment *s, const edn_entry_id *entry, uint32_t date, uint32_t *doc)
{
    uint8_t ids[256 * 16];
    uint32_t lo = 0, hi = s->docs;
    edn_status st = EDN_OK;

    if (date != EDN_DATE_ANY) {
        if (!date_is_good(date))
            return EDN_E_MISSING;
        st = segment_dates_range(s, date_to_code(date), date_to_code(date), &lo, &hi);
    }
    while (st == EDN_OK && lo < hi) {
        uint32_t take = EDN_MIN(hi - lo, 256u);
        st = stream_read(s, STREAM_DOCS, (uint64_t)lo * 16, (size_t)take * 16, ids);
        for (uint32_t i = 0; st == EDN_OK && i < take; i++)
            if (memcmp(ids + (size_t)i * 16, entry->b, 16) == 0) {
                *doc = lo + i;
                return EDN_OK;
            }
        lo += take;
    }
    return st == EDN_OK ? EDN_E_MISSING : st;
}
