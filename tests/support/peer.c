#define _GNU_SOURCE /* memmem */
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct peer {
    const peer_answer *answers;
    size_t answers_n, next;
    const peer_tls *tls;
    gnutls_certificate_credentials_t credentials;
    int listener, wake[2];
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t mutex;
    edn_buf heard;
    uint64_t said;
    unsigned connections;
    bool bound;
    uint8_t binding[32];
};

typedef struct line {
    peer *p;
    int fd;
    gnutls_session_t session; /* NULL: no TLS */
} line;

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
        abort();
    }
}

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

/* False when the peer is to stop. */
static bool wait_for(const peer *p, int fd, int timeout_ms)
{
    struct pollfd fds[2] = {{.fd = p->wake[0], .events = POLLIN}, {.fd = fd, .events = POLLIN}};

    (void)poll(fds, fd < 0 ? 1 : 2, timeout_ms); /* interrupted: looked at again by whoever waits */
    return !fds[0].revents;
}

static ssize_t receive(line *l, void *to, size_t n)
{
    if (!l->session)
        return recv(l->fd, to, n, 0);
    for (;;) {
        ssize_t got = gnutls_record_recv(l->session, to, n);
        if (got != GNUTLS_E_AGAIN && got != GNUTLS_E_INTERRUPTED)
            return got;
    }
}

static void count_said(peer *p, int64_t n)
{
    pthread_mutex_lock(&p->mutex);
    p->said += (uint64_t)n;
    pthread_mutex_unlock(&p->mutex);
}

