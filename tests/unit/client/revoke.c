/* A device is revoked: what it had opens nothing that is written afterwards, and everybody else goes on. */
#include "check.h"

#include "client/client_priv.h"
#include "world.h"

static edn_entry_id add(edn_client *c, const char *date, const char *text)
{
    edn_draft d = {.date = edn_bytes_str(date), .text = edn_bytes_str(text)};
    edn_entry_id id;
    edn_err err = {EDN_OK, ""};

    CHECK_OK(edn_client_add(c, &d, &id, &err));
    return id;
}

static edn_sync_result sync_ok(edn_client *c)
{
    edn_sync_result r;
    edn_err err = {EDN_OK, ""};
    edn_status st = edn_client_sync(c, NULL, &r, &err);

    if (st != EDN_OK)
        print_error("sync: %s\n", err.text);
    CHECK_OK(st);
    CHECK_INT(r.findings, 0);
    return r;
}

static edn_status put_entry(void *ctx, const edn_entry *e)
{
    edn_put_bytes(ctx, e->id.b, sizeof e->id.b);
    edn_put_lp(ctx, e->date);
    edn_put_lp(ctx, e->text);
    return EDN_OK;
}

static void check_same_diary(edn_client *a, edn_client *b, uint64_t entries)
{
    edn_buf x = EDN_BUF_INIT(EDN_BUF_UNLIMITED), y = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_filter f = {.deleted = true};
    edn_client_status status;

    CHECK_OK(edn_client_export(a, &f, put_entry, &x, NULL, NULL));
    CHECK_OK(edn_client_export(b, &f, put_entry, &y, NULL, NULL));
    CHECK_BYTES(edn_buf_view(&x), edn_buf_view(&y));
    CHECK_OK(edn_client_status_get(a, &status, NULL));
    CHECK_INT(status.entries, entries);
    edn_buf_dispose(&x);
    edn_buf_dispose(&y);
}

static void revoke_ok(edn_client *c, const char *device)
{
    edn_err err = {EDN_OK, ""};
    edn_status st = edn_client_device_revoke(c, device, edn_bytes_str(WORLD_PASSPHRASE), &err);

    if (st != EDN_OK)
        print_error("revoke: %s\n", err.text);
    CHECK_OK(st);
}

/* "a" made the account, "b" and "c" joined it; each has written, and all have synced. */
typedef struct three {
    world *w;
    edn_client *a, *b, *c;
} three;

static three three_open(void)
{
    three t = {.w = world_of_two()};

    t.a = world_open(t.w, "a");
    t.b = world_open(t.w, "b");
    t.c = world_login(t.w, "c");
    add(t.a, "1660-01-01", "by a");
    add(t.b, "1660-01-02", "by b");
    add(t.c, "1660-01-03", "by c");
    for (int i = 0; i < 2; i++) {
        sync_ok(t.a);
        sync_ok(t.b);
        sync_ok(t.c);
    }
    return t;
}

static void three_close(three *t)
{
    edn_client_close(t->a);
    edn_client_close(t->b);
    edn_client_close(t->c);
    world_free(t->w);
}

/* ---- what a thief can try ---------------------------------------------------------------------------------------- */

/* Every space key that `thief` can derive, under whatever epoch, on a batch. */
static void check_outer_shut(edn_client *thief, const edn_batch *b)
{
    edn_buf plain = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_root_key rk;
    edn_space_key key;
    unsigned keys = 0;

    for (uint32_t e = 0; e < 8; e++) {
        if (keys_root(thief, e, &rk) != EDN_OK)
            continue;
        keys++;
        for (uint32_t as = 0; as < 8; as++) {
            edn_space_key_of(&key, &rk, &client_id(thief)->account, &client_id(thief)->space, as);
            CHECK_STATUS(edn_batch_open(&plain, b, &key), EDN_E_AUTH);
        }
    }
    CHECK(keys > 0);
    edn_buf_dispose(&plain);
}

