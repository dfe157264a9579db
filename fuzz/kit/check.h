/* What tests/unit/check.h gives the naive model, without cmocka: whatever fails ends the program. */
#ifndef EDN_TESTS_CHECK_H
#define EDN_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define assert_true(x) FUZZ_HOLDS(x)
#define assert_non_null(p) FUZZ_HOLDS((p) != NULL)
#define fail_msg(text) FUZZ_HOLDS(!(text))
#define fail() FUZZ_HOLDS(false)
#define print_error(...) fprintf(stderr, __VA_ARGS__)
#define CHECK_OK(st) FUZZ_HOLDS((st) == EDN_OK)

typedef struct check_rng {
    uint64_t s;
} check_rng;

static inline uint64_t check_seed(void) { return 1; }
static inline uint64_t check_below(check_rng *r, uint64_t n)
{
    r->s = r->s * 6364136223846793005u + 1442695040888963407u;
    return n ? (r->s >> 33) % n : 0;
}

#endif
