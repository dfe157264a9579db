/* The table of contents on the disk.
 *
 *     EDN_TABLE_CATALOG   "months"                u8 2 ‖ n × (month 7 ‖ u32 live ‖ u32 deleted ‖ u32 parts), ascending
 *                         "parts" ‖ month         n × (u32 page ‖ u8 n ‖ date n ‖ u64 created ms ‖ id 16): where each
 *                                                 page begins; only where there is more than page 0
 *                         "page" ‖ month          page 0: n × LP(item), by (date, created, id)
 *                         "page" ‖ month ‖ u32    any other page
 *                         "journal" ‖ journal 16  u64 entries in it that are not deleted
 *
 *        months ─▶ 1660-01 ─▶ page 0
 *               ─▶ 1660-02 ─▶ parts ─▶ page 0 | page 3 | page 1        (page 3 was split off page 0, after page 1)
 *
 * A change reads and writes one page of some 32 KiB, and the two small rows above it: what it costs does not grow with
 * the month. A separator in a directory stays where it is when the item that it was made from goes; it only has to
 * be right about what is before it.
 *
 * Stores of before there were parts have "months" of version 1, without the last number and without counts of journals.
 * They are read as they are; the first change counts the journals and writes version 2, and a page that is too large
 * is split when it is next changed. */
#include "client/diary/catalog_priv.h"

#include <stdlib.h>

#define MONTH_ROW_SIZE (MONTH_SIZE + 12)
#define MONTH_ROW_SIZE_1 (MONTH_SIZE + 8)

/* ---- order ------------------------------------------------------------------------------------------------------- */

int item_key_compare(const item_key *a, const item_key *b)
{
    int d = bytes_compare(edn_bytes_of(a->place.date, a->place.date_n), edn_bytes_of(b->place.date, b->place.date_n));

    if (d == 0)
        d = (a->place.created_ms > b->place.created_ms) - (a->place.created_ms < b->place.created_ms);
    return d ? d : memcmp(a->id.b, b->id.b, sizeof a->id.b);
}

/* ---- pages in memory --------------------------------------------------------------------------------------------- */

static void page_free(page *p)
{
    edn_buf_wipe(&p->bytes);
    free(p);
}

static void month_dispose(month *m)
{
    free(m->parts);
    *m = (month){0};
}

edn_status catalog_new(catalog **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? EDN_OK : EDN_E_NOMEM;
}

void catalog_forget(catalog *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < k->pages_n; i++)
        page_free(k->pages[i]);
    for (size_t i = 0; i < k->months_n; i++)
        month_dispose(&k->months[i]);
    if (k->months)
        edn_wipe(k->months, k->months_cap * sizeof *k->months);
    edn_wipe(k->journals, sizeof k->journals);
    k->pages_n = k->months_n = k->journals_n = 0;
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

static edn_store_key_name page_key(edn_client *c, const page *p)
{
    uint8_t salt[MONTH_SIZE + 4];

    memcpy(salt, p->month, MONTH_SIZE);
    edn_store_u32(salt + MONTH_SIZE, p->no);
    return edn_store_name(c->store, EDN_TABLE_CATALOG, "page", edn_bytes_of(salt, MONTH_SIZE + (p->no ? 4 : 0)));
}

static edn_status page_write(edn_client *c, page *p)
{
    edn_store_key_name k = page_key(c, p);

    if (!p->dirty)
        return EDN_OK;
    p->dirty = false;
    if (edn_buf_status(&p->bytes) != EDN_OK)
        return edn_buf_status(&p->bytes);
    return p->bytes.n ? edn_store_put(c->store, EDN_TABLE_CATALOG, EDN_F(k), edn_buf_view(&p->bytes))
                      : edn_store_del(c->store, EDN_TABLE_CATALOG, EDN_F(k));
}

/* Out of memory, written first. */
static edn_status page_release(edn_client *c, size_t i)
{
    catalog *k = c->catalog;
    page *p = k->pages[i];
    month *m = month_find(k, p->month);
    edn_status st = page_write(c, p);

    if (st != EDN_OK)
        return st;
    for (size_t n = 0; m && n < m->parts_n; n++)
        if (m->parts[n].held == p)
            m->parts[n].held = NULL;
    page_free(p);
    k->pages[i] = k->pages[--k->pages_n];
    return EDN_OK;
}

