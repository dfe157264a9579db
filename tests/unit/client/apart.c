/* A server that shows other times or other views than it should: disks of earlier days, one disk for each of two
 * devices, a batch that it keeps back (SECURITY A10, A11, A12). Real clients, the true server core, disks in memory. */
#include "diarist.h"

#include "client/client_priv.h"
#include "crashvfs.h"

#define DAY_MS 86400000u
#define MINUTE_MS 60000u

typedef struct scene {
    world *w;
    crashvfs *server, *disks[4];
    edn_client *c[3]; /* a, b, c */
    unsigned named[EDN_STATUS_COUNT];
} scene;

static const char *const vfs_of[] = {"apart-a", "apart-b", "apart-c"};
static const char *const name_of[] = {"a", "b", "c"};

static void scene_open(scene *s, size_t devices)
{
    memset(s, 0, sizeof *s);
    s->server = crashvfs_new("apart-server");
    s->w = world_new_on("apart-server");
    for (size_t i = 0; i < devices; i++) {
        s->disks[i] = crashvfs_new(vfs_of[i]);
        s->w->device_vfs = vfs_of[i];
        s->c[i] = i == 0 ? world_init(s->w, name_of[i]) : world_login(s->w, name_of[i]);
    }
    for (size_t i = 0; i < 2 * devices; i++)
        diary_sync(s->c[i % devices]);
}

static void scene_close(scene *s)
{
    for (size_t i = 0; i < EDN_COUNT(s->c); i++)
        edn_client_close(s->c[i]);
    world_free(s->w);
    crashvfs_free(s->server);
    for (size_t i = 0; i < EDN_COUNT(s->c); i++)
        crashvfs_free(s->disks[i]);
}

static void serve_from(scene *s, const char *vfs)
{
    world_server_stop(s->w);
    s->w->server_vfs = vfs;
    world_server_start(s->w);
}

static void on_finding(void *ctx, const edn_finding *f)
{
    scene *s = ctx;

    CHECK(strlen(f->text) > 20);
    s->named[f->status]++;
}

static edn_sync_result sync_named(scene *s, edn_client *c)
{
    edn_sync_options o = {.on_finding = on_finding, .ctx = s};
    edn_sync_result r;
    edn_err err = {EDN_OK, ""};

    memset(s->named, 0, sizeof s->named);
    CHECK_OK(edn_client_sync(c, &o, &r, &err));
    return r;
}

static void write_day(edn_client *c, const char *who, int day)
{
    char date[16], text[16];

    snprintf(date, sizeof date, "1660-01-%02d", day % 28 + 1);
    snprintf(text, sizeof text, "[%s%d]", who, day);
    diary_add(c, date, "", text);
}

/* All devices come together under the server as it is now, with all that each has written. */
static void check_together(scene *s, size_t devices, unsigned entries)
{
    for (size_t i = 0; i < 2 * devices; i++)
        diary_sync(s->c[i % devices]);
    for (size_t i = 0; i < devices; i++) {
        CHECK(diary_sync(s->c[i]).synced);
        diary_check_same(s->c[0], s->c[i]);
        CHECK_INT(diary_see(s->c[i], true).entries, entries);
        diary_check_verified(s->c[i]);
    }
}

/* ---- earlier days ------------------------------------------------------------------------------------------------ */

#define DAYS 6

typedef struct past {
    scene s;
    crashvfs *days[DAYS];
} past;

static void past_open(past *p)
{
    char name[32];

    scene_open(&p->s, 2);
    for (int day = 0; day < DAYS; day++) {
        for (int i = 0; i < 2; i++) {
            write_day(p->s.c[i], name_of[i], day);
            diary_sync(p->s.c[i]);
        }
        world_server_stop(p->s.w);
        snprintf(name, sizeof name, "apart-day-%d", day);
        p->days[day] = crashvfs_copy(p->s.server, name);
        world_server_start(p->s.w);
        p->s.w->now_ms += DAY_MS;
    }
    diary_sync(p->s.c[0]);
    edn_client_close(p->s.c[0]);
    edn_client_close(p->s.c[1]);
}

