/* Thousands of anything, nothing at all, and what another device should not have written. */
#include "check.h"

#include <sqlite3.h>

#include "client/client_priv.h"
#include "world.h"

static edn_entry_id add(edn_client *c, const edn_draft *d)
{
    edn_entry_id id;
    edn_err err;
    edn_status st = edn_client_add(c, d, &id, &err);

    if (st != EDN_OK)
        print_error("%s\n", err.text);
    CHECK_OK(st);
    return id;
}

static void sync_ok(edn_client *c)
{
    edn_sync_result r;
    edn_err err;
    edn_status st = edn_client_sync(c, NULL, &r, &err);

    if (st != EDN_OK)
        print_error("%s\n", err.text);
    CHECK_OK(st);
    CHECK(r.synced);
}

static void sync_all(edn_client *a, edn_client *b)
{
    sync_ok(a);
    sync_ok(b);
    sync_ok(a);
}

/* Writes a field of a document past every check of the front door, as another version of EDN might. */
static void write_field(edn_client *c, const edn_entry_id *id, const char *name, edn_bytes value)
{
    object *o;
    uint64_t before;
    edn_err err;

    CHECK_OK(client_begin_write(c, &err));
    CHECK_OK(object_get(c, id, &o));
    object_author(c, o);
    before = edn_doc_agent_next(o->doc, client_agent(c));
    CHECK_OK(edn_doc_set(o->doc, edn_bytes_str(name), value));
    CHECK_OK(object_wrote(c, o, before));
    CHECK_OK(client_end_write(c, EDN_OK, &err));
}

static edn_status count(void *ctx, const edn_entry *e)
{
    (void)e;
    ++*(size_t *)ctx;
    return EDN_OK;
}

static edn_status put_entry(void *ctx, const edn_entry *e)
{
    edn_put_bytes(ctx, e->id.b, sizeof e->id.b);
    edn_put_lp(ctx, e->date);
    edn_put_lp(ctx, e->title);
    edn_put_lp(ctx, e->text);
    edn_put_u32(ctx, (uint32_t)e->tags_n);
    return EDN_OK;
}

static void check_same(edn_client *a, edn_client *b)
{
    edn_buf x = EDN_BUF_INIT(EDN_BUF_UNLIMITED), y = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    CHECK_OK(edn_client_export(a, NULL, put_entry, &x, NULL, NULL));
    CHECK_OK(edn_client_export(b, NULL, put_entry, &y, NULL, NULL));
    CHECK_BYTES(edn_buf_view(&x), edn_buf_view(&y));
    edn_buf_dispose(&x);
    edn_buf_dispose(&y);
}

/* ---- what another device should not have written ----------------------------------------------------------------- */

static void an_entry_whose_date_is_none_is_listed_found_and_exported(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a"), *b = world_open(w, "b");
    edn_draft d = {.date = edn_bytes_str("2024-05-01"), .text = edn_bytes_str("text")};
    static uint8_t much[60000];
    const edn_bytes dates[] = {edn_bytes_str("2024-13-45"),     edn_bytes_str("9"),
                               edn_bytes_str("9999-99-99"),     edn_bytes_of("\xff\xfe\0\x80", 4),
                               edn_bytes_of(much, sizeof much), edn_bytes_str("0000-00-00")};
    size_t n = 0;
    edn_entry_id id, last;
    edn_filter f = {.from = edn_bytes_str("2024-05-01"), .to = edn_bytes_str("2024-05-01")};

    memset(much, 'x', sizeof much);
    for (size_t i = 0; i < EDN_COUNT(dates); i++) {
        id = add(a, &d);
        write_field(a, &id, FIELD_DATE, dates[i]);
    }
    last = add(a, &d);
    sync_all(a, b);
    CHECK_OK(edn_client_list(b, NULL, count, &n, NULL));
    CHECK_INT(n, EDN_COUNT(dates) + 1);
    n = 0;
    CHECK_OK(edn_client_list(b, &f, count, &n, NULL));
    CHECK_INT(n, 1);
    CHECK_OK(edn_client_find(b, "last", &id, NULL));
    CHECK_BYTES(EDN_F(id), EDN_F(last));
    check_same(a, b);
    edn_client_close(a);
    edn_client_close(b);
    world_free(w);
}

