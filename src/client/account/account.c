/* Making an account, making it known to a server, and joining it from a new device. */
#include "client/client_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <utf8proc.h>

#include "client/sharing/space.h"
#include "client/account/twin.h"

/* ---- names ------------------------------------------------------------------------------------------------------- */

edn_status account_name_prepare(const char *name, char out[ACCOUNT_NAME_SIZE], edn_err *err)
{
    utf8proc_uint8_t *folded = NULL;
    edn_bytes s;
    size_t n;

    if (!name)
        return edn_fail(err, EDN_E_INVALID, "the server needs a name to find your account by: --name NAME");
    if (edn_utf8_check(edn_bytes_str(name), NULL) != strlen(name))
        return edn_fail(err, EDN_E_UTF8, "the account's name is not UTF-8");
    if (utf8proc_map((const utf8proc_uint8_t *)name, 0, &folded,
                     UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD) < 0)
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    s = edn_bytes_str((char *)folded);
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = edn_bytes_of(s.p + 1, s.n - 1);
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    n = s.n;
    if (n > 0 && n <= 256) {
        memcpy(out, s.p, n);
        out[n] = 0;
    }
    free(folded);
    if (n == 0 || n > 256)
        return edn_fail(err, EDN_E_INVALID, "an account's name has 1 to 256 bytes");
    return EDN_OK;
}

edn_hash account_name_hash(const identity *id) { return edn_account_name_hash(edn_bytes_str(id->name)); }

/* ---- talking to the server before there is a sync ---------------------------------------------------------------- */

edn_status http_status_fail(const edn_http_answer *a, const char *origin, edn_err *err)
{
    switch (a->status) {
    case 401:
    case 403:
        return edn_fail(err, EDN_E_DENIED, "%s: the server did not accept this login", origin);
    case 429:
    case 503:
        return edn_fail(err, EDN_E_RATE, "%s: the server is busy or saw too many attempts; try again in %u s", origin,
                        a->retry_after_s ? a->retry_after_s : 60);
    case 409:
        return edn_fail(err, EDN_E_CONFLICT, "%s: something changed there at the same moment; try again", origin);
    case 413:
    case 507:
        return edn_fail(err, EDN_E_FULL, "%s: the server has no more room for this account", origin);
    default:
        return edn_fail(err, EDN_E_SERVER,
                        "%s: unexpected answer (HTTP %d); is this an EDN server, or a proxy's login page?", origin,
                        a->status);
    }
}

static edn_status bad_answer(const char *origin, edn_err *err)
{
    return edn_fail(err, EDN_E_SERVER, "%s: the answer is not of the EDN protocol; is this an EDN server?", origin);
}

/* An answer that was decoded, or why it was not. */
static edn_status decoded(edn_status st, const char *origin, edn_err *err)
{
    if (st == EDN_E_NOMEM)
        return edn_fail(err, st, "out of memory");
    return st == EDN_OK ? EDN_OK : bad_answer(origin, err);
}

/* One request whose answer must be 200 or 201; the body is appended to `body`. */
edn_status account_call(edn_client *c, const char *origin, const char *path, const char *bearer, edn_bytes rq,
                        edn_buf *body, int *http_status, edn_err *err)
{
    const edn_transport *t;
    edn_http_answer a = {.body = EDN_BUF_INIT(EDN_PULL_SIZE_MAX)};
    edn_status st = client_transport(c, origin, &t, err);

    if (st == EDN_OK)
        st = client_exchange(c, t, path, bearer, rq, &a, err);
    if (st == EDN_OK) {
        if (http_status)
            *http_status = a.status;
        edn_put_bytes(body, a.body.p, a.body.n);
        st = edn_buf_status(body);
        if (st == EDN_OK && a.status != 200 && a.status != 201)
            st = http_status_fail(&a, origin, err);
    }
    edn_buf_wipe(&a.body); /* it may hold a token */
    return st;
}

edn_status account_pin_server(edn_client *c, const char *origin, edn_sign_pk *receipt_pk, edn_err *err)
{
    edn_buf body = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_arena a = edn_arena_init(1 << 16);
    edn_msg_server_info info;
    edn_status st = account_call(c, origin, "/v1/server", NULL, EDN_BYTES_EMPTY, &body, NULL, err);

    if (st == EDN_OK)
        st = decoded(edn_server_info_decode(&a, edn_buf_view(&body), &info), origin, err);
    if (st == EDN_OK && !edn_bytes_equal(info.origin, edn_bytes_str(origin)))
        st = edn_fail(err, EDN_E_SERVER,
                      "%s: the server calls itself %.*s; use that name, or have its operator set it (--origin)", origin,
                      (int)EDN_MIN(info.origin.n, (size_t)200), (const char *)info.origin.p);
    if (st == EDN_OK)
        *receipt_pk = info.receipt_pk;
    edn_arena_dispose(&a);
    edn_buf_dispose(&body);
    return st;
}

/* The same with a request that was put together. */
static edn_status call_put(edn_client *c, const char *origin, const char *path, const char *bearer, const edn_buf *rq,
                           edn_buf *body, edn_err *err)
{
    if (edn_buf_status(rq) != EDN_OK)
        return edn_fail(err, edn_buf_status(rq), "out of memory");
    return account_call(c, origin, path, bearer, edn_buf_view(rq), body, NULL, err);
}

/* A request whose effect is not known when its answer is lost: it is sent once more, and says then that it was done. */
static edn_status call_twice(edn_client *c, const char *origin, const char *path, const char *bearer, edn_bytes rq,
                             edn_buf *body, edn_err *err)
{
    edn_status st = account_call(c, origin, path, bearer, rq, body, NULL, err);

    if (st != EDN_E_NETWORK)
        return st;
    edn_buf_reset(body);
    return account_call(c, origin, path, bearer, rq, body, NULL, err);
}

/* Whether an answer says that the log there is exactly this. */
static bool log_state_is(edn_bytes body, uint64_t count, const edn_hash *head)
{
    edn_arena a = edn_arena_init(4096);
    edn_msg_log_state state;
    bool is = edn_log_state_decode(&a, body, &state) == EDN_OK && state.count == count &&
              memcmp(state.head.b, head->b, sizeof head->b) == 0;

    edn_arena_dispose(&a);
    return is;
}

edn_status account_log_heard(edn_status st, const char *origin, edn_bytes body, uint64_t count, const edn_hash *head,
                             edn_err *err)
{
    if ((st == EDN_OK || st == EDN_E_CONFLICT) && log_state_is(body, count, head))
        return EDN_OK;
    return st == EDN_OK ? edn_fail(err, EDN_E_SERVER,
                                   "%s: the answer is not of the EDN protocol (does the network ask for a login in a "
                                   "browser first?), so it is not known whether this was done: the next sync tells",
                                   origin)
                        : st;
}

