#include "crdt_bench.h"

/* One person on two devices that did not hear of each other: each goes on from the same text. */

#define AWAY 30000u
#define DRIPS 2000u

typedef struct away_keys {
    check_rng rng;
    size_t pos, left;
    FILE *script;
    size_t n;
} away_keys;

/* One keystroke the way people do: stretches of letters, some taken back, then somewhere else. */
static void away_key(edn_doc *doc, away_keys *k)
{
    if (k->left == 0) {
        k->pos = check_below(&k->rng, edn_doc_text_count(doc) + 1);
        k->left = 1 + check_below(&k->rng, 40);
    }
    k->left--;
    if (k->pos && check_below(&k->rng, 8) == 0) {
        OK(edn_doc_delete(doc, --k->pos, 1));
        if (k->script)
            fprintf(k->script, "%s[%zu,1,\"\"]", k->n ? "," : "", k->pos);
    } else {
        uint8_t c = (uint8_t)('a' + check_below(&k->rng, 26));
        if (k->script)
            fprintf(k->script, "%s[%zu,0,\"%c\"]", k->n ? "," : "", k->pos, c);
        OK(edn_doc_insert(doc, k->pos++, edn_bytes_of(&c, 1)));
    }
    k->n++;
}

static void away_type(edn_doc *doc, uint64_t seed, size_t n, FILE *script)
{
    away_keys k = {.rng = {seed}, .script = script};

    for (size_t i = 0; i < n; i++)
        away_key(doc, &k);
}

/* Both devices after `n` keystrokes each on top of the same 20,000. */
typedef struct away {
    edn_doc *here, *away;
    edn_buf file, message; /* this device's file; all that the other typed */
    uint64_t from;         /* the other's first event since they parted */
} away;

static away away_make(size_t n, FILE *script)
{
    away a = {.here = doc_new(trace_agent(0)),
              .away = doc_new(trace_agent(1)),
              .file = EDN_BUF_INIT(EDN_BUF_UNLIMITED),
              .message = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
    edn_buf base = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    uint64_t next;

    if (script)
        fputs("{\"base\":[", script);
    away_type(a.here, 5, 20000, script);
    OK(edn_doc_encode_events(a.here, trace_agent(0), 0, SIZE_MAX / 2, &base, &next));
    OK(edn_doc_merge(a.away, edn_buf_view(&base), NULL, NULL));
    if (script)
        fputs("],\"here\":[", script);
    away_type(a.here, 6, n, script);
    if (script)
        fputs("],\"away\":[", script);
    away_type(a.away, 7, n, script);
    OK(edn_doc_encode(a.here, &a.file));
    OK(edn_doc_encode_events(a.away, trace_agent(1), 0, SIZE_MAX / 2, &a.message, &next));
    edn_buf_dispose(&base);
    return a;
}

static void away_dispose(away *a)
{
    edn_doc_free(a->here);
    edn_doc_free(a->away);
    edn_buf_dispose(&a->file);
    edn_buf_dispose(&a->message);
}

/* All that the other device typed, in one message, taken in by a document that was only just opened. */
static double merge_ms(const away *a, unsigned rounds, size_t *count)
{
    double best = 1e30;

    for (unsigned i = 0; i < rounds; i++) {
        edn_doc *doc;
        double t0;
        OK(edn_doc_decode(edn_buf_view(&a->file), &doc));
        t0 = cpu_ms();
        OK(edn_doc_merge(doc, edn_buf_view(&a->message), NULL, NULL));
        text_check(doc, EDN_BYTES_EMPTY);
        best = EDN_MIN(best, cpu_ms() - t0);
        *count = edn_doc_text_count(doc);
        edn_doc_free(doc);
    }
    return best;
}

double away_once(void)
{
    away a = away_make(AWAY, NULL);
    size_t merged;
    double ms = merge_ms(&a, 1, &merged);

    away_dispose(&a);
    return ms;
}

void away_script(FILE *out)
{
    away a = away_make(AWAY, out);
    size_t merged;

    (void)merge_ms(&a, 1, &merged); /* its time is not asked for */
    fprintf(out, "],\"drips\":%u,\"merged\":%zu}\n", DRIPS, merged);
    away_dispose(&a);
}

/* The other's keystrokes come one by one. */
static void drip_report(const away *a, unsigned rounds)
{
    edn_buf *drips = calloc(DRIPS, sizeof *drips);
    double first = 1e30, rest = 1e30;
    uint64_t from = 0;

    if (!drips)
        exit(1);
    for (size_t i = 0; i < DRIPS; i++) {
        drips[i] = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        OK(edn_doc_encode_events(a->away, trace_agent(1), from, 1, &drips[i], &from));
    }
    for (unsigned i = 0; i < rounds; i++) {
        edn_doc *doc;
        double t0, t1;
        OK(edn_doc_decode(edn_buf_view(&a->file), &doc));
        t0 = cpu_ms();
        OK(edn_doc_merge(doc, edn_buf_view(&drips[0]), NULL, NULL));
        t1 = cpu_ms();
        first = EDN_MIN(first, t1 - t0);
        for (size_t k = 1; k < DRIPS; k++)
            OK(edn_doc_merge(doc, edn_buf_view(&drips[k]), NULL, NULL));
        rest = EDN_MIN(rest, (cpu_ms() - t1) * 1e3 / (DRIPS - 1));
        edn_doc_free(doc);
    }
    figure("offline", "drip, first", "ms", first);
    figure("offline", "drip", "us", rest);
    for (size_t i = 0; i < DRIPS; i++)
        edn_buf_dispose(&drips[i]);
    free(drips);
}

void away_report(unsigned rounds)
{
    away a = away_make(AWAY, NULL);
    size_t count;

    figure("offline", "message, plain", "B", (double)a.message.n);
    figure("offline", "message", "B", (double)packed(&a.message, 19));
    figure("offline", "merge", "ms", merge_ms(&a, rounds, &count));
    drip_report(&a, rounds);
    away_dispose(&a);
    a = away_make(100000, NULL);
    figure("offline", "merge of 100,000 and 100,000", "ms", merge_ms(&a, EDN_MIN(rounds, 5u), &count));
    away_dispose(&a);
}
