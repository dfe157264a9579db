/* What this device publishes of its index: first a look whether it is time; then, from one state of the diary, blobs in
 * memory; then uploads; and at last, if nobody wrote meanwhile, the batch that lists them.
 *
 *     EDN_TABLE_INDEX   5     u32 n ‖ n × name 32, blobs that may have to go ‖ u32 m ‖ m × name 32, such as the server
 *                             did not have, or that are not good ‖ u8 1: the next sync shall make them anew, else 0
 *
 * A blob is noted there before it is uploaded, so that none is forgotten when the rest does not come about. */
#include "client/finding/published.h"

#include "client/account/account_priv.h"
#include "client/finding/published_priv.h"
#include "search/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define AGE_MS 86400000ull
#define CHANGED_MAX 64u
#define RECENT_MAX 8u
#define GROUP_DOCS_MAX 4096u /* neighbouring years together */
#define YEAR_DOCS_MAX 16384u /* of a year in one range */
#define PENDING_NAMES_MAX 800u

static int entry_compare(const void *a, const void *b) { return memcmp(a, b, sizeof(edn_entry_id)); }

static edn_status names_add(name_list *l, const edn_hash *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (memcmp(l->p[i].b, name->b, sizeof name->b) == 0)
            return EDN_OK;
    if (!edn_array_room(&l->p, &l->cap, l->n + 1, sizeof *l->p))
        return EDN_E_NOMEM;
    l->p[l->n++] = *name;
    return EDN_OK;
}

static bool names_have(const name_list *l, const edn_hash *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (memcmp(l->p[i].b, name->b, sizeof name->b) == 0)
            return true;
    return false;
}

void publishing_init(publishing *p, edn_client *c)
{
    *p = (publishing){.c = c,
                      .a = edn_arena_init((size_t)256 << 20),
                      .blobs = EDN_BUF_INIT((size_t)256 << 20),
                      .text = EDN_BUF_INIT(MANIFEST_SIZE_MAX)};
}

void publishing_dispose(publishing *p)
{
    for (size_t i = 0; p->masks && i < p->parts_n; i++)
        free(p->masks[i]);
    free(p->masks);
    free(p->parts);
    free(p->live);
    free(p->found);
    free(p->places);
    free(p->items);
    free(p->drop.p);
    free(p->absent.p);
    free(p->fresh.p);
    heads_dispose(&p->h);
    edn_buf_dispose(&p->blobs);
    edn_buf_wipe(&p->text);
    edn_arena_dispose(&p->a);
}

/* ---- what waits to go, and what the server lost ------------------------------------------------------------------ */

static const uint8_t row_key[] = {INDEX_KEY_PUBLISHED};

static edn_status read_names(edn_reader *r, name_list *l)
{
    uint32_t n = edn_read_u32(r, "names");
    edn_hash name;
    edn_status st = EDN_OK;

    if (!edn_reader_has(r, n, sizeof name.b))
        return EDN_E_FORMAT;
    for (uint32_t i = 0; st == EDN_OK && i < n; i++) {
        edn_read_into(r, name.b, sizeof name.b, "name");
        st = names_add(l, &name);
    }
    return st;
}

static edn_status row_load(edn_client *c, name_list *drop, name_list *absent, bool *soon)
{
    edn_buf row = EDN_BUF_INIT((size_t)1 << 20);
    edn_status st = edn_store_get(c->store, EDN_TABLE_INDEX, edn_bytes_of(row_key, sizeof row_key), &row);
    edn_reader r = edn_reader_init(edn_buf_view(&row));

    *soon = false;
    if (st == EDN_OK && (st = read_names(&r, drop)) == EDN_OK && (st = read_names(&r, absent)) == EDN_OK)
        *soon = edn_read_u8(&r, "soon") != 0;
    edn_buf_dispose(&row);
    return st == EDN_E_NOMEM || st == EDN_E_IO ? st : EDN_OK; /* without it a blob stays longer than it must */
}

