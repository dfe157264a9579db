#include "crashvfs.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

/* A node is a file's content; names point to nodes from two directories, the live one and the durable one.
 *
 *     live dir ── name ──▶ node: live bytes  ◀── every read and write
 *     durable dir ─ name ─▶      durable bytes   = what sync made of `pending`
 *     pending: changes of content and of the directory in the order in which they were made, each with a number
 *
 * xSync of a file applies its pending content; if that handle created a journal or a log, also the directory, as
 * SQLite's own unix VFS does. One mutex guards a whole disk. */

#define SECTOR_SIZE 512u
#define SHM_LOCKS 8
#define NAME_SIZE 256

typedef struct bytes_vec {
    uint8_t *p;
    size_t n, cap;
} bytes_vec;

typedef struct shm {
    unsigned refs;
    void **regions;
    int regions_n;
    int shared[SHM_LOCKS]; /* holders; -1: one holder, exclusive */
} shm;

typedef struct node {
    uint32_t id; /* its place in fs->nodes */
    unsigned handles;
    bool reached;
    bytes_vec live, durable, old;
    shm *shm;
    int shared; /* handles with a SHARED lock or more */
    const void *reserved, *pending, *exclusive;
} node;

typedef enum change_kind { CHANGE_WRITE, CHANGE_TRUNCATE, CHANGE_LINK, CHANGE_UNLINK } change_kind;

typedef struct change {
    change_kind kind;
    uint32_t node;
    uint64_t at; /* offset, or size for a truncation */
    uint8_t *p;  /* a write's bytes */
    size_t n;
    char name[NAME_SIZE]; /* of a link or unlink */
} change;

typedef struct name_row {
    char name[NAME_SIZE];
    uint32_t node;
} name_row;
typedef struct dir {
    name_row *rows;
    size_t n;
} dir;

struct crashvfs {
    sqlite3_vfs vfs;
    char name[64];
    pthread_mutex_t mutex;
    node **nodes;
    size_t nodes_n;
    dir live, durable;
    change *pending;
    size_t pending_n, pending_cap;
    uint64_t ops, reads, cut_at, fail_at, fail_read_at, stale_at, capacity;
    int fail_rc, fail_read_rc;
    bool fail_on, dark, denied;
    unsigned generation;
    uint64_t random, clock_ms;
    int last_errno;
    crashvfs_watch_fn *watch;
    void *watch_ctx;
};

typedef struct handle {
    sqlite3_file base;
    crashvfs *fs;
    node *node;
    unsigned generation;
    bool sync_dir, delete_on_close, anonymous;
    char name[NAME_SIZE];
    int lock;
    shm *shm;
    uint8_t shm_shared, shm_exclusive; /* bit masks of what this handle holds */
} handle;

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void *must(void *p)
{
    if (!p) {
        fprintf(stderr, "crashvfs: out of memory\n");
        abort();
    }
    return p;
}

static void vec_resize(bytes_vec *v, size_t n)
{
    if (n > v->cap) {
        v->cap = EDN_MAX(n, v->cap * 2);
        v->p = must(realloc(v->p, v->cap));
    }
    if (n > v->n)
        memset(v->p + v->n, 0, n - v->n);
    v->n = n;
}

static void vec_write(bytes_vec *v, uint64_t at, const void *p, size_t n)
{
    if (n == 0)
        return;
    if (at + n > v->n)
        vec_resize(v, (size_t)at + n);
    memcpy(v->p + at, p, n);
}

static void vec_copy(bytes_vec *to, const bytes_vec *from)
{
    vec_resize(to, 0);
    vec_write(to, 0, from->p, from->n);
}

/* xorshift64*, as in check.h. */
static uint64_t next_random(uint64_t *s)
{
    *s ^= *s >> 12;
    *s ^= *s << 25;
    *s ^= *s >> 27;
    return *s * 0x2545f4914f6cdd1du;
}

/* ---- directories ------------------------------------------------------------------------------------------------- */

static name_row *dir_find(const dir *d, const char *name)
{
    for (size_t i = 0; i < d->n; i++)
        if (strcmp(d->rows[i].name, name) == 0)
            return &d->rows[i];
    return NULL;
}

