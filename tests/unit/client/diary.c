/* One person's diary on two devices, through a server: real clients, the real server core, one process. */
#include "diarist.h"

/* What the test cut off on purpose may fail or not: what counts is how things stand afterwards. */
static void may_fail(edn_status st) { CHECK(st < EDN_STATUS_COUNT); }

/* ---- what a diarist does ----------------------------------------------------------------------------------------- */

static void what_is_written_on_one_device_is_read_on_the_other(void **state)
{
    (void)state;
    two t = two_open();
    edn_entry_id id = diary_add(t.a, "1660-01-04", "A title", "Early came Mr. Vanly");
    CHECK_OK(edn_client_tag(t.a, &id, edn_bytes_str("office"), true, NULL));
    CHECK_OK(edn_client_set(t.a, &id, edn_bytes_str("mood"), edn_bytes_str("merry"), NULL));
    CHECK(diary_sync(t.a).synced);
    edn_sync_result r = diary_sync(t.b);
    CHECK(r.synced);
    CHECK_INT(r.entries_changed, 1);
    diary_check_text(t.b, &id, "Early came Mr. Vanly");
    diary_check_same(t.a, t.b);
    two_close(&t);
}

static void edits_of_one_entry_on_both_devices_merge(void **state)
{
    (void)state;
    two t = two_open();
    edn_entry_id id = diary_add(t.a, "1660-01-04", "", "We went to the sea.");
    diary_sync(t.a);
    diary_sync(t.b);
    CHECK_OK(edn_client_edit(t.a, &id, EDN_BYTES_EMPTY, edn_bytes_str("Yesterday we went to the sea."), NULL));
    CHECK_OK(edn_client_edit(t.b, &id, EDN_BYTES_EMPTY, edn_bytes_str("We went to the sea. It rained."), NULL));
    diary_sync(t.a);
    diary_sync(t.b);
    diary_sync(t.a);
    diary_check_same(t.a, t.b);
    edn_buf b = EDN_BUF_INIT(4096);
    CHECK_OK(edn_client_show(t.a, &id, diary_put_text, &b, NULL));
    edn_put_u8(&b, 0);
    assert_non_null(strstr((char *)b.p, "Yesterday"));
    assert_non_null(strstr((char *)b.p, "It rained."));
    edn_buf_dispose(&b);
    two_close(&t);
}

static void an_edit_from_an_older_text_keeps_what_came_meanwhile(void **state)
{
    (void)state;
    two t = two_open();
    edn_entry_id id = diary_add(t.a, "1660-01-04", "", "one two three");
    CHECK_OK(edn_client_edit(t.a, &id, EDN_BYTES_EMPTY, edn_bytes_str("one two three four"), NULL));
    CHECK_OK(edn_client_edit(t.a, &id, edn_bytes_str("one two three"), edn_bytes_str("ONE two three"), NULL));
    diary_check_text(t.a, &id, "ONE two three four");
    two_close(&t);
}

static void an_edit_wins_over_a_deletion_and_says_so(void **state)
{
    (void)state;
    two t = two_open();
    edn_entry_id id = diary_add(t.a, "1660-01-04", "", "to be or not");
    diary_sync(t.a);
    diary_sync(t.b);
    CHECK_OK(edn_client_remove(t.a, &id, NULL));
    CHECK_OK(edn_client_edit(t.b, &id, EDN_BYTES_EMPTY, edn_bytes_str("to be"), NULL));
    CHECK_INT(diary_see(t.a, false).entries, 0);
    diary_sync(t.a);
    CHECK_INT(diary_sync(t.b).conflicts, 1);
    diary_sync(t.a);
    diary_check_same(t.a, t.b);
    CHECK_INT(diary_see(t.a, false).conflicts, 1);
    CHECK_OK(edn_client_undelete(t.a, &id, NULL)); /* looked at */
    diary_sync(t.a);
    diary_sync(t.b);
    CHECK_INT(diary_see(t.b, false).conflicts, 0);
    CHECK_INT(diary_see(t.b, false).entries, 1);
    two_close(&t);
}

