/* Search over the client's index: always what reading every entry would give, whatever was written, changed, synced,
 * merged or damaged in between. */
#include <sqlite3.h>

#include "client/finding/index.h"
#include "diarist.h"
#include "oracle.h"

/* ---- holding search against reading ------------------------------------------------------------------------------ */

typedef struct asked {
    const edn_query *query;
    edn_entry_id want[4096], got[4096];
    size_t want_n, got_n;
    uint8_t last_date[10];
    bool by_date;
} asked;

static edn_status read_entry(void *ctx, const edn_entry *e)
{
    asked *a = ctx;

    if (oracle_fits(e, a->query))
        a->want[a->want_n++] = e->id;
    return EDN_OK;
}

static edn_status take_hit(void *ctx, const edn_hit *hit)
{
    asked *a = ctx;

    CHECK(!hit->entry->deleted);
    if (a->by_date && a->got_n && hit->entry->date.n == 10)
        CHECK(memcmp(hit->entry->date.p, a->last_date, 10) <= 0);
    if (hit->entry->date.n == 10)
        memcpy(a->last_date, hit->entry->date.p, 10);
    for (size_t i = 0; i < hit->marks_n; i++)
        CHECK(hit->marks[i].at + hit->marks[i].size <= hit->snippet.n);
    a->got[a->got_n++] = hit->entry->id;
    return EDN_OK;
}

static int by_id(const void *a, const void *b) { return memcmp(a, b, sizeof(edn_entry_id)); }

static void count_finding(void *ctx, const edn_finding *f)
{
    CHECK_STATUS(f->status, EDN_E_DAMAGED);
    CHECK(strstr(f->text, "search index") != NULL);
    ++*(unsigned *)ctx;
}

static void no_finding(void *ctx, const edn_finding *f)
{
    (void)ctx;
    print_error("%s\n", f->text);
    fail();
}

/* How many there are. Without `findings` there is nothing to find. */
static size_t check_query(edn_client *c, const char *text, bool by_date, unsigned *findings)
{
    static asked a;
    edn_arena arena = edn_arena_init((size_t)1 << 20);
    edn_filter f = {.newest_first = by_date};
    edn_search_options o = {.filter = &f, .on_finding = findings ? count_finding : no_finding, .ctx = findings};
    edn_search_result r;
    edn_query *q;
    edn_query_error qe;
    edn_err err;

    memset(&a, 0, sizeof a);
    CHECK_OK(edn_query_parse(&arena, edn_bytes_str(text), 0, &q, &qe));
    a.query = q;
    a.by_date = by_date;
    CHECK_OK(edn_client_export(c, NULL, read_entry, &a, NULL, NULL));
    edn_status st = edn_client_search(c, edn_bytes_str(text), &o, take_hit, &a, &r, &err);
    if (st != EDN_OK)
        print_error("%s: %s\n", text, err.text);
    CHECK_OK(st);
    if (a.want_n == 0 && r.instead[0])
        a.got_n = r.found = 0; /* other words were looked for: nothing to compare with */
    qsort(a.want, a.want_n, sizeof *a.want, by_id);
    qsort(a.got, a.got_n, sizeof *a.got, by_id);
    if (a.got_n != a.want_n || r.found != a.want_n ||
        (a.want_n && memcmp(a.got, a.want, a.want_n * sizeof *a.got) != 0))
        print_error("%s: %zu hits, counted %llu, by reading %zu\n", text, a.got_n, (unsigned long long)r.found,
                    a.want_n);
    CHECK_INT(a.got_n, a.want_n);
    CHECK_INT(r.found, a.want_n);
    CHECK(a.want_n == 0 || memcmp(a.got, a.want, a.want_n * sizeof *a.got) == 0);
    edn_arena_dispose(&arena);
    return a.want_n;
}

/* ---- random diaries ---------------------------------------------------------------------------------------------- */

static const char *const vocabulary[] = {
    "sea",   "wind", "wife's",      "l'homme", "betimes",    "Straße", "œuvre",  "kin",   "king",     "kingdom",
    "море",  "Ёлка", "πρἄγμα",      "שָׁלוֹם",    "مُحَمَّد",       "हिन्दी",  "한국어", "学校",  "狂人日記", "カメラ",
    "ไทยนะ", "é",    "example.org", "3.14",    "snake_case", "a",      "I",      "naïve", "🎉",        "Zoë",
};
static const char *const joints[] = {" ", " ", " ", ", ", "\n", "。", ""};
static const char *const tags[] = {"sea", "Travel", "work notes", "日記", "Été"};
static const char *const queries[] = {"on:2019",   "from:2020-03", "to:2019-06-15",      "from:2019-12 to:2020-02",
                                      "tag:sea",   "tag:ete",      "tag:\"work notes\"", "tag:tra*",
                                      "title:sea", "title:ki*",    "journal:office",     "has:attachment"};

