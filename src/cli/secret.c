#include "cli/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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

/* Reads up to a line end, byte by byte: what follows is not ours. `wait` is called before each byte (NULL: not); false
 * ends it. *ended: the input was over before a line end. EDN_E_IO: errno tells. */
static edn_status line_read(int fd, bool (*wait)(int fd), edn_cli_secret *s, bool *ended)
{
    *ended = false;
    for (s->n = 0;;) {
        uint8_t c;
        ssize_t n = wait && !wait(fd) ? -1 : read(fd, &c, 1);
        if (n < 0)
            return EDN_E_IO;
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
        st = line_read(fd, NULL, out, &ended);
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

/* Signals that would end or stop us while the terminal does not echo. They are blocked but while we wait for a key:
 * one that came just before a read would otherwise be noted, and the read would wait all the same. */
static const int caught[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGALRM, SIGPIPE};
static volatile sig_atomic_t signal_came;
static sigset_t mask_before;

typedef struct signals_kept {
    struct sigaction actions[EDN_COUNT(caught)];
} signals_kept;

static void note_signal(int number) { signal_came = number; }

static void signals_catch(signals_kept *kept)
{
    struct sigaction sa = {.sa_handler = note_signal};
    sigset_t blocked;

    sigemptyset(&sa.sa_mask);
    sigemptyset(&blocked);
    signal_came = 0;
    for (size_t i = 0; i < EDN_COUNT(caught); i++)
        sigaddset(&blocked, caught[i]);
    sigprocmask(SIG_BLOCK, &blocked, &mask_before);
    for (size_t i = 0; i < EDN_COUNT(caught); i++)
        sigaction(caught[i], &sa, &kept->actions[i]);
}

static void signals_restore(const signals_kept *kept)
{
    for (size_t i = 0; i < EDN_COUNT(caught); i++)
        sigaction(caught[i], &kept->actions[i], NULL);
    sigprocmask(SIG_SETMASK, &mask_before, NULL);
}

/* Until there is a byte; false when a signal came first. */
static bool wait_for_key(int tty)
{
    struct pollfd p = {.fd = tty, .events = POLLIN};

    while (!signal_came)
        if (ppoll(&p, 1, NULL, &mask_before) > 0)
            return true;
    errno = EINTR;
    return false;
}

/* Asks once. *came: the signal that cut it short, to be raised now that all is restored; 0: none. */
static edn_status ask_once(int tty, const char *prompt, edn_cli_secret *out, int *came)
{
    signals_kept kept;
    struct termios before, quiet;
    bool ended;
    edn_status st;

    if (tcgetattr(tty, &before) != 0)
        return EDN_E_MISSING;
    signals_catch(&kept);
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    if (tcsetattr(tty, TCSAFLUSH, &quiet) != 0 || dprintf(tty, "%s", prompt) < 0)
        st = EDN_E_IO;
    else
        st = line_read(tty, wait_for_key, out, &ended);
    if (st == EDN_OK && ended && out->n == 0)
        st = EDN_E_CANCELLED;
    (void)!write(tty, "\n", 1); /* the line end that was not echoed */
    tcsetattr(tty, TCSAFLUSH, &before);
    *came = signal_came;
    signals_restore(&kept);
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
