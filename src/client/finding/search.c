/* Search: a query becomes a tree, the tree is narrowed by the filter, the index names the entries, and each of those is
 * opened for the part of its text that shows why. The segments of all stores are one index: what a word weighs, and
 * whether anybody wrote it, does not depend on which store an entry lies in. */
#include "client/finding/arriving.h"
#include "client/sharing/family.h"
#include "client/finding/index.h"
#include "client/sharing/space.h"
#include "client/finding/stemmer.h"

#include <stdio.h>
#include <stdlib.h>

#include "search/snippet.h"

#define SNIPPET_SIZE 160u
#define QUERY_ARENA_SIZE_MAX ((size_t)4 << 20)
#define KIN_MAX 64u      /* other forms of one word, in one language */
#define GUESSES_MAX 3u   /* for one word */
#define MENDINGS_MAX 16u /* damaged shards that one search puts up with, of its own; of what is arriving all */

typedef struct searching {
    edn_client *c;
    stores stores;
    size_t *ends;       /* of each store: the part behind its last */
    edn_client *blamed; /* whose index gave what is damaged; NULL: nobody knows */
    const edn_search_options *options;
    edn_arena a;
    edn_query *query;
    stemmer stemmer;
    edn_index *index;
    edn_index_hit *hits;
    size_t hits_n;
    edn_hit_fn *fn;
    void *ctx;
    const edn_index_hit *hit; /* the one that is being shown */
    size_t local_n;           /* parts before those of the person's own diary that are arriving */
    edn_search_result *out;
    edn_err *err;
} searching;

/* ---- the tree ---------------------------------------------------------------------------------------------------- */

static edn_query *make(searching *s, edn_query_kind kind)
{
    edn_query *q = edn_arena_calloc(&s->a, 1, sizeof *q);

    if (q)
        q->kind = kind;
    return q;
}

static edn_query *make_term(searching *s, uint8_t kind, edn_bytes term)
{
    edn_query *q = make(s, EDN_QUERY_TERM);
    uint8_t *p = edn_arena_alloc(&s->a, term.n + 1);

    if (!q || !p)
        return NULL;
    p[0] = kind;
    if (term.n)
        memcpy(p + 1, term.p, term.n);
    q->term = edn_bytes_of(kind ? p : p + 1, kind ? term.n + 1 : term.n);
    q->accents = EDN_ACCENTS_ANY;
    return q;
}

/* `q`, and this too. */
static edn_status narrow(searching *s, edn_query *by)
{
    edn_query *and = by ? make(s, EDN_QUERY_AND) : NULL;

    if (!and)
        return EDN_E_NOMEM;
    by->next = s->query;
    and->child = by;
    s->query = and;
    return EDN_OK;
}

static edn_status narrow_by_filter(searching *s, const edn_filter *f)
{
    uint8_t tag[EDN_TERM_SIZE_MAX];
    edn_status st = EDN_OK;

    if (!f)
        return EDN_OK;
    if (f->from.n || f->to.n) {
        edn_query *q = make(s, EDN_QUERY_DATE);
        if (q) {
            q->from = f->from.n ? index_date(f->from) : 0;
            q->to = f->to.n ? index_date(f->to) : 0;
        }
        st = narrow(s, q);
    }
    if (st == EDN_OK && f->tag.n)
        st = narrow(s, make_term(s, EDN_TERM_TAG, edn_bytes_of(tag, edn_term_fold(f->tag, tag, sizeof tag))));
    if (st == EDN_OK && f->journal)
        st = narrow(s, make_term(s, EDN_TERM_JOURNAL, EDN_F(*f->journal)));
    return st;
}

static edn_status parse(searching *s, edn_bytes text)
{
    const edn_filter *f = s->options ? s->options->filter : NULL;
    edn_query_error e;
    edn_status st = filter_check(f, s->err);

    if (st != EDN_OK)
        return st;
    st = edn_query_parse(&s->a, text, s->options && s->options->typing ? EDN_QUERY_TYPING : 0, &s->query, &e);
    if (st == EDN_E_NOMEM)
        return edn_fail(s->err, st, "out of memory");
    if (st != EDN_OK)
        return edn_fail(s->err, st, "the query is not good at character %zu: %s",
                        edn_utf8_count(edn_bytes_of(text.p, EDN_MIN(e.at, edn_utf8_check(text, NULL)))) + 1, e.text);
    st = narrow_by_filter(s, f);
    return st == EDN_OK ? EDN_OK : edn_fail(s->err, st, "out of memory");
}

