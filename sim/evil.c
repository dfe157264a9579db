/* The evil server: the true core answers, and then somebody with the server's own keys rewrites what it said. What it
 * does is a set: lies are told alone and together. */
#include "sim.h"

#include <stdlib.h>

#include "crypto/seal.h"
#include "keys/keys.h"
#include "server/server_priv.h"

fault_kind evil_fault(evil_kind k) { return (fault_kind)(FAULT_EVIL_ALTER + (k - EVIL_ALTER)); }

static bool flip(sim *s, edn_bytes *b, size_t from, edn_arena *a)
{
    uint8_t *p = edn_arena_alloc(a, b->n);

    if (!p || b->n <= from)
        return false;
    memcpy(p, b->p, b->n);
    p[from + sim_below(&s->evil_rng, b->n - from)] ^= (uint8_t)(1u << sim_below(&s->evil_rng, 8));
    b->p = p;
    return true;
}

static edn_receipt signed_over(sim *s, uint64_t log_count, const edn_hash *log_head, const edn_head *heads, size_t n)
{
    edn_hash heads_hash = edn_heads_hash(heads, n);
    edn_receipt r = {.time_ms = sim_clock_ms(&s->srv.clock)};
    edn_meta_account a;
    edn_meta_space space;

    if (s->srv.meta.account_find(s->srv.meta.ctx, &s->account, &a) == EDN_OK &&
        s->srv.meta.space_find_account(s->srv.meta.ctx, a.n, &space) == EDN_OK)
        edn_receipt_sign(&r, &space.id, log_count, log_head, &heads_hash, &s->srv.server->receipt_sk);
    return r;
}

static void sign(sim *s, edn_msg_pulled *m)
{
    m->receipt = signed_over(s, m->log_count, &m->log_head, m->heads, m->heads_n);
}

static void list_copy(edn_bytes *to, const edn_bytes *from, size_t n)
{
    if (n)
        memcpy(to, from, n * sizeof *to);
}

/* ---- what is hidden, and what crosses ---------------------------------------------------------------------------- */

static bool is_hidden(sim *s, edn_bytes batch)
{
    edn_batch b;

    return edn_batch_decode(batch, &b) == EDN_OK &&
           memcmp(b.header.device.b, s->evil_victim_id.b, sizeof b.header.device.b) == 0 &&
           b.header.dseq > s->evil_cut.dseq;
}

static bool withhold(sim *s, edn_msg_pulled *m)
{
    size_t n = 0, before = m->batches_n;

    for (size_t i = 0; i < m->batches_n; i++)
        if (!is_hidden(s, m->batches[i]))
            m->batches[n++] = m->batches[i];
    m->batches_n = n;
    n = 0;
    for (size_t i = 0; i < m->heads_n; i++) {
        bool victim = memcmp(m->heads[i].device.b, s->evil_victim_id.b, 16) == 0;
        if (!victim || s->evil_cut.dseq)
            m->heads[n++] = victim ? s->evil_cut : m->heads[i];
    }
    m->heads_n = n;
    sign(s, m);
    return m->batches_n < before;
}

/* The victim's batches of the other group, after those that this one has. */
static bool leak(sim *s, edn_msg_pulled *m, edn_arena *a)
{
    edn_buf bytes = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_head *head = NULL;
    uint64_t dseq;
    edn_bytes *list = edn_arena_calloc(a, m->batches_n + 256, sizeof *list);
    edn_batch b;
    size_t before = m->batches_n;

    for (size_t i = 0; i < m->heads_n; i++)
        if (memcmp(m->heads[i].device.b, s->evil_victim_id.b, 16) == 0)
            head = &m->heads[i];
    if (!list || !head)
        return false;
    list_copy(list, m->batches, m->batches_n);
    m->batches = list;
    for (dseq = head->dseq + 1; m->batches_n < before + 255; dseq++) {
        edn_hash c_hash;
        edn_buf_reset(&bytes);
        if (!serve_batch(&s->other, &s->account, &s->evil_victim_id, dseq, &bytes) ||
            !edn_arena_copy(a, edn_buf_view(&bytes), &list[m->batches_n]) ||
            edn_batch_decode(list[m->batches_n], &b) != EDN_OK)
            break;
        m->batches_n++;
        c_hash = edn_batch_c_hash(&b);
        head->dseq = dseq;
        head->hash = edn_batch_hash(&b, &c_hash);
    }
    edn_buf_dispose(&bytes);
    sign(s, m);
    return m->batches_n > before;
}

