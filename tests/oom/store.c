#include "check.h"

#include "oom.h"
#include "store/store.h"
#include "tempdir.h"

static const edn_local_key ldk = {{1}};

static void fill(void *ctx, void *p, size_t n)
{
    (void)ctx;
    memset(p, 5, n);
}

static edn_status take_row(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    (void)ctx;
    (void)key;
    (void)value;
    return st;
}

static edn_status write_and_read(edn_store *s)
{
    static const uint8_t text[5000] = {1};
    edn_buf b = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st = edn_store_begin_write(s);

    if (st == EDN_OK)
        st = edn_store_put(s, EDN_TABLE_ENTRY, edn_bytes_str("a"), edn_bytes_of(text, sizeof text));
    if (st == EDN_OK)
        st = edn_store_put(s, EDN_TABLE_ENTRY, edn_bytes_str("b"), edn_bytes_of(text, 10));
    if (st == EDN_OK)
        st = edn_store_commit(s);
    if (st == EDN_OK)
        st = edn_store_get(s, EDN_TABLE_ENTRY, edn_bytes_str("a"), &b);
    if (st == EDN_OK)
        st = edn_store_scan(s, EDN_TABLE_ENTRY, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, take_row, NULL);
    edn_store_rollback(s);
    edn_buf_dispose(&b);
    return st;
}

/* From no folder to a closed store, and again from a store that is there. */
static edn_status whole_life(void *ctx)
{
    edn_random rng = {fill, NULL};
    edn_store_options o = {.create = true};
    edn_store *s = NULL;
    edn_err err = {0};
    edn_status st = edn_store_open(ctx, &o, &s, &err);

    if (st == EDN_OK)
        st = edn_store_unlock(s, &ldk, &rng);
    if (st == EDN_OK)
        st = write_and_read(s);
    edn_store_close(s);
    CHECK(st == EDN_OK || s || err.status == EDN_E_NOMEM);
    return st;
}

static edn_status first_life(void *ctx)
{
    edn_status st = whole_life(ctx);

    tempdir_remove(ctx);
    return st;
}

static void making_a_store_survives_each_failing_allocation(void **state)
{
    char dir[TEMPDIR_SIZE], deep[TEMPDIR_SIZE + 8];

    (void)state;
    tempdir_make(dir);
    snprintf(deep, sizeof deep, "%s/a", dir);
    CHECK(oom_each(first_life, deep) > 5);
    tempdir_remove(dir);
}

static void using_a_store_survives_each_failing_allocation(void **state)
{
    char dir[TEMPDIR_SIZE];

    (void)state;
    tempdir_make(dir);
    CHECK(oom_each(whole_life, dir) > 4);
    tempdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(making_a_store_survives_each_failing_allocation),
        cmocka_unit_test(using_a_store_survives_each_failing_allocation),
    };
    CHECK_OK(edn_crypto_init());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
