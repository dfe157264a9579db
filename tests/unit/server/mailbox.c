/* Mailboxes for devices that are in no account yet: what each limit lets through, and one beyond it. */
#include "server_kit.h"
#include "server/server_priv.h"

static int setup(void **state)
{
    kit *k = calloc(1, sizeof *k);

    assert_non_null(k);
    kit_init(k);
    *state = k;
    return 0;
}

static int teardown(void **state)
{
    kit_dispose(*state);
    free(*state);
    return 0;
}

static void restart(kit *k)
{
    kit_close(k);
    kit_open(k);
}

/* The status; `mails` gets what a get brought, in an arena. */
static int ask(kit *k, uint8_t kind, uint8_t id, uint8_t side, uint64_t number, edn_bytes mail, edn_arena *a,
               edn_msg_mails *mails)
{
    edn_msg_mail m = {.kind = kind, .side = side, .number = number, .mail = mail};
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX), body = EDN_BUF_INIT(0);
    edn_bytes kept;
    int status;

    memset(m.rendezvous, id, sizeof m.rendezvous);
    edn_mail_put(&rq, &m);
    status = kit_ask(k, "POST", "/v1/mailbox", EDN_BYTES_EMPTY, edn_buf_view(&rq), &body);
    if (status == 200 && a) {
        CHECK(edn_arena_copy(a, edn_buf_view(&body), &kept));
        CHECK_OK(edn_mails_decode(a, kept, mails));
    }
    edn_buf_dispose(&rq);
    edn_buf_dispose(&body);
    return status;
}

static int open_box(kit *k, uint8_t id)
{
    return ask(k, EDN_MAIL_OPEN, id, EDN_MAIL_NEW, 0, EDN_BYTES_EMPTY, NULL, NULL);
}
static int shut(kit *k, uint8_t id) { return ask(k, EDN_MAIL_CLOSE, id, EDN_MAIL_OLD, 0, EDN_BYTES_EMPTY, NULL, NULL); }
static int put(kit *k, uint8_t id, uint8_t side, uint64_t number, const char *text)
{
    return ask(k, EDN_MAIL_PUT, id, side, number, edn_bytes_str(text), NULL, NULL);
}
static int get(kit *k, uint8_t id, uint8_t side, uint64_t from)
{
    return ask(k, EDN_MAIL_GET, id, side, from, EDN_BYTES_EMPTY, NULL, NULL);
}

static void check_got(kit *k, uint8_t id, uint8_t side, uint64_t from, const char *first, size_t n)
{
    edn_arena a = edn_arena_init(1 << 22);
    edn_msg_mails m;

    CHECK_INT(ask(k, EDN_MAIL_GET, id, side, from, EDN_BYTES_EMPTY, &a, &m), 200);
    CHECK_INT(m.n, n);
    if (n)
        CHECK_BYTES(m.mails[0], edn_bytes_str(first));
    edn_arena_dispose(&a);
}

static void each_side_reads_what_the_other_wrote(void **state)
{
    kit *k = *state;

    CHECK_INT(get(k, 1, EDN_MAIL_OLD, 0), 404);
    CHECK_INT(put(k, 1, EDN_MAIL_OLD, 0, "x"), 404);
    CHECK_INT(open_box(k, 1), 200);
    check_got(k, 1, EDN_MAIL_OLD, 0, NULL, 0);
    CHECK_INT(put(k, 1, EDN_MAIL_OLD, 0, "from old"), 200);
    CHECK_INT(put(k, 1, EDN_MAIL_NEW, 0, "from new"), 200);
    CHECK_INT(put(k, 1, EDN_MAIL_NEW, 1, "more"), 200);
    check_got(k, 1, EDN_MAIL_NEW, 0, "from old", 1);
    check_got(k, 1, EDN_MAIL_OLD, 0, "from new", 2);
    check_got(k, 1, EDN_MAIL_OLD, 1, "more", 1);
    check_got(k, 1, EDN_MAIL_OLD, 2, NULL, 0);
    check_got(k, 1, EDN_MAIL_OLD, UINT64_MAX, NULL, 0);
    CHECK_INT(get(k, 2, EDN_MAIL_OLD, 0), 404); /* another id */
}

