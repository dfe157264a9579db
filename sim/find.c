/* Search against reading: what a device finds is what it shows, under every fault that its index lived through. */
#include "sim.h"

#include <stdio.h>

/* Which entries a query found. */
typedef struct found {
    sim *s;
    bool hits[SIM_ENTRIES_MAX];
    size_t strangers; /* hits that are no entry, or one for the second time */
} found;

static edn_status take_hit(void *ctx, const edn_hit *hit)
{
    found *f = ctx;

    if (hit->arriving) /* told by other devices; what it holds is seen when it is here */
        return EDN_OK;
    for (size_t i = 0; i < f->s->model.entries_n; i++)
        if (memcmp(f->s->model.entries[i].b, hit->entry->id.b, sizeof hit->entry->id.b) == 0 && !f->hits[i]) {
            f->hits[i] = true;
            return EDN_OK;
        }
    f->strangers++;
    return EDN_OK;
}

static bool has_word(const char *title, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = strstr(title, word); p; p = strstr(p + 1, word))
        if ((p == title || p[-1] == ' ') && (p[n] == ' ' || p[n] == 0))
            return true;
    return false;
}

static bool has_tag(const char *tags, const char *tag)
{
    char in_list[64];

    snprintf(in_list, sizeof in_list, "%s,", tag);
    return strstr(tags, in_list) != NULL;
}

static void ask(device *d, const char *query, const char *word, const char *tag)
{
    sim *s = d->s;
    edn_err err = {EDN_OK, ""};
    found f = {.s = s};
    edn_status st = edn_client_search(d->c, edn_bytes_str(query), NULL, take_hit, &f, NULL, &err);

    s->f.checks++;
    if (st != EDN_OK) {
        sim_violation(s, "device %u: search fails: %s %s", d->index, edn_status_name(st), err.text);
        return;
    }
    if (f.strangers)
        sim_violation(s, "device %u: search shows an entry twice, or one that is none", d->index);
    for (size_t i = 0; i < s->model.entries_n; i++) {
        const shown *v = &d->views[i];
        bool holds = v->there && !v->deleted && (tag ? has_tag(v->tags, tag) : has_word(v->title, word));
        if (f.hits[i] && !holds)
            sim_violation(s, "device %u: search finds entry %zu for what it does not hold", d->index, i);
        else if (!f.hits[i] && holds)
            sim_violation(s, "device %u: search does not find entry %zu", d->index, i);
    }
}

void check_search(device *d)
{
    const model *m = &d->s->model;
    size_t turn = d->searches++;
    char query[96], tag[40], *word;

    if (!m->entries_n)
        return;
    snprintf(tag, sizeof tag, SIM_CANARY "-%zu", turn % 5);
    snprintf(query, sizeof query, "tag:%s", tag);
    ask(d, query, NULL, tag);
    word = strrchr(d->views[turn % m->entries_n].title, ' ');
    if (!word)
        return;
    snprintf(query, sizeof query, "title:%s", word + 1);
    ask(d, query, word + 1, NULL);
}