edn_status published_check(edn_client *c)
{
    edn_buf row = EDN_BUF_INIT((size_t)1 << 20);
    edn_status st = edn_store_get(c->store, EDN_TABLE_INDEX, edn_bytes_of(row_key, sizeof row_key), &row);

    edn_buf_dispose(&row);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

edn_status published_forget(edn_client *c)
{
    return edn_store_del(c->store, EDN_TABLE_INDEX, edn_bytes_of(row_key, sizeof row_key));
}

static void put_names(edn_buf *out, const name_list *l)
{
    size_t n = EDN_MIN(l->n, (size_t)PENDING_NAMES_MAX);

    edn_put_u32(out, (uint32_t)n);
    for (size_t i = l->n - n; i < l->n; i++)
        edn_put_bytes(out, l->p[i].b, sizeof l->p[i].b);
}

static edn_status row_save(edn_client *c, const name_list *drop, const name_list *absent, bool soon)
{
    edn_buf row = EDN_BUF_INIT((size_t)1 << 20);
    edn_status st;

    put_names(&row, drop);
    put_names(&row, absent);
    edn_put_u8(&row, soon);
    if ((st = edn_buf_status(&row)) == EDN_OK)
        st = edn_store_put(c->store, EDN_TABLE_INDEX, edn_bytes_of(row_key, sizeof row_key), edn_buf_view(&row));
    edn_buf_dispose(&row);
    return st;
}

edn_status published_absent(edn_client *c, const edn_hash *name, bool soon)
{
    name_list drop = {NULL, 0, 0}, absent = {NULL, 0, 0};
    bool was_soon;
    edn_status st = row_load(c, &drop, &absent, &was_soon);

    if (st == EDN_OK)
        st = names_add(&absent, name);
    if (st == EDN_OK)
        st = row_save(c, &drop, &absent, soon || was_soon);
    free(drop.p);
    free(absent.p);
    return st;
}

/* ---- which batches hold what ------------------------------------------------------------------------------------- */

static edn_status found_add(publishing *p, const edn_entry_id *entry, const edn_batch_header *h)
{
    if (!edn_array_room(&p->found, &p->found_cap, p->found_n + 1, sizeof *p->found))
        return EDN_E_NOMEM;
    p->found[p->found_n++] = (found_place){*entry, {h->device, h->dseq}};
    return EDN_OK;
}

static edn_status dictionary_found(publishing *p, const edn_batch_header *h, const edn_record *r, uint32_t i)
{
    edn_buf bytes = EDN_BUF_INIT(DICTIONARY_SIZE_MAX);
    edn_status st = record_dictionary(p->c, h, r, i, &bytes);

    for (size_t k = 0; st == EDN_OK && k < p->dictionaries_n; k++)
        if (edn_bytes_equal(p->dictionaries[k], edn_buf_view(&bytes)))
            st = EDN_E_EXISTS;
    if (st == EDN_OK && p->dictionaries_n < DICTIONARIES_MAX)
        st = edn_arena_copy(&p->a, edn_buf_view(&bytes), &p->dictionaries[p->dictionaries_n++]) ? EDN_OK : EDN_E_NOMEM;
    edn_buf_wipe(&bytes);
    return st == EDN_E_NOMEM ? st : EDN_OK;
}

static edn_status look_through(publishing *p, const edn_device_id *device, uint64_t dseq)
{
    edn_arena a = edn_arena_init(BATCH_ARENA_SIZE_MAX);
    edn_batch b;
    edn_body body;
    edn_status st = batch_reopen(p->c, device, dseq, &a, &b, &body);

    if (st != EDN_OK && record_is_at_fault(st)) {
        st = EDN_OK; /* `verify` names it */
    } else {
        for (uint32_t i = 0; st == EDN_OK && i < body.records_n; i++) {
            if (body.records[i].type == EDN_RECORD_ENTRY)
                st = found_add(p, &body.records[i].entry, &b.header);
            else if (body.records[i].type == EDN_RECORD_DICTIONARY)
                st = dictionary_found(p, &b.header, &body.records[i], i);
        }
    }
    edn_arena_dispose(&a);
    return st;
}

static int found_compare(const void *a, const void *b)
{
    const found_place *x = a, *y = b;
    int d = memcmp(x->entry.b, y->entry.b, sizeof x->entry.b);

    if (d == 0)
        d = memcmp(x->at.device.b, y->at.device.b, sizeof x->at.device.b);
    return d ? d : (x->at.dseq > y->at.dseq) - (x->at.dseq < y->at.dseq);
}

/* All that is here beyond `cover`: sorted, each place once. */
edn_status publishing_places(publishing *p, const edn_head *cover, size_t cover_n)
{
    size_t n = 0;
    edn_status st = EDN_OK;

    p->found_n = 0;
    for (size_t i = 0; st == EDN_OK && i < p->h.n; i++) {
        const edn_head *c = edn_heads_find(cover, cover_n, &p->h.p[i].device);
        for (uint64_t dseq = c ? c->dseq : 0; st == EDN_OK && dseq++ < p->h.p[i].dseq;)
            st = look_through(p, &p->h.p[i].device, dseq);
    }
    if (st != EDN_OK)
        return st;
    if (p->found_n)
        qsort(p->found, p->found_n, sizeof *p->found, found_compare);
    for (size_t i = 0; i < p->found_n; i++)
        if (i == 0 || found_compare(&p->found[i - 1], &p->found[i]) != 0)
            p->found[n++] = p->found[i];
    p->found_n = n;
    free(p->places);
    if (!(p->places = calloc(n + 1, sizeof *p->places)))
        return EDN_E_NOMEM;
    for (size_t i = 0; i < n; i++)
        p->places[i] = p->found[i].at;
    return EDN_OK;
}

static size_t entries_found(const publishing *p)
{
    size_t n = 0;

    for (size_t i = 0; i < p->found_n; i++)
        n += i == 0 || entry_compare(&p->found[i - 1].entry, &p->found[i].entry) != 0;
    return n;
}

static const edn_place *places_of(const publishing *p, const edn_entry_id *id, size_t *n)
{
    const found_place *f = p->found_n ? bsearch(id, p->found, p->found_n, sizeof *p->found, entry_compare) : NULL;
    size_t lo, hi;

    *n = 0;
    if (!f)
        return NULL;
    lo = hi = (size_t)(f - p->found);
    while (lo > 0 && entry_compare(&p->found[lo - 1].entry, id) == 0)
        lo--;
    while (hi < p->found_n && entry_compare(&p->found[hi].entry, id) == 0)
        hi++;
    *n = hi - lo;
    return p->places + lo;
}

/* ---- whether it is time ------------------------------------------------------------------------------------------ */

edn_status publishing_load(publishing *p)
{
    edn_status st = listed_load(p->c, &p->a, &p->known, &p->known_n);

    if (st == EDN_OK)
        st = heads_load(p->c, &p->h);
    return st == EDN_OK ? row_load(p->c, &p->drop, &p->absent, &p->soon) : st;
}

static bool covers_all(const publishing *p)
{
    for (size_t i = 0; i < p->h.n; i++) {
        const edn_head *c = edn_heads_find(p->known->cover, p->known->cover_n, &p->h.p[i].device);
        uint64_t own = memcmp(p->h.p[i].device.b, p->known->device.b, sizeof p->known->device.b) == 0;
        if ((c ? c->dseq : 0) + own < p->h.p[i].dseq)
            return false;
    }
    return true;
}

/* Once the root key has changed, nothing that stays at the server shall open with the one before. */
static bool is_of_this_epoch(const publishing *p)
{
    const manifest *m = &p->known->manifest;

    for (size_t i = 0; i < m->items_n; i++)
        if (m->items[i].epoch != edn_devlog_epoch(p->c->log))
            return false;
    return true;
}

static edn_status is_due(publishing *p, bool *due)
{
    uint64_t live, deleted, now = client_now(p->c), then, age;
    size_t changed;
    edn_status st = catalog_counts(p->c, &live, &deleted);

    *due = false;
    if (st != EDN_OK || live < p->c->index->publish_min || (st = publishing_load(p)) != EDN_OK)
        return st;
    if (p->known_n == 0) {
        *due = true;
        return EDN_OK;
    }
    then = p->known->manifest.time_ms;
    age = now > then ? now - then : then - now;
    if (((age >= AGE_MS || p->soon) && p->absent.n) || !is_of_this_epoch(p)) {
        *due = true;
        return EDN_OK;
    }
    if (covers_all(p))
        return EDN_OK;
    if ((st = publishing_places(p, p->known->cover, p->known->cover_n)) != EDN_OK)
        return st;
    changed = entries_found(p);
    *due = changed >= CHANGED_MAX || (changed && age >= AGE_MS);
    return EDN_OK;
}

/* ---- shards ------------------------------------------------------------------------------------------------------ */

static edn_status item_room(publishing *p)
{
    if (p->items_n == MANIFEST_ITEMS_MAX)
        return EDN_E_LIMIT;
    return edn_array_room(&p->items, &p->items_cap, p->items_n + 1, sizeof *p->items) ? EDN_OK : EDN_E_NOMEM;
}

static edn_status item_keep(publishing *p, const shard_item *it)
{
    edn_status st = item_room(p);

    if (st == EDN_OK)
        p->items[p->items_n++] = *it;
    return st;
}

/* Pads, seals and names a body, and lists it. */
static edn_status item_add(publishing *p, shard_item it, const shard_body *body)
{
    edn_buf padded = EDN_BUF_INIT(SHARD_SIZE_MAX), blob = EDN_BUF_INIT(SHARD_SIZE_MAX);
    edn_status st = item_room(p);

    it.kind = body->kind;
    if (st == EDN_OK && (st = shard_body_put(&padded, body)) == EDN_OK &&
        (st = blob_seal(p->c, edn_buf_view(&padded), &blob, &it.epoch, &it.name)) == EDN_OK &&
        (st = names_add(&p->fresh, &it.name)) == EDN_OK) {
        it.size = (uint32_t)blob.n;
        p->items[p->items_n++] = it;
        edn_put_lp(&p->blobs, edn_buf_view(&blob));
        st = edn_buf_status(&p->blobs);
    }
    edn_buf_wipe(&padded);
    edn_buf_dispose(&blob);
    return st;
}

/* The entries of a shard, in its order. */
typedef struct shard_entries {
    const publishing *p;
    edn_segment *s;
    edn_status st;
} shard_entries;

static const edn_place *places_at(void *ctx, size_t i, size_t *n)
{
    shard_entries *e = ctx;
    edn_segment_doc d;
    edn_status st = edn_segment_doc_at(e->s, (uint32_t)i, &d);

    *n = 0;
    if (st != EDN_OK) {
        e->st = st;
        return NULL;
    }
    return places_of(e->p, &d.entry, n);
}

/* A shard of a segment that lies in memory. */
static edn_status shard_make(publishing *p, shard_item it, shard_kind kind, edn_buf *segment, const edn_entry_id *gone,
                             size_t gone_n)
{
    edn_buf image = EDN_BUF_INIT(SHARD_SIZE_MAX), raw = EDN_BUF_INIT(SHARD_SIZE_MAX),
            packed = EDN_BUF_INIT(SHARD_SIZE_MAX);
    shard_entries e = {.p = p};
    shard_body body = {.kind = kind};
    edn_status st = edn_segment_open(p->c->index->pages, segment->n, index_bytes_get, segment, &e.s);

    if (st == EDN_OK) {
        it.docs = edn_segment_docs(e.s);
        st = edn_image_put(&image, e.s);
    }
    if (st == EDN_OK)
        st = shard_places_put(&raw, it.docs, places_at, &e, gone, gone_n);
    if (st == EDN_OK)
        st = e.st;
    if (st == EDN_OK)
        st = codec_pack_plain(p->c, edn_buf_view(&raw), &packed);
    if (st == EDN_OK) {
        body.image = edn_buf_view(&image);
        body.places = edn_buf_view(&packed);
        st = item_add(p, it, &body);
    }
    edn_segment_free(e.s);
    edn_buf_wipe(&image);
    edn_buf_wipe(&raw);
    edn_buf_wipe(&packed);
    return st;
}

/* ---- what changed lately, as one shard --------------------------------------------------------------------------- */

static edn_status recent_make(publishing *p)
{
    edn_buf segment = EDN_BUF_INIT(EDN_SEGMENT_SIZE_MAX);
    edn_entry_id *gone = calloc(p->found_n + 1, sizeof *gone);
    edn_builder *b = NULL;
    size_t gone_n = 0;
    uint64_t size;
    edn_status st = gone ? edn_builder_new(EDN_SEGMENT_NO_POSITIONS, &b) : EDN_E_NOMEM;

    for (size_t i = 0; st == EDN_OK && i < p->found_n; i++) {
        uint32_t before = edn_builder_docs(b);
        if (i && entry_compare(&p->found[i - 1].entry, &p->found[i].entry) == 0)
            continue;
        st = index_add(p->c, b, &p->found[i].entry);
        if (st == EDN_OK && edn_builder_docs(b) == before)
            gone[gone_n++] = p->found[i].entry;
    }
    if (st == EDN_OK)
        st = edn_builder_finish(b, index_bytes_out, &segment, &size);
    if (st == EDN_OK)
        st = shard_make(p, (shard_item){0}, SHARD_RECENT, &segment, gone, gone_n);
    edn_builder_free(b);
    edn_buf_wipe(&segment);
    free(gone);
    return st;
}

/* ---- ranges ------------------------------------------------------------------------------------------------------ */

static edn_status part_add(publishing *p, edn_segment *s, const uint8_t *dead)
{
    uint32_t n = edn_segment_docs(s);
    uint8_t *mask = malloc(n / 8 + 1);
    edn_segment_doc d;
    edn_status st = mask ? EDN_OK : EDN_E_NOMEM;

    for (uint32_t i = 0; st == EDN_OK && i < n; i++) {
        if (dead && (dead[i / 8] >> i % 8 & 1))
            continue;
        if (!edn_array_room(&p->live, &p->live_cap, p->live_n + 1, sizeof *p->live))
            st = EDN_E_NOMEM;
        else if ((st = edn_segment_doc_at(s, i, &d)) == EDN_OK) {
            live_doc *l = &p->live[p->live_n++];
            *l = (live_doc){.id = d.entry, .date = d.date, .part = p->parts_n, .doc = i};
            memcpy(l->version, d.version, sizeof l->version);
        }
    }
    if (st != EDN_OK) {
        free(mask);
        return st;
    }
    memset(mask, 0xff, n / 8 + 1);
    p->masks[p->parts_n] = mask;
    p->parts[p->parts_n++] = (edn_segment_part){s, mask};
    return EDN_OK;
}

static int live_compare(const void *a, const void *b)
{
    const live_doc *x = a, *y = b;

    if (x->date != y->date)
        return x->date < y->date ? -1 : 1;
    return memcmp(x->id.b, y->id.b, sizeof x->id.b);
}

/* Everything that lives in the local index, in order of days. */
edn_status publishing_live(publishing *p)
{
    index_cache *x = p->c->index;
    edn_status st = EDN_OK;

    p->parts = calloc(x->shards_n + 1, sizeof *p->parts);
    p->masks = calloc(x->shards_n + 1, sizeof *p->masks);
    if (!p->parts || !p->masks)
        return EDN_E_NOMEM;
    for (size_t i = 0; st == EDN_OK && i < x->shards_n; i++)
        st = part_add(p, x->shards[i].segment, x->shards[i].dead);
    if (st == EDN_OK && x->fresh.segment)
        st = part_add(p, x->fresh.segment, NULL);
    if (p->live_n)
        qsort(p->live, p->live_n, sizeof *p->live, live_compare);
    return st;
}

static uint32_t year_now(edn_client *c)
{
    char date[DATE_SIZE + 1];

    date_of_ms(client_now(c), date);
    return (uint32_t)strtoul(date, NULL, 10);
}

static size_t end_of(const publishing *p, size_t at, uint32_t to)
{
    while (at < p->live_n && p->live[at].date <= to)
        at++;
    return at;
}

/* A year by its months; what has no month goes with the first. */
static void cut_months(const publishing *p, uint32_t year, size_t at, range *out, size_t *n)
{
    for (uint32_t month = 1; month <= 12; month++) {
        range r = {month == 1 ? year * 10000 : year * 10000 + month * 100, year * 10000 + month * 100 + 99, at, 0};
        r.hi = end_of(p, at, month == 12 ? year * 10000 + 9999 : r.to);
        at = r.hi;
        if (r.hi > r.lo)
            out[(*n)++] = r;
    }
}

/* docs/spec/shards.md, "When, and what". `out` has room for every month of every year. */
static size_t cut(const publishing *p, range *out)
{
    uint32_t newest = p->live_n ? p->live[p->live_n - 1].date / 10000 : 0, now = year_now(p->c);
    size_t n = 0, group = SIZE_MAX; /* a range of years that may grow */

    for (size_t at = 0; at < p->live_n;) {
        uint32_t year = p->live[at].date / 10000;
        range r = {year * 10000, year * 10000 + 9999, at, end_of(p, at, year * 10000 + 9999)};
        at = r.hi;
        if (r.hi - r.lo > YEAR_DOCS_MAX || (year == newest && year >= now)) {
            cut_months(p, year, r.lo, out, &n);
            group = SIZE_MAX;
        } else if (year != newest && group != SIZE_MAX && r.hi - out[group].lo <= GROUP_DOCS_MAX) {
            out[group].to = r.to;
            out[group].hi = r.hi;
        } else {
            group = n;
            out[n++] = r;
        }
    }
    return n;
}

edn_status publishing_digest(const publishing *p, const range *r, uint64_t *out)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_hash h;
    edn_status st;

    edn_put_u8(&b, INDEX_FORMAT);
    for (size_t i = r->lo; i < r->hi; i++) {
        edn_put_bytes(&b, p->live[i].id.b, sizeof p->live[i].id.b);
        edn_put_bytes(&b, p->live[i].version, sizeof p->live[i].version);
    }
    if ((st = edn_buf_status(&b)) == EDN_OK) {
        h = edn_h32(edn_buf_view(&b));
        *out = edn_load_u64(h.b);
    }
    edn_buf_dispose(&b);
    return st;
}

