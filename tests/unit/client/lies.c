/* A server that lies to a newcomer about the synced index: it drops, swaps, replays and alters shards, manifests, and
 * batches that are asked for ahead of their turn. Each lie is named, nothing is shown that nobody wrote, and in the end
 * all is as if it had not been told. */
#include "newcomer.h"
#include "wire/wire.h"

#define DAY_MS 86400000u

typedef enum lie {
    TRUTH,
    TRUTH_OF_FEWER, /* to a device that came before the one that published last, and does not know of it */
    RECENT_DROPPED, /* "there is none" of the part that is asked for first, of what was changed lately */
    RECENT_SWAPPED,
    SHARD_DROPPED,
    SHARD_SWAPPED,  /* that of other days */
    SHARD_REPLAYED, /* an older one of the same days */
    SHARD_ALTERED,
    SHARD_CUT,
    MANIFEST_DROPPED,  /* of the device that published last */
    MANIFESTS_DROPPED, /* of all */
    MANIFEST_SWAPPED,  /* another device's */
    MANIFEST_REPLAYED, /* an older one of the same device, with its signature */
    MANIFEST_ALTERED,
    MANIFEST_RENAMED, /* another device's name in its header */
    MANIFEST_CUT,
    BATCH_DROPPED,
    BATCH_SWAPPED,  /* another device's */
    BATCH_REPLAYED, /* an older one of the same device */
    BATCH_ALTERED,
    BATCH_CUT,
    LIE_COUNT,
} lie;

/* What the server gave out at a time, to be given again at another: LP each. */
typedef struct old {
    edn_buf shards, manifests, batches;
} old;

typedef struct liar {
    lie lie;
    bool keeps; /* tells the truth, and remembers it in `old` */
    old *old;
    edn_device_id last; /* who published last */
    unsigned shards, told;
} liar;

static edn_bytes old_at(const edn_buf *list, size_t at)
{
    edn_reader r = edn_reader_init(edn_buf_view(list));
    edn_bytes b = edn_read_lp(&r, EDN_PULL_SIZE_MAX, "old");

    while (at--)
        b = edn_read_lp(&r, EDN_PULL_SIZE_MAX, "old");
    CHECK_OK(edn_reader_status(&r));
    return b;
}

/* The newest days come first. In the end the first of all is a recent one, which there was none of in `old`. */
static void lie_of_shards(liar *l, edn_http_answer *answer)
{
    unsigned at = l->shards++;
    edn_buf *body = &answer->body;
    edn_bytes by = EDN_BYTES_EMPTY;

    if (l->keeps) {
        edn_put_lp(&l->old->shards, edn_buf_view(body));
        return;
    }
    if (l->lie < RECENT_DROPPED || l->lie > SHARD_CUT || at != (l->lie >= SHARD_DROPPED))
        return;
    l->told++;
    if (l->lie == RECENT_DROPPED || l->lie == SHARD_DROPPED) {
        answer->status = 404;
        edn_buf_reset(body);
    } else if (l->lie == SHARD_ALTERED) {
        body->p[body->n / 2] ^= 1;
    } else if (l->lie == SHARD_CUT) {
        body->n--;
    } else {
        by = old_at(&l->old->shards, l->lie == SHARD_SWAPPED);
        edn_buf_reset(body);
        edn_put_bytes(body, by.p, by.n);
    }
}

/* Of batch `at` of the answer, which lies in `copy` too. */
static void lie_of_batch(liar *l, edn_msg_batches *m, size_t at, edn_buf *copy)
{
    bool manifests = l->lie < BATCH_DROPPED;
    edn_bytes *b = &m->batches[at];

    l->told++;
    switch (l->lie) {
    case MANIFEST_DROPPED:
    case BATCH_DROPPED:
        *b = EDN_BYTES_EMPTY;
        break;
    case MANIFESTS_DROPPED:
        for (size_t i = 0; i < m->batches_n; i++)
            m->batches[i] = EDN_BYTES_EMPTY;
        break;
    case MANIFEST_SWAPPED:
    case BATCH_SWAPPED:
        CHECK(m->batches_n > 1);
        *b = m->batches[at ? 0 : 1];
        break;
    case MANIFEST_REPLAYED:
    case BATCH_REPLAYED:
        *b = old_at(manifests ? &l->old->manifests : &l->old->batches, 0);
        break;
    case MANIFEST_CUT:
    case BATCH_CUT:
        b->n--;
        break;
    default:
        copy->p[l->lie == MANIFEST_RENAMED ? 40 : copy->n - 1] ^= 1; /* its device; its signature */
        *b = edn_buf_view(copy);
        break;
    }
}