static void a_deleted_entry_can_be_brought_back(void **state)
{
    (void)state;
    two t = two_open();
    edn_entry_id id = diary_add(t.a, "1660-01-04", "", "hello");
    CHECK_OK(edn_client_remove(t.a, &id, NULL));
    CHECK_INT(diary_see(t.a, false).entries, 0);
    CHECK_INT(diary_see(t.a, true).deleted, 1);
    CHECK_OK(edn_client_undelete(t.a, &id, NULL));
    CHECK_INT(diary_see(t.a, false).entries, 1);
    diary_check_text(t.a, &id, "hello");
    two_close(&t);
}

static void history_shows_versions_and_restores_them(void **state)
{
    (void)state;
    two t = two_open();
    edn_entry_id id = diary_add(t.a, "1660-01-04", "", "first");
    t.w->now_ms += 1000;
    CHECK_OK(edn_client_edit(t.a, &id, EDN_BYTES_EMPTY, edn_bytes_str("second"), NULL));
    t.w->now_ms += 1000;
    CHECK_OK(edn_client_set(t.a, &id, edn_bytes_str("title"), edn_bytes_str("T"), NULL));
    edn_buf b = EDN_BUF_INIT(4096);
    CHECK_OK(edn_client_show_version(t.a, &id, (edn_moment){1, 0}, diary_put_text, &b, NULL));
    CHECK_STR(edn_buf_view(&b), "first");
    edn_buf_reset(&b);
    CHECK_OK(edn_client_show_version(t.a, &id, (edn_moment){3, 0}, diary_put_text, &b, NULL));
    CHECK_STR(edn_buf_view(&b), "second");
    CHECK_STATUS(edn_client_show_version(t.a, &id, (edn_moment){4, 0}, diary_put_text, &b, NULL), EDN_E_MISSING);
    t.w->now_ms += 1000;
    CHECK_OK(edn_client_restore(t.a, &id, (edn_moment){1, 0}, NULL));
    diary_check_text(t.a, &id, "first");
    diary_sync(t.a);
    diary_sync(t.b);
    diary_check_same(t.a, t.b);
    edn_buf_dispose(&b);
    two_close(&t);
}

static void an_entry_is_seen_as_it_was_at_a_time(void **state)
{
    (void)state;
    two t = two_open();
    uint64_t first = t.w->now_ms, second = first + 5000;
    edn_entry_id id = diary_add(t.a, "1660-01-04", "", "first");
    edn_buf b = EDN_BUF_INIT(4096);
    t.w->now_ms = second;
    CHECK_OK(edn_client_edit(t.a, &id, EDN_BYTES_EMPTY, edn_bytes_str("second"), NULL));
    CHECK_OK(edn_client_show_version(t.a, &id, (edn_moment){0, second - 1}, diary_put_text, &b, NULL));
    CHECK_STR(edn_buf_view(&b), "first");
    edn_buf_reset(&b);
    CHECK_OK(edn_client_show_version(t.a, &id, (edn_moment){0, second}, diary_put_text, &b, NULL));
    CHECK_STR(edn_buf_view(&b), "second");
    edn_buf_reset(&b);
    CHECK_OK(edn_client_show_version(t.a, &id, (edn_moment){0, 0}, diary_put_text, &b, NULL));
    CHECK_STR(edn_buf_view(&b), "second");
    CHECK_STATUS(edn_client_show_version(t.a, &id, (edn_moment){0, first - 1}, diary_put_text, &b, NULL),
                 EDN_E_MISSING);
    CHECK_STATUS(edn_client_restore(t.a, &id, (edn_moment){0, first - 1}, NULL), EDN_E_MISSING);
    CHECK_OK(edn_client_restore(t.a, &id, (edn_moment){0, first}, NULL));
    diary_check_text(t.a, &id, "first");
    edn_buf_dispose(&b);
    two_close(&t);
}

/* What is restored is what went, character by character: comparing the texts would take the line that is left for the
 * first of the two. */
