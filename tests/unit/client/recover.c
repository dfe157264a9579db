/* With everything lost: a bare machine, a wait that any device may end, and a server that may lie (A26). */
#include "paper.h"

#include <edn/account.h>

#include "client/client_priv.h"

#define FRESH "quite another one"
#define WAIT_MS (EDN_SERVER_RECOVERY_WAIT_S * 1000ull)

static edn_status begin(world *w, const char *device, const char *name, const char *set, edn_recovery **r, edn_err *err)
{
    char home[256];
    edn_client_options o;

    world_home(w, device, home);
    o = world_options(w, home);
    return edn_recovery_begin(&o, WORLD_ORIGIN, name, set, r, err);
}

static edn_client_options options_of(world *w, const char *device, char home[256])
{
    world_home(w, device, home);
    return world_options(w, home);
}

static edn_status ask(edn_recovery *r, const char *device, edn_recovery_wait *wait, edn_err *err)
{
    return edn_recovery_ask(r, device, EDN_STRENGTH_FLOOR, edn_bytes_str(FRESH), wait, err);
}

static edn_status resume(world *w, const char *device, edn_recovery **r, edn_recovery_wait *wait, bool *again,
                         edn_err *err)
{
    char home[256];
    edn_client_options o = options_of(w, device, home);

    return edn_recovery_resume(&o, edn_bytes_str(FRESH), r, wait, again, err);
}

static bool waits(world *w, const char *device)
{
    char home[256];
    edn_client_options o = options_of(w, device, home);
    bool out;

    CHECK_OK(edn_recovery_begun(&o, &out, NULL));
    return out;
}

/* Two shares of p, from `first` on. */
static edn_recovery *begun(world *w, const char *device, const paper *p, unsigned first)
{
    edn_recovery *r;
    unsigned have;

    CHECK_OK(begin(w, device, WORLD_NAME, p->set, &r, NULL));
    CHECK_OK(paper_add(r, p->words[first], &have, NULL));
    CHECK_OK(paper_add(r, p->words[first + 1], &have, NULL));
    return r;
}

static edn_recovery_wait asked(world *w, const char *device, const paper *p)
{
    edn_recovery *r = begun(w, device, p, 0);
    edn_recovery_wait wait;

    CHECK_OK(ask(r, device, &wait, NULL));
    edn_recovery_free(r);
    return wait;
}

static edn_client *recovered(world *w, const char *device, const paper *p, unsigned first)
{
    edn_client *c;
    edn_recovery *r;
    edn_recovery_wait wait;
    unsigned have;
    bool again;

    CHECK_OK(begin(w, device, WORLD_NAME, p->set, &r, NULL));
    CHECK_STATUS(ask(r, device, &wait, NULL), EDN_E_MISSING); /* too few */
    CHECK_OK(paper_add(r, p->words[first], &have, NULL));
    CHECK_OK(paper_add(r, p->words[first + 1], &have, NULL));
    CHECK_OK(ask(r, device, &wait, NULL));
    CHECK_INT(wait.state, EDN_RECOVERY_WAITING);
    CHECK_INT(wait.ready_ms - wait.asked_ms, WAIT_MS);
    CHECK_STATUS(edn_recovery_finish(r, edn_bytes_str(FRESH), &c, NULL), EDN_E_MISSING); /* too early */
    edn_recovery_free(r);
    w->now_ms += WAIT_MS;
    CHECK_OK(resume(w, device, &r, &wait, &again, NULL));
    CHECK_INT(wait.state, EDN_RECOVERY_READY);
    CHECK(!again);
    CHECK_OK(edn_recovery_finish(r, edn_bytes_str(FRESH), &c, NULL));
    CHECK(c && !waits(w, device));
    edn_recovery_free(r);
    return c;
}

