/* The evil server: the true core answers, and then somebody with the server's own keys rewrites what it said. */
#include "sim.h"

#include <stdlib.h>

#include "server/server_priv.h"

static void flip(sim *s, edn_bytes *b, size_t from, edn_arena *a)
{
    uint8_t *p = edn_arena_alloc(a, b->n);

    if (!p || b->n <= from)
        return;
    memcpy(p, b->p, b->n);
    p[from + sim_below(&s->evil_rng, b->n - from)] ^= (uint8_t)(1u << sim_below(&s->evil_rng, 8));
    b->p = p;
}

static void sign(sim *s, edn_msg_pulled *m)
{
    edn_hash heads_hash = edn_heads_hash(m->heads, m->heads_n);
    edn_meta_account a;
    edn_meta_space space;

    if (s->srv.meta.account_find(s->srv.meta.ctx, &s->account, &a) != EDN_OK ||
        s->srv.meta.space_find_account(s->srv.meta.ctx, a.n, &space) != EDN_OK)
        return;
    edn_receipt_sign(&m->receipt, &space.id, m->log_count, &m->log_head, &heads_hash, &s->srv.server->receipt_sk);
}

static bool is_victim(sim *s, edn_bytes batch)
{
    edn_batch b;

    return edn_batch_decode(batch, &b) == EDN_OK &&
           memcmp(b.header.device.b, s->evil_victim_id.b, sizeof b.header.device.b) == 0;
}

static void withhold(sim *s, edn_msg_pulled *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->batches_n; i++)
        if (!is_victim(s, m->batches[i]))
            m->batches[n++] = m->batches[i];
    m->batches_n = n;
    n = 0;
    for (size_t i = 0; i < m->heads_n; i++)
        if (memcmp(m->heads[i].device.b, s->evil_victim_id.b, 16) != 0)
            m->heads[n++] = m->heads[i];
    m->heads_n = n;
    sign(s, m);
}

