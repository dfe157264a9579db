/* What comes from a server before anything is known of it, and what a person types: event streams, and origins. The
 * first byte says which; of a stream it also says in what pieces it comes. */
#include "fuzz.h"

#include "remote/remote_priv.h"

static bool note(void *ctx, edn_bytes data)
{
    edn_buf *out = ctx;

    FUZZ_HOLDS(data.n > 0 && data.n < SSE_EVENT_SIZE_MAX);
    edn_put_lp(out, data);
    return true;
}

static edn_status read_stream(edn_bytes in, size_t piece, edn_buf *out)
{
    edn_status st = EDN_OK;
    sse p;

    sse_init(&p);
    for (size_t at = 0; at < in.n && st == EDN_OK; at += piece)
        st = sse_feed(&p, edn_bytes_of(in.p + at, EDN_MIN(piece, in.n - at)), note, out);
    FUZZ_HOLDS(p.line.cap <= SSE_EVENT_SIZE_MAX && p.data.cap <= SSE_EVENT_SIZE_MAX);
    sse_dispose(&p);
    return st;
}

/* Any split gives the same events. */
static void stream(edn_bytes in, size_t piece)
{
    edn_buf whole = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX), parts = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX);
    edn_status st = read_stream(in, SIZE_MAX / 2, &whole);

    FUZZ_HOLDS(st == EDN_OK || st == EDN_E_LIMIT);
    FUZZ_HOLDS(read_stream(in, piece, &parts) == st);
    FUZZ_HOLDS(edn_bytes_equal(edn_buf_view(&whole), edn_buf_view(&parts)));
    edn_buf_dispose(&whole);
    edn_buf_dispose(&parts);
}

/* What is accepted is its own normal form, and plain only for this machine. */
static void origin(edn_bytes in)
{
    char text[1024], out[ORIGIN_SIZE], again[ORIGIN_SIZE];
    size_t n = EDN_MIN(in.n, sizeof text - 1);

    memcpy(text, in.p, n);
    text[n] = 0;
    if (edn_origin_normalise(text, out, NULL) != EDN_OK) {
        FUZZ_HOLDS(out[0] == 0);
        return;
    }
    FUZZ_HOLDS(edn_origin_normalise(out, again, NULL) == EDN_OK && strcmp(out, again) == 0);
    FUZZ_HOLDS(!strpbrk(out, "@?#% \r\n\\"));
    FUZZ_HOLDS(!origin_is_plain(out) || strncmp(out + 7, "127.", 4) == 0 || strncmp(out + 7, "[::1]", 5) == 0 ||
               strncmp(out + 7, "localhost", 9) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    if (data[0] & 1)
        origin(edn_bytes_of(data + 1, size - 1));
    else
        stream(edn_bytes_of(data + 1, size - 1), 1 + data[0] / 2);
    return 0;
}
