/* sim: many devices, a server, their disks, their network and their people in one process and one thread, under a
 * virtual clock. One 64-bit seed decides everything: the same seed gives the same run, call by call.
 *
 *     people ──▶ device (src/client on crashvfs) ──▶ net ──▶ evil ──▶ server (src/server on crashvfs)
 *        │            │                                                   │
 *        └──▶ model ◀─┴── check: what a naive diary says against what the devices show and the server holds
 *
 * The model and the checks share no code with what they check. A tool for tests: it stops when the ground gives way. */
#ifndef EDN_SIM_H
#define EDN_SIM_H

#include <edn/client.h>
#include <edn/recovery.h>

#include "base/base.h"
#include "remote/remote.h"
#include "server/server.h"

#include "crashvfs.h"
#include "faults.h"

/* ---- randomness and time (rng.c) --------------------------------------------------------------------------------- */

typedef struct sim_rng {
    uint64_t s;
} sim_rng;
uint64_t sim_next(sim_rng *r);
uint64_t sim_below(sim_rng *r, uint64_t n);           /* 0 .. n - 1; 0 for n = 0 */
bool sim_chance(sim_rng *r, uint64_t n, uint64_t of); /* n times of `of` */
sim_rng sim_rng_of(uint64_t seed, const char *what);  /* an independent stream */
void sim_fill(void *ctx, void *p, size_t n);          /* an edn_random over a sim_rng */

typedef struct sim_clock {
    const uint64_t *world_ms;
    int64_t skew_ms;
    bool still, backwards;
    uint64_t since_ms; /* of the world, when it began to stand still or to run backwards */
} sim_clock;
uint64_t sim_clock_ms(void *ctx); /* of an edn_clock over a sim_clock */

#define SIM_HOUR_MS 3600000u
#define SIM_DAY_MS (24u * SIM_HOUR_MS)
#define SIM_YEAR_MS (365ull * SIM_DAY_MS)

#define SIM_BEGIN_MS 1800000000000u
#define SIM_ORIGIN "http://127.0.0.1:7373"
#define SIM_NAME "sam"
#define SIM_CANARY "CANARYwords"
#define SIM_DEVICES_MAX 8u
#define SIM_ENTRIES_MAX 512u
#define SIM_TOKEN_FIRST 0x20000u /* each inserted character is another scalar from here on */

typedef struct sim sim;

/* ---- the model (model.c): what people wrote ---------------------------------------------------------------------- */

typedef enum fact { FACT_NOT, FACT_UNSURE, FACT_SURE } fact;

/* One inserted character, which occurs nowhere else. */
typedef struct token {
    uint32_t left, right; /* what stood beside it when it was typed; 0: nothing */
    uint16_t entry;
    uint8_t author;
    bool unseen; /* by who removed the entry: it was typed beside that */
    fact inserted, deleted;
} token;

/* One acknowledged write of a field, tag, place or state. */
typedef struct write {
    uint16_t entry;
    uint8_t author;
    char name[24]; /* of the field; "#tag"; "@" journal; "!" deleted */
    char value[40];
    fact sure;
} write;

/* What a call changes, before it is known whether it was done. */
typedef struct change {
    uint16_t entry;
    uint8_t author;
    uint32_t *inserted, *deleted;
    size_t inserted_n, deleted_n;
    write *writes;
    size_t writes_n;
} change;

typedef struct model {
    token *tokens;
    size_t tokens_n, tokens_cap;
    write *writes;
    size_t writes_n, writes_cap;
    edn_entry_id entries[SIM_ENTRIES_MAX];
    size_t entries_n;
    unsigned removals[SIM_ENTRIES_MAX];
    bool undeleted[SIM_ENTRIES_MAX];
    bool clones;              /* a device was copied: what it wrote may be said twice */
    struct log_row {          /* what was done, in order */
        uint8_t author, kind; /* kind 0: token inserted, 1: token deleted, 2: write */
        uint32_t what;
    } * log;
    size_t log_n, log_cap;
    size_t covered_log[SIM_DEVICES_MAX]; /* the server has signed for all that a device did before */
} model;

