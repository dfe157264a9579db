/* The published traces give their published texts, typed, merged and reopened. */
#include <edn/crdt.h>

#include "trace.h"

static void text_is(const edn_doc *doc, edn_bytes want)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    CHECK_OK(edn_doc_text(doc, &b));
    CHECK_BYTES(edn_buf_view(&b), want);
    edn_buf_dispose(&b);
}

static void reopened_is_the_same(const edn_doc *doc, edn_bytes text)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED), again = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_doc *back, *replayed;

    CHECK_OK(edn_doc_encode(doc, &b));
    CHECK_OK(edn_doc_decode(edn_buf_view(&b), &back));
    text_is(back, text);
    CHECK_OK(edn_doc_at(back, edn_doc_frontier(back), &replayed));
    text_is(replayed, text);
    CHECK_OK(edn_doc_encode(replayed, &again));
    CHECK_BYTES(edn_buf_view(&again), edn_buf_view(&b));
    edn_doc_free(back);
    edn_doc_free(replayed);
    edn_buf_dispose(&b);
    edn_buf_dispose(&again);
}

static void typed(const char *name)
{
    trace t = trace_read(name);
    edn_doc *doc;

    CHECK_OK(edn_doc_new(&doc));
    edn_doc_author(doc, trace_agent(0), 1000);
    for (size_t i = 0; i < t.n_patches; i++) {
        CHECK_OK(edn_doc_delete(doc, t.patches[i].pos, t.patches[i].del));
        CHECK_OK(edn_doc_insert(doc, t.patches[i].pos, t.patches[i].ins));
    }
    text_is(doc, t.end);
    reopened_is_the_same(doc, t.end);
    edn_doc_free(doc);
    trace_dispose(&t);
}

static void merged(const char *name)
{
    trace t = trace_read(name);
    edn_buf message = trace_message(&t, 1), twice = trace_message(&t, 2);
    edn_doc *doc;

    CHECK_OK(edn_doc_new(&doc));
    CHECK_OK(edn_doc_merge(doc, edn_buf_view(&message), NULL, NULL));
    text_is(doc, t.end);
    reopened_is_the_same(doc, t.end);
    edn_doc_free(doc);
    CHECK_OK(edn_doc_new(&doc));
    CHECK_OK(edn_doc_merge(doc, edn_buf_view(&twice), NULL, NULL));
    text_is(doc, t.end);
    edn_doc_free(doc);
    edn_buf_dispose(&message);
    edn_buf_dispose(&twice);
    trace_dispose(&t);
}

/* Every agent of a concurrent trace types on a replica of its own, which hears of exactly what it had seen. */
static void live(const char *name)
{
    trace t = trace_read(name);
    edn_doc **docs = calloc(t.n_agents, sizeof(edn_doc *));
    size_t *heard = calloc(t.n_agents, sizeof *heard);
    edn_buf *messages = calloc(t.n_txns, sizeof *messages);

    assert_true(docs && heard && messages);
    for (size_t i = 0; i < t.n_agents; i++) {
        CHECK_OK(edn_doc_new(&docs[i]));
        edn_doc_author(docs[i], trace_agent(i), 1000);
    }
    for (size_t i = 0; i < t.n_txns; i++) {
        const trace_txn *x = &t.txns[i];
        edn_doc *doc = docs[x->agent];
        uint64_t from = edn_doc_agent_next(doc, trace_agent(x->agent)), next;
        for (size_t p = x->par_at; p < x->par_end; p++) { /* two agents: with the other's event all its earlier ones */
            for (; t.txns[t.parents[p]].agent != x->agent && heard[x->agent] <= t.parents[p]; heard[x->agent]++)
                if (t.txns[heard[x->agent]].agent != x->agent)
                    CHECK_OK(edn_doc_merge(doc, edn_buf_view(&messages[heard[x->agent]]), NULL, NULL));
        }
        for (size_t p = x->patch_at; p < x->patch_end; p++) {
            CHECK_OK(edn_doc_delete(doc, t.patches[p].pos, t.patches[p].del));
            CHECK_OK(edn_doc_insert(doc, t.patches[p].pos, t.patches[p].ins));
        }
        messages[i] = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        CHECK_OK(edn_doc_encode_events(doc, trace_agent(x->agent), from, 1u << 20, &messages[i], &next));
    }
    for (size_t i = 0; i < t.n_agents; i++) {
        for (; heard[i] < t.n_txns; heard[i]++)
            if (t.txns[heard[i]].agent != i && messages[heard[i]].n)
                CHECK_OK(edn_doc_merge(docs[i], edn_buf_view(&messages[heard[i]]), NULL, NULL));
        text_is(docs[i], t.end);
        reopened_is_the_same(docs[i], t.end);
        edn_doc_free(docs[i]);
    }
    for (size_t i = 0; i < t.n_txns; i++)
        edn_buf_dispose(&messages[i]);
    free(messages);
    free(docs);
    free(heard);
    trace_dispose(&t);
}

static void sequential_traces_typed(void **state)
{
    static const char *const names[] = {"automerge-paper", "json-crdt-patch", "rustcode", "seph-blog1",
                                        "sveltecomponent"};
    (void)state;
    for (size_t i = 0; i < EDN_COUNT(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "traces/sequential_traces/%s.json.gz", names[i]);
        typed(path);
    }
}

static void concurrent_trace_in_one_message(void **state)
{
    (void)state;
    merged("traces/concurrent_traces/friendsforever.json.gz");
}

static void branching_trace_in_one_message(void **state)
{
    (void)state;
    merged("traces/branching/node_nodecc.json.gz");
}

static void concurrent_trace_live(void **state)
{
    (void)state;
    live("traces/concurrent_traces/friendsforever.json.gz");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequential_traces_typed),
        cmocka_unit_test(concurrent_trace_in_one_message),
        cmocka_unit_test(branching_trace_in_one_message),
        cmocka_unit_test(concurrent_trace_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