static void pulled(sim *s, edn_msg_pulled *m, edn_arena *a)
{
    sim_rng *r = &s->evil_rng;
    size_t k = sim_below(r, m->batches_n);
    edn_bytes *twice;

    switch (s->evil) {
    case EVIL_ALTER:
        if (m->batches_n)
            flip(s, &m->batches[k], EDN_BATCH_HEADER_SIZE, a);
        break;
    case EVIL_SIGNATURE:
        if (m->batches_n)
            flip(s, &m->batches[k], m->batches[k].n - 64, a);
        break;
    case EVIL_HEADER:
        if (m->batches_n) {
            m->batches[k].n = EDN_BATCH_HEADER_SIZE;
            edn_bytes whole = m->batches[k];
            flip(s, &whole, 40, a);
            m->batches[k].n = whole.n;
            m->batches[k].p = whole.p;
        }
        break;
    case EVIL_TRUNCATE:
        if (m->batches_n && sim_chance(r, 1, 2)) /* one in the middle */
            memmove(m->batches + k, m->batches + k + 1, (--m->batches_n - k) * sizeof *m->batches);
        else
            m->batches_n -= m->batches_n ? 1 + sim_below(r, m->batches_n) : 0;
        break;
    case EVIL_SWAP:
        if (m->batches_n > 1) {
            edn_bytes t = m->batches[0];
            m->batches[0] = m->batches[m->batches_n - 1];
            m->batches[m->batches_n - 1] = t;
        }
        break;
    case EVIL_REVERSE:
        for (size_t i = 0; i < m->batches_n / 2; i++) {
            edn_bytes t = m->batches[i];
            m->batches[i] = m->batches[m->batches_n - 1 - i];
            m->batches[m->batches_n - 1 - i] = t;
        }
        break;
    case EVIL_TWICE:
        if ((twice = edn_arena_calloc(a, 2 * m->batches_n + 1, sizeof *twice))) {
            for (size_t i = 0; i < 2 * m->batches_n; i++)
                twice[i] = m->batches[i / 2];
            m->batches = twice;
            m->batches_n *= 2;
        }
        break;
    case EVIL_WITHHOLD:
        withhold(s, m);
        break;
    case EVIL_GARBAGE:
        if ((twice = edn_arena_calloc(a, m->batches_n + 1, sizeof *twice))) {
            uint8_t *noise = edn_arena_alloc(a, 2048);
            if (!noise)
                break;
            sim_fill(r, noise, 2048);
            if (m->batches_n && sim_chance(r, 1, 2))
                memcpy(noise, m->batches[0].p, EDN_BATCH_HEADER_SIZE);
            memcpy(twice, m->batches, m->batches_n * sizeof *twice);
            twice[m->batches_n] = edn_bytes_of(noise, 2048);
            m->batches = twice;
            m->batches_n++;
        }
        break;
    case EVIL_RECEIPT:
        sim_fill(r, m->receipt.sig.b, sizeof m->receipt.sig.b);
        break;
    case EVIL_HEADS:
        for (size_t i = 0; i < m->heads_n; i++)
            m->heads[i].dseq += sim_below(r, 3);
        sign(s, m);
        break;
    case EVIL_LINK:
        if ((twice = edn_arena_calloc(a, m->links_n + 1, sizeof *twice))) {
            uint8_t *noise = edn_arena_alloc(a, 240);
            if (!noise)
                break;
            sim_fill(r, noise, 240);
            if (m->links_n)
                memcpy(twice, m->links, m->links_n * sizeof *twice);
            twice[m->links_n] = edn_bytes_of(noise, 240);
            m->links = twice;
            m->links_n++;
            m->log_count++;
            sim_fill(r, m->log_head.b, 32);
            sign(s, m);
        }
        break;
    default:
        break;
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

static void rewrite_pull(sim *s, device *d, edn_http_answer *out)
{
    edn_arena a = edn_arena_init(EDN_BUF_UNLIMITED);
    edn_bytes copy;
    edn_msg_pulled m;

    (void)d;
    if (s->evil == EVIL_OLD && s->old_answer.n) {
        edn_buf_reset(&out->body);
        edn_put_bytes(&out->body, s->old_answer.p, s->old_answer.n);
    } else if (edn_arena_copy(&a, edn_buf_view(&out->body), &copy) && edn_pulled_decode(&a, copy, &m) == EDN_OK) {
        pulled(s, &m, &a);
        put_pulled(out, &m);
    }
    edn_arena_dispose(&a);
}

static void rewrite_challenge(sim *s, edn_http_answer *out)
{
    edn_arena a = edn_arena_init(EDN_BUF_UNLIMITED);
    edn_bytes copy;
    edn_msg_challenge m;

    if (edn_arena_copy(&a, edn_buf_view(&out->body), &copy) && edn_challenge_decode(&a, copy, &m) == EDN_OK) {
        if (s->evil == EVIL_ORIGIN)
            m.origin = edn_bytes_str("https://elsewhere.example");
        else
            m.server_time += 20 * 365 * 86400ull;
        edn_buf_reset(&out->body);
        edn_challenge_put(&out->body, &m);
    }
    edn_arena_dispose(&a);
}

void evil_answer(sim *s, device *d, const edn_http_request *rq, edn_http_answer *out)
{
    if (out->status != 200)
        return;
    if (strcmp(rq->path, "/v1/pull") == 0) {
        sim_fault(s, (fault_kind)(FAULT_KINDS - (EVIL_KINDS - s->evil)));
        rewrite_pull(s, d, out);
    } else if (strcmp(rq->path, "/v1/challenge") == 0 && (s->evil == EVIL_ORIGIN || s->evil == EVIL_TIME)) {
        sim_fault(s, (fault_kind)(FAULT_KINDS - (EVIL_KINDS - s->evil)));
        rewrite_challenge(s, out);
    }
}

void evil_begin(sim *s)
{
    device *victim = &s->devices[sim_below(&s->evil_rng, s->devices_n)];
    char hex[33];

    if (!victim->c || !sim_chance(&s->evil_rng, 2, 3))
        return;
    s->evil = (evil_kind)(1 + sim_below(&s->evil_rng, EVIL_KINDS - 1));
    s->honest = false;
    edn_client_device_id(victim->c, hex);
    if (!edn_hex_decode(s->evil_victim_id.b, 16, edn_bytes_str(hex)))
        sim_stop("evil", "device id");
    sim_note(s, "the server is evil: %s", fault_text((fault_kind)(FAULT_KINDS - (EVIL_KINDS - s->evil))));
}

void evil_end(sim *s) { s->evil = EVIL_NONE; }
