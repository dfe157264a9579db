/* Batches that passed every check become documents.
 *
 * A record that cannot be applied never holds up the others. It is set aside by its name, the batch stays where it is,
 * and it is tried again whenever something new has come:
 *
 *     EDN_TABLE_ASIDE   'w' ‖ device 16 ‖ u64be dseq ‖ u32be index   u8 status: waits for a key or for events of others
 *                       'r' ‖ the same                               u8 status: did not open, or is not what it should
 *                       be
 *                       'e' ‖ hash 16                                u8 status ‖ a refused object, as evidence
 *
 * 'q' and 'k' are the quarantine's (quarantine.c). */
#include "client/syncing/bases.h"
#include "client/finding/manifest.h"
#include "client/syncing/quarantine.h"
#include "client/sharing/space.h"

#include "base/plant.h"

#include <stdio.h>
#include <stdlib.h>

#define RECORD_FORMAT 1u
#define RECORD_IMAGE 2u /* in a snapshot (snapshot.c): events of anybody */
#define EVIDENCE_MAX 64u
#define ASIDE_KEY_SIZE 29u

/* ---- opening one record ------------------------------------------------------------------------------------------ */

static edn_record_place place_of(const edn_batch_header *h, const edn_record *r, uint32_t index)
{
    return (edn_record_place){.space = h->space,
                              .journal = r->journal,
                              .entry = r->entry,
                              .journal_epoch = r->journal_epoch,
                              .key_version = r->key_version,
                              .type = r->type,
                              .device = h->device,
                              .dseq = h->dseq,
                              .index = index};
}

static edn_status open_with(const edn_journal_key *jk, const edn_record_place *at, edn_bytes box, edn_buf *out)
{
    EDN_SECRET(edn_entry_key) key = EDN_KEY_EMPTY;

    edn_entry_key_of(&key, jk, &at->journal, &at->entry, at->key_version);
    return edn_record_open(out, &key, at, box);
}

/* EDN_E_MISSING: the key is not here yet. */
static edn_status open_record(edn_client *c, const edn_record_place *at, edn_bytes box, edn_buf *out)
{
    EDN_SECRET(edn_journal_key) jk = EDN_KEY_EMPTY;
    edn_status st;

    if (at->type == EDN_RECORD_INDEX) {
        st = keys_index_record(c, at->journal_epoch, &jk);
        return st == EDN_OK ? open_with(&jk, at, box, out) : st;
    }
    if (record_is_meta(at->type)) {
        st = keys_meta(c, at->journal_epoch, &jk);
        return st == EDN_OK ? open_with(&jk, at, box, out) : st;
    }
    for (size_t i = 0;; i++) {
        st = keys_journal(c, &at->journal, at->journal_epoch, i, &jk);
        if (st == EDN_E_MISSING)
            return i == 0 ? EDN_E_MISSING : EDN_E_AUTH;
        if (st != EDN_OK || (st = open_with(&jk, at, box, out)) != EDN_E_AUTH)
            return st;
    }
}

/* A snapshot speaks for other devices too: only one of the person's own that may add and revoke them is believed in
 * that. In a shared journal everybody proves what they wrote. */
static bool may_speak_for_all(edn_client *c, const edn_batch_header *h)
{
    const edn_device *d = edn_devlog_device_find(c->log, &h->device);

    return d && (d->cert.caps & EDN_CAP_ADMIN) && !client_is_shared(c);
}

/* A device speaks for itself only: events under another's name are refused, though their batch is authentic. */
static edn_status check_author(const edn_batch_header *h, edn_bytes message, const record_head *head)
{
    edn_event_id first;
    uint64_t count;
    edn_status st = edn_doc_message_events(message, &first, &count);

    if (st == EDN_OK && (memcmp(first.agent.b, h->device.b, sizeof first.agent.b) != 0 || first.seq != head->seq_from))
        st = EDN_E_AUTH;
    return st;
}

