/* The inside of the index, for the files of this module. */
#ifndef EDN_SEARCH_INDEX_PRIV_H
#define EDN_SEARCH_INDEX_PRIV_H

#include "search/index.h"
#include "search/segment_priv.h"

#define QUERY_MEMORY_SIZE_MAX ((size_t)512 << 20)

typedef struct index_part {
    edn_segment *s;
    const uint8_t *dead;
    uint32_t dead_n;
    double stretch; /* what impacts of this part are to be multiplied with */
} index_part;

struct edn_index {
    index_part *parts;
    size_t parts_n;
    edn_index_phrase_fn *phrase;
    void *phrase_ctx;
    uint64_t docs, length_sum; /* of what is alive */
    double mean, slope;        /* slope: 0.9 / mean */
    bool exact;
    uint32_t today; /* as a code; 0: recency adds nothing */
    /* While a search goes through what is written as it was typed, and only then through the rest. */
    enum { TYPED_OR_NOT, TYPED_ONLY, TYPED_NOT } typed;
};

/* What a score is multiplied with. Dates of the part are in memory when `today` is set. Documents are in order of date,
 * so that it never falls from one to the next: that of the last one bounds a range. */
static inline double recency_of(const edn_index *x, const index_part *p, uint32_t doc)
{
    uint32_t code;

    if (!x->today || (code = p->s->dates[EDN_MIN(doc, p->s->docs - 1)]) == 0)
        return 1;
    return 1 + 93.0 / (372 + (x->today > code ? x->today - code : 0));
}

static inline bool part_is_dead(const index_part *p, uint32_t doc)
{
    return p->dead && p->dead[doc / 8] >> doc % 8 & 1;
}
/* How many live documents of a part hold a term. */
EDN_MUST_USE edn_status part_live(const index_part *p, const term_ref *ref, uint32_t *out);
double index_idf(const edn_index *x, uint64_t docs);

/* All terms of a prefix in one part, as one. */
typedef struct prefix_docs {
    uint32_t *counts; /* of each document; 0: none */
    uint64_t *there;  /* a bit for each document, and 64 more */
    uint32_t df, live;
    /* for phrases: the positions of document d are positions[from[d]] to positions[from[d + 1]], in no order */
    uint32_t *from, *positions, positions_n;
} prefix_docs;

/* A query made ready: what it is, what it weighs, and where it stands in the part that is being read. */
typedef struct plan plan;
struct plan {
    edn_query_kind kind;
    plan **kids, **by_cost; /* in the query's order; in the order to look in */
    size_t kids_n;
    bool scored, counted; /* it adds to the score; its counts are wanted */
    bool needed;          /* what it does not match is no hit */
    bool exact;           /* advancing finds hits only; settling need not be asked */
    bool letter;          /* one of a script without spaces, or a pair that begins with it */
    bool tells;           /* documents may have it otherwise than it was typed */
    double weight;        /* idf * 2.2; 0: adds nothing */
    edn_bytes term;
    uint32_t accents;
    const edn_query *query; /* of a phrase */
    uint32_t *offsets;      /* of a phrase's items, which are its kids */
    uint32_t from, to;      /* codes of dates */
    uint64_t live;          /* in all parts */
    term_ref *refs;         /* TERM: in each part; df 0 where there is none */
    prefix_docs *prefixes;  /* PREFIX: in each part */
    uint64_t **typed;       /* TERM that tells: in each part, a bit for each document that has it as typed; NULL: all */
    /* in the current part */
    uint64_t cost;
    bool started, terms_only; /* every kid is a term that is there, in whichever accents */
    const uint64_t *only;     /* of a TERM: go only to these */
    bool is_typed;            /* what was settled last */
    uint32_t doc, lo, hi;
    double score;
    uint32_t times; /* of a phrase at `doc`, once settled */
    bool cursor_open;
    cursor c;
    const prefix_docs *prefix;
    uint32_t *found; /* working memory of a phrase */
    size_t found_cap;
};

/* Makes a query ready. `scored`: for ranking. All is in `a` but for what plan_close frees. */
EDN_MUST_USE edn_status plan_make(edn_index *x, edn_arena *a, const edn_query *q, bool scored, plan **out);
void plan_close(plan *p);
/* Whether nothing of a part can match. */
bool plan_empty(const plan *p, size_t part);

/* Iteration over the documents of one part. Between open and close: plan_advance goes to the first document from
 * `target` on that may match; plan_settle says whether it does, and whether with the accents that were typed
 * (p->is_typed). */
EDN_MUST_USE edn_status plan_open(edn_index *x, plan *p, size_t part);
EDN_MUST_USE edn_status plan_advance(edn_index *x, plan *p, size_t part, uint32_t target);
EDN_MUST_USE edn_status plan_settle(edn_index *x, plan *p, size_t part, bool *matches);
/* Of a plan that is exact: all that match, a bit each; `bits` is empty before, with a bit for each document and
 * more. */
EDN_MUST_USE edn_status plan_bits(edn_index *x, plan *p, size_t part, uint64_t *bits);
/* No document in [from, *until] scores more. */
double plan_bound(const edn_index *x, plan *p, size_t part, uint32_t from, uint32_t *until);
/* The current document scores no more, told without reading positions. */
double plan_upper(const edn_index *x, const plan *p, size_t part);
/* A word, a beginning of words, or an AND of words: what most queries are. */
bool plan_is_plain(const plan *p);
/* Of such a plan: to the first document from `target` on that scores `enough`, which p->score then says; or to one that
 * does not, behind `until`. Not to be mixed with plan_advance. */
EDN_MUST_USE edn_status plan_next(const edn_index *x, plan *p, size_t part, uint32_t target, uint32_t until,
                                  double enough);
void plan_leave(plan *p);

#endif