void model_dispose(model *m);
uint32_t model_token(model *m, uint16_t entry, uint8_t author, uint32_t left, uint32_t right);
token *model_find(model *m, uint32_t scalar);            /* NULL: nobody wrote it */
void model_done(model *m, const change *c);              /* it was acknowledged, or found to be done */
int model_entry(const model *m, const edn_entry_id *id); /* -1: unknown */
/* The entry was removed, or taken back, by somebody who saw these characters. */
void model_removed(model *m, uint16_t entry, bool removed, const uint32_t *seen, size_t n);
void model_covered(model *m, uint8_t author); /* a receipt covers all that the device has done */
size_t model_mark(const model *m);
/* What the device did since a mark may never reach the others. */
void model_unsure(model *m, uint8_t author, size_t mark);
/* The device fell back to what it was at a mark: what no receipt covers may be gone. */
void model_fell_back(model *m, uint8_t author, size_t mark);

/* ---- machines ---------------------------------------------------------------------------------------------------- */

/* An entry as a device shows it. */
typedef struct shown {
    uint64_t digest; /* of all but the conflict flag */
    uint32_t *text;
    size_t n;
    bool deleted, conflict, there;
    char title[64], date[16], journal[33], mood[64];
    char tags[256]; /* sorted, with a comma behind each */
} shown;

#define INFLIGHT_NONE (-1)
#define INFLIGHT_ANY (-2) /* a sync: any entry may change */

typedef struct device {
    sim *s;
    unsigned index;
    char vfs[32], home[16];
    crashvfs *disk;
    sim_clock clock;
    sim_rng rng; /* the client's */
    edn_transport transport;
    edn_client *c; /* NULL: no process runs */
    uint8_t session[EDN_SESSION_KEY_SIZE];
    char passphrase[32], passphrase_or[32]; /* or: a change of it whose end is not known */
    bool gone;                              /* never comes back */
    bool split;                       /* it was shown another device log than the others: it never meets them again */
    bool stuck;                       /* its random source gives the same 32 bytes again and again */
    unsigned side;                    /* which of two servers it is shown */
    uint64_t away_until_ms;           /* its network */
    uint64_t asleep_until_ms;         /* the machine itself */
    shown *views;                     /* by number of entry, as last seen */
    bool synced;                      /* as the last sync said, and nothing was done since */
    crashvfs *copy;                   /* an image of its disk, or NULL */
    uint64_t copy_mark, copied_at_ms; /* the model's mark of then */
    uint8_t copy_session[EDN_SESSION_KEY_SIZE];
    char copy_passphrase[32];
    unsigned findings[EDN_STATUS_COUNT]; /* in the sync at hand */
    fault_kind armed;                    /* what may happen in the call at hand; FAULT_KINDS: nothing */
    int inflight;                        /* the entry that the call at hand is about, or INFLIGHT_ */
    edn_head *receipt_heads;             /* what the last receipt covered */
    size_t receipt_heads_n;
    bool told_rollback; /* since then */
    size_t looks;       /* how often all that it shows was looked at */
    size_t searches;    /* how often search it was held against what it shows */
    unsigned evidence;  /* refused batches of its own name that it keeps: no harm */
    edn_buf replay;     /* a request that is still on its way */
    char replay_path[128], replay_bearer[EDN_TOKEN_SIZE_MAX + 1];
} device;

typedef struct blob_row blob_row;

typedef struct serving {
    crashvfs *disk, *backup;
    char vfs[32];
    sim_clock clock;
    sim_rng rng;
    blob_row *blobs, *blobs_backup;
    edn_meta meta;
    edn_blobs store;
    edn_server *server; /* NULL: down */
    uint64_t down_until_ms;
    bool fail_blobs;
    bool ever_restored;
    bool rotten;        /* bits of its disk were turned */
    edn_head *promised; /* the newest of each device that a "synced" counted on */
    size_t promised_n;
} serving;

