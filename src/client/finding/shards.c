/* The rows of the search index, and segments over them.
 *
 *     EDN_TABLE_INDEX   0                            u8 1 ‖ u8 format ‖ u8 flags (1 complete) ‖ u64 next id ‖
 *                                                    n × (u64 id ‖ u32 year ‖ u64 size ‖ u32 docs ‖ u32 dead)
 *                       1 ‖ entry id 16              pending: the date 10 or month 7 of its old place, or nothing
 *                       2 ‖ u64be id ‖ u32be page    a page of a shard
 *                       3 ‖ u64be id                 its mask: bit doc % 8 of byte doc / 8 */
#include "client/finding/index.h"

#include "base/plant.h"
#include "client/finding/arriving.h"

#include "crypto/labels.h"

#include <stdlib.h>

#define LIST_SIZE_MAX ((size_t)1 << 20)
#define SHARD_SIZE 28u
#define PAGES_SIZE_MAX ((size_t)16 << 20)
/* More changes than this in one transaction are left to be found by the next search: an import of a life is quicker
 * than its list would be. */
#define NOTED_MAX 512u
#define FOLD_MIN 128u /* pending entries that a search still reads one by one */
#define RECENT_MAX 8u
#define PUBLISH_MIN 256u
#define PENDING_KEY_SIZE 17u
enum { FLAG_COMPLETE = 1 };

typedef struct row_key {
    uint8_t b[PENDING_KEY_SIZE];
    size_t n;
} row_key;

static void put_be(uint8_t *p, uint64_t v, size_t n)
{
    while (n--) {
        p[n] = (uint8_t)v;
        v >>= 8;
    }
}

static edn_bytes pending_key(row_key *k, const edn_entry_id *id)
{
    k->b[0] = INDEX_KEY_PENDING;
    memcpy(k->b + 1, id->b, sizeof id->b);
    return edn_bytes_of(k->b, PENDING_KEY_SIZE);
}

static edn_bytes page_key(row_key *k, uint64_t shard, uint32_t page)
{
    k->b[0] = INDEX_KEY_PAGE;
    put_be(k->b + 1, shard, 8);
    put_be(k->b + 9, page, 4);
    return edn_bytes_of(k->b, 13);
}

static edn_bytes mask_key(row_key *k, uint64_t shard)
{
    k->b[0] = INDEX_KEY_MASK;
    put_be(k->b + 1, shard, 8);
    return edn_bytes_of(k->b, 9);
}

/* ---- the cache --------------------------------------------------------------------------------------------------- */

edn_status index_new(index_cache **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return EDN_E_NOMEM;
    (*out)->fold_min = FOLD_MIN;
    (*out)->recent_max = RECENT_MAX;
    (*out)->publish_min = PUBLISH_MIN;
    (*out)->fresh_bytes = EDN_BUF_INIT(EDN_SEGMENT_SIZE_MAX);
    return EDN_OK;
}

/* Where a segment's pages are: stays where it is when the list of shards grows. */
struct index_reader {
    edn_client *c;
    uint64_t shard;
};

static void shard_close(index_shard *s)
{
    edn_segment_free(s->segment);
    free(s->reader);
    free(s->dead);
    s->segment = NULL;
    s->reader = NULL;
    s->dead = NULL;
}

static void fresh_close(index_cache *x)
{
    shard_close(&x->fresh);
    edn_buf_wipe(&x->fresh_bytes);
}

void index_close(edn_client *c)
{
    index_cache *x = c->index;

    for (size_t i = 0; i < x->shards_n; i++) {
        shard_close(&x->shards[i]);
        x->shards[i].dead_n = x->shards[i].kept_n;
    }
    fresh_close(x);
    arriving_close(c);
    edn_pages_free(x->pages);
    x->pages = NULL;
    x->open = false;
}

void index_forget(edn_client *c)
{
    index_cache *x = c->index;

    if (!x)
        return;
    index_close(c);
    arriving_forget(c);
    x->shards_n = x->pending_n = 0;
    x->loaded = false;
    x->noted = 0;
}

