/* What a new device asks its server for before anything else: each device's newest manifest, the blobs of the one in
 * force, and the batches that hold what is opened. Every answer may be hostile; what is not as it must be is named, and
 * left out until the entries are here. */
#include "client/finding/fetching.h"

#include "client/account/account_priv.h"
#include "client/finding/arriving.h"
#include "client/finding/published.h"
#include "search/image.h"

#include <stdio.h>
#include <stdlib.h>

#define QUIET_GROUP 8u

/* ---- asking the server ------------------------------------------------------------------------------------------- */

edn_status asking_sign_in(asking *q)
{
    edn_client *c = q->c;
    const identity *id = client_id(c);
    edn_msg_challenge_ask ask = {.kind = EDN_LOGIN_DEVICE, .account = id->account, .device = id->device};
    edn_msg_login login = {.kind = EDN_LOGIN_DEVICE, .device = id->device};
    edn_sync_remote remote = {0};
    edn_arena a = edn_arena_init(1 << 16);
    edn_msg_challenge ch;
    edn_status st = client_begin_read(c, q->err);

    if (st == EDN_OK) {
        st = client_end_read(c, remote_load(c, &remote), q->err);
        if (client_now(c) / 1000 + (uint64_t)remote.clock_offset_s + 60 < remote.token_expires_s)
            memcpy(q->token, remote.token, sizeof q->token);
        edn_wipe(remote.token, sizeof remote.token);
        edn_sync_remote_dispose(&remote);
    }
    if (st == EDN_OK && !q->token[0]) {
        client_random(c, ask.client_nonce, sizeof ask.client_nonce);
        memcpy(login.client_nonce, ask.client_nonce, sizeof login.client_nonce);
        if ((st = account_challenge(c, id, &ask, &a, &ch, q->err)) == EDN_OK)
            st = account_sign_in(c, id, &ch, &login, &id->sign_sk, q->token, q->err);
    }
    edn_arena_dispose(&a);
    return st;
}

static void tell(asking *q, edn_status st, const char *text)
{
    edn_finding f = {.status = st, .time_ms = client_now(q->c)};

    snprintf(f.text, sizeof f.text, "%s", text);
    if (client_begin_write(q->c, NULL) == EDN_OK)
        (void)client_end_write(q->c, finding_save(q->c, &f), NULL); /* it is told below in any case */
    if (q->options && q->options->on_finding)
        q->options->on_finding(q->options->ctx, &f);
}

static edn_status batch_check(asking *q, const edn_place *at, edn_bytes bytes, edn_arena *a, edn_sync_batch *out)
{
    edn_client *c = q->c;
    edn_sync_view view = sync_view(c);
    edn_batch_check check = {.log = c->log, .space = client_id(c)->space, .view = &view};
    edn_batch b;
    edn_status st = edn_batch_decode(bytes, &b);

    if (st != EDN_OK)
        return st;
    if (memcmp(b.header.device.b, at->device.b, sizeof at->device.b) != 0 || b.header.dseq == 0 ||
        (at->dseq ? b.header.dseq != at->dseq : b.header.kind != EDN_BATCH_INDEX))
        return EDN_E_AUTH; /* a good one perhaps, and not what was asked for */
    /* What is before it is not here: that it follows is seen when it comes in its turn. */
    check.last = (edn_head){at->device, b.header.dseq - 1, b.header.prev};
    return edn_batch_check_run(&check, bytes, a, out);
}

static edn_status batches_check(asking *q, const edn_place *places, const edn_msg_batches *m, asking_batch_fn *fn,
                                void *ctx)
{
    char text[200], device[33];
    edn_status st = client_begin_write(q->c, q->err), bad = EDN_OK;
    size_t worst = 0;

    if (st != EDN_OK)
        return st;
    for (size_t i = 0; st == EDN_OK && i < m->batches_n; i++) {
        edn_arena a = edn_arena_init(BATCH_ARENA_SIZE_MAX);
        edn_sync_batch b;
        edn_status good = m->batches[i].n ? batch_check(q, &places[i], m->batches[i], &a, &b) : EDN_E_MISSING;
        if (good == EDN_OK) {
            st = fn(ctx, &b);
        } else if (good == EDN_E_NOMEM || good == EDN_E_IO) {
            st = good;
        } else if (good != EDN_E_MISSING || places[i].dseq) {
            bad = good;
            worst = i;
        }
        edn_arena_dispose(&a);
    }
    if ((st = client_end_write(q->c, st, q->err)) != EDN_OK || bad == EDN_OK)
        return st;
    edn_hex_encode(device, places[worst].device.b, 4);
    snprintf(
        text, sizeof text,
        "the server %s something else in place of a batch of device %s that was asked for ahead of its turn; it is "
        "left out until all is synced",
        bad == EDN_E_MISSING ? "has nothing or" : "gives", device);
    tell(q, bad == EDN_E_MISSING ? EDN_E_WITHHELD : bad, text);
    return EDN_OK;
}

