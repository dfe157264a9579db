/* Two machines meet on the loopback network: what is announced, what strangers can send, and how it ends. */
#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lan/lan_priv.h"

/* The tag gets this process's number: the loopback network is everybody's. */
static edn_lan_place place = {{"the tag of it  "}, {"the knock there"}};
static edn_err err;

static void nap(void) { (void)nanosleep(&(struct timespec){0, 1000000}, NULL); }

/* ---- forms ------------------------------------------------------------------------------------------------------- */

static void an_announcement_has_one_spelling(void **state)
{
    uint8_t b[LAN_ANNOUNCEMENT_SIZE + 1] = {0};
    lan_announcement a = {.port = 40123}, got;

    (void)state;
    memcpy(a.tag, place.tag, sizeof a.tag);
    lan_announcement_encode(b, &a);
    CHECK_OK(lan_announcement_decode(edn_bytes_of(b, LAN_ANNOUNCEMENT_SIZE), &got));
    CHECK_INT(got.port, 40123);
    CHECK_BYTES(edn_bytes_of(got.tag, 16), edn_bytes_of(place.tag, 16));
    for (size_t n = 0; n <= sizeof b; n++)
        if (n != LAN_ANNOUNCEMENT_SIZE)
            CHECK_STATUS(lan_announcement_decode(edn_bytes_of(b, n), &got), EDN_E_FORMAT);
    for (size_t i = 0; i < 5; i++) { /* magic and version */
        b[i] ^= 1;
        CHECK_STATUS(lan_announcement_decode(edn_bytes_of(b, LAN_ANNOUNCEMENT_SIZE), &got), EDN_E_FORMAT);
        b[i] ^= 1;
    }
    b[21] = b[22] = 0;
    CHECK_STATUS(lan_announcement_decode(edn_bytes_of(b, LAN_ANNOUNCEMENT_SIZE), &got), EDN_E_FORMAT);
}

static void an_address_is_figures(void **state)
{
    static const char *const good[] = {"192.168.1.7:40123", "[fd00::7]:40123", "127.0.0.1:1", "[::1]:65535"};
    static const char *const bad[] = {"",
                                      ":",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "127.0.0.1:0",
                                      "::1:40123",
                                      "[::1]",
                                      "[::1:7",
                                      "localhost:40123",
                                      "127.0.0.1:65536",
                                      "[127.0.0.1]:7",
                                      "127.0.0.1:+7",
                                      "127.0.0.1:7 ",
                                      "127.1:7",
                                      "[]:7",
                                      "[fe80::1%eth0]:7",
                                      "1.2.3.4:999999999999",
                                      "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee:ffff]:7"};
    edn_buf out = EDN_BUF_INIT(100);
    lan_address a;

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(good); i++) {
        CHECK(lan_address_parse_at(good[i], &a));
        edn_buf_reset(&out);
        lan_address_put(&out, &a);
        CHECK_STR(edn_buf_view(&out), good[i]);
    }
    for (size_t i = 0; i < EDN_COUNT(bad); i++)
        if (lan_address_parse_at(bad[i], &a))
            fail_msg("\"%s\" is taken", bad[i]);
    edn_buf_dispose(&out);
}

/* Feeds in pieces; all messages, each with its length, go to `out`. */
static edn_status feed_all(edn_bytes bytes, size_t piece, edn_buf *out)
{
    lan_incoming in;
    edn_status st = EDN_OK;

    lan_incoming_init(&in, true);
    while (st == EDN_OK && (bytes.n || lan_incoming_whole(&in))) {
        size_t n = EDN_MIN(EDN_MIN(piece, bytes.n), lan_incoming_room(&in));
        st = lan_incoming_feed(&in, place.knock, edn_bytes_of(bytes.p, n));
        bytes = edn_bytes_of(bytes.p + n, bytes.n - n);
        if (st == EDN_OK && lan_incoming_whole(&in)) {
            edn_put_str(out, "|");
            st = lan_incoming_take(&in, out);
        }
        CHECK(in.buf.cap <= LAN_FRAME_SIZE_MAX);
    }
    lan_incoming_dispose(&in);
    return st;
}

