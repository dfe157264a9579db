/* What the other copy of this device has sent under the name that both of them had (SECURITY 2.8, clones).
 *
 * A device that was restored from a copy must give up its name, and say under a new one what it had said under the old.
 * But what was written and not yet sent when the copy was made is in both, and the other copy sends it under the old
 * name: said again, it would stand in the diary twice. So the other copy's batches are fetched first, and only what
 * they do not hold, event for event, is said again. */
#include "client/account/twin.h"

#include <stdlib.h>

#include "client/account/account_priv.h"

void twin_dispose(twin *t)
{
    edn_arena_dispose(&t->arena);
    free(t->batches);
    free(t->messages);
    edn_devlog_free(t->log);
    *t = (twin){.log = NULL};
}

/* ---- fetching ---------------------------------------------------------------------------------------------------- */

static edn_status keep_batch(twin *t, const edn_sync_batch *b)
{
    if (!edn_array_room(&t->batches, &t->batches_cap, t->batches_n + 1, sizeof *t->batches))
        return EDN_E_NOMEM;
    t->batches[t->batches_n++] = *b;
    return EDN_OK;
}

/* One batch of an answer: ours is checked in full and kept; of others only the head is remembered, so that they are not
 * sent again. EDN_E_SEQ: it is not good, and what follows it is none of ours. */
static edn_status take_batch(edn_client *c, twin *t, edn_bytes bytes, heads *h)
{
    edn_sync_view view = sync_view(c);
    edn_batch_check check = {.log = t->log, .space = client_id(c)->space, .last = t->last, .view = &view};
    edn_bytes kept;
    edn_batch raw;
    edn_sync_batch b;
    edn_head head;
    edn_hash inside;
    edn_status st = edn_batch_decode(bytes, &raw);

    if (st != EDN_OK)
        return EDN_E_SEQ;
    inside = edn_batch_c_hash(&raw);
    head = (edn_head){raw.header.device, raw.header.dseq, edn_batch_hash(&raw, &inside)};
    if (memcmp(head.device.b, t->last.device.b, sizeof head.device.b) == 0) {
        if (!edn_arena_copy(&t->arena, bytes, &kept))
            return EDN_E_NOMEM;
        st = edn_batch_check_run(&check, kept, &t->arena, &b);
        if (st == EDN_OK && (st = keep_batch(t, &b)) == EDN_OK)
            t->last = head;
        else
            return st == EDN_E_NOMEM ? st : EDN_E_SEQ;
    }
    return heads_set(h, &head);
}

static edn_status pull_once(edn_client *c, twin *t, const char *token, heads *h, bool *more, edn_err *err)
{
    edn_msg_pull ask = {.space = client_id(c)->space, .log_count = edn_devlog_count(t->log)};
    edn_buf rq = EDN_BUF_INIT((size_t)1 << 20), body = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_arena a = edn_arena_init((size_t)32 << 20);
    edn_msg_pulled got;
    edn_status st;

    *more = false;
    ask.heads = h->p;
    ask.heads_n = h->n;
    edn_pull_put(&rq, &ask);
    if ((st = edn_buf_status(&rq)) == EDN_OK)
        st = account_call(c, client_id(c)->server, "/v1/pull", token, edn_buf_view(&rq), &body, NULL, err);
    if (st == EDN_OK && (st = edn_pulled_decode(&a, edn_buf_view(&body), &got)) == EDN_OK) {
        for (size_t i = 0; st == EDN_OK && i < got.links_n; i++)
            st = edn_devlog_append(t->log, got.links[i]);
        for (size_t i = 0; st == EDN_OK && i < got.batches_n; i++)
            st = take_batch(c, t, got.batches[i], h);
        *more = st == EDN_OK && got.batches_n && (got.flags & EDN_PULLED_MORE);
    }
    edn_buf_dispose(&rq);
    edn_buf_dispose(&body);
    edn_arena_dispose(&a);
    return st;
}

