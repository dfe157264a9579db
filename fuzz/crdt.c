/* The merge engine's decoders: the first byte says which. Whatever is taken in must be usable and come out as it went
 * in. */
#include "fuzz.h"

#include <edn/crdt.h>

static const edn_agent_id me = {{9}};

static edn_buf encoded(const edn_doc *doc)
{
    edn_buf out = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX);

    FUZZ_HOLDS(edn_doc_encode(doc, &out) == EDN_OK);
    return out;
}

static void patch_apply(void *ctx, const edn_doc_patch *p)
{
    edn_buf *b = ctx, fresh = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX);
    size_t n = edn_utf8_count(edn_buf_view(b)), from, to;

    FUZZ_HOLDS(p->pos <= n && p->deleted <= n - p->pos);
    from = edn_utf8_offset(edn_buf_view(b), p->pos);
    to = b->n ? from + edn_utf8_offset(edn_bytes_of(b->p + from, b->n - from), p->deleted) : 0;
    edn_put_bytes(&fresh, b->p, from);
    edn_put_bytes(&fresh, p->inserted.p, p->inserted.n);
    if (b->n)
        edn_put_bytes(&fresh, b->p + to, b->n - to);
    edn_buf_dispose(b);
    *b = fresh;
}

static edn_status blame_count(void *ctx, const edn_blame *run)
{
    *(size_t *)ctx += run->count;
    return EDN_OK;
}

/* What can be asked of a good document: places, authors, and the way from nothing to it and back. */
static void ask(const edn_doc *doc)
{
    size_t count = edn_doc_text_count(doc), n = 0, pos;
    edn_buf text = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX), built = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX);
    edn_version none = {NULL, 0}, then;
    edn_anchor anchor;

    for (size_t i = 0; i <= count; i += 1 + count / 16) {
        FUZZ_HOLDS(edn_doc_anchor(doc, i, i % 2 ? EDN_BIAS_LEFT : EDN_BIAS_RIGHT, &anchor) == EDN_OK);
        FUZZ_HOLDS(edn_doc_anchor_place(doc, &anchor, &pos) == EDN_OK && pos == i);
    }
    FUZZ_HOLDS(edn_doc_blame(doc, blame_count, &n) == EDN_OK && n == count);
    FUZZ_HOLDS(edn_doc_text(doc, &text) == EDN_OK);
    FUZZ_HOLDS(edn_doc_diff(doc, none, edn_doc_frontier(doc), patch_apply, &built) == EDN_OK);
    FUZZ_HOLDS(edn_bytes_equal(edn_buf_view(&text), edn_buf_view(&built)));
    FUZZ_HOLDS(edn_doc_version_at(doc, 1000, &then) == EDN_OK);
    FUZZ_HOLDS(edn_doc_diff(doc, edn_doc_frontier(doc), then, patch_apply, &built) == EDN_OK);
    FUZZ_HOLDS(edn_doc_diff(doc, then, none, patch_apply, &built) == EDN_OK && built.n == 0);
    edn_version_dispose(&then);
    edn_buf_dispose(&text);
    edn_buf_dispose(&built);
}

static void anchor(edn_bytes in)
{
    edn_buf again = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX);
    edn_anchor a;
    edn_range r;

    if (edn_anchor_decode(in, &a) == EDN_OK) {
        edn_anchor_encode(&a, &again);
        fuzz_same(in, &again);
    } else if (edn_range_decode(in, &r) == EDN_OK) {
        edn_range_encode(&r, &again);
        fuzz_same(in, &again);
    }
}

/* Edits it, merges the edit into a second one of the same bytes, and holds the two together. */
static void use(edn_doc *doc, edn_bytes in)
{
    edn_buf message = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX), a;
    edn_doc *other;
    uint64_t next;

    edn_doc_author(doc, me, 5);
    FUZZ_HOLDS(edn_doc_decode(in, &other) == EDN_OK);
    if (edn_doc_agent_next(doc, me) == 0) {
        FUZZ_HOLDS(edn_doc_insert(doc, 0, edn_bytes_str("x")) == EDN_OK);
        FUZZ_HOLDS(edn_doc_encode_events(doc, me, 0, 1000, &message, &next) == EDN_OK && next == 1);
        FUZZ_HOLDS(edn_doc_merge(other, edn_buf_view(&message), NULL, NULL) == EDN_OK);
        a = encoded(doc);
        edn_buf b = encoded(other);
        fuzz_same(edn_buf_view(&a), &b);
        edn_buf_dispose(&a);
    }
    edn_buf_dispose(&message);
    edn_doc_free(other);
}