static void what_is_said_again_is_taken_once(void **state)
{
    kit *k = *state;

    CHECK_INT(open_box(k, 1), 200);
    CHECK_INT(open_box(k, 1), 200);
    CHECK_INT(put(k, 1, EDN_MAIL_OLD, 0, "a"), 200);
    CHECK_INT(put(k, 1, EDN_MAIL_OLD, 0, "a"), 200);
    CHECK_INT(put(k, 1, EDN_MAIL_OLD, 0, "b"), 409);
    CHECK_INT(put(k, 1, EDN_MAIL_OLD, 2, "c"), 409);
    check_got(k, 1, EDN_MAIL_NEW, 0, "a", 1);
    CHECK_INT(open_box(k, 1), 409); /* somebody has been here */
}

static void an_id_is_used_once(void **state)
{
    kit *k = *state;

    CHECK_INT(open_box(k, 1), 200);
    CHECK_INT(put(k, 1, EDN_MAIL_OLD, 0, "a"), 200);
    CHECK_INT(shut(k, 1), 200);
    CHECK_INT(shut(k, 1), 404);
    CHECK_INT(get(k, 1, EDN_MAIL_NEW, 0), 404);
    CHECK_INT(put(k, 1, EDN_MAIL_OLD, 1, "a"), 404);
    CHECK_INT(open_box(k, 1), 409);
    CHECK_INT(open_box(k, 2), 200);
}

static void a_mailbox_is_gone_after_its_time(void **state)
{
    kit *k = *state;

    CHECK_INT(open_box(k, 1), 200);
    CHECK_INT(put(k, 1, EDN_MAIL_OLD, 0, "a"), 200);
    k->now_ms += EDN_MAIL_LIFE_S * 1000 - 1;
    check_got(k, 1, EDN_MAIL_NEW, 0, "a", 1);
    k->now_ms += 1;
    CHECK_INT(get(k, 1, EDN_MAIL_NEW, 0), 404);
    CHECK_INT(k->s->mail_size, 0);
    CHECK_INT(open_box(k, 1), 200);
    check_got(k, 1, EDN_MAIL_NEW, 0, NULL, 0);
    k->now_ms -= 3600 * 1000; /* a clock that is set back keeps none for ever */
    CHECK_INT(get(k, 1, EDN_MAIL_NEW, 0), 404);
}

static void a_mailbox_holds_so_many_messages(void **state)
{
    kit *k = *state;

    CHECK_INT(open_box(k, 1), 200);
    for (uint64_t i = 0; i < EDN_MAILS_MAX / 2; i++)
        CHECK_INT(put(k, 1, EDN_MAIL_OLD, i, "a"), 200);
    for (uint64_t i = 0; i < EDN_MAILS_MAX / 2 - 1; i++)
        CHECK_INT(put(k, 1, EDN_MAIL_NEW, i, "b"), 200);
    CHECK_INT(put(k, 1, EDN_MAIL_NEW, EDN_MAILS_MAX / 2 - 1, "the last"), 200);
    CHECK_INT(put(k, 1, EDN_MAIL_NEW, EDN_MAILS_MAX / 2, "one more"), 507);
    CHECK_INT(put(k, 1, EDN_MAIL_OLD, EDN_MAILS_MAX / 2, "one more"), 507);
}

static void a_message_may_be_so_long(void **state)
{
    kit *k = *state;
    uint8_t *p = calloc(1, EDN_MAIL_SIZE_MAX + 1);
    edn_buf raw = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);

    assert_non_null(p);
    CHECK_INT(open_box(k, 1), 200);
    for (size_t less = 1; less <= 1; less--) /* one less, and exactly */
        CHECK_INT(
            ask(k, EDN_MAIL_PUT, 1, EDN_MAIL_OLD, 1 - less, edn_bytes_of(p, EDN_MAIL_SIZE_MAX - less), NULL, NULL),
            200);
    edn_put_u8(&raw, 1);
    edn_put_u8(&raw, EDN_MAIL_PUT);
    for (int i = 0; i < 16; i++)
        edn_put_u8(&raw, 1);
    edn_put_u8(&raw, EDN_MAIL_OLD);
    edn_put_u64(&raw, 2);
    edn_put_lp(&raw, edn_bytes_of(p, EDN_MAIL_SIZE_MAX + 1));
    CHECK_INT(kit_ask(k, "POST", "/v1/mailbox", EDN_BYTES_EMPTY, edn_buf_view(&raw), NULL), 413);
    edn_buf_dispose(&raw);
    free(p);
}

