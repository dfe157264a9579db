/* Recovery shares are made, tried, and found out when they are wrong (A26, A27). */
#include "diarist.h"

#include <edn/recovery.h>

#include "client/client_priv.h"

/* The pages of a set. */
typedef struct paper {
    char words[EDN_RECOVERY_SHARES_MAX][EDN_RECOVERY_WORDS_MAX];
    char set[EDN_RECOVERY_SET_MAX];
    unsigned n;
    edn_status give; /* of the second page */
} paper;

static edn_status keep(void *ctx, const edn_recovery_page *page)
{
    paper *p = ctx;

    CHECK_INT(page->number, p->n + 1);
    CHECK_STR(edn_bytes_str(page->name), WORLD_NAME);
    strcpy(p->words[p->n++], page->words);
    strcpy(p->set, page->set);
    return p->n == 2 ? p->give : EDN_OK;
}

static paper made_with(edn_client *c, const char *passphrase, unsigned needed, unsigned n)
{
    paper p = {.n = 0};

    CHECK_OK(edn_client_recovery_setup(c, edn_bytes_str(passphrase), needed, n, keep, &p, NULL));
    CHECK_INT(p.n, n);
    return p;
}

static paper made(edn_client *c, unsigned needed, unsigned n) { return made_with(c, WORLD_PASSPHRASE, needed, n); }

static edn_status add(edn_recovery *r, const char *words, unsigned *have, edn_err *err)
{
    unsigned needed;

    return edn_recovery_add(r, edn_bytes_str(words), have, &needed, err);
}

static edn_recovery *drill(edn_client *c)
{
    edn_recovery *r;

    CHECK_OK(edn_recovery_drill(c, &r, NULL));
    return r;
}

static edn_recovery_info info_of(edn_client *c)
{
    edn_recovery_info i;

    CHECK_OK(edn_client_recovery_info(c, &i, NULL));
    return i;
}

static void any_enough_shares_are_alive_and_fewer_are_not(void **state)
{
    two t = two_open();
    paper p;
    unsigned have;

    (void)state;
    diary_sync(t.b);
    CHECK(!info_of(t.a).there);
    p = made(t.a, 3, 5);
    CHECK(info_of(t.a).there && info_of(t.a).current);
    CHECK_INT(info_of(t.a).needed, 3);
    CHECK_INT(info_of(t.a).n, 5);
    CHECK_STR(edn_bytes_str(info_of(t.a).set), p.set);
    diary_sync(t.b);
    CHECK_STR(edn_bytes_str(info_of(t.b).set), p.set);
    for (int from_b = 0; from_b < 2; from_b++) /* the other device takes the box from the server */
        for (unsigned skip = 0; skip < 5; skip += 2) {
            edn_recovery *r = drill(from_b ? t.b : t.a);
            unsigned given = 0;
            for (unsigned i = 5; i-- > 0 && given < 3;)
                if (i != skip) {
                    CHECK_OK(add(r, p.words[i], &have, NULL));
                    CHECK_INT(have, ++given);
                }
            edn_recovery_free(r);
        }
    diary_check_verified(t.a);
    two_close(&t);
}

static void each_wrong_share_is_named_at_once(void **state)
{
    two t = two_open();
    world *w2 = world_new();
    edn_client *stranger = world_init(w2, "stranger");
    paper old, p, foreign;
    char words[EDN_RECOVERY_WORDS_MAX + 20];
    edn_recovery *r;
    edn_err err;
    unsigned have;

    (void)state;
    old = made(t.a, 2, 3);
    p = made(t.a, 2, 3);
    foreign = made(stranger, 2, 3);
    r = drill(t.a);
    strcpy(words, p.words[0]); /* a letter too much in the third word */
    {
        char *third = strchr(strchr(words, ' ') + 1, ' ') + 1;
        memmove(third + 1, third, strlen(third) + 1);
        *third = 'z';
    }
    CHECK_STATUS(add(r, words, &have, &err), EDN_E_INVALID);
    CHECK(strstr(err.text, "word 3"));
    CHECK_STATUS(add(r, "academic acid", &have, &err), EDN_E_INVALID);
    CHECK_STATUS(add(r, "", &have, &err), EDN_E_INVALID);
    CHECK_STATUS(add(r, foreign.words[1], &have, &err), EDN_E_AUTH);
    CHECK(strstr(err.text, "another account"));
    CHECK_STATUS(add(r, old.words[1], &have, &err), EDN_E_AUTH);
    CHECK(strstr(err.text, "older set"));
    CHECK_INT(have, 0);
    CHECK_OK(add(r, p.words[1], &have, &err));
    CHECK_STATUS(add(r, p.words[1], &have, &err), EDN_E_EXISTS);
    CHECK(strstr(err.text, "share 2 was given already"));
    CHECK_STATUS(add(r, old.words[0], &have, &err), EDN_E_AUTH);
    CHECK_INT(have, 1); /* what was good still is */
    CHECK_OK(add(r, p.words[2], &have, &err));
    CHECK_INT(have, 2);
    edn_recovery_free(r);
    edn_client_close(stranger);
    world_free(w2);
    two_close(&t);
}