static void mark(publishing *p, const range *r, bool dead)
{
    for (size_t i = r->lo; i < r->hi; i++) {
        uint8_t *byte = &p->masks[p->live[i].part][p->live[i].doc / 8], bit = (uint8_t)(1u << p->live[i].doc % 8);
        *byte = (uint8_t)(dead ? *byte | bit : *byte & ~bit);
    }
}

static edn_status range_make(publishing *p, const range *r, uint64_t digest)
{
    edn_segment_part *some = calloc(p->parts_n + 1, sizeof *some);
    bool *used = calloc(p->parts_n + 1, sizeof *used);
    edn_buf segment = EDN_BUF_INIT(EDN_SEGMENT_SIZE_MAX);
    uint64_t size;
    size_t n = 0;
    edn_status st = some && used ? EDN_OK : EDN_E_NOMEM;

    if (st == EDN_OK) {
        for (size_t i = r->lo; i < r->hi; i++)
            used[p->live[i].part] = true;
        for (size_t i = 0; i < p->parts_n; i++)
            if (used[i])
                some[n++] = p->parts[i];
        mark(p, r, false);
        st = edn_segment_merge(some, n, EDN_SEGMENT_NO_POSITIONS, index_bytes_out, &segment, &size);
        mark(p, r, true);
    }
    if (st == EDN_OK)
        st = shard_make(p, (shard_item){.from = r->from, .to = r->to, .digest = digest}, SHARD_RANGE, &segment, NULL,
                        0);
    edn_buf_wipe(&segment);
    free(some);
    free(used);
    return st == EDN_E_LIMIT ? EDN_OK : st; /* more than a blob holds: these days wait for their entries */
}

