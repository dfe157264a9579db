/* wire: what travels. Batches (the public half: their sealed inside is src/keys' business), and the requests and
 * answers of the sync protocol, encoded and decoded by the same code on both sides. Pure; bytes may be hostile. */
#ifndef EDN_WIRE_H
#define EDN_WIRE_H

#include "crypto/verify.h"

/* ---- padding (SECURITY 4) ---------------------------------------------------------------------------------------- */

typedef enum edn_padding { EDN_PADDING_P1 = 1, EDN_PADDING_P2 = 2 } edn_padding;
/* The bucket for a length: P1 = Padmé with floor 1 KiB (Nikitin et al., PURBs, PETS 2019), P2 = power of two, floor 4
 * KiB. */
uint32_t edn_padded_size(edn_padding p, uint32_t n);
/* Whether some length falls in exactly this bucket under P1 or P2. */
bool edn_padded_size_legal(uint32_t n);

/* ---- batches (SECURITY 2.8) -------------------------------------------------------------------------------------- */

#define EDN_BATCH_HEADER_SIZE 176u
#define EDN_BATCH_SIZE_MAX (4u << 20)
#define EDN_BATCH_OVERHEAD (EDN_BATCH_HEADER_SIZE + 24u + 32u + 16u + 64u) /* all but the padded plaintext */
#define EDN_BATCH_SIZE_MIN (EDN_BATCH_OVERHEAD + 1024u)

#define EDN_RECORD_SIZE_MAX (1u << 20) /* a record's box */
#define EDN_RECORDS_MAX 65536u         /* in one batch */
#define EDN_HEADS_MAX 1024u            /* devices that ever wrote to one space */
#define EDN_HEAD_SIZE 56u

typedef enum edn_batch_kind {
    EDN_BATCH_OPS = 1,
    EDN_BATCH_SNAPSHOT = 2,
    EDN_BATCH_MANIFEST = 3,
    EDN_BATCH_INDEX = 4,
    EDN_BATCH_KEYBOX = 5,
} edn_batch_kind;

/* 176 bytes: "EDNB" ‖ u8 1 ‖ u8 kind ‖ u16 suite ‖ space 32 ‖ device 16 ‖ u64 dseq ‖ prev 32 ‖ u32 epoch ‖ u64 log seq
 * ‖ log head 32 ‖ heads_hash 32 ‖ u32 padded length */
typedef struct edn_batch_header {
    edn_batch_kind kind;
    uint16_t suite;
    edn_space_id space;
    edn_device_id device;
    uint64_t dseq;    /* 1, 2, 3… for each space and device */
    edn_hash prev;    /* of the device's batch before, zero for the first */
    uint32_t epoch;   /* of the space key */
    uint64_t log_seq; /* the last link of the device log that the author knew, and its hash */
    edn_hash log_head;
    edn_hash heads_hash;
    uint32_t padded_size;
} edn_batch_header;

/* A decoded batch borrows the bytes it was decoded from. */
typedef struct edn_batch {
    edn_bytes bytes;        /* the whole */
    edn_bytes header_bytes; /* the first 176 */
    edn_batch_header header;
    edn_bytes box; /* nonce ‖ commitment ‖ ciphertext ‖ tag */
    edn_signature signature;
} edn_batch;

void edn_batch_header_put(edn_buf *out, const edn_batch_header *h);
/* Sizes, version, kind, suite, legal padding bucket, length: EDN_E_FORMAT, EDN_E_SUITE. Nothing is authentic yet. */
EDN_MUST_USE edn_status edn_batch_decode(edn_bytes in, edn_batch *out);
/* H32(T("EDNv1/hash/batch"; header, N, com, H32(C), signature)); the digest of C is computed once for both calls when
 * `c_hash` is kept. */
edn_hash edn_batch_c_hash(const edn_batch *b);
edn_hash edn_batch_hash(const edn_batch *b, const edn_hash *c_hash);
/* Signature over T("EDNv1/sig/batch"; header, N, com, H32(C)). `pk` was checked when its device was added. */
EDN_MUST_USE bool edn_batch_verify(const edn_batch *b, const edn_hash *c_hash, const edn_sign_pk *pk);
void edn_batch_sign(edn_signature *out, edn_bytes header, edn_bytes nonce, edn_bytes commitment, const edn_hash *c_hash,
                    const edn_sign_sk *sk);