static void what_is_written_while_a_version_comes_back_stays_in_its_place(void **state)
{
    (void)state;
    two t = two_open();
    edn_entry_id id = diary_add(t.a, "1660-01-04", "", "one\ntwo\none\n");
    t.w->now_ms += 1000;
    CHECK_OK(edn_client_edit(t.a, &id, EDN_BYTES_EMPTY, edn_bytes_str("two\none\n"), NULL));
    t.w->now_ms += 1000;
    CHECK_OK(edn_client_edit(t.a, &id, EDN_BYTES_EMPTY, edn_bytes_str("one\n"), NULL));
    diary_sync(t.a);
    diary_sync(t.b);
    t.w->now_ms += 1000;
    CHECK_OK(edn_client_edit(t.b, &id, EDN_BYTES_EMPTY, edn_bytes_str("o, ne\n"), NULL));
    CHECK_OK(edn_client_restore(t.a, &id, (edn_moment){1, 0}, NULL));
    diary_check_text(t.a, &id, "one\ntwo\none\n");
    diary_sync(t.a);
    diary_sync(t.b);
    diary_sync(t.a);
    diary_check_same(t.a, t.b);
    diary_check_text(t.a, &id, "one\ntwo\no, ne\n");
    two_close(&t);
}

static void entries_are_found_by_date_prefix_and_last(void **state)
{
    (void)state;
    two t = two_open();
    edn_entry_id one = diary_add(t.a, "1660-01-04", "", "x"), two_ = diary_add(t.a, "1661-05-06", "", "y"), got;
    char hex[33];
    edn_err err;
    CHECK_OK(edn_client_find(t.a, "1660-01-04", &got, &err));
    CHECK(memcmp(got.b, one.b, 16) == 0);
    CHECK_OK(edn_client_find(t.a, "last", &got, &err));
    CHECK(memcmp(got.b, two_.b, 16) == 0);
    edn_hex_encode(hex, one.b, 16);
    hex[7] = 0;
    CHECK_OK(edn_client_find(t.a, hex, &got, &err));
    CHECK(memcmp(got.b, one.b, 16) == 0);
    diary_add(t.a, "1660-01-04", "", "z");
    CHECK_STATUS(edn_client_find(t.a, "1660-01-04", &got, &err), EDN_E_AMBIGUOUS);
    CHECK_STATUS(edn_client_find(t.a, "1999-01-01", &got, &err), EDN_E_MISSING);
    CHECK_STATUS(edn_client_find(t.a, "1999-02-30", &got, &err), EDN_E_INVALID);
    two_close(&t);
}

static void journals_are_made_named_and_moved_to(void **state)
{
    (void)state;
    two t = two_open();
    edn_journal_id work, got;
    edn_entry_id id = diary_add(t.a, "1660-01-04", "", "x");
    CHECK_OK(edn_client_journal_new(t.a, edn_bytes_str("Work"), &work, NULL));
    CHECK_STATUS(edn_client_journal_new(t.a, edn_bytes_str("Work"), &got, NULL), EDN_E_EXISTS);
    CHECK_OK(edn_client_move(t.a, &id, &work, NULL));
    diary_sync(t.a);
    diary_sync(t.b);
    diary_check_same(t.a, t.b);
    CHECK_OK(edn_client_journal_find(t.b, "work", &got, NULL));
    CHECK(memcmp(got.b, work.b, 16) == 0);
    CHECK_OK(edn_client_journal_rename(t.b, &work, edn_bytes_str("Office"), NULL));
    CHECK_OK(edn_client_edit(t.b, &id, EDN_BYTES_EMPTY, edn_bytes_str("xy"), NULL));
    diary_sync(t.b);
    diary_sync(t.a);
    diary_check_same(t.a, t.b);
    CHECK_OK(edn_client_journal_find(t.a, "Office", &got, NULL));
    two_close(&t);
}

static edn_status count_hit(void *ctx, const edn_hit *hit)
{
    (void)hit;
    ++*(unsigned *)ctx;
    return EDN_OK;
}

