/* The present state sealed again: every document with its whole history, in batches of kind 2 of this device, whoever
 * wrote it. A record of such a batch:
 *
 *     u8 2 ‖ varint time ms ‖ packed message (codec.c)
 *
 * One author's document is its messages one after the other, as it was first sent. One of several is a bundle; it is
 * merged again here and compared before it counts. A bundle that is too large or too dear to merge is cut into messages
 * of one author each, in an order in which each finds what it builds on.
 *
 * Keys and dictionaries go along: what other devices still send under the old ones must open on a device that never saw
 * the batches in which they came. Of a journal the newest key is first, so that a reader seals under no older one. */
#include "client/syncing/snapshot.h"

#include <stdlib.h>

#define RECORD_IMAGE 2u
#define PIECE_SIZE_MIN 64u

/* ---- one record -------------------------------------------------------------------------------------------------- */

typedef struct sealing {
    writer *w;
    const object *o;
    edn_record r;
    edn_entry_key key;
} sealing;
EDN_SECRET_TYPE(sealing)

static edn_status seal_message(sealing *x, edn_bytes message)
{
    edn_buf ops = EDN_BUF_INIT(EDN_RECORD_SIZE_MAX);
    edn_status st;

    edn_put_u8(&ops, RECORD_IMAGE);
    edn_put_varint(&ops, x->o->changed_ms);
    if ((st = codec_pack(x->w->c, message, CODEC_LEVEL_RECORD, &ops)) == EDN_OK)
        st = writer_seal_record(x->w, &x->r, &x->key, edn_buf_view(&ops));
    edn_buf_wipe(&ops);
    return st;
}

/* ---- a document of one author ------------------------------------------------------------------------------------ */

static bool only_author(const edn_doc *doc, edn_agent_id *out)
{
    edn_version v = edn_doc_frontier(doc);

    if (v.n != 1)
        return false;
    *out = v.ids[0].agent;
    return edn_doc_agent_next(doc, *out) == edn_doc_event_count(doc);
}

static edn_status seal_author(sealing *x, edn_agent_id agent)
{
    edn_buf message = EDN_BUF_INIT(EDN_STORE_VALUE_SIZE_MAX);
    uint64_t end = edn_doc_agent_next(x->o->doc, agent), at = 0;
    edn_status st = EDN_OK;

    while (st == EDN_OK && at < end) {
        edn_buf_reset(&message);
        st = edn_doc_encode_events(x->o->doc, agent, at, MESSAGE_SIZE_MAX, &message, &at);
        if (st == EDN_OK)
            st = seal_message(x, edn_buf_view(&message));
    }
    edn_buf_wipe(&message);
    return st;
}

/* ---- of several -------------------------------------------------------------------------------------------------- */

static edn_status same_document(const edn_doc *a, const edn_doc *b, bool *same)
{
    edn_buf x = EDN_BUF_INIT(EDN_BUF_UNLIMITED), y = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st;

    *same = false;
    if ((st = edn_doc_encode(a, &x)) == EDN_OK && (st = edn_doc_encode(b, &y)) == EDN_OK)
        *same = edn_bytes_equal(edn_buf_view(&x), edn_buf_view(&y));
    edn_buf_wipe(&x);
    edn_buf_wipe(&y);
    return st;
}

/* *done stays false when a reader could not take the bundle. */
static edn_status seal_bundle(sealing *x, bool *done)
{
    edn_buf message = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_doc *again = NULL;
    bool same = false;
    edn_status st;

    *done = false;
    if ((st = edn_doc_encode_since(x->o->doc, (edn_version){NULL, 0}, &message)) == EDN_OK &&
        message.n <= MESSAGE_SIZE_MAX && (st = edn_doc_new(&again)) == EDN_OK) {
        st = edn_doc_merge(again, edn_buf_view(&message), NULL, NULL);
        if (st == EDN_OK)
            st = same_document(x->o->doc, again, &same);
        else if (st == EDN_E_LIMIT)
            st = EDN_OK;
        if (st == EDN_OK && same && (st = seal_message(x, edn_buf_view(&message))) == EDN_OK)
            *done = true;
    }
    edn_doc_free(again);
    edn_buf_wipe(&message);
    return st;
}

