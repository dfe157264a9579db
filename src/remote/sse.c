#include "remote_priv.h"

static const uint8_t byte_order_mark[3] = {0xef, 0xbb, 0xbf};

void sse_init(sse *p)
{
    *p = (sse){.line = EDN_BUF_INIT(SSE_EVENT_SIZE_MAX), .data = EDN_BUF_INIT(SSE_EVENT_SIZE_MAX)};
}

void sse_dispose(sse *p)
{
    edn_buf_dispose(&p->line);
    edn_buf_dispose(&p->data);
}

/* An empty line ends the event. Every line of data was followed by a line feed; the last one is not part of it. */
static edn_status event_end(sse *p, sse_fn *fn, void *ctx)
{
    edn_bytes data = edn_buf_view(&p->data);
    bool go_on = true;

    if (data.n > 1)
        go_on = fn(ctx, edn_bytes_of(data.p, data.n - 1));
    edn_buf_reset(&p->data);
    return go_on ? EDN_OK : EDN_E_CANCELLED;
}

static edn_status line_end(sse *p, sse_fn *fn, void *ctx)
{
    edn_bytes line = edn_buf_view(&p->line);
    size_t skip = 5; /* "data:" */

    if (line.n == 0)
        return event_end(p, fn, ctx);
    if (line.n >= 4 && memcmp(line.p, "data", 4) == 0 && (line.n == 4 || line.p[4] == ':')) {
        if (line.n > 5 && line.p[5] == ' ')
            skip = 6;
        if (line.n > skip)
            edn_put_bytes(&p->data, line.p + skip, line.n - skip);
        edn_put_u8(&p->data, '\n');
    }
    edn_buf_reset(&p->line);
    return edn_buf_status(&p->data);
}

edn_status sse_feed(sse *p, edn_bytes piece, sse_fn *fn, void *ctx)
{
    edn_status st = EDN_OK;

    for (size_t i = 0; i < piece.n && st == EDN_OK; i++) {
        uint8_t c = piece.p[i];
        if (p->begun < 3) {
            if (c == byte_order_mark[p->begun]) {
                p->begun++;
                continue;
            }
            edn_put_bytes(&p->line, byte_order_mark, p->begun); /* it was something else */
            p->begun = 3;
        }
        if (c == '\n' && p->after_cr) {
            p->after_cr = false;
            continue;
        }
        p->after_cr = c == '\r';
        if (c == '\r' || c == '\n') {
            st = line_end(p, fn, ctx);
        } else {
            edn_put_u8(&p->line, c);
            st = edn_buf_status(&p->line);
        }
    }
    return st;
}