/* What is not good here is for the engine to name: it counts as not there. */
static bool is_own_trouble(edn_status st)
{
    return st == EDN_E_NOMEM || st == EDN_E_NETWORK || st == EDN_E_RATE || st == EDN_E_DENIED || st == EDN_E_TLS;
}

static edn_status agreed_head(edn_client *c, twin *t, const edn_device_id *device, uint64_t dseq, heads *h)
{
    edn_status st = heads_load(c, h);

    t->last = (edn_head){.device = *device, .dseq = dseq};
    if (st == EDN_OK && dseq == 0) {
        st = heads_remove(h, device);
        return st == EDN_E_MISSING ? EDN_OK : st; /* a reader's has none */
    }
    if (st == EDN_OK)
        st = batch_hash_load(c, device, dseq, &t->last.hash);
    return st == EDN_OK ? heads_set(h, &t->last) : st;
}

edn_status twin_fetch(edn_client *c, const char *token, uint64_t dseq, twin *t, edn_err *err)
{
    const edn_device_id device = client_id(c)->device;
    heads h = {NULL, 0};
    bool more = true;
    edn_status st;

    *t = (twin){.arena = edn_arena_init(EDN_BUF_UNLIMITED)};
    if ((st = client_begin_read(c, err)) == EDN_OK) {
        if ((st = edn_devlog_copy(c->log, &t->log)) == EDN_OK)
            st = agreed_head(c, t, &device, dseq, &h);
        st = client_end_read(c, st, err);
    }
    while (st == EDN_OK && more) {
        edn_err ignored;
        st = pull_once(c, t, token, &h, &more, &ignored);
        if (st != EDN_OK && is_own_trouble(st))
            edn_fail(err, st, "%s", ignored.text);
        else if (st != EDN_OK)
            st = EDN_OK, more = false;
    }
    heads_dispose(&h);
    return st;
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

static int compare_messages(const void *a, const void *b)
{
    const twin_message *x = a, *y = b;
    int d = memcmp(x->entry.b, y->entry.b, sizeof x->entry.b);

    return d ? d : (x->place > y->place) - (x->place < y->place);
}

static edn_status keep_message(twin *t, const edn_entry_id *entry, edn_bytes message)
{
    twin_message *m;

    if (!edn_array_room(&t->messages, &t->messages_cap, t->messages_n + 1, sizeof *t->messages))
        return EDN_E_NOMEM;
    m = &t->messages[t->messages_n];
    *m = (twin_message){.entry = *entry, .place = t->messages_n};
    if (!edn_arena_copy(&t->arena, message, &m->bytes))
        return EDN_E_NOMEM;
    t->messages_n++;
    return EDN_OK;
}

edn_status twin_read(edn_client *c, twin *t)
{
    edn_buf message = EDN_BUF_INIT((size_t)4 << 20);
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < t->batches_n; i++)
        st = records_take_keys(c, &t->batches[i]);
    for (size_t i = 0; st == EDN_OK && i < t->batches_n; i++) {
        const edn_sync_batch *b = &t->batches[i];
        for (uint32_t k = 0; st == EDN_OK && k < b->body.records_n; k++) {
            const edn_record *r = &b->body.records[k];
            record_head head;
            if (!record_has_events(r->type))
                continue;
            edn_buf_reset(&message);
            st = record_message(c, &b->batch.header, r, k, &message, &head);
            if (st == EDN_OK)
                st = keep_message(t, &r->entry, edn_buf_view(&message));
            else if (record_is_at_fault(st))
                st = EDN_OK;
        }
    }
    edn_buf_wipe(&message);
    if (t->messages_n)
        qsort(t->messages, t->messages_n, sizeof *t->messages, compare_messages);
    return st;
}

/* All of an agent's events from `seq` on, as messages on end. */
static edn_status put_events(const edn_doc *doc, edn_agent_id agent, uint64_t seq, edn_buf *out)
{
    uint64_t end = edn_doc_agent_next(doc, agent);
    edn_status st = EDN_OK;

    edn_buf_reset(out);
    while (st == EDN_OK && seq < end)
        st = edn_doc_encode_events(doc, agent, seq, MESSAGE_SIZE_MAX, out, &seq);
    return st == EDN_OK ? edn_buf_status(out) : st;
}

