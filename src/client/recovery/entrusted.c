/* Shares of others that this account keeps, and what others say of its own.
 *
 *     owner                              contact
 *     SHARE letter ──────────────────▶   offered ── keep ─▶ kept ── refuse ─▶ (gone)
 *                  ◀──── ANSWER ─────      └──── refuse ────────────────────────┘
 *     ASK letter   ──────────────────▶   (keep again)
 *
 * Nothing happens by itself: a share is kept, given back or thrown away when the person says so. A share is one only
 * while the sender's log, as looked up then, has its set as the newest and a commitment that is this share's. */
#include "client/recovery/entrusted.h"

#include <stdlib.h>

#define FIELD_KEPT "kept"
#define FIELD_SHARE "share"

enum { HOLDING_SIZE = 26, ENTRUSTED_SIZE = 16 + 2 + EDN_SHARE_SIZE, ANSWER_SIZE = 18 };

/* ---- as fields of a contact -------------------------------------------------------------------------------------- */

/* A field as `size` bytes. EDN_E_MISSING: it is not there, or not that. */
static edn_status hex_load(edn_client *c, const edn_entry_id *id, const char *field, uint8_t *out, size_t size)
{
    edn_buf value = EDN_BUF_INIT(4096);
    edn_status st = named_get(c, id, EDN_RECORD_CONTACT, field, &value);

    if (st == EDN_OK && !edn_hex_decode(out, size, edn_buf_view(&value)))
        st = EDN_E_MISSING;
    edn_buf_wipe(&value);
    return st == EDN_E_LIMIT ? EDN_E_MISSING : st;
}

static edn_status hex_save(edn_client *c, const edn_entry_id *id, const char *field, edn_bytes value)
{
    char hex[2 * ENTRUSTED_SIZE + 1];
    edn_status st;

    EDN_ASSERT(value.n <= ENTRUSTED_SIZE);
    edn_hex_encode(hex, value.p, value.n);
    st = named_put(c, id, EDN_RECORD_CONTACT, field, edn_bytes_of(hex, 2 * value.n));
    edn_wipe(hex, sizeof hex);
    return st;
}

edn_status holding_load(edn_client *c, const edn_entry_id *id, holding *out)
{
    uint8_t bytes[HOLDING_SIZE];
    edn_status st = hex_load(c, id, FIELD_SHARE, bytes, sizeof bytes);

    memset(out, 0, sizeof *out);
    if (st != EDN_OK)
        return st;
    memcpy(out->set.b, bytes, sizeof out->set.b);
    out->x = bytes[16];
    out->answer = bytes[17];
    out->time_ms = edn_load_u64(bytes + 18);
    return EDN_OK;
}

edn_status holding_save(edn_client *c, const edn_entry_id *id, const holding *h)
{
    uint8_t bytes[HOLDING_SIZE];

    memcpy(bytes, h->set.b, sizeof h->set.b);
    bytes[16] = h->x;
    bytes[17] = h->answer;
    edn_store_u64(bytes + 18, h->time_ms);
    return hex_save(c, id, FIELD_SHARE, edn_bytes_of(bytes, sizeof bytes));
}

typedef struct entrusted_bytes {
    uint8_t b[ENTRUSTED_SIZE];
} entrusted_bytes;
EDN_SECRET_TYPE(entrusted_bytes)

edn_status entrusted_load(edn_client *c, const edn_entry_id *id, edn_entrusted *out)
{
    EDN_SECRET(entrusted_bytes) bytes;
    edn_status st = hex_load(c, id, FIELD_KEPT, bytes.b, sizeof bytes.b);

    memset(out, 0, sizeof *out);
    if (st == EDN_OK && edn_entrusted_read(EDN_F(bytes), out) != EDN_OK)
        st = EDN_E_MISSING;
    return st;
}

static edn_status entrusted_save(edn_client *c, const edn_entry_id *id, const edn_entrusted *e)
{
    edn_buf bytes = EDN_BUF_INIT(ENTRUSTED_SIZE);
    edn_status st;

    edn_buf_reserve(&bytes, ENTRUSTED_SIZE); /* so that no piece of it is left where it grew from */
    edn_entrusted_put(&bytes, e);
    if ((st = edn_buf_status(&bytes)) == EDN_OK)
        st = hex_save(c, id, FIELD_KEPT, edn_buf_view(&bytes));
    edn_buf_wipe(&bytes);
    return st;
}