static void a10_the_state_of_each_earlier_day_is_named_at_once_and_mended(void **state)
{
    static past p;
    char name[32];

    (void)state;
    past_open(&p);
    for (int day = 0; day < DAYS - 1; day++) {
        for (size_t first = 0; first < 2; first++) {
            crashvfs *run[2] = {crashvfs_copy(p.s.disks[0], "apart-run-0"), crashvfs_copy(p.s.disks[1], "apart-run-1")};
            crashvfs *served = crashvfs_copy(p.days[day], "apart-served");
            edn_buf before, after;
            serve_from(&p.s, "apart-served");
            p.s.w->device_vfs = "apart-run-0";
            p.s.c[0] = world_open(p.s.w, "a");
            p.s.w->device_vfs = "apart-run-1";
            p.s.c[1] = world_open(p.s.w, "b");
            before = diary_bytes(p.s.c[first]);
            edn_sync_result r = sync_named(&p.s, p.s.c[first]);
            CHECK(p.s.named[EDN_E_ROLLBACK] == 1);
            CHECK(r.refilled > 0 && r.synced);
            after = diary_bytes(p.s.c[first]);
            CHECK_BYTES(edn_buf_view(&after), edn_buf_view(&before));
            CHECK_INT(diary_findings(p.s.c[first], EDN_E_ROLLBACK), 1); /* it stays to be read */
            check_together(&p.s, 2, 2 * DAYS);
            edn_buf_dispose(&before);
            edn_buf_dispose(&after);
            edn_client_close(p.s.c[0]);
            edn_client_close(p.s.c[1]);
            serve_from(&p.s, "apart-server");
            crashvfs_free(run[0]);
            crashvfs_free(run[1]);
            crashvfs_free(served);
        }
    }
    p.s.c[0] = p.s.c[1] = NULL;
    for (int day = 0; day < DAYS; day++) {
        snprintf(name, sizeof name, "apart-day-%d", day);
        crashvfs_free(p.days[day]);
    }
    scene_close(&p.s);
}

/* ---- two views --------------------------------------------------------------------------------------------------- */

typedef struct leak {
    edn_bytes batch; /* malloc'ed */
    unsigned told;
} leak;

static void keep_pushed(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    leak *l = ctx;
    edn_arena a = edn_arena_init((size_t)16 << 20);
    edn_msg_push m;

    (void)w;
    (void)answer;
    if (strcmp(rq->path, "/v1/push") == 0 && edn_push_decode(&a, rq->body, &m) == EDN_OK && m.batches_n) {
        edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        edn_put_bytes(&b, m.batches[m.batches_n - 1].p, m.batches[m.batches_n - 1].n);
        free((void *)(uintptr_t)l->batch.p);
        l->batch = edn_buf_take(&b);
    }
    edn_arena_dispose(&a);
}

/* Into the answer to a pull; and that there will be one, because a push is answered with "others were here". */
static void add_leaked(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    leak *l = ctx;
    edn_arena a = edn_arena_init((size_t)64 << 20);
    edn_buf body = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_msg_pulled m;
    edn_msg_pushed pushed;

    (void)w;
    if (strcmp(rq->path, "/v1/push") == 0 && answer->status == 200) {
        CHECK_OK(edn_pushed_decode(&a, edn_buf_view(&answer->body), &pushed));
        pushed.flags = 0;
        edn_pushed_put(&body, &pushed);
        edn_buf_reset(&answer->body);
        edn_put_bytes(&answer->body, body.p, body.n);
    }
    if (strcmp(rq->path, "/v1/pull") == 0 && answer->status == 200) {
        CHECK_OK(edn_pulled_decode(&a, edn_buf_view(&answer->body), &m));
        edn_bytes *batches = edn_arena_calloc(&a, m.batches_n + 1, sizeof *batches);
        if (m.batches_n)
            memcpy(batches, m.batches, m.batches_n * sizeof *batches);
        batches[m.batches_n++] = l->batch;
        m.batches = batches;
        edn_pulled_put(&body, &m);
        edn_buf_reset(&answer->body);
        edn_put_bytes(&answer->body, body.p, body.n);
        l->told++;
    }
    edn_buf_dispose(&body);
    edn_arena_dispose(&a);
}

