/* Making a shared space, coming into one, letting others in and out.
 *
 * A space's links are signed by member keys (let in, take out) or by this device in the space, when the person owns it.
 * Each change is one link, refused or taken as a whole by the space's server; an answer that was lost shows in the
 * log at the next sync, and what was to be done is found done. */
#include "client/sharing/space.h"

#include <stdio.h>
#include <stdlib.h>

#define LINKS_SIZE_MAX ((size_t)64 << 20)

/* ---- what the person keeps of each ------------------------------------------------------------------------------- */

#define FIELD_SPACE "space"
#define FIELD_SERVER "server"
#define FIELD_MEMBER "member"
#define FIELD_ROLE "role"
#define FIELD_EPOCH "epoch"
#define FIELD_ROOT_EPOCH "root-epoch"
#define FIELD_ROOT "root"
#define FIELD_STATE "state"
#define FIELD_LOCK "lock" /* of a locked journal: its lock box; once unlocked for good, the lock key itself */

#define SECRETS_SIZE 64u /* of a member key */
#define SEALED_MAX (SECRETS_SIZE + EDN_SEAL_OVERHEAD)

/* A value of exactly so many bytes. EDN_E_MISSING also when it is of another size: not whole yet. */
static edn_status field_bytes(edn_client *p, const edn_entry_id *id, const char *field, void *out, size_t n)
{
    edn_buf value = EDN_BUF_INIT(4096);
    edn_status st = named_get(p, id, EDN_RECORD_SPACE, field, &value);

    if (st == EDN_OK && value.n != n)
        st = EDN_E_MISSING;
    if (st == EDN_OK)
        memcpy(out, value.p, n);
    edn_buf_wipe(&value);
    return st;
}

static edn_status field_text(edn_client *p, const edn_entry_id *id, const char *field, char *out, size_t size)
{
    edn_buf value = EDN_BUF_INIT(4096);
    edn_status st = named_get(p, id, EDN_RECORD_SPACE, field, &value);

    if (st == EDN_OK && (value.n >= size || memchr(value.p, 0, value.n)))
        st = EDN_E_MISSING;
    if (st == EDN_OK)
        memcpy(out, value.p, value.n);
    if (st == EDN_OK)
        out[value.n] = 0;
    edn_buf_dispose(&value);
    return st;
}

static edn_status field_u32(edn_client *p, const edn_entry_id *id, const char *field, uint32_t *out)
{
    uint8_t b[4];
    edn_status st = field_bytes(p, id, field, b, sizeof b);

    *out = st == EDN_OK ? edn_load_u32(b) : 0;
    return st;
}

/* Whether it is a locked journal, and its key if that is known. */
static edn_status load_lock(edn_client *p, const edn_entry_id *id, space_info *x)
{
    edn_buf value = EDN_BUF_INIT(4096);
    edn_status st = named_get(p, id, EDN_RECORD_SPACE, FIELD_LOCK, &value);

    if (st == EDN_OK && value.n == sizeof x->lock) {
        memcpy(x->lock.b, value.p, sizeof x->lock);
        x->locked = x->unlocked = true;
    } else if (st == EDN_OK && value.n == sizeof x->lock_box) {
        memcpy(x->lock_box, value.p, sizeof x->lock_box);
        x->locked = true;
        x->closed = !family_lock_get(p, &x->account, &x->lock);
    } else if (st == EDN_OK) {
        st = EDN_E_MISSING; /* of a later version, or not whole yet */
    } else if (st == EDN_E_MISSING) {
        st = EDN_OK;
    }
    edn_buf_wipe(&value);
    return st;
}

/* A field that is sealed under the lock key, when there is one. */
static edn_status load_secret(edn_client *p, const edn_entry_id *id, const char *field, const space_info *x,
                              void *secret, size_t n)
{
    uint8_t sealed[SEALED_MAX];
    edn_status st;

    if (!x->locked)
        return field_bytes(p, id, field, secret, n);
    if ((st = field_bytes(p, id, field, sealed, n + EDN_SEAL_OVERHEAD)) != EDN_OK || x->closed)
        return st;
    st = edn_lock_secret_open(edn_bytes_of(sealed, n + EDN_SEAL_OVERHEAD), &x->lock, &x->account, field, secret, n);
    return st == EDN_E_AUTH ? EDN_E_MISSING : st; /* under the key of another lock: what another device is to say */
}

/* A diary without a server can have locked journals, and no shared ones. */
static edn_status load_server(edn_client *p, const edn_entry_id *id, space_info *x)
{
    edn_status st = field_text(p, id, FIELD_SERVER, x->server, sizeof x->server);

    return st == EDN_E_MISSING && x->locked ? EDN_OK : st;
}

edn_status space_load(edn_client *p, const edn_account_id *space, space_info *out)
{
    const edn_entry_id id = account_entry(space);
    uint8_t secrets[SECRETS_SIZE] = {0}, role, left;
    edn_status st;

    memset(out, 0, sizeof *out);
    if ((st = field_bytes(p, &id, FIELD_SPACE, out->account.b, sizeof out->account.b)) == EDN_OK &&
        (st = load_lock(p, &id, out)) == EDN_OK && (st = load_server(p, &id, out)) == EDN_OK &&
        (st = field_text(p, &id, FIELD_NAME, out->name, sizeof out->name)) == EDN_OK &&
        (st = load_secret(p, &id, FIELD_MEMBER, out, secrets, sizeof secrets)) == EDN_OK &&
        (st = field_bytes(p, &id, FIELD_ROLE, &role, 1)) == EDN_OK &&
        (st = field_bytes(p, &id, FIELD_STATE, &left, 1)) == EDN_OK &&
        (st = field_u32(p, &id, FIELD_EPOCH, &out->epoch)) == EDN_OK &&
        (st = field_u32(p, &id, FIELD_ROOT_EPOCH, &out->root_epoch)) == EDN_OK &&
        (st = load_secret(p, &id, FIELD_ROOT, out, out->root.b, sizeof out->root.b)) == EDN_OK) {
        memcpy(out->keys.sign.b, secrets, 32);
        memcpy(out->keys.enc.b, secrets + 32, 32);
        out->role = (edn_role)role;
        out->left = left != 0;
        if (role < EDN_ROLE_READ || role > EDN_ROLE_OWNER || memcmp(out->account.b, space->b, sizeof id.b) != 0)
            st = EDN_E_MISSING;
    }
    edn_wipe(secrets, sizeof secrets);
    return st;
}

static edn_status field_set(edn_client *p, const edn_entry_id *id, const char *field, edn_bytes value)
{
    return named_put(p, id, EDN_RECORD_SPACE, field, value);
}

/* Sealed anew only when it says something else: each sealing is another, and would be an edit. */
static edn_status save_secret(edn_client *p, const edn_entry_id *id, const char *field, const space_info *x,
                              const void *secret, size_t n)
{
    uint8_t sealed[SEALED_MAX], was[SECRETS_SIZE];
    bool same;
    edn_status st;

    if (!x->locked)
        return field_set(p, id, field, edn_bytes_of(secret, n));
    st = load_secret(p, id, field, x, was, n);
    same = st == EDN_OK && memcmp(was, secret, n) == 0;
    edn_wipe(was, sizeof was);
    if (same || (st != EDN_OK && st != EDN_E_MISSING))
        return st;
    if ((st = edn_lock_secret_seal(sealed, &x->lock, &x->account, field, secret, n, &p->random)) != EDN_OK)
        return st;
    return field_set(p, id, field, edn_bytes_of(sealed, n + EDN_SEAL_OVERHEAD));
}

