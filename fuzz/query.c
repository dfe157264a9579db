/* Search against reading: entries are added, edited, deleted, segments made, merged, sent as images, in whatever order;
 * and every query, of all that the language has, gives what looking at each word of each entry gives: the same hits, in
 * the same order, counted and by month. The input tells what happens, a byte a step (tests/support/naive.h: the
 * reading). */
#include "fuzz.h"

#include <stdio.h>

#include "naive.h"
#include "search/image.h"
#include "search/segments.h"
#include "search/unicode.h"

#define ENTRIES_MAX 24u
#define PARTS_MAX 6u
#define TEXT_SIZE_MAX 400u

/* ---- the input --------------------------------------------------------------------------------------------------- */

typedef struct script {
    const uint8_t *p, *end;
} script;

static uint8_t next_byte(script *s) { return s->p < s->end ? *s->p++ : 0; }
static size_t pick(script *s, size_t n) { return next_byte(s) % n; }

static const char *const words[] = {
    "sea",    "wind",     "winds",       "kin",
    "king",   "kings",    "kingdom",     "the",
    "a",      "résumé",   "resume",      "re\u0301sume\u0301",
    "RESUME", "été",      "été'ete",     "l'été",
    "wife's", "e-mail",   "example.org", "Straße",
    "Ærø",    "Ёлка",     "елка",        "πρἄγμα",
    "שָׁלוֹם",   "हिन्दी",    "한국어",      "学校",
    "校",     "狂人日記", "カメラ",      "がか",
    "か",     "が",       "ไทย",         "ที่",
    "ท",      "3.14",     "🎉",           "überschwemmungsgebietsverordnungen",
    "ﬁne",    "_x_",      "betimes",     "betime",
};
static const char *const joints[] = {" ", " ", " ", ", ", "\n", "。", "", "'", "-"};
static const char *const tags[] = {"sea", "Travel", "work notes", "日記", "Été"};
static const char *const marks[] = {"(",
                                    ")",
                                    " OR ",
                                    " -",
                                    " NOT ",
                                    "\"",
                                    "*",
                                    " ",
                                    "title:",
                                    "tag:",
                                    "journal:work ",
                                    "journal:home ",
                                    "journal:none ",
                                    "has:attachment ",
                                    "from:2019 ",
                                    "to:2020-03 ",
                                    "on:2019-05-05 ",
                                    "on:2020 ",
                                    "AND ",
                                    "title:\"",
                                    "tag:\"work notes\" ",
                                    "tag:tra* "};

static void put(char *to, size_t size, const char *what)
{
    if (strlen(to) + strlen(what) < size)
        strcat(to, what);
}

/* What folds to several letters of a script without spaces (㍉, ำ) may be found by one of them, or not. */
static bool is_simple(edn_bytes s)
{
    for (size_t at = 0, from = 0; at < s.n; from = at) {
        uint8_t folded[64];
        bool unit = edn_scalar_props(edn_utf8_next(s, &at)) & EDN_SCALAR_UNIT;
        edn_bytes f = edn_bytes_of(folded, edn_term_fold(edn_bytes_of(s.p + from, at - from), folded, sizeof folded));
        size_t letters = 0;
        for (size_t k = 0; k < f.n;)
            letters += !edn_props_skipped(edn_scalar_props(edn_utf8_next(f, &k)));
        if (unit && letters != 1)
            return false;
    }
    return true;
}

/* Some bytes of the input as they are, as far as they are text. */
static void put_raw(char *to, size_t size, script *s)
{
    size_t n = EDN_MIN((size_t)(s->end - s->p), pick(s, 24)), good;
    char text[25] = "";

    n = EDN_MIN(n, (size_t)(s->end - s->p));
    good = edn_utf8_check(edn_bytes_of(s->p, n), NULL);
    memcpy(text, s->p, good);
    s->p += n;
    if (is_simple(edn_bytes_str(text)) && !strstr(text, "\u0e4d") && !strstr(text, "\u0ecd"))
        put(to, size, text);
}

