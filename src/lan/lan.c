/* One meeting over a network. Every call does what can be done without waiting:
 *
 *     host    WAITING ──somebody connects──▶ CALLED ──knock and first message──▶ MET ──▶ OVER
 *                ▲                             │
 *                └── a wrong knock, no message, too slow, gone
 *
 *     guest   WAITING ──announced, or told──▶ CALLED ──first message──▶ MET ──▶ OVER
 *                ▲                             │
 *                └── refused, gone (it was looked for)
 *
 * What holds: a host in WAITING or CALLED listens and announces, in MET no more, so whoever comes later finds nobody.
 * There is one connection at a time. Until MET nothing that came was given to the caller. What is to be sent is kept to
 * the end, so that a guest whose first try reached somebody else says the same again: its first messages tell nothing,
 * and of all that answer only the first is heard. */
#include "lan/lan.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "lan_priv.h"

#define KNOCK_MS 5000u
#define SEARCH_MS 10000u
#define LIFE_MS 300000u
#define ANNOUNCE_MS 1000u
#define CLOSE_MS 2000u
#define OUT_SIZE_MAX (LAN_KNOCK_SIZE + (size_t)EDN_LAN_MAILS_MAX * LAN_FRAME_SIZE_MAX)

typedef enum lan_state { WAITING, CALLED, MET, OVER } lan_state;

struct edn_lan {
    bool is_host, connecting, gone; /* guest: not through yet; the other has closed */
    lan_state state;
    edn_lan_place place;
    uint32_t knock_ms, search_ms, life_ms;
    int listener, udp, peer;
    uint16_t port; /* host: where it waits */
    lan_address own[LAN_ADDRESSES_MAX];
    size_t own_n;
    bool told; /* guest: `at` is given, not found */
    lan_address at;
    uint64_t begun_ms, called_ms, announced_ms;
    lan_incoming in;
    edn_buf out;    /* all that was put */
    size_t written; /* of it, to this connection */
    uint64_t put_n, got_n;
};

static uint64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- ending ------------------------------------------------------------------------------------------------------ */

static void shut_all(edn_lan *l)
{
    lan_shut(&l->listener);
    lan_shut(&l->udp);
    lan_shut(&l->peer);
}

static edn_status over(edn_lan *l, edn_status st, edn_err *err, const char *text)
{
    shut_all(l);
    l->state = OVER;
    return edn_fail(err, st, "%s", text);
}

static edn_status over_gone(edn_lan *l, edn_err *err)
{
    return over(l, EDN_E_MISSING, err,
                "the other device has ended the connection. Begin again ('edn device link --lan')");
}

/* Not the one that is waited for, or not any more. */
static void hang_up(edn_lan *l)
{
    lan_shut(&l->peer);
    lan_incoming_dispose(&l->in);
    lan_incoming_init(&l->in, l->is_host);
    l->connecting = l->gone = false;
    l->written = 0;
    l->state = WAITING;
}

/* ---- beginning --------------------------------------------------------------------------------------------------- */

static edn_status lan_new(const edn_lan_place *place, const edn_lan_options *o, bool is_host, edn_lan **out,
                          edn_err *err)
{
    edn_lan *l = calloc(1, sizeof *l);

    *out = NULL;
    if (!l)
        return edn_fail(err, EDN_E_NOMEM, "out of memory");
    l->is_host = is_host;
    l->place = *place;
    l->knock_ms = o->knock_ms ? o->knock_ms : KNOCK_MS;
    l->search_ms = o->search_ms ? o->search_ms : SEARCH_MS;
    l->life_ms = o->life_ms ? o->life_ms : LIFE_MS;
    l->listener = l->udp = l->peer = -1;
    l->begun_ms = now_ms();
    l->out = EDN_BUF_INIT(OUT_SIZE_MAX);
    lan_incoming_init(&l->in, is_host);
    if (!o->address) {
        l->own_n = lan_address_own(l->own, EDN_COUNT(l->own));
    } else if (lan_address_parse(o->address, 0, &l->own[0])) {
        l->own_n = 1;
    } else {
        free(l);
        return edn_fail(err, EDN_E_INVALID, "\"%.100s\" is not an address: it looks like 192.168.1.7 or fd00::7",
                        o->address);
    }
    *out = l;
    return EDN_OK;
}

