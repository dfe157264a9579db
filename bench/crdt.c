/* What the merge engine costs: process CPU, bytes and memory, on the published traces (EDN_DATA/traces).
 *
 *   crdt [--rounds N] [--json FILE (a line each)]      all figures; times are the least of N rounds
 *   crdt --one CASE TRACE [N]            one case, N times (once): for callgrind and perf
 *
 * Cases: typed (one change per keystroke), each (a message per transaction, taken in), whole (all history in one
 * message, to text), open (file to text), encode, half (the text at half the history), live (two replicas that hear of
 * each other as the trace says), offline and drip (a device that was away for 30,000 keystrokes while 30,000 were
 * typed here: all in one message; each in its own). */
#include <edn/crdt.h>

#include <malloc.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "crdt/trace.h"

#define OK(x) ok((x), #x, __LINE__)

static void ok(edn_status st, const char *what, int line)
{
    if (st == EDN_OK)
        return;
    fprintf(stderr, "bench/crdt.c:%d: %s: %s\n", line, what, edn_status_name(st));
    exit(1);
}

static double cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* ---- what is measured, and where it goes ------------------------------------------------------------------------- */

static FILE *json;

/* One figure: its name, its trace, the value, and what it must be (0: no claim). */
static void figure(const char *name, const char *what, const char *unit, double v, double must)
{
    char verdict[64] = "";

    if (must > 0)
        snprintf(verdict, sizeof verdict, v <= must ? "  (must %g)" : "  MISSED (must %g)", must);
    printf("%-16s %-18s %10.3f %-5s%s\n", what, name, v, unit, verdict);
    if (json)
        fprintf(json,
                "{\"name\": \"%s: %s\", \"value\": %.6g, \"unit\": \"%s\", \"goal\": %g, \"better\": \"lower\", "
                "\"ok\": %s}\n",
                what, name, v, unit, must, must == 0 || v <= must ? "true" : "false");
}

/* ---- cases ------------------------------------------------------------------------------------------------------- */

typedef struct input {
    const char *name;
    trace t;
    edn_buf whole;     /* all history as one message */
    edn_buf file;      /* the document */
    edn_buf *messages; /* one a transaction */
    size_t *bytes;
} input;

static edn_doc *doc_new(edn_agent_id who)
{
    edn_doc *doc;

    OK(edn_doc_new(&doc));
    edn_doc_author(doc, who, 1000);
    return doc;
}

static void txn_type(edn_doc *doc, const trace *t, const trace_txn *x)
{
    for (size_t p = x->patch_at; p < x->patch_end; p++) {
        const trace_patch *q = &t->patches[p];
        if (q->del)
            OK(edn_doc_delete(doc, q->pos, q->del));
        if (q->ins.n)
            OK(edn_doc_insert(doc, q->pos, q->ins));
    }
}

static void text_check(const edn_doc *doc, edn_bytes want)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    OK(edn_doc_text(doc, &b));
    if (want.p && !edn_bytes_equal(edn_buf_view(&b), want)) {
        fprintf(stderr, "bench: the text is wrong\n");
        exit(1);
    }
    edn_buf_dispose(&b);
}

static bool concurrent(const input *in) { return in->t.n_agents > 1; }

static edn_doc *run_typed(const input *in)
{
    edn_doc *doc = doc_new(trace_agent(0));

    for (size_t i = 0; i < in->t.n_txns; i++)
        txn_type(doc, &in->t, &in->t.txns[i]);
    return doc;
}

static edn_doc *run_each(const input *in)
{
    edn_doc *doc = doc_new(trace_agent(1000));

    for (size_t i = 0; i < in->t.n_txns; i++)
        if (in->messages[i].n)
            OK(edn_doc_merge(doc, edn_buf_view(&in->messages[i]), NULL, NULL));
    return doc;
}

static edn_doc *run_whole(const input *in)
{
    edn_doc *doc = doc_new(trace_agent(1000));

    OK(edn_doc_merge(doc, edn_buf_view(&in->whole), NULL, NULL));
    text_check(doc, in->t.end);
    return doc;
}