/* Counted before it goes: once the other side has it, the count is right. */
static bool say(line *l, const char *s, size_t n)
{
    count_said(l->p, (int64_t)n);
    while (n) {
        ssize_t sent = l->session ? gnutls_record_send(l->session, s, n) : send(l->fd, s, n, MSG_NOSIGNAL);
        if (sent <= 0) {
            count_said(l->p, -(int64_t)n);
            return false;
        }
        s += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* The bytes that a request with this head still owes; -1 when the head is not all there. */
static ssize_t body_owed(edn_bytes rq)
{
    const char *end = memmem(rq.p, rq.n, "\r\n\r\n", 4), *s = (const char *)rq.p;
    size_t length = 0, have;

    if (!end)
        return -1;
    for (const char *h = s; h < end; h++)
        if ((h == s || h[-1] == '\n') && strncasecmp(h, "content-length:", 15) == 0)
            length = strtoul(h + 15, NULL, 10);
    have = rq.n - (size_t)(end + 4 - s);
    return length > have ? (ssize_t)(length - have) : 0;
}

/* One request, added to p->heard; false when the other side went away, or the peer is to stop. */
static bool hear(line *l)
{
    edn_buf rq = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    uint8_t piece[16384];
    bool whole = false;

    while (!whole) {
        bool pending = l->session && gnutls_record_check_pending(l->session) > 0;
        if (!pending && !wait_for(l->p, l->fd, -1))
            break;
        ssize_t got = receive(l, piece, sizeof piece);
        if (got <= 0)
            break;
        edn_put_bytes(&rq, piece, (size_t)got);
        whole = body_owed(edn_buf_view(&rq)) == 0;
    }
    pthread_mutex_lock(&l->p->mutex);
    edn_put_bytes(&l->p->heard, rq.p, rq.n);
    pthread_mutex_unlock(&l->p->mutex);
    edn_buf_dispose(&rq);
    return whole;
}

static bool say_answer(line *l, const peer_answer *a)
{
    size_t n = strlen(a->text), piece = a->piece ? a->piece : n;
    bool ok = true;

    for (size_t at = 0; at < n && ok; at += piece) {
        if (at && a->pause_ms && !wait_for(l->p, -1, (int)a->pause_ms))
            return false;
        ok = say(l, a->text + at, EDN_MIN(piece, n - at));
    }
    while (ok && a->after == PEER_FLOOD && wait_for(l->p, -1, 0))
        ok = say(l, a->more, strlen(a->more));
    return ok;
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

static void note_binding(line *l)
{
    gnutls_datum_t cb = {NULL, 0};

    if (gnutls_session_channel_binding(l->session, GNUTLS_CB_TLS_EXPORTER, &cb) != 0)
        return;
    pthread_mutex_lock(&l->p->mutex);
    l->p->bound = cb.size == 32;
    if (l->p->bound)
        memcpy(l->p->binding, cb.data, 32);
    pthread_mutex_unlock(&l->p->mutex);
    gnutls_free(cb.data);
}

static bool begin_tls(line *l)
{
    const peer_tls *t = l->p->tls;
    int rc;

    if (!t)
        return true;
    must(gnutls_init(&l->session, GNUTLS_SERVER) == 0, "TLS session");
    must(gnutls_priority_set_direct(l->session, t->priority ? t->priority : "NORMAL", NULL) == 0, "TLS priorities");
    gnutls_credentials_set(l->session, GNUTLS_CRD_CERTIFICATE, l->p->credentials);
    gnutls_transport_set_int(l->session, l->fd);
    gnutls_handshake_set_timeout(l->session, 5000);
    do
        rc = gnutls_handshake(l->session);
    while (rc < 0 && !gnutls_error_is_fatal(rc));
    if (rc == 0)
        note_binding(l);
    return rc == 0;
}

static void serve(line *l)
{
    peer *p = l->p;
    bool on = begin_tls(l);

    while (on && p->next < p->answers_n) {
        const peer_answer *a = &p->answers[p->next];
        if (!a->early && !hear(l))
            break;
        p->next++;
        on = say_answer(l, a) && a->after == PEER_KEEP;
        if (a->after == PEER_HANG)
            (void)wait_for(p, -1, -1); /* until the end */
        if (a->after == PEER_CUT) {
            struct linger hard = {1, 0};
            (void)setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard); /* or else it is a plain close */
            return;
        }
    }
    if (l->session)
        (void)gnutls_bye(l->session, GNUTLS_SHUT_WR); /* the other side may be gone */
}

static void *run(void *ctx)
{
    peer *p = ctx;

    while (p->next < p->answers_n && wait_for(p, p->listener, -1)) {
        line l = {.p = p, .fd = accept(p->listener, NULL, NULL)};
        if (l.fd < 0)
            continue;
        pthread_mutex_lock(&p->mutex);
        p->connections++;
        pthread_mutex_unlock(&p->mutex);
        serve(&l);
        if (l.session)
            gnutls_deinit(l.session);
        close(l.fd);
    }
    shutdown(p->listener, SHUT_RDWR);
    return NULL;
}

peer *peer_start(const peer_answer *answers, size_t n, const peer_tls *tls)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t at_n = sizeof at;
    peer *p = calloc(1, sizeof *p);

    must(p, "memory");
    *p = (peer){.answers = answers, .answers_n = n, .tls = tls, .heard = EDN_BUF_INIT(EDN_BUF_UNLIMITED)};
    if (tls) {
        must(gnutls_certificate_allocate_credentials(&p->credentials) == 0, "TLS credentials");
        must(gnutls_certificate_set_x509_key_file(p->credentials, tls->cert_file, tls->key_file, GNUTLS_X509_FMT_PEM) >=
                 0,
             "TLS certificate");
    }
    p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(p->listener >= 0 && bind(p->listener, (struct sockaddr *)&at, sizeof at) == 0 &&
             listen(p->listener, 16) == 0 && getsockname(p->listener, (struct sockaddr *)&at, &at_n) == 0 &&
             pipe(p->wake) == 0,
         "listening");
    p->port = ntohs(at.sin_port);
    pthread_mutex_init(&p->mutex, NULL);
    must(pthread_create(&p->thread, NULL, run, p) == 0, "thread");
    return p;
}

void peer_stop(peer *p)
{
    must(write(p->wake[1], "", 1) == 1, "stopping");
    pthread_join(p->thread, NULL);
    close(p->listener);
    close(p->wake[0]);
    close(p->wake[1]);
    if (p->credentials)
        gnutls_certificate_free_credentials(p->credentials);
    edn_buf_dispose(&p->heard);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

uint16_t peer_port(const peer *p) { return p->port; }

edn_bytes peer_heard(peer *p)
{
    edn_bytes heard;

    pthread_mutex_lock(&p->mutex);
    heard = edn_buf_view(&p->heard);
    pthread_mutex_unlock(&p->mutex);
    return heard;
}

uint64_t peer_said(peer *p)
{
    uint64_t said;

    pthread_mutex_lock(&p->mutex);
    said = p->said;
    pthread_mutex_unlock(&p->mutex);
    return said;
}

unsigned peer_connections(peer *p)
{
    unsigned n;

    pthread_mutex_lock(&p->mutex);
    n = p->connections;
    pthread_mutex_unlock(&p->mutex);
    return n;
}

bool peer_binding(peer *p, uint8_t out[32])
{
    bool bound;

    pthread_mutex_lock(&p->mutex);
    memcpy(out, p->binding, 32);
    bound = p->bound;
    pthread_mutex_unlock(&p->mutex);
    return bound;
}

/* ---- certificates ------------------------------------------------------------------------------------------------ */

static void write_pem(const char *dir, const char *name, const char *suffix, const gnutls_datum_t *pem)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s%s", dir, name, suffix);
    f = fopen(path, "wb");
    must(f && fwrite(pem->data, 1, pem->size, f) == pem->size && fclose(f) == 0, path);
}

static void load_pem(const char *dir, const char *name, const char *suffix, gnutls_datum_t *pem)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s%s", dir, name, suffix);
    must(gnutls_load_file(path, pem) == 0, path);
}

