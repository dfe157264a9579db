#include "http_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static bool address_parse(const char *text, address *out, socklen_t *n)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    size_t host_n = colon ? (size_t)(colon - text) : 0;
    char *end;
    unsigned long port;

    memset(out, 0, sizeof *out);
    if (!colon || host_n == 0 || host_n >= sizeof host || colon[1] < '0' || colon[1] > '9')
        return false;
    port = strtoul(colon + 1, &end, 10);
    if (*end || port > 65535)
        return false;
    memcpy(host, text, host_n);
    host[host_n] = 0;
    if (host[0] == '[' && host[host_n - 1] == ']') {
        host[host_n - 1] = 0;
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons((uint16_t)port);
        *n = sizeof out->v6;
        return inet_pton(AF_INET6, host + 1, &out->v6.sin6_addr) == 1;
    }
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons((uint16_t)port);
    *n = sizeof out->v4;
    return inet_pton(AF_INET, host, &out->v4.sin_addr) == 1;
}

bool edn_address_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
    return a->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

uint8_t edn_address_key(const struct sockaddr *a, uint8_t out[16])
{
    if (a->sa_family == AF_INET) {
        memcpy(out, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
        return 4;
    }
    if (a->sa_family == AF_INET6) {
        const uint8_t *b = ((const struct sockaddr_in6 *)(const void *)a)->sin6_addr.s6_addr;
        if (IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr)) {
            memcpy(out, b + 12, 4);
            return 4;
        }
        memcpy(out, b, 8);
        return 8;
    }
    return 0;
}

uint32_t edn_conn_bytes(int fd)
{
    struct tcp_info info = {0};
    socklen_t n = sizeof info;

    /* 0 for every call on a kernel that does not count: then a later head has the idle time. */
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0 ? (uint32_t)info.tcpi_bytes_received : 0;
}

/* A client that goes without a word: what is sent to it is given up after two signs of life in a stream, and not after
 * a quarter of an hour. Connections inherit both from their listener. */
static void notice_the_lost(int fd, uint32_t events_s)
{
    int on = 1, ms = (int)(2 * events_s * 1000);

    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on); /* without them it only takes longer */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
}

edn_status edn_httpd_listen(const edn_httpd_config *config, int *fd, uint16_t *port, edn_err *err)
{
    address a;
    socklen_t n = 0;
    int on = 1, e;

    *fd = -1;
    if (!address_parse(config->listen, &a, &n))
        return edn_fail(err, EDN_E_INVALID, "listen = %s: not ADDRESS:PORT (as in 127.0.0.1:8437 or [::1]:8437)",
                        config->listen);
    if (!edn_address_loopback(&a.any) && !config->tls_cert && !config->behind_proxy)
        return edn_fail(
            err, EDN_E_INVALID,
            "listen = %s reaches beyond this machine: give tls-cert and tls-key, or say behind-proxy when TLS ends "
            "at a proxy in front",
            config->listen);
    *fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0)
        return edn_fail(err, EDN_E_IO, "socket: %s", strerror(errno));
    notice_the_lost(*fd, config->events_s);
    if (setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 || bind(*fd, &a.any, n) != 0 ||
        listen(*fd, (int)config->backlog) != 0 || getsockname(*fd, &a.any, &n) != 0) {
        e = errno;
        (void)close(*fd); /* nothing was written to it */
        *fd = -1;
        return edn_fail(err, e == EADDRINUSE ? EDN_E_BUSY : EDN_E_IO, "listen = %s: %s", config->listen, strerror(e));
    }
    *port = ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
    return EDN_OK;
}
