/* The synced index: what one device publishes another searches by before it has an entry. That a server may lie about
 * it: lies.c. */
#include "client/finding/published.h"
#include "newcomer.h"

#define DAY_MS 86400000u

static size_t items_of(edn_client *c, shard_kind kind)
{
    edn_arena a = edn_arena_init((size_t)64 << 20);
    edn_err err;
    listed *known;
    size_t n, found = 0;

    CHECK_OK(client_begin_read(c, &err));
    CHECK_OK(listed_load(c, &a, &known, &n));
    for (size_t i = 0; n && i < known->manifest.items_n; i++)
        found += known->manifest.items[i].kind == kind;
    CHECK_OK(client_end_read(c, EDN_OK, &err));
    edn_arena_dispose(&a);
    return found;
}

static void a_new_device_searches_before_it_has_entries(void **state)
{
    (void)state;
    static seen s;
    two t = published();
    edn_fetch_result r = fetch(t.b, false, &s);
    edn_search_result found;
    edn_buf text = EDN_BUF_INIT(4096), here = EDN_BUF_INIT(4096);
    edn_entry_id id;
    edn_err err;
    char hex[33];

    CHECK_INT(s.findings, 0);
    CHECK(r.parts >= 2 && r.parts_here == r.parts);
    CHECK_INT(diary_see(t.b, true).entries, 0);
    for (size_t i = 0; i < NEWCOMER_QUERIES; i++)
        CHECK(same_hits(t.a, t.b, queries[i]) > 0);
    found = find(t.b, "sea", &s);
    CHECK_INT(found.known, NEWCOMER_ENTRIES);
    CHECK_INT(found.here, 0);
    CHECK(s.arriving[0] && s.arriving[NEWCOMER_ENTRIES - 1]);
    found = find(t.b, "\"old king\"", &s);
    CHECK(found.found == NEWCOMER_ENTRIES && found.inexact);

    /* What is opened comes first, found by its id, and alone. */
    edn_hex_encode(hex, s.ids[3].b, 16);
    hex[12] = 0;
    CHECK_OK(edn_client_find(t.b, hex, &id, &err));
    CHECK(memcmp(id.b, s.ids[3].b, 16) == 0);
    CHECK_OK(edn_client_show(t.b, &id, diary_put_text, &text, &err));
    CHECK_OK(edn_client_show(t.a, &id, diary_put_text, &here, &err));
    CHECK_BYTES(edn_buf_view(&text), edn_buf_view(&here));
    CHECK_INT(diary_see(t.b, true).entries, 1);
    found = find(t.b, "sea", &s);
    CHECK_INT(found.found, NEWCOMER_ENTRIES);
    CHECK_INT(found.here, 1);
    for (size_t i = 0; i < NEWCOMER_QUERIES; i++)
        CHECK(same_hits(t.a, t.b, queries[i]) > 0);

    /* Then all of it, and the shards go. */
    diary_sync(t.b);
    diary_check_same(t.a, t.b);
    found = find(t.b, "sea", &s);
    CHECK(found.known == 0 && found.parts == 0 && !s.arriving[0]);
    for (size_t i = 0; i < NEWCOMER_QUERIES; i++)
        CHECK(same_hits(t.a, t.b, queries[i]) > 0);
    CHECK_INT(find(t.b, "\"old king\"", &s).inexact, false);
    diary_check_verified(t.b);
    diary_check_verified(t.a);
    r = fetch(t.b, false, &s);
    CHECK_INT(r.parts, 0); /* nothing is wanted any more */
    edn_buf_dispose(&text);
    edn_buf_dispose(&here);
    two_close(&t);
}

/* ---- what is published, and when --------------------------------------------------------------------------------- */

static uint64_t exchanges_of_sync(world *w, edn_client *c)
{
    uint64_t before = w->exchanges;

    diary_sync(c);
    return w->exchanges - before;
}

