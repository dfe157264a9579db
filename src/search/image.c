/* One walk for both directions: what the writer takes from a segment, the reader gives to one. */
#include "search/image.h"

#include <stdlib.h>

#include "search/range_coder.h"
#include "search/segment_priv.h"

#define IMAGE_VERSION 1u
#define IMAGE_HEAD_SIZE 13u
#define POSTINGS_PER_BYTE 256u
#define TERMS_PER_BYTE 64u
#define GAP_CLASSES 80u
#define COUNT_STEPS 15u

/* Everything that learns: some 9 MB, most of which is never touched. */
typedef struct model {
    coder_number date, length, shared, df[2], gap[GAP_CLASSES], count;
    coder_node count_more[COUNT_STEPS][4][16];
    coder_node more[2][256];
    coder_node bytes[256][256], pairs[32][256][256];
} model;

typedef struct image {
    coder c;
    model *m;
    edn_segment_doc *docs;
    uint32_t docs_n;
    uint8_t key[EDN_KEY_SIZE_MAX]; /* the term before */
    size_t key_n;
    postings list;
    uint64_t postings_left; /* reading: how many the head still allows */
} image;

static unsigned bits_of(uint32_t v) { return v ? 32u - (unsigned)__builtin_clz(v) : 0; }

static edn_status image_init(image *im, uint32_t docs)
{
    im->docs_n = docs;
    im->docs = calloc((size_t)docs + 1, sizeof *im->docs);
    im->m = calloc(1, sizeof *im->m);
    return im->docs && im->m ? EDN_OK : EDN_E_NOMEM;
}

static void image_dispose(image *im)
{
    if (im->m)
        edn_wipe(im->m, sizeof *im->m); /* what it learned is a person's words */
    edn_wipe(im->key, sizeof im->key);
    free(im->m);
    free(im->docs);
    postings_dispose(&im->list);
}

/* ---- both ways --------------------------------------------------------------------------------------------------- */

static edn_status code_docs(image *im)
{
    uint32_t before = 0;

    for (uint32_t i = 0; i < im->docs_n; i++) {
        edn_segment_doc *d = &im->docs[i];
        uint64_t code = (uint64_t)before + coder_number_put(&im->c, &im->m->date, date_to_code(d->date) - before);
        d->length = coder_number_put(&im->c, &im->m->length, d->length);
        if (code > UINT32_MAX || !date_is_good(date_from_code((uint32_t)code)))
            return EDN_E_FORMAT;
        before = (uint32_t)code;
        d->date = date_from_code(before);
        if (i && doc_compare(d - 1, d) >= 0)
            return EDN_E_FORMAT;
    }
    return EDN_OK;
}

static uint8_t code_byte(image *im, unsigned before, unsigned second, unsigned byte)
{
    unsigned at = 1;

    for (int i = 7; i >= 0; i--)
        at = at << 1 |
             coder_bit_of_two(&im->c, &im->m->bytes[before][at], &im->m->pairs[second & 31][before][at], byte >> i & 1);
    return (uint8_t)at;
}

/* `key` holds the term, or gets it. False: it is longer than a term, or does not rise. */
static bool code_key(image *im, uint8_t key[EDN_KEY_SIZE_MAX], size_t *n)
{
    uint32_t shared = 0;
    bool more = true;
    size_t at;

    while (im->c.writing && shared < im->key_n && shared < *n && im->key[shared] == key[shared])
        shared++;
    shared = coder_number_put(&im->c, &im->m->shared, shared);
    if (shared > im->key_n || shared >= EDN_KEY_SIZE_MAX)
        return false;
    if (!im->c.writing)
        memcpy(key, im->key, shared);
    for (at = shared; more; at++) {
        if (at == EDN_KEY_SIZE_MAX)
            return false;
        key[at] = code_byte(im, at ? key[at - 1] : 0, at > 1 ? key[at - 2] : 0, key[at]);
        more = coder_bit(&im->c, &im->m->more[at == shared][key[at]], at + 1 < *n);
    }
    *n = at;
    if (im->key_n && key_compare(edn_bytes_of(im->key, im->key_n), edn_bytes_of(key, at)) >= 0)
        return false;
    memcpy(im->key, key, at);
    im->key_n = at;
    return true;
}

