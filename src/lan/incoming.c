/* A connection's bytes: from a guest first its knock, then, from either side, messages.
 *
 *     knock      u8 version 1 ‖ 16 bytes
 *     message    u32 length, 1 to 65536 ‖ so many bytes
 *
 * A length is looked at before there is memory for what it promises, and memory grows with what has come. */
#include "lan_priv.h"

#define VERSION 1u

void lan_incoming_init(lan_incoming *in, bool knock) { *in = (lan_incoming){EDN_BUF_INIT(LAN_FRAME_SIZE_MAX), !knock}; }

void lan_incoming_dispose(lan_incoming *in) { edn_buf_wipe(&in->buf); }

static uint32_t length_of(const lan_incoming *in) { return edn_load_u32(in->buf.p); }

bool lan_incoming_whole(const lan_incoming *in)
{
    return in->knocked && in->buf.n >= 4 && in->buf.n - 4 >= length_of(in);
}

size_t lan_incoming_room(const lan_incoming *in) { return lan_incoming_whole(in) ? 0 : LAN_FRAME_SIZE_MAX - in->buf.n; }

/* Away with the first n bytes. */
static void drop(lan_incoming *in, size_t n)
{
    memmove(in->buf.p, in->buf.p + n, in->buf.n - n);
    in->buf.n -= n;
}

static edn_status length_check(const lan_incoming *in)
{
    if (in->knocked && in->buf.n >= 4 && (length_of(in) == 0 || length_of(in) > EDN_LAN_MAIL_SIZE_MAX))
        return EDN_E_FORMAT;
    return EDN_OK;
}

/* As much of a knock as is there. */
static edn_status knock_check(lan_incoming *in, const uint8_t knock[16])
{
    size_t n = EDN_MIN(in->buf.n, LAN_KNOCK_SIZE);

    if (in->knocked || n == 0)
        return EDN_OK;
    if (in->buf.p[0] != VERSION)
        return EDN_E_AUTH;
    if (n < LAN_KNOCK_SIZE)
        return EDN_OK;
    if (memcmp(in->buf.p + 1, knock, 16) != 0) /* anybody who heard the tag can find it: no secret */
        return EDN_E_AUTH;
    drop(in, LAN_KNOCK_SIZE);
    in->knocked = true;
    return EDN_OK;
}

edn_status lan_incoming_feed(lan_incoming *in, const uint8_t knock[16], edn_bytes bytes)
{
    edn_status st;

    EDN_ASSERT(bytes.n <= lan_incoming_room(in));
    edn_put_bytes(&in->buf, bytes.p, bytes.n);
    if ((st = edn_buf_status(&in->buf)) != EDN_OK || (st = knock_check(in, knock)) != EDN_OK)
        return st;
    return length_check(in);
}

edn_status lan_incoming_take(lan_incoming *in, edn_buf *out)
{
    size_t n;

    EDN_ASSERT(lan_incoming_whole(in));
    n = length_of(in);
    edn_put_bytes(out, in->buf.p + 4, n);
    drop(in, 4 + n);
    return edn_buf_status(out) == EDN_OK ? length_check(in) : edn_buf_status(out);
}

void lan_knock_put(edn_buf *out, const uint8_t knock[16])
{
    edn_put_u8(out, VERSION);
    edn_put_bytes(out, knock, 16);
}

void lan_frame_put(edn_buf *out, edn_bytes mail) { edn_put_lp(out, mail); }