static void a_bare_machine_brings_everything_back(void **state)
{
    two t = two_open();
    edn_client *c, *d;
    edn_account_info before, after;
    edn_client_status s;
    paper p;

    (void)state;
    diary_add(t.a, "1660-01-01", "One", "of a");
    diary_add(t.b, "1660-01-02", "Two", "of b");
    diary_sync(t.a);
    diary_sync(t.b);
    diary_sync(t.a);
    p = paper_made(t.a, 2, 3);
    CHECK_OK(edn_client_account(t.a, &before, NULL));
    c = recovered(t.w, "c", &p, 1);
    diary_sync(c);
    diary_sync(t.a); /* after three days its first sync is a login again */
    diary_check_same(t.a, c);
    CHECK_INT(diary_see(c, false).entries, 2);
    CHECK_OK(edn_client_device_revoke(c, "a", edn_bytes_str(FRESH), NULL));
    CHECK_OK(edn_client_device_revoke(c, "b", edn_bytes_str(FRESH), NULL));
    CHECK_INT(diary_see(c, false).entries, 2); /* what they sent before counts */
    diary_add(c, "1660-01-03", "Three", "of c");
    diary_sync(c);
    {
        edn_sync_result r;
        CHECK_STATUS(edn_client_sync(t.b, NULL, &r, NULL), EDN_E_DENIED);
    }
    CHECK_OK(edn_client_account(c, &after, NULL));
    CHECK_STR(edn_bytes_str(after.account), before.account);
    CHECK(after.account_key[0] && strcmp(after.account_key, before.account_key) != 0);
    CHECK(!paper_info(c).current);
    p = paper_made_with(c, FRESH, 2, 2); /* and again, with a new set */
    d = recovered(t.w, "d", &p, 0);
    diary_sync(d);
    diary_check_same(c, d);
    CHECK_INT(diary_see(d, false).entries, 3);
    CHECK_OK(edn_client_status_get(d, &s, NULL));
    diary_check_verified(d);
    edn_client_close(c);
    edn_client_close(d);
    two_close(&t);
}

static void what_does_not_fit_is_refused_before_any_share(void **state)
{
    two t = two_open();
    paper p, next;
    edn_recovery *r;
    edn_err err;
    char typo[EDN_RECOVERY_SET_MAX];

    (void)state;
    diary_sync(t.b);
    diary_sync(t.a);
    p = paper_made(t.a, 2, 2);
    strcpy(typo, p.set);
    typo[3] = typo[3] == '7' ? '8' : '7';
    CHECK_STATUS(begin(t.w, "c", WORLD_NAME, typo, &r, &err), EDN_E_INVALID);
    CHECK_STATUS(begin(t.w, "c", "nobody", p.set, &r, &err), EDN_E_DENIED);
    CHECK_STATUS(begin(t.w, "a", WORLD_NAME, p.set, &r, &err), EDN_E_EXISTS);
    next = paper_made(t.a, 2, 2); /* which ends the first */
    CHECK_STATUS(begin(t.w, "c", WORLD_NAME, p.set, &r, &err), EDN_E_DENIED);
    CHECK_OK(begin(t.w, "c", WORLD_NAME, next.set, &r, &err));
    edn_recovery_free(r);
    CHECK_OK(edn_client_device_revoke(t.a, "b", edn_bytes_str(WORLD_PASSPHRASE), NULL));
    CHECK_STATUS(begin(t.w, "c", WORLD_NAME, next.set, &r, &err), EDN_E_EPOCH);
    CHECK(!r);
    two_close(&t);
}

/* ---- the wait ---------------------------------------------------------------------------------------------------- */

static edn_recovery_wait held(edn_client *c)
{
    edn_recovery_wait wait;

    CHECK_OK(edn_client_recovery_held(c, &wait, NULL));
    return wait;
}

typedef struct told {
    unsigned n;
    char types[8][24], by[8][33];
    char text[512]; /* of the last */
} told;

static edn_status tell(void *ctx, const edn_account_change *change)
{
    told *t = ctx;

    CHECK(t->n < 8);
    snprintf(t->types[t->n], sizeof t->types[0], "%s", change->type);
    memcpy(t->by[t->n++], change->by, sizeof t->by[0]);
    snprintf(t->text, sizeof t->text, "%.*s", (int)change->text.n, (const char *)change->text.p);
    return EDN_OK;
}

static told news(edn_client *c)
{
    told t = {.n = 0};

    CHECK_OK(edn_client_log_news(c, tell, &t, NULL));
    return t;
}

