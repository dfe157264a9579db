/* Commands about what revoked devices had written that nobody had seen: look at it, keep it, throw it away. Everything
 * in it is a stranger's until then, its titles and names too: what a terminal sees of it is made safe like any text. */
#include "cli/cli_priv.h"

#include <edn/quarantine.h>
#include <stdlib.h>

#include "cli/json.h"
#include "cli/text.h"

/* ---- what there is ----------------------------------------------------------------------------------------------- */

typedef struct items {
    edn_cli *c;
    const char *device; /* only of this one; NULL: of all */
    edn_arena a;
    edn_quarantined *p; /* strings live in `a` */
    size_t n, cap;
} items;

static bool is_of(const edn_quarantined *q, const char *device)
{
    return !device || (strlen(device) >= 4 && strncmp(q->device, device, strlen(device)) == 0) ||
           edn_bytes_equal(q->device_name, edn_bytes_str(device));
}

static edn_status gather(void *ctx, const edn_quarantined *q)
{
    items *l = ctx;
    edn_quarantined *to;

    if (!is_of(q, l->device))
        return EDN_OK;
    if (!edn_array_room(&l->p, &l->cap, l->n + 1, sizeof *l->p))
        return EDN_E_NOMEM;
    to = &l->p[l->n];
    *to = *q;
    if (!edn_arena_copy(&l->a, q->device_name, &to->device_name) || !edn_arena_copy(&l->a, q->date, &to->date) ||
        !edn_arena_copy(&l->a, q->title, &to->title))
        return EDN_E_NOMEM;
    l->n++;
    return EDN_OK;
}

static edn_status items_load(edn_cli *c, items *l)
{
    edn_status st = edn_cli_need(c);

    *l = (items){.c = c, .device = edn_cli_value(&c->args, EDN_OPT_OF_DEVICE), .a = edn_arena_init(EDN_BUF_UNLIMITED)};
    return st == EDN_OK ? edn_client_quarantine(c->client, gather, l, &c->err) : st;
}

static void items_dispose(items *l)
{
    free(l->p);
    edn_arena_dispose(&l->a);
}

/* An item without an entry: only names and keys of that device are there. */
static bool is_rest(const edn_quarantined *q) { return q->status == EDN_E_MISSING; }

static edn_status item_find(const items *l, const char *word, const edn_quarantined **out)
{
    edn_err *err = &l->c->err;
    char hex[33];
    size_t n = 0;

    *out = NULL;
    for (size_t i = 0; i < l->n; i++) {
        edn_hex_encode(hex, l->p[i].id.b, sizeof l->p[i].id.b);
        if (is_rest(&l->p[i]) || strlen(word) < 4 || strncmp(hex, word, strlen(word)) != 0)
            continue;
        *out = &l->p[i];
        n++;
    }
    if (n == 0)
        return edn_fail(err, EDN_E_MISSING, "no entry \"%.40s\" is in quarantine; 'edn quarantine list' shows them",
                        word);
    if (n > 1)
        return edn_fail(err, EDN_E_AMBIGUOUS,
                        "\"%.40s\" fits several entries in quarantine: give more digits of the id, or --device", word);
    return EDN_OK;
}

/* ---- list -------------------------------------------------------------------------------------------------------- */

static void put_json(edn_buf *out, const edn_quarantined *q)
{
    edn_json_open(out, NULL, '{');
    edn_json_hex(out, "id", q->id.b, sizeof q->id.b);
    edn_json_string(out, "device", edn_bytes_str(q->device));
    edn_json_string(out, "device_name", q->device_name);
    edn_json_bool(out, "whole", q->status == EDN_OK);
    edn_json_bool(out, "known", q->known);
    edn_json_bool(out, "removed", q->removed);
    edn_json_string(out, "date", q->date);
    edn_json_string(out, "title", q->title);
    edn_json_time(out, "written", q->written_ms);
    edn_json_number(out, "inserted", q->inserted);
    edn_json_number(out, "deleted", q->deleted);
    edn_json_number(out, "size", q->size);
    edn_json_close(out, '}');
    edn_put_u8(out, '\n');
}

static const char *what_of(const edn_quarantined *q)
{
    if (q->status != EDN_OK)
        return "unreadable";
    return q->removed ? "deleted" : q->known ? "changed" : "new";
}

static void put_row(edn_cli *c, const edn_quarantined *q)
{
    char hex[33], when[EDN_CLI_TIME_MAX] = "";

    edn_hex_encode(hex, q->id.b, sizeof q->id.b);
    if (is_rest(q)) {
        edn_cli_putf(&c->buf, "-\t%.8s\tnames and keys alone: 'edn quarantine drop --device %.8s' throws them away\n",
                     q->device, q->device);
        return;
    }
    if (q->written_ms)
        edn_cli_time_local(when, q->written_ms, 0);
    edn_cli_putf(&c->buf, "%.8s\t%.8s\t%s\t", hex, q->device, what_of(q));
    edn_cli_put_text(&c->buf, &c->out, q->date, true);
    edn_put_u8(&c->buf, '\t');
    edn_cli_put_text(&c->buf, &c->out, q->title, true);
    edn_cli_putf(&c->buf, "\t+%llu\t-%llu\t%s\n", (unsigned long long)q->inserted, (unsigned long long)q->deleted,
                 when);
}

