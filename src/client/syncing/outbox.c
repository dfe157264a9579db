/* Local changes become batches: everything that is dirty goes out together, one batch a sync unless it is too large for
 * one.
 *
 *     EDN_TABLE_DIRTY   object id 16            varint: its first event of this device that is in no batch
 *     EDN_TABLE_BATCH   space tag 8 ‖ device 16 ‖ u64be dseq          the batch
 *                       the same ‖ 'h'                                its hash, for gossip
 *
 * A record's plaintext: u8 1 ‖ varint first event ‖ varint time ms ‖ packed message (codec.c); of a dictionary: u8 1 ‖
 * the packed dictionary. */
#include "client/finding/manifest.h"
#include "client/syncing/outbox.h"
#include "client/sharing/space.h"

#include "base/plant.h"

#include <stdlib.h>

#define BODY_SIZE_MAX ((size_t)3900 << 10) /* its padded bucket still fits a batch */
#define RECORD_FORMAT 1u

/* ---- heads ------------------------------------------------------------------------------------------------------- */

/* Others' chains begin at their bases at the least (devlog.h), whatever was held before. This device's own is what it
 * wrote. */
static edn_status heads_raise(edn_client *c, heads *h)
{
    const edn_pin *bases;
    size_t n = c->log ? edn_devlog_bases(c->log, &bases) : 0;
    const identity *id = client_id(c);
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < n; i++) {
        edn_head base = {bases[i].device, bases[i].dseq, bases[i].hash};
        const edn_head *held = edn_heads_find(h->p, h->n, &base.device);
        if (memcmp(bases[i].space.b, id->space.b, sizeof id->space.b) == 0 &&
            memcmp(base.device.b, id->device.b, sizeof id->device.b) != 0 && (!held || held->dseq < base.dseq))
            st = heads_set(h, &base);
    }
    return st;
}

edn_status heads_load(edn_client *c, heads *out)
{
    edn_buf row = EDN_BUF_INIT((size_t)EDN_HEADS_MAX * EDN_HEAD_SIZE + 16);
    edn_arena a = edn_arena_init((size_t)1 << 20);
    edn_status st = meta_get(c, "heads", EDN_BYTES_EMPTY, &row);
    edn_reader r = edn_reader_init(edn_buf_view(&row));
    edn_head *p = NULL;

    *out = (heads){NULL, 0};
    if (st == EDN_E_MISSING)
        st = EDN_OK;
    else if (st == EDN_OK && (!edn_heads_read(&r, &a, &p, &out->n) || edn_reader_end(&r) != EDN_OK))
        st = edn_reader_status(&r) == EDN_E_NOMEM ? EDN_E_NOMEM : EDN_E_DAMAGED;
    if (st == EDN_OK && out->n) {
        out->p = calloc(out->n, sizeof *out->p);
        if (out->p)
            memcpy(out->p, p, out->n * sizeof *p);
        else
            st = EDN_E_NOMEM;
    }
    if (st != EDN_OK)
        *out = (heads){NULL, 0};
    edn_arena_dispose(&a);
    edn_buf_dispose(&row);
    if (st == EDN_OK && (st = heads_raise(c, out)) != EDN_OK)
        heads_dispose(out);
    return st;
}

edn_status heads_save(edn_client *c, const heads *h)
{
    edn_buf row = EDN_BUF_INIT((size_t)EDN_HEADS_MAX * EDN_HEAD_SIZE + 16);
    edn_status st;

    edn_heads_put(&row, h->p, h->n);
    st = edn_buf_status(&row);
    if (st == EDN_OK)
        st = meta_put(c, "heads", EDN_BYTES_EMPTY, edn_buf_view(&row));
    edn_buf_dispose(&row);
    return st;
}

