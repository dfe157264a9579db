/* What a new device has of the index before it has the entries.
 *
 *     EDN_TABLE_INDEX   6                        u8 1 ‖ u8 flags (1: quiet) ‖ u64 asked ms ‖ LP(manifest) ‖ for each of
 *                                                its items: u8 state ‖ u64 size of its segment; u32 n ‖ n × (device
 *                                                16 ‖ u64 number): of each device that was known the newest index
 *                                                batch, as it was given, or 0
 *                       7 ‖ name 8 ‖ u32be page  a page of an item's segment
 *                       8 ‖ name 8               where its entries' records are, as they came
 *
 * The row 6 is there from when the server was asked until all of the diary is here; then all of these go. */
#include "client/finding/arriving.h"

#include "client/finding/idset.h"

#include <stdio.h>
#include <stdlib.h>

#define ROW_VERSION 1u
#define ROW_QUIET 1u
#define PLACES_SIZE_MAX ((size_t)32 << 20)
#define STALE_MS 3600000u
#define GIVEN_SIZE 24u

struct arriving_reader {
    edn_client *c;
    const shard_item *item;
};

static const uint8_t row_key[] = {INDEX_KEY_ARRIVING};

edn_bytes arriving_page_key(arriving_key *k, const shard_item *it, uint32_t page)
{
    k->b[0] = INDEX_KEY_ARRIVED;
    memcpy(k->b + 1, it->name.b, 8);
    for (int i = 0; i < 4; i++)
        k->b[9 + i] = (uint8_t)(page >> (24 - 8 * i));
    return edn_bytes_of(k->b, 13);
}

edn_bytes arriving_places_key(arriving_key *k, const shard_item *it)
{
    k->b[0] = INDEX_KEY_PLACES;
    memcpy(k->b + 1, it->name.b, 8);
    return edn_bytes_of(k->b, 9);
}

/* ---- the row ----------------------------------------------------------------------------------------------------- */

void arriving_close(edn_client *c)
{
    arriving *x = c->index->arriving;

    for (size_t i = 0; x && i < x->manifest.items_n; i++) {
        edn_segment_free(x->shards[i].segment);
        free(x->shards[i].reader);
        free(x->shards[i].dead);
        x->shards[i].segment = NULL;
        x->shards[i].reader = NULL;
        x->shards[i].dead = NULL;
    }
}

void arriving_forget(edn_client *c)
{
    arriving *x = c->index->arriving;

    arriving_close(c);
    if (x) {
        edn_arena_dispose(&x->a);
        free(x->shards);
        free(x);
    }
    c->index->arriving = NULL;
}

static edn_status read_given(edn_reader *r, arriving *x)
{
    uint32_t n = edn_read_u32(r, "given");

    if (!edn_reader_has(r, n, GIVEN_SIZE))
        return EDN_E_FORMAT;
    if (!(x->given = edn_arena_calloc(&x->a, (size_t)n + 1, sizeof *x->given)))
        return EDN_E_NOMEM;
    x->given_n = n;
    for (uint32_t i = 0; i < n; i++) {
        edn_read_into(r, x->given[i].device.b, sizeof x->given[i].device.b, "device");
        x->given[i].dseq = edn_read_u64(r, "number");
    }
    return edn_reader_end(r);
}

static edn_status row_read(arriving *x, edn_bytes row)
{
    edn_reader r = edn_reader_init(row);
    uint8_t version = edn_read_u8(&r, "version");
    edn_bytes bytes;
    edn_status st;

    x->quiet = edn_read_u8(&r, "flags") & ROW_QUIET;
    x->asked_ms = edn_read_u64(&r, "asked");
    bytes = edn_read_lp(&r, MANIFEST_SIZE_MAX, "manifest");
    if (edn_reader_status(&r) != EDN_OK || version != ROW_VERSION)
        return EDN_E_FORMAT;
    if (!edn_arena_copy(&x->a, bytes, &x->bytes))
        return EDN_E_NOMEM;
    if ((st = manifest_decode(&x->a, x->bytes, &x->manifest)) != EDN_OK)
        return st;
    if (!(x->shards = calloc(x->manifest.items_n + 1, sizeof *x->shards)))
        return EDN_E_NOMEM;
    for (size_t i = 0; i < x->manifest.items_n; i++) {
        x->shards[i].item = x->manifest.items[i];
        uint8_t state = edn_read_u8(&r, "state");
        if (state > ARRIVING_LOST)
            edn_reader_fail(&r, EDN_E_FORMAT, "state");
        x->shards[i].state = (arriving_state)state;
        x->shards[i].size = edn_read_u64(&r, "size");
    }
    return read_given(&r, x);
}

