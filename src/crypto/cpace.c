#include "crypto/seal_priv.h"

#include <sodium.h>

/* CPace over ristretto255 with SHA-512 (draft-irtf-cfrg-cpace), initiator and responder:
 *
 *     g    element_derivation(SHA-512(lv(DSI) ‖ lv(code) ‖ lv(zeros) ‖ lv(CI) ‖ lv(sid)))
 *     Y    y * g
 *     K    y * Y of the other side; the neutral element is refused
 *     ISK  SHA-512(lv(DSI_ISK) ‖ lv(sid) ‖ lv(K) ‖ lv(Ya) ‖ lv(ADa) ‖ lv(Yb) ‖ lv(ADb))
 *
 * lv is the LEB128 length and the bytes. The zeros fill SHA-512's first block up, so that the code has one of its
 * own. */

static const char dsi[] = "CPaceRistretto255", dsi_isk[] = "CPaceRistretto255_ISK";

enum { BLOCK = 128, LENGTH_SIZE_MAX = 10 };

/* Writes the LEB128 form and returns its length. */
static size_t leb128(uint8_t out[LENGTH_SIZE_MAX], size_t v)
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        out[n++] = (uint8_t)(v | 0x80);
    out[n++] = (uint8_t)v;
    return n;
}

static void lv_feed(crypto_hash_sha512_state *h, edn_bytes b)
{
    uint8_t length[LENGTH_SIZE_MAX];

    (void)crypto_hash_sha512_update(h, length, leb128(length, b.n)); /* always 0 */
    if (b.n)
        (void)crypto_hash_sha512_update(h, b.p, b.n); /* always 0 */
}

void edn_cpace_generator(uint8_t g[32], edn_bytes code, edn_bytes ci, edn_bytes sid)
{
    static const uint8_t zeros[BLOCK];
    crypto_hash_sha512_state h;
    uint8_t length[LENGTH_SIZE_MAX], hash[64];
    size_t used = leb128(length, code.n) + code.n + leb128(length, sizeof dsi - 1) + sizeof dsi - 1;

    (void)crypto_hash_sha512_init(&h); /* always 0 */
    lv_feed(&h, edn_bytes_of(dsi, sizeof dsi - 1));
    lv_feed(&h, code);
    lv_feed(&h, edn_bytes_of(zeros, used < BLOCK - 1 ? BLOCK - 1 - used : 0));
    lv_feed(&h, ci);
    lv_feed(&h, sid);
    (void)crypto_hash_sha512_final(&h, hash);          /* always 0 */
    (void)crypto_core_ristretto255_from_hash(g, hash); /* always 0 */
    edn_wipe(&h, sizeof h);
    edn_wipe(hash, sizeof hash);
}

void edn_cpace_start(edn_cpace_scalar *y, edn_cpace_share *mine, edn_bytes code, edn_bytes ci, edn_bytes sid,
                     const edn_random *rng)
{
    EDN_SECRET(edn_seed) g = EDN_KEY_EMPTY;
    uint8_t wide[64];

    rng->fill(rng->ctx, wide, sizeof wide);
    crypto_core_ristretto255_scalar_reduce(y->b, wide);
    edn_wipe(wide, sizeof wide);
    edn_cpace_generator(g.b, code, ci, sid);
    /* Fails only for a product that is neutral: y is 0 once in 2^252 times, and the other side refuses that share. */
    if (crypto_scalarmult_ristretto255(mine->b, y->b, g.b) != 0)
        memset(mine->b, 0, sizeof mine->b);
}

edn_status edn_cpace_finish(uint8_t isk[64], const edn_cpace_scalar *y, edn_bytes sid, bool initiator,
                            const edn_cpace_share *mine, edn_bytes my_ad, const edn_cpace_share *theirs,
                            edn_bytes their_ad)
{
    EDN_SECRET(edn_seed) k = EDN_KEY_EMPTY;
    crypto_hash_sha512_state h;

    memset(isk, 0, 64);
    if (crypto_scalarmult_ristretto255(k.b, y->b, theirs->b) != 0)
        return EDN_E_KEY_INVALID;
    (void)crypto_hash_sha512_init(&h); /* always 0 */
    lv_feed(&h, edn_bytes_of(dsi_isk, sizeof dsi_isk - 1));
    lv_feed(&h, sid);
    lv_feed(&h, EDN_F(k));
    lv_feed(&h, initiator ? EDN_F(*mine) : EDN_F(*theirs));
    lv_feed(&h, initiator ? my_ad : their_ad);
    lv_feed(&h, initiator ? EDN_F(*theirs) : EDN_F(*mine));
    lv_feed(&h, initiator ? their_ad : my_ad);
    (void)crypto_hash_sha512_final(&h, isk); /* always 0 */
    edn_wipe(&h, sizeof h);
    return EDN_OK;
}