static void put_text(char *to, size_t size, script *s, size_t words_max)
{
    for (size_t n = pick(s, words_max + 1); n; n--) {
        size_t at = pick(s, EDN_COUNT(words) + 1);
        if (at == EDN_COUNT(words))
            put_raw(to, size, s);
        else
            put(to, size, words[at]);
        put(to, size, joints[pick(s, EDN_COUNT(joints))]);
    }
}

/* ---- the diary --------------------------------------------------------------------------------------------------- */

typedef struct entry {
    naive_entry is;
    char title[80], text[TEXT_SIZE_MAX];
    const char *tag; /* NULL: none */
    bool office, attached, indexed;
} entry;

typedef struct world {
    script in;
    entry e[ENTRIES_MAX];
    const naive_entry *all[ENTRIES_MAX];
    size_t n;
    seg segs[PARTS_MAX];
    edn_segment_part parts[PARTS_MAX];
    uint8_t dead[PARTS_MAX][ENTRIES_MAX * 32];
    size_t parts_n;
    edn_pages *pages;
    edn_index *x;
    const char *asked;
} world;

static edn_bytes journal_of(bool office) { return edn_bytes_str(office ? "journal: an offi" : "journal: at home"); }

static void entry_write(world *w, entry *e)
{
    uint32_t next;

    e->title[0] = e->text[0] = 0;
    put_text(e->title, sizeof e->title, &w->in, 3);
    put_text(e->text, sizeof e->text, &w->in, 20);
    e->tag = pick(&w->in, 3) ? NULL : tags[pick(&w->in, EDN_COUNT(tags))];
    e->office = pick(&w->in, 2);
    e->attached = pick(&w->in, 4) == 0;
    e->indexed = e->is.dead = false;
    e->is.doc.date = pick(&w->in, 8)
                         ? (uint32_t)(20180101 + pick(&w->in, 4) * 10000 + pick(&w->in, 12) * 100 + pick(&w->in, 28))
                         : 0;
    e->is.doc.length = 0;
    e->is.n = 0;
    next = naive_text(&e->is, edn_bytes_str(e->title), 0, true);
    next = naive_text(&e->is, edn_bytes_str(e->text), next, false);
    if (e->tag)
        (void)naive_tag(&e->is, edn_bytes_str(e->tag), next);
    naive_mark(&e->is, EDN_TERM_JOURNAL, journal_of(e->office));
    if (e->attached)
        naive_mark(&e->is, EDN_TERM_HAS, edn_bytes_str("attachment"));
}

static void entry_index(edn_builder *b, const entry *e)
{
    edn_builder_doc(b, &e->is.doc);
    edn_builder_text(b, edn_bytes_str(e->title), true);
    edn_builder_text(b, edn_bytes_str(e->text), false);
    if (e->tag)
        edn_builder_tag(b, edn_bytes_str(e->tag));
    edn_builder_mark(b, EDN_TERM_JOURNAL, journal_of(e->office));
    if (e->attached)
        edn_builder_mark(b, EDN_TERM_HAS, edn_bytes_str("attachment"));
}

/* ---- what happens ------------------------------------------------------------------------------------------------ */

static void index_forget(world *w)
{
    edn_index_free(w->x);
    w->x = NULL;
}

/* Marks an entry dead where it lives. */
static void bury(world *w, entry *e)
{
    size_t found = 0;

    index_forget(w);
    for (size_t i = 0; e->indexed && i < w->parts_n; i++) {
        uint32_t doc;
        if (edn_segment_find(w->segs[i].s, &e->is.doc.entry, e->is.doc.date, &doc) != EDN_OK ||
            w->dead[i][doc / 8] >> doc % 8 & 1)
            continue;
        w->dead[i][doc / 8] |= (uint8_t)(1u << doc % 8);
        found++;
    }
    FUZZ_HOLDS(found == e->indexed);
    e->indexed = false;
}

static void add(world *w)
{
    entry *e = &w->e[w->n];

    if (w->n == ENTRIES_MAX)
        return;
    for (size_t i = 0; i < 15; i++)
        e->is.doc.entry.b[i] = (uint8_t)(w->n * 37 + i * 11);
    e->is.doc.entry.b[15] = (uint8_t)w->n;
    entry_write(w, e);
    w->all[w->n++] = &e->is;
}

