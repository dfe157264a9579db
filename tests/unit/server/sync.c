/* Accounts, logins, pushes, pulls, probes and events of one person. */
#include "server_kit.h"

typedef kit_person fixture;

static edn_bytes token(const fixture *f) { return edn_buf_view(&f->token); }

/* Everything after `heads`. `bytes` keeps what `out` borrows. */
static void pull(fixture *f, uint64_t log_count, const edn_head *heads, size_t n, edn_buf *bytes, edn_arena *a,
                 edn_msg_pulled *out)
{
    edn_buf rq = EDN_BUF_INIT(65536);

    person_pull(&f->p, log_count, heads, n, &rq);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/pull", token(f), edn_buf_view(&rq), bytes), 200);
    CHECK_OK(edn_pulled_decode(a, edn_buf_view(bytes), out));
    edn_buf_dispose(&rq);
}

static void a_pushed_batch_comes_back_with_a_receipt_for_its_head(void **state)
{
    fixture *f = *state;
    edn_buf batch = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX), rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX), answer = EDN_BUF_INIT(0);
    edn_arena a = edn_arena_init(1u << 20);
    edn_msg_server_info info;
    edn_msg_pulled before, after;
    edn_msg_pushed pushed;
    edn_buf info_bytes = EDN_BUF_INIT(0), first = EDN_BUF_INIT(0), second = EDN_BUF_INIT(0);
    edn_hash none = edn_heads_hash(NULL, 0), head = edn_devlog_head(f->p.log), heads;
    uint64_t count = edn_devlog_count(f->p.log);
    edn_etag etag = edn_etag_of(&f->p.space, count, &head, &none, 0);
    edn_bytes one;

    CHECK_INT(kit_ask(&f->k, "GET", "/v1/server", EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, &info_bytes), 200);
    CHECK_OK(edn_server_info_decode(&a, edn_buf_view(&info_bytes), &info));
    CHECK_STR(info.origin, KIT_ORIGIN);

    pull(f, 0, NULL, 0, &first, &a, &before);
    CHECK_INT(before.links_n, f->p.links_n);
    for (size_t i = 0; i < f->p.links_n; i++)
        CHECK_BYTES(before.links[i], f->p.links[i]);
    CHECK_INT(before.batches_n, 0);
    CHECK(edn_receipt_verify(&before.receipt, &f->p.space, count, &head, &none, &info.receipt_pk));

    person_batch(&f->p, 0, 1024, &batch);
    one = edn_buf_view(&batch);
    person_push(&etag, &one, 1, &rq);
    CHECK_INT(rq.n, 25 + batch.n);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/push", token(f), edn_buf_view(&rq), &answer), 200);
    CHECK_OK(edn_pushed_decode(&a, edn_buf_view(&answer), &pushed));
    CHECK_INT(pushed.flags, EDN_PUSHED_EXPECTED);

    pull(f, count, NULL, 0, &second, &a, &after);
    CHECK_INT(after.links_n, 0);
    CHECK_INT(after.batches_n, 1);
    CHECK_BYTES(after.batches[0], one);
    CHECK_INT(after.heads_n, 1);
    CHECK_INT(after.heads[0].dseq, 1);
    CHECK(memcmp(&after.heads[0].hash, &f->p.devices[0].last, 32) == 0);
    heads = edn_heads_hash(after.heads, after.heads_n);
    CHECK(edn_receipt_verify(&pushed.receipt, &f->p.space, count, &head, &heads, &info.receipt_pk));
    CHECK(edn_receipt_verify(&after.receipt, &f->p.space, count, &head, &heads, &info.receipt_pk));
    CHECK(!edn_receipt_verify(&after.receipt, &f->p.space, count, &head, &none, &info.receipt_pk));

    edn_arena_dispose(&a);
    edn_buf_dispose(&batch);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&answer);
    edn_buf_dispose(&info_bytes);
    edn_buf_dispose(&first);
    edn_buf_dispose(&second);
}

