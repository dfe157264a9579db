#include "client/recovery/entrusted.h"

#include <stdio.h>
#include <stdlib.h>

#define LOG_ARENA_SIZE_MAX ((size_t)64 << 20)
#define FIELD_ACCOUNT "account"
#define FIELD_SERVER "server"
#define FIELD_STATE "state"
#define FIELD_SEQ "seq"
#define FIELD_HEAD "head"

/* ---- as a document ----------------------------------------------------------------------------------------------- */

/* A field as a string of less than `size`; empty when it is missing or does not fit. */
static edn_status field_text(edn_client *c, const edn_entry_id *id, const char *field, char *out, size_t size)
{
    edn_buf value = EDN_BUF_INIT(4096);
    edn_status st = named_get(c, id, EDN_RECORD_CONTACT, field, &value);

    out[0] = 0;
    if (st == EDN_OK && value.n < size && !memchr(value.p, 0, value.n)) {
        memcpy(out, value.p, value.n);
        out[value.n] = 0;
    }
    edn_buf_dispose(&value);
    return st == EDN_E_LIMIT ? EDN_OK : st;
}

static edn_status contact_read(edn_client *c, const edn_entry_id *id, contact *out)
{
    char account[65], state[16], seq[24], head[65];
    char *end = NULL;
    edn_status st;

    memset(out, 0, sizeof *out);
    if ((st = field_text(c, id, FIELD_ACCOUNT, account, sizeof account)) != EDN_OK ||
        (st = field_text(c, id, FIELD_SERVER, out->server, sizeof out->server)) != EDN_OK ||
        (st = field_text(c, id, FIELD_NAME, out->name, sizeof out->name)) != EDN_OK ||
        (st = field_text(c, id, FIELD_STATE, state, sizeof state)) != EDN_OK ||
        (st = field_text(c, id, FIELD_SEQ, seq, sizeof seq)) != EDN_OK ||
        (st = field_text(c, id, FIELD_HEAD, head, sizeof head)) != EDN_OK)
        return st;
    out->seq = strtoull(seq, &end, 10);
    if (!edn_hex_decode(out->account.b, sizeof out->account.b, edn_bytes_str(account)) ||
        memcmp(out->account.b, id->b, sizeof id->b) != 0 || end == seq || *end ||
        !edn_hex_decode(out->head.b, sizeof out->head.b, edn_bytes_str(head)))
        return EDN_E_MISSING; /* removed, or not whole yet */
    out->state = strcmp(state, "verified") == 0 ? EDN_CONTACT_VERIFIED : EDN_CONTACT_SEEN;
    return EDN_OK;
}

edn_status contact_load(edn_client *c, const edn_account_id *account, contact *out)
{
    edn_entry_id id = account_entry(account);

    return contact_read(c, &id, out);
}

static edn_status field_set(edn_client *c, const edn_entry_id *id, const char *field, const char *value)
{
    return named_put(c, id, EDN_RECORD_CONTACT, field, edn_bytes_str(value));
}

edn_status contact_save(edn_client *c, const contact *k)
{
    edn_entry_id id = account_entry(&k->account);
    char account[65], seq[24], head[65];
    edn_status st;

    edn_hex_encode(account, k->account.b, sizeof k->account.b);
    edn_hex_encode(head, k->head.b, sizeof k->head.b);
    snprintf(seq, sizeof seq, "%llu", (unsigned long long)k->seq);
    if ((st = field_set(c, &id, FIELD_NAME, k->name)) != EDN_OK ||
        (st = field_set(c, &id, FIELD_ACCOUNT, account)) != EDN_OK ||
        (st = field_set(c, &id, FIELD_SERVER, k->server)) != EDN_OK ||
        (st = field_set(c, &id, FIELD_STATE, k->state == EDN_CONTACT_VERIFIED ? "verified" : "seen")) != EDN_OK ||
        (st = field_set(c, &id, FIELD_SEQ, seq)) != EDN_OK)
        return st;
    return field_set(c, &id, FIELD_HEAD, head);
}

