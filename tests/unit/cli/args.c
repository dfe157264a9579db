#include "check.h"

#include "cli/args.h"
#include "cli/docs.h"

/* Parses a command line written as one string parted by blanks. */
typedef struct parsed {
    char text[256];
    char *argv[32];
    edn_cli_args args;
    edn_err err;
    edn_status st;
} parsed;

static parsed parse(const char *line)
{
    static parsed p; /* argv borrows from it */
    int argc = 1;

    edn_cli_args_dispose(&p.args);
    p = (parsed){0};
    snprintf(p.text, sizeof p.text, "%s", line);
    p.argv[0] = (char *)"edn";
    for (char *at = p.text; *at;) {
        p.argv[argc++] = at;
        at += strcspn(at, " ");
        if (*at)
            *at++ = 0;
    }
    p.st = edn_cli_args_init(&p.args, argc, p.argv, &p.err);
    return p;
}

static void check_refused(const char *line, const char *says)
{
    parsed p = parse(line);
    CHECK_STATUS(p.st, EDN_E_INVALID);
    if (!strstr(p.err.text, says)) {
        print_error("edn %s: says \"%s\", not \"%s\"\n", line, p.err.text, says);
        fail();
    }
}

#define CHECK_TEXT(got, want) CHECK_STR(edn_bytes_str(got), want)

static void options_stand_anywhere(void **state)
{
    parsed p;
    (void)state;

    p = parse("--home /x list --from=2024 --to 2025 -qn 3 --tag a --tag b");
    CHECK_OK(p.st);
    CHECK(p.args.command == &edn_cli_commands[EDN_CMD_LIST]);
    CHECK_TEXT(edn_cli_value(&p.args, EDN_OPT_HOME), "/x");
    CHECK_TEXT(edn_cli_value(&p.args, EDN_OPT_FROM), "2024");
    CHECK_TEXT(edn_cli_value(&p.args, EDN_OPT_TO), "2025");
    CHECK_TEXT(edn_cli_value(&p.args, EDN_OPT_LIMIT), "3");
    CHECK_TEXT(edn_cli_value(&p.args, EDN_OPT_WITH_TAG), "b"); /* the last wins */
    CHECK(edn_cli_has(&p.args, EDN_OPT_QUIET));
    CHECK(!edn_cli_has(&p.args, EDN_OPT_JSON));
    CHECK_INT(p.args.words_n, 0);

    p = parse("show 2024-05-01 --json --home=/y -h");
    CHECK_OK(p.st);
    CHECK_TEXT(p.args.words[0], "2024-05-01");
    CHECK_TEXT(edn_cli_value(&p.args, EDN_OPT_HOME), "/y");
}

static void options_before_the_command_are_the_commands(void **state)
{
    parsed p;
    (void)state;

    p = parse("--json --tag sea list"); /* --tag is a filter here … */
    CHECK_OK(p.st);
    CHECK_TEXT(edn_cli_value(&p.args, EDN_OPT_WITH_TAG), "sea");
    p = parse("--tag sea add x"); /* … and gives a tag here */
    CHECK_OK(p.st);
    CHECK_TEXT(edn_cli_value(&p.args, EDN_OPT_TAG), "sea");
    check_refused("--watch list", "'edn list' has no option '--watch'");
}

static void repeated_options_are_all_there(void **state)
{
    parsed p = parse("add --tag a x --tag=b y");
    size_t at = 0;
    (void)state;

    CHECK_OK(p.st);
    CHECK_TEXT(edn_cli_next(&p.args, EDN_OPT_TAG, &at), "a");
    CHECK_TEXT(edn_cli_next(&p.args, EDN_OPT_TAG, &at), "b");
    CHECK(edn_cli_next(&p.args, EDN_OPT_TAG, &at) == NULL);
    CHECK_INT(p.args.words_n, 2);
}

static void two_dashes_end_the_options(void **state)
{
    parsed p = parse("add --title=T -- --tag -x");
    (void)state;

    CHECK_OK(p.st);
    CHECK_INT(p.args.words_n, 2);
    CHECK_TEXT(p.args.words[0], "--tag");
    CHECK_TEXT(p.args.words[1], "-x");
    CHECK(!edn_cli_has(&p.args, EDN_OPT_TAG));
    p = parse("import -"); /* a single dash is a word */
    CHECK_OK(p.st);
    CHECK_TEXT(p.args.words[0], "-");
}

