/* config: what the operator chose. One table of options makes the flags, the environment (EDND_NAME), the file
 * (`name = value`), --help and the manual page. */
#ifndef EDN_SERVER_CONFIG_H
#define EDN_SERVER_CONFIG_H

#include "server/http.h"

#include <stdio.h>

typedef struct ednd_config {
    char *config, *data, *listen, *origin, *tls_cert, *tls_key; /* "" when not given */
    bool behind_proxy, sign_up, log_requests, help, man, version;
    edn_server_limits limits;
    edn_httpd_config http;
} ednd_config;

/* Defaults, then the file, then the environment, then the flags: the later wins. EDN_E_INVALID: something is no option,
 * or no value of it; `err` says which and where. The result is the caller's to dispose of in either case. */
EDN_MUST_USE edn_status ednd_config_read(ednd_config *out, int argc, char **argv, edn_err *err);
void ednd_config_dispose(ednd_config *c);
void ednd_config_help(FILE *to);
/* The manual page, ednd(8). */
void ednd_config_man(FILE *to);

#endif