/* ---- by what the person calls it --------------------------------------------------------------------------------- */

typedef struct looking {
    edn_client *c;
    const char *what;
    contact *out;
    unsigned n;
    edn_contact_fn *fn;
    void *ctx;
} looking;

static edn_status match(void *ctx, const edn_entry_id *id, edn_bytes name)
{
    looking *l = ctx;
    contact k;
    char hex[65];
    edn_status st = contact_read(l->c, id, &k);

    (void)name;
    if (st != EDN_OK)
        return st == EDN_E_MISSING ? EDN_OK : st;
    edn_hex_encode(hex, k.account.b, sizeof k.account.b);
    if (strcmp(k.name, l->what) == 0 || (strlen(l->what) >= 4 && strncmp(hex, l->what, strlen(l->what)) == 0)) {
        *l->out = k;
        l->n++;
    }
    return EDN_OK;
}

edn_status contact_find(edn_client *c, const char *what, contact *out, edn_err *err)
{
    looking l = {.c = c, .what = what, .out = out};
    edn_status st = names_each(c, EDN_RECORD_CONTACT, match, &l);

    if (st != EDN_OK)
        return st;
    if (l.n == 0)
        return edn_fail(err, EDN_E_MISSING,
                        "no contact is called \"%.200s\"; 'edn contact list' shows them, 'edn contact add' makes one",
                        what);
    if (l.n > 1)
        return edn_fail(err, EDN_E_AMBIGUOUS,
                        "several contacts are called \"%.200s\"; name one by its id (edn contact list)", what);
    return EDN_OK;
}

/* ---- another account's log --------------------------------------------------------------------------------------- */

void fetched_log_dispose(fetched_log *f)
{
    edn_devlog_free(f->log);
    edn_arena_dispose(&f->arena);
    memset(f, 0, sizeof *f);
}

static edn_status take_links(fetched_log *f, const char *server, const edn_msg_found *got, edn_err *err)
{
    for (size_t i = 0; i < got->links_n; i++) {
        edn_status st = edn_devlog_append(f->log, got->links[i]);
        if (st == EDN_OK)
            st = account_keep_link(&f->arena, &f->links, &f->links_n, &f->links_cap, got->links[i]);
        if (st == EDN_E_NOMEM)
            return edn_fail(err, st, "out of memory");
        if (st != EDN_OK)
            return edn_fail(err, st,
                            "%s: link %zu of that account's device log is not valid (%s); the server or somebody near "
                            "it lies. Nothing was changed",
                            server, f->links_n, edn_status_name(st));
    }
    return EDN_OK;
}

/* One portion of it. */
static edn_status fetch_more(edn_client *c, const char *server, const char *token, edn_msg_lookup *ask, fetched_log *f,
                             bool *more, edn_err *err)
{
    edn_buf rq = EDN_BUF_INIT(4096), body = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_arena a = edn_arena_init(LOG_ARENA_SIZE_MAX);
    edn_msg_found got;
    int http = 0;
    edn_status st;

    ask->from = edn_devlog_count(f->log);
    edn_lookup_put(&rq, ask);
    if ((st = client_fail(c, edn_buf_status(&rq), err)) == EDN_OK)
        st = account_call(c, server, "/v1/lookup", token, edn_buf_view(&rq), &body, &http, err);
    if (http == 404)
        st = edn_fail(err, EDN_E_MISSING, "%s: there is no account of that name", server);
    if (st == EDN_OK && edn_found_decode(&a, edn_buf_view(&body), &got) != EDN_OK)
        st = edn_fail(err, EDN_E_SERVER, "%s: the answer is not of the EDN protocol; is this an EDN server?", server);
    if (st == EDN_OK && got.links_n == 0)
        st = edn_fail(err, EDN_E_SERVER, "%s: the server shows no device log of that account", server);
    if (st == EDN_OK)
        st = take_links(f, server, &got, err);
    *more = st == EDN_OK && (got.flags & EDN_FOUND_MORE);
    edn_arena_dispose(&a);
    edn_buf_dispose(&rq);
    edn_buf_dispose(&body);
    return st;
}

