/* Worlds of a few documents, told by a script: a list of steps with small numbers, each of which means something
 * whatever came before it. So a script that breaks a property can be cut down, step by step, to one that is short
 * enough to read, and that is what a failing test prints.
 *
 * Properties return NULL, or what is broken; they never end the test themselves. */
#ifndef EDN_TESTS_CRDT_SCRIPT_H
#define EDN_TESTS_CRDT_SCRIPT_H

#include "model.h"

#define SCRIPT_PEERS 4
#define SCRIPT_MAX 600

typedef enum step_kind {
    S_INSERT, /* a: place, b: how many, c: which letters */
    S_DELETE, /* a: place, b: how many, c: odd: backspaces */
    S_FIELD,  /* a: which, b: value */
    S_TAG,    /* a: which, b: odd: on */
    S_STATE,  /* a: odd: remove, else revive */
    S_TIME,   /* a: the peer's clock */
    S_HEAR,   /* a: from whom; everything */
    S_PIECE,  /* a: from whom, b: whose events, c: how many bytes */
    S_REOPEN, /* saved and opened again */
    S_UNDO,   /* a: odd: redo; only where a property does it */
    S_MARK,   /* a, b: whatever a property marks */
    S_KINDS
} step_kind;

static const char *const step_names[S_KINDS] = {"insert", "delete", "field",  "tag",  "state", "time",
                                                "hear",   "piece",  "reopen", "undo", "mark"};

typedef struct step {
    uint8_t kind, who;
    uint16_t a, b, c;
} step;

typedef struct script {
    step s[SCRIPT_MAX];
    size_t n;
    size_t peers;
} script;

typedef struct script_peer {
    edn_doc *doc;
    edn_agent_id id;
    edn_buf text; /* an editor that is only ever patched */
    uint64_t time;
    size_t heard; /* events of others taken in */
} script_peer;

typedef struct script_world {
    model m;
    script_peer p[SCRIPT_PEERS];
    size_t n;
    const char *broken;
    /* A property that keeps more for each patch: told before the text changes. */
    void (*on_patch)(struct script_world *w, script_peer *p, const edn_doc_patch *patch);
    void *own;
} script_world;

#define BREAKS(w, x)                                                                                                   \
    do {                                                                                                               \
        if (!(x) && !(w)->broken)                                                                                      \
            (w)->broken = #x;                                                                                          \
    } while (0)

/* ---- an editor --------------------------------------------------------------------------------------------------- */

static inline void text_patch(edn_buf *b, const edn_doc_patch *patch)
{
    edn_buf fresh = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    size_t from = edn_utf8_offset(edn_buf_view(b), patch->pos);
    size_t to = from;

    if (b->n)
        to += edn_utf8_offset(edn_bytes_of(b->p + from, b->n - from), patch->deleted);
    edn_put_bytes(&fresh, b->p, from);
    edn_put_bytes(&fresh, patch->inserted.p, patch->inserted.n);
    if (b->n)
        edn_put_bytes(&fresh, b->p + to, b->n - to);
    edn_buf_dispose(b);
    *b = fresh;
}

typedef struct script_patching {
    script_world *w;
    script_peer *p;
} script_patching;

static inline void script_patch(void *ctx, const edn_doc_patch *patch)
{
    script_patching *x = ctx;

    BREAKS(x->w, edn_utf8_count(edn_buf_view(&x->p->text)) >= patch->pos + patch->deleted);
    if (x->w->on_patch)
        x->w->on_patch(x->w, x->p, patch);
    if (!x->w->broken)
        text_patch(&x->p->text, patch);
}

/* ---- worlds ------------------------------------------------------------------------------------------------------ */

static inline void world_begin(script_world *w, size_t peers)
{
    memset(w, 0, sizeof *w);
    w->n = peers;
    model_init(&w->m);
    for (size_t i = 0; i < peers; i++) {
        script_peer *p = &w->p[i];
        p->id.b[0] = (uint8_t)((i * 37 + 11) % 64); /* the order of ids is not that of numbers */
        p->text = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        p->time = 1000;
        CHECK_OK(edn_doc_new(&p->doc));
        edn_doc_author(p->doc, p->id, p->time);
    }
}

static inline void world_over(script_world *w)
{
    for (size_t i = 0; i < w->n; i++) {
        edn_doc_free(w->p[i].doc);
        edn_buf_dispose(&w->p[i].text);
    }
    model_dispose(&w->m);
}

/* A copy of the frontier, for the document's own changes with each event. */
typedef struct front_copy {
    edn_event_id ids[SCRIPT_PEERS];
    size_t n;
} front_copy;

static inline front_copy front_of(const edn_doc *doc)
{
    edn_version v = edn_doc_frontier(doc);
    front_copy out = {.n = v.n};

    assert_true(v.n <= SCRIPT_PEERS);
    for (size_t i = 0; i < v.n; i++)
        out.ids[i] = v.ids[i];
    return out;
}
static inline edn_version front_view(const front_copy *f) { return (edn_version){f->ids, f->n}; }

