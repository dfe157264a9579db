/* The naive document that the real one is checked against: no runs, no tree, no versions moved about. Each character
 * is an item of a list and is never taken out; what an event had seen is a plain set of events; everything is found by
 * walking from the front. It takes the order of concurrent insertions from the same paper, and nothing else is
 * shared. */
#ifndef EDN_TESTS_CRDT_MODEL_H
#define EDN_TESTS_CRDT_MODEL_H

#include <edn/crdt.h>

#include "check.h"

#ifndef MODEL_EVENTS_MAX
#define MODEL_EVENTS_MAX 4096
#endif
#define MODEL_WORDS (MODEL_EVENTS_MAX / 64)
#define MODEL_NAME_MAX 16

typedef enum model_kind { M_INS, M_DEL, M_FIELD, M_TAG, M_UNTAG, M_REMOVE, M_REVIVE } model_kind;

typedef struct model_event {
    edn_event_id id;
    model_kind kind;
    size_t pos;
    uint32_t scalar;
    char name[MODEL_NAME_MAX], value[MODEL_NAME_MAX];
    uint64_t lamport;
    uint64_t past[MODEL_WORDS]; /* without itself */
} model_event;

/* All events of all replicas, parents first. */
typedef struct model {
    model_event *e;
    size_t n;
} model;

static inline void model_init(model *m)
{
    m->e = calloc(MODEL_EVENTS_MAX, sizeof *m->e);
    m->n = 0;
    assert_non_null(m->e);
}
static inline void model_dispose(model *m) { free(m->e); }

static inline bool set_has(const uint64_t *set, size_t i) { return set[i / 64] >> (i % 64) & 1; }
static inline void set_add(uint64_t *set, size_t i) { set[i / 64] |= (uint64_t)1 << (i % 64); }

static inline size_t model_find(const model *m, edn_event_id id)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->e[i].id.seq == id.seq && memcmp(m->e[i].id.agent.b, id.agent.b, 16) == 0)
            return i;
    fail_msg("the model has no such event");
    return 0;
}

/* Everything at or before a version. */
static inline void model_past(const model *m, edn_version v, uint64_t *set)
{
    memset(set, 0, MODEL_WORDS * sizeof *set);
    for (size_t i = 0; i < v.n; i++) {
        size_t at = model_find(m, v.ids[i]);
        for (size_t w = 0; w < MODEL_WORDS; w++)
            set[w] |= m->e[at].past[w];
        set_add(set, at);
    }
}

/* A new event of `agent` on top of a version; the caller fills in what it does. */
static inline model_event *model_add(model *m, edn_event_id id, edn_version parents, model_kind kind)
{
    model_event *e = &m->e[m->n];
    assert_true(m->n < MODEL_EVENTS_MAX);
    memset(e, 0, sizeof *e);
    e->id = id;
    e->kind = kind;
    model_past(m, parents, e->past);
    for (size_t i = 0; i < m->n; i++)
        if (set_has(e->past, i) && m->e[i].lamport >= e->lamport)
            e->lamport = m->e[i].lamport + 1;
    m->n++;
    return e;
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

typedef struct model_item {
    size_t event;       /* the insertion */
    size_t left, right; /* events of the neighbours; SIZE_MAX: start, or end */
    size_t deleted_by[64];
    size_t n_deleted;
} model_item;

typedef struct model_list {
    model_item *v;
    size_t n;
} model_list;

static inline size_t list_index(const model_list *l, size_t event)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].event == event)
            return i;
    fail_msg("the model's list has no such item");
    return 0;
}

static inline bool item_exists(const model_item *it, const uint64_t *seen) { return set_has(seen, it->event); }
static inline bool item_visible(const model_item *it, const uint64_t *seen)
{
    if (!set_has(seen, it->event))
        return false;
    for (size_t i = 0; i < it->n_deleted; i++)
        if (set_has(seen, it->deleted_by[i]))
            return false;
    return true;
}

