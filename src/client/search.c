/* Search by reading: every entry that the filter leaves is opened, folded (NFKD and case folding, Unicode through
 * utf8proc) and looked through for each word. */
#include "client_priv.h"

#include <stdlib.h>
#include <utf8proc.h>

#define WORDS_MAX 32u
#define SNIPPET_BEFORE 40u
#define SNIPPET_AFTER 90u

/* Text folded for comparing. `from` gives, for each folded byte, where its character began in the original. */
typedef struct folded {
    edn_buf text;
    uint32_t *from;
    size_t cap;
} folded;

static void folded_dispose(folded *f)
{
    edn_buf_wipe(&f->text);
    free(f->from);
}

static edn_status fold_note(folded *f, size_t before, size_t origin)
{
    if (f->text.n > f->cap) {
        size_t cap = EDN_MAX(f->text.n, 2 * f->cap + 256);
        uint32_t *p = realloc(f->from, cap * sizeof *p);
        if (!p)
            return EDN_E_NOMEM;
        f->from = p;
        f->cap = cap;
    }
    for (size_t i = before; i < f->text.n; i++)
        f->from[i] = (uint32_t)origin;
    return EDN_OK;
}

static edn_status fold(edn_bytes s, folded *f)
{
    edn_status st = EDN_OK;

    edn_buf_reset(&f->text);
    for (size_t at = 0; st == EDN_OK && at < s.n;) {
        size_t origin = at, before = f->text.n;
        uint32_t ch = edn_utf8_next(s, &at);
        if (ch < 0x80) {
            edn_put_u8(&f->text, (uint8_t)(ch >= 'A' && ch <= 'Z' ? ch + 32 : ch));
        } else {
            utf8proc_int32_t parts[32];
            int bound = UTF8PROC_BOUNDCLASS_START;
            utf8proc_ssize_t n = utf8proc_decompose_char(
                (utf8proc_int32_t)ch, parts, 32,
                UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD, &bound);
            for (utf8proc_ssize_t i = 0; i < n && i < 32; i++) {
                uint8_t utf8[4];
                edn_put_bytes(&f->text, utf8, edn_utf8_put(utf8, (uint32_t)parts[i]));
            }
        }
        st = edn_buf_status(&f->text);
        if (st == EDN_OK)
            st = fold_note(f, before, origin);
    }
    return st;
}

typedef struct searching {
    edn_client *c;
    const edn_filter *filter;
    edn_bytes words[WORDS_MAX];
    size_t words_n;
    folded text;
    edn_hit_fn *fn;
    void *ctx;
    size_t hits;
} searching;

static const uint8_t *find_in(edn_bytes hay, edn_bytes needle)
{
    return hay.n ? memmem(hay.p, hay.n, needle.p, needle.n) : NULL;
}

/* Whether a word stands in a short text: a title, a tag. */
static edn_status stands_in(edn_bytes text, edn_bytes word, bool *out)
{
    folded f = {.text = EDN_BUF_INIT(EDN_DOC_TEXT_SIZE_MAX)};
    edn_status st = fold(text, &f);

    *out = st == EDN_OK && find_in(edn_buf_view(&f.text), word);
    folded_dispose(&f);
    return st;
}

static edn_bytes snippet_at(edn_bytes text, size_t at)
{
    size_t from = at > SNIPPET_BEFORE ? at - SNIPPET_BEFORE : 0, to = EDN_MIN(text.n, at + SNIPPET_AFTER);

    while (from > 0 && (text.p[from] & 0xc0) == 0x80)
        from--;
    while (to < text.n && (text.p[to] & 0xc0) == 0x80)
        to++;
    return edn_bytes_of(text.p + from, to - from);
}

static edn_status look_at(void *ctx, const edn_entry *e)
{
    searching *s = ctx;
    size_t first = SIZE_MAX;
    edn_status st = fold(e->text, &s->text);

    for (size_t i = 0; st == EDN_OK && i < s->words_n; i++) {
        const uint8_t *p = find_in(edn_buf_view(&s->text.text), s->words[i]);
        bool there = p != NULL;
        if (p)
            first = EDN_MIN(first, (size_t)s->text.from[p - s->text.text.p]);
        else
            st = stands_in(e->title, s->words[i], &there);
        for (size_t t = 0; st == EDN_OK && !there && t < e->tags_n; t++)
            st = stands_in(e->tags[t], s->words[i], &there);
        if (st != EDN_OK || !there)
            return st;
    }
    if (st != EDN_OK)
        return st;
    s->hits++;
    return s->fn(s->ctx, e, snippet_at(e->text, first == SIZE_MAX ? 0 : first));
}

static edn_status search_item(void *ctx, const catalog_item *it)
{
    searching *s = ctx;
    bool fits;
    edn_status st = filter_fits(s->c, s->filter, it, &fits);

    if (st != EDN_OK || !fits)
        return st;
    st = entry_show(s->c, &it->id, look_at, s);
    if (st == EDN_E_DAMAGED || st == EDN_E_MISSING)
        return EDN_OK; /* `verify` names it; the others are still to be found */
    if (st == EDN_OK && s->filter && s->filter->limit && s->hits >= s->filter->limit)
        return EDN_E_CANCELLED;
    return st;
}

static void split_words(searching *s, edn_bytes words)
{
    size_t i = 0;

    while (i < words.n && s->words_n < WORDS_MAX) {
        size_t begin;
        while (i < words.n && words.p[i] <= ' ')
            i++;
        begin = i;
        while (i < words.n && words.p[i] > ' ')
            i++;
        if (i > begin)
            s->words[s->words_n++] = edn_bytes_of(words.p + begin, i - begin);
    }
}

edn_status edn_client_search(edn_client *c, edn_bytes words, const edn_filter *filter, edn_hit_fn *fn, void *ctx,
                             edn_err *err)
{
    searching s = {
        .c = c, .filter = filter, .fn = fn, .ctx = ctx, .text = {.text = EDN_BUF_INIT(EDN_DOC_TEXT_SIZE_MAX)}};
    folded query = {.text = EDN_BUF_INIT(65536)};
    edn_status st;

    if ((st = filter_check(filter, err)) != EDN_OK)
        return st;
    if (edn_utf8_check(words, NULL) != words.n)
        return edn_fail(err, EDN_E_UTF8, "the words to search for are not UTF-8");
    if ((st = fold(words, &query)) == EDN_OK)
        split_words(&s, edn_buf_view(&query.text));
    if (st != EDN_OK || s.words_n == 0) {
        folded_dispose(&query);
        return edn_fail(err, st == EDN_OK ? EDN_E_INVALID : st, "give at least one word to search for");
    }
    if ((st = client_begin_read(c, err)) == EDN_OK) {
        st = catalog_list(c, filter ? filter->from : EDN_BYTES_EMPTY, filter ? filter->to : EDN_BYTES_EMPTY, true,
                          search_item, &s);
        if (st == EDN_E_CANCELLED && filter && filter->limit && s.hits >= filter->limit)
            st = EDN_OK;
        st = client_end_read(c, st, err);
    }
    folded_dispose(&query);
    folded_dispose(&s.text);
    return st;
}