edn_status record_message(edn_client *c, const edn_batch_header *h, const edn_record *r, uint32_t index, edn_buf *out,
                          record_head *head)
{
    edn_record_place at = place_of(h, r, index);
    edn_buf ops = EDN_BUF_INIT(EDN_RECORD_SIZE_MAX);
    bool image = h->kind == EDN_BATCH_SNAPSHOT;
    size_t begin = out->n;
    edn_status st = open_record(c, &at, r->box, &ops);
    edn_reader rd = edn_reader_init(edn_buf_view(&ops));

    if (st == EDN_OK) {
        uint8_t format = edn_read_u8(&rd, "format");
        head->seq_from = image ? 0 : edn_read_varint(&rd, "first event");
        head->time_ms = edn_read_varint(&rd, "time");
        edn_bytes packed = edn_read_bytes(&rd, edn_reader_left(&rd), "message");
        st = edn_reader_status(&rd) != EDN_OK || format != (image ? RECORD_IMAGE : RECORD_FORMAT)
                 ? EDN_E_FORMAT
                 : codec_unpack(c, packed, (size_t)4 << 20, out);
    }
    if (st == EDN_OK && out->n == begin)
        st = EDN_E_FORMAT; /* no events at all */
    if (st == EDN_OK && image)
        st = may_speak_for_all(c, h) ? EDN_OK : EDN_E_AUTH;
    else if (st == EDN_OK)
        st = check_author(h, edn_bytes_of(out->p + begin, out->n - begin), head);
    edn_buf_wipe(&ops);
    return st;
}

edn_status record_raw(edn_client *c, const edn_batch_header *h, const edn_record *r, uint32_t index, edn_buf *out)
{
    edn_record_place at = place_of(h, r, index);

    return open_record(c, &at, r->box, out);
}

/* ---- applying one record ----------------------------------------------------------------------------------------- */

static edn_status apply_journal_key(edn_client *c, const edn_batch_header *h, const edn_record *r)
{
    EDN_SECRET(edn_root_key) rk = EDN_KEY_EMPTY;
    EDN_SECRET(edn_journal_key) jk = EDN_KEY_EMPTY;
    edn_status st = keys_root(c, h->epoch, &rk);

    if (st == EDN_OK)
        st = edn_journal_key_open(&rk, &client_id(c)->account, &h->space, &r->journal, h->epoch, r->journal_epoch,
                                  r->box, &jk);
    return st == EDN_OK ? keys_journal_add(c, &r->journal, r->journal_epoch, h->epoch, &jk) : st;
}

edn_status record_dictionary(edn_client *c, const edn_batch_header *h, const edn_record *r, uint32_t index,
                             edn_buf *out)
{
    edn_record_place at = place_of(h, r, index);
    edn_buf ops = EDN_BUF_INIT(EDN_RECORD_SIZE_MAX);
    edn_hash hash;
    edn_status st = open_record(c, &at, r->box, &ops);

    if (st == EDN_OK && (ops.n == 0 || ops.p[0] != RECORD_FORMAT))
        st = EDN_E_FORMAT;
    if (st == EDN_OK)
        st = codec_unpack(c, edn_bytes_of(ops.p + 1, ops.n - 1), DICTIONARY_SIZE_MAX, out);
    hash = edn_h32(edn_buf_view(out));
    if (st == EDN_OK && memcmp(hash.b, r->entry.b, sizeof r->entry.b) != 0)
        st = EDN_E_AUTH;
    edn_buf_wipe(&ops);
    return st;
}

edn_status record_manifest(edn_client *c, const edn_batch_header *h, const edn_record *r, uint32_t index, edn_buf *out)
{
    edn_record_place at = place_of(h, r, index);
    return open_record(c, &at, r->box, out);
}