edn_status account_log_append(edn_client *c, const char *origin, const char *token, edn_bytes link,
                              const edn_bytes *boxes, size_t boxes_n, edn_err *err)
{
    edn_buf rq = EDN_BUF_INIT((size_t)4 << 20), body = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_msg_log_append msg = {&link, 1, (edn_bytes *)(uintptr_t)boxes, boxes_n}; /* a put only reads */
    edn_link_info info;
    edn_hash hash = edn_link_hash(link);
    edn_status st = edn_link_peek(link, &info);

    if (st == EDN_OK) {
        edn_log_append_put(&rq, &msg);
        st = edn_buf_status(&rq);
    }
    if (st == EDN_OK)
        st = call_twice(c, origin, "/v1/log", token, edn_buf_view(&rq), &body, err);
    st = account_log_heard(st, origin, edn_buf_view(&body), info.seq + 1, &hash, err);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&body);
    return st;
}

/* A row visitor that gathers borrowed copies into a list. */
typedef struct gather {
    edn_arena *a;
    edn_bytes *list;
    size_t n, cap;
} gather;

static edn_status gather_row(void *ctx, edn_bytes key, edn_status st, edn_bytes value)
{
    gather *g = ctx;

    (void)key;
    if (st != EDN_OK)
        return st;
    if (g->n == g->cap) {
        size_t cap = g->cap ? 2 * g->cap : 64;
        edn_bytes *list = edn_arena_calloc(g->a, cap, sizeof *list);
        if (!list)
            return EDN_E_NOMEM;
        if (g->n)
            memcpy(list, g->list, g->n * sizeof *list);
        g->list = list;
        g->cap = cap;
    }
    return edn_arena_copy(g->a, value, &g->list[g->n++]) ? EDN_OK : EDN_E_NOMEM;
}

/* Makes the account known: the whole log and every box that it names. Known already in exactly this state is
 * success. */
static edn_status register_account(edn_client *c, edn_err *err)
{
    const identity *id = client_id(c);
    edn_arena a = edn_arena_init((size_t)64 << 20);
    edn_buf rq = EDN_BUF_INIT(EDN_PULL_SIZE_MAX), body = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    gather links = {.a = &a}, boxes = {.a = &a};
    edn_hash head = edn_devlog_head(c->log);
    edn_msg_account msg = {.name_hash = account_name_hash(id)};
    edn_status st;

    if ((st = edn_store_scan(c->store, EDN_TABLE_LINK, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, gather_row, &links)) !=
            EDN_OK ||
        (st = edn_store_scan(c->store, EDN_TABLE_BOX, EDN_BYTES_EMPTY, EDN_BYTES_EMPTY, false, gather_row, &boxes)) !=
            EDN_OK) {
        client_fail(c, st, err);
        goto out;
    }
    msg.links = links.list;
    msg.links_n = links.n;
    msg.boxes = boxes.list;
    msg.boxes_n = boxes.n;
    edn_account_put(&rq, &msg);
    if ((st = edn_buf_status(&rq)) != EDN_OK)
        goto out;
    st = call_twice(c, id->server, "/v1/accounts", NULL, edn_buf_view(&rq), &body, err);
    st = account_log_heard(st, id->server, edn_buf_view(&body), edn_devlog_count(c->log), &head, err);
    if (st == EDN_E_CONFLICT)
        st = edn_fail(err, EDN_E_EXISTS, "%s: the name \"%s\" is taken; choose another with --name", id->server,
                      id->name);
out:
    edn_buf_dispose(&rq);
    edn_buf_dispose(&body);
    edn_arena_dispose(&a);
    return st;
}

/* ---- writing a new home down ------------------------------------------------------------------------------------- */

/* What follows from a device's keys and name. */
static void make_cert(enrolment *e)
{
    edn_sign_pk pk;

    edn_sign_keypair(e->id.sign_seed.b, &pk, &e->id.sign_sk);
    e->cert.sign = pk;
    edn_dh_keypair(&e->id.enc_sk, &e->cert.enc);
    e->cert.caps = EDN_CAP_READ | EDN_CAP_WRITE | EDN_CAP_ADMIN;
    e->cert.name_hash = edn_h32_t(EDN_LABEL_DEVNAME, edn_bytes_str(e->id.device_name));
    e->id.device = edn_device_id_of(&e->cert.sign, &e->cert.enc);
}

void account_new_cert(edn_client *c, enrolment *e, const char *device_name)
{
    client_random(c, e->id.sign_seed.b, sizeof e->id.sign_seed.b);
    client_random(c, e->id.enc_sk.b, sizeof e->id.enc_sk.b);
    client_random(c, e->ldk.b, sizeof e->ldk.b);
    memcpy(e->id.device_name, device_name, strlen(device_name) + 1);
    make_cert(e);
}

void account_kept_cert(edn_client *c, enrolment *e)
{
    const identity *kept = client_id(c);

    e->ldk = c->secret->ldk;
    e->id.sign_seed = kept->sign_seed;
    e->id.enc_sk = kept->enc_sk;
    memcpy(e->id.device_name, kept->device_name, sizeof e->id.device_name);
    make_cert(e);
}

edn_status account_grant_to_self(edn_client *c, const enrolment *e, const edn_account_id *account, uint64_t link_seq,
                                 const edn_hash *prev, edn_buf *out)
{
    edn_grant_context cx = {.account = *account,
                            .recipient = e->id.device,
                            .epoch = e->epoch,
                            .purpose = EDN_GRANT_ROOT,
                            .link_seq = link_seq,
                            .prev = *prev};
    edn_grant g = {.recipient = e->id.device};
    edn_status st = edn_grant_seal(g.b, &cx, &e->cert.enc, &e->rk, NULL, EDN_BYTES_EMPTY, &c->random);

    return st == EDN_OK ? edn_grants_encode(out, &g, 1) : st;
}

/* Whose home it is, and what opens it. The store of a shared journal is opened by its parent, and tells nobody else
 * whose it is. */
static edn_status write_own(edn_client *c, const enrolment *e, edn_bytes slot)
{
    uint8_t device[48];
    edn_status st;

    if (client_is_shared(c))
        return identity_save(c, &e->id);
    memcpy(device, e->id.device.b, 16);
    memcpy(device + 16, e->id.account.b, 32);
    if ((st = edn_store_put(c->store, EDN_TABLE_OPEN, edn_bytes_str("device"), edn_bytes_of(device, sizeof device))) !=
            EDN_OK ||
        (st = edn_store_put(c->store, EDN_TABLE_OPEN, edn_bytes_str("slot"), slot)) != EDN_OK)
        return st;
    return identity_save(c, &e->id);
}

/* The rows of a new home, in one transaction. No slot: who it is stands there already. */
static edn_status write_rows(edn_client *c, const enrolment *e, edn_bytes slot, const edn_bytes *links, size_t links_n,
                             const edn_bytes *boxes, size_t boxes_n)
{
    edn_status st = slot.n || client_is_shared(c) ? write_own(c, e, slot) : EDN_OK;

    if (st != EDN_OK || (st = keys_root_save(c, e->epoch, &e->rk)) != EDN_OK)
        return st;
    for (size_t i = 0; st == EDN_OK && i < links_n; i++)
        st = log_save_link(c, i, links[i]);
    for (size_t i = 0; st == EDN_OK && i < boxes_n; i++)
        st = box_save(c, boxes[i]);
    return st;
}

