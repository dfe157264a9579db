/* The table of contents: what lists show of every entry, so that listing opens none. Its pages are in pages.c.
 *
 *     item = id 16 ‖ journal 16 ‖ u64 created ms ‖ u64 changed ms ‖ u64 text size ‖
 *            u8 flags (1 deleted, 2 conflict, 4 more tags than stand here) ‖
 *            LP(date) ‖ LP(title) ‖ LP(preview) ‖ u32 n ‖ n × LP(tag)
 *
 * An item is small, whatever its entry holds: titles, tags and dates that are none are cut. An entry whose date is not
 * one stands in the month 0000-00. */
#include "client/diary/catalog_priv.h"

#include <stdlib.h>
#include <time.h>

#define NO_MONTH "0000-00"
#define TITLE_SHOWN_MAX 256u
#define TAGS_SHOWN_MAX 32u
#define TAGS_SHOWN_SIZE_MAX 1024u
enum { FLAG_DELETED = 1, FLAG_CONFLICT = 2, FLAG_MORE_TAGS = 4 };

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
    edn_put_u8(out, (uint8_t)((it->deleted ? FLAG_DELETED : 0) | (it->conflict ? FLAG_CONFLICT : 0) |
                              (it->more_tags ? FLAG_MORE_TAGS : 0)));
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
    it->more_tags = flags & FLAG_MORE_TAGS;
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

/* A date that stands on a page is cut already, but not on one of an older store. */
static edn_bytes date_shown(edn_bytes date) { return text_cut(date, DATE_SHOWN_MAX); }

static void key_set(item_key *key, const edn_entry_id *id, edn_bytes date, uint64_t created_ms)
{
    edn_bytes shown = date_shown(date);

    *key = (item_key){.place = {.kind = PLACE_WHOLE, .date_n = (uint8_t)shown.n, .created_ms = created_ms}, .id = *id};
    if (shown.n)
        memcpy(key->place.date, shown.p, shown.n);
}

edn_status item_key_read(edn_bytes item, item_key *out)
{
    edn_reader r = edn_reader_init(item);
    edn_entry_id id;
    uint64_t created;

    edn_read_into(&r, id.b, sizeof id.b, "id");
    (void)edn_read_bytes(&r, sizeof(edn_journal_id), "journal"); /* the reader remembers what failed */
    created = edn_read_u64(&r, "created");
    (void)edn_read_bytes(&r, 17, "changed, text size, flags");
    key_set(out, &id, edn_read_lp(&r, item.n, "date"), created);
    return edn_reader_status(&r);
}

/* ---- changing ---------------------------------------------------------------------------------------------------- */

edn_status catalog_flush(edn_client *c) { return pages_flush(c); }

static edn_status count_journal(void *ctx, const catalog_item *it)
{
    return journal_add(ctx, &it->journal, !it->deleted);
}

/* A store of before journals were counted: once, at its first change. */
static edn_status keep_journals(edn_client *c)
{
    edn_status st = months_load(c);

    if (st == EDN_OK && !c->catalog->journals_kept) {
        st = catalog_list(c, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, count_journal, c);
        c->catalog->journals_kept = c->catalog->months_dirty = true;
    }
    return st;
}

