/* The engine with every allocation failing once. A sync is recorded with an honest or bent server first; then its
 * answers are played back, so that no allocation but the engine's own is in the way. */
#include "sync/world.h"

#include "oom.h"

#define ANSWERS_MAX 32u

typedef struct record {
    world w;
    device before; /* as it was when the sync began; links and shelf are w's */
    edn_head heads[64];
    size_t heads_n;
    edn_buf known;
    struct {
        int status;
        edn_bytes body;
    } answers[ANSWERS_MAX];
    size_t answers_n;
    edn_devlog *log;
    edn_status status; /* how the recorded sync ended */
    void (*bend)(void *ctx, world *w, const edn_sync_action *asked, answer *a);
    device *d;
} record;

static void record_answer(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    record *r = ctx;

    if (r->bend)
        r->bend(NULL, w, asked, a);
    CHECK(r->answers_n < ANSWERS_MAX);
    r->answers[r->answers_n].status = a->status;
    r->answers[r->answers_n++].body = bytes_copy(edn_buf_view(&a->body));
}

/* Syncs `d` and remembers what it was told, and from where it began. */
static void record_run(record *r, device *d)
{
    line l = {.ctx = r, .bend = record_answer};

    r->d = d;
    r->heads_n = shelf_heads(&d->shelf, r->heads);
    CHECK_OK(edn_devlog_copy(d->links.log, &r->log));
    r->known = EDN_BUF_INIT(1 << 20);
    edn_sync_remote_put(&r->known, &d->remote);
    r->w.random_state = 99;
    r->status = device_sync_on(&r->w, d, &l).status;
}

static void record_free(record *r)
{
    for (size_t i = 0; i < r->answers_n; i++)
        bytes_free(r->answers[i].body);
    edn_devlog_free(r->log);
    edn_buf_dispose(&r->known);
    world_free(&r->w);
}

/* The same sync again, from the same beginning, over the recorded answers. */
static edn_status record_play(void *ctx)
{
    record *r = ctx;
    char origin[EDN_ORIGIN_SIZE_MAX + 1];
    edn_sync_remote remote = {0};
    edn_sync *s = NULL;
    view_ctx v = {&r->w, r->d}; /* holds more than at the beginning, but the engine asks for what it knows of only */
    edn_sync_setup setup = {.view = device_view(&v),
                            .random = world_random(&r->w),
                            .account = r->w.account,
                            .device = r->d->id,
                            .sk = &r->d->sk,
                            .space = r->w.space,
                            .log = r->log,
                            .heads = r->heads,
                            .heads_n = r->heads_n,
                            .remote = &remote};
    edn_status st;
    size_t at = 0;

    r->w.random_state = 99;
    memcpy(setup.probe, r->w.probe, sizeof setup.probe);
    if ((st = edn_sync_remote_decode(edn_buf_view(&r->known), origin, &remote)) != EDN_OK ||
        (st = edn_sync_new(&setup, &s)) != EDN_OK)
        goto out;
    for (;;) {
        edn_sync_action a = edn_sync_step(s, WORLD_T0);
        if (a.kind == EDN_SYNC_DONE) {
            st = a.status;
            break;
        }
        if (a.kind == EDN_SYNC_SAVE) {
            edn_sync_saved(s, WORLD_T0, EDN_OK);
            continue;
        }
        CHECK(at < r->answers_n);
        edn_sync_answered(s, WORLD_T0, EDN_OK, r->answers[at].status, 0, r->answers[at].body);
        at++;
    }
    if (st == r->status)
        st = EDN_OK; /* as it was without a failure */
out:
    edn_sync_free(s);
    edn_sync_remote_dispose(&remote);
    return st;
}

static void record_each(record *r, size_t least)
{
    size_t n = oom_each(record_play, r);

    print_message("# %zu allocations, %zu answers, %s\n", n, r->answers_n, edn_status_name(r->status));
    CHECK(n >= least);
    record_free(r);
}

static void two_devices(record *r)
{
    memset(r, 0, sizeof *r);
    world_init(&r->w);
    world_add(&r->w);
    for (size_t i = 0; i < 2; i++)
        device_write(&r->w, &r->w.d[i]);
    CHECK_SYNCED(device_sync(&r->w, &r->w.d[0]));
}

