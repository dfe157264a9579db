#include "server_priv.h"

#include <stdlib.h>

/* Mailboxes, in which two devices that know the same random id leave messages for each other before one of them is part
 * of an account. They need no token, so they are small, few, short-lived, in memory only, and counted by address.
 *
 *     (not there) ──open──▶ OPEN ──close──▶ SHUT ──time──▶ (not there)
 *
 * An id is used once: a mailbox that was shut keeps its place until its time is over. What the messages say is the
 * devices' business: nothing here is trusted by them. */

#define MAILBOXES 256u

struct server_mailbox {
    uint64_t expires_ms; /* 0: not there */
    bool open;
    uint8_t rendezvous[16];
    edn_bytes mails[2][EDN_MAILS_MAX]; /* of each side; allocated */
    size_t n[2];
};

edn_status edn_server_mailboxes_init(edn_server *s)
{
    s->mailboxes = calloc(MAILBOXES, sizeof *s->mailboxes);
    return s->mailboxes ? EDN_OK : EDN_E_NOMEM;
}

static void mailbox_empty(edn_server *s, server_mailbox *b)
{
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < b->n[side]; i++) {
            s->mail_size -= b->mails[side][i].n;
            free((void *)(uintptr_t)b->mails[side][i].p);
        }
        b->n[side] = 0;
    }
}

void edn_server_mailboxes_dispose(edn_server *s)
{
    for (size_t i = 0; s->mailboxes && i < MAILBOXES; i++)
        mailbox_empty(s, &s->mailboxes[i]);
    free(s->mailboxes);
    s->mailboxes = NULL;
}

/* Forgets those whose time is over, and finds one: NULL, and *room a free place (NULL: none). */
static server_mailbox *mailbox_find(edn_server *s, const uint8_t rendezvous[16], uint64_t now, server_mailbox **room)
{
    server_mailbox *found = NULL;

    *room = NULL;
    for (size_t i = 0; i < MAILBOXES; i++) {
        server_mailbox *b = &s->mailboxes[i];
        /* A clock that was set back must not keep one for ever. */
        if (b->expires_ms &&
            (now >= b->expires_ms || b->expires_ms - now > s->config.limits.mailbox_life_s * (uint64_t)1000)) {
            mailbox_empty(s, b);
            b->expires_ms = 0;
        }
        if (!b->expires_ms)
            *room = b;
        else if (memcmp(b->rendezvous, rendezvous, sizeof b->rendezvous) == 0)
            found = b;
    }
    return found;
}

static void mailbox_answer(edn_server_answer *out, const server_mailbox *b, uint64_t now, edn_bytes *mails, size_t n)
{
    edn_msg_mails m = {(b->expires_ms - now) / 1000, mails, n};

    out->status = 200;
    edn_mails_put(&out->body, &m);
}

static server_mailbox *mailbox_open(edn_server *s, const edn_msg_mail *m, server_mailbox *b, server_mailbox *room,
                                    uint64_t now, edn_server_answer *out)
{
    if (b && b->open && b->n[0] + b->n[1] == 0)
        return b; /* said again */
    if (b) {
        edn_server_problem(out, 409, "taken", "this mailbox was used already");
        return NULL;
    }
    if (!room) {
        edn_server_failed(out, EDN_E_BUSY);
        return NULL;
    }
    *room = (server_mailbox){.expires_ms = now + s->config.limits.mailbox_life_s * (uint64_t)1000, .open = true};
    memcpy(room->rendezvous, m->rendezvous, sizeof room->rendezvous);
    return room;
}

/* False: `out` says why. */
static bool mailbox_put(edn_server *s, const edn_msg_mail *m, server_mailbox *b, edn_server_answer *out)
{
    const edn_server_limits *l = &s->config.limits;
    size_t side = m->side - 1u, n = b->n[side];
    uint8_t *copy;

    if (m->number < n && edn_bytes_equal(b->mails[side][m->number], m->mail))
        return true; /* said again */
    if (m->number != n) {
        edn_server_problem(out, 409, "mail", "another message has this number, or one before it is missing");
        return false;
    }
    if (b->n[0] + b->n[1] >= l->mailbox_messages) {
        edn_server_problem(out, 507, "quota", "the mailbox is full");
        return false;
    }
    copy = m->mail.n > l->mailbox_size_max - EDN_MIN(s->mail_size, l->mailbox_size_max) ? NULL : malloc(m->mail.n + 1);
    if (!copy) {
        edn_server_failed(out, EDN_E_NOMEM);
        return false;
    }
    memcpy(copy, m->mail.p, m->mail.n);
    b->mails[side][n] = edn_bytes_of(copy, m->mail.n);
    b->n[side]++;
    s->mail_size += m->mail.n;
    return true;
}

static void mailbox_get(const edn_msg_mail *m, server_mailbox *b, uint64_t now, edn_server_answer *out)
{
    size_t other = 2u - m->side, from = (size_t)EDN_MIN(m->number, b->n[other]);

    mailbox_answer(out, b, now, b->mails[other] + from, b->n[other] - from);
}

static bool mailbox_within_limits(edn_server *s, const edn_server_request *rq, const edn_msg_mail *m, uint64_t now,
                                  edn_server_answer *out)
{
    const edn_server_limits *l = &s->config.limits;
    limit_rule any = {l->mailbox_rate_per_s, 6.0 * l->mailbox_rate_per_s, 0};
    limit_rule opens = {l->mailbox_per_hour / 3600.0, l->mailbox_per_hour, 0};
    uint32_t wait_s;

    if (edn_limit_take(&s->limits, LIMIT_MAILBOX, rq->address, &any, 1, now, &wait_s) &&
        (m->kind != EDN_MAIL_OPEN ||
         edn_limit_take(&s->limits, LIMIT_MAILBOX_OPEN, rq->address, &opens, 1, now, &wait_s)))
        return true;
    edn_server_limited(s, out, wait_s);
    return false;
}

void edn_server_mailbox(edn_server *s, const edn_server_request *rq, edn_server_answer *out)
{
    uint64_t now = s->clock.now_ms(s->clock.ctx);
    server_mailbox *b, *room;
    edn_msg_mail m;
    edn_status st = edn_mail_decode(&s->arena, rq->body, &m);

    if (st != EDN_OK) {
        edn_server_malformed(out, st);
        return;
    }
    if (!mailbox_within_limits(s, rq, &m, now, out))
        return;
    b = mailbox_find(s, m.rendezvous, now, &room);
    if (m.kind == EDN_MAIL_OPEN) {
        b = mailbox_open(s, &m, b, room, now, out);
    } else if (!b || !b->open) {
        edn_server_problem(out, 404, "missing", "there is no such mailbox, or its time is over");
        return;
    }
    if (!b || (m.kind == EDN_MAIL_PUT && !mailbox_put(s, &m, b, out)))
        return;
    if (m.kind == EDN_MAIL_GET) {
        mailbox_get(&m, b, now, out);
        return;
    }
    if (m.kind == EDN_MAIL_CLOSE) {
        mailbox_empty(s, b);
        b->open = false;
    }
    mailbox_answer(out, b, now, NULL, 0);
}
