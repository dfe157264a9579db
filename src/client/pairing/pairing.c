/* Two devices meet: the machine of src/keys/meeting.c, with a post office on one side and an account on the other.
 *
 *     step: what is to be sent is sent ─▶ what is wanted is done, or waited for ─▶ again
 *
 * A message is kept until it is known to have arrived, and asked for by its number, so an answer that was lost, or a
 * step that is repeated, changes nothing. A mailbox that was lost (the server began anew) ends the meeting. */
#include "client/pairing/pairing_priv.h"

#include <stdlib.h>

/* ---- how it ends ------------------------------------------------------------------------------------------------- */

static edn_status other_said_no(edn_meeting_no no, bool by_code, edn_err *err)
{
    switch (no) {
    case EDN_MEETING_NO_DIGITS:
        return edn_fail(err, EDN_E_CANCELLED,
                        "at the other device somebody said that the digits differ: somebody may stand in between. "
                        "Nothing was told; begin again, over another network if you can");
    case EDN_MEETING_NO_CODE:
        return edn_fail(err, EDN_E_CANCELLED,
                        by_code ? "somebody used a wrong code, so this one is used up. Nothing was told; begin again "
                                  "('edn device link')"
                                : "the other device got messages that do not fit: somebody may stand in between. "
                                  "Nothing was told; begin again ('edn device link')");
    default:
        return edn_fail(err, EDN_E_CANCELLED, "the other device ended it. Begin again ('edn device link')");
    }
}

/* Words for a machine that is dead. */
static edn_status meeting_failed(edn_pair *p, edn_status st, edn_meeting_no no, edn_err *err)
{
    switch (st) {
    case EDN_E_CANCELLED:
        return other_said_no(no, p->by_code, err);
    case EDN_E_AUTH:
    case EDN_E_KEY_INVALID:
        if (p->by_code)
            return edn_fail(err, EDN_E_AUTH,
                            "that code is wrong, or somebody stands in between; it is used up. Nothing was told; let "
                            "the new device show another ('edn device link')");
        return edn_fail(err, EDN_E_AUTH,
                        "what came does not fit the code that was shown: somebody may stand in between. Nothing was "
                        "told; begin again ('edn device link')");
    case EDN_E_FORMAT:
        return edn_fail(err, st,
                        "the messages between the two devices were changed, repeated or swapped on their way. Nothing "
                        "was told; begin again ('edn device link'), over another network if you can");
    case EDN_E_CONFLICT:
        return edn_fail(err, st, "other devices change the account at this very moment; begin again in a minute");
    default:
        return client_fail(p->c, st, err);
    }
}

/* Whether a failure of the way leaves the meeting as it is. */
static bool may_try_again(edn_status st)
{
    return st == EDN_E_NETWORK || st == EDN_E_RATE || st == EDN_E_BUSY || st == EDN_E_TLS || st == EDN_E_SERVER;
}

static edn_status flush(edn_pair *p, edn_err *err)
{
    edn_status st = EDN_OK;

    if (p->out.n == 0)
        return EDN_OK;
    if ((st = p->post.put(p->post.ctx, p->put_n, edn_buf_view(&p->out), err)) == EDN_OK) {
        p->put_n++;
        edn_buf_wipe(&p->out);
        p->out = EDN_BUF_INIT(EDN_MEETING_MAIL_MAX);
    }
    return st;
}

/* The last word to the other side; whether it hears it does not matter. */
static edn_status finish(edn_pair *p, edn_status st)
{
    edn_err ignored;

    if (!p->over)
        (void)flush(p, &ignored);
    p->over = true;
    return st;
}