static inline void list_insert(const model *m, model_list *l, size_t event)
{
    const model_event *e = &m->e[event];
    size_t at = 0, left_n = e->pos, dest, right_at;
    model_item it = {.event = event, .left = SIZE_MAX, .right = SIZE_MAX};
    bool scanning = false;

    while (left_n) {
        if (item_visible(&l->v[at], e->past) && --left_n == 0)
            it.left = l->v[at].event;
        at++;
    }
    for (size_t i = at; i < l->n; i++) {
        if (item_exists(&l->v[i], e->past)) {
            if (l->v[i].left == it.left)
                it.right = l->v[i].event;
            break;
        }
    }
    right_at = it.right == SIZE_MAX ? l->n : list_index(l, it.right);
    dest = at;
    for (size_t i = at; i < l->n && !item_exists(&l->v[i], e->past); i++) {
        const model_item *o = &l->v[i];
        size_t o_left = o->left == SIZE_MAX ? 0 : list_index(l, o->left) + 1;
        if (o_left < at)
            break;
        if (o_left == at) {
            size_t o_right = o->right == SIZE_MAX ? l->n : list_index(l, o->right);
            const edn_event_id *a = &e->id, *b = &m->e[o->event].id;
            if (o_right == right_at && memcmp(a->agent.b, b->agent.b, 16) < 0)
                break;
            scanning = o_right < right_at;
        }
        if (!scanning)
            dest = i + 1;
    }
    memmove(l->v + dest + 1, l->v + dest, (l->n - dest) * sizeof *l->v);
    l->v[dest] = it;
    l->n++;
}

static inline void list_delete(const model *m, model_list *l, size_t event)
{
    const model_event *e = &m->e[event];
    size_t left_n = e->pos;

    for (size_t i = 0;; i++) {
        assert_true(i < l->n);
        if (!item_visible(&l->v[i], e->past))
            continue;
        if (left_n-- == 0) {
            assert_true(l->v[i].n_deleted < 64);
            l->v[i].deleted_by[l->v[i].n_deleted++] = event;
            return;
        }
    }
}

/* The list after a set of events; its items are the caller's to free. */
static inline model_list model_list_of(const model *m, const uint64_t *set)
{
    model_list l = {calloc(m->n + 1, sizeof *l.v), 0};

    assert_non_null(l.v);
    for (size_t i = 0; i < m->n; i++) {
        if (!set_has(set, i))
            continue;
        if (m->e[i].kind == M_INS)
            list_insert(m, &l, i);
        else if (m->e[i].kind == M_DEL)
            list_delete(m, &l, i);
    }
    return l;
}

/* The text that a set of events shows. */
static inline void model_text(const model *m, const uint64_t *set, edn_buf *out)
{
    model_list l = model_list_of(m, set);

    for (size_t i = 0; i < l.n; i++) {
        uint8_t t[4];
        if (item_visible(&l.v[i], set))
            edn_put_bytes(out, t, edn_utf8_put(t, m->e[l.v[i].event].scalar));
    }
    free(l.v);
}

/* ---- fields, tags, state ----------------------------------------------------------------------------------------- */

static inline const char *model_field(const model *m, const uint64_t *set, const char *name)
{
    const model_event *best = NULL;

    for (size_t i = 0; i < m->n; i++) {
        const model_event *e = &m->e[i];
        if (!set_has(set, i) || e->kind != M_FIELD || strcmp(e->name, name) != 0)
            continue;
        if (!best || e->lamport > best->lamport ||
            (e->lamport == best->lamport && memcmp(e->id.agent.b, best->id.agent.b, 16) > 0))
            best = e;
    }
    return best && best->value[0] ? best->value : NULL;
}

static inline bool model_tag(const model *m, const uint64_t *set, const char *name)
{
    for (size_t i = 0; i < m->n; i++) {
        bool alive = set_has(set, i) && m->e[i].kind == M_TAG && strcmp(m->e[i].name, name) == 0;
        for (size_t k = 0; alive && k < m->n; k++)
            if (set_has(set, k) && m->e[k].kind == M_UNTAG && strcmp(m->e[k].name, name) == 0 &&
                set_has(m->e[k].past, i))
                alive = false;
        if (alive)
            return true;
    }
    return false;
}

static inline edn_doc_state model_state(const model *m, const uint64_t *set)
{
    size_t front = 0, removed = 0;

    for (size_t i = 0; i < m->n; i++) {
        bool last = set_has(set, i);
        for (size_t k = 0; last && k < m->n; k++)
            last = !(set_has(set, k) && set_has(m->e[k].past, i));
        front += last;
        removed += last && m->e[i].kind == M_REMOVE;
    }
    return removed == 0 ? EDN_DOC_LIVE : removed == front ? EDN_DOC_DELETED : EDN_DOC_CONFLICT;
}

#endif
