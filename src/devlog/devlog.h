/* devlog: the public half of identity. An account's device log is an append-only chain of signed links; its id is the
 * hash of the first, so no server can swap it (SECURITY 2.6). Pure; the server links it too.
 *
 * A shared journal's *space log* is a chain of the same form, of its members' keys and their devices (docs/spec/
 * sharing.md). Link 0 says which kind a log is; a link of the other kind never follows. */
#ifndef EDN_DEVLOG_H
#define EDN_DEVLOG_H

#include "crypto/verify.h"

#define EDN_LINK_SIZE_MAX 65536u
#define EDN_DEVICES_MAX 32u     /* active at one time, of an account */
#define EDN_SPACE_KEYS_MAX 128u /* the same, of a space: members and devices */
#define EDN_LINKS_MAX 100000u

/* MEMBER stands in space logs alone. It is a person's key there, not a device's: it lets in and takes out devices of
 * theirs, with no right that it has not itself, and signs no batches. */
enum { EDN_CAP_READ = 1, EDN_CAP_WRITE = 2, EDN_CAP_ADMIN = 4, EDN_CAP_MEMBER = 8 };

typedef enum edn_role { EDN_ROLE_READ = 1, EDN_ROLE_WRITE = 2, EDN_ROLE_OWNER = 3 } edn_role;
/* The rights of the member key in this role; without EDN_CAP_MEMBER they are its devices'. 0: no role. */
uint32_t edn_role_caps(edn_role role);

typedef enum edn_link_type {
    EDN_LINK_GENESIS = 1,
    EDN_LINK_ADD_DEVICE = 2,
    EDN_LINK_REVOKE_ROTATE = 3,
    EDN_LINK_SET_KDF = 4,
    EDN_LINK_SET_RECOVERY = 5,
    EDN_LINK_CHECKPOINT = 6,
    EDN_LINK_SET_POLICY = 7,
    EDN_LINK_ROTATE_AIK = 8,
    EDN_LINK_RESEAL = 9,
    EDN_LINK_LAST = EDN_LINK_RESEAL,
} edn_link_type;

/* A device's certificate, 100 bytes in a link. */
typedef struct edn_cert {
    edn_sign_pk sign;
    edn_dh_pk enc;
    uint32_t caps;
    edn_hash name_hash; /* H32(T("EDNv1/devname"; name)); the name itself is sealed metadata */
} edn_cert;

/* A place in one device's chain of batches in one space. */
typedef struct edn_pin {
    edn_space_id space;
    edn_device_id device;
    uint64_t dseq;
    edn_hash hash;
} edn_pin;

/* A recovery key in shares: which set, and a commitment to each share, so that a false one is named. */
#define EDN_SHARES_MAX 16u
typedef struct edn_share_set_id {
    uint8_t b[16];
} edn_share_set_id;
typedef struct edn_recovery_set {
    uint8_t needed, n; /* of n shares, so many open the box: 1 <= needed <= n <= EDN_SHARES_MAX */
    edn_share_set_id id;
    edn_hash commitments[EDN_SHARES_MAX];
    edn_hash box_hash;
} edn_recovery_set;

/* What the log says of one device. */
typedef struct edn_device {
    edn_device_id id;
    edn_cert cert;
    uint64_t added_seq; /* the link that added it */
    uint64_t added_time_ms;
    edn_device_id added_by; /* zero: the AIK */
    uint64_t revoked_seq;   /* the link that revoked it; UINT64_MAX while active */
} edn_device;

typedef struct edn_devlog edn_devlog;

EDN_MUST_USE edn_status edn_devlog_new(edn_devlog **out);
void edn_devlog_free(edn_devlog *log);
/* A copy, so that several links can be tried before any is kept. */
EDN_MUST_USE edn_status edn_devlog_copy(const edn_devlog *log, edn_devlog **out);

/* Checks the next link in full and takes it in. The first failure decides, in the order of SECURITY 2.6: EDN_E_FORMAT,
 * _SUITE, _TYPE, _SEQ, _PREV, _ACCOUNT, _SIGNER_REVOKED, _SIGNER_UNKNOWN, _SIG, _CAP, _FORMAT (body), _KEY_INVALID,
 * _DUP_DEVICE, _POP, _DEVICE_UNKNOWN, _EPOCH, _POLICY; then EDN_E_LIMIT (devices, links), EDN_E_NOMEM. In a space log
 * EDN_E_CAP also stands right behind the body's form: what a member key may not give or take out. A refused link
 * changes nothing. `link` may be hostile. docs/spec/devlog.md says what each means. */
EDN_MUST_USE edn_status edn_devlog_append(edn_devlog *log, edn_bytes link);
/* The same without signature and key checks (nothing on curves), for links that this device verified before and kept
 * sealed. */
EDN_MUST_USE edn_status edn_devlog_append_trusted(edn_devlog *log, edn_bytes link);

