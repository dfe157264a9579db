#include "vectors.h"

#include "devlog/devlog_priv.h"
#include "links.h"

/* Appends the links until one is refused, and gives what that one gave. */
static edn_status case_run(vectors *v, const json_t *c, edn_devlog *log)
{
    json_t *link;
    size_t i;
    edn_status st = EDN_OK;

    json_array_foreach(json_object_get(c, "links"), i, link)
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
        st = case_run(&v, c, log);
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

/* ---- what a log says, as bytes, so that two states compare ------------------------------------------------------- */

static void put_devices(edn_buf *out, const edn_devlog *log)
{
    const edn_device *d;

    for (size_t i = 0; (d = edn_devlog_device(log, i)); i++) {
        CHECK(edn_devlog_device_find(log, &d->id) == d);
        edn_put_bytes(out, d->id.b, 16);
        edn_cert_put(out, &d->cert);
        edn_put_u64(out, d->added_seq);
        edn_put_u64(out, d->added_time_ms);
        edn_put_u64(out, d->revoked_seq);
    }
}

static void put_state(edn_buf *out, const edn_devlog *log)
{
    edn_hash h, box;
    edn_sign_pk pk = edn_devlog_aik(log);
    edn_dh_pk aek = edn_devlog_aek(log);
    const edn_pin *pins;
    size_t pins_n = edn_devlog_checkpoint(log, &pins);

    edn_buf_reset(out);
    for (uint64_t i = 0; edn_devlog_hash_at(log, i, &h); i++)
        edn_put_bytes(out, h.b, 32);
    edn_put_u64(out, edn_devlog_count(log));
    edn_put_bytes(out, pk.b, 32);
    edn_put_bytes(out, aek.b, 32);
    edn_put_u8(out, edn_devlog_kdf(log, &h, &box, &pk));
    edn_put_bytes(out, h.b, 32);
    edn_put_bytes(out, box.b, 32);
    edn_put_bytes(out, pk.b, 32);
    h = edn_devlog_grants_hash(log);
    edn_put_bytes(out, h.b, 32);
    edn_put_u32(out, edn_devlog_epoch(log));
    edn_put_u16(out, edn_devlog_suite_min(log));
    edn_put_u8(out, edn_devlog_kdf_floor(log));
    put_devices(out, log);
    for (size_t i = 0; i < pins_n; i++)
        edn_put_u64(out, pins[i].dseq);
    CHECK_OK(edn_buf_status(out));
}

static void check_same_state(const edn_devlog *a, const edn_devlog *b)
{
    edn_buf x = EDN_BUF_INIT(EDN_BUF_UNLIMITED), y = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    put_state(&x, a);
    put_state(&y, b);
    CHECK_BYTES(edn_buf_view(&x), edn_buf_view(&y));
    edn_buf_dispose(&x);
    edn_buf_dispose(&y);
}

static void a_refused_link_changes_nothing(void **state)
{
    links l;
    edn_buf broken = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_devlog *before, *other;
    size_t refused = 0;

    (void)state;
    links_init(&l, check_seed());
    for (unsigned i = 0; i < 300; i++) {
        edn_buf_reset(&broken);
        links_broken(&l, i % LINKS_BREAKS, &broken);
        CHECK_OK(edn_devlog_copy(l.log, &before));
        CHECK_OK(edn_devlog_copy(l.log, &other));
        if (edn_devlog_append(other, edn_buf_view(&broken)) != EDN_OK) {
            check_same_state(before, other);
            refused++;
        }
        check_same_state(before, l.log); /* nor does a copy touch what it was made from */
        edn_devlog_free(before);
        edn_devlog_free(other);
        if (i % 10 == 0)
            links_step(&l, (edn_link_type)0);
    }
    CHECK(refused > 200);
    edn_buf_dispose(&broken);
    links_dispose(&l);
}

static void a_place_past_the_end_has_no_hash(void **state)
{
    static const edn_hash zero;
    edn_hash h = {{1}};
    links l;

    (void)state;
    links_init(&l, check_seed());
    CHECK(edn_devlog_hash_at(l.log, 0, &h));
    CHECK(!edn_devlog_hash_at(l.log, 1, &h));
    CHECK_BYTES(EDN_F(h), EDN_F(zero));
    links_dispose(&l);
}

static void a_log_goes_on_after_a_refused_link(void **state)
{
    links l;
    edn_devlog *log;
    edn_buf broken = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    (void)state;
    links_init(&l, check_seed());
    CHECK_OK(edn_devlog_new(&log));
    for (unsigned i = 0; i < 100; i++) {
        CHECK_OK(edn_devlog_append(log, links_at(&l, i)));
        edn_buf_reset(&broken);
        links_broken(&l, 27, &broken); /* a bit of it flipped */
        CHECK(edn_devlog_append(log, edn_buf_view(&broken)) != EDN_OK);
        links_step(&l, (edn_link_type)0);
    }
    CHECK_OK(edn_devlog_append(log, links_at(&l, 100)));
    check_same_state(log, l.log);
    edn_devlog_free(log);
    edn_buf_dispose(&broken);
    links_dispose(&l);
}

/* One log with a link of each type at its end, for tests that want all of them. */
static void with_each_type(void (*run)(const edn_devlog *before, edn_bytes link))
{
    links l;

    links_init(&l, check_seed());
    for (int i = 0; i < 5; i++)
        links_step(&l, EDN_LINK_ADD_DEVICE);
    for (uint8_t type = EDN_LINK_ADD_DEVICE; type <= EDN_LINK_LAST; type++) {
        edn_devlog *before;
        CHECK_OK(edn_devlog_copy(l.log, &before));
        links_step(&l, (edn_link_type)type);
        run(before, links_at(&l, l.n - 1));
        edn_devlog_free(before);
    }
    links_dispose(&l);
}

static void check_cuts(const edn_devlog *before, edn_bytes link)
{
    edn_devlog *log;
    edn_link_info info;
    uint8_t *longer = malloc(link.n + 1);

    CHECK(longer);
    memcpy(longer, link.p, link.n);
    longer[link.n] = 0;
    CHECK_OK(edn_devlog_copy(before, &log));
    for (size_t n = 0; n < link.n; n++) {
        CHECK_STATUS(edn_devlog_append(log, edn_bytes_of(link.p, n)), EDN_E_FORMAT);
        CHECK_STATUS(edn_link_peek(edn_bytes_of(link.p, n), &info), EDN_E_FORMAT);
    }
    CHECK_STATUS(edn_devlog_append(log, edn_bytes_of(longer, link.n + 1)), EDN_E_FORMAT);
    CHECK_OK(edn_devlog_append(log, link));
    edn_devlog_free(log);
    free(longer);
}

static void a_link_cut_or_with_a_byte_more_is_refused(void **state)
{
    (void)state;
    with_each_type(check_cuts);
}

static void check_flips(const edn_devlog *before, edn_bytes link)
{
    edn_devlog *log;
    uint8_t *copy = malloc(link.n);

    CHECK(copy);
    memcpy(copy, link.p, link.n);
    CHECK_OK(edn_devlog_copy(before, &log));
    for (size_t i = 0; i < link.n; i++) {
        copy[i] ^= (uint8_t)(1u << (i * 5 % 8));
        CHECK(edn_devlog_append(log, edn_bytes_of(copy, link.n)) != EDN_OK);
        copy[i] = link.p[i];
    }
    check_same_state(log, before);
    edn_devlog_free(log);
    free(copy);
}

static void every_changed_byte_of_a_link_is_noticed(void **state)
{
    (void)state;
    with_each_type(check_flips);
}

static void check_peek(const edn_devlog *before, edn_bytes link)
{
    edn_link_info info;

    CHECK_OK(edn_link_peek(link, &info));
    CHECK_INT(info.type, link.p[5]);
    CHECK_INT(info.seq, edn_devlog_count(before));
    CHECK_INT(info.time_ms, edn_load_u64(link.p + 96));
    CHECK_BYTES(EDN_F(info.prev), edn_bytes_of(link.p + 16, 32));
    CHECK_BYTES(EDN_F(info.account), edn_bytes_of(link.p + 48, 32));
    CHECK_BYTES(EDN_F(info.signer), edn_bytes_of(link.p + 80, 16));
    CHECK_BYTES(info.body, edn_bytes_of(link.p + 108, link.n - 172));
}

static void the_fixed_part_is_read_without_a_log(void **state)
{
    uint8_t unknown[172] = "EDNL\1\12\1"; /* type 10 */
    edn_link_info info;
    edn_hash boxes[EDN_LINK_BOXES_MAX];
    size_t n;

    (void)state;
    with_each_type(check_peek);
    CHECK_STATUS(edn_link_peek(edn_bytes_of(unknown, sizeof unknown), &info), EDN_E_TYPE);
    CHECK_STATUS(edn_link_boxes(edn_bytes_of(unknown, sizeof unknown), boxes, &n), EDN_E_TYPE);
    unknown[5] = EDN_LINK_SET_KDF; /* with an empty body */
    CHECK_OK(edn_link_peek(edn_bytes_of(unknown, sizeof unknown), &info));
    CHECK_STATUS(edn_link_boxes(edn_bytes_of(unknown, sizeof unknown), boxes, &n), EDN_E_FORMAT);
}

/* Bytes that are no link, no such link, or one whose body is not of its type. */
/* Memory is reserved by these counts: a body without a list has none. */
static void check_counts(const edn_devlog *before, edn_bytes link)
{
    edn_link_info info;
    link_body b;

    (void)before;
    CHECK_OK(edn_link_peek(link, &info));
    CHECK_OK(edn_link_body_read(info.type, &info, &b));
    CHECK(info.type == EDN_LINK_REVOKE_ROTATE || (b.cuts_n == 0 && b.revoked_n == 0 && b.revoked.n == 0));
    CHECK_INT(b.pins_n * PIN_SIZE, info.type == EDN_LINK_CHECKPOINT ? info.body.n - 4
                                   : info.type == EDN_LINK_RESEAL   ? info.body.n - 8
                                                                    : 0);
}

static void what_a_body_does_not_list_is_none(void **state)
{
    (void)state;
    with_each_type(check_counts);
}

static void a_question_about_no_such_link_is_refused(void **state)
{
    links l;
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    uint8_t none[172] = "EDNL\1\0\1";
    edn_bytes in = edn_bytes_of(none, sizeof none);
    edn_recovery_set set;
    edn_rotation rotation;
    edn_link_info info;

    (void)state;
    links_init(&l, check_seed());
    CHECK_STATUS(edn_link_peek(in, &info), EDN_E_TYPE); /* types begin with 1 */
    CHECK_STATUS(edn_link_recovery(in, &set), EDN_E_TYPE);
    CHECK_STATUS(edn_link_rotation(in, &rotation), EDN_E_TYPE);
    none[4] = 2;
    CHECK_STATUS(edn_link_recovery(in, &set), EDN_E_FORMAT);
    CHECK_STATUS(edn_link_rotation(in, &rotation), EDN_E_FORMAT);
    CHECK_OK(
        edn_link_build(&link, l.log, &(edn_link_signer){NULL, &l.aik_sk, 1}, EDN_LINK_REVOKE_ROTATE, EDN_BYTES_EMPTY));
    CHECK_STATUS(edn_link_rotation(edn_buf_view(&link), &rotation), EDN_E_FORMAT);
    edn_buf_dispose(&link);
    links_dispose(&l);
}

static void trusted_links_give_the_same_log(void **state)
{
    links l;
    edn_devlog *log;
    edn_bytes last;

    (void)state;
    links_init(&l, check_seed());
    CHECK_OK(edn_devlog_new(&log));
    for (size_t i = 0; i < 200; i++) {
        CHECK_OK(edn_devlog_append_trusted(log, links_at(&l, i)));
        links_step(&l, (edn_link_type)0);
    }
    last = links_at(&l, 200);
    CHECK_STATUS(edn_devlog_append_trusted(log, links_at(&l, 199)), EDN_E_SEQ);
    CHECK_STATUS(edn_devlog_append_trusted(log, edn_bytes_of(last.p, last.n - 1)), EDN_E_FORMAT);
    CHECK_OK(edn_devlog_append_trusted(log, last));
    check_same_state(log, l.log);
    edn_devlog_free(log);
    links_dispose(&l);
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

static edn_status try_draft(links *l, const link_draft *d)
{
    edn_buf link = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_devlog *log;
    edn_status st;

    links_put(&link, d);
    CHECK_OK(edn_devlog_copy(l->log, &log));
    st = edn_devlog_append(log, edn_buf_view(&link));
    edn_devlog_free(log);
    edn_buf_dispose(&link);
    return st;
}

static void the_thirty_third_device_waits_for_a_place(void **state)
{
    links l;
    link_draft d;

    (void)state;
    links_init(&l, check_seed());
    while (l.devices_n < EDN_DEVICES_MAX)
        links_step(&l, EDN_LINK_ADD_DEVICE);
    links_draft(&l, &d, EDN_LINK_ADD_DEVICE);
    CHECK_STATUS(try_draft(&l, &d), EDN_E_LIMIT);
    edn_buf_dispose(&d.body);
    for (size_t active = EDN_DEVICES_MAX; active == EDN_DEVICES_MAX;) {
        links_step(&l, EDN_LINK_REVOKE_ROTATE); /* of none to two */
        active = 0;
        for (size_t i = 0; i < l.devices_n; i++)
            active += l.devices[i].active;
    }
    links_draft(&l, &d, EDN_LINK_ADD_DEVICE);
    CHECK_OK(try_draft(&l, &d));
    edn_buf_dispose(&d.body);
    links_dispose(&l);
}

static void a_raised_suite_stops_what_is_older(void **state)
{
    links l;
    link_draft d;
    edn_buf link = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    (void)state;
    links_init(&l, check_seed());
    links_draft(&l, &d, EDN_LINK_SET_POLICY);
    edn_store_u16(d.body.p, 2);
    links_put(&link, &d);
    CHECK_OK(edn_devlog_append(l.log, edn_buf_view(&link)));
    CHECK_INT(edn_devlog_suite_min(l.log), 2);
    edn_buf_dispose(&d.body);
    links_draft(&l, &d, EDN_LINK_ADD_DEVICE);
    CHECK_STATUS(try_draft(&l, &d), EDN_E_SUITE);
    edn_buf_dispose(&d.body);
    edn_buf_dispose(&link);
    links_dispose(&l);
}

static void a_policy_flag_never_falls_whatever_else_rises(void **state)
{
    links l;
    link_draft d;
    edn_buf link = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    (void)state;
    links_init(&l, check_seed());
    links_draft(&l, &d, EDN_LINK_SET_POLICY);
    edn_store_u32(d.body.p + 3, 5);
    links_put(&link, &d);
    CHECK_OK(edn_devlog_append(l.log, edn_buf_view(&link)));
    edn_buf_dispose(&d.body);
    links_draft(&l, &d, EDN_LINK_SET_POLICY);
    edn_store_u32(d.body.p + 3, 10);
    CHECK_STATUS(try_draft(&l, &d), EDN_E_POLICY);
    edn_store_u32(d.body.p + 3, 13);
    CHECK_OK(try_draft(&l, &d));
    edn_buf_dispose(&d.body);
    edn_buf_dispose(&link);
    links_dispose(&l);
}

/* ---- the first link ---------------------------------------------------------------------------------------------- */

static edn_status try_first(const link_draft *d)
{
    edn_buf link = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_devlog *log;
    edn_status st;

    links_put(&link, d);
    CHECK_OK(edn_devlog_new(&log));
    st = edn_devlog_append(log, edn_buf_view(&link));
    CHECK_INT(edn_devlog_count(log), st == EDN_OK);
    edn_devlog_free(log);
    edn_buf_dispose(&link);
    return st;
}

/* Of its four keys, those that did not sign it. */
static void a_first_link_brings_keys_of_prime_order(void **state)
{
    static const uint8_t identity[32] = {1};
    static const size_t at[] = {32, 64, 132}; /* AIK ‖ certificate: signing key ‖ encryption key ‖ … ‖ AEK */
    links l;
    link_draft d;

    (void)state;
    links_init(&l, check_seed());
    links_draft(&l, &d, EDN_LINK_GENESIS);
    CHECK_OK(try_first(&d));
    for (size_t i = 0; i < EDN_COUNT(at); i++) {
        uint8_t was[32];
        memcpy(was, d.body.p + at[i], 32);
        memcpy(d.body.p + at[i], identity, 32);
        CHECK_STATUS(try_first(&d), EDN_E_KEY_INVALID);
        memcpy(d.body.p + at[i], was, 32);
    }
    CHECK_OK(try_first(&d));
    edn_buf_dispose(&d.body);
    links_dispose(&l);
}

/* The point plus (0, -1), which has order 2: (x, y) becomes (-x, -y), written as 2^255 - 19 - y with the other sign. */
static edn_sign_pk plus_order_two(const edn_sign_pk *pk)
{
    uint8_t sign = pk->b[31] & 0x80;
    edn_sign_pk out;
    int borrow = 0;

    for (size_t i = 0; i < 32; i++) {
        int p = i == 0 ? 0xed : i == 31 ? 0x7f : 0xff, y = i == 31 ? pk->b[i] & 0x7f : pk->b[i];
        int digit = p - y - borrow;
        borrow = digit < 0;
        out.b[i] = (uint8_t)(digit + 256 * borrow);
    }
    out.b[31] |= sign ^ 0x80;
    return out;
}

/* An AIK of mixed order, under which every second signature is good: such a link is refused all the same. */
static void a_signature_does_not_make_up_for_a_key_of_mixed_order(void **state)
{
    unsigned signed_well = 0;
    edn_sign_pk mixed;
    links l;
    link_draft d;

    (void)state;
    links_init(&l, check_seed());
    links_draft(&l, &d, EDN_LINK_GENESIS);
    mixed = plus_order_two(&d.new_aik);
    memcpy(d.body.p, mixed.b, sizeof mixed.b);
    memcpy(d.sk.b + 32, mixed.b, sizeof mixed.b); /* the half that is hashed when something is signed */
    for (int i = 0; i < 32; i++) {
        edn_status st = try_first(&d);
        CHECK(st == EDN_E_KEY_INVALID || st == EDN_E_SIG);
        signed_well += st == EDN_E_KEY_INVALID;
        d.time_ms++;
    }
    CHECK(signed_well > 0);
    edn_buf_dispose(&d.body);
    links_dispose(&l);
}

static void a_first_link_without_a_key_is_refused(void **state)
{
    links l;
    link_draft d;

    (void)state;
    links_init(&l, check_seed());
    links_draft(&l, &d, EDN_LINK_GENESIS);
    d.body.n = 31;
    CHECK_STATUS(try_first(&d), EDN_E_FORMAT);
    d.body.n = 32;
    CHECK_STATUS(try_first(&d), EDN_E_FORMAT);
    edn_buf_dispose(&d.body);
    links_dispose(&l);
}

static void a_builder_begins_at_zero(void **state)
{
    static const edn_hash zero;
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX), other = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_link_signer by;
    edn_devlog *empty;
    edn_link_info info;
    links l;

    (void)state;
    links_init(&l, check_seed());
    CHECK_OK(edn_devlog_new(&empty));
    by = (edn_link_signer){NULL, &l.aik_sk, 1};
    CHECK_OK(edn_link_build(&link, empty, &by, EDN_LINK_GENESIS, EDN_BYTES_EMPTY));
    CHECK_OK(edn_link_peek(edn_buf_view(&link), &info));
    CHECK_INT(info.seq, 0);
    CHECK_BYTES(EDN_F(info.prev), EDN_F(zero));
    CHECK_BYTES(EDN_F(info.account), EDN_F(zero));
    CHECK_OK(edn_link_build(&other, NULL, &by, EDN_LINK_GENESIS, EDN_BYTES_EMPTY)); /* the same without a log */
    CHECK_BYTES(edn_buf_view(&other), edn_buf_view(&link));
    edn_devlog_free(empty);
    edn_buf_dispose(&link);
    edn_buf_dispose(&other);
    links_dispose(&l);
}

/* ---- revoking ---------------------------------------------------------------------------------------------------- */

/* Appends a revoke of one device with these spaces cut at 1, 2, 3… */
static void revoke_one(links *l, const edn_device_id *id, const edn_space_id *spaces, uint32_t n)
{
    edn_buf link = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    link_draft d;

    links_draft(l, &d, EDN_LINK_REVOKE_ROTATE);
    links_revoke_body(l, &d.body, id, 1, n, edn_devlog_epoch(l->log) + 1);
    for (uint32_t i = 0; i < n; i++) {
        memcpy(d.body.p + 24 + 72 * i, spaces[i].b, 32);
        edn_store_u64(d.body.p + 24 + 72 * i + 32, i + 1);
    }
    links_put(&link, &d);
    CHECK_OK(edn_devlog_append(l->log, edn_buf_view(&link)));
    edn_buf_dispose(&d.body);
    edn_buf_dispose(&link);
}

static void each_revoked_device_has_cuts_of_its_own(void **state)
{
    edn_space_id spaces[3] = {{{1}}, {{2}}, {{3}}}, swapped[2] = {{{3}}, {{1}}};
    const edn_device_id *a, *b;
    static const edn_hash none;
    edn_hash hash;
    uint64_t dseq;
    links l;

    (void)state;
    links_init(&l, check_seed());
    links_step(&l, EDN_LINK_ADD_DEVICE);
    links_step(&l, EDN_LINK_ADD_DEVICE);
    a = &l.devices[1].id;
    b = &l.devices[2].id;
    revoke_one(&l, a, spaces, 3);
    l.devices[1].active = false;
    revoke_one(&l, b, swapped, 2);
    for (size_t i = 0; i < 3; i++) {
        CHECK(edn_devlog_cut(l.log, a, &spaces[i], &dseq, &hash));
        CHECK_INT(dseq, i + 1);
        CHECK(edn_devlog_cut(l.log, b, &spaces[i], &dseq, &hash));
        CHECK_INT(dseq, i == 2 ? 1 : i == 0 ? 2 : 0);
    }
    CHECK(!edn_devlog_cut(l.log, &l.devices[0].id, &spaces[0], &dseq, &hash));
    /* Of a device that never was, nothing counts. */
    CHECK(!edn_devlog_device_find(l.log, &(edn_device_id){{1}}));
    CHECK(edn_devlog_cut(l.log, &(edn_device_id){{1}}, &spaces[0], &dseq, &hash));
    CHECK_INT(dseq, 0);
    CHECK_BYTES(EDN_F(hash), EDN_F(none));
    links_dispose(&l);
}

static edn_status try_revoke(links *l, const edn_device_id *ids, uint32_t n)
{
    link_draft d;
    edn_status st;

    links_draft(l, &d, EDN_LINK_REVOKE_ROTATE);
    links_revoke_body(l, &d.body, ids, n, 1, edn_devlog_epoch(l->log) + 1);
    st = try_draft(l, &d);
    edn_buf_dispose(&d.body);
    return st;
}

/* It would leave open which of the two counts. */
static void a_space_is_cut_once_for_a_device(void **state)
{
    links l;
    link_draft d;

    (void)state;
    links_init(&l, check_seed());
    links_draft(&l, &d, EDN_LINK_REVOKE_ROTATE);
    links_revoke_body(&l, &d.body, &l.devices[0].id, 1, 3, 1);
    CHECK_OK(try_draft(&l, &d));
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < i; k++) {
            uint8_t *space = d.body.p + 24 + 72 * i, was[32];
            memcpy(was, space, 32);
            memcpy(space, d.body.p + 24 + 72 * k, 32);
            CHECK_STATUS(try_draft(&l, &d), EDN_E_FORMAT);
            memcpy(space, was, 32);
            space[31] = (uint8_t)~was[31];
            CHECK_OK(try_draft(&l, &d));
        }
    links_revoke_body(&l, &d.body, &l.devices[0].id, 1, 1, 1);
    memcpy(d.body.p + 24, d.body.p + 24 + 72, 32); /* what stands behind the cuts is none of them */
    CHECK_OK(try_draft(&l, &d));
    edn_buf_dispose(&d.body);
    links_dispose(&l);
}