static const shard_item *range_find(const publishing *p, const range *r, uint64_t digest)
{
    const manifest *m = p->known_n ? &p->known->manifest : NULL;

    for (size_t i = 0; m && i < m->items_n; i++) {
        const shard_item *it = &m->items[i];
        if (it->kind == SHARD_RANGE && it->from == r->from && it->to == r->to && it->digest == digest &&
            it->epoch == edn_devlog_epoch(p->c->log) && !names_have(&p->absent, &it->name))
            return it;
    }
    return NULL;
}

static edn_status ranges_make(publishing *p)
{
    range *r;
    size_t n;
    edn_status st = publishing_live(p);

    if (st != EDN_OK)
        return st;
    r = calloc(p->live_n + 12, sizeof *r);
    n = r ? cut(p, r) : 0;
    st = r ? EDN_OK : EDN_E_NOMEM;
    for (size_t i = 0; st == EDN_OK && i < n; i++) {
        uint64_t digest = 0;
        const shard_item *it;
        if ((st = publishing_digest(p, &r[i], &digest)) != EDN_OK)
            break;
        it = range_find(p, &r[i], digest);
        st = it ? item_keep(p, it) : range_make(p, &r[i], digest);
    }
    free(r);
    return st;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

/* Whether what is recent has become much, or there is something to mend. */
static bool must_consolidate(const publishing *p, uint64_t live)
{
    const manifest *m = p->known_n ? &p->known->manifest : NULL;
    uint64_t recent = 0, docs = entries_found(p);

    for (size_t i = 0; m && i < m->items_n; i++) {
        recent += m->items[i].kind == SHARD_RECENT;
        docs += m->items[i].kind == SHARD_RECENT ? m->items[i].docs : 0;
        if (names_have(&p->absent, &m->items[i].name))
            return true;
    }
    return !m || !is_of_this_epoch(p) || recent + 1 >= RECENT_MAX || docs >= live / 8;
}

static edn_status keep_kind(publishing *p, shard_kind kind)
{
    const manifest *m = p->known_n ? &p->known->manifest : NULL;
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && m && i < m->items_n; i++)
        if (m->items[i].kind == kind && m->items[i].epoch == edn_devlog_epoch(p->c->log) &&
            !names_have(&p->absent, &m->items[i].name))
            st = item_keep(p, &m->items[i]);
    return st;
}

