/* verify's own parts, shown so that published vectors reach them. */
#ifndef EDN_CRYPTO_VERIFY_PRIV_H
#define EDN_CRYPTO_VERIFY_PRIV_H

#include "crypto/verify.h"

/* BLAKE2b as published: 16 to 64 bytes out, and a key of none or 16 to 64. */
void edn_blake2b(void *out, size_t out_n, edn_bytes key, edn_bytes x);

#endif