void index_free(edn_client *c)
{
    if (!c->index)
        return;
    index_forget(c);
    free(c->index->shards);
    free(c->index->pending);
    free(c->index);
    c->index = NULL;
}

static edn_status shard_room(index_cache *x)
{
    return edn_array_room(&x->shards, &x->shards_cap, x->shards_n + 1, sizeof *x->shards) ? EDN_OK : EDN_E_NOMEM;
}

static edn_status pending_room(index_cache *x)
{
    return edn_array_room(&x->pending, &x->pending_cap, x->pending_n + 1, sizeof *x->pending) ? EDN_OK : EDN_E_NOMEM;
}

/* ---- the list of shards ------------------------------------------------------------------------------------------ */

static const uint8_t list_key[] = {INDEX_KEY_LIST};

static edn_status list_read(edn_client *c, edn_bytes row)
{
    index_cache *x = c->index;
    edn_reader r = edn_reader_init(row);
    edn_status st = EDN_OK;

    if (edn_read_u8(&r, "version") != 1 || edn_read_u8(&r, "format") != INDEX_FORMAT)
        return EDN_E_FORMAT;
    x->complete = edn_read_u8(&r, "flags") & FLAG_COMPLETE;
    x->next = edn_read_u64(&r, "next");
    while (st == EDN_OK && edn_reader_left(&r) > 0) {
        index_shard s = {.c = c};
        s.id = edn_read_u64(&r, "id");
        s.year = edn_read_u32(&r, "year");
        s.size = edn_read_u64(&r, "size");
        s.docs = edn_read_u32(&r, "documents");
        s.dead_n = s.kept_n = edn_read_u32(&r, "dead");
        st = edn_reader_status(&r) != EDN_OK || s.docs > EDN_SEGMENT_DOCS_MAX ? EDN_E_FORMAT : shard_room(x);
        if (st == EDN_OK)
            x->shards[x->shards_n++] = s;
    }
    return st;
}

static edn_status pending_row(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    index_cache *x = ctx;
    index_pending *p;

    if (key.n != PENDING_KEY_SIZE)
        return EDN_OK; /* of a version before this one */
    if (st == EDN_OK && value.n != 0 && value.n != MONTH_SIZE && value.n != DATE_SIZE)
        st = EDN_E_DAMAGED;
    if (st != EDN_OK || (st = pending_room(x)) != EDN_OK)
        return st;
    p = &x->pending[x->pending_n++];
    memset(p, 0, sizeof *p);
    memcpy(p->id.b, key.p + 1, sizeof p->id.b);
    memcpy(p->place, value.p ? value.p : key.p, value.n);
    return EDN_OK;
}

static const uint8_t pending_prefix[] = {INDEX_KEY_PENDING};

static edn_status gather_key(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    (void)st;
    (void)value;
    edn_put_lp(ctx, key);
    return edn_buf_status(ctx);
}

edn_status index_del_rows(edn_client *c, edn_bytes prefix)
{
    edn_buf keys = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st = edn_store_scan(c->store, EDN_TABLE_INDEX, prefix, EDN_BYTES_EMPTY, true, gather_key, &keys);
    edn_reader r = edn_reader_init(edn_buf_view(&keys));

    while (st == EDN_OK && edn_reader_left(&r) > 0)
        st = edn_store_del(c->store, EDN_TABLE_INDEX, edn_read_lp(&r, EDN_STORE_KEY_SIZE_MAX, "key"));
    edn_buf_dispose(&keys);
    return st;
}

