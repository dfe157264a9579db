/* The tables of contents of several stores as one: a month at a time, merged where more than one has something in it,
 * so that what stops early has not read the others' years. */
#include "client/diary/catalog_priv.h"
#include "client/sharing/family.h"

#include <stdlib.h>

typedef struct merging {
    const stores *s;
    edn_bytes from, to;
    bool reverse;
    contents_fn *fn;
    void *ctx;
    edn_client *at; /* the store that is being read */
    edn_arena a;    /* what a month has */
    struct merged_item {
        edn_client *c;
        catalog_item item;
    } * items;
    size_t n, cap;
} merging;

static edn_status pass_on(void *ctx, const catalog_item *it)
{
    merging *m = ctx;
    return m->fn(m->ctx, m->at, it);
}

/* A copy that outlives the page. */
static edn_status keep(void *ctx, const catalog_item *it)
{
    merging *m = ctx;
    catalog_item *to;
    edn_bytes *tags;

    if (!edn_array_room(&m->items, &m->cap, m->n + 1, sizeof *m->items))
        return EDN_E_NOMEM;
    m->items[m->n].c = m->at;
    to = &m->items[m->n++].item;
    *to = *it;
    tags = edn_arena_calloc(&m->a, it->tags_n + 1, sizeof *tags);
    if (!tags || !edn_arena_copy(&m->a, it->date, &to->date) || !edn_arena_copy(&m->a, it->title, &to->title) ||
        !edn_arena_copy(&m->a, it->preview, &to->preview))
        return EDN_E_NOMEM;
    for (size_t i = 0; i < it->tags_n; i++)
        if (!edn_arena_copy(&m->a, it->tags[i], &tags[i]))
            return EDN_E_NOMEM;
    to->tags = tags;
    return EDN_OK;
}

/* Within a month, as pages are: by date, creation, id. */
static int compare_items(const void *a, const void *b)
{
    const catalog_item *x = &((const struct merged_item *)a)->item, *y = &((const struct merged_item *)b)->item;
    int d = bytes_compare(x->date, y->date);

    if (d == 0)
        d = (x->created_ms > y->created_ms) - (x->created_ms < y->created_ms);
    return d ? d : memcmp(x->id.b, y->id.b, sizeof x->id.b);
}

static edn_status merge_month(merging *m, const char *name)
{
    edn_status st = EDN_OK;

    m->n = 0;
    for (size_t i = 0; st == EDN_OK && i < m->s->n; i++) {
        m->at = m->s->p[i];
        st = catalog_list_month(m->at, name, m->from, m->to, false, keep, m);
    }
    if (m->n > 1)
        qsort(m->items, m->n, sizeof *m->items, compare_items);
    for (size_t i = 0; st == EDN_OK && i < m->n; i++) {
        const struct merged_item *it = &m->items[m->reverse ? m->n - 1 - i : i];
        st = m->fn(m->ctx, it->c, &it->item);
    }
    edn_arena_reset(&m->a);
    return st;
}

static edn_status list_month(merging *m, const char *name)
{
    size_t have = 0;

    for (size_t i = 0; i < m->s->n; i++) {
        if (!month_find(m->s->p[i]->catalog, name))
            continue;
        m->at = m->s->p[i];
        have++;
    }
    return have > 1 ? merge_month(m, name) : catalog_list_month(m->at, name, m->from, m->to, m->reverse, pass_on, m);
}

typedef struct month_name {
    char b[MONTH_SIZE + 1];
} month_name;

static int compare_names(const void *a, const void *b) { return memcmp(a, b, sizeof(month_name)); }

/* Every month that a store has something in, once, ascending. */
static edn_status gather_names(const merging *m, edn_buf *out)
{
    month_name *names;
    size_t first, end, n = 0;
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < m->s->n; i++) {
        const catalog *k = m->s->p[i]->catalog;
        st = catalog_months(m->s->p[i], m->from, m->to, &first, &end);
        for (; st == EDN_OK && first < end; first++)
            edn_put_bytes(out, k->months[first].name, sizeof k->months[first].name);
    }
    if (st == EDN_OK)
        st = edn_buf_status(out);
    if (st != EDN_OK || out->n == 0)
        return st;
    names = (month_name *)(void *)out->p; /* bytes: any alignment will do */
    qsort(names, out->n / sizeof *names, sizeof *names, compare_names);
    for (size_t i = 0; i < out->n / sizeof *names; i++)
        if (n == 0 || compare_names(&names[n - 1], &names[i]) != 0)
            names[n++] = names[i];
    out->n = n * sizeof *names;
    return EDN_OK;
}

edn_status contents_list(const stores *s, edn_bytes from, edn_bytes to, bool reverse, contents_fn *fn, void *ctx)
{
    merging m = {.s = s, .from = from, .to = to, .reverse = reverse, .fn = fn, .ctx = ctx};
    edn_buf names = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    size_t n;
    edn_status st;

    if (s->n == 1) {
        m.at = s->p[0];
        return catalog_list(s->p[0], from, to, reverse, pass_on, &m);
    }
    m.a = edn_arena_init(EDN_BUF_UNLIMITED);
    st = gather_names(&m, &names);
    n = names.n / sizeof(month_name);
    for (size_t i = 0; st == EDN_OK && i < n; i++) {
        month_name name;
        memcpy(&name, names.p + (reverse ? n - 1 - i : i) * sizeof name, sizeof name);
        st = list_month(&m, name.b);
    }
    free(m.items);
    edn_arena_dispose(&m.a);
    edn_buf_dispose(&names);
    return st;
}