static edn_status dictionaries_make(publishing *p)
{
    edn_status st = keep_kind(p, SHARD_DICTIONARY);

    for (size_t i = 0; st == EDN_OK && i < p->dictionaries_n; i++) {
        edn_hash h = edn_h32(p->dictionaries[i]);
        shard_item it = {.digest = edn_load_u64(h.b)};
        shard_body body = {.kind = SHARD_DICTIONARY};
        edn_buf packed = EDN_BUF_INIT(SHARD_SIZE_MAX);
        bool there = false;
        for (size_t k = 0; k < p->items_n; k++)
            there |= p->items[k].kind == SHARD_DICTIONARY && p->items[k].digest == it.digest;
        if (!there && (st = codec_pack_plain(p->c, p->dictionaries[i], &packed)) == EDN_OK) {
            body.image = edn_buf_view(&packed);
            st = item_add(p, it, &body);
        }
        edn_buf_wipe(&packed);
    }
    return st;
}

typedef struct journal_names {
    publishing *p;
    manifest *m;
} journal_names;

static edn_status journal_add(void *ctx, const edn_journal_id *j, edn_bytes name)
{
    journal_names *k = ctx;
    named_journal *to = &k->m->journals[k->m->journals_n];

    if (k->m->journals_n == MANIFEST_JOURNALS_MAX)
        return EDN_OK;
    to->id = *j;
    if (!edn_arena_copy(&k->p->a, text_cut(name, 256), &to->name))
        return EDN_E_NOMEM;
    k->m->journals_n++;
    return EDN_OK;
}

