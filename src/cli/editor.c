#include "cli/editor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/signals.h"
#include "cli/source.h"

#define PATH_SIZE 4096u
#define FILE_NAME "entry.md" /* editors colour by the ending */

struct edn_cli_editor {
    char dir[PATH_SIZE];
    char path[PATH_SIZE + sizeof FILE_NAME];
};

/* ---- the place --------------------------------------------------------------------------------------------------- */

/* A folder of ours on a file system that is memory and nothing else. */
static bool folder_is_memory(const char *path)
{
    struct statfs fs;

    return path && path[0] == '/' && access(path, W_OK | X_OK) == 0 && statfs(path, &fs) == 0 &&
           (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

static const char *folder_find(bool allow_disk)
{
    const char *const there[] = {getenv("XDG_RUNTIME_DIR"), "/dev/shm", getenv("TMPDIR"), "/tmp"};

    for (size_t i = 0; i < EDN_COUNT(there); i++)
        if (folder_is_memory(there[i]))
            return there[i];
    return !allow_disk ? NULL : there[2] && there[2][0] == '/' ? there[2] : "/tmp";
}

/* Overwrites a file before its name goes: in memory that is where the bytes are. */
static void file_wipe(int dir, const char *name)
{
    static const uint8_t zeros[65536];
    int fd = openat(dir, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat sb;

    if (fd >= 0) {
        if (fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode))
            for (off_t at = 0; at < sb.st_size; at += (off_t)sizeof zeros)
                if (pwrite(fd, zeros, (size_t)EDN_MIN(sb.st_size - at, (off_t)sizeof zeros), at) < 0)
                    break;
        close(fd);
    }
    unlinkat(dir, name, 0);
}

/* The file, and what the editor left beside it: backups, swap files. */
static void folder_wipe(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;

    while (d && (e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            file_wipe(dirfd(d), e->d_name);
    if (d)
        closedir(d);
    rmdir(path);
}

static edn_status file_make(const edn_cli_editor *e, edn_bytes text, edn_err *err)
{
    int fd = open(e->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "wb");
    bool ok = f && (text.n == 0 || fwrite(text.p, 1, text.n, f) == text.n) && (text.n == 0 || fputc('\n', f) != EOF);
    int error;

    ok = f && fclose(f) == 0 && ok;
    error = errno;
    return ok ? EDN_OK : edn_fail(err, edn_cli_errno(error), "could not write %s: %s", e->path, strerror(error));
}

edn_status edn_cli_editor_open(edn_bytes text, bool allow_disk, edn_cli_editor **out, edn_err *err)
{
    edn_cli_editor *e = calloc(1, sizeof *e);
    const char *folder = folder_find(allow_disk);
    edn_status st;

    *out = NULL;
    if (!e || !folder) {
        free(e);
        return !folder ? edn_fail(
                             err, EDN_E_INVALID,
                             "no folder in memory is to be had (XDG_RUNTIME_DIR, /dev/shm), so the text would lie on a "
                             "disk while you edit it: pipe it in, or let it with --allow-disk")
                       : edn_fail(err, EDN_E_NOMEM, "out of memory");
    }
    edn_cli_signals_catch();
    snprintf(e->dir, sizeof e->dir, "%s/edn-XXXXXX", folder);
    if (!mkdtemp(e->dir)) {
        st = edn_fail(err, edn_cli_errno(errno), "could not make a folder in %s: %s", folder, strerror(errno));
        edn_cli_signals_release();
        free(e);
        return st;
    }
    snprintf(e->path, sizeof e->path, "%s/" FILE_NAME, e->dir);
    if ((st = file_make(e, text, err)) != EDN_OK)
        edn_cli_editor_close(e);
    else
        *out = e;
    return st;
}

void edn_cli_editor_close(edn_cli_editor *e)
{
    if (!e)
        return;
    folder_wipe(e->dir);
    edn_cli_signals_release();
    free(e);
}

char *edn_cli_editor_keep(edn_cli_editor *e)
{
    char *path = strdup(e->path);

    edn_cli_signals_release();
    free(e);
    return path;
}

/* ---- the editor -------------------------------------------------------------------------------------------------- */

/* Where a program stands in PATH; false: nowhere. */
static bool program_find(const char *name, char out[PATH_SIZE])
{
    const char *path = getenv("PATH");

    if (strchr(name, '/'))
        return snprintf(out, PATH_SIZE, "%s", name) > 0 && access(out, X_OK) == 0;
    while (path && *path) {
        size_t n = strcspn(path, ":");
        snprintf(out, PATH_SIZE, "%.*s/%s", (int)n, path, name);
        if (n > 0 && access(out, X_OK) == 0)
            return true;
        path += n + (path[n] == ':');
    }
    return false;
}

static const char *editor_find(void)
{
    static const char *const fallback[] = {"sensible-editor", "nano", "vi"};
    const char *const wanted[] = {getenv("VISUAL"), getenv("EDITOR")};
    char path[PATH_SIZE];

    for (size_t i = 0; i < EDN_COUNT(wanted); i++)
        if (wanted[i] && wanted[i][0])
            return wanted[i];
    for (size_t i = 0; i < EDN_COUNT(fallback); i++)
        if (program_find(fallback[i], path))
            return fallback[i];
    return NULL;
}

/* Whether a command runs vim under any of its names: vi and editor are often links to it. */
static bool command_is_vim(const char *command)
{
    char word[PATH_SIZE], path[PATH_SIZE], *real;
    const char *base;
    bool vim;

    for (size_t n; (n = strcspn(command, " =")) > 0 && command[n] == '=';) /* NAME=VALUE before the program */
        command += strcspn(command, " ") + strspn(command + strcspn(command, " "), " ");
    snprintf(word, sizeof word, "%.*s", (int)strcspn(command, " "), command);
    if (strcmp(word, "sensible-editor") == 0)
        snprintf(word, sizeof word, "editor"); /* what it runs when nothing else is said */
    if (!program_find(word, path) || !(real = realpath(path, NULL)))
        return false;
    base = strrchr(real, '/') + 1;
    vim = strncmp(base, "vim", 3) == 0 || strncmp(base, "nvim", 4) == 0;
    free(real);
    return vim;
}

/* Vim writes what it edits, or parts of it, to other places than its file, and those are on disks: swap and undo files,
 * backups, and .viminfo, which keeps what was deleted and copied. */
#define VIM_WITHOUT_TRACES " -n -i NONE -c 'set nobackup nowritebackup noundofile'"

/* The shell makes way for the editor: it would take Ctrl-C for an end of its own, and a signal that is passed on for
 * one of the editor. For more than a simple command it must stay. */
static _Noreturn void editor_exec(const char *editor, const char *path)
{
    bool simple = strpbrk(editor, "|&;<>()`$\n") == NULL;
    char command[PATH_SIZE];

    snprintf(command, sizeof command, "%s%s%s \"$@\"", simple ? "exec env " : "", editor,
             command_is_vim(editor) ? VIM_WITHOUT_TRACES : "");
    execl("/bin/sh", "sh", "-c", command, "edn", path, (char *)NULL);
    _exit(127);
}

static edn_status editor_wait(pid_t child, int *status)
{
    int passed_on = 0;

    while (waitpid(child, status, 0) < 0) {
        int came = edn_cli_signal();
        if (errno != EINTR)
            return EDN_E_IO;
        /* A terminal gives Ctrl-C to both of us, and editors have uses of their own for it; other signals are for us
         * alone. */
        if (came && came != SIGINT && came != SIGQUIT && came != passed_on)
            kill(child, passed_on = came);
    }
    return EDN_OK;
}

/* Ctrl-C and Ctrl-\ are the editor's affair while it runs. */
static edn_status editor_spawn(const char *editor, const char *path, int *status, edn_err *err)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, interrupt, quit;
    pid_t child;
    edn_status st = EDN_OK;

    sigaction(SIGINT, &ignore, &interrupt);
    sigaction(SIGQUIT, &ignore, &quit);
    child = fork();
    if (child == 0) {
        signal(SIGINT, SIG_DFL);
        signal(SIGQUIT, SIG_DFL);
        editor_exec(editor, path);
    }
    if (child < 0 || editor_wait(child, status) != EDN_OK)
        st = edn_fail(err, EDN_E_IO, "could not run the editor: %s", strerror(errno));
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGQUIT, &quit, NULL);
    return st;
}

static edn_status file_read(const edn_cli_editor *e, edn_buf *text, edn_err *err)
{
    edn_cli_source *s;
    edn_bytes all;
    edn_status st = edn_cli_source_open(e->path, &s, err);

    if (st != EDN_OK)
        return st;
    if ((st = edn_cli_source_rest(s, &all, err)) == EDN_OK) {
        if (all.n > 0 && all.p[all.n - 1] == '\n')
            all.n--;
        edn_put_bytes(text, all.p, all.n);
        st = edn_buf_status(text);
    }
    edn_cli_source_close(s);
    return st;
}

edn_status edn_cli_editor_run(edn_cli_editor *e, edn_buf *text, edn_err *err)
{
    const char *editor = editor_find();
    int status;
    edn_status st;

    if (!editor)
        return edn_fail(err, EDN_E_MISSING, "no editor was found: set EDITOR to one, or pipe the text in");
    if ((st = editor_spawn(editor, e->path, &status, err)) != EDN_OK)
        return st;
    if (!edn_cli_signal() && WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return edn_fail(err, EDN_E_MISSING, "the editor '%s' could not be run: set EDITOR to one that is there",
                        editor);
    /* When a signal came to us the editor ended for that and for no decision of its user: what was saved counts. */
    if (!edn_cli_signal() && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
        return edn_fail(err, EDN_E_CANCELLED, "the editor ended with an error; nothing was changed");
    return file_read(e, text, err);
}
