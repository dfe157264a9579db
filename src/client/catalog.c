/* The table of contents: what lists show of every entry, so that listing opens none.
 *
 *     EDN_TABLE_CATALOG   "months"            u8 1 ‖ n × (month 7 ‖ u32 live ‖ u32 deleted), ascending
 *                         "page" ‖ month      n × LP(item), by (date, created, id)
 *     item = id 16 ‖ journal 16 ‖ u64 created ms ‖ u64 changed ms ‖ u64 text size ‖ u8 flags (1 deleted, 2 conflict) ‖
 *            LP(date) ‖ LP(title) ‖ LP(preview) ‖ u32 n ‖ n × LP(tag)
 *
 * An entry whose date is not one stands on the page 0000-00. A change rewrites the page of its month: a month of a
 * busy diarist is some ten kilobytes, whatever the size of the diary. */
#include "client_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PAGES_MAX 160u
#define NO_MONTH "0000-00"
#define PAGE_SIZE_MAX ((size_t)64 << 20)
enum { FLAG_DELETED = 1, FLAG_CONFLICT = 2 };

typedef struct page {
    char month[MONTH_SIZE + 1];
    edn_buf bytes;
    bool dirty;
    uint64_t used;
} page;

typedef struct month_count {
    char month[MONTH_SIZE + 1];
    uint32_t live, deleted;
} month_count;

struct catalog {
    page *pages[PAGES_MAX];
    size_t pages_n;
    month_count *months; /* ascending */
    size_t months_n, months_cap;
    bool months_loaded, months_dirty;
    uint64_t clock;
};

edn_status catalog_new(catalog **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? EDN_OK : EDN_E_NOMEM;
}

static void page_free(page *p)
{
    edn_buf_wipe(&p->bytes);
    free(p);
}

void catalog_forget(catalog *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < k->pages_n; i++)
        page_free(k->pages[i]);
    k->pages_n = 0;
    if (k->months)
        edn_wipe(k->months, k->months_cap * sizeof *k->months);
    k->months_n = 0;
    k->months_loaded = k->months_dirty = false;
}

void catalog_free(catalog *k)
{
    if (!k)
        return;
    catalog_forget(k);
    free(k->months);
    free(k);
}

/* ---- dates ------------------------------------------------------------------------------------------------------- */

static bool digits(const uint8_t *p, size_t n, unsigned *out)
{
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        *out = *out * 10 + (unsigned)(p[i] - '0');
    }
    return true;
}

bool date_valid(edn_bytes d)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned y, m, day;
    bool leap;

    if (d.n != DATE_SIZE || d.p[4] != '-' || d.p[7] != '-' || !digits(d.p, 4, &y) || !digits(d.p + 5, 2, &m) ||
        !digits(d.p + 8, 2, &day) || m < 1 || m > 12 || day < 1)
        return false;
    /* Diaries from before the reform keep their own leap days: a Julian century year has one. */
    leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0 || y < 1753);
    return day <= days[m - 1] + (unsigned)(m == 2 && leap);
}

void month_of(edn_bytes date, char out[MONTH_SIZE + 1])
{
    if (date_valid(date))
        memcpy(out, date.p, MONTH_SIZE);
    else
        memcpy(out, NO_MONTH, MONTH_SIZE);
    out[MONTH_SIZE] = 0;
}

void date_of_ms(uint64_t ms, char out[DATE_SIZE + 1])
{
    time_t t = (time_t)(ms / 1000);
    struct tm tm;

    /* Four digits of year are all that a date has. */
    if (!gmtime_r(&t, &tm) || tm.tm_year + 1900 > 9999 || tm.tm_year + 1900 < 0)
        memcpy(out, "1970-01-01", DATE_SIZE + 1);
    else
        (void)strftime(out, DATE_SIZE + 1, "%Y-%m-%d", &tm); /* fits: the year has four digits */
}

/* ---- items as bytes ---------------------------------------------------------------------------------------------- */

#define ITEM_FIXED_SIZE (16u + 16u + 8u + 8u + 8u + 1u)

static void item_put(edn_buf *out, const catalog_item *it)
{
    edn_put_bytes(out, it->id.b, sizeof it->id.b);
    edn_put_bytes(out, it->journal.b, sizeof it->journal.b);
    edn_put_u64(out, it->created_ms);
    edn_put_u64(out, it->changed_ms);
    edn_put_u64(out, it->text_size);
    edn_put_u8(out, (uint8_t)((it->deleted ? FLAG_DELETED : 0) | (it->conflict ? FLAG_CONFLICT : 0)));
    edn_put_lp(out, it->date);
    edn_put_lp(out, it->title);
    edn_put_lp(out, it->preview);
    edn_put_u32(out, (uint32_t)it->tags_n);
    for (size_t i = 0; i < it->tags_n; i++)
        edn_put_lp(out, it->tags[i]);
}

