/* What is left in the person's own store of entries that went to a locked journal: documents that are deleted and moved
 * away, with all that was ever written in them. They stay, since other devices may still send edits of them, but are
 * made blank (edn_doc_blank); and the search index, whose shards may still hold their words, begins anew.
 *
 * It is done where the locked journal is open and has the entry, and nowhere else: so nothing is ever made blank that
 * is not here under the lock too, whatever another device says. Batches, here and at the server, are let go by `edn
 * rekey
 * --deep`, which seals the blank documents in their place. */
#include "client/finding/index.h"
#include "client/sharing/space.h"

static edn_status gather(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    edn_buf *ids = ctx;

    (void)st;
    (void)value;
    if (key.n == sizeof(edn_entry_id))
        edn_put_bytes(ids, key.p, key.n);
    return edn_buf_status(ids);
}

static edn_status entries_of(edn_client *s, edn_buf *out, edn_err *err)
{
    edn_status st = client_begin_read(s, err);

    if (st != EDN_OK)
        return st;
    st = edn_store_scan(s->store, EDN_TABLE_ENTRY, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, true, gather, out);
    return client_end_read(s, st, err);
}

/* Whether a document that moved away can still be read; `put`: makes it blank. */
static edn_status look_at(edn_client *p, const edn_entry_id *id, bool put, bool *says)
{
    edn_doc *blank;
    object *o;
    edn_status st = object_get(p, id, &o);

    *says = false;
    if (st == EDN_E_MISSING || st == EDN_E_DAMAGED) /* `verify` names it */
        return EDN_OK;
    if (st != EDN_OK || o->type != EDN_RECORD_ENTRY || !doc_moved_away(o->doc) ||
        (st = edn_doc_blank(o->doc, &blank, says)) != EDN_OK)
        return st == EDN_E_FORMAT ? EDN_OK : st;
    if (!put || !*says) {
        edn_doc_free(blank);
        return EDN_OK;
    }
    edn_doc_free(o->doc);
    o->doc = blank;
    edn_buf_wipe(&o->tail);
    o->tail = EDN_BUF_INIT(EDN_STORE_VALUE_SIZE_MAX);
    o->changed = o->rewrite = true;
    return EDN_OK;
}

/* Those of the entries that are still to be made blank, in their place in the list. */
static edn_status find_due(edn_client *p, edn_buf *ids, edn_err *err)
{
    edn_status st = client_begin_read(p, err);
    size_t due = 0;

    if (st != EDN_OK)
        return st;
    for (size_t at = 0; st == EDN_OK && at < ids->n; at += sizeof(edn_entry_id)) {
        edn_entry_id id;
        bool says;
        memcpy(id.b, ids->p + at, sizeof id.b);
        if ((st = look_at(p, &id, false, &says)) == EDN_OK && says) {
            memcpy(ids->p + due, id.b, sizeof id.b);
            due += sizeof id.b;
        }
    }
    ids->n = due;
    return client_end_read(p, st, err);
}

static edn_status blank_all(edn_client *p, edn_bytes ids, edn_err *err)
{
    edn_status st = client_begin_write(p, err);

    if (st != EDN_OK)
        return st;
    for (size_t at = 0; st == EDN_OK && at < ids.n; at += sizeof(edn_entry_id)) {
        edn_entry_id id;
        bool says;
        memcpy(id.b, ids.p + at, sizeof id.b);
        st = look_at(p, &id, true, &says);
    }
    if (st == EDN_OK)
        st = index_reset(p);
    index_forget(p);
    return client_end_write(p, st, err);
}

edn_status leftovers_blank(edn_client *p, edn_client *s, edn_err *err)
{
    edn_buf ids = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st = entries_of(s, &ids, err);

    if (st == EDN_OK && ids.n && (st = find_due(p, &ids, err)) == EDN_OK && ids.n)
        st = blank_all(p, edn_buf_view(&ids), err);
    edn_buf_dispose(&ids);
    return st;
}
