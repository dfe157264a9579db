/* Documents in the store, through a small write-back cache that lives as long as a transaction.
 *
 *     EDN_TABLE_ENTRY   id 16             head: u8 1 ‖ u8 type ‖ varint changed ms ‖
 *                                         varint tails ‖ varint size of tails ‖ varint size of base ‖ u8 n ‖ place n ‖
 *                                         document
 *                       id 16 ‖ u32be 0   base: the document, when it is too large to stand in the head
 *                       id 16 ‖ u32be n   tail n: LP(message) … that came after the base
 *
 * The place is where the catalog shows it: nothing, u64 created ms ‖ date (n is 8 or more), or the month alone, 7
 * bytes, as an older version wrote it.
 *
 * A small document is written whole at every change. A large one gets its changes as tails, until they weigh half of
 * the base: so a change costs what it weighs, and opening costs at most half more than it must. */
#include "client/client_priv.h"

#include "base/plant.h"

#include <stdlib.h>

#define OBJECTS_MAX 128u
#define INLINE_SIZE_MAX ((size_t)32 << 10)
#define TAILS_MAX 256u
#define HEAD_VERSION 1u

struct object_cache {
    object *at[OBJECTS_MAX];
    size_t n;
    uint64_t clock;
};

edn_status objects_new(object_cache **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? EDN_OK : EDN_E_NOMEM;
}

static void object_free(object *o)
{
    edn_doc_free(o->doc);
    edn_buf_wipe(&o->tail);
    free(o);
}

void objects_forget(object_cache *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < k->n; i++)
        object_free(k->at[i]);
    k->n = 0;
}