/* ---- batches made up --------------------------------------------------------------------------------------------- */

/* A batch that is good in itself, of a device that is not of this account, for this space or another. */
static bool stranger_add(sim *s, edn_msg_pulled *m, edn_arena *a, bool our_space)
{
    edn_random random = {sim_fill, &s->evil_rng};
    edn_bytes *list = edn_arena_calloc(a, m->batches_n + 1, sizeof *list);
    edn_buf body = EDN_BUF_INIT(4096), bytes = EDN_BUF_INIT(65536);
    edn_space_key key;
    edn_batch_header h = {.kind = EDN_BATCH_OPS, .suite = EDN_SUITE_1, .dseq = 1, .epoch = 0};
    uint8_t seed[32];
    edn_sign_pk pk;
    edn_sign_sk sk;
    bool done = false;

    sim_fill(&s->evil_rng, key.b, sizeof key.b);
    sim_fill(&s->evil_rng, seed, sizeof seed);
    sim_fill(&s->evil_rng, h.device.b, sizeof h.device.b);
    sim_fill(&s->evil_rng, h.space.b, sizeof h.space.b);
    if (our_space)
        h.space = edn_space_personal(&s->account);
    h.log_head = m->log_head;
    h.log_seq = m->log_count - 1;
    edn_sign_keypair(seed, &pk, &sk);
    if (list && edn_body_encode(&body, NULL, 0, NULL, 0) == EDN_OK &&
        edn_batch_seal(&bytes, &h, EDN_PADDING_P1, &key, &sk, edn_buf_view(&body), &random) == EDN_OK &&
        edn_arena_copy(a, edn_buf_view(&bytes), &list[m->batches_n])) {
        list_copy(list, m->batches, m->batches_n);
        m->batches = list;
        m->batches_n++;
        done = true;
    }
    edn_buf_dispose(&body);
    edn_buf_dispose(&bytes);
    return done;
}

static bool noise_add(sim *s, edn_msg_pulled *m, edn_arena *a)
{
    edn_bytes *list = edn_arena_calloc(a, m->batches_n + 1, sizeof *list);
    uint8_t *noise = edn_arena_alloc(a, 2048);

    if (!list || !noise)
        return false;
    sim_fill(&s->evil_rng, noise, 2048);
    if (m->batches_n && sim_chance(&s->evil_rng, 1, 2))
        memcpy(noise, m->batches[0].p, EDN_BATCH_HEADER_SIZE);
    list_copy(list, m->batches, m->batches_n);
    list[m->batches_n++] = edn_bytes_of(noise, 2048);
    m->batches = list;
    return true;
}

static bool link_add(sim *s, edn_msg_pulled *m, edn_arena *a)
{
    edn_bytes *list = edn_arena_calloc(a, m->links_n + 1, sizeof *list);
    uint8_t *noise = edn_arena_alloc(a, 240);

    if (!list || !noise)
        return false;
    sim_fill(&s->evil_rng, noise, 240);
    list_copy(list, m->links, m->links_n);
    list[m->links_n++] = edn_bytes_of(noise, 240);
    m->links = list;
    m->log_count++;
    sim_fill(&s->evil_rng, m->log_head.b, 32);
    sign(s, m);
    return true;
}