/* ---- journals by name -------------------------------------------------------------------------------------------- */

typedef struct naming {
    searching *s;
    edn_bytes wanted;
    edn_query *first; /* what was found, as a list */
    bool exact;
} naming;

static edn_status try_journal(void *ctx, edn_client *c, const edn_journal_id *id, edn_bytes name)
{
    naming *n = ctx;
    uint8_t folded[EDN_TERM_SIZE_MAX];
    edn_bytes f = {folded, edn_term_fold(name, folded, sizeof folded)};
    edn_query *q;

    if (n->exact ? !edn_bytes_equal(f, n->wanted) : f.n < n->wanted.n || memcmp(f.p, n->wanted.p, n->wanted.n) != 0)
        return EDN_OK;
    if (!c)
        return n->exact ? family_closed(n->s->err) : EDN_OK;
    if (!(q = make_term(n->s, EDN_TERM_JOURNAL, EDN_F(*id))))
        return EDN_E_NOMEM;
    q->next = n->first;
    n->first = q;
    return EDN_OK;
}

/* Those that a manifest names and that are not here yet. */
static edn_status try_arriving(naming *n)
{
    const arriving *x = n->s->c->index->arriving;
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && x && i < x->manifest.journals_n; i++)
        st = try_journal(n, n->s->c, &x->manifest.journals[i].id, x->manifest.journals[i].name);
    return st;
}

static edn_status name_journal(searching *s, edn_query *q)
{
    bool typing = s->options && s->options->typing;
    naming n = {.s = s, .wanted = q->term, .exact = !typing};
    edn_query *next = q->next;
    edn_status st = family_journals(s->c, try_journal, &n, s->err);

    if (st == EDN_OK)
        st = try_arriving(&n);
    if (st != EDN_OK)
        return st;
    if (!n.first && !typing)
        return edn_fail(s->err, EDN_E_MISSING, "there is no journal \"%.*s\"; 'edn journal list' names them",
                        (int)q->term.n, (const char *)q->term.p);
    if (!n.first)
        n.first = make_term(s, EDN_TERM_JOURNAL, EDN_BYTES_EMPTY); /* in none */
    if (!n.first)
        return EDN_E_NOMEM;
    if (n.first->next) {
        q->kind = EDN_QUERY_OR;
        q->child = n.first;
    } else {
        *q = *n.first;
    }
    q->next = next;
    return EDN_OK;
}

static edn_status name_journals(searching *s, edn_query *q)
{
    edn_status st = q->kind == EDN_QUERY_JOURNAL ? name_journal(s, q) : EDN_OK;

    for (edn_query *c = q->child; st == EDN_OK && c; c = c->next)
        st = name_journals(s, c);
    return st;
}

/* ---- words that nobody wrote ------------------------------------------------------------------------------------- */

static void note_guess(searching *s, const edn_query *q, const edn_index_guess *g)
{
    char *p = s->out->instead;
    size_t n = strlen(p), room = sizeof s->out->instead - n;

    if (room > q->term.n + g->size + 8u)
        snprintf(p + n, room, "%s%.*s for %.*s", n ? ", " : "", (int)g->size, (const char *)g->term, (int)q->term.n,
                 (const char *)q->term.p);
}

