#include "server_priv.h"

/* Logins and tokens (SECURITY 2.10, 2.11).
 *
 * A challenge costs the server no memory: its nonce is 16 random bytes and a MAC over them, who asked and when. Only a
 * nonce whose login succeeded is remembered, for as long as it would be good, so that none is good twice. The MAC's key
 * lives as long as the process: a restart forgets the list and the challenges together.
 *
 * An account that is not there is treated as one that is: the same lookups (one that hits and one that misses,
 * whichever comes first), the same answer made from a keyed hash, a signature checked against a key that nobody has.
 * The lookup that must hit takes the last one that did. */

#define CHALLENGE_RANDOM_SIZE 16u
#define KDF_OPS_DEFAULT 3u
#define KDF_MEM_DEFAULT_KIB 262144u

/* ---- challenges -------------------------------------------------------------------------------------------------- */

static void challenge_mac(edn_server *s, uint8_t nonce[32], uint8_t kind, const edn_account_id *account,
                          const edn_device_id *device, const uint8_t client_nonce[32], uint64_t time_s)
{
    edn_kdf_t(nonce + CHALLENGE_RANDOM_SIZE, 32 - CHALLENGE_RANDOM_SIZE, s->nonce_key, EDN_LABEL_SERVER_NONCE,
              edn_bytes_of(nonce, CHALLENGE_RANDOM_SIZE), EDN_F_U8(kind), EDN_F(*account), EDN_F(*device),
              edn_bytes_of(client_nonce, 32), EDN_F_U64(time_s));
}

/* A record and an id for a name that nobody has: the same each time, and of the form that new accounts have. */
static void challenge_fake(edn_server *s, const edn_hash *name, edn_meta_name *out)
{
    uint8_t *r = out->kdf_record;

    edn_kdf_t(out->account.b, sizeof out->account.b, s->fake_key, EDN_LABEL_FAKE, EDN_F_U8(1), EDN_F(*name));
    memcpy(r, "EDNK\1\1\1\1", 8);
    edn_store_u32(r + 8, KDF_OPS_DEFAULT);
    edn_store_u32(r + 12, KDF_MEM_DEFAULT_KIB);
    edn_kdf_t(r + 16, 16, s->fake_key, EDN_LABEL_FAKE, EDN_F_U8(2), EDN_F(*name));
}

static edn_status challenge_name(edn_server *s, const edn_hash *name, edn_meta_name *out)
{
    edn_meta_name real, decoy, fake;
    edn_status st, st2;
    edn_hash missing;

    challenge_fake(s, name, &fake);
    memcpy(missing.b, fake.account.b, sizeof missing.b); /* as a name: one that nobody has */
    st = s->meta.name_find(s->meta.ctx, name, &real);
    if (st != EDN_OK && st != EDN_E_MISSING)
        return st;
    st2 = s->meta.name_find(s->meta.ctx, st == EDN_OK ? &missing : &s->decoy_name, &decoy);
    if (st2 != EDN_OK && st2 != EDN_E_MISSING)
        return st2;
    if (st == EDN_OK)
        s->decoy_name = *name;
    *out = st == EDN_OK ? real : fake;
    return EDN_OK;
}

void edn_server_challenge(edn_server *s, const edn_server_request *rq, edn_server_answer *out)
{
    edn_msg_challenge_ask ask;
    edn_msg_challenge m = {.server_time = edn_server_now_s(s), .origin = edn_bytes_str(s->origin)};
    edn_meta_name name;
    edn_status st;

    if ((st = edn_challenge_ask_decode(&s->arena, rq->body, &ask)) != EDN_OK) {
        edn_server_malformed(out, st);
        return;
    }
    m.account = ask.account;
    if (ask.kind == EDN_LOGIN_PASSPHRASE) {
        if ((st = challenge_name(s, &ask.name_hash, &name)) != EDN_OK) {
            edn_server_failed(out, st);
            return;
        }
        m.account = name.account;
        memcpy(m.kdf_record, name.kdf_record, sizeof m.kdf_record);
    }
    s->random.fill(s->random.ctx, m.server_nonce, CHALLENGE_RANDOM_SIZE);
    challenge_mac(s, m.server_nonce, ask.kind, &m.account, &ask.device, ask.client_nonce, m.server_time);
    out->status = 200;
    edn_challenge_put(&out->body, &m);
}

