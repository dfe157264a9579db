/* One pull's answer: what is good in it is made ready to be saved, what is not becomes a finding.
 *
 *     claimed state ─▶ less than signed for? ─▶ links ─▶ receipt ─▶ heads against ours ─▶ batches ─▶ debts paid
 *
 * A server may send batches in any order, twice, or not at all. They are sorted by device and number; then each
 * device's next one is checked and opened, and accepted once everything that its heads name and this answer brings is
 * accepted before it. So a driver may apply them in the order given.
 *
 * What holds when it returns EDN_OK:
 *   1. everything in save_links continues the device log, and was checked in full against next_log;
 *   2. everything in save_batches passed SECURITY 2.8 and continues its device's chain, with no gap; what is in
 *      save_late did, but that it stands behind its device's cut, and none of it is counted for anything;
 *   3. `have` and `late` are what will be held and settled once all are durable; nothing refused has changed them;
 *   4. nothing points into `body`: the engine keeps its own copy until the round ends. */
#include "sync_priv.h"

#include "base/plant.h"

#include <stdlib.h>

struct round_entry {
    batch_in in;
    size_t order; /* in the answer: of equals the first comes first */
    bool opened, accepted;
    edn_sync_batch ready; /* once opened */
};

/* A device's entries, [at, end) still to come. */
struct round_group {
    edn_device_id device;
    round_entry *begin, *at, *end;
    bool done;
};

static const edn_devlog *round_log(const edn_sync *s) { return s->next_log ? s->next_log : s->log; }

