/* Documents without their history, beside the same ones with it. */
#include <edn/crdt.h>

#include "check.h"

#define DOCS 3u

static edn_agent_id agent_of(size_t i)
{
    edn_agent_id id = {{0}};

    id.b[0] = (uint8_t)(i * 91 + 7);
    return id;
}

static edn_buf text_of(const edn_doc *doc)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    CHECK_OK(edn_doc_text(doc, &b));
    return b;
}

/* What both show, and what they would be as folded documents. */
static void same(const edn_doc *a, const edn_doc *b)
{
    edn_buf x = text_of(a), y = text_of(b);

    CHECK_BYTES(edn_buf_view(&x), edn_buf_view(&y));
    CHECK_INT(edn_doc_state_of(a), edn_doc_state_of(b));
    CHECK_INT(edn_doc_event_count(a), edn_doc_event_count(b));
    edn_buf_reset(&x);
    edn_buf_reset(&y);
    CHECK_OK(edn_doc_fold(a, &x));
    CHECK_OK(edn_doc_fold(b, &y));
    CHECK_BYTES(edn_buf_view(&x), edn_buf_view(&y));
    edn_buf_dispose(&x);
    edn_buf_dispose(&y);
}

static edn_doc *folded(const edn_doc *doc)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED), again = b;
    edn_doc *out;

    CHECK_OK(edn_doc_fold(doc, &b));
    CHECK_OK(edn_doc_unfold(edn_buf_view(&b), &out));
    CHECK_OK(edn_doc_fold(out, &again));
    CHECK_BYTES(edn_buf_view(&again), edn_buf_view(&b));
    edn_buf_dispose(&b);
    edn_buf_dispose(&again);
    return out;
}

static void edit(edn_doc *doc, check_rng *rng)
{
    static const char *const words[] = {"a", "bc", "\xc3\xa9", "word ", "\n"};
    size_t n = edn_doc_text_count(doc), pos = check_below(rng, n + 1);
    edn_bytes word = edn_bytes_str(words[check_below(rng, EDN_COUNT(words))]);

    switch (check_below(rng, 12)) {
    case 0:
        CHECK_OK(edn_doc_set(doc, edn_bytes_str("title"), word));
        break;
    case 1:
        CHECK_OK(edn_doc_tag(doc, word, check_below(rng, 3) > 0));
        break;
    case 2:
        CHECK_OK(check_below(rng, 2) ? edn_doc_remove(doc) : edn_doc_revive(doc));
        break;
    case 3:
    case 4:
    case 5:
        CHECK_OK(edn_doc_delete(doc, pos, check_below(rng, EDN_MIN(n - pos, (size_t)4) + 1)));
        break;
    default:
        CHECK_OK(edn_doc_insert(doc, pos, word));
    }
}

/* Takes in what `from`'s author wrote and `to` has not. */
static edn_status give(const edn_doc *from, edn_doc *to, edn_agent_id who)
{
    edn_buf m = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    uint64_t next = edn_doc_agent_next(to, who);
    edn_status st = EDN_OK;

    while (st == EDN_OK && next < edn_doc_agent_next(from, who)) {
        edn_buf_reset(&m);
        CHECK_OK(edn_doc_encode_events(from, who, next, 40, &m, &next));
        st = edn_doc_merge(to, edn_buf_view(&m), NULL, NULL);
    }
    edn_buf_dispose(&m);
    return st;
}

static void give_all(edn_doc *const *from, edn_doc *to)
{
    for (bool more = true; more;) { /* some wait for others */
        uint64_t before = edn_doc_event_count(to);
        more = false;
        for (size_t i = 0; i < DOCS; i++)
            more = give(from[i], to, agent_of(i)) == EDN_E_PARENTS || more;
        CHECK(!more || edn_doc_event_count(to) > before);
    }
}

/* People write, hear of each other now and then, and all meet at one version. One device folds there, and goes on: it
 * comes to what the others come to, and they take in what it writes. */
