/* Commands that only read: show, today, list, history; and those about journals. */
#include "cli/cli_priv.h"

#include <stdlib.h>

#include "cli/json.h"
#include "cli/text.h"

/* ---- whole entries ----------------------------------------------------------------------------------------------- */

edn_status edn_cli_show(edn_cli *c)
{
    edn_entry_id id;
    edn_moment when;
    edn_status st;

    if (c->json && edn_cli_has(&c->args, EDN_OPT_TEXT))
        return edn_cli_usage(c, "--text and --json are two forms: choose one");
    if ((st = edn_cli_need(c)) != EDN_OK || (st = edn_cli_find(c, c->args.words[0], &id, &when)) != EDN_OK)
        return st;
    return when.number || when.time_ms ? edn_client_show_version(c->client, &id, when, edn_cli_show_entry, c, &c->err)
                                       : edn_client_show(c->client, &id, edn_cli_show_entry, c, &c->err);
}

typedef struct ids {
    edn_entry_id *p;
    size_t n, cap;
} ids;

static edn_status collect_id(void *ctx, const edn_entry *e)
{
    ids *to = ctx;

    if (!edn_array_room(&to->p, &to->cap, to->n + 1, sizeof *to->p))
        return EDN_E_NOMEM;
    to->p[to->n++] = e->id;
    return EDN_OK;
}

