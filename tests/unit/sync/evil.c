/* The evil server of SECURITY 1: the true server's core, in process, behind a layer that rewrites what it says. It has
 * the server's own keys, so that its lies are signed where a server can sign. */
#include "sync/world.h"

#include "server/server_priv.h"
#include "sync/sync_priv.h"
#include "server_kit.h"

typedef struct evil {
    world w;
    kit k;
    edn_bytes saved; /* what the server's disk was */
    shelf authored;  /* every batch that a device ever wrote */
} evil;

/* ---- the true server --------------------------------------------------------------------------------------------- */

static void serve(void *ctx, world *w, const edn_sync_action *asked, answer *out)
{
    evil *e = ctx;
    edn_server_answer a;

    (void)w;
    kit_exchange(&e->k, asked->post ? "POST" : "GET", asked->path,
                 asked->bearer ? edn_bytes_str(asked->bearer) : EDN_BYTES_EMPTY, asked->body, &a);
    out->carried = EDN_OK;
    out->status = a.status;
    out->retry_after_s = a.retry_after_s;
    edn_put_bytes(&out->body, a.body.p, a.body.n);
    edn_server_answer_dispose(&a);
}

static void evil_init(evil *e, size_t devices)
{
    memset(e, 0, sizeof *e);
    kit_init(&e->k);
    kit_close(&e->k);
    e->k.config.origin = WORLD_ORIGIN;
    e->k.config.limits.login_account_per_min = 0;
    e->k.config.limits.bytes_per_s = 0;
    e->k.now_ms = WORLD_T0;
    kit_open(&e->k);
    world_init(&e->w);
    while (e->w.n < devices)
        world_add(&e->w);
}

static void evil_free(evil *e)
{
    bytes_free(e->saved);
    shelf_free(&e->authored);
    world_free(&e->w);
    kit_dispose(&e->k);
}

static outcome honest_sync_full(evil *e, size_t i, bool full)
{
    line l = {.ctx = e, .serve = serve, .full = full};
    return device_sync_on(&e->w, &e->w.d[i], &l);
}
static outcome honest_sync(evil *e, size_t i) { return honest_sync_full(e, i, false); }

static void evil_write(evil *e, size_t i) { shelf_put(&e->authored, device_write(&e->w, &e->w.d[i])->bytes); }

/* A device that was lied to about the server's key at first contact believes none of its receipts, and says so, until
 * somebody sets the server again. */
static void false_key_mend(evil *e, device *d)
{
    static const edn_sign_pk none;
    line l = {.ctx = e, .serve = serve, .full = true};
    outcome o;

    if (memcmp(d->remote.receipt_pk.b, e->k.s->receipt_pk.b, 32) == 0 ||
        memcmp(d->remote.receipt_pk.b, none.b, 32) == 0)
        return;
    o = device_sync_on(&e->w, d, &l);
    CHECK(outcome_find(&o, EDN_E_SIG) != NULL);
    CHECK(!o.figures.synced);
    edn_sync_remote_dispose(&d->remote);
    d->remote = (edn_sync_remote){.origin = WORLD_ORIGIN};
}

/* Everybody is in step with the true server, and with everything that anybody wrote. */
static void honest_settle(evil *e, bool after_lies)
{
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < e->w.n; i++) {
            outcome o;
            if (after_lies)
                false_key_mend(e, &e->w.d[i]);
            o = honest_sync(e, i);
            if (round == 0 && after_lies) {
                CHECK_STATUS(o.status, EDN_OK);
                for (size_t j = 0; j < o.findings_n; j++) /* the liar had signed for more than there is */
                    CHECK_STATUS(o.findings[j].status, EDN_E_ROLLBACK);
                CHECK(o.figures.synced);
            } else {
                CHECK_SYNCED(o);
            }
        }
    for (size_t i = 0; i < e->w.n; i++) {
        CHECK_INT(e->w.d[i].shelf.n, e->authored.n);
        for (size_t j = 0; j < e->authored.n; j++) {
            const kept *a = &e->authored.p[j], *b = shelf_find(&e->w.d[i].shelf, &a->device, a->dseq);
            CHECK(b && edn_bytes_equal(a->bytes, b->bytes));
        }
    }
}

/* ---- the server's disk ------------------------------------------------------------------------------------------- */

