/* The full-text index beside SQLite's FTS5: what building, keeping and asking cost, ours with every page sealed.
 *
 *   search-bench corpus DIR PEPYS [LUXUN]   writes DIR/{pepys,big,luxun}.tsv, and their .queries: 100,000 entries
 *                                           recombined from the diary's sentences, with new words, tags and dates
 *   search-bench CASE DIR NAME              one measurement in a process of its own; scripts/bench runs them all
 *
 * Cases: build, fts-build, fts-size, query, fts-query, cold, fts-cold, cold-common, fts-cold-common, add, fts-add,
 * wire, typo, chinese. A figure is a line "name<TAB>value<TAB>unit"; bench/peers/search/ratios.py sets ours over the
 * peers' of the same run. Times of queries are CPU of this thread, each query's least of three rounds; nothing keeps
 * answers, and the cases "cold" run in fresh processes after the files were dropped from the system's cache. */
#define _GNU_SOURCE /* getline, asprintf */
#include <ctype.h>
#include <fcntl.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "search/image.h"
#include "search/snippet.h"
#include "search_ours.h"
#include "wire/wire.h"

#define BUILDER_MEMORY ((size_t)25 << 20) /* what a builder may hold before it begins another segment */

static double cpu_s(void) { return clock_s(CLOCK_PROCESS_CPUTIME_ID); }
static double thread_s(void) { return clock_s(CLOCK_THREAD_CPUTIME_ID); }

static double rss_mib(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss / 1024;
}

static double file_size(const char *path)
{
    struct stat s;

    return stat(path, &s) == 0 ? (double)s.st_size : 0;
}

static uint64_t rng_state = 88172645463325252u;
static uint64_t rng(void)
{
    rng_state ^= rng_state >> 12;
    rng_state ^= rng_state << 25;
    rng_state ^= rng_state >> 27;
    return rng_state * 0x2545f4914f6cdd1du;
}
static size_t below(size_t n) { return n ? (size_t)(rng() % n) : 0; }

/* ---- corpora ----------------------------------------------------------------------------------------------------- */

/* A line: date, title, tags (with blanks between), text; fields parted by tabs. Lines are in order of date. */
typedef struct line {
    char *buf, *date, *title, *tags, *text;
    size_t cap;
} line;

static bool line_read(FILE *f, line *l)
{
    ssize_t n = getline(&l->buf, &l->cap, f);
    char *at = l->buf;

    if (n <= 0)
        return false;
    l->buf[n - 1] = 0;
    l->date = strsep(&at, "\t");
    l->title = strsep(&at, "\t");
    l->tags = strsep(&at, "\t");
    l->text = at;
    if (!l->text)
        die("corpus", "a line without four fields");
    return true;
}

static void flatten(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < ' ')
            *s = ' ';
}

typedef struct strings {
    char **v;
    size_t n, cap;
} strings;

static void strings_add(strings *s, const char *p, size_t n)
{
    if (s->n == s->cap) {
        s->cap = 2 * s->cap + 1024;
        s->v = realloc(s->v, s->cap * sizeof *s->v);
        if (!s->v)
            die("memory", "none");
    }
    if (!(s->v[s->n++] = strndup(p, n)))
        die("memory", "none");
}

static void sentences_split(strings *s, const char *text)
{
    const char *begin = text;

    for (const char *p = text; *p; p++)
        if ((*p == '.' || *p == ';' || *p == '!') && p[1] == ' ' && p - begin > 30) {
            strings_add(s, begin, (size_t)(p + 1 - begin));
            begin = p + 2;
        }
    if (*begin)
        strings_add(s, begin, strlen(begin));
}

/* The corpora of shared/: JSON lines, a day each. Writes NAME.tsv; sentences go to `s` when wanted. */
static void corpus_convert(const char *from, const char *to, strings *s)
{
    FILE *in = open_or_die(from, "r"), *out = open_or_die(to, "w");
    char *buf = NULL;
    size_t cap = 0;
    unsigned i = 0;

    while (getline(&buf, &cap, in) > 0) {
        json_t *o = json_loads(buf, 0, NULL);
        const char *date, *title = "";
        char *text = NULL, day[11];
        if (!o || json_unpack(o, "{s:s, s?s, s:s}", "date", &date, "title", &title, "text", &date) != 0)
            die(from, "not a corpus");
        date = json_string_value(json_object_get(o, "date"));
        text = strdup(json_string_value(json_object_get(o, "text")));
        snprintf(day, sizeof day, "%s", date);
        flatten(text);
        if (s)
            sentences_split(s, text);
        fprintf(out, "%.4s%.2s%.2s\t%s\ttag%u\t%s\n", day, day + 5, day + 8, title, i++ % 20, text);
        free(text);
        json_decref(o);
    }
    free(buf);
    fclose(in);
    fclose(out);
}

static void word_invent(char out[16])
{
    static const char *const parts[] = {"ba",  "ce",  "di",  "fo",  "gu",  "ha",  "le",  "mi",
                                        "no",  "pu",  "ra",  "se",  "ti",  "vo",  "zu",  "bre",
                                        "cla", "dro", "sti", "pla", "men", "ton", "ver", "wick"};
    /* The square of a random number: some of them often, most of them seldom. */
    double u = (double)below(1000000) / 1e6;
    size_t n = (size_t)(u * u * 140000), at = 0;

    for (int i = 0; i < 4; i++, n /= EDN_COUNT(parts))
        at += (size_t)snprintf(out + at, 16 - at, "%s", parts[n % EDN_COUNT(parts)]);
}

static void sentence_put(FILE *out, const char *s)
{
    for (const char *p = s; *p;) {
        const char *end = strchrnul(p, ' ');
        char word[16];
        if (below(100) == 0) {
            word_invent(word);
            fputs(word, out);
        } else {
            fwrite(p, 1, (size_t)(end - p), out);
        }
        if (*end)
            fputc(' ', out);
        p = *end ? end + 1 : end;
    }
}

/* 100,000 entries over 35 years: sentences of neighbouring pages, one word in a hundred a new one. */
static void corpus_big(const char *to, const strings *s)
{
    static const char *const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
    FILE *out = open_or_die(to, "w");

    for (unsigned i = 0; i < 100000; i++) {
        unsigned day = (unsigned)((uint64_t)i * 35 * 372 / 100000), y = 1990 + day / 372, m = day / 31 % 12 + 1,
                 d = EDN_MIN(day % 31 + 1, 28u);
        size_t want = 60 + below(1000) + (below(4) ? 0 : below(2600)), page = below(s->n), n = 0;
        fprintf(out, "%04u%02u%02u\t%s %u\ttag%zu tag%zu\t", y, m, d, days[day % 7], d, below(1 + below(20)),
                below(20));
        while (n < want) {
            const char *one = s->v[(page + below(400)) % s->n];
            sentence_put(out, one);
            fputc(' ', out);
            n += strlen(one);
        }
        fputc('\n', out);
    }
    fclose(out);
}