static void edit(world *w)
{
    entry *e = w->n ? &w->e[pick(&w->in, w->n)] : NULL;

    if (!e)
        return;
    bury(w, e);
    entry_write(w, e);
}

static void delete (world *w)
{
    entry *e = w->n ? &w->e[pick(&w->in, w->n)] : NULL;

    if (!e)
        return;
    bury(w, e);
    e->is.dead = true;
}

/* `bytes` are a segment, which takes the place of parts [from, to). */
static void replace(world *w, size_t from, size_t to, seg bytes)
{
    index_forget(w);
    for (size_t i = from; i < to; i++)
        seg_dispose(&w->segs[i]);
    memmove(&w->segs[from + 1], &w->segs[to], (w->parts_n - to) * sizeof *w->segs);
    memmove(w->dead[from + 1], w->dead[to], (w->parts_n - to) * sizeof *w->dead);
    w->segs[from] = bytes;
    memset(w->dead[from], 0, sizeof *w->dead);
    w->parts_n -= to - from;
    w->parts_n++;
    for (size_t i = 0; i < w->parts_n; i++) { /* opened anew: they may have moved */
        edn_segment_free(w->segs[i].s);
        FUZZ_HOLDS(seg_open(&w->segs[i], w->pages) == EDN_OK);
        w->parts[i] = (edn_segment_part){w->segs[i].s, w->dead[i]};
    }
    FUZZ_HOLDS(edn_segment_check(w->segs[from].s) == EDN_OK);
}

static void merge(world *w, size_t from, size_t to)
{
    seg whole = SEG_INIT;
    uint64_t size;

    if (from >= to)
        return;
    FUZZ_HOLDS(edn_segment_merge(w->parts + from, to - from, 0, seg_out, &whole.bytes, &size) == EDN_OK);
    FUZZ_HOLDS(size == whole.bytes.n);
    replace(w, from, to, whole);
}

/* What is in no segment becomes one. */
static void fold(world *w)
{
    edn_builder *b;
    seg one = SEG_INIT;
    uint64_t size;

    if (w->parts_n == PARTS_MAX)
        merge(w, 0, PARTS_MAX);
    FUZZ_HOLDS(edn_builder_new(0, &b) == EDN_OK);
    for (size_t i = 0; i < w->n; i++) {
        if (!w->e[i].indexed && !w->e[i].is.dead)
            entry_index(b, &w->e[i]);
        w->e[i].indexed = !w->e[i].is.dead;
    }
    if (edn_builder_docs(b)) {
        FUZZ_HOLDS(edn_builder_finish(b, seg_out, &one.bytes, &size) == EDN_OK);
        replace(w, w->parts_n, w->parts_n, one);
    }
    edn_builder_free(b);
}

/* A part goes over the wire. */
static void send(world *w)
{
    edn_buf image = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX);
    seg got = SEG_INIT;
    uint8_t dead[sizeof *w->dead];
    size_t at = pick(&w->in, PARTS_MAX);
    uint32_t docs;
    uint64_t size;

    if (at >= w->parts_n)
        return;
    memcpy(dead, w->dead[at], sizeof dead);
    FUZZ_HOLDS(edn_image_put(&image, w->segs[at].s) == EDN_OK);
    FUZZ_HOLDS(edn_image_decode(edn_buf_view(&image), seg_out, &got.bytes, &docs, &size, NULL) == EDN_OK);
    FUZZ_HOLDS(size == got.bytes.n && docs == edn_segment_docs(w->segs[at].s));
    edn_buf_dispose(&image);
    replace(w, at, at + 1, got);
    memcpy(w->dead[at], dead, sizeof dead);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static edn_status phrase_times(void *ctx, const edn_entry_id *id, const edn_query *phrase, uint32_t *times)
{
    world *w = ctx;

    for (size_t i = 0; i < w->n; i++)
        if (memcmp(w->e[i].is.doc.entry.b, id->b, sizeof id->b) == 0)
            *times = naive_times_phrase(&w->e[i].is, phrase);
    return EDN_OK;
}

