/* What the merge engine costs: process CPU, bytes and memory, on the published traces (EDN_DATA/traces).
 *
 *   bench-crdt [--rounds N] [--json FILE] [TRACE]     all figures; times are the least of N rounds. FILE: a line each;
 *                                                     -: nothing else is printed
 *   bench-crdt --one CASE TRACE [N]                   one case, N times (once): for callgrind and perf
 *   bench-crdt --script FILE                          what was typed in `offline`, for the peers
 *
 * What each figure must be is in scripts/bench-crdt, which knows what the peers needed in the same run.
 *
 * Cases: typed (one change per keystroke), each (a message per transaction, taken in), whole (all history in one
 * message, to text), open (file to text), encode, half (the text at half the history), live (two replicas that hear of
 * each other as the trace says); crdt_away.c has offline and drip, crdt_scale.c the large things. */
#include "crdt_bench.h"

#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "crdt/doc.h"

#ifdef __wasi__
#include <wasi/api.h>
#else
#include <malloc.h>
#include <sys/wait.h>
#endif

void bench_ok(edn_status st, const char *what, const char *file, int line)
{
    if (st == EDN_OK)
        return;
    fprintf(stderr, "%s:%d: %s: %s\n", file, line, what, edn_status_name(st));
    exit(1);
}

static double clock_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

double wall_us(void) { return clock_ns(CLOCK_MONOTONIC) / 1e3; }

#ifdef __wasi__
/* Its libc leaves this clock out; the machine has it. */
double cpu_ms(void)
{
    __wasi_timestamp_t t = 0;

    (void)__wasi_clock_time_get(2 /* the process's CPU */, 1, &t); /* there always is one */
    return (double)t / 1e6;
}
#else
double cpu_ms(void) { return clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1e6; }
#endif

/* ---- what is measured, and where it goes ------------------------------------------------------------------------- */

static FILE *json;

#ifdef __wasi__
#define MACHINE ", wasm32"
#else
#define MACHINE ""
#endif

void figure(const char *what, const char *name, const char *unit, double v)
{
    if (json != stdout)
        printf("%-18s %-32s %12.3f %s\n", what, name, v, unit);
    if (json)
        fprintf(json, "{\"name\": \"%s: %s" MACHINE "\", \"value\": %.6g, \"unit\": \"%s\", \"better\": \"lower\"}\n",
                what, name, v, unit);
}

/* ---- cases ------------------------------------------------------------------------------------------------------- */

/* A trace, and what is made of it once. */
typedef struct input {
    const char *name;
    trace t;
    edn_buf whole;     /* all history as one message */
    edn_buf file;      /* the document */
    edn_buf texts;     /* what the patches insert */
    edn_buf *messages; /* one a transaction */
} input;

edn_doc *doc_new(edn_agent_id who)
{
    edn_doc *doc;

    OK(edn_doc_new(&doc));
    edn_doc_author(doc, who, 1000);
    return doc;
}

void txn_type(edn_doc *doc, const trace *t, const trace_txn *x)
{
    for (size_t p = x->patch_at; p < x->patch_end; p++) {
        const trace_patch *q = &t->patches[p];
        if (q->del)
            OK(edn_doc_delete(doc, q->pos, q->del));
        if (q->ins.n)
            OK(edn_doc_insert(doc, q->pos, q->ins));
    }
}

void text_check(const edn_doc *doc, edn_bytes want)
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

static edn_doc *run_typed(const void *ctx)
{
    const input *in = ctx;
    edn_doc *doc = doc_new(trace_agent(0));

    for (size_t i = 0; i < in->t.n_txns; i++)
        txn_type(doc, &in->t, &in->t.txns[i]);
    return doc;
}

static edn_doc *run_each(const void *ctx)
{
    const input *in = ctx;
    edn_doc *doc = doc_new(trace_agent(1000));

    for (size_t i = 0; i < in->t.n_txns; i++)
        if (in->messages[i].n)
            OK(edn_doc_merge(doc, edn_buf_view(&in->messages[i]), NULL, NULL));
    return doc;
}

static edn_doc *run_whole(const void *ctx)
{
    const input *in = ctx;
    edn_doc *doc = doc_new(trace_agent(1000));

    OK(edn_doc_merge(doc, edn_buf_view(&in->whole), NULL, NULL));
    text_check(doc, in->t.end);
    return doc;
}

