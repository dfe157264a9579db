#include "crypto/seal.h"

#include <sodium.h>

/* libsodium's guarded heap: a page that faults on either side, locked in memory where the system lets us, wiped when
 * freed. Two pages and more for each, so it is for the few long-lived keys. */

void *edn_secret_alloc(size_t n) { return sodium_malloc(n); }
void edn_secret_free(void *p) { sodium_free(p); }
