/* What the files of ednd's core share. */
#ifndef EDN_SERVER_PRIV_H
#define EDN_SERVER_PRIV_H

#include "server.h"
#include "server/token.h"

#include "base/base.h"

/* ---- accounts in memory (account.c) ------------------------------------------------------------------------------ */

/* An account, its device log and its personal space, as the store has them plus what the present group staged. Lives in
 * the cache; a pointer to one is good until the end of edn_server_handle (or the next call, for those beside it). */
typedef struct server_account {
    edn_meta_account row;
    edn_meta_space space;
    edn_meta_recovery recovery;
    edn_devlog *log;
    uint64_t kdf_seq; /* the link that set the login key; UINT64_MAX: none did */
    edn_head *heads;  /* ascending by device */
    size_t heads_n, heads_cap;
    edn_hash heads_hash;
    edn_etag etag;
    edn_receipt receipt; /* of this state, when signed_ok */
    bool signed_ok;
    bool row_dirty, space_dirty, moved; /* staged and not written yet; the state is another than before the group */
    bool in_group;
    struct server_account *group_next;
    struct server_account *by_id_next, *by_probe_next, *lru_prev, *lru_next;
    size_t size; /* what it counts in the cache */
} server_account;

typedef struct server_cache {
    server_account **by_id, **by_probe; /* chained tables of SERVER_CACHE_SLOTS */
    server_account *newest, *oldest;
    size_t n, size;
    uint64_t seed;
} server_cache;
#define SERVER_CACHE_SLOTS 4096u

EDN_MUST_USE edn_status edn_server_cache_init(edn_server *s);
void edn_server_cache_dispose(edn_server *s);
/* EDN_E_MISSING: no such account. */
EDN_MUST_USE edn_status edn_server_account_get(edn_server *s, const edn_account_id *id, server_account **out);
EDN_MUST_USE edn_status edn_server_account_by_probe(edn_server *s, const edn_hash *probe, server_account **out);
/* A new account with its first links, staged. Takes `log` on success. */
EDN_MUST_USE edn_status edn_server_account_add(edn_server *s, edn_devlog *log, server_account **out);
/* Marks it as touched by the group, so that a failed commit forgets it. */
void edn_server_account_stage(edn_server *s, server_account *a);
void edn_server_account_forget(edn_server *s, server_account *a);
/* It equals its rows again. */
void edn_server_account_settle(edn_server *s, server_account *a);
/* After a change of log or heads. */
void edn_server_account_moved(server_account *a);
void edn_server_account_set_probe(edn_server *s, server_account *a, const edn_hash *probe);
/* Room for one more head, before anything is staged. */
EDN_MUST_USE edn_status edn_server_account_reserve(server_account *a, size_t heads_more);
void edn_server_account_set_head(server_account *a, const edn_head *h);
/* Takes a log in the place of the present one, and learns what it says of login keys from link `from` on. */
void edn_server_account_take_log(server_account *a, edn_devlog *log, const edn_bytes *links, size_t n);
/* Forgets the least used until the cache is below its limit. */
void edn_server_cache_trim(edn_server *s);

/* ---- limits (limit.c) -------------------------------------------------------------------------------------------- */

typedef enum limit_kind {
    LIMIT_LOGIN_ACCOUNT,
    LIMIT_LOGIN_ADDRESS,
    LIMIT_PASSPHRASE,
    LIMIT_API,
    LIMIT_BYTES,
    LIMIT_MAILBOX_OPEN,
    LIMIT_MAILBOX,
    LIMIT_LOOKUP_ACCOUNT,
    LIMIT_LOOKUP_ADDRESS,
    LIMIT_INBOX,
    LIMIT_SPACES,
    LIMIT_KIND_COUNT,
} limit_kind;

typedef struct limit_entry {
    uint64_t key; /* 0: empty */
    uint64_t last_ms, blocked_ms;
    double left;
    uint32_t delay_s; /* of the next block, when the kind has any */
} limit_entry;

typedef struct limit_table {
    limit_entry *entries;
    uint64_t seed;
} limit_table;

/* A bucket: `per_s` come in, up to `burst`. `delay_max_s` > 0: a caller that finds it empty is shut out for a time that
 * doubles with every such call, and starts anew once the bucket was full. */
typedef struct limit_rule {
    double per_s, burst;
    uint32_t delay_max_s;
} limit_rule;

EDN_MUST_USE edn_status edn_limit_init(limit_table *t, uint64_t seed);
void edn_limit_dispose(limit_table *t);
/* Takes `cost`, or says how many seconds to wait (at least 1). A cost above the burst passes when the bucket is
 * full. */
EDN_MUST_USE bool edn_limit_take(limit_table *t, limit_kind kind, edn_bytes who, const limit_rule *rule, double cost,
                                 uint64_t now_ms, uint32_t *retry_after_s);
