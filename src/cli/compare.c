/* Commands about who changed what in one entry: diff, blame. */
#include "cli/cli_priv.h"

#include <edn/quarantine.h>

#include "cli/json.h"
#include "cli/text.h"

/* ---- diff -------------------------------------------------------------------------------------------------------- */

/* The lines at hand as they were and as they are. Where both are at the end of a line, they are compared and begun
 * anew: so lines that stay are never shown, and a change within a line shows the whole line twice. */
typedef struct diffing {
    edn_cli *c;
    edn_buf old, new;
    uint64_t line, line_at; /* of the new text: the line at hand, and the first one in `new` */
    uint64_t at, change_at; /* with --json: characters of the old text, and those before the change at hand */
    bool any;
} diffing;

static edn_bytes first_line(edn_bytes text)
{
    const uint8_t *end = text.n ? memchr(text.p, '\n', text.n) : NULL;

    return edn_bytes_of(text.p, end ? (size_t)(end - text.p) : text.n);
}

static edn_bytes last_line(edn_bytes text)
{
    size_t n = text.n && text.p[text.n - 1] == '\n' ? text.n - 1 : text.n, from = n;

    while (from && text.p[from - 1] != '\n')
        from--;
    return edn_bytes_of(text.p + from, n - from);
}

/* Leaves out the lines that both begin with, and those that both end with. */
static void lines_trim(diffing *d, edn_bytes *old, edn_bytes *new)
{
    while (old->n && new->n && edn_bytes_equal(first_line(*old), first_line(*new))) {
        size_t k = first_line(*old).n, a = EDN_MIN(k + 1, old->n), b = EDN_MIN(k + 1, new->n);
        *old = edn_bytes_of(old->p + a, old->n - a);
        *new = edn_bytes_of(new->p + b, new->n - b);
        d->line_at++;
    }
    while (old->n && new->n && edn_bytes_equal(last_line(*old), last_line(*new))) {
        old->n = (size_t)(last_line(*old).p - old->p);
        new->n = (size_t)(last_line(*new).p - new->p);
    }
}

static void put_lines(diffing *d, char sign, edn_bytes text)
{
    while (text.n) {
        const uint8_t *end = memchr(text.p, '\n', text.n);
        size_t n = end ? (size_t)(end - text.p) : text.n;
        edn_put_u8(&d->c->buf, (uint8_t)sign);
        edn_cli_put_text(&d->c->buf, &d->c->out, edn_bytes_of(text.p, n), true);
        edn_put_u8(&d->c->buf, '\n');
        n += end != NULL;
        text = edn_bytes_of(text.p + n, text.n - n);
    }
}

static edn_status lines_end(diffing *d)
{
    edn_bytes old = edn_buf_view(&d->old), new = edn_buf_view(&d->new);
    edn_status st = edn_buf_status(&d->old);

    if (st == EDN_OK)
        st = edn_buf_status(&d->new);
    d->any = d->any || !edn_bytes_equal(old, new); /* perhaps in the last line's end alone */
    lines_trim(d, &old, &new);
    if (st == EDN_OK && old.n + new.n) {
        edn_cli_putf(&d->c->buf, "@@ %llu\n", (unsigned long long)d->line_at);
        put_lines(d, '-', old);
        put_lines(d, '+', new);
        st = edn_cli_out(d->c);
    }
    edn_buf_reset(&d->old);
    edn_buf_reset(&d->new);
    d->line_at = d->line;
    return st;
}

static edn_status same_lines(diffing *d, edn_bytes text)
{
    edn_status st = EDN_OK;

    while (st == EDN_OK && text.n) {
        const uint8_t *end = memchr(text.p, '\n', text.n);
        size_t n = end ? (size_t)(end - text.p) + 1 : text.n;
        edn_put_bytes(&d->old, text.p, n);
        edn_put_bytes(&d->new, text.p, n);
        d->line += end != NULL;
        if (end)
            st = lines_end(d);
        text = edn_bytes_of(text.p + n, text.n - n);
    }
    return st;
}

static edn_status put_piece(void *ctx, edn_piece_kind kind, edn_bytes text)
{
    diffing *d = ctx;

    if (kind == EDN_PIECE_SAME)
        return same_lines(d, text);
    edn_put_bytes(kind == EDN_PIECE_DELETED ? &d->old : &d->new, text.p, text.n);
    for (size_t i = 0; kind == EDN_PIECE_INSERTED && i < text.n; i++)
        d->line += text.p[i] == '\n';
    return EDN_OK;
}

static edn_status change_end(diffing *d)
{
    edn_buf *b = &d->c->buf;
    edn_status st;

    if (d->old.n == 0 && d->new.n == 0)
        return EDN_OK;
    if ((st = edn_buf_status(&d->old)) != EDN_OK || (st = edn_buf_status(&d->new)) != EDN_OK)
        return st;
    edn_json_open(b, NULL, '{');
    edn_json_number(b, "at", d->change_at);
    edn_json_string(b, "deleted", edn_buf_view(&d->old));
    edn_json_string(b, "inserted", edn_buf_view(&d->new));
    edn_json_close(b, '}');
    edn_put_u8(b, '\n');
    edn_buf_reset(&d->old);
    edn_buf_reset(&d->new);
    return edn_cli_out(d->c);
}

