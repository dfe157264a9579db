/* Blobs that nothing names go after seven days, and no other ever. */
#include "server_kit.h"

#include <dirent.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>

#define DAY_MS 86400000ull

/* A whole round: more steps than one takes. */
static void round_of(kit *k)
{
    for (int i = 0; i < 600; i++)
        edn_server_tick(k->s);
}

static void file_of(const kit *k, const edn_hash *name, char out[256])
{
    char hex[65];

    edn_hex_encode(hex, name->b, sizeof name->b);
    snprintf(out, 256, "%s/blobs/%.2s/%s", k->dir, hex, hex + 2);
}

static void set_age(const kit *k, const edn_hash *name, uint64_t age_ms)
{
    char path[256];
    uint64_t at = k->now_ms - age_ms;
    const struct timeval times[2] = {{(time_t)(at / 1000), (suseconds_t)(at % 1000 * 1000)},
                                     {(time_t)(at / 1000), (suseconds_t)(at % 1000 * 1000)}};

    file_of(k, name, path);
    CHECK_INT(utimes(path, times), 0);
}

static bool there(const kit *k, const edn_hash *name)
{
    uint64_t size;

    return k->blobs.has(k->blobs.ctx, name, &size) == EDN_OK;
}

static edn_hash orphan(kit *k, unsigned i, uint64_t age_ms)
{
    edn_hash name = edn_h32(edn_bytes_of(&i, sizeof i));

    CHECK_OK(k->blobs.put(k->blobs.ctx, &name, edn_bytes_str("nobody's")));
    set_age(k, &name, age_ms);
    return name;
}

static edn_status age_one(void *cb, const edn_hash *name, uint64_t modified_ms)
{
    (void)modified_ms;
    set_age(cb, name, 100 * DAY_MS);
    return EDN_OK;
}

/* Everything that is there is from a hundred days ago. */
static void age_all(kit *k)
{
    for (int i = 0; i < 256; i++)
        CHECK_OK(k->blobs.each(k->blobs.ctx, (uint8_t)i, age_one, k));
}

static edn_status count_one(void *cb, const edn_hash *name, uint64_t modified_ms)
{
    (void)name, (void)modified_ms;
    ++*(size_t *)cb;
    return EDN_OK;
}

static size_t count(kit *k)
{
    size_t n = 0;

    for (int i = 0; i < 256; i++)
        CHECK_OK(k->blobs.each(k->blobs.ctx, (uint8_t)i, count_one, &n));
    return n;
}

/* An account with an attachment and `large` batches whose bytes are in the blob store. */
static void fill(kit *k, person *p, edn_buf *token, size_t large)
{
    char path[80] = "/v1/blobs/";
    edn_buf name = EDN_BUF_INIT(64);

    person_init(p, 5);
    kit_register(k, p);
    person_sign_in(p, 0, kit_ask, k, token);
    edn_base64url_encode(&name, edn_bytes_of(p->account.b, 32));
    memcpy(path + 10, name.p, name.n);
    CHECK_INT(kit_ask(k, "PUT", path, edn_buf_view(token), edn_bytes_str("an attachment"), NULL), 201);
    for (size_t i = 0; i < large; i++)
        CHECK_INT(kit_push_next(k, p, 0, 131072, edn_buf_view(token)), 200);
    edn_buf_dispose(&name);
}