static void any_split_gives_the_same_messages(void **state)
{
    static uint8_t large[EDN_LAN_MAIL_SIZE_MAX];
    edn_buf all = EDN_BUF_INIT(1 << 20), whole = EDN_BUF_INIT(1 << 20), parts = EDN_BUF_INIT(1 << 20);

    (void)state;
    memset(large, 'x', sizeof large);
    lan_knock_put(&all, place.knock);
    lan_frame_put(&all, edn_bytes_str("one"));
    lan_frame_put(&all, edn_bytes_str("2"));
    lan_frame_put(&all, edn_bytes_of(large, sizeof large));
    lan_frame_put(&all, edn_bytes_str("four"));
    CHECK_OK(feed_all(edn_buf_view(&all), SIZE_MAX, &whole));
    CHECK_INT(whole.n, 4 + 3 + 1 + sizeof large + 4);
    CHECK(memcmp(whole.p, "|one|2|xxx", 10) == 0);
    for (size_t piece = 1; piece < 40; piece++) {
        edn_buf_reset(&parts);
        CHECK_OK(feed_all(edn_buf_view(&all), piece, &parts));
        CHECK(edn_bytes_equal(edn_buf_view(&whole), edn_buf_view(&parts)));
    }
    edn_buf_dispose(&all);
    edn_buf_dispose(&whole);
    edn_buf_dispose(&parts);
}

static edn_status feed_after_knock(uint32_t length, const char *before)
{
    edn_buf all = EDN_BUF_INIT(1000), out = EDN_BUF_INIT(1000);
    edn_status st;

    lan_knock_put(&all, place.knock);
    if (before)
        lan_frame_put(&all, edn_bytes_str(before));
    edn_put_u32(&all, length);
    st = feed_all(edn_buf_view(&all), 1000, &out);
    edn_buf_dispose(&all);
    edn_buf_dispose(&out);
    return st;
}

static void a_length_is_refused_before_what_it_promises(void **state)
{
    edn_buf out = EDN_BUF_INIT(100);

    (void)state;
    for (int before = 0; before < 2; before++) {
        CHECK_OK(feed_after_knock(1, before ? "a message" : NULL));
        CHECK_OK(feed_after_knock(EDN_LAN_MAIL_SIZE_MAX, before ? "a message" : NULL));
        CHECK_STATUS(feed_after_knock(0, before ? "a message" : NULL), EDN_E_FORMAT);
        CHECK_STATUS(feed_after_knock(EDN_LAN_MAIL_SIZE_MAX + 1, before ? "a message" : NULL), EDN_E_FORMAT);
        CHECK_STATUS(feed_after_knock(UINT32_MAX, before ? "a message" : NULL), EDN_E_FORMAT);
    }
    CHECK_STATUS(feed_all(edn_bytes_str("G"), 1, &out), EDN_E_AUTH); /* "GET / HTTP/1.1" */
    CHECK_OK(feed_all(edn_bytes_str("\x01the knock ther"), 1, &out));
    CHECK_STATUS(feed_all(edn_bytes_str("\x01the knock therE\x01"), 1, &out), EDN_E_AUTH);
    CHECK_INT(out.n, 0);
    edn_buf_dispose(&out);
}

/* ---- two meet ---------------------------------------------------------------------------------------------------- */

typedef struct both {
    edn_lan *host, *guest;
    char at[64];
} both;

static void host_begin(both *b, const edn_lan_options *o)
{
    edn_buf at = EDN_BUF_INIT(sizeof b->at);

    memset(b, 0, sizeof *b);
    CHECK_OK(edn_lan_host(&place, o, &b->host, &err));
    edn_lan_addresses(b->host, &at);
    memcpy(b->at, at.p, at.n);
    edn_buf_dispose(&at);
}

static void guest_begin(both *b, bool told)
{
    edn_lan_options o = {.address = "127.0.0.1", .at = told ? b->at : NULL};

    CHECK_OK(edn_lan_guest(&place, &o, &b->guest, &err));
}

static both host_alone(uint32_t knock_ms)
{
    both b;

    host_begin(&b, &(edn_lan_options){.address = "127.0.0.1", .knock_ms = knock_ms});
    return b;
}

static void both_end(both *b)
{
    edn_lan_close(b->guest);
    edn_lan_close(b->host);
}

