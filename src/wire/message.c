/* Requests and answers. Each message is a table of its fields in the order of the wire; one put and one decode walk it,
 * so that the two cannot drift apart.
 *
 * What holds of every decode:
 *   1. a count is believed only when that many smallest items can still follow, and memory is taken after that;
 *   2. every byte is used, and every field is in its range, so decode(x) = m implies put(m) = x;
 *   3. on failure the message is all zero, and what the arena gave is the caller's to reset. */
#include "wire_priv.h"

typedef enum field_type {
    FIELD_KIND,  /* u8 from 1 to max */
    FIELD_FLAGS, /* u8 with no bits but those of max */
    FIELD_U64,
    FIELD_RAW,     /* max bytes as they are */
    FIELD_BYTES,   /* LP, of min to max bytes: edn_bytes */
    FIELD_LIST,    /* u32 n ‖ n × LP, each of min to max bytes: edn_bytes *, size_t */
    FIELD_HASHES,  /* u32 n ‖ n × 32: edn_hash *, size_t */
    FIELD_PLACES,  /* u32 n ‖ n × (device 16 ‖ u64 dseq): edn_place *, size_t */
    FIELD_HEADS,   /* edn_heads_put: edn_head *, size_t */
    FIELD_LETTERS, /* u32 n ‖ n × (u64 number, rising ‖ LP of min to max bytes): edn_msg_letter *, size_t */
} field_type;

typedef struct field {
    field_type type;
    size_t at, count_at; /* offsets in the struct */
    uint32_t min, max, count_max;
    const char *name;
} field;

typedef struct message {
    const field *fields;
    size_t fields_n, struct_size, size_max;
    /* Rules between fields; NULL when there are none. */
    bool (*sound)(const void *m);
} message;

#define AT(m, f) offsetof(edn_msg_##m, f)
#define SIZE(m, f) sizeof(((edn_msg_##m *)0)->f)
#define KIND(m, f, top)                                                                                                \
    {                                                                                                                  \
        FIELD_KIND, AT(m, f), 0, 1, (top), 0, #f                                                                       \
    }
#define FLAGS(m, f, mask)                                                                                              \
    {                                                                                                                  \
        FIELD_FLAGS, AT(m, f), 0, 0, (mask), 0, #f                                                                     \
    }
#define U64(m, f)                                                                                                      \
    {                                                                                                                  \
        FIELD_U64, AT(m, f), 0, 0, 0, 0, #f                                                                            \
    }
#define RAW(m, f)                                                                                                      \
    {                                                                                                                  \
        FIELD_RAW, AT(m, f), 0, 0, SIZE(m, f), 0, #f                                                                   \
    }
#define BYTES(m, f, top)                                                                                               \
    {                                                                                                                  \
        FIELD_BYTES, AT(m, f), 0, 1, (top), 0, #f                                                                      \
    }