edn_status asking_batches(asking *q, const edn_place *places, size_t n, asking_batch_fn *fn, void *ctx)
{
    edn_status st = EDN_OK;

    while (st == EDN_OK && n) {
        edn_msg_batch_ask ask = {client_id(q->c)->space, NULL, EDN_MIN(n, (size_t)EDN_PLACES_MAX)};
        edn_buf rq = EDN_BUF_INIT(EDN_MSG_SIZE_MAX), body = EDN_BUF_INIT(EDN_PULL_SIZE_MAX + 4096u);
        edn_arena a = edn_arena_init((size_t)1 << 20);
        edn_place *list = edn_arena_calloc(&a, ask.places_n, sizeof *list);
        edn_msg_batches m = {NULL, 0};
        if (list) {
            memcpy(list, places, ask.places_n * sizeof *list);
            ask.places = list;
            edn_batch_ask_put(&rq, &ask);
            st = edn_buf_status(&rq);
        } else {
            st = EDN_E_NOMEM;
        }
        if (st == EDN_OK)
            st = account_call(q->c, client_id(q->c)->server, "/v1/batches", q->token, edn_buf_view(&rq), &body, NULL,
                              q->err);
        if (st == EDN_OK && (edn_batches_decode(&a, edn_buf_view(&body), &m) != EDN_OK || m.batches_n > ask.places_n ||
                             m.batches_n == 0))
            st = edn_fail(q->err, EDN_E_SERVER, "%s: the answer is not of the EDN protocol", client_id(q->c)->server);
        if (st == EDN_OK)
            st = batches_check(q, places, &m, fn, ctx);
        places += m.batches_n;
        n -= m.batches_n;
        edn_buf_dispose(&rq);
        edn_buf_dispose(&body);
        edn_arena_dispose(&a);
    }
    return st;
}

/* ---- the manifest ------------------------------------------------------------------------------------------------ */

static edn_status take_listed(void *ctx, const edn_sync_batch *b)
{
    edn_status st = listed_take(ctx, b);

    if (st == EDN_OK)
        st = records_take_keys(ctx, b);
    return record_is_at_fault(st) ? EDN_OK : st;
}

static edn_status find_manifest(asking *q)
{
    edn_client *c = q->c;
    const edn_devlog *log = c->log;
    size_t n = 0, devices = 0;
    edn_place *places;
    bool changed;
    edn_status st = EDN_OK;

    /* Older root keys first: a manifest may be of an epoch before this device came. */
    if (edn_devlog_epoch(log) > 0 && (st = roots_fetch(c, q->token, &changed, q->err)) != EDN_OK)
        return st;
    while (edn_devlog_device(log, devices))
        devices++;
    places = calloc(devices + 1, sizeof *places);
    if (!places)
        return edn_fail(q->err, EDN_E_NOMEM, "out of memory");
    for (size_t i = 0; i < devices; i++) {
        const edn_device *d = edn_devlog_device(log, i);
        if (memcmp(d->id.b, client_id(c)->device.b, sizeof d->id.b) != 0)
            places[n++].device = d->id;
    }
    st = asking_batches(q, places, n, take_listed, c);
    free(places);
    if (st == EDN_OK && (st = client_begin_write(c, q->err)) == EDN_OK)
        st = client_end_write(c, arriving_begin(c, q->options && q->options->quiet), q->err);
    return st;
}

/* ---- blobs ------------------------------------------------------------------------------------------------------- */

