/* space: shared and locked journals from the inside (docs/spec/sharing.md, locked.md). `p` is the person's own client,
 * the parent; `s` that of one space, its child (family.h). A locked journal is a space whose only member is the person,
 * and what the person keeps of it is sealed once more, under its lock key.
 *
 *     space        making a space, coming into one, letting in and taking out; what the person keeps of each
 *     member       who is who in it: records of the space
 *     sharing      the public half: journals, members, invitations
 *     locked       the public half of locked journals: lock, open, close, second passphrases */
#ifndef EDN_CLIENT_SPACE_H
#define EDN_CLIENT_SPACE_H

#include "client/sharing/contact.h"
#include "client/sharing/family.h"

/* ---- who is who (member.c); inside a transaction of the space's store -------------------------------------------- */

/* What an admin says of a member key. */
typedef struct member {
    edn_account_id account;
    edn_role role;
    char name[EDN_LETTER_TEXT_MAX + 1];
} member;
EDN_MUST_USE edn_status member_load(edn_client *s, const edn_device_id *key, member *out);    /* EDN_E_MISSING */
EDN_MUST_USE edn_status member_say(edn_client *s, const edn_device_id *key, const member *m); /* with the next batch */

/* Whether a device of the space has proved whose it is: EDN_E_MISSING: not yet. */
EDN_MUST_USE edn_status statement_load(edn_client *s, const edn_device_id *device, edn_statement *out);
/* This device's own, with `log`'s links from the first on, goes out with the next batch. */
EDN_MUST_USE edn_status statement_say(edn_client *s, const edn_statement *own, const edn_bytes *links, size_t links_n);

/* Records of both kinds, out of a batch that was checked. EDN_E_MISSING: it waits for something. EDN_E_FORK: the log in
 * a statement is another than the one that the person has seen of that account. */
EDN_MUST_USE edn_status member_apply(edn_client *s, const edn_batch_header *h, const edn_record *r, edn_bytes ops);
/* Whether what a device says of entries counts: EDN_E_MISSING until its statement is here. */
EDN_MUST_USE edn_status member_may_write(edn_client *s, const edn_device_id *device);

/* What the person knows of others, for the space's store: their names, and the ends of their logs. */
EDN_MUST_USE edn_status people_save(edn_client *s, edn_bytes row);
/* Appends how the person calls whoever a device is of; EDN_E_MISSING. */
EDN_MUST_USE edn_status member_name(edn_client *s, const edn_device_id *device, edn_buf *out);

/* What is to be said raw with the next batch: EDN_TABLE_DIRTY, id 16 ‖ u8 type. */
typedef edn_status said_fn(void *ctx, const edn_entry_id *id, uint8_t type, edn_bytes ops);
EDN_MUST_USE edn_status said_put(edn_client *s, const edn_entry_id *id, edn_record_type type, edn_bytes ops);
/* Gives each to `fn` and takes it off the list. */
EDN_MUST_USE edn_status said_take(edn_client *s, said_fn *fn, void *ctx);

/* A second passphrase, to be stretched at this cost. */
typedef struct second_passphrase {
    edn_bytes prepared;
    edn_kdf_profile profile;
} second_passphrase;

/* ---- what the person keeps of each (space.c); inside a transaction of the parent --------------------------------- */

typedef struct space_keys {
    edn_seed sign;
    edn_dh_sk enc;
} space_keys; /* of a member key; wipe it */
typedef struct space_info {
    edn_account_id account;
    char server[EDN_ORIGIN_SIZE_MAX + 1], name[257];
    edn_role role;
    uint32_t epoch; /* of the person's account when the member key was made */
    uint32_t root_epoch;
    edn_root_key root; /* of the space, of that epoch */
    space_keys keys;
    bool left;
    bool locked, unlocked; /* a locked journal; one whose second passphrase was taken off, and whose key is kept */
    bool closed;           /* its key is not here: `root` and `keys` are zero */
    edn_lock_key lock;
    uint8_t lock_box[EDN_LOCK_BOX_SIZE]; /* unless unlocked */
} space_info;
EDN_MUST_USE edn_status space_load(edn_client *p, const edn_account_id *space, space_info *out);
EDN_MUST_USE edn_status space_save(edn_client *p, const space_info *x); /* not of one that is closed */
typedef edn_status space_closed_fn(void *ctx, const edn_account_id *space, edn_bytes name);
EDN_MUST_USE edn_status spaces_closed(edn_client *p, space_closed_fn *fn, void *ctx); /* locked, and not open here */
typedef edn_status space_fn(void *ctx, const space_info *x);
EDN_MUST_USE edn_status spaces_each(edn_client *p, space_fn *fn, void *ctx);

