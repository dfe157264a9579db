/* client, its own header: how a home is laid out in the store, and what the parts of the client share.
 *
 *     identity   who this device is; init, login, passphrases      keyring   root, journal and entry keys
 *     object     entries, journals and devices as documents        catalog   the table of contents
 *     pages      of the catalog, by month
 *     outbox     local changes -> batches                          inbox     batches -> documents
 *     reissue    batches taken back, after a clone
 *     syncing    drives src/sync over a transport             slot       other ways to unlock than the passphrase
 *     family     the stores of shared journals beside the person's own
 *
 * Rows are written down in docs/spec/local-store.md. */
#ifndef EDN_CLIENT_PRIV_H
#define EDN_CLIENT_PRIV_H

#include <edn/client.h>
#include <edn/crdt.h>

#include "base/base.h"
#include "crypto/seal.h"
#include "devlog/devlog.h"
#include "keys/keys.h"
#include "remote/remote.h"
#include "store/store.h"
#include "sync/sync.h"
#include "wire/wire.h"

/* What a record inside a batch is about. */
typedef enum edn_record_type {
    EDN_RECORD_ENTRY = 1,       /* events of an entry */
    EDN_RECORD_JOURNAL = 2,     /* events of a journal's own document: its name; entry id = journal id */
    EDN_RECORD_DEVICE = 3,      /* events of a device's document: its name; journal zero, entry id = device id */
    EDN_RECORD_DICTIONARY = 4,  /* what later records are packed with; journal zero, entry id = its hash, cut */
    EDN_RECORD_JOURNAL_KEY = 5, /* a journal key, sealed under the journal wrap key */
    EDN_RECORD_MEMBER = 6,      /* of a shared journal: whose a member key is; journal zero, entry id = the key's id */
    EDN_RECORD_STATEMENT = 7,   /* of a shared journal: whose a device is; journal zero, entry id = the device's id */
    EDN_RECORD_SPACE = 8,   /* events of what is known of a shared journal; journal zero, entry id = its account's */
    EDN_RECORD_CONTACT = 9, /* the same of another account */
    EDN_RECORD_INDEX = 10,  /* a manifest of the synced index (manifest.h); journal and entry zero */
} edn_record_type;

/* Whether records of a type are sealed under the account's meta key, and not under a journal's. */
static inline bool record_is_meta(uint8_t type)
{
    return type == EDN_RECORD_DEVICE || type == EDN_RECORD_DICTIONARY ||
           (type >= EDN_RECORD_MEMBER && type <= EDN_RECORD_CONTACT);
}

/* Whether they are events of a document. */
static inline bool record_has_events(uint8_t type)
{
    return (type >= EDN_RECORD_ENTRY && type <= EDN_RECORD_DEVICE) || type == EDN_RECORD_SPACE ||
           type == EDN_RECORD_CONTACT;
}

/* Fields of a document that are not a person's own. */
#define FIELD_DATE "date"
#define FIELD_TITLE "title"
#define FIELD_NAME "name"
#define FIELD_JOURNAL "\x01journal"
#define FIELD_MOVED "\x01moved" /* of a deleted entry: it went to another store, under the same id */
#define FIELD_CREATED                                                                                                  \
    "\x01"                                                                                                             \
    "created"

#define DATE_SIZE 10u
#define MONTH_SIZE 7u

/* ---- identity ---------------------------------------------------------------------------------------------------- */

/* Everything that only this device knows of itself; lives in guarded memory. */
typedef struct identity {
    edn_account_id account;
    edn_device_id device;
    edn_seed sign_seed;
    edn_sign_sk sign_sk;
    edn_dh_sk enc_sk;
    bool has_account_key;
    edn_account_key account_key;
    edn_space_id space;     /* the personal space */
    edn_journal_id journal; /* the first journal */
    char device_name[257], server[EDN_ORIGIN_SIZE_MAX + 1], name[257];
} identity;

typedef struct key_cache key_cache;
typedef struct catalog catalog;
typedef struct object_cache object_cache;
typedef struct codec codec;
typedef struct index_cache index_cache;
typedef struct family family;

/* What lives while the home is unlocked, in guarded memory: one allocation, wiped as a whole. */
typedef struct unlocked_secrets {
    edn_local_key ldk;
    identity id;
} unlocked_secrets;

