/* What an emergency has come to, in one row:
 *
 *     META "emergency"   u8 done ‖ device 16 ‖ u64 began ms ‖ u64 batches ‖ u64 written ms ‖ u32 epoch
 *
 * What the device held is looked up before it is revoked and kept: afterwards the account has moved on. */
#include <edn/emergency.h>

#include "client/client_priv.h"

static void row_put(const edn_emergency *e, const edn_device_id *id, edn_buf *out)
{
    edn_put_u8(out, (uint8_t)e->done);
    edn_put_bytes(out, id->b, sizeof id->b);
    edn_put_u64(out, e->began_ms);
    edn_put_u64(out, e->batches);
    edn_put_u64(out, e->written_ms);
    edn_put_u32(out, e->epoch);
}

static edn_status row_load(edn_client *c, edn_emergency *out, edn_device_id *id)
{
    edn_buf row = EDN_BUF_INIT(256);
    edn_status st = meta_get(c, "emergency", EDN_BYTES_EMPTY, &row);
    edn_reader r = edn_reader_init(edn_buf_view(&row));

    memset(out, 0, sizeof *out);
    memset(id, 0, sizeof *id);
    out->epoch_now = edn_devlog_epoch(c->log);
    if (st == EDN_OK) {
        out->there = true;
        out->done = edn_read_u8(&r, "done");
        edn_read_into(&r, id->b, sizeof id->b, "device");
        out->began_ms = edn_read_u64(&r, "began");
        out->batches = edn_read_u64(&r, "batches");
        out->written_ms = edn_read_u64(&r, "written");
        out->epoch = edn_read_u32(&r, "epoch");
        edn_hex_encode(out->device, id->b, sizeof id->b);
        if (edn_reader_end(&r) != EDN_OK)
            st = EDN_E_DAMAGED;
    }
    edn_buf_dispose(&row);
    return st == EDN_E_MISSING ? EDN_OK : st;
}

static edn_status row_save(edn_client *c, const edn_emergency *e, const edn_device_id *id)
{
    edn_buf row = EDN_BUF_INIT(256);
    edn_status st;

    row_put(e, id, &row);
    if ((st = edn_buf_status(&row)) == EDN_OK)
        st = meta_put(c, "emergency", EDN_BYTES_EMPTY, edn_buf_view(&row));
    edn_buf_dispose(&row);
    return st;
}

/* ---- what it held ------------------------------------------------------------------------------------------------ */

/* The newest time in a batch of its own. One that does not open tells nothing. */
static edn_status written(edn_client *c, const edn_head *head, uint64_t *out)
{
    edn_arena a = edn_arena_init(BATCH_ARENA_SIZE_MAX);
    edn_buf message = EDN_BUF_INIT((size_t)4 << 20);
    edn_batch b;
    edn_body body;
    record_head at;
    edn_status st = batch_reopen(c, &head->device, head->dseq, &a, &b, &body);

    for (uint32_t i = 0; st == EDN_OK && i < body.records_n; i++) {
        edn_buf_reset(&message);
        if (body.records[i].type == EDN_RECORD_ENTRY &&
            record_message(c, &b.header, &body.records[i], i, &message, &at) == EDN_OK)
            *out = EDN_MAX(*out, at.time_ms);
    }
    edn_buf_wipe(&message);
    edn_arena_dispose(&a);
    return st == EDN_E_NOMEM || st == EDN_E_IO ? st : EDN_OK;
}

#define LOOK_BACK_MAX 16u /* batches: the last ones may hold no entry */

static edn_status look(edn_client *c, const edn_device_id *id, edn_emergency *out)
{
    heads h = {NULL, 0};
    const edn_head *head;
    edn_status st = heads_load(c, &h);

    out->epoch = edn_devlog_epoch(c->log);
    if (st == EDN_OK && (head = edn_heads_find(h.p, h.n, id)) != NULL) {
        edn_head at = *head;
        out->batches = at.dseq;
        for (unsigned i = 0; st == EDN_OK && i < LOOK_BACK_MAX && at.dseq > 0 && !out->written_ms; i++, at.dseq--)
            st = written(c, &at, &out->written_ms);
    }
    heads_dispose(&h);
    return st;
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

edn_status edn_client_emergency_get(edn_client *c, edn_emergency *out, edn_err *err)
{
    edn_device_id id;
    edn_status st = client_begin_read(c, err);

    memset(out, 0, sizeof *out);
    return st == EDN_OK ? client_end_read(c, row_load(c, out, &id), err) : st;
}

static edn_status begin(edn_client *c, const char *device, edn_emergency *out, edn_err *err)
{
    edn_device_id id, kept;
    edn_status st = row_load(c, out, &kept);

    if (st != EDN_OK)
        return st;
    if (out->there && strncmp(out->device, device, strlen(device)) == 0 && strlen(device) >= 4)
        return EDN_OK; /* which may be revoked by now, and so not to be found */
    if ((st = device_find(c, device, &id, err)) != EDN_OK)
        return st;
    if (out->there)
        return memcmp(id.b, kept.b, sizeof id.b) == 0
                   ? EDN_OK
                   : edn_fail(err, EDN_E_EXISTS, "the emergency of device %.8s is not over: finish that first",
                              out->device);
    if (memcmp(id.b, client_id(c)->device.b, sizeof id.b) == 0)
        return edn_fail(err, EDN_E_INVALID, "that is this device; do it on another one");
    out->there = true;
    out->began_ms = client_now(c);
    edn_hex_encode(out->device, id.b, sizeof id.b);
    st = look(c, &id, out);
    return st == EDN_OK ? row_save(c, out, &id) : st;
}

edn_status edn_client_emergency_begin(edn_client *c, const char *device, edn_emergency *out, edn_err *err)
{
    edn_status st = client_begin_write(c, err);

    memset(out, 0, sizeof *out);
    return st == EDN_OK ? client_end_write(c, begin(c, device, out, err), err) : st;
}

static edn_status note(edn_client *c, unsigned done, edn_err *err)
{
    edn_emergency e;
    edn_device_id id;
    edn_status st = row_load(c, &e, &id);

    if (st != EDN_OK)
        return st;
    if (!e.there)
        return edn_fail(err, EDN_E_MISSING, "no emergency was begun");
    e.done |= done;
    return row_save(c, &e, &id);
}

edn_status edn_client_emergency_done(edn_client *c, unsigned done, edn_err *err)
{
    edn_status st = client_begin_write(c, err);

    return st == EDN_OK ? client_end_write(c, note(c, done, err), err) : st;
}

edn_status edn_client_emergency_end(edn_client *c, edn_err *err)
{
    edn_status st = client_begin_write(c, err);

    return st == EDN_OK ? client_end_write(c, meta_del(c, "emergency", EDN_BYTES_EMPTY), err) : st;
}
