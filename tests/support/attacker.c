#include "attacker.h"

#include "client/sharing/space.h"
#include "keys/sharing.h"

/* ---- everything that was sent ------------------------------------------------------------------------------------ */

static void *must(void *p)
{
    if (!p)
        fail_msg("out of memory");
    return p;
}

#define ADD(list, item)                                                                                                \
    do {                                                                                                               \
        if (!edn_array_room(&(list)->p, &(list)->cap, (list)->n + 1, sizeof *(list)->p))                               \
            fail_msg("out of memory");                                                                                 \
        (list)->p[(list)->n++] = (item);                                                                               \
    } while (0)

static sent *sent_add(sent_log *l, sent_kind kind, edn_bytes bytes)
{
    sent s = {.kind = kind, .bytes = EDN_BUF_INIT(EDN_BUF_UNLIMITED), .plain = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};

    edn_put_bytes(&s.bytes, bytes.p, bytes.n);
    CHECK_OK(edn_buf_status(&s.bytes));
    ADD(l, s);
    return &l->p[l->n - 1];
}

static void note_account(sent_log *l, const edn_account_id *a)
{
    for (size_t i = 0; i < l->accounts_n; i++)
        if (memcmp(l->accounts[i].b, a->b, sizeof a->b) == 0)
            return;
    CHECK(edn_array_room(&l->accounts, &l->accounts_cap, l->accounts_n + 1, sizeof *l->accounts));
    l->accounts[l->accounts_n++] = *a;
}

/* The certificate of whom a link lets in stands at a fixed place. */
static void note_cert(sent_log *l, const edn_link_info *info)
{
    size_t at = info->type == EDN_LINK_GENESIS ? 32 : 0;
    sent_cert c;
    edn_sign_pk sign;

    if (info->type != EDN_LINK_GENESIS && info->type != EDN_LINK_ADD_DEVICE)
        return;
    memcpy(sign.b, info->body.p + at, sizeof sign.b);
    memcpy(c.enc.b, info->body.p + at + sizeof sign.b, sizeof c.enc.b);
    c.id = edn_device_id_of(&sign, &c.enc);
    CHECK(edn_array_room(&l->certs, &l->certs_cap, l->certs_n + 1, sizeof *l->certs));
    l->certs[l->certs_n++] = c;
}

static void note_boxes(sent_log *l, edn_bytes link, const edn_bytes *boxes, size_t n)
{
    edn_hash named[EDN_LINK_BOXES_MAX], hash;
    edn_link_info info;
    edn_rotation r = {.epoch = 0};
    size_t named_n;
    bool rotates;

    CHECK_OK(edn_link_peek(link, &info));
    CHECK_OK(edn_link_boxes(link, named, &named_n));
    note_cert(l, &info);
    if (info.seq == 0) {
        edn_hash id = edn_link_hash(link);
        edn_account_id account;
        memcpy(account.b, id.b, sizeof account.b);
        note_account(l, &account);
    }
    rotates = edn_link_rotation(link, &r) == EDN_OK;
    l->epoch_max = EDN_MAX(l->epoch_max, r.epoch);
    if (!rotates && info.type != EDN_LINK_GENESIS && info.type != EDN_LINK_ADD_DEVICE)
        return; /* of a passphrase or a recovery: what opens it no device keeps */
    for (size_t i = 0; i < n; i++) {
        hash = edn_h32(boxes[i]);
        for (size_t k = 0; k < named_n; k++) {
            sent *s;
            if (memcmp(hash.b, named[k].b, sizeof hash.b) != 0)
                continue;
            s = sent_add(l, k == 0 ? SENT_GRANTS : SENT_PREV, boxes[i]);
            s->account = info.account;
            s->seq = info.seq;
            s->prev = info.prev;
            s->epoch = r.epoch;
        }
    }
}