/* ---- against the log --------------------------------------------------------------------------------------------- */

static edn_status link_of_fetched(void *ctx, uint64_t seq, edn_buf *out)
{
    const fetched_log *f = ctx;

    edn_put_bytes(out, f->links[seq].p, f->links[seq].n);
    return edn_buf_status(out);
}

/* EDN_E_AUTH: not the share that the log speaks of; *at is then its newest set. EDN_E_MISSING: the log has none. */
static edn_status entrusted_check(const edn_entrusted *e, fetched_log *log, recovery_set *at)
{
    edn_account_id account = edn_devlog_account(log->log);
    edn_status st = recovery_find(link_of_fetched, log, log->links_n, at);
    edn_share_set set;

    if (st != EDN_OK)
        return st;
    set = recovery_share_set(&account, &at->set);
    if (memcmp(at->set.id.b, e->set.b, sizeof e->set.b) != 0 || at->set.needed != e->needed || at->set.n != e->n)
        return EDN_E_AUTH;
    return edn_share_check(&set, at->set.commitments, &e->share);
}

/* ---- letters about shares ---------------------------------------------------------------------------------------- */

typedef struct looking {
    edn_client *c;
    const char *what; /* whose: NULL, all are told */
    edn_entrusted_fn *fn;
    void *ctx;
    edn_err *err;
    edn_entrusted *offer; /* guarded: the one that is meant, when `found` */
    letter_sender from;
    bool found;    /* a good share of it */
    bool lettered; /* any letter of it about shares */
    bool several;
    bool offline;
    uint64_t numbers[EDN_INBOX_LETTERS_MAX]; /* of these letters */
    size_t numbers_n;
    edn_account_id asking[EDN_INBOX_LETTERS_MAX]; /* who asks whether a share is still kept */
    size_t asking_n;
} looking;

static bool is_meant(const looking *l, const contact *k)
{
    char hex[65];

    edn_hex_encode(hex, k->account.b, sizeof k->account.b);
    return strcmp(k->name, l->what) == 0 || (strlen(l->what) >= 4 && strncmp(hex, l->what, strlen(l->what)) == 0);
}

static void tell_fill(edn_entrusted_share *out, const contact *k, const edn_entrusted *e)
{
    *out = (edn_entrusted_share){.name = k->name,
                                 .server = k->server,
                                 .number = e->share.x,
                                 .needed = e->needed,
                                 .n = e->n,
                                 .verified = k->state == EDN_CONTACT_VERIFIED};
    edn_hex_encode(out->account, k->account.b, sizeof k->account.b);
    recovery_set_text(&e->set, out->set);
}

static edn_status tell_offer(looking *l, const edn_letter *letter, const letter_sender *from, const edn_entrusted *e)
{
    edn_entrusted_share out;

    tell_fill(&out, &from->k, e);
    out.state = EDN_ENTRUSTED_OFFERED;
    out.known = from->known;
    out.time_ms = letter->time_ms;
    return l->fn(l->ctx, &out);
}

/* Whether it is kept already: its letter was not dropped then. In the owner's log of now it is checked before. */
static edn_status is_kept(looking *l, const letter_sender *from, const edn_entrusted *e, bool *out)
{
    EDN_SECRET(edn_entrusted) kept;
    edn_entry_id id = account_entry(&from->k.account);
    edn_status st = client_begin_read(l->c, l->err);

    *out = false;
    if (st != EDN_OK)
        return st;
    st = entrusted_load(l->c, &id, &kept);
    *out = st == EDN_OK && memcmp(kept.set.b, e->set.b, sizeof kept.set.b) == 0;
    return client_end_read(l->c, st == EDN_E_MISSING ? EDN_OK : st, l->err);
}

static void take_offer(looking *l, const letter_sender *from, const edn_entrusted *e)
{
    *l->offer = *e;
    l->from = *from;
    l->found = true;
}

static edn_status on_offer(looking *l, const edn_letter *letter, const letter_sender *from, const edn_entrusted *e)
{
    recovery_set at;
    bool kept = false;
    edn_status st = entrusted_check(e, from->log, &at);

    if (st != EDN_OK)
        return st == EDN_E_NOMEM ? client_fail(l->c, st, l->err) : EDN_OK; /* no share now; it may become one */
    if (l->what)
        take_offer(l, from, e);
    else if ((st = is_kept(l, from, e, &kept)) == EDN_OK && !kept)
        st = tell_offer(l, letter, from, e);
    return st;
}

