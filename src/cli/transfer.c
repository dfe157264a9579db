/* Commands that bring entries in and take them out: import, export. */
#include "cli/cli_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cli/folder.h"
#include "cli/json.h"
#include "cli/record.h"
#include "cli/source.h"
#include "cli/text.h"

/* ---- import ------------------------------------------------------------------------------------------------------ */

/* Where the next entry comes from: the lines of one file after another, and Markdown files, which a folder may hold. */
typedef struct importing {
    edn_cli *c;
    edn_cli_progress progress;
    edn_journal_id journal;
    const edn_journal_id *journal_given; /* --journal, or NULL */
    bool skip_bad;
    size_t word;            /* the next argument */
    edn_cli_source *source; /* lines are read from it; NULL: none is open */
    char **paths;           /* Markdown files to come */
    size_t paths_n, paths_at;
    edn_cli_record record; /* what was handed out last */
    uint64_t given, skipped;
} importing;

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static bool is_folder(const char *path)
{
    struct stat sb;
    return stat(path, &sb) == 0 && S_ISDIR(sb.st_mode);
}

/* Opens what the next argument names. */
static edn_status word_open(importing *x)
{
    edn_cli *c = x->c;
    const char *path = c->args.words[x->word++], *format = edn_cli_value(&c->args, EDN_OPT_FORMAT_IN);
    edn_status st;

    edn_cli_folder_list_free(x->paths, x->paths_n);
    x->paths = NULL;
    x->paths_n = x->paths_at = 0;
    if (is_folder(path)) {
        char *lines = NULL;
        if (asprintf(&lines, "%s/%s", path, EDN_CLI_EXPORT_JSONL) < 0)
            return edn_fail(&c->err, EDN_E_NOMEM, "out of memory");
        st = format && format[0] == 'm' ? EDN_E_MISSING : edn_cli_source_open(lines, &x->source, NULL);
        free(lines);
        if (st != EDN_E_MISSING)
            return st == EDN_OK ? st : edn_fail(&c->err, st, "could not read %s/%s", path, EDN_CLI_EXPORT_JSONL);
        if ((st = edn_cli_folder_list(path, &x->paths, &x->paths_n, &c->err)) == EDN_OK && x->paths_n == 0)
            st = edn_fail(&c->err, EDN_E_MISSING, "%s holds neither %s nor Markdown files", path, EDN_CLI_EXPORT_JSONL);
        return st;
    }
    if (format ? format[0] == 'm' : ends_with(path, ".md") || ends_with(path, ".markdown")) {
        x->paths = calloc(1, sizeof *x->paths);
        if (!x->paths || !(x->paths[0] = strdup(path)))
            return edn_fail(&c->err, EDN_E_NOMEM, "out of memory");
        x->paths_n = 1;
        return EDN_OK;
    }
    return edn_cli_source_open(path, &x->source, &c->err);
}

/* What is wrong with a line or a file: an end of it all, or only a word about it. */
static edn_status bad(importing *x, edn_status st, const edn_err *why, const char *path, uint64_t line)
{
    edn_cli *c = x->c;
    char place[256];

    snprintf(place, sizeof place, "%.200s", strcmp(path, "-") == 0 ? "standard input" : path);
    if (line)
        snprintf(place + strlen(place), sizeof place - strlen(place), ", line %llu", (unsigned long long)line);
    if (st == EDN_E_NOMEM || !x->skip_bad)
        return edn_fail(&c->err, st, "%s: %.200s; nothing was imported", place, why->text);
    x->skipped++;
    edn_cli_warn(c, "%s: %.200s; left out", place, why->text);
    return EDN_OK;
}

/* What could be read can still be more than an entry holds. */
static edn_status record_check(importing *x, edn_status st, edn_err *why)
{
    if (st == EDN_OK && (st = edn_client_draft_check(&x->record.item.draft, why)) != EDN_OK)
        edn_cli_record_dispose(&x->record);
    return st;
}

