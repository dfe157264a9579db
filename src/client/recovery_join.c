/* With every device lost: the shares open the account's own key and its root key, and with these this machine adds
 * itself and locks the account anew. The server shows the log and the sealed box to who knows the set of shares; each
 * share proves the account (its commitment is in the log), and the box the log's end that its maker knew. */
#include "recovery_priv.h"

static edn_status find_account(edn_recovery *r, edn_err *err)
{
    identity id = {0};
    edn_msg_challenge_ask ask = {.kind = EDN_LOGIN_PASSPHRASE};
    edn_arena a = edn_arena_init(1 << 16);
    edn_msg_challenge ch;
    edn_status st;

    memcpy(id.server, r->origin, sizeof r->origin);
    memcpy(id.name, r->name, sizeof r->name);
    ask.name_hash = account_name_hash(&id);
    client_random(r->c, ask.client_nonce, sizeof ask.client_nonce);
    if ((st = account_challenge(r->c, &id, &ask, &a, &ch, err)) == EDN_OK)
        r->account = ch.account;
    edn_arena_dispose(&a);
    return st;
}

static edn_status link_of_list(void *ctx, uint64_t seq, edn_buf *out)
{
    const edn_recovery *r = ctx;

    edn_put_bytes(out, r->links[seq].p, r->links[seq].n);
    return edn_buf_status(out);
}

static edn_status lies(const edn_recovery *r, edn_status st, edn_err *err)
{
    return edn_fail(err, st, "%s: what the server shows of this account is not sound (%s); do not trust it", r->origin,
                    edn_status_name(st));
}

/* The log, the set and its box, each held against the others. */
static edn_status check_shown(edn_recovery *r, const edn_msg_log_append *got, const edn_share_set_id *set, edn_err *err)
{
    edn_account_id account;
    edn_hash box_hash;
    edn_status st = edn_devlog_new(&r->log);

    r->links = got->links;
    r->links_n = got->links_n;
    for (size_t i = 0; st == EDN_OK && i < got->links_n; i++)
        st = edn_devlog_append(r->log, got->links[i]);
    if (st == EDN_OK && got->links_n == 0)
        st = EDN_E_FORMAT;
    if (st == EDN_OK) {
        account = edn_devlog_account(r->log);
        st = memcmp(account.b, r->account.b, sizeof account.b) == 0 ? EDN_OK : EDN_E_ACCOUNT;
    }
    if (st == EDN_OK)
        st = recovery_find(link_of_list, r, r->links_n, &r->at);
    if (st == EDN_OK && (memcmp(r->at.set.id.b, set->b, sizeof set->b) != 0 || got->boxes_n != 1))
        st = EDN_E_AUTH;
    if (st == EDN_OK) {
        box_hash = edn_h32(got->boxes[0]);
        st = memcmp(box_hash.b, r->at.set.box_hash.b, sizeof box_hash.b) == 0 ? EDN_OK : EDN_E_AUTH;
    }
    if (st != EDN_OK)
        return st == EDN_E_NOMEM ? client_fail(r->c, st, err) : lies(r, st, err);
    edn_put_bytes(&r->box, got->boxes[0].p, got->boxes[0].n);
    if (r->at.epoch != edn_devlog_epoch(r->log))
        return edn_fail(
            err, EDN_E_EPOCH,
            "the account's keys were made anew since these shares were made (a device was revoked), so they "
            "no longer open it. A newer set of shares, a device, or the passphrase does");
    return edn_buf_status(&r->box);
}

static edn_status ask_server(edn_recovery *r, const edn_share_set_id *set, edn_err *err)
{
    edn_buf rq = EDN_BUF_INIT(4096), body = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_msg_set_ask m = {.account = r->account};
    edn_msg_log_append got;
    edn_bytes kept;
    edn_status st;

    memcpy(m.set, set->b, sizeof m.set);
    edn_set_ask_put(&rq, &m);
    st = account_call(r->c, r->origin, "/v1/recovery", NULL, edn_buf_view(&rq), &body, NULL, err);
    if (st == EDN_E_DENIED)
        st = edn_fail(
            err, st,
            "%s: the server knows no account of that name with this set of shares: compare both with the page; "
            "an older set is not good any more",
            r->origin);
    if (st == EDN_OK && !edn_arena_copy(&r->arena, edn_buf_view(&body), &kept))
        st = edn_fail(err, EDN_E_NOMEM, "out of memory");
    if (st == EDN_OK && edn_log_append_decode(&r->arena, kept, &got) != EDN_OK)
        st = lies(r, EDN_E_FORMAT, err);
    if (st == EDN_OK)
        st = check_shown(r, &got, set, err);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&body);
    return st;
}

