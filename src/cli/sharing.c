/* Commands about others: contacts, who may read and write a journal, invitations. */
#include "cli/cli_priv.h"

#include "cli/ask.h"
#include "cli/json.h"
#include "cli/qr.h"
#include "cli/text.h"

#include <edn/sharing.h>

/* ---- contacts ---------------------------------------------------------------------------------------------------- */

/* Twelve groups of five, four to a line. */
static void put_number(edn_buf *out, const char *number, const char *indent)
{
    for (size_t i = 0; i < 60; i += 5) {
        if (i % 20 == 0)
            edn_put_str(out, indent);
        edn_put_bytes(out, number + i, 5);
        edn_put_str(out, i % 20 == 15 ? "\n" : " ");
    }
}

static edn_status put_contact(void *ctx, const edn_contact *k)
{
    edn_cli *c = ctx;

    if (c->json) {
        edn_json_open(&c->buf, NULL, '{');
        edn_json_string(&c->buf, "name", edn_bytes_str(k->name));
        edn_json_string(&c->buf, "account", edn_bytes_str(k->account));
        edn_json_string(&c->buf, "server", edn_bytes_str(k->server));
        edn_json_bool(&c->buf, "verified", k->state == EDN_CONTACT_VERIFIED);
        edn_json_string(&c->buf, "number", edn_bytes_str(k->number));
        edn_json_close(&c->buf, '}');
        edn_put_u8(&c->buf, '\n');
        return edn_cli_out(c);
    }
    edn_cli_putf(&c->buf, c->out.tty ? "%.8s  " : "%.8s\t", k->account);
    edn_cli_put_text(&c->buf, &c->out, edn_bytes_str(k->name), true);
    edn_cli_putf(&c->buf, c->out.tty ? "  (%s)\n" : "\t%s\n",
                 k->state == EDN_CONTACT_VERIFIED ? "verified" : "not verified");
    return edn_cli_out(c);
}

edn_status edn_cli_contact_list(edn_cli *c)
{
    edn_status st = edn_cli_need(c);

    return st == EDN_OK ? edn_client_contacts(c->client, put_contact, c, &c->err) : st;
}

/* The one that is meant, found among all: a name, or the beginning of an account's id. */
typedef struct picking {
    const char *what;
    edn_contact found;
    unsigned n;
} picking;

static edn_status pick(void *ctx, const edn_contact *k)
{
    picking *p = ctx;

    if (strcmp(k->name, p->what) == 0 || (strlen(p->what) >= 4 && strncmp(k->account, p->what, strlen(p->what)) == 0)) {
        p->found = *k;
        p->n++;
    }
    return EDN_OK;
}

static edn_status contact_of(edn_cli *c, const char *what, edn_contact *out)
{
    picking p = {.what = what};
    edn_status st = edn_cli_need(c);

    if (st == EDN_OK)
        st = edn_client_contacts(c->client, pick, &p, &c->err);
    if (st == EDN_OK && p.n != 1)
        st = edn_fail(&c->err, p.n ? EDN_E_AMBIGUOUS : EDN_E_MISSING,
                      p.n ? "several contacts are called \"%.200s\"; name one by its id (edn contact list)"
                          : "no contact is called \"%.200s\"; 'edn contact list' shows them",
                      what);
    *out = p.found;
    return st;
}

/* What to do with the number; and then it, on standard output. */
static edn_status explain_number(edn_cli *c, const edn_contact *k)
{
    edn_cli_note(
        c,
        "This is the number of you and %s. Ask them, by voice or in person, for theirs ('edn contact show'): when "
        "it is the same, nobody is in between. Then: edn contact verify \"%s\"",
        k->name, k->name);
    put_number(&c->buf, k->number, "");
    return edn_cli_out(c);
}

edn_status edn_cli_contact_show(edn_cli *c)
{
    edn_contact k;
    edn_status st = contact_of(c, c->args.words[0], &k);

    if (st != EDN_OK || c->json)
        return st == EDN_OK ? put_contact(c, &k) : st;
    edn_cli_put_text(&c->buf, &c->out, edn_bytes_str(k.name), true);
    edn_cli_putf(&c->buf, "\naccount  %s\nserver   %s\n%s\n\n", k.account, k.server,
                 k.state == EDN_CONTACT_VERIFIED ? "verified" : "not verified");
    put_number(&c->buf, k.number, "");
    return edn_cli_out(c);
}