/* Reads one thing, if something is left in what is open. *got: it is in x->record. *left: there may be more. */
static edn_status next_line(importing *x, bool *got, bool *left)
{
    edn_cli *c = x->c;
    const char *path = c->args.words[x->word - 1];
    edn_err why = {0};
    edn_bytes line;
    bool done;
    edn_status st = edn_cli_source_line(x->source, &line, &done, &c->err);

    *left = st == EDN_OK && !done;
    if (!*left) {
        edn_cli_source_close(x->source);
        x->source = NULL;
        return st;
    }
    if (line.n == 0)
        return EDN_OK; /* an empty line means nothing */
    st = record_check(x, edn_cli_record_read_json(&x->record, line, &why), &why);
    *got = st == EDN_OK;
    return *got ? EDN_OK : bad(x, st, &why, path, edn_cli_source_number(x->source));
}

static edn_status next_file(importing *x, bool *got, bool *left)
{
    const char *path, *name;
    edn_err why = {0};
    edn_bytes file;
    edn_status st;

    edn_cli_source_close(x->source); /* of the file before, whose record was taken by now */
    x->source = NULL;
    *left = x->paths_at < x->paths_n;
    if (!*left) {
        x->paths_n = 0;
        return EDN_OK;
    }
    path = x->paths[x->paths_at++];
    name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    if ((st = edn_cli_source_open(path, &x->source, &x->c->err)) != EDN_OK ||
        (st = edn_cli_source_rest(x->source, &file, &x->c->err)) != EDN_OK)
        return st;
    st = record_check(x, edn_cli_record_read_markdown(&x->record, file, name, &why), &why);
    *got = st == EDN_OK;
    return *got ? EDN_OK : bad(x, st, &why, path, 0);
}

/* Progress by entries, and their number from how much of the file was read. */
static bool tell(importing *x)
{
    uint64_t done = 0, total = 0;

    if (x->paths_n)
        total = x->paths_n;
    else if (x->source) {
        edn_cli_source_progress(x->source, &done, &total);
        total = total && done ? (uint64_t)((double)x->given * (double)total / (double)done) : 0;
    }
    return edn_cli_progress_tell(&x->progress, "importing", x->given, total);
}

static edn_status import_next(void *ctx, edn_import_item *item, bool *done)
{
    importing *x = ctx;
    edn_cli *c = x->c;
    bool got = false, left;
    edn_status st;

    edn_cli_record_dispose(&x->record);
    while (!got) {
        if (x->paths_n > 0)
            st = next_file(x, &got, &left);
        else if (x->source)
            st = next_line(x, &got, &left);
        else if (x->word < c->args.words_n)
            st = word_open(x);
        else {
            *done = true;
            return EDN_OK;
        }
        if (st != EDN_OK)
            return st;
    }
    x->given++;
    if (!tell(x))
        return edn_fail(&c->err, EDN_E_CANCELLED, "stopped; nothing was imported");
    *item = x->record.item;
    item->draft.journal = x->journal_given;
    return EDN_OK;
}

static edn_status import_put(edn_cli *c, const edn_import_result *r, uint64_t skipped)
{
    char added[64], known[64], bad_text[64];

    if (c->json) {
        edn_json_open(&c->buf, NULL, '{');
        edn_json_number(&c->buf, "added", r->added);
        edn_json_number(&c->buf, "known", r->known);
        edn_json_number(&c->buf, "skipped", skipped);
        edn_json_close(&c->buf, '}');
        edn_put_u8(&c->buf, '\n');
        return edn_cli_out(c);
    }
    if (c->quiet)
        return EDN_OK;
    edn_cli_putf(&c->buf, "imported %s", edn_cli_count(added, r->added, "entry", "entries"));
    if (r->known)
        edn_cli_putf(&c->buf, "; %s here already", edn_cli_count(known, r->known, "was", "were"));
    if (skipped)
        edn_cli_putf(&c->buf, "; left out %s", edn_cli_count(bad_text, skipped, "that is broken", "that are broken"));
    edn_put_u8(&c->buf, '\n');
    return edn_cli_out(c);
}