/* ---- queries ----------------------------------------------------------------------------------------------------- */

/* A line of them: class, words with blanks between, and for dates "from to" (days as in the corpus), else "". */
typedef struct sampled {
    strings lines; /* texts, one of 50 */
    strings dates;
    strings common;
} sampled;

static bool plain(const char *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!islower((unsigned char)w[i]))
            return false;
    return n >= 3;
}

/* `n` plain words in a row somewhere in a text; false when there were none in a few tries. */
static bool words_sample(const char *text, size_t n, char *out, size_t size)
{
    for (int tries = 0; tries < 40; tries++) {
        const char *p = text + below(strlen(text) + 1);
        size_t got = 0, at = 0;
        while (*p && p > text && p[-1] != ' ')
            p++;
        for (; got < n; got++) {
            size_t w = strcspn(p, " ");
            if (!plain(p, w) || at + w + 2 > size)
                break;
            at += (size_t)snprintf(out + at, size - at, "%s%.*s", got ? " " : "", (int)w, p);
            p += w + (p[w] == ' ');
        }
        if (got == n)
            return true;
    }
    return false;
}

static void queries_make(const char *tsv, const char *to)
{
    static const struct {
        const char *name;
        unsigned n;
    } classes[] = {{"common", 30},      {"and", 40},  {"phrase", 40}, {"prefix", 30},
                   {"word+prefix", 20}, {"date", 20}, {"tag", 20}};
    static const char *const common[] = {"the",  "and",  "that",    "with", "my",   "home",  "there",
                                         "lord", "then", "office",  "good", "very", "great", "dinner",
                                         "mr",   "all",  "evening", "bed",  "king", "day"};
    FILE *in = open_or_die(tsv, "r"), *out = open_or_die(to, "w");
    sampled s = {0};
    line l = {0};

    for (unsigned i = 0; line_read(in, &l); i++)
        if (i % 17 == 0 && strlen(l.text) > 200) {
            strings_add(&s.lines, l.text, strlen(l.text));
            strings_add(&s.dates, l.date, strlen(l.date));
        }
    for (size_t c = 0; c < EDN_COUNT(classes); c++)
        for (unsigned k = 0; k < classes[c].n;) {
            size_t at = below(s.lines.n);
            char a[64], b[128];
            const char *text = s.lines.v[at];
            if (!words_sample(text, 1, a, sizeof a) || !words_sample(text, 2 + below(4) / 3, b, sizeof b))
                continue;
            k++;
            if (c == 0)
                fprintf(out, "common\t%s\t\n", common[k % EDN_COUNT(common)]);
            else if (c == 1)
                fprintf(out, "and\t%s %.*s\t\n", a, (int)strcspn(b, " "), b);
            else if (c == 2)
                fprintf(out, "phrase\t%s\t\n", b);
            else if (c == 3)
                fprintf(out, "prefix\t%.*s\t\n", 2 + (int)below(2), a);
            else if (c == 4)
                fprintf(out, "word+prefix\t%s %.*s\t\n", a, 2 + (int)below(2), b);
            else if (c == 5)
                fprintf(out, "date\t%s\t%.4s0101 %.4s1231\n", a, s.dates.v[at], s.dates.v[at]);
            else
                fprintf(out, "tag\t%s\ttag%zu\n", a, below(20));
        }
    fclose(in);
    fclose(out);
}

static void corpus(const char *dir, const char *pepys, const char *luxun)
{
    strings s = {0};

    corpus_convert(pepys, path_of(dir, "pepys", ".tsv"), &s);
    corpus_big(path_of(dir, "big", ".tsv"), &s);
    if (luxun)
        corpus_convert(luxun, path_of(dir, "luxun", ".tsv"), NULL);
    queries_make(path_of(dir, "pepys", ".tsv"), path_of(dir, "pepys", ".queries"));
    queries_make(path_of(dir, "big", ".tsv"), path_of(dir, "big", ".queries"));
}

/* ---- ours: sealed segments in files ------------------------------------------------------------------------------ */

static edn_status page_seal(uint8_t box[BOX_SIZE], uint32_t segment, uint32_t page, edn_bytes bytes)
{
    uint8_t aad[16], rnd[32];

    aad_of(aad, segment, page);
    if (getrandom(rnd, sizeof rnd, 0) != sizeof rnd)
        return EDN_E_IO;
    memcpy(box + EDN_SEAL_HEAD_SIZE, bytes.p, bytes.n);
    edn_seal_in_place(box, bytes.n, key, EDN_SUITE_1, edn_bytes_of(aad, sizeof aad), rnd);
    return EDN_OK;
}

static edn_status sealed_out(void *ctx, uint32_t page, edn_bytes bytes)
{
    static uint8_t box[BOX_SIZE];
    sealed *f = ctx;

    if (page_seal(box, f->no, page, bytes) != EDN_OK)
        return EDN_E_IO;
    if (pwrite(f->fd, box, bytes.n + EDN_SEAL_OVERHEAD, (off_t)page * BOX_SIZE) !=
        (ssize_t)(bytes.n + EDN_SEAL_OVERHEAD))
        return EDN_E_IO;
    return EDN_OK;
}

