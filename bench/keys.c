/* What keys cost: checking a long device log, logging in, unlocking after one, ten and a thousand changes of the root
 * key, sealing everything again.
 *
 * usage: keys-bench
 *
 * Real clients and a real server core in this process; CPU of this process, so waiting does not count. Passphrases are
 * stretched by parameters that cost nothing (the tests' Argon2id), since they are the same everywhere and chosen to be
 * slow. One JSON object a line, as server-bench prints them. */
#define _GNU_SOURCE /* clock_gettime */
#include "client/syncing/snapshot.h"
#include "figure.h"
#include "links.h"
#include "world.h"

#include <stdlib.h>

#define LINKS 1000
#define LOGINS 200
#define UNLOCKS 50
#define ENTRIES 4000
#define ENTRY_SIZE 2048

static void must(edn_status st, const char *what, const edn_err *err)
{
    if (st == EDN_OK)
        return;
    fprintf(stderr, "keys-bench: %s: %s\n", what, err && err->text[0] ? err->text : edn_status_name(st));
    exit(2);
}

static double cpu_ms(void) { return own_cpu_s() * 1e3; }

/* ---- a long log -------------------------------------------------------------------------------------------------- */

static void log_verify(void)
{
    edn_devlog *log;
    double began;
    links l;

    links_init(&l, 1);
    while (l.n < LINKS)
        links_step(&l, 0);
    must(edn_devlog_new(&log), "log", NULL);
    began = cpu_ms();
    for (size_t i = 0; i < l.n; i++)
        must(edn_devlog_append(log, links_at(&l, i)), "link", NULL);
    figure("verifying a device log of 1,000 links, CPU", cpu_ms() - began, "ms", 150);
    edn_devlog_free(log);
    links_dispose(&l);
}

/* ---- logging in -------------------------------------------------------------------------------------------------- */

/* Counts what the server's side of the exchanges costs, and looks at what they are. */
typedef struct counted {
    edn_transport inner, outer;
    double server_ms;
    unsigned exchanges;
} counted;

static edn_status counted_exchange(void *ctx, const edn_http_request *rq, edn_http_answer *out, edn_err *err)
{
    counted *k = ctx;
    double began = cpu_ms();
    edn_status st = k->inner.exchange(k->inner.ctx, rq, out, err);

    k->server_ms += cpu_ms() - began;
    k->exchanges++;
    return st;
}

static bool counted_binding(void *ctx, uint8_t out[32])
{
    counted *k = ctx;
    return k->inner.channel_binding && k->inner.channel_binding(k->inner.ctx, out);
}

typedef struct cost {
    double client_ms, server_ms, exchanges;
} cost;

/* Of a sync that finds nothing new but must ask with a token, in the mean of many. `fresh`: the token has expired each
 * time. */
static cost pull_cost(world *w, edn_client *c, counted *k, bool fresh)
{
    double client = 0;
    edn_err err = {EDN_OK, ""};

    k->server_ms = 0;
    k->exchanges = 0;
    for (int i = 0; i < LOGINS; i++) {
        edn_sync_result r;
        double began;
        w->now_ms += fresh ? 700000 : 1;
        began = cpu_ms();
        must(client_sync(c, NULL, true, &r, &err), "sync", &err);
        client += cpu_ms() - began;
    }
    return (cost){(client - k->server_ms) / LOGINS, k->server_ms / LOGINS, (double)k->exchanges / LOGINS};
}

static void login(void)
{
    world *w = world_new();
    counted k = {.inner = w->transport};
    edn_client *c;
    cost with, without;

    k.outer = (edn_transport){&k, counted_exchange, w->transport.events, counted_binding};
    c = world_init(w, "a");
    c->transport = &k.outer;
    (void)pull_cost(w, c, &k, true); /* the first sync sends what is there */
    without = pull_cost(w, c, &k, false);
    with = pull_cost(w, c, &k, true);
    if (with.exchanges <= without.exchanges)
        must(EDN_E_INVALID, "there was no login to measure", NULL);
    figure("login, CPU of the client", with.client_ms - without.client_ms, "ms", 2);
    figure("login, CPU of the server", with.server_ms - without.server_ms, "ms", 2);
    figure("login, round trips", with.exchanges - without.exchanges, "", 2);
    edn_client_close(c);
    world_free(w);
}

/* ---- unlocking --------------------------------------------------------------------------------------------------- */

static double unlock_ms(edn_client *c)
{
    uint8_t key[EDN_SESSION_KEY_SIZE];
    edn_err err = {EDN_OK, ""};
    double began;

    must(edn_client_session_key(c, key), "session key", NULL);
    began = cpu_ms();
    for (int i = 0; i < UNLOCKS; i++) {
        edn_client_lock(c);
        must(edn_client_unlock_session(c, key, &err), "unlock", &err);
    }
    return (cpu_ms() - began) / UNLOCKS;
}