static edn_bytes disk_read(evil *e)
{
    char path[128];
    edn_bytes out;
    uint8_t *p;
    FILE *f;

    kit_close(&e->k);
    snprintf(path, sizeof path, "%s/meta.db", e->k.dir);
    f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    out.n = (size_t)ftell(f);
    rewind(f);
    p = malloc(out.n);
    assert_non_null(p);
    CHECK_INT(fread(p, 1, out.n, f), out.n);
    fclose(f);
    out.p = p;
    kit_open(&e->k);
    return out;
}

static void disk_write(evil *e, edn_bytes disk)
{
    char path[128];
    FILE *f;

    kit_close(&e->k);
    snprintf(path, sizeof path, "%s/meta.db", e->k.dir);
    f = fopen(path, "wb");
    assert_non_null(f);
    CHECK_INT(fwrite(disk.p, 1, disk.n, f), disk.n);
    fclose(f);
    kit_open(&e->k);
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void the_true_server_and_the_engine_agree(void **state)
{
    evil e;
    outcome o;

    (void)state;
    evil_init(&e, 3);
    evil_write(&e, 0);
    o = honest_sync(&e, 0); /* server, challenge, login, register, challenge, login, pull, push */
    CHECK_SYNCED(o);
    CHECK_INT(o.figures.round_trips, 8);
    o = honest_sync(&e, 0);
    CHECK_SYNCED(o);
    CHECK_INT(o.figures.round_trips, 1); /* nothing new: a probe */
    evil_write(&e, 0);
    o = honest_sync(&e, 0);
    CHECK_SYNCED(o);
    CHECK_INT(o.figures.round_trips, 1); /* an edit: a push */
    evil_write(&e, 1);
    evil_write(&e, 2);
    honest_settle(&e, false);
    o = honest_sync(&e, 2);
    CHECK_INT(o.figures.round_trips, 1);
    evil_free(&e);
}

static void a10_each_earlier_state_is_a_rollback_and_is_mended(void **state)
{
    (void)state;
    for (size_t back = 1; back <= 6; back++) {
        evil e;
        outcome o;
        evil_init(&e, 2);
        CHECK_SYNCED(honest_sync(&e, 0));
        CHECK_SYNCED(honest_sync(&e, 1));
        for (size_t i = 1; i <= 6; i++) {
            if (i == back)
                e.saved = disk_read(&e);
            evil_write(&e, i % 2);
            CHECK_SYNCED(honest_sync(&e, i % 2));
        }
        CHECK_SYNCED(honest_sync(&e, 1));
        disk_write(&e, e.saved);
        o = honest_sync(&e, 1);
        CHECK_STATUS(o.status, EDN_OK);
        CHECK_INT(o.findings_n, 1);
        CHECK_STATUS(o.findings[0].status, EDN_E_ROLLBACK);
        CHECK(o.figures.synced && o.figures.rolled_back);
        CHECK_INT(o.figures.refilled, 7 - back);
        honest_settle(&e, true);
        evil_free(&e);
    }
}

static void a10_a_server_from_before_this_device_was_added_lets_it_in_again(void **state)
{
    evil e;
    outcome o;

    (void)state;
    evil_init(&e, 1);
    evil_write(&e, 0);
    CHECK_SYNCED(honest_sync(&e, 0));
    e.saved = disk_read(&e);
    world_add(&e.w);
    evil_write(&e, 1);
    CHECK_SYNCED(honest_sync(&e, 1)); /* not known: it brings the link that added it */
    CHECK_SYNCED(honest_sync(&e, 0));
    disk_write(&e, e.saved);
    o = honest_sync_full(&e, 1, true);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK(o.figures.synced && o.figures.rolled_back);
    honest_settle(&e, true);
    evil_free(&e);
}

static void a10_an_empty_server_is_filled_again(void **state)
{
    evil e;
    outcome o;

    (void)state;
    evil_init(&e, 2);
    e.saved = disk_read(&e);
    for (size_t i = 0; i < 4; i++) {
        evil_write(&e, i % 2);
        CHECK_SYNCED(honest_sync(&e, i % 2));
    }
    CHECK_SYNCED(honest_sync(&e, 0));
    disk_write(&e, e.saved);
    o = honest_sync_full(&e, 0, true);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK(o.figures.synced && o.figures.rolled_back);
    CHECK_INT(o.figures.refilled, 4);
    honest_settle(&e, true);
    evil_free(&e);
}

/* Two servers with one beginning and the same keys: each group of devices is shown its own. */
static void a11_two_views_do_not_join_unseen(void **state)
{
    (void)state;
    for (uint64_t days = 1; days <= 30; days += 7) {
        evil e;
        edn_bytes left, right;
        outcome o;
        evil_init(&e, 2);
        for (size_t i = 0; i < 2; i++) {
            evil_write(&e, i);
            CHECK_SYNCED(honest_sync(&e, i));
        }
        CHECK_SYNCED(honest_sync(&e, 0));
        left = disk_read(&e);
        right = bytes_copy(left);
        for (uint64_t day = 0; day < days; day++)
            for (size_t i = 0; i < 2; i++) {
                disk_write(&e, i ? right : left);
                e.k.now_ms += 43200000;
                e.w.d[0].clock_ms += 43200000;
                e.w.d[1].clock_ms += 43200000;
                evil_write(&e, i);
                CHECK_SYNCED(honest_sync(&e, i)); /* each believes itself alone: nothing shows it yet */
                bytes_free(i ? right : left);
                *(i ? &right : &left) = disk_read(&e);
            }
        disk_write(&e, left); /* the second device is shown the first one's view */
        o = honest_sync(&e, 1);
        CHECK_STATUS(o.status, EDN_OK);
        CHECK(outcome_find(&o, EDN_E_ROLLBACK) != NULL);
        honest_settle(&e, true); /* what was refilled by it is now one history for both */
        bytes_free(left);
        bytes_free(right);
        evil_free(&e);
    }
}

typedef struct leak {
    evil *e;
    edn_bytes batch;
} leak;

static void leak_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    leak *l = ctx;
    edn_batch b;
    edn_head *heads = edn_arena_calloc(a, m->heads_n + 1, sizeof *heads);
    edn_hash hash = batch_hash_of(l->batch, &b);

    (void)w;
    CHECK(heads && (m->batches = edn_arena_calloc(a, 1, sizeof *m->batches)));
    m->batches[0] = l->batch;
    m->batches_n = 1;
    for (size_t i = 0; i < m->heads_n; i++)
        heads[i] = device_equal(&m->heads[i].device, &b.header.device)
                       ? (edn_head){b.header.device, b.header.dseq, hash}
                       : m->heads[i];
    m->heads = heads;
}
static void bend_leak(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    leak *l = ctx;

    if (is_pull(asked))
        pulled_bend_as(w, a, &l->e->k.s->receipt_sk, leak_message, l);
}
static void serve_leak(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    serve(((leak *)ctx)->e, w, asked, a);
}

