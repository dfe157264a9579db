/* The index against a scan that knows nothing of segments: random diaries, cuts into segments, masks, merges,
 * queries. */
#include "../check.h"

#include "naive.h"
#include "search/index.h"
#include "segments.h"

/* ---- the naive diary --------------------------------------------------------------------------------------------- */

#define DOCS_MAX 700
#define SEGS_MAX 9

typedef struct entry {
    naive_entry is;
    char title[64], text[8192], tag[24];
} entry;

typedef struct diary {
    entry e[DOCS_MAX];
    const naive_entry *all[DOCS_MAX];
    size_t n;
    check_rng rng;
} diary;

static void word_make(check_rng *r, char out[16])
{
    /* Few common words, many rare ones, and beginnings that they share; some with one accent or another. */
    static const char *const as[] = {"a", "a", "á", "a\u0301", "À", "Ạ̈", "a\u0323\u0308", "A"};
    uint64_t x = check_below(r, 1000), i = x < 500   ? check_below(r, 6)
                                           : x < 850 ? check_below(r, 60)
                                                     : check_below(r, 3000);
    const char *a = as[i % 3 == 0 ? check_below(r, EDN_COUNT(as)) : 0];

    snprintf(out, 16, "%c%.*s%u", (char)('a' + i % 5), i / 5 % 3 ? 1 : 8, i / 5 % 3 ? i / 5 % 3 == 1 ? "b" : "c" : a,
             (unsigned)i);
}

/* The term of a word, in `out` behind what is there already. */
static uint32_t word_term(const char *word, char out[24])
{
    size_t n = strlen(out);
    edn_words w;
    edn_word got;

    edn_words_init(&w, edn_bytes_str(word));
    CHECK(edn_words_next(&w, &got));
    snprintf(out + n, 24 - n, "%.*s", (int)got.term.n, (const char *)got.term.p);
    return got.accents;
}

static void entry_make(diary *d, entry *e)
{
    check_rng *r = &d->rng;
    size_t words = check_below(r, 20) ? check_below(r, 60) : check_below(r, 900), n = 0;
    uint32_t next;
    char word[16];

    memset(e, 0, sizeof *e);
    for (size_t i = 0; i < sizeof e->is.doc.entry.b; i++)
        e->is.doc.entry.b[i] = (uint8_t)check_below(r, 256);
    e->is.doc.date = check_below(r, 30) ? (uint32_t)(20180101 + check_below(r, 4) * 10000 + check_below(r, 12) * 100 +
                                                     check_below(r, 28))
                                        : 0;
    for (size_t i = 0; i < words; i++) {
        word_make(r, word);
        n += (size_t)snprintf(e->text + n, sizeof e->text - n, "%s ", word);
    }
    word_make(r, word);
    snprintf(e->title, sizeof e->title, "%s title", word);
    snprintf(e->tag, sizeof e->tag, "tag%u", (unsigned)check_below(r, 4));
    next = naive_text(&e->is, edn_bytes_str(e->title), 0, true);
    next = naive_text(&e->is, edn_bytes_str(e->text), next, false);
    (void)naive_tag(&e->is, edn_bytes_str(e->tag), next);
}

static diary *diary_new(uint64_t seed, size_t n)
{
    diary *d = calloc(1, sizeof *d);

    assert_non_null(d);
    d->rng.s = seed;
    d->n = n;
    for (size_t i = 0; i < n; i++) {
        entry_make(d, &d->e[i]);
        d->all[i] = &d->e[i].is;
    }
    return d;
}

static void diary_free(diary *d)
{
    for (size_t i = 0; i < d->n; i++)
        free(d->e[i].is.tokens);
    free(d);
}

/* ---- the index over a diary -------------------------------------------------------------------------------------- */

typedef struct made {
    seg segs[SEGS_MAX];
    uint8_t dead[SEGS_MAX][DOCS_MAX / 8 + 1];
    edn_segment_part parts[SEGS_MAX];
    size_t n;
    edn_pages *pages;
    edn_index *x;
} made;

static void add_entry(edn_builder *b, const entry *e)
{
    edn_builder_doc(b, &e->is.doc);
    edn_builder_text(b, edn_bytes_str(e->title), true);
    edn_builder_text(b, edn_bytes_str(e->text), false);
    edn_builder_tag(b, edn_bytes_str(e->tag));
}

