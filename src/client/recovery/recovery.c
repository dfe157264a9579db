/* The recovery key in shares: made, and tried. The key itself is in no device's memory for longer than this takes.
 *
 *     RKEY (32 random bytes) ─┬─ SLIP-39 shares, T of N ─┬─▶ words on paper
 *                             │                          └─▶ the last ones: letters to contacts
 *                             └─ box: AIK seed, RK_e, end of the log ─▶ named by a SET_RECOVERY link, which has also
 *                                a commitment to each share: x its number, y its value, and a blind with contacts
 *
 * What the shares of a set have in common besides (SLIP-39's id and the like) stands in no commitment, so of a share
 * that is taken only x and y count: whoever alters the rest alters nothing. */
#include "client/recovery/recovery_priv.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/client_priv.h"
#include "client/recovery/entrusted.h"

edn_status recovery_new(edn_recovery **out, edn_err *err)
{
    edn_recovery *r = calloc(1, sizeof *r);

    *out = NULL;
    if (r)
        r->secret = edn_secret_alloc(sizeof *r->secret);
    if (!r || !r->secret) {
        free(r);
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    }
    memset(r->secret, 0, sizeof *r->secret);
    r->box = EDN_BUF_INIT(EDN_BOX_SIZE_MAX);
    r->arena = edn_arena_init((size_t)64 << 20);
    *out = r;
    return EDN_OK;
}

void edn_recovery_free(edn_recovery *r)
{
    if (!r)
        return;
    edn_secret_free(r->secret);
    edn_secret_free(r->e);
    edn_devlog_free(r->log);
    edn_buf_dispose(&r->box);
    edn_arena_dispose(&r->arena);
    edn_client_close(r->c);
    free(r);
}

void recovery_share_of(const edn_word_share *w, edn_share *out)
{
    memset(out, 0, sizeof *out);
    out->x = (uint8_t)(w->member + 1);
    memcpy(out->y, w->value, w->size);
}

edn_status recovery_find(recovery_link_fn *link, void *ctx, uint64_t links, recovery_set *out)
{
    edn_buf bytes = EDN_BUF_INIT(EDN_LINK_SIZE_MAX);
    edn_rotation rotation;
    edn_link_info info;
    bool found = false;
    edn_status st = EDN_OK;

    memset(out, 0, sizeof *out);
    for (uint64_t seq = links; seq-- > 0;) {
        edn_buf_reset(&bytes);
        if ((st = link(ctx, seq, &bytes)) != EDN_OK)
            break;
        if (!found && edn_link_recovery(edn_buf_view(&bytes), &out->set) == EDN_OK &&
            edn_link_peek(edn_buf_view(&bytes), &info) == EDN_OK) {
            found = true;
            out->seq = seq;
            out->time_ms = info.time_ms;
        } else if (found && edn_link_rotation(edn_buf_view(&bytes), &rotation) == EDN_OK) {
            out->epoch = rotation.epoch; /* the newest before the set's link */
            break;
        }
    }
    edn_buf_dispose(&bytes);
    return st == EDN_OK && !found ? EDN_E_MISSING : st;
}

static edn_status link_of_client(void *ctx, uint64_t seq, edn_buf *out) { return link_load(ctx, seq, out); }

edn_status recovery_set_of(edn_client *c, recovery_set *out)
{
    return recovery_find(link_of_client, c, edn_devlog_count(c->log), out);
}

