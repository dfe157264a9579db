/* A running ednd, and plain connections to it: for tests of the program and for benches. */
#ifndef EDN_TESTS_EDND_H
#define EDN_TESTS_EDND_H

#include "check.h"
#include "tempdir.h"

#include <sys/types.h>

typedef struct ednd {
    pid_t pid;
    uint16_t port;
    char origin[128];
    char dir[TEMPDIR_SIZE]; /* the data folder is DIR/data */
    int out, err;           /* its standard output and error, for reading */
} ednd;

/* Makes a folder; the program is EDND in the environment, or `program`. */
void ednd_init(ednd *e);
/* Starts it with --data, --listen 127.0.0.1:0 and the given flags (NULL-terminated), and waits until it is ready. */
void ednd_start(ednd *e, const char *program, const char *const *flags);
/* The same without waiting: what it says when it does not start is read from e->err. */
void ednd_spawn(ednd *e, const char *program, const char *const *flags);
/* Sends the signal and waits: the exit code, or 128 + the signal that ended it. */
int ednd_stop(ednd *e, int signal);
int ednd_wait(ednd *e);
/* What it wrote to standard error so far, as text. */
void ednd_errors(ednd *e, char *out, size_t n);
void ednd_dispose(ednd *e);

/* One connection. Bytes that came and were not consumed wait in `in`. */
typedef struct wire_conn {
    int fd;
    edn_buf in;
    size_t used; /* of `in`, by the last answer */
    uint64_t sent, received;
} wire_conn;

typedef struct wire_answer {
    int status;
    edn_bytes head, body; /* borrowed until the next call */
} wire_answer;

bool wire_open(wire_conn *c, uint16_t port);
void wire_close(wire_conn *c);
/* False: the other side closed. */
bool wire_send(wire_conn *c, edn_bytes bytes);
/* Reads until a whole answer with Content-Length is there; false: the connection ended first. */
bool wire_read(wire_conn *c, wire_answer *out);
/* Reads once, if anything comes within the time; consumes a whole answer when there is one. */
bool wire_poll(wire_conn *c, wire_answer *out);
/* Reads whatever comes until `end` is in it (at most `ms`), consuming nothing. False: it did not come. */
bool wire_expect(wire_conn *c, const char *end, int ms);
/* Whether the other side closes within the time; reads and forgets what comes. */
bool wire_closes(wire_conn *c, int ms);

/* A request's bytes. `more`: further header lines, each with its \r\n, or "". */
void wire_request(edn_buf *out, const char *method, const char *path, edn_bytes token, const char *more,
                  edn_bytes body);
/* person_ask_fn over a wire_conn. */
int wire_ask(void *ctx, const char *method, const char *path, edn_bytes token, edn_bytes body, edn_buf *answer);
/* The value of a head's field, or NULL; borrowed, ends at \r. */
const char *wire_field(const wire_answer *a, const char *name);

#endif
