/* Commands about other ways to unlock than the passphrase: slot list, add, remove; and the PIN that unlock asks for. */
#include "cli/cli_priv.h"

#include "cli/text.h"

/* ---- PINs -------------------------------------------------------------------------------------------------------- */

/* Asks for a PIN where the holder wants one; `out` stays empty otherwise. */
static edn_status pin_get(edn_cli *c, const char *what, edn_cli_secret *out)
{
    edn_slot_needs needs;
    int fd = -1;
    edn_status st = edn_client_slot_needs(c->client, what, &needs, &c->err);

    *out = (edn_cli_secret){NULL, 0};
    if (st == EDN_OK && needs.pin && (st = edn_cli_fd(c, EDN_OPT_PIN_FD, &fd)) == EDN_OK)
        st = fd >= 0 ? edn_cli_secret_read(fd, "PIN", out, &c->err) : edn_cli_secret_ask("PIN: ", out, &c->err);
    if (st == EDN_E_MISSING && needs.pin)
        edn_fail(&c->err, st = EDN_E_LOCKED,
                 "the PIN is needed and there is no terminal to ask on: give --pin-fd, or unlock by the passphrase");
    if (st == EDN_OK && needs.touch)
        edn_cli_note(c, "Touch the security key when it blinks.");
    return st;
}

edn_status edn_cli_unlock_slot(edn_cli *c, const char *what)
{
    edn_cli_secret pin;
    edn_status st = edn_cli_open(c);

    if (st != EDN_OK || (st = pin_get(c, what, &pin)) != EDN_OK)
        return st;
    st = edn_client_unlock_slot(c->client, what, edn_cli_secret_view(&pin), &c->err);
    edn_cli_secret_dispose(&pin);
    if (st == EDN_OK)
        edn_cli_journals_reopen(c);
    return st;
}

/* ---- the commands ------------------------------------------------------------------------------------------------ */

static edn_status slot_put(void *ctx, const edn_slot *s)
{
    edn_cli *c = ctx;
    char made[EDN_CLI_TIME_MAX];

    if (c->json) {
        edn_put_str(&c->buf, "{\"slot\":\"");
        edn_put_str(&c->buf, s->id);
        edn_put_str(&c->buf, "\",\"holder\":\"");
        edn_put_str(&c->buf, s->holder);
        edn_put_str(&c->buf, "\",\"added\":\"");
        edn_cli_time_utc(made, s->made_ms);
        edn_cli_putf(&c->buf, "%s\"}\n", made);
    } else {
        edn_cli_time_local(made, s->made_ms, 0);
        edn_cli_putf(&c->buf, "%.8s\t%s\t%.10s\n", s->id, s->holder, made);
    }
    return edn_cli_out(c);
}

edn_status edn_cli_slot_list(edn_cli *c)
{
    edn_status st = edn_cli_open(c);

    return st == EDN_OK ? edn_client_slot_list(c->client, slot_put, c, &c->err) : st;
}

/* The passphrase is asked for even when the diary is unlocked: who finds it unlocked must not make a key of his own. */
edn_status edn_cli_slot_add(edn_cli *c)
{
    const char *holder = c->args.words[0];
    edn_cli_secret passphrase = {NULL, 0}, pin = {NULL, 0};
    edn_status st = edn_cli_open(c);

    if (st == EDN_OK && (st = edn_cli_passphrase(c, "Passphrase: ", &passphrase)) == EDN_OK &&
        (st = pin_get(c, holder, &pin)) == EDN_OK)
        st = edn_client_slot_add(c->client, holder, edn_cli_secret_view(&passphrase), edn_cli_secret_view(&pin),
                                 &c->err);
    edn_cli_secret_dispose(&passphrase);
    edn_cli_secret_dispose(&pin);
    if (st == EDN_OK)
        edn_cli_note(c, "Added: 'edn unlock --with %s'. The passphrase goes on working; keep it.", holder);
    return st;
}

edn_status edn_cli_slot_remove(edn_cli *c)
{
    edn_status st = edn_cli_need(c);

    return st == EDN_OK ? edn_client_slot_remove(c->client, c->args.words[0], &c->err) : st;
}
