#include "token.h"

#include "wire/wire.h"

#include <stdio.h>

/* Tokens are JSON, but only the JSON that edn_token_make could have written is read: one flat object whose members are
 * plain strings (printable ASCII, no escapes) and non-negative integers, in any order and with any white space between.
 * Depth, floats, escapes, nulls and duplicates are thus refused by not being there. */

#define TOKEN_PART_SIZE_MAX 1536u

/* ---- reading a flat object --------------------------------------------------------------------------------------- */

typedef enum member_kind { MEMBER_TEXT, MEMBER_NUMBER } member_kind;

typedef struct member {
    const char *name;
    member_kind kind;
    bool seen;
    edn_bytes text;
    uint64_t number;
} member;

typedef struct json {
    const uint8_t *p, *end;
} json;

static void json_space(json *j)
{
    while (j->p < j->end && (*j->p == ' ' || *j->p == '\t' || *j->p == '\n' || *j->p == '\r'))
        j->p++;
}

static bool json_char(json *j, char c)
{
    json_space(j);
    if (j->p == j->end || *j->p != (uint8_t)c)
        return false;
    j->p++;
    return true;
}

static bool json_text(json *j, edn_bytes *out)
{
    if (!json_char(j, '"'))
        return false;
    const uint8_t *start = j->p;
    while (j->p < j->end && *j->p != '"') {
        if (*j->p < 0x20 || *j->p > 0x7e || *j->p == '\\')
            return false;
        j->p++;
    }
    *out = edn_bytes_of(start, (size_t)(j->p - start));
    return json_char(j, '"');
}

static bool json_number(json *j, uint64_t *out)
{
    uint64_t v = 0;
    size_t digits = 0;

    json_space(j);
    for (; j->p < j->end && *j->p >= '0' && *j->p <= '9'; j->p++, digits++) {
        if (digits > 0 && v == 0)
            return false; /* a leading zero */
        if (digits == 18)
            return false; /* more might not fit */
        v = 10 * v + (uint64_t)(*j->p - '0');
    }
    *out = v;
    return digits > 0; /* what follows must be ',' or '}': no fraction, no exponent */
}

static member *json_member_find(member *m, size_t n, edn_bytes name)
{
    for (size_t i = 0; i < n; i++)
        if (edn_bytes_equal(name, edn_bytes_str(m[i].name)))
            return &m[i];
    return NULL;
}

