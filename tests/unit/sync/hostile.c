/* A server, or a device, that lies: nothing false is applied, the class is the named one, what is untouched by it goes
 * on, and an honest server afterwards brings the device to the right state (SECURITY 1). */
#include "sync/world.h"

#include "sync/sync_priv.h"

/* A world of three devices in step, the first two of which then wrote one batch more that the third has not seen. */
static void world_three(world *w)
{
    world_init(w);
    world_add(w);
    world_add(w);
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < 3; i++)
            CHECK_SYNCED(device_sync(w, &w->d[i]));
    device_write(w, &w->d[0]);
    device_write(w, &w->d[1]);
    CHECK_SYNCED(device_sync(w, &w->d[0]));
    CHECK_SYNCED(device_sync(w, &w->d[1]));
}

/* ---- batches that are not what was written ----------------------------------------------------------------------- */

typedef struct flip {
    edn_device_id device;
    uint64_t dseq;
    size_t at;
    bool swap_box; /* instead: with the box of another batch */
} flip;

static edn_bytes *message_batch(edn_msg_pulled *m, const edn_device_id *id, uint64_t dseq)
{
    for (size_t i = 0; i < m->batches_n; i++) {
        edn_batch b;
        if (edn_batch_decode(m->batches[i], &b) == EDN_OK && device_equal(&b.header.device, id) &&
            (dseq == 0 || b.header.dseq == dseq))
            return &m->batches[i];
    }
    return NULL;
}

static void flip_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    flip *f = ctx;
    edn_bytes *batch = message_batch(m, &f->device, f->dseq);
    uint8_t *p;

    (void)w;
    if (!batch || !(p = edn_arena_alloc(a, batch->n)))
        return;
    memcpy(p, batch->p, batch->n);
    p[f->at] ^= 1u << (f->at % 8);
    *batch = edn_bytes_of(p, batch->n);
}

static void bend_flip(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    if (is_pull(asked))
        pulled_bend(w, a, true, flip_message, ctx);
}

static void a_batch_altered_at_any_byte_is_never_accepted(void **state)
{
    world w;
    device *c;
    size_t size;

    (void)state;
    world_three(&w);
    c = &w.d[2];
    size = shelf_find(&w.srv.shelf, &w.d[0].id, 1)->bytes.n;
    for (size_t at = 0; at < size; at++) {
        flip f = {w.d[0].id, 1, at, false};
        line l = {.ctx = &f, .bend = bend_flip};
        outcome o = device_sync_on(&w, c, &l);
        CHECK_STATUS(o.status, EDN_OK);
        CHECK(!o.figures.synced);
        CHECK(o.findings_n > 0);
        CHECK_INT(c->shelf.n, 1); /* the other device's batch was taken in the first round */
        if (at >= EDN_BATCH_HEADER_SIZE) {
            CHECK_STATUS(o.findings[0].status, EDN_E_SIG);
            CHECK_INT(o.figures.round_trips, 1); /* what was refused is not asked for again */
        }
    }
    CHECK_SYNCED(device_sync(&w, c));
    CHECK_INT(c->shelf.n, 2);
    world_free(&w);
}

typedef struct served {
    flip f;
    uint32_t times;
} served;

static void served_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    served *x = ctx;

    x->times += message_batch(m, &x->f.device, x->f.dseq) != NULL;
    flip_message(&x->f, w, m, a);
}
static void bend_served(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    if (is_pull(asked))
        pulled_bend(w, a, true, served_message, ctx);
}

static void a_refused_batch_is_sent_once_though_there_is_more_to_pull(void **state)
{
    world w;
    served x;
    line l = {.ctx = &x, .bend = bend_served};
    outcome o;

    (void)state;
    world_three(&w);
    for (int i = 0; i < 6; i++)
        for (size_t j = 0; j < 2; j++) {
            device_write(&w, &w.d[j]);
            CHECK_SYNCED(device_sync(&w, &w.d[j]));
        }
    w.srv.pull_batches_max = 2;
    for (size_t j = 0; j < 2; j++) { /* whichever comes first in an answer */
        x = (served){{w.d[j].id, 1, EDN_BATCH_HEADER_SIZE, false}, 0};
        o = device_sync_on(&w, &w.d[2], &l);
        CHECK_STATUS(o.status, EDN_OK);
        check_finding(&o, EDN_E_SIG, true);
        CHECK_INT(x.times, 1);
        CHECK_INT(w.d[2].shelf.n, 7);
        shelf_cut(&w.d[2].shelf, 0);
    }
    world_free(&w);
}

static void cut_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    flip *f = ctx;
    edn_bytes *batch = message_batch(m, &f->device, 0);

    (void)w;
    (void)a;
    if (batch)
        batch->n = f->at;
}

static void bend_cut(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    if (is_pull(asked))
        pulled_bend(w, a, true, cut_message, ctx);
}

static void a_truncated_batch_is_never_accepted(void **state)
{
    world w;
    device *c;
    size_t size;

    (void)state;
    world_three(&w);
    device_write_sized(&w, &w.d[0], 3000);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    c = &w.d[2];
    CHECK_SYNCED(device_sync(&w, c));
    size = c->shelf.p[c->shelf.n - 1].bytes.n;
    bytes_free(c->shelf.p[--c->shelf.n].bytes);
    for (size_t at = EDN_BATCH_SIZE_MIN; at < size; at += 7) {
        flip f = {w.d[0].id, 0, at, false};
        line l = {.ctx = &f, .bend = bend_cut};
        outcome o = device_sync_on(&w, c, &l);
        CHECK_STATUS(o.status, EDN_OK);
        CHECK(!o.figures.synced);
        check_finding(&o, EDN_E_FORMAT, true);
    }
    CHECK_SYNCED(device_sync(&w, c));
    world_free(&w);
}

/* The header and signature of one batch around the box of another. */
static void mix_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    edn_bytes *x = message_batch(m, &w->d[0].id, 0), *y = message_batch(m, &w->d[1].id, 0);
    uint8_t *p;

    (void)ctx;
    if (!x || !y || x->n != y->n || !(p = edn_arena_alloc(a, x->n)))
        return;
    memcpy(p, x->p, x->n);
    memcpy(p + EDN_BATCH_HEADER_SIZE, y->p + EDN_BATCH_HEADER_SIZE, x->n - EDN_BATCH_HEADER_SIZE - 64);
    *x = edn_bytes_of(p, x->n);
}

static void bend_mix(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    if (is_pull(asked))
        pulled_bend(w, a, true, mix_message, ctx);
}

static void the_box_of_another_batch_is_refused(void **state)
{
    world w;
    line l = {.bend = bend_mix};
    outcome o;

    (void)state;
    world_three(&w);
    o = device_sync_on(&w, &w.d[2], &l);
    CHECK_STATUS(o.status, EDN_OK);
    check_finding(&o, EDN_E_SIG, true);
    CHECK_INT(w.d[2].shelf.n, 1);
    CHECK_SYNCED(device_sync(&w, &w.d[2]));
    world_free(&w);
}

/* Before the true batch, a forged one of the same number. */
static void forged_first_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    edn_bytes *batches = edn_arena_calloc(a, m->batches_n + 1, sizeof *batches), *x;
    uint8_t *p;

    (void)ctx;
    if (!(x = message_batch(m, &w->d[0].id, 0)))
        return;
    p = edn_arena_alloc(a, x->n);
    CHECK(batches && p);
    memcpy(p, x->p, x->n);
    p[x->n - 1] ^= 1;
    batches[0] = edn_bytes_of(p, x->n);
    memcpy(batches + 1, m->batches, m->batches_n * sizeof *batches);
    m->batches = batches;
    m->batches_n++;
}
static void bend_forged_first(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    if (is_pull(asked))
        pulled_bend(w, a, true, forged_first_message, ctx);
}

static void a_forged_batch_does_not_keep_out_the_true_one_beside_it(void **state)
{
    world w;
    line l = {.bend = bend_forged_first};
    outcome o;

    (void)state;
    world_three(&w);
    o = device_sync_on(&w, &w.d[2], &l);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK_INT(o.findings_n, 1);
    check_finding(&o, EDN_E_SIG, true);
    CHECK(o.figures.synced);
    CHECK_INT(w.d[2].shelf.n, 2);
    world_free(&w);
}

/* Everything three times, shuffled, and what is held already besides. */
static void shuffle_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    check_rng *r = ctx;
    size_t n = 0, shelf_n = w->srv.shelf.n;
    edn_bytes *all = edn_arena_calloc(a, 3 * m->batches_n + shelf_n, sizeof *all);
    edn_bytes *links = edn_arena_calloc(a, 2 * w->srv.links.n, sizeof *links);

    CHECK(all && links);
    for (size_t i = 0; i < 3 * m->batches_n; i++)
        all[n++] = m->batches[i % m->batches_n];
    for (size_t i = 0; i < shelf_n; i++)
        all[n++] = w->srv.shelf.p[i].bytes;
    for (size_t i = n; i-- > 1;) {
        size_t j = check_below(r, i + 1);
        edn_bytes t = all[i];
        all[i] = all[j];
        all[j] = t;
    }
    m->batches = all;
    m->batches_n = n;
    for (size_t i = 0; i < 2 * w->srv.links.n; i++)
        links[i] = w->srv.links.p[i / 2];
    m->links = links;
    m->links_n = 2 * w->srv.links.n;
}

static void bend_shuffle(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    if (is_pull(asked))
        pulled_bend(w, a, true, shuffle_message, ctx);
}

static void duplicates_of_everything_in_any_order_are_applied_once(void **state)
{
    check_rng r = {check_seed()};

    (void)state;
    for (int run = 0; run < 20; run++) {
        world w;
        line l = {.ctx = &r, .bend = bend_shuffle};
        world_three(&w);
        for (int i = 0; i < 8; i++) {
            device *d = &w.d[check_below(&r, 2)];
            device_write(&w, d);
            CHECK_SYNCED(device_sync(&w, d));
        }
        CHECK_SYNCED(device_sync_on(&w, &w.d[2], &l));
        CHECK_INT(w.d[2].shelf.n, w.srv.shelf.n);
        CHECK_SYNCED(device_sync_on(&w, &w.d[2], &l));
        CHECK_INT(w.d[2].shelf.n, w.srv.shelf.n);
        world_free(&w);
    }
}

/* ---- withheld ---------------------------------------------------------------------------------------------------- */

typedef struct hide {
    edn_device_id device;
    bool head_too; /* the server lies consistently, and signs it */
} hide;

static void hide_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    const hide *h = ctx;
    size_t n = 0;

    (void)w;
    (void)a;
    for (size_t i = 0; i < m->batches_n; i++) {
        edn_batch b;
        CHECK_OK(edn_batch_decode(m->batches[i], &b));
        if (!device_equal(&b.header.device, &h->device))
            m->batches[n++] = m->batches[i];
    }
    m->batches_n = n;
    for (size_t i = n = 0; i < m->heads_n; i++)
        if (!h->head_too || !device_equal(&m->heads[i].device, &h->device))
            m->heads[n++] = m->heads[i];
    m->heads_n = n;
}