static void dir_link(dir *d, const char *name, uint32_t id)
{
    name_row *row = dir_find(d, name);

    if (!row) {
        d->rows = must(realloc(d->rows, (d->n + 1) * sizeof *d->rows));
        row = &d->rows[d->n++];
        snprintf(row->name, sizeof row->name, "%s", name);
    }
    row->node = id;
}

static void dir_unlink(dir *d, const char *name)
{
    name_row *row = dir_find(d, name);

    if (row)
        *row = d->rows[--d->n];
}

static void dir_copy(dir *to, const dir *from)
{
    to->n = from->n;
    to->rows = must(realloc(to->rows, (from->n + 1) * sizeof *to->rows));
    if (from->n)
        memcpy(to->rows, from->rows, from->n * sizeof *to->rows);
}

/* Forgets the content of files that nothing can reach any more, so that a long simulation does not grow. */
static void nodes_sweep(crashvfs *fs)
{
    for (size_t i = 0; i < fs->nodes_n; i++)
        fs->nodes[i]->reached = fs->nodes[i]->handles > 0;
    for (size_t i = 0; i < fs->live.n; i++)
        fs->nodes[fs->live.rows[i].node]->reached = true;
    for (size_t i = 0; i < fs->durable.n; i++)
        fs->nodes[fs->durable.rows[i].node]->reached = true;
    for (size_t i = 0; i < fs->pending_n; i++)
        fs->nodes[fs->pending[i].node]->reached = true;
    for (size_t i = 0; i < fs->nodes_n; i++) {
        node *nd = fs->nodes[i];
        if (nd->reached)
            continue;
        free(nd->live.p);
        free(nd->durable.p);
        free(nd->old.p);
        nd->live = nd->durable = nd->old = (bytes_vec){NULL, 0, 0};
    }
}

static node *node_add(crashvfs *fs)
{
    node *nd = must(calloc(1, sizeof *nd));

    nd->id = (uint32_t)fs->nodes_n;
    fs->nodes = must(realloc(fs->nodes, (fs->nodes_n + 1) * sizeof *fs->nodes));
    fs->nodes[fs->nodes_n++] = nd;
    return nd;
}

static node *node_new(crashvfs *fs)
{
    nodes_sweep(fs);
    for (size_t i = 0; i < fs->nodes_n; i++)
        if (!fs->nodes[i]->reached)
            return fs->nodes[i];
    return node_add(fs);
}

static void shm_release(shm *m)
{
    if (!m || --m->refs)
        return;
    for (int i = 0; i < m->regions_n; i++)
        free(m->regions[i]);
    free(m->regions);
    free(m);
}

/* ---- pending changes --------------------------------------------------------------------------------------------- */

static change *pending_add(crashvfs *fs, change_kind kind, uint32_t id)
{
    change *c;

    if (fs->pending_n == fs->pending_cap) {
        fs->pending_cap = fs->pending_cap ? 2 * fs->pending_cap : 16;
        fs->pending = must(realloc(fs->pending, fs->pending_cap * sizeof *fs->pending));
    }
    c = &fs->pending[fs->pending_n++];
    *c = (change){.kind = kind, .node = id};
    return c;
}

static void pending_write(crashvfs *fs, uint32_t id, uint64_t at, const void *p, size_t n)
{
    change *c = pending_add(fs, CHANGE_WRITE, id);

    c->at = at;
    c->p = must(malloc(n + 1));
    memcpy(c->p, p, n);
    c->n = n;
}

static void pending_name(crashvfs *fs, change_kind kind, uint32_t id, const char *name)
{
    change *c = pending_add(fs, kind, id);

    snprintf(c->name, sizeof c->name, "%s", name);
}

static bool change_is_of_dir(const change *c) { return c->kind == CHANGE_LINK || c->kind == CHANGE_UNLINK; }

static void change_apply(crashvfs *fs, const change *c)
{
    node *nd = fs->nodes[c->node];

    switch (c->kind) {
    case CHANGE_WRITE:
        vec_write(&nd->durable, c->at, c->p, c->n);
        break;
    case CHANGE_TRUNCATE:
        vec_resize(&nd->durable, (size_t)c->at);
        break;
    case CHANGE_LINK:
        dir_link(&fs->durable, c->name, c->node);
        break;
    case CHANGE_UNLINK:
        dir_unlink(&fs->durable, c->name);
        break;
    }
}

