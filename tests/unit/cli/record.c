#include "check.h"

#include "cli/record.h"

#define TEXT(s) edn_bytes_of(s, sizeof(s) - 1)

static void check_json_refused(edn_bytes line, edn_status want, const char *says)
{
    edn_cli_record r;
    edn_err err = {0};
    CHECK_STATUS(edn_cli_record_read_json(&r, line, &err), want);
    if (!strstr(err.text, says)) {
        print_error("says \"%s\", not \"%s\"\n", err.text, says);
        fail();
    }
}

static void a_line_of_the_corpus(void **state)
{
    edn_cli_record r;
    (void)state;

    CHECK_OK(edn_cli_record_read_json(
        &r, TEXT("{\"date\":\"1660-01-01\",\"title\":\"Sunday\",\"text\":\"Blessed\\n\\nbe “God”\"}"), NULL));
    CHECK_STR(r.item.draft.date, "1660-01-01");
    CHECK_STR(r.item.draft.title, "Sunday");
    CHECK_STR(r.item.draft.text, "Blessed\n\nbe “God”");
    CHECK(!r.item.has_id);
    CHECK_INT(r.item.draft.tags_n, 0);
    CHECK_INT(r.item.draft.fields_n, 0);
    CHECK_INT(r.item.created_ms, 0);
    CHECK_INT(r.item.journal_name.n, 0);
    edn_cli_record_dispose(&r);
}

static void a_line_with_everything(void **state)
{
    edn_cli_record r;
    (void)state;

    CHECK_OK(edn_cli_record_read_json(
        &r,
        TEXT("{\"text\":\"\\u0000t\",\"id\":\"00112233445566778899aabbccddeeff\",\"date\":\"2024-05-01\","
             "\"tags\":[\"sea\",\"日\"],\"fields\":{\"mood\":\"calm\"},\"weather\":\"rain\",\"nothing\":null,"
             "\"journal\":\"Work\",\"created\":\"2024-05-01T10:00:00.500Z\"}"),
        NULL));
    CHECK_BYTES(r.item.draft.text, TEXT("\0t"));
    CHECK(r.item.has_id && r.item.id.b[0] == 0 && r.item.id.b[15] == 0xff);
    CHECK_INT(r.item.draft.tags_n, 2);
    CHECK_STR(r.item.draft.tags[1], "日");
    CHECK_INT(r.item.draft.fields_n, 2);
    CHECK_STR(r.item.draft.fields[0].name, "mood");
    CHECK_STR(r.item.draft.fields[1].name, "weather"); /* an unknown string is kept */
    CHECK_STR(r.item.draft.fields[1].value, "rain");
    CHECK_STR(r.item.journal_name, "Work");
    CHECK(r.item.created_ms == 1714557600500u);
    edn_cli_record_dispose(&r);
}

