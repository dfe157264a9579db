/* A new device meets an old one: all goes well, and every way in which a message can be wrong. */
#include "check.h"

#include "keys/keys_priv.h"
#include "keys/meeting.h"

static void fill_xorshift(void *ctx, void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)(check_next(ctx) >> 32);
}

/* Both sides, with everything that was said, in order. */
#define SAID_MAX 20
typedef struct pair {
    check_rng seed;
    edn_random rng;
    edn_meeting old, new;
    edn_sign_sk new_sk;
    edn_dh_sk new_enc;
    edn_cert cert;
    edn_buf said[SAID_MAX];
    bool by_old[SAID_MAX];
    size_t n;
    edn_buf out;
    const edn_meeting_handover *handover; /* of old, with its welcome */
} pair;

static void say(pair *p, bool by_old)
{
    if (p->out.n == 0)
        return;
    CHECK(p->n < SAID_MAX);
    p->said[p->n] = EDN_BUF_INIT(EDN_MEETING_MAIL_MAX);
    edn_put_bytes(&p->said[p->n], p->out.p, p->out.n);
    p->by_old[p->n++] = by_old;
    edn_buf_reset(&p->out);
}

static void pair_init(pair *p)
{
    edn_seed seed;

    memset(p, 0, sizeof *p);
    p->seed = (check_rng){check_seed()};
    p->rng = (edn_random){fill_xorshift, &p->seed};
    p->out = EDN_BUF_INIT(EDN_MEETING_MAIL_MAX);
    fill_xorshift(&p->seed, seed.b, 32);
    fill_xorshift(&p->seed, p->new_enc.b, 32);
    edn_sign_keypair(seed.b, &p->cert.sign, &p->new_sk);
    edn_dh_keypair(&p->new_enc, &p->cert.enc);
    p->cert.caps = EDN_CAP_READ | EDN_CAP_WRITE;
    p->cert.name_hash = edn_h32_t(EDN_LABEL_DEVNAME, edn_bytes_str("attic"));
    edn_meeting_begin_new(&p->new, &p->cert, &p->new_sk, "attic", &p->rng);
}

static void pair_dispose(pair *p)
{
    for (size_t i = 0; i < p->n; i++)
        edn_buf_dispose(&p->said[i]);
    edn_buf_dispose(&p->out);
    edn_meeting_dispose(&p->old);
    edn_meeting_dispose(&p->new);
}

static void begin(pair *p, bool by_code)
{
    if (by_code) {
        char text[EDN_MEETING_CODE_TEXT_SIZE];
        edn_meeting_code code;
        edn_meeting_code_text(text, &p->new.code);
        CHECK_OK(edn_meeting_code_parse(edn_bytes_str(text), &code));
        CHECK_OK(edn_meeting_begin_code(&p->old, &code, &p->rng, &p->out));
    } else {
        char text[EDN_PAIRING_OFFER_TEXT_SIZE];
        edn_pairing_offer offer;
        edn_meeting_offer_text(&p->new, text);
        CHECK_OK(edn_pairing_offer_parse(edn_bytes_str(text), &offer));
        CHECK_OK(edn_meeting_begin_offer(&p->old, &offer, &p->rng, &p->out));
    }
    say(p, true);
}

static edn_meeting_account account_of(uint64_t count)
{
    edn_meeting_account a = {
        .log_count = count, .has_account_key = true, .origin = "https://sync.example", .name = "sam"};

    memset(a.id.b, 1, sizeof a.id.b);
    memset(a.aik.b, 2, sizeof a.aik.b);
    memset(a.signer.b, 3, sizeof a.signer.b);
    memset(a.log_head.b, (int)count, sizeof a.log_head.b);
    memset(a.account_key.b, 9, sizeof a.account_key.b);
    return a;
}