static void bend_hide(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    if (is_pull(asked))
        pulled_bend(w, a, true, hide_message, ctx);
    else if (strncmp(asked->path, "/v1/probe/", 10) == 0)
        a->status = 204; /* it says that nothing is new, too */
}

static void a_batch_that_the_server_names_but_does_not_give_is_withheld(void **state)
{
    world w;
    hide h;
    line l = {.ctx = &h, .bend = bend_hide};
    outcome o;

    (void)state;
    world_three(&w);
    h = (hide){w.d[0].id, false};
    l.full = true;
    o = device_sync_on(&w, &w.d[2], &l);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK(!o.figures.synced);
    check_finding(&o, EDN_E_WITHHELD, false);
    CHECK_INT(w.d[2].shelf.n, 1); /* the other device's came */
    CHECK(o.figures.round_trips < 8);
    CHECK_SYNCED(device_sync(&w, &w.d[2]));
    world_free(&w);
}

static void what_a_peer_has_seen_is_owed_and_its_absence_becomes_an_alarm(void **state)
{
    world w;
    hide h;
    line l = {.ctx = &h, .bend = bend_hide};
    device *c;
    outcome o;

    (void)state;
    world_three(&w);
    c = &w.d[2];
    h = (hide){w.d[0].id, true};
    CHECK_SYNCED(device_sync(&w, &w.d[1]));
    device_write(&w, &w.d[1]); /* it names the first device's batch */
    CHECK_SYNCED(device_sync(&w, &w.d[1]));

    l.full = true;
    o = device_sync_on(&w, c, &l);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK_INT(o.findings_n, 0);
    CHECK_INT(c->claims_n, 1);
    CHECK_INT(c->claims[0].syncs, 1);
    l.full = false; /* from now on the server says «nothing new» to every probe */
    c->clock_ms += EDN_CLAIM_GRACE_MS - 1;
    CHECK_INT(device_sync_on(&w, c, &l).findings_n, 0); /* two syncs, but one millisecond too early */
    c->clock_ms += 1;
    o = device_sync_on(&w, c, &l);
    check_finding(&o, EDN_E_WITHHELD, false);
    o = device_sync_on(&w, c, &l);
    check_finding(&o, EDN_E_WITHHELD, false); /* it is said again as long as it is so */

    CHECK_SYNCED(device_sync_on(&w, c, &(line){.full = true}));
    CHECK_INT(c->claims_n, 0);
    world_free(&w);
}

static void one_late_sync_is_no_alarm_and_a_clock_that_went_back_begins_again(void **state)
{
    world w;
    hide h;
    line l = {.ctx = &h, .bend = bend_hide};
    device *c;

    (void)state;
    world_three(&w);
    c = &w.d[2];
    h = (hide){w.d[0].id, true};
    CHECK_SYNCED(device_sync(&w, &w.d[1]));
    device_write(&w, &w.d[1]);
    CHECK_SYNCED(device_sync(&w, &w.d[1]));

    l.full = true;
    CHECK_INT(device_sync_on(&w, c, &l).findings_n, 0);
    CHECK_INT(c->claims_n, 1);
    c->claims[0].syncs = 0;
    c->clock_ms += 10 * (uint64_t)EDN_CLAIM_GRACE_MS;
    CHECK_INT(device_sync_on(&w, c, &l).findings_n, 0); /* long ago, but the first sync since */
    c->clock_ms = 1000;
    CHECK_INT(device_sync_on(&w, c, &l).findings_n, 0);
    CHECK_INT(c->claims[0].since_ms, 1000);
    c->clock_ms += EDN_CLAIM_GRACE_MS;
    CHECK_INT(device_sync_on(&w, c, &l).findings_n, 1);
    world_free(&w);
}

static void a_debt_that_is_paid_leaves_the_others(void **state)
{
    world w;
    device *c;

    (void)state;
    world_three(&w);
    c = &w.d[2];
    for (uint8_t i = 0; i < 4; i++) /* the second of them is there, and comes with this sync */
        c->claims[i] = (edn_claim){{w.d[0].id, i == 1 ? 1 : 90u + i, {{i}}}, w.d[1].id, c->clock_ms, 0};
    c->claims[1].head = shelf_head(&w.srv.shelf, &w.d[0].id);
    c->claims_n = 4;
    CHECK_SYNCED(device_sync(&w, c));
    CHECK_INT(c->claims_n, 3);
    CHECK_INT(c->claims[0].head.dseq, 90);
    CHECK_INT(c->claims[1].head.dseq, 92);
    CHECK_INT(c->claims[2].head.dseq, 93);
    world_free(&w);
}

static void debts_are_bounded_and_keep_the_oldest_and_the_newest(void **state)
{
    world w;
    device *b, *c;
    edn_head prev;
    outcome o;

    (void)state;
    world_init(&w);
    b = world_add(&w);
    c = world_add(&w);
    prev = (edn_head){b->id, 0, {{0}}};
    for (uint64_t i = 1; i <= 6; i++) { /* b names ever higher batches of the first device, and junk */
        edn_head named[2] = {{w.d[0].id, 10 * EDN_MIN(i, 5u), {{(uint8_t)i}}}, {{{0xff, (uint8_t)i}}, i, {{1}}}};
        edn_bytes batch = world_batch_after(&w, b, &prev, named, 2, 1);
        shelf_put(&w.srv.shelf, batch);
        bytes_free(batch);
        prev = shelf_head(&w.srv.shelf, &b->id);
    }
    o = device_sync(&w, c);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK_INT(o.figures.batches_received, 6);
    CHECK_INT(c->claims_n, 2 + 6);
    CHECK_INT(c->claims[0].head.dseq, 10);
    size_t newest = 0;
    for (size_t i = 0; i < c->claims_n; i++)
        CHECK_INT(c->claims[i].syncs, 1); /* this one; a newer debt begins like any other */
    for (size_t i = 1; i < c->claims_n; i++)
        newest += device_equal(&c->claims[i].head.device, &w.d[0].id) && c->claims[i].head.dseq == 50 &&
                  c->claims[i].head.hash.b[0] == 5; /* of one number, that which was named first */
    CHECK_INT(newest, 1);
    world_free(&w);
}

static void no_more_debts_are_kept_than_there_is_room_for(void **state)
{
    world w;
    device *b, *c;
    edn_head named[300], none;
    edn_bytes batch;
    outcome o;

    (void)state;
    world_init(&w);
    b = world_add(&w);
    c = world_add(&w);
    for (uint32_t i = 0; i < EDN_COUNT(named); i++)
        named[i] = (edn_head){{{(uint8_t)(i >> 8), (uint8_t)i}}, 1, {{1}}};
    none = (edn_head){b->id, 0, {{0}}};
    batch = world_batch_after(&w, b, &none, named, EDN_COUNT(named), 1);
    shelf_put(&w.srv.shelf, batch);
    bytes_free(batch);
    o = device_sync(&w, c);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK_INT(c->claims_n, EDN_CLAIMS_MAX);
    CHECK_INT(c->shelf.n, 1);
    world_free(&w);
}

static void what_a_revoked_device_would_have_written_is_owed_no_more(void **state)
{
    world w;
    edn_head named, prev;
    edn_bytes batch;
    outcome o;

    (void)state;
    world_three(&w);
    named = (edn_head){w.d[1].id, 5, {{0x11}}};
    prev = shelf_head(&w.srv.shelf, &w.d[0].id);
    batch = world_batch_after(&w, &w.d[0], &prev, &named, 1, 1);
    shelf_put(&w.srv.shelf, batch);
    shelf_put(&w.d[0].shelf, batch);
    bytes_free(batch);
    o = device_sync(&w, &w.d[2]);
    CHECK_INT(w.d[2].claims_n, 1);
    world_revoke(&w, &w.d[1], 1, &shelf_find(&w.d[1].shelf, &w.d[1].id, 1)->hash);
    o = device_sync(&w, &w.d[2]);
    CHECK_SYNCED(o);
    CHECK_INT(w.d[2].claims_n, 0);
    world_free(&w);
}

static void what_a_device_says_of_itself_is_no_debt(void **state)
{
    world w;
    edn_head named, prev;
    edn_bytes batch;

    (void)state;
    world_three(&w);
    named = (edn_head){w.d[0].id, 99, {{0x11}}};
    prev = shelf_head(&w.srv.shelf, &w.d[0].id);
    batch = world_batch_after(&w, &w.d[0], &prev, &named, 1, 1);
    shelf_put(&w.srv.shelf, batch);
    bytes_free(batch);
    CHECK_SYNCED(device_sync(&w, &w.d[2]));
    CHECK_INT(w.d[2].claims_n, 0);
    world_free(&w);
}

/* ---- rolled back ------------------------------------------------------------------------------------------------- */

static void every_older_state_of_the_server_is_noticed_within_one_sync_and_mended(void **state)
{
    (void)state;
    for (size_t left = 0; left < 8; left++) {
        world w;
        outcome o;
        world_three(&w);
        for (int i = 0; i < 3; i++)
            for (size_t j = 0; j < 2; j++) {
                device_write(&w, &w.d[j]);
                CHECK_SYNCED(device_sync(&w, &w.d[j]));
            }
        CHECK_SYNCED(device_sync(&w, &w.d[0]));
        CHECK_INT(w.srv.shelf.n, 8);
        shelf_cut(&w.srv.shelf, left);
        o = device_sync(&w, &w.d[0]);
        CHECK_STATUS(o.status, EDN_OK);
        CHECK(o.figures.rolled_back);
        CHECK(o.figures.synced);
        CHECK_INT(o.findings_n, 1);
        check_finding(&o, EDN_E_ROLLBACK, false);
        CHECK_INT(o.figures.refilled, 8 - left);
        CHECK_INT(w.srv.shelf.n, 8);
        CHECK_SYNCED(device_sync(&w, &w.d[0])); /* said once */
        world_free(&w);
    }
}

static void a_rollback_is_noticed_when_there_is_something_to_send_too(void **state)
{
    world w;
    outcome o;

    (void)state;
    world_three(&w);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    shelf_cut(&w.srv.shelf, 0);
    device_write(&w, &w.d[0]);
    o = device_sync(&w, &w.d[0]);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK(o.figures.rolled_back && o.figures.synced);
    CHECK_INT(o.figures.refilled, 2);
    CHECK_INT(w.srv.shelf.n, 3);
    world_free(&w);
}