/* Tags go to the arena; NULL leaves them out. */
static edn_status item_read(edn_bytes in, edn_arena *a, catalog_item *it)
{
    edn_reader r = edn_reader_init(in);
    edn_bytes *tags = NULL;
    uint8_t flags;

    memset(it, 0, sizeof *it);
    edn_read_into(&r, it->id.b, sizeof it->id.b, "id");
    edn_read_into(&r, it->journal.b, sizeof it->journal.b, "journal");
    it->created_ms = edn_read_u64(&r, "created");
    it->changed_ms = edn_read_u64(&r, "changed");
    it->text_size = edn_read_u64(&r, "text size");
    flags = edn_read_u8(&r, "flags");
    it->deleted = flags & FLAG_DELETED;
    it->conflict = flags & FLAG_CONFLICT;
    it->date = edn_read_lp(&r, in.n, "date");
    it->title = edn_read_lp(&r, in.n, "title");
    it->preview = edn_read_lp(&r, in.n, "preview");
    if (!a)
        return edn_reader_status(&r);
    it->tags_n = edn_read_u32(&r, "tags");
    if (edn_reader_has(&r, it->tags_n, 4) && it->tags_n) {
        tags = edn_arena_calloc(a, it->tags_n, sizeof *tags);
        if (!tags)
            return EDN_E_NOMEM;
        for (size_t i = 0; edn_reader_status(&r) == EDN_OK && i < it->tags_n; i++)
            tags[i] = edn_read_lp(&r, in.n, "tag");
    }
    it->tags = tags;
    return edn_reader_end(&r);
}

int bytes_compare(edn_bytes a, edn_bytes b)
{
    size_t n = EDN_MIN(a.n, b.n);
    int d = n ? memcmp(a.p, b.p, n) : 0;

    return d ? d : (a.n > b.n) - (a.n < b.n);
}

static int item_compare(const catalog_item *a, const catalog_item *b)
{
    int d = bytes_compare(a->date, b->date);

    if (d == 0)
        d = (a->created_ms > b->created_ms) - (a->created_ms < b->created_ms);
    return d ? d : memcmp(a->id.b, b->id.b, sizeof a->id.b);
}

/* ---- pages ------------------------------------------------------------------------------------------------------- */

static edn_store_key_name page_key(edn_client *c, const char *month)
{
    return edn_store_name(c->store, EDN_TABLE_CATALOG, "page", edn_bytes_str(month));
}

static edn_status page_write(edn_client *c, page *p)
{
    edn_store_key_name k = page_key(c, p->month);

    if (!p->dirty)
        return EDN_OK;
    p->dirty = false;
    if (edn_buf_status(&p->bytes) != EDN_OK)
        return edn_buf_status(&p->bytes);
    return p->bytes.n ? edn_store_put(c->store, EDN_TABLE_CATALOG, EDN_F(k), edn_buf_view(&p->bytes))
                      : edn_store_del(c->store, EDN_TABLE_CATALOG, EDN_F(k));
}

static edn_status page_room(edn_client *c)
{
    catalog *k = c->catalog;
    size_t oldest = 0;
    edn_status st;

    if (k->pages_n < PAGES_MAX)
        return EDN_OK;
    for (size_t i = 1; i < k->pages_n; i++)
        if (k->pages[i]->used < k->pages[oldest]->used)
            oldest = i;
    if ((st = page_write(c, k->pages[oldest])) != EDN_OK)
        return st;
    page_free(k->pages[oldest]);
    k->pages[oldest] = k->pages[--k->pages_n];
    return EDN_OK;
}

static edn_status page_get(edn_client *c, const char *month, page **out)
{
    catalog *k = c->catalog;
    edn_store_key_name key;
    edn_status st;
    page *p;

    for (size_t i = 0; i < k->pages_n; i++) {
        if (strcmp(k->pages[i]->month, month) == 0) {
            *out = k->pages[i];
            (*out)->used = ++k->clock;
            return EDN_OK;
        }
    }
    if ((st = page_room(c)) != EDN_OK)
        return st;
    p = calloc(1, sizeof *p);
    if (!p)
        return EDN_E_NOMEM;
    memcpy(p->month, month, MONTH_SIZE + 1);
    p->bytes = EDN_BUF_INIT(PAGE_SIZE_MAX);
    key = page_key(c, month);
    st = edn_store_get(c->store, EDN_TABLE_CATALOG, EDN_F(key), &p->bytes);
    if (st != EDN_OK && st != EDN_E_MISSING) {
        page_free(p);
        return st;
    }
    p->used = ++k->clock;
    k->pages[k->pages_n++] = p;
    *out = p;
    return EDN_OK;
}