/* Some sectors of a write, each with an even chance. A change of another kind cannot be half done. */
static void change_tear(crashvfs *fs, const change *c, uint64_t *random)
{
    node *nd = fs->nodes[c->node];
    size_t done = 0;

    if (c->kind != CHANGE_WRITE) {
        if (next_random(random) & 1)
            change_apply(fs, c);
        return;
    }
    while (done < c->n) {
        size_t in_sector = SECTOR_SIZE - (size_t)((c->at + done) % SECTOR_SIZE);
        size_t n = EDN_MIN(in_sector, c->n - done);
        if (next_random(random) >> 63)
            vec_write(&nd->durable, c->at + done, c->p + done, n);
        done += n;
    }
}

/* Makes durable what is pending for a file's content, and for the directory, as asked; in order. */
static void pending_sync(crashvfs *fs, uint32_t id, bool content, bool directory)
{
    size_t kept = 0;

    for (size_t i = 0; i < fs->pending_n; i++) {
        change *c = &fs->pending[i];
        if (change_is_of_dir(c) ? directory : content && c->node == id) {
            change_apply(fs, c);
            free(c->p);
        } else {
            fs->pending[kept++] = *c;
        }
    }
    fs->pending_n = kept;
}

static void pending_clear(crashvfs *fs)
{
    for (size_t i = 0; i < fs->pending_n; i++)
        free(fs->pending[i].p);
    fs->pending_n = 0;
}

static void pending_decide(crashvfs *fs, crashvfs_fate fate, uint64_t seed)
{
    uint64_t random = seed * 2 + 1;
    size_t edge;

    for (int i = 0; i < 8; i++) /* small seeds start alike */
        (void)next_random(&random);
    edge = (size_t)(next_random(&random) % (fs->pending_n + 1));
    for (size_t i = 0; i < fs->pending_n; i++) {
        const change *c = &fs->pending[i];
        unsigned die = (unsigned)(next_random(&random) >> 60);
        if (fate == CRASHVFS_KEEP || (fate == CRASHVFS_PREFIX && i < edge) || (fate == CRASHVFS_TEAR && die < 5))
            change_apply(fs, c);
        else if ((fate == CRASHVFS_PREFIX && i == edge) || (fate == CRASHVFS_TEAR && die < 11))
            change_tear(fs, c, &random);
    }
    pending_clear(fs);
}

/* ---- what happens to an operation -------------------------------------------------------------------------------- */

typedef enum outcome { OP_DONE, OP_DARK, OP_CUT, OP_FAILED } outcome;

/* Counts a change and says what becomes of it. */
static outcome op_begin(crashvfs *fs)
{
    if (fs->dark)
        return OP_DARK;
    fs->ops++;
    if (fs->ops == fs->cut_at) {
        fs->dark = true;
        return OP_CUT;
    }
    if (fs->fail_at && (fs->ops == fs->fail_at || (fs->fail_on && fs->ops > fs->fail_at)))
        return OP_FAILED;
    return OP_DONE;
}

static bool handle_is_dead(const handle *h) { return h->fs->dark || h->generation != h->fs->generation; }

static uint64_t used(const crashvfs *fs)
{
    uint64_t n = 0;

    for (size_t i = 0; i < fs->live.n; i++)
        n += fs->nodes[fs->live.rows[i].node]->live.n;
    return n;
}

static void write_live(handle *h, uint64_t at, const void *p, size_t n)
{
    vec_write(&h->node->live, at, p, n);
    if (!h->anonymous)
        pending_write(h->fs, h->node->id, at, p, n);
    if (h->fs->watch)
        h->fs->watch(h->fs->watch_ctx, h->name, at, edn_bytes_of(p, n));
}

/* ---- sqlite3_io_methods ------------------------------------------------------------------------------------------ */

static void lock_disk(crashvfs *fs) { pthread_mutex_lock(&fs->mutex); }
static int unlock_disk(crashvfs *fs, int rc)
{
    pthread_mutex_unlock(&fs->mutex);
    return rc;
}