static edn_doc *run_open(const void *ctx)
{
    const input *in = ctx;
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

static edn_doc *run_live(const void *ctx) { return run_live_keep((input *)(uintptr_t)ctx, false); }

double least(bench_run *fn, const void *ctx, unsigned rounds)
{
    double best = 1e30;

    for (unsigned i = 0; i < rounds; i++) {
        double t0 = cpu_ms(), t;
        edn_doc *doc = fn(ctx);
        t = cpu_ms() - t0;
        best = EDN_MIN(best, t);
        edn_doc_free(doc);
    }
    return best;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

#ifdef __wasi__
bool memory_grown(bench_run *fn, const void *ctx, double *open, double *peak)
{
    (void)fn, (void)ctx, (void)open, (void)peak;
    return false;
}
#else
/* smaps_rollup counts pages; the running counts of status may be some dozens of pages behind. */
static double proc_mib(const char *path, const char *field)
{
    FILE *f = fopen(path, "r");
    char line[256];
    double out = 0;

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, field, strlen(field)) == 0)
            out = strtod(line + strlen(field), NULL) / 1024;
    if (f)
        fclose(f);
    return out;
}

/* In a child, so that nothing freed before is used again unseen. */
bool memory_grown(bench_run *fn, const void *ctx, double *open, double *peak)
{
    double got[2] = {0, 0};
    int fd[2];
    pid_t pid;

    fflush(NULL);
    if (pipe(fd) != 0 || (pid = fork()) < 0)
        exit(1);
    if (pid == 0) {
        FILE *f;
        double before;
        edn_doc *doc;
        edn_doc_free(fn(ctx)); /* a child's pages of code come as they are used: they are not what is asked for */
        malloc_trim(0);
        f = fopen("/proc/self/clear_refs", "w");
        if (f) { /* the peak counts from here */
            fputs("5", f);
            fclose(f);
        }
        before = proc_mib("/proc/self/smaps_rollup", "Rss:");
        doc = fn(ctx);
        got[0] = proc_mib("/proc/self/smaps_rollup", "Rss:") - before;
        got[1] = EDN_MAX(got[0], proc_mib("/proc/self/status", "VmHWM:") - before);
        _exit(write(fd[1], got, sizeof got) == sizeof got && doc ? 0 : 1);
    }
    if (read(fd[0], got, sizeof got) != sizeof got)
        exit(1);
    waitpid(pid, NULL, 0);
    close(fd[0]);
    close(fd[1]);
    *open = got[0];
    *peak = got[1];
    return true;
}
#endif

/* ---- one trace --------------------------------------------------------------------------------------------------- */

/* A message for each transaction of a history with many branches. A document that took in trace_message has the events
 * in the order of the trace. */
static void messages_make(input *in, const edn_doc *doc)
{
    edn_lv at = 0;

    OK(edn_doc_load(doc));
    for (size_t i = 0; i < in->t.n_txns; i++) {
        const trace_txn *x = &in->t.txns[i];
        edn_lv_range range = {at, at};
        edn_event_id id;
        for (size_t p = x->patch_at; p < x->patch_end; p++)
            range.to += (edn_lv)(in->t.patches[p].del + edn_utf8_count(in->t.patches[p].ins));
        at = range.to;
        in->messages[i] = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        if (range.from == range.to)
            continue;
        id = edn_log_id(&doc->log, range.from);
        OK(edn_message_write(&doc->log, edn_log_agent_find(&doc->log, &id.agent), (uint32_t)id.seq, &range, 1, true,
                             &in->messages[i]));
    }
}

static void messages_type(input *in)
{
    edn_doc *typist = doc_new(trace_agent(0));

    for (size_t i = 0; i < in->t.n_txns; i++) {
        uint64_t from = edn_doc_agent_next(typist, trace_agent(0)), next;
        txn_type(typist, &in->t, &in->t.txns[i]);
        in->messages[i] = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        OK(edn_doc_encode_events(typist, trace_agent(0), from, 1u << 20, &in->messages[i], &next));
    }
    edn_doc_free(typist);
}

/* Lays the texts of the patches side by side: scattered over the heap, finding them costs as much as typing them. */
static edn_buf texts_pack(trace *t)
{
    edn_buf out = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    size_t at = 0;

    for (size_t i = 0; i < t->n_patches; i++)
        edn_put_bytes(&out, t->patches[i].ins.p, t->patches[i].ins.n);
    OK(edn_buf_status(&out));
    for (size_t i = 0; i < t->n_patches; at += t->patches[i++].ins.n)
        t->patches[i].ins.p = out.p + at;
    return out;
}

