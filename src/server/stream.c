#include "http_priv.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

/* Event streams. One sleeps in the library until there is something to say:
 *
 *   by_space[hash] ─▶ stream ─▶ stream      who is to hear of a space
 *   wheel[second]  ◀▶ stream ◀▶ stream      when it next shows a sign of life, or ends with its token
 *
 * A stream holds what it will say next, and no more: news that come while it still sends replace those that wait.
 *
 * The library does not look at a stream that sleeps. So that those whose clients have gone do not stand in the way of
 * the same clients coming back, an epoll of our own waits for hang-ups; and of one device's streams the oldest give
 * way: a client that went without a word leaves its connection open for minutes. */

static stream **stream_slot(edn_httpd *h, const edn_space_id *space)
{
    return &h->by_space[edn_table_hash(space->b, sizeof space->b, 0) % STREAM_SLOTS];
}

static void wheel_insert(edn_httpd *h, stream *s, uint64_t due_s)
{
    stream **slot = &h->wheel[due_s % WHEEL_SLOTS];

    s->due_s = due_s;
    s->wheel_prev = NULL;
    s->wheel_next = *slot;
    if (*slot)
        (*slot)->wheel_prev = s;
    *slot = s;
}

static void wheel_remove(edn_httpd *h, stream *s)
{
    *(s->wheel_prev ? &s->wheel_prev->wheel_next : &h->wheel[s->due_s % WHEEL_SLOTS]) = s->wheel_next;
    if (s->wheel_next)
        s->wheel_next->wheel_prev = s->wheel_prev;
}

/* When it is to be looked at again: for a sign of life, or because its token ends. */
static uint64_t stream_next(const edn_httpd *h, const stream *s, uint64_t now)
{
    uint64_t sign = now + h->config.events_s;

    return s->end_s > now && s->end_s < sign ? s->end_s : sign;
}

static void stream_wake(edn_httpd *h, stream *s)
{
    if (s->suspended) {
        s->suspended = false;
        MHD_resume_connection(s->c->mhd);
        h->resumed = true;
    }
}

/* The buffer that we are to fill is most of the connection's pool. Before a stream goes to sleep, the pages of it that
 * hold nothing go back to the system: an idle stream then costs its head, not the largest head there may be. */
static void stream_give_back(char *buf, size_t n)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)buf + STREAM_TEXT_SIZE + page - 1) & ~(page - 1),
              to = ((uintptr_t)buf + n) & ~(page - 1);

    if (to > from)
        (void)madvise((void *)from, to - from, MADV_DONTNEED); /* if not, they stay resident */
}

static ssize_t stream_read(void *cls, uint64_t pos, char *buf, size_t n)
{
    stream *s = cls;

    (void)pos;
    if (s->text_n > 0 && n >= s->text_n) {
        size_t got = s->text_n;
        memcpy(buf, s->text, got);
        s->text_n = 0;
        return (ssize_t)got;
    }
    if (s->closing || s->text_n > 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    stream_give_back(buf, n);
    s->suspended = true;
    MHD_suspend_connection(s->c->mhd);
    return 0;
}

/* Streams are few bytes each: the request that began one is gone once its head was sent, and this is all that stays. */
typedef struct stream_owner {
    edn_httpd *h;
    stream s;
} stream_owner;

static void stream_free(void *cls)
{
    stream *s = cls;
    stream_owner *o = (stream_owner *)(void *)((char *)s - offsetof(stream_owner, s));
    stream **at = stream_slot(o->h, &s->watch.space);

    (void)epoll_ctl(o->h->hangup_fd, EPOLL_CTL_DEL, s->fd, NULL); /* a socket that is closed is out of it already */
    while (*at != s)
        at = &(*at)->next_space;
    *at = s->next_space;
    wheel_remove(o->h, s);
    o->h->streams_n--;
    free(o);
}

static void stream_say(stream *s, edn_bytes text)
{
    EDN_ASSERT(text.n <= sizeof s->text);
    memcpy(s->text, text.p, text.n);
    s->text_n = (uint8_t)text.n;
}

static void stream_end(edn_httpd *h, stream *s)
{
    s->closing = true;
    edn_httpd_conn_kick(s->c);
    stream_wake(h, s);
}

static void stream_watch_hangup(edn_httpd *h, stream *s)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(s->c->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct epoll_event e = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.ptr = s};

    s->fd = info ? info->connect_fd : -1;
    (void)epoll_ctl(h->hangup_fd, EPOLL_CTL_ADD, s->fd, &e); /* without it the next sign of life will tell */
}