/* Steps one side, and `other` (NULL: nobody) with it, until its next message is there. */
static edn_status hear(edn_lan *l, uint64_t number, edn_lan *other, uint64_t other_number, edn_buf *out)
{
    edn_buf nothing = EDN_BUF_INIT(EDN_LAN_MAIL_SIZE_MAX);
    bool there = false, early;
    edn_status st = EDN_OK;

    for (int i = 0; st == EDN_OK && !there && i < 5000; i++) {
        if (other) {
            CHECK_OK(edn_lan_get(other, other_number, &nothing, &early, &err));
            CHECK(!early);
        }
        if ((st = edn_lan_get(l, number, out, &there, &err)) == EDN_OK && !there)
            nap();
    }
    CHECK(st != EDN_OK || there);
    edn_buf_dispose(&nothing);
    return st;
}

static void check_hears(edn_lan *l, uint64_t number, edn_lan *other, uint64_t other_number, edn_bytes want)
{
    edn_buf out = EDN_BUF_INIT(EDN_LAN_MAIL_SIZE_MAX);

    CHECK_OK(hear(l, number, other, other_number, &out));
    CHECK_BYTES(edn_buf_view(&out), want);
    edn_buf_dispose(&out);
}

static void check_ends(edn_lan *l, uint64_t number, edn_status want)
{
    edn_buf out = EDN_BUF_INIT(EDN_LAN_MAIL_SIZE_MAX);
    bool there;

    CHECK_STATUS(hear(l, number, NULL, 0, &out), want);
    CHECK_INT(err.status, want);
    CHECK_STATUS(edn_lan_get(l, number, &out, &there, &err), EDN_E_MISSING); /* and stays so */
    CHECK_INT(out.n, 0);
    edn_buf_dispose(&out);
}

/* A guest's first word, and the host's. */
static void check_meet(both *b)
{
    CHECK_OK(edn_lan_put(b->guest, 0, edn_bytes_str("may I?"), &err));
    check_hears(b->host, 0, b->guest, 0, edn_bytes_str("may I?"));
    CHECK_OK(edn_lan_put(b->host, 0, edn_bytes_str("do"), &err));
    CHECK_OK(edn_lan_put(b->host, 0, edn_bytes_str("do"), &err)); /* said again: passed over */
    check_hears(b->guest, 0, b->host, 1, edn_bytes_str("do"));
}

static void they_find_each_other_and_talk(void **state)
{
    static uint8_t large[EDN_LAN_MAIL_SIZE_MAX];
    both b = host_alone(0);

    (void)state;
    guest_begin(&b, false);
    check_meet(&b);
    memset(large, 'x', sizeof large);
    for (uint64_t i = 1; i < 4; i++) { /* more than a socket takes at once */
        CHECK_OK(edn_lan_put(b.guest, i, edn_bytes_of(large, sizeof large), &err));
        CHECK_OK(edn_lan_put(b.host, i, edn_bytes_of(large, sizeof large), &err));
    }
    for (uint64_t i = 1; i < 4; i++) {
        check_hears(b.host, i, NULL, 0, edn_bytes_of(large, sizeof large));
        check_hears(b.guest, i, NULL, 0, edn_bytes_of(large, sizeof large));
    }
    both_end(&b);
}

static void a_guest_may_be_told_the_place(void **state)
{
    static const char *const addresses[] = {"127.0.0.1", "::1", NULL};

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(addresses); i++) {
        both b;
        host_begin(&b, &(edn_lan_options){.address = addresses[i]});
        if (!addresses[i]) /* on all of them */
            snprintf(b.at, sizeof b.at, "127.0.0.1%s", strrchr(b.at, ':'));
        guest_begin(&b, true);
        check_meet(&b);
        both_end(&b);
    }
}

/* ---- what the network sees --------------------------------------------------------------------------------------- */

static int hear_announcements(void)
{
    lan_address own;
    int fd;

    CHECK(lan_address_parse("127.0.0.1", 0, &own));
    CHECK_OK(lan_finder_open(&own, 1, &fd, &err));
    return fd;
}

