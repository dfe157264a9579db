/* What a revoked device had sent behind its cut: kept, settled, told of once.
 *
 *     EDN_TABLE_ASIDE   'q' ‖ device 16 ‖ u64be dseq   the batch, as it came
 *                       'k' ‖ device 16                u64 dseq ‖ hash 32 ‖ u64 size ‖ u64 kept ‖ u64 left ‖
 *                                                      u64 told ‖ u64 told kept ‖ u64 told left: late_cursor
 *
 * 1. The cursor moves with everything that came, kept or not, in the transaction in which it came: so it is asked for
 *    once.
 * 2. A batch is here until a decision is here that names it or one behind it.
 * 3. Nothing here is read but by quarantine_shown.c, which applies it in a transaction that it takes back. */
#include "client/syncing/quarantine_priv.h"

#include <stdio.h>
#include <stdlib.h>

#define OF_DEVICE_SIZE_MAX ((uint64_t)16 << 20)
#define OF_ALL_SIZE_MAX ((uint64_t)64 << 20)
#define ROW_KEY_SIZE 25u
#define CURSOR_KEY_SIZE 17u
#define SETTLED "\x01settled "
#define SETTLED_SIZE (sizeof SETTLED - 1 + 16)

/* ---- cursors ----------------------------------------------------------------------------------------------------- */

static void key_of(char kind, const edn_device_id *d, uint64_t dseq, uint8_t out[ROW_KEY_SIZE])
{
    out[0] = (uint8_t)kind;
    memcpy(out + 1, d->b, sizeof d->b);
    for (int i = 0; i < 8; i++)
        out[17 + i] = (uint8_t)(dseq >> (56 - 8 * i));
}

static edn_status cursor_decode(edn_bytes row, late_cursor *out)
{
    edn_reader r = edn_reader_init(row);

    out->head.dseq = edn_read_u64(&r, "dseq");
    edn_read_into(&r, out->head.hash.b, sizeof out->head.hash.b, "hash");
    out->size = edn_read_u64(&r, "size");
    out->kept = edn_read_u64(&r, "kept");
    out->left = edn_read_u64(&r, "left");
    out->told = edn_read_u64(&r, "told");
    out->told_kept = edn_read_u64(&r, "told kept");
    out->told_left = edn_read_u64(&r, "told left");
    return edn_reader_end(&r) == EDN_OK ? EDN_OK : EDN_E_DAMAGED;
}