static void made_segment(made *m, edn_builder *b)
{
    seg *g = &m->segs[m->n];
    uint64_t size;

    *g = SEG_INIT;
    CHECK_OK(edn_builder_finish(b, seg_out, &g->bytes, &size));
    CHECK_INT(size, g->bytes.n);
    edn_builder_free(b);
    CHECK_OK(seg_open(g, m->pages));
    CHECK_OK(edn_segment_check(g->s));
    m->parts[m->n] = (edn_segment_part){g->s, m->dead[m->n]};
    m->n++;
}

/* Entries dealt out to segments in turn, so that their dates interleave. */
static void made_build(made *m, diary *d, size_t segments, unsigned flags)
{
    memset(m, 0, sizeof *m);
    CHECK_OK(edn_pages_new(16 * EDN_PAGE_SIZE, &m->pages));
    for (size_t k = 0; k < segments; k++) {
        edn_builder *b;
        CHECK_OK(edn_builder_new(flags, &b));
        for (size_t i = 0; i < d->n; i++)
            if (i % segments == k)
                add_entry(b, &d->e[i]);
        made_segment(m, b);
    }
}

/* The masks as the diary has them now. */
static void made_mask(made *m, const diary *d)
{
    memset(m->dead, 0, sizeof m->dead);
    for (size_t k = 0; k < m->n; k++)
        for (size_t i = 0; i < d->n; i++) {
            uint32_t doc;
            if (d->e[i].is.dead &&
                edn_segment_find(m->segs[k].s, &d->e[i].is.doc.entry, d->e[i].is.doc.date, &doc) == EDN_OK)
                m->dead[k][doc / 8] |= (uint8_t)(1u << doc % 8);
        }
    edn_index_free(m->x);
    CHECK_OK(edn_index_new(m->parts, m->n, NULL, NULL, &m->x));
}

/* Segments [from, to) become one, without what is dead. */
static void made_merge(made *m, size_t from, size_t to)
{
    seg whole = SEG_INIT;
    uint64_t size;

    CHECK_OK(edn_segment_merge(m->parts + from, to - from, 0, seg_out, &whole.bytes, &size));
    CHECK_INT(size, whole.bytes.n);
    edn_index_free(m->x);
    m->x = NULL;
    for (size_t k = from; k < to; k++)
        seg_dispose(&m->segs[k]);
    m->segs[from] = whole;
    for (size_t k = to; k < m->n; k++)
        m->segs[from + 1 + k - to] = m->segs[k];
    m->n -= to - from - 1;
    for (size_t k = 0; k < m->n; k++) { /* each is opened anew: it may have moved */
        edn_segment_free(m->segs[k].s);
        CHECK_OK(seg_open(&m->segs[k], m->pages));
        m->parts[k] = (edn_segment_part){m->segs[k].s, m->dead[k]};
    }
    CHECK_OK(edn_segment_check(m->segs[from].s));
}

static void made_dispose(made *m)
{
    edn_index_free(m->x);
    for (size_t k = 0; k < m->n; k++)
        seg_dispose(&m->segs[k]);
    edn_pages_free(m->pages);
}

/* ---- queries ----------------------------------------------------------------------------------------------------- */

static edn_query *query_leaf(check_rng *r, edn_arena *a)
{
    edn_query *q = edn_arena_calloc(a, 1, sizeof *q);
    char word[24] = "", typed[16], *text;
    uint64_t kind = check_below(r, 20);

    word_make(r, typed);
    if (kind == 17)
        word[0] = EDN_TERM_TITLE;
    q->accents = word_term(typed, word);
    if (check_below(r, 8) == 0)
        q->accents = EDN_ACCENTS_ANY;
    if (kind == 18)
        snprintf(word, sizeof word, "\x02tag%u", (unsigned)check_below(r, 5));
    q->kind = EDN_QUERY_TERM;
    if (kind == 19) {
        q->kind = EDN_QUERY_DATE;
        q->from = (uint32_t)(20180101 + check_below(r, 4) * 10000 + check_below(r, 12) * 100);
        q->to = check_below(r, 3) ? q->from + 100 * (uint32_t)check_below(r, 120) / 100 * 100 : 0;
        q->to = q->to && q->to / 100 % 100 <= 12 && q->to / 100 % 100 ? q->to : 0;
    } else if (kind == 16) {
        q->kind = EDN_QUERY_ALL;
    } else if (kind >= 13 && kind < 16) {
        q->kind = EDN_QUERY_PREFIX;
        word[1 + check_below(r, 3)] = 0;
    } else if (kind >= 9 && kind < 13) {
        edn_query_item *items = edn_arena_calloc(a, 3, sizeof *items);
        q->kind = EDN_QUERY_PHRASE;
        q->items_n = 2 + check_below(r, 8) / 7;
        for (size_t i = 0; i < q->items_n; i++) {
            char item[24] = "";
            word_make(r, typed);
            items[i].accents = word_term(typed, item);
            items[i].prefix = i + 1 == q->items_n && check_below(r, 3) == 0;
            if (items[i].prefix)
                item[2] = 0;
            items[i].offset = (uint32_t)i;
            items[i].term = edn_bytes_str(edn_arena_str(a, edn_bytes_str(item)));
        }
        q->items = items;
    }
    text = edn_arena_str(a, edn_bytes_str(word));
    q->term = edn_bytes_str(text);
    return q;
}

