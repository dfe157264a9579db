/* `edn search -i`: hits as they are typed for, on the whole terminal.
 *
 * Every key begins a search anew and draws the screen anew; both are quicker than keys. */
#include "cli/cli_priv.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli/signals.h"
#include "cli/text.h"

#define HITS_MAX 64u

typedef struct screen {
    edn_cli *c;
    edn_buf *query;
    edn_search_options options;
    edn_filter filter;
    size_t rows, columns;
    edn_buf frame;
    edn_entry_id hits[HITS_MAX];
    size_t hits_n, selected;
    edn_search_result result;
    bool chosen; /* Enter was pressed */
    struct termios before;
} screen;

/* ---- the terminal ------------------------------------------------------------------------------------------------ */

static bool screen_open(screen *s)
{
    static const char begin[] = "\x1b[?1049h";
    struct termios raw;

    if (!s->c->out.tty || tcgetattr(STDIN_FILENO, &s->before) != 0)
        return false;
    raw = s->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
    raw.c_iflag &= ~(tcflag_t)(ICRNL | IXON);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) != 0)
        return false;
    edn_put_str(&s->frame, begin);
    return edn_cli_flush(&s->c->out, &s->frame) == EDN_OK;
}

static void screen_close(screen *s)
{
    edn_buf_reset(&s->frame);
    edn_put_str(&s->frame, "\x1b[?1049l");
    if (edn_cli_flush(&s->c->out, &s->frame) != EDN_OK)
        (void)0; /* nobody looks any more */
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &s->before);
}

static void screen_measure(screen *s)
{
    struct winsize w;
    bool known = ioctl(s->c->out.fd, TIOCGWINSZ, &w) == 0 && w.ws_row > 0 && w.ws_col > 0;

    s->rows = known ? w.ws_row : 24;
    s->columns = known ? w.ws_col : 80;
}

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

/* A piece of a line, cut where the line is full; what is left of its columns. */
static size_t put_piece(screen *s, edn_bytes text, edn_cli_style style, size_t left)
{
    edn_buf safe = EDN_BUF_INIT(65536);

    edn_cli_put_safe(&safe, text, EDN_SAFE_LINE);
    if (left) {
        edn_cli_style_put(&s->frame, &s->c->out, style);
        left -= EDN_MIN(left, edn_cli_put_cut(&s->frame, edn_buf_view(&safe), left));
        edn_cli_style_put(&s->frame, &s->c->out, EDN_STYLE_PLAIN);
    }
    edn_buf_dispose(&safe);
    return left;
}

static void put_snippet(screen *s, const edn_hit *hit)
{
    size_t left = s->columns > 5 ? s->columns - 5 : 0, at = 0;

    edn_put_str(&s->frame, "    ");
    for (size_t i = 0; i < hit->marks_n; i++) {
        const edn_hit_mark *m = &hit->marks[i];
        left = put_piece(s, edn_bytes_of(hit->snippet.p + at, m->at - at), EDN_STYLE_PLAIN, left);
        left = put_piece(s, edn_bytes_of(hit->snippet.p + m->at, m->size), EDN_STYLE_BOLD, left);
        at = m->at + m->size;
    }
    if (hit->snippet.n > at)
        (void)put_piece(s, edn_bytes_of(hit->snippet.p + at, hit->snippet.n - at), EDN_STYLE_PLAIN, left);
    edn_put_str(&s->frame, "\r\n");
}

static edn_status put_hit(void *ctx, const edn_hit *hit)
{
    screen *s = ctx;
    bool selected = s->hits_n == s->selected;
    size_t left = s->columns > 3 ? s->columns - 3 : 0;

    if (s->hits_n == HITS_MAX)
        return EDN_OK;
    edn_put_str(&s->frame, selected ? "> " : "  ");
    left = put_piece(s, hit->entry->date, selected ? EDN_STYLE_BOLD : EDN_STYLE_CYAN, left);
    left = put_piece(s, edn_bytes_str("  "), EDN_STYLE_PLAIN, left);
    (void)put_piece(s, hit->entry->title, selected ? EDN_STYLE_BOLD : EDN_STYLE_PLAIN, left);
    edn_put_str(&s->frame, "\r\n");
    put_snippet(s, hit);
    s->hits[s->hits_n++] = hit->entry->id;
    return edn_buf_status(&s->frame);
}

static void put_status(screen *s, edn_status st)
{
    edn_buf line = EDN_BUF_INIT(4096);
    char count[64];

    if (st != EDN_OK)
        edn_put_str(&line, s->c->err.text);
    else if (s->query->n == 0)
        edn_put_str(&line, "Type what to look for; Enter shows an entry, Esc ends.");
    else
        edn_cli_putf(&line, "%s%s%s", edn_cli_count(count, s->result.found, "entry", "entries"),
                     s->result.instead[0] ? ", with " : "", s->result.instead);
    (void)put_piece(s, edn_buf_view(&line), EDN_STYLE_DIM, s->columns - 1);
    edn_put_str(&s->frame, "\r\n");
    edn_buf_dispose(&line);
}