static void sealed_create(sealed *f, const char *dir, const char *name, uint32_t no)
{
    char end[32];

    snprintf(end, sizeof end, ".%u.seg", no);
    f->no = no;
    f->buf = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    f->fd = open(path_of(dir, name, end), O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (f->fd < 0)
        die(name, "a segment's file cannot be made");
}

static void doc_of_line(edn_segment_doc *d, const line *l, uint32_t i)
{
    uint64_t h = edn_table_hash(&i, sizeof i, 7);

    /* As random as an entry's id is, and its number to be found again. */
    edn_store_u32(d->entry.b, i);
    edn_store_u64(d->entry.b + 4, h);
    edn_store_u32(d->entry.b + 12, (uint32_t)edn_table_hash(&h, sizeof h, 9));
    edn_store_u64(d->version, edn_table_hash(&h, sizeof h, 8));
    d->date = (uint32_t)atoi(l->date);
}

static void doc_add(edn_builder *b, const line *l, uint32_t i)
{
    char tags[64], *at = tags, *tag;
    edn_segment_doc d;

    doc_of_line(&d, l, i);
    edn_builder_doc(b, &d);
    edn_builder_text(b, edn_bytes_str(l->title), true);
    edn_builder_text(b, edn_bytes_str(l->text), false);
    snprintf(tags, sizeof tags, "%s", l->tags);
    while ((tag = strsep(&at, " ")) && *tag)
        edn_builder_tag(b, edn_bytes_str(tag));
    edn_builder_mark(b, EDN_TERM_JOURNAL, edn_bytes_str(i % 9 ? "0123456789abcdef" : "fedcba9876543210"));
}

static void ours_save(ours *o, const char *dir, const char *name)
{
    FILE *f = open_or_die(path_of(dir, name, ".segments"), "w");

    for (size_t i = 0; i < o->n; i++)
        fprintf(f, "%u %llu\n", o->files[i].no, (unsigned long long)o->files[i].size);
    fclose(f);
}

static void ours_segment(ours *o, edn_builder *b, const char *dir, const char *name)
{
    sealed *f = &o->files[o->n];

    sealed_create(f, dir, name, (uint32_t)o->n);
    ok(edn_builder_finish(b, sealed_out, f, &f->size), "finish");
    edn_builder_free(b);
    o->n++;
}

/* Every 97th entry was deleted since, so that masks are at work; FTS5 never had them. */
static bool is_deleted(uint32_t i) { return i % 97 == 96; }

/* The masks, as a client keeps them beside its segments: made once, read by those who open. */
static void masks_make(ours *o, const char *dir, const char *name)
{
    FILE *f = open_or_die(path_of(dir, name, ".masks"), "w");

    for (size_t k = 0; k < o->n; k++) {
        uint32_t n = edn_segment_docs(o->parts[k].segment);
        uint8_t *dead = calloc(1, n / 8 + 1);
        for (uint32_t i = 0; dead && i < n; i++) {
            edn_segment_doc d;
            ok(edn_segment_doc_at(o->parts[k].segment, i, &d), "document");
            if (is_deleted(edn_load_u32(d.entry.b)))
                dead[i / 8] |= (uint8_t)(1u << i % 8);
        }
        fwrite(dead, 1, n / 8 + 1, f);
        free(dead);
    }
    fclose(f);
}

static void case_build(const char *dir, const char *name)
{
    FILE *f = open_or_die(path_of(dir, name, ".tsv"), "r");
    double begin = cpu_s(), bytes = 0, whole;
    edn_builder *b;
    sealed merged = {0};
    ours o = {0};
    line l = {0};

    ok(edn_builder_new(0, &b), "builder");
    for (uint32_t i = 0; line_read(f, &l); i++) {
        doc_add(b, &l, i);
        if (edn_builder_memory(b) > BUILDER_MEMORY) {
            ours_segment(&o, b, dir, name);
            ok(edn_builder_new(0, &b), "builder");
        }
    }
    ours_segment(&o, b, dir, name);
    figure("build, CPU", cpu_s() - begin, "s");
    figure("build, memory", rss_mib(), "MiB");
    figure("build, segments", (double)o.n, "");
    for (size_t i = 0; i < o.n; i++)
        bytes += file_size(path_of(dir, name, (char[]){'.', (char)('0' + i), '.', 's', 'e', 'g', 0}));
    figure("index as built", bytes, "bytes");
    ours_save(&o, dir, name);
    o = (ours){0};
    ours_open(&o, dir, name, false);
    masks_make(&o, dir, name);
    masks_read(&o, dir, name);
    begin = cpu_s();
    sealed_create(&merged, dir, name, 99);
    for (size_t i = 0; i < o.n; i++)
        o.parts[i].dead = NULL; /* FTS5 holds them too */
    ok(edn_segment_merge(o.parts, o.n, 0, sealed_out, &merged, &merged.size), "merge");
    figure("compaction, CPU", cpu_s() - begin, "s");
    whole = (double)(merged.size + (merged.size + EDN_PAGE_SIZE - 1) / EDN_PAGE_SIZE * EDN_SEAL_OVERHEAD);
    figure("index compacted", whole, "bytes");
}

/* ---- FTS5 -------------------------------------------------------------------------------------------------------- */

static void sql(sqlite3 *db, const char *text)
{
    char *e = NULL;

    if (sqlite3_exec(db, text, NULL, NULL, &e) != SQLITE_OK)
        die(text, e ? e : "failed");
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *text)
{
    sqlite3_stmt *s;

    if (sqlite3_prepare_v2(db, text, -1, &s, NULL) != SQLITE_OK)
        die(text, sqlite3_errmsg(db));
    return s;
}

static sqlite3 *fts_open(const char *path)
{
    sqlite3 *db;

    if (sqlite3_open(path, &db) != SQLITE_OK)
        die(path, "cannot be opened");
    sql(db, "PRAGMA cache_size=-65536; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL");
    return db;
}

static void fts_fill(sqlite3 *db, const char *insert, const char *dir, const char *name)
{
    FILE *f = open_or_die(path_of(dir, name, ".tsv"), "r");
    sqlite3_stmt *s = prepare(db, insert);
    line l = {0};

    sql(db, "BEGIN");
    for (int i = 1; line_read(f, &l); i++) {
        sqlite3_bind_int(s, 1, i);
        sqlite3_bind_text(s, 2, l.title, -1, SQLITE_STATIC);
        sqlite3_bind_text(s, 3, l.text, -1, SQLITE_STATIC);
        sqlite3_bind_text(s, 4, l.tags, -1, SQLITE_STATIC);
        if (sqlite3_step(s) != SQLITE_DONE)
            die("insert", sqlite3_errmsg(db));
        sqlite3_reset(s);
    }
    sql(db, "COMMIT");
    sqlite3_finalize(s);
    fclose(f);
}

static void case_fts_build(const char *dir, const char *name)
{
    char *path = path_of(dir, name, ".fts");
    double begin;
    sqlite3 *db;

    unlink(path);
    db = fts_open(path);
    begin = cpu_s();
    /* The text first: each place in a later column costs two bytes more. */
    sql(db, "CREATE VIRTUAL TABLE f USING fts5(text, title, tags, content='')");
    fts_fill(db, "INSERT INTO f(rowid, title, text, tags) VALUES (?, ?, ?, ?)", dir, name);
    figure("fts5: build, CPU", cpu_s() - begin, "s");
    figure("fts5: build, memory", rss_mib(), "MiB");
    sqlite3_close(db);
}

/* Beside it, the same with its texts, for snippets; and the smallest that optimising makes of the first. */
static void case_fts_size(const char *dir, const char *name)
{
    char *path = path_of(dir, name, ".fts"), *external = path_of(dir, name, ".external"),
         *small = path_of(dir, name, ".optimised"), *text;
    sqlite3 *db = fts_open(path);

    unlink(small);
    if (asprintf(&text, "VACUUM INTO '%s'", small) < 0)
        die("memory", "none");
    sql(db, "INSERT INTO f(f) VALUES ('optimize'); PRAGMA wal_checkpoint(TRUNCATE)");
    sql(db, text);
    figure("fts5: index optimised", file_size(small), "bytes");
    sqlite3_close(db);
    unlink(external);
    db = fts_open(external);
    sql(db, "CREATE TABLE e(id INTEGER PRIMARY KEY, title, text, tags);"
            "CREATE VIRTUAL TABLE f USING fts5(text, title, tags, content='e', content_rowid='id');"
            "CREATE TRIGGER t AFTER INSERT ON e BEGIN INSERT INTO f(rowid, title, text, tags) VALUES "
            "(new.id, new.title, new.text, new.tags); END");
    fts_fill(db, "INSERT INTO e(id, title, text, tags) VALUES (?, ?, ?, ?)", dir, name);
    sqlite3_close(db);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static void say_times(const char *who, const char *what, const asked *v, size_t n, size_t offset, bool phrases,
                      bool prefixes)
{
    double all[512];
    size_t k = 0;
    char name[128];

    for (size_t i = 0; i < n; i++)
        if ((phrases || strcmp(v[i].class, "phrase") != 0) && (!prefixes || strstr(v[i].class, "prefix")))
            all[k++] = *(const double *)((const char *)&v[i] + offset) * 1e3;
    snprintf(name, sizeof name, "%s%s, p50", who, what);
    figure(name, percentile(all, k, 0.5), "ms");
    snprintf(name, sizeof name, "%s%s, p99", who, what);
    figure(name, percentile(all, k, 0.99), "ms");
}

static void say_all(const char *who, const asked *v, size_t n, const char *dir, const char *name, const char *end)
{
    static const char *const classes[] = {"common", "and", "phrase", "prefix", "word+prefix", "date", "tag"};
    FILE *f = open_or_die(path_of(dir, name, end), "w");

    say_times(who, "first 20", v, n, offsetof(asked, ranked), true, false);
    say_times(who, "first 20 without phrases", v, n, offsetof(asked, ranked), false, false);
    say_times(who, "first 20 of a prefix", v, n, offsetof(asked, ranked), true, true);
    say_times(who, "first 20 with snippets", v, n, offsetof(asked, snippets), true, false);
    say_times(who, "hit count", v, n, offsetof(asked, count), true, false);
    for (size_t c = 0; c < EDN_COUNT(classes); c++) {
        double all[512], counts[512];
        size_t k = 0;
        char what[128];
        for (size_t i = 0; i < n; i++)
            if (strcmp(v[i].class, classes[c]) == 0) {
                counts[k] = v[i].count * 1e3;
                all[k++] = v[i].ranked * 1e3;
            }
        snprintf(what, sizeof what, "%sfirst 20, %s, p50", who, classes[c]);
        figure(what, percentile(all, k, 0.5), "ms");
        snprintf(what, sizeof what, "%sfirst 20, %s, p99", who, classes[c]);
        figure(what, percentile(all, k, 0.99), "ms");
        snprintf(what, sizeof what, "%shit count, %s, p99", who, classes[c]);
        figure(what, percentile(counts, k, 0.99), "ms");
    }
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%lld\t%s\t%s\t%s\n", v[i].hits, v[i].class, v[i].words, v[i].extra);
    fclose(f);
}

/* The entries themselves, as a client has them: each compressed and sealed. */
typedef struct texts {
    int fd;
    uint64_t *at; /* where entry i begins; the end of the last */
    size_t n, cap;
    edn_buf box, text;
} texts;

static void texts_make(texts *t, const char *dir, const char *name)
{
    FILE *f = open_or_die(path_of(dir, name, ".tsv"), "r");
    char *path = path_of(dir, name, ".texts");
    line l = {0};
    uint64_t at = 0;

    t->box = t->text = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    t->fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    while (line_read(f, &l)) {
        size_t n = strlen(l.text), most = ZSTD_compressBound(n);
        uint8_t rnd[32] = {0};
        if (t->n + 2 > t->cap) {
            t->cap = 2 * t->cap + 1024;
            t->at = realloc(t->at, t->cap * sizeof *t->at);
        }
        edn_buf_reset(&t->text);
        edn_buf_reset(&t->box);
        edn_buf_reserve(&t->text, most);
        t->text.n = ZSTD_compress(t->text.p, most, l.text, n, 3);
        edn_store_u64(rnd, at);
        ok(edn_seal(&t->box, key, EDN_SUITE_1, EDN_BYTES_EMPTY, edn_buf_view(&t->text), rnd), "seal");
        t->at[t->n++] = at;
        if (pwrite(t->fd, t->box.p, t->box.n, (off_t)at) != (ssize_t)t->box.n)
            die(path, "cannot be written");
        at += t->box.n;
        t->at[t->n] = at;
    }
    fclose(f);
}

static edn_bytes text_get(texts *t, uint32_t i, edn_buf *plaintext)
{
    size_t n = (size_t)(t->at[i + 1] - t->at[i]);
    unsigned long long size;

    edn_buf_reset(&t->box);
    edn_buf_reset(&t->text);
    edn_buf_reserve(&t->box, n);
    if (pread(t->fd, t->box.p, n, (off_t)t->at[i]) != (ssize_t)n)
        die("texts", "cannot be read");
    ok(edn_unseal(&t->text, key, EDN_SUITE_1, EDN_BYTES_EMPTY, edn_bytes_of(t->box.p, n)), "unseal");
    size = ZSTD_getFrameContentSize(t->text.p, t->text.n);
    edn_buf_reset(plaintext);
    edn_buf_reserve(plaintext, (size_t)size);
    plaintext->n = ZSTD_decompress(plaintext->p, (size_t)size, t->text.p, t->text.n);
    return edn_buf_view(plaintext);
}

static void ours_snippets(ours *o, texts *t, const char *text, edn_buf *plaintext)
{
    edn_arena a = edn_arena_init(1 << 20);
    edn_index_hit hits[FIRST];
    edn_query *q = parse(&a, text);
    size_t n;

    ok(edn_index_search(o->x, q, EDN_INDEX_BY_RANK, FIRST, hits, &n), text);
    for (size_t i = 0; i < n; i++) {
        edn_snippet s;
        edn_snippet_find(text_get(t, edn_load_u32(hits[i].entry.b), plaintext), q, 120, &s);
    }
    edn_arena_dispose(&a);
}

static uint64_t ours_count(ours *o, const char *text)
{
    edn_arena a = edn_arena_init(1 << 20);
    uint64_t n;

    ok(edn_index_count(o->x, parse(&a, text), &n), text);
    edn_arena_dispose(&a);
    return n;
}

static void case_query(const char *dir, const char *name)
{
    asked *v;
    size_t n = queries_read(dir, name, &v), opened = 0;
    double memory, pages[512];
    edn_index_hit hits[FIRST];
    edn_buf plaintext = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    ours o = {0}, all = {0};
    texts t = {0};

    ours_open(&o, dir, name, false);
    masks_read(&o, dir, name);
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < n; i++) {
            double begin = thread_s();
            uint64_t before = edn_pages_stats_get(o.pages).asked;
            ours_search(&o, v[i].ours, hits);
            least(&v[i].ranked, thread_s() - begin);
            pages[i] = (double)(edn_pages_stats_get(o.pages).asked - before);
            begin = thread_s();
            ours_count(&o, v[i].ours);
            least(&v[i].count, thread_s() - begin);
        }
    memory = rss_mib();
    for (size_t i = 0; i < o.n; i++)
        opened += o.files[i].opened;
    figure("query, memory", memory, "MiB");
    figure("query, pages opened in all", (double)opened, "");
    figure("query, page reads, p50", percentile(pages, n, 0.5), "");
    texts_make(&t, dir, name);
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < n; i++) {
            double begin = thread_s();
            ours_snippets(&o, &t, v[i].ours, &plaintext);
            least(&v[i].snippets, thread_s() - begin);
        }
    ours_open(&all, dir, name, true); /* counts with nothing deleted, for comparing with FTS5's */
    for (size_t i = 0; i < n; i++)
        v[i].hits = (long long)ours_count(&all, v[i].ours);
    say_all("", v, n, dir, name, ".hits");
}

