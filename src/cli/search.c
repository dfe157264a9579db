/* Commands that ask the index: search, similar, stats, reindex; and onthisday. */
#include "cli/cli_priv.h"

#include "cli/json.h"
#include "cli/text.h"

#include <stdio.h>

#define TERMINAL_HITS 20u /* as many as are shown on a terminal unless --limit says otherwise */

static void put_snippet(edn_buf *out, const edn_cli_term *t, const edn_hit *hit)
{
    size_t at = 0;

    for (size_t i = 0; i < hit->marks_n; i++) {
        const edn_hit_mark *m = &hit->marks[i];
        edn_cli_put_text(out, t, edn_bytes_of(hit->snippet.p + at, m->at - at), true);
        edn_cli_style_put(out, t, EDN_STYLE_BOLD);
        edn_cli_put_text(out, t, edn_bytes_of(hit->snippet.p + m->at, m->size), true);
        edn_cli_style_put(out, t, EDN_STYLE_PLAIN);
        at = m->at + m->size;
    }
    if (hit->snippet.n)
        edn_cli_put_text(out, t, edn_bytes_of(hit->snippet.p + at, hit->snippet.n - at), true);
}

static void put_hit_json(edn_buf *out, const edn_hit *hit)
{
    const edn_entry *e = hit->entry;

    edn_json_open(out, NULL, '{');
    edn_json_hex(out, "id", e->id.b, sizeof e->id.b);
    edn_json_string(out, "date", e->date);
    edn_json_string(out, "title", e->title);
    edn_json_open(out, "tags", '[');
    for (size_t i = 0; i < e->tags_n; i++)
        edn_json_string(out, NULL, e->tags[i]);
    edn_json_close(out, ']');
    edn_json_string(out, "journal", e->journal_name);
    edn_json_string(out, "snippet", hit->snippet);
    edn_json_bool(out, "arriving", hit->arriving);
    edn_json_number(out, "words", hit->words);
    edn_json_open(out, "marks", '[');
    for (size_t i = 0; i < hit->marks_n; i++) {
        edn_json_open(out, NULL, '[');
        edn_json_number(out, NULL, hit->marks[i].at);
        edn_json_number(out, NULL, hit->marks[i].size);
        edn_json_close(out, ']');
    }
    edn_json_close(out, ']');
    edn_json_close(out, '}');
    edn_put_u8(out, '\n');
}

typedef struct showing {
    edn_cli *c;
    uint64_t shown;
    edn_cli_progress progress; /* a member of it is borrowed by `options`: a showing stays where it was made */
    edn_search_options options;
    edn_cli_filter filter;
} showing;

/* On a terminal an entry's line, and under it the part of its text with the words marked. */
static edn_status put_hit(void *ctx, const edn_hit *hit)
{
    showing *s = ctx;
    edn_cli *c = s->c;
    edn_entry row = *hit->entry;
    char words[40];

    edn_cli_progress_clear(&s->progress);
    s->shown++;
    if (c->json) {
        put_hit_json(&c->buf, hit);
        return edn_cli_out(c);
    }
    row.text = c->out.tty ? EDN_BYTES_EMPTY : hit->snippet;
    if (hit->arriving) {
        snprintf(words, sizeof words, "(%u words, not here yet)", hit->words);
        row.title = edn_bytes_str(words);
    }
    edn_cli_put_row(c, &row, 8);
    if (c->out.tty && hit->snippet.n) {
        edn_put_str(&c->buf, "    ");
        put_snippet(&c->buf, &c->out, hit);
        edn_put_u8(&c->buf, '\n');
    }
    return edn_cli_out(c);
}

static void tell_finding(void *ctx, const edn_finding *f)
{
    showing *s = ctx;

    edn_cli_progress_clear(&s->progress);
    edn_cli_put_finding(s->c, f);
}

static void showing_init(showing *s, edn_cli *c)
{
    *s = (showing){.c = c};
    edn_cli_progress_init(&s->progress, &c->note, c->quiet);
    s->options = (edn_search_options){.progress = &s->progress.progress, .on_finding = tell_finding, .ctx = s};
}

