#include "cli/ask.h"

#include <errno.h>
#include <poll.h>
#include <strings.h>
#include <unistd.h>

#include "cli/signals.h"

/* One byte; 0 at the end of input. A signal that was caught ends it too. */
static int read_byte(char *out)
{
    for (;;) {
        struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
        ssize_t n;
        if (edn_cli_signal())
            return 0;
        if (poll(&p, 1, 200) <= 0)
            continue; /* looks for a signal again */
        n = read(STDIN_FILENO, out, 1);
        if (n >= 0)
            return (int)n;
        if (errno != EINTR)
            return 0;
    }
}

edn_status edn_cli_ask_line(edn_cli *c, const char *prompt, char *out, size_t max)
{
    edn_buf shown = EDN_BUF_INIT(4096);
    size_t n = 0;
    char byte = 0;

    out[0] = 0;
    edn_put_str(&shown, prompt);
    if (edn_cli_flush(&c->note, &shown) != EDN_OK)
        (void)0; /* standard error is closed: the answer is read all the same */
    edn_buf_dispose(&shown);
    edn_cli_signals_catch();
    while (read_byte(&byte) == 1 && byte != '\n') {
        if (n + 1 >= max) {
            edn_cli_signals_release();
            return edn_fail(&c->err, EDN_E_LIMIT, "that line is too long");
        }
        out[n++] = byte;
        out[n] = 0;
    }
    edn_cli_signals_release();
    if (n > 0 && out[n - 1] == '\r')
        out[--n] = 0;
    if (byte != '\n' && n == 0)
        return edn_fail(&c->err, EDN_E_CANCELLED, "there was no answer; nothing was done");
    return EDN_OK;
}

edn_status edn_cli_ask_yes(edn_cli *c, const char *prompt, bool *yes)
{
    char line[64];
    edn_status st = edn_cli_ask_line(c, prompt, line, sizeof line);

    *yes = st == EDN_OK && (strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0);
    return st;
}
