/* query: what a person types, as a tree.
 *
 *     sea wind             both words, anywhere                 "the old king"      this phrase
 *     sea OR wind          either                               kin*                words that begin so
 *     -wind, NOT wind      not this                             (sea OR lake) -wind
 *     title:sea            in the title                         tag:travel          this tag; tag:tra* by beginning
 *     journal:work         in this journal                      has:attachment
 *     from:2019 to:2020-03-05   dates, inclusive                on:2020-03          a day, month or year
 *
 * NOT binds closest, then neighbours (AND), then OR. A word that is several by UAX #29 ("e-mail") is a phrase. What
 * holds no letter or number is left out. tag:, journal: and title: take a value in quotes too. */
#ifndef EDN_SEARCH_QUERY_H
#define EDN_SEARCH_QUERY_H

#include "search/words.h"

#define EDN_QUERY_SIZE_MAX 4096u /* bytes of a query */
#define EDN_QUERY_WORDS_MAX 256u
#define EDN_QUERY_DEPTH_MAX 64u /* of parentheses and negations; a tree is at most three times as deep */

typedef enum edn_query_kind {
    EDN_QUERY_ALL,     /* every document: what only dates or negations narrow */
    EDN_QUERY_AND,     /* of children, 2 or more, the first one no NOT; those that are NOT take away */
    EDN_QUERY_OR,      /* of children, 2 or more, none of them NOT */
    EDN_QUERY_NOT,     /* of one child, which is no NOT; stands nowhere but in an AND */
    EDN_QUERY_TERM,    /* `term` */
    EDN_QUERY_PREFIX,  /* every term that begins with `term` */
    EDN_QUERY_PHRASE,  /* `items`, 2 or more */
    EDN_QUERY_JOURNAL, /* `term`: the name as typed, folded. The caller makes a TERM of it, or an OR of several */
    EDN_QUERY_DATE,    /* `from` to `to`, inclusive */
} edn_query_kind;

/* For a word of which nobody typed how it is written. */
#define EDN_ACCENTS_ANY UINT32_MAX

/* One word of a phrase, `offset` positions behind the first. The last one of a query that is being typed may stand for
 * every word that begins so. */
typedef struct edn_query_item {
    edn_bytes term;
    uint32_t offset;
    uint32_t accents; /* as edn_word has them, or EDN_ACCENTS_ANY */
    bool prefix, letter;
} edn_query_item;

/* A node. Leaves say where in the query they stand. Terms carry the first byte of EDN_TERM_… that fits them: what is
 * looked up is `term` as it is. */
typedef struct edn_query edn_query;
struct edn_query {
    edn_query_kind kind;
    edn_query *child, *next; /* the first child; the next one of the same parent */
    edn_bytes term;
    uint32_t accents; /* of a TERM that is a word, as edn_word has them, or EDN_ACCENTS_ANY */
    bool letter;      /* of a TERM: one of a script without spaces, which is meant wherever it begins a pair, too */
    const edn_query_item *items;
    size_t items_n;
    uint32_t from, to; /* dates as year * 10000 + month * 100 + day; 0: open */
    uint32_t at, size; /* bytes of the query */
};

typedef struct edn_query_error {
    size_t at;        /* the byte of the query */
    const char *text; /* what is wrong there, and what to do: one sentence, constant */
} edn_query_error;

enum {
    /* The query is being typed: its last word, when nothing follows it, is a prefix, and what is not finished (an open
     * quote or parenthesis, OR without a right side, "tag:" without a value) is taken as far as it goes. */
    EDN_QUERY_TYPING = 1,
};

/* The tree lives in `a`; its terms do too. EDN_E_INVALID, EDN_E_UTF8, EDN_E_LIMIT: *error (not NULL) says what and
 * where. EDN_E_NOMEM. A query without anything to look for is EDN_E_INVALID, or EDN_QUERY_ALL while typing. */
EDN_MUST_USE edn_status edn_query_parse(edn_arena *a, edn_bytes text, unsigned flags, edn_query **out,
                                        edn_query_error *error);

#endif
