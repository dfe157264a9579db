/* A device is added without the passphrase, through the server's mailbox, whatever the server does with it; or over a
 * local network. */
#include "diarist.h"

#include <edn/pairing.h>
#include <time.h>

#include "client/pairing/pairing_priv.h"

#define LOCK "a lock for this one"

/* `a` is in the account and has an entry; "b" wants in. */
typedef struct meet {
    world *w;
    edn_client *a, *b;
    edn_pair *old, *new;
    edn_status old_st, new_st; /* of the last step */
    edn_err old_err, new_err;
    edn_pair_state old_state, new_state;
    bool same; /* what the people say of the digits */
    bool lan;  /* the two meet on the loopback network */
} meet;

static const edn_pair_lan loopback = {.address = "127.0.0.1"};
static const edn_pair_way by_lan = {.lan = &loopback};

static edn_status link_begin(meet *m)
{
    char home[256];
    edn_pair_link_options o = {.server = WORLD_ORIGIN, .device_name = "b", .strength = EDN_STRENGTH_FLOOR};
    edn_client_options options;

    if (m->lan)
        o = (edn_pair_link_options){.device_name = "b", .strength = EDN_STRENGTH_FLOOR, .way = &by_lan};
    world_home(m->w, "b", home);
    options = world_options(m->w, home);
    return edn_pair_link(&options, &o, edn_bytes_str(LOCK), &m->new, &m->new_err);
}

static edn_status approve_begin(meet *m, const char *shown)
{
    return edn_pair_approve(m->a, edn_bytes_str(shown), m->lan ? &by_lan : NULL, &m->old, &m->old_err);
}

static world *made;

static void forget_made(void) { world_free(made); }

/* A world in which "desk" has an account and one entry, made once and copied each time. */
static meet meet_alone(void)
{
    meet m = {.same = true};

    if (!made) {
        edn_client *a;
        made = world_new();
        a = world_init(made, "desk");
        diary_add(a, "1660-01-01", "One", "of a");
        diary_sync(a);
        edn_client_close(a);
        world_server_stop(made);
        atexit(forget_made);
    }
    m.w = world_copy(made);
    m.a = world_open(m.w, "desk");
    return m;
}

static meet meet_init(void)
{
    meet m = meet_alone();

    CHECK_OK(link_begin(&m));
    return m;
}

static meet meet_on_lan(void)
{
    meet m = meet_alone();

    m.lan = true;
    CHECK_OK(link_begin(&m));
    return m;
}

static void meet_dispose(meet *m)
{
    edn_pair_free(m->new);
    edn_pair_free(m->old);
    edn_client_close(m->b);
    edn_client_close(m->a);
    world_free(m->w);
}

static void one_step(edn_pair *p, edn_pair_state *state, edn_status *st, edn_err *err, bool same)
{
    if (*st != EDN_OK && *st != EDN_E_NETWORK)
        return;
    *st = edn_pair_step(p, state, err);
    if (*st == EDN_OK && *state == EDN_PAIR_COMPARE)
        *st = edn_pair_compared(p, same, err);
}

/* Steps both until nothing can change any more. */
static void carry(meet *m)
{
    for (int i = 0; i < 40; i++) {
        one_step(m->old, &m->old_state, &m->old_st, &m->old_err, m->same);
        one_step(m->new, &m->new_state, &m->new_st, &m->new_err, true);
    }
}

static void check_paired(meet *m)
{
    edn_account_info x, y;

    if (m->old_st != EDN_OK)
        print_error("old: %s\n", m->old_err.text);
    if (m->new_st != EDN_OK)
        print_error("new: %s\n", m->new_err.text);
    CHECK_OK(m->old_st);
    CHECK_OK(m->new_st);
    CHECK_INT(m->old_state, EDN_PAIR_DONE);
    CHECK_INT(m->new_state, EDN_PAIR_DONE);
    CHECK_STR(edn_bytes_str(edn_pair_digits(m->old)), edn_pair_digits(m->new));
    CHECK_INT(strlen(edn_pair_digits(m->new)), 6);
    CHECK_STR(edn_bytes_str(edn_pair_device(m->old)), "b");
    m->b = edn_pair_take(m->new);
    CHECK(m->b);
    CHECK(!edn_pair_take(m->new));
    diary_sync(m->b);
    diary_check_same(m->a, m->b);
    CHECK_INT(diary_see(m->b, false).entries, 1);
    diary_add(m->b, "1660-01-02", "Two", "of b");
    diary_sync(m->b);
    diary_sync(m->a);
    diary_check_same(m->a, m->b);
    CHECK_INT(diary_see(m->a, false).entries, 2);
    diary_check_verified(m->b);
    CHECK_OK(edn_client_account(m->a, &x, NULL));
    CHECK_OK(edn_client_account(m->b, &y, NULL));
    CHECK_STR(edn_bytes_str(x.account_key), y.account_key);
    CHECK_STR(edn_bytes_str(x.account), y.account);
    CHECK_STR(edn_bytes_str(x.name), y.name);
    CHECK_STR(edn_bytes_str(y.device_name), "b");
    CHECK_INT(diary_findings(m->b, EDN_E_WITHHELD), 0);
}