static void only_active_devices_are_revoked_each_once(void **state)
{
    links l;
    edn_device_id ids[3], many[3 * EDN_DEVICES_MAX];

    (void)state;
    links_init(&l, check_seed());
    for (int i = 0; i < 3; i++)
        links_step(&l, EDN_LINK_ADD_DEVICE);
    revoke_one(&l, &l.devices[3].id, NULL, 0);
    l.devices[3].active = false;
    ids[0] = l.devices[1].id;
    ids[1] = l.devices[2].id;
    CHECK_OK(try_revoke(&l, ids, 0));
    CHECK_OK(try_revoke(&l, ids, 2));
    ids[1] = ids[0];
    CHECK_STATUS(try_revoke(&l, ids, 2), EDN_E_DEVICE_UNKNOWN);
    ids[1] = l.devices[3].id; /* revoked before */
    CHECK_STATUS(try_revoke(&l, ids, 2), EDN_E_DEVICE_UNKNOWN);
    ids[1].b[0] ^= 1;
    CHECK_STATUS(try_revoke(&l, ids, 2), EDN_E_DEVICE_UNKNOWN);
    for (size_t i = 0; i < EDN_COUNT(many); i++)
        many[i] = l.devices[i % 3].id;
    CHECK_STATUS(try_revoke(&l, many, 4), EDN_E_DEVICE_UNKNOWN); /* more than there are */
    CHECK_STATUS(try_revoke(&l, many, EDN_COUNT(many)), EDN_E_DEVICE_UNKNOWN);
    links_dispose(&l);
}

