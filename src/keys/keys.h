/* keys: the secret half of identity: from a passphrase down to the key of one record, and every box on the way
 * (SECURITY 2.3 to 2.8). Pure: randomness is an argument. Outside src/crypto a box that does not open is
 * EDN_E_AUTH, whatever was wrong with it. */
#ifndef EDN_KEYS_H
#define EDN_KEYS_H

#include "crypto/seal.h"
#include "devlog/devlog.h"
#include "wire/wire.h"

/* ---- passphrase and account key (SECURITY 2.3) ------------------------------------------------------------------- */

#define EDN_PASSPHRASE_SIZE_MAX 1024u
#define EDN_PASSPHRASE_COUNT_MIN 8u
#define EDN_KDF_RECORD_SIZE 32u
#define EDN_ACCOUNT_KEY_TEXT_SIZE 40u /* text with groups, and a zero behind it */

/* Strips White_Space at both ends, NFKC, UTF-8. `out` holds a secret: edn_buf_wipe it. EDN_E_UTF8; EDN_E_INVALID:
 * shorter than 8 scalars, or an unassigned code point; EDN_E_LIMIT: longer than 1,024 bytes. `err` says which. */
EDN_MUST_USE edn_status edn_passphrase_prepare(edn_bytes passphrase, edn_buf *out, edn_err *err);

typedef struct edn_account_key {
    uint8_t b[16];
} edn_account_key;
EDN_SECRET_TYPE(edn_account_key)

/* Crockford base32 of 16 bytes and a 20-bit check (first 20 bits of their H32), in groups of five with dashes. */
void edn_account_key_text(char out[EDN_ACCOUNT_KEY_TEXT_SIZE], const edn_account_key *key);
/* Takes either case, spaces and dashes anywhere, O for 0, I and L for 1. EDN_E_INVALID: not one, or a typing error. */
EDN_MUST_USE edn_status edn_account_key_parse(edn_bytes text, edn_account_key *out);

/* EDN_KDF_TEST (ops 1, 8 KiB) is refused everywhere but in the library that only tests link (keys_test_dep). */
typedef enum edn_kdf_profile {
    EDN_KDF_TEST = 0,
    EDN_KDF_FLOOR = 1,
    EDN_KDF_DEFAULT = 2,
    EDN_KDF_HIGH = 3
} edn_kdf_profile;

/* `EDNK` ‖ u8 version 1 ‖ u8 alg 1 ‖ u8 lanes 1 ‖ u8 flags (bit 0: account key used) ‖ u32 ops ‖ u32 mem KiB ‖ salt
 * 16 */
typedef struct edn_kdf_record {
    uint8_t b[EDN_KDF_RECORD_SIZE];
} edn_kdf_record;

void edn_kdf_record_make(edn_kdf_record *out, edn_kdf_profile profile, bool account_key, const uint8_t salt[16]);
/* EDN_E_KDF below the floor profile (or the given one, whichever is higher), above 1 GiB or ops 16, or any other form.
 * Checked before anything is stretched (A15). Test parameters pass only in builds made for tests. */
EDN_MUST_USE edn_status edn_kdf_record_check(const edn_kdf_record *r, edn_kdf_profile floor);
bool edn_kdf_record_uses_account_key(const edn_kdf_record *r);

/* Argon2id, then M = KDF(A, "EDNv1/muk", 64; S, account_id, record): the wrap key and the login seed. `prepared` is
 * from edn_passphrase_prepare; `s` NULL when the record's flag says so. Takes the record's time and memory. */
EDN_MUST_USE edn_status edn_unlock_keys(edn_bytes prepared, const edn_account_key *s, const edn_account_id *account,
                                        const edn_kdf_record *record, edn_wrap_key *wrap, edn_seed *login_seed);

/* ---- the root box (SECURITY 2.3) --------------------------------------------------------------------------------- */