static int file_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
    handle *h = (handle *)f;
    crashvfs *fs = h->fs;
    const bytes_vec *v = &h->node->live;
    size_t have;

    lock_disk(fs);
    fs->reads++;
    if (handle_is_dead(h))
        return unlock_disk(fs, SQLITE_IOERR_READ);
    if (fs->reads == fs->fail_read_at)
        return unlock_disk(fs, fs->fail_read_rc);
    if (fs->reads == fs->stale_at && h->node->old.n)
        v = &h->node->old;
    have = (uint64_t)at < v->n ? EDN_MIN(v->n - (size_t)at, (size_t)n) : 0;
    if (have)
        memcpy(to, v->p + at, have);
    memset((uint8_t *)to + have, 0, (size_t)n - have);
    return unlock_disk(fs, have == (size_t)n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ);
}

static int file_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    handle *h = (handle *)f;
    crashvfs *fs = h->fs;
    uint64_t end = (uint64_t)at + (uint64_t)n;

    lock_disk(fs);
    if (handle_is_dead(h))
        return unlock_disk(fs, SQLITE_IOERR_WRITE);
    if (end > h->node->live.n && used(fs) + (end - h->node->live.n) > fs->capacity)
        return unlock_disk(fs, SQLITE_FULL);
    switch (h->anonymous ? OP_DONE : op_begin(fs)) {
    case OP_DONE:
        write_live(h, (uint64_t)at, p, (size_t)n);
        return unlock_disk(fs, SQLITE_OK);
    case OP_FAILED:
        write_live(h, (uint64_t)at, p, (size_t)n / 2);
        return unlock_disk(fs, fs->fail_rc);
    case OP_CUT:
        write_live(h, (uint64_t)at, p, (size_t)n);
        break;
    case OP_DARK:
        break;
    }
    return unlock_disk(fs, SQLITE_IOERR_WRITE);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    handle *h = (handle *)f;
    crashvfs *fs = h->fs;
    outcome o;

    lock_disk(fs);
    if (handle_is_dead(h))
        return unlock_disk(fs, SQLITE_IOERR_TRUNCATE);
    o = h->anonymous ? OP_DONE : op_begin(fs);
    if (o == OP_FAILED)
        return unlock_disk(fs, fs->fail_rc);
    vec_resize(&h->node->live, (size_t)size);
    if (!h->anonymous)
        pending_add(fs, CHANGE_TRUNCATE, h->node->id)->at = (uint64_t)size;
    return unlock_disk(fs, o == OP_DONE ? SQLITE_OK : SQLITE_IOERR_TRUNCATE);
}

static int file_sync(sqlite3_file *f, int flags)
{
    handle *h = (handle *)f;
    crashvfs *fs = h->fs;
    outcome o;

    (void)flags; /* a full sync and a plain one are the same here */
    lock_disk(fs);
    if (handle_is_dead(h))
        return unlock_disk(fs, SQLITE_IOERR_FSYNC);
    o = op_begin(fs);
    if (o == OP_DONE) {
        pending_sync(fs, h->node->id, true, h->sync_dir);
        h->sync_dir = false;
    }
    /* A sync during which power goes may have done anything: all stays pending. */
    return unlock_disk(fs, o == OP_DONE ? SQLITE_OK : o == OP_FAILED ? fs->fail_rc : SQLITE_IOERR_FSYNC);
}

static int file_size(sqlite3_file *f, sqlite3_int64 *out)
{
    handle *h = (handle *)f;

    lock_disk(h->fs);
    *out = (sqlite3_int64)h->node->live.n;
    return unlock_disk(h->fs, handle_is_dead(h) ? SQLITE_IOERR_FSTAT : SQLITE_OK);
}

static void lock_drop(handle *h, int to)
{
    node *nd = h->node;

    if (h->lock > SQLITE_LOCK_SHARED && to <= SQLITE_LOCK_SHARED) {
        nd->reserved = nd->reserved == h ? NULL : nd->reserved;
        nd->pending = nd->pending == h ? NULL : nd->pending;
        nd->exclusive = nd->exclusive == h ? NULL : nd->exclusive;
    }
    if (h->lock >= SQLITE_LOCK_SHARED && to == SQLITE_LOCK_NONE)
        nd->shared--;
    h->lock = EDN_MIN(h->lock, to);
}