static void an_announcement_says_tag_and_port_and_no_more(void **state)
{
    int fd = hear_announcements();
    both b = host_alone(0);
    uint8_t got[100], want[LAN_ANNOUNCEMENT_SIZE];
    lan_announcement a = {.port = (uint16_t)atoi(strrchr(b.at, ':') + 1)};
    edn_buf out = EDN_BUF_INIT(100);
    ssize_t n = -1;
    bool there;

    (void)state;
    memcpy(a.tag, place.tag, sizeof a.tag);
    lan_announcement_encode(want, &a);
    for (int i = 0; n < 0 && i < 1000; i++) {
        CHECK_OK(edn_lan_get(b.host, 0, &out, &there, &err));
        n = recv(fd, got, sizeof got, 0);
    }
    CHECK_BYTES(edn_bytes_of(got, n > 0 ? (size_t)n : 0), edn_bytes_of(want, sizeof want));
    CHECK(recv(fd, got, sizeof got, 0) < 0); /* once a second, not each time */
    CHECK_OK(edn_lan_get(b.host, 0, &out, &there, &err));
    CHECK(recv(fd, got, sizeof got, 0) < 0);
    lan_shut(&fd);
    both_end(&b);
}

static void shout(const void *p, size_t n)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(LAN_GROUP), .sin_port = htons(LAN_PORT)};
    struct in_addr here = {htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    CHECK(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &here, sizeof here) == 0);
    CHECK(sendto(fd, p, n, 0, (struct sockaddr *)&to, sizeof to) == (ssize_t)n);
    lan_shut(&fd);
}

/* Where somebody listens who is not the host. */
static int false_host(uint16_t *port)
{
    lan_address at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    CHECK(lan_address_parse("127.0.0.1", 0, &at));
    CHECK(bind(fd, &at.a.any, at.size) == 0 && listen(fd, 1) == 0 && getsockname(fd, &at.a.any, &at.size) == 0);
    *port = lan_address_port(&at);
    return fd;
}

static uint16_t closed_port(void)
{
    uint16_t port;
    int fd = false_host(&port);

    lan_shut(&fd);
    return port;
}

static void a_guest_passes_over_what_others_announce(void **state)
{
    both b = host_alone(0);
    uint8_t bytes[200] = {0};
    lan_announcement other = {.tag = "another's tag  "}, dead = {.port = closed_port()};
    int fd = false_host(&other.port);
    edn_buf out = EDN_BUF_INIT(100);
    bool there;

    (void)state;
    guest_begin(&b, false);
    CHECK_OK(edn_lan_put(b.guest, 0, edn_bytes_str("may I?"), &err));
    for (int i = 0; i < 80; i++)
        shout(bytes, (size_t)i);
    lan_announcement_encode(bytes, &other);
    shout(bytes, LAN_ANNOUNCEMENT_SIZE);
    memcpy(dead.tag, place.tag, sizeof dead.tag);
    lan_announcement_encode(bytes, &dead);
    shout(bytes, LAN_ANNOUNCEMENT_SIZE + 1);
    shout(bytes, LAN_ANNOUNCEMENT_SIZE); /* this it follows, to no avail */
    for (int i = 0; i < 10; i++)
        CHECK_OK(edn_lan_get(b.guest, 0, &out, &there, &err));
    check_hears(b.host, 0, b.guest, 0, edn_bytes_str("may I?"));
    CHECK(accept(fd, NULL, NULL) < 0); /* nobody called the other */
    lan_shut(&fd);
    both_end(&b);
}

static void a_guest_that_was_left_says_the_same_to_the_next(void **state)
{
    uint8_t bytes[LAN_ANNOUNCEMENT_SIZE], said[100];
    lan_announcement false_one;
    edn_buf out = EDN_BUF_INIT(100);
    both b = host_alone(0);
    int fd = false_host(&false_one.port), peer = -1;
    bool there;

    (void)state;
    memcpy(false_one.tag, place.tag, sizeof false_one.tag);
    lan_announcement_encode(bytes, &false_one);
    guest_begin(&b, false);
    CHECK_OK(edn_lan_put(b.guest, 0, edn_bytes_str("may I?"), &err));
    shout(bytes, sizeof bytes);
    for (int i = 0; i < 1000 && peer < 0; i++) {
        CHECK_OK(edn_lan_get(b.guest, 0, &out, &there, &err));
        peer = accept(fd, NULL, NULL);
    }
    for (int i = 0; i < 1000 && recv(peer, said, sizeof said, MSG_DONTWAIT) < 0; i++)
        CHECK_OK(edn_lan_get(b.guest, 0, &out, &there, &err));
    lan_shut(&peer);
    lan_shut(&fd);
    check_hears(b.host, 0, b.guest, 0, edn_bytes_str("may I?"));
    both_end(&b);
}

