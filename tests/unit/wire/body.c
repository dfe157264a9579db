#include "messages.h"

#include "wire/wire.h"

static void body_put(edn_buf *out, const edn_body *b)
{
    CHECK_OK(edn_body_encode(out, b->heads, b->heads_n, b->records, b->records_n));
}

static edn_status decode_and_compare(edn_arena *a, edn_bytes in)
{
    edn_buf again = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_body b;
    edn_status st = edn_body_decode(a, in, &b);

    if (st == EDN_OK) {
        body_put(&again, &b);
        CHECK_BYTES(edn_buf_view(&again), in);
    } else {
        CHECK_STATUS(st, EDN_E_FORMAT);
        CHECK(!b.heads && !b.heads_n && !b.records && !b.records_n);
    }
    edn_buf_dispose(&again);
    edn_arena_reset(a);
    return st;
}

static void a_body_comes_back_as_it_went(void **state)
{
    check_rng r = {check_seed()};
    edn_arena a = edn_arena_init(1 << 24);
    edn_buf bytes = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    (void)state;
    for (int round = 0; round < 500; round++) {
        edn_body b, back;
        edn_buf_reset(&bytes);
        random_body(&r, &a, &b);
        body_put(&bytes, &b);
        CHECK_OK(edn_body_decode(&a, edn_buf_view(&bytes), &back));
        CHECK_INT(back.heads_n, b.heads_n);
        CHECK_INT(back.records_n, b.records_n);
        for (size_t i = 0; i < b.heads_n; i++)
            CHECK_INT(back.heads[i].dseq, b.heads[i].dseq);
        for (size_t i = 0; i < b.records_n; i++) {
            CHECK_BYTES(EDN_F(back.records[i].entry), EDN_F(b.records[i].entry));
            CHECK_BYTES(back.records[i].box, b.records[i].box);
            CHECK_INT(back.records[i].journal_epoch, b.records[i].journal_epoch);
            CHECK_INT(back.records[i].key_version, b.records[i].key_version);
            CHECK_INT(back.records[i].type, b.records[i].type);
        }
        CHECK_OK(decode_and_compare(&a, edn_buf_view(&bytes)));
    }
    edn_buf_dispose(&bytes);
    edn_arena_dispose(&a);
}

static void any_other_bytes_are_refused_or_are_another_body(void **state)
{
    check_rng r = {check_seed()};
    edn_arena made = edn_arena_init(1 << 20), a = edn_arena_init(1 << 20);

    (void)state;
    for (int round = 0; round < 10; round++) {
        edn_buf bytes = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
        edn_body b;
        random_body(&r, &made, &b);
        body_put(&bytes, &b);
        for (size_t n = 0; n < bytes.n; n++)
            CHECK_STATUS(decode_and_compare(&a, edn_bytes_of(bytes.p, n)), EDN_E_FORMAT);
        for (size_t i = 0; i < bytes.n; i++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                bytes.p[i] ^= (uint8_t)(1u << bit);
                (void)decode_and_compare(&a, edn_buf_view(&bytes)); /* checks both outcomes itself */
                bytes.p[i] ^= (uint8_t)(1u << bit);
            }
        }
        edn_put_u8(&bytes, 0);
        CHECK_STATUS(decode_and_compare(&a, edn_buf_view(&bytes)), EDN_E_FORMAT);
        edn_buf_dispose(&bytes);
        edn_arena_reset(&made);
    }
    edn_arena_dispose(&made);
    edn_arena_dispose(&a);
}

/* LP(u32 n ‖ heads), then LP(u32 0): a body of heads alone, as its bytes. */
static edn_status decode_heads(const uint8_t *heads, uint32_t n, uint32_t said)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_arena a = edn_arena_init(1 << 20);
    edn_body out;
    edn_status st;

    edn_put_u32(&b, 4 + n * EDN_HEAD_SIZE);
    edn_put_u32(&b, said);
    edn_put_bytes(&b, heads, (size_t)n * EDN_HEAD_SIZE);
    edn_put_u32(&b, 4);
    edn_put_u32(&b, 0);
    st = edn_body_decode(&a, edn_buf_view(&b), &out);
    edn_buf_dispose(&b);
    edn_arena_dispose(&a);
    return st;
}

static void heads_must_ascend_and_begin_at_one(void **state)
{
    uint8_t h[2 * EDN_HEAD_SIZE] = {0};

    (void)state;
    h[0] = 1;
    h[16] = 1; /* dseq */
    h[EDN_HEAD_SIZE] = 2;
    h[EDN_HEAD_SIZE + 16] = 1;
    CHECK_OK(decode_heads(h, 2, 2));
    CHECK_STATUS(decode_heads(h, 2, 1), EDN_E_FORMAT);
    CHECK_STATUS(decode_heads(h, 2, 3), EDN_E_FORMAT);
    h[EDN_HEAD_SIZE] = 1; /* twice */
    CHECK_STATUS(decode_heads(h, 2, 2), EDN_E_FORMAT);
    h[EDN_HEAD_SIZE] = 0; /* descending */
    CHECK_STATUS(decode_heads(h, 2, 2), EDN_E_FORMAT);
    h[16] = 0; /* no such number */
    CHECK_STATUS(decode_heads(h, 1, 1), EDN_E_FORMAT);
}

