/* usage: timing EDND
 *
 * A18: how long an answer takes does not tell which names and accounts there are. Known and unknown are asked in turn,
 * and the two samples compared by Kolmogorov and Smirnov's test. Other work on the machine falls on both alike; should
 * it not, the test is tried again: a difference that is real shows every time. */
#include "ednd.h"
#include "person.h"

#include <math.h>
#include <time.h>

enum { SAMPLES = 1500, PEOPLE = 20, TRIES = 4 };

static const char *program;

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* The probability of samples this far apart when nothing differs (both sorted, n each; the asymptotic series). */
static double ks_probability(const double *a, const double *b, size_t n)
{
    double d = 0, lambda, sum = 0;
    size_t i = 0, j = 0;

    while (i < n && j < n) {
        double x = EDN_MIN(a[i], b[j]);
        while (i < n && a[i] <= x)
            i++;
        while (j < n && b[j] <= x)
            j++;
        d = fmax(d, fabs((double)i - (double)j) / (double)n);
    }
    lambda = d * sqrt((double)n / 2);
    if (lambda < 0.3)
        return 1;
    for (int k = 1; k <= 100; k++)
        sum += (k % 2 ? 2 : -2) * exp(-2.0 * k * k * lambda * lambda);
    return fmin(sum, 1);
}

typedef struct asked {
    ednd e;
    wire_conn c;
    check_rng rng;
    person people[PEOPLE];
    bool login;
} asked;

static double ask_once(asked *a, size_t i, bool known)
{
    edn_buf rq = EDN_BUF_INIT(1024), answer = EDN_BUF_INIT(4096);
    person *p = &a->people[i % PEOPLE];
    edn_hash other = p->name;
    double t;
    int status;

    other.b[i % 32] ^= (uint8_t)(1 + i % 255); /* somebody else each time */
    if (a->login) {
        edn_msg_login m = {.kind = EDN_LOGIN_DEVICE, .account = p->account, .device = p->devices[0].id};
        if (!known)
            memcpy(m.account.b, other.b, 32);
        memset(m.sig.b, 0x11, 32);
        edn_login_put(&rq, &m);
    } else {
        edn_msg_challenge_ask m = {.kind = EDN_LOGIN_PASSPHRASE, .name_hash = known ? p->name : other};
        edn_challenge_ask_put(&rq, &m);
    }
    t = now_s();
    status = wire_ask(&a->c, "POST", a->login ? "/v1/login" : "/v1/challenge", EDN_BYTES_EMPTY, edn_buf_view(&rq),
                      &answer);
    t = now_s() - t;
    CHECK_INT(status, a->login ? 401 : 200);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&answer);
    return t;
}

static void compare_times(bool login)
{
    static double known[SAMPLES], unknown[SAMPLES];
    asked *a = calloc(1, sizeof *a);
    double p = 0;

    assert_non_null(a);
    ednd_init(&a->e);
    ednd_start(&a->e, program,
               (const char *const[]){"--login-address-per-min", "0", "--login-account-per-min", "0",
                                     "--passphrase-per-hour", "0", NULL});
    assert_true(wire_open(&a->c, a->e.port));
    a->login = login;
    a->rng.s = check_seed();
    for (size_t i = 0; i < PEOPLE; i++) {
        edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
        person_init(&a->people[i], 1 + i);
        person_account(&a->people[i], &rq);
        CHECK_INT(wire_ask(&a->c, "POST", "/v1/accounts", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL), 201);
        edn_buf_dispose(&rq);
    }
    for (int tries = 0; tries < TRIES && p <= 0.01; tries++) {
        for (size_t i = 0; i < 200; i++) { /* caches warm up */
            (void)ask_once(a, i, true);
            (void)ask_once(a, i, false);
        }
        for (size_t i = 0; i < SAMPLES; i++) { /* neither always comes first */
            bool first = check_next(&a->rng) & 1;
            double x = ask_once(a, i, first), y = ask_once(a, i, !first);
            known[i] = first ? x : y;
            unknown[i] = first ? y : x;
        }
        qsort(known, SAMPLES, sizeof *known, compare);
        qsort(unknown, SAMPLES, sizeof *unknown, compare);
        p = ks_probability(known, unknown, SAMPLES);
        print_message("%s: medians %.2f and %.2f us, p = %.3f\n", login ? "login" : "challenge",
                      known[SAMPLES / 2] * 1e6, unknown[SAMPLES / 2] * 1e6, p);
    }
    CHECK(p > 0.01);
    for (size_t i = 0; i < PEOPLE; i++)
        person_dispose(&a->people[i]);
    wire_close(&a->c);
    ednd_dispose(&a->e);
    free(a);
}

static void a_challenge_takes_as_long_for_a_name_that_nobody_has(void **state)
{
    (void)state;
    compare_times(false);
}

static void a_login_takes_as_long_for_an_account_that_is_not_there(void **state)
{
    (void)state;
    compare_times(true);
}

static void the_test_sees_a_difference(void **state)
{
    static double a[SAMPLES], b[SAMPLES];
    check_rng r = {check_seed()};

    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        a[i] = (double)check_below(&r, 1000);
        b[i] = (double)check_below(&r, 1000) + 70;
    }
    qsort(a, SAMPLES, sizeof *a, compare);
    qsort(b, SAMPLES, sizeof *b, compare);
    CHECK(ks_probability(a, b, SAMPLES) < 0.01);
    for (size_t i = 0; i < SAMPLES; i++)
        b[i] = (double)check_below(&r, 1000);
    qsort(b, SAMPLES, sizeof *b, compare);
    CHECK(ks_probability(a, b, SAMPLES) > 0.01);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_test_sees_a_difference),
        cmocka_unit_test(a_challenge_takes_as_long_for_a_name_that_nobody_has),
        cmocka_unit_test(a_login_takes_as_long_for_an_account_that_is_not_there),
    };

    if (argc != 2) {
        fprintf(stderr, "usage: timing EDND\n");
        return 2;
    }
    program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
