/* Undo: takes back one's own, all of it and nothing else, whatever others do meanwhile. */
#include "script.h"

static const script_mix mix = {{[S_INSERT] = 30,
                                [S_DELETE] = 22,
                                [S_HEAR] = 10,
                                [S_PIECE] = 8,
                                [S_REOPEN] = 1,
                                [S_UNDO] = 24,
                                [S_MARK] = 8,
                                [S_FIELD] = 5,
                                [S_TAG] = 5,
                                [S_STATE] = 3},
                               90,
                               SCRIPT_PEERS};

/* What a document shows. */
typedef struct shown {
    edn_buf bytes;
    size_t heard;
} shown;

static shown show(const script_peer *p)
{
    shown s = {EDN_BUF_INIT(EDN_BUF_UNLIMITED), p->heard};
    edn_doc_state state = edn_doc_state_of(p->doc);
    edn_bytes name, value;

    CHECK_OK(edn_doc_text(p->doc, &s.bytes));
    for (size_t i = 0; edn_doc_field_at(p->doc, i, &name, &value); i++) {
        edn_put_str(&s.bytes, "|");
        edn_put_bytes(&s.bytes, name.p, name.n);
        edn_put_bytes(&s.bytes, value.p, value.n);
    }
    for (size_t i = 0; edn_doc_tag_at(p->doc, i, &name); i++) {
        edn_put_str(&s.bytes, "#");
        edn_put_bytes(&s.bytes, name.p, name.n);
    }
    edn_put_u8(&s.bytes, state == EDN_DOC_DELETED);
    return s;
}

typedef struct undoer {
    edn_undo *undo;
    shown before[SCRIPT_MAX]; /* by step to undo: what was shown before it */
    size_t n, n_forth;
} undoer;

typedef struct undo_world {
    script_world w;
    undoer u[SCRIPT_PEERS];
} undo_world;

static void undoer_begin(undo_world *x, size_t i)
{
    undoer *u = &x->u[i];

    while (u->n)
        edn_buf_dispose(&u->before[--u->n].bytes);
    u->n_forth = 0;
    CHECK_OK(edn_undo_new(x->w.p[i].doc, &u->undo));
}

/* ---- the model hears of what an undo did ------------------------------------------------------------------------- */

typedef struct learning {
    undo_world *x;
    script_peer *p;
    front_copy v;
    uint64_t first, n; /* the author's seq, and how many were learnt */
} learning;

static model_event *learn(learning *l, model_kind kind)
{
    edn_event_id id = {l->p->id, l->first + l->n}, prev = {l->p->id, id.seq - 1};

    return model_add(&l->x->w.m, id, l->n++ ? (edn_version){&prev, 1} : front_view(&l->v), kind);
}

static void learn_patch(void *ctx, const edn_doc_patch *patch)
{
    learning *l = ctx;

    for (size_t i = 0; i < patch->deleted; i++)
        learn(l, M_DEL)->pos = patch->pos;
    for (size_t i = 0, at = 0; at < patch->inserted.n; i++) {
        model_event *e = learn(l, M_INS);
        e->scalar = edn_utf8_next(patch->inserted, &at);
        e->pos = patch->pos + i;
    }
    script_patch(&(script_patching){&l->x->w, l->p}, patch);
}

static edn_status learn_meta(void *ctx, const edn_change *c)
{
    static const model_kind kinds[] = {M_INS, M_DEL, M_FIELD, M_TAG, M_UNTAG, M_REMOVE, M_REVIVE};
    learning *l = ctx;
    model_event *e;
    edn_bytes value;

    if (c->kind <= EDN_CHANGE_DELETE || c->first.seq < l->first || memcmp(&c->first.agent, &l->p->id, 16) != 0)
        return EDN_OK;
    BREAKS(&l->x->w, c->first.seq == l->first + l->n);
    e = learn(l, kinds[c->kind]);
    if (c->name.n)
        memcpy(e->name, c->name.p, c->name.n);
    if (c->kind == EDN_CHANGE_FIELD && edn_doc_get(l->p->doc, c->name, &value) == EDN_OK)
        memcpy(e->value, value.p, value.n);
    return EDN_OK;
}