typedef enum evil_kind {
    EVIL_NONE,
#define X(name, text) EVIL_##name,
    SIM_EVILS(X)
#undef X
        EVIL_KINDS
} evil_kind;

/* What a seed is about, besides what happens to all of them. */
typedef enum story {
    STORY_NONE,
    STORY_SIEGE,    /* every kind of lie, alone and two at a time */
    STORY_FORK,     /* two groups kept apart, then batches cross */
    STORY_LOG_FORK, /* the same, and the device log was changed on both sides */
    STORY_WITHHOLD, /* one device's batches are kept from another */
    STORY_TWINS,    /* one disk, two machines */
    STORY_HONEST,   /* backups put back that lost nothing: no alarm */
    STORY_ROT,      /* bits flip on a device's and on the server's disk */
    STORY_TRACE,    /* what people typed once, by several devices */
    STORY_DEVICES,  /* devices are lost, join and are revoked; passphrases change */
    STORY_KINDS
} story;

/* A second person, and a journal of both (share.c). */
#define SIM_GUESTS_MAX 2u
#define SIM_SHARED_ENTRIES_MAX 32u
#define SIM_SHARED_MARKS_MAX 1024u
#define SIM_MARK_FIRST 0x80000u /* each written character is another scalar from here on: far from those of the model */
typedef struct party {
    bool on;
    sim_rng rng; /* of its own: other seeds do not change */
    device guests[SIM_GUESTS_MAX];
    unsigned guests_n, at; /* how far it has come: see share.c */
    bool takes_out, out_tried;
    char key[EDN_ACCOUNT_KEY_TEXT_MAX], numbers[2][64];
    edn_entry_id entries[SIM_SHARED_ENTRIES_MAX], own; /* own: a private one of the second person's */
    size_t entries_n;
    struct mark {
        uint8_t entry;
        bool guest;       /* who wrote it */
        bool sure, after; /* after: behind the removal of the second person */
    } marks[SIM_SHARED_MARKS_MAX];
    size_t marks_n;
} party;

/* What happens to devices and keys in the middle of everything else (keys.c). */
typedef struct keeper {
    bool on;
    sim_rng rng;   /* of its own: other seeds do not change */
    struct paper { /* one set of shares: the newest, and the one before */
        char words[5][EDN_RECOVERY_WORDS_MAX], set[EDN_RECOVERY_SET_MAX];
        unsigned needed, n;
    } papers[2];
    size_t papers_n;
    bool papers_good;   /* the newest opens the account, as far as anybody was told; */
    bool papers_closed; /* or surely does not: keys were made anew since */
    char old_passphrase[32], old_key[EDN_ACCOUNT_KEY_TEXT_MAX]; /* which were in force once; empty: none */
    device *busy;                                               /* in a call of its own: others do not use it */
    bool locks_unknown; /* which passphrase or account key is in force, or who has the newest */
    bool recovering;    /* every device is lost, and none is in again */
    bool to_revoke[SIM_DEVICES_MAX], revoked[SIM_DEVICES_MAX]; /* lost, and in other hands */
    bool named[SIM_DEVICES_MAX];
    edn_device_id ids[SIM_DEVICES_MAX]; /* of those */
    bool blank;                         /* the machine behind the last device wants in, and is not yet */
    edn_device_id strangers[8];         /* devices of somebody who sat in the middle */
    size_t strangers_n;
} keeper;

typedef struct figures {
    uint64_t calls, syncs, exchanges, crashes, entries, tokens, checks, bytes_watched;
    uint64_t faults[FAULT_KINDS];
} figures;