edn_status asking_blob(asking *q, const shard_item *it, edn_buf *out, int *status)
{
    char path[BLOB_PATH_SIZE_MAX];

    blob_path(path, &it->name);
    *status = 0;
    return account_call(q->c, client_id(q->c)->server, path, q->token, EDN_BYTES_EMPTY, out, status, q->err);
}

typedef struct part_out {
    edn_client *c;
    const shard_item *item;
} part_out;

static edn_status page_out(void *ctx, uint32_t page, edn_bytes bytes)
{
    const part_out *p = ctx;
    arriving_key k;

    return edn_store_put(p->c->store, EDN_TABLE_INDEX, arriving_page_key(&k, p->item, page), bytes);
}

static edn_status keep_dictionary(edn_client *c, edn_bytes packed)
{
    edn_buf bytes = EDN_BUF_INIT(DICTIONARY_SIZE_MAX);
    edn_status st = codec_unpack(c, packed, DICTIONARY_SIZE_MAX, &bytes);

    if (st == EDN_OK)
        st = dictionary_save(c, edn_buf_view(&bytes), 0);
    edn_buf_wipe(&bytes);
    return st;
}

/* Inside a transaction that writes: an authentic blob becomes rows. */
static edn_status keep_body(edn_client *c, const shard_item *it, edn_bytes padded, uint64_t *size)
{
    part_out out = {c, it};
    edn_arena a = edn_arena_init((size_t)256 << 20);
    shard_places places;
    shard_body body;
    uint32_t docs = 0;
    arriving_key k;
    edn_status st = shard_body_decode(padded, &body);

    *size = 0;
    if (st == EDN_OK && body.kind != it->kind)
        st = EDN_E_FORMAT;
    if (st == EDN_OK && it->kind == SHARD_DICTIONARY) {
        st = keep_dictionary(c, body.image);
    } else if (st == EDN_OK && (st = arriving_rows_drop(c, it)) == EDN_OK &&
               (st = edn_image_decode(body.image, page_out, &out, &docs, size, NULL)) == EDN_OK &&
               (st = docs == it->docs ? EDN_OK : EDN_E_FORMAT) == EDN_OK &&
               (st = edn_store_put(c->store, EDN_TABLE_INDEX, arriving_places_key(&k, it), body.places)) == EDN_OK) {
        st = arriving_places(c, it, &a, &places);
    }
    edn_arena_dispose(&a);
    return st == EDN_E_DAMAGED ? EDN_E_FORMAT : st;
}

/* Keeps what came, or that nothing good did: *why. */
static edn_status keep_blob(asking *q, size_t i, edn_bytes blob, bool came, edn_status *why)
{
    edn_client *c = q->c;
    edn_buf padded = EDN_BUF_INIT(SHARD_SIZE_MAX);
    const shard_item *it;
    arriving *x;
    edn_status st = arriving_load(c);

    *why = EDN_OK;
    x = c->index->arriving;
    if (st != EDN_OK || !x || i >= x->manifest.items_n)
        return st;
    it = &x->manifest.items[i];
    *why = came ? blob_open(c, it, blob, &padded) : EDN_E_WITHHELD;
    if (*why == EDN_OK)
        *why = keep_body(c, it, edn_buf_view(&padded), &x->shards[i].size);
    edn_buf_wipe(&padded);
    if (*why == EDN_OK) {
        x->shards[i].state = ARRIVING_HERE;
    } else if (record_is_at_fault(*why) || *why == EDN_E_WITHHELD || *why == EDN_E_EXISTS) {
        x->shards[i].state = ARRIVING_LOST;
        if ((st = arriving_rows_drop(c, it)) == EDN_OK)
            st = published_absent(c, &it->name, false);
    } else {
        return *why;
    }
    return st == EDN_OK ? arriving_save(c) : st;
}

static void tell_lost(asking *q, const shard_item *it, edn_status why)
{
    char text[300], days[48];

    arriving_days(it, days);
    snprintf(
        text, sizeof text,
        "the server %s for the part %s of the search index; %s once its entries are here, and it is made anew from "
        "them",
        why == EDN_E_WITHHELD ? "has nothing" : "gives something else", days,
        it->kind == SHARD_RECENT ? "what was changed may be found as it was before, and is right"
                                 : "what it is of is found");
    tell(q, why, text);
}

