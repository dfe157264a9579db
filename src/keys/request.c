/* Shares that contacts keep: what they are sent, how a machine with nothing left asks for them, and what it is given.
 *
 *     letter   set id 16 ‖ u8 T ‖ u8 N ‖ share 49
 *     share    u8 x ‖ y 32 ‖ blind 16
 *     give     u8 1 ‖ enc 32 ‖ HPKE(share) 65, to the request's key
 *
 * A request is its key, no more. What two people compare is of a hash of it, the account and the set, so whoever puts
 * another key in its place has other words. 80 bits of it, since the key is no secret and was not committed to: who
 * wants the same words for a key of his own has to try 2^80. */
#include "keys/keys_priv.h"

enum { GIVE_VERSION = 1, GIVE_ENC = 1, GIVE_CT = 33, GIVE_INFO_MAX = 160, WORD_LETTERS_MIN = 4 };
_Static_assert(EDN_GIVE_SIZE == GIVE_CT + EDN_SHARE_SIZE + 16, "a give's layout");
_Static_assert(EDN_REQUEST_WORDS_SIZE >= EDN_REQUEST_WORDS * 9, "eight words fit");

typedef struct share_bytes {
    uint8_t b[EDN_SHARE_SIZE];
} share_bytes;
EDN_SECRET_TYPE(share_bytes)

static void share_store(share_bytes *out, const edn_share *s)
{
    out->b[0] = s->x;
    memcpy(out->b + 1, s->y, sizeof s->y);
    memcpy(out->b + 1 + sizeof s->y, s->blind, sizeof s->blind);
}

static void share_load(edn_share *out, const uint8_t bytes[EDN_SHARE_SIZE])
{
    out->x = bytes[0];
    memcpy(out->y, bytes + 1, sizeof out->y);
    memcpy(out->blind, bytes + 1 + sizeof out->y, sizeof out->blind);
}

void edn_entrusted_put(edn_buf *out, const edn_entrusted *e)
{
    EDN_SECRET(share_bytes) share;

    share_store(&share, &e->share);
    edn_put_bytes(out, e->set.b, sizeof e->set.b);
    edn_put_u8(out, e->needed);
    edn_put_u8(out, e->n);
    edn_put_bytes(out, share.b, sizeof share.b);
}

edn_status edn_entrusted_read(edn_bytes in, edn_entrusted *out)
{
    edn_reader r = edn_reader_init(in);
    EDN_SECRET(share_bytes) share;

    memset(out, 0, sizeof *out);
    edn_read_into(&r, out->set.b, sizeof out->set.b, "set");
    out->needed = edn_read_u8(&r, "needed");
    out->n = edn_read_u8(&r, "shares");
    edn_read_into(&r, share.b, sizeof share.b, "share");
    if (out->needed < 1 || out->needed > out->n || out->n > EDN_SHARES_MAX || share.b[0] < 1 || share.b[0] > out->n)
        edn_reader_fail(&r, EDN_E_FORMAT, "numbers");
    if (edn_reader_end(&r) != EDN_OK) {
        edn_wipe(out, sizeof *out);
        return EDN_E_FORMAT;
    }
    share_load(&out->share, share.b);
    return EDN_OK;
}

/* ---- a request --------------------------------------------------------------------------------------------------- */

edn_hash edn_share_request_id(const edn_share_request *r)
{
    return edn_h32_t(EDN_LABEL_SHARE_REQUEST, EDN_F(r->account), EDN_F(r->set), EDN_F(r->key));
}

void edn_share_request_words(char out[EDN_REQUEST_WORDS_SIZE], const edn_share_request *r)
{
    edn_hash id = edn_share_request_id(r);

    edn_words_of_hash(out, EDN_REQUEST_WORDS, &id);
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',' || c == '-'; }

static size_t word_length(const char *s)
{
    size_t n = 0;

    while (s[n] && !is_blank(s[n]))
        n++;
    return n;
}

/* Whether the first n letters of s are those of the word. */
static bool word_begins(const char *word, size_t word_n, const char *s, size_t n)
{
    if (n > word_n || (n < WORD_LETTERS_MIN && n != word_n))
        return false;
    for (size_t i = 0; i < n; i++)
        if ((s[i] >= 'A' && s[i] <= 'Z' ? s[i] - 'A' + 'a' : s[i]) != word[i])
            return false;
    return true;
}

bool edn_share_request_fits(const edn_share_request *r, const char *text)
{
    char words[EDN_REQUEST_WORDS_SIZE];
    const char *word = words;

    edn_share_request_words(words, r);
    for (unsigned i = 0; i < EDN_REQUEST_WORDS; i++) {
        size_t n, word_n = word_length(word);
        while (is_blank(*text))
            text++;
        n = word_length(text);
        if (!word_begins(word, word_n, text, n))
            return false;
        text += n;
        word += word_n + 1;
    }
    while (is_blank(*text))
        text++;
    return !*text;
}

/* ---- what is given ----------------------------------------------------------------------------------------------- */

static edn_bytes give_info(edn_buf *to, const edn_share_request *r)
{
    edn_hash id = edn_share_request_id(r);

    edn_t_put(to, EDN_LABEL_SHARE_GIVE, EDN_FIELDS_(EDN_F(r->account), EDN_F(r->set), EDN_F(id)));
    return edn_buf_view(to);
}

edn_status edn_give_seal(edn_buf *out, const edn_share_request *r, const edn_share *share, const edn_random *rng)
{
    EDN_SECRET(edn_seed) rnd = EDN_KEY_EMPTY;
    EDN_SECRET(share_bytes) plain;
    uint8_t info_bytes[GIVE_INFO_MAX], enc[32];
    edn_buf info = EDN_BUF_OVER(info_bytes), ct = EDN_BUF_INIT(EDN_GIVE_SIZE);
    edn_status st;

    share_store(&plain, share);
    rng->fill(rng->ctx, rnd.b, sizeof rnd.b);
    st = edn_hpke_seal(&ct, enc, &r->key, give_info(&info, r), EDN_BYTES_EMPTY, NULL, EDN_BYTES_EMPTY, EDN_F(plain),
                       rnd.b);
    if (st == EDN_OK) {
        edn_put_u8(out, GIVE_VERSION);
        edn_put_bytes(out, enc, sizeof enc);
        edn_put_bytes(out, ct.p, ct.n);
        st = edn_buf_status(out);
    }
    edn_buf_dispose(&ct);
    return st;
}

edn_status edn_give_open(const edn_share_request *r, const edn_dh_sk *sk, edn_bytes give, edn_share *out)
{
    uint8_t info_bytes[GIVE_INFO_MAX];
    edn_buf info = EDN_BUF_OVER(info_bytes), plain = EDN_BUF_INIT(EDN_SHARE_SIZE);
    edn_status st;

    memset(out, 0, sizeof *out);
    if (give.n != EDN_GIVE_SIZE || give.p[0] != GIVE_VERSION)
        return EDN_E_FORMAT;
    st = edn_hpke_open(&plain, give.p + GIVE_ENC, sk, give_info(&info, r), EDN_BYTES_EMPTY, NULL, EDN_BYTES_EMPTY,
                       edn_bytes_of(give.p + GIVE_CT, give.n - GIVE_CT));
    if (st == EDN_OK)
        share_load(out, plain.p);
    edn_buf_wipe(&plain);
    return st == EDN_E_KEY_INVALID ? EDN_E_AUTH : st;
}
