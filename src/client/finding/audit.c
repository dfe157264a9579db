/* What is published of the index is believed nowhere more than the entries; but a part that is wrong is worth nothing
 * to the next device. So `verify` holds against the entries what is here (manifests, and parts that are arriving), and,
 * when it is asked to, what the server gives out: each part of the manifest in force is fetched, and must be, byte for
 * byte, the image that this device's own index gives of the same entries.
 *
 * An entry with records that the manifest does not cover says nothing of the parts; and one that stands in a later part
 * says nothing of those before. All others stand in the part of their days, and no part has an entry that is none. */
#include "client/finding/audit.h"

#include "client/finding/arriving.h"
#include "client/finding/fetching.h"
#include "client/finding/idset.h"
#include "client/finding/published.h"
#include "client/finding/published_priv.h"
#include "search/image.h"

#include <stdio.h>
#include <stdlib.h>

void audit_dispose(audit *a)
{
    free(a->newest);
    free(a->renew);
    free(a->bad);
}

static edn_status bad_add(audit *a, const edn_hash *name)
{
    if (!edn_array_room(&a->bad, &a->bad_cap, a->bad_n + 1, sizeof *a->bad))
        return EDN_E_NOMEM;
    a->bad[a->bad_n++] = *name;
    return EDN_OK;
}

/* ---- what is here ------------------------------------------------------------------------------------------------ */

edn_status audit_batch(audit *a, const edn_device_id *device, uint64_t dseq)
{
    edn_place *last = a->newest_n ? &a->newest[a->newest_n - 1] : NULL;

    if (last && memcmp(last->device.b, device->b, sizeof device->b) == 0) {
        last->dseq = dseq;
        return EDN_OK;
    }
    if (!edn_array_room(&a->newest, &a->newest_cap, a->newest_n + 1, sizeof *a->newest))
        return EDN_E_NOMEM;
    a->newest[a->newest_n++] = (edn_place){*device, dseq};
    return EDN_OK;
}

edn_status audit_manifests(audit *a)
{
    char text[160], device[33];
    bool good;
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < a->newest_n; i++) {
        if ((st = listed_check(a->c, &a->newest[i].device, a->newest[i].dseq, &good)) != EDN_OK || good)
            continue;
        if (!edn_array_room(&a->renew, &a->renew_cap, a->renew_n + 1, sizeof *a->renew))
            return EDN_E_NOMEM;
        a->renew[a->renew_n++] = a->newest[i];
        edn_hex_encode(device, a->newest[i].device.b, 4);
        snprintf(text, sizeof text,
                 "the list of what device %s has published of the search index is damaged here; it is taken from its "
                 "batch again",
                 device);
        a->tell(a->ctx, EDN_E_DAMAGED, text);
    }
    return st;
}

static edn_status bad_part(audit *a, const shard_item *it, edn_status why, const char *what)
{
    char text[200], days[48];

    arriving_days(it, days);
    snprintf(text, sizeof text, "the published part %s of the search index %s; the next sync makes it anew", days,
             what);
    a->tell(a->ctx, why, text);
    return bad_add(a, &it->name);
}

/* The first live document of this day or a later one. */
static size_t first_of(const publishing *p, uint32_t day)
{
    size_t lo = 0, hi = p->live_n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (p->live[mid].date < day)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static range range_of(const publishing *p, const shard_item *it)
{
    return (range){it->from, it->to, first_of(p, it->from), first_of(p, it->to + 1)};
}

static edn_status compare_digests(audit *a, const publishing *p)
{
    const manifest *m = &p->known->manifest;
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < m->items_n && m->items[i].kind == SHARD_RANGE; i++) {
        range r = range_of(p, &m->items[i]);
        uint64_t digest = 0;
        if ((st = publishing_digest(p, &r, &digest)) == EDN_OK && digest != m->items[i].digest)
            st = bad_part(a, &m->items[i], EDN_E_DAMAGED, "is listed with other entries than there are");
    }
    return st;
}

static bool has_recent(const manifest *m)
{
    for (size_t i = 0; i < m->items_n; i++)
        if (m->items[i].kind == SHARD_RECENT)
            return true;
    return false;
}

/* Whether all that a manifest covers is here. */
static bool covers(const heads *h, const listed *l)
{
    for (size_t i = 0; i < l->cover_n; i++) {
        const edn_head *at = edn_heads_find(h->p, h->n, &l->cover[i].device);
        if (!at || at->dseq < l->cover[i].dseq)
            return false;
    }
    return true;
}