/* What a side does when nothing is wrong; false: it waits for the other. */
static bool act(pair *p, edn_meeting *m, unsigned tells)
{
    edn_head heads[2] = {{.device = {{1}}, .dseq = 4}, {.device = {{2}}, .dseq = 9}};
    edn_meeting_account a = account_of(5 + m->told);
    edn_meeting_welcome w = {
        .link_seq = m->account.log_count, .link_hash = {{7}}, .heads = heads, .heads_n = 2, .handover = p->handover};

    switch (m->want) {
    case EDN_MEETING_COMPARE:
        CHECK_OK(edn_meeting_compared(m, true, &p->out));
        return true;
    case EDN_MEETING_TELL:
        CHECK_OK(edn_meeting_tell(m, &a, &p->out));
        return true;
    case EDN_MEETING_ADD:
        if (m->told < tells)
            CHECK_OK(edn_meeting_tell(m, &a, &p->out));
        else
            CHECK_OK(edn_meeting_added(m, &w, &p->out));
        return true;
    default:
        return false;
    }
}

/* Carries on until both are through or `stop` messages were said; tells how far it came. */
static void carry(pair *p, unsigned tells, size_t stop)
{
    size_t read = 0;

    for (bool moved = true; moved;) {
        moved = false;
        for (edn_meeting *m = &p->old; m; m = m == &p->old ? &p->new : NULL) {
            bool is_old = m == &p->old;
            while (act(p, m, tells)) {
                moved = true;
                say(p, is_old);
            }
            while (read < p->n && read < stop && p->by_old[read] != is_old && m->want == EDN_MEETING_MAIL) {
                CHECK_OK(edn_meeting_take(m, edn_buf_view(&p->said[read++]), &p->out));
                moved = true;
                say(p, is_old);
                while (act(p, m, tells))
                    say(p, is_old);
            }
        }
    }
}

static void check_met(pair *p)
{
    CHECK_INT(p->old.want, EDN_MEETING_OVER);
    CHECK_INT(p->new.want, EDN_MEETING_JOIN);
    CHECK_STR(edn_bytes_str(p->old.pairing.digits), p->new.pairing.digits);
    CHECK_STR(edn_bytes_str(p->new.account.origin), "https://sync.example");
    CHECK_STR(edn_bytes_str(p->new.account.name), "sam");
    CHECK(p->new.account.has_account_key && p->new.account.account_key.b[15] == 9);
    CHECK_STR(edn_bytes_str(p->old.device.name), "attic");
    CHECK_BYTES(EDN_F(p->old.device.cert.enc), EDN_F(p->cert.enc));
    CHECK_INT(p->new.welcome.heads_n, 2);
    CHECK_INT(p->new.welcome.heads[1].dseq, 9);
    CHECK_INT(p->new.welcome.link_hash.b[0], 7);
}

static void two_devices_meet(void **state)
{
    (void)state;
    for (int by_code = 0; by_code < 2; by_code++)
        for (unsigned tells = 1; tells <= EDN_MEETING_TELLS_MAX; tells++) {
            pair p;
            pair_init(&p);
            begin(&p, by_code);
            carry(&p, tells, SAID_MAX);
            check_met(&p);
            CHECK_INT(p.new.told, tells);
            CHECK(p.n <= EDN_MAILS_MAX);
            pair_dispose(&p);
        }
}

