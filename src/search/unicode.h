/* unicode: what the tables of breaks.inc say of a scalar. For src/search alone. */
#ifndef EDN_SEARCH_UNICODE_H
#define EDN_SEARCH_UNICODE_H

#include "base/base.h"

/* Classes of WordBreakProperty.txt are in breaks.inc, for breaks.c. */
enum {
    EDN_SCALAR_CLASS = 0x1f,
    EDN_SCALAR_PICTURE = 0x20, /* Extended_Pictographic */
    EDN_SCALAR_UNIT = 0x40,    /* a letter of a script that writes no spaces */
    EDN_SCALAR_WORD = 0x80,    /* letters, numbers, pictures, flags: what makes a word of a segment */
};
uint8_t edn_scalar_props(uint32_t scalar);
bool edn_props_letter(uint8_t props);  /* ALetter, Hebrew_Letter */
bool edn_props_joint(uint8_t props);   /* may stand between the letters of a word */
bool edn_props_skipped(uint8_t props); /* belongs to what is before it: Extend, Format, ZWJ */

/* The next boundary behind `at`; *props is what its scalars have in common by OR of the three flags above. */
size_t edn_break_props(edn_bytes text, size_t at, uint8_t *props);

/* Adds a scalar, folded, to a term. */
typedef struct edn_folding {
    uint8_t *out;
    size_t n, size_max;
    bool full;        /* something did not fit: all that follows is left out too */
    uint32_t accents; /* a sum over what was taken off and behind which letter; 0: nothing was */
    uint32_t letters; /* scalars written that are no marks */
    uint32_t letter;  /* the last of them */
    uint32_t last;    /* the last scalar written, for Hangul */
    size_t last_at;   /* where it begins */
    uint8_t marks[8]; /* combining classes of the marks at the end */
    uint8_t marks_n;
} edn_folding;
void edn_fold_put(edn_folding *f, uint32_t scalar);
uint32_t edn_fold_accents(const edn_folding *f); /* as edn_word has them */

#endif
