/* What the files of src/sync share. */
#ifndef EDN_SYNC_PRIV_H
#define EDN_SYNC_PRIV_H

#include "sync.h"

#define ROUNDS_MAX 10000u /* requests in one sync */
#define STALLS_MAX 2u     /* pulls in a row that brought nothing */
#define FINDINGS_MAX 256u
#define EVIDENCE_SIZE_MAX (16u << 20) /* of all findings together */
#define ROUND_MEMORY_MAX (64u << 20)  /* what one answer may make us allocate: an answer of 8 MiB needs about 32 */
#define TOKEN_MARGIN_S 5u

/* ---- maps of heads ----------------------------------------------------------------------------------------------- */

/* Strictly ascending by device id, at most EDN_HEADS_MAX. */
typedef struct head_map {
    edn_head *p;
    size_t n, cap;
} head_map;

void edn_head_map_dispose(head_map *m);
/* EDN_E_NOMEM, EDN_E_LIMIT: more than EDN_HEADS_MAX. `heads` ascends. A failure leaves the map as it was. */
EDN_MUST_USE edn_status edn_head_map_copy(head_map *m, const edn_head *heads, size_t n);
EDN_MUST_USE edn_status edn_head_map_set(head_map *m, const edn_head *head);
void edn_head_map_remove(head_map *m, const edn_device_id *device);
/* {device, 0, zero} when the map has none. */
edn_head edn_head_map_get(const head_map *m, const edn_device_id *device);