/* Four thousand million rotations are far, but the number after the last one is no epoch. */
static void epochs_do_not_begin_again(void **state)
{
    edn_buf image = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_devlog *last;
    link_draft d;
    links l;

    (void)state;
    links_init(&l, check_seed());
    edn_devlog_image_put(&image, l.log);
    CHECK_OK(edn_buf_status(&image));
    edn_store_u32(image.p + image.n - 27, UINT32_MAX);
    CHECK_OK(edn_devlog_image_read(edn_buf_view(&image), &last));
    CHECK_INT(edn_devlog_epoch(last), UINT32_MAX);
    edn_devlog_free(l.log);
    l.log = last;
    links_draft(&l, &d, EDN_LINK_REVOKE_ROTATE);
    links_revoke_body(&l, &d.body, NULL, 0, 0, 0);
    CHECK_STATUS(try_draft(&l, &d), EDN_E_EPOCH);
    edn_store_u32(image.p + image.n - 27, UINT32_MAX - 1);
    CHECK_OK(edn_devlog_image_read(edn_buf_view(&image), &l.log));
    edn_devlog_free(last);
    links_revoke_body(&l, &d.body, NULL, 0, 0, UINT32_MAX);
    CHECK_OK(try_draft(&l, &d));
    edn_buf_dispose(&d.body);
    edn_buf_dispose(&image);
    links_dispose(&l);
}

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