edn_status edn_recovery_begin(const edn_client_options *options, const char *server, const char *name, const char *set,
                              edn_recovery **out, edn_err *err)
{
    edn_recovery *r = NULL;
    edn_account_key as_key;
    edn_share_set_id id;
    edn_status st;

    *out = NULL;
    if (edn_account_key_parse(edn_bytes_str(set), &as_key) != EDN_OK)
        return edn_fail(err, EDN_E_INVALID,
                        "the set has a typing error; it stands on every page, 30 letters and digits");
    memcpy(id.b, as_key.b, sizeof id.b);
    if ((st = recovery_new(&r, err)) != EDN_OK)
        return st;
    if ((st = client_new(options, &r->c, err)) == EDN_OK && (st = account_home_is_free(r->c, err)) == EDN_OK &&
        (st = edn_origin_normalise(server, r->origin, err)) == EDN_OK &&
        (st = account_name_prepare(name, r->name, err)) == EDN_OK &&
        (st = account_pin_server(r->c, r->origin, &r->receipt_pk, err)) == EDN_OK &&
        (st = find_account(r, err)) == EDN_OK && (st = ask_server(r, &id, err)) == EDN_OK) {
        *out = r;
        r = NULL;
    }
    edn_recovery_free(r);
    return st;
}

/* ---- joining ----------------------------------------------------------------------------------------------------- */

typedef struct rejoining {
    edn_recovery *r;
    enrolment *e; /* guarded */
    edn_bytes prepared;
    edn_kdf_profile profile;
    edn_devlog *log; /* with the two new links */
    edn_buf add, set_kdf, grants, root_box;
    edn_err *err;
} rejoining;

static edn_status make_device(rejoining *x, const char *device_name)
{
    static const edn_account_id none;
    edn_recovery *r = x->r;
    enrolment *e = x->e;
    EDN_SECRET(edn_dh_sk) aek_sk = EDN_KEY_EMPTY;
    edn_dh_pk aek, want = edn_devlog_aek(r->log);

    account_new_cert(r->c, e, device_name ? device_name : "device");
    e->id.account = r->account;
    memcpy(e->id.server, r->origin, sizeof r->origin);
    memcpy(e->id.name, r->name, sizeof r->name);
    e->id.has_account_key = true;
    client_random(r->c, e->id.account_key.b, sizeof e->id.account_key.b);
    e->epoch = r->at.epoch;
    e->rk = r->secret->opened.root;
    e->aik_seed = r->secret->opened.aik_seed;
    edn_sign_keypair(e->aik_seed.b, &e->aik, &e->aik_sk);
    edn_aek_of(&aek_sk, &e->rk, e->epoch == 0 ? &none : &r->account, e->epoch);
    edn_dh_keypair(&aek_sk, &aek);
    return memcmp(aek.b, want.b, sizeof aek.b) == 0 ? EDN_OK : lies(r, EDN_E_KEY_INVALID, x->err);
}

/* ADD_DEVICE by the account's own key, SET_KDF by the new device. */
static edn_status make_links(rejoining *x)
{
    edn_recovery *r = x->r;
    enrolment *e = x->e;
    EDN_SECRET(edn_root_secret) secret = {.sc_seq = 0};
    edn_link_signer by = {NULL, &e->aik_sk, client_now(r->c)};
    edn_hash head = edn_devlog_head(r->log), grants_hash;
    edn_signature pop;
    edn_status st;

    if ((st = edn_devlog_copy(r->log, &x->log)) != EDN_OK ||
        (st = account_grant_to_self(r->c, e, &r->account, edn_devlog_count(r->log), &head, &x->grants)) != EDN_OK)
        return st;
    grants_hash = edn_h32(edn_buf_view(&x->grants));
    edn_link_pop(&pop, r->log, &by, &e->aik, &e->cert, &e->id.sign_sk);
    if ((st = edn_link_add_device(&x->add, r->log, &by, &e->cert, &grants_hash, &pop)) != EDN_OK ||
        (st = edn_devlog_append(x->log, edn_buf_view(&x->add))) != EDN_OK)
        return st;
    account_root_secret(&secret, &e->aik_seed, &e->rk, x->log);
    return account_make_kdf(r->c, &e->id, x->log, x->prepared, x->profile, &secret, &e->record, &x->root_box,
                            &x->set_kdf);
}

