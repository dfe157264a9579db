/* Reads the published editing traces (gzipped JSON in EDN_DATA/traces). */
#ifndef EDN_TESTS_CRDT_TRACE_H
#define EDN_TESTS_CRDT_TRACE_H

#include <jansson.h>
#include <zlib.h>

#include "check.h"
#include "crdt/block.h"

typedef struct trace_patch {
    size_t pos, del;
    edn_bytes ins;
} trace_patch;

/* Patches [patch_at, patch_end) by one agent on top of other transactions. */
typedef struct trace_txn {
    size_t agent, patch_at, patch_end;
    size_t par_at, par_end;
} trace_txn;

typedef struct trace {
    json_t *json;
    edn_bytes end;
    trace_txn *txns;
    size_t n_txns;
    trace_patch *patches;
    size_t n_patches;
    size_t *parents; /* transactions */
    size_t n_parents, n_agents;
} trace;

static inline json_t *trace_json(const char *name)
{
    size_t n, cap = 1u << 24;
    uint8_t *gz = check_data(name, &n), *text;
    z_stream z = {0};
    json_t *out;
    json_error_t err;

    text = malloc(cap);
    assert_non_null(text);
    z.next_in = gz;
    z.avail_in = (uInt)n;
    assert_int_equal(inflateInit2(&z, 16 + MAX_WBITS), Z_OK);
    for (;;) {
        z.next_out = text + z.total_out;
        z.avail_out = (uInt)(cap - z.total_out);
        int rc = inflate(&z, Z_NO_FLUSH);
        if (rc == Z_STREAM_END)
            break;
        assert_int_equal(rc, Z_OK);
        cap *= 2;
        text = realloc(text, cap);
        assert_non_null(text);
    }
    out = json_loadb((const char *)text, z.total_out, 0, &err);
    if (!out)
        fail_msg("%s: %s", name, err.text);
    inflateEnd(&z);
    free(text);
    free(gz);
    return out;
}

static inline edn_bytes trace_str(const json_t *s) { return edn_bytes_of(json_string_value(s), json_string_length(s)); }

/* Room for one more of `n` things: doubled at each power of two (a sanitizer's realloc copies every time). */
static inline void *trace_room(void *p, size_t n, size_t more, size_t size)
{
    size_t cap = 1, want = n + more;

    while (cap < want)
        cap *= 2;
    if (n > cap / 2)
        return p; /* it has been made for `cap` before */
    p = realloc(p, cap * size);
    assert_non_null(p);
    return p;
}

static inline trace_txn *trace_txn_add(trace *t, const json_t *patches, size_t agent)
{
    trace_txn *x;
    size_t i;
    json_t *p;

    t->txns = trace_room(t->txns, t->n_txns, 1, sizeof *t->txns);
    if (json_array_size(patches))
        t->patches = trace_room(t->patches, t->n_patches, json_array_size(patches), sizeof *t->patches);
    x = &t->txns[t->n_txns++];
    *x = (trace_txn){agent, t->n_patches, 0, t->n_parents, t->n_parents};
    json_array_foreach(patches, i, p) t->patches[t->n_patches++] = (trace_patch){
        (size_t)json_integer_value(json_array_get(p, 0)), (size_t)json_integer_value(json_array_get(p, 1)),
        trace_str(json_array_get(p, 2))};
    x->patch_end = t->n_patches;
    return x;
}

static inline void trace_parent_add(trace *t, trace_txn *x, size_t parent)
{
    t->parents = trace_room(t->parents, t->n_parents, 1, sizeof *t->parents);
    t->parents[t->n_parents++] = parent;
    x->par_end = t->n_parents;
}

/* Agents of the branching trace are names, and its parents are events: both become numbers of ours. A person who wrote
 * on two branches at once counts as two agents: ours have always seen what they wrote before. */
static inline void trace_read_branching(trace *t, const json_t *txns)
{
    size_t n = json_array_size(txns), i, k;
    json_t *x, *p;
    uint64_t *past = calloc(n * n / 64 + n, 8);
    size_t words = n / 64 + 1, *last = calloc(n, sizeof *last), *ends = calloc(n, sizeof *ends);
    const char **agents = calloc(n, sizeof *agents);

    assert_true(past && last && ends && agents);
    json_array_foreach(txns, i, x)
    {
        uint64_t *mine = past + i * words;
        const char *name = json_string_value(json_object_get(x, "agent"));
        trace_txn *out = trace_txn_add(t, json_object_get(x, "ops"), 0);
        ends[i] = (size_t)json_integer_value(json_array_get(json_object_get(x, "span"), 1));
        json_array_foreach(json_object_get(x, "parents"), k, p)
        {
            size_t event = (size_t)json_integer_value(p), j = 0;
            while (ends[j] <= event)
                j++;
            assert_int_equal(ends[j], event + 1); /* always the last of a transaction */
            trace_parent_add(t, out, j);
            for (size_t w = 0; w < words; w++)
                mine[w] |= past[j * words + w];
            mine[j / 64] |= (uint64_t)1 << (j % 64);
        }
        size_t a = 0;
        for (; a < t->n_agents; a++)
            if (strcmp(agents[a], name) == 0 && (mine[last[a] / 64] >> (last[a] % 64) & 1))
                break;
        if (a == t->n_agents)
            agents[t->n_agents++] = name;
        out->agent = a;
        last[a] = i;
    }
    free(past);
    free(last);
    free(ends);
    free(agents);
}