static void note_letter(looking *l, uint64_t number, const letter_sender *from)
{
    l->several |= l->lettered && memcmp(l->from.k.account.b, from->k.account.b, sizeof from->k.account.b) != 0;
    l->lettered = true;
    l->from = *from;
    if (l->numbers_n < EDN_COUNT(l->numbers))
        l->numbers[l->numbers_n++] = number;
}

static edn_status on_letter(void *ctx, uint64_t number, const edn_letter *letter, const letter_sender *from)
{
    looking *l = ctx;
    EDN_SECRET(edn_entrusted) e;

    if ((letter->kind != EDN_LETTER_SHARE && letter->kind != EDN_LETTER_ASK) || (l->what && !is_meant(l, &from->k)))
        return EDN_OK;
    if (l->what)
        note_letter(l, number, from);
    if (letter->kind == EDN_LETTER_SHARE)
        return edn_entrusted_read(letter->payload, &e) == EDN_OK ? on_offer(l, letter, from, &e) : EDN_OK;
    if (from->known && l->asking_n < EDN_COUNT(l->asking))
        l->asking[l->asking_n++] = from->k.account;
    return EDN_OK;
}

/* All letters about shares, or those of one sender. */
static edn_status letters_look(looking *l)
{
    l->offer = edn_secret_alloc(sizeof *l->offer);
    if (!l->offer)
        return edn_fail(l->err, EDN_E_NOMEM, "out of (locked) memory");
    return letters_each(l->c, on_letter, l, l->err);
}

static edn_status letters_drop(const looking *l)
{
    edn_status st = EDN_OK;

    for (size_t i = 0; st == EDN_OK && i < l->numbers_n; i++)
        st = letter_drop(l->c, l->numbers[i], l->err);
    return st;
}

/* ---- what is kept, and what is offered --------------------------------------------------------------------------- */

typedef struct gathering {
    edn_client *c;
    contact *p;
    size_t n, cap;
} gathering;

static edn_status gather_kept(void *ctx, const edn_entry_id *id, edn_bytes name)
{
    gathering *g = ctx;
    EDN_SECRET(edn_entrusted) e;
    edn_status st = entrusted_load(g->c, id, &e);
    edn_account_id account;
    char hex[65];

    (void)name;
    if (st == EDN_OK)
        st = hex_load(g->c, id, "account", account.b, sizeof account.b);
    if (st == EDN_E_MISSING)
        return EDN_OK;
    if (st != EDN_OK || !edn_array_room(&g->p, &g->cap, g->n + 1, sizeof *g->p))
        return st == EDN_OK ? EDN_E_NOMEM : st;
    edn_hex_encode(hex, account.b, sizeof account.b);
    st = contact_load(g->c, &account, &g->p[g->n]);
    g->n += st == EDN_OK;
    return st == EDN_E_MISSING ? EDN_OK : st;
}

/* How a share that is kept stands against its account's log of now. */
static edn_status kept_state(looking *l, const contact *k, const edn_entrusted *e, edn_entrusted_state *out)
{
    fetched_log got = {0};
    edn_err ignored;
    recovery_set at;
    edn_status st;

    *out = EDN_ENTRUSTED_KEPT;
    if (l->offline)
        return EDN_OK;
    st = contact_log(l->c, k, &got, &ignored);
    if (st == EDN_E_FORK || st == EDN_E_ROLLBACK) {
        *out = EDN_ENTRUSTED_FORKED;
    } else if (st == EDN_OK && (st = entrusted_check(e, &got, &at)) != EDN_OK && st != EDN_E_NOMEM) {
        *out = EDN_ENTRUSTED_OLD;
    }
    fetched_log_dispose(&got);
    return st == EDN_E_NOMEM ? client_fail(l->c, st, l->err)
                             : EDN_OK; /* not to be asked now: kept, as far as is known */
}

static edn_status tell_kept(looking *l, const contact *k)
{
    EDN_SECRET(edn_entrusted) e;
    edn_entry_id id = account_entry(&k->account);
    edn_entrusted_share out;
    edn_status st = client_begin_read(l->c, l->err);

    if (st != EDN_OK || (st = client_end_read(l->c, entrusted_load(l->c, &id, &e), l->err)) != EDN_OK)
        return st;
    tell_fill(&out, k, &e);
    out.known = true;
    for (size_t i = 0; i < l->asking_n; i++)
        out.asked |= memcmp(l->asking[i].b, k->account.b, sizeof k->account.b) == 0;
    st = kept_state(l, k, &e, &out.state);
    return st == EDN_OK ? l->fn(l->ctx, &out) : st;
}