static void a_rotation_is_built_as_it_is_read(void **state)
{
    links l;
    edn_buf out = EDN_BUF_INIT(EDN_LINK_SIZE_MAX), full = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_rotation got, r = {.epoch = 1, .grants_hash = {{1}}, .prev_box_hash = {{2}}};
    edn_space_id a = {{3}}, b = {{4}}, none = {{5}};
    edn_pin cuts[3];
    edn_device_id revoked[EDN_DEVICES_MAX] = {{{0}}};
    edn_hash boxes[EDN_LINK_BOXES_MAX], hash;
    uint64_t dseq;
    size_t n;

    (void)state;
    links_init(&l, check_seed());
    links_step(&l, EDN_LINK_ADD_DEVICE);
    links_step(&l, EDN_LINK_ADD_DEVICE);
    for (size_t i = 0; i < 2; i++)
        revoked[i] = edn_devlog_device(l.log, i + 1)->id;
    cuts[0] = (edn_pin){a, revoked[1], 7, {{8}}};
    cuts[1] = (edn_pin){a, revoked[0], 9, {{10}}};
    cuts[2] = (edn_pin){b, revoked[1], 11, {{12}}};
    r.revoked = revoked, r.revoked_n = 2, r.cuts = cuts, r.cuts_n = 3;
    r.aek = edn_devlog_aek(l.log);
    CHECK_OK(edn_link_revoke_rotate(&out, l.log, &(edn_link_signer){NULL, &l.aik_sk, 1}, &r));
    CHECK_OK(edn_link_boxes(edn_buf_view(&out), boxes, &n));
    CHECK_INT(n, 2);
    CHECK_BYTES(EDN_F(boxes[0]), EDN_F(r.grants_hash));
    CHECK_BYTES(EDN_F(boxes[1]), EDN_F(r.prev_box_hash));
    CHECK_OK(edn_link_rotation(edn_buf_view(&out), &got));
    CHECK_INT(got.epoch, 1);
    CHECK_BYTES(EDN_F(got.aek), EDN_F(r.aek));
    CHECK_BYTES(EDN_F(got.grants_hash), EDN_F(r.grants_hash));
    CHECK_BYTES(EDN_F(got.prev_box_hash), EDN_F(r.prev_box_hash));
    CHECK_STATUS(edn_link_rotation(links_at(&l, 0), &got), EDN_E_TYPE);
    r.revoked_n = EDN_DEVICES_MAX;
    CHECK_OK(edn_link_revoke_rotate(&full, l.log, &(edn_link_signer){NULL, &l.aik_sk, 1}, &r));
    edn_buf_dispose(&full);
    r.revoked_n = EDN_DEVICES_MAX + 1; /* more than there can be */
    CHECK_STATUS(edn_link_revoke_rotate(&out, l.log, &(edn_link_signer){NULL, &l.aik_sk, 1}, &r), EDN_E_LIMIT);
    CHECK_OK(edn_devlog_append(l.log, edn_buf_view(&out)));
    CHECK_INT(edn_devlog_epoch(l.log), 1);
    for (size_t i = 0; i < 3; i++) {
        CHECK(edn_devlog_cut(l.log, &cuts[i].device, &cuts[i].space, &dseq, &hash));
        CHECK_INT(dseq, cuts[i].dseq);
        CHECK_BYTES(EDN_F(hash), EDN_F(cuts[i].hash));
    }
    CHECK(edn_devlog_cut(l.log, &revoked[0], &none, &dseq, &hash) && dseq == 0);
    edn_buf_dispose(&out);
    links_dispose(&l);
}