/* A plain rotation, as `edn device revoke` makes one, of nobody, and without a server to tell. */
static edn_status rotate_once(edn_client *c)
{
    const identity *id = client_id(c);
    edn_link_signer by = {&id->device, &id->sign_sk, client_now(c)};
    edn_rotation r = {.epoch = edn_devlog_epoch(c->log) + 1};
    edn_buf grants = EDN_BUF_INIT(EDN_BOX_SIZE_MAX), prev = EDN_BUF_INIT(4096), link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_root_key before, next;
    edn_dh_sk aek_sk;
    edn_status st = keys_root(c, r.epoch - 1, &before);

    client_random(c, next.b, sizeof next.b);
    edn_aek_of(&aek_sk, &next, &id->account, r.epoch);
    edn_dh_keypair(&aek_sk, &r.aek);
    if (st == EDN_OK &&
        (st = edn_rotation_grants(&grants, c->log, NULL, 0, r.epoch, &before, &next, &c->random)) == EDN_OK &&
        (st = edn_prev_box_seal(&prev, &next, &id->account, r.epoch, &before, &c->random)) == EDN_OK) {
        r.grants_hash = edn_h32(edn_buf_view(&grants));
        r.prev_box_hash = edn_h32(edn_buf_view(&prev));
        st = edn_link_revoke_rotate(&link, c->log, &by, &r);
    }
    if (st == EDN_OK && (st = log_take_link(c, edn_buf_view(&link))) == EDN_OK &&
        (st = box_save(c, edn_buf_view(&grants))) == EDN_OK && (st = box_save(c, edn_buf_view(&prev))) == EDN_OK)
        st = keys_root_save(c, r.epoch, &next);
    edn_buf_dispose(&grants);
    edn_buf_dispose(&prev);
    edn_buf_dispose(&link);
    return st;
}

static void epochs_reach(edn_client *c, unsigned epochs)
{
    edn_err err = {EDN_OK, ""};
    edn_status st = EDN_OK;

    must(client_begin_write(c, &err), "rotate", &err);
    while (st == EDN_OK && edn_devlog_epoch(c->log) + 1 < epochs)
        st = rotate_once(c);
    must(client_end_write(c, st, &err), "rotate", &err);
}

static void unlock(void)
{
    static const unsigned epochs[] = {1, 10, 1000};
    world *w = world_new();
    edn_client *c = world_init(w, "a");
    double first = 0;

    for (size_t i = 0; i < EDN_COUNT(epochs); i++) {
        char name[96];
        double ms;
        epochs_reach(c, epochs[i]);
        ms = unlock_ms(c);
        first = i ? first : ms;
        snprintf(name, sizeof name, "unlocking after %u epochs, CPU", epochs[i]);
        figure(name, ms, "ms", 0);
        if (i) {
            snprintf(name, sizeof name, "unlocking: %u epochs over one", epochs[i]);
            figure(name, ms / first, "times", 1.5);
        }
    }
    edn_client_close(c);
    world_free(w);
}

/* ---- everything again -------------------------------------------------------------------------------------------- */

/* Text of made-up words, so that it packs about as text does. */
static void entries_add(edn_client *c)
{
    check_rng rng = {1};
    edn_err err = {EDN_OK, ""};

    for (int i = 0; i < ENTRIES; i++) {
        char text[ENTRY_SIZE + 1];
        edn_draft d = {.date = edn_bytes_str("1660-01-01"), .text = edn_bytes_of(text, ENTRY_SIZE)};
        edn_entry_id id;
        for (size_t at = 0; at < ENTRY_SIZE;) {
            uint64_t word = check_below(&rng, 4000) * 0x9e3779b97f4a7c15u;
            for (size_t k = 3 + word % 6; k > 0 && at < ENTRY_SIZE; k--, word /= 26)
                text[at++] = (char)('a' + word % 26);
            if (at < ENTRY_SIZE)
                text[at++] = ' ';
        }
        must(edn_client_add(c, &d, &id, &err), "add", &err);
    }
}

static edn_status put_id(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    (void)value;
    if (st == EDN_OK && key.n == sizeof(edn_entry_id))
        edn_put_bytes(ctx, key.p, key.n);
    return edn_buf_status(ctx);
}

static edn_status seal_again(edn_client *c, const edn_buf *ids)
{
    snapshot s;
    edn_status st = snapshot_begin(&s, c);

    if (st == EDN_OK)
        st = snapshot_dictionaries(&s);
    for (size_t at = 0; st == EDN_OK && at < ids->n; at += sizeof(edn_entry_id)) {
        edn_entry_id id;
        memcpy(id.b, ids->p + at, sizeof id.b);
        st = snapshot_object(&s, &id);
    }
    return snapshot_end(&s, st);
}

/* Sealing alone is what the first sync does before it sends: documents read, packed, sealed, kept as batches. */
static void deep_rekey(void)
{
    world *w = world_new();
    edn_client *c = world_init(w, "a");
    edn_buf ids = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_err err = {EDN_OK, ""};
    uint64_t batches;
    double began, first, again;

    entries_add(c);
    must(client_begin_write(c, &err), "seal", &err);
    began = cpu_ms();
    must(client_end_write(c, outbox_build(c, &batches), &err), "seal", &err);
    first = cpu_ms() - began;
    must(client_begin_write(c, &err), "rotate", &err);
    must(client_end_write(c, rotate_once(c), &err), "rotate", &err);
    must(client_begin_write(c, &err), "seal again", &err);
    must(edn_store_scan(c->store, EDN_TABLE_ENTRY, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, true, put_id, &ids), "ids", NULL);
    objects_forget(c->objects);
    began = cpu_ms();
    must(client_end_write(c, seal_again(c, &ids), &err), "seal again", &err);
    again = cpu_ms() - began;
    figure("sealing 4,000 entries of 2 KiB alone, CPU", first, "ms", 0);
    figure("sealing them again in a deep re-key, CPU", again, "ms", 0);
    figure_put("deep re-key: its speed over that of sealing alone", first / again, "times", 0.5, true);
    edn_buf_dispose(&ids);
    edn_client_close(c);
    world_free(w);
}

int main(void)
{
    log_verify();
    login();
    unlock();
    deep_rekey();
    return missed;
}