static edn_status fetch_blob(asking *q, size_t i, const shard_item *it)
{
    edn_buf blob = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_err said = {EDN_OK, ""}, *err = q->err;
    int status;
    edn_status st, why = EDN_OK;

    q->err = &said;
    st = asking_blob(q, it, &blob, &status);
    q->err = err;
    if (st == EDN_OK || status == 404 || status == 500) {
        if ((st = client_begin_write(q->c, q->err)) == EDN_OK)
            st = client_end_write(q->c, keep_blob(q, i, edn_buf_view(&blob), st == EDN_OK && status < 300, &why),
                                  q->err);
        if (st == EDN_OK && why != EDN_OK)
            tell_lost(q, it, why);
    } else {
        st = edn_fail(q->err, st, "%s", said.text);
    }
    edn_buf_dispose(&blob);
    return st;
}

/* Recent ones first, then the newest days; at last dictionaries. */
static size_t next_wanted(const arriving *x, const bool *tried)
{
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = x->manifest.items_n; i--;)
            if (!tried[i] && x->shards[i].state == ARRIVING_WANTED &&
                (x->manifest.items[i].kind == SHARD_DICTIONARY) == pass)
                return i;
    return SIZE_MAX;
}

static bool go_on(asking *q, size_t done, size_t total)
{
    const edn_progress *p = q->options ? q->options->progress : NULL;
    return !p || !p->fn || p->fn(p->ctx, "fetching the index", done, total);
}

/* Fills a group of requests with some whose answers are here already. */
static edn_status fill_group(asking *q, const shard_item *items, size_t n, size_t asked)
{
    edn_status st = EDN_OK;

    for (; st == EDN_OK && n && asked % QUIET_GROUP; asked++) {
        edn_buf blob = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
        uint32_t which;
        int status;
        client_random(q->c, &which, sizeof which);
        st = asking_blob(q, &items[which % n], &blob, &status);
        st = status >= 400 ? EDN_OK : st; /* what is lost was named when it was wanted */
        edn_buf_dispose(&blob);
    }
    return st;
}

static edn_status fetch_blobs(asking *q)
{
    edn_arena a = edn_arena_init((size_t)4 << 20);
    bool *tried = calloc(MANIFEST_ITEMS_MAX + 1, sizeof *tried), quiet = false;
    shard_item *items = calloc(MANIFEST_ITEMS_MAX + 1, sizeof *items);
    size_t n = 0, asked = 0, at = 0;
    edn_status st = tried && items ? EDN_OK : EDN_E_NOMEM;

    while (st == EDN_OK && at != SIZE_MAX) {
        if ((st = client_begin_read(q->c, q->err)) != EDN_OK)
            break;
        if ((st = arriving_load(q->c)) == EDN_OK && q->c->index->arriving) {
            const arriving *x = q->c->index->arriving;
            quiet = x->quiet;
            n = x->manifest.items_n;
            memcpy(items, x->manifest.items, n * sizeof *items);
            at = next_wanted(x, tried);
            q->out->parts = q->out->parts_here = 0;
            for (size_t i = 0; i < n; i++) {
                q->out->parts++;
                q->out->parts_here += x->shards[i].state == ARRIVING_HERE;
            }
        } else {
            at = SIZE_MAX;
        }
        st = client_end_read(q->c, st, q->err);
        if (st != EDN_OK || at == SIZE_MAX)
            break;
        tried[at] = true;
        if (!go_on(q, q->out->parts_here, n))
            st = edn_fail(q->err, EDN_E_CANCELLED, "stopped; the next search goes on from here");
        else
            st = fetch_blob(q, at, &items[at]);
        asked++;
    }
    if (st == EDN_OK && quiet)
        st = fill_group(q, items, n, asked);
    free(tried);
    free(items);
    edn_arena_dispose(&a);
    return st;
}

static bool some_wanted(const arriving *x)
{
    for (size_t i = 0; i < x->manifest.items_n; i++)
        if (x->shards[i].state == ARRIVING_WANTED)
            return true;
    return false;
}

