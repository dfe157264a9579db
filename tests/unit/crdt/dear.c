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

/* A walker by plan, and one in which each author has a lane, show the document's text. */
static void walkers_check(script_world *w, const edn_doc *doc)
{
    edn_walker *plain = NULL, *planned = NULL, *lanes = NULL;

    BREAKS(w, edn_walker_new_planned(&doc->log, doc->log.n, &planned) == EDN_OK);
    BREAKS(w, edn_walker_new(&doc->log, 0, doc->log.n, doc->rope.sum.scalars, false, &plain) == EDN_OK);
    BREAKS(w, edn_walker_new(&doc->log, 0, 0, 0, false, &lanes) == EDN_OK);
    if (!w->broken) {
        edn_walker_lanes(lanes);
        BREAKS(w, edn_walker_step(lanes, doc->log.n, NULL) == EDN_OK);
        BREAKS(w, edn_walker_length(planned) == doc->rope.sum.scalars);
        BREAKS(w, edn_walker_length(lanes) == doc->rope.sum.scalars);
    }
    for (uint32_t i = 0; !w->broken && i < doc->rope.sum.scalars; i++) {
        BREAKS(w, edn_walker_char_at(planned, i) == edn_walker_char_at(plain, i));
        BREAKS(w, edn_walker_char_at(lanes, i) == edn_walker_char_at(plain, i));
    }
    edn_walker_free(plain);
    edn_walker_free(planned);
    edn_walker_free(lanes);
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
            walkers_check(&w, doc);
    }
    world_over(&w);
    return w.broken;
}

/* Each author has a lane of its own in every document, as soon as that makes a difference. */
static const char *lanes_hold(const script *s)
{
    script_world w;

    world_begin(&w, s->peers);
    for (size_t i = 0; i < s->n && !w.broken; i++) {
        world_step(&w, &s->s[i]);
        for (size_t k = 0; k < w.n; k++)
            if (w.p[k].doc->walker)
                edn_walker_lanes(w.p[k].doc->walker);
        if (s->s[i].kind == S_MARK && !w.broken)
            text_check(&w, &w.p[s->s[i].who % w.n]);
    }
    world_meet(&w);
    for (size_t i = 0; i < w.n && !w.broken; i++)
        text_check(&w, &w.p[i]);
    world_over(&w);
    return w.broken;
}

static void lanes_agree_with_the_model(void **state)
{
    (void)state;
    property_hold("lanes", lanes_hold, &mix, 400);
}

static void plans_and_what_was_seen_agree_with_the_model(void **state)
{
    (void)state;
    property_hold("plans", shortcuts_hold, &mix, 200);
}

/* ---- from outside ------------------------------------------------------------------------------------------------ */

static const edn_agent_id ada = {{1}}, bea = {{2}}, cy = {{3}}, dan = {{4}};

static edn_agent_id nth(size_t i) { return (edn_agent_id){{9, (uint8_t)i}}; }

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

/* All that `to` has not. */
static void hear(const edn_doc *from, edn_doc *to)
{
    edn_buf m = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st = edn_doc_encode_since(from, edn_doc_frontier(to), &m);

    if (st == EDN_E_MISSING)
        st = edn_doc_encode_since(from, (edn_version){NULL, 0}, &m);
    CHECK_OK(st);
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

/* Branches that never hear of each other, at somebody who hears of them in turns, a letter at a time. */
static edn_doc *in_turns(size_t n, size_t branches)
{
    edn_doc *d[100], *all = doc_by(cy);

    CHECK(branches <= EDN_COUNT(d));
    CHECK_OK(edn_doc_insert(all, 0, edn_bytes_str("some words to begin with")));
    for (size_t k = 0; k < branches; k++) {
        d[k] = doc_by(nth(k));
        send(all, cy, d[k]);
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < branches; k++) {
            size_t len = edn_doc_text_count(d[k]);
            CHECK_OK(edn_doc_insert(d[k], i * 7919 % (len + 1), edn_bytes_of(&"abcdefgh"[k % 8], 1)));
            if (i % 5 == 4)
                CHECK_OK(edn_doc_delete(d[k], i * 31 % len, 1));
            send(d[k], nth(k), all);
        }
    }
    for (size_t k = 0; k < branches; k++)
        edn_doc_free(d[k]);
    return all;
}

/* The same events as each author's own messages, one author after the other. */
static edn_doc *one_by_one(const edn_doc *all, size_t branches, edn_agent_id reader)
{
    edn_doc *doc = doc_by(reader);

    send(all, cy, doc);
    for (size_t k = 0; k < branches; k++)
        send(all, nth(k), doc);
    return doc;
}

static void same_check(const edn_doc *a, const edn_doc *b)
{
    edn_buf x = whole(a), y = whole(b), text_a = EDN_BUF_INIT(EDN_BUF_UNLIMITED),
            text_b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    CHECK_OK(edn_doc_text(a, &text_a));
    CHECK_OK(edn_doc_text(b, &text_b));
    CHECK_BYTES(edn_buf_view(&x), edn_buf_view(&y));
    CHECK_BYTES(edn_buf_view(&text_a), edn_buf_view(&text_b));
    edn_buf_dispose(&x);
    edn_buf_dispose(&y);
    edn_buf_dispose(&text_a);
    edn_buf_dispose(&text_b);
}