/* The model's event number `k` of those that the peer's next call makes. */
static inline model_event *model_next(script_world *w, const script_peer *p, const front_copy *before, size_t k,
                                      model_kind kind)
{
    edn_event_id id = {p->id, edn_doc_agent_next(p->doc, p->id) + k}, prev = {p->id, id.seq - 1};

    return model_add(&w->m, id, k ? (edn_version){&prev, 1} : front_view(before), kind);
}

static inline void step_insert(script_world *w, script_peer *p, const step *s)
{
    static const uint32_t scalars[] = {'a', 'b', 'c', 'd', '\n', 0xe9, 0x4e2d, 0x1f600};
    front_copy v = front_of(p->doc);
    size_t n = 1 + s->b % 5, pos = s->a % (edn_doc_text_count(p->doc) + 1);
    edn_buf text = EDN_BUF_INIT(256);

    for (size_t i = 0; i < n; i++) {
        uint8_t t[4];
        model_event *e = model_next(w, p, &v, i, M_INS);
        e->pos = pos + i;
        e->scalar = scalars[(s->c + i) % EDN_COUNT(scalars)];
        edn_put_bytes(&text, t, edn_utf8_put(t, e->scalar));
    }
    script_patch(&(script_patching){w, p}, &(edn_doc_patch){pos, 0, edn_buf_view(&text)});
    BREAKS(w, edn_doc_insert(p->doc, pos, edn_buf_view(&text)) == EDN_OK);
    edn_buf_dispose(&text);
}

static inline void step_delete(script_world *w, script_peer *p, const step *s)
{
    size_t len = edn_doc_text_count(p->doc), n, pos;
    front_copy v = front_of(p->doc);

    if (len == 0)
        return;
    pos = s->a % len;
    n = 1 + s->b % EDN_MIN(len - pos, (size_t)4);
    script_patch(&(script_patching){w, p}, &(edn_doc_patch){pos, n, EDN_BYTES_EMPTY});
    if (s->c % 2) {
        for (size_t i = n; i-- > 0;) {
            model_next(w, p, &v, 0, M_DEL)->pos = pos + i;
            BREAKS(w, edn_doc_delete(p->doc, pos + i, 1) == EDN_OK);
            v = front_of(p->doc);
        }
    } else {
        for (size_t i = 0; i < n; i++)
            model_next(w, p, &v, i, M_DEL)->pos = pos;
        BREAKS(w, edn_doc_delete(p->doc, pos, n) == EDN_OK);
    }
}

static const char *const field_names[] = {"title", "mood"}, *const tag_names[] = {"x", "y"};

static inline void step_meta(script_world *w, script_peer *p, const step *s)
{
    front_copy v = front_of(p->doc);
    uint64_t set[MODEL_WORDS];
    model_event *e;

    if (s->kind == S_FIELD) {
        e = model_next(w, p, &v, 0, M_FIELD);
        snprintf(e->name, sizeof e->name, "%s", field_names[s->a % 2]);
        if (s->b % 4)
            snprintf(e->value, sizeof e->value, "%u", (unsigned)s->b % 1000u);
        BREAKS(w, edn_doc_set(p->doc, edn_bytes_str(e->name), edn_bytes_str(e->value)) == EDN_OK);
    } else if (s->kind == S_TAG) {
        const char *tag = tag_names[s->a % 2];
        bool on = s->b % 2;
        model_past(&w->m, front_view(&v), set);
        if (model_tag(&w->m, set, tag) != on)
            snprintf(model_next(w, p, &v, 0, on ? M_TAG : M_UNTAG)->name, MODEL_NAME_MAX, "%s", tag);
        BREAKS(w, edn_doc_tag(p->doc, edn_bytes_str(tag), on) == EDN_OK);
    } else {
        bool off = s->a % 2;
        (void)model_next(w, p, &v, 0, off ? M_REMOVE : M_REVIVE); /* it has no more to say */
        BREAKS(w, (off ? edn_doc_remove : edn_doc_revive)(p->doc) == EDN_OK);
    }
}

/* One message of whose events `from` has, to `to`. */
static inline void world_send(script_world *w, script_peer *from, script_peer *to, const script_peer *whose,
                              size_t size)
{
    uint64_t have = edn_doc_agent_next(to->doc, whose->id), next;
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    script_patching x = {w, to};
    edn_status st;

    BREAKS(w, edn_doc_encode_events(from->doc, whose->id, have, size, &b, &next) == EDN_OK);
    if (b.n) {
        st = edn_doc_merge(to->doc, edn_buf_view(&b), script_patch, &x);
        BREAKS(w, st == EDN_OK || st == EDN_E_PARENTS);
        to->heard += st == EDN_OK && whose != to;
    }
    edn_buf_dispose(&b);
}