/* ---- the list of months ------------------------------------------------------------------------------------------ */

static edn_status months_load(edn_client *c)
{
    catalog *k = c->catalog;
    edn_store_key_name key = edn_store_name(c->store, EDN_TABLE_CATALOG, "months", EDN_BYTES_EMPTY);
    edn_buf row = EDN_BUF_INIT(PAGE_SIZE_MAX);
    edn_status st;
    size_t n;

    if (k->months_loaded)
        return EDN_OK;
    st = edn_store_get(c->store, EDN_TABLE_CATALOG, EDN_F(key), &row);
    if (st == EDN_E_MISSING) {
        k->months_loaded = true;
        st = EDN_OK;
        goto out;
    }
    if (st != EDN_OK)
        goto out;
    n = row.n / (MONTH_SIZE + 8);
    if (row.n % (MONTH_SIZE + 8) != 1 || row.p[0] != 1) {
        st = EDN_E_DAMAGED;
        goto out;
    }
    if (n > k->months_cap) {
        month_count *m = realloc(k->months, (n + 16) * sizeof *m);
        if (!m) {
            st = EDN_E_NOMEM;
            goto out;
        }
        k->months = m;
        k->months_cap = n + 16;
    }
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = row.p + 1 + i * (MONTH_SIZE + 8);
        memcpy(k->months[i].month, p, MONTH_SIZE);
        k->months[i].month[MONTH_SIZE] = 0;
        k->months[i].live = edn_load_u32(p + MONTH_SIZE);
        k->months[i].deleted = edn_load_u32(p + MONTH_SIZE + 4);
    }
    k->months_n = n;
    k->months_loaded = true;
out:
    edn_buf_wipe(&row);
    return st;
}

static size_t month_lower_bound(const catalog *k, const char *month)
{
    size_t lo = 0, hi = k->months_n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(k->months[mid].month, month) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static edn_status month_add(edn_client *c, const char *month, int live, int deleted)
{
    catalog *k = c->catalog;
    edn_status st = months_load(c);
    size_t i;

    if (st != EDN_OK)
        return st;
    i = month_lower_bound(k, month);
    if (i == k->months_n || strcmp(k->months[i].month, month) != 0) {
        if (k->months_n == k->months_cap) {
            size_t cap = k->months_cap ? 2 * k->months_cap : 64;
            month_count *m = realloc(k->months, cap * sizeof *m);
            if (!m)
                return EDN_E_NOMEM;
            k->months = m;
            k->months_cap = cap;
        }
        memmove(k->months + i + 1, k->months + i, (k->months_n - i) * sizeof *k->months);
        memset(&k->months[i], 0, sizeof k->months[i]);
        memcpy(k->months[i].month, month, MONTH_SIZE + 1);
        k->months_n++;
    }
    k->months[i].live += (uint32_t)live;
    k->months[i].deleted += (uint32_t)deleted;
    if (k->months[i].live == 0 && k->months[i].deleted == 0) {
        memmove(k->months + i, k->months + i + 1, (k->months_n - i - 1) * sizeof *k->months);
        k->months_n--;
    }
    k->months_dirty = true;
    return EDN_OK;
}

static edn_status months_write(edn_client *c)
{
    catalog *k = c->catalog;
    edn_store_key_name key = edn_store_name(c->store, EDN_TABLE_CATALOG, "months", EDN_BYTES_EMPTY);
    edn_buf row = EDN_BUF_INIT(PAGE_SIZE_MAX);
    edn_status st;

    if (!k->months_dirty)
        return EDN_OK;
    edn_put_u8(&row, 1);
    for (size_t i = 0; i < k->months_n; i++) {
        edn_put_bytes(&row, k->months[i].month, MONTH_SIZE);
        edn_put_u32(&row, k->months[i].live);
        edn_put_u32(&row, k->months[i].deleted);
    }
    st = edn_buf_status(&row);
    if (st == EDN_OK)
        st = edn_store_put(c->store, EDN_TABLE_CATALOG, EDN_F(key), edn_buf_view(&row));
    edn_buf_wipe(&row);
    if (st == EDN_OK)
        k->months_dirty = false;
    return st;
}

edn_status catalog_flush(edn_client *c)
{
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < c->catalog->pages_n; i++)
        st = page_write(c, c->catalog->pages[i]);
    return st == EDN_OK ? months_write(c) : st;
}