/* Every author's version moves over every event once, and not each time that somebody else has written. */
static void branches_that_come_in_turns_cost_what_they_are(void **state)
{
    static const struct {
        size_t n, branches;
    } worlds[] = {{1500, 2}, {60, 24}};

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(worlds); i++) {
        edn_doc *all = in_turns(worlds[i].n, worlds[i].branches), *other;
        CHECK(edn_walker_moves(all->walker) < 4 * worlds[i].branches * all->log.n_ops);
        other = one_by_one(all, worlds[i].branches, dan);
        same_check(all, other);
        edn_doc_free(other);
        edn_doc_free(all);
    }
}

/* More authors than have a version of their own. */
static void a_dear_bundle_is_read_in_another_order_or_refused(void **state)
{
    enum { BRANCHES = 100 };
    edn_doc *all = in_turns(240, BRANCHES), *fresh = doc_by(dan), *other = doc_by(dan), *last;
    edn_buf bundle = EDN_BUF_INIT(EDN_BUF_UNLIMITED), before, after;
    edn_anchor anchor;
    size_t pos;

    (void)state;
    CHECK_OK(edn_doc_encode_since(all, (edn_version){NULL, 0}, &bundle));
    CHECK_OK(edn_doc_merge(fresh, edn_buf_view(&bundle), NULL, NULL));
    same_check(fresh, all);
    /* Beside something else it is refused, and each author's own events never are. */
    CHECK_OK(edn_doc_insert(other, 0, edn_bytes_str("mine")));
    before = whole(other);
    CHECK_STATUS(edn_doc_merge(other, edn_buf_view(&bundle), NULL, NULL), EDN_E_LIMIT);
    after = whole(other);
    CHECK_BYTES(edn_buf_view(&after), edn_buf_view(&before));
    last = one_by_one(all, BRANCHES, bea);
    send(other, dan, last);
    send(other, dan, fresh);
    same_check(fresh, last);
    /* A walker that is made anew for all of it. */
    CHECK_OK(edn_doc_anchor(all, 70, EDN_BIAS_LEFT, &anchor));
    CHECK_OK(edn_doc_anchor_place(fresh, &anchor, &pos));
    CHECK_OK(edn_doc_check(fresh));
    edn_buf_dispose(&bundle);
    edn_buf_dispose(&before);
    edn_buf_dispose(&after);
    edn_doc_free(all);
    edn_doc_free(fresh);
    edn_doc_free(other);
    edn_doc_free(last);
}

/* Many typed at one place, each letter a record of its own: in front of the last, behind it, in front of what others
 * put there, and deletions that reach across all of it. Whoever hears it in whatever order sees one text. */
static void many_letters_at_one_place(void **state)
{
    enum { WRITERS = 4, N = 90 };
    edn_doc *d[WRITERS], *all = doc_by(cy), *other = doc_by(dan), *again;
    edn_buf file;
    check_rng r = {7};

    (void)state;
    CHECK_OK(edn_doc_insert(all, 0, edn_bytes_str("(){}")));
    for (size_t k = 0; k < WRITERS; k++) {
        d[k] = doc_by(nth(k));
        send(all, cy, d[k]);
    }
    for (size_t i = 0; i < N; i++) {
        for (size_t k = 0; k < WRITERS; k++) {
            size_t len = edn_doc_text_count(d[k]);
            size_t pos = k == 0 ? 1 : k == 1 ? len - 3 : 1 + check_below(&r, len - 3);
            CHECK_OK(edn_doc_insert(d[k], pos, edn_bytes_of(&"abcd"[k], 1)));
            CHECK_OK(edn_doc_insert(d[k], len + 1, edn_bytes_str("."))); /* so that letters do not join */
            if (i % 7 == 6)
                CHECK_OK(edn_doc_delete(d[k], pos, 2));
            if (check_below(&r, 5) == 0) /* some answer what others put there */
                hear(d[(k + 1 + check_below(&r, WRITERS - 1)) % WRITERS], d[k]);
            send(d[k], nth(k), all);
        }
    }
    file = whole(all);
    CHECK_OK(edn_doc_decode(edn_buf_view(&file), &again)); /* in another order */
    CHECK_OK(edn_doc_check(again));
    for (size_t k = WRITERS; k-- > 0;)
        hear(d[k], other); /* in a third */
    same_check(all, other);
    edn_buf_dispose(&file);
    edn_doc_free(again);
    edn_doc_free(other);
    edn_doc_free(all);
    for (size_t k = 0; k < WRITERS; k++)
        edn_doc_free(d[k]);
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
        cmocka_unit_test(lanes_agree_with_the_model),
        cmocka_unit_test(branches_that_come_in_turns_cost_what_they_are),
        cmocka_unit_test(many_letters_at_one_place),
        cmocka_unit_test(one_who_hears_and_is_not_heard),
        cmocka_unit_test(a_dear_bundle_is_read_in_another_order_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