static inline bool hash_equal(const edn_hash *a, const edn_hash *b) { return memcmp(a->b, b->b, sizeof a->b) == 0; }
static inline bool device_equal(const edn_device_id *a, const edn_device_id *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

/* ---- checking one batch ------------------------------------------------------------------------------------------ */

/* A batch taken apart, with the hashes that cost a pass over its bytes. */
typedef struct batch_in {
    edn_batch batch;
    edn_hash c_hash, hash;
} batch_in;

/* What an authority (the device log) says of a batch's author: EDN_OK; or why the batch is refused. *known: `pk` is the
 * author's key, so that a refusal that accuses the author can be held back until its signature is checked. */
typedef struct batch_author {
    void *ctx;
    edn_status (*fn)(void *ctx, const batch_in *in, edn_sign_pk *pk, bool *known);
} batch_author;

EDN_MUST_USE edn_status edn_batch_in_decode(edn_bytes bytes, batch_in *out);
/* All of SECURITY 2.8's order behind the decoding. */
EDN_MUST_USE edn_status edn_batch_in_check(const batch_in *in, const batch_author *author, const edn_space_id *space,
                                           const edn_head *last, const edn_sync_view *view, edn_arena *arena,
                                           edn_sync_batch *out);
batch_author edn_batch_author_in_log(const edn_batch_check *check);
/* Of a batch behind its author's cut; `check->last` is the newest that is settled. EDN_E_EXISTS: settled before. *its:
 * it is the next of that device's, signed by it: then the answer is EDN_OK, or why it does not open. */
EDN_MUST_USE edn_status edn_batch_late_check(const edn_batch_check *check, const batch_in *in, edn_arena *arena,
                                             edn_sync_batch *out, bool *its);

/* ---- the engine -------------------------------------------------------------------------------------------------- */

typedef enum sync_state {
    SYNC_IDLE,
    SYNC_PROBE,
    SYNC_INFO,
    SYNC_CHALLENGE,
    SYNC_LOGIN,
    SYNC_REGISTER,
    SYNC_PULL,
    SYNC_APPEND,
    SYNC_PUSH,
    SYNC_SAVE,
    SYNC_DONE,
    SYNC_STATE_COUNT
} sync_state;

/* A device that something is the matter with in this sync; only devices of the log are here. */
typedef struct peer {
    edn_device_id id;
    bool suspect;    /* the server's head contradicts ours: its batches after `agreed` are asked for as proof */
    bool asked;      /* suspect, and the request under way asks for them */
    uint64_t agreed; /* suspect: the last number at which both are known to agree; never too high */
    bool proven;     /* this device: a batch that it did not write bears its signature, or a peer names one */
    bool exact;      /* proven, and `agreed` is the very place where the two part */
    bool stopped;    /* nothing more is taken from it or sent of it in this sync */
    bool keyless;    /* stopped, because there is no key yet for what the server gives out of it */
    bool fork_told;  /* gossip about it contradicted what is held: said once */
    bool unreadable; /* the store does not give a batch of it that is to be sent */
    bool unsendable; /* the server refused a push of its batches alone */
    uint64_t held;   /* a batch of this number came that waits for others; 0: none */
} peer;

typedef struct round_entry round_entry;
typedef struct round_group round_group;

struct edn_sync {
    edn_sync_setup setup; /* with `heads`, `late` and `claims` moved into what follows */
    edn_devlog *log;      /* what is durable here */
    edn_devlog *next_log; /* the same with the links that SAVE carries; NULL: no links */
    head_map have;        /* what is held here, with what SAVE carries */
    head_map late;        /* what is settled here of what came behind cuts, with what SAVE carries */
    edn_claim *claims;    /* EDN_CLAIMS_MAX */
    size_t claims_n;

    /* The server's state as last claimed, proved or not; what it signed is in setup.remote. */
    head_map srv;
    uint64_t srv_log_count;
    edn_hash srv_log_head;
    edn_head own_signed; /* the newest batch of this device that it had signed for when the sync began */
    bool heard;          /* it was claimed in this sync */
    bool more;           /* its last answer was cut short */
    bool pull_first;     /* what is believed of it is wrong: ask before anything else */
    bool pull_last;      /* it may be wrong: ask once nothing is left to send */
    bool push_single;    /* it refused a push: from now on one device's batches each, so that one harms no other */

    sync_state state, after; /* after: what waits for a token */
    edn_status status;       /* of DONE */
    edn_status verdict;      /* found on the way: ends the sync once what is good is saved */
    const char *bearer;      /* of the request under way */
    uint32_t stalls;
    uint64_t lacks_min; /* the fewest batches and links that the server lacked in this sync */
    bool relogged, registered, sponsored, log_bad, save_failed;

    char path[96];
    edn_buf request;
    uint8_t client_nonce[32];
    head_map pushing;             /* the server's state if the push under way is taken as expected */
    edn_device_id pushing_device; /* the last of the push */
    uint64_t pushing_n, pushing_refill, appending_n;

    /* The round: one pull's answer. */
    edn_buf answer;
    edn_arena arena;
    round_entry *entries;
    round_group *groups;
    size_t groups_n;
    edn_sync_view round_view; /* setup.view, and what this round accepted */
    edn_bytes *save_links;
    size_t save_links_n;
    edn_sync_batch *save_batches;
    size_t save_batches_n;
    edn_sync_late *save_late;
    size_t save_late_n;
    bool progress;

    peer *peers; /* ascending by id */
    size_t peers_n, peers_cap;
    edn_sync_finding *findings; /* FINDINGS_MAX, once there is one */
    size_t findings_n, evidence_size;
    edn_sync_figures figures;
};

/* ---- findings (finding.c) ---------------------------------------------------------------------------------------- */

/* What a finding is about; all may be NULL or empty. */
typedef struct about {
    const edn_device_id *device;
    uint64_t dseq;
    const uint64_t *link_seq;
    edn_bytes evidence; /* copied */
} about;

/* The same thing is said once. EDN_E_NOMEM. */
EDN_MUST_USE edn_status edn_sync_find(edn_sync *s, edn_status st, const about *a, const char *fmt, ...)
    EDN_PRINTF(4, 5);
void edn_sync_findings_dispose(edn_sync *s);
/* The first 8 bytes of a device's id as hex: what texts call it. */
typedef struct device_text {
    char s[17];
} device_text;
device_text edn_device_text(const edn_device_id *id);

/* ---- what differs (state.c) -------------------------------------------------------------------------------------- */

static inline bool is_self(const edn_sync *s, const edn_device_id *id) { return device_equal(id, &s->setup.device); }
/* Whether the device was revoked; *cut: its last batch that counts here. */
bool edn_sync_cut(const edn_sync *s, const edn_device_id *device, edn_head *cut);
/* Of a revoked device of which all that counts is here: the last of its batches that is held or settled. */
edn_head edn_sync_settled(const edn_sync *s, const edn_device_id *device);
/* A head as it counts: of a revoked device at most its cut. */
edn_head edn_sync_effective(const edn_sync *s, const edn_head *head);
/* Where the device's chain begins (devlog.h): what is at or below it need be neither held nor sent. {dseq 0}: at 1. */
edn_head edn_sync_base(const edn_sync *s, const edn_device_id *device);
/* What is held of others begins at their bases at the least, whatever was held before. */
EDN_MUST_USE edn_status edn_sync_bases_take(edn_sync *s);
bool edn_sync_log_signed(const edn_sync *s); /* the newest receipt names the log that is here */
bool edn_sync_covered(const edn_sync *s);    /* the newest receipt is of exactly what is here */
bool edn_sync_lacks_here(const edn_sync *s); /* the server claims something that may still be taken */
/* The last of a device's batches that the server has, or need not have any more. */
edn_head edn_sync_sent_until(const edn_sync *s, const edn_device_id *device);
uint64_t edn_sync_sendable(const edn_sync *s, const edn_head *mine); /* how many of its batches the server lacks */
bool edn_sync_lacks_batches_there(const edn_sync *s); /* something is here that the server could be sent */
uint64_t edn_sync_lacks_there_count(const edn_sync *s);
const peer *edn_peer_find(const edn_sync *s, const edn_device_id *id); /* NULL: nothing is the matter */
EDN_MUST_USE edn_status edn_peer_get(edn_sync *s, const edn_device_id *id, peer **out);
/* Its batches after a number that both sides agree on are to be asked for. `below`: the contradiction is here. */
void edn_peer_suspect(const edn_sync *s, peer *p, uint64_t below);
/* The hash of a batch held here or accepted in this round. */
bool edn_sync_hash_of(const edn_sync *s, const edn_device_id *device, uint64_t dseq, edn_hash *out);
/* The receipt over this state is good and becomes what the server signed; or a finding. */
EDN_MUST_USE edn_status edn_sync_receipt_take(edn_sync *s, uint64_t now_ms, const edn_receipt *receipt,
                                              const head_map *heads);

/* ---- gossip (claim.c) -------------------------------------------------------------------------------------------- */

/* A head that `by` names in its batch `evidence`. */
EDN_MUST_USE edn_status edn_sync_gossip(edn_sync *s, uint64_t now_ms, const edn_head *head, const edn_device_id *by,
                                        edn_bytes evidence);
/* What the last checkpoint of the device log names of this space is owed, what has arrived is no longer. */
EDN_MUST_USE edn_status edn_sync_claims_update(edn_sync *s, uint64_t now_ms);
/* A sync was completed: the debts grow older. */
EDN_MUST_USE edn_status edn_sync_claims_age(edn_sync *s, uint64_t now_ms);

/* ---- requests (request.c) ---------------------------------------------------------------------------------------- */

/* Writes the request of the state into s->path and s->request. EDN_E_MISSING: there is nothing to send after all. */
EDN_MUST_USE edn_status edn_sync_request_make(edn_sync *s, sync_state state, const edn_msg_challenge *challenge);

/* ---- one pull's answer (round.c) --------------------------------------------------------------------------------- */

/* Everything in it is checked; what is good waits in save_links and save_batches. EDN_E_FORMAT: not of this
 * protocol. */
EDN_MUST_USE edn_status edn_sync_round_take(edn_sync *s, uint64_t now_ms, edn_bytes body);
void edn_sync_round_end(edn_sync *s);

#endif