static void what_was_acknowledged_is_there_after_a_restart(void **state)
{
    fixture *f = *state;

    for (int i = 0; i < 5; i++)
        CHECK_INT(kit_push_next(&f->k, &f->p, 0, i == 3 ? 131072 : 1024, token(f)), 200);
    kit_close(&f->k);
    kit_open(&f->k);
    /* The token is still good: keys come from the folder, not from the process. */
    CHECK_INT(kit_pull_count(&f->k, &f->p, token(f)), 5);
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, token(f)), 200);
}

/* Pushes bytes as they are. */
static int push_bytes(fixture *f, edn_bytes batch)
{
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
    int status;

    person_push(NULL, &batch, 1, &rq);
    status = kit_ask(&f->k, "POST", "/v1/push", token(f), edn_buf_view(&rq), NULL);
    edn_buf_dispose(&rq);
    return status;
}

static void the_same_batch_again_is_held_already(void **state)
{
    fixture *f = *state;
    edn_buf b = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);

    person_batch(&f->p, 0, 1024, &b);
    CHECK_INT(push_bytes(f, edn_buf_view(&b)), 200);
    CHECK_INT(push_bytes(f, edn_buf_view(&b)), 200);
    CHECK_INT(kit_pull_count(&f->k, &f->p, token(f)), 1);
    edn_buf_dispose(&b);
}

static void refuses_what_does_not_continue_the_chain(void **state)
{
    fixture *f = *state;
    edn_buf b = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    person_device before = f->p.devices[0], held;

    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, token(f)), 200);
    held = f->p.devices[0];
    /* another first batch */
    f->p.devices[0] = before;
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, token(f)), 409);
    /* a gap */
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, token(f)), 409);
    /* the right number after another batch, and the right batch with a number left out */
    f->p.devices[0] = held;
    f->p.devices[0].last.b[0] ^= 1;
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, token(f)), 409);
    f->p.devices[0] = held;
    f->p.devices[0].dseq++;
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, token(f)), 409);
    CHECK_INT(kit_pull_count(&f->k, &f->p, token(f)), 1);
    edn_buf_dispose(&b);
}

static void refuses_each_changed_byte_of_a_header(void **state)
{
    fixture *f = *state;
    edn_buf b = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    int refused = 0;

    person_batch(&f->p, 0, 1024, &b);
    for (size_t i = 0; i < EDN_BATCH_HEADER_SIZE; i++) {
        int status;
        b.p[i] ^= 0x11;
        status = push_bytes(f, edn_buf_view(&b));
        refused += status == 400 || status == 403 || status == 404 || status == 409;
        b.p[i] ^= 0x11;
    }
    CHECK_INT(refused, EDN_BATCH_HEADER_SIZE);
    b.p[b.n - 1] ^= 1; /* the signature */
    CHECK_INT(push_bytes(f, edn_buf_view(&b)), 403);
    b.p[b.n - 1] ^= 1;
    CHECK_INT(push_bytes(f, edn_buf_view(&b)), 200);
    edn_buf_dispose(&b);
}

static void another_account_cannot_write_here(void **state)
{
    fixture *f = *state;
    person q;
    edn_buf b = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX), other = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX), rq = EDN_BUF_INIT(65536);

    person_init(&q, 2);
    kit_register(&f->k, &q);
    person_sign_in(&q, 0, kit_ask, &f->k, &other);
    person_batch(&q, 0, 1024, &b);
    CHECK_INT(push_bytes(f, edn_buf_view(&b)), 404);
    person_pull(&q, 0, NULL, 0, &rq);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/pull", token(f), edn_buf_view(&rq), NULL), 404);
    edn_buf_dispose(&b);
    edn_buf_dispose(&other);
    edn_buf_dispose(&rq);
    person_dispose(&q);
}

