/* The query language: each rule, each refusal with its place, and queries that are being typed. */
#include "search/query.h"

#include "check.h"

static void put(edn_buf *b, const edn_query *q);

static void put_leaf(edn_buf *b, const edn_query *q)
{
    char dates[64];

    switch (q->kind) {
    case EDN_QUERY_ALL:
        edn_put_str(b, "*");
        break;
    case EDN_QUERY_DATE:
        snprintf(dates, sizeof dates, "%u..%u", q->from, q->to);
        edn_put_str(b, dates);
        break;
    case EDN_QUERY_PHRASE:
        for (size_t i = 0; i < q->items_n; i++) {
            snprintf(dates, sizeof dates, "%s%u:", i ? " " : "\"", q->items[i].offset);
            edn_put_str(b, dates);
            edn_put_bytes(b, q->items[i].term.p, q->items[i].term.n);
            edn_put_str(b, q->items[i].prefix ? "*" : "");
        }
        edn_put_str(b, "\"");
        break;
    default:
        edn_put_str(b, q->kind == EDN_QUERY_JOURNAL ? "journal=" : "");
        if (q->term.p[0] < 0x20)
            edn_put_u8(b, (uint8_t)('0' + q->term.p[0]));
        edn_put_bytes(b, q->term.p + (q->term.p[0] < 0x20), q->term.n - (q->term.p[0] < 0x20));
        edn_put_str(b, q->kind == EDN_QUERY_PREFIX ? "*" : "");
    }
}

static void put(edn_buf *b, const edn_query *q)
{
    if (q->kind != EDN_QUERY_AND && q->kind != EDN_QUERY_OR && q->kind != EDN_QUERY_NOT) {
        put_leaf(b, q);
        return;
    }
    edn_put_str(b, q->kind == EDN_QUERY_AND ? "&(" : q->kind == EDN_QUERY_OR ? "|(" : "!(");
    for (const edn_query *c = q->child; c; c = c->next) {
        edn_put_str(b, c == q->child ? "" : " ");
        put(b, c);
    }
    edn_put_str(b, ")");
}

static void tree(const char *text, unsigned flags, const char *want)
{
    edn_arena a = edn_arena_init((size_t)1 << 20);
    edn_buf b = EDN_BUF_INIT(4096);
    edn_query *q;
    edn_query_error error;

    CHECK_OK(edn_query_parse(&a, edn_bytes_str(text), flags, &q, &error));
    put(&b, q);
    CHECK_STR(edn_buf_view(&b), want);
    edn_buf_dispose(&b);
    edn_arena_dispose(&a);
}
#define TREE(text, want) tree(text, 0, want)
#define TYPING(text, want) tree(text, EDN_QUERY_TYPING, want)

static void refused(const char *text, size_t at, const char *says)
{
    edn_arena a = edn_arena_init((size_t)1 << 20);
    edn_query *q;
    edn_query_error error;
    edn_status st = edn_query_parse(&a, edn_bytes_str(text), 0, &q, &error);

    CHECK(st == EDN_E_INVALID || st == EDN_E_LIMIT || st == EDN_E_UTF8);
    CHECK(q == NULL);
    if (error.at != at || !strstr(error.text, says))
        print_error("%s: %zu: %s\n", text, error.at, error.text);
    CHECK_INT(error.at, at);
    CHECK(strstr(error.text, says) != NULL);
    edn_arena_dispose(&a);
}

static void words_are_all_wanted(void **state)
{
    (void)state;
    TREE("Sea", "sea");
    TREE("  sea \t wind ", "&(sea wind)");
    TREE("sea AND wind", "&(sea wind)");
    TREE("sea　wind", "&(sea wind)");
    TREE("sea OR wind", "|(sea wind)");
    TREE("sea lake OR wind", "|(&(sea lake) wind)");
    TREE("(sea OR lake) wind", "&(|(sea lake) wind)");
    TREE("sea(lake)", "&(sea lake)");
    TREE("kin*", "kin*");
    TREE("!!! sea - & *", "sea");
    TREE("or and not", "&(or and not)");
}