static edn_status text_make(publishing *p)
{
    manifest m = {.time_ms = client_now(p->c), .items = p->items, .items_n = p->items_n};
    journal_names k = {p, &m};
    edn_status st;

    m.journals = edn_arena_calloc(&p->a, MANIFEST_JOURNALS_MAX, sizeof *m.journals);
    if (!m.journals)
        return EDN_E_NOMEM;
    if ((st = journals_each(p->c, journal_add, &k)) == EDN_OK) {
        manifest_put(&p->text, &m);
        st = edn_buf_status(&p->text);
    }
    return st;
}

/* Inside a transaction, over an index that is whole. */
static edn_status make_all(publishing *p)
{
    uint64_t live, deleted;
    bool all;
    edn_status st;

    if ((st = publishing_load(p)) != EDN_OK || (st = catalog_counts(p->c, &live, &deleted)) != EDN_OK ||
        (st = index_load(p->c)) != EDN_OK || (st = index_open_all(p->c)) != EDN_OK)
        return st;
    if (p->known_n && (st = publishing_places(p, p->known->cover, p->known->cover_n)) != EDN_OK)
        return st;
    all = must_consolidate(p, live);
    if (all && (st = publishing_places(p, NULL, 0)) != EDN_OK)
        return st;
    if (all)
        st = ranges_make(p);
    else if ((st = keep_kind(p, SHARD_RANGE)) == EDN_OK && (st = keep_kind(p, SHARD_RECENT)) == EDN_OK)
        st = recent_make(p);
    if (st == EDN_OK)
        st = dictionaries_make(p);
    return st == EDN_OK ? text_make(p) : st;
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

void blob_path(char out[BLOB_PATH_SIZE_MAX], const edn_hash *name)
{
    edn_buf text = EDN_BUF_INIT(BLOB_PATH_SIZE_MAX);

    edn_base64url_encode(&text, EDN_F(*name));
    snprintf(out, BLOB_PATH_SIZE_MAX, "/v1/blobs/%.*s", (int)text.n, (const char *)text.p);
    edn_buf_dispose(&text);
}

/* Another blob of a name that is made of its bytes is none of ours: as if it were taken. */
static edn_status put_blob(publishing *p, const edn_transport *t, const char *token, const edn_hash *name,
                           edn_bytes bytes, edn_err *err)
{
    char path[BLOB_PATH_SIZE_MAX];
    edn_http_answer answer = {.body = EDN_BUF_INIT(EDN_MSG_SIZE_MAX)};
    edn_http_request rq = {
        .method = EDN_HTTP_PUT, .path = path, .bearer = token, .body = bytes, .answer_size_max = EDN_MSG_SIZE_MAX};
    edn_status st;

    blob_path(path, name);
    st = t->exchange(t->ctx, &rq, &answer, err);
    p->c->bytes_sent += answer.bytes_sent;
    p->c->bytes_received += answer.bytes_received;
    if (st == EDN_OK && answer.status != 200 && answer.status != 201)
        st = http_status_fail(&answer, client_id(p->c)->server, err);
    edn_buf_dispose(&answer.body);
    return st;
}

static edn_status put_blobs(publishing *p, const char *token, edn_err *err)
{
    edn_reader r = edn_reader_init(edn_buf_view(&p->blobs));
    const edn_transport *t;
    edn_status st = client_transport(p->c, client_id(p->c)->server, &t, err);

    for (size_t i = 0; st == EDN_OK && i < p->fresh.n; i++)
        st = put_blob(p, t, token, &p->fresh.p[i], edn_read_lp(&r, SHARD_SIZE_MAX, "blob"), err);
    return st;
}

/* Before anything goes out: what may have to go again. */
static edn_status note_names(publishing *p)
{
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < p->known_n; i++)
        for (size_t k = 0; st == EDN_OK && k < p->known[i].manifest.items_n; k++)
            st = names_add(&p->drop, &p->known[i].manifest.items[k].name);
    for (size_t i = 0; st == EDN_OK && i < p->fresh.n; i++)
        st = names_add(&p->drop, &p->fresh.p[i]);
    return st == EDN_OK ? row_save(p->c, &p->drop, &p->absent, p->soon) : st;
}