static void search_finds_all_words_in_any_case(void **state)
{
    (void)state;
    two t = two_open();
    unsigned hits = 0;
    diary_add(t.a, "1660-01-04", "Of the Fleet", "The D\xc3\xbcke spoke.");
    diary_add(t.a, "1660-01-05", "", "Nothing here");
    CHECK_OK(edn_client_search(t.a, edn_bytes_str("D\xc3\x9cKE fleet"), NULL, count_hit, &hits, NULL, NULL));
    CHECK_INT(hits, 1);
    hits = 0;
    CHECK_OK(edn_client_search(t.a, edn_bytes_str("duke absent"), NULL, count_hit, &hits, NULL, NULL));
    CHECK_INT(hits, 0);
    CHECK_STATUS(edn_client_search(t.a, edn_bytes_str("  "), NULL, count_hit, &hits, NULL, NULL), EDN_E_INVALID);
    two_close(&t);
}

/* ---- what must hold ---------------------------------------------------------------------------------------------- */

static void a_sync_with_nothing_new_is_one_round_trip(void **state)
{
    (void)state;
    two t = two_open();
    diary_add(t.a, "1660-01-04", "", "x");
    diary_sync(t.a);
    diary_sync(t.b);
    diary_sync(t.a);
    edn_sync_result r = diary_sync(t.a);
    CHECK_INT(r.round_trips, 1);
    CHECK_INT(r.bytes_sent + r.bytes_received, 0); /* no bodies at all */
    CHECK(r.synced);
    two_close(&t);
}

static void a_server_that_lost_everything_is_refilled(void **state)
{
    (void)state;
    two t = two_open();
    for (int i = 0; i < 5; i++) {
        diary_add(t.a, "1660-01-04", "", "from a");
        diary_add(t.b, "1660-01-05", "", "from b");
        diary_sync(t.a);
        diary_sync(t.b);
    }
    diary_sync(t.a);
    world_server_restore(t.w, "");
    edn_sync_result r = diary_sync(t.a);
    CHECK(r.refilled > 0 && r.synced && r.findings > 0);
    CHECK(diary_sync(t.b).synced);
    diary_check_same(t.a, t.b);
    CHECK_INT(diary_see(t.a, false).entries, 10);
    edn_client *n = world_login(t.w, "c"); /* what is there again serves a new device */
    diary_sync(n);
    diary_check_same(t.a, n);
    edn_client_close(n);
    two_close(&t);
}

static void a_server_restored_from_a_backup_is_refilled(void **state)
{
    (void)state;
    two t = two_open();
    diary_add(t.a, "1660-01-04", "", "before");
    diary_sync(t.a);
    diary_sync(t.b);
    world_server_save(t.w, "backup");
    diary_add(t.a, "1660-01-05", "", "after a");
    diary_sync(t.a);
    diary_add(t.b, "1660-01-06", "", "after b");
    diary_sync(t.b);
    world_server_restore(t.w, "backup");
    edn_sync_result r = diary_sync(t.b);
    CHECK(r.refilled > 0 && r.synced);
    CHECK(diary_sync(t.a).synced);
    diary_check_same(t.a, t.b);
    CHECK_INT(diary_see(t.a, false).entries, 3);
    two_close(&t);
}

static void a_lost_answer_loses_nothing_and_doubles_nothing(void **state)
{
    (void)state;
    for (uint64_t lost = 1; lost <= 8; lost++) {
        two t = two_open();
        edn_sync_result r;
        edn_err err;
        diary_add(t.a, "1660-01-04", "", "once");
        t.w->lose_answer = t.w->exchanges + lost;
        may_fail(edn_client_sync(t.a, NULL, &r, &err)); /* may fail: the answer was lost */
        t.w->lose_answer = 0;
        CHECK(diary_sync(t.a).synced);
        CHECK(diary_sync(t.b).synced);
        diary_check_same(t.a, t.b);
        CHECK_INT(diary_see(t.b, false).entries, 1);
        two_close(&t);
    }
}