static void a_device_is_added_by_what_a_camera_sees(void **state)
{
    meet m = meet_init();

    (void)state;
    CHECK_OK(approve_begin(&m, edn_pair_offer(m.new)));
    carry(&m);
    check_paired(&m);
    meet_dispose(&m);
}

static void a_device_is_added_by_the_short_code(void **state)
{
    meet m = meet_init();
    char home[256];

    (void)state;
    CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
    carry(&m);
    check_paired(&m);
    edn_client_close(m.b); /* its own passphrase opens its own disk */
    world_home(m.w, "b", home);
    {
        edn_client_options o = world_options(m.w, home);
        CHECK_OK(edn_client_open(&o, &m.b, NULL));
        CHECK_STATUS(edn_client_unlock(m.b, edn_bytes_str(WORLD_PASSPHRASE), NULL), EDN_E_PASSPHRASE);
        CHECK_OK(edn_client_unlock(m.b, edn_bytes_str(LOCK), NULL));
    }
    diary_sync(m.b);
    meet_dispose(&m);
}

static void a_device_that_comes_after_a_revoke_reads_all(void **state)
{
    meet m = {.w = world_of_two(), .same = true};
    edn_client *b;

    (void)state;
    m.a = world_open(m.w, "a");
    b = world_open(m.w, "b");
    diary_add(m.a, "1660-01-01", "One", "before");
    diary_sync(m.a);
    diary_sync(b);
    CHECK_OK(edn_client_device_revoke(m.a, "b", edn_bytes_str(WORLD_PASSPHRASE), NULL));
    edn_client_close(b);
    diary_add(m.a, "1660-01-02", "Two", "after");
    diary_sync(m.a);
    {
        char home[256];
        edn_pair_link_options o = {.server = WORLD_ORIGIN, .device_name = "c", .strength = EDN_STRENGTH_FLOOR};
        edn_client_options options;
        world_home(m.w, "c", home);
        options = world_options(m.w, home);
        CHECK_OK(edn_pair_link(&options, &o, edn_bytes_str(LOCK), &m.new, NULL));
    }
    CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
    carry(&m);
    CHECK_OK(m.new_st);
    m.b = edn_pair_take(m.new);
    CHECK(m.b);
    diary_sync(m.b);
    diary_check_same(m.a, m.b);
    CHECK_INT(diary_see(m.b, false).entries, 2);
    meet_dispose(&m);
}

/* A thief's device let in another, which let in a third: they go with it, this device and an honest one stay. */
static void whom_a_device_let_in_goes_with_it(void **state)
{
    meet m = {.w = world_of_two(), .same = true};
    const char *thief[] = {"b"};
    edn_client *a = world_open(m.w, "a"), *guest = NULL;
    edn_client_status s;
    int went = 0;

    (void)state;
    edn_client_close(world_login(m.w, "honest"));
    m.a = world_open(m.w, "b");
    for (int i = 0; i < 2; i++) { /* b lets "c" in, and c lets "d" in */
        edn_pair_link_options o = {
            .server = WORLD_ORIGIN, .device_name = i ? "d" : "c", .strength = EDN_STRENGTH_FLOOR};
        edn_client_options options;
        char home[256];

        world_home(m.w, o.device_name, home);
        options = world_options(m.w, home);
        CHECK_OK(edn_pair_link(&options, &o, edn_bytes_str(LOCK), &m.new, NULL));
        CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
        carry(&m);
        CHECK_OK(m.new_st);
        guest = edn_pair_take(m.new);
        CHECK(guest);
        diary_sync(guest);
        edn_pair_free(m.old);
        edn_pair_free(m.new);
        m.old = m.new = NULL;
        edn_client_close(m.a);
        m.a = guest;
    }
    CHECK_OK(edn_client_devices_revoke(a, thief, 1, true, edn_bytes_str(WORLD_PASSPHRASE), NULL));
    CHECK_OK(edn_client_status_get(a, &s, NULL));
    CHECK_INT(s.heads_n, 5);
    for (size_t i = 0; i < s.heads_n; i++)
        went += !s.heads[i].active && s.heads[i].device_name.n == 1 && strchr("bcd", s.heads[i].device_name.p[0]);
    CHECK_INT(went, 3);
    for (size_t i = 0; i < s.heads_n; i++)
        went -= !s.heads[i].active;
    CHECK_INT(went, 0); /* and nobody else */
    edn_client_close(a);
    meet_dispose(&m);
}

/* ---- wrong codes ------------------------------------------------------------------------------------------------- */

static void check_not_paired(meet *m)
{
    edn_client_status status;

    CHECK(!edn_pair_take(m->new));
    CHECK_OK(edn_client_status_get(m->a, &status, NULL));
    CHECK_INT(status.heads_n, 1);
}

static void a_wrong_code_burns_itself(void **state)
{
    meet m = meet_init();
    char wrong[32];

    (void)state;
    strcpy(wrong, edn_pair_code(m.new));
    wrong[13] = wrong[13] == '7' ? '8' : '7';
    CHECK_OK(approve_begin(&m, wrong));
    carry(&m);
    CHECK_STATUS(m.old_st, EDN_E_AUTH);
    CHECK(strstr(m.old_err.text, "code is wrong"));
    CHECK_STATUS(m.new_st, EDN_E_CANCELLED);
    CHECK(strstr(m.new_err.text, "wrong code"));
    check_not_paired(&m);
    edn_pair_free(m.old);
    m.old = NULL;
    CHECK_STATUS(approve_begin(&m, edn_pair_code(m.new)), EDN_E_FORMAT); /* the right one is too late */
    meet_dispose(&m);
}