/* ---- locked journals (locked.c); outside of transactions --------------------------------------------------------- */

/* Makes one, open, with the entries of a private journal (NULL: with none), and sends it: all of
 * edn_client_journal_lock once the passphrase is prepared. */
EDN_MUST_USE edn_status locked_make(edn_client *c, const edn_journal_id *from, edn_bytes name,
                                    const second_passphrase *second, edn_client **s, edn_err *err);
/* Makes blank what the person's own store still has of entries that are in this locked journal, which is open
 * (leftover.c). */
EDN_MUST_USE edn_status leftovers_blank(edn_client *p, edn_client *s, edn_err *err);
/* The same name for a locked journal while it is closed. */
EDN_MUST_USE edn_status locked_renamed(edn_client *s, edn_bytes name, edn_err *err);

/* ---- making, coming in, changing (space.c); outside of transactions ---------------------------------------------- */

/* A new space of one member, the person, with a journal of this name, for the entries of a private one (NULL: of none),
 * which gets another name in the same step; its server hears of it with the next sync. With a second passphrase it is
 * a locked journal, open from now on; without one (NULL), to be shared. */
EDN_MUST_USE edn_status space_create(edn_client *p, const edn_journal_id *from, edn_bytes journal_name,
                                     const second_passphrase *second, edn_client **out, edn_err *err);

/* Inside a transaction of the parent: the private journal whose entries are still to be moved there. EDN_E_MISSING. */
EDN_MUST_USE edn_status space_origin(edn_client *p, const edn_account_id *space, edn_journal_id *out);
EDN_MUST_USE edn_status space_origin_drop(edn_client *p, const edn_account_id *space); /* they are all there */
/* Outside of transactions: what is left of moving them, if anything is. *moved: something was. */
EDN_MUST_USE edn_status space_finish_moving(edn_client *p, const edn_account_id *space, const edn_journal_id *to,
                                            bool *moved, edn_err *err);
/* This device comes into a space of which the person is a member, if it is not there yet. */
EDN_MUST_USE edn_status space_join(edn_client *p, const space_info *x, edn_client **out, edn_err *err);
/* What is to be done for a space once the person's own store is synced: comes into it when another device did, lets go
 * of it when it was left, proves this device, makes a new member key after a device was revoked. */
EDN_MUST_USE edn_status space_settle(edn_client *p, const edn_account_id *space, edn_err *err);
/* The same for all. Each failure is a finding, and keeps nothing else back: EDN_E_LOCKED, a locked journal that is
 * closed, and should be opened to get new keys. *renewed: a member key was made anew. */
EDN_MUST_USE edn_status spaces_settle(edn_client *p, edn_finding_fn *fn, void *ctx, bool *renewed, edn_err *err);
/* This device was taken out of a space in which its person still is: the device that made the member key anew could not
 * know it for one of theirs, for nothing proves a reader's. It comes in again, under new keys, and says again what did
 * not count. EDN_E_DENIED: the person is out too, or there is another reason. */
EDN_MUST_USE edn_status space_return(edn_client *s, edn_err *err);
/* The member key of the person in a space, to sign a link with: for a device that was copied and comes in anew.
 * EDN_E_MISSING. */
EDN_MUST_USE edn_status space_signer(edn_client *s, edn_device_id *id, edn_sign_sk *sk, edn_err *err);
/* A member key for somebody: made, let in with a grant, and said to be theirs. `out` receives its secrets. */
EDN_MUST_USE edn_status space_let_in(edn_client *s, const contact *who, edn_role role, space_keys *out, edn_err *err);
/* Takes out all keys of an account, by an epoch that they get no grant of. */
EDN_MUST_USE edn_status space_take_out(edn_client *s, const edn_account_id *account, edn_err *err);

#endif
