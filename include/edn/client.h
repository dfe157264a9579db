/* client: a person's diary on one device: make it, unlock it, write, read, search, sync. What every front end calls.
 *
 * A client is a folder (its home) in which everything is sealed. Handles of several processes may share a home: every
 * call that writes is one transaction. A handle belongs to one thread at a time.
 *
 * Strings and bytes handed to callbacks are borrowed for the call. A callback must not use the client that called it:
 * what it asks for is refused with EDN_E_BUSY, and edn_client_lock does nothing. Functions that take `edn_err *` fill
 * it with one sentence for a person; NULL is allowed. A failed call changes nothing unless its contract says
 * otherwise.
 *
 * A shared journal (edn/sharing.h) is one of the journals, and its entries are among all others: what is said here of
 * the diary holds for all of it. One whose store is damaged is left out; edn_client_status_get and edn_client_verify
 * name it. */
#ifndef EDN_CLIENT_H
#define EDN_CLIENT_H

#include <edn/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct edn_client edn_client;
struct edn_transport; /* src/remote; NULL in the options means HTTP */
struct edn_holder;    /* src/holder */
typedef edn_status edn_holder_find_fn(const char *name, uint8_t kind, const struct edn_holder **out, edn_err *err);

/* How a passphrase is stretched: memory 64 MiB, 256 MiB, 1 GiB. */
typedef enum edn_strength { EDN_STRENGTH_FLOOR = 1, EDN_STRENGTH_DEFAULT = 2, EDN_STRENGTH_HIGH = 3 } edn_strength;

typedef struct edn_client_options {
    const char *home;                      /* the device's folder */
    edn_clock clock;                       /* NULL function: the system's */
    edn_random random;                     /* NULL function: the system's */
    const struct edn_transport *transport; /* NULL: HTTP to the server that the home names */
    const char *vfs;                       /* NULL: the system's disk */
    const char *ca_file, *proxy;           /* for HTTP; NULL: the system's, none */
    edn_holder_find_fn *holders;           /* NULL: the modules that are installed */
} edn_client_options;

/* Long work tells how far it is; false asks it to stop (EDN_E_CANCELLED, nothing half done). `total` 0: not known. */
typedef struct edn_progress {
    bool (*fn)(void *ctx, const char *what, uint64_t done, uint64_t total);
    void *ctx;
} edn_progress;

/* ---- making, opening, locking ------------------------------------------------------------------------------------ */

#define EDN_ACCOUNT_KEY_TEXT_MAX 48u

typedef struct edn_init_options {
    const char *server;      /* NULL: no server yet */
    const char *name;        /* the name the account is found by at the server; NULL without a server */
    const char *device_name; /* for people; NULL: "device" */
    edn_strength strength;   /* 0: default */
    bool no_account_key;     /* weaker: the passphrase alone opens the account */
} edn_init_options;

/* Makes a new account and this device in an empty or missing home; unlocked afterwards. When the server refuses,
 * nothing is left behind. When it is not known whether it did what it was asked (EDN_E_NETWORK and others), the home
 * is kept, and is no diary yet: the same call again finishes it, and finds the account to be its own if it is there.
 * `account_key` receives the text to print on the emergency sheet (empty with no_account_key): wipe it.
 * EDN_E_EXISTS: the home is in use already, or the name is taken; EDN_E_INVALID, EDN_E_UTF8, EDN_E_LIMIT: the
 * passphrase. */
EDN_MUST_USE edn_status edn_client_init(const edn_client_options *options, const edn_init_options *init,
                                        edn_bytes passphrase, char account_key[EDN_ACCOUNT_KEY_TEXT_MAX],
                                        edn_client **out, edn_err *err);

typedef struct edn_login_options {
    const char *server, *name, *device_name;
    edn_strength strength; /* for this device's own lock */
    edn_bytes account_key; /* as text; empty: the account has none */
} edn_login_options;

/* Adds this machine to an account as a new device, by passphrase and account key; unlocked afterwards, nothing synced
 * yet. EDN_E_PASSPHRASE: one of the two, or the name, is wrong (the server does not tell which); EDN_E_KDF: the server
 * offered parameters that are too weak. What was begun and not finished is kept and finished as for edn_client_init: no
 * device without an owner is left in the account. */
EDN_MUST_USE edn_status edn_client_login(const edn_client_options *options, const edn_login_options *login,
                                         edn_bytes passphrase, edn_client **out, edn_err *err);

