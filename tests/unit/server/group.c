/* Groups: one commit for all, nothing answered before it, and nobody harmed by another's request or by a disk that
 * fails. */
#include "server_kit.h"

enum { PEOPLE = 5 };

typedef struct fixture {
    kit k;
    person people[PEOPLE];
    edn_buf tokens[PEOPLE];
} fixture;

/* How many commits and blobs go well before the store refuses one. */
static struct {
    int commits_until, blobs_until, batches_until;
    unsigned commits;
} faults;
static edn_meta real;
static edn_blobs real_blobs;

static edn_status faulty_commit(void *ctx)
{
    faults.commits++;
    if (faults.commits_until == 0 || faults.commits_until-- > 0)
        return real.commit(ctx);
    return EDN_E_FULL;
}

static edn_status faulty_batch_put(void *ctx, const edn_meta_batch *row)
{
    if (faults.batches_until && --faults.batches_until == 0)
        return EDN_E_IO;
    return real.batch_put(ctx, row);
}

static edn_status faulty_blob_put(void *ctx, const edn_hash *name, edn_bytes body)
{
    if (faults.blobs_until && --faults.blobs_until == 0)
        return EDN_E_FULL;
    return real_blobs.put(ctx, name, body);
}

static void add_faults(kit *k)
{
    real = k->meta;
    real_blobs = k->blobs;
    k->meta.commit = faulty_commit;
    k->meta.batch_put = faulty_batch_put;
    k->blobs.put = faulty_blob_put;
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    memset(&faults, 0, sizeof faults);
    kit_prepare(&f->k);
    f->k.hook = add_faults;
    kit_open(&f->k);
    for (size_t i = 0; i < PEOPLE; i++) {
        person_init(&f->people[i], 1 + i);
        f->tokens[i] = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);
        kit_register(&f->k, &f->people[i]);
        person_sign_in(&f->people[i], 0, kit_ask, &f->k, &f->tokens[i]);
    }
    faults.commits = 0;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    for (size_t i = 0; i < PEOPLE; i++) {
        edn_buf_dispose(&f->tokens[i]);
        person_dispose(&f->people[i]);
    }
    kit_dispose(&f->k);
    free(f);
    return 0;
}

/* A group under construction. */
typedef struct group {
    edn_server_request rq[16];
    edn_server_answer answers[16];
    edn_buf bodies[16];
    size_t n;
} group;

static edn_buf *add(fixture *f, group *g, size_t who, const char *path)
{
    edn_server_request *rq = &g->rq[g->n];

    *rq = (edn_server_request){.method = EDN_SERVER_POST,
                               .path = edn_bytes_str(path),
                               .bearer = edn_buf_view(&f->tokens[who]),
                               .address = edn_bytes_of(f->k.address, 4)};
    g->bodies[g->n] = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
    return &g->bodies[g->n++];
}

static void add_push(fixture *f, group *g, size_t who, edn_bytes batch)
{
    person_push(NULL, &batch, 1, add(f, g, who, "/v1/push"));
}

static void add_next(fixture *f, group *g, size_t who, uint32_t padded)
{
    edn_buf batch = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);

    person_batch(&f->people[who], 0, padded, &batch);
    add_push(f, g, who, edn_buf_view(&batch));
    edn_buf_dispose(&batch);
}

static void run(fixture *f, group *g)
{
    for (size_t i = 0; i < g->n; i++)
        g->rq[i].body = edn_buf_view(&g->bodies[i]);
    edn_server_handle(f->k.s, g->rq, g->n, g->answers);
}

static void done(group *g)
{
    for (size_t i = 0; i < g->n; i++) {
        edn_server_answer_dispose(&g->answers[i]);
        edn_buf_dispose(&g->bodies[i]);
    }
    memset(g, 0, sizeof *g);
}

static size_t count(fixture *f, size_t who)
{
    return kit_pull_count(&f->k, &f->people[who], edn_buf_view(&f->tokens[who]));
}

