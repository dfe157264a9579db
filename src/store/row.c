/* Rows: seal ‖ SQLite ‖ unseal, and scans.
 *
 * Where a row stands is bound into its box: AAD = T("EDNv1/aad/store"; u8 table, key). So a box that is moved to
 * another key or another table does not open. A row as a whole can be deleted or put back to an older state by whoever
 * holds the disk; that is outside what a disk can prove (SECURITY 2.9). */
#include "store_priv.h"

#include "base/plant.h"

/* What a large row leaves in the buffer for boxes is given back. */
#define BOX_KEPT_MAX ((size_t)1 << 20)

static bool is_sealed(unsigned t)
{
    return t != EDN_TABLE_OPEN && !(EDN_PLANT(catalog_unsealed) && t == EDN_TABLE_CATALOG);
}

static edn_status aad_make(edn_store *s, unsigned t, edn_bytes key)
{
    const edn_bytes fields[] = {EDN_F_U8(t), key};

    edn_buf_reset(&s->aad);
    edn_t_put(&s->aad, EDN_LABEL_AAD_STORE, fields, EDN_COUNT(fields));
    return edn_buf_status(&s->aad);
}

edn_status store_unseal(edn_store *s, unsigned t, edn_bytes key, edn_bytes box, edn_buf *out)
{
    edn_status st;

    if (!is_sealed(t)) {
        edn_put_bytes(out, box.p, box.n);
        return edn_buf_status(out);
    }
    if (!s->keys)
        return EDN_E_LOCKED;
    if ((st = aad_make(s, t, key)) != EDN_OK)
        return st;
    st = edn_unseal(out, s->keys->values.b, EDN_SUITE_1, edn_buf_view(&s->aad), box);
    return st == EDN_E_FORMAT || st == EDN_E_COMMIT || st == EDN_E_AUTH ? EDN_E_DAMAGED : st;
}

/* *out is borrowed: `value` itself, or s->box. */
static edn_status box_make(edn_store *s, unsigned t, edn_bytes key, edn_bytes value, edn_bytes *out)
{
    uint8_t rnd[32];
    edn_status st;

    *out = value;
    if (!is_sealed(t))
        return EDN_OK;
    if (!s->keys)
        return EDN_E_LOCKED;
    if ((st = aad_make(s, t, key)) != EDN_OK)
        return st;
    s->rng.fill(s->rng.ctx, rnd, sizeof rnd);
    edn_buf_reset(&s->box);
    st = edn_seal(&s->box, s->keys->values.b, EDN_SUITE_1, edn_buf_view(&s->aad), value, rnd);
    edn_wipe(rnd, sizeof rnd);
    *out = edn_buf_view(&s->box);
    return st;
}

/* Static, as SQLite only looks at the bytes while it steps; an empty one must still have an address, or it would be
 * NULL. */
static int bind_bytes(sqlite3_stmt *q, int at, edn_bytes b)
{
    return sqlite3_bind_blob64(q, at, b.n ? (const void *)b.p : "", b.n, SQLITE_STATIC);
}

static edn_bytes column_bytes(sqlite3_stmt *q, int at)
{
    const void *p = sqlite3_column_blob(q, at); /* before its size, as SQLite wants it */

    return edn_bytes_of(p, p ? (size_t)sqlite3_column_bytes(q, at) : 0);
}

static edn_status bind_key(edn_store *s, sqlite3_stmt *q, unsigned t, edn_bytes key)
{
    int rc = sqlite3_bind_int(q, 1, (int)t);

    if (rc == SQLITE_OK)
        rc = bind_bytes(q, 2, key);
    return rc == SQLITE_OK ? EDN_OK : store_fault(s, rc);
}

static void finish(sqlite3_stmt *q)
{
    (void)sqlite3_reset(q);          /* says again what step said */
    (void)sqlite3_clear_bindings(q); /* what was bound is somebody else's memory; always SQLITE_OK */
}

/* ---- one row ----------------------------------------------------------------------------------------------------- */

edn_status store_row_get(edn_store *s, unsigned t, edn_bytes key, edn_buf *out)
{
    sqlite3_stmt *q;
    edn_status st;
    int rc;

    if (is_sealed(t) && !s->keys)
        return EDN_E_LOCKED;
    if ((st = store_prepare(s, STORE_GET, &q)) != EDN_OK)
        return st;
    st = bind_key(s, q, t, key);
    if (st == EDN_OK) {
        rc = sqlite3_step(q);
        if (rc == SQLITE_ROW)
            st = store_unseal(s, t, key, column_bytes(q, 0), out);
        else
            st = rc == SQLITE_DONE ? EDN_E_MISSING : store_fault(s, rc);
    }
    finish(q);
    return st;
}

/* A change of a transaction that has not failed yet; whatever fails in it sticks, or half of it might be committed. */
static edn_status change(edn_store *s, store_statement which, unsigned t, edn_bytes key, const edn_bytes *box)
{
    sqlite3_stmt *q;
    edn_status st = store_prepare(s, which, &q);
    int rc;

    if (st != EDN_OK)
        return st;
    st = bind_key(s, q, t, key);
    if (st == EDN_OK && box && (rc = bind_bytes(q, 3, *box)) != SQLITE_OK)
        st = store_fault(s, rc);
    if (st == EDN_OK && (rc = sqlite3_step(q)) != SQLITE_DONE)
        st = store_fault(s, rc);
    finish(q);
    return st;
}