/* A device's newest batch in a space. Maps of heads are strictly ascending by device id everywhere. */
typedef struct edn_head {
    edn_device_id device;
    uint64_t dseq;
    edn_hash hash;
} edn_head;

/* H32(T("EDNv1/heads"; each 56-byte element)) */
edn_hash edn_heads_hash(const edn_head *heads, size_t n);
/* u32 n ‖ n × (device 16 ‖ u64 dseq ‖ hash 32). Decoding: EDN_E_FORMAT when not ascending or dseq is 0. */
void edn_heads_put(edn_buf *out, const edn_head *heads, size_t n);
EDN_MUST_USE bool edn_heads_read(edn_reader *r, edn_arena *a, edn_head **heads, size_t *n);
const edn_head *edn_heads_find(const edn_head *heads, size_t n, const edn_device_id *device);

/* One record of a batch's inside: still sealed in its second layer. */
typedef struct edn_record {
    edn_journal_id journal;
    edn_entry_id entry;
    uint32_t journal_epoch, key_version;
    uint8_t type;
    edn_bytes box; /* borrowed */
} edn_record;

/* The inside of a batch: LP(heads) ‖ LP(u32 n ‖ n × (journal 16 ‖ entry 16 ‖ u32 journal epoch ‖ u32 key version ‖ u8
 * type ‖ LP(box))). Decoding checks limits before it allocates. */
EDN_MUST_USE edn_status edn_body_encode(edn_buf *out, const edn_head *heads, size_t heads_n, const edn_record *records,
                                        size_t n);
typedef struct edn_body {
    edn_head *heads;
    size_t heads_n;
    edn_record *records;
    size_t records_n;
} edn_body;
EDN_MUST_USE edn_status edn_body_decode(edn_arena *a, edn_bytes in, edn_body *out);

/* ---- login message (SECURITY 2.10) ------------------------------------------------------------------------------- */

typedef struct edn_login_message {
    edn_bytes origin;
    edn_account_id account;
    edn_device_id device; /* zero: by passphrase */
    uint8_t client_nonce[32], server_nonce[32], channel_binding[32];
    uint64_t server_time; /* seconds */
    uint64_t log_seq;
    edn_hash log_head;
} edn_login_message;
void edn_login_sign(edn_signature *out, const edn_login_message *m, const edn_sign_sk *sk);
EDN_MUST_USE bool edn_login_verify(const edn_signature *sig, const edn_login_message *m, const edn_sign_pk *pk);

/* ---- requests and answers -------------------------------------------------------------------------------------------
 *
 * Every body begins with u8 version 1; integers are little-endian; lists are u32 n ‖ items; nothing may trail.
 * `struct`s borrow from the decoded bytes and, for lists, from the arena. A put appends; a decode gives EDN_E_FORMAT
 * for any other bytes than the put makes.
 *
 *   GET  /v1/server                         -> server info; needs no token
 *   GET  /v1/probe/{probe}/{etag}           -> 204 nothing new, 200 something is, 404 unknown; base64url; no token
 *   POST /v1/challenge      challenge ask   -> challenge
 *   POST /v1/login          login           -> token
 *   POST /v1/accounts       account         -> 201 (log state), 409 taken or known already
 *   POST /v1/log            log append      -> log state; 409 with the log state when it does not continue the log
 *   POST /v1/box            box ask         -> boxes
 *   POST /v1/pull           pull            -> pulled
 *   POST /v1/push           push            -> pushed; 409 when a batch does not continue its chain
 *   GET  /v1/events                         -> text/event-stream: "data: {etag}" whenever the space or the log moved
 *   POST /v1/batches        batch ask       -> batches: some by their numbers, ahead of their turn
 *   GET, HEAD, PUT /v1/blobs/{name}         -> sealed bytes: attachments, shards of the index
 *   POST /v1/shelf          shelf           -> absent: these blobs stay, those go in a week unless they are put again
 *   POST /v1/mailbox        mail            -> mails; needs no token
 *   POST /v1/lookup         lookup          -> found; by name it needs a device's token
 *   POST /v1/inbox          inbox           -> letters; a put needs no token, the others a device's
 *   POST /v1/recovery       set ask         -> held: the account's log and, once the wait is over, its recovery box; no
 *                                              token
 *   POST /v1/shares         share ask       -> shares: a machine that recovers asks for shares that others keep, and
 *                           they give them; no token
 *   POST /v1/held           held ask        -> held: the account's recovery that is under way, looked at or cancelled
 *
 * After login every request carries "Authorization: Bearer {token}". Errors are application/problem+json. Byte by byte,
 * with every status: docs/spec/protocol.md. */