edn_status audit_ranges(audit *a)
{
    publishing p;
    edn_status st;

    publishing_init(&p, a->c);
    st = publishing_load(&p);
    if (st == EDN_OK && p.known_n && covers(&p.h, p.known) && !has_recent(&p.known->manifest) &&
        (st = publishing_places(&p, p.known->cover, p.known->cover_n)) == EDN_OK && p.found_n == 0 &&
        (st = index_load(a->c)) == EDN_OK && a->c->index->complete && (st = index_open_all(a->c)) == EDN_OK &&
        (st = publishing_live(&p)) == EDN_OK)
        st = compare_digests(a, &p);
    publishing_dispose(&p);
    index_forget(a->c);
    return st;
}

/* ---- what the server gives out ----------------------------------------------------------------------------------- */

typedef struct comparing {
    audit *a;
    publishing p;
    live_doc **by_id;
    bool *seen;            /* of each live document: it stands in a part */
    id_set later, changed; /* entries of parts behind this one; and such as have records that are not covered */
    edn_segment *s;        /* the part that is compared */
    uint8_t *mask;
    bool wrong;
} comparing;

static int live_id_compare(const void *a, const void *b)
{
    return memcmp((*(live_doc *const *)a)->id.b, (*(live_doc *const *)b)->id.b, sizeof(edn_entry_id));
}

static live_doc *live_find(const comparing *k, const edn_entry_id *id)
{
    live_doc key = {.id = *id}, *at = &key, **found;

    found = k->p.live_n ? bsearch(&at, k->by_id, k->p.live_n, sizeof *k->by_id, live_id_compare) : NULL;
    return found ? *found : NULL;
}

/* Which of its documents are to be compared; each must be an entry of that day. */
static edn_status choose_docs(comparing *k, const shard_item *it, size_t *n)
{
    edn_segment_doc d;
    live_doc *l;
    bool was;
    edn_status st = EDN_OK;

    *n = 0;
    for (uint32_t i = 0; st == EDN_OK && i < it->docs; i++) {
        if ((st = edn_segment_doc_at(k->s, i, &d)) != EDN_OK || (st = id_set_add(&k->later, &d.entry, &was)) != EDN_OK)
            break;
        k->wrong |= it->kind == SHARD_RANGE && (d.date < it->from || d.date > it->to);
        l = live_find(k, &d.entry);
        if (l)
            k->seen[l - k->p.live] = true;
        if (was || id_set_has(&k->changed, &d.entry))
            continue;
        if (!l || l->date != d.date) {
            k->wrong = true;
            continue;
        }
        k->mask[i / 8] &= (uint8_t) ~(1u << i % 8);
        k->p.masks[l->part][l->doc / 8] &= (uint8_t) ~(1u << l->doc % 8);
        ++*n;
    }
    return st;
}

static edn_status image_of(const comparing *k, const edn_segment_part *parts, size_t n, edn_buf *out)
{
    edn_buf merged = EDN_BUF_INIT(EDN_SEGMENT_SIZE_MAX);
    edn_segment *s = NULL;
    uint64_t size;
    edn_status st = edn_segment_merge(parts, n, EDN_SEGMENT_NO_POSITIONS, index_bytes_out, &merged, &size);

    if (st == EDN_OK && (st = edn_segment_open(k->a->c->index->pages, size, index_bytes_get, &merged, &s)) == EDN_OK)
        st = edn_image_put(out, s);
    edn_segment_free(s);
    edn_buf_wipe(&merged);
    return st;
}

/* What was chosen has the same words here and there. */
static edn_status compare_words(comparing *k)
{
    edn_segment_part part = {k->s, k->mask}, *own = calloc(k->p.parts_n + 1, sizeof *own);
    edn_buf is = EDN_BUF_INIT(SHARD_SIZE_MAX), should = EDN_BUF_INIT(SHARD_SIZE_MAX);
    size_t n = 0;
    edn_status st = own ? EDN_OK : EDN_E_NOMEM;

    for (size_t i = 0; st == EDN_OK && i < k->p.parts_n; i++) {
        uint32_t docs = edn_segment_docs(k->p.parts[i].segment), at = 0;
        while (at < docs && (k->p.masks[i][at / 8] >> at % 8 & 1))
            at++;
        if (at < docs)
            own[n++] = k->p.parts[i];
    }
    if (st == EDN_OK && (st = image_of(k, &part, 1, &is)) == EDN_OK && (st = image_of(k, own, n, &should)) == EDN_OK)
        k->wrong |= !edn_bytes_equal(edn_buf_view(&is), edn_buf_view(&should));
    edn_buf_wipe(&is);
    edn_buf_wipe(&should);
    free(own);
    return st;
}