static void a_first_sync_survives_each_failing_allocation(void **state)
{
    static record r;

    (void)state;
    two_devices(&r);
    links_cut(&r.w.d[1].links, 2);
    record_run(&r, &r.w.d[1]);
    CHECK_STATUS(r.status, EDN_OK);
    record_each(&r, 20);
}

static void new_links_survive_each_failing_allocation(void **state)
{
    static record r;

    (void)state;
    two_devices(&r);
    CHECK_SYNCED(device_sync(&r.w, &r.w.d[1]));
    links_cut(&r.w.d[0].links, 1);
    r.w.d[0].remote.log_count = 1;
    record_run(&r, &r.w.d[0]);
    CHECK_STATUS(r.status, EDN_OK);
    record_each(&r, 10);
}

static void a_server_that_lost_everything_survives_each_failing_allocation(void **state)
{
    static record r;

    (void)state;
    two_devices(&r);
    CHECK_SYNCED(device_sync(&r.w, &r.w.d[1]));
    CHECK_SYNCED(device_sync(&r.w, &r.w.d[0]));
    r.w.srv.present = false;
    links_cut(&r.w.srv.links, 0);
    shelf_cut(&r.w.srv.shelf, 0);
    record_run(&r, &r.w.d[0]);
    CHECK_STATUS(r.status, EDN_OK);
    CHECK_INT(r.w.srv.shelf.n, 2);
    record_each(&r, 20);
}

static void links_that_were_lost_survive_each_failing_allocation(void **state)
{
    static record r;

    (void)state;
    two_devices(&r);
    links_cut(&r.w.srv.links, 1);
    record_run(&r, &r.w.d[0]);
    CHECK_STATUS(r.status, EDN_OK);
    CHECK_INT(r.w.srv.links.n, 2);
    record_each(&r, 10);
}

/* A batch altered, a head that contradicts, a receipt that does not fit: findings with evidence. */
static void lie(void *ctx, world *w, edn_msg_pulled *m, edn_arena *a)
{
    (void)ctx;
    (void)w;
    for (size_t i = 0; i < m->batches_n; i++) {
        uint8_t *p = edn_arena_alloc(a, m->batches[i].n);
        CHECK(p != NULL);
        memcpy(p, m->batches[i].p, m->batches[i].n);
        p[m->batches[i].n - 1] ^= 1;
        m->batches[i].p = p;
    }
    for (size_t i = 0; i < m->heads_n; i++)
        m->heads[i].hash.b[0] ^= 1;
}
static void bend_lie(void *ctx, world *w, const edn_sync_action *asked, answer *a)
{
    if (is_pull(asked))
        pulled_bend(w, a, false, lie, ctx);
}

static void findings_survive_each_failing_allocation(void **state)
{
    static record r;

    (void)state;
    two_devices(&r);
    r.bend = bend_lie;
    record_run(&r, &r.w.d[1]);
    CHECK_STATUS(r.status, EDN_OK);
    record_each(&r, 20);
}

static void another_device_log_survives_each_failing_allocation(void **state)
{
    static record r;
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    device other = {0};

    (void)state;
    two_devices(&r);
    links_cut(&r.w.srv.links, 1);
    device_keys(&r.w, &other);
    world_add_link(&link, r.w.srv.links.log, &r.w.d[0], &other, EDN_CAP_READ);
    links_put(&r.w.srv.links, edn_buf_view(&link));
    edn_buf_dispose(&link);
    record_run(&r, &r.w.d[0]);
    CHECK_STATUS(r.status, EDN_E_FORK);
    record_each(&r, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_sync_survives_each_failing_allocation),
        cmocka_unit_test(new_links_survive_each_failing_allocation),
        cmocka_unit_test(a_server_that_lost_everything_survives_each_failing_allocation),
        cmocka_unit_test(links_that_were_lost_survive_each_failing_allocation),
        cmocka_unit_test(findings_survive_each_failing_allocation),
        cmocka_unit_test(another_device_log_survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