/* The whole log with the two links: what is there already is passed over. */
static edn_status send_links(rejoining *x, edn_bytes *links, size_t links_n)
{
    edn_bytes boxes[] = {edn_buf_view(&x->grants), EDN_F(x->e->record), edn_buf_view(&x->root_box)};
    edn_msg_account m = {.links = links, .links_n = links_n, .boxes = boxes, .boxes_n = EDN_COUNT(boxes)};
    edn_buf rq = EDN_BUF_INIT(EDN_PULL_SIZE_MAX), body = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_status st;

    edn_account_put(&rq, &m);
    if ((st = edn_buf_status(&rq)) == EDN_OK)
        st = account_call(x->r->c, x->r->origin, "/v1/accounts", NULL, edn_buf_view(&rq), &body, NULL, x->err);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&body);
    return st;
}

static edn_status rejoin(rejoining *x)
{
    edn_recovery *r = x->r;
    edn_bytes *links = edn_arena_calloc(&r->arena, r->links_n + 2, sizeof *links);
    const edn_sync_remote remote = {.origin = r->origin, .receipt_pk = r->receipt_pk};
    edn_buf slot = EDN_BUF_INIT(4096);
    edn_status st;

    if (!links)
        return EDN_E_NOMEM;
    if ((st = make_links(x)) != EDN_OK ||
        (st = edn_slot_seal(&slot, x->prepared, x->profile, &x->e->id.device, &x->e->ldk, &r->c->random)) != EDN_OK)
        return st;
    memcpy(links, r->links, r->links_n * sizeof *links);
    links[r->links_n] = edn_buf_view(&x->add);
    links[r->links_n + 1] = edn_buf_view(&x->set_kdf);
    if ((st = send_links(x, links, r->links_n + 2)) == EDN_OK) {
        const edn_bytes boxes[] = {edn_buf_view(&x->grants), edn_buf_view(&x->root_box), EDN_F(x->e->record),
                                   edn_buf_view(&r->box)};
        const new_home home = {.slot = edn_buf_view(&slot),
                               .links = links,
                               .links_n = r->links_n + 2,
                               .boxes = boxes,
                               .boxes_n = EDN_COUNT(boxes),
                               .remote = &remote};
        st = account_write_home(r->c, x->e, &home, x->err);
    }
    edn_buf_dispose(&slot);
    return st;
}

edn_status edn_recovery_finish(edn_recovery *r, const char *device_name, edn_strength strength, edn_bytes passphrase,
                               edn_client **out, edn_err *err)
{
    edn_buf prepared = EDN_BUF_INIT(16384);
    rejoining x = {.r = r,
                   .profile = strength ? (edn_kdf_profile)strength : EDN_KDF_DEFAULT,
                   .add = EDN_BUF_INIT(EDN_LINK_SIZE_MAX),
                   .set_kdf = EDN_BUF_INIT(EDN_LINK_SIZE_MAX),
                   .grants = EDN_BUF_INIT(EDN_BOX_SIZE_MAX),
                   .root_box = EDN_BUF_INIT(EDN_BOX_SIZE_MAX),
                   .err = err};
    edn_status st;

    *out = NULL;
    if (!r->open || !r->c)
        return edn_fail(err, EDN_E_MISSING, "more shares are needed");
    x.e = edn_secret_alloc(sizeof *x.e);
    if (!x.e)
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    memset(x.e, 0, sizeof *x.e);
    if ((st = device_name_check(device_name, err)) == EDN_OK &&
        (st = edn_passphrase_prepare(passphrase, &prepared, err)) == EDN_OK &&
        (st = make_device(&x, device_name)) == EDN_OK) {
        x.prepared = edn_buf_view(&prepared);
        st = rejoin(&x);
        if (st == EDN_E_NOMEM)
            st = client_fail(r->c, st, err);
    }
    if (st == EDN_OK) {
        *out = r->c;
        r->c = NULL;
    }
    edn_secret_free(x.e);
    edn_devlog_free(x.log);
    edn_buf_wipe(&prepared);
    edn_buf_dispose(&x.add);
    edn_buf_dispose(&x.set_kdf);
    edn_buf_dispose(&x.grants);
    edn_buf_dispose(&x.root_box);
    return st;
}