edn_status edn_client_entrusted(edn_client *c, edn_entrusted_fn *fn, void *ctx, edn_err *err)
{
    looking l = {.c = c, .fn = fn, .ctx = ctx, .err = err};
    gathering g = {.c = c};
    edn_status asked = letters_look(&l), st;

    l.offline = asked != EDN_OK;
    l.err = err = asked == EDN_OK ? err : NULL; /* which says why nothing was asked */
    if ((st = client_begin_read(c, err)) == EDN_OK)
        st = client_end_read(c, names_each(c, EDN_RECORD_CONTACT, gather_kept, &g), err);
    for (size_t i = 0; st == EDN_OK && i < g.n; i++)
        st = tell_kept(&l, &g.p[i]);
    free(g.p);
    edn_secret_free(l.offer);
    return asked != EDN_OK ? asked : st;
}

/* ---- keeping and refusing ---------------------------------------------------------------------------------------- */

/* Tells the owner, whose log is looked up anew. */
static edn_status answer_send(edn_client *c, const contact *k, const edn_entrusted *e, edn_keeper_state answer,
                              edn_err *err)
{
    uint8_t payload[ANSWER_SIZE];
    fetched_log got = {0};
    edn_status st = contact_log(c, k, &got, err);

    memcpy(payload, e->set.b, sizeof e->set.b);
    payload[16] = e->share.x;
    payload[17] = (uint8_t)answer;
    if (st == EDN_OK)
        st = letter_send(c, k, got.log, EDN_LETTER_ANSWER, edn_bytes_of(payload, sizeof payload), err);
    fetched_log_dispose(&got);
    return st;
}

/* NULL: none is kept from now on. */
static edn_status save(edn_client *c, const contact *k, const edn_entrusted *e, edn_err *err)
{
    edn_entry_id id = account_entry(&k->account);
    edn_status st = client_begin_write(c, err);

    if (st != EDN_OK)
        return st;
    st = e ? entrusted_save(c, &id, e) : hex_save(c, &id, FIELD_KEPT, EDN_BYTES_EMPTY);
    return client_end_write(c, st, err);
}

/* The contact that is meant, and what is kept for it. EDN_E_MISSING: nothing. */
static edn_status kept_find(edn_client *c, const char *who, contact *k, edn_entrusted *e, edn_err *err)
{
    edn_entry_id id;
    edn_status st = client_begin_read(c, err);

    if (st != EDN_OK)
        return st;
    if ((st = contact_find(c, who, k, err)) == EDN_OK) {
        id = account_entry(&k->account);
        if ((st = entrusted_load(c, &id, e)) == EDN_E_MISSING)
            st = edn_fail(err, st, "you keep no recovery share of \"%s\"; 'edn recovery held' shows what there is",
                          k->name);
    }
    return client_end_read(c, st, err);
}

static edn_status several(edn_err *err, const char *who)
{
    return edn_fail(err, EDN_E_AMBIGUOUS,
                    "letters of several accounts fit \"%.200s\"; name one by the beginning of its id (edn recovery "
                    "held)",
                    who);
}

/* A share that is kept already, and that its owner asks about: held against the owner's log once more. */
static edn_status keep_on(looking *l, edn_err *err)
{
    fetched_log got = {0};
    recovery_set at;
    edn_status st = kept_find(l->c, l->what, &l->from.k, l->offer, err);

    if (st != EDN_OK || (st = contact_log(l->c, &l->from.k, &got, err)) != EDN_OK) {
        fetched_log_dispose(&got);
        return st;
    }
    if ((st = entrusted_check(l->offer, &got, &at)) != EDN_OK && st != EDN_E_NOMEM)
        st = edn_fail(err, EDN_E_AUTH,
                      "the share that you keep for \"%s\" is of an older set: it opens nothing any more. 'edn recovery "
                      "refuse' throws it away",
                      l->from.k.name);
    fetched_log_dispose(&got);
    l->from.known = true;
    return client_fail(l->c, st, err);
}