/* A word that is in no entry becomes those that it may have been meant for. */
static edn_status guess_words(searching *s, edn_query *q, bool *guessed)
{
    edn_index_guess g[GUESSES_MAX];
    size_t n = 0;
    uint64_t found = 0;
    edn_status st = EDN_OK;

    for (edn_query *c = q->child; st == EDN_OK && c; c = c->next)
        if (q->kind != EDN_QUERY_NOT)
            st = guess_words(s, c, guessed);
    if (st != EDN_OK || q->kind != EDN_QUERY_TERM || q->term.p[0] < 0x20 || edn_index_edits(q->term) == 0)
        return st;
    st = edn_index_count(s->index, q, &found);
    if (st == EDN_OK && found == 0)
        st = edn_index_guess_terms(s->index, q->term, edn_index_edits(q->term), GUESSES_MAX, g, &n);
    if (st != EDN_OK || n == 0)
        return st;
    note_guess(s, q, &g[0]);
    *guessed = true;
    edn_query *first = NULL;
    for (size_t i = n; i--;) {
        edn_query *t = make_term(s, 0, edn_bytes_of(g[i].term, g[i].size));
        if (!t)
            return EDN_E_NOMEM;
        t->next = first;
        first = t;
    }
    if (n == 1) {
        q->term = first->term;
        q->accents = first->accents;
    } else {
        q->kind = EDN_QUERY_OR;
        q->child = first;
    }
    return EDN_OK;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

/* One that the diary tells of, and that has no store here yet. */
static edn_status count_lacking(void *ctx, const space_info *x)
{
    searching *s = ctx;
    edn_err ignored;
    edn_client *k;

    if (x->role != 0 && !x->closed)
        s->out->shared_lacking += family_find(s->c, &x->account, &k, &ignored) == EDN_E_MISSING;
    return EDN_OK;
}

static edn_status open_stores(searching *s, size_t *parts_max)
{
    edn_status st = EDN_OK;

    *parts_max = 1;
    s->out->lacking = false;
    s->out->shared_lacking = 0;
    for (size_t i = 0; st == EDN_OK && i < s->stores.n; i++) {
        edn_client *c = s->blamed = s->stores.p[i];
        bool come = true;
        if ((st = index_load(c)) == EDN_OK && (st = index_open_all(c)) == EDN_OK &&
            (st = store_has_come(c, &come)) == EDN_OK)
            *parts_max += c->index->shards_n + 1;
        s->out->lacking |= !come && !client_is_shared(c);
        s->out->shared_lacking += !come && client_is_shared(c);
    }
    if (st != EDN_OK)
        return st;
    s->blamed = s->c;
    if ((st = spaces_each(s->c, count_lacking, s)) != EDN_OK)
        return st;
    if ((st = arriving_load(s->c)) != EDN_OK || !s->c->index->arriving)
        return st == EDN_OK && s->c->index->arriving_bad ? EDN_E_DAMAGED : st;
    if ((st = arriving_open(s->c)) == EDN_OK)
        *parts_max += s->c->index->arriving->manifest.items_n;
    return st;
}

/* What is on its way comes last. */
static size_t add_arriving(searching *s, edn_segment_part *parts, size_t n)
{
    const arriving *x = s->c->index->arriving;

    s->local_n = n;
    s->out->known = x ? x->known : 0;
    s->out->here = x ? x->here : 0;
    s->out->parts = s->out->parts_here = 0;
    for (size_t i = 0; x && i < x->manifest.items_n; i++) {
        if (x->shards[i].segment)
            parts[n++] = (edn_segment_part){x->shards[i].segment, x->shards[i].dead};
        s->out->parts++;
        s->out->parts_here += x->shards[i].state == ARRIVING_HERE;
    }
    return n;
}

static edn_status open_index(searching *s)
{
    edn_segment_part *parts;
    size_t n = 0, max;
    edn_status st = open_stores(s, &max);

    if (st != EDN_OK)
        return st;
    s->blamed = NULL;
    parts = calloc(max, sizeof *parts);
    s->ends = calloc(s->stores.n, sizeof *s->ends);
    for (size_t k = 0; parts && s->ends && k < s->stores.n; k++) {
        const index_cache *x = s->stores.p[k]->index;
        for (size_t i = 0; i < x->shards_n; i++)
            parts[n++] = (edn_segment_part){x->shards[i].segment, x->shards[i].dead};
        if (x->fresh.segment)
            parts[n++] = (edn_segment_part){x->fresh.segment, NULL};
        s->ends[k] = n;
    }
    if (parts)
        n = add_arriving(s, parts, n);
    st = parts && s->ends ? edn_index_new(parts, n, NULL, NULL, &s->index) : EDN_E_NOMEM;
    free(parts);
    return st;
}

/* The store in which a hit was found. */
static edn_client *store_of(const searching *s, uint32_t part)
{
    size_t i = 0;

    while (i + 1 < s->stores.n && part >= s->ends[i])
        i++;
    return s->stores.p[i];
}

static void close_index(searching *s)
{
    for (size_t i = 0; !s->blamed && i < s->stores.n; i++)
        if (s->stores.p[i]->index->bad)
            s->blamed = s->stores.p[i];
    edn_index_free(s->index);
    free(s->ends);
    s->index = NULL;
    s->ends = NULL;
}

static edn_status gather(searching *s)
{
    const edn_filter *f = s->options ? s->options->filter : NULL;
    edn_index_order order = f && f->newest_first ? EDN_INDEX_BY_DATE : EDN_INDEX_BY_RANK;
    size_t max;
    edn_status st = edn_index_count(s->index, s->query, &s->out->found);

    if (st != EDN_OK || !s->fn || s->out->found == 0)
        return st;
    max = (size_t)EDN_MIN(s->out->found, (uint64_t)EDN_INDEX_HITS_MAX);
    if (f && f->limit)
        max = EDN_MIN(max, f->limit);
    free(s->hits);
    s->hits = calloc(max, sizeof *s->hits);
    if (!s->hits)
        return EDN_E_NOMEM;
    return edn_index_search(s->index, s->query, order, max, s->hits, &s->hits_n);
}

/* ---- other forms of words ---------------------------------------------------------------------------------------- */

static edn_status widen(searching *s, const edn_query *q, bool *wider, edn_query **out);

/* A word, or any other form of it. */
static edn_status widen_word(searching *s, edn_query *q, bool *wider)
{
    edn_query *first = make_term(s, 0, q->term);
    edn_bytes kin[KIN_MAX];
    edn_status st = first ? EDN_OK : EDN_E_NOMEM;

    if (first) {
        first->accents = q->accents;
        first->letter = q->letter;
    }
    for (size_t i = 0; st == EDN_OK && i < s->stemmer.n; i++) {
        size_t n;
        st = edn_index_kin(s->index, &s->a, q->term, stemmer_stem, s->stemmer.of[i], KIN_MAX, kin, &n);
        for (size_t k = 0; st == EDN_OK && k < n; k++) {
            edn_query *t = make_term(s, 0, kin[k]);
            if (!t)
                return EDN_E_NOMEM;
            t->next = first->next;
            first->next = t;
        }
    }
    if (st == EDN_OK && first->next) {
        q->kind = EDN_QUERY_OR;
        q->child = first;
        *wider = true;
    }
    return st;
}

static edn_status widen_kids(searching *s, edn_query *q, bool *wider)
{
    edn_query **to = &q->child;
    edn_status st = EDN_OK;

    for (const edn_query *kid = q->child; st == EDN_OK && kid; kid = kid->next) {
        if ((st = widen(s, kid, wider, to)) == EDN_OK)
            to = &(*to)->next;
    }
    return st;
}

/* The same query, with other forms of its words. What is behind NOT stays as it is, and so does what is in quotes. */
static edn_status widen(searching *s, const edn_query *q, bool *wider, edn_query **out)
{
    edn_query *copy = make(s, q->kind);

    if (!copy)
        return EDN_E_NOMEM;
    *copy = *q;
    copy->next = NULL;
    *out = copy;
    if (q->kind == EDN_QUERY_TERM && (q->term.p[0] >= 0x20 || q->term.p[0] == EDN_TERM_TITLE))
        return widen_word(s, copy, wider);
    return q->kind == EDN_QUERY_AND || q->kind == EDN_QUERY_OR ? widen_kids(s, copy, wider) : EDN_OK;
}

/* What has another form of a word, but not the words as they are: it stands behind all that has them. */
static edn_status gather_rest(searching *s, edn_query *wide)
{
    const edn_filter *f = s->options->filter;
    edn_query *rest = make(s, EDN_QUERY_AND), *without = make(s, EDN_QUERY_NOT);
    size_t max = (size_t)EDN_MIN(s->out->found, (uint64_t)EDN_INDEX_HITS_MAX), more = 0;
    edn_index_hit *hits;
    edn_status st;

    if (f && f->limit)
        max = EDN_MIN(max, f->limit);
    if (s->hits_n >= max)
        return EDN_OK;
    hits = realloc(s->hits, max * sizeof *hits);
    if (hits)
        s->hits = hits;
    if (!rest || !without || !hits)
        return EDN_E_NOMEM;
    without->child = s->query;
    rest->child = wide;
    wide->next = without;
    st = edn_index_search(s->index, rest, EDN_INDEX_BY_RANK, max - s->hits_n, s->hits + s->hits_n, &more);
    s->hits_n += more;
    wide->next = NULL;
    if (st == EDN_OK)
        s->query = wide; /* whose words are to be marked */
    return st;
}

/* After gather: what other forms of the words find too. */
static edn_status gather_kin(searching *s)
{
    uint64_t exact = s->out->found;
    bool wider = false;
    edn_query *wide;
    edn_status st = widen(s, s->query, &wider, &wide);

    if (st != EDN_OK || !wider || (st = edn_index_count(s->index, wide, &s->out->found)) != EDN_OK)
        return st;
    if (s->out->found == exact || !s->fn)
        return EDN_OK;
    if (s->options->filter && s->options->filter->newest_first) {
        s->query = wide;
        return gather(s);
    }
    return gather_rest(s, wide);
}

/* ---- showing ----------------------------------------------------------------------------------------------------- */

static edn_status show_hit(void *ctx, const edn_entry *e)
{
    searching *s = ctx;
    edn_snippet snippet;
    edn_hit_mark marks[EDN_SNIPPET_HITS_MAX];
    edn_hit hit = {.entry = e, .score = s->hit->score, .marks = marks};

    edn_snippet_find(e->text, s->query, SNIPPET_SIZE, &snippet);
    hit.snippet = e->text.n ? edn_bytes_of(e->text.p + snippet.from, snippet.to - snippet.from) : EDN_BYTES_EMPTY;
    for (; hit.marks_n < snippet.hits_n; hit.marks_n++)
        marks[hit.marks_n] = (edn_hit_mark){snippet.hits[hit.marks_n].at - snippet.from,
                                            snippet.hits[hit.marks_n].size};
    return s->fn(s->ctx, &hit);
}

/* The segment of a part that is arriving. */
static edn_segment *arriving_segment(searching *s, uint32_t part)
{
    const arriving *x = s->c->index->arriving;
    size_t at = s->local_n;

    for (size_t i = 0; x && i < x->manifest.items_n; i++)
        if (x->shards[i].segment && at++ == part)
            return x->shards[i].segment;
    return NULL;
}

/* All that a shard knows of an entry. */
static edn_status show_arriving(searching *s)
{
    char date[DATE_SIZE + 1] = "";
    uint32_t d = s->hit->date;
    edn_entry e = {.id = s->hit->entry};
    edn_hit hit = {.entry = &e, .score = s->hit->score, .arriving = true};
    edn_segment_doc doc;
    edn_status st = edn_segment_doc_at(arriving_segment(s, s->hit->part), s->hit->doc, &doc);

    if (st != EDN_OK)
        return st;
    hit.words = doc.length;
    if (d)
        snprintf(date, sizeof date, "%04u-%02u-%02u", d / 10000 % 10000, d / 100 % 100, d % 100);
    e.date = edn_bytes_str(date);
    return s->fn(s->ctx, &hit);
}

static edn_status show_hits(searching *s)
{
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < s->hits_n; i++) {
        s->hit = &s->hits[i];
        st = s->hit->part >= s->local_n ? show_arriving(s)
                                        : entry_show(store_of(s, s->hit->part), &s->hit->entry, show_hit, s);
        if (st == EDN_E_DAMAGED || st == EDN_E_MISSING)
            st = EDN_OK; /* `verify` names it; the others are still to be found */
    }
    return st;
}

