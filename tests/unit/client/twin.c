/* A home that was copied while it held unsent text: the text is in both copies, and stands in the diary once. */
#include "diarist.h"

/* One device's home in two copies, of which one at a time is in its place and open. */
static void take_copy(two *t)
{
    edn_client_close(t->a);
    world_home_copy(t->w, "a", "other");
    t->a = world_open(t->w, "a");
}

static void change_places(two *t)
{
    edn_client_close(t->a);
    world_home_copy(t->w, "a", "in between");
    world_home_copy(t->w, "other", "a");
    world_home_copy(t->w, "in between", "other");
    t->a = world_open(t->w, "a");
}

static void settle(two *t)
{
    for (int i = 0; i < 2; i++) {
        diary_sync(t->a);
        diary_sync(t->b);
        change_places(t);
        diary_sync(t->a);
        diary_sync(t->b);
        change_places(t);
    }
    CHECK(diary_sync(t->a).synced);
    CHECK(diary_sync(t->b).synced);
    diary_check_same(t->a, t->b);
    diary_check_verified(t->a);
    change_places(t);
    diary_sync(t->a);
    diary_check_same(t->a, t->b);
    diary_check_verified(t->a);
    change_places(t);
}

static void check_once(two *t, const char *word)
{
    edn_buf a = diary_bytes(t->a), b = diary_bytes(t->b);

    if (diary_count(edn_buf_view(&a), word) != 1)
        print_error("\"%s\" stands there %zu times\n", word, diary_count(edn_buf_view(&a), word));
    CHECK_INT(diary_count(edn_buf_view(&a), word), 1);
    CHECK_INT(diary_count(edn_buf_view(&b), word), 1);
    edn_buf_dispose(&a);
    edn_buf_dispose(&b);
}

/* `sent`: whether the account had sent entries before, so that its journal's key is known. */
static edn_entry_id unsent_text(two *t, bool sent)
{
    edn_entry_id base = diary_add(t->a, "1660-01-04", "", "[base]");

    if (sent) {
        diary_sync(t->a);
        diary_sync(t->b);
        diary_sync(t->a);
    }
    diary_edit(t->a, &base, "[base] [added later]");
    diary_add(t->a, "1660-01-05", "", "[an unsent day]");
    CHECK_OK(edn_client_set(t->a, &base, edn_bytes_str("mood"), edn_bytes_str("[mood]"), NULL));
    return base;
}

static void text_that_was_unsent_in_both_stands_there_once(void **state)
{
    (void)state;
    for (int sent = 0; sent < 2; sent++) {
        two t = two_open();
        edn_client_status s;
        unsent_text(&t, sent);
        take_copy(&t);
        CHECK(diary_sync(t.a).synced); /* the original says it */
        change_places(&t);
        diary_sync(t.a); /* the copy has nothing to add */
        diary_sync(t.b);
        check_once(&t, "[an unsent day]");
        settle(&t);
        check_once(&t, "[base]");
        check_once(&t, "[added later]");
        check_once(&t, "[an unsent day]");
        check_once(&t, "[mood]");
        CHECK_INT(diary_see(t.b, true).entries, 2);
        CHECK_OK(edn_client_status_get(t.b, &s, NULL));
        CHECK_INT(s.heads_n, 3);
        CHECK_INT(s.unsent, 0);
        two_close(&t);
    }
}

static void what_each_copy_wrote_afterwards_is_kept_once(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) { /* whichever copy comes to the server first */
        two t = two_open();
        edn_entry_id base = unsent_text(&t, true);
        take_copy(&t);
        diary_edit(t.a, &base, "[base] [added later] [the original's]");
        diary_add(t.a, "1660-01-06", "", "[day of the original]");
        change_places(&t);
        diary_edit(t.a, &base, "[the copy's] [base] [added later]");
        diary_add(t.a, "1660-01-07", "", "[day of the copy]");
        if (first)
            change_places(&t);
        diary_sync(t.a);
        change_places(&t);
        diary_sync(t.a);
        settle(&t);
        check_once(&t, "[base]");
        check_once(&t, "[added later]");
        check_once(&t, "[the original's]");
        check_once(&t, "[the copy's]");
        check_once(&t, "[an unsent day]");
        check_once(&t, "[day of the original]");
        check_once(&t, "[day of the copy]");
        check_once(&t, "[mood]");
        two_close(&t);
    }
}

static void a_copy_that_undid_what_was_unsent_wins_where_it_did(void **state)
{
    (void)state;
    two t = two_open();
    edn_entry_id base = unsent_text(&t, true);

    take_copy(&t);
    CHECK(diary_sync(t.a).synced);
    change_places(&t);
    diary_edit(t.a, &base, "[base]"); /* takes away what the original has sent meanwhile */
    diary_sync(t.a);
    settle(&t);
    check_once(&t, "[base]");
    check_once(&t, "[an unsent day]");
    diary_check_text(t.b, &base, "[base]");
    two_close(&t);
}

/* Many batches of the other copy, most of them about other things, and those of another device in between. */
static void a_long_absence_changes_nothing(void **state)
{
    (void)state;
    two t = two_open();
    char text[64];

    unsent_text(&t, true);
    take_copy(&t);
    for (int i = 0; i < 12; i++) {
        snprintf(text, sizeof text, "[original %d]", i);
        diary_add(t.a, "1660-01-06", "", text);
        diary_sync(t.a);
        snprintf(text, sizeof text, "[other %d]", i);
        diary_add(t.b, "1660-01-06", "", text);
        diary_sync(t.b);
    }
    change_places(&t);
    diary_add(t.a, "1660-01-07", "", "[of the copy]");
    diary_sync(t.a);
    settle(&t);
    check_once(&t, "[an unsent day]");
    check_once(&t, "[added later]");
    check_once(&t, "[of the copy]");
    check_once(&t, "[original 11]");
    check_once(&t, "[other 11]");
    CHECK_INT(diary_see(t.b, true).entries, 2 + 12 + 12 + 1);
    two_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_that_was_unsent_in_both_stands_there_once),
        cmocka_unit_test(what_each_copy_wrote_afterwards_is_kept_once),
        cmocka_unit_test(a_copy_that_undid_what_was_unsent_wins_where_it_did),
        cmocka_unit_test(a_long_absence_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