static long rows_upto(const char *dir, const char *name, const char *date)
{
    static FILE *f;
    static line l;
    long n = 0;

    if (!f)
        f = open_or_die(path_of(dir, name, ".tsv"), "r");
    rewind(f);
    while (line_read(f, &l) && strcmp(l.date, date) <= 0)
        n++;
    return n;
}

static long long fts_run(sqlite3_stmt *s, const asked *q)
{
    long long last = 0;

    sqlite3_bind_text(s, 1, q->fts, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 2, q->from);
    sqlite3_bind_int64(s, 3, q->to);
    while (sqlite3_step(s) == SQLITE_ROW)
        last = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return last;
}

#define WHERE " WHERE f MATCH ? AND rowid BETWEEN ? AND ?"

static void case_fts_query(const char *dir, const char *name)
{
    sqlite3 *db = fts_open(path_of(dir, name, ".fts")), *ext;
    sqlite3_stmt *ranked = prepare(db, "SELECT rowid FROM f WHERE f MATCH ? ORDER BY rank LIMIT 20"),
                 *in_days = prepare(db, "SELECT rowid FROM f" WHERE " ORDER BY rank LIMIT 20"),
                 *count = prepare(db, "SELECT count(*) FROM f WHERE f MATCH ?"),
                 *count_days = prepare(db, "SELECT count(*) FROM f" WHERE), *snip, *snip_days;
    asked *v;
    size_t n = queries_read(dir, name, &v);

    for (size_t i = 0; i < n; i++)
        if (strcmp(v[i].class, "date") == 0) {
            char from[16], to[16];
            snprintf(from, sizeof from, "%.4s0100", v[i].extra);
            snprintf(to, sizeof to, "%.4s1231", v[i].extra + 9);
            v[i].from = rows_upto(dir, name, from) + 1;
            v[i].to = rows_upto(dir, name, to);
        }
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < n; i++) {
            double begin = thread_s();
            fts_run(v[i].to ? in_days : ranked, &v[i]);
            least(&v[i].ranked, thread_s() - begin);
            begin = thread_s();
            v[i].hits = fts_run(v[i].to ? count_days : count, &v[i]);
            least(&v[i].count, thread_s() - begin);
        }
    figure("fts5: query, memory", rss_mib(), "MiB");
    ext = fts_open(path_of(dir, name, ".external"));
    snip = prepare(ext,
                   "SELECT rowid, snippet(f, -1, '[', ']', '…', 16) FROM f WHERE f MATCH ? ORDER BY rank LIMIT 20");
    snip_days = prepare(ext, "SELECT rowid, snippet(f, -1, '[', ']', '…', 16) FROM f" WHERE " ORDER BY rank LIMIT 20");
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < n; i++) {
            double begin = thread_s();
            fts_run(v[i].to ? snip_days : snip, &v[i]);
            least(&v[i].snippets, thread_s() - begin);
        }
    say_all("fts5: ", v, n, dir, name, ".fts-hits");
}

