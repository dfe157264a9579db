/* The published batches (EDN_DATA/vectors/edn/batch.json), each with the class that it must fail with. They have no
 * device log: a table of two devices stands in for it. */
#include "sync/world.h"

#include "sync/sync_priv.h"
#include "vectors.h"

typedef struct published {
    vectors v;
    edn_space_id space;
    edn_space_key space_key;
    edn_journal_key journal_key;
    uint32_t epoch;
    uint64_t log_seq;
    edn_hash log_head;
    struct {
        edn_device_id id;
        edn_sign_pk pk;
    } devices[2];
    shelf shelf; /* what was accepted */
} published;

static edn_status published_author(void *ctx, const batch_in *in, edn_sign_pk *pk, bool *known)
{
    const published *p = ctx;
    const edn_batch_header *h = &in->batch.header;

    for (size_t i = 0; i < EDN_COUNT(p->devices); i++) {
        if (!device_equal(&p->devices[i].id, &h->device))
            continue;
        *pk = p->devices[i].pk;
        *known = true;
        if (h->log_seq > p->log_seq)
            return EDN_E_CHAIN;
        return hash_equal(&h->log_head, &p->log_head) ? EDN_OK : EDN_E_FORK;
    }
    return EDN_E_DEVICE_UNKNOWN;
}

static bool published_key(void *ctx, uint32_t epoch, edn_space_key *out)
{
    const published *p = ctx;

    *out = p->space_key;
    return epoch == p->epoch;
}

static bool published_hash(void *ctx, const edn_device_id *id, uint64_t dseq, edn_hash *out)
{
    const kept *k = shelf_find(&((published *)ctx)->shelf, id, dseq);

    if (k)
        *out = k->hash;
    return k != NULL;
}

static published published_open(void)
{
    published p = {.v = vectors_open("edn/batch.json")};
    const json_t *root = p.v.root, *devices = json_object_get(root, "devices");

    CHECK_OK(edn_crypto_init());
    VECTOR_INTO(p.space, &p.v, root, "space_id");
    VECTOR_INTO(p.space_key, &p.v, root, "K_space");
    VECTOR_INTO(p.journal_key, &p.v, root, "journal_key");
    VECTOR_INTO(p.log_head, &p.v, root, "sigchain_head");
    p.epoch = (uint32_t)vector_int(root, "epoch");
    p.log_seq = vector_int(root, "sigchain_seq");
    for (size_t i = 0; i < EDN_COUNT(p.devices); i++) {
        VECTOR_INTO(p.devices[i].id, &p.v, json_array_get(devices, i), "id");
        VECTOR_INTO(p.devices[i].pk, &p.v, json_array_get(devices, i), "sign_pk");
    }
    return p;
}

static void published_close(published *p)
{
    shelf_free(&p->shelf);
    vectors_close(&p->v);
}

/* Checks one batch; what is good is kept. */
static edn_status published_check(published *p, edn_bytes bytes, edn_sync_batch *out)
{
    const edn_sync_view view = {.ctx = p, .space_key = published_key, .batch_hash = published_hash};
    const batch_author author = {p, published_author};
    edn_head last;
    batch_in in;
    edn_status st = edn_batch_in_decode(bytes, &in);

    if (st != EDN_OK)
        return st;
    last = shelf_head(&p->shelf, &in.batch.header.device);
    st = edn_batch_in_check(&in, &author, &p->space, &last, &view, &p->v.arena, out);
    if (st == EDN_OK)
        shelf_put(&p->shelf, bytes);
    return st;
}

/* The inner layer, which the engine hands on sealed. */
static edn_status records_check(published *p, const edn_sync_batch *b)
{
    const edn_batch_header *h = &b->batch.header;
    edn_buf ops = EDN_BUF_INIT(EDN_RECORD_SIZE_MAX);
    edn_status st = EDN_OK;

    for (size_t i = 0; i < b->body.records_n && st == EDN_OK; i++) {
        const edn_record *r = &b->body.records[i];
        edn_record_place at = {p->space, r->journal, r->entry, r->journal_epoch, r->key_version,
                               r->type,  h->device,  h->dseq,  (uint32_t)i};
        edn_entry_key key;
        edn_entry_key_of(&key, &p->journal_key, &r->journal, &r->entry, r->key_version);
        st = edn_record_open(&ops, &key, &at, r->box);
    }
    edn_buf_dispose(&ops);
    return st;
}

/* The first thing that fails, going through a case's batches in order. */
static edn_status case_run(published *p, const json_t *c, size_t *failed_at)
{
    const json_t *batches = json_object_get(c, "batches");
    edn_status st = EDN_OK;
    size_t i;

    for (i = 0; i < json_array_size(batches) && st == EDN_OK; i++) {
        edn_sync_batch b;
        st = published_check(p, vector_hex_of(&p->v, json_string_value(json_array_get(batches, i))), &b);
        if (st == EDN_OK)
            st = records_check(p, &b);
    }
    *failed_at = i - 1;
    return st;
}