static edn_status page_add(edn_client *c, const month *m, part *at)
{
    catalog *k = c->catalog;
    size_t oldest = 0;
    edn_status st;
    page *p;

    if (k->pages_n == PAGES_HELD) {
        for (size_t i = 1; i < k->pages_n; i++)
            if (k->pages[i]->used < k->pages[oldest]->used)
                oldest = i;
        if ((st = page_release(c, oldest)) != EDN_OK)
            return st;
    }
    p = calloc(1, sizeof *p);
    if (!p)
        return EDN_E_NOMEM;
    memcpy(p->month, m->name, sizeof p->month);
    p->no = at->no;
    p->bytes = EDN_BUF_INIT(PAGE_ROW_SIZE_MAX);
    p->used = ++k->clock;
    k->pages[k->pages_n++] = p;
    at->held = p;
    return EDN_OK;
}

edn_status page_get(edn_client *c, month *m, size_t i, page **out)
{
    part *at = &m->parts[i];
    edn_status st = EDN_OK;

    if (!at->held) {
        if ((st = page_add(c, m, at)) != EDN_OK)
            return st;
        edn_store_key_name key = page_key(c, at->held);
        st = edn_store_get(c->store, EDN_TABLE_CATALOG, EDN_F(key), &at->held->bytes);
        if (st == EDN_E_MISSING && m->stored == 0)
            st = EDN_OK; /* a month that is only being made */
        else if (st == EDN_E_MISSING)
            st = EDN_E_DAMAGED;
        if (st != EDN_OK) {
            page_free(at->held);
            at->held = NULL;
            c->catalog->pages_n--;
            return st;
        }
    }
    at->held->used = ++c->catalog->clock;
    *out = at->held;
    return EDN_OK;
}

/* ---- the list of months ------------------------------------------------------------------------------------------ */

static edn_status months_room(catalog *k, size_t n)
{
    return edn_array_room(&k->months, &k->months_cap, n, sizeof *k->months) ? EDN_OK : EDN_E_NOMEM;
}

static edn_status months_read(catalog *k, edn_bytes row)
{
    edn_reader r = edn_reader_init(row);
    uint8_t version = edn_read_u8(&r, "version");
    size_t size = version == 2 ? MONTH_ROW_SIZE : MONTH_ROW_SIZE_1, n = edn_reader_left(&r) / size;
    edn_status st;

    if (version < 1 || version > 2 || edn_reader_left(&r) % size != 0)
        return EDN_E_DAMAGED;
    if ((st = months_room(k, n)) != EDN_OK)
        return st;
    for (size_t i = 0; i < n; i++) {
        month *m = &k->months[i];
        *m = (month){.name = ""};
        edn_read_into(&r, m->name, MONTH_SIZE, "month");
        m->live = edn_read_u32(&r, "live");
        m->deleted = edn_read_u32(&r, "deleted");
        m->stored = version == 2 ? edn_read_u32(&r, "parts") : 0;
    }
    k->months_n = n;
    k->journals_kept = version == 2;
    return EDN_OK;
}

edn_status months_load(edn_client *c)
{
    catalog *k = c->catalog;
    edn_store_key_name key = edn_store_name(c->store, EDN_TABLE_CATALOG, "months", EDN_BYTES_EMPTY);
    edn_buf row = EDN_BUF_INIT(PAGE_ROW_SIZE_MAX);
    edn_status st;

    if (k->months_loaded)
        return EDN_OK;
    st = edn_store_get(c->store, EDN_TABLE_CATALOG, EDN_F(key), &row);
    if (st == EDN_OK) {
        st = months_read(k, edn_buf_view(&row));
    } else if (st == EDN_E_MISSING) {
        k->journals_kept = true;
        st = EDN_OK;
    }
    k->months_loaded = st == EDN_OK;
    edn_buf_wipe(&row);
    return st;
}

