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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_device_searches_before_it_has_entries),
    };
    (void)items_of;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
