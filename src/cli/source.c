#include "cli/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define CHUNK_SIZE ((size_t)128 << 10)

/* Bytes go from the file through `packed` (when it is packed) into `plain`, of which [at, plain.n) is not given out
 * yet and [at, scanned) holds no line end. */
struct edn_cli_source {
    int fd;
    const char *path; /* as given; borrowed */
    uint64_t number, read, total;
    bool begun, ended, mark_passed;
    ZSTD_DStream *unpack; /* NULL: not packed */
    size_t unpack_wants;  /* 0: at the end of a frame */
    uint8_t *packed;
    size_t packed_at, packed_n;
    edn_buf plain;
    size_t at, scanned;
};

edn_status edn_cli_errno(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return EDN_E_MISSING;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return EDN_E_FULL;
    case ENOMEM:
        return EDN_E_NOMEM;
    default:
        return EDN_E_IO;
    }
}

edn_status edn_cli_source_open(const char *path, edn_cli_source **out, edn_err *err)
{
    edn_cli_source *s = calloc(1, sizeof *s);
    struct stat sb;

    *out = NULL;
    if (!s || !(s->packed = malloc(CHUNK_SIZE))) {
        free(s);
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    }
    s->plain = EDN_BUF_INIT(EDN_CLI_LINE_MAX + CHUNK_SIZE);
    s->path = strcmp(path, "-") == 0 ? "standard input" : path;
    s->fd = s->path == path ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (s->fd < 0 || fstat(s->fd, &sb) != 0 || S_ISDIR(sb.st_mode)) {
        int error = s->fd < 0 || !S_ISDIR(sb.st_mode) ? errno : EISDIR;
        edn_cli_source_close(s);
        return edn_fail(err, edn_cli_errno(error), "could not read %s: %s", path, strerror(error));
    }
    s->total = S_ISREG(sb.st_mode) && sb.st_size > 0 ? (uint64_t)sb.st_size : 0;
    *out = s;
    return EDN_OK;
}

void edn_cli_source_close(edn_cli_source *s)
{
    if (!s)
        return;
    if (s->fd > STDIN_FILENO)
        close(s->fd);
    ZSTD_freeDStream(s->unpack);
    free(s->packed);
    edn_buf_dispose(&s->plain);
    free(s);
}

/* Reads up to n bytes, at least one unless the file is at its end. */
static edn_status file_read(edn_cli_source *s, uint8_t *to, size_t n, size_t *got, edn_err *err)
{
    ssize_t r = read(s->fd, to, n);

    if (r < 0 && errno == EINTR) /* a signal that is noted, and not to be waited out */
        return edn_fail(err, EDN_E_CANCELLED, "stopped");
    if (r < 0)
        return edn_fail(err, EDN_E_IO, "could not read %s: %s", s->path, strerror(errno));
    *got = (size_t)r;
    s->read += (size_t)r;
    return EDN_OK;
}

static edn_status packed_fill(edn_cli_source *s, edn_err *err)
{
    s->packed_at = 0;
    return file_read(s, s->packed, CHUNK_SIZE, &s->packed_n, err);
}

/* The first bytes say whether the file is packed (RFC 8878: 0xFD2FB528, little-endian). A pipe may give them one by
 * one. */
static edn_status begin(edn_cli_source *s, edn_err *err)
{
    static const uint8_t magic[4] = {0x28, 0xb5, 0x2f, 0xfd};
    size_t got = 1;
    edn_status st = EDN_OK;

    s->begun = true;
    while (s->packed_n < sizeof magic && got > 0 && st == EDN_OK) {
        st = file_read(s, s->packed + s->packed_n, CHUNK_SIZE - s->packed_n, &got, err);
        s->packed_n += st == EDN_OK ? got : 0;
    }
    if (st != EDN_OK)
        return st;
    if (s->packed_n >= sizeof magic && memcmp(s->packed, magic, sizeof magic) == 0) {
        s->unpack = ZSTD_createDStream();
        if (!s->unpack)
            return edn_fail(err, EDN_E_NOMEM, "out of memory");
        s->unpack_wants = 1;
        return EDN_OK;
    }
    edn_put_bytes(&s->plain, s->packed, s->packed_n);
    s->ended = got == 0;
    return edn_buf_status(&s->plain);
}