void edn_httpd_stream_hangups(edn_httpd *h)
{
    struct epoll_event e[64];
    int n;

    while ((n = epoll_wait(h->hangup_fd, e, (int)EDN_COUNT(e), 0)) > 0)
        for (int i = 0; i < n; i++)
            stream_end(h, e[i].data.ptr);
}

/* The newest come first in their chain. */
static void stream_push_out(edn_httpd *h, const edn_server_watch *w)
{
    size_t n = 0, most = h->config.streams_per_device;

    for (stream *s = *stream_slot(h, &w->space); most && s; s = s->next_space)
        if (memcmp(&s->watch.device, &w->device, sizeof w->device) == 0 &&
            memcmp(&s->watch.space, &w->space, sizeof w->space) == 0 && ++n > most && !s->closing)
            stream_end(h, s);
}

enum MHD_Result edn_httpd_stream_begin(edn_httpd *h, request *r)
{
    stream_owner *o = calloc(1, sizeof *o);
    struct MHD_Response *response;
    enum MHD_Result ok;
    stream *s;

    if (!o)
        return MHD_NO;
    o->h = h;
    s = &o->s;
    s->c = r->c;
    s->watch = r->answer.watch;
    s->next_space = *stream_slot(h, &s->watch.space);
    *stream_slot(h, &s->watch.space) = s;
    s->end_s = edn_httpd_now_s() + s->watch.left_s + 1; /* two clocks, each in whole seconds */
    wheel_insert(h, s, stream_next(h, s, edn_httpd_now_s()));
    h->streams_n++;
    stream_watch_hangup(h, s);
    stream_push_out(h, &s->watch);
    stream_say(s, edn_buf_view(&r->answer.body));
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 1, stream_read, s, stream_free);
    if (!response) {
        stream_free(s);
        return MHD_NO;
    }
    /* No Cache-Control: what is asked for with a token is nobody's to keep (RFC 9111), and 10,000 copies would be. */
    ok = MHD_add_response_header(response, "Content-Type", r->answer.type);
    if (ok == MHD_YES)
        ok = MHD_queue_response(r->c->mhd, 200, response);
    MHD_destroy_response(response);
    if (ok == MHD_YES)
        edn_httpd_conn_unlist(h, r->c); /* from here on the wheel watches it */
    return ok;
}

void edn_httpd_stream_news(edn_httpd *h, const edn_server_change *change)
{
    edn_buf text = EDN_BUF_INIT(STREAM_TEXT_SIZE);

    edn_put_str(&text, "data: ");
    edn_base64url_encode(&text, edn_bytes_of(change->etag.b, sizeof change->etag.b));
    edn_put_str(&text, "\n\n");
    for (stream *s = *stream_slot(h, &change->space); s; s = s->next_space) {
        if (memcmp(&s->watch.space, &change->space, sizeof change->space) != 0)
            continue;
        if (!edn_server_watching(h->core, &s->watch))
            s->closing = true;
        else if (edn_buf_status(&text) == EDN_OK)
            stream_say(s, edn_buf_view(&text));
        else
            s->closing = true; /* no memory to tell it: it asks when it comes back */
        h->stream_events++;
        stream_wake(h, s);
    }
    edn_buf_dispose(&text);
}

void edn_httpd_stream_tick(edn_httpd *h, uint64_t second)
{
    for (stream *s = h->wheel[second % WHEEL_SLOTS], *next; s; s = next) {
        next = s->wheel_next;
        if (s->due_s > second)
            continue;
        if (!edn_server_watching(h->core, &s->watch))
            s->closing = true;
        else if (s->text_n == 0)
            stream_say(s, edn_bytes_str(":\n\n"));
        wheel_remove(h, s);
        wheel_insert(h, s, stream_next(h, s, second));
        stream_wake(h, s);
    }
}

void edn_httpd_stream_end_all(edn_httpd *h)
{
    for (size_t i = 0; i < STREAM_SLOTS; i++)
        for (stream *s = h->by_space[i]; s; s = s->next_space) {
            s->closing = true;
            stream_wake(h, s);
        }
}