static edn_status save_lock(edn_client *p, const edn_entry_id *id, const space_info *x)
{
    if (!x->locked)
        return EDN_OK;
    return field_set(p, id, FIELD_LOCK, x->unlocked ? EDN_F(x->lock) : edn_bytes_of(x->lock_box, sizeof x->lock_box));
}

edn_status space_save(edn_client *p, const space_info *x)
{
    const edn_entry_id id = account_entry(&x->account);
    uint8_t secrets[SECRETS_SIZE];
    edn_status st;

    EDN_ASSERT(!x->closed);
    memcpy(secrets, x->keys.sign.b, 32);
    memcpy(secrets + 32, x->keys.enc.b, 32);
    if ((st = field_set(p, &id, FIELD_NAME, edn_bytes_str(x->name))) == EDN_OK &&
        (st = field_set(p, &id, FIELD_SPACE, EDN_F(x->account))) == EDN_OK &&
        (st = field_set(p, &id, FIELD_SERVER, edn_bytes_str(x->server))) == EDN_OK &&
        (st = save_lock(p, &id, x)) == EDN_OK &&
        (st = save_secret(p, &id, FIELD_MEMBER, x, secrets, sizeof secrets)) == EDN_OK &&
        (st = field_set(p, &id, FIELD_ROLE, EDN_F_U8(x->role))) == EDN_OK &&
        (st = field_set(p, &id, FIELD_STATE, EDN_F_U8(x->left))) == EDN_OK &&
        (st = field_set(p, &id, FIELD_EPOCH, EDN_F_U32(x->epoch))) == EDN_OK &&
        (st = field_set(p, &id, FIELD_ROOT_EPOCH, EDN_F_U32(x->root_epoch))) == EDN_OK)
        st = save_secret(p, &id, FIELD_ROOT, x, x->root.b, sizeof x->root.b);
    edn_wipe(secrets, sizeof secrets);
    return st;
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

/* A member key with its certificate. */
typedef struct member_key {
    edn_sign_sk sk;
    edn_cert cert;
    edn_device_id id;
} member_key; /* wipe it */

static void cert_of(edn_cert *cert, const edn_seed *sign, const edn_dh_sk *enc, uint32_t caps, edn_sign_sk *sk)
{
    edn_sign_keypair(sign->b, &cert->sign, sk);
    edn_dh_keypair(enc, &cert->enc);
    cert->caps = caps;
    cert->name_hash = edn_h32_t(EDN_LABEL_DEVNAME, EDN_BYTES_EMPTY);
}

static void member_key_of(member_key *out, const space_keys *k, edn_role role)
{
    cert_of(&out->cert, &k->sign, &k->enc, edn_role_caps(role), &out->sk);
    out->id = edn_device_id_of(&out->cert.sign, &out->cert.enc);
}

static void space_keys_make(edn_client *c, edn_bytes purpose, space_keys *out)
{
    keys_make(c, SECRET_SIGN, purpose, out->sign.b, sizeof out->sign.b);
    keys_make(c, SECRET_ENC, purpose, out->enc.b, sizeof out->enc.b);
}

/* A device's keys in a space, from others of its own. */
static void enrol_from(enrolment *e, const space_info *x, const edn_seed *sign, const edn_dh_sk *enc)
{
    if (x->locked)
        edn_lock_device_keys(&e->id.sign_seed, &e->id.enc_sk, sign, enc, &x->account, &x->lock);
    else
        edn_space_device_keys(&e->id.sign_seed, &e->id.enc_sk, sign, enc, &x->account);
    cert_of(&e->cert, &e->id.sign_seed, &e->id.enc_sk, edn_role_caps(x->role) & ~(uint32_t)EDN_CAP_MEMBER,
            &e->id.sign_sk);
    e->id.device = edn_device_id_of(&e->cert.sign, &e->cert.enc);
}

/* This device as it is in a space. */
static void enrol_here(edn_client *p, enrolment *e, const space_info *x)
{
    const identity *own = client_id(p);

    e->id.account = x->account;
    snprintf(e->id.server, sizeof e->id.server, "%s", x->server);
    enrol_from(e, x, &own->sign_seed, &own->enc_sk);
}

/* A grants blob with one grant, of the root key `rk`, for the link that follows `log`. */
static edn_status grant_to(edn_client *c, const edn_devlog *log, const edn_account_id *account, uint32_t epoch,
                           const edn_device_id *to, const edn_dh_pk *enc, const edn_root_key *rk, edn_buf *out)
{
    edn_grant_context cx = {.account = *account,
                            .recipient = *to,
                            .epoch = epoch,
                            .purpose = EDN_GRANT_ROOT,
                            .link_seq = edn_devlog_count(log)};
    edn_grant g = {.recipient = *to};
    edn_status st;

    if (cx.link_seq)
        cx.prev = edn_devlog_head(log);
    st = edn_grant_seal(g.b, &cx, enc, rk, NULL, EDN_BYTES_EMPTY, &c->random);
    return st == EDN_OK ? edn_grants_encode(out, &g, 1) : st;
}

/* ADD_DEVICE for a key whose secrets are here, by a signer who is let to. */
static edn_status add_link(edn_client *c, const edn_devlog *log, const edn_link_signer *by, const edn_cert *cert,
                           const edn_sign_sk *sk, uint32_t epoch, const edn_root_key *rk, edn_buf *link,
                           edn_buf *grants)
{
    edn_account_id account = edn_devlog_account(log);
    edn_device_id id = edn_device_id_of(&cert->sign, &cert->enc);
    edn_sign_pk aik = edn_devlog_aik(log);
    edn_hash grants_hash;
    edn_signature pop;
    edn_status st = grant_to(c, log, &account, epoch, &id, &cert->enc, rk, grants);

    if (st != EDN_OK)
        return st;
    grants_hash = edn_h32(edn_buf_view(grants));
    edn_link_pop(&pop, log, by, &aik, cert, sk);
    return edn_link_add_device(link, log, by, cert, &grants_hash, &pop);
}

/* ---- making one -------------------------------------------------------------------------------------------------- */

typedef struct creating {
    edn_client *p;
    space_info info; /* guarded, with all that is in here */
    enrolment e;
    member_key key;
} creating;

/* Links 0 and 1: the person's member key, and this device let in by it. */
static edn_status create_links(creating *x, edn_devlog *log, edn_buf links[2], edn_buf grants[2])
{
    static const edn_account_id none;
    EDN_SECRET(edn_dh_sk) aek_sk = EDN_KEY_EMPTY;
    edn_link_signer by = {&x->key.id, &x->key.sk, client_now(x->p)};
    edn_dh_pk aek;
    edn_hash grants_hash;
    edn_status st;

    /* As for an account: in link 0 there is no id yet. */
    edn_aek_of(&aek_sk, &x->e.rk, &none, 0);
    edn_dh_keypair(&aek_sk, &aek);
    if ((st = grant_to(x->p, log, &none, 0, &x->key.id, &x->key.cert.enc, &x->e.rk, &grants[0])) != EDN_OK)
        return st;
    grants_hash = edn_h32(edn_buf_view(&grants[0]));
    if ((st = edn_link_space_genesis(&links[0], &x->e.aik, &x->e.aik_sk, by.time_ms, &x->key.cert, &aek, &grants_hash,
                                     &x->key.sk)) != EDN_OK ||
        (st = edn_devlog_append(log, edn_buf_view(&links[0]))) != EDN_OK)
        return st;
    x->info.account = edn_devlog_account(log);
    enrol_here(x->p, &x->e, &x->info);
    if ((st = add_link(x->p, log, &by, &x->e.cert, &x->e.id.sign_sk, 0, &x->e.rk, &links[1], &grants[1])) == EDN_OK)
        st = edn_devlog_append(log, edn_buf_view(&links[1]));
    return st;
}

/* What the space's own store begins with, beside what every store has. */
static edn_status create_rows(creating *x, edn_client *s, edn_bytes journal_name, edn_err *err)
{
    const identity *own = client_id(x->p);
    member m = {.account = own->account, .role = EDN_ROLE_OWNER};
    edn_status st = client_begin_write(s, err);

    if (st != EDN_OK)
        return st;
    snprintf(m.name, sizeof m.name, "%s", own->name);
    if ((st = journal_create(s, &client_id(s)->journal, journal_name)) == EDN_OK &&
        (st = member_say(s, &x->key.id, &m)) == EDN_OK)
        st = begun_unmark(s);
    return client_end_write(s, st, err);
}

/* From here on the name is the shared journal's, so that whoever says it again goes on with that one. */
static edn_status create_known(creating *x, const edn_journal_id *from, edn_bytes journal_name)
{
    const char *suffix = x->info.locked ? " (before it was locked)" : " (before it was shared)";
    edn_bytes kept = text_cut(journal_name, 255 - strlen(suffix));
    edn_buf renamed = EDN_BUF_INIT(1024);
    edn_status st;

    x->info.root = x->e.rk;
    x->info.epoch = edn_devlog_epoch(x->p->log);
    edn_put_bytes(&renamed, kept.p, kept.n);
    edn_put_str(&renamed, suffix);
    if ((st = edn_buf_status(&renamed)) == EDN_OK && (st = space_save(x->p, &x->info)) == EDN_OK && from &&
        (st = meta_put(x->p, "shared-from", EDN_F(x->info.account), EDN_F(*from))) == EDN_OK)
        st = journal_create(x->p, from, edn_buf_view(&renamed));
    if (st == EDN_OK)
        st = family_finish_within(x->p, &x->info.account);
    edn_buf_dispose(&renamed);
    return st;
}

/* The lock box, and the key for the store that is about to be made. */
static edn_status create_lock(creating *x, const second_passphrase *second)
{
    edn_status st = edn_lock_box_seal(x->info.lock_box, second->prepared, second->profile, &x->info.account,
                                      &x->info.lock, &x->p->random);

    return st == EDN_OK ? family_lock_set(x->p, &x->info.account, &x->info.lock) : st;
}

static edn_status create(creating *x, const edn_journal_id *from, edn_bytes journal_name,
                         const second_passphrase *second, edn_client **out, edn_err *err)
{
    edn_buf links[2] = {EDN_BUF_INIT(EDN_LINK_SIZE_MAX), EDN_BUF_INIT(EDN_LINK_SIZE_MAX)};
    edn_buf grants[2] = {EDN_BUF_INIT(65536), EDN_BUF_INIT(65536)};
    edn_devlog *log = NULL;
    edn_status st = edn_devlog_new(&log);

    if (st == EDN_OK)
        st = create_links(x, log, links, grants);
    if (st == EDN_OK && second)
        st = create_lock(x, second);
    if (st == EDN_OK) {
        const edn_bytes l[] = {edn_buf_view(&links[0]), edn_buf_view(&links[1])};
        const edn_bytes g[] = {edn_buf_view(&grants[0]), edn_buf_view(&grants[1])};
        const new_home h = {.links = l, .links_n = 2, .boxes = g, .boxes_n = 2, .begun = BEGUN_INIT, .first = true};
        st = family_add(x->p, &x->e, &h, out, err);
    }
    if (st == EDN_OK && (st = create_rows(x, *out, journal_name, err)) == EDN_OK &&
        (st = client_begin_write(x->p, err)) == EDN_OK)
        st = client_end_write(x->p, create_known(x, from, journal_name), err);
    for (int i = 0; i < 2; i++) {
        edn_buf_dispose(&links[i]);
        edn_buf_dispose(&grants[i]);
    }
    edn_devlog_free(log);
    return client_fail(x->p, st, err);
}

edn_status space_origin(edn_client *p, const edn_account_id *space, edn_journal_id *out)
{
    edn_buf row = EDN_BUF_INIT(64);
    edn_status st = meta_get(p, "shared-from", EDN_F(*space), &row);

    if (st == EDN_OK && row.n != sizeof out->b)
        st = EDN_E_MISSING;
    if (st == EDN_OK)
        memcpy(out->b, row.p, sizeof out->b);
    edn_buf_dispose(&row);
    return st;
}

edn_status space_origin_drop(edn_client *p, const edn_account_id *space)
{
    return meta_del(p, "shared-from", EDN_F(*space));
}

edn_status space_create(edn_client *p, const edn_journal_id *from, edn_bytes journal_name,
                        const second_passphrase *second, edn_client **out, edn_err *err)
{
    creating *x = edn_secret_alloc(sizeof *x);
    edn_bytes purpose = from ? EDN_F(*from) : journal_name;
    edn_status st;

    *out = NULL;
    if (!x)
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    memset(x, 0, sizeof *x);
    x->p = p;
    x->info.role = EDN_ROLE_OWNER;
    snprintf(x->info.name, sizeof x->info.name, "%.*s", (int)EDN_MIN(journal_name.n, sizeof x->info.name - 1),
             (const char *)journal_name.p);
    snprintf(x->info.server, sizeof x->info.server, "%s", client_id(p)->server);
    keys_make(p, SECRET_AIK, purpose, x->e.aik_seed.b, sizeof x->e.aik_seed.b);
    edn_sign_keypair(x->e.aik_seed.b, &x->e.aik, &x->e.aik_sk);
    keys_make(p, SECRET_ROOT, purpose, x->e.rk.b, sizeof x->e.rk.b);
    space_keys_make(p, purpose, &x->info.keys);
    member_key_of(&x->key, &x->info.keys, EDN_ROLE_OWNER);
    if (second) {
        x->info.locked = true;
        keys_make(p, SECRET_LOCK, purpose, x->info.lock.b, sizeof x->info.lock.b);
    }
    st = create(x, from, journal_name, second, out, err);
    if (st != EDN_OK && second)
        family_lock_forget(p, &x->info.account);
    edn_secret_free(x);
    return st;
}

/* ---- coming in --------------------------------------------------------------------------------------------------- */

typedef struct entering {
    edn_client *p;
    const space_info *info;
    joining j;
    member_key *key;  /* guarded */
    edn_root_key *rk; /* guarded: the newest */
    edn_err *err;
} entering;

/* Signs in as the member key, whose secrets all devices of the person have. */
static edn_status enter_sign_in(entering *x)
{
    identity *id = &x->j.e->id;
    edn_msg_challenge_ask ask = {.kind = EDN_LOGIN_DEVICE, .account = id->account, .device = x->key->id};
    edn_msg_login login = {.kind = EDN_LOGIN_DEVICE, .device = x->key->id};
    edn_arena a = edn_arena_init(1 << 20);
    edn_msg_challenge ch;
    edn_status st;

    client_random(x->p, ask.client_nonce, sizeof ask.client_nonce);
    memcpy(login.client_nonce, ask.client_nonce, sizeof login.client_nonce);
    if ((st = account_challenge(x->p, id, &ask, &a, &ch, x->err)) == EDN_OK)
        st = account_sign_in(x->p, id, &ch, &login, &x->key->sk, x->j.token, x->err);
    edn_arena_dispose(&a);
    return st;
}

/* One step from an epoch's root key to the next, by the member key's grant in the link that made it. */
static edn_status enter_step(entering *x, edn_bytes link, const edn_rotation *r)
{
    EDN_SECRET(edn_root_key) next = EDN_KEY_EMPTY;
    EDN_SECRET(edn_dh_sk) aek_sk = EDN_KEY_EMPTY;
    edn_buf box = EDN_BUF_INIT(EDN_BOX_SIZE_MAX);
    edn_link_info info;
    edn_dh_pk aek;
    edn_status st = edn_link_peek(link, &info);
    edn_grant_context cx = {.account = x->info->account,
                            .recipient = x->key->id,
                            .epoch = r->epoch,
                            .purpose = EDN_GRANT_ROOT,
                            .link_seq = info.seq,
                            .prev = info.prev};

    if (st == EDN_OK)
        st = account_fetch_box(x->p, x->info->server, x->j.token, &r->grants_hash, &box, x->err);
    if (st == EDN_OK)
        st = edn_rotation_grant_open(&cx, &x->info->keys.enc, edn_buf_view(&box), x->rk, &next);
    if (st == EDN_OK) {
        edn_aek_of(&aek_sk, &next, &x->info->account, r->epoch);
        edn_dh_keypair(&aek_sk, &aek);
        if (memcmp(aek.b, r->aek.b, sizeof aek.b) != 0)
            st = EDN_E_AUTH;
        *x->rk = next;
    }
    edn_buf_dispose(&box);
    return st;
}

static edn_status enter_root(entering *x)
{
    uint32_t epoch = x->info->root_epoch;
    edn_rotation r;

    *x->rk = x->info->root;
    for (size_t i = 0; i < x->j.links_n; i++) {
        edn_status st = edn_link_rotation(x->j.links[i], &r);
        if (st == EDN_OK && r.epoch == epoch + 1) {
            st = enter_step(x, x->j.links[i], &r);
            epoch++;
        }
        if (st != EDN_OK && st != EDN_E_TYPE)
            return edn_fail(x->err, st == EDN_E_MISSING ? EDN_E_DENIED : st,
                            "the shared journal \"%s\" gives this account no key that opens: it was taken out, or the "
                            "invitation is an old one",
                            x->info->name);
    }
    x->j.e->rk = *x->rk;
    x->j.e->epoch = epoch;
    return epoch == edn_devlog_epoch(x->j.log) ? EDN_OK : EDN_E_EPOCH;
}

/* The keys that follow those by which this device was taken out before it had a store of the journal: another device of
 * the person made the member key anew while this one, let in, had not proved yet whose it is. That it is the person's
 * still, the member key says that it signs with. Derived as the first ones are, so that an answer may be lost again. */
static edn_status enrol_anew(entering *x)
{
    enrolment *e = x->j.e;
    const edn_device *d = edn_devlog_device_find(x->j.log, &e->id.device);
    struct {
        edn_seed sign;
        edn_dh_sk enc;
    } *was = NULL;

    if (!d || edn_device_active(d))
        return EDN_OK;
    if (!(was = edn_secret_alloc(sizeof *was)))
        return edn_fail(x->err, EDN_E_NOMEM, "out of (locked) memory");
    for (; d && !edn_device_active(d); d = edn_devlog_device_find(x->j.log, &e->id.device)) {
        was->sign = e->id.sign_seed;
        was->enc = e->id.enc_sk;
        enrol_from(e, x->info, &was->sign, &was->enc);
    }
    edn_secret_free(was);
    return EDN_OK;
}

/* Lets this device in, unless an earlier attempt did. */
static edn_status enter_add(entering *x, edn_buf *grants)
{
    edn_link_signer by = {&x->key->id, &x->key->sk, client_now(x->p)};
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    enrolment *e = x->j.e;
    edn_status st = enrol_anew(x);

    if (st != EDN_OK || edn_devlog_device_find(x->j.log, &e->id.device))
        return st;
    if ((st = add_link(x->p, x->j.log, &by, &e->cert, &e->id.sign_sk, e->epoch, &e->rk, &link, grants)) == EDN_OK) {
        const edn_bytes box = edn_buf_view(grants);
        st = account_log_append(x->p, x->info->server, x->j.token, edn_buf_view(&link), &box, 1, x->err);
    }
    if (st == EDN_OK)
        st = account_pull_log(x->p, &x->j, x->err);
    edn_buf_dispose(&link);
    return st;
}

static edn_status enter(entering *x, edn_client **out)
{
    edn_buf grants = EDN_BUF_INIT(65536);
    const edn_device *key;
    edn_status st;

    if ((st = account_pin_server(x->p, x->info->server, &x->j.receipt_pk, x->err)) != EDN_OK ||
        (st = enter_sign_in(x)) != EDN_OK || (st = account_pull_log(x->p, &x->j, x->err)) != EDN_OK)
        return st;
    key = edn_devlog_device_find(x->j.log, &x->key->id);
    if (!edn_devlog_is_space(x->j.log) || !key || memcmp(&key->cert, &x->key->cert, sizeof key->cert) != 0)
        return edn_fail(x->err, EDN_E_AUTH, "%s: what the server shows is not the shared journal of the invitation",
                        x->info->server);
    if ((st = enter_root(x)) != EDN_OK)
        return st;
    do {
        edn_buf_reset(&grants);
        st = enter_add(x, &grants);
    } while (st == EDN_E_CONFLICT && (st = account_pull_log(x->p, &x->j, x->err)) == EDN_OK &&
             edn_devlog_epoch(x->j.log) == x->j.e->epoch);
    if (st == EDN_OK) {
        const edn_bytes box = edn_buf_view(&grants);
        const edn_sync_remote remote = {.origin = x->info->server, .receipt_pk = x->j.receipt_pk};
        const new_home h = {
            .links = x->j.links, .links_n = x->j.links_n, .boxes = &box, .boxes_n = grants.n > 0, .remote = &remote};
        st = family_add(x->p, x->j.e, &h, out, x->err);
    }
    edn_buf_dispose(&grants);
    return st;
}

edn_status space_join(edn_client *p, const space_info *info, edn_client **out, edn_err *err)
{
    struct {
        enrolment e;
        member_key key;
        edn_root_key rk;
    } *secret = edn_secret_alloc(sizeof *secret);
    entering x = {.p = p, .info = info, .j = {.links_arena = edn_arena_init(LINKS_SIZE_MAX)}, .err = err};
    edn_status st;

    *out = NULL;
    if (!secret)
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    memset(secret, 0, sizeof *secret);
    x.j.e = &secret->e;
    x.key = &secret->key;
    x.rk = &secret->rk;
    member_key_of(x.key, &info->keys, info->role);
    enrol_here(p, x.j.e, info);
    st = family_find(p, &info->account, out, NULL);
    if (st == EDN_E_MISSING && (st = edn_devlog_new(&x.j.log)) == EDN_OK)
        st = enter(&x, out);
    edn_devlog_free(x.j.log);
    edn_arena_dispose(&x.j.links_arena);
    edn_wipe(x.j.token, sizeof x.j.token);
    edn_secret_free(secret);
    return client_fail(p, st, err);
}

/* ---- coming in again --------------------------------------------------------------------------------------------- */

/* In the space's store: the links that it lacks, the newest root key, and where its own batches end that count. */
static edn_status return_take(edn_client *s, const entering *x, edn_head *own, uint64_t *cut, edn_err *err)
{
    const edn_head *h;
    edn_hash hash;
    heads all;
    edn_status st = client_begin_write(s, err);

    if (st != EDN_OK)
        return st;
    for (size_t i = 0; st == EDN_OK && i < x->j.links_n; i++)
        st = log_take_link(s, x->j.links[i]);
    if (st == EDN_E_CONFLICT)
        st = edn_fail(err, EDN_E_FORK, "the server shows another log of this shared journal than before");
    *own = (edn_head){.device = client_id(s)->device};
    if (st == EDN_OK && !edn_devlog_cut(s->log, &own->device, &client_id(s)->space, cut, &hash))
        st = edn_fail(err, EDN_E_DENIED, "%s: the server does not accept this device", x->info->server);
    if (st == EDN_OK && (st = keys_root_save(s, x->j.e->epoch, &x->j.e->rk)) == EDN_OK &&
        (st = heads_load(s, &all)) == EDN_OK) {
        if ((h = edn_heads_find(all.p, all.n, &own->device)) != NULL)
            *own = *h;
        heads_dispose(&all);
    }
    return client_end_write(s, st, err);
}

static edn_status return_once(edn_client *s, entering *x)
{
    edn_head own;
    uint64_t cut = 0;
    edn_status st;

    if ((st = account_pull_log(x->p, &x->j, x->err)) != EDN_OK || (st = enter_root(x)) != EDN_OK ||
        (st = return_take(s, x, &own, &cut, x->err)) != EDN_OK)
        return st;
    return identity_reenrol(s, x->j.token, cut, &own, x->err);
}

edn_status space_return(edn_client *s, edn_err *err)
{
    edn_client *p = s->parent;
    struct {
        space_info info;
        enrolment e;
        member_key key;
        edn_root_key rk;
    } *secret = edn_secret_alloc(sizeof *secret);
    entering x = {.p = p, .j = {.links_arena = edn_arena_init(LINKS_SIZE_MAX)}, .err = err};
    edn_account_id space;
    edn_status st;

    if (!secret)
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    memset(secret, 0, sizeof *secret);
    x.info = &secret->info;
    x.j.e = &secret->e;
    x.key = &secret->key;
    x.rk = &secret->rk;
    space = client_id(s)->account;
    if ((st = client_begin_read(p, err)) == EDN_OK)
        st = client_end_read(p, space_load(p, &space, &secret->info), err);
    if (st == EDN_OK && (secret->info.left || secret->info.closed))
        st = edn_fail(err, EDN_E_DENIED, "this shared journal was left, or is locked");
    if (st == EDN_OK && (st = edn_devlog_new(&x.j.log)) == EDN_OK) {
        member_key_of(x.key, &secret->info.keys, secret->info.role);
        enrol_here(p, x.j.e, &secret->info);
        if ((st = enter_sign_in(&x)) == EDN_OK)
            for (int tries = 0; tries < 5 && (st = return_once(s, &x)) == EDN_E_CONFLICT; tries++)
                continue; /* somebody else's link was quicker */
    }
    edn_devlog_free(x.j.log);
    edn_arena_dispose(&x.j.links_arena);
    edn_wipe(x.j.token, sizeof x.j.token);
    edn_secret_free(secret);
    return client_fail(p, st, err);
}

edn_status space_signer(edn_client *s, edn_device_id *id, edn_sign_sk *sk, edn_err *err)
{
    edn_client *p = s->parent;
    struct {
        space_info info;
        member_key key;
    } *secret = edn_secret_alloc(sizeof *secret);
    edn_status st;

    if (!secret)
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    memset(secret, 0, sizeof *secret);
    if ((st = client_begin_read(p, err)) == EDN_OK)
        st = client_end_read(p, space_load(p, &client_id(s)->account, &secret->info), err);
    if (st == EDN_OK) {
        member_key_of(&secret->key, &secret->info.keys, secret->info.role);
        *id = secret->key.id;
        *sk = secret->key.sk;
    }
    edn_secret_free(secret);
    return st;
}

/* ---- changing ---------------------------------------------------------------------------------------------------- */

/* A link that follows this space's log, made inside a transaction that reads; sent, and kept. */
typedef struct space_change {
    edn_client *s;
    edn_sync_remote remote;
    edn_buf link, boxes[2];
    size_t boxes_n;
    edn_status (*make)(struct space_change *x, void *ctx);
    void *ctx;
    edn_err *err;
} space_change;

static edn_status change_send(space_change *x)
{
    const edn_bytes boxes[] = {edn_buf_view(&x->boxes[0]), edn_buf_view(&x->boxes[1])};

    return account_log_append(x->s, client_id(x->s)->server, x->remote.token, edn_buf_view(&x->link), boxes, x->boxes_n,
                              x->err);
}

static edn_status change_keep(space_change *x)
{
    edn_status st = log_take_link(x->s, edn_buf_view(&x->link));

    for (size_t i = 0; st == EDN_OK && i < x->boxes_n; i++)
        st = box_save(x->s, edn_buf_view(&x->boxes[i]));
    return st;
}

static edn_status change_once(space_change *x)
{
    edn_status st = account_fresh_token(x->s, &x->remote, x->err);

    edn_buf_reset(&x->link);
    edn_buf_reset(&x->boxes[0]);
    edn_buf_reset(&x->boxes[1]);
    if (st != EDN_OK || (st = client_begin_read(x->s, x->err)) != EDN_OK ||
        (st = client_end_read(x->s, x->make(x, x->ctx), x->err)) != EDN_OK || x->link.n == 0 ||
        (st = change_send(x)) != EDN_OK || (st = client_begin_write(x->s, x->err)) != EDN_OK)
        return st;
    return client_end_write(x->s, change_keep(x), x->err);
}

/* Tried again when somebody else's link was quicker. */
static edn_status change(edn_client *s, edn_status (*make)(space_change *x, void *ctx), void *ctx, edn_err *err)
{
    space_change x = {.s = s,
                      .link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX),
                      .boxes = {EDN_BUF_INIT(EDN_BOX_SIZE_MAX), EDN_BUF_INIT(EDN_BOX_SIZE_MAX)},
                      .make = make,
                      .ctx = ctx,
                      .err = err};
    edn_status st = EDN_E_CONFLICT;

    for (int tries = 0; tries < 5 && st == EDN_E_CONFLICT; tries++)
        st = change_once(&x);
    edn_buf_dispose(&x.link);
    edn_buf_dispose(&x.boxes[0]);
    edn_buf_dispose(&x.boxes[1]);
    edn_wipe(x.remote.token, sizeof x.remote.token);
    edn_sync_remote_dispose(&x.remote);
    return st;
}