static bool lock_raise(handle *h, int to)
{
    node *nd = h->node;

    if (h->lock == SQLITE_LOCK_NONE) {
        if (nd->pending || nd->exclusive)
            return false;
        nd->shared++;
        h->lock = SQLITE_LOCK_SHARED;
    }
    if (to >= SQLITE_LOCK_RESERVED && h->lock < SQLITE_LOCK_RESERVED) {
        if (nd->reserved || (nd->pending && nd->pending != h))
            return false;
        nd->reserved = h;
        h->lock = SQLITE_LOCK_RESERVED;
    }
    if (to == SQLITE_LOCK_EXCLUSIVE) {
        if (nd->pending && nd->pending != h)
            return false;
        nd->pending = h;
        h->lock = SQLITE_LOCK_PENDING;
        if (nd->shared > 1)
            return false;
        nd->exclusive = h;
        h->lock = SQLITE_LOCK_EXCLUSIVE;
    }
    return true;
}

static int file_lock(sqlite3_file *f, int to)
{
    handle *h = (handle *)f;
    int rc = SQLITE_OK;

    lock_disk(h->fs);
    if (handle_is_dead(h))
        rc = SQLITE_IOERR_LOCK;
    else if (to > h->lock && !lock_raise(h, to))
        rc = SQLITE_BUSY;
    return unlock_disk(h->fs, rc);
}

static int file_unlock(sqlite3_file *f, int to)
{
    handle *h = (handle *)f;

    lock_disk(h->fs);
    if (!handle_is_dead(h))
        lock_drop(h, to);
    return unlock_disk(h->fs, SQLITE_OK);
}

