/* family: the stores of shared journals beside a person's own one, and which of them has what.
 *
 * A home holds one store for the person (the parent) and one for each shared journal (its children), each a whole
 * edn_client with a log, keys, batches and an index of its own. Only the parent is given out: public functions find the
 * child themselves. Code that takes a client works on any of them, and on one at a time.
 *
 *     HOME/shared/<32 hex>/diary.edn     name: the row name of "shared" in META of the parent, salted with the space
 *                                        account; local key: KDF(parent's, "EDNv1/store/shared", 32; space account),
 *                                        of a locked journal with its lock key too (keys/lock.h)
 *     parent's META "family"             which there are (docs/spec/local-store.md)
 *
 * Which children there are is known as of the parent's last transaction, so ids and names that it has given out are
 * found. A child is opened when it is first asked for, and closed when the parent is locked: pointers to it are good
 * until then. Of two stores at once, the parent's transaction begins first: while a child is in one the parent is
 * busy. */
#ifndef EDN_CLIENT_FAMILY_H
#define EDN_CLIENT_FAMILY_H

#include "client/account/account_priv.h"

#include "keys/lock.h"

typedef enum family_state {
    FAMILY_MAKING = 1,   /* the row came before the store, which may be half made */
    FAMILY_BEGUN = 2,    /* its server has yet to hear of it: no part of the diary */
    FAMILY_HERE = 3,     /* listed, searched, synced */
    FAMILY_DROPPING = 4, /* on its way out */
} family_state;

#define FAMILY_MAX 256u

/* ---- making and dropping; outside of transactions ---------------------------------------------------------------- */

/* Makes the store of a space from a finished enrolment: e->id.account is the space account, e->ldk is ignored. With
 * h->begun the child is FAMILY_BEGUN until family_finish, else FAMILY_HERE. A store of that space which was left here
 * is taken as it is, for it may hold what nobody else has: its device may be another than e's. A failure leaves
 * nothing; a crash leaves nothing, or all of it. EDN_E_EXISTS: it is here; EDN_E_LIMIT: FAMILY_MAX. */
EDN_MUST_USE edn_status family_add(edn_client *c, const enrolment *e, const new_home *h, edn_client **out,
                                   edn_err *err);
/* The server has heard of it. EDN_E_MISSING. */
EDN_MUST_USE edn_status family_finish(edn_client *c, const edn_account_id *space, edn_err *err);
/* The same inside a transaction of the parent that writes, when the child's own store knows already. */
EDN_MUST_USE edn_status family_finish_within(edn_client *c, const edn_account_id *space);
/* Takes the store away. EDN_E_CONFLICT: it holds what no server has, unless that may go too; EDN_E_MISSING. A crash
 * leaves all of it, or the rest goes with the next unlocking. */
EDN_MUST_USE edn_status family_drop(edn_client *c, const edn_account_id *space, bool unsent_too, edn_err *err);

/* ---- finding ----------------------------------------------------------------------------------------------------- */

/* A child that is FAMILY_HERE or FAMILY_BEGUN. EDN_E_MISSING: there is none; EDN_E_LOCKED: of a locked journal that is
 * closed; why it does not open: EDN_E_DAMAGED, … */
EDN_MUST_USE edn_status family_find(edn_client *c, const edn_account_id *space, edn_client **out, edn_err *err);
/* Walks the children that are FAMILY_HERE, from *at = 0 on; *out is NULL behind the last. One that is closed is left
 * out; one that is damaged too, and named by status, sync and verify; other failures (memory, the disk) are given. */
EDN_MUST_USE edn_status family_next(edn_client *c, size_t *at, edn_client **out, edn_err *err);
/* The store that a journal lies in: `c` when no child has it. NULL is the first journal. */
EDN_MUST_USE edn_status family_of_journal(edn_client *c, const edn_journal_id *j, edn_client **out, edn_err *err);
/* The store that an entry lies in: where it is live, the person's own first; else where it was deleted and not moved
 * away; `c` when nobody has it. EDN_E_LOCKED: it moved away, and may be in a journal that is closed. */
