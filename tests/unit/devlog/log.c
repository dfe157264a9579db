#include "vectors.h"

#include "devlog/devlog.h"

/* Appends the links until one is refused, and gives what that one gave. */
static edn_status case_run(vectors *v, const json_t *links, edn_devlog *log)
{
    json_t *link;
    size_t i;
    edn_status st = EDN_OK;

    json_array_foreach(links, i, link)
    {
        edn_bytes bytes = vector_hex_of(v, json_string_value(link));
        if ((st = edn_devlog_append(log, bytes)) != EDN_OK)
            break;
    }
    return st;
}

static void case_check_valid(vectors *v, const json_t *c, const edn_devlog *log)
{
    json_t *id, *hash, *active = json_object_get(c, "active_after");
    size_t i, active_n = 0;
    edn_account_id account;
    const edn_device *d;

    VECTOR_INTO(account, v, c, "account_id");
    CHECK_BYTES(EDN_F(edn_devlog_account(log)), EDN_F(account));
    CHECK_INT(edn_devlog_epoch(log), vector_int(c, "epoch_after"));
    json_array_foreach(json_object_get(c, "hashes"), i, hash)
    {
        edn_hash h;
        CHECK(edn_devlog_hash_at(log, i, &h));
        CHECK_BYTES(EDN_F(h), vector_hex_of(v, json_string_value(hash)));
    }
    CHECK_INT(edn_devlog_count(log), i);
    json_array_foreach(active, i, id)
    {
        edn_device_id want;
        memcpy(want.b, vector_hex_of(v, json_string_value(id)).p, sizeof want.b);
        d = edn_devlog_device_find(log, &want);
        CHECK(d && edn_device_active(d));
    }
    for (i = 0; (d = edn_devlog_device(log, i)); i++)
        active_n += edn_device_active(d);
    CHECK_INT(active_n, json_array_size(active));
}

static void agrees_with_the_vectors(void **state)
{
    vectors v = vectors_open("edn/sigchain.json");
    json_t *c;
    size_t i;

    (void)state;
    json_array_foreach(json_object_get(v.root, "cases"), i, c)
    {
        const char *want = vector_str(c, "result");
        edn_devlog *log;
        edn_status st;

        CHECK_OK(edn_devlog_new(&log));
        st = case_run(&v, json_object_get(c, "links"), log);
        if (vector_has(c, "pinned")) { /* good in itself, and another than the one that was pinned */
            json_t *pinned = json_object_get(c, "pinned");
            edn_hash h;
            CHECK_OK(st);
            CHECK(edn_devlog_hash_at(log, vector_int(pinned, "seq"), &h));
            CHECK(!edn_bytes_equal(EDN_F(h), vector_hex(&v, pinned, "hash")));
        } else if (strcmp(want, "ok") == 0) {
            CHECK_OK(st);
            case_check_valid(&v, c, log);
        } else if (strcmp(edn_status_name(st), want) != 0) {
            print_error("%s: %s, not %s\n", vector_str(c, "name"), edn_status_name(st), want);
            fail();
        }
        edn_devlog_free(log);
    }
    vectors_close(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_vectors),
    };
    CHECK_OK(edn_crypto_init());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
