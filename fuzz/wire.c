/* wire's decoders: batches, their inside, and every message of the protocol. The first byte says which. */
#include "fuzz.h"

#include "wire/wire.h"

static void batch(edn_bytes in)
{
    edn_buf again = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX);
    edn_sign_pk pk = {{1}};
    edn_batch b;
    edn_hash c_hash;

    if (edn_batch_decode(in, &b) != EDN_OK)
        return;
    FUZZ_HOLDS(b.bytes.n == in.n && b.header_bytes.n == EDN_BATCH_HEADER_SIZE);
    edn_batch_header_put(&again, &b.header);
    fuzz_same(b.header_bytes, &again);
    c_hash = edn_batch_c_hash(&b);
    (void)edn_batch_hash(&b, &c_hash); /* only that it reads no further than it may */
    FUZZ_HOLDS(!edn_batch_verify(&b, &c_hash, &pk));
}

static void body(edn_bytes in)
{
    edn_arena a = edn_arena_init(FUZZ_MEMORY_SIZE_MAX);
    edn_buf again = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX);
    edn_body b;

    if (edn_body_decode(&a, in, &b) == EDN_OK) {
        FUZZ_HOLDS(edn_body_encode(&again, b.heads, b.heads_n, b.records, b.records_n) == EDN_OK);
        fuzz_same(in, &again);
    }
    edn_arena_dispose(&a);
}

#define MESSAGE(name)                                                                                                  \
    static void name(edn_bytes in)                                                                                     \
    {                                                                                                                  \
        edn_arena a = edn_arena_init(FUZZ_MEMORY_SIZE_MAX);                                                            \
        edn_buf again = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX);                                                            \
        edn_msg_##name m;                                                                                              \
                                                                                                                       \
        if (edn_##name##_decode(&a, in, &m) == EDN_OK) {                                                               \
            edn_##name##_put(&again, &m);                                                                              \
            fuzz_same(in, &again);                                                                                     \
        }                                                                                                              \
        edn_arena_dispose(&a);                                                                                         \
    }
EDN_MESSAGES(MESSAGE)

#define MESSAGE_NAME(name) name,

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const decoders[])(edn_bytes) = {batch, body, EDN_MESSAGES(MESSAGE_NAME)};

    if (size)
        decoders[data[0] % EDN_COUNT(decoders)](edn_bytes_of(data + 1, size - 1));
    return 0;
}