static void without_a_network_everything_but_sync_works(void **state)
{
    (void)state;
    two t = two_open();
    edn_sync_result r;
    edn_err err;
    t.w->down = true;
    edn_entry_id id = diary_add(t.a, "1660-01-04", "", "offline");
    CHECK_STATUS(edn_client_sync(t.a, NULL, &r, &err), EDN_E_NETWORK);
    diary_check_text(t.a, &id, "offline");
    edn_client_status s;
    CHECK_OK(edn_client_status_get(t.a, &s, &err));
    CHECK(!s.synced);
    t.w->down = false;
    CHECK(diary_sync(t.a).synced);
    CHECK_OK(edn_client_status_get(t.a, &s, &err));
    CHECK(s.synced && s.receipt_ms > 0);
    two_close(&t);
}

static void status_is_green_for_exactly_what_the_receipt_covers(void **state)
{
    (void)state;
    two t = two_open();
    edn_client_status s;
    diary_add(t.a, "1660-01-04", "", "x");
    diary_sync(t.a);
    CHECK_OK(edn_client_status_get(t.a, &s, NULL));
    CHECK(s.synced);
    diary_add(t.a, "1660-01-05", "", "y");
    CHECK_OK(edn_client_status_get(t.a, &s, NULL));
    CHECK(!s.synced && s.unsent == 1);
    two_close(&t);
}

static void a_wrong_passphrase_opens_nothing(void **state)
{
    (void)state;
    two t = two_open();
    edn_err err;
    edn_client_lock(t.a);
    CHECK_STATUS(edn_client_unlock(t.a, edn_bytes_str("correct horse battery stable"), &err), EDN_E_PASSPHRASE);
    CHECK_STATUS(edn_client_unlock(t.a, edn_bytes_str("short"), &err), EDN_E_PASSPHRASE);
    CHECK(!edn_client_unlocked(t.a));
    edn_draft d = {.text = edn_bytes_str("x")};
    edn_entry_id id;
    CHECK_STATUS(edn_client_add(t.a, &d, &id, &err), EDN_E_LOCKED);
    CHECK_OK(edn_client_unlock(t.a, edn_bytes_str("  " WORLD_PASSPHRASE), &err)); /* blanks at the ends do not count */
    two_close(&t);
}

static void the_passphrase_changes_everywhere_in_one_step(void **state)
{
    (void)state;
    two t = two_open();
    edn_err err = {EDN_OK, ""};
    const char *fresh = "a quite different phrase";
    diary_add(t.a, "1660-01-04", "", "x");
    edn_status st = edn_client_passphrase_change(t.a, edn_bytes_str(WORLD_PASSPHRASE), edn_bytes_str(fresh),
                                                 EDN_STRENGTH_FLOOR, &err);
    if (st != EDN_OK)
        print_error("%s\n", err.text);
    CHECK_OK(st);
    edn_client_lock(t.a);
    CHECK_STATUS(edn_client_unlock(t.a, edn_bytes_str(WORLD_PASSPHRASE), &err), EDN_E_PASSPHRASE);
    CHECK_OK(edn_client_unlock(t.a, edn_bytes_str(fresh), &err));
    CHECK(diary_sync(t.a).synced);
    CHECK(diary_sync(t.b).synced);
    /* A new device needs the new one. */
    char home[256];
    world_home(t.w, "c", home);
    edn_client_options o = world_options(t.w, home);
    edn_login_options login = {.server = WORLD_ORIGIN,
                               .name = WORLD_NAME,
                               .strength = EDN_STRENGTH_FLOOR,
                               .account_key = edn_bytes_str(t.w->account_key)};
    edn_client *c = NULL;
    CHECK_STATUS(edn_client_login(&o, &login, edn_bytes_str(WORLD_PASSPHRASE), &c, &err), EDN_E_PASSPHRASE);
    CHECK_OK(edn_client_login(&o, &login, edn_bytes_str(fresh), &c, &err));
    diary_sync(c);
    diary_check_same(t.a, c);
    edn_client_close(c);
    two_close(&t);
}

