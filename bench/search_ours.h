/* What the benches of search have in common: sealed segments in files, opened for asking, and the queries. Include
 * it once in a program. */
#ifndef EDN_BENCH_SEARCH_OURS_H
#define EDN_BENCH_SEARCH_OURS_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "crypto/seal.h"
#include "search/index.h"

#define BOX_SIZE (EDN_PAGE_SIZE + EDN_SEAL_OVERHEAD)
#define CACHE_SIZE ((size_t)20 << 20)
#define SEGMENTS_MAX 64
#define ROUNDS 3
#define FIRST 20

static inline void die(const char *what, const char *why)
{
    fprintf(stderr, "search-bench: %s: %s\n", what, why);
    exit(2);
}

static inline void ok(edn_status st, const char *what)
{
    if (st != EDN_OK)
        die(what, edn_status_name(st));
}

static inline void figure(const char *name, double value, const char *unit)
{
    printf("%s\t%.9g\t%s\n", name, value, unit);
}

static inline double clock_s(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline char *path_of(const char *dir, const char *name, const char *end)
{
    char *p;

    if (asprintf(&p, "%s/%s%s", dir, name, end) < 0)
        die("memory", "none");
    return p;
}

static inline FILE *open_or_die(const char *path, const char *mode)
{
    FILE *f = fopen(path, mode);

    if (!f)
        die(path, "cannot be opened");
    return f;
}

static const uint8_t key[32] = "a key of the bench, and no other";

typedef struct sealed {
    int fd;
    uint32_t no;
    uint64_t size;
    edn_buf buf;
    edn_segment *s;
    size_t opened;
} sealed;

static inline void aad_of(uint8_t aad[16], uint32_t segment, uint32_t page)
{
    memset(aad, 0, 16);
    edn_store_u32(aad, segment);
    edn_store_u32(aad + 8, page);
}

static inline edn_status page_unseal(edn_buf *buf, uint32_t segment, uint32_t page, edn_bytes box, uint8_t *to,
                                     size_t n)
{
    uint8_t aad[16];
    edn_status st;

    aad_of(aad, segment, page);
    edn_buf_reset(buf);
    st = edn_unseal(buf, key, EDN_SUITE_1, edn_bytes_of(aad, sizeof aad), box);
    if (st == EDN_OK)
        memcpy(to, buf->p, n);
    return st;
}

static inline edn_status sealed_page(void *ctx, uint32_t page, uint8_t *to, size_t n)
{
    static uint8_t box[BOX_SIZE];
    sealed *f = ctx;

    if (pread(f->fd, box, n + EDN_SEAL_OVERHEAD, (off_t)page * BOX_SIZE) != (ssize_t)(n + EDN_SEAL_OVERHEAD))
        return EDN_E_IO;
    f->opened++;
    return page_unseal(&f->buf, f->no, page, edn_bytes_of(box, n + EDN_SEAL_OVERHEAD), to, n);
}

typedef struct ours {
    sealed files[SEGMENTS_MAX];
    edn_segment_part parts[SEGMENTS_MAX];
    size_t n;
    edn_pages *pages;
    edn_index *x;
    uint8_t *dead[SEGMENTS_MAX];
} ours;

static inline void ours_open(ours *o, const char *dir, const char *name, bool index)
{
    FILE *f = open_or_die(path_of(dir, name, ".segments"), "r");
    unsigned no;
    unsigned long long size;

    ok(edn_pages_new(CACHE_SIZE, &o->pages), "pages");
    while (fscanf(f, "%u %llu", &no, &size) == 2) {
        sealed *s = &o->files[o->n];
        char end[32];
        snprintf(end, sizeof end, ".%u.seg", no);
        *s = (sealed){.fd = open(path_of(dir, name, end), O_RDONLY),
                      .no = no,
                      .size = size,
                      .buf = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
        ok(edn_segment_open(o->pages, size, sealed_page, s, &s->s), "open");
        o->parts[o->n] = (edn_segment_part){s->s, o->dead[o->n]};
        o->n++;
    }
    fclose(f);
    if (index)
        ok(edn_index_new(o->parts, o->n, NULL, NULL, &o->x), "index");
}

static inline void masks_read(ours *o, const char *dir, const char *name)
{
    FILE *f = open_or_die(path_of(dir, name, ".masks"), "r");

    for (size_t k = 0; k < o->n; k++) {
        size_t n = edn_segment_docs(o->parts[k].segment) / 8 + 1;
        o->dead[k] = malloc(n);
        if (!o->dead[k] || fread(o->dead[k], 1, n, f) != n)
            die("masks", "cut short");
        o->parts[k].dead = o->dead[k];
    }
    fclose(f);
    ok(edn_index_new(o->parts, o->n, NULL, NULL, &o->x), "index");
    ok(edn_index_recency(o->x, 20260101), "recency"); /* as a client ranks */
}

typedef struct asked {
    char class[16], words[128], extra[32];
    char ours[256], fts[256]; /* the query in each language */
    long from, to;            /* FTS5: rowids */
    double ranked, snippets, count;
    long long hits;
} asked;

static inline int double_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static inline double percentile(double *v, size_t n, double p)
{
    qsort(v, n, sizeof *v, double_compare);
    return n ? v[(size_t)((double)(n - 1) * p + 0.5)] : 0;
}

static inline size_t queries_read(const char *dir, const char *name, asked **out)
{
    FILE *f = open_or_die(path_of(dir, name, ".queries"), "r");
    asked *v = calloc(512, sizeof *v);
    char *buf = NULL, *at;
    size_t cap = 0, n = 0;

    while (v && n < 512 && getline(&buf, &cap, f) > 0) {
        asked *q = &v[n++];
        char first[64];
        at = buf;
        snprintf(q->class, sizeof q->class, "%s", strsep(&at, "\t"));
        snprintf(q->words, sizeof q->words, "%s", strsep(&at, "\t"));
        snprintf(q->extra, sizeof q->extra, "%.*s", (int)strcspn(at, "\n"), at);
        snprintf(first, sizeof first, "%.*s", (int)strcspn(q->words, " "), q->words);
        if (strcmp(q->class, "phrase") == 0) {
            snprintf(q->ours, sizeof q->ours, "\"%s\"", q->words);
            snprintf(q->fts, sizeof q->fts, "\"%s\"", q->words);
        } else if (strstr(q->class, "prefix")) {
            snprintf(q->ours, sizeof q->ours, "%s*", q->words);
            snprintf(q->fts, sizeof q->fts, "%s*", q->words);
        } else if (strcmp(q->class, "date") == 0) {
            snprintf(q->ours, sizeof q->ours, "%s from:%.4s to:%.4s", first, q->extra, q->extra + 9);
            snprintf(q->fts, sizeof q->fts, "%s", first);
        } else if (strcmp(q->class, "tag") == 0) {
            snprintf(q->ours, sizeof q->ours, "%s tag:%s", first, q->extra);
            snprintf(q->fts, sizeof q->fts, "%s AND tags:%s", first, q->extra);
        } else {
            snprintf(q->ours, sizeof q->ours, "%s", q->words);
            snprintf(q->fts, sizeof q->fts, "%s", q->words);
        }
    }
    free(buf);
    fclose(f);
    *out = v;
    return n;
}

static inline void least(double *to, double v)
{
    if (*to == 0 || v < *to)
        *to = v;
}

static inline edn_query *parse(edn_arena *a, const char *text)
{
    edn_query_error e;
    edn_query *q;

    if (edn_query_parse(a, edn_bytes_str(text), 0, &q, &e) != EDN_OK)
        die(text, e.text);
    return q;
}

static inline size_t ours_search(ours *o, const char *text, edn_index_hit *hits)
{
    edn_arena a = edn_arena_init(1 << 20);
    size_t n;

    ok(edn_index_search(o->x, parse(&a, text), EDN_INDEX_BY_RANK, FIRST, hits, &n), text);
    edn_arena_dispose(&a);
    return n;
}

#endif
