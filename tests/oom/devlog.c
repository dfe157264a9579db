#include "links.h"
#include "oom.h"

static edn_status image_and_back(const edn_devlog *log)
{
    edn_buf image = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_devlog *back = NULL;
    edn_status st;

    edn_devlog_image_put(&image, log);
    if ((st = edn_buf_status(&image)) == EDN_OK)
        st = edn_devlog_image_read(edn_buf_view(&image), &back);
    CHECK(st == EDN_OK || back == NULL);
    edn_devlog_free(back);
    edn_buf_dispose(&image);
    return st;
}

/* A log of each type of link, appended and copied; what was appended before a failure is still there. */
static edn_status append_and_copy(void *ctx)
{
    const links *l = ctx;
    edn_devlog *log = NULL, *copy = NULL;
    edn_status st = edn_devlog_new(&log);

    for (size_t i = 0; st == EDN_OK && i < l->n; i++) {
        st = edn_devlog_append(log, links_at(l, i));
        CHECK_INT(edn_devlog_count(log), st == EDN_OK ? i + 1 : i);
        if (st != EDN_OK && i > 0) { /* memory came back: it goes on as if nothing had been */
            edn_hash head = edn_devlog_head(log), want = edn_link_hash(links_at(l, i - 1));
            CHECK_BYTES(EDN_F(head), EDN_F(want));
            CHECK_OK(edn_devlog_append(log, links_at(l, i)));
        }
    }
    if (st == EDN_OK)
        st = image_and_back(log);
    if (st == EDN_OK)
        st = edn_devlog_copy(log, &copy);
    CHECK(st == EDN_OK || copy == NULL);
    edn_devlog_free(copy);
    edn_devlog_free(log);
    return st;
}

static edn_status build_links(void *ctx)
{
    const links *l = ctx;
    edn_buf out = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_link_signer by = {NULL, &l->aik_sk, 1};
    edn_hash h = {{0}};
    edn_dh_pk aek = {{9}};
    edn_pin pins[2];
    edn_signature pop;
    edn_status st;

    memset(pins, 0, sizeof pins);
    edn_link_pop(&pop, l->log, &by, &l->aik, &l->devices[0].cert, &l->devices[0].sk);
    if ((st = edn_link_set_kdf(&out, l->log, &by, &h, &h, &l->aik)) == EDN_OK &&
        (st = edn_link_add_device(&out, l->log, &by, &l->devices[0].cert, &h, &pop)) == EDN_OK &&
        (st = edn_link_checkpoint(&out, l->log, &by, pins, 2)) == EDN_OK &&
        (st = edn_link_genesis(&out, &l->aik, &l->aik_sk, 1, &l->devices[0].cert, &aek, &h, &l->devices[0].sk)) ==
            EDN_OK)
        st = edn_link_space_genesis(&out, &l->aik, &l->aik_sk, 1, &l->devices[0].cert, &aek, &h, &l->devices[0].sk);
    edn_buf_dispose(&out);
    return st;
}

static void logs_survive_each_failing_allocation(void **state)
{
    links l;

    (void)state;
    links_init(&l, check_seed());
    for (int i = 0; i < 6; i++)
        links_step(&l, EDN_LINK_ADD_DEVICE);
    for (uint8_t type = EDN_LINK_ADD_DEVICE; type <= EDN_LINK_LAST; type++)
        links_step(&l, (edn_link_type)type);
    for (int i = 0; i < 4; i++)
        links_step(&l, EDN_LINK_REVOKE_ROTATE);
    CHECK(l.spaces_n > 0); /* there are cuts */
    CHECK(oom_each(append_and_copy, &l) > 12);
    links_dispose(&l);
}

static void space_logs_survive_each_failing_allocation(void **state)
{
    links l;

    (void)state;
    links_init_space(&l, check_seed());
    for (int i = 0; i < 40; i++)
        links_step(&l, (edn_link_type)0);
    CHECK(oom_each(append_and_copy, &l) > 12);
    links_dispose(&l);
}

static void builders_survive_each_failing_allocation(void **state)
{
    links l;

    (void)state;
    links_init(&l, check_seed());
    CHECK(oom_each(build_links, &l) > 4);
    links_dispose(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logs_survive_each_failing_allocation),
        cmocka_unit_test(space_logs_survive_each_failing_allocation),
        cmocka_unit_test(builders_survive_each_failing_allocation),
    };
    CHECK_OK(edn_crypto_init());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