static void document(edn_bytes in)
{
    edn_doc *doc;

    if (edn_doc_decode(in, &doc) != EDN_OK)
        return;
    if (edn_doc_check(doc) == EDN_OK) {
        edn_buf again = encoded(doc);
        fuzz_same(in, &again);
        ask(doc);
        use(doc, in);
    } else { /* a history that contradicts itself, or the text: refused, or a wrong text, and nothing worse */
        edn_doc *was = NULL;
        edn_doc_author(doc, me, 5);
        if (edn_doc_insert(doc, 0, edn_bytes_str("x")) == EDN_OK && edn_doc_delete(doc, 0, 1) == EDN_OK)
            edn_doc_free(edn_doc_at(doc, edn_doc_frontier(doc), &was) == EDN_OK ? was : NULL);
    }
    edn_doc_free(doc);
}

/* Without its history: it comes out as it went in, and can be edited and folded again. */
static void folded(edn_bytes in)
{
    edn_buf again = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX), key = again;
    edn_doc *doc, *other;
    uint64_t next, mine;

    if (edn_doc_unfold(in, &doc) != EDN_OK)
        return;
    FUZZ_HOLDS(edn_doc_fold(doc, &again) == EDN_OK);
    fuzz_same(in, &again);
    FUZZ_HOLDS(edn_doc_unfold(in, &other) == EDN_OK);
    edn_doc_author(doc, me, 5);
    mine = edn_doc_agent_next(doc, me);
    if (edn_doc_insert(doc, edn_doc_text_count(doc) / 2, edn_bytes_str("x")) == EDN_OK) {
        FUZZ_HOLDS(edn_doc_encode_events(doc, me, mine, 1000, &key, &next) == EDN_OK && next == mine + 1);
        FUZZ_HOLDS(edn_doc_merge(other, edn_buf_view(&key), NULL, NULL) == EDN_OK);
        edn_buf a = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX), b = a;
        FUZZ_HOLDS(edn_doc_fold(doc, &a) == EDN_OK && edn_doc_fold(other, &b) == EDN_OK);
        fuzz_same(edn_buf_view(&a), &b);
        edn_buf_dispose(&a);
        edn_buf_dispose(&key);
    }
    edn_doc_free(doc);
    edn_doc_free(other);
}

/* A base text by two agents, concurrent; then the message. */
static void message(edn_bytes in)
{
    edn_doc *doc, *back;
    edn_buf before, after;
    edn_event_id first;
    uint64_t count;
    edn_status st;

    FUZZ_HOLDS(edn_doc_new(&doc) == EDN_OK);
    edn_doc_author(doc, me, 5);
    FUZZ_HOLDS(edn_doc_insert(doc, 0, edn_bytes_str("some text to work on")) == EDN_OK);
    FUZZ_HOLDS(edn_doc_delete(doc, 3, 4) == EDN_OK);
    before = encoded(doc);
    st = edn_doc_message_events(in, &first, &count);
    FUZZ_HOLDS(st != EDN_OK || count > 0);
    st = edn_doc_merge(doc, in, NULL, NULL);
    after = encoded(doc);
    if (st != EDN_OK)
        FUZZ_HOLDS(edn_bytes_equal(edn_buf_view(&before), edn_buf_view(&after)));
    FUZZ_HOLDS(edn_doc_decode(edn_buf_view(&after), &back) == EDN_OK);
    FUZZ_HOLDS(edn_doc_check(back) == EDN_OK);
    edn_doc_free(back);
    edn_buf_dispose(&before);
    edn_buf_dispose(&after);
    edn_doc_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    edn_bytes in;

    if (size == 0)
        return 0;
    in = edn_bytes_of(data + 1, size - 1);
    if (data[0] == 2)
        anchor(in);
    else if (data[0] == 4)
        folded(in);
    else
        (data[0] % 2 ? message : document)(in);
    return 0;
}
