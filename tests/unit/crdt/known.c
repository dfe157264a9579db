/* Documents, messages and anchors of format 1, as tests/kat/crdt.txt keeps them: they open, today and in every later
 * version, and are what is made of the same edits today. `EDN_WRITE=1 unit-crdt-known` prints that file: only to add to
 * it. What it has stays: it lies on people's disks. */
#include <edn/crdt.h>

#include "kat.h"

static const edn_agent_id ada = {{0xad, 0xa0}}, bea = {{0xbe, 0xa0}}, cy = {{0x0c, 0x10}};

static edn_bytes str(const char *s) { return edn_bytes_str(s); }

static edn_doc *doc_by(edn_agent_id who, uint64_t time_ms)
{
    edn_doc *doc;

    CHECK_OK(edn_doc_new(&doc));
    edn_doc_author(doc, who, time_ms);
    return doc;
}

static void send(const edn_doc *from, edn_agent_id who, edn_doc *to)
{
    edn_buf m = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    uint64_t next;

    CHECK_OK(edn_doc_encode_events(from, who, edn_doc_agent_next(to, who), EDN_BUF_UNLIMITED, &m, &next));
    if (m.n)
        CHECK_OK(edn_doc_merge(to, edn_buf_view(&m), NULL, NULL));
    edn_buf_dispose(&m);
}

/* Typing, backspaces, deletions forwards, letters of every width. */
static edn_doc *typed(void)
{
    edn_doc *doc = doc_by(ada, 1577836800000u);

    CHECK_OK(edn_doc_insert(doc, 0, str("A dai\n")));
    CHECK_OK(edn_doc_delete(doc, 4, 1));
    CHECK_OK(edn_doc_insert(doc, 4, str("y by the s")));
    edn_doc_author(doc, ada, 1577836860000u);
    for (size_t i = 0; i < 3; i++)
        CHECK_OK(edn_doc_delete(doc, 13 - i, 1));
    CHECK_OK(edn_doc_insert(doc, 11, str("caf\xc3\xa9, \xe6\x97\xa5\xe8\xa8\x98, \xf0\x9f\x98\x80")));
    CHECK_OK(edn_doc_insert(doc, edn_doc_text_count(doc), str("the end")));
    CHECK_OK(edn_doc_delete(doc, 0, 2));
    return doc;
}

/* Three people at once, two rounds of it. */
static edn_doc *merged(void)
{
    edn_doc *a = typed(), *b = doc_by(bea, 1577836900000u), *c = doc_by(cy, 1577836950000u);

    send(a, ada, b);
    send(a, ada, c);
    CHECK_OK(edn_doc_set(a, str("title"), str("By the sea")));
    CHECK_OK(edn_doc_insert(a, 3, str("ada ")));
    CHECK_OK(edn_doc_set(b, str("title"), str("At the sea")));
    CHECK_OK(edn_doc_set(b, str("mood"), str("calm")));
    CHECK_OK(edn_doc_insert(b, 3, str("bea ")));
    CHECK_OK(edn_doc_delete(b, 0, 2));
    CHECK_OK(edn_doc_tag(b, str("sea"), true));
    CHECK_OK(edn_doc_tag(c, str("sea"), true));
    CHECK_OK(edn_doc_tag(c, str("caf\xc3\xa9"), true));
    CHECK_OK(edn_doc_insert(c, 0, str("cy ")));
    send(b, bea, a);
    send(c, cy, a);
    send(c, cy, b);
    send(a, ada, b);
    edn_doc_author(b, bea, 1577837000000u);
    CHECK_OK(edn_doc_tag(b, str("sea"), false));
    CHECK_OK(edn_doc_insert(b, edn_doc_text_count(b), str(".")));
    CHECK_OK(edn_doc_set(a, str("mood"), EDN_BYTES_EMPTY));
    CHECK_OK(edn_doc_delete(a, 1, 5));
    send(b, bea, a);
    edn_doc_free(b);
    edn_doc_free(c);
    return a;
}

