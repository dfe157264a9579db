#include "client/finding/manifest.h"

#include "crypto/labels.h"

#include <stdlib.h>

#define MANIFEST_VERSION 1u
#define BODY_VERSION 1u
#define NAME_MAX 256u
#define ITEM_SIZE 61u

/* ---- manifests --------------------------------------------------------------------------------------------------- */

void manifest_put(edn_buf *out, const manifest *m)
{
    edn_put_u8(out, MANIFEST_VERSION);
    edn_put_u64(out, m->time_ms);
    edn_put_u32(out, (uint32_t)m->items_n);
    for (size_t i = 0; i < m->items_n; i++) {
        const shard_item *it = &m->items[i];
        edn_put_u8(out, (uint8_t)it->kind);
        edn_put_u32(out, it->epoch);
        edn_put_bytes(out, it->name.b, sizeof it->name.b);
        edn_put_u32(out, it->size);
        edn_put_u32(out, it->docs);
        edn_put_u32(out, it->from);
        edn_put_u32(out, it->to);
        edn_put_u64(out, it->digest);
    }
    edn_put_u32(out, (uint32_t)m->journals_n);
    for (size_t i = 0; i < m->journals_n; i++) {
        edn_put_bytes(out, m->journals[i].id.b, sizeof m->journals[i].id.b);
        edn_put_lp(out, m->journals[i].name);
    }
}

/* Ranges come first, one after the other; dictionaries last; and what a kind has not is zero. */
static bool item_follows(const shard_item *before, const shard_item *it)
{
    if (it->kind < SHARD_RANGE || it->kind > SHARD_DICTIONARY || (before && before->kind > it->kind) ||
        it->size > SHARD_SIZE_MAX || it->docs > EDN_SEGMENT_DOCS_MAX)
        return false;
    if (it->kind != SHARD_RANGE)
        return it->from == 0 && it->to == 0 && (it->kind == SHARD_RECENT || it->docs == 0);
    return it->from <= it->to && (!before || before->to < it->from);
}

static void read_items(edn_reader *r, edn_arena *a, manifest *m)
{
    uint32_t n = edn_read_u32(r, "items");

    if (n > MANIFEST_ITEMS_MAX)
        edn_reader_fail(r, EDN_E_FORMAT, "items");
    if (!edn_reader_has(r, n, ITEM_SIZE))
        return;
    if (!(m->items = edn_arena_calloc(a, n + 1, sizeof *m->items))) {
        edn_reader_fail(r, EDN_E_NOMEM, "items");
        return;
    }
    m->items_n = n;
    for (uint32_t i = 0; i < n; i++) {
        shard_item *it = &m->items[i];
        it->kind = (shard_kind)edn_read_u8(r, "kind");
        it->epoch = edn_read_u32(r, "epoch");
        edn_read_into(r, it->name.b, sizeof it->name.b, "name");
        it->size = edn_read_u32(r, "size");
        it->docs = edn_read_u32(r, "entries");
        it->from = edn_read_u32(r, "from");
        it->to = edn_read_u32(r, "to");
        it->digest = edn_read_u64(r, "digest");
        if (!item_follows(i ? it - 1 : NULL, it))
            edn_reader_fail(r, EDN_E_FORMAT, "item");
    }
}

static void read_journals(edn_reader *r, edn_arena *a, manifest *m)
{
    uint32_t n = edn_read_u32(r, "journals");

    if (n > MANIFEST_JOURNALS_MAX)
        edn_reader_fail(r, EDN_E_FORMAT, "journals");
    if (!edn_reader_has(r, n, sizeof(edn_journal_id) + 4))
        return;
    if (!(m->journals = edn_arena_calloc(a, n + 1, sizeof *m->journals))) {
        edn_reader_fail(r, EDN_E_NOMEM, "journals");
        return;
    }
    m->journals_n = n;
    for (uint32_t i = 0; i < n; i++) {
        edn_read_into(r, m->journals[i].id.b, sizeof m->journals[i].id.b, "journal");
        m->journals[i].name = edn_read_lp(r, NAME_MAX, "name");
        if (edn_utf8_check(m->journals[i].name, NULL) != m->journals[i].name.n)
            edn_reader_fail(r, EDN_E_FORMAT, "name");
    }
}

