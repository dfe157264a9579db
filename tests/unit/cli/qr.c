/* QR codes as they are shown: two ways of drawing one that say the same. What they say is libqrencode's business, which
 * a reader of barcodes confirmed by hand. */
#include "check.h"

#include <png.h>
#include <qrencode.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cli/qr.h"
#include "tempdir.h"

#define TEXT "0410ABCD1234"

/* Reads half blocks back: rows of modules, light (0) and dark (1), without border. */
static void read_blocks(edn_bytes in, bool color, uint8_t *out, int side)
{
    const char *p = (const char *)in.p;

    for (int y = -4; y < side + 4; y += 2) {
        if (color) {
            CHECK(strncmp(p, "\x1b[30;107m", 9) == 0);
            p += 9;
        }
        for (int x = -4; x < side + 4; x++) {
            int halves = *p == ' ' ? 0 : !memcmp(p, "▄", 3) ? 1 : !memcmp(p, "▀", 3) ? 2 : 3;
            p += halves ? 3 : 1;
            if (!color)
                halves = 3 - halves;
            for (int k = 0; k < 2; k++) {
                int dark = k ? halves & 1 : halves >> 1;
                if (x >= 0 && x < side && y + k >= 0 && y + k < side)
                    out[(y + k) * side + x] = (uint8_t)dark;
                else
                    CHECK_INT(dark, 0); /* the border is light */
            }
        }
        if (color) {
            CHECK(strncmp(p, "\x1b[0m", 4) == 0);
            p += 4;
        }
        CHECK(*p++ == '\n');
    }
    CHECK(p == (const char *)in.p + in.n);
}

static void blocks_show_every_module(void **state)
{
    QRcode *q = QRcode_encodeString(TEXT, 0, QR_ECLEVEL_L, QR_MODE_8, 1);
    uint8_t got[80 * 80];

    (void)state;
    CHECK(q && q->width <= 80);
    for (int color = 0; color < 2; color++) {
        edn_cli_term t = {.color = color == 1};
        edn_buf out = EDN_BUF_INIT(1 << 20);
        CHECK_OK(edn_cli_qr_put(&out, &t, TEXT));
        read_blocks(edn_buf_view(&out), color == 1, got, q->width);
        for (int i = 0; i < q->width * q->width; i++)
            CHECK_INT(got[i], q->data[i] & 1);
        edn_buf_dispose(&out);
    }
    QRcode_free(q);
}

static void a_picture_shows_every_module_and_is_ones_own(void **state)
{
    QRcode *q = QRcode_encodeString(TEXT, 0, QR_ECLEVEL_L, QR_MODE_8, 1);
    png_image image = {.version = PNG_IMAGE_VERSION};
    char dir[TEMPDIR_SIZE], path[TEMPDIR_SIZE + 16];
    static uint8_t pixels[1 << 20];
    struct stat info;
    edn_err err;
    FILE *old;

    (void)state;
    tempdir_make(dir);
    snprintf(path, sizeof path, "%s/a.png", dir);
    old = fopen(path, "w"); /* with rights for all */
    CHECK(old && fclose(old) == 0 && chmod(path, 0644) == 0);
    CHECK_OK(edn_cli_qr_png(path, TEXT, &err));
    CHECK(stat(path, &info) == 0);
    CHECK_INT(info.st_mode & 0777, 0600);
    CHECK(png_image_begin_read_from_file(&image, path));
    image.format = PNG_FORMAT_GRAY;
    CHECK_INT(image.width, (q->width + 8) * 8);
    CHECK(PNG_IMAGE_SIZE(image) <= sizeof pixels);
    CHECK(png_image_finish_read(&image, NULL, pixels, 0, NULL));
    for (int y = 0; y < (int)image.height; y++)
        for (int x = 0; x < (int)image.width; x++) {
            int mx = x / 8 - 4, my = y / 8 - 4;
            bool in = mx >= 0 && my >= 0 && mx < q->width && my < q->width;
            CHECK_INT(pixels[y * (int)image.width + x], in && (q->data[my * q->width + mx] & 1) ? 0 : 255);
        }
    snprintf(path, sizeof path, "%s/no/a.png", dir);
    CHECK_STATUS(edn_cli_qr_png(path, TEXT, &err), EDN_E_IO);
    CHECK(strstr(err.text, path));
    QRcode_free(q);
    tempdir_remove(dir);
}

static void a_text_that_is_too_long_is_refused(void **state)
{
    static char text[9000];
    edn_buf out = EDN_BUF_INIT(1 << 20);
    edn_cli_term t = {.color = false};

    (void)state;
    memset(text, 'x', sizeof text - 1);
    CHECK_STATUS(edn_cli_qr_put(&out, &t, text), EDN_E_LIMIT);
    CHECK_STATUS(edn_cli_qr_svg(&out, text), EDN_E_LIMIT);
    CHECK_INT(out.n, 0);
    edn_buf_dispose(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_show_every_module),
        cmocka_unit_test(a_picture_shows_every_module_and_is_ones_own),
        cmocka_unit_test(a_text_that_is_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
