/* The inside of a batch: LP(heads) ‖ LP(records). Its bytes were sealed and signed by a device of the account, and are
 * checked as if by a stranger. */
#include "wire_priv.h"

#define RECORD_HEAD_SIZE 45u /* all of a record but its box */
#define HEADS_SIZE_MAX (4u + EDN_HEADS_MAX * EDN_HEAD_SIZE)

/* The bytes of the two parts; false when a limit is passed. */
static bool body_sizes(size_t heads_n, const edn_record *records, size_t n, size_t *heads_size, size_t *records_size)
{
    size_t sum = 4;

    if (heads_n > EDN_HEADS_MAX || n > EDN_RECORDS_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (records[i].box.n > EDN_RECORD_SIZE_MAX)
            return false;
        sum += RECORD_HEAD_SIZE + records[i].box.n;
    }
    *heads_size = 4 + heads_n * EDN_HEAD_SIZE;
    *records_size = sum;
    return sum + *heads_size + 8 <= EDN_BATCH_SIZE_MAX;
}

edn_status edn_body_encode(edn_buf *out, const edn_head *heads, size_t heads_n, const edn_record *records, size_t n)
{
    size_t heads_size, records_size, before = out->n;

    if (!body_sizes(heads_n, records, n, &heads_size, &records_size))
        return EDN_E_LIMIT;
    edn_buf_reserve(out, 8 + heads_size + records_size);
    edn_put_u32(out, (uint32_t)heads_size);
    edn_heads_put(out, heads, heads_n);
    edn_put_u32(out, (uint32_t)records_size);
    edn_put_u32(out, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        const edn_record *r = &records[i];
        edn_put_bytes(out, r->journal.b, sizeof r->journal.b);
        edn_put_bytes(out, r->entry.b, sizeof r->entry.b);
        edn_put_u32(out, r->journal_epoch);
        edn_put_u32(out, r->key_version);
        edn_put_u8(out, r->type);
        edn_put_lp(out, r->box);
    }
    EDN_ASSERT(edn_buf_status(out) != EDN_OK || out->n - before == 8 + heads_size + records_size);
    return edn_buf_status(out);
}

static void records_read(edn_reader *r, edn_arena *a, edn_body *out)
{
    uint32_t n = edn_read_u32(r, "records");

    if (n > EDN_RECORDS_MAX)
        edn_reader_fail(r, EDN_E_FORMAT, "records");
    if (!edn_reader_has(r, n, RECORD_HEAD_SIZE) || n == 0)
        return;
    if (!(out->records = edn_wire_alloc(r, a, n, sizeof *out->records)))
        return;
    out->records_n = n;
    for (uint32_t i = 0; i < n; i++) {
        edn_record *rec = &out->records[i];
        edn_read_into(r, rec->journal.b, sizeof rec->journal.b, "record: journal");
        edn_read_into(r, rec->entry.b, sizeof rec->entry.b, "record: entry");
        rec->journal_epoch = edn_read_u32(r, "record: journal epoch");
        rec->key_version = edn_read_u32(r, "record: key version");
        rec->type = edn_read_u8(r, "record: type");
        rec->box = edn_read_lp(r, EDN_RECORD_SIZE_MAX, "record: box");
    }
}

edn_status edn_body_decode(edn_arena *a, edn_bytes in, edn_body *out)
{
    edn_reader r = edn_reader_init(in), heads, records;
    edn_body body = {NULL, 0, NULL, 0};
    edn_status st;

    memset(out, 0, sizeof *out);
    heads = edn_reader_init(edn_read_lp(&r, HEADS_SIZE_MAX, "heads"));
    records = edn_reader_init(edn_read_lp(&r, EDN_BATCH_SIZE_MAX, "records"));
    if ((st = edn_reader_end(&r)) != EDN_OK)
        return st;
    if (!edn_heads_read(&heads, a, &body.heads, &body.heads_n))
        return edn_reader_status(&heads);
    if ((st = edn_reader_end(&heads)) != EDN_OK)
        return st;
    records_read(&records, a, &body);
    if ((st = edn_reader_end(&records)) != EDN_OK)
        return st;
    *out = body;
    return EDN_OK;
}