/* Opens a home, locked. EDN_E_MISSING: there is no diary there. */
EDN_MUST_USE edn_status edn_client_open(const edn_client_options *options, edn_client **out, edn_err *err);
void edn_client_close(edn_client *c); /* wipes */

/* EDN_E_PASSPHRASE: wrong. */
EDN_MUST_USE edn_status edn_client_unlock(edn_client *c, edn_bytes passphrase, edn_err *err);
/* The unlocked key, for a front end that keeps it for some minutes where no disk is (a kernel keyring): wipe it after
 * use. */
#define EDN_SESSION_KEY_SIZE 32u
EDN_MUST_USE edn_status edn_client_session_key(const edn_client *c, uint8_t key[EDN_SESSION_KEY_SIZE]);
EDN_MUST_USE edn_status edn_client_unlock_session(edn_client *c, const uint8_t key[EDN_SESSION_KEY_SIZE], edn_err *err);
void edn_client_lock(edn_client *c);
bool edn_client_unlocked(const edn_client *c);
/* Whether it has heard from a server since it was opened. */
bool edn_client_heard(const edn_client *c);
/* The device's id even when locked, as 32 hex digits: names the session key in a keyring. */
void edn_client_device_id(const edn_client *c, char out[33]);

/* Other ways to unlock this device: a slot whose secret is kept by a holder, the desktop's "keyring", a "tpm" with a
 * PIN, or a "fido2" key with its PIN. The passphrase always remains one. Slots are named by their holder, or by the
 * beginning of their id (4 hex digits or more). */
typedef struct edn_slot {
    char id[33];
    const char *holder;
    uint64_t made_ms;
} edn_slot;
typedef edn_status edn_slot_fn(void *ctx, const edn_slot *slot);
/* Also while locked. */
EDN_MUST_USE edn_status edn_client_slot_list(edn_client *c, edn_slot_fn *fn, void *ctx, edn_err *err);
/* What a holder or slot will want of the person: a PIN, a touch. EDN_E_MISSING: this build or machine has no such
 * holder, or there is no such slot. */
typedef struct edn_slot_needs {
    bool pin, touch;
} edn_slot_needs;
EDN_MUST_USE edn_status edn_client_slot_needs(edn_client *c, const char *what, edn_slot_needs *out, edn_err *err);
/* Adds one, and unlocks by the passphrase if that is needed. The secret is asked back from the holder before anything
 * is kept. EDN_E_PASSPHRASE: passphrase or PIN; EDN_E_MISSING: no such holder here; EDN_E_INVALID: the name, or what
 * cannot be a PIN; EDN_E_RATE: too many wrong PINs; EDN_E_CANCELLED: not touched; EDN_E_LIMIT: 32 slots. */
EDN_MUST_USE edn_status edn_client_slot_add(edn_client *c, const char *holder, edn_bytes passphrase, edn_bytes pin,
                                            edn_err *err);
/* Needs an unlocked diary. What the holder keeps opens nothing afterwards, whether it can be reached or not. */
EDN_MUST_USE edn_status edn_client_slot_remove(edn_client *c, const char *what, edn_err *err);
/* As edn_client_unlock. EDN_E_PASSPHRASE: the PIN; EDN_E_MISSING, _RATE, _CANCELLED, _AUTH, _IO: why the holder gave
 * nothing. The passphrase works in any case. */
EDN_MUST_USE edn_status edn_client_unlock_slot(edn_client *c, const char *what, edn_bytes pin, edn_err *err);

/* Changes the passphrase everywhere: this device's lock and the account's root box, each swapped in one step. With a
 * server it must be reachable; without an answer of its own (EDN_E_NETWORK, EDN_E_RATE, EDN_E_SERVER) it is done or not
 * done: both open this device until the next sync tells. `strength` 0 keeps it. */
EDN_MUST_USE edn_status edn_client_passphrase_change(edn_client *c, edn_bytes old_passphrase, edn_bytes new_passphrase,
                                                     edn_strength strength, edn_err *err);
/* How strongly the passphrase is stretched where it is weakest: this device's lock, or the account's box as far as it
 * is here. Needs an unlocked diary. To raise it, change the passphrase to the same one with another strength. */
