/* Each sentence of edn/crdt.h, and each refusal. */
#include <edn/crdt.h>

#include "check.h"

static const edn_agent_id alice = {{1}}, bob = {{2}}, carol = {{3}};

static edn_doc *doc_of(edn_agent_id who)
{
    edn_doc *doc;

    CHECK_OK(edn_doc_new(&doc));
    edn_doc_author(doc, who, 1000);
    return doc;
}

static edn_buf text_of(const edn_doc *doc)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    CHECK_OK(edn_doc_text(doc, &b));
    return b;
}

static void text_is(const edn_doc *doc, const char *want)
{
    edn_buf b = text_of(doc);

    CHECK_STR(edn_buf_view(&b), want);
    edn_buf_dispose(&b);
}

static edn_buf whole(const edn_doc *doc)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    CHECK_OK(edn_doc_encode(doc, &b));
    return b;
}

static edn_buf events(const edn_doc *doc, edn_agent_id who, uint64_t from)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    uint64_t next;

    CHECK_OK(edn_doc_encode_events(doc, who, from, SIZE_MAX / 2, &b, &next));
    CHECK_INT(next, edn_doc_agent_next(doc, who));
    return b;
}

static void send(const edn_doc *from, edn_agent_id who, edn_doc *to)
{
    edn_buf b = events(from, who, edn_doc_agent_next(to, who));

    if (b.n)
        CHECK_OK(edn_doc_merge(to, edn_buf_view(&b), NULL, NULL));
    edn_buf_dispose(&b);
}

static void insert(edn_doc *doc, size_t pos, const char *text)
{
    CHECK_OK(edn_doc_insert(doc, pos, edn_bytes_str(text)));
}

static void same(const edn_doc *a, const edn_doc *b)
{
    edn_buf x = whole(a), y = whole(b);

    CHECK_BYTES(edn_buf_view(&x), edn_buf_view(&y));
    edn_buf_dispose(&x);
    edn_buf_dispose(&y);
}

/* Whatever is refused leaves the document as it was. */
static void refused(edn_doc *doc, edn_status got, edn_status want, const edn_buf *before)
{
    edn_buf after = whole(doc);

    CHECK_STATUS(got, want);
    CHECK_BYTES(edn_buf_view(&after), edn_buf_view(before));
    edn_buf_dispose(&after);
}

static void refuses_wrong_edits_and_changes_nothing(void **state)
{
    (void)state;
    edn_doc *doc = doc_of(alice), *nobody;
    uint8_t big[EDN_DOC_FIELD_SIZE_MAX + 1] = {0};
    insert(doc, 0, "caf\xc3\xa9");
    edn_buf before = whole(doc);

    refused(doc, edn_doc_insert(doc, 5, edn_bytes_str("x")), EDN_E_INVALID, &before);
    refused(doc, edn_doc_delete(doc, 4, 1), EDN_E_INVALID, &before);
    refused(doc, edn_doc_delete(doc, 1, SIZE_MAX), EDN_E_INVALID, &before);
    refused(doc, edn_doc_insert(doc, 0, edn_bytes_str("\xff")), EDN_E_UTF8, &before);
    refused(doc, edn_doc_set(doc, edn_bytes_of(big, 65), EDN_BYTES_EMPTY), EDN_E_LIMIT, &before);
    refused(doc, edn_doc_set(doc, edn_bytes_str("n"), edn_bytes_of(big, sizeof big)), EDN_E_LIMIT, &before);
    refused(doc, edn_doc_tag(doc, edn_bytes_of(big, 257), true), EDN_E_LIMIT, &before);
    refused(doc, edn_doc_tag(doc, edn_bytes_str("none"), false), EDN_OK, &before);
    refused(doc, edn_doc_delete(doc, 2, 0), EDN_OK, &before);
    refused(doc, edn_doc_insert(doc, 2, EDN_BYTES_EMPTY), EDN_OK, &before);
    CHECK_OK(edn_doc_new(&nobody));
    CHECK_STATUS(edn_doc_insert(nobody, 0, edn_bytes_str("x")), EDN_E_INVALID);
    CHECK_STATUS(edn_doc_remove(nobody), EDN_E_INVALID);
    CHECK_INT(edn_doc_event_count(nobody), 0);
    edn_doc_free(nobody);
    edn_doc_free(doc);
    edn_doc_free(NULL);
    edn_buf_dispose(&before);
}

