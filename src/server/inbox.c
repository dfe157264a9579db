#include "server_priv.h"

/* Inboxes: sealed letters from anybody, kept until a device of the account has done with them or their days are over.
 *
 * What holds:
 *   1. numbers of an account's letters rise and are never used again: `letters` of its row counts all that ever came;
 *   2. the same letter is kept once while it is there, so that a put can be repeated;
 *   3. a put for an account that is not here, or without a witness of its log, is answered as one that was kept, after
 *      the same time: it tells nobody who is here. */

static void inbox_answer(edn_server *s, server_job *job)
{
    edn_msg_letters none = {NULL, 0};

    (void)s;
    job->out->status = 200;
    job->out->hold = !job->caller.account;
    edn_letters_put(&job->out->body, &none);
}

static void inbox_done(server_job *job)
{
    job->staged = true;
    job->finish = inbox_answer;
}

/* ---- put --------------------------------------------------------------------------------------------------------- */

static bool inbox_within_limits(edn_server *s, server_job *job)
{
    limit_rule rule = {s->config.limits.inbox_per_hour / 3600.0, s->config.limits.inbox_per_hour, 0};
    uint32_t wait_s;

    if (job->weighed ||
        edn_limit_take(&s->limits, LIMIT_INBOX, job->rq->address, &rule, 1, s->clock.now_ms(s->clock.ctx), &wait_s)) {
        job->weighed = true;
        return true;
    }
    edn_server_limited(s, job->out, wait_s);
    return false;
}

static edn_status inbox_keep(edn_server *s, server_job *job, server_account *a, edn_bytes message)
{
    edn_meta_letter row = {.number = a->row.letters + 1,
                           .hash = edn_h32(message),
                           .day = (uint32_t)(s->clock.now_ms(s->clock.ctx) / 86400000u),
                           .body = message};
    edn_status st = s->meta.letter_find(s->meta.ctx, a->row.n, &row.hash);
    uint64_t n;

    if (st == EDN_OK)
        inbox_done(job); /* said again */
    if (st != EDN_E_MISSING || (st = s->meta.letters_count(s->meta.ctx, a->row.n, &n)) != EDN_OK)
        return st;
    if (n >= s->config.limits.inbox_letters) {
        edn_server_problem(job->out, 507, "full", "the inbox is full until its account has read it");
        return EDN_OK;
    }
    if ((st = edn_server_begin(s)) != EDN_OK)
        return st;
    edn_server_account_stage(s, a);
    a->row.letters = row.number;
    a->row_dirty = true;
    if ((st = s->meta.letter_put(s->meta.ctx, a->row.n, &row)) == EDN_OK)
        inbox_done(job);
    return st;
}

static edn_status inbox_put(edn_server *s, server_job *job, const edn_msg_inbox *m)
{
    server_account *a;
    edn_status st;

    if (!inbox_within_limits(s, job))
        return EDN_OK;
    st = edn_server_account_get(s, &m->to, &a);
    if (st == EDN_OK && !edn_devlog_is_space(a->log) && edn_server_witnessed(a->log, &m->witness))
        return inbox_keep(s, job, a, m->message);
    if (st != EDN_OK && st != EDN_E_MISSING)
        return st;
    inbox_done(job);
    return EDN_OK;
}

/* ---- get --------------------------------------------------------------------------------------------------------- */

typedef struct gathering {
    edn_server *s;
    edn_msg_letters m;
} gathering;

static edn_status gather(void *cb, uint64_t number, edn_bytes body)
{
    gathering *g = cb;
    edn_msg_letter *to = &g->m.letters[g->m.n];

    if (g->m.n == EDN_INBOX_LETTERS_MAX)
        return EDN_E_DAMAGED; /* no put lets one more in */
    to->number = number;
    if (!edn_arena_copy(&g->s->arena, body, &to->message))
        return EDN_E_NOMEM;
    g->m.n++;
    return EDN_OK;
}

/* After the commit: what is read is durable. */
static void inbox_read(edn_server *s, server_job *job)
{
    const edn_server_limits *l = &s->config.limits;
    limit_rule bytes = {(double)l->bytes_per_s, (double)l->bytes_burst, 0};
    const edn_meta_account *row = &job->caller.account->row;
    gathering g = {.s = s};
    edn_status st = EDN_E_NOMEM;

    edn_arena_reset(&s->arena);
    g.m.letters = edn_arena_calloc(&s->arena, EDN_INBOX_LETTERS_MAX, sizeof *g.m.letters);
    if (g.m.letters)
        st = s->meta.letters_each(s->meta.ctx, row->n, job->letter_from, gather, &g);
    if (st != EDN_OK) {
        edn_server_failed(job->out, st);
        return;
    }
    job->out->status = 200;
    edn_letters_put(&job->out->body, &g.m);
    edn_limit_spend(&s->limits, LIMIT_BYTES, EDN_F(row->id), &bytes, (double)job->out->body.n,
                    s->clock.now_ms(s->clock.ctx));
}

/* ---- POST /v1/inbox ---------------------------------------------------------------------------------------------- */

edn_status edn_server_inbox(edn_server *s, server_job *job)
{
    edn_msg_inbox m;
    edn_status st = edn_inbox_decode(&s->arena, job->rq->body, &m);

    if (st != EDN_OK) {
        edn_server_malformed(job->out, st);
        return EDN_OK;
    }
    if (m.kind == EDN_INBOX_PUT)
        return inbox_put(s, job, &m);
    if (!job->caller.account) {
        edn_server_denied(job->out);
        s->stats.denied++;
        return EDN_OK;
    }
    if (m.kind == EDN_INBOX_GET) {
        job->staged = true;
        job->letter_from = m.number;
        job->finish = inbox_read;
        return EDN_OK;
    }
    if ((st = edn_server_begin(s)) == EDN_OK &&
        (st = s->meta.letter_drop(s->meta.ctx, job->caller.account->row.n, m.number)) == EDN_OK)
        inbox_done(job);
    return st;
}