#define EDN_PROTOCOL_VERSION 1u
#define EDN_ORIGIN_SIZE_MAX 256u
#define EDN_TOKEN_SIZE_MAX 2048u
#define EDN_BOX_SIZE_MAX (1u << 20)
#define EDN_BOXES_MAX 256u
#define EDN_PROBE_SIZE 16u
#define EDN_ETAG_SIZE 16u
#define EDN_PULL_SIZE_MAX (8u << 20) /* an answer is cut after the batch that passes 4 MiB */
#define EDN_PUSH_SIZE_MAX (EDN_BATCH_SIZE_MAX + 4096u)
#define EDN_MSG_SIZE_MAX 65536u /* every body that carries no links, boxes or batches */
#define EDN_MSG_LIST_MAX 65536u /* links or batches in one body */
#define EDN_PLACES_MAX 64u
#define EDN_NAMES_MAX 1000u
#define EDN_MSG_LINK_SIZE_MIN 172u   /* an empty body */
#define EDN_MSG_LINK_SIZE_MAX 65536u /* EDN_LINK_SIZE_MAX of src/devlog, which this module does not include */

typedef struct edn_etag {
    uint8_t b[EDN_ETAG_SIZE];
} edn_etag;
/* A space's state in 16 bytes: of H32(T("EDNv1/etag"; space, u64 log count, log head, heads_hash)), and, when
 * `recovery` is not 0, of the same with u64 recovery behind. */
edn_etag edn_etag_of(const edn_space_id *space, uint64_t log_count, const edn_hash *log_head,
                     const edn_hash *heads_hash, uint64_t recovery);

/* A server's signed statement that it durably holds exactly this state. */
typedef struct edn_receipt {
    uint64_t time_ms;
    edn_signature sig; /* T("EDNv1/sig/receipt"; space, u64 log count, log head, heads_hash, u64 time ms) */
} edn_receipt;
void edn_receipt_sign(edn_receipt *r, const edn_space_id *space, uint64_t log_count, const edn_hash *log_head,
                      const edn_hash *heads_hash, const edn_sign_sk *sk);
EDN_MUST_USE bool edn_receipt_verify(const edn_receipt *r, const edn_space_id *space, uint64_t log_count,
                                     const edn_hash *log_head, const edn_hash *heads_hash, const edn_sign_pk *pk);

/* H32(T("EDNv1/account-name"; name)): what a server knows of the name an account is found by. `name` is already NFKC
 * case folded and trimmed. */
edn_hash edn_account_name_hash(edn_bytes name);

typedef struct edn_msg_server_info {
    edn_sign_pk receipt_pk;
    uint64_t time;
    edn_bytes origin;
} edn_msg_server_info;

enum { EDN_LOGIN_DEVICE = 1, EDN_LOGIN_PASSPHRASE = 2 };
/* By device: account and device. By passphrase: name_hash alone; the account comes with the answer. The rest is
 * zero. */