static bool same_heads(const heads *a, const heads *b)
{
    edn_hash x = edn_heads_hash(a->p, a->n), y = edn_heads_hash(b->p, b->n);
    return memcmp(x.b, y.b, sizeof x.b) == 0;
}

/* Unless somebody wrote meanwhile: then it would claim to cover what it does not. */
static edn_status list_it(publishing *p, bool *made)
{
    heads now = {NULL, 0};
    edn_head own;
    edn_status st = heads_load(p->c, &now);

    if (st == EDN_OK && same_heads(&now, &p->h) && (st = outbox_index(p->c, edn_buf_view(&p->text), &own)) == EDN_OK &&
        (st = listed_save(p->c, &own.device, own.dseq, p->h.p, p->h.n, edn_buf_view(&p->text))) == EDN_OK)
        *made = true;
    heads_dispose(&now);
    return st;
}

static edn_status publish(publishing *p, const char *token, bool *made, edn_err *err)
{
    edn_client *c = p->c;
    edn_status st = index_prepare(c, NULL, err);

    if (st != EDN_OK || (st = client_begin_read(c, err)) != EDN_OK)
        return st;
    st = make_all(p);
    index_forget(c);
    if ((st = client_end_read(c, st, err)) != EDN_OK || (st = client_begin_write(c, err)) != EDN_OK)
        return st;
    if ((st = client_end_write(c, note_names(p), err)) != EDN_OK || (st = put_blobs(p, token, err)) != EDN_OK ||
        (st = client_begin_write(c, err)) != EDN_OK)
        return st;
    return client_end_write(c, list_it(p, made), err);
}