edn_share_set recovery_share_set(const edn_account_id *account, const edn_recovery_set *set)
{
    return (edn_share_set){.account = *account,
                           .id = set->id,
                           .needed = set->needed,
                           .n = set->n,
                           .secret_size = sizeof(edn_recovery_key)};
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

typedef struct making {
    edn_client *c;
    edn_bytes prepared;
    edn_recovery_set set;
    contact *keepers; /* of the last shares */
    size_t keepers_n;
    struct making_secrets {
        edn_word_share shares[EDN_SHARES_MAX];
        edn_entrusted entrusted[EDN_SHARES_MAX]; /* the same of the keepers' shares */
        edn_recovery_key key;
        edn_root_secret root;
        char words[EDN_RECOVERY_WORDS_MAX];
    } * secret; /* guarded */
    edn_sync_remote remote;
    edn_buf box, link;
    edn_err *err;
} making;

static size_t on_paper(const making *x) { return x->set.n - x->keepers_n; }

/* A share and its commitment: of one that goes to a contact, as it goes there. */
static void commit(making *x, const edn_share_set *set, size_t i)
{
    EDN_SECRET(edn_share) share;
    edn_entrusted *e;

    recovery_share_of(&x->secret->shares[i], &share);
    if (i >= on_paper(x)) {
        client_random(x->c, share.blind, sizeof share.blind);
        e = &x->secret->entrusted[i - on_paper(x)];
        *e = (edn_entrusted){.set = set->id, .needed = set->needed, .n = set->n, .share = share};
    }
    x->set.commitments[i] = edn_share_commitment(set, &share);
}

static edn_status split(making *x)
{
    edn_words_plan plan = {.group_needed = 1, .group_n = 1};
    edn_share_set set;
    edn_status st;

    plan.groups[0].needed = x->set.needed;
    plan.groups[0].n = x->set.n;
    client_random(x->c, x->set.id.b, sizeof x->set.id.b);
    keys_make(x->c, SECRET_RECOVERY, EDN_F(x->set.id), x->secret->key.b, sizeof x->secret->key.b);
    if ((st = edn_words_split(x->secret->shares, &plan, EDN_F(x->secret->key), EDN_BYTES_EMPTY, &x->c->random)) !=
        EDN_OK)
        return st;
    set = recovery_share_set(&client_id(x->c)->account, &x->set);
    for (size_t i = 0; i < x->set.n; i++)
        commit(x, &set, i);
    return EDN_OK;
}

static void words_put(const edn_word_share *share, char out[EDN_RECOVERY_WORDS_MAX])
{
    edn_word words[EDN_WORDS_MAX];
    size_t n, at = 0;

    edn_words_of(share, words, &n);
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(out + at, EDN_RECOVERY_WORDS_MAX - at, "%s%s", i ? " " : "", words[i].text);
    edn_wipe(words, sizeof words);
}

void recovery_set_text(const edn_share_set_id *id, char out[EDN_RECOVERY_SET_MAX])
{
    edn_account_key as_key;

    memcpy(as_key.b, id->b, sizeof as_key.b); /* sixteen bytes, shown with the same check against typing errors */
    edn_account_key_text(out, &as_key);
}

static edn_status pages(making *x, edn_recovery_page_fn *fn, void *ctx)
{
    const identity *id = client_id(x->c);
    char account[65], set[EDN_RECOVERY_SET_MAX];
    edn_status st = EDN_OK;

    edn_hex_encode(account, id->account.b, sizeof id->account.b);
    recovery_set_text(&x->set.id, set);
    for (unsigned i = 0; st == EDN_OK && i < on_paper(x); i++) {
        edn_recovery_page page = {.number = i + 1,
                                  .n = x->set.n,
                                  .needed = x->set.needed,
                                  .words = x->secret->words,
                                  .set = set,
                                  .account = account,
                                  .server = id->server,
                                  .name = id->name,
                                  .contacts = x->keepers_n > 0};
        words_put(&x->secret->shares[i], x->secret->words);
        st = fn(ctx, &page);
    }
    return st;
}

/* ---- keepers ----------------------------------------------------------------------------------------------------- */

/* Contacts whose number was compared, each once. */
static edn_status find_keeper(making *x, const char *who)
{
    contact k;
    edn_status st = contact_find(x->c, who, &k, x->err);

    if (st != EDN_OK)
        return st;
    if (k.state != EDN_CONTACT_VERIFIED)
        return edn_fail(x->err, EDN_E_DENIED,
                        "\"%s\" is not verified: compare the number of 'edn contact show' with what they see, by voice "
                        "or in person, then 'edn contact verify'. A share for somebody in between would be theirs",
                        k.name);
    for (size_t i = 0; i < x->keepers_n; i++)
        if (memcmp(x->keepers[i].account.b, k.account.b, sizeof k.account.b) == 0)
            return edn_fail(x->err, EDN_E_INVALID, "\"%s\" is named twice: one person holds one share", k.name);
    x->keepers[x->keepers_n++] = k;
    return EDN_OK;
}

static edn_status find_keepers(making *x, const edn_recovery_plan *plan)
{
    edn_status st = client_begin_read(x->c, x->err);

    if (st != EDN_OK || plan->contacts_n == 0)
        return st == EDN_OK ? client_end_read(x->c, st, x->err) : st;
    if (!client_id(x->c)->server[0])
        st = edn_fail(x->err, EDN_E_INVALID,
                      "this diary has no server yet, and contacts are reached by one: 'edn server URL --name NAME'");
    else if (!(x->keepers = calloc(plan->contacts_n, sizeof *x->keepers)))
        st = EDN_E_NOMEM;
    for (size_t i = 0; st == EDN_OK && x->keepers && i < plan->contacts_n; i++)
        st = find_keeper(x, plan->contacts[i]);
    return client_end_read(x->c, st, x->err);
}

/* Each one's log of now; `send`: and the share to it. Before anything is shown the logs alone are looked at, so that a
 * contact whose log is another stops everything. */
static edn_status reach_keepers(making *x, bool send)
{
    edn_buf payload = EDN_BUF_INIT(256);
    edn_status st = EDN_OK;

    edn_buf_reserve(&payload, 256); /* so that no piece of it is left where it grew from */
    for (size_t i = 0; st == EDN_OK && i < x->keepers_n; i++) {
        fetched_log got = {0};
        edn_buf_reset(&payload);
        edn_entrusted_put(&payload, &x->secret->entrusted[i]);
        st = contact_log(x->c, &x->keepers[i], &got, x->err);
        if (st == EDN_OK && send && (st = client_fail(x->c, edn_buf_status(&payload), x->err)) == EDN_OK)
            st = letter_send(x->c, &x->keepers[i], got.log, EDN_LETTER_SHARE, edn_buf_view(&payload), x->err);
        fetched_log_dispose(&got);
    }
    edn_buf_wipe(&payload);
    return st;
}

/* Who was given which. Inside the transaction that keeps the link. */
static edn_status keep_keepers(making *x)
{
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < x->keepers_n; i++) {
        edn_entry_id id = account_entry(&x->keepers[i].account);
        holding h = {.set = x->set.id, .x = x->secret->entrusted[i].share.x};
        st = holding_save(x->c, &id, &h);
    }
    return st;
}