static edn_doc *run_open(const input *in)
{
    edn_doc *doc;

    OK(edn_doc_decode(edn_buf_view(&in->file), &doc));
    text_check(doc, in->t.end);
    return doc;
}

/* Two replicas; each hears of the other's transactions when its own next one had seen them. With `keep`, the messages
 * are kept for the case `each`. */
static edn_doc *run_live_keep(input *in, bool keep)
{
    const trace *t = &in->t;
    edn_doc *docs[2] = {doc_new(trace_agent(0)), doc_new(trace_agent(1))};
    size_t heard[2] = {0, 0};
    edn_buf *messages = keep ? in->messages : calloc(t->n_txns, sizeof *messages);

    for (size_t i = 0; i < t->n_txns; i++) {
        const trace_txn *x = &t->txns[i];
        edn_doc *doc = docs[x->agent];
        uint64_t from = edn_doc_agent_next(doc, trace_agent(x->agent)), next;
        size_t *h = &heard[x->agent];
        for (size_t p = x->par_at; p < x->par_end; p++) {
            if (t->txns[t->parents[p]].agent == x->agent)
                continue;
            for (; *h <= t->parents[p]; ++*h)
                if (t->txns[*h].agent != x->agent && messages[*h].n)
                    OK(edn_doc_merge(doc, edn_buf_view(&messages[*h]), NULL, NULL));
        }
        txn_type(doc, t, x);
        messages[i] = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        OK(edn_doc_encode_events(doc, trace_agent(x->agent), from, 1u << 20, &messages[i], &next));
    }
    for (size_t d = 0; d < 2; d++)
        for (; heard[d] < t->n_txns; heard[d]++)
            if (t->txns[heard[d]].agent != d && messages[heard[d]].n)
                OK(edn_doc_merge(docs[d], edn_buf_view(&messages[heard[d]]), NULL, NULL));
    text_check(docs[1], t->end);
    edn_doc_free(docs[1]);
    for (size_t i = 0; !keep && i < t->n_txns; i++)
        edn_buf_dispose(&messages[i]);
    if (!keep)
        free(messages);
    return docs[0];
}

static edn_doc *run_live(const input *in) { return run_live_keep((input *)(uintptr_t)in, false); }

typedef edn_doc *case_fn(const input *in);

/* The least CPU of `rounds` runs; the document's end is not counted. */
static double least(case_fn *fn, const input *in, unsigned rounds)
{
    double best = 1e30;

    for (unsigned i = 0; i < rounds; i++) {
        double t0 = cpu_ms(), t;
        edn_doc *doc = fn(in);
        t = cpu_ms() - t0;
        best = EDN_MIN(best, t);
        text_check(doc, in->t.end);
        edn_doc_free(doc);
    }
    return best;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static double status_mib(const char *field)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    double out = 0;

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, field, strlen(field)) == 0)
            out = strtod(line + strlen(field), NULL) / 1024;
    if (f)
        fclose(f);
    return out;
}

/* How much the process grows by one run: what stays with the document open, and the peak. In a child, so that nothing
 * freed before is used again. */
static void memory(const input *in, const char *name, case_fn *fn, double must_open, double must_peak)
{
    int fd[2];
    double got[2] = {0, 0};
    pid_t pid;

    fflush(NULL);
    if (pipe(fd) != 0 || (pid = fork()) < 0)
        exit(1);
    if (pid == 0) {
        FILE *f = fopen("/proc/self/clear_refs", "w");
        double before;
        edn_doc *doc;
        malloc_trim(0); /* what was freed before must not be used again unseen */
        if (f) {        /* the peak counts from here */
            fputs("5", f);
            fclose(f);
        }
        before = status_mib("VmRSS:");
        doc = fn(in);
        got[0] = status_mib("VmRSS:") - before;
        got[1] = status_mib("VmHWM:") - before;
        if (write(fd[1], got, sizeof got) != sizeof got || !doc)
            _exit(1);
        _exit(0);
    }
    if (read(fd[0], got, sizeof got) != sizeof got)
        exit(1);
    waitpid(pid, NULL, 0);
    close(fd[0]);
    close(fd[1]);
    char label[64];
    snprintf(label, sizeof label, "%s, open", name);
    figure(label, in->name, "MiB", got[0], must_open);
    snprintf(label, sizeof label, "%s, peak", name);
    figure(label, in->name, "MiB", got[1], must_peak);
}

