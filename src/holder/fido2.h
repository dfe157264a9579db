/* holder, its own header for FIDO2 keys: how one is reached, apart from what it is asked. */
#ifndef EDN_HOLDER_FIDO2_H
#define EDN_HOLDER_FIDO2_H

#include <fido.h>

#include "holder/holder.h"

/* Opens the one key that is plugged in. The caller closes and frees *out, which may be set after a failure too.
 * EDN_E_MISSING: none; EDN_E_AMBIGUOUS: several; EDN_E_IO. */
EDN_MUST_USE edn_status edn_fido2_open(fido_dev_t **out, edn_err *err);

#endif
