#include "keys/meeting.h"

#include "keys/keys_priv.h"

/* A message begins with its kind. Those before the keys stand are in the clear; all others are
 *
 *     4 ‖ seal(key of this direction, 1, T("EDNv1/aad/pair"; th, u8 side, u64 number), u8 type ‖ what it says)
 *
 * where side (1 old, 2 new) and number (0, 1, 2…) are the sender's: one that is altered, repeated, swapped or sent back
 * to where it came from does not open. Only NO is believed in the clear: who can forge it can keep messages back as
 * well. */
enum { KIND_NO = 0, KIND_COMMIT = 1, KIND_SHARE = 2, KIND_KEY = 3, KIND_SEALED = 4 };
enum { TYPE_READY = 1, TYPE_ACCOUNT = 2, TYPE_DEVICE = 3, TYPE_WELCOME = 4 };

/* What comes next; a table of what follows what. */
enum {
    EXPECT_NOTHING,
    EXPECT_BEGIN, /* new: COMMIT or SHARE */
    EXPECT_SHARE, /* old, by a code */
    EXPECT_COMMIT,
    EXPECT_KEY,
    EXPECT_READY,
    EXPECT_ACCOUNT,
    EXPECT_DEVICE,
    EXPECT_WELCOME /* or ACCOUNT again */
};

/* ---- codes ------------------------------------------------------------------------------------------------------- */

enum { PLACE_DIGITS = 4, CODE_DIGITS = 8 };

void edn_meeting_code_make(edn_meeting_code *out, const edn_random *rng)
{
    char more[EDN_PAIRING_CODE_SIZE];

    edn_pairing_code_make(more, rng);
    memcpy(out->place, more, PLACE_DIGITS);
    out->place[PLACE_DIGITS] = 0;
    edn_pairing_code_make(out->code, rng);
}

void edn_meeting_code_text(char out[EDN_MEETING_CODE_TEXT_SIZE], const edn_meeting_code *code)
{
    memcpy(out, code->place, 4);
    memcpy(out + 5, code->code, 4);
    memcpy(out + 10, code->code + 4, 4);
    out[4] = out[9] = '-';
    out[14] = 0;
}

edn_status edn_meeting_code_parse(edn_bytes text, edn_meeting_code *out)
{
    char digits[PLACE_DIGITS + CODE_DIGITS], place[CODE_DIGITS], whole[EDN_PAIRING_CODE_SIZE];
    size_t n = edn_base32_typed(digits, sizeof digits, text);
    edn_status st = EDN_E_INVALID;

    memset(out, 0, sizeof *out);
    if (n == sizeof digits) {
        memcpy(place, digits, PLACE_DIGITS);
        memset(place + PLACE_DIGITS, '0', CODE_DIGITS - PLACE_DIGITS);
        st = edn_pairing_code_parse(edn_bytes_of(place, sizeof place), whole);
        memcpy(out->place, whole, PLACE_DIGITS);
    }
    if (st == EDN_OK)
        st = edn_pairing_code_parse(edn_bytes_of(digits + PLACE_DIGITS, CODE_DIGITS), out->code);
    if (st != EDN_OK)
        edn_wipe(out, sizeof *out);
    edn_wipe(digits, sizeof digits);
    return st;
}

edn_rendezvous_id edn_meeting_rendezvous(const edn_meeting_code *code)
{
    edn_hash h = edn_h32_t(EDN_LABEL_PAIR_RENDEZVOUS, edn_bytes_str(code->place));
    edn_rendezvous_id id;

    memcpy(id.b, h.b, sizeof id.b);
    return id;
}

void edn_meeting_announce(uint8_t out[16], const edn_rendezvous_id *rendezvous)
{
    edn_hash h = edn_h32_t(EDN_LABEL_PAIR_ANNOUNCE, EDN_F(*rendezvous));

    memcpy(out, h.b, 16);
}

/* ---- ending ------------------------------------------------------------------------------------------------------ */

void edn_meeting_dispose(edn_meeting *m)
{
    edn_arena_dispose(&m->arena);
    edn_wipe(m, sizeof *m);
}

