/* stemmer: the endings of a few languages, by Snowball (libstemmer), for search.c alone. */
#ifndef EDN_CLIENT_STEMMER_H
#define EDN_CLIENT_STEMMER_H

#include "client/client_priv.h"

#define STEMMER_LANGUAGES_MAX 8u

typedef struct stemmer {
    void *of[STEMMER_LANGUAGES_MAX]; /* one a language: what stemmer_stem takes as ctx */
    size_t n;
} stemmer;

/* `languages`: names with commas between. EDN_E_INVALID: one that there is none of, or stemming was not built in; *err
 * says so. EDN_E_NOMEM. stemmer_dispose is to be called in any case. */
EDN_MUST_USE edn_status stemmer_init(stemmer *s, const char *languages, edn_err *err);
void stemmer_dispose(stemmer *s);
/* An edn_stem_fn. */
size_t stemmer_stem(void *ctx, edn_bytes word, uint8_t *out);

#endif
