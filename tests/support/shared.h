/* shared: shared journals for tests that have no other people: the account of a diary that was made for it, by itself,
 * becomes a child of another diary's home, as a space would. */
#ifndef EDN_TESTS_SHARED_H
#define EDN_TESTS_SHARED_H

#include "client/sharing/family.h"
#include "world.h"

/* The enrolment that an unlocked diary was made of, and what its home was made of; shared_dispose frees both. */
typedef struct shared {
    enrolment *e;
    new_home h;
    edn_arena a;
    edn_sync_remote remote;
} shared;
void shared_of(edn_client *c, const char *journal, shared *out);
void shared_dispose(shared *s);
/* A diary without a server, made and closed again on the way: its account under the name of a journal. */
void shared_make(world *w, const char *journal, shared *out);

#endif
