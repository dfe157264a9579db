#include "wire.h"

#define P1_FLOOR 1024u
#define P2_FLOOR 4096u

/* floor(log2(n)), n > 0 */
static unsigned log2_floor(uint32_t n) { return 31 - (unsigned)__builtin_clz(n); }

/* Padmé: a length of E + 1 bits keeps its first floor(log2 E) + 1 bits below the leading one, and the rest is rounded
 * up. Lengths then tell O(log log n) bits, at a growth of at most 12 %, 6.3 % above the floor. */
static uint64_t padme(uint32_t n)
{
    unsigned e = log2_floor(n);
    uint64_t mask = ((uint64_t)1 << (e - log2_floor(e) - 1)) - 1;

    return (n + mask) & ~mask;
}

uint32_t edn_padded_size(edn_padding p, uint32_t n)
{
    uint64_t out;

    if (p == EDN_PADDING_P2)
        out = n <= P2_FLOOR ? P2_FLOOR : (uint64_t)1 << (log2_floor(n - 1) + 1);
    else
        out = n <= P1_FLOOR ? P1_FLOOR : padme(n);
    return (uint32_t)out; /* at most 2^32, which becomes the 0 that says so */
}

/* Both ways of rounding leave their own results alone, so a bucket is a length that is its own. */
bool edn_padded_size_legal(uint32_t n)
{
    return n == edn_padded_size(EDN_PADDING_P1, n) || n == edn_padded_size(EDN_PADDING_P2, n);
}
