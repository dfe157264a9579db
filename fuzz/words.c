/* What a person or a file brings to search: texts as words, queries as trees, and snippets of the one by the other. The
 * input is a query, a byte 0xff, and a text. */
#include "fuzz.h"

#include "search/snippet.h"

static edn_bytes valid(edn_bytes s) { return edn_bytes_of(s.p, edn_utf8_check(s, NULL)); }

static void words(edn_bytes text)
{
    edn_words w;
    edn_word word;
    uint32_t last = 0;
    size_t at = 0;

    edn_words_init(&w, text);
    while (edn_words_next(&w, &word)) {
        uint8_t again[EDN_TERM_SIZE_MAX];
        FUZZ_HOLDS(word.term.n >= 1 && word.term.n <= EDN_TERM_SIZE_MAX && word.term.p[0] >= 0x20);
        FUZZ_HOLDS(edn_utf8_check(word.term, NULL) == word.term.n);
        FUZZ_HOLDS(word.size > 0 && word.at + word.size <= text.n && word.position >= last);
        FUZZ_HOLDS(edn_term_fold(word.term, again, sizeof again) == word.term.n);
        FUZZ_HOLDS(memcmp(again, word.term.p, word.term.n) == 0);
        last = word.position;
    }
    while (at < text.n) {
        size_t next = edn_break_next(text, at);
        FUZZ_HOLDS(next > at && next <= text.n);
        at = next;
    }
}

static void check(const edn_query *q, bool in_and)
{
    size_t n = 0;

    FUZZ_HOLDS(q->at + q->size <= EDN_QUERY_SIZE_MAX);
    FUZZ_HOLDS(q->kind != EDN_QUERY_NOT || in_and);
    FUZZ_HOLDS(q->kind != EDN_QUERY_AND || q->child->kind != EDN_QUERY_NOT);
    FUZZ_HOLDS(q->kind != EDN_QUERY_PHRASE || q->items_n >= 2);
    for (const edn_query *c = q->child; c; c = c->next, n++)
        check(c, q->kind == EDN_QUERY_AND);
    FUZZ_HOLDS(n >= 2 || (q->kind != EDN_QUERY_AND && q->kind != EDN_QUERY_OR));
    FUZZ_HOLDS(q->kind != EDN_QUERY_NOT || n == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    edn_arena a = edn_arena_init(FUZZ_MEMORY_SIZE_MAX);
    const uint8_t *split = size ? memchr(data, 0xff, size) : NULL;
    edn_bytes query = edn_bytes_of(data, split ? (size_t)(split - data) : size);
    edn_bytes text = split ? valid(edn_bytes_of(split + 1, size - query.n - 1)) : EDN_BYTES_EMPTY;
    edn_query_error error;
    edn_query *q;

    words(text);
    words(valid(query));
    for (unsigned flags = 0; flags <= EDN_QUERY_TYPING; flags++) {
        edn_snippet s;
        edn_status st = edn_query_parse(&a, query, flags, &q, &error);
        FUZZ_HOLDS((st == EDN_OK) == (q != NULL) && (q || (*error.text && error.at <= query.n)));
        if (!q)
            continue;
        check(q, false);
        edn_snippet_find(text, q, 1 + query.n, &s);
        FUZZ_HOLDS(s.from <= s.to && s.to <= text.n && s.hits_n <= EDN_SNIPPET_HITS_MAX);
        FUZZ_HOLDS(!text.n || edn_utf8_check(edn_bytes_of(text.p + s.from, s.to - s.from), NULL) == s.to - s.from);
        for (size_t i = 0; i < s.hits_n; i++)
            FUZZ_HOLDS(s.hits[i].at >= s.from && s.hits[i].at + s.hits[i].size <= s.to);
    }
    edn_arena_dispose(&a);
    return 0;
}