/* Dead from here on: nothing of it is used again. */
static void end(edn_meeting *m, edn_meeting_no theirs)
{
    edn_meeting_dispose(m);
    m->want = EDN_MEETING_DEAD;
    m->no = theirs;
}

static edn_status fail(edn_meeting *m, edn_status st, edn_meeting_no say, edn_buf *out)
{
    edn_buf_reset(out);
    edn_put_u8(out, KIND_NO);
    edn_put_u8(out, (uint8_t)say);
    end(m, EDN_MEETING_NO_NONE);
    return st;
}

void edn_meeting_cancel(edn_meeting *m, edn_buf *out) { (void)fail(m, EDN_E_CANCELLED, EDN_MEETING_NO_ENDED, out); }

/* ---- saying ------------------------------------------------------------------------------------------------------ */

/* The longest aad: label, th, side, number, each with its length. */
enum { AAD_SIZE_MAX = 128 };

static edn_bytes mail_aad(edn_buf *to, const edn_meeting *m, edn_pairing_side from, uint64_t number)
{
    edn_t_put(to, EDN_LABEL_AAD_PAIR,
              EDN_FIELDS_(EDN_F(m->pairing.transcript), EDN_F_U8(from == EDN_PAIRING_OLD ? 1 : 2), EDN_F_U64(number)));
    return edn_buf_view(to);
}

static const uint8_t *mail_key(const edn_meeting *m, edn_pairing_side from)
{
    return from == EDN_PAIRING_OLD ? m->pairing.key_a2b : m->pairing.key_b2a;
}

/* Appends the sealed message; `plain` begins with its type. */
static edn_status say(edn_meeting *m, edn_bytes plain, edn_buf *out)
{
    uint8_t aad_bytes[AAD_SIZE_MAX], rnd[32];
    edn_buf aad = EDN_BUF_OVER(aad_bytes);

    m->rng.fill(m->rng.ctx, rnd, sizeof rnd);
    edn_put_u8(out, KIND_SEALED);
    return edn_seal(out, mail_key(m, m->side), EDN_SUITE_1, mail_aad(&aad, m, m->side, m->sent++), plain, rnd);
}

static edn_status say_ready(edn_meeting *m, edn_buf *out)
{
    static const uint8_t ready = TYPE_READY;

    return say(m, edn_bytes_of(&ready, 1), out);
}

static void wait_for(edn_meeting *m, uint8_t expect)
{
    m->want = EDN_MEETING_MAIL;
    m->expect = expect;
}

/* ---- beginning --------------------------------------------------------------------------------------------------- */

static void begin(edn_meeting *m, edn_pairing_side side, const edn_random *rng)
{
    memset(m, 0, sizeof *m);
    m->side = side;
    m->rng = *rng;
}

void edn_meeting_begin_new(edn_meeting *m, const edn_cert *cert, const edn_sign_sk *sign_sk, const char *name,
                           const edn_random *rng)
{
    begin(m, EDN_PAIRING_NEW, rng);
    EDN_ASSERT(strlen(name) <= EDN_MEETING_NAME_MAX);
    memcpy(m->name, name, strlen(name));
    m->cert = *cert;
    m->sign_sk = *sign_sk;
    edn_meeting_code_make(&m->code, rng);
    m->rendezvous = edn_meeting_rendezvous(&m->code);
    rng->fill(rng->ctx, m->sk.b, sizeof m->sk.b);
    rng->fill(rng->ctx, m->psk.b, sizeof m->psk.b);
    wait_for(m, EXPECT_BEGIN);
}

void edn_meeting_offer_text(const edn_meeting *m, char out[EDN_PAIRING_OFFER_TEXT_SIZE])
{
    EDN_SECRET(edn_pairing_offer) offer = {.rendezvous = m->rendezvous, .psk = m->psk};

    edn_dh_keypair(&m->sk, &offer.key);
    edn_pairing_offer_text(out, &offer);
}

static void pairing_begin(edn_meeting *m, const edn_dh_pk *offer_key)
{
    uint8_t number[32];

    m->rng.fill(m->rng.ctx, number, sizeof number);
    edn_pairing_init(&m->pairing, m->side, &m->rendezvous, &m->sk, offer_key, &m->psk, number);
}