/* ---- letting in -------------------------------------------------------------------------------------------------- */

typedef struct letting_in {
    const member_key *key;
    const edn_link_signer *by; /* NULL: this device */
} letting_in;

static edn_status make_add(space_change *x, void *ctx)
{
    const letting_in *l = ctx;
    const identity *id = client_id(x->s);
    EDN_SECRET(edn_root_key) rk = EDN_KEY_EMPTY;
    edn_link_signer self = {&id->device, &id->sign_sk, client_now(x->s)};
    uint32_t epoch = edn_devlog_epoch(x->s->log);
    edn_status st;

    x->boxes_n = 1;
    if (edn_devlog_device_find(x->s->log, &l->key->id))
        return EDN_OK; /* an answer was lost, and the sync has brought what it said */
    if ((st = keys_root(x->s, epoch, &rk)) != EDN_OK)
        return st;
    return add_link(x->s, x->s->log, l->by ? l->by : &self, &l->key->cert, &l->key->sk, epoch, &rk, &x->link,
                    &x->boxes[0]);
}

edn_status space_let_in(edn_client *s, const contact *who, edn_role role, space_keys *out, edn_err *err)
{
    member_key *key = edn_secret_alloc(sizeof *key);
    letting_in l = {key, NULL};
    member m = {.account = who->account, .role = role};
    edn_buf row = EDN_BUF_INIT(128);
    edn_status st;

    if (!key)
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    snprintf(m.name, sizeof m.name, "%s", who->name);
    /* The secrets are kept first, so that the same key is let in and told of whatever is interrupted. */
    if ((st = client_begin_write(s, err)) == EDN_OK) {
        st = meta_get(s, "inviting", EDN_F(who->account), &row);
        if (st == EDN_OK && row.n == sizeof *out) {
            memcpy(out, row.p, sizeof *out);
        } else if (st == EDN_OK || st == EDN_E_MISSING) {
            space_keys_make(s, EDN_F(who->account), out);
            st = meta_put(s, "inviting", EDN_F(who->account), edn_bytes_of(out, sizeof *out));
        }
        st = client_end_write(s, st, err);
    }
    member_key_of(key, out, role);
    if (st == EDN_OK && (st = change(s, make_add, &l, err)) == EDN_OK && (st = client_begin_write(s, err)) == EDN_OK)
        st = client_end_write(s, member_say(s, &key->id, &m), err);
    edn_buf_wipe(&row);
    edn_secret_free(key);
    return st;
}

