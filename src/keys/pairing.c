#include "keys/keys_priv.h"
#include "keys/pairing.h"

/* Commit, answer, reveal. The old device (a) binds itself to its key and number before it sees the new one's (b), so
 * that nobody in the middle can try keys until six digits agree: one guess in a million is all there is.
 *
 *     commit = H32(T("EDNv1/pair/commit"; key a, number a))
 *     th     = H32(T("EDNv1/pair/th"; commit, key a, number a, key b, number b, psk, rendezvous))
 *     keys   = KDF(X25519(a, b), "EDNv1/pair/key", 64; th, psk): a to b, b to a
 *     digits = u64 of KDF(key a to b, "EDNv1/pair/sas", 16; th) mod 10^6 */

enum { OFFER_VERSION = 1, OFFER_SIZE = 81, SPOKEN_SIZE = 64, CODE_DIGITS = 8, CODE_SIZE = 5 };

_Static_assert(EDN_PAIRING_OFFER_TEXT_SIZE == (8 * OFFER_SIZE + 4) / 5 + 1, "the offer's text");

typedef struct offer_bytes {
    uint8_t b[OFFER_SIZE];
} offer_bytes;
EDN_SECRET_TYPE(offer_bytes)

void edn_pairing_offer_text(char out[EDN_PAIRING_OFFER_TEXT_SIZE], const edn_pairing_offer *offer)
{
    EDN_SECRET(offer_bytes) o = EDN_KEY_EMPTY;

    o.b[0] = OFFER_VERSION;
    memcpy(o.b + 1, offer->rendezvous.b, 16);
    memcpy(o.b + 17, offer->key.b, 32);
    memcpy(o.b + 49, offer->psk.b, 32);
    edn_base32_encode(out, o.b, sizeof o.b);
}

edn_status edn_pairing_offer_parse(edn_bytes text, edn_pairing_offer *out)
{
    EDN_SECRET(offer_bytes) o = EDN_KEY_EMPTY;

    memset(out, 0, sizeof *out);
    if (!edn_base32_decode(o.b, sizeof o.b, text))
        return EDN_E_INVALID;
    if (o.b[0] != OFFER_VERSION)
        return EDN_E_TYPE;
    memcpy(out->rendezvous.b, o.b + 1, 16);
    memcpy(out->key.b, o.b + 17, 32);
    memcpy(out->psk.b, o.b + 49, 32);
    return EDN_OK;
}

/* ---- short codes ------------------------------------------------------------------------------------------------- */

void edn_pairing_code_make(char out[EDN_PAIRING_CODE_SIZE], const edn_random *rng)
{
    uint8_t bits[CODE_SIZE];

    rng->fill(rng->ctx, bits, sizeof bits);
    edn_base32_encode(out, bits, sizeof bits);
    edn_wipe(bits, sizeof bits);
}

edn_status edn_pairing_code_parse(edn_bytes text, char out[EDN_PAIRING_CODE_SIZE])
{
    uint8_t bits[CODE_SIZE];
    char digits[CODE_DIGITS];
    size_t n = edn_base32_typed(digits, sizeof digits, text);
    edn_status st = EDN_E_INVALID;

    memset(out, 0, EDN_PAIRING_CODE_SIZE);
    if (n == sizeof digits && edn_base32_decode(bits, sizeof bits, edn_bytes_of(digits, n))) {
        edn_base32_encode(out, bits, sizeof bits);
        st = EDN_OK;
    }
    edn_wipe(bits, sizeof bits);
    edn_wipe(digits, sizeof digits);
    return st;
}

/* Both sides' names, as CPace wants its channel identified. */
static edn_bytes code_channel(void) { return edn_bytes_str(EDN_LABEL_PAIR_CPACE); }

void edn_pairing_code_start(edn_cpace_scalar *y, edn_cpace_share *mine, const char code[EDN_PAIRING_CODE_SIZE],
                            const edn_rendezvous_id *rendezvous, const edn_random *rng)
{
    edn_cpace_start(y, mine, edn_bytes_of(code, CODE_DIGITS), code_channel(), EDN_F(*rendezvous), rng);
}

edn_status edn_pairing_code_psk(edn_psk *out, const edn_cpace_scalar *y, edn_pairing_side side,
                                const edn_rendezvous_id *rendezvous, const edn_cpace_share *mine,
                                const edn_cpace_share *theirs)
{
    uint8_t isk[64];
    edn_hash h;
    edn_status st;

    memset(out, 0, sizeof *out);
    st = edn_cpace_finish(isk, y, EDN_F(*rendezvous), side == EDN_PAIRING_OLD, mine, EDN_BYTES_EMPTY, theirs,
                          EDN_BYTES_EMPTY);
    if (st != EDN_OK)
        return st;
    h = edn_h32_t(EDN_LABEL_PAIR_CODE, edn_bytes_of(isk, sizeof isk));
    memcpy(out->b, h.b, sizeof out->b);
    edn_wipe(isk, sizeof isk);
    edn_wipe(&h, sizeof h);
    return EDN_OK;
}

/* ---- the exchange ------------------------------------------------------------------------------------------------ */

void edn_pairing_init(edn_pairing *p, edn_pairing_side side, const edn_rendezvous_id *rendezvous, const edn_dh_sk *sk,
                      const edn_dh_pk *offer_key, const edn_psk *psk, const uint8_t number[32])
{
    memset(p, 0, sizeof *p);
    p->side = side;
    p->rendezvous = *rendezvous;
    p->sk = *sk;
    edn_dh_keypair(sk, &p->my_key);
    memcpy(p->my_number, number, sizeof p->my_number);
    if (psk) {
        p->psk = *psk;
        p->psk_size = sizeof psk->b;
    }
    if (offer_key) {
        p->their_key = *offer_key;
        p->expects = true;
    }
}

