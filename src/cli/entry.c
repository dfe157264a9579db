/* Commands that change entries: write, add, edit, set, tag, mv, rm, undelete, restore. */
#include "cli/cli_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/editor.h"
#include "cli/json.h"
#include "cli/record.h"
#include "cli/signals.h"
#include "cli/source.h"
#include "cli/text.h"

/* ---- what is made from options ----------------------------------------------------------------------------------- */

typedef struct draft_space {
    char date[11];
    edn_journal_id journal;
    edn_bytes *tags;
    edn_field *fields;
} draft_space;

static void draft_space_dispose(draft_space *s)
{
    free(s->tags);
    free(s->fields);
}

static edn_bytes tag_of(const char *word) { return edn_bytes_str(word[0] == '#' ? word + 1 : word); }

/* "name=value". */
static edn_status field_of(edn_cli *c, const char *word, edn_field *out)
{
    const char *equals = strchr(word, '=');

    if (!equals || equals == word)
        return edn_cli_usage(c, "'%s' is not NAME=VALUE", word);
    *out = (edn_field){edn_bytes_of(word, (size_t)(equals - word)), edn_bytes_str(equals + 1)};
    return EDN_OK;
}

static edn_status draft_of(edn_cli *c, draft_space *s, edn_draft *d)
{
    const char *date = edn_cli_value(&c->args, EDN_OPT_DATE), *title = edn_cli_value(&c->args, EDN_OPT_TITLE), *word;
    edn_status st = EDN_OK;

    if (!edn_cli_date_read(date ? date : "today", edn_cli_now_ms(), EDN_DAY_ONLY, s->date))
        return edn_cli_usage(c, "'--date %s' is not a day: YYYY-MM-DD, today or yesterday", date);
    d->date = edn_bytes_str(s->date);
    d->title = title ? edn_bytes_str(title) : EDN_BYTES_EMPTY;
    s->tags = calloc(c->args.uses_n + 1, sizeof *s->tags);
    s->fields = calloc(c->args.uses_n + 1, sizeof *s->fields);
    if (!s->tags || !s->fields)
        return edn_fail(&c->err, EDN_E_NOMEM, "out of memory");
    for (size_t at = 0; (word = edn_cli_next(&c->args, EDN_OPT_TAG, &at));)
        s->tags[d->tags_n++] = tag_of(word);
    for (size_t at = 0; st == EDN_OK && (word = edn_cli_next(&c->args, EDN_OPT_FIELD, &at));)
        st = field_of(c, word, &s->fields[d->fields_n++]);
    d->tags = s->tags;
    d->fields = s->fields;
    return st;
}

