/* What every benchmark prints, one JSON object a line, and the clocks that it reads. Include it once in a program. */
#ifndef EDN_BENCH_FIGURE_H
#define EDN_BENCH_FIGURE_H

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

/* Whether any figure missed its goal so far. */
static bool missed;

/* A goal of 0 is none: the figure is for comparison. */
static inline void figure_put(const char *name, double value, const char *unit, double goal, bool higher)
{
    bool ok = goal <= 0 || (higher ? value >= goal : value <= goal);

    missed |= !ok;
    printf("{\"name\": \"%s\", \"value\": %.6g, \"unit\": \"%s\", \"goal\": %.6g, \"better\": \"%s\", \"ok\": %s}\n",
           name, value, unit, goal, higher ? "higher" : "lower", ok ? "true" : "false");
    fflush(stdout);
}

/* At most `goal`. */
static inline void figure(const char *name, double value, const char *unit, double goal)
{
    figure_put(name, value, unit, goal, false);
}

static inline double clock_s(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline double wall_s(void) { return clock_s(CLOCK_MONOTONIC); }
static inline double own_cpu_s(void) { return clock_s(CLOCK_PROCESS_CPUTIME_ID); }

#endif
