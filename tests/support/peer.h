/* peer: the other end of a connection, with a script: a small server on loopback that says what it is told to, badly if
 * need be, and remembers what it was asked. With certificates of its own making, so TLS can go wrong in every way. */
#ifndef EDN_TESTS_PEER_H
#define EDN_TESTS_PEER_H

#include "base/base.h"

typedef struct peer peer;

typedef enum peer_after {
    PEER_KEEP,  /* waits for the next request on this connection */
    PEER_CLOSE, /* closes it in an orderly way */
    PEER_CUT,   /* closes the socket below TLS, or with a reset */
    PEER_HANG,  /* says nothing more until the peer is stopped */
    PEER_FLOOD, /* says `more` over and over until the other side goes away */
} peer_after;

typedef struct peer_answer {
    const char *text;
    peer_after after;
    size_t piece;      /* sent in pieces of this size (0: at once) */
    uint32_t pause_ms; /* between pieces */
    bool early;        /* does not wait for a request */
    const char *more;
} peer_answer;

typedef struct peer_tls {
    const char *cert_file, *key_file;
    const char *priority; /* NULL: GnuTLS's */
} peer_tls;

/* Answers request i with answers[i], over as many connections as it takes. `answers` and `tls` (NULL: none) must
 * outlive it. After the last answer, connections are refused. */
peer *peer_start(const peer_answer *answers, size_t n, const peer_tls *tls);
void peer_stop(peer *p);
uint16_t peer_port(const peer *p);

/* To be asked after the other side has its answer. Bytes are borrowed until the next request comes. */
edn_bytes peer_heard(peer *p);               /* all bytes of all requests, above TLS */
uint64_t peer_said(peer *p);                 /* bytes of all answers, above TLS */
unsigned peer_connections(peer *p);          /* that came about */
bool peer_binding(peer *p, uint8_t out[32]); /* RFC 9266, of the last connection */

/* Writes a new key and a certificate for it as PEM files. `issuer` names the files of who signs ("X" for X.pem and
 * X.key), NULL: itself, as an authority. `host` is a DNS name or an address. Valid from two days before now until
 * `days` from now. */
void peer_certificate(const char *dir, const char *name, const char *issuer, const char *host, int days);

#endif