typedef struct edn_root_secret {
    edn_seed aik_seed;
    edn_root_key root;
    uint64_t sc_seq; /* the last link that its writer knew */
    edn_hash sc_head;
    edn_hash pins_hash; /* H32(T("EDNv1/pins"; the pins of the last checkpoint)) */
} edn_root_secret;
EDN_SECRET_TYPE(edn_root_secret)

edn_hash edn_pins_hash(const edn_pin *pins, size_t n);
EDN_MUST_USE edn_status edn_root_box_seal(edn_buf *out, const edn_wrap_key *k, const edn_account_id *account,
                                          uint32_t epoch, const edn_kdf_record *record, const edn_root_secret *secret,
                                          const edn_random *rng);
EDN_MUST_USE edn_status edn_root_box_open(const edn_wrap_key *k, const edn_account_id *account, uint32_t epoch,
                                          const edn_kdf_record *record, edn_bytes box, edn_root_secret *out);

/* ---- the hierarchy (SECURITY 2.5) -------------------------------------------------------------------------------- */

void edn_meta_key_of(edn_meta_key *out, const edn_root_key *rk, const edn_account_id *a, uint32_t epoch);
void edn_index_key_of(edn_index_key *out, const edn_root_key *rk, const edn_account_id *a, uint32_t epoch);
void edn_sse_key_of(edn_sse_key *out, const edn_root_key *rk, const edn_account_id *a, uint32_t epoch);
void edn_dedup_key_of(edn_dedup_key *out, const edn_root_key *rk, const edn_account_id *a, uint32_t epoch);
void edn_push_key_of(edn_push_key *out, const edn_root_key *rk, const edn_account_id *a, uint32_t epoch);
void edn_space_key_of(edn_space_key *out, const edn_root_key *rk, const edn_account_id *a, const edn_space_id *s,
                      uint32_t epoch);
void edn_aek_of(edn_dh_sk *out, const edn_root_key *rk, const edn_account_id *a, uint32_t epoch);
/* The psk of the grant for `epoch`, from the root key of the epoch before. */
void edn_grant_psk_of(edn_psk *out, const edn_root_key *rk_before, const edn_account_id *a, const edn_device_id *d,
                      uint32_t epoch);
void edn_prev_key_of(edn_prev_key *out, const edn_root_key *rk, const edn_account_id *a, uint32_t epoch);
void edn_journal_wrap_key_of(edn_journal_wrap_key *out, const edn_root_key *rk, const edn_account_id *a,
                             uint32_t epoch);
void edn_entry_key_of(edn_entry_key *out, const edn_journal_key *jk, const edn_journal_id *j, const edn_entry_id *e,
                      uint32_t key_version);
/* What lets a device ask "is there something new" without a token: KDF(RK, "EDNv1/rk/probe", 16; account, space,
 * epoch). */
void edn_probe_of(uint8_t out[16], const edn_root_key *rk, const edn_account_id *a, const edn_space_id *s,
                  uint32_t epoch);
/* The personal space of an account: H32(T("EDNv1/space/personal"; account_id)). */
edn_space_id edn_space_personal(const edn_account_id *a);

EDN_MUST_USE edn_status edn_prev_box_seal(edn_buf *out, const edn_root_key *rk, const edn_account_id *a, uint32_t epoch,
                                          const edn_root_key *before, const edn_random *rng);
EDN_MUST_USE edn_status edn_prev_box_open(const edn_root_key *rk, const edn_account_id *a, uint32_t epoch,
                                          edn_bytes box, edn_root_key *before);
EDN_MUST_USE edn_status edn_journal_key_seal(edn_buf *out, const edn_root_key *rk, const edn_account_id *a,
                                             const edn_space_id *s, const edn_journal_id *j, uint32_t epoch,
                                             uint32_t journal_epoch, const edn_journal_key *jk, const edn_random *rng);
EDN_MUST_USE edn_status edn_journal_key_open(const edn_root_key *rk, const edn_account_id *a, const edn_space_id *s,
                                             const edn_journal_id *j, uint32_t epoch, uint32_t journal_epoch,
                                             edn_bytes box, edn_journal_key *jk);