static void a_folded_document_goes_on_like_the_others(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 60; round++) {
        check_rng rng = {check_seed() * 31 + round};
        edn_doc *docs[DOCS], *thin;
        size_t editing = check_below(&rng, DOCS);
        for (size_t i = 0; i < DOCS; i++) {
            CHECK_OK(edn_doc_new(&docs[i]));
            edn_doc_author(docs[i], agent_of(i), 1000 + i);
        }
        for (size_t i = 0, n = check_below(&rng, 120); i < n; i++)
            edit(docs[check_below(&rng, DOCS)], &rng);
        for (size_t i = 0; i < DOCS; i++)
            give_all(docs, docs[i]);
        for (size_t i = 0, n = check_below(&rng, 3); i < n;
             i++) /* then the frontier is one event, or one of it is new */
            edit(docs[editing], &rng);
        for (size_t i = 0; i < DOCS; i++)
            give_all(docs, docs[i]);
        thin = folded(docs[0]);
        same(thin, docs[0]);
        for (size_t i = 0; i < 150; i++) {
            size_t who = check_below(&rng, DOCS);
            edn_doc_author(docs[who], agent_of(who), 2000 + i / 20);
            edit(docs[who], &rng);
            if (check_below(&rng, 6) == 0)
                give_all(docs, docs[check_below(&rng, DOCS)]);
            if (check_below(&rng, 6) == 0)
                give_all(docs, thin);
        }
        give_all(docs, thin);
        give_all(docs, docs[0]);
        same(thin, docs[0]);
        /* It writes too. */
        edn_doc_author(thin, agent_of(9), 5000);
        for (size_t i = 0; i < 30; i++)
            edit(thin, &rng);
        CHECK_OK(give(thin, docs[0], agent_of(9)));
        same(thin, docs[0]);
        for (size_t i = 0; i < DOCS; i++)
            edn_doc_free(docs[i]);
        edn_doc_free(thin);
    }
}

static void what_was_made_beside_it_is_refused(void **state)
{
    edn_doc *a, *b, *thin;
    edn_buf m = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_version none = {NULL, 0};
    edn_doc *was;
    uint64_t next;

    (void)state;
    CHECK_OK(edn_doc_new(&a));
    CHECK_OK(edn_doc_new(&b));
    edn_doc_author(a, agent_of(0), 1);
    edn_doc_author(b, agent_of(1), 1);
    CHECK_OK(edn_doc_insert(a, 0, edn_bytes_str("together")));
    CHECK_OK(give(a, b, agent_of(0)));
    CHECK_OK(edn_doc_insert(a, 8, edn_bytes_str(" here")));
    CHECK_OK(edn_doc_insert(b, 0, edn_bytes_str("there ")));
    thin = folded(a);
    CHECK_STATUS(give(b, thin, agent_of(1)), EDN_E_MISSING);
    same(thin, a);
    CHECK_STATUS(edn_doc_encode(thin, &m), EDN_E_MISSING);
    CHECK_STATUS(edn_doc_encode_since(thin, none, &m), EDN_E_MISSING);
    CHECK_STATUS(edn_doc_encode_events(thin, agent_of(0), 3, 100, &m, &next), EDN_E_MISSING);
    CHECK_STATUS(edn_doc_at(thin, none, &was), EDN_E_MISSING);
    CHECK_INT(m.n, 0);
    /* Both parts seen, it can be told; somebody who saw only one of two heads is refused too. */
    CHECK_OK(give(b, a, agent_of(1)));
    edn_doc_free(thin);
    thin = folded(a);
    CHECK_OK(edn_doc_insert(b, 0, edn_bytes_str("x")));
    CHECK_STATUS(give(b, thin, agent_of(1)), EDN_E_MISSING);
    CHECK_OK(edn_doc_insert(a, 0, edn_bytes_str("y")));
    CHECK_OK(give(a, thin, agent_of(0)));
    same(thin, a);
    edn_doc_free(a);
    edn_doc_free(b);
    edn_doc_free(thin);
    edn_buf_dispose(&m);
}

/* Any other bytes: cut short anywhere, longer, or another form. */
static void other_bytes_are_refused(void **state)
{
    edn_buf m = EDN_BUF_INIT(EDN_BUF_UNLIMITED), full = m;
    edn_doc *a, *out;

    (void)state;
    CHECK_OK(edn_doc_new(&a));
    edn_doc_author(a, agent_of(0), 1);
    CHECK_OK(edn_doc_insert(a, 0, edn_bytes_str("some text")));
    CHECK_OK(edn_doc_tag(a, edn_bytes_str("t"), true));
    CHECK_OK(edn_doc_fold(a, &m));
    CHECK_OK(edn_doc_encode(a, &full));
    for (size_t n = 0; n < m.n; n++)
        CHECK(edn_doc_unfold(edn_bytes_of(m.p, n), &out) != EDN_OK);
    CHECK_STATUS(edn_doc_unfold(edn_buf_view(&full), &out), EDN_E_FORMAT);
    CHECK_STATUS(edn_doc_decode(edn_buf_view(&m), &out), EDN_E_FORMAT);
    edn_put_u8(&m, 0);
    CHECK_STATUS(edn_doc_unfold(edn_buf_view(&m), &out), EDN_E_FORMAT);
    edn_doc_free(a);
    edn_buf_dispose(&m);
    edn_buf_dispose(&full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_folded_document_goes_on_like_the_others),
                                       cmocka_unit_test(what_was_made_beside_it_is_refused),
                                       cmocka_unit_test(other_bytes_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