/* With the outer layer open, as if by another way: every journal key and root key on every record. */
static void check_records_shut(edn_client *writer, edn_client *thief, const edn_batch *b)
{
    edn_arena a = edn_arena_init(1 << 24);
    edn_buf plain = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_space_key key;
    edn_journal_key jk;
    edn_root_key rk;
    edn_body body;

    CHECK_OK(keys_space(writer, b->header.epoch, &key));
    CHECK_OK(edn_batch_open(&plain, b, &key));
    CHECK_OK(edn_body_decode(&a, edn_buf_view(&plain), &body));
    for (uint32_t i = 0; i < body.records_n; i++) {
        const edn_record *r = &body.records[i];
        edn_batch_header h = b->header;
        record_head head;
        edn_buf out = EDN_BUF_INIT((size_t)4 << 20);

        if (r->type == EDN_RECORD_JOURNAL_KEY) {
            for (uint32_t e = 0; e < 8; e++)
                if (keys_root(thief, e, &rk) == EDN_OK)
                    CHECK_STATUS(edn_journal_key_open(&rk, &client_id(thief)->account, &h.space, &r->journal, h.epoch,
                                                      r->journal_epoch, r->box, &jk),
                                 EDN_E_AUTH);
            continue;
        }
        CHECK_OK(record_message(writer, &h, r, i, &out, &head));
        edn_buf_reset(&out);
        for (uint32_t f = 0; f < 8; f++)
            for (size_t k = 0; keys_journal(thief, &r->journal, f, k, &jk) == EDN_OK; k++) {
                edn_record_place at = {h.space,  r->journal, r->entry, r->journal_epoch, r->key_version, r->type,
                                       h.device, h.dseq,     i};
                edn_entry_key ek;
                edn_entry_key_of(&ek, &jk, &r->journal, &r->entry, r->key_version);
                CHECK_STATUS(edn_record_open(&out, &ek, &at, r->box), EDN_E_AUTH);
            }
        CHECK(record_message(thief, &h, r, i, &out, &head) != EDN_OK);
        edn_buf_wipe(&out);
    }
    edn_buf_dispose(&plain);
    edn_arena_dispose(&a);
}

static uint64_t newest_dseq(edn_client *c)
{
    heads h;
    const edn_head *self;
    uint64_t dseq;

    CHECK_OK(client_begin_read(c, NULL));
    CHECK_OK(heads_load(c, &h));
    self = edn_heads_find(h.p, h.n, &client_id(c)->device);
    dseq = self ? self->dseq : 0;
    heads_dispose(&h);
    CHECK_OK(client_end_read(c, EDN_OK, NULL));
    return dseq;
}