/* The whole state as bytes (image.c has their order), so that it need not be made from links again. Only for where
 * nobody else can write: nothing that links prove is proved again. */
void edn_devlog_image_put(edn_buf *out, const edn_devlog *log);
/* EDN_E_FORMAT: of another version, or no image; EDN_E_NOMEM. Make the log from its links then. */
EDN_MUST_USE edn_status edn_devlog_image_read(edn_bytes in, edn_devlog **out);

/* How many links; seq of the last is one less. The rest must not be asked of an empty log. */
uint64_t edn_devlog_count(const edn_devlog *log);
bool edn_devlog_is_space(const edn_devlog *log);
edn_account_id edn_devlog_account(const edn_devlog *log);
edn_hash edn_devlog_head(const edn_devlog *log);
/* The hash of link `seq`; false past the end. */
bool edn_devlog_hash_at(const edn_devlog *log, uint64_t seq, edn_hash *out);
uint32_t edn_devlog_epoch(const edn_devlog *log);
edn_sign_pk edn_devlog_aik(const edn_devlog *log);
edn_dh_pk edn_devlog_aek(const edn_devlog *log);
/* From the last SET_KDF; false when there was none. */
bool edn_devlog_kdf(const edn_devlog *log, edn_hash *kdf_hash, edn_hash *root_box_hash, edn_sign_pk *login);
/* From the last GENESIS, ADD_DEVICE or REVOKE_ROTATE. */
edn_hash edn_devlog_grants_hash(const edn_devlog *log);
uint16_t edn_devlog_suite_min(const edn_devlog *log);
uint8_t edn_devlog_kdf_floor(const edn_devlog *log);

/* Every device ever added, in the order of the log; borrowed until the next append. NULL past the end. */
const edn_device *edn_devlog_device(const edn_devlog *log, size_t i);
const edn_device *edn_devlog_device_find(const edn_devlog *log, const edn_device_id *id);
/* Space logs: the member key by which this key came in, active or not: it or the nearest above it that was let in by
 * the AIK or by a key with admin. NULL: there is none, or the id is not in the log. Borrowed like the others. */
const edn_device *edn_devlog_membership(const edn_devlog *log, const edn_device_id *id);
/* Whether the device was active after link `seq`. */
bool edn_device_active_at(const edn_device *d, uint64_t seq);
/* Whether batches by it count: member keys sign none. */
static inline bool edn_cert_writes(const edn_cert *c)
{
    return (c->caps & (EDN_CAP_WRITE | EDN_CAP_MEMBER)) == EDN_CAP_WRITE;
}
static inline bool edn_device_active(const edn_device *d) { return d->revoked_seq == UINT64_MAX; }
/* The last batch of a revoked device that counts in a space: {dseq 0} when none does. False: the device is active. */
bool edn_devlog_cut(const edn_devlog *log, const edn_device_id *id, const edn_space_id *space, uint64_t *dseq,
                    edn_hash *hash);
/* The pins of the last CHECKPOINT; borrowed until the next append. */
size_t edn_devlog_checkpoint(const edn_devlog *log, const edn_pin **pins);

/* Where a device's chain begins in a space since the last RESEAL: {dseq 0} at its first batch. What lies at or below a
 * base is contained in what was sealed again after it; it need not be kept, nor be owed. */
void edn_devlog_base(const edn_devlog *log, const edn_device_id *id, const edn_space_id *space, uint64_t *dseq,
                     edn_hash *hash);
/* All of them, in no order that means anything; borrowed until the next append. */
size_t edn_devlog_bases(const edn_devlog *log, const edn_pin **bases);
/* The lowest key epoch of a batch whose author knew link `log_seq`: what was sealed again closes the epochs before. */
uint32_t edn_devlog_epoch_min(const edn_devlog *log, uint64_t log_seq);

/* ---- links as bytes ---------------------------------------------------------------------------------------------- */

edn_hash edn_link_hash(edn_bytes link);
/* Only the fixed part, checked for form; for listing and for the server's index. */
typedef struct edn_link_info {
    edn_link_type type;
    uint64_t seq, time_ms;
    edn_hash prev;
    edn_account_id account;
    edn_device_id signer; /* zero: the AIK */
    edn_bytes body;       /* borrowed from the link */
    bool space;           /* of a space log */
} edn_link_info;
/* EDN_E_FORMAT, EDN_E_TYPE (SET_KDF and SET_RECOVERY are none of a space log). */
EDN_MUST_USE edn_status edn_link_peek(edn_bytes link, edn_link_info *out);
/* The hashes (H32 of the bytes) of the boxes that a link names, in the order of its body: grants; kdf record and root
 * box; grants and the box of the epoch before; or the recovery box. A server keeps no others. EDN_E_FORMAT,
 * EDN_E_TYPE. */