edn_status manifest_decode(edn_arena *a, edn_bytes in, manifest *out)
{
    edn_reader r = edn_reader_init(in);
    edn_status st;

    memset(out, 0, sizeof *out);
    if (edn_read_u8(&r, "version") != MANIFEST_VERSION)
        edn_reader_fail(&r, EDN_E_FORMAT, "version");
    out->time_ms = edn_read_u64(&r, "time");
    read_items(&r, a, out);
    if (edn_reader_status(&r) == EDN_OK)
        read_journals(&r, a, out);
    if ((st = edn_reader_end(&r)) != EDN_OK)
        memset(out, 0, sizeof *out);
    return st;
}

/* ---- bodies ------------------------------------------------------------------------------------------------------ */

edn_status shard_body_put(edn_buf *out, const shard_body *b)
{
    size_t n = 1 + 1 + 4 + b->image.n + 4 + b->places.n;

    if (n + 4 > SHARD_SIZE_MAX)
        return EDN_E_LIMIT;
    edn_put_u32(out, (uint32_t)n);
    edn_put_u8(out, BODY_VERSION);
    edn_put_u8(out, (uint8_t)b->kind);
    edn_put_lp(out, b->image);
    edn_put_lp(out, b->places);
    edn_put_zeros(out, edn_padded_size(EDN_PADDING_P1, (uint32_t)(n + 4)) - (n + 4));
    return edn_buf_status(out);
}

