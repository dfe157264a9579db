/* What each side of a meeting does with its account: the old device adds the new one, the new one checks everything
 * that the server shows (or the old one handed over) against what it was told. */
#include "client/pairing/pairing_priv.h"

#include <stdlib.h>

/* ---- the old device ---------------------------------------------------------------------------------------------- */

static void account_of(edn_client *c, const edn_sync_remote *remote, edn_meeting_account *out)
{
    const identity *id = client_id(c);

    out->id = id->account;
    out->aik = edn_devlog_aik(c->log);
    out->receipt_pk = remote->receipt_pk;
    out->signer = id->device;
    out->log_count = edn_devlog_count(c->log);
    out->log_head = edn_devlog_head(c->log);
    out->has_account_key = id->has_account_key;
    out->account_key = id->account_key;
    memcpy(out->origin, id->server, strlen(id->server) + 1);
    memcpy(out->name, id->name, strlen(id->name) + 1);
}

edn_status pair_tell(edn_pair *p, edn_err *err)
{
    EDN_SECRET(edn_meeting_account) account = {0};
    edn_sync_remote remote = {0};
    edn_status st = account_fresh_token(p->c, &remote, err);

    if (st == EDN_OK && (st = client_begin_read(p->c, err)) == EDN_OK) {
        account_of(p->c, &remote, &account);
        st = client_end_read(p->c, EDN_OK, err);
    }
    if (st == EDN_OK)
        st = edn_meeting_tell(&p->secret->meeting, &account, &p->out);
    edn_wipe(remote.token, sizeof remote.token);
    edn_sync_remote_dispose(&remote);
    return st;
}

/* The link that adds the new device, after the log that it was told of. In a transaction that reads. EDN_E_CONFLICT:
 * the log has moved on. */
static edn_status add_link(edn_pair *p, edn_buf *link, edn_buf *grants, edn_err *err)
{
    const edn_meeting *m = &p->secret->meeting;
    const identity *id = client_id(p->c);
    edn_link_signer by = {&id->device, &id->sign_sk, client_now(p->c)};
    edn_grant_context cx = {.account = id->account,
                            .recipient = edn_device_id_of(&m->device.cert.sign, &m->device.cert.enc),
                            .epoch = edn_devlog_epoch(p->c->log),
                            .purpose = EDN_GRANT_ROOT,
                            .link_seq = edn_devlog_count(p->c->log),
                            .prev = edn_devlog_head(p->c->log)};
    edn_grant g = {.recipient = cx.recipient};
    EDN_SECRET(edn_root_key) rk = EDN_KEY_EMPTY;
    edn_devlog *log = NULL;
    edn_hash grants_hash;
    edn_status st;

    if (edn_devlog_count(p->c->log) != m->account.log_count)
        return EDN_E_CONFLICT;
    if ((st = keys_root(p->c, cx.epoch, &rk)) != EDN_OK ||
        (st = edn_meeting_grant_seal(m, &cx, &m->device.cert.enc, &rk, g.b)) != EDN_OK ||
        (st = edn_grants_encode(grants, &g, 1)) != EDN_OK)
        return st;
    grants_hash = edn_h32(edn_buf_view(grants));
    if ((st = edn_link_add_device(link, p->c->log, &by, &m->device.cert, &grants_hash, &m->device.pop)) != EDN_OK ||
        (st = edn_devlog_copy(p->c->log, &log)) != EDN_OK)
        return st;
    st = edn_devlog_append(log, edn_buf_view(link));
    edn_devlog_free(log);
    if (st != EDN_OK && st != EDN_E_NOMEM)
        return edn_fail(err, st, "the new device's certificate is not good (%s); nothing was added",
                        edn_status_name(st));
    return st;
}

static edn_status add_save(edn_pair *p, edn_bytes link, edn_bytes grants, edn_err *err)
{
    edn_status st = client_begin_write(p->c, err);

    if (st != EDN_OK)
        return st;
    if ((st = log_take_link(p->c, link)) == EDN_OK)
        st = box_save(p->c, grants);
    return client_end_write(p->c, st, err);
}