static void negations_stand_behind_what_they_narrow(void **state)
{
    (void)state;
    TREE("-wind sea", "&(sea !(wind))");
    TREE("NOT wind sea", "&(sea !(wind))");
    TREE("-wind", "&(* !(wind))");
    TREE("-wind -sea", "&(* !(wind) !(sea))");
    TREE("sea OR -wind", "|(sea &(* !(wind)))");
    TREE("-(sea OR lake) wind", "&(wind !(|(sea lake)))");
    TREE("--wind", "wind");
    TREE("-\"old king\" sea", "&(sea !(\"0:old 1:king\"))");
    TREE("well-known", "\"0:well 1:known\"");
}

static void phrases_keep_their_places(void **state)
{
    (void)state;
    TREE("\"the old king\"", "\"0:the 1:old 2:king\"");
    TREE("“the king”", "\"0:the 1:king\"");
    TREE("\"sea\"", "sea");
    TREE("\"old ki*\"", "\"0:old 1:ki*\"");
    TREE("wife's", "wife's");
    TREE("狂人日記", "\"0:狂人 1:人日 2:日記\"");
    TREE("狂人", "狂人");
    TREE("狂*", "狂");
    TREE("用Python写", "\"0:用 1:python 2:写\"");
    TREE("\"\" sea", "sea");
}

static void fields_filter(void **state)
{
    (void)state;
    TREE("title:Sea", "1sea");
    TREE("title:\"old king\"", "\"0:\x01old 1:\x01king\"");
    TREE("TAG:Travel tag:#sea tag:\"two words\" tag:tra*", "&(2travel 2sea 2two words 2tra*)");
    TREE("journal:Work has:attachment", "&(journal=work 4attachment)");
    TREE("from:2019 to:2020-02", "&(20190101..0 0..20200229)");
    TREE("on:2020-02-29 on:2019 on:2019-04", "&(20200229..20200229 20190101..20191231 20190401..20190430)");
    TREE("on:1700-02-29 on:1800-02", "&(17000229..17000229 18000201..18000228)");
    TREE("-tag:work from:2019", "&(20190101..0 !(2work))");
    TREE("12:30 http://example.org/", "&(\"0:12 1:30\" \"0:http 1:example.org\")");
}

static void what_is_wrong_is_named_with_its_place(void **state)
{
    (void)state;
    refused("", 0, "at least one word");
    refused("  ", 0, "at least one word");
    refused("!!!", 0, "at least one word");
    refused("sea \"wind", 4, "not closed");
    refused("sea (wind", 4, "not closed");
    refused("sea )", 4, "no \"(\"");
    refused("sea ()", 5, "missing here");
    refused("sea OR ", 7, "missing at the end");
    refused("OR sea", 0, "missing here");
    refused("sea NOT", 4, "NOT needs");
    refused("sea tag:", 4, "tag: needs");
    refused("from:", 0, "needs a date");
    refused("from:2019-13", 5, "not a date");
    refused("on:2019-02-29", 3, "not a date");
    refused("to:yesterday", 3, "not a date");
    refused("has:wings", 4, "\"attachment\" only");
    refused("sea \xff", 4, "UTF-8");
}

static void limits_hold(void **state)
{
    char text[EDN_QUERY_SIZE_MAX + 2];

    (void)state;
    memset(text, '(', sizeof text - 1);
    text[sizeof text - 1] = 0;
    refused(text, EDN_QUERY_SIZE_MAX, "too long");
    text[EDN_QUERY_SIZE_MAX] = 0;
    refused(text, EDN_QUERY_DEPTH_MAX, "too deep");
    memset(text, '-', EDN_QUERY_SIZE_MAX);
    refused(text, EDN_QUERY_DEPTH_MAX, "too deep");
    for (size_t i = 0; i < EDN_QUERY_SIZE_MAX; i++)
        text[i] = i % 2 ? ' ' : 'a';
    refused(text, 2 * EDN_QUERY_WORDS_MAX, "more words");
}