static void what_is_no_code_is_said_to_be_none(void **state)
{
    meet m = meet_init();
    char text[160];

    (void)state;
    CHECK_STATUS(approve_begin(&m, "hello"), EDN_E_INVALID);
    CHECK_STATUS(approve_begin(&m, ""), EDN_E_INVALID);
    CHECK_STATUS(approve_begin(&m, "0000-0000-0000"), EDN_E_MISSING); /* nobody waits there */
    CHECK(strstr(m.old_err.text, "nobody waits"));
    strcpy(text, edn_pair_offer(m.new));
    text[1] = '8'; /* the version is in the first two digits */
    CHECK_STATUS(approve_begin(&m, text), EDN_E_TYPE);
    CHECK(strstr(m.old_err.text, "another version"));
    check_not_paired(&m);
    meet_dispose(&m);
}

static void a_code_lives_five_minutes(void **state)
{
    meet m = meet_init();

    (void)state;
    m.w->now_ms += 300 * 1000;
    CHECK_STATUS(approve_begin(&m, edn_pair_code(m.new)), EDN_E_MISSING);
    one_step(m.new, &m.new_state, &m.new_st, &m.new_err, true);
    CHECK_STATUS(m.new_st, EDN_E_MISSING);
    CHECK_STATUS(edn_pair_step(m.new, &m.new_state, NULL), EDN_E_CANCELLED);
    meet_dispose(&m);
}

static void digits_that_differ_end_it(void **state)
{
    meet m = meet_init();

    (void)state;
    m.same = false;
    CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
    carry(&m);
    CHECK_STATUS(m.old_st, EDN_E_CANCELLED);
    CHECK_STATUS(m.new_st, EDN_E_CANCELLED);
    CHECK(strstr(m.new_err.text, "digits differ"));
    check_not_paired(&m);
    meet_dispose(&m);
}

static void who_gives_up_says_so(void **state)
{
    meet m = meet_init();

    (void)state;
    CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
    edn_pair_free(m.old);
    m.old = NULL;
    for (int i = 0; i < 3; i++)
        one_step(m.new, &m.new_state, &m.new_st, &m.new_err, true);
    CHECK_STATUS(m.new_st, EDN_E_CANCELLED);
    check_not_paired(&m);
    meet_dispose(&m);
}

/* ---- a network that loses answers, a server that begins anew, an account that moves ------------------------------ */

static void no_lost_answer_matters(void **state)
{
    uint64_t last;

    (void)state;
    {
        meet m = meet_init();
        uint64_t first = m.w->exchanges;
        CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
        carry(&m);
        CHECK_OK(m.new_st);
        last = m.w->exchanges - first;
        meet_dispose(&m);
    }
    for (uint64_t lost = 2; lost < last;
         lost += 4) { /* the first belongs to approve_begin, which says that it failed */
        meet m = meet_init();
        m.w->lose_answer = m.w->exchanges + lost;
        CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
        carry(&m);
        if (m.old_st != EDN_OK || m.new_st != EDN_OK)
            print_error("answer %llu of %llu\n", (unsigned long long)lost, (unsigned long long)last);
        check_paired(&m);
        meet_dispose(&m);
    }
}

static void a_server_that_begins_anew_ends_the_meeting(void **state)
{
    meet m = meet_init();

    (void)state;
    CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
    one_step(m.new, &m.new_state, &m.new_st, &m.new_err, true);
    world_server_stop(m.w);
    world_server_start(m.w);
    carry(&m);
    CHECK_STATUS(m.old_st, EDN_E_MISSING);
    CHECK_STATUS(m.new_st, EDN_E_MISSING);
    check_not_paired(&m);
    meet_dispose(&m);
}

static void a_device_that_joins_meanwhile_is_no_harm(void **state)
{
    meet m = meet_init();
    edn_client *c = NULL;

    (void)state;
    CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
    for (int i = 0; i < 40; i++) {
        one_step(m.old, &m.old_state, &m.old_st, &m.old_err, true);
        if (!c && edn_pair_digits(m.old)[0] && m.old_state == EDN_PAIR_WAITING) /* told; not added yet */
            c = world_login(m.w, "c");
        one_step(m.new, &m.new_state, &m.new_st, &m.new_err, true);
    }
    CHECK(c);
    check_paired(&m);
    diary_sync(c);
    diary_check_same(c, m.b);
    edn_client_close(c);
    meet_dispose(&m);
}

/* ---- a server that lies ------------------------------------------------------------------------------------------ */

typedef struct liar {
    edn_buf first; /* the first message of either side that it saw */
    unsigned at;   /* which get that brought something it meddles with */
    unsigned seen;
    enum { LIE_ALTER, LIE_REPLAY, LIE_EMPTY, LIE_SHORTER_LOG, LIE_BOX } how;
    bool done;
    edn_client *whose; /* log */
} liar;