static void input_make(input *in, const char *name, const char *path)
{
    edn_doc *doc;

    *in = (input){.name = name, .t = trace_read(path)};
    in->texts = texts_pack(&in->t);
    in->whole = trace_message(&in->t, 1);
    in->messages = calloc(in->t.n_txns, sizeof *in->messages);
    if (!in->messages)
        exit(1);
    doc = run_whole(in);
    in->file = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    OK(edn_doc_encode(doc, &in->file));
    if (in->t.n_agents == 1)
        messages_type(in);
    else if (in->t.n_agents == 2)
        edn_doc_free(run_live_keep(in, true));
    else
        messages_make(in, doc);
    edn_doc_free(doc);
}

static void input_dispose(input *in)
{
    for (size_t i = 0; i < in->t.n_txns; i++)
        edn_buf_dispose(&in->messages[i]);
    free(in->messages);
    edn_buf_dispose(&in->whole);
    edn_buf_dispose(&in->file);
    edn_buf_dispose(&in->texts);
    trace_dispose(&in->t);
}

size_t packed(const edn_buf *b, int level)
{
    size_t cap = ZSTD_compressBound(b->n);
    void *to = malloc(cap);
    size_t n = to ? ZSTD_compress(to, cap, b->p, b->n, level) : 0;

    free(to);
    return n;
}

/* The file with the history dropped. */
static size_t folded_size(const edn_doc *doc)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    size_t n;

    OK(edn_doc_fold(doc, &b));
    n = packed(&b, 19);
    edn_buf_dispose(&b);
    return n;
}

static double encode_ms(const edn_doc *doc, unsigned rounds, int level)
{
    double best = 1e30;

    for (unsigned i = 0; i < rounds; i++) {
        edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        double t0 = cpu_ms();
        OK(edn_doc_encode(doc, &b));
        if (level && packed(&b, level) == 0)
            exit(1);
        best = EDN_MIN(best, cpu_ms() - t0);
        edn_buf_dispose(&b);
    }
    return best;
}

