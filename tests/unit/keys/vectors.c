/* The published cases of EDN's own formats (EDN_DATA/vectors/edn). */
#include "vectors.h"

#include "keys/keys_priv.h"

/* A random source that gives 32 chosen bytes again and again. */
static void fill_chosen(void *ctx, void *p, size_t n)
{
    const uint8_t *chosen = ctx;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = chosen[i % 32];
}

static void passphrase_vectors(void **state)
{
    (void)state;
    vectors v = vectors_open("edn/passphrase.json");
    json_t *c;
    size_t i;

    json_array_foreach(json_object_get(v.root, "cases"), i, c)
    {
        edn_bytes raw = edn_bytes_str(vector_str(c, "passphrase")), want = vector_hex(&v, c, "prepared_utf8");
        edn_bytes s = vector_hex(&v, c, "account_key");
        edn_buf prepared = EDN_BUF_INIT(4096);
        edn_kdf_record record;
        edn_account_id account;
        edn_stretched_key a;
        edn_account_key key;
        edn_wrap_key wrap;
        edn_seed login;
        edn_sign_pk pk;
        edn_sign_sk sk;

        CHECK_OK(edn_passphrase_normalize(raw, &prepared, NULL));
        CHECK_BYTES(edn_buf_view(&prepared), want);
        /* One case is shorter than the design allows, and serves for the normal form alone. */
        edn_buf_reset(&prepared);
        CHECK_STATUS(edn_passphrase_prepare(raw, &prepared, NULL), edn_utf8_count(want) < 8 ? EDN_E_INVALID : EDN_OK);

        VECTOR_INTO(account, &v, c, "account_id");
        VECTOR_INTO(record, &v, c, "kdf_record");
        CHECK(edn_kdf_record_uses_account_key(&record) == (s.n == 16));
        if (s.n)
            VECTOR_INTO(key, &v, c, "account_key");
        CHECK_OK(edn_kdf_stretch(want, &record, &a));
        CHECK_BYTES(EDN_F(a), vector_hex(&v, c, "argon2id"));
        CHECK_OK(edn_unlock_keys(want, s.n ? &key : NULL, &account, &record, &wrap, &login));
        CHECK_BYTES(EDN_F(wrap), vector_hex(&v, c, "K_wrap"));
        CHECK_BYTES(EDN_F(login), vector_hex(&v, c, "login_seed"));
        edn_sign_keypair(login.b, &pk, &sk);
        CHECK_BYTES(EDN_F(pk), vector_hex(&v, c, "login_pk"));
        edn_buf_dispose(&prepared);
    }
    CHECK(i > 0);
    vectors_close(&v);
}

static void hierarchy_vectors(void **state)
{
    (void)state;
    vectors v = vectors_open("edn/hierarchy.json");
    json_t *c;
    size_t i;

    json_array_foreach(json_object_get(v.root, "cases"), i, c)
    {
        uint32_t epoch = (uint32_t)vector_int(c, "epoch"), jepoch = (uint32_t)vector_int(c, "journal_epoch");
        uint32_t version = (uint32_t)vector_int(c, "entry_key_version");
        edn_account_id a;
        edn_space_id s;
        edn_journal_id j;
        edn_entry_id e;
        edn_device_id d;
        edn_root_key rk, rk_prev, before;
        edn_journal_key jk, jk_opened;
        edn_dh_pk pk;

        VECTOR_INTO(a, &v, c, "account_id");
        VECTOR_INTO(s, &v, c, "space_id");
        VECTOR_INTO(j, &v, c, "journal_id");
        VECTOR_INTO(e, &v, c, "entry_id");
        VECTOR_INTO(d, &v, c, "device_id");
        VECTOR_INTO(rk, &v, c, "RK");
        VECTOR_INTO(rk_prev, &v, c, "RK_prev");
        VECTOR_INTO(jk, &v, c, "journal_key");

#define KEY(type, call, name)                                                                                          \
    do {                                                                                                               \
        type k;                                                                                                        \
        call;                                                                                                          \
        CHECK_BYTES(EDN_F(k), vector_hex(&v, c, name));                                                                \
    } while (0)
        KEY(edn_meta_key, edn_meta_key_of(&k, &rk, &a, epoch), "K_meta");
        KEY(edn_index_key, edn_index_key_of(&k, &rk, &a, epoch), "K_index");
        KEY(edn_sse_key, edn_sse_key_of(&k, &rk, &a, epoch), "K_sse");
        KEY(edn_dedup_key, edn_dedup_key_of(&k, &rk, &a, epoch), "K_dedup");
        KEY(edn_push_key, edn_push_key_of(&k, &rk, &a, epoch), "K_push");
        KEY(edn_space_key, edn_space_key_of(&k, &rk, &a, &s, epoch), "K_space");
        KEY(edn_dh_sk, (edn_aek_of(&k, &rk, &a, epoch), edn_dh_keypair(&k, &pk)), "AEK_sk");
        CHECK_BYTES(EDN_F(pk), vector_hex(&v, c, "AEK_pk"));
        KEY(edn_psk, edn_grant_psk_of(&k, &rk_prev, &a, &d, epoch), "grant_psk");
        KEY(edn_prev_key, edn_prev_key_of(&k, &rk, &a, epoch), "prev_key");
        KEY(edn_journal_wrap_key, edn_journal_wrap_key_of(&k, &rk, &a, epoch), "journal_wrap_key");
        KEY(edn_entry_key, edn_entry_key_of(&k, &jk, &j, &e, version), "entry_key");
#undef KEY

        CHECK_OK(edn_journal_key_open(&rk, &a, &s, &j, epoch, jepoch, vector_hex(&v, c, "journal_wrap"), &jk_opened));
        CHECK_BYTES(EDN_F(jk_opened), EDN_F(jk));
        CHECK_OK(edn_prev_box_open(&rk, &a, epoch, vector_hex(&v, c, "prev_box"), &before));
        CHECK_BYTES(EDN_F(before), EDN_F(rk_prev));

        /* The vector does not name the record's place; its associated data do. */
        edn_bytes aad = vector_hex(&v, c, "record_aad");
        edn_record_place at = {s, j, e, jepoch, version, 1, d, 42, 0};
        edn_entry_key ek;
        edn_buf built = EDN_BUF_INIT(4096), pt = EDN_BUF_INIT(4096);
        edn_t_put(&built, EDN_LABEL_AAD_REC,
                  EDN_FIELDS_(EDN_F(at.space), EDN_F(at.journal), EDN_F(at.entry), EDN_F_U32(at.journal_epoch),
                              EDN_F_U32(at.key_version), EDN_F_U8(at.type), EDN_F(at.device), EDN_F_U64(at.dseq),
                              EDN_F_U32(at.index)));
        CHECK_BYTES(edn_buf_view(&built), aad);
        edn_entry_key_of(&ek, &jk, &j, &e, version);
        CHECK_OK(edn_record_open(&pt, &ek, &at, vector_hex(&v, c, "record_box")));
        CHECK_BYTES(edn_buf_view(&pt), vector_hex(&v, c, "record_pt"));
        edn_buf_dispose(&built);
        edn_buf_dispose(&pt);
    }
    CHECK(i > 0);
    vectors_close(&v);
}