struct edn_client {
    char *home, *vfs, *ca_file, *proxy;
    edn_clock clock;
    edn_random random;
    const edn_transport *transport; /* given from outside, or NULL */
    edn_http *http;                 /* made when it is first needed */
    char *http_origin;              /* for this server */
    edn_transport http_transport;
    edn_holder_find_fn *holders; /* given from outside, or NULL */
    uint64_t bytes_sent, bytes_received;

    edn_store *store;
    uint64_t store_version;   /* what the caches below were read at */
    edn_device_id device;     /* the id that the home was made with: binds the lock, names the session key */
    unlocked_secrets *secret; /* NULL: locked */
    bool busy;                /* between client_begin_ and client_end_ */
    uint64_t log_imaged;      /* of how many links there is an image in the store */
    edn_devlog *log;          /* empty or NULL until the first transaction, and after one that failed */
    key_cache *keys;
    catalog *catalog;
    object_cache *objects;
    codec *codec;
    index_cache *index;
    edn_client *parent; /* of the store of a shared journal; else NULL */
    family *family;     /* the children that this one has (family.h); NULL: none */

    /* borrowed by the last edn_client_status_get */
    edn_head_status *status_heads;
    edn_finding *status_findings;
    edn_arena status_arena;
};

static inline uint64_t client_now(const edn_client *c) { return c->clock.now_ms(c->clock.ctx); }
static inline void client_random(const edn_client *c, void *p, size_t n) { c->random.fill(c->random.ctx, p, n); }
static inline const identity *client_id(const edn_client *c) { return &c->secret->id; }
/* Whether others write in this store too. */
static inline bool client_is_shared(const edn_client *c) { return c->parent != NULL; }

/* A transaction over unlocked state: EDN_E_LOCKED, EDN_E_BUSY, … with a text. Caches are fresh afterwards. */
EDN_MUST_USE edn_status client_begin_write(edn_client *c, edn_err *err);
EDN_MUST_USE edn_status client_begin_read(edn_client *c, edn_err *err);
/* Writes back what the caches hold and commits when `st` is EDN_OK, rolls back otherwise; gives the final status,
 * with a text. */
edn_status client_end_write(edn_client *c, edn_status st, edn_err *err);
edn_status client_end_read(edn_client *c, edn_status st, edn_err *err);
/* Opening and unlocking, for the parts that make a home. */
EDN_MUST_USE edn_status client_new(const edn_client_options *options, edn_client **out, edn_err *err);
/* The id that the home was made with, into c->device. EDN_E_MISSING: it was never finished. */
EDN_MUST_USE edn_status client_read_device(edn_client *c, edn_err *err);
/* Unlocks the store and nothing else. EDN_E_AUTH, EDN_E_NOMEM, …: edn_client_lock is then still to be called. */
EDN_MUST_USE edn_status client_unlock_store(edn_client *c, const edn_local_key *ldk);
/* The same for a store that is being made, inside the transaction that makes it. */
EDN_MUST_USE edn_status client_unlock_new_store(edn_client *c, const edn_local_key *ldk);
/* Inside a transaction: other processes may have written, so what was read from the store before counts no longer. */
EDN_MUST_USE edn_status client_refresh(edn_client *c);
EDN_MUST_USE edn_status client_unlock_with(edn_client *c, const edn_local_key *ldk, edn_err *err);
EDN_MUST_USE edn_status client_open_slot(edn_client *c, edn_bytes passphrase, edn_local_key *ldk, edn_err *err);
/* Fills `err` for a status of the store, when nobody said more yet. */
edn_status client_fail(edn_client *c, edn_status st, edn_err *err);

/* Named rows of EDN_TABLE_META and EDN_TABLE_REMOTE. */
EDN_MUST_USE edn_status meta_get(edn_client *c, const char *name, edn_bytes salt, edn_buf *out);
EDN_MUST_USE edn_status meta_put(edn_client *c, const char *name, edn_bytes salt, edn_bytes value);
EDN_MUST_USE edn_status meta_del(edn_client *c, const char *name, edn_bytes salt);