EDN_MUST_USE edn_status edn_client_strength(edn_client *c, edn_strength *out, edn_err *err);
/* Gives a diary that was made without one a server. The server and name that it has, set again, are taken at their word
 * once more, as at first contact: for a server that was set up anew, or when somebody lied then. Another one:
 * EDN_E_EXISTS. */
EDN_MUST_USE edn_status edn_client_server_set(edn_client *c, const char *server, const char *name, edn_err *err);

/* Takes a device (its name, or the beginning of its id) out of the account: it is refused by the server at once, what
 * it writes from now on is refused by every device, and nothing that is written from now on opens with any key it ever
 * had. What it has read it has read. Syncs first; the account is locked by the same passphrase under new keys. Done at
 * the server as a whole or not at all. EDN_E_MISSING, EDN_E_AMBIGUOUS: the name; EDN_E_INVALID: this device itself;
 * EDN_E_PASSPHRASE; and what a sync can give. */
EDN_MUST_USE edn_status edn_client_device_revoke(edn_client *c, const char *device, edn_bytes passphrase, edn_err *err);
/* The same for several at once: all or none, under one new key, so that none of them can do anything in between.
 * `guests`: whom one of them let in, or one that it let in did, goes too, but for this device. The same device twice is
 * once. EDN_E_LIMIT: more than an account has. */
EDN_MUST_USE edn_status edn_client_devices_revoke(edn_client *c, const char *const *devices, size_t n, bool guests,
                                                  edn_bytes passphrase, edn_err *err);

/* Gives a device (found as above) another name, which all devices learn at their next sync. EDN_E_LIMIT, EDN_E_UTF8,
 * EDN_E_INVALID: the new name. edn_client_status_get lists the devices. */
EDN_MUST_USE edn_status edn_client_device_rename(edn_client *c, const char *device, const char *name, edn_err *err);

/* What the emergency sheet says: account id (hex), server, name; the account key is kept sealed on every device. */
typedef struct edn_account_info {
    char account[65], device[33];
    char account_key[EDN_ACCOUNT_KEY_TEXT_MAX]; /* empty: none. A secret: wipe it */
    char server[257], name[257], device_name[257];
} edn_account_info;
EDN_MUST_USE edn_status edn_client_account(edn_client *c, edn_account_info *out, edn_err *err);

/* ---- entries ----------------------------------------------------------------------------------------------------- */

typedef struct edn_field {
    edn_bytes name, value;
} edn_field;

/* An entry as it is shown. `date` is "YYYY-MM-DD". */
typedef struct edn_entry {
    edn_entry_id id;
    edn_journal_id journal;
    edn_bytes journal_name, date, title, text;
    const edn_bytes *tags;
    size_t tags_n;
    const edn_field *fields; /* others: mood, place, …, in byte order of names */
    size_t fields_n;
    bool deleted, conflict; /* conflict: deleted on one device while edited on another; shown until looked at */
    uint64_t created_ms, changed_ms; /* what the devices believed */
    size_t text_size;                /* bytes; in lists `text` is only the beginning */
} edn_entry;

typedef struct edn_draft {
    edn_bytes date; /* empty: today by the clock, in UTC */
    edn_bytes title, text;
    const edn_bytes *tags;
    size_t tags_n;
    const edn_field *fields;
    size_t fields_n;
    const edn_journal_id *journal; /* NULL: the first journal */
} edn_draft;

/* Whether a draft can be an entry: EDN_E_UTF8, EDN_E_LIMIT, EDN_E_INVALID as edn_client_add and edn_client_import would
 * say. Needs no diary. */
EDN_MUST_USE edn_status edn_client_draft_check(const edn_draft *draft, edn_err *err);
/* All text must be UTF-8: EDN_E_UTF8 says at which byte it is not. */
EDN_MUST_USE edn_status edn_client_add(edn_client *c, const edn_draft *draft, edn_entry_id *out, edn_err *err);
/* Brings the entry's text from what it is now to `text`, as the smallest edits, so that edits made elsewhere meanwhile
 * merge. `base` is the text that the person began from (edits since then are kept); empty with NULL `p`: the current
 * one. */
EDN_MUST_USE edn_status edn_client_edit(edn_client *c, const edn_entry_id *id, edn_bytes base, edn_bytes text,
                                        edn_err *err);
/* Names: "title", "date", or any other field; an empty value takes it away (not the date). */
EDN_MUST_USE edn_status edn_client_set(edn_client *c, const edn_entry_id *id, edn_bytes name, edn_bytes value,
                                       edn_err *err);