static void names_of_any_length_do_not_hide_entries(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a"), *b = world_open(w, "b");
    static uint8_t name[60000];
    edn_journal_id j;
    edn_entry_id id, device;
    edn_draft d = {.date = edn_bytes_str("2024-05-01"), .text = edn_bytes_str("text"), .journal = &j};
    edn_client_status s;
    size_t n = 0;

    for (size_t i = 0; i < sizeof name; i++)
        name[i] = (uint8_t)("\xc3\xa9"[i % 2]);
    CHECK_OK(edn_client_journal_new(a, edn_bytes_str("short"), &j, NULL));
    memcpy(id.b, j.b, sizeof id.b);
    write_field(a, &id, FIELD_NAME, edn_bytes_of(name, sizeof name));
    memcpy(device.b, client_id(a)->device.b, sizeof device.b);
    write_field(a, &device, FIELD_NAME, edn_bytes_of(name, sizeof name));
    id = add(a, &d);
    sync_all(a, b);
    CHECK_OK(edn_client_show(b, &id, count, &n, NULL));
    CHECK_OK(edn_client_list(b, NULL, count, &n, NULL));
    CHECK_OK(edn_client_status_get(b, &s, NULL));
    CHECK_OK(edn_client_status_get(a, &s, NULL));
    CHECK_INT(n, 2);
    check_same(a, b);
    edn_client_close(a);
    edn_client_close(b);
    world_free(w);
}

/* ---- much of it -------------------------------------------------------------------------------------------------- */

enum { TAGS = 1000 };

static edn_status check_first_item(void *ctx, const edn_history_item *item)
{
    size_t *n = ctx;

    if (item->version == 1) {
        CHECK(item->what.n > 100 && item->what.n < 2048);
        CHECK_INT(edn_utf8_check(item->what, NULL), item->what.n);
    }
    ++*n;
    return EDN_OK;
}

static void an_entry_with_thousands_of_tags_works_everywhere(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a"), *b = world_open(w, "b");
    static char text[TAGS][200];
    static edn_bytes tags[TAGS];
    edn_draft d = {.date = edn_bytes_str("2024-05-01"), .tags = tags, .tags_n = TAGS};
    edn_entry_id id;
    edn_filter f = {.tag = edn_bytes_str("seaside")};
    size_t n = 0, listed = 0;

    for (size_t i = 0; i < TAGS; i++) {
        snprintf(text[i], sizeof text[i], "%0150zu", i);
        tags[i] = edn_bytes_str(text[i]);
    }
    id = add(a, &d);
    CHECK_OK(edn_client_tag(a, &id, edn_bytes_str("seaside"), true, NULL));
    sync_all(a, b);
    CHECK_OK(edn_client_history(b, &id, check_first_item, &n, NULL));
    CHECK(n >= 1);
    CHECK_OK(edn_client_list(b, &f, count, &listed, NULL));
    CHECK_INT(listed, 1);
    CHECK_OK(edn_client_restore(b, &id, (edn_moment){1, 0}, NULL));
    check_same(a, a);
    edn_client_close(a);
    edn_client_close(b);
    world_free(w);
}

static edn_status keep_what(void *ctx, const edn_history_item *item)
{
    if (item->version == 1)
        edn_put_bytes(ctx, item->what.p, item->what.n);
    return EDN_OK;
}

static void history_names_each_tag_though_one_contains_another(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    const edn_bytes tags[] = {edn_bytes_str("seaside"), edn_bytes_str("sea")};
    const edn_field fields[] = {{edn_bytes_str("context"), edn_bytes_str("x")},
                                {edn_bytes_str("ex"), edn_bytes_str("y")}};
    edn_draft d = {.date = edn_bytes_str("2024-05-01"), .tags = tags, .tags_n = 2, .fields = fields, .fields_n = 2};
    edn_buf b = EDN_BUF_INIT(4096);
    edn_entry_id id = add(a, &d);

    CHECK_OK(edn_client_history(a, &id, keep_what, &b, NULL));
    CHECK_STR(edn_buf_view(&b), "written, date, context, ex, tag +seaside, tag +sea");
    edn_buf_dispose(&b);
    edn_client_close(a);
    world_free(w);
}

