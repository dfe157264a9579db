/* The emergency sheet: what a person needs to come back to the account, on paper. As text, and as a page to print
 * with a QR code that a camera shows as the same text. */
#include "cli/sheet.h"

#include "cli/cli_priv.h"
#include "cli/qr.h"
#include "cli/recovery_page.h"
#include "cli/text.h"

static void row(edn_buf *out, const edn_cli_term *term, const char *label, const char *value)
{
    if (!value[0])
        return;
    edn_cli_putf(out, "  %-13s ", label);
    edn_cli_put_text(out, term, edn_bytes_str(value), true);
    edn_put_u8(out, '\n');
}

void edn_cli_sheet_text(edn_buf *out, const edn_cli_term *term, const edn_account_info *info, bool with_key)
{
    char today[11];
    bool has_key = info->account_key[0] != 0;

    edn_cli_date_local(today, edn_cli_now_ms(), 0);
    edn_cli_putf(out, "\n  EDN emergency sheet, %s\n\n", today);
    row(out, term, "Account", info->account);
    row(out, term, "Server", info->server);
    row(out, term, "Name", info->name);
    if (with_key && has_key) {
        edn_cli_style_put(out, term, EDN_STYLE_BOLD);
        row(out, term, "Account key", info->account_key);
        edn_cli_style_put(out, term, EDN_STYLE_PLAIN);
    }
    edn_put_str(out, "\n  Keep this on paper, in a safe place.");
    if (has_key)
        edn_put_str(out, " A new device needs the account key and your\n  passphrase; whoever has both can read the "
                         "diary. Nobody can give you either again.\n");
    else
        edn_put_str(out, " A new device needs your passphrase; whoever\n  has it can read the diary. Nobody can give "
                         "it to you again.\n");
    if (info->server[0]) {
        edn_put_str(out, "  On the new device:  edn login --server ");
        edn_cli_put_text(out, term, edn_bytes_str(info->server), true);
        edn_put_str(out, " --name ");
        edn_cli_put_text(out, term, edn_bytes_str(info->name), true);
        edn_put_u8(out, '\n');
    }
    edn_put_u8(out, '\n');
}

static void html_row(edn_buf *out, const char *label, const char *value)
{
    if (!value[0])
        return;
    edn_cli_putf(out, "<tr><th>%s</th><td><code>", label);
    edn_cli_put_html(out, value);
    edn_put_str(out, "</code></td></tr>\n");
}

static edn_status html_qr(edn_buf *out, const edn_account_info *info)
{
    edn_buf text = EDN_BUF_INIT(4096);
    edn_status st;

    edn_buf_reserve(&text, 4096); /* so that no piece of it is left where it grew from */
    edn_cli_putf(&text, "EDN account %s\nserver %s\nname %s\naccount key %s", info->account, info->server, info->name,
                 info->account_key);
    edn_put_u8(&text, 0);
    st = edn_buf_status(&text);
    if (st == EDN_OK)
        st = edn_cli_qr_svg(out, (const char *)text.p);
    edn_buf_wipe(&text);
    return st;
}

edn_status edn_cli_sheet_html(edn_buf *out, const edn_account_info *info)
{
    char today[11];
    edn_status st;

    edn_cli_date_local(today, edn_cli_now_ms(), 0);
    edn_put_str(out,
                "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>EDN emergency sheet</title>\n"
                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
                "'unsafe-inline'\">\n<style>body{font:11pt sans-serif;max-width:42em;margin:2em auto}"
                "th{text-align:left;padding-right:1em}code{font:12pt monospace;overflow-wrap:anywhere}svg{width:7cm}"
                "</style></head><body>\n");
    edn_cli_putf(out, "<h1>EDN emergency sheet</h1><p>%s</p>\n<table>\n", today);
    html_row(out, "Account", info->account);
    html_row(out, "Server", info->server);
    html_row(out, "Name", info->name);
    html_row(out, "Account key", info->account_key);
    edn_put_str(out, "</table>\n");
    if ((st = html_qr(out, info)) != EDN_OK)
        return st;
    edn_cli_putf(out, "<p>Keep this on paper, in a safe place, and not with your passphrase. %s</p>\n",
                 info->account_key[0]
                     ? "A new device needs the account key and your passphrase; whoever has both can read the diary. "
                       "Nobody can give you either again."
                     : "A new device needs your passphrase; whoever has it can read the diary. Nobody can give it to "
                       "you again.");
    if (info->server[0]) {
        edn_put_str(out, "<p>On the new device: <code>edn login --server ");
        edn_cli_put_html(out, info->server);
        edn_put_str(out, " --name ");
        edn_cli_put_html(out, info->name);
        edn_put_str(out, "</code></p>\n");
    }
    edn_put_str(out, "<p>With no device and no passphrase: the recovery shares (<code>edn recover</code>).</p>\n"
                     "</body></html>\n");
    return edn_buf_status(out);
}
