/* Every allocation of the core fails once: the request is answered with 503, nothing of it stays, and it can come
 * again. */
#include "oom.h"
#include "server_kit.h"

typedef struct world {
    kit k;
    person p, q;
    edn_buf token, pushes[3], body;
    const char *path;
    bool second;
} world;

/* What a request in a new server gives: EDN_OK for a good answer. */
static edn_status ask(world *w, const edn_server_request *rq, size_t n)
{
    edn_server_answer answers[3];
    edn_status st = EDN_OK;

    edn_server_handle(w->k.s, rq, n, answers);
    for (size_t i = 0; i < n; i++) {
        if (answers[i].status == 503)
            st = EDN_E_NOMEM;
        else if (answers[i].status != 200 && answers[i].status != 201 && answers[i].status != 409 && st == EDN_OK)
            st = EDN_E_SERVER;
        edn_server_answer_dispose(&answers[i]);
    }
    return st;
}

static uint64_t now(void *ctx) { return ((kit *)ctx)->now_ms; }

static void fill(void *ctx, void *p, size_t n)
{
    (void)ctx;
    memset(p, 0x5a, n);
}

static edn_status server_new(world *w)
{
    edn_clock clock = {now, &w->k};
    edn_random random = {fill, NULL};

    return edn_server_new(&w->k.config, &w->k.meta, &w->k.blobs, &clock, &random, &w->k.s);
}

static edn_server_request request(world *w, const char *path, edn_bytes body)
{
    return (edn_server_request){.method = body.n ? EDN_SERVER_POST : EDN_SERVER_GET,
                                .path = edn_bytes_str(path),
                                .bearer = edn_buf_view(&w->token),
                                .address = edn_bytes_of(w->k.address, 4),
                                .body = body};
}

static edn_status one_request(void *ctx)
{
    world *w = ctx;
    edn_server_request rq = request(w, w->path, edn_buf_view(&w->body));
    edn_status st = server_new(w);

    if (st == EDN_OK)
        st = ask(w, &rq, 1);
    edn_server_free(w->k.s);
    w->k.s = NULL;
    return st;
}

static edn_status three_pushes(void *ctx)
{
    world *w = ctx;
    edn_server_request rq[3];
    edn_status st = server_new(w);

    for (int i = 0; i < 3; i++)
        rq[i] = request(w, "/v1/push", edn_buf_view(&w->pushes[i]));
    if (st == EDN_OK)
        st = ask(w, rq, 3);
    edn_server_free(w->k.s);
    w->k.s = NULL;
    return st;
}

/* A new server in each run; the store and the folder stay, as they would. */
static void world_init(world *w)
{
    edn_buf batch = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);

    memset(w, 0, sizeof *w);
    kit_init(&w->k);
    w->k.config.limits.bytes_per_s = 0;
    person_init(&w->p, 1);
    person_set_recovery(&w->p, 7);
    person_init(&w->q, 2);
    kit_register(&w->k, &w->p);
    w->token = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);
    w->body = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
    person_sign_in(&w->p, 0, kit_ask, &w->k, &w->token);
    for (int i = 0; i < 3; i++) {
        edn_bytes one;
        edn_buf_reset(&batch);
        w->pushes[i] = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
        person_batch(&w->p, 0, i == 2 ? 131072 : 1024, &batch);
        one = edn_buf_view(&batch);
        person_push(NULL, &one, 1, &w->pushes[i]);
    }
    edn_buf_dispose(&batch);
    edn_server_free(w->k.s);
    w->k.s = NULL;
}

static void world_dispose(world *w)
{
    person_dispose(&w->p);
    person_dispose(&w->q);
    edn_buf_dispose(&w->token);
    edn_buf_dispose(&w->body);
    for (int i = 0; i < 3; i++)
        edn_buf_dispose(&w->pushes[i]);
    kit_dispose(&w->k);
}

static void each(world *w, const char *path)
{
    w->path = path;
    CHECK(oom_each(one_request, w) > 5);
}

static edn_status count_share(void *cb, const edn_meta_share *row)
{
    (void)row;
    ++*(unsigned *)cb;
    return EDN_OK;
}

/* A key is put there, and something is given for it, once each, in whichever try has enough memory. */
static void share_requests(world *w, const uint8_t set[16], int64_t account)
{
    edn_msg_share_ask ask = {.kind = EDN_SHARES_WANT, .account = w->p.account, .key = {3}};
    unsigned rows = 0;

    memcpy(ask.set, set, sizeof ask.set);
    for (int i = 0; i < 3; i++) { /* asked for, given, taken */
        ask.kind = i == 1 ? EDN_SHARES_GIVE : EDN_SHARES_WANT;
        ask.give = i == 1 ? edn_bytes_str("sealed") : EDN_BYTES_EMPTY;
        edn_buf_reset(&w->body);
        edn_share_ask_put(&w->body, &ask);
        each(w, "/v1/shares");
    }
    CHECK_OK(w->k.meta.shares_each(w->k.meta.ctx, account, count_share, &rows));
    CHECK_INT(rows, 2);
}