EDN_MUST_USE edn_status identity_save(edn_client *c, const identity *id);
EDN_MUST_USE edn_status identity_load(edn_client *c);
void identity_derive(identity *id); /* what follows from the rest: sign_sk, space, journal */
/* Every device of an account names the first journal alike, without having heard of the others. */
edn_journal_id identity_first_journal(const edn_account_id *account);
/* Links from the store into c->log, from where it ends: an empty one begins with the image. */
EDN_MUST_USE edn_status log_load(edn_client *c);
/* Inside a transaction that writes: keeps an image when many links have come since the last. */
#define LOG_IMAGE_EVERY 16u
#define LOG_IMAGE_SIZE_MAX ((size_t)8 << 20)
EDN_MUST_USE edn_status log_image_flush(edn_client *c);
EDN_MUST_USE edn_status log_save_link(edn_client *c, uint64_t seq, edn_bytes link);
EDN_MUST_USE edn_status link_load(edn_client *c, uint64_t seq, edn_buf *out); /* appends; EDN_E_MISSING */
/* Takes in and keeps a link of our own that the server has: unless a sync of another process has brought it already.
 * EDN_E_CONFLICT: another link stands in its place. */
EDN_MUST_USE edn_status log_take_link(edn_client *c, edn_bytes link);
/* A link by the account's own key that this device made: it is no news to its person. (One by the device's key says so
 * itself.) */
EDN_MUST_USE edn_status log_own_mark(edn_client *c, const edn_link_info *info);
EDN_MUST_USE edn_status box_save(edn_client *c, edn_bytes box); /* under its hash */
EDN_MUST_USE edn_status box_load(edn_client *c, const edn_hash *hash, edn_buf *out);
/* Whether an unfinished passphrase change waits for word from the server. */
EDN_MUST_USE edn_status passphrase_pending(edn_client *c, bool *out);
/* Keeps or drops the waiting slot once the log tells. `log_is_whole`: the server has no more links than are here. */
EDN_MUST_USE edn_status passphrase_settle(edn_client *c, bool log_is_whole);
/* New keys and a new id for this device, by a link that its old key signs (SECURITY 2.8, clones). Server first, then
 * one transaction, which takes back what the old one wrote after `clone_dseq`. EDN_E_CONFLICT: another process has
 * written since `own` was this device's newest batch, or another device was quicker at the server. */
EDN_MUST_USE edn_status identity_reenrol(edn_client *c, const char *token, uint64_t clone_dseq, const edn_head *own,
                                         edn_err *err);

/* ---- requests outside of a sync ---------------------------------------------------------------------------------- */

EDN_MUST_USE edn_status client_transport(edn_client *c, const char *origin, const edn_transport **out, edn_err *err);
/* One exchange; any HTTP status is EDN_OK. */
EDN_MUST_USE edn_status client_exchange(edn_client *c, const edn_transport *t, const char *path, const char *bearer,
                                        edn_bytes body, edn_http_answer *out, edn_err *err);

/* ---- keys -------------------------------------------------------------------------------------------------------- */

EDN_MUST_USE edn_status keys_new(key_cache **out);
void keys_free(key_cache *k);
void keys_forget(key_cache *k); /* wipes what is cached */
/* A new secret of 16 to 64 bytes out of randomness, a secret of this device, and what it is for: when the source is
 * stuck it is still nobody else's, and no other's than its purpose's (docs/spec/keys.md). A root key that came out like
 * the one before would be one that a revoked device has. */
typedef enum secret_kind {
    SECRET_SIGN = 1,
    SECRET_ENC,
    SECRET_AIK,
    SECRET_ROOT,
    SECRET_JOURNAL,
    SECRET_ACCOUNT_KEY,
    SECRET_RECOVERY,
    SECRET_LOCK
} secret_kind;
void keys_make(edn_client *c, secret_kind kind, edn_bytes purpose, uint8_t *out, size_t n);
EDN_MUST_USE edn_status keys_root(edn_client *c, uint32_t epoch, edn_root_key *out);
/* Whether the log is in an epoch whose root key is not here: nothing can be sealed then. */
EDN_MUST_USE edn_status roots_behind(edn_client *c, bool *out);
/* Whether there are root keys, newer or older, that were not looked for yet. */
bool roots_incomplete(edn_client *c);
/* Gets every root key that the log speaks of and that is missing here, newer and older ones, from the boxes that the
 * log names. EDN_E_MISSING, EDN_E_AUTH, EDN_E_FORMAT: this device was given none that opens. */