static edn_status join_query(edn_cli *c, edn_buf *out)
{
    edn_status st;

    for (size_t i = 0; i < c->args.words_n; i++)
        edn_cli_putf(out, "%s%s", i ? " " : "", c->args.words[i]);
    st = edn_buf_status(out);
    return st == EDN_OK ? EDN_OK : edn_fail(&c->err, st, "this query is too long");
}

/* ---- a diary that is still arriving ------------------------------------------------------------------------------ */

static edn_status fetch_index(edn_cli *c, edn_fetch_result *out)
{
    showing s;
    edn_fetch_options o = {.quiet = edn_cli_has(&c->args, EDN_OPT_QUIET_SEARCH)};
    edn_status st;

    showing_init(&s, c);
    o.progress = &s.progress.progress;
    o.on_finding = tell_finding;
    o.ctx = &s;
    st = edn_client_fetch_index(c->client, &o, out, &c->err);
    edn_cli_progress_end(&s.progress);
    return st;
}

void edn_cli_fetch_index(edn_cli *c)
{
    edn_fetch_result r;
    edn_status st = fetch_index(c, &r);

    if (st != EDN_OK)
        edn_cli_warn(c, "the search index could not be fetched: %s", c->err.text);
    else if (r.parts)
        edn_cli_note(c, "'edn search' finds what other devices have published already, before it is here.");
    c->err = (edn_err){EDN_OK, ""};
}

static void say_how_far(edn_cli *c, const edn_search_result *r)
{
    char here[EDN_CLI_NUMBER_MAX], known[64];

    if (r->parts)
        edn_cli_note(c,
                     "The diary is still arriving: %s of %s here%s; journals shared with you come after it. 'edn sync' "
                     "goes on.",
                     edn_cli_number(here, r->here), edn_cli_count(known, r->known, "entry is", "entries are"),
                     r->parts_here < r->parts ? ", and parts of the index are not" : "");
    else if (r->lacking)
        edn_cli_note(c, "The diary is still arriving, and only what is here is found. 'edn sync' goes on.");
    if (r->shared_lacking)
        edn_cli_note(c, "%s still arriving, and only what is here of that is found. 'edn sync' goes on.",
                     edn_cli_count(known, r->shared_lacking, "shared journal is", "shared journals are"));
}

/* ---- search ------------------------------------------------------------------------------------------------------ */

static void say_how_many(edn_cli *c, const showing *s, const edn_search_result *r)
{
    char shown[EDN_CLI_NUMBER_MAX], found[64];

    if (r->inexact)
        edn_cli_note(c, "A phrase was looked for by its words alone where entries are not here yet.");

    if (r->instead[0])
        edn_cli_note(c, "Nothing has these words as they are; looked for %s.", r->instead);
    if (c->out.tty && s->shown < r->found)
        edn_cli_note(c, "%s of %s; --limit shows more.", edn_cli_number(shown, s->shown),
                     edn_cli_count(found, r->found, "entry", "entries"));
}

static edn_status put_count(edn_cli *c, uint64_t n)
{
    if (c->json) {
        edn_json_open(&c->buf, NULL, '{');
        edn_json_number(&c->buf, "count", n);
        edn_json_close(&c->buf, '}');
    } else {
        edn_cli_putf(&c->buf, "%llu", (unsigned long long)n);
    }
    edn_put_u8(&c->buf, '\n');
    return edn_cli_out(c);
}

