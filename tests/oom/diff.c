#include "check.h"

#include "client/diary/diff.h"
#include "oom.h"

typedef struct texts {
    edn_buf base, ours, theirs;
} texts;

static edn_status take_edit(void *ctx, const edn_diff_edit *e)
{
    (void)ctx;
    (void)e;
    return EDN_OK;
}

static edn_status find_edits(void *ctx)
{
    const texts *t = ctx;

    return edn_diff(edn_buf_view(&t->base), edn_buf_view(&t->ours), take_edit, NULL);
}

static edn_status merge(void *ctx)
{
    const texts *t = ctx;
    edn_buf out = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st = edn_diff_merge(edn_buf_view(&t->base), edn_buf_view(&t->ours), edn_buf_view(&t->theirs), &out);

    edn_buf_dispose(&out);
    return st;
}

/* Lines, words, and lines so different that anchors are looked for. */
static void differences_survive_each_failing_allocation(void **state)
{
    (void)state;
    texts t = {EDN_BUF_INIT(EDN_BUF_UNLIMITED), EDN_BUF_INIT(EDN_BUF_UNLIMITED), EDN_BUF_INIT(EDN_BUF_UNLIMITED)};

    for (unsigned i = 0; i < 1500; i++) {
        char line[64];
        snprintf(line, sizeof line, "line number %u of all\n", i);
        edn_put_str(&t.base, line);
        edn_put_str(&t.theirs, i == 700 ? "theirs\n" : line);
        edn_put_str(&t.ours, i % 40 == 0 ? line : "another line\n");
    }
    CHECK(oom_each(find_edits, &t) > 8);
    CHECK(oom_each(merge, &t) > 16);
    edn_buf_dispose(&t.base);
    edn_buf_dispose(&t.ours);
    edn_buf_dispose(&t.theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences_survive_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
