/* Giving up an id: the disk of this device was copied, and the other copy has used the numbers of its batches for
 * something else (SECURITY 2.8). Those batches are taken back, and what they said is said again under the new id. */
#include "client/sharing/space.h"
#include "client/account/twin.h"

#include <stdlib.h>

/* For each document, its events from `seq_from` on are to be written again; a document may stand here several times. */
typedef struct reissue_item {
    edn_entry_id id;
    uint64_t seq_from;
} reissue_item;

typedef struct reissue {
    reissue_item *p;
    size_t n, cap;
} reissue;

static edn_status reissue_note(reissue *x, const edn_entry_id *id, uint64_t seq_from)
{
    if (!edn_array_room(&x->p, &x->cap, x->n + 1, sizeof *x->p))
        return EDN_E_NOMEM;
    x->p[x->n++] = (reissue_item){*id, seq_from};
    return EDN_OK;
}

static int compare_items(const void *a, const void *b)
{
    const reissue_item *x = a, *y = b;
    int d = memcmp(x->id.b, y->id.b, sizeof x->id.b);

    return d ? d : (x->seq_from > y->seq_from) - (x->seq_from < y->seq_from);
}

static edn_status reissue_batch(edn_client *c, const edn_device_id *old, uint64_t dseq, reissue *x)
{
    edn_arena a = edn_arena_init(BATCH_ARENA_SIZE_MAX);
    edn_buf message = EDN_BUF_INIT((size_t)4 << 20);
    edn_batch b;
    edn_body body;
    record_head head;
    edn_status st = batch_reopen(c, old, dseq, &a, &b, &body);

    for (uint32_t i = 0; st == EDN_OK && i < body.records_n; i++) {
        if (body.records[i].type == EDN_RECORD_JOURNAL_KEY) {
            st = keys_journal_resend(c, &body.records[i].journal, body.records[i].journal_epoch);
            continue;
        }
        if (body.records[i].type == EDN_RECORD_DICTIONARY) {
            st = dictionary_drop(c); /* nobody has it: the next batches go without, until one is trained again */
            continue;
        }
        if (b.header.kind == EDN_BATCH_SNAPSHOT)
            continue; /* it said nothing that is not said elsewhere */
        if (body.records[i].type == EDN_RECORD_INDEX)
            continue; /* the next to be published says it anew */
        edn_buf_reset(&message);
        if (body.records[i].type == EDN_RECORD_STATEMENT)
            continue; /* it was of the old name: the new one is proved by another */
        if (body.records[i].type == EDN_RECORD_MEMBER) {
            if ((st = record_raw(c, &b.header, &body.records[i], i, &message)) == EDN_OK)
                st = said_put(c, &body.records[i].entry, EDN_RECORD_MEMBER, edn_buf_view(&message));
            continue;
        }
        st = record_message(c, &b.header, &body.records[i], i, &message, &head);
        if (st == EDN_OK)
            st = reissue_note(x, &body.records[i].entry, head.seq_from);
    }
    if (st == EDN_OK)
        st = batch_drop(c, old, dseq);
    edn_buf_wipe(&message);
    edn_arena_dispose(&a);
    return st;
}

static edn_status reissue_dirty(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    edn_reader r = edn_reader_init(value);
    uint64_t seq_from = edn_read_varint(&r, "first event");
    edn_entry_id id;

    if (st != EDN_OK || key.n != sizeof id.b)
        return st;
    if (edn_reader_end(&r) != EDN_OK)
        return EDN_E_DAMAGED;
    memcpy(id.b, key.p, sizeof id.b);
    return reissue_note(ctx, &id, seq_from);
}

/* The document without the events of the old name, then made to show again what it showed, under the new one. */
static edn_status reissue_document(edn_client *c, const edn_device_id *old, const edn_entry_id *id, uint64_t seq_from,
                                   const twin *t)
{
    edn_agent_id agent;
    edn_doc *without = NULL, *shown;
    object *o;
    edn_status st = object_get(c, id, &o);

    memcpy(agent.b, old->b, sizeof agent.b);
    if (st != EDN_OK || (st = twin_agrees(t, id, o->doc, agent, seq_from, &seq_from)) != EDN_OK)
        return st;
    if (seq_from == edn_doc_agent_next(o->doc, agent)) /* the other copy has said all of it */
        return edn_store_del(c->store, EDN_TABLE_DIRTY, id_bytes(id));
    if ((st = edn_doc_without(o->doc, agent, seq_from, &without)) != EDN_OK)
        return st;
    shown = o->doc;
    o->doc = without;
    o->rewrite = true;
    if ((st = dirty_put(c, id, 0)) != EDN_OK) { /* under the new name nothing has been sent */
        edn_doc_free(shown);
        return st;
    }
    object_author(c, o);
    if ((st = doc_become(o->doc, shown)) == EDN_OK)
        st = object_wrote(c, o, 0);
    o->changed = true;
    edn_doc_free(shown);
    return st;
}

/* From its first such event on, each document once. */
static edn_status reissue_documents(edn_client *c, const edn_device_id *old, reissue *x, const twin *t)
{
    edn_status st = EDN_OK;

    if (x->n)
        qsort(x->p, x->n, sizeof *x->p, compare_items);
    for (size_t i = 0; st == EDN_OK && i < x->n; i++)
        if (i == 0 || memcmp(x->p[i].id.b, x->p[i - 1].id.b, sizeof x->p[i].id.b) != 0)
            st = reissue_document(c, old, &x->p[i].id, x->p[i].seq_from, t);
    return st;
}

/* The old id's chain ends where both copies agree. */
static edn_status cut_chain(edn_client *c, heads *h, const edn_device_id *old, uint64_t dseq)
{
    edn_head back = {.device = *old, .dseq = dseq};
    edn_status st;

    if (dseq == 0)
        st = heads_remove(h, old);
    else if ((st = batch_hash_load(c, old, dseq, &back.hash)) == EDN_OK)
        st = heads_set(h, &back);
    return st == EDN_OK ? heads_save(c, h) : st;
}

/* The other copy may have written more, which was sealed again since: then the chain's base is behind what is here. */
static edn_status batch_is_here(edn_client *c, const edn_device_id *d, uint64_t dseq, bool *out)
{
    edn_buf bytes = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_status st = batch_load(c, d, dseq, &bytes);

    *out = st != EDN_E_MISSING;
    edn_buf_dispose(&bytes);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

edn_status outbox_reissue(edn_client *c, const edn_device_id *old, uint64_t dseq, twin *t)
{
    reissue x = {NULL, 0, 0};
    heads h;
    const edn_head *last;
    edn_status st = heads_load(c, &h);
    uint64_t end;
    bool here;

    last = st == EDN_OK ? edn_heads_find(h.p, h.n, old) : NULL;
    end = last ? last->dseq : 0;
    for (uint64_t i = dseq + 1; st == EDN_OK && i <= end && (st = batch_is_here(c, old, i, &here)) == EDN_OK && here;
         i++)
        st = reissue_batch(c, old, i, &x);
    if (st == EDN_OK)
        st = edn_store_scan(c->store, EDN_TABLE_DIRTY, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, reissue_dirty, &x);
    if (st == EDN_OK && (st = twin_read(c, t)) == EDN_OK)
        st = reissue_documents(c, old, &x, t);
    if (st == EDN_OK && last)
        st = cut_chain(c, &h, old, dseq);
    heads_dispose(&h);
    free(x.p);
    return st;
}