/* Takes it in any case, for what is known too late to refuse: the debt is paid before the next. */
void edn_limit_spend(limit_table *t, limit_kind kind, edn_bytes who, const limit_rule *rule, double cost,
                     uint64_t now_ms);

/* ---- sessions (login.c) ------------------------------------------------------------------------------------------ */

typedef struct token_entry {
    edn_hash hash; /* of the token */
    edn_token_claims claims;
    edn_account_id account;
} token_entry;

typedef struct used_nonce {
    uint8_t nonce[16];
    uint64_t expires_s;
} used_nonce;

/* Who asks: from a checked token. */
typedef struct server_caller {
    server_account *account;
    edn_device_id device;
    bool passphrase; /* no device: may read the log and its boxes, and add a device */
    uint64_t expires_s, log_seq;
} server_caller;

/* EDN_E_DENIED for every token that is not good, whatever is wrong with it. */
EDN_MUST_USE edn_status edn_server_caller_of(edn_server *s, edn_bytes bearer, server_caller *out);
void edn_server_challenge(edn_server *s, const edn_server_request *rq, edn_server_answer *out);
void edn_server_login(edn_server *s, const edn_server_request *rq, edn_server_answer *out);

/* ---- mailboxes (mailbox.c) --------------------------------------------------------------------------------------- */

typedef struct server_mailbox server_mailbox;
/* What a put has beside its message: version 1 ‖ kind 1 ‖ rendezvous 16 ‖ side 1 ‖ number 8 ‖ length 4. */
#define MAIL_OVERHEAD 31u
EDN_MUST_USE edn_status edn_server_mailboxes_init(edn_server *s);
void edn_server_mailboxes_dispose(edn_server *s);
void edn_server_mailbox(edn_server *s, const edn_server_request *rq, edn_server_answer *out);

/* ---- blobs that nothing names (sweep.c) -------------------------------------------------------------------------- */

typedef enum sweep_state {
    SWEEP_REST,
    SWEEP_LETTERS,
    SWEEP_RELEASED,
    SWEEP_NAMES,
    SWEEP_LARGE,
    SWEEP_FILES
} sweep_state;

typedef struct server_sweep {
    sweep_state state;
    uint64_t next_ms, began_ms;
    int64_t account; /* where the walk over rows goes on: after (account, after), or after `after` */
    edn_hash after;
    size_t rows; /* of this step */
    unsigned slice;
    uint64_t *places; /* of what is named; sorted from SWEEP_FILES on */
    size_t n, cap;
} server_sweep;

void edn_server_sweep_init(edn_server *s);
void edn_server_sweep_dispose(edn_server *s);

/* ---- recoveries that wait (recovery.c) --------------------------------------------------------------------------- */

/* What is ready may be fetched for this long; then it is over, and the next one waits anew. */
#define SERVER_RECOVERY_GOOD_S (30u * 86400u)
/* The account whose newest set of shares is this one, and how the recovery stands that was asked for by it.
 * EDN_E_DENIED: whatever does not fit. */
EDN_MUST_USE edn_status edn_server_recovery_state(edn_server *s, const edn_account_id *account, const uint8_t set[16],
                                                  server_account **a, uint8_t *state);
/* Requests for shares that others keep (shares.c). */
void edn_server_shares(edn_server *s, const edn_server_request *rq, edn_server_answer *out);
void edn_server_recovery(edn_server *s, const edn_server_request *rq, edn_server_answer *out);
void edn_server_held(edn_server *s, const server_caller *c, const edn_server_request *rq, edn_server_answer *out);

/* ---- the server (server.c) --------------------------------------------------------------------------------------- */

#define SERVER_TOKEN_SLOTS 4096u
#define SERVER_NONCE_SLOTS 4096u
#define SERVER_NONCE_LIFE_S 60u

struct edn_server {
    edn_server_config config;
    char origin[EDN_ORIGIN_SIZE_MAX + 1];
    uint8_t master_key[32];
    edn_meta meta;
    edn_blobs blobs;
    edn_clock clock;
    edn_random random;

    edn_sign_sk receipt_sk;
    edn_sign_pk receipt_pk;
    uint8_t subject_key[32], fake_key[32], nonce_key[32], log_key[32];
    uint64_t log_key_day;
    edn_account_id decoy_account;
    edn_hash decoy_name;
    uint64_t token_period; /* of token_sk */
    edn_sign_sk token_sk;
    edn_token_key token_keys[EDN_TOKEN_KEYS_MAX];
    size_t token_keys_n;

    server_cache cache;
    limit_table limits;
    token_entry *tokens;
    used_nonce *nonces;
    server_mailbox *mailboxes;
    size_t mail_size; /* of all messages in them */
    edn_arena arena;  /* of the request at hand */

    bool in_transaction;
    server_account *group; /* touched since the transaction began */
    edn_server_change *changes;
    size_t changes_n, changes_cap;
    edn_server_stats stats;
    server_sweep sweep;
};

