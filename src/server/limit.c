#include "server_priv.h"

#include <stdlib.h>

/* Buckets of all kinds in one table of a fixed size, four to a set. When a set is full the bucket that was used longest
 * ago gives way: who would push out another's must come from many addresses, and then gains what a new address has
 * anyway. */

#define LIMIT_SETS 2048u
#define LIMIT_WAYS 4u
#define LIMIT_DELAY_MIN_S 1u

edn_status edn_limit_init(limit_table *t, uint64_t seed)
{
    t->seed = seed;
    t->entries = calloc((size_t)LIMIT_SETS * LIMIT_WAYS, sizeof *t->entries);
    return t->entries ? EDN_OK : EDN_E_NOMEM;
}

void edn_limit_dispose(limit_table *t)
{
    free(t->entries);
    t->entries = NULL;
}

static uint64_t limit_key(const limit_table *t, limit_kind kind, edn_bytes who)
{
    return edn_table_hash(who.p, who.n, t->seed + (uint64_t)kind) | 1;
}

static limit_entry *limit_find(limit_table *t, uint64_t key, double burst, uint64_t now_ms)
{
    limit_entry *set = t->entries + (key >> 32) % LIMIT_SETS * LIMIT_WAYS, *oldest = set;

    for (size_t i = 0; i < LIMIT_WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        if (set[i].last_ms < oldest->last_ms)
            oldest = &set[i];
    }
    *oldest = (limit_entry){.key = key, .last_ms = now_ms, .left = burst, .delay_s = LIMIT_DELAY_MIN_S};
    return oldest;
}

static void limit_refill(limit_entry *e, const limit_rule *rule, uint64_t now_ms)
{
    if (now_ms < e->last_ms) { /* the clock was set back */
        e->last_ms = now_ms;
        if (e->blocked_ms > now_ms + rule->delay_max_s * (uint64_t)1000)
            e->blocked_ms = now_ms + rule->delay_max_s * (uint64_t)1000;
        return;
    }
    e->left += (double)(now_ms - e->last_ms) / 1000.0 * rule->per_s;
    e->last_ms = now_ms;
    if (e->left >= rule->burst) {
        e->left = rule->burst;
        e->delay_s = LIMIT_DELAY_MIN_S;
    }
}

static uint32_t limit_wait(uint64_t ms) { return (uint32_t)EDN_MIN(EDN_MAX((ms + 999) / 1000, 1u), 86400u); }

bool edn_limit_take(limit_table *t, limit_kind kind, edn_bytes who, const limit_rule *rule, double cost,
                    uint64_t now_ms, uint32_t *retry_after_s)
{
    limit_entry *e;

    *retry_after_s = 0;
    if (rule->per_s <= 0)
        return true;
    e = limit_find(t, limit_key(t, kind, who), rule->burst, now_ms);
    limit_refill(e, rule, now_ms);
    if (now_ms < e->blocked_ms) {
        *retry_after_s = limit_wait(e->blocked_ms - now_ms);
        return false;
    }
    if (e->left >= EDN_MIN(cost, rule->burst)) {
        e->left -= cost;
        return true;
    }
    if (rule->delay_max_s > 0) {
        e->blocked_ms = now_ms + e->delay_s * (uint64_t)1000;
        *retry_after_s = e->delay_s;
        e->delay_s = EDN_MIN(2 * e->delay_s, rule->delay_max_s);
    } else {
        *retry_after_s = limit_wait((uint64_t)((EDN_MIN(cost, rule->burst) - e->left) / rule->per_s * 1000.0));
    }
    return false;
}

void edn_limit_spend(limit_table *t, limit_kind kind, edn_bytes who, const limit_rule *rule, double cost,
                     uint64_t now_ms)
{
    if (rule->per_s > 0) {
        limit_entry *e = limit_find(t, limit_key(t, kind, who), rule->burst, now_ms);
        limit_refill(e, rule, now_ms);
        e->left -= cost;
    }
}
