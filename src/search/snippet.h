/* snippet: the part of a text that shows best why it was found. */
#ifndef EDN_SEARCH_SNIPPET_H
#define EDN_SEARCH_SNIPPET_H

#include "search/query.h"

#define EDN_SNIPPET_HITS_MAX 16u

typedef struct edn_snippet {
    uint32_t from, to; /* bytes of the text; at words' ends unless a word is longer than the window */
    struct {
        uint32_t at, size;
    } hits[EDN_SNIPPET_HITS_MAX]; /* in order, not overlapping, inside [from, to) */
    size_t hits_n;
    uint32_t hits_all; /* in the whole text */
} edn_snippet;

/* The window of about `size` bytes with the most different words of the query in it, then the most hits, then the
 * first. Without a hit: the beginning. The words of `q` that are behind a NOT do not count. */
void edn_snippet_find(edn_bytes text, const edn_query *q, size_t size, edn_snippet *out);

#endif
