/* Opened pages, shared by segments. A page that is wanted and not there takes a free frame, or that of the page the
 * clock's hand finds unused since it last came by. */
#include "pages.h"

#include <stdlib.h>

typedef struct frame {
    uint8_t *bytes; /* EDN_PAGE_SIZE + EDN_PACK_SLACK */
    edn_segment *owner;
    uint32_t page;
    bool used;
} frame;

struct edn_pages {
    frame *frames;
    size_t n, n_max, hand;
    edn_pages_stats stats;
};

edn_status edn_pages_new(size_t size_max, edn_pages **out)
{
    edn_pages *p = calloc(1, sizeof *p);

    *out = NULL;
    if (!p)
        return EDN_E_NOMEM;
    p->n_max = EDN_MAX(size_max / EDN_PAGE_SIZE, (size_t)4);
    *out = p;
    return EDN_OK;
}

static void frame_wipe(frame *f)
{
    if (f->bytes)
        edn_wipe(f->bytes, EDN_PAGE_SIZE + EDN_PACK_SLACK);
    if (f->owner)
        f->owner->frames[f->page] = 0;
    f->owner = NULL;
}

void edn_pages_free(edn_pages *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n; i++) {
        EDN_ASSERT(!p->frames[i].owner);
        free(p->frames[i].bytes);
    }
    free(p->frames);
    free(p);
}

edn_pages_stats edn_pages_stats_get(const edn_pages *p)
{
    edn_pages_stats s = p->stats;

    s.size = p->n * EDN_PAGE_SIZE;
    return s;
}

void pages_leave(edn_segment *s)
{
    edn_pages *p = s->pages;

    for (size_t i = 0; i < p->n; i++)
        if (p->frames[i].owner == s) {
            frame_wipe(&p->frames[i]);
            p->frames[i].used = false;
        }
}

static edn_status frame_add(edn_pages *p, size_t *at)
{
    uint8_t *bytes;

    if ((p->n & (p->n - 1)) == 0) {
        frame *more = realloc(p->frames, (p->n ? 2 * p->n : 1) * sizeof *more);
        if (!more)
            return EDN_E_NOMEM;
        p->frames = more;
    }
    if (!(bytes = calloc(1, EDN_PAGE_SIZE + EDN_PACK_SLACK)))
        return EDN_E_NOMEM;
    p->frames[p->n] = (frame){.bytes = bytes};
    *at = p->n++;
    return EDN_OK;
}

static edn_status frame_find(edn_pages *p, size_t *at)
{
    if (p->n < p->n_max)
        return frame_add(p, at);
    for (;; p->hand = (p->hand + 1) % p->n) {
        frame *f = &p->frames[p->hand];
        if (!f->owner || !f->used)
            break;
        f->used = false;
    }
    *at = p->hand;
    p->hand = (p->hand + 1) % p->n;
    return EDN_OK;
}

edn_status pages_get(edn_segment *s, uint32_t page, const uint8_t **out)
{
    edn_pages *p = s->pages;
    size_t at, n;
    edn_status st;

    EDN_ASSERT(page < s->pages_n);
    p->stats.asked++;
    if (s->frames[page]) {
        frame *f = &p->frames[s->frames[page] - 1];
        f->used = true;
        *out = f->bytes;
        return EDN_OK;
    }
    if ((st = frame_find(p, &at)) != EDN_OK)
        return st;
    frame_wipe(&p->frames[at]);
    n = (size_t)EDN_MIN((uint64_t)EDN_PAGE_SIZE, s->size - (uint64_t)page * EDN_PAGE_SIZE);
    p->stats.opened++;
    if ((st = s->fn(s->ctx, page, p->frames[at].bytes, n)) != EDN_OK)
        return st;
    p->frames[at].owner = s;
    p->frames[at].page = page;
    p->frames[at].used = true;
    s->frames[page] = (uint32_t)at + 1;
    *out = p->frames[at].bytes;
    return EDN_OK;
}
