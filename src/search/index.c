#include "search/index.h"

#include <math.h>
#include <stdlib.h>

#include "search/index_priv.h"

static edn_status part_init(edn_index *x, index_part *p)
{
    edn_segment *s = p->s;
    edn_status st;

    x->docs += s->docs;
    x->length_sum += s->length_sum;
    for (uint32_t i = 0; p->dead && i < s->docs; i++)
        p->dead_n += part_is_dead(p, i);
    if (p->dead_n == 0) {
        p->dead = NULL;
        return EDN_OK;
    }
    if ((st = segment_lengths(s)) != EDN_OK)
        return st;
    x->docs -= p->dead_n;
    for (uint32_t i = 0; i < s->docs; i++)
        if (part_is_dead(p, i))
            x->length_sum -= s->lengths[i];
    return EDN_OK;
}

edn_status edn_index_new(const edn_segment_part *parts, size_t n, edn_index_phrase_fn *phrase, void *ctx,
                         edn_index **out)
{
    edn_index *x;
    edn_status st = EDN_OK;

    *out = NULL;
    if (n > EDN_INDEX_PARTS_MAX)
        return EDN_E_LIMIT;
    if (!(x = calloc(1, sizeof *x)))
        return EDN_E_NOMEM;
    x->phrase = phrase;
    x->phrase_ctx = ctx;
    x->exact = true;
    if (!(x->parts = calloc(n + 1, sizeof *x->parts)))
        st = EDN_E_NOMEM;
    for (; st == EDN_OK && x->parts_n < n; x->parts_n++) {
        index_part *p = &x->parts[x->parts_n];
        p->s = parts[x->parts_n].segment;
        p->dead = parts[x->parts_n].dead;
        st = part_init(x, p);
    }
    if (st != EDN_OK) {
        edn_index_free(x);
        return st;
    }
    x->mean = x->docs && x->length_sum ? (double)x->length_sum / (double)x->docs : 1;
    x->slope = 0.9 / x->mean;
    for (size_t i = 0; i < n; i++) {
        double mean = (double)mean_length(x->parts[i].s->length_sum, x->parts[i].s->docs);
        /* A hair more, for what rounding to float took off. */
        x->parts[i].stretch = 1.00001 * (x->mean > mean ? x->mean / mean : 1);
    }
    *out = x;
    return EDN_OK;
}

void edn_index_free(edn_index *x)
{
    if (!x)
        return;
    free(x->parts);
    free(x);
}

edn_status edn_index_recency(edn_index *x, uint32_t today)
{
    if (!date_is_good(today))
        return EDN_E_INVALID;
    x->today = today ? date_to_code(today) : 0;
    return EDN_OK;
}

uint64_t edn_index_docs(const edn_index *x) { return x->docs; }
bool edn_index_exact(const edn_index *x) { return x->exact; }

double index_idf(const edn_index *x, uint64_t docs)
{
    return log(1 + ((double)x->docs - (double)docs + 0.5) / ((double)docs + 0.5));
}

/* Few dead: each is looked for in the list. */
static edn_status dead_seek(const index_part *p, cursor *c, uint32_t *live)
{
    edn_status st = EDN_OK;

    for (uint32_t at = 0; st == EDN_OK && at < (p->s->docs + 7) / 8 && c->doc != DOC_NONE; at++)
        for (uint32_t bits = p->dead[at]; st == EDN_OK && bits; bits &= bits - 1) {
            uint32_t doc = 8 * at + (uint32_t)__builtin_ctz(bits);
            if (doc >= p->s->docs)
                break;
            st = cursor_seek(c, doc);
            *live -= c->doc == doc;
        }
    return st;
}

static edn_status list_scan(const index_part *p, cursor *c, uint32_t *live)
{
    edn_status st = EDN_OK;

    for (uint32_t b = 0; st == EDN_OK && b < c->blocks; b++) {
        st = cursor_load(c, b);
        for (uint32_t i = 0; st == EDN_OK && i < c->n; i++)
            *live -= part_is_dead(p, c->docs[i]);
    }
    return st;
}

edn_status part_live(const index_part *p, const term_ref *ref, uint32_t *out)
{
    cursor c;
    edn_status st;

    *out = ref->df;
    if (!p->dead || ref->df == 0)
        return EDN_OK;
    if ((st = cursor_init(&c, p->s, ref, false)) == EDN_OK)
        st = ref->df / 64 > p->dead_n ? dead_seek(p, &c, out) : list_scan(p, &c, out);
    cursor_dispose(&c);
    return st;
}