/* Old: commits to its key. */
static edn_status say_commit(edn_meeting *m, const edn_dh_pk *offer_key, edn_buf *out)
{
    m->rng.fill(m->rng.ctx, m->sk.b, sizeof m->sk.b);
    pairing_begin(m, offer_key);
    edn_put_u8(out, KIND_COMMIT);
    wait_for(m, EXPECT_KEY);
    return edn_pairing_step(&m->pairing, EDN_BYTES_EMPTY, out);
}

edn_status edn_meeting_begin_offer(edn_meeting *m, const edn_pairing_offer *offer, const edn_random *rng, edn_buf *out)
{
    begin(m, EDN_PAIRING_OLD, rng);
    m->rendezvous = offer->rendezvous;
    m->psk = offer->psk;
    return say_commit(m, &offer->key, out);
}

static void say_share(edn_meeting *m, edn_buf *out)
{
    m->by_code = true;
    edn_pairing_code_start(&m->scalar, &m->share, m->code.code, &m->rendezvous, &m->rng);
    edn_put_u8(out, KIND_SHARE);
    edn_put_bytes(out, m->share.b, sizeof m->share.b);
}

edn_status edn_meeting_begin_code(edn_meeting *m, const edn_meeting_code *code, const edn_random *rng, edn_buf *out)
{
    begin(m, EDN_PAIRING_OLD, rng);
    m->code = *code;
    m->rendezvous = edn_meeting_rendezvous(code);
    say_share(m, out);
    wait_for(m, EXPECT_SHARE);
    return edn_buf_status(out);
}

/* ---- hearing: before the keys stand ------------------------------------------------------------------------------ */

static edn_status hear_share(edn_meeting *m, edn_bytes body)
{
    edn_cpace_share theirs;

    if (body.n != sizeof theirs.b)
        return EDN_E_FORMAT;
    memcpy(theirs.b, body.p, sizeof theirs.b);
    if (memcmp(theirs.b, m->share.b, sizeof theirs.b) == 0)
        return EDN_E_AUTH; /* sent back to us */
    return edn_pairing_code_psk(&m->psk, &m->scalar, m->side, &m->rendezvous, &m->share, &theirs);
}

static edn_status hear_commit(edn_meeting *m, edn_bytes body, edn_buf *out)
{
    pairing_begin(m, NULL);
    edn_put_u8(out, KIND_KEY);
    wait_for(m, EXPECT_KEY);
    return edn_pairing_step(&m->pairing, body, out);
}

static edn_status hear_key(edn_meeting *m, edn_bytes body, edn_buf *out)
{
    edn_status st;

    wait_for(m, EXPECT_READY);
    if (m->side == EDN_PAIRING_NEW)
        return (st = edn_pairing_step(&m->pairing, body, out)) == EDN_OK ? say_ready(m, out) : st;
    edn_put_u8(out, KIND_KEY);
    return edn_pairing_step(&m->pairing, body, out);
}

static edn_status hear_clear(edn_meeting *m, uint8_t kind, edn_bytes body, edn_buf *out)
{
    edn_status st;

    if (kind == KIND_COMMIT && (m->expect == EXPECT_BEGIN || m->expect == EXPECT_COMMIT))
        return hear_commit(m, body, out);
    if (kind == KIND_SHARE && m->expect == EXPECT_BEGIN) {
        say_share(m, out);
        wait_for(m, EXPECT_COMMIT);
        return hear_share(m, body);
    }
    if (kind == KIND_SHARE && m->expect == EXPECT_SHARE)
        return (st = hear_share(m, body)) == EDN_OK ? say_commit(m, NULL, out) : st;
    if (kind == KIND_KEY && m->expect == EXPECT_KEY)
        return hear_key(m, body, out);
    return EDN_E_FORMAT;
}

/* ---- hearing: what is sealed ------------------------------------------------------------------------------------- */