static void many_requests_are_one_commit(void **state)
{
    fixture *f = *state;
    group g = {.n = 0};

    for (size_t round = 0; round < 3; round++)
        for (size_t i = 0; i < PEOPLE; i++)
            add_next(f, &g, i, 1024);
    run(f, &g);
    for (size_t i = 0; i < g.n; i++)
        CHECK_INT(g.answers[i].status, 200);
    CHECK_INT(faults.commits, 1);
    done(&g);
    for (size_t i = 0; i < PEOPLE; i++)
        CHECK_INT(count(f, i), 3);
}

static void a_bad_request_harms_no_other(void **state)
{
    fixture *f = *state;
    group g = {.n = 0};
    edn_buf batch = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);

    add_next(f, &g, 0, 1024);
    edn_put_str(add(f, &g, 1, "/v1/push"), "not a push");
    add_next(f, &g, 1, 1024);
    person_batch(&f->people[2], 0, 1024, &batch);
    batch.p[batch.n - 1] ^= 1;
    add_push(f, &g, 2, edn_buf_view(&batch));
    batch.p[batch.n - 1] ^= 1;
    add_push(f, &g, 2, edn_buf_view(&batch));
    add_next(f, &g, 3, 1024);
    g.rq[g.n - 1].bearer = edn_bytes_str("nobody");
    (void)add(f, &g, 4, "/v1/nothing");
    (void)add(f, &g, 4, "/v1/accounts");
    add_next(f, &g, 4, 1024);
    run(f, &g);
    const int want[] = {200, 400, 200, 403, 200, 401, 404, 400, 200};
    CHECK_INT(g.n, EDN_COUNT(want));
    for (size_t i = 0; i < g.n; i++)
        CHECK_INT(g.answers[i].status, want[i]);
    CHECK_INT(faults.commits, 1);
    done(&g);
    CHECK_INT(count(f, 0), 1);
    CHECK_INT(count(f, 1), 1);
    CHECK_INT(count(f, 2), 1);
    CHECK_INT(count(f, 3), 0);
    CHECK_INT(count(f, 4), 1);
    edn_buf_dispose(&batch);
}

static void the_same_batch_twice_in_a_group_is_held_once(void **state)
{
    fixture *f = *state;
    group g = {.n = 0};
    edn_buf batch = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    person_device before = f->people[0].devices[0];
    edn_bytes two[2];

    person_batch(&f->people[0], 0, 1024, &batch);
    add_push(f, &g, 0, edn_buf_view(&batch));
    add_push(f, &g, 0, edn_buf_view(&batch));
    two[0] = two[1] = edn_buf_view(&batch);
    person_push(NULL, two, 2, add(f, &g, 0, "/v1/push")); /* and twice in one request */
    f->people[0].devices[0] = before;
    add_next(f, &g, 0, 1024); /* another one with the same number */
    run(f, &g);
    CHECK_INT(g.answers[0].status, 200);
    CHECK_INT(g.answers[1].status, 200);
    CHECK_INT(g.answers[2].status, 200);
    CHECK_INT(g.answers[3].status, 409);
    done(&g);
    CHECK_INT(count(f, 0), 1);
    edn_buf_dispose(&batch);
}

