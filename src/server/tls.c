/* The certificate and its key, which may be renewed while the server runs: connections that are there keep what they
 * began with, new ones get the newest. */
#include "http_priv.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>

struct tls_identity {
    gnutls_certificate_credentials_t credentials;
    size_t users; /* connections */
    struct tls_identity *older;
};

edn_status edn_pem_read(const char *path, char **out, edn_err *err)
{
    edn_buf b = EDN_BUF_INIT(1u << 20);
    FILE *f = fopen(path, "re");
    char part[4096];
    size_t n;

    *out = NULL;
    if (!f)
        return edn_fail(err, EDN_E_TLS, "%s: %s", path, strerror(errno));
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        edn_put_bytes(&b, part, n);
    edn_put_u8(&b, 0);
    edn_wipe(part, sizeof part);
    if (ferror(f) || edn_buf_status(&b) != EDN_OK) {
        (void)fclose(f);
        edn_buf_wipe(&b);
        return edn_fail(err, EDN_E_TLS, "%s cannot be read", path);
    }
    (void)fclose(f); /* read only */
    *out = (char *)(uintptr_t)edn_buf_take(&b).p;
    return EDN_OK;
}

void edn_pem_free(char *pem)
{
    if (pem)
        edn_wipe(pem, strlen(pem));
    free(pem);
}

static gnutls_datum_t datum_of(char *text)
{
    EDN_ASSERT(text);
    return (gnutls_datum_t){(unsigned char *)text, (unsigned)strlen(text)};
}

edn_status edn_tls_load(edn_httpd *h, edn_err *err)
{
    const edn_httpd_config *f = &h->config;
    tls_identity *t = calloc(1, sizeof *t);
    char *cert = NULL, *key = NULL;
    edn_status st = EDN_E_NOMEM;
    gnutls_datum_t c, k;

    if (!t)
        return edn_fail(err, st, "out of memory");
    if (gnutls_certificate_allocate_credentials(&t->credentials) != 0) {
        free(t);
        return edn_fail(err, st, "out of memory");
    }
    if ((st = edn_pem_read(f->tls_cert, &cert, err)) == EDN_OK &&
        (st = edn_pem_read(f->tls_key, &key, err)) == EDN_OK) {
        c = datum_of(cert);
        k = datum_of(key);
        if (gnutls_certificate_set_x509_key_mem2(t->credentials, &c, &k, GNUTLS_X509_FMT_PEM, NULL, 0) < 0)
            st = edn_fail(err, EDN_E_TLS, "%s and %s are not a certificate and its key", f->tls_cert, f->tls_key);
    }
    edn_pem_free(cert);
    edn_pem_free(key);
    if (st != EDN_OK) {
        gnutls_certificate_free_credentials(t->credentials);
        free(t);
        return st;
    }
    t->older = h->tls;
    h->tls = t;
    return EDN_OK;
}

void edn_tls_begin(edn_httpd *h, conn *c)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(c->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);

    if (!h->tls || !info || !info->tls_session ||
        gnutls_credentials_set(info->tls_session, GNUTLS_CRD_CERTIFICATE, h->tls->credentials) != 0)
        return; /* it goes on with the certificate of the start */
    c->tls = h->tls;
    c->tls->users++;
}

void edn_tls_end(conn *c)
{
    if (c->tls)
        c->tls->users--;
}

void edn_tls_sweep(edn_httpd *h)
{
    if (!h->tls)
        return;
    for (tls_identity **at = &h->tls->older; *at;) {
        tls_identity *t = *at;
        if (t->users > 0) {
            at = &t->older;
            continue;
        }
        *at = t->older;
        gnutls_certificate_free_credentials(t->credentials);
        free(t);
    }
}

void edn_tls_dispose(edn_httpd *h)
{
    for (tls_identity *t = h->tls, *older; t; t = older) {
        older = t->older;
        gnutls_certificate_free_credentials(t->credentials);
        free(t);
    }
    h->tls = NULL;
}