static edn_query *query_make(check_rng *r, edn_arena *a, unsigned depth)
{
    edn_query *q = edn_arena_calloc(a, 1, sizeof *q);
    uint64_t shape = check_below(r, depth ? 10 : 4);

    if (shape < 4)
        return query_leaf(r, a);
    q->kind = shape < 8 ? EDN_QUERY_AND : shape < 9 ? EDN_QUERY_OR : EDN_QUERY_NOT;
    for (size_t n = q->kind == EDN_QUERY_NOT ? 1 : 2 + check_below(r, 2); n; n--) {
        edn_query *kid = query_make(r, a, depth - 1);
        kid->next = q->child;
        q->child = kid;
    }
    return q;
}

static void say_query(const edn_query *q)
{
    static const char *const names[] = {"ALL", "AND", "OR", "NOT", "TERM", "PREFIX", "PHRASE", "JOURNAL", "DATE"};

    print_error("(%s %.*s/%x", names[q->kind], (int)q->term.n, (const char *)q->term.p, (unsigned)q->accents);
    for (size_t i = 0; i < q->items_n; i++)
        print_error(" %.*s/%x%s", (int)q->items[i].term.n, (const char *)q->items[i].term.p,
                    (unsigned)q->items[i].accents, q->items[i].prefix ? "*" : "");
    for (const edn_query *kid = q->child; kid; kid = kid->next)
        say_query(kid);
    print_error(")");
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

static edn_status month_add(void *ctx, uint32_t month, uint32_t hits)
{
    uint64_t *sum = ctx;

    CHECK(sum[1] == 0 || month > sum[2]);
    sum[0] += hits;
    sum[1]++;
    sum[2] = month;
    return EDN_OK;
}

static void same_answer(const diary *d, made *m, const edn_query *q, size_t max, uint32_t today)
{
    static naive_found want[DOCS_MAX];
    static edn_index_hit got[DOCS_MAX];

    CHECK_OK(edn_index_recency(m->x, today));
    for (int order = EDN_INDEX_BY_RANK; order <= EDN_INDEX_BY_DATE; order++) {
        size_t all = naive_search(d->all, d->n, q, order == EDN_INDEX_BY_RANK, today, want), n;
        uint64_t count, sum[3] = {0};
        bool same;
        CHECK_OK(edn_index_search(m->x, q, (edn_index_order)order, max, got, &n));
        CHECK_OK(edn_index_count(m->x, q, &count));
        CHECK_OK(edn_index_months(m->x, q, month_add, sum));
        CHECK(edn_index_exact(m->x));
        same = count == all && sum[0] == all && n == EDN_MIN(all, max);
        for (size_t i = 0; same && i < n; i++)
            same = got[i].score == want[i].score && got[i].date == want[i].e->doc.date &&
                   memcmp(got[i].entry.b, want[i].e->doc.entry.b, 16) == 0;
        if (!same) {
            say_query(q);
            print_error("\n%zu segments, %zu entries, seed %llu: %llu hits, not %zu\n", m->n, d->n,
                        (unsigned long long)check_seed(), (unsigned long long)count, all);
            for (size_t i = 0; i < n && i < 8; i++)
                print_error("  %.17g %u, not %.17g %u\n", got[i].score, got[i].date, want[i].score,
                            want[i].e->doc.date);
            fail();
        }
    }
}

static void ask(diary *d, made *m, size_t queries)
{
    for (size_t i = 0; i < queries; i++) {
        edn_arena a = edn_arena_init(1 << 20);
        uint32_t today = 20190615 + (uint32_t)check_below(&d->rng, 4) * 10000;
        same_answer(d, m, query_make(&d->rng, &a, 3), 1 + check_below(&d->rng, 25),
                    check_below(&d->rng, 3) ? today : 0);
        edn_arena_dispose(&a);
    }
}

static void kill_some(diary *d)
{
    for (size_t i = 0; i < d->n; i++)
        d->e[i].is.dead = d->e[i].is.dead || check_below(&d->rng, 9) == 0;
}

static void answers_as_a_scan_does_whatever_the_segments(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 8; round++) {
        size_t segments = 1 + round % 5;
        diary *d = diary_new(check_seed() * 1000 + round, round == 7 ? DOCS_MAX : 10 + round * 20);
        made m;
        made_build(&m, d, segments, 0);
        made_mask(&m, d);
        ask(d, &m, 30);
        kill_some(d);
        made_mask(&m, d);
        ask(d, &m, 30);
        made_merge(&m, 0, EDN_MIN(m.n, (size_t)2));
        made_mask(&m, d);
        ask(d, &m, 30);
        kill_some(d);
        made_mask(&m, d);
        made_merge(&m, 0, m.n);
        made_mask(&m, d);
        ask(d, &m, 30);
        made_dispose(&m);
        diary_free(d);
    }
}