EDN_MUST_USE edn_status roots_fetch(edn_client *c, const char *token, bool *changed, edn_err *err);
EDN_MUST_USE edn_status keys_root_save(edn_client *c, uint32_t epoch, const edn_root_key *rk);
/* K_meta in a journal key's place: for records that belong to no journal. */
EDN_MUST_USE edn_status keys_meta(edn_client *c, uint32_t epoch, edn_journal_key *out);
EDN_MUST_USE edn_status keys_space(edn_client *c, uint32_t epoch, edn_space_key *out);
/* The newest key of a journal; made and kept when there is none, or when the root key has changed since: then the
 * caller sends it. */
EDN_MUST_USE edn_status keys_journal_current(edn_client *c, const edn_journal_id *j, uint32_t *journal_epoch,
                                             edn_journal_key *out, bool *made);
/* The i-th known key of (journal, epoch): two devices may have made one each. EDN_E_MISSING past the last. */
EDN_MUST_USE edn_status keys_journal(edn_client *c, const edn_journal_id *j, uint32_t journal_epoch, size_t i,
                                     edn_journal_key *out);
/* The number of its newest key. EDN_E_MISSING: it has none. */
EDN_MUST_USE edn_status keys_journal_newest(edn_client *c, const edn_journal_id *j, uint32_t *out);
/* Marks a key that its batch never reached anybody with: the next batch of the journal carries it. */
EDN_MUST_USE edn_status keys_journal_resend(edn_client *c, const edn_journal_id *j, uint32_t journal_epoch);
/* `root_epoch`: the one in which it was made. */
EDN_MUST_USE edn_status keys_journal_add(edn_client *c, const edn_journal_id *j, uint32_t journal_epoch,
                                         uint32_t root_epoch, const edn_journal_key *jk);

/* ---- compression before sealing (codec.c) ------------------------------------------------------------------------ */

EDN_MUST_USE edn_status codec_new(codec **out);
void codec_free(codec *k);
void codec_forget(codec *k); /* dictionaries are made of a person's words */
void codec_lock(codec *k);   /* and zstd's workspace remembers what went through it */
#define CODEC_LEVEL_LOCAL 1
#define CODEC_LEVEL_RECORD 3
/* Appends u8 method ‖ …; raw when compression does not pay. */
EDN_MUST_USE edn_status codec_pack(edn_client *c, edn_bytes raw, int level, edn_buf *out);
/* The same without a dictionary: for what a reader must be able to open first. */
EDN_MUST_USE edn_status codec_pack_plain(edn_client *c, edn_bytes raw, edn_buf *out);
/* Appends what was packed. EDN_E_FORMAT; EDN_E_LIMIT beyond size_max; EDN_E_MISSING: its dictionary is not here yet. */
EDN_MUST_USE edn_status codec_unpack(edn_client *c, edn_bytes packed, size_t size_max, edn_buf *out);

#define DICTIONARY_SIZE_MAX ((size_t)256 << 10)
#define DICTIONARY_ENTRIES_MIN 100u
/* Keeps a dictionary and packs with it from now on. `live`: how many entries it was made for; 0: not known. */
EDN_MUST_USE edn_status dictionary_save(edn_client *c, edn_bytes bytes, uint64_t live);
/* Packs without one from now on; what was packed with it still opens. */
EDN_MUST_USE edn_status dictionary_drop(edn_client *c);
/* Whether a diary of `live` entries should train one (again). Inside a transaction that writes: an attempt is noted, so
 * that one in vain is not made again at every sync. */
EDN_MUST_USE edn_status dictionary_due(edn_client *c, uint64_t live, bool *out);
/* Appends a dictionary trained on samples that lie one after the other. EDN_E_MISSING: there is not enough to learn
 * from. */
EDN_MUST_USE edn_status dictionary_train(const edn_buf *samples, const size_t *sizes, unsigned n, edn_buf *out);

/* ---- documents --------------------------------------------------------------------------------------------------- */

#define MESSAGE_SIZE_MAX ((size_t)768 << 10) /* of events in one record, before compression */