edn_status account_home_is_free(edn_client *c, edn_err *err)
{
    bool begun;
    edn_status st = begun_find(c, BEGUN_LOGIN, &begun, err);

    if (st == EDN_OK && begun)
        st = edn_fail(err, EDN_E_EXISTS,
                      "%s: 'edn login' was begun here and is not finished; run that again, or remove the folder",
                      c->home);
    return st;
}

void account_unmake_home(edn_client *c)
{
    edn_client_lock(c);
    edn_store_close(c->store);
    c->store = NULL;
    edn_store_remove(c->home, c->vfs);
}

/* Opens a new store for `c`, begins the transaction that fills it, and unlocks it in that: so a store has a key when it
 * is somebody's, and what power or memory left of an earlier beginning is nobody's. Another process may have been
 * quicker since begun_find: then it holds something, and is not ours to take away. */
static edn_status make_home(edn_client *c, const enrolment *e, edn_err *err)
{
    edn_store_options so = {.vfs = c->vfs, .create = true};
    edn_status st = edn_store_open(c->home, &so, &c->store, err);

    if (st != EDN_OK || (st = edn_store_begin_write(c->store)) != EDN_OK)
        return client_fail(c, st, err);
    st = client_unlock_new_store(c, &e->ldk);
    c->device = e->id.device;
    if (st == EDN_OK)
        return EDN_OK;
    edn_store_rollback(c->store);
    if (st == EDN_E_EXISTS)
        return home_taken(c, err);
    client_fail(c, st, err);
    account_unmake_home(c);
    return st;
}

static edn_status home_rows(edn_client *c, const enrolment *e, const new_home *h)
{
    edn_status st;

    if ((st = write_rows(c, e, h->slot, h->links, h->links_n, h->boxes, h->boxes_n)) != EDN_OK ||
        (st = client_refresh(c)) != EDN_OK || (h->remote && (st = remote_save(c, h->remote)) != EDN_OK) ||
        (e->id.device_name[0] && (st = device_name_set(c, e->id.device_name)) != EDN_OK) ||
        (st = log_told_save(c, h->links_n)) != EDN_OK ||
        (h->claims_n && (st = claims_save(c, h->claims, h->claims_n)) != EDN_OK) ||
        (h->recovered && ((st = meta_del(c, "recovering", EDN_BYTES_EMPTY)) != EDN_OK ||
                          (st = meta_put(c, "lost", EDN_BYTES_EMPTY, h->lost)) != EDN_OK ||
                          (st = account_key_say(c, h->key_seq, e->id.account_key.b)) != EDN_OK)) ||
        (st = h->begun == BEGUN_NOT ? begun_unmark(c) : begun_mark(c, h->begun)) != EDN_OK)
        return st;
    if (!h->first)
        return EDN_OK;
    return journal_create(c, &client_id(c)->journal, h->journal_name.n ? h->journal_name : edn_bytes_str("Diary"));
}

edn_status account_write_home(edn_client *c, const enrolment *e, const new_home *h, edn_err *err)
{
    edn_status st = make_home(c, e, err);

    if (st == EDN_OK && (st = client_end_write(c, home_rows(c, e, h), err)) != EDN_OK)
        account_unmake_home(c);
    return st;
}

edn_status account_begin_home(edn_client *c, const enrolment *e, edn_bytes slot, begun_kind kind, edn_bytes recovering,
                              edn_err *err)
{
    edn_status st = make_home(c, e, err);

    if (st != EDN_OK)
        return st;
    if ((st = write_own(c, e, slot)) == EDN_OK && (st = begun_mark(c, kind)) == EDN_OK && recovering.n)
        st = meta_put(c, "recovering", EDN_BYTES_EMPTY, recovering);
    if ((st = client_end_write(c, st, err)) != EDN_OK)
        account_unmake_home(c);
    return st;
}

edn_status account_finish_home(edn_client *c, const enrolment *e, const new_home *h, edn_err *err)
{
    edn_status st = edn_store_begin_write(c->store);

    return st == EDN_OK ? client_end_write(c, home_rows(c, e, h), err) : client_fail(c, st, err);
}

/* ---- init -------------------------------------------------------------------------------------------------------- */

/* Link 0, which makes the account; its id is the hash of this link. */
static edn_status make_genesis(edn_client *c, enrolment *e, edn_devlog *log, edn_buf *link, edn_buf *grants)
{
    static const edn_account_id none;
    static const edn_hash no_hash;
    EDN_SECRET(edn_dh_sk) aek_sk = EDN_KEY_EMPTY;
    edn_dh_pk aek;
    edn_hash grants_hash, id;
    edn_status st;

    /* The account's id is not known before this link is: keys that the link names are derived with zero in its
     * place. */
    edn_aek_of(&aek_sk, &e->rk, &none, 0);
    edn_dh_keypair(&aek_sk, &aek);
    if ((st = account_grant_to_self(c, e, &none, 0, &no_hash, grants)) != EDN_OK)
        return st;
    grants_hash = edn_h32(edn_buf_view(grants));
    st = edn_link_genesis(link, &e->aik, &e->aik_sk, client_now(c), &e->cert, &aek, &grants_hash, &e->id.sign_sk);
    if (st == EDN_OK)
        st = edn_devlog_append(log, edn_buf_view(link));
    if (st == EDN_OK) {
        id = edn_link_hash(edn_buf_view(link));
        memcpy(e->id.account.b, id.b, sizeof id.b);
    }
    return st;
}

edn_status account_make_kdf(edn_client *c, const identity *id, const edn_devlog *log, edn_bytes prepared,
                            edn_kdf_profile profile, const edn_root_secret *secret, edn_kdf_record *record,
                            edn_buf *root_box, edn_buf *link)
{
    EDN_SECRET(edn_wrap_key) wrap = EDN_KEY_EMPTY;
    EDN_SECRET(edn_seed) login_seed = EDN_KEY_EMPTY;
    EDN_SECRET(edn_sign_sk) login_sk = EDN_KEY_EMPTY;
    edn_sign_pk login_pk;
    edn_hash kdf_hash, box_hash;
    edn_link_signer by = {&id->device, &id->sign_sk, client_now(c)};
    uint8_t salt[16];
    edn_status st;

    client_random(c, salt, sizeof salt);
    edn_kdf_record_make(record, profile, id->has_account_key, salt);
    st = edn_unlock_keys(prepared, id->has_account_key ? &id->account_key : NULL, &id->account, record, &wrap,
                         &login_seed);
    if (st != EDN_OK)
        return st;
    edn_sign_keypair(login_seed.b, &login_pk, &login_sk);
    st = edn_root_box_seal(root_box, &wrap, &id->account, edn_devlog_epoch(log), record, secret, &c->random);
    if (st != EDN_OK)
        return st;
    kdf_hash = edn_h32(EDN_F(*record));
    box_hash = edn_h32(edn_buf_view(root_box));
    return edn_link_set_kdf(link, log, &by, &kdf_hash, &box_hash, &login_pk);
}

