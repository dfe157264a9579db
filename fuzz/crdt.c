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
        use(doc, in);
    } else { /* a history that contradicts itself, or the text: refused, or a wrong text, and nothing worse */
        edn_doc *was = NULL;
        edn_doc_author(doc, me, 5);
        if (edn_doc_insert(doc, 0, edn_bytes_str("x")) == EDN_OK && edn_doc_delete(doc, 0, 1) == EDN_OK)
            edn_doc_free(edn_doc_at(doc, edn_doc_frontier(doc), &was) == EDN_OK ? was : NULL);
    }
    edn_doc_free(doc);
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
    if (size)
        (data[0] % 2 ? message : document)(edn_bytes_of(data + 1, size - 1));
    return 0;
}