static void one_bad_batch_refuses_the_push_and_changes_nothing(void **state)
{
    fixture *f = *state;
    edn_buf b[3] = {EDN_BUF_INIT(1u << 20), EDN_BUF_INIT(1u << 20), EDN_BUF_INIT(1u << 20)},
            rq = EDN_BUF_INIT(1u << 20), answer = EDN_BUF_INIT(0);
    edn_bytes views[3];

    for (int i = 0; i < 3; i++) {
        person_batch(&f->p, 0, 1024, &b[i]);
        views[i] = edn_buf_view(&b[i]);
    }
    b[2].p[b[2].n - 1] ^= 1;
    person_push(NULL, views, 3, &rq);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/push", token(f), edn_buf_view(&rq), &answer), 403);
    CHECK_STR(edn_buf_view(&answer), "{\"type\":\"urn:edn:author\",\"title\":\"the device may not write this batch\","
                                     "\"status\":403,\"index\":2}");
    CHECK_INT(kit_pull_count(&f->k, &f->p, token(f)), 0);
    b[2].p[b[2].n - 1] ^= 1;
    edn_buf_reset(&rq);
    person_push(NULL, views, 3, &rq);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/push", token(f), edn_buf_view(&rq), NULL), 200);
    CHECK_INT(kit_pull_count(&f->k, &f->p, token(f)), 3);
    for (int i = 0; i < 3; i++)
        edn_buf_dispose(&b[i]);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&answer);
}

static void send_links(fixture *f, size_t from, size_t boxes_from, edn_bytes with, int want)
{
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
    edn_msg_log_append m = {f->p.links + from, f->p.links_n - from, f->p.boxes + boxes_from, f->p.boxes_n - boxes_from};

    edn_log_append_put(&rq, &m);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/log", with, edn_buf_view(&rq), NULL), want);
    edn_buf_dispose(&rq);
}

static void a_second_device_reads_and_writes_the_same_space(void **state)
{
    fixture *f = *state;
    size_t links = f->p.links_n, boxes = f->p.boxes_n;
    size_t second = person_add_device(&f->p, EDN_CAP_READ | EDN_CAP_WRITE);
    edn_buf other = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);

    /* Its batch names a place in the log that the server has not seen. */
    CHECK_INT(kit_push_next(&f->k, &f->p, second, 1024, token(f)), 409);
    f->p.devices[second].dseq = 0;
    memset(&f->p.devices[second].last, 0, sizeof f->p.devices[second].last);

    send_links(f, links, boxes, token(f), 200);
    person_sign_in(&f->p, second, kit_ask, &f->k, &other);
    CHECK_INT(kit_push_next(&f->k, &f->p, second, 1024, edn_buf_view(&other)), 200);
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, token(f)), 200);
    CHECK_INT(kit_push_next(&f->k, &f->p, second, 1024, token(f)), 200); /* any device brings any device's */
    CHECK_INT(kit_pull_count(&f->k, &f->p, edn_buf_view(&other)), 3);
    edn_buf_dispose(&other);
}

/* One push with batches of two devices, each of the same number, and one of them twice. */
static void a_batch_that_is_repeated_in_a_push_is_told_from_anothers_of_its_number(void **state)
{
    fixture *f = *state;
    size_t links = f->p.links_n, boxes = f->p.boxes_n;
    size_t second = person_add_device(&f->p, EDN_CAP_READ | EDN_CAP_WRITE);
    edn_buf mine = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX), other = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_buf push = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
    edn_bytes batches[3];

    send_links(f, links, boxes, token(f), 200);
    person_batch(&f->p, second, 1024, &other);
    person_batch(&f->p, 0, 1024, &mine);
    batches[0] = edn_buf_view(&other);
    batches[1] = batches[2] = edn_buf_view(&mine);
    person_push(NULL, batches, EDN_COUNT(batches), &push);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/push", token(f), edn_buf_view(&push), NULL), 200);
    CHECK_INT(kit_pull_count(&f->k, &f->p, token(f)), 2);
    edn_buf_dispose(&mine);
    edn_buf_dispose(&other);
    edn_buf_dispose(&push);
}

static void links_that_do_not_continue_the_log_get_its_state(void **state)
{
    fixture *f = *state;
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX), answer = EDN_BUF_INIT(0);
    edn_arena a = edn_arena_init(65536);
    edn_msg_log_append m = {f->p.links, 1, NULL, 0};
    edn_msg_log_state st;
    edn_hash head = edn_devlog_head(f->p.log);

    edn_log_append_put(&rq, &m);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/log", token(f), edn_buf_view(&rq), &answer), 409);
    CHECK_OK(edn_log_state_decode(&a, edn_buf_view(&answer), &st));
    CHECK_INT(st.count, f->p.links_n);
    CHECK(memcmp(&st.head, &head, sizeof head) == 0);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&answer);
    edn_arena_dispose(&a);
}