typedef struct authors {
    edn_agent_id *p;
    size_t n, cap;
} authors;

static edn_status note_author(void *ctx, const edn_change *change)
{
    authors *a = ctx;

    for (size_t i = 0; i < a->n; i++)
        if (memcmp(a->p[i].b, change->first.agent.b, sizeof a->p[i].b) == 0)
            return EDN_OK;
    if (!edn_array_room(&a->p, &a->cap, a->n + 1, sizeof *a->p))
        return EDN_E_NOMEM;
    a->p[a->n++] = change->first.agent;
    return EDN_OK;
}

/* As much of the author's next events as what is in `again` lets follow. *moved: there was some. */
static edn_status seal_piece(sealing *x, edn_doc *again, edn_agent_id agent, bool *moved)
{
    edn_buf message = EDN_BUF_INIT(EDN_STORE_VALUE_SIZE_MAX);
    uint64_t from = edn_doc_agent_next(again, agent), next;
    size_t size = MESSAGE_SIZE_MAX;
    edn_status st = EDN_E_PARENTS;

    while (st == EDN_E_PARENTS && from < edn_doc_agent_next(x->o->doc, agent)) {
        edn_buf_reset(&message);
        if ((st = edn_doc_encode_events(x->o->doc, agent, from, size, &message, &next)) != EDN_OK)
            break;
        st = edn_doc_merge(again, edn_buf_view(&message), NULL, NULL);
        if (st == EDN_E_PARENTS && size == 1)
            break; /* somebody else's turn */
        size = size / 4 >= PIECE_SIZE_MIN ? size / 4 : 1;
    }
    if (st == EDN_OK && (st = seal_message(x, edn_buf_view(&message))) == EDN_OK)
        *moved = true;
    edn_buf_wipe(&message);
    return st == EDN_E_PARENTS ? EDN_OK : st;
}

static edn_status seal_pieces(sealing *x)
{
    authors a = {NULL, 0, 0};
    edn_doc *again = NULL;
    bool moved = true, same = false;
    edn_status st;

    if ((st = edn_doc_history(x->o->doc, note_author, &a)) == EDN_OK)
        st = edn_doc_new(&again);
    while (st == EDN_OK && moved) {
        moved = false;
        for (size_t i = 0; st == EDN_OK && i < a.n; i++)
            st = seal_piece(x, again, a.p[i], &moved);
    }
    if (st == EDN_OK && (st = same_document(x->o->doc, again, &same)) == EDN_OK && !same)
        st = EDN_E_DAMAGED;
    edn_doc_free(again);
    free(a.p);
    return st;
}

static edn_status seal_document(sealing *x)
{
    edn_agent_id agent;
    bool done;
    edn_status st;

    if (only_author(x->o->doc, &agent))
        return seal_author(x, agent);
    st = seal_bundle(x, &done);
    return st == EDN_OK && !done ? seal_pieces(x) : st;
}

/* ---- keys and dictionaries --------------------------------------------------------------------------------------- */

static bool keys_are_in(const snapshot *s, const edn_journal_id *j)
{
    for (size_t i = 0; i < s->journals_n; i++)
        if (memcmp(s->journals[i].b, j->b, sizeof j->b) == 0)
            return true;
    return false;
}

static edn_status seal_journal_keys(snapshot *s, const edn_journal_id *j, uint32_t newest)
{
    edn_status st = EDN_OK;

    if (keys_are_in(s, j))
        return EDN_OK;
    if (!edn_array_room(&s->journals, &s->journals_cap, s->journals_n + 1, sizeof *s->journals))
        return EDN_E_NOMEM;
    s->journals[s->journals_n++] = *j;
    for (uint32_t e = newest;; e--) {
        for (size_t i = 0; st == EDN_OK; i++)
            st = writer_journal_key(&s->w, j, e, i);
        if (st != EDN_E_MISSING || e == 0)
            break;
        st = EDN_OK;
    }
    return st == EDN_E_MISSING ? EDN_OK : st;
}