static void what_nothing_names_goes_after_seven_days(void **state)
{
    (void)state;
    kit k;
    person p;
    edn_buf token = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);
    edn_hash old, young, exact;
    edn_server_stats s;

    kit_init(&k);
    fill(&k, &p, &token, 3);
    CHECK_INT(kit_push_next(&k, &p, 0, 1024, edn_buf_view(&token)), 200); /* a small one has no blob */
    CHECK_INT(count(&k), 4);
    age_all(&k);
    old = orphan(&k, 1, 7 * DAY_MS + 1200000);
    exact = orphan(&k, 2, 7 * DAY_MS - 1200000);
    young = orphan(&k, 3, 0);
    round_of(&k);
    CHECK(there(&k, &old)); /* not at once: the first round is ten minutes after the start */
    k.now_ms += 600000;
    round_of(&k);
    CHECK(!there(&k, &old));
    CHECK(there(&k, &exact) && there(&k, &young));
    CHECK_INT(count(&k), 6);
    s = edn_server_stats_get(k.s);
    CHECK_INT(s.blobs_swept, 1);
    k.now_ms += DAY_MS - 1;
    round_of(&k);
    CHECK(there(&k, &exact)); /* a round a day */
    k.now_ms += 1;
    round_of(&k);
    CHECK(!there(&k, &exact) && there(&k, &young));
    k.now_ms += 7 * DAY_MS;
    round_of(&k);
    CHECK(!there(&k, &young));
    CHECK_INT(count(&k), 4);
    edn_buf_dispose(&token);
    person_dispose(&p);
    kit_dispose(&k);
}

static void every_batch_and_attachment_is_still_served(void **state)
{
    (void)state;
    kit k;
    person p;
    edn_buf token = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);

    kit_init(&k);
    fill(&k, &p, &token, 5);
    age_all(&k);
    for (unsigned i = 0; i < 60; i++)
        orphan(&k, i, 30 * DAY_MS);
    k.now_ms += DAY_MS;
    /* Between any two steps something is uploaded again, or for the first time. */
    for (int i = 0; i < 300; i++) {
        edn_server_tick(k.s);
        if (i % 60 == 30) {
            person_sign_in(&p, 0, kit_ask, &k, &token);
            CHECK_INT(kit_push_next(&k, &p, 0, 131072, edn_buf_view(&token)), 200);
        }
    }
    CHECK_INT(count(&k), 1 + 5 + 5);
    person_sign_in(&p, 0, kit_ask, &k, &token);
    CHECK_INT(kit_pull_count(&k, &p, edn_buf_view(&token)), 10);
    edn_buf_dispose(&token);
    person_dispose(&p);
    kit_dispose(&k);
}

/* Another blob than `fill`'s. */
static const char shard_path[] = "/v1/blobs/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

/* Drops the blob, or keeps it; gives how many were absent. */
static size_t shelve(kit *k, edn_bytes token, bool keep, int want)
{
    edn_hash name;
    edn_msg_shelf m = {&name, &name, keep, !keep};
    edn_msg_absent absent = {NULL, 0};
    edn_buf body = EDN_BUF_INIT(4096), answer = EDN_BUF_INIT(4096);
    edn_arena a = edn_arena_init(4096);

    for (int i = 0; i < 32; i++)
        name.b[i] = (uint8_t)i;
    edn_shelf_put(&body, &m);
    CHECK_INT(kit_ask(k, "POST", "/v1/shelf", token, edn_buf_view(&body), &answer), want);
    if (want == 200)
        CHECK_OK(edn_absent_decode(&a, edn_buf_view(&answer), &absent));
    edn_buf_dispose(&body);
    edn_buf_dispose(&answer);
    edn_arena_dispose(&a);
    return absent.names_n;
}