/* ---- cold -------------------------------------------------------------------------------------------------------- */

/* How many pages of a file are in the system's memory. */
static size_t resident(int fd, size_t size)
{
    size_t n = (size + 4095) / 4096, found = 0;
    unsigned char *in = calloc(n + 1, 1);
    void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

    if (!in || p == MAP_FAILED || mincore(p, size, in) != 0)
        die("cold", "what is cached cannot be told");
    for (size_t i = 0; i < n; i++)
        found += in[i] & 1;
    munmap(p, size);
    free(in);
    return found;
}

/* Drops a file from the system's memory; one that stays there would make a cold start a warm one. */
static void forget(const char *path)
{
    int fd = open(path, O_RDONLY);
    struct stat st;

    if (fd < 0)
        return;
    (void)fdatasync(fd); /* a page that was not written stays */
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    if (fstat(fd, &st) != 0 || (st.st_size && resident(fd, (size_t)st.st_size) > 16))
        die(path, "the system keeps it in memory; a cold start cannot be measured");
    close(fd);
}

/* Two words that some fifty entries hold together: what is measured is opening. Two of the most frequent words of all
 * are asked as well, but no goal hangs on them: FTS5 scores every hit of theirs, which says nothing about opening. */
static const asked cold_few = {.ours = "ground secure", .fts = "ground secure"},
                   cold_many = {.ours = "lord office", .fts = "lord office"};

/* From before the first file is opened to the first hits, in ms; pages are those that were read and unsealed. */
static void cold(const char *dir, const char *name, const asked *q, const char *what)
{
    edn_index_hit hits[FIRST];
    ours o = {0};
    double begun;
    char text[64];

    for (char end[] = ".0.seg"; end[1] <= '9'; end[1]++)
        forget(path_of(dir, name, end));
    forget(path_of(dir, name, ".masks"));
    forget(path_of(dir, name, ".segments"));
    begun = clock_s(CLOCK_MONOTONIC);
    ours_open(&o, dir, name, false);
    masks_read(&o, dir, name);
    if (ours_search(&o, q->ours, hits) == 0)
        die("cold", "no hit");
    figure(what, (clock_s(CLOCK_MONOTONIC) - begun) * 1e3, "ms");
    snprintf(text, sizeof text, "%s, pages", what);
    figure(text, (double)edn_pages_stats_get(o.pages).opened, "");
}

static void fts_cold(const char *dir, const char *name, const asked *q, const char *what)
{
    char *path = path_of(dir, name, ".fts");
    sqlite3 *db;
    double begun;

    forget(path);
    forget(path_of(dir, name, ".fts-wal"));
    begun = clock_s(CLOCK_MONOTONIC);
    db = fts_open(path);
    if (fts_run(prepare(db, "SELECT rowid FROM f WHERE f MATCH ? ORDER BY rank LIMIT 20"), q) == 0)
        die("cold", "no hit");
    figure(what, (clock_s(CLOCK_MONOTONIC) - begun) * 1e3, "ms");
}

static void case_cold(const char *dir, const char *name) { cold(dir, name, &cold_few, "cold open"); }

