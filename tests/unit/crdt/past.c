/* The past: what changed between any two versions, the version at a time, and any version as it was. */
#include "script.h"

static const script_mix mix = {{[S_INSERT] = 30,
                                [S_DELETE] = 20,
                                [S_TIME] = 6,
                                [S_HEAR] = 16,
                                [S_PIECE] = 12,
                                [S_REOPEN] = 2,
                                [S_MARK] = 10,
                                [S_FIELD] = 3},
                               110,
                               SCRIPT_PEERS};

/* ---- differences ------------------------------------------------------------------------------------------------- */

typedef struct diffing {
    script_world *w;
    edn_buf text;
    size_t from, touched; /* the end of the last patch; what was deleted and inserted in all */
} diffing;

static void diff_patch(void *ctx, const edn_doc_patch *patch)
{
    diffing *d = ctx;

    BREAKS(d->w, patch->deleted || patch->inserted.n);
    BREAKS(d->w, patch->pos > d->from || (d->from == 0 && d->touched == 0));
    d->from = patch->pos + edn_utf8_count(patch->inserted);
    d->touched += patch->deleted + edn_utf8_count(patch->inserted);
    BREAKS(d->w, edn_utf8_count(edn_buf_view(&d->text)) >= patch->pos + patch->deleted);
    if (!d->w->broken)
        text_patch(&d->text, patch);
}

/* What is visible at exactly one of two versions. */
static size_t changed(const script_world *w, const uint64_t *a, const uint64_t *b)
{
    uint64_t both[MODEL_WORDS];
    model_list l;
    size_t n = 0;

    for (size_t i = 0; i < MODEL_WORDS; i++)
        both[i] = a[i] | b[i];
    l = model_list_of(&w->m, both);
    for (size_t i = 0; i < l.n; i++)
        n += item_visible(&l.v[i], a) != item_visible(&l.v[i], b);
    free(l.v);
    return n;
}

/* A version: of one event or of two, whatever these are to each other. */
static edn_version version_pick(const script_world *w, const edn_doc *doc, size_t a, size_t b, edn_event_id *ids)
{
    edn_version v = {ids, 0};
    size_t pick[2] = {a, b};

    for (size_t i = 0; i < 1 + b % 2 && a % 17; i++) {
        const edn_event_id *id = &w->m.e[pick[i] % w->m.n].id;
        if (id->seq < edn_doc_agent_next(doc, id->agent))
            ids[v.n++] = *id;
    }
    return v;
}