/* Undoes or redoes, and looks at each character that was there and is not any more. */
static void take_back(undo_world *x, size_t who, bool redo)
{
    script_world *w = &x->w;
    script_peer *p = &w->p[who];
    learning l = {x, p, front_of(p->doc), edn_doc_agent_next(p->doc, p->id), 0};
    uint64_t was[MODEL_WORDS], is[MODEL_WORDS];
    model_list list;

    model_past(&w->m, front_view(&l.v), was);
    BREAKS(w, (redo ? edn_undo_redo : edn_undo_undo)(x->u[who].undo, learn_patch, &l) == EDN_OK);
    BREAKS(w, edn_doc_history(p->doc, learn_meta, &l) == EDN_OK);
    BREAKS(w, l.first + l.n == edn_doc_agent_next(p->doc, p->id));
    if (w->broken)
        return;
    model_past(&w->m, edn_doc_frontier(p->doc), is);
    list = model_list_of(&w->m, is);
    for (size_t i = 0; i < list.n; i++)
        if (set_has(was, list.v[i].event) && item_visible(&list.v[i], was) && !item_visible(&list.v[i], is))
            BREAKS(w, memcmp(&w->m.e[list.v[i].event].id.agent, &p->id, 16) == 0);
    free(list.v);
}

static void same_shown(script_world *w, const shown *a, const script_peer *p)
{
    shown b = show(p);

    BREAKS(w, edn_bytes_equal(edn_buf_view(&a->bytes), edn_buf_view(&b.bytes)));
    edn_buf_dispose(&b.bytes);
}

static void undo_one(undo_world *x, size_t who, bool redo)
{
    undoer *u = &x->u[who];
    script_peer *p = &x->w.p[who];

    BREAKS(&x->w, edn_undo_can_undo(u->undo) == (u->n > 0));
    BREAKS(&x->w, edn_undo_can_redo(u->undo) == (u->n_forth > 0));
    if (redo ? u->n_forth == 0 : u->n == 0) {
        BREAKS(&x->w, (redo ? edn_undo_redo : edn_undo_undo)(u->undo, NULL, NULL) == EDN_E_MISSING);
        return;
    }
    if (redo) {
        u->before[u->n++] = show(p);
        u->n_forth--;
        take_back(x, who, true);
        return;
    }
    take_back(x, who, false);
    u->n_forth++;
    /* Nobody else in between: all is as it was before the step. */
    if (u->before[--u->n].heard == p->heard)
        same_shown(&x->w, &u->before[u->n], p);
    edn_buf_dispose(&u->before[u->n].bytes);
}

/* Undo, then redo: nothing has happened. */
static void there_and_back(undo_world *x, size_t who)
{
    script_peer *p = &x->w.p[who];
    shown now;

    if (x->u[who].n == 0)
        return;
    now = show(p);
    if (edn_doc_state_of(p->doc) != EDN_DOC_CONFLICT) {
        undo_one(x, who, false);
        if (!x->w.broken)
            undo_one(x, who, true);
        same_shown(&x->w, &now, p);
    }
    edn_buf_dispose(&now.bytes);
}

static void undo_step(undo_world *x, const step *s)
{
    size_t who = s->who % x->w.n;
    undoer *u = &x->u[who];
    script_peer *p = &x->w.p[who];
    uint64_t before = edn_doc_agent_next(p->doc, p->id);
    shown now;

    if (!world_has_room(&x->w))
        return;
    if (s->kind == S_UNDO) {
        undo_one(x, who, s->a % 3 == 0);
        return;
    }
    if (s->kind == S_MARK) {
        there_and_back(x, who);
        return;
    }
    if (s->kind == S_REOPEN) {
        edn_undo_free(u->undo);
        world_step(&x->w, s);
        undoer_begin(x, who);
        return;
    }
    now = show(p);
    world_step(&x->w, s);
    if (edn_doc_agent_next(p->doc, p->id) > before && s->kind <= S_STATE) {
        BREAKS(&x->w, edn_undo_step(u->undo) == EDN_OK);
        u->before[u->n++] = now;
        u->n_forth = 0;
    } else {
        edn_buf_dispose(&now.bytes);
    }
}

