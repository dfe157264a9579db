/* holder: things that keep a secret for a device so that it can be unlocked without the passphrase: the desktop's
 * keyring, a TPM, a FIDO2 key. They are conveniences: each may be missing from a build and from a machine, and one that
 * fails never locks anybody out, since the passphrase's slot always remains.
 *
 * Each holder is a module of its own, opened when it is asked for: the libraries behind them are large, and a diary
 * must open on a machine that has none of them. */
#ifndef EDN_HOLDER_H
#define EDN_HOLDER_H

#include <edn/base.h>

#define EDN_HELD_SECRET_SIZE 32u
#define EDN_HOLDER_PIN_SIZE_MAX 63u /* bytes; FIDO2's limit */

/* A callback needs no thread of its own: each may wait for a person's touch. Places are at most 2,048 bytes. */
typedef struct edn_holder {
    const char *name;  /* as in `edn slot add NAME` */
    uint8_t kind;      /* edn_holder_kind of src/keys */
    const char *title; /* for a person: "the TPM of this machine" */
    bool pin, touch;   /* asks for a PIN; waits to be touched */

    /* Keeps the 32 random bytes of `secret`, or puts others of its own there, and appends to `place` what `give` needs
     * to come by them again. `id` names the slot. EDN_E_MISSING: no such thing here, or it cannot do this;
     * EDN_E_INVALID: the PIN cannot be one; EDN_E_PASSPHRASE: it is wrong; EDN_E_CANCELLED; EDN_E_IO. */
    edn_status (*keep)(const uint8_t id[16], edn_bytes pin, uint8_t secret[EDN_HELD_SECRET_SIZE], edn_buf *place,
                       edn_err *err);
    /* EDN_E_MISSING: not here, or it does not know this slot; EDN_E_PASSPHRASE: the PIN is wrong; EDN_E_RATE: too many
     * wrong PINs; EDN_E_AUTH: it refuses the place; EDN_E_CANCELLED; EDN_E_IO. */
    edn_status (*give)(const uint8_t id[16], edn_bytes pin, edn_bytes place, uint8_t secret[EDN_HELD_SECRET_SIZE],
                       edn_err *err);
    /* Takes the secret away where that is possible; NULL: nothing is left behind there. */
    edn_status (*forget)(const uint8_t id[16], edn_bytes place, edn_err *err);
} edn_holder;

/* What each module has under the name "edn_holder_module". */
extern const edn_holder edn_holder_module;

/* The holder of a name or, when `name` is NULL, of a kind. Loaded once, never unloaded. EDN_E_MISSING: this build or
 * this machine has no such holder; `err` says which package would bring it. EDN_E_INVALID: there is no such name. */
EDN_MUST_USE edn_status edn_holder_find(const char *name, uint8_t kind, const edn_holder **out, edn_err *err);
/* The name of a kind, also of one that is not in this build; NULL: unknown. */
const char *edn_holder_name(uint8_t kind);

#endif