/* Where the item of an id lies on a page: offset of its LP and whole length; false when it is not there. */
static bool page_find(const page *p, const edn_entry_id *id, size_t *at, size_t *n, catalog_item *it)
{
    edn_reader r = edn_reader_init(edn_buf_view(&p->bytes));

    while (edn_reader_left(&r) > 0) {
        size_t begin = (size_t)(r.p - r.start);
        edn_bytes item = edn_read_lp(&r, PAGE_ROW_SIZE_MAX, "item");
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

static edn_status take_off_part(edn_client *c, month *m, size_t i, const edn_entry_id *id, bool *found)
{
    catalog_item it;
    size_t at, n;
    page *p;
    edn_status st = page_get(c, m, i, &p);

    *found = st == EDN_OK && page_find(p, id, &at, &n, &it);
    if (!*found)
        return st;
    m->live -= !it.deleted;
    m->deleted -= it.deleted;
    c->catalog->months_dirty = true;
    if ((st = journal_add(c, &it.journal, it.deleted ? 0 : -1)) != EDN_OK)
        return st;
    memmove(p->bytes.p + at, p->bytes.p + at + n, p->bytes.n - at - n);
    p->bytes.n -= n;
    p->dirty = true;
    return page_drop_if_empty(c, m, i);
}

/* `to_month`: where the item goes, which is not dropped when it is empty. */
static edn_status take_off(edn_client *c, const catalog_place *from, const edn_entry_id *id, const char *to_month)
{
    char name[MONTH_SIZE + 1];
    item_key key = {.place = *from, .id = *id};
    bool found = false;
    month *m;
    edn_status st;

    if (from->kind == PLACE_NONE)
        return EDN_OK;
    if (from->kind == PLACE_MONTH)
        memcpy(name, from->date, MONTH_SIZE);
    else
        month_of(edn_bytes_of(from->date, from->date_n), name);
    name[MONTH_SIZE] = 0;
    m = month_find(c->catalog, name);
    if (!m || (st = month_parts_load(c, m)) != EDN_OK)
        return m ? st : EDN_OK;
    if (from->kind == PLACE_WHOLE)
        st = take_off_part(c, m, month_part_of(m, &key), id, &found);
    /* An older version kept no more than the month. */
    for (size_t i = 0; st == EDN_OK && !found && i < m->parts_n; i++)
        st = take_off_part(c, m, i, id, &found);
    return st == EDN_OK && strcmp(name, to_month) != 0 ? month_drop_if_empty(c, m) : st;
}

/* Where an item belongs on a page. */
static size_t page_place(const page *p, const item_key *key)
{
    edn_reader r = edn_reader_init(edn_buf_view(&p->bytes));
    size_t at = 0;

    while (edn_reader_left(&r) > 0) {
        edn_bytes item = edn_read_lp(&r, PAGE_ROW_SIZE_MAX, "item");
        item_key other;
        if (item_key_read(item, &other) != EDN_OK || item_key_compare(&other, key) > 0)
            break;
        at = (size_t)(r.p - r.start);
    }
    return at;
}

static edn_status put_on(edn_client *c, month *m, const item_key *key, edn_bytes item)
{
    size_t i, at, n = item.n + 4;
    page *p;
    edn_status st = month_parts_load(c, m);

    if (st != EDN_OK)
        return st;
    i = month_part_of(m, key);
    if ((st = page_get(c, m, i, &p)) != EDN_OK)
        return st;
    at = page_place(p, key);
    if (!edn_buf_grow(&p->bytes, n))
        return edn_buf_status(&p->bytes);
    memmove(p->bytes.p + at + n, p->bytes.p + at, p->bytes.n - n - at);
    edn_store_u32(p->bytes.p + at, (uint32_t)item.n);
    memcpy(p->bytes.p + at + 4, item.p, item.n);
    p->dirty = true;
    return p->bytes.n > PAGE_SIZE ? page_split(c, m, i, at + n == p->bytes.n) : EDN_OK;
}

edn_status catalog_put(edn_client *c, catalog_place *place, const catalog_item *it)
{
    char name[MONTH_SIZE + 1];
    edn_buf item = EDN_BUF_INIT(PAGE_ROW_SIZE_MAX);
    item_key key;
    month *m;
    edn_status st = keep_journals(c);

    month_of(it->date, name);
    key_set(&key, &it->id, it->date, it->created_ms);
    item_put(&item, it);
    if (st == EDN_OK)
        st = edn_buf_status(&item);
    if (st == EDN_OK && (st = take_off(c, place, &it->id, name)) == EDN_OK)
        st = month_get(c, name, &m);
    if (st == EDN_OK && (st = put_on(c, m, &key, edn_buf_view(&item))) == EDN_OK) {
        m->live += !it->deleted;
        m->deleted += it->deleted;
        c->catalog->months_dirty = true;
        *place = key.place;
        st = journal_add(c, &it->journal, !it->deleted);
    }
    edn_buf_wipe(&item);
    return st;
}

/* ---- listing ----------------------------------------------------------------------------------------------------- */

static edn_status list_page(const page *p, edn_bytes from, edn_bytes to, bool reverse, catalog_fn *fn, void *ctx)
{
    edn_arena a = edn_arena_init(EDN_BUF_UNLIMITED);
    edn_buf bytes = EDN_BUF_INIT(PAGE_ROW_SIZE_MAX);
    catalog_item *items = NULL;
    size_t n = 0, cap = 0;
    edn_status st;

    /* A copy: the callback may open entries, and so change which pages are held. */
    edn_put_bytes(&bytes, p->bytes.p, p->bytes.n);
    st = edn_buf_status(&bytes);
    edn_reader r = edn_reader_init(edn_buf_view(&bytes));
    while (st == EDN_OK && edn_reader_left(&r) > 0) {
        edn_bytes item = edn_read_lp(&r, PAGE_ROW_SIZE_MAX, "item");
        if (!edn_array_room(&items, &cap, n + 1, sizeof *items)) {
            st = EDN_E_NOMEM;
            break;
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

typedef struct listed_page {
    char month[MONTH_SIZE + 1];
    uint32_t no;
} listed_page;

static edn_bytes part_date(const part *p) { return edn_bytes_of(p->first.place.date, p->first.place.date_n); }

/* The pages of a month on which such dates can stand. */
static edn_status gather_pages(edn_client *c, month *m, edn_bytes from, edn_bytes to, edn_buf *out)
{
    edn_status st = month_parts_load(c, m);

    for (size_t i = 0; st == EDN_OK && i < m->parts_n; i++) {
        listed_page l = {.no = m->parts[i].no};
        if ((from.n && i + 1 < m->parts_n && bytes_compare(part_date(&m->parts[i + 1]), from) < 0) ||
            (to.n && bytes_compare(part_date(&m->parts[i]), to) > 0))
            continue;
        memcpy(l.month, m->name, sizeof l.month);
        edn_put_bytes(out, &l, sizeof l);
        st = edn_buf_status(out);
    }
    return st;
}

/* A page may be gone since it was gathered: a callback that opens entries lets others be written. */
static edn_status list_gathered(edn_client *c, const listed_page *l, edn_bytes from, edn_bytes to, bool reverse,
                                catalog_fn *fn, void *ctx)
{
    month *m = month_find(c->catalog, l->month);
    page *p;
    edn_status st = m ? month_parts_load(c, m) : EDN_OK;

    for (size_t i = 0; m && st == EDN_OK && i < m->parts_n; i++)
        if (m->parts[i].no == l->no)
            return (st = page_get(c, m, i, &p)) == EDN_OK ? list_page(p, from, to, reverse, fn, ctx) : st;
    return st;
}

edn_status catalog_months(edn_client *c, edn_bytes from, edn_bytes to, size_t *first, size_t *end)
{
    const catalog *k = c->catalog;
    edn_status st = months_load(c);
    char name[MONTH_SIZE + 1];

    *first = 0;
    *end = k->months_n;
    if (from.n >= MONTH_SIZE) {
        month_of(from, name);
        *first = month_lower_bound(k, name);
    }
    if (to.n >= MONTH_SIZE) {
        month_of(to, name);
        *end = month_lower_bound(k, name);
        if (*end < k->months_n && strcmp(k->months[*end].name, name) == 0)
            ++*end;
    }
    return st;
}

edn_status catalog_list_month(edn_client *c, const char *name, edn_bytes from, edn_bytes to, bool reverse,
                              catalog_fn *fn, void *ctx)
{
    month *m = month_find(c->catalog, name);
    edn_buf pages = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st = m ? gather_pages(c, m, from, to, &pages) : EDN_OK;
    size_t n = pages.n / sizeof(listed_page);

    for (size_t at = 0; st == EDN_OK && at < n; at++) {
        listed_page l;
        memcpy(&l, pages.p + (reverse ? n - 1 - at : at) * sizeof l, sizeof l);
        st = list_gathered(c, &l, from, to, reverse, fn, ctx);
    }
    edn_buf_dispose(&pages);
    return st;
}

edn_status catalog_list(edn_client *c, edn_bytes from, edn_bytes to, bool reverse, catalog_fn *fn, void *ctx)
{
    catalog *k = c->catalog;
    size_t first, end;
    edn_status st = catalog_months(c, from, to, &first, &end);
    char name[MONTH_SIZE + 1];

    /* A month at a time, so that what stops early has not read the directories of all. */
    for (size_t left = end > first ? end - first : 0, i = reverse ? end - 1 : first; st == EDN_OK && left-- > 0;) {
        if (i >= k->months_n)
            break;
        memcpy(name, k->months[i].name, sizeof name);
        st = catalog_list_month(c, name, from, to, reverse, fn, ctx);
        i = month_lower_bound(k, name); /* months may have come or gone meanwhile */
        i = reverse ? i - 1 : i + (i < k->months_n && strcmp(k->months[i].name, name) == 0);
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

edn_status catalog_journal_count(edn_client *c, const edn_journal_id *j, uint64_t *live, bool *kept)
{
    edn_status st = months_load(c);

    *live = 0;
    *kept = st == EDN_OK && c->catalog->journals_kept;
    return *kept ? journal_live(c, j, live) : st;
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
    size_t tags_size = 0;
    uint32_t at = 0;
    edn_status st;

    memset(out, 0, sizeof *out);
    out->id = o->id;
    out->journal = doc_journal(c, o->doc);
    out->created_ms = created.n == 8 ? edn_load_u64(created.p) : 0;
    out->changed_ms = o->changed_ms;
    out->text_size = edn_doc_text_size(o->doc);
    out->deleted = state == EDN_DOC_DELETED;
    out->conflict = state == EDN_DOC_CONFLICT;
    out->date = date_shown(field(o->doc, FIELD_DATE));
    out->title = text_cut(field(o->doc, FIELD_TITLE), TITLE_SHOWN_MAX);
    if ((st = preview(o->doc, a, &out->preview)) != EDN_OK)
        return st;
    tags = edn_arena_calloc(a, TAGS_SHOWN_MAX, sizeof *tags);
    if (!tags)
        return EDN_E_NOMEM;
    while (!out->more_tags && edn_doc_tag_next(o->doc, &at, &tag)) {
        out->more_tags = out->tags_n == TAGS_SHOWN_MAX || tags_size + tag.n > TAGS_SHOWN_SIZE_MAX;
        if (!out->more_tags) {
            tags_size += tag.n;
            tags[out->tags_n++] = tag;
        }
    }
    out->tags = tags;
    return EDN_OK;
}