static void passages_typed_at_one_place_stay_whole(void **state)
{
    (void)state;
    for (int back = 0; back < 2; back++) {
        edn_doc *a = doc_of(alice), *b = doc_of(bob);
        insert(a, 0, "[]");
        send(a, alice, b);
        for (size_t i = 0; i < 6; i++) { /* forwards, or each letter in front of the last */
            insert(a, back ? 1 : 1 + i, (char[]){back ? "tsetla"[i] : "latest"[i], 0});
            insert(b, back ? 1 : 1 + i, (char[]){back ? "SSENEW"[i] : "NEWEST"[i], 0});
        }
        send(a, alice, b);
        send(b, bob, a);
        same(a, b);
        edn_buf t = text_of(a);
        const char *word = back ? "altest" : "latest", *other = back ? "WENESS" : "NEWEST";
        edn_put_u8(&t, 0);
        CHECK(strstr((const char *)t.p, word) && strstr((const char *)t.p, other));
        edn_buf_dispose(&t);
        edn_doc_free(a);
        edn_doc_free(b);
    }
}

static void deleting_and_correcting_leave_no_stray_letter(void **state)
{
    (void)state;
    edn_doc *a = doc_of(alice), *b = doc_of(bob);
    insert(a, 0, "one word here");
    send(a, alice, b);
    CHECK_OK(edn_doc_delete(a, 4, 5));
    CHECK_OK(edn_doc_delete(b, 2, 7));
    send(a, alice, b);
    send(b, bob, a);
    text_is(a, "onhere");
    same(a, b);
    edn_doc_free(a);
    edn_doc_free(b);
}

static void the_last_writer_by_lamport_time_wins(void **state)
{
    (void)state;
    edn_doc *a = doc_of(alice), *b = doc_of(bob);
    edn_bytes v;
    edn_doc_author(a, alice, 9999999); /* wall clocks do not count */
    CHECK_OK(edn_doc_set(a, edn_bytes_str("mood"), edn_bytes_str("glad")));
    insert(b, 0, "three");
    CHECK_OK(edn_doc_set(b, edn_bytes_str("mood"), edn_bytes_str("tired")));
    send(a, alice, b);
    send(b, bob, a);
    same(a, b);
    CHECK_OK(edn_doc_get(a, edn_bytes_str("mood"), &v));
    CHECK_STR(v, "tired");
    CHECK_OK(edn_doc_set(a, edn_bytes_str("mood"), EDN_BYTES_EMPTY));
    CHECK_STATUS(edn_doc_get(a, edn_bytes_str("mood"), &v), EDN_E_MISSING);
    edn_bytes name;
    CHECK(!edn_doc_field_at(a, 0, &name, &v));
    edn_doc_free(a);
    edn_doc_free(b);
}

static void an_addition_wins_over_a_removal_beside_it(void **state)
{
    (void)state;
    edn_doc *a = doc_of(alice), *b = doc_of(bob), *c = doc_of(carol);
    edn_bytes tag = edn_bytes_str("sea"), got;
    CHECK_OK(edn_doc_tag(a, tag, true));
    send(a, alice, b);
    send(a, alice, c);
    CHECK_OK(edn_doc_tag(b, tag, false));
    CHECK(!edn_doc_tag_at(b, 0, &got));
    CHECK_OK(edn_doc_tag(c, tag, false));
    CHECK_OK(edn_doc_tag(c, tag, true));
    send(b, bob, c);
    send(c, carol, b);
    CHECK(edn_doc_tag_at(b, 0, &got));
    CHECK_BYTES(got, tag);
    same(b, c);
    edn_doc_free(a);
    edn_doc_free(b);
    edn_doc_free(c);
}

static void deleting_beside_an_edit_is_a_conflict(void **state)
{
    (void)state;
    edn_doc *a = doc_of(alice), *b = doc_of(bob);
    insert(a, 0, "text");
    send(a, alice, b);
    CHECK_OK(edn_doc_remove(a));
    CHECK_INT(edn_doc_state_of(a), EDN_DOC_DELETED);
    insert(b, 4, "!");
    send(a, alice, b);
    send(b, bob, a);
    CHECK_INT(edn_doc_state_of(a), EDN_DOC_CONFLICT);
    CHECK_INT(edn_doc_state_of(b), EDN_DOC_CONFLICT);
    CHECK_INT(edn_doc_frontier(a).n, 2);
    CHECK_OK(edn_doc_revive(b));
    CHECK_INT(edn_doc_state_of(b), EDN_DOC_LIVE);
    CHECK_INT(edn_doc_frontier(b).n, 1);
    text_is(b, "text!");
    edn_doc_free(a);
    edn_doc_free(b);
}