/* The box and the link that names it, after the log as it is. In a transaction that reads. */
static edn_status make_link(making *x)
{
    edn_client *c = x->c;
    const identity *id = client_id(c);
    edn_link_signer by = {&id->device, &id->sign_sk, client_now(c)};
    EDN_SECRET(edn_recovery_secret)
    secret = {.sc_seq = edn_devlog_count(c->log) - 1, .sc_head = edn_devlog_head(c->log)};
    edn_buf root_box = EDN_BUF_INIT(EDN_BOX_SIZE_MAX);
    edn_kdf_record record;
    edn_status st = account_load_wrap(c, x->remote.token, &record, &root_box, x->err);

    if (st == EDN_OK &&
        (st = account_open_root(c, x->prepared, &record, edn_buf_view(&root_box), &x->secret->root)) == EDN_E_AUTH)
        st = edn_fail(x->err, EDN_E_PASSPHRASE, "that is not the account's passphrase");
    edn_buf_dispose(&root_box);
    if (st != EDN_OK)
        return st;
    secret.aik_seed = x->secret->root.aik_seed;
    secret.root = x->secret->root.root;
    edn_buf_reset(&x->box);
    edn_buf_reset(&x->link);
    if ((st = edn_recovery_box_seal(&x->box, &x->secret->key, &id->account, &x->set.id, edn_devlog_epoch(c->log),
                                    &secret, &c->random)) != EDN_OK)
        return st;
    x->set.box_hash = edn_h32(edn_buf_view(&x->box));
    return edn_link_set_recovery(&x->link, c->log, &by, &x->set);
}