static void what_is_dropped_goes_after_seven_days_unless_it_is_wanted_again(void **state)
{
    (void)state;
    kit k;
    person p;
    edn_buf token = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);

    kit_init(&k);
    fill(&k, &p, &token, 1);
    CHECK_INT(shelve(&k, edn_buf_view(&token), false, 200), 0); /* nobody's: nothing happens */
    CHECK_INT(shelve(&k, edn_buf_view(&token), true, 200), 1);
    CHECK_INT(kit_ask(&k, "PUT", shard_path, edn_buf_view(&token), edn_bytes_str("a shard"), NULL), 201);
    shelve(&k, edn_bytes_str("no token"), false, 401);
    shelve(&k, edn_buf_view(&token), false, 200);
    for (int day = 1; day <= 7; day++) {
        age_all(&k);
        k.now_ms += DAY_MS - (day == 1 ? 600000 : 0);
        round_of(&k);
        CHECK_INT(count(&k), 3);
    }
    person_sign_in(&p, 0, kit_ask, &k, &token);
    CHECK_INT(kit_ask(&k, "GET", shard_path, edn_buf_view(&token), EDN_BYTES_EMPTY, NULL), 200);
    CHECK_INT(kit_ask(&k, "PUT", shard_path, edn_buf_view(&token), edn_bytes_str("a shard"), NULL), 200); /* kept */
    shelve(&k, edn_buf_view(&token), false, 200);
    CHECK_INT(shelve(&k, edn_buf_view(&token), true, 200), 0); /* and so does this */
    for (int day = 0; day < 9; day++) {
        age_all(&k);
        k.now_ms += DAY_MS;
        round_of(&k);
    }
    CHECK_INT(count(&k), 3);
    person_sign_in(&p, 0, kit_ask, &k, &token);
    shelve(&k, edn_buf_view(&token), false, 200);
    shelve(&k, edn_buf_view(&token), false, 200); /* a second time changes nothing */
    for (int day = 0; day < 9; day++) {
        age_all(&k);
        k.now_ms += DAY_MS;
        round_of(&k);
    }
    CHECK_INT(count(&k), 2); /* the attachment and the batch are there */
    person_sign_in(&p, 0, kit_ask, &k, &token);
    CHECK_INT(kit_ask(&k, "GET", shard_path, edn_buf_view(&token), EDN_BYTES_EMPTY, NULL), 404);
    CHECK_INT(kit_ask(&k, "PUT", shard_path, edn_buf_view(&token), edn_bytes_str("another"), NULL), 201);
    edn_buf_dispose(&token);
    person_dispose(&p);
    kit_dispose(&k);
}

static void sql(const kit *k, const char *text)
{
    char path[128];
    sqlite3 *db = NULL;

    snprintf(path, sizeof path, "%s/meta.db", k->dir);
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    CHECK_INT(sqlite3_close(db), SQLITE_OK);
}

static void a_database_of_version_1_is_brought_up_to_date(void **state)
{
    (void)state;
    kit k;
    person p;
    edn_buf token = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);

    kit_init(&k);
    fill(&k, &p, &token, 2);
    kit_close(&k);
    sql(&k, "DROP TABLE share; DROP TABLE newest; DROP TABLE released; DROP INDEX batch_large;"
            "DROP TABLE recovery; DROP TABLE letter; ALTER TABLE account DROP COLUMN letters;"
            "PRAGMA user_version = 1");
    kit_open(&k);
    age_all(&k);
    orphan(&k, 1, 30 * DAY_MS);
    k.now_ms += DAY_MS;
    round_of(&k);
    CHECK_INT(count(&k), 3);
    kit_close(&k);
    kit_open(&k); /* and opens as what it is now */
    kit_close(&k);
    sql(&k, "DROP TABLE share; DROP TABLE newest; DROP TABLE released;"
            "DROP TABLE letter; ALTER TABLE account DROP COLUMN letters; PRAGMA user_version = 3");
    kit_open(&k); /* and so does the version between */
    kit_close(&k);
    sql(&k, "DROP INDEX batch_large; PRAGMA user_version = 7"); /* there is one */
    CHECK_STATUS(kit_try_open(&k), EDN_E_DAMAGED);              /* one of a newer version is left alone */
    edn_buf_dispose(&token);
    person_dispose(&p);
    kit_dispose(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nothing_names_goes_after_seven_days),
        cmocka_unit_test(every_batch_and_attachment_is_still_served),
        cmocka_unit_test(what_is_dropped_goes_after_seven_days_unless_it_is_wanted_again),
        cmocka_unit_test(a_database_of_version_1_is_brought_up_to_date),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