static void links_that_the_server_lost_are_a_rollback_and_sent_again(void **state)
{
    world w;
    outcome o;

    (void)state;
    world_three(&w);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    links_cut(&w.srv.links, 1);
    o = device_sync(&w, &w.d[0]);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK(o.figures.rolled_back && o.figures.synced);
    check_finding(&o, EDN_E_ROLLBACK, false);
    CHECK_INT(w.srv.links.n, 3);
    world_free(&w);
}

static void head_fork_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    (void)ctx;
    (void)w;
    (void)a;
    m->log_head.b[0] ^= 1;
}
static void bend_head_fork(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    if (is_pull(asked))
        pulled_bend(w, a, true, head_fork_message, ctx);
}

static void link_drop_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    (void)ctx;
    (void)w;
    (void)a;
    m->links_n = 0;
}
static void bend_link_drop(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    if (is_pull(asked))
        pulled_bend(w, a, true, link_drop_message, ctx);
}

static void links_that_the_server_names_but_does_not_give_are_withheld(void **state)
{
    world w;
    line l = {.bend = bend_link_drop};
    outcome o;

    (void)state;
    world_init(&w);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    world_add(&w);
    links_cut(&w.d[0].links, 1);
    o = device_sync_on(&w, &w.d[0], &l);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK(!o.figures.synced);
    check_finding(&o, EDN_E_WITHHELD, false);
    CHECK(outcome_find(&o, EDN_E_WITHHELD)->has_link);
    CHECK_INT(outcome_find(&o, EDN_E_WITHHELD)->link_seq, 1);
    CHECK_INT(o.figures.round_trips, 4); /* they are asked for once more before that is said */
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    world_free(&w);
}

/* ---- the device log ---------------------------------------------------------------------------------------------- */

/* On the server, another link in the place of link 1, and `more` after it. */
static void server_log_fork(world *w, size_t more)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    device other[4];

    links_cut(&w->srv.links, 1);
    for (size_t i = 0; i <= more; i++) {
        edn_buf_reset(&link);
        memset(&other[i], 0, sizeof other[i]);
        device_keys(w, &other[i]);
        world_add_link(&link, w->srv.links.log, &w->d[0], &other[i], EDN_CAP_READ | EDN_CAP_WRITE);
        links_put(&w->srv.links, edn_buf_view(&link));
    }
    edn_buf_dispose(&link);
}

static void another_device_log_stops_the_sync_and_changes_nothing(void **state)
{
    (void)state;
    for (size_t more = 0; more < 4; more++) { /* shorter, as long, longer than ours */
        world w;
        outcome o;
        links_kept good;
        world_three(&w);
        links_copy(&good, &w.srv.links);
        server_log_fork(&w, more);
        o = device_sync(&w, &w.d[2]);
        CHECK_STATUS(o.status, EDN_E_FORK);
        check_finding(&o, EDN_E_FORK, true);
        CHECK(!o.figures.synced);
        CHECK_INT(w.d[2].shelf.n, 0);
        CHECK_INT(w.d[2].links.n, 3);
        links_free(&w.srv.links);
        w.srv.links = good;
        CHECK_SYNCED(device_sync(&w, &w.d[2]));
        world_free(&w);
    }
}

/* To one that the server does not let in, since it is in one of the two logs only. */
static void another_device_log_is_named_to_whom_it_shuts_out(void **state)
{
    (void)state;
    for (size_t more = 0; more < 4; more++) {
        world w;
        outcome o;
        world_three(&w);
        server_log_fork(&w, more);
        w.d[2].remote.token[0] = 0;
        o = device_sync(&w, &w.d[2]);
        CHECK_STATUS(o.status, more < 2 ? EDN_E_FORK : EDN_E_DENIED); /* of a longer log nothing is known */
        check_finding(&o, more < 2 ? EDN_E_FORK : EDN_E_DENIED, false);
        CHECK_INT(w.d[2].links.n, 3);
        world_free(&w);
    }
}

static void a_log_head_that_its_links_do_not_lead_to_stops_the_sync(void **state)
{
    world w;
    line l = {.bend = bend_head_fork};
    outcome o;

    (void)state;
    world_init(&w);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    world_add(&w);
    links_cut(&w.d[0].links, 1);
    o = device_sync_on(&w, &w.d[0], &l);
    CHECK_STATUS(o.status, EDN_E_FORK);
    check_finding(&o, EDN_E_FORK, true);
    CHECK_INT(outcome_find(&o, EDN_E_FORK)->link_seq, 1);
    CHECK_INT(w.d[0].links.n, 1);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    world_free(&w);
}

static void from_first_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    (void)ctx;
    (void)a;
    m->links = w->srv.links.p;
    m->links_n = w->srv.links.n;
}
static void bend_from_first(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    if (is_pull(asked))
        pulled_bend(w, a, true, from_first_message, ctx);
}

static void another_link_in_the_place_of_a_pinned_one_stops_the_sync_and_is_named(void **state)
{
    world w;
    line l = {.bend = bend_from_first};
    outcome o;

    (void)state;
    world_three(&w);
    server_log_fork(&w, 3);
    o = device_sync_on(&w, &w.d[2], &l);
    CHECK_STATUS(o.status, EDN_E_FORK);
    check_finding(&o, EDN_E_FORK, true);
    CHECK(o.findings[0].has_link);
    CHECK_INT(o.findings[0].link_seq, 1);
    world_free(&w);
}

static void fewer_links_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    (void)ctx;
    (void)a;
    m->log_count = 2; /* but all of them are given */
    CHECK(edn_devlog_hash_at(w->srv.links.log, 1, &m->log_head));
}
static void bend_fewer_links(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    if (is_pull(asked))
        pulled_bend(w, a, true, fewer_links_message, ctx);
}

static void links_past_the_claimed_end_are_not_taken(void **state)
{
    world w;
    line l = {.bend = bend_fewer_links};

    (void)state;
    world_init(&w);
    world_add(&w);
    world_add(&w);
    links_cut(&w.d[0].links, 1);
    CHECK_SYNCED(device_sync_on(&w, &w.d[0], &l));
    CHECK_INT(w.d[0].links.n, 2);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    CHECK_INT(w.d[0].links.n, 3);
    world_free(&w);
}

typedef struct ghost {
    device g;
    edn_buf link;
    edn_bytes batch;
    uint32_t pulls;
} ghost;

static void ghost_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    ghost *g = ctx;
    edn_bytes *batches = edn_arena_calloc(a, m->batches_n + 1, sizeof *batches);

    (void)w;
    CHECK(batches != NULL);
    if (m->batches_n)
        memcpy(batches, m->batches, m->batches_n * sizeof *batches);
    batches[m->batches_n++] = g->batch;
    m->batches = batches;
    m->links = edn_arena_calloc(a, 1, sizeof *m->links);
    m->links[0] = edn_buf_view(&g->link);
    m->links_n = 1;
    m->log_count = w->srv.links.n + 1;
    m->log_head = edn_link_hash(m->links[0]);
}
static void bend_ghost(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    edn_arena arena = edn_arena_init(1 << 20);
    edn_msg_pull m;
    ghost *g = ctx;

    if (!is_pull(asked))
        return;
    CHECK_OK(edn_pull_decode(&arena, asked->body, &m));
    CHECK_INT(m.log_count, g->pulls++ ? 4 : 3); /* once refused, the link is not asked for again */
    edn_arena_dispose(&arena);
    pulled_bend(w, a, true, ghost_message, ctx);
}

static void ghost_run(edn_status want)
{
    world w;
    ghost g = {.link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX)};
    line l = {.ctx = &g, .bend = bend_ghost};
    edn_head none;
    device forger;
    outcome o;

    world_three(&w);
    w.srv.pull_batches_max = 1;
    memset(&g.g, 0, sizeof g.g);
    device_keys(&w, &g.g);
    forger = w.d[0];
    if (want == EDN_E_SIGNER_UNKNOWN)
        forger = g.g; /* it signs for itself */
    else
        forger.sk = g.g.sk; /* it claims the first device's name */
    world_add_link(&g.link, w.srv.links.log, &forger, &g.g, EDN_CAP_READ | EDN_CAP_WRITE);
    g.g.links = w.d[0].links;
    none = (edn_head){g.g.id, 0, {{0}}};
    g.batch = world_batch_after(&w, &g.g, &none, NULL, 0, 1);
    o = device_sync_on(&w, &w.d[2], &l);
    CHECK_STATUS(o.status, EDN_OK);
    check_finding(&o, want, true);
    check_finding(&o, EDN_E_DEVICE_UNKNOWN, true); /* its batch */
    CHECK(g.pulls > 1);
    CHECK(outcome_find(&o, want)->has_link);
    CHECK_INT(outcome_find(&o, want)->link_seq, 3);
    CHECK(!o.figures.synced);
    CHECK_INT(w.d[2].links.n, 3);
    CHECK_INT(w.d[2].shelf.n, 2); /* the true devices' batches are taken */
    o = device_sync(&w, &w.d[2]);
    check_mended(&o);
    edn_buf_dispose(&g.link);
    bytes_free(g.batch);
    world_free(&w);
}

static void a_ghost_device_is_not_believed(void **state)
{
    (void)state;
    ghost_run(EDN_E_SIGNER_UNKNOWN);
    ghost_run(EDN_E_SIG);
}

static void a_text_that_is_too_long_is_cut_at_a_character(void **state)
{
    char origin[EDN_ORIGIN_SIZE_MAX + 1];
    size_t full = 0;

    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        world w;
        flip f;
        line l = {.ctx = &f, .bend = bend_flip};
        outcome o;
        const char *text;
        world_three(&w);
        f = (flip){w.d[0].id, 1, 200, false};
        strcpy(origin, "https://aaa");
        origin[8 + shift] = 0;
        while (strlen(origin) + 4 <= EDN_ORIGIN_SIZE_MAX)
            strcat(origin, "\xf0\x9f\x98\x80");
        w.d[2].remote.origin = w.srv.origin = origin;
        o = device_sync_on(&w, &w.d[2], &l);
        text = o.findings[0].text;
        CHECK(strlen(text) >= sizeof o.findings[0].text - 4);
        full += strlen(text) == sizeof o.findings[0].text - 1;
        CHECK_INT(edn_utf8_check(edn_bytes_str(text), NULL), strlen(text));
        world_free(&w);
    }
    CHECK_INT(full, 1); /* three of four cuts fall into a character */
}

/* ---- receipts ---------------------------------------------------------------------------------------------------- */

static void bend_receipt(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    size_t at = *(size_t *)ctx;

    (void)w;
    if (is_pull(asked)) /* version, flags, count, head, then the receipt */
        a->body.p[1 + 1 + 8 + 32 + at] ^= 1;
    else if (strcmp(asked->path, "/v1/push") == 0 && a->status == 200)
        a->body.p[1 + 1 + at] ^= 1;
}

