/* free that wipes: linked into programs that hold a person's words, and into nothing else.
 *
 * Words pass through many hands on their way: documents, diffs, SQLite, zstd, the C library. Wiping each of their
 * buffers by hand is a rule that the next change breaks, and no rule for code of others. Here it is one place: whatever
 * was allocated is zeros before it goes back to the heap.
 *
 * It stands on what glibc promises: a program may define malloc, calloc, realloc and free, all of them, and every
 * library then uses those (the manual, "Replacing malloc"). These do nothing of their own but pass on to the allocator
 * that glibc exports as __libc_*, so a pointer may come from either side. malloc_usable_size gives all that a block
 * holds, and allows writing to it. realloc never lets the allocator move bytes, or the old place would keep them.
 *
 * What it does not reach: memory in use, registers and stacks (edn_stack_wipe), and blocks that a library keeps in a
 * pool of its own. Not for sanitizers, which bring an allocator of their own, and not for other C libraries. */
#include "client/client_priv.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#ifndef __GLIBC__
#error "wipefree needs glibc"
#endif

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t size);
extern void __libc_free(void *p);

void *malloc(size_t n) { return __libc_malloc(n); }
void *calloc(size_t count, size_t size) { return __libc_calloc(count, size); }

void free(void *p)
{
    int error = errno; /* as the C library's own leaves it */

    if (!p)
        return;
    edn_wipe(p, malloc_usable_size(p));
    __libc_free(p);
    errno = error;
}

void *realloc(void *p, size_t n)
{
    size_t had;
    void *to;

    if (!p)
        return __libc_malloc(n);
    if (n == 0) {
        free(p);
        return NULL;
    }
    had = malloc_usable_size(p);
    if (n <= had && n >= had / 2) { /* it stays where it is; what is cut off may not be read again */
        edn_wipe((uint8_t *)p + n, had - n);
        return p;
    }
    if (!(to = __libc_malloc(n)))
        return NULL;
    memcpy(to, p, EDN_MIN(had, n));
    free(p);
    return to;
}
