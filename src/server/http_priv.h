/* What the files of ednd's edge share. */
#ifndef EDN_SERVER_HTTP_PRIV_H
#define EDN_SERVER_HTTP_PRIV_H

#include "http.h"

#include <microhttpd.h>
#include <netinet/in.h>

#include "base/base.h"

#define STREAM_SLOTS 4096u
#define WHEEL_SLOTS 64u /* seconds; events_s stays below */
#define STREAM_TEXT_SIZE 40u

typedef struct request request;
typedef struct stream stream;
typedef struct tls_identity tls_identity;

typedef struct conn {
    struct conn *prev, *next; /* of those whose clock runs; not streams, which the wheel watches */
    struct MHD_Connection *mhd;
    request *rq; /* NULL: between two requests */
    tls_identity *tls;
    uint64_t since_s; /* when it was accepted, its last request ended, or the next head began */
    uint32_t seen;    /* bytes that had come when its last request ended, modulo 2^32 */
    bool heading;     /* a head is on its way, or its first is awaited */
    bool listed;
    uint8_t address[16];
    uint8_t address_n;
} conn;

struct request {
    conn *c;
    request *next;   /* in the queue that it waits in */
    uint64_t due_ns; /* when its body was complete, or when its held answer leaves */
    edn_server_request rq;
    edn_server_answer answer;
    edn_buf body;
    uint64_t size_max, received, started_s;
    uint8_t binding[32];
    bool appends, refused, done;
};

struct stream {
    conn *c;
    edn_server_watch watch;
    stream *next_space, *wheel_prev, *wheel_next;
    uint64_t due_s, end_s; /* end_s: of its token */
    int fd;
    char text[STREAM_TEXT_SIZE];
    uint8_t text_n;
    bool suspended, closing;
};

/* Suspended requests, first come first. */
typedef struct queue {
    request *first, **end;
    size_t n;
} queue;

struct edn_httpd {
    edn_httpd_config config;
    edn_server *core;
    struct MHD_Daemon *daemon;
    int listen_fd, epoll_fd;
    char *cert, *key;  /* of the start: the library keeps them */
    tls_identity *tls; /* the newest first */
    int hangup_fd;     /* an epoll that tells when a stream's client has gone */
    conn *conns;
    size_t conns_n, requests_n, streams_n;
    queue pending;     /* bodies are complete, to be handled in a group */
    size_t group_last; /* how many the last group had */
    queue held;        /* answers are made, and wait for their time */
    size_t body_memory;
    stream **by_space; /* STREAM_SLOTS chains */
    stream *wheel[WHEEL_SLOTS];
    struct MHD_Response *empty[2]; /* of 200 and 204, which probes get by the thousand */
    bool resumed;                  /* something waits for the daemon that no socket will tell of */
    /* A connection has ended in this turn. At its limit (of connections, or of descriptors) the library stops
     * listening, and begins again only at its next look, which without this might never come. */
    bool closed;
    uint64_t swept_s, timed_out, stream_events;
    bool stopping;
};

uint64_t edn_httpd_now_s(void); /* of the clock that nobody sets */
/* Prepares an answer without the core. */
void edn_httpd_refuse(request *r, int status, const char *code, const char *title);
/* From here on the connection's clock does not run. */
void edn_httpd_conn_unlist(edn_httpd *h, conn *c);
/* Shuts a socket down behind the library's back: it sees the end at its next look, and cleans up. */
void edn_httpd_conn_kick(conn *c);

/* ---- addresses (listen.c) ---------------------------------------------------------------------------------------- */

typedef union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address;

bool edn_address_loopback(const struct sockaddr *a);
/* What limits count by: an IPv4 address, or the /64 that one customer of a provider has. Gives its size; 0: unknown. */
uint8_t edn_address_key(const struct sockaddr *a, uint8_t out[16]);

/* How many bytes have come on a connection, modulo 2^32. */
uint32_t edn_conn_bytes(int fd);

/* ---- certificates (tls.c) ---------------------------------------------------------------------------------------- */

/* A file's text, for edn_pem_free. EDN_E_TLS with the file's name. */
EDN_MUST_USE edn_status edn_pem_read(const char *path, char **out, edn_err *err);
void edn_pem_free(char *pem); /* wipes */
/* Reads certificate and key (again). A failure leaves what was there. */
EDN_MUST_USE edn_status edn_tls_load(edn_httpd *h, edn_err *err);
void edn_tls_begin(edn_httpd *h, conn *c); /* a new connection, before its handshake */
void edn_tls_end(conn *c);
void edn_tls_sweep(edn_httpd *h); /* forgets what no connection uses any more */
void edn_tls_dispose(edn_httpd *h);

/* ---- event streams (stream.c) ------------------------------------------------------------------------------------ */

EDN_MUST_USE enum MHD_Result edn_httpd_stream_begin(edn_httpd *h, request *r);
/* Tells the streams of a space that it moved, and ends those that may not listen any more. */
void edn_httpd_stream_news(edn_httpd *h, const edn_server_change *change);
/* What is due in this second. */
void edn_httpd_stream_tick(edn_httpd *h, uint64_t second);
/* Ends those whose clients have gone, which the library does not see while they sleep. */
void edn_httpd_stream_hangups(edn_httpd *h);
void edn_httpd_stream_end_all(edn_httpd *h);

/* ---- the server's own pages (page.c) ----------------------------------------------------------------------------- */

/* True: the request is for one, and its answer is made. */
bool edn_httpd_page(edn_httpd *h, request *r);

#endif
