/* What the files of src/wire share. */
#ifndef EDN_WIRE_PRIV_H
#define EDN_WIRE_PRIV_H

#include "wire.h"

/* The only suite of version 1 (SECURITY 2.2). Unknown suites are an error, never a guess. */
#define WIRE_SUITE_1 0x0001u

/* `count` things of `size` bytes from the arena; NULL fails the reader with EDN_E_NOMEM. Call after edn_reader_has, so
 * that a lie about the count costs no memory. */
void *edn_wire_alloc(edn_reader *r, edn_arena *a, size_t count, size_t size);

#endif
