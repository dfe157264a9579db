/* Devices are revoked, or none and the keys only change: a new root key for all that stay, and all that hangs on it, by
 * two links in one request.
 *
 *     REVOKE_ROTATE   the cut, the new epoch, grants (in psk mode) for the devices that stay, the old root key under
 *                     the new one
 *     SET_KDF         the root box holds the new key; the same passphrase under a new salt, so a new login key
 *
 * and, when it is asked for, by a third one before them:
 *
 *     ROTATE_AIK      the account's own key, which is in no device, only in the root box and in what shares open
 *
 * The server takes both or refuses both; until it has, nothing changes here. An answer that is lost costs nothing: this
 * device finds its own grant in the log at the next sync, as the others do (roots.c). */
#include "client/account/account_priv.h"

typedef struct rotating {
    edn_client *c;
    const char *const *what;           /* the devices, as the person named them */
    size_t what_n;                     /* 0: none is revoked */
    bool guests;                       /* and whom they let in */
    bool own_key;                      /* the account's own key is made anew, too */
    edn_status (*also)(edn_client *c); /* in the transaction that takes the new key; or NULL */
    edn_bytes prepared;
    edn_sync_remote remote;
    struct rotating_secrets {
        edn_root_secret was, is;
        edn_root_key before, next;
    } * secret; /* guarded */
    edn_device_id revoked[EDN_DEVICES_MAX];
    size_t revoked_n;
    uint32_t epoch;  /* the new one */
    edn_devlog *log; /* with the links so far */
    edn_kdf_record record;
    edn_buf rotate_aik, rotate, set_kdf, grants, prev_box, root_box;
    edn_err *err;
} rotating;

/* ---- the links --------------------------------------------------------------------------------------------------- */

/* Opens the account's root box: who revokes must know the passphrase, since it is sealed again. */
static edn_status open_account(rotating *x)
{
    edn_buf box = EDN_BUF_INIT(EDN_BOX_SIZE_MAX);
    edn_status st = account_load_wrap(x->c, x->remote.token, &x->record, &box, x->err);

    if (st == EDN_OK) {
        st = account_open_root(x->c, x->prepared, &x->record, edn_buf_view(&box), &x->secret->was);
        if (st == EDN_E_AUTH)
            st = edn_fail(x->err, EDN_E_PASSPHRASE, "that is not the account's passphrase");
    }
    edn_buf_dispose(&box);
    if (st == EDN_OK)
        st = keys_root(x->c, edn_devlog_epoch(x->c->log), &x->secret->before);
    if (st == EDN_OK && !edn_equal_ct(x->secret->before.b, x->secret->was.root.b, sizeof x->secret->before.b))
        st = edn_fail(x->err, EDN_E_AUTH, "the account's sealed root key is not the one that this device has");
    return st;
}

/* Each revoked device's newest batch here: what comes after it does not count. */
static edn_status cuts_of(rotating *x, edn_pin out[EDN_DEVICES_MAX], size_t *n)
{
    const edn_head *h;
    heads all;
    edn_status st = heads_load(x->c, &all);

    *n = 0;
    for (size_t i = 0; st == EDN_OK && i < x->revoked_n; i++)
        if ((h = edn_heads_find(all.p, all.n, &x->revoked[i])) != NULL)
            out[(*n)++] = (edn_pin){client_id(x->c)->space, h->device, h->dseq, h->hash};
    heads_dispose(&all);
    return st;
}

/* ---- who is revoked ---------------------------------------------------------------------------------------------- */

static bool is_revoked(const rotating *x, const edn_device_id *id)
{
    for (size_t i = 0; i < x->revoked_n; i++)
        if (memcmp(x->revoked[i].b, id->b, sizeof id->b) == 0)
            return true;
    return false;
}

/* Whoever let a device in was in the log before it: so this ends. */
static bool is_guest(const rotating *x, const edn_device *d)
{
    while (d && !is_revoked(x, &d->added_by))
        d = edn_devlog_device_find(x->c->log, &d->added_by);
    return d != NULL;
}