typedef struct sim_options {
    uint64_t seed;
    unsigned days, devices;
    uint64_t mask; /* groups of faults that may happen */
    bool verbose;
} sim_options;

struct sim {
    sim_options o;
    uint64_t now_ms;
    sim_rng plan; /* what happens */
    device devices[SIM_DEVICES_MAX];
    unsigned devices_n;
    party party;
    keeper keeper;
    serving srv;
    model model;
    char account_key[EDN_ACCOUNT_KEY_TEXT_MAX];
    char passphrase[32], passphrase_or[32]; /* or: as for a device */
    edn_account_id account;
    bool account_known, begun; /* before that nothing breaks */
    unsigned writer;           /* where the one writer is */
    bool solo;                 /* one person, on one device after another, each synced before it is left */
    bool calm;                 /* faults have stopped */
    unsigned calm_rounds;
    bool honest; /* so far no answer was rewritten */
    story story;
    serving other; /* the second of two servers, while groups are kept apart: see serve_side */
    unsigned side;
    uint32_t evils;               /* a bit for each evil_kind that is at work */
    int evil_only;                /* the device that is lied to; -1: all */
    edn_device_id evil_victim_id; /* of whom something is hidden, or let across */
    bool evil_swaps;              /* messages of two that meet: for those of somebody else, who waits at evil_place */
    uint8_t evil_place[16], evil_victim_place[16];
    edn_head evil_cut; /* up to where the victim's batches are given out */
    sim_rng evil_rng;
    edn_buf old_answer; /* what a liar kept */
    struct interruption {
        int who;            /* in the middle of whose exchanges; -1: nothing happens */
        const char *at;     /* before this request; NULL: before any */
        unsigned exchanges; /* so many later */
        void (*fn)(sim *s, device *d);
        fault_kind what;
        device *by, *victim;
    } interruption;
    edn_journal_id journals[8];
    size_t journals_n;
    struct seen_state {
        uint64_t heads, view;
    } * states; /* what a device showed that held these batches */
    size_t states_n, states_cap;
    uint64_t trace;
    figures f;
    uint64_t violations;
    char first[512]; /* the first violation */
};

/* ---- one run (run.c) --------------------------------------------------------------------------------------------- */

void sim_run(sim *s, const sim_options *o);
void sim_dispose(sim *s);
/* Something that must never be was seen. */
void sim_violation(sim *s, const char *fmt, ...) EDN_PRINTF(2, 3);
void sim_note(sim *s, const char *fmt, ...) EDN_PRINTF(2, 3); /* printed with --verbose, and part of the trace */
void sim_trace(sim *s, const void *p, size_t n);
void sim_fault(sim *s, fault_kind k); /* counts it */
bool sim_may(const sim *s, fault_group g);
_Noreturn void sim_stop(const char *what, const char *why); /* the ground gave way */

/* ---- devices (device.c) ------------------------------------------------------------------------------------------ */

/* Made while the weather is good: the first makes the account of that name and writes its key, the others join it. */
void device_make(sim *s, device *d, unsigned index, const char *who, char key[EDN_ACCOUNT_KEY_TEXT_MAX], bool first);
edn_status device_join(sim *s, device *d, unsigned index, const char *passphrase, const char *key, edn_err *err);
edn_status device_login(sim *s, unsigned index, edn_err *err); /* a new installation joins while things happen */
/* A machine without a diary; what it opens its home with; and what was found there by whoever made one: EDN_E_MISSING:
 * nothing, and it is a machine without a diary still. */
void device_blank(sim *s, device *d, unsigned index);
edn_client_options device_options(device *d);
edn_status device_adopt(device *d, edn_err *err);
edn_device_id device_id(const device *d);
void device_keep_session(device *d);         /* after its lock was changed */
void device_twin(device *d, unsigned index); /* a second machine starts from the same disk */
void device_open(device *d);                 /* starts the process and unlocks */
/* The same, where it may fail: then no process runs. */
edn_status device_try_open(device *d, edn_err *err);
void device_close(device *d);
void device_dispose(device *d);
/* Before and after each call into the client: may let the disk fail in between. True: the process died in it, and has
 * been started again. */
