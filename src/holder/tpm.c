/* TPM 2.0 (through tpm2-tss): the secret is sealed in an object under the storage key of this machine's TPM, with the
 * PIN as its password. The TPM itself counts wrong PINs and stops answering (dictionary attack protection). Sessions
 * are salted with the storage key and encrypt their parameters, so that neither secret nor PIN is seen on the bus.
 *
 * place = TPM2B_PUBLIC ‖ TPM2B_PRIVATE of the object, as the TPM marshals them. */
#include "holder/holder.h"

#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>
#include <tss2/tss2_tctildr.h>

#include "base/base.h"

enum { PIN_SIZE_MIN = 4, PIN_SIZE_MAX = 32 };

static const TPMT_SYM_DEF bus_cipher = {.algorithm = TPM2_ALG_AES,
                                        .keyBits = {.aes = 128},
                                        .mode = {.aes = TPM2_ALG_CFB}};

/* The TCG's template of an elliptic storage key: the same TPM makes the same key each time, and nothing is kept. */
static const TPM2B_PUBLIC storage_template = {
    .publicArea = {
        .type = TPM2_ALG_ECC,
        .nameAlg = TPM2_ALG_SHA256,
        .objectAttributes = TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT |
                            TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                            TPMA_OBJECT_NODA,
        .parameters.eccDetail = {.symmetric = {.algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB},
                                 .scheme = {.scheme = TPM2_ALG_NULL},
                                 .curveID = TPM2_ECC_NIST_P256,
                                 .kdf = {.scheme = TPM2_ALG_NULL}},
    }};

/* Not NODA: wrong PINs count. */
static const TPM2B_PUBLIC sealed_template = {
    .publicArea = {
        .type = TPM2_ALG_KEYEDHASH,
        .nameAlg = TPM2_ALG_SHA256,
        .objectAttributes = TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT,
        .parameters.keyedHashDetail.scheme = {.scheme = TPM2_ALG_NULL},
    }};

typedef struct tpm {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
    ESYS_TR storage, session;
} tpm;

static edn_status tpm_fail(edn_err *err, TSS2_RC rc)
{
    TSS2_RC code = rc & 0xffff;
    TSS2_RC format_one = code & TPM2_RC_FMT1 ? code & (TPM2_RC_FMT1 | 0x3f) : code;

    if (format_one == TPM2_RC_AUTH_FAIL || format_one == TPM2_RC_BAD_AUTH)
        return edn_fail(err, EDN_E_PASSPHRASE, "wrong PIN");
    if (code == TPM2_RC_LOCKOUT)
        return edn_fail(err, EDN_E_RATE,
                        "the TPM has seen too many wrong PINs and answers none for a while; unlock by the passphrase");
    if (format_one == TPM2_RC_INTEGRITY || format_one == TPM2_RC_SIZE || format_one == TPM2_RC_TYPE)
        return edn_fail(
            err, EDN_E_AUTH,
            "this TPM did not make the slot (another machine, or it was cleared); unlock by the passphrase, "
            "then remove the slot and add it again");
    return edn_fail(err, EDN_E_IO, "the TPM refused: %s", Tss2_RC_Decode(rc));
}

static void tpm_close(tpm *t)
{
    if (t->esys && t->session != ESYS_TR_NONE)
        Esys_FlushContext(t->esys, t->session);
    if (t->esys && t->storage != ESYS_TR_NONE)
        Esys_FlushContext(t->esys, t->storage);
    if (t->esys)
        Esys_Finalize(&t->esys);
    if (t->tcti)
        Tss2_TctiLdr_Finalize(&t->tcti);
}

static TSS2_RC storage_make(tpm *t)
{
    static const TPM2B_SENSITIVE_CREATE no_secret = {0};
    static const TPM2B_DATA no_data = {0};
    static const TPML_PCR_SELECTION no_pcr = {0};

    return Esys_CreatePrimary(t->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &no_secret,
                              &storage_template, &no_data, &no_pcr, &t->storage, NULL, NULL, NULL, NULL);
}

static TSS2_RC session_start(tpm *t)
{
    TSS2_RC rc = Esys_StartAuthSession(t->esys, t->storage, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                       NULL, TPM2_SE_HMAC, &bus_cipher, TPM2_ALG_SHA256, &t->session);
    TPMA_SESSION how = TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT | TPMA_SESSION_CONTINUESESSION;

    return rc == TSS2_RC_SUCCESS ? Esys_TRSess_SetAttributes(t->esys, t->session, how, 0xff) : rc;
}

/* EDN_TPM names another way to a TPM, as tpm2-tss writes it ("swtpm:port=2321"). */
static edn_status tpm_open(tpm *t, edn_err *err)
{
    TSS2_RC rc;

    *t = (tpm){.storage = ESYS_TR_NONE, .session = ESYS_TR_NONE};
    setenv("TSS2_LOG", "all+NONE", 0); /* the library would write to standard error */
    if (Tss2_TctiLdr_Initialize(getenv("EDN_TPM"), &t->tcti) != TSS2_RC_SUCCESS ||
        Esys_Initialize(&t->esys, t->tcti, NULL) != TSS2_RC_SUCCESS)
        return edn_fail(err, EDN_E_MISSING,
                        "there is no TPM here, or this user may not use it (group tss); unlock by the passphrase");
    if ((rc = storage_make(t)) != TSS2_RC_SUCCESS || (rc = session_start(t)) != TSS2_RC_SUCCESS)
        return tpm_fail(err, rc);
    return EDN_OK;
}

