/* keys/pairing: two devices that meet, and two people who compare numbers (SECURITY 2.12). Pure: who carries the bytes
 * between them, and whether it reads or changes them, does not matter. */
#ifndef EDN_KEYS_PAIRING_H
#define EDN_KEYS_PAIRING_H

#include "keys/keys.h"

typedef struct edn_rendezvous_id {
    uint8_t b[16];
} edn_rendezvous_id;

/* ---- what the new device shows ----------------------------------------------------------------------------------- */

/* version 1 ‖ rendezvous 16 ‖ X25519 key 32 ‖ psk 32, in Crockford's base32, which QR codes hold as alphanumeric. */
typedef struct edn_pairing_offer {
    edn_rendezvous_id rendezvous;
    edn_dh_pk key;
    edn_psk psk;
} edn_pairing_offer;
EDN_SECRET_TYPE(edn_pairing_offer)

#define EDN_PAIRING_OFFER_TEXT_SIZE 131u /* and a zero behind it */
/* Without branches or addresses that hang on the offer. */
void edn_pairing_offer_text(char out[EDN_PAIRING_OFFER_TEXT_SIZE], const edn_pairing_offer *offer);
/* EDN_E_INVALID: no offer; EDN_E_TYPE: of another version. Either case. */
EDN_MUST_USE edn_status edn_pairing_offer_parse(edn_bytes text, edn_pairing_offer *out);

/* Instead of a camera: 40 bits that a person types, eight digits and a zero behind them. Whoever guesses has one try:
 * a pairing that failed is over. */
#define EDN_PAIRING_CODE_SIZE 9u
void edn_pairing_code_make(char out[EDN_PAIRING_CODE_SIZE], const edn_random *rng);
/* Either case, spaces and dashes anywhere, O for 0, I and L for 1: `out` is as edn_pairing_code_make wrote it.
 * EDN_E_INVALID. */
EDN_MUST_USE edn_status edn_pairing_code_parse(edn_bytes text, char out[EDN_PAIRING_CODE_SIZE]);

/* ---- the exchange ------------------------------------------------------------------------------------------------ */

typedef enum edn_pairing_side { EDN_PAIRING_OLD, EDN_PAIRING_NEW } edn_pairing_side;
typedef enum edn_pairing_state {
    EDN_PAIRING_READY, /* nothing was said */
    EDN_PAIRING_SAID,  /* old: its commitment is out; new: its key and number are */
    EDN_PAIRING_DONE,  /* keys and digits stand; nothing is trusted before a person compared the digits */
    EDN_PAIRING_DEAD   /* something was wrong: never used again */
} edn_pairing_state;

/* One meeting, from one side. Holds secrets: EDN_SECRET(edn_pairing). */
typedef struct edn_pairing {
    edn_pairing_side side;
    edn_pairing_state state;
    bool expects; /* old: `their_key` is from the offer */
    edn_rendezvous_id rendezvous;
    edn_dh_sk sk;
    edn_dh_pk my_key, their_key;
    uint8_t my_number[32];
    edn_hash commitment;
    edn_psk psk;
    size_t psk_size; /* 32, or 0: none */
    /* When DONE: */
    uint8_t key_a2b[32], key_b2a[32]; /* a: the old device */
    edn_hash transcript;
    char digits[7]; /* the six that both show */
} edn_pairing;
EDN_SECRET_TYPE(edn_pairing)

/* `sk` of the new device is that of its offer. `offer_key` (old device, from the offer; else NULL) must be what the new
 * device answers with. `psk` NULL: none. `number` is 32 random bytes. */
void edn_pairing_init(edn_pairing *p, edn_pairing_side side, const edn_rendezvous_id *rendezvous, const edn_dh_sk *sk,
                      const edn_dh_pk *offer_key, const edn_psk *psk, const uint8_t number[32]);
/* Takes what the other side said (empty: the old device begins) and appends what to say to it, if anything:
 *
 *     old                                new
 *     commitment 32           ──▶
 *                             ◀──        key 32 ‖ number 32
 *     key 32 ‖ number 32      ──▶        DONE
 *     DONE
 *
 * EDN_E_FORMAT, EDN_E_KEY_INVALID; EDN_E_AUTH: another key than the offer's, or not what was committed to. After any
 * failure the pairing is dead. */
EDN_MUST_USE edn_status edn_pairing_step(edn_pairing *p, edn_bytes in, edn_buf *out);

/* CPace on a short code: what both get takes the psk's place in edn_pairing_init. The old device (initiator) and the
 * new one swap shares; a wrong code shows in that the exchange after it does not end with equal digits.
 * EDN_E_KEY_INVALID: their share is none. */
void edn_pairing_code_start(edn_cpace_scalar *y, edn_cpace_share *mine, const char code[EDN_PAIRING_CODE_SIZE],
                            const edn_rendezvous_id *rendezvous, const edn_random *rng);
EDN_MUST_USE edn_status edn_pairing_code_psk(edn_psk *out, const edn_cpace_scalar *y, edn_pairing_side side,
                                             const edn_rendezvous_id *rendezvous, const edn_cpace_share *mine,
                                             const edn_cpace_share *theirs);

/* ---- for people -------------------------------------------------------------------------------------------------- */

/* A log's head in six words of SLIP-0039's list: the first 60 bits of H32(T("EDNv1/head-code"; account, u64 seq,
 * head)). Two devices that show the same six words have the same log. */
#define EDN_HEAD_CODE_SIZE 54u /* six words of at most eight letters, blanks between, a zero behind */
void edn_head_code(char out[EDN_HEAD_CODE_SIZE], const edn_account_id *account, uint64_t seq, const edn_hash *head);

#endif