static void a_days_changes_are_one_shard_and_eight_of_them_none(void **state)
{
    (void)state;
    static seen s;
    two t = published();
    size_t ranges = items_of(t.a, SHARD_RANGE);
    edn_entry_id gone, changed;
    edn_err err;

    CHECK(ranges >= 2);
    CHECK_INT(items_of(t.a, SHARD_RECENT), 0);
    (void)find(t.a, "day7", &s);
    CHECK_INT(s.n, 1);
    gone = s.ids[0];
    (void)find(t.a, "day9", &s);
    changed = s.ids[0];
    CHECK_OK(edn_client_remove(t.a, &gone, &err));
    diary_edit(t.a, &changed, "nothing of what was here, but a zebra");
    CHECK_INT(exchanges_of_sync(t.w, t.a), 1); /* within the day a sync costs what it did before */
    CHECK_INT(items_of(t.a, SHARD_RECENT), 0);
    for (unsigned day = 1; day <= 8; day++) {
        t.w->now_ms += DAY_MS;
        write_some(t.a, 1000 + day, 1);
        diary_sync(t.a);
        CHECK_INT(items_of(t.a, SHARD_RECENT), day % 8);
        if (day == 1) {
            CHECK_INT(items_of(t.a, SHARD_RANGE), ranges);
            (void)fetch(t.b, false, &s);
            CHECK_INT(s.findings, 0);
            CHECK_INT(find(t.b, "zebra", &s).found, 1);
            CHECK(memcmp(s.ids[0].b, changed.b, 16) == 0);
            (void)find(t.b, "sea", &s);
            for (size_t i = 0; i < s.n; i++)
                CHECK(memcmp(s.ids[i].b, gone.b, 16) != 0 && memcmp(s.ids[i].b, changed.b, 16) != 0);
            CHECK_INT(find(t.b, "day1001", &s).found, 1);
            for (size_t i = 0; i < NEWCOMER_QUERIES; i++)
                CHECK(same_hits(t.a, t.b, queries[i]) > 0);
        }
    }
    t.w->now_ms += DAY_MS;
    CHECK_INT(exchanges_of_sync(t.w, t.a), 1); /* and without a change there is nothing to publish */
    two_close(&t);
}

static void two_devices_that_publish_at_once_do_not_fight(void **state)
{
    (void)state;
    static seen s;
    two t = published();
    edn_client *c;

    diary_sync(t.b);
    t.w->now_ms += DAY_MS;
    write_some(t.a, 2000, 3);
    write_some(t.b, 3000, 4);
    diary_sync(t.a); /* publishes what it has */
    t.w->down = true;
    CHECK(edn_client_sync(t.b, NULL, &(edn_sync_result){0}, NULL) != EDN_OK);
    t.w->down = false;
    t.w->now_ms += DAY_MS;
    diary_sync(t.b); /* and so does the other, which brings both together */
    diary_sync(t.a);
    c = world_login(t.w, "c");
    (void)fetch(c, false, &s);
    CHECK_INT(s.findings, 0);
    CHECK_INT(find(c, "day2001", &s).found, 1);
    CHECK_INT(find(c, "day3002", &s).found, 1);
    for (size_t i = 0; i < NEWCOMER_QUERIES; i++)
        CHECK(same_hits(t.a, c, queries[i]) > 0);
    diary_sync(c);
    diary_check_same(t.a, c);
    edn_client_close(c);
    two_close(&t);
}

static void every_shard_is_sealed_anew_once_the_keys_are(void **state)
{
    (void)state;
    static seen s;
    two t = published();
    edn_arena a = edn_arena_init((size_t)64 << 20);
    edn_client *c;
    listed *known;
    edn_err err;
    size_t n;

    diary_sync(t.b); /* which tells its name */
    diary_sync(t.a);
    CHECK_OK(edn_client_device_revoke(t.a, "b", edn_bytes_str(WORLD_PASSPHRASE), &err));
    write_some(t.a, 5000, 1);
    diary_sync(t.a);
    CHECK_OK(client_begin_read(t.a, &err));
    CHECK_OK(listed_load(t.a, &a, &known, &n));
    CHECK(n > 0 && known->manifest.items_n > 0);
    for (size_t i = 0; i < known->manifest.items_n; i++)
        CHECK_INT(known->manifest.items[i].epoch, 1);
    CHECK_OK(client_end_read(t.a, EDN_OK, &err));
    edn_arena_dispose(&a);
    c = world_login(t.w, "c");
    (void)fetch(c, false, &s);
    CHECK_INT(s.findings, 0);
    CHECK_INT(find(c, "day5000", &s).found, 1);
    for (size_t i = 0; i < NEWCOMER_QUERIES; i++)
        CHECK(same_hits(t.a, c, queries[i]) > 0);
    edn_client_close(c);
    two_close(&t);
}

