#include "keys/sharing.h"

#include "keys/keys_priv.h"

/* ---- comparing accounts ------------------------------------------------------------------------------------------ */

enum { HALF_DIGITS = 30, GROUP_BYTES = 5, GROUP_DIGITS = 5 };

static void half_of(char out[HALF_DIGITS + 1], const edn_account_id *account)
{
    edn_hash h = edn_h32_t(EDN_LABEL_FINGERPRINT, EDN_F(*account));

    for (size_t i = 0; i < HALF_DIGITS / GROUP_DIGITS; i++) {
        uint64_t v = 0;
        for (size_t k = 0; k < GROUP_BYTES; k++)
            v = v << 8 | h.b[i * GROUP_BYTES + k];
        for (size_t k = GROUP_DIGITS; k-- > 0; v /= 10)
            out[i * GROUP_DIGITS + k] = (char)('0' + v % 10);
    }
    out[HALF_DIGITS] = 0;
}

void edn_safety_number(char out[EDN_SAFETY_DIGITS_SIZE], const edn_account_id *a, const edn_account_id *b)
{
    char x[HALF_DIGITS + 1], y[HALF_DIGITS + 1];
    bool first;

    half_of(x, a);
    half_of(y, b);
    first = memcmp(x, y, HALF_DIGITS) <= 0;
    memcpy(out, first ? x : y, HALF_DIGITS);
    memcpy(out + HALF_DIGITS, first ? y : x, HALF_DIGITS + 1);
}

static const char card_prefix[] = "edn1:";
enum { CARD_KNOWN = 40, CARD_CHECK = 4, CARD_HEAD = 44, CARD_SIZE_MAX = CARD_HEAD + EDN_ORIGIN_SIZE_MAX };
_Static_assert(sizeof card_prefix + (8 * CARD_SIZE_MAX + 4) / 5 <= EDN_CARD_TEXT_SIZE, "every card fits");

static void card_check(uint8_t out[CARD_CHECK], const uint8_t *card, edn_bytes server)
{
    edn_hash h = edn_h32_t(EDN_LABEL_CARD, edn_bytes_of(card, 32), edn_bytes_of(card + 32, sizeof(edn_witness)),
                           server);

    memcpy(out, h.b, CARD_CHECK);
}

void edn_card_text(char out[EDN_CARD_TEXT_SIZE], const edn_account_id *account, const edn_witness *witness,
                   const char *server)
{
    uint8_t card[CARD_SIZE_MAX];
    size_t n = EDN_MIN(strlen(server), (size_t)EDN_ORIGIN_SIZE_MAX);

    memcpy(card, account->b, sizeof account->b);
    memcpy(card + sizeof account->b, witness->b, sizeof witness->b);
    card_check(card + CARD_KNOWN, card, edn_bytes_of(server, n));
    memcpy(card + CARD_HEAD, server, n);
    memcpy(out, card_prefix, sizeof card_prefix);
    edn_base32_encode(out + sizeof card_prefix - 1, card, CARD_HEAD + n);
}

edn_status edn_card_parse(const char *text, edn_account_id *account, edn_witness *witness,
                          char server[EDN_ORIGIN_SIZE_MAX + 1])
{
    static const size_t at = sizeof card_prefix - 1;
    uint8_t card[CARD_SIZE_MAX], check[CARD_CHECK];
    size_t digits = strlen(text), n;

    if (digits < at || (memcmp(text, card_prefix, at) != 0 && memcmp(text, "EDN1:", at) != 0))
        return EDN_E_INVALID;
    digits -= at;
    n = digits * 5 / 8;
    if (n < CARD_HEAD || n > CARD_SIZE_MAX || !edn_base32_decode(card, n, edn_bytes_of(text + at, digits)))
        return EDN_E_INVALID;
    card_check(check, card, edn_bytes_of(card + CARD_HEAD, n - CARD_HEAD));
    if (memcmp(check, card + CARD_KNOWN, sizeof check) != 0 || memchr(card + CARD_HEAD, 0, n - CARD_HEAD))
        return EDN_E_INVALID;
    memcpy(account->b, card, sizeof account->b);
    memcpy(witness->b, card + sizeof account->b, sizeof witness->b);
    memcpy(server, card + CARD_HEAD, n - CARD_HEAD);
    server[n - CARD_HEAD] = 0;
    return EDN_OK;
}