static unsigned gap_class(uint32_t left, uint32_t to_come)
{
    uint32_t q = (uint32_t)EDN_MAX(4 * (uint64_t)left / to_come, (uint64_t)4);
    unsigned b = EDN_MAX(bits_of(q), 3u);

    return EDN_MIN(4 * (b - 3) + (q >> (b - 3) & 3), GAP_CLASSES - 1);
}

/* A count less 1. */
static uint32_t code_count(image *im, uint32_t v, uint32_t before, uint32_t length)
{
    unsigned past = EDN_MIN(before, 3u), size = EDN_MIN(bits_of(length), 15u);
    uint32_t got = 0;

    while (got < COUNT_STEPS && coder_bit(&im->c, &im->m->count_more[got][past][size], v > got))
        got++;
    return got < COUNT_STEPS ? got : got + coder_number_put(&im->c, &im->m->count, v - got);
}

/* The list in `im->list`, or into it. */
static edn_status code_list(image *im, bool mark)
{
    postings *l = &im->list;
    uint32_t next = 0, before = 0, df = coder_number_put(&im->c, &im->m->df[mark], (uint32_t)l->n - 1) + 1;

    if (df == 0 || df > im->docs_n)
        return EDN_E_FORMAT;
    if (!im->c.writing) {
        if (df > im->postings_left)
            return EDN_E_FORMAT;
        im->postings_left -= df;
        postings_reset(l);
        if (!postings_room(l, df))
            return EDN_E_NOMEM;
        l->n = df;
    }
    for (uint32_t i = 0; i < df; i++) {
        uint32_t left = im->docs_n - next, skip, count;
        if (left < df - i)
            return EDN_E_FORMAT;
        skip = coder_number_put(&im->c, &im->m->gap[gap_class(left, df - i)], im->c.writing ? l->docs[i] - next : 0);
        if (skip >= left)
            return EDN_E_FORMAT;
        next += skip;
        l->docs[i] = next;
        count = mark ? 0 : code_count(im, im->c.writing ? l->counts[i] - 1 : 0, before, im->docs[next].length);
        if (count == UINT32_MAX)
            return EDN_E_FORMAT;
        l->counts[i] = count + 1;
        before = count;
        next++;
    }
    return EDN_OK;
}

/* ---- out --------------------------------------------------------------------------------------------------------- */

static edn_status list_get(image *im, edn_segment *s, const term_ref *ref)
{
    postings *l = &im->list;
    cursor c;
    edn_status st = cursor_init(&c, s, ref, true);

    postings_reset(l);
    if (st == EDN_OK && !postings_room(l, ref->df))
        st = EDN_E_NOMEM;
    for (uint32_t b = 0; st == EDN_OK && b < c.blocks; b++) {
        st = cursor_load(&c, b);
        for (uint32_t i = 0; st == EDN_OK && i < c.n; i++) {
            l->docs[l->n] = c.docs[i];
            l->counts[l->n++] = ref->mark ? 1 : c.counts[i];
        }
    }
    cursor_dispose(&c);
    return st;
}

static edn_status put_terms(image *im, edn_segment *s, uint64_t *postings_n)
{
    uint8_t key[EDN_KEY_SIZE_MAX];
    terms_walk walk;
    bool more = true;
    edn_status st;

    terms_walk_init(&walk, s);
    for (st = terms_walk_next(&walk, &more); st == EDN_OK && more; st = terms_walk_next(&walk, &more)) {
        size_t n = walk.key_n;
        memcpy(key, walk.key, n);
        if ((st = list_get(im, s, &walk.ref)) != EDN_OK)
            break;
        *postings_n += im->list.n;
        if (!code_key(im, key, &n))
            st = EDN_E_FORMAT;
        else
            st = code_list(im, walk.ref.mark);
        if (st != EDN_OK)
            break;
    }
    edn_wipe(key, sizeof key);
    terms_walk_dispose(&walk);
    return st;
}

