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

/* Between two looks into the mailbox, or at a connection, and how long nobody may come. */
#define STEP_MS 500u
#define STEP_LAN_MS 20u
#define PATIENCE_MS 310000u

/* How the two meet. */
typedef struct way {
    edn_pair_lan lan;
    edn_pair_way by_lan;
    const edn_pair_way *chosen; /* NULL: by the server's mailbox */
} way;

static edn_status way_of(edn_cli *c, way *w)
{
    const char *port = edn_cli_value(&c->args, EDN_OPT_LAN_PORT);
    uint64_t n = 0;

    *w = (way){.lan = {.address = edn_cli_value(&c->args, EDN_OPT_LAN_ADDRESS),
                       .at = edn_cli_value(&c->args, EDN_OPT_LAN_AT)}};
    w->by_lan.lan = &w->lan;
    if (edn_cli_has(&c->args, EDN_OPT_LAN) || w->lan.at)
        w->chosen = &w->by_lan;
    else if (port || w->lan.address)
        return edn_cli_usage(c, "--port and --address go with --lan");
    if (port && (!edn_cli_read_count(port, 65535, &n) || n == 0))
        return edn_cli_usage(c, "--port: \"%s\" is no port: a number from 1 to 65535", port);
    w->lan.port = (uint16_t)n;
    return EDN_OK;
}

static void wait_a_little(const way *w)
{
    struct timespec t = {0, (w->chosen ? STEP_LAN_MS : STEP_MS) * 1000000L};

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

/* Said once: the person may be able to mend it. */
static void tell_of_delay(edn_cli *c, bool *told)
{
    if (!*told)
        edn_cli_note(c, "%s. Trying on…", c->err.text);
    *told = true;
}

/* Until it is done. Ctrl-C gives it up, and the other side is told. */
static edn_status carry(edn_cli *c, edn_pair *p, const way *w)
{
    uint64_t begun = edn_cli_monotonic_ms();
    edn_pair_state state = EDN_PAIR_WAITING;
    edn_status st = EDN_OK;
    bool told = false;

    while (state != EDN_PAIR_DONE) {
        if (edn_cli_signal())
            return edn_fail(&c->err, EDN_E_CANCELLED, "given up; nothing was changed");
        if (edn_cli_monotonic_ms() - begun > PATIENCE_MS) /* what failed to the last says more */
            return st != EDN_OK
                       ? st
                       : edn_fail(&c->err, EDN_E_MISSING, "nobody came; the code is not good any more. Begin again");
        st = edn_pair_step(p, &state, &c->err);
        if (st == EDN_OK && state == EDN_PAIR_COMPARE)
            st = compare(c, p);
        else if (passes(st))
            tell_of_delay(c, &told);
        if (st != EDN_OK && !passes(st))
            return st;
        if (state == EDN_PAIR_WAITING)
            wait_a_little(w);
    }
    return EDN_OK;
}

static edn_status carry_until_done(edn_cli *c, edn_pair *p, const way *w)
{
    edn_status st;

    edn_cli_signals_catch();
    st = carry(c, p, w);
    edn_cli_signals_release();
    return st;
}

/* What to type on the other device. */
static void offer_put_commands(edn_cli *c, const edn_pair *p)
{
    const char *at = edn_pair_addresses(p);
    size_t first = strcspn(at, " ");

    edn_put_str(&c->buf, "\n  On a device that has the diary:  edn device approve ");
    edn_put_str(&c->buf, at[0] ? "--lan " : "");
    edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_BOLD);
    edn_put_str(&c->buf, edn_pair_code(p));
    edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_PLAIN);
    if (at[0])
        edn_cli_putf(&c->buf, "\n  or, if it does not find this one:  edn device approve --at %.*s %s", (int)first, at,
                     edn_pair_code(p));
    if (at[first])
        edn_cli_putf(&c->buf, "\n  (this machine is also at%s)", at + first);
    edn_put_str(&c->buf, "\n  or scan the picture there and give what it says. Good for five minutes, once.\n\n");
}

/* A person sees the code as a picture and as text; a script gets the two on a line each, and where this device waits
 * on a network. */
static edn_status offer_show(edn_cli *c, const edn_pair *p)
{
    const char *png = edn_cli_value(&c->args, EDN_OPT_PNG);
    edn_status st;

    if (png && (st = edn_cli_qr_png(png, edn_pair_offer(p), &c->err)) != EDN_OK)
        return st;
    if (c->out.tty) {
        if ((st = edn_cli_qr_put(&c->buf, &c->out, edn_pair_offer(p))) != EDN_OK)
            return edn_fail(&c->err, st, "could not make a QR code");
        offer_put_commands(c, p);
    } else {
        edn_cli_putf(&c->buf, "%s\n%s\n", edn_pair_code(p), edn_pair_offer(p));
        if (edn_pair_addresses(p)[0])
            edn_cli_putf(&c->buf, "%s\n", edn_pair_addresses(p));
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
    way w;
    edn_status st;

    if ((st = way_of(c, &w)) != EDN_OK)
        return st;
    link.way = w.chosen;
    if (!link.server == !link.way)
        return edn_cli_usage(c, link.way ? "with --lan no --server is given: the other device knows it"
                                         : "say how the two are to meet: --server URL (which the diary is at), or "
                                           "--lan, when both are on one network");
    if ((st = edn_cli_timeout(c, &timeout_s)) != EDN_OK || (st = edn_cli_home_check(c)) != EDN_OK ||
        (st = edn_cli_passphrase_new(c, EDN_OPT_PASSPHRASE_FD, "A passphrase for this device: ", &passphrase)) !=
            EDN_OK)
        return st;
    st = edn_pair_link(&c->options, &link, edn_cli_secret_view(&passphrase), &p, &c->err);
    edn_cli_secret_dispose(&passphrase);
    if (st == EDN_OK && (st = offer_show(c, p)) == EDN_OK && (st = carry_until_done(c, p, &w)) == EDN_OK)
        c->client = edn_pair_take(p);
    edn_pair_free(p);
    if (st != EDN_OK)
        return st;
    edn_cli_note(c, "This device belongs to the account now. 'edn sync' brings the diary here.");
    if (!w.chosen) /* else there may be no server within reach of this device */
        edn_cli_fetch_index(c);
    return edn_cli_keep_unlocked(c, timeout_s);
}

edn_status edn_cli_device_approve(edn_cli *c)
{
    char shown[512] = "";
    edn_pair *p = NULL;
    way w;
    edn_status st = way_of(c, &w);

    if (st != EDN_OK || (st = edn_cli_need(c)) != EDN_OK)
        return st;
    if (c->args.words_n == 0 && (st = edn_cli_ask_line(c,
                                                       "What the new device shows (the code, or what its picture "
                                                       "says): ",
                                                       shown, sizeof shown)) != EDN_OK)
        return st;
    st = edn_pair_approve(c->client, edn_bytes_str(c->args.words_n ? c->args.words[0] : shown), w.chosen, &p, &c->err);
    edn_wipe(shown, sizeof shown);
    if (st == EDN_OK && w.chosen && !w.lan.at)
        edn_cli_note(c, "Looking for the new device on this network…");
    if (st == EDN_OK && (st = carry_until_done(c, p, &w)) == EDN_OK) {
        edn_buf name = EDN_BUF_INIT(4096);
        edn_cli_put_safe(&name, edn_bytes_str(edn_pair_device(p)), EDN_SAFE_LINE);
        edn_cli_note(c, "\"%.*s\" belongs to the account now.", (int)name.n, (const char *)name.p);
        edn_buf_dispose(&name);
    }
    edn_pair_free(p);
    return st;
}