/* What it says is gone is. */
static edn_status compare_gone(comparing *k, const shard_item *it, edn_bytes packed)
{
    edn_buf raw = EDN_BUF_INIT((size_t)32 << 20);
    edn_arena a = edn_arena_init((size_t)256 << 20);
    shard_places places = {0};
    bool was;
    edn_status st = codec_unpack(k->a->c, packed, (size_t)32 << 20, &raw);

    if (st == EDN_OK)
        st = shard_places_decode(&a, edn_buf_view(&raw), it->docs, &places);
    for (size_t i = 0; st == EDN_OK && i < places.gone_n; i++) {
        const edn_entry_id *id = &places.gone[i];
        if ((st = id_set_add(&k->later, id, &was)) == EDN_OK && !was && !id_set_has(&k->changed, id))
            k->wrong |= live_find(k, id) != NULL;
    }
    edn_buf_wipe(&raw);
    edn_arena_dispose(&a);
    return st;
}

static edn_status compare_segment(comparing *k, const shard_item *it, const shard_body *body)
{
    edn_buf pages = EDN_BUF_INIT(EDN_SEGMENT_SIZE_MAX);
    uint32_t docs = 0;
    uint64_t size;
    size_t n;
    edn_status st = edn_image_decode(body->image, index_bytes_out, &pages, &docs, &size, NULL);

    if (st == EDN_OK && docs != it->docs)
        st = EDN_E_FORMAT;
    if (st == EDN_OK && !(k->mask = malloc(docs / 8 + 1)))
        st = EDN_E_NOMEM;
    if (st == EDN_OK)
        st = edn_segment_open(k->a->c->index->pages, size, index_bytes_get, &pages, &k->s);
    if (st == EDN_OK) {
        memset(k->mask, 0xff, docs / 8 + 1);
        st = choose_docs(k, it, &n);
        if (st == EDN_OK && n)
            st = compare_words(k);
    }
    for (size_t i = 0; i < k->p.parts_n; i++)
        memset(k->p.masks[i], 0xff, edn_segment_docs(k->p.parts[i].segment) / 8 + 1);
    if (st == EDN_OK)
        st = compare_gone(k, it, body->places);
    edn_segment_free(k->s);
    free(k->mask);
    k->s = NULL;
    k->mask = NULL;
    edn_buf_wipe(&pages);
    return st;
}

/* A body as it came; its seal and its name were good. */
static edn_status compare_part(comparing *k, const shard_item *it, edn_bytes padded)
{
    edn_buf raw = EDN_BUF_INIT(DICTIONARY_SIZE_MAX);
    shard_body body;
    edn_status st = shard_body_decode(padded, &body);

    k->wrong = false;
    if (st == EDN_OK && body.kind != it->kind)
        st = EDN_E_FORMAT;
    if (st == EDN_OK)
        st = it->kind == SHARD_DICTIONARY ? codec_unpack(k->a->c, body.image, DICTIONARY_SIZE_MAX, &raw)
                                          : compare_segment(k, it, &body);
    edn_buf_wipe(&raw);
    if (st == EDN_E_NOMEM || st == EDN_E_IO)
        return st;
    return st != EDN_OK ? bad_part(k->a, it, EDN_E_FORMAT, "is none that can be read")
           : k->wrong   ? bad_part(k->a, it, EDN_E_DAMAGED, "does not fit the entries")
                        : EDN_OK;
}

/* Entries that should stand in a part and do not. */
static edn_status compare_missing(comparing *k)
{
    const manifest *m = &k->p.known->manifest;
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < m->items_n && m->items[i].kind == SHARD_RANGE; i++) {
        range r = range_of(&k->p, &m->items[i]);
        bool missing = false, told = false;
        for (size_t at = r.lo; at < r.hi; at++)
            missing |= !k->seen[at] && !id_set_has(&k->changed, &k->p.live[at].id);
        for (size_t b = 0; b < k->a->bad_n; b++)
            told |= memcmp(k->a->bad[b].b, m->items[i].name.b, sizeof m->items[i].name.b) == 0;
        if (missing && !told)
            st = bad_part(k->a, &m->items[i], EDN_E_DAMAGED, "lacks entries of these days");
    }
    return st;
}