static int file_check_reserved(sqlite3_file *f, int *out)
{
    handle *h = (handle *)f;

    lock_disk(h->fs);
    *out = h->node->reserved != NULL || h->node->pending != NULL;
    return unlock_disk(h->fs, handle_is_dead(h) ? SQLITE_IOERR_CHECKRESERVEDLOCK : SQLITE_OK);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
    (void)f;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

/* As SQLite's unix VFS says of every disk: a sector beside the one written does not change. */
static int file_sector_size(sqlite3_file *f)
{
    (void)f;
    return 4096;
}
static int file_characteristics(sqlite3_file *f)
{
    (void)f;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* ---- the WAL index ----------------------------------------------------------------------------------------------- */

static int shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **out)
{
    handle *h = (handle *)f;
    crashvfs *fs = h->fs;
    shm *m;

    *out = NULL;
    lock_disk(fs);
    if (handle_is_dead(h))
        return unlock_disk(fs, SQLITE_IOERR_SHMMAP);
    if (!h->node->shm) {
        h->node->shm = must(calloc(1, sizeof *m));
        h->node->shm->refs = 1;
    }
    m = h->node->shm;
    if (!h->shm) {
        h->shm = m;
        m->refs++;
    }
    while (extend && region >= m->regions_n) {
        m->regions = must(realloc(m->regions, ((size_t)m->regions_n + 1) * sizeof *m->regions));
        m->regions[m->regions_n++] = must(calloc(1, (size_t)size));
    }
    if (region < m->regions_n)
        *out = m->regions[region];
    return unlock_disk(fs, SQLITE_OK);
}

static void shm_unlock(handle *h, uint8_t mask)
{
    for (int i = 0; i < SHM_LOCKS; i++) {
        uint8_t bit = (uint8_t)(1u << i);
        if (mask & h->shm_exclusive & bit)
            h->shm->shared[i] = 0;
        if (mask & h->shm_shared & bit)
            h->shm->shared[i]--;
    }
    h->shm_exclusive &= (uint8_t)~mask;
    h->shm_shared &= (uint8_t)~mask;
}

static bool shm_lock_all(handle *h, uint8_t mask, bool exclusive)
{
    for (int i = 0; i < SHM_LOCKS; i++) {
        int held = h->shm->shared[i];
        if (!(mask & 1u << i) || (h->shm_shared & 1u << i && !exclusive))
            continue;
        if (held < 0 || (exclusive && held > 0))
            return false;
    }
    for (int i = 0; i < SHM_LOCKS; i++) {
        if (!(mask & 1u << i))
            continue;
        if (exclusive)
            h->shm->shared[i] = -1;
        else if (!(h->shm_shared & 1u << i))
            h->shm->shared[i]++;
    }
    if (exclusive)
        h->shm_exclusive |= mask;
    else
        h->shm_shared |= mask;
    return true;
}

static int shm_lock(sqlite3_file *f, int first, int n, int flags)
{
    handle *h = (handle *)f;
    uint8_t mask = (uint8_t)(((1u << n) - 1) << first);
    int rc = SQLITE_OK;

    lock_disk(h->fs);
    if (handle_is_dead(h))
        rc = SQLITE_IOERR_SHMLOCK;
    else if (flags & SQLITE_SHM_UNLOCK)
        shm_unlock(h, mask);
    else if (!shm_lock_all(h, mask, (flags & SQLITE_SHM_EXCLUSIVE) != 0))
        rc = SQLITE_BUSY;
    return unlock_disk(h->fs, rc);
}

static void shm_barrier(sqlite3_file *f)
{
    handle *h = (handle *)f;

    lock_disk(h->fs);
    (void)unlock_disk(h->fs, SQLITE_OK);
}

/* The last one out forgets the index, as processes do: the next one in recovers it from the log. */
static void shm_leave(handle *h)
{
    node *nd = h->node;

    if (!h->shm)
        return;
    shm_unlock(h, 0xff);
    if (nd->shm == h->shm && h->shm->refs == 2) {
        shm_release(nd->shm);
        nd->shm = NULL;
    }
    shm_release(h->shm);
    h->shm = NULL;
}

static int shm_unmap(sqlite3_file *f, int forget)
{
    handle *h = (handle *)f;

    (void)forget;
    lock_disk(h->fs);
    shm_leave(h);
    return unlock_disk(h->fs, SQLITE_OK);
}

static int file_close(sqlite3_file *f)
{
    handle *h = (handle *)f;

    lock_disk(h->fs);
    shm_leave(h);
    if (h->generation == h->fs->generation) {
        lock_drop(h, SQLITE_LOCK_NONE);
        if (h->delete_on_close && !h->anonymous)
            dir_unlink(&h->fs->live, h->name);
    }
    h->node->handles--;
    return unlock_disk(h->fs, SQLITE_OK);
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

/* ---- sqlite3_vfs ------------------------------------------------------------------------------------------------- */

/* The node behind a name, made if need be. NULL: it cannot be; *rc says why. */
static node *node_open(crashvfs *fs, handle *h, int flags, int *rc)
{
    name_row *row = dir_find(&fs->live, h->name);
    outcome o;
    node *nd;

    /* As SQLite's unix VFS: whoever opens a journal or a log and would make it syncs the folder too, also when another
     * process had made it and died before it synced. */
    h->sync_dir = (flags & SQLITE_OPEN_CREATE) != 0 &&
                  (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL)) != 0;
    *rc = SQLITE_CANTOPEN;
    if (fs->denied) {
        fs->last_errno = EACCES;
        return NULL;
    }
    if (row)
        return fs->nodes[row->node];
    if (!(flags & SQLITE_OPEN_CREATE)) {
        fs->last_errno = ENOENT;
        return NULL;
    }
    o = op_begin(fs);
    if (o == OP_FAILED) {
        *rc = fs->fail_rc;
        return NULL;
    }
    nd = node_new(fs);
    dir_link(&fs->live, h->name, nd->id);
    pending_name(fs, CHANGE_LINK, nd->id, h->name);
    return o == OP_DONE ? nd : NULL;
}

static int vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out_flags)
{
    crashvfs *fs = v->pAppData;
    handle *h = (handle *)f;
    int rc = SQLITE_OK;

    *h = (handle){.fs = fs, .generation = fs->generation, .anonymous = name == NULL};
    h->delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    snprintf(h->name, sizeof h->name, "%s", name ? name : "");
    lock_disk(fs);
    fs->last_errno = EIO;
    if (fs->dark)
        return unlock_disk(fs, SQLITE_CANTOPEN);
    h->node = h->anonymous ? node_new(fs) : node_open(fs, h, flags, &rc);
    if (!h->node)
        return unlock_disk(fs, rc);
    h->node->handles++;
    h->base.pMethods = &file_methods;
    if (out_flags)
        *out_flags = flags;
    return unlock_disk(fs, SQLITE_OK);
}