edn_status heads_set(heads *h, const edn_head *head)
{
    size_t i = 0;
    edn_head *p;

    while (i < h->n && memcmp(h->p[i].device.b, head->device.b, sizeof head->device.b) < 0)
        i++;
    if (i < h->n && memcmp(h->p[i].device.b, head->device.b, sizeof head->device.b) == 0) {
        h->p[i] = *head;
        return EDN_OK;
    }
    if (h->n >= EDN_HEADS_MAX)
        return EDN_E_LIMIT;
    p = realloc(h->p, (h->n + 1) * sizeof *p);
    if (!p)
        return EDN_E_NOMEM;
    h->p = p;
    memmove(p + i + 1, p + i, (h->n - i) * sizeof *p);
    p[i] = *head;
    h->n++;
    return EDN_OK;
}

edn_status heads_remove(heads *h, const edn_device_id *device)
{
    for (size_t i = 0; i < h->n; i++) {
        if (memcmp(h->p[i].device.b, device->b, sizeof device->b) == 0) {
            memmove(h->p + i, h->p + i + 1, (h->n - i - 1) * sizeof *h->p);
            h->n--;
            return EDN_OK;
        }
    }
    return EDN_E_MISSING;
}

void heads_dispose(heads *h)
{
    free(h->p);
    *h = (heads){NULL, 0};
}

/* ---- batches as rows --------------------------------------------------------------------------------------------- */

void batch_key(const edn_client *c, const edn_device_id *d, uint64_t dseq, uint8_t out[BATCH_KEY_SIZE])
{
    edn_store_key_name tag = edn_store_name(c->store, EDN_TABLE_BATCH, "space", EDN_F(client_id(c)->space));

    memcpy(out, tag.b, 8);
    memcpy(out + 8, d->b, sizeof d->b);
    for (int i = 0; i < 8; i++)
        out[24 + i] = (uint8_t)(dseq >> (56 - 8 * i));
}

edn_status batch_save(edn_client *c, const edn_device_id *d, uint64_t dseq, edn_bytes bytes, const edn_hash *hash)
{
    uint8_t key[BATCH_KEY_SIZE + 1];
    edn_status st;

    batch_key(c, d, dseq, key);
    key[BATCH_KEY_SIZE] = 'h';
    st = edn_store_put(c->store, EDN_TABLE_BATCH, edn_bytes_of(key, BATCH_KEY_SIZE), bytes);
    return st == EDN_OK ? edn_store_put(c->store, EDN_TABLE_BATCH, edn_bytes_of(key, sizeof key), EDN_F(*hash)) : st;
}

edn_status batch_drop(edn_client *c, const edn_device_id *d, uint64_t dseq)
{
    uint8_t key[BATCH_KEY_SIZE + 1];
    edn_status st;

    batch_key(c, d, dseq, key);
    key[BATCH_KEY_SIZE] = 'h';
    st = edn_store_del(c->store, EDN_TABLE_BATCH, edn_bytes_of(key, BATCH_KEY_SIZE));
    return st == EDN_OK ? edn_store_del(c->store, EDN_TABLE_BATCH, edn_bytes_of(key, sizeof key)) : st;
}

edn_status batch_load(edn_client *c, const edn_device_id *d, uint64_t dseq, edn_buf *out)
{
    uint8_t key[BATCH_KEY_SIZE];

    batch_key(c, d, dseq, key);
    return edn_store_get(c->store, EDN_TABLE_BATCH, edn_bytes_of(key, sizeof key), out);
}

edn_status batch_hash_load(edn_client *c, const edn_device_id *d, uint64_t dseq, edn_hash *out)
{
    uint8_t key[BATCH_KEY_SIZE + 1];
    edn_buf row = EDN_BUF_INIT(64);
    edn_status st;

    batch_key(c, d, dseq, key);
    key[BATCH_KEY_SIZE] = 'h';
    st = edn_store_get(c->store, EDN_TABLE_BATCH, edn_bytes_of(key, sizeof key), &row);
    if (st == EDN_OK && row.n != sizeof out->b)
        st = EDN_E_DAMAGED;
    if (st == EDN_OK)
        memcpy(out->b, row.p, sizeof out->b);
    edn_buf_dispose(&row);
    return st;
}

/* ---- gathering records into batches ------------------------------------------------------------------------------ */

