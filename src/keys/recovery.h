/* keys/recovery: with every device lost, a key on paper or in the hands of friends (SECURITY 2.14). Pure; nothing here
 * branches on a secret or looks up memory by one, words being read and written among it. */
#ifndef EDN_KEYS_RECOVERY_H
#define EDN_KEYS_RECOVERY_H

#include "keys/keys.h"

/* ---- the recovery key and its box -------------------------------------------------------------------------------- */

EDN_KEY_TYPE(edn_recovery_key) /* RKEY */

typedef struct edn_recovery_secret {
    edn_seed aik_seed;
    edn_root_key root;
    uint64_t sc_seq; /* the last link that its writer knew */
    edn_hash sc_head;
} edn_recovery_secret;
EDN_SECRET_TYPE(edn_recovery_secret)

#define EDN_RECOVERY_BOX_SIZE (104u + EDN_SEAL_OVERHEAD)
/* `epoch` is that of `secret->root`: the log's where the SET_RECOVERY link stands. Open: EDN_E_AUTH. */
EDN_MUST_USE edn_status edn_recovery_box_seal(edn_buf *out, const edn_recovery_key *k, const edn_account_id *account,
                                              const edn_share_set_id *set, uint32_t epoch,
                                              const edn_recovery_secret *secret, const edn_random *rng);
EDN_MUST_USE edn_status edn_recovery_box_open(const edn_recovery_key *k, const edn_account_id *account,
                                              const edn_share_set_id *set, uint32_t epoch, edn_bytes box,
                                              edn_recovery_secret *out);

/* ---- shares (Shamir over GF(2^8), for contacts) ------------------------------------------------------------------ */

#define EDN_SHARED_SECRET_SIZE_MAX 32u

/* One of a set; a secret. */
typedef struct edn_share {
    uint8_t x; /* 1 to n */
    uint8_t y[EDN_SHARED_SECRET_SIZE_MAX];
    uint8_t blind[16];
} edn_share;
EDN_SECRET_TYPE(edn_share)

/* What all shares of a set have in common; public but for what they hide. */
typedef struct edn_share_set {
    edn_account_id account;
    edn_share_set_id id;
    uint8_t needed, n;   /* T of N: 1 <= needed <= n <= EDN_SHARES_MAX */
    uint8_t secret_size; /* 16 to EDN_SHARED_SECRET_SIZE_MAX */
} edn_share_set;

/* shares[i].x is i + 1. Randomness: needed - 1 times secret_size bytes of coefficients, from the lowest, then n blinds.
 * Asserts the bounds of `set`. */
void edn_shares_split(edn_share *shares, const edn_share_set *set, const uint8_t *secret, const edn_random *rng);
/* What the SET_RECOVERY link says of a share: H32(T("EDNv1/share"; account, set id, u8 T, u8 N, u8 x, y, blind)). */
edn_hash edn_share_commitment(const edn_share_set *set, const edn_share *share);
/* EDN_E_FORMAT: the set's bounds; EDN_E_AUTH: not the share that the link speaks of: false, damaged, or of another set.
 * `commitments` are the link's, in order of x. */
EDN_MUST_USE edn_status edn_share_check(const edn_share_set *set, const edn_hash *commitments, const edn_share *share);
/* The secret from at least `needed` shares. Each is checked first; *which (NULL is allowed) is then the first that is
 * wrong: EDN_E_AUTH as above, EDN_E_EXISTS: the same x again. EDN_E_MISSING: too few; EDN_E_LIMIT: more than n. A
 * failure leaves `secret` zero. */
EDN_MUST_USE edn_status edn_shares_combine(uint8_t *secret, const edn_share_set *set, const edn_hash *commitments,
                                           const edn_share *shares, size_t n, size_t *which);

/* ---- shares with contacts (docs/spec/sharing.md) ----------------------------------------------------------------- */

#define EDN_SHARE_SIZE 49u /* x 1 ‖ y 32 ‖ blind 16 */

/* What a contact is sent to keep: the payload of a letter. A secret. */
typedef struct edn_entrusted {
    edn_share_set_id set;
    uint8_t needed, n;
    edn_share share;
} edn_entrusted;
EDN_SECRET_TYPE(edn_entrusted)
void edn_entrusted_put(edn_buf *out, const edn_entrusted *e);
/* EDN_E_FORMAT. Whether it is a share of that set is not known before edn_share_check. */
EDN_MUST_USE edn_status edn_entrusted_read(edn_bytes in, edn_entrusted *out);