static edn_status hear_ready(edn_meeting *m, edn_reader *r, edn_buf *out)
{
    edn_status st = edn_reader_end(r);

    if (st == EDN_OK && m->side == EDN_PAIRING_OLD)
        st = say_ready(m, out);
    m->want = EDN_MEETING_COMPARE;
    m->expect = EXPECT_NOTHING;
    return st;
}

/* A text with a zero behind it, and none inside. */
static void read_text(edn_reader *r, char *out, size_t max, const char *name)
{
    edn_bytes text = edn_read_lp(r, (uint32_t)max, name);

    if (text.n && memchr(text.p, 0, text.n))
        edn_reader_fail(r, EDN_E_FORMAT, name);
    if (text.n)
        memcpy(out, text.p, text.n);
    out[text.n] = 0;
}

static edn_status say_device(edn_meeting *m, edn_buf *out)
{
    const edn_meeting_account *a = &m->account;
    uint8_t plain_bytes[1 + 100 + sizeof(edn_signature) + 4 + EDN_MEETING_NAME_MAX];
    edn_buf plain = EDN_BUF_OVER(plain_bytes);
    edn_signature pop;

    edn_link_pop_at(&pop, a->log_count, &a->log_head, &a->signer, &a->aik, &m->cert, &m->sign_sk);
    edn_put_u8(&plain, TYPE_DEVICE);
    edn_cert_put(&plain, &m->cert);
    edn_put_bytes(&plain, pop.b, sizeof pop.b);
    edn_put_lp(&plain, edn_bytes_str(m->name));
    return say(m, edn_buf_view(&plain), out);
}

static edn_status hear_account(edn_meeting *m, edn_reader *r, edn_buf *out)
{
    edn_meeting_account *a = &m->account;
    edn_account_id before = a->id;
    uint8_t flag;
    edn_status st;

    if (++m->told > EDN_MEETING_TELLS_MAX)
        return EDN_E_FORMAT;
    edn_read_into(r, a->id.b, sizeof a->id.b, "account");
    edn_read_into(r, a->aik.b, sizeof a->aik.b, "account's own key");
    edn_read_into(r, a->receipt_pk.b, sizeof a->receipt_pk.b, "receipt key");
    edn_read_into(r, a->signer.b, sizeof a->signer.b, "device");
    a->log_count = edn_read_u64(r, "log count");
    edn_read_into(r, a->log_head.b, sizeof a->log_head.b, "log head");
    flag = edn_read_u8(r, "account key's flag");
    edn_read_into(r, a->account_key.b, sizeof a->account_key.b, "account key");
    a->has_account_key = flag == 1;
    read_text(r, a->origin, EDN_ORIGIN_SIZE_MAX, "server");
    read_text(r, a->name, EDN_MEETING_NAME_MAX, "name");
    if ((st = edn_reader_end(r)) != EDN_OK)
        return st;
    if (flag > 1 || (m->told > 1 && memcmp(before.b, a->id.b, sizeof before.b) != 0))
        return EDN_E_FORMAT;
    wait_for(m, EXPECT_WELCOME);
    return say_device(m, out);
}

static edn_status hear_device(edn_meeting *m, edn_reader *r)
{
    edn_meeting_device *d = &m->device;
    edn_hash name;
    edn_status st;

    edn_read_into(r, d->cert.sign.b, sizeof d->cert.sign.b, "signing key");
    edn_read_into(r, d->cert.enc.b, sizeof d->cert.enc.b, "encryption key");
    d->cert.caps = edn_read_u32(r, "rights");
    edn_read_into(r, d->cert.name_hash.b, sizeof d->cert.name_hash.b, "name's hash");
    edn_read_into(r, d->pop.b, sizeof d->pop.b, "proof");
    read_text(r, d->name, EDN_MEETING_NAME_MAX, "name");
    if ((st = edn_reader_end(r)) != EDN_OK)
        return st;
    name = edn_h32_t(EDN_LABEL_DEVNAME, edn_bytes_str(d->name));
    m->want = EDN_MEETING_ADD;
    m->expect = EXPECT_NOTHING;
    return memcmp(name.b, d->cert.name_hash.b, sizeof name.b) == 0 ? EDN_OK : EDN_E_FORMAT;
}

