/* Links as their author makes them. What a builder makes is checked like any other link when it is appended. */
#include "devlog_priv.h"

static const edn_device_id aik_signer; /* zero: the AIK */

/* Where the next link stands. */
typedef struct place {
    uint64_t seq;
    edn_hash prev;
    edn_account_id account;
} place;

static place place_after(const edn_devlog *log)
{
    place p;

    memset(&p, 0, sizeof p);
    if (log && edn_devlog_count(log) > 0) {
        p.seq = edn_devlog_count(log);
        p.prev = edn_devlog_head(log);
        p.account = edn_devlog_account(log);
    }
    return p;
}

static bool is_space(const edn_devlog *log) { return log && edn_devlog_is_space(log); }

static const edn_device_id *signer_of(const edn_link_signer *by) { return by->device ? by->device : &aik_signer; }

bool edn_link_pop_verify(const edn_signature *pop, const edn_hash *prev, uint64_t seq, const edn_device_id *signer,
                         const edn_sign_pk *aik, edn_bytes cert, const edn_sign_pk *pk)
{
    return edn_verify_checked_t(pop, pk, EDN_LABEL_SIG_POP, EDN_F(*prev), EDN_F_U64(seq), EDN_F(*signer), EDN_F(*aik),
                                cert);
}

void edn_link_pop_at(edn_signature *out, uint64_t seq, const edn_hash *prev, const edn_device_id *signer,
                     const edn_sign_pk *aik, const edn_cert *cert, const edn_sign_sk *device_sk)
{
    uint8_t c[CERT_SIZE];

    memcpy(c, cert->sign.b, 32);
    memcpy(c + 32, cert->enc.b, 32);
    edn_store_u32(c + 64, cert->caps);
    memcpy(c + 68, cert->name_hash.b, 32);
    edn_sign_t(out, device_sk, EDN_LABEL_SIG_POP, EDN_F(*prev), EDN_F_U64(seq), EDN_F(*signer), EDN_F(*aik),
               edn_bytes_of(c, sizeof c));
}

void edn_link_pop(edn_signature *out, const edn_devlog *log, const edn_link_signer *by, const edn_sign_pk *aik,
                  const edn_cert *cert, const edn_sign_sk *device_sk)
{
    place at = place_after(log);

    edn_link_pop_at(out, at.seq, &at.prev, signer_of(by), aik, cert, device_sk);
}

static edn_status link_build(edn_buf *out, const edn_devlog *log, bool space, const edn_link_signer *by,
                             edn_link_type type, edn_bytes body)
{
    const log_kind *kind = edn_log_kind(space);
    place at = place_after(log);
    size_t before = out->n;
    edn_signature sig;

    if (body.n > LINK_BODY_SIZE_MAX)
        return EDN_E_LIMIT;
    edn_buf_reserve(out, LINK_SIZE_MIN + body.n);
    edn_put_bytes(out, kind->magic, sizeof kind->magic);
    edn_put_u8(out, LINK_VERSION);
    edn_put_u8(out, (uint8_t)type);
    edn_put_u16(out, LINK_SUITE_1);
    edn_put_u64(out, at.seq);
    edn_put_bytes(out, at.prev.b, sizeof at.prev.b);
    edn_put_bytes(out, at.account.b, sizeof at.account.b);
    edn_put_bytes(out, signer_of(by)->b, sizeof signer_of(by)->b);
    edn_put_u64(out, by->time_ms);
    edn_put_lp(out, body);
    if (edn_buf_status(out) != EDN_OK)
        return edn_buf_status(out);
    edn_sign_t(&sig, by->sk, kind->sig_label, edn_bytes_of(out->p + before, out->n - before));
    edn_put_bytes(out, sig.b, sizeof sig.b);
    return edn_buf_status(out);
}

edn_status edn_link_build(edn_buf *out, const edn_devlog *log, const edn_link_signer *by, edn_link_type type,
                          edn_bytes body)
{
    return link_build(out, log, is_space(log), by, type, body);
}

/* Bodies of a known length are put together here; none passes this. */
#define SMALL_BODY_SIZE_MAX 1024u

static edn_status build_and_drop(edn_buf *out, const edn_devlog *log, const edn_link_signer *by, edn_link_type type,
                                 edn_buf *body)
{
    edn_status st = edn_buf_status(body);

    if (st == EDN_OK)
        st = edn_link_build(out, log, by, type, edn_buf_view(body));
    edn_buf_dispose(body);
    return st;
}