static const char *pick(check_rng *rng, const char *const *from, size_t n) { return from[check_below(rng, n)]; }

static void random_text(check_rng *rng, char *out, size_t size, size_t words)
{
    size_t n = 0;

    out[0] = 0;
    for (size_t i = 0; i < words && n + 40 < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%s", pick(rng, vocabulary, EDN_COUNT(vocabulary)),
                              pick(rng, joints, EDN_COUNT(joints)));
}

static void random_date(check_rng *rng, char out[11])
{
    snprintf(out, 11, "%04u-%02u-%02u", 2018 + (unsigned)check_below(rng, 4), 1 + (unsigned)check_below(rng, 12),
             1 + (unsigned)check_below(rng, 28));
}

/* A word, the beginning of one, a phrase, a field. */
static void random_leaf(check_rng *rng, char *out, size_t size)
{
    const char *word = pick(rng, vocabulary, EDN_COUNT(vocabulary));
    char text[200];
    size_t cut;

    switch (check_below(rng, 6)) {
    case 0:
    case 1:
        snprintf(out, size, "%s", word);
        break;
    case 2:
        cut = edn_utf8_offset(edn_bytes_str(word), 1 + check_below(rng, 2));
        snprintf(out, size, "%.*s*", (int)cut, word);
        break;
    case 3:
        random_text(rng, text, sizeof text, 2 + check_below(rng, 2));
        snprintf(out, size, "\"%s\"", text);
        break;
    default:
        snprintf(out, size, "%s", pick(rng, queries, EDN_COUNT(queries)));
    }
}

static void random_query(check_rng *rng, char *out, size_t size)
{
    static const char *const forms[] = {"%s", "%s", "%s %s", "%s OR %s", "%s NOT %s", "(%s OR %s) -%s", "-%s"};
    char leaves[3][300];
    const char *form = pick(rng, forms, EDN_COUNT(forms));

    for (size_t i = 0; i < EDN_COUNT(leaves); i++)
        random_leaf(rng, leaves[i], sizeof leaves[i]);
    snprintf(out, size, form, leaves[0], leaves[1], leaves[2]);
}

typedef struct random_diary {
    check_rng *rng;
    edn_client *c;
    edn_journal_id office;
    edn_entry_id ids[4096];
    size_t ids_n;
} random_diary;

static const edn_entry_id *some_entry(random_diary *d) { return &d->ids[check_below(d->rng, d->ids_n)]; }

static void add_random(random_diary *d)
{
    char text[600], title[80], date[11];
    edn_bytes tag[] = {edn_bytes_str(pick(d->rng, tags, EDN_COUNT(tags)))};
    edn_draft draft = {.tags = tag, .tags_n = check_below(d->rng, 2)};

    random_text(d->rng, text, sizeof text, check_below(d->rng, 20));
    random_text(d->rng, title, sizeof title, check_below(d->rng, 3));
    random_date(d->rng, date);
    draft.text = edn_bytes_str(text);
    draft.title = edn_bytes_str(title);
    draft.date = edn_bytes_str(date);
    draft.journal = check_below(d->rng, 3) == 0 ? &d->office : NULL;
    CHECK_OK(edn_client_add(d->c, &draft, &d->ids[d->ids_n++], NULL));
}

static void change_random(random_diary *d)
{
    char text[600], date[11];
    const edn_entry_id *id = some_entry(d);

    switch (check_below(d->rng, 7)) {
    case 0:
    case 1:
        random_text(d->rng, text, sizeof text, check_below(d->rng, 20));
        CHECK_OK(edn_client_edit(d->c, id, EDN_BYTES_EMPTY, edn_bytes_str(text), NULL));
        break;
    case 2:
        random_date(d->rng, date);
        CHECK_OK(edn_client_set(d->c, id, edn_bytes_str("date"), edn_bytes_str(date), NULL));
        break;
    case 3:
        random_text(d->rng, text, 80, check_below(d->rng, 3));
        CHECK_OK(edn_client_set(d->c, id, edn_bytes_str("title"), edn_bytes_str(text), NULL));
        break;
    case 4:
        CHECK_OK(
            edn_client_tag(d->c, id, edn_bytes_str(pick(d->rng, tags, EDN_COUNT(tags))), check_below(d->rng, 2), NULL));
        break;
    case 5:
        CHECK_OK(edn_client_remove(d->c, id, NULL));
        break;
    default:
        CHECK_OK(edn_client_undelete(d->c, id, NULL));
    }
}

