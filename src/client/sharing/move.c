/* Entries that go from one store to another: from the person's own to a shared journal's, or back, or between two.
 *
 * An entry is written anew in the target under the id that it has: text, title, date, tags, fields and when it was
 * made; of its history, nothing. (Did it lie there before, it becomes what it is now by edits.) In the same transaction
 * a row of the target notes where it came from. Then it is deleted there, with a mark that it moved, and the note is
 * taken off. A crash in between leaves it in both, and the note: settling it, by the same call again or by the next
 * sync, only deletes. So it is never in neither, and never copied over what was written since.
 *
 *     META "moves"   n × (entry 16 ‖ account 32 of the store that it came from) */
#include "client/sharing/space.h"

#include <stdlib.h>

#define MOVES_MAX 64u /* at one time */
#define MOVE_SIZE 48u

typedef struct move {
    edn_client *home, *from, *to;
    edn_journal_id journal; /* in `to` */
} move;

/* ---- notes ------------------------------------------------------------------------------------------------------- */

static edn_status notes_load(edn_client *c, edn_buf *out)
{
    edn_status st = meta_get(c, "moves", EDN_BYTES_EMPTY, out);

    if (st == EDN_OK && out->n % MOVE_SIZE != 0)
        st = EDN_E_DAMAGED;
    return st == EDN_E_MISSING ? EDN_OK : st;
}

/* In the target's transaction. EDN_E_BUSY: earlier ones are not settled. */
static edn_status notes_add(const move *m, const edn_entry_id *ids, size_t n)
{
    edn_buf notes = EDN_BUF_INIT(MOVES_MAX * MOVE_SIZE);
    edn_status st = notes_load(m->to, &notes);

    for (size_t i = 0; st == EDN_OK && i < n; i++) {
        edn_put_bytes(&notes, ids[i].b, sizeof ids[i].b);
        edn_put_bytes(&notes, client_id(m->from)->account.b, sizeof client_id(m->from)->account.b);
    }
    if (st == EDN_OK && (st = edn_buf_status(&notes)) == EDN_E_LIMIT)
        st = EDN_E_BUSY;
    if (st == EDN_OK)
        st = meta_put(m->to, "moves", EDN_BYTES_EMPTY, edn_buf_view(&notes));
    edn_buf_dispose(&notes);
    return st;
}

/* ---- copying ----------------------------------------------------------------------------------------------------- */

/* What the target is to show. */
static edn_status wanted(const move *m, const edn_doc *doc, edn_doc **out)
{
    bool elsewhere = memcmp(m->journal.b, client_id(m->to)->journal.b, sizeof m->journal.b) != 0;
    edn_bytes journal = elsewhere ? EDN_F(m->journal) : EDN_BYTES_EMPTY, old;
    edn_status st = edn_doc_at(doc, edn_doc_frontier(doc), out);

    if (st != EDN_OK)
        return st;
    edn_doc_author(*out, client_agent(m->to), client_now(m->to));
    if (elsewhere || edn_doc_get(*out, edn_bytes_str(FIELD_JOURNAL), &old) == EDN_OK)
        st = edn_doc_set(*out, edn_bytes_str(FIELD_JOURNAL), journal);
    if (st == EDN_OK && edn_doc_get(*out, edn_bytes_str(FIELD_MOVED), &old) == EDN_OK)
        st = edn_doc_set(*out, edn_bytes_str(FIELD_MOVED), EDN_BYTES_EMPTY);
    return st;
}

static edn_status write_anew(const move *m, const edn_entry_id *id, const edn_doc *want)
{
    uint64_t before = 0;
    object *o;
    edn_status st = object_get(m->to, id, &o);

    if (st == EDN_E_MISSING)
        st = object_new(m->to, id, EDN_RECORD_ENTRY, &o);
    if (st != EDN_OK)
        return st;
    if (o->type != EDN_RECORD_ENTRY)
        return EDN_E_CONFLICT;
    object_author(m->to, o);
    before = edn_doc_agent_next(o->doc, client_agent(m->to));
    if ((st = doc_become(o->doc, want)) == EDN_OK)
        st = object_wrote(m->to, o, before);
    return st;
}