static void keeps_only_boxes_that_links_name(void **state)
{
    fixture *f = *state;
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);
    edn_bytes stray = edn_bytes_str("nobody asked for this");
    edn_msg_log_append m = {NULL, 0, &stray, 1};

    edn_log_append_put(&rq, &m);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/log", token(f), edn_buf_view(&rq), NULL), 422);
    /* One that an old link names is taken again: a server may have lost it. */
    edn_buf_reset(&rq);
    m.boxes = &f->p.boxes[0];
    edn_log_append_put(&rq, &m);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/log", token(f), edn_buf_view(&rq), NULL), 200);
    edn_buf_dispose(&rq);
}

static void boxes_come_in_the_order_asked(void **state)
{
    fixture *f = *state;
    edn_buf rq = EDN_BUF_INIT(65536), answer = EDN_BUF_INIT(0);
    edn_arena a = edn_arena_init(65536);
    edn_hash hashes[3] = {edn_h32(f->p.boxes[2]), {{9}}, edn_h32(f->p.boxes[0])};
    edn_msg_box_ask m = {hashes, 3};
    edn_msg_boxes got;

    edn_box_ask_put(&rq, &m);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/box", token(f), edn_buf_view(&rq), &answer), 200);
    CHECK_OK(edn_boxes_decode(&a, edn_buf_view(&answer), &got));
    CHECK_INT(got.n, 3);
    CHECK_BYTES(got.boxes[0], f->p.boxes[2]);
    CHECK_INT(got.boxes[1].n, 0);
    CHECK_BYTES(got.boxes[2], f->p.boxes[0]);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&answer);
    edn_arena_dispose(&a);
}

static void a_revoked_device_is_out_at_once_and_its_batches_count_up_to_the_cut(void **state)
{
    fixture *f = *state;
    size_t links = f->p.links_n, boxes = f->p.boxes_n, second;
    edn_buf other = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX), held = EDN_BUF_INIT(65536), late = EDN_BUF_INIT(65536);
    person_device at_cut;

    second = person_add_device(&f->p, EDN_CAP_READ | EDN_CAP_WRITE);
    send_links(f, links, boxes, token(f), 200);
    person_sign_in(&f->p, second, kit_ask, &f->k, &other);
    person_batch(&f->p, second, 1024, &held); /* made before, brought after */
    at_cut = f->p.devices[second];
    person_batch(&f->p, second, 1024, &late);
    f->p.devices[second] = at_cut;
    links = f->p.links_n, boxes = f->p.boxes_n;
    person_revoke(&f->p, second);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/box", edn_buf_view(&other), EDN_BYTES_EMPTY, NULL), 400);
    send_links(f, links, boxes, token(f), 200);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/box", edn_buf_view(&other), EDN_BYTES_EMPTY, NULL), 401);
    CHECK_INT(push_bytes(f, edn_buf_view(&held)), 200);
    CHECK_INT(push_bytes(f, edn_buf_view(&late)), 403);
    edn_buf_dispose(&other);
    edn_buf_dispose(&held);
    edn_buf_dispose(&late);
}

static void a_device_that_may_only_read_cannot_write(void **state)
{
    fixture *f = *state;
    size_t links = f->p.links_n, boxes = f->p.boxes_n, second = person_add_device(&f->p, EDN_CAP_READ);

    send_links(f, links, boxes, token(f), 200);
    CHECK_INT(kit_push_next(&f->k, &f->p, second, 1024, token(f)), 403);
}

