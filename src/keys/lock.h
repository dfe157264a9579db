/* keys/lock: what a locked journal is sealed under beside the diary's own keys (docs/spec/locked.md). Pure.
 *
 *     second passphrase --Argon2id--> wrap key --opens--> lock key of the journal
 *     lock key --seals--> what the person keeps of the journal's space: member key, root key
 *     lock key with a device's own secrets --> the device's keys in the space, the key of its local store */
#ifndef EDN_KEYS_LOCK_H
#define EDN_KEYS_LOCK_H

#include "keys/keys.h"

EDN_KEY_TYPE(edn_lock_key)

/* kdf record 32 ‖ seal(KDF(A, "EDNv1/lock/wrap", 32; space, record), T("EDNv1/aad/lock"; space, record), lock key) */
#define EDN_LOCK_BOX_SIZE (EDN_KDF_RECORD_SIZE + 32u + EDN_SEAL_OVERHEAD)
/* `prepared` is from edn_passphrase_prepare. Takes the profile's time and memory. EDN_E_NOMEM; EDN_E_KDF. */
EDN_MUST_USE edn_status edn_lock_box_seal(uint8_t out[EDN_LOCK_BOX_SIZE], edn_bytes prepared, edn_kdf_profile profile,
                                          const edn_account_id *space, const edn_lock_key *key, const edn_random *rng);
/* EDN_E_PASSPHRASE: does not open; EDN_E_KDF: too weak or too costly, and nothing was stretched; EDN_E_FORMAT. */
EDN_MUST_USE edn_status edn_lock_box_open(edn_bytes box, edn_bytes prepared, const edn_account_id *space,
                                          edn_lock_key *out);

/* A secret of `n` bytes (at most 64) under the lock key, n + EDN_SEAL_OVERHEAD bytes: `what` names its use. */
#define EDN_LOCK_SECRET_MAX 64u
EDN_MUST_USE edn_status edn_lock_secret_seal(uint8_t *out, const edn_lock_key *key, const edn_account_id *space,
                                             const char *what, const void *secret, size_t n, const edn_random *rng);
/* EDN_E_AUTH: does not open, and `secret` is zero then. */
EDN_MUST_USE edn_status edn_lock_secret_open(edn_bytes box, const edn_lock_key *key, const edn_account_id *space,
                                             const char *what, void *secret, size_t n);

/* A device's keys in the journal's space: neither its own secrets nor the lock key alone give them. */
void edn_lock_device_keys(edn_seed *sign, edn_dh_sk *enc, const edn_seed *device_sign, const edn_dh_sk *device_enc,
                          const edn_account_id *space, const edn_lock_key *key);
/* The key of the journal's store on a disk. */
void edn_lock_store_key(edn_local_key *out, const edn_local_key *ldk, const edn_account_id *space,
                        const edn_lock_key *key);

#endif