edn_status writer_init(writer *w, edn_client *c)
{
    const edn_head *self;
    edn_status st;

    memset(w, 0, sizeof *w);
    w->c = c;
    w->making = EDN_BATCH_OPS;
    w->boxes = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    w->epoch = edn_devlog_epoch(c->log);
    w->self.device = client_id(c)->device;
    if ((st = heads_load(c, &w->h)) != EDN_OK)
        return st;
    self = edn_heads_find(w->h.p, w->h.n, &w->self.device);
    if (self)
        w->self = *self;
    if (EDN_PLANT(numbers_by_server)) {
        edn_sync_remote r;
        st = remote_load(c, &r);
        self = st == EDN_OK ? edn_heads_find(r.heads, r.heads_n, &w->self.device) : NULL;
        w->self = self ? *self : (edn_head){.device = w->self.device};
        edn_sync_remote_dispose(&r);
    }
    return EDN_OK;
}

void writer_dispose(writer *w)
{
    heads_dispose(&w->h);
    edn_buf_dispose(&w->boxes);
    free(w->records);
    free(w->offsets);
}

/* What this batch's author has seen: others' heads. Its own chain is named by the hash of the batch before. */
static size_t heads_of_others(const writer *w, edn_head *out)
{
    size_t n = 0;

    for (size_t i = 0; i < w->h.n; i++)
        if (memcmp(w->h.p[i].device.b, w->self.device.b, sizeof w->self.device.b) != 0 && !EDN_PLANT(forgets_heads))
            out[n++] = w->h.p[i];
    return n;
}

static edn_status writer_seal(writer *w, edn_bytes body, edn_buf *batch)
{
    EDN_SECRET(edn_space_key) key = EDN_KEY_EMPTY;
    edn_batch_header h = {.kind = w->kind,
                          .suite = EDN_SUITE_1,
                          .space = client_id(w->c)->space,
                          .device = w->self.device,
                          .dseq = w->self.dseq + 1,
                          .prev = w->self.hash,
                          .epoch = w->epoch,
                          .log_seq = edn_devlog_count(w->c->log) - 1,
                          .log_head = edn_devlog_head(w->c->log)};
    edn_status st = keys_space(w->c, w->epoch, &key);

    if (st == EDN_OK)
        st = edn_batch_seal(batch, &h, EDN_PADDING_P1, &key, &client_id(w->c)->sign_sk, body, &w->c->random);
    return st;
}

edn_status writer_flush(writer *w)
{
    edn_buf body = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX), bytes = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_head *others = calloc(w->h.n + 1, sizeof *others);
    edn_batch b;
    edn_hash c_hash;
    edn_status st = others ? EDN_OK : EDN_E_NOMEM;

    if (w->n == 0 || st != EDN_OK)
        goto out;
    for (size_t i = 0; i < w->n; i++)
        w->records[i].box.p = w->boxes.p + w->offsets[i];
    if ((st = edn_body_encode(&body, others, heads_of_others(w, others), w->records, w->n)) != EDN_OK ||
        (st = writer_seal(w, edn_buf_view(&body), &bytes)) != EDN_OK ||
        (st = edn_batch_decode(edn_buf_view(&bytes), &b)) != EDN_OK)
        goto out;
    c_hash = edn_batch_c_hash(&b);
    w->self.hash = edn_batch_hash(&b, &c_hash);
    w->self.dseq++;
    if (!(EDN_PLANT(loses_own_batch) && w->self.dseq % 5 == 3))
        st = batch_save(w->c, &w->self.device, w->self.dseq, edn_buf_view(&bytes), &w->self.hash);
    if (st == EDN_OK)
        st = heads_set(&w->h, &w->self);
    edn_buf_reset(&w->boxes);
    w->n = 0;
    w->built++;
out:
    free(others);
    edn_buf_wipe(&body);
    edn_buf_dispose(&bytes);
    return st;
}

