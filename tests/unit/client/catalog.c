/* The table of contents: always what the documents say, whatever its size; and a store of before it had parts. */
#include "check.h"

#include "client/client_priv.h"
#include "world.h"

/* ---- what the documents say -------------------------------------------------------------------------------------- */

typedef struct line {
    edn_entry_id id;
    edn_journal_id journal;
    uint8_t date[DATE_SHOWN_MAX];
    size_t date_n;
    uint64_t created_ms;
    bool deleted;
} line;

typedef struct lines {
    line *p;
    size_t n, cap;
} lines;

static edn_status add_line(void *ctx, const catalog_item *it)
{
    lines *l = ctx;
    line *x;

    if (l->n == l->cap)
        l->p = realloc(l->p, (l->cap = l->cap ? 2 * l->cap : 256) * sizeof *l->p);
    CHECK(l->p && it->date.n <= DATE_SHOWN_MAX);
    x = &l->p[l->n++];
    *x = (line){.id = it->id, .journal = it->journal, .date_n = it->date.n, .created_ms = it->created_ms};
    memcpy(x->date, it->date.p, it->date.n);
    x->deleted = it->deleted;
    return EDN_OK;
}

static edn_status add_id(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    (void)value;
    CHECK_OK(st);
    if (key.n == sizeof(edn_entry_id))
        edn_put_bytes(ctx, key.p, key.n);
    return EDN_OK;
}

static int by_place(const void *a, const void *b)
{
    const line *x = a, *y = b;
    char mx[MONTH_SIZE + 1], my[MONTH_SIZE + 1];
    int d;

    month_of(edn_bytes_of(x->date, x->date_n), mx); /* dates that are none come first, whatever they are */
    month_of(edn_bytes_of(y->date, y->date_n), my);
    if ((d = strcmp(mx, my)) == 0)
        d = bytes_compare(edn_bytes_of(x->date, x->date_n), edn_bytes_of(y->date, y->date_n));
    if (d == 0)
        d = (x->created_ms > y->created_ms) - (x->created_ms < y->created_ms);
    return d ? d : memcmp(x->id.b, y->id.b, sizeof x->id.b);
}

static lines from_documents(edn_client *c)
{
    edn_buf ids = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    lines l = {NULL, 0, 0};

    CHECK_OK(edn_store_scan(c->store, EDN_TABLE_ENTRY, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, true, add_id, &ids));
    for (size_t at = 0; at < ids.n; at += sizeof(edn_entry_id)) {
        edn_arena a = edn_arena_init(EDN_BUF_UNLIMITED);
        catalog_item it;
        edn_entry_id id;
        object *o;
        memcpy(id.b, ids.p + at, sizeof id.b);
        CHECK_OK(object_get(c, &id, &o));
        if (o->type == EDN_RECORD_ENTRY) {
            CHECK_OK(catalog_describe(c, o, &a, &it));
            CHECK_OK(add_line(&l, &it));
        }
        edn_arena_dispose(&a);
    }
    edn_buf_dispose(&ids);
    if (l.n)
        qsort(l.p, l.n, sizeof *l.p, by_place);
    return l;
}

static void check_range(edn_client *c, const lines *want, const char *from, const char *to, bool reverse)
{
    lines got = {NULL, 0, 0};
    size_t n = 0;

    CHECK_OK(catalog_list(c, edn_bytes_str(from), edn_bytes_str(to), reverse, add_line, &got));
    for (size_t i = 0; i < want->n; i++) {
        const line *w = &want->p[reverse ? want->n - 1 - i : i];
        edn_bytes date = edn_bytes_of(w->date, w->date_n);
        if ((*from && bytes_compare(date, edn_bytes_str(from)) < 0) ||
            (*to && bytes_compare(date, edn_bytes_str(to)) > 0))
            continue;
        CHECK(n < got.n);
        CHECK_BYTES(EDN_F(got.p[n].id), EDN_F(w->id));
        CHECK_INT(got.p[n++].deleted, w->deleted);
    }
    CHECK_INT(n, got.n);
    free(got.p);
}

typedef struct counting {
    const lines *l;
    size_t journals;
} counting;

static edn_status check_journal(void *ctx, const edn_journal *j)
{
    counting *k = ctx;
    uint64_t n = 0;

    for (size_t i = 0; i < k->l->n; i++)
        n += !k->l->p[i].deleted && memcmp(k->l->p[i].journal.b, j->id.b, sizeof j->id.b) == 0;
    CHECK_INT(j->entries, n);
    k->journals++;
    return EDN_OK;
}

