/* Accents: which documents have a word as it is typed, and not only with other accents (docs/spec/segments.md).
 *
 * A word stands in the dictionary folded. That a document has it with accents, a mark says:
 *
 *     EDN_TERM_ACCENTS ‖ the word, folded ‖ 1 ‖ its accents, 24 bits, big-endian
 *     EDN_TERM_ACCENTS ‖ the word, folded ‖ 1        has it without any too, although it has it with some
 *
 * so that a word which nobody accents costs nothing, and one is without accents where no mark of it says more. Words of
 * a title are behind EDN_TERM_TITLE_ACCENTS. */
#ifndef EDN_SEARCH_ACCENTS_H
#define EDN_SEARCH_ACCENTS_H

#include "search/words.h"

#define ACCENTS_END 1u  /* behind the word: lower than what a word may hold */
#define ACCENTS_SIZE 3u /* of 24 bits */
/* A longer word is not told apart by its accents. */
#define ACCENTS_WORD_SIZE_MAX (EDN_TERM_SIZE_MAX - 1u - ACCENTS_SIZE)

static inline bool key_is_accents(edn_bytes key)
{
    return key.p[0] == EDN_TERM_ACCENTS || key.p[0] == EDN_TERM_TITLE_ACCENTS;
}

/* The key of a word, of a title's if `title`, up to ACCENTS_END; `to` has room for EDN_TERM_SIZE_MAX + 1 bytes, and the
 * word at most ACCENTS_WORD_SIZE_MAX. */
static inline size_t accents_key_begin(uint8_t *to, bool title, edn_bytes word)
{
    to[0] = title ? EDN_TERM_TITLE_ACCENTS : EDN_TERM_ACCENTS;
    memcpy(to + 1, word.p, word.n);
    to[1 + word.n] = ACCENTS_END;
    return word.n + 2;
}

/* And the rest of it. */
static inline size_t accents_key_end(uint8_t *to, size_t n, uint32_t accents)
{
    for (unsigned i = 0; i < ACCENTS_SIZE; i++)
        to[n + i] = (uint8_t)(accents >> 8 * (ACCENTS_SIZE - 1 - i));
    return n + ACCENTS_SIZE;
}

#endif