/* Asking begins one, and cancelling ends it, in whichever try has enough memory: the next begins where that left. */
static void recoveries(world *w)
{
    edn_msg_set_ask ask = {.kind = EDN_SET_ASK, .account = w->p.account};
    edn_msg_held_ask cancel = {.kind = EDN_HELD_CANCEL};
    edn_cancel what = {.account = w->p.account, .device = w->p.devices[0].id};
    edn_meta_recovery row;
    edn_meta_account account;

    memset(ask.set, 7, sizeof ask.set);
    memset(what.set, 7, sizeof what.set);
    edn_buf_reset(&w->body);
    edn_set_ask_put(&w->body, &ask);
    each(w, "/v1/recovery");
    CHECK_OK(w->k.meta.account_find(w->k.meta.ctx, &w->p.account, &account));
    CHECK_OK(w->k.meta.recovery_find(w->k.meta.ctx, account.n, &row));
    CHECK(row.begun && !row.cancelled); /* one, however often it was asked for */
    share_requests(w, ask.set, account.n);
    cancel.begun = what.begun = row.begun;
    edn_cancel_sign(&cancel.sig, &what, &w->p.devices[0].sk);
    edn_buf_reset(&w->body);
    edn_held_ask_put(&w->body, &cancel);
    each(w, "/v1/held");
    CHECK_OK(w->k.meta.recovery_find(w->k.meta.ctx, account.n, &row));
    CHECK(row.cancelled && row.begun == what.begun);
    w->k.config.limits.recovery_wait_s = 0; /* ready at once: with its box */
    edn_buf_reset(&w->body);
    edn_set_ask_put(&w->body, &ask);
    each(w, "/v1/recovery");
}

/* A log is looked up; a letter is put, read and dropped, in whichever try has enough memory. */
static void letters(world *w)
{
    edn_msg_lookup look = {.kind = EDN_LOOKUP_ACCOUNT, .witness = person_witness(&w->p)};
    edn_msg_inbox ask = {.kind = EDN_INBOX_PUT, .to = w->p.account, .witness = person_witness(&w->p)};
    edn_meta_account account;
    uint64_t n;

    w->k.config.limits.inbox_per_hour = w->k.config.limits.lookup_per_min = 0;
    memcpy(look.id, w->p.account.b, sizeof look.id);
    edn_buf_reset(&w->body);
    edn_lookup_put(&w->body, &look);
    each(w, "/v1/lookup");
    edn_buf_reset(&w->body);
    ask.message = edn_bytes_str("sealed");
    edn_inbox_put(&w->body, &ask);
    each(w, "/v1/inbox");
    CHECK_OK(w->k.meta.account_find(w->k.meta.ctx, &w->p.account, &account));
    CHECK_OK(w->k.meta.letters_count(w->k.meta.ctx, account.n, &n));
    CHECK_INT(n, 1);
    CHECK_INT(account.letters, 1);
    ask = (edn_msg_inbox){.kind = EDN_INBOX_GET};
    edn_buf_reset(&w->body);
    edn_inbox_put(&w->body, &ask);
    each(w, "/v1/inbox");
    ask = (edn_msg_inbox){.kind = EDN_INBOX_DROP, .number = 1};
    edn_buf_reset(&w->body);
    edn_inbox_put(&w->body, &ask);
    each(w, "/v1/inbox");
    CHECK_OK(w->k.meta.letters_count(w->k.meta.ctx, account.n, &n));
    CHECK_INT(n, 0);
}

static void requests_survive_each_failing_allocation(void **state)
{
    world w;
    edn_hash hash;
    edn_msg_box_ask box = {&hash, 1};
    edn_msg_log_append log;
    edn_msg_challenge_ask challenge = {.kind = EDN_LOGIN_PASSPHRASE};
    edn_msg_pull pull = {.log_count = 0}; /* no probe: a server without memory does without, and says nothing of it */

    (void)state;
    world_init(&w);

    /* A group in which memory ends is tried again one by one: then it is no failure at all, or one of one request. */
    for (size_t n = 1, live = oom_live();; n++) {
        edn_status st;
        oom_fail_at(n);
        st = three_pushes(&w);
        CHECK(st == EDN_OK || st == EDN_E_NOMEM);
        CHECK_INT(oom_live(), live);
        if (!oom_failed())
            break;
    }
    oom_fail_at(0);
    CHECK_OK(three_pushes(&w));

    pull.space = w.p.space;
    edn_pull_put(&w.body, &pull);
    each(&w, "/v1/pull");

    edn_buf_reset(&w.body);
    hash = edn_h32(w.p.boxes[0]);
    edn_box_ask_put(&w.body, &box);
    each(&w, "/v1/box");

    edn_buf_reset(&w.body);
    challenge.name_hash = w.p.name;
    edn_challenge_ask_put(&w.body, &challenge);
    each(&w, "/v1/challenge");

    edn_buf_reset(&w.body);
    person_account(&w.q, &w.body);
    each(&w, "/v1/accounts");

    edn_buf_reset(&w.body);
    person_add_device(&w.p, EDN_CAP_READ);
    log = (edn_msg_log_append){&w.p.links[w.p.links_n - 1], 1, &w.p.boxes[w.p.boxes_n - 1], 1};
    edn_log_append_put(&w.body, &log);
    each(&w, "/v1/log");

    recoveries(&w);
    letters(&w);

    /* The server is made anew for each try, so only what opens is asked here. */
    edn_buf_reset(&w.body);
    edn_mail_put(&w.body, &(edn_msg_mail){.kind = EDN_MAIL_OPEN, .side = EDN_MAIL_NEW});
    each(&w, "/v1/mailbox");

    edn_buf_reset(&w.body);
    each(&w, "/v1/server");
    each(&w, "/v1/events");
    world_dispose(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_survive_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
