/* Histories that are made to cost much. Each attack is told a size and gives what its victim spent; it is made at three
 * sizes, each twice the one before, and what it costs must grow no faster than they do.
 *
 *   crdt-hostile [--json FILE] [ATTACK]
 *
 *   turns     two long branches that never hear of each other, whose messages come in turns
 *   crowd     32 such branches, as many as a diary has devices
 *   throng    100 such branches: more than there are lanes, and nothing is claimed
 *   again     turns, thrown out of memory: opened, and one more message
 *   anew      turns, replayed from the beginning in the order in which they came
 *   aged      between the messages of a long branch the victim types enough to make it forget the branch
 *   place     two type letter after letter in front of the last, at one place; one message each
 *   answers   beside a long passage at the same place somebody types, and somebody else in front of each letter
 *   between   two letters are deleted at a time, with a long passage between them that the deleter does not know
 *   heap      a letter that is typed again and again where many were deleted
 *   paste     letters in front of a long passage that somebody pasted
 *   tags      everybody's tag is taken off again and again by somebody who has never heard of it
 *   fields    ever new fields: their array is moved for each, and nothing is claimed
 *   false     messages that prove wrong after all is made ready for them
 *   pairs     four long branches, and 200 authors who each join the beginnings of two of them: one bundle, a document
 *   watcher   two who answer each other at once, and a third who hears them and is not heard: the same */
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

/* What the victim spent since the attack began, ms: in all, and on one message at most. */
static double spent, worst;

static edn_agent_id agent(size_t i) { return (edn_agent_id){{(uint8_t)(i >> 8), (uint8_t)i, 7}}; }

static edn_doc *doc_of(size_t who)
{
    edn_doc *doc;

    OK(edn_doc_new(&doc));
    edn_doc_author(doc, agent(who), 1);
    return doc;
}

static void took(double since)
{
    double t = cpu_ms() - since;

    spent += t;
    worst = EDN_MAX(worst, t);
}

static edn_buf events(const edn_doc *doc, size_t who, uint64_t from, size_t size)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    uint64_t next;

    OK(edn_doc_encode_events(doc, agent(who), from, size, &b, &next));
    return b;
}

static edn_buf news(const edn_doc *from, size_t who, const edn_doc *to)
{
    return events(from, who, edn_doc_agent_next(to, agent(who)), EDN_BUF_UNLIMITED);
}

/* What `to` has not of an author; `attack`: it is the victim. */
static void tell(const edn_doc *from, size_t who, edn_doc *to, bool attack)
{
    edn_buf b = news(from, who, to);
    double t = cpu_ms();

    if (b.n)
        OK(edn_doc_merge(to, edn_buf_view(&b), NULL, NULL));
    if (attack)
        took(t);
    edn_buf_dispose(&b);
}

static void hit(const edn_doc *from, size_t who, edn_doc *victim) { tell(from, who, victim, true); }
static void send(const edn_doc *from, size_t who, edn_doc *to) { tell(from, who, to, false); }

static void type(edn_doc *doc, size_t pos, const char *s) { OK(edn_doc_insert(doc, pos, edn_bytes_str(s))); }

/* One letter somewhere else than the last: a run of its own. */
static void scatter(edn_doc *doc, size_t i) { type(doc, i * 7919 % (edn_doc_text_count(doc) + 1), "x"); }

static void base_text(edn_doc *doc)
{
    for (size_t i = 0; i < 50; i++)
        type(doc, 0, "some words to begin with ");
}

#define VICTIM 9000u

/* `n` authors and a victim with the same text. */
static edn_doc *meet(edn_doc **d, size_t n)
{
    edn_doc *victim = doc_of(VICTIM);

    base_text(victim);
    for (size_t i = 0; i < n; i++) {
        d[i] = doc_of(i);
        send(victim, VICTIM, d[i]);
    }
    return victim;
}

static void part(edn_doc **d, size_t n, edn_doc *victim)
{
    for (size_t i = 0; i < n; i++)
        edn_doc_free(d[i]);
    edn_doc_free(victim);
}

/* ---- the order of messages --------------------------------------------------------------------------------------- */