edn_status published_update(edn_client *c, const char *token, bool *made, edn_err *err)
{
    publishing p;
    bool due = false;
    edn_status st;

    *made = false;
    if (client_is_shared(c))
        return EDN_OK; /* each member indexes what it holds, and nobody publishes it */
    publishing_init(&p, c);
    if ((st = client_begin_read(c, err)) == EDN_OK)
        st = client_end_read(c, is_due(&p, &due), err);
    publishing_dispose(&p);
    if (st != EDN_OK || !due)
        return st;
    publishing_init(&p, c);
    st = publish(&p, token, made, err);
    publishing_dispose(&p);
    return st;
}

/* ---- letting go -------------------------------------------------------------------------------------------------- */

/* `keep`: the manifest in force; what else is noted goes. */
static edn_status shelf_make(edn_client *c, name_list *keep, name_list *drop)
{
    name_list noted = {NULL, 0, 0}, absent = {NULL, 0, 0};
    edn_arena a = edn_arena_init((size_t)64 << 20);
    listed *known;
    size_t n;
    bool soon;
    edn_status st = row_load(c, &noted, &absent, &soon);

    if (st == EDN_OK)
        st = listed_load(c, &a, &known, &n);
    for (size_t i = 0; st == EDN_OK && n && i < known->manifest.items_n; i++)
        st = names_add(keep, &known->manifest.items[i].name);
    for (size_t i = 0; st == EDN_OK && i < noted.n; i++)
        if (!names_have(keep, &noted.p[i]))
            st = names_add(drop, &noted.p[i]);
    free(noted.p);
    free(absent.p);
    edn_arena_dispose(&a);
    return st;
}

static edn_status shelf_ask(edn_client *c, const char *token, const name_list *keep, const name_list *drop,
                            name_list *absent, edn_err *err)
{
    edn_msg_shelf m = {keep->p, drop->p, keep->n, EDN_MIN(drop->n, (size_t)EDN_NAMES_MAX)};
    edn_buf rq = EDN_BUF_INIT(EDN_MSG_SIZE_MAX), body = EDN_BUF_INIT(EDN_MSG_SIZE_MAX);
    edn_arena a = edn_arena_init((size_t)1 << 20);
    edn_msg_absent got;
    edn_status st;

    edn_shelf_put(&rq, &m);
    if ((st = edn_buf_status(&rq)) == EDN_OK)
        st = account_call(c, client_id(c)->server, "/v1/shelf", token, edn_buf_view(&rq), &body, NULL, err);
    if (st == EDN_OK)
        st = edn_absent_decode(&a, edn_buf_view(&body), &got);
    for (size_t i = 0; st == EDN_OK && i < got.names_n; i++)
        if (names_have(keep, &got.names[i]))
            st = names_add(absent, &got.names[i]);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&body);
    edn_arena_dispose(&a);
    return st;
}

edn_status published_settle(edn_client *c, const char *token, edn_err *err)
{
    name_list keep = {NULL, 0, 0}, drop = {NULL, 0, 0}, absent = {NULL, 0, 0};
    const name_list none = {NULL, 0, 0};
    edn_status st = client_begin_read(c, err);

    if (st == EDN_OK)
        st = client_end_read(c, shelf_make(c, &keep, &drop), err);
    if (st == EDN_OK && (st = shelf_ask(c, token, &keep, &drop, &absent, err)) == EDN_OK &&
        (st = client_begin_write(c, err)) == EDN_OK)
        st = client_end_write(c, row_save(c, &none, &absent, false), err);
    free(keep.p);
    free(drop.p);
    free(absent.p);
    return st;
}