EDN_MUST_USE edn_status edn_client_tag(edn_client *c, const edn_entry_id *id, edn_bytes tag, bool add, edn_err *err);
/* Between a private and a shared journal, or two shared ones, the entry is written anew under its id, and its history
 * stays behind, deleted. EDN_E_DENIED: the person may not write in one of the two. */
EDN_MUST_USE edn_status edn_client_move(edn_client *c, const edn_entry_id *id, const edn_journal_id *to, edn_err *err);
EDN_MUST_USE edn_status edn_client_remove(edn_client *c, const edn_entry_id *id, edn_err *err);
EDN_MUST_USE edn_status edn_client_undelete(edn_client *c, const edn_entry_id *id, edn_err *err);

typedef edn_status edn_entry_fn(void *ctx, const edn_entry *entry);

/* The whole entry, deleted ones too. EDN_E_MISSING. */
EDN_MUST_USE edn_status edn_client_show(edn_client *c, const edn_entry_id *id, edn_entry_fn *fn, void *ctx,
                                        edn_err *err);

typedef struct edn_filter {
    edn_bytes from, to;            /* dates, inclusive; empty: open. Anything else is EDN_E_INVALID */
    edn_bytes tag;                 /* empty: any */
    const edn_journal_id *journal; /* NULL: any */
    bool deleted;                  /* the deleted ones too */
    bool newest_first;             /* else by date, then by creation */
    size_t limit;                  /* 0: all */
} edn_filter;
/* From the table of contents: no entry is opened. `text` is the first line or so (EDN_PREVIEW_SIZE bytes at most), of a
 * title and of tags there are the first 256 bytes and the first 32 tags (in 1024 bytes); edn_client_show gives all. */
#define EDN_PREVIEW_SIZE 96u
EDN_MUST_USE edn_status edn_client_list(edn_client *c, const edn_filter *filter, edn_entry_fn *fn, void *ctx,
                                        edn_err *err);

/* What a person calls an entry: "last" (the newest by date), a date, or a prefix of an id (4 hex digits or more).
 * EDN_E_MISSING; EDN_E_AMBIGUOUS: several, named in `err`; EDN_E_INVALID: none of these forms. */
EDN_MUST_USE edn_status edn_client_find(edn_client *c, const char *what, edn_entry_id *out, edn_err *err);

/* ---- search ------------------------------------------------------------------------------------------------------ */

typedef struct edn_finding edn_finding;
typedef void edn_finding_fn(void *ctx, const edn_finding *finding);

/* Where in a snippet a word of the query stands, in bytes. */
typedef struct edn_hit_mark {
    uint32_t at, size;
} edn_hit_mark;
typedef struct edn_hit {
    const edn_entry *entry;
    double score;      /* BM25, a little more for what is newer; 0 in order of date */
    edn_bytes snippet; /* the part of its text that shows best why it was found */
    const edn_hit_mark *marks;
    size_t marks_n;
    bool arriving;  /* the entry is not here yet: id and date are known, and how long it is */
    uint32_t words; /* of one that is arriving */
} edn_hit;
typedef edn_status edn_hit_fn(void *ctx, const edn_hit *hit);

typedef struct edn_search_options {
    const edn_filter *filter; /* NULL: all. `newest_first`: by date, else the best first. Deleted entries never */
    bool typing;              /* the query is not finished: its last word is a beginning, and nothing is malformed */
    /* Languages whose endings do not matter, for example "english,german"; NULL: words are found as they are. What has
     * a word as it is comes first, then what has another form of it. Only where edn_client_stemming says so. */
    const char *stem;
    const edn_progress *progress; /* of making the index */
    edn_finding_fn *on_finding;   /* told when a damaged part of the index was made anew; NULL allowed */
    void *ctx;
} edn_search_options;

typedef struct edn_search_result {
    uint64_t found; /* how many there are, whatever the limit */
    /* A diary that is still arriving: entries that others' parts of the index tell of, and how many of them are here;
     * parts, and how many of them are here: while some are not, what was changed or deleted lately may be found by what
     * it held before. All 0: everything has arrived, or nothing is known of what has not. */
    uint64_t known, here;
    uint32_t parts, parts_here;
    bool lacking;            /* the person's own diary has not come from the server as a whole yet */
    uint32_t shared_lacking; /* so many shared journals have not; the diary tells which there are when it is here */
    bool inexact;            /* a phrase was looked for by its words alone, in what is arriving */
    char instead[256]; /* "word for wrod": nothing had a word as it was given, and these were looked for; else empty */
} edn_search_result;

