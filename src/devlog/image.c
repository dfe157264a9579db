/* The state of a log as bytes, so that a device need not take in every link again each time that it is unlocked:
 *
 *     u8 version 3 ‖ u8 space ‖ u32 count ‖ u32 devices ‖ u32 cuts ‖ u32 pins ‖ u32 bases
 *     count × link hash 32
 *     devices × (id 16 ‖ cert 100 ‖ u64 added seq ‖ u64 added ms ‖ added by 16 ‖ u64 revoked seq ‖ u32 first cut
 *                ‖ u32 cuts ‖ u32 number of the device that let it in: a lower one, or 2^32 - 1: the AIK)
 *     devices × u32: the devices' numbers, in ascending order of their ids
 *     cuts × (space 32 ‖ u64 dseq ‖ hash 32)
 *     (pins + bases) × (space 32 ‖ device 16 ‖ u64 dseq ‖ hash 32)
 *     account 32 ‖ AIK 32 ‖ AEK 32 ‖ grants hash 32 ‖ u8 has kdf ‖ kdf hash 32 ‖ root box hash 32 ‖ login key 32
 *     u32 epoch ‖ u32 flags ‖ u16 suite ‖ u8 kdf floor ‖ u32 active devices ‖ u64 last RESEAL ‖ u32 its epoch
 *
 * It is kept where only this device can write. What is read is checked for everything that memory safety rests on, and
 * no more: whether it is true, `edn verify` tells from the links. */
#include "devlog_priv.h"

enum { VERSION = 3, DEVICE_SIZE = 16 + CERT_SIZE + 16 + 3 * 8 + 3 * 4 };

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void put_device(edn_buf *out, const device_row *row)
{
    edn_put_bytes(out, row->device.id.b, sizeof row->device.id.b);
    edn_cert_put(out, &row->device.cert);
    edn_put_u64(out, row->device.added_seq);
    edn_put_u64(out, row->device.added_time_ms);
    edn_put_bytes(out, row->device.added_by.b, sizeof row->device.added_by.b);
    edn_put_u64(out, row->device.revoked_seq);
    edn_put_u32(out, (uint32_t)row->cuts_at);
    edn_put_u32(out, row->cuts_n);
    edn_put_u32(out, row->parent);
}

static void put_pins(edn_buf *out, const edn_pin *pins, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        edn_put_bytes(out, pins[i].space.b, sizeof pins[i].space.b);
        edn_put_bytes(out, pins[i].device.b, sizeof pins[i].device.b);
        edn_put_u64(out, pins[i].dseq);
        edn_put_bytes(out, pins[i].hash.b, sizeof pins[i].hash.b);
    }
}

static void put_lists(edn_buf *out, const edn_devlog *log)
{
    edn_put_bytes(out, log->hashes, (size_t)log->count * sizeof *log->hashes);
    for (size_t i = 0; i < log->devices_n; i++)
        put_device(out, &log->devices[i]);
    for (size_t i = 0; i < log->devices_n; i++)
        edn_put_u32(out, log->by_id[i]);
    for (size_t i = 0; i < log->cuts_n; i++) {
        edn_put_bytes(out, log->cuts[i].space.b, sizeof log->cuts[i].space.b);
        edn_put_u64(out, log->cuts[i].dseq);
        edn_put_bytes(out, log->cuts[i].hash.b, sizeof log->cuts[i].hash.b);
    }
    put_pins(out, log->pins, log->pins_n);
    put_pins(out, log->bases, log->bases_n);
}