static void open_index(world *w)
{
    fold(w);
    if (!w->x)
        FUZZ_HOLDS(edn_index_new(w->parts, w->parts_n, phrase_times, w, &w->x) == EDN_OK);
}

static edn_status month_add(void *ctx, uint32_t month, uint32_t hits)
{
    (void)month;
    *(uint64_t *)ctx += hits;
    return EDN_OK;
}

static void compare(world *w, const edn_query *q)
{
    static naive_found want[ENTRIES_MAX];
    static edn_index_hit got[ENTRIES_MAX];
    size_t max = 1 + pick(&w->in, ENTRIES_MAX);
    uint32_t today = pick(&w->in, 2) ? 20200615 : 0;

    FUZZ_HOLDS(edn_index_recency(w->x, today) == EDN_OK);
    for (int order = EDN_INDEX_BY_RANK; order <= EDN_INDEX_BY_DATE; order++) {
        size_t all = naive_search(w->all, w->n, q, order == EDN_INDEX_BY_RANK, today, want), n;
        uint64_t count, months = 0;
        bool same;
        FUZZ_HOLDS(edn_index_search(w->x, q, (edn_index_order)order, max, got, &n) == EDN_OK);
        FUZZ_HOLDS(edn_index_count(w->x, q, &count) == EDN_OK);
        FUZZ_HOLDS(edn_index_months(w->x, q, month_add, &months) == EDN_OK);
        same = count == all && months == all && n == EDN_MIN(all, max) && edn_index_exact(w->x);
        for (size_t i = 0; same && i < n; i++)
            same = got[i].score == want[i].score && got[i].date == want[i].e->doc.date &&
                   memcmp(got[i].entry.b, want[i].e->doc.entry.b, 16) == 0;
        if (!same) {
            fprintf(stderr, "%s: %zu hits of %llu, not %zu\n", w->asked, n, (unsigned long long)count, all);
            for (size_t i = 0; i < EDN_MAX(n, EDN_MIN(all, max)); i++)
                fprintf(stderr, "  %d %.17g, not %d %.17g %d\n", i < n ? got[i].entry.b[15] : -1,
                        i < n ? got[i].score : 0, i < all ? want[i].e->doc.entry.b[15] : -1,
                        i < all ? want[i].score : 0, i < all && want[i].typed);
            for (size_t i = 0; i < all; i++)
                fprintf(stderr, "  entry %d: %s\n", want[i].e->doc.entry.b[15], ((const entry *)want[i].e)->text);
        }
        FUZZ_HOLDS(same);
    }
}

/* Journals by their ids, as who knows their names does it. */
static void name_journals(edn_arena *a, edn_query *q)
{
    if (q->kind == EDN_QUERY_JOURNAL) {
        bool work = edn_bytes_equal(q->term, edn_bytes_str("work")),
             home = edn_bytes_equal(q->term, edn_bytes_str("home"));
        uint8_t *key = edn_arena_calloc(a, 1, 17);
        FUZZ_HOLDS(key);
        key[0] = EDN_TERM_JOURNAL;
        if (work || home)
            memcpy(key + 1, journal_of(work).p, 16);
        q->kind = EDN_QUERY_TERM;
        q->term = edn_bytes_of(key, work || home ? 17 : 1);
    }
    for (edn_query *kid = q->child; kid; kid = kid->next)
        name_journals(a, kid);
}

static void ask(world *w)
{
    edn_arena a = edn_arena_init(FUZZ_MEMORY_SIZE_MAX);
    char text[300] = "";
    edn_query_error error;
    edn_query *q;

    for (size_t n = 1 + pick(&w->in, 7); n; n--) {
        size_t at = pick(&w->in, EDN_COUNT(words) + EDN_COUNT(marks) + 1);
        if (at < EDN_COUNT(words))
            put(text, sizeof text, words[at]);
        else if (at < EDN_COUNT(words) + EDN_COUNT(marks))
            put(text, sizeof text, marks[at - EDN_COUNT(words)]);
        else
            put_raw(text, sizeof text, &w->in);
        if (at < EDN_COUNT(words) && pick(&w->in, 3))
            put(text, sizeof text, " ");
    }
    open_index(w);
    if (edn_query_parse(&a, edn_bytes_str(text), pick(&w->in, 2) ? EDN_QUERY_TYPING : 0, &q, &error) == EDN_OK) {
        w->asked = text;
        name_journals(&a, q);
        compare(w, q);
    }
    edn_arena_dispose(&a);
}