edn_status edn_cli_search(edn_cli *c)
{
    bool count = edn_cli_has(&c->args, EDN_OPT_COUNT_ONLY), typing = edn_cli_has(&c->args, EDN_OPT_INTERACTIVE);
    edn_buf query = EDN_BUF_INIT(65536);
    edn_search_result r;
    showing s;
    edn_status st;

    if (typing && (count || c->json))
        return edn_cli_usage(c, "--interactive is for a person: neither --count nor --json goes with it");
    if (!typing && c->args.words_n == 0)
        return edn_cli_usage(c, "give at least one word to look for");
    if ((st = join_query(c, &query)) != EDN_OK || (st = edn_cli_need(c)) != EDN_OK) {
        edn_buf_dispose(&query);
        return st;
    }
    showing_init(&s, c);
    if ((st = edn_cli_filter_of(c, &s.filter)) == EDN_OK) {
        edn_fetch_result fetched;
        if (fetch_index(c, &fetched) != EDN_OK) /* a new device goes on fetching; without a network it does without */
            c->err = (edn_err){EDN_OK, ""};
        s.options.filter = &s.filter.filter;
        s.filter.filter.newest_first = edn_cli_has(&c->args, EDN_OPT_BY_DATE);
        s.options.stem = edn_cli_option_or_env(c, EDN_OPT_STEM);
        if (c->out.tty && s.filter.filter.limit == 0)
            s.filter.filter.limit = TERMINAL_HITS;
        if (typing)
            st = edn_cli_search_typing(c, &query, &s.options);
        else
            st = edn_client_search(c->client, edn_buf_view(&query), &s.options, count ? NULL : put_hit, &s, &r,
                                   &c->err);
    }
    edn_cli_progress_end(&s.progress);
    if (st == EDN_OK && !typing) {
        edn_cli_note_closed(c);
        if (count)
            st = put_count(c, r.found);
        else if (r.found == 0)
            st = edn_fail(&c->err, EDN_E_MISSING, "nothing was found");
        else
            say_how_many(c, &s, &r);
        say_how_far(c, &r);
    }
    edn_buf_dispose(&query);
    return st;
}

edn_status edn_cli_similar(edn_cli *c)
{
    edn_entry_id id;
    showing s;
    edn_status st;

    if ((st = edn_cli_need(c)) != EDN_OK || (st = edn_cli_find(c, c->args.words[0], &id, NULL)) != EDN_OK)
        return st;
    showing_init(&s, c);
    if ((st = edn_cli_filter_of(c, &s.filter)) == EDN_OK)
        st = edn_client_similar(c->client, &id, s.filter.filter.limit, &s.options, put_hit, &s, &c->err);
    edn_cli_progress_end(&s.progress);
    return st == EDN_OK && s.shown == 0 ? edn_fail(&c->err, EDN_E_MISSING, "no other entry is like it") : st;
}

/* ---- the same day of other years --------------------------------------------------------------------------------- */

typedef struct this_day {
    edn_cli_rows *rows;
    const char *day; /* MM-DD */
    size_t n;
} this_day;

static edn_status collect_same_day(void *ctx, const edn_entry *e)
{
    this_day *d = ctx;

    if (e->date.n != 10 || memcmp(e->date.p + 5, d->day, 5) != 0)
        return EDN_OK;
    d->n++;
    return edn_cli_rows_add(d->rows, e);
}

edn_status edn_cli_onthisday(edn_cli *c)
{
    const char *word = c->args.words_n ? c->args.words[0] : "today";
    edn_filter f = {.newest_first = true};
    edn_journal_id journal;
    char date[11];
    this_day d = {.day = date + 5};
    edn_status st;

    if (!edn_cli_date_read(word, edn_cli_now_ms(), EDN_DAY_ONLY, date))
        return edn_cli_usage(c, "'%s' is not a day: YYYY-MM-DD, today or yesterday", word);
    if (!(d.rows = edn_cli_rows_new()))
        return edn_fail(&c->err, EDN_E_NOMEM, "out of memory");
    if ((st = edn_cli_need(c)) == EDN_OK &&
        (st = edn_cli_journal(c, EDN_OPT_IN_JOURNAL, &journal, &f.journal)) == EDN_OK &&
        (st = edn_client_list(c->client, &f, collect_same_day, &d, &c->err)) == EDN_OK)
        st = edn_cli_rows_print(d.rows, c, false);
    edn_cli_rows_free(d.rows);
    return st == EDN_OK && d.n == 0 ? edn_fail(&c->err, EDN_E_MISSING, "nothing was written on that day of any year")
                                    : st;
}

/* ---- counts ------------------------------------------------------------------------------------------------------ */