/* Whether this library was built with stemming. */
bool edn_client_stemming(void);

/* A device that has just joined has nothing to search yet. This fetches, before any entry, the parts of the index that
 * other devices have published, the newest days first, and goes on where it was when it was stopped; then searches find
 * what is in them, and edn_client_show fetches what is opened before its turn. Nothing to fetch: EDN_OK at once. What
 * the server does not give out, or alters, is told to `on_finding` and left out. `quiet`: blobs and batches are asked
 * for in groups of eight, so that the server learns less of which one was wanted. */
typedef struct edn_fetch_options {
    bool quiet;
    const edn_progress *progress;
    edn_finding_fn *on_finding; /* NULL allowed */
    void *ctx;
} edn_fetch_options;
typedef struct edn_fetch_result {
    uint32_t parts, parts_here; /* 0: nothing was published, or all is here */
    uint64_t bytes_received;
} edn_fetch_result;
EDN_MUST_USE edn_status edn_client_fetch_index(edn_client *c, const edn_fetch_options *options, edn_fetch_result *out,
                                               edn_err *err);

/* The entries that a query fits (docs/search.md has its language), by an index that is kept sealed beside them. What of
 * the diary is not in the index yet is put there first: on a new device that takes a while once, and goes on where it
 * was when stopped. A damaged index is made anew from the entries. `fn` NULL: only counts. `options` and `out` may be
 * NULL. EDN_E_INVALID, EDN_E_UTF8, EDN_E_LIMIT: the query, with the character in `err`. EDN_E_MISSING: a journal that
 * it names. */
EDN_MUST_USE edn_status edn_client_search(edn_client *c, edn_bytes query, const edn_search_options *options,
                                          edn_hit_fn *fn, void *ctx, edn_search_result *out, edn_err *err);
/* The entries that share the words which tell most about one, best first. Snippets have no marks. */
EDN_MUST_USE edn_status edn_client_similar(edn_client *c, const edn_entry_id *id, size_t limit,
                                           const edn_search_options *options, edn_hit_fn *fn, void *ctx, edn_err *err);

/* What stands in a month: entries, and their words (those of titles and tags too). "0000-00": without a date. */
typedef struct edn_month_count {
    char month[8];
    uint64_t entries, words;
} edn_month_count;
typedef edn_status edn_month_count_fn(void *ctx, const edn_month_count *count);
/* Tags are as search folds them. */
typedef edn_status edn_tag_count_fn(void *ctx, edn_bytes tag, uint64_t entries);
/* Counts of all entries, or of those that a query fits (`words` is 0 then), by month; then of each tag, by its name.
 * Either function may be NULL; `query` too. */
EDN_MUST_USE edn_status edn_client_stats(edn_client *c, const edn_bytes *query, const edn_search_options *options,
                                         edn_month_count_fn *month, edn_tag_count_fn *tag, void *ctx, edn_err *err);
/* Makes the index anew: nothing of what was ever deleted is left in it. */
EDN_MUST_USE edn_status edn_client_reindex(edn_client *c, const edn_progress *progress, edn_err *err);

/* ---- history ----------------------------------------------------------------------------------------------------- */

typedef struct edn_history_item {
    uint32_t version; /* 1, 2, 3…: names it in "ENTRY@VERSION"; the same on devices that hold the same events */
    uint64_t time_ms; /* what its device believed */
    char device[33];
    edn_bytes device_name;      /* empty: not known here */
    uint64_t inserted, deleted; /* scalars */
    edn_bytes what;             /* "text", "title", "tag +sea", "deleted", … */
} edn_history_item;
typedef edn_status edn_history_fn(void *ctx, const edn_history_item *item);
EDN_MUST_USE edn_status edn_client_history(edn_client *c, const edn_entry_id *id, edn_history_fn *fn, void *ctx,
                                           edn_err *err);
/* Which version of an entry: by its number; else as it was at a time, as its devices' clocks had it; both 0: now.
 * EDN_E_MISSING in what follows: there is no such version, or there was no entry yet. */
typedef struct edn_moment {
    uint32_t number;
    uint64_t time_ms;
} edn_moment;
/* The entry as it was. */
EDN_MUST_USE edn_status edn_client_show_version(edn_client *c, const edn_entry_id *id, edn_moment when,
                                                edn_entry_fn *fn, void *ctx, edn_err *err);
