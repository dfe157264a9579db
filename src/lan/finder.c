/* How a guest finds its host: the host says once a second, to every machine of its networks, under which tag it waits
 * at which port. By IPv4 multicast with a time to live of one, so that no router passes it on; where there is only
 * IPv6, or a network keeps multicast back, a person types the address. */
#include "lan_priv.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of those that have come; the next look reads on. */
#define READ_AT_ONCE 64u

void lan_shut(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* nothing was kept there that could fail to be written */
    *fd = -1;
}

static int udp_socket(void) { return socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

int lan_announcer_open(void)
{
    int fd = udp_socket(), one = 1;

    if (fd >= 0 && setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &one, sizeof one) != 0)
        lan_shut(&fd);
    return fd;
}

void lan_announce(int fd, const lan_address *own, size_t own_n, const lan_announcement *a)
{
    uint8_t bytes[LAN_ANNOUNCEMENT_SIZE];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(LAN_GROUP), .sin_port = htons(LAN_PORT)};

    if (fd < 0)
        return;
    lan_announcement_encode(bytes, a);
    for (size_t i = 0; i < own_n; i++)
        if (own[i].a.any.sa_family == AF_INET &&
            setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &own[i].a.v4.sin_addr, sizeof own[i].a.v4.sin_addr) == 0)
            (void)sendto(fd, bytes, sizeof bytes, 0, (const struct sockaddr *)&to,
                         sizeof to); /* said again in a second */
}

edn_status lan_finder_open(const lan_address *own, size_t own_n, int *out, edn_err *err)
{
    struct sockaddr_in here = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY), .sin_port = htons(LAN_PORT)};
    int fd = udp_socket(), one = 1;
    size_t joined = 0;

    *out = -1;
    /* Several may listen at one machine. */
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        bind(fd, (const struct sockaddr *)&here, sizeof here) == 0)
        for (size_t i = 0; i < own_n; i++) {
            struct ip_mreq group = {.imr_multiaddr.s_addr = htonl(LAN_GROUP), .imr_interface = own[i].a.v4.sin_addr};
            if (own[i].a.any.sa_family == AF_INET &&
                (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group) == 0 || errno == EADDRINUSE))
                joined++; /* EADDRINUSE: a second address on the same network */
        }
    if (joined == 0) {
        lan_shut(&fd);
        return edn_fail(err, EDN_E_NETWORK,
                        "there is no network here on which to look for the new device; give its address: --at");
    }
    *out = fd;
    return EDN_OK;
}

bool lan_finder_next(int fd, const uint8_t tag[16], lan_address *out)
{
    uint8_t bytes[LAN_ANNOUNCEMENT_SIZE + 1]; /* one more: what is longer is none */
    lan_announcement a;

    for (unsigned i = 0; i < READ_AT_ONCE; i++) {
        ssize_t n;
        memset(out, 0, sizeof *out);
        out->size = sizeof out->a.space;
        n = recvfrom(fd, bytes, sizeof bytes, 0, &out->a.any, &out->size);
        if (n < 0)
            return false;
        if (out->a.any.sa_family == AF_INET && lan_announcement_decode(edn_bytes_of(bytes, (size_t)n), &a) == EDN_OK &&
            memcmp(a.tag, tag, sizeof a.tag) == 0) {
            lan_address_set_port(out, a.port);
            return true;
        }
    }
    return false;
}
