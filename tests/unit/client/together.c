/* Several at work at the same moment: two handles on one home, two devices on one account, and real processes. Whatever
 * one does in the middle of another's sync, nothing is lost, nothing is doubled, and nobody is taken for a clone. */
#include "diarist.h"

#include <sys/wait.h>
#include <unistd.h>

static void check_once(edn_client *c, const char *token)
{
    edn_buf all = diary_bytes(c);
    size_t n = diary_count(edn_buf_view(&all), token);

    if (n != 1)
        print_error("%s is there %zu times\n", token, n);
    CHECK_INT(n, 1);
    edn_buf_dispose(&all);
}

/* ---- in the middle of a sync ------------------------------------------------------------------------------------- */

/* What happens at one exchange of somebody else's sync. */
typedef struct intruder {
    edn_client *c;
    uint64_t at; /* the exchange, counted from 1 */
    uint64_t seen;
    const edn_entry_id *shared;
    bool busy, done;
} intruder;

static void intrude(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    intruder *x = ctx;

    (void)w;
    (void)rq;
    (void)answer;
    if (x->busy || ++x->seen != x->at)
        return;
    x->busy = true;
    diary_add(x->c, "1660-02-02", "", "[y1] meanwhile");
    diary_edit(x->c, x->shared, "[s1] shared [y2]");
    diary_sync(x->c);
    diary_add(x->c, "1660-02-03", "", "[y3] after its sync");
    x->busy = false;
    x->done = true;
}

/* `home` is the intruder's: "a", the very home that syncs, or "b". Whether the exchange was reached. */
static bool intruded_at(const char *home, uint64_t at)
{
    two t = two_open();
    edn_client *y = world_open(t.w, home);
    edn_entry_id shared = diary_add(t.a, "1660-01-01", "", "[s1] shared");
    intruder x = {.c = y, .at = at, .shared = &shared};
    char before[33], after[33];

    diary_sync(t.a);
    diary_sync(t.b);
    edn_client_device_id(t.a, before);
    diary_add(t.a, "1660-02-01", "", "[x1] mine");
    diary_add(t.b, "1660-02-04", "", "[b1] b's");
    if (strcmp(home, "a") == 0)
        diary_sync(t.b); /* so that there is something to take in, for both */
    t.w->tamper = intrude;
    t.w->tamper_ctx = &x;
    diary_sync(t.a);
    t.w->tamper = NULL;
    if (x.done) {
        edn_client *all[] = {t.a, y, t.b, t.a, y};
        for (size_t i = 0; i < EDN_COUNT(all); i++)
            CHECK(diary_sync(all[i]).synced);
        diary_check_same(t.a, t.b);
        diary_check_same(t.a, y);
        const char *const tokens[] = {"[s1]", "[x1]", "[y1]", "[y2]", "[y3]", "[b1]"};
        for (size_t i = 0; i < EDN_COUNT(tokens); i++)
            check_once(t.b, tokens[i]);
        diary_check_verified(t.a);
        diary_check_verified(t.b);
        edn_client_device_id(t.a, after);
        CHECK(strcmp(before, after) == 0);
        for (size_t i = 0; i < EDN_COUNT(all); i++) {
            CHECK_INT(diary_findings(all[i], EDN_E_CLONE), 0);
            CHECK_INT(diary_findings(all[i], EDN_E_FORK), 0);
            CHECK_INT(diary_findings(all[i], EDN_E_ROLLBACK), 0);
        }
    }
    edn_client_close(y);
    two_close(&t);
    return x.done;
}

static void another_handle_syncs_in_the_middle_of_a_sync(void **state)
{
    uint64_t at = 1;

    (void)state;
    while (intruded_at("a", at))
        at++;
    CHECK(at > 2);
}

static void another_device_syncs_in_the_middle_of_a_sync(void **state)
{
    uint64_t at = 1;

    (void)state;
    while (intruded_at("b", at))
        at++;
    CHECK(at > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_handle_syncs_in_the_middle_of_a_sync),
        cmocka_unit_test(another_device_syncs_in_the_middle_of_a_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