/* Where the catalog shows an entry. */
#define DATE_SHOWN_MAX 32u /* of a date that is none: what is ordered by, and shown */
typedef enum place_kind {
    PLACE_NONE = 0,
    PLACE_MONTH, /* kept by an older version: the month alone, in place of the date */
    PLACE_WHOLE,
} place_kind;
typedef struct catalog_place {
    place_kind kind;
    uint8_t date_n, date[DATE_SHOWN_MAX];
    uint64_t created_ms;
} catalog_place;

/* A document with its place in the store. Held by the cache until the transaction ends. */
typedef struct object {
    edn_entry_id id;
    edn_record_type type;
    edn_doc *doc;
    uint64_t unsent_from; /* when dirty: this device's first event since it was loaded */
    bool fresh;           /* no row yet */
    bool changed, dirty;  /* since it was loaded: at all; by events of this device */
    bool rewrite;         /* the base must be written again */
    uint32_t tails;
    uint64_t base_size, tail_size; /* as stored; base 0: inline in the head row */
    edn_buf tail;                  /* messages that are not stored yet */
    uint64_t changed_ms;           /* the latest time that an author of it believed in */
    catalog_place place;
    uint64_t used; /* for eviction */
} object;

EDN_MUST_USE edn_status objects_new(object_cache **out);
void objects_free(object_cache *o);
void objects_forget(object_cache *o);                 /* without writing */
EDN_MUST_USE edn_status objects_flush(edn_client *c); /* writes back what changed */
/* EDN_E_MISSING. The object stays valid until the next object_get or object_new. */
EDN_MUST_USE edn_status object_get(edn_client *c, const edn_entry_id *id, object **out);
void object_drop(edn_client *c, object *o); /* out of the cache, unwritten */
EDN_MUST_USE edn_status object_new(edn_client *c, const edn_entry_id *id, edn_record_type type, object **out);
/* Sets author and time; before local events. After them: object_wrote. */
void object_author(edn_client *c, object *o);
EDN_MUST_USE edn_status object_wrote(edn_client *c, object *o, uint64_t seq_before);
/* Takes in another's events. EDN_E_PARENTS, EDN_E_FORMAT, … leave it as it was. */
EDN_MUST_USE edn_status object_merge(edn_client *c, object *o, edn_bytes message, uint64_t time_ms);
/* The journal that a document says it lies in. */
edn_journal_id doc_journal(const edn_client *c, const edn_doc *doc);
static inline edn_agent_id client_agent(const edn_client *c)
{
    edn_agent_id a;
    memcpy(a.b, client_id(c)->device.b, sizeof a.b);
    return a;
}
/* The beginning of a text of somebody's, cut at a character. */
static inline edn_bytes text_cut(edn_bytes s, size_t size_max)
{
    size_t n = EDN_MIN(s.n, size_max);

    while (n < s.n && n > 0 && (s.p[n] & 0xc0) == 0x80)
        n--;
    return edn_bytes_of(s.p, n);
}
static inline edn_bytes id_bytes(const edn_entry_id *id) { return edn_bytes_of(id->b, sizeof id->b); }

/* ---- the table of contents --------------------------------------------------------------------------------------- */

typedef struct catalog_item {
    edn_entry_id id;
    edn_journal_id journal;
    uint64_t created_ms, changed_ms, text_size;
    bool deleted, conflict;
    edn_bytes date, title, preview; /* beginnings */
    const edn_bytes *tags;
    size_t tags_n;
    bool more_tags; /* than stand here */
} catalog_item;

EDN_MUST_USE edn_status catalog_new(catalog **out);
void catalog_free(catalog *k);
void catalog_forget(catalog *k);
EDN_MUST_USE edn_status catalog_flush(edn_client *c);
/* Puts the item where its date belongs, and takes it off `place`, where it stood; that is where it stands now. */
EDN_MUST_USE edn_status catalog_put(edn_client *c, catalog_place *place, const catalog_item *item);
typedef edn_status catalog_fn(void *ctx, const catalog_item *item);
/* By (date, created, id), or the reverse. Dates are inclusive; empty: open. */
EDN_MUST_USE edn_status catalog_list(edn_client *c, edn_bytes from, edn_bytes to, bool reverse, catalog_fn *fn,
                                     void *ctx);