static void a_server_that_lost_everything_is_filled_again(void **state)
{
    fixture *f = *state;
    edn_buf all[3] = {EDN_BUF_INIT(1u << 20), EDN_BUF_INIT(1u << 20), EDN_BUF_INIT(1u << 20)};
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);

    for (int i = 0; i < 3; i++) {
        person_batch(&f->p, 0, 1024, &all[i]);
        CHECK_INT(push_bytes(f, edn_buf_view(&all[i])), 200);
    }
    kit_dispose(&f->k);
    kit_init(&f->k);
    CHECK_INT(push_bytes(f, edn_buf_view(&all[0])), 401);
    kit_register(&f->k, &f->p);
    person_account(&f->p, &rq);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/accounts", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL), 409);
    person_sign_in(&f->p, 0, kit_ask, &f->k, &f->token);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(push_bytes(f, edn_buf_view(&all[i])), 200);
        edn_buf_dispose(&all[i]);
    }
    CHECK_INT(kit_pull_count(&f->k, &f->p, token(f)), 3);
    edn_buf_dispose(&rq);
}

static void a_server_that_lost_links_gets_them_from_the_device_that_they_added(void **state)
{
    fixture *f = *state;
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX), other = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);
    person_login l;
    size_t second = person_add_device(&f->p, EDN_CAP_READ | EDN_CAP_WRITE);

    /* The server never saw the last link: for it the device does not exist. */
    CHECK_INT(person_challenge(&f->p, second, kit_ask, &f->k, &l), 200);
    CHECK_INT(person_login_send(&f->p, second, &l, kit_ask, &f->k, &other), 401);
    person_account(&f->p, &rq);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/accounts", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL), 201);
    person_sign_in(&f->p, second, kit_ask, &f->k, &other);
    CHECK_INT(kit_push_next(&f->k, &f->p, second, 1024, edn_buf_view(&other)), 200);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&other);
}

static void a_name_is_given_once(void **state)
{
    fixture *f = *state;
    person q;
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);

    person_init(&q, 3);
    q.name = f->p.name;
    person_account(&q, &rq);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/accounts", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL), 409);
    memset(&q.name, 0, sizeof q.name); /* without a name there is no conflict */
    edn_buf_reset(&rq);
    person_account(&q, &rq);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/accounts", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL), 201);
    edn_buf_dispose(&rq);
    person_dispose(&q);
}

static void refuses_a_chain_with_a_changed_byte(void **state)
{
    fixture *f = *state;
    person q;
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);

    person_init(&q, 4);
    for (size_t i = 0; i < q.links_n; i++) {
        ((uint8_t *)(uintptr_t)q.links[i].p)[q.links[i].n / 2] ^= 1;
        edn_buf_reset(&rq);
        person_account(&q, &rq);
        CHECK_INT(kit_ask(&f->k, "POST", "/v1/accounts", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL), 422);
        ((uint8_t *)(uintptr_t)q.links[i].p)[q.links[i].n / 2] ^= 1;
    }
    kit_register(&f->k, &q);
    edn_buf_dispose(&rq);
    person_dispose(&q);
}

static void a_closed_server_takes_no_new_account_but_still_mends_old_ones(void **state)
{
    fixture *f = *state;
    person q;
    edn_buf rq = EDN_BUF_INIT(EDN_PUSH_SIZE_MAX);

    kit_close(&f->k);
    f->k.config.sign_up = false;
    kit_open(&f->k);
    person_init(&q, 5);
    person_account(&q, &rq);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/accounts", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL), 403);
    person_add_device(&f->p, EDN_CAP_READ);
    edn_buf_reset(&rq);
    person_account(&f->p, &rq);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/accounts", EDN_BYTES_EMPTY, edn_buf_view(&rq), NULL), 201);
    edn_buf_dispose(&rq);
    person_dispose(&q);
}

/* ---- probes and events ------------------------------------------------------------------------------------------- */

static int probe(fixture *f, const uint8_t id[16], const edn_etag *etag)
{
    edn_buf path = EDN_BUF_INIT(256);
    int status;

    edn_put_str(&path, "/v1/probe/");
    edn_base64url_encode(&path, edn_bytes_of(id, 16));
    edn_put_str(&path, "/");
    edn_base64url_encode(&path, edn_bytes_of(etag->b, 16));
    edn_put_u8(&path, 0);
    status = kit_ask(&f->k, "GET", (const char *)path.p, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, NULL);
    edn_buf_dispose(&path);
    return status;
}