/* Whether an earlier try, whose answer was lost, has added it. In a transaction that reads. */
static bool is_added(const edn_pair *p)
{
    const edn_meeting *m = &p->secret->meeting;
    edn_device_id id = edn_device_id_of(&m->device.cert.sign, &m->device.cert.enc);
    const edn_device *d = edn_devlog_device_find(p->c->log, &id);

    return d && d->added_seq == m->account.log_count;
}

static edn_status add_welcome(edn_pair *p, edn_err *err)
{
    edn_meeting *m = &p->secret->meeting;
    edn_meeting_welcome w = {.link_seq = m->account.log_count};
    edn_meeting_handover handover;
    edn_arena a = edn_arena_init((size_t)1 << 20);
    bool made = false;
    heads h = {NULL, 0};
    edn_status st = client_begin_read(p->c, err);

    if (st == EDN_OK) {
        EDN_ASSERT(edn_devlog_hash_at(p->c->log, w.link_seq, &w.link_hash));
        st = heads_load(p->c, &h);
        if (st == EDN_OK && p->hands_over)
            st = handover_make(p->c, w.link_seq, &a, &handover, &made);
        st = client_end_read(p->c, st, err);
    }
    if (st == EDN_OK) {
        memcpy(p->device, m->device.name, sizeof p->device);
        w.heads = h.p;
        w.heads_n = h.n;
        w.handover = made ? &handover : NULL;
        st = edn_meeting_added(m, &w, &p->out);
    }
    edn_arena_dispose(&a);
    heads_dispose(&h);
    return st;
}

edn_status pair_add(edn_pair *p, edn_err *err)
{
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX), grants = EDN_BUF_INIT(65536);
    edn_sync_remote remote = {0};
    bool added = false;
    edn_status st = account_fresh_token(p->c, &remote, err);

    if (st == EDN_OK && (st = client_begin_read(p->c, err)) == EDN_OK) {
        edn_status made = EDN_OK;
        if (!(added = is_added(p)))
            made = add_link(p, &link, &grants, err);
        st = client_end_read(p->c, made == EDN_E_CONFLICT ? EDN_OK : made, err);
        st = st == EDN_OK ? made : st;
    }
    if (st == EDN_OK && !added) {
        edn_bytes boxes[] = {edn_buf_view(&grants)};
        st = account_log_append(p->c, client_id(p->c)->server, remote.token, edn_buf_view(&link), boxes,
                                EDN_COUNT(boxes), err);
        if (st == EDN_OK)
            st = add_save(p, edn_buf_view(&link), edn_buf_view(&grants), err);
        if (st == EDN_OK && p->hands_over) /* for the server's receipt over the new link */
            st = account_fresh_token(p->c, &remote, err);
    }
    if (st == EDN_OK)
        st = add_welcome(p, err);
    else if (st == EDN_E_CONFLICT)
        st = pair_tell(p, err); /* another device was quicker: for the new place */
    edn_buf_dispose(&link);
    edn_buf_dispose(&grants);
    edn_wipe(remote.token, sizeof remote.token);
    edn_sync_remote_dispose(&remote);
    return st;
}

/* ---- the new device ---------------------------------------------------------------------------------------------- */

static void identity_of(edn_pair *p)
{
    const edn_meeting_account *a = &p->secret->meeting.account;
    identity *id = &p->secret->e.id;

    id->account = a->id;
    id->has_account_key = a->has_account_key;
    id->account_key = a->account_key;
    memcpy(id->server, a->origin, sizeof id->server);
    memcpy(id->name, a->name, sizeof id->name);
}

