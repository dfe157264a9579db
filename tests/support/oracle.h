/* oracle: whether an entry fits a query, by reading it: what an index must agree with. Slow and plain on purpose. */
#ifndef EDN_TESTS_ORACLE_H
#define EDN_TESTS_ORACLE_H

#include <edn/client.h>

#include "check.h"
#include "search/query.h"

static inline bool oracle_term_is(edn_bytes term, edn_bytes wanted, bool prefix)
{
    return (prefix ? term.n >= wanted.n : term.n == wanted.n) && memcmp(term.p, wanted.p, wanted.n) == 0;
}

/* Whether a word, in any of its forms, stands in a text; at `position` only, unless that is negative. */
static inline bool oracle_has(edn_bytes text, edn_bytes wanted, bool prefix, int64_t position)
{
    edn_words w;
    edn_word word;

    edn_words_init(&w, text);
    while (edn_words_next(&w, &word))
        if ((position < 0 || word.position == position) && oracle_term_is(word.term, wanted, prefix))
            return true;
    return false;
}

static inline bool oracle_has_phrase(edn_bytes text, const edn_query *q, size_t skip)
{
    edn_words w;
    edn_word word;

    edn_words_init(&w, text);
    while (edn_words_next(&w, &word)) {
        bool all = true;
        for (size_t i = 0; all && i < q->items_n; i++)
            all = oracle_has(text, edn_bytes_of(q->items[i].term.p + skip, q->items[i].term.n - skip),
                             q->items[i].prefix, (int64_t)word.position + q->items[i].offset);
        if (all)
            return true;
    }
    return false;
}

static inline bool oracle_term(const edn_entry *e, edn_bytes term, bool prefix)
{
    uint8_t tag[EDN_TERM_SIZE_MAX];
    edn_bytes rest = edn_bytes_of(term.p + 1, term.n - 1);

    switch (term.p[0]) {
    case EDN_TERM_TITLE:
        return oracle_has(e->title, rest, prefix, -1);
    case EDN_TERM_TAG:
        for (size_t i = 0; i < e->tags_n; i++)
            if (oracle_term_is(edn_bytes_of(tag, edn_term_fold(e->tags[i], tag, sizeof tag)), rest, prefix))
                return true;
        return false;
    case EDN_TERM_HAS:
        return false;
    default:
        break;
    }
    if (oracle_has(e->title, term, prefix, -1) || oracle_has(e->text, term, prefix, -1))
        return true;
    for (size_t i = 0; i < e->tags_n; i++)
        if (oracle_has(e->tags[i], term, prefix, -1))
            return true;
    return false;
}

static inline bool oracle_phrase(const edn_entry *e, const edn_query *q)
{
    if (q->items[0].term.p[0] == EDN_TERM_TITLE)
        return oracle_has_phrase(e->title, q, 1);
    if (oracle_has_phrase(e->title, q, 0) || oracle_has_phrase(e->text, q, 0))
        return true;
    for (size_t i = 0; i < e->tags_n; i++)
        if (oracle_has_phrase(e->tags[i], q, 0))
            return true;
    return false;
}

static inline bool oracle_journal(const edn_entry *e, edn_bytes wanted)
{
    uint8_t name[EDN_TERM_SIZE_MAX];
    return edn_bytes_equal(edn_bytes_of(name, edn_term_fold(e->journal_name, name, sizeof name)), wanted);
}

static inline bool oracle_date(const edn_entry *e, uint32_t from, uint32_t to)
{
    uint32_t date = 0;

    for (size_t i = 0; i < e->date.n; i++)
        if (e->date.p[i] != '-')
            date = date * 10 + (uint32_t)(e->date.p[i] - '0');
    return date >= from && (to == 0 || date <= to);
}

static inline bool oracle_fits(const edn_entry *e, const edn_query *q)
{
    bool any = false, all = true;

    for (const edn_query *c = q->child; c; c = c->next) {
        bool fits = oracle_fits(e, c);
        any |= fits;
        all &= fits;
    }
    switch (q->kind) {
    case EDN_QUERY_ALL:
        return true;
    case EDN_QUERY_AND:
        return all;
    case EDN_QUERY_OR:
        return any;
    case EDN_QUERY_NOT:
        return !any;
    case EDN_QUERY_TERM:
    case EDN_QUERY_PREFIX:
        return oracle_term(e, q->term, q->kind == EDN_QUERY_PREFIX);
    case EDN_QUERY_PHRASE:
        return oracle_phrase(e, q);
    case EDN_QUERY_JOURNAL:
        return oracle_journal(e, q->term);
    case EDN_QUERY_DATE:
        return oracle_date(e, q->from, q->to);
    }
    return false;
}

#endif
