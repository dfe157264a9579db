/* recovery: what people type from paper or a screen, and what a friend's share may hold. The first byte says which. */
#include "fuzz.h"

#include "keys/pairing.h"
#include "keys/recovery.h"

static void fill(void *ctx, void *p, size_t n) { memset(p, ++*(uint8_t *)ctx, n); }

/* Words that are a share are the words of that share. */
static void words(edn_bytes in)
{
    edn_word_share share, again;
    edn_word text[EDN_WORDS_MAX];
    edn_buf line = EDN_BUF_INIT(4096);
    size_t n;
    edn_err err;

    if (edn_words_parse(in, &share, &err) != EDN_OK)
        return;
    edn_words_of(&share, text, &n);
    for (size_t i = 0; i < n; i++) {
        edn_put_str(&line, i ? " " : "");
        edn_put_str(&line, text[i].text);
    }
    FUZZ_HOLDS(edn_words_parse(edn_buf_view(&line), &again, &err) == EDN_OK);
    FUZZ_HOLDS(memcmp(share.value, again.value, share.size) == 0 && share.id == again.id && share.size == again.size);
    edn_buf_dispose(&line);
}

/* Up to eight lines of words, put together. Costly exponents are refused before; here they are cut out. */
static void combine(edn_bytes in)
{
    edn_word_share shares[8];
    uint8_t secret[EDN_SHARED_SECRET_SIZE_MAX];
    edn_err err;
    size_t n = 0, from = 0;

    for (size_t i = 0; i <= in.n && n < EDN_COUNT(shares); i++) {
        if (i < in.n && in.p[i] != '\n')
            continue;
        if (edn_words_parse(edn_bytes_of(in.p + from, i - from), &shares[n], &err) == EDN_OK)
            n += shares[n].exponent == 0;
        from = i + 1;
    }
    if (n)
        FUZZ_HOLDS(edn_words_combine(secret, shares, n, EDN_BYTES_EMPTY, &err) < EDN_STATUS_COUNT);
}

/* What was split, with a share altered as the input says: it comes out, or the altered one is named. */
static void shares(edn_bytes in)
{
    edn_reader r = edn_reader_init(in);
    uint8_t needed = edn_read_u8(&r, "needed"), more = edn_read_u8(&r, "more"), which = edn_read_u8(&r, "which");
    uint8_t at = edn_read_u8(&r, "at"), change = edn_read_u8(&r, "change"), counter = 0;
    edn_share_set set = {.needed = (uint8_t)(1 + needed % 5), .secret_size = 32};
    edn_random random = {fill, &counter};
    edn_share s[EDN_SHARES_MAX];
    edn_hash commitments[EDN_SHARES_MAX];
    uint8_t secret[32], out[32];
    size_t bad = SIZE_MAX;
    edn_status st;

    set.n = (uint8_t)(set.needed + more % 5);
    memset(secret, 0x5c, sizeof secret);
    edn_shares_split(s, &set, secret, &random);
    for (size_t i = 0; i < set.n; i++)
        commitments[i] = edn_share_commitment(&set, &s[i]);
    which %= set.n;
    if (at % 49 == 48)
        s[which].x ^= change;
    else if (at % 49 >= 32)
        s[which].blind[at % 49 - 32] ^= change;
    else
        s[which].y[at % 49] ^= change;
    st = edn_shares_combine(out, &set, commitments, s, set.n, &bad);
    if (change == 0)
        FUZZ_HOLDS(st == EDN_OK);
    else
        FUZZ_HOLDS(st != EDN_OK);
    FUZZ_HOLDS(st != EDN_OK || memcmp(out, secret, sizeof out) == 0);
}

static void offer(edn_bytes in)
{
    edn_pairing_offer o, again;
    char text[EDN_PAIRING_OFFER_TEXT_SIZE];

    if (edn_pairing_offer_parse(in, &o) != EDN_OK)
        return;
    edn_pairing_offer_text(text, &o);
    FUZZ_HOLDS(edn_pairing_offer_parse(edn_bytes_str(text), &again) == EDN_OK);
    FUZZ_HOLDS(memcmp(&o, &again, sizeof o) == 0);
}

/* Whatever the other side says, a pairing that is done has a key of theirs; one that failed stays dead. */
static void pairing(edn_bytes in, edn_pairing_side side)
{
    edn_rendezvous_id id = {{1}};
    edn_reader r = edn_reader_init(in);
    edn_buf out = EDN_BUF_INIT(4096);
    uint8_t number[32] = {7};
    edn_pairing p;
    edn_dh_sk sk;

    memset(sk.b, 9, sizeof sk.b);
    edn_pairing_init(&p, side, &id, &sk, NULL, NULL, number);
    if (side == EDN_PAIRING_OLD)
        FUZZ_HOLDS(edn_pairing_step(&p, EDN_BYTES_EMPTY, &out) == EDN_OK);
    while (edn_reader_left(&r) > 0 && p.state != EDN_PAIRING_DONE) {
        edn_pairing_state before = p.state;
        edn_bytes said = edn_read_bytes(&r, EDN_MIN((size_t)edn_read_u8(&r, "n"), edn_reader_left(&r)), "said");
        edn_status st = edn_pairing_step(&p, said, &out);
        FUZZ_HOLDS(st == EDN_OK || p.state == EDN_PAIRING_DEAD);
        FUZZ_HOLDS(before != EDN_PAIRING_DEAD || st != EDN_OK);
    }
    edn_buf_dispose(&out);
}

static void box(edn_bytes in)
{
    edn_recovery_key k = {{3}};
    edn_account_id account = {{1}};
    edn_share_set_id set = {{2}};
    edn_recovery_secret secret;

    FUZZ_HOLDS(edn_recovery_box_open(&k, &account, &set, 0, in, &secret) != EDN_OK); /* nobody sealed it */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool begun;
    edn_bytes in = edn_bytes_of(data + 1, size ? size - 1 : 0);

    if (!begun)
        FUZZ_HOLDS(edn_crypto_init() == EDN_OK);
    begun = true;
    if (size == 0)
        return 0;
    switch (data[0] % 7) {
    case 0:
        words(in);
        break;
    case 1:
        combine(in);
        break;
    case 2:
        shares(in);
        break;
    case 3:
        offer(in);
        break;
    case 4:
        pairing(in, EDN_PAIRING_OLD);
        break;
    case 5:
        pairing(in, EDN_PAIRING_NEW);
        break;
    default:
        box(in);
    }
    return 0;
}
