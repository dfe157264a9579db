/* http: ednd's edge. HTTP/1.1 (RFC 9112), TLS 1.3 when it has a certificate, and server-sent events, around edn_server.
 * The only file that knows an HTTP library. */
#ifndef EDN_SERVER_HTTP_H
#define EDN_SERVER_HTTP_H

#include "server/server.h"

typedef struct edn_httpd_config {
    const char *listen;             /* "ADDRESS:PORT", "[ADDRESS]:PORT"; port 0: any that is free */
    const char *tls_cert, *tls_key; /* PEM files; both or neither */
    bool behind_proxy;              /* TLS ends at a proxy, which names the client in X-Forwarded-For */
    uint32_t connections_max, connections_per_address, backlog;
    uint32_t streams_per_device; /* 0: no limit */
    uint32_t header_size_max, header_fields_max, header_s;
    uint32_t body_rate_min, body_grace_s; /* bytes a second, once the grace is over */
    uint32_t idle_s, request_s, upload_s; /* upload_s: of requests or answers above 64 KiB */
    size_t body_memory_max;               /* of all bodies that are being received */
    uint32_t events_s;                    /* between two signs of life in a stream, at most 60 */
    bool log_requests;                    /* a line each on standard error, with no ids and no bodies */
    int reload_fd;                        /* readable: read certificate and key again (a signalfd); -1: none */
} edn_httpd_config;

edn_httpd_config edn_httpd_config_default(void);

typedef struct edn_httpd edn_httpd;

/* A listening socket, before anything else is opened: its port is part of the origin. EDN_E_INVALID: an address that is
 * none, or one beyond loopback with neither TLS nor a proxy in front; EDN_E_BUSY: the port is taken; EDN_E_IO. */
EDN_MUST_USE edn_status edn_httpd_listen(const edn_httpd_config *config, int *fd, uint16_t *port, edn_err *err);
/* Takes `fd` on success; borrows the core. EDN_E_TLS: the certificate or key is not good. */
EDN_MUST_USE edn_status edn_httpd_new(const edn_httpd_config *config, int fd, edn_server *core, edn_httpd **out,
                                      edn_err *err);
void edn_httpd_free(edn_httpd *h);
/* Serves until `stop_fd` becomes readable; then takes no more connections, answers what it has, and returns. */
EDN_MUST_USE edn_status edn_httpd_run(edn_httpd *h, int stop_fd, edn_err *err);

#endif