static void each_receipt_is_of_the_state_after_its_own_request(void **state)
{
    fixture *f = *state;
    person *p = &f->people[0];
    group g = {.n = 0};
    edn_head heads[3];
    edn_hash head = edn_devlog_head(p->log);
    edn_arena a = edn_arena_init(65536);
    edn_buf bytes = EDN_BUF_INIT(0);
    edn_msg_server_info info;

    CHECK_INT(kit_ask(&f->k, "GET", "/v1/server", EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, &bytes), 200);
    CHECK_OK(edn_server_info_decode(&a, edn_buf_view(&bytes), &info));
    for (int i = 0; i < 3; i++) {
        add_next(f, &g, 0, 1024);
        heads[i] = (edn_head){p->devices[0].id, p->devices[0].dseq, p->devices[0].last};
    }
    run(f, &g);
    for (int i = 0; i < 3; i++) {
        edn_hash h = edn_heads_hash(&heads[i], 1), other = edn_heads_hash(&heads[(i + 1) % 3], 1);
        edn_msg_pushed m;
        CHECK_INT(g.answers[i].status, 200);
        CHECK_OK(edn_pushed_decode(&a, edn_buf_view(&g.answers[i].body), &m));
        CHECK(edn_receipt_verify(&m.receipt, &p->space, edn_devlog_count(p->log), &head, &h, &info.receipt_pk));
        CHECK(!edn_receipt_verify(&m.receipt, &p->space, edn_devlog_count(p->log), &head, &other, &info.receipt_pk));
    }
    done(&g);
    /* The one that readers are given from now on is the last one. */
    edn_buf pull = EDN_BUF_INIT(4096);
    edn_hash now = edn_heads_hash(&heads[2], 1);
    edn_msg_pulled pulled;
    person_pull(p, edn_devlog_count(p->log), &heads[2], 1, &pull);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/pull", edn_buf_view(&f->tokens[0]), edn_buf_view(&pull), &bytes), 200);
    CHECK_OK(edn_pulled_decode(&a, edn_buf_view(&bytes), &pulled));
    CHECK(edn_receipt_verify(&pulled.receipt, &p->space, edn_devlog_count(p->log), &head, &now, &info.receipt_pk));
    edn_buf_dispose(&pull);
    edn_buf_dispose(&bytes);
    edn_arena_dispose(&a);
}

static void readers_of_a_group_see_what_is_durable(void **state)
{
    fixture *f = *state;
    group g = {.n = 0};
    edn_arena a = edn_arena_init(1u << 20);
    edn_msg_pulled m;

    /* The reader stands first, and still sees the write behind it: it is answered after the commit. */
    person_pull(&f->people[0], 0, NULL, 0, add(f, &g, 0, "/v1/pull"));
    add_next(f, &g, 0, 1024);
    run(f, &g);
    CHECK_INT(g.answers[0].status, 200);
    CHECK_OK(edn_pulled_decode(&a, edn_buf_view(&g.answers[0].body), &m));
    CHECK_INT(m.batches_n, 1);
    done(&g);
    /* When the commit fails, it sees nothing of it. Its probe is not kept either, and it reads all the same. */
    faults.commits_until = -1;
    person_pull(&f->people[1], 0, NULL, 0, add(f, &g, 1, "/v1/pull"));
    add_next(f, &g, 1, 1024);
    run(f, &g);
    CHECK_INT(g.answers[0].status, 200);
    CHECK_OK(edn_pulled_decode(&a, edn_buf_view(&g.answers[0].body), &m));
    CHECK_INT(m.batches_n, 0);
    CHECK_INT(m.links_n, f->people[1].links_n);
    CHECK_INT(g.answers[1].status, 507);
    done(&g);
    edn_arena_dispose(&a);
}

static void a_failed_commit_leaves_nothing_and_says_so(void **state)
{
    fixture *f = *state;
    group g = {.n = 0};
    person_device before[PEOPLE];
    const edn_server_change *changes;

    for (size_t i = 0; i < PEOPLE; i++) {
        CHECK_INT(count(f, i), 0); /* brings the probe, so that later pulls write nothing */
        before[i] = f->people[i].devices[0];
        add_next(f, &g, i, 1024);
    }
    (void)edn_server_changes(f->k.s, &changes);
    faults.commits_until = -1;
    run(f, &g);
    for (size_t i = 0; i < g.n; i++)
        CHECK_INT(g.answers[i].status, 507);
    CHECK_INT(edn_server_changes(f->k.s, &changes), 0);
    done(&g);
    for (size_t i = 0; i < PEOPLE; i++)
        CHECK_INT(count(f, i), 0);
    faults.commits_until = 0; /* room again: the same batches go in */
    for (size_t i = 0; i < PEOPLE; i++) {
        f->people[i].devices[0] = before[i];
        add_next(f, &g, i, 1024);
    }
    run(f, &g);
    for (size_t i = 0; i < g.n; i++)
        CHECK_INT(g.answers[i].status, 200);
    CHECK_INT(edn_server_changes(f->k.s, &changes), PEOPLE);
    done(&g);
}

