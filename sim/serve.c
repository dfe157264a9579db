/* The server: the true core over its own database on a disk of ours, and blobs in memory that a power cut cannot
 * halve. */
#include "sim.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/server_priv.h"

/* ---- blobs ------------------------------------------------------------------------------------------------------- */

struct blob_row {
    blob_row *next;
    edn_hash name;
    size_t n;
    uint8_t bytes[];
};

static blob_row **blob_at(serving *v, const edn_hash *name)
{
    blob_row **at = &v->blobs;

    while (*at && memcmp((*at)->name.b, name->b, sizeof name->b) != 0)
        at = &(*at)->next;
    return at;
}

static blob_row *blob_new(const edn_hash *name, edn_bytes body)
{
    blob_row *b = malloc(sizeof *b + body.n);

    if (!b)
        sim_stop("memory", "blobs");
    b->next = NULL;
    b->name = *name;
    b->n = body.n;
    if (body.n)
        memcpy(b->bytes, body.p, body.n);
    return b;
}

static edn_status blob_remove(void *ctx, const edn_hash *name)
{
    blob_row **at = blob_at(ctx, name), *b = *at;

    if (!b)
        return EDN_E_MISSING;
    *at = b->next;
    free(b);
    return EDN_OK;
}

static edn_status blob_put(void *ctx, const edn_hash *name, edn_bytes body)
{
    serving *v = ctx;
    blob_row *b;

    if (v->fail_blobs || crashvfs_is_dark(v->disk))
        return EDN_E_IO;
    (void)blob_remove(v, name); /* it need not be there */
    b = blob_new(name, body);
    b->next = v->blobs;
    v->blobs = b;
    return EDN_OK;
}

static edn_status blob_get(void *ctx, const edn_hash *name, edn_buf *out)
{
    blob_row *b = *blob_at(ctx, name);

    if (!b)
        return EDN_E_MISSING;
    edn_put_bytes(out, b->bytes, b->n);
    return edn_buf_status(out);
}

static edn_status blob_has(void *ctx, const edn_hash *name, uint64_t *size)
{
    blob_row *b = *blob_at(ctx, name);

    *size = b ? b->n : 0;
    return b ? EDN_OK : EDN_E_MISSING;
}

/* Its blobs have no age: all are as young as can be. */
static edn_status blob_each(void *ctx, uint8_t first, edn_blob_fn *fn, void *cb)
{
    serving *v = ctx;
    edn_status st = EDN_OK;

    for (blob_row *b = v->blobs, *next; b && st == EDN_OK; b = next) {
        next = b->next;
        if (b->name.b[0] == first)
            st = fn(cb, &b->name, UINT64_MAX);
    }
    return st;
}

static void blob_close(void *ctx) { (void)ctx; }

static void blobs_free(blob_row **list)
{
    while (*list) {
        blob_row *b = *list;
        *list = b->next;
        free(b);
    }
}

