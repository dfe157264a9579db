/* Keystrokes: the queries of DIR/NAME.queries over the segments that search-bench left in DIR, as it asks them, built
 * for wasm32 too. usage: search-keys WHO DIR NAME      figures are lines "WHO: what<TAB>value<TAB>unit"
 *
 * Times are of this thread's CPU, each query's least of several rounds. */
#define _GNU_SOURCE /* asprintf */
#ifdef __wasi__
#include <wasi/api.h>
#endif

#include "search_ours.h"

#define TURNS 9

static double thread_ms(void)
{
#ifdef __wasi__
    __wasi_timestamp_t t;

    if (__wasi_clock_time_get(__WASI_CLOCKID_THREAD_CPUTIME_ID, 1, &t) != 0)
        die("clock", "there is none of a thread");
    return (double)t / 1e6;
#else
    return clock_s(CLOCK_THREAD_CPUTIME_ID) * 1e3;
#endif
}

static void say(const char *who, const char *what, double *v, size_t n)
{
    char name[96];

    snprintf(name, sizeof name, "%s: %s, p50", who, what);
    figure(name, percentile(v, n, 0.5), "ms");
    snprintf(name, sizeof name, "%s: %s, p99", who, what);
    figure(name, percentile(v, n, 0.99), "ms");
}

int main(int argc, char **argv)
{
    double all[512] = {0}, prefixes[512];
    edn_index_hit hits[FIRST];
    size_t n, prefixes_n = 0;
    ours o = {0};
    asked *v;

    if (argc != 4)
        die("usage", "search-keys WHO DIR NAME");
    n = queries_read(argv[2], argv[3], &v);
    ours_open(&o, argv[2], argv[3], false);
    masks_read(&o, argv[2], argv[3]);
    for (int turn = 0; turn < TURNS; turn++)
        for (size_t i = 0; i < n; i++) {
            double begin = thread_ms();
            (void)ours_search(&o, v[i].ours, hits);
            least(&all[i], thread_ms() - begin);
        }
    for (size_t i = 0; i < n; i++)
        if (strstr(v[i].class, "prefix"))
            prefixes[prefixes_n++] = all[i];
    say(argv[1], "first 20 of a prefix", prefixes, prefixes_n);
    say(argv[1], "first 20", all, n);
    return 0;
}