static bool put_object(edn_buf *place, const TPM2B_PUBLIC *pub, const TPM2B_PRIVATE *priv)
{
    uint8_t bytes[sizeof *pub + sizeof *priv];
    size_t n = 0;

    if (Tss2_MU_TPM2B_PUBLIC_Marshal(pub, bytes, sizeof bytes, &n) != TSS2_RC_SUCCESS ||
        Tss2_MU_TPM2B_PRIVATE_Marshal(priv, bytes, sizeof bytes, &n) != TSS2_RC_SUCCESS)
        return false;
    edn_put_bytes(place, bytes, n);
    return edn_buf_status(place) == EDN_OK;
}

static edn_status seal_object(tpm *t, edn_bytes pin, const uint8_t *secret, edn_buf *place, edn_err *err)
{
    static const TPM2B_DATA no_data = {0};
    static const TPML_PCR_SELECTION no_pcr = {0};
    TPM2B_SENSITIVE_CREATE in = {0};
    TPM2B_PRIVATE *priv = NULL;
    TPM2B_PUBLIC *pub = NULL;
    TSS2_RC rc;
    bool put;

    in.sensitive.userAuth.size = (UINT16)pin.n;
    memcpy(in.sensitive.userAuth.buffer, pin.p, pin.n);
    in.sensitive.data.size = EDN_HELD_SECRET_SIZE;
    memcpy(in.sensitive.data.buffer, secret, EDN_HELD_SECRET_SIZE);
    rc = Esys_Create(t->esys, t->storage, t->session, ESYS_TR_NONE, ESYS_TR_NONE, &in, &sealed_template, &no_data,
                     &no_pcr, &priv, &pub, NULL, NULL, NULL);
    explicit_bzero(&in, sizeof in);
    if (rc != TSS2_RC_SUCCESS)
        return tpm_fail(err, rc);
    put = put_object(place, pub, priv);
    Esys_Free(pub);
    Esys_Free(priv);
    return put ? EDN_OK : edn_fail(err, EDN_E_NOMEM, "out of memory");
}

static edn_status tpm_keep(const uint8_t id[16], edn_bytes pin, uint8_t secret[EDN_HELD_SECRET_SIZE], edn_buf *place,
                           edn_err *err)
{
    edn_status st;
    tpm t;

    (void)id;
    if (pin.n < PIN_SIZE_MIN || pin.n > PIN_SIZE_MAX)
        return edn_fail(err, EDN_E_INVALID, "a PIN for the TPM has %d to %d bytes", PIN_SIZE_MIN, PIN_SIZE_MAX);
    st = tpm_open(&t, err);
    if (st == EDN_OK)
        st = seal_object(&t, pin, secret, place, err);
    tpm_close(&t);
    return st;
}

static bool get_object(edn_bytes place, TPM2B_PUBLIC *pub, TPM2B_PRIVATE *priv)
{
    size_t at = 0;

    return Tss2_MU_TPM2B_PUBLIC_Unmarshal(place.p, place.n, &at, pub) == TSS2_RC_SUCCESS &&
           Tss2_MU_TPM2B_PRIVATE_Unmarshal(place.p, place.n, &at, priv) == TSS2_RC_SUCCESS && at == place.n;
}

static TSS2_RC unseal_object(tpm *t, edn_bytes pin, const TPM2B_PUBLIC *pub, const TPM2B_PRIVATE *priv,
                             TPM2B_SENSITIVE_DATA **out)
{
    TPM2B_AUTH auth = {.size = (UINT16)pin.n};
    ESYS_TR object = ESYS_TR_NONE;
    TSS2_RC rc = Esys_Load(t->esys, t->storage, t->session, ESYS_TR_NONE, ESYS_TR_NONE, priv, pub, &object);

    if (rc != TSS2_RC_SUCCESS)
        return rc;
    memcpy(auth.buffer, pin.p, pin.n);
    rc = Esys_TR_SetAuth(t->esys, object, &auth);
    explicit_bzero(&auth, sizeof auth);
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_Unseal(t->esys, object, t->session, ESYS_TR_NONE, ESYS_TR_NONE, out);
    Esys_FlushContext(t->esys, object);
    return rc;
}

static edn_status tpm_give(const uint8_t id[16], edn_bytes pin, edn_bytes place, uint8_t secret[EDN_HELD_SECRET_SIZE],
                           edn_err *err)
{
    TPM2B_PUBLIC pub = {0};
    TPM2B_PRIVATE priv = {0};
    TPM2B_SENSITIVE_DATA *data = NULL;
    edn_status st;
    TSS2_RC rc;
    tpm t;

    (void)id;
    if (pin.n > PIN_SIZE_MAX)
        return edn_fail(err, EDN_E_PASSPHRASE, "wrong PIN");
    if (!get_object(place, &pub, &priv))
        return edn_fail(err, EDN_E_AUTH, "the slot is damaged; unlock by the passphrase");
    if ((st = tpm_open(&t, err)) == EDN_OK) {
        rc = unseal_object(&t, pin, &pub, &priv, &data);
        if (rc != TSS2_RC_SUCCESS)
            st = tpm_fail(err, rc);
        else if (data->size != EDN_HELD_SECRET_SIZE)
            st = edn_fail(err, EDN_E_AUTH, "the slot is damaged; unlock by the passphrase");
        else
            memcpy(secret, data->buffer, EDN_HELD_SECRET_SIZE);
    }
    if (data)
        explicit_bzero(data, sizeof *data);
    Esys_Free(data);
    tpm_close(&t);
    return st;
}

__attribute__((visibility("default"))) const edn_holder edn_holder_module = {
    .name = "tpm",
    .kind = 3,
    .title = "the TPM of this machine",
    .pin = true,
    .keep = tpm_keep,
    .give = tpm_give,
};
