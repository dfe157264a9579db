/* Commands about recovery shares of others: recovery held, recovery keep, recovery refuse, recovery give. */
#include "cli/cli_priv.h"

#include <edn/recovery.h>

#include "cli/ask.h"
#include "cli/json.h"
#include "cli/text.h"

static const char *state_of(const edn_entrusted_share *s)
{
    return s->state == EDN_ENTRUSTED_OFFERED  ? "offered"
           : s->state == EDN_ENTRUSTED_OLD    ? "old"
           : s->state == EDN_ENTRUSTED_FORKED ? "forked"
                                              : "kept";
}

static edn_status put_json(edn_cli *c, const edn_entrusted_share *s)
{
    edn_json_open(&c->buf, NULL, '{');
    edn_json_string(&c->buf, "of", edn_bytes_str(s->name));
    edn_json_string(&c->buf, "account", edn_bytes_str(s->account));
    edn_json_string(&c->buf, "server", edn_bytes_str(s->server));
    edn_json_string(&c->buf, "set", edn_bytes_str(s->set));
    edn_json_number(&c->buf, "number", s->number);
    edn_json_number(&c->buf, "needed", s->needed);
    edn_json_number(&c->buf, "shares", s->n);
    edn_json_string(&c->buf, "state", edn_bytes_str(state_of(s)));
    edn_json_bool(&c->buf, "known", s->known);
    edn_json_bool(&c->buf, "verified", s->verified);
    edn_json_bool(&c->buf, "asked", s->asked);
    edn_json_close(&c->buf, '}');
    edn_put_u8(&c->buf, '\n');
    return edn_cli_out(c);
}

static void put_what_to_do(edn_cli *c, const edn_entrusted_share *s)
{
    switch (s->state) {
    case EDN_ENTRUSTED_OFFERED:
        edn_put_str(&c->buf, s->known ? "offered: 'edn recovery keep' or 'edn recovery refuse'\n"
                                      : "offered by somebody who is no contact of yours\n");
        break;
    case EDN_ENTRUSTED_OLD:
        edn_put_str(&c->buf, "of an older set, good for nothing: 'edn recovery refuse' throws it away\n");
        break;
    case EDN_ENTRUSTED_FORKED:
        edn_put_str(&c->buf,
                    "kept; but the server shows another account than before: nothing is given. Speak with them\n");
        break;
    default:
        edn_put_str(&c->buf, s->asked ? "kept; they ask whether you still have it: 'edn recovery keep'\n" : "kept\n");
    }
}

static edn_status put_share(void *ctx, const edn_entrusted_share *s)
{
    edn_cli *c = ctx;

    if (c->json)
        return put_json(c, s);
    edn_cli_putf(&c->buf, "%.8s\t", s->account);
    edn_cli_put_text(&c->buf, &c->out, edn_bytes_str(s->name), true);
    edn_cli_putf(&c->buf, "%s\tshare %u of %u, any %u are enough\t", s->verified ? "" : " (not verified)", s->number,
                 s->n, s->needed);
    put_what_to_do(c, s);
    edn_put_str(&c->buf, "        --server ");
    edn_cli_put_text(&c->buf, &c->out, edn_bytes_str(s->server), true);
    edn_cli_putf(&c->buf, " --set %s\n", s->set);
    return edn_cli_out(c);
}

edn_status edn_cli_recovery_held(edn_cli *c)
{
    edn_status st = edn_cli_need(c);

    return st == EDN_OK ? edn_client_entrusted(c->client, put_share, c, &c->err) : st;
}

edn_status edn_cli_recovery_keep(edn_cli *c)
{
    edn_status st = edn_cli_need(c);

    if (st == EDN_OK && (st = edn_client_entrusted_keep(c->client, c->args.words[0], &c->err)) == EDN_OK)
        edn_cli_note(
            c,
            "You keep a share of %s's, on all your devices, and they are told so. Alone it opens nothing. Give it "
            "to nobody but %s in person: 'edn recovery give'.",
            c->args.words[0], c->args.words[0]);
    return st;
}

edn_status edn_cli_recovery_refuse(edn_cli *c)
{
    edn_status st = edn_cli_need(c);

    if (st == EDN_OK && (st = edn_client_entrusted_refuse(c->client, c->args.words[0], &c->err)) == EDN_OK)
        edn_cli_note(c, "You keep no share of %s's; they are told so.", c->args.words[0]);
    return st;
}

/* ---- giving ------------------------------------------------------------------------------------------------------ */

static edn_status tell_asked(void *ctx, const edn_entrusted_share *s)
{
    edn_cli *c = ctx;

    edn_cli_note(
        c,
        "Somebody who says that they are %s has lost every device and asks for the share that you keep. Whoever "
        "gets enough of these shares can read the whole diary of %s. SPEAK WITH %s YOURSELF, in person or by voice "
        "that you know, on a call that you began; a letter, a message or a stranger's call is not enough. Let them "
        "read to you the eight words that stand on the screen of their new machine.",
        s->name, s->name, s->name);
    return EDN_OK;
}

edn_status edn_cli_recovery_give(edn_cli *c)
{
    const char *who = c->args.words[0];
    char line[256];
    edn_status st = edn_cli_need(c);

    if (st != EDN_OK || (st = edn_client_entrusted_asked(c->client, who, tell_asked, c, &c->err)) != EDN_OK ||
        (st = edn_cli_ask_line(c, "Their eight words (nothing is given without): ", line, sizeof line)) != EDN_OK)
        return st;
    st = edn_client_entrusted_give(c->client, who, line, &c->err);
    if (st == EDN_OK)
        edn_cli_note(c, "The words fit: the share is given to that machine, and to no other. You still keep it.");
    return st;
}
