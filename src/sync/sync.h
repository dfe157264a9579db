/* sync: a device's side of one sync as a state machine: told what happened, it says what to do. Pure: it does no I/O,
 * asks no clock, and trusts nothing that came over a wire before it has checked it (SECURITY 2.6, 2.8, 2.10).
 *
 *     edn_sync_new ─▶ edn_sync_step ─▶ REQUEST ─▶ edn_sync_answered ─┐
 *                      ▲         └───▶ SAVE ────▶ edn_sync_saved ────┤
 *                      └─────────────────────────────────────────────┘   … until DONE
 *
 * What it takes over: probing, logging in, pushing this device's batches, pulling others', checking the device log
 * against what is pinned, checking every batch in the order of SECURITY 2.8, gossip, refilling a server that lost
 * something, and proving with a receipt that the server holds exactly the present state. What it leaves to its driver:
 * carrying requests, keeping bytes, applying records. */
#ifndef EDN_SYNC_H
#define EDN_SYNC_H

#include "devlog/devlog.h"
#include "keys/keys.h"
#include "wire/wire.h"

/* What the engine may look up in the device's store while it runs. Everything was verified before it was kept. It is
 * asked for what `heads` named and, from edn_sync_saved on, for what was saved. */
typedef struct edn_sync_view {
    void *ctx;
    /* The outer key of the space for an epoch; false: not here. */
    bool (*space_key)(void *ctx, uint32_t epoch, edn_space_key *out);
    /* The hash of a held batch; false: not held. */
    bool (*batch_hash)(void *ctx, const edn_device_id *device, uint64_t dseq, edn_hash *out);
    /* Appends a held batch, link, or box named by a link; EDN_E_MISSING. A batch that gives EDN_E_DAMAGED ends the
     * sending of its device's, any other failure ends the sync. */
    edn_status (*batch)(void *ctx, const edn_device_id *device, uint64_t dseq, edn_buf *out);
    edn_status (*link)(void *ctx, uint64_t seq, edn_buf *out);
    edn_status (*box)(void *ctx, const edn_hash *hash, edn_buf *out);
} edn_sync_view;

/* A head that a batch of somebody names and that is not here yet: the server owes it. */
typedef struct edn_claim {
    edn_head head;
    edn_device_id by;  /* who has seen it */
    uint64_t since_ms; /* by this device's clock */
    uint32_t syncs;    /* completed since then without it */
} edn_claim;
#define EDN_CLAIMS_MAX 256u
#define EDN_CLAIM_GRACE_MS 600000u
#define EDN_CLAIM_GRACE_SYNCS 2u

/* What is known of the server from earlier syncs; kept by the driver between them. */
typedef struct edn_sync_remote {
    const char *origin;                 /* normalised; what the login must name */
    edn_sign_pk receipt_pk;             /* pinned at first contact; zero: not known yet */
    edn_hash name_hash;                 /* for registering the account again with a server that lost it */
    char token[EDN_TOKEN_SIZE_MAX + 1]; /* empty: none */
    uint64_t token_expires_s;           /* by the server's clock */
    int64_t clock_offset_s; /* server's clock minus ours, from the last login: for token expiry and for nothing else */
    uint64_t log_count;     /* what the newest receipt covers */
    edn_hash log_head;
    edn_head *heads; /* ascending; malloc'ed, owned by this struct */
    size_t heads_n;
    uint64_t recovery;   /* which change of the account's recoveries the server told of last; 0: of none. Not in _put */
    edn_receipt receipt; /* time 0: none */
    uint64_t receipt_local_ms;
} edn_sync_remote;
void edn_sync_remote_dispose(edn_sync_remote *r);
/* For keeping. The bytes hold the token: seal them. */
void edn_sync_remote_put(edn_buf *out, const edn_sync_remote *r);
EDN_MUST_USE edn_status edn_sync_remote_decode(edn_bytes in, char origin[EDN_ORIGIN_SIZE_MAX + 1],
                                               edn_sync_remote *out);

typedef struct edn_sync_setup {
    edn_sync_view view;
    edn_random random;
    edn_account_id account;
    edn_device_id device;
    const edn_sign_sk *sk; /* borrowed while the engine lives */
    edn_space_id space;
    uint8_t probe[EDN_PROBE_SIZE];
    const edn_devlog *log; /* the verified log; copied */
    const edn_head *heads; /* what is held here, this device's own included; copied; ascending */
    size_t heads_n;
    const edn_head *late; /* up to where what revoked devices sent behind their cuts is settled; copied; ascending */
    size_t late_n;
    const edn_claim *claims; /* copied */
    size_t claims_n;
    edn_sync_remote *remote;        /* updated in place; borrowed while the engine lives */
    const uint8_t *channel_binding; /* 32 bytes, or NULL: no TLS */
    bool full;                      /* skip the probe: pull in any case */
    /* A token of an account there, for registering a shared space at a server that takes no new accounts; sent when
     * that has refused, and never else: it says whose space it is. NULL, or empty: none. Borrowed while the engine
     * lives. */
    const char *sponsor;
} edn_sync_setup;