/* One batch crosses, and names what the other group has: that is owed from then on. */
static void a11_a_batch_that_leaks_across_raises_an_alarm(void **state)
{
    evil e;
    leak x = {.e = &e};
    line l = {.ctx = &x, .serve = serve_leak, .bend = bend_leak};
    outcome o;

    (void)state;
    evil_init(&e, 3);
    for (size_t i = 0; i < 3; i++) {
        evil_write(&e, i);
        CHECK_SYNCED(honest_sync(&e, i));
    }
    for (size_t i = 0; i < 3; i++)
        CHECK_SYNCED(honest_sync(&e, i));
    e.saved = disk_read(&e); /* all that the third device will be shown */
    evil_write(&e, 0);
    CHECK_SYNCED(honest_sync(&e, 0));
    CHECK_SYNCED(honest_sync(&e, 1));
    evil_write(&e, 1);
    x.batch = e.authored.p[e.authored.n - 1].bytes;
    CHECK_SYNCED(honest_sync(&e, 1));
    edn_bytes true_disk = disk_read(&e);

    disk_write(&e, e.saved);
    l.full = true;
    o = device_sync_on(&e.w, &e.w.d[2], &l);
    CHECK_STATUS(o.status, EDN_OK);
    CHECK_INT(e.w.d[2].claims_n, 1);
    e.w.d[2].clock_ms += EDN_CLAIM_GRACE_MS;
    o = device_sync_on(&e.w, &e.w.d[2], &l);
    CHECK(outcome_find(&o, EDN_E_WITHHELD) != NULL);
    disk_write(&e, true_disk);
    honest_settle(&e, true);
    bytes_free(true_disk);
    evil_free(&e);
}