static void diff_check(script_world *w, script_peer *p, const step *s)
{
    edn_event_id ids[4];
    edn_version from = version_pick(w, p->doc, s->a, s->b, ids);
    edn_version to = s->c % 3 ? version_pick(w, p->doc, s->a + s->c, s->b + s->c / 3, ids + 2)
                              : edn_doc_frontier(p->doc);
    diffing d = {.w = w, .text = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
    edn_buf want = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    uint64_t a[MODEL_WORDS], b[MODEL_WORDS];

    model_past(&w->m, from, a);
    model_past(&w->m, to, b);
    model_text(&w->m, a, &d.text);
    model_text(&w->m, b, &want);
    BREAKS(w, edn_doc_diff(p->doc, from, to, diff_patch, &d) == EDN_OK);
    BREAKS(w, edn_bytes_equal(edn_buf_view(&d.text), edn_buf_view(&want)));
    BREAKS(w, d.touched == changed(w, a, b));
    edn_buf_dispose(&d.text);
    edn_buf_dispose(&want);
}

static const char *differences_hold(const script *s)
{
    script_world w;

    world_begin(&w, s->peers);
    for (size_t i = 0; i < s->n && !w.broken; i++) {
        world_step(&w, &s->s[i]);
        if (s->s[i].kind == S_MARK && w.m.n && !w.broken)
            diff_check(&w, &w.p[s->s[i].who % w.n], &s->s[i]);
    }
    world_over(&w);
    return w.broken;
}

static void a_difference_makes_one_version_of_the_other_and_touches_nothing_else(void **state)
{
    (void)state;
    property_hold("differences", differences_hold, &mix, 600);
}

static void a_difference_of_a_missing_version_is_refused(void **state)
{
    static const edn_agent_id alice = {{1}};
    edn_event_id id = {alice, 1};
    edn_version now;
    edn_doc *doc;

    (void)state;
    CHECK_OK(edn_doc_new(&doc));
    edn_doc_author(doc, alice, 1);
    CHECK_OK(edn_doc_insert(doc, 0, edn_bytes_str("a")));
    now = edn_doc_frontier(doc);
    CHECK_STATUS(edn_doc_diff(doc, (edn_version){&id, 1}, now, diff_patch, NULL), EDN_E_MISSING);
    CHECK_STATUS(edn_doc_diff(doc, now, (edn_version){&id, 1}, diff_patch, NULL), EDN_E_MISSING);
    CHECK_OK(edn_doc_diff(doc, now, now, diff_patch, NULL));
    edn_doc_free(doc);
}

/* ---- dates ------------------------------------------------------------------------------------------------------- */

/* The plain way: go through the events, parents first, and take each that is old enough and whose past is in. */
static void set_at(const script_world *w, const uint64_t *have, const uint64_t *times, uint64_t t, uint64_t *set)
{
    memset(set, 0, MODEL_WORDS * sizeof *set);
    for (size_t i = 0; i < w->m.n; i++) {
        bool in = set_has(have, i) && times[i] <= t;
        for (size_t k = 0; in && k < i; k++)
            in = !set_has(w->m.e[i].past, k) || set_has(set, k);
        if (in)
            set_add(set, i);
    }
}

static void date_check(script_world *w, script_peer *p, const uint64_t *times, uint64_t t)
{
    uint64_t have[MODEL_WORDS], want[MODEL_WORDS], got[MODEL_WORDS];
    edn_version v;
    edn_doc *was = NULL;

    model_past(&w->m, edn_doc_frontier(p->doc), have);
    set_at(w, have, times, t, want);
    BREAKS(w, edn_doc_version_at(p->doc, t, &v) == EDN_OK);
    model_past(&w->m, v, got);
    BREAKS(w, memcmp(got, want, sizeof got) == 0);
    /* It is a frontier: exactly what the document of then says of itself. */
    BREAKS(w, edn_doc_at(p->doc, v, &was) == EDN_OK);
    if (was) {
        edn_version again = edn_doc_frontier(was);
        BREAKS(w, again.n == v.n && (v.n == 0 || memcmp(again.ids, v.ids, v.n * sizeof *v.ids) == 0));
        edn_doc_free(was);
    }
    edn_version_dispose(&v);
}

static const char *dates_hold(const script *s)
{
    static uint64_t times[MODEL_EVENTS_MAX];
    script_world w;

    world_begin(&w, s->peers);
    for (size_t i = 0; i < s->n && !w.broken; i++) {
        script_peer *p = &w.p[s->s[i].who % w.n];
        size_t before = w.m.n;
        world_step(&w, &s->s[i]);
        for (; before < w.m.n; before++)
            times[before] = p->time;
        if (s->s[i].kind == S_MARK && !w.broken)
            date_check(&w, p, times, s->s[i].a);
    }
    world_over(&w);
    return w.broken;
}

static void the_version_at_a_time_has_what_was_made_by_then(void **state)
{
    (void)state;
    property_hold("dates", dates_hold, &mix, 300);
}

/* ---- lines and columns ------------------------------------------------------------------------------------------- */

static void a_column_counts_scalars_bytes_or_utf16_units(void **state)
{
    static const edn_agent_id alice = {{1}};
    static const struct {
        size_t line;
        edn_doc_unit unit;
        size_t column, scalar;
    } cases[] = {
        {0, EDN_UNIT_SCALAR, 0, 0}, {0, EDN_UNIT_SCALAR, 2, 2},       {0, EDN_UNIT_SCALAR, 4, 4},
        {0, EDN_UNIT_SCALAR, 9, 4}, {0, EDN_UNIT_UTF16, 3, 2},        {0, EDN_UNIT_UTF16, 2, 1},
        {0, EDN_UNIT_UTF16, 5, 4},  {0, EDN_UNIT_UTF16, 99, 4},       {0, EDN_UNIT_BYTE, 1, 1},
        {0, EDN_UNIT_BYTE, 4, 1},   {0, EDN_UNIT_BYTE, 5, 2},         {0, EDN_UNIT_BYTE, 8, 4},
        {0, EDN_UNIT_BYTE, 9, 4},   {1, EDN_UNIT_SCALAR, 0, 5},       {1, EDN_UNIT_UTF16, 7, 5},
        {2, EDN_UNIT_SCALAR, 1, 7}, {2, EDN_UNIT_BYTE, 2, 6},         {2, EDN_UNIT_UTF16, SIZE_MAX, 8},
        {3, EDN_UNIT_SCALAR, 0, 8}, {SIZE_MAX, EDN_UNIT_UTF16, 0, 8},
    };
    edn_doc *doc;

    (void)state;
    CHECK_OK(edn_doc_new(&doc));
    edn_doc_author(doc, alice, 1);
    /* a 😀 é z ⏎ | ⏎ | 中 b */
    CHECK_OK(edn_doc_insert(doc, 0,
                            edn_bytes_str("a\xf0\x9f\x98\x80\xc3\xa9z\n\n\xe4\xb8\xad"
                                          "b")));
    for (size_t i = 0; i < EDN_COUNT(cases); i++) {
        edn_doc_place p = edn_doc_place_in_line(doc, cases[i].line, cases[i].unit, cases[i].column);
        edn_doc_place same = edn_doc_place_of(doc, EDN_UNIT_SCALAR, cases[i].scalar);
        CHECK_INT(p.scalar, cases[i].scalar);
        CHECK_INT(p.byte, same.byte);
        CHECK_INT(p.utf16, same.utf16);
        CHECK_INT(p.line, same.line);
        CHECK_INT(p.column, same.column);
    }
    edn_doc_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_difference_makes_one_version_of_the_other_and_touches_nothing_else),
        cmocka_unit_test(a_difference_of_a_missing_version_is_refused),
        cmocka_unit_test(the_version_at_a_time_has_what_was_made_by_then),
        cmocka_unit_test(a_column_counts_scalars_bytes_or_utf16_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
