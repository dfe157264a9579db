/* `verify`: nothing in the local store is believed; every signature, chain, seal and document is checked again. */
#include "client/finding/audit.h"
#include "client/sharing/family.h"
#include "client/finding/index.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct verifying {
    edn_client *c;
    edn_finding_fn *fn;
    void *ctx;
    const edn_progress *progress;
    edn_verify_result *out;
    edn_devlog *log; /* built anew, with every signature checked */
    edn_head last;   /* of the device whose chain is being walked */
    audit published;
    uint64_t done, total;
} verifying;

static void report(verifying *v, edn_status st, const char *text)
{
    edn_finding f = {.status = st, .time_ms = client_now(v->c)};

    snprintf(f.text, sizeof f.text, "%s (%s)", text, edn_status_name(st));
    if (client_is_shared(v->c))
        family_name_finding(v->c, &f);
    v->out->damaged++;
    if (v->fn)
        v->fn(v->ctx, &f);
}

static void report_published(void *ctx, edn_status st, const char *text) { report(ctx, st, text); }

static edn_status step(verifying *v, const char *what)
{
    v->done++;
    if (v->progress && v->progress->fn && !v->progress->fn(v->progress->ctx, what, v->done, v->total))
        return EDN_E_CANCELLED;
    return EDN_OK;
}

static edn_status check_link(void *ctx, edn_bytes key, edn_status st, edn_bytes link)
{
    verifying *v = ctx;
    char text[128];

    (void)key;
    if (st == EDN_OK)
        st = edn_devlog_append(v->log, link);
    if (st == EDN_E_NOMEM)
        return st; /* says nothing of the link */
    if (st != EDN_OK) {
        snprintf(text, sizeof text, "link %llu of the device log is not good",
                 (unsigned long long)edn_devlog_count(v->log));
        report(v, st, text);
        return EDN_E_FORMAT; /* what comes after it cannot be judged */
    }
    v->out->links++;
    return step(v, "verifying");
}

/* What the store keeps of the log besides its links says the same as they do. */
static edn_status check_image(verifying *v)
{
    edn_buf is = EDN_BUF_INIT(LOG_IMAGE_SIZE_MAX), should = EDN_BUF_INIT(LOG_IMAGE_SIZE_MAX);
    edn_status st;

    if (edn_devlog_count(v->log) == 0 || edn_devlog_count(v->log) != edn_devlog_count(v->c->log))
        return EDN_OK; /* a link was not good, and that is said already */
    edn_devlog_image_put(&is, v->c->log);
    edn_devlog_image_put(&should, v->log);
    if ((st = edn_buf_status(&is)) == EDN_OK && (st = edn_buf_status(&should)) == EDN_OK &&
        !edn_bytes_equal(edn_buf_view(&is), edn_buf_view(&should)))
        report(v, EDN_E_DAMAGED, "the device log is not what its links say");
    edn_buf_dispose(&is);
    edn_buf_dispose(&should);
    return st;
}

/* ---- batches ----------------------------------------------------------------------------------------------------- */

static edn_status check_record(verifying *v, const edn_sync_batch *b, uint32_t i, edn_buf *message)
{
    const edn_record *r = &b->body.records[i];
    EDN_SECRET(edn_root_key) rk = EDN_KEY_EMPTY;
    EDN_SECRET(edn_journal_key) jk = EDN_KEY_EMPTY;
    record_head head;
    edn_status st;

    edn_buf_reset(message);
    if (r->type == EDN_RECORD_DICTIONARY)
        return record_dictionary(v->c, &b->batch.header, r, i, message);
    if (r->type == EDN_RECORD_MEMBER || r->type == EDN_RECORD_STATEMENT)
        return record_raw(v->c, &b->batch.header, r, i, message);
    if (r->type == EDN_RECORD_INDEX)
        return record_manifest(v->c, &b->batch.header, r, i, message);
    if (r->type != EDN_RECORD_JOURNAL_KEY)
        return record_message(v->c, &b->batch.header, r, i, message, &head);
    st = keys_root(v->c, b->batch.header.epoch, &rk);
    return st != EDN_OK ? st
                        : edn_journal_key_open(&rk, &client_id(v->c)->account, &b->batch.header.space, &r->journal,
                                               b->batch.header.epoch, r->journal_epoch, r->box, &jk);
}

