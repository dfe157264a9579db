/* Commands about the account's history: log, device verify; and what a sync tells of it. */
#include "cli/cli_priv.h"

#include <edn/account.h>

#include <string.h>

#include "cli/json.h"
#include "cli/qr.h"
#include "cli/text.h"

static edn_status put_change_json(void *ctx, const edn_account_change *change)
{
    edn_cli *c = ctx;

    edn_json_open(&c->buf, NULL, '{');
    if (change->seq != UINT64_MAX)
        edn_json_number(&c->buf, "link", change->seq);
    edn_json_time(&c->buf, "time", change->time_ms);
    edn_json_string(&c->buf, "type", edn_bytes_str(change->type));
    edn_json_string(&c->buf, "by", edn_bytes_str(change->by));
    if (change->until_ms)
        edn_json_time(&c->buf, "until", change->until_ms);
    edn_json_string(&c->buf, "text", change->text);
    edn_json_close(&c->buf, '}');
    return EDN_OK;
}

static edn_status put_change(void *ctx, const edn_account_change *change)
{
    edn_cli *c = ctx;
    char when[EDN_CLI_TIME_MAX];

    if (c->json) {
        (void)put_change_json(c, change); /* cannot fail; the buffer remembers */
    } else {
        edn_cli_time_local(when, change->time_ms, 0);
        edn_cli_putf(&c->buf, "%s  ", when);
        edn_cli_put_text(&c->buf, &c->out, change->text, true);
        if (change->until_ms) {
            edn_cli_time_local(when, change->until_ms, 0);
            edn_cli_putf(&c->buf, "; it may go on after %s", when);
        }
    }
    edn_put_u8(&c->buf, '\n');
    return edn_cli_out(c);
}

edn_status edn_cli_log(edn_cli *c)
{
    edn_status st = edn_cli_need(c);

    return st == EDN_OK ? edn_client_log(c->client, put_change, c, &c->err) : st;
}

static edn_status tell_change(void *ctx, const edn_account_change *change)
{
    edn_buf text = EDN_BUF_INIT((size_t)64 << 10);

    if (strcmp(change->type, "recovery-asked") == 0)
        return EDN_OK; /* which is said louder, and every time: edn_cli_warn_of_recovery */
    edn_cli_put_safe(&text, change->text, EDN_SAFE_LINE);
    edn_cli_warn(ctx, "the account was changed: %.*s. If that was none of you: 'edn device list', 'edn device revoke'",
                 (int)text.n, (const char *)text.p);
    edn_buf_dispose(&text);
    return EDN_OK;
}

edn_status edn_cli_news(edn_cli *c)
{
    edn_status st = c->json ? EDN_OK : edn_client_log_news(c->client, tell_change, c, &c->err);

    if (st == EDN_OK)
        edn_cli_warn_of_recovery(c);
    return st;
}

edn_status edn_cli_news_json(edn_cli *c)
{
    edn_status st;

    edn_json_open(&c->buf, "notices", '[');
    st = edn_client_log_news(c->client, put_change_json, c, &c->err);
    edn_json_close(&c->buf, ']');
    return st;
}

/* ---- device verify ----------------------------------------------------------------------------------------------- */

static edn_status head_show(edn_cli *c)
{
    const char *png = edn_cli_value(&c->args, EDN_OPT_PNG);
    edn_head_shown head;
    edn_status st = edn_client_head(c->client, &head, &c->err);

    if (st != EDN_OK || (png && (st = edn_cli_qr_png(png, head.text, &c->err)) != EDN_OK))
        return st;
    if (!c->out.tty) {
        edn_cli_putf(&c->buf, "%s\n%s\n", head.words, head.text);
        return edn_cli_out(c);
    }
    if ((st = edn_cli_qr_put(&c->buf, &c->out, head.text)) != EDN_OK)
        return edn_fail(&c->err, st, "could not make a QR code");
    edn_put_str(&c->buf, "\n  ");
    edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_BOLD);
    edn_put_str(&c->buf, head.words);
    edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_PLAIN);
    edn_cli_putf(&c->buf,
                 "\n\n  The account's history, %llu links, in six words. Run 'edn device verify' on the other device "
                 "too:\n  the same words mean that both were shown the same.\n",
                 (unsigned long long)head.links);
    return edn_cli_out(c);
}

static edn_status head_compare(edn_cli *c)
{
    edn_buf shown = EDN_BUF_INIT(4096);
    edn_head_verdict verdict = EDN_HEAD_OTHER;
    uint64_t links = 0;
    edn_status st;

    for (size_t i = 0; i < c->args.words_n; i++) {
        edn_put_str(&shown, c->args.words[i]);
        edn_put_u8(&shown, ' ');
    }
    st = edn_client_head_compare(c->client, edn_buf_view(&shown), &verdict, &links, &c->err);
    edn_buf_dispose(&shown);
    if (st != EDN_OK)
        return st;
    switch (verdict) {
    case EDN_HEAD_SAME:
        edn_put_str(&c->buf, "The same: both devices were shown the same history of the account.\n");
        break;
    case EDN_HEAD_BEHIND:
        edn_cli_putf(&c->buf, "The same up to link %llu; the other device has not yet seen what came after. Sync it.\n",
                     (unsigned long long)links);
        break;
    case EDN_HEAD_AHEAD:
        return edn_fail(&c->err, EDN_E_CONFLICT,
                        "the other device has more (%llu links): 'edn sync' here, then compare again",
                        (unsigned long long)links);
    case EDN_HEAD_OTHER:
        return edn_fail(&c->err, EDN_E_FORK,
                        "not the same: a word may be wrong, or the other device has more than this one ('edn sync' "
                        "here and compare again); if it stays so, the server shows the two different histories, and "
                        "must not be trusted");
    }
    return edn_cli_out(c);
}

edn_status edn_cli_device_verify(edn_cli *c)
{
    edn_status st = edn_cli_need(c);

    if (st != EDN_OK)
        return st;
    return c->args.words_n ? head_compare(c) : head_show(c);
}