edn_status index_load(edn_client *c)
{
    index_cache *x = c->index;
    edn_buf row = EDN_BUF_INIT(LIST_SIZE_MAX);
    edn_status st;

    if (x->loaded)
        return EDN_OK;
    index_forget(c);
    x->complete = false;
    x->next = 0;
    st = edn_store_get(c->store, EDN_TABLE_INDEX, edn_bytes_of(list_key, sizeof list_key), &row);
    if (st == EDN_OK)
        st = list_read(c, edn_buf_view(&row));
    if (st == EDN_OK)
        st = edn_store_scan(c->store, EDN_TABLE_INDEX, edn_bytes_of(pending_prefix, 1), EDN_BYTES_EMPTY, false,
                            pending_row, x);
    edn_buf_wipe(&row);
    if (st == EDN_E_MISSING || st == EDN_E_DAMAGED || st == EDN_E_FORMAT) {
        x->shards_n = x->pending_n = 0;
        x->complete = false;
        x->next = 0; /* what rows there are must go first */
        st = EDN_OK;
    }
    x->loaded = st == EDN_OK;
    return st;
}

edn_status index_save(edn_client *c)
{
    index_cache *x = c->index;
    edn_buf row = EDN_BUF_INIT(LIST_SIZE_MAX);
    edn_status st;

    edn_put_u8(&row, 1);
    edn_put_u8(&row, INDEX_FORMAT);
    edn_put_u8(&row, x->complete ? FLAG_COMPLETE : 0);
    edn_put_u64(&row, x->next);
    for (size_t i = 0; i < x->shards_n; i++) {
        const index_shard *s = &x->shards[i];
        edn_put_u64(&row, s->id);
        edn_put_u32(&row, s->year);
        edn_put_u64(&row, s->size);
        edn_put_u32(&row, s->docs);
        edn_put_u32(&row, s->dead_n);
    }
    st = edn_buf_status(&row);
    if (st == EDN_OK)
        st = edn_store_put(c->store, EDN_TABLE_INDEX, edn_bytes_of(list_key, sizeof list_key), edn_buf_view(&row));
    edn_buf_wipe(&row);
    return st;
}

edn_status index_reset(edn_client *c)
{
    index_cache *x = c->index;
    uint8_t begin[5];
    edn_store_key_name before = edn_store_name(c->store, EDN_TABLE_INDEX, "index", EDN_BYTES_EMPTY);
    edn_status st = edn_store_del(c->store, EDN_TABLE_INDEX, EDN_F(before)); /* where the list was once */

    index_close(c);
    x->shards_n = x->pending_n = 0;
    x->complete = false;
    client_random(c, begin, sizeof begin);
    x->next = 1;
    for (size_t i = 0; i < sizeof begin; i++) /* ids are not used again, so no row of before fits a key of now */
        x->next = x->next << 8 | begin[i];
    for (uint8_t kind = INDEX_KEY_LIST; st == EDN_OK && kind <= INDEX_KEY_MASK; kind++)
        st = index_del_rows(c, edn_bytes_of(&kind, 1));
    return st;
}

/* ---- what changes ------------------------------------------------------------------------------------------------ */

static index_pending pending_of(const edn_entry_id *id, const catalog_place *place)
{
    index_pending p = {.id = *id};
    edn_bytes date = edn_bytes_of(place->date, place->date_n);

    if (place->kind == PLACE_MONTH || (place->kind == PLACE_WHOLE && !date_valid(date)))
        month_of(date, p.place);
    if (place->kind == PLACE_MONTH)
        memcpy(p.place, place->date, MONTH_SIZE);
    else if (place->kind == PLACE_WHOLE && date_valid(date))
        memcpy(p.place, date.p, DATE_SIZE);
    return p;
}

edn_status index_note(edn_client *c, const edn_entry_id *id, const catalog_place *place)
{
    index_cache *x = c->index;
    index_pending p = pending_of(id, place);
    edn_buf row = EDN_BUF_INIT(64);
    row_key k;
    edn_status st = index_load(c);

    if (st != EDN_OK || x->next == 0)
        return st; /* no index: the first search makes one */
    index_close(c);
    if (!p.place[0] && (!x->complete || x->noted >= NOTED_MAX)) { /* an entry that stands nowhere will be missed */
        if (!x->complete)
            return EDN_OK;
        x->complete = false;
        return index_save(c);
    }
    x->noted++;
    st = edn_store_get(c->store, EDN_TABLE_INDEX, pending_key(&k, id), &row);
    if (st == EDN_E_MISSING) {
        st = edn_store_put(c->store, EDN_TABLE_INDEX, pending_key(&k, id), edn_bytes_str(p.place));
        if (st == EDN_OK)
            st = pending_room(x);
        if (st == EDN_OK)
            x->pending[x->pending_n++] = p;
    }
    edn_buf_wipe(&row);
    return st == EDN_E_DAMAGED ? EDN_OK : st; /* which makes the next search build all of it anew */
}