static edn_status try_reseal(const links *l, const edn_pin *bases, size_t n)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_devlog *log;
    edn_status st;

    CHECK_OK(edn_link_reseal(&link, l->log, &(edn_link_signer){NULL, &l->aik_sk, 1}, bases, n));
    CHECK_OK(edn_devlog_copy(l->log, &log));
    st = edn_devlog_append(log, edn_buf_view(&link));
    edn_devlog_free(log);
    edn_buf_dispose(&link);
    return st;
}

static void a_reseal_is_built_as_it_is_read(void **state)
{
    links l;
    edn_buf out = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_link_signer by;
    edn_space_id a = {{3}}, b = {{4}};
    edn_pin bases[2], too_many[800];
    uint64_t dseq, seq;
    edn_hash hash;

    (void)state;
    links_init(&l, check_seed());
    links_step(&l, EDN_LINK_ADD_DEVICE);
    links_step(&l, EDN_LINK_REVOKE_ROTATE);
    by = (edn_link_signer){NULL, &l.aik_sk, 1};
    bases[0] = (edn_pin){a, l.devices[0].id, 7, {{8}}};
    bases[1] = (edn_pin){b, l.devices[0].id, 9, {{10}}};
    CHECK_INT(edn_devlog_epoch_min(l.log, UINT64_MAX), 0);
    CHECK_OK(edn_link_reseal(&out, l.log, &by, bases, 2));
    seq = edn_devlog_count(l.log);
    CHECK_OK(edn_devlog_append(l.log, edn_buf_view(&out)));
    edn_devlog_base(l.log, &l.devices[0].id, &a, &dseq, &hash);
    CHECK(dseq == 7 && hash.b[0] == 8);
    edn_devlog_base(l.log, &l.devices[0].id, &b, &dseq, &hash);
    CHECK(dseq == 9 && hash.b[0] == 10);
    edn_devlog_base(l.log, &l.devices[1].id, &a, &dseq, &hash);
    CHECK_INT(dseq, 0);
    CHECK_INT(edn_devlog_epoch_min(l.log, seq - 1), 0); /* who did not know of it is taken as before */
    CHECK_INT(edn_devlog_epoch_min(l.log, seq), 1);
    bases[0].dseq = 6; /* one falls, and with it all */
    bases[1].dseq = 20;
    edn_buf_reset(&out);
    CHECK_OK(edn_link_reseal(&out, l.log, &by, bases, 2));
    CHECK_STATUS(edn_devlog_append(l.log, edn_buf_view(&out)), EDN_E_POLICY);
    edn_devlog_base(l.log, &l.devices[0].id, &b, &dseq, &hash);
    CHECK_INT(dseq, 9);
    bases[0].dseq = 7; /* of the same number, it is the same batch */
    bases[0].hash.b[0] = 9;
    CHECK_STATUS(try_reseal(&l, bases, 2), EDN_E_POLICY);
    bases[0].hash.b[0] = 8;
    CHECK_OK(try_reseal(&l, bases, 2));
    bases[0].dseq = 8;
    bases[0].hash.b[0] = 9;
    CHECK_OK(try_reseal(&l, bases, 2));
    bases[1].space = bases[0].space; /* one place, twice */
    CHECK_STATUS(try_reseal(&l, bases, 2), EDN_E_FORMAT);
    bases[0].dseq = 0;
    CHECK_STATUS(try_reseal(&l, bases, 1), EDN_E_FORMAT);
    CHECK_STATUS(edn_link_reseal(&out, l.log, &by, too_many, EDN_COUNT(too_many)), EDN_E_LIMIT);
    edn_buf_dispose(&out);
    links_dispose(&l);
}

