#include "soft_fido2.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <string.h>

#include "base/base.h"
#include "holder/fido2.h"

enum { REPORT = 64, MESSAGE_MAX = 2048, CHANNEL = 0x01020304 };
enum { HID_INIT = 0x06, HID_CBOR = 0x10, HID_ERROR = 0x3f };
enum { MAKE_CREDENTIAL = 1, GET_ASSERTION = 2, GET_INFO = 4, CLIENT_PIN = 6 };
enum {
    ERR_PIN_INVALID = 0x31,
    ERR_PIN_BLOCKED = 0x32,
    ERR_NO_CREDENTIALS = 0x2e,
    ERR_PIN_AUTH_INVALID = 0x33,
    ERR_DENIED = 0x27,
    ERR_INVALID_CBOR = 0x12
};

soft_fido2 soft_key;

/* What a session of the authenticator has: its key agreement key, its PIN token, the answer being read. */
static struct {
    EVP_PKEY *agreement;
    uint8_t token[32];
    uint8_t in[MESSAGE_MAX], out[MESSAGE_MAX];
    size_t in_n, in_want, out_n, out_at;
    uint8_t command, sequence;
    uint32_t channel;
} session;

void soft_fido2_reset(const char *pin)
{
    soft_key = (soft_fido2){.pin = pin, .plugged_in = true, .retries = SOFT_FIDO2_RETRIES, .device_key = {1, 2, 3}};
}

/* ---- CBOR, as far as CTAP uses it -------------------------------------------------------------------------------- */

/* A head: major type, and a number below 2^32. */
static uint32_t head_get(edn_reader *r, unsigned *major)
{
    uint8_t first = edn_read_u8(r, "head");
    unsigned small = first & 31;
    uint32_t n = 0;

    *major = first >> 5;
    if (small < 24)
        return small;
    for (unsigned i = 0; i < 1u << (small - 24) && small < 27; i++)
        n = n << 8 | edn_read_u8(r, "number");
    return n;
}

static edn_bytes item_get(edn_reader *r)
{
    const uint8_t *start = r->p;
    unsigned major;
    uint32_t n = head_get(r, &major);

    if (major == 2 || major == 3)
        (void)edn_read_bytes(r, n, "string");
    else if (major == 4 || major == 5)
        for (uint32_t i = 0; i < n * (major - 3) && edn_reader_status(r) == EDN_OK; i++)
            (void)item_get(r);
    return edn_bytes_of(start, (size_t)(r->p - start));
}

/* The value of a key, which is given as its one-byte or text item; empty: not there. */
static edn_bytes map_at(edn_bytes map, edn_bytes key)
{
    edn_reader r = edn_reader_init(map);
    unsigned major;
    uint32_t n = head_get(&r, &major);

    for (uint32_t i = 0; major == 5 && i < n; i++) {
        edn_bytes k = item_get(&r), v = item_get(&r);
        if (edn_reader_status(&r) == EDN_OK && edn_bytes_equal(k, key))
            return v;
    }
    return EDN_BYTES_EMPTY;
}

static edn_bytes map_int(edn_bytes map, int key)
{
    uint8_t k = key >= 0 ? (uint8_t)key : (uint8_t)(0x20 | (-1 - key));
    return map_at(map, edn_bytes_of(&k, 1));
}

static edn_bytes string_of(edn_bytes item)
{
    edn_reader r = edn_reader_init(item);
    unsigned major;
    uint32_t n = head_get(&r, &major);

    return edn_read_bytes(&r, n, "string");
}

static void put_head(edn_buf *b, unsigned major, size_t n)
{
    if (n < 24) {
        edn_put_u8(b, (uint8_t)(major << 5 | n));
    } else if (n < 256) {
        edn_put_u8(b, (uint8_t)(major << 5 | 24));
        edn_put_u8(b, (uint8_t)n);
    } else {
        edn_put_u8(b, (uint8_t)(major << 5 | 25));
        edn_put_u8(b, (uint8_t)(n >> 8));
        edn_put_u8(b, (uint8_t)n);
    }
}

static void put_string(edn_buf *b, const void *p, size_t n)
{
    put_head(b, 2, n);
    edn_put_bytes(b, p, n);
}

static void put_text(edn_buf *b, const char *s)
{
    put_head(b, 3, strlen(s));
    edn_put_str(b, s);
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static void point_of(EVP_PKEY *key, uint8_t x[32], uint8_t y[32])
{
    uint8_t point[65];
    size_t n = 0;

    EDN_ASSERT(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point, &n) && n == 65);
    memcpy(x, point + 1, 32);
    memcpy(y, point + 33, 32);
}