static edn_status copy_one(const move *m, const edn_entry_id *id, edn_err *err)
{
    edn_doc *want = NULL;
    object *o;
    edn_status st = object_get(m->from, id, &o);

    if (st == EDN_E_MISSING || (st == EDN_OK && o->type != EDN_RECORD_ENTRY))
        return edn_fail(err, EDN_E_MISSING, "there is no such entry");
    if (st == EDN_OK && doc_moved_away(o->doc))
        return EDN_OK; /* another process was quicker */
    if (st == EDN_OK && (st = wanted(m, o->doc, &want)) == EDN_OK)
        st = write_anew(m, id, want);
    edn_doc_free(want);
    return st;
}

/* One transaction of the target. Of two stores the person's own begins first. */
static edn_status copy(const move *m, const edn_entry_id *ids, size_t n, edn_err *err)
{
    edn_err ignored;
    bool first = m->from == m->home;
    edn_status st = first ? client_begin_read(m->from, err) : EDN_OK;

    if (st != EDN_OK)
        return st;
    if ((st = family_begin_change(m->to, err)) == EDN_OK) {
        if (!first)
            st = client_begin_read(m->from, err);
        for (size_t i = 0; st == EDN_OK && i < n; i++)
            st = copy_one(m, &ids[i], err);
        if (st == EDN_OK)
            st = notes_add(m, ids, n);
        if (!first && m->from->busy)
            (void)!client_end_read(m->from, EDN_OK, &ignored); /* nothing was written */
        st = client_end_write(m->to, st, err);
    }
    if (first)
        (void)!client_end_read(m->from, EDN_OK, &ignored);
    return st;
}

/* ---- settling ---------------------------------------------------------------------------------------------------- */

static edn_status leave(edn_client *from, const edn_entry_id *id)
{
    object *o;
    uint64_t before;
    edn_status st = object_get(from, id, &o);

    if (st != EDN_OK || o->type != EDN_RECORD_ENTRY || doc_moved_away(o->doc))
        return st == EDN_E_MISSING ? EDN_OK : st;
    object_author(from, o);
    before = edn_doc_agent_next(o->doc, client_agent(from));
    st = edn_doc_set(o->doc, edn_bytes_str(FIELD_MOVED), edn_bytes_str("1"));
    if (st == EDN_OK && edn_doc_state_of(o->doc) != EDN_DOC_DELETED)
        st = edn_doc_remove(o->doc);
    return st == EDN_OK ? object_wrote(from, o, before) : st;
}

/* The store that a note names; NULL: it is here no longer. */
static edn_status note_from(edn_client *home, const edn_account_id *account, edn_client **out, edn_err *err)
{
    edn_status st;

    *out = home;
    if (memcmp(account->b, client_id(home)->account.b, sizeof account->b) == 0)
        return EDN_OK;
    if ((st = family_find(home, account, out, err)) != EDN_E_MISSING)
        return st;
    if (err)
        *err = (edn_err){EDN_OK, ""};
    return EDN_OK;
}

/* Deletes what one store's notes say that it left, one store at a time. */
static edn_status settle_from(edn_client *home, edn_bytes notes, const edn_account_id *account, edn_err *err)
{
    edn_client *from;
    edn_status st = note_from(home, account, &from, err);

    if (st != EDN_OK || !from)
        return st;
    if ((st = family_begin_change(from, err)) == EDN_E_DENIED)
        return EDN_OK; /* it can no longer be deleted there: then it stays */
    if (st != EDN_OK)
        return st;
    for (size_t at = 0; st == EDN_OK && at < notes.n; at += MOVE_SIZE) {
        edn_entry_id id;
        if (memcmp(notes.p + at + sizeof id.b, account->b, sizeof account->b) != 0)
            continue;
        memcpy(id.b, notes.p + at, sizeof id.b);
        st = leave(from, &id);
    }
    return client_end_write(from, st, err);
}