static edn_etag etag_now(const fixture *f)
{
    edn_head h = {f->p.devices[0].id, f->p.devices[0].dseq, f->p.devices[0].last};
    edn_hash head = edn_devlog_head(f->p.log), heads = edn_heads_hash(&h, h.dseq ? 1 : 0);

    return edn_etag_of(&f->p.space, edn_devlog_count(f->p.log), &head, &heads, 0);
}

static void a_probe_tells_whether_there_is_something_new_and_needs_no_token(void **state)
{
    fixture *f = *state;
    const uint8_t *id = f->p.account.b; /* what person_pull gives */
    edn_etag etag = etag_now(f);

    CHECK_INT(probe(f, id, &etag), 404);
    CHECK_INT(kit_pull_count(&f->k, &f->p, token(f)), 0); /* brings the probe */
    CHECK_INT(probe(f, id, &etag), 204);
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, token(f)), 200);
    CHECK_INT(probe(f, id, &etag), 200);
    etag = etag_now(f);
    CHECK_INT(probe(f, id, &etag), 204);
    kit_close(&f->k);
    kit_open(&f->k);
    CHECK_INT(probe(f, id, &etag), 204);
    CHECK_INT(kit_ask(&f->k, "GET", "/v1/probe/short/short", EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, NULL), 400);
}

static void a_revocation_takes_the_probe_away(void **state)
{
    fixture *f = *state;
    size_t links = f->p.links_n, boxes = f->p.boxes_n, second = person_add_device(&f->p, EDN_CAP_READ);
    edn_etag etag;

    send_links(f, links, boxes, token(f), 200);
    kit_pull_count(&f->k, &f->p, token(f));
    etag = etag_now(f);
    CHECK_INT(probe(f, f->p.account.b, &etag), 204);
    links = f->p.links_n, boxes = f->p.boxes_n;
    person_revoke(&f->p, second);
    send_links(f, links, boxes, token(f), 200);
    etag = etag_now(f);
    CHECK_INT(probe(f, f->p.account.b, &etag), 404);
    kit_close(&f->k);
    kit_open(&f->k);
    CHECK_INT(probe(f, f->p.account.b, &etag), 404);
}

static void changes_name_each_space_that_moved_once_a_group(void **state)
{
    fixture *f = *state;
    const edn_server_change *c;
    edn_etag etag;

    (void)edn_server_changes(f->k.s, &c);
    CHECK_INT(kit_pull_count(&f->k, &f->p, token(f)), 0);
    CHECK_INT(edn_server_changes(f->k.s, &c), 0);
    CHECK_INT(kit_push_next(&f->k, &f->p, 0, 1024, token(f)), 200);
    CHECK_INT(edn_server_changes(f->k.s, &c), 1);
    etag = etag_now(f);
    CHECK(memcmp(&c->etag, &etag, sizeof etag) == 0);
    CHECK(memcmp(&c->space, &f->p.space, sizeof f->p.space) == 0);
    CHECK_INT(edn_server_changes(f->k.s, &c), 0);
}

static void a_stream_ends_with_its_token_or_its_device(void **state)
{
    fixture *f = *state;
    edn_server_answer a;
    size_t links = f->p.links_n, boxes = f->p.boxes_n, second = person_add_device(&f->p, EDN_CAP_READ);
    edn_buf other = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);

    send_links(f, links, boxes, token(f), 200);
    person_sign_in(&f->p, second, kit_ask, &f->k, &other);
    kit_exchange(&f->k, "GET", "/v1/events", edn_buf_view(&other), EDN_BYTES_EMPTY, &a);
    CHECK_INT(a.status, 200);
    CHECK(a.stream);
    CHECK_INT(a.body.n, 6 + 22 + 2);
    CHECK(edn_server_watching(f->k.s, &a.watch));
    f->k.now_ms += 599000;
    CHECK(edn_server_watching(f->k.s, &a.watch));
    f->k.now_ms += 1000;
    CHECK(!edn_server_watching(f->k.s, &a.watch));
    edn_server_answer_dispose(&a);

    person_sign_in(&f->p, 0, kit_ask, &f->k, &f->token);
    person_sign_in(&f->p, second, kit_ask, &f->k, &other);
    kit_exchange(&f->k, "GET", "/v1/events", edn_buf_view(&other), EDN_BYTES_EMPTY, &a);
    CHECK(edn_server_watching(f->k.s, &a.watch));
    links = f->p.links_n, boxes = f->p.boxes_n;
    person_revoke(&f->p, second);
    send_links(f, links, boxes, token(f), 200);
    CHECK(!edn_server_watching(f->k.s, &a.watch));
    edn_server_answer_dispose(&a);
    edn_buf_dispose(&other);
}

