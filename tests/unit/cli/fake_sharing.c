/* Sharing, pretended: one contact, one shared journal, one invitation. */
#include "cli/fake_client.h"

#include <edn/sharing.h>
#include <stdio.h>

#include "base/base.h"

#define ACCOUNT "a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4a1b2c3d4"
#define NUMBER "111112222233333444445555566666777778888899999000001111122222"

static bool verified;

static edn_status outcome(edn_err *err)
{
    return fake.fail == EDN_OK ? EDN_OK : edn_fail(err, fake.fail, "it failed as it was told");
}

static edn_status tell(edn_contact_fn *fn, void *ctx, const char *name)
{
    edn_contact k = {.account = ACCOUNT,
                     .server = "https://a.example",
                     .state = verified ? EDN_CONTACT_VERIFIED : EDN_CONTACT_SEEN,
                     .number = NUMBER};

    snprintf(k.name, sizeof k.name, "%s", name);
    return fn(ctx, &k);
}

edn_status edn_client_card(edn_client *c, char out[EDN_CARD_SIZE], edn_err *err)
{
    (void)c;
    snprintf(out, EDN_CARD_SIZE, "edn1:0123");
    return outcome(err);
}

edn_status edn_client_contact_add(edn_client *c, const char *who, const char *server, const char *as,
                                  edn_contact_fn *fn, void *ctx, edn_err *err)
{
    edn_status st = outcome(err);

    (void)c;
    (void)server;
    verified = false;
    return st == EDN_OK ? tell(fn, ctx, as ? as : who) : st;
}

edn_status edn_client_contacts(edn_client *c, edn_contact_fn *fn, void *ctx, edn_err *err)
{
    edn_status st = outcome(err);

    (void)c;
    return st == EDN_OK ? tell(fn, ctx, "berta") : st;
}

edn_status edn_client_contact_verify(edn_client *c, const char *who, const char *shown, edn_err *err)
{
    (void)c;
    (void)who;
    if (!edn_bytes_equal(edn_bytes_str(shown), edn_bytes_str(NUMBER)))
        return edn_fail(err, EDN_E_INVALID, "that is not the number");
    verified = true;
    return outcome(err);
}

edn_status edn_client_contact_remove(edn_client *c, const char *who, edn_err *err)
{
    (void)c;
    (void)who;
    return outcome(err);
}

edn_status edn_client_journal_share(edn_client *c, const edn_journal_id *journal, const char *contact,
                                    edn_member_role role, bool unverified, edn_err *err)
{
    (void)c;
    (void)journal;
    if (!verified && !unverified)
        return edn_fail(err, EDN_E_DENIED, "\"%s\" is not verified (role %d)", contact, (int)role);
    return outcome(err);
}

edn_status edn_client_members(edn_client *c, const edn_journal_id *journal, edn_member_fn *fn, void *ctx, edn_err *err)
{
    const edn_member m[] = {
        {.account = ACCOUNT, .name = "anna", .role = EDN_MEMBER_OWNER, .self = true, .accepted = true, .devices = 2},
        {.account = ACCOUNT, .name = "berta", .role = EDN_MEMBER_WRITE, .verified = verified}};
    edn_status st = outcome(err);

    (void)c;
    (void)journal;
    for (size_t i = 0; st == EDN_OK && i < EDN_COUNT(m); i++)
        st = fn(ctx, &m[i]);
    return st;
}

edn_status edn_client_journal_unshare(edn_client *c, const edn_journal_id *journal, const char *member, edn_err *err)
{
    (void)c;
    (void)journal;
    (void)member;
    return outcome(err);
}

edn_status edn_client_invitations(edn_client *c, edn_invitation_fn *fn, void *ctx, edn_err *err)
{
    const edn_invitation i = {.id = "00112233445566778899aabbccddeeff",
                              .from_account = ACCOUNT,
                              .from = "berta",
                              .journal = "Trip",
                              .role = EDN_MEMBER_READ,
                              .known = true,
                              .time_ms = 1000};
    edn_status st = outcome(err);

    (void)c;
    return st == EDN_OK ? fn(ctx, &i) : st;
}

edn_status edn_client_invitation_accept(edn_client *c, const char *what, bool unverified, edn_err *err)
{
    (void)c;
    if (!unverified)
        return edn_fail(err, EDN_E_DENIED, "\"%s\" comes from no verified contact", what);
    return outcome(err);
}

edn_status edn_client_invitation_refuse(edn_client *c, const char *what, edn_err *err)
{
    (void)c;
    (void)what;
    return outcome(err);
}