edn_status late_cursor_load(edn_client *c, const edn_device_id *d, late_cursor *out)
{
    uint8_t key[ROW_KEY_SIZE];
    edn_buf row = EDN_BUF_INIT(256);
    edn_status st;

    *out = (late_cursor){.head = {.device = *d}};
    key_of('k', d, 0, key);
    st = edn_store_get(c->store, EDN_TABLE_ASIDE, edn_bytes_of(key, CURSOR_KEY_SIZE), &row);
    if (st == EDN_OK)
        st = cursor_decode(edn_buf_view(&row), out);
    edn_buf_dispose(&row);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

static edn_status cursor_save(edn_client *c, const late_cursor *k)
{
    uint8_t key[ROW_KEY_SIZE];
    edn_buf row = EDN_BUF_INIT(256);
    edn_status st;

    key_of('k', &k->head.device, 0, key);
    edn_put_u64(&row, k->head.dseq);
    edn_put_bytes(&row, k->head.hash.b, sizeof k->head.hash.b);
    edn_put_u64(&row, k->size);
    edn_put_u64(&row, k->kept);
    edn_put_u64(&row, k->left);
    edn_put_u64(&row, k->told);
    edn_put_u64(&row, k->told_kept);
    edn_put_u64(&row, k->told_left);
    if ((st = edn_buf_status(&row)) == EDN_OK)
        st = edn_store_put(c->store, EDN_TABLE_ASIDE, edn_bytes_of(key, CURSOR_KEY_SIZE), edn_buf_view(&row));
    edn_buf_dispose(&row);
    return st;
}

typedef struct cursor_list {
    edn_buf list; /* late_cursor each */
} cursor_list;

/* A row that does not open is none: then what it spoke of comes again. */
static edn_status gather_cursor(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    cursor_list *l = ctx;
    late_cursor k;

    if (key.n != CURSOR_KEY_SIZE || st != EDN_OK || cursor_decode(value, &k) != EDN_OK)
        return EDN_OK;
    memcpy(k.head.device.b, key.p + 1, sizeof k.head.device.b);
    edn_put_bytes(&l->list, &k, sizeof k);
    return edn_buf_status(&l->list);
}

static edn_status cursors_load(edn_client *c, cursor_list *out, const late_cursor **p, size_t *n)
{
    edn_status st;

    out->list = EDN_BUF_INIT((size_t)1 << 20);
    st = edn_store_scan(c->store, EDN_TABLE_ASIDE, edn_bytes_str("k"), EDN_BYTES_EMPTY, false, gather_cursor, out);
    *p = (const late_cursor *)(const void *)out->list.p; /* from realloc, so aligned for anything */
    *n = st == EDN_OK ? out->list.n / sizeof **p : 0;
    return st;
}

edn_status quarantine_heads(edn_client *c, heads *out)
{
    cursor_list l;
    const late_cursor *k;
    size_t n;
    edn_status st = cursors_load(c, &l, &k, &n);

    *out = (heads){NULL, 0};
    for (size_t i = 0; st == EDN_OK && i < n; i++)
        st = heads_set(out, &k[i].head);
    if (st != EDN_OK)
        heads_dispose(out);
    edn_buf_dispose(&l.list);
    return st;
}

/* ---- what comes -------------------------------------------------------------------------------------------------- */

static edn_status size_of_all(edn_client *c, uint64_t *out)
{
    cursor_list l;
    const late_cursor *k;
    size_t n;
    edn_status st = cursors_load(c, &l, &k, &n);

    *out = 0;
    for (size_t i = 0; i < n; i++)
        *out += k[i].size;
    edn_buf_dispose(&l.list);
    return st;
}

/* Whether there is something to offer in it, or a key for what follows. */
static bool is_of_use(const edn_body *body, bool *entries)
{
    bool keys = false;

    *entries = false;
    for (size_t i = 0; i < body->records_n; i++) {
        *entries |= body->records[i].type == EDN_RECORD_ENTRY;
        keys |= body->records[i].type == EDN_RECORD_JOURNAL_KEY || body->records[i].type == EDN_RECORD_DICTIONARY;
    }
    return *entries || keys;
}

/* Of what is not of the person's own diary nobody here may decide, and a snapshot speaks for other devices. What was
 * ever set aside counts for the bounds, so that dropping it makes no room for more. */
static edn_status set_aside(edn_client *c, const edn_sync_late *late, late_cursor *k)
{
    const edn_batch *b = &late->batch.batch;
    uint8_t key[ROW_KEY_SIZE];
    uint64_t all;
    bool entries;
    edn_status st;

    if (late->status != EDN_OK || !is_of_use(&late->batch.body, &entries))
        return EDN_OK; /* if it did not open, the sync has told of it */
    if ((st = size_of_all(c, &all)) != EDN_OK)
        return st;
    if (client_is_shared(c) || b->header.kind != EDN_BATCH_OPS ||
        b->bytes.n > OF_DEVICE_SIZE_MAX - EDN_MIN(k->size, OF_DEVICE_SIZE_MAX) ||
        b->bytes.n > OF_ALL_SIZE_MAX - EDN_MIN(all, OF_ALL_SIZE_MAX)) {
        k->left += entries;
        return EDN_OK;
    }
    key_of('q', &b->header.device, b->header.dseq, key);
    k->kept += entries;
    k->size += b->bytes.n;
    return edn_store_put(c->store, EDN_TABLE_ASIDE, edn_bytes_of(key, sizeof key), b->bytes);
}

edn_status quarantine_take(edn_client *c, const edn_sync_late *late, size_t n)
{
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < n; i++) {
        const edn_batch_header *h = &late[i].batch.batch.header;
        late_cursor k;
        if ((st = late_cursor_load(c, &h->device, &k)) != EDN_OK)
            return st;
        if (h->dseq <= k.head.dseq)
            continue; /* another process was quicker */
        k.head = (edn_head){h->device, h->dseq, late[i].batch.hash};
        if ((st = set_aside(c, &late[i], &k)) == EDN_OK)
            st = cursor_save(c, &k);
    }
    return st;
}

/* ---- decisions --------------------------------------------------------------------------------------------------- */

static size_t settled_name(const edn_entry_id *id, uint64_t dseq, char out[SETTLED_SIZE + 34])
{
    int n = snprintf(out, SETTLED_SIZE + 34, SETTLED "%016llx", (unsigned long long)dseq);

    if (!id)
        return (size_t)n;
    out[n++] = ' ';
    edn_hex_encode(out + n, id->b, sizeof id->b);
    return (size_t)n + 32;
}

edn_status late_decide(edn_client *c, const edn_device_id *d, const edn_entry_id *id, uint64_t dseq, late_decision what)
{
    char name[SETTLED_SIZE + 34];
    edn_entry_id document;

    name[settled_name(id, dseq, name)] = 0;
    memcpy(document.b, d->b, sizeof document.b);
    return named_put(c, &document, EDN_RECORD_DEVICE, name, edn_bytes_str(what == LATE_KEPT ? "kept" : "dropped"));
}