void device_before(device *d);
bool device_after(device *d, edn_status st);
bool device_after_blank(device *d, edn_status st); /* the same, where there is nothing to start again */
void device_crash(device *d);                      /* power goes now */
edn_status device_sync(device *d);
void device_copy_take(device *d);
void device_copy_restore(device *d);
void device_upset(device *d); /* clocks, sleep, absence */

/* ---- the server (serve.c) ---------------------------------------------------------------------------------------- */

void serve_init(sim *s);
void serve_start(sim *s);
void serve_stop(sim *s);
void serve_dispose(sim *s);
void serve_crash(sim *s, crashvfs_fate fate);
void serve_backup(sim *s);
void serve_restore(sim *s);
void serve_wipe(sim *s);
void serve_rot(sim *s, unsigned bits); /* of its database; the server is down after it */
bool serve_try_start(sim *s);          /* false: it does not open */
void serve_upset(sim *s);
/* The heads that the server's disk holds, read past the server; false: no such account. */
bool serve_heads(sim *s, const edn_account_id *account, edn_head **out, size_t *n);
/* A second server with the same disk; then which of the two `s->srv` is; then only side 0 again. */
void serve_fork(sim *s);
void serve_side(sim *s, unsigned side);
void serve_join(sim *s);
/* The log that the server's disk holds. */
void serve_log(sim *s, uint64_t *count, edn_hash *head);
/* A batch of one of the two, read past it; false: it has none such. */
void serve_batches(sim *s, void (*fn)(sim *s, edn_bytes batch, void *ctx), void *ctx); /* all of the account */
bool serve_batch(serving *v, const edn_account_id *account, const edn_device_id *of, uint64_t dseq, edn_buf *out);
void serve_promise(sim *s, const edn_head *heads, size_t n);
void serve_promises_check(sim *s);

/* ---- the network (net.c) and who sits in it (evil.c) ------------------------------------------------------------- */

edn_status net_exchange(void *ctx, const edn_http_request *rq, edn_http_answer *out, edn_err *err);
void net_replay(device *d); /* a request that was on its way arrives once more */
#define EVIL_BIT(kind) (1u << (kind))
/* Answers in the server's place; false: the server is asked. */
bool evil_instead(sim *s, device *d, const edn_http_request *rq, edn_http_answer *out);
void evil_answer(sim *s, device *d, const edn_http_request *rq, edn_http_answer *out);
void evil_begin(sim *s);
void evil_end(sim *s);
fault_kind evil_fault(evil_kind k);

/* ---- people (people.c) ------------------------------------------------------------------------------------------- */

void people_act(device *d);                  /* one change */
void people_add(device *d);                  /* a new entry */
int people_choose(device *d);                /* an entry that it shows; -1: none */
void people_edit(device *d, uint16_t entry); /* which it shows */

/* In an entry that it shows: strikes `deleted` characters out at `at` and types `inserted` there, each cut to what can
 * be. */
void people_type(device *d, uint16_t entry, size_t at, size_t deleted, size_t inserted);

/* ---- recorded editing (trace.c) ---------------------------------------------------------------------------------- */

typedef struct edit {
    uint8_t agent;                  /* 0 or 1 */
    uint32_t at, deleted, inserted; /* characters */
    uint32_t seen;                  /* it was made after that many edits, of both, had been seen */
} edit;
typedef struct trace {
    edit *edits;
    size_t n;
} trace;
#define SIM_TRACES 3u
const trace *trace_get(unsigned which); /* NULL: EDN_DATA names no folder; read once and kept */

/* ---- stories (story.c) ------------------------------------------------------------------------------------------- */

