#include "cli/qr.h"

#include <errno.h>
#include <fcntl.h>
#include <png.h>
#include <qrencode.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/text.h"

/* The light border that a reader needs; the smallest picture that a screen shows well. */
enum { BORDER = 4, PIXELS = 8 };

static edn_status make(const char *text, QRcode **out)
{
    *out = QRcode_encodeString(text, 0, QR_ECLEVEL_L, QR_MODE_8, 1); /* finds the alphanumeric parts itself */
    if (*out)
        return EDN_OK;
    return errno == ERANGE ? EDN_E_LIMIT : EDN_E_NOMEM;
}

static bool dark(const QRcode *q, int x, int y)
{
    return x >= 0 && y >= 0 && x < q->width && y < q->width && (q->data[y * q->width + x] & 1);
}

edn_status edn_cli_qr_put(edn_buf *out, const edn_cli_term *t, const char *text)
{
    static const char *const blocks[] = {" ", "▄", "▀", "█"}; /* of the lower and the upper half */
    QRcode *q;
    edn_status st = make(text, &q);

    if (st != EDN_OK)
        return st;
    for (int y = -BORDER; y < q->width + BORDER; y += 2) {
        if (t->color)
            edn_put_str(out, "\x1b[30;107m");
        for (int x = -BORDER; x < q->width + BORDER; x++) {
            int inked = (dark(q, x, y + 1) ? 1 : 0) | (dark(q, x, y) ? 2 : 0);
            edn_put_str(out, blocks[t->color ? inked : 3 - inked]);
        }
        edn_put_str(out, t->color ? "\x1b[0m\n" : "\n");
    }
    QRcode_free(q);
    return edn_buf_status(out);
}

static void draw(const QRcode *q, uint8_t *pixels, size_t side)
{
    memset(pixels, 0xff, side * side);
    for (size_t y = 0; y < side; y++)
        for (size_t x = 0; x < side; x++)
            if (dark(q, (int)(x / PIXELS) - BORDER, (int)(y / PIXELS) - BORDER))
                pixels[y * side + x] = 0;
}

static edn_status write_png(const char *path, const uint8_t *pixels, size_t side, edn_err *err)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .format = PNG_FORMAT_GRAY,
                       .width = (png_uint_32)side,
                       .height = (png_uint_32)side};
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *f = fd >= 0 ? fdopen(fd, "wb") : NULL;
    bool ok;

    if (!f) {
        int why = errno;
        if (fd >= 0)
            close(fd);
        return edn_fail(err, EDN_E_IO, "could not write %s: %s", path, strerror(why));
    }
    ok = fchmod(fd, 0600) == 0 && png_image_write_to_stdio(&image, f, 0, pixels, 0, NULL);
    ok = fclose(f) == 0 && ok;
    return ok ? EDN_OK
              : edn_fail(err, EDN_E_IO, "could not write %s: %s", path,
                         image.message[0] ? image.message : strerror(errno));
}

edn_status edn_cli_qr_png(const char *path, const char *text, edn_err *err)
{
    QRcode *q;
    uint8_t *pixels;
    size_t side;
    edn_status st = make(text, &q);

    if (st != EDN_OK)
        return edn_fail(err, st, "could not make a QR code");
    side = (size_t)(q->width + 2 * BORDER) * PIXELS;
    pixels = malloc(side * side);
    if (pixels) {
        draw(q, pixels, side);
        st = write_png(path, pixels, side, err);
    } else {
        st = edn_fail(err, EDN_E_NOMEM, "out of memory");
    }
    free(pixels);
    QRcode_free(q);
    return st;
}

edn_status edn_cli_qr_svg(edn_buf *out, const char *text)
{
    QRcode *q;
    edn_status st = make(text, &q);

    if (st != EDN_OK)
        return st;
    edn_cli_putf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" shape-rendering=\"crispEdges\">",
                 q->width + 2 * BORDER, q->width + 2 * BORDER);
    edn_put_str(out, "<path fill=\"#000\" d=\"");
    for (int y = 0; y < q->width; y++)
        for (int x = 0; x < q->width; x++)
            if (dark(q, x, y))
                edn_cli_putf(out, "M%d %dh1v1h-1z", x + BORDER, y + BORDER);
    edn_put_str(out, "\"/></svg>");
    QRcode_free(q);
    return edn_buf_status(out);
}