static inline trace trace_read(const char *name)
{
    trace t = {0};
    size_t i, k;
    json_t *txns, *x, *p;

    t.json = trace_json(name);
    t.end = trace_str(json_object_get(t.json, "endContent"));
    txns = json_object_get(t.json, "txns");
    if (json_object_get(json_array_get(txns, 0), "ops")) {
        trace_read_branching(&t, txns);
        return t;
    }
    t.n_agents = 1;
    json_array_foreach(txns, i, x)
    {
        const json_t *agent = json_object_get(x, "agent"), *parents = json_object_get(x, "parents");
        trace_txn *out = trace_txn_add(&t, json_object_get(x, "patches"), (size_t)json_integer_value(agent));
        t.n_agents = EDN_MAX(t.n_agents, out->agent + 1);
        if (!parents && i)
            trace_parent_add(&t, out, i - 1);
        json_array_foreach(parents, k, p) trace_parent_add(&t, out, (size_t)json_integer_value(p));
    }
    return t;
}

static inline void trace_dispose(trace *t)
{
    json_decref(t->json);
    free(t->txns);
    free(t->patches);
    free(t->parents);
}

static inline edn_agent_id trace_agent(size_t i)
{
    edn_agent_id id = {{0}};

    id.b[0] = (uint8_t)(i * 37 + 11);
    edn_store_u32(id.b + 8, (uint32_t)i);
    return id;
}

/* The whole trace as one message, `copies` times over, each copy by agents of its own on top of the one before. */
static inline edn_buf trace_message(const trace *t, size_t copies)
{
    edn_log log = {0};
    edn_buf out = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_lv *last = calloc(t->n_txns + 1, sizeof *last), *par = calloc(t->n_parents + 2, sizeof *par);
    edn_lv front[64];
    uint32_t n_front = 0;

    assert_true(last && par);
    for (size_t i = 0; i < copies; i++) {
        edn_lv base = log.n;
        size_t length = 0;
        for (size_t k = 0; k < t->n_txns; k++) {
            const trace_txn *x = &t->txns[k];
            uint32_t agent, n = 0;
            edn_log_need need = {0};
            edn_agent_id id = trace_agent(i * t->n_agents + x->agent);
            CHECK_OK(edn_log_agent_add(&log, &id, &agent));
            for (size_t p = x->par_at; p < x->par_end; p++) {
                uint32_t at = n++;
                edn_lv lv = last[t->parents[p]];
                for (; at && par[at - 1] > lv; at--)
                    par[at] = par[at - 1];
                par[at] = lv;
            }
            if (x->par_at == x->par_end && base) {
                memcpy(par, front, n_front * sizeof *par);
                n = n_front;
            }
            for (size_t p = x->patch_at; p < x->patch_end; p++) {
                need.events += t->patches[p].del + edn_utf8_count(t->patches[p].ins);
                need.text += t->patches[p].ins.n;
            }
            if (need.events == 0) {
                memcpy(front, par, n * sizeof *front);
                n_front = n;
                continue;
            }
            need.runs = 1;
            need.parents = n;
            need.ops = 4 * (x->patch_end - x->patch_at) + need.events / EDN_OP_LEN_MAX;
            CHECK_OK(edn_log_reserve(&log, &need));
            CHECK_OK(edn_log_reserve_agent(&log, agent, 1, 1));
            edn_log_push_run(&log, agent, par, n, false);
            edn_log_push_time(&log, agent, 1000);
            for (size_t p = x->patch_at; p < x->patch_end; p++) {
                const trace_patch *q = &t->patches[p];
                if (q->del)
                    edn_log_push_op(&log, EDN_OP_DEL, (uint32_t)q->pos, (uint32_t)q->del, EDN_BYTES_EMPTY);
                if (q->ins.n)
                    edn_log_push_op(&log, EDN_OP_INS, (uint32_t)q->pos, (uint32_t)edn_utf8_count(q->ins), q->ins);
            }
            last[k] = log.n - 1;
            front[0] = log.n - 1;
            n_front = 1;
        }
        length = edn_utf8_count(t->end);
        if (i + 1 < copies) { /* the next copy begins with an empty text */
            edn_log_need need = {.events = length, .runs = 1, .parents = n_front, .ops = length / EDN_OP_LEN_MAX + 3};
            uint32_t agent;
            edn_agent_id id = trace_agent(i * t->n_agents);
            CHECK_OK(edn_log_agent_add(&log, &id, &agent));
            CHECK_OK(edn_log_reserve(&log, &need));
            CHECK_OK(edn_log_reserve_agent(&log, agent, 1, 1));
            edn_log_push_run(&log, agent, front, n_front, false);
            edn_log_push_time(&log, agent, 1000);
            edn_log_push_op(&log, EDN_OP_DEL, 0, (uint32_t)length, EDN_BYTES_EMPTY);
            front[0] = log.n - 1;
            n_front = 1;
        }
    }
    edn_put_u8(&out, 0x42);
    CHECK_OK(edn_block_write(&log, &(edn_lv_range){0, log.n}, 1, EDN_BLOCK_BUNDLE, &out));
    edn_log_dispose(&log);
    free(last);
    free(par);
    return out;
}

#endif
