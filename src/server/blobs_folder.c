#include "blobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder of blobs: DIR/ab/cdef… by the name in hex; DIR/tmp holds what is being written.
 *
 * A blob is written to a temporary file, synced, renamed to its place, and then its folder is synced: after a crash it
 * is there whole, or not at all. A folder of the first level is synced into DIR when it is made. */

typedef struct blobs_folder {
    int dir;
    uint64_t counter; /* names temporary files: one process writes here */
} blobs_folder;

static edn_status blobs_errno(int e) { return e == ENOSPC || e == EDQUOT || e == EFBIG ? EDN_E_FULL : EDN_E_IO; }

static void blobs_path(char out[68], const edn_hash *name)
{
    char hex[65];

    edn_hex_encode(hex, name->b, sizeof name->b);
    snprintf(out, 68, "%.2s/%s", hex, hex + 2);
}

static edn_status blobs_write_all(int fd, edn_bytes body)
{
    while (body.n) {
        ssize_t n = write(fd, body.p, body.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return blobs_errno(errno);
        body = edn_bytes_of(body.p + n, body.n - (size_t)n);
    }
    return fsync(fd) == 0 ? EDN_OK : blobs_errno(errno);
}

/* Opens the first-level folder of a path, making it durably when `make`. -1: errno. */
static int blobs_open_dir(const blobs_folder *f, const char *path, bool make)
{
    char name[3] = {path[0], path[1], 0};
    int fd = openat(f->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0 || errno != ENOENT || !make)
        return fd;
    if (mkdirat(f->dir, name, 0700) != 0 && errno != EEXIST)
        return -1;
    if (fsync(f->dir) != 0)
        return -1;
    return openat(f->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static edn_status blobs_put(void *ctx, const edn_hash *name, edn_bytes body)
{
    blobs_folder *f = ctx;
    char path[68], tmp[40];
    edn_status st;
    int fd, dir;

    blobs_path(path, name);
    snprintf(tmp, sizeof tmp, "tmp/%llu", (unsigned long long)f->counter++);
    fd = openat(f->dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return blobs_errno(errno);
    st = blobs_write_all(fd, body);
    if (close(fd) != 0 && st == EDN_OK)
        st = blobs_errno(errno);
    if (st != EDN_OK)
        goto out;
    dir = blobs_open_dir(f, path, true);
    if (dir < 0) {
        st = blobs_errno(errno);
        goto out;
    }
    if (renameat(f->dir, tmp, f->dir, path) != 0 || fsync(dir) != 0)
        st = blobs_errno(errno);
    (void)close(dir); /* read-only: nothing to lose */
out:
    if (st != EDN_OK)
        (void)unlinkat(f->dir, tmp, 0); /* if it stays, the next opening removes it */
    return st;
}

static edn_status blobs_get(void *ctx, const edn_hash *name, edn_buf *out)
{
    blobs_folder *f = ctx;
    char path[68];
    struct stat sb;
    edn_status st = EDN_OK;
    size_t at = 0;
    uint8_t *p;
    int fd;

    blobs_path(path, name);
    fd = openat(f->dir, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? EDN_E_MISSING : blobs_errno(errno);
    if (fstat(fd, &sb) != 0) {
        st = EDN_E_IO;
        goto out;
    }
    p = edn_buf_grow(out, (size_t)sb.st_size);
    if (!p) {
        st = edn_buf_status(out);
        goto out;
    }
    while (at < (size_t)sb.st_size) {
        ssize_t n = read(fd, p + at, (size_t)sb.st_size - at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            st = EDN_E_IO;
            goto out;
        }
        at += (size_t)n;
    }
out:
    (void)close(fd); /* read-only: nothing to lose */
    return st;
}

static edn_status blobs_has(void *ctx, const edn_hash *name, uint64_t *size)
{
    blobs_folder *f = ctx;
    char path[68];
    struct stat sb;

    *size = 0;
    blobs_path(path, name);
    if (fstatat(f->dir, path, &sb, 0) != 0)
        return errno == ENOENT ? EDN_E_MISSING : EDN_E_IO;
    *size = (uint64_t)sb.st_size;
    return EDN_OK;
}

static edn_status blobs_remove(void *ctx, const edn_hash *name)
{
    blobs_folder *f = ctx;
    char path[68];

    blobs_path(path, name);
    if (unlinkat(f->dir, path, 0) != 0)
        return errno == ENOENT ? EDN_E_MISSING : EDN_E_IO;
    return EDN_OK;
}

static edn_status blobs_each(void *ctx, uint8_t first, edn_blob_fn *fn, void *cb)
{
    blobs_folder *f = ctx;
    char name[3];
    edn_hash hash = {{first}};
    edn_status st = EDN_OK;
    struct dirent *e;
    struct stat sb;
    DIR *d;
    int fd;

    edn_hex_encode(name, &first, 1);
    fd = openat(f->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? EDN_OK : blobs_errno(errno);
    d = fdopendir(fd);
    if (!d) {
        (void)close(fd); /* a folder's handle */
        return EDN_E_NOMEM;
    }
    while (st == EDN_OK && (e = readdir(d)))
        if (strlen(e->d_name) == 62 && edn_hex_decode(hash.b + 1, 31, edn_bytes_str(e->d_name)) &&
            fstatat(fd, e->d_name, &sb, AT_SYMLINK_NOFOLLOW) == 0)
            st = fn(cb, &hash, (uint64_t)sb.st_mtim.tv_sec * 1000 + (uint64_t)sb.st_mtim.tv_nsec / 1000000);
    closedir(d);
    return st;
}

static void blobs_close(void *ctx)
{
    blobs_folder *f = ctx;

    if (!f)
        return;
    if (f->dir >= 0)
        (void)close(f->dir); /* a folder's handle: nothing to lose */
    free(f);
}

static edn_status blobs_sweep(blobs_folder *f)
{
    int fd = openat(f->dir, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;

    if (!d) {
        if (fd >= 0)
            (void)close(fd);
        return EDN_E_IO;
    }
    while ((e = readdir(d)))
        if (e->d_name[0] != '.')
            (void)unlinkat(fd, e->d_name, 0); /* what cannot be removed now is overwritten or swept later */
    closedir(d);
    return EDN_OK;
}

edn_status edn_blobs_folder_open(const char *dir, edn_blobs *out, edn_err *err)
{
    blobs_folder *f = calloc(1, sizeof *f);
    edn_status st = EDN_OK;

    memset(out, 0, sizeof *out);
    if (!f)
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    f->dir = -1;
    if ((mkdir(dir, 0700) != 0 && errno != EEXIST) || (f->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
        (mkdirat(f->dir, "tmp", 0700) != 0 && errno != EEXIST)) {
        st = edn_fail(err, blobs_errno(errno), "%s: %s", dir, strerror(errno));
        goto out;
    }
    if ((st = blobs_sweep(f)) != EDN_OK) {
        edn_fail(err, st, "%s/tmp: %s", dir, strerror(errno));
        goto out;
    }
    *out = (edn_blobs){f, blobs_put, blobs_get, blobs_has, blobs_remove, blobs_each, blobs_close};
    f = NULL;
out:
    blobs_close(f);
    return st;
}
