/* `verify` holds what is published of the index against the entries: a part that is lost, altered, in another's place
 * or of another text is named, and made anew by the next sync; so is every row that tells of it here. */
#include <sqlite3.h>

#include "client/syncing/outbox.h"
#include "newcomer.h"

#define DAY_MS 86400000u

static edn_verify_result verified(edn_client *c, bool published, seen *s)
{
    edn_verify_result r;
    edn_err err = {EDN_OK, ""};
    edn_status st;

    memset(s, 0, sizeof *s);
    st = published ? edn_client_verify_published(c, note_finding, s, NULL, &r, &err)
                   : edn_client_verify(c, note_finding, s, NULL, &r, &err);
    if (st != EDN_OK)
        print_error("%s\n", err.text);
    CHECK_OK(st);
    CHECK_INT(r.damaged, s->findings);
    return r;
}

static void check_good(edn_client *c)
{
    static seen s;
    edn_verify_result r = verified(c, true, &s);

    if (s.findings)
        print_error("%s\n", s.text);
    CHECK(r.damaged == 0 && r.parts >= 2);
    r = verified(c, false, &s);
    if (s.findings)
        print_error("%s\n", s.text);
    CHECK_INT(r.damaged, 0);
}

/* Names so many; the next sync makes it anew, on the same day. */
static void check_mends(two *t, edn_client *c, unsigned findings, const char *says)
{
    static seen s;

    (void)verified(c, true, &s);
    if (s.findings != findings || !strstr(s.text, says))
        print_error("%u findings, the last: %s\n", s.findings, s.text);
    CHECK(s.findings == findings && strstr(s.text, says));
    t->w->tamper = NULL;
    diary_sync(c);
    check_good(c);
}

static int sql(const world *w, const char *device, const char *statement)
{
    char path[300];
    sqlite3 *db;
    int changed;

    world_home(w, device, path);
    strcat(path, "/diary.edn");
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, statement, NULL, NULL, NULL), SQLITE_OK);
    changed = sqlite3_changes(db);
    sqlite3_close(db);
    return changed;
}

/* Ranges, two recent parts in which the same entry stands, one that is gone, and changes that nobody has published. */
static two a_history(edn_entry_id *changed)
{
    static seen s;
    two t = published();
    edn_err err;

    diary_sync(t.b);
    (void)find(t.a, "day9", &s);
    *changed = s.ids[0];
    (void)find(t.a, "day10", &s);
    diary_edit(t.a, changed, "a first zebra");
    CHECK_OK(edn_client_remove(t.a, &s.ids[0], &err));
    t.w->now_ms += DAY_MS;
    diary_sync(t.a);
    diary_edit(t.a, changed, "a second zebra");
    t.w->now_ms += DAY_MS;
    diary_sync(t.a);
    write_some(t.a, 3000, 2);
    (void)find(t.a, "day20", &s);
    diary_edit(t.a, &s.ids[0], "an okapi");
    diary_sync(t.a);
    return t;
}

static void what_fits_is_good_on_every_device(void **state)
{
    (void)state;
    edn_entry_id changed;
    two t = a_history(&changed);
    edn_verify_result r;
    edn_err err;

    check_good(t.a);
    CHECK_OK(
        edn_client_verify_published(t.b, NULL, NULL, NULL, &r, &err)); /* it knows an older list, which is no lie */
    CHECK_INT(r.damaged, 0);
    diary_sync(t.b);
    check_good(t.b);
    two_close(&t);
}

/* ---- at the server ----------------------------------------------------------------------------------------------- */

typedef struct liar {
    unsigned how, at, blobs; /* 0 drops, 1 alters, 2 gives the one before, 3 has no list */
    edn_buf before;
} liar;