static edn_hash commitment_of(const edn_dh_pk *key, const uint8_t number[32])
{
    return edn_h32_t(EDN_LABEL_PAIR_COMMIT, EDN_F(*key), edn_bytes_of(number, 32));
}

/* Keys and digits, once both keys and numbers are known. */
static edn_status agree(edn_pairing *p, const uint8_t their_number[32])
{
    bool old = p->side == EDN_PAIRING_OLD;
    const edn_dh_pk *a = old ? &p->my_key : &p->their_key, *b = old ? &p->their_key : &p->my_key;
    const uint8_t *na = old ? p->my_number : their_number, *nb = old ? their_number : p->my_number;
    edn_bytes psk = edn_bytes_of(p->psk.b, p->psk_size);
    EDN_SECRET(edn_seed) shared = EDN_KEY_EMPTY;
    uint8_t keys[64], sas[16];
    uint32_t digits;

    if (!edn_dh(shared.b, &p->sk, &p->their_key))
        return EDN_E_KEY_INVALID;
    p->transcript = edn_h32_t(EDN_LABEL_PAIR_TH, EDN_F(p->commitment), EDN_F(*a), edn_bytes_of(na, 32), EDN_F(*b),
                              edn_bytes_of(nb, 32), psk, EDN_F(p->rendezvous));
    edn_kdf_t(keys, sizeof keys, shared.b, EDN_LABEL_PAIR_KEY, EDN_F(p->transcript), psk);
    memcpy(p->key_a2b, keys, 32);
    memcpy(p->key_b2a, keys + 32, 32);
    edn_wipe(keys, sizeof keys);
    edn_kdf_t(sas, sizeof sas, p->key_a2b, EDN_LABEL_PAIR_SAS, EDN_F(p->transcript));
    digits = (uint32_t)(edn_load_u64(sas) % 1000000u);
    for (size_t i = 6; i-- > 0; digits /= 10)
        p->digits[i] = (char)('0' + digits % 10);
    return EDN_OK;
}

static void say(const edn_pairing *p, edn_buf *out)
{
    edn_put_bytes(out, p->my_key.b, sizeof p->my_key.b);
    edn_put_bytes(out, p->my_number, sizeof p->my_number);
}

/* Their key and number. */
static edn_status hear(edn_pairing *p, edn_bytes in)
{
    edn_reader r = edn_reader_init(in);
    edn_dh_pk key;
    uint8_t number[32];

    edn_read_into(&r, key.b, sizeof key.b, "key");
    edn_read_into(&r, number, sizeof number, "number");
    if (edn_reader_end(&r) != EDN_OK)
        return EDN_E_FORMAT;
    if (p->side == EDN_PAIRING_NEW) {
        edn_hash said = commitment_of(&key, number);
        if (!edn_equal_ct(said.b, p->commitment.b, sizeof said.b))
            return EDN_E_AUTH;
    } else if (p->expects && !edn_equal_ct(key.b, p->their_key.b, sizeof key.b)) {
        return EDN_E_AUTH;
    }
    p->their_key = key;
    return agree(p, number);
}

static edn_status step_old(edn_pairing *p, edn_bytes in, edn_buf *out)
{
    edn_status st;

    if (p->state == EDN_PAIRING_READY) {
        if (in.n)
            return EDN_E_FORMAT;
        p->commitment = commitment_of(&p->my_key, p->my_number);
        edn_put_bytes(out, p->commitment.b, sizeof p->commitment.b);
        p->state = EDN_PAIRING_SAID;
        return edn_buf_status(out);
    }
    if ((st = hear(p, in)) != EDN_OK)
        return st;
    say(p, out);
    p->state = EDN_PAIRING_DONE;
    return edn_buf_status(out);
}

static edn_status step_new(edn_pairing *p, edn_bytes in, edn_buf *out)
{
    edn_status st;

    if (p->state == EDN_PAIRING_READY) {
        if (in.n != sizeof p->commitment.b)
            return EDN_E_FORMAT;
        memcpy(p->commitment.b, in.p, in.n);
        say(p, out);
        p->state = EDN_PAIRING_SAID;
        return edn_buf_status(out);
    }
    if ((st = hear(p, in)) == EDN_OK)
        p->state = EDN_PAIRING_DONE;
    return st;
}

edn_status edn_pairing_step(edn_pairing *p, edn_bytes in, edn_buf *out)
{
    edn_status st = EDN_E_FORMAT;

    if (p->state == EDN_PAIRING_READY || p->state == EDN_PAIRING_SAID)
        st = p->side == EDN_PAIRING_OLD ? step_old(p, in, out) : step_new(p, in, out);
    if (st != EDN_OK) {
        edn_wipe_edn_pairing(p);
        p->state = EDN_PAIRING_DEAD;
    }
    return st;
}

/* ---- for people -------------------------------------------------------------------------------------------------- */

void edn_head_code(char out[EDN_HEAD_CODE_SIZE], const edn_account_id *account, uint64_t seq, const edn_hash *head)
{
    edn_hash h = edn_h32_t(EDN_LABEL_HEAD_CODE, EDN_F(*account), EDN_F_U64(seq), EDN_F(*head));

    edn_words_of_hash(out, 6, &h);
}
