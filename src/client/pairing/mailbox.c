/* A server's mailbox as a post office for two devices that meet. */
#include "client/pairing/pairing_priv.h"

#include <stdlib.h>

typedef struct mailbox {
    edn_client *c;
    char origin[EDN_ORIGIN_SIZE_MAX + 1];
    edn_rendezvous_id rendezvous;
    uint8_t side;
} mailbox;

static edn_status ask(mailbox *b, edn_msg_mail *m, edn_buf *answer, edn_err *err)
{
    edn_buf rq = EDN_BUF_INIT(EDN_MAIL_ASK_SIZE_MAX);
    edn_arena a = edn_arena_init(1 << 18);
    edn_msg_mails said;
    int http = 0;
    edn_status st;

    m->side = b->side;
    memcpy(m->rendezvous, b->rendezvous.b, sizeof m->rendezvous);
    edn_mail_put(&rq, m);
    st = edn_buf_status(&rq);
    if (st == EDN_OK)
        st = account_call(b->c, b->origin, "/v1/mailbox", NULL, edn_buf_view(&rq), answer, &http, err);
    edn_buf_dispose(&rq);
    if (st == EDN_OK && edn_mails_decode(&a, edn_buf_view(answer), &said) != EDN_OK)
        st = edn_fail(err, EDN_E_SERVER, "%s: the answer is not of the EDN protocol; is this an EDN server?",
                      b->origin);
    edn_arena_dispose(&a);
    if (http == 404 || http == 405)
        return edn_fail(err, EDN_E_MISSING,
                        "%s: nobody waits there: the code is not (or no longer) good. It lives for five minutes and is "
                        "used once; let the new device show another ('edn device link')",
                        b->origin);
    return st;
}

static edn_status put(void *ctx, uint64_t number, edn_bytes mail, edn_err *err)
{
    edn_msg_mail m = {.kind = EDN_MAIL_PUT, .number = number, .mail = mail};
    edn_buf answer = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_status st = ask(ctx, &m, &answer, err);

    edn_buf_dispose(&answer);
    if (st == EDN_E_CONFLICT) /* we number our own; nobody else may write there */
        st = edn_fail(err, EDN_E_FORMAT,
                      "somebody else writes into the mailbox of these two devices; nothing was told. Begin again");
    return st;
}

static edn_status get(void *ctx, uint64_t number, edn_buf *out, bool *there, edn_err *err)
{
    edn_msg_mail m = {.kind = EDN_MAIL_GET, .number = number};
    edn_buf answer = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_arena a = edn_arena_init(1 << 16);
    edn_msg_mails got;
    edn_status st = ask(ctx, &m, &answer, err);

    *there = false;
    if (st == EDN_OK && (st = edn_mails_decode(&a, edn_buf_view(&answer), &got)) == EDN_OK && got.n > 0) {
        edn_put_bytes(out, got.mails[0].p, got.mails[0].n);
        *there = true;
        st = edn_buf_status(out);
    }
    edn_arena_dispose(&a);
    edn_buf_dispose(&answer);
    return st;
}

static edn_status say(mailbox *b, uint8_t kind, edn_err *err)
{
    edn_msg_mail m = {.kind = kind};
    edn_buf answer = EDN_BUF_INIT(EDN_PULL_SIZE_MAX);
    edn_status st = ask(b, &m, &answer, err);

    edn_buf_dispose(&answer);
    return st;
}

static void shut(void *ctx)
{
    free(ctx); /* the messages are for the other side to read: the mailbox ends with its time */
}

edn_status mailbox_post(edn_client *c, const char *origin, const edn_rendezvous_id *rendezvous, edn_pairing_side side,
                        edn_pair_post *out, edn_err *err)
{
    mailbox *b = calloc(1, sizeof *b);
    edn_status st = EDN_OK;

    memset(out, 0, sizeof *out);
    if (!b)
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    b->c = c;
    memcpy(b->origin, origin, strlen(origin) + 1);
    b->rendezvous = *rendezvous;
    b->side = side == EDN_PAIRING_OLD ? EDN_MAIL_OLD : EDN_MAIL_NEW;
    if (side == EDN_PAIRING_NEW)
        st = say(b, EDN_MAIL_OPEN, err);
    if (st != EDN_OK) {
        free(b);
        return st;
    }
    *out = (edn_pair_post){b, put, get, shut};
    return EDN_OK;
}