static void case_cold_common(const char *dir, const char *name) { cold(dir, name, &cold_many, "cold open, common"); }

static void case_fts_cold(const char *dir, const char *name) { fts_cold(dir, name, &cold_few, "fts5: cold open"); }

static void case_fts_cold_common(const char *dir, const char *name)
{
    fts_cold(dir, name, &cold_many, "fts5: cold open, common");
}

/* ---- adding one entry -------------------------------------------------------------------------------------------- */

#define ADDS 4096 /* so that a document goes all the way: into a small segment, a middle one, one of thousands */
#define FOLD 128  /* so many notes become a segment */
#define FAN 8     /* so many segments of a size become one */

/* A row a page in a database, as a client keeps them. */
typedef struct rows {
    sqlite3 *db;
    sqlite3_stmt *put, *get, *drop;
    edn_buf buf;
} rows;

typedef struct row_segment {
    rows *r;
    uint32_t no;
    uint64_t size;
    edn_segment *s;
} row_segment;

static edn_status row_out(void *ctx, uint32_t page, edn_bytes bytes)
{
    static uint8_t box[BOX_SIZE];
    row_segment *g = ctx;

    if (page_seal(box, g->no, page, bytes) != EDN_OK)
        return EDN_E_IO;
    sqlite3_bind_int64(g->r->put, 1, (int64_t)g->no << 20 | page);
    sqlite3_bind_blob(g->r->put, 2, box, (int)(bytes.n + EDN_SEAL_OVERHEAD), SQLITE_STATIC);
    if (sqlite3_step(g->r->put) != SQLITE_DONE)
        return EDN_E_IO;
    sqlite3_reset(g->r->put);
    return EDN_OK;
}

static edn_status row_page(void *ctx, uint32_t page, uint8_t *to, size_t n)
{
    row_segment *g = ctx;
    edn_status st;

    sqlite3_bind_int64(g->r->get, 1, (int64_t)g->no << 20 | page);
    if (sqlite3_step(g->r->get) != SQLITE_ROW)
        return EDN_E_MISSING;
    st = page_unseal(&g->r->buf, g->no, page,
                     edn_bytes_of(sqlite3_column_blob(g->r->get, 0), (size_t)sqlite3_column_bytes(g->r->get, 0)), to,
                     n);
    sqlite3_reset(g->r->get);
    return st;
}

/* Merges the last FAN segments when they are of one level, as often as that goes. */
static void levels_merge(rows *r, edn_pages *pages, row_segment *v, uint8_t *level, size_t *n)
{
    while (*n >= FAN && level[*n - FAN] == level[*n - 1]) {
        edn_segment_part parts[FAN];
        row_segment merged = {.r = r, .no = v[*n - 1].no + 1000000};
        size_t first = *n - FAN;
        for (size_t i = 0; i < FAN; i++) {
            ok(edn_segment_open(pages, v[first + i].size, row_page, &v[first + i], &parts[i].segment), "open");
            parts[i].dead = NULL;
        }
        ok(edn_segment_merge(parts, FAN, 0, row_out, &merged, &merged.size), "merge");
        for (size_t i = 0; i < FAN; i++) {
            edn_segment_free(parts[i].segment);
            sqlite3_bind_int64(r->drop, 1, (int64_t)v[first + i].no << 20);
            sqlite3_bind_int64(r->drop, 2, ((int64_t)v[first + i].no + 1) << 20);
            if (sqlite3_step(r->drop) != SQLITE_DONE)
                die("drop", sqlite3_errmsg(r->db));
            sqlite3_reset(r->drop);
        }
        v[first] = merged;
        level[first]++;
        *n = first + 1;
    }
}

/* All that was noted becomes a segment, in the transaction that is open. */
static void notes_fold(rows *r, edn_pages *pages, row_segment *v, uint8_t *level, size_t *n, edn_builder **b)
{
    static uint32_t no;

    v[*n] = (row_segment){.r = r, .no = ++no};
    level[*n] = 0;
    ok(edn_builder_finish(*b, row_out, &v[*n], &v[*n].size), "finish");
    edn_builder_free(*b);
    ok(edn_builder_new(0, b), "builder");
    ++*n;
    levels_merge(r, pages, v, level, n);
    sql(r->db, "DELETE FROM note");
}

static void run(sqlite3_stmt *s)
{
    if (sqlite3_step(s) != SQLITE_DONE)
        die("statement", sqlite3_errmsg(sqlite3_db_handle(s)));
    sqlite3_reset(s);
}

/* Commits of a small row each, and what one costs. They come first in both cases, so that the write-ahead log has its
 * full length and is written over from then on, as it is most of the time: while it grows, each commit costs half as
 * much again. */
static double bare_commits(sqlite3 *db)
{
    sqlite3_stmt *s, *begin_write, *commit;
    double begin = 0;

    sql(db, "CREATE TABLE IF NOT EXISTS bare(id INTEGER PRIMARY KEY, box); DELETE FROM bare");
    s = prepare(db, "INSERT INTO bare VALUES (?, zeroblob(80))");
    begin_write = prepare(db, "BEGIN IMMEDIATE");
    commit = prepare(db, "COMMIT");
    for (int i = 0; i < 2 * ADDS; i++) {
        if (i == ADDS)
            begin = cpu_s();
        run(begin_write);
        sqlite3_bind_int64(s, 1, i);
        run(s);
        run(commit);
    }
    sqlite3_finalize(s);
    sqlite3_finalize(begin_write);
    sqlite3_finalize(commit);
    return (cpu_s() - begin) / ADDS * 1e3;
}

/* As the client does it: a commit notes which entry is not in a segment yet, and what is noted is read as it stands;
 * FOLD notes become a segment, FAN segments one. All of it is counted. */