static void a14_a_cloned_disk_is_found_out_and_nothing_is_lost(void **state)
{
    evil e;
    device copy;
    outcome o;
    line l = {.ctx = &e, .serve = serve};

    (void)state;
    evil_init(&e, 2);
    for (int i = 0; i < 3; i++)
        evil_write(&e, 0);
    CHECK_SYNCED(honest_sync(&e, 0));
    copy = e.w.d[0];
    copy.shelf = (shelf){0};
    copy.remote = (edn_sync_remote){.origin = WORLD_ORIGIN};
    for (size_t i = 0; i < e.w.d[0].shelf.n; i++)
        shelf_put(&copy.shelf, e.w.d[0].shelf.p[i].bytes);
    device_write(&e.w, &copy);
    CHECK_SYNCED(device_sync_on(&e.w, &copy, &l));
    evil_write(&e, 0);
    evil_write(&e, 0);
    o = honest_sync(&e, 0);
    CHECK_STATUS(o.status, EDN_E_CLONE);
    CHECK_INT(o.figures.clone_dseq, 3);
    CHECK(outcome_find(&o, EDN_E_CLONE)->evidence.n > 0);
    CHECK_INT(e.w.d[0].shelf.n, 5);
    shelf_free(&copy.shelf);
    edn_sync_remote_dispose(&copy.remote);
    evil_free(&e);
}

static void a36_a_server_clock_that_jumps_by_years_changes_nothing(void **state)
{
    static const int64_t years[] = {10, -9, 30, -40, 1};
    evil e;

    (void)state;
    evil_init(&e, 2);
    for (size_t i = 0; i < EDN_COUNT(years); i++) {
        e.k.now_ms = (uint64_t)((int64_t)e.k.now_ms + years[i] * 365 * 86400000);
        evil_write(&e, i % 2);
        CHECK_SYNCED(honest_sync(&e, i % 2));
    }
    honest_settle(&e, false);
    evil_free(&e);
}

/* ---- lies at random ---------------------------------------------------------------------------------------------- */

typedef struct liar {
    evil *e;
    check_rng rng;
    edn_buf old[8]; /* earlier answers to pulls, of anybody */
    size_t old_n;
    uint64_t lies;
} liar;

static uint64_t pick(liar *x, uint64_t n) { return check_below(&x->rng, n); }

static void lie_about_batches(liar *x, edn_msg_pulled *m, edn_arena *a, uint64_t how)
{
    size_t i = pick(x, m->batches_n), j = pick(x, m->batches_n);
    edn_bytes t = m->batches[i];
    uint8_t *p = edn_arena_alloc(a, t.n);

    CHECK(p != NULL);
    memcpy(p, t.p, t.n);
    switch (how) {
    case 0: /* another byte */
        p[pick(x, t.n)] ^= (uint8_t)(1 + pick(x, 255));
        m->batches[i] = edn_bytes_of(p, t.n);
        break;
    case 1: /* not there */
        memmove(m->batches + i, m->batches + i + 1, (m->batches_n - i - 1) * sizeof t);
        m->batches_n--;
        break;
    case 2: /* another order */
        m->batches[i] = m->batches[j];
        m->batches[j] = t;
        break;
    case 3: /* twice */
        m->batches[j] = t;
        break;
    case 4: /* the box of another */
        if (m->batches[j].n == t.n)
            memcpy(p + EDN_BATCH_HEADER_SIZE, m->batches[j].p + EDN_BATCH_HEADER_SIZE, t.n - EDN_BATCH_HEADER_SIZE);
        m->batches[i] = edn_bytes_of(p, t.n);
        break;
    default: /* shorter */
        m->batches[i].n = EDN_BATCH_SIZE_MIN + pick(x, t.n - EDN_BATCH_SIZE_MIN + 1);
        break;
    }
}

static void lie_message(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    liar *x = ctx;
    size_t i = m->heads_n ? pick(x, m->heads_n) : 0;

    (void)w;
    switch (pick(x, 8)) {
    case 0:
        m->flags ^= EDN_PULLED_MORE;
        break;
    case 1:
        m->log_count = m->log_count + pick(x, 3) - 1;
        break;
    case 2:
        m->log_head.b[pick(x, 32)] ^= 1;
        break;
    case 3:
        m->links_n = pick(x, m->links_n + 1);
        break;
    case 4:
        if (m->heads_n)
            m->heads[i].dseq = 1 + pick(x, m->heads[i].dseq + 3);
        break;
    case 5:
        if (m->heads_n)
            m->heads[i].hash.b[pick(x, 32)] ^= 1;
        break;
    default:
        if (m->batches_n)
            lie_about_batches(x, m, a, pick(x, 6));
        break;
    }
}