static void some_queries(random_diary *d, size_t n, unsigned *findings)
{
    char query[1024];

    while (n--) {
        random_query(d->rng, query, sizeof query);
        (void)check_query(d->c, query, check_below(d->rng, 2), findings);
    }
}

/* Small heaps, so that folding and merging happen all the time. */
static void hasten(edn_client *c)
{
    c->index->fold_min = 5;
    c->index->recent_max = 3;
}

static void search_agrees_with_reading_whatever_happens(void **state)
{
    (void)state;
    check_rng rng = {check_seed()};
    world *w = world_of_two();
    random_diary d = {.rng = &rng, .c = world_open(w, "a")};

    hasten(d.c);
    CHECK_OK(edn_client_journal_new(d.c, edn_bytes_str("Office"), &d.office, NULL));
    for (size_t i = 0; i < 700; i++) {
        if (d.ids_n < 3 || check_below(&rng, 3) == 0)
            add_random(&d);
        else
            change_random(&d);
        if (check_below(&rng, 4) == 0)
            some_queries(&d, 1 + check_below(&rng, 3), NULL);
        if (check_below(&rng, 120) == 0) {
            edn_client_close(d.c);
            d.c = world_open(w, "a");
            hasten(d.c);
        }
        if (check_below(&rng, 200) == 0)
            diary_check_verified(d.c);
    }
    some_queries(&d, 100, NULL);
    diary_check_verified(d.c);
    CHECK_OK(edn_client_reindex(d.c, NULL, NULL));
    some_queries(&d, 30, NULL);
    diary_check_verified(d.c);
    edn_client_close(d.c);
    world_free(w);
}

/* Another device, and another handle of the same home, change what this one has indexed. */
static void what_others_change_is_found(void **state)
{
    (void)state;
    check_rng rng = {check_seed()};
    world *w = world_of_two();
    random_diary d = {.rng = &rng, .c = world_open(w, "a")}, e;
    edn_client *other = world_open(w, "a"), *b = world_open(w, "b");

    CHECK_OK(edn_client_journal_new(d.c, edn_bytes_str("Office"), &d.office, NULL));
    hasten(d.c);
    hasten(other);
    for (size_t i = 0; i < 40; i++)
        add_random(&d);
    e = d;
    some_queries(&d, 3, NULL);
    for (size_t i = 0; i < 12; i++) {
        e.c = other;
        change_random(&e);
        some_queries(&e, 2, NULL);
        some_queries(&d, 2, NULL);
        (void)diary_sync(d.c);
        (void)diary_sync(b);
        e.c = b;
        change_random(&e);
        change_random(&e);
        some_queries(&e, 2, NULL);
        (void)diary_sync(b);
        (void)diary_sync(other);
        some_queries(&d, 3, NULL);
    }
    diary_check_verified(d.c);
    diary_check_verified(b);
    edn_client_close(b);
    edn_client_close(other);
    edn_client_close(d.c);
    world_free(w);
}

/* What one device is shown, in this order. */
static void same_order(edn_client *a, edn_client *b, const char *text)
{
    static asked x, y;
    edn_search_result found_a, found_b;

    memset(&x, 0, sizeof x);
    memset(&y, 0, sizeof y);
    CHECK_OK(edn_client_search(a, edn_bytes_str(text), NULL, take_hit, &x, &found_a, NULL));
    CHECK_OK(edn_client_search(b, edn_bytes_str(text), NULL, take_hit, &y, &found_b, NULL));
    CHECK_INT(found_a.found, found_b.found);
    CHECK_STR(edn_bytes_str(found_a.instead), found_b.instead);
    CHECK_INT(x.got_n, y.got_n);
    CHECK(x.got_n == 0 || memcmp(x.got, y.got, x.got_n * sizeof *x.got) == 0);
}

/* Three devices write, change, delete, sync and search in any order. Each finds what it holds; with the same entries
 * they rank them alike, however their indexes came about. */