/* ---- strangers --------------------------------------------------------------------------------------------------- */

static int call(const both *b)
{
    lan_address at;
    int fd, small = 600; /* segments, so that the system keeps little of what was not read */

    CHECK(lan_address_parse_at(b->at, &at));
    fd = socket(at.a.any.sa_family, SOCK_STREAM, 0);
    CHECK(setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &small, sizeof small) == 0);
    if (connect(fd, &at.a.any, at.size) != 0)
        lan_shut(&fd);
    return fd;
}

static void say(int fd, const void *p, size_t n) { CHECK(send(fd, p, n, MSG_NOSIGNAL) == (ssize_t)n); }

/* Steps the host until it has hung up. */
static void check_hangs_up(both *b, int fd)
{
    edn_buf out = EDN_BUF_INIT(100);
    ssize_t n = -1;
    uint8_t c;
    bool there;

    for (int i = 0; n < 0 && i < 2000; i++) {
        CHECK_OK(edn_lan_get(b->host, 0, &out, &there, &err));
        CHECK(!there);
        n = recv(fd, &c, 1, MSG_DONTWAIT);
        if (n < 0 && errno == ECONNRESET)
            n = 0;
        nap();
    }
    CHECK_INT(n, 0);
}

static void a_stranger_costs_no_more_than_its_connection(void **state)
{
    edn_buf wrong[6];
    both b = host_alone(40);
    int fd;

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(wrong); i++)
        wrong[i] = EDN_BUF_INIT(1000);
    edn_put_str(&wrong[0], "GET / HTTP/1.1\r\n\r\n");
    lan_knock_put(&wrong[1], place.tag);
    lan_frame_put(&wrong[1], edn_bytes_str("may I?"));
    lan_knock_put(&wrong[2], place.knock);
    edn_put_u32(&wrong[2], EDN_LAN_MAIL_SIZE_MAX + 1);
    lan_knock_put(&wrong[3], place.knock);
    edn_put_u32(&wrong[3], 0);
    lan_knock_put(&wrong[4], place.knock); /* too slow: the message never becomes whole */
    edn_put_u32(&wrong[4], 100);
    edn_put_str(&wrong[4], "slowly");
    /* wrong[5]: not a word */
    for (size_t i = 0; i < EDN_COUNT(wrong); i++) {
        CHECK((fd = call(&b)) >= 0);
        say(fd, wrong[i].p, wrong[i].n);
        check_hangs_up(&b, fd);
        lan_shut(&fd);
        edn_buf_dispose(&wrong[i]);
    }
    CHECK((fd = call(&b)) >= 0); /* and one who is gone in the middle of its knock */
    say(fd, "\x01the", 4);
    lan_shut(&fd);
    guest_begin(&b, false);
    check_meet(&b);
    both_end(&b);
}

static void who_comes_while_another_is_heard_waits_and_who_comes_later_finds_nobody(void **state)
{
    both b = host_alone(60);
    edn_buf out = EDN_BUF_INIT(100);
    int fd = call(&b);
    bool there;

    (void)state;
    CHECK_OK(edn_lan_get(b.host, 0, &out, &there, &err)); /* hears the one who says nothing */
    guest_begin(&b, true);
    check_meet(&b);
    lan_shut(&fd);
    CHECK_INT(call(&b), -1);
    both_end(&b);
}

/* ---- how it ends ------------------------------------------------------------------------------------------------- */

/* A guest of another make, whose knock and first message are good. */
static int other_guest(both *b)
{
    edn_buf first = EDN_BUF_INIT(1000);
    int fd = call(b);

    CHECK(fd >= 0);
    lan_knock_put(&first, place.knock);
    lan_frame_put(&first, edn_bytes_str("may I?"));
    say(fd, first.p, first.n);
    check_hears(b->host, 0, NULL, 0, edn_bytes_str("may I?"));
    edn_buf_dispose(&first);
    return fd;
}

