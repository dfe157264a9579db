/* A diary as a child would keep it: a list of what was typed, struck out and set, by whom, and how sure that is. It
 * merges nothing; it only knows what must be there, what must not, and what may. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

static void *grown(void *p, size_t *cap, size_t n, size_t size)
{
    if (n < *cap)
        return p;
    *cap = *cap ? 2 * *cap : 256;
    p = realloc(p, *cap * size);
    if (!p)
        sim_stop("memory", "model");
    return p;
}

void model_dispose(model *m)
{
    free(m->tokens);
    free(m->writes);
    free(m->log);
    memset(m, 0, sizeof *m);
}

uint32_t model_token(model *m, uint16_t entry, uint8_t author, uint32_t left, uint32_t right)
{
    m->tokens = grown(m->tokens, &m->tokens_cap, m->tokens_n, sizeof *m->tokens);
    m->tokens[m->tokens_n] = (token){.left = left, .right = right, .entry = entry, .author = author};
    return SIM_TOKEN_FIRST + (uint32_t)m->tokens_n++;
}

token *model_find(model *m, uint32_t scalar)
{
    size_t at = scalar - SIM_TOKEN_FIRST;

    return scalar >= SIM_TOKEN_FIRST && at < m->tokens_n ? &m->tokens[at] : NULL;
}

int model_entry(const model *m, const edn_entry_id *id)
{
    for (size_t i = m->entries_n; i > 0; i--)
        if (memcmp(m->entries[i - 1].b, id->b, sizeof id->b) == 0)
            return (int)i - 1;
    return -1;
}

static void log_add(model *m, uint8_t author, uint8_t kind, uint32_t what)
{
    m->log = grown(m->log, &m->log_cap, m->log_n, sizeof *m->log);
    m->log[m->log_n++] = (struct log_row){author, kind, what};
}

void model_done(model *m, const change *c)
{
    for (size_t i = 0; i < c->inserted_n; i++) {
        token *t = model_find(m, c->inserted[i]);
        t->inserted = FACT_SURE;
        t->unseen = m->removals[t->entry] > 0; /* nobody types into what shows itself as removed */
        log_add(m, c->author, 0, c->inserted[i]);
    }
    for (size_t i = 0; i < c->deleted_n; i++) {
        token *t = model_find(m, c->deleted[i]);
        t->deleted = FACT_SURE;
        log_add(m, c->author, 1, c->deleted[i]);
    }
    for (size_t i = 0; i < c->writes_n; i++) {
        m->writes = grown(m->writes, &m->writes_cap, m->writes_n, sizeof *m->writes);
        m->writes[m->writes_n] = c->writes[i];
        m->writes[m->writes_n].sure = FACT_SURE;
        log_add(m, c->author, 2, (uint32_t)m->writes_n++);
    }
}

void model_removed(model *m, uint16_t entry, bool removed, const uint32_t *seen, size_t n)
{
    m->removals[entry] += removed;
    m->undeleted[entry] |= !removed;
    for (size_t i = 0; removed && i < m->tokens_n; i++)
        if (m->tokens[i].entry == entry)
            m->tokens[i].unseen = true;
    for (size_t i = 0; removed && i < n; i++) {
        token *t = model_find(m, seen[i]);
        if (t)
            t->unseen = false;
    }
}

void model_covered(model *m, uint8_t author) { m->covered_log[author] = m->log_n; }
size_t model_mark(const model *m) { return m->log_n; }

void model_unsure(model *m, uint8_t author, size_t mark)
{
    for (size_t i = mark; i < m->log_n; i++) {
        const struct log_row *r = &m->log[i];
        if (r->author != author)
            continue;
        if (r->kind == 0)
            model_find(m, r->what)->inserted = FACT_UNSURE;
        else if (r->kind == 1)
            model_find(m, r->what)->deleted = FACT_UNSURE;
        else
            m->writes[r->what].sure = FACT_UNSURE;
    }
}

void model_fell_back(model *m, uint8_t author, size_t mark)
{
    model_unsure(m, author, EDN_MAX(mark, m->covered_log[author]));
}