static void three_devices_find_the_same_in_the_same_order(void **state)
{
    (void)state;
    check_rng rng = {check_seed()};
    world *w = world_of_two();
    edn_client *devices[3] = {world_open(w, "a"), world_open(w, "b"), NULL};
    random_diary d = {.rng = &rng, .c = devices[0]};
    char query[1024];

    CHECK_OK(edn_client_journal_new(d.c, edn_bytes_str("Office"), &d.office, NULL));
    for (size_t i = 0; i < 12; i++)
        add_random(&d);
    (void)diary_sync(devices[0]);
    (void)diary_sync(devices[1]);
    devices[2] = world_login(w, "c");
    (void)diary_sync(devices[2]);
    for (size_t i = 0; i < 3; i++)
        hasten(devices[i]);
    for (size_t i = 0; i < 120; i++) {
        size_t shared = d.ids_n;
        d.c = devices[check_below(&rng, 3)];
        (void)diary_sync(d.c);
        for (size_t k = 1 + check_below(&rng, 3); k; k--)
            change_random(&d);
        if (check_below(&rng, 3) == 0)
            add_random(&d);
        some_queries(&d, check_below(&rng, 3), NULL);
        if (d.ids_n > shared || check_below(&rng, 2))
            (void)diary_sync(d.c); /* what is new must be known to whoever changes it next */
    }
    for (size_t round = 0; round < 2; round++)
        for (size_t i = 0; i < 3; i++)
            (void)diary_sync(devices[i]);
    for (size_t i = 0; i < 25; i++) {
        random_query(&rng, query, sizeof query);
        same_order(devices[0], devices[1], query);
        same_order(devices[1], devices[2], query);
    }
    for (size_t i = 0; i < 3; i++) {
        diary_check_verified(devices[i]);
        edn_client_close(devices[i]);
    }
    world_free(w);
}

/* ---- a home of before, and one that is large --------------------------------------------------------------------- */

typedef struct many {
    unsigned n, of;
    char text[64];
} many;

static edn_status next_of_many(void *ctx, edn_import_item *item, bool *done)
{
    static char date[11];
    many *m = ctx;

    if ((*done = m->n == m->of))
        return EDN_OK;
    snprintf(date, sizeof date, "%04u-%02u-01", 1990 + m->n % 30, 1 + m->n / 30 % 12);
    snprintf(m->text, sizeof m->text, "entry number n%u of many", m->n++);
    item->draft.date = edn_bytes_str(date);
    item->draft.text = edn_bytes_str(m->text);
    return EDN_OK;
}

static bool stop_at_second(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    CHECK_STR(edn_bytes_str(what), "indexing");
    CHECK(done <= total);
    return ++*(unsigned *)ctx < 2;
}

static void an_import_is_indexed_by_the_first_search_which_can_be_stopped(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    many m = {.of = 1500};
    edn_import_result r;
    unsigned told = 0;
    edn_progress p = {stop_at_second, &told};
    edn_search_options o = {.progress = &p};
    edn_search_result found;
    edn_err err;
    uint64_t shards;

    diary_add(a, "2000-01-01", "", "before");
    CHECK_INT(check_query(a, "before", false, NULL), 1); /* there is an index already */
    CHECK_OK(edn_client_import(a, next_of_many, &m, NULL, &r, NULL));
    CHECK_STATUS(edn_client_search(a, edn_bytes_str("n1234"), &o, NULL, NULL, &found, &err), EDN_E_CANCELLED);
    CHECK_OK(client_begin_read(a, NULL));
    CHECK_OK(index_load(a));
    shards = a->index->shards_n;
    CHECK(!a->index->complete && shards >= 2);
    CHECK_OK(client_end_read(a, EDN_OK, NULL));
    CHECK_INT(check_query(a, "n1234", false, NULL), 1);
    CHECK(a->index->complete && a->index->shards_n > shards);
    CHECK_INT(check_query(a, "many", true, NULL), 1500);
    diary_check_verified(a);
    edn_client_close(a);
    world_free(w);
}

/* ---- damage ------------------------------------------------------------------------------------------------------ */

/* How many rows it changed. */
static int sql(const world *w, const char *device, const char *statement)
{
    char path[300], *why = NULL;
    sqlite3 *db;
    int changed;

    world_home(w, device, path);
    strcat(path, "/diary.edn");
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, statement, NULL, NULL, &why) != SQLITE_OK)
        print_error("%s: %s\n", statement, why);
    CHECK(why == NULL);
    changed = sqlite3_changes(db);
    sqlite3_close(db);
    return changed;
}