static void a_recovery_set_is_built_as_it_is_read(void **state)
{
    links l;
    edn_buf out = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_recovery_set set = {.needed = 2, .n = 3, .id = {{1}}, .commitments = {{{2}}, {{3}}, {{4}}}, .box_hash = {{5}}};
    edn_recovery_set got;
    edn_link_signer by;

    (void)state;
    links_init(&l, check_seed());
    by = (edn_link_signer){NULL, &l.aik_sk, 1};
    CHECK_OK(edn_link_set_recovery(&out, l.log, &by, &set));
    CHECK_OK(edn_devlog_append(l.log, edn_buf_view(&out)));
    CHECK_OK(edn_link_recovery(edn_buf_view(&out), &got));
    CHECK_BYTES(edn_bytes_of(&got, sizeof got), edn_bytes_of(&set, sizeof set));
    CHECK_STATUS(edn_link_recovery(links_at(&l, 0), &got), EDN_E_TYPE);
    edn_buf_reset(&out);
    set.needed = set.n = 1;
    CHECK_OK(edn_link_set_recovery(&out, l.log, &by, &set));
    CHECK_OK(edn_link_recovery(edn_buf_view(&out), &got));
    edn_buf_reset(&out);
    set.n = 3;
    set.needed = 4;
    CHECK_STATUS(edn_link_set_recovery(&out, l.log, &by, &set), EDN_E_INVALID);
    set.needed = 0;
    CHECK_STATUS(edn_link_set_recovery(&out, l.log, &by, &set), EDN_E_INVALID);
    set.needed = 1, set.n = EDN_SHARES_MAX + 1;
    CHECK_STATUS(edn_link_set_recovery(&out, l.log, &by, &set), EDN_E_INVALID);
    CHECK_OK(edn_link_build(&out, l.log, &by, EDN_LINK_SET_RECOVERY, edn_bytes_str("\3\2")));
    memset(&set, 0, sizeof set);
    CHECK_STATUS(edn_link_recovery(edn_buf_view(&out), &got), EDN_E_FORMAT);
    CHECK_BYTES(edn_bytes_of(&got, sizeof got), edn_bytes_of(&set, sizeof set)); /* nothing of it */
    edn_buf_reset(&out);
    CHECK_OK(edn_link_build(&out, l.log, &by, EDN_LINK_SET_RECOVERY, edn_bytes_str("\1\1too short")));
    CHECK_STATUS(edn_link_recovery(edn_buf_view(&out), &got), EDN_E_FORMAT);
    CHECK_BYTES(edn_bytes_of(&got, sizeof got), edn_bytes_of(&set, sizeof set));
    edn_buf_dispose(&out);
    links_dispose(&l);
}

