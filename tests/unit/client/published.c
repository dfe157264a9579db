/* The synced index: what one device publishes another searches by before it has an entry; a server that loses,
 * swaps, replays or forges parts of it is named, and nothing wrong comes of it. */
#include "client/arriving.h"
#include "client/published.h"
#include "diarist.h"
#include "oracle.h"

#define DAY_MS 86400000u
#define ENTRIES 120u

/* ---- a diary worth publishing ------------------------------------------------------------------------------------ */

static void write_some(edn_client *c, unsigned from, unsigned n)
{
    char date[11], text[400], title[40];
    edn_bytes tag = edn_bytes_str("travel");
    edn_err err;

    for (unsigned i = from; i < from + n; i++) {
        edn_draft d = {.tags = &tag, .tags_n = i % 4 == 0};
        edn_entry_id id;
        snprintf(date, sizeof date, "%04u-%02u-%02u", 2019 + i / 60 % 4, 1 + i % 12, 1 + i % 28);
        snprintf(title, sizeof title, "day %u", i);
        snprintf(text, sizeof text, "the sea and the wind of day%u, with number%u and the old king%s", i, i % 7,
                 i % 5 ? "" : ", betimes to the office");
        d.date = edn_bytes_str(date);
        d.title = edn_bytes_str(title);
        d.text = edn_bytes_str(text);
        CHECK_OK(edn_client_add(c, &d, &id, &err));
    }
}

static edn_client *open_small(world *w, const char *device)
{
    edn_client *c = world_open(w, device);

    c->index->publish_min = 10;
    return c;
}

/* "a" has written and published; "b" has joined the account and has nothing yet. */
static two published(void)
{
    two t = {.w = world_of_two()};

    t.a = open_small(t.w, "a");
    diary_sync(t.a);
    write_some(t.a, 0, ENTRIES);
    diary_sync(t.a);
    t.b = open_small(t.w, "b");
    return t;
}

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

/* ---- searching --------------------------------------------------------------------------------------------------- */

typedef struct seen {
    edn_entry_id ids[1024];
    bool arriving[1024];
    char date[11];
    size_t n;
    unsigned findings;
    char text[400];
} seen;

static edn_status see(void *ctx, const edn_hit *hit)
{
    seen *s = ctx;

    CHECK(s->n < 1024);
    s->arriving[s->n] = hit->arriving;
    s->ids[s->n++] = hit->entry->id;
    snprintf(s->date, sizeof s->date, "%.*s", (int)hit->entry->date.n, (const char *)hit->entry->date.p);
    CHECK(!hit->arriving || (hit->words > 0 && hit->entry->text.n == 0));
    return EDN_OK;
}

static void note_finding(void *ctx, const edn_finding *f)
{
    seen *s = ctx;

    s->findings++;
    snprintf(s->text, sizeof s->text, "%s", f->text);
}

static edn_search_result find(edn_client *c, const char *query, seen *s)
{
    edn_search_options o = {.on_finding = note_finding, .ctx = s};
    edn_search_result r;
    edn_err err;

    memset(s, 0, sizeof *s);
    CHECK_OK(edn_client_search(c, edn_bytes_str(query), &o, see, s, &r, &err));
    CHECK_INT(r.found, s->n);
    return r;
}

static int by_id(const void *a, const void *b) { return memcmp(a, b, sizeof(edn_entry_id)); }

/* The same entries on both, whatever has arrived. */
static size_t same_hits(edn_client *a, edn_client *b, const char *query)
{
    static seen x, y;

    (void)find(a, query, &x);
    (void)find(b, query, &y);
    CHECK_INT(y.n, x.n);
    CHECK(memcmp(x.ids, y.ids, x.n * sizeof *x.ids) == 0); /* in the same order */
    qsort(x.ids, x.n, sizeof *x.ids, by_id);
    for (size_t i = 1; i < x.n; i++)
        CHECK(by_id(&x.ids[i - 1], &x.ids[i]) != 0);
    return x.n;
}

static edn_fetch_result fetch(edn_client *c, bool quiet, seen *s)
{
    edn_fetch_options o = {.quiet = quiet, .on_finding = note_finding, .ctx = s};
    edn_fetch_result r;
    edn_err err = {EDN_OK, ""};
    edn_status st;

    memset(s, 0, sizeof *s);
    st = edn_client_fetch_index(c, &o, &r, &err);
    if (st != EDN_OK)
        print_error("%s\n", err.text);
    CHECK_OK(st);
    return r;
}