/* ---- taking out -------------------------------------------------------------------------------------------------- */

typedef struct taking_out {
    bool (*goes)(void *ctx, edn_client *s, const edn_device *d);
    void *ctx;
    const edn_link_signer *by;   /* NULL: this device */
    edn_root_key *before, *next; /* guarded */
    edn_device_id gone[EDN_SPACE_KEYS_MAX];
    edn_pin cuts[EDN_SPACE_KEYS_MAX];
    size_t gone_n, cuts_n;
} taking_out;

/* Who goes, each with its newest batch that is here: what comes after it does not count. */
static edn_status list_gone(edn_client *s, taking_out *t)
{
    const edn_device *d;
    heads all;
    edn_status st = heads_load(s, &all);

    t->gone_n = t->cuts_n = 0;
    for (size_t i = 0; st == EDN_OK && (d = edn_devlog_device(s->log, i)) != NULL; i++) {
        const edn_head *h = edn_heads_find(all.p, all.n, &d->id);
        if (!edn_device_active(d) || !t->goes(t->ctx, s, d))
            continue;
        t->gone[t->gone_n++] = d->id;
        if (h)
            t->cuts[t->cuts_n++] = (edn_pin){client_id(s)->space, h->device, h->dseq, h->hash};
    }
    heads_dispose(&all);
    return st;
}