static void a_receipt_altered_at_any_byte_never_counts(void **state)
{
    (void)state;
    for (size_t at = 0; at < 8 + 64; at++) {
        world w;
        line l = {.ctx = &at, .bend = bend_receipt};
        outcome o;
        world_three(&w);
        device_write(&w, &w.d[2]);
        o = device_sync_on(&w, &w.d[2], &l);
        CHECK_STATUS(o.status, EDN_OK);
        check_finding(&o, EDN_E_SIG, false);
        CHECK(!o.figures.synced);
        CHECK_INT(w.d[2].shelf.n, 3); /* batches prove themselves */
        CHECK_SYNCED(device_sync(&w, &w.d[2]));
        world_free(&w);
    }
}

static void another_receipt_key_than_the_pinned_one_never_counts(void **state)
{
    world w;
    outcome o;

    (void)state;
    world_three(&w);
    world_sign_keys(&w, &w.srv.receipt_pk, &w.srv.receipt_sk);
    o = device_sync(&w, &w.d[2]);
    check_finding(&o, EDN_E_SIG, false);
    CHECK(!o.figures.synced);
    CHECK_INT(w.d[2].shelf.n, 2);
    world_free(&w);
}

static void receipt_state_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    (void)w;
    (void)a;
    m->receipt = *(edn_receipt *)ctx;
}
static void bend_receipt_state(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    if (is_pull(asked))
        pulled_bend(w, a, false, receipt_state_message, ctx);
}

static void a_receipt_of_another_state_never_counts(void **state)
{
    world w;
    edn_receipt old;
    line l = {.ctx = &old, .bend = bend_receipt_state};
    outcome o;

    (void)state;
    world_three(&w);
    old = w.d[2].remote.receipt;
    CHECK(old.time_ms != 0);
    o = device_sync_on(&w, &w.d[2], &l);
    check_finding(&o, EDN_E_SIG, false);
    CHECK(!o.figures.synced);
    CHECK_SYNCED(device_sync(&w, &w.d[2]));
    world_free(&w);
}

/* ---- endless, oversize, elsewhere -------------------------------------------------------------------------------- */

static void more_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    edn_head *heads = edn_arena_calloc(a, m->heads_n + 1, sizeof *heads);
    uint64_t *n = ctx;

    (void)w;
    m->flags |= EDN_PULLED_MORE;
    if (!n)
        return;
    CHECK(heads != NULL); /* and ever new devices with ever more batches */
    memcpy(heads, m->heads, m->heads_n * sizeof *heads);
    heads[m->heads_n] = (edn_head){{{0xff, 0xff, (uint8_t)++ * n}}, *n * 1000, {{1}}};
    m->heads = heads;
    m->heads_n++;
}
static void bend_more(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    if (is_pull(asked))
        pulled_bend(w, a, true, more_message, ctx);
}

static void a_server_that_never_ends_is_left(void **state)
{
    (void)state;
    for (int grow = 0; grow < 2; grow++) {
        world w;
        uint64_t n = 0;
        line l = {.ctx = grow ? &n : NULL, .bend = bend_more, .requests_max = 12};
        outcome o;
        world_three(&w);
        o = device_sync_on(&w, &w.d[2], &l);
        CHECK_STATUS(o.status, EDN_OK);
        CHECK_INT(w.d[2].shelf.n, 2);
        CHECK_INT(o.figures.synced, !grow);
        world_free(&w);
    }
}

static void bend_conflict(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    (void)ctx;
    (void)w;
    if (strcmp(asked->path, "/v1/push") == 0 || strcmp(asked->path, "/v1/log") == 0) {
        edn_buf_reset(&a->body);
        a->status = 409;
        shelf_cut(&w->srv.shelf, 2);
        links_cut(&w->srv.links, 3);
    }
}

static void a_server_that_takes_nothing_is_left_and_named(void **state)
{
    world w;
    line l = {.bend = bend_conflict, .requests_max = 12};
    outcome o;

    (void)state;
    world_three(&w);
    device_write(&w, &w.d[2]);
    o = device_sync_on(&w, &w.d[2], &l);
    CHECK_STATUS(o.status, EDN_OK);
    check_finding(&o, EDN_E_SERVER, false);
    CHECK(!o.figures.synced);
    world_add(&w);
    links_cut(&w.srv.links, 3);
    o = device_sync_on(&w, &w.d[0], &l);
    CHECK_STATUS(o.status, EDN_OK);
    check_finding(&o, EDN_E_SERVER, false);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    CHECK_SYNCED(device_sync(&w, &w.d[2]));
    world_free(&w);
}

typedef struct picky {
    edn_device_id device; /* of which nothing is taken */
    int status;
} picky;

static void bend_picky(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    const picky *p = ctx;
    edn_arena arena = edn_arena_init(1 << 20);
    edn_msg_push m;

    if (strcmp(asked->path, "/v1/push") == 0) {
        CHECK_OK(edn_push_decode(&arena, asked->body, &m));
        for (size_t i = 0; i < m.batches_n; i++) {
            edn_batch b;
            CHECK_OK(edn_batch_decode(m.batches[i], &b));
            if (!device_equal(&b.header.device, &p->device))
                continue;
            if (a->status == 200)
                shelf_cut(&w->srv.shelf, w->srv.shelf.n - m.batches_n);
            a->status = p->status;
            edn_buf_reset(&a->body);
            break;
        }
    }
    edn_arena_dispose(&arena);
}

static void one_devices_batches_that_are_refused_keep_no_others_back(void **state)
{
    static const int statuses[] = {409, 403};

    (void)state;
    for (size_t refused = 0; refused < 3; refused++)
        for (size_t i = 0; i < EDN_COUNT(statuses); i++) {
            world w;
            picky p;
            line l = {.ctx = &p, .bend = bend_picky, .requests_max = 12};
            outcome o;
            world_three(&w);
            CHECK_SYNCED(device_sync(&w, &w.d[2]));
            device_write(&w, &w.d[2]);
            shelf_cut(&w.srv.shelf, 0);
            p = (picky){w.d[refused].id, statuses[i]};
            o = device_sync_on(&w, &w.d[2], &l);
            CHECK_STATUS(o.status, EDN_OK);
            CHECK(!o.figures.synced);
            check_finding(&o, EDN_E_SERVER, false);
            CHECK(device_equal(&outcome_find(&o, EDN_E_SERVER)->device, &w.d[refused].id));
            CHECK_INT(w.srv.shelf.n, 2);                            /* the other two devices' */
            CHECK_INT(o.figures.round_trips, refused == 2 ? 6 : 7); /* [push, pull,] push, pull, one each, pull */
            CHECK(device_sync(&w, &w.d[2]).figures.synced);
            CHECK_INT(w.srv.shelf.n, 3);
            world_free(&w);
        }
}

typedef struct race {
    world *w;
    device *d; /* who does not know yet */
    uint32_t pushes;
} race;

/* The first push is refused; the second too, since just then another device sent the same. */
static void bend_race(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    race *r = ctx;

    if (strcmp(asked->path, "/v1/push") != 0)
        return;
    edn_buf_reset(&a->body);
    a->status = 409;
    if (++r->pushes == 1)
        shelf_cut(&w->srv.shelf, 0);
}

static void what_another_sent_in_the_meantime_is_found_there_at_the_end(void **state)
{
    world w;
    race r;
    line l = {.ctx = &r, .bend = bend_race};
    outcome o;

    (void)state;
    world_three(&w);
    CHECK_SYNCED(device_sync(&w, &w.d[2]));
    device_write(&w, &w.d[2]);
    shelf_cut(&w.srv.shelf, 0);
    shelf_cut(&w.d[2].shelf, 0);
    device_write(&w, &w.d[2]);
    edn_sync_remote_dispose(&w.d[2].remote);
    w.d[2].remote = (edn_sync_remote){.origin = WORLD_ORIGIN};
    r = (race){&w, &w.d[2], 0};
    o = device_sync_on(&w, &w.d[2], &l);
    CHECK_INT(r.pushes, 2);
    CHECK_SYNCED(o);
    world_free(&w);
}

static void bend_oversize(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    (void)w;
    if (strncmp(asked->path, (const char *)ctx, strlen(ctx)) == 0)
        edn_put_zeros(&a->body, asked->answer_size_max + 1 - a->body.n);
}

static void an_answer_that_is_too_long_is_not_read(void **state)
{
    static const char *const paths[] = {"/v1/server", "/v1/challenge", "/v1/login",
                                        "/v1/pull",   "/v1/push",      "/v1/probe"};

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(paths); i++) {
        world w;
        line l = {.ctx = (void *)(uintptr_t)paths[i], .bend = bend_oversize};
        outcome o;
        world_init(&w);
        if (i == 5)
            CHECK_SYNCED(device_sync(&w, &w.d[0]));
        else
            device_write(&w, &w.d[0]);
        o = device_sync_on(&w, &w.d[0], &l);
        CHECK_STATUS(o.status, EDN_E_SERVER);
        check_finding(&o, EDN_E_SERVER, false);
        CHECK_SYNCED(device_sync(&w, &w.d[0]));
        world_free(&w);
    }
}

static void bend_no_login(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    (void)ctx;
    (void)w;
    (void)a;
    CHECK(strcmp(asked->path, "/v1/login") != 0);
}

static void another_origin_gets_no_login(void **state)
{
    world w;
    line l = {.bend = bend_no_login};
    outcome o;

    (void)state;
    world_init(&w);
    w.srv.origin = "https://diary.example.evil";
    o = device_sync_on(&w, &w.d[0], &l); /* in the server's info */
    CHECK_STATUS(o.status, EDN_E_AUTH);
    check_finding(&o, EDN_E_AUTH, false);
    CHECK_INT(o.figures.round_trips, 1);
    w.srv.origin =
        "https://\x1b[2J\xff\n .evil.example/~aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    w.d[0].remote.receipt_pk = w.srv.receipt_pk;
    o = device_sync_on(&w, &w.d[0], &l); /* in the challenge */
    for (const char *c = o.findings[0].text; *c; c++)
        CHECK(*c >= ' ' && *c <= '~'); /* nothing that a terminal obeys */
    CHECK(strstr(o.findings[0].text, "https://?[2J???.evil.example/~aaa") != NULL);
    CHECK_STATUS(o.status, EDN_E_AUTH);
    CHECK_INT(o.figures.round_trips, 1);
    w.srv.origin = WORLD_ORIGIN;
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    world_free(&w);
}

static void bend_token(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    edn_msg_token m = {w->srv.clock_ms / 1000 + 600, edn_bytes_str(ctx)};

    if (strcmp(asked->path, "/v1/login") != 0)
        return;
    if (*(const char *)ctx == '-')
        m.expires = w->srv.clock_ms / 1000;
    edn_buf_reset(&a->body);
    edn_token_put(&a->body, &m);
}