static edn_status check_size(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    (void)key;
    CHECK_OK(st);
    *(size_t *)ctx = EDN_MAX(*(size_t *)ctx, value.n);
    return EDN_OK;
}

/* The catalog says what the documents say. Gives the size of its largest row. */
static size_t check_catalog(edn_client *c)
{
    lines want;
    counting k = {&want, 0};
    uint64_t live, deleted, live_n = 0;
    size_t largest = 0;

    CHECK_OK(client_begin_read(c, NULL));
    want = from_documents(c);
    check_range(c, &want, "", "", false);
    check_range(c, &want, "", "", true);
    check_range(c, &want, "2024-05-17", "2024-05-17", false);
    check_range(c, &want, "2024-05-17", "", true);
    check_range(c, &want, "2024-02-01", "2024-05-16", false);
    check_range(c, &want, "2024-06-01", "2024-05-01", false);
    for (size_t i = 0; i < want.n; i++)
        live_n += !want.p[i].deleted;
    CHECK_OK(catalog_counts(c, &live, &deleted));
    CHECK_INT(live, live_n);
    CHECK_INT(deleted, want.n - live_n);
    CHECK_OK(
        edn_store_scan(c->store, EDN_TABLE_CATALOG, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, check_size, &largest));
    CHECK_OK(client_end_read(c, EDN_OK, NULL));
    CHECK_OK(edn_client_journals(c, check_journal, &k, NULL));
    CHECK(k.journals >= 1);
    free(want.p);
    return largest;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

typedef struct batch_of {
    check_rng *rng;
    size_t left;
    const char *date; /* NULL: any of a year's */
    uint64_t created_ms;
    char buf[16];
} batch_of;

static edn_status next_entry(void *ctx, edn_import_item *item, bool *done)
{
    batch_of *b = ctx;

    *done = b->left == 0;
    if (*done)
        return EDN_OK;
    b->left--;
    snprintf(b->buf, sizeof b->buf, "2024-%02u-%02u", (unsigned)check_below(b->rng, 12) + 1,
             (unsigned)check_below(b->rng, 28) + 1);
    item->draft.date = edn_bytes_str(b->date ? b->date : b->buf);
    item->draft.title = edn_bytes_str("A title that people give");
    item->draft.text = edn_bytes_str("The beginning of a text that stands in the list, as long as most.");
    item->created_ms = b->created_ms ? b->created_ms + check_below(b->rng, 1000) : 0;
    return EDN_OK;
}

static void import(edn_client *c, batch_of b)
{
    edn_import_result r;

    CHECK_OK(edn_client_import(c, next_entry, &b, NULL, &r, NULL));
}

static edn_status add_entry_id(void *ctx, const edn_entry *e)
{
    edn_put_bytes(ctx, e->id.b, sizeof e->id.b);
    return EDN_OK;
}

/* Some of everything that moves an entry: dates, dates that are none, deletion, journals, titles. */
static void change_some(edn_client *c, check_rng *rng, size_t n, const edn_journal_id *journal)
{
    static const char *const dates[] = {"2024-05-17", "2024-05-16", "2024-05-18", "2024-01-01", "1999-12-31"};
    edn_buf ids = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_filter all = {.deleted = true};

    CHECK_OK(edn_client_list(c, &all, add_entry_id, &ids, NULL));
    for (size_t i = 0; i < n; i++) {
        edn_entry_id id;
        memcpy(id.b, ids.p + check_below(rng, ids.n / 16) * 16, sizeof id.b);
        switch (check_below(rng, 6)) {
        case 0:
            CHECK_OK(edn_client_remove(c, &id, NULL));
            break;
        case 1:
            CHECK_OK(edn_client_undelete(c, &id, NULL));
            break;
        case 2:
            CHECK_OK(edn_client_move(c, &id, journal, NULL));
            break;
        case 3:
            CHECK_OK(edn_client_set(c, &id, edn_bytes_str("title"), edn_bytes_str("x"), NULL));
            break;
        default:
            CHECK_OK(edn_client_set(c, &id, edn_bytes_str("date"),
                                    edn_bytes_str(dates[check_below(rng, EDN_COUNT(dates))]), NULL));
        }
    }
    edn_buf_dispose(&ids);
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void it_says_what_the_documents_say_whatever_happens(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    check_rng rng = {check_seed()};
    edn_journal_id j;
    size_t largest;

    check_catalog(a);
    CHECK_OK(edn_client_journal_new(a, edn_bytes_str("other"), &j, NULL));
    import(a, (batch_of){.rng = &rng, .left = 1500, .date = "2024-05-17", .created_ms = 1715900000000});
    import(a, (batch_of){.rng = &rng, .left = 300});
    CHECK(check_catalog(a) < (size_t)40 << 10);
    for (int i = 0; i < 3; i++) {
        change_some(a, &rng, 100, &j);
        largest = check_catalog(a);
        CHECK(largest < (size_t)40 << 10); /* what a change rewrites does not grow with a day */
    }
    edn_client_close(a);
    world_free(w);
}

static void an_emptied_month_leaves_no_row(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    check_rng rng = {check_seed()};
    edn_buf ids = EDN_BUF_INIT(EDN_BUF_UNLIMITED), rows = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    size_t before;

    import(a, (batch_of){.rng = &rng, .left = 1, .date = "2023-05-17"});
    import(a, (batch_of){.rng = &rng, .left = 400, .date = "2024-05-17"});
    CHECK_OK(edn_client_list(a, NULL, add_entry_id, &ids, NULL));
    CHECK_OK(client_begin_read(a, NULL));
    CHECK_OK(edn_store_scan(a->store, EDN_TABLE_CATALOG, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, true, add_id, &rows));
    CHECK_OK(client_end_read(a, EDN_OK, NULL));
    before = rows.n / 16;
    CHECK(before >= 6);                    /* months, the journal, two months' pages, and a directory */
    CHECK_OK(client_begin_write(a, NULL)); /* all in one, for speed */
    for (size_t at = 0; at < ids.n; at += 16) {
        edn_entry_id id;
        object *o;
        uint64_t seq;
        memcpy(id.b, ids.p + at, sizeof id.b);
        CHECK_OK(object_get(a, &id, &o));
        object_author(a, o);
        seq = edn_doc_agent_next(o->doc, client_agent(a));
        CHECK_OK(edn_doc_set(o->doc, edn_bytes_str("date"), edn_bytes_str("2023-05-17")));
        CHECK_OK(object_wrote(a, o, seq));
    }
    CHECK_OK(client_end_write(a, EDN_OK, NULL));
    check_catalog(a);
    edn_buf_reset(&rows);
    CHECK_OK(client_begin_read(a, NULL));
    CHECK_OK(edn_store_scan(a->store, EDN_TABLE_CATALOG, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, true, add_id, &rows));
    CHECK_OK(client_end_read(a, EDN_OK, NULL));
    CHECK(rows.n / 16 < before + 3); /* split in halves: a few more pages, nothing of the month that is gone */
    edn_buf_dispose(&rows);
    edn_buf_dispose(&ids);
    edn_client_close(a);
    world_free(w);
}

/* ---- a store of before there were parts -------------------------------------------------------------------------- */

typedef struct old_month {
    char name[MONTH_SIZE + 1];
    uint32_t live, deleted;
    edn_buf page;
} old_month;

typedef struct old_catalog {
    edn_client *c;
    old_month months[16];
    size_t n;
} old_catalog;

static edn_status put_old_item(void *ctx, const catalog_item *it)
{
    old_catalog *k = ctx;
    char name[MONTH_SIZE + 1];
    edn_buf item = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    old_month *m;

    month_of(it->date, name);
    if (k->n == 0 || strcmp(k->months[k->n - 1].name, name) != 0) {
        CHECK(k->n < EDN_COUNT(k->months));
        m = &k->months[k->n++];
        *m = (old_month){.page = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
        memcpy(m->name, name, sizeof name);
    }
    m = &k->months[k->n - 1];
    m->live += !it->deleted;
    m->deleted += it->deleted;
    edn_put_bytes(&item, it->id.b, sizeof it->id.b);
    edn_put_bytes(&item, it->journal.b, sizeof it->journal.b);
    edn_put_u64(&item, it->created_ms);
    edn_put_u64(&item, it->changed_ms);
    edn_put_u64(&item, it->text_size);
    edn_put_u8(&item, it->deleted);
    edn_put_lp(&item, it->date);
    edn_put_lp(&item, it->title);
    edn_put_lp(&item, it->preview);
    edn_put_u32(&item, 0);
    edn_put_lp(&m->page, edn_buf_view(&item));
    edn_buf_dispose(&item);
    return EDN_OK;
}

static edn_status gather_key(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    (void)value;
    CHECK_OK(st);
    edn_put_lp(ctx, key);
    return EDN_OK;
}

/* The head of an object with the month alone for its place. */
static void put_old_head(edn_client *c, const edn_entry_id *id)
{
    edn_buf row = EDN_BUF_INIT(EDN_BUF_UNLIMITED), now = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    char month[MONTH_SIZE + 1];
    edn_bytes place;

    CHECK_OK(edn_store_get(c->store, EDN_TABLE_ENTRY, id_bytes(id), &row));
    edn_reader r = edn_reader_init(edn_buf_view(&row));
    (void)edn_read_u16(&r, "version, type");
    for (int i = 0; i < 4; i++)
        (void)edn_read_varint(&r, "changed, tails, sizes");
    edn_put_bytes(&now, r.start, (size_t)(r.p - r.start));
    place = edn_read_bytes(&r, edn_read_u8(&r, "place size"), "place");
    if (place.n) {
        month_of(edn_bytes_of(place.p + 8, place.n - 8), month);
        edn_put_u8(&now, MONTH_SIZE);
        edn_put_bytes(&now, month, MONTH_SIZE);
    } else {
        edn_put_u8(&now, 0);
    }
    edn_put_bytes(&now, r.p, edn_reader_left(&r));
    CHECK_OK(edn_reader_status(&r));
    CHECK_OK(edn_store_put(c->store, EDN_TABLE_ENTRY, id_bytes(id), edn_buf_view(&now)));
    edn_buf_dispose(&row);
    edn_buf_dispose(&now);
}

/* All rows as that version wrote them. */
static void make_old(edn_client *c)
{
    old_catalog k = {.c = c};
    edn_buf keys = EDN_BUF_INIT(EDN_BUF_UNLIMITED), months = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_store_key_name key;

    CHECK_OK(client_begin_write(c, NULL));
    CHECK_OK(catalog_list(c, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, put_old_item, &k));
    CHECK_OK(edn_store_scan(c->store, EDN_TABLE_CATALOG, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, true, gather_key, &keys));
    for (edn_reader r = edn_reader_init(edn_buf_view(&keys)); edn_reader_left(&r) > 0;)
        CHECK_OK(edn_store_del(c->store, EDN_TABLE_CATALOG, edn_read_lp(&r, 64, "key")));
    edn_put_u8(&months, 1);
    for (size_t i = 0; i < k.n; i++) {
        edn_put_bytes(&months, k.months[i].name, MONTH_SIZE);
        edn_put_u32(&months, k.months[i].live);
        edn_put_u32(&months, k.months[i].deleted);
        key = edn_store_name(c->store, EDN_TABLE_CATALOG, "page", edn_bytes_str(k.months[i].name));
        CHECK_OK(edn_store_put(c->store, EDN_TABLE_CATALOG, EDN_F(key), edn_buf_view(&k.months[i].page)));
        edn_buf_dispose(&k.months[i].page);
    }
    key = edn_store_name(c->store, EDN_TABLE_CATALOG, "months", EDN_BYTES_EMPTY);
    CHECK_OK(edn_store_put(c->store, EDN_TABLE_CATALOG, EDN_F(key), edn_buf_view(&months)));
    edn_buf_reset(&keys);
    CHECK_OK(edn_store_scan(c->store, EDN_TABLE_ENTRY, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, true, add_id, &keys));
    for (size_t at = 0; at < keys.n; at += sizeof(edn_entry_id)) {
        edn_entry_id id;
        memcpy(id.b, keys.p + at, sizeof id.b);
        put_old_head(c, &id);
    }
    CHECK_OK(client_end_write(c, EDN_OK, NULL));
    edn_buf_dispose(&keys);
    edn_buf_dispose(&months);
}

static void an_older_store_opens_and_is_brought_up_to_date_as_it_changes(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    check_rng rng = {check_seed()};
    edn_journal_id j;

    CHECK_OK(edn_client_journal_new(a, edn_bytes_str("other"), &j, NULL));
    import(a, (batch_of){.rng = &rng, .left = 600, .date = "2024-05-17", .created_ms = 1715900000000});
    import(a, (batch_of){.rng = &rng, .left = 100});
    change_some(a, &rng, 60, &j);
    make_old(a);
    edn_client_close(a);
    a = world_open(w, "a");
    CHECK(check_catalog(a) > (size_t)60 << 10);                          /* read as it is: a day in one row */
    import(a, (batch_of){.rng = &rng, .left = 3, .date = "2024-05-17"}); /* several at once: counted once */
    CHECK(check_catalog(a) < (size_t)40 << 10);
    change_some(a, &rng, 100, &j);
    CHECK(check_catalog(a) < (size_t)40 << 10);
    edn_client_close(a);
    world_free(w);
}

/* ---- what is too long for a list --------------------------------------------------------------------------------- */

typedef struct seen {
    edn_entry_id id;
    size_t n, title_n, tags_n;
} seen;

static edn_status see(void *ctx, const edn_entry *e)
{
    seen *s = ctx;

    s->n++;
    s->id = e->id;
    s->title_n = e->title.n;
    s->tags_n = e->tags_n;
    return EDN_OK;
}

static void the_list_shows_beginnings_and_the_entry_all_of_it(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a");
    static char title[5001], names[100][8];
    edn_bytes tags[100];
    edn_draft d = {.title = edn_bytes_str(title), .text = edn_bytes_str("text"), .tags = tags, .tags_n = 100};
    edn_filter f = {.tag = edn_bytes_str("tag99")};
    edn_entry_id id;
    seen s = {.n = 0};

    memset(title, 't', sizeof title - 1);
    d.title = edn_bytes_str(title);
    for (size_t i = 0; i < EDN_COUNT(tags); i++) {
        snprintf(names[i], sizeof names[i], "tag%02zu", i);
        tags[i] = edn_bytes_str(names[i]);
    }
    CHECK_OK(edn_client_add(a, &d, &id, NULL));
    CHECK_OK(edn_client_list(a, NULL, see, &s, NULL));
    CHECK_INT(s.n, 1);
    CHECK_INT(s.title_n, 256);
    CHECK_INT(s.tags_n, 32);
    CHECK_OK(edn_client_list(a, &f, see, &s, NULL)); /* a tag that the list does not show */
    CHECK_INT(s.n, 2);
    f.tag = edn_bytes_str("tag100");
    CHECK_OK(edn_client_list(a, &f, see, &s, NULL));
    CHECK_INT(s.n, 2);
    CHECK_OK(edn_client_show(a, &id, see, &s, NULL));
    CHECK_INT(s.title_n, 5000);
    CHECK_INT(s.tags_n, 100);
    edn_client_close(a);
    world_free(w);
}

/* Another device may write what no front door lets through: it must cost that entry's list its length and no more. */
static void a_quarter_of_a_million_tags_hold_up_nothing(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *a = world_open(w, "a"), *b = world_open(w, "b");
    edn_draft d = {.date = edn_bytes_str("2024-05-17"), .text = edn_bytes_str("text")};
    edn_filter f = {.tag = edn_bytes_str("0259999")};
    edn_sync_result r;
    edn_entry_id many, other;
    uint64_t seq;
    object *o;
    seen s = {.n = 0};

    CHECK_OK(edn_client_add(a, &d, &many, NULL));
    CHECK_OK(edn_client_add(a, &d, &other, NULL));
    CHECK_OK(client_begin_write(a, NULL));
    CHECK_OK(object_get(a, &many, &o));
    object_author(a, o);
    seq = edn_doc_agent_next(o->doc, client_agent(a));
    for (unsigned i = 0; i < 260000; i++) {
        char tag[8];
        snprintf(tag, sizeof tag, "%07u", i);
        CHECK_OK(edn_doc_tag(o->doc, edn_bytes_str(tag), true));
    }
    CHECK_OK(object_wrote(a, o, seq));
    CHECK_OK(client_end_write(a, EDN_OK, NULL));
    CHECK_OK(edn_client_sync(a, NULL, &r, NULL));
    CHECK_OK(edn_client_sync(b, NULL, &r, NULL));
    CHECK_INT(r.findings, 0);
    CHECK_INT(r.set_aside, 0);
    CHECK_OK(edn_client_list(b, NULL, see, &s, NULL));
    CHECK_INT(s.n, 2);
    CHECK_OK(edn_client_list(b, &f, see, &s, NULL));
    CHECK_INT(s.n, 3);
    CHECK_BYTES(EDN_F(s.id), EDN_F(many));
    CHECK_OK(edn_client_show(b, &many, see, &s, NULL));
    CHECK_INT(s.tags_n, 260000);
    CHECK_OK(edn_client_show(b, &other, see, &s, NULL));
    edn_client_close(a);
    edn_client_close(b);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_what_the_documents_say_whatever_happens),
        cmocka_unit_test(an_emptied_month_leaves_no_row),
        cmocka_unit_test(an_older_store_opens_and_is_brought_up_to_date_as_it_changes),
        cmocka_unit_test(the_list_shows_beginnings_and_the_entry_all_of_it),
        cmocka_unit_test(a_quarter_of_a_million_tags_hold_up_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
