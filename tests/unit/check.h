/* What every unit test includes: cmocka, and checks that print both values. */
#ifndef EDN_TESTS_CHECK_H
#define EDN_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/base.h"

#define CHECK(x) assert_true(x)
#define CHECK_INT(got, want) assert_int_equal(got, want)
#define CHECK_OK(st) check_status((st), EDN_OK, #st, __FILE__, __LINE__)
#define CHECK_STATUS(st, want) check_status((st), (want), #st, __FILE__, __LINE__)
#define CHECK_BYTES(got, want) check_bytes((got), (want), __FILE__, __LINE__)
#define CHECK_STR(got, want) check_bytes((got), edn_bytes_str(want), __FILE__, __LINE__)

static inline void check_status(edn_status got, edn_status want, const char *what, const char *file, int line)
{
    if (got != want) {
        print_error("%s:%d: %s gave %s, not %s\n", file, line, what, edn_status_name(got), edn_status_name(want));
        _fail(file, line);
    }
}

static inline void check_print(const char *name, edn_bytes b)
{
    print_error("  %s (%zu bytes):", name, b.n);
    for (size_t i = 0; i < b.n && i < 96; i++)
        print_error(b.p[i] >= 32 && b.p[i] < 127 ? "%c" : "\\x%02x", b.p[i]);
    print_error("%s\n", b.n > 96 ? "…" : "");
}

static inline void check_bytes(edn_bytes got, edn_bytes want, const char *file, int line)
{
    if (!edn_bytes_equal(got, want)) {
        print_error("%s:%d: bytes differ\n", file, line);
        check_print("got ", got);
        check_print("want", want);
        _fail(file, line);
    }
}

/* Of cases that are tried one by one and cost much, a sanitizer's build tries one in so many: memory errors hide in no
 * single one of them, and the other build tries all. */
#ifdef __SANITIZE_ADDRESS__
#define CHECK_ONE_IN 3u
#else
#define CHECK_ONE_IN 1u
#endif

/* A small random source for property tests (xorshift64*). The seed comes from EDN_SEED or is 1, and a failing test
 * prints it. */
typedef struct check_rng {
    uint64_t s;
} check_rng;

static inline uint64_t check_seed(void)
{
    const char *s = getenv("EDN_SEED");
    uint64_t seed = s ? strtoull(s, NULL, 0) : 1;
    return seed ? seed : 1;
}
static inline uint64_t check_next(check_rng *r)
{
    r->s ^= r->s >> 12;
    r->s ^= r->s << 25;
    r->s ^= r->s >> 27;
    return r->s * 0x2545f4914f6cdd1du;
}
static inline uint64_t check_below(check_rng *r, uint64_t n) { return n ? check_next(r) % n : 0; }

/* EDN_DATA/NAME as malloc'ed bytes. Without EDN_DATA the test is skipped; with it, a missing file fails. */
static inline uint8_t *check_data(const char *name, size_t *n)
{
    const char *dir = getenv("EDN_DATA");
    char path[1024];
    FILE *f;
    uint8_t *p = NULL;
    size_t cap = 0;

    *n = 0;
    if (!dir || !*dir)
        skip();
    snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "rb");
    if (!f) {
        print_error("%s is missing\n", path);
        fail();
    }
    for (;;) {
        if (*n == cap) {
            cap = cap ? 2 * cap : 65536;
            p = realloc(p, cap + 1);
            assert_non_null(p);
        }
        size_t got = fread(p + *n, 1, cap - *n, f);
        if (got == 0)
            break;
        *n += got;
    }
    fclose(f);
    p[*n] = 0;
    return p;
}

#endif