static edn_status apply_dictionary(edn_client *c, const edn_batch_header *h, const edn_record *r, uint32_t index)
{
    edn_buf dictionary = EDN_BUF_INIT(DICTIONARY_SIZE_MAX);
    edn_status st = record_dictionary(c, h, r, index, &dictionary);

    if (st == EDN_OK)
        st = dictionary_save(c, edn_buf_view(&dictionary), 0);
    edn_buf_wipe(&dictionary);
    return st;
}

static edn_status apply_said(edn_client *c, const edn_batch_header *h, const edn_record *r, uint32_t index)
{
    edn_buf ops = EDN_BUF_INIT(EDN_RECORD_SIZE_MAX);
    edn_status st = client_is_shared(c) ? record_raw(c, h, r, index, &ops) : EDN_E_TYPE;

    if (st == EDN_OK)
        st = member_apply(c, h, r, edn_buf_view(&ops));
    edn_buf_dispose(&ops);
    return st;
}

static edn_status apply_events(edn_client *c, const edn_batch_header *h, const edn_record *r, uint32_t index,
                               inbox_figures *f)
{
    edn_buf message = EDN_BUF_INIT((size_t)4 << 20);
    record_head head;
    object *o = NULL;
    bool conflict;
    edn_status st = client_is_shared(c) ? member_may_write(c, &h->device) : EDN_OK;

    if (st == EDN_OK)
        st = record_message(c, h, r, index, &message, &head);

    if (st == EDN_OK && EDN_PLANT(trusts_wall_clock) && head.time_ms > client_now(c) + 86400000u)
        st = EDN_E_PARENTS;
    if (st != EDN_OK)
        goto out;
    st = object_get(c, &r->entry, &o);
    if (st == EDN_E_MISSING)
        st = object_new(c, &r->entry, (edn_record_type)r->type, &o);
    if (st == EDN_OK && o->type != (edn_record_type)r->type)
        st = EDN_E_FORMAT;
    if (st != EDN_OK)
        goto out;
    conflict = edn_doc_state_of(o->doc) == EDN_DOC_CONFLICT;
    if ((st = object_merge(c, o, edn_buf_view(&message), head.time_ms)) == EDN_OK) {
        if (r->type == EDN_RECORD_ENTRY && o->changed && memcmp(f->last.b, o->id.b, sizeof o->id.b) != 0) {
            f->entries++;
            f->last = o->id;
        }
        f->conflicts += !conflict && edn_doc_state_of(o->doc) == EDN_DOC_CONFLICT;
    } else if (o->fresh && edn_doc_event_count(o->doc) == 0) {
        o->changed = false; /* nothing is known of it yet: no row */
        object_drop(c, o);
    }
out:
    edn_buf_wipe(&message);
    return st;
}

static edn_status apply_record(edn_client *c, const edn_batch_header *h, const edn_record *r, uint32_t index,
                               inbox_figures *f)
{
    switch (r->type) {
    case EDN_RECORD_JOURNAL_KEY:
        return apply_journal_key(c, h, r);
    case EDN_RECORD_DICTIONARY:
        return apply_dictionary(c, h, r, index);
    case EDN_RECORD_MEMBER:
    case EDN_RECORD_STATEMENT:
        return apply_said(c, h, r, index);
    case EDN_RECORD_ENTRY:
    case EDN_RECORD_JOURNAL:
    case EDN_RECORD_DEVICE:
    case EDN_RECORD_SPACE:
    case EDN_RECORD_CONTACT:
        return apply_events(c, h, r, index, f);
    case EDN_RECORD_INDEX:
        return EDN_OK; /* with its batch: apply_batch */
    default:
        return EDN_E_TYPE;
    }
}

bool record_is_at_fault(edn_status st)
{
    switch (st) {
    case EDN_E_PARENTS:
    case EDN_E_MISSING:
    case EDN_E_AUTH:
    case EDN_E_FORMAT:
    case EDN_E_LIMIT:
    case EDN_E_TYPE:
    case EDN_E_SUITE:
    case EDN_E_UTF8:
    case EDN_E_INVALID:
    case EDN_E_DAMAGED:
    case EDN_E_FORK:
    case EDN_E_CAP:
        return true;
    default:
        return false;
    }
}