static void what_is_no_message_ends_a_meeting(void **state)
{
    static const char wrong[2][4] = {{0, 0, 0, 0}, {1, 0, 1, 0}};

    (void)state;
    for (size_t i = 0; i < EDN_COUNT(wrong); i++) {
        both b = host_alone(0);
        int fd = other_guest(&b);
        say(fd, wrong[i], 4);
        check_ends(b.host, 1, EDN_E_FORMAT);
        lan_shut(&fd);
        both_end(&b);
    }
}

static void a_meeting_has_sixteen_messages(void **state)
{
    both b = host_alone(0);
    edn_buf frame = EDN_BUF_INIT(1000);
    int fd = other_guest(&b);

    (void)state;
    CHECK_STATUS(edn_lan_put(b.host, 0, edn_bytes_of(&b, EDN_LAN_MAIL_SIZE_MAX + 1), &err), EDN_E_LIMIT);
    lan_frame_put(&frame, edn_bytes_str("and"));
    for (uint64_t i = 0; i < 8; i++)
        CHECK_OK(edn_lan_put(b.host, i, edn_bytes_str("so on"), &err));
    for (uint64_t i = 1; i < 8; i++) {
        say(fd, frame.p, frame.n);
        check_hears(b.host, i, NULL, 0, edn_bytes_str("and"));
    }
    CHECK_STATUS(edn_lan_put(b.host, 8, edn_bytes_str("so on"), &err), EDN_E_LIMIT);
    say(fd, frame.p, frame.n);
    check_ends(b.host, 8, EDN_E_FORMAT);
    edn_buf_dispose(&frame);
    lan_shut(&fd);
    both_end(&b);
}

static void the_last_word_of_who_goes_is_heard(void **state)
{
    both b = host_alone(0);

    (void)state;
    guest_begin(&b, true);
    check_meet(&b);
    CHECK_OK(edn_lan_put(b.guest, 1, edn_bytes_str("farewell"), &err));
    edn_lan_close(b.guest);
    b.guest = NULL;
    for (uint64_t i = 1; i < 4; i++) { /* in vain, which is told after what was said before */
        CHECK_OK(edn_lan_put(b.host, i, edn_bytes_str("wait"), &err));
        nap();
    }
    check_hears(b.host, 1, NULL, 0, edn_bytes_str("farewell"));
    check_ends(b.host, 2, EDN_E_MISSING);
    CHECK_STATUS(edn_lan_put(b.host, 4, edn_bytes_str("wait"), &err), EDN_E_MISSING);
    both_end(&b);
}

/* One who reads slowly, in a process of its own: 0 when all of it came. */
static int slow_reader(int fd, size_t want)
{
    uint8_t some[65536];
    ssize_t n = 1;

    for (int i = 0; i < 100; i++)
        nap();
    while (n > 0 && want > 0) {
        n = recv(fd, some, sizeof some, 0);
        want -= n > 0 ? (size_t)n : 0;
    }
    return want ? 1 : 0;
}

static void what_is_on_its_way_when_a_side_closes_arrives(void **state)
{
    enum { MAILS = 12 };
    static uint8_t large[EDN_LAN_MAIL_SIZE_MAX];
    both b = host_alone(0);
    int fd = other_guest(&b), ended = -1;
    pid_t reader;

    (void)state;
    CHECK((reader = fork()) >= 0);
    (void)alarm(reader == 0 ? 10 : 0);
    if (reader == 0)
        _exit(slow_reader(fd, (size_t)MAILS * LAN_FRAME_SIZE_MAX));
    lan_shut(&fd);
    for (uint64_t i = 0; i < MAILS; i++)
        CHECK_OK(edn_lan_put(b.host, i, edn_bytes_of(large, sizeof large), &err));
    both_end(&b);
    CHECK(waitpid(reader, &ended, 0) == reader);
    CHECK_INT(ended, 0);
}

static void a_message_to_who_is_gone_is_not_put(void **state)
{
    both b = host_alone(0);

    (void)state;
    guest_begin(&b, true);
    check_meet(&b);
    edn_lan_close(b.guest);
    b.guest = NULL;
    CHECK_STATUS(edn_lan_put(b.host, 1, edn_bytes_str("wait"), &err), EDN_E_MISSING);
    CHECK(strstr(err.text, "ended the connection"));
    both_end(&b);
}