/* ---- words of the index ------------------------------------------------------------------------------------------ */

typedef struct terms {
    const diary *d;
    char last[32];
    size_t n;
} terms;

static edn_status term_check(void *ctx, edn_bytes term, uint32_t docs)
{
    terms *t = ctx;
    uint32_t want = 0;

    for (size_t i = 0; i < t->d->n; i++)
        want += !t->d->e[i].is.dead && naive_times(t->d->all[i], term, false) != 0;
    CHECK_INT(docs, want);
    CHECK(t->n == 0 || strlen(t->last) != term.n || memcmp(t->last, term.p, term.n) != 0);
    memset(t->last, 0, sizeof t->last);
    memcpy(t->last, term.p, term.n);
    t->n++;
    return EDN_OK;
}

static void terms_of_all_segments_are_told_once_with_live_counts(void **state)
{
    (void)state;
    diary *d = diary_new(check_seed() + 77, 80);
    terms t = {.d = d};
    made m;

    made_build(&m, d, 4, 0);
    kill_some(d);
    made_mask(&m, d);
    CHECK_OK(edn_index_terms(m.x, edn_bytes_str("b"), term_check, &t));
    CHECK(t.n > 20);
    t.n = 0;
    CHECK_OK(edn_index_terms(m.x, edn_bytes_str("\x02"), term_check, &t));
    CHECK_INT(t.n, 4);
    made_dispose(&m);
    diary_free(d);
}

typedef struct near_words {
    const char *word;
    unsigned most;
    size_t n;
} near_words;

static edn_status near_count(void *ctx, edn_bytes term, uint32_t docs)
{
    near_words *w = ctx;

    (void)docs;
    w->n += term.p[0] >= 0x20 && naive_edits(edn_bytes_str(w->word), term) <= w->most;
    return EDN_OK;
}

static void guesses_are_all_the_terms_that_are_near(void **state)
{
    (void)state;
    diary *d = diary_new(check_seed() + 99, 200);
    static edn_index_guess got[4096];
    made m;

    made_build(&m, d, 3, 0);
    made_mask(&m, d);
    for (unsigned round = 0; round < 60; round++) {
        char word[24] = "", typed[16];
        size_t n, at;
        near_words want;
        word_make(&d->rng, typed);
        (void)word_term(typed, word);
        at = check_below(&d->rng, strlen(word));
        word[at] = (char)('a' + check_below(&d->rng, 6));
        want = (near_words){word, 1 + round % 2, 0};
        CHECK_OK(edn_index_guess_terms(m.x, edn_bytes_str(word), want.most, EDN_COUNT(got), got, &n));
        CHECK_OK(edn_index_terms(m.x, EDN_BYTES_EMPTY, near_count, &want));
        CHECK_INT(n, want.n);
        for (size_t i = 0; i < n; i++) {
            edn_bytes term = edn_bytes_of(got[i].term, got[i].size);
            CHECK_INT(got[i].edits, naive_edits(edn_bytes_str(word), term));
            CHECK(i == 0 ||
                  got[i - 1].edits + (got[i - 1].term[0] != word[0]) <= got[i].edits + (got[i].term[0] != word[0]));
        }
    }
    CHECK_INT(edn_index_edits(edn_bytes_str("äöü")), 0);
    CHECK_INT(edn_index_edits(edn_bytes_str("äöüß")), 1);
    CHECK_INT(edn_index_edits(edn_bytes_str("12345678")), 2);
    made_dispose(&m);
    diary_free(d);
}