static edn_status keep_contact(void *ctx, const edn_contact *k)
{
    *(edn_contact *)ctx = *k;
    return EDN_OK;
}

edn_status edn_cli_contact_add(edn_cli *c)
{
    edn_contact k = {.name = ""};
    edn_status st = edn_cli_need(c);

    if (st != EDN_OK ||
        (st = edn_client_contact_add(c->client, c->args.words[0], NULL, edn_cli_value(&c->args, EDN_OPT_AS),
                                     keep_contact, &k, &c->err)) != EDN_OK)
        return st;
    if (c->json)
        return put_contact(c, &k);
    return explain_number(c, &k);
}

edn_status edn_cli_contact_verify(edn_cli *c)
{
    edn_contact k;
    bool yes = c->args.words_n > 1;
    edn_status st = contact_of(c, c->args.words[0], &k);

    if (st == EDN_OK && !yes) {
        put_number(&c->buf, k.number, "    ");
        if ((st = edn_cli_out(c)) == EDN_OK)
            st = edn_cli_ask_yes(c, "Do they see the very same number? [y/N] ", &yes);
    }
    if (st != EDN_OK)
        return st;
    if (!yes)
        return edn_fail(&c->err, EDN_E_CANCELLED, "nothing was changed: %s is not verified", k.name);
    st = edn_client_contact_verify(c->client, k.account, c->args.words_n > 1 ? c->args.words[1] : k.number, &c->err);
    if (st == EDN_OK)
        edn_cli_note(c, "%s is verified, on all your devices.", k.name);
    return st;
}

edn_status edn_cli_contact_remove(edn_cli *c)
{
    edn_status st = edn_cli_need(c);

    if (st == EDN_OK && (st = edn_client_contact_remove(c->client, c->args.words[0], &c->err)) == EDN_OK)
        edn_cli_note(c, "%s is no contact any more. Journals that you share with them stay shared.", c->args.words[0]);
    return st;
}

edn_status edn_cli_contact_card(edn_cli *c)
{
    const char *png = edn_cli_value(&c->args, EDN_OPT_PNG);
    char card[EDN_CARD_SIZE];
    edn_status st = edn_cli_need(c);

    if (st != EDN_OK || (st = edn_client_card(c->client, card, &c->err)) != EDN_OK)
        return st;
    if (png && (st = edn_cli_qr_png(png, card, &c->err)) != EDN_OK)
        return st;
    if (c->out.tty && (st = edn_cli_qr_put(&c->buf, &c->out, card)) != EDN_OK)
        return st;
    edn_cli_putf(&c->buf, "%s\n", card);
    edn_cli_note(c, "Others add you with 'edn contact add CARD --as NAME'. There is nothing secret in it.");
    return edn_cli_out(c);
}

/* ---- members ----------------------------------------------------------------------------------------------------- */

static const char *role_name(edn_member_role r)
{
    return r == EDN_MEMBER_OWNER ? "owner" : r == EDN_MEMBER_WRITE ? "write" : "read";
}

static edn_status put_member(void *ctx, const edn_member *m)
{
    edn_cli *c = ctx;

    if (c->json) {
        edn_json_open(&c->buf, NULL, '{');
        edn_json_string(&c->buf, "name", edn_bytes_str(m->name));
        edn_json_string(&c->buf, "account", edn_bytes_str(m->account));
        edn_json_string(&c->buf, "role", edn_bytes_str(role_name(m->role)));
        edn_json_bool(&c->buf, "self", m->self);
        edn_json_bool(&c->buf, "verified", m->verified);
        edn_json_bool(&c->buf, "accepted", m->accepted);
        edn_json_number(&c->buf, "devices", m->devices);
        edn_json_close(&c->buf, '}');
        edn_put_u8(&c->buf, '\n');
        return edn_cli_out(c);
    }
    edn_cli_putf(&c->buf, "%.8s\t%s\t", m->account, role_name(m->role));
    edn_cli_put_text(&c->buf, &c->out, edn_bytes_str(m->name), true);
    edn_put_str(&c->buf, m->self        ? "\tyou\n"
                         : !m->accepted ? "\tinvited\n"
                         : m->verified  ? "\tverified\n"
                                        : "\tnot verified\n");
    return edn_cli_out(c);
}