typedef struct counting {
    edn_cli *c;
    bool query; /* words are not counted then */
    bool tags_begun;
    uint64_t entries, words, most; /* most: entries of the fullest month */
} counting;

static edn_status put_month(void *ctx, const edn_month_count *m)
{
    counting *k = ctx;
    edn_cli *c = k->c;
    char number[EDN_CLI_NUMBER_MAX];

    k->entries += m->entries;
    k->words += m->words;
    if (c->json) {
        edn_json_open(&c->buf, NULL, '{');
        edn_json_string(&c->buf, "month", edn_bytes_str(m->month));
        edn_json_number(&c->buf, "entries", m->entries);
        if (!k->query)
            edn_json_number(&c->buf, "words", m->words);
        edn_json_close(&c->buf, '}');
        edn_put_u8(&c->buf, '\n');
    } else if (c->out.tty) {
        edn_cli_putf(&c->buf, "%s %8s", m->month, edn_cli_number(number, m->entries));
        if (!k->query)
            edn_cli_putf(&c->buf, " %12s words", edn_cli_number(number, m->words));
        edn_put_u8(&c->buf, '\n');
    } else {
        edn_cli_putf(&c->buf, "%s\t%llu\t%llu\n", m->month, (unsigned long long)m->entries,
                     (unsigned long long)m->words);
    }
    return edn_cli_out(c);
}

static edn_status put_tag(void *ctx, edn_bytes tag, uint64_t entries)
{
    counting *k = ctx;
    edn_cli *c = k->c;
    char number[EDN_CLI_NUMBER_MAX];

    if (c->json) {
        edn_json_open(&c->buf, NULL, '{');
        edn_json_string(&c->buf, "tag", tag);
        edn_json_number(&c->buf, "entries", entries);
        edn_json_close(&c->buf, '}');
        edn_put_u8(&c->buf, '\n');
        return edn_cli_out(c);
    }
    if (c->out.tty && !k->tags_begun)
        edn_put_u8(&c->buf, '\n');
    k->tags_begun = true;
    if (c->out.tty)
        edn_cli_putf(&c->buf, "%16s  #", edn_cli_number(number, entries));
    else
        edn_put_str(&c->buf, "#");
    edn_cli_put_text(&c->buf, &c->out, tag, true);
    if (!c->out.tty)
        edn_cli_putf(&c->buf, "\t%llu", (unsigned long long)entries);
    edn_put_u8(&c->buf, '\n');
    return edn_cli_out(c);
}

edn_status edn_cli_stats(edn_cli *c)
{
    edn_buf query = EDN_BUF_INIT(65536);
    counting k = {.c = c, .query = c->args.words_n > 0};
    char entries[64], words[64];
    edn_bytes text;
    showing s;
    edn_status st;

    if ((st = join_query(c, &query)) == EDN_OK && (st = edn_cli_need(c)) == EDN_OK) {
        text = edn_buf_view(&query);
        showing_init(&s, c);
        st = edn_client_stats(c->client, k.query ? &text : NULL, &s.options, put_month, k.query ? NULL : put_tag, &k,
                              &c->err);
        edn_cli_progress_end(&s.progress);
    }
    edn_buf_dispose(&query);
    if (st == EDN_OK && k.entries == 0)
        return edn_fail(&c->err, EDN_E_MISSING, k.query ? "nothing was found" : "nothing is written yet");
    if (st == EDN_OK && !c->json)
        edn_cli_note(c, k.query ? "%s." : "%s, %s.", edn_cli_count(entries, k.entries, "entry", "entries"),
                     edn_cli_count(words, k.words, "word", "words"));
    return st;
}

edn_status edn_cli_reindex(edn_cli *c)
{
    showing s;
    edn_status st = edn_cli_need(c);

    if (st != EDN_OK)
        return st;
    showing_init(&s, c);
    st = edn_client_reindex(c->client, &s.progress.progress, &c->err);
    edn_cli_progress_end(&s.progress);
    if (st == EDN_OK)
        edn_cli_note(c, "The search index was made anew.");
    return st;
}