static int vfs_delete(sqlite3_vfs *v, const char *name, int sync_dir)
{
    crashvfs *fs = v->pAppData;
    name_row *row;
    uint32_t id;
    outcome o;

    lock_disk(fs);
    row = dir_find(&fs->live, name);
    if (fs->dark || !row)
        return unlock_disk(fs, fs->dark ? SQLITE_IOERR_DELETE : SQLITE_IOERR_DELETE_NOENT);
    id = row->node;
    o = op_begin(fs);
    if (o == OP_FAILED)
        return unlock_disk(fs, fs->fail_rc);
    dir_unlink(&fs->live, name);
    pending_name(fs, CHANGE_UNLINK, id, name);
    if (o == OP_DONE && sync_dir)
        pending_sync(fs, id, false, true);
    return unlock_disk(fs, o == OP_DONE ? SQLITE_OK : SQLITE_IOERR_DELETE);
}

/* As on unix, an empty file does not count as there. */
static int vfs_access(sqlite3_vfs *v, const char *name, int flags, int *out)
{
    crashvfs *fs = v->pAppData;
    name_row *row;

    (void)flags;
    lock_disk(fs);
    row = dir_find(&fs->live, name);
    *out = row && fs->nodes[row->node]->live.n > 0;
    return unlock_disk(fs, fs->dark ? SQLITE_IOERR_ACCESS : SQLITE_OK);
}

static int vfs_full_path(sqlite3_vfs *v, const char *name, int n, char *out)
{
    (void)v;
    snprintf(out, (size_t)n, "%s", name);
    return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *v, int n, char *out)
{
    crashvfs *fs = v->pAppData;

    for (int i = 0; i < n; i++)
        out[i] = (char)(next_random(&fs->random) >> 56);
    return n;
}

static int vfs_sleep(sqlite3_vfs *v, int us)
{
    crashvfs *fs = v->pAppData;

    lock_disk(fs);
    fs->clock_ms += (uint64_t)us / 1000 + 1;
    return unlock_disk(fs, us);
}

static int vfs_time64(sqlite3_vfs *v, sqlite3_int64 *out)
{
    crashvfs *fs = v->pAppData;

    *out = (sqlite3_int64)(210866760000000u + 1700000000000u + fs->clock_ms); /* Julian milliseconds of 1970, and on */
    return SQLITE_OK;
}

static int vfs_time(sqlite3_vfs *v, double *out)
{
    sqlite3_int64 ms;
    int rc = vfs_time64(v, &ms);

    *out = (double)ms / 86400000.0;
    return rc;
}

static int vfs_last_error(sqlite3_vfs *v, int n, char *out)
{
    crashvfs *fs = v->pAppData;

    (void)n;
    (void)out;
    return fs->last_errno;
}

static crashvfs *fs_new(const char *name)
{
    crashvfs *fs = must(calloc(1, sizeof *fs));

    snprintf(fs->name, sizeof fs->name, "%s", name);
    fs->vfs = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = sizeof(handle),
        .mxPathname = NAME_SIZE - 1,
        .zName = fs->name,
        .pAppData = fs,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_path,
        .xRandomness = vfs_randomness,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_time,
        .xCurrentTimeInt64 = vfs_time64,
        .xGetLastError = vfs_last_error,
    };
    fs->capacity = UINT64_MAX;
    fs->random = 0x9e3779b97f4a7c15u;
    pthread_mutex_init(&fs->mutex, NULL);
    EDN_ASSERT(!sqlite3_vfs_find(name));
    EDN_ASSERT(sqlite3_vfs_register(&fs->vfs, 0) == SQLITE_OK);
    return fs;
}

/* ---- for tests --------------------------------------------------------------------------------------------------- */

crashvfs *crashvfs_new(const char *name) { return fs_new(name); }

crashvfs *crashvfs_copy(const crashvfs *from, const char *name)
{
    crashvfs *fs = fs_new(name);

    for (size_t i = 0; i < from->nodes_n; i++) {
        node *nd = node_add(fs);
        vec_copy(&nd->live, &from->nodes[i]->live);
        vec_copy(&nd->durable, &from->nodes[i]->durable);
    }
    dir_copy(&fs->live, &from->live);
    dir_copy(&fs->durable, &from->durable);
    for (size_t i = 0; i < from->pending_n; i++) {
        const change *c = &from->pending[i];
        if (c->kind == CHANGE_WRITE)
            pending_write(fs, c->node, c->at, c->p, c->n);
        else
            *pending_add(fs, c->kind, c->node) = *c;
    }
    fs->ops = from->ops;
    fs->reads = from->reads;
    fs->dark = from->dark;
    fs->capacity = from->capacity;
    fs->random = from->random;
    fs->clock_ms = from->clock_ms;
    return fs;
}