static void heads_are_found_and_hashed_as_written(void **state)
{
    check_rng r = {check_seed()};
    edn_arena a = edn_arena_init(1 << 20);
    edn_head *h = random_heads(&r, &a, 200);
    edn_buf t = EDN_BUF_INIT(EDN_BUF_UNLIMITED), list = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_bytes fields[200];
    edn_device_id absent = h[7].device;
    edn_hash want, got;

    (void)state;
    absent.b[15] ^= 1;
    for (size_t n = 0; n <= 200; n += 40) {
        for (size_t i = 0; i < 200; i++)
            CHECK(edn_heads_find(h, n, &h[i].device) == (i < n ? &h[i] : NULL));
        CHECK(edn_heads_find(h, n, &absent) == NULL);
        edn_buf_reset(&list);
        edn_heads_put(&list, h, n);
        for (size_t i = 0; i < n; i++)
            fields[i] = edn_bytes_of(list.p + 4 + i * EDN_HEAD_SIZE, EDN_HEAD_SIZE);
        edn_buf_reset(&t);
        edn_t_put(&t, "EDNv1/heads", fields, n);
        want = edn_h32(edn_buf_view(&t));
        got = edn_heads_hash(h, n);
        CHECK_BYTES(EDN_F(got), EDN_F(want));
    }
    edn_buf_dispose(&t);
    edn_buf_dispose(&list);
    edn_arena_dispose(&a);
}

static void limits_are_refused_before_anything_is_written(void **state)
{
    static uint8_t box[EDN_RECORD_SIZE_MAX + 1];
    edn_record *many = calloc(EDN_RECORDS_MAX + 1, sizeof *many);
    edn_record one = {.box = edn_bytes_of(box, EDN_RECORD_SIZE_MAX)}, four[4] = {one, one, one, one};
    edn_buf out = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_head *heads = calloc(EDN_HEADS_MAX + 1, sizeof *heads);
    edn_arena a = edn_arena_init(1 << 26);

    (void)state;
    CHECK(many && heads);
    CHECK_STATUS(edn_body_encode(&out, NULL, 0, many, EDN_RECORDS_MAX + 1), EDN_E_LIMIT);
    CHECK_STATUS(edn_body_encode(&out, heads, EDN_HEADS_MAX + 1, NULL, 0), EDN_E_LIMIT);
    CHECK_STATUS(edn_body_encode(&out, NULL, 0, four, 4), EDN_E_LIMIT);
    CHECK_OK(edn_body_encode(&out, NULL, 0, &one, 1));
    edn_buf_reset(&out);
    one.box.n++;
    CHECK_STATUS(edn_body_encode(&out, NULL, 0, &one, 1), EDN_E_LIMIT);
    CHECK_INT(out.n, 0);
    CHECK_OK(edn_body_encode(&out, NULL, 0, many, EDN_RECORDS_MAX));
    CHECK_OK(decode_and_compare(&a, edn_buf_view(&out)));
    edn_arena_dispose(&a);
    edn_buf_dispose(&out);
    free(many);
    free(heads);
}

/* What encode refuses to make is written by hand here: limits hold against those who have another encode. */
static edn_status decode_raw(uint32_t heads_n, uint32_t records_n, uint32_t box_n)
{
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_arena a = edn_arena_init(1 << 26);
    edn_body out;
    edn_status st;

    edn_put_u32(&b, 4 + heads_n * EDN_HEAD_SIZE);
    edn_put_u32(&b, heads_n);
    for (uint32_t i = 0; i < heads_n; i++) {
        edn_put_u8(&b, (uint8_t)(i >> 8));
        edn_put_u8(&b, (uint8_t)i);
        edn_put_zeros(&b, 14);
        edn_put_u64(&b, 1);
        edn_put_zeros(&b, 32);
    }
    edn_put_u32(&b, 4 + records_n * (45 + box_n));
    edn_put_u32(&b, records_n);
    for (uint32_t i = 0; i < records_n; i++) {
        edn_put_zeros(&b, 41);
        edn_put_u32(&b, box_n);
        edn_put_zeros(&b, box_n);
    }
    st = edn_body_decode(&a, edn_buf_view(&b), &out);
    edn_buf_dispose(&b);
    edn_arena_dispose(&a);
    return st;
}

static void limits_hold_against_other_encoders(void **state)
{
    (void)state;
    CHECK_OK(decode_raw(EDN_HEADS_MAX, 0, 0));
    CHECK_STATUS(decode_raw(EDN_HEADS_MAX + 1, 0, 0), EDN_E_FORMAT);
    CHECK_OK(decode_raw(0, EDN_RECORDS_MAX, 0));
    CHECK_STATUS(decode_raw(0, EDN_RECORDS_MAX + 1, 0), EDN_E_FORMAT);
    CHECK_OK(decode_raw(0, 1, EDN_RECORD_SIZE_MAX));
    CHECK_STATUS(decode_raw(0, 1, EDN_RECORD_SIZE_MAX + 1), EDN_E_FORMAT);
}

static void a_lie_about_a_count_costs_no_memory(void **state)
{
    /* LP(no heads), LP(65536 records in no bytes) */
    static const uint8_t records[] = {4, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 1, 0};
    static const uint8_t heads[] = {4, 0, 0, 0, 0, 4, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0};
    edn_arena a = edn_arena_init(0); /* takes nothing */
    edn_body b;

    (void)state;
    CHECK_STATUS(edn_body_decode(&a, edn_bytes_of(records, sizeof records), &b), EDN_E_FORMAT);
    CHECK_STATUS(edn_body_decode(&a, edn_bytes_of(heads, sizeof heads), &b), EDN_E_FORMAT);
    CHECK(a.head == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_comes_back_as_it_went),
        cmocka_unit_test(any_other_bytes_are_refused_or_are_another_body),
        cmocka_unit_test(heads_must_ascend_and_begin_at_one),
        cmocka_unit_test(heads_are_found_and_hashed_as_written),
        cmocka_unit_test(limits_are_refused_before_anything_is_written),
        cmocka_unit_test(limits_hold_against_other_encoders),
        cmocka_unit_test(a_lie_about_a_count_costs_no_memory),
    };
    CHECK_OK(edn_crypto_init());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