static void when_a_group_fails_each_request_is_tried_alone(void **state)
{
    fixture *f = *state;
    group g = {.n = 0};
    size_t good = 0;

    for (size_t i = 0; i < PEOPLE; i++)
        CHECK_INT(count(f, i), 0);
    for (size_t i = 0; i < PEOPLE; i++)
        add_next(f, &g, i, 1024);
    faults.batches_until = 3; /* the third row of the group, and no other */
    run(f, &g);
    for (size_t i = 0; i < g.n; i++)
        good += g.answers[i].status == 200;
    CHECK_INT(good, PEOPLE);
    done(&g);
    for (size_t i = 0; i < PEOPLE; i++)
        CHECK_INT(count(f, i), 1);
}

static void a_blob_that_does_not_fit_fails_alone(void **state)
{
    fixture *f = *state;
    group g = {.n = 0};

    add_next(f, &g, 0, 1024);
    add_next(f, &g, 1, 131072); /* goes to the blob store */
    add_next(f, &g, 2, 1024);
    faults.blobs_until = 1;
    run(f, &g);
    CHECK_INT(g.answers[0].status, 200);
    CHECK_INT(g.answers[1].status, 507);
    CHECK_INT(g.answers[2].status, 200);
    CHECK_INT(faults.commits, 1);
    done(&g);
    CHECK_INT(count(f, 1), 0);
}

static void a_new_account_that_fails_can_come_again(void **state)
{
    fixture *f = *state;
    person q;
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX), token = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);

    person_init(&q, 77);
    person_account(&q, &rq);
    faults.commits_until = -1;
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/accounts", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL), 507);
    faults.commits_until = 0;
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/accounts", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL), 201);
    person_sign_in(&q, 0, kit_ask, &f->k, &token);
    CHECK_INT(kit_push_next(&f->k, &q, 0, 1024, edn_buf_view(&token)), 200);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&token);
    person_dispose(&q);
}

static void a_revocation_counts_for_those_behind_it(void **state)
{
    fixture *f = *state;
    person *p = &f->people[0];
    group g = {.n = 0};
    edn_buf other = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX), rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
    edn_msg_log_append m;
    size_t second = person_add_device(p, EDN_CAP_READ | EDN_CAP_WRITE);

    m = (edn_msg_log_append){&p->links[p->links_n - 1], 1, NULL, 0};
    edn_log_append_put(&rq, &m);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/log", edn_buf_view(&f->tokens[0]), edn_buf_view(&rq), NULL), 200);
    person_sign_in(p, second, kit_ask, &f->k, &other);

    person_revoke(p, second);
    m.links = &p->links[p->links_n - 1];
    edn_log_append_put(add(f, &g, 0, "/v1/log"), &m);
    add_next(f, &g, 0, 1024);
    g.rq[g.n - 1].bearer = edn_buf_view(&other); /* brings somebody else's batch, but may bring nothing any more */
    run(f, &g);
    CHECK_INT(g.answers[0].status, 200);
    CHECK_INT(g.answers[1].status, 401);
    done(&g);
    edn_buf_dispose(&other);
    edn_buf_dispose(&rq);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(many_requests_are_one_commit),
        T(a_bad_request_harms_no_other),
        T(the_same_batch_twice_in_a_group_is_held_once),
        T(each_receipt_is_of_the_state_after_its_own_request),
        T(readers_of_a_group_see_what_is_durable),
        T(a_failed_commit_leaves_nothing_and_says_so),
        T(when_a_group_fails_each_request_is_tried_alone),
        T(a_blob_that_does_not_fit_fails_alone),
        T(a_new_account_that_fails_can_come_again),
        T(a_revocation_counts_for_those_behind_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