/* Every kind of row: altered, lost, in the place of another. */
static const char *const damages[] = {
    "UPDATE kv SET v = zeroblob(length(v)) WHERE t = 10 AND length(k) = 13 AND rowid = "
    "(SELECT max(rowid) FROM kv WHERE t = 10 AND length(k) = 13)",
    "DELETE FROM kv WHERE t = 10 AND length(k) = 13 AND rowid = "
    "(SELECT min(rowid) FROM kv WHERE t = 10 AND length(k) = 13)",
    "UPDATE kv SET v = (SELECT v FROM kv WHERE t = 10 AND length(k) = 13 ORDER BY rowid LIMIT 1) WHERE "
    "t = 10 AND length(k) = 13",
    "UPDATE kv SET v = substr(v, 1, length(v) - 1) WHERE t = 10 AND length(k) = 1",
    "DELETE FROM kv WHERE t = 10 AND length(k) = 1",
    "UPDATE kv SET v = zeroblob(60) WHERE t = 10 AND length(k) = 17",
    "DELETE FROM kv WHERE t = 10 AND length(k) = 9",
    "UPDATE kv SET v = zeroblob(length(v)) WHERE t = 10 AND length(k) = 9",
    "DELETE FROM kv WHERE t = 10",
};

static void a_damaged_index_is_made_anew_and_costs_nothing_else(void **state)
{
    (void)state;
    check_rng rng = {check_seed()};
    world *w = world_of_two();
    random_diary d = {.rng = &rng, .c = world_open(w, "a")};
    unsigned findings = 0, damaged = 0;

    CHECK_OK(edn_client_journal_new(d.c, edn_bytes_str("Office"), &d.office, NULL));
    for (size_t i = 0; i < 60; i++)
        add_random(&d);
    some_queries(&d, 1, NULL);
    hasten(d.c);
    for (size_t k = 0; k < EDN_COUNT(damages); k++) {
        hasten(d.c);
        for (size_t i = 0; i < 6; i++)
            change_random(&d);
        some_queries(&d, 1, &findings); /* folds them in: there are masks */
        change_random(&d);              /* and one is pending */
        add_random(&d);
        edn_client_close(d.c);
        damaged += sql(w, "a", damages[k]) > 0; /* there may be no mask */
        d.c = world_open(w, "a");
        some_queries(&d, 8, &findings);
        diary_check_verified(d.c);
    }
    CHECK(damaged >= 7 && findings >= 3);
    edn_client_close(d.c);
    world_free(w);
}

static void verify_names_an_index_that_is_damaged_or_does_not_fit(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    edn_verify_result v;
    unsigned findings = 0;

    diary_add(a, "2000-01-01", "", "one");
    diary_add(a, "2000-01-02", "", "two");
    CHECK_INT(check_query(a, "one OR two", false, NULL), 2);
    diary_add(a, "2000-01-03", "", "three");
    edn_client_close(a);
    CHECK_INT(sql(w, "a", "DELETE FROM kv WHERE t = 10 AND length(k) = 17"),
              1); /* nobody knows any more that there is a third */
    a = world_open(w, "a");
    CHECK_OK(edn_client_verify(a, count_finding, &findings, NULL, &v, NULL));
    CHECK_INT(v.damaged, 1);
    CHECK_INT(findings, 1);
    CHECK_OK(edn_client_reindex(a, NULL, NULL));
    diary_check_verified(a);
    edn_client_close(a);
    CHECK_INT(sql(w, "a", damages[0]), 1);
    a = world_open(w, "a");
    CHECK_OK(edn_client_verify(a, count_finding, &findings, NULL, &v, NULL));
    CHECK_INT(v.damaged, 1);
    CHECK_INT(findings, 2);
    CHECK_INT(check_query(a, "three", false, &findings), 1);
    CHECK_INT(findings, 3);
    diary_check_verified(a);
    edn_client_close(a);
    world_free(w);
}

static edn_status first_hit(void *ctx, const edn_hit *hit)
{
    edn_entry_id *id = ctx;
    *id = hit->entry->id;
    return EDN_E_CANCELLED; /* enough */
}

/* ---- languages --------------------------------------------------------------------------------------------------- */