void account_root_secret(edn_root_secret *out, const edn_seed *aik_seed, const edn_root_key *rk, const edn_devlog *log)
{
    const edn_pin *pins;
    size_t n = edn_devlog_checkpoint(log, &pins);

    out->aik_seed = *aik_seed;
    out->root = *rk;
    out->sc_seq = edn_devlog_count(log) - 1;
    out->sc_head = edn_devlog_head(log);
    out->pins_hash = edn_pins_hash(pins, n);
}

static edn_status init_links(edn_client *c, enrolment *e, const edn_init_options *o, edn_bytes prepared,
                             edn_buf *genesis, edn_buf *set_kdf, edn_buf *grants, edn_buf *root_box)
{
    EDN_SECRET(edn_root_secret) secret = {.sc_seq = 0};
    edn_devlog *log = NULL;
    edn_status st;

    client_random(c, e->aik_seed.b, sizeof e->aik_seed.b);
    client_random(c, e->rk.b, sizeof e->rk.b);
    client_random(c, e->id.account_key.b, sizeof e->id.account_key.b);
    e->id.has_account_key = !o->no_account_key;
    edn_sign_keypair(e->aik_seed.b, &e->aik, &e->aik_sk);
    account_new_cert(c, e, o->device_name ? o->device_name : "device");
    if ((st = edn_devlog_new(&log)) == EDN_OK && (st = make_genesis(c, e, log, genesis, grants)) == EDN_OK) {
        account_root_secret(&secret, &e->aik_seed, &e->rk, log);
        st = account_make_kdf(c, &e->id, log, prepared,
                              (edn_kdf_profile)(o->strength ? (int)o->strength : EDN_KDF_DEFAULT), &secret, &e->record,
                              root_box, set_kdf);
    }
    edn_devlog_free(log);
    return st;
}

/* Makes the account known to the server that the identity names, and pins the server. Inside the caller's
 * transaction. */
static edn_status connect_server(edn_client *c, const edn_sign_pk *receipt_pk, edn_err *err)
{
    edn_sync_remote remote = {.receipt_pk = *receipt_pk, .origin = client_id(c)->server};
    edn_status st = register_account(c, err);

    return st == EDN_OK ? remote_save(c, &remote) : st;
}

/* The server hears of an account that is in its home already. */
static edn_status init_finish(edn_client *c, edn_err *err)
{
    edn_status st = client_begin_read(c, err);

    if (st == EDN_OK)
        st = client_end_read(c, register_account(c, err), err);
    if (begun_is_over(st)) {
        account_unmake_home(c);
        return st;
    }
    if (st == EDN_OK && (st = client_begin_write(c, err)) == EDN_OK)
        st = client_end_write(c, begun_unmark(c), err);
    return st == EDN_OK ? EDN_OK : begun_keep(c, st, err);
}

static void init_tell_key(edn_client *c, char account_key[EDN_ACCOUNT_KEY_TEXT_MAX])
{
    if (client_id(c)->has_account_key)
        edn_account_key_text(account_key, &client_id(c)->account_key);
}

edn_status edn_client_init(const edn_client_options *options, const edn_init_options *o, edn_bytes passphrase,
                           char account_key[EDN_ACCOUNT_KEY_TEXT_MAX], edn_client **out, edn_err *err)
{
    edn_buf prepared = EDN_BUF_INIT(16384), genesis = EDN_BUF_INIT(65536), set_kdf = EDN_BUF_INIT(65536);
    edn_buf grants = EDN_BUF_INIT(65536), root_box = EDN_BUF_INIT(65536), slot = EDN_BUF_INIT(4096);
    edn_sign_pk receipt_pk = {{0}};
    enrolment *e = NULL;
    bool begun = false;
    edn_client *c = NULL;
    edn_status st;

    *out = NULL;
    if (err)
        *err = (edn_err){EDN_OK, ""};
    memset(account_key, 0, EDN_ACCOUNT_KEY_TEXT_MAX);
    if ((st = client_new(options, &c, err)) != EDN_OK)
        return st;
    e = edn_secret_alloc(sizeof *e);
    if (!e) {
        st = edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
        goto out;
    }
    memset(e, 0, sizeof *e);
    if ((st = begun_find(c, BEGUN_INIT, &begun, err)) != EDN_OK ||
        (st = device_name_check(o->device_name, err)) != EDN_OK ||
        (st = edn_passphrase_prepare(passphrase, &prepared, err)) != EDN_OK)
        goto out;
    /* Whether the server is there at all is asked before the costly part. */
    if (o->server && ((st = edn_origin_normalise(o->server, e->id.server, err)) != EDN_OK ||
                      (st = account_name_prepare(o->name, e->id.name, err)) != EDN_OK ||
                      (st = account_pin_server(c, e->id.server, &receipt_pk, err)) != EDN_OK))
        goto out;
    if (begun) {
        if ((st = begun_open(c, e->id.server, e->id.name, passphrase, err)) == EDN_OK &&
            (st = init_finish(c, err)) == EDN_OK)
            init_tell_key(c, account_key);
        goto out;
    }
    if ((st = init_links(c, e, o, edn_buf_view(&prepared), &genesis, &set_kdf, &grants, &root_box)) != EDN_OK ||
        (st = edn_slot_seal(&slot, edn_buf_view(&prepared),
                            (edn_kdf_profile)(o->strength ? (int)o->strength : EDN_KDF_DEFAULT), &e->id.device, &e->ldk,
                            &c->random)) != EDN_OK) {
        client_fail(c, st, err);
        goto out;
    }
    const edn_bytes links[] = {edn_buf_view(&genesis), edn_buf_view(&set_kdf)};
    const edn_bytes boxes[] = {edn_buf_view(&grants), edn_buf_view(&root_box), EDN_F(e->record)};
    const edn_sync_remote remote = {.origin = e->id.server, .receipt_pk = receipt_pk};
    const new_home home = {.slot = edn_buf_view(&slot),
                           .links = links,
                           .links_n = EDN_COUNT(links),
                           .boxes = boxes,
                           .boxes_n = EDN_COUNT(boxes),
                           .remote = o->server ? &remote : NULL,
                           .begun = o->server ? BEGUN_INIT : BEGUN_NOT,
                           .first = true};
    if ((st = account_write_home(c, e, &home, err)) != EDN_OK)
        goto out;
    if (o->server)
        st = init_finish(c, err);
    if (st == EDN_OK)
        init_tell_key(c, account_key);
out:
    edn_secret_free(e);
    edn_buf_wipe(&prepared);
    edn_buf_dispose(&genesis);
    edn_buf_dispose(&set_kdf);
    edn_buf_dispose(&grants);
    edn_buf_dispose(&root_box);
    edn_buf_dispose(&slot);
    client_fail(c, st, err);
    if (st == EDN_OK)
        *out = c;
    else
        edn_client_close(c);
    return st;
}