/* What `writer` wrote from batch `from` on. */
static void check_thief_reads_nothing(edn_client *writer, edn_client *thief, uint64_t from)
{
    edn_device_id self = client_id(writer)->device;
    uint64_t last = newest_dseq(writer);

    CHECK(last >= from);
    CHECK_OK(client_begin_read(writer, NULL));
    CHECK_OK(client_begin_read(thief, NULL));
    for (uint64_t i = from; i <= last; i++) {
        edn_buf bytes = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
        edn_batch b;

        CHECK_OK(batch_load(writer, &self, i, &bytes));
        CHECK_OK(edn_batch_decode(edn_buf_view(&bytes), &b));
        CHECK(b.header.epoch > 0);
        check_outer_shut(thief, &b);
        check_records_shut(writer, thief, &b);
        edn_buf_dispose(&bytes);
    }
    CHECK_OK(client_end_read(thief, EDN_OK, NULL));
    CHECK_OK(client_end_read(writer, EDN_OK, NULL));
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void what_a_revoked_device_kept_opens_nothing_written_later(void **state)
{
    three t = three_open();
    uint64_t a_from = newest_dseq(t.a) + 1, c_from = newest_dseq(t.c) + 1;

    (void)state;
    revoke_ok(t.a, "b");
    add(t.a, "1660-02-01", "after the theft, by a");
    CHECK(sync_ok(t.a).synced);
    sync_ok(t.c);
    add(t.c, "1660-02-02", "after the theft, by c");
    CHECK(sync_ok(t.c).synced);
    sync_ok(t.a);
    check_same_diary(t.a, t.c, 5);
    check_thief_reads_nothing(t.a, t.b, a_from);
    check_thief_reads_nothing(t.c, t.b, c_from);
    three_close(&t);
}

static void several_go_by_one_link_or_none_does(void **state)
{
    three t = three_open();
    const char *both[] = {"b", "c", "b"}, *with_self[] = {"b", "a"}, *unknown[] = {"b", "nobody"};
    uint64_t links = edn_devlog_count(t.a->log), dseq;
    edn_sync_result r;
    edn_hash hash;
    edn_err err;

    (void)state;
    CHECK_STATUS(edn_client_devices_revoke(t.a, with_self, 2, false, edn_bytes_str(WORLD_PASSPHRASE), &err),
                 EDN_E_INVALID);
    CHECK_STATUS(edn_client_devices_revoke(t.a, unknown, 2, true, edn_bytes_str(WORLD_PASSPHRASE), &err),
                 EDN_E_MISSING);
    CHECK_STATUS(edn_client_devices_revoke(t.a, NULL, 0, false, edn_bytes_str(WORLD_PASSPHRASE), &err), EDN_E_INVALID);
    CHECK_STATUS(edn_client_devices_revoke(t.a, both, 33, false, edn_bytes_str(WORLD_PASSPHRASE), &err), EDN_E_LIMIT);
    CHECK_INT(edn_devlog_count(t.a->log), links);
    CHECK_OK(edn_client_devices_revoke(t.a, both, 3, false, edn_bytes_str(WORLD_PASSPHRASE), &err));
    CHECK_INT(edn_devlog_count(t.a->log), links + 2);
    CHECK_INT(edn_devlog_epoch(t.a->log), 1);
    /* Each with a cut of its own, at what it had sent. */
    CHECK(edn_devlog_cut(t.a->log, &client_id(t.b)->device, &client_id(t.a)->space, &dseq, &hash));
    CHECK_INT(dseq, newest_dseq(t.b));
    CHECK(edn_devlog_cut(t.a->log, &client_id(t.c)->device, &client_id(t.a)->space, &dseq, &hash));
    CHECK_INT(dseq, newest_dseq(t.c));
    CHECK_STATUS(edn_client_sync(t.b, NULL, &r, &err), EDN_E_DENIED);
    CHECK_STATUS(edn_client_sync(t.c, NULL, &r, &err), EDN_E_DENIED);
    CHECK(sync_ok(t.a).synced);
    three_close(&t);
}

static void only_who_stays_is_granted_the_new_key(void **state)
{
    three t = three_open();
    edn_buf grants = EDN_BUF_INIT(EDN_BOX_SIZE_MAX);
    edn_root_key before, next;
    static const edn_root_key none;
    edn_grant_context cx = {.epoch = 1, .purpose = EDN_GRANT_ROOT};
    edn_hash hash;
    edn_bytes own;

    (void)state;
    sync_ok(t.c);
    cx.account = client_id(t.a)->account;
    cx.link_seq = edn_devlog_count(t.a->log);
    cx.prev = edn_devlog_head(t.a->log);
    revoke_ok(t.a, "b");
    hash = edn_devlog_grants_hash(t.a->log);
    CHECK_OK(client_begin_read(t.a, NULL));
    CHECK_OK(box_load(t.a, &hash, &grants));
    CHECK_OK(keys_root(t.a, 0, &before));
    CHECK_OK(client_end_read(t.a, EDN_OK, NULL));
    cx.recipient = client_id(t.b)->device;
    CHECK_STATUS(edn_rotation_grant_open(&cx, &client_id(t.b)->enc_sk, edn_buf_view(&grants), &before, &next),
                 EDN_E_MISSING);
    CHECK_BYTES(EDN_F(next), EDN_F(none));
    cx.recipient = client_id(t.c)->device;
    CHECK_OK(edn_rotation_grant_open(&cx, &client_id(t.c)->enc_sk, edn_buf_view(&grants), &before, &next));
    /* Without the root key of the epoch before, X25519 alone does not open it. */
    before.b[0] ^= 1;
    CHECK_STATUS(edn_rotation_grant_open(&cx, &client_id(t.c)->enc_sk, edn_buf_view(&grants), &before, &next),
                 EDN_E_AUTH);
    CHECK_OK(edn_grants_find(edn_buf_view(&grants), &cx.recipient, &own));
    CHECK_STATUS(edn_grant_open(&cx, &client_id(t.c)->enc_sk, own, NULL, EDN_BYTES_EMPTY, &next), EDN_E_AUTH);
    edn_buf_dispose(&grants);
    three_close(&t);
}

static void other_box(void *ctx, world *w, const edn_http_request *rq, edn_http_answer *answer)
{
    (void)ctx;
    (void)w;
    if (strcmp(rq->path, "/v1/box") == 0 && answer->body.n > 50)
        answer->body.p[answer->body.n - 1] ^= 1;
}

static void a_server_that_swaps_the_grants_is_found_out(void **state)
{
    three t = three_open();
    edn_sync_result r;
    edn_err err = {EDN_OK, ""};

    (void)state;
    revoke_ok(t.a, "b");
    add(t.a, "1660-02-01", "under the new key");
    sync_ok(t.a);
    t.w->tamper = other_box;
    add(t.c, "1660-02-02", "meanwhile");
    CHECK_STATUS(edn_client_sync(t.c, NULL, &r, &err), EDN_E_AUTH);
    CHECK_STATUS(edn_client_sync(t.c, NULL, &r, &err), EDN_E_AUTH);
    t.w->tamper = NULL;
    CHECK(sync_ok(t.c).synced);
    sync_ok(t.a);
    check_same_diary(t.a, t.c, 5);
    three_close(&t);
}

static void a_revoked_device_is_refused_and_what_it_writes_stays_with_it(void **state)
{
    three t = three_open();
    edn_sync_result r;
    edn_err err = {EDN_OK, ""};

    (void)state;
    revoke_ok(t.a, "b");
    add(t.b, "1660-02-01", "by the thief");
    CHECK_STATUS(edn_client_sync(t.b, NULL, &r, &err), EDN_E_DENIED);
    CHECK_STATUS(edn_client_sync(t.b, NULL, &r, &err), EDN_E_DENIED);
    sync_ok(t.a);
    sync_ok(t.c);
    check_same_diary(t.a, t.c, 3);
    CHECK_STATUS(edn_client_device_revoke(t.b, "a", edn_bytes_str(WORLD_PASSPHRASE), &err), EDN_E_DENIED);
    three_close(&t);
}

static void a_device_that_was_away_goes_on_and_loses_nothing(void **state)
{
    three t = three_open();
    edn_client *d;

    (void)state;
    add(t.c, "1660-02-01", "written away");
    revoke_ok(t.a, "b");
    add(t.a, "1660-02-02", "one key on");
    sync_ok(t.a);
    d = world_login(t.w, "d");
    sync_ok(d);
    edn_client_close(d);
    revoke_ok(t.a, "d");
    add(t.a, "1660-02-03", "two keys on");
    sync_ok(t.a);
    CHECK(sync_ok(t.c).synced); /* two epochs at once, and batches under both */
    add(t.c, "1660-02-04", "after");
    CHECK(sync_ok(t.c).synced);
    CHECK(sync_ok(t.a).synced);
    check_same_diary(t.a, t.c, 7);
    three_close(&t);
}

static void a_device_that_joins_later_reads_old_and_new(void **state)
{
    three t = three_open();
    edn_client *e;

    (void)state;
    revoke_ok(t.a, "b");
    add(t.a, "1660-02-01", "one key on");
    sync_ok(t.a);
    revoke_ok(t.a, "c");
    add(t.a, "1660-02-02", "two keys on");
    sync_ok(t.a);
    e = world_login(t.w, "e");
    CHECK(sync_ok(e).synced);
    check_same_diary(t.a, e, 5);
    add(e, "1660-02-03", "by the new one");
    CHECK(sync_ok(e).synced);
    CHECK(sync_ok(t.a).synced);
    check_same_diary(t.a, e, 6);
    edn_client_close(e);
    three_close(&t);
}

static void a_revocation_that_is_refused_changes_nothing(void **state)
{
    three t = three_open();
    edn_err err = {EDN_OK, ""};

    (void)state;
    CHECK_STATUS(edn_client_device_revoke(t.a, "b", edn_bytes_str("not the passphrase"), &err), EDN_E_PASSPHRASE);
    CHECK_STATUS(edn_client_device_revoke(t.a, "nobody", edn_bytes_str(WORLD_PASSPHRASE), &err), EDN_E_MISSING);
    CHECK_STATUS(edn_client_device_revoke(t.b, "b", edn_bytes_str(WORLD_PASSPHRASE), &err), EDN_E_INVALID);
    add(t.b, "1660-02-01", "still one of us");
    CHECK(sync_ok(t.b).synced);
    sync_ok(t.a);
    check_same_diary(t.a, t.b, 4);
    three_close(&t);
}

static void a_device_is_named_anew_on_all_and_found_by_the_new_name(void **state)
{
    three t = three_open();
    edn_client_status s;
    edn_err err = {EDN_OK, ""};
    unsigned found = 0;

    (void)state;
    CHECK_OK(edn_client_device_rename(t.a, "b", "lost phone", &err));
    CHECK_STATUS(edn_client_device_rename(t.a, "b", "again", &err), EDN_E_MISSING);
    CHECK_STATUS(edn_client_device_rename(t.a, "c", "", &err), EDN_E_INVALID);
    CHECK_OK(edn_client_device_rename(t.a, "c", "a", &err));
    CHECK_STATUS(edn_client_device_rename(t.a, "a", "x", &err), EDN_E_AMBIGUOUS);
    CHECK(sync_ok(t.a).synced);
    CHECK(sync_ok(t.c).synced);
    revoke_ok(t.c, "lost phone");
    sync_ok(t.a);
    CHECK_OK(edn_client_status_get(t.a, &s, NULL));
    for (size_t i = 0; i < s.heads_n; i++)
        found += !s.heads[i].active && edn_bytes_equal(s.heads[i].device_name, edn_bytes_str("lost phone"));
    CHECK_INT(found, 1);
    three_close(&t);
}

static void a_lost_answer_leaves_the_account_revoked_or_not_and_usable(void **state)
{
    (void)state;
    for (uint64_t lost = 1; lost <= 6; lost++) {
        three t = three_open();
        edn_err err = {EDN_OK, ""};
        edn_sync_result r;
        edn_status st;

        t.w->lose_answer = t.w->exchanges + lost;
        st = edn_client_device_revoke(t.a, "b", edn_bytes_str(WORLD_PASSPHRASE), &err);
        t.w->lose_answer = 0;
        add(t.a, "1660-02-01", "and on");
        CHECK(sync_ok(t.a).synced);
        CHECK(sync_ok(t.c).synced);
        check_same_diary(t.a, t.c, 4);
        if (st == EDN_OK)
            CHECK_STATUS(edn_client_sync(t.b, NULL, &r, &err), EDN_E_DENIED);
        three_close(&t);
    }
}

/* A sync that only brought a new receipt used to forget it, when a token still counted and it took one round trip. */
static void what_a_sync_says_the_status_says_too(void **state)
{
    three t = three_open();
    edn_client_status status;

    (void)state;
    revoke_ok(t.a, "b");
    for (int i = 0; i < 2; i++) {
        CHECK(sync_ok(t.a).synced);
        CHECK_OK(edn_client_status_get(t.a, &status, NULL));
        CHECK(status.synced);
    }
    three_close(&t);
}

static void fill_stuck(void *ctx, void *p, size_t n)
{
    (void)ctx;
    memset(p, 7, n);
}

/* The source of randomness is stuck: the key after a revocation is none of those before it all the same. */
static void a_stuck_source_of_randomness_gives_new_keys(void **state)
{
    three t = three_open();
    edn_root_key root[3];
    edn_journal_key key[3];

    (void)state;
    t.a->random = (edn_random){fill_stuck, NULL};
    for (uint32_t e = 0; e < 3; e++) {
        uint32_t f = 0;
        if (e)
            revoke_ok(t.a, e == 1 ? "b" : "c");
        add(t.a, "1660-02-01", "under one key after the other");
        sync_ok(t.a);
        CHECK_OK(client_begin_read(t.a, NULL));
        CHECK_OK(keys_root(t.a, e, &root[e]));
        CHECK_OK(keys_journal_newest(t.a, &client_id(t.a)->journal, &f));
        CHECK_OK(keys_journal(t.a, &client_id(t.a)->journal, f, 0, &key[e]));
        CHECK_OK(client_end_read(t.a, EDN_OK, NULL));
        CHECK_INT(f, e);
        for (uint32_t i = 0; i < e; i++)
            CHECK(memcmp(&root[i], &root[e], sizeof *root) != 0 && memcmp(&key[i], &key[e], sizeof *key) != 0);
    }
    three_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_revoked_device_kept_opens_nothing_written_later),
        cmocka_unit_test(several_go_by_one_link_or_none_does),
        cmocka_unit_test(a_stuck_source_of_randomness_gives_new_keys),
        cmocka_unit_test(only_who_stays_is_granted_the_new_key),
        cmocka_unit_test(a_server_that_swaps_the_grants_is_found_out),
        cmocka_unit_test(a_revoked_device_is_refused_and_what_it_writes_stays_with_it),
        cmocka_unit_test(a_device_that_was_away_goes_on_and_loses_nothing),
        cmocka_unit_test(a_device_that_joins_later_reads_old_and_new),
        cmocka_unit_test(a_revocation_that_is_refused_changes_nothing),
        cmocka_unit_test(a_device_is_named_anew_on_all_and_found_by_the_new_name),
        cmocka_unit_test(a_lost_answer_leaves_the_account_revoked_or_not_and_usable),
        cmocka_unit_test(what_a_sync_says_the_status_says_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