/* Makes sure that a record of about this size still goes into the batch that is being gathered. */
static edn_status writer_room(writer *w, edn_batch_kind kind, size_t size)
{
    edn_status st = EDN_OK;

    if (w->n && (w->kind != kind || w->boxes.n + size + 64 * (w->n + 1) > BODY_SIZE_MAX || w->n >= EDN_RECORDS_MAX))
        st = writer_flush(w);
    w->kind = kind;
    if (st == EDN_OK && w->n == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 64;
        edn_record *r = realloc(w->records, cap * sizeof *r);
        size_t *o;
        if (!r)
            return EDN_E_NOMEM;
        w->records = r;
        o = realloc(w->offsets, cap * sizeof *o);
        if (!o)
            return EDN_E_NOMEM;
        w->offsets = o;
        w->cap = cap;
    }
    return st;
}

static void writer_record(writer *w, const edn_record *r, size_t offset)
{
    w->records[w->n] = *r;
    w->records[w->n].box = edn_bytes_of(NULL, w->boxes.n - offset); /* the address is set when the batch is closed */
    w->offsets[w->n++] = offset;
}

/* ---- what goes out ----------------------------------------------------------------------------------------------- */

/* The key of records that belong to the account and to no journal: journal zero, its epoch the root key's. */
static edn_status meta_entry_key(edn_client *c, uint32_t root_epoch, edn_record *r, edn_entry_key *out)
{
    EDN_SECRET(edn_journal_key) jk = EDN_KEY_EMPTY;
    edn_status st = keys_meta(c, root_epoch, &jk);

    memset(&r->journal, 0, sizeof r->journal);
    r->journal_epoch = root_epoch;
    if (st == EDN_OK)
        edn_entry_key_of(out, &jk, &r->journal, &r->entry, r->key_version);
    return st;
}

/* The key that seals an object's records, and the epoch it is of. `made` tells that a journal has its first key only
 * now. */
edn_status writer_entry_key(edn_client *c, const object *o, uint32_t root_epoch, edn_record *r, edn_entry_key *out,
                            bool *made)
{
    EDN_SECRET(edn_journal_key) jk = EDN_KEY_EMPTY;
    edn_status st;

    *made = false;
    if (record_is_meta((uint8_t)o->type))
        return meta_entry_key(c, root_epoch, r, out);
    if (o->type == EDN_RECORD_JOURNAL)
        memcpy(r->journal.b, o->id.b, sizeof r->journal.b);
    else
        r->journal = doc_journal(c, o->doc);
    if ((st = keys_journal_current(c, &r->journal, &r->journal_epoch, &jk, made)) != EDN_OK)
        return st;
    edn_entry_key_of(out, &jk, &r->journal, &o->id, r->key_version);
    return EDN_OK;
}

edn_status writer_journal_key(writer *w, const edn_journal_id *j, uint32_t journal_epoch, size_t i)
{
    edn_client *c = w->c;
    EDN_SECRET(edn_root_key) rk = EDN_KEY_EMPTY;
    EDN_SECRET(edn_journal_key) jk = EDN_KEY_EMPTY;
    edn_record r = {
        .journal = *j, .journal_epoch = journal_epoch, .key_version = KEY_VERSION, .type = EDN_RECORD_JOURNAL_KEY};
    size_t offset;
    edn_status st;

    if ((st = keys_root(c, w->epoch, &rk)) != EDN_OK || (st = keys_journal(c, j, journal_epoch, i, &jk)) != EDN_OK ||
        (st = writer_room(w, w->making, sizeof jk.b + EDN_SEAL_OVERHEAD)) != EDN_OK)
        return st;
    offset = w->boxes.n;
    st = edn_journal_key_seal(&w->boxes, &rk, &client_id(c)->account, &client_id(c)->space, j, w->epoch, journal_epoch,
                              &jk, &c->random);
    if (st == EDN_OK)
        writer_record(w, &r, offset);
    return st;
}

/* Seals one record into the batch that is being gathered. */
edn_status writer_seal_record(writer *w, const edn_record *r, const edn_entry_key *key, edn_bytes ops)
{
    edn_record_place at = {.space = client_id(w->c)->space,
                           .journal = r->journal,
                           .entry = r->entry,
                           .journal_epoch = r->journal_epoch,
                           .key_version = r->key_version,
                           .type = r->type,
                           .device = w->self.device};
    size_t offset;
    edn_status st = writer_room(w, w->making, ops.n + EDN_SEAL_OVERHEAD);

    if (st != EDN_OK)
        return st;
    at.dseq = w->self.dseq + 1;
    at.index = (uint32_t)w->n;
    offset = w->boxes.n;
    if ((st = edn_record_seal(&w->boxes, key, &at, ops, &w->c->random)) == EDN_OK)
        writer_record(w, r, offset);
    return st;
}

