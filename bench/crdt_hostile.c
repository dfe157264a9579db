/* Graphs that are made to cost much. For each, at three sizes: what it takes in all, and what one message takes at
 * worst.
 *
 *   crdt-hostile [--json FILE]
 *
 *   turns     two long branches that never hear of each other, whose messages come in turns
 *   again     the same, thrown out of memory: one more message
 *   pairs     four long branches, and 200 authors who each join the beginnings of two of them: one bundle
 *   watcher   two who answer each other at once, and a third who hears them and is not heard: one bundle */
#include <edn/crdt.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/base.h"

#define OK(x) ok((x), #x, __LINE__)

static void ok(edn_status st, const char *what, int line)
{
    if (st == EDN_OK)
        return;
    fprintf(stderr, "bench/crdt_hostile.c:%d: %s: %s\n", line, what, edn_status_name(st));
    exit(1);
}

static double cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static FILE *json;

static void figure(const char *name, size_t n, double v, const char *unit)
{
    printf("%-28s %8zu %12.3f %s\n", name, n, v, unit);
    if (json)
        fprintf(json,
                "{\"name\": \"crdt hostile %s %zu\", \"value\": %.6g, \"unit\": \"%s\", \"goal\": 0, "
                "\"better\": \"lower\", \"ok\": true}\n",
                name, n, v, unit);
}

static edn_agent_id agent(size_t i) { return (edn_agent_id){{(uint8_t)(i >> 8), (uint8_t)i, 7}}; }

static edn_doc *doc_of(size_t who)
{
    edn_doc *doc;

    OK(edn_doc_new(&doc));
    edn_doc_author(doc, agent(who), 1);
    return doc;
}

/* One letter somewhere else than the last: a run of its own. */
static void scatter(edn_doc *doc, size_t i)
{
    OK(edn_doc_insert(doc, i * 7919 % (edn_doc_text_count(doc) + 1), edn_bytes_str("x")));
}

static edn_buf events(const edn_doc *doc, size_t who, uint64_t from, size_t size)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    uint64_t next;

    OK(edn_doc_encode_events(doc, agent(who), from, size, &b, &next));
    return b;
}

static void send(const edn_doc *from, size_t who, edn_doc *to)
{
    edn_buf b = events(from, who, edn_doc_agent_next(to, agent(who)), EDN_BUF_UNLIMITED);

    if (b.n)
        OK(edn_doc_merge(to, edn_buf_view(&b), NULL, NULL));
    edn_buf_dispose(&b);
}

static void base_text(edn_doc *doc)
{
    for (size_t i = 0; i < 50; i++)
        OK(edn_doc_insert(doc, 0, edn_bytes_str("some words to begin with ")));
}

static void turns(size_t n)
{
    edn_doc *d[3] = {doc_of(0), doc_of(1), doc_of(2)}, *again;
    edn_buf last, file = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    double all = 0, worst = 0, t;

    base_text(d[2]);
    send(d[2], 2, d[0]);
    send(d[2], 2, d[1]);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < 2; k++) {
            edn_buf m;
            scatter(d[k], i);
            m = events(d[k], k, i, 1);
            t = cpu_ms();
            OK(edn_doc_merge(d[2], edn_buf_view(&m), NULL, NULL));
            t = cpu_ms() - t;
            all += t;
            worst = EDN_MAX(worst, t);
            edn_buf_dispose(&m);
        }
    }
    figure("turns, all", n, all, "ms");
    figure("turns, worst message", n, worst, "ms");
    scatter(d[0], 1);
    last = events(d[0], 0, n, 1);
    OK(edn_doc_encode(d[2], &file));
    t = cpu_ms();
    OK(edn_doc_merge(d[2], edn_buf_view(&last), NULL, NULL));
    figure("turns, one more", n, cpu_ms() - t, "ms");
    OK(edn_doc_decode(edn_buf_view(&file), &again));
    t = cpu_ms();
    OK(edn_doc_merge(again, edn_buf_view(&last), NULL, NULL));
    figure("again, opened and one more", n, cpu_ms() - t, "ms");
    /* In the order in which they came: authors are asked for, so the walker begins at 0. */
    {
        edn_anchor a;
        t = cpu_ms();
        OK(edn_doc_anchor(d[2], 3, EDN_BIAS_LEFT, &a));
        figure("again, made anew", n, cpu_ms() - t, "ms");
    }
    edn_buf_dispose(&last);
    edn_buf_dispose(&file);
    edn_doc_free(again);
    for (size_t i = 0; i < 3; i++)
        edn_doc_free(d[i]);
}

