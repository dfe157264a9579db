#include "crdt_bench.h"

#include <unistd.h>

/* What happens to the costs when there is much more of everything. */

static edn_doc *run_message(const void *ctx)
{
    edn_doc *doc = doc_new(trace_agent(1000));

    OK(edn_doc_merge(doc, edn_buf_view(ctx), NULL, NULL));
    return doc;
}

/* A trace `copies` times over against once: time and the peak of memory. */
static void copies_report(const char *name, const char *path, size_t copies, unsigned rounds)
{
    trace t = trace_read(path);
    edn_buf one = trace_message(&t, 1), many = trace_message(&t, copies);
    char label[64];
    double open, peak_one, peak_many;

    snprintf(label, sizeof label, "whole, %zu times over, time", copies);
    figure(name, label, "x", least(run_message, &many, EDN_MIN(rounds, 5u)) / least(run_message, &one, rounds));
    if (memory_grown(run_message, &one, &open, &peak_one) && memory_grown(run_message, &many, &open, &peak_many)) {
        snprintf(label, sizeof label, "whole, %zu times over, peak", copies);
        figure(name, label, "x", peak_many / peak_one);
    }
    edn_buf_dispose(&one);
    edn_buf_dispose(&many);
    trace_dispose(&t);
}

/* The paper typed `copies` times, each time at the end of all before. */
typedef struct retyping {
    const trace *t;
    size_t copies;
} retyping;

static edn_doc *run_retype(const void *ctx)
{
    const retyping *r = ctx;
    edn_doc *doc = doc_new(trace_agent(0));

    for (size_t i = 0; i < r->copies; i++) {
        size_t base = edn_doc_text_count(doc);
        for (size_t p = 0; p < r->t->n_patches; p++) {
            const trace_patch *q = &r->t->patches[p];
            if (q->del)
                OK(edn_doc_delete(doc, base + q->pos, q->del));
            if (q->ins.n)
                OK(edn_doc_insert(doc, base + q->pos, q->ins));
        }
    }
    return doc;
}

static void retype_report(unsigned rounds)
{
    trace t = trace_read("traces/sequential_traces/automerge-paper.json.gz");
    retyping one = {&t, 1}, ten = {&t, 10};
    double open, peak_one, peak_ten;

    figure("automerge-paper", "typed, 10 times over, time", "x",
           least(run_retype, &ten, EDN_MIN(rounds, 3u)) / least(run_retype, &one, rounds));
    if (memory_grown(run_retype, &one, &open, &peak_one) && memory_grown(run_retype, &ten, &open, &peak_ten))
        figure("automerge-paper", "typed, 10 times over, peak", "x", peak_ten / peak_one);
    trace_dispose(&t);
}

#define HUGE_SIZE (100u << 20)

/* One entry with a text of 100 MB: to put in, to type in, to write and to open. */
static void huge_report(void)
{
    edn_doc *doc = doc_new(trace_agent(0)), *again;
    edn_buf text = EDN_BUF_INIT(EDN_BUF_UNLIMITED), file = text;
    check_rng r = {3};
    double t0;

    for (size_t i = 0; i < HUGE_SIZE; i++)
        edn_put_u8(&text, i % 80 == 79 ? '\n' : (uint8_t)('a' + i % 23));
    OK(edn_buf_status(&text));
    t0 = cpu_ms();
    OK(edn_doc_insert(doc, 0, edn_buf_view(&text)));
    figure("100 MB", "paste", "ms", cpu_ms() - t0);
    t0 = cpu_ms();
    for (size_t i = 0; i < 10000; i++)
        OK(edn_doc_insert(doc, check_below(&r, HUGE_SIZE), edn_bytes_of((const uint8_t *)"x", 1)));
    figure("100 MB", "a key, each somewhere else", "us", (cpu_ms() - t0) / 10);
    t0 = cpu_ms();
    OK(edn_doc_encode(doc, &file));
    figure("100 MB", "encode", "ms", cpu_ms() - t0);
    edn_doc_free(doc);
    t0 = cpu_ms();
    OK(edn_doc_decode(edn_buf_view(&file), &again));
    figure("100 MB", "open", "ms", cpu_ms() - t0);
    if (edn_doc_text_size(again) != HUGE_SIZE + 10000)
        exit(1);
    edn_doc_free(again);
    edn_buf_dispose(&text);
    edn_buf_dispose(&file);
}

/* Fifty people, none of whom hears of the others before each has typed 200 keys: a hundred times. Everybody types at
 * places of the text that all knew, and takes back some of what is his own, so that the lengths are known here. */
#define CROWD 50u
#define CROWD_ROUNDS 100u
#define CROWD_KEYS 200u

static void crowd_push(edn_log *log, uint32_t length, check_rng *r, uint32_t *kept)
{
    uint32_t pos = (uint32_t)check_below(r, length + 1), mine = 0;
    edn_log_need need = {.events = CROWD_KEYS, .ops = 3 * CROWD_KEYS, .text = CROWD_KEYS};

    OK(edn_log_reserve(log, &need));
    for (uint32_t i = 0; i < CROWD_KEYS; i++) {
        uint8_t c = (uint8_t)('a' + check_below(r, 26));
        if (mine && check_below(r, 8) == 0) {
            edn_log_push_op(log, EDN_OP_DEL, --pos, 1, EDN_BYTES_EMPTY);
            mine--;
        } else {
            edn_log_push_op(log, EDN_OP_INS, pos++, 1, edn_bytes_of(&c, 1));
            mine++;
        }
    }
    *kept += mine;
}

static void crowd_report(unsigned rounds)
{
    edn_log log = {0};
    edn_buf message = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_lv front[CROWD], next[CROWD];
    uint32_t n = 0, length = 0, agent;
    check_rng r = {11};
    double open, peak;

    for (uint32_t i = 0; i < CROWD_ROUNDS; i++) {
        uint32_t kept = 0;
        for (uint32_t k = 0; k < CROWD; k++) {
            edn_agent_id id = trace_agent(k);
            OK(edn_log_agent_add(&log, &id, &agent));
            OK(edn_log_reserve(&log, &(edn_log_need){.runs = 1, .parents = CROWD}));
            OK(edn_log_reserve_agent(&log, agent, 1, 1));
            edn_log_push_run(&log, agent, front, n, false);
            edn_log_push_time(&log, agent, 1000);
            crowd_push(&log, length, &r, &kept);
            next[k] = log.n - 1;
        }
        length += kept;
        memcpy(front, next, sizeof front);
        n = CROWD;
    }
    edn_put_u8(&message, 0x42);
    OK(edn_block_write(&log, &(edn_lv_range){0, log.n}, 1, EDN_BLOCK_BUNDLE, &message));
    edn_log_dispose(&log);
    figure("a million by fifty", "whole", "ms", least(run_message, &message, EDN_MIN(rounds, 3u)));
    if (memory_grown(run_message, &message, &open, &peak)) {
        figure("a million by fifty", "memory, open", "MiB", open);
        figure("a million by fifty", "memory, all", "MiB", peak);
    }
    edn_buf_dispose(&message);
}

void scale_report(unsigned rounds)
{
    copies_report("automerge-paper", "traces/sequential_traces/automerge-paper.json.gz", 10, rounds);
    copies_report("friendsforever", "traces/concurrent_traces/friendsforever.json.gz", 25, rounds);
    retype_report(rounds);
    crowd_report(rounds);
    huge_report();
}