static void empty_entries_and_edits_are_kept_as_they_are(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a"), *b = world_open(w, "b");
    edn_draft d = {.text = EDN_BYTES_EMPTY};
    edn_entry_id id = add(a, &d);
    edn_err err;

    CHECK_OK(edn_client_edit(a, &id, edn_bytes_str(""), edn_bytes_str(""), &err));
    CHECK_OK(edn_client_set(a, &id, edn_bytes_str("mood"), EDN_BYTES_EMPTY, &err));
    CHECK_STATUS(edn_client_set(a, &id, edn_bytes_str("date"), EDN_BYTES_EMPTY, &err), EDN_E_INVALID);
    CHECK_STATUS(edn_client_tag(a, &id, EDN_BYTES_EMPTY, true, &err), EDN_E_INVALID);
    CHECK_STATUS(edn_client_journal_new(a, EDN_BYTES_EMPTY, &(edn_journal_id){{0}}, &err), EDN_E_INVALID);
    CHECK_STATUS(edn_client_edit(a, &id, edn_bytes_of("\xff", 1), edn_bytes_str("x"), &err), EDN_E_UTF8);
    sync_all(a, b);
    check_same(a, b);
    edn_client_close(a);
    edn_client_close(b);
    world_free(w);
}

static void a_filter_with_no_date_in_it_is_refused(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    edn_filter f = {.to = edn_bytes_str("2024")};
    edn_search_options search = {.filter = &f};
    size_t n = 0;

    CHECK_STATUS(edn_client_list(a, &f, count, &n, NULL), EDN_E_INVALID);
    CHECK_STATUS(edn_client_export(a, &f, count, &n, NULL, NULL), EDN_E_INVALID);
    CHECK_STATUS(edn_client_search(a, edn_bytes_str("x"), &search, NULL, NULL, NULL, NULL), EDN_E_INVALID);
    f = (edn_filter){.from = edn_bytes_str("2023-02-29")};
    CHECK_STATUS(edn_client_list(a, &f, count, &n, NULL), EDN_E_INVALID);
    edn_client_close(a);
    world_free(w);
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

static edn_status import_two(void *ctx, edn_import_item *item, bool *done)
{
    size_t *i = ctx;

    *done = *i == 2;
    item->has_id = true;
    memset(item->id.b, 0xab, sizeof item->id.b);
    item->id.b[15] = (uint8_t)*i;
    item->draft.date = edn_bytes_str("2024-05-01");
    ++*i;
    return EDN_OK;
}

static void a_prefix_that_a_journal_shares_still_names_the_one_entry(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    edn_journal_id j;
    edn_import_result r;
    size_t i = 1;
    edn_entry_id id;
    edn_err err;

    memset(j.b, 0xab, sizeof j.b);
    CHECK_OK(client_begin_write(a, &err));
    CHECK_OK(client_end_write(a, journal_create(a, &j, edn_bytes_str("its id begins alike")), &err));
    CHECK_OK(edn_client_import(a, import_two, &i, NULL, &r, &err));
    CHECK_OK(edn_client_find(a, "abab", &id, &err));
    CHECK_INT(id.b[15], 1);
    i = 0;
    CHECK_OK(edn_client_import(a, import_two, &i, NULL, &r, &err));
    CHECK_INT(r.added, 1);
    CHECK_INT(r.known, 1);
    CHECK_STATUS(edn_client_find(a, "abab", &id, &err), EDN_E_AMBIGUOUS);
    assert_non_null(strstr(err.text, "fits 2 entries: abababababab, abababababab"));
    CHECK_STATUS(edn_client_find(a, "2024-05-01", &id, &err), EDN_E_AMBIGUOUS);
    CHECK_STATUS(edn_client_find(a, "aba", &id, &err), EDN_E_INVALID);
    CHECK_STATUS(edn_client_find(a, "cdcd", &id, &err), EDN_E_MISSING);
    edn_client_close(a);
    world_free(w);
}

static void a_journal_is_found_by_its_folded_name(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    edn_journal_id work, upper, found;
    edn_err err;

    CHECK_OK(edn_client_journal_new(a, edn_bytes_str("Straße"), &work, &err));
    CHECK_STATUS(edn_client_journal_new(a, edn_bytes_str("Straße"), &upper, &err), EDN_E_EXISTS);
    CHECK_OK(edn_client_journal_find(a, "STRASSE", &found, &err));
    CHECK_BYTES(EDN_F(found), EDN_F(work));
    CHECK_OK(edn_client_journal_new(a, edn_bytes_str("STRASSE"), &upper, &err));
    CHECK_OK(edn_client_journal_find(a, "STRASSE", &found, &err)); /* exact goes first */
    CHECK_BYTES(EDN_F(found), EDN_F(upper));
    CHECK_STATUS(edn_client_journal_find(a, "strasse", &found, &err), EDN_E_AMBIGUOUS);
    CHECK_STATUS(edn_client_journal_find(a, "strass", &found, &err), EDN_E_MISSING);
    CHECK_STATUS(edn_client_journal_find(a, "", &found, &err), EDN_E_MISSING);
    edn_client_close(a);
    world_free(w);
}

/* ---- import and export ------------------------------------------------------------------------------------------- */

typedef struct importing {
    size_t i, n, bad; /* `bad`: the item that is refused */
    edn_bytes bad_journal;
    uint64_t stop_at;
} importing;

static edn_status import_next(void *ctx, edn_import_item *item, bool *done)
{
    importing *im = ctx;

    *done = im->i == im->n;
    item->draft.date = edn_bytes_str("2024-05-01");
    item->draft.text = edn_bytes_str("imported");
    item->journal_name = edn_bytes_str("Imported");
    if (im->i == im->bad)
        item->journal_name = im->bad_journal;
    im->i++;
    return EDN_OK;
}

static bool import_progress(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    importing *im = ctx;

    (void)what;
    (void)total;
    return done < im->stop_at;
}

static edn_status count_journal(void *ctx, const edn_journal *j)
{
    (void)j;
    ++*(size_t *)ctx;
    return EDN_OK;
}

static void an_import_is_all_or_nothing(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    static uint8_t long_name[300];
    importing im = {.n = 300, .bad = 299, .stop_at = 1000};
    edn_progress p = {import_progress, &im};
    edn_import_result r;
    edn_client_status s;
    size_t journals = 0;
    edn_err err;

    memset(long_name, 'j', sizeof long_name);
    im.bad_journal = edn_bytes_of(long_name, sizeof long_name);
    CHECK_STATUS(edn_client_import(a, import_next, &im, &p, &r, &err), EDN_E_INVALID);
    CHECK_INT(r.added, 0);
    im = (importing){.n = 300, .bad = 299, .bad_journal = edn_bytes_of("\xff", 1), .stop_at = 1000};
    CHECK_STATUS(edn_client_import(a, import_next, &im, &p, &r, &err), EDN_E_UTF8);
    im = (importing){.n = 300, .bad = SIZE_MAX, .stop_at = 299};
    CHECK_STATUS(edn_client_import(a, import_next, &im, &p, &r, &err), EDN_E_CANCELLED);
    CHECK_OK(edn_client_status_get(a, &s, &err));
    CHECK_INT(s.entries, 0);
    CHECK_OK(edn_client_journals(a, count_journal, &journals, &err));
    CHECK_INT(journals, 1);
    im = (importing){.n = 300, .bad = SIZE_MAX, .stop_at = 1000};
    CHECK_OK(edn_client_import(a, import_next, &im, &p, &r, &err));
    CHECK_INT(r.added, 300);
    journals = 0;
    CHECK_OK(edn_client_journals(a, count_journal, &journals, &err));
    CHECK_INT(journals, 2);
    edn_client_close(a);
    world_free(w);
}

static edn_status check_order(void *ctx, const edn_entry *e)
{
    edn_buf *last = ctx;
    uint8_t key[26];

    CHECK_INT(e->date.n, 10);
    memcpy(key, e->date.p, 10);
    memcpy(key + 10, e->id.b, 16);
    CHECK(last->n == 0 || memcmp(last->p, key, sizeof key) < 0);
    edn_buf_reset(last);
    edn_put_bytes(last, key, sizeof key);
    return EDN_OK;
}

static void an_export_goes_by_date_and_then_id(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    edn_buf last = EDN_BUF_INIT(64);
    char date[16];

    for (int i = 0; i < 60; i++) {
        edn_draft d = {.text = edn_bytes_str("x")};
        snprintf(date, sizeof date, "2024-%02d-0%d", 1 + i * 7 % 5, 1 + i % 3);
        d.date = edn_bytes_str(date);
        add(a, &d);
    }
    CHECK_OK(edn_client_export(a, NULL, check_order, &last, NULL, NULL));
    edn_buf_dispose(&last);
    edn_client_close(a);
    world_free(w);
}

/* One byte of the sealed row of an entry, on the disk. */
static void spoil(world *w, const char *device, const edn_entry_id *id)
{
    char path[300];
    sqlite3 *db;
    sqlite3_stmt *q;

    world_home(w, device, path);
    strcat(path, "/diary.edn");
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_prepare_v2(db, "UPDATE kv SET v = zeroblob(length(v)) WHERE t = 4 AND k = ?", -1, &q, NULL),
              SQLITE_OK);
    sqlite3_bind_blob(q, 1, id->b, sizeof id->b, SQLITE_STATIC);
    CHECK_INT(sqlite3_step(q), SQLITE_DONE);
    CHECK_INT(sqlite3_changes(db), 1);
    sqlite3_finalize(q);
    sqlite3_close(db);
}