static edn_status send_message(writer *w, const object *o, uint64_t seq_from, edn_bytes message)
{
    edn_client *c = w->c;
    EDN_SECRET(edn_entry_key) key = EDN_KEY_EMPTY;
    edn_record r = {.entry = o->id, .key_version = KEY_VERSION, .type = (uint8_t)o->type};
    edn_buf ops = EDN_BUF_INIT(EDN_RECORD_SIZE_MAX);
    bool made;
    edn_status st;

    edn_put_u8(&ops, RECORD_FORMAT);
    edn_put_varint(&ops, seq_from);
    edn_put_varint(&ops, o->changed_ms);
    if ((st = codec_pack(c, message, CODEC_LEVEL_RECORD, &ops)) == EDN_OK &&
        (st = writer_entry_key(c, o, w->epoch, &r, &key, &made)) == EDN_OK &&
        (!made || EDN_PLANT(forgets_journal_key) ||
         (st = writer_journal_key(w, &r.journal, r.journal_epoch, 0)) == EDN_OK)) /* before what it seals */
        st = writer_seal_record(w, &r, &key, edn_buf_view(&ops));
    edn_buf_wipe(&ops);
    return st;
}

static edn_status send_object(writer *w, const edn_entry_id *id)
{
    edn_client *c = w->c;
    edn_buf message = EDN_BUF_INIT(EDN_STORE_VALUE_SIZE_MAX);
    object *o;
    uint64_t next, from, at = 0;
    edn_status st = dirty_get(c, id, &at);

    if (st == EDN_OK)
        st = object_get(c, id, &o);
    next = st == EDN_OK ? edn_doc_agent_next(o->doc, client_agent(c)) : 0;
    while (st == EDN_OK && at < next) {
        from = at;
        edn_buf_reset(&message);
        st = edn_doc_encode_events(o->doc, client_agent(c), from, MESSAGE_SIZE_MAX, &message, &at);
        if (st == EDN_OK)
            st = send_message(w, o, from, edn_buf_view(&message));
    }
    edn_buf_wipe(&message);
    return st;
}

/* ---- a dictionary, when it is time for one ----------------------------------------------------------------------- */

#define SAMPLES_MAX 1024u
#define SAMPLE_SIZE_MAX 8192u

typedef struct sampling {
    edn_client *c;
    edn_buf samples;
    size_t sizes[SAMPLES_MAX];
    unsigned n;
    uint64_t seen, every;
} sampling;

/* Every so many entries, the message that would carry it: so the dictionary learns our own framing along with the
 * words. */
static edn_status sample(void *ctx, const catalog_item *it)
{
    sampling *s = ctx;
    edn_buf message = EDN_BUF_INIT(EDN_STORE_VALUE_SIZE_MAX);
    uint64_t next;
    object *o;
    edn_status st;

    if (it->deleted || s->seen++ % s->every != 0 || s->n == SAMPLES_MAX || it->text_size > 16 * SAMPLE_SIZE_MAX)
        return EDN_OK;
    if ((st = object_get(s->c, &it->id, &o)) == EDN_OK)
        st = edn_doc_encode_events(o->doc, client_agent(s->c), 0, SAMPLE_SIZE_MAX, &message, &next);
    if (st == EDN_OK && message.n) {
        s->sizes[s->n++] = message.n;
        edn_put_bytes(&s->samples, message.p, message.n);
        st = edn_buf_status(&s->samples);
    }
    edn_buf_wipe(&message);
    return st == EDN_E_DAMAGED ? EDN_OK : st;
}