static const char *undo_holds(const script *s)
{
    static undo_world x;

    memset(&x, 0, sizeof x);
    world_begin(&x.w, s->peers);
    for (size_t i = 0; i < x.w.n; i++)
        undoer_begin(&x, i);
    for (size_t i = 0; i < s->n && !x.w.broken; i++) {
        undo_step(&x, &s->s[i]);
        if (!x.w.broken && s->s[i].kind >= S_UNDO) {
            text_check(&x.w, &x.w.p[s->s[i].who % x.w.n]);
            metas_check(&x.w, &x.w.p[s->s[i].who % x.w.n]);
        }
    }
    if (!x.w.broken)
        world_meet(&x.w);
    for (size_t i = 0; i < x.w.n; i++) {
        if (!x.w.broken)
            text_check(&x.w, &x.w.p[i]);
        edn_undo_free(x.u[i].undo);
        while (x.u[i].n)
            edn_buf_dispose(&x.u[i].before[--x.u[i].n].bytes);
    }
    world_over(&x.w);
    return x.w.broken;
}

static void undo_takes_back_ones_own_and_redo_gives_it_again(void **state)
{
    (void)state;
    property_hold("undo", undo_holds, &mix, 600);
}

/* ---- cases ------------------------------------------------------------------------------------------------------- */

static const edn_agent_id alice = {{1}}, bob = {{2}};

typedef struct pair {
    edn_doc *a, *b;
    edn_undo *u; /* alice's */
} pair;

static pair pair_of(const char *text)
{
    pair p;

    CHECK_OK(edn_doc_new(&p.a));
    CHECK_OK(edn_doc_new(&p.b));
    edn_doc_author(p.a, alice, 1);
    edn_doc_author(p.b, bob, 1);
    CHECK_OK(edn_doc_insert(p.a, 0, edn_bytes_str(text)));
    CHECK_OK(edn_undo_new(p.a, &p.u));
    return p;
}

static void pair_free(pair *p)
{
    edn_undo_free(p->u);
    edn_doc_free(p->a);
    edn_doc_free(p->b);
}

static void hear(edn_doc *from, edn_doc *to)
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

static void text_is(const edn_doc *doc, const char *want)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    CHECK_OK(edn_doc_text(doc, &b));
    CHECK_STR(edn_buf_view(&b), want);
    edn_buf_dispose(&b);
}

static void what_another_typed_into_mine_stays(void **state)
{
    pair p = pair_of("see ");

    (void)state;
    CHECK_OK(edn_doc_insert(p.a, 4, edn_bytes_str("the sea")));
    hear(p.a, p.b);
    CHECK_OK(edn_doc_insert(p.b, 8, edn_bytes_str("blue ")));
    hear(p.b, p.a);
    CHECK_OK(edn_undo_undo(p.u, NULL, NULL));
    text_is(p.a, "see blue ");
    CHECK_OK(edn_undo_redo(p.u, NULL, NULL));
    text_is(p.a, "see the blue sea");
    hear(p.a, p.b);
    text_is(p.b, "see the blue sea");
    pair_free(&p);
}

static void what_both_deleted_stays_deleted(void **state)
{
    pair p = pair_of("one two three");

    (void)state;
    hear(p.a, p.b);
    CHECK_OK(edn_doc_delete(p.a, 4, 9));
    CHECK_OK(edn_doc_delete(p.b, 0, 8));
    hear(p.b, p.a);
    text_is(p.a, "");
    CHECK_OK(edn_undo_undo(p.u, NULL, NULL));
    text_is(p.a, "three");
    pair_free(&p);
}