/* In a transaction: everything that the comparison stands on. */
static edn_status comparing_begin(comparing *k)
{
    publishing *p = &k->p;
    bool was;
    edn_status st;

    if ((st = publishing_places(p, p->known->cover, p->known->cover_n)) != EDN_OK ||
        (st = index_load(k->a->c)) != EDN_OK || (st = index_open_all(k->a->c)) != EDN_OK ||
        (st = publishing_live(p)) != EDN_OK)
        return st;
    for (size_t i = 0; st == EDN_OK && i < p->found_n; i++)
        st = id_set_add(&k->changed, &p->found[i].entry, &was);
    k->by_id = calloc(p->live_n + 1, sizeof *k->by_id);
    k->seen = calloc(p->live_n + 1, sizeof *k->seen);
    if (st != EDN_OK || !k->by_id || !k->seen)
        return EDN_E_NOMEM;
    for (size_t i = 0; i < p->live_n; i++)
        k->by_id[i] = &p->live[i];
    if (p->live_n)
        qsort(k->by_id, p->live_n, sizeof *k->by_id, live_id_compare);
    return EDN_OK;
}

static void comparing_dispose(comparing *k)
{
    free(k->by_id);
    free(k->seen);
    id_set_dispose(&k->later);
    id_set_dispose(&k->changed);
    publishing_dispose(&k->p);
}

