/* What is older or weaker than the account asks for is refused, whoever brings it (SECURITY A16); and what the
 * server holds is no help with guessing a passphrase (A17). */
#include <edn/account.h>

#include "diarist.h"

#include "client/account/account_priv.h"

static edn_sync_remote remote_of(edn_client *c)
{
    edn_sync_remote r;

    CHECK_OK(client_begin_read(c, NULL));
    CHECK_OK(client_end_read(c, remote_load(c, &r), NULL));
    CHECK(r.token[0]);
    return r;
}

/* The account asks for suite 2 from now on. */
static void raise_the_floor(edn_client *c)
{
    edn_sync_remote r = remote_of(c);
    const identity *id = client_id(c);
    edn_link_signer by = {&id->device, &id->sign_sk, client_now(c)};
    edn_buf body = EDN_BUF_INIT(64), link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);

    edn_put_u16(&body, 2);
    edn_put_u8(&body, 1);
    edn_put_u32(&body, 0);
    CHECK_OK(edn_link_build(&link, c->log, &by, EDN_LINK_SET_POLICY, edn_buf_view(&body)));
    CHECK_OK(account_log_append(c, id->server, r.token, edn_buf_view(&link), NULL, 0, NULL));
    edn_sync_remote_dispose(&r);
    edn_buf_dispose(&body);
    edn_buf_dispose(&link);
}

/* The batch was good when it was made; it comes after the floor moved, and by that time nobody can tell when it was
 * made. */
static void batches_of_an_old_suite_are_refused_once_the_floor_moved(void **state)
{
    two t = two_open();
    edn_sync_result r;

    (void)state;
    diary_add(t.a, "1660-01-01", "", "[before]");
    diary_sync(t.a);
    diary_sync(t.b);
    diary_add(t.a, "1660-01-02", "", "[sent in time, brought too late]");
    diary_sync(t.a);
    raise_the_floor(t.a);
    CHECK_OK(edn_client_sync(t.b, NULL, &r, NULL));
    CHECK(r.findings > 0 && !r.synced);
    CHECK(diary_findings(t.b, EDN_E_SUITE) > 0);
    CHECK_INT(diary_see(t.b, false).entries, 1); /* as it was, and still readable */
    CHECK_OK(edn_client_sync(t.b, NULL, &r, NULL));
    CHECK(!r.synced);
    CHECK_INT(diary_see(t.b, false).entries, 1);
    two_close(&t);
}

/* A batch under keys of before, by a device that says it knew that they are closed. */
static void make_closed(edn_client *c, uint32_t epoch, edn_buf *out)
{
    edn_buf body = EDN_BUF_INIT(4096);
    edn_space_key key;
    edn_batch_header h = {.kind = EDN_BATCH_OPS,
                          .suite = EDN_SUITE_1,
                          .space = client_id(c)->space,
                          .device = client_id(c)->device,
                          .epoch = epoch,
                          .log_seq = edn_devlog_count(c->log) - 1,
                          .log_head = edn_devlog_head(c->log)};
    const edn_head *own;
    heads all;

    CHECK_OK(client_begin_read(c, NULL));
    CHECK_OK(heads_load(c, &all));
    CHECK_OK(keys_space(c, epoch, &key));
    CHECK_OK(client_end_read(c, EDN_OK, NULL));
    own = edn_heads_find(all.p, all.n, &h.device);
    CHECK(own != NULL);
    h.dseq = own->dseq + 1;
    h.prev = own->hash;
    CHECK_OK(edn_body_encode(&body, NULL, 0, NULL, 0));
    CHECK_OK(edn_batch_seal(out, &h, EDN_PADDING_P1, &key, &client_id(c)->sign_sk, edn_buf_view(&body), &c->random));
    heads_dispose(&all);
    edn_wipe(&key, sizeof key);
    edn_buf_dispose(&body);
}

static int push_status(edn_client *c, edn_bytes batch)
{
    edn_sync_remote r = remote_of(c);
    edn_msg_push m = {.batches = &batch, .batches_n = 1};
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX), body = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    int status = 0;
    edn_status st;

    edn_push_put(&rq, &m);
    CHECK_OK(edn_buf_status(&rq));
    st = account_call(c, client_id(c)->server, "/v1/push", r.token, edn_buf_view(&rq), &body, &status, NULL);
    CHECK((st == EDN_OK) == (status == 200));
    edn_sync_remote_dispose(&r);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&body);
    return status;
}