static void commands_of_two_words(void **state)
{
    parsed p = parse("journal --quiet rename Old New");
    (void)state;

    CHECK_OK(p.st);
    CHECK(p.args.command == &edn_cli_commands[EDN_CMD_JOURNAL_RENAME]);
    CHECK_INT(p.args.words_n, 2);
    check_refused("journal", "list, new, rename");
    check_refused("journal nwe X", "no command 'journal nwe'");
    check_refused("journals", "did you mean 'journal");
}

static void nothing_at_all_is_no_command(void **state)
{
    parsed p = parse("");
    (void)state;

    CHECK_OK(p.st);
    CHECK(p.args.command == NULL);
    p = parse("--version");
    CHECK_OK(p.st);
    CHECK(edn_cli_has(&p.args, EDN_OPT_VERSION));
}

static void refusals_say_what_is_wrong(void **state)
{
    (void)state;
    check_refused("lsit", "did you mean 'list'?");
    check_refused("frobnicate", "'edn help' lists them");
    check_refused("list --form 2024", "did you mean '--from'?");
    check_refused("list --fromm=2024", "did you mean '--from'?");
    check_refused("list --zzzzzzzz", "'edn help list' lists them");
    check_refused("list --from", "'--from' needs a value");
    check_refused("list -n", "'-n' needs a value");
    check_refused("list --json=yes", "'--json' takes no value");
    check_refused("list -z", "no option '-z'");
    check_refused("-z", "no option '-z'");
    check_refused("list extra", "takes no words");
    check_refused("show", "something is missing: edn show ENTRY");
    check_refused("show a b", "'b' is too much");
    check_refused("init --strength weak", "is not one of: floor default high");
    check_refused("init --strength floo", "is not one of");
    check_refused("export --format html /tmp/x", "is not one of: jsonl markdown");
}

static void help_needs_no_words(void **state)
{
    parsed p = parse("show --help");
    (void)state;

    CHECK_OK(p.st);
    CHECK(p.args.command == &edn_cli_commands[EDN_CMD_SHOW]);
}

static void nearest_names(void **state)
{
    static const char *const names[] = {"status", "sync", "search", "restore"};
    (void)state;

    CHECK_TEXT(edn_cli_nearest("sttaus", names, 4), "status"); /* two swapped */
    CHECK_TEXT(edn_cli_nearest("snyc", names, 4), "sync");
    CHECK_TEXT(edn_cli_nearest("sea", names, 4), "search"); /* a beginning */
    CHECK(edn_cli_nearest("abcdef", names, 4) == NULL);
    CHECK(edn_cli_nearest("", names, 4) == NULL);
    CHECK(edn_cli_nearest("a name that is longer than any name that there can be", names, 4) == NULL);
}

