/* A person as a server sees one: a device log, boxes that nobody can open, devices with chains of batches that are
 * signed and sized as real ones but hold random bytes. What a server must do can be tested with this and without any
 * secret half of EDN. */
#ifndef EDN_TESTS_PERSON_H
#define EDN_TESTS_PERSON_H

#include "check.h"
#include "devlog/devlog.h"
#include "wire/wire.h"

enum { PERSON_DEVICES_MAX = 40, PERSON_LINKS_MAX = 256, PERSON_BOXES_MAX = 256 };

typedef struct person_device {
    edn_device_id id;
    edn_cert cert;
    edn_sign_sk sk;
    uint64_t dseq; /* of its last batch in the personal space, and its hash */
    edn_hash last;
} person_device;

typedef struct person {
    check_rng rng;
    uint64_t now_ms;
    edn_account_id account;
    edn_space_id space;
    edn_hash name; /* hash of the name */
    edn_sign_pk aik;
    edn_sign_sk aik_sk, login_sk;
    uint8_t kdf_record[32];
    edn_devlog *log;
    edn_bytes links[PERSON_LINKS_MAX], boxes[PERSON_BOXES_MAX]; /* owned */
    size_t links_n, boxes_n;
    person_device devices[PERSON_DEVICES_MAX];
    size_t devices_n;
} person;

/* Genesis with one device, then a passphrase. */
void person_init(person *p, uint64_t seed);
/* A shared space in a person's place: genesis with the owner's member key, which is device 0, and device 1 of theirs.
 * It has no name. */
void person_init_space(person *p, uint64_t seed);
void person_dispose(person *p);
size_t person_add_device(person *p, uint32_t caps); /* signed by the first device; gives its index */
void person_set_kdf(person *p);                     /* another passphrase */
/* A set of recovery shares, whose id is `set` repeated, and its box. */
void person_set_recovery(person *p, uint8_t set);
/* Revokes a device; its batches up to now count, and none after. */
void person_revoke(person *p, size_t device);

/* Appends the device's next batch, `padded` bytes inside, and moves its chain on. */
void person_batch(person *p, size_t device, uint32_t padded, edn_buf *out);
/* The message that makes the account: all links and boxes. */
void person_account(const person *p, edn_buf *out);
/* A push of `n` batches that lie one after the other in `bytes`, each of `size`. */
void person_push(const edn_etag *before, const edn_bytes *batches, size_t n, edn_buf *out);
void person_pull(const person *p, uint64_t log_count, const edn_head *heads, size_t n, edn_buf *out);

/* Asks a server: gives the status, and puts the body into *answer (which is emptied first). */
typedef int person_ask_fn(void *ctx, const char *method, const char *path, edn_bytes token, edn_bytes body,
                          edn_buf *answer);

/* What a client knows between challenge and login, open to be spoilt by a test. */
typedef struct person_login {
    edn_msg_login m;
    char origin[EDN_ORIGIN_SIZE_MAX + 1];
} person_login;

/* Asks for a challenge; device SIZE_MAX: by passphrase. Gives the HTTP status. */
int person_challenge(const person *p, size_t device, person_ask_fn *ask, void *ctx, person_login *out);
/* A witness of the newest link. */
edn_witness person_witness(const person *p);
/* Signs and sends it. The token goes to `token`, with a zero behind it. */
int person_login_send(const person *p, size_t device, person_login *l, person_ask_fn *ask, void *ctx, edn_buf *token);
/* Both; fails the test unless it succeeds. */
void person_sign_in(const person *p, size_t device, person_ask_fn *ask, void *ctx, edn_buf *token);

#endif
