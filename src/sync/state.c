/* What is here against what is there: who lacks what, and whether the server has signed for exactly what is here. */
#include "sync_priv.h"

#include "base/plant.h"

#include <stdlib.h>

/* The device log as it will be once SAVE is done. */
static const edn_devlog *newest_log(const edn_sync *s) { return s->next_log ? s->next_log : s->log; }

bool edn_sync_cut(const edn_sync *s, const edn_device_id *device, edn_head *cut)
{
    *cut = (edn_head){.device = *device};
    return edn_devlog_device_find(newest_log(s), device) &&
           edn_devlog_cut(newest_log(s), device, &s->setup.space, &cut->dseq, &cut->hash);
}

edn_head edn_sync_effective(const edn_sync *s, const edn_head *head)
{
    edn_head cut;

    return edn_sync_cut(s, &head->device, &cut) && head->dseq > cut.dseq ? cut : *head;
}

edn_head edn_sync_settled(const edn_sync *s, const edn_device_id *device)
{
    edn_head late = edn_head_map_get(&s->late, device), mine = edn_head_map_get(&s->have, device);

    return late.dseq > mine.dseq ? late : mine;
}

edn_head edn_sync_base(const edn_sync *s, const edn_device_id *device)
{
    edn_head base = {.device = *device};

    if (edn_devlog_count(newest_log(s)))
        edn_devlog_base(newest_log(s), device, &s->setup.space, &base.dseq, &base.hash);
    return base;
}

/* Not of this device: it wrote its batches itself, or it is a copy (round.c). */
edn_status edn_sync_bases_take(edn_sync *s)
{
    const edn_pin *bases;
    size_t n = edn_devlog_bases(newest_log(s), &bases);
    edn_status st = EDN_OK;

    for (size_t i = 0; i < n && st == EDN_OK; i++) {
        edn_head base = {bases[i].device, bases[i].dseq, bases[i].hash};
        if (memcmp(bases[i].space.b, s->setup.space.b, sizeof s->setup.space.b) == 0 && !is_self(s, &base.device) &&
            edn_head_map_get(&s->have, &base.device).dseq < base.dseq)
            st = edn_head_map_set(&s->have, &base);
    }
    return st;
}

/* Whether `a` counts for more than `b` holds of the same device. */
static bool head_ahead(const edn_sync *s, const edn_head *a, const edn_head *b)
{
    return edn_sync_effective(s, a).dseq > edn_sync_effective(s, b).dseq;
}

/* Every head of `a` stands in `b`, as far as heads count. */
static bool map_within(const edn_sync *s, const head_map *a, const head_map *b)
{
    for (size_t i = 0; i < a->n; i++) {
        edn_head other = edn_head_map_get(b, &a->p[i].device);
        edn_head x = edn_sync_effective(s, &a->p[i]), y = edn_sync_effective(s, &other);
        if (x.dseq != y.dseq || (x.dseq && !hash_equal(&x.hash, &y.hash)))
            return false;
    }
    return true;
}

bool edn_sync_log_signed(const edn_sync *s)
{
    const edn_sync_remote *r = s->setup.remote;
    edn_hash head;

    if (r->receipt.time_ms == 0 || edn_devlog_count(s->log) == 0 || r->log_count != edn_devlog_count(s->log))
        return false;
    head = edn_devlog_head(s->log);
    return hash_equal(&head, &r->log_head);
}

bool edn_sync_covered(const edn_sync *s)
{
    const edn_sync_remote *r = s->setup.remote;
    const head_map signed_heads = {r->heads, r->heads_n, r->heads_n};

    return edn_sync_log_signed(s) && map_within(s, &s->have, &signed_heads) && map_within(s, &signed_heads, &s->have);
}

/* Behind its cut the device has sent what is not settled here yet. */
static bool late_here(const edn_sync *s, const edn_head *theirs)
{
    edn_head cut;

    return !is_self(s, &theirs->device) && edn_sync_cut(s, &theirs->device, &cut) && theirs->dseq > cut.dseq &&
           theirs->dseq > edn_sync_settled(s, &theirs->device).dseq;
}

bool edn_sync_lacks_here(const edn_sync *s)
{
    if (!s->log_bad && s->srv_log_count > edn_devlog_count(newest_log(s)))
        return true;
    for (size_t i = 0; i < s->srv.n; i++) {
        const edn_head *theirs = &s->srv.p[i];
        edn_head mine = edn_head_map_get(&s->have, &theirs->device);
        const peer *p = edn_peer_find(s, &theirs->device);
        if (!(p && p->stopped) && (head_ahead(s, theirs, &mine) || late_here(s, theirs)))
            return true;
    }
    return false;
}

