#include "check.h"

#include "remote/remote_priv.h"

static void expect(const char *origin, const char *want)
{
    char out[ORIGIN_SIZE], again[ORIGIN_SIZE];
    edn_err err = {0};
    edn_status st = edn_origin_normalise(origin, out, &err);

    if (want) {
        if (st != EDN_OK)
            fail_msg("%s: %s", origin, err.text);
        assert_string_equal(out, want);
        CHECK_OK(edn_origin_normalise(out, again, NULL));
        assert_string_equal(again, want);
    } else {
        if (st != EDN_E_INVALID)
            fail_msg("%s was taken as %s", origin, out);
        assert_string_equal(out, "");
        CHECK(err.text[0] != 0);
    }
}

static void origins_have_one_spelling(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"https://diary.example", "https://diary.example"},
        {"HTTPS://Diary.Example/", "https://diary.example"},
        {"https://diary.example:443/", "https://diary.example"},
        {"https://diary.example:0443", "https://diary.example"},
        {"https://diary.example:8443", "https://diary.example:8443"},
        {"https://my_nas", "https://my_nas"},
        {"https://xn--bcher-kva.example", "https://xn--bcher-kva.example"},
        {"https://192.0.2.1:80", "https://192.0.2.1:80"},
        {"https://[2001:DB8:0:0::1]", "https://[2001:db8::1]"},
        {"https://[::ffff:192.0.2.1]:444/", "https://[::ffff:192.0.2.1]:444"},
        {"http://localhost", "http://localhost"},
        {"http://LOCALHOST:80", "http://localhost"},
        {"http://localhost:8420/", "http://localhost:8420"},
        {"http://127.0.0.1:65535", "http://127.0.0.1:65535"},
        {"http://127.255.1.2", "http://127.255.1.2"},
        {"http://[::1]:8420", "http://[::1]:8420"},
        {"http://[0:0:0:0:0:0:0:1]", "http://[::1]"},
    };
    for (size_t i = 0; i < EDN_COUNT(cases); i++)
        expect(cases[i][0], cases[i][1]);
}

static void what_is_no_origin_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "https",
        "https:",
        "https:/",
        "https://",
        "https:///",
        "https://:443",
        "diary.example",
        "ftp://diary.example",
        "https://diary.example/path",
        "https://diary.example//",
        "https://diary.example?x",
        "https://diary.example#x",
        "https://me@diary.example",
        "https://me:pw@diary.example",
        "https://diary.example:",
        "https://diary.example:0",
        "https://diary.example:65536",
        "https://diary.example:99999999999",
        "https://diary.example:-1",
        "https://diary.example: 443",
        "https://diary.example:443x",
        "https://.example",
        "https://diary..example",
        "https://diary.example.",
        "https://di ary.example",
        "https://diary.example ",
        " https://diary.example",
        "https://diary.example\r\nX: y",
        "https://\xc3\xbcml.example",
        "https://diary%2eexample",
        "https://a\\b",
        "https://192.0.2",
        "https://192.0.2.256",
        "https://192.0.2.1.1",
        "https://0x7f.1",
        "https://127.1",
        "https://1",
        "https://192.0.02.1",
        "https://a.1",
        "https://[2001:db8::1",
        "https://2001:db8::1",
        "https://[::1%lo]",
        "https://[]",
        "https://[localhost]",
        "https://[::1]x",
        "https://[1.2.3.4]",
        "javascript://x",
        "https:\\\\diary.example",
        /* not this machine, or not surely */
        "http://diary.example",
        "http://192.0.2.1",
        "http://128.0.0.1",
        "http://127.0.0.1.example",
        "http://127.1",
        "http://2130706433",
        "http://0177.0.0.1",
        "http://localhost.example",
        "http://localhost.",
        "http://[::2]",
        "http://[::ffff:127.0.0.1]",
        "http://[::]",
        "http://0.0.0.0",
        "http://localhost@diary.example",
        "http://127.0.0.1@diary.example",
        "http://[::1]@diary.example",
    };
    for (size_t i = 0; i < EDN_COUNT(bad); i++)
        expect(bad[i], NULL);
}

static void long_hosts_fit_or_are_refused(void **state)
{
    (void)state;
    char origin[600], host[300];

    for (size_t n = 230; n < 290; n++) {
        char out[ORIGIN_SIZE];
        for (size_t i = 0; i < n; i++)
            host[i] = i % 40 == 39 ? '.' : 'a';
        host[n - 1] = 'a';
        host[n] = 0;
        snprintf(origin, sizeof origin, "https://%s:12345", host);
        edn_status st = edn_origin_normalise(origin, out, NULL);
        CHECK_STATUS(st, strlen(origin) < ORIGIN_SIZE ? EDN_OK : EDN_E_INVALID);
        if (st == EDN_OK)
            assert_string_equal(out, origin);
    }
    memset(host, 'a', 64);
    host[64] = 0;
    snprintf(origin, sizeof origin, "https://%s", host);
    expect(origin, NULL);
    expect(strcat(strcpy(origin, "https://"), host + 1), origin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(origins_have_one_spelling),
        cmocka_unit_test(what_is_no_origin_is_refused),
        cmocka_unit_test(long_hosts_fit_or_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
