/* What the linker puts in the place of Argon2id (-Wl,--wrap=edn_argon2id) where a test unlocks diaries by the
 * hundred: one hash of the same inputs. Other passphrases, salts and costs give other keys, as there; trying one
 * costs nothing. It allocates nothing, so that loops in which allocations fail count only what is tested. */
#include "crypto/seal.h"

edn_status __wrap_edn_argon2id(uint8_t out[32], edn_bytes passphrase, const uint8_t salt[16], uint32_t ops,
                               uint32_t mem_kib);

edn_status __wrap_edn_argon2id(uint8_t out[32], edn_bytes passphrase, const uint8_t salt[16], uint32_t ops,
                               uint32_t mem_kib)
{
    uint8_t all[16 + 4 + 4 + 16384];
    edn_hash h;

    EDN_ASSERT(passphrase.n <= sizeof all - 24); /* as a prepared one is */
    memcpy(all, salt, 16);
    edn_store_u32(all + 16, ops);
    edn_store_u32(all + 20, mem_kib);
    if (passphrase.n)
        memcpy(all + 24, passphrase.p, passphrase.n);
    h = edn_h32(edn_bytes_of(all, 24 + passphrase.n));
    memcpy(out, h.b, 32);
    edn_wipe(all, 24 + passphrase.n);
    return EDN_OK;
}