/* What the file's words for a result mean here. The inner layer's E_COMMIT is E_AUTH outside src/crypto. */
static bool class_fits(const char *want, edn_status got)
{
    if (strcmp(want, "reject") == 0)
        return got != EDN_OK && got != EDN_E_EXISTS;
    if (strcmp(want, "E_CHAIN or held") == 0)
        return got == EDN_E_CHAIN;
    if (strcmp(want, "E_COMMIT") == 0)
        return got == EDN_E_AUTH;
    if (strcmp(want, "ok") == 0 || strcmp(want, "E_WITHHELD") == 0) /* each batch is good: gossip tells */
        return got == EDN_OK;
    return strcmp(want, edn_status_name(got)) == 0;
}

static void every_published_batch_has_its_class(void **state)
{
    published all = published_open();
    const json_t *cases = json_object_get(all.v.root, "cases");

    (void)state;
    CHECK(json_array_size(cases) >= 28);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);
        published p = published_open();
        size_t at;
        edn_status got = case_run(&p, c, &at);
        if (!class_fits(vector_str(c, "result"), got)) {
            print_error("%s: %s at batch %zu\n", vector_str(c, "name"), edn_status_name(got), at);
            fail();
        }
        if (got != EDN_OK) /* it is the last that is bad, or the one before its cause */
            CHECK(at + 2 >= json_array_size(json_object_get(c, "batches")));
        published_close(&p);
    }
    published_close(&all);
}

static const json_t *case_named(const published *p, const char *name)
{
    const json_t *cases = json_object_get(p->v.root, "cases");

    for (size_t i = 0; i < json_array_size(cases); i++)
        if (strstr(vector_str(json_array_get(cases, i), "name"), name))
            return json_array_get(cases, i);
    return NULL;
}

static void hashes_of_a_published_chain_agree_and_a_second_time_it_is_there_already(void **state)
{
    published p = published_open();
    const json_t *c = case_named(&p, "valid chain"), *batches = json_object_get(c, "batches");
    edn_sync_batch b;

    (void)state;
    for (size_t i = 0; i < json_array_size(batches); i++) {
        edn_bytes bytes = vector_hex_of(&p.v, json_string_value(json_array_get(batches, i)));
        const char *hash = json_string_value(json_array_get(json_object_get(c, "hashes"), i));
        CHECK_OK(published_check(&p, bytes, &b));
        CHECK_BYTES(EDN_F(b.hash), vector_hex_of(&p.v, hash));
    }
    for (size_t i = 0; i < json_array_size(batches); i++)
        CHECK_STATUS(published_check(&p, vector_hex_of(&p.v, json_string_value(json_array_get(batches, i))), &b),
                     EDN_E_EXISTS);
    published_close(&p);
}

static void a_published_batch_that_came_too_early_is_good_in_its_turn(void **state)
{
    published p = published_open();
    const json_t *batches = json_object_get(case_named(&p, "out of order"), "batches");
    edn_bytes bytes[4];
    edn_sync_batch b;

    (void)state;
    for (size_t i = 0; i < 4; i++)
        bytes[i] = vector_hex_of(&p.v, json_string_value(json_array_get(batches, i)));
    CHECK_OK(published_check(&p, bytes[0], &b));
    CHECK_OK(published_check(&p, bytes[1], &b));
    CHECK_STATUS(published_check(&p, bytes[2], &b), EDN_E_CHAIN);
    CHECK_OK(published_check(&p, bytes[3], &b));
    CHECK_OK(published_check(&p, bytes[2], &b));
    published_close(&p);
}

static void what_a_published_peer_has_seen_and_nobody_serves_is_withheld(void **state)
{
    published p = published_open();
    const json_t *batches = json_object_get(case_named(&p, "withheld"), "batches");
    const edn_sync_finding *found;
    edn_head heads[64];
    edn_sync_batch b;
    edn_sync *s;
    world w;

    (void)state;
    world_init(&w); /* the engine's own account does not matter: debts are of heads */
    for (size_t i = 0; i < json_array_size(batches); i++)
        CHECK_OK(published_check(&p, vector_hex_of(&p.v, json_string_value(json_array_get(batches, i))), &b));
    view_ctx v = {&w, &w.d[0]};
    CHECK_OK(device_sync_begin(&w, &w.d[0], &v, heads, true, &s));
    edn_head_map_dispose(&s->have);
    CHECK_OK(edn_head_map_copy(&s->have, heads, shelf_heads(&p.shelf, heads)));
    for (size_t i = 0; i < b.body.heads_n; i++)
        CHECK_OK(edn_sync_gossip(s, WORLD_T0, &b.body.heads[i], &b.batch.header.device, b.batch.bytes));
    CHECK_INT(s->claims_n, 1);
    CHECK_INT(s->claims[0].head.dseq, 9);
    CHECK_OK(edn_sync_claims_age(s, WORLD_T0));
    CHECK_INT(edn_sync_findings(s, &found), 0);
    CHECK_OK(edn_sync_claims_age(s, WORLD_T0 + EDN_CLAIM_GRACE_MS));
    CHECK_INT(edn_sync_findings(s, &found), 1);
    CHECK_STATUS(found[0].status, EDN_E_WITHHELD);
    edn_sync_free(s);
    world_free(&w);
    published_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_published_batch_has_its_class),
        cmocka_unit_test(hashes_of_a_published_chain_agree_and_a_second_time_it_is_there_already),
        cmocka_unit_test(a_published_batch_that_came_too_early_is_good_in_its_turn),
        cmocka_unit_test(what_a_published_peer_has_seen_and_nobody_serves_is_withheld),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
