/* Every allocation fails once. A program that links oom_dep has malloc, calloc, realloc, strdup and free of its own
 * code and of EDN's libraries go through oom.c (the linker's --wrap); those of shared libraries are left alone. */
#ifndef EDN_TESTS_OOM_H
#define EDN_TESTS_OOM_H

#include <edn/base.h>

/* One piece of work, from nothing to nothing: it makes what it needs, and frees all of it on every way out. */
typedef edn_status oom_fn(void *ctx);

/* Runs `fn` over and over: the first allocation fails, then the second…, until a run needs no more. Each run in which
 * one failed must give EDN_E_NOMEM and leave no allocation behind; the last must give EDN_OK. Fails the cmocka test
 * otherwise, and says at which allocation. Returns how many allocations `fn` makes. */
size_t oom_each(oom_fn *fn, void *ctx);

/* For checks of another shape: the n-th allocation from now on fails (from 1), once; 0: none does. */
void oom_fail_at(size_t n);
/* The n-th and every later one. */
void oom_fail_from(size_t n);
/* Allocations, and their ends, that are somebody else's in the same process: none of them fails or is counted. */
void oom_pause(bool pause);
/* Whether it came to that. */
bool oom_failed(void);
/* Allocations that are not freed yet. */
size_t oom_live(void);

#endif