static void it_goes_on_at_the_very_second_and_not_before(void **state)
{
    two t = two_open();
    edn_recovery_wait wait;
    edn_recovery *r;
    edn_client *c;
    paper p;
    bool again;

    (void)state;
    p = paper_made(t.a, 2, 3);
    wait = asked(t.w, "c", &p);
    t.w->now_ms = wait.ready_ms - 1000;
    CHECK_OK(resume(t.w, "c", &r, &wait, &again, NULL));
    CHECK_INT(wait.state, EDN_RECOVERY_WAITING);
    CHECK_STATUS(edn_recovery_finish(r, edn_bytes_str(FRESH), &c, NULL), EDN_E_MISSING);
    edn_recovery_free(r);
    t.w->now_ms += 1000;
    CHECK_OK(resume(t.w, "c", &r, &wait, &again, NULL));
    CHECK_INT(wait.state, EDN_RECOVERY_READY);
    edn_recovery_free(r);
    t.w->now_ms += 30ull * 86400000; /* and then it is over: the wait begins anew */
    CHECK_OK(resume(t.w, "c", &r, &wait, &again, NULL));
    CHECK(again);
    CHECK_INT(wait.state, EDN_RECOVERY_WAITING);
    CHECK_INT(wait.ready_ms - t.w->now_ms, WAIT_MS);
    edn_recovery_free(r);
    {
        char home[256];
        edn_client_options o = options_of(t.w, "c", home);
        CHECK_STATUS(edn_recovery_resume(&o, edn_bytes_str("wrong"), &r, &wait, &again, NULL), EDN_E_PASSPHRASE);
        CHECK_STATUS(edn_client_open(&o, &c, NULL), EDN_E_MISSING); /* it is no diary yet */
    }
    two_close(&t);
}

static void every_device_is_told_and_any_may_cancel(void **state)
{
    two t = two_open();
    edn_recovery_wait wait;
    edn_recovery *r;
    edn_client_status s;
    paper p;
    bool again;
    told n;

    (void)state;
    diary_sync(t.b);
    p = paper_made(t.a, 2, 3);
    diary_sync(t.a);
    diary_sync(t.b);
    (void)news(t.a);
    (void)news(t.b);
    CHECK_STATUS(edn_client_recovery_cancel(t.a, NULL), EDN_E_MISSING);
    wait = asked(t.w, "c", &p);
    CHECK_INT(held(t.a).state, EDN_RECOVERY_NONE); /* it has not heard of it */
    CHECK(diary_sync(t.a).synced);
    CHECK_INT(held(t.a).state, EDN_RECOVERY_WAITING);
    CHECK_INT(held(t.a).ready_ms, wait.ready_ms);
    CHECK_INT(diary_sync(t.a).round_trips, 1); /* which has its say: nothing is new since */
    n = news(t.a);
    CHECK_INT(n.n, 1);
    CHECK_STR(edn_bytes_str(n.types[0]), "recovery-asked");
    CHECK_INT(news(t.a).n, 0);                       /* once */
    CHECK_OK(edn_client_recovery_cancel(t.b, NULL)); /* which hears of it by doing so */
    CHECK_INT(held(t.b).state, EDN_RECOVERY_CANCELLED);
    CHECK(held(t.b).own);
    CHECK_INT(news(t.b).n, 0); /* it did that itself */
    CHECK_STATUS(edn_client_recovery_cancel(t.b, NULL), EDN_E_MISSING);
    diary_sync(t.a);
    n = news(t.a);
    CHECK_INT(n.n, 1);
    CHECK_STR(edn_bytes_str(n.types[0]), "recovery-cancelled");
    CHECK(strstr(n.text, "cancelled by \"b\""));
    CHECK_OK(edn_client_status_get(t.b, &s, NULL));
    /* The machine is shown who did it, by a signature that it checks; then its home is free. */
    CHECK_OK(resume(t.w, "c", &r, &wait, &again, NULL));
    CHECK_INT(wait.state, EDN_RECOVERY_CANCELLED);
    CHECK_STR(edn_bytes_str(wait.by), n.by[0]);
    edn_recovery_abandon(r);
    edn_recovery_free(r);
    CHECK(!waits(t.w, "c"));
    /* It may be asked for again, and is told again; time does not carry over. */
    t.w->now_ms += WAIT_MS;
    wait = asked(t.w, "c", &p);
    CHECK_INT(wait.state, EDN_RECOVERY_WAITING);
    CHECK_INT(wait.asked_ms, t.w->now_ms);
    diary_sync(t.a);
    CHECK_INT(held(t.a).state, EDN_RECOVERY_WAITING);
    CHECK_INT(news(t.a).n, 1);
    two_close(&t);
}

