/* Letters: sealed to another account's key, put into its inbox by anybody who knows it, read by its devices. They stay
 * at the server until one of the account's devices has done with them, so all of them see the same. */
#include "client/sharing/contact.h"

static edn_status inbox_call(edn_client *c, const char *server, const char *token, const edn_msg_inbox *m,
                             edn_buf *answer, edn_err *err)
{
    edn_buf rq = EDN_BUF_INIT(EDN_MSG_SIZE_MAX);
    edn_status st;

    edn_inbox_put(&rq, m);
    st = edn_buf_status(&rq);
    if (st == EDN_OK)
        st = account_call(c, server, "/v1/inbox", token, edn_buf_view(&rq), answer, NULL, err);
    edn_buf_dispose(&rq);
    return st;
}

/* A hotel's login page says 200 too: only an answer of the protocol says that something was done. */
static edn_status inbox_done(const char *server, edn_bytes answer, edn_err *err)
{
    edn_arena a = edn_arena_init(1 << 16);
    edn_msg_letters got;
    edn_status st = edn_letters_decode(&a, answer, &got);

    edn_arena_dispose(&a);
    if (st == EDN_OK)
        return st;
    return edn_fail(err, st == EDN_E_NOMEM ? st : EDN_E_SERVER,
                    "%s: the answer is not of the EDN protocol; is this an EDN server?", server);
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

/* Inside a transaction that reads. */
static edn_status write_letter(edn_client *c, const contact *to, const edn_devlog *log, edn_letter_kind kind,
                               edn_bytes payload, edn_buf *sealed)
{
    const identity *id = client_id(c);
    edn_dh_pk aek = edn_devlog_aek(log);
    edn_letter l = {.kind = kind,
                    .sender = id->account,
                    .device = id->device,
                    .log_seq = edn_devlog_count(c->log) - 1,
                    .log_head = edn_devlog_head(c->log),
                    .time_ms = client_now(c),
                    .server = edn_bytes_str(id->server),
                    .name = edn_bytes_str(id->name),
                    .payload = payload};

    return edn_letter_seal(sealed, &l, &id->sign_sk, &to->account, edn_devlog_epoch(log), &aek, &c->random);
}

edn_status letter_send(edn_client *c, const contact *to, const edn_devlog *log, edn_letter_kind kind, edn_bytes payload,
                       edn_err *err)
{
    edn_buf sealed = EDN_BUF_INIT(EDN_LETTER_SIZE_MAX), answer = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_msg_inbox m = {.kind = EDN_INBOX_PUT, .to = to->account, .witness = edn_witness_of(to->seq, &to->head)};
    edn_status st = client_begin_read(c, err);

    if (st == EDN_OK)
        st = client_end_read(c, write_letter(c, to, log, kind, payload, &sealed), err);
    m.message = edn_buf_view(&sealed);
    if (st == EDN_OK)
        st = inbox_call(c, to->server, NULL, &m, &answer, err);
    if (st == EDN_OK)
        st = inbox_done(to->server, edn_buf_view(&answer), err);
    edn_buf_dispose(&sealed);
    edn_buf_dispose(&answer);
    return st;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

typedef struct reading {
    edn_client *c;
    char token[EDN_TOKEN_SIZE_MAX + 1];
    letter_fn *fn;
    void *ctx;
    edn_err *err;
} reading;

/* Inside a transaction that reads: the letter opened, and its sender if that is a contact. */
static edn_status open_letter(edn_client *c, edn_bytes sealed, edn_buf *plain, edn_letter *l, letter_sender *from)
{
    EDN_SECRET(edn_root_key) rk = EDN_KEY_EMPTY;
    EDN_SECRET(edn_dh_sk) aek = EDN_KEY_EMPTY;
    static const edn_account_id none;
    const edn_account_id *account = &client_id(c)->account;
    uint32_t epoch;
    edn_status st = edn_letter_epoch(sealed, &epoch);

    if (st != EDN_OK || (st = keys_root(c, epoch, &rk)) != EDN_OK)
        return st;
    edn_aek_of(&aek, &rk, epoch == 0 ? &none : account, epoch);
    if ((st = edn_letter_open(sealed, account, &aek, plain, l)) != EDN_OK)
        return st;
    memset(from, 0, sizeof *from);
    st = contact_load(c, &l->sender, &from->k);
    from->known = st == EDN_OK;
    return st == EDN_E_MISSING ? EDN_OK : st;
}

/* A stranger is looked for at this account's own server and nowhere else: a letter must not make a device call at an
 * address that somebody put into it. */
static edn_status place_sender(edn_client *c, const edn_letter *l, letter_sender *from)
{
    const char *own = client_id(c)->server;

    if (from->known)
        return EDN_OK;
    if (!edn_bytes_equal(l->server, edn_bytes_str(own)) || l->name.n >= sizeof from->k.name)
        return EDN_E_MISSING;
    from->k = (contact){.account = l->sender, .state = EDN_CONTACT_SEEN};
    memcpy(from->k.server, own, sizeof from->k.server);
    memcpy(from->k.name, l->name.p, l->name.n);
    return EDN_OK;
}

/* Against the sender's log of now. The pin of one who is no contact is that log's end. */
static edn_status check_sender(reading *x, const edn_letter *l, edn_bytes plain, fetched_log *got, letter_sender *from)
{
    edn_witness witness = from->known ? edn_witness_of(from->k.seq, &from->k.head)
                                      : edn_witness_of(l->log_seq, &l->log_head);
    edn_status st = place_sender(x->c, l, from);

    if (st == EDN_OK)
        st = log_fetch(x->c, from->k.server, &l->sender, &witness, got, x->err);
    if (st == EDN_OK && from->known)
        st = contact_agrees(&from->k, got->log, x->err);
    if (st != EDN_OK && st != EDN_E_NOMEM)
        st = EDN_E_NETWORK; /* nothing is known of the letter: another time */
    if (st == EDN_OK) {
        st = edn_letter_check(l, got->log, &client_id(x->c)->account, plain);
        from->log = got;
        if (!from->known) {
            from->k.seq = edn_devlog_count(got->log) - 1;
            from->k.head = edn_devlog_head(got->log);
        }
    }
    return st;
}

/* Whether it is the letter that is not good, and not what was asked about it. */
static bool is_worthless(edn_status st)
{
    return st == EDN_E_AUTH || st == EDN_E_FORMAT || st == EDN_E_SIG || st == EDN_E_CAP || st == EDN_E_DEVICE_UNKNOWN ||
           st == EDN_E_SIGNER_REVOKED;
}

static edn_status drop(reading *x, uint64_t number)
{
    edn_buf answer = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    const edn_msg_inbox m = {.kind = EDN_INBOX_DROP, .number = number};
    edn_status st = inbox_call(x->c, client_id(x->c)->server, x->token, &m, &answer, x->err);

    if (st == EDN_OK)
        st = inbox_done(client_id(x->c)->server, edn_buf_view(&answer), x->err);
    edn_buf_dispose(&answer);
    return st;
}

static edn_status read_letter(reading *x, uint64_t number, edn_bytes sealed)
{
    edn_buf plain = EDN_BUF_INIT(EDN_LETTER_SIZE_MAX);
    fetched_log got = {0};
    letter_sender from;
    edn_letter l;
    edn_status st = client_begin_read(x->c, x->err);

    if (st != EDN_OK)
        return st;
    st = client_end_read(x->c, open_letter(x->c, sealed, &plain, &l, &from), NULL);
    if (st == EDN_OK)
        st = check_sender(x, &l, edn_buf_view(&plain), &got, &from);
    if (st == EDN_OK)
        st = x->fn(x->ctx, number, &l, &from);
    else if (is_worthless(st))
        st = drop(x, number);
    else if (st != EDN_E_NOMEM)
        st = EDN_OK; /* another time */
    fetched_log_dispose(&got);
    edn_buf_wipe(&plain);
    return st;
}

static edn_status begin(reading *x)
{
    edn_sync_remote remote = {0};
    edn_status st = account_fresh_token(x->c, &remote, x->err);

    if (st == EDN_OK)
        memcpy(x->token, remote.token, sizeof x->token);
    edn_wipe(remote.token, sizeof remote.token);
    edn_sync_remote_dispose(&remote);
    return st;
}

edn_status letters_each(edn_client *c, letter_fn *fn, void *ctx, edn_err *err)
{
    reading x = {.c = c, .fn = fn, .ctx = ctx, .err = err};
    edn_msg_inbox ask = {.kind = EDN_INBOX_GET};
    edn_arena a = edn_arena_init((size_t)16 << 20);
    edn_buf answer = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_msg_letters got = {0};
    edn_status st = begin(&x);

    do {
        edn_buf_reset(&answer);
        edn_arena_reset(&a);
        if (st == EDN_OK)
            st = inbox_call(c, client_id(c)->server, x.token, &ask, &answer, err);
        if (st == EDN_OK && edn_letters_decode(&a, edn_buf_view(&answer), &got) != EDN_OK)
            st = edn_fail(err, EDN_E_SERVER, "%s: the answer is not of the EDN protocol; is this an EDN server?",
                          client_id(c)->server);
        for (size_t i = 0; st == EDN_OK && i < got.n; i++) {
            ask.number = got.letters[i].number + 1;
            st = read_letter(&x, got.letters[i].number, got.letters[i].message);
        }
    } while (st == EDN_OK && got.n > 0);
    edn_arena_dispose(&a);
    edn_buf_dispose(&answer);
    edn_wipe(x.token, sizeof x.token);
    return client_fail(c, st, err);
}

edn_status letter_drop(edn_client *c, uint64_t number, edn_err *err)
{
    reading x = {.c = c, .err = err};
    edn_status st = begin(&x);

    if (st == EDN_OK)
        st = drop(&x, number);
    edn_wipe(x.token, sizeof x.token);
    return client_fail(c, st, err);
}