static edn_status put(edn_store *s, unsigned t, edn_bytes key, edn_bytes value)
{
    edn_bytes box;
    edn_status st;

    if (key.n > EDN_STORE_KEY_SIZE_MAX || value.n > EDN_STORE_VALUE_SIZE_MAX)
        return EDN_E_LIMIT;
    if ((st = box_make(s, t, key, value, &box)) == EDN_OK)
        st = change(s, STORE_PUT, t, key, &box);
    if (s->box.cap > BOX_KEPT_MAX)
        edn_buf_dispose(&s->box);
    return st;
}

edn_status store_row_put(edn_store *s, unsigned t, edn_bytes key, edn_bytes value)
{
    EDN_ASSERT(s->tx == STORE_TX_WRITE && s->scans == 0);
    if (s->tx_failed == EDN_OK)
        s->tx_failed = put(s, t, key, value);
    return s->tx_failed;
}

edn_status edn_store_get(edn_store *s, edn_table t, edn_bytes key, edn_buf *out)
{
    EDN_ASSERT(t < EDN_TABLE_COUNT);
    return store_row_get(s, t, key, out);
}

edn_status edn_store_put(edn_store *s, edn_table t, edn_bytes key, edn_bytes value)
{
    EDN_ASSERT(t < EDN_TABLE_COUNT);
    return store_row_put(s, t, key, value);
}

edn_status edn_store_del(edn_store *s, edn_table t, edn_bytes key)
{
    EDN_ASSERT(t < EDN_TABLE_COUNT && s->tx == STORE_TX_WRITE && s->scans == 0);
    if (s->tx_failed == EDN_OK)
        s->tx_failed = is_sealed(t) && !s->keys ? EDN_E_LOCKED : change(s, STORE_DEL, t, key, NULL);
    return s->tx_failed;
}

/* ---- scans ------------------------------------------------------------------------------------------------------- */

static int bytes_order(edn_bytes a, edn_bytes b)
{
    size_t n = EDN_MIN(a.n, b.n);
    int c = n ? memcmp(a.p, b.p, n) : 0;

    return c ? c : (a.n > b.n) - (a.n < b.n);
}

static bool has_prefix(edn_bytes key, edn_bytes prefix)
{
    return key.n >= prefix.n && (prefix.n == 0 || memcmp(key.p, prefix.p, prefix.n) == 0);
}

/* One row to the callback. `value` holds one plaintext at a time, and is wiped before it grows. */
static edn_status scan_row(edn_store *s, unsigned t, sqlite3_stmt *q, bool keys_only, edn_buf *value,
                           edn_store_row_fn *fn, void *ctx)
{
    edn_bytes key = column_bytes(q, 0), box = EDN_BYTES_EMPTY;
    edn_status st = EDN_OK;

    if (!keys_only) {
        box = column_bytes(q, 1);
        edn_buf_reset(value);
        if (value->cap < box.n)
            edn_buf_wipe(value);
        edn_buf_reserve(value, box.n);
        st = edn_buf_status(value);
        if (st == EDN_OK)
            st = store_unseal(s, t, key, box, value);
        if (st != EDN_OK && st != EDN_E_DAMAGED)
            return st;
    }
    return fn(ctx, key, st, st == EDN_OK ? edn_buf_view(value) : EDN_BYTES_EMPTY);
}

static edn_status scan_rows(edn_store *s, unsigned t, sqlite3_stmt *q, edn_bytes prefix, bool keys_only,
                            edn_store_row_fn *fn, void *ctx)
{
    edn_buf value = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_status st = EDN_OK;
    int rc;

    while (st == EDN_OK) {
        rc = sqlite3_step(q);
        if (rc != SQLITE_ROW) {
            st = rc == SQLITE_DONE ? EDN_OK : store_fault(s, rc);
            break;
        }
        if (!has_prefix(column_bytes(q, 0), prefix))
            break;
        st = scan_row(s, t, q, keys_only, &value, fn, ctx);
    }
    edn_buf_wipe(&value);
    return st;
}

edn_status edn_store_scan(edn_store *s, edn_table t, edn_bytes prefix, edn_bytes from, bool keys_only,
                          edn_store_row_fn *fn, void *ctx)
{
    store_statement which = keys_only ? STORE_SCAN_KEYS : STORE_SCAN;
    sqlite3_stmt *cached, *q;
    edn_status st;

    EDN_ASSERT(t < EDN_TABLE_COUNT);
    if (is_sealed(t) && !s->keys)
        return EDN_E_LOCKED;
    if ((st = store_prepare(s, which, &cached)) != EDN_OK)
        return st;
    /* A callback may scan in its turn: the statement at work is out of the cache for that long. */
    q = cached;
    s->statements[which] = NULL;
    s->scans++;
    st = bind_key(s, q, t, bytes_order(prefix, from) > 0 ? prefix : from);
    if (st == EDN_OK)
        st = scan_rows(s, t, q, prefix, keys_only, fn, ctx);
    finish(q);
    s->scans--;
    if (s->statements[which])
        (void)sqlite3_finalize(q); /* was reset: nothing to say */
    else
        s->statements[which] = q;
    return st;
}