/* ---- changing ---------------------------------------------------------------------------------------------------- */

/* Where the item of an id lies on a page: offset of its LP and whole length; false when it is not there. */
static bool page_find(const page *p, const edn_entry_id *id, size_t *at, size_t *n, catalog_item *it)
{
    edn_reader r = edn_reader_init(edn_buf_view(&p->bytes));

    while (edn_reader_left(&r) > 0) {
        size_t begin = (size_t)(r.p - r.start);
        edn_bytes item = edn_read_lp(&r, PAGE_SIZE_MAX, "item");
        if (item.n < ITEM_FIXED_SIZE)
            return false;
        if (memcmp(item.p, id->b, sizeof id->b) == 0) {
            *at = begin;
            *n = item.n + 4;
            return item_read(item, NULL, it) == EDN_OK;
        }
    }
    return false;
}

static void page_cut(page *p, size_t at, size_t n)
{
    memmove(p->bytes.p + at, p->bytes.p + at + n, p->bytes.n - at - n);
    p->bytes.n -= n;
    p->dirty = true;
}

static edn_status take_off(edn_client *c, const char *month, const edn_entry_id *id)
{
    catalog_item it;
    size_t at, n;
    page *p;
    edn_status st;

    if (!month[0])
        return EDN_OK;
    if ((st = page_get(c, month, &p)) != EDN_OK || !page_find(p, id, &at, &n, &it))
        return st;
    page_cut(p, at, n);
    return month_add(c, month, it.deleted ? 0 : -1, it.deleted ? -1 : 0);
}

/* Where an item belongs on a page. */
static size_t page_place(const page *p, const catalog_item *it)
{
    edn_reader r = edn_reader_init(edn_buf_view(&p->bytes));
    size_t at = 0;

    while (edn_reader_left(&r) > 0) {
        edn_bytes item = edn_read_lp(&r, PAGE_SIZE_MAX, "item");
        catalog_item other;
        if (item_read(item, NULL, &other) != EDN_OK || item_compare(&other, it) > 0)
            break;
        at = (size_t)(r.p - r.start);
    }
    return at;
}

edn_status catalog_put(edn_client *c, const char *old_month, const catalog_item *it)
{
    char month[MONTH_SIZE + 1];
    edn_buf item = EDN_BUF_INIT(PAGE_SIZE_MAX);
    size_t at;
    page *p;
    edn_status st = take_off(c, old_month, &it->id);

    month_of(it->date, month);
    edn_put_u32(&item, 0);
    item_put(&item, it);
    if (st == EDN_OK)
        st = edn_buf_status(&item);
    if (st == EDN_OK)
        st = page_get(c, month, &p);
    if (st == EDN_OK) {
        edn_store_u32(item.p, (uint32_t)(item.n - 4));
        at = page_place(p, it);
        if (edn_buf_grow(&p->bytes, item.n)) {
            memmove(p->bytes.p + at + item.n, p->bytes.p + at, p->bytes.n - item.n - at);
            memcpy(p->bytes.p + at, item.p, item.n);
            p->dirty = true;
        }
        st = edn_buf_status(&p->bytes);
    }
    if (st == EDN_OK)
        st = month_add(c, month, it->deleted ? 0 : 1, it->deleted ? 1 : 0);
    edn_buf_wipe(&item);
    return st;
}

/* ---- listing ----------------------------------------------------------------------------------------------------- */

static edn_status list_page(edn_client *c, const char *month, edn_bytes from, edn_bytes to, bool reverse,
                            catalog_fn *fn, void *ctx)
{
    edn_arena a = edn_arena_init(EDN_BUF_UNLIMITED);
    edn_buf bytes = EDN_BUF_INIT(PAGE_SIZE_MAX);
    catalog_item *items = NULL;
    size_t n = 0, cap = 0;
    page *p;
    edn_status st = page_get(c, month, &p);

    if (st == EDN_OK) {
        /* A copy: the callback may open entries, and so change which pages are held. */
        edn_put_bytes(&bytes, p->bytes.p, p->bytes.n);
        st = edn_buf_status(&bytes);
    }
    edn_reader r = edn_reader_init(edn_buf_view(&bytes));
    while (st == EDN_OK && edn_reader_left(&r) > 0) {
        edn_bytes item = edn_read_lp(&r, PAGE_SIZE_MAX, "item");
        if (n == cap) {
            catalog_item *more = realloc(items, (cap = cap ? 2 * cap : 64) * sizeof *more);
            if (!more) {
                st = EDN_E_NOMEM;
                break;
            }
            items = more;
        }
        st = item_read(item, &a, &items[n++]);
        if (st != EDN_OK && st != EDN_E_NOMEM)
            st = EDN_E_DAMAGED;
    }
    for (size_t i = 0; st == EDN_OK && i < n; i++) {
        const catalog_item *it = &items[reverse ? n - 1 - i : i];
        if ((from.n && bytes_compare(it->date, from) < 0) || (to.n && bytes_compare(it->date, to) > 0))
            continue;
        st = fn(ctx, it);
    }
    free(items);
    edn_buf_wipe(&bytes);
    edn_arena_dispose(&a);
    return st;
}