edn_head edn_sync_sent_until(const edn_sync *s, const edn_device_id *device)
{
    edn_head theirs = edn_head_map_get(&s->srv, device), base = edn_sync_base(s, device);

    return theirs.dseq < base.dseq ? base : theirs;
}

uint64_t edn_sync_sendable(const edn_sync *s, const edn_head *mine)
{
    edn_head theirs = edn_sync_sent_until(s, &mine->device);
    const peer *p = edn_peer_find(s, &mine->device);

    if ((p && (p->stopped || p->suspect || p->unreadable || p->unsendable)) || !head_ahead(s, mine, &theirs))
        return 0;
    return edn_sync_effective(s, mine).dseq - theirs.dseq;
}

bool edn_sync_lacks_batches_there(const edn_sync *s)
{
    for (size_t i = 0; i < s->have.n; i++)
        if (edn_sync_sendable(s, &s->have.p[i]))
            return true;
    return false;
}

uint64_t edn_sync_lacks_there_count(const edn_sync *s)
{
    uint64_t count = edn_devlog_count(s->log), sum = count > s->srv_log_count ? count - s->srv_log_count : 0;

    for (size_t i = 0; i < s->have.n; i++)
        sum += edn_sync_sendable(s, &s->have.p[i]);
    return sum;
}

/* ---- devices that something is the matter with ------------------------------------------------------------------- */

static size_t peer_at(const edn_sync *s, const edn_device_id *id)
{
    size_t i = 0;

    while (i < s->peers_n && memcmp(s->peers[i].id.b, id->b, sizeof id->b) < 0)
        i++;
    return i;
}

const peer *edn_peer_find(const edn_sync *s, const edn_device_id *id)
{
    size_t i = peer_at(s, id);

    return i < s->peers_n && device_equal(&s->peers[i].id, id) ? &s->peers[i] : NULL;
}

edn_status edn_peer_get(edn_sync *s, const edn_device_id *id, peer **out)
{
    size_t i = peer_at(s, id);

    if (i == s->peers_n || !device_equal(&s->peers[i].id, id)) {
        if (!edn_array_room(&s->peers, &s->peers_cap, s->peers_n + 1, sizeof *s->peers))
            return EDN_E_NOMEM;
        memmove(s->peers + i + 1, s->peers + i, (s->peers_n - i) * sizeof *s->peers);
        s->peers_n++;
        s->peers[i] = (peer){.id = *id};
    }
    *out = &s->peers[i];
    return EDN_OK;
}

/* Of this device itself the place where the two part is wanted exactly, or at least not too late: whatever is after it
 * will be written anew. What the server signed for when the sync began is agreed on; else all is in doubt. */
static uint64_t own_agreed(const edn_sync *s, uint64_t below)
{
    const edn_head *known = &s->own_signed;
    edn_hash held;

    return known->dseq < below && edn_sync_hash_of(s, &known->device, known->dseq, &held) &&
                   hash_equal(&held, &known->hash)
               ? known->dseq
               : 0;
}

void edn_peer_suspect(const edn_sync *s, peer *p, uint64_t below)
{
    if (p->suspect || p->stopped)
        return;
    p->suspect = true;
    p->asked = false;
    p->agreed = is_self(s, &p->id) ? own_agreed(s, below) : below - 1;
}

/* ---- what the server signs --------------------------------------------------------------------------------------- */

static edn_status remote_set(edn_sync *s, uint64_t now_ms, const edn_receipt *receipt, const head_map *heads)
{
    edn_sync_remote *r = s->setup.remote;
    edn_head *p = NULL;

    if (heads->n) {
        if (!(p = malloc(heads->n * sizeof *p)))
            return EDN_E_NOMEM;
        memcpy(p, heads->p, heads->n * sizeof *p);
    }
    free(r->heads);
    r->heads = p;
    r->heads_n = heads->n;
    r->log_count = s->srv_log_count;
    r->log_head = s->srv_log_head;
    r->receipt = *receipt;
    r->receipt_local_ms = now_ms;
    return EDN_OK;
}

edn_status edn_sync_receipt_take(edn_sync *s, uint64_t now_ms, const edn_receipt *receipt, const head_map *heads)
{
    edn_hash hash = edn_heads_hash(heads->p, heads->n);
    about a = {0};

    if (receipt->time_ms &&
        (EDN_PLANT(believes_any_receipt) || edn_receipt_verify(receipt, &s->setup.space, s->srv_log_count,
                                                               &s->srv_log_head, &hash, &s->setup.remote->receipt_pk)))
        return remote_set(s, now_ms, receipt, heads);
    return edn_sync_find(
        s, EDN_E_SIG, &a,
        "The receipt of the server %s is not signed with the key it had at first contact, so nothing shows "
        "that it keeps your diary. If the server was set up anew, set it again on this device ('edn server'); if not, "
        "somebody stands between you and it.",
        s->setup.remote->origin);
}