static void a_log_ends_at_its_limit(void **state)
{
    uint8_t link[172 + 4] = "EDNL\1\6\1";
    edn_devlog *log;
    edn_hash head;
    links l;

    (void)state;
    links_init(&l, check_seed());
    CHECK_OK(edn_devlog_new(&log));
    CHECK_OK(edn_devlog_append_trusted(log, links_at(&l, 0)));
    memcpy(link + 48, edn_devlog_account(log).b, 32);
    memcpy(link + 80, l.devices[0].id.b, 16);
    edn_store_u32(link + 104, 4); /* a checkpoint without pins */
    for (uint64_t seq = 1; seq <= EDN_LINKS_MAX; seq++) {
        head = edn_devlog_head(log);
        edn_store_u64(link + 8, seq);
        memcpy(link + 16, head.b, 32);
        CHECK_STATUS(edn_devlog_append_trusted(log, edn_bytes_of(link, sizeof link)),
                     seq < EDN_LINKS_MAX ? EDN_OK : EDN_E_LIMIT);
    }
    edn_devlog_free(log);
    links_dispose(&l);
}

static void a_link_is_taken_at_its_limit_and_not_past_it(void **state)
{
    static edn_pin pins[745];
    size_t n = (EDN_LINK_SIZE_MAX - 172 - 4) / 88;
    links l;
    link_draft d;
    edn_buf out = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_link_signer by;

    (void)state;
    links_init(&l, check_seed());
    by = (edn_link_signer){&l.devices[0].id, &l.devices[0].sk, 1};
    CHECK_OK(edn_link_checkpoint(&out, l.log, &by, pins, n));
    CHECK_OK(edn_devlog_append(l.log, edn_buf_view(&out)));
    CHECK_STATUS(edn_link_checkpoint(&out, l.log, &by, pins, n + 1), EDN_E_LIMIT);

    links_draft(&l, &d, EDN_LINK_CHECKPOINT); /* the same, by somebody who builds it all the same */
    edn_buf_reset(&d.body);
    edn_put_u32(&d.body, (uint32_t)n + 1);
    edn_put_zeros(&d.body, (n + 1) * 88);
    CHECK_STATUS(try_draft(&l, &d), EDN_E_FORMAT);
    edn_buf_dispose(&d.body);

    /* To the byte, with a body that is refused for its form only. */
    links_draft(&l, &d, EDN_LINK_SET_POLICY);
    edn_put_zeros(&d.body, EDN_LINK_SIZE_MAX - 172 - d.body.n + 1);
    CHECK_STATUS(try_draft(&l, &d), EDN_E_FORMAT);
    CHECK_STATUS(edn_link_build(&out, l.log, &by, EDN_LINK_SET_POLICY, edn_buf_view(&d.body)), EDN_E_LIMIT);
    d.body.n--;
    edn_buf_reset(&out);
    CHECK_OK(edn_link_build(&out, l.log, &by, EDN_LINK_SET_POLICY, edn_buf_view(&d.body)));
    CHECK_INT(out.n, EDN_LINK_SIZE_MAX);
    edn_buf_dispose(&d.body);
    edn_buf_dispose(&out);
    links_dispose(&l);
}