typedef struct edn_msg_challenge_ask {
    uint8_t kind;
    edn_account_id account;
    edn_device_id device;
    edn_hash name_hash;
    uint8_t client_nonce[32];
} edn_msg_challenge_ask;
typedef struct edn_msg_challenge {
    uint8_t server_nonce[32];
    uint64_t server_time;
    edn_bytes origin;
    edn_account_id account;
    uint8_t kdf_record[32]; /* zero for a device */
} edn_msg_challenge;
typedef struct edn_msg_login {
    uint8_t kind;
    edn_account_id account;
    edn_device_id device;
    uint8_t client_nonce[32], server_nonce[32], channel_binding[32];
    uint64_t server_time, log_seq;
    edn_hash log_head;
    edn_signature sig;
} edn_msg_login;
typedef struct edn_msg_token {
    uint64_t expires;
    edn_bytes token;
} edn_msg_token; /* seconds */

/* Links and the boxes whose hashes they name: kdf record, root box, grants, boxes of earlier epochs. */
typedef struct edn_msg_account {
    edn_hash name_hash;
    edn_bytes *links;
    size_t links_n;
    edn_bytes *boxes;
    size_t boxes_n;
} edn_msg_account;
typedef struct edn_msg_log_append {
    edn_bytes *links;
    size_t links_n;
    edn_bytes *boxes;
    size_t boxes_n;
} edn_msg_log_append;
typedef struct edn_msg_log_state {
    uint64_t count;
    edn_hash head;
} edn_msg_log_state;

typedef struct edn_msg_box_ask {
    edn_hash *hashes;
    size_t n;
} edn_msg_box_ask;
typedef struct edn_msg_boxes {
    edn_bytes *boxes;
    size_t n;
} edn_msg_boxes; /* in the order asked; empty: not there */

typedef struct edn_msg_pull {
    edn_space_id space;
    uint64_t log_count; /* links after these are wanted */
    uint8_t probe[EDN_PROBE_SIZE];
    edn_head *heads; /* batches after these are wanted */
    size_t heads_n;
} edn_msg_pull;
enum { EDN_PULLED_MORE = 1 };
typedef struct edn_msg_pulled {
    uint8_t flags;
    uint64_t log_count; /* the server's */
    edn_hash log_head;
    edn_receipt receipt;
    uint64_t recovery; /* which change of the account's recoveries was the last; 0: there was none */
    edn_head *heads;   /* the server's */
    size_t heads_n;
    edn_bytes *links;
    size_t links_n;
    edn_bytes *batches; /* each device's in order */
    size_t batches_n;
} edn_msg_pulled;

/* Batches of one space, each continuing its device's chain: any active device may bring any device's. */
typedef struct edn_msg_push {
    edn_etag before; /* the state that the sender believes the server to be in */
    edn_bytes *batches;
    size_t batches_n;
} edn_msg_push;
enum { EDN_PUSHED_EXPECTED = 1 }; /* the sender's belief was right: nothing to pull */
typedef struct edn_msg_pushed {
    uint8_t flags;
    edn_receipt receipt; /* of the state after the push */
} edn_msg_pushed;

/* Batches by their numbers, ahead of their turn (docs/spec/shards.md). dseq 0: the device's newest of kind index. */
typedef struct edn_place {
    edn_device_id device;
    uint64_t dseq;
} edn_place;
typedef struct edn_msg_batch_ask {
    edn_space_id space;
    edn_place *places;
    size_t places_n;
} edn_msg_batch_ask;
typedef struct edn_msg_batches {
    edn_bytes *batches; /* in the order asked; empty: not there. May end early: ask for the rest */
    size_t batches_n;
} edn_msg_batches;

/* Blobs that are needed, though they were dropped, and such as nobody needs any more. Answered by those to be kept that
 * are not there. */
typedef struct edn_msg_shelf {
    edn_hash *keep, *drop;
    size_t keep_n, drop_n;
} edn_msg_shelf;
typedef struct edn_msg_absent {
    edn_hash *names;
    size_t names_n;
} edn_msg_absent;

/* A mailbox in which two devices that share a rendezvous id leave messages for each other (docs/spec/protocol.md).
 * Messages of a side are numbered from 0 without gaps, so that any request can be repeated. */