/* The text on its way from one version to another, in pieces from its beginning to its end. */
typedef enum edn_piece_kind { EDN_PIECE_SAME, EDN_PIECE_DELETED, EDN_PIECE_INSERTED } edn_piece_kind;
typedef edn_status edn_piece_fn(void *ctx, edn_piece_kind kind, edn_bytes text);
EDN_MUST_USE edn_status edn_client_diff(edn_client *c, const edn_entry_id *id, edn_moment from, edn_moment to,
                                        edn_piece_fn *fn, void *ctx, edn_err *err);
/* The text of now in runs of one device and one time. */
typedef struct edn_blame_item {
    edn_bytes text;
    uint64_t time_ms; /* what its device believed */
    char device[33];
    edn_bytes device_name; /* empty: not known here */
} edn_blame_item;
typedef edn_status edn_blame_item_fn(void *ctx, const edn_blame_item *item);
EDN_MUST_USE edn_status edn_client_blame(edn_client *c, const edn_entry_id *id, edn_blame_item_fn *fn, void *ctx,
                                         edn_err *err);
/* Makes the entry what it was, as a new change. It takes back what was written since, character by character, and no
 * more: what others write meanwhile stays where it is. */
EDN_MUST_USE edn_status edn_client_restore(edn_client *c, const edn_entry_id *id, edn_moment when, edn_err *err);

/* ---- journals ---------------------------------------------------------------------------------------------------- */

typedef struct edn_journal {
    edn_journal_id id;
    edn_bytes name;
    uint64_t entries; /* not deleted */
    bool shared;      /* several people write in it (edn/sharing.h) */
    bool locked;      /* it has a second passphrase (edn/locked.h) */
    bool closed;      /* and is not open: its entries are not counted */
} edn_journal;
typedef edn_status edn_journal_fn(void *ctx, const edn_journal *journal);
EDN_MUST_USE edn_status edn_client_journal_new(edn_client *c, edn_bytes name, edn_journal_id *out, edn_err *err);
EDN_MUST_USE edn_status edn_client_journal_rename(edn_client *c, const edn_journal_id *id, edn_bytes name,
                                                  edn_err *err);
/* The person's own, then shared ones and locked ones that are open, then closed ones. */
EDN_MUST_USE edn_status edn_client_journals(edn_client *c, edn_journal_fn *fn, void *ctx, edn_err *err);
/* By name (exact, then case folded) or prefix of the id in hex. EDN_E_LOCKED: it is closed. */
EDN_MUST_USE edn_status edn_client_journal_find(edn_client *c, const char *what, edn_journal_id *out, edn_err *err);

/* ---- bringing in and taking out ---------------------------------------------------------------------------------- */

/* One transaction for each store, the person's own last: all drafts that `next` gives (until it sets *done), or
 * none. A draft whose id is given and known already is left out and counted, so that an import can be repeated.
 * `journal_name`, when not empty, wins over draft.journal: the journal of exactly that name, made in the same
 * transaction when there is none. `created_ms` 0: now. What `next` hands out is borrowed until it is called again. */
typedef struct edn_import_item {
    edn_draft draft;
    edn_bytes journal_name;
    bool has_id;
    edn_entry_id id;
    uint64_t created_ms;
} edn_import_item;
typedef edn_status edn_import_fn(void *ctx, edn_import_item *item, bool *done);
typedef struct edn_import_result {
    uint64_t added, known;
} edn_import_result;
EDN_MUST_USE edn_status edn_client_import(edn_client *c, edn_import_fn *next, void *ctx, const edn_progress *progress,
                                          edn_import_result *out, edn_err *err);
/* Every entry that is not deleted, whole, ordered by (date, id): the same on devices that hold the same events.
 * EDN_E_DAMAGED: some could not be read; all others were given. */
EDN_MUST_USE edn_status edn_client_export(edn_client *c, const edn_filter *filter, edn_entry_fn *fn, void *ctx,
                                          const edn_progress *progress, edn_err *err);

/* ---- sync -------------------------------------------------------------------------------------------------------- */

/* Something that the other side, or a peer, did wrong, or that needs a look. The diary is safe in all cases. */
struct edn_finding {
    edn_status status; /* E_FORK, E_ROLLBACK, E_WITHHELD, E_AUTH, … */
    uint64_t time_ms;
    char text[400]; /* what, with which thing, and what to do */
};