static void answer_with_mail(edn_http_answer *answer, edn_bytes mail)
{
    edn_msg_mails m = {.left_s = 100, .mails = &mail, .n = 1};

    edn_buf_reset(&answer->body);
    edn_mails_put(&answer->body, &m);
}

static void lie_in_mailbox(liar *l, edn_arena *a, edn_http_answer *answer)
{
    edn_msg_mails got;
    edn_bytes kept;
    uint8_t *p;

    CHECK(edn_arena_copy(a, edn_buf_view(&answer->body), &kept));
    if (answer->status != 200 || edn_mails_decode(a, kept, &got) != EDN_OK || got.n == 0)
        return;
    if (l->first.n == 0)
        edn_put_bytes(&l->first, got.mails[0].p, got.mails[0].n);
    if (l->seen++ != l->at)
        return;
    l->done = true;
    if (l->how == LIE_ALTER) {
        p = (uint8_t *)(uintptr_t)got.mails[0].p;
        p[got.mails[0].n - 1] ^= 1;
        answer_with_mail(answer, got.mails[0]);
    } else if (l->how == LIE_REPLAY) {
        answer_with_mail(answer, edn_buf_view(&l->first));
    } else {
        answer_with_mail(answer, edn_bytes_str("\x04"));
    }
}

static void lie_about_log(edn_arena *a, edn_http_answer *answer)
{
    edn_msg_pulled got;
    edn_bytes kept;

    CHECK(edn_arena_copy(a, edn_buf_view(&answer->body), &kept));
    CHECK_OK(edn_pulled_decode(a, kept, &got));
    CHECK(got.links_n > 1);
    got.links_n--;
    edn_buf_reset(&answer->body);
    edn_pulled_put(&answer->body, &got);
}

static void lie(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    liar *l = ctx;
    edn_arena a = edn_arena_init((size_t)32 << 20);

    (void)w;
    if (l->how <= LIE_EMPTY && !strcmp(rq->path, "/v1/mailbox"))
        lie_in_mailbox(l, &a, answer);
    else if (l->how == LIE_SHORTER_LOG && !strcmp(rq->path, "/v1/pull") && l->at) {
        lie_about_log(&a, answer);
        l->done = true;
    } else if (l->how == LIE_BOX && !strcmp(rq->path, "/v1/box") && answer->body.n > 20) {
        answer->body.p[answer->body.n - 1] ^= 1;
        l->done = true;
    }
    edn_arena_dispose(&a);
}

/* Such an answer as an older state would give, to a device of which it knows all the same. */
static void lie_older(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    liar *l = ctx;
    edn_arena a = edn_arena_init((size_t)32 << 20);
    edn_msg_pulled got;
    edn_bytes kept;

    (void)w;
    if (!strcmp(rq->path, "/v1/pull") && answer->status == 200) {
        edn_client *old = l->whose;
        CHECK(edn_arena_copy(&a, edn_buf_view(&answer->body), &kept));
        CHECK_OK(edn_pulled_decode(&a, kept, &got));
        CHECK_OK(client_begin_read(old, NULL));
        got.log_count = 2;
        CHECK(edn_devlog_hash_at(old->log, 1, &got.log_head));
        CHECK_OK(client_end_read(old, EDN_OK, NULL));
        edn_buf_reset(&answer->body);
        edn_pulled_put(&answer->body, &got);
        l->done = true;
    }
    edn_arena_dispose(&a);
}

static void a_server_that_meddles_with_messages_is_named(void **state)
{
    (void)state;
    for (int how = LIE_ALTER; how <= LIE_EMPTY; how++)
        for (unsigned at = how == LIE_REPLAY ? 2 : 0; at < 10; at += how == LIE_ALTER ? 1 : 3) {
            meet m = meet_init();
            liar l = {.first = EDN_BUF_INIT(65536), .how = how, .at = at};
            edn_client_status status;
            bool both;
            m.w->tamper = lie;
            m.w->tamper_ctx = &l;
            CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
            carry(&m);
            CHECK(l.done);
            both = m.old_st != EDN_OK && m.new_st != EDN_OK;
            CHECK(both || at == 9); /* the last message: the old device is done by then */
            CHECK(m.old_st == EDN_E_AUTH || m.old_st == EDN_E_FORMAT || m.new_st == EDN_E_AUTH ||
                  m.new_st == EDN_E_FORMAT);
            CHECK(!edn_pair_take(m.new));
            CHECK_OK(edn_client_status_get(m.a, &status, NULL));
            CHECK_INT(status.heads_n, at == 9 ? 2 : 1);
            m.w->tamper = NULL;
            edn_buf_dispose(&l.first);
            meet_dispose(&m);
        }
}

static void a_server_that_shows_an_older_log_is_named(void **state)
{
    meet m = meet_init();
    liar l = {.how = LIE_SHORTER_LOG};

    (void)state;
    m.w->tamper = lie;
    m.w->tamper_ctx = &l;
    CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
    for (int i = 0; i < 40; i++) {
        l.at = 0;
        one_step(m.old, &m.old_state, &m.old_st, &m.old_err, true);
        l.at = 1; /* only towards the new device */
        one_step(m.new, &m.new_state, &m.new_st, &m.new_err, true);
    }
    CHECK(l.done);
    CHECK_STATUS(m.new_st, EDN_E_ROLLBACK);
    CHECK(strstr(m.new_err.text, "older account log"));
    CHECK(!edn_pair_take(m.new));
    m.w->tamper = NULL;
    meet_dispose(&m);
}