void edn_devlog_image_put(edn_buf *out, const edn_devlog *log)
{
    edn_put_u8(out, VERSION);
    edn_put_u8(out, log->space);
    edn_put_u32(out, (uint32_t)log->count);
    edn_put_u32(out, (uint32_t)log->devices_n);
    edn_put_u32(out, (uint32_t)log->cuts_n);
    edn_put_u32(out, (uint32_t)log->pins_n);
    edn_put_u32(out, (uint32_t)log->bases_n);
    put_lists(out, log);
    edn_put_bytes(out, log->account.b, sizeof log->account.b);
    edn_put_bytes(out, log->aik.b, sizeof log->aik.b);
    edn_put_bytes(out, log->aek.b, sizeof log->aek.b);
    edn_put_bytes(out, log->grants_hash.b, sizeof log->grants_hash.b);
    edn_put_u8(out, log->has_kdf);
    edn_put_bytes(out, log->kdf_hash.b, sizeof log->kdf_hash.b);
    edn_put_bytes(out, log->root_box_hash.b, sizeof log->root_box_hash.b);
    edn_put_bytes(out, log->login.b, sizeof log->login.b);
    edn_put_u32(out, log->epoch);
    edn_put_u32(out, log->flags);
    edn_put_u16(out, log->suite_min);
    edn_put_u8(out, log->kdf_floor);
    edn_put_u32(out, log->active_n);
    edn_put_u64(out, log->reseal_seq);
    edn_put_u32(out, log->reseal_epoch);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* A device never came in by one that is not before it: walks up end. */
static void read_device(edn_reader *r, device_row *row, size_t at, size_t cuts_n)
{
    edn_read_into(r, row->device.id.b, sizeof row->device.id.b, "device");
    edn_read_into(r, row->device.cert.sign.b, sizeof row->device.cert.sign.b, "signing key");
    edn_read_into(r, row->device.cert.enc.b, sizeof row->device.cert.enc.b, "encryption key");
    row->device.cert.caps = edn_read_u32(r, "capabilities");
    edn_read_into(r, row->device.cert.name_hash.b, sizeof row->device.cert.name_hash.b, "name hash");
    row->device.added_seq = edn_read_u64(r, "added");
    row->device.added_time_ms = edn_read_u64(r, "added time");
    edn_read_into(r, row->device.added_by.b, sizeof row->device.added_by.b, "added by");
    row->device.revoked_seq = edn_read_u64(r, "revoked");
    row->cuts_at = edn_read_u32(r, "first cut");
    row->cuts_n = edn_read_u32(r, "cuts");
    if (row->cuts_at > cuts_n || row->cuts_n > cuts_n - row->cuts_at)
        edn_reader_fail(r, EDN_E_FORMAT, "cuts");
    row->parent = edn_read_u32(r, "let in by");
    if (row->parent != ROW_NONE && row->parent >= at)
        edn_reader_fail(r, EDN_E_FORMAT, "let in by");
}

/* Searches in by_id rely on its order, and on its naming devices that there are. */
static void read_order(edn_reader *r, edn_devlog *log)
{
    for (size_t i = 0; i < log->devices_n; i++) {
        uint32_t at = edn_read_u32(r, "order");
        log->by_id[i] = EDN_MIN(at, (uint32_t)log->devices_n - 1);
        if (at >= log->devices_n ||
            (i > 0 && memcmp(log->devices[log->by_id[i - 1]].device.id.b, log->devices[at].device.id.b,
                             sizeof log->devices[at].device.id.b) >= 0))
            edn_reader_fail(r, EDN_E_FORMAT, "order");
    }
}

static void read_lists(edn_reader *r, edn_devlog *log)
{
    edn_read_into(r, log->hashes, (size_t)log->count * sizeof *log->hashes, "hashes");
    for (size_t i = 0; i < log->devices_n; i++)
        read_device(r, &log->devices[i], i, log->cuts_n);
    read_order(r, log);
    for (size_t i = 0; i < log->cuts_n; i++)
        log->cuts[i] = edn_cut_next(r);
    for (size_t i = 0; i < log->pins_n; i++)
        log->pins[i] = edn_pin_next(r);
    for (size_t i = 0; i < log->bases_n; i++)
        log->bases[i] = edn_pin_next(r);
}

static void read_rest(edn_reader *r, edn_devlog *log)
{
    edn_read_into(r, log->account.b, sizeof log->account.b, "account");
    edn_read_into(r, log->aik.b, sizeof log->aik.b, "AIK");
    edn_read_into(r, log->aek.b, sizeof log->aek.b, "AEK");
    edn_read_into(r, log->grants_hash.b, sizeof log->grants_hash.b, "grants");
    log->has_kdf = edn_read_u8(r, "has kdf") != 0;
    edn_read_into(r, log->kdf_hash.b, sizeof log->kdf_hash.b, "kdf");
    edn_read_into(r, log->root_box_hash.b, sizeof log->root_box_hash.b, "root box");
    edn_read_into(r, log->login.b, sizeof log->login.b, "login key");
    log->epoch = edn_read_u32(r, "epoch");
    log->flags = edn_read_u32(r, "flags");
    log->suite_min = edn_read_u16(r, "suite");
    log->kdf_floor = edn_read_u8(r, "kdf floor");
    log->active_n = edn_read_u32(r, "active");
    log->reseal_seq = edn_read_u64(r, "last reseal");
    log->reseal_epoch = edn_read_u32(r, "its epoch");
}

edn_status edn_devlog_image_read(edn_bytes in, edn_devlog **out)
{
    edn_reader r = edn_reader_init(in);
    uint32_t counts[5];
    uint8_t space;
    edn_devlog *log;
    edn_status st = EDN_E_NOMEM;

    *out = NULL;
    if (edn_read_u8(&r, "version") != VERSION)
        return EDN_E_FORMAT;
    space = edn_read_u8(&r, "space");
    for (size_t i = 0; i < EDN_COUNT(counts); i++)
        counts[i] = edn_read_u32(&r, "count");
    if (space > 1 || counts[0] == 0 || counts[0] > EDN_LINKS_MAX || !edn_reader_has(&r, counts[0], 32) ||
        !edn_reader_has(&r, counts[1], DEVICE_SIZE) || !edn_reader_has(&r, counts[2], CUT_SIZE) ||
        !edn_reader_has(&r, counts[3], PIN_SIZE) || !edn_reader_has(&r, counts[4], PIN_SIZE))
        return EDN_E_FORMAT;
    if (edn_devlog_new(&log) != EDN_OK)
        return st;
    log->space = space;
    log->count = counts[0];
    log->devices_n = counts[1];
    log->cuts_n = counts[2];
    if (edn_devlog_reserve(log, 0, counts[3], counts[4])) {
        log->pins_n = counts[3];
        log->bases_n = counts[4];
        read_lists(&r, log);
        read_rest(&r, log);
        st = edn_reader_end(&r);
    }
    if (st == EDN_OK)
        *out = log;
    else
        edn_devlog_free(log);
    return st;
}