/* All that is left; one spelling: what is handed over is either whole or not there. */
static void read_handover(edn_meeting *m, edn_reader *r)
{
    edn_meeting_handover *h = &m->handover;
    uint32_t n;

    h->grants = edn_read_lp(r, EDN_BOX_SIZE_MAX, "grants");
    n = edn_read_u32(r, "link count");
    if (!edn_reader_has(r, n, 4 + EDN_MSG_LINK_SIZE_MIN))
        return;
    if (!(h->links = edn_arena_calloc(&m->arena, n, sizeof *h->links))) {
        edn_reader_fail(r, EDN_E_NOMEM, "links");
        return;
    }
    for (; h->links_n < n; h->links_n++)
        h->links[h->links_n] = edn_read_lp(r, EDN_LINK_SIZE_MAX, "link");
    h->log_count = edn_read_u64(r, "signed log count");
    edn_read_into(r, h->log_head.b, sizeof h->log_head.b, "signed log head");
    if (!edn_heads_read(r, &m->arena, &h->heads, &h->heads_n))
        return; /* the reader remembers why not */
    h->receipt.time_ms = edn_read_u64(r, "receipt time");
    edn_read_into(r, h->receipt.sig.b, sizeof h->receipt.sig.b, "receipt");
    m->welcome.handover = h;
}

static edn_status hear_welcome(edn_meeting *m, edn_bytes body)
{
    edn_meeting_welcome *w = &m->welcome;
    edn_reader r;
    edn_status st;

    m->arena = edn_arena_init((size_t)1 << 18); /* the message, and as much again for what it says */
    if (!edn_arena_copy(&m->arena, body, &body))
        return EDN_E_NOMEM;
    r = edn_reader_init(body);
    w->link_seq = edn_read_u64(&r, "link");
    edn_read_into(&r, w->link_hash.b, sizeof w->link_hash.b, "link's hash");
    if (edn_heads_read(&r, &m->arena, &w->heads, &w->heads_n) && edn_reader_left(&r) > 0)
        read_handover(m, &r);
    st = edn_reader_end(&r);
    if (st == EDN_OK && w->link_seq != m->account.log_count)
        st = EDN_E_FORMAT;
    m->want = EDN_MEETING_JOIN;
    m->expect = EXPECT_NOTHING;
    return st;
}

static edn_status hear_plain(edn_meeting *m, edn_bytes plain, edn_buf *out)
{
    edn_reader r = edn_reader_init(plain);
    uint8_t type = edn_read_u8(&r, "type");

    if (type == TYPE_READY && m->expect == EXPECT_READY)
        return hear_ready(m, &r, out);
    if (type == TYPE_ACCOUNT && (m->expect == EXPECT_ACCOUNT || m->expect == EXPECT_WELCOME))
        return hear_account(m, &r, out);
    if (type == TYPE_DEVICE && m->expect == EXPECT_DEVICE)
        return hear_device(m, &r);
    if (type == TYPE_WELCOME && m->expect == EXPECT_WELCOME)
        return hear_welcome(m, edn_read_bytes(&r, edn_reader_left(&r), "welcome"));
    return EDN_E_FORMAT;
}

static edn_status hear_sealed(edn_meeting *m, edn_bytes box, edn_buf *out)
{
    edn_pairing_side from = m->side == EDN_PAIRING_OLD ? EDN_PAIRING_NEW : EDN_PAIRING_OLD;
    uint8_t aad_bytes[AAD_SIZE_MAX];
    edn_buf aad = EDN_BUF_OVER(aad_bytes), plain = EDN_BUF_INIT(EDN_MEETING_MAIL_MAX);
    edn_status st;

    if (m->expect < EXPECT_READY)
        return EDN_E_FORMAT;
    edn_buf_reserve(&plain, box.n); /* so that nothing secret is left where it grew from */
    if ((st = edn_buf_status(&plain)) == EDN_OK)
        st = edn_unseal(&plain, mail_key(m, from), EDN_SUITE_1, mail_aad(&aad, m, from, m->received), box);
    if (st == EDN_E_COMMIT || st == EDN_E_FORMAT)
        st = EDN_E_AUTH;
    if (st == EDN_OK) {
        m->received++;
        st = hear_plain(m, edn_buf_view(&plain), out);
    }
    edn_buf_wipe(&plain);
    return st;
}