edn_status records_take_keys(edn_client *c, const edn_sync_batch *b)
{
    edn_status st = EDN_OK;

    for (uint32_t i = 0; st == EDN_OK && i < b->body.records_n; i++) {
        const edn_record *r = &b->body.records[i];
        if (r->type == EDN_RECORD_JOURNAL_KEY)
            st = apply_journal_key(c, &b->batch.header, r);
        else if (r->type == EDN_RECORD_DICTIONARY)
            st = apply_dictionary(c, &b->batch.header, r, i);
        if (record_is_at_fault(st))
            st = EDN_OK;
    }
    return st;
}

/* ---- setting aside ----------------------------------------------------------------------------------------------- */

static void aside_key(uint8_t out[ASIDE_KEY_SIZE], char kind, const edn_batch_header *h, uint32_t index)
{
    out[0] = (uint8_t)kind;
    memcpy(out + 1, h->device.b, sizeof h->device.b);
    for (int i = 0; i < 8; i++)
        out[17 + i] = (uint8_t)(h->dseq >> (56 - 8 * i));
    for (int i = 0; i < 4; i++)
        out[25 + i] = (uint8_t)(index >> (24 - 8 * i));
}

static bool waits(edn_status why) { return why == EDN_E_PARENTS || why == EDN_E_MISSING; }

static edn_finding aside_finding(edn_client *c, const edn_batch_header *h, uint32_t index, edn_status why)
{
    edn_finding f = {.status = why, .time_ms = client_now(c)};
    char device[33];

    edn_hex_encode(device, h->device.b, 4);
    snprintf(f.text, sizeof f.text,
             "record %u of batch %llu from device %s was set aside (%s); the rest of the batch was taken. It is tried "
             "again at every sync",
             index, (unsigned long long)h->dseq, device, edn_status_name(why));
    return f;
}

static edn_status aside_put(edn_client *c, const edn_batch_header *h, uint32_t index, edn_status why)
{
    uint8_t key[ASIDE_KEY_SIZE], value = (uint8_t)why;
    edn_finding f = aside_finding(c, h, index, why);
    edn_status st;

    aside_key(key, waits(why) ? 'w' : 'r', h, index);
    st = edn_store_put(c->store, EDN_TABLE_ASIDE, edn_bytes_of(key, sizeof key), edn_bytes_of(&value, 1));
    return st == EDN_OK && !waits(why) ? finding_save(c, &f) : st;
}

/* Takes back what aside_put(…, why) did. */
static edn_status aside_del(edn_client *c, const edn_batch_header *h, uint32_t index, edn_status why)
{
    uint8_t key[ASIDE_KEY_SIZE];
    edn_finding f = aside_finding(c, h, index, why);
    edn_status st;

    aside_key(key, waits(why) ? 'w' : 'r', h, index);
    st = edn_store_del(c->store, EDN_TABLE_ASIDE, edn_bytes_of(key, sizeof key));
    return st == EDN_OK && !waits(why) ? finding_drop(c, &f) : st;
}

static edn_status count_row(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    (void)key;
    (void)st;
    (void)value;
    ++*(uint64_t *)ctx;
    return EDN_OK;
}

edn_status aside_count(edn_client *c, uint64_t *out)
{
    static const char kinds[] = "erw";
    edn_status st = EDN_OK;

    *out = 0;
    for (size_t i = 0; st == EDN_OK && kinds[i]; i++)
        st = edn_store_scan(c->store, EDN_TABLE_ASIDE, edn_bytes_of((const uint8_t *)&kinds[i], 1), EDN_BYTES_EMPTY,
                            true, count_row, out);
    return st;
}

