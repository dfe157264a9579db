#include "cli/signals.h"

#include <signal.h>

static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static struct sigaction kept[EDN_COUNT(numbers)];
static volatile sig_atomic_t came;
static unsigned depth;

static void note(int number)
{
    if (came) { /* asked twice */
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    came = number;
}

void edn_cli_signals_catch(void)
{
    struct sigaction sa = {.sa_handler = note};

    if (depth++ > 0)
        return;
    sigemptyset(&sa.sa_mask);
    for (size_t i = 0; i < EDN_COUNT(numbers); i++) {
        sigaction(numbers[i], NULL, &kept[i]);
        if (kept[i].sa_handler != SIG_IGN) /* nohup, and jobs in the background: what is ignored stays so */
            sigaction(numbers[i], &sa, NULL);
    }
}

void edn_cli_signals_release(void)
{
    EDN_ASSERT(depth > 0);
    if (--depth > 0)
        return;
    for (size_t i = 0; i < EDN_COUNT(numbers); i++)
        sigaction(numbers[i], &kept[i], NULL);
}

int edn_cli_signal(void) { return came; }
void edn_cli_signal_answered(void) { came = 0; }

void edn_cli_signals_raise(void)
{
    if (!came)
        return;
    signal(came, SIG_DFL);
    raise(came);
}
