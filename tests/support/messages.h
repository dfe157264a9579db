/* Messages with random contents, for tests and for the seeds of fuzzing. Lists live in the arena. */
#ifndef EDN_TESTS_MESSAGES_H
#define EDN_TESTS_MESSAGES_H

#include "check.h"
#include "wire/wire.h"

static inline void random_fill(check_rng *r, void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)check_next(r);
}

/* Now and then a number with all bits, else a small one. */
static inline uint64_t random_u64(check_rng *r) { return check_below(r, 4) ? check_below(r, 1000) : check_next(r); }

static inline edn_bytes random_bytes(check_rng *r, edn_arena *a, size_t min, size_t max)
{
    size_t n = min + (size_t)check_below(r, max - min + 1);
    uint8_t *p = edn_arena_alloc(a, n);

    CHECK(p);
    random_fill(r, p, n);
    return edn_bytes_of(p, n);
}

static inline edn_bytes *random_list(check_rng *r, edn_arena *a, size_t n, size_t min, size_t max)
{
    edn_bytes *list = edn_arena_calloc(a, n, sizeof *list);

    CHECK(list);
    for (size_t i = 0; i < n; i++)
        list[i] = random_bytes(r, a, min, max);
    return list;
}

static inline edn_head *random_heads(check_rng *r, edn_arena *a, size_t n)
{
    edn_head *h = edn_arena_calloc(a, n, sizeof *h);

    CHECK(h);
    for (size_t i = 0; i < n; i++) {
        random_fill(r, &h[i], sizeof h[i]);
        h[i].device.b[0] = (uint8_t)(i + 1); /* ascending */
        h[i].dseq = 1 + random_u64(r) / 2;
    }
    return h;
}

static inline void random_server_info(check_rng *r, edn_arena *a, edn_msg_server_info *m)
{
    random_fill(r, m->receipt_pk.b, 32);
    m->time = random_u64(r);
    m->origin = random_bytes(r, a, 1, 40);
}

static inline void random_challenge_ask(check_rng *r, edn_arena *a, edn_msg_challenge_ask *m)
{
    (void)a;
    memset(m, 0, sizeof *m);
    m->kind = (uint8_t)(1 + check_below(r, 2));
    if (m->kind == EDN_LOGIN_DEVICE) {
        random_fill(r, m->account.b, 32);
        random_fill(r, m->device.b, 16);
    } else {
        random_fill(r, m->name_hash.b, 32);
    }
    random_fill(r, m->client_nonce, 32);
}

static inline void random_challenge(check_rng *r, edn_arena *a, edn_msg_challenge *m)
{
    random_fill(r, m->server_nonce, 32);
    m->server_time = random_u64(r);
    m->origin = random_bytes(r, a, 1, 40);
    random_fill(r, m->account.b, 32);
    random_fill(r, m->kdf_record, 32);
}

static inline void random_login(check_rng *r, edn_arena *a, edn_msg_login *m)
{
    (void)a;
    random_fill(r, m, sizeof *m);
    m->kind = (uint8_t)(1 + check_below(r, 2));
    if (m->kind == EDN_LOGIN_PASSPHRASE)
        memset(&m->device, 0, sizeof m->device);
}

static inline void random_token(check_rng *r, edn_arena *a, edn_msg_token *m)
{
    m->expires = random_u64(r);
    m->token = random_bytes(r, a, 1, 60);
}

static inline void random_account(check_rng *r, edn_arena *a, edn_msg_account *m)
{
    random_fill(r, m->name_hash.b, 32);
    m->links_n = check_below(r, 3);
    m->links = random_list(r, a, m->links_n, EDN_MSG_LINK_SIZE_MIN, 200);
    m->boxes_n = check_below(r, 3);
    m->boxes = random_list(r, a, m->boxes_n, 1, 30);
}

static inline void random_log_append(check_rng *r, edn_arena *a, edn_msg_log_append *m)
{
    m->links_n = check_below(r, 3);
    m->links = random_list(r, a, m->links_n, EDN_MSG_LINK_SIZE_MIN, 200);
    m->boxes_n = check_below(r, 3);
    m->boxes = random_list(r, a, m->boxes_n, 1, 30);
}

static inline void random_log_state(check_rng *r, edn_arena *a, edn_msg_log_state *m)
{
    (void)a;
    m->count = random_u64(r);
    random_fill(r, m->head.b, 32);
}

static inline void random_box_ask(check_rng *r, edn_arena *a, edn_msg_box_ask *m)
{
    m->n = check_below(r, 4);
    m->hashes = edn_arena_alloc(a, m->n * sizeof *m->hashes);
    CHECK(m->hashes);
    random_fill(r, m->hashes, m->n * sizeof *m->hashes);
}

static inline void random_boxes(check_rng *r, edn_arena *a, edn_msg_boxes *m)
{
    m->n = check_below(r, 4);
    m->boxes = random_list(r, a, m->n, 0, 30);
}