static edn_status unpack_more(edn_cli_source *s, edn_err *err)
{
    ZSTD_inBuffer in;
    ZSTD_outBuffer to = {NULL, CHUNK_SIZE, 0};
    edn_status st;

    if (s->packed_at == s->packed_n && (st = packed_fill(s, err)) != EDN_OK)
        return st;
    if (s->packed_n == 0) {
        s->ended = true;
        return s->unpack_wants == 0 ? EDN_OK : edn_fail(err, EDN_E_INVALID, "%s ends before its end", s->path);
    }
    to.dst = edn_buf_grow(&s->plain, CHUNK_SIZE);
    if (!to.dst)
        return edn_buf_status(&s->plain);
    in = (ZSTD_inBuffer){s->packed, s->packed_n, s->packed_at};
    s->unpack_wants = ZSTD_decompressStream(s->unpack, &to, &in);
    if (ZSTD_isError(s->unpack_wants))
        return edn_fail(err, EDN_E_INVALID, "%s is packed with zstd and broken: %s", s->path,
                        ZSTD_getErrorName(s->unpack_wants));
    s->packed_at = in.pos;
    s->plain.n -= CHUNK_SIZE - to.pos;
    return EDN_OK;
}

/* More bytes into `plain`, or s->ended. */
static edn_status more(edn_cli_source *s, edn_err *err)
{
    edn_status st = EDN_OK;
    size_t got = 0;

    if (s->at > 0) {
        s->plain.n -= s->at;
        s->scanned -= s->at;
        memmove(s->plain.p, s->plain.p + s->at, s->plain.n);
        s->at = 0;
    }
    if (!s->begun) {
        st = begin(s, err);
    } else if (s->unpack) {
        st = unpack_more(s, err);
    } else {
        uint8_t *to = edn_buf_grow(&s->plain, CHUNK_SIZE);
        if (to) {
            st = file_read(s, to, CHUNK_SIZE, &got, err);
            s->plain.n -= CHUNK_SIZE - got;
            s->ended = st == EDN_OK && got == 0;
        }
    }
    if (st == EDN_OK)
        st = edn_buf_status(&s->plain);
    if (st == EDN_E_LIMIT)
        return edn_fail(err, st, "%s, line %llu: longer than %zu MiB", s->path, (unsigned long long)s->number + 1,
                        EDN_CLI_LINE_MAX >> 20);
    return st == EDN_E_NOMEM ? edn_fail(err, st, "out of memory") : st;
}

/* Leaves out a UTF-8 mark, once the file's first bytes are there. */
static void mark_skip(edn_cli_source *s)
{
    if (s->mark_passed || (s->plain.n < 3 && !s->ended))
        return;
    s->mark_passed = true;
    if (s->plain.n >= 3 && memcmp(s->plain.p, "\xef\xbb\xbf", 3) == 0)
        s->at = s->scanned = 3;
}

edn_status edn_cli_source_line(edn_cli_source *s, edn_bytes *line, bool *done, edn_err *err)
{
    const uint8_t *end = NULL;
    edn_status st;

    *line = EDN_BYTES_EMPTY;
    *done = false;
    for (;;) {
        mark_skip(s);
        if (s->mark_passed && s->plain.n > s->scanned)
            end = memchr(s->plain.p + s->scanned, '\n', s->plain.n - s->scanned);
        if (end || s->ended)
            break;
        s->scanned = s->mark_passed ? s->plain.n : 0;
        if ((st = more(s, err)) != EDN_OK)
            return st;
    }
    if (!end && s->at == s->plain.n) {
        *done = true;
        return EDN_OK;
    }
    *line = edn_bytes_of(s->plain.p + s->at, (end ? (size_t)(end - s->plain.p) : s->plain.n) - s->at);
    s->at += line->n + (end != NULL);
    s->scanned = s->at;
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    s->number++;
    return EDN_OK;
}

uint64_t edn_cli_source_number(const edn_cli_source *s) { return s->number; }

edn_status edn_cli_source_rest(edn_cli_source *s, edn_bytes *out, edn_err *err)
{
    edn_status st;

    while (!s->ended)
        if ((st = more(s, err)) != EDN_OK)
            return st;
    mark_skip(s);
    *out = edn_bytes_of(s->plain.p + s->at, s->plain.n - s->at);
    s->at = s->scanned = s->plain.n;
    return EDN_OK;
}

void edn_cli_source_progress(const edn_cli_source *s, uint64_t *done, uint64_t *total)
{
    *done = s->read;
    *total = s->total;
}