edn_status writer_dictionary(writer *w, edn_bytes dictionary)
{
    edn_client *c = w->c;
    EDN_SECRET(edn_entry_key) key = EDN_KEY_EMPTY;
    edn_hash h = edn_h32(dictionary);
    edn_record r = {.key_version = KEY_VERSION, .type = EDN_RECORD_DICTIONARY};
    edn_buf ops = EDN_BUF_INIT(EDN_RECORD_SIZE_MAX);
    edn_status st;

    memcpy(r.entry.b, h.b, sizeof r.entry.b);
    edn_put_u8(&ops, RECORD_FORMAT);
    if ((st = codec_pack_plain(c, dictionary, &ops)) == EDN_OK &&
        (st = meta_entry_key(c, w->epoch, &r, &key)) == EDN_OK)
        st = writer_seal_record(w, &r, &key, edn_buf_view(&ops));
    edn_buf_wipe(&ops);
    return st;
}

static edn_status make_dictionary(writer *w)
{
    edn_client *c = w->c;
    sampling *s = NULL;
    edn_buf dictionary = EDN_BUF_INIT(DICTIONARY_SIZE_MAX);
    uint64_t live = 0, deleted = 0;
    bool due = false;
    edn_status st = catalog_counts(c, &live, &deleted);

    if (st == EDN_OK)
        st = dictionary_due(c, live, &due);
    if (st != EDN_OK || !due)
        return st;
    s = calloc(1, sizeof *s);
    if (!s)
        return EDN_E_NOMEM;
    s->c = c;
    s->samples = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    s->every = EDN_MAX(live / SAMPLES_MAX, (uint64_t)1);
    st = catalog_list(c, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, sample, s);
    if (st == EDN_OK)
        st = dictionary_train(&s->samples, s->sizes, s->n, &dictionary);
    if (st == EDN_OK && (st = writer_dictionary(w, edn_buf_view(&dictionary))) == EDN_OK)
        st = dictionary_save(c, edn_buf_view(&dictionary), live);
    edn_buf_wipe(&s->samples);
    free(s);
    edn_buf_wipe(&dictionary);
    return st == EDN_E_MISSING ? EDN_OK : st; /* too little to learn from: it goes without */
}

/* ---- what is dirty ----------------------------------------------------------------------------------------------- */

edn_status dirty_get(edn_client *c, const edn_entry_id *id, uint64_t *seq_from)
{
    edn_buf row = EDN_BUF_INIT(64);
    edn_status st = edn_store_get(c->store, EDN_TABLE_DIRTY, id_bytes(id), &row);
    edn_reader r = edn_reader_init(edn_buf_view(&row));

    *seq_from = st == EDN_OK ? edn_read_varint(&r, "first event") : 0;
    if (st == EDN_OK && edn_reader_end(&r) != EDN_OK)
        st = EDN_E_DAMAGED;
    edn_buf_dispose(&row);
    return st;
}

edn_status dirty_put(edn_client *c, const edn_entry_id *id, uint64_t seq_from)
{
    edn_buf row = EDN_BUF_INIT(64);
    edn_status st;

    edn_put_varint(&row, seq_from);
    st = edn_buf_status(&row);
    if (st == EDN_OK)
        st = edn_store_put(c->store, EDN_TABLE_DIRTY, id_bytes(id), edn_buf_view(&row));
    edn_buf_dispose(&row);
    return st;
}

typedef struct dirty_list {
    edn_buf keys; /* 16 bytes each */
    uint64_t n;   /* of what is said raw, too */
} dirty_list;

static edn_status gather_dirty(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    dirty_list *l = ctx;

    (void)value;
    l->n++;
    if (st != EDN_OK || key.n != sizeof(edn_entry_id))
        return st;
    edn_put_bytes(&l->keys, key.p, key.n);
    return edn_buf_status(&l->keys);
}

static edn_status list_dirty(edn_client *c, dirty_list *out)
{
    *out = (dirty_list){EDN_BUF_INIT((size_t)256 << 20), 0};
    return edn_store_scan(c->store, EDN_TABLE_DIRTY, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, true, gather_dirty, out);
}

edn_status outbox_count(edn_client *c, uint64_t *out)
{
    dirty_list l;
    edn_status st = list_dirty(c, &l);

    *out = l.n;
    edn_buf_dispose(&l.keys);
    return st;
}