edn_status edn_cli_import(edn_cli *c)
{
    importing x = {.c = c, .skip_bad = edn_cli_has(&c->args, EDN_OPT_SKIP_BAD)};
    edn_import_result result = {0};
    edn_err err = {0};
    edn_status st;

    if ((st = edn_cli_need(c)) != EDN_OK ||
        (st = edn_cli_journal(c, EDN_OPT_JOURNAL, &x.journal, &x.journal_given)) != EDN_OK)
        return st;
    c->err = (edn_err){0}; /* what is there afterwards came from reading */
    edn_cli_progress_init(&x.progress, &c->note, c->quiet || c->json);
    st = edn_client_import(c->client, import_next, &x, NULL, &result, &err);
    edn_cli_progress_end(&x.progress);
    edn_cli_record_dispose(&x.record);
    edn_cli_source_close(x.source);
    edn_cli_folder_list_free(x.paths, x.paths_n);
    if (st != EDN_OK && !c->err.text[0]) /* else it is ours already, with the line in it */
        c->err = err;
    return st == EDN_OK ? import_put(c, &result, x.skipped) : st;
}

/* ---- export ------------------------------------------------------------------------------------------------------ */

typedef struct exporting {
    edn_cli *c;
    edn_cli_folder *folder;
    uint64_t entries;
} exporting;

static edn_status export_one(void *ctx, const edn_entry *e)
{
    exporting *x = ctx;

    x->entries++;
    return edn_cli_folder_put(x->folder, e, &x->c->err);
}

static edn_status export_put(edn_cli *c, uint64_t entries, uint64_t files)
{
    char text[64];

    if (c->json) {
        edn_json_open(&c->buf, NULL, '{');
        edn_json_number(&c->buf, "entries", entries);
        edn_json_number(&c->buf, "files", files);
        edn_json_close(&c->buf, '}');
        edn_put_u8(&c->buf, '\n');
        return edn_cli_out(c);
    }
    if (!c->quiet)
        edn_cli_putf(&c->buf, "exported %s\n", edn_cli_count(text, entries, "entry", "entries"));
    if (c->out.tty)
        edn_cli_note(c, "They are not encrypted in %s: mind where that is.", c->args.words[0]);
    return edn_cli_out(c);
}

edn_status edn_cli_export(edn_cli *c)
{
    const char *format = edn_cli_value(&c->args, EDN_OPT_FORMAT_OUT);
    exporting x = {.c = c};
    edn_cli_progress progress;
    edn_cli_filter f;
    edn_err err = {0};
    uint64_t files = 0;
    edn_status st;

    if ((st = edn_cli_need(c)) != EDN_OK || (st = edn_cli_filter_of(c, &f)) != EDN_OK ||
        (st = edn_cli_folder_open(c->args.words[0], format && format[0] == 'm' ? EDN_FORMAT_MARKDOWN : EDN_FORMAT_JSONL,
                                  edn_cli_has(&c->args, EDN_OPT_FORCE), &x.folder, &c->err)) != EDN_OK)
        return st;
    c->err = (edn_err){0}; /* what is there afterwards came from writing */
    edn_cli_progress_init(&progress, &c->note, c->quiet || c->json);
    st = edn_client_export(c->client, &f.filter, export_one, &x, &progress.progress, &err);
    edn_cli_progress_end(&progress);
    bool partly = st == EDN_E_DAMAGED && !c->err.text[0]; /* all that could be read was written */
    if (st == EDN_OK || partly) {
        edn_status finished = edn_cli_folder_finish(x.folder, &files, &c->err);
        st = finished == EDN_OK ? st : finished;
    }
    if (st != EDN_OK && !c->err.text[0])
        c->err = err;
    edn_cli_folder_close(x.folder);
    if (st != EDN_OK && !partly)
        return st;
    if (export_put(c, x.entries, files) != EDN_OK)
        return EDN_E_IO;
    edn_cli_note_closed(c);
    return st;
}