static blob_row *blobs_copy(const blob_row *from)
{
    blob_row *out = NULL, **at = &out;

    for (; from; from = from->next) {
        *at = blob_new(&from->name, edn_bytes_of(from->bytes, from->n));
        at = &(*at)->next;
    }
    return out;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

#define META_PATH "/srv/meta.db"

bool serve_try_start(sim *s)
{
    static const uint8_t master_key[32] = {7};
    serving *v = &s->srv;
    edn_server_config config = {
        .origin = SIM_ORIGIN, .master_key = master_key, .sign_up = true, .limits = edn_server_limits_default()};
    edn_clock clock = {sim_clock_ms, &v->clock};
    edn_random random = {sim_fill, &v->rng};
    edn_err err = {EDN_OK, ""};

    EDN_ASSERT(!v->server);
    /* Limits have tests of their own; under clocks like these they would only be in the way. */
    config.limits.api_per_s = config.limits.login_account_per_min = config.limits.login_address_per_min = 0;
    config.limits.passphrase_per_hour = 0;
    config.limits.mailbox_per_hour = config.limits.mailbox_rate_per_s = 0;
    config.limits.bytes_per_s = 0;
    config.limits.inline_size_max = 2048; /* so that some batches go to the blob store */
    if (edn_meta_sqlite_open(META_PATH, v->vfs, &v->meta, &err) != EDN_OK) {
        sim_note(s, "the server's database does not open: %s", err.text);
        return false;
    }
    v->store = (edn_blobs){v, blob_put, blob_get, blob_has, blob_remove, blob_each, blob_close};
    if (edn_server_new(&config, &v->meta, &v->store, &clock, &random, &v->server) == EDN_OK)
        return true;
    v->meta.close(v->meta.ctx);
    return false;
}

void serve_start(sim *s)
{
    if (!serve_try_start(s)) {
        sim_violation(s, "the server's database does not open again");
        sim_stop("server", "its database does not open again");
    }
}

void serve_rot(sim *s, unsigned bits)
{
    serving *v = &s->srv;
    edn_bytes file;

    serve_stop(s);
    for (; bits > 0 && crashvfs_view(v->disk, META_PATH, &file) && file.n; bits--) {
        uint64_t at = sim_below(&s->plan, file.n);
        uint8_t byte = file.p[at] ^ (uint8_t)(1u << sim_below(&s->plan, 8));
        crashvfs_poke(v->disk, META_PATH, at, edn_bytes_of(&byte, 1));
    }
}

void serve_stop(sim *s)
{
    serving *v = &s->srv;

    if (!v->server)
        return;
    edn_server_free(v->server);
    v->server = NULL;
    v->meta.close(v->meta.ctx);
}

void serve_init(sim *s)
{
    serving *v = &s->srv;

    snprintf(v->vfs, sizeof v->vfs, "sim-srv");
    v->disk = crashvfs_new(v->vfs);
    crashvfs_watch(v->disk, check_disk, s);
    v->clock = (sim_clock){.world_ms = &s->now_ms};
    v->rng = sim_rng_of(s->o.seed, "server");
    serve_start(s);
}

void serve_dispose(sim *s)
{
    serving *v = &s->srv;

    serve_stop(s);
    crashvfs_free(v->disk);
    crashvfs_free(v->backup);
    blobs_free(&v->blobs);
    blobs_free(&v->blobs_backup);
    free(v->promised);
    v->disk = v->backup = NULL;
    v->promised = NULL;
}

void serve_crash(sim *s, crashvfs_fate fate)
{
    static const fault_kind kinds[] = {FAULT_S_KEEP, FAULT_S_DROP, FAULT_S_PREFIX, FAULT_S_TEAR};
    serving *v = &s->srv;

    crashvfs_cut(v->disk);
    serve_stop(s);
    crashvfs_power(v->disk, fate, sim_next(&s->plan));
    sim_fault(s, kinds[fate]);
    serve_start(s);
    serve_promises_check(s);
}

/* ---- older states ------------------------------------------------------------------------------------------------ */

void serve_backup(sim *s)
{
    serving *v = &s->srv;

    serve_stop(s);
    crashvfs_free(v->backup);
    v->backup = crashvfs_copy(v->disk, "sim-srv-backup");
    blobs_free(&v->blobs_backup);
    v->blobs_backup = blobs_copy(v->blobs);
    serve_start(s);
}

static void put_back(sim *s, crashvfs *disk)
{
    serving *v = &s->srv;

    serve_stop(s);
    crashvfs_free(v->disk);
    v->disk = disk;
    crashvfs_watch(v->disk, check_disk, s);
    v->promised_n = 0;
    v->ever_restored = true;
    serve_start(s);
}

void serve_restore(sim *s)
{
    serving *v = &s->srv;

    if (!v->backup)
        return;
    sim_fault(s, FAULT_S_RESTORED);
    sim_note(s, "server restored from a backup");
    blobs_free(&v->blobs);
    v->blobs = blobs_copy(v->blobs_backup);
    serve_stop(s);
    crashvfs_free(v->disk);
    v->disk = NULL;
    put_back(s, crashvfs_copy(v->backup, v->vfs));
}

/* ---- two servers ------------------------------------------------------------------------------------------------- */

/* What the core was given points into s->srv: so whichever of the two is at work lies there. */
void serve_side(sim *s, unsigned side)
{
    serving t;

    if (side == s->side)
        return;
    t = s->srv;
    s->srv = s->other;
    s->other = t;
    s->side = side;
}

void serve_fork(sim *s)
{
    serving *v = &s->srv;

    serve_stop(s);
    s->other = (serving){.clock = v->clock, .rng = sim_rng_of(s->o.seed, "other server")};
    snprintf(s->other.vfs, sizeof s->other.vfs, "sim-other");
    s->other.disk = crashvfs_copy(v->disk, s->other.vfs);
    s->other.blobs = blobs_copy(v->blobs);
    crashvfs_watch(s->other.disk, check_disk, s);
    serve_start(s);
    serve_side(s, 1);
    serve_start(s);
    serve_side(s, 0);
}

void serve_join(sim *s)
{
    if (!s->other.disk)
        return;
    serve_side(s, 1);
    serve_dispose(s);
    memset(&s->srv, 0, sizeof s->srv);
    serve_side(s, 0);
}

void serve_wipe(sim *s)
{
    serving *v = &s->srv;

    sim_fault(s, FAULT_S_WIPED);
    sim_note(s, "server wiped");
    serve_stop(s);
    crashvfs_free(v->disk);
    v->disk = NULL;
    blobs_free(&v->blobs);
    put_back(s, crashvfs_new(v->vfs));
}

/* ---- what happens to it ------------------------------------------------------------------------------------------ */

void serve_upset(sim *s)
{
    serving *v = &s->srv;
    sim_rng *r = &s->plan;

    if (sim_may(s, GROUP_SERVER) && sim_chance(r, 1, 3)) {
        switch (sim_below(r, 5)) {
        case 0:
            serve_crash(s, (crashvfs_fate)sim_below(r, CRASHVFS_FATES));
            break;
        case 1:
            sim_fault(s, FAULT_S_RESTART);
            serve_stop(s);
            serve_start(s);
            break;
        case 2:
            sim_fault(s, FAULT_S_DOWN);
            v->down_until_ms = s->now_ms + sim_below(r, 12) * SIM_HOUR_MS;
            break;
        case 3:
            v->fail_blobs = !v->fail_blobs;
            if (v->fail_blobs)
                sim_fault(s, FAULT_S_BLOB);
            break;
        default:
            if (crashvfs_used(v->disk) > 0) {
                crashvfs_set_capacity(v->disk, crashvfs_used(v->disk) + sim_below(r, 40000));
                sim_fault(s, FAULT_S_FULL);
            }
            break;
        }
    }
    if (sim_chance(r, 1, 2))
        crashvfs_set_capacity(v->disk, UINT64_MAX);
    if (sim_may(s, GROUP_CLOCK) && sim_chance(r, 1, 40)) {
        sim_fault(s, FAULT_S_CLOCK);
        v->clock.skew_ms = (int64_t)sim_below(r, 20 * SIM_YEAR_MS) - (int64_t)(10 * SIM_YEAR_MS);
    }
    if (sim_may(s, GROUP_RESTORE)) {
        if (sim_chance(r, 1, 6))
            serve_backup(s);
        if (sim_chance(r, 1, 12))
            serve_restore(s);
        else if (sim_chance(r, 1, 40))
            serve_wipe(s);
    }
}

/* ---- what it holds, read past it --------------------------------------------------------------------------------- */

typedef struct gather {
    edn_head *p;
    size_t n;
} gather;

static edn_status gather_head(void *cb, const edn_head *head)
{
    gather *g = cb;

    g->p = realloc(g->p, (g->n + 1) * sizeof *g->p);
    if (!g->p)
        sim_stop("memory", "heads");
    g->p[g->n++] = *head;
    return EDN_OK;
}

typedef struct one_batch {
    serving *v;
    uint64_t dseq;
    edn_buf *out;
    bool found;
} one_batch;

static edn_status gather_batch(void *cb, const edn_meta_batch *b)
{
    one_batch *g = cb;
    edn_hash name = edn_server_batch_blob(&b->hash);

    if (b->dseq != g->dseq || g->found)
        return EDN_OK;
    edn_put_bytes(g->out, b->body.p, b->body.n);
    g->found = b->body.n || blob_get(g->v, &name, g->out) == EDN_OK;
    return EDN_OK;
}

typedef struct every_batch {
    sim *s;
    void (*fn)(sim *s, edn_bytes batch, void *ctx);
    void *ctx;
} every_batch;

static edn_status give_batch(void *cb, const edn_meta_batch *b)
{
    every_batch *e = cb;
    edn_buf bytes = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_hash name = edn_server_batch_blob(&b->hash);

    edn_put_bytes(&bytes, b->body.p, b->body.n);
    if (b->body.n || blob_get(&e->s->srv, &name, &bytes) == EDN_OK)
        e->fn(e->s, edn_buf_view(&bytes), e->ctx);
    edn_buf_dispose(&bytes);
    return EDN_OK;
}

void serve_batches(sim *s, void (*fn)(sim *s, edn_bytes batch, void *ctx), void *ctx)
{
    serving *v = &s->srv;
    every_batch e = {s, fn, ctx};
    edn_head *heads = NULL;
    size_t n = 0;
    edn_meta_account a;
    edn_meta_space space;

    if (!serve_heads(s, &s->account, &heads, &n) || v->meta.account_find(v->meta.ctx, &s->account, &a) != EDN_OK ||
        v->meta.space_find_account(v->meta.ctx, a.n, &space) != EDN_OK)
        sim_stop("server", "it has no such account");
    for (size_t i = 0; i < n; i++) {
        edn_head after = {.device = heads[i].device};
        if (v->meta.batches_after(v->meta.ctx, space.n, &after, 1, 1u << 20, give_batch, &e) != EDN_OK)
            sim_stop("server", "its batches cannot be read");
    }
    free(heads);
}

bool serve_batch(serving *v, const edn_account_id *account, const edn_device_id *of, uint64_t dseq, edn_buf *out)
{
    one_batch g = {v, dseq, out, false};
    edn_head after = {.device = *of, .dseq = dseq - 1};
    edn_meta_account a;
    edn_meta_space space;

    return v->meta.account_find(v->meta.ctx, account, &a) == EDN_OK &&
           v->meta.space_find_account(v->meta.ctx, a.n, &space) == EDN_OK &&
           v->meta.batches_after(v->meta.ctx, space.n, &after, 1, 4096, gather_batch, &g) == EDN_OK && g.found;
}

typedef struct log_end {
    uint64_t count;
    edn_hash head;
} log_end;

static edn_status gather_link(void *cb, uint64_t seq, edn_bytes link)
{
    log_end *e = cb;

    e->count = seq + 1;
    e->head = edn_link_hash(link);
    return EDN_OK;
}

void serve_log(sim *s, uint64_t *count, edn_hash *head)
{
    serving *v = &s->srv;
    log_end e = {0};
    edn_meta_account a;

    if (v->meta.account_find(v->meta.ctx, &s->account, &a) == EDN_OK)
        (void)v->meta.links_each(v->meta.ctx, a.n, 0, gather_link, &e); /* what cannot be read is not there */
    *count = e.count;
    *head = e.head;
}

bool serve_heads(sim *s, const edn_account_id *account, edn_head **out, size_t *n)
{
    serving *v = &s->srv;
    edn_meta_account a;
    edn_meta_space space;
    gather g = {NULL, 0};

    if (v->meta.account_find(v->meta.ctx, account, &a) != EDN_OK ||
        v->meta.space_find_account(v->meta.ctx, a.n, &space) != EDN_OK ||
        v->meta.heads_each(v->meta.ctx, space.n, gather_head, &g) != EDN_OK) {
        free(g.p);
        return false;
    }
    *out = g.p;
    *n = g.n;
    return true;
}