void story_choose(sim *s);
void story_day(sim *s);
void story_interrupt(device *d, const char *path); /* called before each exchange of a device */

/* ---- a shared journal (share.c) ---------------------------------------------------------------------------------- */

void share_choose(sim *s);
void share_begin(sim *s); /* the second person's devices */
void share_step(sim *s);  /* one of them does something, or somebody does something in the journal */
void share_calm(sim *s);  /* what was not done for the faults is done now */
void share_sync(sim *s);  /* of all of the second person's */
void share_check(sim *s); /* when all is calm */
void share_dispose(sim *s);

/* ---- devices and keys (keys.c, pair.c) --------------------------------------------------------------------------- */

void keys_choose(sim *s);
void keys_step(sim *s);  /* one of these things, perhaps */
void keys_calm(sim *s);  /* what was not done for the faults is done now */
void keys_check(sim *s); /* when all is calm */
void keys_dispose(sim *s);
device *keys_someone(sim *s); /* of those who are there; NULL: nobody */
void keys_meanwhile(sim *s);  /* somebody writes or syncs, perhaps */
void keys_before(device *d);
bool keys_after(device *d, edn_status st); /* device_after, and what it shows is looked at */
void keys_lose(device *d);                 /* it is lost, with what it had said to nobody */
void keys_joined(device *d);               /* the machine behind the last device is in */
void recover_someone(sim *s);              /* shares are made; or used, with everything lost or without need */
void keys_revoke_lost(sim *s);             /* all that are lost and not revoked */
void rekey_someone(sim *s);                /* everything is sealed again, or what was broken off goes on */
void rekey_calm(sim *s);                   /* what was broken off is done */
void rekey_check(sim *s);                  /* once more: keys of before open nothing that the server holds */
void locks_someone(sim *s);                /* another passphrase, another account key, or both at once */
void locks_settle(sim *s);                 /* what an answer that was lost would have told */
void locks_check(sim *s);                  /* one passphrase and one account key, and these let a device in */
void recover_on(sim *s);                   /* everything is lost: a bare machine brings it back */
void pair_someone(sim *s);                 /* a machine wants in, or tries again */

/* ---- checks (check.c) -------------------------------------------------------------------------------------------- */

void shown_dispose(shown *v);
void shown_copy(shown *to, const shown *from);
/* What the device shows of an entry; any failure is its own. */
edn_status check_try_show(device *d, const edn_entry_id *id, shown *out, edn_err *err);
edn_status check_show(device *d, const edn_entry_id *id, shown *out);
/* A tag and a word of a title, asked for and looked up in the views, which are fresh. */
void check_search(device *d);
void check_views(device *d, bool after_crash); /* looks at every entry again and compares */
void check_text(sim *s, const shown *v, uint16_t entry, unsigned who);
void check_state(device *d);         /* the same batches, the same diary */
void check_status_synced(device *d); /* the status, made from the kept receipt, says so too */
void check_synced(device *d);        /* the server holds what it signed for */
bool check_server_lost(device *d);   /* the server holds less than this device has a receipt for */
void check_converged(sim *s);        /* when all is calm */
void check_wire(sim *s, const char *what, edn_bytes bytes);
void check_disk(void *ctx, const char *path, uint64_t at, edn_bytes bytes);
uint64_t sim_hash(uint64_t h, const void *p, size_t n);

/* What stands in front of the crypto of src (wrap.c). */
void wrap_begin(sim *s);
void wrap_fail_alloc(uint64_t at); /* the allocation of that number from now on fails; 0: none */
bool wrap_alloc_failed(void);
size_t wrap_batch_keys(void);                            /* how many keys have sealed or opened batches so far */
bool wrap_batch_opens(const edn_batch *b, size_t first); /* one of the first of them opens it */
bool wrap_finds_key(edn_bytes b);                        /* a key that was used is among these bytes */
void wrap_pause(bool on); /* the simulator itself is at work: its allocations do not fail */

#endif