static void add_guests(rotating *x)
{
    const edn_device_id *self = &client_id(x->c)->device;
    const edn_device *d;
    size_t n = x->revoked_n; /* a guest's guest is found by its own ancestors */

    for (size_t i = 0; (d = edn_devlog_device(x->c->log, i)) != NULL; i++)
        if (edn_device_active(d) && memcmp(d->id.b, self->b, sizeof self->b) != 0 && !is_revoked(x, &d->id) &&
            is_guest(x, d))
            x->revoked[n++] = d->id; /* no more than are active, of which this one stays */
    x->revoked_n = n;
}

static edn_status find_revoked(rotating *x)
{
    const edn_device_id *self = &client_id(x->c)->device;
    edn_device_id id;
    edn_status st;

    x->revoked_n = 0;
    for (size_t i = 0; i < x->what_n; i++) {
        if ((st = device_find(x->c, x->what[i], &id, x->err)) != EDN_OK)
            return st;
        if (memcmp(id.b, self->b, sizeof id.b) == 0)
            return edn_fail(x->err, EDN_E_INVALID, "that is this device; revoke it from another one");
        if (!is_revoked(x, &id))
            x->revoked[x->revoked_n++] = id;
    }
    if (x->guests)
        add_guests(x);
    return EDN_OK;
}

/* ---- both links -------------------------------------------------------------------------------------------------- */

static edn_status make_rotation(rotating *x)
{
    const identity *id = client_id(x->c);
    edn_link_signer by = {&id->device, &id->sign_sk, client_now(x->c)};
    edn_rotation r = {.revoked = x->revoked, .revoked_n = x->revoked_n, .epoch = x->epoch};
    EDN_SECRET(edn_dh_sk) aek_sk = EDN_KEY_EMPTY;
    edn_pin cuts[EDN_DEVICES_MAX];
    edn_status st;

    keys_make(x->c, SECRET_ROOT, EDN_F(x->secret->before), x->secret->next.b, sizeof x->secret->next.b);
    edn_aek_of(&aek_sk, &x->secret->next, &id->account, x->epoch);
    edn_dh_keypair(&aek_sk, &r.aek);
    r.cuts = cuts;
    if ((st = cuts_of(x, cuts, &r.cuts_n)) != EDN_OK ||
        (st = edn_rotation_grants(&x->grants, x->log, x->revoked, r.revoked_n, x->epoch, &x->secret->before,
                                  &x->secret->next, &x->c->random)) != EDN_OK ||
        (st = edn_prev_box_seal(&x->prev_box, &x->secret->next, &id->account, x->epoch, &x->secret->before,
                                &x->c->random)) != EDN_OK)
        return st;
    r.grants_hash = edn_h32(edn_buf_view(&x->grants));
    r.prev_box_hash = edn_h32(edn_buf_view(&x->prev_box));
    if ((st = edn_link_revoke_rotate(&x->rotate, x->log, &by, &r)) == EDN_OK)
        st = edn_devlog_append(x->log, edn_buf_view(&x->rotate));
    return st;
}

static edn_status make_own_key(rotating *x)
{
    EDN_SECRET(edn_sign_sk) was = EDN_KEY_EMPTY, is = EDN_KEY_EMPTY;
    edn_link_signer by = {NULL, &was, client_now(x->c)};
    edn_sign_pk pk;
    edn_status st;

    if (!x->own_key)
        return EDN_OK;
    edn_sign_keypair(x->secret->was.aik_seed.b, &pk, &was);
    client_random(x->c, x->secret->was.aik_seed.b, sizeof x->secret->was.aik_seed.b);
    edn_sign_keypair(x->secret->was.aik_seed.b, &pk, &is);
    if ((st = edn_link_rotate_aik(&x->rotate_aik, x->log, &by, &pk, &is)) == EDN_OK)
        st = edn_devlog_append(x->log, edn_buf_view(&x->rotate_aik));
    return st;
}