static edn_status fetch(edn_client *c, const char *server, const char *token, edn_msg_lookup *ask, fetched_log *out,
                        edn_err *err)
{
    bool more = true;
    edn_status st;

    memset(out, 0, sizeof *out);
    out->arena = edn_arena_init(LOG_ARENA_SIZE_MAX);
    if ((st = edn_devlog_new(&out->log)) != EDN_OK)
        return edn_fail(err, st, "out of memory");
    while (st == EDN_OK && more)
        st = fetch_more(c, server, token, ask, out, &more, err);
    if (st == EDN_OK && edn_devlog_is_space(out->log))
        st = edn_fail(err, EDN_E_ACCOUNT, "%s: the server shows the log of a shared journal as an account's", server);
    return st;
}

edn_status log_fetch(edn_client *c, const char *server, const edn_account_id *account, const edn_witness *witness,
                     fetched_log *out, edn_err *err)
{
    edn_msg_lookup ask = {.kind = EDN_LOOKUP_ACCOUNT, .witness = *witness};
    edn_account_id is;
    edn_status st;

    memcpy(ask.id, account->b, sizeof ask.id);
    if ((st = fetch(c, server, NULL, &ask, out, err)) != EDN_OK)
        return st;
    is = edn_devlog_account(out->log);
    if (memcmp(is.b, account->b, sizeof is.b) != 0)
        st = edn_fail(err, EDN_E_ACCOUNT, "%s: the server shows another account's device log; do not trust it", server);
    return st;
}

edn_status log_fetch_named(edn_client *c, const char *server, const edn_hash *name, const char *token, fetched_log *out,
                           edn_err *err)
{
    edn_msg_lookup ask = {.kind = EDN_LOOKUP_NAME};

    memcpy(ask.id, name->b, sizeof ask.id);
    return fetch(c, server, token, &ask, out, err);
}

edn_status contact_agrees(const contact *k, const edn_devlog *log, edn_err *err)
{
    edn_hash at;

    if (!edn_devlog_hash_at(log, k->seq, &at))
        return edn_fail(
            err, EDN_E_ROLLBACK,
            "%s: the server shows an older device log of \"%s\" than it showed before. Nothing was changed; "
            "ask them to sync, and try again",
            k->server, k->name);
    if (memcmp(at.b, k->head.b, sizeof at.b) != 0)
        return edn_fail(
            err, EDN_E_FORK,
            "%s: the device log of \"%s\" is another than it was: somebody may be passing off keys of their "
            "own. Nothing is sent to it. Ask them, over another way, whether their account was forked",
            k->server, k->name);
    return EDN_OK;
}

edn_status contact_log(edn_client *c, const contact *k, fetched_log *out, edn_err *err)
{
    edn_witness witness = edn_witness_of(k->seq, &k->head);
    edn_status st = log_fetch(c, k->server, &k->account, &witness, out, err);

    return st == EDN_OK ? contact_agrees(k, out->log, err) : st;
}

/* ---- the public half --------------------------------------------------------------------------------------------- */

edn_status edn_client_card(edn_client *c, char out[EDN_CARD_SIZE], edn_err *err)
{
    _Static_assert(EDN_CARD_SIZE >= EDN_CARD_TEXT_SIZE, "a card fits");
    edn_witness witness;
    edn_hash head;
    edn_status st = client_begin_read(c, err);

    out[0] = 0;
    if (st != EDN_OK)
        return st;
    if (!client_id(c)->server[0])
        st = edn_fail(
            err, EDN_E_INVALID,
            "this diary has no server yet, so nobody could find it; give it one with 'edn server URL --name NAME'");
    if (st == EDN_OK) {
        head = edn_devlog_head(c->log);
        witness = edn_witness_of(edn_devlog_count(c->log) - 1, &head);
        edn_card_text(out, &client_id(c)->account, &witness, client_id(c)->server);
    }
    return client_end_read(c, st, err);
}

