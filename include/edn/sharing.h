/* sharing: contacts, and journals that several people write (docs/spec/sharing.md). Beside <edn/client.h>: entries of
 * a shared journal are listed, searched, read and written there like all others, once it was made or accepted here. */
#ifndef EDN_SHARING_H
#define EDN_SHARING_H

#include <edn/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- contacts ---------------------------------------------------------------------------------------------------- */

#define EDN_SAFETY_NUMBER_SIZE 61u /* 60 digits and a zero */
typedef enum edn_contact_state { EDN_CONTACT_SEEN = 1, EDN_CONTACT_VERIFIED = 2 } edn_contact_state;
typedef struct edn_contact {
    char account[65], server[257], name[257];
    edn_contact_state state;
    char number[EDN_SAFETY_NUMBER_SIZE]; /* the same at both ends, when nobody lies */
} edn_contact;
typedef edn_status edn_contact_fn(void *ctx, const edn_contact *contact);

/* What others add this account by: "edn1:" and base32 of account and server. */
#define EDN_CARD_SIZE 640u
EDN_MUST_USE edn_status edn_client_card(edn_client *c, char out[EDN_CARD_SIZE], edn_err *err);
/* `who`: a name at a server (NULL: this account's own), or a card. Its device log is fetched, checked from its first
 * link and pinned. `as`: what the person calls it; NULL: its name. EDN_E_MISSING: nobody of that name; EDN_E_EXISTS;
 * EDN_E_FORK: the log is another than the one that is pinned; EDN_E_AUTH: the server answered with a log that is not
 * this account's. */
EDN_MUST_USE edn_status edn_client_contact_add(edn_client *c, const char *who, const char *server, const char *as,
                                               edn_contact_fn *fn, void *ctx, edn_err *err);
EDN_MUST_USE edn_status edn_client_contacts(edn_client *c, edn_contact_fn *fn, void *ctx, edn_err *err);
/* The person has compared. `shown`: the number that the other side shows, spaces allowed, or the card that was taken
 * from their own screen, by its QR code. EDN_E_INVALID: another's. */
EDN_MUST_USE edn_status edn_client_contact_verify(edn_client *c, const char *who, const char *shown, edn_err *err);
/* EDN_E_DENIED: a recovery share of theirs is kept here. */
EDN_MUST_USE edn_status edn_client_contact_remove(edn_client *c, const char *who, edn_err *err);

/* ---- journals ---------------------------------------------------------------------------------------------------- */

typedef enum edn_member_role { EDN_MEMBER_READ = 1, EDN_MEMBER_WRITE = 2, EDN_MEMBER_OWNER = 3 } edn_member_role;
typedef struct edn_member {
    char account[65];
    const char *name; /* as the person calls them; else as they call themselves; empty: not known */
    edn_member_role role;
    bool self, verified, accepted; /* accepted: a device of theirs has come in */
    size_t devices;
} edn_member;
typedef edn_status edn_member_fn(void *ctx, const edn_member *member);

/* Lets a contact into a journal. A private one becomes a shared one first: its entries are written anew there, without
 * what was crossed out before, and leave the private one. `unverified`: also one whose number was not compared.
 * EDN_E_DENIED: not verified, or not the owner; EDN_E_EXISTS: in already. Interrupted, the same call goes on. */
EDN_MUST_USE edn_status edn_client_journal_share(edn_client *c, const edn_journal_id *journal, const char *contact,
                                                 edn_member_role role, bool unverified, edn_err *err);
EDN_MUST_USE edn_status edn_client_members(edn_client *c, const edn_journal_id *journal, edn_member_fn *fn, void *ctx,
                                           edn_err *err);
/* Takes a member out: what is written from then on is sealed under keys it never had. What it read it has read. With
 * the person's own name: leaves it (an owner does not). */
EDN_MUST_USE edn_status edn_client_journal_unshare(edn_client *c, const edn_journal_id *journal, const char *member,
                                                   edn_err *err);

/* ---- invitations ------------------------------------------------------------------------------------------------- */

typedef struct edn_invitation {
    char id[33], from_account[65];
    const char *from, *journal; /* what they call themselves and it: shown, never believed */
    edn_member_role role;
    bool known, verified; /* the sender is a contact; a verified one */
    uint64_t time_ms;
} edn_invitation;
typedef edn_status edn_invitation_fn(void *ctx, const edn_invitation *invitation);
/* Asks the server for new ones first, when it can be reached. */
EDN_MUST_USE edn_status edn_client_invitations(edn_client *c, edn_invitation_fn *fn, void *ctx, edn_err *err);
/* `what`: the beginning of the id, or the journal's or the sender's name when there is only one. */
EDN_MUST_USE edn_status edn_client_invitation_accept(edn_client *c, const char *what, bool unverified, edn_err *err);
EDN_MUST_USE edn_status edn_client_invitation_refuse(edn_client *c, const char *what, edn_err *err);

#ifdef __cplusplus
}
#endif
#endif