static void a_second_who_asks_joins_the_first(void **state)
{
    two t = two_open();
    edn_recovery_wait first, second;
    edn_recovery *r;
    edn_client *c;
    paper p;
    bool again;

    (void)state;
    p = paper_made(t.a, 2, 3);
    first = asked(t.w, "c", &p);
    t.w->now_ms += 3600000;
    second = asked(t.w, "d", &p);
    CHECK_INT(second.ready_ms, first.ready_ms);
    t.w->now_ms = first.ready_ms;
    CHECK_OK(resume(t.w, "d", &r, &second, &again, NULL));
    CHECK(!again);
    CHECK_OK(edn_recovery_finish(r, edn_bytes_str(FRESH), &c, NULL));
    edn_recovery_free(r);
    edn_client_close(c);
    two_close(&t);
}

static void new_shares_or_new_keys_end_it(void **state)
{
    for (int revoke = 0; revoke < 2; revoke++) {
        two t = two_open();
        edn_recovery_wait wait;
        edn_recovery *r;
        paper p;
        bool again;
        (void)state;
        diary_sync(t.b);
        diary_sync(t.a);
        p = paper_made(t.a, 2, 3);
        wait = asked(t.w, "c", &p);
        diary_sync(t.a);
        CHECK_INT(held(t.a).state, EDN_RECOVERY_WAITING);
        if (revoke)
            CHECK_OK(edn_client_device_revoke(t.a, "b", edn_bytes_str(WORLD_PASSPHRASE), NULL));
        else
            (void)paper_made(t.a, 2, 3);
        t.w->now_ms += WAIT_MS;
        CHECK_STATUS(resume(t.w, "c", &r, &wait, &again, NULL), revoke ? EDN_E_EPOCH : EDN_E_DENIED);
        CHECK(!r);
        if (!revoke)
            CHECK_INT(held(t.a).state, EDN_RECOVERY_NONE);
        two_close(&t);
    }
}

static edn_status count_lost(void *ctx, const char *device)
{
    CHECK_INT(strlen(device), 32);
    ++*(unsigned *)ctx;
    return EDN_OK;
}

static unsigned lost(edn_client *c)
{
    unsigned n = 0;

    CHECK_OK(edn_client_recovery_lost(c, count_lost, &n, NULL));
    return n;
}

/* What 'edn recover' does, whatever state its home is in. True: the diary is back. */
static bool one_run(world *w, const paper *p, edn_client **out)
{
    edn_recovery *r = NULL;
    edn_recovery_wait wait = {.state = EDN_RECOVERY_NONE};
    edn_status st;
    unsigned have;
    bool again;

    if (waits(w, "c")) {
        st = resume(w, "c", &r, &wait, &again, NULL);
    } else if ((st = begin(w, "c", WORLD_NAME, p->set, &r, NULL)) == EDN_OK) {
        CHECK_OK(paper_add(r, p->words[0], &have, NULL));
        CHECK_OK(paper_add(r, p->words[1], &have, NULL));
        st = ask(r, "c", &wait, NULL);
    }
    if (st == EDN_OK && wait.state == EDN_RECOVERY_READY)
        st = edn_recovery_finish(r, edn_bytes_str(FRESH), out, NULL);
    CHECK(st == EDN_OK || st == EDN_E_NETWORK);
    edn_recovery_free(r);
    return *out != NULL;
}

static void no_lost_answer_leaves_it_half_done(void **state)
{
    static const uint64_t losses[] = {4, 6, 7, 8}; /* asking, asking again, joining, the first sync */

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(losses); i++) {
        two t = two_open();
        edn_client *c = NULL;
        edn_client_status s;
        size_t active = 0;
        paper p = paper_made(t.a, 2, 2);
        t.w->lose_answer = t.w->exchanges + losses[i];
        for (int runs = 0; runs < 4 && !one_run(t.w, &p, &c); runs++)
            t.w->now_ms += WAIT_MS;
        CHECK(c);
        if (losses[i] == 8)
            CHECK_STATUS(edn_client_sync(c, NULL, &(edn_sync_result){0}, NULL), EDN_E_NETWORK);
        t.w->lose_answer = 0;
        diary_sync(c);
        CHECK_OK(edn_client_status_get(c, &s, NULL));
        for (size_t d = 0; d < s.heads_n; d++)
            active += s.heads[d].active;
        CHECK_INT(active, 3); /* a, b and this one, once */
        CHECK_INT(lost(c), 2);
        CHECK_OK(edn_client_device_revoke(c, "a", edn_bytes_str(FRESH), NULL));
        CHECK_INT(lost(c), 1); /* what is done is not to be done again */
        CHECK_OK(edn_client_recovery_done(c, NULL));
        CHECK_INT(lost(c), 0);
        diary_check_verified(c);
        edn_client_close(c);
        two_close(&t);
    }
}

