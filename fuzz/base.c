/* base's readers: UTF-8, hex, base64url, varints. The first byte says which. */
#include "fuzz.h"

static void utf8(edn_bytes in)
{
    size_t count, walked = 0, end = edn_utf8_check(in, &count);
    edn_bytes good = edn_bytes_of(in.p, end);

    FUZZ_HOLDS(end <= in.n);
    for (size_t at = 0; at < good.n; walked++) {
        uint8_t again[4];
        size_t from = at, n;
        uint32_t scalar = edn_utf8_next(good, &at);

        n = edn_utf8_put(again, scalar);
        FUZZ_HOLDS(n == at - from && memcmp(again, good.p + from, n) == 0);
        FUZZ_HOLDS(edn_utf8_offset(good, walked) == from);
    }
    FUZZ_HOLDS(walked == count && edn_utf8_count(good) == count);
}

static void hex(edn_bytes in)
{
    uint8_t bytes[32];
    char text[65];

    if (!edn_hex_decode(bytes, in.n / 2 < 32 ? in.n / 2 : 32, in))
        return;
    edn_hex_encode(text, bytes, in.n / 2);
    for (size_t i = 0; i < in.n; i++)
        FUZZ_HOLDS((text[i] | 32) == (in.p[i] | 32));
}

static void base64url(edn_bytes in)
{
    edn_buf bytes = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX), again = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX);

    if (edn_base64url_decode(&bytes, in) == EDN_OK) {
        edn_base64url_encode(&again, edn_buf_view(&bytes));
        fuzz_same(in, &again);
    }
    edn_buf_dispose(&bytes);
}

static void varints(edn_bytes in)
{
    edn_reader r = edn_reader_init(in);
    edn_buf again = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX);

    while (edn_reader_status(&r) == EDN_OK && edn_reader_left(&r)) {
        uint64_t v = edn_read_varint(&r, "number");
        if (edn_reader_status(&r) == EDN_OK)
            edn_put_varint(&again, v);
    }
    fuzz_same(edn_bytes_of(in.p, again.n), &again);
}

static void length_prefixed(edn_bytes in)
{
    edn_reader r = edn_reader_init(in);

    while (edn_reader_status(&r) == EDN_OK && edn_reader_left(&r)) {
        edn_bytes v = edn_read_lp(&r, 1000, "piece");
        FUZZ_HOLDS(v.n <= 1000);
    }
    FUZZ_HOLDS(edn_reader_left(&r) == 0 && r.at <= in.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(edn_bytes) = {utf8, hex, base64url, varints, length_prefixed};

    if (size)
        readers[data[0] % EDN_COUNT(readers)](edn_bytes_of(data + 1, size - 1));
    return 0;
}