typedef struct edn_sync_result {
    uint32_t round_trips;
    uint64_t bytes_sent, bytes_received; /* on the wire above TLS */
    uint64_t batches_sent, batches_received, records_received;
    uint64_t refilled; /* batches that the server had lost, or never had, of any device */
    uint64_t entries_changed, conflicts;
    uint64_t set_aside; /* objects waiting or refused, in all */
    uint32_t findings;
    bool synced; /* the server signed that it holds exactly what is here */
} edn_sync_result;

typedef struct edn_sync_options {
    edn_finding_fn *on_finding; /* NULL allowed */
    void *ctx;
    const edn_progress *progress;
} edn_sync_options;

/* Sends what is new here, takes in what is new there, in any number of round trips (one when there is nothing). Resumes
 * where an earlier one was cut off. Findings do not fail it unless nothing safe was left to do (EDN_E_FORK, EDN_E_CLONE
 * of this account). The person's own store first, then each shared journal: one that fails is a finding that names it,
 * and the others go on; figures are sums, and `synced` says that all are. */
EDN_MUST_USE edn_status edn_client_sync(edn_client *c, const edn_sync_options *options, edn_sync_result *out,
                                        edn_err *err);
/* Syncs, then waits for word from the server or for local changes of other processes and syncs again, until `go_on`
 * says no (asked about every second and after each sync; `last` is NULL when there was no sync since it was asked
 * before). */
EDN_MUST_USE edn_status edn_client_watch(edn_client *c, const edn_sync_options *options,
                                         bool (*go_on)(void *ctx, const edn_sync_result *last), void *ctx,
                                         edn_err *err);

/* One device's newest batch, and where it is known to be. */
typedef struct edn_head_status {
    char device[33];
    edn_bytes device_name;
    bool self, active;
    uint64_t dseq;                       /* of its newest batch held here; 0: none */
    uint64_t added_ms;                   /* when it joined, as the device that added it believed */
    char added_by[33];                   /* the device that let it in; empty: it came by the passphrase */
    bool may_read, may_write, may_admin; /* admin: add and revoke devices */
} edn_head_status;
typedef struct edn_client_status {
    bool unlocked;
    uint64_t entries, deleted, journals; /* deleted: those too that went to a shared journal, or came from one */
    uint64_t unsent;                     /* entries with changes that are in no batch yet */
    uint64_t set_aside;
    uint64_t closed;           /* locked journals that are not open (edn/locked.h): nothing of them is counted here */
    uint64_t closed_unsent;    /* those of them of which something may be only here */
    uint64_t quarantined;      /* batches in quarantine (edn/quarantine.h) */
    bool synced;               /* a receipt signed by the server covers exactly the present state */
    uint64_t receipt_ms;       /* the newest receipt's time (the server's); 0: none */
    uint64_t receipt_local_ms; /* when it came, by this clock */
    char server[257];
    const edn_head_status *heads; /* borrowed until the next call */
    size_t heads_n;
    const edn_finding *findings; /* the newest, kept; borrowed until the next call */
    size_t findings_n;
} edn_client_status;
EDN_MUST_USE edn_status edn_client_status_get(edn_client *c, edn_client_status *out, edn_err *err);

/* Checks every signature, chain, seal and document in the local store, and that the search index is theirs; and of what
 * is published of it, what is here. Without a network. What can be made anew from the rest is, or by the next sync. */
typedef struct edn_verify_result {
    uint64_t links, batches, records, entries, damaged;
    uint64_t parts; /* of the published search index */
} edn_verify_result;
EDN_MUST_USE edn_status edn_client_verify(edn_client *c, edn_finding_fn *fn, void *ctx, const edn_progress *progress,
                                          edn_verify_result *out, edn_err *err);
/* Fetches what is published of the search index, as a new device would, and holds it against the entries: each part has
 * the entries and words that it must. What is wrong or lost is told, and made anew by the next sync. Of *out, parts and
 * damaged. EDN_E_INVALID: not all of the diary is here. */
EDN_MUST_USE edn_status edn_client_verify_published(edn_client *c, edn_finding_fn *fn, void *ctx,
                                                    const edn_progress *progress, edn_verify_result *out, edn_err *err);

#ifdef __cplusplus
}
#endif
#endif