static round_group *group_find(const edn_sync *s, const edn_device_id *device)
{
    size_t lo = 0, hi = s->groups_n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = memcmp(s->groups[mid].device.b, device->b, sizeof device->b);
        if (c == 0)
            return &s->groups[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

static const round_entry *accepted_find(const edn_sync *s, const edn_device_id *device, uint64_t dseq)
{
    const round_group *g = group_find(s, device);
    size_t lo = 0, hi = g ? (size_t)(g->at - g->begin) : 0;

    while (lo < hi) { /* the first of this number */
        size_t mid = lo + (hi - lo) / 2;
        if (g->begin[mid].in.batch.header.dseq < dseq)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; g && g->begin + lo < g->at && g->begin[lo].in.batch.header.dseq == dseq; lo++)
        if (g->begin[lo].accepted)
            return &g->begin[lo];
    return NULL;
}

bool edn_sync_hash_of(const edn_sync *s, const edn_device_id *device, uint64_t dseq, edn_hash *out)
{
    edn_head mine = edn_head_map_get(&s->have, device);
    const round_entry *e;

    if (dseq == 0 || dseq > mine.dseq)
        return false;
    if (dseq == mine.dseq) {
        *out = mine.hash;
        return true;
    }
    if ((e = accepted_find(s, device, dseq))) {
        *out = e->in.hash;
        return true;
    }
    return s->setup.view.batch_hash(s->setup.view.ctx, device, dseq, out);
}

static bool round_batch_hash(void *ctx, const edn_device_id *device, uint64_t dseq, edn_hash *out)
{
    return edn_sync_hash_of(ctx, device, dseq, out);
}

static bool round_space_key(void *ctx, uint32_t epoch, edn_space_key *out)
{
    const edn_sync *s = ctx;
    return s->setup.view.space_key(s->setup.view.ctx, epoch, out);
}

/* ---- the claimed state ------------------------------------------------------------------------------------------- */

/* What the server signed for and no longer claims to hold (A10). */
static edn_status rollback_check(edn_sync *s)
{
    const edn_sync_remote *r = s->setup.remote;
    uint64_t lost = r->log_count > s->srv_log_count ? r->log_count - s->srv_log_count : 0;
    about a = {0};

    if (r->receipt.time_ms == 0 || s->figures.rolled_back)
        return EDN_OK;
    for (size_t i = 0; i < r->heads_n; i++) {
        edn_head theirs = edn_head_map_get(&s->srv, &r->heads[i].device);
        edn_head before = edn_sync_effective(s, &r->heads[i]), now = edn_sync_effective(s, &theirs);
        lost += before.dseq > now.dseq ? before.dseq - now.dseq : 0;
    }
    if (lost == 0 || EDN_PLANT(silent_rollback))
        return EDN_OK;
    s->figures.rolled_back = true;
    return edn_sync_find(
        s, EDN_E_ROLLBACK, &a,
        "The server %s no longer has %llu batches or links that it had signed for: it was put back to an "
        "older state. What is here is kept and is being sent to it again. Sync your other devices too, and "
        "ask whoever runs the server.",
        r->origin, (unsigned long long)lost);
}

static edn_status claimed_take(edn_sync *s, const edn_msg_pulled *m)
{
    edn_status st;

    if ((st = edn_head_map_copy(&s->srv, m->heads, m->heads_n)) != EDN_OK)
        return st;
    s->srv_log_count = m->log_count;
    s->setup.remote->recovery = m->recovery;
    s->srv_log_head = m->log_head;
    s->more = m->flags & EDN_PULLED_MORE;
    s->heard = true;
    return rollback_check(s);
}

/* ---- links ------------------------------------------------------------------------------------------------------- */

/* Two device logs where there can be one: nothing of this answer is taken, and the sync ends. */
static edn_status log_fork(edn_sync *s, uint64_t seq, edn_bytes evidence)
{
    about a = {NULL, 0, &seq, evidence};

    s->verdict = EDN_E_FORK;
    return edn_sync_find(
        s, EDN_E_FORK, &a,
        "The server %s shows another device log than the one this device has checked: they part at link "
        "%llu. Nothing was taken from it and nothing here was changed. Compare the account on your other "
        "devices; do not enter your passphrase for this server anywhere until you know why.",
        s->setup.remote->origin, (unsigned long long)seq);
}

/* The server's signed statement, for evidence where it showed no link. */
static edn_status log_fork_claimed(edn_sync *s, uint64_t seq, const edn_msg_pulled *m)
{
    edn_buf statement = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_msg_pulled bare = *m;
    edn_status st;

    bare.links_n = bare.batches_n = 0;
    edn_pulled_put(&statement, &bare);
    if ((st = edn_buf_status(&statement)) == EDN_OK)
        st = log_fork(s, seq, edn_buf_view(&statement));
    edn_buf_dispose(&statement);
    return st;
}

static edn_status link_refuse(edn_sync *s, uint64_t seq, edn_status why, edn_bytes link)
{
    about a = {NULL, 0, &seq, link};

    if (why == EDN_E_NOMEM)
        return why;
    s->log_bad = true;
    return edn_sync_find(
        s, why, &a,
        "Link %llu of the device log that the server %s gave out is refused (%s), so no device that it or a "
        "later link names is believed. What was checked before still counts. Ask whoever runs the server, "
        "and look at the list of your devices.",
        (unsigned long long)seq, s->setup.remote->origin, edn_status_name(why));
}

/* Whether a given link is one that is held already: then it says nothing new. *fork: it contradicts the pinned one at
 * *seq. */
static bool link_known(const edn_sync *s, edn_bytes link, bool *fork, uint64_t *seq)
{
    edn_link_info info;
    edn_hash held, hash;

    *fork = false;
    if (edn_link_peek(link, &info) != EDN_OK || !edn_devlog_hash_at(round_log(s), info.seq, &held))
        return false;
    hash = edn_link_hash(link);
    if (hash_equal(&hash, &held))
        return true;
    if ((*fork = info.seq < edn_devlog_count(s->log)))
        *seq = info.seq;
    return false;
}

static edn_status links_append(edn_sync *s, const edn_msg_pulled *m)
{
    uint64_t pinned = edn_devlog_count(s->log);
    edn_status st = EDN_OK;

    for (size_t i = 0; i < m->links_n && st == EDN_OK && edn_devlog_count(s->next_log) < m->log_count; i++) {
        uint64_t seq = edn_devlog_count(s->next_log);
        bool fork;
        if (link_known(s, m->links[i], &fork, &seq))
            continue;
        if (fork)
            return log_fork(s, seq, m->links[i]);
        st = edn_devlog_append(s->next_log, m->links[i]);
        if (st == EDN_E_PREV && seq == pinned)
            return log_fork(s, seq, m->links[i]);
        if (st == EDN_OK)
            s->save_links[s->save_links_n++] = m->links[i];
        else
            return link_refuse(s, seq, st, m->links[i]);
    }
    return st;
}

static edn_status log_longer(edn_sync *s, const edn_msg_pulled *m)
{
    edn_hash head;
    edn_status st;

    if (m->links_n == 0)
        return EDN_OK;
    if (!(s->save_links = edn_arena_calloc(&s->arena, m->links_n, sizeof *s->save_links)))
        return EDN_E_NOMEM;
    if ((st = edn_devlog_copy(s->log, &s->next_log)) != EDN_OK || (st = links_append(s, m)) != EDN_OK)
        return st;
    head = edn_devlog_head(s->next_log);
    if (s->verdict == EDN_OK && edn_devlog_count(s->next_log) == m->log_count && !hash_equal(&head, &m->log_head))
        return log_fork_claimed(s, m->log_count - 1, m);
    return EDN_OK;
}

static edn_status log_take(edn_sync *s, const edn_msg_pulled *m)
{
    uint64_t count = edn_devlog_count(s->log);
    edn_hash at;

    if (m->log_count > count)
        return s->log_bad ? EDN_OK : log_longer(s, m);
    if (m->log_count == 0)
        return EDN_OK; /* it has none at all: it will be sent ours */
    if (edn_devlog_hash_at(s->log, m->log_count - 1, &at) && hash_equal(&at, &m->log_head))
        return EDN_OK;
    return log_fork_claimed(s, m->log_count - 1, m);
}

/* ---- heads against ours ------------------------------------------------------------------------------------------ */

/* A signed link says that more of this device was sealed again than it ever wrote: another copy wrote it. */
static edn_status own_base_check(edn_sync *s)
{
    edn_head base = edn_sync_base(s, &s->setup.device), mine = edn_head_map_get(&s->have, &s->setup.device);
    about a = {&base.device, base.dseq, NULL, EDN_BYTES_EMPTY};
    edn_status st;
    peer *p;

    if (base.dseq <= mine.dseq)
        return EDN_OK;
    if ((st = edn_peer_get(s, &s->setup.device, &p)) != EDN_OK || p->proven)
        return st;
    p->proven = true;
    edn_peer_suspect(s, p, base.dseq);
    return edn_sync_find(
        s, EDN_E_CLONE, &a,
        "Your account's log names a batch %llu of this device that is not here: this device was restored from a copy, "
        "or its keys are at work elsewhere. Nothing more is sent under them; what is here is kept.",
        (unsigned long long)base.dseq);
}

static edn_status heads_compare(edn_sync *s)
{
    edn_status st = EDN_OK;

    if ((st = own_base_check(s)) != EDN_OK)
        return st;
    for (size_t i = 0; i < s->srv.n && st == EDN_OK; i++) {
        edn_head theirs = edn_sync_effective(s, &s->srv.p[i]);
        edn_head mine = edn_head_map_get(&s->have, &theirs.device);
        edn_hash held;
        peer *p;
        bool contradicts = theirs.dseq > mine.dseq
                               ? is_self(s, &theirs.device)
                               : theirs.dseq > 0 && edn_sync_hash_of(s, &theirs.device, theirs.dseq, &held) &&
                                     !hash_equal(&held, &theirs.hash);
        if (contradicts && (st = edn_peer_get(s, &theirs.device, &p)) == EDN_OK)
            edn_peer_suspect(s, p, theirs.dseq);
    }
    return st;
}

/* This device's keys are at work in two places: the sync ends, and says where the two part. */
static void clone_conclude(edn_sync *s, peer *p)
{
    p->stopped = true;
    s->verdict = EDN_E_CLONE;
    s->figures.clone_dseq = p->agreed;
}

/* Suspects about whom the server has nothing more to show. */
static edn_status suspects_conclude(edn_sync *s)
{
    edn_status st = EDN_OK;

    for (size_t i = 0; i < s->peers_n && st == EDN_OK; i++) {
        peer *p = &s->peers[i];
        about a = {&p->id, edn_head_map_get(&s->srv, &p->id).dseq, NULL, EDN_BYTES_EMPTY};
        bool heard_out = p->asked && !(s->more && s->progress);
        if (!p->suspect || p->stopped || !(heard_out || p->exact))
            continue;
        if (p->proven) {
            clone_conclude(s, p);
            continue;
        }
        p->stopped = true;
        st = edn_sync_find(s, EDN_E_FORK, &a,
                           "The server %s names another batch %llu of %s %s than is held here, but shows none with its "
                           "signature. What is here is kept and nothing of that device was taken. Ask whoever runs the "
                           "server.",
                           s->setup.remote->origin, (unsigned long long)a.dseq,
                           is_self(s, &p->id) ? "this device" : "device", edn_device_text(&p->id).s);
    }
    return st;
}

/* ---- batches: one device's --------------------------------------------------------------------------------------- */

/* No more of this device in this answer; `stop`: nor in this sync. */
static edn_status group_end(edn_sync *s, round_group *g, bool stop)
{
    edn_status st = EDN_OK;
    peer *p;

    g->done = true;
    if (stop && edn_devlog_device_find(round_log(s), &g->device) && (st = edn_peer_get(s, &g->device, &p)) == EDN_OK)
        p->stopped = true;
    return st;
}

static edn_status batch_refuse_find(edn_sync *s, const round_entry *e, edn_status why)
{
    const edn_batch_header *h = &e->in.batch.header;
    about a = {&h->device, h->dseq, NULL, e->in.batch.bytes};
    device_text device = edn_device_text(&h->device);
    unsigned long long dseq = h->dseq;

    if (why == EDN_E_EPOCH) /* an answer with the key may have been lost: nothing to keep against anybody */
        return edn_sync_find(
            s, why, &(about){&h->device, h->dseq, NULL, EDN_BYTES_EMPTY},
            "Batch %llu of device %s is sealed under key epoch %lu, which this device has no key for yet. It "
            "stays on the server and is taken once the key is here.",
            dseq, device.s, (unsigned long)h->epoch);
    if (why == EDN_E_FORK)
        return edn_sync_find(
            s, why, &a,
            "Device %s has signed two different histories: its batch %llu does not fit what is held here. "
            "Nothing more is taken from it. If it was restored from a copy, let it sync; if it is not in "
            "your hands, revoke it.",
            device.s, dseq);
    if (why == EDN_E_SIGNER_REVOKED)
        return edn_sync_find(
            s, why, &a,
            "Batch %llu of device %s was made after that device was revoked and is refused. It was put aside.", dseq,
            device.s);
    return edn_sync_find(
        s, why, &a,
        "Batch %llu of device %s is refused (%s): it was altered, or made by somebody else. It was put aside "
        "and nothing more is taken from that device in this sync. Sync again; if this stays, ask whoever "
        "runs the server %s.",
        dseq, device.s, edn_status_name(why), s->setup.remote->origin);
}

/* It waits for links or batches that are not here: no finding yet, they may come. */
static edn_status batch_hold(edn_sync *s, round_group *g, const round_entry *e)
{
    edn_status st = group_end(s, g, false);
    peer *p;

    if (st == EDN_OK && edn_devlog_device_find(round_log(s), &g->device) &&
        (st = edn_peer_get(s, &g->device, &p)) == EDN_OK)
        p->held = e->in.batch.header.dseq;
    return st;
}

/* Of an authentic batch that does not continue what is held: whether it waits for what may come. */
static bool chain_waits(const edn_sync *s, const round_entry *e, const edn_head *last)
{
    const edn_batch_header *h = &e->in.batch.header;

    return h->log_seq >= edn_devlog_count(round_log(s)) || h->dseq > last->dseq + 1;
}

static edn_status batch_refuse(edn_sync *s, round_group *g, round_entry *e, const edn_head *last, edn_status why)
{
    edn_status st;
    peer *p;

    if (why == EDN_E_NOMEM)
        return why;
    if (why == EDN_E_CHAIN && chain_waits(s, e, last))
        return batch_hold(s, g, e);
    if (why == EDN_E_CHAIN && last->dseq)
        why = EDN_E_FORK; /* it continues another batch than the one held, and both are signed */
    if ((st = batch_refuse_find(s, e, why)) != EDN_OK)
        return st;
    g->at = e + 1;
    if (why != EDN_E_FORK && g->at < g->end && g->at->in.batch.header.dseq == e->in.batch.header.dseq)
        return EDN_OK; /* another of the same number: that one may be the true one */
    if ((st = group_end(s, g, true)) == EDN_OK && why == EDN_E_EPOCH &&
        edn_devlog_device_find(round_log(s), &g->device) && (st = edn_peer_get(s, &g->device, &p)) == EDN_OK)
        p->keyless = true;
    return st;
}

/* Whether a batch that `e` has seen is in this answer and still to be settled. Not only the very one that it names: an
 * answer may be cut between the two. */
static bool batch_waits(const edn_sync *s, const round_group *g, const round_entry *e)
{
    for (size_t i = 0; i < e->ready.body.heads_n; i++) {
        const edn_head *named = &e->ready.body.heads[i];
        const round_group *other = group_find(s, &named->device);
        if (other && other != g && !other->done && other->at < other->end &&
            other->at->in.batch.header.dseq <= named->dseq)
            return true;
    }
    return false;
}

static edn_status batch_accept(edn_sync *s, uint64_t now_ms, round_group *g, round_entry *e)
{
    edn_head head = {g->device, e->in.batch.header.dseq, e->in.hash};
    edn_status st = edn_head_map_set(&s->have, &head);

    if (st != EDN_OK)
        return st;
    e->accepted = true;
    g->at = e + 1;
    s->save_batches[s->save_batches_n++] = e->ready;
    for (size_t i = 0; i < e->ready.body.heads_n && st == EDN_OK; i++)
        st = edn_sync_gossip(s, now_ms, &e->ready.body.heads[i], &g->device, e->in.batch.bytes);
    return st;
}

/* ---- batches: behind a cut --------------------------------------------------------------------------------------- */

/* It is settled whatever is in it: what an honest server holds of it would else come again at every pull. */
static edn_status late_settle(edn_sync *s, round_group *g, const round_entry *e, edn_status why)
{
    const edn_batch_header *h = &e->in.batch.header;
    about a = {&h->device, h->dseq, NULL, e->in.batch.bytes};
    edn_head head = {h->device, h->dseq, e->in.hash};
    edn_status st = why == EDN_E_NOMEM ? why : edn_head_map_set(&s->late, &head);

    if (st != EDN_OK)
        return st;
    g->at++;
    s->save_late[s->save_late_n++] = (edn_sync_late){e->ready, why};
    if (why == EDN_OK)
        return EDN_OK;
    return edn_sync_find(s, why, &a,
                         "Batch %llu of device %s, which was revoked, cannot be opened (%s), though that device has "
                         "signed it. It is refused, and not asked for again.",
                         (unsigned long long)h->dseq, edn_device_text(&h->device).s, edn_status_name(why));
}

static edn_status late_step(edn_sync *s, round_group *g, round_entry *e, const edn_head *cut)
{
    const edn_batch_check check = {round_log(s), s->setup.space, edn_sync_settled(s, &g->device), &s->round_view};
    bool its;
    edn_status st;

    if (edn_head_map_get(&s->have, &g->device).dseq < cut->dseq)
        return batch_hold(s, g, e); /* first what counts */
    st = edn_batch_late_check(&check, &e->in, &s->arena, &e->ready, &its);
    if (its)
        return late_settle(s, g, e, st);
    if (st != EDN_E_EXISTS)
        return batch_refuse(s, g, e, &check.last, st);
    g->at++;
    return EDN_OK;
}

/* ---- batches: each in its turn ----------------------------------------------------------------------------------- */

/* Checks the device's next entry. *moved: it is settled, one way or the other. `force`: accepts it though what it has
 * seen is still to come (which then cannot come before it). */
static edn_status group_step(edn_sync *s, uint64_t now_ms, round_group *g, bool force, bool *moved)
{
    const edn_batch_check check = {round_log(s), s->setup.space, edn_head_map_get(&s->have, &g->device),
                                   &s->round_view};
    batch_author author = edn_batch_author_in_log(&check);
    round_entry *e = g->at;
    edn_head cut;
    edn_status st = EDN_OK;

    *moved = edn_sync_cut(s, &g->device, &cut) && e->in.batch.header.dseq > cut.dseq;
    if (*moved)
        return late_step(s, g, e, &cut);
    if (!e->opened) {
        st = edn_batch_in_check(&e->in, &author, &check.space, &check.last, check.view, &s->arena, &e->ready);
        *moved = true;
        if (st == EDN_E_EXISTS || (st == EDN_E_CHAIN && e->in.batch.header.dseq < edn_sync_base(s, &g->device).dseq)) {
            g->at++; /* held, or let go: then nobody needs it */
            return EDN_OK;
        }
        if (st != EDN_OK)
            return batch_refuse(s, g, e, &check.last, st);
        e->opened = true;
    }
    if (!force && batch_waits(s, g, e))
        return EDN_OK;
    *moved = true;
    return batch_accept(s, now_ms, g, e);
}

static bool own_signed(const edn_sync *s, const round_entry *e)
{
    const edn_device *self = edn_devlog_device_find(s->log, &s->setup.device);

    return self && memcmp(e->in.batch.header.space.b, s->setup.space.b, sizeof s->setup.space.b) == 0 &&
           edn_batch_verify(&e->in.batch, &e->in.c_hash, &self->cert.sign);
}

/* A batch of this device, with its signature, that it did not write. */
static edn_status own_foreign(edn_sync *s, peer *p, const round_entry *e)
{
    const edn_batch_header *h = &e->in.batch.header;
    about a = {&h->device, h->dseq, NULL, e->in.batch.bytes};

    if (EDN_PLANT(overlooks_its_copy))
        return EDN_OK;
    p->proven = true;
    edn_peer_suspect(s, p, h->dseq);
    p->exact = h->dseq <= p->agreed + 1;
    return edn_sync_find(
        s, EDN_E_CLONE, &a,
        "The server holds a batch %llu that was signed with this device's key but not written here: "
        "this device was restored from a copy, or its keys are at work elsewhere. Nothing more is sent "
        "under them; what is here is kept.",
        (unsigned long long)h->dseq);
}

/* Batches that the server says are of this very device. What we wrote shows how far the two agree (a batch's hash
 * stands for all before it). */
static edn_status own_take(edn_sync *s, round_group *g)
{
    edn_status st = EDN_OK;
    edn_hash held;
    peer *p;

    g->done = true;
    if ((st = edn_peer_get(s, &g->device, &p)) != EDN_OK || p->stopped)
        return st;
    for (const round_entry *e = g->begin; e < g->end; e++) {
        uint64_t dseq = e->in.batch.header.dseq;
        if (!edn_sync_hash_of(s, &g->device, dseq, &held) || !hash_equal(&held, &e->in.hash))
            return own_signed(s, e) ? own_foreign(s, p, e) : batch_refuse_find(s, e, EDN_E_SIG);
        s->progress |= p->suspect && dseq > p->agreed;
        p->agreed = EDN_MAX(p->agreed, dseq);
    }
    return st;
}

/* ---- batches: all ------------------------------------------------------------------------------------------------ */

static int entry_compare(const void *a, const void *b)
{
    const round_entry *x = a, *y = b;
    int c = memcmp(x->in.batch.header.device.b, y->in.batch.header.device.b, sizeof(edn_device_id));

    if (c)
        return c;
    if (x->in.batch.header.dseq != y->in.batch.header.dseq)
        return x->in.batch.header.dseq < y->in.batch.header.dseq ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

/* Takes the batches apart, sorts them, and marks where each device's begin. */
static edn_status entries_read(edn_sync *s, const edn_msg_pulled *m)
{
    size_t n = 0;

    if (m->batches_n == 0)
        return EDN_OK;
    s->entries = edn_arena_calloc(&s->arena, m->batches_n, sizeof *s->entries);
    s->groups = edn_arena_calloc(&s->arena, m->batches_n, sizeof *s->groups);
    s->save_batches = edn_arena_calloc(&s->arena, m->batches_n, sizeof *s->save_batches);
    s->save_late = edn_arena_calloc(&s->arena, m->batches_n, sizeof *s->save_late);
    if (!s->entries || !s->groups || !s->save_batches || !s->save_late)
        return EDN_E_NOMEM;
    for (size_t i = 0; i < m->batches_n; i++) {
        about a = {NULL, 0, NULL, m->batches[i]};
        edn_status st = edn_batch_in_decode(m->batches[i], &s->entries[n].in);
        s->entries[n].order = i;
        if (st == EDN_OK)
            n++;
        else if ((st = edn_sync_find(s, st, &a,
                                     "The server %s gave out something that is not a batch (%s). It was put aside.",
                                     s->setup.remote->origin, edn_status_name(st))) != EDN_OK)
            return st;
    }
    qsort(s->entries, n, sizeof *s->entries, entry_compare);
    for (size_t i = 0; i < n; i++) {
        const edn_device_id *id = &s->entries[i].in.batch.header.device;
        if (i == 0 || !device_equal(id, &s->groups[s->groups_n - 1].device)) {
            const peer *p = edn_peer_find(s, id);
            s->groups[s->groups_n++] = (round_group){*id, &s->entries[i], &s->entries[i], &s->entries[i],
                                                     p && p->stopped};
        }
        s->groups[s->groups_n - 1].end++;
    }
    return EDN_OK;
}

static edn_status group_run(edn_sync *s, uint64_t now_ms, round_group *g, bool *moved)
{
    edn_status st = EDN_OK;
    bool step = true;

    while (st == EDN_OK && step && !g->done) {
        if (g->at == g->end) {
            g->done = true;
            break;
        }
        st = group_step(s, now_ms, g, false, &step);
        *moved |= step;
    }
    return st;
}

static bool self_doubted(const edn_sync *s)
{
    const peer *self = edn_peer_find(s, &s->setup.device);
    return self && (self->suspect || self->proven) && !self->stopped;
}

static edn_status batches_of_others_take(edn_sync *s, uint64_t now_ms)
{
    edn_status st = EDN_OK;
    bool moved = true;

    while (moved && st == EDN_OK) {
        round_group *waiting = NULL;
        moved = false;
        for (size_t i = 0; i < s->groups_n && st == EDN_OK; i++) {
            if ((st = group_run(s, now_ms, &s->groups[i], &moved)) == EDN_OK && !s->groups[i].done)
                waiting = &s->groups[i];
        }
        if (st == EDN_OK && !moved && waiting) /* they wait for each other, or for what is refused */
            st = group_step(s, now_ms, waiting, true, &moved);
    }
    return st;
}

/* A copy of this device may have given the same numbers to other events, and what others wrote since rests on those.
 * So while there is doubt whether this device is alone nothing of others is taken: it first becomes sure, or gets a new
 * id, and then they come again. */
static edn_status batches_take(edn_sync *s, uint64_t now_ms)
{
    head_map before = {NULL, 0, 0}, late_before = {NULL, 0, 0};
    edn_status st = edn_head_map_copy(&before, s->have.p, s->have.n);

    if (st == EDN_OK)
        st = edn_head_map_copy(&late_before, s->late.p, s->late.n);
    for (size_t i = 0; i < s->groups_n && st == EDN_OK; i++)
        if (is_self(s, &s->groups[i].device))
            st = own_take(s, &s->groups[i]);
    if (st == EDN_OK)
        st = batches_of_others_take(s, now_ms); /* also for what their heads say of this device */
    if (st == EDN_OK && self_doubted(s) && !EDN_PLANT(takes_in_doubt)) {
        s->save_batches_n = s->save_late_n = 0;
        if ((st = edn_head_map_copy(&s->have, before.p, before.n)) == EDN_OK)
            st = edn_head_map_copy(&s->late, late_before.p, late_before.n);
    }
    edn_head_map_dispose(&before);
    edn_head_map_dispose(&late_before);
    return st;
}

/* ---- the round --------------------------------------------------------------------------------------------------- */

/* What was held and has come since is no longer held. */
static void held_release(edn_sync *s)
{
    for (size_t i = 0; i < s->peers_n; i++)
        if (s->peers[i].held <= edn_sync_settled(s, &s->peers[i].id).dseq)
            s->peers[i].held = 0;
}

static void progress_note(edn_sync *s)
{
    uint64_t lacks = edn_sync_lacks_there_count(s);

    s->progress |= s->save_links_n || s->save_batches_n || s->save_late_n || lacks < s->lacks_min;
    s->lacks_min = EDN_MIN(s->lacks_min, lacks);
}

edn_status edn_sync_round_take(edn_sync *s, uint64_t now_ms, edn_bytes body)
{
    edn_msg_pulled m;
    edn_status st;

    edn_sync_round_end(s);
    s->round_view = (edn_sync_view){s, round_space_key, round_batch_hash, NULL, NULL, NULL};
    edn_put_bytes(&s->answer, body.p, body.n);
    if ((st = edn_buf_status(&s->answer)) != EDN_OK ||
        (st = edn_pulled_decode(&s->arena, edn_buf_view(&s->answer), &m)) != EDN_OK ||
        (st = claimed_take(s, &m)) != EDN_OK || (st = log_take(s, &m)) != EDN_OK ||
        (st = edn_sync_bases_take(s)) != EDN_OK)
        return st;
    if (s->verdict != EDN_OK) {
        s->save_links_n = 0;
        return EDN_OK;
    }
    if ((st = edn_sync_receipt_take(s, now_ms, &m.receipt, &s->srv)) != EDN_OK || (st = heads_compare(s)) != EDN_OK ||
        (st = entries_read(s, &m)) != EDN_OK || (st = batches_take(s, now_ms)) != EDN_OK ||
        (st = edn_sync_claims_update(s, now_ms)) != EDN_OK)
        return st;
    held_release(s);
    progress_note(s);
    return suspects_conclude(s);
}

void edn_sync_round_end(edn_sync *s)
{
    edn_devlog_free(s->next_log);
    s->next_log = NULL;
    s->entries = NULL;
    s->groups = NULL;
    s->groups_n = s->save_links_n = s->save_batches_n = s->save_late_n = 0;
    s->save_links = NULL;
    s->save_batches = NULL;
    s->save_late = NULL;
    s->progress = false;
    edn_arena_reset(&s->arena);
    edn_buf_reset(&s->answer);
}