static edn_status tell(edn_client *c, const contact *k, edn_contact_fn *fn, void *ctx)
{
    edn_contact out = {.state = k->state};

    edn_hex_encode(out.account, k->account.b, sizeof k->account.b);
    memcpy(out.server, k->server, sizeof out.server);
    memcpy(out.name, k->name, sizeof out.name);
    edn_safety_number(out.number, &client_id(c)->account, &k->account);
    return fn ? fn(ctx, &out) : EDN_OK;
}

typedef struct adding {
    edn_client *c;
    contact k;
    edn_contact_fn *fn;
    void *ctx;
    edn_err *err;
} adding;

/* Inside a transaction that writes. */
static edn_status keep(adding *x, const edn_devlog *log)
{
    edn_account_id account = edn_devlog_account(log);
    contact known;
    edn_status st;

    if (memcmp(account.b, client_id(x->c)->account.b, sizeof account.b) == 0)
        return edn_fail(x->err, EDN_E_INVALID, "that is this very account");
    x->k.account = account;
    x->k.seq = edn_devlog_count(log) - 1;
    x->k.head = edn_devlog_head(log);
    st = contact_load(x->c, &account, &known);
    if (st == EDN_OK && (st = contact_agrees(&known, log, x->err)) == EDN_OK)
        return edn_fail(x->err, EDN_E_EXISTS, "that account is a contact already, called \"%s\"", known.name);
    if (st != EDN_E_MISSING || (st = contact_save(x->c, &x->k)) != EDN_OK)
        return st;
    return tell(x->c, &x->k, x->fn, x->ctx);
}

/* A name at this account's own server, which tells it to its own people only. */
static edn_status fetch_by_name(adding *x, const char *who, const char *server, fetched_log *got)
{
    edn_sync_remote remote = {0};
    char prepared[ACCOUNT_NAME_SIZE];
    edn_hash name;
    edn_status st = client_begin_read(x->c, x->err);

    if (st != EDN_OK)
        return st;
    memcpy(x->k.server, client_id(x->c)->server, sizeof x->k.server);
    if (!x->k.server[0] || (server && strcmp(server, x->k.server) != 0))
        st = edn_fail(x->err, EDN_E_INVALID,
                      "by name only people at one's own server are found; ask for their card (edn contact card)");
    if ((st = client_end_read(x->c, st, x->err)) != EDN_OK ||
        (st = account_name_prepare(who, prepared, x->err)) != EDN_OK ||
        (st = account_fresh_token(x->c, &remote, x->err)) != EDN_OK)
        goto out;
    name = edn_account_name_hash(edn_bytes_str(prepared));
    st = log_fetch_named(x->c, x->k.server, &name, remote.token, got, x->err);
out:
    edn_wipe(remote.token, sizeof remote.token);
    edn_sync_remote_dispose(&remote);
    return st;
}

edn_status edn_client_contact_add(edn_client *c, const char *who, const char *server, const char *as,
                                  edn_contact_fn *fn, void *ctx, edn_err *err)
{
    adding x = {.c = c, .k = {.state = EDN_CONTACT_SEEN}, .fn = fn, .ctx = ctx, .err = err};
    char origin[EDN_ORIGIN_SIZE_MAX + 1];
    fetched_log got = {0};
    edn_account_id account;
    edn_witness witness;
    edn_status st;

    if (as && (!as[0] || strlen(as) >= sizeof x.k.name || edn_utf8_check(edn_bytes_str(as), NULL) != strlen(as)))
        return edn_fail(err, EDN_E_INVALID, "a contact's name has 1 to %zu bytes of UTF-8", sizeof x.k.name - 1);
    if (edn_card_parse(who, &account, &witness, origin) == EDN_OK) {
        if (!as)
            return edn_fail(err, EDN_E_INVALID, "a card has no name in it: say what to call this contact (--as NAME)");
        if ((st = edn_origin_normalise(origin, x.k.server, err)) == EDN_OK)
            st = log_fetch(c, x.k.server, &account, &witness, &got, err);
    } else if (strncmp(who, "edn1:", 5) == 0 || strncmp(who, "EDN1:", 5) == 0) {
        return edn_fail(err, EDN_E_INVALID, "the card has a typing error");
    } else {
        st = fetch_by_name(&x, who, server, &got);
    }
    snprintf(x.k.name, sizeof x.k.name, "%s", as ? as : who);
    if (st == EDN_OK && (st = client_begin_write(c, err)) == EDN_OK)
        st = client_end_write(c, keep(&x, got.log), err);
    fetched_log_dispose(&got);
    return st;
}