edn_status index_is_pending(edn_client *c, const edn_entry_id *id, bool *out)
{
    edn_buf row = EDN_BUF_INIT(64);
    row_key k;
    edn_status st = edn_store_get(c->store, EDN_TABLE_INDEX, pending_key(&k, id), &row);

    *out = st == EDN_OK;
    edn_buf_wipe(&row);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

edn_status index_pending_del(edn_client *c, const edn_entry_id *id)
{
    row_key k;
    return edn_store_del(c->store, EDN_TABLE_INDEX, pending_key(&k, id));
}

/* ---- segments over rows ------------------------------------------------------------------------------------------ */

edn_status index_page_in(edn_client *c, edn_bytes key, uint8_t *to, size_t n)
{
    edn_buf row = EDN_BUF_INIT(EDN_PAGE_SIZE);
    edn_status st = edn_store_get(c->store, EDN_TABLE_INDEX, key, &row);

    if (st == EDN_OK && row.n != n)
        st = EDN_E_DAMAGED;
    if (st == EDN_OK)
        memcpy(to, row.p, n);
    edn_buf_wipe(&row);
    return st == EDN_E_MISSING ? EDN_E_DAMAGED : st;
}

static edn_status page_get(void *ctx, uint32_t page, uint8_t *to, size_t n)
{
    const index_reader *r = ctx;
    row_key k;
    edn_status st = index_page_in(r->c, page_key(&k, r->shard, page), to, n);

    if (st != EDN_OK)
        r->c->index->bad = r->shard;
    return st;
}

edn_status index_bytes_get(void *ctx, uint32_t page, uint8_t *to, size_t n)
{
    const edn_buf *bytes = ctx;
    memcpy(to, bytes->p + (size_t)page * EDN_PAGE_SIZE, n);
    return EDN_OK;
}

edn_status index_bytes_out(void *ctx, uint32_t page, edn_bytes bytes)
{
    (void)page;
    edn_put_bytes(ctx, bytes.p, bytes.n);
    return edn_buf_status(ctx);
}

edn_status index_page_out(void *ctx, uint32_t page, edn_bytes bytes)
{
    const index_shard *s = ctx;
    row_key k;
    return edn_store_put(s->c->store, EDN_TABLE_INDEX, page_key(&k, s->id, page), bytes);
}

static size_t mask_size(uint32_t docs) { return (docs + 7) / 8; }

static edn_status mask_load(index_shard *s)
{
    edn_buf row = EDN_BUF_INIT(mask_size(EDN_SEGMENT_DOCS_MAX));
    row_key k;
    edn_status st = edn_store_get(s->c->store, EDN_TABLE_INDEX, mask_key(&k, s->id), &row);

    if (st == EDN_OK && row.n != mask_size(s->docs))
        st = EDN_E_DAMAGED;
    if (st == EDN_OK && !(s->dead = malloc(row.n + 1)))
        st = EDN_E_NOMEM;
    if (st == EDN_OK)
        memcpy(s->dead, row.p, row.n);
    edn_buf_dispose(&row);
    return st == EDN_E_MISSING ? EDN_E_DAMAGED : st;
}

static edn_status shard_open(edn_client *c, index_shard *s)
{
    edn_status st;

    s->reader = malloc(sizeof *s->reader);
    if (!s->reader)
        return EDN_E_NOMEM;
    *s->reader = (index_reader){c, s->id};
    st = edn_segment_open(c->index->pages, s->size, page_get, s->reader, &s->segment);
    if (st == EDN_OK && edn_segment_docs(s->segment) != s->docs)
        st = EDN_E_DAMAGED;
    if (st == EDN_OK && s->dead_n)
        st = mask_load(s);
    if (st != EDN_OK && st != EDN_E_NOMEM)
        c->index->bad = s->id;
    return st;
}

edn_status index_open_pages(edn_client *c)
{
    index_close(c);
    c->index->bad = 0;
    return edn_pages_new(PAGES_SIZE_MAX, &c->index->pages);
}

edn_status index_open(edn_client *c)
{
    index_cache *x = c->index;
    edn_status st = index_open_pages(c);

    for (size_t i = 0; st == EDN_OK && i < x->shards_n; i++)
        st = shard_open(c, &x->shards[i]);
    return st;
}

edn_status index_open_all(edn_client *c)
{
    index_cache *x = c->index;
    edn_builder *b = NULL;
    edn_status st = x->open ? EDN_OK : index_open(c);

    if (x->open || st != EDN_OK)
        return st;
    st = edn_builder_new(0, &b);
    for (size_t i = 0; st == EDN_OK && i < x->pending_n; i++) {
        st = index_bury(c, &x->pending[i]);
        if (st == EDN_OK)
            st = index_add(c, b, &x->pending[i].id);
    }
    if (st == EDN_OK && edn_builder_docs(b) > 0) {
        st = edn_builder_finish(b, index_bytes_out, &x->fresh_bytes, &x->fresh.size);
        if (st == EDN_OK)
            st = edn_segment_open(x->pages, x->fresh.size, index_bytes_get, &x->fresh_bytes, &x->fresh.segment);
    }
    edn_builder_free(b);
    x->open = st == EDN_OK;
    return st;
}

/* ---- masks ------------------------------------------------------------------------------------------------------- */

/* The first document of a date or later. */
static edn_status first_of(edn_segment *s, uint32_t date, uint32_t *out)
{
    uint32_t lo = 0, hi = edn_segment_docs(s);
    edn_segment_doc d;
    edn_status st = EDN_OK;

    while (st == EDN_OK && lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        st = edn_segment_doc_at(s, mid, &d);
        if (st == EDN_OK && d.date < date)
            lo = mid + 1;
        else
            hi = mid;
    }
    *out = lo;
    return st;
}

static edn_status bury_at(index_shard *s, uint32_t at)
{
    if (!s->dead && !(s->dead = calloc(1, mask_size(s->docs))))
        return EDN_E_NOMEM;
    s->dead_n += !(s->dead[at / 8] >> at % 8 & 1);
    s->dead[at / 8] |= (uint8_t)(1u << at % 8);
    return EDN_OK;
}

/* Looks through all that have a date from `from` to `to`. */
static edn_status bury_in_month(index_shard *s, const edn_entry_id *id, uint32_t from, uint32_t to)
{
    edn_segment_doc d;
    uint32_t at;
    edn_status st = first_of(s->segment, from, &at);

    for (; st == EDN_OK && at < s->docs; at++) {
        st = edn_segment_doc_at(s->segment, at, &d);
        if (st != EDN_OK || d.date > to)
            break;
        if (memcmp(d.entry.b, id->b, sizeof id->b) == 0)
            return bury_at(s, at);
    }
    return st;
}

static edn_status bury_on_day(index_shard *s, const edn_entry_id *id, uint32_t date)
{
    uint32_t at;
    edn_status st = edn_segment_find(s->segment, id, date, &at);

    return st == EDN_OK ? bury_at(s, at) : st == EDN_E_MISSING ? EDN_OK : st;
}

edn_status index_bury(edn_client *c, const index_pending *p)
{
    index_cache *x = c->index;
    uint32_t year = (uint32_t)strtoul(p->place, NULL, 10), month, day;
    edn_status st = EDN_OK;

    if (!p->place[0] || EDN_PLANT(index_keeps_old))
        return EDN_OK;
    month = year * 10000 + (uint32_t)strtoul(p->place + 5, NULL, 10) * 100; /* of 0000-00: 0, no date */
    day = p->place[MONTH_SIZE] ? month + (uint32_t)strtoul(p->place + 8, NULL, 10) : 0;
    for (size_t i = 0; st == EDN_OK && i < x->shards_n; i++) {
        index_shard *s = &x->shards[i];
        if (s->year != INDEX_RECENT && s->year != year)
            continue;
        st = day || !month ? bury_on_day(s, &p->id, day) : bury_in_month(s, &p->id, month, month + 99);
    }
    return st;
}

edn_status index_save_masks(edn_client *c)
{
    edn_status st = EDN_OK;
    row_key k;

    for (size_t i = 0; st == EDN_OK && i < c->index->shards_n; i++) {
        index_shard *s = &c->index->shards[i];
        if (s->dead_n == s->kept_n)
            continue;
        s->kept_n = s->dead_n;
        st = edn_store_put(c->store, EDN_TABLE_INDEX, mask_key(&k, s->id), edn_bytes_of(s->dead, mask_size(s->docs)));
    }
    return st;
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

edn_status index_shard_done(edn_client *c, const index_shard *s)
{
    index_cache *x = c->index;
    edn_status st;

    if (s->docs == 0)
        return index_rows_drop(c, s);
    if ((st = shard_room(x)) != EDN_OK)
        return st;
    x->shards[x->shards_n] = *s;
    x->shards_n++;
    return EDN_OK;
}

edn_status index_rows_drop(edn_client *c, const index_shard *s)
{
    row_key k;
    edn_status st = edn_store_del(c->store, EDN_TABLE_INDEX, mask_key(&k, s->id));
    uint8_t prefix[9] = {INDEX_KEY_PAGE};

    put_be(prefix + 1, s->id, 8);
    return st == EDN_OK ? index_del_rows(c, edn_bytes_of(prefix, sizeof prefix)) : st;
}

edn_status index_shard_drop(edn_client *c, size_t at)
{
    index_cache *x = c->index;
    edn_status st = index_rows_drop(c, &x->shards[at]);

    shard_close(&x->shards[at]);
    memmove(&x->shards[at], &x->shards[at + 1], (x->shards_n - at - 1) * sizeof *x->shards);
    x->shards_n--;
    return st;
}

/* ---- documents --------------------------------------------------------------------------------------------------- */

uint32_t index_date(edn_bytes date)
{
    uint32_t v = 0;

    for (size_t i = 0; i < date.n; i++)
        if (date.p[i] != '-')
            v = v * 10 + (uint32_t)(date.p[i] - '0');
    return date_valid(date) ? v : 0;
}

void index_version(const edn_entry *e, uint8_t out[8])
{
    edn_t_hash t;
    edn_hash h;

    edn_t_hash_begin(&t, EDN_LABEL_HASH_INDEXED, (uint32_t)e->tags_n + 4);
    edn_t_hash_field(&t, EDN_F(e->journal));
    edn_t_hash_field(&t, e->date);
    edn_t_hash_field(&t, e->title);
    edn_t_hash_field(&t, e->text);
    for (size_t i = 0; i < e->tags_n; i++)
        edn_t_hash_field(&t, e->tags[i]);
    h = edn_t_hash_end(&t);
    memcpy(out, h.b, 8);
}

static edn_status add_entry(void *ctx, const edn_entry *e)
{
    edn_builder *b = ctx;
    edn_segment_doc d = {.entry = e->id, .date = index_date(e->date)};

    if (e->deleted && !EDN_PLANT(finds_deleted))
        return EDN_OK;
    index_version(e, d.version);
    edn_builder_doc(b, &d);
    edn_builder_text(b, e->title, true);
    edn_builder_text(b, e->text, false);
    for (size_t i = 0; i < e->tags_n; i++)
        edn_builder_tag(b, e->tags[i]);
    edn_builder_mark(b, EDN_TERM_JOURNAL, EDN_F(e->journal));
    return EDN_OK;
}

edn_status index_add(edn_client *c, edn_builder *b, const edn_entry_id *id)
{
    edn_status st = entry_show(c, id, add_entry, b);
    return st == EDN_E_MISSING || st == EDN_E_DAMAGED ? EDN_OK : st;
}