/* An entry in each, and queries that find it and no other: in other case, without accents, parts, phrases. */
static const struct {
    const char *text, *queries[6];
} languages[] = {
    {"Up betimes; my wife's cousin came by water to Deptford.",
     {"DEPTFORD", "wife cousin", "\"by water\"", "dept*", "wife's", "coming OR betimes"}},
    {"À l'heure du dîner, l’homme cherchait son œuvre perdue.",
     {"homme", "oeuvre", "diner", "l'heure", "\"son œuvre\"", "cherch*"}},
    {"Über die Straße liefen die Mädchen, größer als zuvor.",
     {"strasse", "STRASSE", "uber", "madchen groesser OR grosser", "\"die Straße\"", "lief*"}},
    {"Łódź jest piękna, gdy śnieg leży na dachach.", {"lodz", "piekna", "SNIEG", "\"leży na\"", "dach*", "łódź śnieg"}},
    {"Всё утро ёлка стояла в снегу, и ветер стих.", {"все", "ЕЛКА", "\"в снегу\"", "ветер стих", "стоял*", "ёлка"}},
    {"Η θάλασσα ήταν ήσυχη και ο Σίσυφος κουράστηκε.",
     {"θαλασσα", "ΘΑΛΑΣΣΑ", "σισυφοσ", "\"ήταν ήσυχη\"", "κουρα*", "Σίσυφος"}},
    {"Işıklar söndü, İstanbul uyudu ve çocuklar güldü.",
     {"istanbul", "isiklar", "ISIKLAR", "cocuklar guldu", "sond*", "\"ve çocuklar\""}},
    {"הַיּוֹם הָלַכְנוּ אֶל הַיָּם עִם הַיְלָדִים", {"היום", "הים", "\"אל הים\"", "הלכ*", "הַיָּם", "הילדים"}},
    {"ذَهَبْنَا إِلَى البَحْرِ مَعَ الأَطْفَالِ", {"ذهبنا", "البحر", "\"الى البحر\"", "الاط*", "الأطفال", "الَى"}},
    {"आज हम समुद्र के किनारे गए और बारिश हुई।", {"समुद्र", "किनारे", "\"बारिश हुई\"", "बार*", "आज गए", "हुई"}},
    {"今天晚上，很好的月光。我不見他，已是三十多年。",
     {"月光", "月", "很好的月光", "三十多年", "見他", "\"今天晚上\""}},
    {"カメラを持って東京へ行きました。ガラスの城。", {"カメラ", "ｶﾒﾗ", "東京", "ガラス", "行きました", "城"}},
    {"어제 학교에서 친구를 만나 한국어를 배웠다.",
     {"학교*", "친구를", "\"한국어를 배웠다\"", "어제", "배웠다", "학교에서"}},
    {"วันนี้เราไปเที่ยวทะเลกับเพื่อน", {"ทะเล", "เที่ยว", "เพื่อน", "วันนี้", "ไปเที่ยวทะเล", "กับ"}},
    {"Hôm nay chúng tôi đi biển Nha Trang, trời đẹp.",
     {"bien", "BIỂN", "troi dep", "\"nha trang\"", "đi", "chung toi"}},
};

static void every_language_is_found_as_its_people_type_it(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    edn_search_result r;
    size_t wrong = 0;

    for (size_t i = 0; i < EDN_COUNT(languages); i++)
        (void)diary_add(a, "2000-01-01", "", languages[i].text);
    for (size_t i = 0; i < EDN_COUNT(languages); i++) {
        for (size_t k = 0; k < EDN_COUNT(languages[i].queries); k++) {
            edn_entry_id got = {{0}};
            edn_buf text = EDN_BUF_INIT(4096);
            edn_status st = edn_client_search(a, edn_bytes_str(languages[i].queries[k]), NULL, first_hit, &got, &r,
                                              NULL);
            CHECK_STATUS(st, r.found ? EDN_E_CANCELLED : EDN_OK);
            if (r.found == 1)
                diary_text(a, &got, &text);
            bool same = edn_bytes_equal(edn_buf_view(&text), edn_bytes_str(languages[i].text));
            if (r.found != 1 || r.instead[0] || !same) {
                print_error("%s: %llu found\n", languages[i].queries[k], (unsigned long long)r.found);
                wrong++;
            }
            edn_buf_dispose(&text);
        }
    }
    CHECK_INT(wrong, 0);
    edn_client_close(a);
    world_free(w);
}

/* In each language two words that only accents tell apart, and both found by either: the one that was typed comes
 * first, although the other's entry is newer, shorter and says it twice. */
static const struct {
    const char *one, *other;
    const char *like_one; /* the same but for case and shape */
} accented[] = {
    {"résumé", "resume", "RÉSUMÉ"},          /* English */
    {"pêché", "péché", "Pe\u0302che\u0301"}, /* French */
    {"schön", "schon", "SCHÖN"},             /* German */
    {"sąd", "sad", "SĄD"},                   /* Polish */
    {"año", "ano", "An\u0303o"},             /* Spanish */
    {"avô", "avó", "AVÔ"},                   /* Portuguese */
    {"dům", "dum", "DŮM"},                   /* Czech */
    {"får", "far", "FÅR"},                   /* Swedish */
    {"kuş", "kus", "KUŞ"},                   /* Turkish */
    {"всё", "все", "ВСЁ"},                   /* Russian */
    {"πότε", "ποτέ", "ΠΌΤΕ"},                /* Greek */
    {"סֵפֶר", "סָפַר", "ס\u05b5פ\u05b6ר"},       /* Hebrew */
    {"عَلَم", "علم", "ع\u064eل\u064eم"},       /* Arabic */
    {"mã", "mạ", "ｍã"},                     /* Vietnamese */
};

