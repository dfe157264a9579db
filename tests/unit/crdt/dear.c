/* Graphs that somebody made dear: they cost no more than is stated, and give what any graph of these events gives. */
#include "crdt/doc.h"
#include "script.h"

static const script_mix mix = {{[S_INSERT] = 34, [S_DELETE] = 16, [S_HEAR] = 12, [S_PIECE] = 20, [S_MARK] = 8},
                               160,
                               SCRIPT_PEERS};

/* ---- the inside -------------------------------------------------------------------------------------------------- */

static size_t model_at(const script_world *w, const edn_log *log, edn_lv lv)
{
    return model_find(&w->m, edn_log_id(log, lv));
}

/* The plan has each event once, and its parents before it. */
static void plan_check(script_world *w, const edn_log *log, edn_lv from, edn_lv to)
{
    edn_lv_ranges plan = {0};
    bool *out = calloc(log->n + 1u, sizeof *out);
    uint32_t n = 0;

    CHECK(out);
    BREAKS(w, edn_log_plan(log, from, to, &plan) == EDN_OK);
    for (uint32_t i = 0; i < plan.n; i++)
        for (edn_lv lv = plan.v[i].from; lv < plan.v[i].to; lv++, n++) {
            size_t e = model_at(w, log, lv);
            BREAKS(w, lv >= from && lv < to && !out[lv]);
            for (edn_lv k = from; k < to; k++)
                BREAKS(w, out[k] || !set_has(w->m.e[e].past, model_at(w, log, k)));
            if (w->broken)
                goto out;
            out[lv] = true;
        }
    BREAKS(w, n == to - from);
out:
    free(plan.v);
    free(out);
}

/* A walker by plan shows the document's text. */
static void planned_text_check(script_world *w, const edn_doc *doc)
{
    edn_walker *plain = NULL, *planned = NULL;

    BREAKS(w, edn_walker_new_planned(&doc->log, doc->log.n, &planned) == EDN_OK);
    BREAKS(w, edn_walker_new(&doc->log, 0, doc->log.n, doc->rope.sum.scalars, false, &plain) == EDN_OK);
    if (!w->broken)
        BREAKS(w, edn_walker_length(planned) == doc->rope.sum.scalars);
    for (uint32_t i = 0; !w->broken && i < doc->rope.sum.scalars; i++)
        BREAKS(w, edn_walker_char_at(planned, i) == edn_walker_char_at(plain, i));
    edn_walker_free(plain);
    edn_walker_free(planned);
}

static bool ranges_same(const edn_lv_ranges *a, const edn_lv_ranges *b)
{
    return a->n == b->n && (a->n == 0 || memcmp(a->v, b->v, a->n * sizeof *a->v) == 0);
}

/* What was seen of whom: as the model's sets have it, and as walking finds it. */
static void seen_check(script_world *w, const edn_log *log, const step *s)
{
    edn_graph_heap heap = {0};
    edn_lv a = s->a % log->n, b = s->b % log->n;
    edn_lv_ranges r[4] = {{0}, {0}, {0}, {0}};
    size_t e = model_at(w, log, a);

    for (uint32_t agent = 0; agent < log->n_agents; agent++) {
        uint32_t next, want = 0;
        BREAKS(w, edn_log_seen(log, &heap, a, agent, &next) == EDN_OK);
        for (size_t i = 0; i < w->m.n; i++)
            if ((i == e || set_has(w->m.e[e].past, i)) && memcmp(&w->m.e[i].id.agent, &log->agents[agent].id, 16) == 0)
                want++;
        BREAKS(w, next == want);
    }
    BREAKS(w, edn_log_diff(log, &heap, &a, 1, &b, 1, &r[0], &r[1]) == EDN_OK);
    BREAKS(w, edn_log_seen_diff(log, &heap, &a, 1, &b, 1, &r[2], &r[3]) == EDN_OK);
    BREAKS(w, ranges_same(&r[0], &r[2]) && ranges_same(&r[1], &r[3]));
    for (size_t i = 0; i < EDN_COUNT(r); i++)
        free(r[i].v);
    edn_graph_heap_dispose(&heap);
}