static edn_doc *empty(void) { return doc_by(ada, 0); }

static edn_doc *removed(void)
{
    edn_doc *doc = typed();

    CHECK_OK(edn_doc_remove(doc));
    return doc;
}

static edn_doc *conflict(void)
{
    edn_doc *a = removed(), *b = doc_by(bea, 1577836900000u);
    edn_doc *before = typed();

    send(before, ada, b);
    CHECK_OK(edn_doc_insert(b, 0, str("still here: ")));
    send(b, bea, a);
    edn_doc_free(before);
    edn_doc_free(b);
    return a;
}

/* What each of them shows. */
static const struct sample {
    const char *name;
    edn_doc *(*make)(void);
    const char *text, *title, *mood, *tags;
    edn_doc_state state;
    uint64_t events;
} samples[] = {
    {"empty", empty, "", "", "", "", EDN_DOC_LIVE, 0},
    {"typed", typed, "day by thcaf\xc3\xa9, \xe6\x97\xa5\xe8\xa8\x98, \xf0\x9f\x98\x80\nthe end", "", "", "",
     EDN_DOC_LIVE, 40},
    {"merged", merged, "ca bea  by thcaf\xc3\xa9, \xe6\x97\xa5\xe8\xa8\x98, \xf0\x9f\x98\x80\nthe end.", "At the sea",
     "", "caf\xc3\xa9", EDN_DOC_LIVE, 67},
    {"removed", removed, "day by thcaf\xc3\xa9, \xe6\x97\xa5\xe8\xa8\x98, \xf0\x9f\x98\x80\nthe end", "", "", "",
     EDN_DOC_DELETED, 41},
    {"conflict", conflict, "still here: day by thcaf\xc3\xa9, \xe6\x97\xa5\xe8\xa8\x98, \xf0\x9f\x98\x80\nthe end", "",
     "", "", EDN_DOC_CONFLICT, 53},
};

static void shows(const edn_doc *doc, const struct sample *s)
{
    edn_buf text = EDN_BUF_INIT(EDN_BUF_UNLIMITED), tags = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_bytes value;

    CHECK_OK(edn_doc_text(doc, &text));
    CHECK_STR(edn_buf_view(&text), s->text);
    CHECK_STATUS(edn_doc_get(doc, str("title"), &value), *s->title ? EDN_OK : EDN_E_MISSING);
    CHECK_STR(value, s->title);
    CHECK_STATUS(edn_doc_get(doc, str("mood"), &value), *s->mood ? EDN_OK : EDN_E_MISSING);
    CHECK_STR(value, s->mood);
    for (size_t i = 0; edn_doc_tag_at(doc, i, &value); i++) {
        edn_put_str(&tags, i ? "," : "");
        edn_put_bytes(&tags, value.p, value.n);
    }
    CHECK_STR(edn_buf_view(&tags), s->tags);
    CHECK_INT(edn_doc_state_of(doc), s->state);
    CHECK_INT(edn_doc_event_count(doc), s->events);
    edn_buf_dispose(&text);
    edn_buf_dispose(&tags);
}

/* What is kept under a name, or, when it is to be written, printed. */
static void kept(const char *name, const char *form, edn_bytes today)
{
    char full[64];
    edn_bytes b;

    snprintf(full, sizeof full, "%s %s", name, form);
    if (getenv("EDN_WRITE")) {
        printf("%s\n", full);
        for (size_t i = 0; i < today.n; i += 48) {
            printf("  ");
            for (size_t k = i; k < today.n && k < i + 48; k++)
                printf("%02x", today.p[k]);
            printf("\n");
        }
        return;
    }
    b = kat_bytes("crdt.txt", full);
    CHECK_BYTES(today, b);
    free((void *)b.p);
}