/* ---- logins ------------------------------------------------------------------------------------------------------ */

static bool nonce_good(edn_server *s, const edn_msg_login *m)
{
    uint64_t now = edn_server_now_s(s);
    uint8_t nonce[32];

    memcpy(nonce, m->server_nonce, CHALLENGE_RANDOM_SIZE);
    challenge_mac(s, nonce, m->kind, &m->account, &m->device, m->client_nonce, m->server_time);
    return edn_equal_ct(nonce, m->server_nonce, sizeof nonce) && m->server_time <= now &&
           now - m->server_time < SERVER_NONCE_LIFE_S;
}

/* Remembers a nonce; false: it was used before, or there are more logins at once than are kept. */
static bool nonce_use(edn_server *s, const edn_msg_login *m)
{
    uint64_t now = edn_server_now_s(s);
    used_nonce *room = NULL;

    for (size_t i = 0; i < 32; i++) {
        used_nonce *u = &s->nonces[(edn_load_u32(m->server_nonce) + i) % SERVER_NONCE_SLOTS];
        if (u->expires_s > now && memcmp(u->nonce, m->server_nonce, sizeof u->nonce) == 0)
            return false;
        if (!room && u->expires_s <= now)
            room = u;
    }
    if (!room)
        return false;
    memcpy(room->nonce, m->server_nonce, sizeof room->nonce);
    room->expires_s = m->server_time + SERVER_NONCE_LIFE_S;
    return true;
}

static bool login_within_limits(edn_server *s, const edn_server_request *rq, const edn_msg_login *m, uint32_t *wait_s)
{
    const edn_server_limits *l = &s->config.limits;
    uint64_t now = s->clock.now_ms(s->clock.ctx);
    limit_rule address = {l->login_address_per_min / 60.0, l->login_address_per_min, l->login_delay_max_s};
    limit_rule account = {l->login_account_per_min / 60.0, l->login_account_per_min, l->login_delay_max_s};
    limit_rule passphrase = {l->passphrase_per_hour / 3600.0, l->passphrase_per_hour, l->login_delay_max_s};
    edn_bytes who = edn_bytes_of(m->account.b, sizeof m->account.b);

    return edn_limit_take(&s->limits, LIMIT_LOGIN_ADDRESS, rq->address, &address, 1, now, wait_s) &&
           edn_limit_take(&s->limits, LIMIT_LOGIN_ACCOUNT, who, &account, 1, now, wait_s) &&
           (m->kind != EDN_LOGIN_PASSPHRASE ||
            edn_limit_take(&s->limits, LIMIT_PASSPHRASE, who, &passphrase, 1, now, wait_s));
}

/* The key that this account's log names for such a login; false: none. */
static bool login_key_of(const server_account *a, const edn_msg_login *m, edn_sign_pk *pk)
{
    const edn_device *d;
    edn_hash kdf, box;

    if (m->kind == EDN_LOGIN_PASSPHRASE)
        return edn_devlog_kdf(a->log, &kdf, &box, pk);
    d = edn_devlog_device_find(a->log, &m->device);
    if (!d || !edn_device_active(d))
        return false;
    *pk = d->cert.sign;
    return true;
}

/* A key that nobody has, another one for each account: how long a signature takes to check depends on the key. */
static void login_key_nobody(edn_server *s, const edn_account_id *account, edn_sign_pk *pk)
{
    uint8_t seed[32];
    edn_sign_sk sk;

    edn_kdf_t(seed, sizeof seed, s->fake_key, EDN_LABEL_FAKE, EDN_F_U8(4), EDN_F(*account));
    edn_sign_keypair(seed, pk, &sk);
    edn_wipe(seed, sizeof seed);
    edn_wipe(&sk, sizeof sk);
}

/* The account (NULL: not there) and the key that a login must be signed with (nobody's: it cannot succeed). For an
 * account that is not there the same is done with the one that was found last, and then forgotten. */