static const char *const queries[] = {"sea",       "king betimes", "number3",      "da*",       "tag:travel",
                                      "title:day", "from:2020",    "sea -betimes", "on:2020-03"};

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
    for (size_t i = 0; i < EDN_COUNT(queries); i++)
        CHECK(same_hits(t.a, t.b, queries[i]) > 0);
    found = find(t.b, "sea", &s);
    CHECK_INT(found.known, ENTRIES);
    CHECK_INT(found.here, 0);
    CHECK(s.arriving[0] && s.arriving[ENTRIES - 1]);
    found = find(t.b, "\"old king\"", &s);
    CHECK(found.found == ENTRIES && found.inexact);

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
    CHECK_INT(found.found, ENTRIES);
    CHECK_INT(found.here, 1);
    for (size_t i = 0; i < EDN_COUNT(queries); i++)
        CHECK(same_hits(t.a, t.b, queries[i]) > 0);

    /* Then all of it, and the shards go. */
    diary_sync(t.b);
    diary_check_same(t.a, t.b);
    found = find(t.b, "sea", &s);
    CHECK(found.known == 0 && found.parts == 0 && !s.arriving[0]);
    for (size_t i = 0; i < EDN_COUNT(queries); i++)
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
            for (size_t i = 0; i < EDN_COUNT(queries); i++)
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
    for (size_t i = 0; i < EDN_COUNT(queries); i++)
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
    for (size_t i = 0; i < EDN_COUNT(queries); i++)
        CHECK(same_hits(t.a, c, queries[i]) > 0);
    edn_client_close(c);
    two_close(&t);
}

/* ---- a server that lies ------------------------------------------------------------------------------------------ */

typedef enum lie { LIE_DROPS, LIE_SWAPS, LIE_ALTERS, LIE_FORGES_MANIFEST, LIE_ANOTHERS_BATCH, LIE_COUNT } lie;

typedef struct liar {
    lie lie;
    unsigned blobs;
    edn_buf kept;
    bool off;
} liar;

static void lying(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    liar *l = ctx;

    (void)w;
    if (l->off || answer->status != 200)
        return;
    if (strncmp(rq->path, "/v1/blobs/", 10) == 0 && rq->method == EDN_HTTP_GET) {
        if (l->lie == LIE_DROPS && l->blobs == 1) {
            answer->status = 404;
            edn_buf_reset(&answer->body);
        } else if (l->lie == LIE_SWAPS && l->blobs == 1) {
            edn_buf_reset(&answer->body);
            edn_put_bytes(&answer->body, l->kept.p, l->kept.n);
        } else if (l->lie == LIE_SWAPS && l->blobs == 0) {
            edn_put_bytes(&l->kept, answer->body.p, answer->body.n);
        } else if (l->lie == LIE_ALTERS && l->blobs == 0) {
            answer->body.p[answer->body.n / 2] ^= 1;
        }
        l->blobs++;
    } else if (strcmp(rq->path, "/v1/batches") == 0) {
        if (l->lie == LIE_FORGES_MANIFEST)
            answer->body.p[answer->body.n - 1] ^= 1; /* of the last signature */
        else if (l->lie == LIE_ANOTHERS_BATCH && answer->body.n > 400)
            answer->body.p[9 + 40] ^= 1; /* its device, in the header */
    }
}

static bool among(const seen *s, const edn_entry_id *id)
{
    for (size_t i = 0; i < s->n; i++)
        if (memcmp(s->ids[i].b, id->b, sizeof id->b) == 0)
            return true;
    return false;
}

static void a_lie_is_named_and_nothing_wrong_is_shown(void **state)
{
    (void)state;
    static seen s, all;

    for (lie k = 0; k < LIE_COUNT; k++) {
        liar l = {.lie = k, .kept = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
        two t = published();
        t.w->tamper = lying;
        t.w->tamper_ctx = &l;
        (void)fetch(t.b, false, &s);
        if (s.findings == 0)
            print_error("lie %d was not named\n", (int)k);
        CHECK(s.findings >= 1);
        CHECK(strstr(s.text, "server") != NULL);
        for (size_t i = 0; i < EDN_COUNT(queries); i++) {
            (void)find(t.a, queries[i], &all);
            (void)find(t.b, queries[i], &s);
            CHECK(s.n <= all.n);
            for (size_t h = 0; h < s.n; h++)
                CHECK(among(&all, &s.ids[h]));
        }
        l.off = true;
        diary_sync(t.b);
        diary_check_same(t.a, t.b);
        for (size_t i = 0; i < EDN_COUNT(queries); i++)
            CHECK(same_hits(t.a, t.b, queries[i]) > 0);
        diary_check_verified(t.b);
        edn_buf_dispose(&l.kept);
        two_close(&t);
    }
}

/* What one newcomer could not get, it publishes itself, and the next newcomer has it. */
static void what_the_server_lost_is_made_anew(void **state)
{
    (void)state;
    static seen s;
    two t = published();
    liar l = {.lie = LIE_DROPS, .kept = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
    edn_client *c;

    t.w->tamper = lying;
    t.w->tamper_ctx = &l;
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
    for (size_t i = 0; i < EDN_COUNT(queries); i++)
        CHECK(same_hits(t.b, c, queries[i]) > 0);
    edn_client_close(c);
    edn_buf_dispose(&l.kept);
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
    CHECK_INT(find(t.b, "sea", &s).found, ENTRIES);
    two_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_device_searches_before_it_has_entries),
        cmocka_unit_test(a_days_changes_are_one_shard_and_eight_of_them_none),
        cmocka_unit_test(two_devices_that_publish_at_once_do_not_fight),
        cmocka_unit_test(every_shard_is_sealed_anew_once_the_keys_are),
        cmocka_unit_test(a_lie_is_named_and_nothing_wrong_is_shown),
        cmocka_unit_test(what_the_server_lost_is_made_anew),
        cmocka_unit_test(a_quiet_device_asks_in_groups_of_eight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