static void a_hundred_megabytes_travel_in_messages_of_one(void **state)
{
    (void)state;
    size_t n = (size_t)100 << 20;
    uint8_t *text = malloc(n);
    edn_doc *a = doc_of(alice), *b = doc_of(bob);
    uint64_t at = 0;
    size_t messages = 0;
    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        text[i] = i % 61 == 0 ? '\n' : (uint8_t)('a' + i % 23);
    memcpy(text + n / 2, "\xf0\x9f\x98\x80", 4);
    CHECK_OK(edn_doc_insert(a, 0, edn_bytes_of(text, n)));
    for (;;) {
        edn_buf m = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        uint64_t next;
        CHECK_OK(edn_doc_encode_events(a, alice, at, 1u << 20, &m, &next));
        if (next == at)
            break;
        CHECK(m.n <= (1u << 20) + 64);
        CHECK_OK(edn_doc_merge(b, edn_buf_view(&m), NULL, NULL));
        edn_buf_dispose(&m);
        at = next;
        messages++;
    }
    CHECK(messages >= 100 && messages <= 103);
    CHECK_OK(edn_doc_insert(b, n / 3, edn_bytes_str("here")));
    CHECK_INT(edn_doc_text_size(b), n + 4);
    send(b, bob, a);
    edn_buf x = text_of(a), y = text_of(b);
    CHECK(edn_bytes_equal(edn_buf_view(&x), edn_buf_view(&y)));
    edn_doc_place place = edn_doc_place_of(b, EDN_UNIT_BYTE, n);
    CHECK_INT(place.scalar, n - 3); /* the emoji is one */
    CHECK_INT(place.utf16, n - 2);
    CHECK_INT(edn_doc_place_of(b, EDN_UNIT_LINE, place.line).scalar, place.scalar - place.column);
    edn_buf_reset(&y);
    CHECK_OK(edn_doc_text_part(b, n / 3 - 1, 6, &y));
    CHECK_BYTES(edn_buf_view(&y), edn_bytes_of(x.p + n / 3 - 1, 6));
    edn_buf_reset(&y);
    CHECK_OK(edn_doc_text_part(b, n, 6, &y)); /* one scalar is left there */
    CHECK_INT(y.n, 1);
    CHECK(memcmp(x.p, text, n / 3) == 0 && memcmp(x.p + n / 3 + 4, text + n / 3, n - n / 3) == 0);
    edn_buf_dispose(&x);
    edn_buf_dispose(&y);
    edn_doc_free(a);
    edn_doc_free(b);
    free(text);
}

static void messages_out_of_turn_wait_for_their_parents(void **state)
{
    (void)state;
    edn_doc *a = doc_of(alice), *b = doc_of(bob), *c = doc_of(carol);
    insert(a, 0, "abc");
    send(a, alice, b);
    insert(b, 3, "def");
    edn_buf m = events(b, bob, 0), late = events(a, alice, 1), none = EDN_BUF_INIT(16), before = whole(c);
    refused(c, edn_doc_merge(c, edn_buf_view(&m), NULL, NULL), EDN_E_PARENTS, &before);
    refused(c, edn_doc_merge(c, edn_buf_view(&late), NULL, NULL), EDN_E_PARENTS, &before);
    send(a, alice, c);
    CHECK_OK(edn_doc_merge(c, edn_buf_view(&m), NULL, NULL));
    edn_buf_dispose(&before);
    before = whole(c);
    refused(c, edn_doc_merge(c, edn_buf_view(&m), NULL, NULL), EDN_OK, &before);
    text_is(c, "abcdef");
    uint64_t next;
    CHECK_OK(edn_doc_encode_events(c, bob, 3, 100, &none, &next));
    CHECK_INT(next, 3);
    CHECK_INT(none.n, 0);
    CHECK_OK(edn_doc_encode_events(c, carol, 0, 100, &none, &next));
    CHECK_INT(next, 0);
    edn_buf_dispose(&m);
    edn_buf_dispose(&late);
    edn_buf_dispose(&before);
    edn_buf_dispose(&none);
    edn_doc_free(a);
    edn_doc_free(b);
    edn_doc_free(c);
}

