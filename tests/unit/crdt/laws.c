/* What must be true of merging, a law at a time. */
#include "script.h"

static const script_mix mix = {{[S_INSERT] = 30,
                                [S_DELETE] = 20,
                                [S_FIELD] = 4,
                                [S_TAG] = 4,
                                [S_STATE] = 2,
                                [S_TIME] = 2,
                                [S_HEAR] = 14,
                                [S_PIECE] = 16,
                                [S_REOPEN] = 2,
                                [S_MARK] = 6},
                               120,
                               SCRIPT_PEERS};

static void documents_of_the_same_events_are_the_same_bytes(void **state)
{
    (void)state;
    property_hold("convergence", script_converges, &mix, 500);
}

/* EDN_OPERATIONS=10000000: that many events, which takes minutes. Normally some. */
static void the_engine_and_the_model_agree_for_many_operations(void **state)
{
    const char *more = getenv("EDN_OPERATIONS");
    uint64_t want = more ? strtoull(more, NULL, 0) : 150000, seed = check_seed(), worlds = 0;
    static script s;

    (void)state;
    for (script_events = 0; script_events < want; worlds++) {
        const char *broken;
        script_make(&s, &mix, seed + 1000000 + worlds);
        broken = script_converges(&s);
        if (!broken)
            continue;
        script_shrink(&s, script_converges);
        print_error("# EDN_SEED=%llu: %s\n", (unsigned long long)(seed + worlds), script_converges(&s));
        script_print(&s);
        fail();
    }
    print_message("# %llu operations in %llu worlds\n", (unsigned long long)script_events, (unsigned long long)worlds);
}

/* ---- idempotence ------------------------------------------------------------------------------------------------- */

static void no_patch(void *ctx, const edn_doc_patch *patch)
{
    script_world *w = ctx;

    (void)patch;
    BREAKS(w, !"what is here already changes the text");
}

/* Everything that `from` has and `to` has too, again: in messages of one author, and as a bundle. */
static void hear_again(script_world *w, script_peer *from, script_peer *to, size_t size)
{
    edn_buf before = world_bytes(w, to->doc), after, m = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    for (size_t i = 0; i < w->n; i++) {
        uint64_t end = EDN_MIN(edn_doc_agent_next(to->doc, w->p[i].id), edn_doc_agent_next(from->doc, w->p[i].id));
        for (uint64_t seq = 0, next; seq < end && !w->broken; seq = next) {
            edn_buf_reset(&m);
            BREAKS(w, edn_doc_encode_events(from->doc, w->p[i].id, seq, size, &m, &next) == EDN_OK && next > seq);
            if (next > end)
                break; /* some of it would be new */
            BREAKS(w, edn_doc_merge(to->doc, edn_buf_view(&m), no_patch, w) == EDN_OK);
        }
    }
    edn_buf_reset(&m);
    BREAKS(w, edn_doc_encode_since(to->doc, (edn_version){NULL, 0}, &m) == EDN_OK);
    if (m.n)
        BREAKS(w, edn_doc_merge(to->doc, edn_buf_view(&m), no_patch, w) == EDN_OK);
    after = world_bytes(w, to->doc);
    BREAKS(w, edn_bytes_equal(edn_buf_view(&before), edn_buf_view(&after)));
    edn_buf_dispose(&before);
    edn_buf_dispose(&after);
    edn_buf_dispose(&m);
}

static const char *idempotence_holds(const script *s)
{
    script_world w;

    world_begin(&w, s->peers);
    for (size_t i = 0; i < s->n && !w.broken; i++) {
        world_step(&w, &s->s[i]);
        if (s->s[i].kind == S_MARK && !w.broken)
            hear_again(&w, &w.p[s->s[i].a % w.n], &w.p[s->s[i].who % w.n], 1 + s->s[i].c % 400);
    }
    world_over(&w);
    return w.broken;
}

static void hearing_a_thing_twice_changes_nothing(void **state)
{
    (void)state;
    property_hold("idempotence", idempotence_holds, &mix, 300);
}

/* ---- associativity and commutativity ----------------------------------------------------------------------------- */

