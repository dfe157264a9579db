/* The account's history, pretended: one change, told once. */
#include "cli/fake_client.h"

#include <edn/account.h>
#include <stdio.h>

#include "base/base.h"

edn_status edn_client_log(edn_client *c, edn_account_change_fn *fn, void *ctx, edn_err *err)
{
    edn_account_change change = {
        .seq = 3, .time_ms = 86400000, .type = "add", .text = edn_bytes_str("\"attic\x1b\" was added")};

    (void)c;
    (void)err;
    return fn(ctx, &change);
}

edn_status edn_client_log_news(edn_client *c, edn_account_change_fn *fn, void *ctx, edn_err *err)
{
    if (!fake.news)
        return EDN_OK;
    fake.news = false;
    return edn_client_log(c, fn, ctx, err);
}

edn_status edn_client_head(edn_client *c, edn_head_shown *out, edn_err *err)
{
    (void)c;
    (void)err;
    *out = (edn_head_shown){.links = 4, .words = "one two three four five six", .text = "EDN100"};
    return EDN_OK;
}

edn_status edn_client_head_compare(edn_client *c, edn_bytes shown, edn_head_verdict *out, uint64_t *links, edn_err *err)
{
    (void)c;
    (void)err;
    *links = 3;
    *out = edn_bytes_equal(shown, edn_bytes_str("one two three four five six ")) ? EDN_HEAD_SAME : EDN_HEAD_OTHER;
    return EDN_OK;
}