static void bundle_take(const char *name, const edn_doc *all, size_t n)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED), file = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_doc *doc = doc_of(9999), *open;
    char label[64];
    double t;
    edn_status st;

    OK(edn_doc_encode_since(all, (edn_version){NULL, 0}, &b));
    OK(edn_doc_encode(all, &file));
    snprintf(label, sizeof label, "%s, bytes", name);
    figure(label, n, (double)file.n, "B");
    t = cpu_ms();
    st = edn_doc_merge(doc, edn_buf_view(&b), NULL, NULL);
    snprintf(label, sizeof label, "%s, bundle: %s", name, edn_status_name(st));
    figure(label, n, cpu_ms() - t, "ms");
    OK(edn_doc_decode(edn_buf_view(&file), &open));
    t = cpu_ms();
    st = edn_doc_check(open);
    snprintf(label, sizeof label, "%s, check: %s", name, edn_status_name(st));
    figure(label, n, cpu_ms() - t, "ms");
    edn_doc_free(open);
    edn_doc_free(doc);
    edn_buf_dispose(&b);
    edn_buf_dispose(&file);
}

#define JOINS 200u

static void pairs(size_t n)
{
    edn_doc *root = doc_of(5000), *d[4], *branches = doc_of(5001), *all = doc_of(5001);

    base_text(root);
    send(root, 5000, branches);
    send(root, 5000, all);
    for (size_t i = 0; i < 4; i++) {
        d[i] = doc_of(5002 + i);
        send(root, 5000, d[i]);
        for (size_t j = 0; j < n; j++)
            scatter(d[i], j);
        send(d[i], 5002 + i, branches);
        send(d[i], 5002 + i, all);
        edn_doc_free(d[i]);
    }
    /* Each author writes one letter on top of the beginnings of two of the branches. */
    for (size_t i = 0; i < JOINS; i++) {
        size_t x = i % 4, y = (x + 1 + i / 4 % 3) % 4;
        edn_event_id ids[2] = {{agent(5002 + EDN_MIN(x, y)), n / 2 + i * 7919 % (n / 2)},
                               {agent(5002 + EDN_MAX(x, y)), n / 2 + i * 7907 % (n / 2)}};
        edn_doc *one;
        OK(edn_doc_at(branches, (edn_version){ids, 2}, &one));
        edn_doc_author(one, agent(i), 1);
        scatter(one, i);
        send(one, i, all);
        edn_doc_free(one);
    }
    bundle_take("pairs", all, n);
    edn_doc_free(root);
    edn_doc_free(branches);
    edn_doc_free(all);
}

static void watcher(size_t n)
{
    edn_doc *a = doc_of(0), *b = doc_of(1), *c = doc_of(2);

    base_text(a);
    send(a, 0, b);
    for (size_t i = 0; i < n; i++) {
        scatter(a, i);
        send(a, 0, b);
        send(a, 0, c);
        scatter(c, i);
        scatter(b, i);
        send(b, 1, a);
        send(b, 1, c);
    }
    bundle_take("watcher", c, n);
    edn_doc_free(a);
    edn_doc_free(b);
    edn_doc_free(c);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--json") == 0)
        json = fopen(argv[2], "w");
    for (size_t n = 1000; n <= 4000; n *= 2)
        turns(n);
    for (size_t n = 1000; n <= 4000; n *= 2)
        watcher(n);
    for (size_t n = 1000; n <= 4000; n *= 2)
        pairs(n);
    if (json)
        fclose(json);
    return 0;
}