static void documents_of_format_1_open_and_are_made_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDN_COUNT(samples); i++) {
        const struct sample *s = &samples[i];
        edn_doc *doc = s->make(), *open;
        edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        CHECK_OK(edn_doc_encode(doc, &b));
        kept(s->name, "document", edn_buf_view(&b));
        if (!getenv("EDN_WRITE")) {
            char full[64];
            edn_bytes old;
            snprintf(full, sizeof full, "%s document", s->name);
            old = kat_bytes("crdt.txt", full);
            CHECK_OK(edn_doc_decode(old, &open));
            shows(open, s);
            CHECK_OK(edn_doc_check(open));
            edn_doc_author(open, bea, 1600000000000u);
            CHECK_OK(edn_doc_insert(open, 0, str("and goes on: "))); /* and can be written to */
            edn_doc_free(open);
            free((void *)old.p);
        }
        edn_buf_dispose(&b);
        edn_doc_free(doc);
    }
}

/* Each author's messages of at most `size` bytes, in an order that can be taken in; then the same as one bundle. */
static void messages_of_format_1_are_taken_in_and_made_the_same(void **state)
{
    static const edn_agent_id *const agents[] = {&ada, &cy, &bea};
    static const char *const names[] = {"ada", "cy", "bea"};
    edn_doc *doc = merged(), *other;
    edn_buf want = EDN_BUF_INIT(EDN_BUF_UNLIMITED), got = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_buf m = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    (void)state;
    CHECK_OK(edn_doc_new(&other));
    CHECK_OK(edn_doc_encode(doc, &want));
    for (unsigned round = 0; round < 40; round++) {
        for (size_t i = 0; i < EDN_COUNT(agents); i++) {
            uint64_t from = edn_doc_agent_next(other, *agents[i]), next;
            char name[64];
            bool bare = round % 2;
            edn_status st;
            if (from == edn_doc_agent_next(doc, *agents[i]))
                continue;
            edn_buf_reset(&m);
            CHECK_OK((bare ? edn_doc_encode_bare : edn_doc_encode_events)(doc, *agents[i], from, 60, &m, &next));
            st = bare ? edn_doc_merge_bare(other, *agents[i], edn_buf_view(&m), NULL, NULL)
                      : edn_doc_merge(other, edn_buf_view(&m), NULL, NULL);
            if (st == EDN_E_PARENTS)
                continue;
            CHECK_OK(st);
            snprintf(name, sizeof name, "%s %u", names[i], (unsigned)from);
            kept(name, bare ? "bare" : "message", edn_buf_view(&m));
        }
    }
    CHECK_OK(edn_doc_encode(other, &got));
    CHECK_BYTES(edn_buf_view(&got), edn_buf_view(&want));
    edn_buf_reset(&m);
    CHECK_OK(edn_doc_encode_since(doc, (edn_version){NULL, 0}, &m));
    kept("all", "bundle", edn_buf_view(&m));
    edn_buf_dispose(&m);
    edn_buf_dispose(&want);
    edn_buf_dispose(&got);
    edn_doc_free(doc);
    edn_doc_free(other);
}

static void anchors_of_format_1_lead_where_they_did(void **state)
{
    edn_doc *doc = merged();
    edn_range r;
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    size_t pos, count;

    (void)state;
    CHECK_OK(edn_doc_range(doc, 7, 3, &r));
    edn_range_encode(&r, &b);
    kept("three", "range", edn_buf_view(&b));
    if (!getenv("EDN_WRITE")) {
        edn_bytes old = kat_bytes("crdt.txt", "three range");
        CHECK_OK(edn_range_decode(old, &r));
        CHECK_OK(edn_doc_range_place(doc, &r, &pos, &count));
        CHECK_INT(pos, 7);
        CHECK_INT(count, 3);
        free((void *)old.p);
    }
    edn_buf_dispose(&b);
    edn_doc_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_of_format_1_open_and_are_made_the_same),
        cmocka_unit_test(messages_of_format_1_are_taken_in_and_made_the_same),
        cmocka_unit_test(anchors_of_format_1_lead_where_they_did),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