/* What these queries mean is known without reading them. */
static void ask_known(world *w)
{
    static const struct {
        const char *text;
        uint32_t from, to;
    } days[] = {{"", 0, UINT32_MAX},
                {"from:2019 ", 20190101, UINT32_MAX},
                {"to:2020-03 ", 1, 20200331},
                {"on:2019-05 ", 20190501, 20190531},
                {"on:2020-02-03 ", 20200203, 20200203},
                {"on:2020 ", 20200101, 20201231}};
    static const char *const forms[] = {"%s%s %s", "%s(%s OR %s)", "%s%s -%s", "%sNOT (%s OR %s)", "%s%s NOT NOT %s"};
    edn_arena a = edn_arena_init(FUZZ_MEMORY_SIZE_MAX);
    const char *x = words[pick(&w->in, 9)], *y = words[pick(&w->in, 9)];
    size_t form = pick(&w->in, EDN_COUNT(forms)), day = pick(&w->in, EDN_COUNT(days));
    char text[100];
    uint64_t count, want = 0;
    edn_query_error error;
    edn_query *q;

    open_index(w);
    snprintf(text, sizeof text, forms[form], days[day].text, x, y);
    FUZZ_HOLDS(edn_query_parse(&a, edn_bytes_str(text), 0, &q, &error) == EDN_OK);
    FUZZ_HOLDS(edn_index_count(w->x, q, &count) == EDN_OK);
    for (size_t i = 0; i < w->n; i++) {
        const naive_entry *e = w->all[i];
        bool has_x = naive_times(e, edn_bytes_str(x), false), has_y = naive_times(e, edn_bytes_str(y), false);
        const bool fits[] = {has_x && has_y, has_x || has_y, has_x && !has_y, !has_x && !has_y, has_x && has_y};
        want += !e->dead && fits[form] && e->doc.date >= days[day].from && e->doc.date <= days[day].to;
    }
    if (count != want)
        fprintf(stderr, "%s: %llu, not %llu\n", text, (unsigned long long)count, (unsigned long long)want);
    FUZZ_HOLDS(count == want);
    edn_arena_dispose(&a);
}

/* ---- other forms, and mistyped words ----------------------------------------------------------------------------- */

/* A language of two endings. */
static size_t stem(void *ctx, edn_bytes word, uint8_t *out)
{
    size_t n = word.n;

    (void)ctx;
    memcpy(out, word.p, n);
    if (n > 3 && memcmp(out + n - 3, "dom", 3) == 0)
        return n - 3;
    return n > 1 && out[n - 1] == 's' ? n - 1 : n;
}

static bool have_one_stem(edn_bytes x, edn_bytes y)
{
    uint8_t a[EDN_TERM_SIZE_MAX], b[EDN_TERM_SIZE_MAX];
    size_t n = stem(NULL, x, a);

    return n == stem(NULL, y, b) && memcmp(a, b, n) == 0;
}