edn_status aside_evidence(edn_client *c, edn_status why, edn_bytes evidence)
{
    edn_hash h = edn_h32(evidence);
    edn_buf row = EDN_BUF_INIT((size_t)16 << 20);
    uint8_t key[17] = {'e'};
    uint64_t n = 0;
    edn_status st = edn_store_scan(c->store, EDN_TABLE_ASIDE, edn_bytes_of(key, 1), EDN_BYTES_EMPTY, true, count_row,
                                   &n);

    if (st != EDN_OK || n >= EVIDENCE_MAX)
        return st; /* enough is kept to show what was done; a liar cannot fill the disk */
    memcpy(key + 1, h.b, 16);
    edn_put_u8(&row, (uint8_t)why);
    edn_put_bytes(&row, evidence.p, evidence.n);
    st = edn_buf_status(&row);
    if (st == EDN_OK)
        st = edn_store_put(c->store, EDN_TABLE_ASIDE, edn_bytes_of(key, sizeof key), edn_buf_view(&row));
    edn_buf_dispose(&row);
    return st;
}

/* ---- trying again ------------------------------------------------------------------------------------------------ */

typedef struct aside_row {
    uint8_t device_dseq[24]; /* as in the key */
    uint32_t index;
    edn_status why;
} aside_row;

static edn_status gather_aside(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    edn_buf *rows = ctx;
    aside_row row = {.why = EDN_E_DAMAGED};

    if (key.n != ASIDE_KEY_SIZE || (key.p[0] != 'w' && key.p[0] != 'r'))
        return EDN_OK;
    memcpy(row.device_dseq, key.p + 1, sizeof row.device_dseq);
    for (int i = 0; i < 4; i++)
        row.index = row.index << 8 | key.p[25 + i];
    if (st == EDN_OK && value.n == 1)
        row.why = (edn_status)value.p[0];
    /* A row that does not open says by its key which of the two it is. */
    if (waits(row.why) != (key.p[0] == 'w'))
        row.why = key.p[0] == 'w' ? EDN_E_MISSING : EDN_E_DAMAGED;
    edn_put_bytes(rows, &row, sizeof row);
    return edn_buf_status(rows);
}

static int compare_asides(const void *a, const void *b)
{
    const aside_row *x = a, *y = b;
    int d = memcmp(x->device_dseq, y->device_dseq, sizeof x->device_dseq);

    return d ? d : (x->index > y->index) - (x->index < y->index);
}

edn_status batch_reopen(edn_client *c, const edn_device_id *d, uint64_t dseq, edn_arena *a, edn_batch *b,
                        edn_body *body)
{
    EDN_SECRET(edn_space_key) key = EDN_KEY_EMPTY;
    edn_buf bytes = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX), plain = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_bytes kept;
    edn_status st = batch_load(c, d, dseq, &bytes);

    if (st == EDN_OK && !edn_arena_copy(a, edn_buf_view(&bytes), &kept))
        st = EDN_E_NOMEM;
    if (st == EDN_OK && (st = edn_batch_decode(kept, b)) == EDN_OK &&
        (st = keys_space(c, b->header.epoch, &key)) == EDN_OK && (st = edn_batch_open(&plain, b, &key)) == EDN_OK) {
        st = edn_arena_copy(a, edn_buf_view(&plain), &kept) ? edn_body_decode(a, kept, body) : EDN_E_NOMEM;
    }
    edn_buf_dispose(&bytes);
    edn_buf_wipe(&plain);
    return st;
}

static edn_status retry_record(edn_client *c, const edn_batch_header *h, const edn_body *body, const aside_row *row,
                               inbox_figures *f, bool *progress)
{
    edn_status why = EDN_E_FORMAT, st;

    if (row->index < body->records_n)
        why = apply_record(c, h, &body->records[row->index], row->index, f);
    if (why != EDN_OK && !record_is_at_fault(why))
        return why;
    if (why == row->why)
        return EDN_OK; /* stays where it is */
    if ((st = aside_del(c, h, row->index, row->why)) != EDN_OK)
        return st;
    if (why != EDN_OK)
        return aside_put(c, h, row->index, why);
    *progress = true;
    f->records++;
    return EDN_OK;
}