static void anchors_lead_to_what_came_back(void **state)
{
    pair p = pair_of("one two three");
    edn_range r;
    size_t pos, count;

    (void)state;
    CHECK_OK(edn_doc_range(p.a, 4, 3, &r));
    CHECK_OK(edn_doc_delete(p.a, 2, 8));
    CHECK_OK(edn_undo_step(p.u));
    CHECK_OK(edn_doc_insert(p.a, 2, edn_bytes_str("!")));
    CHECK_OK(edn_doc_range_place(p.a, &r, &pos, &count));
    CHECK_INT(count, 0);
    CHECK_OK(edn_undo_undo(p.u, NULL, NULL));
    CHECK_OK(edn_undo_undo(p.u, NULL, NULL));
    text_is(p.a, "one two three");
    CHECK_OK(edn_doc_range_place(p.a, &r, &pos, &count));
    CHECK_INT(pos, 4);
    CHECK_INT(count, 3);
    CHECK_OK(edn_undo_redo(p.u, NULL, NULL));
    CHECK_OK(edn_undo_undo(p.u, NULL, NULL)); /* and again */
    CHECK_OK(edn_doc_range_place(p.a, &r, &pos, &count));
    CHECK_INT(pos, 4);
    CHECK_INT(count, 3);
    CHECK(!edn_undo_can_undo(p.u)); /* what was there before the watching is not undone */
    CHECK_STATUS(edn_undo_undo(p.u, NULL, NULL), EDN_E_MISSING);
    pair_free(&p);
}

static void a_field_that_another_set_since_is_left_alone(void **state)
{
    pair p = pair_of("");
    edn_bytes title = edn_bytes_str("title"), value;

    (void)state;
    CHECK_OK(edn_doc_set(p.a, title, edn_bytes_str("first")));
    CHECK_OK(edn_undo_step(p.u));
    CHECK_OK(edn_doc_set(p.a, title, edn_bytes_str("second")));
    CHECK_OK(edn_undo_undo(p.u, NULL, NULL));
    CHECK_OK(edn_doc_get(p.a, title, &value));
    CHECK_STR(value, "first");
    CHECK_OK(edn_undo_redo(p.u, NULL, NULL));
    CHECK_OK(edn_doc_get(p.a, title, &value));
    CHECK_STR(value, "second");
    hear(p.a, p.b);
    CHECK_OK(edn_doc_set(p.b, title, edn_bytes_str("bob's")));
    hear(p.b, p.a);
    CHECK_OK(edn_undo_undo(p.u, NULL, NULL));
    CHECK_OK(edn_doc_get(p.a, title, &value));
    CHECK_STR(value, "bob's");
    edn_doc_author(p.a, bob, 1);
    CHECK_STATUS(edn_undo_undo(p.u, NULL, NULL), EDN_E_INVALID);
    pair_free(&p);
}

static void an_undo_deletes_nothing_that_another_writes_in(void **state)
{
    pair p = pair_of("");
    edn_undo *u;

    (void)state;
    CHECK_OK(edn_doc_remove(p.a));
    CHECK_OK(edn_undo_new(p.a, &u));
    CHECK_OK(edn_doc_insert(p.a, 0, edn_bytes_str("x"))); /* back to life */
    CHECK_OK(edn_undo_undo(u, NULL, NULL));
    CHECK_INT(edn_doc_state_of(p.a), EDN_DOC_DELETED);
    CHECK_OK(edn_undo_redo(u, NULL, NULL));
    hear(p.a, p.b);
    CHECK_OK(edn_doc_insert(p.b, 1, edn_bytes_str("y")));
    hear(p.b, p.a);
    CHECK_OK(edn_undo_undo(u, NULL, NULL));
    CHECK_INT(edn_doc_state_of(p.a), EDN_DOC_LIVE);
    text_is(p.a, "y");
    edn_undo_free(u);
    pair_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(undo_takes_back_ones_own_and_redo_gives_it_again),
        cmocka_unit_test(what_another_typed_into_mine_stays),
        cmocka_unit_test(what_both_deleted_stays_deleted),
        cmocka_unit_test(anchors_lead_to_what_came_back),
        cmocka_unit_test(an_undo_deletes_nothing_that_another_writes_in),
        cmocka_unit_test(a_field_that_another_set_since_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
