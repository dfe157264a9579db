#include "client/sharing/family.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

static uint64_t system_now_ms(void *ctx)
{
    struct timespec t;

    (void)ctx;
    if (clock_gettime(CLOCK_REALTIME, &t) != 0 || t.tv_sec < 0)
        return 0;
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool copy_string(const char *from, char **to)
{
    *to = from ? strdup(from) : NULL;
    return !from || *to;
}

void edn_client_close(edn_client *c)
{
    if (!c)
        return;
    edn_client_lock(c);
    edn_store_close(c->store);
    free(c->http_origin);
    edn_http_free(c->http);
    objects_free(c->objects);
    catalog_free(c->catalog);
    keys_free(c->keys);
    codec_free(c->codec);
    index_free(c);
    free(c->home);
    free(c->vfs);
    free(c->ca_file);
    free(c->proxy);
    free(c);
}

edn_status client_new(const edn_client_options *o, edn_client **out, edn_err *err)
{
    edn_client *c;
    edn_status st;

    *out = NULL;
    if (err)
        *err = (edn_err){EDN_OK, ""};
    if (!o->home || !*o->home)
        return edn_fail(err, EDN_E_INVALID, "no folder was named for the diary");
    if ((st = edn_crypto_init()) != EDN_OK)
        return edn_fail(err, st, "the system gives no randomness; nothing can be sealed without it");
    c = calloc(1, sizeof *c);
    if (!c)
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    c->clock = o->clock.now_ms ? o->clock : (edn_clock){system_now_ms, NULL};
    c->random = o->random.fill ? o->random : edn_random_system();
    c->transport = o->transport;
    c->holders = o->holders;
    c->status_arena = edn_arena_init((size_t)16 << 20);
    if (!copy_string(o->home, &c->home) || !copy_string(o->vfs, &c->vfs) || !copy_string(o->ca_file, &c->ca_file) ||
        !copy_string(o->proxy, &c->proxy) || keys_new(&c->keys) != EDN_OK || catalog_new(&c->catalog) != EDN_OK ||
        objects_new(&c->objects) != EDN_OK || codec_new(&c->codec) != EDN_OK || index_new(&c->index) != EDN_OK) {
        edn_client_close(c);
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    }
    *out = c;
    return EDN_OK;
}

/* EDN_TABLE_OPEN "device": device id 16 ‖ account id 32. */
edn_status client_read_device(edn_client *c, edn_err *err)
{
    edn_buf row = EDN_BUF_INIT(256);
    edn_status st = edn_store_get(c->store, EDN_TABLE_OPEN, edn_bytes_str("device"), &row);

    if (st == EDN_OK && row.n == sizeof c->device.b + 32)
        memcpy(c->device.b, row.p, sizeof c->device.b);
    else if (st == EDN_OK)
        st = EDN_E_DAMAGED;
    edn_buf_dispose(&row);
    if (st == EDN_E_MISSING)
        return edn_fail(err, EDN_E_MISSING,
                        "%s: a diary was begun here but not finished; remove the folder and begin again", c->home);
    return st == EDN_OK ? EDN_OK : client_fail(c, st, err);
}

edn_status edn_client_open(const edn_client_options *options, edn_client **out, edn_err *err)
{
    edn_store_options so = {.vfs = options->vfs};
    begun_kind begun = BEGUN_NOT;
    edn_client *c = NULL;
    edn_status st;

    *out = NULL;
    if ((st = client_new(options, &c, err)) != EDN_OK)
        return st;
    st = edn_store_open(c->home, &so, &c->store, err);
    if (st == EDN_E_MISSING)
        edn_fail(err, st, "%s: no diary here; begin one with 'edn init', or join yours with 'edn login'", c->home);
    if (st == EDN_OK && (st = begun_read(c->store, &begun)) != EDN_OK)
        client_fail(c, st, err);
    if (st == EDN_OK && begun != BEGUN_NOT)
        st = edn_fail(err, EDN_E_MISSING,
                      "%s: 'edn %s' was begun here, and whether its server did it is not known; run the same command "
                      "again to finish",
                      c->home, begun_command(begun));
    if (st == EDN_OK)
        st = client_read_device(c, err);
    if (st != EDN_OK) {
        edn_client_close(c);
        return st;
    }
    *out = c;
    return EDN_OK;
}

void edn_client_device_id(const edn_client *c, char out[33]) { edn_hex_encode(out, c->device.b, sizeof c->device.b); }

/* ---- locking ----------------------------------------------------------------------------------------------------- */

bool edn_client_heard(const edn_client *c) { return c->bytes_received > 0; }

bool edn_client_unlocked(const edn_client *c) { return c->secret != NULL; }

void edn_client_lock(edn_client *c)
{
    if (c->busy || family_busy(c))
        return;
    family_close(c);
    if (c->store)
        edn_store_lock(c->store);
    objects_forget(c->objects);
    catalog_forget(c->catalog);
    keys_forget(c->keys);
    codec_lock(c->codec);
    index_forget(c);
    free(c->status_heads);
    free(c->status_findings);
    c->status_heads = NULL;
    c->status_findings = NULL;
    edn_arena_dispose(&c->status_arena);
    edn_devlog_free(c->log);
    c->log = NULL;
    edn_secret_free(c->secret);
    c->secret = NULL;
    c->store_version = 0;
    edn_stack_wipe();
}

/* A callback that calls back would pull the entries from under the call that it is in. */
static edn_status client_busy(edn_err *err)
{
    return edn_fail(err, EDN_E_BUSY, "this diary is in the middle of another call: a callback cannot use it");
}

static edn_status secret_make(edn_client *c, const edn_local_key *ldk)
{
    edn_client_lock(c);
    c->secret = edn_secret_alloc(sizeof *c->secret);
    if (!c->secret)
        return EDN_E_NOMEM;
    memset(c->secret, 0, sizeof *c->secret);
    c->secret->ldk = *ldk;
    return EDN_OK;
}

edn_status client_unlock_store(edn_client *c, const edn_local_key *ldk)
{
    edn_status st = secret_make(c, ldk);

    return st == EDN_OK ? edn_store_unlock(c->store, ldk, &c->random) : st;
}

edn_status client_unlock_new_store(edn_client *c, const edn_local_key *ldk)
{
    edn_status st = secret_make(c, ldk);

    return st == EDN_OK ? edn_store_unlock_new(c->store, ldk, &c->random) : st;
}

edn_status client_unlock_with(edn_client *c, const edn_local_key *ldk, edn_err *err)
{
    edn_status st;

    if (c->busy)
        return client_busy(err);
    st = client_unlock_store(c, ldk);
    if (st == EDN_OK && (st = client_begin_read(c, err)) == EDN_OK)
        st = client_end_read(c, EDN_OK, err);
    if (st != EDN_OK) {
        edn_client_lock(c);
        if (st == EDN_E_AUTH)
            return edn_fail(err, EDN_E_PASSPHRASE, "that key does not open the diary in %s", c->home);
        return client_fail(c, st, err);
    }
    family_tidy(c);
    return EDN_OK;
}

/* Tries the slot of a name; EDN_E_MISSING when there is none. */
static edn_status try_slot(edn_client *c, const char *name, edn_bytes prepared, edn_local_key *ldk)
{
    edn_buf slot = EDN_BUF_INIT(4096);
    edn_status st = edn_store_get(c->store, EDN_TABLE_OPEN, edn_bytes_str(name), &slot);

    if (st == EDN_OK)
        st = edn_slot_open(edn_buf_view(&slot), prepared, &c->device, ldk);
    edn_buf_dispose(&slot);
    return st;
}

edn_status client_open_slot(edn_client *c, edn_bytes passphrase, edn_local_key *ldk, edn_err *err)
{
    edn_buf prepared = EDN_BUF_INIT(16384);
    edn_status st = edn_passphrase_prepare(passphrase, &prepared, err);

    if (st == EDN_OK) {
        st = try_slot(c, "slot", edn_buf_view(&prepared), ldk);
        /* A passphrase change that was cut off: the new one may be in force already. */
        if (st == EDN_E_PASSPHRASE && try_slot(c, "slot-next", edn_buf_view(&prepared), ldk) == EDN_OK)
            st = EDN_OK;
    } else if (st != EDN_E_NOMEM) {
        st = EDN_E_PASSPHRASE; /* what cannot be a passphrase is a wrong one */
    }
    edn_buf_wipe(&prepared);
    if (st == EDN_E_PASSPHRASE)
        return edn_fail(err, st, "wrong passphrase");
    if (st == EDN_E_KDF || st == EDN_E_FORMAT)
        return edn_fail(err, EDN_E_DAMAGED, "%s: the lock of this diary is damaged or too weak to be ours", c->home);
    return st == EDN_OK ? EDN_OK : client_fail(c, st, err);
}

edn_status edn_client_unlock(edn_client *c, edn_bytes passphrase, edn_err *err)
{
    EDN_SECRET(edn_local_key) ldk = EDN_KEY_EMPTY;
    edn_status st = client_open_slot(c, passphrase, &ldk, err);

    if (st == EDN_OK && (st = client_unlock_with(c, &ldk, err)) == EDN_E_PASSPHRASE)
        return edn_fail(err, EDN_E_DAMAGED,
                        "%s: the passphrase is right, but what tells so in the local store is damaged; bring the diary "
                        "back from a copy of this folder, or as a new device ('edn login')",
                        c->home);
    return st;
}

edn_status edn_client_session_key(const edn_client *c, uint8_t key[EDN_SESSION_KEY_SIZE])
{
    if (!c->secret)
        return EDN_E_LOCKED;
    memcpy(key, c->secret->ldk.b, EDN_SESSION_KEY_SIZE);
    return EDN_OK;
}

edn_status edn_client_unlock_session(edn_client *c, const uint8_t key[EDN_SESSION_KEY_SIZE], edn_err *err)
{
    EDN_SECRET(edn_local_key) ldk = EDN_KEY_EMPTY;

    memcpy(ldk.b, key, sizeof ldk.b);
    return client_unlock_with(c, &ldk, err);
}

/* ---- transactions ------------------------------------------------------------------------------------------------ */

edn_status client_fail(edn_client *c, edn_status st, edn_err *err)
{
    const char *why = c->store ? edn_store_error(c->store) : NULL;

    if (st == EDN_OK || !err || (err->status == st && err->text[0]))
        return st;
    switch (st) {
    case EDN_E_NOMEM:
        return edn_fail(err, st, "out of memory; nothing was changed");
    case EDN_E_FULL:
        return edn_fail(err, st, "%s: the disk is full; nothing was changed. Make room and try again", c->home);
    case EDN_E_BUSY:
        return edn_fail(err, st, "another edn is at work in %s; try again in a moment", c->home);
    case EDN_E_LOCKED:
        return edn_fail(err, st, "the diary is locked; run 'edn unlock'");
    case EDN_E_DAMAGED:
        return edn_fail(err, st, "%s: a part of the local store is damaged; run 'edn verify' to see which", c->home);
    case EDN_E_IO:
        return edn_fail(err, st, "%s: the disk refused (%s); nothing was changed", c->home,
                        why ? why : "no reason given");
    default:
        return edn_fail(err, st, "%s: %s", c->home, edn_status_name(st));
    }
}

static void forget_caches(edn_client *c)
{
    objects_forget(c->objects);
    catalog_forget(c->catalog);
}

edn_status client_refresh(edn_client *c)
{
    uint64_t version = edn_store_version(c->store);
    edn_status st = EDN_OK;

    forget_caches(c);
    if (!c->log && (st = edn_devlog_new(&c->log)) != EDN_OK)
        return st;
    if (version != c->store_version || edn_devlog_count(c->log) == 0) {
        keys_forget(c->keys);
        codec_forget(c->codec);
        index_forget(c);
        st = identity_load(c);
        if (st == EDN_OK)
            st = log_load(c);
        if (st == EDN_OK && !c->parent)
            st = family_load(c);
        if (st == EDN_OK)
            c->store_version = version;
    }
    return st;
}

static edn_status begin(edn_client *c, bool write, edn_err *err)
{
    edn_status st;

    if (err)
        *err = (edn_err){EDN_OK, ""};
    if (c->busy || family_busy(c))
        return client_busy(err);
    if (!c->secret)
        return client_fail(c, EDN_E_LOCKED, err);
    st = write ? edn_store_begin_write(c->store) : edn_store_begin_read(c->store);
    if (st != EDN_OK)
        return client_fail(c, st, err);
    if ((st = client_refresh(c)) != EDN_OK) {
        edn_store_rollback(c->store);
        return client_fail(c, st, err);
    }
    c->busy = true;
    return EDN_OK;
}

edn_status client_begin_write(edn_client *c, edn_err *err) { return begin(c, true, err); }
edn_status client_begin_read(edn_client *c, edn_err *err) { return begin(c, false, err); }

edn_status client_end_write(edn_client *c, edn_status st, edn_err *err)
{
    c->busy = false;
    if (st == EDN_OK)
        st = objects_flush(c);
    if (st == EDN_OK)
        st = catalog_flush(c);
    if (st == EDN_OK)
        st = log_image_flush(c);
    if (st == EDN_OK)
        st = edn_store_commit(c->store);
    if (st != EDN_OK) {
        edn_store_rollback(c->store);
        /* Keys and links may have been cached that were never kept. */
        keys_forget(c->keys);
        codec_forget(c->codec);
        index_forget(c);
        c->store_version = 0;
        edn_devlog_free(c->log);
        c->log = NULL; /* the next transaction reads it again, and makes it if there is no memory now */
        if (edn_devlog_new(&c->log) != EDN_OK)
            c->log = NULL;
    }
    forget_caches(c);
    return client_fail(c, st, err);
}

edn_status client_end_read(edn_client *c, edn_status st, edn_err *err)
{
    c->busy = false;
    edn_store_rollback(c->store);
    forget_caches(c);
    return client_fail(c, st, err);
}

edn_status meta_get(edn_client *c, const char *name, edn_bytes salt, edn_buf *out)
{
    edn_store_key_name k = edn_store_name(c->store, EDN_TABLE_META, name, salt);
    return edn_store_get(c->store, EDN_TABLE_META, EDN_F(k), out);
}

edn_status meta_put(edn_client *c, const char *name, edn_bytes salt, edn_bytes value)
{
    edn_store_key_name k = edn_store_name(c->store, EDN_TABLE_META, name, salt);
    return edn_store_put(c->store, EDN_TABLE_META, EDN_F(k), value);
}

edn_status meta_del(edn_client *c, const char *name, edn_bytes salt)
{
    edn_store_key_name k = edn_store_name(c->store, EDN_TABLE_META, name, salt);
    return edn_store_del(c->store, EDN_TABLE_META, EDN_F(k));
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

edn_status client_transport(edn_client *c, const char *origin, const edn_transport **out, edn_err *err)
{
    edn_http_options ho = {.ca_file = c->ca_file, .proxy = c->proxy};
    edn_status st;

    *out = c->transport;
    if (c->transport)
        return EDN_OK;
    if (!c->http || strcmp(c->http_origin, origin) != 0) {
        edn_http_free(c->http);
        free(c->http_origin);
        c->http = NULL;
        if (!copy_string(origin, &c->http_origin))
            return edn_fail(err, EDN_E_NOMEM, "out of memory");
        if ((st = edn_http_new(origin, &ho, &c->http, err)) != EDN_OK)
            return st;
        c->http_transport = edn_http_transport(c->http);
    }
    *out = &c->http_transport;
    return EDN_OK;
}

edn_status client_exchange(edn_client *c, const edn_transport *t, const char *path, const char *bearer, edn_bytes body,
                           edn_http_answer *out, edn_err *err)
{
    edn_http_request rq = {
        .method = body.p ? EDN_HTTP_POST : EDN_HTTP_GET,
        .path = path,
        .bearer = bearer,
        .body = body,
        .answer_size_max = EDN_PULL_SIZE_MAX,
    };
    edn_status st = t->exchange(t->ctx, &rq, out, err);

    c->bytes_sent += out->bytes_sent;
    c->bytes_received += out->bytes_received;
    return st;
}
