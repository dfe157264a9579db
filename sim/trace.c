/* Editing histories of real documents (EDN_DATA/traces), as what was typed and struck out where, by whom, and after
 * what of the other had been seen. What was typed is not kept: the simulator types characters of its own. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const names[SIM_TRACES] = {"concurrent_traces/friendsforever", "sequential_traces/sveltecomponent",
                                              "sequential_traces/seph-blog1"};

typedef struct parse {
    const char *p, *end;
    trace *t;
    size_t cap;
    size_t *by; /* for each transaction, how many edits stood before it */
    size_t transactions, by_cap;
    unsigned agent;
} parse;

static void *room(void *p, size_t *cap, size_t n, size_t size)
{
    if (n < *cap)
        return p;
    *cap = *cap ? 2 * *cap : 4096;
    p = realloc(p, *cap * size);
    if (!p)
        sim_stop("memory", "trace");
    return p;
}

static uint64_t number_at(parse *x)
{
    uint64_t v = 0;

    while (x->p < x->end && (*x->p < '0' || *x->p > '9'))
        x->p++;
    for (; x->p < x->end && *x->p >= '0' && *x->p <= '9'; x->p++)
        v = 10 * v + (uint64_t)(*x->p - '0');
    return v;
}

/* The characters of a string that begins at the next quote. */
static uint32_t string_at(parse *x)
{
    uint32_t n = 0;

    while (x->p < x->end && *x->p != '"')
        x->p++;
    for (x->p++; x->p < x->end && *x->p != '"'; x->p++) {
        if (*x->p == '\\')
            x->p += x->p[1] == 'u' ? 5 : 1;
        n += (*x->p & 0xc0) != 0x80;
    }
    x->p++;
    return n;
}

static bool reads(parse *x, const char *word)
{
    size_t n = strlen(word);

    if ((size_t)(x->end - x->p) < n || memcmp(x->p, word, n) != 0)
        return false;
    x->p += n;
    return true;
}

static void spaces(parse *x)
{
    while (x->p < x->end && (*x->p == ' ' || *x->p == '\n' || *x->p == ','))
        x->p++;
}

static void parents(parse *x, size_t *newest)
{
    *newest = 0;
    for (spaces(x); x->p < x->end && *x->p != ']'; spaces(x)) {
        size_t of = (size_t)number_at(x);
        if (of < x->transactions)
            *newest = EDN_MAX(*newest, of + 1);
    }
}

static void patches(parse *x, size_t newest)
{
    x->by = room(x->by, &x->by_cap, x->transactions + 1, sizeof *x->by);
    x->by[x->transactions++] = x->t->n;
    for (spaces(x); x->p < x->end && *x->p == '['; spaces(x)) {
        edit e = {.agent = (uint8_t)(x->agent % 2)};
        e.at = (uint32_t)number_at(x);
        e.deleted = (uint32_t)number_at(x);
        e.inserted = string_at(x);
        e.seen = newest ? (uint32_t)x->by[newest - 1] : 0;
        x->t->edits = room(x->t->edits, &x->cap, x->t->n, sizeof *x->t->edits);
        x->t->edits[x->t->n++] = e;
        while (x->p < x->end && *x->p != ']')
            x->p++;
        x->p++;
    }
}

static void text_parse(parse *x)
{
    size_t newest = 0;

    while (x->p < x->end) {
        if (*x->p != '"') {
            x->p++;
        } else if (reads(x, "\"parents\":")) {
            while (x->p < x->end && *x->p++ != '[')
                ;
            parents(x, &newest);
        } else if (reads(x, "\"agent\":")) {
            x->agent = (unsigned)number_at(x);
        } else if (reads(x, "\"patches\":")) {
            while (x->p < x->end && *x->p++ != '[')
                ;
            patches(x, newest);
        } else {
            (void)string_at(x);
        }
    }
}

static bool unpacked(const char *path, edn_buf *out)
{
    char command[600];
    uint8_t part[65536];
    size_t n;
    FILE *f;

    snprintf(command, sizeof command, "gzip -dc '%s'", path);
    f = popen(command, "r");
    if (!f)
        return false;
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        edn_put_bytes(out, part, n);
    return pclose(f) == 0 && edn_buf_status(out) == EDN_OK;
}

const trace *trace_get(unsigned which)
{
    static trace kept[SIM_TRACES];
    const char *data = getenv("EDN_DATA");
    trace *t = &kept[which % SIM_TRACES];
    edn_buf text = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    char path[512];
    parse x = {.t = t};

    if (t->n || !data || !*data)
        return t->n ? t : NULL;
    snprintf(path, sizeof path, "%s/traces/%s.json.gz", data, names[which % SIM_TRACES]);
    if (!unpacked(path, &text))
        sim_stop(path, "cannot be read, and EDN_DATA says that it is there");
    x.p = (const char *)text.p;
    x.end = x.p + text.n;
    text_parse(&x);
    free(x.by);
    edn_buf_dispose(&text);
    if (!t->n)
        sim_stop(path, "holds no edits");
    return t;
}
