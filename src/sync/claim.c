/* Gossip: every batch names the newest batches that its author had seen. What is named must be what is held here, or
 * must come: until then it is a debt of the server's. A server that keeps two devices apart can therefore not bring
 * them together again unseen (SUNDR's fork consistency, Li et al., OSDI 2004).
 *
 * For each pair (who says so, whose batch) the oldest open debt and the newest are kept: the oldest so that its age is
 * not reset by every newer one, the newest so that paying the oldest does not end the matter. */
#include "sync_priv.h"

#include "base/plant.h"

/* What the account's own log says of this space (a checkpoint) comes from no batch. */
static const edn_device_id no_device;

typedef struct by_text {
    char s[40];
} by_text;

static by_text by_name(const edn_device_id *by)
{
    by_text t = {"A checkpoint of your account"};

    if (!device_equal(by, &no_device)) {
        memcpy(t.s, "Device ", 7);
        memcpy(t.s + 7, edn_device_text(by).s, sizeof(device_text));
    }
    return t;
}

static void claim_remove(edn_sync *s, size_t i)
{
    memmove(s->claims + i, s->claims + i + 1, (s->claims_n - i - 1) * sizeof *s->claims);
    s->claims_n--;
}

static void claim_add(edn_sync *s, uint64_t now_ms, const edn_head *head, const edn_device_id *by)
{
    edn_claim *newest = NULL;
    size_t pairs = 0;

    for (size_t i = 0; i < s->claims_n; i++) {
        edn_claim *c = &s->claims[i];
        if (!device_equal(&c->head.device, &head->device) || !device_equal(&c->by, by))
            continue;
        if (c->head.dseq == head->dseq && hash_equal(&c->head.hash, &head->hash))
            return;
        pairs++;
        if (!newest || c->head.dseq > newest->head.dseq)
            newest = c;
    }
    if (pairs >= 2 && newest->head.dseq < head->dseq)
        *newest = (edn_claim){*head, *by, now_ms, 0};
    else if (pairs < 2 && s->claims_n < EDN_CLAIMS_MAX)
        s->claims[s->claims_n++] = (edn_claim){*head, *by, now_ms, 0};
}

static edn_status gossip_fork(edn_sync *s, const edn_head *head, const edn_device_id *by, edn_bytes evidence)
{
    about a = {&head->device, head->dseq, NULL, evidence};
    peer *p;
    edn_status st;

    if (!edn_devlog_device_find(s->log, &head->device))
        return EDN_OK; /* a name out of the air: whoever makes it up gains nothing */
    if ((st = edn_peer_get(s, &head->device, &p)) != EDN_OK || p->fork_told)
        return st;
    p->fork_told = true;
    return edn_sync_find(
        s, EDN_E_FORK, &a,
        "%s names another batch %llu of device %s than the one held here: there are two histories of that "
        "device. What is here is kept. Compare the diaries of your devices, and revoke the device if it "
        "is not in your hands.",
        by_name(by).s, (unsigned long long)head->dseq, edn_device_text(&head->device).s);
}

/* Somebody has seen a batch of this very device that it did not write, or not so. Where the two part is asked of the
 * server before the sync ends (round.c). */
static edn_status gossip_clone(edn_sync *s, const edn_head *head, const edn_device_id *by, edn_bytes evidence)
{
    about a = {&head->device, head->dseq, NULL, evidence};
    edn_status st;
    peer *p;

    if ((st = edn_peer_get(s, &head->device, &p)) != EDN_OK || p->proven)
        return st;
    p->proven = true;
    edn_peer_suspect(s, p, head->dseq);
    return edn_sync_find(
        s, EDN_E_CLONE, &a,
        "%s names a batch %llu of this device that is not here: this device was restored from a copy, or its keys are "
        "at work elsewhere. Nothing more is sent under them; what is here is kept.",
        by_name(by).s, (unsigned long long)head->dseq);
}