static void bend_key(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    edn_msg_server_info m = {.origin = edn_bytes_str(WORLD_ORIGIN)};

    (void)w;
    if (strcmp(asked->path, "/v1/server") != 0)
        return;
    memset(m.receipt_pk.b, *(uint8_t *)ctx, sizeof m.receipt_pk.b);
    edn_buf_reset(&a->body);
    edn_server_info_put(&a->body, &m);
}

static void a_receipt_key_that_is_none_is_not_pinned(void **state)
{
    static uint8_t fills[] = {0, 0xff};

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(fills); i++) {
        world w;
        line l = {.ctx = &fills[i], .bend = bend_key, .requests_max = 4};
        world_init(&w);
        CHECK_STATUS(device_sync_on(&w, &w.d[0], &l).status, EDN_E_SERVER);
        CHECK_SYNCED(device_sync(&w, &w.d[0]));
        world_free(&w);
    }
}

static void a_token_that_cannot_stand_in_a_header_or_is_dead_is_refused(void **state)
{
    static const char *const tokens[] = {"a\r\nX-Evil: b", "a b", "\x7f", "\xc3\xa4", "-dead"};

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(tokens); i++) {
        world w;
        line l = {.ctx = (void *)(uintptr_t)tokens[i], .bend = bend_token, .requests_max = 10};
        world_init(&w);
        CHECK_STATUS(device_sync_on(&w, &w.d[0], &l).status, EDN_E_SERVER);
        CHECK_SYNCED(device_sync(&w, &w.d[0]));
        world_free(&w);
    }
}

static void junk_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    edn_bytes *batches = edn_arena_calloc(a, 2000, sizeof *batches);

    (void)ctx;
    (void)w;
    CHECK(batches != NULL);
    for (size_t i = 0; i < 2000; i++) {
        uint8_t *p = edn_arena_alloc(a, EDN_BATCH_SIZE_MIN);
        CHECK(p != NULL);
        memcpy(p, m->batches[0].p, EDN_BATCH_SIZE_MIN);
        edn_store_u32(p + 40, (uint32_t)i + 0x10000000u); /* the device */
        batches[i] = edn_bytes_of(p, EDN_BATCH_SIZE_MIN);
    }
    m->batches = batches;
    m->batches_n = 2000;
}
static void bend_junk(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    if (is_pull(asked))
        pulled_bend(w, a, true, junk_message, ctx);
}

static void findings_are_bounded(void **state)
{
    world w;
    line l = {.bend = bend_junk, .requests_max = 12};
    outcome o;

    (void)state;
    world_three(&w);
    o = device_sync_on(&w, &w.d[2], &l);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK_INT(o.findings_n, FINDINGS_MAX);
    CHECK_INT(w.d[2].shelf.n, 0);
    CHECK_SYNCED(device_sync(&w, &w.d[2]));
    world_free(&w);
}

static void big_junk_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    enum { COUNT = 100 };
    uint32_t *next = ctx, padded = edn_padded_size(EDN_PADDING_P1, 70000), size = padded + EDN_BATCH_OVERHEAD;
    edn_bytes *batches = edn_arena_calloc(a, COUNT, sizeof *batches);

    CHECK(batches != NULL);
    for (size_t i = 0; i < COUNT; i++) {
        uint8_t *p = edn_arena_calloc(a, 1, size);
        CHECK(p != NULL);
        memcpy(p, w->srv.shelf.p[0].bytes.p, EDN_BATCH_HEADER_SIZE);
        edn_store_u32(p + 40, 0x10000000u + ++*next);
        edn_store_u32(p + EDN_BATCH_HEADER_SIZE - 4, padded);
        batches[i] = edn_bytes_of(p, size);
    }
    m->batches = batches;
    m->batches_n = COUNT;
}
static void bend_big_junk(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    if (is_pull(asked))
        pulled_bend(w, a, true, big_junk_message, ctx);
}

static void evidence_is_bounded(void **state)
{
    world w;
    uint32_t next = 0;
    line l = {.ctx = &next, .bend = bend_big_junk, .requests_max = 12};
    size_t sum = 0, without = 0;
    outcome o;

    (void)state;
    world_three(&w);
    o = device_sync_on(&w, &w.d[2], &l);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK_INT(o.findings_n, FINDINGS_MAX);
    for (size_t i = 0; i < o.findings_n; i++) {
        sum += o.findings[i].evidence.n;
        without += o.findings[i].evidence.n == 0;
    }
    CHECK(sum <= EVIDENCE_SIZE_MAX && sum > EVIDENCE_SIZE_MAX - 100000);
    CHECK(without > 0);
    world_free(&w);
}

/* ---- a device that lies ------------------------------------------------------------------------------------------ */

/* On the server, in the place of the first device's batch `dseq`: another, signed by it too. */
static void server_swap(world *w, const device *d, uint64_t dseq)
{
    kept *k = (kept *)(uintptr_t)shelf_find(&w->srv.shelf, &d->id, dseq);
    edn_head prev = {d->id, 0, {{0}}};
    edn_batch b;

    if (dseq > 1)
        prev = (edn_head){d->id, dseq - 1, shelf_find(&w->srv.shelf, &d->id, dseq - 1)->hash};
    bytes_free(k->bytes);
    k->bytes = world_batch_after(w, d, &prev, NULL, 0, 5);
    k->hash = batch_hash_of(k->bytes, &b);
}

static void two_histories_of_a_device_are_a_fork_and_the_others_go_on(void **state)
{
    world w;
    outcome o;

    (void)state;
    world_three(&w);
    CHECK_SYNCED(device_sync(&w, &w.d[2]));
    server_swap(&w, &w.d[0], 1);
    device_write(&w, &w.d[1]);
    o = device_sync(&w, &w.d[1]);
    check_finding(&o, EDN_E_FORK, true);
    CHECK(outcome_find(&o, EDN_E_FORK)->has_device);
    o = device_sync(&w, &w.d[2]);
    CHECK_STATUS(o.status, EDN_OK);
    check_finding(&o, EDN_E_FORK, true);
    CHECK(!o.figures.synced);
    CHECK_INT(w.d[2].shelf.n, 3);
    CHECK(outcome_find(&o, EDN_E_FORK)->dseq == 1);
    world_free(&w);
}

static void a_batch_after_another_than_ours_is_a_fork(void **state)
{
    world w;
    edn_bytes batch;
    edn_head other;
    outcome o;

    (void)state;
    world_three(&w);
    CHECK_SYNCED(device_sync(&w, &w.d[2]));
    other = (edn_head){w.d[0].id, 1, {{0x77}}};
    batch = world_batch_after(&w, &w.d[0], &other, NULL, 0, 1);
    shelf_put(&w.srv.shelf, batch);
    bytes_free(batch);
    o = device_sync(&w, &w.d[2]);
    CHECK_STATUS(o.status, EDN_OK);
    check_finding(&o, EDN_E_FORK, true);
    CHECK_INT(w.d[2].shelf.n, 2);
    world_free(&w);
}

static void a_contradicted_chain_is_not_sent(void **state)
{
    world w;
    device copy;
    outcome o;

    (void)state;
    world_three(&w);
    CHECK_SYNCED(device_sync(&w, &w.d[2]));
    copy = w.d[0]; /* writes on, but only the third device hears of it */
    copy.shelf = (shelf){0};
    for (size_t i = 0; i < w.d[0].shelf.n; i++)
        shelf_put(&copy.shelf, w.d[0].shelf.p[i].bytes);
    shelf_put(&w.d[2].shelf, device_write(&w, &copy)->bytes);
    server_swap(&w, &w.d[0], 1);
    w.srv.pushes = 0;
    o = device_sync_on(&w, &w.d[2], &(line){.full = true});
    CHECK_STATUS(o.status, EDN_OK);
    CHECK_INT(o.findings_n, 1);
    check_finding(&o, EDN_E_FORK, true);
    CHECK_INT(w.srv.pushes, 0);
    shelf_free(&copy.shelf);
    world_free(&w);
}

static void other_head_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    const edn_head *h = ctx;

    (void)w;
    (void)a;
    for (size_t i = 0; i < m->heads_n; i++)
        if (device_equal(&m->heads[i].device, &h->device))
            m->heads[i] = *h;
}
static void bend_other_head(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    if (is_pull(asked))
        pulled_bend(w, a, true, other_head_message, ctx);
}

static void another_head_without_its_batch_is_only_a_claim(void **state)
{
    (void)state;
    for (int own = 0; own < 2; own++) {
        world w;
        edn_head lie;
        line l = {.ctx = &lie, .bend = bend_other_head, .full = true, .requests_max = 12};
        outcome o;
        world_three(&w);
        CHECK_SYNCED(device_sync(&w, &w.d[0]));
        lie = (edn_head){w.d[own ? 0 : 1].id, own ? 9 : 1, {{0x42}}};
        o = device_sync_on(&w, &w.d[0], &l);
        CHECK_STATUS(o.status, EDN_OK); /* not E_CLONE: a server could stop any device from writing */
        check_finding(&o, EDN_E_FORK, false);
        CHECK(!o.figures.synced);
        o = device_sync(&w, &w.d[0]);
        if (own)
            check_mended(&o);
        else
            CHECK_SYNCED(o);
        world_free(&w);
    }
}

static void a_peer_that_has_seen_another_batch_is_a_fork(void **state)
{
    world w;
    edn_head named, none;
    edn_bytes batch;
    outcome o;

    (void)state;
    world_three(&w);
    device_write(&w, &w.d[0]);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    CHECK_SYNCED(device_sync(&w, &w.d[2]));
    named = (edn_head){w.d[0].id, 1, {{0x66}}};
    none = shelf_head(&w.srv.shelf, &w.d[1].id);
    batch = world_batch_after(&w, &w.d[1], &none, &named, 1, 1);
    shelf_put(&w.srv.shelf, batch);
    bytes_free(batch);
    none = shelf_head(&w.srv.shelf, &w.d[1].id);
    named.dseq++;
    batch = world_batch_after(&w, &w.d[1], &none, &named, 1, 1); /* and again: said once of a device */
    shelf_put(&w.srv.shelf, batch);
    bytes_free(batch);
    o = device_sync(&w, &w.d[2]);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK_INT(o.findings_n, 1);
    check_finding(&o, EDN_E_FORK, true);
    CHECK(device_equal(&o.findings[0].device, &w.d[0].id));
    CHECK_INT(w.d[2].shelf.n, 5); /* what the peer wrote is kept all the same */
    world_free(&w);
}

