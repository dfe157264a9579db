/* Words that every part of EDN shares: borrowed bytes, status codes, errors, ids, time and randomness.
 *
 * Part of libedn's public interface; it needs nothing but C17. */
#ifndef EDN_BASE_H
#define EDN_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EDN_MUST_USE __attribute__((warn_unused_result))
#define EDN_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Borrowed bytes: never owns. `p` may be NULL only when `n` is 0. */
typedef struct edn_bytes {
    const uint8_t *p;
    size_t n;
} edn_bytes;

#define EDN_BYTES_EMPTY ((edn_bytes){NULL, 0})

static inline edn_bytes edn_bytes_of(const void *p, size_t n) { return (edn_bytes){(const uint8_t *)p, n}; }
/* The bytes of a C string, without its terminating zero. */
static inline edn_bytes edn_bytes_str(const char *s) { return (edn_bytes){(const uint8_t *)s, strlen(s)}; }
/* Equal in variable time: for public data only (secrets: edn_equal_ct). */
static inline bool edn_bytes_equal(edn_bytes a, edn_bytes b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* One code for each thing that a caller does differently. The names after the first group are the error
 * classes of docs/spec; edn_status_name gives them as text ("E_FORK"). */
typedef enum edn_status {
    EDN_OK = 0,
    /* this machine */
    EDN_E_NOMEM,      /* out of memory */
    EDN_E_IO,         /* the operating system or the disk refused */
    EDN_E_FULL,       /* no space left, or a quota is used up */
    EDN_E_BUSY,       /* somebody else holds it; try again */
    EDN_E_LIMIT,      /* larger than a documented limit */
    EDN_E_INVALID,    /* an argument that a person can mend */
    EDN_E_UTF8,       /* text that is not UTF-8 */
    EDN_E_MISSING,    /* not there */
    EDN_E_EXISTS,     /* there already */
    EDN_E_AMBIGUOUS,  /* more than one fits */
    EDN_E_LOCKED,     /* needs unlock first */
    EDN_E_PASSPHRASE, /* a passphrase or account key does not open it */
    EDN_E_CANCELLED,
    /* the other side of a wire */
    EDN_E_NETWORK,  /* no answer; try again later */
    EDN_E_TLS,      /* the server's certificate is not good */
    EDN_E_SERVER,   /* an answer that is not of this protocol, or a failure there */
    EDN_E_DENIED,   /* the server knows us not, or no longer */
    EDN_E_RATE,     /* the server asks to wait */
    EDN_E_CONFLICT, /* a conditional append came too late */
    /* bytes that were not trusted yet: see docs/spec */
    EDN_E_FORMAT,
    EDN_E_SUITE,
    EDN_E_TYPE,
    EDN_E_SEQ,
    EDN_E_PREV,
    EDN_E_ACCOUNT,
    EDN_E_SIGNER_REVOKED,
    EDN_E_SIGNER_UNKNOWN,
    EDN_E_SIG,
    EDN_E_CAP,
    EDN_E_KEY_INVALID,
    EDN_E_DUP_DEVICE,
    EDN_E_POP,
    EDN_E_DEVICE_UNKNOWN,
    EDN_E_EPOCH,
    EDN_E_POLICY,
    EDN_E_COMMIT,   /* inside the crypto module only; elsewhere EDN_E_AUTH */
    EDN_E_AUTH,     /* not authentic: wrong key, wrong place, or altered */
    EDN_E_CHAIN,    /* a batch that does not continue its device's chain; held */
    EDN_E_FORK,     /* two histories where there can be one */
    EDN_E_ROLLBACK, /* an older state than one already seen */
    EDN_E_WITHHELD, /* something that must exist is not served */
    EDN_E_CLONE,    /* this device's keys are at work in two places */
    EDN_E_KDF,      /* key derivation parameters outside the allowed range */
    EDN_E_PARENTS,  /* events whose parents are not here yet */
    EDN_E_DAMAGED,  /* a local row that does not open; the rest is fine */
    EDN_STATUS_COUNT
} edn_status;

/* The class as text, "OK", "E_FORMAT", …; never NULL. */
const char *edn_status_name(edn_status st);

/* What went wrong, in one sentence a person can act on. Filled by the layer that knows the names; holds no secret. */
typedef struct edn_err {
    edn_status status;
    char text[512];
} edn_err;

/* Sets *err (NULL is allowed) and returns `st`, so that a caller can `return edn_fail(err, …)`. A text that is too
 * long is cut at a character. */
edn_status edn_fail(edn_err *err, edn_status st, const char *fmt, ...) EDN_PRINTF(3, 4);

/* Ids are types of their own, so that swapping two does not compile. */
typedef struct edn_account_id {
    uint8_t b[32];
} edn_account_id; /* hash of the device log's first link */
typedef struct edn_device_id {
    uint8_t b[16];
} edn_device_id; /* hash of the device's public keys, cut */
typedef struct edn_space_id {
    uint8_t b[32];
} edn_space_id; /* one sync log */
typedef struct edn_journal_id {
    uint8_t b[16];
} edn_journal_id; /* random */
typedef struct edn_entry_id {
    uint8_t b[16];
} edn_entry_id; /* random */

/* Time as an argument: milliseconds since 1970 UTC, whatever the machine believes. */
typedef struct edn_clock {
    uint64_t (*now_ms)(void *ctx);
    void *ctx;
} edn_clock;

/* Randomness as an argument. `fill` must not fail. */
typedef struct edn_random {
    void (*fill)(void *ctx, void *p, size_t n);
    void *ctx;
} edn_random;

/* ---- buffer: growing bytes with a limit told when it is made ----------------------------------------------------- */

/* The first failure (memory, limit) sticks: later puts do nothing, and edn_buf_status tells. Wipes nothing: secrets
 * have buffers of their own. */
typedef struct edn_buf {
    uint8_t *p;
    size_t n, cap, size_max;
    edn_status st;
} edn_buf;

#define EDN_BUF_INIT(max) ((edn_buf){NULL, 0, 0, (max), EDN_OK})
#define EDN_BUF_UNLIMITED (SIZE_MAX / 2)

void edn_buf_dispose(edn_buf *b); /* frees, and leaves an empty buffer with the same limit */
void edn_buf_wipe(edn_buf *b);    /* the same, after overwriting what was held */
void edn_buf_reset(edn_buf *b);   /* keeps the memory, forgets the bytes and the failure */
EDN_MUST_USE edn_status edn_buf_status(const edn_buf *b);
edn_bytes edn_buf_view(const edn_buf *b);        /* borrowed until the next put */
EDN_MUST_USE edn_bytes edn_buf_take(edn_buf *b); /* ownership moves: free() its `p` (NULL after a failure) */
/* `n` more bytes at the end, not initialised; NULL after a failure. Valid until the next put. */
uint8_t *edn_buf_grow(edn_buf *b, size_t n);
/* Room for `n` more without another allocation. */
void edn_buf_reserve(edn_buf *b, size_t n);

#ifdef __cplusplus
}
#endif
#endif