edn_status edn_cli_today(edn_cli *c)
{
    edn_journal_id journal;
    edn_filter f = {0};
    ids found = {0};
    char date[11];
    edn_status st;

    edn_cli_date_local(date, edn_cli_now_ms(), 0);
    f.from = edn_bytes_str(date);
    f.to = f.from;
    if ((st = edn_cli_need(c)) == EDN_OK &&
        (st = edn_cli_journal(c, EDN_OPT_IN_JOURNAL, &journal, &f.journal)) == EDN_OK)
        st = edn_client_list(c->client, &f, collect_id, &found, &c->err);
    for (size_t i = 0; i < found.n && st == EDN_OK; i++) {
        if (i > 0 && !c->json)
            edn_put_u8(&c->buf, '\n');
        st = edn_client_show(c->client, &found.p[i], edn_cli_show_entry, c, &c->err);
    }
    if (st == EDN_OK && found.n == 0)
        edn_cli_note(c, "Nothing is written for %s yet; 'edn write' begins.", date);
    free(found.p);
    return st;
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

static edn_status collect_row(void *ctx, const edn_entry *e) { return edn_cli_rows_add(ctx, e); }

edn_status edn_cli_list(edn_cli *c)
{
    bool newest_first = edn_cli_has(&c->args, EDN_OPT_NEWEST_FIRST);
    edn_cli_rows *rows = edn_cli_rows_new();
    edn_cli_filter f;
    edn_status st;

    if (!rows)
        return edn_fail(&c->err, EDN_E_NOMEM, "out of memory");
    if ((st = edn_cli_need(c)) == EDN_OK && (st = edn_cli_filter_of(c, &f)) == EDN_OK) {
        f.filter.deleted = edn_cli_has(&c->args, EDN_OPT_DELETED);
        f.filter.newest_first = newest_first || f.filter.limit > 0; /* the newest N are taken from that end */
        st = edn_client_list(c->client, &f.filter, collect_row, rows, &c->err);
        if (st == EDN_OK)
            st = edn_cli_rows_print(rows, c, f.filter.newest_first && !newest_first);
        if (st == EDN_OK)
            edn_cli_note_closed(c);
    }
    edn_cli_rows_free(rows);
    return st;
}

/* ---- history ----------------------------------------------------------------------------------------------------- */

static edn_status put_version(void *ctx, const edn_history_item *v)
{
    edn_cli *c = ctx;
    char when[EDN_CLI_TIME_MAX];

    if (c->json) {
        edn_json_open(&c->buf, NULL, '{');
        edn_json_number(&c->buf, "version", v->version);
        edn_json_time(&c->buf, "time", v->time_ms);
        edn_json_string(&c->buf, "device", edn_bytes_str(v->device));
        edn_json_string(&c->buf, "device_name", v->device_name);
        edn_json_string(&c->buf, "what", v->what);
        edn_json_number(&c->buf, "inserted", v->inserted);
        edn_json_number(&c->buf, "deleted", v->deleted);
        edn_json_close(&c->buf, '}');
        edn_put_u8(&c->buf, '\n');
        return edn_cli_out(c);
    }
    edn_cli_time_local(when, v->time_ms, 0);
    edn_cli_putf(&c->buf, "%4u  %s  ", v->version, when);
    edn_cli_put_text(&c->buf, &c->out, v->device_name.n ? v->device_name : edn_bytes_of(v->device, 8), true);
    edn_put_str(&c->buf, "  ");
    edn_cli_put_text(&c->buf, &c->out, v->what, true);
    if (v->inserted || v->deleted)
        edn_cli_putf(&c->buf, "  +%llu -%llu", (unsigned long long)v->inserted, (unsigned long long)v->deleted);
    edn_put_u8(&c->buf, '\n');
    return edn_cli_out(c);
}

edn_status edn_cli_history(edn_cli *c)
{
    edn_entry_id id;
    edn_status st = edn_cli_need(c);

    if (st != EDN_OK || (st = edn_cli_find(c, c->args.words[0], &id, NULL)) != EDN_OK)
        return st;
    return edn_client_history(c->client, &id, put_version, c, &c->err);
}

/* ---- journals ---------------------------------------------------------------------------------------------------- */

static edn_status put_journal(void *ctx, const edn_journal *j)
{
    edn_cli *c = ctx;
    char id[33], count[64];

    if (c->json) {
        edn_json_open(&c->buf, NULL, '{');
        edn_json_hex(&c->buf, "id", j->id.b, sizeof j->id.b);
        edn_json_string(&c->buf, "name", j->name);
        edn_json_number(&c->buf, "entries", j->entries);
        edn_json_bool(&c->buf, "shared", j->shared);
        edn_json_bool(&c->buf, "locked", j->locked);
        edn_json_bool(&c->buf, "closed", j->closed);
        edn_json_close(&c->buf, '}');
        edn_put_u8(&c->buf, '\n');
        return edn_cli_out(c);
    }
    edn_hex_encode(id, j->id.b, sizeof j->id.b);
    edn_cli_putf(&c->buf, c->out.tty ? "%.8s  " : "%.8s\t", id);
    edn_cli_put_text(&c->buf, &c->out, j->name, true);
    const char *kind = j->shared ? "shared" : j->closed ? "locked" : j->locked ? "locked, open now" : "";
    if (c->out.tty && j->closed)
        edn_put_str(&c->buf, "  (locked: 'edn journal open' opens it)\n");
    else if (c->out.tty)
        edn_cli_putf(&c->buf, "  (%s%s%s)\n", edn_cli_count(count, j->entries, "entry", "entries"), *kind ? ", " : "",
                     kind);
    else if (j->closed)
        edn_put_str(&c->buf, "\t\tlocked\n");
    else
        edn_cli_putf(&c->buf, "\t%llu%s%s\n", (unsigned long long)j->entries, *kind ? "\t" : "", kind);
    return edn_cli_out(c);
}

edn_status edn_cli_journal_list(edn_cli *c)
{
    edn_status st = edn_cli_need(c);
    return st == EDN_OK ? edn_client_journals(c->client, put_journal, c, &c->err) : st;
}

edn_status edn_cli_journal_new(edn_cli *c)
{
    edn_journal_id id;
    edn_status st = edn_cli_need(c);

    if (st != EDN_OK ||
        (st = edn_cli_has(&c->args, EDN_OPT_LOCKED)
                  ? edn_cli_journal_make_locked(c, &id)
                  : edn_client_journal_new(c->client, edn_bytes_str(c->args.words[0]), &id, &c->err)) != EDN_OK)
        return st;
    if (c->json) {
        edn_json_open(&c->buf, NULL, '{');
        edn_json_hex(&c->buf, "id", id.b, sizeof id.b);
        edn_json_close(&c->buf, '}');
        edn_put_u8(&c->buf, '\n');
        return edn_cli_out(c);
    }
    edn_cli_note(c, "The journal %s is there.", c->args.words[0]);
    return EDN_OK;
}

edn_status edn_cli_journal_rename(edn_cli *c)
{
    edn_journal_id id;
    edn_status st = edn_cli_need(c);

    if (st != EDN_OK || (st = edn_client_journal_find(c->client, c->args.words[0], &id, &c->err)) != EDN_OK ||
        (st = edn_client_journal_rename(c->client, &id, edn_bytes_str(c->args.words[1]), &c->err)) != EDN_OK)
        return st;
    edn_cli_note(c, "The journal is called %s now.", c->args.words[1]);
    return EDN_OK;
}