static void a_passphrase_change_cut_off_anywhere_leaves_one_that_opens(void **state)
{
    (void)state;
    const char *fresh = "a quite different phrase";
    for (uint64_t lost = 1; lost <= 4; lost++) {
        two t = two_open();
        edn_err err;
        t.w->lose_answer = t.w->exchanges + lost;
        may_fail(edn_client_passphrase_change(t.a, edn_bytes_str(WORLD_PASSPHRASE), edn_bytes_str(fresh),
                                              EDN_STRENGTH_FLOOR, &err));
        t.w->lose_answer = 0;
        edn_client_lock(t.a);
        bool old_opens = edn_client_unlock(t.a, edn_bytes_str(WORLD_PASSPHRASE), &err) == EDN_OK;
        edn_client_lock(t.a);
        bool new_opens = edn_client_unlock(t.a, edn_bytes_str(fresh), &err) == EDN_OK;
        CHECK(old_opens || new_opens);
        if (!new_opens)
            CHECK_OK(edn_client_unlock(t.a, edn_bytes_str(WORLD_PASSPHRASE), &err));
        CHECK(diary_sync(t.a).synced);
        edn_client_lock(t.a);
        old_opens = edn_client_unlock(t.a, edn_bytes_str(WORLD_PASSPHRASE), &err) == EDN_OK;
        edn_client_lock(t.a);
        new_opens = edn_client_unlock(t.a, edn_bytes_str(fresh), &err) == EDN_OK;
        CHECK(old_opens != new_opens); /* settled: exactly one */
        two_close(&t);
    }
}

static void a_restored_device_goes_on_under_a_new_id_and_loses_nothing(void **state)
{
    (void)state;
    two t = two_open();
    edn_entry_id id = diary_add(t.a, "1660-01-04", "", "base");
    diary_sync(t.a);
    edn_client_close(t.a);
    world_home_copy(t.w, "a", "backup-a");
    t.a = world_open(t.w, "a");
    CHECK_OK(edn_client_edit(t.a, &id, EDN_BYTES_EMPTY, edn_bytes_str("base, then more"), NULL));
    diary_add(t.a, "1660-01-05", "", "after the backup");
    diary_sync(t.a);
    edn_client_close(t.a);
    /* The disk dies; the backup comes back, and is written to before it syncs. */
    world_home_copy(t.w, "backup-a", "a");
    t.a = world_open(t.w, "a");
    CHECK_OK(edn_client_edit(t.a, &id, EDN_BYTES_EMPTY, edn_bytes_str("base and other things"), NULL));
    diary_add(t.a, "1660-01-06", "", "after the restore");
    diary_sync(t.a);
    diary_sync(t.b);
    CHECK(diary_sync(t.a).synced);
    diary_check_same(t.a, t.b);
    CHECK_INT(diary_see(t.b, false).entries, 3);
    edn_buf b = EDN_BUF_INIT(4096);
    CHECK_OK(edn_client_show(t.b, &id, diary_put_text, &b, NULL));
    edn_put_u8(&b, 0);
    assert_non_null(strstr((char *)b.p, "then more"));
    assert_non_null(strstr((char *)b.p, "other things"));
    edn_buf_dispose(&b);
    /* Later writing under the new id arrives too. */
    CHECK_OK(edn_client_edit(t.a, &id, EDN_BYTES_EMPTY, edn_bytes_str("all new"), NULL));
    diary_sync(t.a);
    diary_sync(t.b);
    diary_check_text(t.b, &id, "all new");
    two_close(&t);
}

static void verify_finds_nothing_wrong_in_a_good_diary(void **state)
{
    (void)state;
    two t = two_open();
    edn_verify_result v;
    for (int i = 0; i < 20; i++)
        diary_add(i % 2 ? t.a : t.b, "1660-01-04", "t", "some text");
    diary_sync(t.a);
    diary_sync(t.b);
    diary_sync(t.a);
    CHECK_OK(edn_client_verify(t.a, NULL, NULL, NULL, &v, NULL));
    CHECK_INT(v.damaged, 0);
    CHECK_INT(v.entries, 20);
    CHECK(v.links >= 3 && v.batches >= 2 && v.records >= 20);
    two_close(&t);
}

