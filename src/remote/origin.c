/* Origins. What a person types is checked by rules of our own before any library sees it, so that "http://127.1", a
 * host with a user name in front of it, or one that only looks like loopback cannot mean something else further
 * down. */
#include "remote_priv.h"

#include <arpa/inet.h>
#include <stdio.h>

#define HOST_SIZE_MAX 253u

typedef struct origin_parts {
    bool tls;
    bool brackets; /* an IPv6 address */
    char host[HOST_SIZE_MAX + 1];
    uint32_t port;
} origin_parts;

bool origin_is_plain(const char *origin) { return strncmp(origin, "http:", 5) == 0; }

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Moves *s behind `prefix`, in whatever case it is written. */
static bool skip_prefix(const char **s, const char *prefix)
{
    size_t n = strlen(prefix);

    for (size_t i = 0; i < n; i++)
        if (lower((*s)[i]) != prefix[i])
            return false;
    *s += n;
    return true;
}

/* Letters, digits, - and _ in labels of 1 to 63, with dots between them. */
static bool host_is_name(const char *host)
{
    size_t label = 0;

    for (const char *p = host; *p; p++) {
        if (*p == '.') {
            if (label == 0)
                return false;
            label = 0;
            continue;
        }
        if (!is_digit(*p) && !(*p >= 'a' && *p <= 'z') && *p != '-' && *p != '_')
            return false;
        if (++label > 63)
            return false;
    }
    return label > 0;
}

/* A host whose last label begins with a digit is meant as an IPv4 address: then all of it must be one, in four decimal
 * numbers. (Resolvers also take "127.1", "2130706433" and "0x7f.1".) */
static bool host_is_sane(const char *host, bool *loopback)
{
    const char *last = strrchr(host, '.');
    struct in_addr a;

    *loopback = strcmp(host, "localhost") == 0;
    if (!is_digit(*(last ? last + 1 : host)))
        return true;
    if (inet_pton(AF_INET, host, &a) != 1)
        return false;
    *loopback = (ntohl(a.s_addr) >> 24) == 127;
    return true;
}

/* Reads "[address]"; the address is written anew in its shortest form. */
static bool parse_ipv6(const char **s, origin_parts *o)
{
    const char *end = strchr(*s, ']');
    char text[INET6_ADDRSTRLEN];
    struct in6_addr a;
    size_t n;

    if (!end || (n = (size_t)(end - *s) - 1) >= sizeof text)
        return false;
    memcpy(text, *s + 1, n);
    text[n] = 0;
    if (inet_pton(AF_INET6, text, &a) != 1 || !inet_ntop(AF_INET6, &a, o->host, sizeof o->host))
        return false;
    o->brackets = true;
    *s = end + 1;
    return true;
}

static bool parse_name(const char **s, origin_parts *o)
{
    size_t n = strcspn(*s, ":/");

    if (n > HOST_SIZE_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        o->host[i] = lower((*s)[i]);
    o->host[n] = 0;
    *s += n;
    return host_is_name(o->host);
}

static bool parse_port(const char **s, origin_parts *o)
{
    o->port = o->tls ? 443 : 80;
    if (**s != ':')
        return true;
    ++*s;
    if (!is_digit(**s))
        return false;
    for (o->port = 0; is_digit(**s); ++*s) {
        o->port = o->port * 10 + (uint32_t)(**s - '0');
        if (o->port > 65535)
            return false;
    }
    return o->port > 0;
}

static bool parse(const char *s, origin_parts *o)
{
    *o = (origin_parts){.tls = true};
    if (!skip_prefix(&s, "https://")) {
        if (!skip_prefix(&s, "http://"))
            return false;
        o->tls = false;
    }
    if (!(*s == '[' ? parse_ipv6(&s, o) : parse_name(&s, o)) || !parse_port(&s, o))
        return false;
    return *s == 0 || strcmp(s, "/") == 0;
}

edn_status edn_origin_normalise(const char *origin, char out[ORIGIN_SIZE], edn_err *err)
{
    bool loopback;
    char port[8] = "";
    origin_parts o;
    int n;

    out[0] = 0;
    if (!parse(origin, &o) || (!o.brackets && !host_is_sane(o.host, &loopback)))
        return edn_fail(err, EDN_E_INVALID,
                        "\"%.200s\" is not a server's address; write it as https://HOST or https://HOST:PORT", origin);
    if (o.brackets)
        loopback = strcmp(o.host, "::1") == 0;
    if (!o.tls && !loopback)
        return edn_fail(err, EDN_E_INVALID,
                        "http:// is not protected and is taken for this machine itself only; write https://%.200s",
                        o.host);
    if (o.port != (o.tls ? 443u : 80u))
        snprintf(port, sizeof port, ":%u", o.port);
    n = snprintf(out, ORIGIN_SIZE, "%s%s%s%s%s", o.tls ? "https://" : "http://", o.brackets ? "[" : "", o.host,
                 o.brackets ? "]" : "", port);
    if (n < 0 || n >= ORIGIN_SIZE) {
        out[0] = 0;
        return edn_fail(err, EDN_E_INVALID, "the server's address is longer than %d characters", ORIGIN_SIZE - 1);
    }
    return EDN_OK;
}