EDN_MUST_USE edn_status catalog_counts(edn_client *c, uint64_t *live, uint64_t *deleted);
/* Entries of a journal that are not deleted. Not `kept`: a store of before they were counted, unchanged since. */
EDN_MUST_USE edn_status catalog_journal_count(edn_client *c, const edn_journal_id *j, uint64_t *live, bool *kept);
/* From a document. */
EDN_MUST_USE edn_status catalog_describe(edn_client *c, const object *o, edn_arena *a, catalog_item *out);
void month_of(edn_bytes date, char out[MONTH_SIZE + 1]);
bool date_valid(edn_bytes date);
int bytes_compare(edn_bytes a, edn_bytes b); /* as memcmp, a prefix first */
void date_of_ms(uint64_t ms, char out[DATE_SIZE + 1]);

/* ---- the search index (index.h) ---------------------------------------------------------------------------------- */

EDN_MUST_USE edn_status index_new(index_cache **out);
void index_free(edn_client *c);
void index_forget(edn_client *c); /* wipes what is held of it */
/* Inside a transaction that writes: the entry changes, which stood at `place`. */
EDN_MUST_USE edn_status index_note(edn_client *c, const edn_entry_id *id, const catalog_place *place);

/* ---- journals and names ------------------------------------------------------------------------------------------ */

/* Keeps the small lists of names beside the documents that they come from. */
EDN_MUST_USE edn_status names_update(edn_client *c, const object *o);
/* Appends a journal's or a device's name; EDN_E_MISSING. */
EDN_MUST_USE edn_status journal_name(edn_client *c, const edn_journal_id *j, edn_buf *out);
EDN_MUST_USE edn_status device_name(edn_client *c, const edn_device_id *d, edn_buf *out);
EDN_MUST_USE edn_status device_name_set(edn_client *c, const char *name); /* this device's */
EDN_MUST_USE edn_status device_rename(edn_client *c, const edn_device_id *d, const char *name);
/* EDN_E_LIMIT, EDN_E_UTF8, EDN_E_INVALID. NULL is the default one. */
EDN_MUST_USE edn_status device_name_check(const char *name, edn_err *err);
/* Of the devices that are not revoked, by name or the beginning of the id. EDN_E_MISSING, EDN_E_AMBIGUOUS. */
EDN_MUST_USE edn_status device_find(edn_client *c, const char *what, edn_device_id *out, edn_err *err);
EDN_MUST_USE edn_status journal_name_check(edn_bytes name, edn_err *err);
EDN_MUST_USE edn_status journal_create(edn_client *c, const edn_journal_id *j, edn_bytes name);

/* The first journal of exactly this name, of the diary or shared: *found, and then *id is set. EDN_E_LOCKED: found, and
 * closed. */
EDN_MUST_USE edn_status journal_named(edn_client *c, edn_bytes name, edn_journal_id *id, bool *found, edn_err *err);
typedef edn_status journal_id_fn(void *ctx, const edn_journal_id *j, edn_bytes name);
EDN_MUST_USE edn_status journals_each(edn_client *c, journal_id_fn *fn, void *ctx);
/* Every document of a type that has a name: in the order in which they came. `fn` may not write. */
typedef edn_status named_fn(void *ctx, const edn_entry_id *id, edn_bytes name);
EDN_MUST_USE edn_status names_each(edn_client *c, edn_record_type type, named_fn *fn, void *ctx);
bool names_equal_folded(edn_bytes a, const char *b); /* of journals; case folded */
/* One field of a small document, which is made when there is none. */
EDN_MUST_USE edn_status named_set(edn_client *c, const edn_entry_id *id, edn_record_type type, const char *field,
                                  edn_bytes value);
/* The same, but for a value that it has already. */
EDN_MUST_USE edn_status named_put(edn_client *c, const edn_entry_id *id, edn_record_type type, const char *field,
                                  edn_bytes value);
/* Appends a field's value; EDN_E_MISSING. */
EDN_MUST_USE edn_status named_get(edn_client *c, const edn_entry_id *id, edn_record_type type, const char *field,
                                  edn_buf *out);

/* Makes what `fn` gets from a document; strings live in `a`. */
EDN_MUST_USE edn_status entry_describe(edn_client *c, const edn_entry_id *id, const edn_doc *doc, edn_arena *a,
                                       edn_entry *out);
