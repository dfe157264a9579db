/* The list is written first when there is none, empty, so that an export that was cut off is known for one when it is
 * repeated; and last, whole. It is text: "edn-export 1 FORMAT", then a name a line. Names are checked when they are
 * read back: whoever can write into the folder could write a list that names other files. */
#include "cli/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/record.h"
#include "cli/source.h"
#include "cli/text.h"

#define PART EDN_CLI_EXPORT_LIST ".part" /* whatever is being written */
#define NAME_SIZE 64u
#define LIST_SIZE_MAX ((size_t)1 << 30)
#define FOLDER_DEPTH_MAX 16u

struct edn_cli_folder {
    int dir;
    char *path;
    edn_cli_format format;
    int part;         /* JSON lines: the file that grows; -1: none */
    edn_buf old_list; /* of an earlier export, without its first line; ends with a zero */
    edn_buf new_list;
    edn_buf bytes; /* of one entry, kept for its memory */
    char last[NAME_SIZE];
    uint64_t files;
};

static const char *format_name(edn_cli_format format) { return format == EDN_FORMAT_JSONL ? "jsonl" : "markdown"; }

static edn_status folder_fail(const edn_cli_folder *f, const char *name, edn_err *err)
{
    int error = errno;
    return edn_fail(err, edn_cli_errno(error), "could not write %s%s%s: %s", f->path, name ? "/" : "", name ? name : "",
                    strerror(error));
}

/* ---- one file ---------------------------------------------------------------------------------------------------- */

