#include "keys/keys_priv.h"

/* One key for one device:
 *
 *      0  u8 mode: 0 base, 1 psk
 *      1  enc 32
 *     33  HPKE ciphertext 48 of the 32-byte secret
 *
 * info = T("EDNv1/grant/info"; account, recipient, u32 epoch, u8 purpose)
 * aad  = T("EDNv1/grant/aad"; u64 link seq, prev)
 *
 * The reader says whether there has to be a psk, not the grant: a server could strip it otherwise. */

enum { MODE_BASE = 0, MODE_PSK = 1, ENC_AT = 1, CT_AT = 33, CT_SIZE = 48, TEXT_SIZE_MAX = 160 };

_Static_assert(EDN_GRANT_SIZE == CT_AT + CT_SIZE, "a grant's layout");
_Static_assert(sizeof(edn_grant) == sizeof(edn_device_id) + EDN_GRANT_SIZE, "no padding");

static edn_bytes grant_info(edn_buf *to, const edn_grant_context *cx)
{
    edn_t_put(to, EDN_LABEL_GRANT_INFO,
              EDN_FIELDS_(EDN_F(cx->account), EDN_F(cx->recipient), EDN_F_U32(cx->epoch), EDN_F_U8(cx->purpose)));
    return edn_buf_view(to);
}

static edn_bytes grant_aad(edn_buf *to, const edn_grant_context *cx)
{
    edn_t_put(to, EDN_LABEL_GRANT_AAD, EDN_FIELDS_(EDN_F_U64(cx->link_seq), EDN_F(cx->prev)));
    return edn_buf_view(to);
}

edn_status edn_grant_seal(uint8_t out[EDN_GRANT_SIZE], const edn_grant_context *cx, const edn_dh_pk *to,
                          const edn_root_key *secret, const edn_psk *psk, edn_bytes psk_id, const edn_random *rng)
{
    EDN_SECRET(edn_seed) rnd = EDN_KEY_EMPTY;
    uint8_t info_bytes[TEXT_SIZE_MAX], aad_bytes[TEXT_SIZE_MAX], enc[32], ct_bytes[CT_SIZE];
    edn_buf info = EDN_BUF_OVER(info_bytes), aad = EDN_BUF_OVER(aad_bytes), ct = EDN_BUF_OVER(ct_bytes);
    edn_status st;

    memset(out, 0, EDN_GRANT_SIZE);
    rng->fill(rng->ctx, rnd.b, sizeof rnd.b);
    st = edn_hpke_seal(&ct, enc, to, grant_info(&info, cx), grant_aad(&aad, cx), psk, psk_id, EDN_F(*secret), rnd.b);
    if (st != EDN_OK)
        return st;
    out[0] = psk ? MODE_PSK : MODE_BASE;
    memcpy(out + ENC_AT, enc, sizeof enc);
    memcpy(out + CT_AT, ct_bytes, sizeof ct_bytes);
    return EDN_OK;
}

edn_status edn_grant_open(const edn_grant_context *cx, const edn_dh_sk *sk, edn_bytes grant, const edn_psk *psk,
                          edn_bytes psk_id, edn_root_key *secret)
{
    EDN_SECRET(edn_root_key) opened = EDN_KEY_EMPTY;
    uint8_t info_bytes[TEXT_SIZE_MAX], aad_bytes[TEXT_SIZE_MAX];
    edn_buf info = EDN_BUF_OVER(info_bytes), aad = EDN_BUF_OVER(aad_bytes), pt = EDN_BUF_OVER(opened.b);
    edn_status st;

    memset(secret, 0, sizeof *secret);
    if (grant.n != EDN_GRANT_SIZE || grant.p[0] != (psk ? MODE_PSK : MODE_BASE))
        return EDN_E_AUTH;
    st = edn_hpke_open(&pt, grant.p + ENC_AT, sk, grant_info(&info, cx), grant_aad(&aad, cx), psk, psk_id,
                       edn_bytes_of(grant.p + CT_AT, CT_SIZE));
    if (st == EDN_E_KEY_INVALID)
        st = EDN_E_AUTH;
    if (st == EDN_OK)
        *secret = opened;
    return st;
}

/* ---- the grants of one link -------------------------------------------------------------------------------------- */

/* The grant with the least recipient above `last` (NULL: of all). */
static const edn_grant *next_grant(const edn_grant *grants, size_t n, const edn_grant *last)
{
    const edn_grant *least = NULL;

    for (size_t i = 0; i < n; i++) {
        if (last && memcmp(grants[i].recipient.b, last->recipient.b, sizeof last->recipient.b) <= 0)
            continue;
        if (!least || memcmp(grants[i].recipient.b, least->recipient.b, sizeof least->recipient.b) < 0)
            least = &grants[i];
    }
    return least;
}