/* EDN_E_NOMEM, which says nothing of the records; all else is reported. */
static edn_status check_records(verifying *v, const edn_sync_batch *b)
{
    edn_buf message = EDN_BUF_INIT((size_t)4 << 20);
    edn_status st = EDN_OK;
    char text[160], device[33];

    edn_hex_encode(device, b->batch.header.device.b, 4);
    for (uint32_t i = 0; i < b->body.records_n && st != EDN_E_NOMEM; i++) {
        st = check_record(v, b, i, &message);
        v->out->records++;
        if (st != EDN_OK && st != EDN_E_NOMEM) {
            snprintf(text, sizeof text, "record %u of batch %llu from device %s does not open", i,
                     (unsigned long long)b->batch.header.dseq, device);
            report(v, st, text);
        }
    }
    edn_buf_wipe(&message);
    return st == EDN_E_NOMEM ? st : EDN_OK;
}

static void report_batch(verifying *v, edn_status st, const edn_device_id *device, uint64_t dseq)
{
    char text[160], hex[33];

    edn_hex_encode(hex, device->b, 4);
    snprintf(text, sizeof text, "batch %llu from device %s is not good; the server may have a good copy",
             (unsigned long long)dseq, hex);
    report(v, st, text);
}

/* Where the device's chain begins: behind what was sealed again. */
static edn_head base_of(const verifying *v, const edn_device_id *device)
{
    edn_head base = {.device = *device};

    edn_devlog_base(v->c->log, device, &client_id(v->c)->space, &base.dseq, &base.hash);
    return base;
}

static edn_status check_batch(verifying *v, const edn_device_id *device, uint64_t dseq, edn_status st, edn_bytes bytes)
{
    edn_sync_view view = sync_view(v->c);
    edn_batch_check check = {.log = v->log, .space = client_id(v->c)->space, .view = &view};
    edn_arena a = edn_arena_init((size_t)64 << 20);
    edn_sync_batch b;
    edn_hash kept;
    edn_status kept_st = batch_hash_load(v->c, device, dseq, &kept);

    if (memcmp(v->last.device.b, device->b, sizeof device->b) != 0) {
        v->last = base_of(v, device);
        if (v->last.dseq + 1 != dseq) /* what lies below it was not let go */
            v->last = (edn_head){.device = *device};
    }
    check.last = v->last;
    if (st == EDN_OK)
        st = edn_batch_check_run(&check, bytes, &a, &b);
    if (st == EDN_OK && kept_st != EDN_E_NOMEM && (kept_st != EDN_OK || memcmp(kept.b, b.hash.b, sizeof kept.b) != 0))
        st = EDN_E_DAMAGED;
    v->out->batches++;
    if (st == EDN_E_NOMEM || kept_st == EDN_E_NOMEM) {
        st = EDN_E_NOMEM;
    } else if (st == EDN_OK) {
        v->last = (edn_head){*device, dseq, b.hash};
        st = check_records(v, &b);
        if (st == EDN_OK && b.batch.header.kind == EDN_BATCH_INDEX && !client_is_shared(v->c))
            st = audit_batch(&v->published, device, dseq);
    } else {
        report_batch(v, st, device, dseq);
        if (kept_st == EDN_OK) /* the chain goes on from what its row is called by */
            v->last = (edn_head){*device, dseq, kept};
        st = EDN_OK;
    }
    edn_arena_dispose(&a);
    return st == EDN_OK ? step(v, "verifying") : st;
}

static edn_status batch_row(void *ctx, edn_bytes key, edn_status st, edn_bytes bytes)
{
    edn_device_id device;
    uint64_t dseq = 0;

    if (key.n != BATCH_KEY_SIZE)
        return EDN_OK;
    memcpy(device.b, key.p + 8, sizeof device.b);
    for (int i = 0; i < 8; i++)
        dseq = dseq << 8 | key.p[24 + i];
    return check_batch(ctx, &device, dseq, st, bytes);
}