/* A message by `alice` with one op, by hand: see the layout above src/crdt/block.c. */
static edn_buf crafted(uint64_t op, uint64_t pos, const char *text)
{
    edn_buf b = EDN_BUF_INIT(1024);

    edn_put_u8(&b, 0x15); /* author, times */
    edn_put_bytes(&b, alice.b, 16);
    edn_put_varint(&b, 0); /* seq */
    edn_put_varint(&b, op);
    edn_put_varint(&b, (op & 3) == 3 ? 1 : op / 4 + 1);
    edn_put_varint(&b, 2000);
    if ((op & 3) != 3)
        edn_put_varint(&b, pos);
    edn_put_str(&b, text);
    return b;
}

static void hostile_messages_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint64_t op, pos;
        const char *text;
        edn_status want;
    } cases[] = {
        {0 + 4 * 2, 0, "abc", EDN_OK},
        {0 + 4 * 2, 2, "abc", EDN_E_FORMAT}, /* past the end */
        {0 + 4 * 2, 1, "abc", EDN_E_FORMAT}, /* in front of the beginning */
        {0 + 4 * 2, 0, "ab", EDN_E_FORMAT},
        {0 + 4 * 2, 0, "abcd", EDN_E_FORMAT},
        {0, 0, "\xff", EDN_E_FORMAT},
        {1, 0, "", EDN_E_FORMAT},
        {2 + 4 * 1, 2, "", EDN_E_FORMAT},
        {2, 0, "", EDN_E_FORMAT},
        {3 + 4 * 3, 0, "", EDN_OK},
        {3 + 4 * 5, 0, "", EDN_E_FORMAT},
        {0 + 4 * 65536ull, 0, "", EDN_E_FORMAT},
    };
    for (size_t i = 0; i < EDN_COUNT(cases); i++) {
        edn_buf b = crafted(cases[i].op, cases[i].pos, cases[i].text);
        edn_doc *doc = doc_of(bob);
        CHECK_STATUS(edn_doc_merge(doc, edn_buf_view(&b), NULL, NULL), cases[i].want);
        CHECK_INT(edn_doc_event_count(doc) > 0, cases[i].want == EDN_OK);
        edn_put_u8(&b, 0);
        edn_doc_free(doc);
        doc = doc_of(bob);
        if (cases[i].want == EDN_OK) /* a byte too many */
            CHECK_STATUS(edn_doc_merge(doc, edn_buf_view(&b), NULL, NULL), EDN_E_FORMAT);
        edn_doc_free(doc);
        edn_buf_dispose(&b);
    }
}

/* A document with some of everything, concurrent too. */
static edn_doc *rich(void)
{
    edn_doc *a = doc_of(alice), *b = doc_of(bob), *c = doc_of(carol);

    insert(a, 0, "Dear diary, it r\xc3\xa4ins.\n");
    CHECK_OK(edn_doc_set(a, edn_bytes_str("title"), edn_bytes_str("Rain")));
    CHECK_OK(edn_doc_tag(a, edn_bytes_str("weather"), true));
    send(a, alice, b);
    send(a, alice, c);
    edn_doc_author(b, bob, 70000);
    insert(b, 5, "est");
    CHECK_OK(edn_doc_delete(b, 0, 4));
    insert(c, 5, "old ");
    for (size_t i = 9; i-- > 5;)
        CHECK_OK(edn_doc_delete(c, i, 1));
    CHECK_OK(edn_doc_tag(c, edn_bytes_str("weather"), false));
    send(b, bob, a);
    send(c, carol, a);
    insert(a, 2, "!");
    CHECK_OK(edn_doc_remove(a));
    insert(b, 0, "\xf0\x9f\x8c\xa7");
    send(b, bob, a);
    edn_doc_free(b);
    edn_doc_free(c);
    return a;
}