/* Reads an object that has exactly the members named in `m`. */
static bool json_object(edn_bytes in, member *m, size_t n)
{
    json j = {in.p, in.p + in.n};
    size_t seen = 0;

    if (in.n == 0 || !json_char(&j, '{'))
        return false;
    do {
        edn_bytes name;
        if (!json_text(&j, &name) || !json_char(&j, ':'))
            return false;
        member *at = json_member_find(m, n, name);
        if (!at || at->seen)
            return false;
        if (at->kind == MEMBER_TEXT ? !json_text(&j, &at->text) : !json_number(&j, &at->number))
            return false;
        at->seen = true;
        seen++;
    } while (json_char(&j, ','));
    if (!json_char(&j, '}'))
        return false;
    json_space(&j);
    return j.p == j.end && seen == n;
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

static void token_put_text(edn_buf *b, const char *name, const char *value)
{
    edn_put_str(b, name);
    edn_put_str(b, value);
    edn_put_str(b, "\"");
}

static void token_put_id(edn_buf *b, const char *name, const void *p, size_t n)
{
    edn_put_str(b, name);
    edn_base64url_encode(b, edn_bytes_of(p, n));
    edn_put_str(b, "\"");
}

static void token_put_number(edn_buf *b, const char *name, uint64_t v)
{
    char text[24];

    snprintf(text, sizeof text, "%llu", (unsigned long long)v);
    edn_put_str(b, name);
    edn_put_str(b, text);
}

void edn_token_make(edn_buf *out, const edn_token_claims *c, const char *issuer, const char *kid, const edn_sign_sk *sk)
{
    edn_buf part = EDN_BUF_INIT(TOKEN_PART_SIZE_MAX);
    size_t start = out->n;
    edn_signature sig;

    token_put_text(&part, "{\"alg\":\"EdDSA\",\"typ\":\"edn+jwt\",\"kid\":\"", kid);
    edn_put_str(&part, "}");
    edn_base64url_encode(out, edn_buf_view(&part));
    edn_put_str(out, ".");

    edn_status header = edn_buf_status(&part);
    edn_buf_reset(&part);
    token_put_text(&part, "{\"iss\":\"", issuer);
    edn_put_str(&part, ",\"aud\":\"edn-sync\"");
    token_put_id(&part, ",\"sub\":\"", c->subject.b, sizeof c->subject.b);
    token_put_id(&part, ",\"dev\":\"", c->device.b, sizeof c->device.b);
    token_put_number(&part, ",\"sc\":", c->log_seq);
    token_put_number(&part, ",\"iat\":", c->issued_s);
    token_put_number(&part, ",\"nbf\":", c->not_before_s);
    token_put_number(&part, ",\"exp\":", c->expires_s);
    token_put_id(&part, ",\"jti\":\"", c->id, sizeof c->id);
    edn_put_str(&part, "}");
    edn_base64url_encode(out, edn_buf_view(&part));

    if (header != EDN_OK || edn_buf_status(&part) != EDN_OK)
        out->st = out->st != EDN_OK ? out->st : edn_buf_status(&part) != EDN_OK ? edn_buf_status(&part) : header;
    if (edn_buf_status(out) == EDN_OK) {
        edn_sign_raw(&sig, sk, edn_bytes_of(out->p + start, out->n - start));
        edn_put_str(out, ".");
        edn_base64url_encode(out, edn_bytes_of(sig.b, sizeof sig.b));
    }
    edn_buf_dispose(&part);
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

/* Exactly three parts. */
static bool token_split(edn_bytes token, edn_bytes part[3])
{
    size_t n = 0, start = 0;

    if (token.n > EDN_TOKEN_SIZE_MAX)
        return false;
    for (size_t i = 0; i <= token.n; i++) {
        if (i < token.n && token.p[i] != '.')
            continue;
        if (n == 3)
            return false;
        part[n++] = edn_bytes_of(token.p + start, i - start);
        start = i + 1;
    }
    return n == 3;
}

static bool token_part(edn_buf *b, edn_bytes part, edn_bytes *out)
{
    size_t at = b->n;

    if (edn_base64url_decode(b, part) != EDN_OK)
        return false;
    *out = edn_bytes_of(b->p + at, b->n - at);
    return true;
}

/* Fixed bytes in canonical base64url. */
static bool token_id(edn_bytes text, void *out, size_t n)
{
    uint8_t space[64];
    edn_buf b = {space, 0, sizeof space, sizeof space, EDN_OK}; /* never grows: nothing to free */
    bool ok = edn_base64url_decode(&b, text) == EDN_OK && b.n == n;

    if (ok)
        memcpy(out, b.p, n);
    return ok;
}

static const edn_token_key *token_header(edn_bytes in, const edn_token_key *keys, size_t n)
{
    member m[] = {{"alg", MEMBER_TEXT}, {"typ", MEMBER_TEXT}, {"kid", MEMBER_TEXT}};

    if (!json_object(in, m, EDN_COUNT(m)) || !edn_bytes_equal(m[0].text, edn_bytes_str("EdDSA")) ||
        !edn_bytes_equal(m[1].text, edn_bytes_str("edn+jwt")))
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (edn_bytes_equal(m[2].text, edn_bytes_str(keys[i].kid)))
            return &keys[i];
    return NULL;
}

static bool token_claims(edn_bytes in, const char *issuer, edn_token_claims *out)
{
    enum { ISS, AUD, SUB, DEV, SC, IAT, NBF, EXP, JTI };
    member m[] = {{"iss", MEMBER_TEXT},   {"aud", MEMBER_TEXT},   {"sub", MEMBER_TEXT},
                  {"dev", MEMBER_TEXT},   {"sc", MEMBER_NUMBER},  {"iat", MEMBER_NUMBER},
                  {"nbf", MEMBER_NUMBER}, {"exp", MEMBER_NUMBER}, {"jti", MEMBER_TEXT}};

    if (!json_object(in, m, EDN_COUNT(m)) || !edn_bytes_equal(m[ISS].text, edn_bytes_str(issuer)) ||
        !edn_bytes_equal(m[AUD].text, edn_bytes_str("edn-sync")) ||
        !token_id(m[SUB].text, out->subject.b, sizeof out->subject.b) ||
        !token_id(m[DEV].text, out->device.b, sizeof out->device.b) || m[JTI].text.n == 0 || m[JTI].text.n > 64)
        return false;
    out->log_seq = m[SC].number;
    out->issued_s = m[IAT].number;
    out->not_before_s = m[NBF].number;
    out->expires_s = m[EXP].number;
    return true;
}

static bool token_in_force(const edn_token_claims *c, uint64_t now_s)
{
    return c->issued_s <= now_s && c->not_before_s <= now_s && now_s < c->expires_s &&
           c->expires_s <= c->issued_s + EDN_TOKEN_TTL_MAX_S;
}

bool edn_token_check(edn_bytes token, const edn_token_key *keys, size_t n, const char *issuer, uint64_t now_s,
                     edn_token_claims *out)
{
    uint8_t space[EDN_TOKEN_SIZE_MAX];
    edn_buf b = {space, 0, sizeof space, sizeof space, EDN_OK}; /* decoding makes bytes fewer: it never grows */
    edn_bytes part[3], header, claims, sig;
    const edn_token_key *key;
    edn_signature s;

    memset(out, 0, sizeof *out);
    if (!token_split(token, part) || !token_part(&b, part[0], &header) || !token_part(&b, part[1], &claims) ||
        !token_part(&b, part[2], &sig) || sig.n != sizeof s.b || !(key = token_header(header, keys, n)))
        return false;
    memcpy(s.b, sig.p, sizeof s.b);
    if (!edn_verify_raw(&s, &key->pk, edn_bytes_of(token.p, part[0].n + 1 + part[1].n)))
        return false;
    if (token_claims(claims, issuer, out) && token_in_force(out, now_s))
        return true;
    memset(out, 0, sizeof *out);
    return false;
}