/* ---- a pull's answer --------------------------------------------------------------------------------------------- */

static bool twice(edn_msg_pulled *m, edn_arena *a)
{
    edn_bytes *list = edn_arena_calloc(a, 2 * m->batches_n + 1, sizeof *list);

    if (!list)
        return false;
    for (size_t i = 0; i < 2 * m->batches_n; i++)
        list[i] = m->batches[i / 2];
    m->batches = list;
    m->batches_n *= 2;
    return m->batches_n > 0;
}

static void exchange(edn_bytes *a, edn_bytes *b)
{
    edn_bytes t = *a;

    *a = *b;
    *b = t;
}

/* Whether anything became another. */
static bool pulled(sim *s, evil_kind kind, edn_msg_pulled *m, edn_arena *a)
{
    sim_rng *r = &s->evil_rng;
    size_t n = m->batches_n, k = sim_below(r, n);
    edn_bytes whole;

    switch (kind) {
    case EVIL_ALTER:
        return n && flip(s, &m->batches[k], EDN_BATCH_HEADER_SIZE, a);
    case EVIL_SIGNATURE:
        return n && flip(s, &m->batches[k], m->batches[k].n - 64, a);
    case EVIL_HEADER:
    case EVIL_SUITE:
        if (!n)
            return false;
        whole = m->batches[k];
        if (!flip(s, &whole, whole.n - 1, a)) /* a copy of our own */
            return false;
        ((uint8_t *)(uintptr_t)whole.p)[whole.n - 1] = m->batches[k].p[whole.n - 1];
        if (kind == EVIL_SUITE)
            ((uint8_t *)(uintptr_t)whole.p)[6] ^= 3;
        else
            ((uint8_t *)(uintptr_t)whole.p)[sim_below(r, EDN_BATCH_HEADER_SIZE)] ^= (uint8_t)(1u << sim_below(r, 8));
        m->batches[k] = whole;
        return true;
    case EVIL_TRUNCATE:
        if (!n)
            return false;
        if (sim_chance(r, 1, 2)) /* one in the middle */
            memmove(m->batches + k, m->batches + k + 1, (--m->batches_n - k) * sizeof *m->batches);
        else
            m->batches_n -= 1 + sim_below(r, n);
        return true;
    case EVIL_SWAP:
        if (n > 1)
            exchange(&m->batches[0], &m->batches[n - 1]);
        return n > 1;
    case EVIL_REVERSE:
        for (size_t i = 0; i < n / 2; i++)
            exchange(&m->batches[i], &m->batches[n - 1 - i]);
        return n > 1;
    case EVIL_TWICE:
        return twice(m, a);
    case EVIL_WITHHOLD:
        return withhold(s, m);
    case EVIL_LEAK:
        return leak(s, m, a);
    case EVIL_GARBAGE:
        return noise_add(s, m, a);
    case EVIL_FOREIGN:
        return stranger_add(s, m, a, false);
    case EVIL_GHOST:
        return stranger_add(s, m, a, true);
    case EVIL_RECEIPT:
        sim_fill(r, m->receipt.sig.b, sizeof m->receipt.sig.b);
        return true;
    case EVIL_HEADS:
        for (size_t i = 0; i < m->heads_n; i++)
            m->heads[i].dseq += sim_below(r, 3);
        sign(s, m);
        return true;
    case EVIL_LINK:
        return link_add(s, m, a);
    default:
        return false;
    }
}

static void put_pulled(edn_http_answer *out, const edn_msg_pulled *m)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    edn_pulled_put(&b, m);
    edn_buf_reset(&out->body);
    edn_put_bytes(&out->body, b.p, b.n);
    edn_buf_dispose(&b);
}

static void told(sim *s, evil_kind k)
{
    sim_fault(s, evil_fault(k));
    s->honest = false;
}

