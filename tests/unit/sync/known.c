/* What is known of a server, as bytes and back; and maps of heads against a naive one. */
#include "sync/world.h"

#include "sync/sync_priv.h"

static void remote_fill(edn_sync_remote *r, size_t heads)
{
    memset(r, 0, sizeof *r);
    r->origin = WORLD_ORIGIN;
    memset(r->receipt_pk.b, 1, 32);
    memset(r->name_hash.b, 2, 32);
    strcpy(r->token, "head.body.tail");
    r->token_expires_s = 0x1122334455667788u;
    r->clock_offset_s = -31536000;
    r->log_count = 7;
    memset(r->log_head.b, 3, 32);
    r->heads = heads ? calloc(heads, sizeof *r->heads) : NULL;
    r->heads_n = heads;
    for (size_t i = 0; i < heads; i++)
        r->heads[i] = (edn_head){{{(uint8_t)(i >> 8), (uint8_t)i}}, i + 1, {{(uint8_t)i, 9}}};
    r->receipt.time_ms = WORLD_T0;
    memset(r->receipt.sig.b, 4, 64);
    r->receipt_local_ms = WORLD_T0 + 5;
}

static void what_is_known_survives_being_kept(void **state)
{
    static const size_t counts[] = {0, 1, 3, EDN_HEADS_MAX};

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(counts); i++) {
        char origin[EDN_ORIGIN_SIZE_MAX + 1];
        edn_buf bytes = EDN_BUF_INIT(1 << 20), again = EDN_BUF_INIT(1 << 20);
        edn_sync_remote r, back;
        remote_fill(&r, counts[i]);
        edn_sync_remote_put(&bytes, &r);
        CHECK_OK(edn_sync_remote_decode(edn_buf_view(&bytes), origin, &back));
        CHECK_STR(edn_bytes_str(back.origin), WORLD_ORIGIN);
        CHECK_STR(edn_bytes_str(back.token), "head.body.tail");
        CHECK(back.clock_offset_s == -31536000);
        CHECK_INT(back.heads_n, counts[i]);
        edn_sync_remote_put(&again, &back);
        CHECK_BYTES(edn_buf_view(&again), edn_buf_view(&bytes));
        edn_sync_remote_dispose(&r);
        edn_sync_remote_dispose(&back);
        edn_buf_dispose(&bytes);
        edn_buf_dispose(&again);
    }
}

static void nothing_shorter_longer_or_of_another_version_is_taken_for_it(void **state)
{
    char origin[EDN_ORIGIN_SIZE_MAX + 1];
    edn_buf bytes = EDN_BUF_INIT(1 << 20);
    edn_sync_remote r, back;

    (void)state;
    remote_fill(&r, 2);
    edn_sync_remote_put(&bytes, &r);
    for (size_t n = 0; n < bytes.n; n++) {
        CHECK_STATUS(edn_sync_remote_decode(edn_bytes_of(bytes.p, n), origin, &back), EDN_E_FORMAT);
        CHECK(back.heads == NULL && back.token[0] == 0);
    }
    edn_put_u8(&bytes, 0);
    CHECK_STATUS(edn_sync_remote_decode(edn_buf_view(&bytes), origin, &back), EDN_E_FORMAT);
    bytes.n--;
    bytes.p[0] = 2;
    CHECK_STATUS(edn_sync_remote_decode(edn_buf_view(&bytes), origin, &back), EDN_E_FORMAT);
    bytes.p[0] = 1;
    bytes.p[6] = 0; /* inside the origin */
    CHECK_STATUS(edn_sync_remote_decode(edn_buf_view(&bytes), origin, &back), EDN_E_FORMAT);
    CHECK_STR(edn_bytes_str(origin), "");
    edn_sync_remote_dispose(&r);
    edn_buf_dispose(&bytes);
}

static void a_map_of_heads_does_what_a_naive_one_does(void **state)
{
    check_rng r = {check_seed()};
    uint64_t naive[256] = {0};
    head_map m = {0};

    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint8_t key = (uint8_t)check_next(&r);
        edn_head h = {{{key}}, check_next(&r) | 1, {{0}}};
        if (check_below(&r, 3)) {
            CHECK_OK(edn_head_map_set(&m, &h));
            naive[key] = h.dseq;
        } else {
            edn_head_map_remove(&m, &h.device);
            naive[key] = 0;
        }
        key = (uint8_t)check_next(&r);
        CHECK(edn_head_map_get(&m, &(edn_device_id){{key}}).dseq == naive[key]);
        for (size_t j = 1; j < m.n; j++)
            CHECK(memcmp(m.p[j - 1].device.b, m.p[j].device.b, 16) < 0);
    }
    edn_head_map_dispose(&m);
}

static void a_map_of_heads_is_bounded(void **state)
{
    head_map m = {0};
    edn_head h = {{{0}}, 1, {{0}}};

    (void)state;
    for (uint32_t i = 0; i <= EDN_HEADS_MAX; i++) {
        edn_store_u32(h.device.b, i);
        CHECK_STATUS(edn_head_map_set(&m, &h), i < EDN_HEADS_MAX ? EDN_OK : EDN_E_LIMIT);
    }
    CHECK_INT(m.n, EDN_HEADS_MAX);
    edn_head_map_dispose(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_known_survives_being_kept),
        cmocka_unit_test(nothing_shorter_longer_or_of_another_version_is_taken_for_it),
        cmocka_unit_test(a_map_of_heads_does_what_a_naive_one_does),
        cmocka_unit_test(a_map_of_heads_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
