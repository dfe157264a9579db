/* Clocks that are wrong: of a device, and of the server. Nothing is lost, and nobody is accused of anything. */
#include "diarist.h"

#define YEAR_MS 31557600000u
#define T1970 1000u /* a receipt of time 0 is none */
#define T2100 (130u * YEAR_MS)

/* Both devices write and sync at each of these times, one after the other; server and devices share the clock. */
static void check_times(const uint64_t *times, size_t n)
{
    static const edn_status alarms[] = {EDN_E_ROLLBACK, EDN_E_FORK,   EDN_E_CLONE, EDN_E_WITHHELD,
                                        EDN_E_SERVER,   EDN_E_DENIED, EDN_E_SIG};
    two t = two_open();
    edn_entry_id id = diary_add(t.a, "1660-01-01", "", "base");

    diary_sync(t.a);
    diary_sync(t.b);
    for (size_t i = 0; i < n; i++) {
        t.w->now_ms = times[i];
        diary_add(t.a, "", "", "from a"); /* today, by that clock */
        CHECK_OK(edn_client_set(t.b, &id, edn_bytes_str("title"), edn_bytes_str("from b"), NULL));
        diary_add(t.b, "", "", "from b");
        CHECK(diary_sync(t.a).synced);
        CHECK(diary_sync(t.b).synced);
        CHECK(diary_sync(t.a).synced);
        diary_check_same(t.a, t.b);
    }
    CHECK_INT(diary_see(t.a, false).entries, 1 + 2 * n);
    for (size_t i = 0; i < EDN_COUNT(alarms); i++) {
        CHECK_INT(diary_findings(t.a, alarms[i]), 0);
        CHECK_INT(diary_findings(t.b, alarms[i]), 0);
    }
    diary_check_verified(t.a);
    diary_check_verified(t.b);
    two_close(&t);
}

static void a_clock_at_1970_harms_nothing(void **state)
{
    static const uint64_t times[] = {T1970, T1970, T1970 + 5000};

    (void)state;
    check_times(times, EDN_COUNT(times));
}

static void a_clock_at_2100_harms_nothing(void **state)
{
    static const uint64_t times[] = {T2100, T2100 + 5000};

    (void)state;
    check_times(times, EDN_COUNT(times));
}

static void a_clock_that_runs_backwards_harms_nothing(void **state)
{
    static const uint64_t times[] = {T2100, 1800000000000u, 1700000000000u, T1970, 1800000000000u};

    (void)state;
    check_times(times, EDN_COUNT(times));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_at_1970_harms_nothing),
        cmocka_unit_test(a_clock_at_2100_harms_nothing),
        cmocka_unit_test(a_clock_that_runs_backwards_harms_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
