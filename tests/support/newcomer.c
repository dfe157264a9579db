#include "newcomer.h"

/* ---- a diary worth publishing ------------------------------------------------------------------------------------ */

void write_some(edn_client *c, unsigned from, unsigned n)
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

edn_client *open_small(world *w, const char *device)
{
    edn_client *c = world_open(w, device);

    c->index->publish_min = 10;
    return c;
}

/* "a" has written and published; "b" has joined the account and has nothing yet. */
two published(void)
{
    two t = {.w = world_of_two()};

    t.a = open_small(t.w, "a");
    diary_sync(t.a);
    write_some(t.a, 0, NEWCOMER_ENTRIES);
    diary_sync(t.a);
    t.b = open_small(t.w, "b");
    return t;
}

/* ---- searching --------------------------------------------------------------------------------------------------- */

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

void note_finding(void *ctx, const edn_finding *f)
{
    seen *s = ctx;

    s->findings++;
    snprintf(s->text, sizeof s->text, "%s", f->text);
}

edn_search_result find(edn_client *c, const char *query, seen *s)
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
size_t same_hits(edn_client *a, edn_client *b, const char *query)
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

edn_fetch_result fetch(edn_client *c, bool quiet, seen *s)
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

const char *const queries[NEWCOMER_QUERIES] = {"sea",       "king betimes", "number3",      "da*",       "tag:travel",
                                               "title:day", "from:2020",    "sea -betimes", "on:2020-03"};

bool among(const seen *s, const edn_entry_id *id)
{
    for (size_t i = 0; i < s->n; i++)
        if (memcmp(s->ids[i].b, id->b, sizeof id->b) == 0)
            return true;
    return false;
}