uint64_t edn_server_now_s(const edn_server *s);

/* A request of a group on its way. */
typedef struct server_job {
    const edn_server_request *rq;
    edn_server_answer *out;
    server_caller caller;
    const struct server_route *route;
    bool counted; /* against its limits */
    bool weighed; /* against those that only its handler knows */
    bool staged;  /* `finish` is to be called once what was staged is durable */
    void (*finish)(edn_server *s, struct server_job *job);
    /* what the answer is made from: the state right after this request */
    edn_space_id space;
    uint64_t log_count;
    edn_hash log_head, heads_hash;
    int status;
    uint8_t flags;
    uint64_t letter_from; /* the first letter that is wanted */
    edn_buf dropped;      /* names of files that nothing names once this is durable, 32 bytes each */
} server_job;

void edn_server_job_state(server_job *job, const server_account *a);

/* Starts the transaction when it is the group's first write. */
EDN_MUST_USE edn_status edn_server_begin(edn_server *s);
/* Writes what was staged and commits. After a failure nothing of the group is left, in the store or in memory. */
EDN_MUST_USE edn_status edn_server_commit(edn_server *s);
void edn_server_rollback(edn_server *s);

/* The receipt of the account's present state, which must be durable. */
const edn_receipt *edn_server_receipt(edn_server *s, server_account *a);

/* Problems (RFC 9457): `code` is stable and ends up in "type". */
void edn_server_problem(edn_server_answer *out, int status, const char *code, const char *title);
/* The same with the number of the item that is to blame. */
void edn_server_problem_at(edn_server_answer *out, int status, const char *code, const char *title, size_t index);
void edn_server_failed(edn_server_answer *out, edn_status st); /* 500, 503 or 507 */
void edn_server_denied(edn_server_answer *out);
/* `st` is the decoder's: no memory is not the sender's fault. */
void edn_server_malformed(edn_server_answer *out, edn_status st);
void edn_server_limited(edn_server *s, edn_server_answer *out, uint32_t retry_after_s);

/* Handlers. Those of a group stage and set job->staged, or answer; a status other than EDN_OK means that the store
 * refused, and the group is undone. */
EDN_MUST_USE edn_status edn_server_accounts(edn_server *s, server_job *job); /* log.c */
EDN_MUST_USE edn_status edn_server_log(edn_server *s, server_job *job);
void edn_server_box(edn_server *s, const server_caller *c, const edn_server_request *rq, edn_server_answer *out);
EDN_MUST_USE edn_status edn_server_push(edn_server *s, server_job *job); /* push.c */
/* Whether the batches held at the bases that `log` names are those (reseal.c). */
EDN_MUST_USE edn_status edn_server_reseal_check(edn_server *s, const server_account *a, const edn_devlog *log,
                                                bool *ok);
/* Lets go of what the account's log says was sealed again; then, once that is durable, of its files. */
EDN_MUST_USE edn_status edn_server_reseal_stage(edn_server *s, server_job *job, server_account *a);
void edn_server_reseal_finish(edn_server *s, const server_job *job);
void edn_server_pull(edn_server *s, server_caller *c, const edn_server_request *rq,
                     edn_server_answer *out); /* pull.c */
void edn_server_probe(edn_server *s, const edn_server_request *rq, edn_server_answer *out);
void edn_server_batches(edn_server *s, const server_caller *c, const edn_server_request *rq, edn_server_answer *out);
EDN_MUST_USE edn_status edn_server_blob_put(edn_server *s, server_job *job); /* blob.c */
/* Whether the token is of an account's device; a space's is not enough. */
bool edn_server_is_person(const server_caller *c);
/* Whether who shows this has seen the log (edn_witness). */
bool edn_server_witnessed(const edn_devlog *log, const edn_witness *w);
void edn_server_lookup(edn_server *s, const server_caller *c, const edn_server_request *rq,
                       edn_server_answer *out);                           /* lookup.c */
EDN_MUST_USE edn_status edn_server_inbox(edn_server *s, server_job *job); /* inbox.c */
EDN_MUST_USE edn_status edn_server_shelf(edn_server *s, server_job *job);
void edn_server_blob_get(edn_server *s, const server_caller *c, const edn_server_request *rq, edn_server_answer *out);

/* Where a large batch lies in the blob store. */
edn_hash edn_server_batch_blob(const edn_hash *batch);
edn_hash edn_server_blob_place(const edn_account_id *account, const edn_hash *name);
/* Exactly n bytes in base64url. */
EDN_MUST_USE bool edn_server_path_id(edn_bytes text, void *out, size_t n);
/* Whether `more` bytes fit the account's quota. */
EDN_MUST_USE bool edn_server_has_room(const edn_server *s, const server_account *a, uint64_t bytes);

#endif
