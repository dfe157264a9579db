/* Anchors, cursors and blame: what stays with a character does, in any world. */
#include "script.h"

static const script_mix mix = {{[S_INSERT] = 30,
                                [S_DELETE] = 16,
                                [S_TIME] = 4,
                                [S_HEAR] = 14,
                                [S_PIECE] = 12,
                                [S_REOPEN] = 2,
                                [S_MARK] = 22,
                                [S_FIELD] = 2},
                               120,
                               SCRIPT_PEERS};

/* ---- anchors and cursors ----------------------------------------------------------------------------------------- */

#define MARKS_MAX 40

typedef struct mark {
    edn_anchor anchor;
    edn_bias bias;
    size_t event; /* the model's character; SIZE_MAX: start or end */
    size_t cursor[SCRIPT_PEERS];
    bool known[SCRIPT_PEERS]; /* the peer has the character, so that its cursor is there */
} mark;

typedef struct marks {
    mark v[MARKS_MAX];
    size_t n;
} marks;

/* A cursor is carried through every patch, of one's own and of others. */
static void cursors_move(script_world *w, script_peer *p, const edn_doc_patch *patch)
{
    marks *m = w->own;

    for (size_t i = 0; i < m->n; i++) {
        size_t *c = &m->v[i].cursor[p - w->p];
        *c = edn_doc_patch_place(patch, *c, m->v[i].bias);
    }
}

static size_t visible_before(const model_list *l, const uint64_t *set, size_t i)
{
    size_t n = 0;

    for (size_t k = 0; k < i; k++)
        n += item_visible(&l->v[k], set);
    return n;
}

static edn_anchor through_bytes(script_world *w, const edn_anchor *a)
{
    edn_buf b = EDN_BUF_INIT(64);
    edn_anchor back;

    edn_anchor_encode(a, &b);
    BREAKS(w, edn_anchor_decode(edn_buf_view(&b), &back) == EDN_OK);
    edn_buf_dispose(&b);
    return back;
}

static void mark_add(script_world *w, script_peer *p, const step *s)
{
    marks *m = w->own;
    uint64_t set[MODEL_WORDS];
    mark *k = &m->v[m->n];
    size_t len = edn_doc_text_count(p->doc), pos = s->a % (len + 1), at = 0;
    model_list l;

    if (m->n == MARKS_MAX)
        return;
    m->n++;
    *k = (mark){.event = SIZE_MAX, .bias = s->b % 2 ? EDN_BIAS_LEFT : EDN_BIAS_RIGHT};
    BREAKS(w, edn_doc_anchor(p->doc, pos, k->bias, &k->anchor) == EDN_OK);
    if (w->broken)
        return;
    k->anchor = through_bytes(w, &k->anchor);
    k->cursor[p - w->p] = pos;
    k->known[p - w->p] = true;
    if (pos == (k->bias == EDN_BIAS_LEFT ? 0 : len)) {
        BREAKS(w, k->anchor.kind == (k->bias == EDN_BIAS_LEFT ? EDN_ANCHOR_START : EDN_ANCHOR_END));
        return;
    }
    model_past(&w->m, edn_doc_frontier(p->doc), set);
    l = model_list_of(&w->m, set);
    for (size_t want = k->bias == EDN_BIAS_LEFT ? pos - 1 : pos;; at++)
        if (item_visible(&l.v[at], set) && want-- == 0)
            break;
    k->event = l.v[at].event;
    free(l.v);
    BREAKS(w, memcmp(&k->anchor.id.agent, &w->m.e[k->event].id.agent, 16) == 0);
    BREAKS(w, k->anchor.id.seq == w->m.e[k->event].id.seq);
}