#define EDN_MAIL_SIZE_MAX 65536u
#define EDN_MAILS_MAX 16u /* in one mailbox, of both sides together */
#define EDN_MAIL_LIFE_S 300u
#define EDN_MAIL_ASK_SIZE_MAX (EDN_MAIL_SIZE_MAX + 64u)
enum { EDN_MAIL_OPEN = 1, EDN_MAIL_PUT = 2, EDN_MAIL_GET = 3, EDN_MAIL_CLOSE = 4 };
enum { EDN_MAIL_OLD = 1, EDN_MAIL_NEW = 2 }; /* sides, as in keys/pairing.h */
typedef struct edn_msg_mail {
    uint8_t kind;
    uint8_t rendezvous[16];
    uint8_t side;    /* the sender's */
    uint64_t number; /* of the message put; of the other side's first that is wanted; else 0 */
    edn_bytes mail;  /* empty unless put */
} edn_msg_mail;
typedef struct edn_msg_mails {
    uint64_t left_s;  /* until the mailbox is gone */
    edn_bytes *mails; /* of a get, in order */
    size_t n;
} edn_msg_mails;

/* Who has a page with a recovery share looks at the account's log, or asks for the box that enough shares open, which
 * the server holds back for a while. */
enum { EDN_SET_LOOK = 1, EDN_SET_ASK = 2 };
typedef struct edn_msg_set_ask {
    uint8_t kind;
    edn_account_id account;
    uint8_t set[16]; /* of the log's newest SET_RECOVERY: only who was given a share knows it */
    uint64_t begun;  /* ask: the recovery that is looked at; 0: begin one, or join the one that is under way */
} edn_msg_set_ask;

/* That its bearer has seen an account's device log: the first bytes of the hash of any link of it but the first, whose
 * hash is the account's id. Without one, who guesses names could have ids made up for them (challenge) and ask which
 * are true. Zero, and good, for a log without a passphrase: such an account has no name. */
typedef struct edn_witness {
    uint8_t b[8];
} edn_witness;
/* Of link `seq` with this hash. */
static inline edn_witness edn_witness_of(uint64_t seq, const edn_hash *link)
{
    edn_witness w = {{0}};

    if (seq > 0)
        memcpy(w.b, link->b, sizeof w.b);
    return w;
}

/* Another account's device log. */
enum { EDN_LOOKUP_NAME = 1, EDN_LOOKUP_ACCOUNT = 2 };
typedef struct edn_msg_lookup {
    uint8_t kind;
    uint8_t id[32];      /* the name's hash, or the account */
    uint64_t from;       /* links from this number on are wanted */
    edn_witness witness; /* by account, without a token of an account there; else zero */
} edn_msg_lookup;
enum { EDN_FOUND_MORE = 1 };
typedef struct edn_msg_found {
    uint8_t flags;
    edn_account_id account;
    edn_bytes *links;
    size_t links_n;
} edn_msg_found;

/* Letters (docs/spec/sharing.md) that wait for an account's devices. */
#define EDN_INBOX_LETTER_SIZE_MAX 65536u
#define EDN_INBOX_LETTERS_MAX 64u
#define EDN_INBOX_DAYS 30u
#define EDN_INBOX_ASK_SIZE_MAX (EDN_INBOX_LETTER_SIZE_MAX + 64u)
enum { EDN_INBOX_PUT = 1, EDN_INBOX_GET = 2, EDN_INBOX_DROP = 3 };
typedef struct edn_msg_inbox {
    uint8_t kind;
    edn_account_id to;   /* put: whose inbox; else zero */
    edn_witness witness; /* put: of that account's log; else zero */
    uint64_t number;     /* get: the first that is wanted; drop: of the letter; put: 0 */
    edn_bytes message;   /* put; else empty */
} edn_msg_inbox;
typedef struct edn_msg_letter {
    uint64_t number; /* rises, and is never used again */
    edn_bytes message;
} edn_msg_letter;
typedef struct edn_msg_letters {
    edn_msg_letter *letters; /* of a get, in order */
    size_t n;
} edn_msg_letters;