edn_status edn_sync_gossip(edn_sync *s, uint64_t now_ms, const edn_head *head, const edn_device_id *by,
                           edn_bytes evidence)
{
    edn_head mine = edn_head_map_get(&s->have, &head->device);
    bool self = is_self(s, &head->device);
    edn_hash held;

    if (device_equal(&head->device, by) || EDN_PLANT(ignores_gossip))
        return EDN_OK; /* its own chain: checked as such */
    if (head->dseq > mine.dseq && !self) {
        claim_add(s, now_ms, head, by);
        return EDN_OK;
    }
    if (head->dseq <= mine.dseq &&
        (!edn_sync_hash_of(s, &head->device, head->dseq, &held) || hash_equal(&held, &head->hash)))
        return EDN_OK;
    return self ? gossip_clone(s, head, by, evidence) : gossip_fork(s, head, by, evidence);
}

static edn_status claims_resolve(edn_sync *s)
{
    edn_status st = EDN_OK;

    for (size_t i = 0; i < s->claims_n && st == EDN_OK;) {
        edn_claim c = s->claims[i];
        if (edn_sync_effective(s, &c.head).dseq < c.head.dseq) {
            claim_remove(s, i); /* its device was revoked before it: it counts no longer */
        } else if (c.head.dseq <= edn_head_map_get(&s->have, &c.head.device).dseq) {
            claim_remove(s, i);
            st = edn_sync_gossip(s, c.since_ms, &c.head, &c.by, EDN_BYTES_EMPTY);
        } else {
            i++;
        }
    }
    return st;
}

/* The pins of the account's last checkpoint are debts too: a device that comes new to the account has nothing else that
 * tells an old state from the present one (A10). */
static edn_status checkpoint_claim(edn_sync *s, uint64_t now_ms)
{
    const edn_devlog *log = s->next_log ? s->next_log : s->log;
    const edn_pin *pins;
    size_t n = edn_devlog_checkpoint(log, &pins);
    edn_status st = EDN_OK;

    for (size_t i = 0; i < n && st == EDN_OK; i++) {
        edn_head head = {pins[i].device, pins[i].dseq, pins[i].hash};
        if (memcmp(pins[i].space.b, s->setup.space.b, sizeof s->setup.space.b) == 0)
            st = edn_sync_gossip(s, now_ms, &head, &no_device, EDN_BYTES_EMPTY);
    }
    return st;
}

edn_status edn_sync_claims_update(edn_sync *s, uint64_t now_ms)
{
    edn_status st = checkpoint_claim(s, now_ms);

    return st == EDN_OK ? claims_resolve(s) : st;
}

static edn_status claim_age(edn_sync *s, uint64_t now_ms, edn_claim *c)
{
    about a = {&c->head.device, c->head.dseq, NULL, EDN_BYTES_EMPTY};

    if (c->since_ms > now_ms)
        c->since_ms = now_ms; /* the clock went back: the wait begins again rather than never ending */
    if (c->syncs < UINT32_MAX)
        c->syncs++;
    if (EDN_PLANT(never_names_withheld) ||
        ((c->syncs < EDN_CLAIM_GRACE_SYNCS || now_ms - c->since_ms < EDN_CLAIM_GRACE_MS) &&
         !EDN_PLANT(accuses_at_once)))
        return EDN_OK;
    return edn_sync_find(
        s, EDN_E_WITHHELD, &a,
        "%s names batch %llu of device %s, so it exists, but the server does not give it out. Sync that "
        "device, or ask whoever runs the server; nothing here is lost.",
        by_name(&c->by).s, (unsigned long long)c->head.dseq, edn_device_text(&c->head.device).s);
}

edn_status edn_sync_claims_age(edn_sync *s, uint64_t now_ms)
{
    edn_status st = EDN_OK;

    for (size_t i = 0; i < s->claims_n && st == EDN_OK; i++) {
        const peer *p = edn_peer_find(s, &s->claims[i].head.device);
        if (!p || !p->keyless)
            st = claim_age(s, now_ms, &s->claims[i]);
    }
    return st;
}

size_t edn_sync_claims(const edn_sync *s, const edn_claim **out)
{
    *out = s->claims;
    return s->claims_n;
}