/* What is damaged of what came before is wanted again. */
static edn_status mend_arriving(asking *q)
{
    char text[160];
    edn_status st = client_begin_write(q->c, q->err);

    if (st == EDN_OK)
        st = client_end_write(q->c, arriving_mend(q->c, text), q->err);
    if (st == EDN_OK && text[0])
        tell(q, EDN_E_DAMAGED, text);
    return st;
}

/* Whether there is something to fetch: for a device that is not the first and has not synced yet, or one that is not
 * done. EDN_E_DAMAGED: something is to be mended before that can be said. */
static edn_status is_wanted(edn_client *c, bool *begun, bool *wanted)
{
    heads h = {NULL, 0};
    const arriving *x;
    edn_status st = arriving_load(c);

    *begun = *wanted = false;
    x = c->index->arriving;
    if (st != EDN_OK || !client_id(c)->server[0])
        return st;
    if (c->index->arriving_bad == ARRIVING_BAD_LIST)
        return EDN_E_DAMAGED;
    if (x) {
        *begun = true;
        *wanted = some_wanted(x);
        return EDN_OK;
    }
    if ((st = heads_load(c, &h)) == EDN_OK)
        *wanted = h.n == 0 && edn_devlog_device(c->log, 1) != NULL;
    heads_dispose(&h);
    return st;
}

edn_status edn_client_fetch_index(edn_client *c, const edn_fetch_options *options, edn_fetch_result *out, edn_err *err)
{
    edn_fetch_result none;
    asking q = {.c = c, .options = options, .out = out ? out : &none, .err = err};
    uint64_t received = c->bytes_received;
    bool begun = false, wanted = false;
    edn_status st = client_begin_read(c, err);

    memset(q.out, 0, sizeof *q.out);
    if (st == EDN_OK)
        st = client_end_read(c, is_wanted(c, &begun, &wanted), err);
    if (st == EDN_E_DAMAGED && c->index->arriving_bad && (st = mend_arriving(&q)) == EDN_OK &&
        (st = client_begin_read(c, err)) == EDN_OK)
        st = client_end_read(c, is_wanted(c, &begun, &wanted), err);
    if (st == EDN_OK && wanted) {
        if ((st = asking_sign_in(&q)) == EDN_OK && !begun)
            st = find_manifest(&q);
        if (st == EDN_OK)
            st = fetch_blobs(&q);
    }
    q.out->bytes_received = c->bytes_received - received;
    edn_wipe(q.token, sizeof q.token);
    return st;
}

/* ---- one entry ahead of its turn --------------------------------------------------------------------------------- */

typedef struct wanted_entry {
    asking q;
    const edn_entry_id *id;
    edn_place *places;
    size_t n, cap;
    edn_buf batches; /* LP each, of those that hold records of it */
    bool quiet;
} wanted_entry;

static edn_status place_add(wanted_entry *w, const edn_place *at)
{
    for (size_t i = 0; i < w->n; i++)
        if (memcmp(w->places[i].device.b, at->device.b, sizeof at->device.b) == 0 && w->places[i].dseq == at->dseq)
            return EDN_OK;
    if (!edn_array_room(&w->places, &w->cap, w->n + 1, sizeof *w->places))
        return EDN_E_NOMEM;
    w->places[w->n++] = *at;
    return EDN_OK;
}

/* Where its records are, as far as shards say; and others for company. */
static edn_status find_places(wanted_entry *w)
{
    edn_client *c = w->q.c;
    arriving *x;
    edn_status st;

    if ((st = arriving_load(c)) != EDN_OK)
        return st;
    if (!(x = c->index->arriving))
        return c->index->arriving_bad ? EDN_E_DAMAGED : EDN_E_MISSING;
    w->quiet = x->quiet;
    if ((st = index_open_pages(c)) != EDN_OK || (st = arriving_open(c)) != EDN_OK)
        return st;
    for (size_t i = 0; st == EDN_OK && i < x->manifest.items_n; i++) {
        edn_arena a = edn_arena_init((size_t)256 << 20);
        shard_places p;
        uint32_t at, other;
        if (x->shards[i].segment) {
            st = edn_segment_find(x->shards[i].segment, w->id, EDN_DATE_ANY, &at);
            if (st == EDN_OK && (st = arriving_places(c, &x->manifest.items[i], &a, &p)) == EDN_OK) {
                for (uint32_t k = p.begin[at]; st == EDN_OK && k < p.begin[at + 1]; k++)
                    st = place_add(w, &p.places[k]);
                while (st == EDN_OK && w->quiet && w->n % QUIET_GROUP && p.begin[p.docs] > QUIET_GROUP * QUIET_GROUP) {
                    client_random(c, &other, sizeof other);
                    st = place_add(w, &p.places[other % p.begin[p.docs]]);
                }
            }
            if (st == EDN_E_DAMAGED || st == EDN_E_FORMAT)
                c->index->arriving_bad = i + 1;
            st = st == EDN_E_MISSING ? EDN_OK : st;
        }
        edn_arena_dispose(&a);
    }
    return st == EDN_OK && w->n == 0 ? EDN_E_MISSING : st;
}