typedef struct order {
    edn_entry_id first;
    size_t n;
} order;

static edn_status take_order(void *ctx, const edn_hit *hit)
{
    order *o = ctx;

    if (o->n++ == 0)
        o->first = hit->entry->id;
    return EDN_OK;
}

static void is_first(edn_client *c, const char *query, const edn_entry_id *want, size_t all)
{
    edn_search_result r;
    order o = {.n = 0};

    CHECK_OK(edn_client_search(c, edn_bytes_str(query), NULL, take_order, &o, &r, NULL));
    if (o.n != all || memcmp(&o.first, want, sizeof *want) != 0)
        print_error("%s: %zu found\n", query, o.n);
    CHECK_INT(o.n, all);
    CHECK_INT(r.found, all);
    CHECK(memcmp(&o.first, want, sizeof *want) == 0);
}

static void what_has_the_accents_that_were_typed_comes_first(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    edn_entry_id one[EDN_COUNT(accented)], other[EDN_COUNT(accented)];
    char text[200];

    for (size_t i = 0; i < EDN_COUNT(accented); i++) {
        snprintf(text, sizeof text, "n%zu, and a long way to it before it says %s.", i, accented[i].one);
        one[i] = diary_add(a, "1999-01-01", "", text);
        snprintf(text, sizeof text, "n%zu %s %s", i, accented[i].other, accented[i].other);
        other[i] = diary_add(a, "2000-01-01", "", text);
    }
    for (int folded = 0; folded < 2; folded++) { /* as noted, and in a shard */
        for (size_t i = 0; i < EDN_COUNT(accented); i++) {
            is_first(a, accented[i].one, &one[i], 2);
            is_first(a, accented[i].like_one, &one[i], 2);
            is_first(a, accented[i].other, &other[i], 2);
            snprintf(text, sizeof text, "n%zu -nothing (%s OR nothing)", i, accented[i].one);
            is_first(a, text, &one[i], 2);
            snprintf(text, sizeof text, "\"n%zu %s\" OR %s", i, accented[i].other, accented[i].one);
            is_first(a, text, &other[i], 2); /* both as typed: by score */
        }
        if (!folded)
            CHECK_OK(edn_client_reindex(a, NULL, NULL));
    }
    edn_client_close(a);
    world_free(w);
}

/* ---- what goes with it ------------------------------------------------------------------------------------------- */

static void a_word_that_nobody_wrote_is_guessed_and_named(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    edn_search_result r;
    edn_err err;

    diary_add(a, "2000-01-01", "", "We went by water to Deptford");
    diary_add(a, "2000-01-02", "", "At home");
    CHECK_OK(edn_client_search(a, edn_bytes_str("depford water"), NULL, NULL, NULL, &r, &err));
    CHECK_INT(r.found, 1);
    CHECK_STR(edn_bytes_str(r.instead), "deptford for depford");
    CHECK_OK(edn_client_search(a, edn_bytes_str("\xc3\xbcrgendwo"), NULL, NULL, NULL, &r, &err));
    CHECK_INT(r.found, 0);
    CHECK_INT(r.instead[0], 0);
    CHECK_STATUS(edn_client_search(a, edn_bytes_str("sea ("), NULL, NULL, NULL, &r, &err), EDN_E_INVALID);
    CHECK(strstr(err.text, "character 6") != NULL);
    CHECK_STATUS(edn_client_search(a, edn_bytes_str("journal:nowhere"), NULL, NULL, NULL, &r, &err), EDN_E_MISSING);
    CHECK(strstr(err.text, "no journal \"nowhere\"") != NULL);
    edn_client_close(a);
    world_free(w);
}

static edn_status add_month(void *ctx, const edn_month_count *m)
{
    edn_put_str(ctx, m->month);
    edn_put_u8(ctx, (uint8_t)('0' + m->entries));
    edn_put_u8(ctx, (uint8_t)('0' + m->words));
    return EDN_OK;
}

static edn_status add_tag(void *ctx, edn_bytes tag, uint64_t entries)
{
    edn_put_bytes(ctx, tag.p, tag.n);
    edn_put_u8(ctx, (uint8_t)('0' + entries));
    return EDN_OK;
}

