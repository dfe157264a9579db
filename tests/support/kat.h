/* Bytes that are kept in tests/kat under names. */
#ifndef EDN_TESTS_KAT_H
#define EDN_TESTS_KAT_H

#include "check.h"

/* The bytes under a name of tests/kat/FILE: indented lines of hex. malloc'ed; a name that is not there fails. */
static inline edn_bytes kat_bytes(const char *file, const char *name)
{
    const char *dir = getenv("EDN_TESTS");
    char path[1024], *line = NULL;
    size_t cap = 0, n = 0;
    uint8_t *out = NULL;
    bool here = false;
    FILE *f;

    CHECK(dir);
    snprintf(path, sizeof path, "%s/kat/%s", dir, file);
    f = fopen(path, "r");
    CHECK(f);
    while (getline(&line, &cap, f) > 0) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] != ' ') {
            here = strcmp(line, name) == 0;
        } else if (here) {
            size_t more = (strlen(line) - 2) / 2;
            CHECK((out = realloc(out, n + more)));
            CHECK(edn_hex_decode(out + n, more, edn_bytes_str(line + 2)));
            n += more;
        }
    }
    fclose(f);
    free(line);
    if (!out) {
        print_error("%s has no \"%s\"\n", path, name);
        fail();
    }
    return edn_bytes_of(out, n);
}

#endif