edn_status shard_body_decode(edn_bytes padded, shard_body *out)
{
    edn_reader r = edn_reader_init(padded);
    edn_bytes body = edn_read_lp(&r, SHARD_SIZE_MAX, "body"), zeros;
    uint8_t sum = 0;

    memset(out, 0, sizeof *out);
    zeros = edn_read_bytes(&r, edn_reader_left(&r), "padding");
    if (edn_reader_status(&r) != EDN_OK || edn_padded_size(EDN_PADDING_P1, (uint32_t)body.n + 4) != padded.n)
        return EDN_E_FORMAT;
    for (size_t i = 0; i < zeros.n; i++)
        sum |= zeros.p[i];
    r = edn_reader_init(body);
    if (sum || edn_read_u8(&r, "version") != BODY_VERSION)
        edn_reader_fail(&r, EDN_E_FORMAT, "version");
    out->kind = (shard_kind)edn_read_u8(&r, "kind");
    out->image = edn_read_lp(&r, SHARD_SIZE_MAX, "image");
    out->places = edn_read_lp(&r, SHARD_SIZE_MAX, "places");
    if (out->kind < SHARD_RANGE || out->kind > SHARD_DICTIONARY)
        edn_reader_fail(&r, EDN_E_FORMAT, "kind");
    return edn_reader_end(&r);
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

typedef struct device_list {
    edn_device_id at[SHARD_DEVICES_MAX];
    size_t n;
} device_list;

/* Its number, SIZE_MAX when there are too many. */
static size_t device_number(device_list *l, const edn_device_id *d)
{
    for (size_t i = 0; i < l->n; i++)
        if (memcmp(l->at[i].b, d->b, sizeof d->b) == 0)
            return i;
    if (l->n == SHARD_DEVICES_MAX)
        return SIZE_MAX;
    l->at[l->n] = *d;
    return l->n++;
}

static uint64_t zigzag(uint64_t to, uint64_t from)
{
    uint64_t d = to - from;
    return d << 1 ^ (d >> 63 ? UINT64_MAX : 0);
}

static uint64_t unzigzag(uint64_t z, uint64_t from) { return from + (z >> 1 ^ (z & 1 ? UINT64_MAX : 0)); }

edn_status shard_places_put(edn_buf *out, size_t docs, shard_places_fn *of, void *ctx, const edn_entry_id *gone,
                            size_t gone_n)
{
    device_list *devices = calloc(1, sizeof *devices);
    edn_buf rows = EDN_BUF_INIT(SHARD_SIZE_MAX);
    uint64_t before = 0;
    edn_status st = devices ? EDN_OK : EDN_E_NOMEM;

    for (size_t i = 0; st == EDN_OK && i < docs; i++) {
        size_t n = 0;
        const edn_place *p = of(ctx, i, &n);
        edn_put_varint(&rows, n);
        for (size_t k = 0; st == EDN_OK && k < n; k++) {
            size_t d = device_number(devices, &p[k].device);
            st = d == SIZE_MAX ? EDN_E_LIMIT : EDN_OK;
            edn_put_varint(&rows, d);
            edn_put_varint(&rows, zigzag(p[k].dseq, before));
            before = p[k].dseq;
        }
    }
    if (st == EDN_OK)
        st = edn_buf_status(&rows);
    if (st == EDN_OK) {
        edn_put_u32(out, (uint32_t)devices->n);
        for (size_t i = 0; i < devices->n; i++)
            edn_put_bytes(out, devices->at[i].b, sizeof devices->at[i].b);
        edn_put_bytes(out, rows.p, rows.n);
        edn_put_u32(out, (uint32_t)gone_n);
        for (size_t i = 0; i < gone_n; i++)
            edn_put_bytes(out, gone[i].b, sizeof gone[i].b);
        st = edn_buf_status(out);
    }
    edn_buf_wipe(&rows);
    free(devices);
    return st;
}

/* A place is two bytes at least, so no more memory is taken than the bytes could mean. */
static void read_places(edn_reader *r, const edn_device_id *devices, uint32_t devices_n, size_t places_max,
                        shard_places *out)
{
    uint64_t before = 0;
    uint32_t at = 0;

    for (size_t i = 0; i < out->docs && edn_reader_status(r) == EDN_OK; i++) {
        uint64_t n = edn_read_varint(r, "places");
        out->begin[i] = at;
        if (n > places_max - at) {
            edn_reader_fail(r, EDN_E_FORMAT, "places");
            return;
        }
        for (; n > 0 && edn_reader_status(r) == EDN_OK; n--) {
            uint64_t d = edn_read_varint(r, "device");
            before = unzigzag(edn_read_varint(r, "number"), before);
            if (d >= devices_n || before == 0) {
                edn_reader_fail(r, EDN_E_FORMAT, "place");
                return;
            }
            out->places[at++] = (edn_place){devices[d], before};
        }
    }
    out->begin[out->docs] = at;
}

static void read_gone(edn_reader *r, edn_arena *a, shard_places *out)
{
    uint32_t n = edn_read_u32(r, "gone");

    if (!edn_reader_has(r, n, sizeof(edn_entry_id)))
        return;
    if (!(out->gone = edn_arena_calloc(a, (size_t)n + 1, sizeof *out->gone))) {
        edn_reader_fail(r, EDN_E_NOMEM, "gone");
        return;
    }
    out->gone_n = n;
    for (uint32_t i = 0; i < n; i++) {
        edn_read_into(r, out->gone[i].b, sizeof out->gone[i].b, "gone");
        if (i && memcmp(out->gone[i - 1].b, out->gone[i].b, sizeof out->gone[i].b) >= 0)
            edn_reader_fail(r, EDN_E_FORMAT, "gone");
    }
}

edn_status shard_places_decode(edn_arena *a, edn_bytes in, size_t docs, shard_places *out)
{
    edn_reader r = edn_reader_init(in);
    uint32_t devices_n = edn_read_u32(&r, "devices");
    edn_device_id *devices;
    edn_status st;

    memset(out, 0, sizeof *out);
    if (devices_n > SHARD_DEVICES_MAX || !edn_reader_has(&r, devices_n, sizeof *devices) || docs > in.n)
        return EDN_E_FORMAT;
    devices = edn_arena_calloc(a, devices_n + 1, sizeof *devices);
    out->places = edn_arena_calloc(a, in.n / 2 + 1, sizeof *out->places);
    out->begin = edn_arena_calloc(a, docs + 1, sizeof *out->begin);
    out->docs = docs;
    if (!devices || !out->places || !out->begin) {
        st = EDN_E_NOMEM;
    } else {
        for (uint32_t i = 0; i < devices_n; i++)
            edn_read_into(&r, devices[i].b, sizeof devices[i].b, "device");
        read_places(&r, devices, devices_n, in.n / 2, out);
        if (edn_reader_status(&r) == EDN_OK)
            read_gone(&r, a, out);
        st = edn_reader_end(&r);
    }
    if (st != EDN_OK)
        memset(out, 0, sizeof *out);
    return st;
}

/* ---- seals ------------------------------------------------------------------------------------------------------- */

static edn_status keys_index(edn_client *c, uint32_t epoch, edn_index_key *out)
{
    EDN_SECRET(edn_root_key) rk = EDN_KEY_EMPTY;
    edn_status st = keys_root(c, epoch, &rk);

    if (st == EDN_OK)
        edn_index_key_of(out, &rk, &client_id(c)->account, epoch);
    return st;
}

edn_status keys_index_record(edn_client *c, uint32_t epoch, edn_journal_key *out)
{
    EDN_SECRET(edn_index_key) key = EDN_KEY_EMPTY;
    edn_status st = keys_index(c, epoch, &key);

    if (st == EDN_OK)
        memcpy(out->b, key.b, sizeof out->b);
    return st;
}

static edn_status shard_aad(edn_client *c, uint32_t epoch, edn_buf *out)
{
    const edn_bytes fields[] = {EDN_F(client_id(c)->account), EDN_F(client_id(c)->space), EDN_F_U32(epoch)};

    edn_t_put(out, EDN_LABEL_AAD_SHARD, fields, EDN_COUNT(fields));
    return edn_buf_status(out);
}

static void shard_name(edn_client *c, const edn_index_key *key, edn_bytes blob, edn_hash *out)
{
    edn_hash h = edn_h32(blob);

    edn_kdf_t(out->b, sizeof out->b, key->b, EDN_LABEL_INDEX_BLOB, EDN_F(client_id(c)->space), EDN_F(h));
}

edn_status blob_seal(edn_client *c, edn_bytes padded, edn_buf *out, uint32_t *epoch, edn_hash *name)
{
    EDN_SECRET(edn_index_key) key = EDN_KEY_EMPTY;
    edn_buf aad = EDN_BUF_INIT(512);
    uint8_t rnd[32];
    size_t begin = out->n;
    edn_status st;

    *epoch = edn_devlog_epoch(c->log);
    if ((st = keys_index(c, *epoch, &key)) == EDN_OK && (st = shard_aad(c, *epoch, &aad)) == EDN_OK) {
        client_random(c, rnd, sizeof rnd);
        st = edn_seal(out, key.b, EDN_SUITE_1, edn_buf_view(&aad), padded, rnd);
    }
    if (st == EDN_OK)
        shard_name(c, &key, edn_bytes_of(out->p + begin, out->n - begin), name);
    edn_buf_dispose(&aad);
    return st;
}

edn_status blob_open(edn_client *c, const shard_item *item, edn_bytes blob, edn_buf *out)
{
    EDN_SECRET(edn_index_key) key = EDN_KEY_EMPTY;
    edn_buf aad = EDN_BUF_INIT(512);
    edn_hash name;
    edn_status st = keys_index(c, item->epoch, &key);

    if (st != EDN_OK)
        return st;
    shard_name(c, &key, blob, &name);
    if (memcmp(name.b, item->name.b, sizeof name.b) != 0)
        return EDN_E_AUTH;
    if ((st = shard_aad(c, item->epoch, &aad)) == EDN_OK)
        st = edn_unseal(out, key.b, EDN_SUITE_1, edn_buf_view(&aad), blob);
    edn_buf_dispose(&aad);
    return st == EDN_E_COMMIT ? EDN_E_AUTH : st;
}