/* A socket that listens there; `at` then has its port. -1: errno says why not. */
static int listener_open(lan_address *at)
{
    int fd = socket(at->a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool is_v6 = at->a.any.sa_family == AF_INET6;
    int only_v6 = is_v6 && !IN6_IS_ADDR_UNSPECIFIED(&at->a.v6.sin6_addr);

    if (fd >= 0 &&
        ((is_v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof only_v6) != 0) ||
         bind(fd, &at->a.any, at->size) != 0 || listen(fd, 4) != 0 || getsockname(fd, &at->a.any, &at->size) != 0)) {
        int why = errno;
        lan_shut(&fd);
        errno = why;
    }
    return fd;
}

static edn_status listen_at(edn_lan *l, const edn_lan_options *o, edn_err *err)
{
    lan_address at;

    if (o->address) {
        at = l->own[0];
        lan_address_set_port(&at, o->port);
        l->listener = listener_open(&at);
    } else {
        EDN_ASSERT(lan_address_parse("::", o->port, &at)); /* which takes connections of both families */
        if ((l->listener = listener_open(&at)) < 0 && errno != EADDRINUSE) {
            EDN_ASSERT(lan_address_parse("0.0.0.0", o->port, &at));
            l->listener = listener_open(&at);
        }
    }
    if (l->listener >= 0) {
        l->port = lan_address_port(&at);
        return EDN_OK;
    }
    if (errno == EADDRINUSE || errno == EACCES)
        return edn_fail(err, EDN_E_INVALID, "port %u cannot be had here; choose another: --port", o->port);
    if (errno == EADDRNOTAVAIL)
        return edn_fail(err, EDN_E_INVALID, "%.100s is not an address of this machine", o->address);
    return edn_fail(err, EDN_E_NETWORK, "could not wait for a connection on this machine");
}

edn_status edn_lan_host(const edn_lan_place *place, const edn_lan_options *o, edn_lan **out, edn_err *err)
{
    edn_lan *l;
    edn_status st = lan_new(place, o, true, &l, err);

    *out = NULL;
    if (st != EDN_OK)
        return st;
    if ((st = listen_at(l, o, err)) != EDN_OK) {
        edn_lan_close(l);
        return st;
    }
    l->udp = lan_announcer_open(); /* without it the guest is told the address */
    *out = l;
    return EDN_OK;
}

edn_status edn_lan_guest(const edn_lan_place *place, const edn_lan_options *o, edn_lan **out, edn_err *err)
{
    edn_lan *l;
    edn_status st = lan_new(place, o, false, &l, err);

    *out = NULL;
    if (st != EDN_OK)
        return st;
    if (!o->at)
        st = lan_finder_open(l->own, l->own_n, &l->udp, err);
    else if (!(l->told = lan_address_parse_at(o->at, &l->at)))
        st = edn_fail(
            err, EDN_E_INVALID,
            "\"%.100s\" is not where the new device waits: that looks like 192.168.1.7:40123 or [fd00::7]:40123",
            o->at);
    if (st != EDN_OK) {
        edn_lan_close(l);
        return st;
    }
    lan_knock_put(&l->out, l->place.knock);
    *out = l;
    return EDN_OK;
}

void edn_lan_addresses(const edn_lan *l, edn_buf *out)
{
    lan_address only;

    for (size_t i = 0; i < l->own_n; i++) {
        lan_address a = l->own[i];
        lan_address_set_port(&a, l->port);
        if (i)
            edn_put_u8(out, ' ');
        lan_address_put(out, &a);
    }
    if (l->own_n == 0 && lan_address_parse("127.0.0.1", l->port, &only)) /* no network: this machine alone */
        lan_address_put(out, &only);
}