/* ---- one trace --------------------------------------------------------------------------------------------------- */

static void input_make(input *in, const char *name, const char *path)
{
    edn_doc *doc;

    *in = (input){.name = name, .t = trace_read(path)};
    in->whole = trace_message(&in->t, 1);
    in->messages = calloc(in->t.n_txns, sizeof *in->messages);
    doc = run_whole(in);
    in->file = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    OK(edn_doc_encode(doc, &in->file));
    edn_doc_free(doc);
    if (in->t.n_agents == 2) {
        edn_doc_free(run_live_keep(in, true));
    } else if (in->t.n_agents == 1) {
        edn_doc *typist = doc_new(trace_agent(0));
        for (size_t i = 0; i < in->t.n_txns; i++) {
            uint64_t from = edn_doc_agent_next(typist, trace_agent(0)), next;
            txn_type(typist, &in->t, &in->t.txns[i]);
            in->messages[i] = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
            OK(edn_doc_encode_events(typist, trace_agent(0), from, 1u << 20, &in->messages[i], &next));
        }
        edn_doc_free(typist);
    }
}

static void input_dispose(input *in)
{
    for (size_t i = 0; i < in->t.n_txns; i++)
        edn_buf_dispose(&in->messages[i]);
    free(in->messages);
    edn_buf_dispose(&in->whole);
    edn_buf_dispose(&in->file);
    trace_dispose(&in->t);
}

static size_t packed(const edn_buf *b, int level)
{
    size_t cap = ZSTD_compressBound(b->n);
    void *to = malloc(cap);
    size_t n = to ? ZSTD_compress(to, cap, b->p, b->n, level) : 0;

    free(to);
    return n;
}

static double encode_ms(const edn_doc *doc, unsigned rounds)
{
    double best = 1e30;

    for (unsigned i = 0; i < rounds; i++) {
        edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        double t0 = cpu_ms();
        OK(edn_doc_encode(doc, &b));
        best = EDN_MIN(best, cpu_ms() - t0);
        edn_buf_dispose(&b);
    }
    return best;
}

static double half_ms(const edn_doc *doc, unsigned rounds)
{
    double best = 1e30;
    edn_event_id id = edn_doc_frontier(doc).ids[0];

    id.seq /= 2;
    for (unsigned i = 0; i < rounds; i++) {
        edn_doc *was;
        double t0 = cpu_ms();
        OK(edn_doc_at(doc, (edn_version){&id, 1}, &was));
        text_check(was, EDN_BYTES_EMPTY);
        best = EDN_MIN(best, cpu_ms() - t0);
        edn_doc_free(was);
    }
    return best;
}

/* What must hold on each trace, in the order of the columns below; 0: no claim. */
typedef struct musts {
    double typed, each, live, whole, open, encode, half, file, mem_open, mem_peak;
} musts;