static void the_root_key_reaches_the_new_device_alone(void **state)
{
    edn_grant_context cx = {.epoch = 3, .purpose = EDN_GRANT_ROOT, .link_seq = 6};
    edn_root_key root = {{5}}, got;
    edn_grant g;
    edn_buf blob = EDN_BUF_INIT(4096);
    pair p, other;

    (void)state;
    pair_init(&p);
    pair_init(&other);
    begin(&p, true);
    carry(&p, 1, SAID_MAX);
    begin(&other, true);
    fill_xorshift(&other.seed, other.old.sk.b, 32);
    carry(&other, 1, 3);
    cx.recipient = g.recipient = edn_device_id_of(&p.cert.sign, &p.cert.enc);
    CHECK_OK(edn_meeting_grant_seal(&p.old, &cx, &p.old.device.cert.enc, &root, g.b));
    CHECK_OK(edn_grants_encode(&blob, &g, 1));
    CHECK_OK(edn_meeting_grant_open(&p.new, &cx, &p.new_enc, edn_buf_view(&blob), &got));
    CHECK_BYTES(EDN_F(got), EDN_F(root));
    p.new.pairing.transcript.b[0] ^= 1; /* of another meeting */
    CHECK_STATUS(edn_meeting_grant_open(&p.new, &cx, &p.new_enc, edn_buf_view(&blob), &got), EDN_E_AUTH);
    CHECK_INT(got.b[0], 0);
    p.new.pairing.transcript.b[0] ^= 1;
    p.new_enc.b[3] ^= 1;
    CHECK_STATUS(edn_meeting_grant_open(&p.new, &cx, &p.new_enc, edn_buf_view(&blob), &got), EDN_E_AUTH);
    p.new_enc.b[3] ^= 1;
    cx.recipient.b[0] ^= 1;
    CHECK_STATUS(edn_meeting_grant_open(&p.new, &cx, &p.new_enc, edn_buf_view(&blob), &got), EDN_E_MISSING);
    cx.recipient.b[0] ^= 1;
    /* The server cannot take the psk off: a grant in base mode is none. */
    CHECK_OK(edn_grant_seal(g.b, &cx, &p.cert.enc, &root, NULL, EDN_BYTES_EMPTY, &p.rng));
    edn_buf_reset(&blob);
    CHECK_OK(edn_grants_encode(&blob, &g, 1));
    CHECK_STATUS(edn_meeting_grant_open(&p.new, &cx, &p.new_enc, edn_buf_view(&blob), &got), EDN_E_AUTH);
    edn_buf_dispose(&blob);
    pair_dispose(&p);
    pair_dispose(&other);
}

/* ---- codes ------------------------------------------------------------------------------------------------------- */

static void a_wrong_code_ends_it_on_both_sides(void **state)
{
    (void)state;
    for (size_t at = 0; at < 8; at++) {
        pair p;
        edn_meeting_code code;
        edn_status st = EDN_OK;
        pair_init(&p);
        code = p.new.code;
        code.code[at] = code.code[at] == '7' ? '8' : '7';
        CHECK_OK(edn_meeting_begin_code(&p.old, &code, &p.rng, &p.out));
        say(&p, true);
        /* SHARE, SHARE, COMMIT, KEY, KEY, READY: which is where it shows. */
        for (size_t i = 0; i < 6 && st == EDN_OK; i++) {
            edn_meeting *m = p.by_old[i] ? &p.new : &p.old;
            CHECK_INT(m->want, EDN_MEETING_MAIL);
            st = edn_meeting_take(m, edn_buf_view(&p.said[i]), &p.out);
            say(&p, m == &p.old);
        }
        CHECK_STATUS(st, EDN_E_AUTH);
        CHECK_INT(p.old.want, EDN_MEETING_DEAD);
        CHECK_INT(p.n, 7); /* nothing that is secret was said: the last is a NO */
        CHECK_STATUS(edn_meeting_take(&p.new, edn_buf_view(&p.said[6]), &p.out), EDN_E_CANCELLED);
        CHECK_INT(p.new.want, EDN_MEETING_DEAD);
        CHECK_INT(p.new.no, EDN_MEETING_NO_CODE);
        pair_dispose(&p);
    }
}

static void a_code_is_read_as_people_type_it(void **state)
{
    static const char *const good[] = {"K7Q4-0W4G-P38F", "k7q40w4gp38f", " K7Q4 OW4G p38f ", "k-7-q-4-o-w-4-g-p-3-8-f"};
    static const char *const bad[] = {
        "", "K7Q4-0W4G-P38", "K7Q4-0W4G-P38FF", "K7Q4-0W4G-P38U", "K7U4-0W4G-P38F", "K7Q4.0W4G-P38F"};
    edn_meeting_code code;
    char text[EDN_MEETING_CODE_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(good); i++) {
        CHECK_OK(edn_meeting_code_parse(edn_bytes_str(good[i]), &code));
        CHECK_STR(edn_bytes_str(code.place), "K7Q4");
        CHECK_STR(edn_bytes_str(code.code), "0W4GP38F");
        edn_meeting_code_text(text, &code);
        CHECK_STR(edn_bytes_str(text), "K7Q4-0W4G-P38F");
    }
    for (size_t i = 0; i < EDN_COUNT(bad); i++)
        CHECK_STATUS(edn_meeting_code_parse(edn_bytes_str(bad[i]), &code), EDN_E_INVALID);
}