/* Every mark, seen by one peer: where the model's list has its character, deleted or not. */
static void marks_check(script_world *w, script_peer *p)
{
    marks *m = w->own;
    uint64_t set[MODEL_WORDS];
    model_list l;

    model_past(&w->m, edn_doc_frontier(p->doc), set);
    l = model_list_of(&w->m, set);
    for (size_t i = 0; i < m->n; i++) {
        mark *k = &m->v[i];
        size_t at, got, want = k->anchor.kind == EDN_ANCHOR_END ? visible_before(&l, set, l.n) : 0;
        edn_status st = edn_doc_anchor_place(p->doc, &k->anchor, &got);
        if (k->event == SIZE_MAX) {
            BREAKS(w, st == EDN_OK && got == want);
            continue;
        }
        if (!set_has(set, k->event)) {
            BREAKS(w, st == EDN_E_MISSING);
            continue;
        }
        at = list_index(&l, k->event);
        want = visible_before(&l, set, at) + (k->anchor.kind == EDN_ANCHOR_AFTER && item_visible(&l.v[at], set));
        BREAKS(w, st == EDN_OK && got == want);
        if (!k->known[p - w->p]) {
            k->known[p - w->p] = true;
            k->cursor[p - w->p] = want;
        }
        if (item_visible(&l.v[at], set))
            BREAKS(w, k->cursor[p - w->p] == want);
    }
    free(l.v);
}

static const char *anchors_hold(const script *s)
{
    static marks m;
    script_world w;

    m.n = 0;
    world_begin(&w, s->peers);
    w.own = &m;
    w.on_patch = cursors_move;
    for (size_t i = 0; i < s->n && !w.broken; i++) {
        script_peer *p = &w.p[s->s[i].who % w.n];
        world_step(&w, &s->s[i]);
        if (s->s[i].kind == S_MARK && !w.broken)
            mark_add(&w, p, &s->s[i]);
        if (!w.broken)
            marks_check(&w, p);
    }
    world_meet(&w);
    for (size_t i = 0; i < w.n && !w.broken; i++)
        marks_check(&w, &w.p[i]);
    world_over(&w);
    return w.broken;
}

static void an_anchor_and_a_cursor_stay_with_their_character(void **state)
{
    (void)state;
    property_hold("anchors", anchors_hold, &mix, 600);
}

static void a_range_holds_its_characters_and_no_more(void **state)
{
    static const edn_agent_id alice = {{1}};
    edn_range r, back;
    edn_buf b = EDN_BUF_INIT(128);
    size_t pos, count;
    edn_doc *doc;

    (void)state;
    CHECK_OK(edn_doc_new(&doc));
    edn_doc_author(doc, alice, 1);
    CHECK_OK(edn_doc_insert(doc, 0, edn_bytes_str("one two three")));
    CHECK_OK(edn_doc_range(doc, 4, 3, &r));
    CHECK_OK(edn_doc_insert(doc, 7, edn_bytes_str("!")));
    CHECK_OK(edn_doc_insert(doc, 4, edn_bytes_str("?")));
    CHECK_OK(edn_doc_insert(doc, 6, edn_bytes_str("--")));
    edn_range_encode(&r, &b);
    CHECK_OK(edn_range_decode(edn_buf_view(&b), &back));
    CHECK_OK(edn_doc_range_place(doc, &back, &pos, &count)); /* one ?[t--wo]! three */
    CHECK_INT(pos, 5);
    CHECK_INT(count, 5);
    CHECK_OK(edn_doc_delete(doc, 2, 12));
    CHECK_OK(edn_doc_range_place(doc, &r, &pos, &count));
    CHECK_INT(pos, 2);
    CHECK_INT(count, 0);
    CHECK_STATUS(edn_doc_range(doc, 0, 0, &r), EDN_E_INVALID);
    CHECK_STATUS(edn_doc_range(doc, 3, 99, &r), EDN_E_INVALID);
    edn_buf_dispose(&b);
    edn_doc_free(doc);
}

