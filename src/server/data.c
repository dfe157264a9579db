#include "data.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static edn_status data_fail(edn_err *err, const char *dir, const char *name)
{
    int e = errno;

    return edn_fail(err, e == ENOSPC || e == EDQUOT ? EDN_E_FULL : EDN_E_IO, "%s/%s: %s", dir, name, strerror(e));
}

static edn_status data_lock(ednd_data *d, const char *dir, edn_err *err)
{
    d->lock = openat(d->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->lock < 0)
        return data_fail(err, dir, "lock");
    if (flock(d->lock, LOCK_EX | LOCK_NB) == 0)
        return EDN_OK;
    if (errno == EWOULDBLOCK)
        return edn_fail(err, EDN_E_BUSY, "%s: another ednd works in this folder", dir);
    return data_fail(err, dir, "lock");
}

/* A new key is durable before anything is signed with it. */
static edn_status key_make(ednd_data *d, const char *dir, const edn_random *random, edn_err *err)
{
    int fd = openat(d->dir, "server.key.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok;

    if (fd < 0)
        return data_fail(err, dir, "server.key.new");
    random->fill(random->ctx, d->key, sizeof d->key);
    ok = write(fd, d->key, sizeof d->key) == (ssize_t)sizeof d->key && fsync(fd) == 0;
    ok = close(fd) == 0 && ok;
    if (!ok || renameat(d->dir, "server.key.new", d->dir, "server.key") != 0 || fsync(d->dir) != 0)
        return data_fail(err, dir, "server.key");
    return EDN_OK;
}

static edn_status key_read(ednd_data *d, const char *dir, const edn_random *random, edn_err *err)
{
    uint8_t more;
    struct stat sb;
    ssize_t n;
    int fd = openat(d->dir, "server.key", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 && errno == ENOENT) {
        /* A database without its key: a new one would sign receipts that no client believes. */
        if (faccessat(d->dir, "meta.db", F_OK, 0) == 0)
            return edn_fail(err, EDN_E_DAMAGED, "%s/server.key is missing: restore it from the backup of this folder",
                            dir);
        return key_make(d, dir, random, err);
    }
    if (fd < 0)
        return data_fail(err, dir, "server.key");
    n = read(fd, d->key, sizeof d->key);
    if (n == (ssize_t)sizeof d->key && read(fd, &more, 1) != 0)
        n = -1;
    if (fstat(fd, &sb) != 0)
        n = -1;
    (void)close(fd); /* read only */
    if (n != (ssize_t)sizeof d->key)
        return edn_fail(err, EDN_E_DAMAGED, "%s/server.key is not a key: restore it from the backup of this folder",
                        dir);
    if (sb.st_mode & 077)
        return edn_fail(err, EDN_E_INVALID, "%s/server.key may be read by others: chmod 600 it", dir);
    return EDN_OK;
}

edn_status ednd_data_open(ednd_data *d, const char *dir, const edn_random *random, edn_err *err)
{
    char path[4096];
    edn_status st;

    memset(d, 0, sizeof *d);
    d->dir = d->lock = -1;
    if (strlen(dir) > sizeof path - 32)
        return edn_fail(err, EDN_E_INVALID, "the name of the data folder is too long");
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return edn_fail(err, EDN_E_IO, "%s: %s", dir, strerror(errno));
    d->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->dir < 0)
        return edn_fail(err, EDN_E_IO, "%s: %s", dir, strerror(errno));
    if ((st = data_lock(d, dir, err)) != EDN_OK || (st = key_read(d, dir, random, err)) != EDN_OK)
        return st;
    snprintf(path, sizeof path, "%s/blobs", dir);
    if ((st = edn_blobs_folder_open(path, &d->blobs, err)) != EDN_OK)
        return st;
    snprintf(path, sizeof path, "%s/meta.db", dir);
    return edn_meta_sqlite_open(path, NULL, &d->meta, err);
}

void ednd_data_dispose(ednd_data *d)
{
    if (d->meta.close)
        d->meta.close(d->meta.ctx);
    if (d->blobs.close)
        d->blobs.close(d->blobs.ctx);
    edn_wipe(d->key, sizeof d->key);
    if (d->lock >= 0)
        (void)close(d->lock); /* and with it the lock goes */
    if (d->dir >= 0)
        (void)close(d->dir); /* a folder's handle */
    memset(d, 0, sizeof *d);
    d->dir = d->lock = -1;
}