edn_status edn_client_entrusted_keep(edn_client *c, const char *who, edn_err *err)
{
    looking l = {.c = c, .what = who, .err = err};
    edn_status st = letters_look(&l);

    if (st == EDN_OK && l.several)
        st = several(err, who);
    if (st == EDN_OK && !l.found)
        st = keep_on(&l, err);
    if (st == EDN_OK && !l.from.known)
        st = edn_fail(err, EDN_E_DENIED,
                      "\"%s\" is no contact of yours: 'edn contact add' them, and compare the number, before you keep "
                      "anything for them",
                      l.from.k.name);
    if (st == EDN_OK && l.found)
        st = save(c, &l.from.k, l.offer, err);
    if (st == EDN_OK && (st = answer_send(c, &l.from.k, l.offer, EDN_KEEPER_KEEPS, err)) == EDN_OK)
        st = letters_drop(&l);
    edn_secret_free(l.offer);
    return client_fail(c, st, err);
}

edn_status edn_client_entrusted_refuse(edn_client *c, const char *who, edn_err *err)
{
    looking l = {.c = c, .what = who, .err = err};
    contact k;
    edn_status st = letters_look(&l);
    bool known;

    if (st == EDN_OK && l.several)
        st = several(err, who);
    if (st != EDN_OK)
        goto out;
    known = l.found && l.from.known;
    k = l.from.k;
    if (!l.found && (st = kept_find(c, who, &k, l.offer, err)) == EDN_OK)
        known = true;
    else if (st == EDN_E_MISSING && l.lettered) /* a letter without a share that counts: it goes, and nobody is told */
        st = EDN_OK;
    if (st == EDN_OK && known && (st = answer_send(c, &k, l.offer, EDN_KEEPER_REFUSES, err)) == EDN_OK)
        st = save(c, &k, NULL, err);
    if (st == EDN_OK)
        st = letters_drop(&l);
out:
    edn_secret_free(l.offer);
    return client_fail(c, st, err);
}

/* ---- giving ------------------------------------------------------------------------------------------------------ */

edn_status shares_call(edn_client *c, const char *server, const edn_msg_share_ask *m, edn_arena *a, edn_msg_shares *out,
                       edn_err *err)
{
    edn_buf rq = EDN_BUF_INIT(4096), body = EDN_BUF_INIT(EDN_MSG_SIZE_MAX);
    edn_bytes kept = EDN_BYTES_EMPTY;
    edn_status st;

    memset(out, 0, sizeof *out);
    edn_share_ask_put(&rq, m);
    st = client_fail(c, edn_buf_status(&rq), err);
    if (st == EDN_OK)
        st = account_call(c, server, "/v1/shares", NULL, edn_buf_view(&rq), &body, NULL, err);
    if (st == EDN_OK && !edn_arena_copy(a, edn_buf_view(&body), &kept))
        st = edn_fail(err, EDN_E_NOMEM, "out of memory");
    if (st == EDN_OK && (st = edn_shares_decode(a, kept, out)) != EDN_OK)
        st = st == EDN_E_NOMEM ? edn_fail(err, st, "out of memory")
                               : edn_fail(err, EDN_E_SERVER,
                                          "%s: the answer is not of the EDN protocol; is this an EDN server?", server);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&body);
    return st;
}

typedef struct giving {
    edn_client *c;
    contact k;
    edn_entrusted *e; /* guarded */
    edn_arena a;
    edn_msg_shares asked;
    edn_err *err;
} giving;

/* The share is good, and of the newest set of the log that was pinned; then who asks for it. */
static edn_status giving_look(giving *g, const char *who)
{
    edn_msg_share_ask m = {.kind = EDN_SHARES_LOOK};
    fetched_log got = {0};
    recovery_set at;
    edn_status st = kept_find(g->c, who, &g->k, g->e, g->err);

    if (st != EDN_OK)
        return st;
    if ((st = contact_log(g->c, &g->k, &got, g->err)) == EDN_OK && (st = entrusted_check(g->e, &got, &at)) != EDN_OK)
        st = st == EDN_E_NOMEM ? client_fail(g->c, st, g->err)
                               : edn_fail(g->err, EDN_E_AUTH,
                                          "the share that you keep for \"%s\" is of an older set: it opens nothing any "
                                          "more, so it is given to nobody",
                                          g->k.name);
    fetched_log_dispose(&got);
    m.account = g->k.account;
    memcpy(m.set, g->e->set.b, sizeof m.set);
    return st == EDN_OK ? shares_call(g->c, g->k.server, &m, &g->a, &g->asked, g->err) : st;
}