static void a_server_that_forgot_it_is_asked_anew(void **state)
{
    two t = two_open();
    edn_recovery_wait wait;
    edn_recovery *r;
    paper p;
    bool again;

    (void)state;
    p = paper_made(t.a, 2, 3);
    world_server_save(t.w, "before");
    (void)asked(t.w, "c", &p);
    diary_sync(t.a);
    CHECK_INT(held(t.a).state, EDN_RECOVERY_WAITING);
    world_server_restore(t.w, "before");
    t.w->now_ms += 3600000;
    CHECK_OK(resume(t.w, "c", &r, &wait, &again, NULL));
    CHECK(again);
    CHECK_INT(wait.asked_ms, t.w->now_ms);
    edn_recovery_free(r);
    diary_sync(t.a); /* another number than before the server was set back, so it is told */
    CHECK_INT(held(t.a).asked_ms, wait.asked_ms);
    two_close(&t);
}

/* ---- what a server may make of it (A26) -------------------------------------------------------------------------- */

enum {
    LIE_THRESHOLD, /* in the link that names the set */
    LIE_NO_SET,
    LIE_NO_LOG,
    LIE_OTHER_LOG,   /* one that begins elsewhere */
    LIE_MORE_SHARES, /* extra contacts */
    LIE_OFFER,       /* a box where none is due */
    LIE_LOOK_COUNT,  /* those above are told when the log is looked at */
    LIE_BOX = LIE_LOOK_COUNT,
    LIE_CANCELLED, /* by a device that signed nothing */
    LIE_COUNT
};

typedef struct liar {
    int how;
    bool done;
} liar;

static void lie_held(edn_msg_held *m, int how)
{
    static edn_bytes box = {(const uint8_t *)"my own key", 10};

    switch (how) {
    case LIE_THRESHOLD:
        ((uint8_t *)(uintptr_t)m->links[m->links_n - 1].p)[108] ^= 3;
        break;
    case LIE_MORE_SHARES:
        ((uint8_t *)(uintptr_t)m->links[m->links_n - 1].p)[109] ^= 1;
        break;
    case LIE_NO_SET:
        m->links_n--;
        break;
    case LIE_NO_LOG:
        m->links_n = 0;
        break;
    case LIE_OTHER_LOG:
        m->links++;
        m->links_n--;
        break;
    case LIE_OFFER:
        m->state = EDN_HELD_READY;
        m->boxes = &box;
        m->boxes_n = 1;
        break;
    case LIE_BOX:
        ((uint8_t *)(uintptr_t)m->boxes[0].p)[m->boxes[0].n - 1] ^= 1;
        break;
    default:
        m->state = EDN_HELD_CANCELLED;
        memset(&m->device, 7, sizeof m->device);
        m->cancelled_ms = 5;
        m->boxes_n = 0;
    }
}

static void lie(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    liar *l = ctx;
    edn_arena a = edn_arena_init((size_t)8 << 20);
    edn_msg_held m;
    edn_bytes kept;

    (void)w;
    if ((!strcmp(rq->path, "/v1/recovery") || !strcmp(rq->path, "/v1/held")) && answer->status == 200) {
        CHECK(edn_arena_copy(&a, edn_buf_view(&answer->body), &kept));
        CHECK_OK(edn_held_decode(&a, kept, &m));
        l->done = true;
        lie_held(&m, l->how);
        edn_buf_reset(&answer->body);
        edn_held_put(&answer->body, &m);
    }
    edn_arena_dispose(&a);
}

