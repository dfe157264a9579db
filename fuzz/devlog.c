/* devlog: a whole device log or space log, link by link, as a server would serve it: LP(link) ‖ LP(link)… The first
 * byte says whether signatures are checked (even) or the links are taken as verified before (odd), which lets mutations
 * get further. */
#include "fuzz.h"

#include "devlog/devlog.h"

static void ask_everything(const edn_devlog *log)
{
    const edn_device *d;
    const edn_pin *pins;
    edn_hash hash, box;
    edn_sign_pk login;
    edn_space_id space = {{0}};
    uint64_t dseq;

    FUZZ_HOLDS(edn_devlog_hash_at(log, edn_devlog_count(log) - 1, &hash));
    FUZZ_HOLDS(!edn_devlog_hash_at(log, edn_devlog_count(log), &hash));
    for (size_t i = 0; (d = edn_devlog_device(log, i)); i++) {
        FUZZ_HOLDS(edn_devlog_device_find(log, &d->id) == d);
        FUZZ_HOLDS(edn_device_active_at(d, d->added_seq));
        const edn_device *member = edn_devlog_membership(log, &d->id);
        FUZZ_HOLDS(!member || (edn_devlog_is_space(log) && (member->cert.caps & EDN_CAP_MEMBER)));
        FUZZ_HOLDS(edn_devlog_cut(log, &d->id, &space, &dseq, &hash) == !edn_device_active(d));
    }
    (void)edn_devlog_kdf(log, &hash, &box, &login); /* either answer is right */
    (void)edn_devlog_checkpoint(log, &pins);
}

static void image_is_the_log(const edn_devlog *log)
{
    edn_buf image = EDN_BUF_INIT(EDN_BUF_UNLIMITED), again = EDN_BUF_INIT(EDN_BUF_UNLIMITED);
    edn_devlog *back = NULL;

    if (edn_devlog_count(log) == 0)
        return;
    edn_devlog_image_put(&image, log);
    FUZZ_HOLDS(edn_devlog_image_read(edn_buf_view(&image), &back) == EDN_OK);
    edn_devlog_image_put(&again, back);
    FUZZ_HOLDS(edn_bytes_equal(edn_buf_view(&image), edn_buf_view(&again)));
    ask_everything(back);
    edn_devlog_free(back);
    edn_buf_dispose(&image);
    edn_buf_dispose(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    edn_reader r;
    edn_devlog *log, *copy;

    if (size == 0 || edn_devlog_new(&log) != EDN_OK)
        return 0;
    r = edn_reader_init(edn_bytes_of(data + 1, size - 1));
    while (edn_reader_left(&r)) {
        edn_bytes link = edn_read_lp(&r, EDN_LINK_SIZE_MAX, "link");
        uint64_t before = edn_devlog_count(log);
        edn_link_info info;
        edn_hash boxes[EDN_LINK_BOXES_MAX];
        size_t boxes_n;
        edn_status st;

        if (edn_reader_status(&r) != EDN_OK)
            break;
        st = data[0] & 1 ? edn_devlog_append_trusted(log, link) : edn_devlog_append(log, link);
        FUZZ_HOLDS(edn_devlog_count(log) == before + (st == EDN_OK));
        /* What a listing reads of a link before anything is checked. */
        FUZZ_HOLDS(edn_link_boxes(link, boxes, &boxes_n) == EDN_OK || boxes_n == 0);
        if (st == EDN_OK) {
            edn_hash head = edn_devlog_head(log), hash = edn_link_hash(link);

            FUZZ_HOLDS(edn_link_peek(link, &info) == EDN_OK && info.seq == before &&
                       info.space == edn_devlog_is_space(log));
            FUZZ_HOLDS(memcmp(&head, &hash, sizeof head) == 0);
            FUZZ_HOLDS(edn_link_boxes(link, boxes, &boxes_n) == EDN_OK && boxes_n <= EDN_LINK_BOXES_MAX);
            ask_everything(log);
        }
    }
    if (edn_devlog_count(log) && edn_devlog_copy(log, &copy) == EDN_OK) {
        ask_everything(copy);
        edn_devlog_free(copy);
    }
    image_is_the_log(log);
    edn_devlog_free(log);
    return 0;
}