static void put_cose_key(edn_buf *b, EVP_PKEY *key, int8_t algorithm)
{
    uint8_t x[32], y[32];

    point_of(key, x, y);
    put_head(b, 5, 5);
    edn_put_u8(b, 1), edn_put_u8(b, 2); /* kty: EC2 */
    edn_put_u8(b, 3), put_head(b, 1, (size_t)(-1 - algorithm));
    edn_put_u8(b, 0x20), edn_put_u8(b, 1); /* P-256 */
    edn_put_u8(b, 0x21), put_string(b, x, 32);
    edn_put_u8(b, 0x22), put_string(b, y, 32);
}

static EVP_PKEY *key_from_point(edn_bytes x, edn_bytes y)
{
    uint8_t point[65] = {4};
    OSSL_PARAM params[] = {OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char[]){"prime256v1"}, 0),
                           OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point), OSSL_PARAM_END};
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;

    EDN_ASSERT(x.n == 32 && y.n == 32);
    memcpy(point + 1, x.p, 32);
    memcpy(point + 33, y.p, 32);
    EDN_ASSERT(EVP_PKEY_fromdata_init(ctx) == 1 && EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) == 1);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* PIN protocol one: SHA-256 of the x that both agree on. */
static void shared_secret(edn_bytes cose, uint8_t out[32])
{
    EVP_PKEY *theirs = key_from_point(string_of(map_int(cose, -2)), string_of(map_int(cose, -3)));
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(session.agreement, NULL);
    uint8_t x[32];
    size_t n = sizeof x;

    EDN_ASSERT(EVP_PKEY_derive_init(ctx) == 1 && EVP_PKEY_derive_set_peer(ctx, theirs) == 1 &&
               EVP_PKEY_derive(ctx, x, &n) == 1);
    SHA256(x, n, out);
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(theirs);
}

static void aes(bool encrypt, const uint8_t key[32], const uint8_t *in, size_t n, uint8_t *out)
{
    static const uint8_t iv[16] = {0};
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int size = 0;

    EDN_ASSERT(EVP_CipherInit_ex(ctx, EVP_aes_256_cbc(), NULL, key, iv, encrypt) == 1 &&
               EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 && EVP_CipherUpdate(ctx, out, &size, in, (int)n) == 1);
    EVP_CIPHER_CTX_free(ctx);
}

static void mac(const uint8_t *key, size_t key_n, edn_bytes of, uint8_t out[32])
{
    HMAC(EVP_sha256(), key, (int)key_n, of.p, of.n, out, NULL);
}

