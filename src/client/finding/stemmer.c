#include "client/finding/stemmer.h"

#include <stdio.h>

#include "search/words.h"

#ifdef EDN_STEMMER

#include <libstemmer.h>

bool edn_client_stemming(void) { return true; }

static bool is_known(const char *name)
{
    for (const char **p = sb_stemmer_list(); *p; p++)
        if (strcmp(*p, name) == 0)
            return true;
    return false;
}

static edn_status unknown(const char *name, edn_err *err)
{
    char all[sizeof err->text] = "";

    for (const char **p = sb_stemmer_list(); *p; p++) {
        size_t n = strlen(all);
        snprintf(all + n, sizeof all - n, "%s%s", n ? ", " : "", *p);
    }
    return edn_fail(err, EDN_E_INVALID, "no endings are known of \"%.20s\"; they are of %s", name, all);
}

edn_status stemmer_init(stemmer *s, const char *languages, edn_err *err)
{
    *s = (stemmer){.n = 0};
    while (*languages) {
        char name[32];
        size_t n = strcspn(languages, ",");
        snprintf(name, sizeof name, "%.*s", (int)EDN_MIN(n, sizeof name - 1), languages);
        languages += n + (languages[n] == ',');
        if (!is_known(name))
            return unknown(name, err);
        if (s->n == STEMMER_LANGUAGES_MAX)
            return edn_fail(err, EDN_E_INVALID, "at most %u languages", STEMMER_LANGUAGES_MAX);
        if (!(s->of[s->n] = sb_stemmer_new(name, "UTF_8")))
            return edn_fail(err, EDN_E_NOMEM, "out of memory");
        s->n++;
    }
    return EDN_OK;
}

void stemmer_dispose(stemmer *s)
{
    for (size_t i = 0; i < s->n; i++)
        sb_stemmer_delete(s->of[i]);
    s->n = 0;
}

size_t stemmer_stem(void *ctx, edn_bytes word, uint8_t *out)
{
    const sb_symbol *stem = sb_stemmer_stem(ctx, word.p, (int)word.n);
    size_t n = stem ? (size_t)sb_stemmer_length(ctx) : 0;

    if (n == 0 || n > EDN_TERM_SIZE_MAX) { /* no memory, or nothing left of it: a word is its own stem */
        memcpy(out, word.p, word.n);
        return word.n;
    }
    memcpy(out, stem, n);
    return n;
}

#else

bool edn_client_stemming(void) { return false; }

edn_status stemmer_init(stemmer *s, const char *languages, edn_err *err)
{
    *s = (stemmer){.n = 0};
    if (!*languages)
        return EDN_OK;
    return edn_fail(err, EDN_E_INVALID, "this edn was built without libstemmer, and knows no language's endings");
}

void stemmer_dispose(stemmer *s) { s->n = 0; }

size_t stemmer_stem(void *ctx, edn_bytes word, uint8_t *out)
{
    (void)ctx;
    memcpy(out, word.p, word.n);
    return word.n;
}

#endif
