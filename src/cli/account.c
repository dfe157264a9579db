/* Commands about the account and this device: init, login, unlock, lock, passwd, server, sheet. */
#include "cli/cli_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/session.h"
#include "cli/sheet.h"
#include "cli/text.h"

/* edn_account_info, wiped on every way out. */
EDN_SECRET_TYPE(edn_account_info)

/* ---- before a home is made --------------------------------------------------------------------------------------- */

/* Makes the folders above the home: ~/.local/share may not be there yet. */
static edn_status parents_make(edn_cli *c)
{
    for (char *at = strchr(c->home + 1, '/'); at; at = strchr(at + 1, '/')) {
        int failed;
        *at = 0;
        failed = mkdir(c->home, 0700) != 0 && errno != EEXIST ? errno : 0;
        if (failed)
            edn_fail(&c->err, EDN_E_IO, "could not make the folder %s: %s", c->home, strerror(failed));
        *at = '/';
        if (failed)
            return EDN_E_IO;
    }
    return EDN_OK;
}

edn_status edn_cli_home_check(edn_cli *c)
{
    edn_client *there = NULL;
    edn_status st = edn_client_open(&c->options, &there, &c->err);

    edn_client_close(there);
    if (st == EDN_E_MISSING)
        return parents_make(c);
    return st != EDN_OK ? st
                        : edn_fail(&c->err, EDN_E_EXISTS,
                                   "%s: there is a diary already; name another folder with --home", c->home);
}

/* --server and --name go together. */
static edn_status server_check(edn_cli *c, const char *server, bool needed)
{
    const char *name = edn_cli_value(&c->args, EDN_OPT_NAME);

    if (needed && !server)
        return edn_cli_usage(c, "say which server knows the account: --server URL");
    if (server && !name)
        return edn_cli_usage(c, "say by which name the server finds the account: --name NAME");
    if (name && !server)
        return edn_cli_usage(c, "--name is for a server: say which, --server URL");
    return EDN_OK;
}

const char *edn_cli_device_name(const edn_cli *c, char space[256])
{
    const char *given = edn_cli_value(&c->args, EDN_OPT_DEVICE_NAME);

    if (given)
        return given;
    if (gethostname(space, 256) != 0)
        return NULL;
    space[255] = 0;
    return space[0] ? space : NULL;
}

/* ---- the emergency sheet ----------------------------------------------------------------------------------------- */

static edn_status sheet_put(edn_cli *c, const edn_account_info *info, bool with_key)
{
    edn_cli_sheet_text(&c->buf, &c->out, info, with_key);
    return edn_cli_out(c);
}

/* DIR/sheet.txt and DIR/sheet.html. */
static edn_status sheet_save(edn_cli *c, const edn_account_info *info, const char *dir)
{
    edn_buf bytes = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    const edn_cli_term plain = {.fd = -1};
    char path[4096];
    edn_status st = EDN_OK;

    edn_buf_reserve(&bytes, (size_t)1 << 20); /* so that no piece of it is left where it grew from */
    for (int html = 0; st == EDN_OK && html < 2; html++) {
        edn_buf_reset(&bytes);
        snprintf(path, sizeof path, "%s/sheet.%s", dir, html ? "html" : "txt");
        if (html)
            st = edn_cli_sheet_html(&bytes, info);
        else
            edn_cli_sheet_text(&bytes, &plain, info, true);
        if (st == EDN_OK && (st = edn_buf_status(&bytes)) == EDN_OK)
            st = edn_cli_page_save(c, path, &bytes);
    }
    edn_buf_wipe(&bytes);
    if (st == EDN_OK)
        edn_cli_note(c, "Print %s/sheet.html, or sheet.txt there, then take the files away.", dir);
    return st;
}