/* The text after `part` of `parts` of one author's history. */
static double past_ms(const edn_doc *doc, unsigned rounds, uint64_t part, uint64_t parts)
{
    double best = 1e30;
    edn_event_id id = edn_doc_frontier(doc).ids[0];

    id.seq = (id.seq + 1) * part / parts - 1;
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

/* ---- single events ----------------------------------------------------------------------------------------------- */

static int double_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Each of `n` events' least time over the rounds: what an event costs, not what else the machine did then. */
static void latency_figures(const input *in, const char *what, double *us, size_t n)
{
    char label[64];

    qsort(us, n, sizeof *us, double_compare);
    snprintf(label, sizeof label, "%s, p99", what);
    figure(in->name, label, "us", us[n - 1 - n / 100]);
    snprintf(label, sizeof label, "%s, max", what);
    figure(in->name, label, "us", us[n - 1]);
}

#define PASTE 4096u

/* The first event after opening is among them: the file of an empty text is opened and typed into. */
static void latency_local(const input *in, unsigned rounds)
{
    double *us = calloc(in->t.n_patches, sizeof *us);
    size_t n = 0;

    if (!us)
        exit(1);
    for (unsigned i = 0; i < rounds; i++) {
        edn_doc *doc = doc_new(trace_agent(0));
        n = 0;
        for (size_t p = 0; p < in->t.n_patches; p++) {
            const trace_patch *q = &in->t.patches[p];
            double t0 = wall_us(), t;
            if (q->del)
                OK(edn_doc_delete(doc, q->pos, q->del));
            if (q->ins.n)
                OK(edn_doc_insert(doc, q->pos, q->ins));
            t = wall_us() - t0;
            if (q->ins.n > PASTE)
                continue;
            us[n] = i ? EDN_MIN(us[n], t) : t;
            n++;
        }
        edn_doc_free(doc);
    }
    latency_figures(in, "a local edit", us, n);
    free(us);
}

static void latency_remote(const input *in, unsigned rounds)
{
    double *us = calloc(in->t.n_txns + 1, sizeof *us);
    edn_event_id id;
    size_t n = 0;

    if (!us)
        exit(1);
    for (unsigned i = 0; i < rounds; i++) {
        edn_doc *doc = doc_new(trace_agent(1000)), *opened;
        double t0, t;
        n = 0;
        for (size_t k = 0; k < in->t.n_txns; k++) {
            if (in->messages[k].n == 0)
                continue;
            t0 = wall_us();
            OK(edn_doc_merge(doc, edn_buf_view(&in->messages[k]), NULL, NULL));
            t = wall_us() - t0;
            us[n] = i ? EDN_MIN(us[n], t) : t;
            n++;
        }
        /* One more keystroke of somebody, after opening. */
        edn_buf file = EDN_BUF_INIT(EDN_BUF_UNLIMITED), key = file;
        uint64_t next;
        OK(edn_doc_encode(doc, &file));
        id = edn_doc_frontier(doc).ids[0];
        edn_doc_author(doc, id.agent, 1000);
        OK(edn_doc_insert(doc, edn_doc_text_count(doc) / 2, edn_bytes_of((const uint8_t *)"x", 1)));
        OK(edn_doc_encode_events(doc, id.agent, id.seq + 1, 1u << 20, &key, &next));
        OK(edn_doc_decode(edn_buf_view(&file), &opened));
        t0 = wall_us();
        OK(edn_doc_merge(opened, edn_buf_view(&key), NULL, NULL));
        t = wall_us() - t0;
        us[n] = i ? EDN_MIN(us[n], t) : t;
        n++;
        edn_buf_dispose(&file);
        edn_buf_dispose(&key);
        edn_doc_free(opened);
        edn_doc_free(doc);
    }
    latency_figures(in, "a remote event", us, n);
    free(us);
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

/* Without the author's id, which whoever carries it knows: a single keystroke's, and what each costs when 64 go
 * together. */
static void message_figures(const input *in)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    size_t bytes = 0, all = 0, keys = 0, n = 0;
    uint64_t next = 0, events, from;
    edn_doc *doc;

    for (size_t i = 0; i < in->t.n_txns; i++) {
        const trace_txn *x = &in->t.txns[i];
        const trace_patch *q = &in->t.patches[x->patch_at];
        if (in->messages[i].n == 0)
            continue;
        all += in->messages[i].n;
        n++;
        if (x->patch_end - x->patch_at != 1 || q->del + edn_utf8_count(q->ins) != 1)
            continue;
        bytes += in->messages[i].n - sizeof(edn_agent_id);
        keys++;
    }
    figure(in->name, "message, with its author", "B", (double)all / (double)n);
    if (in->t.n_agents <= 2)
        figure(in->name, "one keystroke's message", "B", (double)bytes / (double)keys);
    if (in->t.n_agents > 1)
        return;
    bytes = n = 0;
    doc = doc_new(trace_agent(0));
    for (size_t i = 0; i + 64 <= in->t.n_txns; i += 64) {
        bool single = true;
        from = edn_doc_agent_next(doc, trace_agent(0));
        for (size_t k = i; k < i + 64; k++)
            txn_type(doc, &in->t, &in->t.txns[k]);
        events = edn_doc_agent_next(doc, trace_agent(0)) - from;
        single = events == 64; /* no pastes */
        edn_buf_reset(&b);
        OK(edn_doc_encode_bare(doc, trace_agent(0), from, 1u << 24, &b, &next));
        if (!single)
            continue;
        bytes += b.n;
        n += 64;
    }
    if (n)
        figure(in->name, "keystroke in a batch of 64", "B", (double)bytes / (double)n);
    edn_doc_free(doc);
    edn_buf_dispose(&b);
}

/* Typing a key and encoding it, less typing it. */
static edn_doc *run_saved(const void *ctx)
{
    const input *in = ctx;
    edn_doc *doc = doc_new(trace_agent(0));
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    uint64_t next = 0;

    for (size_t i = 0; i < in->t.n_txns; i++) {
        txn_type(doc, &in->t, &in->t.txns[i]);
        edn_buf_reset(&b);
        OK(edn_doc_encode_bare(doc, trace_agent(0), next, 1u << 24, &b, &next));
    }
    edn_buf_dispose(&b);
    return doc;
}

static void memory_figures(const input *in)
{
    double open, peak, whole;

    if (!memory_grown(run_open, in, &open, &peak))
        return;
    figure(in->name, "memory, open", "MiB", open);
    if (!memory_grown(run_whole, in, &open, &whole))
        return;
    figure(in->name, "memory, whole", "MiB", whole);
    if (in->t.n_agents == 1 && memory_grown(run_typed, in, &open, &peak))
        figure(in->name, "memory, all", "MiB", peak); /* as the peers: every key typed */
    if (in->t.n_agents == 2 && memory_grown(run_live, in, &open, &peak))
        figure(in->name, "memory, live", "MiB", peak);
}

static void trace_report(const char *name, const char *path, unsigned rounds)
{
    input in;
    edn_doc *doc;
    double typed = 0;

    input_make(&in, name, path);
    doc = run_whole(&in);
    if (!concurrent(&in)) {
        typed = least(run_typed, &in, rounds);
        figure(name, "typed", "ms", typed);
        figure(name, "save a keystroke", "us", (least(run_saved, &in, rounds) - typed) * 1e3 / (double)in.t.n_txns);
    }
    figure(name, "each", "ms", least(run_each, &in, rounds));
    if (in.t.n_agents == 2)
        figure(name, "live", "ms", least(run_live, &in, rounds));
    figure(name, "whole", "ms", least(run_whole, &in, rounds));
    figure(name, "open", "ms", least(run_open, &in, rounds));
    figure(name, "encode", "ms", encode_ms(doc, rounds, 0));
    figure(name, "compact", "ms", encode_ms(doc, 2, 19));
    if (!concurrent(&in)) {
        figure(name, "half", "ms", past_ms(doc, rounds, 1, 2));
        figure(name, "past, a tenth", "ms", past_ms(doc, rounds, 1, 10));
        figure(name, "past, nine tenths", "ms", past_ms(doc, rounds, 9, 10));
    }
    figure(name, "file, plain", "B", (double)in.file.n);
    figure(name, "file, zstd 3", "B", (double)packed(&in.file, 3));
    figure(name, "file", "B", (double)packed(&in.file, 19));
    figure(name, "dropped", "B", (double)folded_size(doc));
    message_figures(&in);
    if (!concurrent(&in))
        latency_local(&in, 5);
    latency_remote(&in, 5);
    edn_doc_free(doc);
    memory_figures(&in);
    input_dispose(&in);
}

/* ---- main -------------------------------------------------------------------------------------------------------- */

static const struct bench_trace {
    const char *name, *path;
} traces[] = {
    {"automerge-paper", "traces/sequential_traces/automerge-paper.json.gz"},
    {"rustcode", "traces/sequential_traces/rustcode.json.gz"},
    {"seph-blog1", "traces/sequential_traces/seph-blog1.json.gz"},
    {"sveltecomponent", "traces/sequential_traces/sveltecomponent.json.gz"},
    {"json-crdt-patch", "traces/sequential_traces/json-crdt-patch.json.gz"},
    {"friendsforever", "traces/concurrent_traces/friendsforever.json.gz"},
    {"node_nodecc", "traces/branching/node_nodecc.json.gz"},
};

static edn_doc *run_half(const void *ctx)
{
    const input *in = ctx;
    edn_doc *doc, *was;
    edn_event_id id;

    OK(edn_doc_decode(edn_buf_view(&in->file), &doc));
    id = edn_doc_frontier(doc).ids[0];
    id.seq /= 2;
    OK(edn_doc_at(doc, (edn_version){&id, 1}, &was));
    edn_doc_free(doc);
    return was;
}

static int one(const char *what, const char *name, unsigned rounds)
{
    /* scripts/bench counts the instructions of these functions by their names. */
    static const struct {
        const char *name;
        bench_run *fn;
    } cases[] = {{"typed", run_typed}, {"each", run_each}, {"whole", run_whole},
                 {"open", run_open},   {"live", run_live}, {"half", run_half}};
    input in;

    if (strcmp(name, "offline") == 0) {
        printf("%.3f ms\n", away_once());
        return 0;
    }
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

static int script(const char *path)
{
    FILE *f = fopen(path, "w");

    if (!f) {
        perror(path);
        return 1;
    }
    away_script(f);
    return fclose(f) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    unsigned rounds = 10;
    const char *only = NULL;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--one") == 0 && i + 2 < argc)
            return one(argv[i + 1], argv[i + 2], i + 3 < argc ? (unsigned)atoi(argv[i + 3]) : 1);
        if (strcmp(argv[i], "--script") == 0 && i + 1 < argc)
            return script(argv[i + 1]);
        if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds = (unsigned)atoi(argv[++i]);
        else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc)
            json = strcmp(argv[++i], "-") == 0 ? stdout : fopen(argv[i], "w");
        else
            only = argv[i];
    }
    if (!getenv("EDN_DATA")) {
        fprintf(stderr, "EDN_DATA must name the folder that has traces/\n");
        return 2;
    }
    for (size_t i = 0; i < EDN_COUNT(traces); i++)
        if (!only || strcmp(only, traces[i].name) == 0)
            trace_report(traces[i].name, traces[i].path, rounds);
    if (!only || strcmp(only, "offline") == 0)
        away_report(rounds);
    if (only ? strcmp(only, "scale") == 0 : *MACHINE == 0)
        scale_report(rounds);
    if (json)
        fclose(json);
    return 0;
}