EDN_MUST_USE edn_status entry_create(edn_client *c, const edn_entry_id *id, const edn_draft *d, uint64_t created_ms);
EDN_MUST_USE edn_status entry_show(edn_client *c, const edn_entry_id *id, edn_entry_fn *fn, void *ctx);
/* EDN_E_INVALID: a filter's dates are none. */
EDN_MUST_USE edn_status filter_check(const edn_filter *f, edn_err *err);
/* Whether a filter's journal, tag and wish for deleted entries let an item pass; dates are catalog_list's business. */
EDN_MUST_USE edn_status filter_fits(edn_client *c, const edn_filter *f, const catalog_item *it, bool *out);
/* Whether it is deleted because it lies in another store now. */
bool doc_moved_away(const edn_doc *doc);
/* A text on its way to another, in pieces. */
EDN_MUST_USE edn_status text_pieces(edn_bytes from, edn_bytes to, edn_piece_fn *fn, void *ctx);
/* Turns the document's text into `text` by the smallest edits. */
EDN_MUST_USE edn_status doc_edit_to(edn_doc *doc, edn_bytes text);
/* Makes `doc` show what `want` shows (text, fields, tags, deleted), by events of its present author. */
EDN_MUST_USE edn_status doc_become(edn_doc *doc, const edn_doc *want);

/* ---- batches ----------------------------------------------------------------------------------------------------- */

/* Heads and claims of the personal space. */
typedef struct heads {
    edn_head *p; /* ascending */
    size_t n;
} heads;
EDN_MUST_USE edn_status heads_load(edn_client *c, heads *out);
EDN_MUST_USE edn_status heads_save(edn_client *c, const heads *h);
EDN_MUST_USE edn_status heads_set(heads *h, const edn_head *head);
EDN_MUST_USE edn_status heads_remove(heads *h, const edn_device_id *device);
void heads_dispose(heads *h);
/* The row of a batch. */
#define BATCH_KEY_SIZE 32u
void batch_key(const edn_client *c, const edn_device_id *d, uint64_t dseq, uint8_t out[BATCH_KEY_SIZE]);

EDN_MUST_USE edn_status batch_save(edn_client *c, const edn_device_id *d, uint64_t dseq, edn_bytes bytes,
                                   const edn_hash *hash);
EDN_MUST_USE edn_status batch_load(edn_client *c, const edn_device_id *d, uint64_t dseq, edn_buf *out); /* appends */
EDN_MUST_USE edn_status batch_hash_load(edn_client *c, const edn_device_id *d, uint64_t dseq, edn_hash *out);
EDN_MUST_USE edn_status batch_drop(edn_client *c, const edn_device_id *d, uint64_t dseq);

/* EDN_TABLE_DIRTY: from which of this device's events on an object has to be sent. EDN_E_MISSING: it is clean. */
EDN_MUST_USE edn_status dirty_get(edn_client *c, const edn_entry_id *id, uint64_t *seq_from);
EDN_MUST_USE edn_status dirty_put(edn_client *c, const edn_entry_id *id, uint64_t seq_from);

/* Turns everything dirty into batches of this device, inside the caller's transaction. */
EDN_MUST_USE edn_status outbox_build(edn_client *c, uint64_t *batches);
/* One batch of kind index with this manifest and every journal key in it; *head is it then. */
EDN_MUST_USE edn_status outbox_index(edn_client *c, edn_bytes manifest_bytes, edn_head *head);
/* Objects with events that are in no batch, and what else is to be said. */
EDN_MUST_USE edn_status outbox_count(edn_client *c, uint64_t *out);

typedef struct inbox_figures {
    uint64_t records, entries, conflicts;
    edn_entry_id last; /* the entry counted last: a large one comes in many records, and counts once */
} inbox_figures;
/* Keeps links and batches and applies their records, inside the caller's transaction. What cannot be applied yet, or
 * at all, is set aside. */