static void counts_and_times(void **state)
{
    uint64_t n;
    uint32_t s;
    (void)state;

    CHECK(edn_cli_read_count("0", 10, &n) && n == 0);
    CHECK(edn_cli_read_count("10", 10, &n) && n == 10);
    CHECK(!edn_cli_read_count("11", 10, &n));
    CHECK(!edn_cli_read_count("", 10, &n));
    CHECK(!edn_cli_read_count("-1", 10, &n));
    CHECK(!edn_cli_read_count("1x", 100, &n));
    CHECK(edn_cli_read_count("18446744073709551615", UINT64_MAX, &n) && n == UINT64_MAX);
    CHECK(!edn_cli_read_count("18446744073709551616", UINT64_MAX, &n));
    CHECK(edn_cli_read_time("90s", &s) && s == 90);
    CHECK(edn_cli_read_time("15m", &s) && s == 900);
    CHECK(edn_cli_read_time("24h", &s) && s == 86400);
    CHECK(edn_cli_read_time("0", &s) && s == 0);
    CHECK(!edn_cli_read_time("25h", &s));
    CHECK(!edn_cli_read_time("15", &s));
    CHECK(!edn_cli_read_time("m", &s));
    CHECK(!edn_cli_read_time("", &s));
    CHECK(!edn_cli_read_time("99999999999m", &s));
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static void every_row_is_filled(void **state)
{
    (void)state;
    for (int o = EDN_OPT_NONE + 1; o < EDN_OPT_COUNT; o++) {
        if (o == EDN_OPT_GLOBAL_END)
            continue;
        CHECK(edn_cli_options[o].name && edn_cli_options[o].help);
    }
    for (int c = 0; c < EDN_CMD_COUNT; c++) {
        const edn_cli_command *command = &edn_cli_commands[c];
        CHECK(command->name && command->group && command->summary);
        CHECK(command->words_max >= command->words_min);
        CHECK((command->words == NULL) == (command->words_max == 0));
        CHECK(edn_cli_takes(command, EDN_OPT_JSON) == (command->json != EDN_JSON_NONE));
        CHECK(command->options[EDN_CLI_OPTIONS_MAX] == EDN_OPT_NONE);
    }
    for (int i = 0; i < EDN_EXIT_COUNT; i++)
        CHECK(edn_cli_exit_texts[i] != NULL);
    for (int i = EDN_JSON_NONE + 1; i < EDN_JSON_COUNT; i++)
        CHECK(edn_cli_objects[i].title && edn_cli_objects[i].members);
}

/* An option is read before its command is known, by its name alone: rows of one name must agree on that. */
static void rows_of_one_name_agree(void **state)
{
    (void)state;
    for (int a = EDN_OPT_NONE + 1; a < EDN_OPT_COUNT; a++) {
        for (int b = EDN_OPT_NONE + 1; b < a; b++) {
            const edn_cli_option *x = &edn_cli_options[a], *y = &edn_cli_options[b];
            if (!x->name || !y->name)
                continue;
            if (strcmp(x->name, y->name) == 0) {
                CHECK((x->value == NULL) == (y->value == NULL));
                CHECK(a >= EDN_OPT_GLOBAL_END && b >= EDN_OPT_GLOBAL_END);
                for (int c = 0; c < EDN_CMD_COUNT; c++)
                    CHECK(!edn_cli_takes(&edn_cli_commands[c], (edn_cli_opt)a) ||
                          !edn_cli_takes(&edn_cli_commands[c], (edn_cli_opt)b));
            } else {
                CHECK(!x->letter || x->letter != y->letter);
            }
        }
    }
}

static void groups_stand_together(void **state)
{
    (void)state;
    for (int a = 0; a < EDN_CMD_COUNT; a++)
        for (int b = a + 2; b < EDN_CMD_COUNT; b++)
            if (strcmp(edn_cli_commands[a].group, edn_cli_commands[b].group) == 0)
                CHECK_TEXT(edn_cli_commands[b - 1].group, edn_cli_commands[a].group);
}

/* Scripts branch on these: a change breaks them. */
static void exit_codes_are_stable(void **state)
{
    static const struct {
        edn_status st;
        int code;
    } rows[] = {
        {EDN_OK, 0},           {EDN_E_CANCELLED, 1}, {EDN_E_MISSING, 3}, {EDN_E_AMBIGUOUS, 3}, {EDN_E_LOCKED, 4},
        {EDN_E_PASSPHRASE, 4}, {EDN_E_NETWORK, 5},   {EDN_E_RATE, 5},    {EDN_E_CONFLICT, 5},  {EDN_E_TLS, 6},
        {EDN_E_SERVER, 6},     {EDN_E_DENIED, 6},    {EDN_E_AUTH, 6},    {EDN_E_FORK, 6},      {EDN_E_ROLLBACK, 6},
        {EDN_E_CLONE, 6},      {EDN_E_KDF, 6},       {EDN_E_DAMAGED, 6}, {EDN_E_FORMAT, 6},    {EDN_E_SIG, 6},
        {EDN_E_NOMEM, 7},      {EDN_E_IO, 7},        {EDN_E_FULL, 7},    {EDN_E_BUSY, 7},      {EDN_E_LIMIT, 8},
        {EDN_E_INVALID, 8},    {EDN_E_UTF8, 8},      {EDN_E_EXISTS, 8},
    };
    (void)state;
    for (size_t i = 0; i < EDN_COUNT(rows); i++)
        CHECK_INT(edn_cli_exit_of(rows[i].st), rows[i].code);
    for (int st = EDN_OK + 1; st < EDN_STATUS_COUNT; st++)
        CHECK(edn_cli_exit_of((edn_status)st) != EDN_EXIT_OK && edn_cli_exit_of((edn_status)st) != EDN_EXIT_USAGE);
}

/* ---- what is made from it ---------------------------------------------------------------------------------------- */

static void check_holds(const char *text, const char *what)
{
    if (!strstr(text, what)) {
        print_error("\"%s\" is not in it\n", what);
        fail();
    }
}

static void documents_name_every_command_and_option(void **state)
{
    static void (*const makers[])(edn_buf *) = {edn_cli_markdown, edn_cli_bash, edn_cli_zsh};
    char name[64];
    (void)state;

    for (size_t m = 0; m < EDN_COUNT(makers); m++) {
        edn_buf out = EDN_BUF_INIT(EDN_CLI_DOCS_MAX);
        makers[m](&out);
        edn_put_u8(&out, 0);
        CHECK_OK(edn_buf_status(&out));
        for (int c = 0; c < EDN_CMD_COUNT; c++)
            check_holds((const char *)out.p, edn_cli_commands[c].name);
        for (int o = EDN_OPT_NONE + 1; o < EDN_OPT_COUNT; o++) {
            if (!edn_cli_options[o].name)
                continue;
            snprintf(name, sizeof name, "--%s", edn_cli_options[o].name);
            check_holds((const char *)out.p, name);
        }
        edn_buf_dispose(&out);
    }
}

static void help_fits_the_width(void **state)
{
    (void)state;
    for (int c = -1; c < EDN_CMD_COUNT; c++) {
        edn_buf out = EDN_BUF_INIT(EDN_CLI_DOCS_MAX);
        size_t from = 0;
        if (c < 0)
            edn_cli_help(&out, 80);
        else
            edn_cli_help_command(&out, &edn_cli_commands[c], 80);
        CHECK_OK(edn_buf_status(&out));
        for (size_t i = 0; i < out.n; i++) {
            if (out.p[i] != '\n')
                continue;
            if (i - from > 80)
                print_error("%.*s\n", (int)(i - from), (const char *)out.p + from);
            CHECK(i - from <= 80);
            from = i + 1;
        }
        edn_buf_dispose(&out);
    }
}

/* docs/commands.md is kept in the repository, so that it can be read there. */
static void docs_are_what_the_table_says(void **state)
{
    const char *tests = getenv("EDN_TESTS");
    edn_buf out = EDN_BUF_INIT(EDN_CLI_DOCS_MAX), there = EDN_BUF_INIT(EDN_CLI_DOCS_MAX);
    char path[1024];
    FILE *f;
    (void)state;

    if (!tests)
        skip(); /* run by hand: meson says where the repository is */
    snprintf(path, sizeof path, "%s/../docs/commands.md", tests);
    f = fopen(path, "rb");
    CHECK(f != NULL);
    for (int c; (c = fgetc(f)) != EOF;)
        edn_put_u8(&there, (uint8_t)c);
    fclose(f);
    edn_cli_markdown(&out);
    if (!edn_bytes_equal(edn_buf_view(&out), edn_buf_view(&there)))
        print_error("write it anew: build/src/cli/gen-docs markdown docs/commands.md\n");
    CHECK_BYTES(edn_buf_view(&there), edn_buf_view(&out));
    edn_buf_dispose(&out);
    edn_buf_dispose(&there);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_anywhere),
        cmocka_unit_test(options_before_the_command_are_the_commands),
        cmocka_unit_test(repeated_options_are_all_there),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(commands_of_two_words),
        cmocka_unit_test(nothing_at_all_is_no_command),
        cmocka_unit_test(refusals_say_what_is_wrong),
        cmocka_unit_test(help_needs_no_words),
        cmocka_unit_test(nearest_names),
        cmocka_unit_test(counts_and_times),
        cmocka_unit_test(every_row_is_filled),
        cmocka_unit_test(rows_of_one_name_agree),
        cmocka_unit_test(groups_stand_together),
        cmocka_unit_test(exit_codes_are_stable),
        cmocka_unit_test(documents_name_every_command_and_option),
        cmocka_unit_test(help_fits_the_width),
        cmocka_unit_test(docs_are_what_the_table_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