static inline void random_pull(check_rng *r, edn_arena *a, edn_msg_pull *m)
{
    random_fill(r, m->space.b, 32);
    m->log_count = random_u64(r);
    random_fill(r, m->probe, sizeof m->probe);
    m->heads_n = check_below(r, 4);
    m->heads = random_heads(r, a, m->heads_n);
}

static inline void random_pulled(check_rng *r, edn_arena *a, edn_msg_pulled *m)
{
    random_fill(r, m, sizeof *m);
    m->flags = (uint8_t)check_below(r, 2);
    m->heads_n = check_below(r, 4);
    m->heads = random_heads(r, a, m->heads_n);
    m->links_n = check_below(r, 2);
    m->links = random_list(r, a, m->links_n, EDN_MSG_LINK_SIZE_MIN, 180);
    m->batches_n = check_below(r, 2);
    m->batches = random_list(r, a, m->batches_n, EDN_BATCH_SIZE_MIN, EDN_BATCH_SIZE_MIN + 64);
}

static inline void random_push(check_rng *r, edn_arena *a, edn_msg_push *m)
{
    random_fill(r, m->before.b, sizeof m->before.b);
    m->batches_n = check_below(r, 2);
    m->batches = random_list(r, a, m->batches_n, EDN_BATCH_SIZE_MIN, EDN_BATCH_SIZE_MIN + 64);
}

static inline void random_pushed(check_rng *r, edn_arena *a, edn_msg_pushed *m)
{
    (void)a;
    random_fill(r, m, sizeof *m);
    m->flags = (uint8_t)check_below(r, 2);
}

static inline void random_mail(check_rng *r, edn_arena *a, edn_msg_mail *m)
{
    memset(m, 0, sizeof *m);
    m->kind = (uint8_t)(1 + check_below(r, 4));
    random_fill(r, m->rendezvous, sizeof m->rendezvous);
    m->side = (uint8_t)(1 + check_below(r, 2));
    if (m->kind == EDN_MAIL_PUT || m->kind == EDN_MAIL_GET)
        m->number = random_u64(r);
    if (m->kind == EDN_MAIL_PUT)
        m->mail = random_bytes(r, a, 1, 60);
}

static inline void random_mails(check_rng *r, edn_arena *a, edn_msg_mails *m)
{
    m->left_s = random_u64(r);
    m->n = check_below(r, 4);
    m->mails = random_list(r, a, m->n, 1, 30);
}

static inline void random_set_ask(check_rng *r, edn_arena *a, edn_msg_set_ask *m)
{
    (void)a;
    random_fill(r, m, sizeof *m);
    m->kind = (uint8_t)(1 + check_below(r, 2));
    if (m->kind == EDN_SET_LOOK)
        m->begun = 0;
}

static inline void random_held(check_rng *r, edn_arena *a, edn_msg_held *m)
{
    random_fill(r, m, sizeof *m);
    m->state = (uint8_t)(1 + check_below(r, 4));
    m->asked_s %= 1u << 20;
    if (m->state != EDN_HELD_CANCELLED) {
        m->cancelled_ms = 0;
        memset(&m->device, 0, sizeof m->device);
        memset(&m->sig, 0, sizeof m->sig);
    }
    m->ready_s = m->asked_s + check_below(r, 100);
    m->links_n = check_below(r, 2);
    m->links = random_list(r, a, m->links_n, EDN_MSG_LINK_SIZE_MIN, 180);
    m->boxes_n = m->state == EDN_HELD_READY ? check_below(r, 2) : 0;
    m->boxes = random_list(r, a, m->boxes_n, 1, 30);
}

static inline void random_held_ask(check_rng *r, edn_arena *a, edn_msg_held_ask *m)
{
    (void)a;
    random_fill(r, m, sizeof *m);
    m->kind = (uint8_t)(1 + check_below(r, 2));
    if (m->kind == EDN_HELD_LOOK)
        *m = (edn_msg_held_ask){.kind = EDN_HELD_LOOK};
}

static inline void random_share_ask(check_rng *r, edn_arena *a, edn_msg_share_ask *m)
{
    random_fill(r, m, sizeof *m);
    m->kind = (uint8_t)(1 + check_below(r, 3));
    m->give = EDN_BYTES_EMPTY;
    if (m->kind == EDN_SHARES_LOOK)
        memset(m->key, 0, sizeof m->key);
    if (m->kind == EDN_SHARES_GIVE)
        m->give = random_bytes(r, a, 1, 30);
}

static inline void random_lookup(check_rng *r, edn_arena *a, edn_msg_lookup *m)
{
    (void)a;
    memset(m, 0, sizeof *m);
    m->kind = (uint8_t)(1 + check_below(r, 2));
    random_fill(r, m->id, sizeof m->id);
    m->from = random_u64(r);
    if (m->kind == EDN_LOOKUP_ACCOUNT)
        random_fill(r, m->witness.b, sizeof m->witness.b);
}

static inline void random_found(check_rng *r, edn_arena *a, edn_msg_found *m)
{
    m->flags = (uint8_t)check_below(r, 2);
    random_fill(r, m->account.b, sizeof m->account.b);
    m->links_n = check_below(r, 3);
    m->links = random_list(r, a, m->links_n, EDN_MSG_LINK_SIZE_MIN, EDN_MSG_LINK_SIZE_MIN + 64);
}