/* An answer of before: of any device, and of any day. */
static void old_or_new(sim *s, edn_http_answer *out)
{
    if (s->old_answer.n) {
        edn_buf_reset(&out->body);
        edn_put_bytes(&out->body, s->old_answer.p, s->old_answer.n);
        told(s, EVIL_OLD);
    } else {
        edn_put_bytes(&s->old_answer, out->body.p, out->body.n);
    }
}

static void rewrite_pull(sim *s, edn_http_answer *out)
{
    edn_arena a = edn_arena_init(EDN_BUF_UNLIMITED);
    edn_bytes copy;
    edn_msg_pulled m;
    bool changed = false;

    if (s->evils & EVIL_BIT(EVIL_OLD))
        old_or_new(s, out);
    if (edn_arena_copy(&a, edn_buf_view(&out->body), &copy) && edn_pulled_decode(&a, copy, &m) == EDN_OK) {
        for (evil_kind k = 1; k < EVIL_KINDS; k++)
            if (s->evils & EVIL_BIT(k) && pulled(s, k, &m, &a)) {
                told(s, k);
                changed = true;
            }
        if (changed)
            put_pulled(out, &m);
    }
    if (s->evils & EVIL_BIT(EVIL_COUNT) && out->body.n > 8) {
        size_t at = sim_below(&s->evil_rng, out->body.n - 4);
        memset(out->body.p + at, 0xff, 4);
        told(s, EVIL_COUNT);
    }
    edn_arena_dispose(&a);
}

/* A stretching that is cheap enough to try every word of a dictionary. */
static void weaken(sim *s, uint8_t record[32])
{
    switch (sim_below(&s->evil_rng, 3)) {
    case 0:
        edn_store_u32(record + 8, 1);
        edn_store_u32(record + 12, 8);
        break;
    case 1:
        record[5] = 0; /* no such algorithm */
        break;
    default:
        edn_store_u32(record + 12, UINT32_MAX);
        break;
    }
}

static void rewrite_challenge(sim *s, edn_http_answer *out)
{
    edn_arena a = edn_arena_init(EDN_BUF_UNLIMITED);
    edn_bytes copy;
    edn_msg_challenge m;
    static const uint8_t none[32];

    if (edn_arena_copy(&a, edn_buf_view(&out->body), &copy) && edn_challenge_decode(&a, copy, &m) == EDN_OK) {
        if (s->evils & EVIL_BIT(EVIL_ORIGIN)) {
            m.origin = edn_bytes_str("https://elsewhere.example");
            told(s, EVIL_ORIGIN);
        }
        if (s->evils & EVIL_BIT(EVIL_TIME)) {
            m.server_time += 20 * 365 * 86400ull;
            told(s, EVIL_TIME);
        }
        if (s->evils & EVIL_BIT(EVIL_WEAK_KDF) && memcmp(m.kdf_record, none, sizeof none) != 0) {
            weaken(s, m.kdf_record);
            told(s, EVIL_WEAK_KDF);
        }
        edn_buf_reset(&out->body);
        edn_challenge_put(&out->body, &m);
    }
    edn_arena_dispose(&a);
}

static void rewrite_boxes(sim *s, edn_http_answer *out)
{
    edn_arena a = edn_arena_init(EDN_BUF_UNLIMITED);
    edn_bytes copy;
    edn_msg_boxes m;

    if (edn_arena_copy(&a, edn_buf_view(&out->body), &copy) && edn_boxes_decode(&a, copy, &m) == EDN_OK && m.n &&
        flip(s, &m.boxes[m.n - 1], 0, &a)) {
        edn_buf_reset(&out->body);
        edn_boxes_put(&out->body, &m);
        told(s, EVIL_SWAPPED_BOX);
    }
    edn_arena_dispose(&a);
}

/* ---- two devices that meet --------------------------------------------------------------------------------------- */

