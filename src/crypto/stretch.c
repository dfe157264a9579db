#include "crypto/seal.h"

#include <errno.h>
#include <sodium.h>

edn_status edn_argon2id(uint8_t out[32], edn_bytes passphrase, const uint8_t salt[16], uint32_t ops, uint32_t mem_kib)
{
    _Static_assert(crypto_pwhash_SALTBYTES == 16, "salt");
    uint64_t mem = (uint64_t)mem_kib * 1024;

    if (mem > SIZE_MAX)
        return EDN_E_NOMEM; /* 32-bit machines */
    errno = 0;
    if (crypto_pwhash(out, 32, passphrase.n ? (const char *)passphrase.p : "", passphrase.n, salt, ops, (size_t)mem,
                      crypto_pwhash_ALG_ARGON2ID13) == 0)
        return EDN_OK;
    return errno == EINVAL || errno == EFBIG ? EDN_E_KDF : EDN_E_NOMEM;
}