static void a_network_that_fails_before_the_end_only_delays_it(void **state)
{
    meet m = meet_init();

    (void)state;
    CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
    while (m.old_state != EDN_PAIR_DONE) {
        one_step(m.old, &m.old_state, &m.old_st, &m.old_err, true);
        CHECK_OK(m.old_st);
        if (m.old_state == EDN_PAIR_DONE)
            break;
        one_step(m.new, &m.new_state, &m.new_st, &m.new_err, true);
    }
    m.w->down = true; /* the new device cannot log in, */
    one_step(m.new, &m.new_state, &m.new_st, &m.new_err, true);
    CHECK_STATUS(m.new_st, EDN_E_NETWORK);
    m.w->down = false; /* and then can: the meeting goes on where it was */
    one_step(m.new, &m.new_state, &m.new_st, &m.new_err, true);
    check_paired(&m);
    meet_dispose(&m);
}

static void a_server_that_swaps_the_grant_is_named(void **state)
{
    meet m = meet_init();
    liar l = {.how = LIE_BOX};

    (void)state;
    m.w->tamper = lie;
    m.w->tamper_ctx = &l;
    CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
    carry(&m);
    CHECK(l.done);
    CHECK_STATUS(m.new_st, EDN_E_AUTH);
    CHECK(strstr(m.new_err.text, "do not trust it"));
    CHECK(!edn_pair_take(m.new));
    m.w->tamper = NULL;
    meet_dispose(&m);
}

/* What the old device had seen is owed to the new one (A10, A12). */
static void what_the_old_device_has_seen_is_owed_to_the_new_one(void **state)
{
    meet m = meet_alone();
    edn_client_status status;
    bool told = false;

    (void)state;
    world_server_save(m.w, "before"); /* one batch of a */
    diary_add(m.a, "1660-01-03", "Three", "kept back");
    CHECK_OK(link_begin(&m));
    CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
    carry(&m);
    CHECK_OK(m.new_st);
    m.b = edn_pair_take(m.new);
    CHECK(m.b);
    world_server_restore(m.w, "before"); /* the server goes back to before it, and before b */
    for (int i = 0; i < 4 && !told; i++) {
        edn_sync_result r;
        m.w->now_ms += 6 * 60 * 1000;
        CHECK_OK(edn_client_sync(m.b, NULL, &r, NULL));
        CHECK_OK(edn_client_status_get(m.b, &status, NULL));
        for (size_t k = 0; k < status.findings_n; k++)
            told |= status.findings[k].status == EDN_E_WITHHELD;
    }
    CHECK(told);
    meet_dispose(&m);
}

static void a_home_in_use_is_left_alone(void **state)
{
    meet m = meet_init();
    char home[256];
    edn_pair_link_options o = {.server = WORLD_ORIGIN, .device_name = "x", .strength = EDN_STRENGTH_FLOOR};
    edn_client_options options;
    edn_pair *p;

    (void)state;
    world_home(m.w, "desk", home);
    options = world_options(m.w, home);
    CHECK_STATUS(edn_pair_link(&options, &o, edn_bytes_str(LOCK), &p, NULL), EDN_E_EXISTS);
    CHECK(!p);
    meet_dispose(&m);
}

/* ---- over a local network ---------------------------------------------------------------------------------------- */