static edn_status put_change(void *ctx, edn_piece_kind kind, edn_bytes text)
{
    diffing *d = ctx;
    edn_status st = EDN_OK;

    if (kind == EDN_PIECE_SAME)
        st = change_end(d);
    else
        edn_put_bytes(kind == EDN_PIECE_DELETED ? &d->old : &d->new, text.p, text.n);
    if (kind != EDN_PIECE_INSERTED)
        d->at += edn_utf8_count(text);
    if (kind == EDN_PIECE_SAME)
        d->change_at = d->at;
    return st;
}

edn_status edn_cli_diff(edn_cli *c)
{
    diffing d = {.c = c, .old = EDN_BUF_INIT(EDN_BUF_UNLIMITED), .new = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
    edn_entry_id id, other;
    edn_moment from, to = {0, 0};
    edn_status st = edn_cli_need(c);

    if (st != EDN_OK || (st = edn_cli_find(c, c->args.words[0], &id, &from)) != EDN_OK)
        return st;
    if (c->args.words_n > 1) {
        if ((st = edn_cli_find(c, c->args.words[1], &other, &to)) != EDN_OK)
            return st;
        if (memcmp(id.b, other.b, sizeof id.b) != 0)
            return edn_cli_usage(c, "'%s' and '%s' are two entries: say two versions of one", c->args.words[0],
                                 c->args.words[1]);
    }
    d.line = d.line_at = 1;
    st = edn_client_diff(c->client, &id, from, to, c->json ? put_change : put_piece, &d, &c->err);
    if (st == EDN_OK)
        st = c->json ? change_end(&d) : lines_end(&d);
    if (st == EDN_OK && !c->json && !d.any)
        edn_cli_note(c, "Nothing differs.");
    edn_buf_dispose(&d.old);
    edn_buf_dispose(&d.new);
    return st;
}

static edn_status no_entry(void *ctx, const edn_entry *e)
{
    (void)ctx;
    (void)e;
    return EDN_OK;
}

edn_status edn_cli_put_quarantine_diff(edn_cli *c, const char *device, const edn_entry_id *id)
{
    diffing d = {.c = c, .old = EDN_BUF_INIT(EDN_BUF_UNLIMITED), .new = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
    edn_status st;

    d.line = d.line_at = 1;
    st = edn_client_quarantine_show(c->client, device, id, no_entry, put_piece, &d, &c->err);
    if (st == EDN_OK)
        st = lines_end(&d);
    edn_buf_dispose(&d.old);
    edn_buf_dispose(&d.new);
    return st;
}

/* ---- blame ------------------------------------------------------------------------------------------------------- */

typedef struct lines {
    edn_cli *c;
    edn_buf line, name; /* `name`: of the device of the newest run in it */
    uint64_t time_ms;   /* of that run */
} lines;

static edn_status line_put(lines *l)
{
    char when[EDN_CLI_TIME_MAX];
    edn_buf *b = &l->c->buf;
    edn_status st = edn_buf_status(l->line.st != EDN_OK ? &l->line : &l->name);

    if (st != EDN_OK)
        return st;
    edn_cli_time_local(when, l->time_ms, 0);
    edn_cli_putf(b, "%s  ", when);
    edn_cli_put_text(b, &l->c->out, edn_buf_view(&l->name), true);
    edn_put_str(b, "  ");
    edn_cli_put_text(b, &l->c->out, edn_buf_view(&l->line), true);
    edn_put_u8(b, '\n');
    edn_buf_reset(&l->line);
    l->time_ms = 0;
    return edn_cli_out(l->c);
}

static edn_status put_run_json(edn_cli *c, const edn_blame_item *run)
{
    edn_json_open(&c->buf, NULL, '{');
    edn_json_time(&c->buf, "time", run->time_ms);
    edn_json_string(&c->buf, "device", edn_bytes_str(run->device));
    edn_json_string(&c->buf, "device_name", run->device_name);
    edn_json_string(&c->buf, "text", run->text);
    edn_json_close(&c->buf, '}');
    edn_put_u8(&c->buf, '\n');
    return edn_cli_out(c);
}

static edn_status put_run(void *ctx, const edn_blame_item *run)
{
    lines *l = ctx;
    edn_bytes text = run->text;
    edn_status st = EDN_OK;

    if (l->c->json)
        return put_run_json(l->c, run);
    while (st == EDN_OK && text.n) {
        const uint8_t *end = memchr(text.p, '\n', text.n);
        size_t n = end ? (size_t)(end - text.p) : text.n;
        if (l->time_ms <= run->time_ms) {
            edn_bytes name = run->device_name.n ? run->device_name : edn_bytes_of(run->device, 8);
            edn_buf_reset(&l->name);
            edn_put_bytes(&l->name, name.p, name.n);
            l->time_ms = run->time_ms;
        }
        edn_put_bytes(&l->line, text.p, n);
        if (end)
            st = line_put(l);
        n += end != NULL;
        text = edn_bytes_of(text.p + n, text.n - n);
    }
    return st;
}

edn_status edn_cli_blame(edn_cli *c)
{
    lines l = {.c = c, .line = EDN_BUF_INIT(EDN_BUF_UNLIMITED), .name = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
    edn_entry_id id;
    edn_status st = edn_cli_need(c);

    if (st != EDN_OK || (st = edn_cli_find(c, c->args.words[0], &id, NULL)) != EDN_OK)
        return st;
    st = edn_client_blame(c->client, &id, put_run, &l, &c->err);
    if (st == EDN_OK && l.line.n)
        st = line_put(&l);
    edn_buf_dispose(&l.line);
    edn_buf_dispose(&l.name);
    return st;
}