void crashvfs_free(crashvfs *fs)
{
    if (!fs)
        return;
    for (size_t i = 0; i < fs->nodes_n; i++) {
        node *nd = fs->nodes[i];
        EDN_ASSERT(nd->handles == 0);
        shm_release(nd->shm);
        free(nd->live.p);
        free(nd->durable.p);
        free(nd->old.p);
        free(nd);
    }
    pending_clear(fs);
    sqlite3_vfs_unregister(&fs->vfs);
    pthread_mutex_destroy(&fs->mutex);
    free(fs->nodes);
    free(fs->live.rows);
    free(fs->durable.rows);
    free(fs->pending);
    free(fs);
}

uint64_t crashvfs_ops(const crashvfs *fs) { return fs->ops; }
uint64_t crashvfs_reads(const crashvfs *fs) { return fs->reads; }
void crashvfs_cut_at(crashvfs *fs, uint64_t op) { fs->cut_at = op; }
void crashvfs_cut(crashvfs *fs) { fs->dark = true; }
bool crashvfs_is_dark(const crashvfs *fs) { return fs->dark; }

/* Locks and the WAL index live in memory: they go with the processes. What old handles mapped stays until they
 * close. */
static void handles_die(crashvfs *fs)
{
    fs->generation++;
    for (size_t i = 0; i < fs->nodes_n; i++) {
        node *nd = fs->nodes[i];
        nd->shared = 0;
        nd->reserved = nd->pending = nd->exclusive = NULL;
        shm_release(nd->shm);
        nd->shm = NULL;
    }
}

void crashvfs_power(crashvfs *fs, crashvfs_fate fate, uint64_t seed)
{
    handles_die(fs);
    pending_decide(fs, fate, seed);
    dir_copy(&fs->live, &fs->durable);
    for (size_t i = 0; i < fs->nodes_n; i++)
        vec_copy(&fs->nodes[i]->live, &fs->nodes[i]->durable);
    fs->dark = false;
    fs->cut_at = fs->fail_at = fs->fail_read_at = 0;
}

void crashvfs_kill(crashvfs *fs) { handles_die(fs); }

void crashvfs_fail_at(crashvfs *fs, uint64_t op, int rc, bool on)
{
    fs->fail_at = op;
    fs->fail_rc = rc;
    fs->fail_on = on;
}

void crashvfs_fail_read_at(crashvfs *fs, uint64_t read, int rc)
{
    fs->fail_read_at = read;
    fs->fail_read_rc = rc;
}

void crashvfs_remember(crashvfs *fs)
{
    for (size_t i = 0; i < fs->nodes_n; i++)
        vec_copy(&fs->nodes[i]->old, &fs->nodes[i]->live);
}

void crashvfs_stale_read_at(crashvfs *fs, uint64_t read) { fs->stale_at = read; }
void crashvfs_deny(crashvfs *fs, bool deny) { fs->denied = deny; }

void crashvfs_set_capacity(crashvfs *fs, uint64_t bytes) { fs->capacity = bytes; }
uint64_t crashvfs_used(const crashvfs *fs) { return used(fs); }

void crashvfs_watch(crashvfs *fs, crashvfs_watch_fn *fn, void *ctx)
{
    fs->watch = fn;
    fs->watch_ctx = ctx;
}

bool crashvfs_view(const crashvfs *fs, const char *path, edn_bytes *out)
{
    const name_row *row = dir_find(&fs->live, path);

    *out = EDN_BYTES_EMPTY;
    if (!row)
        return false;
    *out = edn_bytes_of(fs->nodes[row->node]->live.p, fs->nodes[row->node]->live.n);
    return true;
}

void crashvfs_poke(crashvfs *fs, const char *path, uint64_t at, edn_bytes bytes)
{
    const name_row *row = dir_find(&fs->live, path);
    node *nd;

    EDN_ASSERT(row);
    nd = fs->nodes[row->node];
    vec_write(&nd->live, at, bytes.p, bytes.n);
    vec_write(&nd->durable, at, bytes.p, bytes.n);
}
