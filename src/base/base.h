/* base: bytes in and out, memory, text. Pure: no I/O, no clock, no randomness. */
#ifndef EDN_SRC_BASE_H
#define EDN_SRC_BASE_H

#include <edn/base.h>

/* For our own mistakes only; stays in release builds. Files, peers and people are never asserted. */
#define EDN_ASSERT(x) ((x) ? (void)0 : edn_panic(#x, __FILE__, __LINE__))
_Noreturn void edn_panic(const char *what, const char *file, int line);

#define EDN_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define EDN_MIN(a, b) ((a) < (b) ? (a) : (b))
#define EDN_MAX(a, b) ((a) > (b) ? (a) : (b))

/* a * b, a + b without wrapping; false when it would not fit. */
EDN_MUST_USE bool edn_mul_size(size_t a, size_t b, size_t *out);
/* Makes room for `need` elements of `size` bytes in a malloc'ed array that grows by half. `array` is where its pointer
 * stands (NULL with *cap 0: none yet). False: no memory, and nothing has changed. */
EDN_MUST_USE bool edn_array_room(void *array, size_t *cap, size_t need, size_t size);
EDN_MUST_USE bool edn_add_size(size_t a, size_t b, size_t *out);

/* Overwrites memory in a way that no optimiser removes. */
void edn_wipe(void *p, size_t n);
/* Overwrites what calls that have returned left on the stack, to this depth. */
void edn_stack_wipe(void);
#define EDN_STACK_WIPE_SIZE ((size_t)128 << 10)

/* Little-endian integers at an address. */
static inline void edn_store_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}
static inline void edn_store_u32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
    p[2] = (uint8_t)(v >> 16);
    p[3] = (uint8_t)(v >> 24);
}
static inline void edn_store_u64(uint8_t *p, uint64_t v)
{
    edn_store_u32(p, (uint32_t)v);
    edn_store_u32(p + 4, (uint32_t)(v >> 32));
}
static inline uint16_t edn_load_u16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static inline uint32_t edn_load_u32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint64_t edn_load_u64(const uint8_t *p)
{
    return (uint64_t)edn_load_u32(p) | (uint64_t)edn_load_u32(p + 4) << 32;
}

/* ---- writing into an edn_buf ------------------------------------------------------------------------------------- */

void edn_put_bytes(edn_buf *b, const void *p, size_t n);
void edn_put_u8(edn_buf *b, uint8_t v);
void edn_put_u16(edn_buf *b, uint16_t v);
void edn_put_u32(edn_buf *b, uint32_t v);
void edn_put_u64(edn_buf *b, uint64_t v);
void edn_put_varint(edn_buf *b, uint64_t v); /* LEB128, 1 to 10 bytes, canonical */
void edn_put_lp(edn_buf *b, edn_bytes v);    /* LP(x) = u32 length ‖ x */
void edn_put_str(edn_buf *b, const char *s); /* the characters alone, no length */
void edn_put_zeros(edn_buf *b, size_t n);

/* ---- reader: the only way in for bytes from outside -------------------------------------------------------------- */

/* Remembers the first failure with its offset and the field's name; after it every read gives zero or empty. */
typedef struct edn_reader {
    const uint8_t *start, *p, *end;
    edn_status st;
    const char *field; /* of the first failure */
    size_t at;         /* its offset */
} edn_reader;

edn_reader edn_reader_init(edn_bytes in);
edn_status edn_reader_status(const edn_reader *r);
size_t edn_reader_left(const edn_reader *r);
/* Whether `count` things of at least `size_min` bytes each can still follow. A false answer fails the reader. */
EDN_MUST_USE bool edn_reader_has(edn_reader *r, uint64_t count, size_t size_min);
/* EDN_E_FORMAT when bytes are left over, else the reader's status. */
EDN_MUST_USE edn_status edn_reader_end(edn_reader *r);
void edn_reader_fail(edn_reader *r, edn_status st, const char *field);

uint8_t edn_read_u8(edn_reader *r, const char *field);
uint16_t edn_read_u16(edn_reader *r, const char *field);
uint32_t edn_read_u32(edn_reader *r, const char *field);
uint64_t edn_read_u64(edn_reader *r, const char *field);
uint64_t edn_read_varint(edn_reader *r, const char *field);           /* refuses every non-canonical form */
edn_bytes edn_read_bytes(edn_reader *r, size_t n, const char *field); /* borrowed from the input */
edn_bytes edn_read_lp(edn_reader *r, size_t size_max, const char *field);
void edn_read_into(edn_reader *r, void *to, size_t n, const char *field); /* zeros on failure */

/* ---- arena: what one decode, query or request makes -------------------------------------------------------------- */

typedef struct edn_arena_chunk edn_arena_chunk;
typedef struct edn_arena {
    edn_arena_chunk *head;
    uint8_t *p, *end;
    size_t used, size_max; /* bytes handed out; the most that may be */
} edn_arena;

edn_arena edn_arena_init(size_t size_max);
void edn_arena_dispose(edn_arena *a);
void edn_arena_reset(edn_arena *a);            /* keeps one chunk */
void *edn_arena_alloc(edn_arena *a, size_t n); /* aligned to 16, not initialised; NULL: memory or limit */
void *edn_arena_calloc(edn_arena *a, size_t count, size_t size);
char *edn_arena_str(edn_arena *a, edn_bytes s); /* a copy with a zero behind it */
EDN_MUST_USE bool edn_arena_copy(edn_arena *a, edn_bytes s, edn_bytes *out);

/* ---- text -------------------------------------------------------------------------------------------------------- */

/* Strict UTF-8 (no surrogates, no overlong forms, up to U+10FFFF). Returns the offset of the first byte that is
 * wrong, or `s.n` when all is well; the number of scalars up to there goes to *count (NULL is allowed). */
size_t edn_utf8_check(edn_bytes s, size_t *count);
/* The number of scalars in valid UTF-8. */
size_t edn_utf8_count(edn_bytes s);
/* The byte offset of scalar `index` in valid UTF-8 (`s.n` when past the end). */
size_t edn_utf8_offset(edn_bytes s, size_t index);
/* Reads one scalar of valid UTF-8 at *at and moves *at behind it. */
uint32_t edn_utf8_next(edn_bytes s, size_t *at);
/* Writes a scalar; returns its 1 to 4 bytes. */
size_t edn_utf8_put(uint8_t out[4], uint32_t scalar);

/* Lower-case hex with a zero behind it: `out` holds 2 n + 1. */
void edn_hex_encode(char *out, const void *p, size_t n);
/* Reads exactly n bytes from 2 n hex digits of either case; false leaves `out` unspecified. */
EDN_MUST_USE bool edn_hex_decode(void *out, size_t n, edn_bytes hex);
/* base64url without padding (RFC 4648 section 5). Encode appends to b. Decode refuses every non-canonical form. */
void edn_base64url_encode(edn_buf *b, edn_bytes in);
EDN_MUST_USE edn_status edn_base64url_decode(edn_buf *out, edn_bytes in);

/* A 64-bit hash for tables in memory (not for security, not stored). */
uint64_t edn_table_hash(const void *p, size_t n, uint64_t seed);

#endif