static bool is_damage(edn_status st) { return st == EDN_E_DAMAGED || st == EDN_E_FORMAT; }

/* `text` stays empty when nothing that is arriving was to blame. */
static edn_status mend_arriving(edn_client *c, char text[160], edn_err *err)
{
    edn_status st;

    text[0] = 0;
    if (!c->index->arriving_bad)
        return EDN_OK;
    if ((st = client_begin_write(c, err)) != EDN_OK)
        return st;
    return client_end_write(c, arriving_mend(c, text), err);
}

/* Makes anew what is damaged: the index of the store that is to blame; of the person's own if that is not known. */
static edn_status mend(searching *s, edn_status st, unsigned *mended)
{
    const edn_search_options *o = s->options;
    edn_finding f = {.status = EDN_E_DAMAGED, .time_ms = client_now(s->c)};
    char text[160];

    if (!is_damage(st) || ++*mended > MENDINGS_MAX + (s->c->index->arriving_bad ? MANIFEST_ITEMS_MAX : 0))
        return st == EDN_OK ? EDN_E_DAMAGED : st;
    if ((st = mend_arriving(s->c, text, s->err)) == EDN_OK && !text[0])
        st = index_mend(s->blamed ? s->blamed : s->c, text, s->err);
    if (st != EDN_OK)
        return st;
    snprintf(f.text, sizeof f.text, "%s; no entry is concerned", text);
    if (o && o->on_finding)
        o->on_finding(o->ctx, &f);
    return EDN_OK;
}