static edn_status login_key(edn_server *s, const edn_msg_login *m, server_account **account, edn_sign_pk *pk)
{
    edn_account_id missing;
    edn_meta_account row, decoy;
    edn_sign_pk found;
    server_account *a = NULL;
    edn_status st, st2;
    bool known;

    *account = NULL;
    login_key_nobody(s, &m->account, pk);
    edn_kdf_t(missing.b, sizeof missing.b, s->fake_key, EDN_LABEL_FAKE, EDN_F_U8(3), EDN_F(m->account));
    st = s->meta.account_find(s->meta.ctx, &m->account, &row);
    if (st != EDN_OK && st != EDN_E_MISSING)
        return st;
    known = st == EDN_OK;
    st2 = s->meta.account_find(s->meta.ctx, known ? &missing : &s->decoy_account, &decoy);
    if (st2 != EDN_OK && st2 != EDN_E_MISSING)
        return st2;
    if (known)
        s->decoy_account = m->account;
    st = edn_server_account_get(s, known ? &m->account : &s->decoy_account, &a);
    if (st == EDN_E_MISSING && !known)
        return EDN_OK; /* no account was ever found */
    if (st != EDN_OK)
        return st;
    if (login_key_of(a, m, &found) && known)
        *pk = found;
    *account = known ? a : NULL;
    return EDN_OK;
}

/* The key of this period, and those that tokens may still be signed with. */
static const char *token_keys_now(edn_server *s)
{
    uint64_t period = edn_server_now_s(s) / (30u * 86400u);
    uint8_t seed[32];

    if (s->token_keys_n == 0 || period != s->token_period) {
        s->token_keys_n = 0;
        for (uint64_t p = period; s->token_keys_n < EDN_TOKEN_KEYS_MAX; p--) {
            edn_token_key *k = &s->token_keys[s->token_keys_n];
            edn_sign_sk sk;
            edn_kdf_t(seed, sizeof seed, s->master_key, EDN_LABEL_SERVER_KEY, edn_bytes_str("token"), EDN_F_U64(p));
            edn_sign_keypair(seed, &k->pk, &sk);
            memcpy(k->kid, p & 1 ? "k1" : "k0", 3);
            if (s->token_keys_n++ == 0)
                s->token_sk = sk;
            edn_wipe(&sk, sizeof sk);
            edn_wipe(seed, sizeof seed);
            if (p == 0)
                break;
        }
        s->token_period = period;
    }
    /* A token lives for ten minutes, so that a day after the change nothing can be left of the older key. */
    if (edn_server_now_s(s) % (30u * 86400u) >= 86400u)
        s->token_keys_n = 1;
    return s->token_keys[0].kid;
}

static void login_token(edn_server *s, const server_account *a, const edn_msg_login *m, edn_server_answer *out)
{
    uint64_t now = edn_server_now_s(s);
    edn_token_claims c = {.subject = a->row.subject,
                          .device = m->device,
                          .log_seq = edn_devlog_count(a->log) - 1,
                          .issued_s = now,
                          .not_before_s = now,
                          .expires_s = now + EDN_MIN(s->config.limits.token_s, EDN_TOKEN_TTL_MAX_S)};
    edn_buf token = EDN_BUF_INIT(EDN_TOKEN_SIZE_MAX);
    const char *kid = token_keys_now(s);

    s->random.fill(s->random.ctx, c.id, sizeof c.id);
    edn_token_make(&token, &c, s->origin, kid, &s->token_sk);
    if (edn_buf_status(&token) != EDN_OK) {
        edn_server_failed(out, edn_buf_status(&token));
    } else {
        edn_msg_token answer = {c.expires_s, edn_buf_view(&token)};
        out->status = 200;
        edn_token_put(&out->body, &answer);
        s->stats.logins++;
    }
    edn_buf_wipe(&token);
}