/* Takes everything of `from` in. */
static void join(script_world *w, edn_doc *to, const edn_doc *from)
{
    edn_buf m = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    BREAKS(w, edn_doc_encode_since(from, (edn_version){NULL, 0}, &m) == EDN_OK);
    if (m.n)
        BREAKS(w, edn_doc_merge(to, edn_buf_view(&m), NULL, NULL) == EDN_OK);
    edn_buf_dispose(&m);
}

static edn_buf joined(script_world *w, const size_t *order, bool from_the_right)
{
    edn_doc *doc = NULL, *rest = NULL;
    edn_buf out;

    CHECK_OK(edn_doc_new(&doc));
    CHECK_OK(edn_doc_new(&rest));
    if (from_the_right) { /* a + (b + (c + d)) */
        for (size_t i = w->n; i-- > 1;)
            join(w, rest, w->p[order[i]].doc);
        join(w, doc, w->p[order[0]].doc);
        join(w, doc, rest);
    } else { /* ((a + b) + c) + d */
        for (size_t i = 0; i < w->n; i++)
            join(w, doc, w->p[order[i]].doc);
    }
    out = world_bytes(w, doc);
    edn_doc_free(doc);
    edn_doc_free(rest);
    return out;
}

static const char *joins_agree(const script *s)
{
    script_world w;
    edn_buf first = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    world_begin(&w, s->peers);
    for (size_t i = 0; i < s->n && !w.broken; i++)
        world_step(&w, &s->s[i]);
    for (size_t turn = 0; turn < 2 * w.n && !w.broken; turn++) {
        size_t order[SCRIPT_PEERS];
        edn_buf b;
        for (size_t i = 0; i < w.n; i++)
            order[i] = (i + turn) % w.n;
        b = joined(&w, order, turn % 2);
        if (turn == 0)
            edn_put_bytes(&first, b.p, b.n);
        BREAKS(&w, edn_bytes_equal(edn_buf_view(&first), edn_buf_view(&b)));
        edn_buf_dispose(&b);
    }
    edn_buf_dispose(&first);
    world_over(&w);
    return w.broken;
}

static void merging_is_associative_and_commutative(void **state)
{
    (void)state;
    property_hold("associativity", joins_agree, &mix, 200);
}

/* ---- non-interleaving -------------------------------------------------------------------------------------------- */

static const script_mix passages = {{[S_INSERT] = 1}, 3 * SCRIPT_PEERS, SCRIPT_PEERS};

/* A passage in the letter of its author, typed forwards, or backwards: each letter in front of the one before. Now and
 * then several letters at once, as a paste does. */
static void passage_type(script_world *w, script_peer *p, const step *s, size_t pos)
{
    uint8_t letters[3];
    size_t n = 2 + s->b % 7, at = pos;

    memset(letters, 'A' + (int)(p - w->p), sizeof letters);
    for (size_t i = 0; i < n; i++) {
        size_t k = 1 + (s->b / 7 + i) % 3 / 2;
        BREAKS(w, edn_doc_insert(p->doc, at, edn_bytes_of(letters, k)) == EDN_OK);
        at += s->c % 2 ? 0 : k;
    }
}

/* All peers have one text; each types one passage at the same place of it, and all hear of all. */
static const char *passages_hold(const script *s)
{
    script_world w;
    bool typed[SCRIPT_PEERS] = {false};
    edn_buf text = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    size_t base = s->n ? s->s[0].c % 4 : 0, pos = base ? s->s[0].a % (base + 1) : 0;

    world_begin(&w, s->peers);
    BREAKS(&w, edn_doc_insert(w.p[0].doc, 0, edn_bytes_of("....", base)) == EDN_OK);
    for (size_t i = 1; i < w.n; i++)
        join(&w, w.p[i].doc, w.p[0].doc);
    for (size_t i = 0; i < s->n; i++) {
        size_t who = s->s[i].who % w.n;
        if (!typed[who])
            passage_type(&w, &w.p[who], &s->s[i], pos);
        typed[who] = true;
    }
    for (size_t i = 1; i < w.n; i++)
        join(&w, w.p[0].doc, w.p[i].doc);
    BREAKS(&w, edn_doc_text(w.p[0].doc, &text) == EDN_OK);
    for (size_t i = 0, seen = 0; i < text.n; i++) {
        bool begins = i == 0 || text.p[i] != text.p[i - 1];
        if (!begins || text.p[i] == '.')
            continue;
        BREAKS(&w, !(seen >> (text.p[i] - 'A') & 1)); /* it begins once: it was not broken up */
        seen |= (size_t)1 << (text.p[i] - 'A');
    }
    edn_buf_dispose(&text);
    world_over(&w);
    return w.broken;
}