edn_status edn_image_put(edn_buf *out, edn_segment *s)
{
    size_t before = out->n;
    uint64_t postings_n = 0;
    image im = {.list = {0}};
    edn_status st = image_init(&im, s->docs);

    edn_put_u8(out, IMAGE_VERSION);
    edn_put_u32(out, s->docs);
    edn_put_u32(out, s->terms);
    edn_put_u32(out, 0); /* postings: known at the end */
    for (uint32_t i = 0; st == EDN_OK && i < s->docs; i++)
        if ((st = edn_segment_doc_at(s, i, &im.docs[i])) == EDN_OK)
            edn_put_bytes(out, im.docs[i].entry.b, sizeof im.docs[i].entry.b);
    coder_write(&im.c, out);
    if (st == EDN_OK)
        st = code_docs(&im);
    if (st == EDN_OK)
        st = put_terms(&im, s, &postings_n);
    if (st == EDN_OK && (!coder_end(&im.c) || postings_n > UINT32_MAX))
        st = EDN_E_LIMIT;
    if (st == EDN_OK && (st = edn_buf_status(out)) == EDN_OK)
        edn_store_u32(out->p + before + 9, (uint32_t)postings_n);
    image_dispose(&im);
    return st;
}

/* ---- in ---------------------------------------------------------------------------------------------------------- */

static edn_status get_terms(image *im, writer *w, uint32_t terms)
{
    uint8_t key[EDN_KEY_SIZE_MAX] = {0};
    edn_status st = EDN_OK;

    for (uint32_t i = 0; st == EDN_OK && i < terms; i++) {
        size_t n = 0;
        if (!code_key(im, key, &n) || im->c.past)
            st = EDN_E_FORMAT;
        else if ((st = code_list(im, key_is_mark(edn_bytes_of(key, n)))) == EDN_OK)
            st = im->c.past ? EDN_E_FORMAT : writer_term(w, edn_bytes_of(key, n), &im->list);
    }
    edn_wipe(key, sizeof key);
    return st;
}

edn_status edn_image_decode(edn_bytes in, edn_segment_out_fn *out, void *ctx, uint32_t *docs, uint64_t *size,
                            edn_buf *ids)
{
    edn_reader r = edn_reader_init(in);
    uint8_t version = edn_read_u8(&r, "version");
    uint32_t n = edn_read_u32(&r, "documents"), terms = edn_read_u32(&r, "terms");
    image im = {.postings_left = edn_read_u32(&r, "postings")};
    writer *w = NULL;
    edn_status st;

    *docs = 0;
    *size = 0;
    if (version != IMAGE_VERSION || n > EDN_SEGMENT_DOCS_MAX || !edn_reader_has(&r, n, sizeof(edn_entry_id)) ||
        terms / TERMS_PER_BYTE > in.n || im.postings_left / POSTINGS_PER_BYTE > in.n)
        return EDN_E_FORMAT;
    if ((st = image_init(&im, n)) != EDN_OK)
        goto out;
    for (uint32_t i = 0; i < n; i++)
        edn_read_into(&r, im.docs[i].entry.b, sizeof im.docs[i].entry.b, "id");
    if (ids) {
        edn_put_bytes(ids, in.p + IMAGE_HEAD_SIZE, (size_t)n * sizeof(edn_entry_id));
        st = edn_buf_status(ids);
    }
    if (st == EDN_OK && !coder_read(&im.c, edn_bytes_of(r.p, edn_reader_left(&r))))
        st = EDN_E_FORMAT;
    if (st == EDN_OK && (st = code_docs(&im)) == EDN_OK && !im.c.past &&
        (st = docs_check_distinct(im.docs, n)) == EDN_E_EXISTS)
        st = EDN_E_FORMAT;
    if (st == EDN_OK && (st = writer_new(im.docs, n, false, out, ctx, &w)) == EDN_OK &&
        (st = get_terms(&im, w, terms)) == EDN_OK)
        st = coder_end(&im.c) && im.postings_left == 0 ? writer_end(w, size) : EDN_E_FORMAT;
    *docs = st == EDN_OK ? n : 0;
out:
    writer_free(w);
    image_dispose(&im);
    return st;
}
