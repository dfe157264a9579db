/* Known answers of tests/kat/known.txt, which Python made from SECURITY.md without a line of EDN's code. */
#ifndef EDN_TESTS_KNOWN_H
#define EDN_TESTS_KNOWN_H

#include "check.h"
#include "crypto/verify.h"

/* The bytes under a name: indented lines of hex. malloc'ed; a name that is not there fails. */
static inline edn_bytes known(const char *name)
{
    const char *dir = getenv("EDN_TESTS");
    char path[1024], *line = NULL;
    size_t cap = 0, n = 0;
    uint8_t *out = NULL;
    bool here = false;
    FILE *f;

    CHECK(dir);
    snprintf(path, sizeof path, "%s/kat/known.txt", dir);
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

static inline void check_known(const char *name, edn_bytes got, const char *file, int line)
{
    edn_bytes want = known(name);

    check_bytes(got, want, file, line);
    free((void *)want.p);
}
#define CHECK_KNOWN(name, got) check_known((name), (got), __FILE__, __LINE__)

#define FILLED(x, byte) memset(&(x), (byte), sizeof(x))

/* The key whose seed is one byte repeated. */
static inline edn_sign_pk known_key(uint8_t byte, edn_sign_sk *sk)
{
    uint8_t seed[32];
    edn_sign_pk pk;

    FILLED(seed, byte);
    edn_sign_keypair(seed, &pk, sk);
    return pk;
}

#endif