static bool mac_fits(const uint8_t *key, size_t key_n, edn_bytes of, edn_bytes want)
{
    uint8_t is[32];

    mac(key, key_n, of, is);
    return want.n == 16 && memcmp(is, want.p, 16) == 0;
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

static uint8_t get_info(edn_buf *out)
{
    static const uint8_t aaguid[16] = {0};

    put_head(out, 5, soft_key.no_hmac_secret ? 4 : 5);
    edn_put_u8(out, 1), put_head(out, 4, 1), put_text(out, "FIDO_2_0");
    if (!soft_key.no_hmac_secret)
        edn_put_u8(out, 2), put_head(out, 4, 1), put_text(out, "hmac-secret");
    edn_put_u8(out, 3), put_string(out, aaguid, 16);
    edn_put_u8(out, 4), put_head(out, 5, 1), put_text(out, "clientPin"), edn_put_u8(out, soft_key.pin ? 0xf5 : 0xf4);
    edn_put_u8(out, 6), put_head(out, 4, 1), edn_put_u8(out, 1);
    return 0;
}

static uint8_t give_token(edn_bytes in, edn_buf *out)
{
    uint8_t shared[32], is[32], should[32], sealed[32];
    edn_bytes guess = string_of(map_int(in, 6));

    if (soft_key.retries == 0)
        return ERR_PIN_BLOCKED;
    shared_secret(map_int(in, 3), shared);
    EDN_ASSERT(guess.n == 16);
    aes(false, shared, guess.p, 16, is);
    SHA256((const uint8_t *)soft_key.pin, strlen(soft_key.pin), should);
    if (memcmp(is, should, 16) != 0)
        return --soft_key.retries ? ERR_PIN_INVALID : ERR_PIN_BLOCKED;
    soft_key.retries = SOFT_FIDO2_RETRIES;
    aes(true, shared, session.token, 32, sealed);
    put_head(out, 5, 1);
    edn_put_u8(out, 2), put_string(out, sealed, 32);
    return 0;
}

static uint8_t client_pin(edn_bytes in, edn_buf *out)
{
    edn_bytes sub = map_int(in, 2);

    switch (sub.n ? sub.p[0] : 0) {
    case 1:
        put_head(out, 5, 1);
        edn_put_u8(out, 3), put_head(out, 0, (size_t)soft_key.retries);
        return 0;
    case 2:
        put_head(out, 5, 1);
        edn_put_u8(out, 1), put_cose_key(out, session.agreement, -25);
        return 0;
    case 5:
        return give_token(in, out);
    default:
        return ERR_INVALID_CBOR;
    }
}

/* The credential is its user's id; nothing is kept. */
static uint8_t make_credential(edn_bytes in, edn_buf *out)
{
    edn_bytes user = map_int(in, 3), rp = map_int(in, 2), id_key = edn_bytes_of("\x62id", 3);
    edn_bytes id = string_of(map_at(user, id_key)), rp_id = string_of(map_at(rp, id_key));
    uint8_t data[512], rp_hash[32], bound[32];
    edn_buf auth = EDN_BUF_INIT(sizeof data);

    if (!mac_fits(session.token, 32, string_of(map_int(in, 1)), string_of(map_int(in, 8))))
        return ERR_PIN_AUTH_INVALID;
    if (soft_key.not_touched)
        return ERR_DENIED;
    soft_key.touches++;
    SHA256(rp_id.p, rp_id.n, rp_hash);
    mac(soft_key.device_key, 32, id, bound);
    edn_put_bytes(&auth, rp_hash, 32);
    edn_put_u8(&auth, soft_key.no_hmac_secret ? 0x45 : 0xc5); /* present, verified, with a credential, extensions */
    edn_put_zeros(&auth, 4 + 16);
    edn_put_u8(&auth, 0), edn_put_u8(&auth, (uint8_t)(id.n + 32));
    edn_put_bytes(&auth, id.p, id.n);
    edn_put_bytes(&auth, bound, 32);
    put_cose_key(&auth, session.agreement, -7);
    if (!soft_key.no_hmac_secret)
        put_head(&auth, 5, 1), put_text(&auth, "hmac-secret"), edn_put_u8(&auth, 0xf5);
    put_head(out, 5, 3);
    edn_put_u8(out, 1), put_text(out, "none");
    edn_put_u8(out, 2), put_string(out, auth.p, auth.n);
    edn_put_u8(out, 3), put_head(out, 5, 0);
    edn_buf_dispose(&auth);
    return 0;
}

static bool is_ours(edn_bytes credential)
{
    uint8_t bound[32];

    if (credential.n <= 32)
        return false;
    mac(soft_key.device_key, 32, edn_bytes_of(credential.p, credential.n - 32), bound);
    return memcmp(bound, credential.p + credential.n - 32, 32) == 0;
}

/* hmac-secret: out = HMAC(what is this credential's own, salt). */
static uint8_t secret_for(edn_bytes credential, edn_bytes wish, uint8_t sealed[32])
{
    edn_bytes salt = string_of(map_int(wish, 2)), auth = string_of(map_int(wish, 3));
    uint8_t shared[32], plain[32], own[32], secret[32];

    shared_secret(map_int(wish, 1), shared);
    if (salt.n != 32 || !mac_fits(shared, 32, salt, auth))
        return ERR_PIN_AUTH_INVALID;
    aes(false, shared, salt.p, 32, plain);
    mac(soft_key.device_key, 32, credential, own);
    mac(own, 32, edn_bytes_of(plain, 32), secret);
    aes(true, shared, secret, 32, sealed);
    return 0;
}

static uint8_t get_assertion(edn_bytes in, edn_buf *out)
{
    edn_bytes allowed = map_int(in, 3), rp_id = string_of(map_int(in, 1)), credential, wish;
    uint8_t sealed[32], rp_hash[32], code;
    edn_buf auth = EDN_BUF_INIT(512);

    if (!mac_fits(session.token, 32, string_of(map_int(in, 2)), string_of(map_int(in, 6))))
        return ERR_PIN_AUTH_INVALID;
    allowed = edn_bytes_of(allowed.p + 1, allowed.n - 1); /* the first of the list */
    credential = string_of(map_at(allowed, edn_bytes_of("\x62id", 3)));
    wish = map_at(map_int(in, 4), edn_bytes_of("\x6bhmac-secret", 12));
    if (!is_ours(credential))
        return ERR_NO_CREDENTIALS;
    if (soft_key.not_touched)
        return ERR_DENIED;
    soft_key.touches++;
    if ((code = secret_for(credential, wish, sealed)) != 0)
        return code;
    SHA256(rp_id.p, rp_id.n, rp_hash);
    edn_put_bytes(&auth, rp_hash, 32);
    edn_put_u8(&auth, soft_key.no_hmac_secret ? 0x05 : 0x85);
    edn_put_zeros(&auth, 4);
    if (!soft_key.no_hmac_secret)
        put_head(&auth, 5, 1), put_text(&auth, "hmac-secret"), put_string(&auth, sealed, 32);
    put_head(out, 5, 3);
    edn_put_u8(out, 1), put_head(out, 5, 2);
    put_text(out, "id"), put_string(out, credential.p, credential.n);
    put_text(out, "type"), put_text(out, "public-key");
    edn_put_u8(out, 2), put_string(out, auth.p, auth.n);
    edn_put_u8(out, 3), put_string(out, sealed, 32); /* nobody checks the signature */
    edn_buf_dispose(&auth);
    return 0;
}

static void answer_cbor(void)
{
    edn_bytes in = edn_bytes_of(session.in + 1, session.in_n - 1);
    edn_buf out = EDN_BUF_INIT(MESSAGE_MAX - 1);
    uint8_t code = 0x01; /* no such command */

    switch (session.in[0]) {
    case GET_INFO:
        code = get_info(&out);
        break;
    case CLIENT_PIN:
        code = client_pin(in, &out);
        break;
    case MAKE_CREDENTIAL:
        code = make_credential(in, &out);
        break;
    case GET_ASSERTION:
        code = get_assertion(in, &out);
        break;
    }
    session.out[0] = code;
    session.out_n = 1 + (code ? 0 : out.n);
    if (session.out_n > 1)
        memcpy(session.out + 1, out.p, out.n);
    edn_buf_dispose(&out);
}

/* ---- CTAPHID ----------------------------------------------------------------------------------------------------- */

static void answer(void)
{
    if (session.command == HID_INIT) {
        static const uint8_t rest[9] = {
            CHANNEL >> 24, CHANNEL >> 16 & 255, CHANNEL >> 8 & 255, CHANNEL & 255, 2, 1, 0, 0, 0x04 | 0x08};
        memcpy(session.out, session.in, 8);
        memcpy(session.out + 8, rest, sizeof rest);
        session.out_n = 17;
    } else if (session.command == HID_CBOR) {
        answer_cbor();
    } else {
        session.command = HID_ERROR;
        session.out[0] = 0x01;
        session.out_n = 1;
    }
    session.out_at = 0;
    session.sequence = 0;
}

static int port_write(void *handle, const unsigned char *p, size_t n)
{
    const unsigned char *report = p + 1; /* behind the report's number */
    size_t data, room;

    (void)handle;
    EDN_ASSERT(n == REPORT + 1);
    if (report[4] & 0x80) {
        memcpy(&session.channel, report, 4);
        session.command = report[4] & 0x7f;
        session.in_want = (size_t)report[5] << 8 | report[6];
        session.in_n = 0;
        data = 7;
    } else {
        data = 5;
    }
    EDN_ASSERT(session.in_want <= MESSAGE_MAX);
    room = EDN_MIN(session.in_want - session.in_n, REPORT - data);
    memcpy(session.in + session.in_n, report + data, room);
    session.in_n += room;
    if (session.in_n == session.in_want)
        answer();
    return (int)n;
}

static int port_read(void *handle, unsigned char *p, size_t n, int ms)
{
    size_t at = 5, take;
    bool first = session.out_at == 0;

    (void)handle, (void)ms;
    EDN_ASSERT(n == REPORT);
    memset(p, 0, n);
    memcpy(p, &session.channel, 4);
    if (first) {
        p[4] = 0x80 | session.command;
        p[5] = (uint8_t)(session.out_n >> 8);
        p[6] = (uint8_t)session.out_n;
        at = 7;
    } else {
        p[4] = session.sequence++;
    }
    take = EDN_MIN(session.out_n - session.out_at, n - at);
    memcpy(p + at, session.out + session.out_at, take);
    session.out_at += take;
    return (int)n;
}

static void *port_open(const char *path)
{
    (void)path;
    EVP_PKEY_free(session.agreement);
    session.agreement = EVP_EC_gen("P-256");
    memset(session.token, 0x5a, sizeof session.token);
    return &session;
}

static void port_close(void *handle)
{
    (void)handle;
    EVP_PKEY_free(session.agreement);
    session.agreement = NULL;
}

edn_status edn_fido2_open(fido_dev_t **out, edn_err *err)
{
    static const fido_dev_io_t io = {port_open, port_close, port_read, port_write};

    *out = NULL;
    if (!soft_key.plugged_in)
        return edn_fail(err, EDN_E_MISSING, "no security key is plugged in; unlock by the passphrase");
    *out = fido_dev_new();
    if (!*out || fido_dev_set_io_functions(*out, &io) != FIDO_OK || fido_dev_open(*out, "soft") != FIDO_OK)
        return edn_fail(err, EDN_E_IO, "the security key in software does not open");
    return EDN_OK;
}