static edn_status sign_in(edn_pair *p, joining *j, edn_err *err)
{
    const identity *id = &j->e->id;
    edn_msg_challenge_ask ask = {.kind = EDN_LOGIN_DEVICE, .account = id->account, .device = id->device};
    edn_msg_login login = {.kind = EDN_LOGIN_DEVICE, .device = id->device};
    edn_arena a = edn_arena_init(1 << 16);
    edn_msg_challenge ch;
    edn_status st;

    client_random(p->c, ask.client_nonce, sizeof ask.client_nonce);
    memcpy(login.client_nonce, ask.client_nonce, sizeof login.client_nonce);
    if ((st = account_challenge(p->c, id, &ask, &a, &ch, err)) == EDN_OK)
        st = account_sign_in(p->c, id, &ch, &login, &id->sign_sk, j->token, err);
    if (st == EDN_E_DENIED)
        st = edn_fail(err, EDN_E_ROLLBACK,
                      "%s: the server does not know this device, though the other one has just added it there: it "
                      "shows an older account. Do not trust it",
                      id->server);
    edn_arena_dispose(&a);
    return st;
}

/* The log must hold the link that the other device told of. */
static edn_status check_log(edn_pair *p, const joining *j, edn_err *err)
{
    const edn_meeting_welcome *w = &p->secret->meeting.welcome;
    const identity *id = &j->e->id;
    const edn_device *self;
    edn_hash at;

    if (!edn_devlog_hash_at(j->log, w->link_seq, &at))
        return edn_fail(err, EDN_E_ROLLBACK,
                        "%s: the server shows an older account log than the other device has: it does not show what "
                        "added this device. Do not trust it",
                        id->server);
    if (memcmp(at.b, w->link_hash.b, sizeof at.b) != 0)
        return edn_fail(err, EDN_E_FORK,
                        "%s: the server shows another account log than the other device has. Do not trust it",
                        id->server);
    self = edn_devlog_device_find(j->log, &id->device);
    if (!self || self->added_seq != w->link_seq)
        return edn_fail(err, EDN_E_DEVICE_UNKNOWN, "the other device added another device than this one");
    return EDN_OK;
}

/* The grants that a link names: handed over, or at the server. */
static edn_status grants_get(edn_pair *p, const joining *j, const edn_hash *want, edn_buf *out, edn_err *err)
{
    const edn_meeting_handover *h = p->secret->meeting.welcome.handover;
    edn_hash got;

    if (!h)
        return account_fetch_box(p->c, j->e->id.server, j->token, want, out, err);
    got = edn_h32(h->grants);
    if (memcmp(got.b, want->b, sizeof got.b) != 0)
        return edn_fail(err, EDN_E_AUTH,
                        "the other device handed over another sealed key than the account's log names; nothing was "
                        "written here. Begin again ('edn device link')");
    edn_put_bytes(out, h->grants.p, h->grants.n);
    return edn_buf_status(out);
}

/* The account as it was when this device came: the epoch of its grant, and the key that proves it. */
static edn_status root_open(edn_pair *p, joining *j, edn_buf *grants, edn_err *err)
{
    static const edn_account_id none;
    const edn_meeting *m = &p->secret->meeting;
    edn_grant_context cx = {.account = j->e->id.account,
                            .recipient = j->e->id.device,
                            .purpose = EDN_GRANT_ROOT,
                            .link_seq = m->welcome.link_seq};
    EDN_SECRET(edn_dh_sk) aek_sk = EDN_KEY_EMPTY;
    edn_devlog *then = NULL;
    edn_hash grants_hash;
    edn_dh_pk aek, want = {{0}};
    edn_status st = edn_devlog_new(&then);

    for (size_t i = 0; st == EDN_OK && i <= cx.link_seq; i++)
        st = edn_devlog_append_trusted(then, j->links[i]); /* the whole log was checked before */
    if (st == EDN_OK) {
        cx.epoch = j->e->epoch = edn_devlog_epoch(then);
        want = edn_devlog_aek(then);
        grants_hash = edn_devlog_grants_hash(then);
        if (cx.link_seq == 0 || !edn_devlog_hash_at(then, cx.link_seq - 1, &cx.prev))
            st = EDN_E_FORMAT;
    }
    edn_devlog_free(then);
    if (st != EDN_OK)
        return client_fail(p->c, st, err);
    if ((st = grants_get(p, j, &grants_hash, grants, err)) != EDN_OK)
        return st;
    st = edn_meeting_grant_open(m, &cx, &j->e->id.enc_sk, edn_buf_view(grants), &j->e->rk);
    if (st == EDN_OK) {
        edn_aek_of(&aek_sk, &j->e->rk, cx.epoch == 0 ? &none : &cx.account, cx.epoch);
        edn_dh_keypair(&aek_sk, &aek);
        st = memcmp(aek.b, want.b, sizeof aek.b) == 0 ? EDN_OK : EDN_E_KEY_INVALID;
    }
    if (st != EDN_OK && m->welcome.handover)
        return edn_fail(err, st,
                        "the key that the other device handed over for this one does not open, or is not the "
                        "account's; nothing was written here. Begin again ('edn device link')");
    if (st != EDN_OK)
        return edn_fail(err, st,
                        "%s: the key for this device does not open, or is not the account's. Do not trust the "
                        "server",
                        j->e->id.server);
    return EDN_OK;
}

