#include "cli/term.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/signals.h"
#include "cli/source.h"
#include "cli/text.h"

#define DRAW_EVERY_MS 100u
#define DRAW_AFTER_MS 300u /* what is done by then needs no line */

edn_cli_term edn_cli_term_of(int fd, bool color_wanted)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    edn_cli_term t = {.fd = fd, .tty = isatty(fd) == 1, .width = 80};
    struct winsize size;

    if (t.tty && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        t.width = size.ws_col;
    t.color = t.tty && color_wanted && !(no_color && no_color[0]) && term && strcmp(term, "dumb") != 0;
    return t;
}

void edn_cli_style_put(edn_buf *out, const edn_cli_term *t, edn_cli_style style)
{
    static const char *const codes[] = {
        [EDN_STYLE_PLAIN] = "0",  [EDN_STYLE_BOLD] = "1", [EDN_STYLE_DIM] = "2",
        [EDN_STYLE_GREEN] = "32", [EDN_STYLE_RED] = "31", [EDN_STYLE_CYAN] = "36",
    };
    if (t->color)
        edn_cli_putf(out, "\x1b[%sm", codes[style]);
}

void edn_cli_put_text(edn_buf *out, const edn_cli_term *t, edn_bytes text, bool line)
{
    if (line)
        edn_cli_put_safe(out, text, EDN_SAFE_LINE);
    else if (t->tty)
        edn_cli_put_safe(out, text, EDN_SAFE_TEXT);
    else
        edn_put_bytes(out, text.p, text.n);
}

edn_status edn_cli_flush(const edn_cli_term *t, edn_buf *out)
{
    edn_bytes left = edn_buf_view(out);
    edn_status st = edn_buf_status(out);

    while (st == EDN_OK && left.n > 0) {
        ssize_t n = write(t->fd, left.p, left.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            st = edn_cli_errno(errno);
            break;
        }
        left.p += n;
        left.n -= (size_t)n;
    }
    edn_buf_reset(out);
    return st;
}

/* ---- progress ---------------------------------------------------------------------------------------------------- */

static uint64_t clock_ms(clockid_t id)
{
    struct timespec ts = {0};

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t edn_cli_monotonic_ms(void) { return clock_ms(CLOCK_MONOTONIC); }
uint64_t edn_cli_now_ms(void) { return clock_ms(CLOCK_REALTIME); }

static bool tell(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    return edn_cli_progress_tell(ctx, what, done, total);
}

void edn_cli_progress_init(edn_cli_progress *p, const edn_cli_term *term, bool quiet)
{
    *p = (edn_cli_progress){.term = quiet || !term->tty ? NULL : term, .begun_ms = edn_cli_monotonic_ms()};
    p->progress = (edn_progress){tell, p};
    edn_cli_signals_catch();
}

static void line_write(edn_cli_progress *p, edn_buf *line)
{
    if (edn_cli_flush(p->term, line) != EDN_OK)
        p->term = NULL; /* nobody can see it */
    edn_buf_dispose(line);
}

void edn_cli_progress_clear(edn_cli_progress *p)
{
    edn_buf line = EDN_BUF_INIT(64);

    if (p->shown && p->term) {
        edn_put_str(&line, "\r\x1b[K");
        line_write(p, &line);
    }
    p->shown = false;
}

void edn_cli_progress_end(edn_cli_progress *p)
{
    edn_cli_progress_clear(p);
    edn_cli_signals_release();
}

static void draw(edn_cli_progress *p, const char *what, uint64_t done, uint64_t total, uint64_t now)
{
    edn_buf text = EDN_BUF_INIT(512), line = EDN_BUF_INIT(1024);
    uint64_t took = EDN_MAX(now - p->begun_ms, 1u);
    char number[EDN_CLI_NUMBER_MAX];

    edn_cli_putf(&text, "%s %s", what, edn_cli_number(number, done));
    if (total)
        edn_cli_putf(&text, " of %s (%u %%)", edn_cli_number(number, total),
                     (unsigned)(100 * EDN_MIN(done, total) / total));
    edn_cli_putf(&text, ", %s a second", edn_cli_number(number, done * 1000 / took));
    if (total && done && done < total)
        edn_cli_putf(&text, ", %" PRIu64 " s left", (total - done) * took / done / 1000 + 1);
    edn_put_str(&line, "\r");
    edn_cli_put_cut(&line, edn_buf_view(&text), p->term->width - 1);
    edn_put_str(&line, "\x1b[K");
    edn_buf_dispose(&text);
    line_write(p, &line);
    p->shown = true;
    p->drawn_ms = now;
}

bool edn_cli_progress_tell(edn_cli_progress *p, const char *what, uint64_t done, uint64_t total)
{
    uint64_t now;

    if (edn_cli_signal())
        return false;
    if (!p->term)
        return true;
    now = edn_cli_monotonic_ms();
    if (now - p->begun_ms >= DRAW_AFTER_MS && now - p->drawn_ms >= DRAW_EVERY_MS)
        draw(p, what, done, total, now);
    return true;
}