static void lie_of_batches(liar *l, const edn_http_request *rq, edn_http_answer *answer)
{
    edn_arena a = edn_arena_init((size_t)16 << 20);
    edn_buf body = EDN_BUF_INIT(EDN_PULL_SIZE_MAX), copy = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_msg_batch_ask ask;
    edn_msg_batches m;
    size_t at = 0;
    bool manifests;

    CHECK_OK(edn_batch_ask_decode(&a, rq->body, &ask));
    CHECK_OK(edn_batches_decode(&a, edn_buf_view(&answer->body), &m));
    manifests = ask.places[0].dseq == 0;
    while (at < m.batches_n && memcmp(ask.places[at].device.b, l->last.b, sizeof l->last.b) != 0)
        at++;
    if (at < m.batches_n && l->keeps) {
        edn_put_lp(manifests ? &l->old->manifests : &l->old->batches, m.batches[at]);
    } else if (at < m.batches_n &&
               (manifests ? l->lie >= MANIFEST_DROPPED && l->lie < BATCH_DROPPED : l->lie >= BATCH_DROPPED)) {
        edn_put_bytes(&copy, m.batches[at].p, m.batches[at].n);
        lie_of_batch(l, &m, at, &copy);
        edn_batches_put(&body, &m);
        CHECK_OK(edn_buf_status(&body));
        edn_buf_reset(&answer->body);
        edn_put_bytes(&answer->body, body.p, body.n);
    }
    edn_buf_dispose(&body);
    edn_buf_dispose(&copy);
    edn_arena_dispose(&a);
}

static void lying(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    (void)w;
    if (answer->status != 200)
        return;
    if (strncmp(rq->path, "/v1/blobs/", 10) == 0 && rq->method == EDN_HTTP_GET)
        lie_of_shards(ctx, answer);
    else if (strcmp(rq->path, "/v1/batches") == 0)
        lie_of_batches(ctx, rq, answer);
}

/* ---- a history to lie about -------------------------------------------------------------------------------------- */

/* "a" and "c" have published, "c" three times; "new" has nothing. All are closed. */
typedef struct scene {
    world *w;
    old old; /* what "new" would have been given after c's first time */
    edn_device_id last;
    edn_entry_id changed, gone;
    edn_buf text; /* of `changed`, as it was and as it is */
    seen before[NEWCOMER_QUERIES], now[NEWCOMER_QUERIES];
} scene;

static void remember(scene *s)
{
    liar l = {.keeps = true, .old = &s->old, .last = s->last};
    edn_client *b = open_small(s->w, "new");
    edn_buf text = EDN_BUF_INIT(4096);
    static seen found;
    edn_err err;

    edn_client_close(b);
    world_home_copy(s->w, "new", "spare");
    b = open_small(s->w, "new");
    s->w->tamper = lying;
    s->w->tamper_ctx = &l;
    (void)fetch(b, false, &found);
    (void)find(b, "day1001", &found);
    CHECK_INT(found.n, 1);
    CHECK_OK(edn_client_show(b, &found.ids[0], diary_put_text, &text, &err));
    CHECK(s->old.shards.n && s->old.manifests.n && s->old.batches.n);
    s->w->tamper = NULL;
    edn_client_close(b);
    world_home_copy(s->w, "spare", "new");
    edn_buf_dispose(&text);
}

static void publish(edn_client *c, world *w, unsigned from, unsigned n)
{
    w->now_ms += DAY_MS;
    write_some(c, from, n);
    diary_sync(c);
}

