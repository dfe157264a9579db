#include "check.h"

#include "lan/lan_priv.h"
#include "oom.h"

static const edn_lan_place place = {{"the tag of it  "}, {"the knock there"}};

/* Two meet on the loopback network, and say a word each. */
static edn_status meet(void *ctx)
{
    edn_lan_options here = {.address = "127.0.0.1"}, there = {0};
    edn_buf at = EDN_BUF_INIT(100), got = EDN_BUF_INIT(1000);
    edn_lan *host = NULL, *guest = NULL;
    bool heard = false;
    edn_err err = {0};
    char text[100] = "";
    edn_status st = edn_lan_host(&place, &here, &host, &err);

    (void)ctx;
    if (st == EDN_OK) {
        edn_lan_addresses(host, &at);
        st = edn_buf_status(&at);
    }
    if (st == EDN_OK) {
        memcpy(text, at.p, at.n);
        there.at = text;
        st = edn_lan_guest(&place, &there, &guest, &err);
    }
    if (st == EDN_OK)
        st = edn_lan_put(guest, 0, edn_bytes_str("may I?"), &err);
    for (int i = 0; st == EDN_OK && !heard && i < 100000; i++)
        if ((st = edn_lan_get(guest, 0, &got, &heard, &err)) == EDN_OK)
            st = edn_lan_get(host, 0, &got, &heard, &err);
    CHECK(st != EDN_OK || heard);
    edn_lan_close(guest);
    edn_lan_close(host);
    edn_buf_dispose(&at);
    edn_buf_dispose(&got);
    return st;
}

static void a_meeting_survives_each_failing_allocation(void **state)
{
    (void)state;
    CHECK(oom_each(meet, NULL) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_meeting_survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
