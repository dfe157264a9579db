/* The state of a log as bytes: read back, it is the same log, and goes on as the same. */
#include "links.h"

static void put(edn_buf *out, const edn_devlog *log)
{
    edn_devlog_image_put(out, log);
    CHECK_OK(edn_buf_status(out));
}

static void check_same(const edn_devlog *a, const edn_devlog *b)
{
    edn_buf x = EDN_BUF_INIT(EDN_BUF_UNLIMITED), y = EDN_BUF_INIT(EDN_BUF_UNLIMITED);

    put(&x, a);
    put(&y, b);
    CHECK_BYTES(edn_buf_view(&x), edn_buf_view(&y));
    edn_buf_dispose(&x);
    edn_buf_dispose(&y);
}

/* At every length: links that follow are taken and refused alike, and each device is found. */
static void an_image_is_the_log(void **state)
{
    edn_devlog *here, *there = NULL;
    edn_buf image = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    links l;

    (void)state;
    links_init(&l, check_seed());
    while (l.n < 120)
        links_step(&l, 0);
    CHECK_OK(edn_devlog_new(&here));
    for (size_t i = 0; i < l.n; i++) {
        CHECK_OK(edn_devlog_append(here, links_at(&l, i)));
        if (there) {
            CHECK_OK(edn_devlog_append(there, links_at(&l, i)));
            check_same(here, there);
            edn_devlog_free(there);
        }
        edn_buf_reset(&image);
        put(&image, here);
        CHECK_OK(edn_devlog_image_read(edn_buf_view(&image), &there));
        check_same(here, there);
        for (size_t d = 0; edn_devlog_device(here, d); d++)
            CHECK(edn_devlog_device_find(there, &edn_devlog_device(here, d)->id) == edn_devlog_device(there, d));
        CHECK_STATUS(edn_devlog_append(there, links_at(&l, i)), i ? EDN_E_SEQ : EDN_E_TYPE);
    }
    edn_devlog_free(there);
    edn_devlog_free(here);
    edn_buf_dispose(&image);
    links_dispose(&l);
}

/* Whatever is read is safe to ask; a length that is not its own is refused. */
static void a_broken_image_is_refused_or_harmless(void **state)
{
    edn_buf image = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_devlog *log;
    unsigned refused = 0;
    links l;

    (void)state;
    links_init(&l, check_seed());
    while (l.n < 30)
        links_step(&l, 0);
    put(&image, l.log);
    for (size_t n = 0; n < image.n; n++)
        CHECK_STATUS(edn_devlog_image_read(edn_bytes_of(image.p, n), &log), EDN_E_FORMAT);
    for (size_t i = 0; i < image.n; i++) {
        image.p[i] ^= (uint8_t)(1u << (i % 8));
        if (edn_devlog_image_read(edn_buf_view(&image), &log) == EDN_OK) {
            edn_hash hash;
            uint64_t dseq;
            edn_space_id space = {{0}};
            const edn_device *d;
            for (size_t k = 0; (d = edn_devlog_device(log, k)) != NULL; k++)
                (void)edn_devlog_cut(log, &d->id, &space, &dseq, &hash);
            edn_devlog_free(log);
        } else {
            refused++;
        }
        image.p[i] ^= (uint8_t)(1u << (i % 8));
    }
    CHECK(refused > 0);
    edn_buf_dispose(&image);
    links_dispose(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_image_is_the_log),
        cmocka_unit_test(a_broken_image_is_refused_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