/* A message of a mailbox, as its owner would get it; false: there is none. */
static bool mail_of(sim *s, const edn_msg_mail *ask, edn_arena *a, edn_bytes *out)
{
    static const uint8_t address[4] = {127, 0, 0, 1};
    edn_buf body = EDN_BUF_INIT(EDN_MAIL_ASK_SIZE_MAX);
    edn_server_request rq = {.method = EDN_SERVER_POST,
                             .path = edn_bytes_str("/v1/mailbox"),
                             .address = edn_bytes_of(address, sizeof address)};
    edn_server_answer answer = {0};
    edn_msg_mails got = {0};
    edn_bytes copy;
    bool found;

    edn_mail_put(&body, ask);
    rq.body = edn_buf_view(&body);
    edn_server_handle(s->srv.server, &rq, 1, &answer);
    found = answer.status == 200 && edn_arena_copy(a, edn_buf_view(&answer.body), &copy) &&
            edn_mails_decode(a, copy, &got) == EDN_OK && got.n > 0;
    if (found)
        *out = got.mails[0];
    edn_server_answer_dispose(&answer);
    edn_buf_dispose(&body);
    return found;
}

/* Somebody else, who waits at another place, is put between the two: each of them gets that one's messages. */
static bool mail_swap(sim *s, device *d, edn_msg_mail *ask, edn_arena *a, edn_bytes *mail)
{
    if (d->index >= SIM_DEVICES_MAX)
        memcpy(ask->rendezvous, s->evil_victim_place, sizeof ask->rendezvous);
    else
        memcpy(ask->rendezvous, s->evil_place, sizeof ask->rendezvous);
    return mail_of(s, ask, a, mail);
}

static void rewrite_mail(sim *s, device *d, const edn_http_request *rq, edn_http_answer *out)
{
    edn_arena a = edn_arena_init(EDN_BUF_UNLIMITED);
    sim_rng *r = &s->evil_rng;
    edn_bytes copy, mail = EDN_BYTES_EMPTY;
    edn_msg_mail ask;
    edn_msg_mails m;
    bool changed = false;

    if (!edn_arena_copy(&a, edn_buf_view(&out->body), &copy) || edn_mail_decode(&a, rq->body, &ask) != EDN_OK ||
        ask.kind != EDN_MAIL_GET || edn_mails_decode(&a, copy, &m) != EDN_OK)
        goto out;
    if (m.n)
        mail = m.mails[0];
    if (s->evil_swaps) {
        changed = mail_swap(s, d, &ask, &a, &mail);
    } else if (sim_chance(r, 1, 3)) {
        switch (sim_below(r, 4)) {
        case 0:
            changed = m.n && flip(s, &mail, 0, &a);
            break;
        case 1: /* what it has had already */
            changed = ask.number > 0 && (ask.number--, mail_of(s, &ask, &a, &mail));
            break;
        case 2: /* what it said itself */
            ask.side = (uint8_t)(3 - ask.side);
            changed = mail_of(s, &ask, &a, &mail);
            break;
        default:
            changed = m.n > 0;
            mail = EDN_BYTES_EMPTY;
            break;
        }
    }
    if (changed) {
        m.mails = &mail;
        m.n = mail.n > 0;
        edn_buf_reset(&out->body);
        edn_mails_put(&out->body, &m);
        sim_fault(s, FAULT_EVIL_MAIL); /* nothing of the account's is touched: it is honest for all others */
    }
out:
    edn_arena_dispose(&a);
}

static bool is_told(const sim *s, const device *d) { return s->evil_only < 0 || s->evil_only == (int)d->index; }

void evil_answer(sim *s, device *d, const edn_http_request *rq, edn_http_answer *out)
{
    if (out->status != 200 || !is_told(s, d))
        return;
    if (strcmp(rq->path, "/v1/pull") == 0)
        rewrite_pull(s, out);
    else if (strcmp(rq->path, "/v1/challenge") == 0)
        rewrite_challenge(s, out);
    else if (strcmp(rq->path, "/v1/mailbox") == 0 && s->evils & EVIL_BIT(EVIL_MAIL))
        rewrite_mail(s, d, rq, out);
    else if (strcmp(rq->path, "/v1/box") == 0 && s->evils & EVIL_BIT(EVIL_SWAPPED_BOX))
        rewrite_boxes(s, out);
}