static edn_status made_put(edn_cli *c, const edn_entry_id *id, const edn_draft *d)
{
    edn_entry shown = {.id = *id, .date = d->date, .title = d->title};

    if (c->json) {
        edn_json_open(&c->buf, NULL, '{');
        edn_json_hex(&c->buf, "id", id->b, sizeof id->b);
        edn_json_close(&c->buf, '}');
        edn_put_u8(&c->buf, '\n');
    } else if (!c->quiet) {
        edn_put_str(&c->buf, "wrote ");
        edn_cli_put_name(&c->buf, &shown);
        edn_put_u8(&c->buf, '\n');
    }
    return edn_cli_out(c);
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

/* All of standard input, without one line end at its end. */
static edn_status input_read(edn_cli *c, edn_buf *text)
{
    edn_cli_source *s;
    edn_bytes all;
    edn_status st = edn_cli_source_open("-", &s, &c->err);

    if (st != EDN_OK)
        return st;
    if ((st = edn_cli_source_rest(s, &all, &c->err)) == EDN_OK) {
        if (all.n > 0 && all.p[all.n - 1] == '\n')
            all.n--;
        edn_put_bytes(text, all.p, all.n);
        if (edn_buf_status(text) != EDN_OK)
            st = edn_fail(&c->err, edn_buf_status(text), "out of memory");
    }
    edn_cli_source_close(s);
    if (st == EDN_OK && text->n == 0)
        st = edn_fail(&c->err, EDN_E_INVALID, "standard input is empty; nothing was changed");
    return st;
}

/* The text that the user makes of `before`: from standard input when that is no terminal, else in an editor, which
 * stays open (*editor) until the text is saved. */
static edn_status text_get(edn_cli *c, edn_bytes before, edn_buf *text, edn_cli_editor **editor)
{
    edn_status st;

    *editor = NULL;
    if (isatty(STDIN_FILENO) != 1)
        return input_read(c, text);
    st = edn_cli_editor_open(before, edn_cli_has(&c->args, EDN_OPT_ALLOW_DISK), editor, &c->err);
    return st == EDN_OK ? edn_cli_editor_run(*editor, text, &c->err) : st;
}

/* After saving: the file goes, unless there is something in it that could not be saved. */
static edn_status text_end(edn_cli *c, edn_cli_editor *editor, edn_status saved)
{
    char why[sizeof c->err.text], *path;

    if (!editor || saved == EDN_OK) {
        edn_cli_editor_close(editor);
        return saved;
    }
    path = edn_cli_editor_keep(editor);
    memcpy(why, c->err.text, sizeof why);
    edn_fail(&c->err, saved, "%.300s; your text is kept in %s until the machine is restarted", why,
             path ? path : "its file");
    free(path);
    return saved;
}

edn_status edn_cli_write(edn_cli *c)
{
    draft_space space = {0};
    edn_draft d = {0};
    edn_buf text = EDN_BUF_INIT(EDN_CLI_TEXT_MAX);
    edn_cli_editor *editor = NULL;
    edn_entry_id id;
    edn_status st;

    if ((st = draft_of(c, &space, &d)) != EDN_OK || (st = edn_cli_need(c)) != EDN_OK ||
        (st = edn_cli_journal(c, EDN_OPT_JOURNAL, &space.journal, &d.journal)) != EDN_OK)
        goto out;
    if ((st = text_get(c, EDN_BYTES_EMPTY, &text, &editor)) != EDN_OK) {
        edn_cli_editor_close(editor);
        goto out;
    }
    if (text.n == 0) {
        edn_cli_editor_close(editor);
        edn_cli_note(c, "The text is empty; nothing was written.");
        goto out;
    }
    d.text = edn_buf_view(&text);
    if (d.title.n == 0)
        edn_cli_split_title(d.text, &d.title, &d.text);
    st = text_end(c, editor, edn_client_add(c->client, &d, &id, &c->err));
    if (st == EDN_OK)
        st = made_put(c, &id, &d);
out:
    edn_buf_wipe(&text);
    draft_space_dispose(&space);
    return st;
}

edn_status edn_cli_add(edn_cli *c)
{
    draft_space space = {0};
    edn_draft d = {0};
    edn_buf text = EDN_BUF_INIT(EDN_CLI_TEXT_MAX);
    edn_entry_id id;
    edn_status st = draft_of(c, &space, &d);

    for (size_t i = 0; i < c->args.words_n; i++)
        edn_cli_putf(&text, "%s%s", i ? " " : "", c->args.words[i]);
    if (st == EDN_OK && edn_buf_status(&text) != EDN_OK)
        st = edn_fail(&c->err, edn_buf_status(&text), "out of memory");
    d.text = edn_buf_view(&text);
    if (st == EDN_OK && (st = edn_cli_need(c)) == EDN_OK &&
        (st = edn_cli_journal(c, EDN_OPT_JOURNAL, &space.journal, &d.journal)) == EDN_OK &&
        (st = edn_client_add(c->client, &d, &id, &c->err)) == EDN_OK)
        st = made_put(c, &id, &d);
    edn_buf_dispose(&text);
    draft_space_dispose(&space);
    return st;
}

/* ---- changing one entry ------------------------------------------------------------------------------------------ */

typedef struct seen {
    edn_buf *text; /* NULL: not wanted */
    edn_buf *name;
} seen;

static edn_status see(void *ctx, const edn_entry *e)
{
    seen *s = ctx;

    if (s->text)
        edn_put_bytes(s->text, e->text.p, e->text.n);
    if (s->name)
        edn_cli_put_name(s->name, e);
    return s->text ? edn_buf_status(s->text) : EDN_OK;
}

/* "changed 0a1b2c3d (2024-05-01, Title)", on standard error. */
static edn_status tell(edn_cli *c, const char *verb, const edn_entry_id *id, const char *more)
{
    edn_buf name = EDN_BUF_INIT(65536);
    seen s = {NULL, &name};
    edn_status st;

    if (c->quiet)
        return EDN_OK;
    st = edn_client_show(c->client, id, see, &s, &c->err);
    if (st == EDN_OK)
        edn_cli_note(c, "%s %.*s%s", verb, (int)name.n, (const char *)name.p, more);
    edn_buf_dispose(&name);
    return st;
}

edn_status edn_cli_edit(edn_cli *c)
{
    edn_buf before = EDN_BUF_INIT(EDN_CLI_TEXT_MAX), after = EDN_BUF_INIT(EDN_CLI_TEXT_MAX);
    seen s = {&before, NULL};
    edn_cli_editor *editor = NULL;
    edn_entry_id id;
    edn_status st;

    if ((st = edn_cli_need(c)) != EDN_OK || (st = edn_cli_find(c, c->args.words[0], &id, NULL)) != EDN_OK ||
        (st = edn_client_show(c->client, &id, see, &s, &c->err)) != EDN_OK)
        goto out;
    if ((st = text_get(c, edn_buf_view(&before), &after, &editor)) != EDN_OK) {
        edn_cli_editor_close(editor);
        goto out;
    }
    if (edn_bytes_equal(edn_buf_view(&before), edn_buf_view(&after))) {
        edn_cli_editor_close(editor);
        edn_cli_note(c, "The text is as it was; nothing was changed.");
        goto out;
    }
    /* An empty text has an address too: NULL would mean "the current one". */
    st = text_end(c, editor,
                  edn_client_edit(c->client, &id, before.p ? edn_buf_view(&before) : edn_bytes_of("", 0),
                                  edn_buf_view(&after), &c->err));
    if (st == EDN_OK)
        st = tell(c, "changed", &id, "");
out:
    edn_buf_wipe(&before);
    edn_buf_wipe(&after);
    return st;
}

edn_status edn_cli_set(edn_cli *c)
{
    edn_entry_id id;
    edn_field field;
    char date[11];
    edn_status st = EDN_OK;

    for (size_t i = 1; i < c->args.words_n && st == EDN_OK; i++)
        st = field_of(c, c->args.words[i], &field); /* all, before any is set */
    if (st != EDN_OK || (st = edn_cli_need(c)) != EDN_OK ||
        (st = edn_cli_find(c, c->args.words[0], &id, NULL)) != EDN_OK)
        return st;
    for (size_t i = 1; i < c->args.words_n; i++) {
        if ((st = field_of(c, c->args.words[i], &field)) != EDN_OK)
            return st;
        if (edn_bytes_equal(field.name, edn_bytes_str("date")) &&
            edn_cli_date_read(strchr(c->args.words[i], '=') + 1, edn_cli_now_ms(), EDN_DAY_ONLY, date))
            field.value = edn_bytes_str(date);
        if ((st = edn_client_set(c->client, &id, field.name, field.value, &c->err)) != EDN_OK)
            return st;
    }
    return tell(c, "changed", &id, "");
}

edn_status edn_cli_tag(edn_cli *c)
{
    const char *word;
    edn_entry_id id;
    edn_status st;

    if (c->args.words_n == 1 && !edn_cli_has(&c->args, EDN_OPT_REMOVE))
        return edn_cli_usage(c, "say which tags: edn tag ENTRY TAG..., or --remove TAG");
    if ((st = edn_cli_need(c)) != EDN_OK || (st = edn_cli_find(c, c->args.words[0], &id, NULL)) != EDN_OK)
        return st;
    for (size_t i = 1; i < c->args.words_n && st == EDN_OK; i++)
        st = edn_client_tag(c->client, &id, tag_of(c->args.words[i]), true, &c->err);
    for (size_t at = 0; st == EDN_OK && (word = edn_cli_next(&c->args, EDN_OPT_REMOVE, &at));)
        st = edn_client_tag(c->client, &id, tag_of(word), false, &c->err);
    return st == EDN_OK ? tell(c, "changed", &id, "") : st;
}

/* ---- several entries --------------------------------------------------------------------------------------------- */

/* All are found before the first is touched, so that a wrong word changes nothing. */
static edn_status each(edn_cli *c, size_t words_n,
                       edn_status (*fn)(edn_cli *c, const edn_entry_id *id, const edn_journal_id *to),
                       const edn_journal_id *to)
{
    edn_entry_id *ids = calloc(words_n, sizeof *ids);
    edn_status st = ids ? EDN_OK : edn_fail(&c->err, EDN_E_NOMEM, "out of memory");

    for (size_t i = 0; i < words_n && st == EDN_OK; i++)
        st = edn_cli_find(c, c->args.words[i], &ids[i], NULL);
    for (size_t i = 0; i < words_n && st == EDN_OK; i++)
        st = fn(c, &ids[i], to);
    free(ids);
    return st;
}

static edn_status move_one(edn_cli *c, const edn_entry_id *id, const edn_journal_id *to)
{
    edn_status st = edn_client_move(c->client, id, to, &c->err);
    return st == EDN_OK ? tell(c, "moved", id, "") : st;
}

static edn_status remove_one(edn_cli *c, const edn_entry_id *id, const edn_journal_id *to)
{
    edn_status st = edn_client_remove(c->client, id, &c->err);
    (void)to;
    return st == EDN_OK ? tell(c, "deleted", id, "; 'edn undelete' with its id brings it back") : st;
}

static edn_status undelete_one(edn_cli *c, const edn_entry_id *id, const edn_journal_id *to)
{
    edn_status st = edn_client_undelete(c->client, id, &c->err);
    (void)to;
    return st == EDN_OK ? tell(c, "brought back", id, "") : st;
}

edn_status edn_cli_mv(edn_cli *c)
{
    size_t last = c->args.words_n - 1;
    edn_journal_id to;
    edn_status st = edn_cli_need(c);

    if (st != EDN_OK || (st = edn_client_journal_find(c->client, c->args.words[last], &to, &c->err)) != EDN_OK)
        return st;
    return each(c, last, move_one, &to);
}

edn_status edn_cli_rm(edn_cli *c)
{
    edn_status st = edn_cli_need(c);
    return st == EDN_OK ? each(c, c->args.words_n, remove_one, NULL) : st;
}

edn_status edn_cli_undelete(edn_cli *c)
{
    edn_status st = edn_cli_need(c);
    return st == EDN_OK ? each(c, c->args.words_n, undelete_one, NULL) : st;
}

edn_status edn_cli_restore(edn_cli *c)
{
    edn_entry_id id;
    edn_moment when;
    edn_status st = edn_cli_need(c);

    if (st != EDN_OK || (st = edn_cli_find(c, c->args.words[0], &id, &when)) != EDN_OK)
        return st;
    if (when.number == 0 && when.time_ms == 0)
        return edn_cli_usage(c, "say which version: edn restore ENTRY@VERSION; 'edn history' lists them");
    if ((st = edn_client_restore(c->client, &id, when, &c->err)) != EDN_OK)
        return st;
    return tell(c, "restored", &id, "");
}