edn_status catalog_list(edn_client *c, edn_bytes from, edn_bytes to, bool reverse, catalog_fn *fn, void *ctx)
{
    catalog *k = c->catalog;
    edn_status st = months_load(c);
    size_t first = 0, end = k->months_n;
    char month[MONTH_SIZE + 1];

    if (from.n >= MONTH_SIZE) {
        month_of(from, month);
        first = month_lower_bound(k, month);
    }
    if (to.n >= MONTH_SIZE) {
        month_of(to, month);
        end = month_lower_bound(k, month);
        if (end < k->months_n && strcmp(k->months[end].month, month) == 0)
            end++;
    }
    for (size_t i = first; st == EDN_OK && i < end; i++) {
        memcpy(month, k->months[reverse ? end - 1 - (i - first) : i].month, sizeof month);
        st = list_page(c, month, from, to, reverse, fn, ctx);
    }
    return st;
}

edn_status catalog_counts(edn_client *c, uint64_t *live, uint64_t *deleted)
{
    edn_status st = months_load(c);

    *live = *deleted = 0;
    for (size_t i = 0; st == EDN_OK && i < c->catalog->months_n; i++) {
        *live += c->catalog->months[i].live;
        *deleted += c->catalog->months[i].deleted;
    }
    return st;
}

/* ---- from a document --------------------------------------------------------------------------------------------- */

static edn_bytes field(const edn_doc *doc, const char *name)
{
    edn_bytes v;
    return edn_doc_get(doc, edn_bytes_str(name), &v) == EDN_OK ? v : EDN_BYTES_EMPTY;
}

/* The beginning of the text, cut at a character and at the first line's end. */
static edn_status preview(const edn_doc *doc, edn_arena *a, edn_bytes *out)
{
    edn_buf text = EDN_BUF_INIT(EDN_DOC_TEXT_SIZE_MAX);
    edn_status st = edn_doc_text_part(doc, 0, EDN_PREVIEW_SIZE, &text);
    size_t n = EDN_MIN(text.n, (size_t)EDN_PREVIEW_SIZE);
    const uint8_t *line;

    if (st == EDN_OK) {
        while (n < text.n && n > 0 && (text.p[n] & 0xc0) == 0x80)
            n--;
        line = n ? memchr(text.p, '\n', n) : NULL;
        if (line)
            n = (size_t)(line - text.p);
        st = edn_arena_copy(a, edn_bytes_of(text.p, n), out) ? EDN_OK : EDN_E_NOMEM;
    }
    edn_buf_wipe(&text);
    return st;
}

edn_status catalog_describe(edn_client *c, const object *o, edn_arena *a, catalog_item *out)
{
    edn_doc_state state = edn_doc_state_of(o->doc);
    edn_bytes created = field(o->doc, FIELD_CREATED), tag, *tags;
    edn_status st;

    memset(out, 0, sizeof *out);
    out->id = o->id;
    out->journal = object_journal(c, o);
    out->created_ms = created.n == 8 ? edn_load_u64(created.p) : 0;
    out->changed_ms = o->changed_ms;
    out->text_size = edn_doc_text_size(o->doc);
    out->deleted = state == EDN_DOC_DELETED;
    out->conflict = state == EDN_DOC_CONFLICT;
    out->date = field(o->doc, FIELD_DATE);
    out->title = field(o->doc, FIELD_TITLE);
    if ((st = preview(o->doc, a, &out->preview)) != EDN_OK)
        return st;
    while (edn_doc_tag_at(o->doc, out->tags_n, &tag))
        out->tags_n++;
    tags = edn_arena_calloc(a, out->tags_n, sizeof *tags);
    if (!tags && out->tags_n)
        return EDN_E_NOMEM;
    for (size_t i = 0; i < out->tags_n; i++)
        (void)edn_doc_tag_at(o->doc, i, &tags[i]); /* counted a moment ago */
    out->tags = tags;
    return EDN_OK;
}