void objects_free(object_cache *k)
{
    objects_forget(k);
    free(k);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

typedef struct tail_key {
    uint8_t b[20];
} tail_key;

static tail_key tail_key_of(const edn_entry_id *id, uint32_t n)
{
    tail_key k;

    memcpy(k.b, id->b, sizeof id->b);
    for (int i = 0; i < 4; i++)
        k.b[16 + i] = (uint8_t)(n >> (24 - 8 * i));
    return k;
}

static edn_status unpack_document(edn_client *c, edn_bytes packed, edn_doc **out)
{
    edn_buf raw = EDN_BUF_INIT(EDN_STORE_VALUE_SIZE_MAX);
    edn_status st = codec_unpack(c, packed, EDN_STORE_VALUE_SIZE_MAX, &raw);

    if (st == EDN_OK)
        st = edn_doc_decode(edn_buf_view(&raw), out);
    edn_buf_wipe(&raw);
    return st == EDN_OK || st == EDN_E_NOMEM ? st : EDN_E_DAMAGED;
}

static edn_status read_tail(edn_client *c, object *o, uint32_t n)
{
    tail_key key = tail_key_of(&o->id, n);
    edn_buf row = EDN_BUF_INIT(EDN_STORE_VALUE_SIZE_MAX), raw = EDN_BUF_INIT(EDN_STORE_VALUE_SIZE_MAX);
    edn_status st = edn_store_get(c->store, EDN_TABLE_ENTRY, EDN_F(key), &row);

    if (st == EDN_OK)
        st = codec_unpack(c, edn_buf_view(&row), EDN_STORE_VALUE_SIZE_MAX, &raw);
    edn_reader r = edn_reader_init(edn_buf_view(&raw));
    while (st == EDN_OK && edn_reader_left(&r) > 0) {
        edn_bytes message = edn_read_lp(&r, EDN_STORE_VALUE_SIZE_MAX, "message");
        st = edn_reader_status(&r);
        if (st == EDN_OK)
            st = edn_doc_merge(o->doc, message, NULL, NULL);
    }
    edn_buf_wipe(&row);
    edn_buf_wipe(&raw);
    return st == EDN_OK || st == EDN_E_NOMEM ? st : EDN_E_DAMAGED;
}

static bool place_read(edn_bytes in, catalog_place *out)
{
    *out = (catalog_place){.kind = PLACE_NONE};
    if (in.n == MONTH_SIZE) {
        *out = (catalog_place){.kind = PLACE_MONTH, .date_n = MONTH_SIZE};
        memcpy(out->date, in.p, MONTH_SIZE);
    } else if (in.n >= 8 && in.n <= 8 + DATE_SHOWN_MAX) {
        *out = (catalog_place){.kind = PLACE_WHOLE, .date_n = (uint8_t)(in.n - 8), .created_ms = edn_load_u64(in.p)};
        memcpy(out->date, in.p + 8, in.n - 8);
    }
    return in.n == 0 || out->kind != PLACE_NONE;
}

static void place_put(edn_buf *out, const catalog_place *p)
{
    size_t created_n = p->kind == PLACE_WHOLE ? 8 : 0;

    edn_put_u8(out, (uint8_t)(created_n + p->date_n));
    if (created_n)
        edn_put_u64(out, p->created_ms);
    edn_put_bytes(out, p->date, p->date_n);
}

static edn_bytes read_head(object *o, edn_bytes row, edn_status *st)
{
    edn_reader r = edn_reader_init(row);
    edn_bytes place, document;

    if (edn_read_u8(&r, "version") != HEAD_VERSION)
        edn_reader_fail(&r, EDN_E_FORMAT, "version");
    o->type = (edn_record_type)edn_read_u8(&r, "type");
    o->changed_ms = edn_read_varint(&r, "changed");
    o->tails = (uint32_t)edn_read_varint(&r, "tails");
    o->tail_size = edn_read_varint(&r, "size of tails");
    o->base_size = edn_read_varint(&r, "size of base");
    place = edn_read_bytes(&r, edn_read_u8(&r, "place size"), "place");
    document = edn_read_bytes(&r, edn_reader_left(&r), "document");
    if (!place_read(place, &o->place) || o->tails > TAILS_MAX)
        edn_reader_fail(&r, EDN_E_FORMAT, "place");
    *st = edn_reader_status(&r) == EDN_OK ? EDN_OK : EDN_E_DAMAGED;
    return document;
}

static edn_status load(edn_client *c, object *o)
{
    edn_buf row = EDN_BUF_INIT(EDN_STORE_VALUE_SIZE_MAX), base = EDN_BUF_INIT(EDN_STORE_VALUE_SIZE_MAX);
    edn_status st = edn_store_get(c->store, EDN_TABLE_ENTRY, id_bytes(&o->id), &row);
    edn_bytes document;

    if (st != EDN_OK)
        goto out;
    document = read_head(o, edn_buf_view(&row), &st);
    if (st == EDN_OK && o->base_size > 0) {
        tail_key key = tail_key_of(&o->id, 0);
        st = edn_store_get(c->store, EDN_TABLE_ENTRY, EDN_F(key), &base);
        document = edn_buf_view(&base);
        if (st == EDN_E_MISSING)
            st = EDN_E_DAMAGED;
    }
    if (st == EDN_OK)
        st = unpack_document(c, document, &o->doc);
    for (uint32_t n = 1; st == EDN_OK && n <= o->tails; n++)
        st = read_tail(c, o, n);
out:
    edn_buf_wipe(&row);
    edn_buf_wipe(&base);
    return st;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static edn_status put_head(edn_client *c, const object *o, edn_bytes document)
{
    edn_buf row = EDN_BUF_INIT(EDN_STORE_VALUE_SIZE_MAX);
    edn_status st;

    edn_put_u8(&row, HEAD_VERSION);
    edn_put_u8(&row, (uint8_t)o->type);
    edn_put_varint(&row, o->changed_ms);
    edn_put_varint(&row, o->tails);
    edn_put_varint(&row, o->tail_size);
    edn_put_varint(&row, o->base_size);
    place_put(&row, &o->place);
    edn_put_bytes(&row, document.p, document.n);
    st = edn_buf_status(&row);
    if (st == EDN_OK)
        st = edn_store_put(c->store, EDN_TABLE_ENTRY, id_bytes(&o->id), edn_buf_view(&row));
    edn_buf_wipe(&row);
    return st;
}

static edn_status put_tail(edn_client *c, object *o)
{
    edn_buf packed = EDN_BUF_INIT(EDN_STORE_VALUE_SIZE_MAX);
    tail_key key = tail_key_of(&o->id, o->tails + 1);
    edn_status st = codec_pack(c, edn_buf_view(&o->tail), CODEC_LEVEL_LOCAL, &packed);

    if (st == EDN_OK)
        st = edn_store_put(c->store, EDN_TABLE_ENTRY, EDN_F(key), edn_buf_view(&packed));
    if (st == EDN_OK) {
        o->tails++;
        o->tail_size += packed.n;
        st = put_head(c, o, EDN_BYTES_EMPTY);
    }
    edn_buf_wipe(&packed);
    return st;
}

static edn_status put_whole(edn_client *c, object *o)
{
    edn_buf raw = EDN_BUF_INIT(EDN_STORE_VALUE_SIZE_MAX), packed = EDN_BUF_INIT(EDN_STORE_VALUE_SIZE_MAX);
    bool had_base = o->base_size > 0;
    uint32_t old_tails = o->tails;
    edn_status st = edn_doc_encode(o->doc, &raw);

    if (st == EDN_OK)
        st = codec_pack(c, edn_buf_view(&raw), CODEC_LEVEL_LOCAL, &packed);
    if (st != EDN_OK)
        goto out;
    o->tails = 0;
    o->tail_size = 0;
    o->base_size = packed.n > INLINE_SIZE_MAX ? packed.n : 0;
    st = put_head(c, o, o->base_size ? EDN_BYTES_EMPTY : edn_buf_view(&packed));
    for (uint32_t n = 0; st == EDN_OK && n <= old_tails && (had_base || o->base_size); n++) {
        tail_key key = tail_key_of(&o->id, n);
        if (n == 0 && o->base_size)
            st = edn_store_put(c->store, EDN_TABLE_ENTRY, EDN_F(key), edn_buf_view(&packed));
        else
            st = edn_store_del(c->store, EDN_TABLE_ENTRY, EDN_F(key));
    }
out:
    edn_buf_wipe(&raw);
    edn_buf_wipe(&packed);
    return st;
}

static bool tail_pays(const object *o)
{
    return !o->fresh && !o->rewrite && o->base_size > 0 && o->tails < TAILS_MAX &&
           o->tail_size + o->tail.n <= o->base_size / 2 && edn_buf_status(&o->tail) == EDN_OK;
}

/* The catalog and the lists of names show what documents say: they change with them. */
static edn_status describe(edn_client *c, object *o)
{
    edn_arena a = edn_arena_init(EDN_BUF_UNLIMITED); /* an item is small, whatever the document */
    catalog_item item;
    edn_status st;

    if (o->type != EDN_RECORD_ENTRY)
        return names_update(c, o);
    st = catalog_describe(c, o, &a, &item);
    if (st == EDN_OK)
        st = index_note(c, &o->id, &o->place);
    if (st == EDN_OK)
        st = catalog_put(c, &o->place, &item);
    edn_arena_dispose(&a);
    return st;
}

static edn_status flush(edn_client *c, object *o)
{
    uint64_t from;
    edn_status st;

    if (!o->changed)
        return EDN_OK;
    if ((st = describe(c, o)) != EDN_OK || (st = tail_pays(o) ? put_tail(c, o) : put_whole(c, o)) != EDN_OK)
        return st;
    if (o->dirty && (st = dirty_get(c, &o->id, &from)) == EDN_E_MISSING)
        st = EDN_PLANT(loses_dirty_mark) ? EDN_OK : dirty_put(c, &o->id, o->unsent_from);
    if (st == EDN_OK) {
        o->changed = o->dirty = o->fresh = o->rewrite = false;
        edn_buf_reset(&o->tail);
    }
    return st;
}

edn_status objects_flush(edn_client *c)
{
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < c->objects->n; i++)
        st = flush(c, c->objects->at[i]);
    return st;
}

/* ---- the cache --------------------------------------------------------------------------------------------------- */

static object *find_cached(object_cache *k, const edn_entry_id *id)
{
    for (size_t i = 0; i < k->n; i++)
        if (memcmp(k->at[i]->id.b, id->b, sizeof id->b) == 0)
            return k->at[i];
    return NULL;
}

static edn_status make_room(edn_client *c)
{
    object_cache *k = c->objects;
    size_t oldest = 0;
    edn_status st;

    if (k->n < OBJECTS_MAX)
        return EDN_OK;
    for (size_t i = 1; i < k->n; i++)
        if (k->at[i]->used < k->at[oldest]->used)
            oldest = i;
    if ((st = flush(c, k->at[oldest])) != EDN_OK)
        return st;
    object_free(k->at[oldest]);
    k->at[oldest] = k->at[--k->n];
    return EDN_OK;
}

static edn_status add_empty(edn_client *c, const edn_entry_id *id, object **out)
{
    object_cache *k = c->objects;
    edn_status st = make_room(c);
    object *o;

    if (st != EDN_OK)
        return st;
    o = calloc(1, sizeof *o);
    if (!o)
        return EDN_E_NOMEM;
    o->id = *id;
    o->tail = EDN_BUF_INIT(EDN_STORE_VALUE_SIZE_MAX);
    o->used = ++k->clock;
    k->at[k->n++] = o;
    *out = o;
    return EDN_OK;
}

edn_status object_get(edn_client *c, const edn_entry_id *id, object **out)
{
    object *o = find_cached(c->objects, id);
    edn_status st = EDN_OK;

    *out = NULL;
    if (!o) {
        if ((st = add_empty(c, id, &o)) != EDN_OK)
            return st;
        st = load(c, o);
        if (st != EDN_OK) {
            c->objects->n--;
            object_free(o);
            return st;
        }
    }
    o->used = ++c->objects->clock;
    *out = o;
    return EDN_OK;
}

edn_status object_new(edn_client *c, const edn_entry_id *id, edn_record_type type, object **out)
{
    object *o;
    edn_status st;

    *out = NULL;
    if ((st = add_empty(c, id, &o)) != EDN_OK)
        return st;
    if ((st = edn_doc_new(&o->doc)) != EDN_OK) {
        c->objects->n--;
        object_free(o);
        return st;
    }
    o->type = type;
    o->fresh = true;
    *out = o;
    return EDN_OK;
}

void object_drop(edn_client *c, object *o)
{
    object_cache *k = c->objects;

    for (size_t i = 0; i < k->n; i++) {
        if (k->at[i] == o) {
            k->at[i] = k->at[--k->n];
            object_free(o);
            return;
        }
    }
}

/* ---- changing ---------------------------------------------------------------------------------------------------- */

void object_author(edn_client *c, object *o) { edn_doc_author(o->doc, client_agent(c), client_now(c)); }

static void keep_tail(object *o, edn_bytes message)
{
    if (o->base_size > 0)
        edn_put_lp(&o->tail, message);
}

edn_status object_wrote(edn_client *c, object *o, uint64_t seq_before)
{
    edn_buf message = EDN_BUF_INIT(EDN_STORE_VALUE_SIZE_MAX);
    uint64_t next = edn_doc_agent_next(o->doc, client_agent(c));
    edn_status st = EDN_OK;

    if (next == seq_before)
        return EDN_OK;
    if (!o->dirty)
        o->unsent_from = seq_before;
    while (o->base_size > 0 && st == EDN_OK && seq_before < next) {
        edn_buf_reset(&message);
        st = edn_doc_encode_events(o->doc, client_agent(c), seq_before, MESSAGE_SIZE_MAX, &message, &seq_before);
        if (st == EDN_OK)
            keep_tail(o, edn_buf_view(&message));
    }
    edn_buf_wipe(&message);
    o->changed_ms = EDN_MAX(o->changed_ms, client_now(c));
    o->changed = o->dirty = true;
    return st;
}

edn_status object_merge(edn_client *c, object *o, edn_bytes message, uint64_t time_ms)
{
    uint64_t before = edn_doc_event_count(o->doc);
    edn_status st = edn_doc_merge(o->doc, message, NULL, NULL);

    (void)c;
    if (st == EDN_OK && edn_doc_event_count(o->doc) != before) {
        keep_tail(o, message);
        o->changed_ms = EDN_MAX(o->changed_ms, time_ms);
        o->changed = true;
    }
    return st;
}

edn_journal_id doc_journal(const edn_client *c, const edn_doc *doc)
{
    edn_journal_id j;
    edn_bytes v;

    /* A shared store is one journal, whatever another member writes into this field. */
    if (!client_is_shared(c) && edn_doc_get(doc, edn_bytes_str(FIELD_JOURNAL), &v) == EDN_OK && v.n == sizeof j.b)
        memcpy(j.b, v.p, sizeof j.b);
    else
        j = client_id(c)->journal;
    return j;
}