/* ---- a device in a shared space ---------------------------------------------------------------------------------- */

void edn_space_device_keys(edn_seed *sign, edn_dh_sk *enc, const edn_seed *device_sign, const edn_dh_sk *device_enc,
                           const edn_account_id *space)
{
    edn_kdf_t(sign->b, sizeof sign->b, device_sign->b, EDN_LABEL_SPACE_SIGN, EDN_F(*space));
    edn_kdf_t(enc->b, sizeof enc->b, device_enc->b, EDN_LABEL_SPACE_ENC, EDN_F(*space));
}

void edn_statement_sign(edn_statement *s, const edn_account_id *space, const edn_device_id *in_space,
                        const edn_sign_sk *sk)
{
    edn_sign_t(&s->sig, sk, EDN_LABEL_SIG_MEMBER, EDN_F(*space), EDN_F(*in_space), EDN_F(s->account), EDN_F(s->device),
               EDN_F_U64(s->log_seq), EDN_F(s->log_head));
}

/* Who signs as a device of an account at a place in its log: the key, when it may. */
static edn_status signer_at(const edn_devlog *log, const edn_account_id *account, const edn_device_id *id,
                            uint64_t log_seq, const edn_hash *log_head, edn_sign_pk *out)
{
    edn_account_id logs = edn_devlog_account(log);
    const edn_device *d;
    edn_hash at;

    if (memcmp(logs.b, account->b, sizeof logs.b) != 0)
        return EDN_E_ACCOUNT;
    if (!edn_devlog_hash_at(log, log_seq, &at))
        return EDN_E_MISSING;
    if (memcmp(at.b, log_head->b, sizeof at.b) != 0)
        return EDN_E_FORK;
    d = edn_devlog_device_find(log, id);
    if (!d || d->added_seq > log_seq)
        return EDN_E_DEVICE_UNKNOWN;
    if (!edn_device_active_at(d, log_seq))
        return EDN_E_SIGNER_REVOKED;
    if (!(d->cert.caps & EDN_CAP_WRITE))
        return EDN_E_CAP;
    *out = d->cert.sign;
    return EDN_OK;
}

edn_status edn_statement_check(const edn_statement *s, const edn_devlog *log, const edn_account_id *space,
                               const edn_device_id *in_space)
{
    edn_sign_pk pk;
    edn_status st = signer_at(log, &s->account, &s->device, s->log_seq, &s->log_head, &pk);

    if (st != EDN_OK)
        return st;
    return edn_verify_checked_t(&s->sig, &pk, EDN_LABEL_SIG_MEMBER, EDN_F(*space), EDN_F(*in_space), EDN_F(s->account),
                                EDN_F(s->device), EDN_F_U64(s->log_seq), EDN_F(s->log_head))
               ? EDN_OK
               : EDN_E_SIG;
}

/* ---- letters ----------------------------------------------------------------------------------------------------- */

/*      0  u8 1                        what is sealed: u32 length ‖ body ‖ zeros
 *      1  u32 epoch
 *      5  enc 32
 *     37  HPKE ciphertext */
enum { LETTER_VERSION = 1, LETTER_ENC = 5, LETTER_CT = 37, LETTER_TAG = 16, SIGNATURE = 64 };
static const size_t letter_sizes[] = {1024, 4096, 16384, 61440};
enum { LETTER_PLAIN_MAX = 61440 };
_Static_assert(EDN_LETTER_SIZE_MAX >= LETTER_CT + LETTER_PLAIN_MAX + LETTER_TAG, "every letter fits");

static edn_bytes letter_info(edn_buf *to, const edn_account_id *account)
{
    edn_t_put(to, EDN_LABEL_LETTER_INFO, EDN_FIELDS_(EDN_F(*account)));
    return edn_buf_view(to);
}