static edn_status home_write(edn_pair *p, joining *j, edn_bytes grants, edn_err *err)
{
    const edn_meeting *m = &p->secret->meeting;
    const edn_bytes boxes[] = {grants};
    edn_sync_remote remote = {.origin = j->e->id.server, .receipt_pk = m->account.receipt_pk};
    edn_claim *claims = calloc(EDN_CLAIMS_MAX, sizeof *claims);
    new_home home = {.slot = edn_bytes_of(p->secret->slot, p->secret->slot_n),
                     .links = j->links,
                     .links_n = j->links_n,
                     .boxes = boxes,
                     .boxes_n = EDN_COUNT(boxes),
                     .remote = &remote,
                     .claims = claims};
    edn_status st;

    if (!claims)
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    if (m->welcome.handover) {
        const edn_meeting_handover *h = m->welcome.handover;
        remote.log_count = h->log_count;
        remote.log_head = h->log_head;
        remote.heads = h->heads;
        remote.heads_n = h->heads_n;
        remote.receipt = h->receipt;
        remote.receipt_local_ms = client_now(p->c);
    }
    for (size_t i = 0; i < m->welcome.heads_n && i < EDN_CLAIMS_MAX; i++)
        claims[home.claims_n++] = (edn_claim){
            .head = m->welcome.heads[i], .by = m->account.signer, .since_ms = client_now(p->c)};
    st = account_write_home(p->c, j->e, &home, err);
    free(claims);
    return st;
}

/* The log as the server shows it. */
static edn_status log_fetch(edn_pair *p, joining *j, edn_err *err)
{
    edn_status st;

    if ((st = sign_in(p, j, err)) != EDN_OK || (st = account_pull_log(p->c, j, err)) != EDN_OK)
        return st;
    return check_log(p, j, err);
}

edn_status pair_join(edn_pair *p, edn_err *err)
{
    const edn_meeting_welcome *w = &p->secret->meeting.welcome;
    joining j = {.e = &p->secret->e,
                 .links_arena = edn_arena_init((size_t)64 << 20),
                 .heads = w->heads,
                 .heads_n = w->heads_n,
                 .root_box = EDN_BUF_INIT(1)};
    edn_buf grants = EDN_BUF_INIT(EDN_BOX_SIZE_MAX);
    char origin[EDN_ORIGIN_SIZE_MAX + 1];
    edn_status st;

    identity_of(p);
    if ((st = edn_origin_normalise(j.e->id.server, origin, err)) != EDN_OK || (st = edn_devlog_new(&j.log)) != EDN_OK)
        goto out;
    if ((st = w->handover ? handover_take(p, &j, err) : log_fetch(p, &j, err)) == EDN_OK &&
        (st = root_open(p, &j, &grants, err)) == EDN_OK)
        st = home_write(p, &j, edn_buf_view(&grants), err);
out:
    edn_devlog_free(j.log);
    edn_arena_dispose(&j.links_arena);
    edn_buf_dispose(&grants);
    edn_wipe(j.token, sizeof j.token);
    return st;
}