/* The parts in `bodies`, of the manifest of this batch: one that was lost is empty, and told already. */
static edn_status compare_all(audit *a, const edn_place *of, const edn_bytes *bodies)
{
    comparing k = {.a = a};
    const manifest *m;
    edn_status st;

    publishing_init(&k.p, a->c);
    st = publishing_load(&k.p);
    if (st == EDN_OK && (!k.p.known_n || k.p.known->dseq != of->dseq ||
                         memcmp(k.p.known->device.b, of->device.b, sizeof of->device.b) != 0))
        st = EDN_E_CONFLICT;
    if (st == EDN_OK)
        st = comparing_begin(&k);
    if (st == EDN_OK) {
        bool all = true;
        m = &k.p.known->manifest;
        for (size_t i = m->items_n; st == EDN_OK && i--;) {
            all &= bodies[i].n > 0;
            if (bodies[i].n)
                st = compare_part(&k, &m->items[i], bodies[i]);
        }
        if (st == EDN_OK && all)
            st = compare_missing(&k);
    }
    comparing_dispose(&k);
    index_forget(a->c);
    return st;
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

typedef struct checking {
    audit a;
    asking q;
    publishing p;     /* as it was when the server was asked */
    edn_place *given; /* each device's newest manifest, as the server has it */
    size_t given_n;
    edn_bytes *bodies; /* of each item */
    edn_buf bytes;     /* of all of them, LP each */
    edn_verify_result *out;
    edn_finding_fn *fn;
    void *ctx;
    const edn_progress *progress;
} checking;

static void tell(void *ctx, edn_status st, const char *text)
{
    checking *k = ctx;
    edn_finding f = {.status = st, .time_ms = client_now(k->a.c)};

    snprintf(f.text, sizeof f.text, "%s", text);
    k->out->damaged++;
    if (k->fn)
        k->fn(k->ctx, &f);
}

static void tell_asked(void *ctx, const edn_finding *f) { tell(ctx, f->status, f->text); }

static edn_status note_given(void *ctx, const edn_sync_batch *b)
{
    checking *k = ctx;

    for (size_t i = 0; i < k->given_n; i++)
        if (memcmp(k->given[i].device.b, b->batch.header.device.b, sizeof k->given[i].device.b) == 0)
            k->given[i].dseq = b->batch.header.dseq;
    return EDN_OK;
}

/* The server gives a new device what it has said itself that it holds. */
static edn_status check_given(checking *k)
{
    edn_client *c = k->a.c;
    edn_sync_remote remote = {0};
    edn_place *ask = calloc(k->p.known_n + 1, sizeof *ask);
    edn_status st;

    k->given = calloc(k->p.known_n + 1, sizeof *k->given);
    if (!ask || !k->given) {
        free(ask);
        return edn_fail(k->q.err, EDN_E_NOMEM, "out of memory");
    }
    for (; k->given_n < k->p.known_n; k->given_n++)
        ask[k->given_n].device = k->given[k->given_n].device = k->p.known[k->given_n].device;
    st = asking_batches(&k->q, ask, k->given_n, note_given, k);
    free(ask);
    if (st == EDN_OK && (st = client_begin_read(c, k->q.err)) == EDN_OK)
        st = client_end_read(c, remote_load(c, &remote), k->q.err);
    for (size_t i = 0; st == EDN_OK && i < k->given_n; i++) {
        const edn_head *held = edn_heads_find(remote.heads, remote.heads_n, &k->given[i].device);
        char text[160], device[33];
        if (!held || held->dseq < k->p.known[i].dseq || k->given[i].dseq >= k->p.known[i].dseq)
            continue;
        edn_hex_encode(device, k->given[i].device.b, 4);
        snprintf(
            text, sizeof text,
            "the server gives a new device an older list of the search index than device %s has published, or none",
            device);
        tell(k, EDN_E_WITHHELD, text);
    }
    edn_wipe(remote.token, sizeof remote.token);
    edn_sync_remote_dispose(&remote);
    return st;
}

/* Opens what came; nothing is appended when it is not that. */
static edn_status take_part(checking *k, const shard_item *it, edn_bytes blob, bool came)
{
    edn_client *c = k->a.c;
    edn_buf padded = EDN_BUF_INIT(SHARD_SIZE_MAX);
    edn_status why = EDN_E_WITHHELD, st = client_begin_read(c, k->q.err);

    if (st == EDN_OK) {
        why = came ? blob_open(c, it, blob, &padded) : EDN_E_WITHHELD;
        st = why == EDN_E_NOMEM || why == EDN_E_IO ? why : EDN_OK;
        st = client_end_read(c, st, k->q.err);
    }
    if (st == EDN_OK && why != EDN_OK)
        st = bad_part(&k->a, it, why, came ? "is something else at the server" : "is not at the server");
    if (st == EDN_OK)
        edn_put_lp(&k->bytes, why == EDN_OK ? edn_buf_view(&padded) : EDN_BYTES_EMPTY);
    edn_buf_wipe(&padded);
    return st == EDN_OK ? edn_buf_status(&k->bytes) : st;
}

static edn_status fetch_parts(checking *k)
{
    const manifest *m = &k->p.known->manifest;
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < m->items_n; i++) {
        edn_buf blob = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
        edn_err said = {EDN_OK, ""};
        int status;
        if (k->progress && k->progress->fn && !k->progress->fn(k->progress->ctx, "fetching the index", i, m->items_n))
            st = edn_fail(k->q.err, EDN_E_CANCELLED, "stopped");
        if (st == EDN_OK) {
            edn_err *err = k->q.err;
            k->q.err = &said;
            st = asking_blob(&k->q, &m->items[i], &blob, &status);
            k->q.err = err;
            if (st == EDN_OK || status == 404 || status == 500)
                st = take_part(k, &m->items[i], edn_buf_view(&blob), st == EDN_OK && status < 300);
            else
                st = edn_fail(err, st, "%s", said.text);
        }
        edn_buf_dispose(&blob);
        k->out->parts += st == EDN_OK;
    }
    return st;
}

static edn_status compare_fetched(checking *k)
{
    edn_client *c = k->a.c;
    edn_reader r = edn_reader_init(edn_buf_view(&k->bytes));
    size_t n = k->p.known->manifest.items_n;
    edn_place of = {k->p.known->device, k->p.known->dseq};
    edn_status st;

    if (!(k->bodies = calloc(n + 1, sizeof *k->bodies)))
        return edn_fail(k->q.err, EDN_E_NOMEM, "out of memory");
    for (size_t i = 0; i < n; i++)
        k->bodies[i] = edn_read_lp(&r, SHARD_SIZE_MAX, "part");
    if ((st = client_begin_read(c, k->q.err)) == EDN_OK)
        st = client_end_read(c, compare_all(&k->a, &of, k->bodies), k->q.err);
    return st == EDN_E_CONFLICT ? edn_fail(k->q.err, st, "the index was published anew meanwhile; try again") : st;
}