static edn_doc *branches(size_t n, edn_doc **d, size_t k)
{
    edn_doc *victim = meet(d, k);

    for (size_t i = 0; i < n / k; i++) {
        for (size_t j = 0; j < k; j++) {
            scatter(d[j], i * (j + 1));
            hit(d[j], j, victim);
        }
    }
    return victim;
}

static void turns(size_t n)
{
    edn_doc *d[2], *victim = branches(n, d, 2);

    part(d, 2, victim);
}

static void crowd(size_t n)
{
    edn_doc *d[32], *victim = branches(n, d, 32);

    part(d, 32, victim);
}

static void throng(size_t n)
{
    edn_doc *d[100], *victim = branches(n, d, 100);

    part(d, 100, victim);
}

static void again(size_t n)
{
    edn_doc *d[2], *victim = branches(n, d, 2), *open;
    edn_buf file = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    OK(edn_doc_encode(victim, &file));
    OK(edn_doc_decode(edn_buf_view(&file), &open));
    scatter(d[0], 1);
    spent = worst = 0;
    hit(d[0], 0, open);
    edn_buf_dispose(&file);
    edn_doc_free(open);
    part(d, 2, victim);
}

static void anew(size_t n)
{
    edn_doc *d[2], *victim = branches(n, d, 2);
    edn_anchor a;
    double t = cpu_ms();

    spent = worst = 0;
    OK(edn_doc_anchor(victim, 3, EDN_BIAS_LEFT, &a)); /* for this the walker begins at 0 */
    took(t);
    part(d, 2, victim);
}

static void aged(size_t n)
{
    edn_doc *d[1], *victim = meet(d, 1);

    for (size_t i = 0; i < n; i++)
        scatter(d[0], i);
    hit(d[0], 0, victim);
    for (size_t i = 0; i < n; i++) {
        scatter(victim, i);
        if (i % 64 == 63) { /* 64 runs, and 6,400 letters */
            for (size_t k = 0; k < 64; k++)
                type(victim, i * k % 1000,
                     "a hundred letters that are typed at one place, and then again at some other, "
                     "until it is forgotten");
            scatter(d[0], i);
            hit(d[0], 0, victim);
        }
    }
    part(d, 1, victim);
}

/* ---- the order of letters ---------------------------------------------------------------------------------------- */

/* A letter in front of the one before, and one somewhere else, so that each is a run. */
static void backwards(edn_doc *doc, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        type(doc, 5, "x");
        type(doc, edn_doc_text_count(doc), "y");
    }
}

static void place(size_t n)
{
    edn_doc *d[2], *victim = meet(d, 2);

    backwards(d[0], n / 4);
    backwards(d[1], n / 4);
    hit(d[1], 1, victim);
    hit(d[0], 0, victim);
    part(d, 2, victim);
    victim = meet(d, 2); /* and the other way round: the one goes in front of the other then */
    backwards(d[0], n / 4);
    backwards(d[1], n / 4);
    hit(d[0], 0, victim);
    hit(d[1], 1, victim);
    part(d, 2, victim);
}

static void answers(size_t n)
{
    edn_doc *d[3], *victim = meet(d, 3);
    size_t at = 5;

    for (size_t i = 0; i < n / 2; i++) { /* the passage: forwards, in pieces */
        type(d[0], at++, "x");
        type(d[0], edn_doc_text_count(d[0]), "y");
    }
    hit(d[0], 0, victim);
    for (size_t i = 0; i < n / 4; i++) {
        type(d[2], 5, "b"); /* each in front of the one before */
        hit(d[2], 2, victim);
        send(d[2], 2, d[1]);
        type(d[1], 5, "a"); /* in front of that; who wrote that never hears of it */
        hit(d[1], 1, victim);
    }
    part(d, 3, victim);
}

static void between(size_t n)
{
    edn_doc *d[2], *victim = doc_of(VICTIM);
    size_t half = n / 4;

    for (size_t i = 0; i < 2 * half; i++)
        type(victim, 0, "z");
    for (size_t i = 0; i < 2; i++) {
        d[i] = doc_of(i);
        send(victim, VICTIM, d[i]);
    }
    for (size_t i = 0; i < n / 2; i++) {
        type(d[0], half, "x");
        type(d[0], edn_doc_text_count(d[0]), "y");
    }
    hit(d[0], 0, victim);
    for (size_t i = 0; i < half; i++) {
        OK(edn_doc_delete(d[1], half - 1 - i, 2)); /* the one before the passage, and the one behind */
        hit(d[1], 1, victim);
    }
    part(d, 2, victim);
}