static void set_host(gnutls_x509_crt_t crt, const char *host)
{
    uint8_t address[16];
    int rc;

    if (inet_pton(AF_INET, host, address) == 1)
        rc = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, address, 4, GNUTLS_FSAN_SET);
    else
        rc = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, host, (unsigned)strlen(host),
                                                  GNUTLS_FSAN_SET);
    must(rc == 0, "certificate's host");
}

static void sign(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *dir, const char *issuer)
{
    gnutls_x509_privkey_t issuer_key;
    gnutls_x509_crt_t issuer_crt;
    gnutls_datum_t pem;

    if (!issuer) {
        must(gnutls_x509_crt_set_basic_constraints(crt, 1, 0) == 0 &&
                 gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_DIGITAL_SIGNATURE) == 0 &&
                 gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0) == 0,
             "authority");
        return;
    }
    gnutls_x509_crt_init(&issuer_crt);
    gnutls_x509_privkey_init(&issuer_key);
    load_pem(dir, issuer, ".pem", &pem);
    must(gnutls_x509_crt_import(issuer_crt, &pem, GNUTLS_X509_FMT_PEM) == 0, "issuer");
    gnutls_free(pem.data);
    load_pem(dir, issuer, ".key", &pem);
    must(gnutls_x509_privkey_import(issuer_key, &pem, GNUTLS_X509_FMT_PEM) == 0, "issuer's key");
    gnutls_free(pem.data);
    must(gnutls_x509_crt_sign2(crt, issuer_crt, issuer_key, GNUTLS_DIG_SHA256, 0) == 0, "signature");
    gnutls_x509_crt_deinit(issuer_crt);
    gnutls_x509_privkey_deinit(issuer_key);
}

void peer_certificate(const char *dir, const char *name, const char *issuer, const char *host, int days)
{
    time_t now = time(NULL);
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
    gnutls_datum_t pem;
    uint8_t serial = (uint8_t)(1 + strlen(name));

    gnutls_x509_privkey_init(&key);
    gnutls_x509_crt_init(&crt);
    must(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) == 0 &&
             gnutls_x509_crt_set_key(crt, key) == 0 && gnutls_x509_crt_set_version(crt, 3) == 0 &&
             gnutls_x509_crt_set_serial(crt, &serial, 1) == 0 &&
             gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name)) == 0 &&
             gnutls_x509_crt_set_activation_time(crt, now - 2 * 86400) == 0 &&
             gnutls_x509_crt_set_expiration_time(crt, now + days * 86400) == 0,
         "certificate");
    set_host(crt, host);
    sign(crt, key, dir, issuer);
    must(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem) == 0, "export");
    write_pem(dir, name, ".pem", &pem);
    gnutls_free(pem.data);
    must(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem) == 0, "export");
    write_pem(dir, name, ".key", &pem);
    gnutls_free(pem.data);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
}