/* ---- yes, without keeping anything ------------------------------------------------------------------------------- */

static bool head_raise(edn_head *heads, size_t *n, const edn_batch *b)
{
    edn_hash c_hash = edn_batch_c_hash(b);
    edn_head now = {b->header.device, b->header.dseq, edn_batch_hash(b, &c_hash)};
    size_t i = 0;

    while (i < *n && memcmp(heads[i].device.b, now.device.b, 16) < 0)
        i++;
    if (i == *n || memcmp(heads[i].device.b, now.device.b, 16) != 0) {
        memmove(heads + i + 1, heads + i, (*n - i) * sizeof *heads);
        ++*n;
    }
    heads[i] = now;
    return true;
}

static bool push_lie(sim *s, const edn_http_request *rq, edn_http_answer *out)
{
    edn_arena a = edn_arena_init(EDN_BUF_UNLIMITED);
    edn_msg_pushed answer = {.flags = EDN_PUSHED_EXPECTED};
    edn_msg_push m;
    edn_head *held = NULL, *heads;
    size_t n = 0;
    uint64_t count;
    edn_hash log_head;
    edn_batch b;
    bool done = false;

    if (edn_push_decode(&a, rq->body, &m) == EDN_OK && m.batches_n && serve_heads(s, &s->account, &held, &n) &&
        (heads = edn_arena_calloc(&a, n + m.batches_n, sizeof *heads))) {
        if (n)
            memcpy(heads, held, n * sizeof *heads);
        done = true;
        for (size_t i = 0; i < m.batches_n; i++)
            done &= edn_batch_decode(m.batches[i], &b) == EDN_OK && head_raise(heads, &n, &b);
        serve_log(s, &count, &log_head);
        answer.receipt = signed_over(s, count, &log_head, heads, n);
        edn_buf_reset(&out->body);
        edn_pushed_put(&out->body, &answer);
        out->status = 200;
    }
    free(held);
    edn_arena_dispose(&a);
    return done;
}

bool evil_instead(sim *s, device *d, const edn_http_request *rq, edn_http_answer *out)
{
    if (!is_told(s, d))
        return false;
    if (s->evils & EVIL_BIT(EVIL_LEAK) && strncmp(rq->path, "/v1/probe/", 10) == 0) {
        out->status = 200; /* there is news */
        return true;
    }
    if (!(s->evils & EVIL_BIT(EVIL_PUSHED)) || !rq->bearer || strcmp(rq->path, "/v1/push") != 0 ||
        !push_lie(s, rq, out))
        return false;
    told(s, EVIL_PUSHED);
    return true;
}

/* ---- when -------------------------------------------------------------------------------------------------------- */

void evil_begin(sim *s)
{
    device *victim = &s->devices[sim_below(&s->evil_rng, s->devices_n)];

    if (!victim->c || !sim_chance(&s->evil_rng, 2, 3))
        return;
    for (unsigned n = 1 + (unsigned)sim_below(&s->evil_rng, 2); n > 0; n--)
        s->evils |= EVIL_BIT(1 + sim_below(&s->evil_rng, EVIL_LEAK - 1));
    s->evil_only = -1;
    s->evil_victim_id = device_id(victim);
    s->evil_cut = (edn_head){.dseq = 0};
    for (evil_kind k = 1; k < EVIL_KINDS; k++)
        if (s->evils & EVIL_BIT(k))
            sim_note(s, "the server is evil: %s", fault_text(evil_fault(k)));
}

void evil_end(sim *s) { s->evils = 0; }
