#include "check.h"

#include "remote/remote_priv.h"

/* Events as text: "[data]" each. */
static bool note(void *ctx, edn_bytes data)
{
    edn_buf *b = ctx;

    edn_put_str(b, "[");
    edn_put_bytes(b, data.p, data.n);
    edn_put_str(b, "]");
    return true;
}

static void feed(const char *s, size_t n, size_t piece, edn_buf *out)
{
    sse p;

    sse_init(&p);
    for (size_t at = 0; at < n; at += piece)
        CHECK_OK(sse_feed(&p, edn_bytes_of(s + at, EDN_MIN(piece, n - at)), note, out));
    sse_dispose(&p);
}

static const struct {
    const char *in, *out;
} cases[] = {
    {"", ""},
    {"data: a\n\n", "[a]"},
    {"data:a\n\ndata: b\r\n\r\ndata:  c\r\r", "[a][b][ c]"},
    {"data: a\ndata: b\n\n", "[a\nb]"},
    {"data: a\r\ndata: b\r\n\r\n", "[a\nb]"},
    {"data: a\rdata: b\r\r", "[a\nb]"},
    {"data: a", ""},
    {"data: a\n", ""},
    {"data: a\n\r\n", "[a]"},
    {": comment\n\ndata: x\n\n", "[x]"},
    {":\n:\n\n\n", ""},
    {"event: moved\nid: 7\nretry: 10\ndata: x\nother: y\n\n", "[x]"},
    {"event: moved\n\n", ""},
    {"data\n\n", ""},
    {"data:\n\n", ""},
    {"data: \n\n", ""},
    {"data:\ndata:\n\n", "[\n]"},
    {"data\ndata: z\n\n", "[\nz]"},
    {"database: x\ndata : y\nDATA: z\n data: q\n\n", ""},
    {"\xef\xbb\xbf"
     "data: bom\n\n",
     "[bom]"},
    {"\xef\xbb"
     "data: half\ndata: x\n\n",
     "[x]"},
    {"data: \xef\xbb\xbf\n\n", "[\xef\xbb\xbf]"},
    {"data: a:b: c\n\n", "[a:b: c]"},
    {"<html>\n<body>data: x\n\n</body>\n", ""},
    {"\r\n\r\ndata: 1\r\n\r\n\n\ndata: 2\n\r", "[1][2]"},
};

static void streams_are_read_as_the_standard_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDN_COUNT(cases); i++) {
        edn_buf out = EDN_BUF_INIT(1000);
        feed(cases[i].in, strlen(cases[i].in), SIZE_MAX / 2, &out);
        CHECK_STR(edn_buf_view(&out), cases[i].out);
        edn_buf_dispose(&out);
    }
}

static void any_split_gives_the_same_events(void **state)
{
    (void)state;
    for (size_t i = 0; i < EDN_COUNT(cases); i++) {
        size_t n = strlen(cases[i].in);
        for (size_t at = 0; at <= n; at++) {
            edn_buf out = EDN_BUF_INIT(1000);
            sse p;
            sse_init(&p);
            CHECK_OK(sse_feed(&p, edn_bytes_of(cases[i].in, at), note, &out));
            CHECK_OK(sse_feed(&p, edn_bytes_of(cases[i].in + at, n - at), note, &out));
            CHECK_STR(edn_buf_view(&out), cases[i].out);
            sse_dispose(&p);
            edn_buf_dispose(&out);
        }
        for (size_t piece = 1; piece < 5; piece++) {
            edn_buf out = EDN_BUF_INIT(1000);
            feed(cases[i].in, n, piece, &out);
            CHECK_STR(edn_buf_view(&out), cases[i].out);
            edn_buf_dispose(&out);
        }
    }
}

static bool never(void *ctx, edn_bytes data)
{
    (void)data;
    ++*(int *)ctx;
    return false;
}

static void a_callback_may_stop(void **state)
{
    (void)state;
    sse p;
    int calls = 0;

    sse_init(&p);
    CHECK_STATUS(sse_feed(&p, edn_bytes_str("data: a\n\ndata: b\n\n"), never, &calls), EDN_E_CANCELLED);
    CHECK_INT(calls, 1);
    sse_dispose(&p);
}

static void long_lines_and_events_are_refused(void **state)
{
    (void)state;
    static const char *const endless[] = {"x", "data: some\n", "data: 0123456789"};
    for (size_t i = 0; i < EDN_COUNT(endless); i++) {
        edn_buf out = EDN_BUF_INIT(1000);
        edn_status st = EDN_OK;
        size_t fed = 0;
        sse p;
        sse_init(&p);
        while (st == EDN_OK && fed < 4 * SSE_EVENT_SIZE_MAX) {
            st = sse_feed(&p, edn_bytes_str(endless[i]), note, &out);
            fed += strlen(endless[i]);
        }
        CHECK_STATUS(st, EDN_E_LIMIT);
        CHECK(p.line.cap + p.data.cap <= 2 * SSE_EVENT_SIZE_MAX);
        sse_dispose(&p);
        edn_buf_dispose(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_read_as_the_standard_says),
        cmocka_unit_test(any_split_gives_the_same_events),
        cmocka_unit_test(a_callback_may_stop),
        cmocka_unit_test(long_lines_and_events_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