edn_status snapshot_object(snapshot *s, const edn_entry_id *id)
{
    EDN_SECRET(sealing) x = {.w = &s->w, .r = {.entry = *id, .key_version = KEY_VERSION}};
    object *o;
    bool made;
    edn_status st = object_get(s->w.c, id, &o);

    if (st != EDN_OK || edn_doc_event_count(o->doc) == 0)
        return st;
    x.o = o;
    x.r.type = (uint8_t)o->type;
    if ((st = writer_entry_key(s->w.c, o, s->w.epoch, &x.r, &x.key, &made)) != EDN_OK ||
        (!record_is_meta((uint8_t)o->type) && (st = seal_journal_keys(s, &x.r.journal, x.r.journal_epoch)) != EDN_OK))
        return st;
    return seal_document(&x);
}

/* The tags of the dictionaries that batches here brought, four bytes each. */
static edn_status gather_tags(edn_client *c, const edn_head *head, edn_buf *tags)
{
    edn_status st = EDN_OK;

    for (uint64_t dseq = head->dseq; st == EDN_OK && dseq > 0; dseq--) {
        edn_arena a = edn_arena_init(BATCH_ARENA_SIZE_MAX);
        edn_batch b;
        edn_body body = {.records_n = 0};
        st = batch_reopen(c, &head->device, dseq, &a, &b, &body);
        for (size_t i = 0; st == EDN_OK && i < body.records_n; i++)
            if (body.records[i].type == EDN_RECORD_DICTIONARY)
                edn_put_bytes(tags, body.records[i].entry.b, 4);
        edn_arena_dispose(&a);
    }
    if (st == EDN_E_MISSING || (st != EDN_OK && record_is_at_fault(st)))
        st = EDN_OK; /* the chain begins behind it; or `verify` names it, and what is readable goes on */
    return st == EDN_OK ? edn_buf_status(tags) : st;
}

edn_status snapshot_dictionaries(snapshot *s)
{
    edn_client *c = s->w.c;
    edn_buf tags = EDN_BUF_INIT((size_t)1 << 20), dictionary = EDN_BUF_INIT(DICTIONARY_SIZE_MAX);
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < s->w.h.n; i++)
        st = gather_tags(c, &s->w.h.p[i], &tags);
    for (size_t at = 0; st == EDN_OK && at < tags.n; at += 4) {
        bool twice = false;
        for (size_t k = 0; k < at; k += 4)
            twice |= memcmp(tags.p + k, tags.p + at, 4) == 0;
        edn_buf_wipe(&dictionary);
        dictionary = EDN_BUF_INIT(DICTIONARY_SIZE_MAX);
        if (!twice && (st = meta_get(c, "dictionary", edn_bytes_of(tags.p + at, 4), &dictionary)) == EDN_OK)
            st = writer_dictionary(&s->w, edn_buf_view(&dictionary));
        if (st == EDN_E_MISSING)
            st = EDN_OK; /* it was refused: nothing here was packed with it */
    }
    edn_buf_wipe(&dictionary);
    edn_buf_dispose(&tags);
    return st;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

edn_status snapshot_begin(snapshot *s, edn_client *c)
{
    edn_status st;

    memset(s, 0, sizeof *s);
    if ((st = objects_flush(c)) == EDN_OK)
        st = writer_init(&s->w, c);
    s->w.making = EDN_BATCH_SNAPSHOT;
    return st;
}

edn_status snapshot_end(snapshot *s, edn_status st)
{
    if (st == EDN_OK)
        st = writer_flush(&s->w);
    if (st == EDN_OK && s->w.built)
        st = heads_save(s->w.c, &s->w.h);
    writer_dispose(&s->w);
    free(s->journals);
    s->journals = NULL;
    return st;
}