/* A machine that has nothing left asks for shares under a key that it made for that. Everything here is public. */
typedef struct edn_share_request {
    edn_account_id account;
    edn_share_set_id set;
    edn_dh_pk key;
} edn_share_request;
/* Which it is: H32(T("EDNv1/share/request"; account, set id, key)). */
edn_hash edn_share_request_id(const edn_share_request *r);
/* What two people compare: the first 80 bits of its id, as eight words. Nobody finds a second key with the same. */
#define EDN_REQUEST_WORDS 8u
#define EDN_REQUEST_WORDS_SIZE 72u
void edn_share_request_words(char out[EDN_REQUEST_WORDS_SIZE], const edn_share_request *r);
/* Whether `text` says these words: in either case, blanks between, and of each at least the first four letters, which
 * no two words of the list share. */
EDN_MUST_USE bool edn_share_request_fits(const edn_share_request *r, const char *text);

/* A share, sealed for one request: u8 1 ‖ enc 32 ‖ HPKE ciphertext of the share 65; info T("EDNv1/share/give"; account,
 * set id, request id). EDN_E_KEY_INVALID: the request's key. Open: EDN_E_FORMAT; EDN_E_AUTH: of another request. */
#define EDN_GIVE_SIZE 98u
EDN_MUST_USE edn_status edn_give_seal(edn_buf *out, const edn_share_request *r, const edn_share *share,
                                      const edn_random *rng);
EDN_MUST_USE edn_status edn_give_open(const edn_share_request *r, const edn_dh_sk *sk, edn_bytes give, edn_share *out);

/* ---- shares as words (SLIP-0039, for paper) ---------------------------------------------------------------------- */

#define EDN_WORD_COUNT 1024u
#define EDN_WORDS_MAX 33u /* of a share of 32 bytes; 16 bytes take 20 */
#define EDN_WORDS_PASSPHRASE_MAX 64u
#define EDN_WORDS_EXPONENT_MAX 10u /* 10 million HMACs, seconds: more is refused (EDN_E_KDF), whoever asks for it */

/* One share, in the words of the format; a secret. */
typedef struct edn_word_share {
    uint16_t id; /* 15 bits, random: the same in all of a set */
    bool extendable;
    uint8_t exponent; /* 10,000 << exponent iterations */
    uint8_t group, group_needed, group_n;
    uint8_t member, member_needed;
    uint8_t size; /* of value */
    uint8_t value[EDN_SHARED_SECRET_SIZE_MAX];
} edn_word_share;
EDN_SECRET_TYPE(edn_word_share)

typedef struct edn_word {
    char text[9];
} edn_word;

/* The share's words. No memory is looked up by them: only the lengths show, once they are printed. */
void edn_words_of(const edn_word_share *share, edn_word words[EDN_WORDS_MAX], size_t *n);
/* Words in either case with blanks between. EDN_E_INVALID: not a share. `err` says which word is not in the list, or
 * which one is wrong when the checksum says that it is only one, and never what it says or should say. */
EDN_MUST_USE edn_status edn_words_parse(edn_bytes text, edn_word_share *out, edn_err *err);

/* How to split: group_needed of group_n groups, and in each so many of its members. A group of which one member is
 * enough has only one. */
typedef struct edn_words_plan {
    uint8_t group_needed, group_n, exponent;
    struct {
        uint8_t needed, n;
    } groups[EDN_SHARES_MAX];
} edn_words_plan;
/* Fills `out`, in the order of groups and members. EDN_E_INVALID: a secret not of 16 or 32 bytes, the plan, or a
 * passphrase that is not at most 64 printable ASCII characters. The passphrase (may be empty) enciphers the secret. */
EDN_MUST_USE edn_status edn_words_split(edn_word_share *out, const edn_words_plan *plan, edn_bytes secret,
                                        edn_bytes passphrase, const edn_random *rng);
/* The secret, of shares[0].size bytes; more shares than needed are fine. EDN_E_MISSING: not enough; EDN_E_INVALID: of
 * different sets; EDN_E_EXISTS: one of them twice; EDN_E_AUTH: the digest says that a share is false (four bytes: it
 * finds accidents, not a dishonest holder); EDN_E_KDF. `err` says which. A wrong passphrase is not noticed: it gives
 * another secret. */
EDN_MUST_USE edn_status edn_words_combine(uint8_t *secret, const edn_word_share *shares, size_t n, edn_bytes passphrase,
                                          edn_err *err);

#endif