static void trace_report(const char *name, const char *path, const musts *m, unsigned rounds)
{
    input in;
    edn_doc *doc;
    size_t bytes = 0, n = 0;

    input_make(&in, name, path);
    doc = run_whole(&in);
    if (!concurrent(&in))
        figure("typed", name, "ms", least(run_typed, &in, rounds), m->typed);
    if (in.messages[0].n) {
        figure("each", name, "ms", least(run_each, &in, rounds), m->each);
        for (size_t i = 0; i < in.t.n_txns; i++)
            if (in.messages[i].n) {
                bytes += in.messages[i].n;
                n++;
            }
        figure("message", name, "B", (double)bytes / (double)n, 0);
        figure("message, bare", name, "B", (double)bytes / (double)n - sizeof(edn_agent_id), 10);
    }
    if (in.t.n_agents == 2)
        figure("live", name, "ms", least(run_live, &in, rounds), m->live);
    figure("whole", name, "ms", least(run_whole, &in, rounds), m->whole);
    figure("open", name, "ms", least(run_open, &in, rounds), m->open);
    figure("encode", name, "ms", encode_ms(doc, rounds), m->encode);
    if (edn_doc_frontier(doc).n == 1)
        figure("half", name, "ms", half_ms(doc, rounds), m->half);
    figure("file", name, "B", (double)in.file.n, 0);
    figure("file, zstd 19", name, "B", (double)packed(&in.file, 19), m->file);
    figure("file, zstd 3", name, "B", (double)packed(&in.file, 3), 0);
    figure("whole message", name, "B", (double)in.whole.n, 0);
    edn_doc_free(doc);
    memory(&in, "opened", run_open, m->mem_open, 0);
    if (!concurrent(&in))
        memory(&in, "typed", run_typed, 0, m->mem_peak);
    else if (in.t.n_agents == 2)
        memory(&in, "live", run_live, 0, m->mem_peak);
    input_dispose(&in);
}

/* ---- a device that was away -------------------------------------------------------------------------------------- */

#define AWAY 30000u

/* Types `n` single keystrokes the way people do: stretches of letters, some taken back, then somewhere else. */
static void type_away(edn_doc *doc, uint64_t seed, size_t n)
{
    check_rng r = {seed};
    size_t pos = 0, left = 0;

    for (size_t i = 0; i < n; i++) {
        size_t len = edn_doc_text_count(doc);
        if (left == 0) {
            pos = check_below(&r, len + 1);
            left = 1 + check_below(&r, 40);
        }
        left--;
        if (pos && check_below(&r, 8) == 0) {
            OK(edn_doc_delete(doc, --pos, 1));
        } else {
            uint8_t c = (uint8_t)('a' + check_below(&r, 26));
            OK(edn_doc_insert(doc, pos++, edn_bytes_of(&c, 1)));
        }
    }
}

static void away_report(unsigned rounds)
{
    edn_doc *here = doc_new(trace_agent(0)), *away = doc_new(trace_agent(1)), *doc;
    edn_buf base = EDN_BUF_INIT(EDN_BUF_UNLIMITED), file = base, all = base, drips[2000];
    uint64_t next, from;
    double best = 1e30, first = 1e30, rest = 1e30;
    size_t bytes = 0;

    type_away(here, 5, 20000);
    OK(edn_doc_encode_events(here, trace_agent(0), 0, SIZE_MAX / 2, &base, &next));
    OK(edn_doc_merge(away, edn_buf_view(&base), NULL, NULL));
    type_away(here, 6, AWAY);
    type_away(away, 7, AWAY);
    OK(edn_doc_encode(here, &file));
    OK(edn_doc_encode_events(away, trace_agent(1), 0, SIZE_MAX / 2, &all, &next));
    figure("message", "offline", "B", (double)all.n, 0);
    figure("message, zstd 19", "offline", "B", (double)packed(&all, 19), 27000);
    for (unsigned i = 0; i < rounds; i++) {
        double t0;
        OK(edn_doc_decode(edn_buf_view(&file), &doc));
        t0 = cpu_ms();
        OK(edn_doc_merge(doc, edn_buf_view(&all), NULL, NULL));
        text_check(doc, EDN_BYTES_EMPTY);
        best = EDN_MIN(best, cpu_ms() - t0);
        edn_doc_free(doc);
    }
    figure("offline merge", "offline", "ms", best, 1.8);
    from = 0;
    for (size_t i = 0; i < EDN_COUNT(drips); i++) {
        drips[i] = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        OK(edn_doc_encode_events(away, trace_agent(1), from, 1, &drips[i], &from));
        bytes += drips[i].n;
    }
    figure("message, one key", "offline", "B", (double)bytes / EDN_COUNT(drips), 0);
    for (unsigned i = 0; i < rounds; i++) {
        double t0, t1;
        OK(edn_doc_decode(edn_buf_view(&file), &doc));
        t0 = cpu_ms();
        OK(edn_doc_merge(doc, edn_buf_view(&drips[0]), NULL, NULL));
        t1 = cpu_ms();
        first = EDN_MIN(first, t1 - t0);
        for (size_t k = 1; k < EDN_COUNT(drips); k++)
            OK(edn_doc_merge(doc, edn_buf_view(&drips[k]), NULL, NULL));
        rest = EDN_MIN(rest, (cpu_ms() - t1) * 1e3 / (EDN_COUNT(drips) - 1));
        edn_doc_free(doc);
    }
    figure("drip, first", "offline", "ms", first, 3);
    figure("drip, next", "offline", "us", rest, 1);
    for (size_t i = 0; i < EDN_COUNT(drips); i++)
        edn_buf_dispose(&drips[i]);
    edn_buf_dispose(&base);
    edn_buf_dispose(&file);
    edn_buf_dispose(&all);
    edn_doc_free(here);
    edn_doc_free(away);
}