static void count_finding(void *ctx, const edn_finding *f) { *(edn_status *)ctx = f->status; }

static void a_damaged_entry_does_not_keep_the_others_in(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    edn_draft d = {.date = edn_bytes_str("2024-05-01"), .text = edn_bytes_str("text")};
    edn_entry_id bad = add(a, &d), found;
    edn_verify_result v;
    edn_status seen = EDN_OK;
    char hex[33];
    size_t n = 0;
    edn_err err;

    add(a, &d);
    edn_client_close(a);
    spoil(w, "a", &bad);
    a = world_open(w, "a");
    CHECK_STATUS(edn_client_export(a, NULL, count, &n, NULL, &err), EDN_E_DAMAGED);
    CHECK_INT(n, 1);
    assert_non_null(strstr(err.text, "1 entries could not be read"));
    CHECK_STATUS(edn_client_show(a, &bad, count, &n, &err), EDN_E_DAMAGED);
    edn_hex_encode(hex, bad.b, sizeof bad.b);
    CHECK_OK(edn_client_find(a, hex, &found, &err));
    CHECK_OK(edn_client_verify(a, count_finding, &seen, NULL, &v, &err));
    CHECK_INT(seen, EDN_E_DAMAGED);
    CHECK(v.damaged >= 1);
    edn_client_close(a);
    world_free(w);
}