/* All rows of one batch, which is opened once for them. */
static edn_status retry_batch(edn_client *c, const aside_row *rows, size_t n, inbox_figures *f, bool *progress)
{
    edn_arena a = edn_arena_init(BATCH_ARENA_SIZE_MAX);
    edn_device_id device;
    uint64_t dseq = 0;
    edn_batch b;
    edn_body body;
    edn_status st;

    memcpy(device.b, rows->device_dseq, sizeof device.b);
    for (int i = 0; i < 8; i++)
        dseq = dseq << 8 | rows->device_dseq[16 + i];
    st = batch_reopen(c, &device, dseq, &a, &b, &body);
    if (st != EDN_OK && record_is_at_fault(st)) {
        st = EDN_OK; /* `verify` names the batch; its records stay where they are */
    } else {
        for (size_t i = 0; st == EDN_OK && i < n; i++)
            st = retry_record(c, &b.header, &body, &rows[i], f, progress);
    }
    edn_arena_dispose(&a);
    return st;
}

/* One record may be what another waits for: goes round until nothing moves. */
static edn_status retry_aside(edn_client *c, inbox_figures *f)
{
    edn_status st = EDN_OK;
    bool progress = true;

    while (st == EDN_OK && progress) {
        edn_buf list = EDN_BUF_INIT((size_t)64 << 20);
        size_t n, end;
        aside_row *rows;
        progress = false;
        st = edn_store_scan(c->store, EDN_TABLE_ASIDE, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, gather_aside, &list);
        rows = (aside_row *)(void *)list.p; /* from realloc, so aligned for anything */
        n = list.n / sizeof *rows;
        if (n)
            qsort(rows, n, sizeof *rows, compare_asides);
        for (size_t i = 0; st == EDN_OK && i < n; i = end) {
            for (end = i + 1; end < n && memcmp(rows[i].device_dseq, rows[end].device_dseq, 24) == 0;)
                end++;
            st = retry_batch(c, rows + i, end - i, f, &progress);
        }
        edn_buf_dispose(&list);
    }
    return st;
}

/* ---- a whole answer ---------------------------------------------------------------------------------------------- */

static edn_status apply_batch(edn_client *c, const edn_sync_batch *b, inbox_figures *f)
{
    const edn_batch_header *h = &b->batch.header;
    edn_status st = batch_save(c, &h->device, h->dseq, b->batch.bytes, &b->hash);

    if (st == EDN_OK && h->kind == EDN_BATCH_INDEX) {
        st = listed_take(c, b);
        st = record_is_at_fault(st) ? EDN_OK : st; /* a bad one is none: the next to be published counts */
    }
    /* Keys, dictionaries and who is who before what needs them, wherever they stand. */
    for (int first = 1; first >= 0; first--) {
        for (uint32_t i = 0; st == EDN_OK && i + EDN_PLANT(drops_last_record) < b->body.records_n; i++) {
            const edn_record *r = &b->body.records[i];
            if (record_has_events(r->type) == first)
                continue;
            st = apply_record(c, h, r, i, f);
            if (st == EDN_OK && EDN_PLANT(applies_twice))
                st = apply_record(c, h, r, i, f);
            if (st == EDN_OK)
                f->records++;
            else if (record_is_at_fault(st))
                st = EDN_PLANT(drops_aside) ? EDN_OK : aside_put(c, h, i, st);
        }
    }
    return st;
}