static edn_status tell_each(void *ctx, const edn_entry_id *id, edn_bytes name)
{
    looking *l = ctx;
    contact k;
    edn_status st = contact_read(l->c, id, &k);

    (void)name;
    return st == EDN_OK ? tell(l->c, &k, l->fn, l->ctx) : st == EDN_E_MISSING ? EDN_OK : st;
}

edn_status edn_client_contacts(edn_client *c, edn_contact_fn *fn, void *ctx, edn_err *err)
{
    looking l = {.c = c, .fn = fn, .ctx = ctx};
    edn_status st = client_begin_read(c, err);

    return st == EDN_OK ? client_end_read(c, names_each(c, EDN_RECORD_CONTACT, tell_each, &l), err) : st;
}

static bool same_number(const char *a, const char *b)
{
    for (;; a++, b++) {
        while (*a == ' ' || *a == '\n' || *a == '-')
            a++;
        if (*a != *b)
            return false;
        if (!*a)
            return true;
    }
}

/* A card taken from their own screen says as much as the number: whose it is follows from the account's id. */
static bool same_account(edn_client *c, const char *shown, const contact *k)
{
    char origin[EDN_ORIGIN_SIZE_MAX + 1], is[EDN_SAFETY_NUMBER_SIZE];
    edn_account_id account;
    edn_witness witness;

    if (edn_card_parse(shown, &account, &witness, origin) == EDN_OK)
        return memcmp(account.b, k->account.b, sizeof account.b) == 0;
    edn_safety_number(is, &client_id(c)->account, &k->account);
    return same_number(shown, is);
}

edn_status edn_client_contact_verify(edn_client *c, const char *who, const char *shown, edn_err *err)
{
    contact k;
    edn_status st = client_begin_write(c, err);

    if (st != EDN_OK)
        return st;
    if ((st = contact_find(c, who, &k, err)) == EDN_OK && !same_account(c, shown, &k))
        st = edn_fail(err, EDN_E_INVALID,
                      "that is not the number of you and \"%s\", nor their card: somebody may have put another account "
                      "in between. Nothing was changed",
                      k.name);
    if (st == EDN_OK) {
        k.state = EDN_CONTACT_VERIFIED;
        st = contact_save(c, &k);
    }
    return client_end_write(c, st, err);
}

/* What somebody entrusted is not thrown away by the way. */
static edn_status keeps_nothing(edn_client *c, const contact *k, edn_err *err)
{
    EDN_SECRET(edn_entrusted) e;
    edn_entry_id id = account_entry(&k->account);
    edn_status st = entrusted_load(c, &id, &e);

    if (st == EDN_OK)
        return edn_fail(err, EDN_E_DENIED,
                        "you keep a recovery share of \"%s\": 'edn recovery refuse' it first, so that they are told",
                        k->name);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

edn_status edn_client_contact_remove(edn_client *c, const char *who, edn_err *err)
{
    edn_entry_id id;
    contact k;
    edn_status st = client_begin_write(c, err);

    if (st != EDN_OK)
        return st;
    if ((st = contact_find(c, who, &k, err)) == EDN_OK && (st = keeps_nothing(c, &k, err)) == EDN_OK) {
        id = account_entry(&k.account);
        st = named_set(c, &id, EDN_RECORD_CONTACT, FIELD_ACCOUNT, EDN_BYTES_EMPTY);
    }
    return client_end_write(c, st, err);
}