/* Every head is there, and is what its row says. */
static edn_status check_heads(verifying *v)
{
    heads h;
    edn_hash hash;
    char text[160], hex[33];
    edn_status st = heads_load(v->c, &h);

    for (size_t i = 0; st == EDN_OK && i < h.n; i++) {
        edn_status kept = batch_hash_load(v->c, &h.p[i].device, h.p[i].dseq, &hash);
        if (kept == EDN_E_NOMEM)
            st = kept;
        if (st != EDN_OK || (kept == EDN_OK && memcmp(hash.b, h.p[i].hash.b, sizeof hash.b) == 0) ||
            (kept == EDN_E_MISSING && base_of(v, &h.p[i].device).dseq == h.p[i].dseq))
            continue;
        edn_hex_encode(hex, h.p[i].device.b, 4);
        snprintf(text, sizeof text, "the newest batch of device %s is missing here", hex);
        report(v, EDN_E_CHAIN, text);
    }
    heads_dispose(&h);
    return st;
}

/* ---- documents --------------------------------------------------------------------------------------------------- */

static edn_status gather_id(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    (void)st;
    (void)value;
    if (key.n == sizeof(edn_entry_id))
        edn_put_bytes(ctx, key.p, key.n);
    return edn_buf_status(ctx);
}

/* Opened, and its whole history replayed. */
static edn_status check_object(verifying *v, const edn_entry_id *id)
{
    object *o;
    char text[160], hex[33];
    edn_status st = object_get(v->c, id, &o);

    if (st == EDN_OK)
        st = edn_doc_check(o->doc);
    if (st == EDN_OK)
        v->out->entries += o->type == EDN_RECORD_ENTRY;
    if (st != EDN_OK && st != EDN_E_NOMEM) {
        edn_hex_encode(hex, id->b, sizeof id->b);
        snprintf(text, sizeof text, "entry %s does not open; its batches are still here and at the server", hex);
        report(v, st, text);
        st = EDN_OK;
    }
    objects_forget(v->c->objects);
    return st == EDN_OK ? step(v, "verifying") : st;
}

static edn_status count_listed(void *ctx, const catalog_item *it)
{
    (void)it;
    ++*(uint64_t *)ctx;
    return EDN_OK;
}

static edn_status audit_listed(void *ctx, const catalog_item *it) { return index_audit_entry(ctx, &it->id); }

/* A damaged index costs no entry: the next search makes it anew. */
static edn_status check_index(verifying *v)
{
    index_audit held;
    uint64_t wrong;
    char text[160];
    edn_status st = index_audit_begin(v->c, &held);

    if (st == EDN_OK)
        st = catalog_list(v->c, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, audit_listed, &held);
    wrong = index_audit_end(&held);
    index_forget(v->c);
    if (st == EDN_E_DAMAGED || st == EDN_E_FORMAT) {
        report(v, EDN_E_DAMAGED, "the search index is damaged; the next search makes it anew, from the entries");
        return EDN_OK;
    }
    if (st == EDN_OK && wrong) {
        snprintf(text, sizeof text, "the search index does not fit %llu entries; 'edn reindex' makes it anew",
                 (unsigned long long)wrong);
        report(v, EDN_E_DAMAGED, text);
    }
    return st;
}

static edn_status check_objects(verifying *v)
{
    edn_buf ids = EDN_BUF_INIT((size_t)1 << 30);
    uint64_t listed_n = 0;
    char text[160];
    edn_status st = edn_store_scan(v->c->store, EDN_TABLE_ENTRY, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, true, gather_id,
                                   &ids);

    v->total += ids.n / sizeof(edn_entry_id);
    for (size_t at = 0; st == EDN_OK && at < ids.n; at += sizeof(edn_entry_id)) {
        edn_entry_id id;
        memcpy(id.b, ids.p + at, sizeof id.b);
        st = check_object(v, &id);
    }
    edn_buf_dispose(&ids);
    if (st == EDN_OK)
        st = catalog_list(v->c, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, count_listed, &listed_n);
    if (st == EDN_E_DAMAGED || (st == EDN_OK && listed_n != v->out->entries)) {
        snprintf(text, sizeof text, "the table of contents lists %llu entries, %llu are here",
                 (unsigned long long)listed_n, (unsigned long long)v->out->entries);
        report(v, EDN_E_DAMAGED, text);
        st = EDN_OK;
    }
    return st;
}

