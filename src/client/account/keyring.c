/* Root keys by epoch and journal keys by (journal, epoch): rows of the store, with what was used last kept in guarded
 * memory.
 *
 * Two devices may each have made a key for one (journal, epoch) before they heard of each other. Both are kept; the
 * commitment in every box tells at the price of one hash which of them opens it. */
#include "client/client_priv.h"

#include <stdlib.h>

#define CACHE_COUNT 64u

typedef struct cached_key {
    edn_journal_id journal;
    uint32_t epoch, index;
    bool used;
    edn_journal_key key;
} cached_key;

struct key_cache {
    cached_key *journal; /* CACHE_COUNT of them, guarded; replaced round and round */
    size_t next;
    struct root {
        bool used;
        uint32_t epoch;
        edn_root_key key;
    } * root; /* the newest one asked for, guarded */
};

edn_status keys_new(key_cache **out)
{
    key_cache *k = calloc(1, sizeof *k);

    *out = NULL;
    if (!k)
        return EDN_E_NOMEM;
    k->journal = edn_secret_alloc(CACHE_COUNT * sizeof *k->journal);
    k->root = edn_secret_alloc(sizeof *k->root);
    if (!k->journal || !k->root) {
        keys_free(k);
        return EDN_E_NOMEM;
    }
    keys_forget(k);
    *out = k;
    return EDN_OK;
}

void keys_free(key_cache *k)
{
    if (!k)
        return;
    edn_secret_free(k->journal);
    edn_secret_free(k->root);
    free(k);
}

void keys_forget(key_cache *k)
{
    if (!k)
        return;
    edn_wipe(k->journal, CACHE_COUNT * sizeof *k->journal);
    edn_wipe(k->root, sizeof *k->root);
    k->next = 0;
}

void keys_make(edn_client *c, secret_kind kind, edn_bytes purpose, uint8_t *out, size_t n)
{
    EDN_SECRET(edn_seed) rnd = EDN_KEY_EMPTY;

    client_random(c, rnd.b, sizeof rnd.b);
    edn_kdf_t(out, n, client_id(c)->sign_seed.b, EDN_LABEL_SECRET, EDN_F(rnd), purpose, EDN_F_U8(kind));
}

/* ---- root keys --------------------------------------------------------------------------------------------------- */

edn_status keys_root(edn_client *c, uint32_t epoch, edn_root_key *out)
{
    edn_buf row = EDN_BUF_INIT(64);
    edn_status st;

    if (c->keys->root->used && c->keys->root->epoch == epoch) {
        *out = c->keys->root->key;
        return EDN_OK;
    }
    st = meta_get(c, "root-key", EDN_F_U32(epoch), &row);
    if (st == EDN_OK && row.n != sizeof out->b)
        st = EDN_E_DAMAGED;
    if (st == EDN_OK) {
        memcpy(out->b, row.p, sizeof out->b);
        c->keys->root->used = true;
        c->keys->root->epoch = epoch;
        c->keys->root->key = *out;
    }
    edn_buf_wipe(&row);
    return st;
}

edn_status keys_root_save(edn_client *c, uint32_t epoch, const edn_root_key *rk)
{
    return meta_put(c, "root-key", EDN_F_U32(epoch), EDN_F(*rk));
}

edn_status keys_space(edn_client *c, uint32_t epoch, edn_space_key *out)
{
    EDN_SECRET(edn_root_key) rk = EDN_KEY_EMPTY;
    edn_status st = keys_root(c, epoch, &rk);

    if (st == EDN_OK)
        edn_space_key_of(out, &rk, &client_id(c)->account, &client_id(c)->space, epoch);
    return st;
}

edn_status keys_meta(edn_client *c, uint32_t epoch, edn_journal_key *out)
{
    EDN_SECRET(edn_root_key) rk = EDN_KEY_EMPTY;
    EDN_SECRET(edn_meta_key) meta = EDN_KEY_EMPTY;
    edn_status st = keys_root(c, epoch, &rk);

    if (st == EDN_OK) {
        edn_meta_key_of(&meta, &rk, &client_id(c)->account, epoch);
        memcpy(out->b, meta.b, sizeof out->b);
    }
    return st;
}

/* ---- journal keys ------------------------------------------------------------------------------------------------ */

/* The row's salt: journal 16 ‖ u32 journal epoch. Its value: one key after the other. */
typedef struct key_salt {
    uint8_t b[20];
} key_salt;

static key_salt salt_of(const edn_journal_id *j, uint32_t epoch)
{
    key_salt s;

    memcpy(s.b, j->b, sizeof j->b);
    edn_store_u32(s.b + sizeof j->b, epoch);
    return s;
}

static bool cache_find(const key_cache *k, const edn_journal_id *j, uint32_t epoch, size_t i, edn_journal_key *out)
{
    for (size_t n = 0; n < CACHE_COUNT; n++) {
        const cached_key *e = &k->journal[n];
        if (e->used && e->epoch == epoch && e->index == i && memcmp(e->journal.b, j->b, sizeof j->b) == 0) {
            *out = e->key;
            return true;
        }
    }
    return false;
}

static void cache_add(key_cache *k, const edn_journal_id *j, uint32_t epoch, size_t i, const edn_journal_key *key)
{
    cached_key *e = &k->journal[k->next++ % CACHE_COUNT];

    e->used = true;
    e->journal = *j;
    e->epoch = epoch;
    e->index = (uint32_t)i;
    e->key = *key;
}