/* ---- main -------------------------------------------------------------------------------------------------------- */

static const struct bench_trace {
    const char *name, *path;
    musts m;
} traces[] = {
    {"automerge-paper",
     "traces/sequential_traces/automerge-paper.json.gz",
     {9, 32, 0, 2.1, 0.4, 1.5, 1.6, 80000, 1, 4}},
    {"rustcode", "traces/sequential_traces/rustcode.json.gz", {5.7, 8.1, 0, 2.4, 0.28, 0.63, 1.03, 134000, 0, 0}},
    {"seph-blog1", "traces/sequential_traces/seph-blog1.json.gz", {5.8, 19, 0, 2.6, 0.2, 0.97, 1.43, 114000, 0, 0}},
    {"sveltecomponent",
     "traces/sequential_traces/sveltecomponent.json.gz",
     {1.7, 3.3, 0, 0.85, 0.1, 0.22, 0.53, 31000, 0, 0}},
    {"json-crdt-patch",
     "traces/sequential_traces/json-crdt-patch.json.gz",
     {1.1, 2.6, 0, 0.66, 0.13, 0.41, 0.4, 26500, 0, 0}},
    {"friendsforever", "traces/concurrent_traces/friendsforever.json.gz", {0, 8, 14, 2.8, 0.13, 0, 0, 27000, 0, 6}},
    {"node_nodecc", "traces/branching/node_nodecc.json.gz", {0, 0, 0, 15, 0, 0, 0, 0, 0, 0}},
};

static int one(const char *what, const char *name, unsigned rounds)
{
    static const struct {
        const char *name;
        case_fn *fn;
    } cases[] = {
        {"typed", run_typed}, {"each", run_each}, {"whole", run_whole}, {"open", run_open}, {"live", run_live}};
    input in;

    for (size_t i = 0; i < EDN_COUNT(traces); i++)
        for (size_t k = 0; k < EDN_COUNT(cases); k++)
            if (strcmp(traces[i].name, name) == 0 && strcmp(cases[k].name, what) == 0) {
                input_make(&in, name, traces[i].path);
                printf("%.3f ms\n", least(cases[k].fn, &in, rounds));
                input_dispose(&in);
                return 0;
            }
    fprintf(stderr, "no such case or trace\n");
    return 2;
}

int main(int argc, char **argv)
{
    unsigned rounds = 10;
    const char *only = NULL;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--one") == 0 && i + 2 < argc)
            return one(argv[i + 1], argv[i + 2], i + 3 < argc ? (unsigned)atoi(argv[i + 3]) : 1);
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds = (unsigned)atoi(argv[++i]);
        else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc)
            json = fopen(argv[++i], "w");
        else
            only = argv[i];
    }
    if (!getenv("EDN_DATA")) {
        fprintf(stderr, "EDN_DATA must name the folder that has traces/\n");
        return 2;
    }
    for (size_t i = 0; i < EDN_COUNT(traces); i++)
        if (!only || strcmp(only, traces[i].name) == 0)
            trace_report(traces[i].name, traces[i].path, &traces[i].m, rounds);
    if (!only || strcmp(only, "offline") == 0)
        away_report(rounds);
    if (json)
        fclose(json);
    return 0;
}