/* Not the newest, and of the same sync: it is not kept yet when somebody names another in its place. */
static void another_batch_than_one_that_came_along_is_a_fork(void **state)
{
    world w;
    edn_head named, prev;
    edn_bytes batch;
    outcome o;

    (void)state;
    world_three(&w);
    for (int i = 0; i < 4; i++)
        device_write(&w, &w.d[0]);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    named = (edn_head){w.d[0].id, 2, {{0x42}}};
    prev = shelf_head(&w.srv.shelf, &w.d[1].id);
    batch = world_batch_after(&w, &w.d[1], &prev, &named, 1, 1);
    shelf_put(&w.srv.shelf, batch);
    bytes_free(batch);
    o = device_sync(&w, &w.d[2]);
    CHECK_STATUS(o.status, EDN_OK);
    check_finding(&o, EDN_E_FORK, true);
    CHECK(device_equal(&outcome_find(&o, EDN_E_FORK)->device, &w.d[0].id));
    world_free(&w);
}

static void a_debt_paid_with_another_batch_is_a_fork(void **state)
{
    world w;
    hide h;
    line l = {.ctx = &h, .bend = bend_hide};
    outcome o;

    (void)state;
    world_three(&w);
    h = (hide){w.d[0].id, true};
    l.full = true;
    CHECK_SYNCED(device_sync(&w, &w.d[1]));
    device_write(&w, &w.d[1]);
    CHECK_SYNCED(device_sync(&w, &w.d[1]));
    o = device_sync_on(&w, &w.d[2], &l);
    CHECK_INT(w.d[2].claims_n, 1);
    server_swap(&w, &w.d[0], 1);
    o = device_sync_on(&w, &w.d[2], &(line){.full = true});
    CHECK_STATUS(o.status, EDN_OK);
    check_finding(&o, EDN_E_FORK, false);
    CHECK_INT(w.d[2].claims_n, 0);
    world_free(&w);
}

/* ---- clones ------------------------------------------------------------------------------------------------------ */

static void shelf_copy(shelf *to, const shelf *from)
{
    for (size_t i = 0; i < from->n; i++)
        shelf_put(to, from->p[i].bytes);
}

/* The first device is copied after `common` batches; the copy writes `theirs` and syncs, the original writes `ours`. */
static void clone_run(uint64_t common, uint64_t theirs, uint64_t ours, bool original_synced)
{
    world w;
    device copy;
    outcome o;

    world_init(&w);
    for (uint64_t i = 0; i < common; i++)
        device_write(&w, &w.d[0]);
    if (original_synced)
        CHECK_SYNCED(device_sync(&w, &w.d[0]));
    copy = w.d[0];
    copy.shelf = (shelf){0};
    shelf_copy(&copy.shelf, &w.d[0].shelf);
    links_copy(&copy.links, &w.d[0].links);
    copy.remote = (edn_sync_remote){.origin = WORLD_ORIGIN};
    for (uint64_t i = 0; i < theirs; i++)
        device_write(&w, &copy);
    CHECK_SYNCED(device_sync(&w, &copy));
    for (uint64_t i = 0; i < ours; i++)
        device_write(&w, &w.d[0]);
    w.srv.pull_batches_max = 2; /* the proof comes in pieces */
    o = device_sync(&w, &w.d[0]);
    CHECK_STATUS(o.status, EDN_E_CLONE);
    check_finding(&o, EDN_E_CLONE, true);
    CHECK_INT(o.figures.clone_dseq, common);
    CHECK(!o.figures.synced);
    CHECK_INT(w.d[0].shelf.n, common + ours); /* nothing is lost */
    CHECK_INT(w.srv.shelf.n, common + theirs);
    shelf_free(&copy.shelf);
    links_free(&copy.links);
    edn_sync_remote_dispose(&copy.remote);
    world_free(&w);
}

static void a_restored_device_is_told_where_it_parted_from_itself(void **state)
{
    (void)state;
    for (int synced = 0; synced < 2; synced++) {
        clone_run(3, 1, 0, synced); /* an old copy that wrote nothing yet */
        clone_run(3, 1, 1, synced); /* the same number twice */
        clone_run(3, 4, 1, synced);
        clone_run(7, 1, 5, synced);
        clone_run(7, 5, 1, synced);
        clone_run(0, 1, 1, synced);
    }
}

static void the_proof_of_a_clone_is_asked_for_no_further_than_it_goes(void **state)
{
    world w;
    device copy;
    outcome o;

    (void)state;
    world_init(&w);
    for (int i = 0; i < 3; i++)
        device_write(&w, &w.d[0]);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    copy = w.d[0];
    copy.shelf = (shelf){0};
    shelf_copy(&copy.shelf, &w.d[0].shelf);
    copy.remote = (edn_sync_remote){.origin = WORLD_ORIGIN};
    for (int i = 0; i < 20; i++)
        device_write(&w, &copy);
    CHECK_SYNCED(device_sync(&w, &copy));
    w.srv.pull_batches_max = 2;
    w.srv.pulls = 0;
    o = device_sync(&w, &w.d[0]);
    CHECK_STATUS(o.status, EDN_E_CLONE);
    CHECK_INT(w.srv.pulls, 1); /* the very first answer shows it, right behind what was signed for */
    shelf_free(&copy.shelf);
    edn_sync_remote_dispose(&copy.remote);
    world_free(&w);
}

static void a_clone_of_an_older_state_than_was_signed_for_is_told_where_it_parted(void **state)
{
    world w;
    device copy;
    outcome o;

    (void)state;
    world_init(&w);
    for (int i = 0; i < 5; i++)
        device_write(&w, &w.d[0]);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    copy = w.d[0];
    copy.shelf = (shelf){0};
    for (size_t i = 0; i < 2; i++)
        shelf_put(&copy.shelf, w.d[0].shelf.p[i].bytes);
    copy.remote = (edn_sync_remote){.origin = WORLD_ORIGIN};
    shelf_cut(&w.srv.shelf, 2); /* the server went back too */
    device_write(&w, &copy);
    CHECK_SYNCED(device_sync(&w, &copy));
    o = device_sync(&w, &w.d[0]);
    CHECK_STATUS(o.status, EDN_E_CLONE);
    CHECK_INT(o.figures.clone_dseq, 2);
    shelf_free(&copy.shelf);
    edn_sync_remote_dispose(&copy.remote);
    world_free(&w);
}

static void a_clone_that_only_a_peer_has_seen_is_told_too(void **state)
{
    world w;
    edn_head named, prev;
    edn_bytes batch;
    outcome o;

    (void)state;
    world_three(&w);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    named = (edn_head){w.d[0].id, 5, {{0x11}}};
    prev = shelf_head(&w.srv.shelf, &w.d[1].id);
    batch = world_batch_after(&w, &w.d[1], &prev, &named, 1, 1);
    shelf_put(&w.srv.shelf, batch);
    bytes_free(batch);
    o = device_sync(&w, &w.d[0]);
    CHECK_STATUS(o.status, EDN_E_CLONE);
    check_finding(&o, EDN_E_CLONE, true);
    CHECK_INT(o.figures.clone_dseq, 1);
    CHECK_INT(w.d[0].shelf.n, 2); /* what the peer wrote rests on the copy: it comes again under the new id */
    world_free(&w);
}

/* ---- devices that may not write ---------------------------------------------------------------------------------- */

static void a_revoked_device_counts_up_to_its_cut_and_no_further(void **state)
{
    world w;
    device *b, *c;
    outcome o;

    (void)state;
    world_three(&w);
    b = &w.d[1];
    c = &w.d[2];
    for (int i = 0; i < 3; i++)
        device_write(&w, b);
    CHECK_SYNCED(device_sync(&w, b)); /* b: 1 to 4 on the server */
    world_revoke(&w, b, 2, &shelf_find(&b->shelf, &b->id, 2)->hash);
    CHECK_SYNCED(device_sync(&w, c)); /* what does not count is missing nowhere */
    CHECK_INT(shelf_head(&c->shelf, &b->id).dseq, 2);
    CHECK_INT(c->late.n, 2); /* and is handed over once, apart */
    CHECK_INT(shelf_head(&c->late, &b->id).dseq, 4);
    CHECK_SYNCED(device_sync_on(&w, c, &(line){.full = true}));
    CHECK_INT(c->late.n, 2);
    shelf_cut(&w.srv.shelf, 3); /* a: 1, b: 1 and 2 */
    o = device_sync_on(&w, c, &(line){.full = true});
    CHECK_SYNCED(o);
    world_free(&w);
}

/* How many batches all pulls of a sync brought. */
static void bend_count(void *ctx, world *w, const edn_sync_action *asked, answer *x)
{
    edn_arena a = edn_arena_init(SIZE_MAX);
    edn_msg_pulled m;

    (void)w;
    if (is_pull(asked) && x->status == 200) {
        CHECK_OK(edn_pulled_decode(&a, edn_buf_view(&x->body), &m));
        *(size_t *)ctx += m.batches_n;
    }
    edn_arena_dispose(&a);
}

/* One more of `d`, which the server takes in as one that does not know better. */
static kept late_write(world *w, const device *d, size_t record_size)
{
    edn_head last = shelf_head(&w->srv.shelf, &d->id);
    edn_bytes batch = world_batch_after(w, d, &last, NULL, 0, record_size);

    shelf_put(&w->srv.shelf, batch);
    bytes_free(batch);
    return w->srv.shelf.p[w->srv.shelf.n - 1];
}

static void what_comes_behind_a_cut_comes_once_however_it_comes(void **state)
{
    world w;
    device *b, *c;
    size_t brought = 0;
    line counted = {.ctx = &brought, .bend = bend_count, .full = true};

    (void)state;
    world_three(&w);
    b = &w.d[1];
    c = &w.d[2];
    CHECK_SYNCED(device_sync(&w, c));
    for (int i = 0; i < 5; i++)
        late_write(&w, b, 10); /* b: 2 to 6, which nobody has seen */
    world_revoke(&w, b, 1, &shelf_find(&b->shelf, &b->id, 1)->hash);
    w.srv.pull_batches_max = 2; /* a cut answer is asked on for */
    CHECK_SYNCED(device_sync_on(&w, c, &counted));
    CHECK_INT(brought, 5);
    CHECK_INT(shelf_head(&c->shelf, &b->id).dseq, 1);
    CHECK_INT(shelf_head(&c->late, &b->id).dseq, 6);
    brought = 0;
    CHECK_SYNCED(device_sync_on(&w, c, &counted));
    CHECK_INT(brought, 0);
    late_write(&w, b, 10); /* the server takes in another one */
    CHECK_SYNCED(device_sync_on(&w, c, &counted));
    CHECK_INT(brought, 1);
    CHECK_INT(c->late.n, 6);
    brought = 0; /* nothing of a device counts whose cut is 0: all comes apart, to a device that is new too */
    shelf_cut(&c->shelf, 0);
    shelf_cut(&c->late, 0);
    edn_sync_remote_dispose(&c->remote);
    c->remote.origin = WORLD_ORIGIN;
    CHECK_SYNCED(device_sync_on(&w, c, &counted));
    CHECK_INT(c->late.n, 6);
    CHECK_SYNCED(device_sync(&w, &w.d[0])); /* the device that revoked it learns of them as well */
    CHECK_INT(w.d[0].late.n, 6);
    world_free(&w);
}

