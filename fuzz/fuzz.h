/* What every fuzz target includes: one function that takes any bytes. Built with gcc it replays a corpus as an ordinary
 * test (replay.c); built with clang it is libFuzzer's (`make fuzz F=name T=seconds`). */
#ifndef EDN_FUZZ_H
#define EDN_FUZZ_H

#include <stdlib.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Memory for one input: hostile counts must not get far, or the fuzzer finds only that memory ends. */
#define FUZZ_MEMORY_SIZE_MAX ((size_t)64 << 20)

/* What must be true of every input, hostile ones too. Says the place, and ends the program. */
#define FUZZ_HOLDS(x) EDN_ASSERT(x)

/* Decoding has accepted `in`: encoding again must give the same bytes, or one value would have two spellings. */
static inline void fuzz_same(edn_bytes in, edn_buf *again)
{
    FUZZ_HOLDS(edn_buf_status(again) == EDN_OK);
    FUZZ_HOLDS(edn_bytes_equal(in, edn_buf_view(again)));
    edn_buf_dispose(again);
}

#endif