edn_status keys_journal(edn_client *c, const edn_journal_id *j, uint32_t epoch, size_t i, edn_journal_key *out)
{
    key_salt salt = salt_of(j, epoch);
    edn_buf row = EDN_BUF_INIT(4096);
    edn_status st;

    if (cache_find(c->keys, j, epoch, i, out))
        return EDN_OK;
    st = meta_get(c, "journal-key", EDN_F(salt), &row);
    if (st == EDN_OK && i >= row.n / sizeof out->b)
        st = EDN_E_MISSING;
    if (st == EDN_OK) {
        memcpy(out->b, row.p + i * sizeof out->b, sizeof out->b);
        cache_add(c->keys, j, epoch, i, out);
    }
    edn_buf_wipe(&row);
    return st;
}

#define KEYS_OF_EPOCH_MAX 32u

/* META "journal-epoch": u32 the newest journal epoch ‖ u32 the root epoch in which its first key here was made. */
typedef struct journal_now {
    uint32_t epoch, root_epoch;
} journal_now;

static edn_status journal_now_load(edn_client *c, const edn_journal_id *j, journal_now *out)
{
    edn_buf row = EDN_BUF_INIT(16);
    edn_status st = meta_get(c, "journal-epoch", EDN_F(*j), &row);

    memset(out, 0, sizeof *out);
    if (st == EDN_OK && row.n != 4 && row.n != 8)
        st = EDN_E_DAMAGED;
    if (st == EDN_OK) {
        out->epoch = edn_load_u32(row.p);
        out->root_epoch = row.n == 8 ? edn_load_u32(row.p + 4) : 0; /* as it was before root keys changed */
    }
    edn_buf_dispose(&row);
    return st;
}

edn_status keys_journal_newest(edn_client *c, const edn_journal_id *j, uint32_t *out)
{
    journal_now now;
    edn_status st = journal_now_load(c, j, &now);

    *out = now.epoch;
    return st;
}

static edn_status journal_now_raise(edn_client *c, const edn_journal_id *j, uint32_t epoch, uint32_t root_epoch)
{
    journal_now now;
    uint8_t row[8];
    edn_status st = journal_now_load(c, j, &now);

    if (st == EDN_OK && now.epoch >= epoch)
        return EDN_OK;
    if (st != EDN_OK && st != EDN_E_MISSING)
        return st;
    edn_store_u32(row, epoch);
    edn_store_u32(row + 4, root_epoch);
    return meta_put(c, "journal-epoch", EDN_F(*j), edn_bytes_of(row, sizeof row));
}

edn_status keys_journal_add(edn_client *c, const edn_journal_id *j, uint32_t epoch, uint32_t root_epoch,
                            const edn_journal_key *jk)
{
    key_salt salt = salt_of(j, epoch);
    edn_buf row = EDN_BUF_INIT(KEYS_OF_EPOCH_MAX * sizeof jk->b);
    edn_status st = meta_get(c, "journal-key", EDN_F(salt), &row);

    if (st == EDN_E_MISSING)
        st = EDN_OK;
    for (size_t i = 0; st == EDN_OK && i < row.n; i += sizeof jk->b)
        if (edn_equal_ct(row.p + i, jk->b, sizeof jk->b))
            goto out;
    if (st == EDN_OK) {
        edn_put_bytes(&row, jk->b, sizeof jk->b);
        st = edn_buf_status(&row);
    }
    if (st == EDN_OK)
        st = meta_put(c, "journal-key", EDN_F(salt), edn_buf_view(&row));
    if (st == EDN_OK)
        st = journal_now_raise(c, j, epoch, root_epoch);
out:
    edn_buf_wipe(&row);
    return st;
}

edn_status keys_journal_resend(edn_client *c, const edn_journal_id *j, uint32_t epoch)
{
    return meta_put(c, "journal-resend", EDN_F(*j), EDN_F_U32(epoch));
}

static edn_status resend_due(edn_client *c, const edn_journal_id *j, bool *due)
{
    edn_buf row = EDN_BUF_INIT(16);
    edn_status st = meta_get(c, "journal-resend", EDN_F(*j), &row);

    edn_buf_dispose(&row);
    *due = st == EDN_OK;
    if (st == EDN_E_MISSING)
        return EDN_OK;
    return st == EDN_OK ? meta_del(c, "journal-resend", EDN_F(*j)) : st;
}

edn_status keys_journal_current(edn_client *c, const edn_journal_id *j, uint32_t *epoch, edn_journal_key *out,
                                bool *made)
{
    uint32_t root_epoch = edn_devlog_epoch(c->log);
    journal_now now;
    key_salt salt;
    edn_status st = journal_now_load(c, j, &now);

    *epoch = now.epoch;
    *made = false;
    if (st == EDN_OK && now.root_epoch >= root_epoch) {
        if ((st = keys_journal(c, j, *epoch, 0, out)) == EDN_OK)
            st = resend_due(c, j, made);
        return st;
    }
    if (st != EDN_OK && st != EDN_E_MISSING)
        return st;
    /* Whoever first sends something of a journal makes its key; and whoever first does so after the root key changed
     * makes the next one: a device that was revoked knows the old. One that waits to be sent again goes with it. */
    if (st == EDN_OK) {
        *epoch = now.epoch + 1;
        if ((st = resend_due(c, j, made)) != EDN_OK)
            return st;
    }
    salt = salt_of(j, *epoch);
    keys_make(c, SECRET_JOURNAL, EDN_F(salt), out->b, sizeof out->b);
    *made = true;
    return keys_journal_add(c, j, *epoch, root_epoch, out);
}
