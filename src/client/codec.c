/* Compression before sealing: u8 method ‖ payload. Method 0: as it is. Method 1: varint size ‖ one zstd frame (RFC 8878).
 *
 * Only text of one author is ever compressed together (SECURITY 2.8), so lengths tell nobody about anybody else's words. The size stands in
 * front, so that a frame cannot make the reader allocate more than its caller allows. */
#include "client_priv.h"

#include <stdlib.h>
#include <zstd.h>

enum { METHOD_RAW = 0, METHOD_ZSTD = 1 };
#define PACK_SIZE_MIN 64u /* below this a frame's own bytes eat the gain */

struct codec {
    ZSTD_CCtx *c;
    ZSTD_DCtx *d;
};

edn_status codec_new(codec **out)
{
    codec *k = calloc(1, sizeof *k);

    *out = NULL;
    if (!k)
        return EDN_E_NOMEM;
    k->c = ZSTD_createCCtx();
    k->d = ZSTD_createDCtx();
    if (!k->c || !k->d) {
        codec_free(k);
        return EDN_E_NOMEM;
    }
    *out = k;
    return EDN_OK;
}

void codec_free(codec *k)
{
    if (!k)
        return;
    ZSTD_freeCCtx(k->c);
    ZSTD_freeDCtx(k->d);
    free(k);
}

static edn_status put_raw(edn_buf *out, edn_bytes raw)
{
    edn_put_u8(out, METHOD_RAW);
    edn_put_bytes(out, raw.p, raw.n);
    return edn_buf_status(out);
}

/* The frame without what we know already: no magic, no checksum (the seal has one), no content size. */
static bool set_parameters(codec *k, int level)
{
    return !ZSTD_isError(ZSTD_CCtx_reset(k->c, ZSTD_reset_session_and_parameters)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(k->c, ZSTD_c_compressionLevel, level)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(k->c, ZSTD_c_contentSizeFlag, 0)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(k->c, ZSTD_c_checksumFlag, 0));
}

edn_status codec_pack(codec *k, edn_bytes raw, int level, edn_buf *out)
{
    size_t begin = out->n, bound, n;

    if (raw.n < PACK_SIZE_MIN)
        return put_raw(out, raw);
    if (!set_parameters(k, level))
        return EDN_E_NOMEM;
    edn_put_u8(out, METHOD_ZSTD);
    edn_put_varint(out, raw.n);
    bound = ZSTD_compressBound(raw.n);
    edn_buf_reserve(out, bound);
    if (edn_buf_status(out) != EDN_OK)
        return edn_buf_status(out);
    n = ZSTD_compress2(k->c, out->p + out->n, bound, raw.p, raw.n);
    if (ZSTD_isError(n))
        return EDN_E_NOMEM; /* with room for the bound, memory is all that can lack */
    if (out->n + n - begin >= raw.n + 1) {
        out->n = begin;
        return put_raw(out, raw);
    }
    out->n += n;
    return EDN_OK;
}

static edn_status unpack_zstd(codec *k, edn_reader *r, size_t size_max, edn_buf *out)
{
    uint64_t size = edn_read_varint(r, "size");
    edn_bytes frame;
    uint8_t *to;
    size_t n;

    if (edn_reader_status(r) != EDN_OK)
        return EDN_E_FORMAT;
    if (size > size_max)
        return EDN_E_LIMIT;
    frame = edn_read_bytes(r, edn_reader_left(r), "frame");
    to = edn_buf_grow(out, (size_t)size);
    if (!to)
        return edn_buf_status(out);
    n = ZSTD_decompressDCtx(k->d, to, (size_t)size, frame.p, frame.n);
    if (ZSTD_isError(n) || n != size) {
        out->n -= (size_t)size;
        return EDN_E_FORMAT;
    }
    return EDN_OK;
}

edn_status codec_unpack(codec *k, edn_bytes packed, size_t size_max, edn_buf *out)
{
    edn_reader r = edn_reader_init(packed);
    uint8_t method = edn_read_u8(&r, "method");
    edn_bytes raw;

    if (edn_reader_status(&r) != EDN_OK)
        return EDN_E_FORMAT;
    if (method == METHOD_ZSTD)
        return unpack_zstd(k, &r, size_max, out);
    if (method != METHOD_RAW)
        return EDN_E_FORMAT;
    raw = edn_read_bytes(&r, edn_reader_left(&r), "bytes");
    if (raw.n > size_max)
        return EDN_E_LIMIT;
    edn_put_bytes(out, raw.p, raw.n);
    return edn_buf_status(out);
}
