/* Whether a whole segment keeps the rules of its format: what a query would find out bit by bit. */
#include "segment_priv.h"

static edn_status docs_check(edn_segment *s)
{
    edn_segment_doc before, doc;
    edn_status st;

    if ((st = segment_lengths(s)) != EDN_OK || (st = segment_dates(s)) != EDN_OK)
        return st;
    for (uint32_t i = 0; i < s->docs; i++) {
        if ((st = edn_segment_doc_at(s, i, &doc)) != EDN_OK)
            return st;
        if (!date_is_good(doc.date) || (i && doc_compare(&before, &doc) >= 0))
            return EDN_E_FORMAT;
        before = doc;
    }
    return EDN_OK;
}

static edn_status list_check(edn_segment *s, const term_ref *ref)
{
    cursor c;
    edn_status st = cursor_init(&c, s, ref, true);

    for (uint32_t b = 0; st == EDN_OK && b < c.blocks; b++) {
        st = cursor_load(&c, b);
        for (c.i = 0; st == EDN_OK && s->positions && !ref->mark && c.i < c.n; c.i++) {
            c.doc = c.docs[c.i];
            st = cursor_positions(&c);
        }
    }
    cursor_dispose(&c);
    return st;
}

edn_status edn_segment_check(edn_segment *s)
{
    terms_walk w;
    bool more = true;
    edn_status st = docs_check(s);

    terms_walk_init(&w, s);
    while (st == EDN_OK && (st = terms_walk_next(&w, &more)) == EDN_OK && more)
        st = list_check(s, &w.ref);
    terms_walk_dispose(&w);
    return st;
}