static void heap(size_t n)
{
    edn_doc *d[2], *victim = meet(d, 2);

    for (size_t i = 0; i < n / 2; i++) {
        type(d[0], 5, "x");
        type(d[0], edn_doc_text_count(d[0]), "y");
        OK(edn_doc_delete(d[0], 5, 1));
        scatter(d[1], i);
        hit(d[0], 0, victim);
        hit(d[1], 1, victim);
    }
    part(d, 2, victim);
}

static void paste(size_t n)
{
    edn_doc *d[2], *victim = meet(d, 2);
    char *much = malloc(256 * n + 1);

    if (!much)
        exit(1);
    memset(much, 'p', 256 * n);
    much[256 * n] = 0;
    type(d[0], 5, much);
    free(much);
    hit(d[0], 0, victim);
    for (size_t i = 0; i < n; i++) {
        type(d[1], 5 - i % 2, "x");
        hit(d[1], 1, victim);
    }
    part(d, 2, victim);
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

static void tags(size_t n)
{
    edn_doc *d[3], *victim = meet(d, 3);

    for (size_t i = 0; i < n / 4; i++) {
        char name[24];
        snprintf(name, sizeof name, "tag %zu", i);
        OK(edn_doc_tag(d[2], edn_bytes_str(name), true));
    }
    OK(edn_doc_tag(d[0], edn_bytes_str("tag 7"), true));
    hit(d[0], 0, victim);
    hit(d[2], 2, victim);
    for (size_t i = 0; i < n / 4; i++) {
        OK(edn_doc_tag(d[1], edn_bytes_str("tag 7"), true));
        OK(edn_doc_tag(d[1], edn_bytes_str("tag 7"), false));
        hit(d[1], 1, victim);
        scatter(d[0], i);
        hit(d[0], 0, victim);
    }
    part(d, 3, victim);
}

static void fields(size_t n)
{
    edn_doc *d[1], *victim = meet(d, 1);

    for (size_t i = 0; i < n; i++) {
        char name[24];
        snprintf(name, sizeof name, "%zu", i * 7919 % n);
        OK(edn_doc_set(d[0], edn_bytes_str(name), edn_bytes_str("v")));
    }
    hit(d[0], 0, victim);
    part(d, 1, victim);
}

/* Whoever wrote these made others believe in a longer text than there is. */
static void false_ones(size_t n)
{
    edn_doc *honest = doc_of(1), *liar = doc_of(0), *victim = doc_of(VICTIM), *other = doc_of(VICTIM);
    edn_buf lie;

    for (size_t i = 0; i < 200; i++) {
        type(victim, 0, "words");
        type(other, 0, "words");
    }
    OK(edn_doc_delete(victim, 0, 500));
    for (size_t i = 0; i < 100; i++)
        type(other, 0, "words");
    send(victim, VICTIM, honest);
    send(other, VICTIM, liar);
    type(liar, 1400, "x");
    lie = news(liar, 0, victim);
    for (size_t i = 0; i < n; i++)
        scatter(honest, i);
    hit(honest, 1, victim);
    spent = 0;
    for (size_t i = 0; i < 16; i++) {
        double t = cpu_ms();
        if (edn_doc_merge(victim, edn_buf_view(&lie), NULL, NULL) != EDN_E_FORMAT)
            exit(1);
        took(t);
    }
    edn_buf_dispose(&lie);
    edn_doc_free(honest);
    edn_doc_free(liar);
    edn_doc_free(victim);
    edn_doc_free(other);
}

/* A history as one bundle into an empty document, and as a document that is checked. */
static void bundle_hit(const edn_doc *all)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED), file = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_doc *doc = doc_of(9999), *open;
    double t;

    OK(edn_doc_encode_since(all, (edn_version){NULL, 0}, &b));
    OK(edn_doc_encode(all, &file));
    spent = worst = 0;
    t = cpu_ms();
    OK(edn_doc_merge(doc, edn_buf_view(&b), NULL, NULL));
    took(t);
    OK(edn_doc_decode(edn_buf_view(&file), &open));
    t = cpu_ms();
    OK(edn_doc_check(open));
    took(t);
    edn_doc_free(open);
    edn_doc_free(doc);
    edn_buf_dispose(&b);
    edn_buf_dispose(&file);
}