/* Whether a server of this origin and name may be set: the first one, or, again, the one there is. */
static edn_status may_set_server(const edn_client *c, const char *origin, const char *name, bool *again, edn_err *err)
{
    const identity *id = client_id(c);

    *again = strcmp(id->server, origin) == 0 && strcmp(id->name, name) == 0;
    if (id->server[0] && !*again)
        return edn_fail(err, EDN_E_EXISTS, "this diary has a server already: %s, which knows it as \"%s\"", id->server,
                        id->name);
    return EDN_OK;
}

/* The same server under another key, as its owner says: what its old key signed counts no longer. */
static edn_status pin_server_again(edn_client *c, const edn_sign_pk *receipt_pk)
{
    const edn_sync_remote remote = {.receipt_pk = *receipt_pk, .origin = client_id(c)->server};

    return remote_save(c, &remote);
}

edn_status edn_client_server_set(edn_client *c, const char *server, const char *name, edn_err *err)
{
    char origin[EDN_ORIGIN_SIZE_MAX + 1] = "", prepared[ACCOUNT_NAME_SIZE] = "";
    edn_sign_pk receipt_pk;
    bool again;
    edn_status st;

    if ((st = edn_origin_normalise(server, origin, err)) != EDN_OK ||
        (st = account_name_prepare(name, prepared, err)) != EDN_OK || (st = client_begin_read(c, err)) != EDN_OK ||
        (st = client_end_read(c, may_set_server(c, origin, prepared, &again, err), err)) != EDN_OK ||
        (st = account_pin_server(c, origin, &receipt_pk, err)) != EDN_OK || (st = client_begin_write(c, err)) != EDN_OK)
        return st;
    /* What a failed transaction leaves in memory is read again by the next one. */
    st = may_set_server(c, origin, prepared, &again, err);
    if (st == EDN_OK && again) {
        st = pin_server_again(c, &receipt_pk);
    } else if (st == EDN_OK) {
        identity *id = &c->secret->id;
        memcpy(id->server, origin, sizeof id->server);
        memcpy(id->name, prepared, sizeof id->name);
        if ((st = identity_save(c, id)) == EDN_OK)
            st = connect_server(c, &receipt_pk, err);
    }
    return client_end_write(c, st, err);
}

/* ---- login ------------------------------------------------------------------------------------------------------- */

edn_status account_challenge(edn_client *c, const identity *id, const edn_msg_challenge_ask *ask, edn_arena *a,
                             edn_msg_challenge *out, edn_err *err)
{
    edn_buf rq = EDN_BUF_INIT(4096), body = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_bytes kept = EDN_BYTES_EMPTY;
    edn_status st;

    edn_challenge_ask_put(&rq, ask);
    st = call_put(c, id->server, "/v1/challenge", NULL, &rq, &body, err);
    if (st == EDN_OK)
        st = decoded(edn_arena_copy(a, edn_buf_view(&body), &kept) ? edn_challenge_decode(a, kept, out) : EDN_E_NOMEM,
                     id->server, err);
    if (st == EDN_OK && !edn_bytes_equal(out->origin, edn_bytes_str(id->server)))
        st = edn_fail(err, EDN_E_AUTH, "%s: the login is meant for another server; somebody may stand in between",
                      id->server);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&body);
    return st;
}

static edn_status join_challenge(edn_client *c, joining *j, edn_bytes prepared, const uint8_t client_nonce[32],
                                 edn_msg_challenge *ch, edn_arena *a, edn_seed *login_seed, edn_err *err)
{
    identity *id = &j->e->id;
    edn_msg_challenge_ask ask = {.kind = EDN_LOGIN_PASSPHRASE, .name_hash = account_name_hash(id)};
    edn_status st;

    memcpy(ask.client_nonce, client_nonce, 32);
    if ((st = account_challenge(c, id, &ask, a, ch, err)) == EDN_OK) {
        id->account = ch->account;
        memcpy(j->e->record.b, ch->kdf_record, sizeof j->e->record.b);
        if (edn_kdf_record_check(&j->e->record, EDN_KDF_FLOOR) != EDN_OK)
            st = edn_fail(err, EDN_E_KDF,
                          "%s: the server offers a passphrase strength outside the safe range; do not trust it",
                          id->server);
    }
    if (st == EDN_OK && edn_kdf_record_uses_account_key(&j->e->record) && !id->has_account_key)
        st = edn_fail(err, EDN_E_PASSPHRASE,
                      "this account needs its account key too; it stands on the emergency sheet");
    if (st == EDN_OK)
        st = edn_unlock_keys(prepared, edn_kdf_record_uses_account_key(&j->e->record) ? &id->account_key : NULL,
                             &id->account, &j->e->record, &j->wrap, login_seed);
    return st;
}

edn_status account_sign_in(edn_client *c, const identity *id, const edn_msg_challenge *ch, edn_msg_login *login,
                           const edn_sign_sk *sk, char token[EDN_TOKEN_SIZE_MAX + 1], edn_err *err)
{
    const edn_transport *t;
    edn_arena a = edn_arena_init(1 << 20);
    edn_buf rq = EDN_BUF_INIT(4096), body = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_login_message m = {0};
    edn_msg_token got;
    edn_status st;

    if ((st = client_transport(c, id->server, &t, err)) != EDN_OK)
        return st;
    if (!t->channel_binding || !t->channel_binding(t->ctx, login->channel_binding))
        memset(login->channel_binding, 0, sizeof login->channel_binding);
    login->account = id->account;
    login->server_time = ch->server_time;
    memcpy(login->server_nonce, ch->server_nonce, sizeof login->server_nonce);
    m.origin = ch->origin;
    m.account = id->account;
    m.device = login->device;
    m.server_time = ch->server_time;
    memcpy(m.client_nonce, login->client_nonce, 32);
    memcpy(m.server_nonce, login->server_nonce, 32);
    memcpy(m.channel_binding, login->channel_binding, 32);
    edn_login_sign(&login->sig, &m, sk);
    edn_login_put(&rq, login);
    st = call_put(c, id->server, "/v1/login", NULL, &rq, &body, err);
    if (st == EDN_OK)
        st = decoded(edn_token_decode(&a, edn_buf_view(&body), &got), id->server, err);
    if (st == EDN_OK && got.token.n > EDN_TOKEN_SIZE_MAX)
        st = bad_answer(id->server, err);
    if (st == EDN_OK) {
        memcpy(token, got.token.p, got.token.n);
        token[got.token.n] = 0;
    }
    edn_buf_dispose(&rq);
    edn_buf_wipe(&body); /* the token */
    edn_arena_dispose(&a);
    return st;
}