static edn_status make_rotation(space_change *x, void *ctx)
{
    taking_out *t = ctx;
    const identity *id = client_id(x->s);
    edn_link_signer self = {&id->device, &id->sign_sk, client_now(x->s)};
    edn_rotation r = {.epoch = edn_devlog_epoch(x->s->log) + 1};
    EDN_SECRET(edn_dh_sk) aek_sk = EDN_KEY_EMPTY;
    edn_status st = list_gone(x->s, t);

    x->boxes_n = 2;
    if (st != EDN_OK || t->gone_n == 0)
        return st;
    if ((st = keys_root(x->s, r.epoch - 1, t->before)) != EDN_OK)
        return st;
    keys_make(x->s, SECRET_ROOT, EDN_F(*t->before), t->next->b, sizeof t->next->b);
    edn_aek_of(&aek_sk, t->next, &id->account, r.epoch);
    edn_dh_keypair(&aek_sk, &r.aek);
    r.revoked = t->gone;
    r.revoked_n = t->gone_n;
    r.cuts = t->cuts;
    r.cuts_n = t->cuts_n;
    if ((st = edn_rotation_grants(&x->boxes[0], x->s->log, t->gone, t->gone_n, r.epoch, t->before, t->next,
                                  &x->s->random)) != EDN_OK ||
        (st = edn_prev_box_seal(&x->boxes[1], t->next, &id->account, r.epoch, t->before, &x->s->random)) != EDN_OK)
        return st;
    r.grants_hash = edn_h32(edn_buf_view(&x->boxes[0]));
    r.prev_box_hash = edn_h32(edn_buf_view(&x->boxes[1]));
    return edn_link_revoke_rotate(&x->link, x->s->log, t->by ? t->by : &self, &r);
}