/* The notes that were settled; others may have come. */
static edn_status notes_drop(edn_client *c, edn_bytes settled, edn_err *err)
{
    edn_buf now = EDN_BUF_INIT(MOVES_MAX * MOVE_SIZE), left = EDN_BUF_INIT(MOVES_MAX * MOVE_SIZE);
    edn_status st = client_begin_write(c, err);

    if (st != EDN_OK)
        return st;
    st = notes_load(c, &now);
    for (size_t at = 0; st == EDN_OK && at < now.n; at += MOVE_SIZE) {
        bool is = false;
        for (size_t i = 0; !is && i < settled.n; i += MOVE_SIZE)
            is = memcmp(now.p + at, settled.p + i, MOVE_SIZE) == 0;
        if (!is)
            edn_put_bytes(&left, now.p + at, MOVE_SIZE);
    }
    if (st == EDN_OK && (st = edn_buf_status(&left)) == EDN_OK)
        st = left.n ? meta_put(c, "moves", EDN_BYTES_EMPTY, edn_buf_view(&left))
                    : meta_del(c, "moves", EDN_BYTES_EMPTY);
    edn_buf_dispose(&now);
    edn_buf_dispose(&left);
    return client_end_write(c, st, err);
}

static edn_status settle(edn_client *home, edn_client *to, edn_err *err)
{
    edn_buf notes = EDN_BUF_INIT(MOVES_MAX * MOVE_SIZE);
    edn_status st = client_begin_read(to, err);

    if (st == EDN_OK)
        st = client_end_read(to, notes_load(to, &notes), err);
    for (size_t at = 0; st == EDN_OK && at < notes.n; at += MOVE_SIZE) {
        edn_account_id account;
        bool done = false;
        memcpy(account.b, notes.p + at + sizeof(edn_entry_id), sizeof account.b);
        for (size_t i = 0; !done && i < at; i += MOVE_SIZE)
            done = memcmp(notes.p + i + sizeof(edn_entry_id), account.b, sizeof account.b) == 0;
        if (!done)
            st = settle_from(home, edn_buf_view(&notes), &account, err);
    }
    if (st == EDN_OK && notes.n)
        st = notes_drop(to, edn_buf_view(&notes), err);
    edn_buf_dispose(&notes);
    return st;
}

edn_status family_settle(edn_client *c, edn_err *err)
{
    edn_client *k;
    edn_status st = family_has(c) ? settle(c, c, err) : EDN_OK;

    for (size_t at = 0; st == EDN_OK;) {
        if ((st = family_next(c, &at, &k, err)) != EDN_OK || !k)
            break;
        if ((st = settle(c, k, err)) == EDN_E_DAMAGED)
            st = EDN_OK; /* `verify` names it */
    }
    return st;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

/* To delete is to write: asked before anything is copied. */
static edn_status may_leave(edn_client *from, edn_err *err)
{
    edn_status st = family_begin_change(from, err);

    return st == EDN_OK ? client_end_write(from, EDN_OK, err) : st;
}

edn_status family_move(edn_client *c, edn_client *from, const edn_entry_id *ids, size_t n,
                       const edn_journal_id *journal, edn_err *err)
{
    move m = {.home = c, .from = from, .journal = *journal};
    edn_status st = family_of_journal(c, journal, &m.to, err);

    if (st == EDN_OK && m.to == from)
        return edn_fail(err, EDN_E_INVALID, "these entries are in that journal");
    if (st == EDN_OK && (st = may_leave(from, err)) == EDN_OK)
        st = settle(c, m.to, err);
    for (size_t done = 0; st == EDN_OK && done < n; done += MOVES_MAX)
        if ((st = copy(&m, ids + done, EDN_MIN(n - done, (size_t)MOVES_MAX), err)) == EDN_OK)
            st = settle(c, m.to, err);
    return st == EDN_OK && from == c && family_has_second(m.to) ? leftovers_blank(c, m.to, err) : st;
}