/* ---- grants (SECURITY 2.7) --------------------------------------------------------------------------------------- */

#define EDN_GRANT_SIZE 81u                        /* u8 mode ‖ enc 32 ‖ ciphertext 48 */
enum { EDN_GRANT_ROOT = 1, EDN_GRANT_SPACE = 2 }; /* purpose */

/* Where a grant stands and for whom: bound into it. */
typedef struct edn_grant_context {
    edn_account_id account;
    edn_device_id recipient;
    uint32_t epoch;
    uint8_t purpose;
    uint64_t link_seq; /* the link that names the grants blob, and the hash before it */
    edn_hash prev;
} edn_grant_context;

EDN_MUST_USE edn_status edn_grant_seal(uint8_t out[EDN_GRANT_SIZE], const edn_grant_context *cx, const edn_dh_pk *to,
                                       const edn_root_key *secret, const edn_psk *psk, edn_bytes psk_id,
                                       const edn_random *rng);
EDN_MUST_USE edn_status edn_grant_open(const edn_grant_context *cx, const edn_dh_sk *sk, edn_bytes grant,
                                       const edn_psk *psk, edn_bytes psk_id, edn_root_key *secret);
#define EDN_GRANTS_MAX EDN_SPACE_KEYS_MAX
/* Grants blob: u32 n ‖ n × (recipient 16 ‖ grant 81), strictly ascending by recipient. `grants` may come in any
 * order. */
typedef struct edn_grant {
    edn_device_id recipient;
    uint8_t b[EDN_GRANT_SIZE];
} edn_grant;
EDN_MUST_USE edn_status edn_grants_encode(edn_buf *out, const edn_grant *grants, size_t n);
/* EDN_E_FORMAT; EDN_E_MISSING: none for this recipient. */
EDN_MUST_USE edn_status edn_grants_find(edn_bytes blob, const edn_device_id *recipient, edn_bytes *grant);

/* The grants of a rotation to `epoch`, for every device that is active in `log` and not among `revoked`, in psk mode:
 * the psk comes from the root key of the epoch before, so that a later break of X25519 alone opens none. psk_id is
 * T("EDNv1/grant/psk"; "epoch", recipient). The link is the one that follows `log`. */
EDN_MUST_USE edn_status edn_rotation_grants(edn_buf *out, const edn_devlog *log, const edn_device_id *revoked,
                                            size_t revoked_n, uint32_t epoch, const edn_root_key *before,
                                            const edn_root_key *next, const edn_random *rng);
/* A device's own among them; `cx` is of the link. EDN_E_MISSING: there is none; EDN_E_FORMAT; EDN_E_AUTH. */
EDN_MUST_USE edn_status edn_rotation_grant_open(const edn_grant_context *cx, const edn_dh_sk *sk, edn_bytes blob,
                                                const edn_root_key *before, edn_root_key *next);

/* ---- batches and records (SECURITY 2.8): the one place where they are sealed and opened -------------------------- */

/* Seals a whole batch: header (its padded length, suite and heads_hash are set here), outer box, signature. `body` is
 * LP(heads) ‖ LP(records) from src/wire, and does not lie in `out`. Padding P1 (Padmé, floor 1 KiB) or P2 (powers of
 * two, floor 4 KiB). EDN_E_LIMIT: larger than EDN_BATCH_SIZE_MAX; EDN_E_FORMAT: no heads in front; EDN_E_NOMEM. A
 * failure appends nothing and leaves `h` as it was. */
EDN_MUST_USE edn_status edn_batch_seal(edn_buf *out, edn_batch_header *h, edn_padding padding, const edn_space_key *k,
                                       const edn_sign_sk *sk, edn_bytes body, const edn_random *rng);
/* Opens the outer layer of a batch whose signature was checked: EDN_E_AUTH, EDN_E_FORMAT (padding not zero, not the
 * exact bucket, heads_hash). `body` is appended to `out`. */
