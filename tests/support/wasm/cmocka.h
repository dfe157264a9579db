/* The part of cmocka that unit tests use, for wasm32, where nothing can jump out of a failed check: a process runs
 * one test, whose number is in CHECK_TEST (from 1), and ends at the first failed check. With number 0 it ends with the
 * count of tests. scripts/cross/node-run.mjs starts one instance a test. */
#ifndef EDN_TESTS_WASM_CMOCKA_H
#define EDN_TESTS_WASM_CMOCKA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void (*CMUnitTestFunction)(void **state);
typedef int (*CMFixtureFunction)(void **state);

struct CMUnitTest {
    const char *name;
    CMUnitTestFunction test;
    CMFixtureFunction setup, teardown;
};

#define CHECK_SKIPPED 77

#define cmocka_unit_test(f)                                                                                            \
    {                                                                                                                  \
#f, f, NULL, NULL                                                                                              \
    }
#define cmocka_unit_test_setup_teardown(f, setup, teardown)                                                            \
    {                                                                                                                  \
#f, f, setup, teardown                                                                                         \
    }
#define cmocka_run_group_tests(tests, setup, teardown)                                                                 \
    check_run_one(tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)

static inline int check_run_one(const struct CMUnitTest *tests, size_t n, CMFixtureFunction setup,
                                CMFixtureFunction teardown)
{
    size_t number = strtoul(getenv("CHECK_TEST"), NULL, 10);
    const struct CMUnitTest *t;
    void *state = NULL;

    if (number == 0) {
        for (size_t i = 0; i < n; i++)
            puts(tests[i].name);
        return (int)n;
    }
    t = &tests[number - 1];
    if ((setup && setup(&state)) || (t->setup && t->setup(&state)))
        return 1;
    fprintf(stderr, "%s\n", t->name);
    t->test(&state);
    return (t->teardown && t->teardown(&state)) || (teardown && teardown(&state));
}

static inline void print_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline void print_error(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
}
#define print_message print_error

static inline _Noreturn void _fail(const char *file, int line)
{
    print_error("%s:%d: failed\n", file, line);
    exit(1);
}
#define fail() _fail(__FILE__, __LINE__)
#define fail_msg(...)                                                                                                  \
    do {                                                                                                               \
        print_error(__VA_ARGS__);                                                                                      \
        print_error("\n");                                                                                             \
        fail();                                                                                                        \
    } while (0)
#define skip() exit(CHECK_SKIPPED)

#define assert_true(x)                                                                                                 \
    do {                                                                                                               \
        if (!(x)) {                                                                                                    \
            print_error("%s\n", #x);                                                                                   \
            fail();                                                                                                    \
        }                                                                                                              \
    } while (0)
#define assert_false(x) assert_true(!(x))
#define assert_null(x) assert_true((x) == NULL)
#define assert_non_null(x) assert_true((x) != NULL)
#define assert_ptr_equal(a, b) assert_true((const void *)(a) == (const void *)(b))
#define assert_int_equal(a, b) check_int((unsigned long long)(a), (unsigned long long)(b), true, __FILE__, __LINE__)
#define assert_int_not_equal(a, b)                                                                                     \
    check_int((unsigned long long)(a), (unsigned long long)(b), false, __FILE__, __LINE__)
#define assert_in_range(v, low, high) assert_true((v) >= (low) && (v) <= (high))
#define assert_string_equal(a, b) check_string((a), (b), __FILE__, __LINE__)
#define assert_memory_equal(a, b, n) assert_true(memcmp((a), (b), (n)) == 0)
#define assert_memory_not_equal(a, b, n) assert_true(memcmp((a), (b), (n)) != 0)

static inline void check_int(unsigned long long a, unsigned long long b, bool equal, const char *file, int line)
{
    if ((a == b) != equal) {
        print_error("%#llx %s %#llx\n", a, equal ? "!=" : "==", b);
        _fail(file, line);
    }
}

static inline void check_string(const char *a, const char *b, const char *file, int line)
{
    if (strcmp(a, b) != 0) {
        print_error("\"%s\" != \"%s\"\n", a, b);
        _fail(file, line);
    }
}

#endif