static edn_status read_link(making *x)
{
    edn_status st = client_begin_read(x->c, x->err);

    return st == EDN_OK ? client_end_read(x->c, make_link(x), x->err) : st;
}

static edn_status keep_link(making *x)
{
    edn_status st = client_begin_write(x->c, x->err);

    if (st != EDN_OK)
        return st;
    if ((st = log_take_link(x->c, edn_buf_view(&x->link))) == EDN_OK)
        st = box_save(x->c, edn_buf_view(&x->box));
    if (st == EDN_OK)
        st = keep_keepers(x);
    return client_end_write(x->c, st, x->err);
}

static edn_status set_once(making *x)
{
    edn_bytes boxes[1];
    edn_status st;

    if (client_id(x->c)->server[0] && (st = account_fresh_token(x->c, &x->remote, x->err)) != EDN_OK)
        return st;
    if ((st = read_link(x)) != EDN_OK)
        return st;
    boxes[0] = edn_buf_view(&x->box);
    if (x->remote.token[0] && (st = account_log_append(x->c, client_id(x->c)->server, x->remote.token,
                                                       edn_buf_view(&x->link), boxes, 1, x->err)) != EDN_OK)
        return st;
    return keep_link(x);
}

static edn_status setup(making *x, edn_recovery_page_fn *fn, void *ctx)
{
    edn_status st;

    /* The passphrase is tried before any page is shown. */
    if ((client_id(x->c)->server[0] && (st = account_fresh_token(x->c, &x->remote, x->err)) != EDN_OK) ||
        (st = split(x)) != EDN_OK || (st = read_link(x)) != EDN_OK || (st = reach_keepers(x, false)) != EDN_OK ||
        (st = pages(x, fn, ctx)) != EDN_OK || (st = reach_keepers(x, true)) != EDN_OK)
        return st;
    st = EDN_E_CONFLICT;
    for (int tries = 0; tries < 5 && st == EDN_E_CONFLICT; tries++)
        st = set_once(x);
    return st;
}