static inline void world_hear(script_world *w, script_peer *from, script_peer *to)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    script_patching x = {w, to};
    edn_version v = edn_doc_frontier(to->doc);
    edn_status st = edn_doc_encode_since(from->doc, v, &b);

    /* A version that the other does not know: everything, then. */
    if (st == EDN_E_MISSING)
        st = edn_doc_encode_since(from->doc, (edn_version){NULL, 0}, &b);
    BREAKS(w, st == EDN_OK);
    if (b.n) {
        uint64_t before = edn_doc_event_count(to->doc);
        BREAKS(w, edn_doc_merge(to->doc, edn_buf_view(&b), script_patch, &x) == EDN_OK);
        to->heard += edn_doc_event_count(to->doc) - before;
    }
    edn_buf_dispose(&b);
}

static inline void step_reopen(script_world *w, script_peer *p)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_doc *doc = NULL;

    BREAKS(w, edn_doc_encode(p->doc, &b) == EDN_OK);
    BREAKS(w, edn_doc_decode(edn_buf_view(&b), &doc) == EDN_OK);
    edn_buf_dispose(&b);
    if (!doc)
        return;
    edn_doc_free(p->doc);
    p->doc = doc;
    edn_doc_author(doc, p->id, p->time);
}

static inline bool world_has_room(const script_world *w) { return w->m.n + 64 < MODEL_EVENTS_MAX; }

/* Everything but S_UNDO and S_MARK, which belong to single properties. */
static inline void world_step(script_world *w, const step *s)
{
    script_peer *p = &w->p[s->who % w->n];

    if (!world_has_room(w))
        return;
    switch ((step_kind)s->kind) {
    case S_INSERT:
        step_insert(w, p, s);
        break;
    case S_DELETE:
        step_delete(w, p, s);
        break;
    case S_FIELD:
    case S_TAG:
    case S_STATE:
        step_meta(w, p, s);
        break;
    case S_TIME:
        p->time = s->a;
        edn_doc_author(p->doc, p->id, p->time);
        break;
    case S_HEAR:
        if (&w->p[s->a % w->n] != p)
            world_hear(w, &w->p[s->a % w->n], p);
        break;
    case S_PIECE:
        if (&w->p[s->a % w->n] != p)
            world_send(w, &w->p[s->a % w->n], p, &w->p[s->b % w->n], 1 + s->c % 500);
        break;
    case S_REOPEN:
        step_reopen(w, p);
        break;
    default:
        break;
    }
}

static inline void world_meet(script_world *w)
{
    for (size_t i = 1; i < w->n; i++)
        world_hear(w, &w->p[i], &w->p[0]);
    for (size_t i = 1; i < w->n; i++)
        world_hear(w, &w->p[0], &w->p[i]);
}

/* ---- what a document shows --------------------------------------------------------------------------------------- */

static inline void text_check(script_world *w, const script_peer *p)
{
    edn_buf want = EDN_BUF_INIT(EDN_BUF_UNLIMITED), got = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    uint64_t set[MODEL_WORDS];

    model_past(&w->m, edn_doc_frontier(p->doc), set);
    model_text(&w->m, set, &want);
    BREAKS(w, edn_doc_text(p->doc, &got) == EDN_OK);
    BREAKS(w, edn_bytes_equal(edn_buf_view(&got), edn_buf_view(&want)));
    BREAKS(w, edn_bytes_equal(edn_buf_view(&p->text), edn_buf_view(&want)));
    edn_buf_dispose(&want);
    edn_buf_dispose(&got);
}

static inline void metas_check(script_world *w, const script_peer *p)
{
    uint64_t set[MODEL_WORDS];
    edn_bytes value;

    model_past(&w->m, edn_doc_frontier(p->doc), set);
    for (size_t i = 0; i < 2; i++) {
        const char *want = model_field(&w->m, set, field_names[i]);
        edn_status st = edn_doc_get(p->doc, edn_bytes_str(field_names[i]), &value);
        BREAKS(w, st == (want ? EDN_OK : EDN_E_MISSING) && edn_bytes_equal(value, edn_bytes_str(want ? want : "")));
    }
    for (size_t i = 0, k = 0; i < 2; i++)
        if (model_tag(&w->m, set, tag_names[i]))
            BREAKS(w, edn_doc_tag_at(p->doc, k++, &value) && edn_bytes_equal(value, edn_bytes_str(tag_names[i])));
    BREAKS(w, edn_doc_state_of(p->doc) == model_state(&w->m, set));
}

static inline edn_buf world_bytes(script_world *w, const edn_doc *doc)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    BREAKS(w, edn_doc_encode(doc, &b) == EDN_OK);
    return b;
}