/* Words of one stem are found together; in this language they always begin alike. */
static void ask_kin(world *w)
{
    edn_arena a = edn_arena_init(FUZZ_MEMORY_SIZE_MAX);
    edn_query kids[65], any = {.kind = EDN_QUERY_OR, .child = kids};
    edn_bytes kin[64], term;
    edn_words all;
    edn_word word;
    size_t n;

    open_index(w);
    w->asked = words[pick(&w->in, EDN_COUNT(words))];
    edn_words_init(&all, edn_bytes_str(w->asked));
    if (!edn_words_next(&all, &word) || edn_utf8_count(word.term) < 3)
        return;
    FUZZ_HOLDS(edn_arena_copy(&a, word.term, &term));
    FUZZ_HOLDS(edn_index_kin(w->x, &a, term, stem, NULL, EDN_COUNT(kin), kin, &n) == EDN_OK);
    memset(kids, 0, sizeof kids);
    for (size_t i = 0; i <= n; i++)
        kids[i] = (edn_query){.kind = EDN_QUERY_TERM,
                              .term = i ? kin[i - 1] : term,
                              .accents = i ? EDN_ACCENTS_ANY : word.accents,
                              .letter = !i && word.flags & EDN_WORD_LETTER,
                              .next = i < n ? &kids[i + 1] : NULL};
    if (n == 0)
        any = kids[0];
    for (size_t i = 0; i < w->n; i++)
        for (size_t k = 0; k < w->e[i].is.n && !w->e[i].is.dead; k++) {
            const naive_token *t = &w->e[i].is.tokens[k];
            edn_bytes key = edn_bytes_of(t->key, t->n);
            bool there = edn_bytes_equal(key, term);
            if (t->key[0] < 0x20 || edn_utf8_count(key) < 3 || !have_one_stem(key, term))
                continue;
            for (size_t j = 0; j < n; j++)
                there = there || edn_bytes_equal(key, kin[j]);
            FUZZ_HOLDS(there);
        }
    compare(w, &any);
    edn_arena_dispose(&a);
}

static void ask_guesses(world *w)
{
    static edn_index_guess got[ENTRIES_MAX * 128];
    edn_words all;
    edn_word word;
    char text[64] = "";
    unsigned most = 1 + (unsigned)pick(&w->in, 2);
    size_t n, at;

    open_index(w);
    put(text, sizeof text, words[pick(&w->in, EDN_COUNT(words))]);
    at = pick(&w->in, strlen(text) + 1);
    if (at < strlen(text) && !(text[at] & 0x80))
        text[at] = (char)('a' + pick(&w->in, 26));
    edn_words_init(&all, edn_bytes_str(text));
    if (!edn_words_next(&all, &word))
        return;
    FUZZ_HOLDS(edn_index_guess_terms(w->x, word.term, most, EDN_COUNT(got), got, &n) == EDN_OK);
    for (size_t i = 0; i < n; i++)
        FUZZ_HOLDS(got[i].edits <= most &&
                   naive_edits(edn_bytes_of(got[i].term, got[i].size), word.term) == got[i].edits);
    for (size_t i = 0; i < w->n; i++)
        for (size_t k = 0; k < w->e[i].is.n && !w->e[i].is.dead; k++) {
            const naive_token *t = &w->e[i].is.tokens[k];
            edn_bytes key = edn_bytes_of(t->key, t->n);
            bool there = t->key[0] < 0x20 || naive_edits(key, word.term) > most;
            for (size_t j = 0; j < n && !there; j++)
                there = edn_bytes_equal(key, edn_bytes_of(got[j].term, got[j].size));
            FUZZ_HOLDS(there);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const steps[])(world *) = {add, add, add, edit,      delete,  fold,       send,
                                             ask, ask, ask, ask_known, ask_kin, ask_guesses};
    world *w = calloc(1, sizeof *w);

    FUZZ_HOLDS(w);
    w->in = (script){data, data + EDN_MIN(size, (size_t)4096)};
    FUZZ_HOLDS(edn_pages_new(4 * EDN_PAGE_SIZE, &w->pages) == EDN_OK);
    while (w->in.p < w->in.end) {
        size_t step = next_byte(&w->in) % (EDN_COUNT(steps) + 1);
        if (step < EDN_COUNT(steps)) {
            steps[step](w);
        } else {
            size_t from = w->parts_n ? pick(&w->in, w->parts_n) : 0;
            merge(w, from, w->parts_n ? from + 1 + pick(&w->in, w->parts_n - from) : 0);
        }
    }
    index_forget(w);
    for (size_t i = 0; i < w->parts_n; i++)
        seg_dispose(&w->segs[i]);
    for (size_t i = 0; i < w->n; i++)
        free(w->e[i].is.tokens);
    edn_pages_free(w->pages);
    free(w);
    return 0;
}