/* Each device alone with its own server, for so many days; b's newest batch is kept. */
static void live_apart(scene *s, int days, leak *l)
{
    crashvfs *other;

    world_server_stop(s->w);
    other = crashvfs_copy(s->server, "apart-other");
    world_server_start(s->w);
    s->disks[3] = other;
    for (int day = 0; day < days; day++) {
        write_day(s->c[0], "a", day);
        CHECK(diary_sync(s->c[0]).synced);
        serve_from(s, "apart-other");
        write_day(s->c[1], "b", day);
        s->w->tamper = keep_pushed;
        s->w->tamper_ctx = l;
        CHECK(diary_sync(s->c[1]).synced);
        s->w->tamper = NULL;
        serve_from(s, "apart-server");
        s->w->now_ms += DAY_MS;
    }
}

static void check_two_views(int days, bool leaks)
{
    scene s;
    leak l = {EDN_BYTES_EMPTY, 0};
    edn_buf before, after;

    scene_open(&s, 2);
    live_apart(&s, days, &l);
    if (leaks) {
        before = diary_bytes(s.c[0]);
        s.w->tamper = add_leaked;
        s.w->tamper_ctx = &l;
        diary_add(s.c[0], "1660-02-02", "", "[a more]"); /* so that it does more than probe */
        edn_sync_result r = sync_named(&s, s.c[0]);
        s.w->tamper = NULL;
        CHECK(l.told > 0);
        /* The next of b's, if that is what leaked, fits in: only then nothing is out of order. */
        CHECK(days == 1 || s.named[EDN_E_CHAIN] || s.named[EDN_E_WITHHELD] || s.named[EDN_E_FORK]);
        after = diary_bytes(s.c[0]);
        CHECK_INT(diary_count(edn_buf_view(&after), "[a"), (unsigned)days + 1);
        CHECK(days == 1 || diary_count(edn_buf_view(&after), "[b") == 0);
        (void)r;
        edn_buf_dispose(&before);
        edn_buf_dispose(&after);
    }
    /* b meets a's view: what it was shown to be kept is not there. */
    edn_sync_result r = sync_named(&s, s.c[1]);
    CHECK(s.named[EDN_E_ROLLBACK] || s.named[EDN_E_FORK] || (leaks && days == 1));
    CHECK(r.findings > 0 || (leaks && days == 1));
    check_together(&s, 2, 2 * (unsigned)days + leaks);
    free((void *)(uintptr_t)l.batch.p);
    scene_close(&s);
    crashvfs_free(s.disks[3]);
}

static void a11_two_views_never_join_unseen(void **state)
{
    static const int days[] = {1, 7, 30};

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(days); i++)
        check_two_views(days[i], false);
}

static void a11_a_batch_that_leaks_across_is_noticed(void **state)
{
    static const int days[] = {1, 2, 7};

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(days); i++)
        check_two_views(days[i], true);
}

/* ---- a batch kept back ------------------------------------------------------------------------------------------- */

typedef struct hiding {
    scene *s;
    edn_device_id device; /* whose newest is hidden */
    edn_head shown;       /* the head it had before */
    bool hides;
} hiding;

/* As a server would: neither the batch nor the head, and its own signature under that. */
static void hide(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    hiding *h = ctx;
    edn_arena a = edn_arena_init((size_t)64 << 20);
    edn_buf body = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_msg_pulled m;
    edn_batch b;
    size_t kept = 0;

    (void)w;
    if (strcmp(rq->path, "/v1/pull") != 0 || answer->status != 200)
        goto out;
    CHECK_OK(edn_pulled_decode(&a, edn_buf_view(&answer->body), &m));
    for (size_t i = 0; i < m.heads_n; i++) {
        if (memcmp(m.heads[i].device.b, h->device.b, sizeof h->device.b) != 0)
            continue;
        if (!h->hides)
            h->shown = m.heads[i];
        else
            m.heads[i] = h->shown;
    }
    if (!h->hides)
        goto out;
    for (size_t i = 0; i < m.batches_n; i++) {
        CHECK_OK(edn_batch_decode(m.batches[i], &b));
        if (memcmp(b.header.device.b, h->device.b, sizeof h->device.b) != 0 || b.header.dseq <= h->shown.dseq)
            m.batches[kept++] = m.batches[i];
    }
    m.batches_n = kept;
    memset(&m.receipt, 0, sizeof m.receipt); /* it signs nothing */
    edn_pulled_put(&body, &m);
    edn_buf_reset(&answer->body);
    edn_put_bytes(&answer->body, body.p, body.n);
out:
    edn_buf_dispose(&body);
    edn_arena_dispose(&a);
}

