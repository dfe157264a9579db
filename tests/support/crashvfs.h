/* crashvfs: a disk that loses power: an in-memory file system as a SQLite VFS, for tests and the simulator.
 *
 * What a program sees is the live file; what has been synced is the durable one; between them stand pending writes,
 * truncations, creations and deletions. When power goes, each pending change was done, not done, or half done in
 * sectors of 512 bytes, as a seed decides. Anything that survives every seed survives a real disk that keeps its word
 * about sync.
 *
 * Every change (write, truncate, sync, create, delete) is an operation and has a number, from 1 on. Several handles may
 * be open at once, from several threads; they share locks and the WAL index as processes would. Sleeping takes no
 * time. */
#ifndef EDN_TESTS_CRASHVFS_H
#define EDN_TESTS_CRASHVFS_H

#include "base/base.h"

typedef struct crashvfs crashvfs;

typedef enum crashvfs_fate {
    CRASHVFS_KEEP,   /* all that was pending is on the disk */
    CRASHVFS_DROP,   /* nothing of it is */
    CRASHVFS_PREFIX, /* a first part is, the change at its edge torn: a disk that keeps order */
    CRASHVFS_TEAR,   /* each change by itself: done, not done, or some of its sectors */
    CRASHVFS_FATES
} crashvfs_fate;

/* Registers a VFS under `name`, which must be unique while it lives. Aborts when memory is out: this is a test's
 * tool. */
crashvfs *crashvfs_new(const char *name);
/* The same disk again under another name: files, pending changes and darkness; no open handles, no planned faults. */
crashvfs *crashvfs_copy(const crashvfs *fs, const char *name);
/* Every handle must be closed. NULL does nothing. */
void crashvfs_free(crashvfs *fs);

uint64_t crashvfs_ops(const crashvfs *fs);   /* changes so far */
uint64_t crashvfs_reads(const crashvfs *fs); /* reads so far */

/* Power goes in the middle of change number `op`: it is pending like the rest, and from then on every call fails until
 * crashvfs_power. 0: never. */
void crashvfs_cut_at(crashvfs *fs, uint64_t op);
/* Power goes now. */
void crashvfs_cut(crashvfs *fs);
bool crashvfs_is_dark(const crashvfs *fs);
/* Decides what became of pending changes and switches on again. Handles from before stay dead: close them. */
void crashvfs_power(crashvfs *fs, crashvfs_fate fate, uint64_t seed);
/* The processes die but the machine lives: handles are dead, locks are gone, live files stay as they are, pending. */
void crashvfs_kill(crashvfs *fs);

/* Change number `op` fails with an SQLite code (SQLITE_FULL, SQLITE_IOERR_FSYNC, …), a write after half of it was done;
 * with `on` every later one does too. 0: none. */
void crashvfs_fail_at(crashvfs *fs, uint64_t op, int rc, bool on);
/* The same for reads. */
void crashvfs_fail_read_at(crashvfs *fs, uint64_t read, int rc);
/* Remembers what all files hold now; then read number `read` gives, once, what was remembered of its file. 0: none. */
void crashvfs_remember(crashvfs *fs);
void crashvfs_stale_read_at(crashvfs *fs, uint64_t read);
/* Nobody may open a file: permission was revoked, or the disk is not mounted. */
void crashvfs_deny(crashvfs *fs, bool deny);
/* The size of the disk: a write that does not fit gives SQLITE_FULL. UINT64_MAX (the beginning): no end. */
void crashvfs_set_capacity(crashvfs *fs, uint64_t bytes);
uint64_t crashvfs_used(const crashvfs *fs);

/* Called with every piece of bytes written to any file: where a canary is looked for. */
typedef void crashvfs_watch_fn(void *ctx, const char *path, uint64_t at, edn_bytes bytes);
void crashvfs_watch(crashvfs *fs, crashvfs_watch_fn *fn, void *ctx);

/* The live bytes of a file, borrowed until the next change; false when it is not there. */
bool crashvfs_view(const crashvfs *fs, const char *path, edn_bytes *out);
/* Changes bytes behind everybody's back, durably: rot, or an attacker. Grows the file if need be. */
void crashvfs_poke(crashvfs *fs, const char *path, uint64_t at, edn_bytes bytes);

#endif
