/* oom_far: the server of a world is no part of what runs out of memory. */
#ifndef EDN_TESTS_OOM_FAR_H
#define EDN_TESTS_OOM_FAR_H

#include "world.h"

/* From now on only an answer's bytes are allocated by the client under test. For one world at a time. */
void oom_far_side(world *w);

#endif