static void other_bytes_than_an_anchors_are_refused(void **state)
{
    static const edn_agent_id alice = {{1}};
    edn_anchor a = {EDN_ANCHOR_AFTER, {alice, 300}}, back;
    edn_buf b = EDN_BUF_INIT(64);
    edn_range range;
    edn_doc *doc;
    size_t pos;

    (void)state;
    edn_anchor_encode(&a, &b);
    CHECK_INT(b.n, 19);
    for (size_t n = 0; n < b.n; n++)
        CHECK_STATUS(edn_anchor_decode(edn_bytes_of(b.p, n), &back), EDN_E_FORMAT);
    edn_put_u8(&b, 0);
    CHECK_STATUS(edn_anchor_decode(edn_buf_view(&b), &back), EDN_E_FORMAT);
    CHECK_STATUS(edn_anchor_decode(edn_bytes_str("\x60"), &back), EDN_E_FORMAT);
    CHECK_STATUS(edn_anchor_decode(edn_bytes_str("\x65"), &back), EDN_E_FORMAT);
    CHECK_STATUS(edn_range_decode(edn_bytes_str("\x61"), &range), EDN_E_FORMAT);
    CHECK_STATUS(edn_range_decode(edn_bytes_str("\x65\x61"), &range), EDN_E_FORMAT);
    CHECK_OK(edn_range_decode(edn_bytes_str("\x65\x61\x62"), &range));
    CHECK_STATUS(edn_anchor_decode(edn_bytes_of("\x63"
                                                "0123456789abcdef"
                                                "\xff\xff\xff\xff\x0f",
                                                22),
                                   &back),
                 EDN_E_FORMAT);
    /* an event that is not here, and one that is no character */
    CHECK_OK(edn_doc_new(&doc));
    edn_doc_author(doc, alice, 1);
    CHECK_STATUS(edn_doc_anchor_place(doc, &a, &pos), EDN_E_MISSING);
    CHECK_OK(edn_doc_set(doc, edn_bytes_str("title"), edn_bytes_str("t")));
    a.id.seq = 0;
    CHECK_STATUS(edn_doc_anchor_place(doc, &a, &pos), EDN_E_FORMAT);
    CHECK_STATUS(edn_doc_anchor(doc, 1, EDN_BIAS_LEFT, &a), EDN_E_INVALID);
    edn_buf_dispose(&b);
    edn_doc_free(doc);
}

/* ---- blame ------------------------------------------------------------------------------------------------------- */

typedef struct blaming {
    script_world *w;
    const model_list *l;
    const uint64_t *set;
    const uint64_t *times; /* by the model's event */
    size_t at;             /* in the list */
    size_t pos;
    edn_blame last;
} blaming;

static edn_status blame_check(void *ctx, const edn_blame *run)
{
    blaming *b = ctx;

    BREAKS(b->w, run->count > 0 && run->pos == b->pos);
    BREAKS(b->w, b->pos == 0 || run->time_ms != b->last.time_ms || memcmp(&run->agent, &b->last.agent, 16) != 0);
    for (size_t n = run->count; n && !b->w->broken; b->at++) {
        size_t e;
        BREAKS(b->w, b->at < b->l->n);
        if (b->w->broken || !item_visible(&b->l->v[b->at], b->set))
            continue;
        e = b->l->v[b->at].event;
        BREAKS(b->w, memcmp(&b->w->m.e[e].id.agent, &run->agent, 16) == 0);
        BREAKS(b->w, b->times[e] == run->time_ms);
        n--;
    }
    b->pos += run->count;
    b->last = *run;
    return EDN_OK;
}

static const char *blame_holds(const script *s)
{
    static uint64_t times[MODEL_EVENTS_MAX];
    uint64_t set[MODEL_WORDS];
    script_world w;

    world_begin(&w, s->peers);
    for (size_t i = 0; i < s->n && !w.broken; i++) {
        script_peer *p = &w.p[s->s[i].who % w.n];
        size_t before = w.m.n;
        world_step(&w, &s->s[i]);
        for (; before < w.m.n; before++)
            times[before] = p->time;
        if (s->s[i].kind == S_MARK && !w.broken) {
            model_list l;
            blaming b = {&w, &l, set, times, 0, 0, {0}};
            model_past(&w.m, edn_doc_frontier(p->doc), set);
            l = model_list_of(&w.m, set);
            BREAKS(&w, edn_doc_blame(p->doc, blame_check, &b) == EDN_OK);
            BREAKS(&w, b.pos == edn_doc_text_count(p->doc));
            free(l.v);
        }
    }
    world_over(&w);
    return w.broken;
}

static void blame_names_the_author_and_the_time_of_each_character(void **state)
{
    (void)state;
    property_hold("blame", blame_holds, &mix, 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_anchor_and_a_cursor_stay_with_their_character),
        cmocka_unit_test(a_range_holds_its_characters_and_no_more),
        cmocka_unit_test(other_bytes_than_an_anchors_are_refused),
        cmocka_unit_test(blame_names_the_author_and_the_time_of_each_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