EDN_MUST_USE edn_status family_of_entry(edn_client *c, const edn_entry_id *id, edn_client **out, edn_err *err);
/* In a transaction of a child: appends the name of its journal; nothing while it has not arrived. */
EDN_MUST_USE edn_status family_journal_name(edn_client *c, edn_buf *out);
/* Puts the name of a child's journal before what a finding says. Works while the child is unlocked. */
void family_name_finding(edn_client *k, edn_finding *f);
/* How many did not open when they were last asked for: damaged ones. */
size_t family_broken(const edn_client *c);
/* Whether some child has ever had an entry. */
EDN_MUST_USE edn_status family_knows(edn_client *c, const edn_entry_id *id, bool *out, edn_err *err);
bool family_has(const edn_client *c); /* whether there is any child to be looked at */
bool family_spread(edn_client *c);    /* or could be: what lies in the person's own store may have moved away */
/* family_of_entry in place: for functions that are given an entry and work on the store that it lies in. */
EDN_MUST_USE edn_status family_route(edn_client **c, const edn_entry_id *id, edn_err *err);
/* client_begin_write for a person's change. EDN_E_DENIED: they may not write in this shared journal. */
EDN_MUST_USE edn_status family_begin_change(edn_client *c, edn_err *err);

/* ---- locked journals (locked.c) ---------------------------------------------------------------------------------- */

/* The lock key of a space, from now until the parent is locked or family_lock_forget: its store is made and opened with
 * it. */
EDN_MUST_USE edn_status family_lock_set(edn_client *c, const edn_account_id *space, const edn_lock_key *lock);
bool family_lock_get(const edn_client *c, const edn_account_id *space, edn_lock_key *out);
/* Closes it, and wipes what it knew; not one whose key is kept. */
void family_lock_forget(edn_client *c, const edn_account_id *space);
/* Whether a child, which is open, is of a journal that is locked or was; and whether it is still. */
bool family_is_locked(const edn_client *k);
bool family_has_second(const edn_client *k);
/* Of an open one: whether its key is kept beside the person's own, and whether something may be unsent once it is
 * closed. EDN_E_MISSING: it is not open here. */
EDN_MUST_USE edn_status family_note(edn_client *c, const edn_account_id *space, bool keep, bool unsent, edn_err *err);
/* The same in a transaction of the parent that writes: its key is kept, if it is here. */
EDN_MUST_USE edn_status family_keep_within(edn_client *c, const edn_account_id *space);
bool family_unsent(const edn_client *c, const edn_account_id *space);
/* Whether a child holds what no receipt covers. */
EDN_MUST_USE edn_status family_child_unsent(edn_client *k, bool *out, edn_err *err);
edn_status family_closed(edn_err *err); /* EDN_E_LOCKED, in words */
/* Takes away what a process that died left of making a locked journal: it holds nothing, and its key is nowhere. */
EDN_MUST_USE edn_status family_sweep(edn_client *c, edn_err *err);

/* ---- moving (move.c) --------------------------------------------------------------------------------------------- */

/* Moves entries that lie in `from` to a journal of another store, under the ids that they have; outside of
 * transactions. Some may have moved when it fails, each of them whole. EDN_E_DENIED: one of the two may not be written;
 * EDN_E_MISSING. */
EDN_MUST_USE edn_status family_move(edn_client *c, edn_client *from, const edn_entry_id *ids, size_t n,
                                    const edn_journal_id *journal, edn_err *err);
/* Finishes moves that were interrupted. */
EDN_MUST_USE edn_status family_settle(edn_client *c, edn_err *err);

/* ---- asking all of them ------------------------------------------------------------------------------------------ */

/* Stores in transactions that read: those that can have something of a journal (NULL: of any), the person's own
 * first. A child that is damaged is left out. */
typedef struct stores {
    edn_client **p, *one;
    size_t n;
} stores;
EDN_MUST_USE edn_status stores_begin(edn_client *c, const edn_journal_id *j, stores *out, edn_err *err);
edn_status stores_end(stores *s, edn_status st, edn_err *err);

/* catalog_list over all of them: by (date, created, id). */
typedef edn_status contents_fn(void *ctx, edn_client *c, const catalog_item *item);
EDN_MUST_USE edn_status contents_list(const stores *s, edn_bytes from, edn_bytes to, bool reverse, contents_fn *fn,
                                      void *ctx);

/* ---- journals ---------------------------------------------------------------------------------------------------- */

/* In a transaction of the parent: its journals; then each shared or locked one, which is one journal whatever its
 * members make of it, in a transaction of its own store; then, with c NULL, those that are closed. */
typedef edn_status family_journal_fn(void *ctx, edn_client *c, const edn_journal_id *j, edn_bytes name);
EDN_MUST_USE edn_status family_journals(edn_client *c, family_journal_fn *fn, void *ctx, edn_err *err);

/* ---- for the client's own beginnings and ends -------------------------------------------------------------------- */

/* Inside a transaction of the parent: reads which children there are. */
EDN_MUST_USE edn_status family_load(edn_client *c);
/* Finishes what was interrupted, when the home was just unlocked. What cannot be finished now waits for the next
 * time. */
void family_tidy(edn_client *c);
bool family_busy(const edn_client *c);
/* Closes the children, wiping what they know. */
void family_close(edn_client *c);

#endif
