/* Known answers of tests/kat/known.txt, which Python made from SECURITY.md without a line of EDN's code. */
#ifndef EDN_TESTS_KNOWN_H
#define EDN_TESTS_KNOWN_H

#include "crypto/verify.h"
#include "kat.h"

static inline edn_bytes known(const char *name) { return kat_bytes("known.txt", name); }

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