static void entries_alike_and_counts(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    edn_buf b = EDN_BUF_INIT(4096);
    edn_bytes query = edn_bytes_str("ship");
    edn_entry_id harbour, ship, got = {{0}};

    harbour = diary_add(a, "2000-01-01", "", "ship harbour rope");
    diary_add(a, "2000-01-02", "", "bread and butter");
    ship = diary_add(a, "2000-03-01", "", "a ship and a rope");
    CHECK_OK(edn_client_tag(a, &ship, edn_bytes_str("Sea"), true, NULL));
    CHECK_STATUS(edn_client_similar(a, &harbour, 3, NULL, first_hit, &got, NULL), EDN_E_CANCELLED);
    CHECK(memcmp(got.b, ship.b, sizeof got.b) == 0);
    CHECK_OK(edn_client_stats(a, NULL, NULL, add_month, add_tag, &b, NULL));
    CHECK_STR(edn_buf_view(&b), "2000-01262000-0316sea1"); /* the tag counts as a word of its entry */
    edn_buf_reset(&b);
    CHECK_OK(edn_client_stats(a, &query, NULL, add_month, NULL, &b, NULL));
    CHECK_STR(edn_buf_view(&b), "2000-01102000-0310");
    edn_buf_dispose(&b);
    edn_client_close(a);
    world_free(w);
}

/* After a deletion and `reindex`, or enough of other deletions, no segment holds a word of it. */
static void what_is_deleted_leaves_the_index(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    edn_entry_id id[12];

    hasten(a);
    for (size_t i = 0; i < EDN_COUNT(id); i++) {
        char text[64];
        snprintf(text, sizeof text, "secretword%zu and others", i);
        id[i] = diary_add(a, "2000-01-01", "", text);
    }
    CHECK_INT(check_query(a, "others", false, NULL), EDN_COUNT(id));
    for (size_t i = 0; i < 6; i++)
        CHECK_OK(edn_client_remove(a, &id[i], NULL));
    CHECK_INT(check_query(a, "others", false, NULL), EDN_COUNT(id) - 6);
    CHECK_OK(client_begin_read(a, NULL));
    CHECK_OK(index_load(a));
    CHECK_OK(index_open(a));
    CHECK_INT(a->index->shards_n, 1);
    CHECK_INT(a->index->shards[0].docs, EDN_COUNT(id) - 6);
    CHECK_INT(a->index->shards[0].dead_n, 0);
    CHECK_OK(client_end_read(a, EDN_OK, NULL));
    edn_client_close(a);
    world_free(w);
}

/* The manifest's key is a hash: in one home of 256 it begins like the keys of what is pending. */
static void a_row_that_begins_like_a_pending_one_is_none(void **state)
{
    static const uint8_t key[16] = {1, 2, 3};
    world *w = world_new();
    edn_client *c = world_init(w, "a");
    uint64_t next;

    (void)state;
    diary_add(c, "2024-05-01", "", "a word");
    CHECK_INT(check_query(c, "word", false, NULL), 1);
    CHECK_OK(client_begin_write(c, NULL));
    CHECK_OK(
        edn_store_put(c->store, EDN_TABLE_INDEX, edn_bytes_of(key, sizeof key), edn_bytes_str("as long as no date")));
    CHECK_OK(client_end_write(c, EDN_OK, NULL));
    CHECK_OK(client_begin_read(c, NULL));
    CHECK_OK(index_load(c));
    next = c->index->next;
    CHECK_OK(client_end_read(c, EDN_OK, NULL));
    CHECK(next > 0);
    edn_client_close(c);
    c = world_open(w, "a");
    CHECK_INT(check_query(c, "word", false, NULL), 1);
    CHECK_OK(client_begin_read(c, NULL));
    CHECK_OK(index_load(c));
    CHECK_INT(c->index->next, next); /* it was not made anew */
    CHECK_OK(client_end_read(c, EDN_OK, NULL));
    edn_client_close(c);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(search_agrees_with_reading_whatever_happens),
        cmocka_unit_test(what_others_change_is_found),
        cmocka_unit_test(three_devices_find_the_same_in_the_same_order),
        cmocka_unit_test(an_import_is_indexed_by_the_first_search_which_can_be_stopped),
        cmocka_unit_test(a_damaged_index_is_made_anew_and_costs_nothing_else),
        cmocka_unit_test(verify_names_an_index_that_is_damaged_or_does_not_fit),
        cmocka_unit_test(every_language_is_found_as_its_people_type_it),
        cmocka_unit_test(what_has_the_accents_that_were_typed_comes_first),
        cmocka_unit_test(a_word_that_nobody_wrote_is_guessed_and_named),
        cmocka_unit_test(entries_alike_and_counts),
        cmocka_unit_test(what_is_deleted_leaves_the_index),
        cmocka_unit_test(a_row_that_begins_like_a_pending_one_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
