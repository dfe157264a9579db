/* The merge engine against the naive model of tests/unit/crdt/model.h, in worlds that the bytes tell: how many peers,
 * then eight bytes a step. */
#include "fuzz.h"

#define MODEL_EVENTS_MAX 512 /* many small worlds */
#include "crdt/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static script s;

    if (size < 1)
        return 0;
    s.peers = 2 + data[0] % (SCRIPT_PEERS - 1);
    s.n = EDN_MIN((size - 1) / 8, (size_t)120);
    for (size_t i = 0; i < s.n; i++) {
        const uint8_t *p = data + 1 + 8 * i;
        s.s[i] = (step){(uint8_t)(p[0] % S_KINDS), p[1], (uint16_t)(p[2] | p[3] << 8), (uint16_t)(p[4] | p[5] << 8),
                        (uint16_t)(p[6] | p[7] << 8)};
    }
    FUZZ_HOLDS(script_converges(&s) == NULL);
    return 0;
}