edn_status edn_meeting_take(edn_meeting *m, edn_bytes in, edn_buf *out)
{
    edn_reader r = edn_reader_init(in);
    uint8_t kind = edn_read_u8(&r, "kind"), no;
    edn_bytes body = edn_read_bytes(&r, edn_reader_left(&r), "message");
    edn_status st;

    EDN_ASSERT(m->want == EDN_MEETING_MAIL);
    if (edn_reader_end(&r) != EDN_OK || in.n > EDN_MEETING_MAIL_MAX)
        return fail(m, EDN_E_FORMAT, EDN_MEETING_NO_ENDED, out);
    if (kind == KIND_NO) {
        no = body.n == 1 ? body.p[0] : EDN_MEETING_NO_ENDED;
        end(m, no && no < EDN_MEETING_NO_COUNT ? (edn_meeting_no)no : EDN_MEETING_NO_ENDED);
        return EDN_E_CANCELLED;
    }
    st = kind == KIND_SEALED ? hear_sealed(m, body, out) : hear_clear(m, kind, body, out);
    if (st == EDN_OK)
        st = edn_buf_status(out);
    if (st != EDN_OK)
        return fail(m, st, st == EDN_E_NOMEM ? EDN_MEETING_NO_ENDED : EDN_MEETING_NO_CODE, out);
    return EDN_OK;
}

/* ---- deciding ---------------------------------------------------------------------------------------------------- */

edn_status edn_meeting_compared(edn_meeting *m, bool same, edn_buf *out)
{
    EDN_ASSERT(m->want == EDN_MEETING_COMPARE);
    if (!same)
        return fail(m, EDN_E_CANCELLED, EDN_MEETING_NO_DIGITS, out);
    if (m->side == EDN_PAIRING_OLD)
        m->want = EDN_MEETING_TELL;
    else
        wait_for(m, EXPECT_ACCOUNT);
    return EDN_OK;
}

edn_status edn_meeting_tell(edn_meeting *m, const edn_meeting_account *a, edn_buf *out)
{
    edn_buf plain = EDN_BUF_INIT(4096);
    edn_status st;

    EDN_ASSERT(m->want == EDN_MEETING_TELL || m->want == EDN_MEETING_ADD);
    if (m->told >= EDN_MEETING_TELLS_MAX)
        return fail(m, EDN_E_CONFLICT, EDN_MEETING_NO_ENDED, out);
    m->told++;
    edn_buf_reserve(&plain, 1024); /* never grows: it holds the account key */
    edn_put_u8(&plain, TYPE_ACCOUNT);
    edn_put_bytes(&plain, a->id.b, sizeof a->id.b);
    edn_put_bytes(&plain, a->aik.b, sizeof a->aik.b);
    edn_put_bytes(&plain, a->receipt_pk.b, sizeof a->receipt_pk.b);
    edn_put_bytes(&plain, a->signer.b, sizeof a->signer.b);
    edn_put_u64(&plain, a->log_count);
    edn_put_bytes(&plain, a->log_head.b, sizeof a->log_head.b);
    edn_put_u8(&plain, a->has_account_key);
    edn_put_bytes(&plain, a->account_key.b, sizeof a->account_key.b);
    edn_put_lp(&plain, edn_bytes_str(a->origin));
    edn_put_lp(&plain, edn_bytes_str(a->name));
    st = edn_buf_status(&plain);
    if (st == EDN_OK)
        st = say(m, edn_buf_view(&plain), out);
    edn_buf_wipe(&plain);
    if (st != EDN_OK)
        return fail(m, st, EDN_MEETING_NO_ENDED, out);
    m->account.log_count = a->log_count;
    wait_for(m, EXPECT_DEVICE);
    return EDN_OK;
}

/* What sealing adds to a message, and to spare. */
enum { SEALED_MORE = 256 };