/* What is published, when all of the diary is here. */
static edn_status look_here(checking *k, bool *any)
{
    edn_client *c = k->a.c;
    edn_status st = arriving_load(c);

    *any = false;
    if (st != EDN_OK || (st = publishing_load(&k->p)) != EDN_OK)
        return st;
    if (c->index->arriving || c->index->arriving_bad || (k->p.known_n && !covers(&k->p.h, k->p.known)))
        return EDN_E_INVALID;
    *any = k->p.known_n > 0;
    return EDN_OK;
}

edn_status edn_client_verify_published(edn_client *c, edn_finding_fn *fn, void *ctx, const edn_progress *progress,
                                       edn_verify_result *out, edn_err *err)
{
    edn_fetch_result none;
    checking k = {.out = out, .fn = fn, .ctx = ctx, .progress = progress, .bytes = EDN_BUF_INIT((size_t)512 << 20)};
    edn_fetch_options options = {.on_finding = tell_asked, .ctx = &k};
    bool any = false;
    edn_status st;

    memset(out, 0, sizeof *out);
    memset(&none, 0, sizeof none);
    k.a = (audit){.c = c, .tell = tell, .ctx = &k};
    k.q = (asking){.c = c, .options = &options, .out = &none, .err = err};
    publishing_init(&k.p, c);
    if ((st = index_prepare(c, progress, err)) == EDN_OK && (st = client_begin_read(c, err)) == EDN_OK) {
        st = look_here(&k, &any);
        st = client_end_read(c, st, st == EDN_E_INVALID ? NULL : err);
        if (st == EDN_E_INVALID)
            edn_fail(err, st, "not all of the diary is here yet; 'edn sync' brings it");
    }
    if (st == EDN_OK && any && (st = asking_sign_in(&k.q)) == EDN_OK && (st = check_given(&k)) == EDN_OK &&
        (st = fetch_parts(&k)) == EDN_OK && (st = compare_fetched(&k)) == EDN_OK)
        st = audit_mend(&k.a, err);
    edn_wipe(k.q.token, sizeof k.q.token);
    edn_buf_wipe(&k.bytes);
    free(k.bodies);
    free(k.given);
    publishing_dispose(&k.p);
    audit_dispose(&k.a);
    return st;
}

/* ---- mending ----------------------------------------------------------------------------------------------------- */

/* Parts that came from the server and do not open here, one after the other. */
static edn_status mend_arriving(audit *a, edn_err *err)
{
    edn_client *c = a->c;
    char text[160];

    for (;;) {
        edn_status st = client_begin_read(c, err);
        if (st != EDN_OK)
            return st;
        c->index->arriving_bad = 0;
        st = arriving_check(c);
        index_forget(c);
        if ((st = client_end_read(c, st, st == EDN_E_DAMAGED ? NULL : err)) != EDN_E_DAMAGED)
            return st;
        if ((st = client_begin_write(c, err)) != EDN_OK ||
            (st = client_end_write(c, arriving_mend(c, text), err)) != EDN_OK)
            return st;
        if (!text[0])
            return EDN_E_DAMAGED; /* nothing there is to blame */
        a->tell(a->ctx, EDN_E_DAMAGED, text);
    }
}

static edn_status mend_rows(audit *a, bool forget)
{
    edn_status st = forget ? published_forget(a->c) : EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < a->renew_n; i++)
        st = listed_renew(a->c, &a->renew[i].device, a->renew[i].dseq);
    for (size_t i = 0; st == EDN_OK && i < a->bad_n; i++)
        st = published_absent(a->c, &a->bad[i], true);
    return st;
}

edn_status audit_mend(audit *a, edn_err *err)
{
    edn_status st = mend_arriving(a, err);
    bool forget;

    if (st != EDN_OK || (st = client_begin_read(a->c, err)) != EDN_OK)
        return st;
    st = published_check(a->c);
    forget = st == EDN_E_DAMAGED;
    if ((st = client_end_read(a->c, forget ? EDN_OK : st, err)) != EDN_OK)
        return st;
    if (forget)
        a->tell(
            a->ctx, EDN_E_DAMAGED,
            "what this device noted of parts of the search index that it has published does not open; it is let go");
    if (!forget && !a->renew_n && !a->bad_n)
        return EDN_OK;
    if ((st = client_begin_write(a->c, err)) == EDN_OK)
        st = client_end_write(a->c, mend_rows(a, forget), err);
    return st;
}
