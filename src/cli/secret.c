#include "cli/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "crypto/seal.h"

void edn_cli_secret_dispose(edn_cli_secret *s)
{
    edn_secret_free(s->p);
    *s = (edn_cli_secret){NULL, 0};
}

edn_bytes edn_cli_secret_view(const edn_cli_secret *s) { return edn_bytes_of(s->p, s->n); }

/* Reads up to a line end, byte by byte: what follows is not ours. *ended: the input was over before one. */
static edn_status line_read(int fd, edn_cli_secret *s, bool *ended)
{
    *ended = false;
    for (s->n = 0;;) {
        uint8_t c;
        ssize_t n = read(fd, &c, 1);
        if (n < 0)
            return EDN_E_IO; /* EINTR is the caller's to judge: errno tells */
        *ended = n == 0;
        if (n == 0 || c == '\n')
            break;
        if (s->n == EDN_CLI_SECRET_MAX)
            return EDN_E_LIMIT;
        s->p[s->n++] = c;
    }
    if (s->n > 0 && s->p[s->n - 1] == '\r')
        s->n--;
    return EDN_OK;
}

static edn_status secret_init(edn_cli_secret *s, edn_err *err)
{
    s->n = 0;
    s->p = edn_secret_alloc(EDN_CLI_SECRET_MAX);
    return s->p ? EDN_OK : edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
}

edn_status edn_cli_secret_read(int fd, const char *what, edn_cli_secret *out, edn_err *err)
{
    bool ended;
    edn_status st = secret_init(out, err);

    if (st != EDN_OK)
        return st;
    do
        st = line_read(fd, out, &ended);
    while (st == EDN_E_IO && errno == EINTR);
    if (st == EDN_E_IO)
        st = edn_fail(err, EDN_E_INVALID, "could not read the %s from file descriptor %d: %s", what, fd,
                      strerror(errno));
    else if (st == EDN_E_LIMIT)
        edn_fail(err, st, "the %s on file descriptor %d is longer than %u bytes", what, fd, EDN_CLI_SECRET_MAX);
    else if (ended && out->n == 0)
        st = edn_fail(err, EDN_E_INVALID, "there is no %s on file descriptor %d", what, fd);
    if (st != EDN_OK)
        edn_cli_secret_dispose(out);
    return st;
}

/* ---- the terminal ------------------------------------------------------------------------------------------------ */

/* Signals that would end or stop us while the terminal does not echo. */
static const int caught[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGALRM, SIGPIPE};
static volatile sig_atomic_t signal_came;

static void note_signal(int number) { signal_came = number; }

static void signals_catch(struct sigaction *kept)
{
    struct sigaction sa = {.sa_handler = note_signal}; /* no SA_RESTART: the read must end */

    sigemptyset(&sa.sa_mask);
    signal_came = 0;
    for (size_t i = 0; i < EDN_COUNT(caught); i++)
        sigaction(caught[i], &sa, &kept[i]);
}

static void signals_restore(const struct sigaction *kept)
{
    for (size_t i = 0; i < EDN_COUNT(caught); i++)
        sigaction(caught[i], &kept[i], NULL);
}

/* Asks once. *came: the signal that cut it short, to be raised now that all is restored; 0: none. */
static edn_status ask_once(int tty, const char *prompt, edn_cli_secret *out, int *came)
{
    struct sigaction kept[EDN_COUNT(caught)];
    struct termios before, quiet;
    bool ended;
    edn_status st;

    signals_catch(kept);
    if (tcgetattr(tty, &before) != 0) {
        signals_restore(kept);
        return EDN_E_MISSING;
    }
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    while (tcsetattr(tty, TCSAFLUSH, &quiet) != 0 && errno == EINTR && !signal_came)
        continue;
    if (dprintf(tty, "%s", prompt) < 0)
        st = EDN_E_IO;
    else
        st = line_read(tty, out, &ended);
    if (st == EDN_OK && ended && out->n == 0)
        st = EDN_E_CANCELLED;
    (void)!write(tty, "\n", 1); /* the line end that was not echoed */
    while (tcsetattr(tty, TCSAFLUSH, &before) != 0 && errno == EINTR)
        continue;
    *came = signal_came;
    signals_restore(kept);
    return st;
}

edn_status edn_cli_secret_ask(const char *prompt, edn_cli_secret *out, edn_err *err)
{
    int tty, came;
    edn_status st = secret_init(out, err);

    if (st != EDN_OK)
        return st;
    tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (tty < 0) {
        edn_cli_secret_dispose(out);
        return edn_fail(err, EDN_E_MISSING, "there is no terminal to ask on");
    }
    for (;;) {
        came = 0;
        st = ask_once(tty, prompt, out, &came);
        if (!came)
            break;
        edn_wipe(out->p, EDN_CLI_SECRET_MAX);
        raise(came);
        if (came != SIGTSTP && came != SIGTTIN && came != SIGTTOU) {
            st = EDN_E_CANCELLED; /* ignored by whoever started us: then it is a no all the same */
            break;
        }
        /* Continued after a stop: ask again. */
    }
    close(tty);
    if (st == EDN_E_CANCELLED)
        edn_fail(err, st, "given up");
    else if (st == EDN_E_LIMIT)
        edn_fail(err, st, "that is longer than %u bytes", EDN_CLI_SECRET_MAX);
    else if (st != EDN_OK)
        edn_fail(err, st, "could not ask on the terminal: %s", strerror(errno));
    if (st != EDN_OK)
        edn_cli_secret_dispose(out);
    return st;
}
