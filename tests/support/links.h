/* Device logs and space logs made at random, link by link, and links that are broken in one way or two and signed all
 * the same. What a broken link must give is not said here: tests/kat/devlog_check.py finds out by itself.
 *
 * Links are written here byte by byte, without the builders of src/devlog. */
#ifndef EDN_TESTS_LINKS_H
#define EDN_TESTS_LINKS_H

#include "check.h"
#include "devlog/devlog.h"

enum { LINKS_MAX = 1100, LINKS_DEVICES_MAX = 1100 };

typedef struct links_device {
    edn_device_id id;
    edn_cert cert;
    edn_sign_sk sk;
    bool active;
    edn_device_id by; /* who let it in; zero: the AIK */
} links_device;

typedef struct links {
    check_rng rng;
    edn_devlog *log; /* has taken every link so far */
    edn_sign_pk aik;
    edn_sign_sk aik_sk;
    links_device *devices;
    size_t devices_n;
    edn_buf bytes; /* of the links, one after the other */
    size_t *ends;
    size_t n;
    uint32_t flags;           /* of the last policy */
    edn_space_id spaces[512]; /* those that cuts were drawn for, the newest of them */
    size_t spaces_n;
    bool space; /* a space log */
} links;

/* Makes the first link too. */
void links_init(links *l, uint64_t seed);
/* The same, of a space log. */
void links_init_space(links *l, uint64_t seed);
void links_dispose(links *l);
edn_bytes links_at(const links *l, size_t i);

/* Appends a good link, of type 0 one of any type. */
void links_step(links *l, edn_link_type type);

/* Appends to `out` a link that might come next, broken in up to two ways: how many ways there are is LINKS_BREAKS. */
enum { LINKS_BREAKS = 40 };
void links_broken(links *l, unsigned how, edn_buf *out);

/* ---- the parts --------------------------------------------------------------------------------------------------- */

/* A link before it is signed: each part is open. */
typedef struct link_draft {
    char magic[4];
    const char *label; /* that it is signed under */
    uint8_t version, type;
    uint16_t suite;
    uint64_t seq, time_ms;
    edn_hash prev;
    edn_account_id account;
    edn_device_id signer; /* zero: the AIK */
    edn_sign_sk sk;       /* the signer's */
    edn_buf body;
    links_device device; /* what it adds */
    edn_sign_pk new_aik;
    edn_sign_sk new_aik_sk;
    uint32_t flags;
} link_draft;

/* A good link of this type. Free its body. */
void links_draft(links *l, link_draft *d, edn_link_type type);
/* Signs and appends. */
void links_put(edn_buf *out, const link_draft *d);
/* A device that does not exist yet. */
void links_new_device(links *l, links_device *d);
/* The body of a REVOKE_ROTATE of these devices, each with `cuts_n` cuts at random spaces. */
void links_revoke_body(links *l, edn_buf *body, const edn_device_id *ids, uint32_t n, uint32_t cuts_n, uint32_t epoch);

#endif