static edn_status join_login(edn_client *c, joining *j, edn_bytes prepared, edn_err *err)
{
    EDN_SECRET(edn_seed) login_seed = EDN_KEY_EMPTY;
    EDN_SECRET(edn_sign_sk) login_sk = EDN_KEY_EMPTY;
    identity *id = &j->e->id;
    edn_arena a = edn_arena_init(1 << 20);
    edn_msg_challenge ch;
    edn_msg_login login = {.kind = EDN_LOGIN_PASSPHRASE};
    edn_sign_pk pk;
    edn_status st;

    client_random(c, login.client_nonce, sizeof login.client_nonce);
    if ((st = join_challenge(c, j, prepared, login.client_nonce, &ch, &a, &login_seed, err)) == EDN_OK) {
        edn_sign_keypair(login_seed.b, &pk, &login_sk);
        st = account_sign_in(c, id, &ch, &login, &login_sk, j->token, err);
        if (st == EDN_E_DENIED)
            st = edn_fail(err, EDN_E_PASSPHRASE,
                          "%s: name, passphrase or account key is wrong (the server does not tell which)", id->server);
    }
    edn_arena_dispose(&a);
    return st;
}

edn_status account_keep_link(edn_arena *a, edn_bytes **links, size_t *n, size_t *cap, edn_bytes link)
{
    if (*n == *cap) {
        size_t more = *cap ? 2 * *cap : 64;
        edn_bytes *list = edn_arena_calloc(a, more, sizeof *list);
        if (!list)
            return EDN_E_NOMEM;
        if (*n)
            memcpy(list, *links, *n * sizeof *list);
        *links = list;
        *cap = more;
    }
    if (!edn_arena_copy(a, link, &(*links)[*n]))
        return EDN_E_NOMEM;
    ++*n;
    return EDN_OK;
}

static edn_status join_keep_link(joining *j, edn_bytes link)
{
    return account_keep_link(&j->links_arena, &j->links, &j->links_n, &j->links_cap, link);
}

edn_status account_pull_log(edn_client *c, joining *j, edn_err *err)
{
    identity *id = &j->e->id;
    edn_msg_pull pull = {.space = edn_space_personal(&id->account),
                         .log_count = edn_devlog_count(j->log),
                         .heads = j->heads,
                         .heads_n = j->heads_n};
    edn_arena a = edn_arena_init((size_t)32 << 20);
    edn_buf rq = EDN_BUF_INIT(EDN_MSG_SIZE_MAX), body = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_msg_pulled got;
    edn_account_id account;
    edn_status st;

    edn_pull_put(&rq, &pull);
    st = call_put(c, id->server, "/v1/pull", j->token, &rq, &body, err);
    if (st == EDN_OK)
        st = decoded(edn_pulled_decode(&a, edn_buf_view(&body), &got), id->server, err);
    for (size_t i = 0; st == EDN_OK && i < got.links_n; i++) {
        edn_status link = edn_devlog_append(j->log, got.links[i]);
        if (link == EDN_E_NOMEM || (link == EDN_OK && (link = join_keep_link(j, got.links[i])) == EDN_E_NOMEM))
            st = edn_fail(err, link, "out of memory");
        else if (link != EDN_OK)
            st = edn_fail(
                err, link,
                "%s: link %zu of the account's device log is not valid (%s); the server or somebody near it lies",
                id->server, j->links_n, edn_status_name(link));
    }
    if (st == EDN_OK && edn_devlog_count(j->log) == 0)
        st = bad_answer(id->server, err);
    if (st == EDN_OK) {
        account = edn_devlog_account(j->log);
        if (memcmp(account.b, id->account.b, sizeof account.b) != 0)
            st = edn_fail(err, EDN_E_ACCOUNT, "%s: the device log is that of another account; the server lies",
                          id->server);
    }
    edn_buf_dispose(&rq);
    edn_buf_dispose(&body);
    edn_arena_dispose(&a);
    return st;
}

edn_status account_fetch_box(edn_client *c, const char *origin, const char *token, const edn_hash *hash, edn_buf *out,
                             edn_err *err)
{
    edn_msg_box_ask ask = {.hashes = (edn_hash[]){*hash}, .n = 1};
    edn_buf rq = EDN_BUF_INIT(4096), body = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_arena a = edn_arena_init(1 << 16);
    edn_msg_boxes boxes;
    edn_hash got;
    edn_status st;

    edn_box_ask_put(&rq, &ask);
    st = call_put(c, origin, "/v1/box", token, &rq, &body, err);
    if (st == EDN_OK)
        st = decoded(edn_boxes_decode(&a, edn_buf_view(&body), &boxes), origin, err);
    if (st == EDN_OK && boxes.n != 1)
        st = bad_answer(origin, err);
    if (st == EDN_OK) {
        got = edn_h32(boxes.boxes[0]);
        if (memcmp(got.b, hash->b, sizeof got.b) != 0)
            st = edn_fail(err, EDN_E_AUTH,
                          "%s: the server gave another sealed key than the account's log names; do not trust it",
                          origin);
        else
            edn_put_bytes(out, boxes.boxes[0].p, boxes.boxes[0].n);
    }
    edn_buf_dispose(&rq);
    edn_buf_dispose(&body);
    edn_arena_dispose(&a);
    return st == EDN_OK ? edn_buf_status(out) : st;
}

/* Opens the root box and holds everything in it against the log. */
static edn_status join_open_root(edn_client *c, joining *j, edn_err *err)
{
    static const edn_account_id none;
    identity *id = &j->e->id;
    EDN_SECRET(edn_root_secret) secret = {.sc_seq = 0};
    EDN_SECRET(edn_dh_sk) aek_sk = EDN_KEY_EMPTY;
    edn_hash kdf_hash, box_hash, at, record_hash = edn_h32(EDN_F(j->e->record));
    edn_sign_pk login, aik = edn_devlog_aik(j->log);
    edn_dh_pk aek, want = edn_devlog_aek(j->log);
    edn_status st;

    j->e->epoch = edn_devlog_epoch(j->log);
    if (!edn_devlog_kdf(j->log, &kdf_hash, &box_hash, &login) || memcmp(kdf_hash.b, record_hash.b, 32) != 0)
        return edn_fail(err, EDN_E_KDF,
                        "%s: the passphrase record is not the one that the account's log names; do not trust it",
                        id->server);
    if ((st = account_fetch_box(c, id->server, j->token, &box_hash, &j->root_box, err)) != EDN_OK)
        return st;
    if (edn_root_box_open(&j->wrap, &id->account, j->e->epoch, &j->e->record, edn_buf_view(&j->root_box), &secret) !=
        EDN_OK)
        return edn_fail(err, EDN_E_AUTH,
                        "%s: the account's sealed root key does not open; the server may have swapped it", id->server);
    if (!edn_devlog_hash_at(j->log, secret.sc_seq, &at))
        return edn_fail(err, EDN_E_ROLLBACK,
                        "%s: the server shows an older account than the one that was locked with this passphrase",
                        id->server);
    if (memcmp(at.b, secret.sc_head.b, sizeof at.b) != 0)
        return edn_fail(
            err, EDN_E_FORK,
            "%s: the server shows a different account history than the one that was locked with this passphrase",
            id->server);
    j->e->aik_seed = secret.aik_seed;
    j->e->rk = secret.root;
    edn_sign_keypair(j->e->aik_seed.b, &j->e->aik, &j->e->aik_sk);
    edn_aek_of(&aek_sk, &j->e->rk, j->e->epoch == 0 ? &none : &id->account, j->e->epoch);
    edn_dh_keypair(&aek_sk, &aek);
    if (memcmp(j->e->aik.b, aik.b, 32) != 0 || memcmp(aek.b, want.b, 32) != 0)
        return edn_fail(err, EDN_E_KEY_INVALID,
                        "%s: the root key and the account's log do not belong together; do not trust the server",
                        id->server);
    return EDN_OK;
}