static void passages_typed_at_one_place_are_not_mixed(void **state)
{
    (void)state;
    property_hold("non-interleaving", passages_hold, &passages, 2000);
}

/* ---- intention --------------------------------------------------------------------------------------------------- */

/* A character goes between the two that it was typed between; what somebody deleted is gone, and nothing else. */
typedef struct between {
    edn_event_id left, self, right;
    bool has_left, has_right;
} between;
#define BETWEEN_MAX 400

static bool char_at(const edn_doc *doc, size_t pos, edn_event_id *out)
{
    edn_anchor a;

    if (edn_doc_anchor(doc, pos, EDN_BIAS_RIGHT, &a) != EDN_OK || a.kind != EDN_ANCHOR_BEFORE)
        return false;
    *out = a.id;
    return true;
}

static size_t place(script_world *w, const edn_doc *doc, edn_event_id id, edn_anchor_kind side)
{
    size_t pos = 0;

    BREAKS(w, edn_doc_anchor_place(doc, &(edn_anchor){side, id}, &pos) == EDN_OK);
    return pos;
}

static void typed_between(script_peer *p, const step *s, between *out)
{
    size_t n = 1 + s->b % 5, pos = s->a % (edn_doc_text_count(p->doc) - n + 1);

    (void)char_at(p->doc, pos, &out->self); /* it was put there just now */
    out->has_left = pos > 0 && char_at(p->doc, pos - 1, &out->left);
    out->has_right = char_at(p->doc, pos + n, &out->right);
}

static const char *intentions_hold(const script *s)
{
    static between typed[BETWEEN_MAX];
    size_t n = 0;
    script_world w;
    uint64_t set[MODEL_WORDS];
    model_list l;

    world_begin(&w, s->peers);
    for (size_t i = 0; i < s->n && !w.broken; i++) {
        world_step(&w, &s->s[i]);
        if (s->s[i].kind == S_INSERT && n < BETWEEN_MAX && world_has_room(&w))
            typed_between(&w.p[s->s[i].who % w.n], &s->s[i], &typed[n++]);
    }
    world_meet(&w);
    for (size_t i = 0; i < n && !w.broken; i++) {
        const between *b = &typed[i];
        const edn_doc *doc = w.p[i % w.n].doc;
        if (b->has_left)
            BREAKS(&w, place(&w, doc, b->left, EDN_ANCHOR_AFTER) <= place(&w, doc, b->self, EDN_ANCHOR_BEFORE));
        if (b->has_right)
            BREAKS(&w, place(&w, doc, b->self, EDN_ANCHOR_AFTER) <= place(&w, doc, b->right, EDN_ANCHOR_BEFORE));
    }
    model_past(&w.m, edn_doc_frontier(w.p[0].doc), set);
    l = model_list_of(&w.m, set);
    for (size_t i = 0; i < l.n && !w.broken; i++) {
        edn_event_id id = w.m.e[l.v[i].event].id;
        size_t width = place(&w, w.p[0].doc, id, EDN_ANCHOR_AFTER) - place(&w, w.p[0].doc, id, EDN_ANCHOR_BEFORE);
        BREAKS(&w, width == (l.v[i].n_deleted == 0));
    }
    free(l.v);
    world_over(&w);
    return w.broken;
}

static void a_character_stays_between_those_it_was_typed_between(void **state)
{
    (void)state;
    property_hold("intention", intentions_hold, &mix, 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_of_the_same_events_are_the_same_bytes),
        cmocka_unit_test(the_engine_and_the_model_agree_for_many_operations),
        cmocka_unit_test(hearing_a_thing_twice_changes_nothing),
        cmocka_unit_test(merging_is_associative_and_commutative),
        cmocka_unit_test(passages_typed_at_one_place_are_not_mixed),
        cmocka_unit_test(a_character_stays_between_those_it_was_typed_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
