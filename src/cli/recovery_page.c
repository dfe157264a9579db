#include "cli/recovery_page.h"

#include "cli/qr.h"
#include "cli/text.h"

enum { WORDS_A_LINE = 4 };

/* "12 academic" in columns: a word that is read by its number is not skipped. */
static void put_words(edn_buf *out, const char *words, const char *line_begin, const char *line_end)
{
    unsigned number = 0;

    for (const char *p = words; *p;) {
        size_t n = strcspn(p, " ");
        if (number % WORDS_A_LINE == 0)
            edn_put_str(out, line_begin);
        number++;
        edn_cli_putf(out, "%2u %-*.*s", number, number % WORDS_A_LINE ? 11 : (int)n, (int)n, p);
        p += n + (p[n] == ' ');
        if (number % WORDS_A_LINE == 0 || !*p)
            edn_put_str(out, line_end);
    }
}

static const char *plain(const char *s) { return s[0] ? s : "(none)"; }

void edn_cli_page_text(edn_buf *out, const edn_recovery_page *page, const char *date)
{
    edn_cli_putf(out, "EDN recovery share %u of %u, %s\n\n", page->number, page->n, date);
    edn_cli_putf(out, "Any %u of these %u shares together bring a lost diary back; one alone tells nothing.\n\n",
                 page->needed, page->n);
    put_words(out, page->words, "  ", "\n");
    edn_put_str(out, "\n  Server   ");
    edn_cli_put_safe(out, edn_bytes_str(plain(page->server)), EDN_SAFE_LINE);
    edn_put_str(out, "\n  Name     ");
    edn_cli_put_safe(out, edn_bytes_str(plain(page->name)), EDN_SAFE_LINE);
    edn_cli_putf(out, "\n  Set      %s\n  Account  %s\n\n", page->set, page->account);
    edn_put_str(out, "Keep this page where nobody else finds another of them. Nobody who works for EDN will ever ask\n"
                     "for it. With all devices lost:  ");
    edn_put_str(out, page->contacts ? "edn recover --contacts\n" : "edn recover\n");
}

void edn_cli_put_html(edn_buf *out, const char *text)
{
    edn_buf safe = EDN_BUF_INIT(65536);

    edn_cli_put_safe(&safe, edn_bytes_str(text), EDN_SAFE_LINE);
    for (size_t i = 0; i < safe.n; i++) {
        switch (safe.p[i]) {
        case '<':
            edn_put_str(out, "&lt;");
            break;
        case '>':
            edn_put_str(out, "&gt;");
            break;
        case '&':
            edn_put_str(out, "&amp;");
            break;
        case '"':
            edn_put_str(out, "&quot;");
            break;
        default:
            edn_put_u8(out, safe.p[i]);
        }
    }
    edn_buf_dispose(&safe);
}

static edn_status put_qr(edn_buf *out, const char *words)
{
    char capital[EDN_RECOVERY_WORDS_MAX]; /* which a QR code holds in less room */
    size_t n = strlen(words);
    edn_status st;

    for (size_t i = 0; i <= n; i++)
        capital[i] = (char)(words[i] >= 'a' && words[i] <= 'z' ? words[i] - 'a' + 'A' : words[i]);
    st = edn_cli_qr_svg(out, capital);
    for (volatile char *p = capital; p < capital + sizeof capital; p++)
        *p = 0;
    return st;
}

edn_status edn_cli_page_html(edn_buf *out, const edn_recovery_page *page, const char *date)
{
    edn_status st;

    edn_put_str(out,
                "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>EDN recovery share</title>\n"
                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
                "'unsafe-inline'\">\n<style>body{font:11pt sans-serif;max-width:42em;margin:2em auto}"
                "pre{font:13pt monospace}svg{width:7cm}</style></head><body>\n");
    edn_cli_putf(out, "<h1>EDN recovery share %u of %u</h1><p>%s. ", page->number, page->n, date);
    edn_cli_putf(out,
                 "Any <b>%u of these %u</b> shares together bring a lost diary back; one alone tells nothing.</p>\n",
                 page->needed, page->n);
    edn_put_str(out, "<pre>");
    put_words(out, page->words, "", "\n");
    edn_put_str(out, "</pre>\n");
    if ((st = put_qr(out, page->words)) != EDN_OK)
        return st;
    edn_put_str(out, "\n<p>Server: ");
    edn_cli_put_html(out, plain(page->server));
    edn_put_str(out, "<br>Name: ");
    edn_cli_put_html(out, plain(page->name));
    edn_cli_putf(out, "<br>Set: <code>%s</code><br>Account: <code>%s</code></p>\n", page->set, page->account);
    edn_put_str(out,
                "<p>Keep this page where nobody else finds another of them. Nobody who works for EDN will ever ask "
                "for it. With all devices lost: <code>edn recover");
    edn_put_str(out, page->contacts ? " --contacts</code></p>\n</body></html>\n" : "</code></p>\n</body></html>\n");
    return edn_buf_status(out);
}
