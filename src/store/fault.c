#include "store_priv.h"

#include <errno.h>
#include <stdio.h>

static edn_status io_status(int rc, int error)
{
    if (rc == SQLITE_IOERR_NOMEM)
        return EDN_E_NOMEM;
    /* SQLite says FULL for ENOSPC alone; a quota, and room for the WAL index, end as I/O errors. */
    if (error == ENOSPC || error == EDQUOT)
        return EDN_E_FULL;
    return EDN_E_IO;
}

edn_status store_fault(edn_store *s, int rc)
{
    int extended = sqlite3_extended_errcode(s->db);
    int error = sqlite3_system_errno(s->db);

    if (extended == SQLITE_OK || (extended & 0xff) != (rc & 0xff))
        extended = rc;
    if ((extended & 0xff) == SQLITE_READONLY && error == 0)
        error = EACCES; /* SQLite found out by itself, without a system call that failed */
    snprintf(s->error, sizeof s->error, "%s (%d%s%s)", sqlite3_errstr(extended), extended, error ? ", " : "",
             error ? strerror(error) : "");
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return EDN_E_FULL;
    case SQLITE_IOERR:
        return io_status(extended, error);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return EDN_E_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_SCHEMA:
    case SQLITE_ERROR: /* our statements are right: a table that they name is not there, or not as it was made */
        return EDN_E_DAMAGED;
    case SQLITE_NOMEM:
        return EDN_E_NOMEM;
    case SQLITE_TOOBIG:
        return EDN_E_LIMIT;
    case SQLITE_INTERRUPT:
        return EDN_E_CANCELLED;
    case SQLITE_MISUSE:
        EDN_ASSERT(!"SQLite was misused");
        return EDN_E_IO;
    default: /* CANTOPEN, READONLY, PERM, AUTH, NOLFS */
        return EDN_E_IO;
    }
}

edn_status store_explain(edn_err *err, edn_status st, const char *path, const char *reason)
{
    switch (st) {
    case EDN_E_MISSING:
        return edn_fail(err, st, "there is no diary at %s", path);
    case EDN_E_FULL:
        return edn_fail(err, st, "no space is left for %s; make room and try again (%s)", path, reason);
    case EDN_E_BUSY:
        return edn_fail(err, st, "another program is at work on %s; try again when it is done", path);
    case EDN_E_DAMAGED:
        return edn_fail(
            err, st,
            "%s is not a diary's file, or is damaged; keep a copy of it, then restore a backup or sign in again (%s)",
            path, reason);
    case EDN_E_FORMAT:
        return edn_fail(err, st, "%s was made by a newer version of EDN; update EDN on this device", path);
    case EDN_E_NOMEM:
        return edn_fail(err, st, "memory ran out while opening %s", path);
    default:
        return edn_fail(
            err, st,
            "%s cannot be used: %s; check that the disk is well and that file and folder are yours and writable", path,
            reason);
    }
}

edn_status store_explain_errno(edn_err *err, int error, const char *path)
{
    edn_status st = error == ENOSPC || error == EDQUOT ? EDN_E_FULL : error == ENOMEM ? EDN_E_NOMEM : EDN_E_IO;

    return store_explain(err, st, path, strerror(error));
}
