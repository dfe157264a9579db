/* usage: image_make < DIARY > IMAGE
 *
 * Indexes a diary, an entry a line, and writes the image of its segment in hex, for image_check.py. Fields of a line
 * are parted by tabs: id (hex), date (YYYYMMDD or 0), title, tag, text. */
#include "check.h"

#include "search/image.h"
#include "search/segments.h"

static void entry_add(edn_builder *b, char *line)
{
    edn_segment_doc doc = {.length = 0};
    char *field[5];

    line[strcspn(line, "\n")] = 0;
    for (size_t i = 0; i < EDN_COUNT(field); i++) {
        field[i] = strsep(&line, "\t");
        EDN_ASSERT(field[i]);
    }
    EDN_ASSERT(edn_hex_decode(doc.entry.b, sizeof doc.entry.b, edn_bytes_str(field[0])));
    doc.date = (uint32_t)strtoul(field[1], NULL, 10);
    edn_builder_doc(b, &doc);
    edn_builder_text(b, edn_bytes_str(field[2]), true);
    edn_builder_text(b, edn_bytes_str(field[4]), false);
    if (*field[3])
        edn_builder_tag(b, edn_bytes_str(field[3]));
    edn_builder_mark(b, EDN_TERM_JOURNAL, edn_bytes_str("a journal of kat"));
}

int main(void)
{
    static char line[1 << 16];
    seg g = SEG_INIT;
    edn_buf image = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_pages *pages;
    edn_builder *b;
    uint64_t size;

    EDN_ASSERT(edn_pages_new(1 << 20, &pages) == EDN_OK && edn_builder_new(0, &b) == EDN_OK);
    while (fgets(line, sizeof line, stdin))
        entry_add(b, line);
    EDN_ASSERT(edn_builder_finish(b, seg_out, &g.bytes, &size) == EDN_OK && seg_open(&g, pages) == EDN_OK);
    EDN_ASSERT(edn_image_put(&image, g.s) == EDN_OK);
    for (size_t i = 0; i < image.n; i++)
        printf("%02x%s", image.p[i], i % 48 == 47 ? "\n" : "");
    printf("\n");
    edn_buf_dispose(&image);
    edn_builder_free(b);
    seg_dispose(&g);
    edn_pages_free(pages);
    return 0;
}