/* ---- a server that loses something ------------------------------------------------------------------------------- */

static void lose_second(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    unsigned *blobs = ctx;

    (void)w;
    if (strncmp(rq->path, "/v1/blobs/", 10) == 0 && rq->method == EDN_HTTP_GET && ++*blobs == 2) {
        answer->status = 404;
        edn_buf_reset(&answer->body);
    }
}

/* What one newcomer could not get, it publishes itself, and the next newcomer has it. */
static void what_the_server_lost_is_made_anew(void **state)
{
    (void)state;
    static seen s;
    two t = published();
    unsigned blobs = 0;
    edn_client *c;

    t.w->tamper = lose_second;
    t.w->tamper_ctx = &blobs;
    (void)fetch(t.b, false, &s);
    CHECK_INT(s.findings, 1);
    t.w->tamper = NULL;
    diary_sync(t.b);
    t.w->now_ms += DAY_MS;
    write_some(t.b, 4000, 1);
    diary_sync(t.b);
    c = world_login(t.w, "c");
    (void)fetch(c, false, &s);
    CHECK_INT(s.findings, 0);
    for (size_t i = 0; i < NEWCOMER_QUERIES; i++)
        CHECK(same_hits(t.b, c, queries[i]) > 0);
    edn_client_close(c);
    two_close(&t);
}

/* ---- clocks ------------------------------------------------------------------------------------------------------ */

/* What was published after a device had asked, by one whose clock says that it was long before. */
static void a_clock_that_is_behind_is_no_lie_of_the_server(void **state)
{
    (void)state;
    static seen s;
    two t = {.w = world_of_two()};

    t.a = open_small(t.w, "a");
    t.b = open_small(t.w, "b");
    diary_sync(t.a);
    (void)fetch(t.b, false, &s);
    t.w->now_ms -= 100 * (uint64_t)DAY_MS;
    write_some(t.a, 0, NEWCOMER_ENTRIES);
    diary_sync(t.a);
    t.w->now_ms += 100 * (uint64_t)DAY_MS;
    diary_sync(t.b);
    CHECK_INT(diary_findings(t.b, EDN_E_WITHHELD), 0);
    CHECK(same_hits(t.a, t.b, "sea") > 0);
    two_close(&t);
}

/* ---- in groups --------------------------------------------------------------------------------------------------- */

static void count_blobs(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    (void)w;
    (void)answer;
    *(unsigned *)ctx += strncmp(rq->path, "/v1/blobs/", 10) == 0;
}

static void a_quiet_device_asks_in_groups_of_eight(void **state)
{
    (void)state;
    static seen s;
    two t = published();
    unsigned blobs = 0;

    t.w->tamper = count_blobs;
    t.w->tamper_ctx = &blobs;
    (void)fetch(t.b, true, &s);
    CHECK_INT(s.findings, 0);
    CHECK(blobs > 0 && blobs % 8 == 0);
    CHECK_INT(find(t.b, "sea", &s).found, NEWCOMER_ENTRIES);
    two_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_device_searches_before_it_has_entries),
        cmocka_unit_test(a_days_changes_are_one_shard_and_eight_of_them_none),
        cmocka_unit_test(two_devices_that_publish_at_once_do_not_fight),
        cmocka_unit_test(every_shard_is_sealed_anew_once_the_keys_are),
        cmocka_unit_test(what_the_server_lost_is_made_anew),
        cmocka_unit_test(a_clock_that_is_behind_is_no_lie_of_the_server),
        cmocka_unit_test(a_quiet_device_asks_in_groups_of_eight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
