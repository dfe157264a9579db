/* Commands that change the account's keys. */
#include "cli/cli_priv.h"

#include <edn/account.h>

static edn_status rekey_deep(edn_cli *c, edn_bytes passphrase)
{
    edn_cli_progress progress;
    edn_rekey_result r;
    edn_status st;

    edn_cli_progress_init(&progress, &c->note, c->quiet);
    st = edn_client_rekey_deep(c->client, passphrase, &progress.progress, &r, &c->err);
    edn_cli_progress_end(&progress);
    if (st == EDN_OK)
        edn_cli_note(
            c,
            "Everything here was sealed again under new keys (%llu entries, journals and devices; %llu batches "
            "sent), and the server was told to delete what was before. Let the other devices sync soon: what "
            "they write before is under the old keys.",
            (unsigned long long)r.objects, (unsigned long long)r.batches);
    return st;
}

edn_status edn_cli_rekey(edn_cli *c)
{
    edn_cli_secret passphrase = {NULL, 0};
    bool deep = edn_cli_has(&c->args, EDN_OPT_DEEP), own_key = edn_cli_has(&c->args, EDN_OPT_OWN_KEY);
    edn_status st;

    if (deep && own_key)
        return edn_cli_usage(c, "--own-key and --deep are two steps: run 'edn rekey --own-key' first, then --deep");
    if ((st = edn_cli_open_with_passphrase(c, &passphrase)) == EDN_OK)
        st = deep ? rekey_deep(c, edn_cli_secret_view(&passphrase))
                  : edn_client_rekey(c->client, edn_cli_secret_view(&passphrase), own_key, &c->err);
    edn_cli_secret_dispose(&passphrase);
    if (st == EDN_OK && !deep)
        edn_cli_note(c, "The account has new keys%s, for what is written from now on. Let the other devices sync soon.",
                     own_key ? ", its own among them" : "");
    if (st == EDN_OK)
        edn_cli_warn_of_shares(c);
    return st;
}

/* The others take the new key from this device's next batch. */
static edn_status sync_key(edn_cli *c)
{
    edn_account_info info;
    edn_sync_result r;
    edn_status st = edn_client_account(c->client, &info, &c->err);
    bool alone = st == EDN_OK && !info.server[0];

    edn_wipe(&info, sizeof info);
    if (st != EDN_OK || alone)
        return st;
    st = edn_client_sync(c->client, NULL, &r, &c->err);
    if (st != EDN_OK)
        edn_cli_warn(c, "the account key is renewed, but the other devices have not been told: run 'edn sync' (%s)",
                     c->err.text);
    return EDN_OK;
}

edn_status edn_cli_account_key_renew(edn_cli *c)
{
    edn_cli_secret passphrase = {NULL, 0};
    edn_status st = edn_cli_open_with_passphrase(c, &passphrase);

    if (st == EDN_OK)
        st = edn_client_account_key_renew(c->client, edn_cli_secret_view(&passphrase), &c->err);
    edn_cli_secret_dispose(&passphrase);
    if (st != EDN_OK || (st = sync_key(c)) != EDN_OK)
        return st;
    edn_cli_note(
        c, "The account key is a new one. The old sheet lets nobody in any more: print this one and destroy that.");
    return edn_cli_sheet_show(c);
}
