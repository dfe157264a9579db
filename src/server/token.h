/* token: short-lived EdDSA JWTs (RFC 7519, RFC 8037; SECURITY 2.11), made and checked. Pure. */
#ifndef EDN_SERVER_TOKEN_H
#define EDN_SERVER_TOKEN_H

#include "crypto/verify.h"
#include "server/meta.h"

#define EDN_TOKEN_TTL_MAX_S 600u
#define EDN_TOKEN_KEYS_MAX 2u

typedef struct edn_token_claims {
    edn_subject subject;
    edn_device_id device; /* zero: signed in by passphrase, which may do little */
    uint64_t log_seq;     /* of the device log's last link when it was issued */
    uint64_t issued_s, not_before_s, expires_s;
    uint8_t id[8];
} edn_token_claims;

/* A key that tokens may be signed with. */
typedef struct edn_token_key {
    char kid[8];
    edn_sign_pk pk;
} edn_token_key;

/* Appends a token. `issuer` needs no escapes in JSON (an origin does not). */
void edn_token_make(edn_buf *out, const edn_token_claims *c, const char *issuer, const char *kid,
                    const edn_sign_sk *sk);

/* Whether a token is exactly one of ours and in force: three parts of canonical base64url, at most 2 KiB; header
 * exactly alg, typ and kid; the claims that edn_token_make writes, each once, and no others; a signature by the key
 * that kid names; not_before <= now < expires <= issued + 600. `token` may be hostile. */
EDN_MUST_USE bool edn_token_check(edn_bytes token, const edn_token_key *keys, size_t n, const char *issuer,
                                  uint64_t now_s, edn_token_claims *out);

#endif