/* The same in transactions, and again when parts that were damaged or not here yet have been fetched: each time there
 * are fewer of them. */
static edn_status look_for_places(wanted_entry *w)
{
    edn_client *c = w->q.c;

    for (size_t mended = 0, asked = 0;; mended++) {
        edn_status st = client_begin_read(c, w->q.err);
        bool bad, unknown;
        if (st != EDN_OK)
            return st;
        w->n = 0;
        c->index->arriving_bad = 0;
        st = find_places(w);
        bad = (st == EDN_E_DAMAGED || st == EDN_E_FORMAT) && c->index->arriving_bad && mended <= MANIFEST_ITEMS_MAX;
        unknown = st == EDN_E_MISSING && c->index->arriving && some_wanted(c->index->arriving) && asked++ == 0;
        index_forget(c);
        st = client_end_read(c, st, st == EDN_E_MISSING || bad ? NULL : w->q.err);
        if (!bad && !unknown)
            return st;
        if ((bad && (st = mend_arriving(&w->q)) != EDN_OK) || (st = asking_sign_in(&w->q)) != EDN_OK ||
            (st = fetch_blobs(&w->q)) != EDN_OK)
            return st;
    }
}

static edn_status keep_batch(void *ctx, const edn_sync_batch *b)
{
    wanted_entry *w = ctx;

    edn_put_lp(&w->batches, b->batch.bytes);
    return edn_buf_status(&w->batches);
}

/* Inside a transaction that writes: the records of one entry, in whatever order they need. */
static edn_status take_entry(wanted_entry *w)
{
    edn_client *c = w->q.c;
    edn_arena a = edn_arena_init((size_t)256 << 20);
    edn_reader r = edn_reader_init(edn_buf_view(&w->batches));
    size_t n = 0;
    edn_sync_batch *list = edn_arena_calloc(&a, w->n + 1, sizeof *list);
    edn_status st = list ? EDN_OK : EDN_E_NOMEM;

    while (st == EDN_OK && edn_reader_left(&r) > 0 && n < w->n) {
        edn_bytes bytes = edn_read_lp(&r, EDN_BATCH_SIZE_MAX, "batch");
        edn_batch b;
        edn_place at;
        if ((st = edn_batch_decode(bytes, &b)) == EDN_OK) {
            at = (edn_place){b.header.device, b.header.dseq};
            st = batch_check(&w->q, &at, bytes, &a, &list[n++]);
        }
    }
    if (st == EDN_OK)
        st = inbox_take_entry(c, list, n, w->id);
    edn_arena_dispose(&a);
    return st;
}

edn_status arriving_fetch_entry(edn_client *c, const edn_entry_id *id, edn_err *err)
{
    edn_fetch_result none;
    wanted_entry w = {.q = {.c = c, .out = &none, .err = err}, .id = id, .batches = EDN_BUF_INIT((size_t)256 << 20)};
    edn_status st;

    memset(&none, 0, sizeof none);
    st = look_for_places(&w);
    if (st == EDN_OK && (st = asking_sign_in(&w.q)) == EDN_OK && (st = fetch_blobs(&w.q)) == EDN_OK &&
        (st = asking_batches(&w.q, w.places, w.n, keep_batch, &w)) == EDN_OK &&
        (st = client_begin_write(c, err)) == EDN_OK)
        st = client_end_write(c, take_entry(&w), err);
    edn_wipe(w.q.token, sizeof w.q.token);
    edn_buf_dispose(&w.batches);
    free(w.places);
    return st;
}