static void a_set_that_cannot_be_is_refused(void **state)
{
    two t = two_open();
    static const unsigned bad[][2] = {{0, 0}, {1, 1}, {1, 3}, {4, 3}, {2, 17}, {2, 1}};
    paper p = {.n = 0};
    edn_recovery *r;
    edn_err err;

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(bad); i++)
        CHECK_STATUS(
            edn_client_recovery_setup(t.a, edn_bytes_str(WORLD_PASSPHRASE), bad[i][0], bad[i][1], keep, &p, &err),
            EDN_E_INVALID);
    CHECK_STATUS(edn_client_recovery_setup(t.a, edn_bytes_str("another passphrase"), 2, 3, keep, &p, &err),
                 EDN_E_PASSPHRASE);
    CHECK_INT(p.n, 0); /* no page was shown */
    CHECK_STATUS(edn_recovery_drill(t.a, &r, &err), EDN_E_MISSING);
    CHECK(!r);
    p = made(t.a, 16, 16);
    p = made(t.a, 2, 2);
    two_close(&t);
}

static void no_set_is_good_whose_pages_were_not_kept(void **state)
{
    two t = two_open();
    paper p = {.give = EDN_E_IO}, before;

    (void)state;
    before = made(t.a, 2, 3);
    CHECK_STATUS(edn_client_recovery_setup(t.a, edn_bytes_str(WORLD_PASSPHRASE), 2, 3, keep, &p, NULL), EDN_E_IO);
    CHECK_STR(edn_bytes_str(info_of(t.a).set), before.set);
    t.w->down = true;
    p = (paper){.n = 0};
    CHECK_STATUS(edn_client_recovery_setup(t.a, edn_bytes_str(WORLD_PASSPHRASE), 2, 3, keep, &p, NULL), EDN_E_NETWORK);
    t.w->down = false;
    diary_sync(t.a);
    CHECK_STR(edn_bytes_str(info_of(t.a).set), before.set);
    two_close(&t);
}

static void no_lost_answer_leaves_it_half_done(void **state)
{
    (void)state;
    for (uint64_t lost = 1; lost < 12; lost++) {
        two t = two_open();
        paper p = {.n = 0};
        edn_status st;
        unsigned have;
        edn_recovery *r;
        t.w->lose_answer = t.w->exchanges + lost;
        st = edn_client_recovery_setup(t.a, edn_bytes_str(WORLD_PASSPHRASE), 2, 2, keep, &p, NULL);
        CHECK(st == EDN_OK || st == EDN_E_NETWORK);
        t.w->lose_answer = 0;
        diary_sync(t.a);
        if (st == EDN_OK) {
            r = drill(t.a);
            CHECK_OK(add(r, p.words[0], &have, NULL));
            CHECK_OK(add(r, p.words[1], &have, NULL));
            edn_recovery_free(r);
        } else {
            CHECK(!info_of(t.a).there);
        }
        two_close(&t);
    }
}

static void after_a_revoke_a_new_set_is_asked_for(void **state)
{
    two t = two_open();
    paper p;
    edn_recovery *r;
    unsigned have;

    (void)state;
    diary_sync(t.b);
    diary_sync(t.a);
    p = made(t.a, 2, 3);
    CHECK_OK(edn_client_device_revoke(t.a, "b", edn_bytes_str(WORLD_PASSPHRASE), NULL));
    CHECK(!info_of(t.a).current);
    r = drill(t.a); /* alive all the same */
    CHECK_OK(add(r, p.words[0], &have, NULL));
    CHECK_OK(add(r, p.words[2], &have, NULL));
    edn_recovery_free(r);
    p = made(t.a, 2, 3);
    CHECK(info_of(t.a).current);
    r = drill(t.a);
    CHECK_OK(add(r, p.words[2], &have, NULL));
    CHECK_OK(add(r, p.words[1], &have, NULL));
    edn_recovery_free(r);
    two_close(&t);
}

/* ---- with everything lost ---------------------------------------------------------------------------------------- */

static edn_status begin(world *w, const char *device, const char *name, const char *set, edn_recovery **r, edn_err *err)
{
    char home[256];
    edn_client_options o;

    world_home(w, device, home);
    o = world_options(w, home);
    return edn_recovery_begin(&o, WORLD_ORIGIN, name, set, r, err);
}