typedef struct edn_sync edn_sync;
EDN_MUST_USE edn_status edn_sync_new(const edn_sync_setup *options, edn_sync **out);
void edn_sync_free(edn_sync *s);

typedef enum edn_sync_kind {
    EDN_SYNC_REQUEST, /* carry it, then edn_sync_answered */
    /* Keep links and batches, apply the records, and settle what came late, all in one durable step; then
     * edn_sync_saved. */
    EDN_SYNC_SAVE,
    EDN_SYNC_DONE,
} edn_sync_kind;

/* A batch that passed every check, with its opened body. */
typedef struct edn_sync_batch {
    edn_batch batch;
    edn_hash hash;
    edn_body body;
} edn_sync_batch;

/* A batch behind the cut of its author, a device that was revoked. It bears that device's signature, continues its
 * chain, and was made, as it says, under a log in which the device was not revoked yet: written honestly and sent too
 * late, or by whoever has the device. It counts for nothing; the driver sets it aside or lets it be, remembers it as
 * settled (edn_sync_setup.late), and is not given it again. */
typedef struct edn_sync_late {
    edn_sync_batch batch;
    edn_status status; /* EDN_OK: it opened; else why there is nothing in it to set aside, and `body` is empty */
} edn_sync_late;

typedef struct edn_sync_action {
    edn_sync_kind kind;
    /* REQUEST: */
    bool post; /* else GET */
    const char *path;
    const char *bearer; /* NULL: none */
    edn_bytes body;
    size_t answer_size_max;
    /* SAVE: */
    const edn_bytes *links; /* what follows the log's present end */
    size_t links_n;
    const edn_sync_batch *batches; /* each device's in order, causes before effects where both are here */
    size_t batches_n;
    const edn_sync_late *late; /* each device's in order */
    size_t late_n;
    /* DONE: */
    /* EDN_OK also with findings; else why nothing more could be done: EDN_E_FORK (another device log than the pinned
     * one), _CLONE (this device's keys are at work elsewhere), _AUTH (the server calls itself otherwise), _DENIED,
     * _RATE, _FULL, _SERVER, what `carried` or `saved` said, or a failure here (_NOMEM, the view's). All but _RATE,
     * _FULL and what came from outside have a finding that says it in words. A later sync goes on from what was
     * saved. */
    edn_status status;
} edn_sync_action;

/* What to do next; borrowed until the next call of any kind. Asked again without an answer, it says the same. */
edn_sync_action edn_sync_step(edn_sync *s, uint64_t now_ms);
/* `carried` is EDN_OK with an HTTP status and body, or why nothing came. The body may be hostile. */
void edn_sync_answered(edn_sync *s, uint64_t now_ms, edn_status carried, int http_status, uint32_t retry_after_s,
                       edn_bytes body);
/* EDN_OK: all of it is durable here. Anything else ends the sync with that status. */
void edn_sync_saved(edn_sync *s, uint64_t now_ms, edn_status st);

/* ---- what came out ----------------------------------------------------------------------------------------------- */

/* Something the other side or a peer did wrong. `device` and `dseq` name the batch where there is one; `link_seq` the
 * link. `evidence` is the refused object, to be kept aside; empty when there is none. */
typedef struct edn_sync_finding {
    edn_status status;
    char text[400];
    bool has_device, has_link;
    edn_device_id device;
    uint64_t dseq, link_seq;
    edn_bytes evidence; /* borrowed while the engine lives */
} edn_sync_finding;

size_t edn_sync_findings(const edn_sync *s, const edn_sync_finding **out); /* borrowed while the engine lives */
size_t edn_sync_claims(const edn_sync *s, const edn_claim **out);          /* what is still owed: keep it */
const edn_devlog *edn_sync_log(const edn_sync *s);                         /* with the links saved so far */

typedef struct edn_sync_figures {
    uint32_t round_trips;
    uint64_t batches_sent, batches_received, links_sent, links_received, refilled;
    bool synced;            /* the remote's receipt covers exactly the log and heads that are here */
    bool rolled_back;       /* the server held less than it had signed for */
    uint64_t clone_dseq;    /* on EDN_E_CLONE: the last batch of ours that the server and we agree on */
    uint32_t retry_after_s; /* on EDN_E_RATE: how long the server asks to wait; 0: it did not say */
} edn_sync_figures;
edn_sync_figures edn_sync_figures_of(const edn_sync *s);

/* Checks one batch as the engine does, without a server: used by the engine itself and by `verify`. Order and classes
 * are those of SECURITY 2.8 (docs/spec/batches.md), but for gossip, which needs more than one batch: `out->body.heads`
 * is what it says. `last` is the device's newest batch held (dseq 0: none). On EDN_OK the opened body lives in `arena`,
 * and the batch borrows `bytes`. EDN_E_EXISTS: this very batch is held already. The bytes may be hostile. */
typedef struct edn_batch_check {
    const edn_devlog *log;
    edn_space_id space;
    edn_head last;
    const edn_sync_view *view;
} edn_batch_check;
EDN_MUST_USE edn_status edn_batch_check_run(const edn_batch_check *check, edn_bytes bytes, edn_arena *arena,
                                            edn_sync_batch *out);

#endif
