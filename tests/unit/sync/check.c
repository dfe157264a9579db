/* One batch against a true device log: each refusal, in the order of SECURITY 2.8. */
#include "sync/world.h"

#include "sync/sync_priv.h"

/* A device log of three devices, and the first one's store. */
typedef struct shape {
    world w;
    view_ctx v;
    edn_sync_view view;
    edn_arena arena;
} shape;

static void shape_init(shape *x)
{
    world_init(&x->w);
    world_add(&x->w);
    world_add(&x->w);
    x->v = (view_ctx){&x->w, &x->w.d[0]};
    x->view = device_view(&x->v);
    x->arena = edn_arena_init(1 << 20);
}
static void shape_free(shape *x)
{
    edn_arena_dispose(&x->arena);
    world_free(&x->w);
}

typedef struct forge {
    edn_space_id space;
    edn_device_id device;
    const edn_sign_sk *sk;
    uint64_t dseq, log_seq;
    edn_hash prev, log_head;
    uint32_t epoch;
    edn_space_key key;
} forge;

/* What the device would write first, to be bent. */
static forge forge_of(shape *x, const device *d)
{
    forge f = {.space = x->w.space, .device = d->id, .sk = &d->sk, .dseq = 1};

    f.log_seq = edn_devlog_count(x->w.d[0].links.log) - 1;
    f.log_head = edn_devlog_head(x->w.d[0].links.log);
    edn_space_key_of(&f.key, &x->w.root, &x->w.account, &x->w.space, 0);
    return f;
}

static edn_bytes forge_seal(shape *x, const forge *f)
{
    edn_buf body = EDN_BUF_INIT(4096), out = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_random random = world_random(&x->w);
    edn_batch_header h = {.kind = EDN_BATCH_OPS,
                          .space = f->space,
                          .device = f->device,
                          .dseq = f->dseq,
                          .prev = f->prev,
                          .epoch = f->epoch,
                          .log_seq = f->log_seq,
                          .log_head = f->log_head};

    CHECK_OK(edn_body_encode(&body, NULL, 0, NULL, 0));
    CHECK_OK(edn_batch_seal(&out, &h, EDN_PADDING_P1, &f->key, f->sk, edn_buf_view(&body), &random));
    edn_buf_dispose(&body);
    return edn_buf_take(&out);
}

static edn_status forge_check(shape *x, const forge *f)
{
    edn_bytes bytes = forge_seal(x, f);
    edn_batch_check check = {x->w.d[0].links.log, x->w.space, shelf_head(&x->w.d[0].shelf, &f->device), &x->view};
    edn_sync_batch out;
    edn_status st = edn_batch_check_run(&check, bytes, &x->arena, &out);

    CHECK(st == EDN_OK || (out.batch.bytes.n == 0 && out.body.records == NULL));
    bytes_free(bytes);
    return st;
}

static void each_refusal_has_its_class(void **state)
{
    shape x;
    forge f, good;
    device stranger = {0};

    (void)state;
    shape_init(&x);
    good = forge_of(&x, &x.w.d[1]);
    CHECK_OK(forge_check(&x, &good));
    f = good;
    f.dseq = 0;
    CHECK_STATUS(forge_check(&x, &f), EDN_E_FORMAT);
    f = good;
    f.space.b[0] ^= 1;
    CHECK_STATUS(forge_check(&x, &f), EDN_E_AUTH);
    f = good;
    f.sk = &x.w.d[2].sk;
    CHECK_STATUS(forge_check(&x, &f), EDN_E_SIG);
    f = good;
    f.epoch = 1;
    CHECK_STATUS(forge_check(&x, &f), EDN_E_EPOCH);
    f = good;
    f.key.b[0] ^= 1;
    CHECK_STATUS(forge_check(&x, &f), EDN_E_AUTH);
    f = good;
    f.dseq = 2;
    CHECK_STATUS(forge_check(&x, &f), EDN_E_CHAIN);
    f = good;
    f.prev.b[0] = 1;
    CHECK_STATUS(forge_check(&x, &f), EDN_E_CHAIN);
    device_keys(&x.w, &stranger);
    f = forge_of(&x, &stranger);
    CHECK_STATUS(forge_check(&x, &f), EDN_E_DEVICE_UNKNOWN);
    shape_free(&x);
}