static void its_time_ends_it(void **state)
{
    both b;

    (void)state;
    host_begin(&b, &(edn_lan_options){.address = "127.0.0.1", .life_ms = 30});
    check_ends(b.host, 0, EDN_E_MISSING);
    CHECK_INT(call(&b), -1);
    both_end(&b);
    host_begin(&b, &(edn_lan_options){.address = "127.0.0.1", .life_ms = 600});
    guest_begin(&b, true);
    check_meet(&b);
    check_ends(b.host, 1, EDN_E_MISSING);
    CHECK(strstr(err.text, "the time of the code is over") || strstr(err.text, "meeting is over"));
    check_ends(b.guest, 1, EDN_E_MISSING);
    both_end(&b);
}

static void where_nobody_waits_a_guest_says_so(void **state)
{
    edn_lan_options looks = {.address = "127.0.0.1", .search_ms = 30}, told = {.at = "127.0.0.1:1"};
    edn_buf out = EDN_BUF_INIT(100);
    edn_lan *g;

    (void)state;
    CHECK_OK(edn_lan_guest(&place, &looks, &g, &err));
    CHECK_STATUS(hear(g, 0, NULL, 0, &out), EDN_E_MISSING);
    CHECK(strstr(err.text, "--at"));
    edn_lan_close(g);
    CHECK_OK(edn_lan_guest(&place, &told, &g, &err));
    CHECK_STATUS(hear(g, 0, NULL, 0, &out), EDN_E_MISSING);
    CHECK(strstr(err.text, "nobody waits there"));
    edn_lan_close(g);
}

static void what_cannot_be_an_address_here_is_said(void **state)
{
    both b = host_alone(0);
    edn_lan_options taken = {.address = "127.0.0.1", .port = (uint16_t)atoi(strrchr(b.at, ':') + 1)};
    edn_lan *l;

    (void)state;
    CHECK_STATUS(edn_lan_host(&place, &taken, &l, &err), EDN_E_INVALID);
    CHECK(!l && strstr(err.text, "--port"));
    CHECK_STATUS(edn_lan_host(&place, &(edn_lan_options){.address = "198.51.100.7"}, &l, &err), EDN_E_INVALID);
    CHECK(!l && strstr(err.text, "198.51.100.7"));
    CHECK_STATUS(edn_lan_host(&place, &(edn_lan_options){.address = "home"}, &l, &err), EDN_E_INVALID);
    CHECK_STATUS(edn_lan_guest(&place, &(edn_lan_options){.at = "home:1"}, &l, &err), EDN_E_INVALID);
    CHECK_STATUS(edn_lan_guest(&place, &(edn_lan_options){.address = "::1"}, &l, &err), EDN_E_NETWORK);
    CHECK(!l && strstr(err.text, "--at"));
    both_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_announcement_has_one_spelling),
        cmocka_unit_test(an_address_is_figures),
        cmocka_unit_test(any_split_gives_the_same_messages),
        cmocka_unit_test(a_length_is_refused_before_what_it_promises),
        cmocka_unit_test(they_find_each_other_and_talk),
        cmocka_unit_test(a_guest_may_be_told_the_place),
        cmocka_unit_test(an_announcement_says_tag_and_port_and_no_more),
        cmocka_unit_test(a_guest_passes_over_what_others_announce),
        cmocka_unit_test(a_guest_that_was_left_says_the_same_to_the_next),
        cmocka_unit_test(a_stranger_costs_no_more_than_its_connection),
        cmocka_unit_test(who_comes_while_another_is_heard_waits_and_who_comes_later_finds_nobody),
        cmocka_unit_test(what_is_no_message_ends_a_meeting),
        cmocka_unit_test(a_meeting_has_sixteen_messages),
        cmocka_unit_test(the_last_word_of_who_goes_is_heard),
        cmocka_unit_test(what_is_on_its_way_when_a_side_closes_arrives),
        cmocka_unit_test(a_message_to_who_is_gone_is_not_put),
        cmocka_unit_test(its_time_ends_it),
        cmocka_unit_test(where_nobody_waits_a_guest_says_so),
        cmocka_unit_test(what_cannot_be_an_address_here_is_said),
    };
    edn_store_u32(place.tag, (uint32_t)getpid());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