edn_status edn_client_recovery_setup(edn_client *c, edn_bytes passphrase, const edn_recovery_plan *plan,
                                     edn_recovery_page_fn *fn, void *ctx, edn_err *err)
{
    edn_buf prepared = EDN_BUF_INIT(16384);
    unsigned needed = plan->needed, n = plan->n;
    making x = {.c = c,
                .set = {.needed = (uint8_t)needed, .n = (uint8_t)n},
                .box = EDN_BUF_INIT(EDN_BOX_SIZE_MAX),
                .link = EDN_BUF_INIT(EDN_LINK_SIZE_MAX),
                .err = err};
    edn_status st;

    if (n < 2 || n > EDN_SHARES_MAX || needed < 2 || needed > n)
        return edn_fail(err, EDN_E_INVALID, "make 2 to %u shares, of which 2 or more, at most all, are needed together",
                        EDN_SHARES_MAX);
    if (plan->contacts_n > n)
        return edn_fail(err, EDN_E_INVALID, "%zu contacts and %u shares: each contact holds one", plan->contacts_n, n);
    if (!c->secret)
        return edn_fail(err, EDN_E_LOCKED, "unlock the diary first");
    x.secret = edn_secret_alloc(sizeof *x.secret);
    if (!x.secret)
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    memset(x.secret, 0, sizeof *x.secret);
    if ((st = find_keepers(&x, plan)) == EDN_OK &&
        (st = edn_passphrase_prepare(passphrase, &prepared, err)) == EDN_OK) {
        x.prepared = edn_buf_view(&prepared);
        st = setup(&x, fn, ctx);
    }
    free(x.keepers);
    edn_secret_free(x.secret);
    edn_wipe(x.remote.token, sizeof x.remote.token);
    edn_sync_remote_dispose(&x.remote);
    edn_buf_wipe(&prepared);
    edn_buf_dispose(&x.box);
    edn_buf_dispose(&x.link);
    return st;
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

edn_status edn_client_recovery_info(edn_client *c, edn_recovery_info *out, edn_err *err)
{
    recovery_set at;
    edn_status st = client_begin_read(c, err);

    memset(out, 0, sizeof *out);
    if (st != EDN_OK)
        return st;
    st = recovery_set_of(c, &at);
    if (st == EDN_OK) {
        out->there = true;
        out->current = at.epoch == edn_devlog_epoch(c->log);
        out->needed = at.set.needed;
        out->n = at.set.n;
        out->time_ms = at.time_ms;
        recovery_set_text(&at.set.id, out->set);
    }
    return client_end_read(c, st == EDN_E_MISSING ? EDN_OK : st, err);
}

/* ---- taking shares ----------------------------------------------------------------------------------------------- */

/* In a transaction that reads. *away: the box is not here. */
static edn_status drill_find(edn_recovery *r, edn_client *c, bool *away, edn_err *err)
{
    edn_status st;

    EDN_ASSERT(r);
    st = recovery_set_of(c, &r->at);
    *away = false;
    if (st == EDN_E_MISSING)
        return edn_fail(err, st, "this account has no recovery shares; 'edn recovery setup' makes them");
    if (st == EDN_OK && (st = box_load(c, &r->at.set.box_hash, &r->box)) == EDN_E_MISSING) {
        *away = true;
        st = EDN_OK;
    }
    r->account = client_id(c)->account;
    return st == EDN_OK ? edn_devlog_copy(c->log, &r->log) : st;
}

/* Another device made the shares: the server has the box. */
static edn_status drill_fetch(edn_recovery *r, edn_client *c, edn_err *err)
{
    edn_sync_remote remote = {0};
    edn_status st;

    if (!client_id(c)->server[0])
        return edn_fail(err, EDN_E_MISSING, "the sealed recovery box is not on this device");
    if ((st = account_fresh_token(c, &remote, err)) == EDN_OK)
        st = account_fetch_box(c, client_id(c)->server, remote.token, &r->at.set.box_hash, &r->box, err);
    edn_wipe(remote.token, sizeof remote.token);
    edn_sync_remote_dispose(&remote);
    return st;
}

edn_status edn_recovery_drill(edn_client *c, edn_recovery **out, edn_err *err)
{
    edn_recovery *r = NULL;
    bool away = false;
    edn_status st;

    *out = NULL;
    if ((st = recovery_new(&r, err)) == EDN_OK && (st = client_begin_read(c, err)) == EDN_OK)
        st = client_end_read(c, drill_find(r, c, &away, err), err);
    if (st == EDN_OK && away)
        st = drill_fetch(r, c, err);
    if (st == EDN_OK) {
        *out = r;
        r = NULL;
    }
    edn_recovery_free(r);
    return st;
}

/* Everything in the box against the log: a server that shows an older or another account is found out. */
static edn_status box_check(const edn_recovery *r, edn_err *err)
{
    const edn_recovery_secret *s = &r->secret->opened;
    EDN_SECRET(edn_sign_sk) sk = EDN_KEY_EMPTY;
    edn_sign_pk pk, aik = edn_devlog_aik(r->log);
    edn_hash at;

    if (!edn_devlog_hash_at(r->log, s->sc_seq, &at) || memcmp(at.b, s->sc_head.b, sizeof at.b) != 0)
        return edn_fail(err, EDN_E_FORK,
                        "the shares were made for another history of this account than the one shown here; do not "
                        "trust the server");
    edn_sign_keypair(s->aik_seed.b, &pk, &sk);
    if (memcmp(pk.b, aik.b, sizeof pk.b) != 0)
        return edn_fail(err, EDN_E_KEY_INVALID, "the account's own key was replaced since these shares were made");
    return EDN_OK;
}

edn_status recovery_open(edn_recovery *r, edn_err *err)
{
    edn_status st = edn_recovery_box_open(&r->secret->key, &r->account, &r->at.set.id, r->at.epoch,
                                          edn_buf_view(&r->box), &r->secret->opened);

    if (st == EDN_E_AUTH)
        return edn_fail(err, st, "the shares fit, but the sealed box that they should open is another one");
    return st == EDN_OK ? box_check(r, err) : st;
}

static edn_status combine(edn_recovery *r, edn_err *err)
{
    edn_status st = edn_words_combine(r->secret->key.b, r->secret->shares, r->secret->n, EDN_BYTES_EMPTY, err);

    if (st == EDN_E_AUTH)
        return edn_fail(err, st, "each share is of this set, but together they make no key: the set is broken");
    if (st == EDN_OK && !r->c) /* on a bare machine the box comes after the wait */
        st = recovery_open(r, err);
    r->open = st == EDN_OK;
    return st;
}

void recovery_share_put(edn_recovery *r, const edn_share *share)
{
    edn_word_share *to = &r->secret->shares[r->secret->n++];

    *to = (edn_word_share){.extendable = true,
                           .group_needed = 1,
                           .group_n = 1,
                           .member = (uint8_t)(share->x - 1),
                           .member_needed = r->at.set.needed,
                           .size = sizeof(edn_recovery_key)};
    memcpy(to->value, share->y, sizeof(edn_recovery_key));
}

/* A share, whoever brought it, against its commitment; then it counts, by its x and y alone. */
static edn_status take(edn_recovery *r, const edn_share *share, edn_err *err)
{
    edn_share_set set = recovery_share_set(&r->account, &r->at.set);

    for (unsigned i = 0; i < r->secret->n; i++)
        if (r->secret->shares[i].member + 1u == share->x)
            return edn_fail(err, EDN_E_EXISTS, "share %u was given already; another one is needed", share->x);
    if (edn_share_check(&set, r->at.set.commitments, share) != EDN_OK)
        return edn_fail(err, EDN_E_AUTH,
                        "that share (it says that it is number %u) is of another account or an older set, or somebody "
                        "changed it; the others count all the same",
                        share->x);
    recovery_share_put(r, share);
    return EDN_OK;
}

edn_status recovery_take(edn_recovery *r, const edn_share *share, edn_err *err)
{
    unsigned before = r->secret->n;
    edn_status st = take(r, share, err);

    if (st == EDN_OK && r->secret->n == r->at.set.needed && (st = combine(r, err)) == EDN_E_NOMEM)
        recovery_untake(r, before);
    return st;
}

void recovery_untake(edn_recovery *r, unsigned n)
{
    r->secret->n = n;
    r->open = false;
    edn_wipe(&r->secret->key, sizeof r->secret->key);
}

edn_status edn_recovery_add(edn_recovery *r, edn_bytes words, unsigned *have, unsigned *needed, edn_err *err)
{
    EDN_SECRET(edn_word_share) w;
    EDN_SECRET(edn_share) share;
    edn_status st = edn_words_parse(words, &w, err);

    *needed = r->at.set.needed;
    *have = r->secret->n;
    if (st != EDN_OK)
        return st;
    if (r->open)
        return edn_fail(err, EDN_E_EXISTS, "there are enough shares already");
    if (w.size != sizeof(edn_recovery_key) || w.group_n != 1 || w.member_needed != r->at.set.needed ||
        w.member >= r->at.set.n)
        return edn_fail(err, EDN_E_AUTH,
                        "that is a share of something else: another account, an older set, or another program's");
    recovery_share_of(&w, &share);
    st = recovery_take(r, &share, err);
    if (st == EDN_OK && r->e && (st = recovery_keep(r, err)) != EDN_OK)
        recovery_untake(r, *have);
    *have = r->secret->n;
    return st;
}