/* What is newer ranks a little higher. */
static edn_status weigh_by_date(searching *s)
{
    char today[DATE_SIZE + 1];

    date_of_ms(client_now(s->c), today);
    return edn_index_recency(s->index, index_date(edn_bytes_str(today)));
}

/* Whether a child cannot be read at all: it is left out then, and `verify` names it. */
static bool is_broken(edn_client *k)
{
    edn_err ignored;
    edn_status st = client_begin_read(k, &ignored);

    return (st == EDN_OK ? client_end_read(k, st, &ignored) : st) == EDN_E_DAMAGED;
}

/* Every store's index, brought up to date. */
static edn_status prepare(searching *s)
{
    const edn_progress *progress = s->options ? s->options->progress : NULL;
    edn_client *k = s->c;
    edn_status st = EDN_OK;

    for (size_t at = 0; st == EDN_OK && k;) {
        k->index->bad = 0;
        s->blamed = k;
        st = index_prepare(k, progress, s->err);
        if (st == EDN_E_DAMAGED && client_is_shared(k) && is_broken(k))
            st = EDN_OK;
        if (st == EDN_OK)
            st = family_next(s->c, &at, &k, s->err);
    }
    return st;
}

/* Brings the indexes up to date and runs `fn` over them in transactions, again after what is damaged was made anew.
 * What `fn` gives out it gives in `show`, which is not run again. */
