/* What the files of src/devlog share. */
#ifndef EDN_DEVLOG_PRIV_H
#define EDN_DEVLOG_PRIV_H

#include "devlog.h"

#define LINK_HEAD_SIZE 104u /* up to the body's length */
#define SIGNATURE_SIZE 64u
#define LINK_SIZE_MIN (LINK_HEAD_SIZE + 4u + SIGNATURE_SIZE)
#define LINK_BODY_SIZE_MAX (EDN_LINK_SIZE_MAX - LINK_SIZE_MIN)
#define LINK_VERSION 1u
#define LINK_SUITE_1 0x0001u /* the only suite of version 1 */

#define CERT_SIZE 100u
#define CUT_SIZE 72u /* space 32 ‖ u64 dseq ‖ hash 32 */
#define PIN_SIZE 88u

#define CAPS_KNOWN ((uint32_t)(EDN_CAP_READ | EDN_CAP_WRITE | EDN_CAP_ADMIN))

/* What differs between the two kinds of logs, but for who may what (log.c). */
typedef struct log_kind {
    char magic[4];
    const char *sig_label;
    uint32_t caps_known;
    uint32_t active_max;
} log_kind;
const log_kind *edn_log_kind(bool space);

/* A link taken apart: the fixed part and what is signed. All borrowed. */
typedef struct link_form {
    edn_link_info info;
    uint8_t type; /* as it stands, before it is known to be one */
    uint16_t suite;
    edn_bytes signed_bytes; /* all but the signature */
    edn_signature signature;
} link_form;

/* Lengths, magic, version and nothing else: EDN_E_FORMAT. */
EDN_MUST_USE edn_status edn_link_form_read(edn_bytes link, link_form *out);

/* A cut-off, in the order of its link: what of a revoked device still counts in a space. */
typedef struct cut {
    edn_space_id space;
    uint64_t dseq;
    edn_hash hash;
} cut;

/* A body taken apart. Which members are set depends on the type; lists stay in their bytes until they are applied. */
typedef struct link_body {
    edn_sign_pk aik; /* GENESIS, ROTATE_AIK */
    edn_cert cert;   /* GENESIS, ADD_DEVICE */
    edn_bytes cert_bytes;
    edn_dh_pk aek; /* GENESIS, REVOKE_ROTATE */
    edn_hash grants_hash;
    edn_signature proof;        /* pop, or the new AIK's signature */
    edn_bytes revoked, pins;    /* the lists, without their counts, of a form that was checked; pins: of a RESEAL too */
    uint32_t revoked_n, cuts_n; /* cuts_n: of all devices together */
    uint32_t pins_n;
    uint32_t epoch;
    edn_hash kdf_hash, root_box_hash, prev_box_hash;
    edn_recovery_set recovery;
    edn_sign_pk login;
    uint16_t suite_min;
    uint8_t kdf_floor;
    uint32_t flags;
} link_body;

/* Whether logs of this kind have links of this type. */
bool edn_link_type_known(bool space, uint8_t type);
/* EDN_E_FORMAT unless the body is exactly one of this type. Allocates nothing. */
EDN_MUST_USE edn_status edn_link_body_read(edn_link_type type, const edn_link_info *info, link_body *out);

/* The next device and its cuts from `revoked` (checked before, so this cannot fail). */
edn_device_id edn_revoked_next(edn_reader *r, uint32_t *cuts_n);
cut edn_cut_next(edn_reader *r);
edn_pin edn_pin_next(edn_reader *r);

/* What signatures over a place in the log are made of. */
bool edn_link_pop_verify(const edn_signature *pop, const edn_hash *prev, uint64_t seq, const edn_device_id *signer,
                         const edn_sign_pk *aik, edn_bytes cert, const edn_sign_pk *pk);

/* ---- the state of a log ------------------------------------------------------------------------------------------ */

#define ROW_NONE UINT32_MAX

typedef struct device_row {
    edn_device device;
    uint32_t parent; /* the row that let it in, which stands before it; ROW_NONE: the AIK */
    size_t cuts_at;
    uint32_t cuts_n;
} device_row;

struct edn_devlog {
    uint64_t count;
    edn_hash *hashes;
    device_row *devices;
    uint32_t *by_id; /* indices into devices; a sorted array, because nobody can make its searches slow */
    cut *cuts;
    edn_pin *pins, *bases;
    size_t hashes_cap, devices_n, devices_cap, by_id_cap, cuts_n, cuts_cap, pins_n, pins_cap, bases_n, bases_cap;
    uint64_t reseal_seq;   /* the last RESEAL; 0: none */
    uint32_t reseal_epoch; /* its epoch */
    uint32_t active_n;

    edn_account_id account;
    edn_sign_pk aik;
    edn_dh_pk aek;
    edn_hash grants_hash, kdf_hash, root_box_hash;
    edn_sign_pk login;
    bool has_kdf, space;
    uint32_t epoch, flags;
    uint16_t suite_min;
    uint8_t kdf_floor;
};

/* Room for one more link and device, for so many cuts and bases more, and for so many pins. False: no memory; only
 * capacities grew. */
EDN_MUST_USE bool edn_devlog_reserve(edn_devlog *log, uint32_t cuts_n, uint32_t pins_n, size_t bases_n);

#endif