static edn_status genesis(edn_buf *out, bool space, const edn_sign_pk *aik, const edn_sign_sk *aik_sk, uint64_t time_ms,
                          const edn_cert *cert, const edn_dh_pk *aek, const edn_hash *grants_hash,
                          const edn_sign_sk *device_sk)
{
    edn_link_signer by = {NULL, aik_sk, time_ms};
    edn_buf body = EDN_BUF_INIT(SMALL_BODY_SIZE_MAX);
    edn_signature pop;
    edn_status st;

    edn_link_pop(&pop, NULL, &by, aik, cert, device_sk);
    edn_put_bytes(&body, aik->b, sizeof aik->b);
    edn_cert_put(&body, cert);
    edn_put_bytes(&body, aek->b, sizeof aek->b);
    edn_put_bytes(&body, grants_hash->b, sizeof grants_hash->b);
    edn_put_bytes(&body, pop.b, sizeof pop.b);
    if ((st = edn_buf_status(&body)) == EDN_OK)
        st = link_build(out, NULL, space, &by, EDN_LINK_GENESIS, edn_buf_view(&body));
    edn_buf_dispose(&body);
    return st;
}

edn_status edn_link_genesis(edn_buf *out, const edn_sign_pk *aik, const edn_sign_sk *aik_sk, uint64_t time_ms,
                            const edn_cert *cert, const edn_dh_pk *aek, const edn_hash *grants_hash,
                            const edn_sign_sk *device_sk)
{
    return genesis(out, false, aik, aik_sk, time_ms, cert, aek, grants_hash, device_sk);
}

edn_status edn_link_space_genesis(edn_buf *out, const edn_sign_pk *aik, const edn_sign_sk *aik_sk, uint64_t time_ms,
                                  const edn_cert *cert, const edn_dh_pk *aek, const edn_hash *grants_hash,
                                  const edn_sign_sk *device_sk)
{
    return genesis(out, true, aik, aik_sk, time_ms, cert, aek, grants_hash, device_sk);
}

edn_status edn_link_add_device(edn_buf *out, const edn_devlog *log, const edn_link_signer *by, const edn_cert *cert,
                               const edn_hash *grants_hash, const edn_signature *pop)
{
    edn_buf body = EDN_BUF_INIT(SMALL_BODY_SIZE_MAX);

    edn_cert_put(&body, cert);
    edn_put_bytes(&body, grants_hash->b, sizeof grants_hash->b);
    edn_put_bytes(&body, pop->b, sizeof pop->b);
    return build_and_drop(out, log, by, EDN_LINK_ADD_DEVICE, &body);
}

edn_status edn_link_set_kdf(edn_buf *out, const edn_devlog *log, const edn_link_signer *by, const edn_hash *kdf_hash,
                            const edn_hash *root_box_hash, const edn_sign_pk *login)
{
    edn_buf body = EDN_BUF_INIT(SMALL_BODY_SIZE_MAX);

    edn_put_bytes(&body, kdf_hash->b, sizeof kdf_hash->b);
    edn_put_bytes(&body, root_box_hash->b, sizeof root_box_hash->b);
    edn_put_bytes(&body, login->b, sizeof login->b);
    return build_and_drop(out, log, by, EDN_LINK_SET_KDF, &body);
}

edn_status edn_link_rotate_aik(edn_buf *out, const edn_devlog *log, const edn_link_signer *by, const edn_sign_pk *aik,
                               const edn_sign_sk *aik_sk)
{
    edn_buf body = EDN_BUF_INIT(SMALL_BODY_SIZE_MAX);
    place at = place_after(log);
    edn_signature proof;

    edn_sign_t(&proof, aik_sk, EDN_LABEL_SIG_AIK, EDN_F(at.prev), EDN_F_U64(at.seq), EDN_F(at.account), EDN_F(*aik));
    edn_put_bytes(&body, aik->b, sizeof aik->b);
    edn_put_bytes(&body, proof.b, sizeof proof.b);
    return build_and_drop(out, log, by, EDN_LINK_ROTATE_AIK, &body);
}