static void closed_epochs_stay_closed(void **state)
{
    two t = two_open();
    edn_rekey_result r;
    edn_buf old = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX), fresh = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_sync_view view;
    edn_batch_check check;
    edn_sync_batch got;
    edn_arena a = edn_arena_init((size_t)8 << 20);

    (void)state;
    diary_add(t.a, "1660-01-01", "", "[a1]");
    diary_sync(t.a);
    CHECK_OK(edn_client_rekey_deep(t.a, edn_bytes_str(WORLD_PASSPHRASE), NULL, &r, NULL));
    diary_sync(t.a);
    diary_sync(t.b);
    make_closed(t.a, 0, &old);
    make_closed(t.a, 1, &fresh); /* the same under the present one is good */
    CHECK_INT(push_status(t.a, edn_buf_view(&old)), 403);
    CHECK_OK(client_begin_read(t.b, NULL)); /* a server that takes it all the same helps nobody */
    view = sync_view(t.b);
    check = (edn_batch_check){.log = t.b->log, .space = client_id(t.b)->space, .view = &view};
    CHECK_STATUS(edn_batch_check_run(&check, edn_buf_view(&old), &a, &got), EDN_E_POLICY);
    CHECK_OK(client_end_read(t.b, EDN_OK, NULL));
    CHECK_INT(push_status(t.a, edn_buf_view(&fresh)), 200);
    edn_arena_dispose(&a);
    edn_buf_dispose(&old);
    edn_buf_dispose(&fresh);
    two_close(&t);
}

/* ---- what the server holds (A17) --------------------------------------------------------------------------------- */

typedef struct server_disk {
    edn_account_id account;
    edn_kdf_record record;
    edn_buf root_box;
    edn_sign_pk login;
    uint32_t epoch;
} server_disk;

/* All that a guess could be tried on: the record, the root box, and the public half of the login key. */
static server_disk steal(world *w, edn_client *c)
{
    server_disk d = {.account = client_id(c)->account, .root_box = EDN_BUF_INIT(EDN_BOX_SIZE_MAX)};
    edn_buf record = EDN_BUF_INIT(EDN_BOX_SIZE_MAX);
    edn_meta_account row;
    edn_hash kdf_hash, box_hash;

    CHECK(edn_devlog_kdf(c->log, &kdf_hash, &box_hash, &d.login));
    d.epoch = edn_devlog_epoch(c->log);
    CHECK_OK(w->meta.account_find(w->meta.ctx, &d.account, &row));
    CHECK_OK(w->meta.box_find(w->meta.ctx, row.n, &kdf_hash, &record));
    CHECK_OK(w->meta.box_find(w->meta.ctx, row.n, &box_hash, &d.root_box));
    CHECK_INT(record.n, sizeof d.record.b);
    memcpy(d.record.b, record.p, sizeof d.record.b);
    edn_buf_dispose(&record);
    return d;
}

/* Whether anything on that disk tells that the guess is right. */
static bool confirms(const server_disk *d, const char *passphrase, const edn_account_key *key)
{
    edn_buf prepared = EDN_BUF_INIT(16384);
    edn_wrap_key wrap;
    edn_seed login;
    edn_sign_pk pk;
    edn_sign_sk sk;
    edn_root_secret root;
    bool box, pair;

    CHECK_OK(edn_passphrase_prepare(edn_bytes_str(passphrase), &prepared, NULL));
    CHECK_OK(edn_unlock_keys(edn_buf_view(&prepared), key, &d->account, &d->record, &wrap, &login));
    box = edn_root_box_open(&wrap, &d->account, d->epoch, &d->record, edn_buf_view(&d->root_box), &root) == EDN_OK;
    edn_sign_keypair(login.b, &pk, &sk);
    pair = memcmp(pk.b, d->login.b, sizeof pk.b) == 0;
    edn_buf_wipe(&prepared);
    edn_wipe(&root, sizeof root);
    return box || pair;
}

typedef struct hunt {
    edn_bytes for_what;
    unsigned found;
} hunt;

static edn_status hunt_link(void *cb, uint64_t seq, edn_bytes link)
{
    hunt *h = cb;

    (void)seq;
    for (size_t i = 0; i + h->for_what.n <= link.n; i++)
        h->found += memcmp(link.p + i, h->for_what.p, h->for_what.n) == 0;
    return EDN_OK;
}

static void the_servers_disk_and_the_passphrase_are_not_enough(void **state)
{
    two t = two_open();
    server_disk d = steal(t.w, t.a);
    edn_account_key key = client_id(t.a)->account_key, other = key, none = {{0}};
    hunt h = {EDN_F(key), 0};
    edn_meta_account row;

    (void)state;
    CHECK(edn_kdf_record_uses_account_key(&d.record));
    CHECK(confirms(&d, WORLD_PASSPHRASE, &key)); /* with both it does: so the test can tell */
    CHECK(!confirms(&d, "another passphrase", &key));
    CHECK(!confirms(&d, WORLD_PASSPHRASE, &none));
    for (int bit = 0; bit < 128; bit += 37) {
        other = key;
        other.b[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        CHECK(!confirms(&d, WORLD_PASSPHRASE, &other));
    }
    CHECK_OK(t.w->meta.account_find(t.w->meta.ctx, &d.account, &row));
    CHECK_OK(t.w->meta.links_each(t.w->meta.ctx, row.n, 0, hunt_link, &h));
    CHECK_INT(h.found, 0);
    edn_buf_dispose(&d.root_box);
    two_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_of_an_old_suite_are_refused_once_the_floor_moved),
        cmocka_unit_test(closed_epochs_stay_closed),
        cmocka_unit_test(the_servers_disk_and_the_passphrase_are_not_enough),
    };
    CHECK_OK(edn_crypto_init());
    cmocka_set_test_filter(getenv("T"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