static edn_status print_change(void *ctx, const edn_change *c)
{
    static const char kinds[] = "idftur!";
    edn_buf *b = ctx;
    char line[128];

    snprintf(line, sizeof line, "%c%u+%llu*%llu@%llu/%zu", kinds[c->kind], c->first.agent.b[0],
             (unsigned long long)c->first.seq, (unsigned long long)c->count, (unsigned long long)c->time_ms, c->size);
    edn_put_str(b, line);
    edn_put_bytes(b, c->name.p, c->name.n);
    edn_put_str(b, " ");
    return EDN_OK;
}

/* Decodes and reads the history. */
static edn_status opened(edn_bytes in, edn_doc **out)
{
    edn_status st = edn_doc_decode(in, out);

    if (st == EDN_OK && (st = edn_doc_check(*out)) != EDN_OK) {
        edn_doc_free(*out);
        *out = NULL;
    }
    return st;
}

static void a_damaged_history_shows_when_it_is_asked_for(void **state)
{
    (void)state;
    edn_doc *doc = rich(), *back, *other;
    edn_buf b = whole(doc), text = text_of(doc), h = EDN_BUF_INIT(4096), m = EDN_BUF_INIT(4096);
    uint64_t next;

    b.p[b.n - 1] ^= 0x80;
    CHECK_OK(edn_doc_decode(edn_buf_view(&b), &back));
    edn_buf shown = text_of(back), again = whole(back);
    CHECK_BYTES(edn_buf_view(&shown), edn_buf_view(&text));
    CHECK_INT(edn_doc_event_count(back), edn_doc_event_count(doc));
    CHECK_INT(edn_doc_agent_next(back, bob), edn_doc_agent_next(doc, bob));
    CHECK_INT(edn_doc_frontier(back).n, edn_doc_frontier(doc).n);
    edn_doc_author(back, carol, 7);
    CHECK_STATUS(edn_doc_insert(back, 0, edn_bytes_str("x")), EDN_E_FORMAT);
    CHECK_STATUS(edn_doc_set(back, edn_bytes_str("x"), edn_bytes_str("y")), EDN_E_FORMAT);
    CHECK_STATUS(edn_doc_encode_events(back, alice, 0, 100, &m, &next), EDN_E_FORMAT);
    CHECK_STATUS(edn_doc_history(back, print_change, &h), EDN_E_FORMAT);
    CHECK_STATUS(edn_doc_at(back, edn_doc_frontier(back), &other), EDN_E_FORMAT);
    CHECK_STATUS(edn_doc_without(back, alice, 0, &other), EDN_E_FORMAT);
    CHECK_STATUS(edn_doc_check(back), EDN_E_FORMAT);
    CHECK_BYTES(edn_buf_view(&again), edn_buf_view(&b)); /* what cannot be read is kept */
    edn_buf_dispose(&b);
    edn_buf_dispose(&text);
    edn_buf_dispose(&shown);
    edn_buf_dispose(&again);
    edn_buf_dispose(&h);
    edn_buf_dispose(&m);
    edn_doc_free(back);
    edn_doc_free(doc);
}

static void a_borrowed_tag_can_be_taken_off(void **state)
{
    (void)state;
    edn_doc *doc = doc_of(alice), *back;
    edn_bytes tag;
    CHECK_OK(edn_doc_tag(doc, edn_bytes_str("a long enough tag to be copied elsewhere"), true));
    edn_buf b = whole(doc);
    CHECK_OK(edn_doc_decode(edn_buf_view(&b), &back));
    edn_doc_author(back, bob, 1);
    CHECK(edn_doc_tag_at(back, 0, &tag));
    CHECK_OK(edn_doc_tag(back, tag, false));
    CHECK(!edn_doc_tag_at(back, 0, &tag));
    for (int i = 0; i < 20; i++) {
        CHECK(edn_doc_tag_at(doc, 0, &tag));
        CHECK_OK(edn_doc_set(doc, tag, tag)); /* borrowed from the document that copies it */
    }
    edn_buf_dispose(&b);
    edn_doc_free(back);
    edn_doc_free(doc);
}