/* ---- history ----------------------------------------------------------------------------------------------------- */

static edn_status put_item(void *ctx, const edn_history_item *item)
{
    edn_put_u32(ctx, item->version);
    edn_put_str(ctx, item->device);
    edn_put_u64(ctx, item->time_ms);
    edn_put_lp(ctx, item->what);
    return EDN_OK;
}

static void versions_have_the_same_numbers_on_both_devices(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a"), *b = world_open(w, "b");
    edn_draft d = {.date = edn_bytes_str("2024-05-01"), .text = edn_bytes_str("one two three")};
    edn_entry_id id = add(a, &d);
    edn_buf x = EDN_BUF_INIT(65536), y = EDN_BUF_INIT(65536);
    edn_err err;

    sync_all(a, b);
    for (int i = 0; i < 5; i++) { /* both write before either hears of the other */
        w->now_ms += 60000;
        CHECK_OK(edn_client_edit(a, &id, EDN_BYTES_EMPTY, edn_bytes_str(i % 2 ? "one two three four" : "two"), &err));
        CHECK_OK(edn_client_tag(b, &id, edn_bytes_str("t"), i % 2 == 0, &err));
        w->now_ms += 60000;
        CHECK_OK(edn_client_set(b, &id, edn_bytes_str("mood"), edn_bytes_str(i % 2 ? "glad" : "sad"), &err));
        if (i % 2)
            sync_all(a, b);
    }
    sync_all(b, a);
    CHECK_OK(edn_client_history(a, &id, put_item, &x, &err));
    CHECK_OK(edn_client_history(b, &id, put_item, &y, &err));
    CHECK_BYTES(edn_buf_view(&x), edn_buf_view(&y));
    for (uint32_t v = 1; v <= 5; v++) {
        edn_buf_reset(&x);
        edn_buf_reset(&y);
        CHECK_OK(edn_client_show_version(a, &id, (edn_moment){v, 0}, put_entry, &x, &err));
        CHECK_OK(edn_client_show_version(b, &id, (edn_moment){v, 0}, put_entry, &y, &err));
        CHECK_BYTES(edn_buf_view(&x), edn_buf_view(&y));
    }
    CHECK_STATUS(edn_client_show_version(a, &id, (edn_moment){1000, 0}, put_entry, &x, &err), EDN_E_MISSING);
    edn_buf_dispose(&x);
    edn_buf_dispose(&y);
    edn_client_close(a);
    edn_client_close(b);
    world_free(w);
}

/* ---- dictionaries, and two processes ----------------------------------------------------------------------------- */