/* ---- scripts ----------------------------------------------------------------------------------------------------- */

/* How often each kind of step comes, of the sum. */
typedef struct script_mix {
    uint8_t of[S_KINDS];
    size_t steps, peers; /* at most */
} script_mix;

static inline void script_make(script *out, const script_mix *mix, uint64_t seed)
{
    check_rng r = {seed * 0x9e3779b97f4a7c15u | 1};
    unsigned sum = 0;
    uint64_t places;

    for (size_t i = 0; i < S_KINDS; i++)
        sum += mix->of[i];
    out->peers = 2 + check_below(&r, mix->peers - 1);
    out->n = 1 + check_below(&r, mix->steps);
    places = 1 + check_below(&r, 40); /* few, so that edits meet */
    for (size_t i = 0; i < out->n; i++) {
        step *s = &out->s[i];
        uint64_t pick = check_below(&r, sum);
        for (s->kind = 0; pick >= mix->of[s->kind]; s->kind++)
            pick -= mix->of[s->kind];
        s->who = (uint8_t)check_below(&r, out->peers);
        s->a = (uint16_t)check_below(&r, s->kind <= S_DELETE ? places : 3000);
        s->b = (uint16_t)check_below(&r, 1000);
        s->c = (uint16_t)check_below(&r, 1000);
    }
}

typedef const char *property_fn(const script *s);

static uint64_t script_events; /* made so far, by any property */

/* All that a world shows is what the model shows, now and then and at the end; then all hear of all, and all documents
 * are the same bytes. */
static inline const char *script_converges(const script *s)
{
    script_world w;
    edn_buf first;

    world_begin(&w, s->peers);
    for (size_t i = 0; i < s->n && !w.broken; i++) {
        world_step(&w, &s->s[i]);
        if (s->s[i].kind == S_MARK && !w.broken) {
            text_check(&w, &w.p[s->s[i].who % w.n]);
            metas_check(&w, &w.p[s->s[i].who % w.n]);
        }
    }
    world_meet(&w);
    first = world_bytes(&w, w.p[0].doc);
    for (size_t i = 0; i < w.n && !w.broken; i++) {
        edn_buf other = world_bytes(&w, w.p[i].doc);
        BREAKS(&w, edn_bytes_equal(edn_buf_view(&first), edn_buf_view(&other)));
        edn_buf_dispose(&other);
        text_check(&w, &w.p[i]);
        metas_check(&w, &w.p[i]);
    }
    edn_buf_dispose(&first);
    script_events += w.m.n;
    world_over(&w);
    return w.broken;
}

static inline void script_print(const script *s)
{
    print_error("# %zu peers, %zu steps:\n", s->peers, s->n);
    for (size_t i = 0; i < s->n; i++)
        print_error("#   %c %-6s %u %u %u\n", 'A' + s->s[i].who % (int)s->peers, step_names[s->s[i].kind], s->s[i].a,
                    s->s[i].b, s->s[i].c);
}

/* Takes steps away, in ever smaller pieces, then makes their numbers small, as long as the property stays broken. */
static inline void script_shrink(script *s, property_fn *property)
{
    static script t;

    for (size_t piece = s->n; piece; piece /= 2) {
        for (size_t at = 0; at + piece <= s->n;) {
            t = *s;
            memmove(t.s + at, t.s + at + piece, (t.n - at - piece) * sizeof *t.s);
            t.n -= piece;
            if (property(&t))
                *s = t;
            else
                at += piece;
        }
    }
    for (size_t i = 0; i < s->n; i++) {
        uint16_t *now[] = {&s->s[i].a, &s->s[i].b, &s->s[i].c}, *try[] = {&t.s[i].a, &t.s[i].b, &t.s[i].c};
        for (size_t k = 0; k < EDN_COUNT(now); k++)
            for (uint16_t v = 0; v < *now[k] && v < 50; v++) {
                t = *s;
                *try[k] = v;
                if (property(&t))
                    *now[k] = v;
            }
    }
}

/* Holds a property against `rounds` scripts (EDN_ROUNDS, when set); returns the steps that were run. */
static inline uint64_t property_hold(const char *name, property_fn *property, const script_mix *mix, uint64_t rounds)
{
    static script s;
    const char *more = getenv("EDN_ROUNDS");
    uint64_t seed = check_seed(), steps = 0;

    rounds = more ? strtoull(more, NULL, 0) : rounds;
    for (uint64_t i = 0; i < rounds; i++) {
        const char *broken;
        script_make(&s, mix, seed + i);
        steps += s.n;
        if (!property(&s))
            continue;
        script_shrink(&s, property);
        broken = property(&s);
        print_error("# %s is broken at EDN_SEED=%llu: %s\n", name, (unsigned long long)(seed + i), broken);
        script_print(&s);
        fail();
    }
    return steps;
}

#endif