/* A thief signs what does not open: an honest server cannot know, and gives it out. */
static void late_write_shut(world *w, const device *d)
{
    edn_head last = shelf_head(&w->srv.shelf, &d->id);
    edn_buf out = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_space_key key = {{0x77}}; /* nobody's */
    edn_random random = world_random(w);
    edn_batch_header h = {.kind = EDN_BATCH_OPS,
                          .space = w->space,
                          .device = d->id,
                          .dseq = last.dseq + 1,
                          .prev = last.hash,
                          .epoch = 0,
                          .log_seq = edn_devlog_count(d->links.log) - 1,
                          .log_head = edn_devlog_head(d->links.log)};
    edn_buf body = EDN_BUF_INIT(4096);

    CHECK_OK(edn_body_encode(&body, NULL, 0, NULL, 0));
    CHECK_OK(edn_batch_seal(&out, &h, EDN_PADDING_P1, &key, &d->sk, edn_buf_view(&body), &random));
    shelf_put(&w->srv.shelf, edn_buf_view(&out));
    edn_buf_dispose(&body);
    edn_buf_dispose(&out);
}

static void what_does_not_open_behind_a_cut_is_told_once_and_what_follows_it_comes(void **state)
{
    world w;
    device *b, *c;
    outcome o;

    (void)state;
    world_three(&w);
    b = &w.d[1];
    c = &w.d[2];
    CHECK_SYNCED(device_sync(&w, c));
    late_write_shut(&w, b);
    late_write(&w, b, 10);
    world_revoke(&w, b, 1, &shelf_find(&b->shelf, &b->id, 1)->hash);
    o = device_sync(&w, c);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK_INT(o.findings_n, 1);
    check_finding(&o, EDN_E_AUTH, true);
    CHECK(o.figures.synced);
    CHECK_INT(c->late.n, 2);
    CHECK_SYNCED(device_sync_on(&w, c, &(line){.full = true}));
    CHECK_INT(c->late.n, 2);
    world_free(&w);
}

/* What the server alone can be to blame for is no device's: it is refused, said each time, and nothing is settled. */
static void what_is_not_signed_behind_a_cut_is_no_ones(void **state)
{
    edn_head next;
    world w;
    device *b, *c, forger;
    outcome o;

    (void)state;
    world_three(&w);
    b = &w.d[1];
    c = &w.d[2];
    CHECK_SYNCED(device_sync(&w, c));
    forger = *b;
    forger.sk = w.d[0].sk;
    late_write(&w, &forger, 10);
    world_revoke(&w, b, 1, &shelf_find(&b->shelf, &b->id, 1)->hash);
    for (int i = 0; i < 2; i++) {
        o = device_sync_on(&w, c, &(line){.full = true});
        CHECK_STATUS(o.status, EDN_OK);
        check_finding(&o, EDN_E_SIG, true);
        CHECK_INT(c->late.n, 0);
    }
    w.srv.shelf.n--; /* the true one may still come */
    bytes_free(w.srv.shelf.p[w.srv.shelf.n].bytes);
    late_write(&w, b, 10);
    CHECK_SYNCED(device_sync_on(&w, c, &(line){.full = true}));
    CHECK_INT(c->late.n, 1);
    /* Made under the very link that revokes it: it knew. A gap, and another history behind what is settled. */
    links_put(&b->links, w.srv.links.p[w.srv.links.n - 1]);
    late_write(&w, b, 10);
    o = device_sync_on(&w, c, &(line){.full = true});
    check_finding(&o, EDN_E_SIGNER_REVOKED, true);
    CHECK_INT(c->late.n, 1);
    links_cut(&b->links, b->links.n - 1);
    w.srv.shelf.n--;
    bytes_free(w.srv.shelf.p[w.srv.shelf.n].bytes);
    next = shelf_head(&w.srv.shelf, &b->id);
    next.hash.b[0] ^= 1;
    edn_bytes other = world_batch_after(&w, b, &next, NULL, 0, 10);
    shelf_put(&w.srv.shelf, other);
    bytes_free(other);
    o = device_sync_on(&w, c, &(line){.full = true});
    check_finding(&o, EDN_E_FORK, true);
    CHECK_INT(c->late.n, 1);
    world_free(&w);
}

static void a_revoked_device_is_told_so(void **state)
{
    world w;
    outcome o;

    (void)state;
    world_three(&w);
    CHECK_SYNCED(device_sync(&w, &w.d[1]));
    world_revoke(&w, &w.d[1], 1, &shelf_find(&w.d[1].shelf, &w.d[1].id, 1)->hash);
    o = device_sync(&w, &w.d[1]); /* its token still works here */
    check_finding(&o, EDN_E_SIGNER_REVOKED, false);
    w.d[1].remote.token[0] = 0;
    o = device_sync_on(&w, &w.d[1], &(line){.full = true});
    CHECK_STATUS(o.status, EDN_E_DENIED);
    check_finding(&o, EDN_E_DENIED, false);
    world_free(&w);
}

static void a_cut_that_names_another_batch_is_a_fork(void **state)
{
    world w;
    edn_hash other = {{0x55}};
    outcome o;

    (void)state;
    world_three(&w);
    world_revoke(&w, &w.d[1], 1, &other);
    o = device_sync(&w, &w.d[2]);
    CHECK_STATUS(o.status, EDN_OK);
    check_finding(&o, EDN_E_FORK, true);
    CHECK_INT(shelf_head(&w.d[2].shelf, &w.d[1].id).dseq, 0);
    world_free(&w);
}

static void a_device_without_the_right_to_write_is_refused(void **state)
{
    world w;
    device reader;
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_head none;
    edn_bytes batch;
    outcome o;

    (void)state;
    world_three(&w);
    memset(&reader, 0, sizeof reader);
    device_keys(&w, &reader);
    world_add_link(&link, w.srv.links.log, &w.d[0], &reader, EDN_CAP_READ);
    links_put(&w.srv.links, edn_buf_view(&link));
    reader.links = w.srv.links;
    none = (edn_head){reader.id, 0, {{0}}};
    batch = world_batch_after(&w, &reader, &none, NULL, 0, 1);
    shelf_put(&w.srv.shelf, batch);
    o = device_sync(&w, &w.d[2]);
    CHECK_STATUS(o.status, EDN_OK);
    check_finding(&o, EDN_E_CAP, true);
    CHECK_INT(w.d[2].shelf.n, 2);
    bytes_free(batch);
    edn_buf_dispose(&link);
    world_free(&w);
}

/* ---- batches that wait ------------------------------------------------------------------------------------------- */

static void gap_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    size_t n = 0;

    (void)ctx;
    (void)a;
    for (size_t i = 0; i < m->batches_n; i++) {
        edn_batch b;
        CHECK_OK(edn_batch_decode(m->batches[i], &b));
        if (!device_equal(&b.header.device, &w->d[0].id) || b.header.dseq != 2)
            m->batches[n++] = m->batches[i];
    }
    m->batches_n = n;
}
static void bend_gap(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    if (is_pull(asked))
        pulled_bend(w, a, true, gap_message, ctx);
}

static void a_batch_behind_a_gap_waits_and_is_named_at_the_end(void **state)
{
    world w;
    line l = {.bend = bend_gap};
    outcome o;

    (void)state;
    world_three(&w);
    device_write(&w, &w.d[0]);
    device_write(&w, &w.d[0]);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    o = device_sync_on(&w, &w.d[2], &l);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK_INT(o.findings_n, 1);
    check_finding(&o, EDN_E_CHAIN, false);
    CHECK_INT(o.findings[0].dseq, 3);
    CHECK_INT(shelf_head(&w.d[2].shelf, &w.d[0].id).dseq, 1);
    CHECK_SYNCED(device_sync(&w, &w.d[2]));
    world_free(&w);
}

static void what_a_refused_batch_was_named_by_is_taken_all_the_same(void **state)
{
    world w;
    flip f;
    line l = {.ctx = &f, .bend = bend_flip};
    outcome o;

    (void)state;
    world_three(&w);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    device_write(&w, &w.d[0]); /* it names the second device's batch, which comes broken */
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    f = (flip){w.d[1].id, 1, EDN_BATCH_HEADER_SIZE + 100, false};
    o = device_sync_on(&w, &w.d[2], &l);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK_INT(shelf_head(&w.d[2].shelf, &w.d[0].id).dseq, 2);
    CHECK_INT(shelf_head(&w.d[2].shelf, &w.d[1].id).dseq, 0);
    CHECK_SYNCED(device_sync(&w, &w.d[2]));
    world_free(&w);
}

/* Each of two devices says that it had seen the other's, which cannot be: both are taken, and one of them has lied. */
static void batches_that_wait_for_each_other_are_taken(void **state)
{
    world w;
    edn_head named, prev;
    edn_bytes batch;
    outcome o;

    (void)state;
    world_three(&w);
    named = (edn_head){w.d[1].id, 2, {{0x42}}};
    prev = shelf_head(&w.srv.shelf, &w.d[0].id);
    batch = world_batch_after(&w, &w.d[0], &prev, &named, 1, 1);
    shelf_put(&w.srv.shelf, batch);
    bytes_free(batch);
    named = shelf_head(&w.srv.shelf, &w.d[0].id);
    prev = shelf_head(&w.srv.shelf, &w.d[1].id);
    batch = world_batch_after(&w, &w.d[1], &prev, &named, 1, 1);
    shelf_put(&w.srv.shelf, batch);
    bytes_free(batch);
    w.circle = true;
    o = device_sync(&w, &w.d[2]);
    CHECK_STATUS(o.status, EDN_OK);
    check_finding(&o, EDN_E_FORK, true);
    CHECK(device_equal(&outcome_find(&o, EDN_E_FORK)->device, &w.d[1].id));
    CHECK_INT(shelf_head(&w.d[2].shelf, &w.d[0].id).dseq, 2);
    CHECK_INT(shelf_head(&w.d[2].shelf, &w.d[1].id).dseq, 2);
    world_free(&w);
}

static void a_batch_under_links_that_are_not_here_waits(void **state)
{
    world w;
    line l = {.bend = bend_link_drop};
    outcome o;

    (void)state;
    world_three(&w);
    world_add(&w);
    device_write(&w, &w.d[0]);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    o = device_sync_on(&w, &w.d[2], &l);
    CHECK_STATUS(o.status, EDN_OK);
    check_finding(&o, EDN_E_CHAIN, false);
    check_finding(&o, EDN_E_WITHHELD, false); /* the link */
    CHECK_INT(shelf_head(&w.d[2].shelf, &w.d[0].id).dseq, 1);
    CHECK_SYNCED(device_sync(&w, &w.d[2]));
    world_free(&w);
}

