/* Addresses in figures, and which of them this machine has. */
#include "lan_priv.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

bool lan_address_parse(const char *text, uint16_t port, lan_address *out)
{
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &out->a.v4.sin_addr) == 1) {
        out->a.v4.sin_family = AF_INET;
        out->size = sizeof out->a.v4;
    } else if (inet_pton(AF_INET6, text, &out->a.v6.sin6_addr) == 1) {
        out->a.v6.sin6_family = AF_INET6;
        out->size = sizeof out->a.v6;
    } else {
        return false;
    }
    lan_address_set_port(out, port);
    return true;
}

/* 1 to 65535, in figures and nothing else. */
static bool port_parse(const char *text, uint16_t *out)
{
    uint32_t n = 0;

    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9' || p - text >= 5)
            return false;
        n = 10 * n + (uint32_t)(*p - '0');
    }
    *out = (uint16_t)n;
    return n > 0 && n <= 65535;
}

bool lan_address_parse_at(const char *text, lan_address *out)
{
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN + 2];
    size_t n = colon ? (size_t)(colon - text) : 0;
    bool brackets = n >= 2 && text[0] == '[' && text[n - 1] == ']';
    uint16_t port;

    memset(out, 0, sizeof *out);
    if (!colon || n >= sizeof host || !port_parse(colon + 1, &port))
        return false;
    memcpy(host, text + (brackets ? 1 : 0), n - (brackets ? 2 : 0));
    host[n - (brackets ? 2 : 0)] = 0;
    return lan_address_parse(host, port, out) && (out->a.any.sa_family == AF_INET6) == brackets;
}

void lan_address_put(edn_buf *out, const lan_address *a)
{
    char host[INET6_ADDRSTRLEN] = "", text[INET6_ADDRSTRLEN + 16];
    bool v6 = a->a.any.sa_family == AF_INET6;

    (void)inet_ntop(a->a.any.sa_family, v6 ? (const void *)&a->a.v6.sin6_addr : (const void *)&a->a.v4.sin_addr, host,
                    sizeof host); /* of these two families there is nothing that it cannot write */
    snprintf(text, sizeof text, v6 ? "[%s]:%u" : "%s:%u", host, lan_address_port(a));
    edn_put_str(out, text);
}

uint16_t lan_address_port(const lan_address *a)
{
    return ntohs(a->a.any.sa_family == AF_INET6 ? a->a.v6.sin6_port : a->a.v4.sin_port);
}

void lan_address_set_port(lan_address *a, uint16_t port)
{
    if (a->a.any.sa_family == AF_INET6)
        a->a.v6.sin6_port = htons(port);
    else
        a->a.v4.sin_port = htons(port);
}

/* Not this machine's own loop, nor an IPv6 address that means another machine on each network. */
static bool is_reachable(const struct ifaddrs *i, int family)
{
    if (!i->ifa_addr || i->ifa_addr->sa_family != family || !(i->ifa_flags & IFF_UP) || (i->ifa_flags & IFF_LOOPBACK))
        return false;
    return family == AF_INET ||
           !IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr);
}

size_t lan_address_own(lan_address *out, size_t max)
{
    static const int families[] = {AF_INET, AF_INET6};
    struct ifaddrs *all = NULL;
    size_t n = 0;

    if (getifaddrs(&all) != 0)
        return 0;
    for (size_t f = 0; f < EDN_COUNT(families); f++)
        for (const struct ifaddrs *i = all; i && n < max; i = i->ifa_next) {
            if (!is_reachable(i, families[f]))
                continue;
            memset(&out[n], 0, sizeof out[n]);
            out[n].size = families[f] == AF_INET ? sizeof out[n].a.v4 : sizeof out[n].a.v6;
            memcpy(&out[n].a, i->ifa_addr, out[n].size);
            lan_address_set_port(&out[n++], 0);
        }
    freeifaddrs(all);
    return n;
}
