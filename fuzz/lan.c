/* What anybody on a network may send to two devices that look for each other: announcements, connections, and what a
 * person types. The first byte says which; of a connection also in what pieces it comes. */
#include "fuzz.h"

#include "lan/lan_priv.h"

static const uint8_t knock[16] = "the knock there";

static void announcement(edn_bytes in)
{
    uint8_t again[LAN_ANNOUNCEMENT_SIZE];
    lan_announcement a;

    if (lan_announcement_decode(in, &a) != EDN_OK)
        return;
    lan_announcement_encode(again, &a);
    FUZZ_HOLDS(edn_bytes_equal(in, edn_bytes_of(again, sizeof again)));
}

static edn_status read_connection(edn_bytes in, size_t piece, edn_buf *out)
{
    lan_incoming c;
    edn_status st = EDN_OK;

    lan_incoming_init(&c, true);
    while (st == EDN_OK && (in.n || lan_incoming_whole(&c))) {
        size_t n = EDN_MIN(EDN_MIN(piece, in.n), lan_incoming_room(&c)), before = out->n;
        st = lan_incoming_feed(&c, knock, edn_bytes_of(in.p, n));
        in = edn_bytes_of(in.p + n, in.n - n);
        FUZZ_HOLDS(c.buf.cap <= LAN_FRAME_SIZE_MAX);
        if (st == EDN_OK && lan_incoming_whole(&c)) {
            FUZZ_HOLDS(lan_incoming_room(&c) == 0);
            edn_put_u8(out, 0xff);
            st = lan_incoming_take(&c, out);
            FUZZ_HOLDS(out->n - before > 1 && out->n - before <= 1 + EDN_LAN_MAIL_SIZE_MAX);
        }
    }
    lan_incoming_dispose(&c);
    return st;
}

/* Any split gives the same messages. */
static void connection(edn_bytes in, size_t piece)
{
    edn_buf whole = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX), parts = EDN_BUF_INIT(FUZZ_MEMORY_SIZE_MAX);
    edn_status st = read_connection(in, SIZE_MAX, &whole);

    FUZZ_HOLDS(st == EDN_OK || st == EDN_E_AUTH || st == EDN_E_FORMAT);
    FUZZ_HOLDS(read_connection(in, piece, &parts) == st);
    FUZZ_HOLDS(edn_bytes_equal(edn_buf_view(&whole), edn_buf_view(&parts)));
    edn_buf_dispose(&whole);
    edn_buf_dispose(&parts);
}

/* What is accepted is written in one way, and that is accepted as the same. */
static void address(edn_bytes in)
{
    char text[256];
    size_t n = EDN_MIN(in.n, sizeof text - 1);
    edn_buf once = EDN_BUF_INIT(200), twice = EDN_BUF_INIT(200);
    lan_address a;

    memcpy(text, in.p, n);
    text[n] = 0;
    if (lan_address_parse_at(text, &a)) {
        FUZZ_HOLDS(lan_address_port(&a) > 0);
        lan_address_put(&once, &a);
        memcpy(text, once.p, once.n);
        text[once.n] = 0;
        FUZZ_HOLDS(lan_address_parse_at(text, &a));
        lan_address_put(&twice, &a);
        FUZZ_HOLDS(edn_bytes_equal(edn_buf_view(&once), edn_buf_view(&twice)));
    }
    edn_buf_dispose(&once);
    edn_buf_dispose(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    if (data[0] == 0)
        announcement(edn_bytes_of(data + 1, size - 1));
    else if (data[0] == 1)
        address(edn_bytes_of(data + 1, size - 1));
    else
        connection(edn_bytes_of(data + 1, size - 1), data[0] - 1u);
    return 0;
}