static void a_batch_made_under_another_log_is_a_fork(void **state)
{
    world w;
    device liar;
    edn_head prev;
    edn_bytes batch;
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    outcome o;

    (void)state;
    world_three(&w);
    liar = w.d[0];
    links_init(&liar.links);
    links_put(&liar.links, w.d[0].links.p[0]);
    device other = {0};
    device_keys(&w, &other);
    world_add_link(&link, liar.links.log, &w.d[0], &other, EDN_CAP_READ);
    links_put(&liar.links, edn_buf_view(&link));
    prev = shelf_head(&w.srv.shelf, &liar.id);
    batch = world_batch_after(&w, &liar, &prev, NULL, 0, 1);
    shelf_put(&w.srv.shelf, batch);
    o = device_sync(&w, &w.d[2]);
    CHECK_STATUS(o.status, EDN_OK);
    check_finding(&o, EDN_E_FORK, true);
    CHECK_INT(shelf_head(&w.d[2].shelf, &liar.id).dseq, 1);
    bytes_free(batch);
    links_free(&liar.links);
    edn_buf_dispose(&link);
    world_free(&w);
}

static void a_batch_under_a_key_that_is_not_here_stays_there(void **state)
{
    world w;
    edn_head prev;
    edn_batch_header h;
    edn_buf body = EDN_BUF_INIT(4096), out = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_space_key key = {{3}};
    edn_random random;
    outcome o;

    (void)state;
    world_three(&w);
    random = world_random(&w);
    prev = shelf_head(&w.srv.shelf, &w.d[0].id);
    h = (edn_batch_header){.kind = EDN_BATCH_OPS,
                           .space = w.space,
                           .device = w.d[0].id,
                           .dseq = 2,
                           .prev = prev.hash,
                           .epoch = 7,
                           .log_seq = 0};
    CHECK(edn_devlog_hash_at(w.d[0].links.log, 0, &h.log_head));
    CHECK_OK(edn_body_encode(&body, NULL, 0, NULL, 0));
    CHECK_OK(edn_batch_seal(&out, &h, EDN_PADDING_P2, &key, &w.d[0].sk, edn_buf_view(&body), &random));
    shelf_put(&w.srv.shelf, edn_buf_view(&out));
    o = device_sync(&w, &w.d[2]);
    CHECK_STATUS(o.status, EDN_OK);
    check_finding(&o, EDN_E_EPOCH, false); /* its key may be on the way: it stays there */
    CHECK_INT(w.d[2].shelf.n, 2);
    edn_buf_dispose(&body);
    edn_buf_dispose(&out);
    world_free(&w);
}

static void the_pins_of_a_checkpoint_are_owed(void **state)
{
    world w;
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_link_signer signer;
    edn_pin pin;
    outcome o;

    (void)state;
    world_three(&w);
    signer = (edn_link_signer){&w.d[0].id, &w.d[0].sk, WORLD_T0 + 3};
    pin = (edn_pin){w.space, w.d[0].id, 4, {{0x12}}};
    CHECK_OK(edn_link_checkpoint(&link, w.d[0].links.log, &signer, &pin, 1));
    links_put(&w.srv.links, edn_buf_view(&link));
    o = device_sync(&w, &w.d[2]); /* the server shows an older state than the account's own pin */
    CHECK_STATUS(o.status, EDN_OK);
    CHECK_INT(w.d[2].claims_n, 1);
    CHECK_INT(w.d[2].claims[0].head.dseq, 4);
    w.d[2].clock_ms += EDN_CLAIM_GRACE_MS;
    o = device_sync(&w, &w.d[2]);
    check_finding(&o, EDN_E_WITHHELD, false);
    edn_buf_dispose(&link);
    world_free(&w);
}

static void a_batch_of_ours_that_cannot_be_read_is_named_and_the_rest_sent(void **state)
{
    world w;
    outcome o;

    (void)state;
    world_three(&w);
    CHECK_SYNCED(device_sync(&w, &w.d[0]));
    shelf_cut(&w.srv.shelf, 0);
    for (size_t i = 0; i < w.d[0].shelf.n; i++)
        if (device_equal(&w.d[0].shelf.p[i].device, &w.d[1].id))
            memset(&w.d[0].shelf.p[i].device, 0xee, 16); /* out of reach, though its head is known */
    edn_head heads[64];
    view_ctx v = {&w, &w.d[0]};
    edn_sync *s;
    CHECK_OK(device_sync_begin(&w, &w.d[0], &v, heads, true, &s));
    CHECK_OK(edn_head_map_set(&s->have, &(edn_head){w.d[1].id, 1, {{1}}}));
    edn_head_map_remove(&s->have, &w.d[0].shelf.p[1].device);
    for (;;) {
        edn_sync_action a = edn_sync_step(s, w.d[0].clock_ms);
        if (a.kind == EDN_SYNC_DONE)
            break;
        answer out = {.body = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
        server_handle(&w, &a, &out);
        edn_sync_answered(s, w.d[0].clock_ms, out.carried, out.status, 0, edn_buf_view(&out.body));
        edn_buf_dispose(&out.body);
    }
    o = device_sync_end(&w.d[0], s, EDN_OK);
    check_finding(&o, EDN_E_DAMAGED, false);
    CHECK_INT(w.srv.shelf.n, 1);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_altered_at_any_byte_is_never_accepted),
        cmocka_unit_test(a_truncated_batch_is_never_accepted),
        cmocka_unit_test(the_box_of_another_batch_is_refused),
        cmocka_unit_test(duplicates_of_everything_in_any_order_are_applied_once),
        cmocka_unit_test(a_batch_that_the_server_names_but_does_not_give_is_withheld),
        cmocka_unit_test(what_a_peer_has_seen_is_owed_and_its_absence_becomes_an_alarm),
        cmocka_unit_test(one_late_sync_is_no_alarm_and_a_clock_that_went_back_begins_again),
        cmocka_unit_test(a_debt_that_is_paid_leaves_the_others),
        cmocka_unit_test(debts_are_bounded_and_keep_the_oldest_and_the_newest),
        cmocka_unit_test(every_older_state_of_the_server_is_noticed_within_one_sync_and_mended),
        cmocka_unit_test(a_rollback_is_noticed_when_there_is_something_to_send_too),
        cmocka_unit_test(links_that_the_server_lost_are_a_rollback_and_sent_again),
        cmocka_unit_test(links_that_the_server_names_but_does_not_give_are_withheld),
        cmocka_unit_test(another_device_log_stops_the_sync_and_changes_nothing),
        cmocka_unit_test(another_device_log_is_named_to_whom_it_shuts_out),
        cmocka_unit_test(a_log_head_that_its_links_do_not_lead_to_stops_the_sync),
        cmocka_unit_test(a_ghost_device_is_not_believed),
        cmocka_unit_test(a_receipt_altered_at_any_byte_never_counts),
        cmocka_unit_test(another_receipt_key_than_the_pinned_one_never_counts),
        cmocka_unit_test(a_receipt_of_another_state_never_counts),
        cmocka_unit_test(a_server_that_never_ends_is_left),
        cmocka_unit_test(a_server_that_takes_nothing_is_left_and_named),
        cmocka_unit_test(an_answer_that_is_too_long_is_not_read),
        cmocka_unit_test(another_origin_gets_no_login),
        cmocka_unit_test(a_token_that_cannot_stand_in_a_header_or_is_dead_is_refused),
        cmocka_unit_test(findings_are_bounded),
        cmocka_unit_test(two_histories_of_a_device_are_a_fork_and_the_others_go_on),
        cmocka_unit_test(a_batch_after_another_than_ours_is_a_fork),
        cmocka_unit_test(another_head_without_its_batch_is_only_a_claim),
        cmocka_unit_test(a_peer_that_has_seen_another_batch_is_a_fork),
        cmocka_unit_test(another_batch_than_one_that_came_along_is_a_fork),
        cmocka_unit_test(a_debt_paid_with_another_batch_is_a_fork),
        cmocka_unit_test(a_restored_device_is_told_where_it_parted_from_itself),
        cmocka_unit_test(a_clone_that_only_a_peer_has_seen_is_told_too),
        cmocka_unit_test(a_revoked_device_counts_up_to_its_cut_and_no_further),
        cmocka_unit_test(what_comes_behind_a_cut_comes_once_however_it_comes),
        cmocka_unit_test(what_does_not_open_behind_a_cut_is_told_once_and_what_follows_it_comes),
        cmocka_unit_test(what_is_not_signed_behind_a_cut_is_no_ones),
        cmocka_unit_test(a_revoked_device_is_told_so),
        cmocka_unit_test(a_cut_that_names_another_batch_is_a_fork),
        cmocka_unit_test(a_device_without_the_right_to_write_is_refused),
        cmocka_unit_test(a_batch_behind_a_gap_waits_and_is_named_at_the_end),
        cmocka_unit_test(what_a_refused_batch_was_named_by_is_taken_all_the_same),
        cmocka_unit_test(batches_that_wait_for_each_other_are_taken),
        cmocka_unit_test(a_batch_under_links_that_are_not_here_waits),
        cmocka_unit_test(a_batch_made_under_another_log_is_a_fork),
        cmocka_unit_test(a_batch_under_a_key_that_is_not_here_stays_there),
        cmocka_unit_test(the_pins_of_a_checkpoint_are_owed),
        cmocka_unit_test(a_batch_of_ours_that_cannot_be_read_is_named_and_the_rest_sent),
        cmocka_unit_test(no_more_debts_are_kept_than_there_is_room_for),
        cmocka_unit_test(what_a_revoked_device_would_have_written_is_owed_no_more),
        cmocka_unit_test(what_a_device_says_of_itself_is_no_debt),
        cmocka_unit_test(another_link_in_the_place_of_a_pinned_one_stops_the_sync_and_is_named),
        cmocka_unit_test(links_past_the_claimed_end_are_not_taken),
        cmocka_unit_test(a_forged_batch_does_not_keep_out_the_true_one_beside_it),
        cmocka_unit_test(evidence_is_bounded),
        cmocka_unit_test(a_contradicted_chain_is_not_sent),
        cmocka_unit_test(one_devices_batches_that_are_refused_keep_no_others_back),
        cmocka_unit_test(a_refused_batch_is_sent_once_though_there_is_more_to_pull),
        cmocka_unit_test(a_clone_of_an_older_state_than_was_signed_for_is_told_where_it_parted),
        cmocka_unit_test(a_receipt_key_that_is_none_is_not_pinned),
        cmocka_unit_test(what_another_sent_in_the_meantime_is_found_there_at_the_end),
        cmocka_unit_test(a_text_that_is_too_long_is_cut_at_a_character),
        cmocka_unit_test(the_proof_of_a_clone_is_asked_for_no_further_than_it_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