static edn_status journal_of(edn_cli *c, edn_journal_id *out)
{
    edn_status st = edn_cli_need(c);

    return st == EDN_OK ? edn_client_journal_find(c->client, c->args.words[0], out, &c->err) : st;
}

edn_status edn_cli_journal_members(edn_cli *c)
{
    edn_journal_id j;
    edn_status st = journal_of(c, &j);

    return st == EDN_OK ? edn_client_members(c->client, &j, put_member, c, &c->err) : st;
}

edn_status edn_cli_journal_share(edn_cli *c)
{
    const char *role = edn_cli_value(&c->args, EDN_OPT_ROLE);
    edn_member_role r = role && strcmp(role, "read") == 0 ? EDN_MEMBER_READ : EDN_MEMBER_WRITE;
    edn_journal_id j;
    edn_status st = journal_of(c, &j);

    if (!role)
        return edn_cli_usage(c, "say what they may do: --role read or --role write");
    if (st == EDN_OK && (st = edn_client_journal_share(c->client, &j, c->args.words[1], r,
                                                       edn_cli_has(&c->args, EDN_OPT_UNVERIFIED), &c->err)) == EDN_OK)
        edn_cli_note(c, "%s is invited. They see it with 'edn invite list'.", c->args.words[1]);
    return st;
}

edn_status edn_cli_journal_unshare(edn_cli *c)
{
    edn_journal_id j;
    edn_status st = journal_of(c, &j);

    if (st == EDN_OK && (st = edn_client_journal_unshare(c->client, &j, c->args.words[1], &c->err)) == EDN_OK)
        edn_cli_note(
            c,
            "Done: what is written from now on is sealed under a key that %s was not given. What was read stays "
            "read.",
            c->args.words[1]);
    return st;
}

/* ---- invitations ------------------------------------------------------------------------------------------------- */

static edn_status put_invitation(void *ctx, const edn_invitation *i)
{
    edn_cli *c = ctx;
    char when[EDN_CLI_TIME_MAX];

    if (c->json) {
        edn_json_open(&c->buf, NULL, '{');
        edn_json_string(&c->buf, "id", edn_bytes_str(i->id));
        edn_json_string(&c->buf, "from", edn_bytes_str(i->from));
        edn_json_string(&c->buf, "from_account", edn_bytes_str(i->from_account));
        edn_json_string(&c->buf, "journal", edn_bytes_str(i->journal));
        edn_json_string(&c->buf, "role", edn_bytes_str(role_name(i->role)));
        edn_json_bool(&c->buf, "known", i->known);
        edn_json_bool(&c->buf, "verified", i->verified);
        edn_json_time(&c->buf, "time", i->time_ms);
        edn_json_close(&c->buf, '}');
        edn_put_u8(&c->buf, '\n');
        return edn_cli_out(c);
    }
    edn_cli_time_local(when, i->time_ms, 0);
    edn_cli_putf(&c->buf, "%.8s\t%.10s\t", i->id, when);
    edn_cli_put_text(&c->buf, &c->out, edn_bytes_str(i->journal), true);
    edn_cli_putf(&c->buf, "\t%s\t", role_name(i->role));
    edn_cli_put_text(&c->buf, &c->out, edn_bytes_str(i->from), true);
    edn_put_str(&c->buf, i->verified ? "\tverified\n" : i->known ? "\tnot verified\n" : "\tno contact of yours\n");
    return edn_cli_out(c);
}

edn_status edn_cli_invite_list(edn_cli *c)
{
    edn_status st = edn_cli_need(c);

    return st == EDN_OK ? edn_client_invitations(c->client, put_invitation, c, &c->err) : st;
}

edn_status edn_cli_invite_accept(edn_cli *c)
{
    edn_status st = edn_cli_need(c);

    if (st == EDN_OK &&
        (st = edn_client_invitation_accept(c->client, c->args.words[0], edn_cli_has(&c->args, EDN_OPT_UNVERIFIED),
                                           &c->err)) == EDN_OK)
        edn_cli_note(c, "You are in: 'edn journal list' shows it, on all your devices at their next sync.");
    return st;
}

edn_status edn_cli_invite_refuse(edn_cli *c)
{
    edn_status st = edn_cli_need(c);

    if (st == EDN_OK && (st = edn_client_invitation_refuse(c->client, c->args.words[0], &c->err)) == EDN_OK)
        edn_cli_note(c, "The invitation is gone; whoever sent it is not told.");
    return st;
}