/* In a transaction that only reads. */
static edn_status make_links(rotating *x)
{
    edn_client *c = x->c;
    edn_kdf_profile profile;
    edn_status st;

    if ((st = find_revoked(x)) != EDN_OK || (st = open_account(x)) != EDN_OK)
        return st;
    edn_devlog_free(x->log);
    edn_buf_reset(&x->rotate_aik);
    edn_buf_reset(&x->rotate);
    edn_buf_reset(&x->set_kdf);
    edn_buf_reset(&x->grants);
    edn_buf_reset(&x->prev_box);
    edn_buf_reset(&x->root_box);
    x->epoch = edn_devlog_epoch(c->log) + 1;
    if ((st = edn_devlog_copy(c->log, &x->log)) != EDN_OK || (st = make_own_key(x)) != EDN_OK ||
        (st = make_rotation(x)) != EDN_OK)
        return st;
    account_root_secret(&x->secret->is, &x->secret->was.aik_seed, &x->secret->next, x->log);
    profile = account_profile_of(&x->record);
    return account_make_kdf(c, client_id(c), x->log, x->prepared, profile, &x->secret->is, &x->record, &x->root_box,
                            &x->set_kdf);
}

static edn_status send_links(rotating *x)
{
    edn_bytes links[] = {edn_buf_view(&x->rotate_aik), edn_buf_view(&x->rotate), edn_buf_view(&x->set_kdf)};
    size_t skip = x->own_key ? 0 : 1;
    edn_bytes boxes[] = {edn_buf_view(&x->grants), edn_buf_view(&x->prev_box), EDN_F(x->record),
                         edn_buf_view(&x->root_box)};
    edn_msg_log_append msg = {links + skip, EDN_COUNT(links) - skip, boxes, EDN_COUNT(boxes)};
    edn_buf rq = EDN_BUF_INIT((size_t)4 << 20), body = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_hash head = edn_link_hash(links[EDN_COUNT(links) - 1]);
    edn_status st;

    edn_log_append_put(&rq, &msg);
    st = edn_buf_status(&rq);
    if (st == EDN_OK)
        st = account_call(x->c, client_id(x->c)->server, "/v1/log", x->remote.token, edn_buf_view(&rq), &body, NULL,
                          x->err);
    st = account_log_heard(st, client_id(x->c)->server, edn_buf_view(&body), edn_devlog_count(x->log) + 1, &head,
                           x->err);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&body);
    return st;
}

static edn_status save_link(edn_client *c, edn_bytes link)
{
    edn_status st = edn_devlog_append(c->log, link);

    return st == EDN_OK ? log_save_link(c, edn_devlog_count(c->log) - 1, link) : st;
}

static edn_status save_all(rotating *x)
{
    edn_client *c = x->c;
    edn_status st;

    if (edn_devlog_epoch(c->log) >= x->epoch)
        return x->also ? x->also(c) : EDN_OK; /* another process has synced it already */
    if ((x->own_key && (st = log_take_link(c, edn_buf_view(&x->rotate_aik))) != EDN_OK) ||
        (st = save_link(c, edn_buf_view(&x->rotate))) != EDN_OK ||
        (st = save_link(c, edn_buf_view(&x->set_kdf))) != EDN_OK ||
        (st = box_save(c, edn_buf_view(&x->grants))) != EDN_OK ||
        (st = box_save(c, edn_buf_view(&x->prev_box))) != EDN_OK || (st = box_save(c, EDN_F(x->record))) != EDN_OK ||
        (st = box_save(c, edn_buf_view(&x->root_box))) != EDN_OK)
        return st;
    if ((st = keys_root_save(c, x->epoch, &x->secret->next)) != EDN_OK)
        return st;
    return x->also ? x->also(c) : EDN_OK;
}