static void a_query_can_be_unfinished_while_it_is_typed(void **state)
{
    (void)state;
    TYPING("", "*");
    TYPING("se", "se*");
    TYPING("se ", "se");
    TYPING("sea wi", "&(sea wi*)");
    TYPING("\"the ki", "\"0:the 1:ki*\"");
    TYPING("\"the king\"", "\"0:the 1:king\"");
    TYPING("(sea OR wi", "|(sea wi*)");
    TYPING("sea OR ", "sea");
    TYPING("sea OR", "sea");
    TYPING("sea -", "sea");
    TYPING("sea -wi", "&(sea !(wi*))");
    TYPING("sea NOT ", "sea");
    TYPING("sea tag:", "sea");
    TYPING("tag:tra", "2tra*");
    TYPING("sea from:20", "sea");
    TYPING("sea) wi", "&(sea wi*)");
    TYPING("e-ma", "\"0:e 1:ma*\"");
    TYPING("狂", "狂");
    TYPING("狂人日", "\"0:狂人 1:人日\"");
}

/* Any bytes: an answer within the limits, and a tree that keeps its promises. */
static void check_tree(const edn_query *q, const edn_query *parent, size_t depth)
{
    size_t n = 0;

    CHECK(depth <= 3 * EDN_QUERY_DEPTH_MAX + 3);
    for (const edn_query *c = q->child; c; c = c->next) {
        check_tree(c, q, depth + 1);
        n++;
    }
    switch (q->kind) {
    case EDN_QUERY_AND:
        CHECK(n >= 2 && q->child->kind != EDN_QUERY_NOT);
        break;
    case EDN_QUERY_OR:
        CHECK(n >= 2);
        break;
    case EDN_QUERY_NOT:
        CHECK(n == 1 && parent && parent->kind == EDN_QUERY_AND && q->child->kind != EDN_QUERY_NOT);
        break;
    default:
        CHECK(n == 0);
    }
}

static void any_text_gives_a_sound_tree_or_a_reason(void **state)
{
    static const char *const parts[] = {"sea",  " ", "(",    ")",         "\"",   "-",      "OR ",
                                        "NOT ", "*", "tag:", "from:2019", "wi*",  "title:", "人日",
                                        "AND ", ":", "'s",   "e-m",       "has:", "“",      "\t"};
    check_rng rng = {check_seed()};
    size_t good = 0;

    (void)state;
    for (size_t round = 0; round < 20000; round++) {
        char text[256] = "";
        edn_arena a = edn_arena_init((size_t)1 << 20);
        edn_query *q;
        edn_query_error error;
        for (size_t n = check_below(&rng, 14); n; n--)
            strcat(text, parts[check_below(&rng, EDN_COUNT(parts))]);
        edn_status st = edn_query_parse(&a, edn_bytes_str(text), round % 2, &q, &error);
        if (st == EDN_OK) {
            check_tree(q, NULL, 0);
            good++;
        } else {
            CHECK_STATUS(st, EDN_E_INVALID);
            CHECK(round % 2 == 0); /* while typing nothing of these is wrong */
            CHECK(error.at <= strlen(text) && *error.text);
        }
        edn_arena_dispose(&a);
    }
    CHECK(good > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_all_wanted),
        cmocka_unit_test(negations_stand_behind_what_they_narrow),
        cmocka_unit_test(phrases_keep_their_places),
        cmocka_unit_test(fields_filter),
        cmocka_unit_test(what_is_wrong_is_named_with_its_place),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(a_query_can_be_unfinished_while_it_is_typed),
        cmocka_unit_test(any_text_gives_a_sound_tree_or_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