/* One device with its cuts. */
static void revoked_put(edn_buf *out, const edn_rotation *r, const edn_device_id *id)
{
    uint32_t n = 0;

    for (size_t i = 0; i < r->cuts_n; i++)
        n += memcmp(r->cuts[i].device.b, id->b, sizeof id->b) == 0;
    edn_put_bytes(out, id->b, sizeof id->b);
    edn_put_u32(out, n);
    for (size_t i = 0; i < r->cuts_n; i++) {
        if (memcmp(r->cuts[i].device.b, id->b, sizeof id->b) != 0)
            continue;
        edn_put_bytes(out, r->cuts[i].space.b, sizeof r->cuts[i].space.b);
        edn_put_u64(out, r->cuts[i].dseq);
        edn_put_bytes(out, r->cuts[i].hash.b, sizeof r->cuts[i].hash.b);
    }
}

edn_status edn_link_revoke_rotate(edn_buf *out, const edn_devlog *log, const edn_link_signer *by,
                                  const edn_rotation *rotation)
{
    edn_buf body = EDN_BUF_INIT(LINK_BODY_SIZE_MAX);

    if (rotation->revoked_n > edn_log_kind(is_space(log))->active_max)
        return EDN_E_LIMIT;
    edn_put_u32(&body, (uint32_t)rotation->revoked_n);
    for (size_t i = 0; i < rotation->revoked_n; i++)
        revoked_put(&body, rotation, &rotation->revoked[i]);
    edn_put_u32(&body, rotation->epoch);
    edn_put_bytes(&body, rotation->aek.b, sizeof rotation->aek.b);
    edn_put_bytes(&body, rotation->grants_hash.b, sizeof rotation->grants_hash.b);
    edn_put_bytes(&body, rotation->prev_box_hash.b, sizeof rotation->prev_box_hash.b);
    return build_and_drop(out, log, by, EDN_LINK_REVOKE_ROTATE, &body);
}

edn_status edn_link_set_recovery(edn_buf *out, const edn_devlog *log, const edn_link_signer *by,
                                 const edn_recovery_set *set)
{
    edn_buf body = EDN_BUF_INIT(SMALL_BODY_SIZE_MAX);

    if (set->needed < 1 || set->needed > set->n || set->n > EDN_SHARES_MAX)
        return EDN_E_INVALID;
    edn_put_u8(&body, set->needed);
    edn_put_u8(&body, set->n);
    edn_put_bytes(&body, set->id.b, sizeof set->id.b);
    for (size_t i = 0; i < set->n; i++)
        edn_put_bytes(&body, set->commitments[i].b, sizeof set->commitments[i].b);
    edn_put_bytes(&body, set->box_hash.b, sizeof set->box_hash.b);
    return build_and_drop(out, log, by, EDN_LINK_SET_RECOVERY, &body);
}

static void pins_put(edn_buf *out, const edn_pin *pins, size_t n)
{
    edn_put_u32(out, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        edn_put_bytes(out, pins[i].space.b, sizeof pins[i].space.b);
        edn_put_bytes(out, pins[i].device.b, sizeof pins[i].device.b);
        edn_put_u64(out, pins[i].dseq);
        edn_put_bytes(out, pins[i].hash.b, sizeof pins[i].hash.b);
    }
}

edn_status edn_link_checkpoint(edn_buf *out, const edn_devlog *log, const edn_link_signer *by, const edn_pin *pins,
                               size_t n)
{
    edn_buf body = EDN_BUF_INIT(LINK_BODY_SIZE_MAX);

    if (n > (LINK_BODY_SIZE_MAX - 4) / PIN_SIZE)
        return EDN_E_LIMIT;
    edn_buf_reserve(&body, 4 + n * PIN_SIZE);
    pins_put(&body, pins, n);
    return build_and_drop(out, log, by, EDN_LINK_CHECKPOINT, &body);
}

edn_status edn_link_reseal(edn_buf *out, const edn_devlog *log, const edn_link_signer *by, const edn_pin *bases,
                           size_t n)
{
    edn_buf body = EDN_BUF_INIT(LINK_BODY_SIZE_MAX);

    if (n > (LINK_BODY_SIZE_MAX - 8) / PIN_SIZE)
        return EDN_E_LIMIT;
    edn_buf_reserve(&body, 8 + n * PIN_SIZE);
    edn_put_u32(&body, edn_devlog_epoch(log));
    pins_put(&body, bases, n);
    return build_and_drop(out, log, by, EDN_LINK_RESEAL, &body);
}