static void case_add(const char *dir, const char *name)
{
    FILE *f = open_or_die(path_of(dir, name, ".tsv"), "r");
    char *path = path_of(dir, name, ".rows");
    static row_segment v[ADDS];
    static uint8_t level[ADDS];
    double wall[ADDS], cpu = 0;
    size_t n = 0;
    edn_pages *pages;
    edn_builder *b;
    sqlite3_stmt *note, *begin_write, *commit;
    line l = {0};
    rows r = {.buf = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};

    unlink(path);
    r.db = fts_open(path);
    sql(r.db, "CREATE TABLE page(id INTEGER PRIMARY KEY, bytes BLOB); CREATE TABLE note(id INTEGER PRIMARY KEY, box)");
    r.put = prepare(r.db, "INSERT INTO page VALUES (?, ?)");
    r.get = prepare(r.db, "SELECT bytes FROM page WHERE id = ?");
    r.drop = prepare(r.db, "DELETE FROM page WHERE id >= ? AND id < ?");
    note = prepare(r.db, "INSERT INTO note VALUES (?, ?)");
    ok(edn_pages_new(1 << 20, &pages), "pages");
    ok(edn_builder_new(0, &b), "builder");
    begin_write = prepare(r.db, "BEGIN IMMEDIATE"); /* prepared, as the store has them */
    commit = prepare(r.db, "COMMIT");
    figure("a bare commit, CPU", bare_commits(r.db), "ms");
    for (uint32_t i = 0; i < ADDS && line_read(f, &l); i++) {
        double begin = cpu_s();
        uint8_t rnd[32] = {(uint8_t)i, (uint8_t)(i >> 8)};
        wall[i] = clock_s(CLOCK_MONOTONIC);
        run(begin_write);
        edn_buf_reset(&r.buf);
        ok(edn_seal(&r.buf, key, EDN_SUITE_1, EDN_BYTES_EMPTY, edn_bytes_of(l.date, 8), rnd), "seal");
        sqlite3_bind_int64(note, 1, i);
        sqlite3_bind_blob(note, 2, r.buf.p, (int)r.buf.n, SQLITE_TRANSIENT);
        run(note);
        doc_add(b, &l, i);
        if (i % FOLD == FOLD - 1)
            notes_fold(&r, pages, v, level, &n, &b);
        run(commit);
        cpu += cpu_s() - begin;
        wall[i] = (clock_s(CLOCK_MONOTONIC) - wall[i]) * 1e3;
    }
    figure("add one entry, CPU", cpu / ADDS * 1e3, "ms");
    figure("add one entry, p50", percentile(wall, ADDS, 0.5), "ms");
    figure("add one entry, p99", percentile(wall, ADDS, 0.99), "ms");
    fclose(f);
}

/* FTS5, to the end of the index that was built. */
static void case_fts_add(const char *dir, const char *name)
{
    FILE *f = open_or_die(path_of(dir, name, ".tsv"), "r");
    sqlite3 *db = fts_open(path_of(dir, name, ".fts"));
    sqlite3_stmt *s = prepare(db, "INSERT INTO f(rowid, title, text, tags) VALUES (?, ?, ?, ?)");
    double wall[ADDS], cpu = 0;
    line l = {0};

    (void)bare_commits(db);
    for (int i = 0; i < ADDS && line_read(f, &l); i++) {
        double begin = cpu_s();
        wall[i] = clock_s(CLOCK_MONOTONIC);
        sqlite3_bind_int(s, 1, 1000000 + i);
        sqlite3_bind_text(s, 2, l.title, -1, SQLITE_STATIC);
        sqlite3_bind_text(s, 3, l.text, -1, SQLITE_STATIC);
        sqlite3_bind_text(s, 4, l.tags, -1, SQLITE_STATIC);
        if (sqlite3_step(s) != SQLITE_DONE)
            die("insert", sqlite3_errmsg(db));
        sqlite3_reset(s);
        cpu += cpu_s() - begin;
        wall[i] = (clock_s(CLOCK_MONOTONIC) - wall[i]) * 1e3;
    }
    figure("fts5: add one entry, CPU", cpu / ADDS * 1e3, "ms");
    figure("fts5: add one entry, p50", percentile(wall, ADDS, 0.5), "ms");
    figure("fts5: add one entry, p99", percentile(wall, ADDS, 0.99), "ms");
    fclose(f);
}

/* ---- what a new device fetches ----------------------------------------------------------------------------------- */

static edn_status buf_out(void *ctx, uint32_t page, edn_bytes bytes)
{
    (void)page;
    edn_put_bytes(ctx, bytes.p, bytes.n);
    return edn_buf_status(ctx);
}

static size_t zstd_19(const void *p, size_t n)
{
    size_t most = ZSTD_compressBound(n), size;
    void *out = malloc(most);

    size = ZSTD_compress(out, most, p, n, 19);
    free(out);
    return size;
}

static edn_status buf_page(void *ctx, uint32_t page, uint8_t *to, size_t n)
{
    const edn_buf *b = ctx;

    memcpy(to, b->p + (size_t)page * EDN_PAGE_SIZE, n);
    return EDN_OK;
}

#define PLACE_SIZE 3u        /* of where an entry's record is, before it is packed */
#define MANIFEST_SIZE 1336u  /* the least batch: two items and a journal's key go into one */
#define GROUP_DOCS_MAX 4096u /* docs/spec/shards.md */

/* A blob of `n` bytes and what stands around them. */
static double blob_size(size_t n) { return edn_padded_size(EDN_PADDING_P1, (uint32_t)n + 14) + EDN_SEAL_OVERHEAD; }

/* Entries as a shard that is published: statistics, dictionary, counts, ids, places; padded, sealed. */
static double shard_size(edn_builder *b)
{
    edn_buf segment = EDN_BUF_INIT(EDN_BUF_UNLIMITED), image = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    uint32_t docs = edn_builder_docs(b);
    edn_pages *pages = NULL;
    edn_segment *s = NULL;
    uint64_t size;
    double n;

    ok(edn_builder_finish(b, buf_out, &segment, &size), "finish");
    ok(edn_pages_new((size_t)16 << 20, &pages), "pages");
    ok(edn_segment_open(pages, size, buf_page, &segment, &s), "open");
    ok(edn_image_put(&image, s), "image");
    n = blob_size(image.n + docs * PLACE_SIZE);
    edn_segment_free(s);
    edn_pages_free(pages);
    edn_builder_free(b);
    edn_buf_dispose(&segment);
    edn_buf_dispose(&image);
    return n;
}

/* What is published of a corpus: each year by itself, or the newest year and those before it together, as many as go
 * into a shard. */
static double published(const char *dir, const char *name, bool grouped, double *newest)
{
    FILE *f = open_or_die(path_of(dir, name, ".tsv"), "r");
    char year[5] = "", last_year[5] = "";
    edn_builder *b = NULL;
    double sum = 0;
    uint32_t in_year = 0, years_n = 0, years[200] = {0}, i = 0;
    line l = {0};

    while (line_read(f, &l)) {
        if (strncmp(last_year, l.date, 4) != 0)
            years_n++;
        snprintf(last_year, sizeof last_year, "%.4s", l.date);
        years[years_n]++;
    }
    rewind(f);
    for (uint32_t at = 0; line_read(f, &l); i++) {
        if (strncmp(year, l.date, 4) != 0) {
            at++;
            if (!b || !grouped || at == years_n || in_year + years[at] > GROUP_DOCS_MAX) {
                sum += b ? shard_size(b) : 0;
                in_year = 0;
                ok(edn_builder_new(EDN_SEGMENT_NO_POSITIONS, &b), "builder");
            }
            in_year += years[at];
            snprintf(year, sizeof year, "%.4s", l.date);
        }
        doc_add(b, &l, i);
    }
    *newest = shard_size(b);
    fclose(f);
    return sum + *newest;
}