/* Which shared journals there are. */
static edn_status check_family(verifying *v)
{
    edn_buf row = EDN_BUF_INIT(65536);
    edn_status st = meta_get(v->c, "family", EDN_BYTES_EMPTY, &row);

    edn_buf_dispose(&row);
    if (st == EDN_E_DAMAGED)
        report(v, st, "the list of shared journals does not open; the next sync makes it anew");
    return st == EDN_E_MISSING || st == EDN_E_DAMAGED ? EDN_OK : st;
}

static edn_status verify_store(verifying *v, edn_err *err)
{
    edn_status st = client_begin_read(v->c, err);

    if (st != EDN_OK)
        return st;
    v->total += edn_devlog_count(v->c->log);
    if ((st = edn_devlog_new(&v->log)) == EDN_OK) {
        st = edn_store_scan(v->c->store, EDN_TABLE_LINK, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, check_link, v);
        if (st == EDN_E_FORMAT)
            st = EDN_OK;
        if (st == EDN_OK)
            st = check_image(v);
    }
    if (st == EDN_OK)
        st = edn_store_scan(v->c->store, EDN_TABLE_BATCH, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, batch_row, v);
    if (st == EDN_OK)
        st = check_heads(v);
    if (st == EDN_OK)
        st = check_objects(v);
    if (st == EDN_OK && v->out->damaged == 0)
        st = check_index(v);
    if (st == EDN_OK && v->out->damaged == 0 && !client_is_shared(v->c))
        st = audit_ranges(&v->published);
    if (st == EDN_OK)
        st = audit_manifests(&v->published);
    if (st == EDN_OK && !client_is_shared(v->c))
        st = check_family(v);
    edn_devlog_free(v->log);
    v->log = NULL;
    if (st == EDN_E_CANCELLED)
        edn_fail(err, st, "stopped");
    st = client_end_read(v->c, st, err);
    if (st == EDN_OK && !client_is_shared(v->c))
        st = audit_mend(&v->published, err);
    return st;
}

static void add_result(edn_verify_result *to, const edn_verify_result *r)
{
    to->links += r->links;
    to->batches += r->batches;
    to->records += r->records;
    to->entries += r->entries;
    to->damaged += r->damaged;
}

edn_status edn_client_verify(edn_client *c, edn_finding_fn *fn, void *ctx, const edn_progress *progress,
                             edn_verify_result *out, edn_err *err)
{
    verifying v = {.c = c, .fn = fn, .ctx = ctx, .progress = progress, .out = out};
    edn_verify_result one;
    edn_status st;

    memset(out, 0, sizeof *out);
    v.published = (audit){.c = c, .tell = report_published, .ctx = &v};
    st = verify_store(&v, err);
    audit_dispose(&v.published);
    v.published = (audit){.c = NULL};
    for (size_t at = 0; st == EDN_OK;) {
        if ((st = family_next(c, &at, &v.c, err)) != EDN_OK || !v.c)
            break;
        one = (edn_verify_result){.links = 0};
        v.out = &one;
        memset(&v.last, 0, sizeof v.last);
        if ((st = verify_store(&v, err)) == EDN_E_DAMAGED) {
            report(&v, st, "its store does not open");
            st = EDN_OK;
        }
        add_result(out, &one);
    }
    v.c = c;
    v.out = out;
    for (size_t n = family_broken(c); st == EDN_OK && n > 0; n--)
        report(&v, EDN_E_DAMAGED, "the store of a shared journal does not open; its members and the server have it");
    return st;
}