static edn_status any_row(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    (void)ctx;
    (void)key;
    (void)st;
    (void)value;
    return EDN_E_EXISTS;
}

/* Rows that no list tells of: it was lost. */
static edn_status find_orphans(edn_client *c)
{
    edn_status st = EDN_OK;

    for (uint8_t kind = INDEX_KEY_ARRIVED; st == EDN_OK && kind <= INDEX_KEY_PLACES; kind++)
        st = edn_store_scan(c->store, EDN_TABLE_INDEX, edn_bytes_of(&kind, 1), EDN_BYTES_EMPTY, true, any_row, NULL);
    return st == EDN_E_EXISTS ? EDN_E_DAMAGED : st;
}

edn_status arriving_load(edn_client *c)
{
    edn_buf row = EDN_BUF_INIT(MANIFEST_SIZE_MAX + 65536);
    arriving *x;
    edn_status st;

    if (c->index->arriving)
        return EDN_OK;
    c->index->arriving_bad = 0;
    st = edn_store_get(c->store, EDN_TABLE_INDEX, edn_bytes_of(row_key, sizeof row_key), &row);
    if (st == EDN_OK) {
        if (!(x = calloc(1, sizeof *x))) {
            st = EDN_E_NOMEM;
        } else {
            x->a = edn_arena_init((size_t)4 << 20);
            c->index->arriving = x;
            st = row_read(x, edn_buf_view(&row));
            if (st != EDN_OK) {
                x->manifest.items_n = 0;
                arriving_forget(c);
            }
        }
    }
    edn_buf_wipe(&row);
    if (st == EDN_E_MISSING)
        st = find_orphans(c);
    if (st != EDN_E_DAMAGED && st != EDN_E_FORMAT)
        return st;
    c->index->arriving_bad = ARRIVING_BAD_LIST; /* the entries come without it as well */
    return EDN_OK;
}

edn_status arriving_save(edn_client *c)
{
    const arriving *x = c->index->arriving;
    edn_buf row = EDN_BUF_INIT(MANIFEST_SIZE_MAX + 65536);
    edn_status st;

    edn_put_u8(&row, ROW_VERSION);
    edn_put_u8(&row, x->quiet ? ROW_QUIET : 0);
    edn_put_u64(&row, x->asked_ms);
    edn_put_lp(&row, x->bytes);
    for (size_t i = 0; i < x->manifest.items_n; i++) {
        edn_put_u8(&row, (uint8_t)x->shards[i].state);
        edn_put_u64(&row, x->shards[i].size);
    }
    edn_put_u32(&row, (uint32_t)x->given_n);
    for (size_t i = 0; i < x->given_n; i++) {
        edn_put_bytes(&row, x->given[i].device.b, sizeof x->given[i].device.b);
        edn_put_u64(&row, x->given[i].dseq);
    }
    if ((st = edn_buf_status(&row)) == EDN_OK)
        st = edn_store_put(c->store, EDN_TABLE_INDEX, edn_bytes_of(row_key, sizeof row_key), edn_buf_view(&row));
    edn_buf_wipe(&row);
    return st;
}

edn_status arriving_rows_drop(edn_client *c, const shard_item *it)
{
    arriving_key k;
    edn_status st = edn_store_del(c->store, EDN_TABLE_INDEX, arriving_places_key(&k, it));

    (void)arriving_page_key(&k, it, 0);
    return st == EDN_OK ? index_del_rows(c, edn_bytes_of(k.b, 9)) : st;
}

/* ---- which entries count ----------------------------------------------------------------------------------------- */

