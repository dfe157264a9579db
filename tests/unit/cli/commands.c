#define _GNU_SOURCE /* memfd_create */
#include "check.h"

#include <fcntl.h>
#include <jansson.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/fake_client.h"
#include "cli/table.h"

/* What a command printed; each ends with a zero. */
static char out_text[65536], note_text[65536];

static void take(int fd, char *to, size_t size)
{
    ssize_t n = pread(fd, to, size - 1, 0);
    CHECK(n >= 0);
    to[n] = 0;
    close(fd);
}

/* Runs `edn LINE` with the passphrase on descriptor 9 and `input` on standard input; returns its exit code. */
static int run_with(const char *input, const char *line)
{
    char text[512], *argv[32] = {(char *)"edn"};
    int argc = 1, code, kept[3], to[3], pass[2];

    snprintf(text, sizeof text, "%s", line);
    for (char *at = text; *at;) {
        argv[argc++] = at;
        at += strcspn(at, " ");
        if (*at)
            *at++ = 0;
    }
    CHECK_INT(pipe(pass), 0);
    CHECK(write(pass[1], "open sesame\n", 12) == 12);
    close(pass[1]);
    CHECK(dup2(pass[0], 9) == 9);
    close(pass[0]);
    fflush(NULL);
    for (int i = 0; i < 3; i++) {
        kept[i] = dup(i);
        to[i] = memfd_create("stream", 0);
        CHECK(kept[i] >= 0 && to[i] >= 0);
    }
    CHECK(write(to[0], input, strlen(input)) == (ssize_t)strlen(input));
    CHECK(lseek(to[0], 0, SEEK_SET) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(dup2(to[i], i) == i);
    fake.unlocked = false; /* every command is a process of its own */
    code = edn_cli_main(argc, argv);
    for (int i = 0; i < 3; i++) {
        CHECK(dup2(kept[i], i) == i);
        close(kept[i]);
    }
    close(9);
    close(to[0]);
    take(to[1], out_text, sizeof out_text);
    take(to[2], note_text, sizeof note_text);
    return code;
}

static int run(const char *line) { return run_with("", line); }

static void check_says(const char *text, const char *what)
{
    if (!strstr(text, what)) {
        print_error("\"%s\" is not in: %s\n", what, text);
        fail();
    }
}

static int start(void **state)
{
    (void)state;
    fake_reset();
    setenv("HOME", "/nonexistent", 1);
    unsetenv("EDN_HOME");
    unsetenv("XDG_DATA_HOME");
    fake_entry("00112233445566778899aabbccddeeff", "2024-05-01", "One", "First text");
    return 0;
}

#define PASS " --passphrase-fd 9"

/* Every command, as it works. */
static const char *const good[] = {
    "list",
    "show last",
    "today",
    "search word",
    "search word --count",
    "similar last",
    "onthisday 2023-05-01",
    "stats",
    "stats word",
    "reindex",
    "history last",
    "journal list",
    "journal new X",
    "journal rename Diary Y",
    "add text",
    "set last title=T",
    "tag last sea",
    "mv last Diary",
    "rm last",
    "undelete last",
    "restore last@1",
    "restore last@2024-05-02",
    "show last@2024-05-01T10:00:01Z",
    "diff last@2024-05-01T10:00:01Z last@today",
    "sync",
    "sync --watch",
    "status",
    "verify",
    "sheet",
    "server https://x --name ada",
    "import -",
    "write",
};

static void every_failure_has_its_exit_code(void **state)
{
    char line[128];
    (void)state;

    for (size_t i = 0; i < EDN_COUNT(good); i++) {
        for (int st = EDN_OK; st < EDN_STATUS_COUNT; st++) {
            edn_cli_exit want;
            int code;
            start(NULL);
            fake.fail = (edn_status)st;
            snprintf(line, sizeof line, "%s" PASS, good[i]);
            code = run_with("{\"date\":\"2024-05-01\",\"text\":\"x\"}", line);
            /* A word that can name no entry names none. */
            want = st == EDN_E_INVALID && strstr(good[i], " last") && good[i][0] != 'm'
                       ? EDN_EXIT_NOT_FOUND
                       : edn_cli_exit_of((edn_status)st);
            if (code != (int)want)
                print_error("edn %s with %s: exit code %d\n%s", good[i], edn_status_name((edn_status)st), code,
                            note_text);
            CHECK_INT(code, want);
            if (st != EDN_OK) {
                check_says(note_text, "edn: it failed as it was told");
                CHECK(strchr(note_text, '\n') == strrchr(note_text, '\n')); /* one line */
            }
        }
    }
}

static void a_locked_diary_is_exit_code_4(void **state)
{
    (void)state;
    /* No terminal (the test has none of its own on /dev/tty only by luck, so ask through a closed descriptor). */
    memcpy(fake.passphrase, "other", 6);
    CHECK_INT(run("list" PASS), EDN_EXIT_LOCKED);
    check_says(note_text, "wrong passphrase");
    CHECK_INT(run("status"), EDN_EXIT_OK); /* says that it is locked, and asks nothing */
    check_says(out_text, "locked");
    CHECK(!strstr(out_text, "yes"));
}

static void wrong_lines_are_exit_code_2(void **state)
{
    static const char *const wrong[] = {
        "",
        "frobnicate",
        "list --from never" PASS,
        "list --limit 0" PASS,
        "list --limit x" PASS,
        "add x --date 2024-13-01" PASS,
        "add x --field nothing" PASS,
        "set last title" PASS,
        "set last =x" PASS,
        "tag last" PASS,
        "show last@0" PASS,
        "show last@x" PASS,
        "show last@2024-13-01" PASS,
        "show last@1960-01-01" PASS,
        "show last --text --json" PASS,
        "restore last" PASS,
        "unlock --timeout 5" PASS,
        "init --server https://x" PASS,
        "init --name ada" PASS,
        "login --name ada" PASS,
        "login --server https://x" PASS,
        "server https://x" PASS,
        "list --passphrase-fd 77",
        "list --passphrase-fd x",
        "help frobnicate",
    };
    (void)state;
    for (size_t i = 0; i < EDN_COUNT(wrong); i++) {
        int code = run(wrong[i]);
        if (code != EDN_EXIT_USAGE)
            print_error("edn %s: exit code %d\n%s", wrong[i], code, note_text);
        CHECK_INT(code, EDN_EXIT_USAGE);
        check_says(note_text, "edn: ");
    }
}

static void nothing_found_is_exit_code_3(void **state)
{
    (void)state;
    CHECK_INT(run("show 9999" PASS), EDN_EXIT_NOT_FOUND);
    CHECK_INT(run("search nothing such" PASS), EDN_EXIT_NOT_FOUND);
    CHECK_INT(run("search nothing such --count" PASS), 0);
    CHECK_INT(run("similar last --limit 7" PASS), EDN_EXIT_NOT_FOUND);
    CHECK_INT(run("onthisday 2023-05-02" PASS), EDN_EXIT_NOT_FOUND);
    CHECK_INT(run("stats nothing" PASS), EDN_EXIT_NOT_FOUND);
    CHECK_INT(run("add x --journal Work" PASS), EDN_EXIT_NOT_FOUND);
    CHECK_INT(run("import /nonexistent/file" PASS), EDN_EXIT_NOT_FOUND);
    fake.there = false;
    CHECK_INT(run("list" PASS), EDN_EXIT_NOT_FOUND);
    check_says(note_text, "/nonexistent/.local/share/edn: no diary here");
}

/* ---- what is printed --------------------------------------------------------------------------------------------- */

/* Each line of output is an object with members of the table, in the table's order. */
static void check_members(edn_cli_json object, const char *const *may_lack, size_t may_lack_n)
{
    const edn_cli_member *m = edn_cli_objects[object].members;
    json_t *root = json_loads(out_text, 0, NULL), *value;
    const char *name;

    if (!root)
        print_error("not one object: %s\n", out_text);
    CHECK(root != NULL);
    CHECK(out_text[strlen(out_text) - 1] == '\n');
    json_object_foreach(root, name, value)
    {
        while (m->name && strcmp(m->name, name) != 0) {
            bool lacks = false;
            for (size_t i = 0; i < may_lack_n; i++)
                lacks = lacks || strcmp(may_lack[i], m->name) == 0;
            if (!lacks)
                print_error("%s: after %s comes %s\n", edn_cli_objects[object].title, name, m->name);
            CHECK(lacks);
            m++;
        }
        CHECK(m->name != NULL);
        m++;
    }
    for (; m->name; m++) {
        bool lacks = false;
        for (size_t i = 0; i < may_lack_n; i++)
            lacks = lacks || strcmp(may_lack[i], m->name) == 0;
        CHECK(lacks);
    }
    json_decref(root);
}

static void json_is_as_the_table_says(void **state)
{
    static const char *const whole_lacks[] = {"preview"}, *const row_lacks[] = {"text", "fields"},
                             *const query_lacks[] = {"words", "tag"};
    (void)state;

    CHECK_INT(run("show last --json" PASS), 0);
    check_members(EDN_JSON_ENTRY, whole_lacks, 1);
    CHECK_INT(run("list --json" PASS), 0);
    check_members(EDN_JSON_ENTRY, row_lacks, 2);
    CHECK_INT(run("search word --json" PASS), 0);
    check_members(EDN_JSON_HIT, NULL, 0);
    CHECK_INT(run("similar last --json" PASS), 0);
    check_members(EDN_JSON_HIT, NULL, 0);
    CHECK_INT(run("onthisday 2023-05-01 --json" PASS), 0);
    check_members(EDN_JSON_ENTRY, row_lacks, 2);
    CHECK_INT(run("stats word --json" PASS), 0);
    check_members(EDN_JSON_COUNTED, query_lacks, 2);
    CHECK_INT(run("history last --json" PASS), 0);
    check_members(EDN_JSON_VERSION, NULL, 0);
    CHECK_INT(run("journal list --json" PASS), 0);
    check_members(EDN_JSON_JOURNAL, NULL, 0);
    CHECK_INT(run("journal new X --json" PASS), 0);
    check_members(EDN_JSON_MADE, NULL, 0);
    CHECK_INT(run("add x --json" PASS), 0);
    check_members(EDN_JSON_MADE, NULL, 0);
    CHECK_INT(run_with("{\"date\":\"2024-05-01\",\"text\":\"x\"}", "import - --json" PASS), 0);
    check_members(EDN_JSON_IMPORT, NULL, 0);
    CHECK_INT(run("sync --json" PASS), 0);
    check_members(EDN_JSON_SYNC, NULL, 0);
    CHECK_INT(run("status --json" PASS), 0);
    check_members(EDN_JSON_STATUS, NULL, 0);
    CHECK_INT(run("verify --json" PASS), 0);
    check_members(EDN_JSON_VERIFY, NULL, 0);
}

static void changed_lines_are_shown_as_they_were_and_as_they_are(void **state)
{
    (void)state;
    CHECK_INT(run("diff last@1 last@2" PASS), 0);
    assert_string_equal(out_text, "@@ 2\n-two three\n-four five\n+two 3 five\n@@ 4\n+seven\n");
    CHECK_INT(run("diff last@1 --json" PASS), 0);
    assert_string_equal(out_text, "{\"at\":8,\"deleted\":\"three\\nfour\",\"inserted\":\"3\"}\n"
                                  "{\"at\":28,\"deleted\":\"\",\"inserted\":\"seven\\n\"}\n");
    CHECK_INT(run("diff last@2 last@2" PASS), 0);
    assert_string_equal(out_text, "");
    check_says(note_text, "Nothing differs");
    CHECK_INT(run("diff last@x" PASS), 2);
}

static void a_line_is_its_newest_writers(void **state)
{
    (void)state;
    CHECK_INT(run("blame last" PASS), 0);
    check_says(out_text, "  ffffffff  one two\n");
    check_says(out_text, "  desk  three\n");
}

static void devices_are_listed_and_revoked_by_name(void **state)
{
    static const edn_head_status heads[] = {
        {.device = "00112233445566778899aabbccddeeff",
         .device_name = {(const uint8_t *)"desk", 4},
         .self = true,
         .active = true,
         .dseq = 7,
         .added_ms = 1714521600000},
        {.device = "ff112233445566778899aabbccddeeff", .device_name = {(const uint8_t *)"ph\none", 6}},
    };
    (void)state;

    fake.status.heads = heads;
    fake.status.heads_n = 1;
    CHECK_INT(run("device list --json" PASS), 0);
    check_members(EDN_JSON_DEVICE, NULL, 0);
    fake.status.heads_n = 2;
    CHECK_INT(run("device list" PASS), 0);
    check_says(out_text, "00112233\tdesk\tself\t2024-0");
    check_says(out_text, "ff112233\tph");
    check_says(out_text, "\trevoked\t");
    CHECK_INT(run("device rename desk attic" PASS), 0);
    CHECK_INT(run("device revoke phone" PASS), 0);
    check_says(note_text, "phone is revoked.");
    fake.fail = EDN_E_MISSING;
    CHECK_INT(run("device revoke phone" PASS), EDN_EXIT_NOT_FOUND);
    CHECK_INT(run("device revoke" PASS), EDN_EXIT_USAGE);
}

static void a_list_tells_ids_apart(void **state)
{
    (void)state;
    CHECK_INT(run("list" PASS), 0);
    CHECK_STR(edn_bytes_str(out_text), "00112233\t2024-05-01\tOne\t\tFirst text\n");
    fake_entry("0011223344000000000000000000000f", "2024-05-02", "Two", "b\nc\td\x1b[2J");
    CHECK_INT(run("list" PASS), 0);
    CHECK_STR(edn_bytes_str(out_text), "00112233445\t2024-05-01\tOne\t\tFirst text\n"
                                       "00112233440\t2024-05-02\tTwo\t\tb c d\\x1b[2J\n");
    CHECK_INT(run("list --limit 1" PASS), 0);
    CHECK_STR(edn_bytes_str(out_text), "00112233\t2024-05-02\tTwo\t\tb c d\\x1b[2J\n");
    CHECK_INT(run("list --newest-first" PASS), 0);
    check_says(out_text, "00112233440\t2024-05-02");
    CHECK(strstr(out_text, "Two") < strstr(out_text, "One"));
}

static void text_alone_is_the_text_and_a_line_end(void **state)
{
    (void)state;
    CHECK_INT(run("show last --text" PASS), 0);
    CHECK_STR(edn_bytes_str(out_text), "First text\n");
    CHECK_INT(run("show last" PASS), 0);
    CHECK_STR(edn_bytes_str(out_text), "2024-05-01  One  00112233  Diary\n\nFirst text\n");
}

static void writing_takes_a_title_from_the_first_line(void **state)
{
    (void)state;
    CHECK_INT(run_with("# Rain\n\nAll day.\n", "write --date 2024-05-02 --tag #sea --field mood=calm" PASS), 0);
    check_says(out_text, "wrote aa010000 (2024-05-02, Rain)");
    CHECK_INT(run("show aa01 --json" PASS), 0);
    check_says(out_text, "\"title\":\"Rain\",\"text\":\"All day.\"");
    check_says(out_text, "\"tags\":[\"sea\"],\"fields\":{\"mood\":\"calm\"}");
    CHECK_INT(run_with("# Rain\n", "write --title Sun" PASS), 0);
    CHECK_INT(run("show aa02 --json" PASS), 0);
    check_says(out_text, "\"title\":\"Sun\",\"text\":\"# Rain\"");
    CHECK_INT(run_with("", "write" PASS), EDN_EXIT_INPUT);
    CHECK_INT(run_with("", "edit last" PASS), EDN_EXIT_INPUT);
    CHECK_INT(run_with("First text\n", "edit last" PASS), 0);
    check_says(note_text, "nothing was changed");
    CHECK_INT(run_with("Second\n\n", "edit last" PASS), 0);
    CHECK_INT(run("show last --text" PASS), 0);
    CHECK_STR(edn_bytes_str(out_text), "Second\n\n");
}

static void a_broken_line_imports_nothing_or_is_left_out(void **state)
{
    static const char lines[] =
        "{\"date\":\"2024-05-01\",\"text\":\"a\"}\n\nnot json\n{\"date\":\"2024-05-02\",\"text\":\"b\"}\n"
        "{\"date\":\"2024-05-03\",\"text\":\"c\",\"much-too-long\":\"d\"}\n";
    (void)state;
    CHECK_INT(run_with(lines, "import -" PASS), EDN_EXIT_INPUT);
    check_says(note_text, "edn: standard input, line 3: not JSON");
    check_says(note_text, "nothing was imported");
    CHECK_INT(run("list" PASS), 0);
    CHECK(!strstr(out_text, "2024-05-02"));
    CHECK_INT(run_with(lines, "import - --skip-bad" PASS), 0);
    CHECK_STR(edn_bytes_str(out_text), "imported 2 entries; left out 2 that are broken\n");
    check_says(note_text, "line 3");
    check_says(note_text, "line 5: the field's name is too long; left out");
}

static void findings_are_said_loudly(void **state)
{
    (void)state;
    fake.findings[0] = (edn_finding){.status = EDN_E_FORK, .text = "the server shows two pasts\x1b[1m"};
    fake.findings_n = 1;
    CHECK_INT(run("sync --quiet" PASS), EDN_EXIT_NOT_AUTHENTIC);
    check_says(note_text, "edn: E_FORK: the server shows two pasts\\x1b[1m");
    CHECK_INT(run("sync --json" PASS), EDN_EXIT_NOT_AUTHENTIC);
    check_says(out_text, "\"findings\":[{\"class\":\"E_FORK\"");
    CHECK_INT(run("verify --published" PASS), EDN_EXIT_NOT_AUTHENTIC);
    check_says(out_text, "3 parts of the published index: 1 damaged");
    CHECK(!strstr(out_text, "all good"));
}

static void synced_is_said_only_when_it_is_signed(void **state)
{
    (void)state;
    CHECK_INT(run("sync" PASS), 0);
    check_says(out_text, "nothing new; the server has not signed that it holds everything");
    CHECK_INT(run("status" PASS), 0);
    check_says(out_text, "Synced   no: the server has signed nothing yet");
    fake.status.unsent = 1;
    CHECK_INT(run("status" PASS), 0);
    check_says(out_text, "Synced   no: 1 change is not sent yet");
    fake.synced = (edn_sync_result){.synced = true, .batches_sent = 1, .batches_received = 3, .entries_changed = 2};
    fake.status.synced = true;
    fake.status.unsent = 0;
    fake.status.receipt_ms = 1714557600500u;
    CHECK_INT(run("sync" PASS), 0);
    check_says(out_text, "sent 1 batch, received 3 batches, 2 entries changed; the server holds everything (receipt ");
    CHECK_INT(run("status" PASS), 0);
    check_says(out_text, "Synced   yes: the server signed at ");
    fake.status.server[0] = 0;
    CHECK_INT(run("status" PASS), 0);
    check_says(out_text, "Synced   no: there is no server");
}

static void a_full_output_is_a_failure(void **state)
{
    int full = open("/dev/full", O_WRONLY), kept = dup(STDOUT_FILENO), code;
    char *argv[] = {(char *)"edn", (char *)"help", NULL};
    (void)state;

    CHECK(full >= 0);
    fflush(NULL);
    CHECK(dup2(full, STDOUT_FILENO) == STDOUT_FILENO);
    code = edn_cli_main(2, argv);
    CHECK(dup2(kept, STDOUT_FILENO) == STDOUT_FILENO);
    close(kept);
    close(full);
    CHECK_INT(code, EDN_EXIT_STORAGE);
}

#define FRESH(f) cmocka_unit_test_setup(f, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRESH(every_failure_has_its_exit_code),
        FRESH(a_locked_diary_is_exit_code_4),
        FRESH(wrong_lines_are_exit_code_2),
        FRESH(nothing_found_is_exit_code_3),
        FRESH(json_is_as_the_table_says),
        FRESH(changed_lines_are_shown_as_they_were_and_as_they_are),
        FRESH(a_line_is_its_newest_writers),
        FRESH(devices_are_listed_and_revoked_by_name),
        FRESH(a_list_tells_ids_apart),
        FRESH(text_alone_is_the_text_and_a_line_end),
        FRESH(writing_takes_a_title_from_the_first_line),
        FRESH(a_broken_line_imports_nothing_or_is_left_out),
        FRESH(findings_are_said_loudly),
        FRESH(synced_is_said_only_when_it_is_signed),
        FRESH(a_full_output_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
