#include "server_priv.h"

#include <stdlib.h>

/* Accounts in memory.
 *
 *   by_id[hash]    ─▶ account ─▶ account          chains; by_probe the same, for those whose space has a probe
 *   newest ◀─▶ … ◀─▶ oldest                       in the order of use
 *
 * What holds between two groups: an account in the cache equals its rows. Within a group it may be ahead of them; then
 * it is in the group's list, and a failed commit forgets it. Nothing is taken out while a group runs but by that. */

#define ACCOUNT_SIZE_BASE 4096u /* the struct, an empty log, the allocator's own */
#define ACCOUNT_SIZE_LINK 64u
#define ACCOUNT_SIZE_DEVICE 256u

static size_t account_slot(const server_cache *c, const void *id)
{
    return (size_t)(edn_table_hash(id, 32, c->seed) % SERVER_CACHE_SLOTS);
}

static bool probe_none(const edn_hash *probe)
{
    static const edn_hash none;

    return memcmp(probe, &none, sizeof none) == 0;
}

edn_status edn_server_cache_init(edn_server *s)
{
    s->random.fill(s->random.ctx, &s->cache.seed, sizeof s->cache.seed);
    s->cache.by_id = calloc(SERVER_CACHE_SLOTS, sizeof(server_account *));
    s->cache.by_probe = calloc(SERVER_CACHE_SLOTS, sizeof(server_account *));
    return s->cache.by_id && s->cache.by_probe ? EDN_OK : EDN_E_NOMEM;
}

static void account_free(server_account *a)
{
    if (!a)
        return;
    edn_devlog_free(a->log);
    free(a->heads);
    free(a);
}

