/* Every allocation of the merge engine fails once; what fails leaves the document as it was. */
#include <edn/crdt.h>

#include "check.h"
#include "oom.h"

static const edn_agent_id alice = {{1}}, bob = {{2}};

typedef struct two {
    edn_buf file;     /* alice's document */
    edn_buf messages; /* what bob wrote beside it, as one message */
} two;

static edn_status edits(edn_doc *doc, unsigned n)
{
    edn_status st = EDN_OK;

    for (unsigned i = 0; st == EDN_OK && i < n; i++) {
        size_t len = edn_doc_text_count(doc);
        st = edn_doc_insert(doc, i * 7 % (len + 1), edn_bytes_str("some w\xc3\xb6rds "));
        if (st == EDN_OK && len > 20)
            st = edn_doc_delete(doc, i * 5 % 11, 3);
    }
    if (st == EDN_OK)
        st = edn_doc_set(doc, edn_bytes_str("title"), edn_bytes_str("A day"));
    if (st == EDN_OK)
        st = edn_doc_tag(doc, edn_bytes_str("sea"), n % 2);
    return st;
}

static two two_make(void)
{
    two t = {EDN_BUF_INIT(EDN_BUF_UNLIMITED), EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
    edn_doc *a, *b;
    uint64_t next;

    CHECK_OK(edn_doc_new(&a));
    CHECK_OK(edn_doc_new(&b));
    edn_doc_author(a, alice, 1);
    edn_doc_author(b, bob, 2);
    CHECK_OK(edits(a, 21));
    CHECK_OK(edn_doc_encode_events(a, alice, 0, SIZE_MAX / 2, &t.messages, &next));
    CHECK_OK(edn_doc_merge(b, edn_buf_view(&t.messages), NULL, NULL));
    CHECK_OK(edits(b, 40));
    CHECK_OK(edits(a, 60));
    edn_buf_reset(&t.messages);
    CHECK_OK(edn_doc_encode_events(b, bob, 0, SIZE_MAX / 2, &t.messages, &next));
    CHECK_OK(edn_doc_encode(a, &t.file));
    edn_doc_free(a);
    edn_doc_free(b);
    return t;
}

static edn_status type_and_encode(void *ctx)
{
    edn_buf out = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    uint64_t next;
    edn_doc *doc;
    edn_status st = edn_doc_new(&doc);

    (void)ctx;
    if (st != EDN_OK)
        return st;
    edn_doc_author(doc, alice, 1);
    if ((st = edits(doc, 21)) == EDN_OK && (st = edn_doc_encode(doc, &out)) == EDN_OK)
        st = edn_doc_encode_events(doc, alice, 5, 100, &out, &next);
    edn_buf_dispose(&out);
    edn_doc_free(doc);
    return st;
}

static edn_status open_and_merge(void *ctx)
{
    const two *t = ctx;
    edn_doc *doc, *was = NULL;
    edn_buf again = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st = edn_doc_decode(edn_buf_view(&t->file), &doc);

    if (st != EDN_OK)
        return st;
    st = edn_doc_merge(doc, edn_buf_view(&t->messages), NULL, NULL);
    if (st != EDN_OK && edn_doc_encode(doc, &again) == EDN_OK)
        CHECK_BYTES(edn_buf_view(&again), edn_buf_view(&t->file));
    if (st == EDN_OK)
        st = edn_doc_check(doc);
    if (st == EDN_OK)
        st = edn_doc_at(doc, edn_doc_frontier(doc), &was);
    if (st == EDN_OK) {
        edn_doc_free(was);
        st = edn_doc_without(doc, bob, 500, &was);
    }
    if (st == EDN_OK) {
        bool changed;
        edn_doc_free(was);
        st = edn_doc_blank(doc, &was, &changed);
    }
    edn_buf_dispose(&again);
    edn_doc_free(was);
    edn_doc_free(doc);
    return st;
}

/* Folded, taken up again, edited, and folded once more. */
static edn_status fold_and_edit(void *ctx)
{
    const two *t = ctx;
    edn_buf thin = EDN_BUF_INIT(EDN_BUF_UNLIMITED), again = thin;
    edn_doc *doc = NULL, *folded = NULL;
    edn_status st = edn_doc_decode(edn_buf_view(&t->file), &doc);

    if (st == EDN_OK && (st = edn_doc_fold(doc, &thin)) == EDN_OK &&
        (st = edn_doc_unfold(edn_buf_view(&thin), &folded)) == EDN_OK) {
        edn_doc_author(folded, alice, 9);
        if ((st = edn_doc_insert(folded, 3, edn_bytes_str("more"))) == EDN_OK)
            st = edn_doc_fold(folded, &again);
    }
    if (st == EDN_OK)
        CHECK(again.n >= thin.n + 4);
    edn_buf_dispose(&thin);
    edn_buf_dispose(&again);
    edn_doc_free(doc);
    edn_doc_free(folded);
    return st;
}

static void patch_count(void *ctx, const edn_doc_patch *patch) { *(size_t *)ctx += patch->deleted + patch->inserted.n; }

static edn_status blame_count(void *ctx, const edn_blame *run)
{
    *(size_t *)ctx += run->count;
    return EDN_OK;
}

/* Everything that is only asked; what fails leaves the document as it was, and the next question is answered. */
static edn_status open_and_ask(void *ctx)
{
    const two *t = ctx;
    edn_version then = {NULL, 0};
    edn_anchor anchor;
    size_t pos, n = 0;
    edn_doc *doc;
    edn_status st = edn_doc_decode(edn_buf_view(&t->file), &doc);

    if (st != EDN_OK)
        return st;
    if ((st = edn_doc_merge(doc, edn_buf_view(&t->messages), NULL, NULL)) == EDN_OK &&
        (st = edn_doc_anchor(doc, 30, EDN_BIAS_LEFT, &anchor)) == EDN_OK &&
        (st = edn_doc_anchor_place(doc, &anchor, &pos)) == EDN_OK) {
        CHECK_INT(pos, 30);
        st = edn_doc_blame(doc, blame_count, &n);
    }
    if (st == EDN_OK && (st = edn_doc_version_at(doc, 1, &then)) == EDN_OK &&
        (st = edn_doc_diff(doc, then, edn_doc_frontier(doc), patch_count, &n)) == EDN_OK)
        st = edn_doc_diff(doc, edn_doc_frontier(doc), then, patch_count, &n);
    if (st == EDN_OK)
        CHECK(n > edn_doc_text_count(doc));
    edn_version_dispose(&then);
    edn_doc_free(doc);
    return st;
}

/* Undo and redo after a merge; a refused one leaves the document as it was, and can be tried again. */
static edn_status undo_and_redo(void *ctx)
{
    const two *t = ctx;
    edn_buf before = EDN_BUF_INIT(EDN_BUF_UNLIMITED), after = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_undo *undo = NULL;
    edn_doc *doc;
    edn_status st = edn_doc_decode(edn_buf_view(&t->file), &doc);

    if (st != EDN_OK)
        return st;
    edn_doc_author(doc, alice, 9);
    if ((st = edn_undo_new(doc, &undo)) == EDN_OK && (st = edits(doc, 9)) == EDN_OK &&
        (st = edn_undo_step(undo)) == EDN_OK &&
        (st = edn_doc_merge(doc, edn_buf_view(&t->messages), NULL, NULL)) == EDN_OK &&
        (st = edn_doc_encode(doc, &before)) == EDN_OK) {
        st = edn_undo_undo(undo, NULL, NULL);
        if (st != EDN_OK && edn_doc_encode(doc, &after) == EDN_OK)
            CHECK_BYTES(edn_buf_view(&after), edn_buf_view(&before));
        if (st != EDN_OK)
            CHECK(edn_undo_can_undo(undo));
    }
    if (st == EDN_OK)
        st = edn_undo_redo(undo, NULL, NULL);
    edn_buf_dispose(&before);
    edn_buf_dispose(&after);
    edn_undo_free(undo);
    edn_doc_free(doc);
    return st;
}

static void documents_survive_each_failing_allocation(void **state)
{
    two t = two_make();

    (void)state;
    CHECK(oom_each(type_and_encode, NULL) > 20);
    CHECK(oom_each(open_and_merge, &t) > 50);
    CHECK(oom_each(open_and_ask, &t) > 50);
    CHECK(oom_each(undo_and_redo, &t) > 50);
    CHECK(oom_each(fold_and_edit, &t) > 20);
    edn_buf_dispose(&t.file);
    edn_buf_dispose(&t.messages);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(documents_survive_each_failing_allocation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