static void text_that_is_not_utf8_is_refused_with_its_place(void **state)
{
    (void)state;
    two t = two_open();
    edn_draft d = {.text = edn_bytes_of("good \xff bad", 10)};
    edn_entry_id id;
    edn_err err;
    CHECK_STATUS(edn_client_add(t.a, &d, &id, &err), EDN_E_UTF8);
    assert_non_null(strstr(err.text, "byte 5"));
    CHECK_INT(diary_see(t.a, true).entries, 0);
    two_close(&t);
}

static void a_very_large_entry_travels(void **state)
{
    (void)state;
    two t = two_open();
    edn_buf text = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    check_rng r = {check_seed()};
    while (text.n < (size_t)12 << 20) {
        char word[24];
        snprintf(word, sizeof word, "%llx ", (unsigned long long)check_next(&r));
        edn_put_str(&text, word);
    }
    edn_draft d = {.text = edn_buf_view(&text)};
    edn_entry_id id;
    CHECK_OK(edn_client_add(t.a, &d, &id, NULL));
    CHECK(diary_sync(t.a).synced);
    CHECK(diary_sync(t.b).synced);
    edn_buf got = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    CHECK_OK(edn_client_show(t.b, &id, diary_put_text, &got, NULL));
    CHECK_BYTES(edn_buf_view(&got), edn_buf_view(&text));
    /* A small edit of it is a small change. */
    edn_put_str(&text, "the end");
    CHECK_OK(edn_client_edit(t.b, &id, EDN_BYTES_EMPTY, edn_buf_view(&text), NULL));
    edn_sync_result s = diary_sync(t.b);
    CHECK(s.bytes_sent < 8192);
    diary_sync(t.a);
    diary_check_same(t.a, t.b);
    edn_buf_dispose(&text);
    edn_buf_dispose(&got);
    two_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_on_one_device_is_read_on_the_other),
        cmocka_unit_test(edits_of_one_entry_on_both_devices_merge),
        cmocka_unit_test(an_edit_from_an_older_text_keeps_what_came_meanwhile),
        cmocka_unit_test(an_edit_wins_over_a_deletion_and_says_so),
        cmocka_unit_test(a_deleted_entry_can_be_brought_back),
        cmocka_unit_test(history_shows_versions_and_restores_them),
        cmocka_unit_test(an_entry_is_seen_as_it_was_at_a_time),
        cmocka_unit_test(what_is_written_while_a_version_comes_back_stays_in_its_place),
        cmocka_unit_test(entries_are_found_by_date_prefix_and_last),
        cmocka_unit_test(journals_are_made_named_and_moved_to),
        cmocka_unit_test(search_finds_all_words_in_any_case),
        cmocka_unit_test(a_sync_with_nothing_new_is_one_round_trip),
        cmocka_unit_test(a_server_that_lost_everything_is_refilled),
        cmocka_unit_test(a_server_restored_from_a_backup_is_refilled),
        cmocka_unit_test(a_lost_answer_loses_nothing_and_doubles_nothing),
        cmocka_unit_test(without_a_network_everything_but_sync_works),
        cmocka_unit_test(status_is_green_for_exactly_what_the_receipt_covers),
        cmocka_unit_test(a_wrong_passphrase_opens_nothing),
        cmocka_unit_test(the_passphrase_changes_everywhere_in_one_step),
        cmocka_unit_test(a_passphrase_change_cut_off_anywhere_leaves_one_that_opens),
        cmocka_unit_test(a_restored_device_goes_on_under_a_new_id_and_loses_nothing),
        cmocka_unit_test(verify_finds_nothing_wrong_in_a_good_diary),
        cmocka_unit_test(text_that_is_not_utf8_is_refused_with_its_place),
        cmocka_unit_test(a_very_large_entry_travels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