static edn_client *recovered(world *w, const char *device, const paper *p, unsigned first)
{
    edn_client *c;
    edn_recovery *r;
    unsigned have;
    edn_err err = {EDN_OK, ""};

    CHECK_OK(begin(w, device, WORLD_NAME, p->set, &r, &err));
    CHECK_STATUS(edn_recovery_finish(r, device, EDN_STRENGTH_FLOOR, edn_bytes_str("quite another one"), &c, NULL),
                 EDN_E_MISSING); /* too few */
    CHECK_OK(add(r, p->words[first], &have, NULL));
    CHECK_OK(add(r, p->words[first + 1], &have, NULL));
    if (edn_recovery_finish(r, device, EDN_STRENGTH_FLOOR, edn_bytes_str("quite another one"), &c, &err) != EDN_OK)
        print_error("finish: %s\n", err.text);
    CHECK(c);
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
    p = made(t.a, 2, 3);
    CHECK_OK(edn_client_account(t.a, &before, NULL));
    c = recovered(t.w, "c", &p, 1);
    diary_sync(c);
    diary_check_same(t.a, c);
    CHECK_INT(diary_see(c, false).entries, 2);
    CHECK_OK(edn_client_device_revoke(c, "a", edn_bytes_str("quite another one"), NULL));
    CHECK_OK(edn_client_device_revoke(c, "b", edn_bytes_str("quite another one"), NULL));
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
    CHECK(!info_of(c).current);
    p = made_with(c, "quite another one", 2, 2); /* and again, with a new set */
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
    p = made(t.a, 2, 2);
    strcpy(typo, p.set);
    typo[3] = typo[3] == '7' ? '8' : '7';
    CHECK_STATUS(begin(t.w, "c", WORLD_NAME, typo, &r, &err), EDN_E_INVALID);
    CHECK_STATUS(begin(t.w, "c", "nobody", p.set, &r, &err), EDN_E_DENIED);
    CHECK_STATUS(begin(t.w, "a", WORLD_NAME, p.set, &r, &err), EDN_E_EXISTS);
    next = made(t.a, 2, 2); /* which ends the first */
    CHECK_STATUS(begin(t.w, "c", WORLD_NAME, p.set, &r, &err), EDN_E_DENIED);
    CHECK_OK(begin(t.w, "c", WORLD_NAME, next.set, &r, &err));
    edn_recovery_free(r);
    CHECK_OK(edn_client_device_revoke(t.a, "b", edn_bytes_str(WORLD_PASSPHRASE), NULL));
    CHECK_STATUS(begin(t.w, "c", WORLD_NAME, next.set, &r, &err), EDN_E_EPOCH);
    CHECK(!r);
    two_close(&t);
}

/* What an evil server may make of the answer (A26): each is a hard stop, before a single share was asked for. */
typedef struct liar {
    int how;
    bool done;
} liar;

static void lie(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    liar *l = ctx;
    edn_arena a = edn_arena_init((size_t)8 << 20);
    edn_msg_log_append m;
    edn_bytes kept;

    (void)w;
    if (!strcmp(rq->path, "/v1/recovery")) {
        CHECK(edn_arena_copy(&a, edn_buf_view(&answer->body), &kept));
        CHECK_OK(edn_log_append_decode(&a, kept, &m));
        l->done = true;
        switch (l->how) {
        case 0: /* another threshold in the link that names the set */
            ((uint8_t *)(uintptr_t)m.links[m.links_n - 1].p)[108] ^= 3;
            break;
        case 1: /* the log without it */
            m.links_n--;
            break;
        case 2: /* another box */
            ((uint8_t *)(uintptr_t)m.boxes[0].p)[m.boxes[0].n - 1] ^= 1;
            break;
        case 3: /* no log */
            m.links_n = 0;
            break;
        case 4:
            m.boxes_n = 0;
            break;
        default: /* a log that begins elsewhere */
            m.links++;
            m.links_n--;
        }
        edn_buf_reset(&answer->body);
        edn_log_append_put(&answer->body, &m);
    }
    edn_arena_dispose(&a);
}

static void a_server_that_changes_the_set_is_stopped(void **state)
{
    two t = two_open();
    paper p;

    (void)state;
    p = made(t.a, 2, 2);
    t.w->tamper = lie;
    for (int how = 0; how < 6; how++) {
        liar l = {.how = how};
        edn_recovery *r;
        edn_err err;
        t.w->tamper_ctx = &l;
        CHECK(begin(t.w, "c", WORLD_NAME, p.set, &r, &err) != EDN_OK);
        CHECK(!r && l.done);
        CHECK(strstr(err.text, "do not trust it"));
    }
    t.w->tamper = NULL;
    two_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_enough_shares_are_alive_and_fewer_are_not),
        cmocka_unit_test(each_wrong_share_is_named_at_once),
        cmocka_unit_test(a_set_that_cannot_be_is_refused),
        cmocka_unit_test(no_set_is_good_whose_pages_were_not_kept),
        cmocka_unit_test(no_lost_answer_leaves_it_half_done),
        cmocka_unit_test(after_a_revoke_a_new_set_is_asked_for),
        cmocka_unit_test(a_bare_machine_brings_everything_back),
        cmocka_unit_test(what_does_not_fit_is_refused_before_any_share),
        cmocka_unit_test(a_server_that_changes_the_set_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