edn_status edn_grants_encode(edn_buf *out, const edn_grant *grants, size_t n)
{
    const edn_grant *g = NULL;
    uint8_t *to;
    size_t i;

    if (n > EDN_GRANTS_MAX)
        return EDN_E_LIMIT;
    to = edn_buf_grow(out, 4 + n * sizeof(edn_grant));
    if (!to)
        return edn_buf_status(out);
    edn_store_u32(to, (uint32_t)n);
    to += 4;
    for (i = 0; i < n && (g = next_grant(grants, n, g)) != NULL; i++, to += sizeof *g)
        memcpy(to, g, sizeof *g);
    if (i == n)
        return EDN_OK;
    out->n -= 4 + n * sizeof(edn_grant);
    return EDN_E_INVALID; /* two for one recipient */
}

edn_status edn_grants_find(edn_bytes blob, const edn_device_id *recipient, edn_bytes *grant)
{
    edn_reader r = edn_reader_init(blob);
    uint32_t n = edn_read_u32(&r, "grant count");
    edn_bytes last = EDN_BYTES_EMPTY, found = EDN_BYTES_EMPTY;

    *grant = EDN_BYTES_EMPTY;
    if (n > EDN_GRANTS_MAX || !edn_reader_has(&r, n, sizeof(edn_grant)))
        return EDN_E_FORMAT;
    for (uint32_t i = 0; i < n; i++) {
        edn_bytes id = edn_read_bytes(&r, sizeof recipient->b, "recipient");
        edn_bytes one = edn_read_bytes(&r, EDN_GRANT_SIZE, "grant");

        if (i && memcmp(last.p, id.p, id.n) >= 0)
            return EDN_E_FORMAT;
        if (memcmp(id.p, recipient->b, id.n) == 0)
            found = one;
        last = id;
    }
    if (edn_reader_end(&r) != EDN_OK)
        return EDN_E_FORMAT;
    if (!found.p)
        return EDN_E_MISSING;
    *grant = found;
    return EDN_OK;
}

/* ---- a new epoch ------------------------------------------------------------------------------------------------- */

static edn_bytes rotation_psk_id(edn_buf *to, const edn_device_id *recipient)
{
    edn_t_put(to, EDN_LABEL_GRANT_PSK, EDN_FIELDS_(edn_bytes_str("epoch"), EDN_F(*recipient)));
    return edn_buf_view(to);
}

static bool is_among(const edn_device_id *ids, size_t n, const edn_device_id *id)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(ids[i].b, id->b, sizeof id->b) == 0)
            return true;
    return false;
}

static edn_status rotation_grant(edn_grant *out, edn_grant_context *cx, const edn_device *d, const edn_root_key *before,
                                 const edn_root_key *next, const edn_random *rng)
{
    EDN_SECRET(edn_psk) psk = EDN_KEY_EMPTY;
    uint8_t id_bytes[TEXT_SIZE_MAX];
    edn_buf id = EDN_BUF_OVER(id_bytes);

    cx->recipient = out->recipient = d->id;
    edn_grant_psk_of(&psk, before, &cx->account, &d->id, cx->epoch);
    return edn_grant_seal(out->b, cx, &d->cert.enc, next, &psk, rotation_psk_id(&id, &d->id), rng);
}

edn_status edn_rotation_grants(edn_buf *out, const edn_devlog *log, const edn_device_id *revoked, size_t revoked_n,
                               uint32_t epoch, const edn_root_key *before, const edn_root_key *next,
                               const edn_random *rng)
{
    edn_grant_context cx = {.account = edn_devlog_account(log),
                            .epoch = epoch,
                            .purpose = EDN_GRANT_ROOT,
                            .link_seq = edn_devlog_count(log),
                            .prev = edn_devlog_head(log)};
    edn_grant grants[EDN_SPACE_KEYS_MAX];
    const edn_device *d;
    size_t n = 0;
    edn_status st;

    for (size_t i = 0; (d = edn_devlog_device(log, i)) != NULL; i++) {
        if (!edn_device_active(d) || is_among(revoked, revoked_n, &d->id))
            continue;
        EDN_ASSERT(n < EDN_COUNT(grants)); /* no log has more that are active */
        if ((st = rotation_grant(&grants[n++], &cx, d, before, next, rng)) != EDN_OK)
            return st;
    }
    return edn_grants_encode(out, grants, n);
}

edn_status edn_rotation_grant_open(const edn_grant_context *cx, const edn_dh_sk *sk, edn_bytes blob,
                                   const edn_root_key *before, edn_root_key *next)
{
    EDN_SECRET(edn_psk) psk = EDN_KEY_EMPTY;
    uint8_t id_bytes[TEXT_SIZE_MAX];
    edn_buf id = EDN_BUF_OVER(id_bytes);
    edn_bytes grant;
    edn_status st;

    memset(next, 0, sizeof *next);
    if ((st = edn_grants_find(blob, &cx->recipient, &grant)) != EDN_OK)
        return st;
    edn_grant_psk_of(&psk, before, &cx->account, &cx->recipient, cx->epoch);
    return edn_grant_open(cx, sk, grant, &psk, rotation_psk_id(&id, &cx->recipient), next);
}
