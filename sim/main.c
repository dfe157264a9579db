/* edn-sim: runs seeds, tells what broke, and how to see it again. */
#include "sim.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct args {
    sim_options o;
    uint64_t seeds;
    bool shrink, faults, until_broken;
    unsigned twice; /* every so many seeds one runs twice */
} args;

static const char usage[] =
    "usage: edn-sim [--seed N] [--seeds COUNT] [--days D] [--devices K] [--faults MASK] [--twice EVERY] [--list]\n"
    "               [--shrink] [--verbose] [--until-broken]\n";

static bool number(const char *text, uint64_t *out)
{
    char *end;

    *out = strtoull(text, &end, 0);
    return *text && !*end;
}

static bool parse(int argc, char **argv, args *a)
{
    *a = (args){.o = {.seed = 1, .days = 4, .mask = UINT64_MAX}, .seeds = 1, .twice = 50};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        uint64_t v = 0;
        if (strcmp(name, "--verbose") == 0) {
            a->o.verbose = true;
            continue;
        }
        if (strcmp(name, "--shrink") == 0) {
            a->shrink = true;
            continue;
        }
        if (strcmp(name, "--until-broken") == 0) {
            a->until_broken = true;
            continue;
        }
        if (strcmp(name, "--list") == 0) {
            a->faults = true;
            continue;
        }
        if (i + 1 == argc || !number(argv[++i], &v))
            return false;
        if (strcmp(name, "--seed") == 0)
            a->o.seed = v;
        else if (strcmp(name, "--seeds") == 0)
            a->seeds = v;
        else if (strcmp(name, "--days") == 0)
            a->o.days = (unsigned)v;
        else if (strcmp(name, "--devices") == 0)
            a->o.devices = (unsigned)v;
        else if (strcmp(name, "--faults") == 0)
            a->o.mask = v;
        else if (strcmp(name, "--twice") == 0)
            a->twice = (unsigned)v;
        else
            return false;
    }
    return true;
}

static void command(const sim_options *o, char *out, size_t size)
{
    snprintf(out, size, "build/edn-sim --seed %llu --days %u", (unsigned long long)o->seed, o->days);
    if (o->devices)
        snprintf(out + strlen(out), size - strlen(out), " --devices %u", o->devices);
    if (o->mask != UINT64_MAX)
        snprintf(out + strlen(out), size - strlen(out), " --faults 0x%llx", (unsigned long long)o->mask);
}

static bool breaks(const sim_options *o)
{
    sim *s = calloc(1, sizeof *s);
    bool broken;

    if (!s)
        sim_stop("memory", "sim");
    sim_run(s, o);
    broken = s->violations > 0;
    sim_dispose(s);
    free(s);
    return broken;
}

/* Fewer days, fewer devices, fewer kinds of faults: as long as it still breaks. */
static sim_options shrunk(sim_options o)
{
    bool moved = true;

    if (o.mask == UINT64_MAX)
        o.mask = (1ull << GROUP_COUNT) - 1;
    while (moved) {
        sim_options t = o;
        moved = false;
        for (t.days = 1; t.days < o.days; t.days++)
            if (breaks(&t)) {
                o = t;
                moved = true;
                break;
            }
        t = o;
        for (t.devices = 2; t.devices < (o.devices ? o.devices : 5); t.devices++)
            if (breaks(&t)) {
                o = t;
                moved = true;
                break;
            }
        for (unsigned g = 0; g < GROUP_COUNT; g++) {
            t = o;
            t.mask &= ~(1ull << g);
            if (t.mask != o.mask && breaks(&t)) {
                o = t;
                moved = true;
            }
        }
    }
    return o;
}

static void report(const sim *s, const args *a)
{
    char text[200];

    command(&a->o, text, sizeof text);
    printf("seed %llu: %s (%llu violations)\n  again: %s --verbose\n", (unsigned long long)s->o.seed, s->first,
           (unsigned long long)s->violations, text);
}

static void report_shrunk(const args *a)
{
    char text[200];
    sim_options o = a->o;

    o.verbose = false;
    o = shrunk(o);
    command(&o, text, sizeof text);
    printf("  shrunk: %s --verbose\n", text);
}

static void add(figures *to, const figures *from)
{
    to->calls += from->calls;
    to->syncs += from->syncs;
    to->exchanges += from->exchanges;
    to->crashes += from->crashes;
    to->entries += from->entries;
    to->tokens += from->tokens;
    to->checks += from->checks;
    to->bytes_watched += from->bytes_watched;
    for (size_t i = 0; i < FAULT_KINDS; i++)
        to->faults[i] += from->faults[i];
}

int main(int argc, char **argv)
{
    args a;
    figures all;
    uint64_t bad = 0, device_days = 0, level = 0, kinds = 0;
    double cpu_s;
    sim *s = calloc(1, sizeof *s);

    memset(&all, 0, sizeof all);
    if (!s || !parse(argc, argv, &a)) {
        fputs(usage, stderr);
        return 2;
    }
    for (unsigned i = 0; i < SIM_TRACES; i++)
        (void)trace_get(i); /* now, so that memory's level does not change later */
    for (uint64_t i = 0; i < a.seeds && !(bad && a.until_broken); i++, a.o.seed++) {
        uint64_t digest, used;
        bool broken;
        sim_run(s, &a.o);
        broken = s->violations > 0;
        digest = s->trace;
        add(&all, &s->f);
        device_days += (uint64_t)s->devices_n * a.o.days;
        if (s->violations) {
            bad++;
            report(s, &a);
        }
        sim_dispose(s);
        if (broken && a.shrink)
            report_shrunk(&a);
        if (a.twice && i % a.twice == 0) {
            sim_run(s, &a.o);
            if (s->trace != digest) {
                bad++;
                printf("seed %llu: two runs differ\n", (unsigned long long)a.o.seed);
            }
            sim_dispose(s);
        }
        used = mallinfo2().uordblks;
        if (i == 2)
            level = used;
        else if (i > 2 && used > level + (512u << 10)) {
            bad++;
            printf("seed %llu: %llu bytes of memory stay in use\n", (unsigned long long)a.o.seed,
                   (unsigned long long)(used - level));
            level = used;
        }
    }
    cpu_s = (double)clock() / CLOCKS_PER_SEC;
    for (size_t i = 0; i < FAULT_KINDS; i++) {
        kinds += all.faults[i] > 0;
        if (a.faults)
            printf("%8llu  %s\n", (unsigned long long)all.faults[i], fault_text((fault_kind)i));
    }
    printf("sim: %llu seeds, %llu broken, %llu device-days, %llu fault kinds, %llu crashes, %llu calls, %llu syncs, "
           "%llu exchanges, %llu checks, %llu characters, %.0f MB watched, %.1f s, %.0f device-days a CPU minute\n",
           (unsigned long long)a.seeds, (unsigned long long)bad, (unsigned long long)device_days,
           (unsigned long long)kinds, (unsigned long long)all.crashes, (unsigned long long)all.calls,
           (unsigned long long)all.syncs, (unsigned long long)all.exchanges, (unsigned long long)all.checks,
           (unsigned long long)all.tokens, (double)all.bytes_watched / 1e6, cpu_s, (double)device_days * 60 / cpu_s);
    free(s);
    return bad ? 1 : 0;
}
