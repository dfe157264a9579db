#include "base.h"

#include <stdlib.h>

bool edn_array_room(void *array, size_t *cap, size_t need, size_t size)
{
    void **at = array, *p;
    size_t want = EDN_MAX(EDN_MAX(*cap + *cap / 2, need), (size_t)4), bytes;

    if (need <= *cap)
        return true;
    if (!edn_mul_size(want, size, &bytes) || !(p = realloc(*at, bytes)))
        return false;
    *at = p;
    *cap = want;
    return true;
}