EDN_MUST_USE edn_status edn_batch_open(edn_buf *out, const edn_batch *b, const edn_space_key *k);

/* Where a record stands: its associated data. */
typedef struct edn_record_place {
    edn_space_id space;
    edn_journal_id journal;
    edn_entry_id entry;
    uint32_t journal_epoch, key_version;
    uint8_t type;
    edn_device_id device;
    uint64_t dseq;
    uint32_t index;
} edn_record_place;
EDN_MUST_USE edn_status edn_record_seal(edn_buf *out, const edn_entry_key *k, const edn_record_place *at, edn_bytes ops,
                                        const edn_random *rng);
EDN_MUST_USE edn_status edn_record_open(edn_buf *out, const edn_entry_key *k, const edn_record_place *at,
                                        edn_bytes box);

/* ---- the device's own disk (SECURITY 2.9) ------------------------------------------------------------------------ */

/* A passphrase slot: slot_id 16 ‖ kdf_record 32 ‖ seal(slot key, aad = T("EDNv1/aad/slot"; slot_id, kdf_record,
 * device_id), LDK). The slot key is KDF(A, "EDNv1/slot/passphrase", 32; slot_id, salt, device_id), A from Argon2id. */
#define EDN_SLOT_SIZE (16u + EDN_KDF_RECORD_SIZE + 32u + EDN_SEAL_OVERHEAD)
EDN_MUST_USE edn_status edn_slot_seal(edn_buf *out, edn_bytes prepared, edn_kdf_profile profile,
                                      const edn_device_id *device, const edn_local_key *ldk, const edn_random *rng);
/* How a slot is stretched; false: not a slot. */
bool edn_slot_record(edn_bytes slot, edn_kdf_record *out);
/* EDN_E_PASSPHRASE: does not open; EDN_E_KDF; EDN_E_FORMAT. */
EDN_MUST_USE edn_status edn_slot_open(edn_bytes slot, edn_bytes prepared, const edn_device_id *device,
                                      edn_local_key *ldk);

/* A held slot: the local key under a secret that a holder keeps (the desktop's keyring, a TPM, a FIDO2 key), beside
 * the passphrase's slot, which always remains. Bytes: docs/spec/keys.md. */
EDN_KEY_TYPE(edn_held_secret)
typedef enum edn_holder_kind { EDN_HOLDER_KEYRING = 2, EDN_HOLDER_TPM = 3, EDN_HOLDER_FIDO2 = 4 } edn_holder_kind;
#define EDN_HELD_PLACE_SIZE_MAX 2048u
#define EDN_HELD_SLOT_SIZE_MAX (46u + EDN_HELD_PLACE_SIZE_MAX + 32u + EDN_SEAL_OVERHEAD)
typedef struct edn_held_slot {
    edn_holder_kind holder;
    uint8_t id[16], salt[16]; /* random */
    uint64_t made_ms;
    edn_bytes place;     /* borrowed; what the holder needs to find the secret again */
    edn_bytes head, box; /* by decode: borrowed from its input */
} edn_held_slot;
/* Appends a slot; `head` and `box` of `slot` are not read. EDN_E_LIMIT: the place; EDN_E_NOMEM. */
EDN_MUST_USE edn_status edn_held_slot_seal(edn_buf *out, const edn_held_slot *slot, const edn_held_secret *secret,
                                           const edn_device_id *device, const edn_local_key *ldk,
                                           const edn_random *rng);
/* EDN_E_FORMAT; EDN_E_TYPE: a holder that this version does not know; EDN_E_LIMIT: the place. */
EDN_MUST_USE edn_status edn_held_slot_decode(edn_bytes in, edn_held_slot *out);
/* EDN_E_AUTH: another secret or device, or altered. */
EDN_MUST_USE edn_status edn_held_slot_open(const edn_held_slot *slot, const edn_held_secret *secret,
                                           const edn_device_id *device, edn_local_key *ldk);

#endif
