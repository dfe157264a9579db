/* The requests: each state's path and body. */
#include "sync_priv.h"

#include <stdlib.h>

/* Links in one request: half of what a request may be, so that their boxes have room. */
#define APPEND_LINKS_SIZE_MAX (EDN_PUSH_SIZE_MAX / 2)
/* Links, boxes, or batches in one request; a server takes no more links from somebody without a token. */
#define PIECES_MAX 2048u

/* ---- probe, login ------------------------------------------------------------------------------------------------ */

static edn_status probe_make(edn_sync *s)
{
    const edn_sync_remote *r = s->setup.remote;
    edn_hash heads_hash = edn_heads_hash(r->heads, r->heads_n);
    edn_etag etag = edn_etag_of(&s->setup.space, r->log_count, &r->log_head, &heads_hash, r->recovery);
    edn_buf path = EDN_BUF_INIT(sizeof s->path);
    edn_status st;

    edn_put_str(&path, "/v1/probe/");
    edn_base64url_encode(&path, edn_bytes_of(s->setup.probe, sizeof s->setup.probe));
    edn_put_str(&path, "/");
    edn_base64url_encode(&path, edn_bytes_of(etag.b, sizeof etag.b));
    edn_put_u8(&path, 0);
    if ((st = edn_buf_status(&path)) == EDN_OK)
        memcpy(s->path, path.p, path.n);
    edn_buf_dispose(&path);
    return st;
}

static edn_status challenge_make(edn_sync *s)
{
    edn_msg_challenge_ask m = {.kind = EDN_LOGIN_DEVICE, .account = s->setup.account, .device = s->setup.device};

    s->setup.random.fill(s->setup.random.ctx, s->client_nonce, sizeof s->client_nonce);
    memcpy(m.client_nonce, s->client_nonce, sizeof m.client_nonce);
    edn_challenge_ask_put(&s->request, &m);
    return edn_buf_status(&s->request);
}

static edn_status login_make(edn_sync *s, const edn_msg_challenge *c)
{
    uint64_t log_seq = edn_devlog_count(s->log) - 1;
    edn_hash log_head = edn_devlog_head(s->log);
    edn_login_message message = {.origin = edn_bytes_str(s->setup.remote->origin),
                                 .account = s->setup.account,
                                 .device = s->setup.device,
                                 .server_time = c->server_time,
                                 .log_seq = log_seq,
                                 .log_head = log_head};
    edn_msg_login m = {.kind = EDN_LOGIN_DEVICE,
                       .account = s->setup.account,
                       .device = s->setup.device,
                       .server_time = c->server_time,
                       .log_seq = log_seq,
                       .log_head = log_head};

    memcpy(message.client_nonce, s->client_nonce, sizeof message.client_nonce);
    memcpy(message.server_nonce, c->server_nonce, sizeof message.server_nonce);
    if (s->setup.channel_binding)
        memcpy(message.channel_binding, s->setup.channel_binding, sizeof message.channel_binding);
    memcpy(m.client_nonce, message.client_nonce, sizeof m.client_nonce);
    memcpy(m.server_nonce, message.server_nonce, sizeof m.server_nonce);
    memcpy(m.channel_binding, message.channel_binding, sizeof m.channel_binding);
    edn_login_sign(&m.sig, &message, s->setup.sk);
    edn_login_put(&s->request, &m);
    return edn_buf_status(&s->request);
}

/* ---- links and the boxes that they name -------------------------------------------------------------------------- */

/* Bytes one behind the other in a buffer that may move: where each begins and how long it is. */
typedef struct pieces {
    edn_buf bytes;
    edn_bytes list[PIECES_MAX]; /* `p` NULL until pieces_fix; n: its length */
    size_t n;
} pieces;

static void pieces_add(pieces *x, size_t begin) { x->list[x->n++].n = x->bytes.n - begin; }

static void pieces_cut(pieces *x, size_t begin) { x->bytes.n = begin; }

static void pieces_fix(pieces *x)
{
    const uint8_t *p = x->bytes.p;

    for (size_t i = 0; i < x->n; i++) {
        x->list[i].p = p;
        p += x->list[i].n;
    }
}

static edn_status boxes_gather(const edn_sync *s, edn_bytes link, pieces *boxes)
{
    edn_hash named[EDN_LINK_BOXES_MAX];
    size_t n = 0;
    edn_status st = edn_link_boxes(link, named, &n);

    for (size_t i = 0; i < n && st == EDN_OK && boxes->n < EDN_BOXES_MAX; i++) {
        size_t begin = boxes->bytes.n;
        st = s->setup.view.box(s->setup.view.ctx, &named[i], &boxes->bytes);
        if (st == EDN_OK && boxes->bytes.n > begin)
            pieces_add(boxes, begin);
        else if (st == EDN_E_MISSING)
            st = EDN_OK; /* boxes of old epochs may be gone */
    }
    return st;
}