#define HEADS(m, f)                                                                                                    \
    {                                                                                                                  \
        FIELD_HEADS, AT(m, f), AT(m, f##_n), 0, 0, EDN_HEADS_MAX, #f                                                   \
    }
#define LINKS(m, f)                                                                                                    \
    {                                                                                                                  \
        FIELD_LIST, AT(m, f), AT(m, f##_n), EDN_MSG_LINK_SIZE_MIN, EDN_MSG_LINK_SIZE_MAX, EDN_MSG_LIST_MAX, #f         \
    }
#define BATCHES(m, f)                                                                                                  \
    {                                                                                                                  \
        FIELD_LIST, AT(m, f), AT(m, f##_n), EDN_BATCH_SIZE_MIN, EDN_BATCH_SIZE_MAX, EDN_MSG_LIST_MAX, #f               \
    }
#define BOXES(m, f, n, bottom)                                                                                         \
    {                                                                                                                  \
        FIELD_LIST, AT(m, f), AT(m, n), (bottom), EDN_BOX_SIZE_MAX, EDN_BOXES_MAX, #f                                  \
    }

static const field server_info_fields[] = {
    RAW(server_info, receipt_pk),
    U64(server_info, time),
    BYTES(server_info, origin, EDN_ORIGIN_SIZE_MAX),
};
static const field challenge_ask_fields[] = {
    KIND(challenge_ask, kind, EDN_LOGIN_PASSPHRASE),
    RAW(challenge_ask, account),
    RAW(challenge_ask, device),
    RAW(challenge_ask, name_hash),
    RAW(challenge_ask, client_nonce),
};
static const field challenge_fields[] = {
    RAW(challenge, server_nonce), U64(challenge, server_time), BYTES(challenge, origin, EDN_ORIGIN_SIZE_MAX),
    RAW(challenge, account),      RAW(challenge, kdf_record),
};
static const field login_fields[] = {
    KIND(login, kind, EDN_LOGIN_PASSPHRASE),
    RAW(login, account),
    RAW(login, device),
    RAW(login, client_nonce),
    RAW(login, server_nonce),
    RAW(login, channel_binding),
    U64(login, server_time),
    U64(login, log_seq),
    RAW(login, log_head),
    RAW(login, sig),
};
static const field token_fields[] = {
    U64(token, expires),
    BYTES(token, token, EDN_TOKEN_SIZE_MAX),
};
static const field account_fields[] = {
    RAW(account, name_hash),
    LINKS(account, links),
    BOXES(account, boxes, boxes_n, 1),
};
static const field log_append_fields[] = {
    LINKS(log_append, links),
    BOXES(log_append, boxes, boxes_n, 1),
};
static const field log_state_fields[] = {
    U64(log_state, count),
    RAW(log_state, head),
};
static const field box_ask_fields[] = {
    {FIELD_HASHES, AT(box_ask, hashes), AT(box_ask, n), 0, 0, EDN_BOXES_MAX, "hashes"},
};
static const field boxes_fields[] = {
    BOXES(boxes, boxes, n, 0),
};
static const field pull_fields[] = {
    RAW(pull, space),
    U64(pull, log_count),
    RAW(pull, probe),
    HEADS(pull, heads),
};
static const field pulled_fields[] = {
    FLAGS(pulled, flags, EDN_PULLED_MORE),
    U64(pulled, log_count),
    RAW(pulled, log_head),
    U64(pulled, receipt.time_ms),
    RAW(pulled, receipt.sig),
    U64(pulled, recovery),
    HEADS(pulled, heads),
    LINKS(pulled, links),
    BATCHES(pulled, batches),
};
static const field push_fields[] = {
    RAW(push, before),
    BATCHES(push, batches),
};
static const field pushed_fields[] = {
    FLAGS(pushed, flags, EDN_PUSHED_EXPECTED),
    U64(pushed, receipt.time_ms),
    RAW(pushed, receipt.sig),
};

static const field mail_fields[] = {
    KIND(mail, kind, EDN_MAIL_CLOSE),
    RAW(mail, rendezvous),
    KIND(mail, side, EDN_MAIL_NEW),
    U64(mail, number),
    {FIELD_BYTES, AT(mail, mail), 0, 0, EDN_MAIL_SIZE_MAX, 0, "mail"},
};
static const field mails_fields[] = {
    U64(mails, left_s),
    {FIELD_LIST, AT(mails, mails), AT(mails, n), 1, EDN_MAIL_SIZE_MAX, EDN_MAILS_MAX, "mails"},
};

static const field set_ask_fields[] = {
    KIND(set_ask, kind, EDN_SET_ASK),
    RAW(set_ask, account),
    RAW(set_ask, set),
    U64(set_ask, begun),
};
static const field held_fields[] = {
    KIND(held, state, EDN_HELD_CANCELLED),
    U64(held, number),
    U64(held, begun),
    U64(held, asked_s),
    U64(held, ready_s),
    U64(held, now_s),
    RAW(held, set),
    RAW(held, device),
    U64(held, cancelled_ms),
    RAW(held, sig),
    LINKS(held, links),
    BOXES(held, boxes, boxes_n, 1),
};
static const field held_ask_fields[] = {
    KIND(held_ask, kind, EDN_HELD_CANCEL),
    U64(held_ask, begun),
    U64(held_ask, time_ms),
    RAW(held_ask, sig),
};

static const field lookup_fields[] = {
    KIND(lookup, kind, EDN_LOOKUP_ACCOUNT),
    RAW(lookup, id),
    U64(lookup, from),
    RAW(lookup, witness),
};
static const field found_fields[] = {
    FLAGS(found, flags, EDN_FOUND_MORE),
    RAW(found, account),
    LINKS(found, links),
};
static const field inbox_fields[] = {
    KIND(inbox, kind, EDN_INBOX_DROP),
    RAW(inbox, to),
    RAW(inbox, witness),
    U64(inbox, number),
    {FIELD_BYTES, AT(inbox, message), 0, 0, EDN_INBOX_LETTER_SIZE_MAX, 0, "message"},
};
static const field letters_fields[] = {
    {FIELD_LETTERS, AT(letters, letters), AT(letters, n), 1, EDN_INBOX_LETTER_SIZE_MAX, EDN_INBOX_LETTERS_MAX,
     "letters"},
};

static const field batch_ask_fields[] = {
    RAW(batch_ask, space),
    {FIELD_PLACES, AT(batch_ask, places), AT(batch_ask, places_n), 0, 0, EDN_PLACES_MAX, "places"},
};
static const field batches_fields[] = {
    {FIELD_LIST, AT(batches, batches), AT(batches, batches_n), 0, EDN_BATCH_SIZE_MAX, EDN_PLACES_MAX, "batches"},
};
static const field shelf_fields[] = {
    {FIELD_HASHES, AT(shelf, keep), AT(shelf, keep_n), 0, 0, EDN_NAMES_MAX, "keep"},
    {FIELD_HASHES, AT(shelf, drop), AT(shelf, drop_n), 0, 0, EDN_NAMES_MAX, "drop"},
};
static const field absent_fields[] = {
    {FIELD_HASHES, AT(absent, names), AT(absent, names_n), 0, 0, EDN_NAMES_MAX, "names"},
};

static const field share_ask_fields[] = {
    KIND(share_ask, kind, EDN_SHARES_GIVE),
    RAW(share_ask, account),
    RAW(share_ask, set),
    RAW(share_ask, key),
    {FIELD_BYTES, AT(share_ask, give), 0, 0, EDN_SHARE_GIVE_SIZE_MAX, 0, "give"},
};
static const field shares_fields[] = {
    KIND(shares, state, EDN_HELD_CANCELLED),
    {FIELD_HASHES, AT(shares, keys), AT(shares, keys_n), 0, 0, EDN_SHARE_REQUESTS_MAX, "keys"},
    {FIELD_LIST, AT(shares, gives), AT(shares, gives_n), 1, EDN_SHARE_GIVE_SIZE_MAX, EDN_SHARE_GIVES_MAX, "gives"},
};

static bool is_zero(const uint8_t *p, size_t n)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum |= p[i];
    return sum == 0;
}

static bool challenge_ask_sound(const void *p)
{
    const edn_msg_challenge_ask *m = p;

    if (m->kind == EDN_LOGIN_DEVICE)
        return is_zero(m->name_hash.b, 32);
    return is_zero(m->account.b, 32) && is_zero(m->device.b, 16);
}

static bool login_sound(const void *p)
{
    const edn_msg_login *m = p;

    return m->kind == EDN_LOGIN_DEVICE || is_zero(m->device.b, 16);
}

static bool mail_sound(const void *p)
{
    const edn_msg_mail *m = p;

    return (m->kind == EDN_MAIL_PUT) == (m->mail.n > 0) &&
           (m->kind == EDN_MAIL_PUT || m->kind == EDN_MAIL_GET || m->number == 0);
}

static bool lookup_sound(const void *p)
{
    const edn_msg_lookup *m = p;

    return m->kind == EDN_LOOKUP_ACCOUNT || is_zero(m->witness.b, sizeof m->witness.b);
}

static bool inbox_sound(const void *p)
{
    const edn_msg_inbox *m = p;

    if (m->kind == EDN_INBOX_PUT)
        return m->number == 0 && m->message.n > 0;
    return m->message.n == 0 && is_zero(m->to.b, sizeof m->to.b) && is_zero(m->witness.b, sizeof m->witness.b);
}

static bool set_ask_sound(const void *p)
{
    const edn_msg_set_ask *m = p;

    return m->kind == EDN_SET_ASK || m->begun == 0;
}

static bool share_ask_sound(const void *p)
{
    const edn_msg_share_ask *m = p;

    return (m->kind == EDN_SHARES_GIVE) == (m->give.n > 0) &&
           (m->kind != EDN_SHARES_LOOK || is_zero(m->key, sizeof m->key));
}

/* A signature is there exactly when something was cancelled, and a box only when it is ready. */
static bool held_sound(const void *p)
{
    const edn_msg_held *m = p;

    return (m->state == EDN_HELD_CANCELLED ||
            (is_zero(m->device.b, 16) && m->cancelled_ms == 0 && is_zero(m->sig.b, sizeof m->sig.b))) &&
           m->boxes_n <= (m->state == EDN_HELD_READY) && m->asked_s <= m->ready_s;
}

static bool held_ask_sound(const void *p)
{
    const edn_msg_held_ask *m = p;

    return m->kind == EDN_HELD_CANCEL || (m->begun == 0 && m->time_ms == 0 && is_zero(m->sig.b, sizeof m->sig.b));
}

/* ---- one put and one decode -------------------------------------------------------------------------------------- */

static void put_fail(edn_buf *out, edn_status st)
{
    if (out->st == EDN_OK)
        out->st = st;
}

static void put_item(edn_buf *out, const field *f, edn_bytes item)
{
    if (item.n < f->min || item.n > f->max)
        put_fail(out, EDN_E_LIMIT);
    else
        edn_put_lp(out, item);
}

static void put_letters(edn_buf *out, const field *f, const edn_msg_letter *letters, size_t n)
{
    edn_put_u32(out, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        EDN_ASSERT(i == 0 || letters[i - 1].number < letters[i].number);
        edn_put_u64(out, letters[i].number);
        put_item(out, f, letters[i].message);
    }
}

static void put_field(edn_buf *out, const field *f, const uint8_t *m)
{
    const uint8_t *p = m + f->at;
    size_t n = f->count_max ? *(const size_t *)(const void *)(m + f->count_at) : 0;

    if (n > f->count_max) {
        put_fail(out, EDN_E_LIMIT);
        return;
    }
    switch (f->type) {
    case FIELD_KIND:
        EDN_ASSERT(*p >= f->min && *p <= f->max);
        edn_put_u8(out, *p);
        break;
    case FIELD_FLAGS:
        EDN_ASSERT((*p & ~f->max) == 0);
        edn_put_u8(out, *p);
        break;
    case FIELD_U64:
        edn_put_u64(out, *(const uint64_t *)(const void *)p);
        break;
    case FIELD_RAW:
        edn_put_bytes(out, p, f->max);
        break;
    case FIELD_BYTES:
        put_item(out, f, *(const edn_bytes *)(const void *)p);
        break;
    case FIELD_LIST:
        edn_put_u32(out, (uint32_t)n);
        for (size_t i = 0; i < n; i++)
            put_item(out, f, (*(edn_bytes *const *)(const void *)p)[i]);
        break;
    case FIELD_HASHES:
        edn_put_u32(out, (uint32_t)n);
        for (size_t i = 0; i < n; i++)
            edn_put_bytes(out, (*(edn_hash *const *)(const void *)p)[i].b, sizeof(edn_hash));
        break;
    case FIELD_PLACES:
        edn_put_u32(out, (uint32_t)n);
        for (size_t i = 0; i < n; i++) {
            const edn_place *at = &(*(edn_place *const *)(const void *)p)[i];
            edn_put_bytes(out, at->device.b, sizeof at->device.b);
            edn_put_u64(out, at->dseq);
        }
        break;
    case FIELD_HEADS:
        edn_heads_put(out, *(edn_head *const *)(const void *)p, n);
        break;
    case FIELD_LETTERS:
        put_letters(out, f, *(edn_msg_letter *const *)(const void *)p, n);
        break;
    }
}

static void message_put(edn_buf *out, const message *d, const void *m)
{
    size_t before = out->n;

    EDN_ASSERT(!d->sound || d->sound(m));
    edn_put_u8(out, EDN_PROTOCOL_VERSION);
    for (size_t i = 0; i < d->fields_n; i++)
        put_field(out, &d->fields[i], m);
    if (out->n - before > d->size_max)
        put_fail(out, EDN_E_LIMIT);
}

static edn_bytes read_item(edn_reader *r, const field *f)
{
    edn_bytes item = edn_read_lp(r, f->max, f->name);

    if (item.n < f->min)
        edn_reader_fail(r, EDN_E_FORMAT, f->name);
    return item;
}

static void read_places(edn_reader *r, edn_arena *a, const field *f, uint8_t *m)
{
    uint32_t n = edn_read_u32(r, f->name);
    edn_place *list = NULL;

    if (n > f->count_max)
        edn_reader_fail(r, EDN_E_FORMAT, f->name);
    if (!edn_reader_has(r, n, sizeof list->device.b + 8) || n == 0 || !(list = edn_wire_alloc(r, a, n, sizeof *list)))
        return;
    for (uint32_t i = 0; i < n; i++) {
        edn_read_into(r, list[i].device.b, sizeof list[i].device.b, f->name);
        list[i].dseq = edn_read_u64(r, f->name);
    }
    *(edn_place **)(void *)(m + f->at) = list;
    *(size_t *)(void *)(m + f->count_at) = n;
}

static void read_list(edn_reader *r, edn_arena *a, const field *f, uint8_t *m)
{
    uint32_t n = edn_read_u32(r, f->name);
    size_t wire_min = f->type == FIELD_HASHES ? sizeof(edn_hash) : (size_t)4 + f->min;
    size_t size = f->type == FIELD_HASHES ? sizeof(edn_hash) : sizeof(edn_bytes);
    void *list = NULL;

    if (n > f->count_max)
        edn_reader_fail(r, EDN_E_FORMAT, f->name);
    if (!edn_reader_has(r, n, wire_min) || n == 0 || !(list = edn_wire_alloc(r, a, n, size)))
        return;
    if (f->type == FIELD_HASHES) {
        edn_read_into(r, list, n * sizeof(edn_hash), f->name);
        *(edn_hash **)(void *)(m + f->at) = list;
    } else {
        for (uint32_t i = 0; i < n; i++)
            ((edn_bytes *)list)[i] = read_item(r, f);
        *(edn_bytes **)(void *)(m + f->at) = list;
    }
    *(size_t *)(void *)(m + f->count_at) = n;
}

static void read_letters(edn_reader *r, edn_arena *a, const field *f, uint8_t *m)
{
    uint32_t n = edn_read_u32(r, f->name);
    edn_msg_letter *list;

    if (n > f->count_max)
        edn_reader_fail(r, EDN_E_FORMAT, f->name);
    if (!edn_reader_has(r, n, (size_t)12 + f->min) || n == 0 || !(list = edn_wire_alloc(r, a, n, sizeof *list)))
        return;
    for (uint32_t i = 0; i < n; i++) {
        list[i].number = edn_read_u64(r, f->name);
        list[i].message = read_item(r, f);
        if (i > 0 && list[i - 1].number >= list[i].number)
            edn_reader_fail(r, EDN_E_FORMAT, f->name);
    }
    *(edn_msg_letter **)(void *)(m + f->at) = list;
    *(size_t *)(void *)(m + f->count_at) = n;
}

static void read_field(edn_reader *r, edn_arena *a, const field *f, uint8_t *m)
{
    uint8_t *p = m + f->at;

    switch (f->type) {
    case FIELD_KIND:
        *p = edn_read_u8(r, f->name);
        if (*p < f->min || *p > f->max)
            edn_reader_fail(r, EDN_E_FORMAT, f->name);
        break;
    case FIELD_FLAGS:
        *p = edn_read_u8(r, f->name);
        if (*p & ~f->max)
            edn_reader_fail(r, EDN_E_FORMAT, f->name);
        break;
    case FIELD_U64:
        *(uint64_t *)(void *)p = edn_read_u64(r, f->name);
        break;
    case FIELD_RAW:
        edn_read_into(r, p, f->max, f->name);
        break;
    case FIELD_BYTES:
        *(edn_bytes *)(void *)p = read_item(r, f);
        break;
    case FIELD_LIST:
    case FIELD_HASHES:
        read_list(r, a, f, m);
        break;
    case FIELD_PLACES:
        read_places(r, a, f, m);
        break;
    case FIELD_HEADS:
        if (!edn_heads_read(r, a, (edn_head **)(void *)p, (size_t *)(void *)(m + f->count_at)))
            return; /* the reader remembers why */
        break;
    case FIELD_LETTERS:
        read_letters(r, a, f, m);
        break;
    }
}

static edn_status message_decode(edn_arena *a, edn_bytes in, const message *d, void *out)
{
    edn_reader r = edn_reader_init(in);
    edn_status st;

    memset(out, 0, d->struct_size);
    if (in.n > d->size_max)
        return EDN_E_FORMAT;
    if (edn_read_u8(&r, "version") != EDN_PROTOCOL_VERSION)
        edn_reader_fail(&r, EDN_E_FORMAT, "version");
    for (size_t i = 0; i < d->fields_n && edn_reader_status(&r) == EDN_OK; i++)
        read_field(&r, a, &d->fields[i], out);
    st = edn_reader_end(&r);
    if (st == EDN_OK && d->sound && !d->sound(out))
        st = EDN_E_FORMAT;
    if (st != EDN_OK)
        memset(out, 0, d->struct_size);
    return st;
}

#define MESSAGE(name, size_max, sound)                                                                                 \
    static const message name##_message = {name##_fields, EDN_COUNT(name##_fields), sizeof(edn_msg_##name),            \
                                           (size_max), (sound)};
MESSAGE(server_info, EDN_MSG_SIZE_MAX, NULL)
MESSAGE(challenge_ask, EDN_MSG_SIZE_MAX, challenge_ask_sound)
MESSAGE(challenge, EDN_MSG_SIZE_MAX, NULL)
MESSAGE(login, EDN_MSG_SIZE_MAX, login_sound)
MESSAGE(token, EDN_MSG_SIZE_MAX, NULL)
MESSAGE(account, EDN_PUSH_SIZE_MAX, NULL)
MESSAGE(log_append, EDN_PUSH_SIZE_MAX, NULL)
MESSAGE(log_state, EDN_MSG_SIZE_MAX, NULL)
MESSAGE(box_ask, EDN_MSG_SIZE_MAX, NULL)
MESSAGE(boxes, EDN_PULL_SIZE_MAX, NULL)
MESSAGE(pull, EDN_MSG_SIZE_MAX, NULL)
MESSAGE(pulled, EDN_PULL_SIZE_MAX, NULL)
MESSAGE(push, EDN_PUSH_SIZE_MAX, NULL)
MESSAGE(pushed, EDN_MSG_SIZE_MAX, NULL)
MESSAGE(lookup, EDN_MSG_SIZE_MAX, lookup_sound)
MESSAGE(found, EDN_PULL_SIZE_MAX, NULL)
MESSAGE(inbox, EDN_INBOX_ASK_SIZE_MAX, inbox_sound)
MESSAGE(letters, EDN_PULL_SIZE_MAX, NULL)
MESSAGE(set_ask, EDN_MSG_SIZE_MAX, set_ask_sound)
MESSAGE(held, EDN_PULL_SIZE_MAX, held_sound)
MESSAGE(held_ask, EDN_MSG_SIZE_MAX, held_ask_sound)
MESSAGE(share_ask, EDN_MSG_SIZE_MAX, share_ask_sound)
MESSAGE(shares, EDN_MSG_SIZE_MAX, NULL)
MESSAGE(batch_ask, EDN_MSG_SIZE_MAX, NULL)
MESSAGE(batches, EDN_PULL_SIZE_MAX + 4096u, NULL)
MESSAGE(shelf, EDN_MSG_SIZE_MAX, NULL)
MESSAGE(absent, EDN_MSG_SIZE_MAX, NULL)
MESSAGE(mail, EDN_MAIL_ASK_SIZE_MAX, mail_sound)
MESSAGE(mails, EDN_MAILS_MAX *(EDN_MAIL_SIZE_MAX + 4u) + 64u, NULL)

#define EDN_MESSAGE_DEFINE(name)                                                                                       \
    void edn_##name##_put(edn_buf *out, const edn_msg_##name *m) { message_put(out, &name##_message, m); }             \
    edn_status edn_##name##_decode(edn_arena *a, edn_bytes in, edn_msg_##name *out)                                    \
    {                                                                                                                  \
        return message_decode(a, in, &name##_message, out);                                                            \
    }
EDN_MESSAGES(EDN_MESSAGE_DEFINE)