static void similar_is_the_entry_that_shares_rare_words(void **state)
{
    (void)state;
    static const char *const texts[] = {"walked along the quay with gannets", "walked to the office",
                                        "gannets over the quay", "the office again", "walked home"};
    made m = {.n = 0};
    edn_builder *b;
    edn_index_hit hits[4];
    edn_segment_doc doc = {.date = 20240101};
    size_t n;

    CHECK_OK(edn_pages_new(0, &m.pages));
    CHECK_OK(edn_builder_new(0, &b));
    for (size_t i = 0; i < EDN_COUNT(texts); i++) {
        doc.entry.b[0] = (uint8_t)i;
        edn_builder_doc(b, &doc);
        edn_builder_text(b, edn_bytes_str(texts[i]), false);
    }
    made_segment(&m, b);
    CHECK_OK(edn_index_new(m.parts, 1, NULL, NULL, &m.x));
    doc.entry.b[0] = 0;
    CHECK_OK(edn_index_similar(m.x, edn_bytes_str(texts[0]), &doc.entry, 4, hits, &n));
    CHECK_INT(n, 4);
    CHECK_INT(hits[0].entry.b[0], 2);
    CHECK_OK(edn_index_similar(m.x, edn_bytes_str("?"), &doc.entry, 4, hits, &n));
    CHECK_INT(n, 0);
    made_dispose(&m);
}

/* Every string of one to three letters out of a text without spaces is found where it stands, and nowhere else. */
static void letters_without_spaces_are_found_alone_and_together(void **state)
{
    (void)state;
    static const char *const texts[] = {"今日雨，往大學講。晚雨。", "雨 今", "大雨往，學大講晚往大學",
                                        "晚往，雨大學。今日往", "日"};
    static const char *const letters[] = {"今", "日", "雨", "往", "大", "學", "講", "晚"};
    made m = {.n = 0};
    edn_builder *b;
    edn_segment_doc doc = {.date = 20240101};
    unsigned hits = 0;

    CHECK_OK(edn_pages_new(0, &m.pages));
    CHECK_OK(edn_builder_new(0, &b));
    for (size_t i = 0; i < EDN_COUNT(texts); i++) {
        doc.entry.b[0] = (uint8_t)i;
        edn_builder_doc(b, &doc);
        edn_builder_text(b, edn_bytes_str(texts[i]), false);
    }
    made_segment(&m, b);
    CHECK_OK(edn_index_new(m.parts, 1, NULL, NULL, &m.x));
    for (size_t i = 0; i < 8 + 64 + 512; i++) {
        edn_arena a = edn_arena_init(1 << 16);
        char needle[16], query[24];
        uint64_t n, want = 0;
        edn_query_error e;
        edn_query *q;
        snprintf(needle, sizeof needle, "%s%s%s", letters[i % 8], i < 8 ? "" : letters[(i - 8) / 8 % 8],
                 i < 72 ? "" : letters[(i - 72) / 64]);
        snprintf(query, sizeof query, "\"%s\"", needle);
        CHECK_OK(edn_query_parse(&a, edn_bytes_str(query), 0, &q, &e));
        CHECK_OK(edn_index_count(m.x, q, &n));
        for (size_t k = 0; k < EDN_COUNT(texts); k++)
            want += strstr(texts[k], needle) != NULL;
        if (n != want)
            print_error("%s\n", needle);
        CHECK_INT(n, want);
        hits += (unsigned)n;
        edn_arena_dispose(&a);
    }
    CHECK(hits > 30);
    made_dispose(&m);
}

/* が was not found where か follows, and か was. */
static void a_letter_with_marks_of_its_own_is_not_the_letter_without(void **state)
{
    (void)state;
    static const struct {
        const char *text, *query;
        uint64_t found;
    } asked[] = {{"がか", "が", 1}, {"がか", "か", 1}, {"がが", "か", 0}, {"ﾊﾞか", "ば OR バ", 1},
                 {"ที่ไหน", "ที่", 1},  {"ที่ไหน", "ท", 0},  {"น้ำ", "น้", 1},    {"がか", "title:か", 0}};

    for (size_t i = 0; i < EDN_COUNT(asked); i++) {
        made m = {.n = 0};
        edn_segment_doc doc = {.date = 20240101};
        edn_arena a = edn_arena_init(1 << 16);
        edn_builder *b;
        edn_query_error e;
        edn_query *q;
        uint64_t n;
        CHECK_OK(edn_pages_new(0, &m.pages));
        CHECK_OK(edn_builder_new(0, &b));
        edn_builder_doc(b, &doc);
        edn_builder_text(b, edn_bytes_str(asked[i].text), false);
        made_segment(&m, b);
        CHECK_OK(edn_index_new(m.parts, 1, NULL, NULL, &m.x));
        CHECK_OK(edn_query_parse(&a, edn_bytes_str(asked[i].query), 0, &q, &e));
        CHECK_OK(edn_index_count(m.x, q, &n));
        if (n != asked[i].found)
            print_error("%s in %s\n", asked[i].query, asked[i].text);
        CHECK_INT(n, asked[i].found);
        edn_arena_dispose(&a);
        made_dispose(&m);
    }
}