/* Links from `seq` on with their boxes, as many as one request carries, and at least one. */
static edn_status links_gather(const edn_sync *s, uint64_t seq, pieces *links, pieces *boxes)
{
    uint64_t count = edn_devlog_count(s->log);
    edn_status st = EDN_OK;

    for (; seq < count && links->n < PIECES_MAX; seq++) {
        size_t link_at = links->bytes.n, box_at = boxes->bytes.n, box_n = boxes->n;
        if ((st = s->setup.view.link(s->setup.view.ctx, seq, &links->bytes)) != EDN_OK ||
            (st = boxes_gather(s, edn_bytes_of(links->bytes.p + link_at, links->bytes.n - link_at), boxes)) != EDN_OK)
            break;
        if (links->n && (links->bytes.n + boxes->bytes.n > APPEND_LINKS_SIZE_MAX ||
                         boxes->n + EDN_LINK_BOXES_MAX > EDN_BOXES_MAX)) {
            pieces_cut(links, link_at);
            pieces_cut(boxes, box_at);
            boxes->n = box_n;
            break;
        }
        pieces_add(links, link_at);
    }
    pieces_fix(links);
    pieces_fix(boxes);
    return st;
}

static edn_status links_make(edn_sync *s, bool account)
{
    pieces *x = calloc(2, sizeof *x), *links = x, *boxes = x ? x + 1 : NULL;
    edn_status st = EDN_E_NOMEM;

    if (!x)
        return st;
    links->bytes = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    boxes->bytes = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    if ((st = links_gather(s, account ? 0 : s->srv_log_count, links, boxes)) != EDN_OK)
        goto out;
    if (account) {
        edn_msg_account m = {s->setup.remote->name_hash, links->list, links->n, boxes->list, boxes->n};
        edn_account_put(&s->request, &m);
    } else {
        edn_msg_log_append m = {links->list, links->n, boxes->list, boxes->n};
        edn_log_append_put(&s->request, &m);
    }
    s->appending_n = links->n;
    st = edn_buf_status(&s->request);
out:
    edn_buf_dispose(&links->bytes);
    edn_buf_dispose(&boxes->bytes);
    free(x);
    return st;
}

/* ---- pull -------------------------------------------------------------------------------------------------------- */

/* What the server is told that we hold: what we do, and of a revoked device what is settled behind its cut; but of a
 * device whose batches are not taken the server's own head, so that they do not come again; and of a suspect one what
 * is agreed, so that the proof comes. */
static edn_status told_heads(edn_sync *s, head_map *told)
{
    edn_status st = edn_head_map_copy(told, s->have.p, s->have.n);

    for (size_t i = 0; i < s->late.n && st == EDN_OK; i++) {
        edn_head settled = edn_sync_settled(s, &s->late.p[i].device), cut;
        if (edn_sync_cut(s, &settled.device, &cut) && edn_head_map_get(&s->have, &settled.device).dseq >= cut.dseq &&
            settled.dseq)
            st = edn_head_map_set(told, &settled);
    }
    for (size_t i = 0; i < s->srv.n && st == EDN_OK; i++) {
        const edn_head *theirs = &s->srv.p[i];
        const peer *p = edn_peer_find(s, &theirs->device);
        if (p && p->stopped)
            st = edn_head_map_set(told, theirs);
    }
    for (size_t i = 0; i < s->peers_n && st == EDN_OK; i++) {
        peer *p = &s->peers[i];
        edn_head agreed = {p->id, p->agreed, {{0}}};
        if (!p->suspect || p->stopped)
            continue;
        p->asked = true;
        if (p->agreed == 0)
            edn_head_map_remove(told, &p->id);
        else if (edn_sync_hash_of(s, &p->id, p->agreed, &agreed.hash))
            st = edn_head_map_set(told, &agreed);
    }
    return st;
}

static edn_status pull_make(edn_sync *s)
{
    head_map told = {0};
    edn_msg_pull m = {.space = s->setup.space, .log_count = s->log_bad ? s->srv_log_count : edn_devlog_count(s->log)};
    edn_status st = told_heads(s, &told);

    if (st == EDN_OK) {
        memcpy(m.probe, s->setup.probe, sizeof m.probe);
        m.heads = told.p;
        m.heads_n = told.n;
        edn_pull_put(&s->request, &m);
        st = edn_buf_status(&s->request);
    }
    edn_head_map_dispose(&told);
    return st;
}

/* ---- push -------------------------------------------------------------------------------------------------------- */

#define PUSH_HEAD_SIZE 64u /* what a push has besides its batches, with some room */