static void an_address_may_open_so_many_an_hour(void **state)
{
    kit *k = *state;

    for (uint8_t i = 1; i <= 10; i++)
        CHECK_INT(open_box(k, i), 200);
    CHECK_INT(open_box(k, 11), 429);
    check_got(k, 1, EDN_MAIL_OLD, 0, NULL, 0); /* those that are open go on */
    k->address[0]++;
    CHECK_INT(open_box(k, 11), 200); /* another address is another count */
    k->address[0]--;
    k->now_ms += 360 * 1000;
    CHECK_INT(open_box(k, 12), 200);
    CHECK_INT(open_box(k, 13), 429);
}

static void an_address_may_ask_so_often(void **state)
{
    kit *k = *state;

    for (int i = 0; i < 60; i++)
        CHECK_INT(get(k, 1, EDN_MAIL_OLD, 0), 404);
    CHECK_INT(get(k, 1, EDN_MAIL_OLD, 0), 429); /* who tries ids in a row does not get far */
    k->now_ms += 100;
    CHECK_INT(get(k, 1, EDN_MAIL_OLD, 0), 404);
    CHECK_INT(get(k, 1, EDN_MAIL_OLD, 0), 429);
}

static void all_mailboxes_together_have_a_size(void **state)
{
    kit *k = *state;

    k->config.limits.mailbox_size_max = 3;
    restart(k);
    CHECK_INT(open_box(k, 1), 200);
    CHECK_INT(open_box(k, 2), 200);
    CHECK_INT(put(k, 1, EDN_MAIL_OLD, 0, "ab"), 200);
    CHECK_INT(put(k, 2, EDN_MAIL_OLD, 0, "cd"), 503);
    CHECK_INT(put(k, 2, EDN_MAIL_OLD, 0, "c"), 200);
    CHECK_INT(put(k, 2, EDN_MAIL_OLD, 1, "d"), 503);
    CHECK_INT(shut(k, 1), 200);
    CHECK_INT(put(k, 2, EDN_MAIL_OLD, 1, "de"), 200);
}

static void there_are_so_many_at_one_time(void **state)
{
    kit *k = *state;

    k->config.limits.mailbox_per_hour = k->config.limits.mailbox_rate_per_s = 0;
    restart(k);
    for (int i = 0; i < 255; i++)
        CHECK_INT(open_box(k, (uint8_t)i), 200);
    CHECK_INT(open_box(k, 255), 200);
    {
        edn_msg_mail m = {.kind = EDN_MAIL_OPEN, .side = EDN_MAIL_NEW, .rendezvous = {1, 2, 3}};
        edn_buf rq = EDN_BUF_INIT(4096);
        edn_mail_put(&rq, &m);
        CHECK_INT(kit_ask(k, "POST", "/v1/mailbox", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL), 503);
        k->now_ms += EDN_MAIL_LIFE_S * 1000;
        CHECK_INT(kit_ask(k, "POST", "/v1/mailbox", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL), 200);
        edn_buf_dispose(&rq);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_side_reads_what_the_other_wrote),
        T(what_is_said_again_is_taken_once),
        T(an_id_is_used_once),
        T(a_mailbox_is_gone_after_its_time),
        T(a_mailbox_holds_so_many_messages),
        T(a_message_may_be_so_long),
        T(an_address_may_open_so_many_an_hour),
        T(an_address_may_ask_so_often),
        T(all_mailboxes_together_have_a_size),
        T(there_are_so_many_at_one_time),
    };
    CHECK_OK(edn_crypto_init());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