static void the_place_in_the_device_log_decides(void **state)
{
    shape x;
    forge f, good;

    (void)state;
    shape_init(&x);
    good = forge_of(&x, &x.w.d[2]); /* added by the third link */
    f = good;
    f.log_seq = 1;
    CHECK(edn_devlog_hash_at(x.w.d[0].links.log, 1, &f.log_head));
    CHECK_STATUS(forge_check(&x, &f), EDN_E_DEVICE_UNKNOWN); /* it was not a device yet */
    f = good;
    f.log_seq = 3;
    CHECK_STATUS(forge_check(&x, &f), EDN_E_CHAIN); /* waits for that link */
    f.sk = &x.w.d[1].sk;
    CHECK_STATUS(forge_check(&x, &f), EDN_E_SIG); /* nobody else can make it wait */
    f = good;
    f.log_head.b[0] ^= 1;
    CHECK_STATUS(forge_check(&x, &f), EDN_E_FORK); /* its author was shown another log */
    f.sk = &x.w.d[1].sk;
    CHECK_STATUS(forge_check(&x, &f), EDN_E_SIG); /* nobody else can accuse it */
    shape_free(&x);
}

static void a_revoked_device_may_not_write_under_a_later_link(void **state)
{
    shape x;
    forge f;
    edn_bytes second;

    (void)state;
    shape_init(&x);
    device_write(&x.w, &x.w.d[1]);
    second = bytes_copy(device_write(&x.w, &x.w.d[1])->bytes);
    world_revoke(&x.w, &x.w.d[1], 2, &shelf_find(&x.w.d[1].shelf, &x.w.d[1].id, 2)->hash);
    f = forge_of(&x, &x.w.d[1]); /* before its cut, but naming the link that revoked it */
    CHECK_STATUS(forge_check(&x, &f), EDN_E_SIGNER_REVOKED);
    shelf_put(&x.w.d[0].shelf, shelf_find(&x.w.d[1].shelf, &x.w.d[1].id, 1)->bytes);
    edn_batch_check check = {x.w.d[0].links.log, x.w.space, shelf_head(&x.w.d[0].shelf, &x.w.d[1].id), &x.view};
    edn_sync_batch out;
    CHECK_OK(edn_batch_check_run(&check, second, &x.arena, &out)); /* the true one */
    bytes_free(second);
    shape_free(&x);
}

static void what_is_held_is_there_already_and_another_of_its_number_is_a_fork(void **state)
{
    shape x;
    forge f;
    edn_bytes bytes;

    (void)state;
    shape_init(&x);
    f = forge_of(&x, &x.w.d[1]);
    bytes = forge_seal(&x, &f);
    shelf_put(&x.w.d[0].shelf, bytes);
    edn_batch_check check = {x.w.d[0].links.log, x.w.space, shelf_head(&x.w.d[0].shelf, &f.device), &x.view};
    edn_sync_batch out;
    CHECK_STATUS(edn_batch_check_run(&check, bytes, &x.arena, &out), EDN_E_EXISTS);
    CHECK_STATUS(forge_check(&x, &f), EDN_E_FORK); /* sealed anew: another nonce */
    f.sk = &x.w.d[2].sk;
    CHECK_STATUS(forge_check(&x, &f), EDN_E_SIG);
    bytes_free(bytes);
    shape_free(&x);
}

static void a_suite_below_the_accounts_floor_is_refused(void **state)
{
    static const uint8_t policy[7] = {2, 0, 1}; /* u16 suite, u8 profile, u32 flags */
    shape x;
    forge f;
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_link_signer signer;

    (void)state;
    shape_init(&x);
    signer = (edn_link_signer){&x.w.d[0].id, &x.w.d[0].sk, WORLD_T0};
    f = forge_of(&x, &x.w.d[1]);
    CHECK_OK(forge_check(&x, &f));
    CHECK_OK(
        edn_link_build(&link, x.w.d[0].links.log, &signer, EDN_LINK_SET_POLICY, edn_bytes_of(policy, sizeof policy)));
    links_put(&x.w.d[0].links, edn_buf_view(&link));
    CHECK_STATUS(forge_check(&x, &f), EDN_E_SUITE);
    edn_buf_dispose(&link);
    shape_free(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_refusal_has_its_class),
        cmocka_unit_test(the_place_in_the_device_log_decides),
        cmocka_unit_test(a_revoked_device_may_not_write_under_a_later_link),
        cmocka_unit_test(what_is_held_is_there_already_and_another_of_its_number_is_a_fork),
        cmocka_unit_test(a_suite_below_the_accounts_floor_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