static edn_bytes letter_aad(edn_buf *to, uint32_t epoch)
{
    edn_t_put(to, EDN_LABEL_LETTER_AAD, EDN_FIELDS_(EDN_F_U32(epoch)));
    return edn_buf_view(to);
}

static void body_put(edn_buf *out, const edn_letter *l)
{
    edn_put_u8(out, (uint8_t)l->kind);
    edn_put_bytes(out, l->sender.b, sizeof l->sender.b);
    edn_put_bytes(out, l->device.b, sizeof l->device.b);
    edn_put_u64(out, l->log_seq);
    edn_put_bytes(out, l->log_head.b, sizeof l->log_head.b);
    edn_put_u64(out, l->time_ms);
    edn_put_lp(out, l->server);
    edn_put_lp(out, l->name);
    edn_put_lp(out, l->payload);
}

/* u32 length ‖ body ‖ signature ‖ zeros up to one of the four sizes. */
static edn_status plain_put(edn_buf *out, edn_letter *l, const edn_sign_sk *sk, const edn_account_id *to)
{
    size_t size = 0;

    edn_put_u32(out, 0);
    body_put(out, l);
    if (edn_buf_status(out) != EDN_OK)
        return edn_buf_status(out);
    edn_sign_t(&l->sig, sk, EDN_LABEL_SIG_LETTER, EDN_F(*to), edn_bytes_of(out->p + 4, out->n - 4));
    edn_put_bytes(out, l->sig.b, sizeof l->sig.b);
    for (size_t i = 0; i < EDN_COUNT(letter_sizes) && size == 0; i++)
        size = out->n <= letter_sizes[i] ? letter_sizes[i] : 0;
    if (edn_buf_status(out) != EDN_OK || size == 0)
        return size ? edn_buf_status(out) : EDN_E_LIMIT;
    edn_store_u32(out->p, (uint32_t)(out->n - 4));
    edn_put_zeros(out, size - out->n);
    return edn_buf_status(out);
}

edn_status edn_letter_seal(edn_buf *out, edn_letter *l, const edn_sign_sk *sk, const edn_account_id *to, uint32_t epoch,
                           const edn_dh_pk *aek, const edn_random *rng)
{
    EDN_SECRET(edn_seed) rnd = EDN_KEY_EMPTY;
    uint8_t info_bytes[160], aad_bytes[160], enc[32];
    edn_buf info = EDN_BUF_OVER(info_bytes), aad = EDN_BUF_OVER(aad_bytes);
    edn_buf plain = EDN_BUF_INIT(LETTER_PLAIN_MAX), ct = EDN_BUF_INIT(EDN_LETTER_SIZE_MAX);
    edn_status st;

    if (l->payload.n > EDN_LETTER_PAYLOAD_MAX || l->name.n > EDN_LETTER_TEXT_MAX || l->server.n > EDN_ORIGIN_SIZE_MAX)
        return EDN_E_LIMIT;
    rng->fill(rng->ctx, rnd.b, sizeof rnd.b);
    if ((st = plain_put(&plain, l, sk, to)) == EDN_OK &&
        (st = edn_hpke_seal(&ct, enc, aek, letter_info(&info, to), letter_aad(&aad, epoch), NULL, EDN_BYTES_EMPTY,
                            edn_buf_view(&plain), rnd.b)) == EDN_OK) {
        edn_put_u8(out, LETTER_VERSION);
        edn_put_u32(out, epoch);
        edn_put_bytes(out, enc, sizeof enc);
        edn_put_bytes(out, ct.p, ct.n);
        st = edn_buf_status(out);
    }
    edn_buf_wipe(&plain);
    edn_buf_dispose(&ct);
    return st;
}

static bool letter_size_is_legal(size_t n)
{
    for (size_t i = 0; i < EDN_COUNT(letter_sizes); i++)
        if (n == LETTER_CT + letter_sizes[i] + LETTER_TAG)
            return true;
    return false;
}