void edn_server_cache_dispose(edn_server *s)
{
    for (server_account *a = s->cache.newest, *next; a; a = next) {
        next = a->lru_next;
        account_free(a);
    }
    free(s->cache.by_id);
    free(s->cache.by_probe);
    memset(&s->cache, 0, sizeof s->cache);
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

static void lru_remove(server_cache *c, server_account *a)
{
    *(a->lru_prev ? &a->lru_prev->lru_next : &c->newest) = a->lru_next;
    *(a->lru_next ? &a->lru_next->lru_prev : &c->oldest) = a->lru_prev;
    a->lru_prev = a->lru_next = NULL;
}

static void lru_push(server_cache *c, server_account *a)
{
    a->lru_prev = NULL;
    a->lru_next = c->newest;
    *(c->newest ? &c->newest->lru_prev : &c->oldest) = a;
    c->newest = a;
}

static void probe_insert(server_cache *c, server_account *a)
{
    if (!probe_none(&a->space.probe)) {
        server_account **slot = &c->by_probe[account_slot(c, a->space.probe.b)];
        a->by_probe_next = *slot;
        *slot = a;
    }
}

static void probe_remove(server_cache *c, server_account *a)
{
    if (!probe_none(&a->space.probe)) {
        server_account **at = &c->by_probe[account_slot(c, a->space.probe.b)];
        while (*at != a)
            at = &(*at)->by_probe_next;
        *at = a->by_probe_next;
        a->by_probe_next = NULL;
    }
}

static size_t account_size(const server_account *a)
{
    size_t devices = 0;

    while (edn_devlog_device(a->log, devices))
        devices++;
    return ACCOUNT_SIZE_BASE + (size_t)edn_devlog_count(a->log) * ACCOUNT_SIZE_LINK + devices * ACCOUNT_SIZE_DEVICE +
           a->heads_cap * sizeof *a->heads;
}

static void cache_insert(server_cache *c, server_account *a)
{
    server_account **slot = &c->by_id[account_slot(c, a->row.id.b)];

    a->by_id_next = *slot;
    *slot = a;
    probe_insert(c, a);
    lru_push(c, a);
    a->size = account_size(a);
    c->size += a->size;
    c->n++;
}

static void cache_remove(server_cache *c, server_account *a)
{
    server_account **at = &c->by_id[account_slot(c, a->row.id.b)];

    while (*at != a)
        at = &(*at)->by_id_next;
    *at = a->by_id_next;
    probe_remove(c, a);
    lru_remove(c, a);
    c->size -= a->size;
    c->n--;
}

void edn_server_account_forget(edn_server *s, server_account *a)
{
    cache_remove(&s->cache, a);
    account_free(a);
}

void edn_server_cache_trim(edn_server *s)
{
    /* The newest stays whatever its size: somebody is working with it. */
    while (s->cache.size > s->config.limits.cache_size_max && s->cache.oldest != s->cache.newest)
        edn_server_account_forget(s, s->cache.oldest);
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

static void learn_link(server_account *a, uint64_t seq, edn_bytes link)
{
    edn_link_info info;

    if (edn_link_peek(link, &info) == EDN_OK && info.type == EDN_LINK_SET_KDF)
        a->kdf_seq = seq;
}

static edn_status load_link(void *cb, uint64_t seq, edn_bytes link)
{
    server_account *a = cb;
    edn_status st = edn_devlog_append_trusted(a->log, link); /* it was checked in full when it came */

    if (st == EDN_OK)
        learn_link(a, seq, link);
    return st == EDN_OK || st == EDN_E_NOMEM ? st : EDN_E_DAMAGED;
}

static edn_status load_head(void *cb, const edn_head *head)
{
    server_account *a = cb;
    edn_status st = edn_server_account_reserve(a, 1);

    if (st == EDN_OK)
        a->heads[a->heads_n++] = *head;
    return st;
}

static edn_status account_load(edn_server *s, const edn_meta_account *row, server_account **out)
{
    server_account *a = calloc(1, sizeof *a);
    edn_status st;

    *out = NULL;
    if (!a)
        return EDN_E_NOMEM;
    a->row = *row;
    a->kdf_seq = UINT64_MAX;
    if ((st = edn_devlog_new(&a->log)) != EDN_OK ||
        (st = s->meta.links_each(s->meta.ctx, row->n, 0, load_link, a)) != EDN_OK ||
        (st = s->meta.space_find_account(s->meta.ctx, row->n, &a->space)) != EDN_OK ||
        (st = s->meta.heads_each(s->meta.ctx, a->space.n, load_head, a)) != EDN_OK ||
        ((st = s->meta.recovery_find(s->meta.ctx, row->n, &a->recovery)) != EDN_OK && st != EDN_E_MISSING))
        goto out;
    st = EDN_OK;
    if (edn_devlog_count(a->log) == 0) {
        st = EDN_E_DAMAGED;
        goto out;
    }
    edn_server_account_moved(a);
    a->moved = false;
    cache_insert(&s->cache, a);
    *out = a;
    a = NULL;
out:
    account_free(a);
    return st == EDN_E_MISSING ? EDN_E_DAMAGED : st;
}

static void account_used(edn_server *s, server_account *a)
{
    s->stats.cache_hits++;
    if (s->cache.newest != a) {
        lru_remove(&s->cache, a);
        lru_push(&s->cache, a);
    }
}

edn_status edn_server_account_get(edn_server *s, const edn_account_id *id, server_account **out)
{
    edn_meta_account row;
    edn_status st;

    *out = NULL;
    for (server_account *a = s->cache.by_id[account_slot(&s->cache, id->b)]; a; a = a->by_id_next)
        if (memcmp(&a->row.id, id, sizeof *id) == 0) {
            account_used(s, a);
            *out = a;
            return EDN_OK;
        }
    s->stats.cache_misses++;
    if ((st = s->meta.account_find(s->meta.ctx, id, &row)) != EDN_OK)
        return st;
    return account_load(s, &row, out);
}

edn_status edn_server_account_by_probe(edn_server *s, const edn_hash *probe, server_account **out)
{
    edn_meta_space space;
    edn_meta_account row;
    edn_status st;

    *out = NULL;
    for (server_account *a = s->cache.by_probe[account_slot(&s->cache, probe->b)]; a; a = a->by_probe_next)
        if (memcmp(&a->space.probe, probe, sizeof *probe) == 0) {
            account_used(s, a);
            *out = a;
            return EDN_OK;
        }
    s->stats.cache_misses++;
    if ((st = s->meta.space_find_probe(s->meta.ctx, probe, &space)) != EDN_OK ||
        (st = s->meta.account_find_n(s->meta.ctx, space.account, &row)) != EDN_OK)
        return st;
    return edn_server_account_get(s, &row.id, out);
}

/* ---- changing ---------------------------------------------------------------------------------------------------- */

void edn_server_account_stage(edn_server *s, server_account *a)
{
    if (!a->in_group) {
        a->in_group = true;
        a->group_next = s->group;
        s->group = a;
    }
}

void edn_server_account_moved(server_account *a)
{
    edn_hash head = edn_devlog_head(a->log);

    a->heads_hash = edn_heads_hash(a->heads, a->heads_n);
    a->etag = edn_etag_of(&a->space.id, edn_devlog_count(a->log), &head, &a->heads_hash, a->recovery.number);
    a->signed_ok = false;
    a->moved = true;
}

void edn_server_account_settle(edn_server *s, server_account *a)
{
    s->cache.size -= a->size;
    a->size = account_size(a);
    s->cache.size += a->size;
    a->in_group = a->moved = a->row_dirty = a->space_dirty = false;
    a->group_next = NULL;
}

void edn_server_account_set_probe(edn_server *s, server_account *a, const edn_hash *probe)
{
    probe_remove(&s->cache, a);
    a->space.probe = *probe;
    probe_insert(&s->cache, a);
    a->space_dirty = true;
}

edn_status edn_server_account_reserve(server_account *a, size_t heads_more)
{
    size_t cap = a->heads_cap ? a->heads_cap : 4;
    edn_head *p;

    if (a->heads_n + heads_more <= a->heads_cap)
        return EDN_OK;
    while (cap < a->heads_n + heads_more)
        cap *= 2;
    p = realloc(a->heads, cap * sizeof *p);
    if (!p)
        return EDN_E_NOMEM;
    a->heads = p;
    a->heads_cap = cap;
    return EDN_OK;
}

void edn_server_account_set_head(server_account *a, const edn_head *h)
{
    size_t i = 0;

    while (i < a->heads_n && memcmp(&a->heads[i].device, &h->device, sizeof h->device) < 0)
        i++;
    if (i == a->heads_n || memcmp(&a->heads[i].device, &h->device, sizeof h->device) != 0) {
        EDN_ASSERT(a->heads_n < a->heads_cap);
        memmove(a->heads + i + 1, a->heads + i, (a->heads_n - i) * sizeof *a->heads);
        a->heads_n++;
    }
    a->heads[i] = *h;
}

void edn_server_account_take_log(server_account *a, edn_devlog *log, const edn_bytes *links, size_t n)
{
    uint64_t from = edn_devlog_count(log) - n;

    if (a->log != log)
        edn_devlog_free(a->log);
    a->log = log;
    for (size_t i = 0; i < n; i++)
        learn_link(a, from + i, links[i]);
}

edn_status edn_server_account_add(edn_server *s, edn_devlog *log, server_account **out)
{
    server_account *a = calloc(1, sizeof *a);
    edn_status st;

    *out = NULL;
    if (!a)
        return EDN_E_NOMEM;
    a->kdf_seq = UINT64_MAX;
    a->row.id = edn_devlog_account(log);
    edn_kdf_t(a->row.subject.b, sizeof a->row.subject.b, s->subject_key, EDN_LABEL_SERVER_SUBJECT, EDN_F(a->row.id));
    memcpy(a->space.id.b, edn_h32_t(EDN_LABEL_SPACE_PERSONAL, EDN_F(a->row.id)).b, sizeof a->space.id.b);
    if ((st = s->meta.account_add(s->meta.ctx, &a->row)) != EDN_OK)
        goto out;
    a->space.account = a->row.n;
    if ((st = s->meta.space_add(s->meta.ctx, &a->space)) != EDN_OK)
        goto out;
    a->log = log;
    edn_server_account_moved(a);
    cache_insert(&s->cache, a);
    edn_server_account_stage(s, a);
    *out = a;
    return EDN_OK;
out:
    account_free(a);
    return st;
}