/* ---- long pulls and attachments ---------------------------------------------------------------------------------- */

static void a_long_pull_is_cut_and_goes_on_where_it_ended(void **state)
{
    fixture *f = *state;
    edn_buf bytes = EDN_BUF_INIT(0);
    edn_arena a = edn_arena_init(16u << 20);
    edn_msg_pulled m;
    edn_head have = {f->p.devices[0].id, 0, {{0}}};
    size_t total = 0, pulls = 0;

    for (int i = 0; i < 11; i++)
        CHECK_INT(kit_push_next(&f->k, &f->p, 0, i == 5 ? 3145728 : 524288, token(f)), 200);
    do {
        pull(f, edn_devlog_count(f->p.log), &have, have.dseq ? 1 : 0, &bytes, &a, &m);
        CHECK(m.batches_n > 0);
        for (size_t i = 0; i < m.batches_n; i++) {
            edn_batch b;
            edn_hash c;
            CHECK_OK(edn_batch_decode(m.batches[i], &b));
            CHECK_INT(b.header.dseq, have.dseq + 1);
            c = edn_batch_c_hash(&b);
            have.dseq++;
            have.hash = edn_batch_hash(&b, &c);
        }
        total += m.batches_n;
        pulls++;
        CHECK_INT(m.flags, total == 11 ? 0 : EDN_PULLED_MORE);
    } while (m.flags & EDN_PULLED_MORE);
    CHECK_INT(total, 11);
    CHECK(pulls > 1);
    edn_buf_dispose(&bytes);
    edn_arena_dispose(&a);
}

static void batches_of_several_devices_come_in_the_order_of_arrival(void **state)
{
    fixture *f = *state;
    size_t links = f->p.links_n, boxes = f->p.boxes_n, second = person_add_device(&f->p, EDN_CAP_READ | EDN_CAP_WRITE);
    static const size_t order[] = {0, 1, 1, 0, 1, 0, 0};
    edn_buf bytes = EDN_BUF_INIT(0);
    edn_arena a = edn_arena_init(1u << 20);
    edn_msg_pulled m;

    CHECK_INT(second, 1);
    send_links(f, links, boxes, token(f), 200);
    for (size_t i = 0; i < EDN_COUNT(order); i++)
        CHECK_INT(kit_push_next(&f->k, &f->p, order[i], 1024, token(f)), 200);
    pull(f, 0, NULL, 0, &bytes, &a, &m);
    CHECK_INT(m.batches_n, EDN_COUNT(order));
    for (size_t i = 0; i < m.batches_n; i++) {
        edn_batch b;
        CHECK_OK(edn_batch_decode(m.batches[i], &b));
        CHECK(memcmp(&b.header.device, &f->p.devices[order[i]].id, 16) == 0);
    }
    edn_buf_dispose(&bytes);
    edn_arena_dispose(&a);
}