static edn_status send_said(void *ctx, const edn_entry_id *id, uint8_t type, edn_bytes ops)
{
    writer *w = ctx;
    EDN_SECRET(edn_entry_key) key = EDN_KEY_EMPTY;
    edn_record r = {.entry = *id, .key_version = KEY_VERSION, .type = type};
    edn_status st = meta_entry_key(w->c, w->epoch, &r, &key);

    return st == EDN_OK ? writer_seal_record(w, &r, &key, ops) : st;
}

static edn_status send_all(writer *w)
{
    dirty_list l;
    edn_status st = list_dirty(w->c, &l);
    edn_reader r = edn_reader_init(edn_buf_view(&l.keys));

    while (st == EDN_OK && edn_reader_left(&r) > 0) {
        edn_entry_id id;
        edn_read_into(&r, id.b, sizeof id.b, "id");
        st = send_object(w, &id);
        /* One that cannot be read stays dirty and is named by `verify`; the others go out. */
        if (st == EDN_E_DAMAGED || st == EDN_E_MISSING)
            st = EDN_OK;
        else if (st == EDN_OK)
            st = edn_store_del(w->c->store, EDN_TABLE_DIRTY, id_bytes(&id));
    }
    edn_buf_dispose(&l.keys);
    return st;
}

edn_status outbox_build(edn_client *c, uint64_t *batches)
{
    writer w;
    edn_status st = objects_flush(c);

    *batches = 0;
    if (st != EDN_OK)
        return st;
    st = writer_init(&w, c);
    if (st == EDN_OK)
        st = make_dictionary(&w);
    if (st == EDN_OK)
        st = said_take(c, send_said, &w);
    if (st == EDN_OK)
        st = send_all(&w);
    if (st == EDN_OK)
        st = writer_flush(&w);
    if (st == EDN_OK && w.built)
        st = heads_save(c, &w.h);
    *batches = w.built;
    writer_dispose(&w);
    return st;
}

/* ---- the synced index -------------------------------------------------------------------------------------------- */

static edn_status send_keys_of(void *ctx, const edn_journal_id *j, edn_bytes name)
{
    uint32_t newest;
    edn_status st = keys_journal_newest(((writer *)ctx)->c, j, &newest);

    (void)name;
    if (st == EDN_E_MISSING)
        return EDN_OK; /* nothing was ever sent of it */
    for (uint32_t epoch = 0; st == EDN_OK && epoch <= newest; epoch++) {
        for (size_t i = 0; st == EDN_OK; i++)
            st = writer_journal_key(ctx, j, epoch, i);
        st = st == EDN_E_MISSING ? EDN_OK : st;
    }
    return st;
}

static edn_status send_manifest(writer *w, edn_bytes text)
{
    EDN_SECRET(edn_journal_key) jk = EDN_KEY_EMPTY;
    EDN_SECRET(edn_entry_key) key = EDN_KEY_EMPTY;
    edn_record r = {.journal_epoch = w->epoch, .key_version = KEY_VERSION, .type = EDN_RECORD_INDEX};
    edn_status st = keys_index_record(w->c, w->epoch, &jk);

    if (st != EDN_OK)
        return st;
    edn_entry_key_of(&key, &jk, &r.journal, &r.entry, r.key_version);
    return writer_seal_record(w, &r, &key, text);
}

edn_status outbox_index(edn_client *c, edn_bytes manifest_bytes, edn_head *head)
{
    writer w;
    edn_status st = objects_flush(c);

    if (st != EDN_OK)
        return st;
    st = writer_init(&w, c);
    w.making = EDN_BATCH_INDEX;
    if (st == EDN_OK)
        st = journals_each(c, send_keys_of, &w);
    if (st == EDN_OK)
        st = send_manifest(&w, manifest_bytes);
    if (st == EDN_OK)
        st = writer_flush(&w);
    if (st == EDN_OK)
        st = w.built == 1 ? heads_save(c, &w.h) : EDN_E_LIMIT;
    *head = w.self;
    writer_dispose(&w);
    return st;
}
