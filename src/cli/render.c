#include "cli/cli_priv.h"

#include <stdlib.h>

#include "cli/json.h"
#include "cli/text.h"

#define ID_DIGITS_MIN 8u

/* ---- one entry --------------------------------------------------------------------------------------------------- */

void edn_cli_put_entry_json(edn_buf *out, const edn_entry *e, edn_cli_detail detail)
{
    bool whole = detail == EDN_DETAIL_WHOLE;

    edn_json_open(out, NULL, '{');
    edn_json_hex(out, "id", e->id.b, sizeof e->id.b);
    edn_json_string(out, "date", e->date);
    edn_json_string(out, "title", e->title);
    edn_json_string(out, whole ? "text" : "preview", e->text);
    edn_json_number(out, "size", e->text_size);
    edn_json_open(out, "tags", '[');
    for (size_t i = 0; i < e->tags_n; i++)
        edn_json_string(out, NULL, e->tags[i]);
    edn_json_close(out, ']');
    if (whole) {
        edn_json_open(out, "fields", '{');
        for (size_t i = 0; i < e->fields_n; i++)
            edn_json_pair(out, e->fields[i].name, e->fields[i].value);
        edn_json_close(out, '}');
    }
    edn_json_string(out, "journal", e->journal_name);
    edn_json_hex(out, "journal_id", e->journal.b, sizeof e->journal.b);
    edn_json_bool(out, "deleted", e->deleted);
    edn_json_bool(out, "conflict", e->conflict);
    edn_json_time(out, "created", e->created_ms);
    edn_json_time(out, "changed", e->changed_ms);
    edn_json_close(out, '}');
    edn_put_u8(out, '\n');
}

void edn_cli_put_name(edn_buf *out, const edn_entry *e)
{
    char id[33];

    edn_hex_encode(id, e->id.b, sizeof e->id.b);
    edn_cli_putf(out, "%.8s (%.*s", id, (int)e->date.n, (const char *)e->date.p);
    if (e->title.n) {
        edn_put_str(out, ", ");
        edn_cli_put_safe(out, e->title, EDN_SAFE_LINE);
    }
    edn_put_u8(out, ')');
}

static void put_tags(edn_cli *c, edn_buf *out, const edn_entry *e)
{
    for (size_t i = 0; i < e->tags_n; i++) {
        edn_put_str(out, i ? " #" : "#");
        edn_cli_put_text(out, &c->out, e->tags[i], true);
    }
}

static void put_labelled(edn_cli *c, edn_bytes label, edn_bytes value)
{
    if (value.n == 0)
        return;
    edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_DIM);
    edn_cli_put_text(&c->buf, &c->out, label, true);
    edn_put_str(&c->buf, ": ");
    edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_PLAIN);
    edn_cli_put_text(&c->buf, &c->out, value, true);
    edn_put_u8(&c->buf, '\n');
}

void edn_cli_put_entry(edn_cli *c, const edn_entry *e)
{
    char id[33];

    edn_hex_encode(id, e->id.b, sizeof e->id.b);
    edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_BOLD);
    edn_cli_put_text(&c->buf, &c->out, e->date, true);
    if (e->title.n) {
        edn_put_str(&c->buf, "  ");
        edn_cli_put_text(&c->buf, &c->out, e->title, true);
    }
    edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_PLAIN);
    edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_DIM);
    edn_cli_putf(&c->buf, "  %.8s  ", id);
    edn_cli_put_text(&c->buf, &c->out, e->journal_name, true);
    edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_PLAIN);
    edn_put_u8(&c->buf, '\n');
    if (e->tags_n) {
        edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_CYAN);
        put_tags(c, &c->buf, e);
        edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_PLAIN);
        edn_put_u8(&c->buf, '\n');
    }
    for (size_t i = 0; i < e->fields_n; i++)
        put_labelled(c, e->fields[i].name, e->fields[i].value);
    if (e->deleted || e->conflict) {
        edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_RED);
        edn_put_str(&c->buf,
                    e->deleted ? "(deleted)\n" : "(deleted on one device while it was edited on another: kept)\n");
        edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_PLAIN);
    }
    if (e->text.n) {
        edn_put_u8(&c->buf, '\n');
        edn_cli_put_text(&c->buf, &c->out, e->text, false);
        edn_put_u8(&c->buf, '\n');
    }
}

