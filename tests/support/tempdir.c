#define _GNU_SOURCE /* nftw */
#include "tempdir.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void tempdir_make(char out[TEMPDIR_SIZE])
{
    const char *tmp = getenv("TMPDIR");
    int n = snprintf(out, TEMPDIR_SIZE, "%s/edn-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");

    if (n < 0 || n >= TEMPDIR_SIZE || !mkdtemp(out)) {
        perror("tempdir");
        abort();
    }
}

static int open_up(const char *path, const struct stat *sb, int kind, struct FTW *at)
{
    (void)sb;
    (void)at;
    if (kind == FTW_D || kind == FTW_DNR)
        (void)chmod(path, 0700); /* the same */
    return 0;
}

static int remove_one(const char *path, const struct stat *sb, int kind, struct FTW *at)
{
    (void)sb;
    (void)kind;
    (void)at;
    return remove(path);
}

void tempdir_remove(const char *path)
{
    if (access(path, F_OK) != 0)
        return;
    (void)nftw(path, open_up, 16, FTW_PHYS); /* if not, removing says so */
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        perror(path);
}