/* A name as settled_name makes them, for this entry or for all; another's is none. */
static bool settled_read(edn_bytes name, const edn_entry_id *id, uint64_t *dseq)
{
    char want[SETTLED_SIZE + 34];
    size_t n;

    if (name.n < SETTLED_SIZE)
        return false;
    *dseq = 0;
    for (size_t i = SETTLED_SIZE - 16; i < SETTLED_SIZE; i++) {
        uint8_t ch = name.p[i];
        *dseq = *dseq << 4 | (uint64_t)(ch >= '0' && ch <= '9' ? ch - '0' : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : 0);
    }
    n = settled_name(id, *dseq, want);
    return name.n == n && memcmp(name.p, want, n) == 0;
}

edn_status late_decided(edn_client *c, const edn_device_id *d, const edn_entry_id *id, uint64_t *out)
{
    edn_entry_id document;
    edn_bytes name, value;
    uint64_t dseq;
    object *o;
    edn_status st;

    *out = 0;
    memcpy(document.b, d->b, sizeof document.b);
    if ((st = object_get(c, &document, &o)) != EDN_OK)
        return st == EDN_E_MISSING ? EDN_OK : st;
    for (uint32_t i = 0; o->type == EDN_RECORD_DEVICE && edn_doc_field_next(o->doc, &i, &name, &value);)
        if (settled_read(name, id, &dseq))
            *out = EDN_MAX(*out, dseq);
    return EDN_OK;
}

/* ---- what is here ------------------------------------------------------------------------------------------------ */

static edn_status gather_key(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    (void)st;
    (void)value;
    if (key.n == ROW_KEY_SIZE)
        edn_put_bytes(ctx, key.p, key.n);
    return edn_buf_status(ctx);
}

/* The keys of rows, one behind the other; of one device, or of all (NULL). */
static edn_status rows_of(edn_client *c, const edn_device_id *d, edn_buf *out)
{
    uint8_t prefix[ROW_KEY_SIZE] = {'q'};

    if (d)
        key_of('q', d, 0, prefix);
    return edn_store_scan(c->store, EDN_TABLE_ASIDE, edn_bytes_of(prefix, d ? CURSOR_KEY_SIZE : 1), EDN_BYTES_EMPTY,
                          true, gather_key, out);
}

static uint64_t row_dseq(const uint8_t *key)
{
    uint64_t dseq = 0;

    for (int i = 0; i < 8; i++)
        dseq = dseq << 8 | key[17 + i];
    return dseq;
}

edn_status quarantine_count(edn_client *c, uint64_t *out)
{
    edn_buf keys = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st = rows_of(c, NULL, &keys);

    *out = keys.n / ROW_KEY_SIZE;
    edn_buf_dispose(&keys);
    return st;
}

edn_status late_devices(edn_client *c, edn_arena *a, edn_device_id **out, size_t *n)
{
    edn_buf keys = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st = rows_of(c, NULL, &keys);

    *n = 0;
    *out = NULL;
    if (st == EDN_OK && !(*out = edn_arena_calloc(a, keys.n / ROW_KEY_SIZE + 1, sizeof **out)))
        st = EDN_E_NOMEM;
    for (size_t at = 0; st == EDN_OK && at < keys.n; at += ROW_KEY_SIZE)
        if (*n == 0 || memcmp((*out)[*n - 1].b, keys.p + at + 1, sizeof **out) != 0)
            memcpy((*out)[(*n)++].b, keys.p + at + 1, sizeof **out);
    edn_buf_dispose(&keys);
    return st;
}

static edn_status open_row(edn_client *c, edn_bytes key, edn_arena *a, edn_sync_batch *out)
{
    EDN_SECRET(edn_space_key) space = EDN_KEY_EMPTY;
    edn_buf bytes = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX), plain = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_bytes kept;
    edn_status st = edn_store_get(c->store, EDN_TABLE_ASIDE, key, &bytes);

    if (st == EDN_OK && !edn_arena_copy(a, edn_buf_view(&bytes), &kept))
        st = EDN_E_NOMEM;
    if (st == EDN_OK && (st = edn_batch_decode(kept, &out->batch)) == EDN_OK &&
        (st = keys_space(c, out->batch.header.epoch, &space)) == EDN_OK &&
        (st = edn_batch_open(&plain, &out->batch, &space)) == EDN_OK)
        st = edn_arena_copy(a, edn_buf_view(&plain), &kept) ? edn_body_decode(a, kept, &out->body) : EDN_E_NOMEM;
    edn_buf_dispose(&bytes);
    edn_buf_wipe(&plain);
    return st;
}