/* Records of one entry may stand in any order: goes round until nothing moves. */
edn_status inbox_take_events(edn_client *c, const edn_sync_batch *b, size_t n, const edn_entry_id *id, bool *whole)
{
    inbox_figures f = {0};
    bool moved = true;
    edn_status st = EDN_OK;

    *whole = false;
    for (size_t rounds = 0; st == EDN_OK && moved && rounds <= n; rounds++) {
        moved = false;
        *whole = true;
        for (size_t i = 0; st == EDN_OK && i < n; i++)
            for (uint32_t k = 0; st == EDN_OK && k < b[i].body.records_n; k++) {
                const edn_record *r = &b[i].body.records[k];
                if (r->type != EDN_RECORD_ENTRY || memcmp(r->entry.b, id->b, sizeof id->b) != 0)
                    continue;
                st = apply_record(c, &b[i].batch.header, r, k, &f);
                moved |= st == EDN_E_PARENTS;
                *whole &= st == EDN_OK;
                st = record_is_at_fault(st) ? EDN_OK : st;
            }
    }
    return st;
}

/* What is at fault comes again in its turn, and is named then. */
edn_status inbox_take_entry(edn_client *c, const edn_sync_batch *b, size_t n, const edn_entry_id *id)
{
    bool whole;
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < n; i++)
        st = records_take_keys(c, &b[i]);
    return st == EDN_OK ? inbox_take_events(c, b, n, id, &whole) : st;
}

/* Another process may have kept some of the links since this sync began: those are left, if they are the same. */
static edn_status keep_links(edn_client *c, const edn_sync_action *save)
{
    uint64_t count = edn_devlog_count(c->log);
    edn_link_info info;
    edn_hash held, came;
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < save->links_n; i++) {
        if ((st = edn_link_peek(save->links[i], &info)) != EDN_OK)
            return st;
        came = edn_link_hash(save->links[i]);
        if (edn_devlog_hash_at(c->log, info.seq, &held))
            st = memcmp(held.b, came.b, sizeof held.b) == 0 ? EDN_OK : EDN_E_FORK;
        else
            st = info.seq == count++ ? log_save_link(c, info.seq, save->links[i]) : EDN_E_CONFLICT;
    }
    return st;
}

static bool resealed(const edn_sync_action *save)
{
    edn_link_info info;

    for (size_t i = 0; i < save->links_n; i++)
        if (edn_link_peek(save->links[i], &info) == EDN_OK && info.type == EDN_LINK_RESEAL)
            return true;
    return false;
}

edn_status inbox_save(edn_client *c, const edn_sync_action *save, inbox_figures *f)
{
    heads h = {NULL, 0};
    edn_status st = keep_links(c, save);

    if (st == EDN_OK && save->links_n && (st = log_load(c)) == EDN_OK)
        st = passphrase_settle(c, false);
    if (st == EDN_OK && resealed(save))
        st = bases_let_go(c);
    if (st == EDN_OK)
        st = heads_load(c, &h); /* as the links say that they begin */
    for (size_t i = 0; st == EDN_OK && i < save->batches_n; i++) {
        const edn_sync_batch *b = &save->batches[i];
        edn_head head = {b->batch.header.device, b->batch.header.dseq, b->hash};
        const edn_head *have = edn_heads_find(h.p, h.n, &head.device);
        /* Another process was quicker; or it has taken in another history, of which the next sync will tell. */
        if (have ? have->dseq + 1 != head.dseq || memcmp(have->hash.b, b->batch.header.prev.b, sizeof have->hash.b) != 0
                 : head.dseq != 1)
            continue;
        if ((st = apply_batch(c, b, f)) == EDN_OK)
            st = heads_set(&h, &head);
    }
    if (st == EDN_OK && save->batches_n)
        st = heads_save(c, &h);
    if (st == EDN_OK && save->batches_n && !EDN_PLANT(never_retries))
        st = retry_aside(c, f);
    if (st == EDN_OK && (st = quarantine_take(c, save->late, save->late_n)) == EDN_OK)
        st = quarantine_settle(c);
    heads_dispose(&h);
    return st;
}