/* ---- a log that is handed over ----------------------------------------------------------------------------------- */

static uint8_t link_bytes[2][65000];

static edn_meeting_handover handover_of(edn_bytes links[2], size_t link_size, edn_head heads[1])
{
    for (int i = 0; i < 2; i++) {
        memset(link_bytes[i], 'a' + i, sizeof link_bytes[i]);
        links[i] = edn_bytes_of(link_bytes[i], link_size);
    }
    heads[0] = (edn_head){.device = {{5}}, .dseq = 3, .hash = {{6}}};
    return (edn_meeting_handover){.grants = edn_bytes_str("a grant"),
                                  .links = links,
                                  .links_n = 2,
                                  .log_count = 1,
                                  .log_head = {{8}},
                                  .heads = heads,
                                  .heads_n = 1,
                                  .receipt = {1234, {{9}}}};
}

static void a_log_may_come_with_the_welcome(void **state)
{
    edn_bytes links[2];
    edn_head heads[1];
    edn_meeting_handover h = handover_of(links, EDN_MSG_LINK_SIZE_MIN, heads);
    const edn_meeting_handover *got;
    pair p;

    (void)state;
    pair_init(&p);
    p.handover = &h;
    begin(&p, true);
    carry(&p, 1, SAID_MAX);
    check_met(&p);
    got = p.new.welcome.handover;
    CHECK(got);
    CHECK_STR(got->grants, "a grant");
    CHECK_INT(got->links_n, 2);
    CHECK_BYTES(got->links[1], links[1]);
    CHECK_INT(got->log_count, 1);
    CHECK_INT(got->log_head.b[0], 8);
    CHECK_INT(got->heads_n, 1);
    CHECK_INT(got->heads[0].dseq, 3);
    CHECK_INT(got->receipt.time_ms, 1234);
    CHECK_INT(got->receipt.sig.b[0], 9);
    pair_dispose(&p);
}

static void a_log_that_is_too_long_for_a_message_is_left_out(void **state)
{
    edn_bytes links[2];
    edn_head heads[1];
    edn_meeting_handover h = handover_of(links, 32300, heads);

    (void)state;
    for (int more = 0; more < 2; more++) {
        pair p;
        links[1].n += more ? 600 : 0;
        pair_init(&p);
        p.handover = &h;
        begin(&p, false);
        carry(&p, 1, SAID_MAX);
        check_met(&p);
        CHECK_INT(p.new.welcome.handover != NULL, !more);
        pair_dispose(&p);
    }
}

/* What an old device of another make would say as its welcome, sealed as it should be. */
static edn_status welcome_with(const edn_meeting_handover *h, size_t cut, uint32_t links_n, size_t *whole)
{
    edn_buf plain = EDN_BUF_INIT(EDN_MEETING_MAIL_MAX), aad = EDN_BUF_INIT(1000), mail = EDN_BUF_INIT(65536);
    uint8_t rnd[32] = {1};
    edn_status st;
    pair p;

    pair_init(&p);
    begin(&p, false);
    carry(&p, 1, 7); /* all but the welcome */
    CHECK_INT(p.new.want, EDN_MEETING_MAIL);
    edn_put_u8(&plain, 4);
    edn_put_u64(&plain, 5);
    edn_put_zeros(&plain, 32);
    edn_heads_put(&plain, NULL, 0);
    edn_put_lp(&plain, h->grants);
    edn_put_u32(&plain, links_n);
    for (size_t i = 0; i < h->links_n; i++)
        edn_put_lp(&plain, h->links[i]);
    edn_put_u64(&plain, h->log_count);
    edn_put_zeros(&plain, 32);
    edn_heads_put(&plain, h->heads, h->heads_n);
    edn_put_zeros(&plain, 8 + 64);
    *whole = plain.n;
    edn_put_zeros(&plain, 1);
    edn_t_put(&aad, EDN_LABEL_AAD_PAIR,
              EDN_FIELDS_(EDN_F(p.new.pairing.transcript), EDN_F_U8(1), EDN_F_U64(p.new.received)));
    edn_put_u8(&mail, 4);
    CHECK_OK(edn_seal(&mail, p.new.pairing.key_a2b, EDN_SUITE_1, edn_buf_view(&aad), edn_bytes_of(plain.p, cut), rnd));
    st = edn_meeting_take(&p.new, edn_buf_view(&mail), &p.out);
    CHECK_INT(p.new.want, st == EDN_OK ? EDN_MEETING_JOIN : EDN_MEETING_DEAD);
    edn_buf_dispose(&plain);
    edn_buf_dispose(&aad);
    edn_buf_dispose(&mail);
    pair_dispose(&p);
    return st;
}