/* The new root key is found by this device's own grant at the next sync, as by everybody else. */
static edn_status take_out(edn_client *s, bool (*goes)(void *ctx, edn_client *s, const edn_device *d), void *ctx,
                           const edn_link_signer *by, edn_err *err)
{
    taking_out *t = calloc(1, sizeof *t);
    edn_root_key *keys = edn_secret_alloc(2 * sizeof *keys);
    edn_sync_result synced;
    edn_status st = EDN_E_NOMEM;

    if (!t || !keys) {
        st = edn_fail(err, st, "out of (locked) memory");
    } else {
        *t = (taking_out){.goes = goes, .ctx = ctx, .by = by, .before = &keys[0], .next = &keys[1]};
        st = change(s, make_rotation, t, err);
    }
    edn_secret_free(keys);
    free(t);
    return st == EDN_OK ? client_sync(s, NULL, true, &synced, err) : st;
}

/* Every key of a person's, by whichever membership it came in. */
static bool is_of_account(void *ctx, edn_client *s, const edn_device *d)
{
    const edn_account_id *account = ctx;
    const edn_device *key = edn_devlog_membership(s->log, &d->id);
    member m;

    return key && member_load(s, &key->id, &m) == EDN_OK && memcmp(m.account.b, account->b, sizeof m.account.b) == 0;
}

edn_status space_take_out(edn_client *s, const edn_account_id *account, edn_err *err)
{
    edn_account_id id = *account;

    return take_out(s, is_of_account, &id, NULL, err);
}

/* ---- a member key that is the person's alone --------------------------------------------------------------------- */

/* Everything of this person in the space that a revoked device knew or was. */
typedef struct stale {
    const edn_devlog *account; /* the person's own log */
    edn_device_id first, old_key, new_key, self;
} stale;

/* The first of a person's keys: member keys let in each other, and devices, and somebody else's device the first. */
static edn_device_id first_key(const edn_devlog *log, const edn_device *d)
{
    const edn_device *by = edn_devlog_device_find(log, &d->added_by);

    while (by && (by->cert.caps & EDN_CAP_MEMBER)) {
        d = by;
        by = edn_devlog_device_find(log, &d->added_by);
    }
    return d->id;
}

/* A key of the person's that is to go, or is gone. */
static bool is_stale_key(const stale *x, edn_client *s, const edn_device *d)
{
    edn_device_id first = first_key(s->log, d);
    const edn_device *of;
    edn_statement says;

    if (memcmp(first.b, x->first.b, sizeof first.b) != 0 || memcmp(d->id.b, x->new_key.b, sizeof d->id.b) == 0 ||
        memcmp(d->id.b, x->self.b, sizeof d->id.b) == 0)
        return false;
    if (statement_load(s, &d->id, &says) != EDN_OK)
        return true; /* nobody's words are in it: an honest device comes in again under new keys (space_return) */
    of = edn_devlog_device_find(x->account, &says.device);
    return !of || !edn_device_active(of);
}

/* Besides them the invitations of such a device that nobody has accepted: it has made their keys, and so it knows
 * them. */
static bool is_stale(void *ctx, edn_client *s, const edn_device *d)
{
    const stale *x = ctx;
    const edn_device *by;

    if (is_stale_key(x, s, d))
        return true;
    by = d->cert.caps & EDN_CAP_MEMBER ? edn_devlog_device_find(s->log, &d->added_by) : NULL;
    return by && !(by->cert.caps & EDN_CAP_MEMBER) && is_stale_key(x, s, by);
}