static const char *shortcuts_hold(const script *s)
{
    script_world w;

    world_begin(&w, s->peers);
    for (size_t i = 0; i < s->n && !w.broken; i++) {
        const edn_doc *doc = w.p[s->s[i].who % w.n].doc;
        world_step(&w, &s->s[i]);
        if (s->s[i].kind != S_MARK || w.broken || doc->log.n == 0)
            continue;
        seen_check(&w, &doc->log, &s->s[i]);
        if (!w.broken && doc->log.n < 150)
            plan_check(&w, &doc->log, s->s[i].c % doc->log.n, doc->log.n);
        if (!w.broken)
            planned_text_check(&w, doc);
    }
    world_over(&w);
    return w.broken;
}

static void plans_and_what_was_seen_agree_with_the_model(void **state)
{
    (void)state;
    property_hold("plans", shortcuts_hold, &mix, 200);
}

/* ---- from outside ------------------------------------------------------------------------------------------------ */

static const edn_agent_id ada = {{1}}, bea = {{2}}, cy = {{3}}, dan = {{4}};

static edn_doc *doc_by(edn_agent_id who)
{
    edn_doc *doc;

    CHECK_OK(edn_doc_new(&doc));
    edn_doc_author(doc, who, 1);
    return doc;
}

static void send(const edn_doc *from, edn_agent_id who, edn_doc *to)
{
    edn_buf m = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    uint64_t next;

    CHECK_OK(edn_doc_encode_events(from, who, edn_doc_agent_next(to, who), EDN_BUF_UNLIMITED, &m, &next));
    if (m.n)
        CHECK_OK(edn_doc_merge(to, edn_buf_view(&m), NULL, NULL));
    edn_buf_dispose(&m);
}

static edn_buf whole(const edn_doc *doc)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    CHECK_OK(edn_doc_encode(doc, &b));
    return b;
}

/* Two branches that never hear of each other, at a third who hears of them in turns, a letter at a time. */
static edn_doc *in_turns(size_t n)
{
    edn_doc *d[2] = {doc_by(ada), doc_by(bea)}, *all = doc_by(cy);

    CHECK_OK(edn_doc_insert(all, 0, edn_bytes_str("some words to begin with")));
    send(all, cy, d[0]);
    send(all, cy, d[1]);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < 2; k++) {
            size_t len = edn_doc_text_count(d[k]);
            CHECK_OK(edn_doc_insert(d[k], i * 7919 % (len + 1), edn_bytes_of(k ? "b" : "a", 1)));
            if (i % 5 == 4)
                CHECK_OK(edn_doc_delete(d[k], i * 31 % len, 1));
            send(d[k], k ? bea : ada, all);
        }
    }
    edn_doc_free(d[0]);
    edn_doc_free(d[1]);
    return all;
}

static void a_dear_bundle_is_read_in_another_order_or_refused(void **state)
{
    edn_doc *all = in_turns(1400), *fresh = doc_by(dan), *other = doc_by(dan);
    edn_buf bundle = EDN_BUF_INIT(EDN_BUF_UNLIMITED), want = whole(all), got, before, after;
    edn_anchor anchor;
    size_t pos;

    (void)state;
    CHECK_OK(edn_doc_encode_since(all, (edn_version){NULL, 0}, &bundle));
    CHECK_OK(edn_doc_merge(fresh, edn_buf_view(&bundle), NULL, NULL));
    got = whole(fresh);
    CHECK_BYTES(edn_buf_view(&got), edn_buf_view(&want));
    /* Beside something else it is refused, and each author's own events never are. */
    CHECK_OK(edn_doc_insert(other, 0, edn_bytes_str("mine")));
    before = whole(other);
    CHECK_STATUS(edn_doc_merge(other, edn_buf_view(&bundle), NULL, NULL), EDN_E_LIMIT);
    after = whole(other);
    CHECK_BYTES(edn_buf_view(&after), edn_buf_view(&before));
    send(all, cy, other);
    send(all, ada, other);
    send(all, bea, other);
    edn_doc_author(fresh, dan, 1);
    send(other, dan, fresh);
    edn_buf_dispose(&before);
    edn_buf_dispose(&after);
    before = whole(fresh);
    after = whole(other);
    CHECK_BYTES(edn_buf_view(&after), edn_buf_view(&before));
    /* A walker that is made anew for all of it. */
    CHECK_OK(edn_doc_anchor(all, 700, EDN_BIAS_LEFT, &anchor));
    CHECK_OK(edn_doc_anchor_place(fresh, &anchor, &pos));
    CHECK_OK(edn_doc_check(fresh));
    edn_buf_dispose(&bundle);
    edn_buf_dispose(&want);
    edn_buf_dispose(&got);
    edn_buf_dispose(&before);
    edn_buf_dispose(&after);
    edn_doc_free(all);
    edn_doc_free(fresh);
    edn_doc_free(other);
}