static edn_status draw(screen *s)
{
    edn_bytes query = edn_buf_view(s->query);
    edn_buf hits;
    edn_status st = EDN_OK;

    screen_measure(s);
    s->filter.limit = EDN_MIN(s->rows > 5 ? (s->rows - 3) / 2 : 1, (size_t)HITS_MAX);
    s->hits_n = 0;
    s->result = (edn_search_result){0};
    edn_buf_reset(&s->frame);
    if (query.n)
        st = edn_client_search(s->c->client, query, &s->options, put_hit, s, &s->result, &s->c->err);
    if (s->selected >= s->hits_n)
        s->selected = s->hits_n ? s->hits_n - 1 : 0;
    hits = s->frame;
    s->frame = EDN_BUF_INIT((size_t)1 << 20);
    edn_put_str(&s->frame, "\x1b[H\x1b[2J\x1b[3;1H");
    edn_put_bytes(&s->frame, hits.p, hits.n);
    edn_put_str(&s->frame, "\x1b[2;1H");
    put_status(s, st);
    edn_put_str(&s->frame, "\x1b[H");
    (void)put_piece(s, edn_bytes_str("search: "), EDN_STYLE_DIM, s->columns);
    (void)put_piece(s, query, EDN_STYLE_PLAIN, s->columns > 10 ? s->columns - 10 : 0);
    edn_buf_wipe(&hits);
    return edn_cli_flush(&s->c->out, &s->frame);
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static void drop_character(edn_buf *b)
{
    while (b->n && (b->p[b->n - 1] & 0xc0) == 0x80)
        b->n--;
    b->n -= b->n > 0;
}

static void drop_word(edn_buf *b)
{
    while (b->n && b->p[b->n - 1] == ' ')
        b->n--;
    while (b->n && b->p[b->n - 1] != ' ')
        b->n--;
}

/* Takes what came in one read, which is whole keys as a rule; false: enough. */
static bool take_keys(screen *s, const uint8_t *p, size_t n)
{
    if (n >= 3 && p[0] == 0x1b && (p[1] == '[' || p[1] == 'O')) {
        if (p[2] == 'A' && s->selected)
            s->selected--;
        else if (p[2] == 'B')
            s->selected++;
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        if (p[i] == 0x1b || p[i] == 3 || p[i] == 4)
            return false;
        if (p[i] == '\r' || p[i] == '\n') {
            s->chosen = true;
            return false;
        }
        s->selected = 0;
        if (p[i] == 0x7f || p[i] == 8)
            drop_character(s->query);
        else if (p[i] == 0x15) /* Ctrl-U */
            edn_buf_reset(s->query);
        else if (p[i] == 0x17) /* Ctrl-W */
            drop_word(s->query);
        else if (p[i] >= 0x20 && s->query->n < 1024)
            edn_put_u8(s->query, p[i]);
    }
    return true;
}

/* A character may come in two reads. */
static bool is_whole(const edn_buf *b) { return edn_utf8_check(edn_buf_view(b), NULL) == b->n; }

static edn_status type(screen *s)
{
    uint8_t keys[64];
    edn_status st = draw(s);

    while (st == EDN_OK) {
        ssize_t n = read(STDIN_FILENO, keys, sizeof keys);
        if (n < 0 && errno == EINTR && !edn_cli_signal())
            continue;
        if (n <= 0 || !take_keys(s, keys, (size_t)n))
            break;
        if (is_whole(s->query))
            st = draw(s);
    }
    /* What came with the Enter may have changed what is looked for. */
    if (st == EDN_OK && s->chosen)
        st = draw(s);
    s->chosen &= s->hits_n > 0;
    return st;
}

static edn_status show_chosen(void *ctx, const edn_entry *e)
{
    edn_cli *c = ctx;
    edn_cli_put_entry(c, e);
    return edn_cli_out(c);
}

edn_status edn_cli_search_typing(edn_cli *c, edn_buf *query, const edn_search_options *options)
{
    screen s = {.c = c, .query = query, .options = *options, .filter = *options->filter};
    edn_status st;

    s.frame = EDN_BUF_INIT((size_t)1 << 20);
    s.options.filter = &s.filter;
    s.options.typing = true;
    if (!screen_open(&s))
        return edn_cli_usage(c, "--interactive needs a terminal");
    st = type(&s);
    screen_close(&s);
    edn_buf_wipe(&s.frame);
    return st == EDN_OK && s.chosen ? edn_client_show(c->client, &s.hits[s.selected], show_chosen, c, &c->err) : st;
}