static void note_push(sent_log *l, edn_bytes body, edn_arena *a)
{
    edn_msg_push m;
    edn_batch b;

    CHECK_OK(edn_push_decode(a, body, &m));
    for (size_t i = 0; i < m.batches_n; i++) {
        sent *s = sent_add(l, SENT_BATCH, m.batches[i]);
        CHECK_OK(edn_batch_decode(edn_buf_view(&s->bytes), &b));
        s->space = b.header.space;
        s->epoch = b.header.epoch;
        s->seq = b.header.log_seq;
        s->account = (edn_account_id){{0}};
        for (size_t k = 0; k < l->accounts_n; k++) {
            edn_space_id of = edn_space_personal(&l->accounts[k]);
            if (memcmp(of.b, s->space.b, sizeof of.b) == 0)
                s->account = l->accounts[k];
        }
    }
}

void sent_note(sent_log *l, const edn_http_request *rq, const edn_http_answer *answer)
{
    edn_arena a = edn_arena_init((size_t)64 << 20);

    if (answer->status / 100 != 2) {
        /* refused: nobody has it but who wrote it */
    } else if (strcmp(rq->path, "/v1/push") == 0) {
        note_push(l, rq->body, &a);
    } else if (strcmp(rq->path, "/v1/log") == 0) {
        edn_msg_log_append m;
        CHECK_OK(edn_log_append_decode(&a, rq->body, &m));
        for (size_t i = 0; i < m.links_n; i++)
            note_boxes(l, m.links[i], m.boxes, m.boxes_n);
    } else if (strcmp(rq->path, "/v1/accounts") == 0) {
        edn_msg_account m;
        CHECK_OK(edn_account_decode(&a, rq->body, &m));
        for (size_t i = 0; i < m.links_n; i++)
            note_boxes(l, m.links[i], m.boxes, m.boxes_n);
    } else if (strcmp(rq->path, "/v1/inbox") == 0) {
        edn_msg_inbox m;
        CHECK_OK(edn_inbox_decode(&a, rq->body, &m));
        if (m.kind == EDN_INBOX_PUT) {
            sent *s = sent_add(l, SENT_LETTER, m.message);
            s->account = m.to;
            CHECK_OK(edn_letter_epoch(m.message, &s->epoch));
        }
    } else if (strncmp(rq->path, "/v1/blobs/", 10) == 0 && rq->method == EDN_HTTP_PUT) {
        (void)sent_add(l, SENT_BLOB, rq->body);
    }
    edn_arena_dispose(&a);
}

