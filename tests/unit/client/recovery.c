/* Recovery shares are made, tried, and found out when they are wrong (A26, A27). */
#include "paper.h"

#include "client/client_priv.h"

static edn_recovery *drill(edn_client *c)
{
    edn_recovery *r;

    CHECK_OK(edn_recovery_drill(c, &r, NULL));
    return r;
}

static void any_enough_shares_are_alive_and_fewer_are_not(void **state)
{
    two t = two_open();
    paper p;
    unsigned have;

    (void)state;
    diary_sync(t.b);
    CHECK(!paper_info(t.a).there);
    p = paper_made(t.a, 3, 5);
    CHECK(paper_info(t.a).there && paper_info(t.a).current);
    CHECK_INT(paper_info(t.a).needed, 3);
    CHECK_INT(paper_info(t.a).n, 5);
    CHECK_STR(edn_bytes_str(paper_info(t.a).set), p.set);
    diary_sync(t.b);
    CHECK_STR(edn_bytes_str(paper_info(t.b).set), p.set);
    for (int from_b = 0; from_b < 2; from_b++) /* the other device takes the box from the server */
        for (unsigned skip = 0; skip < 5; skip += 2) {
            edn_recovery *r = drill(from_b ? t.b : t.a);
            unsigned given = 0;
            for (unsigned i = 5; i-- > 0 && given < 3;)
                if (i != skip) {
                    CHECK_OK(paper_add(r, p.words[i], &have, NULL));
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
    old = paper_made(t.a, 2, 3);
    p = paper_made(t.a, 2, 3);
    foreign = paper_made(stranger, 2, 3);
    r = drill(t.a);
    strcpy(words, p.words[0]); /* a letter too much in the third word */
    {
        char *third = strchr(strchr(words, ' ') + 1, ' ') + 1;
        memmove(third + 1, third, strlen(third) + 1);
        *third = 'z';
    }
    CHECK_STATUS(paper_add(r, words, &have, &err), EDN_E_INVALID);
    CHECK(strstr(err.text, "word 3"));
    CHECK_STATUS(paper_add(r, "academic acid", &have, &err), EDN_E_INVALID);
    CHECK_STATUS(paper_add(r, "", &have, &err), EDN_E_INVALID);
    CHECK_STATUS(paper_add(r, foreign.words[1], &have, &err), EDN_E_AUTH);
    CHECK(strstr(err.text, "another account"));
    CHECK_STATUS(paper_add(r, old.words[1], &have, &err), EDN_E_AUTH);
    CHECK(strstr(err.text, "older set"));
    CHECK_INT(have, 0);
    CHECK_OK(paper_add(r, p.words[1], &have, &err));
    CHECK_STATUS(paper_add(r, p.words[1], &have, &err), EDN_E_EXISTS);
    CHECK(strstr(err.text, "share 2 was given already"));
    CHECK_STATUS(paper_add(r, old.words[0], &have, &err), EDN_E_AUTH);
    CHECK_INT(have, 1); /* what was good still is */
    CHECK_OK(paper_add(r, p.words[2], &have, &err));
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
        CHECK_STATUS(paper_setup(t.a, WORLD_PASSPHRASE, bad[i][0], bad[i][1], &p, &err), EDN_E_INVALID);
    CHECK_STATUS(paper_setup(t.a, "another passphrase", 2, 3, &p, &err), EDN_E_PASSPHRASE);
    CHECK_INT(p.n, 0); /* no page was shown */
    CHECK_STATUS(edn_recovery_drill(t.a, &r, &err), EDN_E_MISSING);
    CHECK(!r);
    p = paper_made(t.a, 16, 16);
    p = paper_made(t.a, 2, 2);
    two_close(&t);
}

static void no_set_is_good_whose_pages_were_not_kept(void **state)
{
    two t = two_open();
    paper p = {.give = EDN_E_IO}, before;

    (void)state;
    before = paper_made(t.a, 2, 3);
    CHECK_STATUS(paper_setup(t.a, WORLD_PASSPHRASE, 2, 3, &p, NULL), EDN_E_IO);
    CHECK_STR(edn_bytes_str(paper_info(t.a).set), before.set);
    t.w->down = true;
    p = (paper){.n = 0};
    CHECK_STATUS(paper_setup(t.a, WORLD_PASSPHRASE, 2, 3, &p, NULL), EDN_E_NETWORK);
    t.w->down = false;
    diary_sync(t.a);
    CHECK_STR(edn_bytes_str(paper_info(t.a).set), before.set);
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
        st = paper_setup(t.a, WORLD_PASSPHRASE, 2, 2, &p, NULL);
        CHECK(st == EDN_OK || st == EDN_E_NETWORK);
        t.w->lose_answer = 0;
        diary_sync(t.a);
        if (st == EDN_OK) {
            r = drill(t.a);
            CHECK_OK(paper_add(r, p.words[0], &have, NULL));
            CHECK_OK(paper_add(r, p.words[1], &have, NULL));
            edn_recovery_free(r);
        } else {
            CHECK(!paper_info(t.a).there);
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
    p = paper_made(t.a, 2, 3);
    CHECK_OK(edn_client_device_revoke(t.a, "b", edn_bytes_str(WORLD_PASSPHRASE), NULL));
    CHECK(!paper_info(t.a).current);
    r = drill(t.a); /* alive all the same */
    CHECK_OK(paper_add(r, p.words[0], &have, NULL));
    CHECK_OK(paper_add(r, p.words[2], &have, NULL));
    edn_recovery_free(r);
    p = paper_made(t.a, 2, 3);
    CHECK(paper_info(t.a).current);
    r = drill(t.a);
    CHECK_OK(paper_add(r, p.words[2], &have, NULL));
    CHECK_OK(paper_add(r, p.words[1], &have, NULL));
    edn_recovery_free(r);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