/* The valid chain of edn/batch opens, down to each record, and a record opens at no other index. */
static void batch_vectors_open(void **state)
{
    (void)state;
    vectors v = vectors_open("edn/batch.json");
    json_t *cases = json_object_get(v.root, "cases"), *c = json_array_get(cases, 0), *one;
    edn_space_key k;
    edn_journal_key jk;
    size_t i, opened = 0;

    VECTOR_INTO(k, &v, v.root, "K_space");
    VECTOR_INTO(jk, &v, v.root, "journal_key");
    json_array_foreach(json_object_get(c, "batches"), i, one)
    {
        edn_bytes in = vector_hex_of(&v, json_string_value(one));
        edn_buf out = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
        edn_batch b;
        edn_body body;

        CHECK_OK(edn_batch_decode(in, &b));
        CHECK_OK(edn_batch_open(&out, &b, &k));
        CHECK_OK(edn_body_decode(&v.arena, edn_buf_view(&out), &body));
        for (size_t r = 0; r < body.records_n; r++) {
            const edn_record *rec = &body.records[r];
            edn_record_place at = {b.header.space, rec->journal,    rec->entry,    rec->journal_epoch, rec->key_version,
                                   rec->type,      b.header.device, b.header.dseq, (uint32_t)r};
            edn_entry_key ek;
            edn_buf ops = EDN_BUF_INIT(4096);

            edn_entry_key_of(&ek, &jk, &rec->journal, &rec->entry, rec->key_version);
            CHECK_OK(edn_record_open(&ops, &ek, &at, rec->box));
            opened++;
            /* A21, A05: at any other place it does not open. */
            at.index++;
            CHECK_STATUS(edn_record_open(&ops, &ek, &at, rec->box), EDN_E_AUTH);
            edn_buf_dispose(&ops);
        }
        edn_buf_dispose(&out);
    }
    CHECK(i >= 4 && opened >= 4);
    vectors_close(&v);
}

/* Every refused batch of the set is refused by one of the layers that need no history: form, signature, outer box,
 * body, record. The rest (chains, forks, withheld data) is the sync engine's. */