static inline void random_inbox(check_rng *r, edn_arena *a, edn_msg_inbox *m)
{
    memset(m, 0, sizeof *m);
    m->kind = (uint8_t)(1 + check_below(r, 3));
    if (m->kind == EDN_INBOX_PUT) {
        random_fill(r, m->to.b, sizeof m->to.b);
        random_fill(r, m->witness.b, sizeof m->witness.b);
        m->message = random_bytes(r, a, 1, 60);
    } else {
        m->number = random_u64(r);
    }
}

static inline edn_msg_letter *random_numbered(check_rng *r, edn_arena *a, size_t n)
{
    edn_msg_letter *list = edn_arena_calloc(a, n, sizeof *list);
    uint64_t number = 0;

    CHECK(list);
    for (size_t i = 0; i < n; i++) {
        number += 1 + check_below(r, 1000);
        list[i] = (edn_msg_letter){number, random_bytes(r, a, 1, 30)};
    }
    return list;
}

static inline void random_letters(check_rng *r, edn_arena *a, edn_msg_letters *m)
{
    m->n = check_below(r, 4);
    m->letters = random_numbered(r, a, m->n);
}

static inline void random_batch_ask(check_rng *r, edn_arena *a, edn_msg_batch_ask *m)
{
    random_fill(r, m->space.b, 32);
    m->places_n = check_below(r, 4);
    m->places = edn_arena_calloc(a, m->places_n, sizeof *m->places);
    CHECK(m->places);
    for (size_t i = 0; i < m->places_n; i++) {
        random_fill(r, m->places[i].device.b, 16);
        m->places[i].dseq = random_u64(r);
    }
}

static inline void random_batches(check_rng *r, edn_arena *a, edn_msg_batches *m)
{
    m->batches_n = check_below(r, 4);
    m->batches = random_list(r, a, m->batches_n, 0, 60);
}

static inline edn_hash *random_hashes(check_rng *r, edn_arena *a, size_t n)
{
    edn_hash *list = edn_arena_alloc(a, n * sizeof *list);

    CHECK(list);
    random_fill(r, list, n * sizeof *list);
    return list;
}

static inline void random_shares(check_rng *r, edn_arena *a, edn_msg_shares *m)
{
    memset(m, 0, sizeof *m);
    m->state = (uint8_t)(1 + check_below(r, 4));
    m->keys_n = check_below(r, 3);
    m->keys = random_hashes(r, a, m->keys_n);
    m->gives_n = check_below(r, 3);
    m->gives = random_list(r, a, m->gives_n, 1, 30);
}

static inline void random_shelf(check_rng *r, edn_arena *a, edn_msg_shelf *m)
{
    m->keep_n = check_below(r, 4);
    m->keep = random_hashes(r, a, m->keep_n);
    m->drop_n = check_below(r, 4);
    m->drop = random_hashes(r, a, m->drop_n);
}

static inline void random_absent(check_rng *r, edn_arena *a, edn_msg_absent *m)
{
    m->names_n = check_below(r, 4);
    m->names = random_hashes(r, a, m->names_n);
}

static inline void random_body(check_rng *r, edn_arena *a, edn_body *b)
{
    b->heads_n = check_below(r, 4);
    b->heads = random_heads(r, a, b->heads_n);
    b->records_n = check_below(r, 4);
    b->records = edn_arena_calloc(a, b->records_n, sizeof *b->records);
    CHECK(b->records);
    for (size_t i = 0; i < b->records_n; i++) {
        edn_record *rec = &b->records[i];
        random_fill(r, rec, sizeof *rec);
        rec->box = random_bytes(r, a, 0, 90);
    }
}

/* A batch as one arrives: `box` holds random bytes in the place of the sealed ones. */
static inline void random_batch(check_rng *r, edn_buf *out, const edn_sign_sk *sk, edn_batch_header *h)
{
    size_t before = out->n, box_n;
    uint8_t *box;
    edn_hash c_hash;
    edn_signature sig;

    random_fill(r, h, sizeof *h);
    h->kind = (edn_batch_kind)(1 + check_below(r, 5));
    h->suite = 1;
    h->padded_size = edn_padded_size(EDN_PADDING_P1, (uint32_t)check_below(r, 2000));
    box_n = 24 + 32 + (size_t)h->padded_size + 16;
    edn_buf_reserve(out, EDN_BATCH_OVERHEAD + h->padded_size);
    edn_batch_header_put(out, h);
    box = edn_buf_grow(out, box_n);
    CHECK(box);
    random_fill(r, box, box_n);
    c_hash = edn_h32(edn_bytes_of(box + 56, box_n - 56));
    edn_batch_sign(&sig, edn_bytes_of(out->p + before, EDN_BATCH_HEADER_SIZE), edn_bytes_of(box, 24),
                   edn_bytes_of(box + 24, 32), &c_hash, sk);
    edn_put_bytes(out, sig.b, sizeof sig.b);
}

#endif