/* A recovery as the server holds it: from the first ask to the end of its time. */
enum { EDN_HELD_NONE = 1, EDN_HELD_WAITING = 2, EDN_HELD_READY = 3, EDN_HELD_CANCELLED = 4 };
typedef struct edn_msg_held {
    uint8_t state;
    uint64_t number;           /* grows with every beginning and every cancelling; 0: there was none yet */
    uint64_t begun;            /* the number that it began with, by which it is named */
    uint64_t asked_s, ready_s; /* when it was begun, and when the box is given out, by the server's clock */
    uint64_t now_s;            /* what that shows now */
    uint8_t set[16];
    edn_device_id device; /* cancelled: by whom, when, and proof of it */
    uint64_t cancelled_ms;
    edn_signature sig;
    edn_bytes *links; /* of a set ask: the whole log */
    size_t links_n;
    edn_bytes *boxes; /* of a set ask that is ready: the one box */
    size_t boxes_n;
} edn_msg_held;

/* A device looks at the recovery under way, or cancels it. */
enum { EDN_HELD_LOOK = 1, EDN_HELD_CANCEL = 2 };
typedef struct edn_msg_held_ask {
    uint8_t kind;
    uint64_t begun; /* cancel: which; look: 0 */
    uint64_t time_ms;
    edn_signature sig; /* edn_cancel_sign; look: time and signature zero */
} edn_msg_held_ask;

/* While a recovery is under way, who keeps a share for the account finds the keys of those who ask for it, and puts it
 * there, sealed to one of them. */
#define EDN_SHARE_GIVE_SIZE_MAX 256u
#define EDN_SHARE_REQUESTS_MAX 16u
#define EDN_SHARE_GIVES_MAX 64u /* for one request */
enum { EDN_SHARES_LOOK = 1, EDN_SHARES_WANT = 2, EDN_SHARES_GIVE = 3 };
typedef struct edn_msg_share_ask {
    uint8_t kind;
    edn_account_id account;
    uint8_t set[16]; /* as of a set ask */
    uint8_t key[32]; /* the request's; look: zero */
    edn_bytes give;  /* give; else empty */
} edn_msg_share_ask;
typedef struct edn_msg_shares {
    uint8_t state;  /* of the recovery: EDN_HELD_… */
    edn_hash *keys; /* look: of the requests, in ascending order */
    size_t keys_n;
    edn_bytes *gives; /* want: in the order in which they came */
    size_t gives_n;
} edn_msg_shares;

/* T("EDNv1/sig/recovery-cancel"; account, set id, u64 begun, device, u64 time ms), by the device's key. */
typedef struct edn_cancel {
    edn_account_id account;
    uint8_t set[16];
    uint64_t begun;
    edn_device_id device;
    uint64_t time_ms;
} edn_cancel;
void edn_cancel_sign(edn_signature *out, const edn_cancel *m, const edn_sign_sk *sk);
EDN_MUST_USE bool edn_cancel_verify(const edn_signature *sig, const edn_cancel *m, const edn_sign_pk *pk);

/* clang-format off */
#define EDN_MESSAGES(X) \
    X(server_info) X(challenge_ask) X(challenge) X(login) X(token) X(account) X(log_append) X(log_state) \
    X(box_ask) X(boxes) X(pull) X(pulled) X(push) X(pushed) X(mail) X(mails) \
    X(set_ask) X(held) X(held_ask) X(lookup) X(found) X(inbox) X(letters) \
    X(batch_ask) X(batches) X(shelf) X(absent) X(share_ask) X(shares)
/* clang-format on */

/* edn_<name>_put(buffer, message) and edn_<name>_decode(arena, bytes, message). */
#define EDN_MESSAGE_DECLARE(name)                                                                                      \
    void edn_##name##_put(edn_buf *out, const edn_msg_##name *m);                                                      \
    EDN_MUST_USE edn_status edn_##name##_decode(edn_arena *a, edn_bytes in, edn_msg_##name *out);
EDN_MESSAGES(EDN_MESSAGE_DECLARE)
#undef EDN_MESSAGE_DECLARE

#endif