static edn_status open_fully(vectors *v, edn_bytes in, const edn_space_key *k, const edn_journal_key *jk,
                             const edn_sign_pk *pk)
{
    edn_buf out = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    edn_batch b;
    edn_body body;
    edn_hash c_hash;
    edn_status st = edn_batch_decode(in, &b);

    if (st != EDN_OK)
        return st;
    c_hash = edn_batch_c_hash(&b);
    if (!edn_batch_verify(&b, &c_hash, pk))
        return EDN_E_SIG;
    if ((st = edn_batch_open(&out, &b, k)) == EDN_OK &&
        (st = edn_body_decode(&v->arena, edn_buf_view(&out), &body)) == EDN_OK)
        for (size_t r = 0; st == EDN_OK && r < body.records_n; r++) {
            const edn_record *rec = &body.records[r];
            edn_record_place at = {b.header.space, rec->journal,    rec->entry,    rec->journal_epoch, rec->key_version,
                                   rec->type,      b.header.device, b.header.dseq, (uint32_t)r};
            edn_buf ops = EDN_BUF_INIT(EDN_RECORD_SIZE_MAX);
            edn_entry_key ek;

            edn_entry_key_of(&ek, jk, &rec->journal, &rec->entry, rec->key_version);
            st = edn_record_open(&ops, &ek, &at, rec->box);
            edn_buf_dispose(&ops);
        }
    edn_buf_dispose(&out);
    return st;
}

/* The signing key of the device that a batch names; zero for one that the set does not have. */
static edn_sign_pk author_pk(vectors *v, edn_bytes batch)
{
    json_t *dev;
    edn_sign_pk pk = {{0}};
    size_t i;

    json_array_foreach(json_object_get(v->root, "devices"), i, dev)
    {
        if (batch.n >= 56 && memcmp(batch.p + 40, vector_fixed(v, dev, "id", 16), 16) == 0)
            VECTOR_INTO(pk, v, dev, "sign_pk");
    }
    return pk;
}

static void batch_vectors_are_refused_as_they_say(void **state)
{
    (void)state;
    vectors v = vectors_open("edn/batch.json");
    json_t *c, *one;
    edn_space_key k;
    edn_journal_key jk;
    size_t i, n;

    VECTOR_INTO(k, &v, v.root, "K_space");
    VECTOR_INTO(jk, &v, v.root, "journal_key");
    json_array_foreach(json_object_get(v.root, "cases"), i, c)
    {
        const char *want = vector_str(c, "result");
        edn_status first = EDN_OK;
        bool good;

        json_array_foreach(json_object_get(c, "batches"), n, one)
        {
            edn_bytes in = vector_hex_of(&v, json_string_value(one));
            edn_sign_pk pk = author_pk(&v, in);
            edn_status st = open_fully(&v, in, &k, &jk, &pk);

            if (first == EDN_OK)
                first = st;
        }
        if (strcmp(want, "reject") == 0)
            good = first != EDN_OK;
        else if (strcmp(want, "E_COMMIT") == 0)
            good = first == EDN_E_AUTH;
        else if (strcmp(want, "E_SIG") == 0 || strcmp(want, "E_FORMAT") == 0 || strcmp(want, "E_SUITE") == 0)
            good = strcmp(edn_status_name(first), want) == 0;
        else
            good = first == EDN_OK; /* what is wrong lies between batches: the sync engine's */
        if (!good)
            fail_msg("%s: %s, not %s", vector_str(c, "name"), edn_status_name(first), want);
    }
    CHECK(i > 0);
    vectors_close(&v);
}

static void seals_the_published_batch_again(void **state)
{
    (void)state;
    vectors v = vectors_open("edn/batch.json");
    json_t *c = json_array_get(json_object_get(v.root, "cases"), 0), *devices = json_object_get(v.root, "devices");
    edn_bytes in = vector_hex_of(&v, json_string_value(json_array_get(json_object_get(c, "batches"), 0)));
    edn_buf body = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX), again = EDN_BUF_INIT(EDN_BATCH_SIZE_MAX);
    uint8_t chosen[32] = {9};
    edn_random rng = {fill_chosen, chosen};
    edn_batch b, b2;
    edn_batch_header h;
    edn_space_key k;
    edn_sign_pk pk;
    edn_sign_sk sk;
    edn_hash c_hash;

    VECTOR_INTO(k, &v, v.root, "K_space");
    edn_sign_keypair(vector_fixed(&v, json_array_get(devices, 0), "sign_seed", 32), &pk, &sk);
    CHECK_OK(edn_batch_decode(in, &b));
    CHECK_OK(edn_batch_open(&body, &b, &k));
    h = b.header;
    h.suite = 0;
    h.padded_size = 0;
    memset(&h.heads_hash, 0, sizeof h.heads_hash);
    CHECK_OK(edn_batch_seal(&again, &h, EDN_PADDING_P1, &k, &sk, edn_buf_view(&body), &rng));
    CHECK_OK(edn_batch_decode(edn_buf_view(&again), &b2));
    CHECK_BYTES(b2.header_bytes, b.header_bytes);
    CHECK_INT(again.n, in.n);
    c_hash = edn_batch_c_hash(&b2);
    CHECK(edn_batch_verify(&b2, &c_hash, &pk));
    edn_buf_dispose(&body);
    edn_buf_dispose(&again);
    vectors_close(&v);
}

static int setup(void **state)
{
    (void)state;
    return edn_crypto_init() == EDN_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passphrase_vectors),
        cmocka_unit_test(hierarchy_vectors),
        cmocka_unit_test(batch_vectors_open),
        cmocka_unit_test(batch_vectors_are_refused_as_they_say),
        cmocka_unit_test(seals_the_published_batch_again),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