static edn_status import_words(void *ctx, edn_import_item *item, bool *done)
{
    static char text[1200];
    importing *im = ctx;
    check_rng rng = {im->i * 7919 + 1};
    size_t n = 0;

    *done = im->i == im->n;
    while (n < im->stop_at)
        n += (size_t)snprintf(text + n, sizeof text - n, "w%03u ", (unsigned)check_below(&rng, 700));
    item->draft.date = edn_bytes_str("2024-05-01");
    item->draft.text = edn_bytes_of(text, n);
    im->i++;
    return EDN_OK;
}

static void a_new_device_counts_the_dictionary_that_came_as_made_for_what_came(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a"), *b = world_open(w, "b");
    importing im = {.n = 900, .stop_at = 600};
    edn_import_result r;
    edn_buf row = EDN_BUF_INIT(64);
    bool due = true;

    CHECK_OK(edn_client_import(a, import_words, &im, NULL, &r, NULL));
    sync_all(a, b);
    CHECK_OK(client_begin_write(b, NULL));
    CHECK_OK(meta_get(b, "dictionary-current", EDN_BYTES_EMPTY, &row)); /* one was trained, and is here */
    CHECK_OK(dictionary_due(b, 900, &due));
    CHECK(!due);
    CHECK_OK(dictionary_due(b, 8 * 900, &due));
    CHECK(due);
    CHECK_OK(client_end_write(b, EDN_OK, NULL));
    edn_buf_dispose(&row);
    edn_client_close(a);
    edn_client_close(b);
    world_free(w);
}

static void training_in_vain_is_not_tried_again_at_every_sync(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    importing im = {.n = 150, .stop_at = 20}; /* enough entries, too little text */
    edn_import_result r;
    bool due = true;

    CHECK_OK(edn_client_import(a, import_words, &im, NULL, &r, NULL));
    sync_ok(a);
    CHECK_OK(client_begin_write(a, NULL));
    CHECK_OK(dictionary_due(a, 151, &due));
    CHECK(!due);
    CHECK_OK(dictionary_due(a, 300, &due));
    CHECK(due);
    CHECK_OK(client_end_write(a, EDN_OK, NULL));
    edn_client_close(a);
    world_free(w);
}

/* While the first process waits for an answer with a new link, the second one takes it in. */
static void sync_second(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    edn_client **again = ctx, *c = *again;

    (void)rq;
    (void)answer;
    (void)w;
    if (c) {
        *again = NULL;
        sync_ok(c);
    }
}

static void two_processes_that_take_in_the_same_links_keep_each_once(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a"), *again = world_open(w, "a"), *second = again;
    edn_draft d = {.date = edn_bytes_str("2024-05-02"), .text = edn_bytes_str("x")};
    edn_verify_result v;
    edn_client *c;

    sync_ok(a);
    sync_ok(again);
    c = world_login(w, "c"); /* a link that both processes lack */
    add(c, &d);
    sync_ok(c);
    w->tamper = sync_second;
    w->tamper_ctx = &second;
    sync_ok(a);
    CHECK_OK(edn_client_verify(a, NULL, NULL, NULL, &v, NULL));
    CHECK_INT(v.damaged, 0);
    CHECK_INT(v.links, 4);
    sync_ok(again);
    edn_client_close(a);
    edn_client_close(again);
    edn_client_close(c);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_whose_date_is_none_is_listed_found_and_exported),
        cmocka_unit_test(names_of_any_length_do_not_hide_entries),
        cmocka_unit_test(an_entry_with_thousands_of_tags_works_everywhere),
        cmocka_unit_test(history_names_each_tag_though_one_contains_another),
        cmocka_unit_test(empty_entries_and_edits_are_kept_as_they_are),
        cmocka_unit_test(a_filter_with_no_date_in_it_is_refused),
        cmocka_unit_test(a_prefix_that_a_journal_shares_still_names_the_one_entry),
        cmocka_unit_test(a_journal_is_found_by_its_folded_name),
        cmocka_unit_test(an_import_is_all_or_nothing),
        cmocka_unit_test(an_export_goes_by_date_and_then_id),
        cmocka_unit_test(a_damaged_entry_does_not_keep_the_others_in),
        cmocka_unit_test(versions_have_the_same_numbers_on_both_devices),
        cmocka_unit_test(a_new_device_counts_the_dictionary_that_came_as_made_for_what_came),
        cmocka_unit_test(training_in_vain_is_not_tried_again_at_every_sync),
        cmocka_unit_test(two_processes_that_take_in_the_same_links_keep_each_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