static bool fd_write(int fd, edn_bytes b)
{
    while (b.n > 0) {
        ssize_t n = write(fd, b.p, b.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        b.p += n;
        b.n -= (size_t)n;
    }
    return true;
}

static bool fd_read(int fd, uint8_t *to, size_t n)
{
    while (n > 0) {
        ssize_t r = read(fd, to, n);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return false;
        to += r;
        n -= (size_t)r;
    }
    return true;
}

static bool file_holds(const edn_cli_folder *f, const char *name, edn_bytes bytes)
{
    int fd = openat(f->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat sb;
    uint8_t *there = NULL;
    bool same = false;

    if (fd < 0)
        return false;
    if (fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode) && (uint64_t)sb.st_size == bytes.n &&
        (there = malloc(bytes.n + 1)) != NULL)
        same = fd_read(fd, there, bytes.n) && memcmp(there, bytes.p, bytes.n) == 0;
    free(there);
    close(fd);
    return same;
}

static int part_open(const edn_cli_folder *f)
{
    return openat(f->dir, PART, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static edn_status file_put(const edn_cli_folder *f, const char *name, edn_bytes bytes, edn_err *err)
{
    int fd;
    bool ok;

    if (file_holds(f, name, bytes))
        return EDN_OK;
    fd = part_open(f);
    if (fd < 0)
        return folder_fail(f, name, err);
    ok = fd_write(fd, bytes);
    ok = close(fd) == 0 && ok;
    if (!ok || renameat(f->dir, PART, f->dir, name) != 0) {
        edn_status st = folder_fail(f, name, err);
        unlinkat(f->dir, PART, 0);
        return st;
    }
    return EDN_OK;
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

static bool digits_are(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] < '0' || s[i] > '9')
            return false;
    return true;
}

/* "YYYY/YYYY-MM-DD-" and 8 or 32 hex digits and ".md", or the file of JSON lines. */
static bool name_is_ours(const char *name)
{
    size_t n = strlen(name);

    if (strcmp(name, EDN_CLI_EXPORT_JSONL) == 0)
        return true;
    return (n == 27 || n == 51) && digits_are(name, 4) && name[4] == '/' &&
           edn_cli_date_ok(edn_bytes_of(name + 5, 10)) && name[15] == '-' &&
           strspn(name + 16, "0123456789abcdef") == n - 19 && strcmp(name + n - 3, ".md") == 0;
}

static edn_status list_begin(edn_cli_folder *f, edn_err *err)
{
    edn_cli_putf(&f->new_list, "edn-export 1 %s\n", format_name(f->format));
    return edn_buf_status(&f->new_list) == EDN_OK ? EDN_OK : edn_fail(err, EDN_E_NOMEM, "out of memory");
}

/* Reads the list of an earlier export; *found says whether there is one, *same whether it is of this format. */
static edn_status list_read(edn_cli_folder *f, bool *found, bool *same, edn_err *err)
{
    char *path = NULL;
    edn_cli_source *s = NULL;
    edn_bytes line;
    bool done;
    edn_status st;

    *found = *same = false;
    if (asprintf(&path, "%s/%s", f->path, EDN_CLI_EXPORT_LIST) < 0)
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    st = edn_cli_source_open(path, &s, err);
    if (st == EDN_E_MISSING) {
        st = EDN_OK;
        goto out;
    }
    if (st != EDN_OK || (st = edn_cli_source_line(s, &line, &done, err)) != EDN_OK)
        goto out;
    *found = line.n > 13 && memcmp(line.p, "edn-export 1 ", 13) == 0;
    *same = *found && edn_bytes_equal(edn_bytes_of(line.p + 13, line.n - 13), edn_bytes_str(format_name(f->format)));
    if ((st = edn_cli_source_rest(s, &line, err)) == EDN_OK && *same) {
        edn_put_bytes(&f->old_list, line.p, line.n);
        edn_put_u8(&f->old_list, 0);
        st = edn_buf_status(&f->old_list);
    }
out:
    edn_cli_source_close(s);
    free(path);
    return st;
}

static int name_compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The lines of a list that ends with a zero, sorted, cut in place. */
static char **list_lines(edn_buf *list, size_t *n)
{
    char **lines, *at = (char *)list->p;
    size_t count = 0;

    for (size_t i = 0; i < list->n; i++)
        count += list->p[i] == '\n';
    lines = calloc(count + 1, sizeof *lines);
    *n = 0;
    if (!lines)
        return NULL;
    while (*n < count) {
        char *end = strchr(at, '\n');
        if (!end)
            break; /* a zero inside: not a list of ours from here on */
        *end = 0;
        lines[(*n)++] = at;
        at = end + 1;
    }
    qsort(lines, *n, sizeof *lines, name_compare);
    return lines;
}

/* Removes what the earlier list names and the new one does not. */
static edn_status stale_remove(edn_cli_folder *f, edn_err *err)
{
    edn_buf names = EDN_BUF_INIT(LIST_SIZE_MAX);
    char **old_names = NULL, **new_names = NULL;
    size_t old_n = 0, new_n = 0;
    edn_status st = EDN_OK;

    if (f->old_list.n == 0)
        return EDN_OK;
    edn_put_bytes(&names, f->new_list.p, f->new_list.n);
    edn_put_u8(&names, 0);
    if (edn_buf_status(&names) != EDN_OK || !(old_names = list_lines(&f->old_list, &old_n)) ||
        !(new_names = list_lines(&names, &new_n))) {
        st = edn_fail(err, EDN_E_NOMEM, "out of memory");
        goto out;
    }
    for (size_t i = 0; i < old_n; i++) {
        if (!name_is_ours(old_names[i]) || bsearch(&old_names[i], new_names, new_n, sizeof *new_names, name_compare))
            continue;
        if (unlinkat(f->dir, old_names[i], 0) != 0 && errno != ENOENT && errno != ENOTDIR) {
            st = folder_fail(f, old_names[i], err);
            goto out;
        }
        old_names[i][4] = 0; /* the year's folder goes when it is empty */
        (void)unlinkat(f->dir, old_names[i], AT_REMOVEDIR);
        old_names[i][4] = '/';
    }
out:
    free(old_names);
    free(new_names);
    edn_buf_dispose(&names);
    return st;
}

/* ---- the export -------------------------------------------------------------------------------------------------- */

static bool dir_is_empty(int dir)
{
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *e;
    bool empty = true;

    if (!d) {
        if (copy >= 0)
            close(copy);
        return false;
    }
    while (empty && (e = readdir(d)))
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || strcmp(e->d_name, PART) == 0;
    closedir(d);
    return empty;
}

edn_status edn_cli_folder_open(const char *path, edn_cli_format format, bool force, edn_cli_folder **out, edn_err *err)
{
    edn_cli_folder *f = calloc(1, sizeof *f);
    bool found, same;
    edn_status st;

    *out = NULL;
    if (!f || !(f->path = strdup(path))) {
        free(f);
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    }
    f->format = format;
    f->part = f->dir = -1;
    f->old_list = f->new_list = EDN_BUF_INIT(LIST_SIZE_MAX);
    f->bytes = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    if ((mkdir(path, 0700) != 0 && errno != EEXIST) || (f->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        st = folder_fail(f, NULL, err);
        goto out;
    }
    if ((st = list_read(f, &found, &same, err)) != EDN_OK)
        goto out;
    if (!same && !force && !dir_is_empty(f->dir)) {
        st = edn_fail(err, EDN_E_EXISTS,
                      found ? "%s holds an export in another format: choose another folder, or --force"
                            : "%s is not empty and no earlier export: choose another folder, or --force",
                      path);
        goto out;
    }
    if ((st = list_begin(f, err)) != EDN_OK ||
        (!same && (st = file_put(f, EDN_CLI_EXPORT_LIST, edn_buf_view(&f->new_list), err)) != EDN_OK))
        goto out;
    if (format == EDN_FORMAT_JSONL && (f->part = part_open(f)) < 0)
        st = folder_fail(f, EDN_CLI_EXPORT_JSONL, err);
out:
    if (st != EDN_OK)
        edn_cli_folder_close(f);
    else
        *out = f;
    return st;
}

/* An entry's file is named by its date and the beginning of its id; by all of the id when the entry before has the
 * same. */
static edn_status markdown_put(edn_cli_folder *f, const edn_entry *e, edn_err *err)
{
    char name[NAME_SIZE], id[33], year[5];

    EDN_ASSERT(e->date.n == 10);
    edn_hex_encode(id, e->id.b, sizeof e->id.b);
    snprintf(year, sizeof year, "%.4s", (const char *)e->date.p);
    snprintf(name, sizeof name, "%s/%.10s-%.8s.md", year, (const char *)e->date.p, id);
    if (strncmp(name, f->last, 24) == 0)
        snprintf(name, sizeof name, "%s/%.10s-%s.md", year, (const char *)e->date.p, id);
    memcpy(f->last, name, sizeof name);
    if (mkdirat(f->dir, year, 0700) != 0 && errno != EEXIST)
        return folder_fail(f, year, err);
    edn_cli_record_put_markdown(&f->bytes, e);
    if (edn_buf_status(&f->bytes) != EDN_OK)
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    edn_cli_putf(&f->new_list, "%s\n", name);
    f->files++;
    return file_put(f, name, edn_buf_view(&f->bytes), err);
}

/* JSON lines are collected until there are enough for a write. */
static edn_status jsonl_flush(edn_cli_folder *f, size_t unless_below, edn_err *err)
{
    if (edn_buf_status(&f->bytes) != EDN_OK)
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    if (f->bytes.n < unless_below)
        return EDN_OK;
    if (!fd_write(f->part, edn_buf_view(&f->bytes)))
        return folder_fail(f, EDN_CLI_EXPORT_JSONL, err);
    edn_buf_reset(&f->bytes);
    return EDN_OK;
}

edn_status edn_cli_folder_put(edn_cli_folder *f, const edn_entry *entry, edn_err *err)
{
    if (f->format == EDN_FORMAT_JSONL) {
        edn_cli_record_put_json(&f->bytes, entry);
        return jsonl_flush(f, (size_t)256 << 10, err);
    }
    edn_buf_reset(&f->bytes);
    return markdown_put(f, entry, err);
}

edn_status edn_cli_folder_finish(edn_cli_folder *f, uint64_t *files, edn_err *err)
{
    edn_status st;
    int closed;

    if (f->format == EDN_FORMAT_JSONL) {
        if ((st = jsonl_flush(f, 0, err)) != EDN_OK)
            return st;
        closed = close(f->part);
        f->part = -1;
        if (closed != 0 || renameat(f->dir, PART, f->dir, EDN_CLI_EXPORT_JSONL) != 0)
            return folder_fail(f, EDN_CLI_EXPORT_JSONL, err);
        edn_put_str(&f->new_list, EDN_CLI_EXPORT_JSONL "\n");
        f->files = 1;
    }
    if (edn_buf_status(&f->new_list) != EDN_OK)
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    if ((st = stale_remove(f, err)) != EDN_OK ||
        (st = file_put(f, EDN_CLI_EXPORT_LIST, edn_buf_view(&f->new_list), err)) != EDN_OK)
        return st;
    if (syncfs(f->dir) != 0)
        return folder_fail(f, NULL, err);
    *files = f->files;
    return EDN_OK;
}

void edn_cli_folder_close(edn_cli_folder *f)
{
    if (!f)
        return;
    if (f->part >= 0) {
        close(f->part);
        unlinkat(f->dir, PART, 0);
    }
    if (f->dir >= 0)
        close(f->dir);
    free(f->path);
    edn_buf_dispose(&f->old_list);
    edn_buf_dispose(&f->new_list);
    edn_buf_dispose(&f->bytes);
    free(f);
}

/* ---- reading a folder -------------------------------------------------------------------------------------------- */

typedef struct paths {
    char **p;
    size_t n, cap;
} paths;

static bool paths_add(paths *to, char *path)
{
    if (!edn_array_room(&to->p, &to->cap, to->n + 1, sizeof *to->p))
        return false;
    to->p[to->n++] = path;
    return true;
}

static edn_status folder_walk(const char *path, unsigned depth, paths *to, edn_err *err)
{
    DIR *d = opendir(path);
    struct dirent *e;
    edn_status st = EDN_OK;

    if (!d)
        return edn_fail(err, edn_cli_errno(errno), "could not read %s: %s", path, strerror(errno));
    while (st == EDN_OK && (e = readdir(d))) {
        size_t n = strlen(e->d_name);
        struct stat sb;
        char *child;
        if (e->d_name[0] == '.')
            continue;
        if (asprintf(&child, "%s/%s", path, e->d_name) < 0) {
            st = edn_fail(err, EDN_E_NOMEM, "out of memory");
            break;
        }
        if (lstat(child, &sb) != 0)
            st = edn_fail(err, edn_cli_errno(errno), "could not read %s: %s", child, strerror(errno));
        else if (S_ISDIR(sb.st_mode) && depth < FOLDER_DEPTH_MAX)
            st = folder_walk(child, depth + 1, to, err);
        else if (S_ISREG(sb.st_mode) && n > 3 && strcmp(e->d_name + n - 3, ".md") == 0) {
            if (paths_add(to, child))
                continue; /* it is the list's now */
            st = edn_fail(err, EDN_E_NOMEM, "out of memory");
        }
        free(child);
    }
    closedir(d);
    return st;
}

edn_status edn_cli_folder_list(const char *path, char ***out, size_t *out_n, edn_err *err)
{
    paths found = {0};
    edn_status st = folder_walk(path, 0, &found, err);

    if (st != EDN_OK) {
        edn_cli_folder_list_free(found.p, found.n);
        *out = NULL;
        *out_n = 0;
        return st;
    }
    if (found.n > 0)
        qsort(found.p, found.n, sizeof *found.p, name_compare);
    *out = found.p;
    *out_n = found.n;
    return EDN_OK;
}

void edn_cli_folder_list_free(char **paths_p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(paths_p[i]);
    free(paths_p);
}