static edn_status with_index(searching *s, edn_status (*fn)(searching *), edn_status (*show)(searching *))
{
    unsigned mended = 0;
    edn_status st;

    for (;;) {
        bool found = false;
        st = prepare(s);
        if (st == EDN_OK && (st = stores_begin(s->c, NULL, &s->stores, s->err)) == EDN_OK) {
            s->out->found = 0;
            s->out->instead[0] = 0;
            s->hits_n = 0;
            if ((st = open_index(s)) == EDN_OK && (st = weigh_by_date(s)) == EDN_OK)
                st = fn(s);
            found = st == EDN_OK;
            if (found)
                st = show(s);
            close_index(s);
            st = stores_end(&s->stores, st, is_damage(st) && !found ? NULL : s->err);
        }
        if (found || !is_damage(st) || (st = mend(s, st, &mended)) != EDN_OK)
            return st;
    }
}

static edn_status find_hits(searching *s)
{
    bool guessed = false;
    edn_status st = name_journals(s, s->query);

    if (st == EDN_OK)
        st = gather(s);
    if (st == EDN_OK && s->stemmer.n)
        st = gather_kin(s);
    /* A word that is nowhere may stand in a part that is not here. */
    if (st == EDN_OK && s->out->found == 0 && s->out->parts_here == s->out->parts)
        st = guess_words(s, s->query, &guessed);
    if (st == EDN_OK && guessed)
        st = gather(s);
    s->out->inexact = st == EDN_OK && !edn_index_exact(s->index);
    return st;
}