void sent_dispose(sent_log *l)
{
    for (size_t i = 0; i < l->n; i++) {
        edn_buf_dispose(&l->p[i].bytes);
        edn_buf_wipe(&l->p[i].plain);
    }
    free(l->p);
    free(l->certs);
    free(l->accounts);
    memset(l, 0, sizeof *l);
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

void held_add(held *h, held_kind kind, edn_bytes secret)
{
    held_secret s = {.kind = kind, .n = secret.n};

    CHECK(secret.n <= sizeof s.b);
    memcpy(s.b, secret.p, secret.n);
    for (size_t i = 0; i < h->n; i++)
        if (h->p[i].kind == kind && h->p[i].n == s.n && memcmp(h->p[i].b, s.b, s.n) == 0)
            return;
    ADD(h, s);
}

void held_add_all(held *h, const held *from)
{
    for (size_t i = 0; i < from->n; i++)
        held_add(h, from->p[i].kind, edn_bytes_of(from->p[i].b, from->p[i].n));
}

typedef struct taking {
    held *h;
    edn_client *c;
} taking;

static void take_journal(held *h, edn_client *c, const edn_journal_id *j)
{
    uint32_t newest;
    edn_journal_key jk;

    if (keys_journal_newest(c, j, &newest) != EDN_OK)
        return;
    for (uint32_t f = 0; f <= newest; f++)
        for (size_t i = 0; keys_journal(c, j, f, i, &jk) == EDN_OK; i++)
            held_add(h, HELD_JOURNAL, EDN_F(jk));
}

static edn_status take_named_journal(void *ctx, const edn_entry_id *id, edn_bytes name)
{
    taking *t = ctx;
    edn_journal_id j;

    (void)name;
    memcpy(j.b, id->b, sizeof j.b);
    take_journal(t->h, t->c, &j);
    return EDN_OK;
}

static void take_member(held *h, const space_info *x)
{
    held_add(h, HELD_ROOT, EDN_F(x->root));
    held_add(h, HELD_OTHER, EDN_F(x->keys.sign));
    held_add(h, HELD_DH, EDN_F(x->keys.enc));
}

static edn_status take_space(void *ctx, const edn_entry_id *id, edn_bytes name)
{
    taking *t = ctx;
    edn_account_id space;
    space_info x;
    edn_buf value = EDN_BUF_INIT(4096);

    (void)name;
    if (named_get(t->c, id, EDN_RECORD_SPACE, "space", &value) == EDN_OK && value.n == sizeof space.b) {
        memcpy(space.b, value.p, sizeof space.b);
        if (space_load(t->c, &space, &x) == EDN_OK)
            take_member(t->h, &x);
    }
    edn_buf_dispose(&value);
    return EDN_OK;
}

static void take_keys(held *h, edn_client *c, bool device)
{
    taking t = {h, c};
    const identity *id = client_id(c);
    edn_root_key rk;

    for (uint32_t e = 0; e <= edn_devlog_epoch(c->log); e++)
        if (keys_root(c, e, &rk) == EDN_OK)
            held_add(h, HELD_ROOT, EDN_F(rk));
    take_journal(h, c, &id->journal);
    CHECK_OK(names_each(c, EDN_RECORD_JOURNAL, take_named_journal, &t));
    if (!client_is_shared(c))
        CHECK_OK(names_each(c, EDN_RECORD_SPACE, take_space, &t));
    if (id->has_account_key)
        held_add(h, HELD_OTHER, EDN_F(id->account_key));
    if (device) {
        held_add(h, HELD_OTHER, EDN_F(id->sign_seed));
        held_add(h, HELD_OTHER, EDN_F(c->secret->ldk));
        held_add(h, HELD_DH, EDN_F(id->enc_sk));
    }
}

void held_take(held *h, edn_client *c, bool device)
{
    edn_client *s;
    size_t at = 0;

    CHECK_OK(client_begin_read(c, NULL));
    take_keys(h, c, device);
    CHECK_OK(client_end_read(c, EDN_OK, NULL));
    while (family_next(c, &at, &s, NULL) == EDN_OK && s) {
        CHECK_OK(client_begin_read(s, NULL));
        take_keys(h, s, device);
        CHECK_OK(client_end_read(s, EDN_OK, NULL));
    }
}

void held_take_passing(held *h, edn_client *s, const edn_account_id *invited)
{
    edn_buf row = EDN_BUF_INIT(256);

    CHECK_OK(client_begin_read(s, NULL));
    if (meta_get(s, "inviting", EDN_F(*invited), &row) == EDN_OK) {
        CHECK_INT(row.n, sizeof(space_keys));
        held_add(h, HELD_OTHER, edn_bytes_of(row.p, 32));
        held_add(h, HELD_DH, edn_bytes_of(row.p + 32, 32));
    }
    CHECK_OK(client_end_read(s, EDN_OK, NULL));
    edn_buf_wipe(&row);
}

void held_dispose(held *h)
{
    free(h->p);
    free(h->opened);
    memset(h, 0, sizeof *h);
}

/* ---- trying ------------------------------------------------------------------------------------------------------ */

#define EACH(h, k, s)                                                                                                  \
    for (size_t i_ = 0; i_ < (h)->n; i_++)                                                                             \
        if ((h)->p[i_].kind == (k) && ((s) = &(h)->p[i_]))

static edn_root_key root_of(const held_secret *s)
{
    edn_root_key rk;

    memcpy(rk.b, s->b, sizeof rk.b);
    return rk;
}

static edn_dh_sk dh_of(const held_secret *s)
{
    edn_dh_sk sk;

    memcpy(sk.b, s->b, sizeof sk.b);
    return sk;
}

static bool try_outer(held *h, sent_log *l, sent *o, const edn_batch *b)
{
    const held_secret *s;
    edn_space_key key;
    edn_buf plain = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    bool open = false;

    EACH(h, HELD_ROOT, s)
    {
        edn_root_key rk = root_of(s);
        for (uint32_t e = 0; !open && e <= l->epoch_max; e++) {
            edn_space_key_of(&key, &rk, &o->account, &o->space, e);
            open = edn_batch_open(&plain, b, &key) == EDN_OK;
        }
    }
    if (open && o->plain.n == 0)
        edn_put_bytes(&o->plain, plain.p, plain.n);
    edn_buf_dispose(&plain);
    return open;
}

/* Any key in the place of a journal's, as it is and as what a root key gives. */
static bool try_record(held *h, sent_log *l, sent *o, const edn_batch *b, const edn_record *r, uint32_t index)
{
    edn_record_place at = {o->space,         r->journal,     r->entry, r->journal_epoch, r->key_version, r->type,
                           b->header.device, b->header.dseq, index};
    edn_buf out = EDN_BUF_INIT((size_t)4 << 20);
    const held_secret *s;
    edn_entry_key ek;
    edn_journal_key jk;
    bool open = false;

    if (r->type == EDN_RECORD_JOURNAL_KEY) {
        EACH(h, HELD_ROOT, s)
        {
            edn_root_key rk = root_of(s);
            for (uint32_t e = 0; !open && e <= l->epoch_max; e++)
                open = edn_journal_key_open(&rk, &o->account, &o->space, &r->journal, e, r->journal_epoch, r->box,
                                            &jk) == EDN_OK;
        }
        if (open)
            held_add(h, HELD_JOURNAL, EDN_F(jk));
        return open;
    }
    EACH(h, HELD_JOURNAL, s)
    {
        memcpy(jk.b, s->b, sizeof jk.b);
        edn_entry_key_of(&ek, &jk, &r->journal, &r->entry, r->key_version);
        open = open || edn_record_open(&out, &ek, &at, r->box) == EDN_OK;
    }
    EACH(h, HELD_ROOT, s)
    {
        edn_root_key rk = root_of(s);
        for (uint32_t e = 0; !open && e <= l->epoch_max; e++) {
            edn_meta_key meta;
            edn_index_key idx;
            edn_meta_key_of(&meta, &rk, &o->account, e);
            memcpy(jk.b, meta.b, sizeof jk.b);
            edn_entry_key_of(&ek, &jk, &r->journal, &r->entry, r->key_version);
            open = edn_record_open(&out, &ek, &at, r->box) == EDN_OK;
            edn_index_key_of(&idx, &rk, &o->account, e);
            memcpy(jk.b, idx.b, sizeof jk.b);
            edn_entry_key_of(&ek, &jk, &r->journal, &r->entry, r->key_version);
            open = open || edn_record_open(&out, &ek, &at, r->box) == EDN_OK;
        }
    }
    edn_buf_wipe(&out);
    return open;
}

static uint8_t try_batch(held *h, sent_log *l, sent *o)
{
    edn_arena a = edn_arena_init((size_t)64 << 20);
    edn_batch b;
    edn_body body;
    uint8_t seen = 0;
    size_t open = 0;

    CHECK_OK(edn_batch_decode(edn_buf_view(&o->bytes), &b));
    if (try_outer(h, l, o, &b))
        seen |= HELD_OUTER;
    if (o->plain.n) {
        CHECK_OK(edn_body_decode(&a, edn_buf_view(&o->plain), &body));
        for (uint32_t i = 0; i < body.records_n; i++)
            open += try_record(h, l, o, &b, &body.records[i], i);
        seen |= (uint8_t)((open ? HELD_SOME : 0) | (open == body.records_n ? HELD_ALL : 0));
    }
    edn_arena_dispose(&a);
    return seen;
}

/* Whoever has the secret half of a recipient's key opens its grant, with the root key of before where it takes one. */
static bool try_grant(held *h, const sent *o, const edn_device_id *to, const edn_dh_pk *enc)
{
    edn_grant_context cx = {.account = o->account,
                            .recipient = *to,
                            .epoch = o->epoch,
                            .purpose = EDN_GRANT_ROOT,
                            .link_seq = o->seq,
                            .prev = o->prev};
    const held_secret *s, *r;
    edn_root_key got;
    edn_dh_pk pk;
    edn_bytes own;

    EACH(h, HELD_DH, s)
    {
        edn_dh_sk sk = dh_of(s);
        bool open;

        edn_dh_keypair(&sk, &pk);
        if (memcmp(pk.b, enc->b, sizeof pk.b) != 0)
            continue;
        CHECK_OK(edn_grants_find(edn_buf_view(&o->bytes), to, &own));
        /* Which epoch an ADD_DEVICE is of its link does not say. */
        open = false;
        for (uint32_t e = 0; !open && o->epoch == 0 && e < 16; e++) {
            cx.epoch = e;
            open = edn_grant_open(&cx, &sk, own, NULL, EDN_BYTES_EMPTY, &got) == EDN_OK;
        }
        cx.epoch = o->epoch;
        if (!open && o->epoch)
            for (size_t i = 0; !open && i < h->n && (r = &h->p[i]); i++) {
                edn_root_key before = root_of(r);
                open = r->kind == HELD_ROOT &&
                       edn_rotation_grant_open(&cx, &sk, edn_buf_view(&o->bytes), &before, &got) == EDN_OK;
            }
        if (open) {
            held_add(h, HELD_ROOT, EDN_F(got));
            return true;
        }
    }
    return false;
}

static bool try_grants(held *h, const sent_log *l, const sent *o)
{
    edn_reader r = edn_reader_init(edn_buf_view(&o->bytes));
    uint32_t n = edn_read_u32(&r, "grants");
    bool open = false;

    for (uint32_t i = 0; i < n; i++) {
        edn_device_id to;
        edn_read_into(&r, to.b, sizeof to.b, "recipient");
        (void)edn_read_bytes(&r, EDN_GRANT_SIZE, "grant");
        for (size_t k = 0; k < l->certs_n; k++)
            if (memcmp(l->certs[k].id.b, to.b, sizeof to.b) == 0)
                open |= try_grant(h, o, &to, &l->certs[k].enc);
    }
    CHECK_OK(edn_reader_end(&r));
    return open;
}

static bool try_prev(held *h, const sent *o)
{
    const held_secret *s;
    edn_root_key before;
    bool open = false;

    EACH(h, HELD_ROOT, s)
    {
        edn_root_key rk = root_of(s);
        open = open || edn_prev_box_open(&rk, &o->account, o->epoch, edn_buf_view(&o->bytes), &before) == EDN_OK;
    }
    if (open)
        held_add(h, HELD_ROOT, EDN_F(before));
    return open;
}

/* What an invitation brings. */
static void learn_letter(held *h, const edn_letter *x)
{
    edn_reader r = edn_reader_init(x->payload);
    uint8_t b[32];

    if (x->kind != EDN_LETTER_JOURNAL)
        return;
    (void)edn_read_bytes(&r, 32, "space");
    (void)edn_read_lp(&r, 4096, "server");
    (void)edn_read_u8(&r, "role");
    edn_read_into(&r, b, sizeof b, "sign");
    held_add(h, HELD_OTHER, edn_bytes_of(b, sizeof b));
    edn_read_into(&r, b, sizeof b, "enc");
    held_add(h, HELD_DH, edn_bytes_of(b, sizeof b));
    (void)edn_read_u32(&r, "epoch");
    edn_read_into(&r, b, sizeof b, "root");
    held_add(h, HELD_ROOT, edn_bytes_of(b, sizeof b));
    CHECK_OK(edn_reader_status(&r));
}

static bool try_letter(held *h, const sent *o)
{
    static const edn_account_id none;
    edn_buf plain = EDN_BUF_INIT(EDN_LETTER_SIZE_MAX);
    edn_letter x;
    bool open = false;

    for (size_t i = 0; !open && i < h->n; i++) {
        edn_dh_sk sk = dh_of(&h->p[i]);
        if (h->p[i].kind == HELD_ROOT) {
            edn_root_key rk = root_of(&h->p[i]);
            edn_aek_of(&sk, &rk, o->epoch == 0 ? &none : &o->account, o->epoch);
        } else if (h->p[i].kind != HELD_DH) {
            continue;
        }
        edn_buf_reset(&plain);
        open = edn_letter_open(edn_buf_view(&o->bytes), &o->account, &sk, &plain, &x) == EDN_OK;
    }
    if (open)
        learn_letter(h, &x);
    edn_buf_wipe(&plain);
    return open;
}

static bool try_blob(held *h, sent_log *l, const sent *o)
{
    edn_buf aad = EDN_BUF_INIT(512), out = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    const held_secret *s;
    edn_index_key key;
    bool open = false;

    EACH(h, HELD_ROOT, s)
    {
        edn_root_key rk = root_of(s);
        for (size_t k = 0; k < l->accounts_n; k++) {
            edn_space_id space = edn_space_personal(&l->accounts[k]);
            for (uint32_t e = 0; !open && e <= l->epoch_max; e++) {
                const edn_bytes fields[] = {EDN_F(l->accounts[k]), EDN_F(space), EDN_F_U32(e)};
                edn_buf_reset(&aad);
                edn_t_put(&aad, EDN_LABEL_AAD_SHARD, fields, EDN_COUNT(fields));
                edn_index_key_of(&key, &rk, &l->accounts[k], e);
                open = edn_unseal(&out, key.b, EDN_SUITE_1, edn_buf_view(&aad), edn_buf_view(&o->bytes)) == EDN_OK;
            }
        }
    }
    edn_buf_dispose(&aad);
    edn_buf_wipe(&out);
    return open;
}

static uint8_t try_object(held *h, sent_log *l, sent *o)
{
    switch (o->kind) {
    case SENT_BATCH:
        return try_batch(h, l, o);
    case SENT_GRANTS:
        return try_grants(h, l, o) ? HELD_OUTER : 0;
    case SENT_PREV:
        return try_prev(h, o) ? HELD_OUTER : 0;
    case SENT_LETTER:
        if (h->deaf_from && (size_t)(o - l->p) >= h->deaf_from &&
            memcmp(o->account.b, h->deaf.b, sizeof h->deaf.b) == 0)
            return 0;
        return try_letter(h, o) ? HELD_OUTER : 0;
    case SENT_BLOB:
        return try_blob(h, l, o) ? HELD_OUTER : 0;
    default:
        return 0;
    }
}

void held_close(held *h, sent_log *l)
{
    size_t had;
    bool more = true;

    free(h->opened);
    h->opened = must(calloc(l->n + 1, 1));
    h->opened_n = l->n;
    while (more) {
        had = h->n;
        more = false;
        for (size_t i = 0; i < l->n; i++)
            if (!(h->opened[i] & HELD_ALL) && !(l->p[i].kind != SENT_BATCH && h->opened[i])) {
                uint8_t seen = h->opened[i] | try_object(h, l, &l->p[i]);
                more |= seen != h->opened[i];
                h->opened[i] = seen;
            }
        more &= h->n != had;
    }
}
