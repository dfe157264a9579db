/* A home that was begun and waits for word from its server.
 *
 * Making an account or joining one ends with a request whose answer may be lost, and then nobody here knows whether the
 * server did it. So what the request is about is in the home before it is sent, sealed like everything: the account's
 * links and boxes, or this device's keys. The same command again goes on with them, and what the server may have done
 * already is found to be its own: no name and no device is left behind there that nobody has the keys of.
 *
 *     EDN_TABLE_OPEN   "begun"   u8 1: init, with the whole home; 2: login, with the identity alone; 3: a recovery,
 *                                with the identity and META "recovering" (recovery_join.c)
 *
 * Until then the home is no diary: edn_client_open says so. */
#include "client/account/account_priv.h"

#include <stdio.h>

edn_status begun_mark(edn_client *c, begun_kind kind)
{
    uint8_t row = (uint8_t)kind;

    return edn_store_put(c->store, EDN_TABLE_OPEN, edn_bytes_str("begun"), edn_bytes_of(&row, 1));
}

edn_status begun_unmark(edn_client *c) { return edn_store_del(c->store, EDN_TABLE_OPEN, edn_bytes_str("begun")); }

edn_status begun_read(edn_store *s, begun_kind *out)
{
    edn_buf row = EDN_BUF_INIT(16);
    edn_status st = edn_store_get(s, EDN_TABLE_OPEN, edn_bytes_str("begun"), &row);

    *out = st == EDN_OK && row.n == 1 && row.p[0] <= BEGUN_RECOVER ? (begun_kind)row.p[0] : BEGUN_NOT;
    edn_buf_dispose(&row);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

const char *begun_command(begun_kind kind)
{
    return kind == BEGUN_LOGIN ? "login" : kind == BEGUN_RECOVER ? "recover" : "init";
}

edn_status home_taken(edn_client *c, edn_err *err)
{
    return edn_fail(err, EDN_E_EXISTS, "%s: there is a diary in this folder already; name another with --home",
                    c->home);
}

static edn_status begun_otherwise(edn_client *c, begun_kind kind, edn_err *err)
{
    return edn_fail(err, EDN_E_EXISTS,
                    "%s: 'edn %s' was begun here and is not finished; run that again, or remove the folder", c->home,
                    begun_command(kind));
}

/* What stands in a store. EDN_E_MISSING: nothing; it was made, and memory or power went before it was somebody's. If it
 * is since, make_home finds that out. */
static edn_status begun_look(edn_store *s, begun_kind *there)
{
    edn_buf device = EDN_BUF_INIT(256);
    edn_status st = begun_read(s, there);

    if (st == EDN_OK && *there == BEGUN_NOT)
        st = edn_store_get(s, EDN_TABLE_OPEN, edn_bytes_str("device"), &device);
    edn_buf_dispose(&device);
    return st;
}

edn_status begun_find(edn_client *c, begun_kind kind, bool *found, edn_err *err)
{
    edn_store_options so = {.vfs = c->vfs, .read_only = true};
    edn_store *s = NULL;
    begun_kind there = BEGUN_NOT;
    edn_err ignored;
    edn_status st = edn_store_open(c->home, &so, &s, &ignored);

    if (st == EDN_OK)
        st = begun_look(s, &there);
    edn_store_close(s);
    *found = st == EDN_OK && there == kind;
    if (st == EDN_E_NOMEM)
        return client_fail(c, st, err);
    if (st == EDN_E_MISSING || *found)
        return EDN_OK;
    return there == BEGUN_NOT ? home_taken(c, err) : begun_otherwise(c, there, err);
}

edn_status begun_open(edn_client *c, const char *server, const char *name, edn_bytes passphrase, edn_err *err)
{
    edn_store_options so = {.vfs = c->vfs};
    EDN_SECRET(edn_local_key) ldk = EDN_KEY_EMPTY;
    const identity *id;
    edn_status st = edn_store_open(c->home, &so, &c->store, err);

    if (st != EDN_OK || (st = client_read_device(c, err)) != EDN_OK)
        return st;
    st = client_open_slot(c, passphrase, &ldk, err);
    if (st == EDN_E_PASSPHRASE)
        return edn_fail(err, st, "%s: this was begun with another passphrase; give that one, or remove the folder",
                        c->home);
    if (st != EDN_OK || (st = client_unlock_with(c, &ldk, err)) != EDN_OK)
        return st;
    id = client_id(c);
    if (server && (strcmp(id->server, server) != 0 || strcmp(id->name, name) != 0))
        return edn_fail(err, EDN_E_EXISTS,
                        "%s: this was begun with --server %s --name %s; finish that, or remove the folder", c->home,
                        id->server, id->name);
    return EDN_OK;
}

bool begun_is_over(edn_status st)
{
    return st == EDN_E_EXISTS || st == EDN_E_DENIED || st == EDN_E_FULL || st == EDN_E_LIMIT;
}

edn_status begun_keep(edn_client *c, edn_status st, edn_err *err)
{
    char why[sizeof err->text];

    if (!err)
        return st;
    client_fail(c, st, err);
    memcpy(why, err->text, sizeof why);
    return edn_fail(err, st, "%.300s. What was begun is kept: run the same command again to finish", why);
}