static void broken_lines_are_named(void **state)
{
    (void)state;
    check_json_refused(TEXT(""), EDN_E_INVALID, "not JSON");
    check_json_refused(TEXT("{\"date\":\"2024-01-01\",\"text\":\"x\""), EDN_E_INVALID, "not JSON");
    check_json_refused(TEXT("{\"date\":\"2024-01-01\",\"text\":\"x\"} {}"), EDN_E_INVALID, "not JSON");
    check_json_refused(TEXT("[1]"), EDN_E_INVALID, "an array, not an object");
    check_json_refused(TEXT("\"x\""), EDN_E_INVALID, "not JSON");
    check_json_refused(TEXT("{\"text\":\"x\"}"), EDN_E_INVALID, "\"date\" is missing");
    check_json_refused(TEXT("{\"date\":\"2024-01-01\"}"), EDN_E_INVALID, "\"text\" is missing");
    check_json_refused(TEXT("{\"date\":\"2024-02-30\",\"text\":\"x\"}"), EDN_E_INVALID, "\"date\" is not a day");
    check_json_refused(TEXT("{\"date\":20240101,\"text\":\"x\"}"), EDN_E_INVALID, "\"date\" is a number, not a string");
    check_json_refused(TEXT("{\"date\":\"2024-01-01\",\"text\":[]}"), EDN_E_INVALID, "\"text\" is an array");
    check_json_refused(TEXT("{\"date\":\"2024-01-01\",\"text\":\"x\",\"text\":\"y\"}"), EDN_E_INVALID, "duplicate");
    check_json_refused(TEXT("{\"date\":\"2024-01-01\",\"text\":\"x\",\"tags\":\"sea\"}"), EDN_E_INVALID,
                       "not an array");
    check_json_refused(TEXT("{\"date\":\"2024-01-01\",\"text\":\"x\",\"tags\":[1]}"), EDN_E_INVALID,
                       "not only strings");
    check_json_refused(TEXT("{\"date\":\"2024-01-01\",\"text\":\"x\",\"tags\":[\"\"]}"), EDN_E_INVALID, "empty string");
    check_json_refused(TEXT("{\"date\":\"2024-01-01\",\"text\":\"x\",\"fields\":[]}"), EDN_E_INVALID, "not an object");
    check_json_refused(TEXT("{\"date\":\"2024-01-01\",\"text\":\"x\",\"fields\":{\"a\":1}}"), EDN_E_INVALID,
                       "\"a\" is a number");
    check_json_refused(TEXT("{\"date\":\"2024-01-01\",\"text\":\"x\",\"temp\":12.5}"), EDN_E_INVALID,
                       "\"temp\" is a number");
    check_json_refused(TEXT("{\"date\":\"2024-01-01\",\"text\":\"x\",\"a\":\"1\",\"fields\":{\"a\":\"2\"}}"),
                       EDN_E_INVALID, "\"a\" is there twice");
    check_json_refused(TEXT("{\"date\":\"2024-01-01\",\"text\":\"x\",\"id\":\"12\"}"), EDN_E_INVALID, "32 hex digits");
    check_json_refused(TEXT("{\"date\":\"2024-01-01\",\"text\":\"x\",\"created\":\"noon\"}"), EDN_E_INVALID,
                       "not a time");
    check_json_refused(TEXT("{\"date\":\"2024-01-01\",\"text\":\"x\xff\"}"), EDN_E_UTF8, "not UTF-8 at byte");
    check_json_refused(TEXT("{\"date\":\"2024-01-01\",\"text\":\"\\ud800\"}"), EDN_E_INVALID, "not JSON");
}

/* Whatever is done to a line, reading it ends well or badly, never in the weeds (ASan watches). */
static void damaged_lines_are_survived(void **state)
{
    static const char good[] =
        "{\"date\":\"2024-05-01\",\"text\":\"a\\u00e9\",\"tags\":[\"b\"],\"fields\":{\"c\":\"d\"}}";
    check_rng rng = {check_seed()};
    (void)state;

    for (int i = 0; i < 20000; i++) {
        char line[sizeof good];
        size_t n = check_below(&rng, sizeof good);
        edn_cli_record r;
        memcpy(line, good, sizeof good);
        for (uint64_t k = check_below(&rng, 4); k > 0; k--) {
            size_t at = check_below(&rng, sizeof good);
            line[at] = (char)check_next(&rng);
        }
        if (edn_cli_record_read_json(&r, edn_bytes_of(line, n), NULL) == EDN_OK)
            edn_cli_record_dispose(&r);
        if (edn_cli_record_read_markdown(&r, edn_bytes_of(line, n), "2024-05-01.md", NULL) == EDN_OK)
            edn_cli_record_dispose(&r);
    }
}

/* ---- Markdown ---------------------------------------------------------------------------------------------------- */

static void a_first_heading_is_the_title(void **state)
{
    static const struct {
        const char *written, *title, *text;
    } rows[] = {
        {"# A day\n\nIt rained.\n", "A day", "It rained.\n"},
        {"# A day\nIt rained.", "A day", "It rained."},
        {"# A day", "A day", ""},
        {"# A day\n", "A day", ""},
        {"# A day \r\n\r\nIt rained.\r\n", "A day", "It rained.\r\n"},
        {"#hashtag\ntext", "", "#hashtag\ntext"},
        {"## Second\ntext", "", "## Second\ntext"},
        {"text\n# not the first line", "", "text\n# not the first line"},
        {"text\n", "", "text\n"},
        {"", "", ""},
        {"\n", "", "\n"},
    };
    (void)state;
    for (size_t i = 0; i < EDN_COUNT(rows); i++) {
        edn_bytes title, text;
        edn_cli_split_title(edn_bytes_str(rows[i].written), &title, &text);
        CHECK_STR(title, rows[i].title);
        CHECK_STR(text, rows[i].text);
    }
}