static void lie_in_bytes(liar *x, answer *a)
{
    switch (pick(x, 4)) {
    case 0: /* something older, perhaps another device's */
        if (x->old_n) {
            edn_buf *old = &x->old[pick(x, x->old_n)];
            edn_buf_reset(&a->body);
            edn_put_bytes(&a->body, old->p, old->n);
        }
        break;
    case 1:
        a->body.p[pick(x, a->body.n)] ^= (uint8_t)(1 + pick(x, 255));
        break;
    case 2:
        a->body.n = pick(x, a->body.n);
        break;
    default:
        edn_put_u8(&a->body, 0);
        break;
    }
}

static void bend_lies(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    liar *x = ctx;

    if (is_pull(asked) && a->status == 200) {
        edn_buf *old = &x->old[x->old_n < EDN_COUNT(x->old) ? x->old_n++ : pick(x, EDN_COUNT(x->old))];
        edn_buf_reset(old);
        edn_put_bytes(old, a->body.p, a->body.n);
    }
    if (pick(x, 3) == 0)
        return;
    x->lies++;
    if (is_pull(asked) && a->status == 200 && pick(x, 4))
        pulled_bend_as(w, a, pick(x, 2) ? &x->e->k.s->receipt_sk : NULL, lie_message, x);
    else if (a->body.n && pick(x, 2))
        lie_in_bytes(x, a);
    else if (pick(x, 4) == 0)
        a->status = (int[]){200, 201, 204, 400, 401, 403, 404, 409, 422, 429, 500, 503}[pick(x, 12)];
}
static void serve_lies(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    serve(((liar *)ctx)->e, w, asked, a);
}

static void lies_at_random_lose_nothing_and_add_nothing(void **state)
{
    uint64_t seed = check_seed(), lies = 0, findings = 0;

    (void)state;
    for (uint64_t run = 0; run < 100; run++) {
        evil e;
        liar x = {.e = &e};
        line l = {.ctx = &x, .serve = serve_lies, .bend = bend_lies, .requests_max = 60};
        print_message("# EDN_SEED=%llu\n", (unsigned long long)(seed + run));
        x.rng.s = (seed + run) * 0x9e3779b97f4a7c15u | 1;
        for (size_t i = 0; i < EDN_COUNT(x.old); i++)
            x.old[i] = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        evil_init(&e, 2);
        CHECK_SYNCED(honest_sync(&e, 0));
        CHECK_SYNCED(honest_sync(&e, 1));
        world_add(&e.w); /* a link that the others and the server will hear of */
        for (int moves = 0; moves < 30; moves++) {
            size_t i = pick(&x, e.w.n);
            if (pick(&x, 2)) {
                evil_write(&e, i);
            } else {
                l.full = pick(&x, 2);
                outcome o = device_sync_on(&e.w, &e.w.d[i], &l);
                findings += o.findings_n;
                CHECK(o.status != EDN_E_CLONE && o.status != EDN_E_NOMEM);
            }
        }
        lies += x.lies;
        honest_settle(&e, true);
        for (size_t i = 0; i < EDN_COUNT(x.old); i++)
            edn_buf_dispose(&x.old[i]);
        evil_free(&e);
    }
    print_message("# %llu lies, %llu findings\n", (unsigned long long)lies, (unsigned long long)findings);
    CHECK(lies > 1000 && findings > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_true_server_and_the_engine_agree),
        cmocka_unit_test(a10_each_earlier_state_is_a_rollback_and_is_mended),
        cmocka_unit_test(a10_a_server_from_before_this_device_was_added_lets_it_in_again),
        cmocka_unit_test(a10_an_empty_server_is_filled_again),
        cmocka_unit_test(a11_two_views_do_not_join_unseen),
        cmocka_unit_test(a11_a_batch_that_leaks_across_raises_an_alarm),
        cmocka_unit_test(a14_a_cloned_disk_is_found_out_and_nothing_is_lost),
        cmocka_unit_test(a36_a_server_clock_that_jumps_by_years_changes_nothing),
        cmocka_unit_test(lies_at_random_lose_nothing_and_add_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