/* Whether both hold the same events of the agent in [from, until). */
static edn_status same_until(const edn_doc *a, const edn_doc *b, edn_agent_id agent, uint64_t from, uint64_t until,
                             bool *same)
{
    edn_buf x = EDN_BUF_INIT(EDN_BUF_UNLIMITED), y = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_doc *da = NULL, *db = NULL;
    edn_status st;

    *same = false;
    if ((st = edn_doc_without(a, agent, until, &da)) == EDN_OK &&
        (st = edn_doc_without(b, agent, until, &db)) == EDN_OK && (st = put_events(da, agent, from, &x)) == EDN_OK &&
        (st = put_events(db, agent, from, &y)) == EDN_OK)
        *same = edn_bytes_equal(edn_buf_view(&x), edn_buf_view(&y));
    edn_doc_free(da);
    edn_doc_free(db);
    edn_buf_wipe(&x);
    edn_buf_wipe(&y);
    return st == EDN_E_NOMEM ? st : EDN_OK; /* what cannot be cut there cannot be the same */
}

/* Both histories from the same beginning, so that equal events have equal bytes. */
static edn_status two_histories(const twin *t, size_t first, size_t n, const edn_doc *shown, edn_agent_id agent,
                                uint64_t from, edn_doc **mine, edn_doc **theirs)
{
    edn_buf message = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    uint64_t end = edn_doc_agent_next(shown, agent);
    edn_status st;

    if ((st = edn_doc_without(shown, agent, from, mine)) != EDN_OK ||
        (st = edn_doc_without(shown, agent, from, theirs)) != EDN_OK)
        return st;
    for (uint64_t seq = from; st == EDN_OK && seq < end;) {
        edn_buf_reset(&message);
        st = edn_doc_encode_events(shown, agent, seq, MESSAGE_SIZE_MAX, &message, &seq);
        if (st == EDN_OK)
            st = edn_doc_merge(*mine, edn_buf_view(&message), NULL, NULL);
    }
    edn_buf_wipe(&message);
    for (size_t i = first; st == EDN_OK && i < first + n; i++) {
        st = edn_doc_merge(*theirs, t->messages[i].bytes, NULL, NULL);
        if (st != EDN_OK && st != EDN_E_NOMEM)
            return EDN_OK; /* what it needs is not here: so far they can be compared */
    }
    return st;
}

edn_status twin_agrees(const twin *t, const edn_entry_id *id, const edn_doc *shown, edn_agent_id agent, uint64_t from,
                       uint64_t *until)
{
    edn_doc *mine = NULL, *theirs = NULL;
    size_t first = 0, n = 0;
    uint64_t hi;
    bool same = true;
    edn_status st;

    *until = from;
    while (first < t->messages_n && memcmp(t->messages[first].entry.b, id->b, sizeof id->b) < 0)
        first++;
    while (first + n < t->messages_n && memcmp(t->messages[first + n].entry.b, id->b, sizeof id->b) == 0)
        n++;
    if (n == 0)
        return EDN_OK;
    if ((st = two_histories(t, first, n, shown, agent, from, &mine, &theirs)) == EDN_OK) {
        hi = EDN_MIN(edn_doc_agent_next(mine, agent), edn_doc_agent_next(theirs, agent));
        while (st == EDN_OK && *until < hi) { /* the most likely first: all of it */
            uint64_t mid = same ? hi : *until + (hi - *until + 1) / 2;
            if ((st = same_until(mine, theirs, agent, from, mid, &same)) == EDN_OK && same)
                *until = mid;
            else
                hi = mid - 1;
            same = false;
        }
    }
    edn_doc_free(mine);
    edn_doc_free(theirs);
    return st == EDN_E_NOMEM ? st : EDN_OK;
}
