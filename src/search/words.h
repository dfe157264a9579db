/* words: a text as a stream of terms, the same on every machine (docs/search.md).
 *
 * Words are those of UAX #29 (Unicode 15, tables by scripts/unicode). Letters of scripts that write no spaces (Han,
 * kana, Thai, Lao, Khmer, Myanmar) are each a word, and each two neighbours a further one. Every word is folded: NFKD
 * and case folding to the end, accents and points taken off, ß œ æ ø ł ı and their like spelt out.
 *
 * Pure, and without memory of its own: nothing here fails. Texts are valid UTF-8 (edn_utf8_check). */
#ifndef EDN_SEARCH_WORDS_H
#define EDN_SEARCH_WORDS_H

#include "base/base.h"

/* A term is 1 to this many bytes of UTF-8; a longer word is cut at a character. No byte of it is below 0x20. */
#define EDN_TERM_SIZE_MAX 64u

/* What a first byte below 0x20 makes of a term in an index. Words of a title stand in it twice: bare, as words of the
 * text do, and behind EDN_TERM_TITLE. Words of a tag stand bare, and the whole tag, folded by edn_term_fold, behind
 * EDN_TERM_TAG. A journal is its id's 16 raw bytes behind EDN_TERM_JOURNAL. EDN_TERM_HAS is followed by "attachment".
 * With it a term has at most EDN_TERM_SIZE_MAX + 1 bytes. */
enum {
    EDN_TERM_TITLE = 1,
    EDN_TERM_TAG = 2,
    EDN_TERM_JOURNAL = 3,
    EDN_TERM_HAS = 4,
    EDN_TERM_ACCENTS = 5,       /* which documents have a word with these accents: accents.h */
    EDN_TERM_TITLE_ACCENTS = 6, /* the same of a title's word */
};

enum {
    /* A further form of what another word of the stream says more narrowly: "wife" of "wife's", "homme" of "l'homme",
     * a single letter of two Han neighbours. An index takes it in; a query does without. It is not part of a
     * document's length. */
    EDN_WORD_ALSO = 1,
    /* The term differs from the bytes of the text. */
    EDN_WORD_FOLDED = 2,
    /* A pair of neighbours in a script without spaces: takes the position of its first letter. */
    EDN_WORD_PAIR = 4,
    /* One letter of a script without spaces. */
    EDN_WORD_LETTER = 8,
};

typedef struct edn_word {
    edn_bytes term;    /* borrowed until the next call */
    uint32_t at, size; /* where it stands in the text, in bytes */
    uint32_t position; /* 0, 1, 2…, growing; words that follow each other differ by 1. After a letter of a script
                        * without spaces, punctuation leaves a gap of 1 */
    uint32_t accents;  /* what folding took off besides case and shape, in 24 bits: the same for the same accents on
                        * the same letters, however they are encoded; 0: nothing */
    uint8_t flags;
} edn_word;

/* A walk over a text. Its inside is for words.c alone. */
typedef struct edn_words {
    edn_bytes text;
    size_t at, segment; /* where what is not looked at yet begins, and where its segment ends */
    uint8_t props;      /* what the scalars of that segment are */
    uint32_t next;      /* the next position */
    bool unit_before;   /* a letter of a script without spaces ends at `at` */
    bool unit_behind;   /* the last word was one, with nothing but blanks since */
    size_t pair;        /* the end of a pair that begins with the last word; 0: none */
    size_t part, to;    /* what is left of a word that is to be said in parts */
    uint32_t from;      /* where the last word began */
    uint8_t term[EDN_TERM_SIZE_MAX];
} edn_words;

/* `text` is borrowed for the walk; less than 4 GiB. */
void edn_words_init(edn_words *w, edn_bytes text);
/* The next word, in order of position; false at the end. */
bool edn_words_next(edn_words *w, edn_word *out);

/* Where the segment that begins at `at` ends: the next boundary by UAX #29, rules WB1 to WB16, nothing tailored. */
size_t edn_break_next(edn_bytes text, size_t at);

/* A whole string folded as terms are (a tag, a journal's name), cut at a character when longer than `size_max`;
 * `out` holds `size_max` bytes. Returns how many it wrote. */
size_t edn_term_fold(edn_bytes s, uint8_t *out, size_t size_max);

#endif