edn_status late_open(edn_client *c, const edn_device_id *d, edn_arena *a, edn_sync_batch **out, size_t *n)
{
    edn_buf keys = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st = rows_of(c, d, &keys);

    *n = 0;
    *out = NULL;
    if (st == EDN_OK && !(*out = edn_arena_calloc(a, keys.n / ROW_KEY_SIZE + 1, sizeof **out)))
        st = EDN_E_NOMEM;
    for (size_t at = 0; st == EDN_OK && at < keys.n; at += ROW_KEY_SIZE) {
        st = open_row(c, edn_bytes_of(keys.p + at, ROW_KEY_SIZE), a, &(*out)[*n]);
        if (st == EDN_OK)
            ++*n;
        else if (record_is_at_fault(st))
            st = EDN_OK;
    }
    edn_buf_dispose(&keys);
    return st;
}

static edn_status settle_device(edn_client *c, const edn_device_id *d)
{
    edn_buf keys = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    uint64_t until;
    edn_status st = late_decided(c, d, NULL, &until);

    if (st == EDN_OK && until)
        st = rows_of(c, d, &keys);
    for (size_t at = 0; st == EDN_OK && at < keys.n; at += ROW_KEY_SIZE)
        if (row_dseq(keys.p + at) <= until)
            st = edn_store_del(c->store, EDN_TABLE_ASIDE, edn_bytes_of(keys.p + at, ROW_KEY_SIZE));
    edn_buf_dispose(&keys);
    return st;
}

edn_status quarantine_settle(edn_client *c)
{
    edn_arena a = edn_arena_init(EDN_BUF_UNLIMITED);
    edn_device_id *d;
    size_t n;
    edn_status st = late_devices(c, &a, &d, &n);

    for (size_t i = 0; st == EDN_OK && i < n; i++)
        st = settle_device(c, &d[i]);
    edn_arena_dispose(&a);
    return st;
}

/* ---- telling ----------------------------------------------------------------------------------------------------- */

/* Nothing, when it was decided on another device before this one could tell. */
static edn_status news_of(edn_client *c, const late_cursor *k, uint64_t *fresh)
{
    edn_buf keys = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st = rows_of(c, &k->head.device, &keys);
    bool any = st == EDN_OK && keys.n && row_dseq(keys.p + keys.n - ROW_KEY_SIZE) > k->told;

    *fresh = any ? k->kept - k->told_kept : 0;
    edn_buf_dispose(&keys);
    return st;
}

static edn_status put_finding(edn_client *c, const late_cursor *k, uint64_t fresh, uint64_t left, edn_finding *out)
{
    edn_buf name = EDN_BUF_INIT(4096);
    char hex[33];
    size_t n = 0;
    edn_status st = device_name(c, &k->head.device, &name);
    edn_bytes shown = text_cut(edn_buf_view(&name), 60);

    edn_hex_encode(hex, k->head.device.b, sizeof k->head.device.b);
    *out = (edn_finding){.status = EDN_E_SIGNER_REVOKED, .time_ms = client_now(c)};
    n += (size_t)snprintf(
        out->text, sizeof out->text,
        "device %.8s \"%.*s\", which was revoked, had sent what nobody had seen by then (batches: %llu). ", hex,
        (int)shown.n, shown.n ? (const char *)shown.p : "", (unsigned long long)(fresh ? fresh : left));
    if (fresh)
        snprintf(out->text + n, sizeof out->text - n,
                 "It counts for nothing and is in quarantine, because whoever has the device may have written it: 'edn "
                 "quarantine list' shows it%s",
                 left ? ". More than is kept there was left" : "");
    else
        snprintf(out->text + n, sizeof out->text - n, "It was refused");
    edn_buf_dispose(&name);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

edn_status quarantine_has_news(edn_client *c, bool *out)
{
    cursor_list l;
    const late_cursor *k;
    size_t n;
    edn_status st = cursors_load(c, &l, &k, &n);

    *out = false;
    for (size_t i = 0; i < n; i++)
        *out |= k[i].told != k[i].head.dseq;
    edn_buf_dispose(&l.list);
    return st;
}

edn_status quarantine_tell(edn_client *c, bool *any, edn_finding *out)
{
    cursor_list l;
    const late_cursor *k;
    size_t n;
    edn_status st = cursors_load(c, &l, &k, &n);

    *any = false;
    for (size_t i = 0; st == EDN_OK && !*any && i < n; i++) {
        late_cursor now = k[i];
        uint64_t fresh;
        if (now.told == now.head.dseq)
            continue;
        now.told = now.head.dseq;
        now.told_kept = now.kept;
        now.told_left = now.left;
        if ((st = news_of(c, &k[i], &fresh)) != EDN_OK || (st = cursor_save(c, &now)) != EDN_OK)
            break;
        if ((*any = fresh || k[i].left > k[i].told_left) &&
            (st = put_finding(c, &now, fresh, k[i].left - k[i].told_left, out)) == EDN_OK)
            st = finding_save(c, out);
    }
    edn_buf_dispose(&l.list);
    return st;
}