static void scene_make(scene *s)
{
    two t = published();
    edn_client *c = world_login(t.w, "c");
    static seen found;
    edn_err err;

    *s = (scene){
        .w = t.w,
        .old = {EDN_BUF_INIT(EDN_BUF_UNLIMITED), EDN_BUF_INIT(EDN_BUF_UNLIMITED), EDN_BUF_INIT(EDN_BUF_UNLIMITED)},
        .text = EDN_BUF_INIT(4096),
        .last = client_id(c)->device};
    c->index->publish_min = 10;
    edn_client_close(t.a);
    edn_client_close(t.b);
    diary_sync(c);
    edn_client_close(world_login(t.w, "new"));
    publish(c, s->w, 1000, 20); /* of 2019 */
    remember(s);
    (void)find(c, "day70", &found);
    s->changed = found.ids[0];
    (void)find(c, "day71", &found);
    s->gone = found.ids[0];
    for (size_t i = 0; i < NEWCOMER_QUERIES; i++)
        (void)find(c, queries[i], &s->before[i]);
    diary_text(c, &s->changed, &s->text);
    publish(c, s->w, 1020, 20); /* of 2020, whose part is another then */
    diary_edit(c, &s->changed, "nothing of that, but betimes a zebra");
    CHECK_OK(edn_client_remove(c, &s->gone, &err));
    publish(c, s->w, 1040, 1);
    for (size_t i = 0; i < NEWCOMER_QUERIES; i++)
        (void)find(c, queries[i], &s->now[i]);
    diary_text(c, &s->changed, &s->text);
    edn_client_close(c);
    s->w->now_ms += DAY_MS;
}

static void scene_dispose(scene *s)
{
    edn_buf_dispose(&s->old.shards);
    edn_buf_dispose(&s->old.manifests);
    edn_buf_dispose(&s->old.batches);
    edn_buf_dispose(&s->text);
    world_free(s->w);
}

/* ---- what comes of it -------------------------------------------------------------------------------------------- */

/* Whether a lie leaves the newcomer with an older state of the diary, but a true one. */
static bool is_of_before(lie k)
{
    return k == TRUTH_OF_FEWER || k == RECENT_DROPPED || k == RECENT_SWAPPED ||
           (k >= MANIFEST_DROPPED && k <= MANIFEST_CUT);
}

static void search_all(const scene *s, edn_client *b, lie k)
{
    static seen found;

    for (size_t i = 0; i < NEWCOMER_QUERIES; i++) {
        (void)find(b, queries[i], &found);
        CHECK_INT(found.findings, 0); /* all was said when it was fetched */
        for (size_t h = 0; h < found.n; h++)
            CHECK(among(&s->now[i], &found.ids[h]) || (is_of_before(k) && among(&s->before[i], &found.ids[h])));
        if (k == TRUTH)
            CHECK_INT(found.n, s->now[i].n);
    }
}

/* It is shown as it is, or as it was, or not at all. */
static void show_changed(const scene *s, edn_client *b)
{
    edn_buf text = EDN_BUF_INIT(4096);
    edn_err err;
    edn_status st = edn_client_show(b, &s->changed, diary_put_text, &text, &err);

    CHECK(st == EDN_OK || st == EDN_E_MISSING);
    edn_put_u8(&text, 0);
    CHECK(st != EDN_OK || diary_count(edn_buf_view(&s->text), (const char *)text.p) == 1);
    edn_buf_dispose(&text);
}

static void every_lie_is_named_and_nothing_is_shown_that_nobody_wrote(void **state)
{
    (void)state;
    static scene s;
    static seen found;
    edn_err err;

    scene_make(&s);
    for (lie k = TRUTH; k < LIE_COUNT; k++) {
        liar l = {.lie = k, .old = &s.old, .last = s.last};
        two t = {.w = world_copy(s.w)};
        edn_client_status status;
        t.b = open_small(t.w, k == TRUTH_OF_FEWER ? "b" : "new");
        t.w->tamper = lying;
        t.w->tamper_ctx = &l;
        (void)fetch(t.b, false, &found);
        search_all(&s, t.b, k);
        show_changed(&s, t.b);
        CHECK(k < RECENT_DROPPED || l.told > 0);
        t.w->tamper = NULL;
        diary_sync(t.b);
        CHECK_OK(edn_client_status_get(t.b, &status, &err));
        if ((status.findings_n > 0) != (k >= RECENT_DROPPED))
            print_error("lie %d: %zu findings\n", (int)k, status.findings_n);
        CHECK_INT(status.findings_n > 0, k >= RECENT_DROPPED);
        t.a = world_open(t.w, "c");
        diary_check_same(t.a, t.b);
        for (size_t i = 0; i < NEWCOMER_QUERIES; i++)
            CHECK(same_hits(t.a, t.b, queries[i]) > 0);
        diary_check_verified(t.b);
        two_close(&t);
    }
    scene_dispose(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_lie_is_named_and_nothing_is_shown_that_nobody_wrote),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