static void a_lie_about_a_count_is_refused_before_it_is_followed(void **state)
{
    links l;
    link_draft d;
    static const edn_link_type types[] = {EDN_LINK_REVOKE_ROTATE, EDN_LINK_CHECKPOINT};

    (void)state;
    links_init(&l, check_seed());
    for (size_t i = 0; i < EDN_COUNT(types); i++) {
        links_draft(&l, &d, types[i]);
        edn_store_u32(d.body.p, UINT32_MAX);
        CHECK_STATUS(try_draft(&l, &d), EDN_E_FORMAT);
        edn_buf_dispose(&d.body);
    }
    links_draft(&l, &d, EDN_LINK_REVOKE_ROTATE);
    links_revoke_body(&l, &d.body, &l.devices[0].id, 1, 2, 1);
    edn_store_u32(d.body.p + 20, UINT32_MAX); /* cuts */
    CHECK_STATUS(try_draft(&l, &d), EDN_E_FORMAT);
    edn_store_u32(d.body.p + 20, 4); /* more than is left with what follows */
    CHECK_STATUS(try_draft(&l, &d), EDN_E_FORMAT);
    edn_buf_dispose(&d.body);
    links_dispose(&l);
}

static void a_builder_without_room_says_so(void **state)
{
    links l;
    edn_buf out = EDN_BUF_INIT(200);
    edn_link_signer by;
    edn_hash h = {{0}};

    (void)state;
    links_init(&l, check_seed());
    by = (edn_link_signer){NULL, &l.aik_sk, 1};
    CHECK_STATUS(edn_link_set_kdf(&out, l.log, &by, &h, &h, &l.aik), EDN_E_LIMIT);
    edn_buf_dispose(&out);
    links_dispose(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_vectors),
        cmocka_unit_test(a_refused_link_changes_nothing),
        cmocka_unit_test(a_place_past_the_end_has_no_hash),
        cmocka_unit_test(a_log_goes_on_after_a_refused_link),
        cmocka_unit_test(a_link_cut_or_with_a_byte_more_is_refused),
        cmocka_unit_test(every_changed_byte_of_a_link_is_noticed),
        cmocka_unit_test(the_fixed_part_is_read_without_a_log),
        cmocka_unit_test(what_a_body_does_not_list_is_none),
        cmocka_unit_test(a_question_about_no_such_link_is_refused),
        cmocka_unit_test(trusted_links_give_the_same_log),
        cmocka_unit_test(the_thirty_third_device_waits_for_a_place),
        cmocka_unit_test(a_raised_suite_stops_what_is_older),
        cmocka_unit_test(a_policy_flag_never_falls_whatever_else_rises),
        cmocka_unit_test(a_first_link_brings_keys_of_prime_order),
        cmocka_unit_test(a_signature_does_not_make_up_for_a_key_of_mixed_order),
        cmocka_unit_test(a_first_link_without_a_key_is_refused),
        cmocka_unit_test(a_builder_begins_at_zero),
        cmocka_unit_test(each_revoked_device_has_cuts_of_its_own),
        cmocka_unit_test(a_space_is_cut_once_for_a_device),
        cmocka_unit_test(only_active_devices_are_revoked_each_once),
        cmocka_unit_test(epochs_do_not_begin_again),
        cmocka_unit_test(a_rotation_is_built_as_it_is_read),
        cmocka_unit_test(a_reseal_is_built_as_it_is_read),
        cmocka_unit_test(a_recovery_set_is_built_as_it_is_read),
        cmocka_unit_test(a_log_ends_at_its_limit),
        cmocka_unit_test(a_link_is_taken_at_its_limit_and_not_past_it),
        cmocka_unit_test(a_lie_about_a_count_is_refused_before_it_is_followed),
        cmocka_unit_test(a_builder_without_room_says_so),
    };
    CHECK_OK(edn_crypto_init());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
