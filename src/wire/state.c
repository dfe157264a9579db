/* What both sides say of a space's state, and of who they are: etags, receipts, names, the login message. */
#include "wire_priv.h"

edn_etag edn_etag_of(const edn_space_id *space, uint64_t log_count, const edn_hash *log_head,
                     const edn_hash *heads_hash, uint64_t recovery)
{
    edn_hash h = recovery ? edn_h32_t(EDN_LABEL_ETAG, EDN_F(*space), EDN_F_U64(log_count), EDN_F(*log_head),
                                      EDN_F(*heads_hash), EDN_F_U64(recovery))
                          : edn_h32_t(EDN_LABEL_ETAG, EDN_F(*space), EDN_F_U64(log_count), EDN_F(*log_head),
                                      EDN_F(*heads_hash));
    edn_etag out;

    memcpy(out.b, h.b, sizeof out.b);
    return out;
}

void edn_receipt_sign(edn_receipt *r, const edn_space_id *space, uint64_t log_count, const edn_hash *log_head,
                      const edn_hash *heads_hash, const edn_sign_sk *sk)
{
    edn_sign_t(&r->sig, sk, EDN_LABEL_SIG_RECEIPT, EDN_F(*space), EDN_F_U64(log_count), EDN_F(*log_head),
               EDN_F(*heads_hash), EDN_F_U64(r->time_ms));
}

bool edn_receipt_verify(const edn_receipt *r, const edn_space_id *space, uint64_t log_count, const edn_hash *log_head,
                        const edn_hash *heads_hash, const edn_sign_pk *pk)
{
    return edn_verify_t(&r->sig, pk, EDN_LABEL_SIG_RECEIPT, EDN_F(*space), EDN_F_U64(log_count), EDN_F(*log_head),
                        EDN_F(*heads_hash), EDN_F_U64(r->time_ms));
}

void edn_cancel_sign(edn_signature *out, const edn_cancel *m, const edn_sign_sk *sk)
{
    edn_sign_t(out, sk, EDN_LABEL_SIG_RECOVERY_CANCEL, EDN_F(m->account), edn_bytes_of(m->set, sizeof m->set),
               EDN_F_U64(m->begun), EDN_F(m->device), EDN_F_U64(m->time_ms));
}

bool edn_cancel_verify(const edn_signature *sig, const edn_cancel *m, const edn_sign_pk *pk)
{
    return edn_verify_t(sig, pk, EDN_LABEL_SIG_RECOVERY_CANCEL, EDN_F(m->account), edn_bytes_of(m->set, sizeof m->set),
                        EDN_F_U64(m->begun), EDN_F(m->device), EDN_F_U64(m->time_ms));
}

edn_hash edn_account_name_hash(edn_bytes name) { return edn_h32_t(EDN_LABEL_ACCOUNT_NAME, name); }

/* The fields of the login message, once for both sides. */
#define LOGIN_FIELDS(m)                                                                                                \
    (m)->origin, EDN_F((m)->account), EDN_F((m)->device), edn_bytes_of((m)->client_nonce, 32),                         \
        edn_bytes_of((m)->server_nonce, 32), edn_bytes_of((m)->channel_binding, 32), EDN_F_U64((m)->server_time),      \
        EDN_F_U64((m)->log_seq), EDN_F((m)->log_head)

void edn_login_sign(edn_signature *out, const edn_login_message *m, const edn_sign_sk *sk)
{
    edn_sign_t(out, sk, EDN_LABEL_SIG_LOGIN, LOGIN_FIELDS(m));
}

bool edn_login_verify(const edn_signature *sig, const edn_login_message *m, const edn_sign_pk *pk)
{
    return edn_verify_t(sig, pk, EDN_LABEL_SIG_LOGIN, LOGIN_FIELDS(m));
}
