/* Packed bytes have one form: what another writer makes of the same words is refused. */
#include "check.h"

#include <zstd.h>

#include "client/client_priv.h"
#include "world.h"

static const char words[] = "Up betimes and to the office, where we sat all the morning; up betimes and to the office.";
#define WORDS_SIZE (sizeof words - 1)

/* u8 1 ‖ varint size ‖ the frames. */
static void put_packed(edn_buf *out, size_t size, const edn_bytes *frames, size_t n)
{
    edn_buf_reset(out);
    edn_put_u8(out, 1);
    edn_put_varint(out, size);
    for (size_t i = 0; i < n; i++)
        edn_put_bytes(out, frames[i].p, frames[i].n);
}

static edn_bytes frame_of(edn_buf *out, edn_bytes raw, bool size, bool checksum)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    size_t n;

    *out = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    CHECK(c && edn_buf_grow(out, ZSTD_compressBound(raw.n)));
    CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, size)));
    CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, checksum)));
    n = ZSTD_compress2(c, out->p, out->n, raw.p, raw.n);
    CHECK(!ZSTD_isError(n));
    out->n = n;
    ZSTD_freeCCtx(c);
    return edn_buf_view(out);
}

static void exactly_one_frame_as_we_make_them(void **state)
{
    (void)state;
    world *w = world_of_two();
    edn_client *c = world_open(w, "a");
    static const uint8_t skippable[] = {0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 'e', 'v', 'i', 'l'};
    edn_buf bufs[5], packed = EDN_BUF_INIT(EDN_BUF_UNLIMITED), out = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_bytes good = frame_of(&bufs[0], edn_bytes_of(words, WORDS_SIZE), false, false);
    edn_bytes half = frame_of(&bufs[1], edn_bytes_of(words, 40), false, false);
    edn_bytes rest = frame_of(&bufs[2], edn_bytes_of(words + 40, WORDS_SIZE - 40), false, false);
    edn_bytes sized = frame_of(&bufs[3], edn_bytes_of(words, WORDS_SIZE), true, false);
    edn_bytes summed = frame_of(&bufs[4], edn_bytes_of(words, WORDS_SIZE), false, true);
    edn_bytes empty = edn_bytes_of("\x28\xb5\x2f\xfd\x00\x58\x01\x00\x00", 9); /* a frame of nothing */
    const edn_bytes skip = edn_bytes_of(skippable, sizeof skippable), byte = edn_bytes_of("", 1);
    const edn_bytes bad[][2] = {{half, rest}, {good, empty}, {empty, good}, {skip, good},
                                {good, skip}, {good, byte},  {sized, {0}},  {summed, {0}}};

    CHECK_OK(client_begin_read(c, NULL));
    put_packed(&packed, WORDS_SIZE, &good, 1);
    CHECK_OK(codec_unpack(c, edn_buf_view(&packed), 1000, &out));
    CHECK_STR(edn_buf_view(&out), words);
    CHECK_STATUS(codec_unpack(c, edn_buf_view(&packed), WORDS_SIZE - 1, &out), EDN_E_LIMIT);
    for (size_t i = 0; i < EDN_COUNT(bad); i++) {
        put_packed(&packed, WORDS_SIZE, bad[i], 2);
        CHECK_STATUS(codec_unpack(c, edn_buf_view(&packed), 1000, &out), EDN_E_FORMAT);
        CHECK_STR(edn_buf_view(&out), words); /* what was there before is left alone */
    }
    for (size_t n = 0; n < good.n; n++) {
        put_packed(&packed, WORDS_SIZE, &(edn_bytes){good.p, n}, 1);
        CHECK_STATUS(codec_unpack(c, edn_buf_view(&packed), 1000, &out), EDN_E_FORMAT);
    }
    edn_buf_reset(&packed);
    edn_buf_reset(&out);
    CHECK_OK(codec_pack_plain(c, edn_bytes_of(words, WORDS_SIZE), &packed)); /* what we pack is what we open */
    CHECK_INT(packed.p[0], 1);
    CHECK_OK(codec_unpack(c, edn_buf_view(&packed), 1000, &out));
    CHECK_STR(edn_buf_view(&out), words);
    CHECK_OK(client_end_read(c, EDN_OK, NULL));
    for (size_t i = 0; i < EDN_COUNT(bufs); i++)
        edn_buf_dispose(&bufs[i]);
    edn_buf_dispose(&packed);
    edn_buf_dispose(&out);
    edn_client_close(c);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(exactly_one_frame_as_we_make_them)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
