/* world: one account's devices and its server in one process: real clients over a real server core, with a virtual
 * clock and a network that a test can cut, or let somebody sit on. */
#ifndef EDN_TESTS_WORLD_H
#define EDN_TESTS_WORLD_H

#include <edn/client.h>

#include "remote/remote.h"
#include "server/server.h"
#include "tempdir.h"

#define WORLD_ORIGIN "http://127.0.0.1:7373"
#define WORLD_NAME "sam"
#define WORLD_PASSPHRASE "correct horse battery staple"

typedef struct world world;

/* Sees every exchange, and may rewrite the answer before its client does. */
typedef void world_tamper_fn(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer);

struct world {
    char dir[TEMPDIR_SIZE]; /* server/ and a folder for each device */
    uint64_t now_ms;
    edn_meta meta;
    edn_blobs blobs;
    edn_server *server;
    edn_transport transport;
    uint64_t exchanges;
    world_tamper_fn *tamper;
    void *tamper_ctx;
    bool down;            /* no request arrives */
    uint64_t down_from;   /* nor does the exchange of this number, or any after it; 0: none */
    uint64_t lose_answer; /* the exchange of this number is carried out, its answer lost; 0: none */
    /* The SQLite VFS of the server's metadata, and of the devices that are opened from now on; NULL: the real disk. */
    const char *server_vfs, *device_vfs;
    edn_random random; /* of the devices; no function: the system's */
    char account_key[EDN_ACCOUNT_KEY_TEXT_MAX];
};

/* A server and nothing else. */
world *world_new(void);
world *world_new_on(const char *server_vfs);
void world_free(world *w);
/* Everything as it is, copied: devices must be closed. */
world *world_copy(const world *w);
/* Power off and on again. */
void world_server_stop(world *w);
void world_server_start(world *w);
/* The same on a disk that may refuse: false, and no server. Without a server requests get HTTP 503. */
bool world_server_try_start(world *w);
/* The server's disk as it is now under a name, and back to it. "" is an empty disk. */
void world_server_save(world *w, const char *name);
void world_server_restore(world *w, const char *name);
/* The folder of a device. */
void world_home(const world *w, const char *device, char out[256]);
/* Copies a device's folder: a backup restored, a disk cloned. The device must be closed. */
void world_home_copy(const world *w, const char *from, const char *to);
edn_client_options world_options(world *w, const char *home);

/* Real clients, unlocked. They stop the test when they fail. */
edn_client *world_init(world *w, const char *device);
edn_client *world_login(world *w, const char *device);
edn_client *world_open(world *w, const char *device); /* by the session key that init or login left in memory */
edn_client *world_open_with(world *w, const char *device, const uint8_t session_key[EDN_SESSION_KEY_SIZE]);
/* A world in which "a" has made the account and "b" has joined it; made once a process, copied each time. */
world *world_of_two(void);

#endif