edn_status edn_cli_quarantine_list(edn_cli *c)
{
    items l;
    edn_status st = items_load(c, &l);

    for (size_t i = 0; st == EDN_OK && i < l.n; i++) {
        if (c->json)
            put_json(&c->buf, &l.p[i]);
        else
            put_row(c, &l.p[i]);
        st = edn_cli_out(c);
    }
    if (st == EDN_OK && l.n == 0)
        edn_cli_note(c, "Nothing is in quarantine.");
    else if (st == EDN_OK)
        edn_cli_note(c,
                     "Whoever had a device may have written this, at any time. Read it ('edn quarantine show ENTRY') "
                     "before you keep it.");
    items_dispose(&l);
    return st;
}

/* ---- show -------------------------------------------------------------------------------------------------------- */

edn_status edn_cli_quarantine_show(edn_cli *c)
{
    items l;
    const edn_quarantined *q;
    bool alone = c->json || edn_cli_has(&c->args, EDN_OPT_TEXT);
    edn_status st;

    if (c->json && edn_cli_has(&c->args, EDN_OPT_TEXT))
        return edn_cli_usage(c, "--text and --json are two forms: choose one");
    if ((st = items_load(c, &l)) == EDN_OK && (st = item_find(&l, c->args.words[0], &q)) == EDN_OK && q &&
        (st = edn_client_quarantine_show(c->client, q->device, &q->id, edn_cli_show_entry, NULL, c, &c->err)) ==
            EDN_OK &&
        q->known && !alone && q->inserted + q->deleted) {
        edn_put_str(&c->buf, "\nWhat would change\n");
        if ((st = edn_cli_out(c)) == EDN_OK)
            st = edn_cli_put_quarantine_diff(c, q->device, &q->id);
    }
    items_dispose(&l);
    return st;
}

/* ---- keep and drop ----------------------------------------------------------------------------------------------- */

/* One entry, or (NULL) all that a device sent; *done rises by what was done. */
typedef edn_status decide_fn(edn_cli *c, const edn_quarantined *q, const edn_entry_id *id, uint64_t *done);

static edn_status decide_words(const items *l, decide_fn *fn, uint64_t *done)
{
    edn_cli *c = l->c;
    const edn_quarantined *q;
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < c->args.words_n; i++) /* all names first: a wrong one does nothing */
        st = item_find(l, c->args.words[i], &q);
    for (size_t i = 0; st == EDN_OK && i < c->args.words_n; i++)
        if ((st = item_find(l, c->args.words[i], &q)) == EDN_OK)
            st = fn(c, q, &q->id, done);
    return st;
}

static edn_status decide_all(const items *l, decide_fn *fn, uint64_t *done)
{
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < l->n; i++) /* those of a device stand together */
        if (i == 0 || strcmp(l->p[i].device, l->p[i - 1].device) != 0)
            st = fn(l->c, &l->p[i], NULL, done);
    return st;
}

static edn_status decide(edn_cli *c, decide_fn *fn, uint64_t *done)
{
    bool all = edn_cli_has(&c->args, EDN_OPT_ALL) || (c->args.words_n == 0 && edn_cli_has(&c->args, EDN_OPT_OF_DEVICE));
    items l;
    edn_status st;

    *done = 0;
    if (c->args.words_n == 0 && !all)
        return edn_cli_usage(c, "say which entries, or --all");
    if (c->args.words_n && edn_cli_has(&c->args, EDN_OPT_ALL))
        return edn_cli_usage(c, "say which entries, or --all: not both");
    st = items_load(c, &l);
    if (st == EDN_OK && l.n == 0)
        st = edn_fail(&c->err, EDN_E_MISSING, "nothing%s is in quarantine", l.device ? " of that device" : "");
    if (st == EDN_OK)
        st = all ? decide_all(&l, fn, done) : decide_words(&l, fn, done);
    items_dispose(&l);
    return st;
}

static edn_status keep(edn_cli *c, const edn_quarantined *q, const edn_entry_id *id, uint64_t *done)
{
    uint64_t kept;
    edn_status st = edn_client_quarantine_keep(c->client, q->device, id, &kept, &c->err);

    *done += kept;
    return st;
}

static edn_status drop(edn_cli *c, const edn_quarantined *q, const edn_entry_id *id, uint64_t *done)
{
    ++*done;
    return edn_client_quarantine_drop(c->client, q->device, id, &c->err);
}

edn_status edn_cli_quarantine_keep(edn_cli *c)
{
    char count[64];
    uint64_t done;
    edn_status st = decide(c, keep, &done);

    if (done)
        edn_cli_note(c, "%s kept, as changes of this device; 'edn sync' brings them to the others.",
                     edn_cli_count(count, done, "entry is", "entries are"));
    return st;
}

edn_status edn_cli_quarantine_drop(edn_cli *c)
{
    uint64_t done;
    edn_status st = decide(c, drop, &done);

    if (st == EDN_OK)
        edn_cli_note(c, "Thrown away here; 'edn sync' tells the others.");
    return st;
}
