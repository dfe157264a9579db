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
    bool deep = edn_cli_has(&c->args, EDN_OPT_DEEP);
    edn_status st = edn_cli_open_with_passphrase(c, &passphrase);

    if (st == EDN_OK)
        st = deep ? rekey_deep(c, edn_cli_secret_view(&passphrase))
                  : edn_client_rekey(c->client, edn_cli_secret_view(&passphrase), &c->err);
    edn_cli_secret_dispose(&passphrase);
    if (st == EDN_OK && !deep)
        edn_cli_note(c, "The account has new keys, for what is written from now on. Let the other devices sync soon.");
    if (st == EDN_OK)
        edn_cli_warn_of_shares(c);
    return st;
}