#define JOINS 200u

static void pairs(size_t n)
{
    edn_doc *root = doc_of(5000), *d[4], *long_ones = doc_of(5001), *all = doc_of(5001);

    base_text(root);
    send(root, 5000, long_ones);
    send(root, 5000, all);
    for (size_t i = 0; i < 4; i++) {
        d[i] = doc_of(5002 + i);
        send(root, 5000, d[i]);
        for (size_t j = 0; j < n; j++)
            scatter(d[i], j);
        send(d[i], 5002 + i, long_ones);
        send(d[i], 5002 + i, all);
        edn_doc_free(d[i]);
    }
    /* Each author writes one letter on top of the beginnings of two of the branches. */
    for (size_t i = 0; i < JOINS; i++) {
        size_t x = i % 4, y = (x + 1 + i / 4 % 3) % 4;
        edn_event_id ids[2] = {{agent(5002 + EDN_MIN(x, y)), n / 2 + i * 7919 % (n / 2)},
                               {agent(5002 + EDN_MAX(x, y)), n / 2 + i * 7907 % (n / 2)}};
        edn_doc *one;
        OK(edn_doc_at(long_ones, (edn_version){ids, 2}, &one));
        edn_doc_author(one, agent(i), 1);
        scatter(one, i);
        send(one, i, all);
        edn_doc_free(one);
    }
    bundle_hit(all);
    edn_doc_free(root);
    edn_doc_free(long_ones);
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
    bundle_hit(c);
    edn_doc_free(a);
    edn_doc_free(b);
    edn_doc_free(c);
}

/* ---- main -------------------------------------------------------------------------------------------------------- */

/* Twice the size, twice the cost, and room for a logarithm, caches and noise. */
#define GROWTH_MAX 2.7

static const struct attack {
    const char *name;
    void (*fn)(size_t n);
    size_t n;
    bool open; /* nothing is claimed of it */
} attacks[] = {
    {"turns", turns, 10000, false},    {"crowd", crowd, 10000, false},     {"throng", throng, 1000, true},
    {"again", again, 10000, false},    {"anew", anew, 10000, false},       {"aged", aged, 2000, false},
    {"place", place, 10000, false},    {"answers", answers, 10000, false}, {"between", between, 10000, false},
    {"heap", heap, 10000, false},      {"paste", paste, 5000, false},      {"tags", tags, 5000, false},
    {"fields", fields, 10000, true},   {"false", false_ones, 5000, false}, {"pairs", pairs, 1000, false},
    {"watcher", watcher, 2000, false},
};

static bool attack_report(const struct attack *a, FILE *json)
{
    double ms[3], growth;
    bool good;

    printf("%-8s", a->name);
    for (size_t i = 0; i < 3; i++) {
        spent = worst = 0;
        a->fn(a->n << i);
        ms[i] = spent;
        printf(" %7zu %9.2f ms", a->n << i, spent);
        fflush(stdout);
    }
    growth = ms[2] / EDN_MAX(ms[1], 0.01);
    good = a->open || growth <= GROWTH_MAX;
    printf("   worst message %8.3f ms   twice costs %4.1f times%s\n", worst, growth, good ? "" : "   MISSED");
    if (json)
        fprintf(json,
                "{\"name\": \"hostile: %s, %s\", \"value\": %.3g, \"unit\": \"x\", \"better\": \"lower\"}\n"
                "{\"name\": \"hostile: %s, all of %zu\", \"value\": %.3g, \"unit\": \"ms\", \"better\": \"lower\"}\n",
                a->name, a->open ? "twice the size, not claimed" : "twice the size", growth, a->name, a->n << 2, ms[2]);
    return good;
}

int main(int argc, char **argv)
{
    FILE *json = NULL;
    const char *only = NULL;
    bool good = true;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0 && i + 1 < argc)
            json = fopen(argv[++i], "w");
        else
            only = argv[i];
    }
    for (size_t i = 0; i < EDN_COUNT(attacks); i++)
        if (!only || strcmp(only, attacks[i].name) == 0)
            good = attack_report(&attacks[i], json) && good;
    if (json)
        fclose(json);
    return good ? 0 : 1;
}