static edn_status add_key(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    edn_entry_id id;
    bool was;

    (void)st;
    (void)value;
    if (key.n != sizeof id.b)
        return EDN_OK; /* a piece of a large one */
    memcpy(id.b, key.p, sizeof id.b);
    return id_set_add(ctx, &id, &was);
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static edn_status page_get(void *ctx, uint32_t page, uint8_t *to, size_t n)
{
    const arriving_reader *r = ctx;
    arriving_key k;
    edn_status st = index_page_in(r->c, arriving_page_key(&k, r->item, page), to, n);

    if (st != EDN_OK)
        r->c->index->arriving_bad = (size_t)(r->item - r->c->index->arriving->manifest.items) + 1;
    return st;
}

edn_status arriving_places(edn_client *c, const shard_item *it, edn_arena *a, shard_places *out)
{
    edn_buf packed = EDN_BUF_INIT(SHARD_SIZE_MAX), raw = EDN_BUF_INIT(PLACES_SIZE_MAX);
    edn_bytes kept;
    arriving_key k;
    edn_status st = edn_store_get(c->store, EDN_TABLE_INDEX, arriving_places_key(&k, it), &packed);

    if (st == EDN_OK)
        st = codec_unpack(c, edn_buf_view(&packed), PLACES_SIZE_MAX, &raw);
    if (st == EDN_OK)
        st = edn_arena_copy(a, edn_buf_view(&raw), &kept) ? shard_places_decode(a, kept, it->docs, out) : EDN_E_NOMEM;
    edn_buf_wipe(&packed);
    edn_buf_wipe(&raw);
    return st == EDN_E_MISSING || st == EDN_E_LIMIT || st == EDN_E_FORMAT ? EDN_E_DAMAGED : st;
}

static edn_status shard_open_here(edn_client *c, arriving_shard *s, const shard_item *it)
{
    if (!(s->reader = malloc(sizeof *s->reader)))
        return EDN_E_NOMEM;
    *s->reader = (arriving_reader){c, it};
    edn_status st = edn_segment_open(c->index->pages, s->size, page_get, s->reader, &s->segment);
    if (st == EDN_OK && edn_segment_docs(s->segment) != it->docs)
        st = EDN_E_DAMAGED;
    if (st == EDN_OK && !(s->dead = calloc(1, it->docs / 8 + 1)))
        st = EDN_E_NOMEM;
    return st;
}

/* Later shards are asked first: what stands in one of them, or is gone by its word, counts no longer before it. */
static edn_status shard_mask(edn_client *c, arriving_shard *s, const shard_item *it, const id_set *here, id_set *later)
{
    arriving *x = c->index->arriving;
    edn_arena a = edn_arena_init((size_t)256 << 20);
    shard_places places = {0};
    edn_segment_doc d;
    bool was;
    edn_status st = EDN_OK;

    for (uint32_t i = 0; st == EDN_OK && i < it->docs; i++) {
        if ((st = edn_segment_doc_at(s->segment, i, &d)) != EDN_OK ||
            (st = id_set_add(later, &d.entry, &was)) != EDN_OK)
            break;
        x->known += !was;
        x->here += !was && id_set_has(here, &d.entry);
        if (was || id_set_has(here, &d.entry))
            s->dead[i / 8] |= (uint8_t)(1u << i % 8);
    }
    if (st == EDN_OK && it->kind == SHARD_RECENT && (st = arriving_places(c, it, &a, &places)) == EDN_OK)
        for (size_t i = 0; st == EDN_OK && i < places.gone_n; i++)
            st = id_set_add(later, &places.gone[i], &was);
    edn_arena_dispose(&a);
    return st;
}

edn_status arriving_open(edn_client *c)
{
    arriving *x = c->index->arriving;
    id_set here = {NULL, NULL, 0, 0}, later = {NULL, NULL, 0, 0};
    edn_status st;

    arriving_close(c);
    x->known = x->here = 0;
    c->index->arriving_bad = 0;
    st = edn_store_scan(c->store, EDN_TABLE_ENTRY, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, true, add_key, &here);
    for (size_t i = x->manifest.items_n; st == EDN_OK && i--;) {
        const shard_item *it = &x->manifest.items[i];
        if (x->shards[i].state != ARRIVING_HERE || it->kind == SHARD_DICTIONARY)
            continue;
        if ((st = shard_open_here(c, &x->shards[i], it)) == EDN_OK)
            st = shard_mask(c, &x->shards[i], it, &here, &later);
        if (st != EDN_OK && st != EDN_E_NOMEM)
            c->index->arriving_bad = i + 1;
    }
    id_set_dispose(&here);
    id_set_dispose(&later);
    return st;
}

edn_status arriving_check(edn_client *c)
{
    arriving *x;
    edn_status st = arriving_load(c);

    if (st != EDN_OK || !(x = c->index->arriving))
        return st == EDN_OK && c->index->arriving_bad ? EDN_E_DAMAGED : st;
    if ((st = index_open_pages(c)) == EDN_OK)
        st = arriving_open(c);
    for (size_t i = 0; st == EDN_OK && i < x->manifest.items_n; i++) {
        edn_arena a = edn_arena_init((size_t)256 << 20);
        shard_places places;
        if (x->shards[i].segment && (st = edn_segment_check(x->shards[i].segment)) == EDN_OK)
            st = arriving_places(c, &x->manifest.items[i], &a, &places);
        if (st != EDN_OK && st != EDN_E_NOMEM)
            c->index->arriving_bad = i + 1;
        edn_arena_dispose(&a);
    }
    return st == EDN_E_FORMAT ? EDN_E_DAMAGED : st;
}

edn_status arriving_each(edn_client *c, arriving_fn *fn, void *ctx)
{
    const arriving *x = c->index->arriving;
    edn_segment_doc d;
    edn_status st = EDN_OK;

    for (size_t k = 0; st == EDN_OK && k < x->manifest.items_n; k++) {
        const arriving_shard *s = &x->shards[k];
        for (uint32_t i = 0; st == EDN_OK && s->segment && i < s->item.docs; i++)
            if (!(s->dead[i / 8] >> i % 8 & 1) && (st = edn_segment_doc_at(s->segment, i, &d)) == EDN_OK)
                st = fn(ctx, &d);
    }
    return st;
}

void arriving_days(const shard_item *it, char out[48])
{
    if (it->kind == SHARD_RANGE)
        snprintf(out, 48, "from %04u to %04u", it->from / 10000, it->to / 10000);
    else
        snprintf(out, 48, "%s", it->kind == SHARD_RECENT ? "of recent changes" : "for packed entries");
}

/* ---- beginning, and beginning again ------------------------------------------------------------------------------ */

static edn_status note_given(edn_client *c, arriving *x, const listed *known, size_t n)
{
    const edn_device *d;
    size_t devices = 0;

    while (edn_devlog_device(c->log, devices))
        devices++;
    if (!(x->given = edn_arena_calloc(&x->a, devices + 1, sizeof *x->given)))
        return EDN_E_NOMEM;
    for (; x->given_n < devices && (d = edn_devlog_device(c->log, x->given_n)) != NULL; x->given_n++) {
        edn_place *to = &x->given[x->given_n];
        to->device = d->id;
        for (size_t k = 0; k < n; k++)
            if (memcmp(known[k].device.b, d->id.b, sizeof d->id.b) == 0)
                to->dseq = known[k].dseq;
    }
    return EDN_OK;
}

static edn_status begin_with(edn_client *c, const listed *known, size_t n, bool quiet)
{
    arriving *x = calloc(1, sizeof *x);
    const manifest none = {.time_ms = 0};
    edn_buf bytes = EDN_BUF_INIT(MANIFEST_SIZE_MAX);
    edn_status st = EDN_OK;

    if (!x)
        return EDN_E_NOMEM;
    c->index->arriving = x;
    x->a = edn_arena_init((size_t)4 << 20);
    x->quiet = quiet;
    x->asked_ms = client_now(c);
    if (n)
        edn_put_bytes(&bytes, known->bytes.p, known->bytes.n); /* the one in force comes first */
    else
        manifest_put(&bytes, &none);
    if ((st = edn_buf_status(&bytes)) == EDN_OK)
        st = edn_arena_copy(&x->a, edn_buf_view(&bytes), &x->bytes) ? manifest_decode(&x->a, x->bytes, &x->manifest)
                                                                    : EDN_E_NOMEM;
    edn_buf_wipe(&bytes);
    if (st != EDN_OK)
        return st;
    x->shards = calloc(x->manifest.items_n + 1, sizeof *x->shards);
    if (!x->shards) {
        x->manifest.items_n = 0;
        return EDN_E_NOMEM;
    }
    if ((st = note_given(c, x, known, n)) != EDN_OK)
        return st;
    for (size_t i = 0; i < x->manifest.items_n; i++)
        x->shards[i].item = x->manifest.items[i];
    return arriving_save(c);
}

static edn_status rows_clear(edn_client *c)
{
    edn_status st = EDN_OK;

    for (uint8_t kind = INDEX_KEY_ARRIVING; st == EDN_OK && kind <= INDEX_KEY_PLACES; kind++)
        st = index_del_rows(c, edn_bytes_of(&kind, 1));
    return st;
}

edn_status arriving_begin(edn_client *c, bool quiet)
{
    edn_arena a = edn_arena_init((size_t)64 << 20);
    listed *known;
    size_t n;
    edn_status st = listed_load(c, &a, &known, &n);

    arriving_forget(c);
    if (st == EDN_OK && (st = rows_clear(c)) == EDN_OK)
        st = begin_with(c, known, n, quiet);
    if (st != EDN_OK)
        arriving_forget(c);
    edn_arena_dispose(&a);
    return st;
}

edn_status arriving_mend(edn_client *c, char text[160])
{
    size_t bad = c->index->arriving_bad;
    char days[48];
    arriving *x;
    edn_status st;

    text[0] = 0;
    arriving_forget(c);
    if ((st = arriving_load(c)) != EDN_OK)
        return st;
    if (c->index->arriving_bad == ARRIVING_BAD_LIST) {
        snprintf(text, 160,
                 "the list of what came from the server of the search index was damaged here; it is fetched anew");
        st = arriving_begin(c, true); /* whether the person wants that is not known any more */
        c->index->arriving_bad = 0;
        arriving_forget(c);
        return st;
    }
    if (!(x = c->index->arriving) || !bad || bad > x->manifest.items_n)
        return EDN_OK;
    arriving_days(&x->manifest.items[bad - 1], days);
    snprintf(text, 160,
             "the part %s of the search index that came from the server was damaged here and is fetched anew", days);
    x->shards[bad - 1].state = ARRIVING_WANTED;
    if ((st = arriving_rows_drop(c, &x->manifest.items[bad - 1])) == EDN_OK)
        st = arriving_save(c);
    arriving_forget(c);
    return st;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* UINT64_MAX: the server was not asked. */
static uint64_t given_of(const arriving *x, const edn_device_id *device)
{
    for (size_t i = 0; i < x->given_n; i++)
        if (memcmp(x->given[i].device.b, device->b, sizeof device->b) == 0)
            return x->given[i].dseq;
    return UINT64_MAX;
}

/* Whether the two clocks contradict the log: a manifest that is older than this device by its time, in a batch whose
 * author knew of this device already. Such a time tells nothing of what the server had when it was asked. A batch that
 * is not here, or damaged, contradicts nothing. */
static edn_status times_contradict(edn_client *c, const listed *l, bool *out)
{
    const edn_device *self = edn_devlog_device_find(c->log, &client_id(c)->device);
    edn_buf bytes = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_batch b;
    edn_status st;

    *out = false;
    if (!self || l->manifest.time_ms >= self->added_time_ms)
        return EDN_OK;
    if ((st = batch_load(c, &l->device, l->dseq, &bytes)) == EDN_OK &&
        (st = edn_batch_decode(edn_buf_view(&bytes), &b)) == EDN_OK)
        *out = b.header.log_seq >= self->added_seq;
    edn_buf_dispose(&bytes);
    return st == EDN_E_NOMEM || st == EDN_E_IO ? st : EDN_OK;
}

/* Whether the server, when it was asked, gave an older manifest of some device, or none, than that one had published
 * long before. */
static edn_status find_stale(edn_client *c, bool *stale)
{
    const arriving *x = c->index->arriving;
    edn_arena a = edn_arena_init((size_t)64 << 20);
    listed *known;
    size_t n;
    edn_status st = listed_load(c, &a, &known, &n);

    *stale = false;
    for (size_t i = 0; st == EDN_OK && i < n && !*stale; i++) {
        bool wrong;
        if (known[i].dseq <= given_of(x, &known[i].device) || known[i].manifest.time_ms + STALE_MS >= x->asked_ms ||
            memcmp(known[i].device.b, client_id(c)->device.b, sizeof known[i].device.b) == 0)
            continue;
        st = times_contradict(c, &known[i], &wrong);
        *stale = st == EDN_OK && !wrong;
    }
    edn_arena_dispose(&a);
    return st;
}

edn_status arriving_end(edn_client *c, const edn_sync_options *options, edn_err *err)
{
    edn_finding f = {.status = EDN_E_WITHHELD, .time_ms = client_now(c)};
    bool stale = false;
    edn_status st = client_begin_read(c, err);

    if (st != EDN_OK)
        return st;
    st = client_end_read(c, arriving_load(c), err);
    if (st != EDN_OK || (!c->index->arriving && !c->index->arriving_bad) || (st = client_begin_write(c, err)) != EDN_OK)
        return st;
    if ((st = arriving_load(c)) == EDN_OK && c->index->arriving)
        st = find_stale(c, &stale);
    snprintf(
        f.text, sizeof f.text,
        "when this device was new the server gave it an older list of the search index than it had, or none; until "
        "now a search may have missed what was written lately. All entries are here now");
    if (st == EDN_OK && stale)
        st = finding_save(c, &f);
    if (st == EDN_OK)
        st = rows_clear(c);
    arriving_forget(c);
    c->index->arriving_bad = 0;
    st = client_end_write(c, st, err);
    if (st == EDN_OK && stale && options && options->on_finding)
        options->on_finding(options->ctx, &f);
    return st;
}