static edn_status put_handover(edn_buf *plain, const edn_meeting_handover *h)
{
    edn_buf b = EDN_BUF_INIT(plain->size_max - plain->n);
    edn_status st;

    edn_put_lp(&b, h->grants);
    edn_put_u32(&b, (uint32_t)h->links_n);
    for (size_t i = 0; i < h->links_n; i++)
        edn_put_lp(&b, h->links[i]);
    edn_put_u64(&b, h->log_count);
    edn_put_bytes(&b, h->log_head.b, sizeof h->log_head.b);
    edn_heads_put(&b, h->heads, h->heads_n);
    edn_put_u64(&b, h->receipt.time_ms);
    edn_put_bytes(&b, h->receipt.sig.b, sizeof h->receipt.sig.b);
    if ((st = edn_buf_status(&b)) == EDN_OK)
        edn_put_bytes(plain, b.p, b.n);
    edn_buf_dispose(&b);
    return st == EDN_E_LIMIT ? EDN_OK : st;
}

edn_status edn_meeting_added(edn_meeting *m, const edn_meeting_welcome *w, edn_buf *out)
{
    edn_buf plain = EDN_BUF_INIT(EDN_MEETING_MAIL_MAX - SEALED_MORE);
    edn_status st;

    EDN_ASSERT(m->want == EDN_MEETING_ADD);
    edn_put_u8(&plain, TYPE_WELCOME);
    edn_put_u64(&plain, w->link_seq);
    edn_put_bytes(&plain, w->link_hash.b, sizeof w->link_hash.b);
    edn_heads_put(&plain, w->heads, w->heads_n);
    st = edn_buf_status(&plain);
    if (st == EDN_OK && w->handover)
        st = put_handover(&plain, w->handover);
    if (st == EDN_OK)
        st = edn_buf_status(&plain);
    if (st == EDN_OK)
        st = say(m, edn_buf_view(&plain), out);
    edn_buf_dispose(&plain);
    if (st != EDN_OK)
        return fail(m, st, EDN_MEETING_NO_ENDED, out);
    m->want = EDN_MEETING_OVER;
    return EDN_OK;
}

/* ---- the grant --------------------------------------------------------------------------------------------------- */

static void grant_psk(const edn_meeting *m, edn_psk *out)
{
    edn_kdf_t(out->b, sizeof out->b, m->pairing.key_a2b, EDN_LABEL_PAIR_GRANT, EDN_F(m->pairing.transcript));
}

static edn_bytes grant_psk_id(edn_buf *to, const edn_device_id *recipient)
{
    edn_t_put(to, EDN_LABEL_GRANT_PSK, EDN_FIELDS_(edn_bytes_str("pair"), EDN_F(*recipient)));
    return edn_buf_view(to);
}

edn_status edn_meeting_grant_seal(const edn_meeting *m, const edn_grant_context *cx, const edn_dh_pk *to,
                                  const edn_root_key *root, uint8_t out[EDN_GRANT_SIZE])
{
    EDN_SECRET(edn_psk) psk = EDN_KEY_EMPTY;
    uint8_t id_bytes[AAD_SIZE_MAX];
    edn_buf id = EDN_BUF_OVER(id_bytes);

    grant_psk(m, &psk);
    return edn_grant_seal(out, cx, to, root, &psk, grant_psk_id(&id, &cx->recipient), &m->rng);
}

edn_status edn_meeting_grant_open(const edn_meeting *m, const edn_grant_context *cx, const edn_dh_sk *sk,
                                  edn_bytes blob, edn_root_key *root)
{
    EDN_SECRET(edn_psk) psk = EDN_KEY_EMPTY;
    uint8_t id_bytes[AAD_SIZE_MAX];
    edn_buf id = EDN_BUF_OVER(id_bytes);
    edn_bytes grant;
    edn_status st = edn_grants_find(blob, &cx->recipient, &grant);

    memset(root, 0, sizeof *root);
    if (st != EDN_OK)
        return st;
    grant_psk(m, &psk);
    return edn_grant_open(cx, sk, grant, &psk, grant_psk_id(&id, &cx->recipient), root);
}