static void an_attachment_keeps_its_bytes(void **state)
{
    fixture *f = *state;
    const char *path = "/v1/blobs/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    edn_buf body = EDN_BUF_INIT(1u << 20), got = EDN_BUF_INIT(0);
    edn_server_answer a;
    person q;
    edn_buf other = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);

    for (int i = 0; i < 100000; i++)
        edn_put_u8(&body, (uint8_t)(i * 7));
    CHECK_INT(kit_ask(&f->k, "GET", path, token(f), EDN_BYTES_EMPTY, NULL), 404);
    CHECK_INT(kit_ask(&f->k, "PUT", path, token(f), edn_buf_view(&body), NULL), 201);
    CHECK_INT(kit_ask(&f->k, "PUT", path, token(f), edn_buf_view(&body), NULL), 200);
    CHECK_INT(kit_ask(&f->k, "PUT", path, token(f), edn_bytes_str("other"), NULL), 409);
    CHECK_INT(kit_ask(&f->k, "GET", path, token(f), EDN_BYTES_EMPTY, &got), 200);
    CHECK_BYTES(edn_buf_view(&got), edn_buf_view(&body));
    kit_exchange(&f->k, "HEAD", path, token(f), EDN_BYTES_EMPTY, &a);
    CHECK_INT(a.status, 200);
    CHECK_INT(a.body.n, 0);
    CHECK_INT(a.body_size, 100000);
    edn_server_answer_dispose(&a);
    /* the same name in another account is another blob */
    person_init(&q, 6);
    kit_register(&f->k, &q);
    person_sign_in(&q, 0, kit_ask, &f->k, &other);
    CHECK_INT(kit_ask(&f->k, "GET", path, edn_buf_view(&other), EDN_BYTES_EMPTY, NULL), 404);
    CHECK_INT(kit_ask(&f->k, "PUT", path, edn_buf_view(&other), edn_bytes_str("other"), NULL), 201);
    CHECK_INT(kit_ask(&f->k, "GET", path, token(f), EDN_BYTES_EMPTY, &got), 200);
    CHECK_BYTES(edn_buf_view(&got), edn_buf_view(&body));
    edn_buf_dispose(&body);
    edn_buf_dispose(&got);
    edn_buf_dispose(&other);
    person_dispose(&q);
}

static void unknown_addresses_and_methods_are_told_apart(void **state)
{
    fixture *f = *state;

    CHECK_INT(kit_ask(&f->k, "GET", "/v1/nothing", token(f), EDN_BYTES_EMPTY, NULL), 404);
    CHECK_INT(kit_ask(&f->k, "GET", "/v1/pushy", token(f), EDN_BYTES_EMPTY, NULL), 404);
    CHECK_INT(kit_ask(&f->k, "GET", "/v1/push", token(f), EDN_BYTES_EMPTY, NULL), 405);
    CHECK_INT(kit_ask(&f->k, "DELETE", "/v1/server", token(f), EDN_BYTES_EMPTY, NULL), 405);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/push", token(f), edn_bytes_str("x"), NULL), 400);
    CHECK_INT(kit_ask(&f->k, "POST", "/v1/push", EDN_BYTES_EMPTY, edn_bytes_str("x"), NULL), 401);
}

#define T(name) cmocka_unit_test_setup_teardown(name, kit_person_setup, kit_person_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_pushed_batch_comes_back_with_a_receipt_for_its_head),
        T(what_was_acknowledged_is_there_after_a_restart),
        T(the_same_batch_again_is_held_already),
        T(refuses_what_does_not_continue_the_chain),
        T(refuses_each_changed_byte_of_a_header),
        T(another_account_cannot_write_here),
        T(one_bad_batch_refuses_the_push_and_changes_nothing),
        T(a_second_device_reads_and_writes_the_same_space),
        T(a_batch_that_is_repeated_in_a_push_is_told_from_anothers_of_its_number),
        T(links_that_do_not_continue_the_log_get_its_state),
        T(keeps_only_boxes_that_links_name),
        T(boxes_come_in_the_order_asked),
        T(a_revoked_device_is_out_at_once_and_its_batches_count_up_to_the_cut),
        T(a_device_that_may_only_read_cannot_write),
        T(a_server_that_lost_everything_is_filled_again),
        T(a_server_that_lost_links_gets_them_from_the_device_that_they_added),
        T(a_name_is_given_once),
        T(refuses_a_chain_with_a_changed_byte),
        T(a_closed_server_takes_no_new_account_but_still_mends_old_ones),
        T(a_probe_tells_whether_there_is_something_new_and_needs_no_token),
        T(a_revocation_takes_the_probe_away),
        T(changes_name_each_space_that_moved_once_a_group),
        T(a_stream_ends_with_its_token_or_its_device),
        T(a_long_pull_is_cut_and_goes_on_where_it_ended),
        T(batches_of_several_devices_come_in_the_order_of_arrival),
        T(an_attachment_keeps_its_bytes),
        T(unknown_addresses_and_methods_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