edn_status edn_client_search(edn_client *c, edn_bytes query, const edn_search_options *options, edn_hit_fn *fn,
                             void *ctx, edn_search_result *out, edn_err *err)
{
    edn_search_result none;
    searching s = {.c = c,
                   .options = options,
                   .a = edn_arena_init(QUERY_ARENA_SIZE_MAX),
                   .fn = fn,
                   .ctx = ctx,
                   .out = out ? out : &none,
                   .err = err};
    edn_status st;

    memset(s.out, 0, sizeof *s.out);
    if (err)
        *err = (edn_err){EDN_OK, ""};
    st = stemmer_init(&s.stemmer, options && options->stem ? options->stem : "", err);
    if (st == EDN_OK)
        st = parse(&s, query);
    if (st == EDN_OK)
        st = with_index(&s, find_hits, show_hits);
    stemmer_dispose(&s.stemmer);
    free(s.hits);
    edn_arena_dispose(&s.a);
    return st;
}

/* ---- entries like one -------------------------------------------------------------------------------------------- */

typedef struct alike {
    searching s;
    edn_entry_id id;
    size_t limit;
} alike;

static edn_status find_alike_to(void *ctx, const edn_entry *e)
{
    alike *a = ctx;
    return edn_index_similar(a->s.index, e->text, &a->id, a->limit, a->s.hits, &a->s.hits_n);
}

static edn_status find_alike(searching *s)
{
    alike *a = (alike *)s; /* its first member */
    edn_client *home;
    edn_status st = family_of_entry(s->c, &a->id, &home, s->err);

    if (st == EDN_OK)
        st = entry_show(home, &a->id, find_alike_to, a);
    return st == EDN_E_MISSING ? edn_fail(s->err, st, "there is no such entry") : st;
}

edn_status edn_client_similar(edn_client *c, const edn_entry_id *id, size_t limit, const edn_search_options *options,
                              edn_hit_fn *fn, void *ctx, edn_err *err)
{
    edn_search_result out;
    edn_query all = {.kind = EDN_QUERY_ALL};
    alike a = {.s = {.c = c, .options = options, .query = &all, .fn = fn, .ctx = ctx, .out = &out, .err = err},
               .id = *id,
               .limit = EDN_MIN(limit ? limit : 10u, (size_t)EDN_INDEX_HITS_MAX)};
    edn_status st;

    a.s.hits = calloc(a.limit, sizeof *a.s.hits);
    if (!a.s.hits)
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    st = with_index(&a.s, find_alike, show_hits);
    free(a.s.hits);
    return st;
}

/* ---- counts ------------------------------------------------------------------------------------------------------ */

#define MONTHS (INDEX_YEARS * 13u) /* by year, then month; month 0: the year alone, or none */

typedef struct counting {
    searching s;
    bool all; /* no query */
    struct {
        uint64_t entries, words;
    } * months;
    edn_month_count_fn *month;
    edn_tag_count_fn *tag;
    edn_buf tags; /* n × LP(tag) ‖ u64 entries */
} counting;

static edn_status count_tag(void *ctx, edn_bytes term, uint32_t docs)
{
    counting *k = ctx;

    edn_put_lp(&k->tags, edn_bytes_of(term.p + 1, term.n - 1));
    edn_put_u64(&k->tags, docs);
    return edn_buf_status(&k->tags);
}

static size_t month_at(uint32_t year, uint32_t month) { return EDN_MIN(year * 13 + month, MONTHS - 1); }