size_t month_lower_bound(const catalog *k, const char *name)
{
    size_t lo = 0, hi = k->months_n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(k->months[mid].name, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

month *month_find(const catalog *k, const char *name)
{
    size_t i = month_lower_bound(k, name);

    return i < k->months_n && strcmp(k->months[i].name, name) == 0 ? &k->months[i] : NULL;
}

edn_status month_get(edn_client *c, const char *name, month **out)
{
    catalog *k = c->catalog;
    size_t i;
    edn_status st = months_load(c);

    if (st != EDN_OK || (*out = month_find(k, name)))
        return st;
    if ((st = months_room(k, k->months_n + 1)) != EDN_OK)
        return st;
    i = month_lower_bound(k, name);
    memmove(k->months + i + 1, k->months + i, (k->months_n - i) * sizeof *k->months);
    k->months[i] = (month){.name = ""};
    memcpy(k->months[i].name, name, sizeof k->months[i].name);
    k->months_n++;
    k->months_dirty = true;
    *out = &k->months[i];
    return EDN_OK;
}

static edn_store_key_name parts_key(edn_client *c, const month *m)
{
    return edn_store_name(c->store, EDN_TABLE_CATALOG, "parts", edn_bytes_of(m->name, MONTH_SIZE));
}

edn_status month_drop_if_empty(edn_client *c, month *m)
{
    catalog *k = c->catalog;
    edn_store_key_name key = parts_key(c, m);
    edn_status st = EDN_OK;

    if (m->live || m->deleted)
        return EDN_OK;
    for (size_t i = k->pages_n; st == EDN_OK && i-- > 0;)
        if (strcmp(k->pages[i]->month, m->name) == 0)
            st = page_release(c, i);
    if (st == EDN_OK && m->stored)
        st = edn_store_del(c->store, EDN_TABLE_CATALOG, EDN_F(key));
    if (st != EDN_OK)
        return st;
    month_dispose(m);
    memmove(m, m + 1, (k->months_n - (size_t)(m - k->months) - 1) * sizeof *m);
    k->months_n--;
    k->months_dirty = true;
    return EDN_OK;
}

/* ---- the parts of a month ---------------------------------------------------------------------------------------- */

static edn_status parts_room(month *m, size_t n)
{
    return edn_array_room(&m->parts, &m->parts_cap, n, sizeof *m->parts) ? EDN_OK : EDN_E_NOMEM;
}

static edn_status parts_read(month *m, edn_bytes row)
{
    edn_reader r = edn_reader_init(row);
    edn_status st;

    for (size_t i = 0; i < m->stored; i++) {
        part *p;
        if ((st = parts_room(m, i + 1)) != EDN_OK)
            return st;
        p = &m->parts[i];
        *p = (part){.no = edn_read_u32(&r, "page")};
        p->first.place.date_n = edn_read_u8(&r, "date size");
        if (p->first.place.date_n > sizeof p->first.place.date)
            edn_reader_fail(&r, EDN_E_FORMAT, "date size");
        else
            edn_read_into(&r, p->first.place.date, p->first.place.date_n, "date");
        p->first.place.created_ms = edn_read_u64(&r, "created");
        edn_read_into(&r, p->first.id.b, sizeof p->first.id.b, "id");
        if (edn_reader_status(&r) != EDN_OK)
            return EDN_E_DAMAGED;
    }
    m->parts_n = m->stored;
    return edn_reader_end(&r) == EDN_OK ? EDN_OK : EDN_E_DAMAGED;
}

edn_status month_parts_load(edn_client *c, month *m)
{
    edn_store_key_name key = parts_key(c, m);
    edn_buf row = EDN_BUF_INIT(PAGE_ROW_SIZE_MAX);
    edn_status st;

    if (m->loaded)
        return EDN_OK;
    if (m->stored == 0) {
        if ((st = parts_room(m, 1)) == EDN_OK) {
            m->parts[0] = (part){.no = 0};
            m->parts_n = 1;
        }
    } else {
        st = edn_store_get(c->store, EDN_TABLE_CATALOG, EDN_F(key), &row);
        st = st == EDN_OK ? parts_read(m, edn_buf_view(&row)) : st == EDN_E_MISSING ? EDN_E_DAMAGED : st;
        edn_buf_wipe(&row);
    }
    m->loaded = st == EDN_OK;
    return st;
}

size_t month_part_of(const month *m, const item_key *key)
{
    size_t lo = 1, hi = m->parts_n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (item_key_compare(&m->parts[mid].first, key) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo - 1;
}

static edn_status parts_write(edn_client *c, month *m)
{
    edn_store_key_name key = parts_key(c, m);
    edn_buf row = EDN_BUF_INIT(PAGE_ROW_SIZE_MAX);
    bool plain = m->parts_n == 1 && m->parts[0].no == 0;
    edn_status st;

    if (!m->dirty)
        return EDN_OK;
    for (size_t i = 0; !plain && i < m->parts_n; i++) {
        const part *p = &m->parts[i];
        edn_put_u32(&row, p->no);
        edn_put_u8(&row, p->first.place.date_n);
        edn_put_bytes(&row, p->first.place.date, p->first.place.date_n);
        edn_put_u64(&row, p->first.place.created_ms);
        edn_put_bytes(&row, p->first.id.b, sizeof p->first.id.b);
    }
    st = edn_buf_status(&row);
    if (st == EDN_OK)
        st = plain ? edn_store_del(c->store, EDN_TABLE_CATALOG, EDN_F(key))
                   : edn_store_put(c->store, EDN_TABLE_CATALOG, EDN_F(key), edn_buf_view(&row));
    edn_buf_wipe(&row);
    if (st == EDN_OK) {
        m->stored = plain ? 0 : (uint32_t)m->parts_n;
        m->dirty = false;
        c->catalog->months_dirty = true;
    }
    return st;
}

static void part_remove(month *m, size_t i)
{
    memmove(m->parts + i, m->parts + i + 1, (m->parts_n - i - 1) * sizeof *m->parts);
    m->parts_n--;
    m->parts[0].first = (item_key){.id = {{0}}};
    m->dirty = true;
}

/* A new, empty page behind that of part `after`. */
static edn_status part_insert(edn_client *c, month *m, size_t after, const item_key *first)
{
    uint32_t no = 0;
    edn_status st = parts_room(m, m->parts_n + 1);

    if (st != EDN_OK)
        return st;
    for (size_t i = 0; i < m->parts_n; i++)
        no = EDN_MAX(no, m->parts[i].no + 1);
    memmove(m->parts + after + 2, m->parts + after + 1, (m->parts_n - after - 1) * sizeof *m->parts);
    m->parts[after + 1] = (part){.no = no, .first = *first};
    m->parts_n++;
    m->dirty = true;
    return page_add(c, m, &m->parts[after + 1]);
}

edn_status page_drop_if_empty(edn_client *c, month *m, size_t i)
{
    catalog *k = c->catalog;
    page *p = m->parts[i].held;
    edn_status st = EDN_OK;

    if (p->bytes.n || m->parts_n == 1)
        return EDN_OK;
    for (size_t n = 0; st == EDN_OK && n < k->pages_n; n++)
        if (k->pages[n] == p) {
            st = page_release(c, n);
            break;
        }
    if (st == EDN_OK)
        part_remove(m, i);
    return st;
}

edn_status page_split(edn_client *c, month *m, size_t i, bool appended)
{
    page *p = m->parts[i].held;
    edn_buf whole = p->bytes;
    size_t full = appended ? PAGE_SIZE : PAGE_SIZE / 2;
    edn_reader r = edn_reader_init(edn_buf_view(&whole));
    edn_status st = EDN_OK;

    p->bytes = EDN_BUF_INIT(PAGE_ROW_SIZE_MAX);
    while (st == EDN_OK && edn_reader_left(&r) > 0) {
        edn_bytes item = edn_read_lp(&r, PAGE_ROW_SIZE_MAX, "item");
        item_key key;
        if ((st = edn_reader_status(&r)) != EDN_OK || (st = item_key_read(item, &key)) != EDN_OK)
            break;
        if (p->bytes.n && p->bytes.n + item.n + 4 > full) {
            if ((st = part_insert(c, m, i, &key)) != EDN_OK)
                break;
            p = m->parts[++i].held;
        }
        edn_put_lp(&p->bytes, item);
        p->dirty = true;
        st = edn_buf_status(&p->bytes);
    }
    edn_buf_wipe(&whole);
    return st == EDN_OK || st == EDN_E_NOMEM ? st : EDN_E_DAMAGED;
}

/* ---- how many entries a journal has ------------------------------------------------------------------------------ */

static edn_store_key_name journal_key(edn_client *c, const edn_journal_id *j)
{
    return edn_store_name(c->store, EDN_TABLE_CATALOG, "journal", EDN_F(*j));
}

static edn_status journal_write(edn_client *c, journal_count *j)
{
    edn_store_key_name key = journal_key(c, &j->journal);
    uint8_t row[8];

    if (!j->dirty)
        return EDN_OK;
    j->dirty = false;
    edn_store_u64(row, j->live);
    return j->live ? edn_store_put(c->store, EDN_TABLE_CATALOG, EDN_F(key), edn_bytes_of(row, sizeof row))
                   : edn_store_del(c->store, EDN_TABLE_CATALOG, EDN_F(key));
}

static edn_status journals_write(edn_client *c)
{
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < c->catalog->journals_n; i++)
        st = journal_write(c, &c->catalog->journals[i]);
    return st;
}

static edn_status journal_get(edn_client *c, const edn_journal_id *j, journal_count **out)
{
    catalog *k = c->catalog;
    edn_store_key_name key = journal_key(c, j);
    edn_buf row = EDN_BUF_INIT(64);
    edn_status st;

    for (size_t i = 0; i < k->journals_n; i++) {
        if (memcmp(k->journals[i].journal.b, j->b, sizeof j->b) == 0) {
            *out = &k->journals[i];
            return EDN_OK;
        }
    }
    if (k->journals_n == JOURNALS_HELD) {
        if ((st = journals_write(c)) != EDN_OK)
            return st;
        k->journals_n = 0;
    }
    st = edn_store_get(c->store, EDN_TABLE_CATALOG, EDN_F(key), &row);
    if (st == EDN_OK && row.n != 8)
        st = EDN_E_DAMAGED;
    if (st == EDN_OK || st == EDN_E_MISSING) {
        *out = &k->journals[k->journals_n++];
        **out = (journal_count){*j, st == EDN_OK ? edn_load_u64(row.p) : 0, false};
        st = EDN_OK;
    }
    edn_buf_dispose(&row);
    return st;
}

edn_status journal_add(edn_client *c, const edn_journal_id *j, int live)
{
    journal_count *n;
    edn_status st = live ? journal_get(c, j, &n) : EDN_OK;

    if (st == EDN_OK && live) {
        n->live = live < 0 && n->live == 0 ? 0 : n->live + (uint64_t)(int64_t)live;
        n->dirty = true;
    }
    return st;
}

edn_status journal_live(edn_client *c, const edn_journal_id *j, uint64_t *out)
{
    journal_count *n;
    edn_status st = journal_get(c, j, &n);

    *out = st == EDN_OK ? n->live : 0;
    return st;
}

/* ---- to the store ------------------------------------------------------------------------------------------------ */

static edn_status months_write(edn_client *c)
{
    catalog *k = c->catalog;
    edn_store_key_name key = edn_store_name(c->store, EDN_TABLE_CATALOG, "months", EDN_BYTES_EMPTY);
    edn_buf row = EDN_BUF_INIT(PAGE_ROW_SIZE_MAX);
    edn_status st;

    if (!k->months_dirty)
        return EDN_OK;
    edn_put_u8(&row, 2);
    for (size_t i = 0; i < k->months_n; i++) {
        edn_put_bytes(&row, k->months[i].name, MONTH_SIZE);
        edn_put_u32(&row, k->months[i].live);
        edn_put_u32(&row, k->months[i].deleted);
        edn_put_u32(&row, k->months[i].stored);
    }
    st = edn_buf_status(&row);
    if (st == EDN_OK)
        st = edn_store_put(c->store, EDN_TABLE_CATALOG, EDN_F(key), edn_buf_view(&row));
    edn_buf_wipe(&row);
    if (st == EDN_OK)
        k->months_dirty = false;
    return st;
}

edn_status pages_flush(edn_client *c)
{
    catalog *k = c->catalog;
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < k->pages_n; i++)
        st = page_write(c, k->pages[i]);
    for (size_t i = 0; st == EDN_OK && i < k->months_n; i++)
        st = parts_write(c, &k->months[i]);
    if (st == EDN_OK)
        st = journals_write(c);
    return st == EDN_OK ? months_write(c) : st;
}