static edn_status giving_begin(giving *g, edn_client *c, const char *who, edn_err *err)
{
    edn_status st;

    *g = (giving){.c = c, .e = edn_secret_alloc(sizeof *g->e), .a = edn_arena_init(1 << 16), .err = err};
    if (!g->e)
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    if ((st = giving_look(g, who)) != EDN_OK || g->asked.keys_n > 0)
        return st;
    return edn_fail(err, EDN_E_MISSING,
                    g->asked.state == EDN_HELD_CANCELLED
                        ? "%s: nobody asks for the share of \"%s\" now; the server says that a device of that account "
                          "cancelled the recovery. If they did not do that themselves, speak with them"
                        : "%s: nobody asks for the share of \"%s\" now. They begin with 'edn recover --contacts'",
                    g->k.server, g->k.name);
}

static void giving_end(giving *g)
{
    edn_secret_free(g->e);
    edn_arena_dispose(&g->a);
}

edn_status edn_client_entrusted_asked(edn_client *c, const char *who, edn_entrusted_fn *fn, void *ctx, edn_err *err)
{
    giving g;
    edn_entrusted_share out;
    edn_status st = giving_begin(&g, c, who, err);

    if (st == EDN_OK) {
        tell_fill(&out, &g.k, g.e);
        out.known = out.asked = true;
        out.state = EDN_ENTRUSTED_KEPT;
        st = fn(ctx, &out);
    }
    giving_end(&g);
    return client_fail(c, st, err);
}

/* The request whose words these are. What the server says of a key is nothing: the words say whose it is. */
static edn_status request_find(giving *g, const char *words, edn_share_request *out)
{
    *out = (edn_share_request){.account = g->k.account, .set = g->e->set};
    for (size_t i = 0; i < g->asked.keys_n; i++) {
        memcpy(out->key.b, g->asked.keys[i].b, sizeof out->key.b);
        if (edn_share_request_fits(out, words))
            return EDN_OK;
    }
    return edn_fail(
        g->err, EDN_E_AUTH,
        "no request that the server %s shows has these words, so nothing was given. Either a word is wrong, "
        "or somebody else asks, or put a key of their own in between: let \"%s\" read the words to you once "
        "more",
        g->k.server, g->k.name);
}

edn_status edn_client_entrusted_give(edn_client *c, const char *who, const char *words, edn_err *err)
{
    edn_msg_share_ask m = {.kind = EDN_SHARES_GIVE};
    edn_buf sealed = EDN_BUF_INIT(EDN_GIVE_SIZE);
    edn_share_request request;
    giving g;
    edn_status st = giving_begin(&g, c, who, err);

    if (st == EDN_OK && (st = request_find(&g, words, &request)) == EDN_OK) {
        m.account = request.account;
        memcpy(m.set, request.set.b, sizeof m.set);
        memcpy(m.key, request.key.b, sizeof m.key);
        st = client_fail(c, edn_give_seal(&sealed, &request, &g.e->share, &c->random), err);
        m.give = edn_buf_view(&sealed);
        if (st == EDN_OK)
            st = shares_call(c, g.k.server, &m, &g.a, &g.asked, err);
        if (st == EDN_OK && g.asked.state != EDN_HELD_WAITING && g.asked.state != EDN_HELD_READY)
            st = edn_fail(err, EDN_E_MISSING, "%s: the recovery of \"%s\" was ended just now; nothing was given",
                          g.k.server, g.k.name);
    }
    edn_buf_dispose(&sealed);
    giving_end(&g);
    return client_fail(c, st, err);
}

/* ---- the owner's side -------------------------------------------------------------------------------------------- */

typedef struct asking {
    edn_client *c;
    edn_share_set_id set;
    edn_recovery_keeper_fn *fn;
    void *ctx;
    contact *p; /* those that are to be asked */
    size_t n, cap;
    edn_err *err;
} asking;