static void every_other_encoding_is_refused(void **state)
{
    (void)state;
    edn_doc *doc = rich(), *back;
    edn_buf b = whole(doc);

    CHECK_OK(opened(edn_buf_view(&b), &back));
    same(doc, back);
    CHECK_INT(edn_doc_state_of(back), edn_doc_state_of(doc));
    edn_doc_free(back);
    for (size_t n = 0; n < b.n; n++) {
        CHECK_STATUS(opened(edn_bytes_of(b.p, n), &back), EDN_E_FORMAT);
        assert_null(back);
    }
    /* Some flips give another valid document; then that is its one encoding. Whatever opens can be used. */
    for (size_t i = 0; i < b.n * 8; i++) {
        b.p[i / 8] ^= (uint8_t)(1u << (i % 8));
        edn_status st = opened(edn_buf_view(&b), &back);
        if (st == EDN_OK) {
            edn_buf again = whole(back);
            CHECK_BYTES(edn_buf_view(&again), edn_buf_view(&b));
            edn_buf_dispose(&again);
            edn_doc_author(back, carol, 1);
            CHECK_OK(edn_doc_insert(back, 0, edn_bytes_str("x")));
            edn_doc_free(back);
        } else {
            CHECK_STATUS(st, EDN_E_FORMAT);
        }
        b.p[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
    edn_put_u8(&b, 0);
    CHECK_STATUS(opened(edn_buf_view(&b), &back), EDN_E_FORMAT);
    edn_buf_dispose(&b);
    edn_doc_free(doc);
}

static void a_keystroke_is_a_few_bytes(void **state)
{
    (void)state;
    edn_doc *a = doc_of(alice), *b = doc_of(bob);
    edn_event_id first;
    uint64_t next, count;

    for (size_t i = 0; i < 20000; i++)
        insert(a, i, "x");
    send(a, alice, b);
    insert(a, 20000, "y");
    edn_buf m = EDN_BUF_INIT(64), full = events(a, alice, 20000);
    CHECK_OK(edn_doc_encode_bare(a, alice, 20000, 100, &m, &next));
    CHECK_INT(next, 20001);
    CHECK(m.n <= 7);
    CHECK_OK(edn_doc_merge_bare(b, alice, edn_buf_view(&m), NULL, NULL));
    same(a, b);
    CHECK_STATUS(edn_doc_merge(b, edn_buf_view(&m), NULL, NULL), EDN_E_FORMAT);
    CHECK_STATUS(edn_doc_merge_bare(b, alice, edn_buf_view(&full), NULL, NULL), EDN_E_FORMAT);
    CHECK_STATUS(edn_doc_message_events(edn_buf_view(&m), &first, &count), EDN_E_FORMAT);
    CHECK_OK(edn_doc_message_events(edn_buf_view(&full), &first, &count));
    CHECK_INT(first.seq, 20000);
    CHECK_INT(count, 1);
    CHECK(memcmp(first.agent.b, alice.b, 16) == 0);
    edn_buf_dispose(&m);
    edn_buf_dispose(&full);
    edn_doc_free(a);
    edn_doc_free(b);
}

static edn_status stop_at_once(void *ctx, const edn_change *c)
{
    (void)ctx;
    (void)c;
    return EDN_E_CANCELLED;
}

/* What goes on where another's event ended is one op in the log. A short message of such an op once carried the other's
 * letter in one's own name, and lost the parents in between. */
static void a_short_message_has_its_own_letters_and_parents(void **state)
{
    edn_doc *a = doc_of(alice), *b = doc_of(bob), *c = doc_of(carol);
    edn_buf m;

    (void)state;
    insert(a, 0, "12");
    send(a, alice, b);
    send(a, alice, c);
    insert(a, 1, "x");
    insert(b, 2, "y"); /* neither knows of the other; by position, y goes on where x ended */
    send(b, bob, a);
    insert(a, 3, "z"); /* and z where y did */
    m = events(a, alice, 2);
    CHECK_STATUS(edn_doc_merge(c, edn_buf_view(&m), NULL, NULL), EDN_E_PARENTS);
    send(b, bob, c);
    CHECK_OK(edn_doc_merge(c, edn_buf_view(&m), NULL, NULL));
    text_is(a, "1x2zy");
    same(a, c);
    edn_buf_dispose(&m);
    m = events(c, alice, 1);
    CHECK_OK(edn_doc_merge(b, edn_buf_view(&m), NULL, NULL));
    same(a, b);
    edn_buf_dispose(&m);
    edn_doc_free(a);
    edn_doc_free(b);
    edn_doc_free(c);
}

static void history_tells_who_when_and_what(void **state)
{
    (void)state;
    edn_doc *a = doc_of(alice), *b = doc_of(bob);
    edn_buf h = EDN_BUF_INIT(4096);

    insert(a, 0, "h\xc3\xa9llo");
    edn_doc_author(a, alice, 2000);
    insert(a, 5, "!");
    CHECK_OK(edn_doc_set(a, edn_bytes_str("title"), edn_bytes_str("t")));
    send(a, alice, b);
    CHECK_OK(edn_doc_delete(b, 0, 2));
    CHECK_OK(edn_doc_tag(b, edn_bytes_str("x"), true));
    CHECK_OK(edn_doc_tag(b, edn_bytes_str("x"), false));
    CHECK_OK(edn_doc_remove(b));
    CHECK_OK(edn_doc_revive(b));
    CHECK_OK(edn_doc_history(b, print_change, &h));
    CHECK_STR(edn_buf_view(&h), "i1+0*5@1000/6 i1+5*1@2000/1 f1+6*1@2000/0title d2+0*2@1000/0 t2+2*1@1000/0x "
                                "u2+3*1@1000/0x r2+4*1@1000/0 !2+5*1@1000/0 ");
    CHECK_STATUS(edn_doc_history(b, stop_at_once, NULL), EDN_E_CANCELLED);
    edn_buf_dispose(&h);
    edn_doc_free(a);
    edn_doc_free(b);
}

static void a_clone_gives_up_what_nobody_has_seen(void **state)
{
    (void)state;
    edn_doc *a = doc_of(alice), *b = doc_of(bob), *less;

    insert(a, 0, "shared");
    send(a, alice, b);
    insert(b, 6, "!");
    insert(a, 0, "mine ");
    CHECK_STATUS(edn_doc_without(b, alice, 3, &less), EDN_E_INVALID);
    send(b, bob, a);
    CHECK_OK(edn_doc_without(a, alice, 6, &less));
    same(less, b);
    text_is(less, "shared!");
    edn_doc_free(less);
    insert(a, 0, "more");
    send(a, alice, b);
    insert(b, 0, "?");
    CHECK_STATUS(edn_doc_without(b, alice, 6, &less), EDN_E_INVALID);
    CHECK_OK(edn_doc_without(b, bob, 1, &less));
    same(less, a);
    edn_doc_free(less);
    edn_doc_free(a);
    edn_doc_free(b);
}

static void a_missing_version_is_missing(void **state)
{
    (void)state;
    edn_doc *a = doc_of(alice), *was;
    edn_event_id id = {bob, 0};

    insert(a, 0, "now");
    CHECK_STATUS(edn_doc_at(a, (edn_version){&id, 1}, &was), EDN_E_MISSING);
    id = (edn_event_id){alice, 3};
    CHECK_STATUS(edn_doc_at(a, (edn_version){&id, 1}, &was), EDN_E_MISSING);
    CHECK_OK(edn_doc_at(a, (edn_version){NULL, 0}, &was));
    CHECK_INT(edn_doc_event_count(was), 0);
    edn_doc_free(was);
    id.seq = 1;
    CHECK_OK(edn_doc_at(a, (edn_version){&id, 1}, &was));
    text_is(was, "no");
    edn_doc_free(was);
    edn_doc_free(a);
}

/* How many bytes that are no blank, and no name of the carrier's, a text still has. */
static size_t marks(const edn_buf *b)
{
    size_t n = 0;

    for (size_t i = 0; i < b->n; i++)
        n += b->p[i] > 0x20 && b->p[i] < 0x7f;
    return n;
}

static void check_holds(const edn_doc *doc, const char *word, bool want)
{
    edn_buf b = whole(doc);
    bool held = false;

    for (size_t i = 0; i + strlen(word) <= b.n; i++)
        held |= memcmp(b.p + i, word, strlen(word)) == 0;
    CHECK(held == want);
    edn_buf_dispose(&b);
}

static void a_blank_one_has_the_same_events_and_no_word(void **state)
{
    static const char *const words[] = {"nightingale", "\xc3\xa9t\xc3\xa9", "crossed", "mood", "melancholy", "birds"};
    edn_doc *doc = doc_of(alice), *blank, *again, *decoded;
    edn_version v, w;
    edn_buf text, more = EDN_BUF_INIT(EDN_BUF_UNLIMITED), bytes;
    edn_bytes kept;
    bool changed;

    (void)state;
    insert(doc, 0, "a nightingale \xc3\xa9t\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa6 crossed out");
    CHECK_OK(edn_doc_delete(doc, 22, 7)); /* what was deleted goes too */
    CHECK_OK(edn_doc_set(doc, edn_bytes_str("mood"), edn_bytes_str("melancholy")));
    CHECK_OK(edn_doc_set(doc, edn_bytes_str("\x01moved"), edn_bytes_str("somewhere")));
    CHECK_OK(edn_doc_tag(doc, edn_bytes_str("birds"), true));
    for (size_t i = 0; i < EDN_COUNT(words); i++)
        check_holds(doc, words[i], true);
    CHECK_OK(edn_doc_blank(doc, &blank, &changed));
    CHECK(changed);
    for (size_t i = 0; i < EDN_COUNT(words); i++)
        check_holds(blank, words[i], false);
    text = text_of(blank);
    more = text_of(doc);
    CHECK_INT(marks(&text), 0);
    CHECK_INT(text.n, more.n);
    edn_buf_dispose(&text);
    edn_buf_reset(&more);
    CHECK_OK(edn_doc_get(blank, edn_bytes_str("\x01moved"), &kept));
    CHECK_STR(kept, "somewhere");
    CHECK_INT(edn_doc_text_count(blank), edn_doc_text_count(doc));
    CHECK_INT(edn_doc_event_count(blank), edn_doc_event_count(doc));
    v = edn_doc_frontier(doc);
    w = edn_doc_frontier(blank);
    CHECK(v.n == w.n && v.n == 1 && memcmp(v.ids, w.ids, sizeof *v.ids) == 0);
    bytes = whole(blank);
    CHECK_OK(edn_doc_decode(edn_buf_view(&bytes), &decoded));
    CHECK_OK(edn_doc_check(decoded));

    /* What somebody writes who has the words, and somebody who has none, is taken by both. */
    edn_doc_author(doc, bob, 2000);
    insert(doc, 2, "late");
    CHECK_OK(edn_doc_encode_since(doc, edn_doc_frontier(blank), &more));
    CHECK_OK(edn_doc_merge(blank, edn_buf_view(&more), NULL, NULL));
    edn_doc_author(blank, carol, 3000);
    insert(blank, 6, "later");
    edn_buf_reset(&more);
    CHECK_OK(edn_doc_encode_since(blank, edn_doc_frontier(doc), &more));
    CHECK_OK(edn_doc_merge(doc, edn_buf_view(&more), NULL, NULL));
    text = text_of(doc);
    CHECK(memcmp(text.p, "a latelaternightingale", 22) == 0);
    edn_buf_dispose(&text);
    text = text_of(blank);
    CHECK(memcmp(text.p, "  latelater           ", 22) == 0);
    edn_buf_dispose(&text);

    CHECK_OK(edn_doc_blank(decoded, &again, &changed));
    CHECK(!changed);
    edn_doc_free(again);
    edn_doc_free(decoded);
    edn_doc_free(blank);
    edn_doc_free(doc);
    edn_buf_dispose(&more);
    edn_buf_dispose(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_wrong_edits_and_changes_nothing),
        cmocka_unit_test(passages_typed_at_one_place_stay_whole),
        cmocka_unit_test(deleting_and_correcting_leave_no_stray_letter),
        cmocka_unit_test(the_last_writer_by_lamport_time_wins),
        cmocka_unit_test(an_addition_wins_over_a_removal_beside_it),
        cmocka_unit_test(deleting_beside_an_edit_is_a_conflict),
        cmocka_unit_test(a_hundred_megabytes_travel_in_messages_of_one),
        cmocka_unit_test(messages_out_of_turn_wait_for_their_parents),
        cmocka_unit_test(hostile_messages_are_refused),
        cmocka_unit_test(every_other_encoding_is_refused),
        cmocka_unit_test(a_damaged_history_shows_when_it_is_asked_for),
        cmocka_unit_test(a_borrowed_tag_can_be_taken_off),
        cmocka_unit_test(a_keystroke_is_a_few_bytes),
        cmocka_unit_test(a_short_message_has_its_own_letters_and_parents),
        cmocka_unit_test(history_tells_who_when_and_what),
        cmocka_unit_test(a_clone_gives_up_what_nobody_has_seen),
        cmocka_unit_test(a_missing_version_is_missing),
        cmocka_unit_test(a_blank_one_has_the_same_events_and_no_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
