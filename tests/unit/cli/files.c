#define _GNU_SOURCE /* mkdtemp, nftw */
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "cli/folder.h"
#include "cli/record.h"
#include "cli/source.h"

#define TEXT(s) edn_bytes_of(s, sizeof(s) - 1)

static char folder[64];

static int remove_one(const char *path, const struct stat *sb, int flag, struct FTW *ftw)
{
    (void)sb;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static int folder_make(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/edn-files-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int folder_remove(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *path_of(const char *name)
{
    static char path[4][256];
    static unsigned turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static void file_write(const char *name, edn_bytes bytes)
{
    FILE *f = fopen(path_of(name), "wb");
    CHECK(f != NULL);
    CHECK_INT(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
    CHECK_INT(fclose(f), 0);
}

static void check_file(const char *name, const char *want)
{
    edn_cli_source *s;
    edn_bytes got;
    CHECK_OK(edn_cli_source_open(path_of(name), &s, NULL));
    CHECK_OK(edn_cli_source_rest(s, &got, NULL));
    CHECK_STR(got, want);
    edn_cli_source_close(s);
}

static bool there_is(const char *name) { return access(path_of(name), F_OK) == 0; }

/* ---- source ------------------------------------------------------------------------------------------------------ */

/* Reads all lines of a source and joins them with "|". */
static edn_status lines_join(const char *path, edn_buf *out, uint64_t *lines, edn_err *err)
{
    edn_cli_source *s;
    edn_bytes line;
    bool done = false;
    edn_status st = edn_cli_source_open(path, &s, err);

    if (st != EDN_OK)
        return st;
    while ((st = edn_cli_source_line(s, &line, &done, err)) == EDN_OK && !done) {
        edn_put_bytes(out, line.p, line.n);
        edn_put_u8(out, '|');
    }
    *lines = edn_cli_source_number(s);
    edn_cli_source_close(s);
    return st;
}

static void check_lines(const char *path, const char *want, uint64_t count)
{
    edn_buf out = EDN_BUF_INIT(1 << 20);
    uint64_t lines = 0;
    CHECK_OK(lines_join(path, &out, &lines, NULL));
    CHECK_STR(edn_buf_view(&out), want);
    CHECK_INT(lines, count);
    edn_buf_dispose(&out);
}

static void lines_of_a_file(void **state)
{
    (void)state;
    file_write("f", TEXT("one\ntwo\r\n\nfour"));
    check_lines(path_of("f"), "one|two||four|", 4);
    file_write("f", TEXT("one\n"));
    check_lines(path_of("f"), "one|", 1);
    file_write("f", TEXT(""));
    check_lines(path_of("f"), "", 0);
    file_write("f", TEXT("\n"));
    check_lines(path_of("f"), "|", 1);
    file_write("f", TEXT("\xef\xbb\xbfmarked\n\xef\xbb\xbf"));
    check_lines(path_of("f"), "marked|\xef\xbb\xbf|", 2);
    file_write("f", TEXT("\xef\xbb"));
    check_lines(path_of("f"), "\xef\xbb|", 1);
}

/* A pipe may give one byte at a time: the mark, the magic of a packed file and line ends come in pieces. */
static void any_split_of_a_stream_gives_the_same_lines(void **state)
{
    static const char text[] = "\xef\xbb\xbf"
                               "a\nbc\r\n\xd0\xb4\n";
    char packed[256];
    size_t packed_n = ZSTD_compress(packed, sizeof packed, text, sizeof text - 1, 3);
    (void)state;

    CHECK(!ZSTD_isError(packed_n));
    for (int zipped = 0; zipped < 2; zipped++) {
        const char *bytes = zipped ? packed : text;
        size_t n = zipped ? packed_n : sizeof text - 1;
        for (size_t step = 1; step <= n; step++) {
            edn_buf out = EDN_BUF_INIT(1 << 20);
            uint64_t lines;
            int ends[2], in = dup(STDIN_FILENO);
            pid_t writer;
            CHECK_INT(pipe(ends), 0);
            writer = fork();
            if (writer == 0) {
                for (size_t at = 0; at < n; at += step) {
                    size_t k = EDN_MIN(step, n - at);
                    if (write(ends[1], bytes + at, k) != (ssize_t)k)
                        _exit(1);
                    usleep(200); /* so that the reader sees the pieces apart */
                }
                _exit(0);
            }
            close(ends[1]);
            CHECK(dup2(ends[0], STDIN_FILENO) == STDIN_FILENO);
            close(ends[0]);
            CHECK_OK(lines_join("-", &out, &lines, NULL));
            CHECK_STR(edn_buf_view(&out), "a|bc|\xd0\xb4|");
            edn_buf_dispose(&out);
            CHECK(dup2(in, STDIN_FILENO) == STDIN_FILENO);
            close(in);
        }
    }
}

static void long_and_packed_files(void **state)
{
    size_t n = 3000000, packed_n;
    uint8_t *text = malloc(n + 1), *packed = malloc(ZSTD_compressBound(2 * n));
    edn_cli_source *s;
    edn_bytes line;
    bool done;
    uint64_t read, total;
    (void)state;

    CHECK(text && packed);
    memset(text, 'x', n);
    text[0] = '\n';
    text[n - 1] = '\n';
    packed_n = ZSTD_compress(packed, ZSTD_compressBound(n), text, n, 1);
    packed_n += ZSTD_compress(packed + packed_n, ZSTD_compressBound(n), "end", 3, 1); /* a second frame */
    file_write("f.zst", edn_bytes_of(packed, packed_n));
    CHECK_OK(edn_cli_source_open(path_of("f.zst"), &s, NULL));
    CHECK_OK(edn_cli_source_line(s, &line, &done, NULL));
    CHECK_INT(line.n, 0);
    CHECK_OK(edn_cli_source_line(s, &line, &done, NULL));
    CHECK_INT(line.n, n - 2);
    CHECK(memcmp(line.p, text + 1, n - 2) == 0);
    CHECK_OK(edn_cli_source_line(s, &line, &done, NULL));
    CHECK_STR(line, "end");
    CHECK_OK(edn_cli_source_line(s, &line, &done, NULL));
    CHECK(done);
    edn_cli_source_progress(s, &read, &total);
    CHECK_INT(read, packed_n);
    CHECK_INT(total, packed_n);
    edn_cli_source_close(s);
    free(text);
    free(packed);
}

static void broken_files_are_named(void **state)
{
    char packed[256];
    size_t packed_n = ZSTD_compress(packed, sizeof packed, "a line\n", 7, 3);
    edn_buf out = EDN_BUF_INIT(4096);
    edn_err err = {0};
    uint64_t lines;
    (void)state;

    file_write("f", edn_bytes_of(packed, packed_n - 1));
    CHECK_STATUS(lines_join(path_of("f"), &out, &lines, &err), EDN_E_INVALID);
    CHECK(strstr(err.text, "ends before its end"));
    packed[5] ^= 0x55;
    file_write("f", edn_bytes_of(packed, packed_n));
    CHECK_STATUS(lines_join(path_of("f"), &out, &lines, &err), EDN_E_INVALID);
    CHECK(strstr(err.text, "broken"));
    CHECK_STATUS(lines_join(path_of("missing"), &out, &lines, &err), EDN_E_MISSING);
    CHECK(strstr(err.text, "missing"));
    CHECK_STATUS(lines_join(folder, &out, &lines, &err), EDN_E_IO);
    CHECK(strstr(err.text, "directory"));
    edn_buf_dispose(&out);
}

/* ---- folder ------------------------------------------------------------------------------------------------------ */

static edn_entry entry_of(uint8_t first, const char *date, const char *text)
{
    edn_entry e = {.journal_name = TEXT("J"), .date = edn_bytes_str(date), .text = edn_bytes_str(text)};
    e.id.b[0] = first;
    return e;
}

static edn_status export_to(const char *path, edn_cli_format format, bool force, const edn_entry *entries, size_t n,
                            edn_err *err)
{
    edn_cli_folder *f;
    uint64_t files = 0;
    edn_status st = edn_cli_folder_open(path, format, force, &f, err);

    for (size_t i = 0; st == EDN_OK && i < n; i++)
        st = edn_cli_folder_put(f, &entries[i], err);
    if (st == EDN_OK && (st = edn_cli_folder_finish(f, &files, err)) == EDN_OK)
        CHECK_INT(files, format == EDN_FORMAT_JSONL ? 1 : n);
    edn_cli_folder_close(f);
    return st;
}

static void an_export_of_markdown(void **state)
{
    edn_entry twins[3] = {entry_of(1, "2024-05-01", "a"), entry_of(1, "2024-05-01", "b"),
                          entry_of(2, "2025-01-01", "c")};
    char **paths;
    size_t n;
    struct stat sb;
    (void)state;

    twins[1].id.b[15] = 1; /* the same first digits on the same day */
    CHECK_OK(export_to(path_of("md"), EDN_FORMAT_MARKDOWN, false, twins, 3, NULL));
    check_file(
        "md/2024/2024-05-01-01000000.md",
        "---\ndate: 2024-05-01\nid: \"01000000000000000000000000000000\"\njournal: \"J\"\ntitle: \"\"\n---\n\na\n");
    CHECK(there_is("md/2024/2024-05-01-01000000000000000000000000000001.md"));
    CHECK(there_is("md/2025/2025-01-01-02000000.md"));
    check_file("md/.edn-export", "edn-export 1 markdown\n2024/2024-05-01-01000000.md\n"
                                 "2024/2024-05-01-01000000000000000000000000000001.md\n2025/2025-01-01-02000000.md\n");
    CHECK_INT(stat(path_of("md/2024/2024-05-01-01000000.md"), &sb), 0);
    CHECK_INT(sb.st_mode & 0777, 0600); /* it is readable now: by its owner alone */
    CHECK_OK(edn_cli_folder_list(path_of("md"), &paths, &n, NULL));
    CHECK_INT(n, 3);
    CHECK(strstr(paths[0], "2024/2024-05-01-01000000.md"));
    CHECK(strstr(paths[2], "2025/"));
    edn_cli_folder_list_free(paths, n);
}

static void an_earlier_export_is_brought_up_to_date(void **state)
{
    edn_entry e[2] = {entry_of(1, "2024-05-01", "a"), entry_of(2, "2025-01-01", "c")};
    struct stat before, after;
    (void)state;

    CHECK_OK(export_to(path_of("md"), EDN_FORMAT_MARKDOWN, false, e, 2, NULL));
    file_write("md/2025/mine.md", TEXT("mine"));
    CHECK_INT(stat(path_of("md/2024/2024-05-01-01000000.md"), &before), 0);
    CHECK_OK(export_to(path_of("md"), EDN_FORMAT_MARKDOWN, false, e, 1, NULL));
    CHECK_INT(stat(path_of("md/2024/2024-05-01-01000000.md"), &after), 0);
    CHECK_INT(before.st_ino, after.st_ino); /* the same bytes are left alone */
    CHECK(!there_is("md/2025/2025-01-01-02000000.md"));
    CHECK(there_is("md/2025/mine.md"));
    check_file("md/.edn-export", "edn-export 1 markdown\n2024/2024-05-01-01000000.md\n");
    CHECK(!there_is("md/.edn-export.part"));
}

static void an_export_of_lines(void **state)
{
    edn_entry e[2] = {entry_of(1, "2024-05-01", "a"), entry_of(2, "2025-01-01", "c")};
    (void)state;

    CHECK_OK(export_to(path_of("jl"), EDN_FORMAT_JSONL, false, e, 2, NULL));
    check_file("jl/diary.jsonl",
               "{\"date\":\"2024-05-01\",\"id\":\"01000000000000000000000000000000\",\"journal\":\"J\",\"text\":\"a\","
               "\"title\":\"\"}\n"
               "{\"date\":\"2025-01-01\",\"id\":\"02000000000000000000000000000000\",\"journal\":\"J\",\"text\":\"c\","
               "\"title\":\"\"}\n");
    check_file("jl/.edn-export", "edn-export 1 jsonl\ndiary.jsonl\n");
    CHECK_OK(export_to(path_of("jl"), EDN_FORMAT_JSONL, false, e, 0, NULL));
    check_file("jl/diary.jsonl", "");
}

static void folders_of_others_are_left_alone(void **state)
{
    edn_entry e = entry_of(1, "2024-05-01", "a");
    edn_err err = {0};
    (void)state;

    CHECK_INT(mkdir(path_of("other"), 0700), 0);
    file_write("other/letter", TEXT("dear"));
    CHECK_STATUS(export_to(path_of("other"), EDN_FORMAT_JSONL, false, &e, 1, &err), EDN_E_EXISTS);
    CHECK(strstr(err.text, "not empty"));
    CHECK(!there_is("other/.edn-export"));
    CHECK_OK(export_to(path_of("other"), EDN_FORMAT_JSONL, true, &e, 1, NULL));
    check_file("other/letter", "dear");
    CHECK_STATUS(export_to(path_of("other"), EDN_FORMAT_MARKDOWN, false, &e, 1, &err), EDN_E_EXISTS);
    CHECK(strstr(err.text, "another format"));
    CHECK_STATUS(export_to(path_of("other/letter"), EDN_FORMAT_JSONL, false, &e, 1, &err), EDN_E_MISSING);
    CHECK_STATUS(export_to(path_of("no/such"), EDN_FORMAT_JSONL, false, &e, 1, &err), EDN_E_MISSING);
}

/* Whoever can write into the folder can write a list: it must not reach outside, nor take what is not an export's. */
static void a_forged_list_removes_nothing_else(void **state)
{
    edn_entry e = entry_of(1, "2024-05-01", "a");
    (void)state;

    CHECK_INT(mkdir(path_of("md"), 0700), 0);
    CHECK_INT(mkdir(path_of("md/2020"), 0700), 0);
    file_write("victim", TEXT("v"));
    file_write("md/notes.md", TEXT("n"));
    file_write("md/2020/2020-01-01-zzzzzzzz.md", TEXT("n"));
    file_write("md/.edn-export", TEXT("edn-export 1 markdown\n../victim\nnotes.md\n/etc/hostname\n"
                                      "2020/2020-01-01-zzzzzzzz.md\n2020/../../victim-000-01-01-0.md\n\n\0x\n2020\n"));
    CHECK_OK(export_to(path_of("md"), EDN_FORMAT_MARKDOWN, false, &e, 1, NULL));
    CHECK(there_is("victim"));
    CHECK(there_is("md/notes.md"));
    CHECK(there_is("md/2020/2020-01-01-zzzzzzzz.md"));
}

static void an_export_that_was_cut_off_can_be_repeated(void **state)
{
    edn_entry e = entry_of(1, "2024-05-01", "a");
    edn_cli_folder *f;
    (void)state;

    CHECK_OK(edn_cli_folder_open(path_of("md"), EDN_FORMAT_MARKDOWN, false, &f, NULL));
    CHECK_OK(edn_cli_folder_put(f, &e, NULL));
    edn_cli_folder_close(f); /* no finish */
    CHECK_OK(export_to(path_of("md"), EDN_FORMAT_MARKDOWN, false, &e, 1, NULL));

    CHECK_OK(edn_cli_folder_open(path_of("jl"), EDN_FORMAT_JSONL, false, &f, NULL));
    CHECK_OK(edn_cli_folder_put(f, &e, NULL));
    edn_cli_folder_close(f);
    CHECK(!there_is("jl/diary.jsonl"));
    CHECK(!there_is("jl/.edn-export.part"));
    CHECK_OK(export_to(path_of("jl"), EDN_FORMAT_JSONL, false, &e, 1, NULL));
}

static void links_are_not_followed(void **state)
{
    edn_entry e = entry_of(1, "2024-05-01", "a");
    edn_err err = {0};
    (void)state;

    CHECK_INT(mkdir(path_of("jl"), 0700), 0);
    file_write("victim", TEXT("v"));
    CHECK_INT(symlink(path_of("victim"), path_of("jl/.edn-export.part")), 0);
    CHECK_STATUS(export_to(path_of("jl"), EDN_FORMAT_JSONL, false, &e, 1, &err), EDN_E_IO);
    CHECK(strstr(err.text, "could not write"));
    check_file("victim", "v");
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(lines_of_a_file),
        IN_FOLDER(any_split_of_a_stream_gives_the_same_lines),
        IN_FOLDER(long_and_packed_files),
        IN_FOLDER(broken_files_are_named),
        IN_FOLDER(an_export_of_markdown),
        IN_FOLDER(an_earlier_export_is_brought_up_to_date),
        IN_FOLDER(an_export_of_lines),
        IN_FOLDER(folders_of_others_are_left_alone),
        IN_FOLDER(a_forged_list_removes_nothing_else),
        IN_FOLDER(an_export_that_was_cut_off_can_be_repeated),
        IN_FOLDER(links_are_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