static void a_plain_file_needs_a_date_in_its_name(void **state)
{
    edn_cli_record r;
    edn_err err = {0};
    (void)state;

    CHECK_OK(edn_cli_record_read_markdown(&r, TEXT("# Rain\n\nAll day.\n"), "2024-05-01 rain.md", NULL));
    CHECK_STR(r.item.draft.date, "2024-05-01");
    CHECK_STR(r.item.draft.title, "Rain");
    CHECK_STR(r.item.draft.text, "All day.");
    edn_cli_record_dispose(&r);
    CHECK_STATUS(edn_cli_record_read_markdown(&r, TEXT("# Rain\n"), "rain.md", &err), EDN_E_INVALID);
    CHECK(strstr(err.text, "\"date\" is missing"));
    CHECK_STATUS(edn_cli_record_read_markdown(&r, TEXT("# R\xff\n"), "2024-05-01.md", &err), EDN_E_UTF8);
    CHECK(strstr(err.text, "at byte 3"));
}

static void a_head_is_read_strictly(void **state)
{
    static const struct {
        const char *file, *says;
    } rows[] = {
        {"---\ndate: 2024-05-01\ntitle: \"x\n---\n", "not JSON"},
        {"---\ndate: 2024-05-01\nno colon\n---\n", "not \"name: value\""},
        {"---\ndate: 2024-05-01\n", "does not end"},
        {"---\ndate: 2024-05-01\ndate: 2024-05-02\n---\n", "\"date\" is there twice"},
        {"---\ndate: soon\n---\n", "not a day"},
        {"---\ndate: 2024-05-01\ntags: a, b\n---\n", "not an array"},
    };
    edn_cli_record r;
    (void)state;

    for (size_t i = 0; i < EDN_COUNT(rows); i++) {
        edn_err err = {0};
        CHECK_STATUS(edn_cli_record_read_markdown(&r, edn_bytes_str(rows[i].file), "x.md", &err), EDN_E_INVALID);
        if (!strstr(err.text, rows[i].says))
            print_error("%s: %s\n", rows[i].file, err.text);
        CHECK(strstr(err.text, rows[i].says));
    }
    CHECK_OK(edn_cli_record_read_markdown(&r, TEXT("---\r\ndate: 2024-05-01\r\ntitle: By hand\r\n---\r\ntext"), "x.md",
                                          NULL));
    CHECK_STR(r.item.draft.title, "By hand");
    CHECK_STR(r.item.draft.text, "text");
    edn_cli_record_dispose(&r);
}

/* ---- there and back ---------------------------------------------------------------------------------------------- */

static edn_entry sample(edn_bytes text, const edn_bytes *tags, size_t tags_n, const edn_field *fields, size_t fields_n)
{
    edn_entry e = {.journal_name = TEXT("Diary"),
                   .date = TEXT("2024-05-01"),
                   .title = TEXT("“Rain” \\ \"x\""),
                   .text = text,
                   .tags = tags,
                   .tags_n = tags_n,
                   .fields = fields,
                   .fields_n = fields_n,
                   .created_ms = 1714557600500u};
    for (size_t i = 0; i < sizeof e.id.b; i++)
        e.id.b[i] = (uint8_t)(0x11 * i);
    return e;
}

