/* Commands by which a device joins without the passphrase: device link (on the new one), device approve (on one that is
 * in the account). */
#include "cli/cli_priv.h"

#include <edn/pairing.h>
#include <stdio.h>
#include <time.h>

#include "cli/ask.h"
#include "cli/qr.h"
#include "cli/signals.h"
#include "cli/text.h"

/* Between two looks into the mailbox, and how long nobody may come. */
#define STEP_MS 500u
#define PATIENCE_MS 310000u

static void wait_a_little(void)
{
    struct timespec t = {0, STEP_MS * 1000000L};

    (void)nanosleep(&t, NULL); /* a signal only makes it shorter */
}

static edn_status compare(edn_cli *c, edn_pair *p)
{
    char question[200];
    bool same = false;
    edn_status st;

    snprintf(question, sizeof question, "Do both devices show  %.3s %.3s  ? [y/N] ", edn_pair_digits(p),
             edn_pair_digits(p) + 3);
    if ((st = edn_cli_ask_yes(c, question, &same)) != EDN_OK)
        return st;
    return edn_pair_compared(p, same, &c->err);
}

/* Whether a failure is worth another try: the network's, for as long as there is patience. */
static bool passes(edn_status st) { return st == EDN_E_NETWORK || st == EDN_E_RATE || st == EDN_E_BUSY; }

/* Until it is done. Ctrl-C gives it up, and the other side is told. */
static edn_status carry(edn_cli *c, edn_pair *p)
{
    uint64_t begun = edn_cli_monotonic_ms();
    edn_pair_state state = EDN_PAIR_WAITING;
    edn_status st = EDN_OK;

    while (st == EDN_OK && state != EDN_PAIR_DONE) {
        if (edn_cli_signal())
            return edn_fail(&c->err, EDN_E_CANCELLED, "given up; nothing was changed");
        if (edn_cli_monotonic_ms() - begun > PATIENCE_MS)
            return edn_fail(&c->err, EDN_E_MISSING, "nobody came; the code is not good any more. Begin again");
        st = edn_pair_step(p, &state, &c->err);
        if (st == EDN_OK && state == EDN_PAIR_COMPARE)
            st = compare(c, p);
        else if (passes(st) || (st == EDN_OK && state == EDN_PAIR_WAITING)) {
            st = EDN_OK;
            wait_a_little();
        }
    }
    return st;
}

static edn_status carry_until_done(edn_cli *c, edn_pair *p)
{
    edn_status st;

    edn_cli_signals_catch();
    st = carry(c, p);
    edn_cli_signals_release();
    return st;
}

/* A person sees the code as a picture and as text; a script gets the two on a line each. */
static edn_status offer_show(edn_cli *c, const edn_pair *p)
{
    const char *png = edn_cli_value(&c->args, EDN_OPT_PNG);
    edn_status st;

    if (png && (st = edn_cli_qr_png(png, edn_pair_offer(p), &c->err)) != EDN_OK)
        return st;
    if (c->out.tty) {
        if ((st = edn_cli_qr_put(&c->buf, &c->out, edn_pair_offer(p))) != EDN_OK)
            return edn_fail(&c->err, st, "could not make a QR code");
        edn_put_str(&c->buf, "\n  On a device that has the diary:  edn device approve ");
        edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_BOLD);
        edn_put_str(&c->buf, edn_pair_code(p));
        edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_PLAIN);
        edn_put_str(&c->buf, "\n  or scan the picture there and give what it says. Good for five minutes, once.\n\n");
    } else {
        edn_cli_putf(&c->buf, "%s\n%s\n", edn_pair_code(p), edn_pair_offer(p));
    }
    return edn_cli_flush(&c->out, &c->buf);
}

edn_status edn_cli_device_link(edn_cli *c)
{
    char host[256];
    edn_pair_link_options link = {
        .server = edn_cli_value(&c->args, EDN_OPT_SERVER_NEEDED),
        .device_name = edn_cli_device_name(c, host),
        .strength = edn_cli_strength(c),
    };
    edn_cli_secret passphrase = {NULL, 0};
    edn_pair *p = NULL;
    uint32_t timeout_s;
    edn_status st;

    if (!link.server)
        return edn_cli_usage(c, "say which server the diary is at: --server URL");
    if ((st = edn_cli_timeout(c, &timeout_s)) != EDN_OK || (st = edn_cli_home_check(c)) != EDN_OK ||
        (st = edn_cli_passphrase_new(c, EDN_OPT_PASSPHRASE_FD, "A passphrase for this device: ", &passphrase)) !=
            EDN_OK)
        return st;
    st = edn_pair_link(&c->options, &link, edn_cli_secret_view(&passphrase), &p, &c->err);
    edn_cli_secret_dispose(&passphrase);
    if (st == EDN_OK && (st = offer_show(c, p)) == EDN_OK && (st = carry_until_done(c, p)) == EDN_OK)
        c->client = edn_pair_take(p);
    edn_pair_free(p);
    if (st != EDN_OK)
        return st;
    edn_cli_note(c, "This device belongs to the account now. 'edn sync' brings the diary here.");
    edn_cli_fetch_index(c);
    return edn_cli_keep_unlocked(c, timeout_s);
}

edn_status edn_cli_device_approve(edn_cli *c)
{
    char shown[512] = "";
    edn_pair *p = NULL;
    edn_status st = edn_cli_need(c);

    if (st != EDN_OK)
        return st;
    if (c->args.words_n == 0 && (st = edn_cli_ask_line(c,
                                                       "What the new device shows (the code, or what its picture "
                                                       "says): ",
                                                       shown, sizeof shown)) != EDN_OK)
        return st;
    st = edn_pair_approve(c->client, edn_bytes_str(c->args.words_n ? c->args.words[0] : shown), NULL, &p, &c->err);
    edn_wipe(shown, sizeof shown);
    if (st == EDN_OK && (st = carry_until_done(c, p)) == EDN_OK) {
        edn_buf name = EDN_BUF_INIT(4096);
        edn_cli_put_safe(&name, edn_bytes_str(edn_pair_device(p)), EDN_SAFE_LINE);
        edn_cli_note(c, "\"%.*s\" belongs to the account now.", (int)name.n, (const char *)name.p);
        edn_buf_dispose(&name);
    }
    edn_pair_free(p);
    return st;
}
