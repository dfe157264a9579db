/* Replays the files of a folder through a fuzz target: usage replay FOLDER. One TAP subtest in all. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

static bool replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *p = NULL, *exact;
    size_t n = 0, cap = 0, got;

    if (!f)
        return false;
    do {
        if (n == cap) {
            uint8_t *more = realloc(p, cap = cap ? 2 * cap : 4096);
            if (!more)
                abort();
            p = more;
        }
        got = fread(p + n, 1, cap - n, f);
        n += got;
    } while (got);
    fclose(f);
    /* Exactly as long as the input, so that a sanitizer sees a read behind its end. */
    exact = malloc(n ? n : 1);
    if (!exact)
        abort();
    if (n)
        memcpy(exact, p, n);
    free(p);
    (void)LLVMFuzzerTestOneInput(exact, n); /* it ends the program when something does not hold */
    free(exact);
    return true;
}

int main(int argc, char **argv)
{
    struct dirent **entries;
    int n, count = 0, failed = 0;

    if (argc != 2 || (n = scandir(argv[1], &entries, NULL, alphasort)) < 0) {
        fprintf(stderr, "usage: %s FOLDER (of inputs)\n", argv[0]);
        return 2;
    }
    for (int i = 0; i < n; i++) {
        char path[4096];

        snprintf(path, sizeof path, "%s/%s", argv[1], entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            fprintf(stderr, "%s\n", path); /* the last one named is the one that ended the program */
            failed += !replay(path);
            count++;
        }
        free(entries[i]);
    }
    free(entries);
    failed += count == 0;
    printf("1..1\n%sok 1 - %d inputs of %s\n", failed ? "not " : "", count, argv[1]);
    return failed != 0;
}
