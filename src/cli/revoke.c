/* Who had a device may have let others in with it before it was missed. They are asked about and not revoked unasked:
 * an honest one, this very device even, may be among them. */
#include "cli/revoke.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/text.h"

static bool has(const edn_cli_revoking *r, const char *device)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->p[i], device) == 0)
            return true;
    return false;
}

edn_status edn_cli_revoking_add(edn_cli_revoking *r, const char *device, edn_err *err)
{
    if (has(r, device))
        return EDN_OK;
    if (r->n == EDN_CLI_REVOKE_MAX)
        return edn_fail(err, EDN_E_LIMIT, "an account has at most %u devices", EDN_CLI_REVOKE_MAX);
    snprintf(r->p[r->n++], sizeof r->p[0], "%s", device);
    return EDN_OK;
}

static const edn_head_status *device_of(const edn_client_status *s, const char *id)
{
    for (size_t i = 0; i < s->heads_n; i++)
        if (strcmp(s->heads[i].device, id) == 0)
            return &s->heads[i];
    return NULL;
}

/* Whether one of them let it in, or let in who did. */
static bool is_guest(const edn_client_status *s, const edn_head_status *h, const edn_cli_revoking *r)
{
    for (size_t depth = 0; h && depth <= s->heads_n; depth++, h = device_of(s, h->added_by))
        if (has(r, h->added_by))
            return true;
    return false;
}

static edn_status ask_about(edn_cli *c, const edn_head_status *h, bool *yes)
{
    edn_buf line = EDN_BUF_INIT(4096), question = EDN_BUF_INIT(4096);
    edn_status st;

    edn_cli_put_safe(&line, h->device_name, EDN_SAFE_LINE);
    edn_cli_putf(&question, "Device %.8s", h->device);
    if (h->device_name.n) {
        edn_put_str(&question, " (");
        edn_cli_put_cut(&question, edn_buf_view(&line), 40);
        edn_put_str(&question, ")");
    }
    edn_put_str(&question, " was let in by it. Revoke it too (y/n)? ");
    edn_put_u8(&question, 0);
    if ((st = edn_buf_status(&question)) == EDN_OK)
        st = edn_cli_ask_yes(c, (const char *)question.p, yes);
    edn_buf_dispose(&line);
    edn_buf_dispose(&question);
    return st;
}

edn_status edn_cli_revoking_add_guests(edn_cli *c, edn_cli_revoking *r, bool yes)
{
    edn_client_status s;
    edn_cli_revoking let_be = {.n = 0};
    bool more = true, go;
    edn_status st = edn_client_status_get(c->client, &s, &c->err);

    while (st == EDN_OK && more) { /* one who goes may have let in others */
        more = false;
        for (size_t i = 0; st == EDN_OK && i < s.heads_n; i++) {
            const edn_head_status *h = &s.heads[i];
            if (!h->active || h->self || has(r, h->device) || has(&let_be, h->device) || !is_guest(&s, h, r))
                continue;
            go = yes;
            if (!yes && (st = ask_about(c, h, &go)) != EDN_OK)
                return st;
            st = edn_cli_revoking_add(go ? r : &let_be, h->device, &c->err);
            more |= go;
        }
    }
    return st;
}

edn_status edn_cli_revoke(edn_cli *c, const edn_cli_revoking *r, edn_bytes passphrase)
{
    const char *devices[EDN_CLI_REVOKE_MAX];
    edn_status st;

    if (r->n == 0)
        return EDN_OK;
    for (size_t i = 0; i < r->n; i++)
        devices[i] = r->p[i];
    if ((st = edn_client_devices_revoke(c->client, devices, r->n, false, passphrase, &c->err)) != EDN_OK)
        return st;
    for (size_t i = 0; i < r->n; i++)
        edn_cli_note(c, "Device %.8s is revoked.", r->p[i]);
    edn_cli_note(c, "All keys were made anew. Let the other devices sync soon: what they write before is under the old "
                    "keys.");
    return EDN_OK;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

/* What a word names, as edn_client_devices_revoke will see it; false: nothing, or more than one. */
static bool find(const edn_client_status *s, const char *word, const edn_head_status **out)
{
    size_t n = 0;

    for (size_t i = 0; i < s->heads_n; i++) {
        const edn_head_status *h = &s->heads[i];
        bool called = (strlen(word) >= 4 && strncmp(h->device, word, strlen(word)) == 0) ||
                      edn_bytes_equal(h->device_name, edn_bytes_str(word));
        if (!h->active || !called)
            continue;
        *out = h;
        n++;
    }
    return n == 1;
}

/* Into ids. A word that names none is left to the call, which says what is wrong with it. */
static edn_status find_all(edn_cli *c, edn_cli_revoking *r, bool *all)
{
    edn_client_status s;
    const edn_head_status *h;
    edn_status st = edn_client_status_get(c->client, &s, &c->err);

    *all = true;
    for (size_t i = 0; st == EDN_OK && *all && i < c->args.words_n; i++)
        if ((*all = find(&s, c->args.words[i], &h)))
            st = edn_cli_revoking_add(r, h->device, &c->err);
    return st;
}

/* Those who stay though one that is gone let them in. */
static void warn_of_guests(edn_cli *c, const edn_cli_revoking *r)
{
    edn_client_status s;
    edn_err ignored;

    if (edn_client_status_get(c->client, &s, &ignored) != EDN_OK)
        return;
    for (size_t i = 0; i < s.heads_n; i++) {
        const edn_head_status *h = &s.heads[i];
        if (h->active && !h->self && is_guest(&s, h, r))
            edn_cli_warn(c,
                         "%.8s (%.*s) was let in by a device that is revoked now; if you do not know it, revoke it too",
                         h->device, (int)h->device_name.n, (const char *)h->device_name.p);
    }
}

static edn_status revoke_as_named(edn_cli *c, bool with, edn_bytes passphrase)
{
    edn_status st = edn_client_devices_revoke(c->client, c->args.words, c->args.words_n, with, passphrase, &c->err);

    for (size_t i = 0; st == EDN_OK && i < c->args.words_n; i++)
        edn_cli_note(c, "%s is revoked.", c->args.words[i]);
    return st;
}

static edn_status revoke_words(edn_cli *c, edn_bytes passphrase)
{
    edn_cli_revoking r = {.n = 0};
    bool with = edn_cli_has(&c->args, EDN_OPT_WITH_GUESTS), all;
    edn_sync_result synced;
    /* Guests that this device does not know yet could not be asked about. */
    edn_status st = edn_client_sync(c->client, NULL, &synced, &c->err);

    if (st != EDN_OK || (st = find_all(c, &r, &all)) != EDN_OK)
        return st;
    if (!all)
        return revoke_as_named(c, with, passphrase);
    if ((with || isatty(STDIN_FILENO)) && (st = edn_cli_revoking_add_guests(c, &r, with)) != EDN_OK)
        return st;
    if ((st = edn_cli_revoke(c, &r, passphrase)) == EDN_OK)
        warn_of_guests(c, &r);
    return st;
}

/* The passphrase locks the account again. */
edn_status edn_cli_device_revoke(edn_cli *c)
{
    edn_cli_secret passphrase = {NULL, 0};
    edn_status st = edn_cli_open_with_passphrase(c, &passphrase);

    if (st == EDN_OK)
        st = revoke_words(c, edn_cli_secret_view(&passphrase));
    edn_cli_secret_dispose(&passphrase);
    if (st == EDN_OK)
        edn_cli_warn_of_shares(c);
    return st;
}