/* The space's membership of an owner does not run through the old key: its new one was let in by a key with admin. */
static edn_status renew_keys(edn_client *p, edn_client *s, space_info *info, const space_keys *next, edn_err *err)
{
    struct {
        member_key was, is;
    } *secret = edn_secret_alloc(sizeof *secret);
    edn_link_signer by = {.time_ms = client_now(p)};
    stale x = {.account = p->log, .self = client_id(s)->device};
    letting_in l;
    member m = {.account = client_id(p)->account, .role = info->role};
    const edn_device *was;
    edn_status st;

    if (!secret)
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    member_key_of(&secret->was, &info->keys, info->role);
    member_key_of(&secret->is, next, info->role);
    by.device = &secret->was.id;
    by.sk = &secret->was.sk;
    x.old_key = secret->was.id;
    x.new_key = secret->is.id;
    l = (letting_in){&secret->is, &by};
    snprintf(m.name, sizeof m.name, "%s", client_id(p)->name);
    if ((st = change(s, make_add, &l, err)) == EDN_OK && info->role == EDN_ROLE_OWNER &&
        (st = client_begin_write(s, err)) == EDN_OK)
        st = client_end_write(s, member_say(s, &secret->is.id, &m), err);
    if (st == EDN_OK && (was = edn_devlog_device_find(s->log, &x.old_key)) != NULL) {
        x.first = first_key(s->log, was);
        st = take_out(s, is_stale, &x, &by, err);
    }
    edn_secret_free(secret);
    return st;
}

/* The next key is kept before anybody hears of it, so that the same one is let in whatever is interrupted. */
static edn_status renew(edn_client *p, edn_client *s, space_info *info, edn_err *err)
{
    space_keys *next = edn_secret_alloc(sizeof *next);
    edn_buf row = EDN_BUF_INIT(128);
    edn_status st;

    if (!next)
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    if ((st = client_begin_write(s, err)) == EDN_OK) {
        st = meta_get(s, "next-member-key", EDN_BYTES_EMPTY, &row);
        if (st == EDN_OK && row.n == sizeof *next) {
            memcpy(next, row.p, sizeof *next);
        } else if (st == EDN_OK || st == EDN_E_MISSING) {
            space_keys_make(s, EDN_F(info->keys.sign), next);
            st = meta_put(s, "next-member-key", EDN_BYTES_EMPTY, edn_bytes_of(next, sizeof *next));
        }
        st = client_end_write(s, st, err);
    }
    if (st == EDN_OK && (st = renew_keys(p, s, info, next, err)) == EDN_OK &&
        (st = client_begin_read(s, err)) == EDN_OK) {
        info->root_epoch = edn_devlog_epoch(s->log);
        st = client_end_read(s, keys_root(s, info->root_epoch, &info->root), err);
    }
    if (st == EDN_OK && (st = client_begin_write(p, err)) == EDN_OK) {
        info->keys = *next;
        info->epoch = edn_devlog_epoch(p->log);
        st = client_end_write(p, space_save(p, info), err);
    }
    if (st == EDN_OK && (st = client_begin_write(s, err)) == EDN_OK)
        st = client_end_write(s, meta_del(s, "next-member-key", EDN_BYTES_EMPTY), err);
    edn_buf_wipe(&row);
    edn_secret_free(next);
    return st;
}

/* ---- what a sync does -------------------------------------------------------------------------------------------- */

typedef struct gathering {
    edn_account_id *p;
    size_t n, cap;
    edn_client *client;
} gathering;

static edn_status gather(void *ctx, const edn_entry_id *id, edn_bytes name)
{
    gathering *g = ctx;
    edn_account_id space;
    edn_status st = field_bytes(g->client, id, FIELD_SPACE, space.b, sizeof space.b);

    (void)name;
    if (st != EDN_OK)
        return st == EDN_E_MISSING ? EDN_OK : st;
    if (!edn_array_room(&g->p, &g->cap, g->n + 1, sizeof *g->p))
        return EDN_E_NOMEM;
    g->p[g->n++] = space;
    return EDN_OK;
}

/* What the space's store is to know of people: the person's contacts, and the person. */
static edn_status put_person(void *ctx, const edn_entry_id *id, edn_bytes name)
{
    struct {
        edn_client *p;
        edn_buf *out;
    } *x = ctx;
    edn_account_id account;
    contact k;
    edn_status st;

    (void)name;
    memset(&account, 0, sizeof account);
    memcpy(account.b, id->b, sizeof id->b);
    if ((st = contact_load(x->p, &account, &k)) != EDN_OK)
        return st == EDN_E_MISSING ? EDN_OK : st;
    edn_put_bytes(x->out, k.account.b, sizeof k.account.b);
    edn_put_u64(x->out, k.seq);
    edn_put_bytes(x->out, k.head.b, sizeof k.head.b);
    edn_put_lp(x->out, edn_bytes_str(k.name));
    return edn_buf_status(x->out);
}

/* Inside a transaction of the parent: this device's statement, and the log that proves it. */
typedef struct proof {
    edn_statement says;
    edn_arena arena;
    edn_bytes *links;
    size_t links_n;
    edn_buf people;
} proof;

static edn_status make_proof(edn_client *p, const edn_account_id *space, const edn_device_id *in_space, proof *out)
{
    const identity *id = client_id(p);
    struct {
        edn_client *p;
        edn_buf *out;
    } people = {p, &out->people};
    edn_buf link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_status st = EDN_OK;

    out->links_n = (size_t)edn_devlog_count(p->log);
    out->links = edn_arena_calloc(&out->arena, out->links_n, sizeof *out->links);
    for (size_t i = 0; st == EDN_OK && i < out->links_n; i++) {
        edn_buf_reset(&link);
        st = out->links ? link_load(p, i, &link) : EDN_E_NOMEM;
        if (st == EDN_OK && !edn_arena_copy(&out->arena, edn_buf_view(&link), &out->links[i]))
            st = EDN_E_NOMEM;
    }
    edn_buf_dispose(&link);
    out->says = (edn_statement){.account = id->account,
                                .device = id->device,
                                .log_seq = edn_devlog_count(p->log) - 1,
                                .log_head = edn_devlog_head(p->log)};
    edn_statement_sign(&out->says, space, in_space, &id->sign_sk);
    edn_put_bytes(&out->people, id->account.b, sizeof id->account.b);
    edn_put_u64(&out->people, out->says.log_seq);
    edn_put_bytes(&out->people, out->says.log_head.b, sizeof out->says.log_head.b);
    edn_put_lp(&out->people, edn_bytes_str(id->name));
    return st == EDN_OK ? names_each(p, EDN_RECORD_CONTACT, put_person, &people) : st;
}

/* Inside a transaction of the space that writes. */
static edn_status use_proof(edn_client *s, const proof *x, bool may_write)
{
    edn_buf had = EDN_BUF_INIT((size_t)4 << 20);
    edn_statement said;
    edn_status st = meta_get(s, "people", EDN_BYTES_EMPTY, &had);

    if (st == EDN_E_MISSING || (st == EDN_OK && !edn_bytes_equal(edn_buf_view(&had), edn_buf_view(&x->people))))
        st = people_save(s, edn_buf_view(&x->people));
    edn_buf_dispose(&had);
    if (st != EDN_OK || !may_write)
        return st;
    st = statement_load(s, &client_id(s)->device, &said);
    return st == EDN_E_MISSING ? statement_say(s, &x->says, x->links, x->links_n) : st;
}

