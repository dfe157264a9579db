/* keys/sharing: what people show, prove and send to each other (SECURITY 2.12, 2.13; docs/spec/sharing.md). Pure. */
#ifndef EDN_KEYS_SHARING_H
#define EDN_KEYS_SHARING_H

#include "keys/keys.h"

/* ---- comparing accounts ------------------------------------------------------------------------------------------ */

/* 60 digits and a zero behind them, the same for (a, b) and (b, a): of each account 30, from the first 30 bytes of
 * H32(T("EDNv1/fp"; account)), five bytes (big-endian) modulo 100,000 at a time; the smaller half first. */
#define EDN_SAFETY_DIGITS_SIZE 61u
void edn_safety_number(char out[EDN_SAFETY_DIGITS_SIZE], const edn_account_id *a, const edn_account_id *b);

/* What others add an account by: "edn1:" and Crockford's base32 of account 32 ‖ witness 8 ‖ 4 bytes that find typing
 * errors ‖ server. The witness (wire.h) is of any link of its log: by it the server shows the log to whoever has the
 * card. Letters of either case. */
#define EDN_CARD_TEXT_SIZE 640u
void edn_card_text(char out[EDN_CARD_TEXT_SIZE], const edn_account_id *account, const edn_witness *witness,
                   const char *server);
/* EDN_E_INVALID: no card, or one with a typing error. */
EDN_MUST_USE edn_status edn_card_parse(const char *text, edn_account_id *account, edn_witness *witness,
                                       char server[EDN_ORIGIN_SIZE_MAX + 1]);

/* ---- a device in a shared space ---------------------------------------------------------------------------------- */

/* Its keys there, which nothing outside ties to the device: from the device's own signing seed and X25519 secret. */
void edn_space_device_keys(edn_seed *sign, edn_dh_sk *enc, const edn_seed *device_sign, const edn_dh_sk *device_enc,
                           const edn_account_id *space);

/* Whose device it is: said by the account's own device. */
typedef struct edn_statement {
    edn_account_id account;
    edn_device_id device; /* the true one */
    uint64_t log_seq;     /* of the account's log */
    edn_hash log_head;
    edn_signature sig;
} edn_statement;
void edn_statement_sign(edn_statement *s, const edn_account_id *space, const edn_device_id *in_space,
                        const edn_sign_sk *sk);
/* Against the account's log, verified: the device is active at log_seq, may write, and has signed. EDN_E_ACCOUNT,
 * EDN_E_FORK (another link stands there), EDN_E_MISSING (the log does not reach so far), EDN_E_DEVICE_UNKNOWN,
 * EDN_E_SIGNER_REVOKED, EDN_E_CAP, EDN_E_SIG. */
EDN_MUST_USE edn_status edn_statement_check(const edn_statement *s, const edn_devlog *log, const edn_account_id *space,
                                            const edn_device_id *in_space);

/* ---- letters ----------------------------------------------------------------------------------------------------- */

/* A message from one account to another: sealed to the other's account key (AEK) of an epoch, signed by a device. */
typedef enum edn_letter_kind {
    EDN_LETTER_JOURNAL = 1, /* an invitation */
    EDN_LETTER_SHARE = 2,   /* a recovery share to keep */
    EDN_LETTER_ASK = 3,     /* whether it is still kept */
    EDN_LETTER_ANSWER = 4,  /* that it is, or that it is not */
} edn_letter_kind;

#define EDN_LETTER_SIZE_MAX 61541u
#define EDN_LETTER_TEXT_MAX 256u
#define EDN_LETTER_PAYLOAD_MAX ((size_t)48 << 10)
typedef struct edn_letter {
    edn_letter_kind kind;
    edn_account_id sender;
    edn_device_id device;
    uint64_t log_seq, time_ms;
    edn_hash log_head;
    edn_bytes server, name, payload; /* borrowed; name: what the sender calls itself, 256 bytes at most */
    edn_signature sig;
} edn_letter;

/* Appends the sealed letter: u8 1 ‖ u32 epoch ‖ enc 32 ‖ ciphertext; padded to one of four sizes. Sets letter->sig.
 * EDN_E_LIMIT: the payload or a text; EDN_E_KEY_INVALID: `aek`. */
EDN_MUST_USE edn_status edn_letter_seal(edn_buf *out, edn_letter *letter, const edn_sign_sk *sk,
                                        const edn_account_id *to, uint32_t epoch, const edn_dh_pk *aek,
                                        const edn_random *rng);
/* The epoch whose key opens it. EDN_E_FORMAT. */
EDN_MUST_USE edn_status edn_letter_epoch(edn_bytes sealed, uint32_t *epoch);
/* `plain` receives what `out` borrows from: wipe it. EDN_E_AUTH: not for this account and key; EDN_E_FORMAT. Who wrote
 * it is not known before edn_letter_check. */
EDN_MUST_USE edn_status edn_letter_open(edn_bytes sealed, const edn_account_id *to, const edn_dh_sk *aek,
                                        edn_buf *plain, edn_letter *out);
/* Against the sender's log, verified. Errors as edn_statement_check. */
EDN_MUST_USE edn_status edn_letter_check(const edn_letter *letter, const edn_devlog *log, const edn_account_id *to,
                                         edn_bytes plain);

#endif