EDN_MUST_USE edn_status inbox_save(edn_client *c, const edn_sync_action *save, inbox_figures *out);
/* Applies the records of one entry, of checked batches that came ahead of their turn; they come again. */
EDN_MUST_USE edn_status inbox_take_entry(edn_client *c, const edn_sync_batch *b, size_t n, const edn_entry_id *id);
/* The same without the keys and dictionaries that they bring. *whole: nothing of it was at fault. */
EDN_MUST_USE edn_status inbox_take_events(edn_client *c, const edn_sync_batch *b, size_t n, const edn_entry_id *id,
                                          bool *whole);
/* Opens one record of a held batch and gives its message; used by `verify` too. */
typedef struct record_head {
    uint64_t seq_from, time_ms; /* the author's first event in it; when it was last changed, as the author believed */
} record_head;
EDN_MUST_USE edn_status record_message(edn_client *c, const edn_batch_header *h, const edn_record *r, uint32_t index,
                                       edn_buf *out, record_head *head);
/* The same for a dictionary; its hash is checked. */
EDN_MUST_USE edn_status record_dictionary(edn_client *c, const edn_batch_header *h, const edn_record *r, uint32_t index,
                                          edn_buf *out);
/* Appends what was sealed in a record, whatever it is. */
EDN_MUST_USE edn_status record_raw(edn_client *c, const edn_batch_header *h, const edn_record *r, uint32_t index,
                                   edn_buf *out);
/* The same for a manifest. */
EDN_MUST_USE edn_status record_manifest(edn_client *c, const edn_batch_header *h, const edn_record *r, uint32_t index,
                                        edn_buf *out);
/* Whether a failure concerns one record alone, and so must not stop the rest. */
bool record_is_at_fault(edn_status st);
/* Keeps the journal keys and dictionaries of a batch; one that is not good is left out. */
EDN_MUST_USE edn_status records_take_keys(edn_client *c, const edn_sync_batch *b);
#define BATCH_ARENA_SIZE_MAX ((size_t)64 << 20)
/* A held batch, opened again; all of it lives in `a`. */
EDN_MUST_USE edn_status batch_reopen(edn_client *c, const edn_device_id *d, uint64_t dseq, edn_arena *a, edn_batch *b,
                                     edn_body *body);
EDN_MUST_USE edn_status aside_count(edn_client *c, uint64_t *out);
EDN_MUST_USE edn_status aside_evidence(edn_client *c, edn_status st, edn_bytes evidence);
/* Gives up this device's id: takes back batches after `dseq`, whose numbers another copy has used, and writes their
 * changes again under the new one, but for those that `t` holds as well. */
struct twin;
EDN_MUST_USE edn_status outbox_reissue(edn_client *c, const edn_device_id *old, uint64_t dseq, struct twin *t);

/* edn_client_sync; `full`: logs in and asks for everything, also when a probe would say that nothing is new. */
EDN_MUST_USE edn_status client_sync(edn_client *c, const edn_sync_options *options, bool full, edn_sync_result *out,
                                    edn_err *err);
/* Up to which link the person has been told what other devices did. */
EDN_MUST_USE edn_status log_told_save(edn_client *c, uint64_t count);
/* A recovery that waits (recovery_held.c): which change of it was heard of last; what changed since, fetched and
 * kept. */
EDN_MUST_USE edn_status held_number(edn_client *c, uint64_t *out);
EDN_MUST_USE edn_status held_fetch(edn_client *c, const char *token, edn_err *err);
/* Inside a transaction that writes: the person was told of it. */
EDN_MUST_USE edn_status held_told(edn_client *c);
/* What the server owes. */
EDN_MUST_USE edn_status claims_save(edn_client *c, const edn_claim *p, size_t n);
EDN_MUST_USE edn_status finding_save(edn_client *c, const edn_finding *f);
/* Takes one of this status and text off the list. */
EDN_MUST_USE edn_status finding_drop(edn_client *c, const edn_finding *f);
/* What the engine may look up in this client's store. */
edn_sync_view sync_view(edn_client *c);
EDN_MUST_USE edn_status remote_load(edn_client *c, edn_sync_remote *out);
/* Whether all has come that the server told of when it was last asked (status.c): *out. A diary that nobody else writes
 * has come before it was ever asked. */
EDN_MUST_USE edn_status store_has_come(edn_client *c, bool *out);
EDN_MUST_USE edn_status remote_save(edn_client *c, const edn_sync_remote *r);

#endif