/* c has seen all but a's newest, which b has seen and named. */
static void hiding_open(scene *s, hiding *h)
{
    scene_open(s, 3);
    memset(h, 0, sizeof *h);
    h->s = s;
    h->device = client_id(s->c[0])->device;
    write_day(s->c[0], "a", 0);
    diary_sync(s->c[0]);
    s->w->tamper = hide;
    s->w->tamper_ctx = h;
    diary_sync(s->c[2]);
    CHECK(h->shown.dseq > 0);
    s->w->tamper = NULL;
    write_day(s->c[0], "a", 1); /* the one that is kept back */
    diary_sync(s->c[0]);
    diary_sync(s->c[1]);
    write_day(s->c[1], "b", 0);
    diary_sync(s->c[1]);
    write_day(s->c[2], "c", 0);
    h->hides = true;
    s->w->tamper = hide;
}

static unsigned withheld_named(scene *s)
{
    sync_named(s, s->c[2]);
    return s->named[EDN_E_WITHHELD];
}

static void check_still_there(scene *s)
{
    edn_buf all = diary_bytes(s->c[2]);

    CHECK_INT(diary_count(edn_buf_view(&all), "[a0]"), 1);
    CHECK_INT(diary_count(edn_buf_view(&all), "[c0]"), 1);
    CHECK_INT(diary_count(edn_buf_view(&all), "[a1]"), 0);
    edn_buf_dispose(&all);
}

static void a12_a_batch_kept_back_is_named_after_ten_minutes_and_not_before(void **state)
{
    scene s;
    hiding h;

    (void)state;
    hiding_open(&s, &h);
    for (int i = 0; i < 10; i++) { /* at minutes 0 to 9 */
        CHECK_INT(withheld_named(&s), 0);
        s.w->now_ms += MINUTE_MS;
    }
    s.w->now_ms -= 1;
    CHECK_INT(withheld_named(&s), 0);
    s.w->now_ms += 1;
    CHECK_INT(withheld_named(&s), 1);
    check_still_there(&s);
    s.w->tamper = NULL;
    check_together(&s, 3, 4);
    scene_close(&s);
}

static void a12_and_not_at_the_first_sync_however_long_ago(void **state)
{
    scene s;
    hiding h;

    (void)state;
    hiding_open(&s, &h);
    CHECK_INT(withheld_named(&s), 0);
    s.w->now_ms += 3 * DAY_MS; /* the second, days later */
    CHECK_INT(withheld_named(&s), 1);
    check_still_there(&s);
    s.w->tamper = NULL;
    check_together(&s, 3, 4);
    scene_close(&s);
}

static void a12_what_comes_in_time_is_never_named(void **state)
{
    scene s;
    hiding h;

    (void)state;
    hiding_open(&s, &h);
    CHECK_INT(withheld_named(&s), 0);
    s.w->now_ms += 9 * MINUTE_MS;
    CHECK_INT(withheld_named(&s), 0);
    s.w->tamper = NULL;
    CHECK_INT(withheld_named(&s), 0);
    s.w->now_ms += DAY_MS;
    CHECK_INT(withheld_named(&s), 0);
    check_together(&s, 3, 4);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a10_the_state_of_each_earlier_day_is_named_at_once_and_mended),
        cmocka_unit_test(a11_two_views_never_join_unseen),
        cmocka_unit_test(a11_a_batch_that_leaks_across_is_noticed),
        cmocka_unit_test(a12_a_batch_kept_back_is_named_after_ten_minutes_and_not_before),
        cmocka_unit_test(a12_and_not_at_the_first_sync_however_long_ago),
        cmocka_unit_test(a12_what_comes_in_time_is_never_named),
    };
    cmocka_set_test_filter(getenv("T"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
