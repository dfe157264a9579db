/* A segment of the index, whatever its bytes are: it is refused, or it answers. */
#include "fuzz.h"

#include "search/index.h"

static edn_status page(void *ctx, uint32_t no, uint8_t *to, size_t n)
{
    const edn_bytes *in = ctx;

    FUZZ_HOLDS((size_t)no * EDN_PAGE_SIZE + n <= in->n);
    memcpy(to, in->p + (size_t)no * EDN_PAGE_SIZE, n);
    return EDN_OK;
}

static edn_status nothing(void *ctx, uint32_t no, edn_bytes bytes)
{
    (void)ctx;
    (void)no;
    (void)bytes;
    return EDN_OK;
}

static edn_status first_term(void *ctx, edn_bytes term, uint32_t docs)
{
    edn_bytes *to = ctx;
    uint8_t *room = (uint8_t *)to->p;

    FUZZ_HOLDS(term.n >= 1 && term.n <= EDN_KEY_SIZE_MAX && docs >= 1);
    memcpy(room, term.p, term.n);
    to->n = term.n;
    return docs > 2 ? EDN_E_CANCELLED : EDN_OK;
}

static void ask(edn_index *x, edn_bytes term, bool checked)
{
    edn_query_item items[] = {{term, 0, false}, {term, 1, true}};
    edn_query phrase = {.kind = EDN_QUERY_PHRASE, .items = items, .items_n = 2},
              prefix = {.kind = EDN_QUERY_PREFIX, .term = edn_bytes_of(term.p, 1), .next = &phrase},
              word = {.kind = EDN_QUERY_TERM, .term = term, .next = &prefix},
              any = {.kind = EDN_QUERY_OR, .child = &word};
    edn_index_hit hits[5];
    edn_index_guess guesses[4];
    uint64_t count;
    size_t n;
    edn_status st = edn_index_search(x, &any, EDN_INDEX_BY_RANK, 5, hits, &n);

    FUZZ_HOLDS(!checked || st == EDN_OK || st == EDN_E_INVALID);
    st = edn_index_count(x, &any, &count);
    FUZZ_HOLDS(!checked || (st == EDN_OK && count >= n) || st == EDN_E_INVALID);
    (void)!edn_index_guess_terms(x, term, 2, 4, guesses, &n); /* a term need not be UTF-8 */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    edn_bytes in = edn_bytes_of(data, size), term;
    uint8_t room[EDN_KEY_SIZE_MAX] = "x";
    edn_pages *pages = NULL;
    edn_segment_part part = {NULL, NULL};
    edn_index *x = NULL;
    bool checked;
    uint64_t merged;

    FUZZ_HOLDS(edn_pages_new(4 * EDN_PAGE_SIZE, &pages) == EDN_OK);
    if (edn_segment_open(pages, size, page, &in, &part.segment) == EDN_OK) {
        checked = edn_segment_check(part.segment) == EDN_OK;
        term = edn_bytes_of(room, 1);
        (void)!edn_segment_each(part.segment, EDN_BYTES_EMPTY, first_term, &term);
        FUZZ_HOLDS(!checked || edn_segment_merge(&part, 1, 0, nothing, NULL, &merged) != EDN_E_FORMAT);
        if (edn_index_new(&part, 1, NULL, NULL, &x) == EDN_OK)
            ask(x, term, checked);
    }
    edn_index_free(x);
    edn_segment_free(part.segment);
    edn_pages_free(pages);
    return 0;
}