static void a_server_that_changes_the_set_is_stopped(void **state)
{
    two t = two_open();
    paper p;

    (void)state;
    p = paper_made(t.a, 2, 2);
    t.w->tamper = lie;
    for (int how = 0; how < LIE_LOOK_COUNT; how++) {
        liar l = {.how = how};
        edn_recovery *r;
        edn_err err;
        t.w->tamper_ctx = &l;
        CHECK(begin(t.w, "c", WORLD_NAME, p.set, &r, &err) != EDN_OK); /* before a single share was asked for */
        CHECK(!r && l.done);
        CHECK(strstr(err.text, "do not trust it"));
    }
    t.w->tamper = NULL;
    CHECK_INT(asked(t.w, "c", &p).state, EDN_RECOVERY_WAITING);
    t.w->now_ms += WAIT_MS;
    t.w->tamper = lie;
    for (int how = LIE_MORE_SHARES; how < LIE_COUNT;
         how++) { /* what was looked at before is checked by the same code */
        liar l = {.how = how};
        edn_recovery *r;
        edn_recovery_wait wait;
        edn_err err;
        bool again;
        t.w->tamper_ctx = &l;
        CHECK(resume(t.w, "c", &r, &wait, &again, &err) != EDN_OK);
        CHECK(!r && l.done);
        CHECK(strstr(err.text, "do not trust it"));
        CHECK(waits(t.w, "c")); /* and nothing is lost by it */
    }
    t.w->tamper = NULL;
    two_close(&t);
}

static void a_cancelling_that_nobody_signed_is_told_and_counts_for_nothing(void **state)
{
    two t = two_open();
    liar l = {.how = LIE_CANCELLED};
    paper p;

    (void)state;
    p = paper_made(t.a, 2, 2);
    (void)asked(t.w, "c", &p);
    t.w->tamper = lie;
    t.w->tamper_ctx = &l;
    diary_sync(t.a);
    CHECK(l.done);
    CHECK_INT(held(t.a).state, EDN_RECOVERY_WAITING);
    CHECK_INT(diary_findings(t.a, EDN_E_SIG), 1);
    t.w->tamper = NULL;
    two_close(&t);
}

/* Whether the server tells or not: what came of it is in the log. */
static void hide(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    edn_arena a = edn_arena_init((size_t)8 << 20);
    edn_msg_pulled m;
    edn_bytes kept;

    (void)ctx;
    (void)w;
    if (!strcmp(rq->path, "/v1/pull") && answer->status == 200) {
        CHECK(edn_arena_copy(&a, edn_buf_view(&answer->body), &kept));
        CHECK_OK(edn_pulled_decode(&a, kept, &m));
        m.recovery = 0;
        edn_buf_reset(&answer->body);
        edn_pulled_put(&answer->body, &m);
    }
    edn_arena_dispose(&a);
}

static void a_server_that_tells_nobody_cannot_hide_what_came_of_it(void **state)
{
    two t = two_open();
    edn_client *c;
    paper p;
    told n;

    (void)state;
    p = paper_made(t.a, 2, 3);
    (void)news(t.a);
    t.w->tamper = hide;
    c = recovered(t.w, "c", &p, 0);
    diary_sync(t.a);
    CHECK_INT(held(t.a).state, EDN_RECOVERY_NONE);
    n = news(t.a);
    CHECK_INT(n.n, 2);
    CHECK_STR(edn_bytes_str(n.types[0]), "add");
    CHECK_STR(edn_bytes_str(n.types[1]), "passphrase");
    t.w->tamper = NULL;
    edn_client_close(c);
    two_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bare_machine_brings_everything_back),
        cmocka_unit_test(what_does_not_fit_is_refused_before_any_share),
        cmocka_unit_test(it_goes_on_at_the_very_second_and_not_before),
        cmocka_unit_test(every_device_is_told_and_any_may_cancel),
        cmocka_unit_test(a_second_who_asks_joins_the_first),
        cmocka_unit_test(new_shares_or_new_keys_end_it),
        cmocka_unit_test(no_lost_answer_leaves_it_half_done),
        cmocka_unit_test(a_server_that_forgot_it_is_asked_anew),
        cmocka_unit_test(a_server_that_changes_the_set_is_stopped),
        cmocka_unit_test(a_cancelling_that_nobody_signed_is_told_and_counts_for_nothing),
        cmocka_unit_test(a_server_that_tells_nobody_cannot_hide_what_came_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