/* The text itself, a year at a time, in place of an index. */
static double text_by_year(const char *dir, const char *name)
{
    FILE *f = open_or_die(path_of(dir, name, ".tsv"), "r");
    edn_buf text = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    char year[5] = "";
    double sum = 0;
    line l = {0};

    while (line_read(f, &l)) {
        if (strncmp(year, l.date, 4) != 0 && text.n) {
            sum += blob_size(zstd_19(text.p, text.n));
            edn_buf_reset(&text);
        }
        snprintf(year, sizeof year, "%.4s", l.date);
        edn_put_str(&text, l.title);
        edn_put_str(&text, l.text);
    }
    sum += blob_size(zstd_19(text.p, text.n));
    edn_buf_dispose(&text);
    fclose(f);
    return sum;
}

static void case_wire(const char *dir, const char *name)
{
    char *small = path_of(dir, name, ".optimised");
    size_t n = (size_t)file_size(small);
    uint8_t *db = malloc(n + 1);
    FILE *in = open_or_die(small, "r");
    double newest;

    figure("new device, ranked without phrases", published(dir, name, true, &newest) + MANIFEST_SIZE, "bytes");
    figure("new device, first hit in the newest year", newest + MANIFEST_SIZE, "bytes");
    figure("new device, ranked without phrases, by year", published(dir, name, false, &newest) + MANIFEST_SIZE,
           "bytes");
    figure("text by zstd -19, by year, sealed", text_by_year(dir, name), "bytes");
    if (fread(db, 1, n, in) != n)
        die(small, "cut short");
    figure("fts5: database by zstd -19", (double)zstd_19(db, n), "bytes");
    free(db);
    fclose(in);
}

/* ---- mistyped words, Chinese ------------------------------------------------------------------------------------- */

static void case_typo(const char *dir, const char *name)
{
    asked *v;
    size_t n = queries_read(dir, name, &v), asked_n = 0;
    double times[512] = {0};
    ours o = {0};

    ours_open(&o, dir, name, false);
    masks_read(&o, dir, name);
    for (int round = 0; round < ROUNDS; round++, rng_state = 5) {
        asked_n = 0;
        for (size_t i = 0; i < n; i++) {
            char *w = v[i].words;
            size_t size = strcspn(w, " "), found;
            edn_index_guess g[10];
            double begin;
            if (size < 4 || strstr(v[i].class, "prefix"))
                continue;
            if (round == 0)
                w[below(size)] = (char)('a' + below(26));
            begin = thread_s();
            ok(edn_index_guess_terms(o.x, edn_bytes_of(w, size), size < 8 ? 1 : 2, 10, g, &found), "guess");
            least(&times[asked_n++], (thread_s() - begin) * 1e3);
        }
    }
    figure("mistyped word, p50", percentile(times, asked_n, 0.5), "ms");
    figure("mistyped word, p99", percentile(times, asked_n, 0.99), "ms");
}

static long holds(const strings *texts_, const char *needle)
{
    long n = 0;

    for (size_t i = 0; i < texts_->n; i++)
        n += strstr(texts_->v[i], needle) != NULL;
    return n;
}

/* 60 strings of 1 to 4 characters out of the text: each must be found as often as a scan finds it. */
static void case_chinese(const char *dir, const char *name)
{
    FILE *f = open_or_die(path_of(dir, name, ".tsv"), "r");
    char *path = path_of(dir, name, ".trigram"), *small = path_of(dir, name, ".trigram2"), *text;
    unsigned exact = 0, asked_n = 0;
    strings all = {0};
    sealed merged = {0};
    sqlite3 *db;
    edn_builder *b;
    ours o = {0};
    line l = {0};

    ok(edn_builder_new(0, &b), "builder");
    for (uint32_t i = 0; line_read(f, &l); i++) {
        edn_segment_doc d;
        doc_of_line(&d, &l, i);
        strings_add(&all, l.text, strlen(l.text));
        edn_builder_doc(b, &d);
        edn_builder_text(b, edn_bytes_str(l.text), false);
    }
    ours_segment(&o, b, dir, name);
    ours_save(&o, dir, name);
    merged.size = o.files[0].size;
    figure("chinese: index", (double)(merged.size + (merged.size / EDN_PAGE_SIZE + 1) * EDN_SEAL_OVERHEAD), "bytes");
    o = (ours){0};
    ours_open(&o, dir, name, true);
    while (asked_n < 60) {
        const char *t = all.v[below(all.n)];
        size_t at = edn_utf8_offset(edn_bytes_str(t), below(edn_utf8_count(edn_bytes_str(t)))), end = at, chars = 0;
        char needle[64], query[80];
        bool han = true;
        for (; t[end] && chars <= asked_n / 15; chars++) {
            uint32_t c = edn_utf8_next(edn_bytes_str(t), &end);
            han = han && c >= 0x4e00 && c < 0xa000;
        }
        if (!han || chars != asked_n / 15 + 1)
            continue;
        snprintf(needle, sizeof needle, "%.*s", (int)(end - at), t + at);
        snprintf(query, sizeof query, "\"%s\"", needle);
        asked_n++;
        exact += (long)ours_count(&o, query) == holds(&all, needle);
    }
    figure("chinese: strings counted exactly, of 60", exact, "");
    unlink(path);
    unlink(small);
    db = fts_open(path);
    sql(db, "CREATE VIRTUAL TABLE f USING fts5(text, title, tags, content='', tokenize='trigram')");
    fts_fill(db, "INSERT INTO f(rowid, title, text, tags) SELECT ?1, '', ?3, '' WHERE ?2 || ?4 NOT NULL", dir, name);
    if (asprintf(&text, "VACUUM INTO '%s'", small) < 0)
        die("memory", "none");
    sql(db, "INSERT INTO f(f) VALUES ('optimize')");
    sql(db, text);
    figure("fts5: chinese: index by trigrams", file_size(small), "bytes");
    sqlite3_close(db);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(const char *dir, const char *name);
    } cases[] = {
        {"build", case_build},       {"fts-build", case_fts_build},     {"fts-size", case_fts_size},
        {"query", case_query},       {"fts-query", case_fts_query},     {"cold", case_cold},
        {"fts-cold", case_fts_cold}, {"cold-common", case_cold_common}, {"fts-cold-common", case_fts_cold_common},
        {"add", case_add},           {"fts-add", case_fts_add},         {"wire", case_wire},
        {"typo", case_typo},         {"chinese", case_chinese}};

    if (argc >= 4 && strcmp(argv[1], "corpus") == 0) {
        corpus(argv[2], argv[3], argc > 4 ? argv[4] : NULL);
        return 0;
    }
    for (size_t i = 0; argc == 4 && i < EDN_COUNT(cases); i++)
        if (strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run(argv[2], argv[3]);
            return 0;
        }
    die("usage", "search-bench corpus DIR PEPYS [LUXUN] | search-bench CASE DIR NAME");
    return 2;
}
