/* Any number of devices, each with an engine of its own, in any interleaving, over a line that drops requests and
 * answers, repeats them and cuts them short, with crashes between any two steps: all devices come to hold every batch
 * that any of them wrote, and each is told that the server holds exactly that. */
#include "sync/world.h"

typedef struct running {
    edn_sync *s; /* NULL: no sync under way */
    view_ctx view;
    edn_buf known; /* what was durable of the server when the sync began */
} running;

typedef struct run {
    world w;
    running r[WORLD_DEVICES_MAX];
    check_rng rng;
    uint64_t written, crashes, faults, syncs;
} run;

static void sync_begin(run *x, size_t i)
{
    device *d = &x->w.d[i];
    running *r = &x->r[i];
    edn_head heads[64];

    r->view = (view_ctx){&x->w, d};
    r->known = EDN_BUF_INIT(1 << 20);
    edn_sync_remote_put(&r->known, &d->remote);
    CHECK_OK(device_sync_begin(&x->w, d, &r->view, heads, check_below(&x->rng, 4) == 0, &r->s));
}

static void sync_end(run *x, size_t i, edn_status st)
{
    running *r = &x->r[i];
    outcome o = device_sync_end(&x->w.d[i], r->s, st);

    for (size_t j = 0; j < o.findings_n;
         j++) /* only that an answer was cut short, or that others were always quicker */
        CHECK_STATUS(o.findings[j].status, EDN_E_SERVER);
    CHECK(st == EDN_OK || st == EDN_E_SERVER || st == EDN_E_NETWORK || st == EDN_E_IO);
    edn_buf_dispose(&r->known);
    r->s = NULL;
    x->syncs++;
}

/* The process ends: what was saved is there, what was only known in memory is not. */
static void sync_crash(run *x, size_t i)
{
    static char origins[WORLD_DEVICES_MAX][EDN_ORIGIN_SIZE_MAX + 1];
    running *r = &x->r[i];
    edn_sync_remote *remote = &x->w.d[i].remote;

    edn_sync_free(r->s);
    r->s = NULL;
    edn_sync_remote_dispose(remote);
    CHECK_OK(edn_sync_remote_decode(edn_buf_view(&r->known), origins[i], remote));
    edn_buf_dispose(&r->known);
    x->crashes++;
}

static void sync_exchange(run *x, size_t i, const edn_sync_action *a)
{
    uint64_t now = x->w.d[i].clock_ms, fate = check_below(&x->rng, 24);
    answer out = {.body = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};

    if (fate != 0)
        server_handle(&x->w, a, &out);
    if (fate == 1) { /* the request came twice, and the second answer counts */
        edn_buf_reset(&out.body);
        out.status = 0;
        server_handle(&x->w, a, &out);
    }
    x->faults += fate < 4;
    if (fate == 0 || fate == 2) /* the request or the answer was lost */
        edn_sync_answered(x->r[i].s, now, EDN_E_NETWORK, 0, 0, EDN_BYTES_EMPTY);
    else
        edn_sync_answered(x->r[i].s, now, EDN_OK, out.status, 0,
                          edn_bytes_of(out.body.p, fate == 3 ? check_below(&x->rng, out.body.n + 1) : out.body.n));
    edn_buf_dispose(&out.body);
}

static void sync_move(run *x, size_t i)
{
    device *d = &x->w.d[i];
    edn_sync_action a = edn_sync_step(x->r[i].s, d->clock_ms);

    if (check_below(&x->rng, 40) == 0) {
        sync_crash(x, i);
    } else if (a.kind == EDN_SYNC_DONE) {
        sync_end(x, i, a.status);
    } else if (a.kind == EDN_SYNC_REQUEST) {
        sync_exchange(x, i, &a);
    } else if (check_below(&x->rng, 20) == 0) {
        edn_sync_saved(x->r[i].s, d->clock_ms, EDN_E_IO);
    } else {
        device_save(&x->w, d, &a);
        if (check_below(&x->rng, 20) == 0)
            sync_crash(x, i); /* saved, but nobody was told */
        else
            edn_sync_saved(x->r[i].s, d->clock_ms, EDN_OK);
    }
}

static void move(run *x)
{
    size_t i = check_below(&x->rng, x->w.n);

    x->w.d[i].clock_ms += check_below(&x->rng, 60000);
    x->w.srv.clock_ms += check_below(&x->rng, 60000);
    if (x->r[i].s) {
        sync_move(x, i);
    } else if (check_below(&x->rng, 3) == 0) {
        sync_begin(x, i);
    } else if (check_below(&x->rng, 30) == 0 && x->w.n < 6 && !x->r[0].s) {
        world_add(&x->w);
    } else {
        device_write(&x->w, &x->w.d[i]);
        x->written++;
    }
}

static void settle(run *x)
{
    for (size_t i = 0; i < x->w.n; i++)
        if (x->r[i].s)
            sync_crash(x, i);
    x->w.srv.pull_batches_max = 0;
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < x->w.n; i++)
            CHECK_SYNCED(device_sync(&x->w, &x->w.d[i]));
    CHECK_INT(x->w.srv.shelf.n, x->written);
    for (size_t i = 0; i < x->w.n; i++) {
        CHECK_INT(x->w.d[i].shelf.n, x->written);
        CHECK_INT(x->w.d[i].links.n, x->w.srv.links.n);
        CHECK_INT(x->w.d[i].claims_n, 0);
        for (size_t j = 0; j < x->w.srv.shelf.n; j++) {
            const kept *there = &x->w.srv.shelf.p[j];
            const kept *here = shelf_find(&x->w.d[i].shelf, &there->device, there->dseq);
            CHECK(here && edn_bytes_equal(here->bytes, there->bytes));
        }
    }
}

static void devices_converge_whatever_the_line_does(void **state)
{
    uint64_t seed = check_seed(), crashes = 0, faults = 0, syncs = 0, written = 0;

    (void)state;
    for (uint64_t i = 0; i < 40; i++) {
        static run x;
        memset(&x, 0, sizeof x);
        x.rng.s = (seed + i) * 0x9e3779b97f4a7c15u | 1;
        world_init(&x.w);
        for (size_t n = check_below(&x.rng, 3); n > 0; n--)
            world_add(&x.w);
        x.w.srv.pull_batches_max = check_below(&x.rng, 4);
        print_message("# EDN_SEED=%llu\n", (unsigned long long)(seed + i));
        for (int moves = 0; moves < 600; moves++)
            move(&x);
        settle(&x);
        crashes += x.crashes;
        faults += x.faults;
        syncs += x.syncs;
        written += x.written;
        world_free(&x.w);
    }
    print_message("# %llu batches, %llu syncs ended, %llu crashes, %llu faults\n", (unsigned long long)written,
                  (unsigned long long)syncs, (unsigned long long)crashes, (unsigned long long)faults);
    CHECK(crashes > 100 && faults > 100 && syncs > 500); /* it did happen */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_converge_whatever_the_line_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