edn_status edn_cli_show_entry(void *ctx, const edn_entry *e)
{
    edn_cli *c = ctx;

    if (c->json) {
        edn_cli_put_entry_json(&c->buf, e, EDN_DETAIL_WHOLE);
    } else if (edn_cli_has(&c->args, EDN_OPT_TEXT)) {
        edn_cli_put_text(&c->buf, &c->out, e->text, false);
        edn_put_u8(&c->buf, '\n');
    } else {
        edn_cli_put_entry(c, e);
    }
    return edn_cli_out(c);
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

/* The five columns of a row as one line for a terminal: cut to its width, with colours that take no columns. */
static void put_row_terminal(edn_cli *c, const edn_entry *e, const char *id, size_t id_digits)
{
    static const edn_cli_style styles[] = {EDN_STYLE_DIM, EDN_STYLE_PLAIN, EDN_STYLE_BOLD, EDN_STYLE_CYAN,
                                           EDN_STYLE_DIM};
    edn_buf cell = EDN_BUF_INIT(65536);
    size_t left = c->out.width;

    for (size_t i = 0; i < EDN_COUNT(styles) && left > 2; i++) {
        edn_buf_reset(&cell);
        if (i == 0)
            edn_put_bytes(&cell, id, id_digits);
        else if (i == 1)
            edn_cli_put_text(&cell, &c->out, e->date, true);
        else if (i == 2)
            edn_cli_put_text(&cell, &c->out, e->title, true);
        else if (i == 3)
            put_tags(c, &cell, e);
        else
            edn_cli_put_text(&cell, &c->out, e->text, true);
        if (cell.n == 0 || edn_buf_status(&cell) != EDN_OK)
            continue;
        if (i > 0) {
            edn_put_str(&c->buf, i == 1 && (e->deleted || e->conflict) ? (e->deleted ? " -" : " !") : "  ");
            left -= 2;
        }
        edn_cli_style_put(&c->buf, &c->out, styles[i]);
        left -= edn_cli_put_cut(&c->buf, edn_buf_view(&cell), left);
        edn_cli_style_put(&c->buf, &c->out, EDN_STYLE_PLAIN);
    }
    edn_put_u8(&c->buf, '\n');
    edn_buf_dispose(&cell);
}

void edn_cli_put_row(edn_cli *c, const edn_entry *e, size_t id_digits)
{
    char id[33];

    edn_hex_encode(id, e->id.b, sizeof e->id.b);
    if (c->out.tty) {
        put_row_terminal(c, e, id, id_digits);
        return;
    }
    edn_put_bytes(&c->buf, id, id_digits);
    edn_put_u8(&c->buf, '\t');
    edn_cli_put_text(&c->buf, &c->out, e->date, true);
    edn_put_u8(&c->buf, '\t');
    edn_cli_put_text(&c->buf, &c->out, e->title, true);
    edn_put_u8(&c->buf, '\t');
    put_tags(c, &c->buf, e);
    edn_put_u8(&c->buf, '\t');
    edn_cli_put_text(&c->buf, &c->out, e->text, true);
    edn_put_u8(&c->buf, '\n');
}

struct edn_cli_rows {
    edn_arena arena;
    edn_entry *rows;
    size_t n, cap;
};

edn_cli_rows *edn_cli_rows_new(void)
{
    edn_cli_rows *r = calloc(1, sizeof *r);

    if (r)
        r->arena = edn_arena_init(EDN_BUF_UNLIMITED);
    return r;
}

void edn_cli_rows_free(edn_cli_rows *r)
{
    if (!r)
        return;
    edn_arena_dispose(&r->arena);
    free(r->rows);
    free(r);
}

edn_status edn_cli_rows_add(edn_cli_rows *r, const edn_entry *e)
{
    edn_entry *row;
    edn_bytes *tags;

    if (!edn_array_room(&r->rows, &r->cap, r->n + 1, sizeof *r->rows))
        return EDN_E_NOMEM;
    row = &r->rows[r->n];
    *row = *e;
    row->fields = NULL;
    row->fields_n = 0;
    tags = edn_arena_calloc(&r->arena, e->tags_n + 1, sizeof *tags);
    if (!tags || !edn_arena_copy(&r->arena, e->date, &row->date) || !edn_arena_copy(&r->arena, e->title, &row->title) ||
        !edn_arena_copy(&r->arena, e->text, &row->text) ||
        !edn_arena_copy(&r->arena, e->journal_name, &row->journal_name))
        return EDN_E_NOMEM;
    for (size_t i = 0; i < e->tags_n; i++)
        if (!edn_arena_copy(&r->arena, e->tags[i], &tags[i]))
            return EDN_E_NOMEM;
    row->tags = tags;
    r->n++;
    return EDN_OK;
}

static int compare_ids(const void *a, const void *b) { return memcmp(a, b, sizeof(edn_entry_id)); }

/* How many digits tell all ids of a list apart: the longest beginning that two neighbours share, and one more. */
static size_t digits_needed(const edn_cli_rows *r)
{
    edn_entry_id *ids = calloc(r->n + 1, sizeof *ids);
    size_t need = ID_DIGITS_MIN;

    if (!ids)
        return 2 * sizeof *ids; /* all of it is never wrong */
    for (size_t i = 0; i < r->n; i++)
        ids[i] = r->rows[i].id;
    qsort(ids, r->n, sizeof *ids, compare_ids);
    for (size_t i = 1; i < r->n; i++) {
        char a[33], b[33];
        size_t same = 0;
        edn_hex_encode(a, ids[i - 1].b, sizeof ids[i - 1].b);
        edn_hex_encode(b, ids[i].b, sizeof ids[i].b);
        while (same < 31 && a[same] == b[same])
            same++;
        need = EDN_MAX(need, same + 1);
    }
    free(ids);
    return need;
}

edn_status edn_cli_rows_print(edn_cli_rows *r, edn_cli *c, bool backwards)
{
    size_t digits = digits_needed(r);
    edn_status st = EDN_OK;

    for (size_t i = 0; i < r->n && st == EDN_OK; i++) {
        const edn_entry *e = &r->rows[backwards ? r->n - 1 - i : i];
        if (c->json)
            edn_cli_put_entry_json(&c->buf, e, EDN_DETAIL_ROW);
        else
            edn_cli_put_row(c, e, digits);
        st = edn_cli_out(c);
    }
    return st;
}

/* ---- findings ---------------------------------------------------------------------------------------------------- */

void edn_cli_put_finding(edn_cli *c, const edn_finding *f)
{
    edn_buf line = EDN_BUF_INIT(4096);

    edn_cli_style_put(&line, &c->note, EDN_STYLE_RED);
    edn_cli_putf(&line, "edn: %s: ", edn_status_name(f->status));
    edn_cli_put_safe(&line, edn_bytes_str(f->text), EDN_SAFE_LINE);
    edn_cli_style_put(&line, &c->note, EDN_STYLE_PLAIN);
    edn_put_u8(&line, '\n');
    if (edn_cli_flush(&c->note, &line) != EDN_OK)
        (void)0; /* standard error is closed: the exit code still tells */
    edn_buf_dispose(&line);
}

void edn_cli_put_findings_json(edn_buf *out, const edn_finding *findings, size_t n)
{
    edn_json_open(out, "findings", '[');
    for (size_t i = 0; i < n; i++) {
        edn_json_open(out, NULL, '{');
        edn_json_string(out, "class", edn_bytes_str(edn_status_name(findings[i].status)));
        edn_json_time(out, "time", findings[i].time_ms);
        edn_json_string(out, "text", edn_bytes_str(findings[i].text));
        edn_json_close(out, '}');
    }
    edn_json_close(out, ']');
}