/* A message that could not be sent. What was done cannot be taken back, so it is said. */
static edn_status lost(const edn_pair *p, edn_status st, edn_err *err)
{
    if (!p->device[0])
        return st;
    return edn_fail(err, st,
                    "the new device was added, and was gone before it could be told so: revoke it here ('edn device "
                    "list', 'edn device revoke'), and begin again");
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static edn_status take(edn_pair *p, bool *there, edn_err *err)
{
    edn_buf mail = EDN_BUF_INIT(EDN_MEETING_MAIL_MAX);
    edn_meeting *m = &p->secret->meeting;
    edn_status st = p->post.get(p->post.ctx, p->got_n, &mail, there, err);

    if (st == EDN_OK && *there) {
        p->got_n++;
        if ((st = edn_meeting_take(m, edn_buf_view(&mail), &p->out)) != EDN_OK)
            st = finish(p, meeting_failed(p, st, m->no, err));
        else if (m->by_code)
            p->by_code = true;
        if (st == EDN_OK && m->want == EDN_MEETING_COMPARE)
            memcpy(p->digits, m->pairing.digits, sizeof p->digits);
    } else if (st != EDN_OK && !may_try_again(st)) {
        edn_meeting_cancel(m, &p->out);
        st = finish(p, st);
    }
    edn_buf_wipe(&mail);
    return st;
}

static edn_status act(edn_pair *p, edn_status (*fn)(edn_pair *, edn_err *), edn_err *err)
{
    edn_status st = fn(p, err);

    if (st == EDN_OK || may_try_again(st))
        return st;
    if (p->secret->meeting.want != EDN_MEETING_DEAD)
        edn_meeting_cancel(&p->secret->meeting, &p->out);
    else
        st = meeting_failed(p, st, EDN_MEETING_NO_NONE, err);
    return finish(p, st);
}

/* Old, where the way tells at once: whether the new device was still there when it was welcomed. Nothing but a no can
 * come from it any more. */
static bool heard(edn_pair *p)
{
    edn_buf mail = EDN_BUF_INIT(EDN_MEETING_MAIL_MAX);
    bool there = false;
    edn_err ignored;

    (void)p->post.get(p->post.ctx, p->got_n, &mail, &there, &ignored); /* it may have gone with what it got */
    edn_buf_wipe(&mail);
    return !there;
}

edn_status edn_pair_step(edn_pair *p, edn_pair_state *out, edn_err *err)
{
    bool there;
    edn_status st;

    *out = EDN_PAIR_WAITING;
    if (p->over)
        return edn_fail(err, EDN_E_CANCELLED, "this meeting is over; begin again ('edn device link')");
    for (;;) {
        if ((st = flush(p, err)) != EDN_OK)
            return may_try_again(st) ? st : finish(p, lost(p, st, err));
        switch (p->secret->meeting.want) {
        case EDN_MEETING_MAIL:
            if ((st = take(p, &there, err)) != EDN_OK || !there)
                return st;
            break;
        case EDN_MEETING_COMPARE:
            *out = EDN_PAIR_COMPARE;
            return EDN_OK;
        case EDN_MEETING_TELL:
            if ((st = act(p, pair_tell, err)) != EDN_OK)
                return st;
            break;
        case EDN_MEETING_ADD:
            if ((st = act(p, pair_add, err)) != EDN_OK)
                return st;
            break;
        case EDN_MEETING_JOIN:
            if ((st = act(p, pair_join, err)) != EDN_OK)
                return st;
            p->secret->meeting.want = EDN_MEETING_OVER;
            break;
        case EDN_MEETING_OVER:
            if (p->hands_over && p->device[0] && !heard(p))
                return finish(p, lost(p, EDN_E_CANCELLED, err));
            *out = EDN_PAIR_DONE;
            return EDN_OK;
        case EDN_MEETING_DEAD:
            return finish(p, edn_fail(err, EDN_E_CANCELLED, "this meeting is over"));
        }
    }
}

edn_status edn_pair_compared(edn_pair *p, bool same, edn_err *err)
{
    edn_status st = edn_meeting_compared(&p->secret->meeting, same, &p->out);

    if (st != EDN_OK)
        st = finish(p, edn_fail(err, st,
                                "the digits differ, so somebody may stand in between. Nothing was told; begin again, "
                                "over another network if you can"));
    return st;
}

/* ---- beginning and end ------------------------------------------------------------------------------------------- */

static edn_status pair_new(edn_client *c, edn_pairing_side side, edn_pair **out, edn_err *err)
{
    edn_pair *p = calloc(1, sizeof *p);

    *out = NULL;
    if (p)
        p->secret = edn_secret_alloc(sizeof *p->secret);
    if (!p || !p->secret) {
        free(p);
        return edn_fail(err, EDN_E_NOMEM, "out of (locked) memory");
    }
    memset(p->secret, 0, sizeof *p->secret);
    p->secret->meeting.want = EDN_MEETING_DEAD;
    p->side = side;
    p->c = c;
    p->out = EDN_BUF_INIT(EDN_MEETING_MAIL_MAX);
    *out = p;
    return EDN_OK;
}

void edn_pair_free(edn_pair *p)
{
    edn_err ignored;

    if (!p)
        return;
    if (p->post.put && !p->over && p->secret->meeting.want != EDN_MEETING_OVER) {
        if (p->secret->meeting.want != EDN_MEETING_DEAD)
            edn_meeting_cancel(&p->secret->meeting, &p->out);
        (void)flush(p, &ignored); /* whether the other side hears it does not matter */
    }
    if (p->post.close)
        p->post.close(p->post.ctx);
    edn_meeting_dispose(&p->secret->meeting);
    edn_secret_free(p->secret);
    edn_buf_wipe(&p->out);
    if (p->side == EDN_PAIRING_NEW)
        edn_client_close(p->c);
    free(p);
}

/* Everything of the new device that needs no server: keys, a lock for its disk, and its offer. */
static edn_status link_prepare(edn_pair *p, const edn_pair_link_options *o, edn_bytes passphrase, edn_err *err)
{
    enrolment *e = &p->secret->e;
    edn_buf prepared = EDN_BUF_INIT(16384), slot = EDN_BUF_INIT(sizeof p->secret->slot);
    edn_status st;

    if ((st = account_home_is_free(p->c, err)) != EDN_OK || (st = device_name_check(o->device_name, err)) != EDN_OK ||
        (st = edn_passphrase_prepare(passphrase, &prepared, err)) != EDN_OK)
        goto out;
    account_new_cert(p->c, e, o->device_name ? o->device_name : "device");
    st = edn_slot_seal(&slot, edn_buf_view(&prepared),
                       (edn_kdf_profile)(o->strength ? (int)o->strength : EDN_KDF_DEFAULT), &e->id.device, &e->ldk,
                       &p->c->random);
    if (st != EDN_OK) {
        client_fail(p->c, st, err);
        goto out;
    }
    memcpy(p->secret->slot, slot.p, slot.n);
    p->secret->slot_n = slot.n;
out:
    edn_buf_wipe(&prepared);
    edn_buf_dispose(&slot);
    return st;
}

/* The way between the two. */
static edn_status post_open(edn_pair *p, const edn_pair_way *way, const char *origin, edn_err *err)
{
    const edn_rendezvous_id *rendezvous = &p->secret->meeting.rendezvous;
    edn_buf addresses = EDN_BUF_INIT(sizeof p->addresses - 1);
    edn_status st = EDN_OK;

    if (way && way->lan) {
        st = lan_post(way->lan, rendezvous, p->side, &p->post, &addresses, err);
        if (st == EDN_OK && addresses.n)
            memcpy(p->addresses, addresses.p, addresses.n);
        edn_buf_dispose(&addresses);
    } else if (way && way->post) {
        p->post = *way->post;
    } else {
        st = mailbox_post(p->c, origin, rendezvous, p->side, &p->post, err);
    }
    return st;
}

/* Makes an offer, and opens the mailbox that it names; another one when somebody else has that. */
static edn_status link_open(edn_pair *p, const edn_pair_link_options *o, const char *origin, edn_err *err)
{
    struct pair_secrets *s = p->secret;
    edn_status st = EDN_E_CONFLICT;

    for (int tries = 0; tries < 5 && st == EDN_E_CONFLICT; tries++) {
        edn_meeting_begin_new(&s->meeting, &s->e.cert, &s->e.id.sign_sk, s->e.id.device_name, &p->c->random);
        edn_meeting_offer_text(&s->meeting, s->offer_text);
        edn_meeting_code_text(s->code_text, &s->meeting.code);
        st = post_open(p, o->way, origin, err);
    }
    return st;
}

edn_status edn_pair_link(const edn_client_options *options, const edn_pair_link_options *o, edn_bytes passphrase,
                         edn_pair **out, edn_err *err)
{
    char origin[EDN_ORIGIN_SIZE_MAX + 1] = "";
    edn_client *c = NULL;
    edn_pair *p = NULL;
    edn_status st;

    *out = NULL;
    if ((st = client_new(options, &c, err)) != EDN_OK)
        return st;
    if ((st = pair_new(c, EDN_PAIRING_NEW, &p, err)) != EDN_OK) {
        edn_client_close(c);
        return st;
    }
    EDN_ASSERT(p);
    if ((o->way || (st = edn_origin_normalise(o->server, origin, err)) == EDN_OK) &&
        (st = link_prepare(p, o, passphrase, err)) == EDN_OK && (st = link_open(p, o, origin, err)) == EDN_OK) {
        *out = p;
        p = NULL;
    }
    edn_pair_free(p);
    return st;
}

/* An offer has 130 digits, a code twelve; what stands between them is neither. */
static edn_status approve_read(edn_pair *p, edn_bytes shown, edn_err *err)
{
    struct pair_secrets *s;
    edn_status st;

    EDN_ASSERT(p);
    s = p->secret;
    while (shown.n && (shown.p[shown.n - 1] == '\n' || shown.p[shown.n - 1] == '\r' || shown.p[shown.n - 1] == ' '))
        shown.n--;
    while (shown.n && shown.p[0] == ' ')
        shown = edn_bytes_of(shown.p + 1, shown.n - 1);
    st = edn_pairing_offer_parse(shown, &s->offer);
    if (st == EDN_E_TYPE)
        return edn_fail(err, st,
                        "the new device shows a code of another version of EDN; bring both to the same version");
    if (st == EDN_OK)
        return edn_meeting_begin_offer(&s->meeting, &s->offer, &p->c->random, &p->out);
    if (edn_meeting_code_parse(shown, &s->code) != EDN_OK)
        return edn_fail(err, EDN_E_INVALID,
                        "that is no code of a new device: it shows three groups of four letters and digits, and a QR "
                        "code of 130");
    p->by_code = true;
    return edn_meeting_begin_code(&s->meeting, &s->code, &p->c->random, &p->out);
}

/* In a transaction that reads. */
static edn_status may_approve(edn_client *c, char origin[EDN_ORIGIN_SIZE_MAX + 1], edn_err *err)
{
    const identity *id = client_id(c);
    const edn_device *self = edn_devlog_device_find(c->log, &id->device);

    if (!id->server[0])
        return edn_fail(err, EDN_E_INVALID,
                        "this diary has no server yet, by which devices exchange what is written: 'edn server URL' "
                        "first");
    if (!self || !edn_device_active(self) || !(self->cert.caps & EDN_CAP_ADMIN))
        return edn_fail(err, EDN_E_CAP, "this device may not add others; use another one");
    memcpy(origin, id->server, strlen(id->server) + 1);
    return EDN_OK;
}

/* Before anything is said to anybody: without the account's server nothing can come of it. */
static edn_status server_is_there(edn_client *c, const char *origin, edn_err *err)
{
    edn_sync_remote remote = {0};
    edn_status st = account_fresh_token(c, &remote, err);

    edn_wipe(remote.token, sizeof remote.token);
    edn_sync_remote_dispose(&remote);
    if (st == EDN_E_NETWORK)
        return edn_fail(err, st,
                        "%s: the account's server is not within reach. The two devices meet without it, but one is "
                        "added by a link of the account's log, which must be there first: two devices that each "
                        "continued it alone would split the account. Nothing was told; the code is as good as before",
                        origin);
    return st;
}

edn_status edn_pair_approve(edn_client *c, edn_bytes shown, const edn_pair_way *way, edn_pair **out, edn_err *err)
{
    char origin[EDN_ORIGIN_SIZE_MAX + 1] = "";
    edn_pair *p = NULL;
    edn_status st;

    *out = NULL;
    if ((st = client_begin_read(c, err)) != EDN_OK ||
        (st = client_end_read(c, may_approve(c, origin, err), err)) != EDN_OK ||
        (way && (st = server_is_there(c, origin, err)) != EDN_OK) ||
        (st = pair_new(c, EDN_PAIRING_OLD, &p, err)) != EDN_OK)
        return st;
    if ((st = approve_read(p, shown, err)) == EDN_OK)
        st = post_open(p, way, origin, err);
    if (p)
        p->hands_over = way != NULL;
    /* The first message goes at once: a code that is not good is told while the person still looks at it. */
    if (st == EDN_OK)
        st = flush(p, err);
    if (st == EDN_OK) {
        *out = p;
        p = NULL;
    } else if (p) {
        p->over = true;
    }
    edn_pair_free(p);
    return st;
}

const char *edn_pair_offer(const edn_pair *p) { return p->secret->offer_text; }
const char *edn_pair_code(const edn_pair *p) { return p->secret->code_text; }
const char *edn_pair_addresses(const edn_pair *p) { return p->addresses; }
const char *edn_pair_digits(const edn_pair *p) { return p->digits; }
const char *edn_pair_device(const edn_pair *p) { return p->device; }

edn_client *edn_pair_take(edn_pair *p)
{
    edn_client *c = p->secret->meeting.want == EDN_MEETING_OVER ? p->c : NULL;

    if (c)
        p->c = NULL;
    return c;
}