static edn_status rotate_once(rotating *x)
{
    edn_status st = account_fresh_token(x->c, &x->remote, x->err);

    if (st != EDN_OK || (st = client_begin_read(x->c, x->err)) != EDN_OK ||
        (st = client_end_read(x->c, make_links(x), x->err)) != EDN_OK || (st = send_links(x)) != EDN_OK ||
        (st = client_begin_write(x->c, x->err)) != EDN_OK)
        return st;
    return client_end_write(x->c, save_all(x), x->err);
}

static edn_status rotate(rotating *x)
{
    edn_status st = EDN_E_CONFLICT;

    for (int tries = 0; tries < 5 && st == EDN_E_CONFLICT; tries++)
        st = rotate_once(x);
    return st;
}

static edn_status rotate_for(const rotating *what, edn_bytes passphrase)
{
    edn_buf prepared = EDN_BUF_INIT(16384);
    edn_err *err = what->err;
    rotating x = {.c = what->c,
                  .what = what->what,
                  .what_n = what->what_n,
                  .guests = what->guests,
                  .own_key = what->own_key,
                  .also = what->also,
                  .err = err,
                  .rotate_aik = EDN_BUF_INIT(EDN_LINK_SIZE_MAX),
                  .rotate = EDN_BUF_INIT(EDN_LINK_SIZE_MAX),
                  .set_kdf = EDN_BUF_INIT(EDN_LINK_SIZE_MAX),
                  .grants = EDN_BUF_INIT(EDN_BOX_SIZE_MAX),
                  .prev_box = EDN_BUF_INIT(EDN_BOX_SIZE_MAX),
                  .root_box = EDN_BUF_INIT(EDN_BOX_SIZE_MAX)};
    edn_status st;

    x.secret = edn_secret_alloc(sizeof *x.secret);
    if (!x.secret)
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    if ((st = edn_passphrase_prepare(passphrase, &prepared, err)) == EDN_OK) {
        x.prepared = edn_buf_view(&prepared);
        st = rotate(&x);
    }
    edn_secret_free(x.secret);
    edn_devlog_free(x.log);
    edn_wipe(x.remote.token, sizeof x.remote.token);
    edn_sync_remote_dispose(&x.remote);
    edn_buf_wipe(&prepared);
    edn_buf_dispose(&x.rotate_aik);
    edn_buf_dispose(&x.rotate);
    edn_buf_dispose(&x.set_kdf);
    edn_buf_dispose(&x.grants);
    edn_buf_dispose(&x.prev_box);
    edn_buf_dispose(&x.root_box);
    return st;
}

edn_status account_rotate(edn_client *c, edn_bytes passphrase, edn_status (*also)(edn_client *c), edn_err *err)
{
    const rotating what = {.c = c, .also = also, .err = err};

    return rotate_for(&what, passphrase);
}

edn_status account_rotate_own_key(edn_client *c, edn_bytes passphrase, edn_err *err)
{
    const rotating what = {.c = c, .own_key = true, .err = err};

    return rotate_for(&what, passphrase);
}

edn_status edn_client_devices_revoke(edn_client *c, const char *const *devices, size_t n, bool guests,
                                     edn_bytes passphrase, edn_err *err)
{
    const rotating what = {.c = c, .what = devices, .what_n = n, .guests = guests, .err = err};

    if (n > EDN_DEVICES_MAX)
        return edn_fail(err, EDN_E_LIMIT, "an account has at most %u devices", EDN_DEVICES_MAX);
    for (size_t i = 0; i < n; i++)
        if (!devices[i])
            n = 0;
    return n ? rotate_for(&what, passphrase) : edn_fail(err, EDN_E_INVALID, "say which device");
}

edn_status edn_client_device_revoke(edn_client *c, const char *device, edn_bytes passphrase, edn_err *err)
{
    return edn_client_devices_revoke(c, &device, 1, false, passphrase, err);
}