static edn_status count_docs(counting *k, edn_segment *segment, const uint8_t *dead, uint32_t docs)
{
    edn_segment_doc d;
    edn_status st = EDN_OK;

    for (uint32_t i = 0; st == EDN_OK && i < docs; i++) {
        if (dead && (dead[i / 8] >> i % 8 & 1))
            continue;
        if ((st = edn_segment_doc_at(segment, i, &d)) == EDN_OK) {
            size_t at = month_at(d.date / 10000, d.date / 100 % 100);
            k->months[at].entries++;
            k->months[at].words += d.length;
        }
    }
    return st;
}

static edn_status count_hits(void *ctx, uint32_t month, uint32_t hits)
{
    counting *k = ctx;
    k->months[month_at(month / 100, month % 100)].entries += hits;
    return EDN_OK;
}

static edn_status count_store(counting *k, const index_cache *x)
{
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < x->shards_n; i++)
        st = count_docs(k, x->shards[i].segment, x->shards[i].dead, x->shards[i].docs);
    if (st == EDN_OK && x->fresh.segment)
        st = count_docs(k, x->fresh.segment, NULL, edn_segment_docs(x->fresh.segment));
    for (size_t i = 0; st == EDN_OK && x->arriving && i < x->arriving->manifest.items_n; i++)
        if (x->arriving->shards[i].segment)
            st = count_docs(k, x->arriving->shards[i].segment, x->arriving->shards[i].dead,
                            x->arriving->shards[i].item.docs);
    return st;
}

static edn_status count_all(searching *s)
{
    counting *k = (counting *)s; /* its first member */
    edn_status st = EDN_OK;

    memset(k->months, 0, MONTHS * sizeof *k->months);
    edn_buf_reset(&k->tags);
    if (!k->all) {
        st = name_journals(s, s->query);
        if (st == EDN_OK)
            st = edn_index_months(s->index, s->query, count_hits, k);
    }
    for (size_t i = 0; st == EDN_OK && k->all && i < s->stores.n; i++)
        st = count_store(k, s->stores.p[i]->index);
    if (st == EDN_OK && k->tag)
        st = edn_index_terms(s->index, edn_bytes_of((const uint8_t[]){EDN_TERM_TAG}, 1), count_tag, k);
    return st;
}

static edn_status show_counts(searching *s)
{
    counting *k = (counting *)s;
    edn_reader r = edn_reader_init(edn_buf_view(&k->tags));
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && k->month && i < MONTHS; i++) {
        edn_month_count m = {.entries = k->months[i].entries, .words = k->months[i].words};
        if (m.entries == 0)
            continue;
        snprintf(m.month, sizeof m.month, "%04u-%02u", (unsigned)(i / 13 % INDEX_YEARS), (unsigned)(i % 13));
        st = k->month(s->ctx, &m);
    }
    while (st == EDN_OK && edn_reader_left(&r) > 0) {
        edn_bytes tag = edn_read_lp(&r, EDN_TERM_SIZE_MAX, "tag");
        st = k->tag(s->ctx, tag, edn_read_u64(&r, "entries"));
    }
    return st;
}

edn_status edn_client_stats(edn_client *c, const edn_bytes *query, const edn_search_options *options,
                            edn_month_count_fn *month, edn_tag_count_fn *tag, void *ctx, edn_err *err)
{
    edn_search_result out;
    counting k = {.s = {.c = c,
                        .options = options,
                        .a = edn_arena_init(QUERY_ARENA_SIZE_MAX),
                        .ctx = ctx,
                        .out = &out,
                        .err = err},
                  .all = !query,
                  .month = month,
                  .tag = tag,
                  .tags = EDN_BUF_INIT((size_t)64 << 20)};
    edn_status st = query ? parse(&k.s, *query) : EDN_OK;

    if (st == EDN_OK && !(k.months = calloc(MONTHS, sizeof *k.months)))
        st = edn_fail(err, EDN_E_NOMEM, "out of memory");
    if (st == EDN_OK)
        st = with_index(&k.s, count_all, show_counts);
    free(k.months);
    edn_buf_wipe(&k.tags);
    edn_arena_dispose(&k.s.a);
    return st;
}