static edn_status prove(edn_client *p, edn_client *s, const space_info *info, edn_err *err)
{
    proof x = {.arena = edn_arena_init(LINKS_SIZE_MAX), .people = EDN_BUF_INIT((size_t)4 << 20)};
    edn_device_id here;
    edn_status st = client_begin_read(s, err);

    if (st == EDN_OK) {
        here = client_id(s)->device;
        st = client_end_read(s, EDN_OK, err);
    }
    if (st == EDN_OK && (st = client_begin_read(p, err)) == EDN_OK)
        st = client_end_read(p, make_proof(p, &info->account, &here, &x), err);
    if (st == EDN_OK && (st = client_begin_write(s, err)) == EDN_OK)
        st = client_end_write(s, use_proof(s, &x, info->role >= EDN_ROLE_WRITE), err);
    edn_arena_dispose(&x.arena);
    edn_buf_dispose(&x.people);
    return st;
}

/* Of a locked journal: what is settled without its key, and what follows from having it. */
static edn_status settle_lock(edn_client *p, const space_info *info, uint32_t epoch, edn_err *err)
{
    if (info->closed && info->epoch < epoch)
        return edn_fail(err, EDN_E_KEY_INVALID,
                        "\"%s\" is closed, and the diary has got new keys since it was open: open it, so that it gets "
                        "new ones too ('edn journal open')",
                        info->name);
    return info->unlocked ? family_lock_set(p, &info->account, &info->lock) : EDN_OK;
}

/* A server that the diary was given after the journal was made. */
static edn_status settle_server(edn_client *p, edn_client *s, space_info *info, edn_err *err)
{
    edn_status st;

    if (info->server[0] || !client_id(p)->server[0])
        return EDN_OK;
    memcpy(info->server, client_id(p)->server, sizeof info->server);
    if ((st = client_begin_write(s, err)) != EDN_OK)
        return st;
    memcpy(s->secret->id.server, info->server, sizeof info->server);
    if ((st = client_end_write(s, identity_save(s, client_id(s)), err)) != EDN_OK ||
        (st = client_begin_write(p, err)) != EDN_OK)
        return st;
    return client_end_write(p, space_save(p, info), err);
}

/* Whether the member key is to be made anew: somebody knows it who is no device of this person now. A key that came
 * with an invitation its inviter knows, and who has opened the letter; the first one that its person lets in is theirs
 * alone. (An owner's comes with none.) */
static edn_status key_is_old(edn_client *s, const space_info *info, bool since_revoked, bool *out, edn_err *err)
{
    edn_status st = client_begin_read(s, err);
    const edn_device *d;
    edn_device_id id, first;
    edn_dh_pk enc;
    edn_sign_sk sk;
    edn_sign_pk sign;

    *out = since_revoked;
    if (st != EDN_OK)
        return st;
    edn_sign_keypair(info->keys.sign.b, &sign, &sk);
    edn_wipe(&sk, sizeof sk);
    edn_dh_keypair(&info->keys.enc, &enc);
    id = edn_device_id_of(&sign, &enc);
    d = edn_devlog_device_find(s->log, &id);
    if (d && info->role != EDN_ROLE_OWNER) {
        first = first_key(s->log, d);
        *out |= memcmp(first.b, id.b, sizeof id.b) == 0;
    }
    return client_end_read(s, EDN_OK, err);
}

static edn_status settle_one(edn_client *p, space_info *info, uint32_t epoch, bool *renewed, edn_err *err)
{
    const edn_account_id *space = &info->account;
    edn_client *s = NULL;
    bool old;
    edn_status st;

    if (info->left) {
        st = family_drop(p, space, false, err);
        return st == EDN_E_MISSING || st == EDN_E_CONFLICT ? EDN_OK : st;
    }
    if ((st = settle_lock(p, info, epoch, err)) != EDN_OK || info->closed ||
        (st = space_join(p, info, &s, err)) != EDN_OK)
        return st;
    EDN_ASSERT(s);
    if ((st = family_finish(p, space, err)) != EDN_OK || (st = settle_server(p, s, info, err)) != EDN_OK ||
        (st = prove(p, s, info, err)) != EDN_OK)
        return st;
    if (info->locked && (st = family_note(p, space, info->unlocked, family_unsent(p, space), err)) != EDN_OK)
        return st;
    if ((st = key_is_old(s, info, info->epoch < epoch, &old, err)) != EDN_OK || !old)
        return st;
    st = renew(p, s, info, err);
    *renewed |= st == EDN_OK;
    return st;
}

static edn_status settle(edn_client *p, const edn_account_id *space, bool *renewed, edn_err *err)
{
    space_info *info = edn_secret_alloc(sizeof *info);
    uint32_t epoch = 0;
    edn_status st;

    if (!info)
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    if ((st = client_begin_read(p, err)) == EDN_OK) {
        epoch = edn_devlog_epoch(p->log);
        st = space_load(p, space, info);
        st = client_end_read(p, st == EDN_E_MISSING ? EDN_OK : st, err);
    }
    if (st == EDN_OK && info->role != 0)
        st = settle_one(p, info, epoch, renewed, err);
    edn_secret_free(info);
    return st;
}

edn_status space_settle(edn_client *p, const edn_account_id *space, edn_err *err)
{
    bool renewed = false;

    return settle(p, space, &renewed, err);
}

typedef struct each_space {
    edn_client *p;
    space_info *info; /* guarded */
    space_fn *fn;
    void *ctx;
} each_space;

static edn_status load_and_give(void *ctx, const edn_entry_id *id, edn_bytes name)
{
    each_space *x = ctx;
    edn_account_id space;
    edn_status st = field_bytes(x->p, id, FIELD_SPACE, space.b, sizeof space.b);

    (void)name;
    if (st == EDN_OK)
        st = space_load(x->p, &space, x->info);
    if (st == EDN_OK)
        return x->info->left ? EDN_OK : x->fn(x->ctx, x->info);
    return st == EDN_E_MISSING ? EDN_OK : st; /* not whole yet */
}

edn_status spaces_each(edn_client *p, space_fn *fn, void *ctx)
{
    each_space x = {p, edn_secret_alloc(sizeof *x.info), fn, ctx};
    edn_status st = x.info ? names_each(p, EDN_RECORD_SPACE, load_and_give, &x) : EDN_E_NOMEM;

    edn_secret_free(x.info);
    return st;
}

typedef struct closed_spaces {
    space_closed_fn *fn;
    void *ctx;
} closed_spaces;

static edn_status give_closed(void *ctx, const space_info *info)
{
    const closed_spaces *x = ctx;

    return info->closed ? x->fn(x->ctx, &info->account, edn_bytes_str(info->name)) : EDN_OK;
}

edn_status spaces_closed(edn_client *p, space_closed_fn *fn, void *ctx)
{
    closed_spaces x = {fn, ctx};

    return spaces_each(p, give_closed, &x);
}

edn_status spaces_settle(edn_client *p, edn_finding_fn *fn, void *ctx, bool *renewed, edn_err *err)
{
    gathering g = {.client = p};
    edn_status st = client_begin_read(p, err);

    if (st == EDN_OK)
        st = client_end_read(p, names_each(p, EDN_RECORD_SPACE, gather, &g), err);
    for (size_t i = 0; st == EDN_OK && i < g.n; i++) {
        edn_err why = {EDN_OK, ""};
        edn_status one = settle(p, &g.p[i], renewed, &why);
        edn_finding f = {.status = one, .time_ms = client_now(p)};
        if (one == EDN_E_NOMEM || one == EDN_E_IO || one == EDN_E_FULL || one == EDN_E_LOCKED)
            st = edn_fail(err, one, "%s", why.text);
        if (one == EDN_OK || !fn)
            continue;
        if (one == EDN_E_KEY_INVALID) {
            f.status = EDN_E_LOCKED;
            snprintf(f.text, sizeof f.text, "%.390s", why.text);
        } else {
            snprintf(f.text, sizeof f.text, "a shared journal: %.360s", why.text);
        }
        fn(ctx, &f);
    }
    free(g.p);
    return st;
}