static void a_handover_is_whole_or_the_meeting_is_over(void **state)
{
    enum { WITHOUT = 1 + 8 + 32 + 4 };
    edn_bytes links[2];
    edn_head heads[1];
    edn_meeting_handover h = handover_of(links, EDN_MSG_LINK_SIZE_MIN, heads);
    size_t whole = WITHOUT;

    (void)state;
    CHECK_OK(welcome_with(&h, WITHOUT, 2, &whole));
    for (size_t cut = WITHOUT - 1; cut <= whole + 1; cut++)
        CHECK_STATUS(welcome_with(&h, cut, 2, &whole), cut == WITHOUT || cut == whole ? EDN_OK : EDN_E_FORMAT);
    CHECK_STATUS(welcome_with(&h, whole, 1, &whole), EDN_E_FORMAT);
    CHECK_STATUS(welcome_with(&h, whole, UINT32_MAX, &whole), EDN_E_FORMAT);
}

/* ---- somebody in between ----------------------------------------------------------------------------------------- */

/* Carries on up to message `at`, gives its reader `in` instead, and wants the meeting to be dead. */
static edn_status give(bool by_code, size_t at, edn_bytes (*make)(pair *p, size_t at, edn_buf *space))
{
    edn_buf space = EDN_BUF_INIT(EDN_MEETING_MAIL_MAX + 10);
    edn_meeting *m;
    edn_status st = EDN_OK;
    pair p;

    pair_init(&p);
    begin(&p, by_code);
    carry(&p, 1, at);
    if (at < p.n) {
        m = p.by_old[at] ? &p.new : &p.old;
        CHECK_INT(m->want, EDN_MEETING_MAIL);
        st = edn_meeting_take(m, make(&p, at, &space), &p.out);
        if (st != EDN_OK) {
            CHECK_INT(m->want, EDN_MEETING_DEAD);
            CHECK(p.out.n == 2 || st == EDN_E_CANCELLED);
            CHECK_INT(m->account.account_key.b[0], 0);
        }
    } else {
        st = EDN_E_MISSING;
    }
    edn_buf_dispose(&space);
    pair_dispose(&p);
    return st;
}

static size_t flip_at; /* of the byte, from the front; from the back when large */

static edn_bytes flipped(pair *p, size_t at, edn_buf *space)
{
    edn_put_bytes(space, p->said[at].p, p->said[at].n);
    space->p[flip_at < space->n ? flip_at : space->n - 1] ^= 0x40;
    return edn_buf_view(space);
}

static edn_bytes longer(pair *p, size_t at, edn_buf *space)
{
    edn_put_bytes(space, p->said[at].p, p->said[at].n);
    edn_put_u8(space, 0);
    return edn_buf_view(space);
}

static edn_bytes shorter(pair *p, size_t at, edn_buf *space)
{
    (void)space;
    return edn_bytes_of(p->said[at].p, p->said[at].n - 1);
}

static edn_bytes nothing(pair *p, size_t at, edn_buf *space)
{
    (void)p;
    (void)at;
    (void)space;
    return EDN_BYTES_EMPTY;
}

