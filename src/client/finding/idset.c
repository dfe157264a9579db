#include "client/finding/idset.h"

#include <stdlib.h>

static size_t id_slot(const id_set *s, const edn_entry_id *id)
{
    size_t i = (size_t)edn_table_hash(id->b, sizeof id->b, 1) & (s->size - 1);

    while (s->used[i] && memcmp(s->at[i].b, id->b, sizeof id->b) != 0)
        i = (i + 1) & (s->size - 1);
    return i;
}

void id_set_dispose(id_set *s)
{
    free(s->at);
    free(s->used);
}

static edn_status id_set_grow(id_set *s)
{
    id_set more = {.size = s->size ? 2 * s->size : 1024, .n = s->n};

    more.at = calloc(more.size, sizeof *more.at);
    more.used = calloc(more.size, 1);
    if (!more.at || !more.used) {
        id_set_dispose(&more);
        return EDN_E_NOMEM;
    }
    for (size_t i = 0; i < s->size; i++)
        if (s->used[i]) {
            size_t to = id_slot(&more, &s->at[i]);
            more.at[to] = s->at[i];
            more.used[to] = 1;
        }
    free(s->at);
    free(s->used);
    s->at = more.at;
    s->used = more.used;
    s->size = more.size;
    return EDN_OK;
}

edn_status id_set_add(id_set *s, const edn_entry_id *id, bool *was)
{
    edn_status st = 2 * (s->n + 1) > s->size ? id_set_grow(s) : EDN_OK;
    size_t i;

    if (st != EDN_OK)
        return st;
    i = id_slot(s, id);
    *was = s->used[i];
    if (!s->used[i]) {
        s->used[i] = 1;
        s->at[i] = *id;
        s->n++;
    }
    return EDN_OK;
}

bool id_set_has(const id_set *s, const edn_entry_id *id) { return s->size && s->used[id_slot(s, id)]; }
