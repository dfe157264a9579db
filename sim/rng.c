#include "sim.h"

uint64_t sim_next(sim_rng *r)
{
    uint64_t z = r->s += 0x9e3779b97f4a7c15u; /* splitmix64 */

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t sim_below(sim_rng *r, uint64_t n) { return n ? sim_next(r) % n : 0; }
bool sim_chance(sim_rng *r, uint64_t n, uint64_t of) { return sim_below(r, of) < n; }

uint64_t sim_hash(uint64_t h, const void *p, size_t n) { return edn_table_hash(p, n, h); }

sim_rng sim_rng_of(uint64_t seed, const char *what)
{
    sim_rng r = {sim_hash(seed, what, strlen(what))};

    (void)sim_next(&r);
    return r;
}

void sim_fill(void *ctx, void *p, size_t n)
{
    uint8_t *to = p;

    for (size_t at = 0; at < n; at += 8) {
        uint64_t v = sim_next(ctx);
        memcpy(to + at, &v, EDN_MIN((size_t)8, n - at));
    }
}

uint64_t sim_clock_ms(void *ctx)
{
    const sim_clock *c = ctx;
    uint64_t now = *c->world_ms;
    int64_t t;

    if (c->still)
        now = c->since_ms;
    else if (c->backwards)
        now = 2 * c->since_ms > now ? 2 * c->since_ms - now : 0;
    t = (int64_t)now + c->skew_ms;
    return t < 0 ? 0 : (uint64_t)t;
}