/* ---- without positions ------------------------------------------------------------------------------------------- */

static edn_status ask_text(void *ctx, const edn_entry_id *id, const edn_query *phrase, uint32_t *times)
{
    diary *d = ctx;

    for (size_t i = 0; i < d->n; i++)
        if (memcmp(d->e[i].is.doc.entry.b, id->b, 16) == 0)
            *times = naive_times_phrase(d->all[i], phrase);
    return EDN_OK;
}

static void phrases_without_positions_ask_for_the_text(void **state)
{
    (void)state;
    diary *d = diary_new(check_seed() + 5, 150);
    edn_query_item items[] = {{edn_bytes_str("aa0"), 0, false}, {edn_bytes_str("ba1"), 1, false}};
    edn_query q = {.kind = EDN_QUERY_PHRASE, .items = items, .items_n = 2};
    uint64_t loose, n;
    made m;

    made_build(&m, d, 3, EDN_SEGMENT_NO_POSITIONS);
    CHECK(!edn_segment_has_positions(m.segs[0].s));
    made_mask(&m, d);
    CHECK_OK(edn_index_count(m.x, &q, &loose));
    CHECK(!edn_index_exact(m.x));
    edn_index_free(m.x);
    CHECK_OK(edn_index_new(m.parts, m.n, ask_text, d, &m.x));
    CHECK_OK(edn_index_count(m.x, &q, &n));
    CHECK(n < loose && n > 0);
    same_answer(d, &m, &q, 20, 20200301);
    ask(d, &m, 60);
    made_dispose(&m);
    diary_free(d);
}

static void refuses_what_is_no_query_for_it(void **state)
{
    (void)state;
    edn_query_item items[] = {{edn_bytes_str("a"), 0, false}, {edn_bytes_str("\x02t"), 1, false}};
    edn_query journal = {.kind = EDN_QUERY_JOURNAL}, phrase = {.kind = EDN_QUERY_PHRASE, .items = items, .items_n = 2},
              date = {.kind = EDN_QUERY_DATE, .from = 20241301}, none = {.kind = EDN_QUERY_AND};
    edn_index_hit hits[1];
    edn_index *x;
    size_t n;

    CHECK_OK(edn_index_new(NULL, 0, NULL, NULL, &x));
    CHECK_INT(edn_index_docs(x), 0);
    CHECK_STATUS(edn_index_search(x, &journal, EDN_INDEX_BY_RANK, 1, hits, &n), EDN_E_INVALID);
    CHECK_STATUS(edn_index_search(x, &phrase, EDN_INDEX_BY_RANK, 1, hits, &n), EDN_E_INVALID);
    CHECK_STATUS(edn_index_search(x, &date, EDN_INDEX_BY_RANK, 1, hits, &n), EDN_E_INVALID);
    CHECK_STATUS(edn_index_search(x, &none, EDN_INDEX_BY_RANK, 1, hits, &n), EDN_E_INVALID);
    CHECK_STATUS(edn_index_search(x, &date, EDN_INDEX_BY_RANK, EDN_INDEX_HITS_MAX + 1, hits, &n), EDN_E_LIMIT);
    edn_index_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_as_a_scan_does_whatever_the_segments),
        cmocka_unit_test(terms_of_all_segments_are_told_once_with_live_counts),
        cmocka_unit_test(guesses_are_all_the_terms_that_are_near),
        cmocka_unit_test(similar_is_the_entry_that_shares_rare_words),
        cmocka_unit_test(letters_without_spaces_are_found_alone_and_together),
        cmocka_unit_test(a_letter_with_marks_of_its_own_is_not_the_letter_without),
        cmocka_unit_test(phrases_without_positions_ask_for_the_text),
        cmocka_unit_test(refuses_what_is_no_query_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