edn_status edn_letter_epoch(edn_bytes sealed, uint32_t *epoch)
{
    *epoch = 0;
    if (!letter_size_is_legal(sealed.n) || sealed.p[0] != LETTER_VERSION)
        return EDN_E_FORMAT;
    *epoch = edn_load_u32(sealed.p + 1);
    return EDN_OK;
}

static edn_status body_read(edn_bytes plain, edn_letter *l)
{
    edn_reader all = edn_reader_init(plain), r;
    edn_bytes body = edn_read_bytes(&all, edn_read_u32(&all, "length"), "body"), rest;

    rest = edn_read_bytes(&all, edn_reader_left(&all), "zeros");
    for (size_t i = 0; i < rest.n; i++)
        if (rest.p[i])
            edn_reader_fail(&all, EDN_E_FORMAT, "zeros");
    if (edn_reader_end(&all) != EDN_OK)
        return EDN_E_FORMAT;
    r = edn_reader_init(body);
    l->kind = (edn_letter_kind)edn_read_u8(&r, "kind");
    edn_read_into(&r, l->sender.b, sizeof l->sender.b, "sender");
    edn_read_into(&r, l->device.b, sizeof l->device.b, "device");
    l->log_seq = edn_read_u64(&r, "log seq");
    edn_read_into(&r, l->log_head.b, sizeof l->log_head.b, "log head");
    l->time_ms = edn_read_u64(&r, "time");
    l->server = edn_read_lp(&r, EDN_ORIGIN_SIZE_MAX, "server");
    l->name = edn_read_lp(&r, EDN_LETTER_TEXT_MAX, "name");
    l->payload = edn_read_lp(&r, EDN_LETTER_PAYLOAD_MAX, "payload");
    edn_read_into(&r, l->sig.b, sizeof l->sig.b, "signature");
    if (l->kind < EDN_LETTER_JOURNAL || l->kind > EDN_LETTER_ANSWER)
        edn_reader_fail(&r, EDN_E_FORMAT, "kind");
    if (edn_utf8_check(l->server, NULL) != l->server.n || edn_utf8_check(l->name, NULL) != l->name.n)
        edn_reader_fail(&r, EDN_E_FORMAT, "texts");
    return edn_reader_end(&r) == EDN_OK ? EDN_OK : EDN_E_FORMAT;
}

edn_status edn_letter_open(edn_bytes sealed, const edn_account_id *to, const edn_dh_sk *aek, edn_buf *plain,
                           edn_letter *out)
{
    uint8_t info_bytes[160], aad_bytes[160];
    edn_buf info = EDN_BUF_OVER(info_bytes), aad = EDN_BUF_OVER(aad_bytes);
    uint32_t epoch;
    edn_status st = edn_letter_epoch(sealed, &epoch);

    memset(out, 0, sizeof *out);
    if (st != EDN_OK)
        return st;
    st = edn_hpke_open(plain, sealed.p + LETTER_ENC, aek, letter_info(&info, to), letter_aad(&aad, epoch), NULL,
                       EDN_BYTES_EMPTY, edn_bytes_of(sealed.p + LETTER_CT, sealed.n - LETTER_CT));
    if (st == EDN_E_KEY_INVALID)
        st = EDN_E_AUTH;
    return st == EDN_OK ? body_read(edn_buf_view(plain), out) : st;
}

edn_status edn_letter_check(const edn_letter *l, const edn_devlog *log, const edn_account_id *to, edn_bytes plain)
{
    edn_sign_pk pk;
    size_t body_n = edn_load_u32(plain.p) - SIGNATURE;
    edn_status st = signer_at(log, &l->sender, &l->device, l->log_seq, &l->log_head, &pk);

    if (st != EDN_OK)
        return st;
    return edn_verify_checked_t(&l->sig, &pk, EDN_LABEL_SIG_LETTER, EDN_F(*to), edn_bytes_of(plain.p + 4, body_n))
               ? EDN_OK
               : EDN_E_SIG;
}