/* The key goes to a script's descriptor, or onto the sheet. */
static edn_status account_key_show(edn_cli *c, int fd)
{
    EDN_SECRET(edn_account_info) info = {0};
    edn_status st = edn_client_account(c->client, &info, &c->err);

    if (st != EDN_OK)
        return st;
    if (fd >= 0 && dprintf(fd, "%s\n", info.account_key) < 0)
        return edn_fail(
            &c->err, EDN_E_IO,
            "the account was made, but its key could not be written to file descriptor %d (%s): 'edn sheet' "
            "shows it",
            fd, strerror(errno));
    return sheet_put(c, &info, fd < 0);
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

edn_status edn_cli_init(edn_cli *c)
{
    char host[256], key[EDN_ACCOUNT_KEY_TEXT_MAX] = "";
    edn_init_options init = {
        .server = edn_cli_value(&c->args, EDN_OPT_SERVER),
        .name = edn_cli_value(&c->args, EDN_OPT_NAME),
        .device_name = edn_cli_device_name(c, host),
        .strength = edn_cli_strength(c),
        .no_account_key = edn_cli_has(&c->args, EDN_OPT_NO_ACCOUNT_KEY),
    };
    edn_cli_secret passphrase = {NULL, 0};
    uint32_t timeout_s;
    int key_fd;
    edn_status st;

    if ((st = server_check(c, init.server, false)) != EDN_OK || (st = edn_cli_timeout(c, &timeout_s)) != EDN_OK ||
        (st = edn_cli_fd(c, EDN_OPT_ACCOUNT_KEY_FD_OUT, &key_fd)) != EDN_OK || (st = edn_cli_home_check(c)) != EDN_OK)
        return st;
    if (init.no_account_key)
        edn_cli_warn(c,
                     "without an account key the passphrase alone opens the account: whoever copies the server's disk "
                     "can try passphrases on it");
    if ((st = edn_cli_passphrase_new(c, EDN_OPT_PASSPHRASE_FD, "New passphrase: ", &passphrase)) != EDN_OK)
        return st;
    st = edn_client_init(&c->options, &init, edn_cli_secret_view(&passphrase), key, &c->client, &c->err);
    edn_cli_secret_dispose(&passphrase);
    edn_wipe(key, sizeof key); /* the sheet takes it from the account */
    if (st != EDN_OK || (st = account_key_show(c, key_fd)) != EDN_OK)
        return st;
    edn_cli_note(c, "The diary is in %s. 'edn write' begins it%s.", c->home,
                 init.server ? ", 'edn sync' sends it" : "; 'edn server' gives it a server");
    return edn_cli_keep_unlocked(c, timeout_s);
}

/* The account key: from a descriptor; by asking; none for a script that gives only a passphrase. */
static edn_status account_key_get(edn_cli *c, edn_cli_secret *out)
{
    int fd;
    edn_status st = edn_cli_fd(c, EDN_OPT_ACCOUNT_KEY_FD_IN, &fd);

    if (st != EDN_OK)
        return st;
    if (fd >= 0)
        return edn_cli_secret_read(fd, "account key", out, &c->err);
    if (edn_cli_has(&c->args, EDN_OPT_PASSPHRASE_FD))
        return EDN_OK;
    return edn_cli_secret_ask("Account key (on the emergency sheet; Enter if there is none): ", out, &c->err);
}

edn_status edn_cli_login(edn_cli *c)
{
    char host[256];
    edn_login_options login = {
        .server = edn_cli_value(&c->args, EDN_OPT_SERVER_NEEDED),
        .name = edn_cli_value(&c->args, EDN_OPT_NAME),
        .device_name = edn_cli_device_name(c, host),
        .strength = edn_cli_strength(c),
    };
    edn_cli_secret passphrase = {NULL, 0}, key = {NULL, 0};
    uint32_t timeout_s;
    edn_status st;

    if ((st = server_check(c, login.server, true)) != EDN_OK || (st = edn_cli_timeout(c, &timeout_s)) != EDN_OK ||
        (st = edn_cli_home_check(c)) != EDN_OK)
        return st;
    if ((st = edn_cli_passphrase(c, "Passphrase: ", &passphrase)) == EDN_OK &&
        (st = account_key_get(c, &key)) == EDN_OK) {
        login.account_key = edn_cli_secret_view(&key);
        st = edn_client_login(&c->options, &login, edn_cli_secret_view(&passphrase), &c->client, &c->err);
    }
    edn_cli_secret_dispose(&passphrase);
    edn_cli_secret_dispose(&key);
    if (st != EDN_OK)
        return st;
    edn_cli_note(c, "This device belongs to the account now. 'edn sync' brings the diary here.");
    edn_cli_fetch_index(c);
    return edn_cli_keep_unlocked(c, timeout_s);
}

static edn_status strength_offer(edn_cli *c)
{
    edn_strength strength;
    edn_status st = edn_client_strength(c->client, &strength, &c->err);

    if (st == EDN_OK && strength < EDN_STRENGTH_DEFAULT)
        edn_cli_note(c, "Trying passphrases against this diary is cheaper than it need be. To raise the cost: "
                        "edn passwd --same --strength default");
    return st;
}

edn_status edn_cli_unlock(edn_cli *c)
{
    const char *with = edn_cli_value(&c->args, EDN_OPT_WITH);
    uint32_t timeout_s;
    edn_status st = edn_cli_timeout(c, &timeout_s);

    if (st != EDN_OK || (st = with ? edn_cli_unlock_slot(c, with) : edn_cli_need(c)) != EDN_OK ||
        (st = edn_cli_keep_unlocked(c, timeout_s)) != EDN_OK)
        return st;
    return strength_offer(c);
}

edn_status edn_cli_lock(edn_cli *c)
{
    char device[33];
    edn_status st = edn_cli_open(c);

    if (st != EDN_OK)
        return st;
    edn_client_device_id(c->client, device);
    edn_cli_note(c, edn_cli_session_forget(device) ? "Locked." : "It was locked already.");
    return EDN_OK;
}

edn_status edn_cli_passwd(edn_cli *c)
{
    edn_cli_secret old = {NULL, 0}, fresh = {NULL, 0};
    bool same = edn_cli_has(&c->args, EDN_OPT_SAME);
    edn_status st;

    if (same && (!edn_cli_strength(c) || edn_cli_has(&c->args, EDN_OPT_NEW_PASSPHRASE_FD)))
        return edn_cli_usage(c, "--same keeps the passphrase and changes its strength: say which, by --strength alone");
    if ((st = edn_cli_open(c)) == EDN_OK &&
        (st = edn_cli_passphrase(c, same ? "Passphrase: " : "Old passphrase: ", &old)) == EDN_OK && !same)
        st = edn_cli_passphrase_new(c, EDN_OPT_NEW_PASSPHRASE_FD, "New passphrase: ", &fresh);
    if (st == EDN_OK)
        st = edn_client_passphrase_change(c->client, edn_cli_secret_view(&old),
                                          edn_cli_secret_view(same ? &old : &fresh), edn_cli_strength(c), &c->err);
    edn_cli_secret_dispose(&old);
    edn_cli_secret_dispose(&fresh);
    if (st == EDN_OK)
        edn_cli_note(c,
                     same ? "The passphrase is the same, and its strength is changed." : "The passphrase is changed.");
    return st;
}

edn_status edn_cli_server(edn_cli *c)
{
    const char *name = edn_cli_value(&c->args, EDN_OPT_NAME);
    edn_status st;

    if (!name)
        return edn_cli_usage(c, "say by which name the server finds the account: --name NAME");
    if ((st = edn_cli_need(c)) != EDN_OK ||
        (st = edn_client_server_set(c->client, c->args.words[0], name, &c->err)) != EDN_OK)
        return st;
    edn_cli_note(c, "The account is known at %s as %s. 'edn sync' sends the diary there.", c->args.words[0], name);
    return EDN_OK;
}

edn_status edn_cli_sheet_show(edn_cli *c)
{
    EDN_SECRET(edn_account_info) info = {0};
    edn_status st = edn_client_account(c->client, &info, &c->err);

    return st == EDN_OK ? sheet_put(c, &info, true) : st;
}

edn_status edn_cli_sheet(edn_cli *c)
{
    const char *dir = edn_cli_value(&c->args, EDN_OPT_SHEET_DIR);
    EDN_SECRET(edn_account_info) info = {0};
    edn_status st = edn_cli_need(c);

    if (st == EDN_OK && !dir)
        return edn_cli_sheet_show(c);
    if (st == EDN_OK)
        st = edn_client_account(c->client, &info, &c->err);
    if (st == EDN_OK && mkdir(dir, 0700) != 0 && errno != EEXIST)
        st = edn_fail(&c->err, EDN_E_IO, "could not make the folder %s: %s", dir, strerror(errno));
    return st == EDN_OK ? sheet_save(c, &info, dir) : st;
}