static void one_round(meet *m)
{
    one_step(m->old, &m->old_state, &m->old_st, &m->old_err, m->same);
    one_step(m->new, &m->new_state, &m->new_st, &m->new_err, true);
    (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
}

static bool is_over(edn_status st, edn_pair_state state)
{
    return (st != EDN_OK && st != EDN_E_NETWORK) || state == EDN_PAIR_DONE;
}

/* Until both are through. For the new device there is no server at all. */
static void carry_on_lan(meet *m)
{
    for (int i = 0; i < 3000 && !(is_over(m->old_st, m->old_state) && is_over(m->new_st, m->new_state)); i++) {
        uint64_t before;
        one_step(m->old, &m->old_state, &m->old_st, &m->old_err, m->same);
        before = m->w->exchanges;
        m->w->down = true;
        one_step(m->new, &m->new_state, &m->new_st, &m->new_err, true);
        m->w->down = false;
        CHECK_INT(m->w->exchanges, before);
        (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
}

static void two_machines_on_one_network_need_no_mailbox(void **state)
{
    (void)state;
    for (int by_code = 0; by_code < 2; by_code++) {
        meet m = meet_on_lan();
        CHECK(strncmp(edn_pair_addresses(m.new), "127.0.0.1:", 10) == 0);
        CHECK_OK(approve_begin(&m, by_code ? edn_pair_code(m.new) : edn_pair_offer(m.new)));
        carry_on_lan(&m);
        check_paired(&m);
        meet_dispose(&m);
    }
}

static void an_old_device_may_be_told_where_the_new_one_waits(void **state)
{
    meet m = meet_on_lan();
    edn_pair_lan told = {.at = edn_pair_addresses(m.new)};
    edn_pair_way way = {.lan = &told};

    (void)state;
    CHECK_OK(edn_pair_approve(m.a, edn_bytes_str(edn_pair_code(m.new)), &way, &m.old, &m.old_err));
    carry_on_lan(&m);
    check_paired(&m);
    meet_dispose(&m);
}

static void a_wrong_code_burns_itself_on_a_network_too(void **state)
{
    meet m = meet_on_lan();
    char wrong[32];

    (void)state;
    strcpy(wrong, edn_pair_code(m.new));
    wrong[13] = wrong[13] == '7' ? '8' : '7';
    CHECK_OK(approve_begin(&m, wrong));
    carry_on_lan(&m);
    CHECK_STATUS(m.old_st, EDN_E_AUTH);
    CHECK_STATUS(m.new_st, EDN_E_CANCELLED);
    CHECK(strstr(m.new_err.text, "wrong code"));
    check_not_paired(&m);
    edn_pair_free(m.old);
    {
        edn_pair_lan told = {.at = edn_pair_addresses(m.new)};
        edn_pair_way way = {.lan = &told};
        CHECK_OK(edn_pair_approve(m.a, edn_bytes_str(edn_pair_code(m.new)), &way, &m.old, &m.old_err));
    }
    m.old_st = EDN_OK; /* nobody waits for the right one any more */
    for (int i = 0; i < 100 && m.old_st == EDN_OK; i++)
        one_round(&m);
    CHECK_STATUS(m.old_st, EDN_E_MISSING);
    meet_dispose(&m);
}

static void digits_that_differ_end_it_on_a_network_too(void **state)
{
    meet m = meet_on_lan();

    (void)state;
    m.same = false;
    CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
    carry_on_lan(&m);
    CHECK_STATUS(m.old_st, EDN_E_CANCELLED);
    CHECK_STATUS(m.new_st, EDN_E_CANCELLED);
    CHECK(strstr(m.new_err.text, "digits differ"));
    check_not_paired(&m);
    meet_dispose(&m);
}

/* The log has one order, which the server gives: a device is not added without it. */
static void without_the_accounts_server_nothing_is_begun(void **state)
{
    meet m = meet_on_lan();

    (void)state;
    m.w->down = true;
    CHECK_STATUS(approve_begin(&m, edn_pair_code(m.new)), EDN_E_NETWORK);
    CHECK(strstr(m.old_err.text, "server is not within reach") && strstr(m.old_err.text, "as good as before"));
    CHECK(!m.old);
    check_not_paired(&m);
    m.w->down = false;
    CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
    carry_on_lan(&m);
    check_paired(&m);
    meet_dispose(&m);
}

static void an_answer_that_is_lost_only_delays_it(void **state)
{
    uint64_t n = 0;

    (void)state;
    for (uint64_t lost = 0; lost <= n; lost++) {
        meet m = meet_on_lan();
        uint64_t first;
        CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
        first = m.w->exchanges;
        m.w->lose_answer = lost ? first + lost : 0;
        carry_on_lan(&m);
        if (lost == 0)
            n = m.w->exchanges - first; /* all are the old device's */
        check_paired(&m);
        meet_dispose(&m);
    }
    CHECK_INT(n, 4); /* the newest log, twice; the link; the receipt over it */
}

/* Until the new device has said who it is, and the old one has not read that. */
static void carry_until_device(meet *m)
{
    for (int i = 0; i < 3000 && m->new->secret->meeting.told == 0; i++)
        one_round(m);
    CHECK_INT(m->new->secret->meeting.told, 1);
}

static void a_new_device_that_is_gone_before_it_is_welcome_is_told_of(void **state)
{
    (void)state;
    for (int killed = 0; killed < 2; killed++) {
        meet m = meet_on_lan();
        edn_client_status status;
        CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
        carry_until_device(&m);
        m.new->over = killed; /* it cannot say no any more */
        edn_pair_free(m.new);
        m.new = NULL;
        for (int i = 0; i < 3000 && m.old_st == EDN_OK && m.old_state != EDN_PAIR_DONE; i++)
            one_step(m.old, &m.old_state, &m.old_st, &m.old_err, true);
        CHECK_STATUS(m.old_st, killed ? EDN_E_MISSING : EDN_E_CANCELLED);
        CHECK(strstr(m.old_err.text, "revoke it here"));
        CHECK_OK(edn_client_status_get(m.a, &status, NULL));
        CHECK_INT(status.heads_n, 2);
        meet_dispose(&m);
    }
}

static void an_old_device_that_is_gone_leaves_nothing_here(void **state)
{
    meet m = meet_on_lan();

    (void)state;
    CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
    carry_until_device(&m);
    m.old->over = true;
    edn_pair_free(m.old);
    m.old = NULL;
    for (int i = 0; i < 3000 && m.new_st == EDN_OK; i++)
        one_step(m.new, &m.new_state, &m.new_st, &m.new_err, true);
    CHECK_STATUS(m.new_st, EDN_E_MISSING);
    check_not_paired(&m);
    edn_pair_free(m.new);
    CHECK_OK(link_begin(&m)); /* the home is free */
    meet_dispose(&m);
}

/* ---- what is handed over ----------------------------------------------------------------------------------------- */

/* Old is through; new has heard the welcome, and has not acted on it. */
static meet meet_welcomed(void)
{
    edn_buf mail = EDN_BUF_INIT(65536), none = EDN_BUF_INIT(65536);
    meet m = meet_on_lan();
    bool there = false;

    CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
    carry_until_device(&m);
    for (int i = 0; i < 3000 && m.old_state != EDN_PAIR_DONE; i++)
        one_step(m.old, &m.old_state, &m.old_st, &m.old_err, true);
    CHECK_OK(m.old_st);
    for (int i = 0; i < 3000 && !there; i++)
        CHECK_OK(m.new->post.get(m.new->post.ctx, m.new->got_n, &mail, &there, NULL));
    CHECK_OK(edn_meeting_take(&m.new->secret->meeting, edn_buf_view(&mail), &none));
    CHECK(m.new->secret->meeting.want == EDN_MEETING_JOIN &&m.new->secret->meeting.welcome.handover);
    edn_buf_dispose(&mail);
    edn_buf_dispose(&none);
    return m;
}

/* Altered and back again. */
static void check_refuses(meet *m, uint8_t *at, edn_status want)
{
    *at ^= 1;
    CHECK_STATUS(pair_join(m->new, &m->new_err), want);
    CHECK(strstr(m->new_err.text, "nothing was written here"));
    *at ^= 1;
}

/* A true receipt, of before the new device was added. */
static void check_refuses_an_older_receipt(meet *m)
{
    meet before = meet_alone();
    edn_meeting_handover *h = &m->new->secret->meeting.handover, good = *h;
    edn_sync_remote remote;

    CHECK_OK(client_begin_read(before.a, NULL));
    CHECK_OK(client_end_read(before.a, remote_load(before.a, &remote), NULL));
    CHECK_INT(remote.log_count, 2);
    h->log_count = remote.log_count;
    h->log_head = remote.log_head;
    h->heads = remote.heads;
    h->heads_n = remote.heads_n;
    h->receipt = remote.receipt;
    CHECK_STATUS(pair_join(m->new, &m->new_err), EDN_E_FORMAT);
    *h = good;
    edn_sync_remote_dispose(&remote);
    meet_dispose(&before);
}

/* A link of this log, but not the one that added this device. */
static void check_refuses_another_place(meet *m)
{
    edn_meeting *t = &m->new->secret->meeting;
    edn_meeting_welcome good = t->welcome;

    t->welcome.link_seq = 1;
    t->welcome.link_hash = edn_link_hash(t->handover.links[1]);
    CHECK_STATUS(pair_join(m->new, &m->new_err), EDN_E_FORMAT);
    t->welcome = good;
}

static void what_is_handed_over_is_checked_as_if_a_server_had_sent_it(void **state)
{
    meet m = meet_welcomed();
    edn_meeting *t = &m.new->secret->meeting;
    edn_meeting_handover *h = &t->handover;
    uint8_t *grants = (uint8_t *)(uintptr_t)h->grants.p, *link = (uint8_t *)(uintptr_t)h->links[1].p;

    (void)state;
    CHECK_INT(h->links_n, 3);
    CHECK_INT(h->log_count, 3);
    check_refuses(&m, link + h->links[1].n - 1, EDN_E_SIG);
    check_refuses(&m, grants + h->grants.n - 1, EDN_E_AUTH);
    CHECK(strstr(m.new_err.text, "another sealed key"));
    check_refuses(&m, h->receipt.sig.b, EDN_E_SIG);
    check_refuses(&m, h->log_head.b, EDN_E_FORMAT);
    check_refuses(&m, &h->heads[0].hash.b[0], EDN_E_SIG);
    check_refuses(&m, t->welcome.link_hash.b, EDN_E_FORMAT);
    check_refuses(&m, t->account.id.b, EDN_E_ACCOUNT);
    check_refuses(&m, t->account.receipt_pk.b, EDN_E_SIG);
    check_refuses(&m, m.new->secret->e.id.device.b, EDN_E_FORMAT); /* the link added another one */
    check_refuses_an_older_receipt(&m);
    check_refuses_another_place(&m);
    h->log_count--;
    CHECK_STATUS(pair_join(m.new, &m.new_err), EDN_E_FORMAT);
    h->log_count += 2;
    CHECK_STATUS(pair_join(m.new, &m.new_err), EDN_E_FORMAT);
    h->log_count--;
    h->links_n--;
    CHECK_STATUS(pair_join(m.new, &m.new_err), EDN_E_FORMAT);
    h->links_n++;
    CHECK_OK(pair_join(m.new, &m.new_err));
    t->want = EDN_MEETING_OVER;
    one_step(m.new, &m.new_state, &m.new_st, &m.new_err, true);
    check_paired(&m);
    meet_dispose(&m);
}

static void a_log_that_was_not_handed_over_is_asked_for(void **state)
{
    meet m = meet_welcomed();

    (void)state;
    m.new->secret->meeting.welcome.handover = NULL;
    for (int i = 0; i < 3; i++)
        one_step(m.new, &m.new_state, &m.new_st, &m.new_err, true);
    check_paired(&m);
    meet_dispose(&m);
}

/* A10: what the old device's receipt says the server had, the new one misses from its first sync on. */
static void a_server_that_goes_back_after_a_pairing_is_named_by_the_new_device(void **state)
{
    meet m = meet_alone();
    edn_sync_result r;

    (void)state;
    world_server_save(m.w, "before");
    m.lan = true;
    CHECK_OK(link_begin(&m));
    CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
    carry_on_lan(&m);
    CHECK_OK(m.new_st);
    m.b = edn_pair_take(m.new);
    world_server_restore(m.w, "before"); /* it never knew this device */
    CHECK_OK(edn_client_sync(m.b, NULL, &r, NULL));
    CHECK_INT(diary_findings(m.b, EDN_E_ROLLBACK), 1);
    CHECK(r.synced); /* and has been given the link again */
    diary_sync(m.a);
    diary_check_same(m.a, m.b);
    meet_dispose(&m);
}

/* The same of a server that lets the new device in, and shows it the log of before. */
static void a_server_that_shows_an_older_log_after_a_pairing_is_named(void **state)
{
    meet m = meet_on_lan();
    liar l = {.whose = m.a};
    edn_sync_result r;

    (void)state;
    CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
    carry_on_lan(&m);
    CHECK_OK(m.new_st);
    m.b = edn_pair_take(m.new);
    m.w->tamper = lie_older;
    m.w->tamper_ctx = &l;
    CHECK_OK(edn_client_sync(m.b, NULL, &r, NULL));
    CHECK(l.done);
    CHECK_INT(diary_findings(m.b, EDN_E_ROLLBACK), 1);
    m.w->tamper = NULL;
    diary_sync(m.b);
    diary_check_same(m.a, m.b);
    meet_dispose(&m);
}

/* A11: one server, two logs of one account: with a device in each. */
static void a_server_that_goes_on_with_another_log_after_a_pairing_is_named(void **state)
{
    meet m = meet_alone();
    edn_client *c;
    edn_sync_result r;
    edn_err err;

    (void)state;
    world_server_save(m.w, "before");
    m.lan = true;
    CHECK_OK(link_begin(&m));
    CHECK_OK(approve_begin(&m, edn_pair_code(m.new)));
    carry_on_lan(&m);
    CHECK_OK(m.new_st);
    m.b = edn_pair_take(m.new);
    world_server_restore(m.w, "before");
    c = world_login(m.w, "c"); /* in the place of the link that added b */
    CHECK_STATUS(edn_client_sync(m.b, NULL, &r, &err), EDN_E_FORK);
    CHECK(strstr(err.text, "another device log"));
    CHECK_STATUS(edn_client_sync(m.a, NULL, &r, NULL), EDN_E_FORK);
    edn_client_close(c);
    meet_dispose(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_is_added_by_what_a_camera_sees),
        cmocka_unit_test(a_device_is_added_by_the_short_code),
        cmocka_unit_test(a_device_that_comes_after_a_revoke_reads_all),
        cmocka_unit_test(whom_a_device_let_in_goes_with_it),
        cmocka_unit_test(a_wrong_code_burns_itself),
        cmocka_unit_test(what_is_no_code_is_said_to_be_none),
        cmocka_unit_test(a_code_lives_five_minutes),
        cmocka_unit_test(digits_that_differ_end_it),
        cmocka_unit_test(who_gives_up_says_so),
        cmocka_unit_test(no_lost_answer_matters),
        cmocka_unit_test(a_server_that_begins_anew_ends_the_meeting),
        cmocka_unit_test(a_device_that_joins_meanwhile_is_no_harm),
        cmocka_unit_test(a_server_that_meddles_with_messages_is_named),
        cmocka_unit_test(a_server_that_shows_an_older_log_is_named),
        cmocka_unit_test(a_network_that_fails_before_the_end_only_delays_it),
        cmocka_unit_test(a_server_that_swaps_the_grant_is_named),
        cmocka_unit_test(what_the_old_device_has_seen_is_owed_to_the_new_one),
        cmocka_unit_test(a_home_in_use_is_left_alone),
        cmocka_unit_test(two_machines_on_one_network_need_no_mailbox),
        cmocka_unit_test(an_old_device_may_be_told_where_the_new_one_waits),
        cmocka_unit_test(a_wrong_code_burns_itself_on_a_network_too),
        cmocka_unit_test(digits_that_differ_end_it_on_a_network_too),
        cmocka_unit_test(without_the_accounts_server_nothing_is_begun),
        cmocka_unit_test(an_answer_that_is_lost_only_delays_it),
        cmocka_unit_test(a_new_device_that_is_gone_before_it_is_welcome_is_told_of),
        cmocka_unit_test(an_old_device_that_is_gone_leaves_nothing_here),
        cmocka_unit_test(what_is_handed_over_is_checked_as_if_a_server_had_sent_it),
        cmocka_unit_test(a_log_that_was_not_handed_over_is_asked_for),
        cmocka_unit_test(a_server_that_goes_back_after_a_pairing_is_named_by_the_new_device),
        cmocka_unit_test(a_server_that_shows_an_older_log_after_a_pairing_is_named),
        cmocka_unit_test(a_server_that_goes_on_with_another_log_after_a_pairing_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