void edn_server_login(edn_server *s, const edn_server_request *rq, edn_server_answer *out)
{
    static const uint8_t plain[32];
    edn_msg_login m;
    edn_login_message message;
    server_account *account;
    edn_sign_pk pk;
    const uint8_t *binding;
    uint32_t wait_s;
    edn_status st;
    bool good;

    if ((st = edn_login_decode(&s->arena, rq->body, &m)) != EDN_OK) {
        edn_server_malformed(out, st);
        return;
    }
    if (!login_within_limits(s, rq, &m, &wait_s)) {
        edn_server_limited(s, out, wait_s);
        return;
    }
    if ((st = login_key(s, &m, &account, &pk)) != EDN_OK) {
        edn_server_failed(out, st);
        return;
    }
    /* Everything that we know ourselves comes from us, not from the message. The place in the log is the client's to
     * state: a server that lost links must let in the device that brings them back. */
    message = (edn_login_message){.origin = edn_bytes_str(s->origin),
                                  .account = m.account,
                                  .device = m.device,
                                  .server_time = m.server_time,
                                  .log_seq = m.log_seq,
                                  .log_head = m.log_head};
    memcpy(message.client_nonce, m.client_nonce, 32);
    memcpy(message.server_nonce, m.server_nonce, 32);
    /* Behind a proxy the client's TLS ends there: what it bound to cannot be known here. */
    binding = s->config.behind_proxy ? m.channel_binding : rq->channel_binding ? rq->channel_binding : plain;
    memcpy(message.channel_binding, binding, 32);
    good = edn_login_verify(&m.sig, &message, &pk); /* always, so that every refusal takes the same time */
    good = nonce_good(s, &m) && edn_equal_ct(binding, m.channel_binding, 32) && good;
    if (!good || !account || !nonce_use(s, &m)) {
        edn_server_denied(out);
        s->stats.denied++;
        return;
    }
    login_token(s, account, &m, out);
}

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

/* A token that was checked before costs a hash; two that share a slot push each other out. */
static edn_status token_claims_of(edn_server *s, edn_bytes bearer, edn_token_claims *claims, edn_account_id *account)
{
    edn_hash hash = edn_h32_t(EDN_LABEL_SERVER_TOKEN, bearer);
    token_entry *e = &s->tokens[edn_load_u32(hash.b) % SERVER_TOKEN_SLOTS];
    edn_meta_account row;
    uint64_t now = edn_server_now_s(s);
    edn_status st;

    if (edn_equal_ct(&e->hash, &hash, sizeof hash)) {
        if (now < e->claims.not_before_s || now >= e->claims.expires_s)
            return EDN_E_DENIED;
        *claims = e->claims;
        *account = e->account;
        return EDN_OK;
    }
    (void)token_keys_now(s); /* for its effect: the table of keys is of today */
    if (!edn_token_check(bearer, s->token_keys, s->token_keys_n, s->origin, now, claims))
        return EDN_E_DENIED;
    if ((st = s->meta.account_find_subject(s->meta.ctx, &claims->subject, &row)) != EDN_OK)
        return st == EDN_E_MISSING ? EDN_E_DENIED : st;
    *account = row.id;
    *e = (token_entry){hash, *claims, row.id};
    return EDN_OK;
}

edn_status edn_server_caller_of(edn_server *s, edn_bytes bearer, server_caller *out)
{
    static const edn_device_id nobody;
    edn_token_claims claims;
    edn_account_id account;
    const edn_device *d;
    edn_status st;

    memset(out, 0, sizeof *out);
    if (bearer.n == 0 || bearer.n > EDN_TOKEN_SIZE_MAX)
        return EDN_E_DENIED;
    if ((st = token_claims_of(s, bearer, &claims, &account)) != EDN_OK)
        return st;
    if ((st = edn_server_account_get(s, &account, &out->account)) != EDN_OK)
        return st == EDN_E_MISSING ? EDN_E_DENIED : st;
    out->device = claims.device;
    out->passphrase = memcmp(&claims.device, &nobody, sizeof nobody) == 0;
    out->expires_s = claims.expires_s;
    out->log_seq = claims.log_seq;
    if (out->passphrase) /* a new passphrase ends what the old one opened */
        return out->account->kdf_seq != UINT64_MAX && claims.log_seq >= out->account->kdf_seq ? EDN_OK : EDN_E_DENIED;
    d = edn_devlog_device_find(out->account->log, &claims.device);
    return d && edn_device_active(d) ? EDN_OK : EDN_E_DENIED;
}