static edn_bytes one_before(pair *p, size_t at, edn_buf *space)
{
    (void)space;
    return at >= 2 ? edn_buf_view(&p->said[at - 2]) : EDN_BYTES_EMPTY; /* of the same side */
}

static edn_bytes reflected(pair *p, size_t at, edn_buf *space)
{
    (void)space;
    return at >= 1 ? edn_buf_view(&p->said[at - 1]) : EDN_BYTES_EMPTY; /* what the reader said itself */
}

static edn_bytes too_long(pair *p, size_t at, edn_buf *space)
{
    edn_put_bytes(space, p->said[at].p, p->said[at].n);
    while (space->n <= EDN_MEETING_MAIL_MAX)
        edn_put_u8(space, 0);
    return edn_buf_view(space);
}

static void a_message_that_is_not_as_it_was_said_ends_it(void **state)
{
    edn_bytes (*const wrong[])(pair *, size_t, edn_buf *) = {longer, shorter, nothing, one_before, reflected, too_long};
    size_t asked = 0;

    (void)state;
    for (int by_code = 0; by_code < 2; by_code++)
        for (size_t at = 0;; at++) {
            edn_status st = EDN_OK;
            for (size_t i = 0; i < EDN_COUNT(wrong); i++) {
                st = give(by_code, at, wrong[i]);
                if (st == EDN_E_MISSING)
                    break;
                CHECK(st == EDN_E_FORMAT || st == EDN_E_AUTH || st == EDN_E_KEY_INVALID);
                asked++;
            }
            if (st == EDN_E_MISSING)
                break;
        }
    CHECK_INT(asked, EDN_COUNT(wrong) * (8 + 10));
}

/* A commitment or a share that is another one shows when the keys are there; anything else at once. */
static void each_byte_of_a_sealed_message_counts(void **state)
{
    (void)state;
    for (size_t at = 3; at < 8; at++)
        for (flip_at = 0; flip_at < 400; flip_at += flip_at < 80 ? 1 : 7) {
            edn_status st = give(false, at, flipped);
            CHECK(st == EDN_E_AUTH || st == EDN_E_FORMAT);
        }
}

static void a_no_is_heard_wherever_it_comes(void **state)
{
    (void)state;
    for (size_t stop = 0; stop < 8; stop++) {
        pair p;
        static const uint8_t no[] = {0, EDN_MEETING_NO_DIGITS};
        edn_meeting *m;
        pair_init(&p);
        begin(&p, false);
        carry(&p, 1, stop);
        m = p.by_old[stop] ? &p.new : &p.old;
        CHECK_STATUS(edn_meeting_take(m, edn_bytes_of(no, 2), &p.out), EDN_E_CANCELLED);
        CHECK_INT(m->want, EDN_MEETING_DEAD);
        CHECK_INT(m->no, EDN_MEETING_NO_DIGITS);
        CHECK_INT(p.out.n, 0);
        pair_dispose(&p);
    }
}

static void who_says_that_the_digits_differ_is_told_nothing(void **state)
{
    (void)state;
    for (int old_says = 0; old_says < 2; old_says++) {
        pair p;
        edn_meeting *m, *other;
        pair_init(&p);
        begin(&p, true);
        for (size_t i = 0; i < 7; i++) {
            m = p.by_old[i] ? &p.new : &p.old;
            CHECK_OK(edn_meeting_take(m, edn_buf_view(&p.said[i]), &p.out));
            say(&p, m == &p.old);
        }
        CHECK_INT(p.old.want, EDN_MEETING_COMPARE);
        CHECK_INT(p.new.want, EDN_MEETING_COMPARE);
        m = old_says ? &p.old : &p.new;
        other = old_says ? &p.new : &p.old;
        CHECK_STATUS(edn_meeting_compared(m, false, &p.out), EDN_E_CANCELLED);
        CHECK_INT(m->want, EDN_MEETING_DEAD);
        CHECK_INT(p.out.n, 2);
        say(&p, old_says);
        if (!old_says) { /* the old device speaks first, and is not heard */
            edn_meeting_account a = account_of(5);
            CHECK_OK(edn_meeting_compared(other, true, &p.out));
            CHECK_OK(edn_meeting_tell(other, &a, &p.out));
            edn_buf_reset(&p.out);
        } else {
            CHECK_OK(edn_meeting_compared(other, true, &p.out));
        }
        CHECK_STATUS(edn_meeting_take(other, edn_buf_view(&p.said[p.n - 1]), &p.out), EDN_E_CANCELLED);
        CHECK_INT(other->no, EDN_MEETING_NO_DIGITS);
        pair_dispose(&p);
    }
}