static void lying(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    liar *l = ctx;

    (void)w;
    if (answer->status != 200)
        return;
    if (strcmp(rq->path, "/v1/batches") == 0 && l->how == 3) {
        memset(answer->body.p + answer->body.n - 4, 0, 4); /* its last signature */
        return;
    }
    if (strncmp(rq->path, "/v1/blobs/", 10) != 0 || rq->method != EDN_HTTP_GET)
        return;
    if (l->blobs++ == l->at && l->how == 0) {
        answer->status = 404;
        edn_buf_reset(&answer->body);
    } else if (l->blobs == l->at + 1 && l->how == 1) {
        answer->body.p[40] ^= 1;
    } else if (l->blobs == l->at + 1 && l->how == 2) {
        edn_buf_reset(&answer->body);
        edn_put_bytes(&answer->body, l->before.p, l->before.n);
    }
    edn_buf_reset(&l->before);
    edn_put_bytes(&l->before, answer->body.p, answer->body.n);
}

static void what_the_server_lost_or_altered_is_named_and_made_anew(void **state)
{
    (void)state;
    static const char *const says[] = {"is not at the server", "is something else", "is something else"};
    edn_entry_id changed;
    two t = a_history(&changed);
    static seen s;

    for (unsigned how = 0; how < 3; how++) {
        liar l = {.how = how, .at = 1, .before = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
        t.w->tamper = lying;
        t.w->tamper_ctx = &l;
        check_mends(&t, t.a, 1, says[how]);
        edn_buf_dispose(&l.before);
    }
    liar l = {.how = 3, .before = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
    t.w->tamper = lying;
    t.w->tamper_ctx = &l;
    CHECK_INT(verified(t.a, true, &s).damaged,
              2); /* the batch that is none, and that there is an older list, or none */
    CHECK(strstr(s.text, "older list") != NULL);
    edn_buf_dispose(&l.before);
    two_close(&t);
}

/* ---- by a device that is wrong ----------------------------------------------------------------------------------- */

/* Publishes a manifest of other items than it should, of parts that are whole each for itself. */
static void list_wrongly(edn_client *c, void (*fn)(manifest *m))
{
    edn_arena a = edn_arena_init((size_t)64 << 20);
    edn_buf bytes = EDN_BUF_INIT(MANIFEST_SIZE_MAX);
    heads h = {NULL, 0};
    edn_head own;
    listed *known;
    size_t n;
    edn_err err;

    CHECK_OK(client_begin_write(c, &err));
    CHECK_OK(listed_load(c, &a, &known, &n));
    fn(&known->manifest);
    known->manifest.time_ms = client_now(c);
    manifest_put(&bytes, &known->manifest);
    CHECK_OK(heads_load(c, &h));
    CHECK_OK(outbox_index(c, edn_buf_view(&bytes), &own));
    CHECK_OK(listed_save(c, &own.device, own.dseq, h.p, h.n, edn_buf_view(&bytes)));
    heads_dispose(&h);
    CHECK_OK(client_end_write(c, EDN_OK, &err));
    edn_buf_dispose(&bytes);
    edn_arena_dispose(&a);
    diary_sync(c);
}

static void without_last_recent(manifest *m)
{
    size_t at = m->items_n;

    while (m->items[--at].kind != SHARD_RECENT)
        ;
    memmove(&m->items[at], &m->items[at + 1], (m->items_n - at - 1) * sizeof *m->items);
    m->items_n--;
}

static void ranges_swapped(manifest *m)
{
    shard_item first = m->items[0];

    CHECK(m->items[1].kind == SHARD_RANGE);
    m->items[0] = m->items[1];
    m->items[1] = first;
    for (int i = 0; i < 2; i++) { /* each under the other's days */
        m->items[i].from = i ? m->items[0].from : first.from;
        m->items[i].to = i ? m->items[0].to : first.to;
    }
    m->items[1].from = m->items[0].to + 1;
    m->items[1].to = 99999999;
}

static void a_part_that_is_listed_where_it_does_not_belong_is_named(void **state)
{
    (void)state;
    edn_entry_id changed;
    two t = a_history(&changed);

    /* The entry's older text would be found by who comes next. */
    list_wrongly(t.a, without_last_recent);
    diary_sync(t.b);
    check_mends(&t, t.b, 2, "does not fit the entries");
    diary_sync(t.a);
    check_good(t.a);
    list_wrongly(t.a, ranges_swapped);
    check_mends(&t, t.a, 2, "does not fit the entries");
    two_close(&t);
}

/* An index that was not told of a change, or of an entry, publishes what is not so. */
static void publish_wrongly(bool lacks, const char *says)
{
    static seen s;
    two t = {.w = world_of_two()};

    t.a = open_small(t.w, "a");
    write_some(t.a, 0, NEWCOMER_ENTRIES);
    (void)find(t.a, "day9", &s); /* it is indexed */
    if (lacks)
        write_some(t.a, 2880, 1); /* of 2019, as others are */
    else
        diary_edit(t.a, &s.ids[0], "an okapi");
    edn_client_close(t.a);
    CHECK_INT(sql(t.w, "a", "DELETE FROM kv WHERE t = 10 AND length(k) = 17"), 1);
    t.a = open_small(t.w, "a");
    diary_sync(t.a);
    t.b = open_small(t.w, "b");
    diary_sync(t.b);
    CHECK_INT(find(t.b, lacks ? "day2880" : "okapi", &s).found, 1); /* by an index of its own */
    t.w->down = true;
    CHECK_INT(verified(t.b, false, &s).damaged, 1);
    CHECK(strstr(s.text, "listed with other entries") != NULL);
    t.w->down = false;
    check_mends(&t, t.b, 1, says);
    two_close(&t);
}

static void words_that_nobody_wrote_any_more_are_named(void **state)
{
    (void)state;
    publish_wrongly(false, "does not fit the entries");
}

static void an_entry_that_is_lacking_is_named(void **state)
{
    (void)state;
    publish_wrongly(true, "lacks entries of these days");
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static void a_row_that_does_not_open_is_named_once_and_made_anew(void **state)
{
    (void)state;
    static const char *const spoil[] = {
        "UPDATE kv SET v = zeroblob(length(v)) WHERE t = 10 AND substr(k, 1, 1) = x'04'",
        "DELETE FROM kv WHERE t = 10 AND substr(k, 1, 1) = x'04'",
        "UPDATE kv SET v = substr(v, 1, length(v) - 1) WHERE t = 10 AND substr(k, 1, 1) = x'05'",
    };
    static seen s;
    edn_entry_id changed;
    two t = a_history(&changed);

    for (size_t i = 0; i < EDN_COUNT(spoil); i++) {
        edn_client_close(t.a);
        CHECK_INT(sql(t.w, "a", spoil[i]), 1);
        t.a = open_small(t.w, "a");
        CHECK_INT(verified(t.a, false, &s).damaged, 1);
        check_good(t.a);
    }
    two_close(&t);
}

static void what_is_arriving_is_checked_row_by_row(void **state)
{
    (void)state;
    static seen s;
    two t = published();

    (void)fetch(t.b, false, &s);
    CHECK_INT(verified(t.b, false, &s).damaged, 0);
    edn_client_close(t.b);
    CHECK(sql(t.w, "b", "UPDATE kv SET v = zeroblob(length(v)) WHERE t = 10 AND substr(k, 1, 1) = x'08'") >= 2);
    t.b = open_small(t.w, "b");
    CHECK(verified(t.b, false, &s).damaged >= 2);
    CHECK_INT(verified(t.b, false, &s).damaged, 0);
    (void)fetch(t.b, false, &s);
    for (size_t i = 0; i < NEWCOMER_QUERIES; i++)
        CHECK(same_hits(t.a, t.b, queries[i]) > 0);
    two_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_is_good_on_every_device),
        cmocka_unit_test(what_the_server_lost_or_altered_is_named_and_made_anew),
        cmocka_unit_test(a_part_that_is_listed_where_it_does_not_belong_is_named),
        cmocka_unit_test(words_that_nobody_wrote_any_more_are_named),
        cmocka_unit_test(an_entry_that_is_lacking_is_named),
        cmocka_unit_test(a_row_that_does_not_open_is_named_once_and_made_anew),
        cmocka_unit_test(what_is_arriving_is_checked_row_by_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