/* ---- the way to a connection ------------------------------------------------------------------------------------- */

static void host_look(edn_lan *l, uint64_t now)
{
    lan_announcement a = {.port = l->port};

    if (l->announced_ms == 0 || now - l->announced_ms >= ANNOUNCE_MS) {
        memcpy(a.tag, l->place.tag, sizeof a.tag);
        lan_announce(l->udp, l->own, l->own_n, &a);
        l->announced_ms = now;
    }
    if (l->state != WAITING)
        return;
    if ((l->peer = accept4(l->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0)
        return; /* nobody, or somebody who has gone again */
    l->called_ms = now;
    l->state = CALLED;
}

static void guest_call(edn_lan *l, uint64_t now)
{
    l->peer = socket(l->at.a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->peer < 0)
        return;
    l->called_ms = now;
    l->state = CALLED;
    l->connecting = true;
    if (connect(l->peer, &l->at.a.any, l->at.size) != 0 && errno != EINPROGRESS)
        hang_up(l);
}

static edn_status guest_look(edn_lan *l, uint64_t now, edn_err *err)
{
    if (l->told) {
        if (l->called_ms)
            return over(l, EDN_E_MISSING, err,
                        "nobody waits there: is it the address that the new device shows, is the code still good, does "
                        "a firewall stand between?");
        guest_call(l, now);
        return EDN_OK;
    }
    if (lan_finder_next(l->udp, l->place.tag, &l->at))
        guest_call(l, now);
    else if (now - l->begun_ms > l->search_ms)
        return over(l, EDN_E_MISSING, err,
                    "no device on this network waits for that code. Is the code right and still good, and was it made "
                    "with --lan? Where the network lets machines not find each other, give what the new one shows: "
                    "--at ADDRESS:PORT");
    return EDN_OK;
}

/* ---- a connection ------------------------------------------------------------------------------------------------ */

/* Whether a guest's connection is through; one that is refused or takes too long is given up. */
static void guest_connect(edn_lan *l, uint64_t now)
{
    struct pollfd p = {.fd = l->peer, .events = POLLOUT};
    int failed = 0;
    socklen_t n = sizeof failed;

    if (poll(&p, 1, 0) <= 0) {
        if (now - l->called_ms > l->knock_ms)
            hang_up(l);
        return;
    }
    if (getsockopt(l->peer, SOL_SOCKET, SO_ERROR, &failed, &n) != 0 || failed)
        hang_up(l);
    else
        l->connecting = false;
}

static void write_some(edn_lan *l)
{
    while (l->peer >= 0 && !l->connecting && l->written < l->out.n) {
        ssize_t n = send(l->peer, l->out.p + l->written, l->out.n - l->written, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
                l->gone = true;
            return;
        }
        l->written += (size_t)n;
    }
}

static edn_status read_some(edn_lan *l)
{
    uint8_t some[4096];
    edn_status st = EDN_OK;

    while (st == EDN_OK && !l->connecting && lan_incoming_room(&l->in) > 0) {
        ssize_t n = recv(l->peer, some, EDN_MIN(sizeof some, lan_incoming_room(&l->in)), 0);
        if (n <= 0) {
            if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
                l->gone = true;
            break;
        }
        st = lan_incoming_feed(&l->in, l->place.knock, edn_bytes_of(some, (size_t)n));
    }
    edn_wipe(some, sizeof some);
    return st;
}

/* Reads and writes. Somebody who is not the one that is waited for loses the connection, and nothing else happens. */
static edn_status converse(edn_lan *l, uint64_t now, edn_err *err)
{
    edn_status st;

    if (l->connecting)
        guest_connect(l, now);
    if (l->state == WAITING)
        return EDN_OK;
    write_some(l);
    st = read_some(l);
    if (st == EDN_E_NOMEM)
        return over(l, st, err, "out of memory");
    if (l->state == CALLED) {
        if (st == EDN_OK && lan_incoming_whole(&l->in)) {
            l->state = MET;
            lan_shut(&l->listener);
            lan_shut(&l->udp);
        } else if (st != EDN_OK || l->gone || (l->is_host && now - l->called_ms > l->knock_ms)) {
            hang_up(l);
        }
        return EDN_OK;
    }
    return st == EDN_OK ? EDN_OK
                        : over(l, EDN_E_FORMAT, err,
                               "what came over the network is no message of the other device. Begin again ('edn device "
                               "link --lan')");
}

static edn_status move_on(edn_lan *l, edn_err *err)
{
    uint64_t now = now_ms();
    edn_status st = EDN_OK;

    if (l->state == OVER)
        return edn_fail(err, EDN_E_MISSING, "this meeting is over; begin again ('edn device link --lan')");
    if (now - l->begun_ms > l->life_ms)
        return over(l, EDN_E_MISSING, err,
                    "the time of the code is over; let the new device show another ('edn device link --lan')");
    if (l->is_host && l->state != MET)
        host_look(l, now);
    else if (!l->is_host && l->state == WAITING)
        st = guest_look(l, now, err);
    return st == EDN_OK && l->peer >= 0 ? converse(l, now, err) : st;
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

edn_status edn_lan_put(edn_lan *l, uint64_t number, edn_bytes mail, edn_err *err)
{
    edn_status st;

    if (number < l->put_n)
        return EDN_OK;
    EDN_ASSERT(number == l->put_n && mail.n > 0);
    /* Whether the other is still there; what it said last is heard all the same. */
    if (l->state == MET && (st = converse(l, now_ms(), err)) != EDN_OK)
        return st;
    if (l->state == OVER || (l->gone && !lan_incoming_whole(&l->in)))
        return over_gone(l, err);
    if (l->put_n + l->got_n >= EDN_LAN_MAILS_MAX || mail.n > EDN_LAN_MAIL_SIZE_MAX)
        return edn_fail(err, EDN_E_LIMIT, "a meeting has 16 messages of 64 KiB at most");
    lan_frame_put(&l->out, mail);
    if (edn_buf_status(&l->out) != EDN_OK)
        return over(l, EDN_E_NOMEM, err, "out of memory");
    l->put_n++;
    write_some(l);
    return EDN_OK;
}

edn_status edn_lan_get(edn_lan *l, uint64_t number, edn_buf *out, bool *there, edn_err *err)
{
    edn_status st = move_on(l, err);

    *there = false;
    EDN_ASSERT(number == l->got_n);
    if (st != EDN_OK)
        return st;
    if (l->state != MET)
        return EDN_OK;
    if (!lan_incoming_whole(&l->in))
        return l->gone ? over_gone(l, err) : EDN_OK;
    if (l->put_n + l->got_n >= EDN_LAN_MAILS_MAX)
        return over(l, EDN_E_FORMAT, err, "the other device says more than a meeting has to say");
    st = lan_incoming_take(&l->in, out);
    if (st != EDN_OK)
        return over(l, st, err,
                    st == EDN_E_NOMEM ? "out of memory"
                                      : "what came over the network is no message of the other device");
    l->got_n++;
    *there = true;
    return EDN_OK;
}

void edn_lan_close(edn_lan *l)
{
    uint64_t end = now_ms() + CLOSE_MS;

    if (!l)
        return;
    /* Only to whom it was speaking with: a last word is not worth waiting for a stranger. */
    for (uint64_t now; l->state == MET && !l->gone && l->written < l->out.n && (now = now_ms()) < end;) {
        struct pollfd p = {.fd = l->peer, .events = POLLOUT};
        (void)poll(&p, 1, (int)(end - now)); /* a signal only makes it shorter */
        write_some(l);
    }
    shut_all(l);
    lan_incoming_dispose(&l->in);
    edn_buf_wipe(&l->out);
    free(l);
}