/* Who stands in between has one try at the digits, and without the psk of the offer not even that. */
static void somebody_in_between_with_keys_of_its_own_is_found_out(void **state)
{
    pair p, evil;
    edn_pairing_offer offer;
    char text[EDN_PAIRING_OFFER_TEXT_SIZE];

    (void)state;
    pair_init(&p);
    pair_init(&evil); /* its new side plays the new device towards old */
    edn_meeting_offer_text(&p.new, text);
    CHECK_OK(edn_pairing_offer_parse(edn_bytes_str(text), &offer));
    CHECK_OK(edn_meeting_begin_offer(&p.old, &offer, &p.rng, &p.out));
    say(&p, true);
    evil.new.rendezvous = p.new.rendezvous;
    fill_xorshift(&evil.seed, evil.new.sk.b, 32);
    CHECK_OK(edn_meeting_take(&evil.new, edn_buf_view(&p.said[0]), &evil.out));
    CHECK_STATUS(edn_meeting_take(&p.old, edn_buf_view(&evil.out), &p.out), EDN_E_AUTH); /* not the offer's key */
    pair_dispose(&p);
    pair_dispose(&evil);
}

static void old_says_where_the_log_ends_three_times_at_most(void **state)
{
    edn_meeting_account a = account_of(9);
    pair p;

    (void)state;
    pair_init(&p);
    begin(&p, false);
    carry(&p, EDN_MEETING_TELLS_MAX, 10); /* the tenth message answers the third time */
    CHECK_INT(p.old.want, EDN_MEETING_MAIL);
    CHECK_OK(edn_meeting_take(&p.old, edn_buf_view(&p.said[10]), &p.out));
    CHECK_INT(p.old.want, EDN_MEETING_ADD);
    p.old.told = EDN_MEETING_TELLS_MAX;
    CHECK_STATUS(edn_meeting_tell(&p.old, &a, &p.out), EDN_E_CONFLICT);
    CHECK_INT(p.old.want, EDN_MEETING_DEAD);
    pair_dispose(&p);

    pair_init(&p); /* nor does new listen to more */
    begin(&p, false);
    carry(&p, 1, 5);
    CHECK_INT(p.new.want, EDN_MEETING_MAIL);
    p.new.told = EDN_MEETING_TELLS_MAX;
    CHECK_STATUS(edn_meeting_take(&p.new, edn_buf_view(&p.said[5]), &p.out), EDN_E_FORMAT);
    pair_dispose(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_devices_meet),
        cmocka_unit_test(the_root_key_reaches_the_new_device_alone),
        cmocka_unit_test(a_wrong_code_ends_it_on_both_sides),
        cmocka_unit_test(a_code_is_read_as_people_type_it),
        cmocka_unit_test(a_log_may_come_with_the_welcome),
        cmocka_unit_test(a_log_that_is_too_long_for_a_message_is_left_out),
        cmocka_unit_test(a_handover_is_whole_or_the_meeting_is_over),
        cmocka_unit_test(a_message_that_is_not_as_it_was_said_ends_it),
        cmocka_unit_test(each_byte_of_a_sealed_message_counts),
        cmocka_unit_test(a_no_is_heard_wherever_it_comes),
        cmocka_unit_test(who_says_that_the_digits_differ_is_told_nothing),
        cmocka_unit_test(somebody_in_between_with_keys_of_its_own_is_found_out),
        cmocka_unit_test(old_says_where_the_log_ends_three_times_at_most),
    };
    CHECK_OK(edn_crypto_init());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