static void the_bytes_of_an_export_are_fixed(void **state)
{
    const edn_bytes tags[] = {TEXT("a"), TEXT("日")};
    const edn_field fields[] = {{TEXT("mood"), TEXT("calm")}};
    edn_entry e = sample(TEXT("One.\n\nTwo."), tags, 2, fields, 1);
    edn_buf b = EDN_BUF_INIT(65536);
    (void)state;

    edn_cli_record_put_json(&b, &e);
    CHECK_STR(edn_buf_view(&b),
              "{\"created\":\"2024-05-01T10:00:00.500Z\",\"date\":\"2024-05-01\",\"fields\":{\"mood\":\"calm\"},"
              "\"id\":\"00112233445566778899aabbccddeeff\",\"journal\":\"Diary\",\"tags\":[\"a\",\"日\"],"
              "\"text\":\"One.\\n\\nTwo.\",\"title\":\"“Rain” \\\\ \\\"x\\\"\"}\n");
    edn_buf_reset(&b);
    edn_cli_record_put_markdown(&b, &e);
    CHECK_STR(edn_buf_view(&b),
              "---\ncreated: 2024-05-01T10:00:00.500Z\ndate: 2024-05-01\nfields: {\"mood\":\"calm\"}\n"
              "id: \"00112233445566778899aabbccddeeff\"\njournal: \"Diary\"\ntags: [\"a\",\"日\"]\n"
              "title: \"“Rain” \\\\ \\\"x\\\"\"\n---\n\nOne.\n\nTwo.\n");
    edn_buf_dispose(&b);
}

static void check_same(const edn_cli_record *r, const edn_entry *e)
{
    const edn_draft *d = &r->item.draft;
    CHECK(r->item.has_id && memcmp(r->item.id.b, e->id.b, sizeof e->id.b) == 0);
    CHECK_BYTES(d->date, e->date);
    CHECK_BYTES(d->title, e->title);
    CHECK_BYTES(d->text, e->text);
    CHECK_BYTES(r->item.journal_name, e->journal_name);
    CHECK(r->item.created_ms == e->created_ms);
    CHECK_INT(d->tags_n, e->tags_n);
    for (size_t i = 0; i < d->tags_n; i++)
        CHECK_BYTES(d->tags[i], e->tags[i]);
    CHECK_INT(d->fields_n, e->fields_n);
    for (size_t i = 0; i < d->fields_n; i++) {
        CHECK_BYTES(d->fields[i].name, e->fields[i].name);
        CHECK_BYTES(d->fields[i].value, e->fields[i].value);
    }
}

static void what_is_exported_comes_back_the_same(void **state)
{
    const edn_bytes texts[] = {TEXT(""),
                               TEXT("x"),
                               TEXT("\n"),
                               TEXT("\n\n"),
                               TEXT("x\n"),
                               TEXT("\nx"),
                               TEXT("---\n"),
                               TEXT("# x"),
                               TEXT("a\r\nb\r"),
                               TEXT("\0\x1b\x7f\xc2\x85"),
                               TEXT("日記 😀 e\xcc\x81"),
                               TEXT("---\ndate: x\n---\n")};
    const edn_bytes tags[] = {TEXT("a b"), TEXT("\"]")};
    const edn_field fields[] = {{TEXT(""), TEXT("x")}, {TEXT("a: b"), TEXT("{")}, {TEXT("text"), TEXT("not the text")}};
    edn_buf b = EDN_BUF_INIT(65536);
    edn_cli_record r;
    (void)state;

    for (size_t i = 0; i < EDN_COUNT(texts); i++) {
        edn_entry e = sample(texts[i], tags, i % 3, fields, i % 4);
        edn_buf_reset(&b);
        edn_cli_record_put_json(&b, &e);
        CHECK_OK(edn_cli_record_read_json(&r, edn_bytes_of(b.p, b.n - 1), NULL));
        check_same(&r, &e);
        edn_cli_record_dispose(&r);
        edn_buf_reset(&b);
        edn_cli_record_put_markdown(&b, &e);
        CHECK_OK(edn_cli_record_read_markdown(&r, edn_buf_view(&b), "x.md", NULL));
        check_same(&r, &e);
        edn_cli_record_dispose(&r);
    }
    edn_buf_dispose(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_the_corpus),
        cmocka_unit_test(a_line_with_everything),
        cmocka_unit_test(broken_lines_are_named),
        cmocka_unit_test(damaged_lines_are_survived),
        cmocka_unit_test(a_first_heading_is_the_title),
        cmocka_unit_test(a_plain_file_needs_a_date_in_its_name),
        cmocka_unit_test(a_head_is_read_strictly),
        cmocka_unit_test(the_bytes_of_an_export_are_fixed),
        cmocka_unit_test(what_is_exported_comes_back_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
