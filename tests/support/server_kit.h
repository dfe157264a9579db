/* A server in process: its own folder, a clock and randomness that the test holds. */
#ifndef EDN_TESTS_SERVER_KIT_H
#define EDN_TESTS_SERVER_KIT_H

#include "person.h"
#include "server/server.h"

#define KIT_ORIGIN "https://sync.example"

typedef struct kit {
    char dir[64];
    uint64_t now_ms;
    check_rng rng;
    edn_server_config config;
    uint8_t master[32];
    edn_meta meta;
    edn_blobs blobs;
    edn_server *s;
    uint8_t address[4];
    const uint8_t *binding;
    const char *vfs;             /* NULL: a real file */
    void (*hook)(struct kit *k); /* may replace functions of meta and blobs before the server gets them */
} kit;

/* A new folder and no server yet; then `kit_open`. */
void kit_prepare(kit *k);
/* Both: a new folder and an open server; rates of the API are off, so that tests may ask as often as they like. */
void kit_init(kit *k);
void kit_dispose(kit *k);
/* What a stop and a start do. After kit_close, kit_open may be called with another k->config. */
void kit_close(kit *k);
void kit_open(kit *k);
/* The same where it may fail: nothing is open then. */
EDN_MUST_USE edn_status kit_try_open(kit *k);

/* One request; person_ask_fn with a kit as its context. */
int kit_ask(void *ctx, const char *method, const char *path, edn_bytes token, edn_bytes body, edn_buf *answer);
/* The same, and all of the answer, which is the caller's to dispose of. */
void kit_exchange(kit *k, const char *method, const char *path, edn_bytes token, edn_bytes body,
                  edn_server_answer *out);

/* Makes the account; fails the test unless it is new. */
void kit_register(kit *k, const person *p);
/* Pushes the device's next batch; the status. */
int kit_push_next(kit *k, person *p, size_t device, uint32_t padded, edn_bytes token);
/* Pulls all from nothing: how many batches came, and the server's heads count. */
size_t kit_pull_count(kit *k, const person *p, edn_bytes token);

/* A server with one person, whose first device has a token. */
typedef struct kit_person {
    kit k;
    person p;
    edn_buf token;
} kit_person;

/* cmocka's: *state is a new kit_person, signed in. */
int kit_person_setup(void **state);
int kit_person_teardown(void **state);

#endif