/* What a contact answered: the newest answer of who was given that share of that set. */
static edn_status take_answer(edn_client *c, const edn_letter *letter, const contact *k, edn_err *err)
{
    edn_entry_id id = account_entry(&k->account);
    const uint8_t *p = letter->payload.p;
    holding h;
    edn_status st = client_begin_write(c, err);

    if (st != EDN_OK)
        return st;
    st = holding_load(c, &id, &h);
    if (st == EDN_OK && memcmp(p, h.set.b, sizeof h.set.b) == 0 && p[16] == h.x && letter->time_ms > h.time_ms &&
        (p[17] == EDN_KEEPER_KEEPS || p[17] == EDN_KEEPER_REFUSES)) {
        h.answer = p[17];
        h.time_ms = letter->time_ms;
        st = holding_save(c, &id, &h);
    }
    return client_end_write(c, st == EDN_E_MISSING ? EDN_OK : st, err);
}

static edn_status on_answer(void *ctx, uint64_t number, const edn_letter *letter, const letter_sender *from)
{
    asking *x = ctx;
    edn_status st = EDN_OK;

    if (letter->kind != EDN_LETTER_ANSWER)
        return EDN_OK;
    if (from->known && letter->payload.n == ANSWER_SIZE)
        st = take_answer(x->c, letter, &from->k, x->err);
    return st == EDN_OK ? letter_drop(x->c, number, x->err) : st;
}

edn_status edn_client_recovery_answers(edn_client *c, edn_err *err)
{
    asking x = {.c = c, .err = err};

    return letters_each(c, on_answer, &x, err);
}

/* A contact that was removed still has its share, and its name here. */
static edn_status tell_keeper(void *ctx, const edn_entry_id *id, edn_bytes name)
{
    asking *x = ctx;
    edn_recovery_keeper out = {.name = name};
    edn_account_id account;
    holding h;
    edn_status st = holding_load(x->c, id, &h);

    if (st != EDN_OK || memcmp(h.set.b, x->set.b, sizeof h.set.b) != 0)
        return st == EDN_E_MISSING ? EDN_OK : st;
    out.number = h.x;
    out.state = (edn_keeper_state)h.answer;
    out.time_ms = h.time_ms;
    st = hex_load(x->c, id, "account", account.b, sizeof account.b);
    out.removed = st == EDN_E_MISSING;
    edn_hex_encode(out.id, id->b, sizeof id->b);
    return st == EDN_OK || st == EDN_E_MISSING ? x->fn(x->ctx, &out) : st;
}

static edn_status keepers_each(asking *x, named_fn *fn)
{
    recovery_set at;
    edn_status st = client_begin_read(x->c, x->err);

    if (st != EDN_OK)
        return st;
    if ((st = recovery_set_of(x->c, &at)) == EDN_OK) {
        x->set = at.set.id;
        st = names_each(x->c, EDN_RECORD_CONTACT, fn, x);
    }
    return client_end_read(x->c, st == EDN_E_MISSING ? EDN_OK : st, x->err);
}

edn_status edn_client_recovery_keepers(edn_client *c, edn_recovery_keeper_fn *fn, void *ctx, edn_err *err)
{
    asking x = {.c = c, .fn = fn, .ctx = ctx, .err = err};

    return keepers_each(&x, tell_keeper);
}

static edn_status gather_keeper(void *ctx, const edn_entry_id *id, edn_bytes name)
{
    asking *x = ctx;
    edn_account_id account;
    holding h;
    edn_status st = holding_load(x->c, id, &h);

    (void)name;
    if (st == EDN_OK && memcmp(h.set.b, x->set.b, sizeof h.set.b) != 0)
        return EDN_OK;
    if (st == EDN_OK)
        st = hex_load(x->c, id, "account", account.b, sizeof account.b);
    if (st == EDN_OK && !edn_array_room(&x->p, &x->cap, x->n + 1, sizeof *x->p))
        return EDN_E_NOMEM;
    if (st == EDN_OK && (st = contact_load(x->c, &account, &x->p[x->n])) == EDN_OK)
        x->n++;
    return st == EDN_E_MISSING ? EDN_OK : st;
}

edn_status edn_client_recovery_ask_keepers(edn_client *c, edn_err *err)
{
    asking x = {.c = c, .err = err};
    edn_status st = keepers_each(&x, gather_keeper);

    for (size_t i = 0; st == EDN_OK && i < x.n; i++) {
        fetched_log got = {0};
        if ((st = contact_log(c, &x.p[i], &got, err)) == EDN_OK)
            st = letter_send(c, &x.p[i], got.log, EDN_LETTER_ASK, EDN_F(x.set), err);
        fetched_log_dispose(&got);
    }
    free(x.p);
    return client_fail(c, st, err);
}