/* Adds this device to the log, by the account's own key. Tried again when another device was quicker. */
static edn_status join_add(edn_client *c, joining *j, edn_buf *grants, edn_err *err)
{
    identity *id = &j->e->id;
    edn_link_signer by = {NULL, &j->e->aik_sk, client_now(c)};
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_signature pop;
    edn_hash head = edn_devlog_head(j->log), grants_hash;
    edn_status st;

    edn_buf_reset(grants);
    if ((st = account_grant_to_self(c, j->e, &id->account, edn_devlog_count(j->log), &head, grants)) != EDN_OK)
        return client_fail(c, st, err);
    grants_hash = edn_h32(edn_buf_view(grants));
    edn_link_pop(&pop, j->log, &by, &j->e->aik, &j->e->cert, &id->sign_sk);
    if ((st = edn_link_add_device(&link, j->log, &by, &j->e->cert, &grants_hash, &pop)) == EDN_OK) {
        edn_bytes boxes[] = {edn_buf_view(grants)};
        st = account_log_append(c, id->server, j->token, edn_buf_view(&link), boxes, EDN_COUNT(boxes), err);
    }
    if (st == EDN_OK && (st = edn_devlog_append(j->log, edn_buf_view(&link))) == EDN_OK)
        st = join_keep_link(j, edn_buf_view(&link));
    edn_buf_dispose(&link);
    return st;
}

/* The grant that this device was given by a link which an earlier try left at the server. */
static edn_status join_found(edn_client *c, joining *j, const edn_device *d, edn_buf *grants, edn_err *err)
{
    edn_hash hashes[EDN_LINK_BOXES_MAX];
    size_t n = 0;
    edn_status st;

    if (!edn_device_active(d))
        return edn_fail(err, EDN_E_DENIED, "this device was added and has been revoked since; begin again");
    st = d->added_seq < j->links_n ? edn_link_boxes(j->links[d->added_seq], hashes, &n) : EDN_E_FORMAT;
    if (st != EDN_OK || n == 0)
        return bad_answer(j->e->id.server, err);
    edn_buf_reset(grants);
    return account_fetch_box(c, j->e->id.server, j->token, &hashes[0], grants, err);
}

static edn_status join_enrol(edn_client *c, joining *j, edn_buf *grants, edn_err *err)
{
    const edn_device *d;
    edn_status st = EDN_OK;

    for (int tries = 0; tries < 5; tries++) {
        if ((d = edn_devlog_device_find(j->log, &j->e->id.device)) != NULL)
            return join_found(c, j, d, grants, err);
        st = join_add(c, j, grants, err);
        if (st != EDN_E_CONFLICT)
            return st;
        if ((st = account_pull_log(c, j, err)) != EDN_OK)
            return st;
        st = EDN_E_CONFLICT;
    }
    return st;
}

/* The keys of a login that was begun before. */
static edn_status join_resume(edn_client *c, joining *j, edn_bytes passphrase, edn_account_id *account, edn_err *err)
{
    const identity *id = &j->e->id;
    edn_status st = begun_open(c, id->server, id->name, passphrase, err);

    if (st != EDN_OK)
        return st;
    *account = client_id(c)->account;
    account_kept_cert(c, j->e);
    return EDN_OK;
}

/* This device's keys go into its home before the server hears of them. */
static edn_status join_begin(edn_client *c, joining *j, const edn_login_options *o, edn_bytes prepared, edn_err *err)
{
    edn_buf slot = EDN_BUF_INIT(4096);
    edn_status st;

    account_new_cert(c, j->e, o->device_name ? o->device_name : "device");
    st = edn_slot_seal(&slot, prepared, (edn_kdf_profile)(o->strength ? (int)o->strength : EDN_KDF_DEFAULT),
                       &j->e->id.device, &j->e->ldk, &c->random);
    st = st == EDN_OK ? account_begin_home(c, j->e, edn_buf_view(&slot), BEGUN_LOGIN, EDN_BYTES_EMPTY, err)
                      : client_fail(c, st, err);
    edn_buf_dispose(&slot);
    return st;
}

/* Who joins, and where. */
static edn_status join_read(edn_client *c, joining *j, const edn_login_options *o, bool *begun, edn_err *err)
{
    identity *id = &j->e->id;
    edn_status st;

    if ((st = begun_find(c, BEGUN_LOGIN, begun, err)) != EDN_OK ||
        (st = device_name_check(o->device_name, err)) != EDN_OK ||
        (st = edn_origin_normalise(o->server, id->server, err)) != EDN_OK ||
        (st = account_name_prepare(o->name, id->name, err)) != EDN_OK)
        return st;
    id->has_account_key = o->account_key.n > 0;
    if (id->has_account_key && edn_account_key_parse(o->account_key, &id->account_key) != EDN_OK)
        return edn_fail(err, EDN_E_PASSPHRASE, "the account key has a typing error; it stands on the emergency sheet");
    return EDN_OK;
}

/* The server has the device; the home gets the rest. */
static edn_status join_finish(edn_client *c, joining *j, edn_bytes grants, edn_err *err)
{
    const edn_bytes boxes[] = {grants, edn_buf_view(&j->root_box), EDN_F(j->e->record)};
    const edn_sync_remote remote = {.origin = j->e->id.server, .receipt_pk = j->receipt_pk};
    const new_home home = {
        .links = j->links, .links_n = j->links_n, .boxes = boxes, .boxes_n = EDN_COUNT(boxes), .remote = &remote};

    return account_finish_home(c, j->e, &home, err);
}