/* The device's batches that the server has not, as far as the request has room. *room falls to 0 when it is full. */
static edn_status push_gather(edn_sync *s, const edn_head *mine, pieces *batches, size_t *room)
{
    edn_head theirs = edn_sync_sent_until(s, &mine->device), last = {mine->device, 0, {{0}}};
    uint64_t end = edn_sync_effective(s, mine).dseq;
    edn_status st = EDN_OK;

    for (uint64_t dseq = theirs.dseq + 1; dseq <= end && *room; dseq++) {
        size_t begin = batches->bytes.n, size;
        peer *p;
        st = s->setup.view.batch(s->setup.view.ctx, &mine->device, dseq, &batches->bytes);
        if (st == EDN_E_MISSING || st == EDN_E_DAMAGED) {
            about a = {&mine->device, dseq, NULL, EDN_BYTES_EMPTY};
            if ((st = edn_peer_get(s, &mine->device, &p)) == EDN_OK) {
                p->unreadable = true;
                st = edn_sync_find(
                    s, EDN_E_DAMAGED, &a,
                    "Batch %llu of device %s cannot be read here, so it and those after it cannot be sent "
                    "to the server. Another device may still hold it.",
                    (unsigned long long)dseq, edn_device_text(&mine->device).s);
            }
            break;
        }
        if (st != EDN_OK)
            break;
        size = batches->bytes.n - begin + 4;
        if (size > *room || batches->n == PIECES_MAX) {
            pieces_cut(batches, begin);
            *room = 0;
            break;
        }
        *room -= size;
        pieces_add(batches, begin);
        last.dseq = dseq;
    }
    if (st != EDN_OK || last.dseq == 0)
        return st;
    if (!edn_sync_hash_of(s, &mine->device, last.dseq, &last.hash))
        return EDN_E_DAMAGED;
    s->pushing_device = mine->device;
    return edn_head_map_set(&s->pushing, &last);
}

/* Batches of others that the server lacks, and own ones that it had signed for, were lost there. */
static uint64_t refill_count(const edn_sync *s)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < s->pushing.n; i++) {
        const edn_head *after = &s->pushing.p[i];
        uint64_t before = edn_head_map_get(&s->srv, &after->device).dseq;
        if (!is_self(s, &after->device))
            sum += after->dseq - before;
        else if (s->own_signed.dseq > before)
            sum += EDN_MIN(s->own_signed.dseq, after->dseq) - before;
    }
    return sum;
}

static edn_status push_make(edn_sync *s)
{
    pieces *batches = calloc(1, sizeof *batches);
    edn_head own = edn_head_map_get(&s->have, &s->setup.device);
    size_t room = EDN_PUSH_SIZE_MAX - PUSH_HEAD_SIZE;
    edn_hash heads_hash = edn_heads_hash(s->srv.p, s->srv.n);
    edn_msg_push m = {.before = edn_etag_of(&s->setup.space, s->srv_log_count, &s->srv_log_head, &heads_hash,
                                            s->setup.remote->recovery)};
    edn_status st;

    if (!batches)
        return EDN_E_NOMEM;
    batches->bytes = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    st = edn_head_map_copy(&s->pushing, s->srv.p, s->srv.n);
    if (st == EDN_OK && edn_sync_sendable(s, &own))
        st = push_gather(s, &own, batches, &room);
    for (size_t i = 0; i < s->have.n && st == EDN_OK && room; i++) {
        edn_head mine = s->have.p[i];
        if (s->push_single && batches->n)
            break;
        if (!is_self(s, &mine.device) && edn_sync_sendable(s, &mine))
            st = push_gather(s, &mine, batches, &room);
    }
    if (st != EDN_OK)
        goto out;
    if (batches->n == 0) {
        st = EDN_E_MISSING;
        goto out;
    }
    pieces_fix(batches);
    m.batches = batches->list;
    m.batches_n = batches->n;
    edn_push_put(&s->request, &m);
    s->pushing_n = batches->n;
    s->pushing_refill = refill_count(s);
    st = edn_buf_status(&s->request);
out:
    edn_buf_dispose(&batches->bytes);
    free(batches);
    return st;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

edn_status edn_sync_request_make(edn_sync *s, sync_state state, const edn_msg_challenge *challenge)
{
    static const char *const paths[SYNC_STATE_COUNT] = {
        [SYNC_INFO] = "/v1/server",       [SYNC_CHALLENGE] = "/v1/challenge", [SYNC_LOGIN] = "/v1/login",
        [SYNC_REGISTER] = "/v1/accounts", [SYNC_PULL] = "/v1/pull",           [SYNC_APPEND] = "/v1/log",
        [SYNC_PUSH] = "/v1/push",
    };

    edn_buf_reset(&s->request);
    if (paths[state])
        memcpy(s->path, paths[state], strlen(paths[state]) + 1);
    switch (state) {
    case SYNC_PROBE:
        return probe_make(s);
    case SYNC_CHALLENGE:
        return challenge_make(s);
    case SYNC_LOGIN:
        return login_make(s, challenge);
    case SYNC_REGISTER:
        return links_make(s, true);
    case SYNC_APPEND:
        return links_make(s, false);
    case SYNC_PULL:
        return pull_make(s);
    case SYNC_PUSH:
        return push_make(s);
    case SYNC_INFO: /* no body */
        return EDN_OK;
    case SYNC_IDLE:
    case SYNC_SAVE:
    case SYNC_DONE:
    case SYNC_STATE_COUNT:
        break;
    }
    EDN_ASSERT(!"a state that asks nothing");
    return EDN_E_INVALID;
}