#define EDN_LINK_BOXES_MAX 2u
EDN_MUST_USE edn_status edn_link_boxes(edn_bytes link, edn_hash out[EDN_LINK_BOXES_MAX], size_t *n);

/* Building: what follows `log`, of its kind. Each appends one signed link to `out` and takes nothing into the log.
 * `signer` NULL means that `sk` is the AIK. */
typedef struct edn_link_signer {
    const edn_device_id *device; /* NULL: the AIK */
    const edn_sign_sk *sk;
    uint64_t time_ms;
} edn_link_signer;

/* pop by the new device's key for the link that would come next. */
void edn_link_pop(edn_signature *out, const edn_devlog *log, const edn_link_signer *by, const edn_sign_pk *aik,
                  const edn_cert *cert, const edn_sign_sk *device_sk);
/* The same by a device that has no log yet, for the place and signer (zero: the AIK) that it was told. */
void edn_link_pop_at(edn_signature *out, uint64_t seq, const edn_hash *prev, const edn_device_id *signer,
                     const edn_sign_pk *aik, const edn_cert *cert, const edn_sign_sk *device_sk);
EDN_MUST_USE edn_status edn_link_genesis(edn_buf *out, const edn_sign_pk *aik, const edn_sign_sk *aik_sk,
                                         uint64_t time_ms, const edn_cert *cert, const edn_dh_pk *aek,
                                         const edn_hash *grants_hash, const edn_sign_sk *device_sk);
/* The first link of a space log. */
EDN_MUST_USE edn_status edn_link_space_genesis(edn_buf *out, const edn_sign_pk *aik, const edn_sign_sk *aik_sk,
                                               uint64_t time_ms, const edn_cert *cert, const edn_dh_pk *aek,
                                               const edn_hash *grants_hash, const edn_sign_sk *device_sk);
EDN_MUST_USE edn_status edn_link_add_device(edn_buf *out, const edn_devlog *log, const edn_link_signer *by,
                                            const edn_cert *cert, const edn_hash *grants_hash,
                                            const edn_signature *pop);
EDN_MUST_USE edn_status edn_link_set_kdf(edn_buf *out, const edn_devlog *log, const edn_link_signer *by,
                                         const edn_hash *kdf_hash, const edn_hash *root_box_hash,
                                         const edn_sign_pk *login);
EDN_MUST_USE edn_status edn_link_checkpoint(edn_buf *out, const edn_devlog *log, const edn_link_signer *by,
                                            const edn_pin *pins, size_t n);
/* The present epoch is the one that all up to these places was sealed again under. A place at 0, or one device named
 * twice in a space, is EDN_E_FORMAT when the link is read; a base that falls is EDN_E_POLICY. */
EDN_MUST_USE edn_status edn_link_reseal(edn_buf *out, const edn_devlog *log, const edn_link_signer *by,
                                        const edn_pin *bases, size_t n);
/* ROTATE_AIK, by the AIK of before: another one, which signs that it is. */
EDN_MUST_USE edn_status edn_link_rotate_aik(edn_buf *out, const edn_devlog *log, const edn_link_signer *by,
                                            const edn_sign_pk *aik, const edn_sign_sk *aik_sk);
/* What a REVOKE_ROTATE says. `cuts` are of the revoked devices, in any order; a space in which a device has none keeps
 * nothing of it. With no devices the link only rotates. */
typedef struct edn_rotation {
    const edn_device_id *revoked;
    size_t revoked_n;
    const edn_pin *cuts;
    size_t cuts_n;
    uint32_t epoch; /* the new one */
    edn_dh_pk aek;
    edn_hash grants_hash, prev_box_hash;
} edn_rotation;
EDN_MUST_USE edn_status edn_link_revoke_rotate(edn_buf *out, const edn_devlog *log, const edn_link_signer *by,
                                               const edn_rotation *rotation);
/* The same link read: `revoked` and `cuts` stay empty (edn_devlog_device, edn_devlog_cut). EDN_E_FORMAT; EDN_E_TYPE:
 * another link. */
EDN_MUST_USE edn_status edn_link_rotation(edn_bytes link, edn_rotation *out);
/* EDN_E_INVALID: the set's numbers. */
EDN_MUST_USE edn_status edn_link_set_recovery(edn_buf *out, const edn_devlog *log, const edn_link_signer *by,
                                              const edn_recovery_set *set);
/* The set that a SET_RECOVERY link names. EDN_E_FORMAT; EDN_E_TYPE: another link. */
EDN_MUST_USE edn_status edn_link_recovery(edn_bytes link, edn_recovery_set *out);
/* The type that has no builder of its own (7): the body as bytes. */
EDN_MUST_USE edn_status edn_link_build(edn_buf *out, const edn_devlog *log, const edn_link_signer *by,
                                       edn_link_type type, edn_bytes body);
void edn_cert_put(edn_buf *out, const edn_cert *cert);

#endif