static edn_status join(edn_client *c, joining *j, const edn_login_options *o, edn_bytes passphrase, edn_err *err)
{
    edn_buf prepared = EDN_BUF_INIT(16384), grants = EDN_BUF_INIT(65536);
    edn_account_id account;
    bool begun = false;
    edn_status st;

    if ((st = join_read(c, j, o, &begun, err)) != EDN_OK ||
        (st = edn_passphrase_prepare(passphrase, &prepared, err)) != EDN_OK ||
        (begun && (st = join_resume(c, j, passphrase, &account, err)) != EDN_OK) ||
        (st = account_pin_server(c, j->e->id.server, &j->receipt_pk, err)) != EDN_OK ||
        (st = join_login(c, j, edn_buf_view(&prepared), err)) != EDN_OK ||
        (st = account_pull_log(c, j, err)) != EDN_OK || (st = join_open_root(c, j, err)) != EDN_OK)
        goto out;
    if (!begun)
        st = join_begin(c, j, o, edn_buf_view(&prepared), err);
    else if (memcmp(account.b, j->e->id.account.b, sizeof account.b) != 0)
        st = edn_fail(err, EDN_E_ACCOUNT, "%s: the account of that name is another one than when this was begun",
                      j->e->id.server);
    if (st != EDN_OK)
        goto out;
    if ((st = join_enrol(c, j, &grants, err)) == EDN_OK)
        st = join_finish(c, j, edn_buf_view(&grants), err);
    if (begun_is_over(st))
        account_unmake_home(c);
    else if (st != EDN_OK)
        begun_keep(c, st, err);
out:
    edn_buf_wipe(&prepared);
    edn_buf_dispose(&grants);
    return st;
}

edn_status edn_client_login(const edn_client_options *options, const edn_login_options *login, edn_bytes passphrase,
                            edn_client **out, edn_err *err)
{
    joining j = {.links_arena = edn_arena_init((size_t)64 << 20), .root_box = EDN_BUF_INIT(EDN_BOX_SIZE_MAX)};
    edn_client *c = NULL;
    edn_status st;

    *out = NULL;
    if (err)
        *err = (edn_err){EDN_OK, ""};
    if ((st = client_new(options, &c, err)) != EDN_OK)
        return st;
    j.e = edn_secret_alloc(sizeof *j.e);
    if (j.e)
        memset(j.e, 0, sizeof *j.e);
    if (!j.e || edn_devlog_new(&j.log) != EDN_OK)
        st = edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    else
        st = join(c, &j, login, passphrase, err);
    edn_secret_free(j.e);
    edn_devlog_free(j.log);
    edn_arena_dispose(&j.links_arena);
    edn_buf_dispose(&j.root_box);
    edn_wipe(&j, sizeof j);
    client_fail(c, st, err);
    if (st == EDN_OK)
        *out = c;
    else
        edn_client_close(c);
    return st;
}

/* ---- a new id for a device that was copied ----------------------------------------------------------------------- */

/* Who lets the new keys in: the device itself; in a shared space, where it may not, its person's member key. */
typedef struct reenrol_signer {
    edn_device_id id;
    edn_sign_sk sk;
} reenrol_signer; /* wipe it */

static edn_status reenrol_by(edn_client *c, reenrol_signer *out, edn_err *err)
{
    edn_status st;

    if (client_is_shared(c))
        return space_signer(c, &out->id, &out->sk, err);
    if ((st = client_begin_read(c, err)) != EDN_OK)
        return st;
    *out = (reenrol_signer){client_id(c)->device, client_id(c)->sign_sk};
    return client_end_read(c, EDN_OK, err);
}

static edn_status reenrol_link(edn_client *c, enrolment *e, const reenrol_signer *signer, edn_buf *link,
                               edn_buf *grants)
{
    const identity *old = client_id(c);
    const edn_device *d = edn_devlog_device_find(c->log, &old->device);
    edn_link_signer by = {&signer->id, &signer->sk, client_now(c)};
    edn_sign_pk aik = edn_devlog_aik(c->log);
    edn_hash head = edn_devlog_head(c->log), grants_hash;
    edn_signature pop;
    edn_status st;

    e->epoch = edn_devlog_epoch(c->log);
    account_new_cert(c, e, old->device_name);
    if (d)
        e->cert.caps = d->cert.caps; /* a copy may no more than what it is a copy of */
    if ((st = keys_root(c, e->epoch, &e->rk)) != EDN_OK ||
        (st = account_grant_to_self(c, e, &old->account, edn_devlog_count(c->log), &head, grants)) != EDN_OK)
        return st;
    grants_hash = edn_h32(edn_buf_view(grants));
    edn_link_pop(&pop, c->log, &by, &aik, &e->cert, &e->id.sign_sk);
    return edn_link_add_device(link, c->log, &by, &e->cert, &grants_hash, &pop);
}

/* Whether `own` is still this device and its newest batch. */
static edn_status own_is(edn_client *c, const edn_head *own)
{
    heads h;
    const edn_head *now;
    edn_status st = heads_load(c, &h);

    if (st != EDN_OK)
        return st;
    now = edn_heads_find(h.p, h.n, &own->device);
    if (memcmp(client_id(c)->device.b, own->device.b, sizeof own->device.b) != 0 ||
        (now ? now->dseq != own->dseq || memcmp(now->hash.b, own->hash.b, sizeof now->hash.b) != 0 : own->dseq != 0))
        st = EDN_E_CONFLICT;
    heads_dispose(&h);
    return st;
}

static edn_status reenrol_save(edn_client *c, const enrolment *e, edn_bytes link, edn_bytes grants, uint64_t clone_dseq,
                               const edn_head *own, twin *t, edn_err *err)
{
    edn_status st = client_begin_write(c, err);

    if (st != EDN_OK)
        return st;
    if ((st = own_is(c, own)) == EDN_OK && (st = log_take_link(c, link)) == EDN_OK &&
        (st = box_save(c, grants)) == EDN_OK) {
        identity *id = &c->secret->id;
        id->device = e->id.device;
        id->sign_seed = e->id.sign_seed;
        id->enc_sk = e->id.enc_sk;
        identity_derive(id);
        st = identity_save(c, id);
    }
    if (st == EDN_OK)
        st = outbox_reissue(c, &own->device, clone_dseq, t);
    if (st == EDN_OK)
        st = client_id(c)->device_name[0] ? device_name_set(c, client_id(c)->device_name) : EDN_OK;
    return client_end_write(c, st, err);
}

edn_status identity_reenrol(edn_client *c, const char *token, uint64_t clone_dseq, const edn_head *own, edn_err *err)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX), grants = EDN_BUF_INIT(65536);
    struct {
        enrolment e;
        reenrol_signer by;
    } *secret = edn_secret_alloc(sizeof *secret);
    enrolment *e;
    twin t;
    edn_status st;

    if (!secret)
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    memset(secret, 0, sizeof *secret);
    e = &secret->e;
    if ((st = twin_fetch(c, token, clone_dseq, &t, err)) == EDN_OK &&
        (st = reenrol_by(c, &secret->by, err)) == EDN_OK && (st = client_begin_read(c, err)) == EDN_OK)
        st = client_end_read(c, reenrol_link(c, e, &secret->by, &link, &grants), err);
    if (st == EDN_OK) {
        edn_bytes boxes[] = {edn_buf_view(&grants)};
        st = account_log_append(c, client_id(c)->server, token, edn_buf_view(&link), boxes, EDN_COUNT(boxes), err);
    }
    if (st == EDN_OK)
        st = reenrol_save(c, e, edn_buf_view(&link), edn_buf_view(&grants), clone_dseq, own, &t, err);
    twin_dispose(&t);
    edn_secret_free(secret);
    edn_buf_dispose(&link);
    edn_buf_dispose(&grants);
    return st;
}