/* Two answer each other at once; a third hears them and is never heard. Its document reads its history back. */
static void one_who_hears_and_is_not_heard(void **state)
{
    edn_doc *a = doc_by(ada), *b = doc_by(bea), *c = doc_by(cy), *open;
    edn_buf file, again;
    edn_event_id wrong[2];

    (void)state;
    CHECK_OK(edn_doc_insert(a, 0, edn_bytes_str("some words to begin with")));
    send(a, ada, b);
    for (size_t i = 0; i < 700; i++) {
        CHECK_OK(edn_doc_insert(a, i * 7919 % (edn_doc_text_count(a) + 1), edn_bytes_str("a")));
        send(a, ada, b);
        send(a, ada, c);
        CHECK_OK(edn_doc_insert(c, i * 7907 % (edn_doc_text_count(c) + 1), edn_bytes_str("c")));
        CHECK_OK(edn_doc_insert(b, i * 7901 % (edn_doc_text_count(b) + 1), edn_bytes_str("b")));
        send(b, bea, a);
        send(b, bea, c);
    }
    file = whole(c);
    CHECK_OK(edn_doc_decode(edn_buf_view(&file), &open));
    CHECK_OK(edn_doc_check(open));
    again = whole(open);
    CHECK_BYTES(edn_buf_view(&again), edn_buf_view(&file));
    /* Far apart, and one in the other's past: the shortcut finds it too. */
    wrong[0] = (edn_event_id){ada, 30};
    wrong[1] = (edn_event_id){bea, 690};
    {
        edn_graph_heap heap = {0};
        edn_lv *v = NULL, t;
        bool minimal, heard;
        CHECK_OK(edn_doc_version_lvs(c, (edn_version){wrong, 2}, &v));
        if (v[0] > v[1]) {
            t = v[0];
            v[0] = v[1];
            v[1] = t;
        }
        CHECK_OK(edn_log_minimal(&c->log, &heap, v, 2, &minimal));
        CHECK(!minimal);
        CHECK_OK(edn_log_heard(&c->log, &heap, v + 1, 1, v[0], &heard));
        CHECK(heard);
        free(v);
        wrong[1] = (edn_event_id){cy, 600}; /* cy had heard 30 of ada's, and ada nothing of cy's */
        wrong[0] = (edn_event_id){ada, 700};
        CHECK_OK(edn_doc_version_lvs(c, (edn_version){wrong, 2}, &v));
        CHECK_OK(edn_log_heard(&c->log, &heap, v + 1, 1, v[0], &heard));
        CHECK(!heard);
        CHECK_OK(edn_log_heard(&c->log, &heap, v, 1, v[1], &heard));
        CHECK(!heard);
        free(v);
        edn_graph_heap_dispose(&heap);
    }
    edn_buf_dispose(&file);
    edn_buf_dispose(&again);
    edn_doc_free(open);
    edn_doc_free(a);
    edn_doc_free(b);
    edn_doc_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans_and_what_was_seen_agree_with_the_model),
        cmocka_unit_test(one_who_hears_and_is_not_heard),
        cmocka_unit_test(a_dear_bundle_is_read_in_another_order_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
